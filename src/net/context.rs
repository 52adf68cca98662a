//! Owns who still wants a result and until when: a tree of cancellation, an absolute deadline, values of the request.
//!
//! The one idea: work is started for somebody. A context is handed down with the work, and each level may add a nearer
//! deadline, a value, or its own reason to stop; what stops above stops everything below, never the other way round.
//!
//! ```text
//!  root --- connection --- request --- query      cancel(request) stops request and query,
//!   |           |             '------- fetch      and fetch; connection goes on
//!   |           '--------- request
//!   '------ connection        values:  request <- user id <- trace id   (a list that lookups walk upwards)
//! ```
//!
//! Stopping is dropping: [`Context::run`] drops the future it runs, at its next `.await`. Work that must not be dropped
//! half done asks [`Context::is_cancelled`] at a place of its choice instead.
//!
//! What belongs into values: facts of this one request that pass through layers which do not care: request id, the
//! authenticated user, the peer's address, the trace. What does not: pools, clients and configuration (they live longer
//! than a request: make them state of the handler); parameters that a function needs (a signature says them, and the
//! compiler checks them); anything that is written to after it was added. Test: a function that finds no value must
//! still be right.
//!
//! Never: spawns; polls; holds a lock while waking or dropping. A clock is read only where a deadline was set.
//! Invariants: a reason, once there, stays. A scope below a cancelled one is cancelled with the same reason. A deadline
//! is never later than the one above. A scope leaves its parent's list when its last handle goes.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::net::lock::lock;

/// Why work stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The peer that asked has left.
    PeerGone,
    /// The time for it is over.
    DeadlineExceeded,
    /// The server shuts down, and the time to drain is over.
    Shutdown,
    /// The code that started the work wants it no more.
    Caller,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::PeerGone => "the peer has left",
            Reason::DeadlineExceeded => "the deadline has passed",
            Reason::Shutdown => "the server shuts down",
            Reason::Caller => "the caller has cancelled",
        })
    }
}

impl std::error::Error for Reason {}

/// Cancellation, deadline and values of one piece of work. Clones are handles to the same.
#[derive(Clone)]
pub struct Context {
    scope: Arc<Scope>,
    values: Values,
}

/// Values, the last one first. They may be there before there is a context for them.
#[derive(Clone, Default)]
pub(crate) struct Values(Option<Arc<Value<dyn Any + Send + Sync>>>);

impl Context {
    /// A context with nothing above it.
    pub fn root() -> Context {
        Context { scope: Arc::new(Scope::new(None, 0, None, OnceLock::new())), values: Values::default() }
    }

    /// A context below this one: it stops with this one, and can be stopped alone. Costs one allocation.
    pub fn child(&self) -> Context {
        Context { scope: Scope::below(&self.scope, None), values: self.values.clone() }
    }

    /// As [`Context::child`], stopped at `deadline` at the latest. A deadline above that is nearer stays in force.
    pub fn child_with_deadline(&self, deadline: Instant) -> Context {
        Context { scope: Scope::below(&self.scope, Some(deadline)), values: self.values.clone() }
    }

