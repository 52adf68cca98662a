//! Owns the workers: who takes what is due, sends it, and writes down what came of it.
//!
//! ```text
//!   free workers? ──claim(at most so many)──> store ──> Claimed ──permit of the host's circuit──> worker: send ─ decide ─ write
//!        ^                                                             └ none: given back              │
//!        └── a worker is free · an event came · a retry is due · POLL ─────────────────────────────────┘
//! ```
//!
//! The one idea: nothing is claimed that nobody is free for. So what waits is in the store, where all nodes see it, and a node
//! that dies takes no more with it than it has workers.
//!
//! Shutdown: with PostgreSQL nothing more is claimed, and what is at work ends within `drain` or is given back; the rest is
//! pending and is found by the next start, or another node. In memory the work goes on for `drain`, since nobody else will do
//! it, and what is left then is said to be lost.
//!
//! Never: holds a claim longer than its lease: an attempt ends before.
//! Invariants: at most `workers` attempts at a time; a free worker and something due and no open circuit do not last.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::WebhooksConfig;
use super::clock::Chance;
use super::domain::retry::Verdict;
use super::metrics::Metrics;
use super::monitor::{Change, Circuit, Monitor};
use super::sender::{Health, Outcome, Sender};
use super::store::{Claim, Claimed, Finished, SWEPT_MAX, Store, StoreError};
use crate::http::client::breaker::{self, Breakers, Permit};
use crate::net::shutdown::Shutdown;

/// Between two looks at what nobody has told of: retries, leases of nodes that have died, events of other nodes.
const POLL: Duration = Duration::from_secs(1);

/// Before a store that did not answer is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Of a lease, for the rest of an answer and for writing down what came of an attempt.
const WRITE_TIME: Duration = Duration::from_secs(1);

/// Between two looks at how much there is to do, for the metrics.
const LOOK: Duration = Duration::from_secs(5);

/// Between two sweeps of what is old, when nothing is left that is.
const SWEEP: Duration = Duration::from_secs(600);

/// Between two sweeps while there is more: others want the database, too.
const SWEEP_PAUSE: Duration = Duration::from_millis(200);

/// What the workers share.
pub(super) struct Shared {
    pub(super) config: WebhooksConfig,
    pub(super) store: Store,
    pub(super) sender: Sender,
    pub(super) breakers: Breakers<String>,
    pub(super) monitor: Monitor,
    pub(super) metrics: Metrics,
    pub(super) chance: Chance,
    /// Told when something has come that is due.
    pub(super) wake: Notify,
}

/// Runs until `shutdown` or `ended` say so, and what is at work has ended. Events are taken whether or not anybody sends them,
/// so who sends is never missing for long: should he panic, another one begins, and finds what was at work when its lease ends.
pub(super) async fn run(shared: Arc<Shared>, shutdown: Shutdown, ended: Shutdown) {
    loop {
        let shift = tokio::spawn(shift(Arc::clone(&shared), shutdown.clone(), ended.clone()));
        match shift.await {
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "who sends the webhooks has panicked: another one begins");
                (0..shared.config.workers).for_each(|number| shared.monitor.end(number));
                sleep(STORE_PAUSE).await;
            }
            _ => return,
        }
    }
}

async fn shift(shared: Arc<Shared>, shutdown: Shutdown, ended: Shutdown) {
    let mut crew = Crew::new(&shared);
    let stopping = async {
        tokio::select! {
            () = shutdown.draining() => {}
            () = ended.draining() => {}
        }
    };
    let mut stopping = pin!(stopping);
    tokio::select! {
        () = crew.work(stopping.as_mut()) => {}
        () = look(&shared) => {}
        () = sweep(&shared.store) => {}
    }
    let drained = async {
        tokio::select! {
            _ = timeout(shared.config.drain, crew.drain()) => {}
            () = shutdown.forced() => {}
        }
    };
    drained.await;
    crew.leave().await;
}

/// Counts what there is to do. Never ends.
async fn look(shared: &Shared) {
    loop {
        shared.breakers.forget();
        let circuits = shared.look_at_circuits();
        if let Ok(backlog) = shared.store.backlog().await {
            let open = circuits.iter().filter(|circuit| circuit.retry_in_ms.is_some()).count();
            shared.metrics.look(&backlog, open, circuits.len() - open);
        }
        sleep(LOOK).await;
    }
}

/// Forgets what is old, a little at a time. Never ends.
async fn sweep(store: &Store) {
    loop {
        let swept =
            store.sweep().await.inspect_err(|error| tracing::debug!(%error, "old webhooks are forgotten later"));
        let has_more = swept.is_ok_and(|swept| swept >= SWEPT_MAX);
        sleep(if has_more { SWEEP_PAUSE } else { SWEEP }).await;
    }
}

