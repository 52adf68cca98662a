//! Owns the name of a time zone, and its rules.
//!
//! The one idea: the rules come with the program. A machine whose own are older, or that has none, tells the same time as all others.
//!
//! Never: takes the zone of the machine: two nodes may stand in two.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Longest name that is looked up; the longest of IANA's has 32.
const NAME_BYTES_MAX: usize = 64;

/// A time zone of IANA's list. A clone costs little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    rules: TimeZone,
}

/// There is no such zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneError;

impl Zone {
    /// The zone that puts no clocks forward or back.
    pub const UTC: Zone = Zone { rules: TimeZone::UTC };

    /// The zone called `name`: `Europe/Berlin`, say. Case does not matter.
    ///
    /// # Errors
    /// There is no such zone. Abbreviations mean several, or none, and are none; nor is an offset.
    pub fn parse(name: &str) -> Result<Zone, ZoneError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::UTC);
        }
        let rules = if name.len() > NAME_BYTES_MAX { None } else { TimeZone::get(name).ok() };
        rules.filter(|rules| rules.iana_name().is_some()).map(|rules| Zone { rules }).ok_or(ZoneError)
    }

    /// Its name, as IANA writes it.
    pub fn name(&self) -> &str {
        self.rules.iana_name().unwrap_or("UTC")
    }

    /// An instant as it is said here: RFC 3339, with the offset.
    pub fn shown(&self, instant: Timestamp) -> String {
        instant.to_zoned(self.rules.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// What its clocks show at an instant.
    pub fn civil(&self, instant: Timestamp) -> DateTime {
        self.rules.to_datetime(instant)
    }

    pub(super) fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no time zone: Europe/Berlin, America/New_York and UTC are some")
    }
}

impl std::error::Error for ZoneError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        let zone = Zone::parse(name);
        assert_eq!(zone.as_ref().map(Zone::name).ok(), expected, "{name}");
    }

    #[test]
    fn zones_are_iana_s() {
        check("Europe/Berlin", Some("Europe/Berlin"));
        check("america/new_york", Some("America/New_York"));
        check("UTC", Some("UTC"));
        check("utc", Some("UTC"));
        check("Australia/Lord_Howe", Some("Australia/Lord_Howe"));
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = "Europe/".repeat(100);
        for name in
            ["", " ", "Berlin", "CEST", "+02:00", "UTC+2", "../etc/passwd", "/etc/localtime", "Europe/", "\0", &long]
        {
            check(name, None);
        }
    }
}
