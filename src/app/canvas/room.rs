//! Owns a room: what it shows, who is in it, and the tick that brings the one to the others.
//!
//! The one idea: drawing and telling do not meet. Whoever draws takes the lock of the ground for as long as it takes to set
//! some pixels; the tick takes the lock of the crowd, cuts one delta out of the ground, encodes it once, and hands it to
//! everybody while others draw on.
//!
//! ```text
//!   Seat ── stroke, undo ──> Ground ─┐                        ┌─> Member
//!   Seat ── cursor ────────> Presence┤── tick, at most 20/s ──┼─> Member     a queue each; who is slow is told nothing
//!   other nodes ───────────> Ground ─┘        │               └─> Member
//!                                             └─> other nodes
//! ```
//!
//! A tick follows the first stroke at once, and the next one is 50 ms later: one person sees no delay, and a thousand make
//! twenty messages a second.
//!
//! Never: holds a lock over an await; waits for a member.
//! Invariants: locks are taken in the order crowd, replica, history, ground; presence alone. A member is in the crowd from its snapshot on, under one
//! lock: it misses no delta and gets none twice. Once `is_closed`, nobody joins.
//! Limits: [`TICK`], [`REMEMBERED_TIME`], [`REMEMBERED_MAX`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::app::canvas::domain::RoomName;
use crate::app::canvas::fanout::Fanout;
use crate::app::canvas::grid::{Grid, NodeId};
use crate::app::canvas::ground::{Cut, Ground};
use crate::app::canvas::history::{Budget, History};
use crate::app::canvas::member::{Member, Peer, Tick};
use crate::app::canvas::presence::Presence;
use crate::app::canvas::protocol::{self, Hello, MemberId, Notice, Position, Token, Welcome};
use crate::app::canvas::random::random;
use crate::app::canvas::replica::Replica;
use crate::app::canvas::seat::Seat;
use crate::app::canvas::store::{Found, Snapshot as Picture};
use crate::net::lock::lock;
use crate::ws::Prepared;

/// The least time between two deltas.
pub const TICK: Duration = Duration::from_millis(50);

/// How long the strokes of somebody who has left can be taken back by the same token.
pub const REMEMBERED_TIME: Duration = Duration::from_secs(60);

/// How many of those are remembered; the one that left first is forgotten.
pub const REMEMBERED_MAX: usize = 1_024;

/// What one of those takes, without its strokes: places in two tables that double as they grow.
pub const PERSON_BYTES: usize =
    2 * (size_of::<(Token, Person)>() + size_of::<(Instant, Token)>()) + size_of::<Mutex<History>>() + 64;

/// What every room of a node is given.
#[derive(Clone)]
pub struct Surroundings {
    /// The node.
    pub node: NodeId,
    /// Members of one room.
    pub members_max: usize,
    /// What all histories share.
    pub budget: Arc<Budget>,
    /// The way to the other nodes.
    pub fanout: Option<Fanout>,
}

/// A room.
pub struct Room {
    name: RoomName,
    around: Surroundings,
    crowd: Mutex<Crowd>,
    ground: Mutex<Ground>,
    presence: Mutex<Presence>,
    replica: Mutex<Option<Replica>>,
    wake: Notify,
    /// Whether what was kept of it is in it.
    loaded: watch::Sender<bool>,
    /// The fingerprint of what would not be lost with it: of what a store has, or of a grid that nobody has drawn on.
    kept: AtomicU64,
}

/// Who is there, and who was.
#[derive(Default)]
struct Crowd {
    members: BTreeMap<MemberId, Member>,
    last: MemberId,
    people: HashMap<Token, Person>,
    /// In the order in which they are forgotten.
    left: VecDeque<(Instant, Token)>,
    empty_since: Option<Instant>,
    told_apart: bool,
    is_closed: bool,
}

/// Somebody with a token, and what it can take back: by every connection that has the token.
struct Person {
    history: Arc<Mutex<History>>,
    connections: usize,
    left: Option<Instant>,
}

