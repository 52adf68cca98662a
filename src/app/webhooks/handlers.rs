//! Owns the handlers: each reads its input, asks the store, and answers. None of them sends a message: that is the workers'.
//!
//! Never: shows a secret but to whoever has just registered an endpoint or rotated its secret.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;

use super::domain::event::Filter;
use super::domain::signature::Secret;
use super::domain::url::EndpointUrl;
use super::domain::{Attempt, DeliveryId, Disabled, Endpoint, EndpointId, KEY_CHARS_MAX, Message, MessageId, State};
use super::error::Error;
use super::input::{EndpointPatch, FieldErrors, NewDemo, NewEndpoint, NewEvent};
use super::monitor::Change;
use super::store::{Change as Wanted, Key, Logged, NewMessage};
use super::{PREFIX, Webhooks, demo, page};
use crate::crypto;
use crate::http::envelope::Success;
use crate::http::field::name;
use crate::http::sse::Event;
use crate::http::{IntoResponse, Request, Response, Status};

/// Deliveries of an endpoint that are listed.
const LISTED_MAX: usize = 100;

/// Events of a stream that wait for their reader.
const EVENTS_WAITING: usize = 64;

/// An endpoint, as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    id: EndpointId,
    url: &'a EndpointUrl,
    events: &'a Filter,
    description: &'a str,
    enabled: bool,
    disabled: Option<Disabled>,
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
    /// Until when the secret of before signs as well.
    previous_secret_until: Option<Timestamp>,
    /// Once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A message with what has become of it.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    pub(super) message: &'a Message,
    pub(super) deliveries: Vec<ToldDelivery<'a>>,
}

/// A delivery, with the address of its endpoint where that is known.
#[derive(Serialize)]
pub(super) struct ToldDelivery<'a> {
    pub(super) id: DeliveryId,
    pub(super) message: MessageId,
    pub(super) endpoint: EndpointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    pub(super) state: State,
    pub(super) tries: u32,
    pub(super) next_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) status: Option<u16>,
    pub(super) latency_ms: Option<u32>,
    pub(super) attempts: &'a [Attempt],
}

/// That an event was taken.
#[derive(Serialize)]
struct Taken {
    id: MessageId,
    deliveries: usize,
}

pub(super) async fn register(webhooks: Webhooks, mut request: Request) -> Result<Response, Error> {
    let new =
        NewEndpoint::parse(request.json::<Map<String, Value>>().await?, webhooks.reach()).map_err(Error::Invalid)?;
    webhooks.look(&new.url).await?;
    let secret = new.secret.unwrap_or_else(Secret::random);
    let endpoint = Endpoint::new(webhooks.now(), new.url, new.events, new.description, secret);
    webhooks.store().add(&endpoint).await?;
    let location = format!("{PREFIX}/endpoints/{}", endpoint.id);
    let shown = Shown { secret: Some(endpoint.secret.expose()), ..Shown::of(&endpoint) };
    let response = (Status::CREATED, Success::new(shown)).into_response();
    Ok(response.with(name::LOCATION, location).with(name::CACHE_CONTROL, "no-store"))
}

pub(super) async fn list(webhooks: Webhooks, _: Request) -> Result<Response, Error> {
    let endpoints = webhooks.store().endpoints().await?;
    Ok(Success::new(endpoints.iter().map(Shown::of).collect::<Vec<_>>()).into_response())
}

pub(super) async fn one(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let endpoint = webhooks.store().endpoint(request.path("id")?).await?;
    shown(endpoint)
}

pub(super) async fn change(webhooks: Webhooks, mut request: Request) -> Result<Response, Error> {
    let id = request.path("id")?;
    let patch = EndpointPatch::parse(request.json::<Map<String, Value>>().await?, webhooks.reach());
    let EndpointPatch { url, events, description, enabled } = patch.map_err(Error::Invalid)?;
    if let Some(url) = &url {
        webhooks.look(url).await?;
        let there = if url.is_demo() { None } else { webhooks.store().endpoint(id).await? };
        if there.is_some_and(|endpoint| endpoint.secrets(webhooks.now()).into_iter().any(demo::is_published)) {
            let wrong = "leaves the demonstration, whose secrets everybody knows: register another endpoint";
            return Err(Error::Invalid(FieldErrors::one("url", wrong)));
        }
    }
    let change = Wanted { url, events, description, enabled, secret: None };
    shown(webhooks.store().change(id, &change).await?)
}

pub(super) async fn remove(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    match webhooks.store().remove(request.path("id")?).await? {
        true => Ok(Status::NO_CONTENT.into_response()),
        false => Err(Error::NotFound("endpoint")),
    }
}

