//! Owns the connections at rest, and who may open or use one.
//!
//! The one idea: a place is what is scarce, not a connection. Who asks takes a place at its origin and one in all, and holds
//! both until its answer is read; whether there is a connection to use again is asked afterwards. So no caller waits for a
//! connection that never comes back, and a bound of the places bounds the connections.
//!
//! ```text
//!   lease ── place at the origin ── place in all ──▶ Lease ── take_idle: the one last used ──▶ Link
//!     │ waits in order, `wait` long, `waiting_max` wait       └── none: the caller connects ──▶ Link
//!     └──▶ Busy, TimedOut                                               │ answer read
//!                                        idle ◀── give_back ────────────┘
//!   upkeep: once a second while any is at rest: closes what is older than `idle`, was closed, or has said something
//! ```
//!
//! The one last used is used first: the others grow old and are closed, and what is used is warm.
//!
//! Spec: RFC 9112 9.3 (what is behind the answer belongs to no request), 9.4, 9.5 (a closed connection is noticed).
//! Never: keeps a connection that has said something without being asked: the next caller would take it for its answer.
//! Invariants: connections at rest and in use are at most `connections_per_origin_max` for an origin and `connections_max`
//! in all; nothing is dropped under the lock; the origins remembered are at most twice those in use, or [`ORIGINS_MIN`].

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, timeout_at};

use crate::http::client::config::ClientConfig;
use crate::http::client::connector::Stream;
use crate::http::client::error::{ClientError, Phase};
use crate::http::url::Origin;
use crate::net::buffer::PIECE_BYTES;
use crate::net::connection::{Inbound, Outbound};
use crate::net::deadline::{Timer, earlier, within};
use crate::net::lock::lock;
use crate::net::transport::{ReadHalf, WriteHalf};

/// The time between two looks at the connections at rest.
const UPKEEP_GAP: Duration = Duration::from_secs(1);

/// Origins that are remembered at least.
const ORIGINS_MIN: usize = 64;

/// The connections of one client.
pub(super) struct Pool {
    config: Arc<ClientConfig>,
    origins: Mutex<Origins>,
    /// Places in all.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    open: Arc<AtomicUsize>,
    reused: AtomicU64,
    opened: AtomicU64,
}

#[derive(Default)]
struct Origins {
    by_name: HashMap<Arc<Origin>, AtOrigin>,
    /// With so many, those are forgotten that nobody uses.
    look_at: usize,
    /// A task looks after what is at rest.
    is_kept_up: bool,
}

struct AtOrigin {
    places: Arc<Semaphore>,
    /// The one last used at the end.
    idle: Vec<Idle>,
}

/// A connection at rest.
struct Idle {
    inbound: Inbound<Box<dyn ReadHalf>>,
    writer: Box<dyn WriteHalf>,
    timer: Timer,
    open: Open,
    since: Instant,
}

/// A connection at work.
pub(super) struct Link {
    pub(super) inbound: Inbound<Box<dyn ReadHalf>>,
    pub(super) outbound: Outbound<Box<dyn WriteHalf>>,
    pub(super) timer: Timer,
    open: Open,
}

/// One of the connections that are open.
struct Open(Arc<AtomicUsize>);

/// The right to one connection to an origin, for one exchange.
pub(super) struct Lease {
    pool: Arc<Pool>,
    origin: Arc<Origin>,
    _at_origin: OwnedSemaphorePermit,
    _in_all: OwnedSemaphorePermit,
}

/// What a client has done so far, and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections opened.
    pub opened: u64,
    /// Requests that were sent over a connection that was open already.
    pub reused: u64,
    /// Connections that are open, those at rest included.
    pub open: usize,
    /// Connections at rest.
    pub idle: usize,
    /// Origins that are remembered.
    pub origins: usize,
}

impl Pool {
    pub(super) fn new(config: Arc<ClientConfig>) -> Arc<Pool> {
        let places = Arc::new(Semaphore::new(config.connections_max.min(Semaphore::MAX_PERMITS)));
        Arc::new(Pool {
            config,
            origins: Mutex::default(),
            places,
            waiting: AtomicUsize::new(0),
            open: Arc::default(),
            reused: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        })
    }

