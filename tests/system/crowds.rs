//! What many connections cost: idle ones, and readers that do not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::{Server, read_to_end, wait_for};
use crate::tools;

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";

/// Lets this process have as many descriptors as it may.
fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Opens `count` connections, has each answered once, and leaves them idle.
fn idle(server: &Server, count: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = server.connect();
        stream.write_all(GET).unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream
    };
    (0..count).map(connect).collect()
}

#[test]
fn an_address_over_its_cap_is_told_when_to_come_back_and_served_then() {
    let server = Server::start(&["--cap-loopback", "--connections-per-address-max=1"]);
    let served = idle(&server, 1);
    let refused = read_to_end(&mut server.connect());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("HTTP-SERVER-003"), "{refused}");
    assert!(refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
    drop(served);
    let again = || server.exchange(b"GET /plaintext HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    wait_for("its place is free", || again().starts_with("HTTP/1.1 200 ").then_some(()));
}

#[test]
fn readers_that_do_not_read_cost_little_and_are_closed() {
    const COUNT: usize = 60;
    const GROWTH_KIB: u64 = 4 * 1024;
    let server = Server::start(&["--write-rate=1KiB/s over 1s, credit 1s"]);
    let fds = server.descriptors();
    drop(idle(&server, COUNT));
    wait_for("all are closed", || (server.descriptors() <= fds).then_some(()));
    let before = server.status_of("VmRSS:");
    let ask = |_| {
        let mut stream = server.connect();
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream
    };
    let readers: Vec<TcpStream> = (0..COUNT).map(ask).collect();
    wait_for("all are served", || (server.descriptors() >= fds + COUNT / 2).then_some(()));
    wait_for("all are closed", || (server.descriptors() <= fds).then_some(()));
    let growth = server.status_of("VmHWM:").saturating_sub(before);
    assert!(growth <= GROWTH_KIB, "{growth} KiB for {COUNT} readers");
    drop(readers);
}

#[test]
#[ignore = "takes a while, and measures the release build: make soak"]
fn five_thousand_idle_connections_cost_a_few_kibibytes_each() {
    const COUNT: usize = 5_000;
    raise_limit();
    let server = Server::start(&[]);
    drop(idle(&server, 100));
    let before = server.status_of("VmRSS:");
    let idle = idle(&server, COUNT);
    let each = (server.status_of("VmRSS:") - before) as f64 / COUNT as f64;
    eprintln!("{each:.2} KiB for each of {COUNT} idle connections");
    assert!(each < 4.0, "{each:.2} KiB");
    drop(idle);
}

#[test]
#[ignore = "takes two minutes: make soak"]
fn an_honest_upload_that_is_slow_is_never_cut() {
    let Some(curl) = tools::find("curl") else { return };
    let server = Server::start(&[]);
    let content = server.folder.join("content");
    std::fs::write(&content, vec![b'x'; 120 * 64 * 1024]).unwrap();
    let mut curl = Command::new(curl);
    curl.args(["-sS", "--limit-rate", "64k", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", "-T"]);
    let output = curl.arg(&content).arg(server.url("/echo")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200 7864320");
}

#[test]
fn content_that_does_not_come_or_trickles_is_cut() {
    let server = Server::start(&["--content-rate=1KiB/s over 300ms, credit 300ms"]);
    // `/anything` has all of the content before it answers; `/echo` has answered before the content stops.
    for (path, refused) in [("/anything", true), ("/echo", false)] {
        let start = Instant::now();
        let mut stream = server.connect();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let trickle = std::thread::spawn(move || {
            while sending.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut answer = Vec::new();
        // The server closes while the peer sends on: that may be a reset.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(start.elapsed() < Duration::from_secs(5), "{path}: {:?}", start.elapsed());
        assert_eq!(answer.starts_with("HTTP/1.1 408 "), refused, "{path}: {answer}");
        drop(stream);
        trickle.join().unwrap();
    }
    assert!(server.cpu_time() < Duration::from_millis(500), "it waits and does not spin");
}
