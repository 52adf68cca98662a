//! Owns `firstbyte ws-bench`: thousands of WebSocket clients, and what they see of a server.
//!
//! ```text
//!   open all ──▶ warm up ──▶ measure ──▶ drain ──▶ say goodbye ──▶ report
//!                  echo: each client has its messages in flight, and sends the next when one is back
//!                  room: so many messages a second, from all clients in turn, to all clients
//!                            └ the server's processor time and memory, at both ends
//! ```
//!
//! The one idea: it tells what a user of that server would have seen, and says what it cost the server. So nothing counts
//! that was not checked byte for byte, and what got lost is told first.
//!
//! Never: runs on more than one thread: the machine is the server's.

mod client;
mod histogram;
mod message;
mod process;
mod reader;
mod report;

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use firstbyte::ws::Config;
use firstbyte::ws::client::{ClientConfig, ConnectError, open};
use firstbyte::ws::frame::Opcode;
use firstbyte::ws::handshake::url::Url;
use tokio::runtime;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{FAILURE, USAGE, descriptors, fail, may_colour, print, say};
use client::{Client, Phase, Seen, Shared};
use message::STAMP_BYTES;
use process::Usage;
use report::Report;

/// Handshakes at once: enough to keep the server busy, few enough for any backlog.
const OPENING: usize = 64;

/// How long what is on its way may take to come.
const DRAIN: Duration = Duration::from_secs(10);

/// How long connections may take to end.
const GOODBYE: Duration = Duration::from_secs(5);

/// How often it is looked whether everything has come, and how far it is.
const LOOK: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  firstbyte ws-bench ws://127.0.0.1:8080/ws                      echo, one client
  firstbyte ws-bench ws://127.0.0.1:8080/ws --clients 100 --size 1024
  firstbyte ws-bench ws://127.0.0.1:8080/ws --in-flight 16       how much goes through
  firstbyte ws-bench ws://127.0.0.1:8080/room/x --room --clients 5000 --rate 20
  firstbyte ws-bench … --json > report.json                      for programs

The server must be one that sends each message back as it came (echo), or to every client, its sender too (--room), in \
one frame each. firstbyte serves both, at /ws and /room/NAME. From another machine it lets fewer clients of one address in, \
unless --connections-per-address-max is raised.

Times are from the moment at which a message is sent to the one at which it was read and checked; they are right to 2 %. \
Processor time is that of the whole server between the first and the last moment of the measurement; it is known when the server \
runs on this machine, or is named by --pid.

Exit codes:
  0  everything that was sent has come, as it was sent
  1  something has not, or a client was closed or not let in
  2  flags are wrong";

/// What is wanted.
struct Wanted {
    url: String,
    clients: usize,
    room: bool,
    rate: u32,
    in_flight: u64,
    size: usize,
    text: bool,
    warm_up: Duration,
    seconds: Duration,
    pid: Option<u32>,
    json: bool,
}

/// The subcommand.
pub fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u32).range(1..));
        arg.default_value(default).help(help)
    };
    let switch =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("ws-bench")
        .about("Load a WebSocket server with clients, and tell times, losses and what it cost")
        .after_help("More with --help: examples, exit codes.")
        .after_long_help(EXAMPLES)
        .max_term_width(120)
        .arg(Arg::new("url").value_name("URL").required(true).help("Where it is: ws://HOST[:PORT][/PATH]"))
        .arg(number("clients", "1", "Connections"))
        .arg(switch("room", "What one client sends comes to all of them"))
        .arg(number("rate", "20", "Messages a second to the room, from all clients in turn").requires("room"))
        .arg(number("in-flight", "1", "Messages that each client has on their way, to an echo").conflicts_with("room"))
        .arg(number("size", "64", "Bytes of a message, at least 32"))
        .arg(number("seconds", "10", "How long it is measured"))
        .arg(
            Arg::new("warm-up")
                .long("warm-up")
                .value_name("SECONDS")
                .value_parser(value_parser!(u32))
                .default_value("1")
                .help("How long it goes on before it is measured"),
        )
        .arg(switch("text", "Text messages, not binary ones"))
        .arg(
            Arg::new("pid")
                .long("pid")
                .value_name("PID")
                .value_parser(value_parser!(u32))
                .help("The server's process, whose cost is told; found by itself when the server runs on this machine"),
        )
        .arg(switch("json", "One JSON document"))
}