pub(super) async fn rotate(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let secret = Some((Secret::random(), webhooks.config().overlap));
    let rotated = webhooks.store().change(request.path("id")?, &Wanted { secret, ..Wanted::default() }).await?;
    let endpoint = rotated.ok_or(Error::NotFound("endpoint"))?;
    let shown = Shown { secret: Some(endpoint.secret.expose()), ..Shown::of(&endpoint) };
    Ok(Success::new(shown).into_response().with(name::CACHE_CONTROL, "no-store"))
}

pub(super) async fn enable(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let enabled = Wanted { enabled: Some(true), ..Wanted::default() };
    shown(webhooks.store().change(request.path("id")?, &enabled).await?)
}

pub(super) async fn deliveries(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let found = webhooks.store().deliveries(request.path("id")?, LISTED_MAX).await?;
    let logged = found.ok_or(Error::NotFound("endpoint"))?;
    Ok(Success::new(logged.iter().map(|logged| ToldDelivery::of(logged, None)).collect::<Vec<_>>()).into_response())
}

pub(super) async fn publish(webhooks: Webhooks, mut request: Request) -> Result<Response, Error> {
    let key = key_of(&request)?;
    let content = request.bytes().await?;
    let key = key.map(|text| Key { text, request: crypto::sha256(&content) });
    request = request.with_content(content);
    let event = NewEvent::parse(request.json::<Map<String, Value>>().await?).map_err(Error::Invalid)?;
    let payload = event.payload(webhooks.now());
    taken(&webhooks, NewMessage { event_type: event.event_type, payload, key }).await
}

/// Answers as soon as it is kept: whoever sends events waits for no receiver.
async fn taken(webhooks: &Webhooks, message: NewMessage) -> Result<Response, Error> {
    let published = webhooks.publish(&message).await?;
    let id = published.message.id;
    let response = (Status::ACCEPTED, Success::new(Taken { id, deliveries: published.deliveries })).into_response();
    let response = response.with(name::LOCATION, format!("{PREFIX}/events/{id}"));
    Ok(if published.is_new { response } else { response.with("Idempotency-Replayed", "true") })
}

/// The client's own name for its request.
fn key_of(request: &Request) -> Result<Option<String>, Error> {
    let mut all = request.fields().all("Idempotency-Key");
    let Some(value) = all.next() else { return Ok(None) };
    let text = std::str::from_utf8(value).ok().filter(|_| all.next().is_none());
    let text =
        text.filter(|text| (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()));
    text.map(|text| Some(text.to_owned())).ok_or(Error::Key)
}

pub(super) async fn event(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let found = webhooks.store().message(request.path("id")?).await?;
    let (message, logged) = found.ok_or(Error::NotFound("event"))?;
    let endpoints = webhooks.store().endpoints().await?;
    Ok(Success::new(Told::of(&message, &logged, &endpoints)).into_response().with(name::CACHE_CONTROL, "no-store"))
}

pub(super) async fn replay(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let replayed = webhooks.store().replay(request.path("id")?).await?;
    let delivery = replayed.ok_or(Error::NotFound("delivery"))?;
    webhooks.wake();
    let logged = Logged { delivery, attempts: Vec::new() };
    Ok((Status::ACCEPTED, Success::new(ToldDelivery::of(&logged, None))).into_response())
}

/// Registers as many receivers as are asked for, unless they are there, and sends them one event.
pub(super) async fn demonstrate(webhooks: Webhooks, mut request: Request) -> Result<Response, Error> {
    let members = if request.content().is_empty() { Map::new() } else { request.json::<Map<String, Value>>().await? };
    let NewDemo { receivers, latency_ms, failing } = NewDemo::parse(members).map_err(Error::Invalid)?;
    // One at a time: two would both find that nothing is there yet.
    let _turn = webhooks.demonstrating().lock().await;
    let known = webhooks.store().endpoints().await?;
    for receiver in 1..=receivers {
        let url = demo::url(receiver, latency_ms, receiver <= failing);
        let url = EndpointUrl::parse(&url, webhooks.reach());
        let url = url.map_err(|error| Error::Invalid(FieldErrors::one("receivers", error.to_string())))?;
        place_receiver(&webhooks, &known, receiver, url).await?;
    }
    let event = NewEvent::parse(Map::from_iter([
        ("type".to_owned(), Value::from(demo::EVENT)),
        ("data".to_owned(), serde_json::json!({"receivers": receivers, "latency_ms": latency_ms})),
    ]));
    let event = event.map_err(Error::Invalid)?;
    let payload = event.payload(webhooks.now());
    taken(&webhooks, NewMessage { event_type: event.event_type, payload, key: None }).await
}

