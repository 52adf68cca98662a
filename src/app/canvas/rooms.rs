//! Owns the rooms of a node: made when the first member joins, kept while there is reason to, and the task of each.
//!
//! The one idea: a room is found or made, and joined; should it be closed in between, another one is made. So a room can be
//! given up at any time by whoever finds it empty.
//!
//! ```text
//!   join ──> find ──────────────────────> Room <── upkeep, one task each
//!             └ none: make, if there is place
//!                └ no place: one goes that is empty; first those with which nothing is lost, then the one that is empty longest
//! ```
//!
//! Never: holds the table over an await; gives up a room with somebody in it.
//! Invariants: a room that was taken out of the table is closed.
//! Limits: `rooms_max`, `members_max`, `members_per_address_max` of [`CanvasConfig`], [`LOAD_TIME`], [`END_TIME`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::canvas::CanvasConfig;
use crate::app::canvas::domain::RoomName;
use crate::app::canvas::fanout::{Event, Events, Fanout};
use crate::app::canvas::grid::{Grid, NodeId};
use crate::app::canvas::history::Budget;
use crate::app::canvas::member::Peer;
use crate::app::canvas::protocol::Hello;
use crate::app::canvas::random::random;
use crate::app::canvas::room::{NoSeat, Room, Summary, Surroundings};
use crate::app::canvas::seat::Seat;
use crate::app::canvas::store::{Store, StoreError};
use crate::app::canvas::upkeep::Upkeep;
use crate::net::admission::network;
use crate::net::lock::lock;

/// How long a member waits for what was kept of its room. After that it draws, and what was kept comes when it comes.
pub const LOAD_TIME: Duration = Duration::from_secs(1);

/// How long the end waits for rooms to be kept.
pub const END_TIME: Duration = Duration::from_secs(5);

/// And for the broker to take what was drawn last.
const FLUSH_TIME: Duration = Duration::from_secs(1);

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
    store: Option<Store>,
    upkeep: Mutex<JoinSet<()>>,
    is_ending: watch::Sender<bool>,
}

/// A seat, counted for the address of its member.
pub struct Seated {
    seat: Seat,
    _counted: Counted,
}

/// One more member of an address, until it is dropped.
pub struct Counted {
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
    /// Every room that may be is there, and none can go.
    NoRoom,
}

impl Canvas {
    /// A node without rooms. Must be called in a tokio runtime.
    pub fn new(config: CanvasConfig, fanout: Option<(Fanout, Events)>, store: Option<Store>) -> Canvas {
        let (fanout, events) = fanout.unzip();
        let around = Surroundings {
            node: NodeId::new(random() as u32),
            members_max: config.members_max,
            budget: Arc::new(Budget::new(config.undo_pixels_max)),
            fanout,
        };
        let shared = Shared {
            config,
            around,
            rooms: Mutex::default(),
            addresses: Mutex::default(),
            store,
            upkeep: Mutex::default(),
            is_ending: watch::Sender::new(false),
        };
        let canvas = Canvas { shared: Arc::new(shared) };
        if let Some(events) = events {
            tokio::spawn(canvas.clone().listen(events));
        }
        canvas
    }

    /// Counts a member for its address, makes its room if it is not there, and waits for what was kept of that, but not for
    /// long.
    ///
    /// # Errors
    /// [`NoPlace::AddressFull`], [`NoPlace::NoRoom`].
    ///
    /// # Cancel safety
    /// Dropped, the room is there or not.
    pub async fn prepare(&self, name: &RoomName, address: IpAddr) -> Result<Counted, NoPlace> {
        // First: who may not join makes no room either.
        let counted = self.count(address)?;
        let room = self.room(name)?;
        let _ = timeout(LOAD_TIME, room.loaded()).await;
        Ok(counted)
    }