impl Wanted {
    fn of(matches: &ArgMatches) -> Result<Wanted, String> {
        let number = |name: &str| matches.get_one::<u32>(name).copied().unwrap_or_default();
        let url = matches.get_one::<String>("url").cloned().unwrap_or_default();
        Url::parse(&url).map_err(|error| format!("{}: {error}", url.escape_debug()))?;
        let size = number("size") as usize;
        if size < STAMP_BYTES {
            return Err(format!("--size: a message has a number and a time, and so at least {STAMP_BYTES} bytes"));
        }
        Ok(Wanted {
            url,
            clients: number("clients") as usize,
            room: matches.get_flag("room"),
            rate: number("rate"),
            in_flight: number("in-flight").into(),
            size,
            text: matches.get_flag("text"),
            warm_up: Duration::from_secs(number("warm-up").into()),
            seconds: Duration::from_secs(number("seconds").into()),
            pid: matches.get_one("pid").copied(),
            json: matches.get_flag("json"),
        })
    }

    fn opcode(&self) -> Opcode {
        if self.text { Opcode::Text } else { Opcode::Binary }
    }
}

/// Does what the subcommand says.
pub fn run(matches: &ArgMatches) -> ExitCode {
    let wanted = match Wanted::of(matches) {
        Ok(wanted) => wanted,
        Err(complaint) => {
            say(&format!("error: {complaint}"));
            return ExitCode::from(USAGE);
        }
    };
    if descriptors::raise().is_some_and(|descriptors| (descriptors as usize) < wanted.clients + 32) {
        return fail("there are too few descriptors for so many clients: raise `ulimit -n`, or ask for fewer");
    }
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("sockets cannot be waited for: {error}")),
    };
    let report = match LocalSet::new().block_on(&runtime, load(&wanted)) {
        Ok(report) => report,
        Err(why) => return fail(&why),
    };
    let colours = may_colour(&io::stdout());
    let printed = print(&if wanted.json { report.json() } else { report.text(colours) });
    if report.is_clean() { printed } else { ExitCode::from(FAILURE) }
}

/// What was seen of processes at one moment.
#[derive(Clone, Copy, Default)]
struct Moment {
    server: Usage,
    own: Usage,
    arrived: u64,
}

/// The server's process, if it is known.
struct Processes {
    server: Option<u32>,
}

impl Processes {
    fn moment(&self, arrived: u64) -> Moment {
        let server = self.server.and_then(process::usage).unwrap_or_default();
        Moment { server, own: process::usage(std::process::id()).unwrap_or_default(), arrived }
    }
}

async fn load(wanted: &Wanted) -> Result<Report, String> {
    let progress = Progress { is_shown: io::stderr().is_terminal() };
    let processes = Processes { server: find_server(wanted).await };
    let before = processes.moment(0);
    let shared = Shared::new(message::filler(wanted.size), wanted.opcode(), !wanted.room)
        .map_err(|error| format!("the system has no random bytes: {error}"))?;
    let begin = Instant::now();
    let clients = open_all(wanted, &shared, progress).await?;
    let opened_in = begin.elapsed();
    // What opening has left to do is done.
    sleep(LOOK).await;
    let idle = processes.moment(0);
    let mut running = JoinSet::new();
    for client in &clients {
        running.spawn_local(Rc::clone(client).run());
    }
    let room = Rc::new(Room::default());
    let talking = start(wanted, &clients, &room);
    progress.wait(wanted.warm_up, "warming up", &shared).await;
    shared.phase.set(Phase::Measured);
    let (first, measured_from) = (processes.moment(shared.tally.borrow().arrived), Instant::now());
    progress.wait(wanted.seconds, "measuring", &shared).await;
    let (last, measured) = (processes.moment(shared.tally.borrow().arrived), measured_from.elapsed());
    shared.phase.set(Phase::Draining);
    drop(talking);
    drain(wanted, &shared, &clients, &room).await;
    shared.phase.set(Phase::Over);
    clients.iter().for_each(|client| client.close());
    let _ = timeout(GOODBYE, async { while running.join_next().await.is_some() {} }).await;
    progress.clear();
    let has_server = processes.server.is_some();
    let measured = report::Measured { has_server, opened_in, measured, before, idle, first, last };
    Ok(Report::new(wanted, &shared.tally.borrow(), &losses(wanted, &clients, &room), measured))
}

/// Sends the first messages. Dropping what it gives ends what is said to a room.
fn start(wanted: &Wanted, clients: &[Rc<Client>], room: &Rc<Room>) -> JoinSet<()> {
    let mut talking = JoinSet::new();
    if wanted.room {
        talking.spawn_local(talk(clients.to_vec(), Rc::clone(room), wanted.rate));
    } else {
        clients.iter().for_each(|client| client.start(wanted.in_flight));
    }
    talking
}

/// The server's process: the one that was named, or the one of this machine that listens there.
async fn find_server(wanted: &Wanted) -> Option<u32> {
    if wanted.pid.is_some() {
        return wanted.pid;
    }
    let url = Url::parse(&wanted.url).ok()?;
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((url.host(), url.port())).await.ok()?.collect();
    addresses.into_iter().filter(|address| address.ip().is_loopback()).find_map(process::listening_at)
}

