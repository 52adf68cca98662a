//! Owns the answers that a request orders by name: a status, a redirect, a failure.
//!
//! Spec: RFC 9110 15. Where a status must come with a field, the field comes too.

use crate::http::field::name;
use crate::http::{Fault, Rejection, Request, Response, Status};

use super::{REDIRECTS_MAX, path_number, refused};

/// `/status/{code}`: 200 to 599.
pub(super) async fn status(request: Request) -> Result<Response, Rejection> {
    let code: u16 = request.path("code")?;
    let refuse = |detail| Err(refused(Fault::InvalidPathParameter, "code", detail));
    match Status::new(code) {
        None => refuse("a status code is a number from 100 to 599 (RFC 9110 15)"),
        // RFC 9110 15.2: the final answer is another one, which would have to follow.
        Some(status) if status.is_informational() => refuse("1xx comes before an answer and is none (RFC 9110 15.2)"),
        Some(status) => Ok(with_required_field(ordered(status))),
    }
}

fn ordered(status: Status) -> Response {
    // RFC 9110 15.3.6: 205 has no content, though its framing would allow some.
    match status.forbids_content() || status == Status::RESET_CONTENT {
        true => Response::new(status),
        false => Response::text(format!("{}\n", status.to_string().trim_end())).with_status(status),
    }
}

/// Adds what a sender must generate along with the status.
fn with_required_field(response: Response) -> Response {
    let (name, value) = match response.status().code() {
        301 | 302 | 303 | 307 | 308 => (name::LOCATION, "/anything"),
        401 => ("WWW-Authenticate", "Basic realm=\"lab\""), // RFC 9110 15.5.2
        405 => (name::ALLOW, "GET"),                        // RFC 9110 15.5.6
        407 => ("Proxy-Authenticate", "Basic realm=\"lab\""), // RFC 9110 15.5.8
        416 => ("Content-Range", "bytes */0"),              // RFC 9110 15.5.17
        426 => (name::UPGRADE, "websocket"),                // RFC 9110 15.5.22
        429 | 503 => (name::RETRY_AFTER, "1"),
        _ => return response,
    };
    response.with(name, value)
}

/// `GET /redirect/{n}`: n hops down to 0, and from there to `/anything`.
pub(super) async fn redirect(request: Request) -> Result<Response, Rejection> {
    let location = match path_number(&request, "n", REDIRECTS_MAX)? {
        0 => "/anything".to_owned(),
        hops => format!("/redirect/{}", hops - 1),
    };
    Ok(Response::redirect(Status::FOUND, &location))
}

/// `GET /panic`: what a handler should not do, to see what becomes of it.
pub(super) async fn panic(_: Request) -> Response {
    panic!("GET /panic was asked to panic")
}
