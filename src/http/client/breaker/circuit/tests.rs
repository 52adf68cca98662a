use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn config() -> BreakerConfig {
    BreakerConfig {
        consecutive_failures: 3,
        window: 1000 * MS,
        window_calls_min: 10,
        failure_ratio: 0.5,
        open: 100 * MS,
        open_max: 350 * MS,
        half_open_permits: 2,
        successes_to_close: 3,
    }
}

/// What is done to a circuit, in a word each; `at` is the clock, in milliseconds.
///
/// `s` a call succeeds, `f` fails, `r50` fails with a Retry-After of 50 ms; `p` a permit is kept, and later `+` succeeds, `-`
/// fails, `x50` fails with a Retry-After, `d` is dropped: the oldest one kept. `!` is refused. `@130` sets the clock.
fn play(circuit: &mut Circuit, began: Instant, steps: &str) {
    let mut at = began;
    let mut kept = std::collections::VecDeque::new();
    for step in steps.split_whitespace() {
        let (word, number) = step.split_at(1);
        let number = || Duration::from_millis(number.parse().expect("a number"));
        let mut late =
            |circuit: &mut Circuit, outcome| circuit.end(kept.pop_front().expect("one is kept"), outcome, at);
        let now = |circuit: &mut Circuit, outcome| {
            let epoch = circuit.permit(at).unwrap_or_else(|open| panic!("{step} in {steps}: {open}"));
            circuit.end(epoch, outcome, at);
        };
        match word {
            "@" => at = began + number(),
            "s" => now(circuit, Outcome::Success),
            "f" => now(circuit, Outcome::Failure(None)),
            "r" => now(circuit, Outcome::Failure(Some(number()))),
            "+" => late(circuit, Outcome::Success),
            "-" => late(circuit, Outcome::Failure(None)),
            "x" => late(circuit, Outcome::Failure(Some(number()))),
            "d" => late(circuit, Outcome::Abandoned),
            "p" => kept.push_back(circuit.permit(at).unwrap_or_else(|open| panic!("{step} in {steps}: {open}"))),
            "!" => assert!(circuit.permit(at).is_err(), "{step} in {steps}"),
            _ => panic!("{step} is no step"),
        }
    }
}

/// The state, and for how long it stays open, after `steps`, at the time of the last of them.
fn check(steps: &str, expected: (State, u64)) {
    let began = Instant::now();
    let mut circuit = Circuit::new(config(), began);
    play(&mut circuit, began, steps);
    let last = steps.split_whitespace().rev().find_map(|step| step.strip_prefix('@')).unwrap_or("0");
    let snapshot = circuit.snapshot(began + Duration::from_millis(last.parse().expect("a number")));
    let wait = snapshot.retry_after.unwrap_or_default().as_millis() as u64;
    assert_eq!((snapshot.state, wait), expected, "after {steps}");
}

#[test]
fn a_closed_circuit_opens_by_failures_in_a_row_or_by_their_ratio() {
    for (steps, expected) in [
        ("", (State::Closed, 0)),
        ("f f f", (State::Open, 100)),
        ("p p p - - -", (State::Open, 100)),
        // Half of ten, never three in a row.
        ("f f s f f s s s s f", (State::Open, 100)),
        ("s s s s s f f s f f s f f s f f", (State::Open, 100)),
        // Just within the window.
        ("@99 s s f f @999 s f f s s f", (State::Open, 100)),
    ] {
        check(steps, expected);
    }
}

#[test]
fn a_closed_circuit_stays_closed() {
    for steps in [
        "s s s s s s s s s s",
        "f f",
        // A success between them.
        "f f s f f s f f",
        // Nine are too few to tell, though seven failed.
        "f f s f f s f f s",
        // A success that makes ten of nine opens nothing, though five of them have failed.
        "f f s f f s s s f s",
        // Four of ten.
        "f f s f f s s s s s",
        // What failed has left the window.
        "f f s f f s f f s @1000 s s s s f f s s s f",
        // Dropped permits are neither: not even between failures.
        "p p p p d d d d f f p d",
    ] {
        check(steps, (State::Closed, 0));
    }
    // And they do not break a row.
    check("f f p d f", (State::Open, 100));
}

