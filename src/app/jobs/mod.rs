//! Owns the routes of the queue: jobs are asked for, looked at, tried again and put away, by programs and by a person.
//!
//! ```text
//!   /jobs                the page: lists, one job, schedules; plain forms, and 303 behind each
//!   /jobs/api/…          the same for programs: JSON in, {"data", "meta"} out, problem details when it is refused
//!        │
//!   request_id → trusted_proxies → logger → recover → security_headers → local
//!     → (api: problems) → same_origin → body_limit → timeout → handlers ──> queue, schedules
//! ```
//!
//! The one idea: this is for whoever runs the server, so it is not served to others. It asks for no password, because what asks for
//! none must not be reached: by default only clients on this machine are let in, by a name of this machine, and not by way of a
//! proxy. `README.md` beside this file says what has to stand before it elsewhere.
//!
//! Spec: RFC 9110 15.3.3 (202), 15.4.4 (303), 15.5.4 (403); RFC 9457 (problem details); RFC 8288 (`Link`);
//! draft-ietf-httpapi-idempotency-key-header.
//! Never: works a job; lets a page of another origin change anything; lets a client take the key of a schedule's job.
//! Limits: [`JobsConfig`], those of the [queue](crate::app::queue).

mod api;
mod bounds;
pub mod error;
mod input;
mod page;
mod view;

use std::sync::Arc;
use std::time::Duration;

use crate::app::page::access;
use crate::app::queue::domain::{Filter, KindName, PAYLOAD_BYTES_MAX, State};
use crate::app::queue::schedule::Schedules;
use crate::app::queue::{Queue, QueueConfig, QueueError};
use crate::http::bounds::{Bound, Part};
use crate::http::handler::Link;
use crate::http::middleware::trusted_proxies::Cidr;
use crate::http::middleware::{
    BodyLimit, Logger, NoStore, Recover, RequestId, SameOrigin, SecurityHeaders, Timeout, TrustedProxies,
};
use crate::http::router::Routes;
use crate::http::{Handler, IntoResponse, Middleware, Request, Response, Router};
use error::{Error, Problems};

/// Where the application is mounted.
pub const PREFIX: &str = "/jobs";

/// Where programs find it.
pub const API: &str = "/jobs/api";

/// Dead letters that are tried again by one request.
const BULK_MAX: usize = 100;

/// What the application is given at its start.
#[derive(Clone, Debug)]
pub struct JobsConfig {
    /// Lets clients on other machines in, who may then do everything. Default: no.
    pub allow_remote: bool,
    /// Whether jobs go with the process, as the page says then. Default: yes.
    pub is_in_memory: bool,
    /// The kinds that are worked here, for the form of the page. Default: none.
    pub kinds: Vec<KindName>,
    /// Proxies whose word on the client's address is believed. Default: none.
    pub trusted_proxies: Vec<Cidr>,
    /// Bytes of content of a request. Default: the payload of a job, and 32 KiB for the rest and for escapes.
    pub content_bytes_max: u64,
    /// Time for an answer. Default: 10 s.
    pub timeout: Duration,
}

impl Default for JobsConfig {
    fn default() -> JobsConfig {
        JobsConfig {
            allow_remote: false,
            is_in_memory: true,
            kinds: Vec::new(),
            trusted_proxies: Vec::new(),
            content_bytes_max: (PAYLOAD_BYTES_MAX + 32 * 1024) as u64,
            timeout: Duration::from_secs(10),
        }
    }
}

impl JobsConfig {
    /// Rows for the catalogue of bounds: each limit and deadline of the application.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep.
    pub fn kept(&self) -> Vec<Part> {
        bounds::kept(self)
    }
}

/// What handlers work with. A clone is the same.
#[derive(Clone)]
struct Jobs {
    config: Arc<JobsConfig>,
    queue: Queue,
    schedules: Schedules,
}

/// The application, to be mounted at [`PREFIX`].
pub fn routes(config: JobsConfig, queue: Queue, schedules: Schedules) -> impl Handler {
    let jobs = Jobs { config: Arc::new(config.clone()), queue, schedules };
    let page = guarded(page::routes(jobs.clone()), &config);
    let api = Problems.around(guarded(api::routes(jobs), &config));
    let both = Router::new(()).mount(API, api).mount(PREFIX, page).build().expect("two prefixes");
    let chain = Local { allow_remote: config.allow_remote }.around(both);
    let chain = SecurityHeaders::default().around(NoStore.around(chain));
    let chain = Recover.around(chain);
    let chain = Logger.around(chain);
    let chain = TrustedProxies::new(config.trusted_proxies).around(chain);
    RequestId.around(chain)
}

/// The routes of the application alone, over nothing: for whoever lists them.
pub fn table() -> [Routes; 2] {
    let queue = Queue::memory(QueueConfig { in_memory_max: 1, ..QueueConfig::default() });
    let schedules = Schedules::memory(queue.clone());
    let jobs = Jobs { config: Arc::default(), queue, schedules };
    [page::routes(jobs.clone()), api::routes(jobs)]
}

/// Adds the files that the page needs.
pub fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    page::assets(router)
}

fn guarded(routes: Routes, config: &JobsConfig) -> impl Handler {
    let chain = Timeout::new(config.timeout).around(routes);
    let chain = BodyLimit::new(config.content_bytes_max).around(chain);
    SameOrigin.around(chain)
}

impl Jobs {
    /// Tries the newest dead letters again, at most `limit` of them. How many, and whether there are more.
    async fn retry_dead(&self, kind: Option<KindName>, limit: usize) -> Result<(u64, bool), Error> {
        let filter = Filter { state: Some(State::Dead), kind };
        let page = self.queue.list(&filter, None, limit.min(BULK_MAX)).await?;
        let mut retried = 0;
        for job in &page.jobs {
            match self.queue.retry(job.id).await {
                Ok(_) => retried += 1,
                // Somebody else was faster.
                Err(QueueError::Unknown | QueueError::WrongState(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((retried, page.next.is_some()))
    }
}

/// Lets clients on this machine in, or all when told so.
struct Local {
    allow_remote: bool,
}

impl Middleware for Local {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        match access::admit(&request, self.allow_remote) {
            Ok(()) => next.handle(request).await,
            Err(problem) => problem.into_response(),
        }
    }

    fn link(&self) -> Link {
        Link { name: "local", place: None }
    }
}

#[cfg(test)]
mod tests;
