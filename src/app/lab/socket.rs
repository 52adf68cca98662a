//! Owns the lab's WebSockets: one that echoes, and rooms in which every message goes to all members.
//!
//! The one idea: a message to a room is encoded once, and every member's queue gets a count of it.
//!
//! ```text
//!   GET /ws            text or binary ──> the same back
//!   GET /room/{name}   text or binary ──Prepared──> the queue of every member, the sender's too
//! ```
//!
//! Spec: RFC 6455.
//! Never: waits for a member that does not read: when its queue is full it is closed with 1013 and must come again.
//! Limits: [`MESSAGE_BYTES_MAX`], [`ROOMS_MAX`], [`ROOM_NAME_BYTES_MAX`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{MESSAGE_BYTES_MAX, ROOM_NAME_BYTES_MAX, ROOMS_MAX, refused};
use crate::http::{Fault, Rejection, Request, Response};
use crate::net::lock::lock;
use crate::ws::{self, Config, Limits, Origins, Overflow, Prepared, Sender, Socket};

/// `GET /ws`: what comes goes back.
pub(super) async fn echo(request: Request) -> Response {
    ws::upgrade(&request, &config(), |mut socket: Socket| async move {
        while let Some(message) = socket.next().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

/// `GET /room/{name}`: what one member says, all hear.
pub(super) async fn room(rooms: Rooms, request: Request) -> Result<Response, Rejection> {
    let name: String = request.path("name")?;
    if name.len() > ROOM_NAME_BYTES_MAX {
        let detail = format!("a room's name has at most {ROOM_NAME_BYTES_MAX} bytes");
        return Err(refused(Fault::InvalidPathParameter, "name", detail));
    }
    Ok(ws::upgrade(&request, &config(), |mut socket: Socket| async move {
        let Some(member) = rooms.join(name, socket.sender(Overflow::Close)) else {
            return socket.close(ws::CloseCode::TRY_AGAIN_LATER, "too many rooms are open");
        };
        while let Some(message) = socket.next().await {
            member.tell_all(&Prepared::new(message));
        }
    }))
}

/// Testers send large messages, many fragments and many pings, from any page.
fn config() -> Config {
    let limits =
        Limits { frame_bytes_max: MESSAGE_BYTES_MAX as u64, message_bytes_max: MESSAGE_BYTES_MAX, ..Limits::default() };
    Config { limits, origins: Origins::Any, ..Config::default() }
}

/// All rooms. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Arc<Mutex<HashMap<String, Arc<Room>>>>);

#[derive(Debug, Default)]
struct Room {
    members: Mutex<Vec<(u64, Sender)>>,
}

/// A place in a room. Dropping it leaves.
struct Member {
    rooms: Rooms,
    name: String,
    room: Arc<Room>,
    number: u64,
}

impl Rooms {
    /// Takes a place in the room called `name`, unless there are too many rooms to open it.
    fn join(&self, name: String, sender: Sender) -> Option<Member> {
        let mut rooms = lock(&self.0);
        if rooms.len() >= ROOMS_MAX && !rooms.contains_key(&name) {
            return None;
        }
        let room = Arc::clone(rooms.entry(name.clone()).or_default());
        let mut members = lock(&room.members);
        let number = members.last().map_or(0, |(last, _)| last + 1);
        members.push((number, sender));
        drop(members);
        Some(Member { rooms: self.clone(), name, room, number })
    }
}

impl Member {
    fn tell_all(&self, message: &Prepared) {
        for (_, sender) in &*lock(&self.room.members) {
            // Who takes no more is being closed, and leaves by itself.
            let _ = sender.try_send(message.clone());
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut rooms = lock(&self.rooms.0);
        let mut members = lock(&self.room.members);
        // Numbers ascend.
        if let Ok(at) = members.binary_search_by_key(&self.number, |(number, _)| *number) {
            members.remove(at);
        }
        if members.is_empty() {
            rooms.remove(&self.name);
        }
    }
}
