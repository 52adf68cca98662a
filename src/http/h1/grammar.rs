//! Owns the byte classes of the HTTP grammar as one constant table, the ABNF name beside each, and the scans that run
//! over them.
//!
//! The one idea: a class is one bit of a 256-entry table, so asking about a byte is a load and a mask. A scan first
//! passes blocks of sixteen bytes that are plainly inside the class, then finds the first byte that may not be by
//! arithmetic on eight bytes in one register, and asks the table about that byte alone.
//!
//! ```text
//!   block   A c c e p t :   t e x t / h t m l    some byte is neither a letter nor '-'
//!   marks   . . . . . . x x . . . . x . . . .    the lowest mark is looked up: ':' is no tchar, the name ends here
//! ```
//!
//! The blocks are written as plain loops without an early exit, which the compiler turns into vector instructions; the
//! marks are the zero-byte trick of Mycroft. Neither needs `unsafe`.
//!
//! Spec: RFC 9110 5.5 and 5.6, RFC 3986 2 and 3, RFC 5234 B.1.
//! Never: decides what a byte outside the class means; that is its caller's rule.
//! Invariant: a scan ends at the same byte as asking the table about one byte after the other (a test compares them).

use crate::http::h1::scan::{self, Class};

const TOKEN: u8 = 1 << 0;
const FIELD_VALUE: u8 = 1 << 1;
const TARGET: u8 = 1 << 2;
const PATH: u8 = 1 << 3;
const QUERY: u8 = 1 << 4;
const REG_NAME: u8 = 1 << 5;
const UNRESERVED: u8 = 1 << 6;
const QUOTED_TEXT: u8 = 1 << 7;

/// The classes of every byte, one bit each.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classes_of(byte as u8);
        byte += 1;
    }
    table
};

const fn classes_of(byte: u8) -> u8 {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let sub_delim = matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=');
    let pchar = unreserved || sub_delim || matches!(byte, b':' | b'@' | b'%');
    let raw_from_browsers = matches!(byte, b'[' | b']' | b'{' | b'|' | b'}' | b'\\' | b'^' | b'`');
    let mut classes = 0;
    if byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
    {
        classes |= TOKEN;
    }
    if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
        classes |= FIELD_VALUE;
        classes |= if matches!(byte, b'"' | b'\\') { 0 } else { QUOTED_TEXT };
    }
    if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>') {
        classes |= TARGET;
    }
    if pchar || byte == b'/' {
        classes |= PATH;
    }
    if pchar || raw_from_browsers || matches!(byte, b'/' | b'?') {
        classes |= QUERY;
    }
    if (unreserved || sub_delim || byte == b'%') && byte != b',' {
        classes |= REG_NAME;
    }
    if unreserved {
        classes |= UNRESERVED;
    }
    classes
}

/// The bytes of `class` but for those of `left_out`.
const fn class_without(class: u8, left_out: &[u8]) -> Class {
    let mut members = [false; 128];
    let mut byte = 0;
    while byte < members.len() {
        members[byte] = is(byte as u8, class);
        byte += 1;
    }
    let mut index = 0;
    while index < left_out.len() {
        members[left_out[index] as usize] = false;
        index += 1;
    }
    Class::of(&members)
}

/// What [`is_token`] holds.
pub(crate) const TOKEN_CLASS: &Class = &class_without(TOKEN, b"");

/// What [`is_path`] holds but `%` and `.`: a path of these alone has no triplet and no dot segment.
pub(crate) const PLAIN_PATH: &Class = &class_without(PATH, b"%.");

/// What [`is_path`] holds.
pub(crate) const PATH_CLASS: &Class = &class_without(PATH, b"");

/// What [`is_query`] holds.
pub(crate) const QUERY_CLASS: &Class = &class_without(QUERY, b"");

/// What [`is_reg_name`] holds but `%`: a host of these alone has no triplet.
const PLAIN_HOST: &Class = &class_without(REG_NAME, b"%");

/// What [`is_target`] holds.
pub(crate) const TARGET_CLASS: &Class = &class_without(TARGET, b"");

