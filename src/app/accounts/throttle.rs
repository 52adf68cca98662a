//! Owns how often a password may be guessed: so many failures for each name, and for each address, whether or not there is
//! such an account.
//!
//! ```text
//!   charge(name, address) ──> both have room: charged ──> hash ──> right: given back
//!                          └> one has none: 429            └─────> wrong: stays
//! ```
//!
//! The one idea: an attempt is charged before it is made, so that a thousand at once are not a thousand guesses. A right
//! one gets its own charge back and nothing more: a success that forgave earlier failures would let who has one account
//! guess at all others from the same address, by logging in now and then.
//!
//! What is given back is one charge, even where a part of it has passed meanwhile: who waits for a hash for longer than an
//! interval, six seconds for an address, may so be forgiven one failure of somebody else behind that address.
//!
//! A quota is a bucket (GCRA, which is the same with one number): so many at once, then one more after each interval.
//! Where many nodes serve, the numbers are in Redis and are changed by one script, by the clock of Redis.
//!
//! The price: who knows a name can keep its owner out for as long as he goes on guessing. Without a count for each name
//! many addresses could guess at one account without end; the quota is the balance of both, and sessions that are open stay
//! open.
//!
//! Spec: RFC 6585 4 (429). NIST SP 800-63B 3.2.2 asks for a limit of this kind.
//! Never: knows whether an account exists; keeps a name as it was written; lets an attempt pass that it could not count.
//! Limits: [`ThrottleConfig`].

mod memory;
mod redis;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::crypto::sha256;
use crate::db::Redis;
use crate::net::lock::lock;
use memory::Table;

/// So many at once, then one more after each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many at once.
    pub burst: u32,
    /// Until there is room for another one.
    pub interval: Duration,
}

/// How often what may be tried.
#[derive(Clone, Debug)]
pub struct ThrottleConfig {
    /// Failures for one name. Default: 10, then one a minute.
    pub name: Quota,
    /// Failures from one address. Default: 100, then one in six seconds: behind one may be a whole office.
    pub address: Quota,
    /// Registrations from one address. Default: 20, then one a minute.
    pub registration: Quota,
    /// Names and addresses that are counted in memory. Default: 65,536. When there are more, those are forgotten that would
    /// be soonest.
    pub entries_max: usize,
}

/// Counts attempts. A clone counts in the same place.
#[derive(Clone)]
pub struct Throttle {
    config: Arc<ThrottleConfig>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Redis(Redis),
}

struct Memory {
    epoch: Instant,
    table: Mutex<Table>,
}

/// What is charged together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    keys: Vec<(Key, Quota)>,
}

/// Whom something is counted for: a digest, so that neither a table nor a store holds what people type into a field of
/// names, which now and then is a password.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 16]);

/// Why an attempt may not be made.
#[derive(Debug)]
pub enum Refused {
    /// There were too many.
    Throttled {
        /// Until the next one may be made.
        retry_after: Duration,
    },
    /// It cannot be counted now. The details are for the log.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        ThrottleConfig {
            name: Quota { burst: 10, interval: Duration::from_secs(60) },
            address: Quota { burst: 100, interval: Duration::from_secs(6) },
            registration: Quota { burst: 20, interval: Duration::from_secs(60) },
            entries_max: 1 << 16,
        }
    }
}

impl Throttle {
    /// Counts in memory, for one node.
    ///
    /// # Panics
    /// When a quota is of nothing, or its interval is none.
    pub fn memory(config: ThrottleConfig) -> Throttle {
        let memory = Memory { epoch: Instant::now(), table: Mutex::new(Table::new(config.entries_max)) };
        Throttle::over(config, Form::Memory(Arc::new(memory)))
    }

    /// Counts in Redis, for all nodes together.
    ///
    /// # Panics
    /// As [`Throttle::memory`].
    pub fn redis(config: ThrottleConfig, redis: Redis) -> Throttle {
        Throttle::over(config, Form::Redis(redis))
    }

    /// The most bytes that `entries_max` keys take in memory.
    pub fn bytes_max(entries_max: usize) -> u64 {
        Table::bytes_max(entries_max)
    }

    fn over(config: ThrottleConfig, form: Form) -> Throttle {
        for quota in [config.name, config.address, config.registration] {
            assert!(quota.burst > 0 && !quota.interval.is_zero(), "a quota of nothing lets nobody in");
        }
        Throttle { config: Arc::new(config), form }
    }

    /// Charges an attempt to log in as `name` from `address`.
    ///
    /// # Errors
    /// When one of both has no room: then none is charged. When it cannot be counted.
    pub async fn login(&self, name: &str, address: IpAddr) -> Result<Charge, Refused> {
        let name = (Key::of("name", name.trim_ascii().to_ascii_lowercase().as_bytes()), self.config.name);
        let address = (Key::of("login", &network_bytes(address)), self.config.address);
        self.charge(Charge { keys: vec![name, address] }).await
    }

    /// Charges a registration from `address`.
    ///
    /// # Errors
    /// As [`Throttle::login`].
    pub async fn registration(&self, address: IpAddr) -> Result<Charge, Refused> {
        let address = (Key::of("registration", &network_bytes(address)), self.config.registration);
        self.charge(Charge { keys: vec![address] }).await
    }

    /// Gives back what was charged. What cannot be given back now is not: it passes by itself.
    pub async fn give_back(&self, charge: Charge) {
        match &self.form {
            Form::Memory(memory) => memory.give_back(&charge),
            Form::Redis(redis) => {
                if let Err(unavailable) = redis::give_back(redis, &charge.keys).await {
                    tracing::debug!(%unavailable, "a right password stays charged");
                }
            }
        }
    }

    async fn charge(&self, charge: Charge) -> Result<Charge, Refused> {
        let wait = match &self.form {
            Form::Memory(memory) => memory.charge(&charge),
            Form::Redis(redis) => {
                redis::charge(redis, &charge.keys).await.map_err(|away| Refused::Unavailable(Box::new(away)))?
            }
        };
        if wait.is_zero() { Ok(charge) } else { Err(Refused::Throttled { retry_after: wait }) }
    }
}

impl Memory {
    fn charge(&self, charge: &Charge) -> Duration {
        // Read under the lock, so that time does not go back from one attempt to the next.
        let mut table = lock(&self.table);
        table.charge(&charge.keys, self.epoch.elapsed())
    }

    fn give_back(&self, charge: &Charge) {
        lock(&self.table).give_back(&charge.keys);
    }
}

impl Key {
    fn of(kind: &str, bytes: &[u8]) -> Key {
        let digest = sha256(&[kind.as_bytes(), b":", bytes].concat());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Key(key)
    }
}

/// What is counted together with `address`: an IPv4 address, however it is written, or a /64, since whoever has one address
/// there has all.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn network_bytes(address: IpAddr) -> Vec<u8> {
    match network(address) {
        IpAddr::V4(network) => network.octets().to_vec(),
        IpAddr::V6(network) => network.octets()[..8].to_vec(),
    }
}

/// Hexadecimal, as keys in a store are named.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
