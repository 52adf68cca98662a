//! Owns the field section: an ordered multimap of field lines whose names compare without case.
//!
//! The one idea: all names and values of one head lie in one byte arena, and a field line is four numbers into it.
//!
//! ```text
//!   bytes:  GET /x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n        (a received head, as it came)
//!                              ^^^^  ^
//!   lines:  [ name 17..21, value 23..24 ] [ name 26..32, value 34..37 ]
//! ```
//!
//! The parser writes the numbers straight into `lines`; nothing is copied or allocated for each field, and a head that
//! has served its request gives both vectors back for the next one.
//!
//! A section that is built here, line after line, lies in its arena as it will stand in a message, so that the encoder
//! sends it by one copy:
//!
//! ```text
//!   bytes:  Content-Type: text/plain\r\nETag: "1"\r\n
//! ```
//!
//! Spec: RFC 9110 5 (names 5.1, values 5.5, order 5.3, lists 5.6.1).
//! Never: holds a value with CR, LF or NUL: such bytes would split the message (RFC 9110 5.5).
//! Invariants: every line's ranges lie inside `bytes`, and its name is a non-empty token; while nothing was received or
//! removed, `bytes` are the lines, each with its colon, space and line end.

use std::fmt;

use crate::http::h1::grammar;

/// Names of the fields that firstbyte itself reads or writes above the protocol, in the case it writes them.
pub mod name {
    /// What the client prefers (RFC 9110 12.5.1).
    pub const ACCEPT: &str = "Accept";
    /// The methods of a resource (RFC 9110 10.2.1).
    pub const ALLOW: &str = "Allow";
    /// Who asks (RFC 9110 11.6.2).
    pub const AUTHORIZATION: &str = "Authorization";
    /// What caches may do (RFC 9111 5.2).
    pub const CACHE_CONTROL: &str = "Cache-Control";
    /// The media type of the content (RFC 9110 8.3).
    pub const CONTENT_TYPE: &str = "Content-Type";
    /// The tag of a representation (RFC 9110 8.8.3).
    pub const ETAG: &str = "ETag";
    /// Where to go, or what was made (RFC 9110 10.2.2).
    pub const LOCATION: &str = "Location";
    /// The site of the page that asks (RFC 6454 7).
    pub const ORIGIN: &str = "Origin";
    /// When to come again (RFC 9110 10.2.3).
    pub const RETRY_AFTER: &str = "Retry-After";
    /// The fields that will stand in the trailers (RFC 9110 6.6.2).
    pub const TRAILER: &str = "Trailer";
    /// Another protocol (RFC 9110 7.8).
    pub const UPGRADE: &str = "Upgrade";
    /// The request fields that chose the answer (RFC 9110 12.5.5).
    pub const VARY: &str = "Vary";
    /// How to say who asks (RFC 9110 11.6.1).
    pub const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
    /// One id for a request, from the client to the log. No standard; widely used.
    pub const X_REQUEST_ID: &str = "X-Request-Id";
}

/// Why a field line was refused by [`Fields::append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is empty or holds a byte that is no `tchar` (RFC 9110 5.1).
    Name,
    /// The value holds a control byte other than HTAB (RFC 9110 5.5).
    Value,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldError::Name => "a field name must be a token (RFC 9110 5.1)",
            FieldError::Value => "a field value must not hold control bytes (RFC 9110 5.5)",
        })
    }
}

impl std::error::Error for FieldError {}

/// The names that decide framing, connection handling and the wording of errors. The parser recognises them once, so
/// that no rule compares strings again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Known {
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    Accept,
    IfMatch,
    IfNoneMatch,
    Date,
    Server,
}

impl Known {
    /// Its place in a set of names.
    #[inline]
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The known name spelled by `name`, a token, whatever its case.
    #[inline(always)]
    pub(crate) fn of(name: &[u8]) -> Known {
        match name.len() {
            4 if spells(name, b"host") => Known::Host,
            4 if spells(name, b"date") => Known::Date,
            6 if spells(name, b"accept") => Known::Accept,
            6 if spells(name, b"expect") => Known::Expect,
            6 if spells(name, b"server") => Known::Server,
            7 if spells(name, b"upgrade") => Known::Upgrade,
            8 if spells(name, b"if-match") => Known::IfMatch,
            10 if spells(name, b"connection") => Known::Connection,
            13 if spells(name, b"if-none-match") => Known::IfNoneMatch,
            14 if spells(name, b"content-length") => Known::ContentLength,
            17 if spells(name, b"transfer-encoding") => Known::TransferEncoding,
            _ => Known::Other,
        }
    }
}

