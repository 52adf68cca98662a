//! Owns the words of a refusal: a [`Problem`] becomes text for a terminal, problem details for a program, or one terse
//! line for production.
//!
//! The one idea: whoever sent the bytes sees the byte.
//!
//! ```text
//!   400 Bad Request  H1-HEAD-003
//!
//!     white space stands between a field name and its colon, at byte 20
//!
//!         Host : localhost\r\n
//!             ^
//!     expected  a colon right after the field name (RFC 9112 5.1)
//!     send      printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080
//!     codes     /errors
//! ```
//!
//! The address in `send` is the server's own, and `codes` stands there when the application has such a page.
//!
//! Spec: RFC 9457 (problem details), RFC 9110 12.5.1 (`Accept`).
//! Never: sends a control byte of the request back unescaped; sends details of an internal failure.
//! Limits: [`EXCERPT_BYTES_MAX`] bytes of the request are shown.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::http::field::name;
use crate::http::{Fault, IntoResponse, ProtocolError, Response};

/// Bytes of the request shown on each side of the offending one.
pub const EXCERPT_BYTES_MAX: usize = 32;

/// Where a server is, so that what a refusal proposes can be pasted and what it names exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where it listens, when that is known.
    pub address: Option<SocketAddr>,
    /// The path at which all codes are listed, when the application lists them.
    pub catalogue: Option<&'static str>,
}

impl Place {
    /// `remedy` for this server.
    fn fill(self, remedy: &str) -> String {
        let Some(address) = self.address else { return remedy.to_owned() };
        let host = match address.ip() {
            // A server that listens everywhere listens here too.
            IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        addressed(remedy, &host, address.port())
    }
}

/// A remedy of the catalogue, whose server is at 127.0.0.1:8080, for the server at `host`, IPv6 in brackets, and `port`.
pub fn addressed(remedy: &str, host: &str, port: u16) -> String {
    let at = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    // nc takes an IPv6 address without its brackets.
    let apart = format!("{} {port}", host.trim_matches(['[', ']']));
    remedy.replace("127.0.0.1:8080", &at).replace("127.0.0.1 8080", &apart)
}

/// How refusals are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Lines for a person at a terminal.
    Text,
    /// `application/problem+json` (RFC 9457).
    Json,
    /// Status and code alone.
    Terse,
}

/// What went wrong with one request, ready to be worded.
#[derive(Clone, Debug)]
pub struct Problem {
    fault: Fault,
    detail: Option<String>,
    field: Option<String>,
    evidence: Option<Evidence>,
}

#[derive(Clone, Debug)]
struct Evidence {
    at: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Problem {
    /// A problem described by its row of the catalogue.
    pub fn new(fault: Fault) -> Problem {
        Problem { fault, detail: None, field: None, evidence: None }
    }

    /// A refusal of the parser, with the bytes it was found in. `received` begins where `error.at` counts from.
    pub fn of_bytes(error: ProtocolError, received: &[u8]) -> Problem {
        Problem { evidence: Some(Evidence::cut(received, error.at)), ..Problem::new(error.fault) }
    }

    /// As [`Problem::of_bytes`], where `window` is a part of what `error.at` counts over and begins at `window_start`.
    pub fn of_window(error: ProtocolError, window: &[u8], window_start: u64) -> Problem {
        let start = usize::try_from(window_start).unwrap_or(usize::MAX);
        let evidence = Evidence { at: error.at, ..Evidence::cut(window, error.at.saturating_sub(start)) };
        Problem { evidence: Some(evidence), ..Problem::new(error.fault) }
    }

    /// A failure of our own: `detail` is logged and not sent.
    pub fn internal(detail: impl std::fmt::Display) -> Problem {
        tracing::error!(%detail, "a handler failed");
        Problem::new(Fault::HandlerFailed)
    }

    /// Says more about this one case.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    /// Names the input that is wrong: a field, a parameter, a JSON path.
    pub fn with_field(mut self, field: impl Into<String>) -> Problem {
        self.field = Some(field.into());
        self
    }

    /// Which row of the catalogue it is.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// What was said about this one case.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The input that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The content type and the words in `style`, for a client of the server at `place`.
    pub fn render(&self, style: Style, place: Place) -> (&'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        match style {
            Style::Text => (TEXT, self.text(place)),
            Style::Terse => (TEXT, format!("{} ({})\n", self.fault.status(), self.fault.code())),
            Style::Json => ("application/problem+json", self.json(place)),
        }
    }

