//! Owns keys and their answers in memory, as many bytes of them as there is room for.
//!
//! The one idea: keys end in the order in which they came, for all live equally long: who has ended stands at the front.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::app::inventory::domain::Claim;
use crate::app::inventory::domain::once::{KEY_BYTES_MAX, Key};
use crate::app::inventory::error::Error;

/// What an entry takes besides its answer: the key twice, the content's hash, its places in both tables.
const ENTRY_BYTES: usize = 2 * KEY_BYTES_MAX + 256;

type Name = (&'static str, Key);

pub(super) struct Keys {
    entries: HashMap<Name, Entry>,
    ends: VecDeque<(Instant, Name)>,
    bytes: usize,
    bytes_max: usize,
}

struct Entry {
    content: [u8; 32],
    answer: Vec<u8>,
    ends_at: Instant,
}

impl Keys {
    pub(super) fn new(bytes_max: usize) -> Keys {
        Keys { entries: HashMap::new(), ends: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// The answer that was kept for this claim.
    pub(super) fn look<T: DeserializeOwned>(&mut self, claim: &Claim) -> Result<Option<T>, Error> {
        self.forget(Instant::now());
        let Some(entry) = self.entries.get(&(claim.route, claim.key.clone())) else { return Ok(None) };
        if entry.content != claim.content {
            return Err(Error::KeyReused);
        }
        serde_json::from_slice(&entry.answer).map(Some).map_err(|error| Error::Failed(Box::new(error)))
    }

    /// Keeps `answer` for this claim, which nobody has.
    pub(super) fn keep(&mut self, claim: &Claim, answer: &impl Serialize) -> Result<(), Error> {
        let answer = serde_json::to_vec(answer).map_err(|error| Error::Failed(Box::new(error)))?;
        let bytes = answer.len() + ENTRY_BYTES;
        if self.bytes + bytes > self.bytes_max {
            return Err(Error::Full("answer"));
        }
        let ends_at = Instant::now() + claim.ttl;
        let name = (claim.route, claim.key.clone());
        self.entries.insert(name.clone(), Entry { content: claim.content, answer, ends_at });
        self.ends.push_back((ends_at, name));
        self.bytes += bytes;
        Ok(())
    }

    /// Frees the key of this claim.
    pub(super) fn drop(&mut self, claim: &Claim) {
        self.remove(&(claim.route, claim.key.clone()));
    }

    fn remove(&mut self, name: &Name) {
        if let Some(entry) = self.entries.remove(name) {
            self.bytes -= entry.answer.len() + ENTRY_BYTES;
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((_, name)) = self.ends.pop_front_if(|(ends_at, _)| *ends_at <= now) {
            // The key may have been freed, and be another one's by now.
            if self.entries.get(&name).is_some_and(|entry| entry.ends_at <= now) {
                self.remove(&name);
            }
        }
    }
}
