//! Owns the hashing of passwords: bcrypt, at a cost that cannot be chosen too low, for the same time whatever is asked.
//!
//! The one idea: whoever logs in costs one hash of the cost that is in force, always. There may be no such account, the
//! password may be one that no account can have, the account's hash may be of a time when less was thought enough: the
//! work is the same, so its time tells none of these apart.
//!
//! ```text
//!   known    hash in force   [==================== 2^cost ====================]
//!   known    older hash      [2^old][2^old][2·2^old][…           made up for  ]
//!   unknown  a dummy         [==================== 2^cost ====================]
//! ```
//!
//! Why bcrypt, and these numbers: it is what most systems have, and its flaws are known. It reads 72 bytes, so a
//! [`Password`] has no more. It ends a password with a NUL and repeats the whole until 72 bytes are full, so a [`Password`]
//! holds no NUL. The functions of the crate that refuse what they would truncate count that NUL, and would refuse 72 bytes;
//! the type stands in for their check. A cost of 12 takes about a quarter of a second on a core of 2020.
//!
//! Never: hashes on a thread that serves; takes a cost below [`Cost::MIN`]; shows a hash.
//! Limits: [`pool`].

pub mod pool;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bcrypt::BcryptError;

use crate::app::accounts::domain::{PASSWORD_BYTES, Password};
use pool::{Busy, Pool};

/// What is hashed in place of a password that no account can have.
const DUMMY: &[u8] = b"no account has this password";

/// The salt of what is hashed for nobody.
const NO_SALT: [u8; 16] = [0; 16];

/// The least that bcrypt knows.
const COST_EVER_MIN: u32 = 4;

/// How much work a hash is: 2^cost rounds of setting up a cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(u32);

/// The hash of a password, as it is kept: `$2b$12$…`, 60 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A text is no hash of bcrypt's that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHash;

/// What somebody says the password is: anything.
#[derive(Clone)]
pub struct Claim {
    /// What is hashed.
    bytes: Vec<u8>,
    /// Whether an account may have it.
    is_possible: bool,
}

/// Hashes passwords on a pool of threads.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    pool: Pool,
    rounds: Arc<AtomicU64>,
}

impl Cost {
    /// The lowest that is accepted, and the default.
    pub const MIN: Cost = Cost(12);
    /// The highest that is accepted: four seconds.
    pub const MAX: Cost = Cost(16);

    /// The cost, when it is from [`Cost::MIN`] to [`Cost::MAX`].
    pub fn new(cost: u32) -> Option<Cost> {
        (Cost::MIN..=Cost::MAX).contains(&Cost(cost)).then_some(Cost(cost))
    }

    /// A cost that protects nothing, for tests that are not about time.
    #[doc(hidden)]
    pub const fn of_tests(cost: u32) -> Cost {
        Cost(cost)
    }

    /// Rounds of a hash.
    pub fn rounds(self) -> u64 {
        1 << self.0
    }
}

impl PasswordHash {
    /// The hash that a store has kept.
    ///
    /// # Errors
    /// When it is none, or one of more than [`Cost::MAX`]: each login with that name would keep a thread for hours.
    pub fn parse(text: &str) -> Result<PasswordHash, NoHash> {
        let hash = PasswordHash(text.to_owned());
        let parts: Result<bcrypt::HashParts, _> = text.parse();
        match parts {
            Ok(parts) if (COST_EVER_MIN..=Cost::MAX.0).contains(&parts.get_cost()) => Ok(hash),
            _ => Err(NoHash),
        }
    }

    /// The hash, for a store.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The cost that it was made with.
    pub fn cost(&self) -> Cost {
        let digits = self.0.get(4..6).and_then(|digits| digits.parse().ok());
        Cost(digits.unwrap_or_default())
    }
}

impl Claim {
    /// What `text` claims. Anything can be claimed; what no password is becomes one that is never right.
    pub fn of(text: &str) -> Claim {
        let is_possible = text.len() <= *PASSWORD_BYTES.end() && !text.contains('\0');
        let bytes = if is_possible { text.as_bytes() } else { DUMMY };
        Claim { bytes: bytes.to_vec(), is_possible }
    }
}

impl Hasher {
    /// Hashes of `cost` on `pool`.
    pub fn new(cost: Cost, pool: Pool) -> Hasher {
        Hasher { cost, pool, rounds: Arc::default() }
    }

    /// The hash of a password, salted anew, for somebody in `network`.
    ///
    /// # Errors
    /// When too many wait already, or too many of that network.
    pub async fn hash(&self, password: &Password, network: IpAddr) -> Result<PasswordHash, Busy> {
        let (hasher, password) = (self.clone(), password.clone());
        self.pool.run(network, move || hasher.hash_now(&password)).await
    }

    /// Whether `claim` is the password whose hash is `hash`. The same work whether it is, whether there is a hash at all,
    /// and whatever cost it was made with, up to the one in force.
    ///
    /// # Errors
    /// When too many wait already, or too many of that network.
    pub async fn verify(&self, claim: Claim, hash: Option<PasswordHash>, network: IpAddr) -> Result<bool, Busy> {
        let hasher = self.clone();
        self.pool.run(network, move || hasher.verify_now(&claim, hash.as_ref())).await
    }

