//! Owns the server under examination: where it is, and whether it can be examined at all.
//!
//! The one idea: before it is asked a hundred odd things, it is asked two plain ones. Whoever gives a wrong path learns
//! that, and not that a hundred rules are broken.
//!
//! ```text
//!   localhost:8080 ──resolve──> addresses ──the first that takes a connection──> GET: 200? ──> POST: the same back?
//! ```
//!
//! Never: speaks TLS.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::conformance::answer::Answer;
use crate::conformance::play::{Pace, Target, play};
use crate::conformance::requirement::Step::{self, Send};
use crate::conformance::seen::{Ending, Seen};

/// A server that answers.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where it is.
    pub addr: SocketAddr,
    /// What probes name; `echo` only if it echoes.
    pub target: Target,
    /// What it calls itself in its Server field.
    pub server: Option<String>,
    /// Why `echo` does not count, when one was named.
    pub no_echo: Option<String>,
}

/// Why a server cannot be examined.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unreachable {
    /// Its name means no address.
    Name(io::Error),
    /// No address takes a connection; each with its reason.
    Connect(Vec<(SocketAddr, io::Error)>),
    /// What it answers to GET is no answer of HTTP/1; the beginning of what came.
    NoHttp(String),
    /// It answers GET with something else than 200 and content: what that is.
    Get(String),
}

const GET: &[Step] = &[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")];

const POST: &[Step] =
    &[Send("POST {echo} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst-byte")];

/// What [`POST`] sends.
const POSTED: &[u8] = b"first-byte";

impl Subject {
    /// Finds the server that `target` names, and sees whether its paths do what they have to.
    ///
    /// # Errors
    /// [`Unreachable`]. A path that does not echo is none.
    ///
    /// # Cancel safety
    /// Dropping the future closes what it has opened.
    pub async fn reach(target: Target, pace: &Pace) -> Result<Subject, Unreachable> {
        let addrs = resolve(&target.host).await.map_err(Unreachable::Name)?;
        let addr = first_open(&addrs, pace).await.map_err(Unreachable::Connect)?;
        let mut subject = Subject { addr, target, server: None, no_echo: None };
        let answer = subject.ask_plainly(GET, pace).await?;
        if answer.status != 200 || answer.content.is_empty() || !answer.is_whole {
            return Err(Unreachable::Get(described(&answer)));
        }
        subject.server = answer.field("Server").map(str::to_owned);
        if subject.target.echo.is_some() {
            subject.no_echo = match subject.ask_plainly(POST, pace).await {
                Ok(answer) if answer.status == 200 && answer.content == POSTED => None,
                Ok(answer) => Some(described(&answer)),
                Err(error) => Some(error.to_string()),
            };
            subject.target.echo.take_if(|_| subject.no_echo.is_some());
        }
        Ok(subject)
    }

    /// Whether it answers a plain GET as it did.
    ///
    /// # Cancel safety
    /// Dropping the future closes what it has opened.
    pub async fn answers(&self, pace: &Pace) -> bool {
        self.ask_plainly(GET, pace).await.is_ok_and(|answer| answer.status == 200)
    }

    /// Plays `steps` on a new connection.
    ///
    /// # Errors
    /// When there is none to be had.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn play(&self, steps: &[Step], pace: &Pace) -> io::Result<Seen> {
        let stream = connect(self.addr, pace).await?;
        // What is sent piece by piece is to arrive so.
        stream.set_nodelay(true)?;
        Ok(play(stream, steps, &self.target, pace).await)
    }

    /// The final answer to one plain request.
    async fn ask_plainly(&self, steps: &[Step], pace: &Pace) -> Result<Answer, Unreachable> {
        let seen = self.play(steps, pace).await.map_err(|error| Unreachable::Connect(vec![(self.addr, error)]))?;
        let came = if seen.received.is_empty() { nothing(seen.ending).to_owned() } else { first_bytes(&seen.received) };
        seen.answers.into_iter().find(|answer| !answer.is_interim()).ok_or(Unreachable::NoHttp(came))
    }
}

/// The addresses of `host [ ":" port ]`.
async fn resolve(authority: &str) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(80)),
        _ => (authority, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    lookup_host((host, port)).await.map(Iterator::collect)
}

async fn first_open(addrs: &[SocketAddr], pace: &Pace) -> Result<SocketAddr, Vec<(SocketAddr, io::Error)>> {
    let mut errors = Vec::new();
    for &addr in addrs {
        match connect(addr, pace).await {
            Ok(_) => return Ok(addr),
            Err(error) => errors.push((addr, error)),
        }
    }
    Err(errors)
}

async fn connect(addr: SocketAddr, pace: &Pace) -> io::Result<TcpStream> {
    timeout(pace.answer, TcpStream::connect(addr)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn described(answer: &Answer) -> String {
    let Answer { status, content, is_whole, .. } = answer;
    match (content.len(), is_whole) {
        (_, false) => format!("{status} whose content breaks off"),
        (0, _) => format!("{status} without content"),
        _ => format!("{status} with the content {}", first_bytes(content)),
    }
}

fn nothing(ending: Ending) -> &'static str {
    match ending {
        Ending::Closed => "nothing, and a close",
        Ending::Reset => "nothing, and a reset",
        Ending::Open => "nothing",
    }
}

/// Bytes that are shown of what was not expected.
const SHOWN_BYTES: usize = 60;

fn first_bytes(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN_BYTES { "..." } else { "" };
    format!("\"{}{more}\"", bytes[..bytes.len().min(SHOWN_BYTES)].escape_ascii())
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreachable::Name(error) => write!(f, "its name cannot be resolved: {error}"),
            Unreachable::Connect(errors) if errors.is_empty() => f.write_str("its name has no address"),
            Unreachable::Connect(errors) => {
                let errors: Vec<String> = errors.iter().map(|(addr, error)| format!("{addr}: {error}")).collect();
                write!(f, "no connection to {}", errors.join("; "))
            }
            Unreachable::NoHttp(came) => write!(f, "no answer of HTTP/1 came, but {came}"),
            Unreachable::Get(answer) => write!(f, "it answers GET with {answer}, and not with 200 and some content"),
        }
    }
}

impl std::error::Error for Unreachable {}
