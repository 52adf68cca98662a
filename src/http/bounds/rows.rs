//! Owns the rows of the catalogue of bounds, and nothing else.
//!
//! The one idea: a table that reads as the life of a connection. A row says in plain words what is bounded, and what a
//! larger value costs.
//!
//! Never: leaves a field of [`Limits`], [`Deadlines`] or [`ListenerConfig`] out: they are taken apart without `..`.

use crate::http::bounds::{Amount, Bound, Group, InForce, Seen};
use crate::http::server::{AHEAD_BYTES_MAX, BATCH_BYTES, CUT_TIME, DRAINING_LINGER, LOOK_TIME_MAX, PENDING_TIME};
use crate::http::tally::Reached;
use crate::http::{Fault, Limits, explain, h1, input, middleware, recycle, request};
use crate::net::admission::Caps;
use crate::net::deadline::Deadlines;
use crate::net::{ListenerConfig, buffer, listener, output, registry, tap};

/// Every bound, group after group.
pub(super) fn of(in_force: &InForce) -> Vec<Bound> {
    let InForce { limits, deadlines, listener, listeners: _, workers: _ } = in_force;
    let mut rows = [of_listener(listener), of_deadlines(deadlines), of_limits(limits), fixed(), kept()].concat();
    rows.sort_by_key(|row| row.group);
    rows
}

fn about<const LEN: usize>(group: Group, rows: [Bound; LEN]) -> Vec<Bound> {
    rows.into_iter().map(|row| Bound { group, ..row }).collect()
}

fn of_listener(config: &ListenerConfig) -> Vec<Bound> {
    let ListenerConfig { backlog, caps, ipv6_only: _, reuse_port: _ } = config;
    let Caps { connections_max, connections_per_address_max, cap_loopback } = caps;
    let rows = [
        Bound::set("connections_max", Amount::count(*connections_max))
            .bounds("Connections at one address of ours, lowered to what ulimit -n allows")
            .larger("more descriptors and memory")
            .seen(Seen::Waits)
            .at_listeners(|counts| counts.full),
        Bound::set("connections_per_address_max", Amount::count(*connections_per_address_max))
            .bounds("Connections of one IPv4 address or IPv6 /64, this machine excepted")
            .larger("one client can take a larger part of connections_max")
            .seen(Seen::Answer(Fault::TooManyConnections))
            .at_listeners(|counts| counts.over_address_limit),
        Bound::set("cap_loopback", Amount::Switch(*cap_loopback))
            .bounds("Hold this machine to connections_per_address_max, too")
            .larger("a proxy or a load generator on this machine is one client")
            .seen(Seen::Answer(Fault::TooManyConnections)),
        Bound::set("backlog", Amount::Count(u64::from(*backlog)))
            .bounds("Connections that wait in the kernel, lowered by Linux to net.core.somaxconn")
            .larger("newcomers wait longer at a full server before they learn of it")
            .seen(Seen::Waits),
        Bound::fixed("refusals_max", Amount::count(caps.refusals_max()))
            .bounds("Connections that are told at the same time that their address has too many")
            .larger("an address takes the seats of others by being refused again and again")
            .seen(Seen::Close)
            .at_listeners(|counts| counts.unheard),
        Bound::fixed("descriptor_wait", Amount::Time(listener::RELIEF))
            .bounds("Waiting for a free descriptor, before a newcomer is closed for want of one")
            .larger("newcomers hang while there is none")
            .seen(Seen::Close)
            .at_listeners(|counts| counts.shed),
    ];
    about(Group::Connections, rows)
}

