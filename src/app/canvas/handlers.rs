//! Owns the answers of the canvas: the list of rooms, a room's page and picture, and the WebSocket of a member.
//!
//! The one idea: a member's task is a loop of two lines. It waits for the next message and does it; whatever ends the loop, the
//! place in the room is dropped with it.
//!
//! Spec: RFC 6455 7.4.1 (close codes); RFC 9110 8.8.3 (ETag), 12.5.1 (Accept).
//! Never: makes a room for somebody who only looks.
//! Limits: [`HELLO_TIME`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::app::canvas::domain::{RoomName, SIDE};
use crate::app::canvas::protocol::{FromClient, Hello, Malformed};
use crate::app::canvas::room::Summary;
use crate::app::canvas::rooms::{Canvas, NoPlace, Seated};
use crate::app::canvas::seat::Misbehaved;
use crate::app::canvas::{PREFIX, page as pages, picture};
use crate::app::page::{self, Address, Wanted};
use crate::http::field::name;
use crate::http::{Fault, Problem, Rejection, Request, Response, Status};
use crate::ws::{self, CloseCode, Message, Overflow, Socket};

/// How long the first message may take.
pub const HELLO_TIME: Duration = Duration::from_secs(5);

/// A room, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    room: &'a str,
    members: usize,
    epoch: u32,
    seq: u32,
}

/// `GET /canvas`
pub(super) async fn list(canvas: Canvas, request: Request) -> Response {
    let rooms = canvas.rooms();
    page::negotiated(match page::wanted(&request) {
        Wanted::Html => Response::html(pages::list(&rooms)),
        Wanted::Json => Response::json(&rooms.iter().map(|(name, room)| Shown::of(name, room)).collect::<Vec<_>>()),
        Wanted::Text => Response::text(list_text(&rooms, &Address::of(&request))),
    })
}

/// `GET /canvas/{room}`
pub(super) async fn room(canvas: Canvas, request: Request) -> Result<Response, Rejection> {
    let name = room_name(&request)?;
    let room = canvas.find(&name).map(|room| room.summary());
    Ok(page::negotiated(match page::wanted(&request) {
        Wanted::Html => Response::html(pages::room(&name)),
        Wanted::Json => Response::json(&Shown::of(&name, &room.unwrap_or_default())),
        Wanted::Text => Response::text(room_text(&name, room, &Address::of(&request))),
    }))
}

/// `GET /canvas/{room}/snapshot.png`. The router compares the tag with those that the client has.
pub(super) async fn snapshot(canvas: Canvas, request: Request) -> Result<Response, Rejection> {
    let name = room_name(&request)?;
    let Some(grid) = canvas.grid(&name).await.map_err(Problem::internal)? else {
        let detail = format!("nobody is in the room {name}, and nothing is kept of it");
        return Err(Problem::new(Fault::NotFound).with_detail(detail).into());
    };
    let tag = grid.fingerprint();
    let png = picture::png(grid.colours()).map_err(Problem::internal)?;
    let response = page::guarded(Response::new(Status::OK).with_content("image/png", png));
    Ok(response.with(name::ETAG, format!("\"{tag:016x}\"")).with(name::CACHE_CONTROL, "no-cache"))
}

/// `GET /canvas/{room}/ws`
pub(super) async fn join(canvas: Canvas, request: Request) -> Result<Response, Rejection> {
    let name = room_name(&request)?;
    let address = request.client();
    let config = canvas.config().socket.clone();
    Ok(ws::upgrade(&request, &config, move |socket| member(canvas, name, address, socket)))
}

fn room_name(request: &Request) -> Result<RoomName, Rejection> {
    let name: String = request.path("room")?;
    RoomName::parse(&name).map_err(|wrong| {
        Problem::new(Fault::InvalidPathParameter).with_field("room").with_detail(wrong.to_string()).into()
    })
}

