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

/// KEYS: what is charged. ARGV: for each its interval and its burst, in milliseconds. 0 when all were charged; otherwise how long
/// until all have room.
const CHARGE: &str = "\
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local charged, wait = {}, 0
    for i, key in ipairs(KEYS) do
        local passes = math.max(tonumber(redis.call('GET', key) or 0), now)
        charged[i] = passes + ARGV[2 * i - 1]
        wait = math.max(wait, charged[i] - now - ARGV[2 * i])
    end
    if wait > 0 then return wait end
    for i, key in ipairs(KEYS) do
        redis.call('SET', key, string.format('%.0f', charged[i]), 'PXAT', string.format('%.0f', charged[i]))
    end
    return 0";

/// KEYS and ARGV as above: one is taken off each key that is there.
const GIVE_BACK: &str = "\
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    for i, key in ipairs(KEYS) do
        local passes = tonumber(redis.call('GET', key) or 0) - ARGV[2 * i - 1]
        if passes > now then
            redis.call('SET', key, string.format('%.0f', passes), 'PXAT', string.format('%.0f', passes))
        else
            redis.call('DEL', key)
        end
    end
    return 0";

static CHARGE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(CHARGE));
static GIVE_BACK_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(GIVE_BACK));

/// Charges each key one, if all have room. Otherwise none, and says how long until all have.
pub(super) async fn charge(redis: &Redis, keys: &[(Key, Quota)]) -> Result<Duration, Unavailable> {
    let wait_ms: u64 = redis.run_script(&invocation(&CHARGE_SCRIPT, keys)).await?;
    Ok(Duration::from_millis(wait_ms))
}

/// Takes one off each key.
pub(super) async fn give_back(redis: &Redis, keys: &[(Key, Quota)]) -> Result<(), Unavailable> {
    redis.run_script::<u64>(&invocation(&GIVE_BACK_SCRIPT, keys)).await.map(drop)
}

fn invocation<'a>(script: &'a Script, keys: &[(Key, Quota)]) -> ScriptInvocation<'a> {
    let mut invocation = script.prepare_invoke();
    for (key, quota) in keys {
        let interval_ms = quota.interval.as_millis() as u64;
        invocation.key(format!("{PREFIX}{key}")).arg(interval_ms).arg(interval_ms * u64::from(quota.burst));
    }
    invocation
}
