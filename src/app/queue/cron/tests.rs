use super::*;

const UTC: &str = "UTC";

/// `cron` runs at `expected`, one behind the other, after `after`. All are civil times of `zone` with their offset.
fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
    let zone = Zone::parse(zone).expect(zone);
    let cron = Cron::parse(cron).unwrap_or_else(|error| panic!("{cron}: {error}")).in_zone(zone.clone());
    let after: Timestamp = after.parse().expect(after);
    let runs = std::iter::successors(cron.next(after), |&run| cron.next(run)).take(expected.len());
    let shown = |run: Timestamp| run.to_zoned(zone.rules().clone()).strftime("%Y-%m-%dT%H:%M%:z").to_string();
    assert_eq!(runs.map(shown).collect::<Vec<_>>(), expected, "{cron} in {} after {after}", zone.name());
}

fn refused(cron: &str, at: usize, fault: Fault) {
    let error = Cron::parse(cron).expect_err(cron);
    assert_eq!((error.fault, error.at), (fault, at), "{cron}: {error}");
}

fn out(value: u32, min: u8, max: u8) -> Fault {
    Fault::OutOfRange { value, min, max }
}

#[test]
fn fields_are_numbers_names_lists_ranges_and_steps() {
    let after = "2026-01-01T00:00:00Z";
    check("5 4 3 2 *", UTC, after, &["2026-02-03T04:05+00:00", "2027-02-03T04:05+00:00"]);
    check("*/20 8 * * *", UTC, after, &["2026-01-01T08:00+00:00", "2026-01-01T08:20+00:00", "2026-01-01T08:40+00:00"]);
    check("1,3 0 * * *", UTC, after, &["2026-01-01T00:01+00:00", "2026-01-01T00:03+00:00", "2026-01-02T00:01+00:00"]);
    check(
        "0 9-17/4 * * *",
        UTC,
        after,
        &["2026-01-01T09:00+00:00", "2026-01-01T13:00+00:00", "2026-01-01T17:00+00:00"],
    );
    check("0 0 * feb-MAR/1 Mon", UTC, after, &["2026-02-02T00:00+00:00", "2026-02-09T00:00+00:00"]);
    check("\t 0  0 * * 7 ", UTC, after, &["2026-01-04T00:00+00:00"]);
    check("0 0 * * 0", UTC, after, &["2026-01-04T00:00+00:00"]);
    check(
        "0 0 * * SAT-SUN",
        UTC,
        after,
        &["2026-01-03T00:00+00:00", "2026-01-04T00:00+00:00", "2026-01-10T00:00+00:00"],
    );
    check("0 0 * * 5-7", UTC, after, &["2026-01-02T00:00+00:00", "2026-01-03T00:00+00:00", "2026-01-04T00:00+00:00"]);
    check("*,59 * * * *", UTC, after, &["2026-01-01T00:01+00:00", "2026-01-01T00:02+00:00"]);
}

#[test]
fn names_stand_for_schedules() {
    let after = "2026-01-01T00:00:00Z";
    check("@hourly", UTC, after, &["2026-01-01T01:00+00:00"]);
    check("@daily", UTC, after, &["2026-01-02T00:00+00:00"]);
    check("@Midnight", UTC, after, &["2026-01-02T00:00+00:00"]);
    check("@weekly", UTC, after, &["2026-01-04T00:00+00:00"]);
    check("@monthly", UTC, after, &["2026-02-01T00:00+00:00"]);
    check(" @yearly ", UTC, after, &["2027-01-01T00:00+00:00"]);
    check("@annually", UTC, after, &["2027-01-01T00:00+00:00"]);
    assert_eq!(Cron::parse(" @Daily").expect("a name").to_string(), "@daily");
    assert_eq!(Cron::parse(" 1  2\t* * * ").expect("five fields").to_string(), "1 2 * * *");
}

#[test]
fn the_next_run_is_behind_the_instant_that_is_asked_about() {
    check("30 12 * * *", UTC, "2026-01-01T12:29:59.999Z", &["2026-01-01T12:30+00:00"]);
    check("30 12 * * *", UTC, "2026-01-01T12:30:00Z", &["2026-01-02T12:30+00:00"]);
    check("30 12 * * *", UTC, "2026-01-01T12:30:00.000000001Z", &["2026-01-02T12:30+00:00"]);
    check("* * * * *", UTC, "2026-12-31T23:59:00Z", &["2027-01-01T00:00+00:00"]);
}

