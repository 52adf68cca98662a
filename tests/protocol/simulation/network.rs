//! Owns the weather between client and server: a transport that stands around the server's end of an in-memory wire and
//! makes it as bad as a network can be.
//!
//! ```text
//!   client ── duplex(wire_bytes) ──> │ Half: short reads, short writes, stutter, stalls │ ──> driver
//! ```
//!
//! The one idea: a read that yields one byte, a write that takes one, a wake-up for nothing and a second of silence are all
//! within the contract of [`Transport`]; a server that is right is right under all of them.
//!
//! Never: loses, repeats or reorders a byte: TCP does not.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fastrand::Rng;
use firstbyte::net::transport::{Duplex, ReadHalf, Transport, WriteHalf};
use tokio::time::{Sleep, sleep};

use super::journal::{Event, Journal, Who};

/// How bad it is. The rest is rolled as it goes, from `seed`.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub seed: u64,
    /// Bytes that one read or write moves at most.
    pub bytes_max: usize,
    /// How many of a hundred reads and writes are woken for nothing.
    pub stutters: u8,
    /// How many of a hundred are kept waiting.
    pub stalls: u8,
    /// How long, at most.
    pub stall_ms: u64,
}

impl Weather {
    pub fn roll(rng: &mut Rng) -> Weather {
        let seed = rng.u64(..);
        match rng.u8(..8) {
            0..3 => Weather { seed, bytes_max: usize::MAX, stutters: 0, stalls: 0, stall_ms: 0 },
            3 => Weather { seed, bytes_max: 7, stutters: 0, stalls: 0, stall_ms: 0 },
            4 => Weather { seed, bytes_max: 64, stutters: 50, stalls: 0, stall_ms: 0 },
            5 => Weather { seed, bytes_max: usize::MAX, stutters: 0, stalls: 30, stall_ms: 100 },
            6 => Weather { seed, bytes_max: 200, stutters: 20, stalls: 10, stall_ms: 1_000 },
            _ => Weather { seed, bytes_max: 40, stutters: 10, stalls: 5, stall_ms: 7_000 },
        }
    }

    /// Puts this weather around a stream.
    pub fn around<R, W>(self, stream: Duplex<R, W>, client: Who, journal: &Journal) -> impl Transport + use<R, W>
    where
        R: ReadHalf,
        W: WriteHalf,
    {
        let (reader, writer) = stream.split();
        Duplex {
            reader: Half {
                half: reader,
                air: Air::new(self, 0),
                client,
                journal: journal.clone(),
                has_finished: false,
            },
            writer: Half {
                half: writer,
                air: Air::new(self, 1),
                client,
                journal: journal.clone(),
                has_finished: false,
            },
        }
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes_max {
            usize::MAX => write!(f, "the network moves what it is given")?,
            bytes => write!(f, "the network moves up to {bytes} bytes at once")?,
        }
        write!(
            f,
            ", wakes {} % for nothing, keeps {} % waiting for up to {} ms",
            self.stutters, self.stalls, self.stall_ms
        )
    }
}

/// One half of a stream in bad weather.
struct Half<H> {
    half: H,
    air: Air,
    client: Who,
    journal: Journal,
    /// The FIN was sent.
    has_finished: bool,
}

/// What stands between one half and its wire.
struct Air {
    rng: Rng,
    weather: Weather,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Air {
    fn new(weather: Weather, half: u64) -> Air {
        Air { rng: Rng::with_seed(weather.seed ^ half), weather, stall: None }
    }

    /// Ready with the number of bytes that may move now.
    fn poll_passes(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let Weather { bytes_max, stutters, stalls, stall_ms, .. } = self.weather;
        if stutters + stalls > 0 && self.stall.is_none() {
            let roll = self.rng.u8(..100);
            if roll < stalls {
                self.stall = Some(Box::pin(sleep(Duration::from_millis(self.rng.u64(1..=stall_ms)))));
            } else if roll < stalls + stutters {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if let Some(stall) = &mut self.stall {
            ready!(stall.as_mut().poll(cx));
            self.stall = None;
        }
        Poll::Ready(if bytes_max == usize::MAX { bytes_max } else { self.rng.usize(1..=bytes_max) })
    }
}

impl<R: ReadHalf> ReadHalf for Half<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = into.len().min(ready!(self.air.poll_passes(cx)));
        let read = ready!(self.half.poll_read(cx, &mut into[..room]));
        if let Ok(count) = read {
            self.journal.note(self.client, Event::ServerReads(count));
        }
        Poll::Ready(read)
    }
}

impl<W: WriteHalf> WriteHalf for Half<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let room = ready!(self.air.poll_passes(cx));
        let written = if room == usize::MAX {
            ready!(self.half.poll_write(cx, slices))
        } else {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            ready!(self.half.poll_write(cx, &[IoSlice::new(&first[..first.len().min(room)])]))
        };
        if let Ok(count) = written {
            self.journal.note(self.client, Event::ServerWrites(count));
        }
        Poll::Ready(written)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // No kernel keeps anybody waiting for a FIN.
        if !std::mem::replace(&mut self.has_finished, true) {
            self.journal.note(self.client, Event::ServerFins);
        }
        self.half.poll_shutdown(cx)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.half.poll_gone(cx)
    }

    fn abort(&mut self) {
        self.journal.note(self.client, Event::ServerResets);
        self.half.abort();
    }
}
