//! Owns the issuer of tokens: who shows a grant gets a signed access token, and perhaps a refresh token for the next one.
//!
//! ```text
//!   client ──POST /token──> client known? ─> grant true? ─> family ─> signed ──> access token, 5 minutes, verified by anybody
//!                                            accounts       store     keys  └──> refresh token, once, here alone
//!   service ──GET /.well-known/jwks.json──> public keys; then it asks no more
//! ```
//!
//! The one idea: two tokens for two troubles. What services check a thousand times a second is signed and needs nobody; what
//! has to be taken back lies in a store and is shown here only, a few times an hour.
//!
//! Spec: RFC 6749 (grants, tokens, errors), 6750 (bearer), 7009 (revoke), 7517 (keys), 7662 (introspect), 8414 (metadata), 8707
//! (resource), 9068 (access tokens), 9700 (what was learnt since).
//! Never: keeps a token or a secret in a form that opens anything; tells why a token is not valid.
//! Limits: [`IdentityConfig`].

mod bounds;
pub mod clock;
pub mod domain;
pub mod error;
mod handlers;
mod issuer;
pub mod keyring;
mod metadata;
mod page;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::accounts::throttle::{Quota, Throttle, ThrottleConfig};
use crate::app::accounts::{Accounts, Role};
use crate::db::Migration;
use crate::http::bounds::{Bound, Part};
use crate::http::middleware::{Bearer, Require};
use crate::http::router::RouteOptions;
use crate::http::{Middleware, Request, Router};
use crate::jwt::Jwks;
use clock::Clock;
use domain::audience::Audience;
use domain::client::{Client, Clients};
use domain::family::Lifetimes;
use domain::grant::GrantType;
use keyring::{Keyring, KeysConfig, READ_TIME};
use store::{Store, StoreError};

/// Where the application is mounted.
pub const PREFIX: &str = "/identity";

/// The audience that this application itself is, for its own routes that ask for a token. It has to be asked for by name: a
/// service that is shown a token cannot come here with it.
pub const AUDIENCE: &str = "identity";

/// The scope of whoever rotates keys, besides the role. It has to be asked for by name.
pub const ROTATE_SCOPE: &str = "keys:rotate";

/// Families that are kept in memory.
pub const FAMILIES_MAX: usize = 65_536;

/// How much clocks may differ.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// Clients and addresses whose wrong secrets are counted.
const GUESSERS_MAX: usize = 16_384;

/// Wrong secrets of one client from one address, then one a minute. Not of one client from everywhere: a secret is too long to
/// be guessed by many addresses, and whoever knows the client's name could keep it out.
const GUESSES: Quota = Quota { burst: 10, interval: Duration::from_secs(60) };

/// Bytes of content of a request.
const CONTENT_BYTES_MAX: u64 = 16 * 1024;

/// How often what has ended is forgotten.
const SWEEP_TIME: Duration = Duration::from_secs(60);

/// The shape of a database, in the order of its files.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "identity/0001_identity",
    sql: include_str!("migrations/0001_identity.sql"),
    down: Some(include_str!("migrations/0001_identity.down.sql")),
}];

/// What the application is given at its start.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// Its URL, as `iss` has it: where clients reach [`PREFIX`]. Default: `http://127.0.0.1:8080/identity`.
    pub issuer: String,
    /// Who may ask for tokens. Default: those of the lesson.
    pub clients: Vec<Client>,
    /// The services that tokens may be meant for, besides this one. Default: `catalog` and `billing`.
    pub audiences: Vec<String>,
    /// How long an access token is valid: what was granted cannot be taken back before. Default: 5 minutes.
    pub access_time: Duration,
    /// After which a login ends, whatever happens. Default: 30 days.
    pub refresh_time: Duration,
    /// After which a login ends that is not used. Default: 7 days.
    pub refresh_idle_time: Duration,
    /// In which a refresh token that was just spent gives the same successor once more: an answer may be lost. Default: 10 s.
    pub grace: Duration,
    /// Logins of one account that go on at a time. When there are more, the one that would end first does. Default: 32.
    pub families_of_account_max: usize,
    /// The keys that sign.
    pub keys: KeysConfig,
    /// What time it is.
    pub clock: Clock,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        IdentityConfig {
            issuer: format!("http://127.0.0.1:8080{PREFIX}"),
            clients: lesson(),
            audiences: ["catalog", "billing"].map(str::to_owned).to_vec(),
            access_time: Duration::from_secs(300),
            refresh_time: 30 * DAY,
            refresh_idle_time: 7 * DAY,
            grace: Duration::from_secs(10),
            families_of_account_max: 32,
            keys: KeysConfig::default(),
            clock: Clock::system(),
        }
    }
}

impl IdentityConfig {
    /// Rows for the catalogue of bounds: each limit of the application.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep; `in_memory`: its families too.
    pub fn kept(&self, in_memory: bool) -> Vec<Part> {
        bounds::kept(in_memory)
    }
}

/// The clients of the lesson. Their secret stands in the README, and opens nothing of worth.
fn lesson() -> Vec<Client> {
    const SECRET: &str = "only-for-the-lesson";
    let person = [GrantType::Password, GrantType::RefreshToken];
    vec![
        Client::public("demo-cli")
            .may(&person, &["catalog:read", "catalog:write", "billing:read", "billing:write"])
            .may_ask_for(&[ROTATE_SCOPE]),
        Client::confidential("stock-robot", SECRET)
            .may(&[GrantType::ClientCredentials], &["catalog:read", "catalog:write"]),
        Client::confidential("catalog", SECRET).serves("catalog"),
        Client::confidential("billing", SECRET).serves("billing"),
    ]
}

