//! Owns the playing of one script: a client that sends, reads and leaves as its plan says.
//!
//! Two sides run in one task, and neither waits for the other unless the script says so. What they share is how many
//! answers have come.

use std::future::{pending, poll_fn};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use firstbyte::http::test::TestServer;
use firstbyte::net::memory::{MemoryReader, MemoryStream, MemoryWriter, duplex};
use firstbyte::net::shutdown::Phase;
use firstbyte::net::transport::{Duplex, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::answers::{Answer, Reader};
use super::journal::{Event, Journal, Who};
use super::message::Message;
use super::plan::{Act, FOR_EVER, Script};
use super::service::Service;
use super::world::{OUTPUT_BYTES_MAX, UNREAD_BYTES_MAX};
use crate::dropped::Cut;

/// How long a client waits for `100 Continue` before it sends its content all the same.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);

/// What a client has seen.
#[derive(Default)]
pub struct Seen {
    pub answers: Vec<Answer>,
    /// What a server must not send.
    pub malformed: Option<String>,
}

/// A client at work.
pub struct Client {
    who: Who,
    script: Script,
    server: Arc<TestServer<Service>>,
    journal: Journal,
    progress: Progress,
}

/// What the sending side waits for.
#[derive(Default)]
struct Progress {
    answers: AtomicUsize,
    /// Requests that were told to go on, or answered.
    heard_of: AtomicUsize,
    changed: Notify,
    driver_over: Arc<Notify>,
}

impl Progress {
    async fn until(&self, counter: &AtomicUsize, count: usize) {
        while counter.load(Relaxed) < count {
            self.changed.notified().await;
        }
    }
}

impl Client {
    pub fn new(who: Who, script: Script, server: Arc<TestServer<Service>>, journal: Journal) -> Client {
        Client { who, script, server, journal, progress: Progress::default() }
    }

    /// Plays the script to its end, and waits until the server is done with the connection.
    pub async fn play(self) -> Seen {
        sleep(self.script.connects_at).await;
        if self.server.watched().shutdown.phase() == Phase::Forced {
            // Nobody listens any more.
            return Seen::default();
        }
        self.note(Event::Connects);
        let (Duplex { mut reader, mut writer }, served) = duplex(self.script.wire_bytes);
        self.drive(served);
        let mut answers = Reader::new(self.script.messages.iter().map(|message| message.is_head).collect());
        let (mut by_fin, mut malformed, mut resets) = (false, None, false);
        tokio::select! {
            biased;
            ended = self.read(&mut reader, &mut answers) => (by_fin, malformed) = ended,
            left = self.send(&mut writer) => resets = left == Act::Reset,
        }
        let stream = MemoryStream { reader, writer };
        if resets {
            stream.reset()
        } else {
            drop(stream)
        }
        self.progress.driver_over.notified().await;
        Seen { answers: answers.finish(by_fin), malformed }
    }

    fn note(&self, event: Event) {
        self.journal.note(self.who, event);
    }

    /// Serves the other end, until it is over or dropped.
    fn drive(&self, served: MemoryStream) {
        let transport = self.script.weather.around(served, self.who, &self.journal);
        let driving = Box::pin(self.server.drive(([127, 0, 0, 1], self.who as u16).into(), transport));
        let cut = Cut { inner: Some(driving), polls_left: self.script.polls };
        let (journal, who, over) = (self.journal.clone(), self.who, Arc::clone(&self.progress.driver_over));
        let driver = tokio::spawn(cut);
        tokio::spawn(async move {
            journal.note(
                who,
                match driver.await {
                    Ok(true) => Event::DriverEnds,
                    Ok(false) => Event::DriverDropped,
                    Err(_) => Event::DriverPanics,
                },
            );
            over.notify_one();
        });
    }

    /// The sending side. It ends only where the script leaves, and says how.
    async fn send(&self, writer: &mut MemoryWriter) -> Act {
        let bytes = self.script.bytes();
        for act in &self.script.acts {
            match act {
                Act::Send(range) => {
                    if self.write(writer, &bytes[range.clone()]).await.is_err() {
                        self.note(Event::CannotSend);
                        // What the server has said before it closed is still to be read.
                        return pending().await;
                    }
                }
                Act::Pause(time) => sleep(*time).await,
                Act::AwaitAnswers(count) => self.progress.until(&self.progress.answers, *count).await,
                Act::AwaitContinue(index) => {
                    let told = self.progress.until(&self.progress.heard_of, index + 1);
                    let _ = timeout(CONTINUE_PATIENCE, told).await;
                }
                Act::StopIfAnswered(index) if self.progress.answers.load(Relaxed) <= *index => {}
                Act::HalfClose => {
                    self.note(Event::HalfCloses);
                    poll_fn(|cx| writer.poll_shutdown(cx)).await.expect("a FIN can always be sent");
                    return pending().await;
                }
                Act::StopSending | Act::StopIfAnswered(_) => {
                    self.note(Event::StopsSending);
                    return pending().await;
                }
                Act::Close => {
                    self.note(Event::Closes);
                    return Act::Close;
                }
                Act::Reset => {
                    self.note(Event::Resets);
                    return Act::Reset;
                }
            }
        }
        pending().await
    }

    async fn write(&self, writer: &mut MemoryWriter, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = poll_fn(|cx| writer.poll_write(cx, &[IoSlice::new(bytes)])).await?;
            self.note(Event::Sends(count));
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// The receiving side. It ends with the stream, and says whether by a FIN.
    async fn read(&self, reader: &mut MemoryReader, answers: &mut Reader) -> (bool, Option<String>) {
        let pace = self.script.reading;
        let mut room = vec![0; pace.bytes_max];
        let mut received = 0;
        let mut stop = pace.stop;
        let longest = self.script.messages.iter().map(Message::answer_bytes_max).max().unwrap_or_default();
        let queued_max = OUTPUT_BYTES_MAX + longest;
        loop {
            if let Some((_, time)) = stop.take_if(|(at, _)| received >= *at) {
                self.stop_reading(time).await;
            }
            self.check_buffers(queued_max);
            let count = match poll_fn(|cx| reader.poll_read(cx, &mut room)).await {
                Ok(0) => {
                    self.note(Event::SeesFin);
                    return (true, None);
                }
                Ok(count) => count,
                Err(_) => {
                    self.note(Event::SeesReset);
                    return (false, None);
                }
            };
            received += count;
            self.note(Event::Receives(count));
            if let Err(malformed) = self.heard(answers, &room[..count]) {
                return (false, Some(malformed));
            }
            if !pace.pause.is_zero() {
                sleep(pace.pause).await;
            }
        }
    }

    async fn stop_reading(&self, time: Duration) {
        self.note(Event::StopsReading);
        if time == FOR_EVER {
            self.progress.driver_over.notified().await;
            self.progress.driver_over.notify_one();
        } else {
            sleep(time).await;
        }
    }

    /// Reads on in the answers, and tells the sending side.
    fn heard(&self, answers: &mut Reader, bytes: &[u8]) -> Result<(), String> {
        let known = answers.answers.len();
        let fed = answers.feed(bytes);
        for answer in &answers.answers[known..] {
            self.note(Event::IsAnswered(answer.status));
        }
        self.progress.answers.store(answers.answers.len(), Relaxed);
        self.progress.heard_of.store(answers.heard_of(), Relaxed);
        self.progress.changed.notify_one();
        fed
    }

    /// No buffer of this connection holds more than its limit.
    fn check_buffers(&self, queued_max: usize) {
        let cards = self.server.watched().registry.snapshots();
        let Some(card) = cards.iter().find(|card| usize::from(card.peer.port()) == self.who) else { return };
        if card.unread_bytes as usize > UNREAD_BYTES_MAX {
            self.note(Event::Overflows(card.unread_bytes));
        }
        if card.queued_bytes as usize > queued_max {
            self.note(Event::Overflows(card.queued_bytes));
        }
    }
}
