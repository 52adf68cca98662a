//! What every place that keeps webhooks does alike. Run over memory by the unit tests of `app::webhooks`, over PostgreSQL by
//! `tests/system/webhooks.rs`.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use firstbyte::app::webhooks::domain::event::{EventType, Filter};
use firstbyte::app::webhooks::domain::retry::Verdict;
use firstbyte::app::webhooks::domain::signature::Secret;
use firstbyte::app::webhooks::domain::url::{EndpointUrl, Reach};
use firstbyte::app::webhooks::domain::{Attempt, Disabled, Endpoint, EndpointId, PREVIOUS_MAX, State};
use firstbyte::app::webhooks::store::{
    ATTEMPTS_MAX, Bounds, Change, Claim, Claimed, Key, Logged, NewMessage, Published, Store, StoreError,
};
use jiff::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const DAYS: Duration = Duration::from_secs(3 * 24 * 3_600);

/// Few enough to be met.
pub const BOUNDS: Bounds = Bounds {
    endpoints_max: 6,
    pending_max: 40,
    pending_at_endpoint_max: 20,
    messages_max: 30,
    retention: Duration::from_secs(3_600),
};

/// Everything that is asked of a store. `open` opens an empty one, with [`BOUNDS`].
pub async fn store(open: impl AsyncFn() -> Store) {
    endpoints_are_kept_changed_and_forgotten(&open().await).await;
    endpoints_are_counted_though_many_come_at_once(&open().await).await;
    an_event_goes_to_whoever_wants_it(&open().await).await;
    one_key_is_one_event_though_many_come_at_once(&open().await).await;
    what_is_pending_is_bounded(&open().await).await;
    of_many_who_claim_each_gets_others(&open().await).await;
    a_lease_ends_and_its_fence_writes_nothing_more(&open().await).await;
    an_attempt_is_written_and_decides(&open().await).await;
    what_is_tried_again_is_not_due_before(&open().await).await;
    of_two_endpoints_the_one_with_less_at_work_is_served(&open().await).await;
    a_host_has_its_share_and_no_more(&open().await).await;
    gone_disables_and_cancels(&open().await).await;
    failing_for_long_disables(&open().await).await;
    what_was_given_up_is_replayed_with_all_its_tries(&open().await).await;
    attempts_are_bounded(&open().await).await;
    an_owner_disables_and_enables(&open().await).await;
    secrets_are_rotated(&open().await).await;
    a_secret_signs_for_its_time_however_often_it_is_rotated(&open().await).await;
    one_that_is_not_served_keeps_no_event_from_the_others(&open().await).await;
    one_that_fails_leaves_room_to_the_others(&open().await).await;
    a_replay_ends_what_is_at_work(&open().await).await;
    many_who_are_gone_at_once_wait_for_nobody(&open().await).await;
    nothing_is_pending_at_what_is_disabled(&open().await).await;
}

fn endpoint(url: &str, events: &[&str]) -> Endpoint {
    let (url, events) = (EndpointUrl::parse(url, Reach::Public).unwrap(), Filter::parse(events).unwrap());
    let created_at = Timestamp::from_second(1_800_000_000).unwrap();
    let endpoint = Endpoint::new(created_at, url, events, "a test's".to_owned(), Secret::random());
    Endpoint { id: EndpointId::new(Timestamp::now()), ..endpoint }
}

pub async fn add(store: &Store, url: &str, events: &[&str]) -> Endpoint {
    let endpoint = endpoint(url, events);
    store.add(&endpoint).await.unwrap();
    endpoint
}

fn event(kind: &str, key: Option<Key>) -> NewMessage {
    NewMessage { event_type: EventType::parse(kind).unwrap(), payload: Bytes::from("{\"é\":1}"), key }
}

pub async fn publish(store: &Store, kind: &str) -> Published {
    store.publish(&event(kind, None)).await.unwrap()
}

fn claim_of(limit: usize) -> Claim {
    Claim { limit, at_host_max: 100, hosts: Vec::new(), lease: MINUTE }
}

pub async fn claim(store: &Store, limit: usize) -> Vec<Claimed> {
    store.claim(&claim_of(limit)).await.unwrap()
}

async fn claim_one(store: &Store) -> Claimed {
    let [claimed] = claim(store, 1).await.try_into().expect("one that is due");
    claimed
}

fn attempt(claimed: &Claimed, status: Option<u16>) -> Attempt {
    Attempt {
        number: claimed.attempts + 1,
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        status,
        latency_ms: 7,
        error: status.is_none().then(|| "no answer".to_owned()),
    }
}

