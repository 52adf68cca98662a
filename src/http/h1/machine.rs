//! Owns one exchange as states: how much of the content is still to come, how the answer is framed, and whether the
//! connection lives on.
//!
//! ```text
//!              head                       head of the answer
//!   Idle ─────────────> receive ─┐    ┌─> send: nothing | length | chunked | until close
//!                                │    │
//!     receive:  Length{left} ────┼──┐ │
//!               Chunked(decoder) ┼──┤ │
//!               UntilClose ──────┼──┤ │      an answer only
//!               Ended <──────────┘<─┘ │
//!                                     └─> reuse: Idle again | Close
//! ```
//!
//! Both directions run at once: content may still come in while the answer goes out. A client's exchange is the same with
//! the arrows turned round: it sends first, and what it receives may also end with the connection.
//!
//! Spec: RFC 9112 6 (framing), 9.3 (persistence), 9.6 (tear-down); RFC 9110 10.1.1 (Expect).
//! Never: does I/O; looks at a clock; decides lengths itself (that is [`framing`](crate::http::h1::framing)).

use crate::http::h1::chunked::{Decoder, Event};
use crate::http::h1::framing::{AnswerContent, Content};
use crate::http::{Fields, Limits, ProtocolError};

/// What is still to be received of a message's content.
#[derive(Debug)]
pub enum Receive {
    /// So many bytes.
    Length {
        /// Bytes still to come.
        left: u64,
        /// Bytes that have come.
        taken: u64,
    },
    /// Chunks until the last one.
    Chunked(Box<Decoder>),
    /// All that comes, until the peer closes. Only an answer has no other end (RFC 9112 6.3 item 8).
    UntilClose {
        /// Bytes that have come.
        taken: u64,
    },
    /// Nothing: all has come, with these trailers.
    Ended(Option<Box<Fields>>),
}

/// What a step over received bytes found. The bytes it used are always counted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// More bytes are needed.
    NeedMore,
    /// Framing: a chunk line, the end of a chunk, the trailer section.
    Framing,
    /// Content: the whole of the used bytes.
    Content,
    /// The content is complete.
    End,
}

impl Receive {
    /// The state after a head that announced `content`.
    pub fn of(content: Content) -> Receive {
        match content {
            Content::Length(left) if left > 0 => Receive::Length { left, taken: 0 },
            Content::Chunked => Receive::Chunked(Box::default()),
            Content::None | Content::Length(_) => Receive::Ended(None),
        }
    }

    /// The state after the head of an answer that is followed by `content`.
    pub fn of_answer(content: AnswerContent) -> Receive {
        match content {
            AnswerContent::None => Receive::Ended(None),
            AnswerContent::Length(length) => Receive::of(Content::Length(length)),
            AnswerContent::Chunked => Receive::of(Content::Chunked),
            AnswerContent::UntilClose => Receive::UntilClose { taken: 0 },
        }
    }

    /// The peer has sent its last byte. Whether that ends the content, which it does only where nothing else could
    /// (RFC 9112 8): what is to have an end of its own has broken off.
    pub fn close(&mut self) -> bool {
        if matches!(self, Receive::UntilClose { .. }) {
            *self = Receive::Ended(None);
        }
        self.is_ended()
    }

    /// Whether all content has come.
    pub fn is_ended(&self) -> bool {
        matches!(self, Receive::Ended(_))
    }

    /// Bytes still to come, when that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Receive::Length { left, .. } => Some(*left),
            Receive::Chunked(_) | Receive::UntilClose { .. } => None,
            Receive::Ended(_) => Some(0),
        }
    }

    /// Looks at `input`, the bytes not yet used, and says how many of them are used and for what.
    ///
    /// # Errors
    /// What RFC 9112 7 forbids; its offset counts from the first byte of the content.
    pub fn step(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Received), ProtocolError> {
        match self {
            Receive::Ended(_) => Ok((0, Received::End)),
            Receive::Length { .. } | Receive::UntilClose { .. } if input.is_empty() => Ok((0, Received::NeedMore)),
            Receive::UntilClose { taken } => {
                *taken += input.len() as u64;
                Ok((input.len(), Received::Content))
            }
            Receive::Length { left, taken } => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= used as u64;
                *taken += used as u64;
                if *left == 0 {
                    *self = Receive::Ended(None);
                }
                Ok((used, Received::Content))
            }
            Receive::Chunked(decoder) => {
                let step = decoder.step(input, limits)?;
                let received = match step.event {
                    Event::NeedMore => Received::NeedMore,
                    Event::ChunkHead { .. } => Received::Framing,
                    Event::Data { .. } => Received::Content,
                    Event::End => {
                        let trailers = decoder.take_trailers();
                        *self = Receive::Ended((!trailers.is_empty()).then(|| Box::new(trailers)));
                        Received::End
                    }
                };
                Ok((step.used, received))
            }
        }
    }

    /// Bytes of the content stream that are used: where the next unread byte stands in it.
    pub fn taken(&self) -> u64 {
        match self {
            Receive::Length { taken, .. } | Receive::UntilClose { taken } => *taken,
            Receive::Chunked(decoder) => decoder.taken() as u64,
            Receive::Ended(_) => 0,
        }
    }

    /// The trailer section, once all has come.
    pub fn take_trailers(&mut self) -> Option<Fields> {
        match self {
            Receive::Ended(trailers) => trailers.take().map(|trailers| *trailers),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of an answer's content in pieces, and then the end: the content, and whether it is whole.
    fn receive(content: AnswerContent, pieces: &[&str]) -> (String, bool) {
        let (mut receive, mut received) = (Receive::of_answer(content), String::new());
        for piece in pieces {
            let mut rest = piece.as_bytes();
            while !receive.is_ended() {
                let (used, what) = receive.step(rest, &Limits::default()).expect("in order");
                if what == Received::Content {
                    received.push_str(std::str::from_utf8(&rest[..used]).expect("ASCII"));
                }
                rest = &rest[used..];
                if what == Received::NeedMore {
                    break;
                }
            }
        }
        (received, receive.close())
    }

    #[test]
    fn an_end_of_the_connection_ends_only_what_has_no_other_end() {
        for (content, pieces, expected, is_whole) in [
            (AnswerContent::None, &["x"][..], "", true),
            (AnswerContent::Length(0), &[], "", true),
            (AnswerContent::Length(3), &["ab", "cd"], "abc", true),
            (AnswerContent::Length(3), &["ab"], "ab", false),
            (AnswerContent::Chunked, &["1\r\na", "\r\n0\r\n\r\nx"], "a", true),
            (AnswerContent::Chunked, &["1\r\na\r\n0\r\n"], "a", false),
            (AnswerContent::UntilClose, &[], "", true),
            (AnswerContent::UntilClose, &["ab", "", "c"], "abc", true),
        ] {
            assert_eq!(receive(content, pieces), (expected.to_owned(), is_whole), "{content:?} {pieces:?}");
        }
    }
}
