//! What the server does when descriptors run out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{SOON, Server, firstbyte};
use crate::tools;

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";
/// Fewer than the connections that are tried, and more than the process needs for itself.
const DESCRIPTORS: &str = "22";

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

/// A server that may have few descriptors.
fn starved() -> Option<Server> {
    let bash = tools::find("bash")?;
    let mut command = Command::new(bash);
    command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", DESCRIPTORS]).arg(firstbyte().get_program());
    command.args(["--listen", "127.0.0.1:0", "--first-byte-deadline=60s"]);
    Some(Server::spawn(command))
}

#[test]
fn a_server_without_descriptors_serves_those_it_has_and_does_not_spin() {
    let Some(server) = starved() else { return };
    assert!(server.stderr().contains("connections_max is lowered"), "{}", server.stderr());
    let mut first = server.connect();
    assert!(answered(&mut first));
    let mut crowd: Vec<TcpStream> = (0..40).map(|_| server.connect()).collect();
    let (cpu, start) = (server.cpu_time(), Instant::now());
    std::thread::sleep(Duration::from_millis(1000));
    let share = (server.cpu_time() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(share <= 0.03, "{:.1} % of a core", share * 100.0);
    assert!(answered(&mut first), "an open connection is served");
    // Those who were taken leave; those who waited are served soon.
    let mut last = crowd.pop().unwrap();
    drop(crowd);
    let freed = Instant::now();
    let mut newcomer = server.connect();
    assert!(answered(&mut newcomer));
    assert!(freed.elapsed() < Duration::from_millis(500), "{:?}", freed.elapsed());
    let asked = Instant::now();
    // It was shed, or it is served now: it does not hang.
    answered(&mut last);
    assert!(asked.elapsed() < SOON);
}
