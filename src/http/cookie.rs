//! Owns cookies: reading the one that an application has set, and setting it.
//!
//! ```text
//!   Set-Cookie: __Host-session=m7Yx…; Path=/; Secure; HttpOnly; SameSite=Strict
//!               ──name──────── value  ──attributes, which never come back──────
//!   Cookie: theme=dark; __Host-session=m7Yx…
//! ```
//!
//! The one idea: a cookie is declared once, as a constant, and what contradicts itself does not compile: a `__Host-` name
//! without `Secure`, `SameSite=None` in the clear, a name that is no token. There is no `Domain`: a cookie is its host's.
//!
//! What comes back is only the value; who set it, nobody says. Another application of the host, a neighbour's subdomain or
//! someone on the wire may have set a cookie of the same name ("cookie tossing"), and browsers then send both, in an order
//! that means nothing. So two of the name that is asked for are refused: taking the first would let the attacker choose.
//! The prefix `__Host-` is the better half of the defence: browsers take such a cookie from the host itself only.
//!
//! Spec: RFC 6265 4.1.1 (Set-Cookie), 4.2.1 (Cookie), 4.2.2 (the order means nothing); the prefixes and SameSite as in
//! draft-ietf-httpbis-rfc6265bis 4.1. Stricter: a value is of `cookie-octet`s, in quotes only if it came in quotes.
//! Never: decodes; trims anything but the space behind a `;` (browsers and servers disagree on what else is white space);
//! understands a quote (RFC 2109 let one hide a `;`); judges a cookie that it is not asked for.
//! Limits: [`COOKIES_MAX`], [`COOKIES_BYTES_MAX`], [`COOKIE_BYTES_MAX`].

use std::fmt;
use std::time::Duration;

use crate::http::Fields;
use crate::http::h1::grammar;

/// The request field that cookies come in.
pub const COOKIE: &str = "Cookie";

/// The response field that sets one.
pub const SET_COOKIE: &str = "Set-Cookie";

/// Cookies of one request that are looked at. Browsers keep 180 for a site, and few sites have ten.
pub const COOKIES_MAX: usize = 180;

/// Bytes of all of them.
pub const COOKIES_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a name and its value: a browser ignores what is longer (6265bis 5.6).
pub const COOKIE_BYTES_MAX: usize = 4096;

/// A day before there were cookies: what expires then is forgotten. RFC 6265 4.1.1 has no `Max-Age` of 0.
const LONG_AGO: &str = "Expires=Thu, 01 Jan 1970 00:00:00 GMT";

/// A cookie as an application declares it: its name, and who gets it.
///
/// ```
/// use firstbyte::http::cookie::{Cookie, SameSite};
///
/// const SESSION: Cookie = Cookie::host("session").same_site(SameSite::Strict);
/// let line = SESSION.set("m7Yx", None)?;
/// assert_eq!(line, "__Host-session=m7Yx; Path=/; Secure; HttpOnly; SameSite=Strict");
/// # Ok::<(), firstbyte::http::cookie::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    prefix: &'static str,
    name: &'static str,
    path: &'static str,
    is_secure: bool,
    is_http_only: bool,
    same_site: SameSite,
}

/// On requests from which pages a browser sends the cookie along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Those of the same site. Not even on a link from elsewhere.
    Strict,
    /// Those, and links from elsewhere.
    Lax,
    /// All.
    None,
}

/// Why the cookies of a request are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// There are more than [`COOKIES_MAX`], or more than [`COOKIES_BYTES_MAX`] bytes.
    TooMany,
    /// Two have the name that is asked for: somebody else has set one of them.
    Twice,
    /// The value holds what no cookie's value holds.
    Value,
}

/// A value cannot be set: a byte that is no `cookie-octet`, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueError;

impl Cookie {
    /// `__Host-{name}`: set by this host itself, over a secure connection, for all of it. No subdomain and nobody on the
    /// wire can set one that looks like it. `HttpOnly` and `SameSite=Lax`, unless said otherwise.
    ///
    /// # Panics
    /// As all constructors, when the name is no token or has a prefix of its own: in a constant, when it is compiled.
    pub const fn host(name: &'static str) -> Cookie {
        Cookie::checked("__Host-", name, "/", true)
    }

