//! Says which requests begin in some bytes, as far as the cores can tell, without a server: what a server must answer,
//! and what its handlers may see.
//!
//! The one idea: the cores are judged by themselves (byte by byte, against httparse), so they can say what the driver,
//! with its buffers, loans and half-closed peers, must come to.

use firstbyte::http::h1::chunked::decode_whole;
use firstbyte::http::h1::framing::{Content, decide_request};
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::target::parse_target;
use firstbyte::http::{Limits, Method};

/// The method and the target of a request.
pub type Asked = (Method, String);

/// A request that has begun.
#[derive(Debug)]
pub enum Begun {
    /// Its head is well-formed; whether it is served depends on its target, framing and content.
    Understood(Asked),
    /// Its head is malformed or incomplete; its first bytes may still say that no content is wanted.
    Refused { to_head: bool },
}

impl Begun {
    pub fn asked(&self) -> Option<&Asked> {
        if let Begun::Understood(asked) = self { Some(asked) } else { None }
    }

    /// The method that its answer depends on.
    pub fn method(&self) -> Option<Method> {
        match self {
            Begun::Understood(asked) => Some(asked.0),
            Begun::Refused { to_head } => to_head.then_some(Method::HEAD),
        }
    }
}

/// The requests that begin in `input`: up to the first that is malformed, incomplete or the last of its connection.
pub fn requests_begun(input: &[u8], limits: &Limits) -> Vec<Begun> {
    let (mut rest, mut begun) = (input, Vec::new());
    loop {
        let mut head = RequestHead::default();
        let len = match HeadParser::default().parse(rest, limits, &mut head) {
            Ok(Progress::Done { len }) => len,
            Ok(Progress::NeedMore) if rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) => return begun,
            refused => {
                let understood = refused.map_or_else(|error| &rest[..error.at], |_| rest);
                begun.push(Begun::Refused { to_head: asks_for_head(understood) });
                return begun;
            }
        };
        let method = Method::parse(head.method().of(rest)).expect("what the parser accepts");
        let target = String::from_utf8_lossy(head.target().of(rest)).into_owned();
        begun.push(Begun::Understood((method, target)));
        match content_len(method, head, rest, len, limits) {
            Some(used) => rest = &rest[len + used..],
            None => return begun,
        }
    }
}

/// RFC 9110 9.3.2: no content in the answer, also where the rest of the head is wrong.
fn asks_for_head(understood: &[u8]) -> bool {
    understood.trim_ascii_start().starts_with(b"HEAD ")
}

/// Bytes of the content behind a head of `len` bytes, unless the request is refused, incomplete or the last.
fn content_len(method: Method, mut head: RequestHead, bytes: &[u8], len: usize, limits: &Limits) -> Option<usize> {
    let (version, target) = (head.version(), parse_target(method, bytes, head.target()));
    let framing = decide_request(version, method, &head.take_fields(bytes[..len].to_vec())).ok()?;
    let content = &bytes[len..];
    let used = match framing.content {
        Content::None => Some(0),
        Content::Length(length) => usize::try_from(length).ok().filter(|length| *length <= content.len()),
        Content::Chunked => decode_whole(content, limits).ok()?.map(|whole| whole.used),
    };
    // RFC 9110 9.3.6: what follows a CONNECT that is answered with 2xx, as it is here, is no request.
    used.filter(|_| target.is_ok() && framing.keep_alive && method != Method::CONNECT)
}
