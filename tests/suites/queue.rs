//! What every place that keeps jobs does alike. Run over memory by the unit tests of `app::queue`, over PostgreSQL by
//! `tests/system/queue.rs`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use firstbyte::app::queue::QueueError;
use firstbyte::app::queue::domain::{Filter, Job, JobId, JobKey, KindName, NewJob, State, When};
use firstbyte::app::queue::store::{Ask, Asked, ERRORS_MAX, Finish, Held, Outcome, Retention, Store};
use serde_json::{Value, json};

/// Longer than any of these takes.
const LEASE: Duration = Duration::from_secs(60);

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Everything that is asked of a store without jobs. Each part has a kind of its own, and leaves nothing that waits.
pub async fn store(store: Store) {
    let store = &store;
    store.join("ada", LEASE).await.unwrap();
    what_is_stored_is_found(store).await;
    a_key_stands_for_one_request(store).await;
    many_are_stored_or_none(store).await;
    a_key_stands_for_one_request_of_a_batch(store).await;
    a_list_goes_from_the_newest_to_the_oldest(store).await;
    jobs_are_claimed_in_their_order(store).await;
    a_share_bounds_a_kind_and_all_are_bounded(store).await;
    who_has_not_joined_claims_nothing(store).await;
    of_many_claims_of_a_job_one_has_it(store).await;
    a_claim_that_is_not_the_last_one_is_refused(store).await;
    a_try_that_failed_comes_again(store).await;
    errors_are_remembered_up_to_a_number(store).await;
    a_job_that_is_put_off_is_not_claimed_before(store).await;
    a_release_gives_the_try_back(store).await;
    a_lost_worker_loses_its_jobs(store).await;
    who_is_alive_keeps_its_jobs_while_many_rescue(store).await;
    a_job_that_was_lost_twice_is_claimed_alone(store).await;
    a_job_that_kills_its_workers_dies_too(store).await;
    whoever_cancels_is_obeyed_in_every_state(store).await;
    dead_letters_are_retried_and_discarded(store).await;
    states_that_do_not_fit_are_refused(store).await;
    jobs_are_counted(store).await;
    what_has_been_over_for_long_is_forgotten(store).await;
}

fn new(kind: &str) -> NewJob {
    NewJob::new(KindName::known(kind), json!({"a": [1, "é\0"]}))
}

async fn add(store: &Store, job: NewJob) -> Job {
    let enqueued = store.enqueue(&[job]).await.unwrap().remove(0);
    assert!(enqueued.is_new);
    enqueued.job
}

fn asked(kind: &str, jobs_max: usize) -> Asked {
    Asked { asks: vec![Ask { kind: KindName::known(kind), share: jobs_max }], jobs_max, suspects_max: 1 }
}

async fn claim(store: &Store, worker: &str, kind: &str, jobs_max: usize) -> Vec<Job> {
    let mut claimed = store.claim(worker, &asked(kind, jobs_max)).await.unwrap();
    claimed.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.run_at, job.id));
    claimed
}

async fn claim_one(store: &Store, kind: &str) -> Job {
    let mut claimed = claim(store, "ada", kind, 1).await;
    assert_eq!(claimed.len(), 1, "{kind}");
    claimed.remove(0)
}

/// Whether the claim was still the last one.
async fn finish(store: &Store, job: &Job, outcome: Outcome) -> bool {
    store.finish(&[Finish { id: job.id, fence: job.fence, outcome }]).await.unwrap().is_empty()
}

async fn found(store: &Store, id: JobId) -> Job {
    store.find(id).await.unwrap().expect("it is there")
}

fn again(delay: Duration) -> Outcome {
    Outcome::Again { delay, why: "not yet".to_owned() }
}

