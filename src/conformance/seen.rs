//! Owns what was seen of a server in one probe, and the words in which rows judge it.
//!
//! The one idea: a judgement is a chain of plain questions, each of which answers with what was seen instead.
//!
//! Never: reads a connection.

use crate::http::Fields;

/// Whether a requirement is kept, or what was seen instead, in one line.
pub type Verdict = Result<(), String>;

/// All that came back on one connection.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The answers, interim ones too, in order.
    pub answers: Vec<Answer>,
    /// Bytes behind the last answer that are none.
    pub rest: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
    /// Everything that was received, as it came.
    pub received: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server sent a FIN.
    Closed,
    /// The server reset it.
    Reset,
    /// The server said no more, and kept it open.
    Open,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The version, such as `HTTP/1.1`.
    pub version: String,
    /// The field lines.
    pub fields: Fields,
    /// The content, transfer coding taken off.
    pub content: Vec<u8>,
    /// Whether all of the content came that the head declares.
    pub is_whole: bool,
}

impl Answer {
    /// Whether its head announces that the connection closes (RFC 9112 9.6).
    pub fn announces_close(&self) -> bool {
        self.fields.list("Connection").any(|option| option.eq_ignore_ascii_case(b"close"))
    }

    /// Whether more answers follow to the same request (RFC 9110 15.2).
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// The value of the first field line called `name`, when it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.text(name)
    }

    /// There is a field line called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn has(&self, name: &str) -> Verdict {
        ensure(self.fields.get(name).is_some(), || format!("{} without {name}", self.status))
    }

    /// There is no field line called `name`.
    ///
    /// # Errors
    /// When there is one.
    pub fn lacks(&self, name: &str) -> Verdict {
        ensure(self.fields.get(name).is_none(), || format!("{} with {name}", self.status))
    }

    /// The content is `expected`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn says(&self, expected: &[u8]) -> Verdict {
        let shown = || format!("the content is {}, not {}", self.content.escape_ascii(), expected.escape_ascii());
        ensure(self.content == expected, shown)
    }
}

impl Seen {
    /// The final answers: all but interim ones.
    pub fn finals(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| !answer.is_interim())
    }

    /// Exactly `count` final answers, all whole, and nothing behind them.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn all(&self, count: usize) -> Result<Vec<&Answer>, String> {
        let finals: Vec<&Answer> = self.finals().collect();
        ensure(finals.len() == count, || format!("{} final answers, not {count}", finals.len()))?;
        ensure(self.rest.is_empty(), || format!("bytes behind the last answer: {}", self.rest.escape_ascii()))?;
        ensure(finals.iter().all(|answer| answer.is_whole), || "content broke off".to_owned())?;
        Ok(finals)
    }

    /// Exactly one final answer, with one of `statuses`.
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn answered(&self, statuses: &[u16]) -> Result<&Answer, String> {
        let answer = self.all(1)?[0];
        ensure(statuses.contains(&answer.status), || format!("{}, not {statuses:?}", answer.status))?;
        Ok(answer)
    }

    /// Exactly one final answer, with one of `statuses`, and then a close: what followed was not taken for a request.
    ///
    /// # Errors
    /// When it is not so.
    pub fn refused(&self, statuses: &[u16]) -> Verdict {
        self.answered(statuses)?;
        self.closed()
    }

    /// The server has closed.
    ///
    /// # Errors
    /// When it has not.
    pub fn closed(&self) -> Verdict {
        ensure(self.ending != Ending::Open, || "the connection stays open".to_owned())
    }

    /// The server keeps the connection open.
    ///
    /// # Errors
    /// When it has closed.
    pub fn open(&self) -> Verdict {
        ensure(self.ending == Ending::Open, || "the connection was closed".to_owned())
    }
}

/// `seen`, unless `holds`.
///
/// # Errors
/// What was seen instead.
pub fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(seen()) }
}
