//! Owns pictures in a folder: a file `{room}.canvas` for each room.
//!
//! The one idea: a file is written under another name, brought to the disk, and then given its own name: at every moment there
//! is the old picture or the new one under it.
//!
//! ```text
//!   .lock                      held by the process that has the folder
//!   lobby.canvas               a picture
//!   .lobby.canvas.new          one that is being written, or was when the machine stopped
//!   lobby.1a2b3c4d.corrupt     one that could not be read, with the CRC-32 of its content
//! ```
//!
//! Never: blocks a thread that serves. Never shares the folder with another process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use tokio::task::spawn_blocking;

use super::StoreError;
use crate::app::canvas::domain::RoomName;

/// A file larger than this is no picture of ours: that has at most 832 KiB.
const FILE_BYTES_MAX: u64 = 4 << 20;

pub(super) struct Folder {
    files: Arc<Files>,
}

struct Files {
    path: PathBuf,
    /// One at a time compares and replaces.
    turn: Mutex<()>,
    /// Locked until it is dropped.
    _lock: File,
}

impl Folder {
    /// The folder at `path`, made if it is not there.
    pub fn open(path: &Path) -> Result<Folder, StoreError> {
        fs::create_dir_all(path)?;
        let lock = OpenOptions::new().create(true).write(true).truncate(false).open(path.join(".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Taken),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(Folder { files: Arc::new(Files { path: path.to_owned(), turn: Mutex::new(()), _lock: lock }) })
    }

    pub async fn read(&self, room: &RoomName) -> Result<Option<Vec<u8>>, StoreError> {
        let room = room.clone();
        self.blocking(move |files| files.read(&room)).await
    }

    pub async fn replace(&self, room: &RoomName, was: Option<&[u8]>, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let (room, was) = (room.clone(), was.map(<[u8]>::to_vec));
        self.blocking(move |files| files.replace(&room, was.as_deref(), &bytes)).await
    }

    /// Gives the path that it has now.
    pub async fn put_aside(&self, room: &RoomName, bytes: Vec<u8>) -> Result<String, StoreError> {
        let room = room.clone();
        self.blocking(move |files| files.put_aside(&room, &bytes)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = Arc::clone(&self.files);
        let done = spawn_blocking(move || {
            let _turn = files.turn.lock().unwrap_or_else(PoisonError::into_inner);
            work(&files)
        });
        Ok(done.await.map_err(io::Error::other)??)
    }
}

impl Files {
    fn read(&self, room: &RoomName) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.picture(room)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn replace(&self, room: &RoomName, was: Option<&[u8]>, bytes: &[u8]) -> io::Result<bool> {
        if self.read(room)?.as_deref() != was {
            return Ok(false);
        }
        let new = self.path.join(format!(".{room}.canvas.new"));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.rename(&new, &self.picture(room))?;
        Ok(true)
    }

    fn put_aside(&self, room: &RoomName, bytes: &[u8]) -> io::Result<String> {
        let mut crc = Crc::new();
        crc.update(bytes);
        let aside = self.path.join(format!("{room}.{:08x}.corrupt", crc.sum()));
        self.rename(&self.picture(room), &aside)?;
        Ok(aside.display().to_string())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        // The new name is in the folder, which is brought to the disk like a file.
        File::open(&self.path)?.sync_all()
    }

    fn picture(&self, room: &RoomName) -> PathBuf {
        self.path.join(format!("{room}.canvas"))
    }
}
