//! Whole rooms under a paused clock, with members that are queues: who joins when, who reads when, who has vanished.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::CanvasConfig;
use super::domain::{Colour, PLACES, Place, RoomName};
use super::member::{BEHIND_TIME, Peer, QUEUED_BYTES_MAX, RESYNCS_MAX, RESYNCS_TIME};
use super::protocol::{FromClient, FromServer, Hello, MemberId, Position, Stroke, Token, Welcome};
use super::room::{REMEMBERED_TIME, TICK};
use super::rooms::{Canvas, NoPlace, Seated};
use super::seat::Misbehaved;
use super::upkeep::EMPTY_TIME;
use crate::http::test::call;
use crate::http::{Request, Router};
use crate::net::lock::lock;
use crate::ws::{CloseCode, Prepared};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The receiving side of a member, in place of a socket.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: Vec<Prepared>,
    closed: Option<CloseCode>,
    /// Whether it takes nothing.
    is_full: bool,
    /// The most bytes that have ever waited.
    peak: usize,
}

impl Queue {
    fn bytes(state: &State) -> usize {
        state.messages.iter().map(|message| message.frame().len()).sum()
    }
}

impl Peer for Queue {
    fn try_send(&self, message: Prepared) -> bool {
        let mut state = lock(&self.state);
        if state.is_full {
            return false;
        }
        state.messages.push(message);
        state.peak = state.peak.max(Queue::bytes(&state));
        true
    }

    fn queued_bytes(&self) -> usize {
        let state = lock(&self.state);
        Queue::bytes(&state) + usize::from(state.is_full)
    }

    fn cut(&self, code: CloseCode, _: &str) {
        lock(&self.state).closed.get_or_insert(code);
    }
}

/// A client that believes what it is told, and notices when that has a gap.
struct Client {
    queue: Arc<Queue>,
    seated: Seated,
    welcome: Option<Welcome>,
    at: Position,
    colours: Box<[Colour; PLACES]>,
    seen: Vec<&'static str>,
    members: u32,
    cursors: BTreeSet<MemberId>,
}

impl Client {
    /// Joins, and reads what it is told at once.
    fn join(canvas: &Canvas, room: &str) -> Client {
        Client::join_as(canvas, room, Hello::default())
    }

    fn join_as(canvas: &Canvas, room: &str, hello: Hello) -> Client {
        Client::join_with(canvas, room, hello, Box::new([Colour::BLANK; PLACES]))
    }

    fn join_with(canvas: &Canvas, room: &str, hello: Hello, colours: Box<[Colour; PLACES]>) -> Client {
        let queue = Arc::new(Queue::default());
        let peer = Arc::clone(&queue) as Arc<dyn Peer>;
        let seated =
            canvas.count(HERE).and_then(|counted| canvas.join(&name(room), counted, peer, &hello)).expect("a place");
        let (at, seen, cursors) = (hello.has.unwrap_or_default(), Vec::new(), BTreeSet::new());
        let mut client = Client { queue, seated, welcome: None, at, colours, seen, members: 0, cursors };
        client.read();
        client
    }

    /// Leaves, and comes back with what it knows.
    fn reconnect(self, canvas: &Canvas, room: &str) -> Client {
        let hello = Hello { token: Some(self.token()), has: Some(self.at) };
        let Client { seated, colours, .. } = self;
        drop(seated);
        Client::join_with(canvas, room, hello, colours)
    }

    fn token(&self) -> Token {
        self.welcome.as_ref().expect("a Welcome").token
    }

    fn say(&mut self, message: &FromClient<'_>) -> Result<(), Misbehaved> {
        self.seated.seat().take(&message.encode())
    }

    fn draw(&mut self, colour: u8, points: &[[u8; 2]]) {
        let stroke = Stroke::new(false, false, Colour::of_low_bits(colour), points).expect("a stroke");
        self.say(&FromClient::Stroke(stroke)).expect("taken");
    }