#[test]
fn an_open_circuit_refuses_until_its_time_is_over_and_then_lets_a_few_through() {
    for (steps, expected) in [
        ("f f f ! ! !", (State::Open, 100)),
        ("f f f @99 !", (State::Open, 1)),
        // Nobody has asked, but who does is let through.
        ("f f f @100", (State::HalfOpen, 0)),
        ("f f f @100 p", (State::HalfOpen, 0)),
        ("f f f @100 p p ! !", (State::HalfOpen, 0)),
        // A dropped one gives its place back, and so does one that succeeded.
        ("f f f @100 p p ! d p ! d d p p !", (State::HalfOpen, 0)),
        ("f f f @100 p p + p ! + p !", (State::HalfOpen, 0)),
    ] {
        check(steps, expected);
    }
}

#[test]
fn probes_close_it_or_open_it_for_twice_as_long_up_to_a_bound() {
    for (steps, expected) in [
        ("f f f @100 s s", (State::HalfOpen, 0)),
        ("f f f @100 s s s", (State::Closed, 0)),
        ("f f f @100 p p + + s", (State::Closed, 0)),
        ("f f f @100 f", (State::Open, 200)),
        ("f f f @100 s s f", (State::Open, 200)),
        ("f f f @100 f @299 !", (State::Open, 1)),
        ("f f f @100 f @300 f", (State::Open, 350)),
        ("f f f @100 f @300 f @650 f", (State::Open, 350)),
        // Successes before it opened again are not those of a probe.
        ("f f f @100 s s f @300 s s", (State::HalfOpen, 0)),
        // Once closed, it begins from the start: the time, the row and the window.
        ("f f f @100 f @300 s s s f f f", (State::Open, 100)),
        ("f f f @100 s s s f f", (State::Closed, 0)),
        ("f f s f f s s s @101 r1 @102 s s s f", (State::Closed, 0)),
    ] {
        check(steps, expected);
    }
}

#[test]
fn a_peer_that_asks_to_be_left_alone_is() {
    for (steps, expected) in [
        ("r50", (State::Open, 50)),
        ("s s s s r50 @49 !", (State::Open, 1)),
        ("r50 @50 s s s", (State::Closed, 0)),
        // No longer than may be.
        ("r351", (State::Open, 350)),
        ("r999999999999", (State::Open, 350)),
        // What it has earned itself is no shorter for its asking; and its asking is no longer for that.
        ("f f r50", (State::Open, 100)),
        ("f f r250", (State::Open, 250)),
        ("f f f @100 r50", (State::Open, 200)),
        ("f f f @100 r300", (State::Open, 300)),
        // Its word doubles nothing.
        ("r50 @50 f", (State::Open, 100)),
        ("r50 @50 f @150 f", (State::Open, 200)),
        // Nothing is asked for by zero: a failure like any other.
        ("r0", (State::Closed, 0)),
        ("r0 r0 r0", (State::Open, 100)),
        ("f f f @100 r0", (State::Open, 200)),
    ] {
        check(steps, expected);
    }
}