async fn what_is_stored_is_found(store: &Store) {
    let job = NewJob { priority: -7, ..new("find") }.tries_max(3).timeout(Duration::from_millis(1_500));
    let stored = add(store, job.clone()).await;
    assert_eq!((stored.state, stored.tries, stored.fence, stored.priority), (State::Ready, 0, 0, -7));
    assert_eq!((stored.tries_max, stored.timeout), (3, Duration::from_millis(1_500)));
    assert_eq!((&stored.payload, stored.created_at), (&job.payload, stored.run_at));
    assert_eq!(found(store, stored.id).await, stored);
    assert_eq!(store.find(JobId::new()).await.unwrap(), None);
    let claimed = claim_one(store, "find").await;
    assert_eq!((claimed.id, claimed.state, claimed.tries), (stored.id, State::Running, 1));
    assert!(claimed.fence > 0 && claimed.claimed_at.is_some() && claimed.worker.as_deref() == Some("ada"));
    assert!(claimed.lease_until > claimed.claimed_at);
    assert!(finish(store, &claimed, Outcome::Completed(json!({"done": "\0"}))).await);
    let done = found(store, stored.id).await;
    assert_eq!((done.state, done.result), (State::Completed, Some(json!({"done": "\0"}))));
    assert!(done.finished_at >= done.claimed_at && done.lease_until.is_none() && done.errors.is_empty());
}

async fn a_key_stands_for_one_request(store: &Store) {
    let job = new("key").key(JobKey::parse("'; -- é").unwrap());
    let first = add(store, job.clone()).await;
    let again = store.enqueue(std::slice::from_ref(&job)).await.unwrap().remove(0);
    assert_eq!((again.job.id, again.is_new), (first.id, false));
    for other in [job.clone().priority(1), NewJob { payload: Value::Null, ..job.clone() }] {
        let conflict = store.enqueue(&[other]).await;
        assert!(matches!(conflict, Err(QueueError::Conflict { job }) if job == first.id), "{conflict:?}");
    }
    let claimed = claim_one(store, "key").await;
    assert!(finish(store, &claimed, Outcome::Completed(Value::Null)).await);
    let done = store.enqueue(std::slice::from_ref(&job)).await.unwrap().remove(0);
    assert_eq!((done.job.id, done.job.state, done.is_new), (first.id, State::Completed, false), "also when it is over");

    let key = new("key").key(JobKey::parse("wanted by many").unwrap());
    let wanting = (0..20).map(|_| {
        let (store, key) = (store.clone(), key.clone());
        tokio::spawn(async move { store.enqueue(&[key]).await.unwrap().remove(0) })
    });
    let (mut ids, mut is_new) = (HashSet::new(), 0);
    for wanting in wanting.collect::<Vec<_>>() {
        let enqueued = wanting.await.unwrap();
        ids.insert(enqueued.job.id);
        is_new += u32::from(enqueued.is_new);
    }
    assert_eq!((ids.len(), is_new), (1, 1));
    assert!(finish(store, &claim_one(store, "key").await, Outcome::Completed(Value::Null)).await);
}

async fn many_are_stored_or_none(store: &Store) {
    let key = |key: &str| new("many").key(JobKey::parse(key).unwrap());
    let first = add(store, key("many: first")).await;
    let stored = store.enqueue(&[new("many"), key("many: first"), key("many: two"), key("many: two")]).await.unwrap();
    assert_eq!(stored.iter().map(|stored| stored.is_new).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!((stored[1].job.id, stored[3].job.id), (first.id, stored[2].job.id));
    let conflict = store.enqueue(&[new("many"), key("many: three"), key("many: first").priority(9)]).await;
    assert!(matches!(conflict, Err(QueueError::Conflict { .. })), "{conflict:?}");
    let there = claim(store, "ada", "many", 100).await;
    assert_eq!(there.len(), 3, "nothing was stored with the conflict");
    assert!(there.is_sorted_by_key(|job| job.id));
    for job in there {
        assert!(finish(store, &job, Outcome::Completed(Value::Null)).await);
    }
    assert!(store.enqueue(&[]).await.unwrap().is_empty());
}

async fn a_key_stands_for_one_request_of_a_batch(store: &Store) {
    let key = new("batch").key(JobKey::parse("of the batch").unwrap());
    let conflict = store.enqueue(&[key.clone(), key.clone().priority(1)]).await;
    assert!(matches!(conflict, Err(QueueError::Conflict { .. })), "{conflict:?}");
    assert!(claim(store, "ada", "batch", 10).await.is_empty(), "none was stored");
    assert!(store.enqueue(&[key.clone().priority(1)]).await.unwrap()[0].is_new, "nor is the key taken");
    assert!(finish(store, &claim_one(store, "batch").await, Outcome::Completed(Value::Null)).await);
}

async fn a_list_goes_from_the_newest_to_the_oldest(store: &Store) {
    let added = store.enqueue(&vec![new("list"); 5]).await.unwrap();
    let kind = Some(KindName::known("list"));
    let filter = Filter { kind: kind.clone(), state: None };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&filter, after, 2).await.unwrap();
        seen.extend(page.jobs.iter().map(|job| job.id));
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse().unwrap());
    }
    let expected: Vec<JobId> = added.iter().rev().map(|added| added.job.id).collect();
    assert_eq!(seen, expected);
    let claimed = claim(store, "ada", "list", 2).await;
    for state in State::ALL {
        let of_state = Filter { state: Some(state), kind: kind.clone() };
        let number = store.list(&of_state, None, 10).await.unwrap().jobs.len();
        assert_eq!(number, if state == State::Running { 2 } else { usize::from(state == State::Ready) * 3 }, "{state}");
    }
    assert!(!store.list(&Filter::default(), None, 1).await.unwrap().jobs.is_empty());
    for job in claimed.into_iter().chain(claim(store, "ada", "list", 3).await) {
        assert!(finish(store, &job, Outcome::Completed(Value::Null)).await);
    }
}

