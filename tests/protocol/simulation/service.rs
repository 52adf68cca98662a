//! Owns the handlers that the simulated clients ask, and notes when each begins and ends.
//!
//! Never: prints. A panic here is resumed, not raised, so that no hook writes thousands of back-traces.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use firstbyte::http::body::{BodyError, Source};
use firstbyte::http::{Body, Handler, IntoResponse, Problem, Request, Response, Status};
use tokio::time::sleep;

use super::journal::{Event, Journal, WORLD};
use super::message::{Call, Id, PIECES, Route, ink};

/// All routes of the simulation.
pub struct Service(pub Journal);

/// A handler at work, however it ends: by an answer, a panic, or by being dropped.
struct Work {
    journal: Journal,
    id: Id,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.journal.note(self.id.client, Event::HandlerEnds(self.id));
    }
}

impl Handler for Service {
    async fn handle(&self, request: Request) -> Response {
        let Some(call) = Call::parse(request.target_path()).filter(|call| call.id.client != 99) else {
            self.0.note(WORLD, Event::HandlerForeign);
            return Response::new(Status::NOT_FOUND);
        };
        let id = call.id;
        self.0.note(id.client, Event::HandlerBegins(id));
        let _work = Work { journal: self.0.clone(), id };
        // Whoever works for this peer elsewhere is told when it is gone: else this task is left.
        let context = request.context().clone();
        tokio::spawn(async move { context.cancelled().await });
        serve(call, request).await.with("Served", id.to_string())
    }
}

async fn serve(call: Call, mut request: Request) -> Response {
    let Call { route, id, bytes, pause_ms } = call;
    let pause = Duration::from_millis(pause_ms);
    match route {
        Route::Say => Response::text(ink(id, bytes)),
        Route::Last => Response::text(ink(id, bytes)).with_close(),
        Route::Slow | Route::Stuck => {
            sleep(pause).await;
            Response::text(ink(id, bytes))
        }
        Route::Stream => Response::text(streamed(ink(id, bytes), pause, false)),
        Route::Breaks => Response::text(streamed(ink(id, bytes), pause, true)),
        Route::Short => {
            let content = ink(id, bytes);
            let declared = Some(content.len() as u64 + 1);
            Response::text(Body::source(Pieces { pieces: pieces(content).into_iter(), fails: false, declared }))
        }
        Route::Panics => std::panic::resume_unwind(Box::new("as the simulation wants it")),
        Route::Echo => Response::text(request.into_content()),
        Route::Collect => match request.bytes().await {
            Ok(content) => Response::text(content),
            Err(rejection) => rejection.into_response(),
        },
        Route::Hide => {
            while let Some(Ok(_)) = request.content().next().await {}
            Response::text(ink(id, bytes))
        }
        Route::Ignore => Response::text(ink(id, bytes)),
        Route::First => match request.content().next().await {
            None | Some(Ok(_)) => Response::text(ink(id, bytes)),
            Some(Err(error)) => Problem::of_body(error).into_response(),
        },
        Route::Keep => {
            let mut content = request.into_content();
            tokio::spawn(async move {
                sleep(pause).await;
                while let Some(Ok(_)) = content.next().await {}
            });
            Response::text(ink(id, bytes))
        }
    }
}

/// `content` in [`PIECES`] with a pause before each; then the end, or a failure. Without a pause it comes from a source
/// that is never pending, else from a task.
fn streamed(content: Bytes, pause: Duration, fails: bool) -> Body {
    let mut pieces = pieces(content).into_iter();
    if pause.is_zero() {
        return Body::source(Pieces { pieces, fails, declared: None });
    }
    let (sender, body) = Body::channel(1);
    tokio::spawn(async move {
        loop {
            sleep(pause).await;
            match pieces.next() {
                Some(piece) => {
                    if sender.send(piece).await.is_err() {
                        return;
                    }
                }
                None if fails => return sender.fail("as the simulation wants it").await,
                None => return,
            }
        }
    });
    body
}

fn pieces(content: Bytes) -> Vec<Bytes> {
    let len = content.len().div_ceil(PIECES).max(1);
    (0..content.len()).step_by(len).map(|from| content.slice(from..content.len().min(from + len))).collect()
}

/// Pieces without waiting.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    fails: bool,
    /// What they say is still to come.
    declared: Option<u64>,
}

impl Source for Pieces {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(match self.pieces.next() {
            Some(piece) => {
                self.declared = self.declared.map(|left| left - piece.len() as u64);
                Some(Ok(piece))
            }
            None if self.fails => Some(Err(BodyError::Source("as the simulation wants it".into()))),
            None => None,
        })
    }

    fn length(&self) -> Option<u64> {
        self.declared
    }
}
