//! Owns the `Date` field's text: the current second as an IMF-fixdate, as the field line it stands in,
//! formatted once a second a thread.
//!
//! Spec: RFC 9110 5.6.7 (`IMF-fixdate`), 6.6.1 (`Date`).
//! Never: reads the clock for a request: the caller's `now`, which it has anyway, says whether the text still holds.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Bytes of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_BYTES: usize = 29;

/// Bytes of a whole field line: `Date: Sun, 06 Nov 1994 08:49:37 GMT`, and its end.
pub const DATE_LINE_BYTES: usize = 8 + DATE_BYTES;

/// The field line that tells one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateLine([u8; DATE_LINE_BYTES]);

impl DateLine {
    /// The line that tells `date`.
    pub fn new(date: [u8; DATE_BYTES]) -> DateLine {
        let mut line = *b"Date: Day, 00 Mon 0000 00:00:00 GMT\r\n";
        line[6..6 + DATE_BYTES].copy_from_slice(&date);
        DateLine(line)
    }

    /// The line as it stands in a head.
    pub fn as_bytes(&self) -> &[u8; DATE_LINE_BYTES] {
        &self.0
    }
}

#[derive(Clone, Copy)]
struct Cached {
    line: DateLine,
    from: Instant,
    until: Instant,
}

thread_local! {
    static CACHED: Cell<Option<Cached>> = const { Cell::new(None) };
}

/// The date at `now`, exact to the second.
#[inline]
pub(crate) fn current(now: Instant) -> DateLine {
    match CACHED.get() {
        // The lower bound guards against a clock that a test has put back.
        Some(cached) if cached.from <= now && now < cached.until => cached.line,
        _ => refresh(now),
    }
}

#[cold]
fn refresh(now: Instant) -> DateLine {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let to_next_second = Duration::from_secs(1) - Duration::from_nanos(u64::from(since_epoch.subsec_nanos()));
    let line = DateLine::new(imf_fixdate(since_epoch.as_secs()));
    CACHED.set(Some(Cached { line, from: now, until: now + to_next_second }));
    line
}

/// `seconds` since 1970 as an IMF-fixdate (RFC 9110 5.6.7). The year has four digits, so the text holds up to 9999.
pub fn imf_fixdate(seconds: u64) -> [u8; DATE_BYTES] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let second = seconds % 86_400;
    let mut text = *b"Day, 00 Mon 0000 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    text[5..7].copy_from_slice(&two_digits(day));
    text[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    text[12..14].copy_from_slice(&two_digits(year / 100 % 100));
    text[14..16].copy_from_slice(&two_digits(year % 100));
    text[17..19].copy_from_slice(&two_digits(second / 3600));
    text[20..22].copy_from_slice(&two_digits(second / 60 % 60));
    text[23..25].copy_from_slice(&two_digits(second % 60));
    text
}

fn two_digits(value: u64) -> [u8; 2] {
    [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01. Counts in eras of 400 years that
/// begin on 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_AN_ERA: u64 = 146_097;
    const DAYS_0000_03_01_TO_EPOCH: u64 = 719_468;
    let shifted = days + DAYS_0000_03_01_TO_EPOCH;
    let (era, day_of_era) = (shifted / DAYS_AN_ERA, shifted % DAYS_AN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, expected: &str) {
        assert_eq!(std::str::from_utf8(&imf_fixdate(seconds)), Ok(expected));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"); // the example of RFC 9110 5.6.7
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"); // 2100 has no leap day
        check(253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[tokio::test(start_paused = true)]
    async fn the_text_is_kept_within_its_second_and_no_longer() {
        let now = Instant::now();
        let text = current(now);
        assert_eq!(current(now), text);
        let until = CACHED.get().expect("cached").until;
        current(until);
        assert!(CACHED.get().expect("cached").until > until);
    }
}