async fn jobs_are_claimed_in_their_order(store: &Store) {
    let mut expected = Vec::new();
    for priority in [0, 5, -5, i16::MAX, i16::MIN, 0] {
        expected.push(add(store, new("order").priority(priority)).await);
    }
    expected.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.id));
    let mut seen = Vec::new();
    for jobs_max in [1, 2, 100] {
        seen.extend(claim(store, "ada", "order", jobs_max).await);
    }
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(ids(&seen), ids(&expected));
    for job in seen {
        assert!(finish(store, &job, Outcome::Completed(Value::Null)).await);
    }
}

async fn a_share_bounds_a_kind_and_all_are_bounded(store: &Store) {
    let (flood, rare) = (KindName::known("flood"), KindName::known("rare"));
    store.enqueue(&vec![new("flood"); 50]).await.unwrap();
    store.enqueue(&vec![new("rare"); 5]).await.unwrap();
    let of = |share_of_flood, share_of_rare, jobs_max| Asked {
        asks: vec![
            Ask { kind: flood.clone(), share: share_of_flood },
            Ask { kind: rare.clone(), share: share_of_rare },
        ],
        jobs_max,
        suspects_max: 1,
    };
    let mut all = Vec::new();
    for (asked, expected) in
        [(of(3, 2, 10), (3, 2)), (of(10, 2, 4), (4, 0)), (of(1, 0, 9), (1, 0)), (of(9, 9, 0), (0, 0))]
    {
        let claimed = store.claim("ada", &asked).await.unwrap();
        let of_flood = claimed.iter().filter(|job| job.kind == flood).count();
        assert_eq!((of_flood, claimed.len() - of_flood), expected, "{asked:?}");
        all.extend(claimed);
    }
    all.extend(store.claim("ada", &of(100, 100, 100)).await.unwrap());
    assert_eq!(all.len(), 55);
    for job in all {
        assert!(finish(store, &job, Outcome::Completed(Value::Null)).await);
    }
}

async fn who_has_not_joined_claims_nothing(store: &Store) {
    let job = add(store, new("stranger")).await;
    assert!(claim(store, "nobody", "stranger", 1).await.is_empty());
    assert!(!store.beat("nobody", LEASE).await.unwrap());
    assert_eq!(store.held("nobody").await.unwrap(), []);
    store.join("brief", Duration::ZERO).await.unwrap();
    assert!(claim(store, "brief", "stranger", 1).await.is_empty(), "its lease is over");
    assert!(finish(store, &claim_one(store, "stranger").await, Outcome::Completed(Value::Null)).await);
    assert_eq!(found(store, job.id).await.tries, 1);
}

async fn of_many_claims_of_a_job_one_has_it(store: &Store) {
    store.enqueue(&vec![new("race"); 100]).await.unwrap();
    let claims = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let claimed = claim(&store, "ada", "race", 3).await;
                if claimed.is_empty() {
                    return all;
                }
                all.extend(claimed);
            }
        })
    });
    let mut all = Vec::new();
    for claims in claims.collect::<Vec<_>>() {
        all.extend(claims.await.unwrap());
    }
    let fences: HashSet<i64> = all.iter().map(|job| job.fence).collect();
    let ids: HashSet<JobId> = all.iter().map(|job| job.id).collect();
    assert_eq!((all.len(), ids.len(), fences.len()), (100, 100, 100));
    let finishes =
        all.iter().map(|job| Finish { id: job.id, fence: job.fence, outcome: Outcome::Completed(Value::Null) });
    assert!(store.finish(&finishes.collect::<Vec<_>>()).await.unwrap().is_empty(), "all at once");
}

