//! Owns webhooks in memory: maps behind one lock, in the order of their names, which is the order of time.
//!
//! The one idea: `due` holds what is pending, for each endpoint in the order in which it is due. A claim looks at the first of
//! each, so it costs as much as there are endpoints, however much is pending.
//!
//! Never: holds the lock over an await; survives its process.
//! Invariants: a delivery is in `due` while and only while it is pending; its message and its endpoint are there.
//! Limits: [`Bounds`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    ATTEMPTS_MAX, Backlog, Bounds, Change, Claim, Claimed, Finished, Key, Logged, NewMessage, Published, StoreError,
    after, before, silence,
};
use crate::app::webhooks::clock::Clock;
use crate::app::webhooks::domain::event::EventType;
use crate::app::webhooks::domain::retry::Verdict;
use crate::app::webhooks::domain::url::URL_BYTES_MAX;
use crate::app::webhooks::domain::{
    Attempt, Delivery, DeliveryId, Disabled, ERROR_CHARS_MAX, Endpoint, EndpointId, Message, MessageId, PREVIOUS_MAX,
    Previous, State,
};
use crate::net::lock::lock;

/// A delivery without its texts: what maps and sets take of it, measured and rounded up.
const DELIVERY_BYTES: u64 = 512;

/// An attempt without its text.
const ATTEMPT_BYTES: u64 = 96;

/// What an endpoint takes besides its URL: patterns, description, secrets.
const ENDPOINT_BYTES: u64 = 4 * 1024;

pub(super) struct Memory {
    bounds: Bounds,
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    endpoints: BTreeMap<EndpointId, Endpoint>,
    messages: BTreeMap<MessageId, Stored>,
    deliveries: BTreeMap<DeliveryId, Row>,
    keys: HashMap<String, ([u8; 32], MessageId)>,
    /// How many deliveries of a message are pending: those that are not finished.
    unfinished: HashMap<MessageId, usize>,
    due: BTreeMap<EndpointId, BTreeSet<(Timestamp, DeliveryId)>>,
    /// What is at work, and until when at most.
    leased: HashMap<DeliveryId, (EndpointId, Timestamp)>,
}

struct Stored {
    message: Message,
    deliveries: Vec<DeliveryId>,
}

struct Row {
    delivery: Delivery,
    attempts: Vec<Attempt>,
    number: u32,
    fence: i64,
}

impl Memory {
    pub(super) fn new(bounds: Bounds, clock: Clock) -> Memory {
        Memory { bounds, clock, kept: Mutex::default() }
    }

    /// Each message may go to each endpoint, but no more are kept than may be pending, and one message more.
    pub(super) fn bytes_max(bounds: &Bounds, payload_bytes_max: u64) -> u64 {
        let (endpoints, messages) = (bounds.endpoints_max as u64, bounds.messages_max as u64);
        let deliveries = deliveries_max(bounds) as u64;
        let attempts = u64::from(ATTEMPTS_MAX) * (ATTEMPT_BYTES + 4 * ERROR_CHARS_MAX as u64);
        endpoints * (ENDPOINT_BYTES + URL_BYTES_MAX as u64)
            + messages * (payload_bytes_max + 1024)
            + deliveries * (DELIVERY_BYTES + attempts)
    }

