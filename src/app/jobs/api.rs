//! Owns the routes for programs: JSON in, `data` and `meta` out.
//!
//! ```text
//!   POST jobs                       {"kind", "payload", "priority", "delay_ms" | "run_at", "tries_max", "timeout_ms"}  ──> 202
//!   GET  jobs?state&kind&after&limit  ──> 200, the newest first; `next` leads on       GET jobs/{id}  ──> 200, 404
//!   POST jobs/{id}/retry · discard · cancel  ──> 200, 404, 409                         POST dead/retry?kind&limit  ──> 200
//!   GET  counts  ──> 200
//!   GET  schedules · POST schedules {"name", "cron", "zone", "kind", "payload", "enabled"}  ──> 200 · 201, 409
//!   GET  schedules/{name} · DELETE · POST schedules/{name}/enable · disable  ──> 200 · 204
//!   GET  next?cron&zone&after&count  ──> 200: when an expression would run
//! ```
//!
//! The one idea: 202 is said when the job is stored, and not before. With an `Idempotency-Key` a client whose answer was lost
//! asks again, and is told of the same job.
//!
//! Never: says that a job is done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::jobs::error::Error;
use crate::app::jobs::{API, BULK_MAX, Jobs, input};
use crate::app::queue::cron::{Cron, Zone};
use crate::app::queue::domain::{Cursor, Filter, Job, JobId, KindName, State};
use crate::app::queue::schedule::{Schedule, ScheduleName};
use crate::app::queue::{Enqueued, QueueError};
use crate::http::explain::Problem;
use crate::http::field::name;
use crate::http::router::Routes;
use crate::http::{Fault, Request, Response, Router, Status};

/// Jobs of one list.
pub(super) const LIST_MAX: usize = 100;

const LIST_DEFAULT: usize = 20;

/// Instants of one answer.
const NEXT_MAX: usize = 100;

/// Tells an answer that was given before.
const REPLAYED: &str = "Idempotency-Replayed";

/// An answer that is no refusal.
#[derive(Serialize)]
struct Answer<T, M = ()> {
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<M>,
}

/// A schedule as it is shown.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    name: &'a ScheduleName,
    cron: String,
    zone: &'a str,
    kind: &'a KindName,
    payload: &'a Value,
    enabled: bool,
    created_at: Timestamp,
    last_run_at: Option<Timestamp>,
    last_job: Option<JobId>,
    next_run_at: Option<Timestamp>,
}

pub(super) fn routes(jobs: Jobs) -> Routes {
    let routes = Router::new(jobs).group(API, |router| {
        router
            .route("POST /jobs", enqueue)
            .route("GET /jobs", list)
            .route("GET /jobs/{id}", find)
            .route("POST /jobs/{id}/retry", retry)
            .route("POST /jobs/{id}/discard", discard)
            .route("POST /jobs/{id}/cancel", cancel)
            .route("POST /dead/retry", retry_dead)
            .route("GET /counts", counts)
            .route("GET /schedules", list_schedules)
            .route("POST /schedules", create_schedule)
            .route("GET /schedules/{name}", find_schedule)
            .route("DELETE /schedules/{name}", delete_schedule)
            .route("POST /schedules/{name}/enable", enable_schedule)
            .route("POST /schedules/{name}/disable", disable_schedule)
            .route("GET /next", next)
    });
    routes.build().expect("patterns that do not meet")
}

async fn enqueue(jobs: Jobs, mut request: Request) -> Result<Response, Error> {
    let key = input::key(&request)?;
    let mut job = input::job(request.json().await?)?;
    job.key = key;
    let Enqueued { job, is_new } = jobs.queue.enqueue(&job).await?;
    let place = format!("{API}/jobs/{}", job.id);
    // RFC 9110 15.3.3: accepted, and where its state is told.
    let response = answer(&job).with_status(Status::ACCEPTED).with(name::LOCATION, place);
    Ok(if is_new { response } else { response.with(REPLAYED, "true") })
}

/// What a list may be asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<String>,
    kind: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(jobs: Jobs, request: Request) -> Result<Response, Error> {
    #[derive(Serialize)]
    struct Meta {
        next: Option<String>,
        limit: usize,
    }
    let Wanted { state, kind, after, limit } = request.query()?;
    let limit = limit.unwrap_or(LIST_DEFAULT);
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(refused("limit", format!("is not in 1-{LIST_MAX}")));
    }
    let filter = filter(state.as_deref(), kind.as_deref())?;
    let after = after.map(|after| cursor(&after)).transpose()?;
    let page = jobs.queue.list(&filter, after, limit).await?;
    let next = page.next.map(|next| next.to_string());
    let link = next.as_ref().map(|next| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(filter.state.map(|state| ("state", state.text())));
        query.extend_pairs(filter.kind.as_ref().map(|kind| ("kind", kind.text())));
        query.append_pair("limit", &limit.to_string()).append_pair("after", next);
        format!("<{API}/jobs?{}>; rel=\"next\"", query.finish())
    });
    let response = Response::json(&Answer { data: page.jobs, meta: Some(Meta { next, limit }) });
    // RFC 8288 3.
    Ok(link.into_iter().fold(response, |response, link| response.with("Link", link)))
}

async fn find(jobs: Jobs, request: Request) -> Result<Response, Error> {
    Ok(answer(&jobs.queue.find(request.path("id")?).await?.ok_or(Error::NoSuchJob)?))
}

async fn retry(jobs: Jobs, request: Request) -> Result<Response, Error> {
    changed(jobs.queue.retry(request.path("id")?).await)
}

async fn discard(jobs: Jobs, request: Request) -> Result<Response, Error> {
    changed(jobs.queue.discard(request.path("id")?).await)
}