    /// This context with `value` added, seen by [`Context::value`] here and below. It hides a value of the same type
    /// above. It shares this context's scope: cancelling the one cancels the other.
    pub fn with_value<T: Send + Sync + 'static>(&self, value: T) -> Context {
        Context { scope: Arc::clone(&self.scope), values: self.values.with(value) }
    }

    /// Its values.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// This context with other values.
    pub(crate) fn with_values(self, values: Values) -> Context {
        Context { values, ..self }
    }

    /// A context with the values of this one that nothing above stops: for work that must outlive its request.
    pub fn detached(&self) -> Context {
        Context { values: self.values.clone(), ..Context::root() }
    }

    /// The value of type `T` added last, here or above. Takes time in the number of values.
    pub fn value<T: 'static>(&self) -> Option<&T> {
        self.values.get()
    }

    /// Stops this context and all below it. Where a reason is there already, it stays.
    pub fn cancel(&self, reason: Reason) {
        // A list and no recursion: the tree may be deeper than the stack.
        let mut scopes = vec![Arc::clone(&self.scope)];
        while let Some(scope) = scopes.pop() {
            if scope.mark(reason, &mut scopes) {
                scope.cancelled.notify_waiters();
            }
        }
    }

    /// Waits until this context stops, and says why. Ready at once when it has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn cancelled(&self) -> Reason {
        loop {
            // Made before the question, so that a reason that comes in between is not slept through.
            let told = self.scope.cancelled.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            match self.scope.deadline {
                None => told.await,
                Some(deadline) => tokio::select! {
                    () = told => {}
                    () = sleep_until(deadline) => {}
                },
            }
        }
    }

    /// Whether this context has stopped.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Why this context has stopped, if it has.
    pub fn reason(&self) -> Option<Reason> {
        if self.scope.reason.get().is_none() && self.remaining().is_some_and(|left| left.is_zero()) {
            self.cancel(Reason::DeadlineExceeded);
        }
        self.scope.reason.get().copied()
    }

    /// When this context stops at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.scope.deadline
    }

    /// How much time is left until the deadline: zero when it has passed, `None` when there is none. For calls that
    /// take a timeout of their own.
    pub fn remaining(&self) -> Option<Duration> {
        self.scope.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Runs `work` until it is done or this context stops. Whether to go on is asked before each step of the work: after
    /// a stop no further one is taken.
    ///
    /// # Errors
    /// The reason of the stop; `work` has been dropped then.
    ///
    /// # Cancel safety
    /// Dropping the future drops `work`.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Reason> {
        let mut work = pin!(work);
        let mut stopped = pin!(self.cancelled());
        poll_fn(|cx| {
            if let Some(reason) = self.reason() {
                return Poll::Ready(Err(reason));
            }
            // The work first: what is done at once then never queues for a wake-up or a timer.
            match work.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => stopped.as_mut().poll(cx).map(Err),
            }
        })
        .await
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("reason", &self.scope.reason.get())
            .field("deadline", &self.scope.deadline)
            .finish_non_exhaustive()
    }
}

impl Values {
    /// These values and `value`, which hides one of the same type.
    pub(crate) fn with<T: Send + Sync + 'static>(&self, value: T) -> Values {
        Values(Some(Arc::new(Value { above: self.clone(), value })))
    }

    /// The value of type `T` added last.
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        let mut next = self.0.as_deref();
        while let Some(link) = next {
            if let Some(value) = link.value.downcast_ref() {
                return Some(value);
            }
            next = link.above.0.as_deref();
        }
        None
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// A link of the list of values.
struct Value<T: ?Sized> {
    above: Values,
    value: T,
}

/// What stops together.
struct Scope {
    above: Option<Arc<Scope>>,
    /// The place in the list of the scope above.
    place: usize,
    deadline: Option<Instant>,
    /// Written under the lock of `below`, so that a scope registered there either is found by the cancellation or is
    /// born with its reason.
    reason: OnceLock<Reason>,
    cancelled: Notify,
    below: Mutex<Places>,
}

impl Scope {
    fn new(above: Option<Arc<Scope>>, place: usize, deadline: Option<Instant>, reason: OnceLock<Reason>) -> Scope {
        Scope { above, place, deadline, reason, cancelled: Notify::new(), below: Mutex::default() }
    }

    fn below(above: &Arc<Scope>, deadline: Option<Instant>) -> Arc<Scope> {
        let deadline = deadline.into_iter().chain(above.deadline).min();
        let mut places = above.places();
        places.fill(|place| Arc::new(Scope::new(Some(Arc::clone(above)), place, deadline, above.reason.clone())))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        lock(&self.below)
    }

    /// Sets the reason and adds the scopes below to `scopes`. False, and nothing added, when a reason was there.
    fn mark(&self, reason: Reason, scopes: &mut Vec<Arc<Scope>>) -> bool {
        let places = self.places();
        let first = self.reason.set(reason).is_ok();
        if first {
            scopes.extend(places.live());
        }
        first
    }

