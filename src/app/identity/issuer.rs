//! Owns what happens between a request that was understood and its answer: log in, refresh, vouch, revoke, look.
//!
//! ```text
//!   password      ──> account ──────────────────────> family begins ─┐
//!   refresh token ──> family ─judge─> account ─> exchange: one wins ─┼──> access token, signed here
//!   client itself ───────────────────────────────────────────────────┘
//! ```
//!
//! The one idea: what may fail comes before the exchange, and behind it there is only arithmetic. So a refresh that was refused
//! has spent nothing; one that met a store that is away has spent nothing, or its answer is given again within the grace.
//!
//! An access token carries the name of its family in its `jti`. Who verifies offline ignores it, and believes the token until it
//! expires: that is what a JWT is. Who asks here learns that the family has ended.
//!
//! Spec: RFC 6749 4.3, 4.4, 5.1, 6; RFC 7009 2.1; RFC 7662 2; RFC 9068 2.2; RFC 9700 4.14.2.
//! Never: says why a token is not valid, but in the log.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::app::accounts::{Account, Obstacle};
use crate::app::identity::domain::client::{Client, Presented};
use crate::app::identity::domain::family::{Family, FamilyId, Login, RefreshToken, Verdict};
use crate::app::identity::domain::grant::{Grant, GrantType};
use crate::app::identity::domain::parameters::Parameters;
use crate::app::identity::domain::refused::{Code, Refused};
use crate::app::identity::domain::{audience, scope};
use crate::app::identity::error::Error;
use crate::app::identity::keyring::{READ_TIME, Ring};
use crate::app::identity::{AUDIENCE, Identity, LEEWAY};
use crate::crypto;
use crate::db;
use crate::http::middleware::{Authenticate, BearerError, Principal};
use crate::jwt::{self, Claims, Expected, Jws, Scopes};

/// What is said of a refresh token that is not right, whatever is not.
const NOT_RIGHT: Refused =
    Code::InvalidGrant.because("the refresh token is not valid, not any more, or not for this client");

/// How often an exchange is judged anew because another one was faster. A second time needs a second exchange meanwhile.
const ATTEMPTS: usize = 3;

/// An answer with tokens.
#[derive(Serialize)]
pub(super) struct Issued {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: Scopes,
}

/// What is known of a token. Nothing but `active` is said of one that is not valid.
#[derive(Default, Serialize)]
pub(super) struct Looked {
    active: bool,
    #[serde(flatten)]
    known: Option<Described>,
}

#[derive(Serialize)]
struct Described {
    scope: Scopes,
    client_id: String,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    aud: Vec<String>,
    iss: String,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
}

/// A valid access token, and the account that it is about.
pub(super) struct Valid {
    pub claims: Claims,
    pub account: Option<Account>,
}

/// What is granted, and to whom.
struct Granted {
    sub: String,
    roles: Vec<String>,
    scopes: Scopes,
    audience: Vec<String>,
    family: Option<FamilyId>,
    /// When its family ends in any case.
    ends_at: u64,
}

impl Identity {
    /// The client that `presented` is, who asks from `from`. RFC 6749 2.3.1: a secret may not be guessed at without end, so each
    /// is charged before it is compared, and a right one gets that back.
    pub(super) async fn client(&self, presented: &Presented<'_>, from: IpAddr) -> Result<&Client, Error> {
        if !presented.has_secret() {
            return Ok(self.inner.clients.authenticate(presented)?);
        }
        let charge = self.inner.guesses.login(&format!("{} {from}", presented.id()), from).await?;
        let client = self.inner.clients.authenticate(presented)?;
        self.inner.guesses.give_back(charge).await;
        Ok(client)
    }

    /// The tokens that `parameters` ask for, for `client` at `from`.
    pub(super) async fn grant(&self, client: &Client, parameters: &Parameters, from: IpAddr) -> Result<Issued, Error> {
        let kind = GrantType::parse(parameters)?;
        client.admit(kind)?;
        match kind.grant(parameters)? {
            Grant::Password { username, password } => self.log_in(client, parameters, username, password, from).await,
            Grant::RefreshToken { token } => self.refresh(client, parameters, token).await,
            Grant::ClientCredentials => self.vouch(client, parameters).await,
        }
    }