    /// `__Secure-{name}`: set over a secure connection, for what lies below `path`.
    pub const fn secure(name: &'static str, path: &'static str) -> Cookie {
        Cookie::checked("__Secure-", name, path, true)
    }

    /// `{name}`: for what lies below `path`, over any connection. For what is no secret, and may be anybody's.
    pub const fn plain(name: &'static str, path: &'static str) -> Cookie {
        Cookie::checked("", name, path, false)
    }

    /// On requests from which pages it is sent along.
    ///
    /// # Panics
    /// For `None` where it is not secure: browsers refuse that.
    pub const fn same_site(mut self, same_site: SameSite) -> Cookie {
        assert!(self.is_secure || !matches!(same_site, SameSite::None), "SameSite=None needs Secure");
        self.same_site = same_site;
        self
    }

    /// Lets scripts of the page read it.
    pub const fn for_scripts(mut self) -> Cookie {
        self.is_http_only = false;
        self
    }

    const fn checked(prefix: &'static str, name: &'static str, path: &'static str, is_secure: bool) -> Cookie {
        assert!(is_name(name.as_bytes()), "a cookie's name is a token without a prefix");
        assert!(is_path(path.as_bytes()), "a cookie's path begins with / and holds no ; and no control byte");
        Cookie { prefix, name, path, is_secure, is_http_only: true, same_site: SameSite::Lax }
    }

    /// The value of the field that sets it to `value`, for `max_age`, or until the browser is closed.
    ///
    /// # Errors
    /// A byte that would end the value, or the line; or more than [`COOKIE_BYTES_MAX`].
    pub fn set(&self, value: &str, max_age: Option<Duration>) -> Result<String, ValueError> {
        let bytes = self.prefix.len() + self.name.len() + value.len();
        if bytes > COOKIE_BYTES_MAX || !value.bytes().all(is_cookie_octet) {
            return Err(ValueError);
        }
        // RFC 6265 4.1.1: the first digit is not 0.
        let max_age = max_age.map(|age| format!("Max-Age={}", age.as_secs().max(1)));
        Ok(self.line(value, max_age.as_deref()))
    }

    /// The value of the field that makes a browser forget it.
    pub fn clear(&self) -> String {
        self.line("", Some(LONG_AGO))
    }

    /// Its value, as it came.
    ///
    /// # Errors
    /// When it came twice, or holds what was never set. Its value is nobody's then.
    pub fn read<'a>(&self, fields: &'a Fields) -> Result<Option<&'a str>, CookieError> {
        let mut found = None;
        let (mut cookies, mut bytes) = (0, 0);
        for line in fields.all(COOKIE) {
            bytes += line.len();
            if bytes > COOKIES_BYTES_MAX {
                return Err(CookieError::TooMany);
            }
            for pair in line.split(|&byte| byte == b';') {
                cookies += 1;
                match self.value_in(pair) {
                    _ if cookies > COOKIES_MAX => return Err(CookieError::TooMany),
                    Some(_) if found.is_some() => return Err(CookieError::Twice),
                    Some(value) => found = Some(value),
                    None => {}
                }
            }
        }
        found.map(checked_value).transpose()
    }

    /// The value in a pair that has its name.
    fn value_in<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        // RFC 6265 4.2.1: one space behind each `;`.
        let pair = pair.strip_prefix(b" ").unwrap_or(pair);
        let rest = pair.strip_prefix(self.prefix.as_bytes())?.strip_prefix(self.name.as_bytes())?;
        rest.strip_prefix(b"=")
    }

    fn line(&self, value: &str, lifetime: Option<&str>) -> String {
        let mut line = format!("{}{}={value}; Path={}", self.prefix, self.name, self.path);
        let secure = self.is_secure.then_some("Secure");
        let http_only = self.is_http_only.then_some("HttpOnly");
        for attribute in [lifetime, secure, http_only].into_iter().flatten() {
            line += "; ";
            line += attribute;
        }
        line + match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        }
    }
}

/// RFC 6265 4.1.1: `*cookie-octet`, or that in quotes.
fn checked_value(value: &[u8]) -> Result<&str, CookieError> {
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let is_valid = bare.iter().all(|&byte| is_cookie_octet(byte));
    // Octets are ASCII.
    is_valid.then(|| std::str::from_utf8(value).ok()).flatten().ok_or(CookieError::Value)
}

