//! Owns the choice of a handler by method, host and path.
//!
//! The one idea: a route is a pattern and a plain async function over the router's state; what must be true of the table
//! is checked once, when it is built, and all that is wrong is said at once.
//!
//! ```
//! use firstbyte::http::{Request, Rejection, Router};
//!
//! async fn hello(_: (), request: Request) -> Result<String, Rejection> {
//!     Ok(format!("Hello, {}!\n", request.path::<String>("name")?))
//! }
//!
//! let routes = Router::new(()).route("GET /hello/{name}", hello).build()?;
//! # Ok::<(), firstbyte::http::BuildError>(())
//! ```
//!
//! Types are static up to here; each router crossed costs one boxed future.
//!
//! Spec: RFC 9110 9.1 (501), 9.3.2 (HEAD), 9.3.7 (OPTIONS), 13.2.1 (conditions), 15.5.5 (404), 15.5.6 (405), 10.2.1
//! (Allow).
//! Never: strips a prefix: a mounted handler sees the target that the client sent.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::http::condition::Conditions;
use crate::http::explain::Problem;
use crate::http::field::name;
use crate::http::pattern::{Pattern, PatternError};
use crate::http::request::{Peer, authority};
use crate::http::route_id::RouteId;
use crate::http::route_tree::{Conflict, Lookup, MethodSet, RouteTree};
use crate::http::{BodyError, Fault, Handler, IntoResponse, Method, Middleware, Request, Response, Status};

/// What becomes of a handler whose client leaves before the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disconnect {
    /// It is dropped at its next await.
    #[default]
    Cancel,
    /// It runs on; its context says that the peer is gone.
    Notify,
    /// It runs on and is not told.
    Detach,
}

/// What one route does differently from its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteOptions {
    /// Bytes of content that it accepts, when not its server's `content_bytes_max`.
    pub content_bytes_max: Option<u64>,
    /// What becomes of its handler when the client leaves.
    pub disconnect: Disconnect,
}

/// A route table under construction. `S` is handed to every handler.
#[derive(Debug)]
pub struct Router<S> {
    state: S,
    prefix: String,
    tree: RouteTree<Endpoint>,
    faults: Vec<RouteFault>,
}

/// A finished route table: a [`Handler`].
#[derive(Debug)]
pub struct Routes {
    tree: RouteTree<Endpoint>,
}

/// All that is wrong with a route table.
#[derive(Debug)]
pub struct BuildError(Vec<RouteFault>);

#[derive(Debug)]
enum RouteFault {
    Pattern(PatternError),
    Conflict(Conflict),
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type MountedAnswer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

struct Endpoint {
    pattern: &'static Pattern,
    id: RouteId,
    options: RouteOptions,
    call: Call,
}

enum Call {
    Function(Box<dyn Fn(Request) -> Answer + Send + Sync>),
    Mounted(Box<dyn Mounted>),
}

/// A handler behind a pointer.
trait Mounted: Send + Sync {
    fn handle(&self, request: Request) -> MountedAnswer<'_>;
}

impl<H: Handler> Mounted for H {
    fn handle(&self, request: Request) -> MountedAnswer<'_> {
        Box::pin(Handler::handle(self, request))
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// An empty table whose handlers get `state`.
    pub fn new(state: S) -> Router<S> {
        Router { state, prefix: String::new(), tree: RouteTree::new(), faults: Vec::new() }
    }

    /// Adds a route: `GET /users/{id}`, `/anything` for any method, `GET /files/{path...}` for all below, with a host
    /// before the path where it matters.
    pub fn route<F, A>(self, pattern: &str, handler: F) -> Router<S>
    where
        F: Fn(S, Request) -> A + Send + Sync + 'static,
        A: Future + Send + 'static,
        A::Output: IntoResponse,
    {
        self.route_with(pattern, RouteOptions::default(), handler)
    }

