//! Owns what clients ask for and what must come: every request carries who asked, and every answer says it back.
//!
//! ```text
//!   POST /echo/2.1/300/0  ──>  Served: 2.1, and bytes that no other request of this simulation is answered with
//!        route │ │ bytes └ pause of the handler, in ms
//!         client 2, its request 1
//! ```
//!
//! The one idea: an answer that is swapped, repeated, cut or foreign cannot look like the right one.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use fastrand::Rng;

/// Who asks: the client, and which of its requests.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id {
    pub client: usize,
    pub index: usize,
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.client, self.index)
    }
}

/// What a handler can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Answers at once.
    Say,
    /// Answers, and closes.
    Last,
    /// Answers after a pause.
    Slow,
    /// Streams its answer, with pauses.
    Stream,
    /// Streams its answer and fails before the end.
    Breaks,
    /// Says that its answer is longer than it is.
    Short,
    /// Panics.
    Panics,
    /// Answers when nobody waits any more.
    Stuck,
    /// Streams the content back.
    Echo,
    /// Reads the content, then sends it back.
    Collect,
    /// Reads the content, and hides what was wrong with it.
    Hide,
    /// Does not look at the content.
    Ignore,
    /// Looks at the first piece of it.
    First,
    /// Answers while a task reads on.
    Keep,
}

impl Route {
    const WITHOUT_CONTENT: [Route; 8] =
        [Route::Say, Route::Last, Route::Slow, Route::Stream, Route::Breaks, Route::Short, Route::Panics, Route::Stuck];
    const WITH_CONTENT: [Route; 6] =
        [Route::Echo, Route::Collect, Route::Hide, Route::Ignore, Route::First, Route::Keep];

    pub fn name(self) -> &'static str {
        match self {
            Route::Say => "say",
            Route::Last => "last",
            Route::Slow => "slow",
            Route::Stream => "stream",
            Route::Breaks => "breaks",
            Route::Short => "short",
            Route::Panics => "panics",
            Route::Stuck => "stuck",
            Route::Echo => "echo",
            Route::Collect => "collect",
            Route::Hide => "hide",
            Route::Ignore => "ignore",
            Route::First => "first",
            Route::Keep => "keep",
        }
    }

    /// Whether its answer may come before all content is read, so that a close may have to follow.
    pub fn leaves_content(self) -> bool {
        matches!(self, Route::Ignore | Route::First | Route::Keep)
    }
}

/// A path, understood.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub route: Route,
    pub id: Id,
    pub bytes: usize,
    pub pause_ms: u64,
}

impl Call {
    pub fn parse(path: &str) -> Option<Call> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let name = parts.next()?;
        let all = Route::WITHOUT_CONTENT.into_iter().chain(Route::WITH_CONTENT);
        let route = all.into_iter().find(|route| route.name() == name)?;
        let (client, index) = parts.next()?.split_once('.')?;
        let id = Id { client: client.parse().ok()?, index: index.parse().ok()? };
        Some(Call { route, id, bytes: parts.next()?.parse().ok()?, pause_ms: parts.next()?.parse().ok()? })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}/{}/{}", self.route.name(), self.id, self.bytes, self.pause_ms)
    }
}

/// Text in which no eight bytes stand twice.
static INK: LazyLock<Bytes> =
    LazyLock::new(|| (0..8 * 1024).map(|line| format!("{line:07};")).collect::<String>().into());

/// So much of the ink, from another place for every request.
pub fn ink(id: Id, bytes: usize) -> Bytes {
    let from = (id.client * 16 + id.index) * 104;
    INK.slice(from..from + bytes)
}

/// In so many pieces an answer is streamed.
pub const PIECES: usize = 4;

/// The most bytes that [`ink`] has for every request.
pub const INK_BYTES_MAX: usize = 48 * 1024;

/// How content is refused that has such a chunk.
pub const SPOILED: &str = "H1-CHUNK-001";

/// A request in its content: whoever answers it has lost the framing.
const HIDDEN: &[u8] = b"GET /say/99.99/5/0 HTTP/1.1\r\nHost: hidden\r\n\r\n";

/// What must come, when nothing goes wrong outside of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// 200, and this content.
    Content(Bytes),
    /// A refusal with this status and code.
    Problem(u16, &'static str),
    /// 200, and this content, which visibly breaks off.
    Broken(Bytes),
}

