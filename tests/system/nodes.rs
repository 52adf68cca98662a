//! Several nodes of the canvas, each a process: what is drawn on one shows on all, whatever becomes of the broker between
//! them; and a picture outlives its node when it is kept.

use std::path::Path;
use std::time::Duration;

use firstbyte::app::canvas::domain::{Colour, PLACES, Point};
use firstbyte::app::canvas::protocol::{FromClient, FromServer, Hello, PROTOCOL, Position, Stroke, Token};
use firstbyte::app::canvas::store::QUIET;
use firstbyte::ws::client::{ClientConfig, connect};
use firstbyte::ws::{Message, Socket};
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::server::{Folder, SOON, Server, firstbyte};
use crate::services::{Kind, Service, Shared, with_each};

/// Somebody in a room, who believes what the node tells.
struct Member {
    socket: Socket,
    colours: Box<[Colour; PLACES]>,
    at: Position,
    token: Option<Token>,
    resumed: bool,
    notices: Vec<u8>,
}

impl Member {
    async fn join(node: &Server, room: &str) -> Member {
        Member::come_back(node, room, Hello::default(), Box::new([Colour::BLANK; PLACES])).await
    }

    /// Joins with what it had when it left.
    async fn come_back(node: &Server, room: &str, hello: Hello, colours: Box<[Colour; PLACES]>) -> Member {
        let config = ClientConfig { protocols: vec![PROTOCOL.into()], ..ClientConfig::default() };
        let url = format!("ws://{}/canvas/{room}/ws", node.addr);
        let socket = connect(&url, &config).await.unwrap_or_else(|error| panic!("{error:?}; {}", node.stderr()));
        let had = hello.has.unwrap_or_default();
        let mut member = Member { socket, colours, at: had, token: None, resumed: false, notices: Vec::new() };
        member.say(&FromClient::Hello(hello)).await;
        member.until("a Welcome", |member| member.token.is_some()).await;
        if !member.resumed {
            member.until("a Snapshot", |member| member.at.epoch != had.epoch).await;
        }
        member
    }

    async fn say(&self, message: &FromClient<'_>) {
        self.socket.send(message.encode()).await.unwrap();
    }

    async fn draw(&self, colour: u8, points: &[[u8; 2]]) {
        let stroke = Stroke::new(false, false, Colour::new(colour).unwrap(), points).unwrap();
        self.say(&FromClient::Stroke(stroke)).await;
    }

    fn colour(&self, [x, y]: [u8; 2]) -> u8 {
        self.colours[Point { x, y }.place().index()].index()
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Member) -> bool) {
        let deadline = Instant::now() + SOON;
        while !is_so(self) {
            let next = tokio::time::timeout_at(deadline, self.socket.next());
            match next.await.unwrap_or_else(|_| panic!("in vain: {what}")) {
                Some(Message::Binary(message)) => self.take(&message),
                other => panic!("instead of {what}: {other:?}, {:?}", self.socket.ended()),
            }
        }
    }

    async fn sees(&mut self, at: [u8; 2], colour: u8) {
        self.until(&format!("colour {colour} at {at:?}"), |member| member.colour(at) == colour).await;
    }

    fn take(&mut self, message: &[u8]) {
        match FromServer::parse(message).expect("a message") {
            FromServer::Welcome(welcome) => (self.token, self.resumed) = (Some(welcome.token), welcome.resumed),
            FromServer::Snapshot(at, colours) => (self.at, self.colours) = (at, colours),
            FromServer::Delta(seq, runs) => {
                assert_eq!(seq, self.at.seq + 1, "a gap, or one twice");
                self.at.seq = seq;
                for (place, run) in runs {
                    self.colours[place.index()..][..run.count].fill(run.colour);
                }
            }
            FromServer::Notice(code, _) => self.notices.push(code),
            FromServer::Presence { .. } => {}
        }
    }
}

fn node(args: &[&str]) -> Server {
    Server::start(args)
}

/// Two nodes at one broker.
fn nodes(url: &str) -> [Server; 2] {
    [node(&["--fanout", url]), node(&["--fanout", url])]
}

/// A room that no other test is in.
fn room() -> String {
    format!("test-{:016x}", fastrand::u64(..))
}

