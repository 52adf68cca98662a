//! Owns families and keys in memory: two tables behind a lock each.
//!
//! Never: holds a lock over an await; survives its process.
//! Limits: `families_max`; when it is reached, a login is refused and nobody's family is dropped for it.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::app::identity::domain::family::{Family, FamilyId, Rotation};
use crate::app::identity::domain::keys::{Kept, StoredKey};
use crate::app::identity::store::StoreError;
use crate::net::lock::lock;

/// A family with its texts and its place in the tables: names of clients and accounts have 256 characters at most, scopes are
/// those of a client.
pub(crate) const FAMILY_BYTES_MAX: u64 = 2048;

#[derive(Debug)]
pub(super) struct Memory {
    families: Mutex<Families>,
    keys: Mutex<Vec<StoredKey>>,
    families_max: usize,
}

#[derive(Debug, Default)]
struct Families {
    by_id: HashMap<FamilyId, Family>,
    /// A handful of each, so that they are looked through.
    of_subject: HashMap<String, Vec<FamilyId>>,
}

impl Memory {
    pub(super) fn new(families_max: usize) -> Memory {
        Memory { families: Mutex::default(), keys: Mutex::default(), families_max }
    }

    pub(super) fn begin(&self, family: &Family, of_account_max: usize) -> Result<(), StoreError> {
        let mut families = lock(&self.families);
        families.make_room(&family.subject, of_account_max);
        if families.by_id.len() >= self.families_max {
            return Err(StoreError::Full);
        }
        families.of_subject.entry(family.subject.clone()).or_default().push(family.id);
        families.by_id.insert(family.id, family.clone());
        Ok(())
    }

    pub(super) fn find(&self, id: FamilyId) -> Option<Family> {
        lock(&self.families).by_id.get(&id).cloned()
    }

    pub(super) fn rotate(&self, id: FamilyId, rotation: &Rotation) -> bool {
        lock(&self.families).by_id.get_mut(&id).is_some_and(|family| family.rotate(rotation))
    }

    pub(super) fn revoke(&self, id: FamilyId) -> bool {
        lock(&self.families).remove(id)
    }

    pub(super) fn sweep(&self, now: u64, grace: u64) -> u64 {
        let mut families = lock(&self.families);
        let ended: Vec<FamilyId> =
            families.by_id.values().filter(|family| !family.is_live(now)).map(|f| f.id).collect();
        ended.iter().for_each(|&id| {
            families.remove(id);
        });
        families.by_id.values_mut().for_each(|family| family.forget_nonce(now, grace));
        ended.len() as u64
    }

    pub(super) fn keys(&self) -> Vec<StoredKey> {
        lock(&self.keys).clone()
    }

    pub(super) fn change_keys<F>(&self, change: F) -> Result<Vec<StoredKey>, Kept>
    where
        F: FnOnce(&[StoredKey]) -> Result<Vec<StoredKey>, Kept>,
    {
        let mut keys = lock(&self.keys);
        *keys = change(&keys)?;
        Ok(keys.clone())
    }
}

impl Families {
    /// Drops families of `subject` until there are fewer than `of_account_max`, those that would end first.
    fn make_room(&mut self, subject: &str, of_account_max: usize) {
        while let Some(own) = self.of_subject.get(subject).filter(|own| own.len() >= of_account_max) {
            let first = own.iter().min_by_key(|id| self.by_id.get(*id).map(|family| family.ends_at)).copied();
            let Some(first) = first else { return };
            self.remove(first);
        }
    }

    fn remove(&mut self, id: FamilyId) -> bool {
        let Some(family) = self.by_id.remove(&id) else { return false };
        if let Some(own) = self.of_subject.get_mut(&family.subject) {
            own.retain(|other| *other != id);
            if own.is_empty() {
                self.of_subject.remove(&family.subject);
            }
        }
        true
    }
}
