//! Owns how an amount is written for people: `49.90 EUR`, where programs have 4990 minor units.
//!
//! Spec: ISO 4217 (how many digits a currency has behind the point).
//! Never: computes with fractions: a point moves, and a number stays whole.

/// Currencies whose minor unit is none or a thousandth; all others have hundredths.
const DIGITS: [(u32, &[&str]); 2] = [
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
            "XPF",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
];

/// Digits that a form may have before the point: more than any price, and far from the end of 64 bits.
const WHOLE_DIGITS_MAX: usize = 12;

/// The amount as it stands in a form: `49.90`.
pub(super) fn amount(minor: i64, currency: &str) -> String {
    let digits = digits(currency);
    let unit = 10_u64.pow(digits);
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
    if digits == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{rest:0width$}", width = digits as usize)
    }
}

/// The amount with its currency: `49.90 EUR`.
pub(super) fn price(minor: i64, currency: &str) -> String {
    format!("{} {currency}", amount(minor, currency))
}

/// Minor units of what somebody wrote, with a point or a comma. `None` when it is no amount of this currency.
pub(super) fn minor(text: &str, currency: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, rest) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = digits(currency) as usize;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_amount = !whole.is_empty() && whole.len() <= WHOLE_DIGITS_MAX && rest.len() <= digits;
    (is_amount && is_number(whole) && is_number(rest))
        .then(|| format!("{whole}{rest:0<digits$}").parse().ok())
        .flatten()
}

fn digits(currency: &str) -> u32 {
    DIGITS.iter().find(|(_, names)| names.contains(&currency)).map_or(2, |(digits, _)| *digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_as_people_do() {
        let check = |minor, currency, expected| assert_eq!(price(minor, currency), expected);
        check(4990, "EUR", "49.90 EUR");
        check(5, "EUR", "0.05 EUR");
        check(0, "USD", "0.00 USD");
        check(-150, "EUR", "-1.50 EUR");
        check(4990, "JPY", "4990 JPY");
        check(4990, "KWD", "4.990 KWD");
        check(i64::MIN, "EUR", "-92233720368547758.08 EUR");
    }

    #[test]
    fn what_people_write_is_an_amount_or_none() {
        let check = |text: &str, currency, expected| assert_eq!(minor(text, currency), expected, "{text:?} {currency}");
        check("49.90", "EUR", Some(4990));
        check(" 49,9 ", "EUR", Some(4990));
        check("49", "EUR", Some(4900));
        check("49.", "EUR", Some(4900));
        check("0", "EUR", Some(0));
        check("4990", "JPY", Some(4990));
        check("4.99", "KWD", Some(4990));
        check("999999999999.99", "EUR", Some(99_999_999_999_999));
        for none in
            ["", " ", ".", ".90", "-1", "+1", "1.234", "1,2,3", "1.234,50", "1 000", "€5", "5€", "1e3", "٣", "0x10"]
        {
            check(none, "EUR", None);
        }
        check("49.90", "JPY", None);
        check("1000000000000", "EUR", None);
        for cents in [0, 1, 99, 100, 4990, 100_000_000] {
            check(&amount(cents, "EUR"), "EUR", Some(cents));
        }
    }
}
