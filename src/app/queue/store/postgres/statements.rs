//! Owns every statement on jobs.
//!
//! What is compared with an index is `now()`, which an index can be asked for; what is written down is `clock_timestamp()`, so that a
//! job that was stored late in a long transaction has not waited from its beginning.
//!
//! Where rows are picked and then changed, they are named by an array of their numbers: the plan is then a look-up for each of
//! them, whatever the planner believes of how many there are.

use super::{ERRORS_MAX, SUSPECT_LOST};
use crate::app::queue::domain::State;

/// Where it is told that there is work, or that a job is not wanted any more.
pub const CHANNEL: &str = "firstbyte_queue";

/// There is work.
pub const WORK: &str = "work";

/// All of a job.
macro_rules! columns {
    () => {
        "job.id, job.kind, job.payload, job.state, job.key, job.request, job.priority, job.tries, job.tries_max, job.timeout_ms,
    job.run_at, job.created_at, job.claimed_at, job.finished_at, job.worker, job.fence, job.lost, job.is_cancelling,
    job.result, job.errors, (SELECT worker.alive_until FROM queue_workers AS worker
        WHERE worker.name = job.worker AND job.state = 'running') AS lease_until"
    };
}

/// The errors of a job with `$why` behind them, the oldest let go of.
macro_rules! errors_with {
    ($why:expr) => {
        concat!(
            "(CASE WHEN jsonb_array_length(job.errors) >= 10 THEN job.errors - 0 ELSE job.errors END) || jsonb_build_array(
            jsonb_build_object('at', clock_timestamp(), 'try', job.tries, 'why', ",
            $why,
            "))"
        )
    };
}

const _: () = assert!(ERRORS_MAX == 10 && SUSPECT_LOST == 2, "the statements and indexes say so");

pub const TELL: &str = "SELECT pg_notify('firstbyte_queue', $1)";

/// `$9`: milliseconds from now; `$10`: a time; neither: now.
pub const ENQUEUE: &str = "INSERT INTO queue_jobs
    (id, kind, payload, key, request, priority, tries_max, timeout_ms, run_at, state, created_at)
    SELECT id, kind, payload, key, request, priority, tries_max, timeout_ms, due,
        CASE WHEN due > clock THEN 'scheduled' ELSE 'ready' END, clock
    FROM (SELECT clock_timestamp() AS clock) AS clock, LATERAL (
        SELECT given.*, least(clock + interval '366 days', greatest(clock, coalesce(at, clock + delay * interval '1 ms', clock)))
            AS due
        FROM unnest($1::uuid[], $2::text[], $3::json[], $4::text[], $5::bytea[], $6::smallint[], $7::smallint[],
            $8::integer[], $9::bigint[], $10::timestamptz[])
            AS given (id, kind, payload, key, request, priority, tries_max, timeout_ms, delay, at)) AS given
    ON CONFLICT DO NOTHING
    RETURNING id, state, run_at, created_at";

pub const FIND: &str = concat!("SELECT ", columns!(), " FROM queue_jobs AS job WHERE job.id = $1");

pub const FIND_KEYS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM queue_jobs AS job WHERE job.key = ANY(ARRAY(SELECT unnest($1::text[]))) AND job.key IS NOT NULL"
);

/// The newest first. The state is written out, so that an index that has no other one can be used.
pub fn list(state: Option<State>) -> String {
    let state = state.map_or(String::new(), |state| format!("AND job.state = '{state}'"));
    format!(
        "SELECT {} FROM queue_jobs AS job
    WHERE ($1::uuid IS NULL OR job.id < $1) AND ($2::text IS NULL OR job.kind = $2) {state}
    ORDER BY job.id DESC LIMIT $3",
        columns!()
    )
}

