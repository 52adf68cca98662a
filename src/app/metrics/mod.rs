//! Owns `/metrics`: everything that the process counts, in the words of Prometheus.
//!
//! The one idea: whoever has something to count keeps it, and registers it once at the start; nothing is collected until
//! somebody asks. The server counts its requests in [`Durations`](crate::http::durations) whether anybody asks or not, and
//! that is all that a request pays.
//!
//! ```text
//!   Watched ── Durations, Tally, table of connections ──┐
//!   /proc/self ─────────────────────────────────────────┼─ Registry ─ OpenMetrics ─┬──> application/openmetrics-text
//!   pools, caches, queues: `Metrics::register` ─────────┘                          └──> text/plain; version=0.0.4
//! ```
//!
//! Spec: OpenMetrics 1.0; Prometheus text format 0.0.4; OpenTelemetry semantic conventions for HTTP metrics; RFC 9110 12.5.1
//! (Accept).
//! Never: has a label whose values clients can make up; shows anything to a client on another machine, unless told to: routes,
//! failures and load are nobody else's business.
//! Limits: one scrape at a time; [`SERIES_MAX`] kinds of requests.

mod families;
mod format;
mod process;
mod server;

use std::fmt;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::Mutex;

use crate::app::inspect::access;
use crate::app::page;
use crate::http::bounds::{Amount, Bound, Part};
use crate::http::durations::{self, SERIES_MAX};
use crate::http::server::Watched;
use crate::http::{Problem, Request, Response, Router, Status};
use format::Format;

/// Where they are.
pub const PATH: &str = "/metrics";

/// All that is counted in one process. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    allow_remote: bool,
}

impl Metrics {
    /// The metrics of the process and of the servers that `watched` is shared with. `allow_remote` lets clients on other
    /// machines read them.
    pub fn new(watched: &Watched, allow_remote: bool) -> Metrics {
        let metrics = Metrics { registry: Arc::default(), allow_remote };
        metrics.register(|registry| {
            server::register(registry, watched);
            process::register(registry);
        });
        metrics
    }

    /// Adds what somebody else counts.
    ///
    /// # Panics
    /// While they are read: what is counted is known before anything is served.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.try_lock().expect("metrics are registered before they are read"));
    }

    /// All of it as it stands now.
    ///
    /// # Errors
    /// 500 when what is registered cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; a scrape that has begun goes on to its end, and the next one waits for it.
    async fn scrape(&self, format: Format) -> Result<String, Problem> {
        // Whoever comes while somebody reads waits here, where waiting costs nothing, and leaves with its client.
        let registry = Arc::clone(&self.registry).lock_owned().await;
        // Looking into /proc and writing many lines takes milliseconds, which are not taken from the threads that serve.
        let written = tokio::task::spawn_blocking(move || format.write(&registry)).await;
        match written {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(Problem::internal(format!("the metrics cannot be written: {error}"))),
            Err(panicked) => Err(Problem::internal(format!("who counts has failed: {panicked}"))),
        }
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        access::admit(&request, self.allow_remote)?;
        let format = Format::wanted(&request);
        let text = self.scrape(format).await?;
        let response = page::negotiated(Response::new(Status::OK));
        Ok(response.with_content(format.media_type(), text))
    }
}

/// Adds the route.
pub fn routes<S>(router: Router<S>, metrics: Metrics) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route("GET /metrics", move |_, request| {
        let metrics = metrics.clone();
        async move { metrics.answer(request).await }
    })
}

/// Rows for the catalogue of bounds.
pub fn bounds() -> Vec<Bound> {
    vec![
        Bound::fixed("metrics_series_max", Amount::count(SERIES_MAX))
            .bounds("Kinds of requests (method, route, status) that are told apart; all others are one")
            .larger("metrics take more memory here, and more room with whoever keeps them"),
    ]
}

/// What they may keep.
pub fn kept() -> Vec<Part> {
    vec![Part::of_process("metrics", "metrics_series_max", durations::BYTES_MAX)]
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("allow_remote", &self.allow_remote).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
