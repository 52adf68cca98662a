//! Nodes hear each other through a real Redis and a real NATS, also after it was away.

use std::time::Duration;

use bytes::Bytes;
use firstbyte::app::canvas::domain::RoomName;
use firstbyte::app::canvas::fanout::{Broker, Event, Events, Fanout, QUEUE_BYTES_MAX};
use tokio::time::timeout;

use crate::server::SOON;
use crate::services::{Kind, Service, Shared, with_each};

/// A trial.
const WARM: &str = "warm";

fn broker(url: &str) -> Broker {
    url.parse().unwrap()
}

/// A room that no other test is in.
fn room() -> RoomName {
    RoomName::parse(&format!("test-{:016x}", fastrand::u64(..))).unwrap()
}

async fn next(events: &mut Events) -> Event {
    timeout(SOON, events.next()).await.expect("in time").expect("it is not over")
}

async fn joined(broker: &Broker) -> (Fanout, Events) {
    let (fanout, mut events) = Fanout::join(broker);
    assert_eq!(next(&mut events).await, Event::Joined);
    assert!(fanout.is_joined());
    (fanout, events)
}

/// Says `message` again and again, until the other node hears it: what was said while the broker was away may be lost.
async fn say_until_heard(from: &Fanout, to: &mut Events, room: &RoomName, message: &'static str) {
    let heard = async {
        loop {
            from.publish(room, Bytes::from_static(message.as_bytes()));
            let event = timeout(Duration::from_millis(50), to.next()).await;
            if matches!(&event, Ok(Some(Event::Heard { message: heard, .. })) if heard == message) {
                return;
            }
        }
    };
    timeout(SOON, heard).await.expect("it is heard");
}

/// Who says what, after the trials.
async fn word(events: &mut Events, room: &RoomName) -> (u64, Bytes) {
    loop {
        match next(events).await {
            Event::Heard { room: heard, message, .. } if heard != *room || message == WARM => {}
            Event::Heard { origin, message, .. } => return (origin, message),
            other => panic!("{other:?}"),
        }
    }
}

async fn until_joined(events: &mut Events) {
    while next(events).await != Event::Joined {}
}

#[tokio::test]
async fn others_hear_what_a_node_says_and_it_does_not_hear_itself() {
    for shared in Kind::BROKERS.into_iter().filter_map(Shared::of) {
        let broker = broker(&shared.url);
        let room = room();
        let [(one, mut heard_by_one), (two, mut heard_by_two), (_three, mut heard_by_three)] =
            [joined(&broker).await, joined(&broker).await, joined(&broker).await];
        let payload = Bytes::from((0..=255).collect::<Vec<u8>>());
        // A broker may take the word of one node before the subscription of another.
        for events in [&mut heard_by_two, &mut heard_by_three] {
            say_until_heard(&one, events, &room, WARM).await;
        }
        say_until_heard(&two, &mut heard_by_one, &room, WARM).await;
        one.publish(&room, payload.clone());
        two.publish(&room, Bytes::new());
        let (first, message) = word(&mut heard_by_two, &room).await;
        assert_eq!(message, payload);
        let (second, message) = word(&mut heard_by_one, &room).await;
        assert_eq!(message, "");
        assert_ne!(first, second);
        let mut origins = [word(&mut heard_by_three, &room).await.0, word(&mut heard_by_three, &room).await.0];
        origins.sort();
        assert_eq!(origins, [first.min(second), first.max(second)], "each is known by what it calls itself");
    }
}

#[tokio::test]
async fn a_broker_may_ask_who_is_there() {
    for (kind, args) in
        [(Kind::Redis, &["--requirepass", "p@ss/word"][..]), (Kind::Nats, &["--user", "me", "--pass", "p@ss/word"])]
    {
        let Some(service) = Service::start_with(kind, args) else { continue };
        let with = |login: &str| broker(&service.url().replace("://", &format!("://{login}@")));
        let user = if kind == Kind::Nats { "me" } else { "" };
        joined(&with(&format!("{user}:p%40ss%2Fword"))).await;
        let (refused, mut events) = Fanout::join(&with(&format!("{user}:wrong")));
        assert!(timeout(Duration::from_millis(500), events.next()).await.is_err(), "{kind:?}");
        assert!(!refused.is_joined());
    }
}

