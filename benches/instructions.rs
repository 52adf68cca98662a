//! Counts instructions: what valgrind says a request costs, on any machine, however busy.
//!
//! ```text
//!   instructions              for each case: valgrind instructions CASE N, then 2N; (second - first) / N
//!   instructions FILTER       for each case whose name holds FILTER
//!   instructions CASE TIMES   runs one case so often; this is what valgrind is given
//! ```
//!
//! The difference of two runs leaves out the start of the process. A tape in place of a socket leaves out the kernel, the
//! peer and wake-ups: what is counted is the server's own work. Each case leaves `target/callgrind/CASE.out` for
//! `callgrind_annotate`; the functions where most instructions go are printed below each count. picohttpparser is not
//! counted: valgrind does not know the instruction that it scans with.

use std::collections::HashMap;
use std::process::Command;

use firstbyte_benches::heads::{self, HEADS, Ours, Peer};
use firstbyte_benches::wire::{Tape, Traffic, traffic};

/// How often a case is run; twice that in the second run.
const TIMES: u64 = 4_000;

/// Functions shown for each whole server.
const TOP: usize = 15;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => print_all(""),
        [filter] => print_all(filter),
        [case, times] => run(case, times.parse().expect("a number of times")),
        _ => panic!("usage: instructions [FILTER | CASE TIMES]"),
    }
}

/// The names of all cases.
fn cases() -> Vec<String> {
    let heads = HEADS.iter().flat_map(|(name, _)| [format!("parse {name}"), format!("httparse {name}")]);
    heads.chain(traffic().iter().map(|traffic| traffic.name.to_owned())).collect()
}

fn run(case: &str, times: usize) {
    for (name, head) in HEADS {
        heads::check(head);
        if case == format!("parse {name}") {
            let mut parser = Ours::default();
            return (0..times).for_each(|_| assert_eq!(parser.parse(std::hint::black_box(head)), head.len()));
        }
        if case == format!("httparse {name}") {
            let mut parser = Peer::new();
            return (0..times).for_each(|_| assert_eq!(parser.parse(std::hint::black_box(head)), head.len()));
        }
    }
    let traffic = traffic().into_iter().find(|traffic| traffic.name == case).expect("a case");
    Tape::new(traffic).serve(times);
}

fn print_all(filter: &str) {
    println!("| case | instructions a request |\n|---|---|");
    let mut tops = String::new();
    for case in cases().into_iter().filter(|case| case.contains(filter)) {
        let file = format!("target/callgrind/{}.out", case.replace(['/', ' ', '{', '}'], "_"));
        let (once, twice) = (count(&case, TIMES, &file), count(&case, 2 * TIMES, &file));
        let requests = requests_of(&case) * TIMES;
        println!("| {case} | {} |", (twice - once) / requests);
        if case.starts_with('/') {
            tops += &format!("\n{case}: instructions a request, by function\n{}", top(&file, 2 * requests));
        }
    }
    println!("{tops}");
}

/// Requests in one run of `case`.
fn requests_of(case: &str) -> u64 {
    traffic().iter().find(|Traffic { name, .. }| *name == case).map_or(1, |traffic| traffic.requests as u64)
}

/// The instructions of a process that runs `case` so often.
fn count(case: &str, times: u64, file: &str) -> u64 {
    std::fs::create_dir_all("target/callgrind").expect("a directory for counts");
    let this = std::env::current_exe().expect("this program");
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", &format!("--callgrind-out-file={file}")])
        .arg(this)
        .args([case, &times.to_string()])
        .status();
    assert!(counted.expect("valgrind is installed").success(), "{case} failed");
    let counts = std::fs::read_to_string(file).expect("what callgrind wrote");
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a total");
    total.trim().parse().expect("a number")
}

/// The functions that take most, each with its own instructions a request, whatever file inlined code came from.
fn top(file: &str, requests: u64) -> String {
    let annotated = Command::new("callgrind_annotate").args(["--threshold=100", "--auto=no", file]).output();
    let text = String::from_utf8(annotated.expect("callgrind_annotate is installed").stdout).expect("text");
    let mut by_function = HashMap::<&str, u64>::new();
    for (count, function) in text.lines().skip_while(|line| !line.contains("file:function")).filter_map(self_cost) {
        *by_function.entry(function).or_default() += count;
    }
    let mut functions: Vec<_> = by_function.into_iter().collect();
    functions.sort_unstable_by_key(|&(function, count)| (std::cmp::Reverse(count), function));
    functions
        .iter()
        .take(TOP)
        .map(|(name, count)| format!("{:>9.1}  {name}\n", *count as f64 / requests as f64))
        .collect()
}

/// Reads `1,234,567 (12.3%)  file:function [object]`.
fn self_cost(row: &str) -> Option<(u64, &str)> {
    let (count, rest) = row.trim().split_once(" (")?;
    let (_, function) = rest.split_once(':')?;
    let function = function.rsplit_once(" [").map_or(function, |(function, _)| function);
    Some((count.replace(',', "").parse().ok()?, function))
}
