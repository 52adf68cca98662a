//! Owns the time a peer is given: one deadline a phase of a connection, and the least rate within a phase.
//!
//! The one idea: a deadline is absolute. It is set when a phase begins and no byte moves it, so a peer that trickles
//! gains nothing. Content and answers have no fixed length, so there a rate takes the place of the deadline.
//!
//! ```text
//!   accept ─ idle ─ first byte ─ head ─ handler ─ write ─ idle ─ …
//!            `idle`              `head` `handler` `write_rate`
//!                                       `content_rate` while the handler waits for content
//! ```
//!
//! Spec: RFC 9110 15.5.9 (408), RFC 9112 9.5 (failures and timeouts).
//! Never: arms a timer for each phase: [`Timer`] keeps one while a connection is at work, lets it ring early and looks again.
//! The deadlines of those that wait for a request are watched by their table, [`crate::net::registry`].

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Where a connection is in its life, and thereby what it may be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Nothing of a request has arrived.
    Idle,
    /// Part of a head has arrived.
    Head,
    /// A handler is at work.
    Handler,
    /// Content is awaited.
    Content,
    /// An answer is being sent.
    Write,
    /// The last answer is sent; what still arrives is read and dropped so that the peer can read it.
    Linger,
    /// Another protocol has taken over.
    Upgraded,
    /// It is over.
    Closed,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Phase; 8] = [
        Phase::Idle,
        Phase::Head,
        Phase::Handler,
        Phase::Content,
        Phase::Write,
        Phase::Linger,
        Phase::Upgraded,
        Phase::Closed,
    ];

    /// Its name in traces and tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Head => "head",
            Phase::Handler => "handler",
            Phase::Content => "content",
            Phase::Write => "write",
            Phase::Linger => "linger",
            Phase::Upgraded => "upgraded",
            Phase::Closed => "closed",
        }
    }
}

/// The least rate at which a peer must send or take bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second. 0 is off.
    pub bytes_per_second: u64,
    /// How long a peer may stay below it.
    pub over: Duration,
    /// How long bytes that have moved may last, at this rate. Kernels tell of room in steps: a reader of 16 KiB/s may be
    /// silent for eight seconds, and then take 128 KiB at once. What moves before the peer has ever been waited for has
    /// only filled the buffers of kernels, and is worth nothing.
    pub credit: Duration,
}

impl Rate {
    /// Bytes that must have moved within `over`, at least one.
    fn quota(&self) -> u64 {
        let bytes = u128::from(self.bytes_per_second).saturating_mul(self.over.as_millis()) / 1_000;
        u64::try_from(bytes).unwrap_or(u64::MAX).max(1)
    }
}

/// The time that peers are given. Every field is on by default; "off" has to be spelled out as [`Duration::MAX`] or a
/// rate of 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From accept to the first byte. Default 5 s. Larger: silent connections hold descriptors. The peer sees a close.
    pub first_byte: Duration,
    /// From the first byte of a head to its end, for every request of a connection. Default 5 s. Larger: slow heads
    /// hold connections. The peer sees 408 and a close.
    pub head: Duration,
    /// Between an answer and the next request. Default 60 s. Larger: idle connections hold descriptors. The peer sees
    /// a close.
    pub idle: Duration,
    /// From the head to the answer's head; where content is still coming, it runs anew as long as that moves. Default
    /// 30 s. Larger: stuck handlers hold their requests. The peer sees 503.
    pub handler: Duration,
    /// While content is awaited. Default 1 KiB/s over 10 s. Slower: trickled content holds handlers. The peer sees 408
    /// and a close.
    pub content_rate: Rate,
    /// While an answer is being sent. Default 1 KiB/s over 15 s. Slower: readers that do not read hold answers. The
    /// peer sees a reset. A kernel that is full says nothing until its reader has taken most of what it holds, 128 KiB at
    /// first on Linux: a reader that needs longer than `over` for that, here below 9 KiB/s, looks like one that is gone.
    pub write_rate: Rate,
    /// For the peer to read the last answer and close. Default 2 s. Larger: refused peers hold descriptors.
    pub linger: Duration,
    /// As `linger`, for a peer that still sends: `linger` then runs anew, but not beyond this. Default 20 s. Larger: a peer
    /// that was refused goes on being read. Smaller: clients that send all before they read miss the refusal.
    pub linger_sending: Duration,
    /// From the signal on, for a request to begin and its head to end. Default 200 ms. Until then it is answered, with
    /// `Connection: close`. Larger: slower deployments. Smaller: requests that were on their way meet a close. After it
    /// the peer sees a close, or 503 to half a head.
    pub drain_idle: Duration,
    /// From the signal to the end of a graceful shutdown. Default 10 s. Larger: slower deployments. Then what is still
    /// at work is cancelled.
    pub drain: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            handler: Duration::from_secs(30),
            content_rate: Rate {
                bytes_per_second: 1024,
                over: Duration::from_secs(10),
                credit: Duration::from_secs(10),
            },
            write_rate: Rate { bytes_per_second: 1024, over: Duration::from_secs(15), credit: Duration::from_secs(60) },
            linger: Duration::from_secs(2),
            linger_sending: Duration::from_secs(20),
            drain_idle: Duration::from_millis(200),
            drain: Duration::from_secs(10),
        }
    }
}