async fn cancel(jobs: Jobs, request: Request) -> Result<Response, Error> {
    changed(jobs.queue.cancel(request.path("id")?).await)
}

fn changed(job: Result<Job, QueueError>) -> Result<Response, Error> {
    Ok(answer(&job?))
}

async fn retry_dead(jobs: Jobs, request: Request) -> Result<Response, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        kind: Option<String>,
        limit: Option<usize>,
    }
    #[derive(Serialize)]
    struct Done {
        retried: u64,
        more: bool,
    }
    let Wanted { kind, limit } = request.query()?;
    let kind = filter(None, kind.as_deref())?.kind;
    let (retried, more) = jobs.retry_dead(kind, limit.unwrap_or(BULK_MAX)).await?;
    Ok(answer(&Done { retried, more }))
}

async fn counts(jobs: Jobs, _: Request) -> Result<Response, Error> {
    Ok(answer(&jobs.queue.counts().await?))
}

async fn list_schedules(jobs: Jobs, _: Request) -> Result<Response, Error> {
    #[derive(Serialize)]
    struct Meta {
        now: Timestamp,
        /// Those that another build has stored, and this one cannot read.
        unreadable: Vec<String>,
    }
    let listed = jobs.schedules.list().await?;
    let data: Vec<_> = listed.schedules.iter().map(|schedule| Shown::of(schedule, listed.now)).collect();
    Ok(Response::json(&Answer { data, meta: Some(Meta { now: listed.now, unreadable: listed.unreadable }) }))
}

async fn create_schedule(jobs: Jobs, mut request: Request) -> Result<Response, Error> {
    let created = jobs.schedules.create(&input::schedule(request.json().await?)?).await?;
    let place = format!("{API}/schedules/{}", created.what.name);
    Ok(answer(&Shown::of(&created, created.created_at)).with_status(Status::CREATED).with(name::LOCATION, place))
}

async fn find_schedule(jobs: Jobs, request: Request) -> Result<Response, Error> {
    let (schedule, now) = jobs.schedules.find(&request.path("name")?).await?;
    Ok(answer(&Shown::of(&schedule, now)))
}

async fn delete_schedule(jobs: Jobs, request: Request) -> Result<Response, Error> {
    jobs.schedules.delete(&request.path("name")?).await?;
    Ok(Response::new(Status::NO_CONTENT))
}

async fn enable_schedule(jobs: Jobs, request: Request) -> Result<Response, Error> {
    let schedule = jobs.schedules.enable(&request.path("name")?, true).await?;
    Ok(answer(&Shown::of(&schedule, schedule.seen_until)))
}

async fn disable_schedule(jobs: Jobs, request: Request) -> Result<Response, Error> {
    let schedule = jobs.schedules.enable(&request.path("name")?, false).await?;
    Ok(answer(&Shown::of(&schedule, schedule.seen_until)))
}

async fn next(jobs: Jobs, request: Request) -> Result<Response, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        cron: String,
        zone: Option<String>,
        after: Option<String>,
        count: Option<usize>,
    }
    let Wanted { cron, zone, after, count } = request.query()?;
    let cron = Cron::parse(&cron).map_err(|error| refused("cron", error.to_string()))?;
    let zone = Zone::parse(zone.as_deref().unwrap_or("UTC")).map_err(|error| refused("zone", error.to_string()))?;
    let after = match after {
        Some(after) => after.parse().map_err(|_| refused("after", "is no instant, as in 2026-11-21T14:30:00Z"))?,
        None => jobs.schedules.list().await?.now,
    };
    let cron = cron.in_zone(zone);
    let runs = std::iter::successors(cron.next(after), |&run| cron.next(run));
    let local = |run: Timestamp| cron.zone().shown(run);
    Ok(answer(&runs.take(count.unwrap_or(5).min(NEXT_MAX)).map(local).collect::<Vec<_>>()))
}

/// What a list is asked for.
///
/// # Errors
/// What is no state, or no kind.
pub(super) fn filter(state: Option<&str>, kind: Option<&str>) -> Result<Filter, Error> {
    let state = state.map(|state| {
        let names = State::ALL.map(State::text).join(", ");
        State::parse(state).ok_or_else(|| refused("state", format!("is none of {names}")))
    });
    let kind = kind.map(|kind| KindName::parse(kind).map_err(|error| refused("kind", format!("is no name: {error}"))));
    Ok(Filter { state: state.transpose()?, kind: kind.transpose()? })
}

/// A place in a list.
///
/// # Errors
/// What is none.
pub(super) fn cursor(text: &str) -> Result<Cursor, Error> {
    text.parse().map_err(|_| refused("after", "is no cursor: it is what `next` has said"))
}

/// What is wrong with a field of the query.
fn refused(field: &str, detail: impl Into<String>) -> Error {
    Error::Rejected(Problem::new(Fault::InvalidQueryField).with_field(field).with_detail(detail).into())
}

fn answer(data: &impl Serialize) -> Response {
    Response::json(&Answer::<_> { data, meta: None })
}

impl<'a> Shown<'a> {
    /// `schedule` when it is `now`.
    fn of(schedule: &'a Schedule, now: Timestamp) -> Shown<'a> {
        let what = &schedule.what;
        Shown {
            name: &what.name,
            cron: what.cron.to_string(),
            zone: what.cron.zone().name(),
            kind: &what.kind,
            payload: &what.payload,
            enabled: what.is_enabled,
            created_at: schedule.created_at,
            last_run_at: schedule.last.map(|(at, _)| at),
            last_job: schedule.last.map(|(_, job)| job),
            next_run_at: schedule.next(now),
        }
    }
}
