//! Owns the request as handlers see it: method, target, fields, content, and where it came from.
//!
//! The one idea: one boxed head and a body, so that each layer of middleware moves a few words. The head holds the
//! received bytes once; everything in it is a range of them.
//!
//! Spec: RFC 9110 6 (message), 7.1 (target), 9 (method).
//! Never: decides framing; trusts a forwarding field (see
//! [`TrustedProxies`](crate::http::middleware::TrustedProxies)).

use std::any::Any;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::field::Known;
use crate::http::h1::framing;
use crate::http::h1::head::{HeadParser, Progress, RequestHead};
use crate::http::pattern::Pattern;
use crate::http::recycle::{Recycle, Recycled, recycled_by_thread};
use crate::http::route_id::RouteId;
use crate::http::route_tree::Captures;
use crate::http::{Body, Fault, Fields, Limits, Method, ProtocolError, Target, Version};
use crate::net::admission::Permit;
use crate::net::context::{Context, Reason, Values};
use crate::net::registry::Card;

/// A request.
pub struct Request {
    pub(crate) head: Recycled<Head>,
    content: Body,
}

/// Where a request came from: one for each connection.
#[derive(Debug)]
pub struct Peer {
    card: Arc<Card>,
    reception: Arc<Reception>,
    context: OnceLock<Context>,
    /// Where the request that is at work has been led to: who counts it when it is over no longer has it.
    route: AtomicU32,
    /// Given back when nothing works for this peer any more: a shutdown waits for it.
    _seat: Option<Permit>,
}

/// What all peers of one server have in common.
#[derive(Debug)]
pub(crate) struct Reception {
    /// Where the server listens, when it does.
    pub(crate) listener: Option<SocketAddr>,
    /// The parent of each peer's context.
    pub(crate) context: Context,
}

impl Peer {
    pub(crate) fn new(card: &Arc<Card>, reception: &Arc<Reception>, seat: Option<Permit>) -> Arc<Peer> {
        let (card, reception) = (Arc::clone(card), Arc::clone(reception));
        Arc::new(Peer { card, reception, context: OnceLock::new(), route: AtomicU32::new(0), _seat: seat })
    }

    /// Address of the other end of the connection.
    pub fn addr(&self) -> SocketAddr {
        self.card.peer()
    }

    /// Number of the connection, from 1 in the order of accepting.
    pub fn connection(&self) -> u64 {
        self.card.id()
    }

    /// Where the server listens that accepted it, when it was accepted from a socket.
    pub fn listener(&self) -> Option<SocketAddr> {
        self.reception.listener
    }

    /// Cancelled when the connection is over; the parent of each request's context. Made when first asked for.
    pub fn context(&self) -> &Context {
        self.context.get_or_init(|| self.reception.context.child())
    }

    /// The route that the request at work has found so far; none, where a new one begins.
    #[inline]
    pub(crate) fn lead_to(&self, route: RouteId) {
        self.route.store(route.number(), Relaxed);
    }

    /// The nearest route that the last request has found.
    #[inline]
    pub(crate) fn route(&self) -> RouteId {
        RouteId::from_number(self.route.load(Relaxed))
    }

    /// The connection is over.
    pub(crate) fn cancel(&self, reason: Reason) {
        if let Some(context) = self.context.get() {
            context.cancel(reason);
        }
    }

    /// A peer without a connection.
    fn pretended(addr: SocketAddr) -> Arc<Peer> {
        Peer::new(
            &Card::new(0, addr, Instant::now()),
            &Arc::new(Reception { listener: None, context: Context::root() }),
            None,
        )
    }

    fn nobody() -> Arc<Peer> {
        static NOBODY: LazyLock<Arc<Peer>> =
            LazyLock::new(|| Peer::pretended(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        Arc::clone(&NOBODY)
    }
}

pub(crate) struct Head {
    pub(crate) parsed: RequestHead,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) target: Target,
    pub(crate) fields: Fields,
    pub(crate) route: Option<&'static Pattern>,
    pub(crate) captures: Captures,
    pub(crate) content_bytes_max: u64,
    /// What no layer inside can raise `content_bytes_max` above.
    content_bytes_cap: u64,
    pub(crate) deadline: Option<Instant>,
    /// Time to answer, counted from the end of content that is still coming.
    pub(crate) time: Option<Duration>,
    peer: Option<Arc<Peer>>,
    client: Option<IpAddr>,
    /// Made when it is first asked for: most requests are answered before anybody does.
    context: OnceLock<Context>,
    /// What was attached before there was a context.
    values: Values,
}

impl Default for Head {
    fn default() -> Self {
        Head {
            parsed: RequestHead::default(),
            method: Method::GET,
            version: Version::Http11,
            target: Target::default(),
            fields: Fields::new(),
            route: None,
            captures: Captures::default(),
            content_bytes_max: Limits::default().content_bytes_max,
            content_bytes_cap: u64::MAX,
            deadline: None,
            time: None,
            peer: None,
            client: None,
            context: OnceLock::new(),
            values: Values::default(),
        }
    }
}

/// Bytes of a received head, and lines, that a recycled head may keep.
pub(crate) const KEPT_BYTES_MAX: usize = 8 * 1024;

impl Recycle for Head {
    recycled_by_thread!();