async fn a_claim_that_is_not_the_last_one_is_refused(store: &Store) {
    add(store, new("fence")).await;
    let first = claim_one(store, "fence").await;
    assert!(finish(store, &first, again(Duration::ZERO)).await);
    assert!(!finish(store, &first, Outcome::Completed(json!("while it is ready"))).await);
    let second = claim_one(store, "fence").await;
    assert!(second.id == first.id && second.fence > first.fence);
    for outcome in [Outcome::Completed(json!("late")), Outcome::Released, again(Duration::ZERO)] {
        assert!(!finish(store, &first, outcome).await, "while another has it");
    }
    assert_eq!(found(store, first.id).await.state, State::Running);
    assert!(finish(store, &second, Outcome::Completed(json!("in time"))).await);
    assert!(!finish(store, &second, Outcome::Completed(json!("twice"))).await);
    assert_eq!(found(store, first.id).await.result, Some(json!("in time")));
}

async fn a_try_that_failed_comes_again(store: &Store) {
    let job = add(store, new("again")).await;
    let claimed = claim_one(store, "again").await;
    assert!(finish(store, &claimed, again(Duration::from_secs(3_600))).await);
    let waiting = found(store, job.id).await;
    assert_eq!((waiting.state, waiting.tries), (State::Scheduled, 1));
    assert!(waiting.run_at > waiting.created_at + Duration::from_secs(3_590));
    assert_eq!((waiting.errors[0].number, waiting.errors[0].why.as_str()), (1, "not yet"));
    assert!(claim(store, "ada", "again", 1).await.is_empty());
    assert_eq!(store.retry(job.id).await.unwrap().state, State::Ready, "somebody does not want to wait");
    let claimed = claim_one(store, "again").await;
    assert_eq!(claimed.tries, 2);
    assert!(finish(store, &claimed, Outcome::Dead { why: "no\0 more".to_owned() }).await);
    let dead = found(store, job.id).await;
    assert_eq!((dead.state, dead.errors.len(), dead.errors[1].why.as_str()), (State::Dead, 2, "no\u{fffd} more"));
}

async fn errors_are_remembered_up_to_a_number(store: &Store) {
    let job = add(store, new("errors").tries_max(100)).await;
    for _ in 0..ERRORS_MAX + 3 {
        assert!(finish(store, &claim_one(store, "errors").await, again(Duration::ZERO)).await);
    }
    let numbers: Vec<u16> = found(store, job.id).await.errors.iter().map(|error| error.number).collect();
    assert_eq!(numbers, (4..=13).collect::<Vec<_>>());
    assert!(finish(store, &claim_one(store, "errors").await, Outcome::Completed(Value::Null)).await);
}

async fn a_job_that_is_put_off_is_not_claimed_before(store: &Store) {
    let far = add(store, new("later").run_at(When::In(WEEK))).await;
    let at = add(store, new("later").run_at(When::At(far.created_at + WEEK))).await;
    let past = add(store, new("later").run_at(When::At(jiff::Timestamp::UNIX_EPOCH))).await;
    let ancient = add(store, new("later").run_at(When::At(jiff::Timestamp::MIN))).await;
    assert_eq!([far.state, at.state, past.state], [State::Scheduled, State::Scheduled, State::Ready]);
    assert_eq!((ancient.state, store.cancel(ancient.id).await.unwrap().state), (State::Ready, State::Cancelled));
    let near = add(store, new("later").run_at(When::In(Duration::from_millis(20)))).await;
    let claimed = claim(store, "ada", "later", 10).await;
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [past.id]);
    assert!(finish(store, &claimed[0], Outcome::Completed(Value::Null)).await);
    let next = loop {
        let moved = store.advance(false).await.unwrap();
        if moved.promoted == 1 {
            break moved.next.expect("two more");
        }
        tokio::time::sleep(moved.next.expect("three")).await;
    };
    assert!(next > WEEK / 2, "{next:?}");
    let claimed = claim_one(store, "later").await;
    assert_eq!(claimed.id, near.id);
    assert!(finish(store, &claimed, Outcome::Completed(Value::Null)).await);
    for job in [far, at] {
        assert_eq!(store.cancel(job.id).await.unwrap().state, State::Cancelled);
    }
    assert_eq!(store.advance(false).await.unwrap().next, None);
}

