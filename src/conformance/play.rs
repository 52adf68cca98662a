//! Owns the playing of a probe: its steps, in order, on one connection, and what came back.
//!
//! The one idea: a server may answer, refuse or close in the middle of anything. So whoever sends listens at the same
//! time, and what cannot be sent any more is no failure: the answers tell.
//!
//! ```text
//!   Send · Fill ──────────> │            │ <── a refusal, while more is being sent
//!   Await · Pause           │ connection │ ──> Receiver ──> Seen
//!   Finish (FIN) ─────────> │            │ <── FIN · reset · silence
//! ```
//!
//! Never: connects, judges, or waits without a bound: see [`Pace`].
//! Limits: [`RECEIVED_BYTES_MAX`], behind which it is not read on.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use crate::conformance::receive::Receiver;
use crate::conformance::requirement::Step;
use crate::conformance::seen::{Ending, Seen};

/// Bytes of answers that are read from one connection.
pub const RECEIVED_BYTES_MAX: u64 = 16 << 20;

/// Bytes for which each read has room, and that a [`Step::Fill`] hands over at once.
const PIECE_BYTES: usize = 16 << 10;

/// What is put into the places that the steps leave open: see [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server's authority, as a Host field names it.
    pub host: String,
    /// The path of a resource that answers GET with 200 and some content.
    pub get: String,
    /// The path of one that answers POST with 200 and the request's content, when there is one.
    pub echo: Option<String>,
}

/// How long everything may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Of a [`Step::Pause`].
    pub pause: Duration,
    /// Until an answer comes: of a [`Step::Await`], of the first final answer behind the last step, and of a server that
    /// takes no bytes.
    pub answer: Duration,
    /// Without a byte behind the first final answer: then the server says no more.
    pub silence: Duration,
    /// Of all together.
    pub whole: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            pause: Duration::from_millis(100),
            answer: Duration::from_secs(3),
            silence: Duration::from_secs(1),
            whole: Duration::from_secs(15),
        }
    }
}

impl Target {
    /// What a step sends, each time that it does.
    pub fn fill_in(&self, step: &Step) -> Cow<'static, [u8]> {
        match *step {
            Step::Send(text) | Step::SendHead(text) | Step::Fill(text, _) if text.contains('{') => {
                let echo = self.echo.as_deref();
                let text = text.replace("{host}", &self.host).replace("{get}", &self.get);
                let text = text.replace("{post}", echo.unwrap_or(&self.get)).replace("{echo}", echo.unwrap_or("/echo"));
                Cow::Owned(text.into_bytes())
            }
            Step::Send(text) | Step::SendHead(text) | Step::Fill(text, _) => Cow::Borrowed(text.as_bytes()),
            Step::Raw(bytes) => Cow::Borrowed(bytes),
            Step::Await | Step::Pause | Step::Finish => Cow::Borrowed(b""),
        }
    }
}

/// Plays `steps` on `stream`, a new connection, and reads until the server closes or says no more.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn play<S: AsyncRead + AsyncWrite>(stream: S, steps: &[Step], target: &Target, pace: &Pace) -> Seen {
    let (reader, writer) = split(stream);
    let receiver = Receiver::new(heads(steps));
    let buffer = vec![0; PIECE_BYTES];
    let mut player = Player { reader, writer, receiver, buffer, pace, ending: None, takes_bytes: true, awaited: 0 };
    let ran_out = timeout(pace.whole, player.play(steps, target)).await.is_err();
    Seen { ran_out, ..player.receiver.finish(player.ending.unwrap_or(Ending::Open)) }
}

/// For each request whether it is HEAD. Where one is, each sending step is one request.
fn heads(steps: &[Step]) -> Vec<bool> {
    let sends = |step: &&Step| !matches!(step, Step::Await | Step::Pause | Step::Finish);
    let heads: Vec<bool> = steps.iter().filter(sends).map(|step| matches!(step, Step::SendHead(_))).collect();
    if heads.contains(&true) { heads } else { Vec::new() }
}