/// One request on the wire.
#[derive(Clone, Debug)]
pub struct Message {
    pub call: Call,
    pub bytes: Vec<u8>,
    pub head_len: usize,
    pub is_head: bool,
    /// The client asks for `100 Continue`, and waits for it.
    pub expects_continue: bool,
    /// The client wants no further answer.
    pub closes: bool,
    /// A handler sees it.
    pub is_served: bool,
    /// A chunk of its content is none: it may be refused whoever looks at it.
    pub is_spoiled: bool,
    pub expected: Expected,
}

impl Message {
    /// One of all that clients send.
    pub fn roll(rng: &mut Rng, id: Id, bytes_max: usize) -> Message {
        match rng.u8(..100) {
            0..6 => Message::malformed(rng, id),
            6..56 => Message::without_content(rng, id, bytes_max),
            _ => Message::with_content(rng, id, bytes_max),
        }
    }

    /// A request for much.
    pub fn greedy(rng: &mut Rng, id: Id) -> Message {
        let (route, bytes) = if rng.u8(..4) == 0 { (Route::Stream, 20_000) } else { (Route::Say, rng.usize(..3_000)) };
        let call = Call { route, id, bytes, pause_ms: 0 };
        let head = Head { method: "GET", call, is_http10: false, closes: false };
        head.message(head.text(""), Expected::Content(ink(id, bytes)), false)
    }

    fn without_content(rng: &mut Rng, id: Id, bytes_max: usize) -> Message {
        let route = match rng.u8(..100) {
            0..55 => Route::Say,
            55..70 => Route::Stream,
            70..85 => Route::Slow,
            85..90 => Route::Last,
            90..92 => Route::Breaks,
            92..94 => Route::Short,
            94..98 => Route::Panics,
            _ => Route::Stuck,
        };
        let call = Call { route, id, bytes: size(rng, bytes_max), pause_ms: pause(rng, route) };
        // An answer to HEAD has no content that could be too short.
        let is_head = rng.u8(..8) == 0 && route != Route::Short;
        let is_http10 = rng.u8(..8) == 0;
        let closes = if is_http10 { rng.bool() } else { rng.u8(..12) == 0 };
        let head = Head { method: if is_head { "HEAD" } else { "GET" }, call, is_http10, closes };
        let bytes = head.text("");
        let content = ink(id, call.bytes);
        let expected = match route {
            Route::Panics => Expected::Problem(500, "HTTP-SERVER-001"),
            Route::Stuck => Expected::Problem(503, "HTTP-SERVER-002"),
            // Nobody asks for the content of an answer to HEAD: it cannot fail.
            Route::Breaks | Route::Short if !is_head => Expected::Broken(content),
            _ => Expected::Content(content),
        };
        let closes = closes || matches!(route, Route::Last | Route::Panics);
        head.message(bytes, expected, closes)
    }

    fn with_content(rng: &mut Rng, id: Id, bytes_max: usize) -> Message {
        let route = one_of(rng, &Route::WITH_CONTENT);
        let sent = content(rng, id, bytes_max);
        let call = Call { route, id, bytes: 8, pause_ms: pause(rng, route) };
        let head = Head { method: "POST", call, is_http10: false, closes: rng.u8(..12) == 0 };
        let expects = rng.u8(..6) == 0 && !sent.is_empty();
        let expectation = if expects { "Expect: 100-continue\r\n" } else { "" };
        let chunked = rng.bool();
        let mut bytes = head.text(&if chunked {
            format!("{expectation}Transfer-Encoding: chunked\r\n")
        } else {
            format!("{expectation}Content-Length: {}\r\n", sent.len())
        });
        let head_len = bytes.len();
        let is_spoiled = chunked && matches!(route, Route::Collect | Route::Hide | Route::Ignore) && rng.u8(..8) == 0;
        if chunked {
            chunks(rng, &sent, is_spoiled, &mut bytes)
        } else {
            bytes.extend_from_slice(&sent)
        }
        let expected = match route {
            Route::Collect | Route::Hide if is_spoiled => Expected::Problem(400, SPOILED),
            _ if route.leaves_content() || route == Route::Hide => Expected::Content(ink(id, call.bytes)),
            _ => Expected::Content(sent),
        };
        let message = head.message(bytes, expected, head.closes || is_spoiled);
        Message { head_len, expects_continue: expects, is_spoiled, ..message }
    }