/// Whether it was written, and whether the endpoint was disabled by it.
async fn finish(store: &Store, claimed: &Claimed, status: Option<u16>, verdict: Verdict) -> (bool, bool) {
    let finished = store.finish(claimed, &attempt(claimed, status), verdict, DAYS).await.unwrap();
    (finished.is_some(), finished.is_some_and(|finished| finished.disabled))
}

async fn logged(store: &Store, claimed: &Claimed) -> Logged {
    let (_, logged) = store.message(claimed.message.id).await.unwrap().unwrap();
    logged.into_iter().find(|logged| logged.delivery.id == claimed.delivery).unwrap()
}

async fn endpoints_are_kept_changed_and_forgotten(store: &Store) {
    let first = add(store, "http://a.example/x?y", &["order.*", "a"]).await;
    let second = add(store, "http://b.example/", &["*"]).await;
    assert_eq!(store.endpoints().await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(first.clone()));
    let change = Change {
        url: Some(EndpointUrl::parse("http://c.example:8080/", Reach::Public).unwrap()),
        events: Some(Filter::all()),
        description: Some("another".to_owned()),
        ..Change::default()
    };
    let changed = store.change(first.id, &change).await.unwrap().unwrap();
    assert_eq!((changed.url.host(), &*changed.description), ("c.example:8080".to_owned(), "another"));
    assert_eq!((&changed.secret, &changed.events), (&first.secret, &Filter::all()));
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(changed.clone()));
    assert_eq!(
        store.change(first.id, &Change::default()).await.unwrap(),
        Some(changed),
        "nothing is changed by nothing"
    );
    let published = publish(store, "order.created").await;
    assert!(store.remove(first.id).await.unwrap() && !store.remove(first.id).await.unwrap());
    assert_eq!(store.change(first.id, &Change::default()).await.unwrap(), None);
    assert!(store.deliveries(first.id, 10).await.unwrap().is_none());
    let (_, left) = store.message(published.message.id).await.unwrap().unwrap();
    assert_eq!(left.len(), 1, "and what was sent to it");
    assert_eq!(claim(store, 10).await.len(), 1);
}

async fn endpoints_are_counted_though_many_come_at_once(store: &Store) {
    let adding = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.add(&endpoint("http://a.example/", &["*"])).await })
    });
    let mut added = 0;
    for adding in adding.collect::<Vec<_>>() {
        match adding.await.unwrap() {
            Ok(()) => added += 1,
            Err(error) => assert!(matches!(error, StoreError::EndpointsFull), "{error:?}"),
        }
    }
    assert_eq!((added, store.endpoints().await.unwrap().len()), (BOUNDS.endpoints_max, BOUNDS.endpoints_max));
}

async fn an_event_goes_to_whoever_wants_it(store: &Store) {
    let all = add(store, "http://a.example/", &["*"]).await;
    let orders = add(store, "http://b.example/", &["order.*"]).await;
    let created = add(store, "http://c.example/", &["order.created"]).await;
    assert_eq!(store.latest().await.unwrap(), None);
    for (kind, expected) in [
        ("order.created", vec![all.id, orders.id, created.id]),
        ("order.paid", vec![all.id, orders.id]),
        ("orders", vec![all.id]),
    ] {
        let published = publish(store, kind).await;
        assert!(published.is_new);
        let (message, logged) = store.message(published.message.id).await.unwrap().unwrap();
        assert_eq!((&message, &*message.payload), (&published.message, "{\"é\":1}".as_bytes()));
        assert_eq!(logged.iter().map(|logged| logged.delivery.endpoint).collect::<Vec<_>>(), expected, "{kind}");
        assert!(logged.iter().all(|logged| logged.delivery.state == State::Pending && logged.attempts.is_empty()));
        assert_eq!((published.deliveries, store.latest().await.unwrap()), (expected.len(), Some(message.id)));
    }
    assert_eq!(store.deliveries(all.id, 2).await.unwrap().unwrap().len(), 2);
    let of_orders = store.deliveries(orders.id, 10).await.unwrap().unwrap();
    assert!(of_orders[0].delivery.id > of_orders[1].delivery.id, "the newest first");
}

