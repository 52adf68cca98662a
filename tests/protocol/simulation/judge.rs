//! Owns the verdict: from what was asked and what happened, whether every promise was kept.
//!
//! ```text
//!   for every request, in order:   an answer came ──> is it the right one?   no ──> is another one justified?
//!                                  none came, or half ──> is that excused?          by what the journal shows
//! ```
//!
//! The one idea: nothing is forgiven because "faults were on". Each way in which a request may go without its answer is
//! a sentence below with a condition over the journal, and a request to which none applies is owed the answer its route
//! gives, byte for byte.
//!
//! Spec: RFC 9112 8 (incomplete messages), 9.3 (persistence), 9.3.2 (pipelining), 9.6 (tear-down); RFC 9110 10.1.1.

use std::time::Duration;

use firstbyte::net::deadline::Deadlines;

use super::answers::Answer;
use super::client::Seen;
use super::journal::{Entry, Event, WORLD, Who};
use super::message::{Expected, Message, Route, SPOILED};
use super::plan::{Plan, Script};
use super::world::{Record, UNREAD_BYTES_MAX};

/// How long a connection may last after the client's last act: idle, then a head, then the slowest reading and lingering.
const AFTER_LAST_ACT: Duration = Duration::from_secs(60 + 5 + 30 + 3 * 15 + 20);

/// How long it may last when nobody waits for it any more: the longest pause of a route that streams or keeps content.
const MOMENT: Duration = Duration::from_secs(3);

/// Where in the journal, and when.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Moment {
    at: Duration,
    seq: usize,
}

/// What the journal says about one connection.
struct Course<'a> {
    script: &'a Script,
    /// Where each message begins in what is sent.
    starts: Vec<usize>,
    /// When so many bytes in all had passed the server's end.
    reads: Vec<(Moment, usize)>,
    writes: Vec<(Moment, usize)>,
    begun: Vec<Option<Moment>>,
    ended: Vec<Option<Moment>>,
    sent: usize,
    received: usize,
    connected: Option<Moment>,
    half_closed: Option<Moment>,
    left: Option<Moment>,
    saw_fin: Option<Moment>,
    /// The server has seen the client's FIN.
    read_end: bool,
    fin: Option<Moment>,
    aborted: bool,
    dropped: bool,
    over: Option<Moment>,
    last_act: Duration,
    shut_down: Option<Moment>,
    forced: Option<Moment>,
}

/// Judges a run, and says what was excused.
///
/// # Errors
/// The first promise that was broken.
pub fn judge(plan: &Plan, record: &Record) -> Result<Vec<&'static str>, String> {
    judge_world(record)?;
    let mut excuses = Vec::new();
    let seen = record.seen.as_ref().ok_or("somebody waits for ever")?;
    for (who, (script, seen)) in plan.clients.iter().zip(seen).enumerate() {
        let course = Course::of(who, script, &record.entries)?;
        if course.connected.is_none() {
            continue;
        }
        let excuse = course.judge(seen).map_err(|fault| format!("client {who}: {fault}"))?;
        excuses.extend(excuse);
    }
    Ok(excuses)
}

/// What concerns no client alone.
fn judge_world(record: &Record) -> Result<(), String> {
    for entry in &record.entries {
        match entry.event {
            Event::HandlerForeign => return Err("a handler ran for a request that nobody has sent".into()),
            Event::DriverPanics => return Err(format!("the driver of client {} has panicked", entry.who)),
            Event::Overflows(bytes) => return Err(format!("{bytes} bytes lie in a buffer")),
            Event::TasksLeft(1..) => return Err("tasks are left when all is over".into()),
            Event::ConnectionsLeft(1..) => return Err("connections are left when all clients are gone".into()),
            _ => {}
        }
    }
    Ok(())
}

