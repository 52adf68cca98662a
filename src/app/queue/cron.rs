//! Owns when a schedule runs: `*/5 9-17 * * MON-FRI` and a time zone, and the instants that they mean.
//!
//! ```text
//!   ┌ minute 0-59
//!   │ ┌ hour 0-23
//!   │ │ ┌ day of the month 1-31           * every · 1,2,3 a list · 1-5 a range · */5, 9-17/2 a step
//!   │ │ │ ┌ month 1-12, JAN-DEC
//!   │ │ │ │ ┌ day of the week 0-7, SUN-SAT; 0 and 7 are Sunday
//!   0 9 * * MON            @hourly @daily @midnight @weekly @monthly @yearly @annually
//! ```
//!
//! The one idea: a schedule is five sets of numbers, and the next run is found by walking over days that fit, never over
//! seconds. What is a rule of the calendar is decided on civil time, what is a rule of the zone when civil time becomes an
//! instant.
//!
//! **Days.** As cron has had it since Vixie: when both fields of days say something, a day fits that fits *either*. A field that
//! begins with `*` says nothing, `*/2` too: then a day has to fit both.
//!
//! **Clocks that are put forward or back.** What a schedule means there depends on its hours:
//!
//! | hour field | a time that is skipped | a time that is there twice |
//! |---|---|---|
//! | names hours: `30 2 * * *` goes by the clock on the wall | runs once, at the end of the gap | runs the first time |
//! | begins with `*`: `*/5 * * * *` goes by the passing of time | does not run: nothing has passed | runs both times |
//!
//! So who is to run once a day does, on every day of the year, and who is to run each five minutes is never silent for an hour.
//!
//! Spec: crontab(5) of Vixie cron; names of zones and their rules are IANA's, as they were when firstbyte was built: all nodes
//! of a build agree.
//! Stricter: a range that runs backwards, a step on a single number, a step past its range, an empty item and a day that no month
//! of the schedule has are refused, not guessed at. `L`, `W`, `#`, `?`, seconds and `@reboot` are not supported, and it is said so.
//! Never: asks a clock; searches for longer than `HORIZON_YEARS`.
//! Invariants: a `Cron` has a next run within 40 years from anywhere, unless the calendar ends (9999).

#[cfg(test)]
mod oracle;
mod parse;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Span, Timestamp};

pub use parse::{CronError, Fault, TEXT_BYTES_MAX};
pub use zone::{Zone, ZoneError};

/// How far the next run may be. 29 February on a certain weekday: 28 years, and 40 across a century without a leap year.
const HORIZON_YEARS: i64 = 44;

/// A schedule: five sets of numbers, and the zone whose clocks they are of. UTC, unless another is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// As it was written, with one space between fields.
    text: String,
    minutes: Values,
    hours: Values,
    days: Values,
    months: Values,
    weekdays: Values,
    zone: Zone,
}

/// The numbers of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Values {
    /// Bit n is set when n is meant.
    bits: u64,
    /// Whether the field begins with `*`: then it names nothing.
    is_star: bool,
}

impl Cron {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with it, and at which byte.
    pub fn parse(text: &str) -> Result<Cron, CronError> {
        parse::parse(text)
    }

    /// The same by the clocks of another zone.
    pub fn in_zone(mut self, zone: Zone) -> Cron {
        self.zone = zone;
        self
    }