#[test]
fn what_was_allowed_in_another_state_does_not_count_in_this_one() {
    for (steps, expected) in [
        // Open: a success from before does not close it, a failure does not prolong it.
        ("p f f f @50 +", (State::Open, 50)),
        ("p f f f @50 -", (State::Open, 50)),
        ("p f f f @50 d", (State::Open, 50)),
        // Half open: neither opens it, nor closes it, nor frees a place.
        ("p f f f @100 p p - !", (State::HalfOpen, 0)),
        ("p p p f f f @100 p p + + + !", (State::HalfOpen, 0)),
        ("p f f f @100 p p d !", (State::HalfOpen, 0)),
        ("p f f f @100 s s +", (State::HalfOpen, 0)),
        // Closed again: no row of failures from before the fall.
        ("p p p p f f f @100 s s s - - - -", (State::Closed, 0)),
        ("p f f f @100 s s s x300", (State::Closed, 0)),
        ("p f f f @100 p x300", (State::HalfOpen, 0)),
        // A probe of the last time is none of this time: the second one closes nothing, fails nothing and frees nothing.
        ("f f f @100 p p - @300 p p + !", (State::HalfOpen, 0)),
        ("f f f @100 p p - @300 p p - !", (State::HalfOpen, 0)),
        ("f f f @100 p p - @300 s s +", (State::HalfOpen, 0)),
        ("f f f @100 p p - @150 -", (State::Open, 150)),
    ] {
        check(steps, expected);
    }
}

#[test]
fn a_late_word_of_the_peer_holds_while_it_is_left_alone_anyway() {
    for (steps, expected) in [
        ("p f f f @50 x300", (State::Open, 300)),
        // It shortens nothing, and asks for no more than may be from when it came.
        ("p f f f @50 x10", (State::Open, 50)),
        ("p p f f f @50 x999 @60 x999", (State::Open, 350)),
    ] {
        check(steps, expected);
    }
}

#[test]
fn everything_is_counted_once_and_for_all() {
    let began = Instant::now();
    let mut circuit = Circuit::new(config(), began);
    play(&mut circuit, began, "p p s f s f f f ! ! + - @100 p d s s s f f");
    let expected = Snapshot {
        state: State::Closed,
        retry_after: None,
        failures_in_row: 2,
        window_calls: 2,
        window_failures: 2,
        opened: 1,
        refused: 2,
        succeeded: 6,
        failed: 7,
    };
    assert_eq!(circuit.snapshot(began + 100 * MS), expected);
}

#[test]
fn who_comes_while_the_probes_are_out_is_told_a_second_at_most() {
    for (open, expected) in [(100 * MS, 100 * MS), (5000 * MS, 1000 * MS)] {
        let began = Instant::now();
        let config = BreakerConfig { open, open_max: open, half_open_permits: 1, ..config() };
        let mut circuit = Circuit::new(config, began);
        play(&mut circuit, began, "f f f");
        circuit.permit(began + open).expect("half open");
        assert_eq!(circuit.permit(began + open), Err(Open { retry_after: expected }));
    }
}

#[test]
fn a_clock_that_goes_back_shuts_nobody_out() {
    let began = Instant::now();
    let mut circuit = Circuit::new(config(), began);
    play(&mut circuit, began, "f @1000 f @500 s @1 f f f @50 !");
    assert_eq!(circuit.state(began + 101 * MS), State::HalfOpen);
}

/// The same rules, told by the whole history instead of by counters.
#[derive(Default)]
struct Model {
    epoch: usize,
    state: Option<Told>,
    /// Ends of calls in this epoch while it was closed: the part of the window in which they came, and whether they failed.
    ends: Vec<(u64, bool)>,
    out: Vec<usize>,
    probes: usize,
    openings: u32,
}

enum Told {
    Open { until: u64 },
    HalfOpen,
}

impl Model {
    fn permit(&mut self, now: u64) -> Option<usize> {
        if matches!(self.state, Some(Told::Open { until }) if until <= now) {
            self.enter(Some(Told::HalfOpen));
        }
        let may = match self.state {
            None => true,
            Some(Told::Open { .. }) => false,
            Some(Told::HalfOpen) => self.out.iter().filter(|&&epoch| epoch == self.epoch).count() < 2,
        };
        if may {
            self.out.push(self.epoch);
        }
        may.then_some(self.epoch)
    }

