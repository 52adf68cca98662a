//! Owns why a request has no answer: one enum, that says who erred and in which phase.
//!
//! The one idea: who calls wants to know three things. Was it me (then do not try again), was it the peer, or what lies
//! between us; how far did it go (nothing may have been done, or everything); and what was it, in words for a log.
//!
//! Never: holds bytes of an answer, or a field of a request: they may be secrets.

use std::fmt;
use std::io;

use crate::http::Method;
use crate::http::body::BodyError;
use crate::http::h1::answer_head::AnswerError;
use crate::http::url::UrlError;

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// A place among the connections is awaited: nothing is sent.
    Wait,
    /// A connection is coming about: nothing is sent.
    Connect,
    /// The request is being sent.
    Write,
    /// The request is sent, and nothing of an answer has come.
    Answer,
    /// Part of an answer's head has come.
    Head,
    /// Content is coming.
    Content,
}

/// Who erred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Who calls: the same request will fail again.
    Caller,
    /// The server: it has said what no server may say, or too much, or it is too slow.
    Peer,
    /// What lies between: names, the network, our own bounds.
    Environment,
}

/// Why there is no answer, or not all of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The caller: CONNECT opens a tunnel, and here is none; TRACE has no content.
    Method(Method),
    /// The caller: its Host field is no host.
    Host,
    /// The caller: the request's content could not be produced.
    Source(BodyError),
    /// The caller: the request's content is longer or shorter than it said.
    Length,
    /// The caller: time ran out while the request's content was not produced, and the peer had taken all there was.
    Stalled,
    /// The peer: the head of its answer is malformed.
    Malformed(AnswerError),
    /// The peer: it has said something before it was asked.
    Unasked,
    /// The peer: it has closed the connection before its answer was complete.
    Ended(Phase),
    /// The peer: it was too slow in this phase. The environment: while waiting for a place, or connecting.
    TimedOut(Phase),
    /// The peer: the content of its answer, as said inside. The caller, where that is [`BodyError::Source`]: the answer came
    /// first, and the rest of the request's content could not be produced.
    Content(BodyError),
    /// The peer: it redirects more often than the caller allows.
    TooManyRedirects(usize),
    /// The peer: it redirects to what is no address.
    Location(Option<UrlError>),
    /// The peer: it redirects from https to http.
    Downgrade,
    /// The environment: as many callers as may wait for a connection do.
    Busy,
    /// The environment: no connection came about.
    Connect(io::Error),
    /// The environment: the connection broke in this phase.
    Lost(Phase, io::Error),
}

impl ClientError {
    /// Who erred.
    pub fn blame(&self) -> Blame {
        use ClientError::*;
        match self {
            Method(_) | Host | Source(_) | Length | Stalled | Content(BodyError::Source(_)) => Blame::Caller,
            TimedOut(Phase::Wait | Phase::Connect) | Busy | Connect(_) | Lost(..) => Blame::Environment,
            Malformed(_) | Unasked | Ended(_) | TimedOut(_) | Content(_) | TooManyRedirects(_) | Location(_)
            | Downgrade => Blame::Peer,
        }
    }

    /// How far it went. Before [`Phase::Write`] the server has seen nothing of the request.
    pub fn phase(&self) -> Phase {
        use ClientError::*;
        match self {
            Method(_) | Host | Busy => Phase::Wait,
            Connect(_) | Unasked => Phase::Connect,
            Source(_) | Length | Stalled => Phase::Write,
            Malformed(_) | TooManyRedirects(_) | Location(_) | Downgrade => Phase::Head,
            Content(_) => Phase::Content,
            Ended(phase) | TimedOut(phase) | Lost(phase, _) => *phase,
        }
    }

    /// Whether the connection ended, and not by a decision of ours.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, ClientError::Ended(_) | ClientError::Lost(..))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Wait => "while a connection was awaited",
            Phase::Connect => "while connecting",
            Phase::Write => "while the request was being sent",
            Phase::Answer => "before an answer",
            Phase::Head => "within the head of the answer",
            Phase::Content => "within the content of the answer",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Method(method) => write!(f, "{method} opens a tunnel, or has content that it must not have"),
            ClientError::Host => f.write_str("the Host field names no host"),
            ClientError::Source(error) => write!(f, "the request's content could not be produced: {error}"),
            ClientError::Length => f.write_str("the request's content is longer or shorter than it said"),
            ClientError::Stalled => f.write_str("time ran out, and the request's content was not produced"),
            ClientError::Malformed(error) => write!(f, "the answer is malformed: {error}"),
            ClientError::Unasked => f.write_str("the server said something before it was asked"),
            ClientError::Ended(phase) => write!(f, "the server closed the connection {phase}"),
            ClientError::TimedOut(phase) => write!(f, "time ran out {phase}"),
            ClientError::Content(error) => write!(f, "the answer's content: {error}"),
            ClientError::TooManyRedirects(max) => write!(f, "more than {max} redirections"),
            ClientError::Location(Some(error)) => write!(f, "the redirection names no address: {error}"),
            ClientError::Location(None) => f.write_str("the redirection names no address, or several"),
            ClientError::Downgrade => f.write_str("the redirection leads from https to http"),
            ClientError::Busy => f.write_str("too many callers wait for a connection"),
            ClientError::Connect(error) => write!(f, "no connection: {error}"),
            ClientError::Lost(phase, error) => write!(f, "the connection broke {phase}: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}
