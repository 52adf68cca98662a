//! Owns whether a service is there: one word that its upkeep says, and everybody else reads.
//!
//! ```text
//!            ┌────────── found ───────────┐
//!            │                            v
//!   Unknown ─┤                           Here(C) ──asked, no answer──> Away
//!      ^     └── not found, or not in     │
//!      │         PATIENCE ──> Away        │
//!      └──────────── closed ──────────────┘       Away ──found──> Here
//! ```
//!
//! The one idea: who asks waits only while nobody knows, and that is no longer than its patience, [`PATIENCE`] unless
//! told otherwise. Once it is known that the
//! service is away, everybody is told at once, those too who wait for an answer already.
//!
//! Never: connects; tells the log the same thing again and again.
//! Limits: [`TOLD_PERIOD`].

use std::fmt::Display;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Unavailable;
use crate::crypto;
use crate::net::lock::lock;

/// How long anybody waits for a service that may be away: so that the answer that says so is there within 250 ms.
pub const PATIENCE: Duration = Duration::from_millis(225);

/// Before the next attempt to find it, at most. Its return is seen within this and the time of an attempt.
const RETRY_TIME: Duration = Duration::from_millis(100);

/// How long an attempt may take.
pub(super) const CONNECT_TIME: Duration = Duration::from_millis(500);

/// How often a service is asked whether it is there while nobody else asks for anything.
pub(super) const ASK_PERIOD: Duration = Duration::from_secs(1);

/// From one line of the log to the next while a service is away for another reason than before, or refuses things.
pub(super) const TOLD_PERIOD: Duration = Duration::from_secs(10);

/// What [`Presence::look`] says of a service until there is a reason.
const NOT_YET: &str = "it has not answered yet";

/// Parts in which a time is waited for.
const SLICES: u32 = 5;

/// Whether the service is there, and `C`, by which it is reached.
pub(super) struct Presence<C> {
    state: watch::Sender<State<C>>,
    service: &'static str,
    at: Arc<str>,
    patience: Duration,
    doubted: Notify,
    /// What was told of this absence, and when.
    told_away: Mutex<Option<(Arc<str>, Instant)>>,
    told_refusal: Told,
    told_full: Told,
}

/// When something was told last.
#[derive(Default)]
struct Told {
    at: Mutex<Option<Instant>>,
}

enum State<C> {
    Unknown,
    Here(C),
    Away(Arc<str>),
}

impl<C: Clone> Presence<C> {
    /// The service at `at`, an address that may be shown. Nobody waits for it longer than `patience`.
    pub fn new(service: &'static str, at: &str, patience: Duration) -> Presence<C> {
        Presence {
            state: watch::Sender::new(State::Unknown),
            service,
            at: at.into(),
            patience,
            doubted: Notify::new(),
            told_away: Mutex::default(),
            told_refusal: Told::default(),
            told_full: Told::default(),
        }
    }

    /// What the service is reached by. Waits while nobody knows whether it is there.
    pub async fn here(&self) -> Result<C, Unavailable> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Unknown));
        match timeout(self.patience, known).await {
            Ok(Ok(state)) => match &*state {
                State::Here(connection) => Ok(connection.clone()),
                State::Away(why) => Err(self.because(why)),
                State::Unknown => Err(self.unavailable("being looked for")),
            },
            _ => Err(self.unavailable("not found in time")),
        }
    }

    /// Waits until it is known to be away.
    pub async fn away(&self) -> Unavailable {
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| matches!(state, State::Away(_))).await;
        match state.as_deref() {
            Ok(State::Away(why)) => self.because(why),
            _ => self.unavailable("given up"),
        }
    }

    /// It is there.
    pub fn is_here(&self, connection: C) {
        self.state.send_replace(State::Here(connection));
        if lock(&self.told_away).take().is_some() {
            tracing::info!(service = self.service, at = %self.at, "the service is there again");
        }
    }

    /// It is not there. Says so, and says so again where the reason is another one.
    pub fn is_away(&self, why: &dyn Display) {
        let why: Arc<str> = why.to_string().into();
        self.state.send_replace(State::Away(Arc::clone(&why)));
        if self.is_news(&why) {
            tracing::error!(service = self.service, at = %self.at, %why, "the service is away: what needs it is answered 503");
        }
    }

    /// Whether the log is to be told that it is away because of `why`: a reason that it has not heard, and not too often.
    fn is_news(&self, why: &Arc<str>) -> bool {
        let mut told = lock(&self.told_away);
        let is_news = match &*told {
            None => true,
            Some((before, _)) if &**before == NOT_YET => **why != *NOT_YET,
            Some((before, at)) => **why != *NOT_YET && before != why && at.elapsed() >= TOLD_PERIOD,
        };
        if is_news {
            *told = Some((Arc::clone(why), Instant::now()));
        }
        is_news
    }

    /// Whether it is known to be there.
    pub fn is_known(&self) -> bool {
        matches!(*self.state.borrow(), State::Here(_))
    }

    /// It was there a moment ago, and may be again.
    pub fn is_lost(&self) {
        self.state.send_replace(State::Unknown);
    }

    /// Lets upkeep ask it whether it is there: an answer is late.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Waits until it is time to ask it whether it is there.
    pub async fn doubted(&self) {
        let _ = timeout(ASK_PERIOD, self.doubted.notified()).await;
    }

    /// It is there and refuses something. Says so, once in [`TOLD_PERIOD`].
    pub fn refuses(&self, why: &dyn Display) -> Unavailable {
        if self.told_refusal.is_due() {
            tracing::error!(service = self.service, at = %self.at, %why, "the service refuses what it is asked");
        }
        self.unavailable(why)
    }

    /// It is there, and no more can be asked of it at once. Says so, once in [`TOLD_PERIOD`].
    pub fn is_full(&self, why: &dyn Display) -> Unavailable {
        if self.told_full.is_due() {
            tracing::warn!(service = self.service, at = %self.at, %why, "more is asked at once than there is room for");
        }
        self.unavailable(why)
    }

    /// The result of looking for it, which may take longer than anybody waits: then it is away meanwhile.
    pub async fn look<T>(&self, attempt: impl Future<Output = T>) -> T {
        let mut attempt = pin!(attempt);
        if let Some(found) = within(self.patience, &mut attempt).await {
            return found;
        }
        self.is_away(&NOT_YET);
        attempt.await
    }

    /// Words for whoever asked.
    pub fn unavailable(&self, why: impl ToString) -> Unavailable {
        self.because(&why.to_string().into())
    }

    fn because(&self, why: &Arc<str>) -> Unavailable {
        Unavailable { service: self.service, at: Arc::clone(&self.at), why: Arc::clone(why) }
    }
}

