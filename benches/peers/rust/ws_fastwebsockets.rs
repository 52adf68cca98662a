//! Owns the peer on fastwebsockets: an echo at `/ws`, and a room at `/room/{name}` in which every message goes to all.
//!
//! As its own example for benchmarks does it: hyper for the handshake, `FragmentCollector`, vectored writes, a task that tokio
//! does not interrupt. But it runs on all cores, as the other peers do. The library has no rooms, so a broadcast channel of
//! tokio makes them; to read and to write at once its connection is split, which it calls unstable.
//!
//! It writes each message as it is encoded: for sixteen in flight there are sixteen writes. It has no deadlines.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Sender};
use tokio::task::unconstrained;

/// Messages that a member may be behind before it is closed.
const BEHIND_MAX: usize = 1024;

type Rooms = Arc<Mutex<HashMap<String, Room>>>;

/// Whether a message is text, and what it says.
type Room = Sender<(bool, Bytes)>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: ws-fastwebsockets PORT");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let rooms = Rooms::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let rooms = rooms.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request| answer(request, rooms.clone()));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

async fn answer(mut request: Request<Incoming>, rooms: Rooms) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let room = match request.uri().path() {
        "/ws" => None,
        path => match path.strip_prefix("/room/") {
            Some(name) => Some(join(&rooms, name)),
            None => return Ok(not_found()),
        },
    };
    let (response, upgraded) = upgrade(&mut request)?;
    tokio::spawn(unconstrained(async move {
        // That a connection ended in this way or that concerns nobody.
        let _ = match room {
            None => echo(upgraded).await,
            Some(room) => member(upgraded, room).await,
        };
    }));
    Ok(response)
}

fn not_found() -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    socket.set_writev(true);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

fn join(rooms: &Rooms, name: &str) -> Room {
    let mut rooms = rooms.lock().expect("no panic with the lock held");
    rooms.entry(name.to_owned()).or_insert_with(|| broadcast::channel(BEHIND_MAX).0).clone()
}

async fn member(upgraded: UpgradeFut, room: Room) -> Result<(), WebSocketError> {
    let mut heard = room.subscribe();
    let (socket, mut out) = upgraded.await?.split(tokio::io::split);
    let mut socket = FragmentCollectorRead::new(socket);
    let reads = async {
        loop {
            // Pings are left unanswered: the load client sends none, and the other half is at work.
            let frame = socket.read_frame::<_, WebSocketError>(&mut |_| async { Ok(()) }).await?;
            match frame.opcode {
                OpCode::Close => return Ok(()),
                OpCode::Text | OpCode::Binary => {
                    let _ = room.send((frame.opcode == OpCode::Text, Bytes::copy_from_slice(&frame.payload)));
                }
                _ => {}
            }
        }
    };
    let writes = async {
        // An error: it is too far behind.
        while let Ok((is_text, message)) = heard.recv().await {
            let opcode = if is_text { OpCode::Text } else { OpCode::Binary };
            out.write_frame(Frame::new(true, opcode, None, Payload::Borrowed(&message))).await?;
        }
        Ok(())
    };
    let ended: Result<(), WebSocketError> = tokio::select! {
        ended = reads => ended,
        ended = writes => ended,
    };
    ended?;
    out.write_frame(Frame::close(1000, b"")).await
}