impl Shared {
    /// Tells those who watch which hosts are left alone: all of them.
    fn look_at_circuits(&self) -> Vec<Circuit> {
        let mut circuits = Vec::new();
        self.breakers.each(|host, snapshot| {
            let state = match snapshot.state {
                breaker::State::Open => "open",
                breaker::State::HalfOpen => "half_open",
                breaker::State::Closed => return,
            };
            let retry_in_ms = snapshot.retry_after.map(millis);
            circuits.push(Circuit { host: host.clone(), state, retry_in_ms, opened: snapshot.opened });
        });
        self.monitor.circuits(circuits.clone());
        circuits
    }
}

/// The workers, as seen by who sends them to work.
struct Crew<'a> {
    shared: &'a Arc<Shared>,
    at_work: JoinSet<Option<Duration>>,
    /// What each is at, and its number.
    claimed: HashMap<Id, (usize, Claimed)>,
    free: Vec<usize>,
    /// When the first retry that a worker has told of is due.
    retry_at: Option<Instant>,
}

impl<'a> Crew<'a> {
    fn new(shared: &'a Arc<Shared>) -> Crew<'a> {
        // The first is the last to be taken.
        let free = (0..shared.config.workers).rev().collect();
        Crew { shared, at_work: JoinSet::new(), claimed: HashMap::new(), free, retry_at: None }
    }

    /// Claims and sends, until `stopping` is over. A claim is not broken off: what it has got would be nobody's.
    async fn work(&mut self, mut stopping: Pin<&mut impl Future<Output = ()>>) {
        loop {
            self.send_out().await;
            tokio::select! {
                biased;
                () = &mut stopping => return,
                () = self.wait() => {}
            }
        }
    }

    /// Ends what is to be ended. With a store that survives, that is what is at work.
    async fn drain(&mut self) {
        let goes_on = self.shared.store.is_memory();
        loop {
            if goes_on {
                self.send_out().await;
            }
            if self.at_work.is_empty() {
                return;
            }
            self.join().await;
        }
    }

    /// Stops whoever is still at work, and says what is lost.
    async fn leave(mut self) {
        self.at_work.shutdown().await;
        for (number, claimed) in std::mem::take(&mut self.claimed).into_values() {
            self.shared.monitor.end(number);
            // Otherwise the lease ends by itself.
            let _ = self.shared.store.release(&claimed).await;
        }
        let Ok(backlog) = self.shared.store.backlog().await else { return };
        if backlog.pending == 0 {
            return;
        }
        if self.shared.store.is_memory() {
            tracing::warn!(lost = backlog.pending, "webhooks were pending in memory: they are lost");
        } else {
            tracing::info!(
                pending = backlog.pending,
                "webhooks are pending: the next start, or another node, sends them"
            );
        }
    }

    /// Sends free workers out, as many as there is something to do for.
    async fn send_out(&mut self) {
        while !self.free.is_empty() {
            let claim = self.claim();
            // Before the store is asked: so it ends here no later than there.
            let ends = Instant::now() + claim.lease;
            let claimed = match self.shared.store.claim(&claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::debug!(%error, "nothing could be claimed");
                    self.retry_at = earlier(self.retry_at, Instant::now() + STORE_PAUSE);
                    return;
                }
            };
            let is_all = claimed.len() < claim.limit;
            let mut begun = 0;
            for one in claimed {
                begun += usize::from(self.begin(one, ends).await);
            }
            // Of those that were all given back the next claim may bring the same.
            if is_all || begun == 0 {
                return;
            }
        }
    }

    fn claim(&self) -> Claim {
        let mut hosts = Vec::new();
        self.shared.breakers.each(|host, snapshot| match snapshot.state {
            breaker::State::Open => hosts.push((host.clone(), 0)),
            breaker::State::HalfOpen => {
                hosts.push((host.clone(), self.shared.config.breaker.half_open_permits as usize))
            }
            breaker::State::Closed => {}
        });
        let WebhooksConfig { at_host_max, lease, .. } = self.shared.config;
        Claim { limit: self.free.len(), at_host_max, hosts, lease }
    }

    /// Whether somebody is at it now. A worker is taken only once it is sure that there is something to do.
    async fn begin(&mut self, claimed: Claimed, ends: Instant) -> bool {
        let Ok(permit) = self.shared.breakers.of(&claimed.endpoint.url.host()).permit() else {
            // Its circuit has opened since. When it may be tried again, the claim will say.
            let _ = self.shared.store.release(&claimed).await;
            return false;
        };
        let number = self.free.pop().expect("no more is claimed than workers are free");
        self.shared.monitor.begin(number, &claimed);
        let attempt = attempt(Arc::clone(self.shared), claimed.clone(), permit, ends);
        let id = self.at_work.spawn(attempt).id();
        self.claimed.insert(id, (number, claimed));
        true
    }