impl<'a> Course<'a> {
    fn of(who: Who, script: &'a Script, entries: &[Entry]) -> Result<Course<'a>, String> {
        let starts = script.messages.iter().scan(0, |end, message| {
            *end += message.bytes.len();
            Some(*end - message.bytes.len())
        });
        let mut course = Course {
            starts: starts.collect(),
            script,
            reads: Vec::new(),
            writes: Vec::new(),
            begun: vec![None; script.messages.len()],
            ended: vec![None; script.messages.len()],
            sent: 0,
            received: 0,
            connected: None,
            half_closed: None,
            left: None,
            saw_fin: None,
            read_end: false,
            fin: None,
            aborted: false,
            dropped: false,
            over: None,
            last_act: Duration::ZERO,
            shut_down: None,
            forced: None,
        };
        for (seq, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.who == who || entry.who == WORLD) {
            course.take(Moment { seq, at: entry.at }, entry.event).map_err(|fault| format!("client {who}: {fault}"))?;
        }
        Ok(course)
    }

    fn take(&mut self, now: Moment, event: Event) -> Result<(), String> {
        match event {
            Event::Receives(count) => self.received += count,
            Event::SeesFin => self.saw_fin = Some(now),
            Event::ServerReads(0) => self.read_end = true,
            Event::ServerReads(count) => self.reads.push((now, total(&self.reads) + count)),
            Event::ServerWrites(count) => self.writes.push((now, total(&self.writes) + count)),
            Event::ServerFins => self.fin = self.fin.or(Some(now)),
            Event::HandlerBegins(id) if self.begun[id.index].is_some() => return Err(format!("{id} is handled twice")),
            Event::HandlerBegins(id) => self.begun[id.index] = Some(now),
            Event::HandlerEnds(id) => self.ended[id.index] = Some(now),
            Event::ServerResets => self.aborted = true,
            Event::DriverDropped => (self.dropped, self.over) = (true, Some(now)),
            Event::DriverEnds => self.over = Some(now),
            Event::ShutDown => self.shut_down = Some(now),
            Event::Force => self.forced = Some(now),
            _ => {}
        }
        match event {
            Event::Connects => self.connected = Some(now),
            Event::Sends(count) => self.sent += count,
            Event::HalfCloses => self.half_closed = Some(now),
            Event::Closes | Event::Resets => self.left = Some(now),
            _ => return Ok(()),
        }
        self.last_act = now.at;
        Ok(())
    }

    /// Why the first request without an answer has none, if there is one.
    fn judge(&self, seen: &Seen) -> Result<Option<&'static str>, String> {
        if let Some(malformed) = &seen.malformed {
            return Err(format!("the server has sent {malformed}"));
        }
        self.judge_handlers()?;
        self.judge_end()?;
        self.judge_linger()?;
        for (index, message) in self.script.messages.iter().enumerate() {
            let named = |fault| format!("request {index} ({}): {fault}", message.call);
            let Some(answer) = seen.answers.get(index).filter(|answer| self.is_all(message, answer)) else {
                let partial = seen.answers.get(index);
                let lacks = if partial.is_some() { "its answer breaks off" } else { "no answer came" };
                let excuse = self.excuse(index, message, partial);
                return excuse.map(Some).ok_or_else(|| named(format!("{lacks}, and nothing excuses that")));
            };
            self.judge_answer(index, message, answer).map_err(named)?;
            if answer.closes {
                let goes_on = self.begun[index + 1..].iter().any(Option::is_some);
                return if goes_on { Err(named("a handler ran behind its answer, the last".into())) } else { Ok(None) };
            }
        }
        Ok(None)
    }

    /// Handlers ran in order, for what may be served, one after the other, and all of them ended.
    fn judge_handlers(&self) -> Result<(), String> {
        let mut free = None;
        for (index, message) in self.script.messages.iter().enumerate() {
            let (Some(begun), ended) = (self.begun[index], self.ended[index]) else { continue };
            let Some(ended) = ended else { return Err(format!("the handler of request {index} never ended")) };
            if !message.is_served {
                return Err(format!("a handler ran for request {index}, which is malformed"));
            }
            if (0..index).any(|before| self.begun[before].is_none()) || free.is_some_and(|free| begun < free) {
                return Err(format!("request {index} was handled out of its turn"));
            }
            if self.forced.is_some_and(|forced| begun > forced) {
                return Err(format!("request {index} was handled after the end was forced"));
            }
            free = Some(ended);
        }
        Ok(())
    }

