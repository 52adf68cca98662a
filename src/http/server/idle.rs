//! Owns a connection from accept to close, and what is held for it while it waits for a request: as little as can be.
//!
//! The one idea: most connections wait most of the time, so waiting has a state of its own. What a request needs, its
//! queue, its timer, the room for its handler, is made when its first byte is here and given back when no other has
//! followed its answer for a moment.
//!
//! ```text
//!   Accepted ──> Idle ──a byte, a FIN, a deadline, a shutdown──> AtWork: a Driver
//!                 ^                                                │
//!                 └──── all is answered, and nothing came since ────┴──> Over
//! ```
//!
//! Spec: RFC 9112 9.3 (persistence), 9.5 (idle connections).
//! Never: decides what becomes of the connection: whatever happens, the driver looks at it again.

use std::future::Future;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::http::Handler;
use crate::http::request::Peer;
use crate::http::server::drive::{Driver, Served};
use crate::http::server::{Shared, trace};
use crate::net::admission::Permit;
use crate::net::connection::Inbound;
use crate::net::deadline::{Phase, within};
use crate::net::registry::Registered;
use crate::net::tap::{Tap, What};
use crate::net::transport::Transport;

/// One connection, served to its end. A future written by hand: it is most of what an idle connection costs.
pub(super) enum Life<T: Transport, H> {
    /// Nobody was told of it yet.
    Accepted(Idle<T>, Arc<Shared<H>>),
    /// Nothing is at work.
    Idle(Idle<T>, Arc<Shared<H>>),
    /// Boxed, so that a connection that waits has no room for it.
    AtWork(Pin<Box<Work<T, H>>>),
    /// It is closed.
    Over,
}

/// Requests served one after the other; what is left of the connection when none is there, if anything is.
type Work<T, H> = dyn Future<Output = Option<Left<T, H>>> + Send;

/// A connection that has gone back to waiting, and the server that it waits at.
pub(super) type Left<T, H> = (Idle<T>, Arc<Shared<H>>);

/// What a connection holds of which nothing is at work.
pub(super) struct Idle<T: Transport> {
    pub(super) inbound: Inbound<T::Reader>,
    pub(super) writer: T::Writer,
    pub(super) card: Registered,
    pub(super) tap: Tap,
    pub(super) peer: Served,
}

impl<T: Transport, H: Handler> Future for Life<T, H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let life = self.get_mut();
        loop {
            match life {
                Life::Accepted(idle, shared) => {
                    idle.begin(shared, Phase::Idle, cx);
                    life.step(|idle, shared| Life::Idle(idle, shared));
                }
                Life::Idle(idle, shared) => {
                    ready!(idle.poll_event(shared, cx));
                    life.step(|idle, shared| Life::AtWork(Box::pin(Driver::serve(idle, shared))));
                }
                Life::AtWork(work) => match ready!(work.as_mut().poll(cx)) {
                    Some((idle, shared)) => {
                        // The driver has just asked for bytes and found none, so their arrival wakes this task.
                        *life = Life::Idle(idle, shared);
                        return Poll::Pending;
                    }
                    None => *life = Life::Over,
                },
                Life::Over => return Poll::Ready(()),
            }
        }
    }
}

impl<T: Transport, H> Life<T, H> {
    /// Goes on, from a connection of which nothing is at work.
    fn step(&mut self, into: impl FnOnce(Idle<T>, Arc<Shared<H>>) -> Life<T, H>) {
        *self = match mem::replace(self, Life::Over) {
            Life::Accepted(idle, shared) | Life::Idle(idle, shared) => into(idle, shared),
            other => other,
        };
    }
}

impl<T: Transport> Idle<T> {
    /// A connection that was just accepted.
    pub(super) fn new<H>(shared: &Shared<H>, transport: T, addr: SocketAddr, seat: Option<Permit>) -> Idle<T> {
        let now = Instant::now();
        let (reader, writer) = transport.split();
        let card = shared.watch.registry.register(addr, now);
        Idle {
            inbound: Inbound::new(reader),
            writer,
            tap: shared.watch.hub.tap(&card),
            peer: Served(Peer::new(&card, &shared.reception, seat)),
            card,
        }
    }

    /// Tells of the connection, and who drives it.
    pub(super) fn begin<H>(&mut self, shared: &Shared<H>, phase: Phase, cx: &Context<'_>) {
        let deadline = within(self.card.accepted(), shared.config.deadlines.first_byte);
        self.card.driven_by(cx.waker());
        self.card.enter(phase, self.card.accepted());
        self.card.deadline(deadline);
        if self.tap.is_watched() {
            self.tap.tell(What::Accepted { peer: self.card.peer() });
            trace::entered(&mut self.tap, phase, phase, deadline);
        }
    }

    /// Ready when bytes, the end of the stream, the deadline or the end of the server have come.
    fn poll_event<H>(&mut self, shared: &Shared<H>, cx: &mut Context<'_>) -> Poll<()> {
        // The deadline stands on the card, and the table watches it.
        if shared.watch.shutdown.is_draining() || self.card.take_due() {
            return Poll::Ready(());
        }
        // Bytes are in the half's buffer, and it keeps its end.
        if let Poll::Ready(filled) = self.inbound.poll_fill(cx, shared.config.limits.head_bytes_max) {
            self.filled(filled.unwrap_or_default());
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn filled(&mut self, count: usize) {
        self.card.received(count);
        if self.tap.is_watched() && count > 0 {
            self.tap.tell(What::Buffers { unread: self.inbound.buffer.len(), queued: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::http::router::Routes;

    #[test]
    fn a_connection_that_waits_has_no_room_for_a_request() {
        assert!(size_of::<Life<TcpStream, Arc<Routes>>>() <= 144);
        assert!(size_of::<Driver<TcpStream>>() <= 320);
    }
}
