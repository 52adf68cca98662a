//! Clients that come and leave, thousands of them, at every stage: nothing of them stays behind.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::server::{Server, wait_for};

/// What a client sends, and how many bytes it waits for, before it leaves.
pub const STAGES: &[(&str, usize)] = &[
    ("", 0),
    ("GET /plain", 0),
    ("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n", 100),
    ("GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ("POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nxxx", 0),
    ("POST /anything HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n", 12),
    ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n", 100),
    ("GET /drip?bytes=1000&ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n", 100),
    ("GET /big HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    ("GET /big HTTP/1.1\r\nHost: x\r\n\r\n", 100_000),
    ("GET /sse?count=1000&ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n", 100),
    ("GET /plaintext HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 100),
    ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 100),
];

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
pub enum Leaving {
    /// By a RST.
    Reset,
    /// By a FIN, which the kernel follows by a RST where something came that was not read.
    Close,
}

pub fn come_and_leave(mut stream: TcpStream, (sent, awaited): (&str, usize), leaving: Leaving) -> io::Result<()> {
    stream.write_all(sent.as_bytes())?;
    stream.read_exact(&mut vec![0; awaited])?;
    if let Leaving::Reset = leaving {
        set_socket_linger(&stream, Some(Duration::ZERO))?;
    }
    Ok(())
}

/// So many clients at each stage, four at once.
fn storm(server: &Server, each: usize) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for client in (thread..each).step_by(4) {
                    for stage in STAGES {
                        let leaving = if client % 2 == 0 { Leaving::Reset } else { Leaving::Close };
                        come_and_leave(server.connect(), *stage, leaving).unwrap();
                    }
                }
            });
        }
    });
    wait_for("all are forgotten", || server.phases().is_empty().then_some(()));
}

/// Storms, and says how much memory a second storm of the same size has added, in KiB.
fn check(each: usize) -> u64 {
    let server = Server::start(&[]);
    wait_for("it is ready", || server.stderr().contains("lab").then_some(()));
    let (descriptors, said) = (server.descriptors(), server.stderr());
    storm(&server, each);
    let before = server.forget_peak();
    storm(&server, each);
    let grown = server.status_of("VmHWM:").saturating_sub(before);
    wait_for("all descriptors are back", || (server.descriptors() <= descriptors).then_some(()));
    assert_eq!(server.stderr(), said, "leaving is no event");
    eprintln!("{} clients: +0 descriptors, +{grown} KiB", each * STAGES.len());
    grown
}

#[test]
fn clients_that_leave_at_any_stage_leave_nothing_behind() {
    let grown = check(40);
    assert!(grown <= 1024, "{grown} KiB");
}

#[test]
#[ignore = "takes a while, and measures the release build: make soak"]
fn tens_of_thousands_of_clients_that_leave_at_any_stage_leave_nothing_behind() {
    let grown = check(3_000);
    assert!(grown <= 1024, "{grown} KiB");
}