    fn text(&self, place: Place) -> String {
        let entry = self.fault.entry();
        let mut text = format!("{}  {}\n\n  {}", entry.status, entry.code, entry.title);
        match &self.evidence {
            Some(evidence) => {
                let (line, caret) = evidence.draw();
                text += &format!(", at byte {}\n\n      {line}\n      {caret}\n", evidence.at);
            }
            None => text += "\n",
        }
        if let Some(field) = &self.field {
            text += &format!("  field     {}\n", escape(field.as_bytes()));
        }
        if let Some(detail) = &self.detail {
            text += &format!("  detail    {}\n", escape(detail.as_bytes()));
        }
        let remedy = place.fill(entry.remedy);
        text += &format!("  expected  {} ({})\n  send      {remedy}\n", entry.expected, entry.section);
        if let Some(catalogue) = place.catalogue {
            text += &format!("  codes     {catalogue}\n");
        }
        text
    }

    fn json(&self, place: Place) -> String {
        let entry = self.fault.entry();
        let details = Details {
            // RFC 9457 4.2.1: the type of a problem that has no page of its own.
            r#type: place
                .catalogue
                .map_or_else(|| "about:blank".to_owned(), |catalogue| format!("{catalogue}#{}", entry.code)),
            title: entry.title,
            status: entry.status.code(),
            code: entry.code,
            detail: self.detail.as_deref(),
            field: self.field.as_deref(),
            offset: self.evidence.as_ref().map(|evidence| evidence.at),
            excerpt: self.evidence.as_ref().map(|evidence| evidence.draw().0),
            expected: entry.expected,
            section: entry.section,
            remedy: &place.fill(entry.remedy),
        };
        // Strings and numbers can always be written.
        serde_json::to_string(&details).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
    expected: &'a str,
    section: &'a str,
    remedy: &'a str,
}

impl Evidence {
    /// The line around byte `at`, as far as it fits.
    fn cut(received: &[u8], at: usize) -> Evidence {
        let at = at.min(received.len());
        let (before, after) = received.split_at(at);
        let before = &before[before.len().saturating_sub(EXCERPT_BYTES_MAX)..];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |lf| lf + 1);
        let line_end = after.iter().position(|&byte| byte == b'\n').map_or(after.len(), |lf| lf + 1);
        let after = &after[..line_end.min(EXCERPT_BYTES_MAX)];
        Evidence { at, before: before[line_start..].to_vec(), after: after.to_vec() }
    }

    /// The excerpt, and a caret to stand under its offending byte.
    fn draw(&self) -> (String, String) {
        let before = escape(&self.before);
        let caret = " ".repeat(before.chars().count()) + "^";
        (before + &escape(&self.after), caret)
    }
}

/// `bytes` with everything but printable ASCII written as an escape, one that `printf` understands.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => text += "\\r",
            b'\n' => text += "\\n",
            b'\t' => text += "\\t",
            b'\\' => text += "\\\\",
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text
}

/// Whether an `Accept` value asks for problem details. A program that accepts JSON gets JSON; a browser or curl, which
/// accept anything, get text.
///
/// Runs for every request, since only then the field is at hand: it looks for the letter that few values have, and reads
/// the media type around it.
pub(crate) fn wants_json(accept: &[u8]) -> bool {
    memchr::memchr2_iter(b'j', b'J', accept).any(|at| {
        let (before, json) = accept.split_at(at);
        let ends = matches!(json.get(4), None | Some(b',' | b';' | b' ' | b'\t'));
        ends && json[..json.len().min(4)].eq_ignore_ascii_case(b"json")
            && [&b"application/"[..], b"application/problem+"].iter().any(|media_type| ends_member(before, media_type))
    })
}

