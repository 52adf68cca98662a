//! Autobahn's testsuite, all of it, on our server and on our client: `make autobahn` installs it and runs this.
//!
//! ```text
//!   server:  firstbyte serve, /ws     <── fuzzingclient      a connection for each case; what comes is echoed
//!   client:  ws::client, echoing      ──> fuzzingserver      and so here
//! ```
//!
//! A side passes when every case is there and has the verdict OK, for what was said and for how it was closed. None is
//! left out. Three have no verdict but INFORMATIONAL, whoever answers them.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use firstbyte::ws::client::{ClientConfig, connect};
use firstbyte::ws::{Config, Limits};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::server::Server;

/// The classes of the testsuite that have cases, and how many.
const CLASSES: [(&str, &str, usize); 11] = [
    ("1", "framing", 16),
    ("2", "pings and pongs", 11),
    ("3", "reserved bits", 7),
    ("4", "opcodes", 10),
    ("5", "fragmentation", 20),
    ("6", "UTF-8", 145),
    ("7", "close", 37),
    ("9", "limits, performance", 54),
    ("10", "automatic fragments", 1),
    ("12", "compression", 90),
    ("13", "compression, parameters", 126),
];

const CASES: usize = 517;

/// They ask what has no right answer: whether a message is echoed that a Close follows; what codes 5000 and 65535 do.
const UNDECIDED: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];

/// The name under which we stand in the reports.
const AGENT: &str = "firstbyte";

/// The testsuite itself ends a case after 480 s.
const SILENCE: Duration = Duration::from_secs(500);

/// Cases from one word about how far it is to the next.
const PROGRESS: usize = 25;

/// `wstest`, but its server listens on the socket that is its standard input: nobody else can take the port, and a client
/// can connect before the server is up.
const WSTEST: &str = "
from autobahntestsuite import wstest, fuzzing
import socket
fuzzing.listenWS = lambda factory, _: wstest.reactor.adoptStreamPort(0, socket.AF_INET, factory)
wstest.run()
";

#[tokio::test]
#[ignore = "takes minutes: make autobahn"]
async fn the_server_passes_every_case() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/ws", server.addr);
    let spec = json!({"servers": [{"agent": AGENT, "url": url}], "cases": ["*"]});
    let Some(mut testsuite) = Testsuite::start("fuzzingclient", "server", spec, Stdio::null()) else { return };
    testsuite.end().await;
    testsuite.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make autobahn"]
async fn the_client_passes_every_case() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let spec = json!({"url": url, "cases": ["*"]});
    let listener = Stdio::from(OwnedFd::from(listener));
    let Some(mut testsuite) = Testsuite::start("fuzzingserver", "client", spec, listener) else { return };
    let client = async {
        let config = client_config();
        for case in 1..=CASES {
            echo(&format!("{url}/runCase?case={case}&agent={AGENT}"), &config).await;
        }
        echo(&format!("{url}/updateReports?agent={AGENT}"), &config).await;
    };
    tokio::select! {
        () = client => {}
        () = testsuite.end() => panic!("it ended before it was done"),
    }
    testsuite.judge();
}

/// As it is, but for the size of a message: cases go up to 16 MiB.
fn client_config() -> ClientConfig {
    let limits = Limits { frame_bytes_max: 16 << 20, message_bytes_max: 16 << 20, ..Limits::default() };
    ClientConfig { socket: Config { limits, ..Config::default() }, ..ClientConfig::default() }
}

/// Sends back what comes, until the other side closes.
async fn echo(url: &str, config: &ClientConfig) {
    let mut socket = connect(url, config).await.unwrap();
    while let Some(message) = socket.next().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// A run of `wstest`.
struct Testsuite {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    side: &'static str,
    folder: PathBuf,
    began: Instant,
}

impl Testsuite {
    /// `None`, after a loud line, where there is none.
    fn start(mode: &str, side: &'static str, mut spec: Value, stdin: Stdio) -> Option<Testsuite> {
        let Some(python) = std::env::var_os("AUTOBAHN_PYTHON") else {
            eprintln!("NOT TESTED: `make autobahn` says where the testsuite is, this run does not");
            return None;
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn").join(side);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        spec["outdir"] = folder.to_str().unwrap().into();
        let spec_file = folder.join("spec.json");
        fs::write(&spec_file, spec.to_string()).unwrap();
        let mut child = Command::new(python)
            .args(["-u", "-c", WSTEST, "--mode", mode, "--webport", "0", "--spec"])
            .arg(spec_file)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Testsuite { child, stdout, side, folder, began: Instant::now() })
    }

    /// Tells how far it is until it ends.
    async fn end(&mut self) {
        let mut cases = 0;
        while let Some(line) = self.next_line().await {
            let Some(case) = line.strip_prefix("Running test case ID ").and_then(|line| line.split(' ').next()) else {
                continue;
            };
            if cases % PROGRESS == 0 {
                eprintln!("{}: {cases} of {CASES} cases in {:.0?}, {case} is next", self.side, self.began.elapsed());
            }
            cases += 1;
        }
        assert!(self.child.wait().await.unwrap().success());
    }

    async fn next_line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(SILENCE, self.stdout.next_line()).await;
        line.unwrap_or_else(|_| panic!("{}: nothing has happened for {SILENCE:?}", self.side)).unwrap()
    }

    fn judge(&self) {
        let index: Value = serde_json::from_slice(&fs::read(self.folder.join("index.json")).unwrap()).unwrap();
        let cases = index[AGENT].as_object().unwrap();
        let took = self.began.elapsed();
        eprintln!("\n{} in {took:.0?}: {}/index.html\n{}", self.side, self.folder.display(), table(cases));
        let faults = faults(cases);
        assert!(faults.is_empty(), "the {} falls short:\n{}", self.side, faults.join("\n"));
    }
}