async fn one_key_is_one_event_though_many_come_at_once(store: &Store) {
    add(store, "http://a.example/", &["*"]).await;
    let key = |request| Some(Key { text: "k'1".to_owned(), request: [request; 32] });
    let publishing = (0..10).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.publish(&event("a", key(1))).await.unwrap() })
    });
    let mut published = Vec::new();
    for publishing in publishing.collect::<Vec<_>>() {
        published.push(publishing.await.unwrap());
    }
    assert_eq!(published.iter().filter(|published| published.is_new).count(), 1);
    assert!(published.iter().all(|other| other.message == published[0].message && other.deliveries == 1));
    let other = store.publish(&event("a", key(2))).await;
    assert!(matches!(other, Err(StoreError::KeyReused)), "{other:?}");
    assert_eq!(claim(store, 10).await.len(), 1);
}

async fn what_is_pending_is_bounded(store: &Store) {
    for _ in 0..4 {
        add(store, "http://a.example/", &["*"]).await;
    }
    for _ in 0..10 {
        publish(store, "a").await;
    }
    assert_eq!(store.backlog().await.unwrap().pending, 40);
    let full = store.publish(&event("a", Some(Key { text: "k".to_owned(), request: [0; 32] }))).await;
    assert!(matches!(full, Err(StoreError::PendingFull)), "{full:?}");
    for claimed in claim(store, 4).await {
        assert_eq!(finish(store, &claimed, Some(200), Verdict::Delivered).await, (true, false));
    }
    assert!(store.publish(&event("a", Some(Key { text: "k".to_owned(), request: [1; 32] }))).await.unwrap().is_new);
}

async fn of_many_who_claim_each_gets_others(store: &Store) {
    for _ in 0..4 {
        add(store, "http://a.example/", &["*"]).await;
    }
    for _ in 0..10 {
        publish(store, "a").await;
    }
    let claiming = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { claim(&store, 7).await })
    });
    let (mut claimed, mut count) = (HashSet::new(), 0);
    for claiming in claiming.collect::<Vec<_>>() {
        for one in claiming.await.unwrap() {
            assert_eq!((one.fence, one.tries, one.attempts), (1, 0, 0));
            count += 1;
            claimed.insert(one.delivery);
        }
    }
    // Who comes to a row that another one is just claiming passes it over.
    loop {
        let rest = claim(store, 40).await;
        if rest.is_empty() {
            break;
        }
        count += rest.len();
        claimed.extend(rest.iter().map(|one| one.delivery));
    }
    assert_eq!((count, claimed.len()), (40, 40), "each once");
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.at_work), (40, 40));
}

async fn a_lease_ends_and_its_fence_writes_nothing_more(store: &Store) {
    add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    let brief = Claim { lease: Duration::ZERO, ..claim_of(1) };
    let [first] = store.claim(&brief).await.unwrap().try_into().unwrap();
    let second = claim_one(store).await;
    assert_eq!((first.delivery, first.fence, second.fence), (second.delivery, 1, 2));
    assert_eq!(finish(store, &first, Some(200), Verdict::Delivered).await, (false, false), "it is another one's");
    store.release(&first).await.unwrap();
    assert!(claim(store, 1).await.is_empty(), "nor can it be given back");
    store.release(&second).await.unwrap();
    let third = claim_one(store).await;
    assert_eq!((third.fence, third.tries), (3, 0), "untried");
    assert_eq!(finish(store, &third, Some(204), Verdict::Delivered).await, (true, false));
    assert_eq!(finish(store, &third, Some(204), Verdict::Delivered).await, (false, false), "once");
    assert_eq!(logged(store, &third).await.attempts.len(), 1);
}

async fn an_attempt_is_written_and_decides(store: &Store) {
    add(store, "http://a.example/", &["*"]).await;
    for (status, verdict, state) in [
        (Some(200), Verdict::Delivered, State::Delivered),
        (Some(500), Verdict::GivenUp, State::Failed),
        (None, Verdict::Again(MINUTE), State::Pending),
    ] {
        publish(store, "a").await;
        let claimed = claim_one(store).await;
        assert_eq!(finish(store, &claimed, status, verdict).await, (true, false));
        let Logged { delivery, attempts } = logged(store, &claimed).await;
        assert_eq!((delivery.state, delivery.tries), (state, 1));
        assert_eq!(attempts, [attempt(&claimed, status)]);
        assert_eq!(delivery.last.as_ref(), attempts.last());
        assert_eq!(
            (delivery.next_at.is_some(), delivery.finished_at.is_none()),
            (state == State::Pending, state == State::Pending)
        );
        assert!(claim(store, 1).await.is_empty());
    }
}

