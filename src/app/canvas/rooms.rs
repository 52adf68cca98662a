//! Owns the rooms of a node: made when the first member joins, kept while there is reason to, and the task of each.
//!
//! The one idea: a room is found or made, and joined; should it be closed in between, another one is made. So a room can be
//! given up at any time by whoever finds it empty.
//!
//! ```text
//!   join ──> find ──────────────────────> Room <── keep: tick, wait, tick …, one task each
//!             └ none: make, if there is place                 │
//!                └ no place: the one that is empty longest goes      empty for EMPTY_TIME, and nothing would be lost: it goes
//! ```
//!
//! Never: holds the table over an await; gives up a room with somebody in it.
//! Invariants: a room that was taken out of the table is closed.
//! Limits: `rooms_max`, `members_max`, `members_per_address_max` of [`CanvasConfig`], [`EMPTY_TIME`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::app::canvas::CanvasConfig;
use crate::app::canvas::domain::RoomName;
use crate::app::canvas::fanout::{Event, Events, Fanout};
use crate::app::canvas::grid::{Grid, NodeId};
use crate::app::canvas::history::Budget;
use crate::app::canvas::member::Peer;
use crate::app::canvas::protocol::Hello;
use crate::app::canvas::random::random;
use crate::app::canvas::room::{NoSeat, Room, Summary, Surroundings, TICK};
use crate::app::canvas::seat::Seat;
use crate::net::admission::network;
use crate::net::lock::lock;

/// How long an empty room is kept when nothing is lost with it.
pub const EMPTY_TIME: Duration = Duration::from_secs(60);

/// All rooms of a node. Clones are the same.
#[derive(Clone)]
pub struct Canvas {
    shared: Arc<Shared>,
}

struct Shared {
    config: CanvasConfig,
    around: Surroundings,
    rooms: Mutex<BTreeMap<RoomName, Arc<Room>>>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// A seat, counted for the address of its member.
pub struct Seated {
    seat: Seat,
    _counted: Counted,
}

struct Counted {
    shared: Arc<Shared>,
    /// `None` for this machine, which is not counted.
    address: Option<IpAddr>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// The room has as many members as it may.
    RoomFull,
    /// The address has.
    AddressFull,
    /// Every room that may be is there, with somebody in it.
    NoRoom,
}

impl Canvas {
    /// A node without rooms. Must be called in a tokio runtime.
    pub fn new(config: CanvasConfig, fanout: Option<(Fanout, Events)>) -> Canvas {
        let (fanout, events) = fanout.unzip();
        let around = Surroundings {
            node: NodeId::new(random() as u32),
            members_max: config.members_max,
            budget: Arc::new(Budget::new(config.undo_pixels_max)),
            fanout,
        };
        let shared = Shared { config, around, rooms: Mutex::default(), addresses: Mutex::default() };
        let canvas = Canvas { shared: Arc::new(shared) };
        if let Some(events) = events {
            tokio::spawn(canvas.clone().listen(events));
        }
        canvas
    }

    /// Takes a member into a room, which is made if it is not there.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn join(
        &self,
        name: &RoomName,
        address: IpAddr,
        peer: Arc<dyn Peer>,
        hello: &Hello,
    ) -> Result<Seated, NoPlace> {
        let counted = self.count(address)?;
        loop {
            match self.room(name)?.join(Arc::clone(&peer), hello) {
                Ok(seat) => return Ok(Seated { seat, _counted: counted }),
                Err(NoSeat::Full) => return Err(NoPlace::RoomFull),
                Err(NoSeat::Closed) => {}
            }
        }
    }

    /// The room with this name, if it is there.
    pub fn find(&self, name: &RoomName) -> Option<Arc<Room>> {
        lock(&self.shared.rooms).get(name).cloned()
    }

    /// The rooms that are there, by name.
    pub fn rooms(&self) -> Vec<(RoomName, Summary)> {
        let rooms: Vec<Arc<Room>> = lock(&self.shared.rooms).values().cloned().collect();
        rooms.iter().map(|room| (room.name().clone(), room.summary())).collect()
    }

    /// What it is given.
    pub fn config(&self) -> &CanvasConfig {
        &self.shared.config
    }

    #[cfg(test)]
    pub(super) fn undo_pixels_left(&self) -> usize {
        self.shared.around.budget.left()
    }

