//! Owns a member's own side: what it says becomes what the room does.
//!
//! The one idea: being in a room is holding a [`Seat`]. However its task ends, by a close, a reset, a shutdown or a panic, the
//! seat is dropped, and nothing of the member is left in the room.
//!
//! Never: waits; touches another member.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::app::canvas::allowance::{Allowance, Verdict};
use crate::app::canvas::history::History;
use crate::app::canvas::member::Peer;
use crate::app::canvas::protocol::{self, Cursor, FromClient, MemberId, Notice, Token};
use crate::app::canvas::room::Room;
use crate::net::lock::lock;
use crate::ws::Prepared;

/// A member's place in a room, until it is dropped.
pub struct Seat {
    room: Arc<Room>,
    peer: Arc<dyn Peer>,
    member: MemberId,
    token: Token,
    history: Arc<Mutex<History>>,
    allowance: Allowance,
}

/// Why a member must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaved {
    /// It said a message that is none.
    Malformed(protocol::Malformed),
    /// It said Hello again.
    SecondHello,
    /// It goes on to draw too fast.
    Insists,
}

impl Seat {
    pub(super) fn new(
        room: Arc<Room>,
        peer: Arc<dyn Peer>,
        member: MemberId,
        token: Token,
        history: Arc<Mutex<History>>,
    ) -> Seat {
        Seat { room, peer, member, token, history, allowance: Allowance::new(Instant::now().into_std()) }
    }

    /// Its number.
    pub fn member(&self) -> MemberId {
        self.member
    }

    /// Does what the member says.
    ///
    /// # Errors
    /// [`Misbehaved`]: the connection is to be closed.
    pub fn take(&mut self, message: &[u8]) -> Result<(), Misbehaved> {
        let message = FromClient::parse(message).map_err(Misbehaved::Malformed)?;
        let now = Instant::now();
        let pixels = if let FromClient::Stroke(stroke) = &message { stroke.pixels() } else { 0 };
        match self.allowance.spend(pixels, now.into_std()) {
            Verdict::Taken => self.obey(&message, now),
            Verdict::Refused => {
                // Where somebody points is soon out of date anyway.
                if !matches!(message, FromClient::Cursor(_) | FromClient::Hide) {
                    self.room.refused(self.member);
                }
                Ok(())
            }
            Verdict::Insists => Err(Misbehaved::Insists),
        }
    }

    fn obey(&mut self, message: &FromClient<'_>, now: Instant) -> Result<(), Misbehaved> {
        match message {
            FromClient::Hello(_) => return Err(Misbehaved::SecondHello),
            FromClient::Stroke(stroke) => {
                let mut history = lock(&self.history);
                self.room.ground(|ground| history.draw(ground, stroke.goes_on, stroke.colour, stroke.places()));
                self.room.wake();
            }
            FromClient::Cursor(at) => {
                let cursor = Cursor { member: self.member, at: *at };
                self.room.presence(|presence| presence.point(cursor, now));
            }
            FromClient::Hide => self.room.presence(|presence| presence.hide(self.member)),
            FromClient::Undo => self.undo(),
        }
        Ok(())
    }

    fn undo(&mut self) {
        let mut history = lock(&self.history);
        if self.room.ground(|ground| history.undo(ground)) {
            self.room.wake();
        } else {
            let _ = self.peer.try_send(Prepared::new(protocol::notice(Notice::NothingToUndo)));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.leave(self.member, self.token);
    }
}
