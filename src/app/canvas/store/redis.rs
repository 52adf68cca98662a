//! Owns pictures in Redis: a key `firstbyte:canvas:room:{room}` for each room.
//!
//! The one idea: compare and replace in one script, by the SHA-1 of what was read, so that nodes that share a store do not
//! undo what another has just kept.
//!
//! Never: waits longer than [`ANSWER_TIME`] for an answer.

use std::time::Duration;

use redis::cmd;
use sha1::{Digest, Sha1};

use super::StoreError;
use crate::app::canvas::domain::RoomName;
use crate::db;
use crate::db::url::ServiceUrl;

const PREFIX: &str = "firstbyte:canvas:room:";
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// 1 when the key held what has the digest `ARGV[1]` (nothing, when that is empty) and now holds `ARGV[2]`, 0 otherwise.
const REPLACE: &str = "\
    local there = redis.call('GET', KEYS[1])
    if (there and redis.sha1hex(there) or '') ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2])
    return 1";

/// Renames the key if it holds what has the digest `ARGV[1]`. If it does not, another node was faster.
const PUT_ASIDE: &str = "\
    local there = redis.call('GET', KEYS[1])
    if there and redis.sha1hex(there) == ARGV[1] then redis.call('RENAME', KEYS[1], KEYS[2]) end
    return 1";

pub(super) struct Redis {
    redis: db::Redis,
}

impl Redis {
    /// The Redis at `url`, which need not be there yet.
    pub fn open(url: &ServiceUrl) -> Result<Redis, StoreError> {
        Ok(Redis { redis: db::Redis::open_with(url, ANSWER_TIME)? })
    }

    pub async fn read(&self, room: &RoomName) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.redis.run(cmd("GET").arg(key(room))).await?)
    }

    pub async fn replace(&self, room: &RoomName, was: Option<&[u8]>, bytes: &[u8]) -> Result<bool, StoreError> {
        let digest = was.map_or_else(String::new, digest);
        let replaced: u8 =
            self.redis.run(cmd("EVAL").arg(REPLACE).arg(1).arg(key(room)).arg(digest).arg(bytes)).await?;
        Ok(replaced == 1)
    }

    /// Gives the key that it has now.
    pub async fn put_aside(&self, room: &RoomName, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = digest(bytes);
        let aside = format!("{}:{}:corrupt", key(room), &digest[..8]);
        self.redis.run::<()>(cmd("EVAL").arg(PUT_ASIDE).arg(2).arg(key(room)).arg(&aside).arg(digest)).await?;
        Ok(aside)
    }
}

fn key(room: &RoomName) -> String {
    format!("{PREFIX}{room}")
}

/// As Redis writes it.
fn digest(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
