//! Owns where an issuer publishes its keys, and how they are fetched.
//!
//! ```text
//!   https://issuer.example/identity ──> …/identity/.well-known/openid-configuration ──> jwks_uri ──> key set
//!                                          says the same issuer, byte by byte          of the same origin
//! ```
//!
//! The one idea: keys are believed because of where they come from. So the document has to name the very issuer that
//! was asked, and the keys have to lie with it: otherwise whoever can write one field could say whose signatures count.
//!
//! Spec: RFC 8414 2, 3.3; OpenID Connect Discovery 4 (the document lies below the issuer's path).
//! Stricter: `jwks_uri` is of the issuer's origin; redirections are not followed.
//! Never: speaks TLS, until the client does. Over plain HTTP whoever sits between can put keys of their own in place of
//! the issuer's: it is for one machine, or a network that nobody else is in.
//! Limits: [`DOCUMENT_BYTES_MAX`], [`FETCH_TIME`] for each of the two.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::http::client::{Client, ClientConfig, ClientError, Outgoing};
use crate::http::url::{Scheme, UrlError};
use crate::http::{Status, Url};
use crate::jwt::{JWKS_BYTES_MAX, Jwks, JwksError};

/// Bytes of the issuer's description of itself.
pub const DOCUMENT_BYTES_MAX: u64 = 64 * 1024;

/// Time for each document.
pub const FETCH_TIME: Duration = Duration::from_secs(2);

/// An issuer that is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    name: String,
    metadata: Url,
}

/// Why a text names no issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerError {
    /// It is no URL.
    Url(UrlError),
    /// It has a query or a fragment (RFC 8414 2).
    Query,
    /// It is an https URL, and there is no TLS here yet.
    Https,
}

/// Why there are no keys.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// There was no answer.
    Client(ClientError),
    /// A document was answered with another status than 200.
    Status(Status),
    /// What the issuer says of itself is no such document.
    Metadata(serde_json::Error),
    /// It says that it is another one.
    OtherIssuer(String),
    /// It says that its keys lie with somebody else, or nowhere.
    JwksUri(String),
    /// Its key set cannot be relied on.
    Jwks(JwksError),
    /// Its key set has no keys.
    NoKeys,
    /// It is of the same process, and has no keys now.
    Local(String),
}

/// What is read of the document.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// The issuer of that URL, which its tokens have as `iss`, byte by byte.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(url: &str) -> Result<Issuer, IssuerError> {
        if url.contains(['?', '#']) {
            return Err(IssuerError::Query);
        }
        let metadata = format!("{}/.well-known/openid-configuration", url.strip_suffix('/').unwrap_or(url));
        let metadata = Url::parse(&metadata).map_err(IssuerError::Url)?;
        if metadata.scheme() == Scheme::Https {
            return Err(IssuerError::Https);
        }
        Ok(Issuer { name: url.to_owned(), metadata })
    }

    /// Its URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is on this machine, by its address.
    pub fn is_loopback(&self) -> bool {
        let origin = self.metadata.origin();
        origin.host() == "localhost" || origin.host().parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }

    /// A client that is good for this: few connections, short deadlines.
    pub fn client() -> Client {
        Client::new(ClientConfig {
            connect: FETCH_TIME,
            answer: FETCH_TIME,
            total: FETCH_TIME,
            connections_per_origin_max: 2,
            connections_max: 4,
            waiting_max: 4,
            content_bytes_max: DOCUMENT_BYTES_MAX,
            ..ClientConfig::default()
        })
    }

    /// Its keys, as it publishes them now.
    ///
    /// # Errors
    /// [`FetchError`]: then nothing of what was fetched is to be relied on.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn fetch(&self, client: &Client) -> Result<Jwks, FetchError> {
        let document = get(client, &self.metadata, DOCUMENT_BYTES_MAX).await?;
        let document: Metadata = serde_json::from_slice(&document).map_err(FetchError::Metadata)?;
        // RFC 8414 3.3: identical, or the data MUST NOT be used.
        if document.issuer != self.name {
            return Err(FetchError::OtherIssuer(document.issuer));
        }
        let jwks_uri = Url::parse(&document.jwks_uri).ok().filter(|uri| uri.origin() == self.metadata.origin());
        let jwks_uri = jwks_uri.ok_or(FetchError::JwksUri(document.jwks_uri))?;
        let jwks = get(client, &jwks_uri, JWKS_BYTES_MAX as u64).await?;
        Jwks::parse(&jwks).map_err(FetchError::Jwks)
    }
}

async fn get(client: &Client, url: &Url, bytes_max: u64) -> Result<bytes::Bytes, FetchError> {
    let request = Outgoing::get(url).with("Accept", "application/json").within(FETCH_TIME);
    let mut answer = client.send(request).await.map_err(FetchError::Client)?;
    if answer.status != Status::OK {
        return Err(FetchError::Status(answer.status));
    }
    answer.collect_within(bytes_max).await.map_err(FetchError::Client)
}

impl fmt::Display for IssuerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IssuerError::Url(error) => error.fmt(f),
            IssuerError::Query => f.write_str("an issuer has neither query nor fragment"),
            IssuerError::Https => {
                f.write_str("there is no TLS here yet: an issuer on this machine is http://127.0.0.1:…")
            }
        }
    }
}

impl std::error::Error for IssuerError {}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Client(error) => error.fmt(f),
            FetchError::Status(status) => write!(f, "the issuer answered {status}"),
            FetchError::Metadata(error) => write!(f, "the issuer's description of itself: {error}"),
            FetchError::OtherIssuer(name) => write!(f, "the issuer says that it is {name:?}"),
            FetchError::JwksUri(uri) => {
                write!(f, "the issuer's keys are said to be at {uri:?}, which is not the issuer's")
            }
            FetchError::Jwks(error) => error.fmt(f),
            FetchError::NoKeys => f.write_str("the issuer has no keys"),
            FetchError::Local(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchError {}