/// How many cases of each class got which verdict.
fn table(cases: &Map<String, Value>) -> String {
    let mut table = format!("{:28}{:>6}{:>12}{:>15}{:>8}\n", "class", "OK", "NON-STRICT", "INFORMATIONAL", "FAILED");
    let mut totals = [0; 4];
    for (class, name, count) in CLASSES {
        let of = |verdict| of_class(cases, class).filter(|(_, case)| case["behavior"] == verdict).count();
        let [ok, non_strict, informational] = ["OK", "NON-STRICT", "INFORMATIONAL"].map(of);
        // Whatever it is called, and when there is no verdict.
        let failed = count.saturating_sub(ok + non_strict + informational);
        let row = [ok, non_strict, informational, failed];
        table += &line(&format!("{class:>2} {name}"), row);
        totals = std::array::from_fn(|column| totals[column] + row[column]);
    }
    table + &line("all", totals)
}

fn line(name: &str, [ok, non_strict, informational, failed]: [usize; 4]) -> String {
    format!("{name:28}{ok:>6}{non_strict:>12}{informational:>15}{failed:>8}\n")
}

/// What keeps a side from passing.
fn faults(cases: &Map<String, Value>) -> Vec<String> {
    let missing = CLASSES.iter().filter_map(|&(class, _, count)| {
        let found = of_class(cases, class).count();
        (found != count).then(|| format!("class {class}: {found} cases instead of {count}"))
    });
    let judged = cases.iter().filter_map(|(id, case)| {
        let allowed = if UNDECIDED.contains(&id.as_str()) { "INFORMATIONAL" } else { "OK" };
        let [verdict, close, file] = ["behavior", "behaviorClose", "reportfile"].map(|key| case[key].as_str().unwrap());
        ([verdict, close] != [allowed; 2]).then(|| format!("case {id}: {verdict}, its close {close}: {file}"))
    });
    missing.chain(judged).collect()
}

fn of_class<'a>(cases: &'a Map<String, Value>, class: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    cases.iter().filter(move |(id, _)| id.split('.').next() == Some(class))
}

#[test]
fn every_case_has_to_be_there_and_ok() {
    check(|_| {}, &[]);
    check(|cases| cases["7.1.6"]["behavior"] = "OK".into(), &["case 7.1.6: OK, its close INFORMATIONAL: f"]);
    check(|cases| cases["6.1.2"]["behavior"] = "NON-STRICT".into(), &["case 6.1.2: NON-STRICT, its close OK: f"]);
    check(|cases| cases["6.1.2"]["behavior"] = "INFORMATIONAL".into(), &["case 6.1.2: INFORMATIONAL, its close OK: f"]);
    check(
        |cases| cases["12.1.1"]["behavior"] = "UNIMPLEMENTED".into(),
        &["case 12.1.1: UNIMPLEMENTED, its close OK: f"],
    );
    check(|cases| cases["1.1.1"]["behaviorClose"] = "WRONG CODE".into(), &["case 1.1.1: OK, its close WRONG CODE: f"]);
    check(|cases| drop(cases.remove("9.1.54")), &["class 9: 53 cases instead of 54"]);
}

/// What is found in a report where all is well but for one change.
fn check(change: impl Fn(&mut Map<String, Value>), expected: &[&str]) {
    let ids = CLASSES.iter().flat_map(|(class, _, count)| (1..=*count).map(move |case| format!("{class}.1.{case}")));
    let verdict = |id: &str| if UNDECIDED.contains(&id) { "INFORMATIONAL" } else { "OK" };
    let case = |id: &str| json!({"behavior": verdict(id), "behaviorClose": verdict(id), "reportfile": "f"});
    let mut cases: Map<String, Value> = ids.map(|id| (id.clone(), case(&id))).collect();
    assert_eq!(cases.len(), CASES);
    change(&mut cases);
    assert_eq!(faults(&cases), expected);
}
