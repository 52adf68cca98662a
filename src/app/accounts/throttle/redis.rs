//! Owns the counts of many nodes: for each key in Redis the time at which all that it was charged will have passed.
//!
//! The one idea: one script looks at all keys and charges them, by the clock of Redis, in one round trip. So the clocks of the
//! nodes need not agree, and nothing comes between looking and charging.
//!
//! Never: leaves a key behind that has passed: each lives as long as it matters.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Script, ScriptInvocation};

use super::{Key, Quota};
use crate::db::{Redis, Unavailable};

const PREFIX: &str = "firstbyte:throttle:";

/// KEYS: what is charged. ARGV: for each its interval and its burst, in milliseconds. Gives how long until all have room, 0 when all
/// were charged, and then when each will have passed.
const CHARGE: &str = "\
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local charged, wait = {}, 0
    for i, key in ipairs(KEYS) do
        local passes = math.max(tonumber(redis.call('GET', key) or 0), now)
        charged[i] = passes + ARGV[2 * i - 1]
        wait = math.max(wait, charged[i] - now - ARGV[2 * i])
    end
    if wait > 0 then return {wait} end
    for i, key in ipairs(KEYS) do
        redis.call('SET', key, string.format('%.0f', charged[i]), 'PXAT', string.format('%.0f', charged[i]))
    end
    return {0, unpack(charged)}";

/// KEYS: what was charged. ARGV: for each its interval, and when the charge would have passed. What is left of it is taken off each
/// key that is there.
const GIVE_BACK: &str = "\
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    for i, key in ipairs(KEYS) do
        local left = math.max(0, math.min(ARGV[2 * i - 1], ARGV[2 * i] - now))
        local passes = tonumber(redis.call('GET', key) or 0) - left
        if passes > now then
            redis.call('SET', key, string.format('%.0f', passes), 'PXAT', string.format('%.0f', passes))
        else
            redis.call('DEL', key)
        end
    end
    return 0";

static CHARGE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(CHARGE));
static GIVE_BACK_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(GIVE_BACK));

/// Charges each key one, if all have room: then it says when each will have passed. Otherwise none, and says how long until
/// all have.
pub(super) async fn charge(redis: &Redis, keys: &[(Key, Quota)]) -> Result<(Duration, Vec<Duration>), Unavailable> {
    let bursts = keys.iter().map(|(_, quota)| quota.interval * quota.burst);
    let told_ms: Vec<u64> = redis.run_script(&invocation(&CHARGE_SCRIPT, keys, bursts)).await?;
    let mut told = told_ms.into_iter().map(Duration::from_millis);
    Ok((told.next().unwrap_or_default(), told.collect()))
}

/// Takes off each key what is left of one charge, which would have passed at `own`.
pub(super) async fn give_back(redis: &Redis, keys: &[(Key, Quota)], own: &[Duration]) -> Result<(), Unavailable> {
    let invocation = invocation(&GIVE_BACK_SCRIPT, keys, own.iter().copied());
    redis.run_script::<u64>(&invocation).await.map(drop)
}

/// For each key its interval and one time more.
fn invocation<'a>(
    script: &'a Script,
    keys: &[(Key, Quota)],
    times: impl Iterator<Item = Duration>,
) -> ScriptInvocation<'a> {
    let mut invocation = script.prepare_invoke();
    for ((key, quota), time) in keys.iter().zip(times) {
        let (interval_ms, time_ms) = (quota.interval.as_millis() as u64, time.as_millis() as u64);
        invocation.key(format!("{PREFIX}{key}")).arg(interval_ms).arg(time_ms);
    }
    invocation
}
