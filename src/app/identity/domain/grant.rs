//! Owns the three grants: what a client can show for a token.
//!
//! The one idea: a grant is parsed whole, or refused, before anybody is asked whether it is true.
//!
//! Spec: RFC 6749 4.3.2 (password), 4.4.2 (client credentials), 6 (refresh), 5.2 (refusals).
//! The password grant is here to be compared with: RFC 9700 2.4 says that it must not be used. It makes people type their
//! password into a program that is not the issuer, and it has no room for a second factor.
//! Never: shows a password or a token by `Debug`.

use std::fmt;

use crate::app::identity::domain::parameters::Parameters;
use crate::app::identity::domain::refused::{Code, Refused};

/// A kind of grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    /// Name and password of an account.
    Password,
    /// A refresh token.
    RefreshToken,
    /// The client itself.
    ClientCredentials,
}

/// What is shown for a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Grant<'a> {
    /// Name and password of an account, as they were typed.
    Password {
        /// The name.
        username: &'a str,
        /// The password.
        password: &'a str,
    },
    /// A refresh token, as it was sent.
    RefreshToken {
        /// The token.
        token: &'a str,
    },
    /// Nothing but who the client is.
    ClientCredentials,
}

impl GrantType {
    /// All of them.
    pub const ALL: [GrantType; 3] = [GrantType::Password, GrantType::RefreshToken, GrantType::ClientCredentials];

    /// As it is written in `grant_type`.
    pub const fn text(self) -> &'static str {
        match self {
            GrantType::Password => "password",
            GrantType::RefreshToken => "refresh_token",
            GrantType::ClientCredentials => "client_credentials",
        }
    }

    /// The kind that `parameters` name.
    ///
    /// # Errors
    /// `invalid_request` without one, `unsupported_grant_type` for any other.
    pub fn parse(parameters: &Parameters) -> Result<GrantType, Refused> {
        let name = parameters.require("grant_type", "grant_type is missing")?;
        let known = GrantType::ALL.into_iter().find(|known| known.text() == name);
        known.ok_or(
            Code::UnsupportedGrantType.because("grant_type is password, refresh_token or client_credentials here"),
        )
    }

    /// The grant of this kind in `parameters`.
    ///
    /// # Errors
    /// `invalid_request` naming what is missing.
    pub fn grant(self, parameters: &Parameters) -> Result<Grant<'_>, Refused> {
        Ok(match self {
            GrantType::Password => Grant::Password {
                username: parameters.require("username", "username is missing")?,
                password: parameters.require("password", "password is missing")?,
            },
            GrantType::RefreshToken => {
                Grant::RefreshToken { token: parameters.require("refresh_token", "refresh_token is missing")? }
            }
            GrantType::ClientCredentials => Grant::ClientCredentials,
        })
    }
}

impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grant::Password { .. } => "Password",
            Grant::RefreshToken { .. } => "RefreshToken",
            Grant::ClientCredentials => "ClientCredentials",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], expected: Result<Grant<'_>, Code>) {
        let owned = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let parameters = Parameters::parse(owned).expect("parameters");
        let grant = GrantType::parse(&parameters).and_then(|kind| kind.grant(&parameters));
        assert_eq!(grant.map_err(|refused| refused.code), expected, "{pairs:?}");
    }

    #[test]
    fn a_grant_is_whole() {
        let password = ("grant_type", "password");
        let granted = Grant::Password { username: "ada", password: " x " };
        check(&[password, ("username", "ada"), ("password", " x ")], Ok(granted));
        check(&[("grant_type", "refresh_token"), ("refresh_token", "x")], Ok(Grant::RefreshToken { token: "x" }));
        check(&[("grant_type", "client_credentials")], Ok(Grant::ClientCredentials));
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        check(&[], Err(Code::InvalidRequest));
        check(&[("grant_type", "")], Err(Code::InvalidRequest));
        for kind in ["implicit", "authorization_code", "Password", "password ", "urn:ietf:params:oauth:grant-type:x"] {
            check(&[("grant_type", kind)], Err(Code::UnsupportedGrantType));
        }
        let password = ("grant_type", "password");
        check(&[password], Err(Code::InvalidRequest));
        check(&[password, ("username", "ada")], Err(Code::InvalidRequest));
        check(&[password, ("username", "ada"), ("password", "")], Err(Code::InvalidRequest));
        check(&[("grant_type", "refresh_token")], Err(Code::InvalidRequest));
    }
}
