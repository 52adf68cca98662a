-- What comes again and again. Who changes `seen_until` to an instant makes the job of it, in the same transaction.
CREATE TABLE queue_schedules (
    name       text        PRIMARY KEY,
    cron       text        NOT NULL,
    zone       text        NOT NULL,
    kind       text        NOT NULL,
    payload    json        NOT NULL,
    is_enabled boolean     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Instants until then are seen to.
    seen_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The last instant that has made a job. The job may be forgotten before the schedule is.
    last_at    timestamptz,
    last_job   uuid,
    CHECK ((last_at IS NULL) = (last_job IS NULL))
);
