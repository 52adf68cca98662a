//! Owns the rows of the lab in the catalogue of bounds, and its part in the memory: what WebSockets hold.
//!
//! Never: repeats a value: each is the constant that the route reads.

use std::time::Duration;

use super::{
    BYTES_MAX, DRIP_BYTES_MAX, ECHO_BYTES_MAX, LINES_MAX, MESSAGE_BYTES_MAX, REDIRECTS_MAX, ROOM_NAME_BYTES_MAX,
    ROOMS_MAX, SHOWN_BYTES_MAX, WAIT_MS_MAX,
};
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Each, Part, Seen};
use crate::ws::Config;

/// What the lab bounds for itself.
pub fn bounds() -> Vec<Bound> {
    const PATH: Seen = Seen::Answer(Fault::InvalidPathParameter);
    const QUERY: Seen = Seen::Answer(Fault::InvalidQueryField);
    const LONGER: &str = "one request keeps a connection busy for longer";
    vec![
        Bound::fixed("lab_echo_bytes_max", Amount::Bytes(ECHO_BYTES_MAX))
            .bounds("Content that /echo sends back, in place of content_bytes_max")
            .larger(LONGER)
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("lab_bytes_max", Amount::Bytes(BYTES_MAX))
            .bounds("Bytes that /bytes/{n} makes")
            .larger(LONGER)
            .seen(PATH),
        Bound::fixed("lab_wait_max", Amount::Time(Duration::from_millis(WAIT_MS_MAX)))
            .bounds("What /slow, /drip and one interval of /sse may take")
            .larger(LONGER)
            .seen(QUERY),
        Bound::fixed("lab_drip_bytes_max", Amount::Bytes(DRIP_BYTES_MAX))
            .bounds("Bytes that /drip spreads over its time")
            .larger(LONGER)
            .seen(QUERY),
        Bound::fixed("lab_lines_max", Amount::Count(LINES_MAX))
            .bounds("Lines of /stream/{n}, and events of /sse")
            .larger(LONGER)
            .seen(PATH),
        Bound::fixed("lab_redirects_max", Amount::Count(REDIRECTS_MAX))
            .bounds("Hops of /redirect/{n}")
            .larger("a client that follows them all asks for longer")
            .seen(PATH),
        Bound::fixed("lab_shown_bytes_max", Amount::bytes(SHOWN_BYTES_MAX))
            .bounds("Content that /anything shows; it reads the rest, and says how much that was")
            .larger("its answers hold more")
            .seen(Seen::Shortened),
        Bound::fixed("lab_message_bytes_max", Amount::bytes(MESSAGE_BYTES_MAX))
            .bounds("A message of /ws and /room/{name}: closed with 1009")
            .larger("each of their connections may hold as much")
            .seen(Seen::Close),
        Bound::fixed("lab_rooms_max", Amount::Count(ROOMS_MAX as u64))
            .bounds("Rooms that are open: /room/{name} is closed with 1013")
            .larger("names of rooms hold more memory")
            .seen(Seen::Close),
        Bound::fixed("lab_room_name_bytes_max", Amount::bytes(ROOM_NAME_BYTES_MAX))
            .bounds("The name of a room")
            .larger("the same")
            .seen(PATH),
    ]
}

/// What the lab may hold.
pub fn kept() -> Vec<Part> {
    let message = MESSAGE_BYTES_MAX as u64;
    vec![Part {
        what: "lab: a WebSocket",
        why: "lab_message_bytes_max while a message comes and grows, waits to be taken, and is sent; and a queue",
        each: Each::Connection,
        bytes: Ok(message * 7 / 2 + Config::default().queue_bytes_max as u64),
    }]
}
