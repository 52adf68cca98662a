//! How long a client waits in each phase, and that a peer which trickles gains nothing.

use firstbyte::http::Body;
use firstbyte::http::client::{ClientConfig, Outgoing};
use tokio::time::{Instant, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What comes of a peer that does `acts`, and after how many seconds.
async fn check(config: ClientConfig, request: Outgoing, acts: impl AsyncFnOnce(Peer), expected: (&str, u64)) {
    let (client, mut peers) = dial(config);
    let start = Instant::now();
    let asking = async {
        let seen = outcome(&client, request).await;
        (seen, start.elapsed().as_secs())
    };
    let acting = async { acts(peers.accept().await).await };
    tokio::select! {
        (seen, after) = asking => assert_eq!((seen.as_str(), after), expected),
        () = async { acting.await; sleep(PATIENCE).await } => panic!("nothing came of it"),
    }
    assert_eq!(client.counts().open, 0, "{expected:?}");
}

fn config() -> ClientConfig {
    ClientConfig { answer: 30 * SECOND, head: 5 * SECOND, total: 300 * SECOND, ..ClientConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_is_left() {
    let silent = async |mut peer: Peer| {
        peer.request().await;
        sleep(PATIENCE).await;
    };
    check(config(), get(), silent, ("TimedOut(Answer); Peer", 30)).await;
    let off = ClientConfig { answer: Duration::MAX, ..config() };
    check(off, get(), silent, ("TimedOut(Answer); Peer", 300)).await;
    check(config(), get().within(2 * SECOND), silent, ("TimedOut(Answer); Peer", 2)).await;
    let half = async |mut peer: Peer| {
        peer.answer("HTTP/1.1 200 OK\r\nX: ").await;
        sleep(PATIENCE).await;
    };
    check(config(), get(), half, ("TimedOut(Head); Peer", 5)).await;
    let content = async |mut peer: Peer| {
        peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        sleep(PATIENCE).await;
    };
    check(config(), get(), content, ("200: Content: content came too slowly; Peer", 10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_trickles_gains_nothing() {
    async fn trickle(mut peer: Peer, begin: &str, piece: &str) {
        peer.answer(begin).await;
        while peer.stream.write_all(piece.as_bytes()).await.is_ok() {
            sleep(SECOND).await;
        }
        sleep(PATIENCE).await;
    }
    let head = async |peer: Peer| trickle(peer, "HTTP/1.1 200 OK\r\nX: ", "x").await;
    check(config(), get(), head, ("TimedOut(Head); Peer", 5)).await;
    let interim = async |peer: Peer| trickle(peer, "", "HTTP/1.1 102 Wait\r\n\r\n").await;
    check(config(), get(), interim, ("TimedOut(Head); Peer", 30)).await;
    let slow = ("200: Content: content came too slowly; Peer", 10);
    let content = async |peer: Peer| trickle(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "x").await;
    check(config(), get(), content, slow).await;
    let chunks =
        async |peer: Peer| trickle(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n").await;
    check(config(), get(), chunks, slow).await;
    let endless = async |peer: Peer| {
        trickle(peer, "HTTP/1.1 200 OK\r\n\r\n", &"x".repeat(2000)).await;
    };
    check(config(), get(), endless, ("200: Content: content came too slowly; Peer", 300)).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_left() {
    let deaf = async |peer: Peer| {
        let _peer = peer;
        sleep(PATIENCE).await;
    };
    let much = || Outgoing::post(&url("http://peer/"), vec![b'x'; 4 * WIRE_BYTES]);
    check(config(), much(), deaf, ("TimedOut(Write); Peer", 15)).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_produces_nothing_is_no_fault_of_the_peer() {
    let request = |body| Outgoing::post(&url("http://peer/"), body);
    for said in ["", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let waiting = async |mut peer: Peer| {
            peer.answer(said).await;
            sleep(PATIENCE).await;
        };
        let (_sender, body) = Body::channel(1);
        check(config(), request(body), waiting, ("Stalled; Caller", 300)).await;
    }
    let early = async |mut peer: Peer| {
        peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        sleep(PATIENCE).await;
    };
    let stalled = "200: Content: content could not be produced: time ran out, and the request's content was not produced; \
                   Caller";
    let (_sender, body) = Body::channel(1);
    check(config(), request(body), early, (stalled, 300)).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_come_about_and_a_place_that_does_not_become_free_are_given_up() {
    struct Never;
    impl Connector for Never {
        fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
            Box::pin(std::future::pending())
        }
    }
    let config = ClientConfig { connections_per_origin_max: 1, wait: 3 * SECOND, connect: 7 * SECOND, ..config() };
    let client = Client::with_connector(config, Never);
    let start = Instant::now();
    let (first, second) = tokio::join!(async { (outcome(&client, get()).await, start.elapsed().as_secs()) }, async {
        (outcome(&client, get()).await, start.elapsed().as_secs())
    });
    assert_eq!(first, ("TimedOut(Connect); Environment".to_owned(), 7));
    assert_eq!(second, ("TimedOut(Wait); Environment".to_owned(), 3));
    assert_eq!(client.counts().open, 0);
}

#[tokio::test(start_paused = true)]
async fn content_without_an_end_has_one() {
    let (client, mut peers) = dial(config());
    let flooding = async {
        let mut peer = peers.accept().await;
        peer.answer("HTTP/1.1 200 OK\r\n\r\n").await;
        while peer.stream.write_all(&[b'x'; 1024]).await.is_ok() {}
    };
    let reading = async {
        let start = Instant::now();
        let mut answer = client.send(get()).await.unwrap();
        // Slower than it comes: nobody ever waits for the peer.
        while let Some(Ok(_)) = answer.next().await {
            sleep(SECOND).await;
        }
        start.elapsed().as_secs()
    };
    let (after, ()) = tokio::join!(reading, flooding);
    assert_eq!((after, client.counts().open), (300, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_that_nobody_asks_for() {
    let (client, mut peers) = dial(config());
    let answering = async {
        let mut peer = peers.accept().await;
        peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").await;
        peer
    };
    let (answer, mut peer) = tokio::join!(client.send(get()), answering);
    let mut answer = answer.unwrap();
    let piece = vec![b'x'; 1024];
    let mut sent = 0;
    while let Ok(written) = timeout(SECOND, peer.stream.write_all(&piece)).await {
        written.unwrap();
        sent += piece.len();
    }
    assert!(sent <= WIRE_BYTES + 32 * 1024, "{sent} bytes were taken");
    // A reader that is slow does not make a slow peer.
    sleep(100 * SECOND).await;
    assert!(answer.next().await.unwrap().is_ok());
}
