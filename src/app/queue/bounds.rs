//! Owns the rows of the queue in the catalogue of bounds, and the memory that it may keep.
//!
//! Never: bounds anything itself: each value is read where it is in force.

use crate::app::queue::QueueConfig;
use crate::app::queue::domain::{KEY_BYTES_MAX, KIND_CHARS_MAX, PAYLOAD_BYTES_MAX, TIMEOUT, TRIES};
use crate::app::queue::store::{ERRORS_MAX, WHY_BYTES_MAX};
use crate::app::queue::workers::WorkersConfig;
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// What a job takes besides what somebody else has written: its fields, and its places in the tables.
const JOB_BYTES: usize = 2 * 1024;

impl QueueConfig {
    /// Rows for the catalogue of bounds.
    pub fn bounds(&self) -> Vec<Bound> {
        vec![
            Bound::fixed("queue_in_memory_max", Amount::count(self.in_memory_max))
                .bounds("Jobs that are kept in memory, those that are over too, which give way; a database has no such bound")
                .larger("clients fill more memory, for as long as the process lives")
                .seen(Seen::Refused(503)),
            Bound::fixed("queue_payload_bytes_max", Amount::Bytes(PAYLOAD_BYTES_MAX as u64))
                .bounds("The payload of a job, and its result")
                .larger("each claim moves more bytes: what is large stands elsewhere, and the job names it")
                .seen(Seen::Refused(422)),
            Bound::fixed("queue_kind_chars_max", Amount::count(KIND_CHARS_MAX))
                .bounds("Characters of a kind")
                .larger("labels of metrics get longer")
                .seen(Seen::Refused(422)),
            Bound::fixed("queue_key_bytes_max", Amount::Bytes(KEY_BYTES_MAX as u64))
                .bounds("Bytes of a key")
                .larger("the index of keys gets larger")
                .seen(Seen::Refused(422)),
            Bound::fixed("queue_tries_max", Amount::Count((*TRIES.end()).into()))
                .bounds("Tries that may be asked for; without a word there are 10")
                .larger("poison is tried for longer")
                .seen(Seen::Refused(422)),
            Bound::fixed("queue_timeout_max", Amount::Time(*TIMEOUT.end()))
                .bounds("The time of a try that may be asked for; without a word it is 30 s")
                .larger("work that hangs takes a place for longer")
                .seen(Seen::Refused(422)),
            Bound::fixed("queue_errors_max", Amount::count(ERRORS_MAX))
                .bounds("Tries that failed which a job remembers, the latest")
                .larger("a job takes more memory")
                .seen(Seen::Nothing),
            Bound::fixed("queue_keep_over", Amount::Time(self.keep_over))
                .bounds("How long a job is kept that was completed, cancelled or discarded, and its key with it")
                .larger("the database gets larger")
                .seen(Seen::Nothing),
            Bound::fixed("queue_keep_dead", Amount::Time(self.keep_dead))
                .bounds("How long a dead letter is kept")
                .larger("the database gets larger")
                .seen(Seen::Nothing),
        ]
    }

    /// The memory that clients can make the queue keep; `is_in_memory`: its jobs.
    pub fn kept(&self, is_in_memory: bool) -> Vec<Part> {
        let job = 2 * PAYLOAD_BYTES_MAX + ERRORS_MAX * WHY_BYTES_MAX + KEY_BYTES_MAX + JOB_BYTES;
        let jobs = Part::of_process(
            "queue",
            "queue_in_memory_max jobs with the largest payloads and results, as text, and all their errors",
            (self.in_memory_max * job) as u64,
        );
        is_in_memory.then_some(jobs).into_iter().collect()
    }
}

impl WorkersConfig {
    /// Rows for the catalogue of bounds.
    pub fn bounds(&self) -> Vec<Bound> {
        vec![
            Bound::fixed("workers_concurrency", Amount::count(self.concurrency))
                .bounds("Jobs that a process has at a time; one kind has three quarters of them at most")
                .larger("more is lost, and done again, when the process dies")
                .seen(Seen::Nothing),
            Bound::fixed("workers_lease", Amount::Time(self.lease))
                .bounds("How long a worker that gives no sign of life is taken for alive")
                .larger("jobs of a worker that has died wait for longer")
                .seen(Seen::Nothing),
            Bound::fixed("workers_heartbeat", Amount::Time(self.heartbeat))
                .bounds("From one sign of life of a worker to the next")
                .larger("fewer of them may be late before the worker is taken for lost")
                .seen(Seen::Nothing),
            Bound::fixed("workers_drain", Amount::Time(self.drain))
                .bounds("How long jobs at work are waited for at the end; those that are left are given back")
                .larger("a process takes longer to end")
                .seen(Seen::Nothing),
        ]
    }
}
