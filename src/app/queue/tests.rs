//! What a queue does as a whole, over memory.

use serde_json::{Value, json};

use super::domain::{JobKey, KindName, NewJob, PAYLOAD_BYTES_MAX};
use super::store::Store;
use super::{Queue, QueueConfig, QueueError};

#[path = "../../../tests/suites/queue.rs"]
mod suite;
#[path = "../../../tests/suites/workers.rs"]
mod workers;

#[tokio::test]
async fn memory_keeps_jobs_as_every_store_does() {
    suite::store(Store::memory(1_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_do_their_work_in_memory() {
    workers::workers(Queue::memory(QueueConfig::default())).await;
}

#[tokio::test]
async fn memory_is_bounded_and_what_is_over_gives_way() {
    let queue = Queue::memory(QueueConfig { in_memory_max: 3, ..QueueConfig::default() });
    let job = NewJob::new(KindName::known("echo"), Value::Null);
    let first = queue.enqueue(&job.clone().key(JobKey::parse("k").expect("a key"))).await.expect("room").job.id;
    queue.enqueue_many(&[job.clone(), job.clone()]).await.expect("room");
    assert!(matches!(queue.enqueue(&job).await, Err(QueueError::Full)));
    queue.cancel(first).await.expect("it waits");
    assert!(matches!(queue.enqueue_many(&[job.clone(), job.clone()]).await, Err(QueueError::Full)), "all or none");
    queue.enqueue(&job).await.expect("the first one has given way");
    assert_eq!(queue.find(first).await.expect("it answers"), None);
}

#[tokio::test]
async fn a_job_that_its_key_is_asked_for_gives_no_way() {
    let queue = Queue::memory(QueueConfig { in_memory_max: 2, ..QueueConfig::default() });
    let job = NewJob::new(KindName::known("echo"), Value::Null);
    let keyed = job.clone().key(JobKey::parse("k").expect("a key"));
    let first = queue.enqueue(&keyed).await.expect("room").job.id;
    queue.cancel(first).await.expect("it waits");
    let other = queue.enqueue(&job).await.expect("room").job.id;
    let full = queue.enqueue_many(&[job.clone(), keyed.clone()]).await;
    assert!(matches!(full, Err(QueueError::Full)), "{full:?}");
    queue.cancel(other).await.expect("it waits");
    let stored = queue.enqueue_many(&[job, keyed]).await.expect("the other one gives way");
    assert_eq!((stored[1].job.id, stored[1].is_new), (first, false));
    assert_eq!(queue.find(other).await.expect("it answers"), None);
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_refused() {
    let queue = Queue::memory(QueueConfig::default());
    let of = |bytes: usize| NewJob::new(KindName::known("echo"), json!("a".repeat(bytes - 2)));
    queue.enqueue(&of(PAYLOAD_BYTES_MAX)).await.expect("it fits");
    let refused = queue.enqueue_many(&[of(2), of(PAYLOAD_BYTES_MAX + 1)]).await;
    assert!(matches!(refused, Err(QueueError::TooLarge { bytes }) if bytes == PAYLOAD_BYTES_MAX + 1), "{refused:?}");
    assert_eq!(queue.counts().await.expect("it answers").by[0].jobs, 1, "none of the two");
}