#[test]
fn two_fields_of_days_fit_either_unless_one_begins_with_a_star() {
    let after = "2026-01-01T00:00:00Z";
    // The 13th, and every Friday.
    check("0 0 13 * FRI", UTC, after, &["2026-01-02T00:00+00:00", "2026-01-09T00:00+00:00", "2026-01-13T00:00+00:00"]);
    check("0 0 13 * *", UTC, after, &["2026-01-13T00:00+00:00", "2026-02-13T00:00+00:00"]);
    check("0 0 * * FRI", UTC, after, &["2026-01-02T00:00+00:00", "2026-01-09T00:00+00:00"]);
    // Mondays that are odd.
    check("0 0 */2 * MON", UTC, after, &["2026-01-05T00:00+00:00", "2026-01-19T00:00+00:00", "2026-02-09T00:00+00:00"]);
    // A list that says the same as a star says something.
    check("0 0 1-31 * MON", UTC, after, &["2026-01-02T00:00+00:00", "2026-01-03T00:00+00:00"]);
}

#[test]
fn leap_years_are_those_of_the_calendar() {
    check("0 0 29 2 *", UTC, "2026-01-01T00:00:00Z", &["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]);
    // 2100 has none, 2000 had.
    check("0 0 29 2 *", UTC, "2096-03-01T00:00:00Z", &["2104-02-29T00:00+00:00"]);
    check("0 0 29 2 *", UTC, "1996-03-01T00:00:00Z", &["2000-02-29T00:00+00:00"]);
    check("0 0 31 * *", UTC, "2026-01-31T00:00:00Z", &["2026-03-31T00:00+00:00", "2026-05-31T00:00+00:00"]);
    // On a Sunday: each 28 years, and 40 across 2100.
    check("0 0 29 2 */6", UTC, "2026-01-01T00:00:00Z", &["2032-02-29T00:00+00:00", "2048-02-29T00:00+00:00"]);
    check(
        "0 0 */28 2 SUN",
        UTC,
        "2026-01-01T00:00:00Z",
        &["2026-02-01T00:00+00:00", "2032-02-01T00:00+00:00", "2032-02-29T00:00+00:00"],
    );
    check("0 0 31 12 *", UTC, "9999-12-30T20:00:00Z", &[]);
    let last = Cron::parse("0 0 1 1 *").expect("a schedule");
    assert_eq!(last.next("9999-06-01T00:00:00Z".parse().expect("an instant")), None);
}

#[test]
fn in_berlin_clocks_go_forward() {
    // 2026-03-29: 02:00 is 03:00.
    let (zone, before) = ("Europe/Berlin", "2026-03-28T12:00:00Z");
    check("30 2 * * *", zone, before, &["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]);
    check("0 2 * * *", zone, before, &["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]);
    // Four that are skipped are one, and one with what runs then.
    check("*/15 2 * * *", zone, before, &["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]);
    check(
        "30 2,3 * * *",
        zone,
        before,
        &["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"],
    );
    check("0 1-3 * * *", zone, before, &["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", "2026-03-30T01:00+02:00"]);
    check("30 * * * *", zone, "2026-03-29T00:00:00Z", &["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"]);
    check("0 */2 * * *", zone, "2026-03-28T23:30:00Z", &["2026-03-29T04:00+02:00", "2026-03-29T06:00+02:00"]);
    check("*/30 * * * *", zone, "2026-03-29T00:30:00Z", &["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]);
    // From the very end of the gap.
    check("30 2 * * *", zone, "2026-03-29T01:00:00Z", &["2026-03-30T02:30+02:00"]);
    check("30 2 * * *", zone, "2026-03-29T00:59:59Z", &["2026-03-29T03:00+02:00"]);
    // A day that is no other day.
    check("30 2 29 3 *", zone, "2025-12-01T00:00:00Z", &["2026-03-29T03:00+02:00", "2027-03-29T02:30+02:00"]);
}

#[test]
fn in_berlin_clocks_go_back() {
    // 2026-10-25: 03:00 is 02:00 again.
    let (zone, before) = ("Europe/Berlin", "2026-10-24T12:00:00Z");
    check("30 2 * * *", zone, before, &["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]);
    check(
        "*/30 2,3 * * *",
        zone,
        before,
        &["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T03:00+01:00"],
    );
    check(
        "0 * * * *",
        zone,
        "2026-10-24T23:00:00Z",
        &["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
    );
    check(
        "30 */2 * * *",
        zone,
        "2026-10-24T23:00:00Z",
        &["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T04:30+01:00"],
    );
    // Asked in the second pass, what goes by the wall has run already.
    check("30 2 * * *", zone, "2026-10-25T01:10:00Z", &["2026-10-26T02:30+01:00"]);
    check("*/30 * * * *", zone, "2026-10-25T01:10:00Z", &["2026-10-25T02:30+01:00", "2026-10-25T03:00+01:00"]);
}

#[test]
fn in_new_york_clocks_go_forward_and_back() {
    // 2026-03-08 and 2026-11-01, at 02:00.
    let zone = "America/New_York";
    check("30 2 * * *", zone, "2026-03-08T00:00:00Z", &["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]);
    check("0 */3 * * *", zone, "2026-03-08T06:00:00Z", &["2026-03-08T03:00-04:00", "2026-03-08T06:00-04:00"]);
    check("30 1 * * *", zone, "2026-11-01T00:00:00Z", &["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]);
    check(
        "30 * * * *",
        zone,
        "2026-11-01T05:00:00Z",
        &["2026-11-01T01:30-04:00", "2026-11-01T01:30-05:00", "2026-11-01T02:30-05:00"],
    );
    check("0 0 * * *", zone, "2026-11-01T03:00:00Z", &["2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"]);
}

#[test]
fn on_lord_howe_clocks_move_by_half_an_hour() {
    // 2026-10-04: 02:00 is 02:30. 2026-04-05: 02:00 is 01:30 again.
    let zone = "Australia/Lord_Howe";
    check("15 2 * * *", zone, "2026-10-03T12:00:00Z", &["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]);
    check("15,45 2 * * *", zone, "2026-10-03T12:00:00Z", &["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00"]);
    check("15 * * * *", zone, "2026-10-03T14:30:00Z", &["2026-10-04T01:15+10:30", "2026-10-04T03:15+11:00"]);
    check("45 1 * * *", zone, "2026-04-04T12:00:00Z", &["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]);
    check(
        "45 * * * *",
        zone,
        "2026-04-04T14:00:00Z",
        &["2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30", "2026-04-05T02:45+10:30"],
    );
}

#[test]
fn a_day_may_be_missing_or_begin_late() {
    // Samoa went over the date line: there was no 30 December 2011.
    check("0 9 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", &["2011-12-31T00:00+14:00", "2012-12-30T09:00+14:00"]);
    // In Santiago clocks go forward at midnight.
    check(
        "0 0 * * *",
        "America/Santiago",
        "2026-09-05T12:00:00Z",
        &["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"],
    );
    // And back to 23:00 of the day before.
    check(
        "30 23 * * *",
        "America/Santiago",
        "2026-04-04T12:00:00Z",
        &["2026-04-04T23:30-03:00", "2026-04-05T23:30-04:00"],
    );
    // The last hour of a year's last fitting day is there twice, and the next one is a year away.
    check(
        "30 * 4 4 *",
        "America/Santiago",
        "2026-04-05T02:00:00Z",
        &["2026-04-04T23:30-03:00", "2026-04-04T23:30-04:00", "2027-04-04T00:30-04:00"],
    );
}

#[test]
fn at_the_ends_of_time_there_is_an_answer() {
    for zone in [UTC, "Europe/Berlin", "Pacific/Apia", "America/New_York", "Africa/Casablanca"] {
        for text in ["* * * * *", "0 0 29 2 */6", "30 2 * * *", "59 23 31 12 *", "0 */23 1 1 *"] {
            let cron = Cron::parse(text).expect(text).in_zone(Zone::parse(zone).expect(zone));
            for after in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
                assert!(cron.next(after).is_none_or(|next| next > after), "{text} in {zone} after {after}");
            }
            assert_eq!(cron.next(Timestamp::MAX), None);
        }
    }
}

#[test]
fn the_latest_of_those_that_were_missed_is_known_with_their_number() {
    let cron = Cron::parse("*/10 * * * *").expect("a schedule");
    let at = |text: &str| text.parse::<Timestamp>().expect(text);
    let missed = |after, until| cron.latest(at(after), at(until));
    assert_eq!(missed("2026-01-01T00:00:00Z", "2026-01-01T00:09:59Z"), None);
    assert_eq!(missed("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z"), Some((at("2026-01-01T00:10:00Z"), 0)));
    assert_eq!(missed("2026-01-01T00:00:00Z", "2026-01-01T01:05:00Z"), Some((at("2026-01-01T01:00:00Z"), 5)));
    assert_eq!(missed("2026-01-01T01:00:00Z", "2026-01-01T00:00:00Z"), None);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    refused("", 0, Fault::FieldCount(0));
    refused("   ", 0, Fault::FieldCount(0));
    refused("* * * *", 0, Fault::FieldCount(4));
    refused("0 0 0 * * *", 0, Fault::FieldCount(6));
    refused("0 0 0 * * * 2026", 0, Fault::FieldCount(7));
    refused("* * * * *\n", 8, Fault::NotAValue);
    refused("60 * * * *", 0, out(60, 0, 59));
    refused("* 24 * * *", 2, out(24, 0, 23));
    refused("* * 0 * *", 4, out(0, 1, 31));
    refused("* * 32 * *", 4, out(32, 1, 31));
    refused("* * * 13 *", 6, out(13, 1, 12));
    refused("* * * * 8", 8, out(8, 0, 7));
    refused("1,2,99999999999999999999 * * * *", 4, out(u32::MAX, 0, 59));
    refused("1,,2 * * * *", 2, Fault::Empty);
    refused(", * * * *", 0, Fault::Empty);
    refused("1- * * * *", 2, Fault::Empty);
    refused("-1 * * * *", 0, Fault::Empty);
    refused("*/ * * * *", 2, Fault::Empty);
    refused("/5 * * * *", 0, Fault::Empty);
    refused("+5 * * * *", 0, Fault::NotAValue);
    refused("0x5 * * * *", 0, Fault::NotAValue);
    refused("1.5 * * * *", 0, Fault::NotAValue);
    refused("** * * * *", 0, Fault::NotAValue);
    refused("*-5 * * * *", 0, Fault::NotAValue);
    refused("1-2-3 * * * *", 2, Fault::NotAValue);
    refused("*/2/3 * * * *", 2, Fault::NotAValue);
    refused("٣ * * * *", 0, Fault::NotAValue);
    refused("* * * * FUN", 8, Fault::NotAValue);
    refused("* * * MONDAY *", 6, Fault::NotAValue);
    refused("* JAN * * *", 2, Fault::NotAValue);
    refused("* * * * MON/2", 8, Fault::StepOfOne { max: 7 });
    refused("5/15 * * * *", 0, Fault::StepOfOne { max: 59 });
    refused("*/0 * * * *", 2, Fault::StepOfZero);
    refused("*/60 * * * *", 2, Fault::StepPastRange);
    refused("* 9-17/9 * * *", 7, Fault::StepPastRange);
    refused("* * * * */7", 10, Fault::StepPastRange);
    refused("* 22-6 * * *", 2, Fault::Backwards);
    refused("* * * * FRI-MON", 8, Fault::Backwards);
    refused("* * * * 6-0", 8, Fault::Backwards);
    refused("* * L * *", 4, Fault::Unsupported('L'));
    refused("* * 15w * *", 6, Fault::Unsupported('W'));
    refused("* * LW * *", 4, Fault::Unsupported('L'));
    refused("* * * * 5L", 9, Fault::Unsupported('L'));
    refused("* * * * FRI#2", 11, Fault::Unsupported('#'));
    refused("* * ? * *", 4, Fault::Unsupported('?'));
    refused("@reboot", 0, Fault::Reboot);
    refused("  @often", 2, Fault::UnknownName);
    refused("@every 5m", 0, Fault::FieldCount(2));
    refused("@ * * * *", 0, Fault::NotAValue);
    refused(&" ".repeat(TEXT_BYTES_MAX + 1), TEXT_BYTES_MAX, Fault::TooLong);
    refused(&"* ".repeat(TEXT_BYTES_MAX / 2), 0, Fault::FieldCount(8));
}

#[test]
fn a_day_that_never_comes_is_refused() {
    refused("0 0 30 2 *", 4, Fault::Never);
    refused("0 0 31 4,6,9,11 *", 4, Fault::Never);
    refused("0 0 30-31 FEB */2", 4, Fault::Never);
    // The Mondays of February do come.
    check("0 0 30 2 MON", UTC, "2026-01-01T00:00:00Z", &["2026-02-02T00:00+00:00"]);
    check("0 0 31 4,5 *", UTC, "2026-01-01T00:00:00Z", &["2026-05-31T00:00+00:00"]);
}

#[test]
fn errors_are_words_for_whoever_wrote_it() {
    let check = |cron: &str, words: &str| assert_eq!(Cron::parse(cron).expect_err(cron).to_string(), words);
    check("61 * * * *", "minute: 61 is not in 0-59, at byte 0");
    check("0 0 30 2 *", "day of the month: no month of this schedule has such a day: it would never run, at byte 4");
    check("0 22-6 * * *", "hour: the range runs backwards: write it as two, `22-23,0-5`, at byte 2");
    check("0 0 0 * * *", "6 fields instead of five: seconds and years are not supported, at byte 0");
    check("* * * * 5#2", "day of the week: `#` is not supported, at byte 9");
}
