//! Owns the peer on tokio-tungstenite: an echo at `/ws`, and a room at `/room/{name}` in which every message goes to all.
//!
//! Its example for an echo is `read.forward(write)`: messages are written into its buffer, and flushed when no more can be
//! read. Here the same is done without the two halves, whose lock would cost something. Its defaults, but for TCP_NODELAY;
//! messages are not compressed, which the library cannot do. It has no rooms, so a broadcast channel of tokio makes them.
//!
//! By default it keeps 128 KiB for each connection to read into, and zeroes them before each read. With `--small` they are
//! the 4 KiB that its documentation advises for many connections. So it is two peers.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Messages that a member may be behind before it is closed.
const BEHIND_MAX: usize = 1024;

type Rooms = Arc<Mutex<HashMap<String, Sender<Message>>>>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let port =
        std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: ws-tungstenite PORT [--small]");
    let mut config = WebSocketConfig::default();
    if std::env::args().nth(2).is_some_and(|flag| flag == "--small") {
        config = config.read_buffer_size(4 * 1024);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let rooms = Rooms::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(serve(stream, config, rooms.clone()));
    }
}

async fn serve(stream: TcpStream, config: WebSocketConfig, rooms: Rooms) -> Result<(), Error> {
    let _ = stream.set_nodelay(true);
    let mut room = None;
    let look = |request: &Request, response: Response| {
        room = request.uri().path().strip_prefix("/room/").map(|name| join(&rooms, name));
        Ok(response)
    };
    let mut socket = accept_hdr_async_with_config(stream, look, Some(config)).await?;
    match room {
        None => poll_fn(|cx| poll_echo(&mut socket, cx)).await,
        Some(room) => member(socket, room).await,
    }
}

/// Echoes what there is, and flushes when there is no more.
fn poll_echo(socket: &mut WebSocketStream<TcpStream>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    loop {
        ready!(socket.poll_ready_unpin(cx))?;
        match socket.poll_next_unpin(cx) {
            Poll::Ready(Some(message)) => {
                let message = message?;
                if message.is_text() || message.is_binary() {
                    socket.start_send_unpin(message)?;
                }
            }
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => {
                ready!(socket.poll_flush_unpin(cx))?;
                return Poll::Pending;
            }
        }
    }
}

fn join(rooms: &Rooms, name: &str) -> Sender<Message> {
    let mut rooms = rooms.lock().expect("no panic with the lock held");
    rooms.entry(name.to_owned()).or_insert_with(|| broadcast::channel(BEHIND_MAX).0).clone()
}

async fn member(mut socket: WebSocketStream<TcpStream>, room: Sender<Message>) -> Result<(), Error> {
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(message) if message.is_text() || message.is_binary() => drop(room.send(message)),
                Some(_) => {}
                None => return Ok(()),
            },
            message = heard.recv() => match message {
                Ok(message) => socket.send(message).await?,
                // It is too far behind.
                Err(_) => return socket.close(None).await,
            },
        }
    }
}
