//! Owns the rows of the canvas in the catalogue of bounds, and the memory that it may keep.
//!
//! Never: bounds anything itself: each value is read where it is in force.

use crate::app::canvas::allowance::{MESSAGES, PIXELS, REFUSALS};
use crate::app::canvas::deltas::Deltas;
use crate::app::canvas::domain::{NAME_CHARS_MAX, STROKE_PIXELS_MAX};
use crate::app::canvas::fanout::QUEUE_BYTES_MAX;
use crate::app::canvas::grid::Grid;
use crate::app::canvas::ground::Ground;
use crate::app::canvas::handlers::HELLO_TIME;
use crate::app::canvas::history::{PIXEL_BYTES, PIXELS_MAX, STROKES_MAX};
use crate::app::canvas::member::{BEHIND_TIME, QUEUED_BYTES_MAX, RESYNCS_MAX};
use crate::app::canvas::presence::{CURSOR_TIME, CURSORS_MAX};
use crate::app::canvas::room::{PERSON_BYTES, REMEMBERED_MAX, REMEMBERED_TIME, TICK};
use crate::app::canvas::rooms::{END_TIME, LOAD_TIME};
use crate::app::canvas::upkeep::EMPTY_TIME;
use crate::app::canvas::{CanvasConfig, PICTURES};
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Each, Part, Seen};

/// What the application bounds for itself.
pub(super) fn rows(config: &CanvasConfig) -> Vec<Bound> {
    [of_rooms(config), of_members(config), of_drawing(config), of_nodes()].concat()
}

fn of_rooms(config: &CanvasConfig) -> Vec<Bound> {
    vec![
        Bound::fixed("canvas_rooms_max", Amount::count(config.rooms_max))
            .bounds("Rooms at a time; an empty one makes place, and a newcomer is closed with 1013 when there is none")
            .larger("rooms take more memory, a MiB each")
            .seen(Seen::Close),
        Bound::fixed("canvas_room_name_chars_max", Amount::count(NAME_CHARS_MAX))
            .bounds("Characters of a room's name")
            .larger("names take more memory")
            .seen(Seen::Answer(Fault::InvalidPathParameter)),
        Bound::fixed("canvas_empty", Amount::Time(EMPTY_TIME))
            .bounds("How long a room stays when nobody is there and nothing is lost with it")
            .larger("empty rooms take memory for longer"),
        Bound::fixed("canvas_tick", Amount::Time(TICK))
            .bounds("The least time between two deltas of a room")
            .larger("strokes are seen later; smaller: each member is sent more messages"),
        Bound::fixed("canvas_deltas_bytes_max", Amount::bytes(Deltas::BYTES_MAX))
            .bounds("Deltas that a room keeps for those whose connection broke; others get a snapshot")
            .larger("rooms take more memory, and a snapshot would be shorter"),
        Bound::fixed("canvas_cursors_max", Amount::count(CURSORS_MAX))
            .bounds("Cursors of others that are shown, those that moved last")
            .larger("each presence is longer, for each member")
            .seen(Seen::Shortened),
        Bound::fixed("canvas_cursor", Amount::Time(CURSOR_TIME))
            .bounds("How long a cursor that rests is shown")
            .larger("who has gone to lunch is shown for longer"),
    ]
}

fn of_members(config: &CanvasConfig) -> Vec<Bound> {
    vec![
        Bound::fixed("canvas_members_max", Amount::count(config.members_max))
            .bounds("Members of a room; another one is closed with 1013")
            .larger("one tick takes longer")
            .seen(Seen::Close),
        Bound::fixed("canvas_members_per_address_max", Amount::count(config.members_per_address_max))
            .bounds("Members of one IPv4 address or IPv6 /64 but this machine's; another one is closed with 1013")
            .larger("one client takes more of the application")
            .seen(Seen::Close),
        Bound::fixed("canvas_hello", Amount::Time(HELLO_TIME))
            .bounds("From the handshake to the first message; after it 1008")
            .larger("connections that say nothing are held for longer")
            .seen(Seen::Close),
        Bound::fixed("canvas_queued_bytes_max", Amount::bytes(QUEUED_BYTES_MAX))
            .bounds("What waits for a member before it gets no more deltas, but a snapshot once it has read")
            .larger("members that do not read hold more memory")
            .seen(Seen::NotSentTo),
        Bound::fixed("canvas_behind", Amount::Time(BEHIND_TIME))
            .bounds("How long a member may be behind; after it 1013")
            .larger("members that do not read hold memory for longer")
            .seen(Seen::Close),
        Bound::fixed("canvas_resyncs_max", Amount::Count(RESYNCS_MAX.into()))
            .bounds("Times in a minute that a member is behind and gets a snapshot; after them 1013")
            .larger("members that are too slow are sent more")
            .seen(Seen::Close),
    ]
}