async fn what_is_tried_again_is_not_due_before(store: &Store) {
    add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    for tries in 0..5 {
        let claimed = claim_one(store).await;
        assert_eq!((claimed.tries, claimed.attempts), (tries, tries));
        finish(store, &claimed, Some(503), Verdict::Again(Duration::ZERO)).await;
    }
    let claimed = claim_one(store).await;
    finish(store, &claimed, Some(503), Verdict::Again(MINUTE)).await;
    assert!(claim(store, 1).await.is_empty());
    let Logged { delivery, attempts } = logged(store, &claimed).await;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(delivery.next_at.is_some());
    assert_eq!(store.backlog().await.unwrap().pending, 1);
}

async fn of_two_endpoints_the_one_with_less_at_work_is_served(store: &Store) {
    let busy = add(store, "http://a.example/", &["a"]).await;
    let quiet = add(store, "http://b.example/", &["b"]).await;
    for _ in 0..20 {
        publish(store, "a").await;
    }
    let alone = claim(store, 4).await;
    assert!(alone.iter().all(|claimed| claimed.endpoint.id == busy.id), "no worker is idle while anything is due");
    for _ in 0..3 {
        publish(store, "b").await;
    }
    let owners: Vec<EndpointId> = claim(store, 5).await.iter().map(|claimed| claimed.endpoint.id).collect();
    assert_eq!(owners, [quiet.id, quiet.id, quiet.id, busy.id, busy.id], "whoever has come later has waited less");
}

async fn a_host_has_its_share_and_no_more(store: &Store) {
    add(store, "http://a.example/1", &["*"]).await;
    add(store, "http://a.example/2", &["*"]).await;
    add(store, "http://a.example:8080/", &["*"]).await;
    for _ in 0..5 {
        publish(store, "a").await;
    }
    let few = Claim { at_host_max: 3, ..claim_of(100) };
    let claimed = store.claim(&few).await.unwrap();
    let at = |claimed: &[Claimed], host: &str| claimed.iter().filter(|one| one.endpoint.url.host() == host).count();
    assert_eq!((at(&claimed, "a.example:80"), at(&claimed, "a.example:8080")), (3, 3));
    assert!(store.claim(&few).await.unwrap().is_empty());
    finish(store, &claimed[0], Some(200), Verdict::Delivered).await;
    let next = store.claim(&few).await.unwrap();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].endpoint.url.host(), claimed[0].endpoint.url.host());
    // One with an open circuit has no place, whatever there would be.
    let none = Claim { hosts: vec![("a.example:80".to_owned(), 0)], ..claim_of(100) };
    let rest = store.claim(&none).await.unwrap();
    assert!(!rest.is_empty() && at(&rest, "a.example:80") == 0);
}

async fn gone_disables_and_cancels(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    for _ in 0..3 {
        publish(store, "a").await;
    }
    let claimed = claim(store, 2).await;
    assert_eq!(finish(store, &claimed[0], Some(410), Verdict::Gone).await, (true, true));
    assert_eq!(store.endpoint(one.id).await.unwrap().unwrap().disabled, Some(Disabled::Gone));
    let states = |logged: Vec<Logged>| logged.iter().map(|logged| logged.delivery.state).collect::<Vec<_>>();
    let of_it = store.deliveries(one.id, 10).await.unwrap().unwrap();
    assert_eq!(of_it.iter().filter(|logged| logged.delivery.state == State::Cancelled).count(), 2);
    assert_eq!(logged(store, &claimed[0]).await.delivery.state, State::Failed);
    // What was at work is written down, and stays cancelled.
    assert_eq!(finish(store, &claimed[1], Some(200), Verdict::Delivered).await, (true, false));
    let late = logged(store, &claimed[1]).await;
    assert_eq!((late.delivery.state, late.attempts.len()), (State::Cancelled, 1));
    assert_eq!(publish(store, "a").await.deliveries, 0);
    assert!(claim(store, 10).await.is_empty());
    assert!(!states(store.deliveries(one.id, 10).await.unwrap().unwrap()).contains(&State::Pending));
    assert_eq!(store.backlog().await.unwrap().pending, 0);
}