    fn end(&mut self, epoch: usize, outcome: Outcome, now: u64) {
        let place = self.out.iter().position(|&out| out == epoch).expect("it is out");
        self.out.swap_remove(place);
        let wanted = match outcome {
            Outcome::Failure(Some(wanted)) if !wanted.is_zero() => (wanted.as_millis() as u64).min(350),
            _ => 0,
        };
        let has_failed = matches!(outcome, Outcome::Failure(_));
        let is_late = epoch != self.epoch;
        match &mut self.state {
            Some(Told::Open { until }) if wanted > 0 => *until = (*until).max(now + wanted),
            _ if is_late || outcome == Outcome::Abandoned => {}
            Some(Told::Open { .. }) => {}
            Some(Told::HalfOpen) if has_failed => self.open(now, wanted, true),
            Some(Told::HalfOpen) => {
                self.probes += 1;
                if self.probes == 3 {
                    self.openings = 0;
                    self.enter(None);
                }
            }
            None => {
                self.ends.push((now / 100, has_failed));
                if has_failed {
                    let is_enough = self.is_enough();
                    if is_enough || wanted > 0 {
                        self.open(now, wanted, is_enough);
                    }
                }
            }
        }
    }

    /// Every history in the test begins a window at a whole part of it.
    fn is_enough(&self) -> bool {
        let newest = self.ends.last().map_or(0, |(part, _)| *part);
        let row = self.ends.iter().rev().take_while(|(_, has_failed)| *has_failed).count();
        let recent: Vec<_> = self.ends.iter().filter(|(part, _)| part + 10 > newest).collect();
        let failed = recent.iter().filter(|(_, has_failed)| *has_failed).count();
        row >= 3 || (recent.len() >= 10 && 2 * failed >= recent.len())
    }

    fn open(&mut self, now: u64, wanted: u64, is_own: bool) {
        let own = if is_own { (100 << self.openings.min(4)).min(350) } else { 0 };
        self.openings += u32::from(is_own);
        self.enter(Some(Told::Open { until: now + wanted.max(own) }));
    }

    fn enter(&mut self, state: Option<Told>) {
        (self.state, self.probes) = (state, 0);
        self.epoch += 1;
        self.ends.clear();
    }

    fn state(&self, now: u64) -> State {
        match self.state {
            None => State::Closed,
            Some(Told::Open { until }) if now < until => State::Open,
            _ => State::HalfOpen,
        }
    }
}

proptest! {
    #[test]
    fn it_agrees_with_its_model(
        // The time that passes, in parts of the window so that both cut it alike; then a call, or the end of one that is out.
        steps in vec((prop_oneof![6 => Just(0u64), 2 => 1u64..4, 1 => 8u64..12], 0usize..6, any::<prop::sample::Index>()), 0..300),
        wanted in prop_oneof![Just(0u64), 1u64..400, Just(u64::MAX / 2)],
    ) {
        let began = Instant::now();
        let (mut circuit, mut model) = (Circuit::new(config(), began), Model::default());
        let (mut out, mut at): (Vec<(Epoch, usize)>, u64) = (Vec::new(), 0);
        for (parts, what, which) in steps {
            at += 100 * parts;
            let now = began + Duration::from_millis(at);
            let outcome = match what {
                0 | 1 => {
                    let (permit, expected) = (circuit.permit(now), model.permit(at));
                    prop_assert_eq!(permit.is_ok(), expected.is_some());
                    out.extend(permit.ok().zip(expected));
                    continue;
                }
                2 => Outcome::Success,
                3 => Outcome::Failure(None),
                4 => Outcome::Failure(Some(Duration::from_millis(wanted))),
                _ => Outcome::Abandoned,
            };
            if !out.is_empty() {
                let (epoch, expected) = out.swap_remove(which.index(out.len()));
                circuit.end(epoch, outcome, now);
                model.end(expected, outcome, at);
            }
            prop_assert_eq!(circuit.state(now), model.state(at));
            let probes = out.iter().filter(|(epoch, _)| *epoch == Epoch(circuit.epoch)).count();
            prop_assert!(probes <= 2 || circuit.state(now) != State::HalfOpen);
        }
    }
}
