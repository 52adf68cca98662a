//! Owns the client's part of the opening handshake: what is asked, and whether the answer is a yes.
//!
//! The one idea: nothing is believed. A server has agreed when it says so in four fields and names nothing that was not
//! offered; all else is an error that says which of them was wrong.
//!
//! ```text
//!   Handshake::new ──▶ request()                                        receive(bytes)
//!   GET /ws HTTP/1.1                       ┌── 100, 103 ──▶ passed over ──┐
//!   Host: 127.0.0.1:8080                   │                              │
//!   Upgrade: websocket               Head ─┼── 101 ───────▶ checked ──▶ Agreed, with the bytes behind the head
//!   Connection: Upgrade                    │
//!   Sec-WebSocket-Key: …                   └── another ───▶ its content, up to a bound ──▶ Refused
//!   Sec-WebSocket-Version: 13
//! ```
//!
//! Spec: RFC 6455 4.1 (the request, items 1 to 12; the answer, items 1 to 6), 4.2.2, 9.1, 11.3; RFC 9110 7.8 and 15.2;
//! RFC 9112 4, 5 and 6.3 (by the cores of [`h1`](crate::http::h1)). Stricter than they demand: a field that may stand once does.
//! Never: does I/O; follows a redirection; loses a byte behind the head.
//! Limits: [`HEAD_BYTES_MAX`], [`CONTENT_BYTES_MAX`], and the field lines of [`Limits`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::field::{self, Fields, name};
use crate::http::h1::answer_head::{AnswerError, AnswerFault, AnswerHead, AnswerParser, Found};
use crate::http::h1::framing::{AnswerContent, decide_answer};
use crate::http::h1::grammar;
use crate::http::h1::machine::{Receive, Received};
use crate::http::server::trace;
use crate::http::{Limits, Method, ProtocolError, Status, Version};
use crate::net::tap::Tap;
use crate::ws::accept_key::accept_key;
use crate::ws::handshake::url::Url;

/// Bytes of all heads of an answer: of interim ones and of the last.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are kept of the content of an answer other than 101.
pub const CONTENT_BYTES_MAX: usize = 2 * 1024;

/// Bytes of what is no answer that are shown.
const SHOWN_BYTES_MAX: usize = 60;

const ACCEPT: &str = "Sec-WebSocket-Accept";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// Fields that the handshake says itself, besides those that begin with `Sec-WebSocket-`, and those that frame content,
/// which a GET has none of.
const OURS: [&str; 4] = ["Upgrade", "Connection", "Content-Length", "Transfer-Encoding"];

/// What a client asks for besides a WebSocket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Subprotocols, the preferred one first.
    pub protocols: &'a [String],
    /// The value of Sec-WebSocket-Extensions, if any are offered.
    pub extensions: Option<&'a str>,
    /// Further field lines: Origin, Cookie, Authorization. One called Host takes the place of ours.
    pub fields: &'a [(String, String)],
}

/// Why a request cannot be asked so: the caller's mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// A subprotocol is no token, or stands twice (RFC 6455 4.1 item 10).
    Protocol(String),
    /// A field's name is no token, or its value holds a control byte.
    Field(String),
    /// The handshake says this field itself.
    OurField(String),
}

/// Why there is no WebSocket: what the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// It does not speak HTTP/1.1: how it began, escaped.
    NotHttp(String),
    /// A field line is malformed.
    Malformed(ProtocolError),
    /// An interim answer before it declares content, which it cannot have: nobody can say where the answer begins.
    InterimContent,
    /// There was no end of its head within [`HEAD_BYTES_MAX`].
    HeadTooLarge,
    /// The connection ended before its head did.
    Ended,
    /// Its status is not 101.
    Refused(Refusal),
    /// Upgrade is missing, or says something else than `websocket`.
    Upgrade(Option<String>),
    /// Connection has no member `Upgrade`.
    Connection,
    /// Sec-WebSocket-Accept is missing or does not belong to the key: a cache, or no WebSocket server, has answered.
    Accept(Option<String>),
    /// It uses an extension, or a parameter of one, that was not offered.
    Extension(String),
    /// It has chosen a subprotocol that was not offered, or several.
    Protocol(String),
}

