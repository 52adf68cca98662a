//! Owns the canvas: a grid of pixels that everybody in a room draws on at once.
//!
//! The one idea: many draw and all see the same, because everything goes through one place a room, in one order, twenty times a
//! second. `README.md` beside this file has the protocol, byte by byte, and says what it teaches.
//!
//! ```text
//!   socket ── handlers ── Seated ─ Seat ──> Room ── tick ──> Member ── queue ──> socket
//!                          │                 │
//!                        rooms            Ground: Grid, deltas      pure: domain, grid, runs, protocol, history,
//!                                            │                            deltas, presence, allowance
//!                                     fanout, replica  <── other nodes
//! ```
//!
//! Spec: RFC 6455 (WebSocket), by [`crate::ws`].
//! Never: keeps anything of a member that has gone, but for a minute what it can take back.
//! Limits: [`CanvasConfig`], and the constants of the parts.

mod allowance;
mod backoff;
mod bounds;
mod deltas;
pub mod domain;
pub mod fanout;
pub mod grid;
mod ground;
mod handlers;
mod history;
mod member;
mod page;
mod picture;
mod places;
mod presence;
pub mod protocol;
mod random;
pub mod replica;
mod room;
mod rooms;
pub mod runs;
mod seat;
mod stamped;
pub mod store;
mod upkeep;

use std::time::Duration;

use crate::http::Router;
use crate::http::bounds::{Bound, Part};
use crate::ws;

pub use rooms::{Canvas, Counted, NoPlace, Seated};

/// Where the application is.
pub const PREFIX: &str = "/canvas";

/// Pictures of a room on their way to the store: one that is being kept, one that is there, one of both, and one that waits.
const PICTURES: usize = 4;

/// What the canvas is given at its start.
#[derive(Clone, Debug)]
pub struct CanvasConfig {
    /// Rooms at a time. Default: 64.
    pub rooms_max: usize,
    /// Members of one room. Default: 8,192.
    pub members_max: usize,
    /// Members from one IPv4 address or one IPv6 /64, in all rooms; this machine is not counted. Default: 64.
    pub members_per_address_max: usize,
    /// Pixels that can be taken back, of all members together. Default: 2^20.
    pub undo_pixels_max: usize,
    /// How sockets behave. Default: no compression, for what goes to many is encoded once; messages up to the longest
    /// stroke; no end for those who only look on, whom pings find out when they have vanished.
    pub socket: ws::Config,
}

impl Default for CanvasConfig {
    fn default() -> Self {
        let limits = ws::Limits {
            frame_bytes_max: protocol::MESSAGE_BYTES_MAX as u64,
            message_bytes_max: protocol::MESSAGE_BYTES_MAX,
            ..ws::Limits::default()
        };
        let socket = ws::Config {
            limits,
            deadlines: ws::Deadlines { idle: Duration::MAX, ..ws::Deadlines::default() },
            compression: None,
            protocols: &[protocol::PROTOCOL],
            queue_bytes_max: 4 * domain::PLACES,
            ..ws::Config::default()
        };
        CanvasConfig {
            rooms_max: 64,
            members_max: 8_192,
            members_per_address_max: 64,
            undo_pixels_max: 1 << 20,
            socket,
        }
    }
}

impl CanvasConfig {
    /// Rows for the catalogue of bounds.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep. `is_joined`: to other nodes; `is_kept`: in a store.
    pub fn kept(&self, is_joined: bool, is_kept: bool) -> Vec<Part> {
        bounds::kept(self, is_joined, is_kept)
    }
}

/// Adds the application's routes, below [`PREFIX`].
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>, canvas: Canvas) -> Router<S> {
    let [list, room, join, snapshot] = std::array::from_fn(|_| canvas.clone());
    let router = router
        .route("GET /canvas", move |_, request| handlers::list(list.clone(), request))
        .route("GET /canvas/{room}", move |_, request| handlers::room(room.clone(), request))
        .route("GET /canvas/{room}/ws", move |_, request| handlers::join(join.clone(), request))
        .route("GET /canvas/{room}/snapshot.png", move |_, request| handlers::snapshot(snapshot.clone(), request));
    page::routes(router)
}

#[cfg(test)]
mod tests;
