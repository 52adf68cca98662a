//! Which connection a request goes over, and how many there are.

use firstbyte::http::client::{ClientConfig, Counts, Outgoing};
use firstbyte::http::{Body, Method, Request, Server};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// As counted, but for the origins.
fn counted(client: &Client) -> Counts {
    Counts { origins: 0, ..client.counts() }
}

fn counts(opened: u64, reused: u64, open: usize, idle: usize) -> Counts {
    Counts { opened, reused, open, idle, origins: 0 }
}

/// A client with one connection at rest, and its other end.
async fn rested(config: ClientConfig) -> (Client, Peers, Peer) {
    let (client, mut peers) = dial(config);
    let answering = async {
        let mut peer = peers.accept().await;
        peer.answer(OK).await;
        peer
    };
    let (seen, peer) = tokio::join!(outcome(&client, get()), answering);
    assert_eq!((seen.as_str(), counted(&client)), ("200 ok", counts(1, 0, 1, 1)));
    (client, peers, peer)
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again() {
    let server = Server::new(|_: Request| async { "Hello, World!" });
    let client = local(ClientConfig::default(), server);
    for _ in 0..100 {
        assert_eq!(outcome(&client, get()).await, "200 Hello, World!");
    }
    assert_eq!(counted(&client), counts(1, 99, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn connections_of_one_origin_serve_no_other() {
    let server = Server::new(|_: Request| async { "x" });
    let client = local(ClientConfig::default(), server);
    for address in ["http://a/", "http://b/", "http://a:81/", "https://a/", "http://A:80/"] {
        assert_eq!(outcome(&client, Outgoing::get(&url(address))).await, "200 x");
    }
    assert_eq!(counted(&client), counts(4, 1, 4, 4), "the last is the first");
}

#[tokio::test(start_paused = true)]
async fn the_one_last_used_is_used_first() {
    let (client, mut peers) = dial(ClientConfig::default());
    let both = async {
        let (mut first, mut second) = (peers.accept().await, peers.accept().await);
        first.answer(OK).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        second.answer(OK).await;
        (first, second)
    };
    let (one, other, (_first, mut second)) = tokio::join!(outcome(&client, get()), outcome(&client, get()), both);
    assert_eq!((one.as_str(), other.as_str(), counted(&client)), ("200 ok", "200 ok", counts(2, 0, 2, 2)));
    let (seen, request) = tokio::join!(outcome(&client, get()), second.answer(OK));
    assert!(seen == "200 ok" && request.starts_with("GET / "));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_said_something_unasked_is_not_used() {
    for (attack, unasked) in [
        ("an answer before the request", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
        ("half of one", "HTTP/1.1 200 OK\r\nX: "),
        ("a goodbye", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        ("a line end", "\r\n"),
    ] {
        let (client, mut peers, mut old) = rested(ClientConfig::default()).await;
        old.say(unasked).await;
        let (seen, _) = tokio::join!(outcome(&client, get()), async { peers.accept().await.answer(OK).await });
        assert_eq!((seen.as_str(), client.counts().opened), ("200 ok", 2), "{attack}");
    }
}

#[tokio::test]
async fn what_came_before_a_request_is_seen_though_the_turn_is_used_up() {
    use std::net::TcpListener;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let client = Client::new(ClientConfig::default());
    let (asked, mut peer) = tokio::join!(client.send(Outgoing::get(&url(&address))), async {
        listener.set_nonblocking(true).unwrap();
        let mut peer =
            tokio::net::TcpListener::from_std(listener.try_clone().unwrap()).unwrap().accept().await.unwrap().0;
        peer.read_u8().await.unwrap();
        peer.write_all(OK.as_bytes()).await.unwrap();
        peer
    });
    asked.unwrap().collect().await.unwrap();
    peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await.unwrap();
    // The runtime may hear of what the kernel has.
    tokio::task::yield_now().await;
    while tokio::task::coop::has_budget_remaining() {
        tokio::task::coop::consume_budget().await;
    }
    let _ = timeout(Duration::from_millis(50), client.send(Outgoing::get(&url(&address)))).await;
    assert_eq!(client.counts().reused, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_speaks_first_is_refused() {
    let (client, mut peers) = dial(ClientConfig::default());
    struct Eager;
    impl Connector for Eager {
        fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
            Box::pin(async {
                let (ours, mut theirs) = duplex(WIRE_BYTES);
                theirs.write_all(OK.as_bytes()).await?;
                tokio::spawn(async move { theirs.read_to_end(&mut Vec::new()).await });
                Ok(boxed(ours))
            })
        }
    }
    let eager = Client::with_connector(ClientConfig::default(), Eager);
    assert_eq!(outcome(&eager, get()).await, "Unasked; Peer");
    let (seen, _) = tokio::join!(outcome(&client, get()), async { peers.accept().await.answer(OK).await });
    assert_eq!(seen, "200 ok");
}

#[tokio::test(start_paused = true)]
async fn connections_at_rest_grow_old_and_are_noticed_when_they_end() {
    let config = ClientConfig { idle: Duration::from_secs(10), ..ClientConfig::default() };
    let (client, _peers, mut old) = rested(config.clone()).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(client.counts().idle, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(counted(&client), counts(1, 0, 0, 0), "nobody had to ask");
    assert_eq!(old.rest().await, "");
    let (client, _peers, mut closing) = rested(config.clone()).await;
    closing.finish().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(counted(&client), counts(1, 0, 0, 0), "RFC 9112 9.5: both sides are closed");
    let (client, _peers, mut left) = rested(config).await;
    drop(client);
    assert_eq!(left.rest().await, "", "with its client");
}

/// The old connection ends as the next request is on its way: what comes of it, and how many connections were opened.
async fn stale(request: Outgoing, end: impl AsyncFnOnce(Peer)) -> (String, u64) {
    let (client, mut peers, mut old) = rested(ClientConfig::default()).await;
    let serving = async {
        old.request().await;
        end(old).await;
        // Who is asked again answers.
        if let Ok(Some(stream)) = timeout(Duration::from_secs(1), peers.0.recv()).await {
            let mut again = Peer { stream, received: Vec::new() };
            again.answer(OK).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (seen, ()) = tokio::join!(outcome(&client, request), serving);
    (seen, client.counts().opened)
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_is_replaced_once_where_asking_twice_is_as_good_as_once() {
    let to = |method: Method| Outgoing::new(method, &url("http://peer/"));
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"] {
        let method = Method::parse(method.as_bytes()).unwrap();
        let expected = if method.is_idempotent() { ("200 ok", 2) } else { ("Ended(Answer); Peer", 1) };
        let (seen, opened) = stale(to(method), async |peer: Peer| drop(peer)).await;
        let seen = seen.replace("Lost(Answer) ConnectionReset; Environment", "Ended(Answer); Peer");
        assert_eq!((seen.as_str(), opened), if method == Method::HEAD { ("200 ", 2) } else { expected }, "{method}");
    }
    let put = to(Method::PUT).with_content("all there");
    assert_eq!(stale(put, async |peer: Peer| drop(peer)).await.1, 2);
    let put = to(Method::PUT).with_content(Body::channel(1).1);
    assert_eq!(stale(put, async |peer: Peer| drop(peer)).await.1, 1, "content that can be produced once");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_asked_again() {
    for (case, said) in [("a byte of an answer", "H"), ("an interim answer", "HTTP/1.1 100 Continue\r\n\r\n")] {
        let ended = stale(get(), async |mut peer: Peer| {
            peer.say(said).await;
            peer.finish().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(ended.await, ("Ended(Head); Peer".to_owned(), 1), "{case}");
    }
    let (client, mut peers) = dial(ClientConfig::default());
    let (seen, _) = tokio::join!(outcome(&client, get()), async { peers.accept().await.request().await });
    assert!(seen.starts_with("Ended") || seen.starts_with("Lost"), "a new connection is not stale: {seen}");
    assert_eq!(client.counts().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_early_an_answer_closes_its_connection() {
    let (client, mut peers) = dial(ClientConfig::default());
    let answering = async {
        let mut peer = peers.accept().await;
        peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome").await;
        peer
    };
    let (answer, mut peer) = tokio::join!(client.send(get()), answering);
    let mut answer = answer.unwrap();
    assert_eq!(answer.next().await.unwrap().unwrap(), "some");
    assert_eq!(counted(&client), counts(1, 0, 1, 0));
    drop(answer);
    assert_eq!((counted(&client), peer.rest().await.as_str()), (counts(1, 0, 0, 0), ""));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_closes_its_connection_and_frees_its_place() {
    let config = ClientConfig { connections_per_origin_max: 1, ..ClientConfig::default() };
    let (client, mut peers) = dial(config);
    assert!(timeout(Duration::from_secs(1), client.send(get())).await.is_err());
    assert_eq!(client.counts().open, 0);
    let mut gone = peers.accept().await;
    assert!(gone.rest().await.starts_with("GET / "));
    let (seen, _) = tokio::join!(outcome(&client, get()), async { peers.accept().await.answer(OK).await });
    assert_eq!(seen, "200 ok");
}

#[tokio::test(start_paused = true)]
async fn connections_and_those_who_wait_for_one_are_bounded() {
    let config = || ClientConfig {
        connections_per_origin_max: 2,
        waiting_max: 3,
        wait: Duration::from_secs(5),
        ..ClientConfig::default()
    };
    let (client, mut peers) = dial(config());
    let asking: Vec<_> = (0..7)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { outcome(&client, get()).await })
        })
        .collect();
    let (mut first, mut second) = (peers.accept().await, peers.accept().await);
    first.request().await;
    second.request().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(client.counts().open, 2);
    assert!(peers.0.try_recv().is_err(), "no third");
    // Three wait, two are told at once. One of those who wait gets the first connection, and hears of it; then one more,
    // and one gets a new connection in the place of the second. Nobody answers these two.
    first.say(OK).await;
    first.answer(OK).await;
    drop(second);
    let mut seen = Vec::new();
    for asked in asking {
        seen.push(asked.await.unwrap());
    }
    seen.sort();
    let hung = "TimedOut(Answer); Peer";
    let busy = "Busy; Environment";
    let expected = ["200 ok", "200 ok", busy, busy, "Ended(Answer); Peer", hung, hung];
    assert_eq!(seen, expected);
    assert_eq!(client.counts().opened, 3, "the one that broke was replaced");
}

#[tokio::test(start_paused = true)]
async fn connections_in_all_are_bounded_and_one_at_rest_makes_room() {
    let config = ClientConfig { connections_max: 3, ..ClientConfig::default() };
    let client = local(config, Server::new(|_: Request| async { "x" }));
    for index in 0..20 {
        assert_eq!(outcome(&client, Outgoing::get(&url(&format!("http://host-{index}/")))).await, "200 x");
        assert!(client.counts().open <= 3);
    }
    assert_eq!(counted(&client), counts(20, 0, 3, 3));
    assert_eq!(outcome(&client, Outgoing::get(&url("http://host-19/"))).await, "200 x");
    assert_eq!(client.counts().reused, 1, "the oldest made room");
}

#[tokio::test(start_paused = true)]
async fn origins_that_nobody_uses_are_forgotten() {
    struct Refused;
    impl Connector for Refused {
        fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }
    }
    let client = Client::with_connector(ClientConfig::default(), Refused);
    for index in 0..1_000 {
        let seen = outcome(&client, Outgoing::get(&url(&format!("http://host-{index}/")))).await;
        assert_eq!(seen, "Connect(Kind(ConnectionRefused)); Environment");
        assert!(client.counts().origins <= 64);
    }
}