    /// Reads everything that waits. What it has read, by kind.
    fn read(&mut self) -> Vec<&'static str> {
        let messages = std::mem::take(&mut lock(&self.queue.state).messages);
        let kinds: Vec<_> = messages.iter().map(|message| self.take(message.message().as_bytes())).collect();
        self.seen.extend(&kinds);
        kinds
    }

    fn take(&mut self, message: &[u8]) -> &'static str {
        match FromServer::parse(message).expect("a message") {
            FromServer::Welcome(welcome) => {
                assert!(self.welcome.replace(welcome).is_none(), "one is enough");
                "welcome"
            }
            FromServer::Snapshot(at, colours) => {
                (self.at, self.colours) = (at, colours);
                "snapshot"
            }
            FromServer::Delta(seq, runs) => {
                assert_eq!(seq, self.at.seq + 1, "a gap, or one twice");
                self.at.seq = seq;
                for (place, run) in runs {
                    self.colours[place.index()..][..run.count].fill(run.colour);
                }
                "delta"
            }
            FromServer::Presence { members, cursors } => {
                self.members = members;
                self.cursors = cursors.iter().map(|cursor| cursor.member).collect();
                "presence"
            }
            FromServer::Notice(code, _) => ["", "too fast", "nothing to undo", "too slow"][usize::from(code)],
        }
    }

    fn colour(&self, x: u8, y: u8) -> u8 {
        self.colours[super::domain::Point { x, y }.place().index()].index()
    }

    fn closed(&self) -> Option<CloseCode> {
        lock(&self.queue.state).closed
    }

    #[track_caller]
    fn check_sees_all(&self, canvas: &Canvas, room: &str) {
        let room = canvas.find(&name(room)).expect("the room");
        let differs = room
            .ground(|ground| Place::all().find(|place| ground.grid().colour(*place) != self.colours[place.index()]));
        assert_eq!(differs, None);
        assert_eq!(room.summary().at, self.at);
    }
}

fn name(room: &str) -> RoomName {
    RoomName::parse(room).expect("a name")
}

fn canvas() -> Canvas {
    Canvas::new(CanvasConfig::default(), None, None)
}

