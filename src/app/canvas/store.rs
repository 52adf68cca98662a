//! Owns where pictures are kept across restarts: a folder, or Redis.
//!
//! The one idea: keeping merges. What is stored and what a room has become one picture, as two nodes' grids do, and the room
//! is told what it lacked. So it does not matter when a store is reached for the first time, nor how many nodes write to it.
//!
//! ```text
//!   room ──Snapshot──> read ──> merge ──> replace, if it still is what was read ──> done
//!    ^                   ^                   └ it is not: another node was faster ──┐
//!    └── what it lacked  └───────────────────────────────────────────────────────┘
//! ```
//!
//! A server starts without its Redis, says so, draws on, and keeps everything as soon as it is there: a picture that comes
//! late is merged. It does not start without its folder: what is wrong with that does not mend itself.
//!
//! Never: overwrites what it cannot read: that is put aside, and said. Never gives one [`Position`](Snapshot::position) to two
//! nodes.
//! Invariants: a picture is replaced as a whole, or not at all, whenever the machine stops.

mod folder;
mod keeper;
mod redis;
mod snapshot;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::app::canvas::domain::RoomName;
use crate::app::canvas::grid::{Grid, Pixel, Tile};
use crate::app::canvas::replica::Digests;
use crate::db::url::{ServiceUrl, UrlError};
use crate::db::{self, Unavailable};
pub use keeper::{BUSY, Found, Keeper, QUIET, Schedule};
pub use snapshot::{Corrupt, Snapshot};

/// How often a picture is read again because another node has replaced it meanwhile. They write every few seconds.
const ATTEMPTS: usize = 8;

/// Where pictures are to be kept: a path, or `redis://[user:password@]host[:port][/database]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// A file for each room. One process at a time.
    Folder(PathBuf),
    /// A key for each room. Any number of nodes.
    Redis(ServiceUrl),
}

/// Keeps pictures. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Store {
    place: Arc<Place>,
}

struct Place {
    keeps: Keeps,
    /// What the log calls it.
    name: String,
    is_away: AtomicBool,
}

enum Keeps {
    Folder(folder::Folder),
    Redis(redis::Redis),
}

/// Why a picture was not read or kept. The details are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder does not do as asked.
    Io(io::Error),
    /// Another process keeps its pictures in the folder.
    Taken,
    /// The address is none of a Redis.
    Url(UrlError),
    /// Redis does not do as asked, or not in time.
    Redis(Unavailable),
    /// Others were faster each time.
    Contended,
}