async fn failing_for_long_disables(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    publish(store, "a").await;
    let fail = async |failing_max| {
        let claimed = claim_one(store).await;
        let attempt = attempt(&claimed, Some(500));
        let again = Verdict::Again(Duration::ZERO);
        store.finish(&claimed, &attempt, again, failing_max).await.unwrap().unwrap().disabled
    };
    assert!(!fail(DAYS).await);
    let since = store.endpoint(one.id).await.unwrap().unwrap().failing_since;
    assert!(since.is_some());
    assert!(!fail(DAYS).await);
    assert_eq!(store.endpoint(one.id).await.unwrap().unwrap().failing_since, since, "from the first one on");
    let well = claim_one(store).await;
    finish(store, &well, Some(200), Verdict::Delivered).await;
    assert_eq!(store.endpoint(one.id).await.unwrap().unwrap().failing_since, None, "one that goes well forgives all");
    assert!(fail(Duration::ZERO).await);
    let after = store.endpoint(one.id).await.unwrap().unwrap();
    assert_eq!(after.disabled, Some(Disabled::Failing));
    assert_eq!(store.backlog().await.unwrap().pending, 0);
}

async fn what_was_given_up_is_replayed_with_all_its_tries(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    let claimed = claim_one(store).await;
    finish(store, &claimed, Some(500), Verdict::GivenUp).await;
    let replayed = store.replay(claimed.delivery).await.unwrap().unwrap();
    assert_eq!((replayed.id, replayed.state, replayed.tries), (claimed.delivery, State::Pending, 0));
    let again = claim_one(store).await;
    assert_eq!((again.message.id, again.tries, again.attempts), (claimed.message.id, 0, 1), "under the same name");
    finish(store, &again, Some(200), Verdict::Delivered).await;
    let Logged { delivery, attempts } = logged(store, &again).await;
    assert_eq!((delivery.state, attempts.len()), (State::Delivered, 2));
    assert!(store.replay(claimed.delivery).await.unwrap().is_some(), "one that was delivered, too");
    store.change(one.id, &Change { enabled: Some(false), ..Change::default() }).await.unwrap();
    let disabled = store.replay(claimed.delivery).await;
    assert!(matches!(disabled, Err(StoreError::Disabled)), "{disabled:?}");
    store.remove(one.id).await.unwrap();
    assert!(store.replay(claimed.delivery).await.unwrap().is_none());
}

async fn attempts_are_bounded(store: &Store) {
    add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    for _ in 0..ATTEMPTS_MAX + 3 {
        let claimed = claim_one(store).await;
        finish(store, &claimed, Some(500), Verdict::Again(Duration::ZERO)).await;
    }
    let attempts = logged(store, &claim_one(store).await).await.attempts;
    assert_eq!((attempts.len(), attempts[0].number), (ATTEMPTS_MAX as usize, 4));
}

async fn an_owner_disables_and_enables(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    let enabled = |enabled| Change { enabled: Some(enabled), ..Change::default() };
    let off = store.change(one.id, &enabled(false)).await.unwrap().unwrap();
    assert_eq!(off.disabled, Some(Disabled::ByOwner));
    assert_eq!((claim(store, 1).await.len(), publish(store, "a").await.deliveries), (0, 0));
    let on = store.change(one.id, &enabled(true)).await.unwrap().unwrap();
    assert_eq!((on.disabled, on.failing_since), (None, None));
    assert_eq!(
        (claim(store, 1).await.len(), publish(store, "a").await.deliveries),
        (0, 1),
        "what was cancelled stays so"
    );
}

async fn secrets_are_rotated(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    let next = Secret::random();
    let rotate = Change { secret: Some((next.clone(), MINUTE)), ..Change::default() };
    let rotated = store.change(one.id, &rotate).await.unwrap().unwrap();
    let [previous] = rotated.previous.clone().try_into().unwrap();
    assert_eq!((&rotated.secret, &previous.secret), (&next, &one.secret));
    let before = previous.until - jiff::SignedDuration::from_secs(1);
    assert_eq!(rotated.secrets(before), [&next, &one.secret]);
    assert_eq!(rotated.secrets(previous.until), [&next]);
    publish(store, "a").await;
    assert_eq!(claim_one(store).await.endpoint, rotated, "who delivers has both");
}

async fn a_secret_signs_for_its_time_however_often_it_is_rotated(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    let rotate = async |overlap| {
        let change = Change { secret: Some((Secret::random(), overlap)), ..Change::default() };
        store.change(one.id, &change).await
    };
    for times in 1..=PREVIOUS_MAX {
        let rotated = rotate(MINUTE).await.unwrap().unwrap();
        assert_eq!(rotated.previous.len(), times);
        assert_eq!(rotated.previous[times - 1].secret, one.secret, "the one that receivers have");
    }
    let once_more = rotate(MINUTE).await;
    assert!(matches!(once_more, Err(StoreError::Rotated)), "{once_more:?}");
    let other = add(store, "http://b.example/", &["*"]).await;
    for _ in 0..5 {
        let change = Change { secret: Some((Secret::random(), Duration::ZERO)), ..Change::default() };
        let rotated = store.change(other.id, &change).await.unwrap().unwrap();
        assert_eq!(rotated.previous.len(), 1, "what signs no more is forgotten");
    }
}

