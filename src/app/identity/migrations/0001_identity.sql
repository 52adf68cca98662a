-- One row for each login that is not over. All tokens that descend from it are known by two hashes and a seal.
CREATE TABLE identity_families (
    id          bytea    PRIMARY KEY CHECK (octet_length(id) = 16),
    subject     text     NOT NULL,
    client      text     NOT NULL,
    scopes      text     NOT NULL,
    audience    text[]   NOT NULL,
    generation  bigint   NOT NULL,
    seal_key    bytea    NOT NULL CHECK (octet_length(seal_key) = 32),
    -- SHA-256 of the token that may be exchanged.
    current     bytea    NOT NULL CHECK (octet_length(current) = 32),
    -- The one before, when it was exchanged, and for as long as the grace lasts what its successor is computed with.
    spent       bytea    CHECK (octet_length(spent) = 32),
    spent_at    bigint,
    nonce       bytea    CHECK (octet_length(nonce) = 32),
    -- Unix seconds, by the clocks of the nodes: the absolute end, and the one that comes first if nothing happens.
    expires_at  bigint   NOT NULL,
    ends_at     bigint   NOT NULL CHECK (ends_at <= expires_at),
    CHECK ((spent IS NULL) = (spent_at IS NULL)),
    CHECK (nonce IS NULL OR spent IS NOT NULL)
);

-- The families of an account, the one that ends first before the others: it gives way to a new one.
CREATE INDEX identity_families_of_subject ON identity_families (subject, ends_at);

-- The sweep looks for what has ended, and for nonces behind their grace.
CREATE INDEX identity_families_ends_at ON identity_families (ends_at);
CREATE INDEX identity_families_nonces ON identity_families (spent_at) WHERE nonce IS NOT NULL;

CREATE TABLE identity_keys (
    kid         text     PRIMARY KEY,
    algorithm   text     NOT NULL,
    private     bytea    NOT NULL,
    state       text     NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    since       bigint   NOT NULL,
    -- A retired key verifies until then.
    until       bigint,
    CHECK ((state = 'retired') = (until IS NOT NULL))
);

-- One key signs, and one at most is next, whatever the nodes believe.
CREATE UNIQUE INDEX identity_keys_one_of_a_state ON identity_keys (state) WHERE state <> 'retired';
