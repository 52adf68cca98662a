//! Owns the keys that are not to be read from Redis: they are being changed, or Redis has not been told yet that they were.
//!
//! ```text
//!            ┌─ changing: a write is at work
//!   a key ───┤                                        all gone ──> Redis is asked again
//!            └─ due: Redis is to be told, from then on
//! ```
//!
//! The one idea: what Redis has not been told is remembered before it is tried, so that whoever gives up in the middle, and a
//! Redis that is away, leave a debt and no gap.
//!
//! Never: remembers more than [`CacheConfig::owed_max`] keys: with one more, all keys are as if they were owed until
//! whatever Redis has now is over.
//!
//! [`CacheConfig::owed_max`]: super::CacheConfig::owed_max

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::net::lock::lock;

/// How long a write may still be on its way to the database after whoever wrote was dropped: his statement is told to stop
/// and is over, or its connection is closed, within this. A commit for which the database itself takes longer is not waited for:
/// what another node has kept meanwhile is old until its time is over.
pub(super) const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Keys of one message.
const TOLD_AT_ONCE_MAX: usize = 256;

pub(super) struct Owed {
    state: Mutex<State>,
    changed: Notify,
    keys_max: usize,
    /// No value is read for longer than this after it was loaded.
    ttl: Duration,
}

#[derive(Default)]
struct State {
    keys: HashMap<Arc<str>, Mark>,
    /// More was owed than can be remembered: all is, until then.
    all_until: Option<Instant>,
}

#[derive(Default)]
struct Mark {
    /// Writes that are at work.
    changing: usize,
    /// When Redis is to be told.
    due: Option<Instant>,
    /// And once more then.
    again: Option<Instant>,
}

impl Owed {
    pub fn new(keys_max: usize, ttl: Duration) -> Owed {
        Owed { state: Mutex::default(), changed: Notify::new(), keys_max, ttl }
    }

    /// Whether Redis may not be asked for `key`.
    pub fn holds(&self, key: &str) -> bool {
        let state = lock(&self.state);
        state.keys.contains_key(key) || state.all_until.is_some_and(|until| Instant::now() < until)
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        lock(&self.state).keys.len()
    }

    /// A write of these begins.
    pub fn begin(&self, keys: &[Arc<str>]) {
        let mut state = lock(&self.state);
        for key in keys {
            if state.keys.len() < self.keys_max || state.keys.contains_key(key) {
                state.keys.entry(Arc::clone(key)).or_default().changing += 1;
            } else {
                state.all_until = Some(Instant::now() + self.ttl);
            }
        }
    }

    /// It is over, and Redis was told, not before `since`.
    pub fn told(&self, keys: &[Arc<str>], since: Instant) {
        self.end(keys, |mark| mark.told(since));
    }

    /// It is over, and Redis is to be told.
    pub fn untold(&self, keys: &[Arc<str>]) {
        let now = Instant::now();
        self.end(keys, |mark| mark.owe(now));
        self.changed.notify_one();
    }

    /// It is over, and has changed nothing. What others owe stays owed.
    pub fn released(&self, keys: &[Arc<str>]) {
        self.end(keys, |_| {});
    }

    /// It was given up: nobody knows when it is over. Redis is to be told now, and again when it surely is.
    pub fn given_up(&self, keys: &[Arc<str>]) {
        let now = Instant::now();
        self.end(keys, |mark| {
            mark.owe(now);
            mark.again = mark.again.max(Some(now + SETTLE_TIME));
        });
        self.changed.notify_one();
    }

    fn end(&self, keys: &[Arc<str>], end: impl Fn(&mut Mark)) {
        let mut state = lock(&self.state);
        for key in keys {
            // One too many was not remembered.
            let Some(mark) = state.keys.get_mut(key) else { continue };
            mark.changing = mark.changing.saturating_sub(1);
            end(mark);
            if mark.is_over() {
                state.keys.remove(key);
            }
        }
    }

    /// Waits for keys that Redis is to be told of. They stay owed until [`Owed::delivered`] is called with them.
    pub async fn due(&self) -> Vec<Arc<str>> {
        loop {
            let (due, next) = self.take_due();
            if !due.is_empty() {
                return due;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = async { tokio::time::sleep_until(next.unwrap_or_else(Instant::now)).await }, if next.is_some() => {}
            }
        }
    }

