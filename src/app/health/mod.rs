//! Owns the two questions that whoever runs the server asks: does it live, and should it be sent requests?
//!
//! ```text
//!   GET /healthz  200 as long as the process answers. A "no" has it started anew, which brings no database back:
//!                 so nothing else is looked at.
//!   GET /readyz   200, or 503 and Retry-After: draining ──or── a dependency that does not do as asked
//!                   │
//!                   └─ one look for everybody ──at once──> check · check · check      CHECK_TIME each
//!                      good for FRESH_TIME
//! ```
//!
//! The one idea: being asked costs nothing. However many ask, the dependencies are looked at ten times a second at most.
//!
//! Spec: RFC 9110 10.2.3 (Retry-After), 15.6.4 (503).
//! Never: says why a dependency is away, nor where it is: that is for the log, and anybody may ask.
//! Limits: [`CHECK_TIME`], [`FRESH_TIME`].

mod report;

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::app::page::{self, Wanted};
use crate::db::{PATIENCE, Postgres, RETRY_AFTER, Redis};
use crate::http::bounds::{Amount, Bound};
use crate::http::{Request, Response, Router, Status};
use crate::net::shutdown::Shutdown;
use report::{Report, Row};

/// How long a dependency may take to say that it is well.
pub const CHECK_TIME: Duration = PATIENCE;

/// How long what was seen is good for.
pub const FRESH_TIME: Duration = Duration::from_millis(100);

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// Something without which requests cannot be served as they should.
#[derive(Clone)]
pub struct Dependency {
    name: &'static str,
    check: Arc<Check>,
}

/// Whether the server is ready. Clones share what was seen.
#[derive(Clone)]
pub struct Health {
    shutdown: Shutdown,
    dependencies: Arc<[Dependency]>,
    seen: Arc<Mutex<Seen>>,
}

/// What the last look has shown.
#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    /// Since when each dependency is away.
    away: Vec<Option<Instant>>,
}

impl Dependency {
    /// The one called `name`, which is well when `check` is.
    pub fn new<E, F>(name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Dependency
    where
        E: Display,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let check = move || -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
            let checked = check();
            Box::pin(async move { checked.await.map_err(|error| error.to_string()) })
        };
        Dependency { name, check: Arc::new(check) }
    }

    /// A Redis.
    pub fn redis(redis: &Redis) -> Dependency {
        let redis = redis.clone();
        Dependency::new("redis", move || {
            let redis = redis.clone();
            async move { redis.check().await }
        })
    }

    /// A PostgreSQL whose database has its shape.
    pub fn postgres(postgres: &Postgres) -> Dependency {
        let postgres = postgres.clone();
        Dependency::new("postgresql", move || {
            let postgres = postgres.clone();
            async move { postgres.check().await }
        })
    }
}

impl Health {
    /// The health of a server that leans on `dependencies`, and is not ready once `shutdown` has begun.
    pub fn new(shutdown: Shutdown, dependencies: Vec<Dependency>) -> Health {
        let seen = Seen { at: None, away: vec![None; dependencies.len()] };
        Health { shutdown, dependencies: dependencies.into(), seen: Arc::new(Mutex::new(seen)) }
    }

    async fn report(&self) -> Report {
        // Whoever comes while somebody looks waits for what that one sees.
        let mut seen = self.seen.lock().await;
        if seen.at.is_none_or(|at| at.elapsed() >= FRESH_TIME) {
            self.look(&mut seen).await;
        }
        let rows = self.dependencies.iter().zip(&seen.away);
        Report {
            is_draining: self.shutdown.is_draining(),
            rows: rows.map(|(it, away)| Row { name: it.name, away: away.map(|since| since.elapsed()) }).collect(),
        }
    }

    async fn look(&self, seen: &mut Seen) {
        let mut checks = JoinSet::new();
        for (place, dependency) in self.dependencies.iter().enumerate() {
            let check = (dependency.check)();
            checks.spawn(async move { (place, timeout(CHECK_TIME, check).await) });
        }
        // What panics is away like what fails.
        let mut well = vec![Err("it has panicked".to_owned()); self.dependencies.len()];
        while let Some(checked) = checks.join_next().await {
            if let Ok((place, checked)) = checked {
                well[place] = checked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            }
        }
        let now = Instant::now();
        for ((away, well), dependency) in seen.away.iter_mut().zip(well).zip(&*self.dependencies) {
            match (&away, well) {
                (_, Ok(())) => *away = None,
                (Some(_), Err(_)) => {}
                (None, Err(why)) => {
                    tracing::debug!(dependency = dependency.name, why, "not ready");
                    *away = Some(now);
                }
            }
        }
        seen.at = Some(now);
    }
}

/// Adds both pages.
pub fn routes<S>(router: Router<S>, health: Health) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = router.route("GET /healthz", |_, _| async { page::fresh(Response::text("alive\n")) });
    router.route("GET /readyz", move |_, request| {
        let health = health.clone();
        async move { ready(&health, request).await }
    })
}

async fn ready(health: &Health, request: Request) -> Response {
    let wanted = page::wanted(&request);
    let report = health.report().await;
    let response = page::negotiated(match wanted {
        Wanted::Json => Response::json(&report.json()),
        Wanted::Html | Wanted::Text => Response::text(report.text()),
    });
    if report.is_ready() {
        return response;
    }
    response.with_status(Status::SERVICE_UNAVAILABLE).with_retry_after(RETRY_AFTER)
}

/// Rows for the catalogue of bounds.
pub fn bounds() -> Vec<Bound> {
    vec![
        Bound::fixed("health_check_time", Amount::Time(CHECK_TIME))
            .bounds("How long a dependency may take to say that it is well, until /readyz says that it is away")
            .larger("/readyz takes longer to say so"),
        Bound::fixed("health_fresh_time", Amount::Time(FRESH_TIME))
            .bounds("How long /readyz says what it has seen, without looking again")
            .larger(
                "requests go to a server for longer that cannot serve them; smaller: probes cost the dependencies more",
            ),
    ]
}

#[cfg(test)]
mod tests;
