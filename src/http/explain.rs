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

mod place;

use serde::Serialize;

use crate::http::field::name;
use crate::http::{Fault, IntoResponse, Limits, ProtocolError, Response};

pub use place::{Place, addressed, host};

/// Bytes of the request shown on each side of the offending one.
pub const EXCERPT_BYTES_MAX: usize = 32;

/// Bytes of a media type's parameters in which its weight is looked for.
const PARAMETER_BYTES_MAX: usize = 64;

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

#[derive(Clone, Debug, Default)]
struct Evidence {
    at: usize,
    /// Whether `at` counts from the first byte of the content, not of the head.
    of_content: bool,
    /// The shown bytes of the line that stand before `at`, and whether more of it stands before them.
    before: Vec<u8>,
    cut_before: bool,
    /// Those from `at` on, and whether more follows.
    after: Vec<u8>,
    cut_after: bool,
}

impl Problem {
    /// A problem described by its row of the catalogue.
    pub fn new(fault: Fault) -> Problem {
        Problem { fault, detail: None, field: None, evidence: None }
    }

    /// A refusal of a head, with the bytes it was found in, from its first.
    pub fn of_bytes(error: ProtocolError, received: &[u8]) -> Problem {
        Problem { evidence: Some(Evidence::cut(received, error.at)), ..Problem::new(error.fault) }
    }

    /// A refusal of content. `window` is the part of it at hand, and begins at `window_start`.
    pub fn of_content(error: ProtocolError, window: &[u8], window_start: u64) -> Problem {
        let start = usize::try_from(window_start).unwrap_or(usize::MAX);
        // A byte that has left the window is named and not shown.
        let evidence = error.at.checked_sub(start).map_or_else(Evidence::default, |at| Evidence::cut(window, at));
        Problem { evidence: Some(Evidence { at: error.at, of_content: true, ..evidence }), ..Problem::new(error.fault) }
    }

    /// A failure of our own: `detail` is logged and not sent.
    pub fn internal(detail: impl std::fmt::Display) -> Problem {
        // As a string: a formatter of lines writes it in quotes, and its line breaks as escapes.
        tracing::error!(detail = detail.to_string(), "a handler failed");
        Problem::new(Fault::HandlerFailed)
    }

    /// Says more about this one case.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    /// Says the value of the limit that was met, when it was one of `limits`.
    pub fn with_limit_of(self, limits: &Limits) -> Problem {
        let (name, value) = match self.fault {
            Fault::TooManyEmptyLines => ("leading_empty_lines_max", limits.leading_empty_lines_max),
            Fault::MethodTooLong => ("method_bytes_max", limits.method_bytes_max),
            Fault::TargetTooLong => ("target_bytes_max", limits.target_bytes_max),
            Fault::HeadTooLarge => ("head_bytes_max", limits.head_bytes_max),
            Fault::TooManyFieldLines => ("field_lines_max", limits.field_lines_max),
            Fault::ChunkLineTooLong => ("chunk_line_bytes_max", limits.chunk_line_bytes_max),
            Fault::ChunkExtensionsTooLong => ("chunk_extension_bytes_max", limits.chunk_extension_bytes_max),
            Fault::TrailersTooLarge => ("trailer_bytes_max", limits.trailer_bytes_max),
            _ => return self,
        };
        self.with_detail(format!("{name} is {value} here"))
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
            Some(evidence) => text += &evidence.text(),
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
        let shown = self.evidence.as_ref().filter(|evidence| !evidence.is_blank());
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
            offset_in: self.evidence.as_ref().map(|evidence| if evidence.of_content { "content" } else { "head" }),
            excerpt: shown.map(|evidence| escape(&evidence.before) + &escape(&evidence.after)),
            excerpt_offset: shown.map(|evidence| evidence.at - evidence.before.len()),
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
    /// What the offsets count over.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_in: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
    /// The offset of the excerpt's first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt_offset: Option<usize>,
    expected: &'a str,
    section: &'a str,
    remedy: &'a str,
}

impl Evidence {
    /// The line around byte `at`, as far as it fits.
    fn cut(received: &[u8], at: usize) -> Evidence {
        let at = at.min(received.len());
        let (before, after) = received.split_at(at);
        // At the end of all that came, the last line is what there is to show: the caret stands behind it.
        let line_before = if after.is_empty() { without_line_breaks(before) } else { before };
        let line_start = memchr::memrchr(b'\n', line_before).map_or(0, |lf| lf + 1);
        let start = line_start.max(at.saturating_sub(EXCERPT_BYTES_MAX));
        let line_end = memchr::memchr(b'\n', after).map_or(after.len(), |lf| lf + 1);
        let end = line_end.min(EXCERPT_BYTES_MAX);
        Evidence {
            at,
            of_content: false,
            before: before[start..].to_vec(),
            cut_before: start > line_start,
            after: after[..end].to_vec(),
            cut_after: end < line_end,
        }
    }