/// One timer for a connection that is at work. Moving its deadline later costs nothing: the timer rings early, looks and is armed again.
#[derive(Debug, Default)]
pub struct Timer {
    alarm: Option<Alarm>,
}

#[derive(Debug)]
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    waker: Option<Waker>,
}

impl Timer {
    /// Ready at `deadline` or after it, never when there is none.
    pub fn poll_expired(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Alarm { sleep: Box::pin(sleep_until(deadline)), waker: None });
        if alarm.sleep.deadline() > deadline {
            alarm.sleep.as_mut().reset(deadline);
            alarm.waker = None;
        }
        loop {
            if alarm.is_waiting(cx) {
                return Poll::Pending;
            }
            std::task::ready!(alarm.poll(cx));
            if alarm.sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            alarm.sleep.as_mut().reset(deadline);
            alarm.waker = None;
        }
    }
}

impl Alarm {
    /// Whether it has not rung and will wake this task: then there is nothing to do.
    fn is_waiting(&self, cx: &Context<'_>) -> bool {
        self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) && !self.sleep.is_elapsed()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker = Some(cx.waker().clone());
        // A task that has used up its turn would get a `Pending` that arms nothing, and never ask again.
        pin!(unconstrained(self.sleep.as_mut())).poll(cx)
    }
}

/// `after` from `now`, or `None` when that is past the end of time: a deadline that is off.
#[inline]
pub fn within(now: Instant, after: Duration) -> Option<Instant> {
    now.checked_add(after)
}

/// The earlier of two deadlines.
#[inline]
pub fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// Watches a [`Rate`]. Only time spent waiting for the peer counts, so a slow handler does not make a slow peer.
///
/// The peer has `over` of patience to move `bytes_per_second × over` bytes. Moving them restores it, and adds as long as
/// they may take at the least rate, up to `credit`, once the peer is known to move at all.
#[derive(Clone, Copy, Debug)]
pub struct RateWatch {
    rate: Rate,
    patience: Duration,
    bytes: u64,
    waiting_since: Option<Instant>,
    /// Something has moved after a wait of [`STALL`].
    has_moved: bool,
}

/// A wait that buffers of kernels do not explain: what moves then, the peer has moved.
const STALL: Duration = Duration::from_secs(1);

impl RateWatch {
    /// A watch with full patience.
    pub fn new(rate: Rate) -> RateWatch {
        RateWatch { rate, patience: rate.over, bytes: 0, waiting_since: None, has_moved: false }
    }

    /// The peer is waited for from `now` on, unless it already was. Says when patience ends, which stays the same until
    /// something moves, or `None` when the rule is off.
    pub fn wait(&mut self, now: Instant) -> Option<Instant> {
        if self.rate.bytes_per_second == 0 {
            return None;
        }
        let since = *self.waiting_since.get_or_insert(now);
        within(since, self.patience)
    }

