//! Owns the answers that show a request to the one who sent it.
//!
//! Spec: RFC 9110 5 (fields: order kept, each line shown), 8.3 (Content-Type), 9.3.8 (TRACE); RFC 6265 4.1.1 and 4.2.1
//! (cookies).
//! Never: collects what it echoes; shows more than [`SHOWN_BYTES_MAX`] bytes of content.

use std::borrow::Cow;

use serde::Serialize;

use crate::http::explain::escape;
use crate::http::field::name;
use crate::http::h1::grammar;
use crate::http::{Body, BodyError, Fault, Fields, Method, Rejection, Request, Response, Status};

use super::{SHOWN_BYTES_MAX, refused};

/// Name and value, as they came; one that is not UTF-8 stands in escapes.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// `POST /echo`: the content, piece by piece as it comes, with its type.
pub(super) async fn echo(request: Request) -> Response {
    let content_type = request.fields().get(name::CONTENT_TYPE).unwrap_or(b"application/octet-stream");
    let mut response = Response::new(Status::OK).with(name::CONTENT_TYPE, content_type);
    *response.body_mut() = request.into_content();
    response
}

#[derive(Serialize)]
struct Headers<'a> {
    fields: Vec<Pair<'a>>,
}

/// `GET /headers`
pub(super) async fn headers(request: Request) -> Response {
    Response::json(&Headers { fields: lines(request.fields()) })
}

#[derive(Serialize)]
struct Origin {
    client: String,
    peer: String,
    connection: u64,
}

/// `GET /ip`: the client, and the peer that may be a proxy in between.
pub(super) async fn ip(request: Request) -> Response {
    let peer = request.peer();
    Response::json(&Origin {
        client: request.client().to_string(),
        peer: peer.addr().to_string(),
        connection: peer.connection(),
    })
}

#[derive(Serialize)]
struct Reflection<'a> {
    method: String,
    target: &'a str,
    version: String,
    authority: Option<&'a str>,
    route: Option<&'a str>,
    client: String,
    query: Vec<Pair<'a>>,
    fields: Vec<Pair<'a>>,
    content: Shown,
    trailers: Vec<Pair<'a>>,
}

/// `/anything`, any method: all that came.
pub(super) async fn anything(mut request: Request) -> Result<Response, Rejection> {
    let content = Shown::read(request.content()).await?;
    let trailers = request.content().trailers().unwrap_or_default();
    let mut fields = lines(request.fields());
    if request.method() == Method::TRACE {
        fields.retain(|(name, _)| !SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)));
    }
    Ok(Response::json(&Reflection {
        method: request.content_method().to_string(),
        target: request.target(),
        version: request.version().to_string(),
        authority: request.authority(),
        route: request.pattern(),
        client: request.client().to_string(),
        query: query(&request),
        fields,
        content,
        trailers: lines(&trailers),
    }))
}

/// Fields that an answer to TRACE leaves out (RFC 9110 9.3.8): a script may have made a browser ask, to read what it
/// cannot see itself.
const SECRET: [&str; 3] = ["Authorization", "Proxy-Authorization", "Cookie"];

/// Content as it is shown: text where it is UTF-8, else with escapes that `printf` understands.
#[derive(Serialize)]
struct Shown {
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escaped: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Shown {
    /// Reads to the end, and keeps what is shown.
    async fn read(content: &mut Body) -> Result<Shown, BodyError> {
        let (mut kept, mut bytes) = (Vec::new(), 0);
        while let Some(piece) = content.next().await.transpose()? {
            bytes += piece.len() as u64;
            let room = SHOWN_BYTES_MAX - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let is_cut = bytes > kept.len() as u64;
        let note = is_cut.then(|| format!("only the first {SHOWN_BYTES_MAX} bytes are shown"));
        let (text, escaped) = match text(&kept, is_cut) {
            Some(text) => (Some(text.to_owned()), None),
            None => (None, Some(escape(&kept))),
        };
        Ok(Shown { bytes, text, escaped, note })
    }
}

/// `kept` as text. Where it was cut, the last character may be broken and is left out.
fn text(kept: &[u8], is_cut: bool) -> Option<&str> {
    match std::str::from_utf8(kept) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => std::str::from_utf8(&kept[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

#[derive(Serialize)]
struct Cookies<'a> {
    cookies: Vec<Pair<'a>>,
}

/// `GET /cookies`: the pairs of `Cookie`, in their order.
pub(super) async fn cookies(request: Request) -> Response {
    let pairs = request.fields().all("Cookie").flat_map(|line| line.split(|&byte| byte == b';'));
    let cookies = pairs.map(|pair| {
        let pair = pair.trim_ascii();
        let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &[][..]),
        };
        (text_or_escapes(name), text_or_escapes(value))
    });
    Response::json(&Cookies {
        cookies: cookies.filter(|(name, value)| !(name.is_empty() && value.is_empty())).collect(),
    })
}

/// `GET /cookies/set?name=value`: sets them for `/cookies` alone, and leads there.
pub(super) async fn set_cookies(request: Request) -> Result<Response, Rejection> {
    let pairs = query(&request);
    if pairs.is_empty() {
        return Err(refused(Fault::MissingQueryField, "name", "write /cookies/set?name=value"));
    }
    let mut response = Response::redirect(Status::FOUND, "/cookies");
    for (cookie, value) in &pairs {
        if !is_cookie(cookie, value) {
            let detail = "a cookie is a token, and a value without spaces, quotes, commas, semicolons and backslashes";
            return Err(refused(Fault::InvalidQueryField, cookie, detail));
        }
        response = response.with("Set-Cookie", format!("{cookie}={value}; Path=/cookies; HttpOnly; SameSite=Lax"));
    }
    Ok(response)
}

/// RFC 6265 4.1.1: `cookie-name` and `cookie-value`.
fn is_cookie(name: &str, value: &str) -> bool {
    let is_octet = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    !name.is_empty() && name.bytes().all(grammar::is_token) && value.bytes().all(is_octet)
}

/// RFC 9110 5.5: octets past ASCII are opaque, and need not be UTF-8.
fn text_or_escapes(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| escape(bytes).into(), Cow::from)
}

fn lines(fields: &Fields) -> Vec<Pair<'_>> {
    fields.iter().map(|(name, value)| (name.into(), text_or_escapes(value))).collect()
}

fn query(request: &Request) -> Vec<Pair<'_>> {
    form_urlencoded::parse(request.target_query().unwrap_or_default().as_bytes()).collect()
}
