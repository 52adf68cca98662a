//! What many connections cost: idle ones, and readers that do not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::{Server, read_to_end, wait_for};

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

/// Sixty readers of 64 MiB each, every second of which reads 500 bytes a second and the others nothing. Says by how many
/// KiB the process has grown, and after how long the last one was closed.
fn slow_readers(server: &Server) -> (u64, Duration) {
    const COUNT: usize = 60;
    let descriptors = server.descriptors();
    drop(idle(server, COUNT));
    wait_for("all are closed", || (server.descriptors() <= descriptors).then_some(()));
    let before = server.forget_peak();
    let begin = Instant::now();
    let ask = |_| {
        let mut stream = server.connect();
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let mut readers: Vec<TcpStream> = (0..COUNT).map(ask).collect();
    for reader in &readers {
        wait_for("it is served", || reader.peek(&mut [0]).ok());
    }
    wait_for("all are closed", || {
        readers.iter_mut().step_by(2).for_each(|reader| drop(reader.read(&mut [0; 50])));
        std::thread::sleep(Duration::from_millis(100));
        (server.descriptors() <= descriptors).then_some(())
    });
    (server.status_of("VmHWM:").saturating_sub(before), begin.elapsed())
}

#[test]
fn readers_that_do_not_read_cost_little_and_are_closed() {
    let server = Server::start(&["--write-rate=1KiB/s over 1s, credit 1s"]);
    let (grown, _) = slow_readers(&server);
    assert!(grown <= 4 * 1024, "{grown} KiB");
}

#[test]
#[ignore = "takes a while, and measures the release build: make soak"]
fn sixty_slow_readers_are_closed_after_fifteen_seconds() {
    let server = Server::start(&[]);
    let (grown, after) = slow_readers(&server);
    eprintln!("sixty slow readers of 64 MiB: +{grown} KiB, all closed after {after:?}");
    assert!(grown <= 4 * 1024, "{grown} KiB");
    assert!((14.0..17.0).contains(&after.as_secs_f64()), "{after:?}");
}

#[test]
#[ignore = "takes a while, and measures the release build: make soak"]
fn five_thousand_idle_connections_cost_a_kibibyte_each() {
    const COUNT: usize = 5_000;
    raise_limit();
    let server = Server::start(&[]);
    let descriptors = server.descriptors();
    drop(idle(&server, 100));
    let before = server.status_of("VmRSS:");
    let idle = idle(&server, COUNT);
    let each = (server.status_of("VmRSS:") - before) as f64 / COUNT as f64;
    eprintln!("{each:.2} KiB for each of {COUNT} idle connections");
    assert!(each < 1.25, "{each:.2} KiB");
    drop(idle);
    wait_for("all descriptors are back", || (server.descriptors() <= descriptors).then_some(()));
}