    /// The peer has moved `bytes`; waiting is over until [`RateWatch::wait`].
    pub fn moved(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            let waited = now.saturating_duration_since(since);
            self.patience = self.patience.saturating_sub(waited);
            self.has_moved |= waited >= STALL;
        }
        self.bytes += bytes as u64;
        if self.bytes >= self.rate.quota() {
            let worth = if self.has_moved { self.bytes / self.rate.bytes_per_second.max(1) } else { 0 };
            let patience = self.patience.saturating_add(Duration::from_secs(worth));
            self.patience = patience.min(self.rate.credit).max(self.rate.over);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: Rate =
        Rate { bytes_per_second: 1024, over: SECOND.saturating_mul(10), credit: SECOND.saturating_mul(20) };

    #[tokio::test(start_paused = true)]
    async fn a_timer_expires_at_its_last_deadline() {
        let start = Instant::now();
        let mut timer = Timer::default();
        for after in [9, 3, 5] {
            let deadline = Some(start + SECOND * after);
            let poll = std::future::poll_fn(|cx| Poll::Ready(timer.poll_expired(deadline, cx))).await;
            assert!(poll.is_pending());
        }
        std::future::poll_fn(|cx| timer.poll_expired(Some(start + SECOND * 5), cx)).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        std::future::poll_fn(|cx| timer.poll_expired(Some(start + SECOND * 7), cx)).await;
        assert_eq!(start.elapsed().as_secs(), 7, "an alarm that has rung is armed again");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_it_does_not_expire() {
        let mut timer = Timer::default();
        let expired = std::future::poll_fn(|cx| timer.poll_expired(None, cx));
        assert!(tokio::time::timeout(SECOND * 1_000, expired).await.is_err());
    }

    /// Sends `bytes` every `gap` and says after how many seconds the watch loses patience, within 1,000.
    fn check(bytes: usize, gap: Duration) -> Option<u64> {
        let start = Instant::now();
        let mut watch = RateWatch::new(RATE);
        let mut now = start;
        while now - start < SECOND * 1_000 {
            let end = watch.wait(now).expect("the rule is on");
            if end < now + gap {
                return Some((end - start).as_secs());
            }
            now += gap;
            watch.moved(now, bytes);
        }
        None
    }

    #[test]
    fn a_trickle_ends_and_an_honest_upload_does_not() {
        assert_eq!(check(1, SECOND), Some(10));
        assert_eq!(check(1, SECOND / 10), Some(10));
        assert_eq!(check(1000, SECOND), Some(10));
        assert_eq!(check(1025, SECOND), None);
        assert_eq!(check(64 * 1024, SECOND), None);
    }

    #[test]
    fn bytes_in_one_go_last_as_long_as_the_credit() {
        assert_eq!(check(1024 * 1024, SECOND * 9), None, "within the first patience");
        let mut watch = RateWatch::new(RATE);
        let now = Instant::now();
        watch.wait(now);
        watch.moved(now + SECOND, 1024 * 1024);
        assert_eq!(watch.wait(now + SECOND), Some(now + SECOND * 21));
        assert_eq!(watch.wait(now + SECOND * 5), Some(now + SECOND * 21), "waiting on moves nothing");
    }

    #[test]
    fn what_only_fills_the_buffers_of_kernels_buys_nothing() {
        let mut watch = RateWatch::new(RATE);
        let now = Instant::now();
        for _ in 0..100 {
            watch.wait(now);
            watch.moved(now, 1024 * 1024);
        }
        assert_eq!(watch.wait(now), Some(now + SECOND * 10));
        // A step of a reader, in many writes of which only the first was waited for.
        for bytes in [1024, 32 * 1024, 1024] {
            watch.moved(now + SECOND * 8, bytes);
        }
        assert_eq!(watch.wait(now + SECOND * 8), Some(now + SECOND * 28));
    }

    #[test]
    fn a_rate_holds_over_parts_of_a_second_too() {
        let over = Duration::from_millis(300);
        let mut watch = RateWatch::new(Rate { over, ..RATE });
        let now = Instant::now();
        watch.wait(now);
        let later = now + Duration::from_millis(250);
        watch.moved(later, 307);
        assert_eq!(watch.wait(later), Some(later + over), "1,024 bytes a second are 307 in 300 ms");
        let endless = Rate { bytes_per_second: u64::MAX, over: Duration::MAX, ..RATE };
        assert_eq!(endless.quota(), u64::MAX);
    }

    #[test]
    fn time_in_which_nobody_waits_does_not_count() {
        let mut watch = RateWatch::new(RATE);
        let now = Instant::now();
        watch.wait(now);
        watch.moved(now + SECOND, 1);
        assert_eq!(watch.wait(now + SECOND * 100), Some(now + SECOND * 109));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_armed_by_a_task_that_has_used_up_its_turn() {
        let start = Instant::now();
        let mut timer = Timer::default();
        let expired = std::future::poll_fn(|cx| {
            while tokio::task::coop::has_budget_remaining() {
                let _ = pin!(tokio::task::consume_budget()).poll(cx);
            }
            timer.poll_expired(Some(start + SECOND), cx)
        });
        assert!(tokio::time::timeout(SECOND * 2, expired).await.is_ok());
        assert_eq!(start.elapsed().as_secs(), 1);
    }
}
