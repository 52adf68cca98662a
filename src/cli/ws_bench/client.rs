//! Owns one client under load: it reads, checks and counts, and sends what it is told to.
//!
//! ```text
//!   stream ──▶ scratch, shared by all ──▶ Reader ──▶ Tally: counts and times
//!      ▲                                    │ echo: the next message; ping: its pong; Close: its echo
//!      └───────────── out ◀─────────────────┴──────── room: whoever's turn it is
//! ```
//!
//! The one idea: one thread, and no memory for what is read: thousands of clients take the buffer in turn.
//!
//! Spec: RFC 6455 5.3 (each frame has a key of its own), 5.5.1, 5.5.2.
//! Never: waits to send while there is something to read: a server that waits for its reader would wait for ever.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use firstbyte::ws::client::Opened;
use firstbyte::ws::close::CloseCode;
use firstbyte::ws::frame::{Header, Opcode};
use firstbyte::ws::keys::Keys;
use firstbyte::ws::mask;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::histogram::Histogram;
use super::message::Stamp;
use super::reader::{Heard, Reader};

/// Bytes that are read at once.
const SCRATCH_BYTES: usize = 256 * 1024;

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Messages go and come, and their times do not count yet.
    Warm,
    /// Everything counts.
    Measured,
    /// No more is sent; what is on its way still comes.
    Draining,
    /// The end: Close frames are expected.
    Over,
}

/// What all clients share.
pub struct Shared {
    pub phase: Cell<Phase>,
    pub tally: RefCell<Tally>,
    start: Instant,
    /// Whether each client answers an echo by its next message.
    echo: bool,
    filler: Rc<[u8]>,
    opcode: Opcode,
    keys: RefCell<Keys>,
    scratch: RefCell<Box<[u8]>>,
    message: RefCell<Vec<u8>>,
}

/// What was counted, over all clients.
pub struct Tally {
    /// Times from sending to arrival, of what arrived while it was measured.
    pub times: Histogram,
    /// Messages that were sent in all.
    pub sent: u64,
    /// Messages that arrived in all.
    pub arrived: u64,
    /// Messages that arrived and were not what was sent, or not in its order.
    pub wrong: u64,
    /// Clients that were closed before the end, and why the first of them was.
    pub closed: u64,
    pub first_closed: Option<String>,
}

/// One client.
pub struct Client {
    shared: Rc<Shared>,
    inner: RefCell<Inner>,
}

struct Inner {
    stream: TcpStream,
    reader: Reader,
    /// Bytes to be sent, of which `out_at` are.
    out: Vec<u8>,
    out_at: usize,
    /// Who waits for more to come, and is told of more to send.
    waker: Option<Waker>,
    sent: u64,
    seen: Seen,
    is_closing: bool,
}

/// What one client has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many messages.
    pub count: u64,
    /// The sum of their numbers: none was missed while another came twice.
    pub sum: u64,
}

impl Seen {
    /// Counts the message of this number.
    pub fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
    }
}

impl Shared {
    /// What clients share that send `filler`, with stamps, in frames of `opcode`.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(filler: Vec<u8>, opcode: Opcode, echo: bool) -> std::io::Result<Rc<Shared>> {
        let tally = Tally { times: Histogram::new(), sent: 0, arrived: 0, wrong: 0, closed: 0, first_closed: None };
        Ok(Rc::new(Shared {
            phase: Cell::new(Phase::Warm),
            tally: RefCell::new(tally),
            start: Instant::now(),
            echo,
            message: RefCell::new(filler.clone()),
            filler: filler.into(),
            opcode,
            keys: RefCell::new(Keys::new()?),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into()),
        }))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn push_frame(&self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        let key = self.keys.borrow_mut().next_key();
        let header = Header { fin: true, rsv1: false, opcode, mask: Some(key), length: payload.len() as u64 };
        out.extend_from_slice(&header.encode());
        mask::extend(out, payload, key, 0);
    }

    fn push_message(&self, number: u64, out: &mut Vec<u8>) {
        let mut message = self.message.borrow_mut();
        Stamp { number, at: self.now() }.write(&mut message);
        self.push_frame(self.opcode, &message, out);
        self.tally.borrow_mut().sent += 1;
    }
}

impl Client {
    /// A client on an open connection.
    ///
    /// # Errors
    /// What the server has sent already cannot be read.
    pub fn new(opened: Opened, shared: &Rc<Shared>) -> Result<Rc<Client>, String> {
        let mut inner = Inner {
            stream: opened.stream,
            reader: Reader::new(Rc::clone(&shared.filler), shared.opcode),
            out: Vec::new(),
            out_at: 0,
            waker: None,
            sent: 0,
            seen: Seen::default(),
            is_closing: false,
        };
        inner.take(&opened.agreed.early, shared)?;
        Ok(Rc::new(Client { shared: Rc::clone(shared), inner: RefCell::new(inner) }))
    }