impl Told {
    /// Whether it is time to tell it again, which is then done.
    fn is_due(&self) -> bool {
        let mut at = lock(&self.at);
        let is_due = at.is_none_or(|at| at.elapsed() >= TOLD_PERIOD);
        if is_due {
            *at = Some(Instant::now());
        }
        is_due
    }
}

/// What comes of `work` within `time`. A pause of this whole process is taken for a part of that time and no more, so that a
/// busy machine is not taken for a service that is away.
///
/// # Cancel safety
/// That of `work`.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    for _ in 0..SLICES {
        if let Ok(done) = timeout(time / SLICES, &mut work).await {
            return Some(done);
        }
    }
    None
}

/// Waits before the next attempt. Not all nodes wait for the same time.
pub(super) async fn pause() {
    let [byte] = crypto::random();
    sleep(RETRY_TIME / 2 + RETRY_TIME * u32::from(byte) / 512).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_waits_while_nobody_knows_and_no_longer() {
        let presence = Presence::new("Test", "test://h", PATIENCE);
        let begun = Instant::now();
        let error = presence.here().await.unwrap_err();
        assert_eq!((begun.elapsed(), error.to_string().as_str()), (PATIENCE, "Test at test://h: not found in time"));
        presence.is_away(&"refused");
        assert_eq!(presence.here().await.unwrap_err().to_string(), "Test at test://h: refused");
        presence.is_here(7);
        assert_eq!(presence.here().await.unwrap(), 7);
        assert_eq!(begun.elapsed(), PATIENCE);
        presence.is_lost();
        let (found, ()) = tokio::join!(presence.here(), async {
            sleep(PATIENCE / 2).await;
            presence.is_here(8);
        });
        assert_eq!(found.unwrap(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_search_is_an_absence_meanwhile() {
        let presence = Presence::<()>::new("Test", "test://h", PATIENCE);
        let (_, error) = tokio::join!(presence.look(sleep(PATIENCE * 4)), presence.away());
        assert_eq!(error.to_string(), "Test at test://h: it has not answered yet");
    }

    #[tokio::test(start_paused = true)]
    async fn each_reason_is_told_and_none_again_and_again() {
        let presence = Presence::<()>::new("Test", "test://h", PATIENCE);
        let tell = |why: &str| presence.is_news(&why.into());
        assert!(tell(NOT_YET) && !tell(NOT_YET));
        assert!(tell("refused"), "a reason, at once, where there was none");
        assert!(!tell("refused") && !tell("the migration was edited"), "not yet");
        tokio::time::advance(TOLD_PERIOD).await;
        assert!(!tell("refused") && !tell(NOT_YET), "it was said");
        assert!(tell("the migration was edited") && !tell("refused"));
        presence.is_here(());
        assert!(tell("refused"), "another absence");
    }

    #[tokio::test(start_paused = true)]
    async fn a_doubt_is_heard_though_nobody_listens_yet() {
        let presence = Presence::<()>::new("Test", "test://h", PATIENCE);
        let begun = Instant::now();
        presence.doubt();
        presence.doubted().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        presence.doubted().await;
        assert_eq!(begun.elapsed(), ASK_PERIOD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_process_is_not_one_of_the_service() {
        let work = async {
            tokio::time::advance(PATIENCE * 10).await;
            tokio::task::yield_now().await;
            "done"
        };
        assert_eq!(within(PATIENCE, work).await, Some("done"));
        let begun = Instant::now();
        assert_eq!(within(PATIENCE, std::future::pending::<()>()).await, None);
        assert!(begun.elapsed() <= PATIENCE + Duration::from_millis(10), "{:?}", begun.elapsed());
    }
}