    /// Takes a place for an exchange with `origin`, after waiting for one, but not beyond `until`.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    pub(super) async fn lease(self: &Arc<Self>, origin: Origin, until: Option<Instant>) -> Result<Lease, ClientError> {
        let (origin, places) = self.places_at(origin);
        let free = Arc::clone(&places).try_acquire_owned().ok();
        let (at_origin, in_all) = match free.zip(Arc::clone(&self.places).try_acquire_owned().ok()) {
            Some(both) => both,
            None => self.await_places(places, until).await?,
        };
        Ok(Lease { pool: Arc::clone(self), origin, _at_origin: at_origin, _in_all: in_all })
    }

    /// What was done so far.
    pub(super) fn counts(&self) -> Counts {
        let (idle, origins) = {
            let origins = lock(&self.origins);
            (origins.by_name.values().map(|at| at.idle.len()).sum(), origins.by_name.len())
        };
        Counts {
            opened: self.opened.load(Relaxed),
            reused: self.reused.load(Relaxed),
            open: self.open.load(Relaxed),
            idle,
            origins,
        }
    }

    fn places_at(&self, origin: Origin) -> (Arc<Origin>, Arc<Semaphore>) {
        let mut origins = lock(&self.origins);
        if let Some((name, at)) = origins.by_name.get_key_value(&origin) {
            return (Arc::clone(name), Arc::clone(&at.places));
        }
        origins.make_room();
        let places_max = self.config.connections_per_origin_max.min(Semaphore::MAX_PERMITS);
        let (name, places) = (Arc::new(origin), Arc::new(Semaphore::new(places_max)));
        origins.by_name.insert(Arc::clone(&name), AtOrigin { places: Arc::clone(&places), idle: Vec::new() });
        (name, places)
    }

    /// At the origin first: who waits for a busy origin holds no place that another could use.
    async fn await_places(
        &self,
        at_origin: Arc<Semaphore>,
        until: Option<Instant>,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), ClientError> {
        let _waiting = Waiting::enter(&self.waiting, self.config.waiting_max).ok_or(ClientError::Busy)?;
        let until = earlier(until, within(Instant::now(), self.config.wait));
        let both = async {
            let at_origin = at_origin.acquire_owned().await;
            at_origin.ok().zip(Arc::clone(&self.places).acquire_owned().await.ok())
        };
        let got = match until {
            Some(until) => timeout_at(until, both).await.map_err(|_| ClientError::TimedOut(Phase::Wait))?,
            None => both.await,
        };
        // They are never closed.
        got.ok_or(ClientError::Busy)
    }

    /// Counts one more connection. Where there are as many as may be, one at rest makes room: as many exchanges as there
    /// are places cannot all have one and leave none at rest.
    fn count_open(&self) -> Open {
        let mut origins = lock(&self.origins);
        let is_full = self.open.load(Relaxed) >= self.config.connections_max;
        let evicted = if is_full { origins.take_oldest() } else { None };
        self.open.fetch_add(1, Relaxed);
        drop(origins);
        drop(evicted);
        self.opened.fetch_add(1, Relaxed);
        Open(Arc::clone(&self.open))
    }

    /// Closes what should not be at rest any more. Whether anything still is.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut over = Vec::new();
        let mut origins = lock(&self.origins);
        for at in origins.by_name.values_mut() {
            over.extend(at.idle.extract_if(.., |idle| !idle.is_usable(now, self.config.idle)));
        }
        origins.by_name.retain(|_, at| !at.is_forgotten());
        origins.is_kept_up = origins.by_name.values().any(|at| !at.idle.is_empty());
        let is_kept_up = origins.is_kept_up;
        drop(origins);
        drop(over);
        is_kept_up
    }
}

impl Origins {
    /// Forgets the origins that nobody uses, whenever there are twice as many as were in use at the last look: so each is
    /// looked at once or twice in all.
    fn make_room(&mut self) {
        if self.by_name.len() >= self.look_at {
            self.by_name.retain(|_, at| !at.is_forgotten());
            self.look_at = ORIGINS_MIN.max(2 * self.by_name.len());
        }
    }

