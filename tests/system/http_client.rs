//! The client over real sockets: our server, Python's, nc, and servers that hang, trickle and die.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use firstbyte::http::client::{Blame, Client, ClientConfig, ClientError, Outgoing, Phase};
use firstbyte::http::{Body, Method, Url};
use tokio::runtime::Builder;

use crate::server::{Folder, SOON, Server, wait_for};
use crate::tools;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(SOON, work).await.expect("it ends") })
}

fn url(address: impl AsRef<str>) -> Url {
    Url::parse(address.as_ref()).unwrap()
}

fn at(addr: SocketAddr) -> Url {
    url(format!("http://{addr}/"))
}

/// Deadlines that a test can wait for.
fn hasty() -> ClientConfig {
    let short = Duration::from_millis(300);
    let mut config = ClientConfig { connect: short, answer: short, head: short, ..ClientConfig::default() };
    config.content_rate.over = short;
    config
}

/// A server that does `act` with each connection, one after the other.
fn serve(act: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| act(stream.unwrap())));
    addr
}

/// Reads the head of a request.
fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    head
}

#[test]
fn our_server_answers_over_one_connection() {
    let server = Server::start(&[]);
    let client = Client::new(ClientConfig::default());
    run(async {
        for _ in 0..50 {
            let mut answer = client.send(Outgoing::get(&url(server.url("/plaintext")))).await.unwrap();
            assert_eq!((answer.status.code(), &*answer.collect().await.unwrap()), (200, &b"Hello, World!"[..]));
        }
        let counts = client.counts();
        assert_eq!((counts.opened, counts.reused, counts.open, counts.idle), (1, 49, 1, 1));
        // Two megabytes there and back, streamed in both directions at once.
        let (sender, body) = Body::channel(2);
        let sending = async {
            for _ in 0..32 {
                sender.send(vec![b'x'; 64 * 1024]).await.unwrap();
            }
            drop(sender);
        };
        let echoing = async {
            let mut answer = client.send(Outgoing::post(&url(server.url("/echo")), body)).await.unwrap();
            let (mut len, status) = (0, answer.status.code());
            while let Some(piece) = answer.next().await {
                len += piece.unwrap().len();
            }
            (status, len)
        };
        let ((status, len), ()) = tokio::join!(echoing, sending);
        assert_eq!((status, len), (200, 32 * 64 * 1024));
        assert_eq!(client.counts().opened, 1);
    });
}

#[test]
fn many_callers_share_a_bounded_number_of_connections() {
    let server = Server::start(&[]);
    let client = Client::new(ClientConfig { connections_per_origin_max: 4, ..ClientConfig::default() });
    run(async {
        let asking: Vec<_> = (0..200)
            .map(|_| {
                let (client, url) = (client.clone(), url(server.url("/plaintext")));
                tokio::spawn(async move { client.send(Outgoing::get(&url)).await.unwrap().collect().await.unwrap() })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap(), "Hello, World!");
        }
    });
    let counts = client.counts();
    assert!(counts.opened <= 4 && counts.open <= 4, "{counts:?}");
}