struct Player<'a, S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    receiver: Receiver,
    buffer: Vec<u8>,
    pace: &'a Pace,
    ending: Option<Ending>,
    /// Whether the server can still be told something.
    takes_bytes: bool,
    /// Answers that steps have waited for.
    awaited: usize,
}

impl<S: AsyncRead + AsyncWrite> Player<'_, S> {
    async fn play(&mut self, steps: &[Step], target: &Target) {
        // What is sent in a row is sent at once: a server that closes behind its first piece would reset the rest.
        let mut together = Vec::new();
        for step in steps {
            let bytes = target.fill_in(step);
            if matches!(step, Step::Send(_) | Step::SendHead(_) | Step::Raw(_)) {
                together.extend_from_slice(&bytes);
                continue;
            }
            self.send(&std::mem::take(&mut together)).await;
            self.step(step, &bytes).await;
        }
        self.send(&together).await;
        let answer = self.pace.answer;
        self.listen_for(answer, Receiver::has_final).await;
        while self.listens() {
            let before = self.receiver.received_count();
            self.listen_for(self.pace.silence, |receiver| receiver.received_count() > before).await;
            if self.receiver.received_count() == before {
                return;
            }
        }
    }

    async fn step(&mut self, step: &Step, bytes: &[u8]) {
        match *step {
            // Sent before, with its neighbours.
            Step::Send(_) | Step::SendHead(_) | Step::Raw(_) => {}
            Step::Fill(_, times) => self.fill(bytes, times).await,
            Step::Await => {
                let wanted = self.awaited + 1;
                self.listen_for(self.pace.answer, |receiver| receiver.answers_whole() >= wanted).await;
                self.awaited = wanted.min(self.receiver.answers_whole());
            }
            Step::Pause => self.listen_for(self.pace.pause, |_| false).await,
            // It has gone already, where it cannot be sent.
            Step::Finish => drop(timeout(self.pace.answer, self.writer.shutdown()).await),
        }
    }

    async fn fill(&mut self, bytes: &[u8], times: usize) {
        if bytes.is_empty() {
            return;
        }
        let at_once = (PIECE_BYTES / bytes.len()).clamp(1, times.max(1));
        let piece = bytes.repeat(at_once);
        for _ in 0..times / at_once {
            self.send(&piece).await;
        }
        self.send(&bytes.repeat(times % at_once)).await;
    }

    /// Sends, and listens meanwhile. Gives up for good when the server takes no more.
    async fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.takes_bytes {
            let patience = tokio::time::sleep(self.pace.answer);
            tokio::select! {
                biased;
                read = self.reader.read(&mut self.buffer), if self.listens() => self.note(read),
                written = self.writer.write(bytes) => match written {
                    Ok(count) if count > 0 => bytes = &bytes[count..],
                    Ok(_) | Err(_) => self.takes_bytes = false,
                },
                () = patience => self.takes_bytes = false,
            }
        }
    }

    /// Listens until there is enough, for `time` at most.
    async fn listen_for(&mut self, time: Duration, enough: impl Fn(&Receiver) -> bool) {
        let listening = async {
            while self.listens() && !enough(&self.receiver) {
                let read = self.reader.read(&mut self.buffer).await;
                self.note(read);
            }
        };
        // Each read is noted before the next one begins: nothing is lost when the time is over.
        let _ = timeout(time, listening).await;
    }

    /// Whether there is anything to listen to.
    fn listens(&self) -> bool {
        self.ending.is_none() && self.receiver.received_count() < RECEIVED_BYTES_MAX
    }

    fn note(&mut self, read: io::Result<usize>) {
        match read {
            Ok(0) => self.ending = Some(Ending::Closed),
            Ok(count) => self.receiver.take(&self.buffer[..count]),
            Err(_) => self.ending = Some(Ending::Reset),
        }
    }
}
