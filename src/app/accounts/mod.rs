//! Owns accounts: who may register, who is who they say they are, and nothing about what they do then.
//!
//! ```text
//!   name, password, address
//!     └─> throttle ──429   └─> store: look-up ──> hasher: one hash, on threads that give way ──> Account, or Refused
//!         before any work      by the name,         against the account's, or against nobody's
//!                              whoever has it
//! ```
//!
//! The one idea: who logs in learns whether name and password are right together, and nothing else. An unknown name, a
//! wrong password and one that no account can have take the same steps: one charge, one look-up, one hash.
//!
//! It has no routes: applications that know people use it, each in its own way.
//!
//! Never: logs a name or a password; tells apart why somebody is refused.
//! Limits: [`AccountsConfig`], [`throttle::ThrottleConfig`].

mod bounds;
pub mod domain;
pub mod error;
pub mod hasher;
pub mod store;
pub mod throttle;

use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::http::bounds::{Bound, Part};
pub use domain::{Account, AccountId, AccountName, Password, Role};
pub use error::{AuthenticateError, ChangePasswordError, Obstacle, RegisterError};
use hasher::pool::Pool;
use hasher::{Claim, Cost, Hasher};
use store::{Credentials, Store, StoreError};
use throttle::{Charge, Throttle, network};

/// Accounts that are kept in memory.
pub const ACCOUNTS_MAX: usize = 10_000;

/// What the accounts are given at their start.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// The cost of a hash. Default: 12. An account's hash follows when its holder logs in. Lowering it later shows, by the
    /// time that they take, which accounts there are: until their holders log in.
    pub cost: Cost,
    /// Hashes at a time. Default: as many as there are cores.
    pub hashes_max: usize,
    /// Hashes that wait for one of these. Default: 16 for each, some four seconds.
    pub waiting_hashes_max: usize,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        AccountsConfig::of_cost(Cost::MIN)
    }
}

impl AccountsConfig {
    /// The default with hashes of `cost`: as many wait as are done in four seconds. A wait that is longer than a client's
    /// patience is work for nobody.
    pub fn of_cost(cost: Cost) -> AccountsConfig {
        let cores = available_parallelism().map_or(1, usize::from);
        let for_a_core = (16 * Cost::MIN.rounds() / cost.rounds()).max(1) as usize;
        AccountsConfig { cost, hashes_max: cores, waiting_hashes_max: for_a_core * cores }
    }

    /// Hashes of one network, an IPv4 address or a /64, that wait or are done: a quarter of all. A right password is not
    /// charged, so without this whoever has an account could have all places for as long as he likes.
    pub fn network_hashes_max(&self) -> usize {
        ((self.hashes_max + self.waiting_hashes_max) / 4).max(1)
    }

    /// Rows for the catalogue of bounds: each limit of the accounts.
    pub fn bounds(&self, throttle: &throttle::ThrottleConfig) -> Vec<Bound> {
        bounds::rows(self, throttle)
    }

    /// The memory that clients can make the accounts keep, when they are kept in memory.
    pub fn kept(&self, throttle: &throttle::ThrottleConfig) -> Vec<Part> {
        bounds::kept(throttle)
    }
}

/// Accounts. A clone is the same ones.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    throttle: Throttle,
    hasher: Hasher,
    look_ups: Arc<AtomicU64>,
}

/// What a store has found.
type Found = Result<Option<Credentials>, StoreError>;

/// What was done so far, to be compared: who cannot be told apart by it, cannot be told apart by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Rounds of hashing.
    pub rounds: u64,
    /// Accounts that the store was asked for.
    pub look_ups: u64,
}

impl Accounts {
    /// The accounts in `store`.
    ///
    /// # Panics
    /// When a number of `config` is 0.
    pub fn new(config: AccountsConfig, store: Store, throttle: Throttle) -> Accounts {
        let pool = Pool::new(config.hashes_max, config.waiting_hashes_max, config.network_hashes_max());
        Accounts { store, throttle, hasher: Hasher::new(config.cost, pool), look_ups: Arc::default() }
    }

    /// A new account, with the role of a customer, for somebody at `from`.
    ///
    /// # Cancel safety
    /// Dropped, the account was added or not, as a whole; the attempt is charged.
    ///
    /// # Errors
    /// What is wrong with name or password, found out before anything is looked up; that the name is taken; an obstacle.
    pub async fn register(&self, name: &str, password: &str, from: IpAddr) -> Result<Account, RegisterError> {
        let name = AccountName::parse(name).map_err(RegisterError::Name)?;
        let password = Password::parse(password, &name).map_err(RegisterError::Password)?;
        // Stays charged whatever comes of it: to be told that a name is taken is what somebody may want.
        self.throttle.registration(from).await?;
        let hash = self.hasher.hash(&password, network(from)).await?;
        Ok(self.store.add(&name, &[Role::Customer], &hash).await?)
    }