    #[cfg(test)]
    pub(super) fn addresses(&self) -> usize {
        lock(&self.shared.addresses).len()
    }

    fn room(&self, name: &RoomName) -> Result<Arc<Room>, NoPlace> {
        let mut rooms = lock(&self.shared.rooms);
        if let Some(room) = rooms.get(name) {
            return Ok(Arc::clone(room));
        }
        if rooms.len() >= self.shared.config.rooms_max {
            give_up_one(&mut rooms)?;
        }
        let room = Arc::new(Room::new(name.clone(), Grid::default(), self.shared.around.clone()));
        rooms.insert(name.clone(), Arc::clone(&room));
        tokio::spawn(self.clone().keep(Arc::clone(&room)));
        Ok(room)
    }

    /// Lets `room` tick until it is given up.
    async fn keep(self, room: Arc<Room>) {
        loop {
            let mut next = room.tick();
            sleep(TICK).await;
            if let Some(since) = room.empty_since() {
                if room.is_closed() || self.give_up(&room, since) {
                    return;
                }
                if self.loses_nothing(&room) {
                    next = next.into_iter().chain([since + EMPTY_TIME]).min();
                }
            }
            let pause = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = room.woken() => {}
                () = pause => {}
            }
        }
    }

    /// Gives `room` up, if it has been empty for long enough and nothing is lost with it. Whether it did.
    fn give_up(&self, room: &Arc<Room>, since: Instant) -> bool {
        if Instant::now() < since + EMPTY_TIME || !self.loses_nothing(room) {
            return false;
        }
        let mut rooms = lock(&self.shared.rooms);
        let is_closed = room.close();
        if is_closed {
            rooms.remove(room.name());
        }
        is_closed
    }

    fn loses_nothing(&self, room: &Room) -> bool {
        room.ground(|ground| ground.grid().is_untouched())
    }

    /// Brings what other nodes say to the rooms that are here.
    async fn listen(self, mut events: Events) {
        while let Some(event) = events.next().await {
            match event {
                Event::Joined => {
                    let rooms: Vec<Arc<Room>> = lock(&self.shared.rooms).values().cloned().collect();
                    rooms.iter().for_each(|room| room.joined());
                }
                // A room that is not here asks when it is made.
                Event::Heard { room, message, .. } => {
                    if let Some(room) = self.find(&room) {
                        room.hear(&message);
                    }
                }
            }
        }
    }

    fn count(&self, address: IpAddr) -> Result<Counted, NoPlace> {
        let address = address.to_canonical();
        let address = (!address.is_loopback()).then(|| network(address));
        if let Some(address) = address {
            let mut addresses = lock(&self.shared.addresses);
            let members = addresses.entry(address).or_default();
            if *members >= self.shared.config.members_per_address_max {
                return Err(NoPlace::AddressFull);
            }
            *members += 1;
        }
        Ok(Counted { shared: Arc::clone(&self.shared), address })
    }
}

/// Makes place for a room: an empty one goes, one in which nobody has drawn before others, and of those the one that has been
/// empty longest.
fn give_up_one(rooms: &mut BTreeMap<RoomName, Arc<Room>>) -> Result<(), NoPlace> {
    let empty = rooms.values().filter_map(|room| {
        let is_drawn = room.ground(|ground| !ground.grid().is_untouched());
        Some((is_drawn, room.empty_since()?, room))
    });
    let least = empty.min_by_key(|(is_drawn, since, _)| (*is_drawn, *since)).map(|(_, _, room)| Arc::clone(room));
    match least {
        Some(room) if room.close() => {
            rooms.remove(room.name());
            Ok(())
        }
        _ => Err(NoPlace::NoRoom),
    }
}

impl Seated {
    /// The seat.
    pub fn seat(&mut self) -> &mut Seat {
        &mut self.seat
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut addresses = lock(&self.shared.addresses);
        if let Some(members) = addresses.get_mut(&address) {
            *members -= 1;
            if *members == 0 {
                addresses.remove(&address);
            }
        }
    }
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoPlace::RoomFull => "this room has as many members as it may",
            NoPlace::AddressFull => "your address has as many members as it may",
            NoPlace::NoRoom => "every room that may be is there, with somebody in it",
        })
    }
}

impl std::error::Error for NoPlace {}