/// An answer other than 101.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// Where else to ask, as the server says.
    pub location: Option<String>,
    /// How its content begins, at most [`CONTENT_BYTES_MAX`]. Text as the server sent it: not safe for a terminal.
    pub content: String,
}

/// What both sides have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The subprotocol, if the server has chosen one.
    pub protocol: Option<String>,
    /// The value of Sec-WebSocket-Extensions; empty when there are none. What was offered is for its owner to check.
    pub extensions: String,
    /// Bytes that came behind the answer's head: they are frames.
    pub early: Vec<u8>,
}

/// One opening handshake of a client.
#[derive(Debug)]
pub struct Handshake {
    request: Vec<u8>,
    /// The heads that have come whole.
    answer: Vec<u8>,
    accept: String,
    protocols: Vec<String>,
    offers_extensions: bool,
    limits: Limits,
    state: State,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    Head(Box<Head>),
    Content { refusal: Refusal, kept: Vec<u8>, receive: Receive },
}

/// The head in hand as far as it has come.
#[derive(Debug, Default)]
struct Head {
    /// From its first byte on.
    bytes: Vec<u8>,
    parser: AnswerParser,
    parsed: AnswerHead,
}

impl Handshake {
    /// A handshake for `url`. `nonce` is 16 bytes that nobody can guess, new for each connection (4.1 item 7).
    ///
    /// # Errors
    /// What of `ask` cannot be asked.
    pub fn new(url: &Url, ask: &Ask<'_>, nonce: [u8; 16]) -> Result<Handshake, AskError> {
        check(ask)?;
        let key = STANDARD.encode(nonce);
        Ok(Handshake {
            request: request(url, ask, &key),
            answer: Vec::new(),
            accept: accept_key(key.as_bytes()),
            protocols: ask.protocols.to_vec(),
            offers_extensions: ask.extensions.is_some(),
            limits: Limits { head_bytes_max: HEAD_BYTES_MAX, ..Limits::default() },
            state: State::Head(Box::default()),
        })
    }

