//! Owns how much a bound allows, and how that is written.
//!
//! The one idea: an amount is written as a setting is, so what a page shows can be pasted behind a flag.
//!
//! ```text
//!   64KiB   10000   250ms   1KiB/s over 10s, credit 60s   no   off
//! ```
//!
//! Never: rounds.

use std::fmt;
use std::time::Duration;

use crate::net::deadline::Rate;

/// Units of sizes, the largest first.
const SIZE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// How much a bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Bytes; `u64::MAX` is off.
    Bytes(u64),
    /// Things; `u64::MAX` is off.
    Count(u64),
    /// A time; [`Duration::MAX`] is off.
    Time(Duration),
    /// The least rate; 0 bytes a second is off.
    Rate(Rate),
    /// Whether something is done at all.
    Switch(bool),
}

impl Amount {
    /// So many bytes.
    pub const fn bytes(bytes: usize) -> Amount {
        Amount::Bytes(bytes as u64)
    }

    /// So many things.
    pub const fn count(count: usize) -> Amount {
        Amount::Count(count as u64)
    }

    /// Whether it bounds nothing.
    pub fn is_off(self) -> bool {
        match self {
            Amount::Bytes(number) | Amount::Count(number) => number == u64::MAX,
            Amount::Time(time) => time == Duration::MAX,
            Amount::Rate(rate) => rate.bytes_per_second == 0,
            Amount::Switch(_) => false,
        }
    }

    /// The unit of [`Amount::number`].
    pub fn unit(self) -> &'static str {
        match self {
            Amount::Bytes(_) => "bytes",
            Amount::Count(_) => "count",
            Amount::Time(_) => "ms",
            Amount::Rate(_) => "bytes/s",
            Amount::Switch(_) => "switch",
        }
    }

    /// The number alone, in its unit; `None` when it is off.
    pub fn number(self) -> Option<u64> {
        let number = match self {
            Amount::Bytes(number) | Amount::Count(number) => number,
            Amount::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            Amount::Rate(rate) => rate.bytes_per_second,
            Amount::Switch(on) => on.into(),
        };
        (!self.is_off()).then_some(number)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            amount if amount.is_off() => f.pad("off"),
            Amount::Bytes(bytes) => f.pad(&size(bytes)),
            Amount::Count(count) => f.pad(&count.to_string()),
            Amount::Time(time) => f.pad(&duration(time)),
            Amount::Rate(Rate { bytes_per_second, over, credit }) => f.pad(&format!(
                "{}/s over {}, credit {}",
                size(bytes_per_second),
                Amount::Time(over),
                Amount::Time(credit)
            )),
            Amount::Switch(on) => f.pad(if on { "yes" } else { "no" }),
        }
    }
}

fn size(bytes: u64) -> String {
    let unit = SIZE_UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

fn duration(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(amount: Amount, shown: &str, number: Option<u64>) {
        assert_eq!((amount.to_string().as_str(), amount.number()), (shown, number));
    }

    #[test]
    fn amounts_are_written_as_settings_are() {
        check(Amount::Bytes(0), "0B", Some(0));
        check(Amount::Bytes(1025), "1025B", Some(1025));
        check(Amount::Bytes(65_536), "64KiB", Some(65_536));
        check(Amount::Bytes(3 << 30), "3GiB", Some(3 << 30));
        check(Amount::Bytes(u64::MAX), "off", None);
        check(Amount::Count(10_000), "10000", Some(10_000));
        check(Amount::count(usize::MAX), "off", None);
        check(Amount::Time(Duration::from_millis(250)), "250ms", Some(250));
        check(Amount::Time(Duration::ZERO), "0s", Some(0));
        check(Amount::Time(Duration::MAX), "off", None);
        check(Amount::Switch(false), "no", Some(0));
        let rate = Rate { bytes_per_second: 1024, over: Duration::from_secs(10), credit: Duration::MAX };
        check(Amount::Rate(rate), "1KiB/s over 10s, credit off", Some(1024));
        check(Amount::Rate(Rate { bytes_per_second: 0, ..rate }), "off", None);
        assert_eq!(format!("{:>6}|{:<6}", Amount::Count(7), Amount::Bytes(7)), "     7|7B    ");
    }
}