pub fn states(logged: &[Logged]) -> Vec<State> {
    logged.iter().map(|logged| logged.delivery.state).collect()
}

async fn one_that_is_not_served_keeps_no_event_from_the_others(store: &Store) {
    let slow = add(store, "http://slow.example/", &["*"]).await;
    let well = add(store, "http://well.example/", &["*"]).await;
    let at_slow_none = Claim { hosts: vec![(slow.url.host(), 0)], ..claim_of(10) };
    for _ in 0..2 * BOUNDS.pending_at_endpoint_max {
        assert_eq!(publish(store, "a").await.deliveries, 2);
        let [claimed] = store.claim(&at_slow_none).await.unwrap().try_into().unwrap();
        assert_eq!(claimed.endpoint.id, well.id);
        finish(store, &claimed, Some(200), Verdict::Delivered).await;
    }
    assert_eq!(store.backlog().await.unwrap().pending, BOUNDS.pending_at_endpoint_max as u64);
    let newest = store.deliveries(slow.id, 1).await.unwrap().unwrap();
    assert_eq!((newest[0].delivery.state, newest[0].delivery.tries), (State::Failed, 0), "untried");
    let full = store.replay(newest[0].delivery.id).await;
    assert!(matches!(full, Err(StoreError::PendingFull)), "{full:?}");
    let claimed = claim_one(store).await;
    finish(store, &claimed, Some(200), Verdict::Delivered).await;
    assert!(store.replay(newest[0].delivery.id).await.unwrap().is_some(), "as soon as there is room");
}

async fn one_that_fails_leaves_room_to_the_others(store: &Store) {
    for (number, kind) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        add(store, &format!("http://down{number}.example/"), &[kind]).await;
        publish(store, kind).await;
        let claimed = claim_one(store).await;
        finish(store, &claimed, None, Verdict::Again(MINUTE)).await;
    }
    let well = add(store, "http://well.example/", &["well"]).await;
    for _ in 0..BOUNDS.pending_at_endpoint_max {
        for kind in ["a", "b", "c", "d", "e"] {
            publish(store, kind).await;
        }
    }
    publish(store, "well").await;
    assert_eq!(states(&store.deliveries(well.id, 1).await.unwrap().unwrap()), [State::Pending]);
}

async fn a_replay_ends_what_is_at_work(store: &Store) {
    add(store, "http://a.example/", &["*"]).await;
    publish(store, "a").await;
    let first = claim_one(store).await;
    store.replay(first.delivery).await.unwrap().unwrap();
    assert_eq!(
        finish(store, &first, Some(200), Verdict::Delivered).await,
        (false, false),
        "it was asked for once more"
    );
    assert_eq!(claim_one(store).await.tries, 0);
}

async fn many_who_are_gone_at_once_wait_for_nobody(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    for _ in 0..12 {
        publish(store, "a").await;
    }
    let finishing = claim(store, 8).await.into_iter().map(|claimed| {
        let store = store.clone();
        tokio::spawn(async move { finish(&store, &claimed, Some(410), Verdict::Gone).await })
    });
    let mut disabled = 0;
    for finishing in finishing.collect::<Vec<_>>() {
        let (is_ours, has_disabled) = finishing.await.expect("no two wait for each other");
        assert!(is_ours);
        disabled += usize::from(has_disabled);
    }
    assert_eq!(disabled, 1);
    assert!(!states(&store.deliveries(one.id, 20).await.unwrap().unwrap()).contains(&State::Pending));
}

async fn nothing_is_pending_at_what_is_disabled(store: &Store) {
    let one = add(store, "http://a.example/", &["*"]).await;
    let enabled = |enabled| Change { enabled: Some(enabled), ..Change::default() };
    for _ in 0..3 {
        store.change(one.id, &enabled(true)).await.unwrap();
        let publishing = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { publish(&store, "a").await })
        });
        let publishing: Vec<_> = publishing.collect();
        store.change(one.id, &enabled(false)).await.unwrap();
        for publishing in publishing {
            publishing.await.unwrap();
        }
        assert!(!states(&store.deliveries(one.id, 50).await.unwrap().unwrap()).contains(&State::Pending));
    }
}
