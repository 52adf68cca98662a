-- One number for each claim, greater than all before: whoever has seen a greater one refuses a smaller one.
CREATE SEQUENCE queue_fences AS bigint;

-- Who works. A process gives its sign of life here, in one row, whatever number of jobs it has: so the lease of a job is that of
-- its worker, and a beat touches neither the table of jobs nor an index.
CREATE TABLE queue_workers (
    name        text        PRIMARY KEY,
    alive_until timestamptz NOT NULL,
    begun_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE queue_jobs (
    id            uuid        PRIMARY KEY,
    kind          text        NOT NULL,
    -- json and not jsonb: it is never looked into here, and may hold what jsonb refuses.
    payload       json        NOT NULL,
    state         text        NOT NULL
        CHECK (state IN ('scheduled', 'ready', 'running', 'completed', 'dead', 'cancelled', 'discarded')),
    key           text,
    -- SHA-256 of what was asked for under the key.
    request       bytea,
    priority      smallint    NOT NULL,
    tries         smallint    NOT NULL DEFAULT 0,
    tries_max     smallint    NOT NULL,
    timeout_ms    integer     NOT NULL,
    run_at        timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    claimed_at    timestamptz,
    finished_at   timestamptz,
    worker        text,
    fence         bigint      NOT NULL DEFAULT 0,
    lost          smallint    NOT NULL DEFAULT 0,
    is_cancelling boolean     NOT NULL DEFAULT false,
    result        json,
    errors        jsonb       NOT NULL DEFAULT '[]',
    CHECK ((key IS NULL) = (request IS NULL)),
    CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'dead', 'cancelled', 'discarded')))
-- Every row is changed twice in its life: the versions before are cleaned away by their number, not by a share of a table that
-- may be mostly history.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 5000);

CREATE UNIQUE INDEX queue_jobs_key ON queue_jobs (key) WHERE key IS NOT NULL;

-- What may be claimed, and nothing else: the first entry of a kind is the job whose turn it is, however many wait behind it and
-- however many are over.
CREATE INDEX queue_jobs_ready ON queue_jobs (kind, priority DESC, run_at, id) WHERE state = 'ready' AND lost < 2;

-- Those whose worker was lost with them twice in a row: they are claimed one at a time.
CREATE INDEX queue_jobs_suspect ON queue_jobs (kind, priority DESC, run_at, id) WHERE state = 'ready' AND lost >= 2;

CREATE INDEX queue_jobs_scheduled ON queue_jobs (run_at) INCLUDE (kind) WHERE state = 'scheduled';
CREATE INDEX queue_jobs_running ON queue_jobs (worker) INCLUDE (kind) WHERE state = 'running';

-- What is over, for whoever counts and whoever forgets it; dead letters in the order of a list.
CREATE INDEX queue_jobs_over ON queue_jobs (state, finished_at) INCLUDE (kind) WHERE finished_at IS NOT NULL;
CREATE INDEX queue_jobs_dead ON queue_jobs (id) WHERE state = 'dead';

-- What the kind `effect` of the lesson does: that a try has begun, and, once for each job, its effect under its fence.
CREATE TABLE queue_effects (
    job   uuid        NOT NULL REFERENCES queue_jobs ON DELETE CASCADE,
    fence bigint      NOT NULL,
    what  text        NOT NULL CHECK (what IN ('begun', 'effect')),
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job, fence, what)
);
CREATE UNIQUE INDEX queue_effects_once ON queue_effects (job) WHERE what = 'effect';
