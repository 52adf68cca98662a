//! A whole server under thousands of seeds: every byte of misfortune from one number.
//!
//! ```text
//!   seed ──> plan ──> world: server + clients + weather, one thread, paused clock ──> journal, answers ──> judge
//!                       ^ nothing else comes in                                            │ broken promise
//!                       └──────────────── the same seed, the same journal <────────────────┘ seed, command, transcript
//! ```
//!
//! The one idea: a bug that needs a reset, a slow reader and a shutdown in the same millisecond is found by nobody who
//! writes tests one by one. So what clients do is rolled, what must hold is stated once ([`judge`]), and a failure is a
//! number that plays it again.
//!
//! ```text
//!   cargo test --test protocol simulation                                     6,000 seeds, the same every time
//!   FIRSTBYTE_SEEDS=1000000 FIRSTBYTE_FIRST_SEED=7 cargo test …               other ones
//!   FIRSTBYTE_SEED=0x1a2b cargo test --test protocol simulation -- --nocapture   one, with all that happens
//! ```
//!
//! Reading order: this file, `plan`, `world`, `judge`; then `message`, `network`, `client`.

mod answers;
mod client;
mod journal;
mod judge;
mod message;
mod network;
mod plan;
mod service;
mod world;

use std::collections::BTreeSet;
use std::env;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use journal::Entry;
use plan::Plan;

/// Seeds that a test run plays when nobody says how many.
const SEEDS: u64 = 6_000;

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number("FIRSTBYTE_SEED") {
        return replay(seed);
    }
    let first = number("FIRSTBYTE_FIRST_SEED").unwrap_or(0);
    let seeds = number("FIRSTBYTE_SEEDS").unwrap_or(SEEDS);
    eprintln!("simulation: {seeds} seeds from {first:#x}");
    let begun = Instant::now();
    play_all(first, seeds);
    let rate = seeds as f64 / begun.elapsed().as_secs_f64();
    eprintln!("simulation: {rate:.0} seeds a second");
}

/// What must have happened in the first seeds, lest the judge has nothing to judge.
#[rustfmt::skip]
const HAPPENS: &[&str] = &[
    // Answers, by status or by code.
    "200", "H1-CHUNK-001", "H1-CONTENT-002", "H1-END-001", "H1-EXPECT-001", "H1-FRAME-001", "H1-HEAD-004", "H1-HOST-002", "H1-LINE-001",
    "H1-TIME-001", "H1-TIME-002", "HTTP-SERVER-001", "HTTP-SERVER-002", "HTTP-SERVER-005",
    // Faults.
    "CannotSend", "Closes", "DriverDropped", "Force", "HalfCloses", "Resets", "SeesReset", "ShutDown", "StopsReading",
    "StopsSending",
    // Excuses.
    "it came too late", "it was not sent", "the client has left", "the driver was dropped", "the end was forced",
    "the client reads too slowly", "the route breaks off", "the server was shut down before it had come",
    "unread content before it did not end", "what it echoes has broken off",
];

#[test]
fn the_dice_reach_everything() {
    let mut met = BTreeSet::new();
    for seed in 0..SEEDS / 4 {
        let plan = Plan::of(seed);
        let record = world::run(&plan);
        met.extend(judge::judge(&plan, &record).expect("a kept promise").into_iter().map(str::to_owned));
        for answer in record.seen.iter().flatten().flat_map(|seen| &seen.answers) {
            met.insert(answer.code().map_or_else(|| answer.status.to_string(), str::to_owned));
        }
        // The name of an event, without its numbers.
        met.extend(
            record.entries.iter().map(|entry| format!("{:?}", entry.event).split('(').next().unwrap().to_owned()),
        );
    }
    for what in HAPPENS {
        assert!(met.contains(*what), "{what}: never in {met:?}");
    }
}

#[test]
fn who_watches_changes_nothing() {
    for seed in 0..200 {
        let run = |is_watched| journal::hash(&world::run(&Plan { is_watched, ..Plan::of(seed) }).entries);
        assert_eq!(run(true), run(false), "seed {seed:#x}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..200 {
        let run = || {
            let record = world::run(&Plan::of(seed));
            let seen = record.seen.expect("nobody waits for ever");
            let contents = seen.into_iter().flat_map(|seen| seen.answers).map(|answer| (answer.status, answer.content));
            (journal::hash(&record.entries), contents.collect::<Vec<_>>())
        };
        assert_eq!(run(), run(), "seed {seed:#x}");
    }
}

/// Plays seeds on all cores. Each runs on one thread from its beginning to its end.
fn play_all(first: u64, seeds: u64) {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let play = || {
        while !failed.load(Relaxed) {
            let index = next.fetch_add(1, Relaxed);
            if index >= seeds {
                return Ok(());
            }
            let seed = first.wrapping_add(index);
            verdict(seed).inspect_err(|_| failed.store(true, Relaxed)).map_err(|fault| (index, seed, fault))?;
        }
        Ok(())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let failures = thread::scope(|scope| {
        let players: Vec<_> = (0..cores).map(|_| scope.spawn(play)).collect();
        players.into_iter().filter_map(|player| player.join().expect("a simulation does not panic").err()).min()
    });
    if let Some((index, seed, fault)) = failures {
        panic!("after {index} seeds:\n{}", report(seed, &fault));
    }
}

/// Plays one seed; why it fails, if it does.
fn verdict(seed: u64) -> Result<(), String> {
    let plan = Plan::of(seed);
    let played = catch_unwind(|| judge::judge(&plan, &world::run(&plan)));
    played.unwrap_or_else(|_| Err("the simulation itself has panicked".to_owned())).map(drop)
}

fn replay(seed: u64) {
    let plan = Plan::of(seed);
    let record = world::run(&plan);
    eprintln!("{}", transcript(&plan, &record.entries));
    if let Err(fault) = judge::judge(&plan, &record) {
        panic!("seed {seed:#x}: {fault}");
    }
}

/// What a failure shows.
fn report(seed: u64, fault: &str) -> String {
    let plan = Plan::of(seed);
    let record = world::run(&plan);
    let told = transcript(&plan, &record.entries);
    let command = format!("FIRSTBYTE_SEED={seed:#x} cargo test --test protocol simulation -- --nocapture");
    format!("{told}\n{fault}\n\nseed {seed:#x}; to play it again:\n  {command}")
}

/// What was planned, and what happened.
fn transcript(plan: &Plan, entries: &[Entry]) -> String {
    let mut lines = Vec::new();
    for (who, script) in plan.clients.iter().enumerate() {
        lines.push(format!("client {who}: {script}"));
        for message in &script.messages {
            lines.push(format!("  asks {}", String::from_utf8_lossy(&message.bytes).escape_debug()));
        }
        lines.push(format!("  acts {:?}", script.acts));
    }
    lines.push(String::new());
    lines.extend(entries.iter().map(ToString::to_string));
    lines.join("\n")
}

/// The number in an environment variable, decimal or with 0x.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}
