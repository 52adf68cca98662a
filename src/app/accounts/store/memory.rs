//! Owns accounts in memory, for one node: gone with the process.
//!
//! Never: holds more than `accounts_max`.

use std::collections::HashMap;
use std::sync::Mutex;

use uuid::Uuid;

use super::{Credentials, StoreError};
use crate::app::accounts::domain::{Account, AccountId, AccountName, NAME_CHARS, Role};
use crate::app::accounts::hasher::PasswordHash;
use crate::net::lock::lock;

/// Characters of a hash.
const HASH_CHARS: usize = 60;

/// Accounts that are there from the start, for whoever learns: number, name, hash and roles. Their passwords stand in the
/// README; they are in no store that lasts. Their numbers are the same on every node and after every start, so that a session
/// which is kept elsewhere finds them again.
pub const DEMO: [(AccountId, &str, &str, &[Role]); 2] = [
    (demo_id(1), "ada", "$2b$12$aR6OG.v6po242PFLSVqD.eTVmoy5o4y0StO2TMkB1DgQqL9gPJSsa", &Role::ALL),
    (demo_id(2), "bob", "$2b$12$42/yKqBSwbjEfb7zZ05EpO1h/kRd1fH//LPywTn/.rR6udzJYY5NC", &[Role::Customer]),
];

/// RFC 9562 5.7: a version 7 of the year 1970.
const fn demo_id(number: u128) -> AccountId {
    AccountId::of_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 | number))
}

pub(super) struct Memory {
    accounts_max: usize,
    accounts: Mutex<Accounts>,
}

#[derive(Default)]
struct Accounts {
    by_id: HashMap<AccountId, Credentials>,
    by_name: HashMap<String, AccountId>,
}

impl Memory {
    pub fn new(accounts_max: usize) -> Memory {
        Memory { accounts_max, accounts: Mutex::default() }
    }

    /// The most that `accounts_max` accounts with the longest names take. A table is at most half empty, but for a moment
    /// when it doubles.
    pub fn bytes_max(accounts_max: usize) -> u64 {
        let places = (accounts_max * 8 / 7 + 1).next_power_of_two();
        let entries = size_of::<(AccountId, Credentials)>() + size_of::<(String, AccountId)>() + 2;
        let texts = 2 * NAME_CHARS.end() + HASH_CHARS + Role::ALL.len() * size_of::<Role>();
        (places * entries * 3 / 2 + accounts_max * texts) as u64
    }

    pub fn with_demo(accounts_max: usize) -> Memory {
        let memory = Memory::new(accounts_max);
        for (id, name, hash, roles) in DEMO {
            let name = AccountName::parse(name).expect("a name");
            let hash = PasswordHash::parse(hash).expect("a hash");
            memory.add_under(id, &name, roles, &hash).expect("room");
        }
        memory
    }

    pub fn add(&self, name: &AccountName, roles: &[Role], hash: &PasswordHash) -> Result<Account, StoreError> {
        self.add_under(AccountId::random(), name, roles, hash)
    }

    fn add_under(
        &self,
        id: AccountId,
        name: &AccountName,
        roles: &[Role],
        hash: &PasswordHash,
    ) -> Result<Account, StoreError> {
        let mut accounts = lock(&self.accounts);
        if accounts.by_name.contains_key(name.text()) {
            return Err(StoreError::Taken);
        }
        if accounts.by_id.len() >= self.accounts_max {
            return Err(StoreError::Full);
        }
        let account = Account { id, name: name.clone(), roles: roles.to_vec(), generation: 1 };
        accounts.by_name.insert(name.text().to_owned(), account.id);
        accounts.by_id.insert(account.id, Credentials { account: account.clone(), hash: hash.clone() });
        Ok(account)
    }

    pub fn named(&self, name: &str) -> Option<Credentials> {
        let accounts = lock(&self.accounts);
        let id = accounts.by_name.get(name)?;
        accounts.by_id.get(id).cloned()
    }

    pub fn numbered(&self, id: AccountId) -> Option<Credentials> {
        lock(&self.accounts).by_id.get(&id).cloned()
    }

    /// Replaces the hash of an account that still is of its generation, which rises by `step`.
    pub fn replace_hash(&self, account: &Account, hash: &PasswordHash, step: u32) -> Option<Account> {
        let mut accounts = lock(&self.accounts);
        let kept = accounts.by_id.get_mut(&account.id).filter(|kept| kept.account.generation == account.generation)?;
        kept.hash = hash.clone();
        kept.account.generation += step;
        Some(kept.account.clone())
    }
}
