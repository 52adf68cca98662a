//! Owns the exact sliding window: when was one client served, and may it be served now?
//!
//! The one idea: remember each serving until it is older than the window. The next request is served when fewer than
//! `requests` are remembered. Nothing is approximated, so nothing can slip through at a boundary.
//!
//! ```text
//!            |<------------- window ------------->|
//!   ──x──x───┼──x────x──x──────────x──────────────┤now        requests = 5, remembered = 4: served, 1 left
//!     forgotten └ the oldest: when it leaves, a place is free
//! ```
//!
//! A stamp is kept as the low half of its tick. That is enough to tell an age, since whatever is remembered is younger
//! than two windows, and a window is shorter than [`WINDOW_TICKS_MAX`]. The newest one is kept whole: it says how long
//! ago anything happened at all, and it saves a client that comes once the allocation.
//!
//! Spec: none; RFC 6585 4 leaves the counting to the server.
//! Never: reads a clock; counts a refused request.
//! Invariants: for any two servings that lie `requests` apart, the later is at least `window` ticks after the earlier, so
//! no half-open span of `window` ticks holds more than `requests`. `now` never goes back.
//! Limits: at most `requests - 1` stamps of 4 bytes are allocated, and only as many as are needed.

/// Longest window, in ticks: ages stay below 2^32.
pub const WINDOW_TICKS_MAX: u64 = 1 << 31;

/// Stamps that the first allocation has room for.
const RING_LEN_MIN: usize = 4;

/// How many requests are served in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests served in each window, at least 1.
    pub requests: u16,
    /// The window in ticks, from 1 to [`WINDOW_TICKS_MAX`].
    pub window: u64,
}

/// A request was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// How many more are served before `frees_in` has passed.
    pub left: u16,
    /// Ticks until the oldest serving is forgotten.
    pub frees_in: u64,
}

/// A request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Ticks after which it will be served, at least 1.
    pub wait: u64,
}

/// The servings of one client.
#[derive(Debug)]
pub struct SlidingWindow {
    newest: u64,
    /// What came before the newest, as a ring: `len` stamps from `first` on.
    ring: Box<[u32]>,
    first: u16,
    len: u16,
}

impl SlidingWindow {
    /// A window whose first request is served at `now`.
    pub fn opened(now: u64) -> SlidingWindow {
        SlidingWindow { newest: now, ring: Box::default(), first: 0, len: 0 }
    }

    /// Serves a request at `now`, or says how long to wait.
    ///
    /// # Errors
    /// [`Refused`] when `quota.requests` are remembered. Nothing is counted then.
    pub fn ask(&mut self, now: u64, quota: Quota) -> Result<Served, Refused> {
        if self.is_idle(now, quota) {
            (self.newest, self.len) = (now, 0);
            return Ok(self.standing(now, quota));
        }
        self.forget(now, quota);
        if self.remembered() >= quota.requests {
            return Err(Refused { wait: self.frees_in(now, quota) });
        }
        self.push(self.newest as u32, quota);
        self.newest = now;
        Ok(self.standing(now, quota))
    }

    /// What the next request will find.
    pub fn standing(&self, now: u64, quota: Quota) -> Served {
        Served { left: quota.requests - self.remembered(), frees_in: self.frees_in(now, quota) }
    }

    /// Whether everything may be forgotten.
    pub fn is_idle(&self, now: u64, quota: Quota) -> bool {
        now - self.newest >= quota.window
    }

    /// Ticks until [`SlidingWindow::is_idle`], when nothing more is served.
    pub fn idle_in(&self, now: u64, quota: Quota) -> u64 {
        quota.window.saturating_sub(now - self.newest)
    }

    /// Bytes allocated besides the value itself.
    pub fn bytes_allocated(&self) -> usize {
        size_of_val(&*self.ring)
    }

    /// The most that [`SlidingWindow::bytes_allocated`] can become.
    pub fn bytes_allocated_max(quota: Quota) -> usize {
        (usize::from(quota.requests) - 1) * size_of::<u32>()
    }

    fn remembered(&self) -> u16 {
        self.len + 1
    }

    /// Ticks until the oldest remembered serving leaves the window.
    fn frees_in(&self, now: u64, quota: Quota) -> u64 {
        quota.window - if self.len == 0 { now - self.newest } else { self.age_of_first(now) }
    }

    fn forget(&mut self, now: u64, quota: Quota) {
        while self.len > 0 && self.age_of_first(now) >= quota.window {
            self.first = (self.first + 1) % self.ring.len() as u16;
            self.len -= 1;
        }
    }

    fn age_of_first(&self, now: u64) -> u64 {
        u64::from((now as u32).wrapping_sub(self.ring[usize::from(self.first)]))
    }

    fn push(&mut self, stamp: u32, quota: Quota) {
        if usize::from(self.len) == self.ring.len() {
            self.grow(usize::from(quota.requests) - 1);
        }
        let end = (usize::from(self.first) + usize::from(self.len)) % self.ring.len();
        self.ring[end] = stamp;
        self.len += 1;
    }

