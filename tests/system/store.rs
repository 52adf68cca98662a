//! Pictures are kept in a real folder and in a real Redis, whatever was there before and whoever else keeps some.

use std::fs;
use std::time::Duration;

use firstbyte::app::canvas::domain::{Colour, Place, RoomName};
use firstbyte::app::canvas::grid::{Grid, NodeId, Pixel, Stamp, Tile};
use firstbyte::app::canvas::protocol::Position;
use firstbyte::app::canvas::store::{Found, Keep, Keeper, Snapshot, Store, StoreError};
use tokio::time::timeout;

use crate::server::{Folder, SOON};
use crate::services::{Kind, Service, Shared};

/// A place to keep pictures in, which goes when it is dropped.
enum Kept {
    Folder(Folder),
    Redis(Shared),
}

impl Kept {
    fn places() -> Vec<Kept> {
        let redis = Shared::of(Kind::Redis).map(Kept::Redis);
        [Some(Kept::Folder(Folder::new())), redis].into_iter().flatten().collect()
    }

    fn open(&self) -> Store {
        match self {
            Kept::Folder(folder) => open(folder.path().to_str().unwrap()),
            Kept::Redis(shared) => open(&shared.url),
        }
    }
}

fn open(place: &str) -> Store {
    Store::open(&place.parse().unwrap()).unwrap()
}

/// A room that no other test is in.
fn room() -> RoomName {
    RoomName::parse(&format!("test-{:016x}", fastrand::u64(..))).unwrap()
}

fn pixel(place: u16, time: u64) -> Pixel {
    Pixel { place: Place(place), colour: Colour::new(7).unwrap(), stamp: Stamp::new(time, NodeId::new(5)) }
}

fn picture(pixels: &[Pixel]) -> Snapshot {
    let mut grid = Grid::default();
    pixels.iter().for_each(|&pixel| assert!(grid.merge(pixel)));
    Snapshot { grid, position: None }
}

fn pixels(snapshot: &Snapshot) -> Vec<Pixel> {
    Tile::all().flat_map(|tile| snapshot.grid.export(tile)).collect()
}

async fn loaded(store: &Store, room: &RoomName) -> Vec<Pixel> {
    pixels(&store.load(room).await.unwrap().unwrap())
}

#[tokio::test]
async fn a_picture_is_there_after_a_restart() {
    for kept in Kept::places() {
        let room = room();
        let store = kept.open();
        assert!(store.load(&room).await.unwrap().is_none());
        let position = Some(Position { epoch: 3, seq: 9 });
        let drawn = [pixel(1, 1), pixel(65_535, 2)];
        store.keep(&room, &Snapshot { position, ..picture(&drawn) }).await.unwrap();
        drop(store);
        let store = kept.open();
        let snapshot = store.load(&room).await.unwrap().unwrap();
        assert_eq!((pixels(&snapshot), snapshot.position), (drawn.to_vec(), position));
        let again = store.load(&room).await.unwrap().unwrap();
        assert_eq!((pixels(&again), again.position), (drawn.to_vec(), None), "a position is given away once");
    }
}

#[tokio::test]
async fn a_position_is_good_for_its_pixels_alone() {
    for kept in Kept::places() {
        let (store, room) = (kept.open(), room());
        let closed = Snapshot { position: Some(Position { epoch: 1, seq: 1 }), ..picture(&[pixel(1, 1)]) };
        store.keep(&room, &closed).await.unwrap();
        store.keep(&room, &picture(&[pixel(1, 1)])).await.unwrap();
        let snapshot = store.load(&room).await.unwrap().unwrap();
        assert!(snapshot.position.is_some(), "another node has the same picture");
        store.keep(&room, &closed).await.unwrap();
        store.keep(&room, &picture(&[pixel(2, 2)])).await.unwrap();
        assert_eq!(store.load(&room).await.unwrap().unwrap().position, None, "another node has drawn");
        store.keep(&room, &closed).await.unwrap();
        assert_eq!(store.load(&room).await.unwrap().unwrap().position, None, "and is not undone");
    }
}

#[tokio::test]
async fn keeping_merges() {
    for kept in Kept::places() {
        let (store, room) = (kept.open(), room());
        assert_eq!(store.keep(&room, &picture(&[pixel(1, 5), pixel(2, 1)])).await.unwrap(), []);
        let lacked = store.keep(&room, &picture(&[pixel(2, 9), pixel(3, 1)])).await.unwrap();
        assert_eq!(lacked, [pixel(1, 5)], "what the room had not");
        assert_eq!(loaded(&store, &room).await, [pixel(1, 5), pixel(2, 9), pixel(3, 1)]);
    }
}

