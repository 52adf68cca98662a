//! Owns what was seen of a server in one probe, and the words in which rows judge it.
//!
//! The one idea: a judgement is a chain of plain questions, each of which answers with what was seen instead.
//!
//! Never: reads a connection.

use crate::conformance::answer::Answer;

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
    /// Whether all the time that a probe may take was over before that.
    pub ran_out: bool,
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
        ensure(finals.len() == count, || self.counted(finals.len(), count))?;
        ensure(self.rest.is_empty(), || format!("bytes behind the last answer: {}", self.rest.escape_ascii()))?;
        // RFC 9112 9.6: a refusal may be cut by a reset, at a client that still sends. Its status says enough.
        let is_cut = |answer: &Answer| self.ending == Ending::Reset && answer.status >= 400;
        let broken = finals.iter().find(|answer| !answer.is_whole && !is_cut(answer));
        ensure(broken.is_none(), || broken.map_or_else(String::new, |answer| answer.how_broken()))?;
        Ok(finals)
    }

    /// `count` final answers, all whole, and nothing behind them; or fewer, when the last of them says that it is: to
    /// persist is a SHOULD (RFC 9112 9.3), and every server may close at any time (9.5).
    ///
    /// # Errors
    /// When there are more, or fewer without a word.
    pub fn up_to(&self, count: usize) -> Result<Vec<&Answer>, String> {
        let finals: Vec<&Answer> = self.finals().collect();
        let says_so = finals.last().is_some_and(|last| last.is_last()) && self.ending != Ending::Open;
        self.all(if says_so { finals.len().min(count) } else { count })
    }

    /// The first final answer, whatever follows it.
    ///
    /// # Errors
    /// When there is none.
    pub fn first(&self) -> Result<&Answer, String> {
        self.finals().next().ok_or_else(|| self.counted(0, 1))
    }

    /// Exactly one final answer, with one of `statuses`.
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn answered(&self, statuses: &[u16]) -> Result<&Answer, String> {
        let answer = self.all(1)?[0];
        ensure(statuses.contains(&answer.status), || format!("{}, not {}", answer.status, one_of(statuses)))?;
        Ok(answer)
    }

    /// Exactly one final answer, whatever it says, and then a close.
    ///
    /// # Errors
    /// When it is not so.
    pub fn only(&self) -> Result<&Answer, String> {
        let answer = self.all(1)?[0];
        self.closed()?;
        Ok(answer)
    }

    /// Exactly one final answer, with one of `statuses`, and then a close.
    ///
    /// # Errors
    /// When it is not so.
    pub fn last(&self, statuses: &[u16]) -> Result<&Answer, String> {
        let answer = self.answered(statuses)?;
        self.closed()?;
        Ok(answer)
    }

    /// How many final answers there are instead of how many.
    fn counted(&self, count: usize, wanted: usize) -> String {
        let statuses: Vec<String> = self.finals().map(|answer| answer.status.to_string()).collect();
        match count {
            0 if !self.rest.is_empty() => "what came is no answer of HTTP/1".to_owned(),
            0 if !self.answers.is_empty() => "no final answer".to_owned(),
            0 => "no answer".to_owned(),
            1 => format!("one answer ({}), not {wanted}", statuses[0]),
            _ => format!("{count} answers ({}), not {wanted}", statuses.join(", ")),
        }
    }

    /// Exactly one final answer, with one of `statuses`, and then a close: what followed was not taken for a request.
    ///
    /// # Errors
    /// When it is not so.
    pub fn refused(&self, statuses: &[u16]) -> Verdict {
        self.last(statuses).map(|_| ())
    }

    /// Chunked content was understood: one answer and a close, 200 with `content`, or 411 from a server that wants to know
    /// the length beforehand (RFC 9112 6.3).
    ///
    /// # Errors
    /// When it is not so.
    pub fn unchunked(&self, content: &[u8]) -> Verdict {
        let answer = self.last(&[200, 411])?;
        if answer.status == 411 { Ok(()) } else { answer.says(content) }
    }

    /// What was sent was not taken for a request, or must not be served: no answer says that all is well, and the server
    /// has closed. It need not answer.
    ///
    /// # Errors
    /// When it is not so.
    pub fn gave_up(&self) -> Verdict {
        let is_fine = |answer: &Answer| answer.is_whole && answer.status < 400;
        let fine = self.finals().find(|answer| is_fine(answer));
        ensure(fine.is_none(), || format!("a whole {}", fine.map_or(0, |answer| answer.status)))?;
        ensure(self.rest.is_empty(), || format!("bytes that are no answer: {}", self.rest.escape_ascii()))?;
        ensure(self.finals().count() <= 1, || "more than one answer".to_owned())?;
        self.closed()
    }

    /// Exactly one final answer, a 200, and then the close that the request has asked for.
    ///
    /// # Errors
    /// When it is not so.
    pub fn served(&self) -> Verdict {
        self.served_all(1)
    }

    /// `count` final answers ([`Seen::up_to`]), all 200, and then the close that the last request has asked for.
    ///
    /// # Errors
    /// When it is not so.
    pub fn served_all(&self, count: usize) -> Verdict {
        let other = self.up_to(count)?.into_iter().find(|answer| answer.status != 200);
        ensure(other.is_none(), || format!("{}, not 200", other.map_or(0, |answer| answer.status)))?;
        self.closed()
    }

    /// Exactly one final answer, a 200, or a 404 or 421 where it is another host that is served, and then the close that
    /// the request has asked for: its form was in order.
    ///
    /// # Errors
    /// When it is not so.
    pub fn understood(&self) -> Verdict {
        self.refused(&[200, 404, 421])
    }

    /// Exactly one final answer, a 400. Whether the connection goes on is another question.
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn bad_request(&self) -> Verdict {
        self.answered(&[400]).map(drop)
    }

    /// Exactly one final answer that blames the client (4xx).
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn blamed(&self) -> Verdict {
        let status = self.all(1)?[0].status;
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

    /// Content that looks like a request was taken for content: one answer and a close, or one more, which is a 200 to
    /// the GET behind the content.
    ///
    /// # Errors
    /// When it is not so.
    pub fn hid_nothing(&self) -> Verdict {
        match self.finals().count() {
            2 => self.all(2)?[1].is(200),
            _ => self.only().map(|_| ()),
        }
    }

    /// Likewise, where the content is to be echoed: a 200 in front says what it was.
    ///
    /// # Errors
    /// When it is not so.
    pub fn hid_nothing_behind(&self, content: &[u8]) -> Verdict {
        self.hid_nothing()?;
        let first = self.first()?;
        if first.status == 200 { first.says(content) } else { Ok(()) }
    }

    /// A client that waits with its content was told what to do: it was asked for it by a 100, and the answer is its
    /// `content`; or it got a final answer that says it is not wanted (RFC 9110 10.1.1).
    ///
    /// # Errors
    /// When it is not so.
    pub fn asked_or_refused(&self, content: &[u8]) -> Verdict {
        let answer = self.all(1)?[0];
        if answer.status >= 300 {
            return Ok(());
        }
        ensure(self.answers.first().is_some_and(|first| first.status == 100), || {
            "content is not asked for".to_owned()
        })?;
        answer.says(content)
    }

    /// No interim answer has come.
    ///
    /// # Errors
    /// When one has.
    pub fn without_interim(&self) -> Result<&Seen, String> {
        let interim = self.answers.iter().find(|answer| answer.is_interim());
        ensure(interim.is_none(), || format!("an interim {}", interim.map_or(0, |answer| answer.status)))?;
        Ok(self)
    }

    /// The server has closed without a word.
    ///
    /// # Errors
    /// When it has said something, or has not closed.
    pub fn closed_in_silence(&self) -> Verdict {
        ensure(self.received.is_empty(), || format!("it says {}", self.received.escape_ascii()))?;
        self.closed()
    }

    /// What came begins with a status-line to the letter: `HTTP/1.`, a digit, a space, three digits, a space
    /// (RFC 9112 4).
    ///
    /// # Errors
    /// When it does not.
    pub fn begins_with_status_line(&self) -> Verdict {
        let line = self.received.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let is_version = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit);
        let code = line.get(9..12).unwrap_or_default();
        let is_code = matches!(code, [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']);
        let spaces = (line.get(8), line.get(12)) == (Some(&b' '), Some(&b' '));
        let is_ended = line.ends_with(b"\r");
        ensure(is_version && is_code && spaces && is_ended, || format!("it begins with {}", line.escape_ascii()))
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

/// `400`, or `400, 405 or 501`.
fn one_of(statuses: &[u16]) -> String {
    let words: Vec<String> = statuses.iter().map(u16::to_string).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// `seen`, unless `holds`.
///
/// # Errors
/// What was seen instead.
pub fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(seen()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::receive::Receiver;

    fn seen(bytes: &str, ending: Ending) -> Seen {
        let mut receiver = Receiver::new(Vec::new());
        receiver.take(bytes.replace('|', "\r\n").as_bytes());
        receiver.finish(ending)
    }

    #[track_caller]
    fn check(bytes: &str, ending: Ending, judged: impl Fn(&Seen) -> Verdict, expected: &str) {
        assert_eq!(judged(&seen(bytes, ending)).err().unwrap_or_default(), expected, "{bytes}");
    }

    const OK: &str = "HTTP/1.1 200 OK|Content-Length: 2||ok";
    const REFUSAL: &str = "HTTP/1.1 400 Bad Request|Content-Length: 0||";

    #[test]
    fn a_judgement_says_what_was_seen_instead() {
        let refused = |seen: &Seen| seen.refused(&[400]);
        check(REFUSAL, Ending::Closed, refused, "");
        check(REFUSAL, Ending::Reset, refused, "");
        check(REFUSAL, Ending::Open, refused, "the connection stays open");
        check(OK, Ending::Closed, refused, "200, not 400");
        check(OK, Ending::Closed, |seen| seen.refused(&[400, 405, 501]), "200, not 400, 405 or 501");
        check("", Ending::Closed, refused, "no answer");
        check("HTTP/1.1 100 Continue||", Ending::Closed, refused, "no final answer");
        check("<h1>No", Ending::Closed, refused, "what came is no answer of HTTP/1");
        check(&[REFUSAL, OK].concat(), Ending::Closed, refused, "2 answers (400, 200), not 1");
        check(&[REFUSAL, "|x"].concat(), Ending::Closed, refused, "bytes behind the last answer: \\r\\nx");
        check(OK, Ending::Closed, |seen| seen.served_all(2), "one answer (200), not 2");
        check(OK, Ending::Closed, Seen::open, "the connection was closed");
    }

    #[test]
    fn a_server_that_does_not_persist_may_answer_less_but_says_so() {
        let both = |seen: &Seen| seen.up_to(2).map(drop);
        let last = OK.replace("||", "|Connection: close||");
        let old = OK.replace("1.1", "1.0");
        check(&[OK, OK].concat(), Ending::Closed, both, "");
        check(&last, Ending::Closed, both, "");
        check(&last, Ending::Reset, both, "");
        check(&old, Ending::Closed, both, "");
        check(&last, Ending::Open, both, "one answer (200), not 2");
        check(OK, Ending::Closed, both, "one answer (200), not 2");
        check(&old.replace("||", "|Connection: keep-alive||"), Ending::Closed, both, "one answer (200), not 2");
        check("", Ending::Closed, both, "no answer");
        check(&[OK, OK, &last].concat(), Ending::Closed, both, "3 answers (200, 200, 200), not 2");
    }

    #[test]
    fn content_that_breaks_off_is_borne_only_of_a_refusal_that_a_reset_cuts() {
        let answered = |seen: &Seen| seen.answered(&[200, 413]).map(drop);
        let cut = "HTTP/1.1 413 Content Too Large||too";
        check(cut, Ending::Reset, answered, "");
        check("HTTP/1.1 413 Content Too Large|Content-Length: 9||too", Ending::Closed, answered, "content broke off");
        check("HTTP/1.1 200 OK|Content-Length: 9||too", Ending::Reset, answered, "content broke off");
        let why = "content broke off: the answer has an invalid Content-Length";
        check("HTTP/1.1 200 OK|Content-Length: x||too", Ending::Closed, answered, why);
    }
}