    /// Doubles the ring, which is full, to at most `len_max` stamps.
    fn grow(&mut self, len_max: usize) {
        let mut ring = vec![0; (self.ring.len() * 2).max(RING_LEN_MIN).min(len_max)].into_boxed_slice();
        let (wrapped, front) = self.ring.split_at(usize::from(self.first));
        ring[..front.len()].copy_from_slice(front);
        ring[front.len()..front.len() + wrapped.len()].copy_from_slice(wrapped);
        (self.ring, self.first) = (ring, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The definition, with all servings remembered for ever.
    struct Naive {
        quota: Quota,
        served: Vec<u64>,
    }

    impl Naive {
        fn in_window(&self, now: u64) -> Vec<u64> {
            self.served.iter().copied().filter(|&at| now - at < self.quota.window).collect()
        }

        fn ask(&mut self, now: u64) -> Result<Served, Refused> {
            let frees_in = |oldest: u64| oldest + self.quota.window - now;
            let recent = self.in_window(now);
            if recent.len() >= usize::from(self.quota.requests) {
                return Err(Refused { wait: frees_in(recent[0]) });
            }
            let oldest = recent.first().copied().unwrap_or(now);
            self.served.push(now);
            Ok(Served { left: self.quota.requests - recent.len() as u16 - 1, frees_in: frees_in(oldest) })
        }
    }

    /// Asks after each gap; compares with the definition; then slides a window over every position.
    fn check(quota: Quota, start: u64, gaps: &[u64]) {
        let mut naive = Naive { quota, served: vec![start] };
        let mut window = SlidingWindow::opened(start);
        let mut now = start;
        for &gap in gaps {
            now += gap;
            let expected = naive.ask(now);
            assert_eq!(window.ask(now, quota), expected, "at {now} of {gaps:?}");
            if let Err(Refused { wait }) = expected {
                let (mut early, mut in_time) = (window.copied(), window.copied());
                assert!(early.ask(now + wait - 1, quota).is_err(), "a tick before the wait is over");
                assert!(in_time.ask(now + wait, quota).is_ok(), "after the wait");
            }
        }
        // A window that holds most begins at a serving.
        for (index, &first) in naive.served.iter().enumerate() {
            let held = naive.served[index..].iter().take_while(|&&at| at - first < quota.window).count();
            assert!(held <= usize::from(quota.requests), "{held} from {first} on");
        }
        assert!(window.bytes_allocated() <= 4 * usize::from(quota.requests - 1));
    }

    impl SlidingWindow {
        fn copied(&self) -> SlidingWindow {
            SlidingWindow { ring: self.ring.clone(), ..*self }
        }
    }

    proptest! {
        #[test]
        fn small_windows_agree_with_the_definition(
            requests in 1u16..8,
            window in 1u64..30,
            gaps in vec(0u64..12, 0..200),
            // Where the low half of a tick wraps, too.
            start in prop_oneof![Just(0), (u64::from(u32::MAX) - 100)..u64::from(u32::MAX) + 2],
        ) {
            check(Quota { requests, window }, start, &gaps);
        }

        #[test]
        fn a_hundred_in_a_minute_agrees_with_the_definition(
            // Bursts, steady traffic just below and above the rate, and pauses around the window's length.
            gaps in vec(prop_oneof![4 => 0u64..3, 4 => 500u64..700, 1 => 59_990u64..60_010, 1 => 0u64..200_000], 0..600),
        ) {
            check(Quota { requests: 100, window: 60_000 }, 0, &gaps);
        }
    }

    #[test]
    fn the_hundred_and_first_waits_for_the_first_to_leave() {
        let quota = Quota { requests: 100, window: 60_000 };
        let mut window = SlidingWindow::opened(0);
        for left in (0..99).rev() {
            assert_eq!(window.ask(10, quota).map(|served| served.left), Ok(left));
        }
        for now in [10, 11, 59_999] {
            assert_eq!(window.ask(now, quota), Err(Refused { wait: 60_000 - now }));
        }
        assert_eq!(window.ask(60_000, quota), Ok(Served { left: 0, frees_in: 10 }));
        assert_eq!(window.ask(60_001, quota), Err(Refused { wait: 9 }));
    }

    #[test]
    fn the_flaw_of_a_fixed_window_is_not_here() {
        // 100 in the last second of one minute and 100 in the first of the next: 200 within two seconds.
        let quota = Quota { requests: 100, window: 60_000 };
        let mut window = SlidingWindow::opened(59_000);
        let served = (0..199).filter(|_| window.ask(60_500, quota).is_ok()).count();
        assert_eq!(served, 99);
    }

    #[test]
    fn a_client_that_comes_once_allocates_nothing_and_others_what_they_need() {
        let quota = Quota { requests: 100, window: 60_000 };
        let mut window = SlidingWindow::opened(0);
        let mut held = vec![window.bytes_allocated()];
        for _ in 0..99 {
            window.ask(1, quota).expect("within the quota");
            held.push(window.bytes_allocated());
        }
        held.dedup();
        assert_eq!(held, [0, 16, 32, 64, 128, 256, 396]);
    }

    #[test]
    fn the_longest_window_and_the_longest_pause_are_told_apart() {
        let quota = Quota { requests: 2, window: WINDOW_TICKS_MAX };
        let mut window = SlidingWindow::opened(5);
        assert!(window.ask(5, quota).is_ok());
        assert_eq!(window.ask(4 + WINDOW_TICKS_MAX, quota), Err(Refused { wait: 1 }));
        // Exactly one turn of the low half later, both look as if they had just happened.
        assert!(window.is_idle(5 + (1 << 32), quota));
        assert_eq!(window.ask(5 + (1 << 32), quota).map(|served| served.left), Ok(1));
    }
}
