//! Owns sessions in Redis, where all nodes see them.
//!
//! ```text
//!   firstbyte:session:{hash}        account generation created used device secret      TTL: min(idle, what is left in all)
//!   firstbyte:sessions:{account}    {hash} by the time it was opened                   TTL: as long as the longest may live
//! ```
//!
//! The one idea: each question is one script, so that nothing comes between its steps and nothing is left half done. Redis
//! forgets a session by itself when its time is over; its line in the account's list is left out when that is read, and goes
//! with the next session that is opened.
//!
//! The list lives as long as the longest of its sessions, whatever lifetime a node opens its own with. A Redis that evicts may
//! lose it all the same, so whoever holds a session ends it by its hash, and each use that is written down writes the line
//! again: `maxmemory-policy` has to be `noeviction` for the list to be complete, and not for a logout to be one.
//!
//! All times are those of Redis: the clocks of the nodes need not agree.
//!
//! Never: writes a session that is not there any more: a use that comes after the end finds nothing. What somebody else has
//! written under one of these keys is no session.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::{Lifetime, Replaced};
use crate::app::accounts::AccountId;
use crate::app::session::domain::{Device, NewSession, Secret, Session, SessionId, Timestamp};
use crate::crypto::TokenHash;
use crate::db::{self, Unavailable};

const SESSION: &str = "firstbyte:session:";
const SESSIONS: &str = "firstbyte:sessions:";

/// What each script begins with.
const COMMON: &str = "\
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local function finish(session, list)
        local name = string.sub(session, #'firstbyte:session:' + 1)
        redis.call('DEL', session)
        redis.call('ZREM', list, name)
    end
    local function fields(session)
        local found = redis.pcall('HMGET', session, 'account', 'generation', 'created', 'used', 'device', 'secret')
        for i = 1, 6 do if not found[i] then return false end end
        return tonumber(found[2]) and tonumber(found[3]) and tonumber(found[4]) and found
    end
    local function keep(list, span)
        redis.call('PEXPIRE', list, math.max(redis.call('PTTL', list), span))
    end
";

/// KEYS: session, list. ARGV: hash, account, generation, device, secret, idle, absolute, most sessions, what is replaced. Gives
/// the time; nothing, and nothing is done, when the account has a session of a later generation.
const OPEN: &str = "
    local generations = {}
    for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
        local session = fields('firstbyte:session:' .. hash)
        generations[hash] = session and tonumber(session[2]) or -1
        if generations[hash] > tonumber(ARGV[3]) then return false end
    end
    if ARGV[9] == 'all' then
        for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do redis.call('DEL', 'firstbyte:session:' .. hash) end
        redis.call('DEL', KEYS[2])
    elseif ARGV[9] ~= '' then
        local replaced = 'firstbyte:session:' .. ARGV[9]
        local account = redis.call('HGET', replaced, 'account')
        if account then finish(replaced, 'firstbyte:sessions:' .. account) end
    end
    for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
        if generations[hash] < tonumber(ARGV[3]) then finish('firstbyte:session:' .. hash, KEYS[2]) end
    end
    for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, -ARGV[8])) do
        finish('firstbyte:session:' .. hash, KEYS[2])
    end
    redis.call('HSET', KEYS[1], 'account', ARGV[2], 'generation', ARGV[3], 'created', now, 'used', now,
        'device', ARGV[4], 'secret', ARGV[5])
    redis.call('PEXPIRE', KEYS[1], math.min(ARGV[6], ARGV[7]))
    -- Two that are opened within a millisecond stand in the order of their opening.
    local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
    redis.call('ZADD', KEYS[2], math.max(now, (tonumber(last[2]) or 0) + 0.001), ARGV[1])
    keep(KEYS[2], ARGV[7])
    return now";

/// KEYS: session. ARGV: hash, idle, absolute, touch. Gives its fields.
const FIND: &str = "
    local found = fields(KEYS[1])
    if not found then return false end
    local list, left = 'firstbyte:sessions:' .. found[1], found[3] + ARGV[3] - now
    if left <= 0 then
        finish(KEYS[1], list)
        return false
    end
    if now - found[4] >= tonumber(ARGV[4]) then
        redis.call('HSET', KEYS[1], 'used', now)
        redis.call('PEXPIRE', KEYS[1], math.min(ARGV[2], left))
        redis.call('ZADD', list, 'NX', found[3], ARGV[1])
        keep(list, left)
    end
    return found";

/// KEYS: list. Gives hashes and fields, the one that was opened last first.
const LIST: &str = "
    local found = {}
    for _, hash in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
        local session = fields('firstbyte:session:' .. hash)
        if session then
            table.insert(session, hash)
            table.insert(found, session)
        end
    end
    return found";

/// KEYS: session. Ends it, whatever its account's list says.
const END_HELD: &str = "
    local account = redis.pcall('HGET', KEYS[1], 'account')
    if type(account) ~= 'string' then return 0 end
    finish(KEYS[1], 'firstbyte:sessions:' .. account)
    return 1";