#[inline]
const fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// `tchar` (RFC 9110 5.6.2): what methods and field names are made of.
#[inline]
pub const fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// `field-vchar / SP / HTAB` (RFC 9110 5.5): what field values are made of, obs-text included.
#[inline]
pub const fn is_field_value(byte: u8) -> bool {
    is(byte, FIELD_VALUE)
}

/// What may stand anywhere in a request-target: the visible bytes but `"`, `#`, `<` and `>`. [`crate::http::target`]
/// then asks the component it stands in.
#[inline]
pub const fn is_target(byte: u8) -> bool {
    is(byte, TARGET)
}

/// `pchar / "/"` (RFC 3986 3.3), the `%` of a triplet included.
#[inline]
pub const fn is_path(byte: u8) -> bool {
    is(byte, PATH)
}

/// `pchar / "/" / "?"` (RFC 3986 3.4), and the eight bytes that browsers leave as they are in a query (WHATWG URL,
/// query percent-encode set): ``[ ] { | } \ ^ ` ``.
#[inline]
pub const fn is_query(byte: u8) -> bool {
    is(byte, QUERY)
}

/// `unreserved / sub-delims / "%"` without the comma (RFC 3986 3.2.2): a comma in a host is what a proxy leaves when it
/// joins two Host lines.
#[inline]
pub const fn is_reg_name(byte: u8) -> bool {
    is(byte, REG_NAME)
}

/// `unreserved` (RFC 3986 2.3): bytes that mean the same whether percent-encoded or not.
#[inline]
pub const fn is_unreserved(byte: u8) -> bool {
    is(byte, UNRESERVED)
}

/// `qdtext` (RFC 9110 5.6.4): what stands between quotes without a backslash.
#[inline]
pub const fn is_quoted_text(byte: u8) -> bool {
    is(byte, QUOTED_TEXT)
}

/// `OWS` (RFC 9110 5.6.3): white space that may stand around a field value.
#[inline]
pub const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The value of a `HEXDIG` of either case (RFC 5234 B.1).
#[inline]
pub const fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// What is wrong with a `%` that begins no usable `pct-encoded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripletFault {
    /// Two hex digits do not follow it (RFC 3986 2.1).
    NoHex,
    /// It spells NUL, which ends a name in files, databases and C (RFC 3986 7.3).
    Nul,
}

/// Checks that every `%` begins a triplet, and that none spells NUL.
///
/// # Errors
/// The offset of the first `%` that does not, and why.
pub fn check_triplets(bytes: &[u8]) -> Result<(), (usize, TripletFault)> {
    if !bytes.contains(&b'%') {
        return Ok(());
    }
    let percents = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'%');
    for (at, _) in percents {
        match triplet_value(&bytes[at..]) {
            Some(0) => return Err((at, TripletFault::Nul)),
            Some(_) => {}
            None => return Err((at, TripletFault::NoHex)),
        }
    }
    Ok(())
}

/// The byte that the triplet at the start of `bytes` spells (`pct-encoded`, RFC 3986 2.1).
#[inline]
pub fn triplet_value(bytes: &[u8]) -> Option<u8> {
    match *bytes {
        [b'%', high, low, ..] => Some(hex_value(high)? << 4 | hex_value(low)?),
        _ => None,
    }
}

/// `bytes` with each triplet replaced by the byte that it spells. A `%` that begins none stands for itself.
pub fn percent_decoded(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let spelled = triplet_value(rest);
        rest = &rest[if spelled.is_some() { 3 } else { 1 }..];
        Some(spelled.unwrap_or(*first))
    })
}

/// The first byte from `from` on that is no `tchar`, or the length of `bytes`, which `from` does not exceed.
#[inline]
pub fn token_end(bytes: &[u8], from: usize) -> usize {
    // Digits and the rarer tchar are false alarms: few names have them.
    let outside = |byte: u8| ((byte | 0x20).wrapping_sub(b'a') >= 26) & (byte != b'-');
    scan(bytes, from, outside, mark_outside_names, TOKEN)
}

