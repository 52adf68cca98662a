//! Owns that one thing is loaded once, however many ask for it at the same moment.
//!
//! ```text
//!   first ──> flight 1, away at once ════ load ════╗
//!   others, while it loads ──> flight 2, waits ····╚═> then is away itself: what 1 has kept, or another load ══> all of 2
//! ```
//!
//! The one idea: nobody boards a flight that has left. What it brings may have been read before somebody asked, and before the
//! change that he knows of. Who comes too late waits for the next one, with all others who do; so a key is loaded at most once
//! at a time, what anybody is given was read after he asked, and nobody waits for longer than two loads.
//!
//! Who leaves does not take the flight with him. It ends when everybody has left, and what it does is then dropped.
//!
//! Never: gives an error to anybody but him whose load it is of: its deadline was his.
//! Invariants: at most one flight of a key that has not left.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use crate::net::lock::lock;

/// The newest flight of each key.
#[derive(Default)]
pub(super) struct Flights {
    newest: Mutex<HashMap<Arc<str>, Weak<Flight>>>,
}

/// What everybody holds who is on it.
struct Flight {
    flights: Arc<Flights>,
    key: Arc<str>,
    stage: watch::Receiver<Stage>,
    task: AbortHandle,
}

#[derive(Clone)]
enum Stage {
    Waits,
    Away,
    /// `None`: it has failed.
    Landed(Option<Option<Bytes>>),
}

enum Place<E> {
    Pilot(Arc<Flight>, JoinHandle<Result<Option<Bytes>, E>>),
    Passenger(Arc<Flight>),
}

impl Flights {
    /// What `load` gives, or the load of somebody else that has begun after this was called. `None` when that has failed.
    ///
    /// # Cancel safety
    /// When it is dropped, the load goes on for those who still wait for it, and otherwise is dropped.
    pub async fn board<E: Send + 'static>(
        self: &Arc<Self>,
        key: &Arc<str>,
        load: impl Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
    ) -> Option<Result<Option<Bytes>, E>> {
        match self.place(key, load) {
            Place::Pilot(_flight, task) => match task.await {
                Ok(answer) => Some(answer),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            },
            Place::Passenger(flight) => {
                let mut stage = flight.stage.clone();
                let landed = stage.wait_for(|stage| matches!(stage, Stage::Landed(_))).await;
                match landed.as_deref() {
                    Ok(Stage::Landed(Some(answer))) => Some(Ok(answer.clone())),
                    _ => None,
                }
            }
        }
    }

    /// On the flight that waits, or on a new one.
    fn place<E: Send + 'static>(
        self: &Arc<Self>,
        key: &Arc<str>,
        load: impl Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
    ) -> Place<E> {
        let mut newest = lock(&self.newest);
        let before = newest.get(key).and_then(Weak::upgrade);
        if let Some(flight) = before.as_ref().filter(|flight| matches!(*flight.stage.borrow(), Stage::Waits)) {
            return Place::Passenger(Arc::clone(flight));
        }
        let (says, stage) = watch::channel(Stage::Waits);
        let task = tokio::spawn(fly(before.as_ref().map(|flight| flight.stage.clone()), says, load));
        let flights = Arc::clone(self);
        let flight = Arc::new(Flight { flights, key: Arc::clone(key), stage, task: task.abort_handle() });
        newest.insert(Arc::clone(key), Arc::downgrade(&flight));
        // The one before may be held by nobody else any more, and ends under the same lock.
        drop(newest);
        Place::Pilot(flight, task)
    }
}