    fn recycle(&mut self) -> bool {
        self.fields.clear();
        self.target = Target::default();
        self.route = None;
        self.captures.truncate(0);
        self.content_bytes_max = Limits::default().content_bytes_max;
        self.content_bytes_cap = u64::MAX;
        self.deadline = None;
        self.time = None;
        self.peer = None;
        self.client = None;
        self.context.take();
        self.values = Values::default();
        self.fields.bytes.capacity() <= KEPT_BYTES_MAX
    }
}

impl Head {
    /// Takes in the head that `self.parsed` describes, `received`, and understands its target. Whatever is refused
    /// points into `self.fields.bytes`, the head's own copy.
    pub(crate) fn accept(
        &mut self,
        received: &[u8],
        peer: Arc<Peer>,
    ) -> Result<framing::RequestFraming, ProtocolError> {
        self.fields.receive(received, &mut self.parsed.lines);
        self.peer = Some(peer);
        self.version = self.parsed.version;
        let method = self.parsed.method.of(&self.fields.bytes);
        // The parser has seen a token; one that is too long gets here when `method_bytes_max` allows more than a method
        // can hold.
        let Some(method) = Method::parse(method) else {
            return Err(Fault::MethodTooLong.at(self.parsed.method.start as usize));
        };
        self.method = method;
        self.target.take(method, &self.fields.bytes, &self.parsed)?;
        framing::decide_request(self.version, self.method, &self.fields)
    }
}

/// The authority that a request is for: of an absolute target, else of `Host` (RFC 9110 7.2).
pub(crate) fn authority<'a>(target: &'a Target, fields: &'a Fields) -> Option<&'a [u8]> {
    target.authority(&fields.bytes).or_else(|| fields.known(Known::Host).next())
}

impl Request {
    pub(crate) fn new(head: Recycled<Head>, content: Body) -> Request {
        Request { head, content }
    }

    /// A `GET` for tests and in-process calls: `handler.handle(Request::get("/x"))`.
    ///
    /// # Panics
    /// When `target` is no request-target, as in all constructors of this kind.
    pub fn get(target: &str) -> Request {
        Request::of(Method::GET, target)
    }

    /// A `POST` with `content`.
    ///
    /// # Panics
    /// As [`Request::get`].
    pub fn post(target: &str, content: impl Into<Body>) -> Request {
        Request::of(Method::POST, target).with_content(content)
    }

    /// Any request without content, for `Host: localhost`.
    ///
    /// # Panics
    /// As [`Request::get`].
    pub fn of(method: Method, target: &str) -> Request {
        let received = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut head = Recycled::<Head>::take();
        let parsed = HeadParser::default().parse(received.as_bytes(), &Limits::default(), &mut head.parsed);
        assert!(matches!(parsed, Ok(Progress::Done { len }) if len == received.len()), "{method} {target}: {parsed:?}");
        if let Err(error) = head.accept(received.as_bytes(), Peer::nobody()) {
            panic!("{method} {target}: {error}");
        }
        Request { head, content: Body::empty() }
    }

    /// Adds a field line. Bytes that would split the message become spaces.
    ///
    /// # Panics
    /// When `name` is no token.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.head.fields.append_escaped(name, value);
        self
    }

    /// Replaces the content.
    pub fn with_content(mut self, content: impl Into<Body>) -> Request {
        self.content = content.into();
        self
    }

    /// Pretends that the connection came from `addr`.
    pub fn with_peer(mut self, addr: SocketAddr) -> Request {
        self.head.peer = Some(Peer::pretended(addr));
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.head.method
    }

    /// The method whose answer has the content of this one's: GET for HEAD. What a page shows of its request it must show
    /// by this name: RFC 9110 8.6 wants HEAD to be told the length that GET would have.
    pub fn content_method(&self) -> Method {
        if self.method() == Method::HEAD { Method::GET } else { self.method() }
    }

    /// The protocol version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The request-target as it was received.
    pub fn target(&self) -> &str {
        text(self.head.target.raw(&self.head.fields.bytes))
    }

    /// The target's path: dot segments removed, percent triplets left as they came. `*` for `OPTIONS *`.
    pub fn target_path(&self) -> &str {
        self.head.target.path(&self.head.fields.bytes)
    }

    /// The target's query, without its `?`.
    pub fn target_query(&self) -> Option<&str> {
        self.head.target.query(&self.head.fields.bytes).map(text)
    }

    /// The authority that the request is for: of an absolute target, else of `Host` (RFC 9110 7.2).
    pub fn authority(&self) -> Option<&str> {
        authority(&self.head.target, &self.head.fields).map(text)
    }

    /// The field lines.
    pub fn fields(&self) -> &Fields {
        &self.head.fields
    }