/// RFC 6265 4.1.1: visible ASCII without quote, comma, semicolon and backslash.
const fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E)
}

/// RFC 6265 4.1.1: `token`. What begins with two underscores is left to prefixes, those to come too.
const fn is_name(name: &[u8]) -> bool {
    if name.is_empty() || matches!(name, [b'_', b'_', ..]) {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if !grammar::is_token(name[at]) {
            return false;
        }
        at += 1;
    }
    true
}

/// RFC 6265 4.1.1: any character but control ones and `;`. Without a `/` at its beginning a browser takes another path.
const fn is_path(path: &[u8]) -> bool {
    let mut at = 0;
    while at < path.len() {
        if !matches!(path[at], 0x20..=0x7E) || path[at] == b';' {
            return false;
        }
        at += 1;
    }
    matches!(path, [b'/', ..])
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CookieError::TooMany => {
                write!(f, "more than {COOKIES_MAX} cookies, or than {COOKIES_BYTES_MAX} bytes of them")
            }
            CookieError::Twice => f.write_str("two cookies of one name: something else has set one of them"),
            CookieError::Value => f.write_str("the cookie holds what was never set"),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this cannot be the value of a cookie")
    }
}

impl std::error::Error for CookieError {}
impl std::error::Error for ValueError {}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Cookie = Cookie::host("session").same_site(SameSite::Strict);

    fn check(lines: &[&str], expected: Result<Option<&str>, CookieError>) {
        let mut fields = Fields::new();
        for line in lines {
            fields.append(COOKIE, line).expect("a field value");
        }
        assert_eq!(SESSION.read(&fields), expected, "{lines:.60?}");
    }

    #[test]
    fn the_cookie_that_is_asked_for_is_found() {
        check(&[], Ok(None));
        check(&[""], Ok(None));
        check(&["theme=dark"], Ok(None));
        check(&["__Host-session="], Ok(Some("")));
        check(&["__Host-session=abc"], Ok(Some("abc")));
        check(&["a=1; __Host-session=abc; b=2"], Ok(Some("abc")));
        check(&["a=1", "__Host-session=abc"], Ok(Some("abc")));
        check(&["a=1;__Host-session=a=b=c;b"], Ok(Some("a=b=c")));
        check(&["__Host-session=\"abc\""], Ok(Some("\"abc\"")));
        check(&["__Host-session=!#$%&'()*+-./:<=>?@[]^_`{|}~"], Ok(Some("!#$%&'()*+-./:<=>?@[]^_`{|}~")));
        // Not ours: what others have set does not keep ours from being read.
        check(&["a=\u{e9}, b c; =; ;;; \"; __Host-session=abc; x"], Ok(Some("abc")));
    }

    #[test]
    fn nothing_is_decoded() {
        check(&["__Host-session=%61bc"], Ok(Some("%61bc")));
        check(&["%5F%5FHost-session=abc"], Ok(None));
        check(&["__Host-session=a+b"], Ok(Some("a+b")));
    }

    #[test]
    fn a_tossed_cookie_is_not_chosen() {
        // From a subdomain or from the wire, before or behind the real one, once in another line.
        check(&["__Host-session=evil; __Host-session=abc"], Err(CookieError::Twice));
        check(&["__Host-session=abc; __Host-session=evil"], Err(CookieError::Twice));
        check(&["__Host-session=abc; __Host-session=abc"], Err(CookieError::Twice));
        check(&["__Host-session=abc", "__Host-session=evil"], Err(CookieError::Twice));
        check(&["__Host-session=; a=1; __Host-session="], Err(CookieError::Twice));
    }

    #[test]
    fn a_name_that_only_looks_like_it_is_another() {
        // Case, white space that some servers trim, bytes that some turn into others, prefixes that some cut off.
        for name in [
            "__host-session",
            "__HOST-SESSION",
            "session",
            "__Secure-session",
            "x__Host-session",
            "__Host-session ",
            "  __Host-session",
            "\t__Host-session",
            "\u{2000}__Host-session",
            "\u{a0}__Host-session",
            "__Host-session\u{2000}",
            "__Host[session",
            "__Host.session",
            "__Host-session.1",
            "__Host-sessio",
            "\"__Host-session\"",
            "$__Host-session",
            "",
        ] {
            check(&[&format!("{name}=evil")], Ok(None));
            check(&[&format!("{name}=evil; __Host-session=abc")], Ok(Some("abc")));
        }
        check(&["__Host-session"], Ok(None));
    }

    #[test]
    fn a_quote_hides_no_cookie() {
        // "Cookie sandwich": with $Version=1 some servers read a quoted value across semicolons.
        check(&["$Version=1; x=\"a; __Host-session=abc; y=b\""], Ok(Some("abc")));
        check(&["__Host-session=\"a; __Host-session=b\""], Err(CookieError::Twice));
        check(&["__Host-session=\"a; x=b\""], Err(CookieError::Value));
    }

    #[test]
    fn what_was_never_set_is_no_value() {
        for value in ["a b", " abc", "abc ", "a,b", "a\\b", "a\"b", "\"", "\"\"\"", "a\tb", "\u{e9}", "a\u{200b}b"] {
            check(&[&format!("__Host-session={value}")], Err(CookieError::Value));
        }
    }

    #[test]
    fn cookies_without_end_are_bounded() {
        let many = |count: usize| vec!["a=1"; count].join("; ");
        check(&[&format!("{}; __Host-session=abc", many(COOKIES_MAX - 1))], Ok(Some("abc")));
        check(&[&format!("{}; __Host-session=abc", many(COOKIES_MAX))], Err(CookieError::TooMany));
        check(&[&";".repeat(COOKIES_MAX)], Err(CookieError::TooMany));
        check(&[&"a".repeat(COOKIES_BYTES_MAX)], Ok(None));
        check(&[&"a".repeat(COOKIES_BYTES_MAX), "b"], Err(CookieError::TooMany));
    }

    #[test]
    fn what_is_set_says_who_gets_it() {
        let hour = Some(Duration::from_secs(3600));
        let check = |cookie: Cookie, age: Option<Duration>, expected: &str| {
            assert_eq!(cookie.set("v", age).as_deref(), Ok(expected));
        };
        check(SESSION, None, "__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Strict");
        check(SESSION, hour, "__Host-session=v; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Strict");
        check(SESSION, Some(Duration::ZERO), "__Host-session=v; Path=/; Max-Age=1; Secure; HttpOnly; SameSite=Strict");
        let secure = Cookie::secure("a", "/b").same_site(SameSite::None).for_scripts();
        check(secure, None, "__Secure-a=v; Path=/b; Secure; SameSite=None");
        check(Cookie::plain("theme", "/"), None, "theme=v; Path=/; HttpOnly; SameSite=Lax");
        let clear = "__Host-session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Strict";
        assert_eq!(SESSION.clear(), clear);
    }

    #[test]
    fn a_value_sets_no_attribute_and_splits_no_answer() {
        for value in [
            "a; Domain=evil.example",
            "a;Secure",
            "a\r\nSet-Cookie: b=c",
            "a\nb",
            "a\rb",
            "a\0b",
            "a b",
            "a\tb",
            "a,b",
            "\"a\"",
            "a\\b",
            "\u{7f}",
            "\u{e9}",
            "\u{560d}\u{560a}",
        ] {
            assert_eq!(SESSION.set(value, None), Err(ValueError), "{value:?}");
        }
        let longest = COOKIE_BYTES_MAX - "__Host-session".len();
        assert!(SESSION.set(&"a".repeat(longest), None).is_ok());
        assert_eq!(SESSION.set(&"a".repeat(longest + 1), None), Err(ValueError));
    }

    #[test]
    fn what_contradicts_itself_cannot_be_declared() {
        let check = |declare: fn() -> Cookie| assert!(std::panic::catch_unwind(declare).is_err());
        check(|| Cookie::plain("__Host-session", "/"));
        check(|| Cookie::plain("__host-session", "/"));
        check(|| Cookie::plain("__Http-session", "/"));
        check(|| Cookie::host("__Secure-session"));
        check(|| Cookie::host(""));
        check(|| Cookie::host("a=b"));
        check(|| Cookie::host("a b"));
        check(|| Cookie::host("a;b"));
        check(|| Cookie::plain("a", ""));
        check(|| Cookie::plain("a", "b"));
        check(|| Cookie::plain("a", "/b; Domain=evil.example"));
        check(|| Cookie::plain("a", "/\n"));
        check(|| Cookie::plain("a", "/").same_site(SameSite::None));
    }
}