    /// Waits until there may be something to do for somebody who is free.
    async fn wait(&mut self) {
        let poll = Instant::now() + POLL;
        let until = self.retry_at.map_or(poll, |at| at.min(poll));
        let (shared, is_free) = (self.shared, !self.free.is_empty());
        tokio::select! {
            () = self.join(), if !self.at_work.is_empty() => {}
            () = shared.wake.notified(), if is_free => {}
            () = sleep_until(until), if is_free => {}
        }
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.retry_at = None;
        }
    }

    /// Waits for one who is ready, and takes back all who are.
    async fn join(&mut self) {
        let mut joined = self.at_work.join_next_with_id().await;
        while let Some(ended) = joined {
            let (id, again) = match ended {
                Ok((id, again)) => (id, again),
                Err(error) => {
                    tracing::error!(%error, "an attempt has panicked: it is made again when its lease is over");
                    (error.id(), None)
                }
            };
            if let Some(again) = again {
                self.retry_at = earlier(self.retry_at, Instant::now() + again);
            }
            if let Some((number, _)) = self.claimed.remove(&id) {
                self.shared.monitor.end(number);
                self.free.push(number);
            }
            joined = self.at_work.try_join_next_with_id();
        }
    }
}

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// Sends and writes down. How long until it is tried again, if it is.
async fn attempt(shared: Arc<Shared>, claimed: Claimed, permit: Permit, ends: Instant) -> Option<Duration> {
    let left = ends.saturating_duration_since(Instant::now()).saturating_sub(WRITE_TIME);
    let outcome = shared.sender.send(&claimed, left).await;
    let breaker = shared.breakers.of(&claimed.endpoint.url.host());
    let was = breaker.state();
    match (outcome.health, outcome.retry_after) {
        (Health::Well, _) => permit.success(),
        (Health::Ill, Some(wait)) => permit.failure_until(wait),
        (Health::Ill, None) => permit.failure(),
        (Health::Unknown, _) => drop(permit),
    }
    if breaker.state() != was {
        shared.look_at_circuits();
    }
    let chance = shared.chance.next();
    let verdict = shared.config.backoff.decide(outcome.attempt.status, outcome.retry_after, claimed.tries + 1, chance);
    shared.metrics.attempted(verdict, outcome.took);
    let Finished { state, disabled } = write_down(&shared, &claimed, &outcome, verdict, ends).await?;
    if disabled {
        shared.metrics.endpoints_disabled.inc();
        tracing::warn!(endpoint = %claimed.endpoint.id, "an endpoint is disabled: it is gone, or has failed for too long");
    }
    let again = if let Verdict::Again(wait) = verdict { Some(wait) } else { None };
    shared.monitor.tell(Change::Delivery {
        delivery: claimed.delivery,
        message: claimed.message.id,
        endpoint: claimed.endpoint.id,
        state,
        attempt: outcome.attempt,
        next_in_ms: again.map(millis),
        disabled,
    });
    again
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Writes an attempt down, until it is written or the lease is over: then another one makes it again, and this is `None`.
async fn write_down(
    shared: &Shared,
    claimed: &Claimed,
    outcome: &Outcome,
    verdict: Verdict,
    ends: Instant,
) -> Option<Finished> {
    loop {
        match shared.store.finish(claimed, &outcome.attempt, verdict, shared.config.failing_max).await {
            Ok(finished) => return finished,
            Err(StoreError::Unavailable(error)) if Instant::now() < ends => {
                tracing::debug!(%error, "an attempt is written down later");
                sleep(STORE_PAUSE).await;
            }
            Err(error) => {
                tracing::warn!(%error, delivery = %claimed.delivery, "an attempt was not written down: it is made again");
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::webhooks::domain::Endpoint;
    use crate::app::webhooks::domain::event::{EventType, Filter};
    use crate::app::webhooks::domain::signature::Secret;
    use crate::app::webhooks::domain::url::{EndpointUrl, Reach};
    use crate::app::webhooks::store::NewMessage;
    use crate::app::webhooks::{PublicOnly, Webhooks};

    #[tokio::test(start_paused = true)]
    async fn a_circuit_that_opens_behind_the_claim_costs_no_worker() {
        let config = WebhooksConfig::default();
        let store = Store::memory(config.store, config.clock.clone());
        let shared = Webhooks::idle(config, store, Shutdown::new(), PublicOnly::new(false)).shared;
        let url = EndpointUrl::parse("http://a.example/", Reach::Public).expect("a URL");
        let host = url.host();
        let now = shared.config.clock.now();
        let endpoint = Endpoint::new(now, url, Filter::all(), String::new(), Secret::random());
        shared.store.add(&endpoint).await.expect("room");
        let event_type = EventType::parse("a").expect("a type");
        let message = NewMessage { event_type, payload: "{}".into(), key: None };
        shared.store.publish(&message).await.expect("room");
        let mut crew = Crew::new(&shared);
        for _ in 0..20 {
            let claim = Claim { limit: 1, at_host_max: 4, hosts: Vec::new(), lease: shared.config.lease };
            let [claimed] = shared.store.claim(&claim).await.expect("a store").try_into().expect("given back");
            while let Ok(permit) = shared.breakers.of(&host).permit() {
                permit.failure();
            }
            assert!(!crew.begin(claimed, Instant::now() + claim.lease).await);
            assert_eq!((crew.free.len(), crew.at_work.len()), (shared.config.workers, 0));
        }
    }
}