    /// The field lines, to change them.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.head.fields
    }

    /// The value of the first field line called `name`, when it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.fields.text(name)
    }

    /// The content.
    pub fn content(&mut self) -> &mut Body {
        &mut self.content
    }

    /// The content, to be used without the request.
    pub fn into_content(self) -> Body {
        self.content
    }

    /// Bytes of content that this request may have.
    pub fn content_bytes_max(&self) -> u64 {
        self.head.content_bytes_max
    }

    /// Allows `bytes_max` bytes of content. The last call counts: a route's word stands above its server's, though not
    /// above that of a [`BodyLimit`](crate::http::middleware::BodyLimit) around it.
    pub fn limit_content(&mut self, bytes_max: u64) {
        self.head.content_bytes_max = bytes_max.min(self.head.content_bytes_cap);
        self.content.limit(self.head.content_bytes_max);
    }

    /// Allows `bytes_max` bytes of content, whatever the layers inside allow.
    pub(crate) fn cap_content(&mut self, bytes_max: u64) {
        self.head.content_bytes_cap = self.head.content_bytes_cap.min(bytes_max);
        self.limit_content(bytes_max);
    }

    /// The pattern of the route that was chosen, such as `GET /users/{id}`.
    pub fn pattern(&self) -> Option<&'static str> {
        self.head.route.map(Pattern::text)
    }

    /// The other end of the connection. As long as somebody holds it, a shutdown takes it for at work.
    pub fn peer(&self) -> &Arc<Peer> {
        self.head.peer.as_ref().expect("every request has a peer")
    }

    /// Time left to answer. While content is coming the deadline runs anew: then it is the time from its end on.
    /// `None` when nothing bounds it.
    pub fn remaining(&self) -> Option<Duration> {
        self.context().remaining().or(self.head.time)
    }

    /// The address of the client: the peer's, unless trusted proxies say otherwise.
    pub fn client(&self) -> IpAddr {
        self.head.client.unwrap_or_else(|| self.peer().addr().ip())
    }

    /// States the address of the client, as learned from a trusted proxy.
    pub fn set_client(&mut self, client: IpAddr) {
        self.head.client = Some(client);
    }

    /// Cancellation, deadline and values of this request. Cancelled when the client leaves.
    pub fn context(&self) -> &Context {
        self.head.context.get_or_init(|| {
            let parent = self.peer().context();
            let context = match self.head.deadline {
                Some(deadline) => parent.child_with_deadline(deadline),
                None => parent.child(),
            };
            if self.head.values.is_empty() { context } else { context.with_values(self.head.values.clone()) }
        })
    }

    /// Replaces the context, by a child with an earlier deadline, say.
    pub fn set_context(&mut self, context: Context) {
        self.head.context = OnceLock::from(context);
    }

    /// Gives the layers inside time until `deadline` at the latest.
    pub(crate) fn stop_at(&mut self, deadline: Instant) {
        match self.head.context.get() {
            Some(context) => self.set_context(context.child_with_deadline(deadline)),
            None => self.head.deadline = Some(self.head.deadline.map_or(deadline, |nearer| nearer.min(deadline))),
        }
    }

    /// Attaches a value for the layers inside.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        match self.head.context.get() {
            Some(context) => self.set_context(context.with_value(value)),
            None if self.head.values.is_empty() => {
                self.head.values = self.peer().reception.context.values().with(value);
            }
            None => self.head.values = self.head.values.with(value),
        }
    }

    /// A value that a layer outside has attached.
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.head.context.get().map_or(&self.head.values, Context::values).get()
    }
}

/// Targets are ASCII: the parser has seen to it.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("fields", &self.head.fields)
            .field("content", &self.content)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_its_parts() {
        let request = Request::get("/users/7?full=1").with("Accept", "*/*");
        assert_eq!(request.method(), Method::GET);
        assert_eq!((request.target(), request.target_path()), ("/users/7?full=1", "/users/7"));
        assert_eq!(request.target_query(), Some("full=1"));
        assert_eq!((request.field("accept"), request.authority()), (Some("*/*"), Some("localhost")));
        assert_eq!(request.client(), Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn values_reach_the_layers_inside() {
        let mut request = Request::get("/");
        assert_eq!(request.value::<u8>(), None);
        request.insert(7u8);
        request.insert("text");
        assert_eq!((request.value::<u8>(), request.value::<&str>()), (Some(&7), Some(&"text")));
    }

    #[test]
    fn nothing_of_a_request_is_left_for_the_next() {
        let mut request = Request::get("/secret").with("Authorization", "x");
        request.insert(7u8);
        request.set_client(IpAddr::from([9, 9, 9, 9]));
        request.limit_content(1);
        drop(request);
        let next = Request::get("/");
        assert_eq!((next.field("authorization"), next.value::<u8>()), (None, None));
        assert_eq!((next.client(), next.content_bytes_max()), (Ipv4Addr::LOCALHOST.into(), 1 << 20));
    }

    #[test]
    fn it_is_small_to_move() {
        assert!(size_of::<Request>() <= 64, "{} bytes", size_of::<Request>());
    }
}
