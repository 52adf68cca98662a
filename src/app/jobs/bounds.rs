//! Owns the rows of this application in the catalogue of bounds, and the memory that it may keep.
//!
//! Never: bounds anything itself; repeats a row of the queue.

use crate::app::jobs::{BULK_MAX, JobsConfig, api};
use crate::app::queue::cron::TEXT_BYTES_MAX;
use crate::app::queue::domain::{DELAY_MAX, PAYLOAD_BYTES_MAX};
use crate::app::queue::schedule::{SCHEDULES_MAX, SchedulerConfig};
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// What the application bounds for itself.
pub(super) fn rows(config: &JobsConfig) -> Vec<Bound> {
    let scheduler = SchedulerConfig::default();
    vec![
        Bound::fixed("jobs_content_bytes_max", Amount::Bytes(config.content_bytes_max))
            .bounds("Content of a request for jobs")
            .larger("each request is read for longer, for a payload that is refused")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("jobs_delay_max", Amount::Time(DELAY_MAX))
            .bounds("How far ahead a job may be put off")
            .larger("what nobody remembers is done one day")
            .seen(Seen::Refused(422)),
        Bound::fixed("jobs_list_max", Amount::count(api::LIST_MAX))
            .bounds("Jobs of one list")
            .larger("an answer takes more memory: each job may have a payload and a result")
            .seen(Seen::Refused(400)),
        Bound::fixed("jobs_bulk_max", Amount::count(BULK_MAX))
            .bounds("Dead letters that one request tries again")
            .larger("a request takes longer, and what they died of is met by more at once")
            .seen(Seen::Shortened),
        Bound::fixed("jobs_schedules_max", Amount::count(SCHEDULES_MAX))
            .bounds("Schedules")
            .larger("each node looks at more of them, each few seconds")
            .seen(Seen::Refused(507)),
        Bound::fixed("jobs_cron_bytes_max", Amount::Bytes(TEXT_BYTES_MAX as u64))
            .bounds("A cron expression")
            .larger("each is read for longer")
            .seen(Seen::Refused(422)),
        Bound::fixed("jobs_schedule_window", Amount::Time(scheduler.window))
            .bounds("How late an instant may run that was missed; only the latest does")
            .larger("an outage is made up for by a run that nobody may want any more")
            .seen(Seen::Nothing),
        Bound::fixed("jobs_timeout", Amount::Time(config.timeout))
            .bounds("From a request to the head of its answer")
            .larger("a database that is slow holds more requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut)),
    ]
}

/// What the application may keep: the jobs in memory are the queue's.
pub(super) fn kept(config: &JobsConfig) -> Vec<Part> {
    let schedule = (PAYLOAD_BYTES_MAX + TEXT_BYTES_MAX + 512) as u64;
    let schedules = if config.is_in_memory { SCHEDULES_MAX as u64 } else { 0 };
    vec![Part::of_process(
        "schedules",
        "jobs_schedules_max, each with the largest payload; in memory alone",
        schedules * schedule,
    )]
}
