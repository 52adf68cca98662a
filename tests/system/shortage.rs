//! What the server does when it is full, and when descriptors run out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::server::{Server, firstbyte, wait_for};
use crate::tools;

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";
/// Half of them are for connections: fewer than are tried. The other half is more than the process needs for itself.
const DESCRIPTORS: &str = "40";
/// Connections that are tried while there are no descriptors for them.
const CROWD: usize = 40;
/// How often a second the listener tries again at most: its wait is 50 ms.
const TRIES_A_SECOND: f64 = 20.0;

fn answered(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    if stream.write_all(GET).is_err() {
        return false;
    }
    while !answer.ends_with(b"Hello, World!") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return false,
            Ok(count) => answer.extend(&piece[..count]),
        }
    }
    answer.starts_with(b"HTTP/1.1 200 ")
}

/// Takes descriptors from a running server, but for `spare` more than it has open.
fn starve(server: &Server, spare: u64) {
    limit(server, Some(server.descriptors() as u64 + spare));
}

/// Lets a running server have so many descriptors; `None` gives it as many as this process may have.
fn limit(server: &Server, descriptors: Option<u64>) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let pid = Pid::from_raw(server.pid() as i32).unwrap();
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: descriptors.or(maximum), maximum }).unwrap();
}

/// How many attempts to accept have failed until each warning, and when that was, in seconds.
fn failed_attempts(server: &Server) -> Vec<(f64, f64)> {
    let lines = server.stderr();
    let told = lines.lines().filter(|line| line.contains("cannot accept connections"));
    let told = told.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    told.map(|line| (line["errors"].as_f64().unwrap(), seconds(line["timestamp"].as_str().unwrap()))).collect()
}

/// The seconds of the hour in `2026-01-31T01:02:03.456789Z`.
fn seconds(timestamp: &str) -> f64 {
    let (minutes, seconds) = (&timestamp[14..16], &timestamp[17..timestamp.len() - 1]);
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}

#[test]
fn a_full_server_serves_those_it_has_and_then_those_who_wait() {
    let Some(bash) = tools::find("bash") else { return };
    let mut command = Command::new(bash);
    command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", DESCRIPTORS]).arg(firstbyte().get_program());
    command.args(["--listen", "127.0.0.1:0", "--first-byte-deadline=60s"]);
    let server = Server::spawn(command);
    assert!(server.stderr().contains("connections_max is lowered"), "{}", server.stderr());
    let mut first = server.connect();
    assert!(answered(&mut first));
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| server.connect()).collect();
    assert!(answered(&mut first), "an open connection is served");
    // Those who were taken leave; those who wait are served.
    let mut last = crowd.pop().unwrap();
    drop(crowd);
    assert!(answered(&mut last) && answered(&mut server.connect()) && answered(&mut first));
    assert!(failed_attempts(&server).is_empty(), "nobody was accepted for whom there is no descriptor");
}

#[test]
fn without_descriptors_nothing_spins_and_all_is_well_as_soon_as_there_are_some() {
    let server = Server::start(&["--first-byte-deadline=60s", "--log-format=json"]);
    let mut first = server.connect();
    assert!(answered(&mut first));
    starve(&server, 4);
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| server.connect()).collect();
    let failed = wait_for("three warnings", || Some(failed_attempts(&server)).filter(|failed| failed.len() >= 3));
    for pair in failed.windows(2) {
        let (tries, passed) = (pair[1].0 - pair[0].0, (pair[1].1 - pair[0].1).rem_euclid(3600.0));
        assert!(tries <= passed * TRIES_A_SECOND + 2.0, "{tries} failed attempts in {passed} s");
    }
    assert!(answered(&mut first), "an open connection is served");
    // Those who hold the descriptors leave.
    drop(crowd);
    assert!(wait_for("a newcomer is served", || answered(&mut server.connect()).then_some(true)));
    // And the other way: the limit is raised.
    starve(&server, 0);
    let mut waiting = server.connect();
    waiting.write_all(GET).unwrap();
    limit(&server, None);
    let mut answer = [0; 12];
    // It was shed, or it is served now: it does not hang.
    let served = waiting.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200";
    assert!(served || answered(&mut server.connect()));
    assert!(answered(&mut first));
}

#[test]
#[ignore = "measures: make soak"]
fn a_shortage_costs_no_processor_time_and_its_end_is_noticed_at_once() {
    const WINDOW: Duration = Duration::from_secs(10);
    let server = Server::start(&["--first-byte-deadline=60s"]);
    let mut first = server.connect();
    assert!(answered(&mut first));
    starve(&server, 4);
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| server.connect()).collect();
    let cpu = server.cpu_time();
    std::thread::sleep(WINDOW);
    let share = (server.cpu_time() - cpu).as_secs_f64() / WINDOW.as_secs_f64();
    assert!(answered(&mut first), "an open connection is served");
    let freed = Instant::now();
    drop(crowd);
    wait_for("a newcomer is served", || answered(&mut server.connect()).then_some(()));
    let back = freed.elapsed();
    eprintln!("without descriptors: {:.2} % of a core; back after {back:?}", share * 100.0);
    assert!(share <= 0.01, "{:.2} % of a core", share * 100.0);
    assert!(back <= Duration::from_millis(100), "{back:?}");
}
