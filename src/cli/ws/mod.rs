//! Owns `firstbyte ws`: a WebSocket on a terminal, for those who test a server.
//!
//! ```text
//!   standard input ──lines──▶ Said ──▶ Sender ──▶ the server
//!   standard output ◀──words── messages ◀── Socket ◀──┘
//!   standard error  ◀── pings, pongs, how it ended; with --trace every frame, in the words of `serve --trace`
//! ```
//!
//! The one idea: what is sent and what is shown are tasks of their own, so that a server that waits for its reader is read.
//!
//! Spec: RFC 6455.
//! Never: shows a byte that a server chose as it came: a terminal would obey it.

mod said;
mod shown;

use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use firstbyte::app::inspect::{self, Inspector};
use firstbyte::http::server::Watched;
use firstbyte::net::tap::{Watch, What};
use firstbyte::ws::client::{ClientConfig, ConnectError, connect};
use firstbyte::ws::deflate::Compression;
use firstbyte::ws::handshake::client::HandshakeError;
use firstbyte::ws::handshake::url::Url;
use firstbyte::ws::{CloseCode, Config, Deadlines, Ended, Limits, Outgoing, Overflow, Sender, Socket, trace};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::{FAILURE, USAGE, fail, say};
use said::Said;
use shown::Shown;

/// Lines that are read ahead of what the server takes.
const LINES_AHEAD: usize = 16;

/// Bytes of a message that is shown.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How long the last lines of a trace may take.
const TRACE_TIME: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  firstbyte ws ws://127.0.0.1:8080/ws                  talk: each line is a message
  firstbyte ws ws://127.0.0.1:8080/ws --trace          and see every frame
  echo hello | firstbyte ws ws://127.0.0.1:8080/ws     in a script
  firstbyte ws 8080/room/x --count 3 < /dev/null       the next three messages
  firstbyte ws 8080/ws --header 'Cookie: a=b' --origin http://example.com

What a line says:
  hello              a text message
  //ws               a text message that begins with a slash: /ws
  /binary 00ff 10    a binary message, in hexadecimal
  /ping [TEXT]       a ping; its pong is shown with the time that it took
  /close [CODE] [REASON]
  /help

Messages are written to standard output, one a line: text with its control characters escaped, binary as its bytes in \
hexadecimal. Everything else is written to standard error.

At the end of its input it waits until the server has said nothing for --wait, or --count messages have come, and closes \
with 1000.

Exit codes:
  0  closed by both sides, with 1000, 1001, no code or that of /close; with --count, when so many messages have come
  1  no WebSocket came about, or it ended otherwise
  2  flags or a line of the input are wrong";

/// The subcommand.
pub fn command() -> Command {
    let switch =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("ws")
        .about("Talk to a WebSocket server: a line is a message")
        .after_help("More with --help: what a line says, examples, exit codes.")
        .after_long_help(EXAMPLES)
        .max_term_width(120)
        .arg(
            Arg::new("url")
                .value_name("URL")
                .required(true)
                .value_parser(url)
                .help("Where it is: ws://HOST[:PORT][/PATH]; PORT/PATH alone is one of 127.0.0.1"),
        )
        .arg(
            Arg::new("header")
                .long("header")
                .value_name("NAME: VALUE")
                .value_parser(field)
                .action(ArgAction::Append)
                .help("A field line of the request; may stand several times"),
        )
        .arg(
            Arg::new("protocol")
                .long("protocol")
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("A subprotocol to offer; may stand several times, the preferred one first"),
        )
        .arg(Arg::new("origin").long("origin").value_name("ORIGIN").help("Whose page this claims to be"))
        .arg(switch("no-compression", "Do not offer permessage-deflate"))
        .arg(switch("trace", "Show every frame, both ways, on standard error"))
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Close when so many messages have come"),
        )
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("SECONDS")
                .value_parser(value_parser!(u32))
                .default_value("1")
                .help("How long a silence ends it, once the input has ended"),
        )
}

