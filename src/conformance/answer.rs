//! Owns one answer as it was seen, and the words in which rows judge it.
//!
//! Spec: RFC 9110 5.6.7 (dates), 10.2.1 (Allow), 15.2 (interim answers); RFC 9112 6.1, 6.2 (framing), 9.6 (close).
//! Never: reads a connection; looks at what came before or behind it.

use crate::conformance::seen::{Verdict, ensure};
use crate::http::Fields;
use crate::http::h1::grammar;

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

    /// Whether no other answer follows on its connection, by what it says (RFC 9112 9.3).
    pub fn is_last(&self) -> bool {
        self.announces_close() || self.version == "HTTP/1.0" && !self.has_option("keep-alive")
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

    /// That its content did not come whole, and what may be the reason.
    pub(super) fn how_broken(&self) -> String {
        self.well_formed()
            .map_or_else(|faults| format!("content broke off: {faults}"), |()| "content broke off".to_owned())
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
