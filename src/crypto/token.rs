//! Owns opaque tokens: what a client shows to be known again, and what is kept of it.
//!
//! ```text
//!   256 random bits ──base64url──> Token ──> the client
//!                                    └─SHA-256─> TokenHash ──> the store
//! ```
//!
//! The one idea: they are two types, so that a token cannot be stored by mistake, nor a hash be sent. A plain hash is enough:
//! there is nothing to try out in 256 random bits.
//!
//! Spec: RFC 4648 5 (base64url), without padding.
//! Never: shown by `Debug`; accepted in another length or spelling than the one it was made with.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{random, sha256};

/// Characters of a token.
pub const TOKEN_CHARS: usize = 43;

/// A secret of 256 bits that its holder is known by.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    bytes: [u8; 32],
}

/// What is kept of a [`Token`]: enough to know it again, and not enough to show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

/// A text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl Token {
    /// A new one.
    pub fn random() -> Token {
        Token { bytes: random() }
    }

    /// As it is given to its holder: [`TOKEN_CHARS`] characters of base64url.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// As it is kept.
    pub fn hash(&self) -> TokenHash {
        TokenHash(sha256(&self.bytes))
    }
}

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Token, NoToken> {
        let mut bytes = [0; 32];
        if text.len() != TOKEN_CHARS {
            return Err(NoToken);
        }
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Token { bytes }),
            _ => Err(NoToken),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl TokenHash {
    /// Its 32 bytes, for a store.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// One that a store has kept.
    pub fn of_bytes(bytes: [u8; 32]) -> TokenHash {
        TokenHash(bytes)
    }
}

/// Hexadecimal, as keys in a store are named.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two apart in a log.
        write!(f, "TokenHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no token")
    }
}

impl std::error::Error for NoToken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = Token::random();
        let text = token.expose();
        assert_eq!(text.len(), TOKEN_CHARS);
        assert_eq!(text.parse(), Ok(token.clone()));
        assert_ne!(Token::random(), token);
        assert_ne!(token.hash().bytes(), &token.bytes);
    }

    #[test]
    fn what_is_spelled_otherwise_is_no_token() {
        let text = "A".repeat(TOKEN_CHARS);
        assert!(text.parse::<Token>().is_ok());
        let others = [
            String::new(),
            "A".repeat(42),
            "A".repeat(44),
            format!("{}=", "A".repeat(42)),
            format!("{}=", "A".repeat(43)),
            format!("{}+", "A".repeat(42)),
            format!("{} ", "A".repeat(42)),
            format!("{}é", "A".repeat(41)),
            // The last character has two bits too many: a second spelling of the same bytes.
            format!("{}B", "A".repeat(42)),
        ];
        for other in others {
            assert_eq!(other.parse::<Token>(), Err(NoToken), "{other}");
        }
    }

    #[test]
    fn nothing_of_a_token_is_shown() {
        let token: Token = "A".repeat(TOKEN_CHARS).parse().expect("a token");
        assert_eq!(format!("{token:?}"), "Token(***)");
        assert!(!format!("{:?}", token.hash()).contains("A"));
        assert_eq!(token.hash().to_string().len(), 64);
    }
}