/// Reads an address as people write it: with `ws://`, or as for `serve --listen` and `check`, or a port alone.
fn url(word: &str) -> Result<String, String> {
    let port = word.split_once('/').map_or(word, |(port, _)| port);
    let whole = match word {
        _ if word.contains("://") => word.to_owned(),
        _ if port.parse::<u16>().is_ok() => format!("ws://127.0.0.1:{word}"),
        _ => format!("ws://{word}"),
    };
    Url::parse(&whole).map(|_| whole).map_err(|error| error.to_string())
}

fn field(word: &str) -> Result<(String, String), String> {
    let (name, value) = word.split_once(':').ok_or("write 'Name: value'")?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// What is wanted.
struct Wanted {
    url: String,
    client: ClientConfig,
    is_traced: bool,
    count: Option<u64>,
    wait: Duration,
}

impl Wanted {
    fn of(matches: &ArgMatches, watched: &Watched) -> Wanted {
        let mut fields: Vec<(String, String)> = matches.get_many("header").into_iter().flatten().cloned().collect();
        fields.extend(matches.get_one::<String>("origin").map(|origin| ("Origin".to_owned(), origin.clone())));
        let socket = Config {
            limits: Limits {
                frame_bytes_max: MESSAGE_BYTES_MAX as u64,
                message_bytes_max: MESSAGE_BYTES_MAX,
                ..Limits::default()
            },
            // Who sits before a terminal takes the time that it takes.
            deadlines: Deadlines { idle: Duration::MAX, ..Deadlines::default() },
            compression: (!matches.get_flag("no-compression")).then(Compression::default),
            ..Config::default()
        };
        let client = ClientConfig {
            protocols: matches.get_many("protocol").into_iter().flatten().cloned().collect(),
            fields,
            socket,
            registry: Arc::clone(&watched.registry),
            hub: Arc::clone(&watched.hub),
            ..ClientConfig::default()
        };
        Wanted {
            url: matches.get_one::<String>("url").cloned().unwrap_or_default(),
            client,
            is_traced: matches.get_flag("trace"),
            count: matches.get_one("count").copied(),
            wait: Duration::from_secs(matches.get_one::<u32>("wait").copied().unwrap_or_default().into()),
        }
    }
}

/// Does what the subcommand says.
pub fn run(matches: &ArgMatches) -> ExitCode {
    let watched = Watched::default();
    let wanted = Wanted::of(matches, &watched);
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("sockets cannot be waited for: {error}")),
    };
    let ended = runtime.block_on(async {
        let watch = watched.hub.watch();
        let inspector = Inspector::new(&watched, true);
        let trace = wanted.is_traced.then(|| tokio::spawn(inspect::trace_to_terminal(inspector)));
        // So that the trace watches before there is something to see.
        tokio::task::yield_now().await;
        let ended = talk(&wanted, watch).await;
        watched.shutdown.begin();
        if let Some(trace) = trace {
            // Its last lines tell how it ended. A terminal that is stopped is not waited for.
            let _ = timeout(TRACE_TIME, trace).await;
        }
        ended
    });
    // A thread may still wait for a line.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => refused(&wanted, &error),
    }
}

/// Opens, talks, closes.
async fn talk(wanted: &Wanted, watch: Watch) -> Result<ExitCode, ConnectError> {
    let socket = connect(&wanted.url, &wanted.client).await?;
    let is_conversation = io::stdin().is_terminal();
    let shown = Shown::new();
    if is_conversation {
        let protocol = socket.protocol().map(|name| format!(", subprotocol {name}")).unwrap_or_default();
        shown.note(&format!("connected to {}{protocol}; /help says what a line may be", wanted.url));
    }
    let script = Arc::new(Script::default());
    // Dropped at the end of the input.
    let (end, input) = oneshot::channel();
    tokio::spawn(say_lines(lines(), socket.sender(Overflow::Wait), Arc::clone(&script), end));
    let (ended, count) = hear(socket, wanted, watch, &shown, &script, input).await;
    if is_conversation || !is_clean(&ended, &script) {
        shown.note(&shown::ended(&ended));
    }
    let is_good = wanted.count.map_or(is_clean(&ended, &script), |wanted| count >= wanted);
    Ok(match (is_good, script.is_misused()) {
        // A person has seen what was wrong with a line, and said it better.
        (_, true) if !is_conversation => ExitCode::from(USAGE),
        (true, _) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(FAILURE),
    })
}

