//! Owns every statement on the tables of webhooks.
//!
//! Times are `clock_timestamp()`, the time at which a row is looked at; `now()` would be that at which its transaction began.
//!
//! The order of locks: a message by its key, endpoints in the order of their names, deliveries. A claim waits for no row.

pub(super) const ADD: &str = "INSERT INTO webhook_endpoints (id, url, host, events, description, secret, created_at)
    SELECT $1::uuid, $2, $3, $4::text[], $5, $6::bytea, $7::timestamptz
    WHERE (SELECT count(*) FROM webhook_endpoints) < $8::bigint";

pub(super) const ENDPOINTS: &str = "SELECT * FROM webhook_endpoints ORDER BY id";

pub(super) const ENDPOINT: &str = "SELECT * FROM webhook_endpoints WHERE id = $1";

pub(super) const CHANGE: &str = "UPDATE webhook_endpoints SET
        url = coalesce($2, url), host = coalesce($3, host), events = coalesce($4, events),
        description = coalesce($5, description),
        previous_secrets = CASE WHEN $6::bytea IS NULL THEN previous_secrets ELSE array_prepend(secret, ARRAY(
            SELECT previous.secret FROM unnest(previous_secrets, previous_untils)
            WITH ORDINALITY AS previous (secret, until, place)
            WHERE previous.until > statement_timestamp() ORDER BY previous.place)) END,
        previous_untils = CASE WHEN $6::bytea IS NULL THEN previous_untils ELSE array_prepend(
            statement_timestamp() + $7::float8 * interval '1 second', ARRAY(
            SELECT previous.until FROM unnest(previous_untils) WITH ORDINALITY AS previous (until, place)
            WHERE previous.until > statement_timestamp() ORDER BY previous.place)) END,
        secret = coalesce($6, secret),
        disabled = CASE $8::bool WHEN true THEN NULL WHEN false THEN 'by_owner' ELSE disabled END,
        failing_since = CASE WHEN $8::bool THEN NULL ELSE failing_since END,
        failed_at = CASE WHEN $8::bool THEN NULL ELSE failed_at END
    WHERE id = $1 AND ($6::bytea IS NULL OR $9::bigint >
        (SELECT count(*) FROM unnest(previous_untils) AS until WHERE until > statement_timestamp())) RETURNING *";

pub(super) const REMOVE: &str = "DELETE FROM webhook_endpoints WHERE id = $1";

/// Who wants what may be read by all at once; those who disable or remove one wait, or are waited for: otherwise what they cancel
/// would not be all.
pub(super) const WANTING: &str = "SELECT id, events, failing_since IS NOT NULL AS is_failing
    FROM webhook_endpoints WHERE disabled IS NULL ORDER BY id FOR SHARE";

/// As many rows as there are endpoints, out of an index in which no more is than may be pending.
pub(super) const PENDING: &str =
    "SELECT endpoint_id, count(*) FROM webhook_deliveries WHERE state = 'pending' GROUP BY endpoint_id";

pub(super) const ADD_MESSAGE: &str = "INSERT INTO webhook_messages (id, event_type, payload, key, request)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key) DO NOTHING RETURNING created_at";

pub(super) const ADD_DELIVERIES: &str = "INSERT INTO webhook_deliveries (id, message_id, endpoint_id)
    SELECT new.id, $1, new.endpoint_id FROM unnest($2::uuid[], $3::uuid[]) AS new (id, endpoint_id)";

/// Those for which there is no room.
pub(super) const ADD_FAILED: &str =
    "INSERT INTO webhook_deliveries (id, message_id, endpoint_id, state, next_at, finished_at)
    SELECT new.id, $1, new.endpoint_id, 'failed', NULL, clock_timestamp()
    FROM unnest($2::uuid[], $3::uuid[]) AS new (id, endpoint_id)";

pub(super) const EARLIER: &str =
    "SELECT m.*, (SELECT count(*) FROM webhook_deliveries d WHERE d.message_id = m.id) AS deliveries
    FROM webhook_messages m WHERE key = $1";

pub(super) const MESSAGE: &str = "SELECT * FROM webhook_messages WHERE id = $1";

pub(super) const LATEST: &str = "SELECT id FROM webhook_messages ORDER BY created_at DESC, id DESC LIMIT 1";

pub(super) const OF_MESSAGE: &str = "SELECT * FROM webhook_deliveries WHERE message_id = $1 ORDER BY endpoint_id";

pub(super) const OF_ENDPOINT: &str =
    "SELECT * FROM webhook_deliveries WHERE endpoint_id = $1 ORDER BY id DESC LIMIT $2";

pub(super) const ATTEMPTS: &str =
    "SELECT * FROM webhook_attempts WHERE delivery_id = ANY($1) ORDER BY delivery_id, number";

/// With another fence: what an attempt says that is under way is not written down.
pub(super) const REPLAY: &str =
    "UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_at = clock_timestamp(),
    finished_at = NULL, fence = fence + 1, lease_until = NULL WHERE id = $1 RETURNING *";

pub(super) const REPLAYED: &str = "SELECT d.state, d.endpoint_id, e.disabled IS NOT NULL AS is_disabled
    FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id WHERE d.id = $1 FOR SHARE OF e";

