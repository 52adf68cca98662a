//! Reads answers off a connection as strictly as a client can: framed as httparse and RFC 9112 6.3 read it, and nothing
//! left over.

use firstbyte::http::h1::chunked::decode_whole;
use firstbyte::http::{Limits, Method};

/// What a client makes of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: u16,
    /// Whether it announces the close.
    pub closes: bool,
    /// Bytes of it, head and content.
    pub len: usize,
    /// Whether its content ends before it says so.
    pub broke_off: bool,
    /// Whether only the end of the connection ends its content.
    pub ends_by_close: bool,
}

/// Reads one answer off `bytes`: to a request of `method`, or to something whose method is not known.
///
/// # Errors
/// What is wrong with it.
pub fn read_answer(bytes: &[u8], method: Option<Method>) -> Result<Answer, String> {
    let mut slots = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut slots);
    let Ok(httparse::Status::Complete(head_len)) = head.parse(bytes) else { return Err("no head".to_owned()) };
    if head.version != Some(1) {
        return Err("another version".to_owned());
    }
    let status = head.code.ok_or("no status")?;
    let one = |name: &str| {
        let mut named = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        let value = named.next().map(|header| header.value);
        if named.next().is_none() { Ok(value) } else { Err(format!("{name} twice")) }
    };
    let (length, coding) = (one("Content-Length")?, one("Transfer-Encoding")?);
    // RFC 9110 7.6.1: a list, in which an Upgrade field has an option of its own.
    let closes = one("Connection")?
        .is_some_and(|options| options.split(|&byte| byte == b',').any(|it| it.trim_ascii() == b"close"));
    let content = &bytes[head_len..];
    let mut ends_by_close = false;
    let (len, broke_off) = match (length, coding) {
        (None, None) if status / 100 == 1 || status == 204 => (0, false),
        _ if status / 100 == 1 || status == 204 => return Err(format!("framing in a {status}")),
        _ if method == Some(Method::HEAD) || status == 304 => (0, false),
        // RFC 9112 6.3 item 2: a tunnel follows, here one without bytes.
        _ if method == Some(Method::CONNECT) && status / 100 == 2 => (0, false),
        (Some(length), None) => {
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
            let length = length.ok_or("a length that is no number")?;
            (length.min(content.len()), length > content.len())
        }
        (None, Some(b"chunked")) => match decode_whole(content, &Limits::default()) {
            Ok(Some(whole)) => (whole.used, false),
            Ok(None) => (content.len(), true),
            Err(error) => return Err(error.to_string()),
        },
        (None, None) if closes => {
            ends_by_close = true;
            (content.len(), false)
        }
        (None, None) => return Err("content without an end".to_owned()),
        _ => return Err("two opinions on framing".to_owned()),
    };
    Ok(Answer { status, closes, len: head_len + len, broke_off, ends_by_close })
}
