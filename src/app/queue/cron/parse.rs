//! Owns how a schedule is read, and everything that can be wrong with one.
//!
//! ```text
//!   text ──spaces──> five fields ──commas──> items ── [range]/[step] ──> bits
//! ```
//!
//! The one idea: what could mean two things is refused with words that say what to write instead. A schedule that was
//! misunderstood is found out at three in the morning.
//!
//! Never: allocates for a schedule that is wrong.
//! Limits: [`TEXT_BYTES_MAX`].

use std::fmt;

use super::{Cron, Values, Zone};

/// A schedule as text. The longest that says something has some 400.
pub const TEXT_BYTES_MAX: usize = 512;

/// What is wrong with a schedule, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CronError {
    /// The byte at which it begins.
    pub at: usize,
    /// The field that it is in; none when it is about the whole.
    pub field: Option<&'static str>,
    /// What it is.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than [`TEXT_BYTES_MAX`].
    TooLong,
    /// Not five fields.
    FieldCount(usize),
    /// An `@` with a word that is none of the known ones.
    UnknownName,
    /// `@reboot`: there is no one machine that starts.
    Reboot,
    /// Nothing between two commas, or on one side of `-` or `/`.
    Empty,
    /// Neither a number nor a name of this field.
    NotAValue,
    /// A number that the field has not.
    OutOfRange {
        /// As it was written; `u32::MAX` stands for all that are larger.
        value: u32,
        /// The smallest that it has.
        min: u8,
        /// The largest.
        max: u8,
    },
    /// A range whose end is before its begin.
    Backwards,
    /// A step of nothing.
    StepOfZero,
    /// A step that is longer than its range.
    StepPastRange,
    /// A step behind one number.
    StepOfOne {
        /// The largest number of the field.
        max: u8,
    },
    /// What other schedulers know: `L`, `W`, `#`, `?`.
    Unsupported(char),
    /// No month that is named has a day that is named.
    Never,
}

/// What is known of a field.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    /// What `*` reaches to: Sunday stands at both ends of the week.
    star_max: u8,
    /// Names, for the numbers from `min` on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", min: 0, max: 59, star_max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, star_max: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", min: 1, max: 31, star_max: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    star_max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const WEEKDAY: Field = Field {
    name: "day of the week",
    min: 0,
    max: 7,
    star_max: 6,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

/// Fields that are counted, of those that are too many.
const FIELDS_SHOWN_MAX: usize = 8;

/// The other number of Sunday.
const SUNDAY: u8 = 7;

/// Days of each month, in the longest year.
const MONTH_DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What the words behind an `@` stand for.
const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A part of the text, and the byte at which it begins.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Cron, CronError> {
    let wrong = |at, fault| Err(CronError { at, field: None, fault });
    if text.len() > TEXT_BYTES_MAX {
        return wrong(TEXT_BYTES_MAX, Fault::TooLong);
    }
    let words: Vec<_> = words(text).take(FIELDS_SHOWN_MAX).collect();
    match words[..] {
        [minute, hour, day, month, weekday] => fields([minute, hour, day, month, weekday]),
        [name] if name.text.starts_with('@') => match named(name.text) {
            Ok(meaning) => Ok(Cron { text: name.text.to_ascii_lowercase(), ..parse(meaning)? }),
            Err(fault) => wrong(name.at, fault),
        },
        _ => wrong(words.first().map_or(0, |first| first.at), Fault::FieldCount(words.len())),
    }
}

fn fields(pieces: [Piece<'_>; 5]) -> Result<Cron, CronError> {
    let [minute, hour, day, month, weekday] = pieces;
    let (minutes, hours) = (MINUTE.read(minute)?, HOUR.read(hour)?);
    let (days, months, weekdays) = (DAY.read(day)?, MONTH.read(month)?, WEEKDAY.read(weekday)?);
    let weekdays = Values { bits: (weekdays.bits | weekdays.bits >> SUNDAY) & !(1 << SUNDAY), ..weekdays };
    let has_a_day = (1..).zip(MONTH_DAYS).any(|(month, last)| months.has(month) && days.bits & ((2 << last) - 1) != 0);
    // A day of the week that counts by itself comes in every month.
    if !has_a_day && (days.is_star || weekdays.is_star) {
        return Err(DAY.wrong(day.at, Fault::Never));
    }
    let text = pieces.map(|piece| piece.text).join(" ");
    Ok(Cron { text, minutes, hours, days, months, weekdays, zone: Zone::UTC })
}

fn named(name: &str) -> Result<&'static str, Fault> {
    if name.eq_ignore_ascii_case("@reboot") {
        return Err(Fault::Reboot);
    }
    let known = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|&(_, meaning)| meaning).ok_or(Fault::UnknownName)
}

impl Field {
    fn read(&self, piece: Piece<'_>) -> Result<Values, CronError> {
        let mut values = Values { bits: 0, is_star: piece.text.starts_with('*') };
        for item in piece.split(',') {
            values.bits |= self.item(item)?;
        }
        Ok(values)
    }

