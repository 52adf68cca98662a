//! Deadlines that fire, and honest peers that never meet one. The clock is the test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use firstbyte::http::test::{TestConnection, TestServer, WIRE_BYTES};
use firstbyte::http::{Body, Request, Server};
use firstbyte::net::deadline::{Deadlines, Phase};
use firstbyte::net::{Context, Reason};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use crate::stage::{After, send, server, state, summary, wire};

const HELLO: &str = "GET /hello HTTP/1.1|Host: x||";

/// What the peer does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Sends(&'static str),
    Waits(f64),
    /// So many times: the bytes, then a second.
    Trickles(usize, &'static str),
    Reads(&'static str),
    /// So many times: a request, answered.
    Repeats(usize),
    /// The server closes after so many seconds, counted from the last `Begins`, with a last answer or none.
    Ends(f64, &'static str),
    Begins,
    StaysOpen,
}
use Step::*;

async fn play(script: &[Step]) {
    let server = server();
    let mut connection = server.connect();
    let mut begin = Instant::now();
    for step in script {
        match *step {
            Sends(text) => send(&mut connection, wire(text).as_bytes()).await,
            Waits(seconds) => sleep(Duration::from_secs_f64(seconds)).await,
            Trickles(times, text) => {
                for _ in 0..times {
                    send(&mut connection, wire(text).as_bytes()).await;
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Repeats(times) => {
                for _ in 0..times {
                    send(&mut connection, wire(HELLO).as_bytes()).await;
                    assert_eq!(summary(&connection.read_response().await), "200 hello", "{script:?}");
                }
            }
            Reads(expected) => assert_eq!(summary(&connection.read_response().await), expected, "{script:?}"),
            Ends(seconds, answer) => {
                if !answer.is_empty() {
                    assert_eq!(summary(&connection.read_response().await), answer, "{script:?}");
                }
                assert_eq!(connection.read_to_end().await.unwrap(), b"", "{script:?}");
                let late = begin.elapsed().as_secs_f64() - seconds;
                assert!((0.0..0.1).contains(&late), "{script:?}: {late} s late");
            }
            Begins => begin = Instant::now(),
            StaysOpen => assert_eq!(state(&mut connection).await, After::Open, "{script:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_slow_heads_end() {
    for script in [
        // Nothing at all: closed without a word.
        &[Ends(5.0, "")][..],
        // Empty lines are nothing, and move no deadline.
        &[Sends("||"), Waits(3.0), Sends("||"), Ends(5.0, "")],
        // A head that trickles, from its first byte on, also after a silence.
        &[Waits(4.0), Begins, Sends("G"), Ends(5.0, "408 H1-TIME-001 close")],
        &[Begins, Trickles(4, "A"), Ends(5.0, "408 H1-TIME-001 close")],
        &[Sends("||"), Waits(4.0), Begins, Sends("G"), Ends(5.0, "408 H1-TIME-001 close")],
        // The second head and the hundredth have no more time than the first.
        &[Sends(HELLO), Reads("200 hello"), Waits(50.0), Begins, Sends("GET"), Ends(5.0, "408 H1-TIME-001 close")],
        &[Begins, Sends("GET /hello HTTP/1.1|Host: x||GET"), Reads("200 hello"), Ends(5.0, "408 H1-TIME-001 close")],
        &[Sends("GET /slow HTTP/1.1|Host: x||GET"), Reads("200 slow"), Begins, Ends(5.0, "408 H1-TIME-001 close")],
        &[
            Repeats(99),
            Waits(59.0),
            Begins,
            Sends("GET /hello HTTP/1.1|X: "),
            Trickles(4, "x"),
            Ends(5.0, "408 H1-TIME-001 close"),
        ],
        // Idle, counted from the last answer.
        &[Sends(HELLO), Reads("200 hello"), Begins, Ends(60.0, "")],
        &[Sends("GET /slow HTTP/1.1|Host: x||"), Reads("200 slow"), Begins, Ends(60.0, "")],
        &[
            Sends("POST /ignore HTTP/1.1|Host: x|Content-Length: 5||"),
            Reads("200 ignored"),
            Waits(8.0),
            Begins,
            Sends("hello"),
            Ends(60.0, ""),
        ],
        &[Sends("GET /stream HTTP/1.1|Host: x||"), Reads("200 piece 0;piece 1;piece 2;"), Begins, Ends(60.0, "")],
    ] {
        play(script).await;
    }
}

#[tokio::test(start_paused = true)]
async fn honest_peers_are_not_cut() {
    for script in [
        &[Waits(4.9), Sends(HELLO), Reads("200 hello"), Waits(59.9), Sends(HELLO), Reads("200 hello"), StaysOpen][..],
        // Idle gaps do not add up, nor do heads.
        &[
            Sends(HELLO),
            Reads("200 hello"),
            Waits(40.0),
            Sends(HELLO),
            Reads("200 hello"),
            Waits(40.0),
            Sends("GET /hello HTTP/1.1|"),
            Waits(4.0),
            Sends("Host: x||GET /hello HTTP/1.1|"),
            Reads("200 hello"),
            Waits(4.0),
            Sends("Host: x||GET /hello HTTP/1.1|"),
            Reads("200 hello"),
            Waits(4.0),
            Sends("Host: x||"),
            Reads("200 hello"),
            StaysOpen,
        ],
        // A handler's time is not the next head's.
        &[
            Sends("GET /slow HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||GET /hello"),
            Reads("200 slow"),
            Reads("200 slow"),
            Reads("200 slow"),
            Waits(4.0),
            Sends(" HTTP/1.1|Host: x||"),
            Reads("200 hello"),
        ],
        // Content at the least rate, longer than any other deadline.
        &[
            Sends("POST /echo HTTP/1.1|Host: x|Content-Length: 5||"),
            Waits(9.0),
            Sends("hello"),
            Reads("200 hello"),
            StaysOpen,
        ],
    ] {
        play(script).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stuck_handlers_and_slow_content_are_answered() {
    let stuck = "503 HTTP-SERVER-002";
    for script in [
        &[Begins, Sends("GET /stuck HTTP/1.1|Host: x||"), Reads(stuck), StaysOpen, Sends(HELLO), Reads("200 hello")][..],
        // Each has its own time.
        &[Sends("GET /stuck HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||"), Reads(stuck), Reads("200 slow")],
        &[
            Sends("GET /stuck HTTP/1.1|Host: x||GET /stuck HTTP/1.1|Host: x||"),
            Begins,
            Reads(stuck),
            Reads(stuck),
            Ends(120.0, ""),
        ],
        // Content that does not come, or trickles, before the answer has begun.
        &[Begins, Sends("POST /collect HTTP/1.1|Host: x|Content-Length: 5||"), Ends(10.0, "408 H1-TIME-002 close")],
        &[
            Begins,
            Sends("POST /collect HTTP/1.1|Host: x|Transfer-Encoding: chunked||"),
            Trickles(9, "1|x|"),
            Ends(10.0, "408 H1-TIME-002 close"),
        ],
        &[Begins, Sends("POST /echo HTTP/1.1|Host: x|Content-Length: 5||"), Ends(10.0, "408 H1-TIME-002 close")],
        // Nobody wants it: the answer has gone, and the connection ends.
        &[Begins, Sends("POST /ignore HTTP/1.1|Host: x|Content-Length: 5||"), Reads("200 ignored"), Ends(10.0, "")],
    ] {
        play(script).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_made_of_content_that_stops_ends_with_it() {
    let server = server();
    let mut connection = server.connect();
    let begin = Instant::now();
    for piece in ["POST /echo HTTP/1.1|Host: x|Content-Length: 50000||", "he"] {
        send(&mut connection, wire(piece).as_bytes()).await;
    }
    connection.read_head().await;
    for _ in 0..9 {
        send(&mut connection, b"x").await;
        assert!(connection.try_read_piece().await.is_ok());
        sleep(Duration::from_secs(1)).await;
    }
    while connection.try_read_piece().await.is_ok() {}
    assert_eq!(begin.elapsed().as_secs(), 10);
}

/// Reads `bytes` every second, in the background of the server; says after how long the connection broke.
async fn read_slowly(connection: &mut TestConnection, each: usize) -> Option<u64> {
    let begin = Instant::now();
    connection.read_head().await;
    while begin.elapsed() < Duration::from_secs(200) {
        sleep(Duration::from_secs(1)).await;
        let mut read = 0;
        while read < each {
            match tokio::time::timeout(Duration::from_millis(1), connection.try_read_piece()).await {
                Ok(Ok(Some(piece))) => read += piece.len(),
                Ok(_) => return Some(begin.elapsed().as_secs()),
                Err(_) => break,
            }
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_reader_below_the_least_rate_is_cut_and_one_above_is_not() {
    let server = server();
    // On a wire of that size a client reads at most two such pieces a second.
    for (each, cut) in [(300, true), (2048, false)] {
        let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), each, |stream| stream);
        send(&mut connection, wire("GET /endless HTTP/1.1|Host: x||").as_bytes()).await;
        let after = read_slowly(&mut connection, each).await;
        assert_eq!(after.is_some_and(|seconds| seconds <= 16), cut, "{each} bytes a second: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_readers_that_do_not_read_cost_a_bounded_number_of_bytes_and_are_closed() {
    const COUNT: usize = 60;
    const PIECE_BYTES: usize = 1024;
    let produced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&produced);
    let server = TestServer::new(Server::new(move |_: Request| {
        let (sender, body) = Body::channel(1);
        let produced = Arc::clone(&count);
        tokio::spawn(async move {
            while sender.send(vec![b'x'; PIECE_BYTES]).await.is_ok() {
                produced.fetch_add(PIECE_BYTES, Relaxed);
            }
        });
        async { body }
    }));
    let mut readers = Vec::new();
    for _ in 0..COUNT {
        readers.push(server.connect());
        send(readers.last_mut().unwrap(), wire("GET / HTTP/1.1|Host: x||").as_bytes()).await;
    }
    sleep(Duration::from_millis(14_900)).await;
    assert_eq!(server.watched().registry.len(), COUNT);
    sleep(Duration::from_millis(200)).await;
    assert!(server.watched().registry.is_empty());
    // What the wire holds, what is queued, and what is on its way from one to the other.
    let each = produced.load(Relaxed) / COUNT;
    assert!(each <= WIRE_BYTES + 64 * 1024 + 4 * PIECE_BYTES, "{each} bytes each");
}

#[tokio::test(start_paused = true)]
async fn a_long_upload_that_is_collected_is_judged_by_its_rate() {
    let server = server();
    let mut connection = server.connect();
    connection.send(wire("POST /collect HTTP/1.1|Host: x|Content-Length: 122880||")).await;
    for _ in 0..120 {
        sleep(Duration::from_secs(1)).await;
        connection.send([b'x'; 1024]).await;
    }
    assert_eq!(summary(&connection.read_response().await), "200 122880 bytes");
    // A handler that is stuck behind its content has its time once, from there on.
    let handler = |mut request: Request| async move {
        let _ = request.content().collect(10).await;
        std::future::pending::<&str>().await
    };
    let mut connection = TestServer::new(Server::new(handler)).connect();
    send(&mut connection, wire("POST / HTTP/1.1|Host: x|Content-Length: 2||").as_bytes()).await;
    sleep(Duration::from_secs(5)).await;
    let begin = Instant::now();
    send(&mut connection, b"xx").await;
    assert_eq!(summary(&connection.read_response().await), "503 HTTP-SERVER-002");
    assert_eq!(begin.elapsed().as_secs(), 30);
    // One that does not read is not helped by what comes.
    let mut connection = TestServer::new(Server::new(|_: Request| std::future::pending::<&str>())).connect();
    let begin = Instant::now();
    connection.send(wire("POST / HTTP/1.1|Host: x|Content-Length: 200||")).await;
    for _ in 0..29 {
        sleep(Duration::from_secs(1)).await;
        connection.send("x").await;
    }
    assert_eq!(connection.read_response().await.status.code(), 503);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_time_is_up_is_told_so_wherever_its_content_is() {
    struct Dropped(Context, UnboundedSender<Option<Reason>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.1.send(self.0.reason()).expect("the test listens");
        }
    }
    let (telling, mut told) = unbounded_channel();
    let handler = move |request: Request| {
        let dropped = Dropped(request.context().clone(), telling.clone());
        async move {
            let _dropped = dropped;
            std::future::pending::<&str>().await
        }
    };
    let server = TestServer::new(Server::new(handler));
    for content in ["hello", ""] {
        let mut connection = server.connect();
        connection.send(wire(&format!("POST / HTTP/1.1|Host: x|Content-Length: 5||{content}"))).await;
        assert_eq!(connection.read_response().await.status.code(), 503);
        assert_eq!(told.recv().await.flatten(), Some(Reason::DeadlineExceeded), "content: {content:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_honest_upload_is_never_cut() {
    let server = server();
    let mut connection = server.connect();
    let total = 120 * 65_536;
    connection.send(wire(&format!("POST /echo HTTP/1.1|Host: x|Content-Length: {total}||"))).await;
    let mut echoed = 0;
    connection.send(vec![b'x'; 65_536]).await;
    connection.read_head().await;
    for second in 0..120 {
        if second > 0 {
            connection.send(vec![b'x'; 65_536]).await;
        }
        while echoed < (second + 1) * 65_536 {
            echoed += connection.read_piece().await.unwrap().len();
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(connection.read_piece().await, None);
    assert_eq!(state(&mut connection).await, After::Open);
}

#[tokio::test(start_paused = true)]
async fn lingering_begins_when_all_is_sent_and_ends() {
    let server = server();
    let mut connection = server.connect();
    send(&mut connection, wire("GET /close HTTP/1.1|Host: x||").as_bytes()).await;
    connection.read_response().await;
    assert_eq!(connection.read_to_end().await.unwrap(), b"");
    sleep(Duration::from_millis(1_900)).await;
    assert!(!connection.is_over(), "it waits for the peer to close");
    sleep(Duration::from_millis(200)).await;
    assert!(connection.is_over());
    // Also where content was lent for the last answer.
    let mut connection = server.connect();
    send(&mut connection, wire("POST /echo HTTP/1.1|Host: x|Content-Length: 5|Connection: close||").as_bytes()).await;
    for piece in ["hel", "lo"] {
        send(&mut connection, piece.as_bytes()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(summary(&connection.read_response().await), "200 close hello");
    sleep(Duration::from_millis(1_900)).await;
    assert!(!connection.is_over());
    // It has not begun while a slow client reads, whoever holds the content.
    for request in
        ["GET /bytes/50000 HTTP/1.0||", "POST /keep/50000 HTTP/1.1|Host: x|Content-Length: 5|Connection: close||"]
    {
        let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), 4096, |stream| stream);
        send(&mut connection, wire(request).as_bytes()).await;
        connection.read_head().await;
        let mut read = 0;
        while let Some(piece) = connection.read_piece().await {
            read += piece.len();
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(read, 50_000, "{request}");
    }
    // A peer that goes on sending does not hold it longer.
    let mut connection = server.connect();
    send(&mut connection, wire("GET /close HTTP/1.1|Host: x||").as_bytes()).await;
    while connection.try_send([0; 1024]).await.is_ok() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn deadlines_can_be_off() {
    let off = Deadlines {
        first_byte: Duration::MAX,
        head: Duration::MAX,
        idle: Duration::MAX,
        handler: Duration::MAX,
        ..Deadlines::default()
    };
    let handler = |_: Request| async {
        sleep(Duration::from_secs(400)).await;
        "hello"
    };
    let server = TestServer::new(Server::new(handler).deadlines(off));
    let mut connection = server.connect();
    for piece in ["GET / HTTP/1.1|", "Host: x||"] {
        sleep(Duration::from_secs(400)).await;
        send(&mut connection, wire(piece).as_bytes()).await;
    }
    assert_eq!(summary(&connection.read_response().await), "200 hello");
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_told_how_long_it_has_however_its_content_came() {
    async fn tell(mut request: Request) -> String {
        let at_first = request.remaining();
        let _ = request.content().collect(10).await;
        format!("{:?} {:?}", at_first.map(|left| left.as_secs()), request.remaining().map(|left| left.as_secs()))
    }
    let check = async |pieces: &[&str], handler: Duration, expected: &str| {
        let server = TestServer::new(Server::new(tell).deadlines(Deadlines { handler, ..Deadlines::default() }));
        let mut connection = server.connect();
        for piece in pieces {
            connection.send(wire(piece)).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(connection.read_response().await.text(), expected, "{pieces:?}");
    };
    let head = "POST / HTTP/1.1|Host: x|Content-Length: 2||";
    let half_a_minute = Duration::from_secs(30);
    check(&["GET / HTTP/1.1|Host: x||"], half_a_minute, "Some(30) Some(30)").await;
    check(&[&format!("{head}xx")], half_a_minute, "Some(30) Some(30)").await;
    check(&[head, "x", "x"], half_a_minute, "Some(30) Some(30)").await;
    check(&[head, "x", "x"], Duration::MAX, "None None").await;
}

#[tokio::test(start_paused = true)]
async fn idling_begins_when_the_answer_is_sent() {
    let server = server();
    let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), 10_000, |stream| stream);
    connection.send(wire("GET /bytes/200000 HTTP/1.1|Host: x||")).await;
    let begin = Instant::now();
    connection.read_head().await;
    while connection.read_piece().await.is_some() {
        // Above the least rate, and longer in all than an idle client may be.
        sleep(Duration::from_secs(5)).await;
    }
    assert!(begin.elapsed() > Duration::from_secs(60));
    sleep(Duration::from_secs(30)).await;
    connection.send(wire(HELLO)).await;
    assert_eq!(summary(&connection.read_response().await), "200 hello");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answer_for_long_is_not_idle_without_a_rate_either() {
    let mut deadlines = Deadlines::default();
    deadlines.write_rate.bytes_per_second = 0;
    let server = TestServer::new(Server::new(crate::stage::routes()).deadlines(deadlines));
    let mut connection = server.connect();
    connection.send(wire("GET /bytes/100000 HTTP/1.1|Host: x||")).await;
    sleep(Duration::from_secs(70)).await;
    let stalled = &server.watched().registry.snapshots()[0];
    assert_eq!(
        (stalled.phase, stalled.deadline_left_ms),
        (Phase::Idle, None),
        "no deadline runs, and the card says so"
    );
    connection.read_response().await;
    sleep(Duration::from_secs(50)).await;
    connection.send(wire(HELLO)).await;
    assert_eq!(summary(&connection.read_response().await), "200 hello");
}