async fn a_release_gives_the_try_back(store: &Store) {
    let job = add(store, new("release").tries_max(1)).await;
    for _ in 0..3 {
        let claimed = claim_one(store, "release").await;
        assert_eq!(claimed.tries, 1);
        assert!(finish(store, &claimed, Outcome::Released).await);
        let released = found(store, job.id).await;
        assert_eq!((released.state, released.tries, released.errors.len()), (State::Ready, 0, 0));
    }
    assert!(finish(store, &claim_one(store, "release").await, Outcome::Completed(Value::Null)).await);
}

/// Claims what there is of `kind` by a worker that dies, and rescues it.
async fn lose(store: &Store, kind: &str, jobs_max: usize) -> Vec<Job> {
    let worker = format!("mortal of {kind} {}", JobId::new());
    store.join(&worker, LEASE).await.unwrap();
    let claimed = claim(store, &worker, kind, jobs_max).await;
    store.leave(&worker).await.unwrap();
    assert_eq!(store.advance(false).await.unwrap().rescued, 0, "nobody may");
    assert_eq!(store.advance(true).await.unwrap().rescued, claimed.len() as u64);
    claimed
}

async fn a_lost_worker_loses_its_jobs(store: &Store) {
    let job = add(store, new("lose")).await;
    store.join("eve", LEASE).await.unwrap();
    let late = claim(store, "eve", "lose", 1).await.remove(0);
    assert_eq!(store.held("eve").await.unwrap(), [Held { id: job.id, fence: late.fence, is_cancelling: false }]);
    assert!(store.beat("eve", Duration::from_millis(30)).await.unwrap());
    while store.advance(true).await.unwrap().rescued == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rescued = found(store, job.id).await;
    assert_eq!((rescued.state, rescued.tries, rescued.lost), (State::Ready, 1, 1));
    assert!(rescued.errors[0].why.contains("worker lost: eve"), "{rescued:?}");
    assert!(!store.beat("eve", LEASE).await.unwrap(), "it is told");
    assert!(!finish(store, &late, Outcome::Completed(json!("late"))).await);
    let claimed = claim_one(store, "lose").await;
    assert!(claimed.fence > late.fence);
    assert!(finish(store, &claimed, Outcome::Completed(Value::Null)).await);
    assert_eq!(found(store, job.id).await.lost, 0, "it has said something itself");
    assert_eq!(store.held("ada").await.unwrap(), []);
}