fn of_drawing(config: &CanvasConfig) -> Vec<Bound> {
    const FASTER: &str = "one client takes more of the others' time";
    const UNDO: &str = "strokes that can be taken back take more memory";
    vec![
        Bound::fixed("canvas_message_bytes_max", Amount::bytes(config.socket.limits.message_bytes_max))
            .bounds("A message of a client; a longer one is closed with 1009")
            .larger("each member may hold as much")
            .seen(Seen::Close),
        Bound::fixed("canvas_stroke_pixels_max", Amount::count(STROKE_PIXELS_MAX))
            .bounds("Pixels of one stroke; after more 1008")
            .larger(FASTER)
            .seen(Seen::Close),
        Bound::fixed("canvas_messages_per_second", Amount::Count(MESSAGES.per_second.into()))
            .bounds("Messages of a client, in bursts of twice that; others are not obeyed, and it is told")
            .larger(FASTER),
        Bound::fixed("canvas_pixels_per_second", Amount::Count(PIXELS.per_second.into()))
            .bounds("Pixels of a client, in bursts of twice that; others are not drawn, and it is told")
            .larger(FASTER),
        Bound::fixed("canvas_refusals_max", Amount::Count(REFUSALS.burst.into()))
            .bounds("Messages of a client that are refused for being too fast; after them 1008")
            .larger("one that does not listen is listened to for longer")
            .seen(Seen::Close),
        Bound::fixed("canvas_undo_strokes_max", Amount::count(STROKES_MAX))
            .bounds("Strokes that a member can take back; the oldest are forgotten")
            .larger(UNDO),
        Bound::fixed("canvas_undo_member_pixels_max", Amount::count(PIXELS_MAX)).bounds("Their pixels").larger(UNDO),
        Bound::fixed("canvas_undo_pixels_max", Amount::count(config.undo_pixels_max))
            .bounds("The same of all members together; who draws then forgets own older ones")
            .larger(UNDO),
        Bound::fixed("canvas_remembered", Amount::Time(REMEMBERED_TIME))
            .bounds("How long strokes of one who has left can be taken back, by the same token")
            .larger("strokes of those who have left take memory for longer"),
        Bound::fixed("canvas_remembered_max", Amount::count(REMEMBERED_MAX))
            .bounds("Members of a room that have left and are remembered; the first to leave is forgotten")
            .larger("the same"),
    ]
}

fn of_nodes() -> Vec<Bound> {
    vec![
        Bound::fixed("canvas_fanout_bytes_max", Amount::bytes(QUEUE_BYTES_MAX))
            .bounds("What waits for the broker, and what of other nodes waits for the rooms; what is lost is mended later")
            .larger("a broker that is away costs more memory"),
        Bound::fixed("canvas_load", Amount::Time(LOAD_TIME))
            .bounds("How long a member waits for what was kept of its room; after it the member draws, and that comes later")
            .larger("a store that is away makes members wait"),
        Bound::fixed("canvas_end", Amount::Time(END_TIME))
            .bounds("How long the end of the server waits until rooms are kept")
            .larger("a store that is away holds the end"),
    ]
}

/// What the application may keep. `is_joined`: there is a broker; `is_kept`: there is a store.
pub(super) fn kept(config: &CanvasConfig, is_joined: bool, is_kept: bool) -> Vec<Part> {
    let pictures = if is_kept { PICTURES * Grid::BYTES_MAX } else { 0 };
    let room = Ground::BYTES_MAX + REMEMBERED_MAX * PERSON_BYTES + pictures;
    let member = Part {
        what: "canvas: a member",
        why: "canvas_queued_bytes_max and one more message wait, and one is received",
        each: Each::Connection,
        bytes: Ok((QUEUED_BYTES_MAX + Deltas::BYTES_MAX + 2 * config.socket.limits.message_bytes_max) as u64),
    };
    let rooms = "canvas_rooms_max, drawn on everywhere; those who left; with a store, pictures on their way";
    let undo = "canvas_undo_pixels_max, in tables that double as they grow";
    let mut parts = vec![
        member,
        Part::of_process("canvas: rooms", rooms, (config.rooms_max * room) as u64),
        Part::of_process("canvas: strokes to take back", undo, (config.undo_pixels_max * PIXEL_BYTES) as u64),
    ];
    if is_joined {
        let queues = 2 * QUEUE_BYTES_MAX as u64;
        parts.push(Part::of_process("canvas: other nodes", "canvas_fanout_bytes_max, each way", queues));
    }
    parts
}
