//! Compares what we make of a head with what httparse makes of it. Where the two differ, the difference must stand in a
//! table here with its reason; anything else is a fault in one of them.
//!
//! ```text
//!   ours      theirs      is
//!   done      done        a fault, unless every piece is the same
//!   refused   done, more  a fault, unless `STRICTER` says why we refuse
//!   done,more refused     a fault, unless `LENIENT` says why we do not
//!   done      more        a fault, and so is the reverse
//!   refused   refused     a fault, unless both mean the same, or we stopped earlier for a reason in `STRICTER`
//! ```
//!
//! The one idea: a second opinion is worth most where nobody thought of a case. Agreement on an accepted head means
//! agreement on every byte of every piece.

use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::{Fault, Limits, Version};

/// What we refuse and httparse accepts, by fault; the section that lets us; why we do.
pub const STRICTER: &[(Fault, &str, &str)] = &[
    (Fault::BareLf, "RFC 9112 2.2", "hops that take it for a line end and hops that do not see different lines"),
    (Fault::FragmentInTarget, "RFC 9112 3.2", "no form of the target has a fragment"),
    (Fault::TargetByte, "RFC 9112 3.2", "controls, quotes, angle brackets and bytes from 0x80 on are in no URI"),
    (Fault::MethodTooLong, "RFC 9112 3", "a method longer than any known is answered with 501"),
    (Fault::TargetTooLong, "RFC 9112 3", "the target is bounded: 414"),
    (Fault::TooManyEmptyLines, "RFC 9112 2.2", "one empty line is robust, any number is an attack"),
    (Fault::TooManyFieldLines, "RFC 9110 5.4", "the lines are counted; httparse is given room for more here"),
    (Fault::HeadTooLarge, "RFC 9110 5.4", "the head is bounded: 431"),
];

/// What httparse refuses and we do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lenient {
    /// RFC 9110 2.5: HTTP/1.2 to HTTP/1.9 are taken for HTTP/1.1.
    MinorVersion,
    /// What a CR at the end of the bytes is, we say once the byte behind it is there.
    LastCr,
}

/// How the two differ, for a listed reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    Stricter(Fault),
    Lenient(Lenient),
}

impl Difference {
    /// All that are listed.
    pub fn all() -> impl Iterator<Item = Difference> {
        let lenient = [Lenient::MinorVersion, Lenient::LastCr].map(Difference::Lenient);
        STRICTER.iter().map(|(fault, ..)| Difference::Stricter(*fault)).chain(lenient)
    }
}

/// The faults that httparse reports as `theirs` at the same byte. Its names are wider than ours: it has one for all that
/// is no token in a request-line, and one each for field names and values.
fn both_refuse(theirs: httparse::Error) -> &'static [Fault] {
    use Fault::*;
    match theirs {
        httparse::Error::Token => {
            &[BareCr, ExtraSpace, MethodByte, MissingTarget, MissingVersion, TlsHandshake, WhitespaceBeforeMethod]
        }
        httparse::Error::NewLine => &[BareCr, RequestLineTail],
        httparse::Error::Version => {
            &[BareCr, ExtraSpace, MalformedVersion, MissingVersion, RequestLineTail, UnsupportedVersion]
        }
        httparse::Error::HeaderName => &[
            BareCr,
            EmptyFieldName,
            FieldNameByte,
            MissingColon,
            ObsFold,
            WhitespaceBeforeColon,
            WhitespaceBeforeFirstField,
        ],
        httparse::Error::HeaderValue => &[BareCr, FieldValueByte],
        httparse::Error::TooManyHeaders | httparse::Error::Status => &[],
    }
}

fn is_stricter(fault: Fault) -> bool {
    STRICTER.iter().any(|(listed, ..)| *listed == fault)
}

/// RFC 9110 2.5: whether a minor version stands there that httparse does not know.
pub fn has_later_minor(input: &[u8]) -> bool {
    input.windows(8).any(|bytes| bytes.starts_with(b"HTTP/1.") && matches!(bytes[7], b'2'..=b'9'))
}

/// What explains the two verdicts on `input`: `Ok(None)` when they agree.
///
/// # Errors
/// The two verdicts, when nothing explains them.
pub fn compare(input: &[u8]) -> Result<Option<Difference>, String> {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut slots);
    let theirs = request.parse(input);
    let mut head = RequestHead::default();
    let ours = HeadParser::default().parse(input, &Limits::default(), &mut head);
    let unexplained = || Err(format!("{}\nours: {ours:?}\ntheirs: {theirs:?}", input.escape_ascii()));
    match (ours, theirs) {
        (Ok(Progress::NeedMore), Ok(httparse::Status::Partial)) => Ok(None),
        (Ok(Progress::Done { len }), Ok(httparse::Status::Complete(length))) => {
            if len == length && same_pieces(&input[..len], head, &request) { Ok(None) } else { unexplained() }
        }
        (Err(error), Ok(_)) if is_stricter(error.fault) => Ok(Some(Difference::Stricter(error.fault))),
        // We stopped before the byte that httparse stumbles over, or went on behind one that it does not like.
        (Err(error), Err(_)) if is_stricter(error.fault) => Ok(None),
        (Err(_), Err(httparse::Error::Version)) if has_later_minor(input) => Ok(None),
        (Err(error), Err(theirs)) if both_refuse(theirs).contains(&error.fault) => Ok(None),
        (Ok(Progress::NeedMore), Err(_)) if input.ends_with(b"\r") => Ok(Some(Difference::Lenient(Lenient::LastCr))),
        (Ok(_), Err(httparse::Error::Version)) if has_later_minor(input) => {
            Ok(Some(Difference::Lenient(Lenient::MinorVersion)))
        }
        _ => unexplained(),
    }
}

fn same_pieces(bytes: &[u8], mut head: RequestHead, theirs: &httparse::Request<'_, '_>) -> bool {
    let line = (head.method().of(bytes), head.target().of(bytes), u8::from(head.version() == Version::Http11));
    let (method, target) = (theirs.method.unwrap_or_default(), theirs.path.unwrap_or_default());
    let fields = head.take_fields(bytes.to_vec());
    line == (method.as_bytes(), target.as_bytes(), theirs.version.unwrap_or_default())
        && fields.iter().eq(theirs.headers.iter().map(|header| (header.name, header.value)))
}
