-- Webhooks. The secrets of endpoints are here as they are: whoever signs needs them. Who can read this table can sign.
CREATE TABLE webhook_endpoints (
    id              uuid        PRIMARY KEY,
    url             text        NOT NULL,
    -- Host and port of the URL: what work at it is counted by.
    host            text        NOT NULL,
    events          text[]      NOT NULL,
    description     text        NOT NULL,
    secret          bytea       NOT NULL,
    -- Those that it has replaced, the latest first, and until when each of them signs.
    previous_secrets bytea[]       NOT NULL DEFAULT '{}',
    previous_untils  timestamptz[] NOT NULL DEFAULT '{}',
    disabled        text        CHECK (disabled IN ('by_owner', 'gone', 'failing')),
    failing_since   timestamptz,
    failed_at       timestamptz,
    created_at      timestamptz NOT NULL,
    CHECK (cardinality(previous_secrets) = cardinality(previous_untils)),
    CHECK ((failing_since IS NULL) = (failed_at IS NULL))
);

CREATE TABLE webhook_messages (
    id         uuid        PRIMARY KEY,
    event_type text        NOT NULL,
    payload    text        NOT NULL,
    key        text        CONSTRAINT webhook_messages_key UNIQUE,
    -- SHA-256 of what was asked under the key.
    request    bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((key IS NULL) = (request IS NULL))
);

CREATE INDEX webhook_messages_age ON webhook_messages (created_at);

CREATE TABLE webhook_deliveries (
    id          uuid        PRIMARY KEY,
    message_id  uuid        NOT NULL REFERENCES webhook_messages ON DELETE CASCADE,
    endpoint_id uuid        NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    state       text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
    -- Since it was made, or replayed.
    tries       integer     NOT NULL DEFAULT 0,
    -- In all.
    attempts    integer     NOT NULL DEFAULT 0,
    next_at     timestamptz DEFAULT clock_timestamp(),
    -- Whose it is is known by the fence: it rises with each claim.
    fence       bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz,
    finished_at timestamptz,
    UNIQUE (message_id, endpoint_id),
    CHECK ((state = 'pending') = (next_at IS NOT NULL))
);

-- What is due at an endpoint, in order: a claim reads the beginning of it.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_at, id) WHERE state = 'pending';

-- What is at work: as many rows as there are workers.
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (endpoint_id, lease_until) WHERE lease_until IS NOT NULL;

CREATE INDEX webhook_deliveries_log ON webhook_deliveries (endpoint_id, id);

CREATE TABLE webhook_attempts (
    delivery_id uuid        NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    number      integer     NOT NULL,
    at          timestamptz NOT NULL,
    status      integer,
    latency_ms  integer     NOT NULL,
    error       text,
    PRIMARY KEY (delivery_id, number)
);