    /// Its zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first instant behind `after` at which it runs. `None` when the calendar ends before.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if self.hours.is_star { self.next_by_time(after) } else { self.next_by_wall(after) }
    }

    /// The last instant at which it ran in (`after`, `until`], and how many there were before it. The work is that of counting them:
    /// who asks bounds it by the length of that time, of which each minute has at most one.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<(Timestamp, u64)> {
        let runs = std::iter::successors(self.next(after), |&run| self.next(run)).take_while(|&run| run <= until);
        runs.zip(0..).last()
    }

    /// By the clock on the wall: civil times in their order, each at the first instant that is not before it.
    fn next_by_wall(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = whole_minute(self.zone.civil(after));
        let until = horizon(from);
        loop {
            let civil = self.first(from, until)?;
            let instant = self.instant(civil)?;
            if instant > after {
                return Some(instant);
            }
            // The second pass of a time that is there twice, or the moment behind a gap: this one was before.
            from = minute_after(civil)?;
        }
    }

    /// By the passing of time: instants in their order, from one change of the zone's clocks to the next.
    fn next_by_time(&self, after: Timestamp) -> Option<Timestamp> {
        let end = horizon(self.zone.civil(after));
        let mut begin = after;
        let mut from = minute_after(whole_minute(self.zone.civil(after)))?;
        while from <= end {
            let offset = self.zone.rules().to_offset(begin);
            let change = self.zone.rules().following(begin).next().map(|change| change.timestamp());
            let until = change.map_or(end, |change| offset.to_datetime(change).min(end));
            if let Some(civil) = self.first(from, until) {
                let instant = offset.to_timestamp(civil).ok()?;
                if change.is_none_or(|change| instant < change) {
                    return Some(instant);
                }
            }
            begin = change?;
            from = minute_from(self.zone.civil(begin))?;
        }
        None
    }

    /// The instant of a civil time: the first of two; the end of the gap that it lies in.
    fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.rules().to_ambiguous_timestamp(civil);
        let is_skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        let earlier = ambiguous.earlier().ok()?;
        if !is_skipped {
            return Some(earlier);
        }
        // The offset of behind the gap gives an instant of before it.
        self.zone.rules().following(earlier).next().map(|change| change.timestamp())
    }

    /// The first civil time of the schedule in [`from`, `until`]; both are whole minutes.
    fn first(&self, from: DateTime, until: DateTime) -> Option<DateTime> {
        let (mut date, mut time) = (from.date(), from.time());
        while date <= until.date() {
            let following = if !self.months.has(date.month()) {
                date.first_of_month().checked_add(Span::new().months(1)).ok()
            } else if let Some(time) = self.fits(date).then(|| self.first_of_day(time)).flatten() {
                let found = date.to_datetime(time);
                return (found <= until).then_some(found);
            } else {
                date.tomorrow().ok()
            };
            (date, time) = (following?, Time::midnight());
        }
        None
    }

    fn fits(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        if self.days.is_star || self.weekdays.is_star { day && weekday } else { day || weekday }
    }

    fn first_of_day(&self, from: Time) -> Option<Time> {
        let (hour, minute) = (from.hour(), from.minute());
        let this_hour = self.minutes.from(minute).filter(|_| self.hours.has(hour)).map(|minute| (hour, minute));
        let later = || Some((self.hours.from(hour + 1)?, self.minutes.from(0)?));
        let (hour, minute) = this_hour.or_else(later)?;
        Time::new(hour, minute, 0, 0).ok()
    }
}

impl Values {
    fn has(self, value: i8) -> bool {
        self.bits >> value & 1 == 1
    }

    /// The smallest that is not below `least`.
    fn from(self, least: i8) -> Option<i8> {
        let rest = self.bits & (u64::MAX << least);
        (rest != 0).then(|| rest.trailing_zeros() as i8)
    }
}

/// Where the search ends.
fn horizon(from: DateTime) -> DateTime {
    from.saturating_add(Span::new().years(HORIZON_YEARS))
}

fn whole_minute(civil: DateTime) -> DateTime {
    let time = civil.time();
    civil.date().at(time.hour(), time.minute(), 0, 0)
}

fn minute_after(civil: DateTime) -> Option<DateTime> {
    civil.checked_add(SignedDuration::from_secs(60)).ok()
}

/// The first whole minute that is not before.
fn minute_from(civil: DateTime) -> Option<DateTime> {
    let whole = whole_minute(civil);
    if whole == civil { Some(whole) } else { minute_after(whole) }
}

impl std::str::FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Cron, CronError> {
        Cron::parse(text)
    }
}

/// As it was written, without the zone.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
