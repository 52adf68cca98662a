//! Owns who is in a room as the others see it: how many, and where they point.
//!
//! The one idea: a presence is whole, so a member that is busy need not get every one. What it costs is bounded by pace, not by
//! loss: the larger the room, the more rarely it is told.
//!
//! Never: reads a clock; tells of more than [`CURSORS_MAX`].

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::canvas::protocol::{self, Cursor, MemberId};
use crate::ws::Prepared;

/// Cursors that are shown: those that moved last.
pub const CURSORS_MAX: usize = 32;

/// How long a cursor that rests is shown.
pub const CURSOR_TIME: Duration = Duration::from_secs(10);

/// Presences that a room sends in a second, to all members together.
const MESSAGES_PER_SECOND: u32 = 20_000;

/// Who is there.
#[derive(Debug, Default)]
pub struct Presence {
    /// The last to move is last.
    cursors: VecDeque<(Cursor, Instant)>,
    members: u32,
    changed: bool,
    told: Option<Told>,
}

/// A presence that was told, with its number.
#[derive(Clone, Debug)]
pub struct Told {
    /// Rises with each.
    pub version: u64,
    /// The message.
    pub message: Prepared,
    at: Instant,
}

impl Presence {
    /// A member points.
    pub fn point(&mut self, cursor: Cursor, now: Instant) {
        self.cursors.retain(|(other, _)| other.member != cursor.member);
        self.cursors.push_back((cursor, now));
        if self.cursors.len() > CURSORS_MAX {
            self.cursors.pop_front();
        }
        self.changed = true;
    }

    /// A member points nowhere any more.
    pub fn hide(&mut self, member: MemberId) {
        let before = self.cursors.len();
        self.cursors.retain(|(cursor, _)| cursor.member != member);
        self.changed |= self.cursors.len() < before;
    }

    /// How many are there now.
    pub fn count(&mut self, members: usize) {
        self.members = u32::try_from(members).unwrap_or(u32::MAX);
        self.changed = true;
    }

    /// What is to be told now, if anything has ever been: anew when it has changed and it is time.
    pub fn tell(&mut self, now: Instant) -> Option<&Told> {
        self.forget_resting(now);
        if self.changed && self.next().is_none_or(|next| next <= now) {
            let cursors = self.cursors.iter().map(|(cursor, _)| *cursor);
            let message = Prepared::new(protocol::presence(self.members, cursors));
            let version = self.told.as_ref().map_or(0, |told| told.version) + 1;
            self.told = Some(Told { version, message, at: now });
            self.changed = false;
        }
        self.told.as_ref()
    }

    /// When there will be something to tell, if nobody does anything.
    pub fn deadline(&self) -> Option<Instant> {
        let rests = self.cursors.front().map(|(_, moved)| *moved + CURSOR_TIME);
        let next = if self.changed { self.next() } else { None };
        rests.into_iter().chain(next).min()
    }

    fn next(&self) -> Option<Instant> {
        let told = self.told.as_ref()?;
        Some(told.at + Duration::from_secs(1) * self.members / MESSAGES_PER_SECOND)
    }

    fn forget_resting(&mut self, now: Instant) {
        while self.cursors.front().is_some_and(|(_, moved)| *moved + CURSOR_TIME <= now) {
            self.cursors.pop_front();
            self.changed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::canvas::domain::Point;
    use crate::app::canvas::protocol::FromServer;

    fn cursor(member: MemberId) -> Cursor {
        Cursor { member, at: Point { x: 1, y: 2 } }
    }

    fn told(presence: &mut Presence, now: Instant) -> (u64, u32, Vec<MemberId>) {
        let told = presence.tell(now).expect("told").clone();
        let Some(FromServer::Presence { members, cursors }) = FromServer::parse(told.message.message().as_bytes())
        else {
            panic!("no Presence")
        };
        (told.version, members, cursors.iter().map(|cursor| cursor.member).collect())
    }

    #[test]
    fn it_is_told_when_it_has_changed() {
        let now = Instant::now();
        let mut presence = Presence::default();
        assert!(presence.tell(now).is_none() && presence.deadline().is_none());
        presence.count(2);
        presence.point(cursor(7), now);
        presence.point(cursor(8), now);
        presence.point(cursor(7), now);
        assert_eq!(told(&mut presence, now), (1, 2, vec![8, 7]));
        presence.hide(9);
        let later = now + Duration::from_secs(1);
        assert_eq!(told(&mut presence, later).0, 1, "nothing has changed");
        presence.hide(8);
        assert_eq!(told(&mut presence, later), (2, 2, vec![7]));
        assert_eq!(presence.deadline(), Some(now + CURSOR_TIME));
        assert_eq!(told(&mut presence, now + CURSOR_TIME), (3, 2, vec![]));
    }

    #[test]
    fn a_crowd_is_told_more_rarely_and_shows_the_latest() {
        let now = Instant::now();
        let mut presence = Presence::default();
        presence.count(5_000);
        assert_eq!(told(&mut presence, now).0, 1);
        for member in 0..100 {
            presence.point(cursor(member), now);
        }
        assert_eq!(told(&mut presence, now + Duration::from_millis(249)).0, 1);
        assert_eq!(presence.deadline(), Some(now + Duration::from_millis(250)));
        let (version, _, cursors) = told(&mut presence, now + Duration::from_millis(250));
        assert_eq!((version, cursors), (2, (68..100).collect()));
    }
}
