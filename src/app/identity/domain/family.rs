//! Owns refresh tokens: what one is made of, the family that it belongs to, and what it is worth at a moment.
//!
//! ```text
//!   login ──> token 1 ──use──> token 2 ──use──> token 3          one family: one row, of constant size
//!              spent            spent            current
//!                │                └ used again within the grace: token 3 once more, the answer may have been lost
//!                └ used again: somebody has a copy ──> the whole family ends
//! ```
//!
//! The one idea: **a token is exchanged for its successor, and can be exchanged once.** A thief and the owner of a copied token
//! both have to come back; whoever comes second shows a spent one, and then neither is believed any more
//! (RFC 9700 4.14.2). Who of them is the thief cannot be known, and need not be.
//!
//! A token is `fbr_` and 64 bytes in base64url: the family (16), a secret (32), a seal (16).
//!
//! - **The seal** is a MAC of the secret under a key of the family. It tells a token that was once given out from one that was
//!   made up, however old it is, without keeping all that ever were: so a family is one row for ever, and who guesses the name
//!   of a family cannot end it. Whoever reads the store can seal; what he gets of it is a family that ends.
//! - **The store keeps SHA-256 of the secrets** of the current token and of the one before. Nothing in it opens anything.
//! - **The successor is computed, not drawn:** HMAC(secret of its predecessor, family, nonce), with a nonce that is drawn at the
//!   exchange and kept beside the hash. So the same spent token can be answered with the same successor, while the successor
//!   lies nowhere. To compute it takes the spent token *and* the store: a thief of a token lacks the nonce, a thief of the store
//!   lacks the secret. The nonce is forgotten when it serves no more: at the next exchange, or by the sweep behind the grace.
//!
//! What the grace costs: for those seconds a copied token that was just spent still works for its thief, who then has the
//! owner's next token. One of both will come second with it, and the family ends then. Zero switches the grace off.
//!
//! Spec: RFC 9700 4.14.2 (rotation, reuse); RFC 6749 6 (bound to its client), 10.4.
//! Never: shows a token; draws two successors of one token.
//! Invariants: `ends_at <= expires_at`; there is a nonce only beside a spent token.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{self, TokenHash};
use crate::jwt::Scopes;

/// What every refresh token begins with: so that a search through logs and repositories finds those that do not belong there.
const MARK: &str = "fbr_";

/// Bytes of a token behind its mark.
const TOKEN_BYTES: usize = 64;

/// Characters of a token.
pub const TOKEN_CHARS: usize = MARK.len() + 86;

/// Names a family. No secret: it stands in access tokens too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId([u8; 16]);

/// A refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    family: FamilyId,
    secret: [u8; 32],
    seal: [u8; 16],
}

/// All refresh tokens that descend from one login.
#[derive(Clone, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub id: FamilyId,
    /// The account that has logged in.
    pub subject: String,
    /// The client that it was given to.
    pub client: String,
    /// What was granted.
    pub scopes: Scopes,
    /// Whom it was granted for.
    pub audience: Vec<String>,
    /// The generation of the account's password then.
    pub generation: u32,
    /// What its tokens are sealed with.
    pub seal_key: [u8; 32],
    /// The token that is not spent yet.
    pub current: TokenHash,
    /// The one before.
    pub spent: Option<Spent>,
    /// When it ends whatever happens, in Unix seconds.
    pub expires_at: u64,
    /// When it ends if nothing happens.
    pub ends_at: u64,
}

/// The token that was exchanged last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Its hash.
    pub hash: TokenHash,
    /// When it was exchanged, in Unix seconds.
    pub at: u64,
    /// What its successor is computed with, for as long as that may be asked for.
    pub nonce: Option<[u8; 32]>,
}

/// A text is no token, or no name of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// How long families and the grace last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From the login on, whatever happens.
    pub absolute: u64,
    /// From one exchange to the next.
    pub idle: u64,
    /// In which a spent token gives its successor once more.
    pub grace: u64,
}

/// What a token is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be exchanged.
    Current,
    /// It was exchanged a moment ago: it gives the same successor, by this nonce.
    Again([u8; 32]),
    /// It was exchanged before: there is a copy.
    Reused,
    /// The family has ended by itself.
    Ended,
    /// Nobody was ever given it.
    Forged,
}

/// What an exchange makes of a family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The token that is exchanged.
    pub from: TokenHash,
    /// Its successor.
    pub to: TokenHash,
    /// What that is computed with.
    pub nonce: [u8; 32],
    /// When, in Unix seconds.
    pub at: u64,
    /// When the family ends now, if nothing happens.
    pub ends_at: u64,
}

impl FamilyId {
    /// A new one.
    pub fn random() -> FamilyId {
        FamilyId(crypto::random())
    }

    /// Its bytes, for a store.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// One that a store has kept.
    pub fn of_bytes(bytes: [u8; 16]) -> FamilyId {
        FamilyId(bytes)
    }
}

impl RefreshToken {
    /// The family that it says it is of.
    pub fn family(&self) -> FamilyId {
        self.family
    }

    /// As it is kept.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of_bytes(crypto::sha256(&self.secret))
    }

    /// As it is given to a client.
    pub fn expose(&self) -> String {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..16].copy_from_slice(&self.family.0);
        bytes[16..48].copy_from_slice(&self.secret);
        bytes[48..].copy_from_slice(&self.seal);
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn sealed(family: FamilyId, secret: [u8; 32], seal_key: &[u8; 32]) -> RefreshToken {
        RefreshToken { family, secret, seal: seal(&secret, seal_key) }
    }
}

