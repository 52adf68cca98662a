//! Owns the breakers of many peers, each under its key.
//!
//! The one idea: a breaker that is closed and has seen no failure lately is worth nothing, since a new one would do the same.
//! Those go whenever there are twice as many as were worth keeping at the last look, so each is looked at once or twice.
//!
//! Never: grows without end: with `most` that are all worth keeping, the one goes that was asked for longest ago. Its peer is
//! called again earlier than it should be; who makes up peers without end gains that and nothing else.
//! Invariants: a breaker that somebody holds is found again under its key until it makes room for another.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::http::client::breaker::{Breaker, BreakerConfig, Snapshot};
use crate::net::lock::lock;

/// Breakers that are kept at least.
const KEPT_MIN: usize = 64;

/// A breaker for each key, the same for all who ask. Its clones are one table.
pub struct Breakers<K>(Arc<Shared<K>>);

struct Shared<K> {
    config: BreakerConfig,
    most: usize,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    by_key: HashMap<K, Kept>,
    /// Counts the questions.
    asked: u64,
    /// With so many, those at rest go.
    look_at: usize,
}

struct Kept {
    breaker: Breaker,
    asked: u64,
}

impl<K: Hash + Eq + Clone> Breakers<K> {
    /// Breakers of `config` for at most `most` keys.
    ///
    /// # Panics
    /// If `most` is 0, or `config` is none that [`Breaker::new`] takes.
    pub fn new(config: BreakerConfig, most: usize) -> Breakers<K> {
        assert!(most > 0, "a table of none keeps no breaker");
        config.check();
        let table = Table { by_key: HashMap::new(), asked: 0, look_at: KEPT_MIN };
        Breakers(Arc::new(Shared { config, most, table: Mutex::new(table) }))
    }

    /// The breaker before the peer `key`.
    pub fn of(&self, key: &K) -> Breaker {
        let mut table = lock(&self.0.table);
        table.asked += 1;
        let asked = table.asked;
        if let Some(kept) = table.by_key.get_mut(key) {
            kept.asked = asked;
            return kept.breaker.clone();
        }
        table.make_room(self.0.most);
        let breaker = Breaker::new(self.0.config);
        table.by_key.insert(key.clone(), Kept { breaker: breaker.clone(), asked });
        breaker
    }

    /// Shows every breaker that is kept, in no order. The table is not locked meanwhile.
    pub fn each(&self, mut f: impl FnMut(&K, &Snapshot)) {
        let table = lock(&self.0.table);
        let all: Vec<_> = table.by_key.iter().map(|(key, kept)| (key.clone(), kept.breaker.clone())).collect();
        drop(table);
        for (key, breaker) in all {
            f(&key, &breaker.snapshot());
        }
    }

    /// Forgets those that are at rest: they go by themselves when there are many, and this is for who shows them.
    pub fn forget(&self) {
        lock(&self.0.table).by_key.retain(|_, kept| !kept.is_forgotten());
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        lock(&self.0.table).by_key.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn make_room(&mut self, most: usize) {
        if self.by_key.len() >= self.look_at.min(most) {
            self.by_key.retain(|_, kept| !kept.is_forgotten());
            self.look_at = KEPT_MIN.max(2 * self.by_key.len());
        }
        if self.by_key.len() >= most
            && let Some(oldest) = self.by_key.iter().min_by_key(|(_, kept)| kept.asked).map(|(key, _)| key.clone())
        {
            self.by_key.remove(&oldest);
        }
    }
}

impl Kept {
    /// Nobody holds it or a permit of it, and a new one would do as well.
    fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.breaker.0) == 1 && self.breaker.with(|circuit, now| circuit.is_at_rest(now))
    }
}

impl<K> Clone for Breakers<K> {
    fn clone(&self) -> Self {
        Breakers(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for Breakers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = lock(&self.0.table).by_key.len();
        f.debug_struct("Breakers").field("kept", &kept).field("most", &self.0.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::http::client::breaker::State;

    fn breakers(most: usize) -> Breakers<String> {
        Breakers::new(BreakerConfig { consecutive_failures: 1, ..BreakerConfig::default() }, most)
    }

    fn fail(breakers: &Breakers<String>, key: &str) {
        breakers.of(&key.to_owned()).permit().expect("closed").failure();
    }

    fn state(breakers: &Breakers<String>, key: &str) -> State {
        breakers.of(&key.to_owned()).state()
    }

    fn keys(breakers: &Breakers<String>) -> Vec<String> {
        let mut keys = Vec::new();
        breakers.each(|key, _| keys.push(key.clone()));
        keys.sort();
        keys
    }

    #[tokio::test(start_paused = true)]
    async fn each_peer_has_its_own_and_all_clones_see_it() {
        let breakers = breakers(10);
        fail(&breakers.clone(), "a:80");
        assert_eq!((state(&breakers, "a:80"), state(&breakers, "b:80")), (State::Open, State::Closed));
        let mut seen = Vec::new();
        breakers.each(|key, snapshot| seen.push((key.clone(), snapshot.opened)));
        seen.sort();
        assert_eq!(seen, [("a:80".to_owned(), 1), ("b:80".to_owned(), 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_at_rest_make_room_and_those_that_are_open_or_held_do_not() {
        let breakers = breakers(4);
        fail(&breakers, "open");
        let held = breakers.of(&"held".to_owned());
        breakers.of(&"rest".to_owned());
        breakers.of(&"more".to_owned());
        breakers.of(&"new".to_owned());
        assert_eq!(keys(&breakers), ["held", "new", "open"]);
        held.permit().expect("closed").failure();
        assert_eq!(state(&breakers, "held"), State::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_remembered_for_a_window_and_no_longer() {
        let config = BreakerConfig { consecutive_failures: 9, ..BreakerConfig::default() };
        let breakers: Breakers<String> = Breakers::new(config, 1);
        fail(&breakers, "a");
        breakers.of(&"a".to_owned()).permit().expect("closed").success();
        let is_forgotten = || lock(&breakers.0.table).by_key["a"].is_forgotten();
        assert!(!is_forgotten());
        advance(Duration::from_secs(30)).await;
        assert!(is_forgotten());
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_one_that_nobody_asks_for_is_forgotten_in_the_end() {
        let breakers = breakers(10);
        fail(&breakers, "gone");
        advance(Duration::from_secs(10 + 299)).await;
        breakers.forget();
        assert_eq!(breakers.len(), 1, "its peer may be probed, and is known to have failed");
        advance(Duration::from_secs(1)).await;
        breakers.forget();
        assert!(breakers.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn peers_made_up_without_end_take_bounded_room() {
        let breakers = breakers(8);
        for n in 0..1000 {
            fail(&breakers, &format!("host-{n}"));
            assert_eq!(state(&breakers, "one"), State::Closed);
            assert!(breakers.len() <= 8);
        }
        // Who is asked for is kept, the others go in order.
        assert!(keys(&breakers).contains(&"one".to_owned()));
        assert!(keys(&breakers).contains(&"host-999".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_table_is_not_filled_with_what_is_at_rest() {
        let breakers = breakers(1_000_000);
        for n in 0..10_000 {
            breakers.of(&n.to_string()).permit().expect("closed").success();
        }
        assert!(breakers.len() <= KEPT_MIN);
    }

    #[test]
    #[should_panic(expected = "a table of none")]
    fn a_table_of_none_is_refused() {
        breakers(0);
    }
}