/// Whether `name`, a token, is `lower` in any case. Words are compared, the last two of which may overlap.
#[inline(always)]
pub(crate) fn spells<const LEN: usize>(name: &[u8], lower: &[u8; LEN]) -> bool {
    let Some(name) = name.first_chunk::<LEN>() else { return false };
    let mut at = 0;
    while at + 4 < LEN {
        if folded(name, at) != folded(lower, at) {
            return false;
        }
        at += 4;
    }
    folded(name, LEN - 4) == folded(lower, LEN - 4)
}

/// Four bytes of a token, in lower case.
#[inline(always)]
fn folded<const LEN: usize>(token: &[u8; LEN], at: usize) -> u32 {
    token[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) | 0x2020_2020)
}

/// Where one field line lies in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    pub(crate) name_start: u32,
    pub(crate) value_start: u32,
    pub(crate) value_len: u32,
    pub(crate) name_len: u16,
    pub(crate) known: Known,
}

impl FieldLine {
    pub(crate) fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.name_start as usize;
        &bytes[start..start + usize::from(self.name_len)]
    }

    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.value_start as usize;
        &bytes[start..start + self.value_len as usize]
    }

    /// Whether its name is `name`. Most names differ in length, which costs no look at the bytes.
    #[inline]
    fn is_named(&self, name: &[u8], bytes: &[u8]) -> bool {
        usize::from(self.name_len) == name.len() && self.name(bytes).eq_ignore_ascii_case(name)
    }
}

/// An ordered multimap of field lines.
#[derive(Clone, Default)]
pub struct Fields {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<FieldLine>,
    /// The arena holds more than the lines, or holds them otherwise than they would be sent.
    has_other_bytes: bool,
}

impl Fields {
    /// An empty section. Allocates nothing.
    pub const fn new() -> Fields {
        Fields { bytes: Vec::new(), lines: Vec::new(), has_other_bytes: false }
    }

    /// The section of a received head or of received trailers: all of its bytes, and where the lines lie in them.
    pub(crate) fn received(bytes: Vec<u8>, lines: Vec<FieldLine>) -> Fields {
        Fields { bytes, lines, has_other_bytes: true }
    }

    /// Takes in a received head, whose lines the parser has put into `lines`, which gets the room for the next ones.
    #[inline]
    pub(crate) fn receive(&mut self, head: &[u8], lines: &mut Vec<FieldLine>) {
        self.bytes.extend_from_slice(head);
        std::mem::swap(&mut self.lines, lines);
        self.has_other_bytes = true;
    }

    /// All lines as they stand in a message, when they lie so.
    #[inline]
    pub(crate) fn as_sent(&self) -> Option<&[u8]> {
        (!self.has_other_bytes).then_some(&self.bytes)
    }