/// Why nobody can join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSeat {
    /// The room has as many members as it may.
    Full,
    /// The room was closed just now: there may be another one with its name.
    Closed,
}

/// A room in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Who is there.
    pub members: usize,
    /// Its moment.
    pub at: Position,
}

impl Room {
    /// A blank room. `is_loaded`: nothing that was kept will come.
    pub fn new(name: RoomName, around: Surroundings, is_loaded: bool) -> Room {
        let now = Instant::now();
        let grid = Grid::default();
        Room {
            loaded: watch::Sender::new(is_loaded),
            kept: AtomicU64::new(grid.fingerprint()),
            name,
            crowd: Mutex::new(Crowd { empty_since: Some(now), ..Crowd::default() }),
            ground: Mutex::new(Ground::new(grid, around.node)),
            presence: Mutex::default(),
            replica: Mutex::new(around.fanout.as_ref().map(|_| Replica::new(now.into_std()))),
            wake: Notify::new(),
            around,
        }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Its numbers.
    pub fn summary(&self) -> Summary {
        let members = lock(&self.crowd).members.len();
        Summary { members, at: self.ground(|ground| ground.position()) }
    }

    /// Looks at what it shows, or changes it. Whoever changes it wakes the tick.
    pub fn ground<T>(&self, look: impl FnOnce(&mut Ground) -> T) -> T {
        look(&mut lock(&self.ground))
    }

    /// Takes a new member in: it is told everything, or what it has missed, and from then on every delta.
    ///
    /// # Errors
    /// [`NoSeat`].
    pub fn join(self: &Arc<Self>, peer: Arc<dyn Peer>, hello: &Hello) -> Result<Seat, NoSeat> {
        let now = Instant::now();
        let mut crowd = lock(&self.crowd);
        if crowd.is_closed {
            return Err(NoSeat::Closed);
        }
        if crowd.members.len() >= self.around.members_max {
            return Err(NoSeat::Full);
        }
        let (token, history, known) = crowd.recognise(hello.token, &self.around.budget, now);
        let member = crowd.next_id();
        let news = self.ground(|ground| news(ground, hello.has));
        let welcome = Welcome { resumed: news.resumed, known, member, token };
        let welcome = Prepared::new(protocol::welcome(&welcome));
        let all_sent = std::iter::once(welcome).chain(news.messages).all(|message| peer.try_send(message));
        let told = Member::new(Arc::clone(&peer), all_sent, now);
        if crowd.told_apart {
            told.notice(Notice::Apart);
        }
        crowd.members.insert(member, told);
        crowd.empty_since = None;
        self.counted(&crowd);
        drop(crowd);
        Ok(Seat::new(Arc::clone(self), peer, member, token, history))
    }

    /// A member has gone.
    pub(super) fn leave(&self, member: MemberId, token: Token) {
        let now = Instant::now();
        let mut crowd = lock(&self.crowd);
        crowd.members.remove(&member);
        crowd.forget_connection(token, now);
        if crowd.members.is_empty() {
            crowd.empty_since = Some(now);
        }
        lock(&self.presence).hide(member);
        self.counted(&crowd);
    }

    /// Takes what was kept of it, or what other nodes have kept since.
    pub(super) fn found(&self, found: &Found) {
        let crowd = lock(&self.crowd);
        self.ground(|ground| {
            let is_new = crowd.last == 0 && ground.grid().is_untouched();
            ground.restore(&found.pixels);
            if let Some(position) = found.position.filter(|_| is_new) {
                ground.go_on_behind(position);
            }
        });
        drop(crowd);
        self.loaded.send_replace(true);
        self.wake();
    }

    /// Waits until what was kept of it is in it. Cancel-safe.
    pub async fn loaded(&self) {
        // Only fails without a sender, which the room is.
        let _ = self.loaded.subscribe().wait_for(|is_loaded| *is_loaded).await;
    }

    /// What is to be kept of it. `is_last`: nobody is there to change it.
    pub(super) fn picture(&self, is_last: bool) -> Picture {
        self.ground(|ground| {
            let position = if is_last { ground.settled() } else { None };
            Picture { grid: ground.grid().clone(), position }
        })
    }

    /// The picture with this fingerprint is kept.
    pub(super) fn is_kept(&self, fingerprint: u64) {
        self.kept.store(fingerprint, Relaxed);
    }

    /// Whether everything that it shows is kept elsewhere, or nothing was ever drawn.
    pub fn loses_nothing(&self) -> bool {
        self.fingerprint() == self.kept.load(Relaxed)
    }

    /// A number for what it shows.
    pub fn fingerprint(&self) -> u64 {
        self.ground(|ground| ground.grid().fingerprint())
    }

    /// Changes who points where.
    pub(super) fn presence(&self, change: impl FnOnce(&mut Presence)) {
        change(&mut lock(&self.presence));
        self.wake();
    }

    /// Tells a member that a stroke of its was refused, and that it gets a snapshot.
    pub(super) fn refused(&self, member: MemberId) {
        let mut crowd = lock(&self.crowd);
        let Some(member) = crowd.members.get_mut(&member) else { return };
        if member.owe_snapshot(Instant::now()) {
            member.notice(Notice::TooFast);
            self.wake();
        }
    }

    /// Asks for a tick.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until there is reason for a tick. Cancel-safe.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// What another node has said in this room.
    pub fn hear(&self, message: &[u8]) {
        let heard = {
            let mut replica = lock(&self.replica);
            let Some(replica) = replica.as_mut() else { return };
            self.ground(|ground| ground.hear(replica, message, Instant::now().into_std()))
        };
        match heard {
            Ok(answers) => self.publish(answers),
            Err(malformed) => {
                tracing::warn!(room = %self.name, %malformed, "a message of another node is not understood")
            }
        }
        self.wake();
    }

    /// The broker is there again.
    pub fn joined(&self) {
        if let Some(replica) = lock(&self.replica).as_mut() {
            replica.joined(Instant::now().into_std());
        }
        self.wake();
    }

    /// Tells everybody what is new. When to do so again at the latest, not counting whoever draws.
    pub fn tick(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut crowd = lock(&self.crowd);
        let cut = self.ground(Ground::cut);
        let replica = self.tell_nodes(now);
        self.tell_of_nodes(&mut crowd);
        let (told, presence) = {
            let mut presence = lock(&self.presence);
            (presence.tell(now).cloned(), presence.deadline())
        };
        let version = told.as_ref().map_or(0, |told| told.version);
        let tick = Tick {
            now,
            delta: if let Some(Cut::Delta(delta)) = &cut { Some(delta) } else { None },
            all_anew: matches!(cut, Some(Cut::NewEpoch)),
            presence: told.as_ref(),
            snapshot: &|| self.ground(Ground::snapshot),
        };
        crowd.members.values_mut().for_each(|member| member.tell(&tick));
        crowd.forget_left(now);
        let next_tick = now + TICK;
        let members = crowd.members.values().filter_map(|member| member.deadline(version, next_tick));
        let left = crowd.left.front().map(|(until, _)| *until);
        members.chain(left).chain(presence).chain(replica).min()
    }

    /// Since when nobody is there.
    pub fn empty_since(&self) -> Option<Instant> {
        lock(&self.crowd).empty_since
    }

    /// Whether nobody can join any more.
    pub fn is_closed(&self) -> bool {
        lock(&self.crowd).is_closed
    }

    /// Lets nobody join any more, unless somebody is there. Whether it is closed.
    pub fn close(&self) -> bool {
        let mut crowd = lock(&self.crowd);
        crowd.is_closed |= crowd.members.is_empty();
        self.wake();
        crowd.is_closed
    }

    /// Members, people with a token, and entries of those who left.
    #[cfg(test)]
    pub(super) fn left_behind(&self) -> (usize, usize, usize) {
        let crowd = lock(&self.crowd);
        (crowd.members.len(), crowd.people.len(), crowd.left.len())
    }

    fn counted(&self, crowd: &Crowd) {
        lock(&self.presence).count(crowd.members.len());
        self.wake();
    }

    /// Tells the other nodes what was drawn here, and what this node has. When the next is due.
    fn tell_nodes(&self, now: Instant) -> Option<Instant> {
        let mut replica = lock(&self.replica);
        let replica = replica.as_mut()?;
        let mut messages = Vec::new();
        self.ground(|ground| {
            let drawn = ground.take_drawn();
            if !drawn.is_empty() {
                messages = replica.drew(&drawn, now.into_std());
            }
            messages.extend(replica.tell(ground.grid(), now.into_std()));
        });
        self.publish(messages);
        Some(Instant::from_std(replica.deadline()))
    }

    /// Tells the members whether other nodes are reached.
    fn tell_of_nodes(&self, crowd: &mut Crowd) {
        let is_apart = self.around.fanout.as_ref().is_some_and(|fanout| !fanout.is_joined());
        if std::mem::replace(&mut crowd.told_apart, is_apart) != is_apart {
            let notice = if is_apart { Notice::Apart } else { Notice::Together };
            crowd.members.values().for_each(|member| member.notice(notice));
        }
    }

    fn publish(&self, messages: Vec<bytes::Bytes>) {
        if let Some(fanout) = &self.around.fanout {
            messages.into_iter().for_each(|message| fanout.publish(&self.name, message));
        }
    }
}

/// What a new member is told behind its Welcome.
struct News {
    resumed: bool,
    messages: Vec<Prepared>,
}

fn news(ground: &mut Ground, has: Option<Position>) -> News {
    if let Some(missed) = has.and_then(|has| ground.since(has)) {
        return News { resumed: true, messages: missed.cloned().collect() };
    }
    News { resumed: false, messages: vec![ground.snapshot()] }
}

impl Crowd {
    fn next_id(&mut self) -> MemberId {
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.members.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// Who has this token, or somebody new. Whether it was known.
    fn recognise(
        &mut self,
        token: Option<Token>,
        budget: &Arc<Budget>,
        now: Instant,
    ) -> (Token, Arc<Mutex<History>>, bool) {
        self.forget_left(now);
        if let Some((token, person)) = token.and_then(|token| Some((token, self.people.get_mut(&token)?))) {
            person.connections += 1;
            person.left = None;
            return (token, Arc::clone(&person.history), true);
        }
        let token = Token::any();
        let history = Arc::new(Mutex::new(History::new(Arc::clone(budget))));
        self.people.insert(token, Person { history: Arc::clone(&history), connections: 1, left: None });
        (token, history, false)
    }

    fn forget_connection(&mut self, token: Token, now: Instant) {
        let Some(person) = self.people.get_mut(&token) else { return };
        person.connections -= 1;
        if person.connections > 0 {
            return;
        }
        if lock(&person.history).is_empty() {
            self.people.remove(&token);
            return;
        }
        let until = now + REMEMBERED_TIME;
        person.left = Some(until);
        self.left.push_back((until, token));
        self.forget_left(now);
    }

    fn forget_left(&mut self, now: Instant) {
        while let Some(&(until, token)) = self.left.front()
            && (until <= now || self.left.len() > REMEMBERED_MAX)
        {
            self.left.pop_front();
            // Who has come back is not meant, nor one who has left again since.
            if self.people.get(&token).is_some_and(|person| person.left == Some(until)) {
                self.people.remove(&token);
            }
        }
    }
}

impl Token {
    fn any() -> Token {
        let [high, low] = [random(), random()].map(u64::to_be_bytes);
        let mut token = [0; 16];
        token[..8].copy_from_slice(&high);
        token[8..].copy_from_slice(&low);
        Token(token)
    }
}