fn seal(secret: &[u8; 32], seal_key: &[u8; 32]) -> [u8; 16] {
    let mut seal = [0; 16];
    seal.copy_from_slice(&crypto::hmac_sha256(seal_key, secret)[..16]);
    seal
}

impl FromStr for RefreshToken {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<RefreshToken, Malformed> {
        let text = text.strip_prefix(MARK).filter(|rest| rest.len() == TOKEN_CHARS - MARK.len());
        let mut bytes = [0; TOKEN_BYTES];
        let length = text.and_then(|text| URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok());
        if length != Some(TOKEN_BYTES) {
            return Err(Malformed);
        }
        let mut token = RefreshToken { family: FamilyId([0; 16]), secret: [0; 32], seal: [0; 16] };
        token.family.0.copy_from_slice(&bytes[..16]);
        token.secret.copy_from_slice(&bytes[16..48]);
        token.seal.copy_from_slice(&bytes[48..]);
        Ok(token)
    }
}

/// What a login is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub subject: String,
    /// The generation of its password.
    pub generation: u32,
    /// The client.
    pub client: String,
    /// What is granted.
    pub scopes: Scopes,
    /// Whom for.
    pub audience: Vec<String>,
}

impl Family {
    /// A family with its first token.
    pub fn begin(login: Login, now: u64, lifetimes: &Lifetimes) -> (Family, RefreshToken) {
        let (id, seal_key) = (FamilyId::random(), crypto::random());
        let token = RefreshToken::sealed(id, crypto::random(), &seal_key);
        let expires_at = now.saturating_add(lifetimes.absolute);
        let Login { subject, generation, client, scopes, audience } = login;
        let family = Family {
            id,
            subject,
            client,
            scopes,
            audience,
            generation,
            seal_key,
            current: token.hash(),
            spent: None,
            expires_at,
            ends_at: expires_at.min(now.saturating_add(lifetimes.idle)),
        };
        (family, token)
    }

    /// Whether it has not ended by itself.
    pub fn is_live(&self, now: u64) -> bool {
        now < self.ends_at
    }

    /// Whether `token` was once given out for this family. A token of another one was not.
    pub fn is_of(&self, token: &RefreshToken) -> bool {
        token.family == self.id && crypto::is_same(&token.seal, &seal(&token.secret, &self.seal_key))
    }

    /// What `token` is worth.
    pub fn judge(&self, token: &RefreshToken, now: u64, grace: u64) -> Verdict {
        if !self.is_of(token) {
            return Verdict::Forged;
        }
        if !self.is_live(now) {
            return Verdict::Ended;
        }
        let hash = token.hash();
        match self.spent {
            _ if hash == self.current => Verdict::Current,
            // Behind the grace a nonce may be there still; it does not count.
            Some(Spent { hash: spent, at, nonce: Some(nonce) }) if hash == spent && now < at.saturating_add(grace) => {
                Verdict::Again(nonce)
            }
            _ => Verdict::Reused,
        }
    }

    /// The successor of `token` by `nonce`: the same for the same.
    pub fn successor(&self, token: &RefreshToken, nonce: &[u8; 32]) -> RefreshToken {
        let words = [b"successor".as_slice(), &self.id.0, nonce].concat();
        RefreshToken::sealed(self.id, crypto::hmac_sha256(&token.secret, &words), &self.seal_key)
    }

    /// The exchange of `token`, which is current, for a successor that nobody could foresee.
    pub fn rotation(&self, token: &RefreshToken, now: u64, lifetimes: &Lifetimes) -> Rotation {
        let nonce = crypto::random();
        let to = self.successor(token, &nonce).hash();
        let ends_at = self.expires_at.min(now.saturating_add(lifetimes.idle));
        Rotation { from: token.hash(), to, nonce, at: now, ends_at }
    }

    /// Exchanges, if that still can be done. Whether it was.
    pub fn rotate(&mut self, rotation: &Rotation) -> bool {
        if self.current != rotation.from {
            return false;
        }
        self.current = rotation.to;
        self.spent = Some(Spent { hash: rotation.from, at: rotation.at, nonce: Some(rotation.nonce) });
        self.ends_at = rotation.ends_at;
        true
    }

    /// Forgets the nonce when its grace is over at `now`.
    pub fn forget_nonce(&mut self, now: u64, grace: u64) {
        if let Some(spent) = &mut self.spent
            && spent.at.saturating_add(grace) <= now
        {
            spent.nonce = None;
        }
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for FamilyId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<FamilyId, Malformed> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(FamilyId(bytes)),
            _ => Err(Malformed),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no refresh token, nor the name of a family")
    }
}

impl std::error::Error for Malformed {}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({}, ***)", self.family)
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Family { id, subject, client, ends_at, .. } = self;
        write!(f, "Family({id} of {subject} at {client} until {ends_at})")
    }
}

impl fmt::Debug for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spent(at {})", self.at)
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Current => "Current",
            Verdict::Again(_) => "Again",
            Verdict::Reused => "Reused",
            Verdict::Ended => "Ended",
            Verdict::Forged => "Forged",
        })
    }
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rotation({:?} to {:?} at {})", self.from, self.to, self.at)
    }
}

#[cfg(test)]
mod tests;
