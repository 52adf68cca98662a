//! Owns one attempt: a signed POST, and what came of it.
//!
//! ```text
//!   Claimed ──sign──> POST ──try_time──> status (and Retry-After) │ why there is none
//!                                           └─ its content is read up to answer_bytes_max, and thrown away
//! ```
//!
//! The one idea: the status is the answer. What else a receiver says is read so that its connection can be used again, and kept
//! by nobody: a log of answers would read machines to whoever registers endpoints that he cannot reach himself. For the same
//! reason no error names an address.
//!
//! Spec: Standard Webhooks 1.0 ("Webhook headers"); RFC 9110 15.4 (a redirection is an answer like others: it is not followed).
//! Cancel safety: dropping an attempt closes its connection; the receiver may have taken it.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::app::webhooks::clock::Clock;
use crate::app::webhooks::domain::retry::retry_after;
use crate::app::webhooks::domain::signature::{self, sign};
use crate::app::webhooks::domain::{Attempt, ERROR_CHARS_MAX};
use crate::app::webhooks::store::Claimed;
use crate::http::client::public_only::NotPublic;
use crate::http::client::{Answer, Blame, Client, ClientError, Outgoing};

/// How long the rest of an answer is waited for.
const REST_TIME: Duration = Duration::from_millis(500);

/// What is told of a host that is not dialled.
const NOT_FOUND: &str = "the host cannot be found, or is not public";

/// Who sends, as receivers see it.
const USER_AGENT: &str = concat!("firstbyte-webhooks/", env!("CARGO_PKG_VERSION"));

/// Sends messages.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) try_time: Duration,
    pub(super) answer_bytes_max: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) attempt: Attempt,
    pub(super) retry_after: Option<Duration>,
    pub(super) health: Health,
    pub(super) took: Duration,
}

/// What it says of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers, if with a refusal: 404 is the endpoint's affair.
    Well,
    /// It does not answer, or says itself that it is not well.
    Ill,
    /// Nothing was asked of it.
    Unknown,
}

impl Sender {
    /// One attempt. It ends within `try_time` and within `left`, and [`REST_TIME`] for the rest of an answer.
    pub(super) async fn send(&self, claimed: &Claimed, left: Duration) -> Outcome {
        let (begun, at) = (Instant::now(), self.clock.now());
        let answered = self.client.send(self.request(claimed, at).within(self.try_time.min(left))).await;
        let took = begun.elapsed();
        let latency_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let (mut status, mut error, mut wait) = (None, None, None);
        let health = match answered {
            Ok(mut answer) => {
                status = Some(answer.status.code());
                wait = answer.field("Retry-After").and_then(|value| retry_after(value, at));
                let _ = timeout(REST_TIME, answer.collect_within(self.answer_bytes_max)).await;
                health(&answer)
            }
            Err(why) => {
                error = Some(words(&why));
                let is_ours = is_busy(&why) || why.blame() == Blame::Caller;
                if is_ours || is_private(&why) { Health::Unknown } else { Health::Ill }
            }
        };
        let attempt = Attempt { number: claimed.attempts + 1, at, status, latency_ms, error };
        Outcome { attempt, retry_after: wait, health, took }
    }

    fn request(&self, claimed: &Claimed, at: Timestamp) -> Outgoing {
        let Claimed { message, endpoint, .. } = claimed;
        let (id, seconds) = (message.id.to_string(), at.as_second());
        let signatures = sign(&endpoint.secrets(at), &id, seconds, &message.payload);
        Outgoing::post(endpoint.url.url(), message.payload.clone())
            .with("Content-Type", "application/json")
            .with("User-Agent", USER_AGENT)
            .with(signature::ID, id)
            .with(signature::TIMESTAMP, seconds.to_string())
            .with(signature::SIGNATURE, signatures)
    }
}

fn health(answer: &Answer) -> Health {
    match answer.status.code() {
        // 429 is said to one who asks too much, and the host may be that of many.
        500..=599 => Health::Ill,
        _ => Health::Well,
    }
}

fn is_private(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect(error) if NotPublic::of(error).is_some())
}

/// So many names are looked up that nobody knows of this one.
fn is_busy(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect(error) if error.kind() == io::ErrorKind::ResourceBusy)
}

fn is_not_found(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect(error) if error.kind() == io::ErrorKind::NotFound)
}

/// What is told of it, in a few words. Which of two it is would tell strangers what names there are inside.
fn words(error: &ClientError) -> String {
    if is_private(error) || is_not_found(error) {
        tracing::debug!(%error, "the host of a webhook is not dialled");
        return NOT_FOUND.to_owned();
    }
    error.to_string().chars().take(ERROR_CHARS_MAX).collect()
}