/// Jobs of a worker that is no more are rescued by many at once, while one that is alive claims them.
async fn who_is_alive_keeps_its_jobs_while_many_rescue(store: &Store) {
    const JOBS: usize = 300;
    for round in 0..2 {
        store.enqueue(&vec![new("rescue").tries_max(100); JOBS]).await.unwrap();
        let dead = format!("dead of round {round}");
        store.join(&dead, LEASE).await.unwrap();
        assert_eq!(claim(store, &dead, "rescue", JOBS).await.len(), JOBS);
        store.leave(&dead).await.unwrap();
        let claimed = Arc::new(AtomicUsize::new(0));
        let at_work = |rescues: bool| {
            let (store, claimed) = (store.clone(), Arc::clone(&claimed));
            tokio::spawn(async move {
                while claimed.load(Relaxed) < JOBS {
                    if rescues {
                        store.advance(true).await.unwrap();
                    } else {
                        claimed.fetch_add(claim(&store, "ada", "rescue", 10).await.len(), Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        for task in [true, false, true, true, false, true].map(at_work) {
            task.await.unwrap();
        }
        let filter = Filter { state: None, kind: Some(KindName::known("rescue")) };
        let jobs = store.list(&filter, None, JOBS).await.unwrap().jobs;
        for job in &jobs {
            let whys: Vec<&str> = job.errors.iter().map(|error| error.why.as_str()).collect();
            assert_eq!((whys, job.tries, job.lost), (vec![&*format!("worker lost: {dead}")], 2, 1));
            assert_eq!((job.state, job.worker.as_deref()), (State::Running, Some("ada")));
        }
        for job in &jobs {
            assert!(finish(store, job, Outcome::Completed(Value::Null)).await);
        }
    }
}

async fn a_job_that_was_lost_twice_is_claimed_alone(store: &Store) {
    store.enqueue(&vec![new("suspect"); 3]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(lose(store, "suspect", 10).await.len(), 3);
    }
    let fresh = add(store, new("suspect")).await;
    let none = Asked { suspects_max: 0, ..asked("suspect", 10) };
    let claimed = store.claim("ada", &none).await.unwrap();
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [fresh.id]);
    assert!(finish(store, &claimed[0], Outcome::Completed(Value::Null)).await);
    for _ in 0..2 {
        let claimed = claim(store, "ada", "suspect", 10).await;
        assert_eq!(claimed.len(), 1, "one suspect at a time");
        assert!(finish(store, &claimed[0], Outcome::Completed(Value::Null)).await);
    }
    store.enqueue(&vec![new("suspect"); 5]).await.unwrap();
    let asks = [("suspect", 3), ("echo", 1)].map(|(kind, share)| Ask { kind: KindName::known(kind), share });
    let claimed = store.claim("ada", &Asked { asks: asks.into(), jobs_max: 4, suspects_max: 1 }).await.unwrap();
    let suspects = claimed.iter().filter(|job| job.lost == 2).count();
    assert_eq!((claimed.len(), suspects), (3, 1), "a suspect has its place in the share of its kind");
    for job in claimed.into_iter().chain(claim(store, "ada", "suspect", 10).await) {
        assert!(finish(store, &job, Outcome::Completed(Value::Null)).await);
    }
    assert!(claim(store, "ada", "suspect", 10).await.is_empty());
}

async fn a_job_that_kills_its_workers_dies_too(store: &Store) {
    let job = add(store, new("poison").tries_max(3)).await;
    for number in 1..=3 {
        assert_eq!(lose(store, "poison", 1).await.len(), 1, "{number}");
    }
    let dead = found(store, job.id).await;
    assert_eq!((dead.state, dead.tries, dead.errors.len()), (State::Dead, 3, 3));
    assert!(dead.finished_at.is_some() && dead.errors[2].why.starts_with("worker lost: mortal of poison"), "{dead:?}");
    assert!(claim(store, "ada", "poison", 1).await.is_empty());
}

async fn whoever_cancels_is_obeyed_in_every_state(store: &Store) {
    let ready = add(store, new("cancel")).await;
    assert_eq!(store.cancel(ready.id).await.unwrap().state, State::Cancelled);
    assert!(claim(store, "ada", "cancel", 1).await.is_empty());
    // What the worker says of a try whose end was asked for, and what is made of it.
    for (outcome, expected) in [
        (Outcome::Cancelled { why: "told so".to_owned() }, State::Cancelled),
        (again(Duration::ZERO), State::Cancelled),
        (again(WEEK), State::Cancelled),
        (Outcome::Released, State::Cancelled),
        (Outcome::Dead { why: "by itself".to_owned() }, State::Dead),
        (Outcome::Completed(Value::Null), State::Completed),
    ] {
        let job = add(store, new("cancel")).await;
        let claimed = claim_one(store, "cancel").await;
        let cancelled = store.cancel(job.id).await.unwrap();
        assert!(cancelled.state == State::Running && cancelled.is_cancelling);
        let held = store.held("ada").await.unwrap();
        assert!(held.contains(&Held { id: job.id, fence: claimed.fence, is_cancelling: true }), "{held:?}");
        assert!(finish(store, &claimed, outcome.clone()).await);
        let over = found(store, job.id).await;
        assert_eq!((over.state, over.is_cancelling), (expected, false), "{outcome:?}");
        let was_released = outcome == Outcome::Released;
        assert_eq!(over.tries, u16::from(!was_released), "{outcome:?}");
        let is_told = !was_released && !matches!(outcome, Outcome::Completed(_));
        assert_eq!(over.errors.len(), usize::from(is_told), "{outcome:?}");
    }
    let lost = add(store, new("cancel")).await;
    store.join("dying", LEASE).await.unwrap();
    assert_eq!(claim(store, "dying", "cancel", 1).await.len(), 1);
    store.cancel(lost.id).await.unwrap();
    store.leave("dying").await.unwrap();
    store.advance(true).await.unwrap();
    assert_eq!(found(store, lost.id).await.state, State::Cancelled, "also when its worker is lost meanwhile");
}

async fn dead_letters_are_retried_and_discarded(store: &Store) {
    let job = add(store, new("letter").tries_max(1)).await;
    for _ in 0..2 {
        let claimed = claim_one(store, "letter").await;
        assert_eq!(claimed.tries, 1, "all its tries again");
        assert!(finish(store, &claimed, Outcome::Dead { why: "no".to_owned() }).await);
        assert_eq!(store.discard(job.id).await.unwrap().state, State::Discarded);
        let retried = store.retry(job.id).await.unwrap();
        assert_eq!((retried.state, retried.tries, retried.finished_at), (State::Ready, 0, None));
    }
    assert_eq!(found(store, job.id).await.errors.len(), 2, "what was is not forgotten");
    assert_eq!(store.cancel(job.id).await.unwrap().state, State::Cancelled);
}

async fn states_that_do_not_fit_are_refused(store: &Store) {
    let job = add(store, new("fit")).await;
    let wrong = |result: Result<Job, QueueError>, expected: State| {
        assert!(matches!(result, Err(QueueError::WrongState(state)) if state == expected), "{result:?}");
    };
    wrong(store.discard(job.id).await, State::Ready);
    wrong(store.retry(job.id).await, State::Ready);
    let claimed = claim_one(store, "fit").await;
    wrong(store.retry(job.id).await, State::Running);
    assert!(finish(store, &claimed, Outcome::Completed(Value::Null)).await);
    wrong(store.retry(job.id).await, State::Completed);
    wrong(store.cancel(job.id).await, State::Completed);
    wrong(store.discard(job.id).await, State::Completed);
    let nobody = JobId::new();
    for result in [store.retry(nobody).await, store.cancel(nobody).await, store.discard(nobody).await] {
        assert!(matches!(result, Err(QueueError::Unknown)), "{result:?}");
    }
}

async fn jobs_are_counted(store: &Store) {
    store.enqueue(&vec![new("count"); 3]).await.unwrap();
    let later = add(store, new("count").run_at(When::In(WEEK))).await;
    let claimed = claim_one(store, "count").await;
    let counts = store.counts().await.unwrap();
    let of = |state| counts.by.iter().find(|counted| counted.kind.text() == "count" && counted.state == state);
    for (state, expected) in [(State::Ready, Some(2)), (State::Scheduled, Some(1)), (State::Running, Some(1))] {
        assert_eq!(of(state).map(|counted| counted.jobs), expected, "{state}");
    }
    assert!(of(State::Completed).is_none() && counts.of(State::Completed) > 100);
    assert!(counts.oldest_ready.is_some_and(|age| age < Duration::from_secs(60)), "{counts:?}");
    store.cancel(later.id).await.unwrap();
    assert!(finish(store, &claimed, Outcome::Completed(Value::Null)).await);
    for _ in 0..2 {
        assert!(finish(store, &claim_one(store, "count").await, Outcome::Completed(Value::Null)).await);
    }
    assert_eq!(store.counts().await.unwrap().oldest_ready, None);
}

async fn what_has_been_over_for_long_is_forgotten(store: &Store) {
    let key = JobKey::parse("swept").unwrap();
    let waiting = add(store, new("sweep").key(key.clone())).await;
    let over: u64 = store
        .counts()
        .await
        .unwrap()
        .by
        .iter()
        .filter(|counted| counted.state.is_over())
        .map(|counted| counted.jobs)
        .sum();
    assert_eq!(store.sweep(Retention { over: WEEK, dead: WEEK }).await.unwrap(), 0);
    let dead = store.counts().await.unwrap().of(State::Dead);
    let swept: u64 = store.sweep(Retention { over: Duration::ZERO, dead: WEEK }).await.unwrap();
    assert_eq!((swept, dead > 0), (over - dead, true));
    assert_eq!(store.sweep(Retention { over: WEEK, dead: Duration::ZERO }).await.unwrap(), dead);
    assert_eq!(found(store, waiting.id).await.state, State::Ready);
    assert!(finish(store, &claim_one(store, "sweep").await, Outcome::Completed(Value::Null)).await);
    assert_eq!(store.sweep(Retention { over: Duration::ZERO, dead: WEEK }).await.unwrap(), 1);
    let anew = store.enqueue(&[new("sweep").key(key).priority(3)]).await.unwrap().remove(0);
    assert!(anew.is_new, "its key may be used for another one");
}