    async fn log_in(
        &self,
        client: &Client,
        parameters: &Parameters,
        username: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Issued, Error> {
        let scopes = client.granted(parameters.get("scope"))?;
        let audience = audience::asked(&self.inner.audiences, parameters)?;
        let ring = self.inner.keyring.signing().await?;
        let account = self.inner.accounts.authenticate(username, password, from).await?;
        let now = self.clock().now();
        let mut granted = Granted::to_account(&account, scopes, audience);
        let mut token = None;
        if client.admit(GrantType::RefreshToken).is_ok() {
            let login = Login {
                subject: granted.sub.clone(),
                generation: account.generation,
                client: client.id().to_owned(),
                scopes: granted.scopes.clone(),
                audience: granted.audience.clone(),
            };
            let (family, first) = Family::begin(login, now, &self.inner.lifetimes);
            self.inner.store.begin(&family, self.inner.config.families_of_account_max).await?;
            granted = granted.of(&family);
            token = Some(first);
        }
        self.issue(&ring, client, granted, token, now)
    }

    async fn refresh(&self, client: &Client, parameters: &Parameters, token: &str) -> Result<Issued, Error> {
        let token: RefreshToken = token.parse().map_err(|_| NOT_RIGHT)?;
        let ring = self.inner.keyring.signing().await?;
        for _ in 0..ATTEMPTS {
            let family = self.inner.store.find(token.family()).await?.ok_or(NOT_RIGHT)?;
            let now = self.clock().now();
            let verdict = family.judge(&token, now, self.inner.lifetimes.grace);
            if verdict == Verdict::Reused {
                self.end_reused(&family).await?;
            }
            // RFC 6749 6: bound to the client that it was given to.
            if !matches!(verdict, Verdict::Current | Verdict::Again(_)) || family.client != client.id() {
                return Err(NOT_RIGHT.into());
            }
            // What was taken away from the client since is not granted any more.
            let still = scope::kept(&family.scopes, &client.all_scopes());
            let scopes = scope::narrowed(&still, parameters.get("scope"))?;
            let audience = audience::narrowed(&family.audience, &self.inner.audiences, parameters)?;
            let account = self.account_of(&family).await?;
            let nonce = match verdict {
                Verdict::Again(nonce) => nonce,
                _ => {
                    let rotation = family.rotation(&token, now, &self.inner.lifetimes);
                    if !self.inner.store.rotate(family.id, &rotation).await? {
                        continue;
                    }
                    rotation.nonce
                }
            };
            let successor = family.successor(&token, &nonce);
            let granted = Granted::to_account(&account, scopes, audience).of(&family);
            return self.issue(&ring, client, granted, Some(successor), now);
        }
        Err(Error::Obstacle(Obstacle::Busy { retry_after: Duration::from_secs(1) }))
    }

    /// RFC 6749 4.4.3: no refresh token: the client can come as it came now.
    async fn vouch(&self, client: &Client, parameters: &Parameters) -> Result<Issued, Error> {
        let scopes = client.granted(parameters.get("scope"))?;
        let audience = audience::asked(&self.inner.audiences, parameters)?;
        let ring = self.inner.keyring.signing().await?;
        let (sub, roles, ends_at) = (client.id().to_owned(), Vec::new(), u64::MAX);
        let granted = Granted { sub, roles, scopes, audience, family: None, ends_at };
        self.issue(&ring, client, granted, None, self.clock().now())
    }

    async fn end_reused(&self, family: &Family) -> Result<(), Error> {
        let ended = self.inner.store.revoke(family.id).await?;
        if ended {
            let Family { id, subject, client, .. } = family;
            tracing::warn!(family = %id, subject, client, "a spent refresh token was used again: its family has ended");
        }
        Ok(())
    }

    /// The account of `family`, if its password is the one that it was begun with. Otherwise the family ends.
    async fn account_of(&self, family: &Family) -> Result<Account, Error> {
        if let Some(account) = self.holder(family).await? {
            return Ok(account);
        }
        self.inner.store.revoke(family.id).await?;
        Err(NOT_RIGHT.into())
    }

    async fn holder(&self, family: &Family) -> Result<Option<Account>, Error> {
        let account = self.account(&family.subject).await?;
        Ok(account.filter(|account| account.generation == family.generation))
    }

    pub(super) async fn account(&self, subject: &str) -> Result<Option<Account>, Error> {
        let Ok(id) = subject.parse() else { return Ok(None) };
        self.inner.accounts.find(id).await.map_err(|error| Obstacle::from(error).into())
    }

    fn issue(
        &self,
        ring: &Ring,
        client: &Client,
        granted: Granted,
        token: Option<RefreshToken>,
        now: u64,
    ) -> Result<Issued, Error> {
        let key = ring
            .signing()
            .ok_or_else(|| Error::Obstacle(Obstacle::Unavailable("there is no key that signs".into())))?;
        // A family that ends soon does not outlive itself in its last access token.
        let exp = now.saturating_add(self.inner.config.access_time.as_secs()).min(granted.ends_at.max(now + 1));
        let claims = Claims {
            iss: self.inner.config.issuer.clone(),
            sub: granted.sub,
            aud: granted.audience,
            exp,
            nbf: now,
            iat: now,
            jti: jti(granted.family),
            scope: granted.scopes.clone(),
            roles: granted.roles,
            client_id: Some(client.id().to_owned()),
        };
        Ok(Issued {
            access_token: key.sign(&claims),
            token_type: "Bearer",
            expires_in: exp - now,
            refresh_token: token.map(|token| token.expose()),
            scope: granted.scopes,
        })
    }

    /// Ends what `token` stands for, if it was given to `client`. A token that is not valid is none that could be ended
    /// (RFC 7009 2.2).
    pub(super) async fn revoke(&self, client: &Client, token: &str) -> Result<(), Error> {
        const OF_ANOTHER: Refused = Code::InvalidGrant.because("the token was given to another client");
        const UNENDING: Refused = Code::UnsupportedTokenType
            .because("an access token without a refresh token is valid until it expires: there is nothing to revoke");
        let (family, owner) = match token.parse::<RefreshToken>() {
            Ok(token) => match self.inner.store.find(token.family()).await?.filter(|family| family.is_of(&token)) {
                Some(family) => (Some(family.id), family.client),
                None => return Ok(()),
            },
            Err(_) => match self.look(token).await? {
                Some(Valid { claims, .. }) => (family_of(&claims.jti), claims.client_id.unwrap_or_default()),
                None => return Ok(()),
            },
        };
        if owner != client.id() {
            return Err(OF_ANOTHER.into());
        }
        self.inner.store.revoke(family.ok_or(UNENDING)?).await?;
        Ok(())
    }

    /// What `token` is, as far as that is the business of `client`.
    pub(super) async fn introspect(&self, client: &Client, token: &str) -> Result<Looked, Error> {
        let described = match token.parse::<RefreshToken>() {
            Ok(token) => self.describe_refresh(&token).await?,
            Err(_) => self.look(token).await?.map(Described::access),
        };
        let known = described.filter(|known| client.may_look_into(&known.client_id, &known.aud));
        Ok(Looked { active: known.is_some(), known })
    }

    async fn describe_refresh(&self, token: &RefreshToken) -> Result<Option<Described>, Error> {
        let Some(family) = self.inner.store.find(token.family()).await? else { return Ok(None) };
        if family.judge(token, self.clock().now(), 0) != Verdict::Current {
            return Ok(None);
        }
        let Some(account) = self.holder(&family).await? else { return Ok(None) };
        Ok(Some(Described {
            scope: family.scopes,
            client_id: family.client,
            sub: family.subject,
            username: Some(account.name.text().to_owned()),
            aud: family.audience,
            iss: self.inner.config.issuer.clone(),
            exp: family.ends_at,
            iat: None,
            nbf: None,
            jti: None,
            token_type: None,
            roles: Vec::new(),
        }))
    }

    /// What the access token `token` says, if it is valid for anybody, its family goes on, and its account is there: as it was
    /// at the login, where there is a family that knows.
    pub(super) async fn look(&self, token: &str) -> Result<Option<Valid>, Error> {
        let Some(claims) = self.verify(token).await? else { return Ok(None) };
        let account = self.account(&claims.sub).await?;
        let is_valid = match (family_of(&claims.jti), &account) {
            (Some(family), Some(account)) => {
                let family = self.inner.store.find(family).await?;
                family.is_some_and(|family| {
                    family.is_live(self.clock().now())
                        && family.subject == claims.sub
                        && family.generation == account.generation
                })
            }
            (Some(_), None) => false,
            (None, _) => account.is_some() || self.inner.clients.iter().any(|client| client.id() == claims.sub),
        };
        Ok(is_valid.then_some(Valid { claims, account }))
    }

    /// What `token` says, if a key of ours has signed it. One that this node does not know may be another node's, a second old.
    async fn verify(&self, token: &str) -> Result<Option<Claims>, Error> {
        // Whom it is for is not asked here: it is read first, and expected then.
        let Ok(parsed) = Jws::parse(token) else { return Ok(None) };
        let Ok(claims) = Claims::parse(parsed.payload()) else { return Ok(None) };
        let audience = claims.aud.first().map(String::as_str).unwrap_or_default();
        let (issuer, now, leeway) = (self.inner.config.issuer.as_str(), self.clock().now(), LEEWAY.as_secs());
        let expected = Expected { issuer, audience, now, leeway };
        match jwt::verify(token, &*self.inner.keyring.signing().await?, &expected) {
            Ok(claims) => Ok(Some(claims)),
            Err(jwt::Refused::UnknownKey { .. }) => {
                self.inner.keyring.read_within(READ_TIME).await?;
                Ok(jwt::verify(token, &*self.inner.keyring.ring(), &expected).ok())
            }
            Err(_) => Ok(None),
        }
    }
}

/// The application's own routes ask its own stores: what was revoked is refused here at once, and so is a role that was taken
/// away.
impl Authenticate for Identity {
    async fn authenticate(&self, token: &str) -> Result<Principal, BearerError> {
        const INVALID: BearerError =
            BearerError::Invalid { description: "the token is not valid, not any more, or not for here" };
        let Valid { claims: Claims { sub, client_id, scope, aud, .. }, account } = match self.look(token).await {
            Ok(valid) => valid.ok_or(INVALID)?,
            Err(error) => {
                tracing::debug!(?error, "a token could not be looked at");
                return Err(BearerError::Unavailable { retry_after: db::RETRY_AFTER });
            }
        };
        let scopes = scope.iter().map(str::to_owned).collect();
        // Of today, and not of when it was signed: the account was looked up anyway.
        let roles = account.map(|account| roles(&account)).unwrap_or_default();
        if aud.iter().any(|audience| audience == AUDIENCE) {
            Ok(Principal { subject: sub, client: client_id, scopes, roles })
        } else {
            Err(INVALID)
        }
    }
}

impl Granted {
    fn to_account(account: &Account, scopes: Scopes, audience: Vec<String>) -> Granted {
        Granted {
            sub: account.id.to_string(),
            roles: roles(account),
            scopes,
            audience,
            family: None,
            ends_at: u64::MAX,
        }
    }