fn of_deadlines(deadlines: &Deadlines) -> Vec<Bound> {
    let Deadlines {
        first_byte,
        head,
        idle,
        handler,
        content_rate,
        write_rate,
        linger,
        linger_sending,
        drain,
        drain_idle,
    } = deadlines;
    let time = [
        Bound::set("first_byte_deadline", Amount::Time(*first_byte))
            .bounds("From accept to the first byte")
            .larger("silent connections hold descriptors")
            .seen(Seen::Close)
            .times(Reached::FirstByte),
        Bound::set("head_deadline", Amount::Time(*head))
            .bounds("From the first byte of a head to its end")
            .larger("slow heads hold connections")
            .refused(Fault::HeadTimeout),
        Bound::set("idle_deadline", Amount::Time(*idle))
            .bounds("Between an answer and the next request")
            .larger("idle connections hold descriptors")
            .seen(Seen::Close)
            .times(Reached::Idle),
        Bound::set("handler_deadline", Amount::Time(*handler))
            .bounds("From a head to the head of its answer, and anew while its content still comes")
            .larger("stuck handlers hold their requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut))
            .times(Reached::Handler),
        Bound::set("content_rate", Amount::Rate(*content_rate))
            .bounds("The least rate of content that is awaited")
            .larger("a lower rate lets trickled content hold handlers")
            .seen(Seen::Answer(Fault::ContentTimeout))
            .times(Reached::ContentRate),
        Bound::set("write_rate", Amount::Rate(*write_rate))
            .bounds("The least rate at which answers are read")
            .larger("a lower rate lets readers that do not read hold answers")
            .seen(Seen::Reset)
            .times(Reached::WriteRate),
        Bound::set("linger_deadline", Amount::Time(*linger))
            .bounds("For the peer to read the last answer and close")
            .larger("refused peers hold descriptors")
            .seen(Seen::Close)
            .times(Reached::Linger),
        Bound::set("linger_sending_deadline", Amount::Time(*linger_sending))
            .bounds("The same for a peer that still sends what nobody reads")
            .larger("a peer that was refused goes on being read")
            .seen(Seen::Close)
            .times(Reached::LingerSending),
    ];
    let shutdown = [
        Bound::set("drain_idle_deadline", Amount::Time(*drain_idle))
            .bounds("From the signal on, for a request to begin and its head to end")
            .larger("slower deployments; smaller: requests on their way meet a close")
            .seen(Seen::Close)
            .times(Reached::DrainIdle),
        Bound::set("drain_deadline", Amount::Time(*drain))
            .bounds("From the signal to the end of a clean shutdown; what is then at work is cut")
            .larger("slower deployments")
            .seen(Seen::Close)
            .times(Reached::Drain),
    ];
    [about(Group::Time, time), about(Group::Shutdown, shutdown)].concat()
}

fn of_limits(limits: &Limits) -> Vec<Bound> {
    let Limits {
        head_bytes_max,
        field_lines_max,
        target_bytes_max,
        method_bytes_max,
        leading_empty_lines_max,
        content_bytes_max,
        chunk_line_bytes_max,
        chunk_extension_bytes_max,
        trailer_bytes_max,
        drain_bytes_max,
        output_bytes_max,
        lenient_lines,
    } = limits;
    let heads = [
        Bound::set("head_bytes_max", Amount::bytes(*head_bytes_max))
            .bounds("A head, start-line to empty line")
            .larger("each connection may hold that much while it trickles in")
            .refused(Fault::HeadTooLarge),
        Bound::set("field_lines_max", Amount::count(*field_lines_max))
            .bounds("Field lines of a head, or of a trailer section")
            .larger("more work for each lookup")
            .refused(Fault::TooManyFieldLines),
        Bound::set("target_bytes_max", Amount::bytes(*target_bytes_max))
            .bounds("A request-target")
            .larger("longer log lines and routes")
            .refused(Fault::TargetTooLong),
        Bound::set("method_bytes_max", Amount::bytes(*method_bytes_max))
            .bounds("A method")
            .larger("nothing: a method is held inline, and this is what fits")
            .refused(Fault::MethodTooLong),
        Bound::set("leading_empty_lines_max", Amount::count(*leading_empty_lines_max))
            .bounds("Empty lines before a request")
            .larger("a peer may send nothing, for longer")
            .refused(Fault::TooManyEmptyLines),
        Bound::set("lenient_lines", Amount::Switch(*lenient_lines))
            .bounds("Accept heads whose lines end in a bare LF, as typed into nc")
            .larger("request smuggling loves it: not behind a proxy")
            .refused(Fault::BareLf),
    ];
    let content = [
        Bound::set("content_bytes_max", Amount::Bytes(*content_bytes_max))
            .bounds("Content, where a route does not say otherwise")
            .larger("handlers that collect content hold that much each")
            .refused(Fault::ContentTooLarge),
        Bound::set("chunk_line_bytes_max", Amount::bytes(*chunk_line_bytes_max))
            .bounds("One chunk line: size and extensions")
            .larger("more bytes that carry nothing")
            .refused(Fault::ChunkLineTooLong),
        Bound::set("chunk_extension_bytes_max", Amount::bytes(*chunk_extension_bytes_max))
            .bounds("All chunk extensions of a message")
            .larger("more bytes that carry nothing")
            .refused(Fault::ChunkExtensionsTooLong),
        Bound::set("trailer_bytes_max", Amount::bytes(*trailer_bytes_max))
            .bounds("A trailer section")
            .larger("each upload may hold that much")
            .refused(Fault::TrailersTooLarge),
        Bound::set("drain_bytes_max", Amount::Bytes(*drain_bytes_max))
            .bounds("Unread content that is dropped to keep a connection")
            .larger("more work for requests that were already answered")
            .seen(Seen::Close)
            .times(Reached::DrainBytes),
    ];
    let answers = [Bound::set("output_bytes_max", Amount::bytes(*output_bytes_max))
        .bounds("Queued answers of a connection, before no more requests are read from it")
        .larger("a reader that does not read costs more")
        .seen(Seen::NotReadFrom)
        .times(Reached::OutputBytes)];
    [about(Group::Heads, heads), about(Group::Content, content), about(Group::Answers, answers)].concat()
}

/// What the driver and the parsers bound, and no setting changes.
fn fixed() -> Vec<Bound> {
    let time = [
        Bound::fixed("look_time_max", Amount::Time(LOOK_TIME_MAX))
            .bounds("Between two looks at who has waited too long, but no more than a tenth of the time they are given")
            .larger("first_byte_deadline and idle_deadline end that much later")
            .seen(Seen::Waits),
        Bound::fixed("look_gap", Amount::Time(registry::LOOK_GAP))
            .bounds("The least time between two of those looks")
            .larger("the same; smaller: crowds whose time is up cost more looks")
            .seen(Seen::Waits),
        Bound::fixed("warm_time", Amount::Time(registry::WARM_TIME))
            .bounds("How long a connection that waits keeps what it works with")
            .larger("memory is given back later; smaller: what is asked again soon is made anew"),
        Bound::fixed("warm_max", Amount::count(registry::WARM_MAX))
            .bounds("Connections that wait and keep it")
            .larger("idle connections cost more memory; smaller: more of them make it anew for each request"),
    ];
    let heads = [
        Bound::fixed("field_name_bytes_max", Amount::bytes(h1::field_section::NAME_BYTES_MAX))
            .bounds("The name of a field")
            .larger("a line would not fit into 16 bytes")
            .seen(Seen::Answer(Fault::HeadTooLarge)),
        Bound::fixed("ahead_bytes_max", Amount::bytes(AHEAD_BYTES_MAX))
            .bounds("Later requests that are read while a handler is at work: enough to notice that the peer is gone")
            .larger("a client is read from that is not yet served")
            .seen(Seen::NotReadFrom),
        Bound::fixed("request_id_bytes_max", Amount::bytes(middleware::request_id::ID_BYTES_MAX))
            .bounds("An X-Request-Id that is taken over; a longer one is replaced")
            .larger("a client writes longer log lines")
            .seen(Seen::Nothing),
        Bound::fixed("logged_bytes_max", Amount::bytes(middleware::logger::LOGGED_BYTES_MAX))
            .bounds("What one field of a log line shows of a request")
            .larger("a client writes longer log lines")
            .seen(Seen::Shortened),
    ];
    let content = [
        Bound::fixed("content_length_max", Amount::Count(u64::MAX))
            .bounds("A Content-Length: what 64 bits hold")
            .larger("it cannot be larger")
            .refused(Fault::ContentLengthOverflow),
        Bound::fixed("chunk_size_max", Amount::Count(u64::MAX))
            .bounds("The size of one chunk: what 64 bits hold")
            .larger("it cannot be larger")
            .refused(Fault::ChunkSizeOverflow),
        Bound::fixed("piece_bytes", Amount::bytes(buffer::PIECE_BYTES))
            .bounds("Bytes that are read in one go")
            .larger("each connection that is read from holds that much")
            .seen(Seen::NotReadFrom),
        Bound::fixed("large_piece_bytes", Amount::bytes(buffer::LARGE_PIECE_BYTES))
            .bounds("Content that is read in one go, where more than a piece is still to come")
            .larger("each upload holds that much")
            .seen(Seen::NotReadFrom),
        Bound::fixed("json_depth_max", Amount::count(input::JSON_DEPTH_MAX))
            .bounds("Arrays and objects within each other in JSON that a handler reads")
            .larger("the stack of a thread runs out")
            .seen(Seen::Answer(Fault::MalformedJson)),
        Bound::fixed("quoted_chars_max", Amount::count(input::QUOTED_CHARS_MAX))
            .bounds("Characters of wrong input that its refusal repeats")
            .larger("answers grow with what was sent")
            .seen(Seen::Shortened),
    ];
    let answers = [
        Bound::fixed("batch_bytes", Amount::bytes(BATCH_BYTES))
            .bounds("What a streamed answer gathers before it is written")
            .larger("the first bytes come later")
            .seen(Seen::Nothing),
        Bound::fixed("unsent_bytes_max", Amount::Bytes(listener::UNSENT_BYTES_MAX.into()))
            .bounds("What the kernel takes of an answer and has not sent, on Linux")
            .larger("a slow reader looks like one that does not read")
            .seen(Seen::NotSentTo),
        Bound::fixed("excerpt_bytes_max", Amount::bytes(explain::EXCERPT_BYTES_MAX))
            .bounds("What a refusal shows of the request, on each side of the fault")
            .larger("refusals grow with what was sent")
            .seen(Seen::Shortened),
    ];
    let shutdown = [
        Bound::fixed("draining_linger", Amount::Time(DRAINING_LINGER))
            .bounds("In place of the linger deadlines, once the server shuts down")
            .larger("peers that do not close delay the end")
            .seen(Seen::Close)
            .times(Reached::LingerDraining),
        Bound::fixed("pending_time", Amount::Time(PENDING_TIME))
            .bounds("For a closing listener to take what waits in the kernel")
            .larger("the end is later while peers go on coming")
            .seen(Seen::Close),
        Bound::fixed("cut_time", Amount::Time(CUT_TIME))
            .bounds("For what was cut to notice")
            .larger("a handler that blocks its thread delays the end")
            .seen(Seen::Close),
    ];
    [
        about(Group::Time, time),
        about(Group::Heads, heads),
        about(Group::Content, content),
        about(Group::Answers, answers),
        about(Group::Shutdown, shutdown),
    ]
    .concat()
}

/// What is kept to be used again, and while the inspector is open.
fn kept() -> Vec<Bound> {
    const AGAIN: &str = "memory stays with the process after a storm";
    const WATCHED: &str = "looking costs more memory";
    let rows = [
        Bound::fixed("free_read_buffers_max", Amount::count(buffer::KEPT_MAX))
            .bounds("Free read buffers of 16 KiB that a thread keeps")
            .larger(AGAIN),
        Bound::fixed("free_large_pieces_max", Amount::count(buffer::LARGE_KEPT_MAX))
            .bounds("Free pieces of 64 KiB that a thread keeps")
            .larger(AGAIN),
        Bound::fixed("free_write_buffers_max", Amount::count(output::KEPT_MAX))
            .bounds("Free write buffers that a thread keeps")
            .larger(AGAIN),
        Bound::fixed("free_write_buffer_bytes_max", Amount::bytes(output::KEPT_BYTES_MAX))
            .bounds("A write buffer that is worth keeping")
            .larger(AGAIN),
        Bound::fixed("free_heads_max", Amount::count(recycle::KEPT_MAX))
            .bounds("Free heads that a thread keeps, of requests and of responses each")
            .larger(AGAIN),
        Bound::fixed("free_head_bytes_max", Amount::bytes(request::KEPT_BYTES_MAX))
            .bounds("A head that is worth keeping")
            .larger(AGAIN),
        Bound::fixed("sent_bytes_max", Amount::bytes(output::SENT_BYTES_MAX))
            .bounds("Bytes that are sent and still lie before those that are not")
            .larger("each reader that is slow holds more"),
        Bound::fixed("histories_max", Amount::count(tap::HISTORIES_MAX))
            .bounds("Connections whose events are kept while somebody watches")
            .larger(WATCHED),
        Bound::fixed("events_max", Amount::count(tap::EVENTS_MAX))
            .bounds("Events that are kept of one of them")
            .larger(WATCHED),
        Bound::fixed("ring_bytes_max", Amount::bytes(tap::RING_BYTES_MAX))
            .bounds("Bytes of messages that are kept of one of them")
            .larger(WATCHED),
        Bound::fixed("event_bytes_max", Amount::bytes(tap::EVENT_BYTES_MAX))
            .bounds("Bytes of one event; what is longer is cut and says so")
            .larger(WATCHED),
        Bound::fixed("live_events_max", Amount::count(tap::LIVE_EVENTS_MAX))
            .bounds("Events that a viewer may lag behind before it loses some")
            .larger(WATCHED),
    ];
    about(Group::Kept, rows)
}