    /// Adds a route that does something differently.
    pub fn route_with<F, A>(mut self, pattern: &str, options: RouteOptions, handler: F) -> Router<S>
    where
        F: Fn(S, Request) -> A + Send + Sync + 'static,
        A: Future + Send + 'static,
        A::Output: IntoResponse,
    {
        let state = self.state.clone();
        let call = Call::Function(match options.disconnect {
            Disconnect::Cancel => Box::new(move |request| {
                let answer = handler(state.clone(), request);
                Box::pin(async move { answer.await.into_response() })
            }),
            Disconnect::Notify => Box::new(move |request| {
                let peer = Arc::clone(request.peer());
                Box::pin(outlive(peer, handler(state.clone(), request)))
            }),
            Disconnect::Detach => Box::new(move |mut request| {
                request.set_context(request.context().detached());
                let peer = Arc::clone(request.peer());
                Box::pin(outlive(peer, handler(state.clone(), request)))
            }),
        });
        self.insert(pattern, options, call);
        self
    }

    /// Adds a route with `middleware` around its handler, which then stands around this route alone.
    pub fn route_behind<M, F, A>(mut self, pattern: &str, middleware: M, handler: F) -> Router<S>
    where
        M: Middleware,
        F: Fn(S, Request) -> A + Send + Sync + 'static,
        A: Future + Send + 'static,
        A::Output: IntoResponse,
    {
        let state = self.state.clone();
        let inside = move |request: Request| handler(state.clone(), request);
        self.insert(pattern, RouteOptions::default(), Call::Mounted(Box::new(middleware.around(inside))));
        self
    }

    /// Gives everything at `prefix` and below it to `handler`, which sees the whole target.
    pub fn mount(mut self, prefix: &str, handler: impl Handler) -> Router<S> {
        let shared = Arc::new(handler);
        for pattern in [prefix.to_owned(), format!("{prefix}/{{rest...}}")] {
            let call = Call::Mounted(Box::new(Arc::clone(&shared)));
            self.insert(&pattern, RouteOptions::default(), call);
        }
        self
    }

    /// Adds the routes that `add` adds, each with `prefix` before its path.
    pub fn group(mut self, prefix: &str, add: impl FnOnce(Router<S>) -> Router<S>) -> Router<S> {
        let outer = self.prefix.clone();
        self.prefix += prefix;
        let mut grouped = add(self);
        grouped.prefix = outer;
        grouped
    }

    /// The patterns of all routes so far, in the order they were added; those that cannot be read are left out.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.tree.iter().map(|route| &route.pattern)
    }

    /// The finished table.
    ///
    /// # Errors
    /// Every pattern that cannot be read, and every pair that would match the same request, both named.
    pub fn build(self) -> Result<Routes, BuildError> {
        if self.faults.is_empty() { Ok(Routes { tree: self.tree }) } else { Err(BuildError(self.faults)) }
    }

    fn insert(&mut self, pattern: &str, options: RouteOptions, call: Call) {
        // The first slash begins the path, behind method and host.
        let mut text = pattern.to_owned();
        text.insert_str(pattern.find('/').unwrap_or(pattern.len()), &self.prefix);
        let pattern = match Pattern::parse(&text) {
            Ok(pattern) => pattern,
            Err(error) => return self.faults.push(RouteFault::Pattern(error)),
        };
        // A route lives as long as its process. Leaking its pattern once lets every request name it without a count.
        let leaked: &'static Pattern = Box::leak(Box::new(pattern.clone()));
        let endpoint = Endpoint { pattern: leaked, id: RouteId::of(leaked), options, call };
        if let Err(conflict) = self.tree.insert(pattern, endpoint) {
            self.faults.push(RouteFault::Conflict(conflict));
        }
    }
}

/// Runs `answer` in a task of its own, which goes on when the one who waits for it is dropped. It holds the peer, so that
/// a shutdown waits for it.
async fn outlive<A>(peer: Arc<Peer>, answer: A) -> Response
where
    A: Future + Send + 'static,
    A::Output: IntoResponse,
{
    let task = tokio::spawn(async move {
        let response = answer.await.into_response();
        drop(peer);
        response
    });
    match task.await {
        Ok(response) => response,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(_) => Problem::new(Fault::Draining).into_response(),
        },
    }
}