/// Shows what comes, until it is over: how it ended, and how many messages there were.
async fn hear(
    mut socket: Socket,
    wanted: &Wanted,
    mut watch: Watch,
    shown: &Shown,
    script: &Script,
    mut input: oneshot::Receiver<()>,
) -> (Ended, u64) {
    let (mut count, mut is_impatient) = (0, false);
    let mut patience = Patience { wait: wanted.wait, until: None };
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message else { break };
                count += 1;
                patience.renew();
                if wanted.count.is_none_or(|wanted| count <= wanted) {
                    shown.message(&message);
                }
                if wanted.count == Some(count) {
                    socket.close(CloseCode::NORMAL, "");
                }
            }
            _ = &mut input, if !input.is_terminated() => patience.begin(),
            () = patience.over() => socket.close(CloseCode::NORMAL, ""),
            _ = tokio::signal::ctrl_c() => {
                if std::mem::replace(&mut is_impatient, true) {
                    break;
                }
                socket.close(CloseCode::GOING_AWAY, "");
            }
            Ok(event) = watch.next() => show_control(&event.what, shown, script),
        }
    }
    // What was told before the end is shown, too.
    while let Ok(told) = timeout(Duration::ZERO, watch.next()).await {
        told.into_iter().for_each(|event| show_control(&event.what, shown, script));
    }
    (socket.ended().unwrap_or(Ended::Gone), count)
}

/// How long a silence may be, once the input has ended.
struct Patience {
    wait: Duration,
    until: Option<Instant>,
}

impl Patience {
    fn begin(&mut self) {
        self.until = Some(Instant::now() + self.wait);
    }

    fn renew(&mut self) {
        if self.until.is_some() {
            self.begin();
        }
    }

    /// Resolves once when it is over.
    async fn over(&mut self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
        self.until = None;
    }
}

/// What is known of the lines that were said.
#[derive(Debug, Default)]
struct Script {
    /// Pings that are not answered yet, and when they were sent.
    pings: Mutex<VecDeque<(Vec<u8>, Instant)>>,
    is_misused: AtomicBool,
    /// The code that a line has closed with.
    own_code: AtomicU16,
}

impl Script {
    fn pinged(&self, payload: &[u8]) {
        lock(&self.pings).push_back((payload.to_vec(), Instant::now()));
    }

    /// How long ago the ping was sent that this pong answers, and with it all before it (RFC 6455 5.5.3).
    fn ponged(&self, payload: &[u8]) -> Option<Duration> {
        let mut pings = lock(&self.pings);
        let at = pings.iter().position(|(sent, _)| sent == payload)?;
        pings.drain(..=at).next_back().map(|(_, when)| when.elapsed())
    }

    fn is_misused(&self) -> bool {
        self.is_misused.load(Relaxed)
    }
}

