//! Owns why applications cannot be served, and what whoever starts them can do about it.
//!
//! Never: ends the process.

use std::path::PathBuf;
use std::{fmt, io};

use firstbyte::app::canvas::store::{Keep, StoreError};
use firstbyte::db::{ServiceUrl, UrlError};
use firstbyte::http::BuildError;
use firstbyte::http::middleware::WrongOrder;
use firstbyte::jwt::KeyError;

/// Why they cannot be served.
pub enum Failure {
    /// Their routes contradict each other.
    Routes(BuildError),
    /// A chain of middleware has a wrong order.
    Order(WrongOrder),
    /// Nothing can be kept where the settings say.
    Store(Keep, StoreError),
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// A file has no key to sign with.
    Key(PathBuf, KeyError),
    /// A service has an address that nothing can be made of.
    Service(ServiceUrl, UrlError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(place, error) => {
                write!(
                    f,
                    "the canvas cannot keep its pictures in {place}: {error}\nAnother place may: `--canvas-store FOLDER`"
                )
            }
            Failure::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Failure::Key(path, error) => write!(
                f,
                "{} has no key to sign with: {error}\nThis makes one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem",
                path.display()
            ),
            Failure::Service(url, error) => write!(f, "nothing can be kept at {url}: {error}"),
            Failure::Order(error) => write!(f, "a chain of middleware has a wrong order: {error}"),
            Failure::Routes(error) => write!(f, "the routes contradict each other:\n{error}"),
        }
    }
}
