//! Owns the server's part of the opening handshake: a request becomes 101 and a [`Socket`], or a refusal that says why.
//!
//! The one idea: whatever a peer could be wrong about is said before the protocol changes; behind the 101 there are only
//! frames.
//!
//! ```text
//!   GET /ws HTTP/1.1                              HTTP/1.1 101 Switching Protocols
//!   Connection: upgrade, Upgrade: websocket       Connection: upgrade, Upgrade: websocket
//!   Sec-WebSocket-Version: 13        else 426     Sec-WebSocket-Accept: proof of the key
//!   Sec-WebSocket-Key: 16 bytes      else 400     Sec-WebSocket-Protocol: one of ours, if asked for
//!   Origin: of this host, or none    else 403     Sec-WebSocket-Extensions: permessage-deflate, if asked for
//! ```
//!
//! Spec: RFC 6455 4.2 (server requirements), 4.4 (versions), 10.2 (Origin), RFC 9110 7.8 (Upgrade).
//! Never: answers 101 to who has not asked for it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::caught::caught;
use crate::http::field::name;
use crate::http::middleware::same_origin::is_of_asked_host;
use crate::http::{Fault, IntoResponse, Method, Problem, Request, Response};
use crate::net::connection::Connection;
use crate::ws::Role;
use crate::ws::accept_key::accept_key;
use crate::ws::close::{Close, CloseCode};
use crate::ws::config::{Config, Origins};
use crate::ws::deflate::{self, Compression, Deflate, Params};
use crate::ws::driver::Driver;
use crate::ws::machine::Machine;
use crate::ws::outbox::Mailbox;
use crate::ws::socket::Socket;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
const VERSION: &str = "Sec-WebSocket-Version";

/// The version that is spoken (RFC 6455 4.4).
const SPOKEN: &str = "13";

/// Bytes of a key, decoded.
const KEY_BYTES: usize = 16;

/// `101 Switching Protocols`, and `task` with the socket; or the refusal: 426, 400, 403.
///
/// The task runs until it ends or the connection does; then it has a moment left (`close` of
/// [`Deadlines`](crate::ws::Deadlines)) and is dropped. A panic in it closes the connection with 1011.
pub fn upgrade<F, T>(request: &Request, config: &Config, task: F) -> Response
where
    F: FnOnce(Socket) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let key = match admit(request, config) {
        Ok(key) => key,
        Err(problem) => return refusal(problem),
    };
    let protocol = chosen_protocol(request, config);
    let deflate = agreed_deflate(request, config);
    let peer = request.peer().addr();
    let config = config.clone();
    let spoken = protocol.map(str::to_owned);
    let extensions = deflate.as_ref().map(|(params, _)| params.to_string());
    let response = Response::hand_over("websocket", move |connection: Connection| {
        let mailbox = Arc::new(Mailbox::new(config.queue_bytes_max, config.queue_messages_max));
        let socket = Socket::new(Arc::clone(&mailbox), peer, spoken);
        let deflate = deflate.map(|(params, compression)| Deflate::new(Role::Server, params, &compression));
        let machine = Machine::new(Role::Server, config.limits, deflate);
        let driver = Driver::new(connection, &config, machine, Arc::clone(&mailbox), None);
        driver.run(guarded(task, socket, mailbox))
    });
    let mut response = response.with("Sec-WebSocket-Accept", accept_key(&key));
    if let Some(protocol) = protocol {
        response = response.with(PROTOCOL, protocol);
    }
    if let Some(extensions) = extensions {
        response = response.with(EXTENSIONS, extensions);
    }
    response
}

/// RFC 6455 4.2.1: what a handshake must say. Its key.
fn admit(request: &Request, config: &Config) -> Result<Vec<u8>, Problem> {
    let fields = request.fields();
    let invited = fields.list(name::UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    if request.method() != Method::GET || !invited {
        return Err(Problem::new(Fault::WebSocketOnly));
    }
    let mut versions = fields.all(VERSION);
    if versions.next() != Some(SPOKEN.as_bytes()) || versions.next().is_some() {
        return Err(Problem::new(Fault::WebSocketVersion));
    }
    let mut keys = fields.all("Sec-WebSocket-Key");
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(Problem::new(Fault::WebSocketKey).with_detail("there must be one Sec-WebSocket-Key"));
    };
    if STANDARD.decode(key).map(|nonce| nonce.len()) != Ok(KEY_BYTES) {
        return Err(Problem::new(Fault::WebSocketKey));
    }
    let key = key.to_vec();
    match fields.all("Origin").find(|origin| !is_ours(origin, request, &config.origins)) {
        Some(origin) => {
            let detail = format!("the page is of {}", origin.escape_ascii());
            Err(Problem::new(Fault::ForeignOrigin).with_detail(detail))
        }
        None => Ok(key),
    }
}

fn refusal(problem: Problem) -> Response {
    let fault = problem.fault();
    let response = problem.into_response();
    match fault {
        // RFC 9110 15.5.22: with the protocol to switch to.
        Fault::WebSocketOnly => response.with(name::UPGRADE, "websocket"),
        // RFC 6455 4.2.2: with the version to speak.
        Fault::WebSocketVersion => response.with(name::UPGRADE, "websocket").with(VERSION, SPOKEN),
        _ => response,
    }
}

/// Whether pages of `origin` may open a socket.
fn is_ours(origin: &[u8], request: &Request, origins: &Origins) -> bool {
    let listed: &[&str] = match origins {
        Origins::Any => return true,
        Origins::SameHost => &[],
        Origins::These(listed) => listed,
    };
    listed.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin)) || is_of_asked_host(origin, request)
}

/// The first of our subprotocols that the client offers. RFC 6455 4.2.2 item 4: without one the field is not sent.
fn chosen_protocol(request: &Request, config: &Config) -> Option<&'static str> {
    let offers = |ours: &str| request.fields().list(PROTOCOL).any(|offered| offered == ours.as_bytes());
    config.protocols.iter().copied().find(|ours| offers(ours))
}

/// permessage-deflate, when it is offered in a way that we can meet (RFC 7692 5).
fn agreed_deflate(request: &Request, config: &Config) -> Option<(Params, Compression)> {
    let compression = config.compression.as_ref()?;
    let offers = request.fields().all(EXTENSIONS).filter_map(|offers| std::str::from_utf8(offers).ok());
    Some((deflate::accept(offers, compression)?, compression.clone()))
}

/// The application's task, whose panic ends its connection and no other.
async fn guarded<T: Future<Output = ()>>(task: impl FnOnce(Socket) -> T, socket: Socket, mailbox: Arc<Mailbox>) {
    let begun = async move { task(socket).await };
    let mut begun = pin!(begun);
    let panicked = std::future::poll_fn(|cx| poll_caught(begun.as_mut(), cx)).await;
    if panicked {
        mailbox.fail(Close::new(CloseCode::INTERNAL, "the application has failed"));
    }
}

/// Ready when the task has ended, with whether it has panicked.
fn poll_caught(task: Pin<&mut impl Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<bool> {
    match caught(|| task.poll(cx)) {
        Ok(polled) => polled.map(|()| false),
        Err(_logged) => Poll::Ready(true),
    }
}