async fn place_receiver(webhooks: &Webhooks, known: &[Endpoint], number: usize, url: EndpointUrl) -> Result<(), Error> {
    // Not one that somebody else has registered there, with a secret of his own.
    let is_it = |endpoint: &&Endpoint| endpoint.url.host() == url.host() && endpoint.secret == demo::secret(number);
    let Some(there) = known.iter().find(is_it) else {
        let events = Filter::parse(&[demo::EVENT]).unwrap_or_else(|_| Filter::all());
        let description = format!("receiver {number} of the demonstration");
        let endpoint = Endpoint::new(webhooks.now(), url, events, description, demo::secret(number));
        return Ok(webhooks.store().add(&endpoint).await?);
    };
    if there.url != url || there.disabled.is_some() {
        let change = Wanted { url: Some(url), enabled: Some(true), ..Wanted::default() };
        webhooks.store().change(there.id, &change).await?;
    }
    Ok(())
}

pub(super) async fn page(webhooks: Webhooks, request: Request) -> Result<Response, Error> {
    let endpoints = webhooks.store().endpoints().await?;
    let message = match webhooks.store().latest().await? {
        Some(id) => webhooks.store().message(id).await?,
        None => None,
    };
    let told = message.as_ref().map(|(message, logged)| Told::of(message, logged, &endpoints));
    Ok(page::page(&request, &webhooks, told.as_ref()))
}

/// What happens, while it happens: `workers` first, then `change` by `change`. `lost` says that there were more than this
/// reader could take: it asks anew for what it shows.
pub(super) async fn live(webhooks: Webhooks, _: Request) -> Result<Response, Error> {
    let seat = Arc::clone(webhooks.watchers()).try_acquire_owned().map_err(|_| Error::Watchers)?;
    let (workers, circuits, mut changes) = webhooks.watch();
    let circuits = Change::Circuits { circuits };
    let (sender, response) = Response::sse_channel(EVENTS_WAITING);
    let stopping = webhooks.shutdown().clone();
    tokio::spawn(async move {
        let _seat = seat;
        let Ok(workers) = Event::json(&workers) else { return };
        if sender.send(workers.with_event("workers")).await.is_err() {
            return;
        }
        let mut next = Event::json(&circuits).map(|event| event.with_event("change"));
        while let Ok(event) = next {
            if sender.send(event).await.is_err() {
                return;
            }
            let change = tokio::select! {
                change = changes.recv() => change,
                () = sender.closed() => return,
                () = stopping.draining() => return,
            };
            next = match change {
                Ok(change) => Event::json(&*change).map(|event| event.with_event("change")),
                Err(RecvError::Lagged(_)) => Ok(Event::data("").with_event("lost")),
                Err(RecvError::Closed) => return,
            };
        }
    });
    Ok(response)
}

fn shown(endpoint: Option<Endpoint>) -> Result<Response, Error> {
    let endpoint = endpoint.ok_or(Error::NotFound("endpoint"))?;
    Ok(Success::new(Shown::of(&endpoint)).into_response())
}

impl Shown<'_> {
    fn of(endpoint: &Endpoint) -> Shown<'_> {
        Shown {
            id: endpoint.id,
            url: &endpoint.url,
            events: &endpoint.events,
            description: &endpoint.description,
            enabled: endpoint.disabled.is_none(),
            disabled: endpoint.disabled,
            failing_since: endpoint.failing_since,
            created_at: endpoint.created_at,
            previous_secret_until: endpoint.previous.first().map(|previous| previous.until),
            secret: None,
        }
    }
}

impl<'a> Told<'a> {
    fn of(message: &'a Message, logged: &'a [Logged], endpoints: &[Endpoint]) -> Told<'a> {
        let url = |id| endpoints.iter().find(|endpoint| endpoint.id == id).map(|endpoint| endpoint.url.to_string());
        let deliveries = logged.iter().map(|one| ToldDelivery::of(one, url(one.delivery.endpoint))).collect();
        Told { message, deliveries }
    }
}

impl ToldDelivery<'_> {
    fn of(logged: &Logged, url: Option<String>) -> ToldDelivery<'_> {
        let Logged { delivery, attempts } = logged;
        let last = delivery.last.as_ref();
        ToldDelivery {
            id: delivery.id,
            message: delivery.message,
            endpoint: delivery.endpoint,
            url,
            state: delivery.state,
            tries: delivery.tries,
            next_at: delivery.next_at,
            finished_at: delivery.finished_at,
            status: last.and_then(|attempt| attempt.status),
            latency_ms: last.map(|attempt| attempt.latency_ms),
            attempts,
        }
    }
}