    /// Reads and writes until the connection ends.
    pub async fn run(self: Rc<Client>) {
        let ended = std::future::poll_fn(|cx| self.inner.borrow_mut().poll(cx, &self.shared)).await;
        if self.shared.phase.get() != Phase::Over {
            let mut tally = self.shared.tally.borrow_mut();
            tally.closed += 1;
            tally.first_closed.get_or_insert(ended);
        }
    }

    /// Sends a message.
    pub fn send(&self, number: u64) {
        let mut inner = self.inner.borrow_mut();
        self.shared.push_message(number, &mut inner.out);
        inner.sent += 1;
        inner.wake();
    }

    /// Sends so many messages, each of which is answered by another when it comes back.
    pub fn start(&self, in_flight: u64) {
        (0..in_flight).for_each(|number| self.send(number));
    }

    /// Says goodbye.
    pub fn close(&self) {
        self.inner.borrow_mut().close(&1000u16.to_be_bytes(), &self.shared);
    }

    /// What it has received.
    pub fn seen(&self) -> Seen {
        self.inner.borrow().seen
    }

    /// How many messages it has sent.
    pub fn sent(&self) -> u64 {
        self.inner.borrow().sent
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ready with why it has ended.
    fn poll(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<String> {
        loop {
            if let Poll::Ready(Err(why)) = self.poll_write(cx) {
                return Poll::Ready(why);
            }
            let has_read = self.poll_read(cx, shared);
            if has_read.is_pending() && self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                self.waker = Some(cx.waker().clone());
            }
            if let Err(why) = ready!(has_read) {
                return Poll::Ready(why);
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        while self.out_at < self.out.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.out_at..]));
            self.out_at += written.map_err(|error| format!("it cannot be sent to: {error}"))?;
        }
        self.out.clear();
        self.out_at = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Result<(), String>> {
        let mut scratch = shared.scratch.borrow_mut();
        let mut into = ReadBuf::new(&mut scratch);
        if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into)) {
            return Poll::Ready(Err(format!("the connection broke: {error}")));
        }
        if into.filled().is_empty() {
            let manner = if self.is_closing { "it was closed" } else { "it ended without a Close frame" };
            return Poll::Ready(Err(manner.to_owned()));
        }
        Poll::Ready(self.take(into.filled(), shared))
    }

    fn take(&mut self, mut input: &[u8], shared: &Shared) -> Result<(), String> {
        while !input.is_empty() {
            match self.reader.read(&mut input).map_err(|fault| fault.to_string())? {
                None | Some(Heard::Pong) => {}
                Some(Heard::Message(stamp)) => self.arrived(stamp, shared),
                Some(Heard::Wrong) => shared.tally.borrow_mut().wrong += 1,
                Some(Heard::Ping(length)) => {
                    shared.push_frame(Opcode::Pong, self.reader.payload(length), &mut self.out);
                }
                Some(Heard::Close(length)) => return self.closed(length),
            }
        }
        Ok(())
    }

    #[inline]
    fn arrived(&mut self, stamp: Stamp, shared: &Shared) {
        let phase = shared.phase.get();
        {
            let mut tally = shared.tally.borrow_mut();
            // An echo comes in the order in which it was called. Another one's is no reason to call again.
            if shared.echo && stamp.number != self.seen.count {
                tally.wrong += 1;
                return;
            }
            tally.arrived += 1;
            if phase == Phase::Measured {
                tally.times.add(shared.now().saturating_sub(stamp.at));
            }
        }
        self.seen.add(stamp.number);
        if shared.echo && matches!(phase, Phase::Warm | Phase::Measured) {
            shared.push_message(self.sent, &mut self.out);
            self.sent += 1;
        }
    }

    /// Why it is over when the server says goodbye: nothing, when it answers ours.
    fn closed(&self, length: usize) -> Result<(), String> {
        if self.is_closing {
            return Ok(());
        }
        let (code, reason) = self.reader.payload(length).split_at(length.min(2));
        let code = code.try_into().map_or(CloseCode::new(1005), |code| CloseCode::new(u16::from_be_bytes(code)));
        Err(format!("it was closed with {code}: `{}`", reason.escape_ascii()))
    }

    fn close(&mut self, payload: &[u8], shared: &Shared) {
        if !self.is_closing {
            self.is_closing = true;
            shared.push_frame(Opcode::Close, payload, &mut self.out);
            self.wake();
        }
    }
}