    fn take_oldest(&mut self) -> Option<Idle> {
        // The first of each is its oldest.
        let oldest = self.by_name.values_mut().filter(|at| !at.idle.is_empty()).min_by_key(|at| at.idle[0].since)?;
        Some(oldest.idle.remove(0))
    }
}

impl AtOrigin {
    /// Whether nothing is at rest here, and nobody has a place or waits for one.
    fn is_forgotten(&self) -> bool {
        self.idle.is_empty() && Arc::strong_count(&self.places) == 1
    }
}

impl Lease {
    /// The connection to use again that was used last, if there is one.
    pub(super) fn take_idle(&self) -> Option<Link> {
        let now = Instant::now();
        loop {
            let mut idle = lock(&self.pool.origins).by_name.get_mut(&self.origin)?.idle.pop()?;
            if idle.is_usable(now, self.pool.config.idle) {
                self.pool.reused.fetch_add(1, Relaxed);
                let Idle { inbound, writer, timer, open, .. } = idle;
                let outbound = Outbound::new(writer, self.pool.config.write_rate);
                return Some(Link { inbound, outbound, timer, open });
            }
        }
    }

    /// The right to open a connection, to be made a link by [`Lease::link`].
    pub(super) fn open(&self) -> impl FnOnce(Stream) -> Link + use<> {
        let (open, rate) = (self.pool.count_open(), self.pool.config.write_rate);
        move |stream: Stream| Link {
            inbound: Inbound::new(stream.reader),
            outbound: Outbound::new(stream.writer, rate),
            timer: Timer::default(),
            open,
        }
    }

    /// Whom this is for.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The exchange is over, and its connection may be used again. Outside of a runtime it is closed: nobody would look
    /// after it.
    pub(super) fn give_back(self, link: Link) {
        let Link { mut inbound, outbound, timer, open } = link;
        let Ok(runtime) = Handle::try_current() else { return };
        inbound.buffer.release();
        let idle = Idle { inbound, writer: outbound.into_writer(), timer, open, since: Instant::now() };
        let mut origins = lock(&self.pool.origins);
        if let Some(at) = origins.by_name.get_mut(&self.origin) {
            at.idle.push(idle);
        }
        let was_kept_up = std::mem::replace(&mut origins.is_kept_up, true);
        // A runtime that is shutting down drops the task here.
        drop(origins);
        if !was_kept_up {
            runtime.spawn(Keeper { pool: Arc::downgrade(&self.pool), is_done: false }.run());
        }
    }
}

/// Looks after what is at rest, as long as anything is.
struct Keeper {
    pool: Weak<Pool>,
    is_done: bool,
}

impl Keeper {
    async fn run(mut self) {
        while !self.is_done {
            sleep(UPKEEP_GAP).await;
            self.is_done = !self.pool.upgrade().is_some_and(|pool| pool.sweep());
        }
    }
}

impl Drop for Keeper {
    /// Its runtime is gone and the client is not: whoever rests a connection next, on another one, finds another keeper.
    fn drop(&mut self) {
        if !self.is_done
            && let Some(pool) = self.pool.upgrade()
        {
            lock(&pool.origins).is_kept_up = false;
        }
    }
}

impl Idle {
    /// Whether a request may be sent over it: young enough, and silent. A byte or an end that nobody asked for makes it
    /// useless.
    fn is_usable(&mut self, now: Instant, idle_max: Duration) -> bool {
        let is_young = now.saturating_duration_since(self.since) < idle_max;
        is_young && is_silent(&mut self.inbound, &mut Context::from_waker(Waker::noop()))
    }
}

/// Whether nothing has come: neither a byte nor an end. A task whose turn is used up is told by tokio that no socket has
/// anything for it; here that would make silent what has spoken, so the question is asked outside of its turn.
pub(super) fn is_silent(inbound: &mut Inbound<Box<dyn ReadHalf>>, cx: &mut Context<'_>) -> bool {
    if !inbound.buffer.is_empty() {
        return false;
    }
    let filling = pin!(unconstrained(poll_fn(|cx| inbound.poll_fill(cx, PIECE_BYTES))));
    filling.poll(cx).is_pending()
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// One of those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// Counts one more, unless there are `most`.
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Option<Waiting<'a>> {
        let entered = waiting.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1));
        entered.ok().map(|_| Waiting(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