    /// Leaves the list of the scope above, and hands that one over.
    fn leave(&mut self) -> Option<Arc<Scope>> {
        let above = self.above.take()?;
        above.places().clear(self.place);
        Some(above)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // A loop and no recursion: this may have been the last handle of a long line of scopes.
        let mut above = self.leave();
        while let Some(mut scope) = above.and_then(Arc::into_inner) {
            above = scope.leave();
        }
    }
}

/// The scopes below a scope, in places that are used again: joining and leaving take constant time.
#[derive(Default)]
struct Places {
    places: Vec<Place>,
    first_free: Option<usize>,
}

enum Place {
    Taken(Weak<Scope>),
    Free { next: Option<usize> },
}

impl Places {
    /// Gives a place to the scope that `make` makes for it.
    fn fill(&mut self, make: impl FnOnce(usize) -> Arc<Scope>) -> Arc<Scope> {
        let place = self.first_free.unwrap_or(self.places.len());
        let scope = make(place);
        let taken = Place::Taken(Arc::downgrade(&scope));
        match self.places.get_mut(place) {
            Some(free) => {
                if let Place::Free { next } = std::mem::replace(free, taken) {
                    self.first_free = next;
                }
            }
            None => self.places.push(taken),
        }
        scope
    }

    fn clear(&mut self, place: usize) {
        self.places[place] = Place::Free { next: self.first_free };
        self.first_free = Some(place);
    }

