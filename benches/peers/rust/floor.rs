//! Owns the floor: what is left of a server when nothing is parsed, routed or checked. Nothing on tokio can cost less.
//!
//! The one idea: the end of a head is an empty line, so whoever finds CRLF CRLF can answer, whatever stands before it. It
//! is no HTTP server: it takes content for the next head, and answers everything alike.
//!
//! ```text
//!   recv into the thread's buffer ─> an answer for each CRLF CRLF ─> one send for all of them
//!                    └─ what is behind the last one stays with its connection, nearly always nothing
//! ```
//!
//! Two ways to use the cores, for comparison: a runtime on each, which share the port by SO_REUSEPORT (as is), or one
//! runtime that steals work (`--shared`).
//!
//! Invariants: one recv and one send a wake-up; an idle connection holds its task and no buffer.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memchr::memmem::Finder;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

/// Bytes of a thread's buffer, and so of the longest head.
const INPUT_BYTES: usize = 64 * 1024;

/// Seconds since 1970. A thread of its own keeps it, so that no request asks for the time.
static SECOND: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: floor PORT [--shared]");
    let shared = std::env::args().nth(2).is_some_and(|flag| flag == "--shared");
    SECOND.store(since_epoch().as_secs(), Ordering::Relaxed);
    thread::spawn(tick);
    if shared { run_shared(port) } else { run_on_each_core(port) }
}

fn run_on_each_core(port: u16) -> io::Result<()> {
    let first = listener(port)?;
    let port = announce(&first)?;
    for _ in 1..thread::available_parallelism()?.get() {
        let another = listener(port)?;
        thread::spawn(|| serve_on_this_core(another));
    }
    serve_on_this_core(first)
}

fn serve_on_this_core(listener: std::net::TcpListener) -> io::Result<()> {
    runtime::Builder::new_current_thread().enable_io().build()?.block_on(accept(listener))
}

fn run_shared(port: u16) -> io::Result<()> {
    let listener = listener(port)?;
    announce(&listener)?;
    runtime::Builder::new_multi_thread().enable_io().build()?.block_on(accept(listener))
}

fn listener(port: u16) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

fn announce(listener: &std::net::TcpListener) -> io::Result<u16> {
    let addr = listener.local_addr()?;
    println!("listening on http://{addr}");
    Ok(addr.port())
}

async fn accept(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        tokio::spawn(Connection { stream, incomplete: Vec::new(), unsent: Vec::new() });
    }
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a head whose end has not come.
    incomplete: Vec<u8>,
    /// What the kernel did not take. Nothing is read meanwhile.
    unsent: Vec<u8>,
}

/// What the connections of a thread share, since one of them runs at a time.
struct Scratch {
    input: Box<[u8]>,
    output: Vec<u8>,
    answer: Vec<u8>,
    /// The one that `answer` is dated.
    second: u64,
    end_of_head: Finder<'static>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; INPUT_BYTES].into(),
        output: Vec::new(),
        answer: Vec::new(),
        second: 0,
        end_of_head: Finder::new(b"\r\n\r\n"),
    });
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // An error and the end of the input are alike: it is over.
        SCRATCH.with_borrow_mut(|scratch| self.get_mut().poll_serve(scratch, context)).map(drop)
    }
}

impl Connection {
    fn poll_serve(&mut self, scratch: &mut Scratch, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.unsent.is_empty() {
                let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
                self.unsent.drain(..sent);
            }
            let kept = self.incomplete.len();
            scratch.input[..kept].copy_from_slice(&self.incomplete);
            let mut room = ReadBuf::new(&mut scratch.input[kept..]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
            let read = room.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            let used = scratch.answer(kept + read);
            self.incomplete.clear();
            self.incomplete.extend_from_slice(&scratch.input[used..kept + read]);
            self.send(&scratch.output, context)?;
        }
    }

    fn send(&mut self, output: &[u8], context: &mut Context<'_>) -> io::Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let sent = match Pin::new(&mut self.stream).poll_write(context, output) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.unsent.extend_from_slice(&output[sent..]);
        Ok(())
    }
}

impl Scratch {
    /// Answers each head that ends in the first `len` bytes of the input. Returns how many bytes they were.
    fn answer(&mut self, len: usize) -> usize {
        self.date();
        self.output.clear();
        let mut used = 0;
        while let Some(end) = self.end_of_head.find(&self.input[used..len]) {
            used += end + 4;
            self.output.extend_from_slice(&self.answer);
        }
        used
    }

    fn date(&mut self) {
        let second = SECOND.load(Ordering::Relaxed);
        if self.second != second {
            self.second = second;
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            self.answer = format!(
                "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: {date}\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
            )
            .into_bytes();
        }
    }
}

fn tick() {
    loop {
        let now = since_epoch();
        SECOND.store(now.as_secs(), Ordering::Relaxed);
        thread::sleep(Duration::from_secs(1) - Duration::from_nanos(now.subsec_nanos().into()));
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}