/// The first byte from `from` on that may not stand in a request-target, or the length of `bytes`, which `from` does
/// not exceed.
#[inline]
pub fn target_end(bytes: &[u8], from: usize) -> usize {
    let outside = |byte: u8| (byte <= b' ') | (byte >= 0x7f) | (byte & 0xfe == b'"') | (byte & 0xfd == b'<');
    scan(bytes, from, outside, mark_outside_targets, TARGET)
}

/// The first byte from `from` on that is no `pchar` or `/`, or is `%` or `.`; or the length of `bytes`, which `from` does
/// not exceed. Fastest where sixteen bytes follow `from`: give it the whole head, in which SP ends the target.
pub(crate) fn plain_path_end(bytes: &[u8], from: usize) -> usize {
    scan::class_end(bytes, from, PLAIN_PATH)
}

/// As [`plain_path_end`], of what [`is_path`] holds.
pub(crate) fn path_end(bytes: &[u8], from: usize) -> usize {
    scan::class_end(bytes, from, PATH_CLASS)
}

/// As [`plain_path_end`], of what [`is_query`] holds.
pub(crate) fn query_end(bytes: &[u8], from: usize) -> usize {
    scan::class_end(bytes, from, QUERY_CLASS)
}

/// As [`plain_path_end`], of what [`is_reg_name`] holds but `%`.
pub(crate) fn plain_host_end(bytes: &[u8], from: usize) -> usize {
    scan::class_end(bytes, from, PLAIN_HOST)
}

/// The first byte from `from` on that may not stand in a field value, or the length of `bytes`, which `from` does not
/// exceed.
#[inline]
pub fn field_value_end(bytes: &[u8], from: usize) -> usize {
    // HTAB is a false alarm.
    let outside = |byte: u8| (byte < b' ') | (byte == 0x7f);
    scan(bytes, from, outside, mark_outside_values, FIELD_VALUE)
}

/// `outside` says of one byte, and `marks` of eight by their high bits, whether it may lie outside `class`: a false
/// alarm costs time, a miss would be a fault.
#[inline(always)]
fn scan(bytes: &[u8], from: usize, outside: impl Fn(u8) -> bool, marks: impl Fn(u64) -> u64, class: u8) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        if !block.iter().fold(false, |found, &byte| found | outside(byte)) {
            at += 16;
            continue;
        }
        let words = u128::from_le_bytes(*block);
        let low = marks(words as u64) & HIGH_BITS;
        let high = marks((words >> 64) as u64) & HIGH_BITS;
        at += (if low != 0 { low.trailing_zeros() / 8 } else { 8 + high.trailing_zeros() / 8 }) as usize;
        match bytes.get(at) {
            Some(&byte) if is(byte, class) => at += 1,
            _ => return at,
        }
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|&byte| !is(byte, class)).unwrap_or(tail.len())
}

const HIGH_BITS: u64 = each(0x80);

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks every byte that is neither a letter nor `-`.
#[inline(always)]
const fn mark_outside_names(word: u64) -> u64 {
    let low = word & !HIGH_BITS;
    let folded = low | each(0x20);
    let at_least_a = folded + each(0x80 - b'a');
    let above_z = folded + each(0x7f - b'z');
    let not_dash = (low ^ each(b'-')) + each(0x7f);
    word | (not_dash & !(at_least_a & !above_z))
}

/// Marks controls, SP, `"`, `#`, `<`, `>`, DEL and bytes above it. May mark bytes above a marked one.
#[inline(always)]
const fn mark_outside_targets(word: u64) -> u64 {
    let controls_or_space = word.wrapping_sub(each(b'!'));
    let del = word.wrapping_add(each(1));
    let quote_or_hash = ((word & each(0xfe)) ^ each(b'"')).wrapping_sub(each(1));
    let angle = ((word & each(0xfd)) ^ each(b'<')).wrapping_sub(each(1));
    word | controls_or_space | del | quote_or_hash | angle
}

