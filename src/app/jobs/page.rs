//! Owns the page: which jobs there are and how each has fared, schedules, and the forms that change them.
//!
//! ```text
//!   GET /jobs?state=dead ──> page ──form──> POST /jobs/… ──done──> 303 ──> where it was sent from: the list, or the job
//!   GET /jobs/{id}                               └ not done: the list with what is wrong, under the status of that
//! ```
//!
//! The one idea: forms do all of it, without a script. The script there is asks for the same page again and puts in what has
//! changed, so that a person can watch; with it or without, what is shown is what the server has written.
//!
//! The form of a new job carries a key of its own: sent twice by a double click, it is one job.
//!
//! Spec: RFC 9110 15.4.4 (303); HTML 4.10 (forms).
//! Never: writes a text that was not escaped; leads back to another place than its own.

use serde::Deserialize;

use crate::app::jobs::error::Error;
use crate::app::jobs::view::{self, List};
use crate::app::jobs::{BULK_MAX, Jobs, PREFIX, api, input};
use crate::app::page::{self, Asset, Page};
use crate::app::queue::domain::JobId;
use crate::http::router::Routes;
use crate::http::{Request, Response, Router, Status};

static STYLE: Asset = Asset::new("/assets/jobs.css", "text/css; charset=utf-8", include_str!("jobs.css"));

static SCRIPT: Asset = Asset::new("/assets/jobs.js", "text/javascript; charset=utf-8", include_str!("jobs.js"));

/// Jobs of one page.
const LIST: usize = 25;

/// Adds the files that the page needs.
pub(super) fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    SCRIPT.route(STYLE.route(router))
}

pub(super) fn routes(jobs: Jobs) -> Routes {
    let routes = Router::new(jobs).group(PREFIX, |router| {
        router
            .route("GET ", show)
            .route("GET /{id}", show_one)
            .route("POST /enqueue", |jobs, request| form(jobs, enqueue, request))
            .route("POST /{id}/retry", |jobs, request| form(jobs, retry, request))
            .route("POST /{id}/discard", |jobs, request| form(jobs, discard, request))
            .route("POST /{id}/cancel", |jobs, request| form(jobs, cancel, request))
            .route("POST /dead/retry", |jobs, request| form(jobs, retry_dead, request))
            .route("POST /schedules", |jobs, request| form(jobs, create_schedule, request))
            .route("POST /schedules/{name}/enable", |jobs, request| form(jobs, enable_schedule, request))
            .route("POST /schedules/{name}/disable", |jobs, request| form(jobs, disable_schedule, request))
            .route("POST /schedules/{name}/delete", |jobs, request| form(jobs, delete_schedule, request))
    });
    routes.build().expect("patterns that do not meet")
}

/// What the page may be asked for.
#[derive(Default, Deserialize)]
pub(super) struct Wanted {
    pub state: Option<String>,
    pub kind: Option<String>,
    pub after: Option<String>,
}

async fn show(jobs: Jobs, request: Request) -> Response {
    let shown = match request.query() {
        Ok(wanted) => jobs.page(wanted).await,
        Err(rejection) => Err(rejection.into()),
    };
    match shown {
        Ok(main) => respond(&main, None),
        Err(error) => jobs.shown(error).await,
    }
}

async fn show_one(jobs: Jobs, request: Request) -> Response {
    let id = request.path("id");
    let found = async { jobs.queue.find(id?).await?.ok_or(Error::NoSuchJob) };
    match found.await {
        Ok(job) => respond(&view::job(&job), None),
        Err(error) => jobs.shown(error).await,
    }
}

/// Does what a form asks for. RFC 9110 15.4.4: when it was done, what there is to see is over there.
async fn form<A>(jobs: Jobs, step: impl FnOnce(Jobs, Request) -> A, request: Request) -> Response
where
    A: Future<Output = Result<String, Error>>,
{
    match step(jobs.clone(), request).await {
        Ok(place) => page::with_forms(Response::redirect(Status::SEE_OTHER, &place)),
        Err(error) => jobs.shown(error).await,
    }
}

async fn enqueue(jobs: Jobs, mut request: Request) -> Result<String, Error> {
    let mut pairs: Vec<(String, String)> = request.form().await?;
    let at = pairs.iter().position(|(name, _)| name == "key");
    let key = at.map(|at| input::key_of(&pairs.remove(at).1)).transpose()?;
    let mut job = input::job(input::of_form(pairs)?)?;
    job.key = key;
    Ok(place_of(jobs.queue.enqueue(&job).await?.job.id))
}

async fn retry(jobs: Jobs, request: Request) -> Result<String, Error> {
    Ok(place_of(jobs.queue.retry(request.path("id")?).await?.id))
}

async fn discard(jobs: Jobs, request: Request) -> Result<String, Error> {
    Ok(place_of(jobs.queue.discard(request.path("id")?).await?.id))
}

async fn cancel(jobs: Jobs, request: Request) -> Result<String, Error> {
    Ok(place_of(jobs.queue.cancel(request.path("id")?).await?.id))
}

async fn retry_dead(jobs: Jobs, _: Request) -> Result<String, Error> {
    jobs.retry_dead(None, BULK_MAX).await?;
    Ok(PREFIX.to_owned())
}

async fn create_schedule(jobs: Jobs, mut request: Request) -> Result<String, Error> {
    let new = input::schedule(input::of_form(request.form().await?)?)?;
    jobs.schedules.create(&new).await?;
    Ok(schedules())
}

async fn enable_schedule(jobs: Jobs, request: Request) -> Result<String, Error> {
    jobs.schedules.enable(&request.path("name")?, true).await?;
    Ok(schedules())
}

async fn disable_schedule(jobs: Jobs, request: Request) -> Result<String, Error> {
    jobs.schedules.enable(&request.path("name")?, false).await?;
    Ok(schedules())
}

async fn delete_schedule(jobs: Jobs, request: Request) -> Result<String, Error> {
    jobs.schedules.delete(&request.path("name")?).await?;
    Ok(schedules())
}

fn place_of(job: JobId) -> String {
    format!("{PREFIX}/{job}")
}

fn schedules() -> String {
    format!("{PREFIX}#schedules")
}

impl Jobs {
    /// The list, with what went wrong; that alone, when there is no list.
    async fn shown(&self, error: Error) -> Response {
        let list = self.page(Wanted::default()).await.unwrap_or_default();
        respond(&list, Some(&error))
    }

    async fn page(&self, wanted: Wanted) -> Result<String, Error> {
        let Wanted { state, kind, after } = wanted;
        let of = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (state, kind, after) = (of(state), of(kind), of(after));
        let filter = api::filter(state.as_deref(), kind.as_deref())?;
        let after = after.map(|after| api::cursor(&after)).transpose()?;
        let page = self.queue.list(&filter, after, LIST).await?;
        let list = List {
            filter: &filter,
            is_first: after.is_none(),
            page: &page,
            counts: &self.queue.counts().await?,
            schedules: &self.schedules.list().await?,
            config: &self.config,
        };
        Ok(list.html())
    }
}

fn respond(main: &str, error: Option<&Error>) -> Response {
    let main = format!("{}{}{main}", view::HEADING, error.map_or(String::new(), view::notice));
    let html = Page { title: "Jobs", here: PREFIX, main: &main, styles: &[&STYLE], scripts: &[&SCRIPT] }.html();
    let response = page::with_forms_and_script(Response::html(html));
    let Some(error) = error else { return response };
    error.log();
    error.told_by(response.with_status(error.status().0))
}