    /// Whether a hash is of another cost than is in force.
    pub fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.cost() != self.cost
    }

    /// All rounds that were done so far: what the processor was asked for.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Relaxed)
    }

    fn hash_now(&self, password: &Password) -> PasswordHash {
        self.rounds.fetch_add(self.cost.rounds(), Relaxed);
        let hashed = bcrypt::hash_with_salt(password.expose(), self.cost.0, crate::crypto::random());
        PasswordHash(hashed.expect("the cost is one of bcrypt's").to_string())
    }

    fn verify_now(&self, claim: &Claim, hash: Option<&PasswordHash>) -> bool {
        let is_right = match hash {
            Some(hash) => self.is_right(claim, hash),
            None => {
                self.work(&claim.bytes, self.cost);
                false
            }
        };
        is_right && claim.is_possible
    }

    fn is_right(&self, claim: &Claim, hash: &PasswordHash) -> bool {
        let cost = hash.cost();
        self.rounds.fetch_add(cost.rounds(), Relaxed);
        let is_right = bcrypt::verify(&claim.bytes, hash.expose());
        // 2^old + (2^old + 2^(old+1) + … + 2^(cost-1)) = 2^cost.
        (cost.0..self.cost.0).for_each(|made_up| self.work(&claim.bytes, Cost(made_up)));
        is_right.unwrap_or_else(|error: BcryptError| {
            tracing::error!(%error, "a password's hash cannot be used");
            false
        })
    }

    /// Does the work of a hash, and forgets it.
    fn work(&self, bytes: &[u8], cost: Cost) {
        self.rounds.fetch_add(cost.rounds(), Relaxed);
        let hashed = bcrypt::hash_with_salt(bytes, cost.0, NO_SALT);
        std::hint::black_box(&hashed);
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no hash of a password")
    }
}

impl std::error::Error for NoHash {}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::accounts::domain::AccountName;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn hasher(cost: u32) -> Hasher {
        Hasher::new(Cost::of_tests(cost), Pool::new(1, 64, 64))
    }

    fn password(text: &str) -> Password {
        Password::parse(text, &AccountName::parse("ada").expect("a name")).expect("a password")
    }

    #[test]
    fn no_cost_below_twelve_can_be_chosen() {
        assert_eq!((Cost::new(11), Cost::new(17), Cost::new(0)), (None, None, None));
        assert_eq!((Cost::new(12), Cost::new(16)), (Some(Cost::MIN), Some(Cost::MAX)));
    }

    #[tokio::test]
    async fn a_password_is_compared_whole() {
        let hasher = hasher(4);
        let check = async |text: &str, claim: &str, expected: bool| {
            let hash = hasher.hash(&password(text), HERE).await.expect("room");
            assert_eq!(hasher.verify(Claim::of(claim), Some(hash), HERE).await, Ok(expected), "{text:?} and {claim:?}");
        };
        let longest = "x".repeat(72);
        for text in ["12345678", "пароль-1", &longest, &"x".repeat(71), &"é".repeat(36)] {
            check(text, text, true).await;
        }
        // What is read to its 72nd byte, and not behind it.
        check(&longest, &"x".repeat(73), false).await;
        check(&longest, &format!("{}y", "x".repeat(71)), false).await;
        check(&longest, &"x".repeat(71), false).await;
        // What a password becomes when it is repeated with its NUL.
        check("12345678", "12345678\0", false).await;
        check("12345678", "12345678\x0012345678", false).await;
        check("12345678", "1234567", false).await;
        check("12345678", "", false).await;
        // What is hashed in place of what no password is.
        let dummy = std::str::from_utf8(DUMMY).expect("text");
        check(dummy, dummy, true).await;
        check(dummy, &"x".repeat(100), false).await;
    }

    #[tokio::test]
    async fn the_work_is_the_same_whatever_is_asked() {
        let old = hasher(4).hash(&password("analytical-engine"), HERE).await.expect("room");
        let hasher = hasher(6);
        let new = hasher.hash(&password("analytical-engine"), HERE).await.expect("room");
        assert!(hasher.is_outdated(&old) && !hasher.is_outdated(&new));
        for hash in [None, Some(old), Some(new)] {
            for claim in ["analytical-engine", "difference-engine", "", "\0", &"x".repeat(73), &"x".repeat(100_000)] {
                let before = hasher.rounds();
                let is_right = hasher.verify(Claim::of(claim), hash.clone(), HERE).await;
                assert_eq!(is_right, Ok(hash.is_some() && claim == "analytical-engine"));
                assert_eq!(hasher.rounds() - before, 1 << 6, "{hash:?} {claim:.20}");
            }
        }
    }

    #[tokio::test]
    async fn a_hash_is_salted_and_not_shown() {
        let hasher = hasher(4);
        let (one, other) =
            (hasher.hash(&password("12345678"), HERE).await, hasher.hash(&password("12345678"), HERE).await);
        let one = one.expect("room");
        assert_ne!(Ok(&one), other.as_ref());
        assert_eq!((format!("{one:?}").as_str(), one.cost()), ("PasswordHash(***)", Cost(4)));
        assert_eq!(PasswordHash::parse(one.expose()), Ok(one));
        for text in [
            "",
            "$2b$12$",
            "$1$12345678$",
            &"x".repeat(60),
            "$2b$03$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
            // Half a minute and two days for each login with that name.
            "$2b$17$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
            "$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
        ] {
            assert_eq!(PasswordHash::parse(text), Err(NoHash), "{text}");
        }
    }
}
