//! Owns the sending of one request: its head at once, its content as it is produced and taken.
//!
//! The one idea: it is a thing to be polled beside the reading, not a step before it. A server may answer before it has read
//! all; then whoever reads the answer drives what is left to be sent.
//!
//! Spec: RFC 9112 6.2, 7.1, 9.5 (who sends content watches for an answer).
//! Never: sends more content, or less, than the head said: what is missing would be taken from the next request.
//! Limits: [`QUEUED_BYTES_MAX`]; the least rate is kept by [`Outbound`].

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::http::Body;
use crate::http::body::BodyError;
use crate::http::client::error::ClientError;
use crate::http::h1::chunked::{CHUNK_DATA_END, encode_chunk_head, encode_end};
use crate::http::h1::framing::Content;
use crate::net::connection::{Lost, Outbound};
use crate::net::transport::WriteHalf;

/// Bytes that are queued before no more content is produced.
const QUEUED_BYTES_MAX: usize = 64 * 1024;

/// What is left to be sent of a request, its head being queued.
pub(super) struct Sending {
    state: State,
}

enum State {
    /// Content is to come.
    Producing { content: Body, framing: Content },
    /// All is queued.
    Queued,
    /// All is sent.
    Sent,
    /// It was broken off: nothing can follow it on this connection.
    BrokenOff,
}

/// Why no more can be sent.
#[derive(Debug)]
pub(super) enum SendError {
    /// The caller erred.
    Caller(ClientError),
    /// The peer takes no more. It may have said why.
    Lost(Lost),
}

impl Sending {
    /// What is left to be sent when the head has said `framing`.
    pub(super) fn new(content: Body, framing: Content) -> Sending {
        let state = match framing {
            Content::None | Content::Length(0) => State::Queued,
            framing => State::Producing { content, framing },
        };
        Sending { state }
    }

    /// Whether all is sent.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.state, State::Sent)
    }

    /// Whether nothing more will be sent, all or not.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Sent | State::BrokenOff)
    }

    /// Sends no more. RFC 9112 9.5: the server has answered and will close.
    pub(super) fn break_off(&mut self) {
        if !self.is_sent() {
            self.state = State::BrokenOff;
        }
    }

    /// Goes on sending. Ready when it is over. While it is pending the peer is waited for, or the content's source.
    ///
    /// # Errors
    /// [`SendError`], once; then it is broken off.
    pub(super) fn poll(
        &mut self,
        outbound: &mut Outbound<impl WriteHalf>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_all(outbound, cx);
        match &polled {
            Poll::Ready(Ok(())) => self.state = State::Sent,
            Poll::Ready(Err(_)) => self.state = State::BrokenOff,
            Poll::Pending => {}
        }
        polled
    }

    fn poll_all(
        &mut self,
        outbound: &mut Outbound<impl WriteHalf>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            let produced = self.poll_produce(outbound, cx).map_err(SendError::Caller)?;
            ready!(outbound.poll_flush(cx)).map_err(SendError::Lost)?;
            match (&self.state, produced) {
                (State::Producing { .. }, Poll::Pending) => return Poll::Pending,
                (State::Producing { .. }, Poll::Ready(())) => {}
                _ => {
                    outbound.output.release();
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Queues content until there is enough of it for now, or none is left.
    fn poll_produce(
        &mut self,
        outbound: &mut Outbound<impl WriteHalf>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, ClientError> {
        while outbound.output.len() < QUEUED_BYTES_MAX {
            let State::Producing { content, framing } = &mut self.state else { break };
            let piece = match content.poll_next(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(piece) => piece.transpose().map_err(ClientError::Source)?,
            };
            match piece {
                Some(piece) => queue(piece, framing, outbound)?,
                None => {
                    end(content, *framing, outbound)?;
                    self.state = State::Queued;
                }
            }
        }
        Ok(Poll::Ready(()))
    }
}

/// Queues one piece, framed.
fn queue(piece: Bytes, framing: &mut Content, outbound: &mut Outbound<impl WriteHalf>) -> Result<(), ClientError> {
    if let Content::Length(left) = framing {
        *left = left.checked_sub(piece.len() as u64).ok_or(ClientError::Length)?;
        outbound.output.push(piece);
    } else {
        encode_chunk_head(piece.len(), outbound.output.tail());
        outbound.output.push(piece);
        outbound.output.tail().extend_from_slice(CHUNK_DATA_END);
    }
    Ok(())
}

/// Queues what ends the content.
fn end(content: &mut Body, framing: Content, outbound: &mut Outbound<impl WriteHalf>) -> Result<(), ClientError> {
    match framing {
        Content::Length(1..) => return Err(ClientError::Length),
        Content::Length(0) | Content::None => {}
        Content::Chunked => encode_end(outbound.output.tail(), content.trailers().as_ref()),
    }
    Ok(())
}

impl SendError {
    /// As the content of an answer breaks off by it.
    pub(super) fn into_body_error(self) -> Option<BodyError> {
        match self {
            SendError::Caller(ClientError::Source(error)) => Some(error),
            SendError::Caller(error) => Some(BodyError::Source(Box::new(error))),
            SendError::Lost(Lost::TooSlow) => Some(BodyError::TooSlow),
            SendError::Lost(Lost::Gone) => None,
        }
    }
}