    fn is_blank(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Where it is, then the excerpt and a caret under its offending byte.
    fn text(&self) -> String {
        let of = if self.of_content { " of the content" } else { "" };
        let mut text = format!(", at byte {}{of}\n", self.at);
        if !self.is_blank() {
            let mark = |is_cut| if is_cut { "…" } else { "" };
            let before = mark(self.cut_before).to_owned() + &escape(&self.before);
            let caret = " ".repeat(before.chars().count()) + "^";
            text += &format!("\n      {before}{}{}\n      {caret}\n", escape(&self.after), mark(self.cut_after));
        }
        text
    }
}

fn without_line_breaks(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
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
            && !is_refused(&json[4..])
    })
}

/// Whether the parameters that begin `rest` give their media type no weight. RFC 9110 12.4.2: a weight of 0 is a refusal.
fn is_refused(rest: &[u8]) -> bool {
    // Bounded: a list that names JSON again and again would otherwise be read to its end for each.
    let rest = &rest[..rest.len().min(PARAMETER_BYTES_MAX)];
    let mut parameters = rest.split(|&byte| byte == b',').next().unwrap_or_default().split(|&byte| byte == b';');
    parameters.any(|parameter| match parameter.trim_ascii() {
        [b'q' | b'Q', b'=', weight @ ..] => weight.iter().all(|byte| matches!(byte, b'0' | b'.')),
        _ => false,
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
        let problem = Problem::of_bytes(Fault::BareLf.at(100), &bytes);
        let text = problem.render(Style::Text, Place::default()).1;
        assert!(!text.contains('\x1b'));
        let shown = [&*"\\x1b".repeat(EXCERPT_BYTES_MAX), &*"x".repeat(EXCERPT_BYTES_MAX)].concat();
        assert!(text.contains(&format!("      …{shown}…\n")), "{text}");
        let caret = text.lines().find(|line| line.trim() == "^").expect("a caret");
        assert_eq!(caret.len(), 6 + 1 + EXCERPT_BYTES_MAX * "\\x1b".len() + 1);
        let json: serde_json::Value =
            serde_json::from_str(&problem.render(Style::Json, Place::default()).1).expect("JSON");
        assert_eq!((&json["offset"], &json["excerpt_offset"]), (&100.into(), &(100 - EXCERPT_BYTES_MAX).into()));
        assert_eq!(json["excerpt"], shown);
    }

    #[test]
    fn at_the_end_of_all_the_last_line_is_shown() {
        for (received, shown) in [
            ("GET / HTTP/1.1\r\nA: b\r\n\r\n", "      A: b\\r\\n\\r\\n\n                  ^\n"),
            ("GET / HTTP/1.1\r\n", "      GET / HTTP/1.1\\r\\n\n                        ^\n"),
            ("GET / HTTP/1.1\r\nHo", "      Ho\n        ^\n"),
            ("\r\n", "      \\r\\n\n          ^\n"),
        ] {
            let problem = Problem::of_bytes(Fault::HeadTimeout.at(received.len()), received.as_bytes());
            let text = problem.render(Style::Text, Place::default()).1;
            assert!(text.contains(&format!("at byte {}\n\n{shown}", received.len())), "{text}");
        }
    }

    #[test]
    fn an_offset_in_content_says_so_and_what_has_left_the_window_is_not_shown() {
        for (start, shown) in
            [(3, "at byte 5 of the content\n\n      Z\\r\\n\n      ^\n"), (6, "at byte 5 of the content\n  ex")]
        {
            let problem = Problem::of_content(Fault::ChunkSizeByte.at(5), b"\r\nZ\r\n", start);
            let text = problem.render(Style::Text, Place::default()).1;
            assert!(text.contains(shown), "{text}");
            assert!(problem.render(Style::Json, Place::default()).1.contains("\"offset\":5,\"offset_in\":\"content\""));
        }
    }

    #[test]
    fn a_limit_is_told_with_its_value() {
        let limits = Limits { target_bytes_max: 7, ..Limits::default() };
        let detail = |fault: Fault| Problem::new(fault).with_limit_of(&limits).detail().map(str::to_owned);
        assert_eq!(detail(Fault::TargetTooLong).as_deref(), Some("target_bytes_max is 7 here"));
        assert_eq!(detail(Fault::BareLf), None);
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
        for accept in [
            "application/json ;q=1",
            "a/b, application/json",
            "text/html,\tapplication/problem+JSON,x/y",
            "application/problem+json;q=0, application/json;q=0.01",
        ] {
            assert!(wants_json(accept.as_bytes()), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/jsonp-something",
            "application/problem+json;q=0",
            "*/*, application/json ; v=1; Q=0.000 , text/plain",
            "x-application/json",
        ] {
            assert!(!wants_json(accept.as_bytes()), "{accept}");
        }
    }
}