/// The issuer. A clone is the same one.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    config: IdentityConfig,
    lifetimes: Lifetimes,
    clients: Clients,
    audiences: Vec<Audience>,
    accounts: Accounts,
    store: Store,
    keyring: Keyring,
    /// Counts wrong secrets of clients, on this node.
    guesses: Throttle,
}

impl Identity {
    /// An issuer for `accounts`, which keeps what has to be kept in `store`. It looks after keys and families until the last
    /// clone goes.
    ///
    /// # Panics
    /// Outside of a tokio runtime; when two clients have one name; when `config` has an access token outlive a day.
    pub fn new(config: IdentityConfig, accounts: Accounts, store: Store) -> Identity {
        let IdentityConfig { issuer, access_time, .. } = &config;
        assert!(access_time.as_secs() <= crate::jwt::LIFETIME_SECONDS_MAX, "an access token cannot be taken back");
        let origin = issuer.strip_suffix(PREFIX).unwrap_or(issuer);
        let named = config.audiences.iter().map(String::as_str).chain([AUDIENCE]);
        let audience = |name: &str| Audience {
            name: name.to_owned(),
            uri: format!("{origin}/{name}"),
            is_on_request: name == AUDIENCE,
        };
        let audiences = named.map(audience).collect();
        let lifetimes = Lifetimes {
            absolute: config.refresh_time.as_secs(),
            idle: config.refresh_idle_time.as_secs(),
            grace: config.grace.as_secs(),
        };
        let clients = Clients::new(config.clients.clone());
        let keyring = Keyring::new(config.keys.clone(), store.clone(), config.clock.clone(), *access_time, LEEWAY);
        let guesses = ThrottleConfig { name: GUESSES, entries_max: GUESSERS_MAX, ..ThrottleConfig::default() };
        let guesses = Throttle::memory(guesses);
        let inner = Arc::new(Inner { config, lifetimes, clients, audiences, accounts, store, keyring, guesses });
        tokio::spawn(upkeep(Arc::downgrade(&inner)));
        Identity { inner }
    }

    /// The public keys as this node knows them, for services in the same process.
    ///
    /// # Errors
    /// A store that has not been there for a while, or never was.
    pub async fn jwks(&self) -> Result<Jwks, StoreError> {
        Ok(self.inner.keyring.signing().await?.jwks().clone())
    }

    /// Its URL.
    pub fn issuer(&self) -> &str {
        &self.inner.config.issuer
    }

    fn clock(&self) -> &Clock {
        &self.inner.config.clock
    }
}

/// Learns of keys that other nodes have rotated, and forgets what has ended, for as long as there is an issuer.
async fn upkeep(inner: std::sync::Weak<Inner>) {
    let mut ticks = tokio::time::interval(READ_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sweep_ticks = SWEEP_TIME.as_secs() / READ_TIME.as_secs();
    for tick in 0_u64.. {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = inner.keyring.read_within(Duration::ZERO).await {
            tracing::debug!(%error, "the keys were not read");
        }
        if tick % sweep_ticks == 0
            && let Err(error) = inner.store.sweep(inner.config.clock.now(), inner.lifetimes.grace).await
        {
            tracing::debug!(%error, "what has ended was not forgotten");
        }
    }
}

/// Adds the routes of the issuer, below [`PREFIX`], and the one that RFC 8414 wants at the root.
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>, identity: Identity) -> Router<S> {
    let options = RouteOptions { content_bytes_max: Some(CONTENT_BYTES_MAX), ..RouteOptions::default() };
    let router = router
        .route_with("POST /identity/token", options, with(&identity, handlers::token))
        .route_with("POST /identity/revoke", options, with(&identity, handlers::revoke))
        .route_with("POST /identity/introspect", options, with(&identity, handlers::introspect))
        .route("GET /identity/.well-known/jwks.json", with(&identity, handlers::jwks))
        .route("GET /identity/.well-known/openid-configuration", with(&identity, handlers::metadata))
        .route("GET /.well-known/oauth-authorization-server/identity", with(&identity, handlers::metadata))
        .route("GET /identity", with(&identity, page::page));
    let bearer = Bearer::new("firstbyte identity", identity.clone());
    let router = page::STYLE
        .route(router)
        .route_behind("GET /identity/userinfo", bearer.clone(), with(&identity, handlers::userinfo))
        .route_behind("POST /identity/userinfo", bearer.clone(), with(&identity, handlers::userinfo));
    let keys = Router::new(identity)
        .route_behind(
            "POST /identity/keys/rotate",
            Require::scope(ROTATE_SCOPE).and_role(Role::Admin.text()),
            handlers::rotate,
        )
        .build();
    router.mount("/identity/keys", bearer.around(keys.expect("one pattern")))
}

/// `handler` of a router whose own state it has no use for.
fn with<S, F, A>(identity: &Identity, handler: F) -> impl Fn(S, Request) -> A + Send + Sync + 'static
where
    F: Fn(Identity, Request) -> A + Send + Sync + 'static,
{
    let identity = identity.clone();
    move |_, request| handler(identity.clone(), request)
}

#[cfg(test)]
mod tests;
