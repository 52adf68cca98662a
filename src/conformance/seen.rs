//! Owns what was seen of a server in one probe, and the words in which rows judge it.
//!
//! The one idea: a judgement is a chain of plain questions, each of which answers with what was seen instead.
//!
//! Never: reads a connection.

use crate::http::Fields;
use crate::http::h1::grammar;

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
    /// The content, transfer coding taken off: its beginning, when it is much.
    pub content: Vec<u8>,
    /// How many bytes of content came.
    pub length: u64,
    /// Whether all of the content came that the head declares.
    pub is_whole: bool,
    /// What is malformed in it and could be read nevertheless, each in a few words.
    pub faults: Vec<String>,
}

impl Answer {
    /// Whether its head announces that the connection closes (RFC 9112 9.6).
    pub fn announces_close(&self) -> bool {
        self.has_option("close")
    }

    /// Whether its Connection field lists `option` (RFC 9110 7.6.1).
    pub fn has_option(&self, option: &str) -> bool {
        self.fields.list("Connection").any(|listed| listed.eq_ignore_ascii_case(option.as_bytes()))
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

    /// It announces that the connection closes.
    ///
    /// # Errors
    /// When it does not.
    pub fn closes(&self) -> Verdict {
        ensure(self.announces_close(), || format!("{} without Connection: close", self.status))
    }

    /// Its status is `status`.
    ///
    /// # Errors
    /// When it is another one.
    pub fn is(&self, status: u16) -> Verdict {
        ensure(self.status == status, || format!("{}, not {status}", self.status))
    }

    /// It has content, unless it says that all is well.
    ///
    /// # Errors
    /// When it is an error without content.
    pub fn explains(&self) -> Verdict {
        ensure(self.status < 400 || !self.content.is_empty(), || format!("{} without content", self.status))
    }

    /// It is delimited by one field at most, and chunked at most once, as the last coding (RFC 9112 6.1, 6.2).
    ///
    /// # Errors
    /// What is too much.
    pub fn is_framed_once(&self) -> Verdict {
        let codings: Vec<&[u8]> = self.fields.list("Transfer-Encoding").collect();
        let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let (last, before) = codings.split_last().map_or((None, &[][..]), |(last, before)| (Some(last), before));
        let declared = format!("Transfer-Encoding: {}", codings.join(&b", "[..]).escape_ascii());
        ensure(last.is_none() || self.fields.get("Content-Length").is_none(), || {
            format!("{declared} and Content-Length")
        })?;
        ensure(!before.iter().any(is_chunked), || format!("{declared}: chunked too early"))?;
        ensure(last.is_none_or(is_chunked) || self.announces_close(), || format!("{declared}, without a close"))
    }

    /// Each of the fields called `names` stands once at most.
    ///
    /// # Errors
    /// When one stands twice.
    pub fn repeats_none(&self, names: &[&str]) -> Verdict {
        let twice = names.iter().find(|name| self.fields.all(name).count() > 1);
        ensure(twice.is_none(), || format!("{} has two lines {}", self.status, twice.unwrap_or(&"")))
    }

    /// The fields called `names`, where there are any, are an IMF-fixdate (RFC 9110 5.6.7).
    ///
    /// # Errors
    /// The first that is none.
    pub fn has_fixdates(&self, names: &[&str]) -> Verdict {
        names
            .iter()
            .filter_map(|name| self.fields.get(name))
            .try_for_each(|value| ensure(is_fixdate(value), || format!("{} is no IMF-fixdate", value.escape_ascii())))
    }

    /// Allow lists methods (RFC 9110 10.2.1).
    ///
    /// # Errors
    /// When it is not there, or lists something else.
    pub fn allows(&self) -> Verdict {
        self.has("Allow")?;
        let is_method = |member: &[u8]| member.iter().all(|&byte| grammar::is_token(byte));
        let wrong = self.fields.list("Allow").find(|member| !is_method(member));
        ensure(wrong.is_none(), || format!("Allow lists {}", wrong.unwrap_or_default().escape_ascii()))
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
        ensure(finals.len() == count, || self.counted(finals.len(), count))?;
        ensure(self.rest.is_empty(), || format!("bytes behind the last answer: {}", self.rest.escape_ascii()))?;
        // RFC 9112 9.6: a refusal may be cut by a reset, at a client that still sends. Its status says enough.
        let is_cut = |answer: &Answer| self.ending == Ending::Reset && answer.status >= 400;
        ensure(finals.iter().all(|answer| answer.is_whole || is_cut(answer)), || "content broke off".to_owned())?;
        Ok(finals)
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

    /// What was sent was not taken for a whole request: no answer says that all is well, and the server has closed. It
    /// need not answer.
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

    /// Exactly `count` final answers, all 200, and then the close that the last request has asked for.
    ///
    /// # Errors
    /// When it is not so.
    pub fn served_all(&self, count: usize) -> Verdict {
        let other = self.all(count)?.into_iter().find(|answer| answer.status != 200);
        ensure(other.is_none(), || format!("{}, not 200", other.map_or(0, |answer| answer.status)))?;
        self.closed()
    }

    /// Exactly one final answer, a 200, or a 404 or 421 where it is another host that is served, and then the close that the
    /// request has asked for: its form was in order.
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

    /// Nothing was served: one final answer that is an error, or a close without any. Where a request must be refused, and the
    /// RFC does not say how.
    ///
    /// # Errors
    /// When something was.
    pub fn rejected(&self) -> Verdict {
        if self.received.is_empty() {
            return self.closed();
        }
        let status = self.all(1)?[0].status;
        ensure(status >= 400, || format!("{status}, not an error"))
    }

    /// Exactly one final answer that blames the client (4xx).
    ///
    /// # Errors
    /// When there is another one, or none, or more.
    pub fn blamed(&self) -> Verdict {
        let status = self.all(1)?[0].status;
        ensure((400..500).contains(&status), || format!("{status}, not 4xx"))
    }

    /// Refused with 400, or redirected to the right spelling: what RFC 9112 3.2 asks for where a request-line is invalid.
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

/// RFC 9110 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, in every letter.
fn is_fixdate(value: &[u8]) -> bool {
    const SHAPE: &[u8] = b"Www, 00 Mmm 0000 00:00:00 GMT";
    let (day, month) = (value.get(..3).unwrap_or_default(), value.get(8..11).unwrap_or_default());
    let fits = |(&byte, &shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'W' | b'w' | b'M' | b'm' => byte.is_ascii_alphabetic(),
        _ => byte == shape,
    };
    value.len() == SHAPE.len() && value.iter().zip(SHAPE).all(fits) && DAYS.contains(&day) && MONTHS.contains(&month)
}

const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

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
    fn content_that_breaks_off_is_borne_only_of_a_refusal_that_a_reset_cuts() {
        let answered = |seen: &Seen| seen.answered(&[200, 413]).map(drop);
        let cut = "HTTP/1.1 413 Content Too Large||too";
        check(cut, Ending::Reset, answered, "");
        check("HTTP/1.1 413 Content Too Large|Content-Length: 9||too", Ending::Closed, answered, "content broke off");
        check("HTTP/1.1 200 OK|Content-Length: 9||too", Ending::Reset, answered, "content broke off");
    }
}