/// A member, from its first message to its last.
async fn member(canvas: Canvas, name: RoomName, address: IpAddr, mut socket: Socket) {
    if let Err(end) = take_part(&canvas, &name, address, &mut socket).await {
        let (code, reason) = end.told();
        socket.close(code, &reason);
    }
}

/// Why the server ends a membership.
enum End {
    NoHello,
    NotBinary,
    NoPlace(NoPlace),
    Misbehaved(Misbehaved),
}

async fn take_part(canvas: &Canvas, name: &RoomName, address: IpAddr, socket: &mut Socket) -> Result<(), End> {
    let Some(hello) = hello(socket).await? else { return Ok(()) };
    let sender = Arc::new(socket.sender(Overflow::Wait));
    let counted = canvas.prepare(name, address).await.map_err(End::NoPlace)?;
    let mut seated: Seated = canvas.join(name, counted, sender, &hello).map_err(End::NoPlace)?;
    while let Some(message) = socket.next().await {
        seated.seat().take(binary(&message)?).map_err(End::Misbehaved)?;
    }
    Ok(())
}

/// The first message; `None` when the peer has left without one.
async fn hello(socket: &mut Socket) -> Result<Option<Hello>, End> {
    let first = timeout(HELLO_TIME, socket.next()).await.map_err(|_| End::NoHello)?;
    let Some(first) = first else { return Ok(None) };
    match FromClient::parse(binary(&first)?) {
        Ok(FromClient::Hello(hello)) => Ok(Some(hello)),
        Ok(_) => Err(End::NoHello),
        Err(malformed) => Err(End::Misbehaved(Misbehaved::Malformed(malformed))),
    }
}

fn binary(message: &Message) -> Result<&[u8], End> {
    if let Message::Binary(bytes) = message { Ok(bytes) } else { Err(End::NotBinary) }
}

impl End {
    /// What the peer is told.
    fn told(&self) -> (CloseCode, String) {
        match self {
            End::NoHello => (CloseCode::POLICY, "the first message is Hello, within 5 s".to_owned()),
            End::NotBinary => (CloseCode::UNSUPPORTED, "messages are binary here".to_owned()),
            End::NoPlace(why) => (CloseCode::TRY_AGAIN_LATER, why.to_string()),
            End::Misbehaved(Misbehaved::Malformed(malformed)) => (CloseCode::POLICY, Malformed::to_string(malformed)),
            End::Misbehaved(Misbehaved::SecondHello) => (CloseCode::POLICY, "Hello is said once".to_owned()),
            End::Misbehaved(Misbehaved::Insists) => (CloseCode::POLICY, "too fast, and told so before".to_owned()),
        }
    }
}

impl<'a> Shown<'a> {
    fn of(name: &'a RoomName, room: &Summary) -> Shown<'a> {
        Shown { room: name.as_str(), members: room.members, epoch: room.at.epoch, seq: room.at.seq }
    }
}

fn list_text(rooms: &[(RoomName, Summary)], address: &Address) -> String {
    let mut text = "The canvas: pixel grids that everybody in a room draws on at once.\n\n".to_owned();
    for (name, room) in rooms {
        text += &format!("  {name}  members {}\n", room.members);
    }
    if rooms.is_empty() {
        text += "  There is no room yet: the first member makes one.\n";
    }
    text + &address.fill("\nopen     http://{at}/canvas/lobby in a browser\n")
}

fn room_text(name: &RoomName, room: Option<Summary>, address: &Address) -> String {
    let state = match room {
        Some(room) => format!("members {}, {} deltas so far (epoch {})", room.members, room.at.seq, room.at.epoch),
        None => "nobody is here".to_owned(),
    };
    let lines = format!(
        "The canvas, room {name}: {SIDE} by {SIDE} pixels, {state}\n\n\
         draw     http://{{at}}{PREFIX}/{name} in a browser\n\
         look     curl -s http://{{at}}{PREFIX}/{name}/snapshot.png -o {name}.png\n\
         join     ws://{{at}}{PREFIX}/{name}/ws, subprotocol canvas.1\n"
    );
    address.fill(&lines)
}
