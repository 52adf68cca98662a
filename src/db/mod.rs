//! Owns what joins applications to the services that keep their data.

pub mod url;

pub use url::{ServiceUrl, UrlError};