    /// The request: what is sent first, and alone until the answer has come.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes the next bytes of the answer. `None`: it goes on.
    ///
    /// # Errors
    /// Why the answer is no yes. Then the handshake is over.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Agreed>, HandshakeError> {
        match &mut self.state {
            State::Head(head) => {
                head.bytes.extend_from_slice(bytes);
                self.step_head()
            }
            State::Content { kept, receive, .. } => {
                if keep(receive, bytes, kept, &self.limits) {
                    Err(self.ended())
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// The connection has ended, or no more is waited for: what has come of a refusal is the refusal.
    pub fn ended(&mut self) -> HandshakeError {
        match &mut self.state {
            State::Head(_) => HandshakeError::Ended,
            State::Content { refusal, kept, .. } => {
                refusal.content = String::from_utf8_lossy(kept).into_owned();
                HandshakeError::Refused(std::mem::take(refusal))
            }
        }
    }

    /// Tells who watches what was asked.
    pub fn tell_request(&self, tap: &mut Tap) {
        if tap.is_watched() {
            tap.sent(trace::REQUEST_HEAD, &trace::masked(&self.request));
        }
    }

    /// Tells who watches what was answered, as far as it is a head.
    pub fn tell_answer(&self, tap: &mut Tap) {
        if tap.is_watched() && !self.answer.is_empty() {
            tap.received(trace::ANSWER_HEAD, &trace::masked(&self.answer));
        }
    }

    fn step_head(&mut self) -> Result<Option<Agreed>, HandshakeError> {
        loop {
            let State::Head(head) = &mut self.state else { return Ok(None) };
            let Head { bytes, parser, parsed } = &mut **head;
            let found = parser.parse(bytes, &self.limits, parsed).map_err(|error| HandshakeError::of(error, bytes))?;
            let (Found::Interim { len } | Found::Answer { len }) = found else { return Ok(None) };
            let rest = bytes.split_off(len);
            let answer = std::mem::replace(bytes, rest);
            self.answer.extend_from_slice(&answer);
            // RFC 9110 15.2: a client passes over interim answers that it did not expect.
            if matches!(found, Found::Answer { .. }) {
                let (rest, reason) = (std::mem::take(bytes), reason(parsed, &answer));
                let (version, status) = (parsed.version(), parsed.status());
                // RFC 6455 4.2.2: a yes is HTTP/1.1. A no may be that of a proxy which is older.
                if version == Version::Http10 && status == Status::SWITCHING_PROTOCOLS {
                    return Err(HandshakeError::NotHttp(shown(&answer)));
                }
                let fields = parsed.take_fields(answer);
                if status == Status::SWITCHING_PROTOCOLS {
                    return self.check(&fields, rest).map(Some);
                }
                self.state = State::refused(version, status, reason, &fields);
                return self.receive(&rest);
            }
        }
    }

    /// RFC 6455 4.1: what a client validates, in its order.
    fn check(&self, fields: &Fields, early: Vec<u8>) -> Result<Agreed, HandshakeError> {
        let upgrade = only(fields, name::UPGRADE);
        // Item 2.
        if !upgrade.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err(HandshakeError::Upgrade(upgrade));
        }
        // Item 3.
        if !fields.list("Connection").any(|member| member.eq_ignore_ascii_case(b"upgrade")) {
            return Err(HandshakeError::Connection);
        }
        // Item 4.
        let accept = only(fields, ACCEPT);
        if accept.as_deref() != Some(&self.accept) {
            return Err(HandshakeError::Accept(accept));
        }
        // Item 5.
        let extensions = only(fields, EXTENSIONS).unwrap_or_default();
        if !extensions.is_empty() && !self.offers_extensions {
            return Err(HandshakeError::Extension(extensions));
        }
        // Item 6. RFC 6455 11.3.4: it stands at most once in an answer.
        let protocol = only(fields, PROTOCOL);
        match protocol {
            Some(other) if !self.protocols.contains(&other) => Err(HandshakeError::Protocol(other)),
            protocol => Ok(Agreed { protocol, extensions, early }),
        }
    }
}

/// The value of all lines called `name` as one. Two where there may be one make a value that fits nowhere.
fn only(fields: &Fields, name: &str) -> Option<String> {
    let values: Vec<_> = fields.all(name).map(String::from_utf8_lossy).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn check(ask: &Ask<'_>) -> Result<(), AskError> {
    for (at, protocol) in ask.protocols.iter().enumerate() {
        let is_token = !protocol.is_empty() && protocol.bytes().all(grammar::is_token);
        if !is_token || ask.protocols[..at].contains(protocol) {
            return Err(AskError::Protocol(protocol.clone()));
        }
    }
    for (name, value) in ask.fields {
        let begins_ours = name.get(..14).is_some_and(|begin| begin.eq_ignore_ascii_case("Sec-WebSocket-"));
        if begins_ours || OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            return Err(AskError::OurField(name.clone()));
        }
        Fields::new().append(name, value).map_err(|error| AskError::Field(format!("{name}: {error}")))?;
    }
    Ok(())
}

/// RFC 6455 4.1: the request, items 1 to 12.
fn request(url: &Url, ask: &Ask<'_>, key: &str) -> Vec<u8> {
    let mut out = format!("GET {} HTTP/1.1\r\n", url.target()).into_bytes();
    let is_host = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("Host");
    let host = ask.fields.iter().find(is_host).map_or(url.authority(), |(_, value)| value);
    let protocols = ask.protocols.join(", ");
    let ours = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
        (PROTOCOL, &protocols),
        (EXTENSIONS, ask.extensions.unwrap_or_default()),
    ];
    let others = ask.fields.iter().filter(|line| !is_host(line)).map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in ours.into_iter().filter(|(_, value)| !value.is_empty()).chain(others) {
        field::push_line(name.as_bytes(), value.as_bytes(), &mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

impl HandshakeError {
    /// What is wrong with the head that begins with `bytes`.
    fn of(error: AnswerError, bytes: &[u8]) -> HandshakeError {
        match error.fault {
            AnswerFault::HeadTooLarge => HandshakeError::HeadTooLarge,
            AnswerFault::InterimContent => HandshakeError::InterimContent,
            AnswerFault::Message(fault) => HandshakeError::Malformed(fault.at(error.at)),
            _ => HandshakeError::NotHttp(shown(bytes)),
        }
    }
}

fn reason(parsed: &AnswerHead, answer: &[u8]) -> String {
    String::from_utf8_lossy(parsed.reason().of(answer).trim_ascii()).into_owned()
}

impl State {
    /// What is left of a refusal is its content. Where nobody can say how long it is, there is none to be shown.
    fn refused(version: Version, status: Status, reason: String, fields: &Fields) -> State {
        let framing = decide_answer(version, Method::GET, status, fields);
        let content = framing.map_or(AnswerContent::None, |framing| framing.content());
        let location = only(fields, name::LOCATION);
        let refusal = Refusal { status: status.code(), reason, location, content: String::new() };
        State::Content { refusal, kept: Vec::new(), receive: Receive::of_answer(content) }
    }
}

/// Appends to `kept` what there is room for, and says whether no more is to come, or to be kept.
fn keep(receive: &mut Receive, mut bytes: &[u8], kept: &mut Vec<u8>, limits: &Limits) -> bool {
    loop {
        let room = CONTENT_BYTES_MAX - kept.len();
        let Ok((used, received)) = receive.step(bytes, limits) else { return true };
        let (these, rest) = bytes.split_at(used);
        if received == Received::Content {
            kept.extend_from_slice(&these[..used.min(room)]);
        }
        if receive.is_ended() || kept.len() == CONTENT_BYTES_MAX {
            return true;
        }
        if received == Received::NeedMore {
            return false;
        }
        bytes = rest;
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(SHOWN_BYTES_MAX)].escape_ascii().to_string()
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Protocol(name) => {
                write!(
                    f,
                    "`{}` is no subprotocol, or stands twice: each is one token (RFC 6455 4.1)",
                    name.escape_debug()
                )
            }
            AskError::Field(why) => write!(f, "{}", why.escape_debug()),
            AskError::OurField(name) => write!(f, "the handshake says {name} itself"),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, name: &str, value: &Option<String>, end: &str| match value {
            None => write!(f, "the answer has no {name}{end}"),
            Some(value) => write!(f, "{name} says `{}`{end}", value.escape_debug()),
        };
        match self {
            HandshakeError::NotHttp(begin) => write!(f, "that is no answer of HTTP/1.1: it begins with `{begin}`"),
            HandshakeError::Malformed(error) => write!(f, "the answer's head is malformed: {error}"),
            HandshakeError::InterimContent => f.write_str("an interim answer declares content (RFC 9110 15.2)"),
            HandshakeError::HeadTooLarge => write!(f, "the answer's head is longer than {HEAD_BYTES_MAX} bytes"),
            HandshakeError::Ended => f.write_str("the connection ended before the answer did"),
            HandshakeError::Refused(refusal) => refusal.fmt(f),
            HandshakeError::Upgrade(value) => named(f, name::UPGRADE, value, ", not `websocket` (RFC 6455 4.1)"),
            HandshakeError::Connection => f.write_str("Connection does not name Upgrade (RFC 6455 4.1)"),
            HandshakeError::Accept(value) => {
                named(f, ACCEPT, value, ", which is not the answer to the key that was sent (RFC 6455 4.1)")
            }
            HandshakeError::Extension(value) => {
                write!(f, "the server uses `{}`, which was not offered so (RFC 6455 9.1)", value.escape_debug())
            }
            HandshakeError::Protocol(value) => {
                write!(
                    f,
                    "the server has chosen the subprotocol `{}`, which was not offered (RFC 6455 4.1)",
                    value.escape_debug()
                )
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { status, reason, location, .. } = self;
        write!(f, "the server answered {status} {} and not 101", reason.escape_debug())?;
        match location {
            Some(location) => write!(f, "; it points to {}", location.escape_debug()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AskError {}
impl std::error::Error for HandshakeError {}

#[cfg(test)]
mod tests;
