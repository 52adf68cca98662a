//! Owns what stands in Redis under a key of the cache, and the two scripts that write it.
//!
//! ```text
//!   format  shape  kind
//!   ┌─────┬──────┬─────┬───────────────
//!   │ '1' │  u8  │ 'V' │ the value            until its time is over
//!   │ '1' │  u8  │ 'N' │                      there is no such thing
//!   │ '1' │  u8  │ 'L' │ 16 random bytes      a lease: nothing was invalidated since it was put there
//!   └─────┴──────┴─────┴───────────────
//!
//!   nothing ──LEASE──> L ──FILL with the same L──> V, N ──DEL, or time──> nothing
//!                      └────────DEL──> nothing: FILL finds another thing, or none, and writes nothing
//! ```
//!
//! The one idea: an invalidation is a deletion, and takes the leases with it. Who has read the database before it brings a lease
//! that is gone. Nothing has to be counted, no clock is asked, and when Redis forgets a lease, by eviction or a restart, the
//! worst is a value that is not kept.
//!
//! Never: takes bytes of another format or shape for a value: they are a miss, and written over.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use redis::{Script, ScriptInvocation};

use crate::crypto;

/// The first byte: rises when this file changes what the bytes mean.
const FORMAT: u8 = b'1';

const HEAD_BYTES: usize = 3;
const TOKEN_BYTES: usize = 16;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// What the source has said: a value, or that there is none.
    Answer(Option<Bytes>),
    Lease(Lease),
}

/// The bytes of a lease, as they stand in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    bytes: Bytes,
}

/// Writes and reads entries whose values have one shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coding {
    pub shape: u8,
}

/// Gives what is there, an old lease too: it says the same of a load that begins now, and two nodes with leases of their own
/// could take them from each other for ever. Whatever else is there gives way to a new lease.
static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local there = redis.pcall('GET', KEYS[1])
        if type(there) == 'string' and string.sub(there, 1, 2) == string.sub(ARGV[1], 1, 2) then
            local kind = string.sub(there, 3, 3)
            if kind == 'V' or kind == 'N' and #there == 3 then return there end
            if kind == 'L' and #there == #ARGV[1] then
                redis.call('PEXPIRE', KEYS[1], ARGV[2])
                return there
            end
        end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return ARGV[1]",
    )
});

static FILL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        return 1",
    )
});

impl Coding {
    /// `None`: nothing of ours.
    pub fn decode(self, bytes: &Bytes) -> Option<Entry> {
        let rest = bytes.strip_prefix(&[FORMAT, self.shape])?;
        match rest.split_first()? {
            (b'V', _) => Some(Entry::Answer(Some(bytes.slice(HEAD_BYTES..)))),
            (b'N', []) => Some(Entry::Answer(None)),
            (b'L', token) if token.len() == TOKEN_BYTES => Some(Entry::Lease(Lease { bytes: bytes.clone() })),
            _ => None,
        }
    }

    /// Takes a lease, of which nobody hears any more after `time`, or gives what is there already.
    pub fn lease(self, key: &str, time: Duration) -> ScriptInvocation<'static> {
        let token: [u8; TOKEN_BYTES] = crypto::random();
        let mut invocation = LEASE.key(key);
        invocation.arg(self.encode(b'L', &token)).arg(milliseconds(time));
        invocation
    }

    /// Puts an answer in the place of `lease`, if it still stands there.
    pub fn fill(self, key: &str, lease: &Lease, answer: Option<&Bytes>, time: Duration) -> ScriptInvocation<'static> {
        let entry = answer.map_or_else(|| self.encode(b'N', &[]), |value| self.encode(b'V', value));
        let mut invocation = FILL.key(key);
        invocation.arg(&lease.bytes[..]).arg(entry).arg(milliseconds(time));
        invocation
    }

    fn encode(self, kind: u8, rest: &[u8]) -> Vec<u8> {
        [&[FORMAT, self.shape, kind], rest].concat()
    }
}

/// Redis has no time of nothing.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_a_miss() {
        let check = |bytes: &'static [u8], expected: Option<Entry>| {
            assert_eq!(Coding { shape: 7 }.decode(&Bytes::from_static(bytes)), expected, "{bytes:?}");
        };
        let answer = |value: Option<&'static [u8]>| Some(Entry::Answer(value.map(Bytes::from_static)));
        check(b"1\x07Vword", answer(Some(b"word")));
        check(b"1\x07V", answer(Some(b"")));
        check(b"1\x07N", answer(None));
        let lease: &[u8] = b"1\x07L0123456789abcdef";
        check(lease.trim_ascii(), Some(Entry::Lease(Lease { bytes: Bytes::copy_from_slice(lease) })));
        for wrong in [
            &b""[..],
            b"1",
            b"1\x07",
            b"1\x07Nmore",
            b"1\x07L",
            b"1\x07L0123456789abcde",
            b"1\x07L0123456789abcdef0",
            b"1\x07Xword",
            b"1\x06Vword, of an older shape",
            b"2\x07Vword, of a newer node",
            b"{\"id\":1}",
            b"\xff\xff\xff",
        ] {
            check(wrong, None);
        }
    }
}