    /// `range` or `range/step`, as bits.
    fn item(&self, item: Piece<'_>) -> Result<u64, CronError> {
        let (range, step) = item.cut('/');
        let (from, to) = self.range(range)?;
        let Some(step) = step else { return Ok(bits(from, to, 1)) };
        let is_one = range.text != "*" && !range.text.contains('-');
        match self.number(step)? {
            _ if is_one => Err(self.wrong(item.at, Fault::StepOfOne { max: self.max })),
            0 => Err(self.wrong(step.at, Fault::StepOfZero)),
            past if past > u32::from(to - from) => Err(self.wrong(step.at, Fault::StepPastRange)),
            step => Ok(bits(from, to, step as usize)),
        }
    }

    fn range(&self, range: Piece<'_>) -> Result<(u8, u8), CronError> {
        if range.text == "*" {
            return Ok((self.min, self.star_max));
        }
        let (from, to) = range.cut('-');
        let first = self.value(from)?;
        let last = match to {
            None => first,
            Some(to) => match self.value(to)? {
                // The Sunday that ends a week, by its name.
                0 if self.max == SUNDAY && first > 0 && to.text != "0" => SUNDAY,
                last => last,
            },
        };
        if last < first { Err(self.wrong(range.at, Fault::Backwards)) } else { Ok((first, last)) }
    }

    /// A number or a name of this field.
    fn value(&self, piece: Piece<'_>) -> Result<u8, CronError> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(piece.text)) {
            return Ok(self.min + at as u8);
        }
        let value = self.number(piece)?;
        match u8::try_from(value) {
            Ok(value) if (self.min..=self.max).contains(&value) => Ok(value),
            _ => Err(self.wrong(piece.at, Fault::OutOfRange { value, min: self.min, max: self.max })),
        }
    }

    fn number(&self, piece: Piece<'_>) -> Result<u32, CronError> {
        let text = piece.text;
        if text.is_empty() {
            return Err(self.wrong(piece.at, Fault::Empty));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(text.parse().unwrap_or(u32::MAX));
        }
        let is_of_others = |&(at, char): &(usize, char)| match char.to_ascii_uppercase() {
            '#' | '?' => true,
            // `5L`, `15W`, `LW`, and no part of a word.
            'L' | 'W' => text.len() <= 3 && !text[..at].contains(|char: char| !char.is_ascii_digit()),
            _ => false,
        };
        Err(match text.char_indices().find(is_of_others) {
            Some((at, char)) => self.wrong(piece.at + at, Fault::Unsupported(char.to_ascii_uppercase())),
            None => self.wrong(piece.at, Fault::NotAValue),
        })
    }

    fn wrong(&self, at: usize, fault: Fault) -> CronError {
        CronError { at, field: Some(self.name), fault }
    }
}

impl<'a> Piece<'a> {
    /// What stands between separators.
    fn split(self, separator: char) -> impl Iterator<Item = Piece<'a>> {
        let mut at = self.at;
        self.text.split(separator).map(move |text| {
            let piece = Piece { text, at };
            at += text.len() + separator.len_utf8();
            piece
        })
    }

    /// What stands before the first separator, and behind it.
    fn cut(self, separator: char) -> (Piece<'a>, Option<Piece<'a>>) {
        match self.text.split_once(separator) {
            None => (self, None),
            Some((before, behind)) => {
                let at = self.at + before.len() + separator.len_utf8();
                (Piece { text: before, at: self.at }, Some(Piece { text: behind, at }))
            }
        }
    }
}

/// What stands between spaces and tabs.
fn words(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let pieces = Piece { text, at: 0 }.split(' ').flat_map(|piece| piece.split('\t'));
    pieces.filter(|piece| !piece.text.is_empty())
}

fn bits(from: u8, to: u8, step: usize) -> u64 {
    (from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value)
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}, at byte {}", self.fault, self.at)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TooLong => write!(f, "a schedule has at most {TEXT_BYTES_MAX} bytes"),
            Fault::FieldCount(0) => f.write_str("a schedule has five fields, `0 9 * * MON`, or a name, `@daily`; this is empty"),
            Fault::FieldCount(count @ (6 | 7)) => {
                write!(f, "{count} fields instead of five: seconds and years are not supported")
            }
            Fault::FieldCount(count) => write!(
                f,
                "{count} fields instead of five: minute, hour, day of the month, month, day of the week"
            ),
            Fault::UnknownName => {
                f.write_str("this name is not known: @hourly, @daily, @weekly, @monthly and @yearly are; instead of @every write `*/5 * * * *`")
            }
            Fault::Reboot => f.write_str("@reboot is not supported: there is no one machine that starts"),
            Fault::Empty => f.write_str("a number is missing"),
            Fault::NotAValue => f.write_str("this is neither a number nor a name of the field"),
            Fault::OutOfRange { value, min, max } => write!(f, "{value} is not in {min}-{max}"),
            Fault::Backwards => f.write_str("the range runs backwards: write it as two, `22-23,0-5`"),
            Fault::StepOfZero => f.write_str("a step of 0 goes nowhere"),
            Fault::StepPastRange => f.write_str("the step is longer than its range, of which it takes the first number only: write that"),
            Fault::StepOfOne { max } => write!(f, "a step needs a range: `5-{max}/15`, or `*/15`"),
            Fault::Unsupported(what) => write!(f, "`{what}` is not supported"),
            Fault::Never => f.write_str("no month of this schedule has such a day: it would never run"),
        }
    }
}

impl std::error::Error for CronError {}