impl Store {
    /// The store at `place`. Redis need not be there yet.
    ///
    /// # Errors
    /// A folder that cannot be made or written to, or that another process has; an address that is none.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(place: &Keep) -> Result<Store, StoreError> {
        let keeps = match place {
            Keep::Folder(path) => Keeps::Folder(folder::Folder::open(path)?),
            Keep::Redis(url) => Keeps::Redis(redis::Redis::open(url)?),
        };
        Ok(Store { place: Arc::new(Place { keeps, name: place.to_string(), is_away: AtomicBool::new(false) }) })
    }

    /// Whether the last thing that was asked of it was done.
    pub fn is_reachable(&self) -> bool {
        !self.place.is_away.load(Relaxed)
    }

    /// The picture of `room`, if it has one. Its position, if there is one, is given away by this: nobody else gets it.
    ///
    /// # Cancel safety
    /// The position may be lost when it is dropped; the picture is not.
    ///
    /// # Errors
    /// A store that does not answer, or says no.
    pub async fn load(&self, room: &RoomName) -> Result<Option<Snapshot>, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some((bytes, mut snapshot)) = self.read(room).await? else { return Ok(None) };
            let Some(position) = snapshot.position.take() else { return Ok(Some(snapshot)) };
            if self.replace(room, Some(&bytes), snapshot.encode()).await? {
                snapshot.position = Some(position);
                return Ok(Some(snapshot));
            }
        }
        Err(StoreError::Contended)
    }

    /// The pixels that are kept of `room`, for those who only look.
    ///
    /// # Errors
    /// A store that does not answer, or says no.
    pub async fn look(&self, room: &RoomName) -> Result<Option<Grid>, StoreError> {
        Ok(self.read(room).await?.map(|(_, snapshot)| snapshot.grid))
    }

    /// Merges `snapshot` into what is kept of `room`. Gives the pixels of others that it has found there: their stamps are
    /// later than those of `snapshot`.
    ///
    /// # Cancel safety
    /// When it is dropped, the snapshot was kept as a whole or not at all.
    ///
    /// # Errors
    /// A store that does not answer, or says no.
    pub async fn keep(&self, room: &RoomName, snapshot: &Snapshot) -> Result<Vec<Pixel>, StoreError> {
        for _ in 0..ATTEMPTS {
            let stored = self.read(room).await?;
            let mut merged = snapshot.clone();
            let Some((bytes, stored)) = stored else {
                if self.replace(room, None, merged.encode()).await? {
                    return Ok(Vec::new());
                }
                continue;
            };
            let mut lacked: Vec<Pixel> = Tile::all().flat_map(|tile| stored.grid.export(tile)).collect();
            lacked.retain(|&pixel| merged.grid.merge(pixel));
            if !lacked.is_empty() {
                merged.position = None;
            }
            // Where its members stand is true for as long as nothing is drawn.
            let is_same = Digests::of(&stored.grid) == Digests::of(&merged.grid) && merged.position.is_none();
            if is_same || self.replace(room, Some(&bytes), merged.encode()).await? {
                return Ok(lacked);
            }
        }
        Err(StoreError::Contended)
    }

    /// What is kept of `room`, after what cannot be read was put aside.
    async fn read(&self, room: &RoomName) -> Result<Option<(Vec<u8>, Snapshot)>, StoreError> {
        let read = match &self.place.keeps {
            Keeps::Folder(folder) => folder.read(room).await,
            Keeps::Redis(redis) => redis.read(room).await,
        };
        let Some(bytes) = read? else { return Ok(None) };
        match Snapshot::parse(&bytes) {
            Ok(snapshot) => Ok(Some((bytes, snapshot))),
            Err(why) => self.put_aside(room, bytes, why).await.map(|()| None),
        }
    }

    async fn put_aside(&self, room: &RoomName, bytes: Vec<u8>, why: Corrupt) -> Result<(), StoreError> {
        let at = match &self.place.keeps {
            Keeps::Folder(folder) => folder.put_aside(room, bytes).await?,
            Keeps::Redis(redis) => redis.put_aside(room, &bytes).await?,
        };
        tracing::error!(store = self.place.name, %room, %why, at, "a picture cannot be read: it was put aside, the room begins anew");
        Ok(())
    }

    /// Replaces what is kept of `room` if it is what it `was`. Whether it was.
    async fn replace(&self, room: &RoomName, was: Option<&[u8]>, bytes: Vec<u8>) -> Result<bool, StoreError> {
        match &self.place.keeps {
            Keeps::Folder(folder) => folder.replace(room, was, bytes).await,
            Keeps::Redis(redis) => redis.replace(room, was, &bytes).await,
        }
    }

    /// Says in the log that it is away, or there again: once.
    fn note<T>(&self, result: &Result<T, StoreError>) {
        let place = &*self.place;
        match result {
            Ok(_) if place.is_away.swap(false, Relaxed) => {
                tracing::info!(store = place.name, "the store of the canvas is there again");
            }
            Err(why) if !place.is_away.swap(true, Relaxed) => {
                tracing::error!(store = place.name, %why, "the store of the canvas is away: pictures are kept when it is back");
            }
            _ => {}
        }
    }
}

impl FromStr for Keep {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Keep, UrlError> {
        match text.parse::<ServiceUrl>() {
            Err(UrlError::NoUrl) if !text.is_empty() => Ok(Keep::Folder(text.into())),
            Err(error) => Err(error),
            Ok(url) if url.scheme() == "redis" => db::redis::check(&url).map(|()| Keep::Redis(url)),
            Ok(_) => Err(UrlError::Scheme),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::Folder(path) => path.display().fmt(f),
            Keep::Redis(url) => url.fmt(f),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        StoreError::Io(error)
    }
}

impl From<UrlError> for StoreError {
    fn from(error: UrlError) -> StoreError {
        StoreError::Url(error)
    }
}

impl From<Unavailable> for StoreError {
    fn from(error: Unavailable) -> StoreError {
        StoreError::Redis(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io(error) => error.fmt(f),
            StoreError::Taken => f.write_str("another process keeps its pictures there"),
            StoreError::Url(error) => error.fmt(f),
            StoreError::Redis(error) => error.fmt(f),
            StoreError::Contended => f.write_str("other nodes write to it all the time"),
        }
    }
}

impl std::error::Error for StoreError {}