impl Routes {
    /// The patterns of all routes, in the order they were added.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.tree.iter().map(|route| &route.pattern)
    }

    /// The answer where no route can be chosen.
    fn unrouted(&self, request: &Request, allow: Option<&MethodSet>) -> Response {
        let method = request.method();
        let allow = allow.map(MethodSet::to_string);
        match allow {
            // RFC 9110 9.1: a method that nobody here knows is not implemented, whatever the target. CONNECT asks for a
            // tunnel, and its target names no resource of ours (9.3.6).
            _ if method == Method::CONNECT || !self.tree.knows_method(method) => {
                Problem::new(Fault::MethodNotImplemented)
                    .with_detail(format!("no route of this server names the method {method}"))
                    .into_response()
            }
            // RFC 9112 3.2.4: also where it came as a URI without a path.
            _ if method == Method::OPTIONS && request.target_path() == "*" => Response::new(Status::NO_CONTENT),
            Some(allow) if method == Method::OPTIONS => Response::new(Status::NO_CONTENT).with(name::ALLOW, allow),
            Some(allow) => Problem::new(Fault::MethodNotAllowed)
                .with_detail(format!("{} answers {allow}", request.target_path()))
                .into_response()
                .with(name::ALLOW, allow),
            None => Problem::new(Fault::NotFound)
                .with_detail(format!("nothing is at {}", request.target_path()))
                .into_response(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl Handler for Routes {
    async fn handle(&self, mut request: Request) -> Response {
        let head = &mut *request.head;
        let bytes = &head.fields.bytes;
        let host = self.tree.names_hosts().then(|| authority(&head.target, &head.fields)).flatten();
        let endpoint = match self.tree.lookup(head.method, host, head.target.path_bytes(bytes), &mut head.captures) {
            Lookup::Found(route) => &route.value,
            Lookup::WrongMethod(allow) => return self.unrouted(&request, Some(&allow)),
            Lookup::NotFound => return self.unrouted(&request, None),
        };
        let conditions = Conditions::of(head.method, &head.fields);
        request.head.route = Some(endpoint.pattern);
        request.peer().lead_to(endpoint.id);
        request.limit_content(endpoint.options.content_bytes_max.unwrap_or(request.content_bytes_max()));
        let bytes_max = request.content_bytes_max();
        let mut response = if request.content().length().is_some_and(|length| length > bytes_max) {
            Problem::of_body(BodyError::TooLarge { limit: bytes_max }).into_response()
        } else {
            match &endpoint.call {
                Call::Function(call) => call(request).await,
                Call::Mounted(handler) => handler.handle(request).await,
            }
        };
        if let Some(conditions) = conditions {
            response = conditions.judge(response);
        }
        response.head_mut().pattern.get_or_insert(endpoint.pattern.text());
        response
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("pattern", &self.pattern.text()).field("options", &self.options).finish()
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_break = if index > 0 { "\n" } else { "" };
            match fault {
                RouteFault::Pattern(error) => write!(f, "{line_break}{error}")?,
                RouteFault::Conflict(conflict) => write!(f, "{line_break}{conflict}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_puts_its_prefix_before_the_path_and_behind_method_and_host() {
        let router = Router::new(()).group("/api", |router| {
            router
                .route("GET /a", |(), _| async {})
                .route("/b", |(), _| async {})
                .route("GET example.com/c", |(), _| async {})
                .group("/v1", |router| router.route("example.com/d", |(), _| async {}))
        });
        let patterns: Vec<_> = router.patterns().map(Pattern::text).collect();
        assert_eq!(patterns, ["GET /api/a", "/api/b", "GET example.com/api/c", "example.com/api/v1/d"]);
    }
}
