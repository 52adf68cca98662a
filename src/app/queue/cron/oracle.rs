//! Owns what others say of schedules: croner of the calendar, and a slow reading of the rule of clocks.
//!
//! What is different from croner, and meant to be:
//!
//! | schedule | croner | here |
//! |---|---|---|
//! | `0 0 */2 * MON` | either: only a lone `*` says nothing | both, as cron does |
//! | `5/15 …`, `*/60 …`, `1,,2 …`, `? …` | read | refused |
//! | `L`, `W`, `#`, seconds, years | read | refused |
//! | `0 0 30 2 *` | read; the search ends in the year 5000 | refused |
//! | `30 2,3 * * *` in a gap | an interval, skipped | names hours: runs at the end of the gap |

use std::str::FromStr;

use chrono::DateTime as Chrono;

use super::*;

/// Words of schedules that both read, and read alike.
struct Words(fastrand::Rng);

impl Words {
    fn field(&mut self, min: u8, max: u8, stars: bool) -> String {
        let items = if self.0.u8(..4) == 0 { self.0.u8(2..4) } else { 1 };
        if self.0.u8(..3) == 0 {
            return "*".to_owned();
        }
        (0..items).map(|_| self.item(min, max, stars && items == 1)).collect::<Vec<_>>().join(",")
    }

    fn item(&mut self, min: u8, max: u8, stars: bool) -> String {
        let (a, b) = (self.0.u8(min..=max), self.0.u8(min..=max));
        let (from, to) = (a.min(b), a.max(b));
        match self.0.u8(..4) {
            0 if stars => format!("*/{}", self.0.u8(1..=(max - min).min(6))),
            1 => format!("{from}-{to}"),
            2 if to > from => format!("{from}-{to}/{}", self.0.u8(1..=to - from)),
            _ => a.to_string(),
        }
    }

    fn schedule(&mut self) -> String {
        // `*/n` in a field of days means something else to croner.
        let days = [self.field(1, 31, false), self.field(1, 12, true), self.field(0, 7, false)];
        format!("{} {} {}", self.field(0, 59, true), self.field(0, 23, true), days.join(" "))
    }

    /// An instant of a century.
    fn instant(&mut self) -> Timestamp {
        Timestamp::from_second(self.0.i64(0..4_102_444_800)).expect("before 2100")
    }
}

#[test]
fn croner_agrees_on_the_calendar() {
    let mut words = Words(fastrand::Rng::with_seed(7));
    let mut agreed = 0;
    while agreed < 4_000 {
        let (text, after) = (words.schedule(), words.instant());
        let cron = match Cron::parse(&text) {
            Ok(cron) => cron,
            Err(CronError { fault: Fault::Never, .. }) => continue,
            Err(error) => panic!("{text}: {error}"),
        };
        let oracle = croner::Cron::from_str(&text).expect(&text);
        let mut ours = after;
        let mut theirs = Chrono::from_timestamp_secs(after.as_second()).expect("an instant");
        for _ in 0..5 {
            ours = cron.next(ours).expect(&text);
            theirs = oracle.find_next_occurrence(&theirs, false).expect(&text);
            assert_eq!(ours.as_second(), theirs.timestamp(), "{text} after {after}");
        }
        agreed += 1;
    }
}

#[test]
fn what_croner_refuses_is_refused() {
    let mut random = fastrand::Rng::with_seed(11);
    let signs: Vec<char> = "0123456789*/-,, ABFJMONS".chars().collect();
    for _ in 0..20_000 {
        let text: Vec<String> =
            (0..5).map(|_| (0..random.u8(1..4)).map(|_| signs[random.usize(..signs.len())]).collect()).collect();
        let text = text.join(" ");
        if Cron::parse(&text).is_ok() {
            assert!(croner::Cron::from_str(&text).is_ok(), "{text}");
        }
    }
}

#[test]
fn whatever_is_written_is_read_or_refused_at_a_byte_of_it() {
    let mut random = fastrand::Rng::with_seed(13);
    let signs: Vec<char> = "0123456789*/-,  \t\n@#?LWlwJANMONsun+.é٣\0\u{2028}".chars().collect();
    for _ in 0..50_000 {
        let text: String = (0..random.usize(..24)).map(|_| signs[random.usize(..signs.len())]).collect();
        if let Err(error) = Cron::parse(&text) {
            assert!(text.is_char_boundary(error.at), "{text:?}: {error}");
        }
    }
}

/// Every run in (`after`, `until`], by looking at the clock each minute. By the wall, a minute counts when the clock shows it for
/// the first time, and those that it jumped over count when it has.
fn watched(cron: &Cron, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let minute = SignedDuration::from_secs(60);
    let is_meant = |civil: DateTime| {
        cron.fits(civil.date())
            && cron.months.has(civil.month())
            && cron.hours.has(civil.hour())
            && cron.minutes.has(civil.minute())
    };
    let mut runs = Vec::new();
    let mut now = after;
    let mut latest = cron.zone.civil(after);
    while now < until {
        now += minute;
        let civil = cron.zone.civil(now);
        let is_run = if cron.hours.is_star {
            is_meant(civil)
        } else {
            let unseen = std::iter::successors(Some(latest + minute), |&civil| Some(civil + minute));
            unseen.take_while(|&unseen| unseen <= civil).any(is_meant)
        };
        latest = latest.max(civil);
        runs.extend(is_run.then_some(now));
    }
    runs
}

#[test]
fn around_every_change_of_clocks_it_is_as_if_somebody_had_watched_them() {
    let mut words = Words(fastrand::Rng::with_seed(3));
    for name in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "America/Santiago",
        "Pacific/Apia",
        "Asia/Kathmandu",
    ] {
        let zone = Zone::parse(name).expect(name);
        let begin = Timestamp::from_second(1_262_304_000).expect("2010");
        for change in zone.rules().following(begin).take(8) {
            let (after, until) = (
                change.timestamp() - SignedDuration::from_hours(5),
                change.timestamp() + SignedDuration::from_hours(5),
            );
            for _ in 0..8 {
                // All days, so that hours are what it is about.
                let text = format!("{} {} * * *", words.field(0, 59, true), words.field(0, 23, true));
                let cron = Cron::parse(&text).expect(&text).in_zone(zone.clone());
                let runs = std::iter::successors(cron.next(after), |&run| cron.next(run));
                let runs: Vec<_> = runs.take_while(|&run| run <= until).collect();
                assert_eq!(runs, watched(&cron, after, until), "{text} in {name} after {after}");
            }
        }
    }
}

#[test]
fn nothing_that_can_be_read_searches_for_long() {
    let mut words = Words(fastrand::Rng::with_seed(5));
    let zones = ["UTC", "Europe/Berlin", "Africa/Casablanca"].map(|name| Zone::parse(name).expect(name));
    for round in 0..3_000 {
        let text = words.schedule();
        let after = words.instant();
        if let Ok(cron) = Cron::parse(&text) {
            let next = cron.in_zone(zones[round % 3].clone()).next(after).expect(&text);
            assert!(
                next > after && next.duration_since(after) < SignedDuration::from_hours(24 * 366 * 40),
                "{text} after {after}"
            );
        }
    }
}