#[tokio::test]
async fn nodes_that_keep_at_once_do_not_undo_each_other() {
    for kept in Kept::places() {
        let room = room();
        // Nodes that share a Redis have a connection each; a folder has one process.
        let first = kept.open();
        let stores = (0..4).map(|_| if let Kept::Redis(_) = kept { kept.open() } else { first.clone() });
        let keeping: Vec<_> = stores
            .enumerate()
            .map(|(node, store)| {
                let room = room.clone();
                tokio::spawn(async move {
                    for time in 0..5 {
                        let own = picture(&[pixel(node as u16 * 100 + time, 1)]);
                        // As a keeper does, which waits between two attempts.
                        while let Err(StoreError::Contended) = store.keep(&room, &own).await {}
                    }
                })
            })
            .collect();
        for keeping in keeping {
            keeping.await.unwrap();
        }
        assert_eq!(loaded(&first, &room).await.len(), 20);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside_and_not_lost() {
    let folder = Folder::new();
    let store = open(folder.path().to_str().unwrap());
    let room = room();
    let files = || -> Vec<String> {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    };
    fs::write(folder.join(&format!("{room}.canvas")), b"my diary").unwrap();
    assert!(store.load(&room).await.unwrap().is_none());
    let aside = format!("{room}.07c9e032.corrupt");
    assert_eq!(files(), [aside.as_str()]);
    assert_eq!(fs::read(folder.join(&aside)).unwrap(), b"my diary");
    fs::write(folder.join(&format!("{room}.canvas")), b"my other diary").unwrap();
    store.keep(&room, &picture(&[pixel(1, 1)])).await.unwrap();
    assert_eq!(files().len(), 3, "two diaries and a picture: {:?}", files());
    assert_eq!(loaded(&store, &room).await, [pixel(1, 1)]);
}

#[tokio::test]
async fn what_cannot_be_read_is_renamed_in_redis() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let (store, room) = (open(&shared.url), room());
    let key = format!("firstbyte:canvas:room:{room}");
    let client = redis::Client::open(shared.url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = redis::cmd("SET").arg(&key).arg("my diary").query_async(&mut connection).await.unwrap();
    assert!(store.load(&room).await.unwrap().is_none());
    store.keep(&room, &picture(&[pixel(1, 1)])).await.unwrap();
    let mut aside: Vec<String> =
        redis::cmd("KEYS").arg(format!("{key}:*:corrupt")).query_async(&mut connection).await.unwrap();
    let diary: String = redis::cmd("GET").arg(aside.pop()).query_async(&mut connection).await.unwrap();
    assert_eq!((diary.as_str(), aside.len()), ("my diary", 0));
    assert_eq!(loaded(&store, &room).await, [pixel(1, 1)]);
}

#[tokio::test]
async fn a_folder_is_for_one_process_and_must_be_one() {
    let folder = Folder::new();
    let place: Keep = folder.path().join("new/pictures").to_str().unwrap().parse().unwrap();
    let store = Store::open(&place).unwrap();
    assert!(matches!(Store::open(&place), Err(StoreError::Taken)));
    drop(store);
    Store::open(&place).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    let file: Keep = folder.join("file").to_str().unwrap().parse().unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Io(_))));
}

#[tokio::test]
async fn a_machine_that_stops_while_it_writes_leaves_the_picture_before() {
    let folder = Folder::new();
    let (store, room) = (open(folder.path().to_str().unwrap()), room());
    store.keep(&room, &picture(&[pixel(1, 1)])).await.unwrap();
    fs::write(folder.join(&format!(".{room}.canvas.new")), "firstbyte canvas\n half of").unwrap();
    assert_eq!(loaded(&store, &room).await, [pixel(1, 1)]);
    store.keep(&room, &picture(&[pixel(2, 2)])).await.unwrap();
    assert_eq!(loaded(&store, &room).await, [pixel(1, 1), pixel(2, 2)]);
    assert!(!folder.join(&format!(".{room}.canvas.new")).exists());
}

#[tokio::test]
async fn a_store_that_comes_late_is_merged_and_then_keeps_everything() {
    let Some(mut service) = Service::start(Kind::Redis) else { return };
    let room = room();
    service.kill();
    let (mut keeper, mut found) = Keeper::spawn(open(&service.url()), room.clone());
    keeper.keep(picture(&[pixel(1, 1)]));
    keeper.keep(picture(&[pixel(1, 1), pixel(2, 2)]));
    assert!(timeout(Duration::from_millis(300), keeper.kept()).await.is_err(), "nobody is there to keep it");
    assert!(!keeper.is_kept() && found.try_recv().is_err());
    service.start_again();
    timeout(SOON, keeper.kept()).await.unwrap();
    assert!(keeper.is_kept());
    assert_eq!(found.recv().await, Some(Found::default()), "there was nothing");
    let other = open(&service.url());
    assert_eq!(loaded(&other, &room).await, [pixel(1, 1), pixel(2, 2)]);
    other.keep(&room, &picture(&[pixel(3, 3)])).await.unwrap();
    keeper.keep(picture(&[pixel(4, 4)]));
    timeout(SOON, keeper.kept()).await.unwrap();
    let lacked = vec![pixel(1, 1), pixel(2, 2), pixel(3, 3)];
    assert_eq!(found.recv().await, Some(Found { pixels: lacked, position: None }));
}

#[tokio::test]
async fn a_store_that_hangs_is_away_and_comes_back() {
    let Some(service) = Service::start(Kind::Redis) else { return };
    let (store, room) = (open(&service.url()), room());
    store.keep(&room, &picture(&[pixel(1, 1)])).await.unwrap();
    service.pause();
    let (mut keeper, mut found) = Keeper::spawn(store.clone(), room.clone());
    while store.is_reachable() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.resume();
    assert_eq!(timeout(SOON, found.recv()).await.unwrap().unwrap().pixels, [pixel(1, 1)]);
    keeper.keep(picture(&[pixel(2, 2)]));
    timeout(SOON, keeper.kept()).await.unwrap();
    assert!(store.is_reachable());
}