    /// The account called `name`, if `password` is its.
    ///
    /// # Cancel safety
    /// Dropped, the verdict is reached all the same, by a task of its own: who does not wait for it pays for a wrong password
    /// and not for a right one, like whoever waits.
    ///
    /// # Errors
    /// One refusal, whatever is not right; or an obstacle.
    pub async fn authenticate(&self, name: &str, password: &str, from: IpAddr) -> Result<Account, AuthenticateError> {
        let (accounts, name, password) = (self.clone(), name.to_owned(), password.to_owned());
        whoever_waits(async move { accounts.authenticated(&name, password, from).await }).await?
    }

    async fn authenticated(&self, name: &str, password: String, from: IpAddr) -> Result<Account, AuthenticateError> {
        let charge = self.throttle.login(name, from).await?;
        // What no name is, is looked up like one: by a name that nobody has.
        let name = AccountName::parse(name);
        let found = self.look_up(self.store.named(name.as_ref().map_or("", AccountName::text))).await;
        let verified = self.verify(found, &password, from).await;
        self.settle(charge, &verified).await;
        let right = verified?.ok_or(AuthenticateError::Refused)?;
        let account = right.account.clone();
        if self.hasher.is_outdated(&right.hash) {
            let accounts = self.clone();
            // Behind the answer, which was long enough in coming.
            tokio::spawn(async move { accounts.renew(&right, &password, from).await });
        }
        Ok(account)
    }

    /// The account with number `id` under its next generation, its password being `new`, if it was `current`.
    ///
    /// # Cancel safety
    /// Dropped, the password was changed or not, as a whole; the verdict on `current` is reached all the same, as that of
    /// [`Accounts::authenticate`].
    ///
    /// # Errors
    /// That the new one is no password; one refusal, whatever else is not right; or an obstacle.
    pub async fn change_password(
        &self,
        id: AccountId,
        current: &str,
        new: &str,
        from: IpAddr,
    ) -> Result<Account, ChangePasswordError> {
        let found = self.look_up(self.store.numbered(id)).await?.ok_or(ChangePasswordError::Refused)?;
        let new = Password::parse(new, &found.account.name).map_err(ChangePasswordError::Password)?;
        let (accounts, current) = (self.clone(), current.to_owned());
        let verdict = whoever_waits(async move {
            let charge = accounts.throttle.login(found.account.name.text(), from).await?;
            let verified = accounts.verify(Ok(Some(found)), &current, from).await;
            accounts.settle(charge, &verified).await;
            verified
        });
        let right = verdict.await??.ok_or(ChangePasswordError::Refused)?;
        let hash = self.hasher.hash(&new, network(from)).await?;
        self.store.change_hash(&right.account, &hash).await?.ok_or(ChangePasswordError::Refused)
    }

    /// The account with number `id`, as it is now.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn find(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let found = self.look_up(self.store.numbered(id)).await?;
        Ok(found.map(|found| found.account))
    }

    /// What was done so far.
    pub fn work(&self) -> Work {
        Work { rounds: self.hasher.rounds(), look_ups: self.look_ups.load(Relaxed) }
    }

    async fn look_up(&self, found: impl Future<Output = Found>) -> Found {
        self.look_ups.fetch_add(1, Relaxed);
        found.await
    }

    /// What was found, if `password` is its. One hash, whatever was found.
    async fn verify(&self, found: Found, password: &str, from: IpAddr) -> Result<Option<Credentials>, Obstacle> {
        let found = found?;
        let hash = found.as_ref().map(|found| found.hash.clone());
        let is_right = self.hasher.verify(Claim::of(password), hash, network(from)).await?;
        Ok(found.filter(|_| is_right))
    }

    /// Only a password that was tried and was wrong stays charged.
    async fn settle(&self, charge: Charge, verified: &Result<Option<Credentials>, Obstacle>) {
        if !matches!(verified, Ok(None)) {
            self.throttle.give_back(charge).await;
        }
    }

    /// Hashes a password that is right anew. If that cannot be done now, it can next time.
    async fn renew(&self, right: &Credentials, password: &str, from: IpAddr) {
        let Ok(password) = Password::parse(password, &right.account.name) else { return };
        let Ok(hash) = self.hasher.hash(&password, network(from)).await else { return };
        if let Err(error) = self.store.rehash(&right.account, &hash).await {
            tracing::warn!(account = %right.account.id, %error, "a password stays under its old hash");
        }
    }
}

/// Brings `work` to its end, whether or not it is waited for.
async fn whoever_waits<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Obstacle> {
    tokio::spawn(work).await.map_err(|ended| match ended.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        // The process ends.
        Err(_) => Obstacle::Busy { retry_after: Duration::from_secs(1) },
    })
}

#[cfg(test)]
mod tests;
