//! Owns the wire inspector: the life of every connection, in the browser at `/inspect` and on the terminal.
//!
//! ```text
//!   Registry ── cards, four times a second ──┐
//!                                            ├──> /inspect/events             the table (Server-Sent Events)
//!   Hub ── histories of connections ─────────┤
//!                └── annotate ───────────────┴──> /inspect/connections/7/…    one connection, line by line
//!                        └──────────────────────> terminal                    `serve --trace`
//! ```
//!
//! The one idea: looking is what costs. Events are recorded while a viewer holds a [`Watch`](crate::net::tap::Watch), and
//! not a moment longer: a page that is closed gives it back.
//!
//! | path | answer |
//! |---|---|
//! | `GET /inspect` | the page; text for a terminal |
//! | `GET /inspect/connections` | the table as JSON |
//! | `GET /inspect/connections/{id}` | one connection's events, annotated, as JSON |
//! | `GET /inspect/connections/{id}/events` | the same, live |
//! | `GET /inspect/events` | the table, live |
//!
//! Spec: RFC 9110 15.5.4 (403), 7.4 and 15.5.20 (421).
//! Never: shows anything to a client on another machine, unless told to; shows its own traffic to itself.
//! Limits: [`table::ROWS_MAX`], those of [`crate::net::tap`].

pub mod annotate;
mod bounds;
pub mod fields;
mod handlers;
pub mod table;
pub mod terminal;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

pub use crate::app::page::access;
pub use bounds::{bounds, kept};
pub use handlers::routes;
pub use terminal::trace_to_terminal;

use crate::http::server::Watched;
use crate::net::lock::lock;

/// Connections of viewers that are remembered, the latest first.
const OWN_MAX: usize = 256;

/// What the inspector looks at, and who may look. Clones are the same inspector.
#[derive(Clone, Debug)]
pub struct Inspector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    watched: Watched,
    allow_remote: bool,
    own: Mutex<VecDeque<u64>>,
}

impl Inspector {
    /// An inspector of the server that is `watched`. `allow_remote` lets clients on other machines look, who then see
    /// what everybody sends and is sent.
    pub fn new(watched: &Watched, allow_remote: bool) -> Inspector {
        let shared = Shared { watched: watched.clone(), allow_remote, own: Mutex::default() };
        Inspector { shared: Arc::new(shared) }
    }

    pub(crate) fn watched(&self) -> &Watched {
        &self.shared.watched
    }

    /// Remembers that `connection` is a viewer's. What is sent to it tells of what was sent to it before: to show that
    /// would be a mirror facing a mirror.
    fn own(&self, connection: u64) {
        let mut own = self.lock_own();
        if own.contains(&connection) {
            return;
        }
        own.truncate(OWN_MAX - 1);
        own.push_front(connection);
    }

    /// Whether `connection` is a viewer's.
    pub fn is_own(&self, connection: u64) -> bool {
        self.lock_own().contains(&connection)
    }

    /// A poisoned lock guards plain numbers.
    fn lock_own(&self) -> MutexGuard<'_, VecDeque<u64>> {
        lock(&self.shared.own)
    }
}

#[cfg(test)]
mod tests;