/// The picture of a room, and its tag: the same for the same pixels, drawn at the same time by the same nodes.
fn picture(node: &Server, room: &str) -> (String, String) {
    let answer = node.exchange(
        format!("GET /canvas/{room}/snapshot.png HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
    );
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let tag = head.lines().find(|line| line.to_lowercase().starts_with("etag: ")).unwrap();
    (tag.to_owned(), content.to_owned())
}

/// Waits until both nodes show the same picture, to the stamp of each pixel.
async fn agree(nodes: &[Server; 2], room: &str) {
    let deadline = Instant::now() + SOON;
    while picture(&nodes[0], room) != picture(&nodes[1], room) {
        assert!(Instant::now() < deadline, "they differ; {}; {}", nodes[0].stderr(), nodes[1].stderr());
        sleep(Duration::from_millis(20)).await;
    }
}

/// How often the log of a node has these words.
fn told(node: &Server, words: &str) -> usize {
    node.stderr().matches(words).count()
}

#[tokio::test]
async fn a_stroke_on_one_node_shows_on_the_other() {
    for shared in Kind::BROKERS.into_iter().filter_map(Shared::of) {
        let (nodes, room) = (nodes(&shared.url), room());
        let mut one = Member::join(&nodes[0], &room).await;
        let mut two = Member::join(&nodes[1], &room).await;
        one.draw(3, &[[0, 0], [255, 255]]).await;
        two.sees([255, 255], 3).await;
        two.draw(4, &[[0, 255], [255, 0]]).await;
        one.sees([255, 0], 4).await;
        two.sees([255, 0], 4).await;
        assert!(one.colours == two.colours);
        agree(&nodes, &room).await;

        let late = node(&["--fanout", &shared.url]);
        let mut later = Member::join(&late, &room).await;
        later.sees([255, 0], 4).await;
        assert!(later.colours == one.colours, "a node that comes late is told everything");
    }
}

#[tokio::test]
async fn what_is_drawn_while_a_node_shuts_down_is_not_lost() {
    for shared in Kind::BROKERS.into_iter().filter_map(Shared::of) {
        let ([mut leaving, staying], room) = (nodes(&shared.url), room());
        let mut one = Member::join(&leaving, &room).await;
        let mut two = Member::join(&staying, &room).await;
        one.draw(3, &[[1, 1]]).await;
        two.sees([1, 1], 3).await;
        for column in 0..100 {
            one.draw(3, &[[column, 7]]).await;
        }
        one.sees([99, 7], 3).await;
        leaving.signal(Signal::TERM);
        assert_eq!(leaving.exit_code(), Some(0), "{}", leaving.stderr());
        two.sees([99, 7], 3).await;
    }
}

/// Both nodes draw while they do not hear each other, partly over each other.
async fn draw_apart(one: &mut Member, two: &mut Member) {
    for step in 0..10 {
        one.draw(5, &[[step * 20, 10], [step * 20, 200]]).await;
        two.draw(6, &[[10, step * 20], [200, step * 20]]).await;
    }
    one.draw(5, &[[250, 1]]).await;
    two.draw(6, &[[250, 2]]).await;
    one.sees([250, 1], 5).await;
    two.sees([250, 2], 6).await;
}

async fn draw_together(one: &mut Member, two: &mut Member) {
    one.sees([250, 2], 6).await;
    two.sees([250, 1], 5).await;
    one.draw(7, &[[251, 1]]).await;
    two.draw(8, &[[251, 2]]).await;
    for member in [one, two] {
        member.sees([251, 1], 7).await;
        member.sees([251, 2], 8).await;
    }
}

#[tokio::test]
async fn nodes_that_drew_apart_while_the_broker_hung_agree_in_the_end() {
    with_each(async |service| {
        let (nodes, room) = (nodes(&service.url()), room());
        let mut one = Member::join(&nodes[0], &room).await;
        let mut two = Member::join(&nodes[1], &room).await;
        one.draw(1, &[[250, 250]]).await;
        two.sees([250, 250], 1).await;
        service.pause();
        draw_apart(&mut one, &mut two).await;
        assert_eq!((one.colour([250, 2]), two.colour([250, 1])), (0, 0), "nothing gets through");
        one.until("word that it is apart", |member| member.notices.contains(&4)).await;
        service.resume();
        draw_together(&mut one, &mut two).await;
        agree(&nodes, &room).await;
        assert_eq!(one.colours, two.colours);
    })
    .await;
}

#[tokio::test]
async fn nodes_outlive_a_broker_that_is_killed_and_started_again() {
    with_each(async |mut service| {
        let (nodes, room) = (nodes(&service.url()), room());
        let mut one = Member::join(&nodes[0], &room).await;
        let mut two = Member::join(&nodes[1], &room).await;
        one.draw(1, &[[250, 250]]).await;
        two.sees([250, 250], 1).await;
        service.kill();
        one.until("word that it is apart", |member| member.notices.contains(&4)).await;
        two.until("word that it is apart", |member| member.notices.contains(&4)).await;
        draw_apart(&mut one, &mut two).await;
        service.start_again();
        draw_together(&mut one, &mut two).await;
        agree(&nodes, &room).await;
        for node in &nodes {
            let log = node.stderr();
            assert_eq!(told(node, "the broker of the canvas is away"), 1, "said once: {log}");
            assert_eq!(told(node, "the broker of the canvas is there"), 2, "at first and again: {log}");
        }
    })
    .await;
}

/// Places to keep pictures in, as the flag has them.
fn stores() -> Vec<(String, Box<dyn std::any::Any>)> {
    let folder = Folder::new();
    let mut stores: Vec<(String, Box<dyn std::any::Any>)> =
        vec![(folder.path().to_str().unwrap().to_owned(), Box::new(folder))];
    if let Some(redis) = Shared::of(Kind::Redis) {
        stores.push((redis.url.clone(), Box::new(redis)));
    }
    stores
}

/// A node that keeps pictures there, and a member that has drawn a line and seen it.
async fn drawn_on(store: &str, room: &str) -> (Server, Member) {
    let node = node(&["--canvas-store", store]);
    let mut member = Member::join(&node, room).await;
    member.draw(9, &[[0, 0], [99, 0]]).await;
    member.sees([99, 0], 9).await;
    (node, member)
}

#[tokio::test]
async fn a_picture_is_there_after_the_node_was_restarted() {
    for (store, _kept) in stores() {
        let room = room();
        let (mut before, mut member) = drawn_on(&store, &room).await;
        before.signal(Signal::TERM);
        assert!(timeout(SOON, async { while member.socket.next().await.is_some() {} }).await.is_ok());
        assert_eq!(before.exit_code(), Some(0), "{}", before.stderr());

        let after = node(&["--canvas-store", &store]);
        assert!(picture(&after, &room).1.starts_with('\u{fffd}'), "a PNG, though nobody has joined");
        let mut new = Member::join(&after, &room).await;
        assert!(new.colours == member.colours, "{store}");
        new.draw(10, &[[0, 0]]).await;
        new.sees([0, 0], 10).await;
    }
}

#[tokio::test]
async fn a_member_goes_on_where_it_was_after_a_restart() {
    for (store, _kept) in stores() {
        let room = room();
        let (mut before, member) = drawn_on(&store, &room).await;
        before.signal(Signal::TERM);
        assert_eq!(before.exit_code(), Some(0), "{}", before.stderr());
        let after = node(&["--canvas-store", &store]);
        let hello = Hello { token: member.token, has: Some(member.at) };
        let mut back = Member::come_back(&after, &room, hello, member.colours).await;
        assert!(back.resumed, "{store}: without a snapshot");
        back.draw(10, &[[0, 0]]).await;
        back.sees([0, 0], 10).await;
    }
}

#[tokio::test]
async fn a_node_that_is_killed_has_kept_what_it_could() {
    let mut running = Vec::new();
    for (store, kept) in stores() {
        let room = room();
        let (node, member) = drawn_on(&store, &room).await;
        running.push((node, member, room, store, kept));
    }
    sleep(QUIET + Duration::from_secs(1)).await;
    for (mut before, member, room, store, _kept) in running {
        before.signal(Signal::KILL);
        assert_eq!(before.exit_code(), None);
        let after = node(&["--canvas-store", &store]);
        let hello = Hello { token: member.token, has: Some(member.at) };
        let back = Member::come_back(&after, &room, hello, Box::new([Colour::BLANK; PLACES])).await;
        assert!(!back.resumed, "nobody knows what the members had");
        assert!(back.colours == member.colours, "{store}");
    }
}

#[tokio::test]
async fn nodes_that_share_a_store_lose_nothing_of_each_other() {
    let Some(service) = Service::start(Kind::Redis) else { return };
    let (url, room) = (service.url(), room());
    // They keep in one place, and do not hear each other.
    let mut nodes = [node(&["--canvas-store", &url]), node(&["--canvas-store", &url])];
    for (at, node) in nodes.iter_mut().enumerate() {
        let mut member = Member::join(node, &room).await;
        member.draw(9, &[[0, at as u8]]).await;
        member.sees([0, at as u8], 9).await;
    }
    for node in &mut nodes {
        node.signal(Signal::TERM);
        assert_eq!(node.exit_code(), Some(0), "{}", node.stderr());
    }
    let after = node(&["--canvas-store", &url]);
    let member = Member::join(&after, &room).await;
    assert_eq!((member.colour([0, 0]), member.colour([0, 1])), (9, 9));
}

#[test]
fn a_folder_that_cannot_be_used_is_said_at_once() {
    let folder = Folder::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let refused = |store: &str, words: &str| {
        let output = firstbyte().args(["serve", "--listen", "127.0.0.1:0", "--canvas-store", store]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(words) && stderr.contains(store), "{stderr}");
    };
    std::fs::write(folder.join("file"), "").unwrap();
    refused(&path("file"), "File exists");
    let _node = node(&["--canvas-store", &path("pictures")]);
    refused(&path("pictures"), "another process keeps its pictures there");
    assert!(Path::new(&path("pictures")).is_dir());
}

#[tokio::test]
async fn a_node_serves_without_its_services_and_tells_no_password() {
    let secret = "redis://:s3cret@127.0.0.1:1";
    let alone = node(&["--fanout", secret, "--canvas-store", secret]);
    let room = room();
    let mut member = Member::join(&alone, &room).await;
    member.draw(9, &[[0, 0]]).await;
    member.sees([0, 0], 9).await;
    for words in ["the broker of the canvas is away", "the store of the canvas is away"] {
        assert_eq!(told(&alone, words), 1, "{words}: {}", alone.stderr());
    }
    assert!(alone.stderr().contains("redis://***@127.0.0.1:1"), "{}", alone.stderr());
    assert!(!alone.stderr().contains("s3cret"));
    let printed = firstbyte().args(["--fanout", secret, "--print-config"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&printed.stdout).contains("s3cret"));
}