    fn live(&self) -> impl Iterator<Item = Arc<Scope>> {
        self.places.iter().filter_map(|place| match place {
            Place::Taken(scope) => scope.upgrade(),
            Place::Free { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn taken(context: &Context) -> usize {
        context.scope.places().live().count()
    }

    #[test]
    fn what_stops_above_stops_below_and_nothing_else() {
        // Root, two children, and two below the first of them; which one is cancelled, which ones stop.
        for (cancelled, stopped) in [(0, "xxxxx"), (1, ".x.xx"), (2, "..x.."), (3, "...x."), (4, "....x")] {
            let root = Context::root();
            let (left, right) = (root.child(), root.child());
            let tree = [root, left.clone(), right, left.child(), left.child()];
            tree[cancelled].cancel(Reason::PeerGone);
            let seen: String = tree.iter().map(|node| if node.is_cancelled() { 'x' } else { '.' }).collect();
            assert_eq!(seen, stopped, "after {cancelled}");
        }
    }

    #[test]
    fn the_first_reason_stays_and_reaches_later_children() {
        let root = Context::root();
        let early = root.child();
        early.cancel(Reason::Caller);
        root.cancel(Reason::Shutdown);
        root.cancel(Reason::PeerGone);
        let reasons = [&root, &early, &root.child(), &early.child()].map(Context::reason);
        assert_eq!(reasons, [Reason::Shutdown, Reason::Caller, Reason::Shutdown, Reason::Caller].map(Some));
    }

    #[test]
    fn a_chain_is_stopped_and_kept_by_its_ends_alone() {
        let root = Context::root();
        let leaf = root.child().child().child();
        root.cancel(Reason::Shutdown);
        assert_eq!(leaf.reason(), Some(Reason::Shutdown));
        drop(leaf);
        assert_eq!(taken(&root), 0);
    }

    #[test]
    fn values_are_found_upwards_and_the_last_one_wins() {
        #[derive(Debug, PartialEq)]
        struct User(&'static str);
        let root = Context::root().with_value(7_u32);
        let request = root.child().with_value(User("ada"));
        let nested = request.child().with_value(User("bob"));
        assert_eq!((root.value::<u32>(), root.value::<User>()), (Some(&7), None));
        assert_eq!((request.value::<u32>(), request.value()), (Some(&7), Some(&User("ada"))));
        assert_eq!((nested.value::<u32>(), nested.value()), (Some(&7), Some(&User("bob"))));
        request.cancel(Reason::Caller);
        assert_eq!([root, request, nested].map(|context| context.is_cancelled()), [false, true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_nearer_deadline_holds() {
        let now = Instant::now();
        let check = |outer: Option<Duration>, inner: Option<Duration>, expected: Option<Duration>| {
            let root = Context::root();
            let outer = outer.map_or(root.child(), |limit| root.child_with_deadline(now + limit));
            let inner = inner.map_or(outer.child(), |limit| outer.child_with_deadline(now + limit));
            assert_eq!(inner.remaining(), expected);
            assert_eq!(inner.deadline(), expected.map(|limit| now + limit));
        };
        check(None, None, None);
        check(Some(SECOND), None, Some(SECOND));
        check(None, Some(SECOND), Some(SECOND));
        check(Some(SECOND), Some(2 * SECOND), Some(SECOND));
        check(Some(2 * SECOND), Some(SECOND), Some(SECOND));
        check(Some(Duration::ZERO), Some(SECOND), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_stops_what_is_below_it_and_stays_the_reason() {
        let root = Context::root();
        let request = root.child_with_deadline(Instant::now() + SECOND);
        let (query, other) = (request.child(), request.child_with_deadline(Instant::now() + 9 * SECOND));
        advance(SECOND - Duration::from_millis(1)).await;
        assert_eq!(query.reason(), None);
        assert_eq!(query.cancelled().await, Reason::DeadlineExceeded);
        advance(SECOND).await;
        assert_eq!(request.remaining(), Some(Duration::ZERO));
        root.cancel(Reason::Shutdown);
        assert_eq!(query.reason(), Some(Reason::DeadlineExceeded));
        assert_eq!(other.cancelled().await, Reason::Shutdown, "nobody had asked it before");
        assert_eq!(root.reason(), Some(Reason::Shutdown));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_run_to_its_end_or_dropped_at_the_stop() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let context = Context::root().child_with_deadline(Instant::now() + SECOND);
        assert_eq!(context.run(async { 5 }).await, Ok(5));
        let dropped = Arc::new(AtomicBool::new(false));
        let work = Dropped(Arc::clone(&dropped));
        let endless = async move {
            let _work = work;
            std::future::pending::<()>().await;
        };
        assert_eq!(context.run(endless).await, Err(Reason::DeadlineExceeded));
        assert!(dropped.load(Ordering::Relaxed));
        assert_eq!(
            context.run(async { panic!("no step after the stop") }).await,
            Err::<(), _>(Reason::DeadlineExceeded)
        );
    }

    #[tokio::test]
    async fn everyone_who_waits_is_woken_once() {
        let root = Context::root();
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let child = root.child();
                tokio::spawn(async move { child.run(std::future::pending::<()>()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        root.cancel(Reason::PeerGone);
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), Err(Reason::PeerGone));
        }
        assert_eq!(taken(&root), 0);
    }

    #[test]
    fn children_leave_no_trace_under_a_long_lived_root() {
        let root = Context::root();
        for _ in 0..100_000 {
            root.child();
        }
        assert_eq!(root.scope.places().places.len(), 1, "the place is used again");
        let children: Vec<_> = (0..100_000).map(|_| root.child()).collect();
        assert_eq!(taken(&root), 100_000);
        drop(children);
        let again: Vec<_> = (0..100_000).map(|_| root.child()).collect();
        assert_eq!(root.scope.places().places.len(), 100_000);
        drop(again);
        assert_eq!((taken(&root), Arc::strong_count(&root.scope), Arc::weak_count(&root.scope)), (0, 1, 0));
    }

    #[test]
    fn a_tree_deeper_than_the_stack_is_stopped_and_dropped() {
        let root = Context::root();
        let mut leaf = root.child();
        for _ in 0..100_000 {
            leaf = leaf.child();
        }
        root.cancel(Reason::Shutdown);
        assert!(leaf.is_cancelled());
    }

    #[test]
    fn a_child_made_during_the_stop_is_stopped() {
        for _ in 0..200 {
            let root = Context::root();
            let children = std::thread::scope(|scope| {
                let making = scope.spawn(|| (0..50).map(|_| root.child().child()).collect::<Vec<_>>());
                root.cancel(Reason::Caller);
                making.join().unwrap()
            });
            assert!(children.iter().all(Context::is_cancelled));
        }
    }
}