    fn of(self, family: &Family) -> Granted {
        Granted { family: Some(family.id), ends_at: family.expires_at, ..self }
    }
}

impl Described {
    fn access(valid: Valid) -> Described {
        let Valid { claims, account } = valid;
        Described {
            scope: claims.scope,
            client_id: claims.client_id.unwrap_or_default(),
            sub: claims.sub,
            username: account.map(|account| account.name.text().to_owned()),
            aud: claims.aud,
            iss: claims.iss,
            exp: claims.exp,
            iat: Some(claims.iat),
            nbf: Some(claims.nbf),
            jti: Some(claims.jti),
            token_type: Some("Bearer"),
            roles: claims.roles,
        }
    }
}

fn roles(account: &Account) -> Vec<String> {
    account.roles.iter().map(|role| role.text().to_owned()).collect()
}

/// A name that no other token has: the family, a dot, 128 random bits; or these alone.
fn jti(family: Option<FamilyId>) -> String {
    let own = URL_SAFE_NO_PAD.encode(crypto::random::<16>());
    match family {
        Some(family) => format!("{family}.{own}"),
        None => own,
    }
}

/// The family that a token with this name descends from.
fn family_of(jti: &str) -> Option<FamilyId> {
    jti.split_once('.')?.0.parse().ok()
}