async fn fly<E>(
    before: Option<watch::Receiver<Stage>>,
    says: watch::Sender<Stage>,
    load: impl Future<Output = Result<Option<Bytes>, E>>,
) -> Result<Option<Bytes>, E> {
    if let Some(mut before) = before {
        // One that everybody has left says nothing more, and is over, too.
        let _ = before.wait_for(|stage| matches!(stage, Stage::Landed(_))).await;
    }
    says.send_replace(Stage::Away);
    let answer = load.await;
    says.send_replace(Stage::Landed(answer.as_ref().ok().cloned()));
    answer
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
        let mut newest = lock(&self.flights.newest);
        if newest.get(&self.key).is_some_and(|flight| flight.strong_count() == 0) {
            newest.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const LOAD_TIME: Duration = Duration::from_secs(1);

    #[derive(Clone, Default)]
    struct Source {
        flights: Arc<Flights>,
        begun: Arc<AtomicUsize>,
        ended: Arc<AtomicUsize>,
    }

    impl Source {
        async fn load(self) -> Result<Option<Bytes>, &'static str> {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            sleep(LOAD_TIME).await;
            self.ended.fetch_add(1, Ordering::Relaxed);
            Ok(Some(Bytes::from(number.to_string())))
        }

        async fn read(self) -> Option<Result<Option<Bytes>, &'static str>> {
            let flights = Arc::clone(&self.flights);
            flights.board(&"key".into(), self.load()).await
        }

        fn counts(&self) -> (usize, usize) {
            (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_load_once_and_those_who_come_too_late_once_more() {
        let (source, begun) = (Source::default(), Instant::now());
        let mut readers = JoinSet::new();
        for count in [500, 500] {
            for _ in 0..count {
                readers.spawn(source.clone().read());
            }
            sleep(LOAD_TIME / 2).await;
        }
        let answers = readers.join_all().await;
        assert!(answers.iter().all(|answer| matches!(answer, Some(Ok(Some(_))))));
        assert_eq!((source.counts(), begun.elapsed().as_secs()), ((2, 2), 2));
        assert!(lock(&source.flights.newest).is_empty(), "nothing is kept of them");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_somebody_asked_is_not_for_him() {
        let source = Source::default();
        let first = tokio::spawn(source.clone().read());
        sleep(LOAD_TIME / 2).await;
        let second = source.clone().read().await;
        assert_eq!(first.await.unwrap(), Some(Ok(Some(Bytes::from_static(b"0")))));
        assert_eq!(second, Some(Ok(Some(Bytes::from_static(b"1")))));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_does_not_end_the_load_of_others_and_the_last_one_does() {
        let source = Source::default();
        let first = tokio::spawn(source.clone().read());
        sleep(LOAD_TIME / 2).await;
        // The pilot of the second flight leaves before it is away, and all others while it is.
        let pilot = tokio::spawn(source.clone().read());
        tokio::task::yield_now().await;
        let (stays, goes) = (tokio::spawn(source.clone().read()), tokio::spawn(source.clone().read()));
        tokio::task::yield_now().await;
        pilot.abort();
        sleep(LOAD_TIME).await;
        goes.abort();
        assert!(matches!(stays.await.unwrap(), Some(Ok(Some(_)))));
        first.await.unwrap();
        assert_eq!(source.counts(), (2, 2));

        assert!(timeout(LOAD_TIME / 2, source.clone().read()).await.is_err());
        sleep(LOAD_TIME * 2).await;
        assert_eq!(source.counts(), (3, 2), "it was dropped");
        assert!(lock(&source.flights.newest).is_empty());
        assert!(matches!(source.read().await, Some(Ok(Some(_)))), "and is in nobody's way");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_of_him_whose_load_it_is() {
        let flights = Arc::<Flights>::default();
        let key: Arc<str> = "key".into();
        let first = tokio::spawn({
            let (flights, key) = (Arc::clone(&flights), Arc::clone(&key));
            let load = async {
                sleep(LOAD_TIME).await;
                Ok::<_, &str>(None)
            };
            async move { flights.board(&key, load).await }
        });
        tokio::task::yield_now().await;
        let late = async || {
            let load = async {
                sleep(LOAD_TIME).await;
                Err("my deadline is over")
            };
            flights.board(&key, load).await
        };
        let (pilot, passenger) = tokio::join!(late(), late());
        assert_eq!((pilot, passenger), (Some(Err("my deadline is over")), None));
        assert_eq!(first.await.unwrap(), Some(Ok(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_that_panics_is_a_panic_of_its_own_reader() {
        let flights = Arc::<Flights>::default();
        let broken = async || -> Result<Option<Bytes>, Infallible> { panic!("broken") };
        let read = tokio::spawn(async move { flights.board(&"key".into(), broken()).await });
        assert!(read.await.unwrap_err().is_panic());
    }
}
