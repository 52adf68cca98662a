//! Owns what a session is: whose, since when, on which device; and the token against forgery that is bound to it.
//!
//! ```text
//!   Token ── cookie ──> the browser           Session { hash, account, generation, created, used, device, secret }
//!     └── SHA-256 ──> hash ── key ──> the store        └─> id: shown in lists     └─ HMAC ──> CSRF token ──> the page
//! ```
//!
//! The one idea: what the browser holds is kept nowhere, and what is kept opens nothing. Who reads the whole store cannot
//! log in as anybody.
//!
//! Never: does I/O; writes what a client calls itself into a page or a log as it came.
//! Limits: [`DEVICE_CHARS_MAX`].

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::accounts::{Account, AccountId};
use crate::crypto::{self, TokenHash};

/// Characters of a device's name.
pub const DEVICE_CHARS_MAX: usize = 48;

/// What the token against forgery is made for, so that the secret may serve for something else one day.
const PURPOSE: &[u8] = b"firstbyte session csrf";

/// Milliseconds since 1970, as they are shown. Nothing is decided by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What is kept of its token: its key.
    pub hash: TokenHash,
    /// Whose it is.
    pub account: AccountId,
    /// That of the account when it was opened: a session of an older one counts no more.
    pub generation: u32,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub used: Timestamp,
    /// What it was opened on.
    pub device: Device,
    /// What its token against forgery is made of.
    pub secret: Secret,
}

/// A session that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// What is kept of its token.
    pub hash: TokenHash,
    /// Whose it is.
    pub account: AccountId,
    /// That of the account.
    pub generation: u32,
    /// What it is opened on.
    pub device: Device,
    /// What its token against forgery is made of.
    pub secret: Secret,
}

/// How a session is named in a list: enough to find it among those of an account, and nothing to open it with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId([u8; 16]);

/// A text names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSessionId;

/// 256 bits that only the store knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// What a client calls itself, in a few plain characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(Box<str>);

impl NewSession {
    /// A session of `account`, under the token whose hash is `hash`.
    pub fn of(account: &Account, hash: TokenHash, device: Device) -> NewSession {
        let secret = Secret(crypto::random());
        NewSession { hash, account: account.id, generation: account.generation, device, secret }
    }

    /// The session as it is when it was opened at `now`.
    pub fn opened(self, now: Timestamp) -> Session {
        let NewSession { hash, account, generation, device, secret } = self;
        Session { hash, account, generation, created: now, used: now, device, secret }
    }
}

impl Session {
    /// How it is named in a list.
    pub fn id(&self) -> SessionId {
        SessionId::of(&self.hash)
    }
}

impl SessionId {
    /// That of the session under `hash`.
    pub fn of(hash: &TokenHash) -> SessionId {
        let mut id = [0; 16];
        id.copy_from_slice(&hash.bytes()[..16]);
        SessionId(id)
    }
}

impl Secret {
    /// The secret that a store has kept.
    pub fn of_bytes(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// Its bytes, for a store.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The token that a form of this session must show.
    pub fn csrf_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(crypto::hmac_sha256(&self.0, PURPOSE))
    }

    /// Whether `shown` is that token. How long it takes tells nothing about it.
    pub fn is_csrf_token(&self, shown: &str) -> bool {
        crypto::is_same(self.csrf_token().as_bytes(), shown.as_bytes())
    }
}

impl Timestamp {
    /// By the clock of this machine.
    pub fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// How long ago it is. Clocks of two machines differ: not at all, when it is to come.
    pub fn elapsed(self) -> Duration {
        Duration::from_millis(Timestamp::now().0.saturating_sub(self.0))
    }
}