/// Says what the lines say, until they end. Dropping `_end` tells that.
async fn say_lines(mut lines: mpsc::Receiver<Vec<u8>>, sender: Sender, script: Arc<Script>, _end: oneshot::Sender<()>) {
    while let Some(line) = lines.recv().await {
        let sent = match Said::parse(line) {
            Ok(Said::Message(message)) => sender.send(message).await,
            Ok(Said::Ping(payload)) => {
                script.pinged(&payload);
                sender.send(Outgoing::Ping(Box::new(payload))).await
            }
            Ok(Said::Close(close)) => {
                script.own_code.store(close.code().get(), Relaxed);
                return sender.close(close.code(), close.reason());
            }
            Ok(Said::Help) => {
                say(said::HELP);
                Ok(())
            }
            Err(complaint) => {
                script.is_misused.store(true, Relaxed);
                say(&format!("not sent: {complaint}"));
                Ok(())
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The lines of standard input, read on a thread of their own: a terminal cannot be waited for otherwise.
fn lines() -> mpsc::Receiver<Vec<u8>> {
    let (lines, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        // What cannot be read has ended.
        for line in io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Shows pings and pongs, which are no messages.
fn show_control(what: &What, shown: &Shown, script: &Script) {
    let What::Received { part, bytes, .. } = what else { return };
    match (*part == trace::PONG).then(|| script.ponged(bytes)).flatten() {
        Some(after) => shown.pong(bytes, after),
        // The driver asks by itself, with nothing, whether the server is there.
        _ if *part == trace::PONG && bytes.is_empty() => {}
        _ if *part == trace::PONG => shown.control("pong, which nobody has asked for", bytes),
        _ if *part == trace::PING => shown.control("ping, and it was answered", bytes),
        _ => {}
    }
}

/// Whether both sides have said goodbye in peace. The server's code is ours when it answers our Close.
fn is_clean(ended: &Ended, script: &Script) -> bool {
    match ended {
        Ended::Closed(None) => true,
        Ended::Closed(Some(close)) => {
            matches!(close.code(), CloseCode::NORMAL | CloseCode::GOING_AWAY)
                || close.code().get() == script.own_code.load(Relaxed)
        }
        _ => false,
    }
}

fn refused(wanted: &Wanted, error: &ConnectError) -> ExitCode {
    let content = match error {
        ConnectError::Url(_) | ConnectError::Ask(_) => {
            say(&format!("error: {error}"));
            return ExitCode::from(USAGE);
        }
        ConnectError::Handshake(HandshakeError::Refused(refusal)) => shown::indented(&refusal.content),
        ConnectError::Connect(_) => "\nIs it running, and is that its address?".to_owned(),
        _ => String::new(),
    };
    fail(&format!("{}: {error}{content}", wanted.url))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock guards plain values.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(words: &[&str]) -> Result<ArgMatches, String> {
        command().try_get_matches_from([&["ws"], words].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_written_as_people_write_it() {
        for (word, whole) in [
            ("ws://h/x", "ws://h/x"),
            ("8080", "ws://127.0.0.1:8080"),
            ("8080/ws", "ws://127.0.0.1:8080/ws"),
            ("localhost:8080/ws?a=b", "ws://localhost:8080/ws?a=b"),
            ("[::1]:80", "ws://[::1]:80"),
            ("wss://h", ""),
            ("http://h", ""),
            ("a b", ""),
            ("h/#x", ""),
        ] {
            assert_eq!(url(word).unwrap_or_default(), whole, "{word}");
        }
        assert!(url("wss://h").is_err_and(|error| error.contains("TLS")));
    }

    #[test]
    fn flags_become_a_request() {
        let words =
            ["8080", "--header", "Cookie: a=b:c", "--header", "X:", "--origin", "http://x", "--protocol", "chat"];
        let wanted = Wanted::of(&matches(&words).expect("good"), &Watched::default());
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(wanted.client.fields, [field("Cookie", "a=b:c"), field("X", ""), field("Origin", "http://x")]);
        assert_eq!(wanted.client.protocols, ["chat"]);
        assert!(wanted.client.socket.compression.is_some());
        for words in [&[][..], &["8080", "--header", "no colon"], &["8080", "--count", "0"], &["8080", "--wait", "-1"]]
        {
            assert!(matches(words).is_err(), "{words:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_answers_its_ping_and_those_before_it() {
        let script = Script::default();
        for payload in [b"a", b"b", b"c"] {
            script.pinged(payload);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(script.ponged(b"x"), None);
        assert_eq!(script.ponged(b"b"), Some(Duration::from_secs(2)));
        assert_eq!(script.ponged(b"a"), None, "it will not come any more");
        assert_eq!(script.ponged(b"c"), Some(Duration::from_secs(1)));
    }
}