#[test]
fn a_server_that_is_started_anew_is_found_again() {
    // It closes each connection behind an answer that did not say so, as one that was stopped in between.
    let addr = serve(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let client = Client::new(ClientConfig::default());
    run(async {
        for _ in 0..20 {
            assert_eq!(client.send(Outgoing::get(&at(addr))).await.unwrap().collect().await.unwrap(), "ok");
        }
    });
    assert_eq!(client.counts().opened, 20);
}

#[test]
fn python_serves_files() {
    let Some(python) = tools::find("python3") else { return };
    let folder = Folder::new();
    std::fs::write(folder.join("keys.json"), r#"{"keys":[]}"#).unwrap();
    std::fs::write(folder.join("large"), vec![b'x'; 3_000_000]).unwrap();
    let script = "import functools, http.server\n\
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory='.')\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)\n\
        print(f'http://127.0.0.1:{server.server_port}', flush=True)\n\
        server.serve_forever()";
    let mut command = Command::new(python);
    command.args(["-c", script]).current_dir(folder.path());
    let server = Server::spawn(command);
    let client = Client::new(ClientConfig { content_bytes_max: 4_000_000, ..ClientConfig::default() });
    run(async {
        let get = |path: &str| client.send(Outgoing::get(&url(server.url(path))));
        let mut keys = get("/keys.json").await.unwrap();
        assert_eq!((keys.status.code(), keys.field("content-type")), (200, Some("application/json")));
        assert_eq!(keys.collect().await.unwrap(), r#"{"keys":[]}"#);
        assert_eq!(get("/large").await.unwrap().collect().await.unwrap().len(), 3_000_000);
        assert_eq!(get("/nothing").await.unwrap().status.code(), 404);
        let mut head = client.send(Outgoing::new(Method::HEAD, &url(server.url("/large")))).await.unwrap();
        assert_eq!(head.field("content-length"), Some("3000000"));
        assert!(head.collect().await.unwrap().is_empty());
    });
    assert_eq!(client.counts().idle, 0, "HTTP/1.0 closes");
}

#[test]
fn nc_is_a_server_too() {
    let Some(nc) = tools::find("nc") else { return };
    // A port that was free a moment ago: nc cannot choose one and say so.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut nc = Command::new(nc);
    nc.args(["-N", "-l", "127.0.0.1", &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = nc.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end").unwrap();
    drop(stdin);
    let client = Client::new(ClientConfig::default());
    let asked = run(async {
        // It has said all before it was asked, which is no answer; or nothing yet.
        loop {
            match client.send(Outgoing::get(&url(format!("http://127.0.0.1:{port}/")))).await {
                Err(ClientError::Connect(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(mut answer) => break answer.collect().await.map(|content| content.to_vec()),
                Err(error) => break Err(error),
            }
        }
    });
    match asked {
        Ok(content) => assert_eq!(content, b"until the end"),
        Err(error) => assert!(matches!(error, ClientError::Unasked), "{error}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn servers_that_die_hang_and_trickle_are_told_apart() {
    let pause = || std::thread::sleep(SOON);
    let trickle = |mut stream: TcpStream, bytes: &[u8]| {
        while stream.write_all(bytes).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let say = |mut stream: TcpStream, bytes: &[u8]| {
        read_head(&mut stream);
        stream.write_all(bytes).unwrap();
        stream
    };
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    // When an end is seen that comes at once depends on who is faster.
    type Case = (&'static str, SocketAddr, Option<(Phase, Blame)>);
    let cases: [Case; 6] = [
        ("dies at once", serve(drop), None),
        (
            "dies before the answer",
            serve(|mut stream| drop(read_head(&mut stream))),
            Some((Phase::Answer, Blame::Peer)),
        ),
        (
            "dies within the head",
            serve(move |stream| drop(say(stream, b"HTTP/1.1 2"))),
            Some((Phase::Head, Blame::Peer)),
        ),
        ("hangs", serve(move |stream| (pause(), drop(stream)).1), Some((Phase::Answer, Blame::Peer))),
        (
            "hangs within content",
            serve(move |stream| (say(stream, half), pause()).1),
            Some((Phase::Content, Blame::Peer)),
        ),
        (
            "trickles a head",
            serve(move |stream| trickle(say(stream, b"HTTP/1.1 200 OK\r\nX: "), b"x")),
            Some((Phase::Head, Blame::Peer)),
        ),
    ];
    for (case, addr, expected) in cases {
        let client = Client::new(hasty());
        let error = run(async {
            match client.send(Outgoing::get(&at(addr))).await {
                Ok(mut answer) => answer.collect().await.expect_err(case),
                Err(error) => error,
            }
        });
        match expected {
            Some(expected) => assert_eq!((error.phase(), error.blame()), expected, "{case}: {error}"),
            None => assert!(error.phase() <= Phase::Answer, "{case}: {error}"),
        }
        assert_eq!(client.counts().open, 0, "{case}");
    }
}

#[test]
fn nobody_listens_and_https_is_not_spoken_in_the_clear() {
    let client = Client::new(hasty());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [format!("http://{free}/"), format!("https://{free}/"), "http://no-such-host.invalid/".to_owned()] {
        let error = run(client.send(Outgoing::get(&url(&address)))).expect_err("nobody is there");
        assert_eq!(error.blame(), Blame::Environment, "{address}: {error}");
    }
}

#[test]
fn connections_at_rest_are_closed_with_their_server() {
    let server = Server::start(&[]);
    let client = Client::new(ClientConfig::default());
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let asked = runtime.block_on(async { client.send(Outgoing::get(&url(server.url("/plaintext")))).await.unwrap() });
    assert_eq!((asked.status.code(), client.counts().idle), (200, 1));
    drop(server);
    wait_for("the connection is closed", || (client.counts().open == 0).then_some(()));
}