/// Each part is read from an index that holds nothing else.
pub const COUNTS: &str = "SELECT state, kind, jobs, age::float8 AS age FROM (
    SELECT 'ready' AS state, kind, count(*) AS jobs, extract(epoch FROM clock_timestamp() - min(run_at)) AS age
        FROM (SELECT kind, run_at FROM queue_jobs WHERE state = 'ready' AND lost < 2
            UNION ALL SELECT kind, run_at FROM queue_jobs WHERE state = 'ready' AND lost >= 2) AS ready GROUP BY kind
    UNION ALL SELECT 'scheduled', kind, count(*), NULL FROM queue_jobs WHERE state = 'scheduled' GROUP BY kind
    UNION ALL SELECT 'running', kind, count(*), NULL FROM queue_jobs WHERE state = 'running' GROUP BY kind
    UNION ALL SELECT state, kind, count(*), NULL FROM queue_jobs WHERE finished_at IS NOT NULL GROUP BY state, kind
    ) AS counted";

pub const RETRY: &str = concat!(
    "UPDATE queue_jobs AS job SET state = 'ready', run_at = clock_timestamp(), finished_at = NULL,
        tries = CASE WHEN state = 'scheduled' THEN tries ELSE 0 END, lost = CASE WHEN state = 'scheduled' THEN lost ELSE 0 END
    WHERE id = $1 AND state IN ('dead', 'cancelled', 'discarded', 'scheduled') RETURNING ",
    columns!()
);

pub const DISCARD: &str = concat!(
    "UPDATE queue_jobs AS job SET state = 'discarded', finished_at = clock_timestamp()
    WHERE id = $1 AND state = 'dead' RETURNING ",
    columns!()
);

pub const CANCEL: &str = concat!(
    "UPDATE queue_jobs AS job SET is_cancelling = (state = 'running'),
        finished_at = CASE WHEN state = 'running' THEN NULL ELSE clock_timestamp() END,
        state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END
    WHERE id = $1 AND state IN ('scheduled', 'ready', 'running') RETURNING ",
    columns!()
);

/// `$3`: for how many milliseconds somebody must have been in touch, so that who is silent now can be taken for lost.
pub const JOIN: &str = "INSERT INTO queue_workers (name, alive_until, begun_at)
    VALUES ($1, clock_timestamp() + $2::bigint * interval '1 ms', clock_timestamp())
    RETURNING EXISTS (SELECT FROM queue_workers WHERE alive_until > clock_timestamp()
        AND begun_at < clock_timestamp() - $3::bigint * interval '1 ms') AS was_heard";

/// Touches the row of the worker and nothing else: whatever holds the jobs back, nobody is taken for lost. Who was not heard for
/// a lease begins anew.
pub const BEAT: &str = "UPDATE queue_workers SET alive_until = clock_timestamp() + $2::bigint * interval '1 ms',
    begun_at = CASE WHEN alive_until < clock_timestamp() THEN clock_timestamp() ELSE begun_at END WHERE name = $1";

pub const HELD: &str =
    "SELECT id, fence, is_cancelling FROM queue_jobs AS job WHERE job.state = 'running' AND job.worker = $1";

pub const LEAVE: &str = "DELETE FROM queue_workers WHERE name = $1";

/// `$2` kinds, `$3` how many of each, `$4` how many in all, `$5` how many of them suspects. The row of the worker is held, so
/// that nobody takes it for lost meanwhile.
pub const CLAIM: &str = concat!(
    "WITH asked AS MATERIALIZED (
        SELECT kind, share FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS asked (kind, share, place)
        WHERE EXISTS (SELECT FROM queue_workers WHERE name = $1 AND alive_until > clock_timestamp() FOR KEY SHARE)
        ORDER BY place),
    suspects AS MATERIALIZED (
        SELECT job.id, asked.kind FROM asked CROSS JOIN LATERAL (
            SELECT id FROM queue_jobs WHERE state = 'ready' AND lost >= 2 AND kind = asked.kind
            ORDER BY priority DESC, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) AS job
        LIMIT $5),
    fresh AS MATERIALIZED (
        SELECT job.id FROM asked CROSS JOIN LATERAL (
            SELECT id FROM queue_jobs WHERE state = 'ready' AND lost < 2 AND kind = asked.kind
            ORDER BY priority DESC, run_at, id
            LIMIT greatest(0, asked.share - (SELECT count(*) FROM suspects WHERE suspects.kind = asked.kind))
            FOR UPDATE SKIP LOCKED) AS job
        LIMIT $4 - (SELECT count(*) FROM suspects))
    UPDATE queue_jobs AS job SET state = 'running', tries = tries + 1, fence = nextval('queue_fences'), worker = $1,
        claimed_at = clock_timestamp(), is_cancelling = false
    WHERE job.id = ANY(ARRAY(SELECT id FROM suspects UNION ALL SELECT id FROM fresh)) AND job.state = 'ready'
    RETURNING ",
    columns!()
);