    /// What is refused, and why. Nothing behind it is looked at.
    fn malformed(rng: &mut Rng, id: Id) -> Message {
        const LINES: &[(&str, u16, &str)] = &[
            ("Host: x\r\n", 400, "H1-HOST-002"),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400, "H1-FRAME-001"),
            ("Transfer-Encoding: gzip\r\n", 400, "H1-FRAME-003"),
            ("Transfer-Encoding: gzip, chunked\r\n", 501, "H1-FRAME-005"),
            ("Content-Length: 3, 3\r\n", 400, "H1-FRAME-008"),
            ("Content-Length: +3\r\n", 400, "H1-FRAME-009"),
            ("A: b\r\n folded\r\n", 400, "H1-HEAD-004"),
            ("A : b\r\n", 400, "H1-HEAD-006"),
            ("A: b\nC: d\r\n", 400, "H1-LINE-001"),
            ("Expect: the-unexpected\r\n", 417, "H1-EXPECT-001"),
        ];
        let call = Call { route: Route::Say, id, bytes: 5, pause_ms: 0 };
        let head = Head { method: "GET", call, is_http10: false, closes: false };
        let (line, status, code) = one_of(rng, LINES);
        let bytes = head.text(line);
        let message = head.message(bytes, Expected::Problem(status, code), true);
        Message { is_served: false, ..message }
    }

    /// Bytes that its answer may have, or one piece of it where it is streamed: so much is queued at once.
    pub fn answer_bytes_max(&self) -> usize {
        const HEAD_OR_REFUSAL: usize = 1024;
        let content = match &self.expected {
            Expected::Content(content) | Expected::Broken(content) => content.len(),
            Expected::Problem(..) => 0,
        };
        let is_streamed = matches!(self.call.route, Route::Stream | Route::Breaks | Route::Short);
        HEAD_OR_REFUSAL + if is_streamed { content.div_ceil(PIECES) } else { content }
    }

    /// Where its content lies in its bytes.
    pub fn content(&self) -> Range<usize> {
        self.head_len..self.bytes.len()
    }
}

/// What is said before the fields that differ.
#[derive(Clone, Copy)]
struct Head {
    method: &'static str,
    call: Call,
    is_http10: bool,
    closes: bool,
}

impl Head {
    fn text(&self, lines: &str) -> Vec<u8> {
        let Head { method, call, .. } = self;
        let (version, option) = match (self.is_http10, self.closes) {
            (true, true) => ("1.0", ""),
            (true, false) => ("1.0", "Connection: keep-alive\r\n"),
            (false, true) => ("1.1", "Connection: close\r\n"),
            (false, false) => ("1.1", ""),
        };
        format!("{method} {call} HTTP/{version}\r\nHost: sim\r\n{option}{lines}\r\n").into_bytes()
    }

    fn message(self, bytes: Vec<u8>, expected: Expected, closes: bool) -> Message {
        let Head { method, call, .. } = self;
        let (head_len, is_head) = (bytes.len(), method == "HEAD");
        Message {
            call,
            bytes,
            head_len,
            is_head,
            expects_continue: false,
            closes,
            is_served: true,
            is_spoiled: false,
            expected,
        }
    }
}

/// One of them, each as likely as the others.
pub fn one_of<T: Copy>(rng: &mut Rng, options: &[T]) -> T {
    options[rng.usize(..options.len())]
}

/// Mostly small.
fn size(rng: &mut Rng, bytes_max: usize) -> usize {
    let most = match rng.u8(..16) {
        0 => bytes_max,
        1..4 => bytes_max.min(2_000),
        _ => bytes_max.min(150),
    };
    rng.usize(..=most)
}

fn pause(rng: &mut Rng, route: Route) -> u64 {
    match route {
        Route::Slow => rng.u64(..=8_000),
        Route::Stream | Route::Breaks => one_of(rng, &[0, 0, 1, 40, 900]),
        Route::Keep => rng.u64(..=2_000),
        Route::Stuck => 600_000,
        _ => one_of(rng, &[0, 0, 0, 5]),
    }
}

fn content(rng: &mut Rng, id: Id, bytes_max: usize) -> Bytes {
    if rng.u8(..3) == 0 {
        return Bytes::from(HIDDEN.repeat(rng.usize(1..4)));
    }
    ink(id, size(rng, bytes_max))
}

/// `content` as chunks of any size, some with extensions, and trailers at times.
fn chunks(rng: &mut Rng, content: &[u8], is_spoiled: bool, out: &mut Vec<u8>) {
    let mut rest = content;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(rng.usize(1..=rest.len()));
        let extension = one_of(rng, &["", "", "", ";a", ";a=b", ";a=\"b;c\""]);
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = behind;
    }
    if is_spoiled {
        return out.extend_from_slice(b"no chunk\r\n");
    }
    let trailers = one_of(rng, &["", "", "X-Sum: 1\r\n", "X-Sum: 1\r\nX-More: GET / HTTP/1.1\r\n"]);
    out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
}
