//! The table of ratios: ours against the peer, from one run, interleaved.
//!
//! ```text
//!   round:  ours peer peer ours ours peer …    slices of about a millisecond, the order turned each time
//!           fastest slice of ours / fastest slice of the peer = the ratio of this round
//!   row:    medians over the rounds, and the least and the greatest ratio
//! ```
//!
//! Two numbers of two runs are not compared here, nor of two machines: what disturbs one slice disturbs its neighbour.
//! `cargo bench --bench ratios -- route` runs the rows whose name holds `route`.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use firstbyte::http::Limits;
use firstbyte::http::date::imf_fixdate;
use firstbyte_benches::chunks::{self, MESSAGES};
use firstbyte_benches::frames;
use firstbyte_benches::heads::{self, HEADS};
use firstbyte_benches::hyper_peer::HyperTape;
use firstbyte_benches::pico::Pico;
use firstbyte_benches::routes::{self, mixes};
use firstbyte_benches::wire::{Layers, Tape, traffic};

/// Ratios that a row is made of.
const ROUNDS: usize = 31;

/// Slices of either side in a round, of which the fastest counts: the others were interrupted.
const SLICES: usize = 5;

/// How long a slice is meant to be.
const SLICE: Duration = Duration::from_millis(1);

/// Work to be done so many times.
type Work<'a> = &'a mut dyn FnMut(usize);

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{}\n", machine());
    println!("| case | peer | ours ns | peer ns | ratio | ratio min–max |\n|---|---|--:|--:|--:|--:|");
    for row in [head_rows, chunk_rows, frame_rows, route_rows, wire_rows] {
        row(&filter);
    }
}

fn head_rows(filter: &str) {
    for (name, head) in HEADS {
        heads::check(head);
        heads::check_pico(head);
        let (mut ours, mut peer) = (heads::Ours::default(), heads::Peer::new());
        let mut run_ours = |times| (0..times).for_each(|_| assert_eq!(ours.parse(black_box(head)), head.len()));
        let mut run_peer = |times| (0..times).for_each(|_| assert_eq!(peer.parse(black_box(head)), head.len()));
        row(filter, &format!("head {name}"), "httparse", 1, &mut run_ours, &mut run_peer);
        let mut pico = Pico::new();
        let mut run_pico = |times| (0..times).for_each(|_| assert_eq!(pico.parse(black_box(head)).len, head.len()));
        row(filter, &format!("head {name}"), "picohttpparser", 1, &mut run_ours, &mut run_pico);
    }
}

fn chunk_rows(filter: &str) {
    let limits = Limits::default();
    for (name, size, count) in MESSAGES {
        chunks::check(size, count);
        let message = chunks::encode(size, count);
        let data = (size * count) as u64;
        let mut run_ours = |times| {
            (0..times).for_each(|_| assert_eq!(chunks::ours(black_box(&message), message.len(), &limits), data));
        };
        let mut run_peer = |times| (0..times).for_each(|_| assert_eq!(chunks::peer(black_box(&message)), data));
        row(filter, &format!("chunked {name}, a chunk"), "httparse", count, &mut run_ours, &mut run_peer);
    }
}

fn frame_rows(filter: &str) {
    for (name, text, size, count) in frames::TRAFFIC {
        let (tape, bytes) = frames::encode(text, size, count);
        frames::check(&tape, bytes);
        let mut ours = frames::Ours::default();
        for (peer, read) in frames::PEERS {
            let mut run_ours = |times| (0..times).for_each(|_| assert_eq!(ours.read(black_box(&tape)), bytes));
            let mut run_peer = |times| (0..times).for_each(|_| assert_eq!(read(black_box(&tape)), bytes));
            row(filter, &format!("ws_frame {name}"), peer, count, &mut run_ours, &mut run_peer);
        }
    }
}

fn route_rows(filter: &str) {
    routes::check();
    let (mut ours, peer) = (routes::Ours::new(), routes::Peer::new());
    for mix in mixes() {
        let mut run_ours = |times| {
            for _ in 0..times {
                mix.requests.iter().for_each(|asked| _ = black_box(ours.lookup(black_box(asked))));
            }
        };
        let mut run_peer = |times| {
            for _ in 0..times {
                mix.requests.iter().for_each(|asked| _ = black_box(peer.lookup(black_box(asked))));
            }
        };
        row(filter, &format!("route {}", mix.name), "matchit", mix.requests.len(), &mut run_ours, &mut run_peer);
    }
}

fn wire_rows(filter: &str) {
    for traffic in traffic().into_iter().filter(|traffic| traffic.layers == Layers::None) {
        let (name, requests) = (format!("server {}", traffic.name), traffic.requests);
        let (ours, peer) = (Tape::new(traffic.clone()), HyperTape::new(traffic));
        let mut run_ours = |times| _ = ours.serve(times);
        let mut run_peer = |times| _ = peer.serve(times);
        row(filter, &name, "hyper", requests, &mut run_ours, &mut run_peer);
    }
}

/// Measures and prints one row. Each time, the work is done `units` times over: what is printed is the time of one.
fn row(filter: &str, name: &str, peer_name: &str, units: usize, ours: Work<'_>, peer: Work<'_>) {
    if !name.contains(filter) {
        return;
    }
    let times = (times_in_slice(ours), times_in_slice(peer));
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round(times, ours, peer)).collect();
    let mut median = |of: fn(&(f64, f64)) -> f64| {
        rounds.sort_by(|one, other| of(one).total_cmp(&of(other)));
        of(&rounds[ROUNDS / 2])
    };
    let (ours_ns, peer_ns) = (median(|round| round.0) / units as f64, median(|round| round.1) / units as f64);
    let ratio = median(|round| round.0 / round.1);
    let (first, last) = (rounds[0], rounds[ROUNDS - 1]);
    let (least, greatest) = (first.0 / first.1, last.0 / last.1);
    println!("| {name} | {peer_name} | {ours_ns:.1} | {peer_ns:.1} | {ratio:.2} | {least:.2}–{greatest:.2} |");
}

/// How often the work fits into a slice.
fn times_in_slice(work: Work<'_>) -> usize {
    let mut times = 1;
    while nanoseconds(work, times) < SLICE.as_nanos() as f64 {
        times *= 2;
    }
    times
}

/// Nanoseconds of the fastest slices of one round, each for doing the work once.
fn round(times: (usize, usize), ours: Work<'_>, peer: Work<'_>) -> (f64, f64) {
    let mut fastest = (f64::MAX, f64::MAX);
    for slice in 0..SLICES {
        let ours_first = slice % 2 == 0;
        if ours_first {
            fastest.0 = fastest.0.min(nanoseconds(ours, times.0));
        }
        fastest.1 = fastest.1.min(nanoseconds(peer, times.1));
        if !ours_first {
            fastest.0 = fastest.0.min(nanoseconds(ours, times.0));
        }
    }
    (fastest.0 / times.0 as f64, fastest.1 / times.1 as f64)
}

fn nanoseconds(work: Work<'_>, times: usize) -> f64 {
    let begin = Instant::now();
    work(times);
    begin.elapsed().as_nanos() as f64
}

/// When, on what and beside how much else this was measured.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let date = String::from_utf8_lossy(&imf_fixdate(seconds)).into_owned();
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let load = load.split(' ').next().unwrap_or_default();
    format!("{date}; {} x {}; load {load}", cores, model.trim_start_matches(['\t', ' ', ':']))
}