/// What came of claims that still are the last ones of their jobs.
pub const FINISH: &str = concat!(
    "UPDATE queue_jobs AS job SET
        state = CASE WHEN job.is_cancelling AND given.state IN ('ready', 'scheduled') THEN 'cancelled' ELSE given.state END,
        finished_at = CASE WHEN job.is_cancelling OR given.state NOT IN ('ready', 'scheduled') THEN clock_timestamp() END,
        is_cancelling = false,
        run_at = coalesce(clock_timestamp() + given.delay * interval '1 ms', job.run_at),
        tries = CASE WHEN given.is_released THEN job.tries - 1 ELSE job.tries END,
        lost = CASE WHEN given.is_released THEN job.lost ELSE 0 END,
        result = given.result,
        errors = CASE WHEN given.why IS NULL THEN job.errors ELSE ",
    errors_with!("given.why"),
    " END
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::json[], $5::text[], $6::bigint[], $7::boolean[])
        AS given (id, fence, state, result, why, delay, is_released)
    WHERE job.id = ANY($1) AND job.id = given.id AND job.fence = given.fence AND job.state = 'running'
    RETURNING job.fence"
);

/// Those who hold their own row are about to claim: they are alive.
pub const LOSE_WORKERS: &str = "DELETE FROM queue_workers WHERE name IN
    (SELECT name FROM queue_workers WHERE alive_until < clock_timestamp() FOR UPDATE SKIP LOCKED)";

/// Jobs whose worker is no more. What is seen is a claim, and what is taken is that claim: between the look and the lock somebody
/// else may have rescued the job, and a worker that is alive have claimed it. PostgreSQL then looks again at the row, but not at
/// who has no row among the workers, so that the number of the claim has to be compared.
pub const RESCUE: &str = concat!(
    "WITH seen AS MATERIALIZED (
        SELECT id, fence FROM queue_jobs AS running WHERE state = 'running'
            AND NOT EXISTS (SELECT FROM queue_workers AS worker WHERE worker.name = running.worker)
        LIMIT $1),
    locked AS MATERIALIZED (
        SELECT job.id FROM queue_jobs AS job JOIN seen ON seen.id = job.id AND seen.fence = job.fence
        WHERE job.state = 'running' AND job.id = ANY(ARRAY(SELECT id FROM seen))
        FOR UPDATE OF job SKIP LOCKED)
    UPDATE queue_jobs AS job SET lost = lost + 1,
        state = CASE WHEN is_cancelling THEN 'cancelled' WHEN tries >= tries_max THEN 'dead' ELSE 'ready' END,
        finished_at = CASE WHEN is_cancelling OR tries >= tries_max THEN clock_timestamp() END,
        is_cancelling = false,
        errors = ",
    errors_with!("'worker lost: ' || coalesce(job.worker, '')"),
    "
    WHERE job.state = 'running' AND job.id = ANY(ARRAY(SELECT id FROM locked))"
);

pub const PROMOTE: &str = "UPDATE queue_jobs AS job SET state = 'ready'
    WHERE job.state = 'scheduled' AND job.id = ANY(ARRAY(
        SELECT id FROM queue_jobs WHERE state = 'scheduled' AND run_at <= now()
        ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED))";

pub const NEXT: &str = "SELECT extract(epoch FROM min(run_at) - clock_timestamp())::float8 AS next FROM queue_jobs WHERE state = 'scheduled'";

/// `$1` the state, `$2` milliseconds, `$3` how many.
pub const SWEEP: &str = "DELETE FROM queue_jobs AS job WHERE job.state = $1 AND job.id = ANY(ARRAY(
    SELECT id FROM queue_jobs WHERE finished_at IS NOT NULL AND state = $1
        AND finished_at < now() - $2::bigint * interval '1 ms'
    ORDER BY finished_at LIMIT $3 FOR UPDATE SKIP LOCKED))";
