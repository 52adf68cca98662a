//! What the server does when descriptors run out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{Server, firstbyte, wait_for};
use crate::tools;

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";
/// Fewer than the connections that are tried, and more than the process needs for itself.
const DESCRIPTORS: &str = "22";

fn answered(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 15];
    stream.write_all(GET).and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer.starts_with(b"HTTP/1.1 200")
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
    // It was shed or is served: it does not hang.
    wait_for("an end for the last of the crowd", || {
        last.write_all(GET).ok();
        Some(last.read(&mut [0; 1]))
    })
    .ok();
}
