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
    /// Everything that was received, as it came: its beginning, when it is much.
    pub received: Vec<u8>,
    /// How many bytes that were.
    pub received_count: u64,
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
    /// What is malformed in it and could be read nevertheless, each in a few words.
    pub faults: Vec<String>,
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

    /// Nothing in it is malformed.
    ///
    /// # Errors
    /// When something is: what it is.
    pub fn well_formed(&self) -> Verdict {
        ensure(self.faults.is_empty(), || format!("the answer has {}", self.faults.join("; ")))
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

    /// Exactly one final answer, with one of `statuses`. It is whole, unless it is an error: a server that closes on a
    /// client that still sends may cut the content of its refusal, and the status is what counts.
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn answered(&self, statuses: &[u16]) -> Result<&Answer, String> {
        let answer = self.sole()?;
        ensure(statuses.contains(&answer.status), || format!("{}, not {statuses:?}", answer.status))?;
        ensure(answer.is_whole || answer.status >= 400, || "content broke off".to_owned())?;
        Ok(answer)
    }

    /// Exactly one final answer, and nothing behind it.
    fn sole(&self) -> Result<&Answer, String> {
        let count = self.finals().count();
        ensure(self.rest.is_empty(), || format!("bytes that are no answer: {}", self.rest.escape_ascii()))?;
        self.finals().next().filter(|_| count == 1).ok_or_else(|| format!("{count} final answers, not 1"))
    }

    /// Exactly one final answer, with one of `statuses`, and then a close: what followed was not taken for a request.
    ///
    /// # Errors
    /// When it is not so.
    pub fn refused(&self, statuses: &[u16]) -> Verdict {
        self.answered(statuses)?;
        self.closed()
    }

    /// Exactly one final answer, a 200, and then the close that the request has asked for.
    ///
    /// # Errors
    /// When it is not so.
    pub fn served(&self) -> Verdict {
        self.served_all(1)
    }

    /// Exactly `count` final answers, all 200, and then the close that the last request has asked for.
    ///
    /// # Errors
    /// When it is not so.
    pub fn served_all(&self, count: usize) -> Verdict {
        let other = self.all(count)?.into_iter().find(|answer| answer.status != 200);
        ensure(other.is_none(), || format!("{}, not 200", other.map_or(0, |answer| answer.status)))?;
        self.closed()
    }

    /// Exactly one final answer, a 200, or a 404 or 421 where it is another host that is served, and then the close that
    /// the request has asked for: its form was in order.
    ///
    /// # Errors
    /// When it is not so.
    pub fn understood(&self) -> Verdict {
        self.answered(&[200, 404, 421])?;
        self.closed()
    }

    /// Exactly one final answer, a 400. Whether the connection goes on is another question.
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn bad_request(&self) -> Verdict {
        self.answered(&[400]).map(drop)
    }

    /// Nothing was served: one final answer that is an error, or a close without any. Where a request must be refused,
    /// and the RFC does not say how.
    ///
    /// # Errors
    /// When something was.
    pub fn rejected(&self) -> Verdict {
        if self.received.is_empty() {
            return self.closed();
        }
        let status = self.sole()?.status;
        ensure(status >= 400, || format!("{status}, not an error"))
    }

    /// Exactly one final answer that blames the client (4xx).
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn blamed(&self) -> Verdict {
        let status = self.sole()?.status;
        ensure((400..500).contains(&status), || format!("{status}, not 4xx"))
    }

    /// Refused with 400, or redirected to the right spelling: what RFC 9112 3.2 asks for where a request-line is
    /// invalid.
    ///
    /// # Errors
    /// When it was neither.
    pub fn invalid_line(&self) -> Verdict {
        if self.answered(&[301]).is_ok() { Ok(()) } else { self.refused(&[400]) }
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