    /// The server was done with the connection in time.
    fn judge_end(&self) -> Result<(), String> {
        let (Some(connected), Some(over)) = (self.connected, self.over) else {
            return Err("its driver never ended".into());
        };
        let late = |from: Duration, most: Duration| over.at > from + most;
        if late(self.last_act.max(self.last_write()), AFTER_LAST_ACT) {
            return Err("the server holds on to a connection on which nothing happens".into());
        }
        if self.left.is_some_and(|left| late(left.at, self.moment())) {
            return Err("the server holds on to a connection whose client is gone".into());
        }
        if self.done_by_shutdown().is_some_and(|done| late(done, self.moment())) {
            return Err("the server holds on to an idle connection though it shuts down".into());
        }
        if self.forced.is_some_and(|forced| late(forced.at.max(connected.at), Duration::ZERO)) {
            return Err("the server lives on after its end was forced".into());
        }
        Ok(())
    }

    /// How long it takes to notice that nobody waits. Where reads are kept waiting, or where much was sent ahead of a
    /// handler at work, the end of it all is seen late.
    fn moment(&self) -> Duration {
        let all = self.starts.last().copied().unwrap_or_default();
        let is_seen_late = self.script.weather.stalls > 0 || all > UNREAD_BYTES_MAX / 2;
        if is_seen_late { Deadlines::default().idle } else { MOMENT }
    }

    /// Since when a server that shuts down has had nothing to do here, when the client reads and has sent what it began.
    fn done_by_shutdown(&self) -> Option<Duration> {
        let awaits_content = |index: usize| self.sent < self.starts[index] + self.script.messages[index].bytes.len();
        let at_work = (0..self.begun.len()).any(|index| self.begun[index].is_some() && awaits_content(index));
        let down = self.shut_down.filter(|_| self.script.reading.stop.is_none() && !at_work)?;
        let ended = self.ended.iter().flatten().map(|moment| moment.at);
        ended.chain([down.at, self.last_act, self.last_write()]).max()
    }

    /// Until when the client's stops can have held the server up.
    fn last_write(&self) -> Duration {
        self.writes.last().map_or(Duration::ZERO, |(moment, _)| moment.at)
    }

    /// RFC 9112 9.6: a server that closes reads on until its client has finished too, or for a while, lest a reset takes the
    /// answer from a client that still sends.
    fn judge_linger(&self) -> Result<(), String> {
        let over = self.over.expect("judged before");
        let lingered = self.fin.is_some_and(|fin| over.at >= fin.at + Deadlines::default().linger);
        // A task has the half that would be read from.
        let is_kept = self.script.messages.iter().any(|message| message.call.route == Route::Keep);
        // Who has been told by a reset that the answer breaks off has nothing to read.
        let has_broken = self.aborted;
        let has_finished = has_broken || self.read_end || self.left.or(self.saw_fin).is_some_and(|left| left < over);
        if has_finished || lingered || is_kept || self.shut_down.is_some() || self.cut().is_some() {
            return Ok(());
        }
        Err("it was closed, and not given the time to read".into())
    }

    /// Whether `answer` is all there. One that ends with the connection is when a FIN ends it: only a driver that is dropped
    /// can do nothing about that.
    fn is_all(&self, message: &Message, answer: &Answer) -> bool {
        let is_cut_off = self.dropped && answer.until_close && !message.is_all(&answer.content);
        answer.is_whole && !is_cut_off
    }

    /// A whole answer came to request `index`.
    fn judge_answer(&self, index: usize, message: &Message, answer: &Answer) -> Result<(), String> {
        if answer.interim > usize::from(message.expects_continue) {
            return Err(format!("{} times 100 Continue", answer.interim));
        }
        let id = message.call.id.to_string();
        if let Some(served) = answer.served.as_ref().filter(|served| **served != id) {
            return Err(format!("answered with what {served} has asked for"));
        }
        match answer.code() {
            Some(code) => self.judge_refusal(index, message, answer.status, code)?,
            // A refusal has no words when HEAD has asked.
            None if message.is_head && answer.status >= 400 => {}
            None if answer.served.is_none() || self.begun[index].is_none() => {
                return Err(format!("{} comes from nowhere", answer.status));
            }
            None => judge_content(message, answer)?,
        }
        self.judge_close(index, message, answer)
    }