async fn open_all(wanted: &Wanted, shared: &Rc<Shared>, progress: Progress) -> Result<Vec<Rc<Client>>, String> {
    // What is not compressed can be compared where it lies.
    let socket = Config { compression: None, ..Config::default() };
    let config = Rc::new(ClientConfig { socket, ..ClientConfig::default() });
    let url: Rc<str> = wanted.url.as_str().into();
    let mut clients = Vec::with_capacity(wanted.clients);
    let mut opening = JoinSet::new();
    let mut begun = 0;
    while clients.len() < wanted.clients {
        while begun < wanted.clients && opening.len() < OPENING {
            let (url, config) = (Rc::clone(&url), Rc::clone(&config));
            opening.spawn_local(async move { open(&url, &config).await });
            begun += 1;
        }
        let Some(Ok(opened)) = opening.join_next().await else { return Err("a task has ended".to_owned()) };
        let opened = opened.map_err(|error| not_opened(clients.len(), wanted, &error))?;
        clients.push(Client::new(opened, shared)?);
        if clients.len().is_multiple_of(100) {
            progress.show(&format!("{} of {} clients", clients.len(), wanted.clients));
        }
    }
    Ok(clients)
}

fn not_opened(count: usize, wanted: &Wanted, error: &ConnectError) -> String {
    let hint = match error {
        ConnectError::Connect(_) if count == 0 => "\nIs it running, and is that its address?",
        _ if count == 0 => "",
        _ => {
            "\nSo many of one address may be too many: see --connections-max and --connections-per-address-max of firstbyte"
        }
    };
    format!("{}: client {} of {}: {error}{hint}", wanted.url, count + 1, wanted.clients)
}

/// What was said to a room.
#[derive(Default)]
struct Room {
    said: Cell<Seen>,
}

/// Says so many messages a second, from all clients in turn.
async fn talk(clients: Vec<Rc<Client>>, room: Rc<Room>, rate: u32) {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    // Late ones are made up for: the rate is what was asked for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for (number, client) in (0..).zip(clients.iter().cycle()) {
        ticks.tick().await;
        client.send(number);
        let mut said = room.said.get();
        said.add(number);
        room.said.set(said);
    }
}

/// Waits until everything has come that was sent, or nothing has for long.
async fn drain(wanted: &Wanted, shared: &Shared, clients: &[Rc<Client>], room: &Room) {
    let mut quiet = Duration::ZERO;
    let mut before = 0;
    while quiet < DRAIN && shared.tally.borrow().closed < clients.len() as u64 && losses(wanted, clients, room).lost > 0
    {
        sleep(LOOK).await;
        let arrived = shared.tally.borrow().arrived;
        quiet = if arrived == before { quiet + LOOK } else { Duration::ZERO };
        before = arrived;
    }
}

/// What did not come, and what came too often, over all clients.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    expected: u64,
    lost: u64,
    repeated: u64,
    /// Clients that saw the right number of messages, and not the right ones.
    mixed_up: u64,
}

fn losses(wanted: &Wanted, clients: &[Rc<Client>], room: &Room) -> Losses {
    let mut losses = Losses::default();
    for client in clients {
        let seen = client.seen();
        // An echo's order is looked at as it comes.
        let expected = if wanted.room { room.said.get() } else { Seen { count: client.sent(), sum: seen.sum } };
        losses.expected += expected.count;
        losses.lost += expected.count.saturating_sub(seen.count);
        losses.repeated += seen.count.saturating_sub(expected.count);
        losses.mixed_up += u64::from(seen.count == expected.count && seen.sum != expected.sum);
    }
    losses
}

/// One line that is written again and again, on a terminal alone.
#[derive(Clone, Copy)]
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn show(self, line: &str) {
        if self.is_shown {
            let mut out = io::stderr().lock();
            // Nobody is left to be shown anything.
            let _ = write!(out, "\r\x1b[K{line}").and_then(|()| out.flush());
        }
    }

    fn clear(self) {
        self.show("");
    }

    async fn wait(self, time: Duration, what: &str, shared: &Shared) {
        let begin = Instant::now();
        let mut before = shared.tally.borrow().arrived;
        while let left @ 1.. = time.saturating_sub(begin.elapsed()).as_millis() {
            let step = Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX)).min(Duration::from_secs(1));
            let seconds = begin.elapsed().as_secs();
            let arrived = shared.tally.borrow().arrived;
            self.show(&format!("{what}: {seconds} of {} s, {} messages/s", time.as_secs(), arrived - before));
            before = arrived;
            sleep(step).await;
        }
    }
}