    /// Those that are due, or when the next one is.
    fn take_due(&self) -> (Vec<Arc<str>>, Option<Instant>) {
        let now = Instant::now();
        let state = lock(&self.state);
        let is_due = |mark: &&Mark| mark.due.is_some_and(|due| due <= now);
        let due = state.keys.iter().filter(|(_, mark)| is_due(mark)).map(|(key, _)| Arc::clone(key));
        let due = due.take(TOLD_AT_ONCE_MAX).collect();
        (due, state.keys.values().filter_map(|mark| mark.due).min())
    }

    /// Redis was told of `keys`, not before `since`.
    pub fn delivered(&self, keys: &[Arc<str>], since: Instant) {
        let mut state = lock(&self.state);
        for key in keys {
            let Some(mark) = state.keys.get_mut(key) else { continue };
            mark.told(since);
            if mark.is_over() {
                state.keys.remove(key);
            }
        }
    }
}

impl Mark {
    fn owe(&mut self, now: Instant) {
        if let Some(due) = self.due.replace(now).filter(|due| *due > now) {
            self.again = self.again.max(Some(due));
        }
    }

    /// A write that has ended after `since` has a debt of its own.
    fn told(&mut self, since: Instant) {
        if self.due.is_some_and(|due| due <= since) {
            self.due = self.again.take();
        }
    }

    fn is_over(&self) -> bool {
        self.changing == 0 && self.due.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn keys(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_owed_until_every_write_of_it_is_told() {
        let (owed, a) = (Owed::new(10, TTL), keys(&["a"]));
        owed.begin(&a);
        owed.begin(&a);
        owed.told(&a, Instant::now());
        assert!(owed.holds("a") && !owed.holds("b"), "another write is at work");
        owed.untold(&a);
        assert_eq!(owed.due().await, a);
        assert!(owed.holds("a"));
        owed.delivered(&a, Instant::now());
        assert!(!owed.holds("a") && owed.count() == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_changed_nothing_owes_nothing() {
        let (owed, a) = (Owed::new(10, TTL), keys(&["a"]));
        owed.begin(&a);
        owed.begin(&a);
        owed.released(&a);
        assert!(owed.holds("a"), "another write is at work");
        owed.released(&a);
        assert!(!owed.holds("a") && owed.count() == 0);
        owed.begin(&a);
        owed.untold(&a);
        owed.begin(&a);
        owed.released(&a);
        assert_eq!(owed.due().await, a, "what another has done is still owed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_given_up_is_told_twice() {
        let (owed, a, begun) = (Owed::new(10, TTL), keys(&["a"]), Instant::now());
        owed.begin(&a);
        owed.given_up(&a);
        assert_eq!((owed.due().await, begun.elapsed()), (a.clone(), Duration::ZERO));
        owed.delivered(&a, Instant::now());
        assert!(owed.holds("a"), "it may still be on its way");
        for told in [true, false] {
            owed.begin(&a);
            if told { owed.told(&a, Instant::now()) } else { owed.untold(&a) }
        }
        assert_eq!(owed.due().await, a, "others write it meanwhile");
        owed.delivered(&a, Instant::now());
        assert_eq!((owed.due().await, begun.elapsed()), (a.clone(), SETTLE_TIME));
        owed.delivered(&a, Instant::now());
        assert!(!owed.holds("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_ends_while_redis_is_told_of_one_before_is_told_itself() {
        let (owed, a) = (Owed::new(10, TTL), keys(&["a"]));
        owed.begin(&a);
        owed.untold(&a);
        let since = Instant::now();
        assert_eq!(owed.due().await, a);
        tokio::time::advance(Duration::from_millis(1)).await;
        owed.begin(&a);
        owed.untold(&a);
        owed.delivered(&a, since);
        assert!(owed.holds("a"));
        assert_eq!(owed.due().await, a);
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_too_many_all_are_owed_until_what_is_kept_is_over() {
        let owed = Owed::new(2, TTL);
        let three = keys(&["a", "b", "c"]);
        owed.begin(&three);
        owed.told(&three, Instant::now());
        assert_eq!(owed.count(), 0);
        assert!(owed.holds("c") && owed.holds("another"));
        tokio::time::advance(TTL).await;
        assert!(!owed.holds("c") && !owed.holds("a"));
    }
}