    /// Takes a member into a room, which is made if it is not there.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn join(
        &self,
        name: &RoomName,
        counted: Counted,
        peer: Arc<dyn Peer>,
        hello: &Hello,
    ) -> Result<Seated, NoPlace> {
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

    /// What the room with this name shows, or what is kept of it.
    ///
    /// # Errors
    /// A store that does not answer, or says no.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn grid(&self, name: &RoomName) -> Result<Option<Grid>, StoreError> {
        if let Some(room) = self.find(name) {
            return Ok(Some(room.ground(|ground| ground.grid().clone())));
        }
        match &self.shared.store {
            Some(store) => store.look(name).await,
            None => Ok(None),
        }
    }

    /// The rooms that are there, by name.
    pub fn rooms(&self) -> Vec<(RoomName, Summary)> {
        self.all().iter().map(|room| (room.name().clone(), room.summary())).collect()
    }

    /// Keeps every room a last time. For the end of the process: nobody should be in them any more.
    pub async fn end(&self) {
        self.shared.is_ending.send_replace(true);
        let mut upkeep = std::mem::take(&mut *lock(&self.shared.upkeep));
        let all = async { while upkeep.join_next().await.is_some() {} };
        if timeout(END_TIME, all).await.is_err() {
            tracing::warn!("the store of the canvas did not take every picture in time");
        }
        if let Some(fanout) = self.shared.around.fanout.as_ref().filter(|fanout| fanout.is_joined()) {
            let _ = timeout(FLUSH_TIME, fanout.flushed()).await;
        }
    }

    /// Waits for the end. Cancel-safe.
    pub(super) async fn ending(&self) {
        // Only fails without a sender, which is here.
        let _ = self.shared.is_ending.subscribe().wait_for(|is_ending| *is_ending).await;
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

    fn all(&self) -> Vec<Arc<Room>> {
        lock(&self.shared.rooms).values().cloned().collect()
    }

    fn room(&self, name: &RoomName) -> Result<Arc<Room>, NoPlace> {
        let mut rooms = lock(&self.shared.rooms);
        if let Some(room) = rooms.get(name) {
            return Ok(Arc::clone(room));
        }
        if rooms.len() >= self.shared.config.rooms_max {
            give_up_one(&mut rooms, self.shared.store.is_some())?;
        }
        let store = self.shared.store.clone();
        let room = Arc::new(Room::new(name.clone(), self.shared.around.clone(), store.is_none()));
        rooms.insert(name.clone(), Arc::clone(&room));
        let mut upkeep = lock(&self.shared.upkeep);
        while upkeep.try_join_next().is_some() {}
        upkeep.spawn(Upkeep::new(self.clone(), Arc::clone(&room), store).run());
        Ok(room)
    }

    /// Gives `room` up, unless somebody is there. Whether it did.
    pub(super) fn give_up(&self, room: &Room) -> bool {
        let mut rooms = lock(&self.shared.rooms);
        let is_closed = room.close();
        // It may have made place already, and another one may have its name.
        if is_closed && rooms.get(room.name()).is_some_and(|there| std::ptr::eq(&**there, room)) {
            rooms.remove(room.name());
        }
        is_closed
    }

    /// Brings what other nodes say to the rooms that are here.
    async fn listen(self, mut events: Events) {
        while let Some(event) = events.next().await {
            match event {
                Event::Joined => self.all().iter().for_each(|room| room.joined()),
                // They tell their members.
                Event::Away => self.all().iter().for_each(|room| room.wake()),
                // A room that is not here asks when it is made.
                Event::Heard { room, message, .. } => {
                    if let Some(room) = self.find(&room) {
                        room.hear(&message);
                    }
                }
            }
        }
    }

    pub(super) fn count(&self, address: IpAddr) -> Result<Counted, NoPlace> {
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

/// Makes place for a room: an empty one goes.
fn give_up_one(rooms: &mut BTreeMap<RoomName, Arc<Room>>, is_stored: bool) -> Result<(), NoPlace> {
    let empty = rooms.values().filter_map(|room| Some((!room.loses_nothing(), room.empty_since()?, room)));
    // What will be kept in a moment must not be lost now.
    let given = empty.filter(|(is_lost, ..)| !(is_stored && *is_lost));
    let least = given.min_by_key(|(is_lost, since, _)| (*is_lost, *since)).map(|(.., room)| Arc::clone(room));
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