/// Long enough for a tick, and the pause behind it.
async fn a_tick() {
    sleep(TICK * 2).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_amid_drawing_misses_nothing_and_gets_nothing_twice() {
    let canvas = canvas();
    let mut random = fastrand::Rng::with_seed(5);
    let mut clients = vec![Client::join(&canvas, "lobby")];
    for _ in 0..300 {
        let drawer = random.usize(..clients.len());
        let points = [(); 3].map(|()| [random.u8(..), random.u8(..)]);
        match random.u8(..10) {
            0 => clients.push(Client::join(&canvas, "lobby")),
            1 => {
                let gone = clients.swap_remove(drawer);
                clients.push(gone.reconnect(&canvas, "lobby"));
            }
            2 => clients[drawer].say(&FromClient::Undo).expect("taken"),
            _ => clients[drawer].draw(random.u8(..32), &points),
        }
        if random.bool() {
            sleep(Duration::from_millis(random.u64(..80))).await;
        }
        for client in &mut clients {
            if random.bool() {
                client.read();
            }
        }
    }
    a_tick().await;
    for client in &mut clients {
        client.read();
        client.check_sees_all(&canvas, "lobby");
        assert_eq!(client.closed(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn strokes_of_a_tick_are_one_message_and_an_idle_room_is_silent() {
    let canvas = canvas();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::join(&canvas, "lobby")).collect();
    a_tick().await;
    clients.iter_mut().for_each(|client| drop(client.read()));
    sleep(Duration::from_secs(3_600)).await;
    for client in &mut clients {
        assert!(client.read().is_empty(), "an hour of silence");
    }
    clients[0].draw(1, &[[0, 0]]);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(clients[1].read(), ["delta"], "the first stroke after a pause goes at once");
    for step in 0..10 {
        clients[step % 2].draw(2, &[[step as u8, 1]]);
        sleep(Duration::from_millis(1)).await;
    }
    a_tick().await;
    assert_eq!(clients[2].read(), ["delta", "delta"]);
    clients[2].check_sees_all(&canvas, "lobby");
    let [one, other] = [0, 1].map(|client: usize| {
        let state = lock(&clients[client].queue.state);
        state.messages.last().expect("a delta").frame().as_ptr()
    });
    assert_eq!(one, other, "encoded once, for all");
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_resumes_with_exactly_what_is_missing() {
    let canvas = canvas();
    let mut other = Client::join(&canvas, "lobby");
    let mut client = Client::join(&canvas, "lobby");
    client.draw(1, &[[1, 1]]);
    a_tick().await;
    client.read();
    let (token, at) = (client.token(), client.at);
    drop(client.seated);
    for x in 0..5 {
        other.draw(2, &[[x, 2]]);
        a_tick().await;
    }
    let hello = Hello { token: Some(token), has: Some(at) };
    let back = Client::join_as(&canvas, "lobby", hello);
    assert_eq!(back.seen, ["welcome", "delta", "delta", "delta", "delta", "delta"]);
    let told = back.welcome.clone().expect("a Welcome");
    assert!(told.resumed && told.known && told.token == token);
    // From another life of the room, from the future, or without anything.
    let never = [
        Some(Position { epoch: at.epoch ^ 1, seq: at.seq }),
        Some(Position { seq: at.seq + 6, ..at }),
        Some(Position { seq: u32::MAX, ..at }),
        None,
    ];
    for has in never {
        let new = Client::join_as(&canvas, "lobby", Hello { token: None, has });
        assert_eq!(new.seen, ["welcome", "snapshot"], "{has:?}");
        new.check_sees_all(&canvas, "lobby");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_read_is_closed_and_others_never_notice() {
    let canvas = canvas();
    let mut drawer = Client::join(&canvas, "lobby");
    let mut reader = Client::join(&canvas, "lobby");
    let stuck = Client::join(&canvas, "lobby");
    let mut random = fastrand::Rng::with_seed(5);
    let (mut ticks, mut behind, mut until_closed) = (0, 0, 0);
    while until_closed == 0 {
        let points = [(); 8].map(|()| [random.u8(..), random.u8(..)]);
        drawer.draw(random.u8(..32), &points);
        sleep(Duration::from_millis(100)).await;
        drawer.read();
        assert!(reader.read().contains(&"delta"), "tick {ticks}");
        ticks += 1;
        let state = lock(&stuck.queue.state);
        behind += u32::from(Queue::bytes(&state) > QUEUED_BYTES_MAX);
        until_closed = if state.closed.is_some() { ticks } else { 0 };
    }
    assert_eq!(stuck.closed(), Some(CloseCode::TRY_AGAIN_LATER));
    assert!(Duration::from_millis(100) * behind <= BEHIND_TIME + Duration::from_millis(300), "{behind}");
    assert!(lock(&stuck.queue.state).peak <= QUEUED_BYTES_MAX + PLACES, "what waits is bounded");
    reader.check_sees_all(&canvas, "lobby");
    assert!(!reader.seen.contains(&"too slow") && reader.seen.iter().filter(|kind| **kind == "snapshot").count() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_reads_late_gets_a_snapshot_and_goes_on() {
    let canvas = canvas();
    let mut drawer = Client::join(&canvas, "lobby");
    let mut late = Client::join(&canvas, "lobby");
    let mut random = fastrand::Rng::with_seed(5);
    for round in 1..=2 {
        while late.queue.queued_bytes() <= QUEUED_BYTES_MAX {
            let points: Vec<[u8; 2]> = (0..4_000).map(|_| [random.u8(..), random.u8(..)]).collect();
            let stroke = Stroke::new(false, true, Colour::of_low_bits(random.u8(..)), &points).expect("a stroke");
            drawer.say(&FromClient::Stroke(stroke)).expect("taken");
            sleep(Duration::from_millis(500)).await;
            drawer.read();
        }
        drawer.draw(1, &[[0, 0]]);
        a_tick().await;
        late.read();
        a_tick().await;
        assert!(late.read().starts_with(&["too slow", "snapshot"]), "round {round}");
        late.check_sees_all(&canvas, "lobby");
        assert_eq!(late.closed(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_falls_behind_again_and_again_is_closed() {
    let canvas = canvas();
    let mut drawer = Client::join(&canvas, "lobby");
    let mut late = Client::join(&canvas, "lobby");
    let mut fall_behind = async |late: &mut Client, x: u8| {
        lock(&late.queue.state).is_full = true;
        drawer.draw(1, &[[x, 0]]);
        a_tick().await;
        lock(&late.queue.state).is_full = false;
        late.read();
        a_tick().await;
        late.read()
    };
    for x in 0..RESYNCS_MAX as u8 {
        assert!(fall_behind(&mut late, x).await.starts_with(&["too slow", "snapshot"]), "{x}");
        late.check_sees_all(&canvas, "lobby");
    }
    sleep(RESYNCS_TIME).await;
    for x in 0..RESYNCS_MAX as u8 {
        assert!(fall_behind(&mut late, x).await.starts_with(&["too slow", "snapshot"]), "after a minute");
    }
    assert_eq!(late.closed(), None);
    assert!(fall_behind(&mut late, 0).await.is_empty());
    assert_eq!(late.closed(), Some(CloseCode::TRY_AGAIN_LATER));
}

#[tokio::test(start_paused = true)]
async fn who_draws_too_fast_is_told_corrected_and_in_the_end_closed() {
    let canvas = canvas();
    let mut client = Client::join(&canvas, "lobby");
    a_tick().await;
    client.read();
    let row: Vec<[u8; 2]> = (0..8).flat_map(|y| [[0, y], [255, y]]).collect();
    let stroke = Stroke::new(false, false, Colour::of_low_bits(3), &row).expect("a stroke");
    let says = |client: &mut Client| client.say(&FromClient::Stroke(stroke));
    let taken = (0..).take_while(|_| {
        says(&mut client).expect("taken or refused");
        lock(&client.queue.state).messages.is_empty()
    });
    let taken = taken.count();
    assert_eq!(client.read(), ["too fast"]);
    a_tick().await;
    assert!(client.read().contains(&"snapshot"), "what it drew ahead is corrected");
    client.check_sees_all(&canvas, "lobby");
    assert!((3..10).contains(&taken), "{taken}");
    let refused = (0..).take_while(|_| says(&mut client).is_ok()).take(1_000).count();
    assert!(refused < 200, "{refused}");
    assert_eq!(says(&mut client), Err(Misbehaved::Insists));
}

#[tokio::test(start_paused = true)]
async fn strokes_are_taken_back_by_whoever_has_the_token_for_a_minute() {
    let canvas = canvas();
    let mut other = Client::join(&canvas, "lobby");
    let mut client = Client::join(&canvas, "lobby");
    client.draw(1, &[[1, 1]]);
    client.draw(2, &[[2, 2]]);
    a_tick().await;
    client.read();
    let mut client = client.reconnect(&canvas, "lobby");
    client.say(&FromClient::Undo).expect("taken");
    a_tick().await;
    other.read();
    assert_eq!((other.colour(1, 1), other.colour(2, 2)), (1, 0));
    let token = Some(client.token());
    drop(client.seated);
    sleep(REMEMBERED_TIME - Duration::from_secs(1)).await;
    let back = Client::join_as(&canvas, "lobby", Hello { token, has: None });
    assert!(back.welcome.as_ref().is_some_and(|welcome| welcome.known));
    drop(back.seated);
    sleep(REMEMBERED_TIME).await;
    let mut late = Client::join_as(&canvas, "lobby", Hello { token, has: None });
    assert!(late.welcome.as_ref().is_some_and(|welcome| !welcome.known && Some(welcome.token) != token));
    late.say(&FromClient::Undo).expect("taken");
    assert_eq!(late.read(), ["nothing to undo"]);
}

#[tokio::test(start_paused = true)]
async fn two_connections_may_have_one_token_and_nobody_undoes_for_others() {
    let canvas = canvas();
    let mut first = Client::join(&canvas, "lobby");
    first.draw(1, &[[1, 1]]);
    let mut second = Client::join_as(&canvas, "lobby", Hello { token: Some(first.token()), has: None });
    let mut stranger = Client::join_as(&canvas, "lobby", Hello { token: Some(Token([7; 16])), has: None });
    assert_ne!(stranger.token(), Token([7; 16]), "a token is given, not chosen");
    stranger.say(&FromClient::Undo).expect("taken");
    drop(first.seated);
    second.say(&FromClient::Undo).expect("taken");
    a_tick().await;
    second.read();
    assert_eq!(second.colour(1, 1), 0);
}

#[tokio::test(start_paused = true)]
async fn others_are_seen_and_those_who_are_busy_see_them_later() {
    let canvas = canvas();
    let mut one = Client::join(&canvas, "lobby");
    let mut busy = Client::join(&canvas, "lobby");
    a_tick().await;
    one.read();
    assert_eq!((one.members, one.cursors.len()), (2, 0));
    let at = super::domain::Point { x: 3, y: 4 };
    one.say(&FromClient::Cursor(at)).expect("taken");
    a_tick().await;
    one.say(&FromClient::Cursor(at)).expect("taken");
    a_tick().await;
    let member = one.welcome.as_ref().expect("a Welcome").member;
    assert_eq!(busy.read(), ["presence"], "one waited, so the next were left out");
    a_tick().await;
    busy.read();
    assert_eq!((busy.members, &busy.cursors), (2, &BTreeSet::from([member])), "and the last is made up for");
    one.say(&FromClient::Hide).expect("taken");
    a_tick().await;
    busy.read();
    assert!(busy.cursors.is_empty());
    one.say(&FromClient::Cursor(at)).expect("taken");
    drop(one.seated);
    a_tick().await;
    busy.read();
    assert_eq!((busy.members, busy.cursors.len()), (1, 0), "who has left points nowhere");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_members_that_vanish_leave_nothing_behind() {
    let canvas = canvas();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut stays = Client::join(&canvas, "lobby");
    a_tick().await;
    let before = tasks();
    let vanishing = |room: &str| {
        let peer = Arc::new(Queue::default());
        let counted = canvas.count(HERE).expect("this machine");
        canvas.join(&name(room), counted, peer, &Hello::default()).expect("a place")
    };
    for batch in 0..100_u64 {
        let mut members: Vec<Seated> = (0..99).map(|_| vanishing("lobby")).collect();
        members.push(vanishing(&format!("room-{batch}")));
        for (at, member) in (0..).zip(&mut members).filter(|(at, _)| at % 3 == 0) {
            let points = [[at, batch as u8]];
            let stroke = Stroke::new(false, false, Colour::of_low_bits(1), &points).expect("a stroke");
            let pointing = FromClient::Cursor(super::domain::Point { x: at, y: at });
            for message in [FromClient::Stroke(stroke), pointing] {
                member.seat().take(&message.encode()).expect("taken");
            }
        }
        drop(members);
        sleep(Duration::from_millis(batch % 60)).await;
        stays.read();
    }
    sleep(REMEMBERED_TIME + EMPTY_TIME).await;
    stays.read();
    stays.check_sees_all(&canvas, "lobby");
    assert_eq!((stays.members, stays.cursors.len()), (1, 0));
    let room = canvas.find(&name("lobby")).expect("the room");
    assert_eq!(room.left_behind(), (1, 1, 0), "members, people, those who left");
    assert_eq!(canvas.undo_pixels_left(), CanvasConfig::default().undo_pixels_max);
    assert!(canvas.rooms().len() <= CanvasConfig::default().rooms_max);
    assert_eq!(tasks() - before, canvas.rooms().len() - 1, "a task for each room that is kept");
    assert_eq!(canvas.addresses(), 0);
}

#[tokio::test(start_paused = true)]
async fn rooms_members_and_addresses_are_bounded() {
    let config = CanvasConfig { rooms_max: 2, members_max: 3, members_per_address_max: 2, ..CanvasConfig::default() };
    let canvas = Canvas::new(config, None, None);
    let address = |last| IpAddr::V4(Ipv4Addr::new(203, 0, 113, last));
    let join = |room: &str, last| {
        let counted = canvas.count(address(last))?;
        canvas.join(&name(room), counted, Arc::new(Queue::default()), &Hello::default())
    };
    let seats: Vec<_> = [1, 1, 2].into_iter().map(|last| join("a", last).expect("a place")).collect();
    assert_eq!(join("a", 1).err(), Some(NoPlace::AddressFull));
    assert_eq!(join("a", 3).err(), Some(NoPlace::RoomFull));
    let other = join("b", 3).expect("a place");
    assert_eq!(join("c", 4).err(), Some(NoPlace::NoRoom));
    drop(other);
    join("c", 4).map(drop).expect("the empty room made place");
    assert_eq!(canvas.rooms().iter().map(|(name, _)| name.as_str().to_owned()).collect::<Vec<_>>(), ["a", "c"]);
    drop(seats);
    assert_eq!(canvas.addresses(), 0);
    sleep(EMPTY_TIME + TICK * 3).await;
    assert!(canvas.rooms().is_empty(), "nothing was drawn, so nothing is lost");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drawing_outlives_its_members_until_its_place_is_needed() {
    let canvas = Canvas::new(CanvasConfig { rooms_max: 2, ..CanvasConfig::default() }, None, None);
    let mut artist = Client::join(&canvas, "drawn");
    artist.draw(5, &[[7, 7]]);
    drop(artist.seated);
    drop(Client::join(&canvas, "blank").seated);
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!(Client::join(&canvas, "drawn").colour(7, 7), 5);
    drop(Client::join(&canvas, "blank").seated);
    let other = Client::join(&canvas, "other");
    assert_eq!(Client::join(&canvas, "drawn").colour(7, 7), 5, "the blank one made place");
    drop(Client::join(&canvas, "one-more").seated);
    assert_eq!(Client::join(&canvas, "drawn").colour(7, 7), 0, "and then the one that was drawn on");
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn pages_and_pictures_say_what_is_there_and_make_no_room() {
    let canvas = canvas();
    let routes = super::routes(Router::new(()), canvas.clone()).build().expect("routes");
    let ask = async |target: &str, accept: &str| call(&routes, Request::get(target).with("Accept", accept)).await;
    for (target, status) in [
        ("/canvas", 200),
        ("/canvas/lobby", 200),
        ("/canvas/lobby/snapshot.png", 404),
        ("/canvas/lobby/ws", 426),
        ("/canvas/Lobby", 400),
        ("/canvas/a%2Fb", 400),
        ("/canvas/%3Cscript%3E", 400),
        ("/canvas/../lobby", 404),
        ("/canvas/lobby/", 404),
    ] {
        for accept in ["text/html", "application/json", "*/*"] {
            assert_eq!(ask(target, accept).await.status.code(), status, "{target} as {accept}");
        }
    }
    assert!(canvas.rooms().is_empty());

    let mut member = Client::join(&canvas, "lobby");
    let blank = ask("/canvas/lobby/snapshot.png", "*/*").await;
    assert_eq!(blank.field("content-type"), Some("image/png"));
    member.draw(1, &[[1, 1]]);
    a_tick().await;
    let drawn = ask("/canvas/lobby/snapshot.png", "*/*").await;
    assert_ne!(blank.field("etag"), drawn.field("etag"));
    let request = Request::get("/canvas/lobby/snapshot.png").with("If-None-Match", drawn.field("etag").expect("a tag"));
    assert_eq!(call(&routes, request).await.status.code(), 304);
    let list = ask("/canvas", "text/html").await;
    assert!(list.text().contains("<a href=\"/canvas/lobby\">lobby</a> members 1"), "{}", list.text());
    let room: serde_json::Value = ask("/canvas/lobby", "application/json").await.json();
    assert_eq!((&room["room"], &room["members"], &room["seq"]), (&"lobby".into(), &1.into(), &1.into()));
    assert!(ask("/canvas/lobby", "*/*").await.text().contains("members 1, 1 deltas so far"));
}
