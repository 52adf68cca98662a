//! Owns the issuer of tokens.

pub mod domain;