    /// The value of the first line called `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let named = |line: &&FieldLine| line.is_named(name.as_bytes(), &self.bytes);
        self.lines.iter().find(named).map(|line| line.value(&self.bytes))
    }

    /// The value of the first line called `name`, when it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all lines called `name`, in the order received.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |line| line.is_named(name.as_bytes(), &self.bytes))
            .map(|line| line.value(&self.bytes))
    }

    /// The members of a comma-separated list over all lines called `name` (RFC 9110 5.6.1), trimmed, empty ones left
    /// out. Does not know quoted strings: use it for fields whose members are tokens.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(split_list)
    }

    /// Whether a line called `name` is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All lines as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|line| {
            let name = std::str::from_utf8(line.name(&self.bytes)).unwrap_or("");
            (name, line.value(&self.bytes))
        })
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line at the end.
    ///
    /// # Errors
    /// [`FieldError`] when the name is no token or the value holds a control byte: nothing is added then.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let value = value.as_ref();
        check_name(name)?;
        if !value.iter().all(|&byte| grammar::is_field_value(byte)) {
            return Err(FieldError::Value);
        }
        self.push(name, value);
        Ok(())
    }

    /// Replaces all lines called `name` by one.
    ///
    /// # Errors
    /// As [`Fields::append`]: nothing is changed then.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let before = self.lines.len();
        self.append(name, value)?;
        let added = self.lines.remove(before);
        self.remove(name);
        self.lines.push(added);
        Ok(())
    }

    /// Adds a line at the end, each forbidden byte of the value replaced by a space (RFC 9110 5.5 allows a recipient
    /// exactly this), so that a value from outside cannot split the message.
    ///
    /// # Panics
    /// When `name` is no token: names come from the program, not from a peer.
    pub fn append_escaped(&mut self, name: &str, value: impl AsRef<[u8]>) {
        assert!(check_name(name).is_ok(), "field name {name:?} is no token");
        let start = self.bytes.len() + name.len() + SEPARATOR.len();
        self.push(name, value.as_ref());
        let end = self.bytes.len() - LINE_END.len();
        let value = &mut self.bytes[start..end];
        // Nearly every value is clean; scanning for the first forbidden byte looks at sixteen at a time.
        let first = grammar::field_value_end(value, 0);
        for byte in &mut value[first..] {
            if !grammar::is_field_value(*byte) {
                *byte = b' ';
            }
        }
    }

    /// Removes all lines called `name` and says how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        if !self.contains(name) {
            return 0;
        }
        let before = self.lines.len();
        let bytes = &self.bytes;
        self.lines.retain(|line| !line.is_named(name.as_bytes(), bytes));
        self.has_other_bytes = true;
        before - self.lines.len()
    }

    /// Forgets all lines and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.has_other_bytes = false;
    }

    /// The values of the lines that the parser recognised as `known`.
    pub(crate) fn known(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(move |line| line.known == known).map(|line| line.value(&self.bytes))
    }

    /// Adds a line of ours at the end.
    #[inline]
    pub(crate) fn push_own(&mut self, own: &OwnLine) {
        debug_assert_eq!(Known::of(own.line.name(own.text.as_bytes())), Known::Other, "{}", own.text);
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(own.text.as_bytes());
        let FieldLine { name_start, value_start, .. } = own.line;
        self.lines.push(FieldLine { name_start: start + name_start, value_start: start + value_start, ..own.line });
    }

    /// Adds all lines of `others`: made and checked once, sent in many answers.
    #[inline]
    pub(crate) fn extend(&mut self, others: &Fields) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&others.bytes);
        self.has_other_bytes |= others.has_other_bytes;
        let moved = |line: &FieldLine| FieldLine {
            name_start: start + line.name_start,
            value_start: start + line.value_start,
            ..*line
        };
        self.lines.extend(others.lines.iter().map(moved));
    }

    /// Whether one of these lines has the name of one of `others`.
    pub(crate) fn shares_a_name_with(&self, others: &Fields) -> bool {
        // A bit for each length: names whose lengths differ, differ.
        let lengths = |fields: &Fields| fields.lines.iter().fold(0u64, |set, line| set | 1 << (line.name_len % 64));
        let named =
            |line: &FieldLine| others.lines.iter().any(|other| line.is_named(other.name(&others.bytes), &self.bytes));
        lengths(self) & lengths(others) != 0 && self.lines.iter().any(named)
    }

    /// Adds a line that begins with `own` and goes on with `parts`. They are ours: nothing in them can split a message.
    #[inline]
    pub(crate) fn push_own_with(&mut self, own: &OwnStart, parts: &[&[u8]]) {
        debug_assert_eq!(Known::of(own.line.name(own.text.as_bytes())), Known::Other, "{}", own.text);
        debug_assert!(parts.iter().all(|part| part.iter().all(|&byte| grammar::is_field_value(byte))), "{parts:?}");
        let start = self.bytes.len();
        let rest: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.reserve(own.text.len() + rest + LINE_END.len());
        self.bytes.extend_from_slice(own.text.as_bytes());
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.extend_from_slice(LINE_END);
        self.lines.push(FieldLine {
            name_start: start as u32,
            value_start: start as u32 + own.line.value_start,
            value_len: own.line.value_len + rest as u32,
            ..own.line
        });
    }

    #[inline]
    fn push(&mut self, name: &str, value: &[u8]) {
        let name_start = self.bytes.len();
        push_line(name.as_bytes(), value, &mut self.bytes);
        self.lines.push(FieldLine {
            name_start: name_start as u32,
            value_start: (name_start + name.len() + SEPARATOR.len()) as u32,
            value_len: value.len() as u32,
            name_len: name.len() as u16,
            known: Known::of(name.as_bytes()),
        });
    }
}

/// A line that is the same in many answers, taken apart when the program is compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnLine {
    text: &'static str,
    line: FieldLine,
}

impl OwnLine {
    /// The line that `text` is, as it stands in a message: `Name: value` and a line end.
    ///
    /// # Panics
    /// When it has no colon. It is meant for constants, so that the compiler says so.
    pub(crate) const fn new(text: &'static str) -> OwnLine {
        OwnLine { text, line: own_line(text, text.len() - LINE_END.len()) }
    }
}

/// How a line begins of which the rest differs from answer to answer, taken apart when the program is compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnStart {
    text: &'static str,
    line: FieldLine,
}

impl OwnStart {
    /// The line that begins with `text`: `Name: ` and perhaps the first bytes of its value.
    ///
    /// # Panics
    /// As [`OwnLine::new`].
    pub(crate) const fn new(text: &'static str) -> OwnStart {
        OwnStart { text, line: own_line(text, text.len()) }
    }
}