/// KEYS: list. ARGV: what the hash begins with; nothing for all. Gives how many there were.
const END: &str = "
    local count = 0
    for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
        if string.sub(hash, 1, #ARGV[1]) == ARGV[1] then
            count = count + redis.call('EXISTS', 'firstbyte:session:' .. hash)
            finish('firstbyte:session:' .. hash, KEYS[1])
        end
    end
    return count";

static OPEN_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(OPEN));
static FIND_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(FIND));
static LIST_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(LIST));
static END_HELD_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(END_HELD));
static END_SCRIPT: LazyLock<Script> = LazyLock::new(|| script(END));

fn script(steps: &str) -> Script {
    Script::new(&format!("{COMMON}{steps}"))
}

/// Sessions in a Redis.
pub(super) struct Redis {
    redis: db::Redis,
    lifetime: Lifetime,
}

/// The fields of a session, as Redis gives them; in a list its hash, too.
type Found = Vec<Vec<u8>>;

impl Redis {
    pub fn new(redis: db::Redis, lifetime: Lifetime) -> Redis {
        assert!(lifetime.per_account_max > 0, "there is room for a session");
        Redis { redis, lifetime }
    }

    pub async fn open(&self, new: NewSession, replaced: Replaced) -> Result<Option<Session>, Unavailable> {
        let Lifetime { idle, absolute, per_account_max, .. } = self.lifetime;
        let replaced = match replaced {
            Replaced::Nothing => String::new(),
            Replaced::One(hash) => hash.to_string(),
            Replaced::All => "all".to_owned(),
        };
        let mut invocation = OPEN_SCRIPT.prepare_invoke();
        invocation.key(session_key(&new.hash)).key(list_key(new.account)).arg(new.hash.to_string());
        invocation.arg(new.account.to_string()).arg(new.generation).arg(new.device.text()).arg(&new.secret.bytes()[..]);
        invocation.arg(millis(idle)).arg(millis(absolute)).arg(per_account_max).arg(replaced);
        let now: Option<u64> = self.redis.run_script(&invocation).await?;
        Ok(now.map(|now| new.opened(Timestamp(now))))
    }

    pub async fn find(&self, hash: &TokenHash) -> Result<Option<Session>, Unavailable> {
        let Lifetime { idle, absolute, touch, .. } = self.lifetime;
        let mut invocation = FIND_SCRIPT.key(session_key(hash));
        invocation.arg(hash.to_string()).arg(millis(idle)).arg(millis(absolute)).arg(millis(touch));
        let found: Option<Found> = self.redis.run_script(&invocation).await?;
        Ok(found.and_then(|found| session(*hash, &found)))
    }

    pub async fn list(&self, account: AccountId) -> Result<Vec<Session>, Unavailable> {
        let found: Vec<Found> = self.redis.run_script(&LIST_SCRIPT.key(list_key(account))).await?;
        let listed = found.iter().filter_map(|found| {
            let (hash, fields) = found.split_last()?;
            session(hash_of(text(hash)?)?, fields)
        });
        Ok(listed.collect())
    }

    pub async fn end_held(&self, hash: &TokenHash) -> Result<bool, Unavailable> {
        self.redis.run_script(&END_HELD_SCRIPT.key(session_key(hash))).await
    }

    pub async fn end(&self, account: AccountId, id: SessionId) -> Result<bool, Unavailable> {
        Ok(self.end_those(account, &id.to_string()).await? > 0)
    }

    pub async fn end_all(&self, account: AccountId) -> Result<usize, Unavailable> {
        self.end_those(account, "").await
    }

    async fn end_those(&self, account: AccountId, prefix: &str) -> Result<usize, Unavailable> {
        self.redis.run_script(END_SCRIPT.key(list_key(account)).arg(prefix)).await
    }
}

fn session_key(hash: &TokenHash) -> String {
    format!("{SESSION}{hash}")
}

fn list_key(account: AccountId) -> String {
    format!("{SESSIONS}{account}")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What is kept under `hash`. Nothing when it is not of our making: then it opens nothing.
fn session(hash: TokenHash, fields: &[Vec<u8>]) -> Option<Session> {
    let [account, generation, created, used, device, secret] = fields else { return None };
    Some(Session {
        hash,
        account: text(account)?.parse().ok()?,
        generation: text(generation)?.parse().ok()?,
        created: Timestamp(text(created)?.parse().ok()?),
        used: Timestamp(text(used)?.parse().ok()?),
        device: Device::shown(text(device)?),
        secret: Secret::of_bytes(secret.as_slice().try_into().ok()?),
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn hash_of(text: &str) -> Option<TokenHash> {
    let (high, low) = text.split_at_checked(32).filter(|(_, low)| low.len() == 32)?;
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&u128::from_str_radix(high, 16).ok()?.to_be_bytes());
    bytes[16..].copy_from_slice(&u128::from_str_radix(low, 16).ok()?.to_be_bytes());
    Some(TokenHash::of_bytes(bytes))
}