/// `busy`: how much is at work at each endpoint. `due`: of each, the first that may be tried, counted (`place`) on from what is
/// at work. `seated`: the same counted by host, in the order in which they would be served. The rest takes those that have a
/// seat, the lowest places first, and looks at each again under its lock.
pub(super) const CLAIM: &str = "WITH busy AS (
        SELECT id, host, disabled, (SELECT count(*) FROM webhook_deliveries
            WHERE endpoint_id = e.id AND lease_until > clock_timestamp()) AS count
        FROM webhook_endpoints e
    ), host AS (
        SELECT busy.host, sum(count) AS used, coalesce(min(limits.most), $2::bigint) AS most
        FROM busy LEFT JOIN unnest($3::text[], $4::bigint[]) AS limits (host, most) ON limits.host = busy.host
        GROUP BY busy.host
    ), due AS (
        SELECT first.id, first.next_at, busy.host,
            busy.count + row_number() OVER (PARTITION BY busy.id ORDER BY first.next_at, first.id) AS place
        FROM busy CROSS JOIN LATERAL (
            SELECT id, next_at FROM webhook_deliveries
            WHERE endpoint_id = busy.id AND state = 'pending' AND next_at <= clock_timestamp()
                AND (lease_until IS NULL OR lease_until <= clock_timestamp())
            ORDER BY next_at, id LIMIT $1::bigint
        ) AS first
        WHERE busy.disabled IS NULL
    ), seated AS (
        SELECT due.*, host.most, host.used + row_number() OVER
            (PARTITION BY due.host ORDER BY due.place, due.next_at, due.id) AS seat
        FROM due JOIN host USING (host)
    ), chosen AS (
        SELECT d.id, seated.place, seated.next_at FROM seated JOIN webhook_deliveries d ON d.id = seated.id
        WHERE seated.seat <= seated.most AND d.state = 'pending' AND d.next_at <= clock_timestamp()
            AND (d.lease_until IS NULL OR d.lease_until <= clock_timestamp())
        ORDER BY seated.place, seated.next_at, d.id LIMIT $1::bigint
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE webhook_deliveries d
    SET fence = fence + 1, lease_until = clock_timestamp() + $5::float8 * interval '1 second'
    FROM chosen WHERE d.id = chosen.id
    RETURNING d.id, d.fence, d.tries, d.attempts, d.message_id, d.endpoint_id, chosen.place, chosen.next_at AS due_at";

pub(super) const ENDPOINTS_OF: &str = "SELECT * FROM webhook_endpoints WHERE id = ANY($1)";

pub(super) const MESSAGES_OF: &str = "SELECT * FROM webhook_messages WHERE id = ANY($1)";

/// One that was claimed and cannot be read: it would be claimed for ever.
pub(super) const UNREADABLE: &str = "UPDATE webhook_deliveries
    SET state = 'failed', next_at = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE id = $1 AND fence = $2 AND state = 'pending'";

/// For who may have to disable it.
pub(super) const LOCK_ENDPOINT: &str = "SELECT FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE";

/// What was cancelled meanwhile stays so.
pub(super) const FINISH: &str = "UPDATE webhook_deliveries
    SET lease_until = NULL, tries = tries + 1, attempts = $3,
        state = CASE WHEN state = 'pending' THEN $4 ELSE state END,
        next_at = CASE WHEN state = 'pending' AND $4 = 'pending'
            THEN clock_timestamp() + $5::float8 * interval '1 second' END,
        finished_at = CASE WHEN state = 'pending' AND $4 = 'pending' THEN NULL
            ELSE coalesce(finished_at, clock_timestamp()) END
    WHERE id = $1 AND fence = $2 AND lease_until IS NOT NULL RETURNING state";

pub(super) const ADD_ATTEMPT: &str = "INSERT INTO webhook_attempts (delivery_id, number, at, status, latency_ms, error)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

pub(super) const FORGET_ATTEMPT: &str = "DELETE FROM webhook_attempts WHERE delivery_id = $1 AND number <= $2";

pub(super) const WELL: &str =
    "UPDATE webhook_endpoints SET failing_since = NULL, failed_at = NULL WHERE id = $1 AND failing_since IS NOT NULL";

pub(super) const ILL: &str = "UPDATE webhook_endpoints SET failed_at = clock_timestamp(), failing_since = CASE
        WHEN failed_at >= clock_timestamp() - $2::float8 * interval '1 second' THEN failing_since
        ELSE clock_timestamp() END
    WHERE id = $1 AND disabled IS NULL";

pub(super) const DISABLE: &str = "UPDATE webhook_endpoints SET disabled = $2 WHERE id = $1 AND disabled IS NULL
    AND ($2 = 'gone' OR failing_since <= clock_timestamp() - $3::float8 * interval '1 second')";

pub(super) const CANCEL: &str =
    "UPDATE webhook_deliveries SET state = 'cancelled', next_at = NULL, finished_at = clock_timestamp()
    WHERE endpoint_id = $1 AND state = 'pending'";

pub(super) const RELEASE: &str = "UPDATE webhook_deliveries SET lease_until = NULL WHERE id = $1 AND fence = $2";

pub(super) const BACKLOG: &str = "SELECT count(*), count(*) FILTER (WHERE lease_until > clock_timestamp()),
        coalesce(extract(epoch FROM clock_timestamp() - min(next_at)), 0)::float8
    FROM webhook_deliveries WHERE state = 'pending'";

pub(super) const SWEEP: &str = "DELETE FROM webhook_messages WHERE id IN (
        SELECT id FROM webhook_messages m WHERE created_at < clock_timestamp() - $1::float8 * interval '1 second'
            AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.message_id = m.id AND d.state = 'pending')
        ORDER BY created_at LIMIT $2)";