#[tokio::test]
async fn a_broker_that_takes_no_message_is_not_asked_all_the_time() {
    // It may subscribe, and not publish.
    let args = ["--user", "mute", "on", ">word", "~*", "&*", "+@all", "-publish"];
    let Some(service) = Service::start_with(Kind::Redis, &args) else { return };
    let mute = broker(&service.url().replace("://", "://mute:word@"));
    let (fanout, mut events) = joined(&mute).await;
    let mut joined = 0;
    let two_seconds = async {
        loop {
            fanout.publish(&room(), Bytes::from_static(b"hello"));
            let event = timeout(Duration::from_millis(20), events.next()).await;
            joined += usize::from(event == Ok(Some(Event::Joined)));
        }
    };
    let _ = timeout(Duration::from_secs(2), two_seconds).await;
    assert!((2..=6).contains(&joined), "{joined} times in 2 s");
}

#[tokio::test]
async fn what_is_said_last_is_heard() {
    for shared in Kind::BROKERS.into_iter().filter_map(Shared::of) {
        let broker = broker(&shared.url);
        let (leaving, own_events) = joined(&broker).await;
        let (_staying, mut events) = joined(&broker).await;
        let room = room();
        say_until_heard(&leaving, &mut events, &room, WARM).await;
        for number in 0..500u32 {
            leaving.publish(&room, Bytes::copy_from_slice(&number.to_be_bytes()));
        }
        timeout(SOON, leaving.flushed()).await.unwrap();
        drop((leaving, own_events));
        for number in 0..500u32 {
            assert_eq!(*word(&mut events, &room).await.1, number.to_be_bytes());
        }
    }
}

#[tokio::test]
async fn a_broker_that_was_killed_is_found_again() {
    with_each(async |mut service| {
        let broker = broker(&service.url());
        let room = room();
        let [(one, mut heard_by_one), (two, mut heard_by_two)] = [joined(&broker).await, joined(&broker).await];
        for message in ["the first time", "the second time"] {
            service.kill();
            while one.is_joined() || two.is_joined() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            one.publish(&room, Bytes::from_static(b"perhaps lost"));
            service.start_again();
            until_joined(&mut heard_by_one).await;
            until_joined(&mut heard_by_two).await;
            say_until_heard(&one, &mut heard_by_two, &room, message).await;
            say_until_heard(&two, &mut heard_by_one, &room, message).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_broker_need_not_be_there_first() {
    with_each(async |mut service| {
        service.kill();
        let broker = broker(&service.url());
        let (one, mut heard_by_one) = Fanout::join(&broker);
        let (_two, mut heard_by_two) = Fanout::join(&broker);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!one.is_joined());
        service.start_again();
        until_joined(&mut heard_by_one).await;
        until_joined(&mut heard_by_two).await;
        say_until_heard(&one, &mut heard_by_two, &room(), "here").await;
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_hangs_holds_nobody_up_and_costs_bounded_memory() {
    with_each(async |service| {
        let broker = broker(&service.url());
        let room = room();
        let [(one, mut heard_by_one), (_two, mut heard_by_two)] = [joined(&broker).await, joined(&broker).await];
        service.pause();
        let message = Bytes::from(vec![7; 100_000]);
        for _ in 0..2 * QUEUE_BYTES_MAX / message.len() {
            one.publish(&room, message.clone());
        }
        while one.is_joined() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        service.resume();
        until_joined(&mut heard_by_one).await;
        say_until_heard(&one, &mut heard_by_two, &room, "again").await;
    })
    .await;
}
