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
        self.entries.insert(name.clone(), Entry { content: claim.content, answer });
        self.ends.push_back((ends_at, name));
        self.bytes += bytes;
        Ok(())
    }

    /// Frees the key of this claim.
    pub(super) fn drop(&mut self, claim: &Claim) {
        let name = (claim.route, claim.key.clone());
        self.remove(&name);
        // It came just now, so it stands near the back.
        if let Some(place) = self.ends.iter().rposition(|(_, kept)| *kept == name) {
            self.ends.remove(place);
        }
    }

    fn remove(&mut self, name: &Name) {
        if let Some(entry) = self.entries.remove(name) {
            self.bytes -= entry.answer.len() + ENTRY_BYTES;
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((_, name)) = self.ends.pop_front_if(|(ends_at, _)| *ends_at <= now) {
            self.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_freed_or_has_ended_takes_no_room() {
        let mut keys = Keys::new(1 << 20);
        let claim = |text: &str| {
            let key = Key::parse(text).unwrap();
            Claim { route: "POST /orders", key, content: [7; 32], ttl: Duration::from_secs(60) }
        };
        for number in 0..100 {
            keys.keep(&claim(&number.to_string()), &"answer").unwrap();
            keys.drop(&claim(&number.to_string()));
        }
        assert_eq!((keys.entries.len(), keys.ends.len(), keys.bytes), (0, 0, 0));
        keys.keep(&claim("freed"), &1).unwrap();
        keys.drop(&claim("freed"));
        tokio::time::advance(Duration::from_secs(30)).await;
        keys.keep(&claim("freed"), &2).unwrap();
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(keys.look::<i32>(&claim("freed")).unwrap(), Some(2), "its time begins anew");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(keys.look::<i32>(&claim("freed")).unwrap(), None);
        assert_eq!((keys.ends.len(), keys.bytes), (0, 0));
    }
}