    pub(super) fn add(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let mut kept = lock(&self.kept);
        if kept.endpoints.len() >= self.bounds.endpoints_max {
            return Err(StoreError::EndpointsFull);
        }
        kept.endpoints.insert(endpoint.id, endpoint.clone());
        Ok(())
    }

    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        Ok(lock(&self.kept).endpoints.values().cloned().collect())
    }

    pub(super) fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        Ok(lock(&self.kept).endpoints.get(&id).cloned())
    }

    pub(super) fn change(&self, id: EndpointId, change: &Change) -> Result<Option<Endpoint>, StoreError> {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        let Some(endpoint) = kept.endpoints.get_mut(&id) else { return Ok(None) };
        let Change { url, events, description, enabled, secret } = change;
        if let Some((secret, overlap)) = secret {
            endpoint.previous.retain(|previous| now < previous.until);
            if endpoint.previous.len() >= PREVIOUS_MAX {
                return Err(StoreError::Rotated);
            }
            let before = std::mem::replace(&mut endpoint.secret, secret.clone());
            endpoint.previous.insert(0, Previous { secret: before, until: after(now, *overlap) });
        }
        endpoint.url = url.clone().unwrap_or_else(|| endpoint.url.clone());
        endpoint.events = events.clone().unwrap_or_else(|| endpoint.events.clone());
        endpoint.description = description.clone().unwrap_or_else(|| endpoint.description.clone());
        match enabled {
            Some(true) => (endpoint.disabled, endpoint.failing_since, endpoint.failed_at) = (None, None, None),
            Some(false) => kept.disable(id, Disabled::ByOwner, now),
            None => {}
        }
        Ok(kept.endpoints.get(&id).cloned())
    }

    pub(super) fn remove(&self, id: EndpointId) -> Result<bool, StoreError> {
        let mut kept = lock(&self.kept);
        let was_there = kept.endpoints.remove(&id).is_some();
        for (_, delivery) in kept.due.get(&id).cloned().unwrap_or_default() {
            kept.leave_due(delivery);
        }
        kept.deliveries.retain(|_, row| row.delivery.endpoint != id);
        kept.leased.retain(|_, (endpoint, _)| *endpoint != id);
        let Kept { messages, deliveries, .. } = &mut *kept;
        for stored in messages.values_mut() {
            stored.deliveries.retain(|delivery| deliveries.contains_key(delivery));
        }
        Ok(was_there)
    }

    pub(super) fn publish(&self, new: &NewMessage) -> Result<Published, StoreError> {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        if let Some(earlier) = kept.earlier(new.key.as_ref())? {
            return Ok(earlier);
        }
        let endpoints = kept.wanting(&self.bounds, &new.event_type);
        let count = endpoints.len();
        let pending = endpoints.iter().filter(|(_, has_room)| *has_room).count();
        if kept.pending() + pending > self.bounds.pending_max || !kept.make_room(&self.bounds, count) {
            return Err(StoreError::PendingFull);
        }
        let message = Message {
            id: MessageId::new(now),
            event_type: new.event_type.clone(),
            payload: new.payload.clone(),
            created_at: now,
        };
        let add = |(endpoint, has_room)| kept.add_delivery(message.id, endpoint, has_room, now);
        let deliveries = endpoints.into_iter().map(add).collect();
        if let Some(Key { text, request }) = &new.key {
            kept.keys.insert(text.clone(), (*request, message.id));
        }
        kept.messages.insert(message.id, Stored { message: message.clone(), deliveries });
        Ok(Published { message, deliveries: count, overflowed: count - pending, is_new: true })
    }

    pub(super) fn message(&self, id: MessageId) -> Result<Option<(Message, Vec<Logged>)>, StoreError> {
        let kept = lock(&self.kept);
        let Some(stored) = kept.messages.get(&id) else { return Ok(None) };
        let deliveries = stored.deliveries.iter().filter_map(|id| kept.deliveries.get(id)).map(Row::logged);
        Ok(Some((stored.message.clone(), deliveries.collect())))
    }

    pub(super) fn latest(&self) -> Result<Option<MessageId>, StoreError> {
        Ok(lock(&self.kept).messages.last_key_value().map(|(id, _)| *id))
    }

    pub(super) fn deliveries(&self, id: EndpointId, limit: usize) -> Result<Option<Vec<Logged>>, StoreError> {
        let kept = lock(&self.kept);
        if !kept.endpoints.contains_key(&id) {
            return Ok(None);
        }
        let of_it = kept.deliveries.values().rev().filter(|row| row.delivery.endpoint == id);
        Ok(Some(of_it.take(limit).map(Row::logged).collect()))
    }

    pub(super) fn replay(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        let Some(row) = kept.deliveries.get(&id) else { return Ok(None) };
        let endpoint = row.delivery.endpoint;
        if kept.endpoints.get(&endpoint).is_none_or(|endpoint| endpoint.disabled.is_some()) {
            return Err(StoreError::Disabled);
        }
        let at_endpoint = kept.due.get(&endpoint).map_or(0, BTreeSet::len);
        let is_full = kept.pending() >= self.bounds.pending_max || at_endpoint >= self.bounds.pending_at_endpoint_max;
        if row.delivery.state != State::Pending && is_full {
            return Err(StoreError::PendingFull);
        }
        kept.leave_due(id);
        kept.leased.remove(&id);
        let Some(row) = kept.deliveries.get_mut(&id) else { return Ok(None) };
        row.delivery = Delivery { state: State::Pending, tries: 0, finished_at: None, ..row.delivery.clone() };
        kept.enter_due(id, now);
        Ok(kept.deliveries.get(&id).map(|row| row.delivery.clone()))
    }

    pub(super) fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        let chosen = kept.choose(claim, now);
        Ok(chosen.into_iter().filter_map(|id| kept.lease(id, after(now, claim.lease))).collect())
    }

    pub(super) fn finish(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        verdict: Verdict,
        failing_max: Duration,
    ) -> Result<Option<Finished>, StoreError> {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        if !kept.give_back(claimed) {
            return Ok(None);
        }
        let Some(row) = kept.deliveries.get_mut(&claimed.delivery) else { return Ok(None) };
        row.attempted(attempt);
        let was_pending = row.delivery.state == State::Pending;
        if was_pending {
            kept.settle(claimed.delivery, verdict, now);
        }
        let disabled = kept.judge(claimed.endpoint.id, verdict, failing_max, now);
        Ok(kept.deliveries.get(&claimed.delivery).map(|row| Finished { state: row.delivery.state, disabled }))
    }

    pub(super) fn release(&self, claimed: &Claimed) -> Result<(), StoreError> {
        lock(&self.kept).give_back(claimed);
        Ok(())
    }

    pub(super) fn backlog(&self) -> Result<Backlog, StoreError> {
        let now = self.clock.now();
        let kept = lock(&self.kept);
        let at_work = kept.leased.values().filter(|(_, until)| now < *until).count() as u64;
        let first = kept.due.values().filter_map(BTreeSet::first).map(|(at, _)| *at).min();
        let oldest = first.map_or(Duration::ZERO, |at| Duration::try_from(now.duration_since(at)).unwrap_or_default());
        Ok(Backlog { pending: kept.pending() as u64, at_work, oldest })
    }

    /// What is old goes when there is something new.
    pub(super) fn sweep(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// Deliveries that are kept, finished ones included.
fn deliveries_max(bounds: &Bounds) -> usize {
    2 * bounds.pending_max
}

impl Kept {
    fn earlier(&self, key: Option<&Key>) -> Result<Option<Published>, StoreError> {
        let Some((key, (request, id))) = key.and_then(|key| Some((key, self.keys.get(&key.text)?))) else {
            return Ok(None);
        };
        if *request != key.request {
            return Err(StoreError::KeyReused);
        }
        let earlier = self.messages.get(id).map(|stored| Published {
            message: stored.message.clone(),
            deliveries: stored.deliveries.len(),
            overflowed: 0,
            is_new: false,
        });
        Ok(earlier)
    }

    fn pending(&self) -> usize {
        self.due.values().map(BTreeSet::len).sum()
    }

    /// Who wants such an event, and whether there is room for it there.
    fn wanting(&self, bounds: &Bounds, event_type: &EventType) -> Vec<(EndpointId, bool)> {
        let is_wanting = |endpoint: &&Endpoint| endpoint.disabled.is_none() && endpoint.events.wants(event_type);
        let endpoints: Vec<&Endpoint> = self.endpoints.values().filter(is_wanting).collect();
        let free = bounds.pending_max.saturating_sub(self.pending() + endpoints.len());
        // A message that is not finished keeps its place, too.
        let free = free.min(bounds.messages_max.saturating_sub(self.unfinished.len() + 1));
        let has_room = |endpoint: &Endpoint| {
            let pending = self.due.get(&endpoint.id).map_or(0, BTreeSet::len);
            pending < bounds.share(endpoint.failing_since.is_some(), free)
        };
        endpoints.into_iter().map(|endpoint| (endpoint.id, has_room(endpoint))).collect()
    }

    /// Forgets the oldest messages that are finished, until there is room for one with so many deliveries. Whether there is.
    fn make_room(&mut self, bounds: &Bounds, deliveries: usize) -> bool {
        let is_fitting = |kept: &Kept| {
            kept.messages.len() < bounds.messages_max && kept.deliveries.len() + deliveries <= deliveries_max(bounds)
        };
        while !is_fitting(self) {
            let oldest = self.messages.keys().find(|id| !self.unfinished.contains_key(id)).copied();
            let Some(stored) = oldest.and_then(|id| self.messages.remove(&id)) else { return false };
            for id in &stored.deliveries {
                self.deliveries.remove(id);
            }
            self.keys.retain(|_, (_, message)| *message != stored.message.id);
        }
        true
    }

    fn add_delivery(&mut self, message: MessageId, endpoint: EndpointId, has_room: bool, now: Timestamp) -> DeliveryId {
        let id = DeliveryId::new(now);
        let delivery = Delivery {
            id,
            message,
            endpoint,
            state: if has_room { State::Pending } else { State::Failed },
            tries: 0,
            next_at: None,
            finished_at: (!has_room).then_some(now),
            last: None,
        };
        self.deliveries.insert(id, Row { delivery, attempts: Vec::new(), number: 0, fence: 0 });
        if has_room {
            self.enter_due(id, now);
        }
        id
    }

    /// What a claim gets: of each endpoint the first that are due; of those the ones of endpoints with the least at work; of
    /// those no more at one host than may be.
    fn choose(&self, claim: &Claim, now: Timestamp) -> Vec<DeliveryId> {
        let (mut at_host, mut at_endpoint) = (HashMap::<String, usize>::new(), HashMap::<EndpointId, usize>::new());
        for (endpoint, _) in self.leased.values().filter(|(_, until)| now < *until) {
            *at_endpoint.entry(*endpoint).or_default() += 1;
            if let Some(endpoint) = self.endpoints.get(endpoint) {
                *at_host.entry(endpoint.url.host()).or_default() += 1;
            }
        }
        let mut candidates = Vec::new();
        for (id, due) in &self.due {
            let Some(endpoint) = self.endpoints.get(id) else { continue };
            let (host, busy) = (endpoint.url.host(), at_endpoint.get(id).copied().unwrap_or_default());
            let is_free = |delivery: &DeliveryId| self.leased.get(delivery).is_none_or(|(_, until)| *until <= now);
            let ready = due.iter().take_while(|(at, _)| *at <= now).filter(|(_, delivery)| is_free(delivery));
            let ready = ready.take(claim.limit).enumerate();
            candidates.extend(ready.map(|(turn, (at, delivery))| (busy + turn, *at, *delivery, host.clone())));
        }
        candidates.sort_unstable();
        let mut has_place = |host: &String| {
            let exception = claim.hosts.iter().find(|(name, _)| name == host).map(|(_, max)| *max);
            let used = at_host.entry(host.clone()).or_default();
            *used += 1;
            *used <= exception.unwrap_or(claim.at_host_max)
        };
        let chosen = candidates.into_iter().filter(|(.., host)| has_place(host)).map(|(_, _, id, _)| id);
        chosen.take(claim.limit).collect()
    }

    fn lease(&mut self, id: DeliveryId, until: Timestamp) -> Option<Claimed> {
        let row = self.deliveries.get_mut(&id)?;
        row.fence += 1;
        self.leased.insert(id, (row.delivery.endpoint, until));
        Some(Claimed {
            delivery: id,
            fence: row.fence,
            tries: row.delivery.tries,
            attempts: row.number,
            message: self.messages.get(&row.delivery.message)?.message.clone(),
            endpoint: self.endpoints.get(&row.delivery.endpoint)?.clone(),
        })
    }

    /// Ends a lease. Whether it was still this claimant's.
    fn give_back(&mut self, claimed: &Claimed) -> bool {
        let is_ours = self.deliveries.get(&claimed.delivery).is_some_and(|row| row.fence == claimed.fence);
        is_ours && self.leased.remove(&claimed.delivery).is_some()
    }

    /// Puts a delivery among those that are due, at `at`.
    fn enter_due(&mut self, id: DeliveryId, at: Timestamp) {
        let Some(row) = self.deliveries.get_mut(&id) else { return };
        row.delivery.next_at = Some(at);
        if self.due.entry(row.delivery.endpoint).or_default().insert((at, id)) {
            *self.unfinished.entry(row.delivery.message).or_default() += 1;
        }
    }

    /// Takes a delivery out of those that are due.
    fn leave_due(&mut self, id: DeliveryId) {
        let Some(row) = self.deliveries.get_mut(&id) else { return };
        let Delivery { endpoint, message, .. } = row.delivery;
        let Some(at) = row.delivery.next_at.take() else { return };
        if let Some(due) = self.due.get_mut(&endpoint) {
            due.remove(&(at, id));
            if due.is_empty() {
                self.due.remove(&endpoint);
            }
        }
        if let Some(count) = self.unfinished.get_mut(&message) {
            *count -= 1;
            if *count == 0 {
                self.unfinished.remove(&message);
            }
        }
    }

    fn settle(&mut self, id: DeliveryId, verdict: Verdict, now: Timestamp) {
        self.leave_due(id);
        let Some(row) = self.deliveries.get_mut(&id) else { return };
        let delivery = &mut row.delivery;
        delivery.finished_at = Some(now);
        match verdict {
            Verdict::Delivered => delivery.state = State::Delivered,
            Verdict::Gone | Verdict::GivenUp => delivery.state = State::Failed,
            Verdict::Again(wait) => {
                delivery.finished_at = None;
                self.enter_due(id, after(now, wait));
            }
        }
    }

    /// What an attempt means for its endpoint. Whether it was disabled.
    fn judge(&mut self, id: EndpointId, verdict: Verdict, failing_max: Duration, now: Timestamp) -> bool {
        let Some(endpoint) = self.endpoints.get_mut(&id).filter(|endpoint| endpoint.disabled.is_none()) else {
            return false;
        };
        let why = match verdict {
            Verdict::Delivered => {
                (endpoint.failing_since, endpoint.failed_at) = (None, None);
                return false;
            }
            Verdict::Gone => Disabled::Gone,
            Verdict::Again(_) | Verdict::GivenUp => Disabled::Failing,
        };
        let quiet = before(now, silence(failing_max));
        let since = endpoint.failing_since.filter(|_| endpoint.failed_at.is_some_and(|at| quiet <= at)).unwrap_or(now);
        (endpoint.failing_since, endpoint.failed_at) = (Some(since), Some(now));
        if why == Disabled::Failing && since > before(now, failing_max) {
            return false;
        }
        self.disable(id, why, now);
        true
    }

    /// Nothing is sent any more, and what was to be is cancelled; what is at work comes to its end.
    fn disable(&mut self, id: EndpointId, why: Disabled, now: Timestamp) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.disabled = Some(why);
        }
        for (_, delivery) in self.due.get(&id).cloned().unwrap_or_default() {
            self.leave_due(delivery);
            if let Some(row) = self.deliveries.get_mut(&delivery) {
                (row.delivery.state, row.delivery.finished_at) = (State::Cancelled, Some(now));
            }
        }
    }
}

impl Row {
    fn logged(&self) -> Logged {
        Logged { delivery: self.delivery.clone(), attempts: self.attempts.clone() }
    }

    fn attempted(&mut self, attempt: &Attempt) {
        self.delivery.tries += 1;
        self.number = attempt.number;
        self.delivery.last = Some(attempt.clone());
        if self.attempts.len() >= ATTEMPTS_MAX as usize {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt.clone());
    }
}