    /// A refusal is the one that is expected, or one that the journal justifies.
    fn judge_refusal(&self, index: usize, message: &Message, status: u16, code: &str) -> Result<(), String> {
        if message.expected == Expected::Problem(status, message.expected_code()) && code == message.expected_code() {
            return Ok(());
        }
        let end = self.starts[index] + message.bytes.len();
        let head_end = self.starts[index] + message.head_len;
        let no_handler = self.begun[index].is_none();
        let fin_before = |end: usize| self.half_closed.is_some() && self.sent < end;
        let justified = match (status, code) {
            (400, "H1-END-001") => no_handler && fin_before(head_end),
            (408, "H1-TIME-001") => {
                no_handler && self.is_late(self.starts[index] + 1, head_end, Deadlines::default().head)
            }
            (503, "HTTP-SERVER-005") => {
                no_handler && self.shut_down.is_some_and(|down| self.came_too_late_for(down, head_end))
            }
            (400, "H1-CONTENT-002") => fin_before(end) && !message.content().is_empty(),
            (408, "H1-TIME-002") => self.is_late(head_end, end, Deadlines::default().content_rate.over),
            (503, "HTTP-SERVER-002") => match (self.begun[index], self.ended[index]) {
                (Some(begun), Some(ended)) => ended.at >= begun.at + Deadlines::default().handler,
                _ => false,
            },
            (400, SPOILED) => message.is_spoiled,
            // It failed before anything of it was sent.
            (500, "HTTP-SERVER-006") => matches!(&message.expected, Expected::Broken(content) if content.is_empty()),
            _ => false,
        };
        if justified { Ok(()) } else { Err(format!("refused with {status} {code}, for no reason")) }
    }

    /// RFC 9112 9.6: a close is announced when it is known, and only then.
    fn judge_close(&self, index: usize, message: &Message, answer: &Answer) -> Result<(), String> {
        let ended = self.ended[index];
        let must = message.closes
            || answer.until_close
            || matches!((ended, self.shut_down), (Some(ended), Some(down)) if ended > down)
            || (answer.served.is_none() && self.begun[index].is_none())
            || ended.is_some_and(|ended| self.is_unasked(index, message, answer, ended));
        if must && !answer.closes {
            return Err("its answer does not announce the close".into());
        }
        let may = must
            || self.shut_down.is_some()
            || (message.call.route.leaves_content() && !message.content().is_empty())
            || answer.status >= 400;
        if answer.closes && !may { Err("its answer announces a close for no reason".into()) } else { Ok(()) }
    }

    /// RFC 9110 10.1.1: a client that is answered instead of told to go on may or may not send its content: nobody could
    /// tell what comes next.
    fn is_unasked(&self, index: usize, message: &Message, answer: &Answer, ended: Moment) -> bool {
        let head_end = self.starts[index] + message.head_len;
        // An echo reads on when its handler has ended.
        let is_read_later = message.call.route == Route::Echo;
        message.expects_continue && answer.interim == 0 && !is_read_later && self.read_by(ended) <= head_end
    }