/// Marks controls and DEL. May mark bytes above a marked one, and a byte behind 0xff.
#[inline(always)]
const fn mark_outside_values(word: u64) -> u64 {
    (word.wrapping_sub(each(b' ')) | word.wrapping_add(each(1))) & !word
}

#[cfg(test)]
mod tests {
    use super::*;

    type End = fn(&[u8], usize) -> usize;
    type Member = fn(u8) -> bool;

    const SCANS: [(End, Member, u8); 3] =
        [(token_end, is_token, b'a'), (target_end, is_target, b'/'), (field_value_end, is_field_value, b' ')];

    #[test]
    fn scans_end_where_the_table_says() {
        for (end, member, inside) in SCANS {
            // Every pair of bytes at every place of a word: a mark must not leak into, or hide, its neighbour's.
            for pair in 0..=u16::MAX {
                let place = usize::from(pair) % 37;
                let mut bytes = [inside; 43];
                bytes[place..place + 2].copy_from_slice(&pair.to_le_bytes());
                let expected = bytes.iter().position(|&byte| !member(byte)).unwrap_or(bytes.len());
                assert_eq!(end(&bytes, 0), expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn scans_begin_anywhere_and_never_read_past_the_end() {
        for (end, _, inside) in SCANS {
            for len in 0..40 {
                let bytes = vec![inside; len];
                for from in 0..=len {
                    assert_eq!(end(&bytes, from), len, "{from} of {len}");
                }
            }
        }
    }

    #[test]
    fn classes_hold_what_their_rule_names() {
        let members = |member: Member| (0..=127u8).filter(|&byte| member(byte)).map(char::from).collect::<String>();
        const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let with = |others: &str| {
            let mut all: Vec<char> = ALNUM.chars().chain(others.chars()).collect();
            all.sort_unstable();
            all.into_iter().collect::<String>()
        };
        assert_eq!(members(is_token), with("!#$%&'*+-.^_`|~"));
        assert_eq!(members(is_unreserved), with("-._~"));
        assert_eq!(members(is_path), with("-._~!$&'()*+,;=:@%/"));
        assert_eq!(members(is_query), with("-._~!$&'()*+,;=:@%/?[]{}|\\^`"));
        assert_eq!(members(is_reg_name), with("-._~!$&'()*+;=%"));
        assert_eq!(members(is_target), with("-._~!$&'()*+,;=:@%/?[]{}|\\^`"));
        assert_eq!(members(is_field_value), format!("\t {}", members(|byte| byte.is_ascii_graphic())));
        assert_eq!(members(is_quoted_text), members(is_field_value).replace(['"', '\\'], ""));
        for byte in 128..=255 {
            assert!(is_field_value(byte) && is_quoted_text(byte) && !is_token(byte) && !is_target(byte));
        }
    }

    #[test]
    fn triplets_are_decoded_once_and_broken_ones_stand_for_themselves() {
        for (encoded, decoded) in [
            ("plain", "plain"),
            ("a%20b", "a b"),
            ("%41%6a", "Aj"),
            ("%2541", "%41"),
            ("%2F", "/"),
            ("%C3%A9", "é"),
            ("%", "%"),
            ("%4", "%4"),
            ("50%", "50%"),
            ("%4g%41", "%4gA"),
        ] {
            assert_eq!(percent_decoded(encoded.as_bytes()).collect::<Vec<_>>(), decoded.as_bytes(), "{encoded}");
        }
    }

    #[test]
    fn triplets_are_two_hex_digits() {
        for (bytes, expected) in [
            (&b"a%20b"[..], Ok(())),
            (b"%C3%a9", Ok(())),
            (b"a%", Err((1, TripletFault::NoHex))),
            (b"a%2", Err((1, TripletFault::NoHex))),
            (b"%%20", Err((0, TripletFault::NoHex))),
            (b"%+1", Err((0, TripletFault::NoHex))),
            (b"%41%00", Err((3, TripletFault::Nul))),
        ] {
            assert_eq!(check_triplets(bytes), expected, "{bytes:?}");
        }
    }
}