/// Where the name of a line that begins with `text` lies, and its value up to `end`. None that the encoder writes itself, nor
/// any other that is known: those are for [`Fields::append`].
const fn own_line(text: &str, end: usize) -> FieldLine {
    let mut name_len = 0;
    while text.as_bytes()[name_len] != b':' {
        name_len += 1;
    }
    let value_start = name_len + SEPARATOR.len();
    FieldLine {
        name_start: 0,
        value_start: value_start as u32,
        value_len: (end - value_start) as u32,
        name_len: name_len as u16,
        known: Known::Other,
    }
}

/// Appends one line as it stands in a message (RFC 9112 5).
#[inline]
pub(crate) fn push_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + SEPARATOR.len() + value.len() + LINE_END.len());
    out.extend_from_slice(name);
    out.extend_from_slice(SEPARATOR);
    out.extend_from_slice(value);
    out.extend_from_slice(LINE_END);
}

/// What stands between name and value where we write them: RFC 9112 5.1 has one space for readability.
const SEPARATOR: &[u8] = b": ";

const LINE_END: &[u8] = b"\r\n";

fn check_name(name: &str) -> Result<(), FieldError> {
    let fits = !name.is_empty() && name.len() <= usize::from(u16::MAX);
    if fits && name.bytes().all(grammar::is_token) { Ok(()) } else { Err(FieldError::Name) }
}

/// Splits a list value at its commas, drops white space around members and empty members (RFC 9110 5.6.1.2).
pub(crate) fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        let mut fields = Fields::new();
        for (name, value) in [("Host", "a"), ("Accept", "x, ,y"), ("accept", "z")] {
            fields.append(name, value).expect("a valid line");
        }
        fields
    }

    #[test]
    fn names_compare_without_case_and_order_is_kept() {
        let fields = sample();
        assert_eq!(fields.get("HOST"), Some(&b"a"[..]));
        assert_eq!(fields.all("ACCEPT").collect::<Vec<_>>(), [&b"x, ,y"[..], b"z"]);
        assert_eq!(fields.list("accept").collect::<Vec<_>>(), [&b"x"[..], b"y", b"z"]);
        assert_eq!(fields.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["Host", "Accept", "accept"]);
    }

    #[test]
    fn set_replaces_and_remove_counts() {
        let mut fields = sample();
        fields.set("Accept", "only").expect("valid");
        assert_eq!(fields.all("accept").collect::<Vec<_>>(), [&b"only"[..]]);
        assert_eq!(fields.remove("host"), 1);
        assert_eq!(fields.len(), 1);
    }

    #[test]
    fn lines_made_before_are_added_as_they_are() {
        let mut fields = sample();
        let mut others = Fields::new();
        others.push_own_with(&OwnStart::new("X-Own: a"), &[b"", b"b"]);
        others.append("Accept", "w").expect("valid");
        assert!(fields.shares_a_name_with(&others));
        fields.extend(&others);
        assert_eq!((fields.get("x-own"), fields.len()), (Some(&b"ab"[..]), 5));
        assert_eq!(fields.all("accept").last(), Some(&b"w"[..]));
        let sent = fields.as_sent().expect("nothing but lines");
        assert!(sent.ends_with(b"accept: z\r\nX-Own: ab\r\nAccept: w\r\n"), "{}", sent.escape_ascii());
        fields.remove("ACCEPT");
        others.remove("accept");
        assert!(fields.shares_a_name_with(&others));
        fields.remove("x-own");
        assert!(!fields.shares_a_name_with(&others));
        fields.extend(&others);
        assert_eq!((fields.get("x-own"), fields.get("accept"), fields.as_sent()), (Some(&b"ab"[..]), None, None));
    }

    #[test]
    fn response_splitting_is_refused_or_escaped() {
        let mut fields = Fields::new();
        for wrong in ["a\r\nSet-Cookie: x", "a\nb", "a\0b", "\x7f"] {
            assert_eq!(fields.append("X", wrong), Err(FieldError::Value), "{wrong:?}");
        }
        for wrong in ["", "X Y", "X:", "X\r\n", "É"] {
            assert_eq!(fields.append(wrong, "v"), Err(FieldError::Name), "{wrong:?}");
        }
        assert!(fields.is_empty());
        fields.append_escaped("X", "a\r\nb");
        assert_eq!(fields.get("X"), Some(&b"a  b"[..]));
    }

    #[test]
    fn framing_names_are_recognised() {
        let mut fields = Fields::new();
        fields.append("CONTENT-length", "5").expect("valid");
        fields.append("content-lengti", "6").expect("valid");
        assert_eq!(fields.known(Known::ContentLength).collect::<Vec<_>>(), [&b"5"[..]]);
    }
}