/// Names that browsers have among others' names: the first that is found counts.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl Device {
    /// From the `User-Agent` of a request. RFC 9110 10.1.5: products, the most significant first.
    pub fn of(user_agent: Option<&str>) -> Device {
        let text = user_agent.unwrap_or_default();
        let named = |names: &'static [(&str, &str)]| names.iter().find(|(mark, _)| text.contains(mark)).copied();
        let device = match (named(&BROWSERS), named(&SYSTEMS)) {
            (Some((mark, browser)), system) => {
                let on = system.map_or(String::new(), |(_, system)| format!(" on {system}"));
                format!("{browser}{}{on}", major_version(text, mark))
            }
            (None, _) => text.split_ascii_whitespace().next().unwrap_or_default().replace('/', " "),
        };
        Device::shown(&device)
    }

    /// The device that a store has kept, or that is made of anything: its plain characters, and not too many.
    pub fn shown(text: &str) -> Device {
        let is_plain = |char: &char| char.is_ascii_alphanumeric() || " ._-+".contains(*char);
        let plain: String = text.chars().filter(is_plain).take(DEVICE_CHARS_MAX).collect();
        Device(if plain.trim().is_empty() { "something unknown".into() } else { plain.into() })
    }

    /// The name.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The number behind `mark`, with a space before it.
fn major_version(text: &str, mark: &str) -> String {
    let behind = text.split_once(mark).map_or("", |(_, behind)| behind);
    let digits: String = behind.chars().take_while(char::is_ascii_digit).take(4).collect();
    if digits.is_empty() { digits } else { format!(" {digits}") }
}

impl FromStr for SessionId {
    type Err = NoSessionId;

    fn from_str(text: &str) -> Result<SessionId, NoSessionId> {
        let is_spelled = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_spelled).ok_or(NoSessionId)?;
        Ok(SessionId(number.to_be_bytes()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for NoSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session is named by 32 hexadecimal digits")
    }
}

impl std::error::Error for NoSessionId {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Token;

    #[test]
    fn a_device_is_known_by_a_few_plain_words() {
        let check = |user_agent: &str, expected: &str| {
            assert_eq!(Device::of(Some(user_agent)).text(), expected, "{user_agent}");
        };
        check(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
            "Chrome 156 on Linux",
        );
        check(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36 Edg/156.0.1.2",
            "Edge 156 on Windows",
        );
        check("Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0", "Firefox 150 on Android");
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) AppleWebKit/605.1.15 Version/20.0 Mobile Safari/604.1",
            "Safari 20 on iPhone",
        );
        check("curl/7.88.1", "curl 7.88.1");
        check("python-requests/2.32 whatever", "python-requests 2.32");
        assert_eq!(Device::of(None).text(), "something unknown");
    }

    #[test]
    fn what_a_client_calls_itself_writes_nothing_but_words() {
        for (user_agent, expected) in [
            ("<script>alert(1)</script>", "scriptalert1 script"),
            ("\u{1b}[31mred", "31mred"),
            ("\u{202e}evil", "evil"),
            ("Firefox/\"onload=\"", "Firefox"),
            ("   ", "something unknown"),
            ("\u{1f600}", "something unknown"),
            (&"x".repeat(10_000), &"x".repeat(DEVICE_CHARS_MAX)),
            (&format!("Chrome/{}", "9".repeat(10_000)), "Chrome 9999"),
        ] {
            assert_eq!(Device::of(Some(user_agent)).text(), expected, "{user_agent:.40}");
        }
    }

    #[test]
    fn an_id_finds_a_session_and_opens_none() {
        let hash = Token::random().hash();
        let id = SessionId::of(&hash);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(hash.to_string().starts_with(&id.to_string()));
        assert!(id.to_string().parse::<Token>().is_err());
        for text in [
            "",
            "0",
            &"0".repeat(31),
            &"0".repeat(33),
            &"g".repeat(32),
            &format!("+{}", "0".repeat(31)),
            &"A".repeat(32),
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(NoSessionId), "{text}");
        }
    }

    #[test]
    fn a_token_against_forgery_is_of_one_session() {
        let (one, other) = (Secret(crypto::random()), Secret(crypto::random()));
        assert!(one.is_csrf_token(&one.csrf_token()));
        for shown in [&other.csrf_token(), "", &one.csrf_token()[1..], &format!("{} ", one.csrf_token())] {
            assert!(!one.is_csrf_token(shown), "{shown}");
        }
        assert_eq!(format!("{one:?}"), "Secret(***)");
    }
}