/// Whether `before` ends in `media_type`, and a member of the list begins with it.
fn ends_member(before: &[u8], media_type: &[u8]) -> bool {
    let Some(start) = before.len().checked_sub(media_type.len()) else { return false };
    let begins = matches!(start.checked_sub(1).map(|previous| before[previous]), None | Some(b',' | b' ' | b'\t'));
    begins && before[start..].eq_ignore_ascii_case(media_type)
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (content_type, words) = self.render(Style::Text, Place::default());
        let mut response = Response::new(self.fault.status()).with_content(content_type, words);
        // RFC 9110 10.2.3: what passes by itself says when to come again.
        if matches!(self.fault, Fault::TooManyConnections | Fault::Draining | Fault::HandlerTimedOut) {
            response = response.with(name::RETRY_AFTER, "1");
        }
        response.head_mut().problem = Some(Box::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost : x\r\nA: b\r\n\r\n";

    #[test]
    fn the_caret_stands_under_the_byte() {
        let text = Problem::of_bytes(Fault::BareLf.at(20), HEAD).render(Style::Text, Place::default()).1;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[4], lines[5]), ("      Host : x\\r\\n", "          ^"), "{text}");
        assert!(lines[2].ends_with(", at byte 20"), "{text}");
    }

    #[test]
    fn long_lines_are_cut_and_control_bytes_escaped() {
        let bytes = [vec![b'\x1b'; 100], vec![b'x'; 100]].concat();
        let text = Problem::of_bytes(Fault::BareLf.at(100), &bytes).render(Style::Text, Place::default()).1;
        assert!(!text.contains('\x1b'));
        let caret = text.lines().find(|line| line.trim() == "^").expect("a caret");
        assert_eq!(caret.len(), 6 + EXCERPT_BYTES_MAX * "\\x1b".len() + 1);
    }

    #[test]
    fn an_offset_past_the_end_is_the_end() {
        let text = Problem::of_bytes(Fault::BareLf.at(9_999), b"GET").render(Style::Text, Place::default()).1;
        assert!(text.contains("at byte 3\n\n      GET\n         ^\n"), "{text}");
    }

    #[test]
    fn problem_details_are_json_with_the_stable_code() {
        let problem = Problem::of_bytes(Fault::BareLf.at(20), HEAD).with_detail("d").with_field("f");
        let (content_type, json) = problem.render(Style::Json, Place::default());
        assert_eq!(content_type, "application/problem+json");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["code"], Fault::BareLf.code());
        assert_eq!((&json["offset"], &json["status"]), (&20.into(), &400.into()));
        assert_eq!((&json["detail"], &json["field"]), (&"d".into(), &"f".into()));
    }

    #[test]
    fn remedies_name_the_server_that_refused() {
        let check = |address: &str, at: &str, apart: &str| {
            let place = Place { address: Some(address.parse().expect("an address")), catalogue: None };
            assert_eq!(
                place.fill("curl http://127.0.0.1:8080/ | nc -N 127.0.0.1 8080"),
                format!("curl http://{at}/ | nc -N {apart}")
            );
        };
        check("127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1 9000");
        check("192.0.2.1:80", "192.0.2.1", "192.0.2.1 80");
        check("0.0.0.0:9000", "127.0.0.1:9000", "127.0.0.1 9000");
        check("[2001:db8::1]:9000", "[2001:db8::1]:9000", "2001:db8::1 9000");
        check("[::]:9000", "[::1]:9000", "::1 9000");
    }

    #[test]
    fn the_catalogue_is_named_where_there_is_one() {
        let problem = Problem::of_bytes(Fault::BareLf.at(20), HEAD);
        for (catalogue, codes, kind) in
            [(Some("/codes"), true, "\"type\":\"/codes#H1-LINE-001\""), (None, false, "\"type\":\"about:blank\"")]
        {
            let place = Place { address: None, catalogue };
            assert_eq!(problem.render(Style::Text, place).1.contains("\n  codes     /codes\n"), codes);
            assert_eq!(problem.render(Style::Text, place).1.contains("codes  "), codes);
            assert!(problem.render(Style::Json, place).1.contains(kind));
        }
    }

    #[test]
    fn what_passes_by_itself_says_when_to_come_again() {
        for (fault, expected) in
            [(Fault::TooManyConnections, Some("1")), (Fault::Draining, Some("1")), (Fault::BareLf, None)]
        {
            assert_eq!(Problem::new(fault).into_response().field("retry-after"), expected, "{fault:?}");
        }
    }

    #[test]
    fn terse_says_status_and_code_only() {
        let terse = Problem::of_bytes(Fault::BareLf.at(20), HEAD).render(Style::Terse, Place::default()).1;
        assert_eq!(terse, format!("400 Bad Request ({})\n", Fault::BareLf.code()));
    }

    #[test]
    fn json_is_sent_to_those_who_name_it() {
        for accept in ["application/json", "text/html, application/problem+json;q=0.9", "APPLICATION/JSON"] {
            assert!(wants_json(accept.as_bytes()), "{accept}");
        }
        for accept in ["application/json ;q=1", "a/b, application/json", "text/html,\tapplication/problem+JSON,x/y"] {
            assert!(wants_json(accept.as_bytes()), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/jsonp-something",
            "x-application/json",
        ] {
            assert!(!wants_json(accept.as_bytes()), "{accept}");
        }
    }
}