    /// Why request `index` has no answer, or half of one.
    fn excuse(&self, index: usize, message: &Message, partial: Option<&Answer>) -> Option<&'static str> {
        let (start, head_end) = (self.starts[index], self.starts[index] + message.head_len);
        // What is read behind the FIN is dropped.
        let over = self.fin.or(self.over).expect("judged before");
        let has_begun = partial.is_some_and(|answer| answer.status == 200);
        if let (Some(answer), true) = (partial, has_begun)
            && !message.begins_with(&answer.content)
        {
            return None;
        }
        let missed = self.received < total(&self.writes) || partial.is_some_and(|answer| answer.until_close);
        if self.left.is_some_and(|left| left < over || missed) {
            return Some("the client has left");
        }
        if let Some(cut) = self.cut() {
            return Some(cut);
        }
        if has_begun && matches!(message.expected, Expected::Broken(_)) {
            return Some("the route breaks off");
        }
        let content_lacks = |index: usize| {
            let (message, start) = (&self.script.messages[index], self.starts[index]);
            let end = start + message.bytes.len();
            self.read_by(over) < end
                || self.is_late(start + message.head_len, end, Deadlines::default().content_rate.over)
        };
        if has_begun && message.call.route == Route::Echo && content_lacks(index) {
            return Some("what it echoes has broken off");
        }
        if self.shut_down.is_some_and(|down| down < over && self.came_too_late_for(down, head_end)) {
            return Some("the server was shut down before it had come");
        }
        let read = self.read_by(over);
        if index > 0 && self.script.messages[index - 1].call.route.leaves_content() && content_lacks(index - 1) {
            return Some("unread content before it did not end");
        }
        if read <= start && self.half_closed.is_some() && self.sent <= start {
            return Some("it was not sent");
        }
        if read <= start && self.is_idle(over) {
            return Some("it came too late");
        }
        None
    }

    /// What has ended the connection that no request has to do with.
    fn cut(&self) -> Option<&'static str> {
        let over = self.over.expect("judged before");
        if self.dropped {
            Some("the driver was dropped")
        } else if self.forced.is_some_and(|forced| forced < over) {
            Some("the end was forced")
        } else if self.is_read_too_slowly(over) {
            Some("the client reads too slowly")
        } else {
            None
        }
    }

    /// Whether what ends at `end` was not all there when a server that shuts down waited for it no longer.
    fn came_too_late_for(&self, down: Moment, end: usize) -> bool {
        self.read_by(Moment { at: down.at + Deadlines::default().drain_idle, seq: 0 }) < end
    }

    /// Bytes that the server had read by then.
    fn read_by(&self, moment: Moment) -> usize {
        self.reads.iter().take_while(|(at, _)| *at < moment).last().map_or(0, |(_, bytes)| *bytes)
    }

    /// Whether the server, having read `start` bytes in all, has waited for the rest of `end` for as long as `most`.
    fn is_late(&self, start: usize, end: usize, most: Duration) -> bool {
        let at = |bytes: usize| self.reads.iter().find(|(_, total)| *total >= bytes).map(|(moment, _)| moment.at);
        let Some(from) = at(start) else { return false };
        at(end).unwrap_or(self.over.expect("judged before").at) >= from + most
    }

    /// Whether nothing has happened on the connection for as long as an idle one may last.
    fn is_idle(&self, over: Moment) -> bool {
        let deadlines = Deadlines::default();
        let until = self.fin.unwrap_or(over).at;
        let ended = self.ended.iter().flatten().map(|moment| moment.at);
        let read = self.reads.iter().map(|(moment, _)| moment.at);
        match ended.chain(read).filter(|at| *at < until).max() {
            None => until >= self.connected.map_or(until, |connected| connected.at) + deadlines.first_byte,
            Some(last) => until >= last + deadlines.idle,
        }
    }

    /// Whether the least rate allows to end the connection: so few bytes have gone out for so long.
    fn is_read_too_slowly(&self, over: Moment) -> bool {
        let rate = Deadlines::default().write_rate;
        let is_slow = self.script.reading.stop.is_some() || self.script.weather.stalls > 0;
        let Some(since) = over.at.checked_sub(rate.over) else { return false };
        let written_by = |at: Duration| {
            self.writes.iter().take_while(|(moment, _)| moment.at <= at).last().map_or(0, |(_, bytes)| *bytes)
        };
        let stalled = written_by(over.at) - written_by(since) < (rate.bytes_per_second * rate.over.as_secs()) as usize;
        is_slow && stalled && self.fin.is_none() && self.connected.is_some_and(|connected| connected.at <= since)
    }
}

impl Message {
    /// The code that its refusal must have, or none.
    fn expected_code(&self) -> &'static str {
        if let Expected::Problem(_, code) = self.expected { code } else { "" }
    }

    fn is_all(&self, content: &[u8]) -> bool {
        matches!(&self.expected, Expected::Content(all) if *all == content)
    }

    fn begins_with(&self, content: &[u8]) -> bool {
        match &self.expected {
            Expected::Content(all) | Expected::Broken(all) => all.starts_with(content),
            Expected::Problem(..) => false,
        }
    }
}

/// The content is that of the route, whole, and was declared exactly.
fn judge_content(message: &Message, answer: &Answer) -> Result<(), String> {
    let Expected::Content(expected) = &message.expected else {
        return Err(format!("{} where {:?} was to come", answer.status, message.expected));
    };
    if answer.status != 200 {
        return Err(format!("{} instead of 200", answer.status));
    }
    if message.is_head {
        let declared = answer.length.is_none_or(|length| length == expected.len());
        return if declared && answer.content.is_empty() { Ok(()) } else { Err("not the head of a GET".into()) };
    }
    if answer.content != *expected {
        return Err(format!("{} bytes of content that are not its {}", answer.content.len(), expected.len()));
    }
    Ok(())
}

fn total(moved: &[(Moment, usize)]) -> usize {
    moved.last().map_or(0, |(_, bytes)| *bytes)
}
