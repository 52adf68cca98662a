//! Owns the table of connections as a viewer gets it: those that are open, and those that closed a moment ago.
//!
//! Spec: none.
//! Never: more than [`ROWS_MAX`] rows of each kind: the latest, and how many there are in all.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::app::inspect::Inspector;
use crate::net::registry::Snapshot;
use crate::net::tap::{Event, What};

/// Rows of each kind that are shown.
pub const ROWS_MAX: usize = 200;

/// How long a closed connection stays in the table.
pub const CLOSED_SHOWN: Duration = Duration::from_secs(60);

/// The connections of a server at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// How many are open, those included that have no row.
    pub open_count: usize,
    /// The open ones, the latest first.
    pub open: Vec<Row>,
    /// Those that closed within [`CLOSED_SHOWN`] and while somebody watched, the latest connection first.
    pub closed: Vec<Closed>,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number.
    pub id: u64,
    /// Address of the peer.
    pub peer: String,
    /// Where it is in its life.
    pub phase: &'static str,
    /// Milliseconds in this phase.
    pub in_phase_ms: u64,
    /// Milliseconds until the deadline, when one is armed.
    pub deadline_left_ms: Option<u64>,
    /// Bytes received and not yet used.
    pub unread: u32,
    /// Bytes queued to be sent.
    pub queued: u32,
    /// Bytes received in all.
    pub received: u64,
    /// Bytes sent in all.
    pub sent: u64,
    /// Requests answered.
    pub served: u64,
    /// Milliseconds since it was accepted.
    pub age_ms: u64,
    /// Whether it is a viewer's own.
    pub own: bool,
}

/// One connection that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// As it ended.
    #[serde(flatten)]
    pub row: Row,
    /// Why.
    pub why: String,
    /// Milliseconds since then.
    pub ago_ms: u64,
}

impl Inspector {
    /// The table as it stands.
    pub fn table(&self) -> Table {
        let now = Instant::now();
        let open = self.watched().registry.snapshots();
        let closed = self.watched().hub.closed();
        Table {
            open_count: open.len(),
            open: open.iter().rev().take(ROWS_MAX).map(|card| self.row(card)).collect(),
            closed: closed.iter().filter_map(|event| self.closed(event, now)).take(ROWS_MAX).collect(),
        }
    }

    fn closed(&self, event: &Event, now: Instant) -> Option<Closed> {
        let What::Closed { why, card } = &event.what else { return None };
        let ago = now.saturating_duration_since(event.when);
        let closed = || Closed { row: self.row(card), why: why.clone(), ago_ms: ago.as_millis() as u64 };
        (ago <= CLOSED_SHOWN).then(closed)
    }

    fn row(&self, card: &Snapshot) -> Row {
        Row {
            id: card.id,
            peer: card.peer.to_string(),
            phase: card.phase.name(),
            in_phase_ms: card.in_phase_ms,
            deadline_left_ms: card.deadline_left_ms,
            unread: card.unread_bytes,
            queued: card.queued_bytes,
            received: card.received_bytes,
            sent: card.sent_bytes,
            served: card.served,
            age_ms: card.age_ms,
            own: self.is_own(card.id),
        }
    }
}

impl Table {
    /// The table for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{:>6}  {:<24} {:<9} {:>9} {:>9}", "id", "peer", "state", "for", "deadline");
        text += &format!(" {:>8} {:>8} {:>10} {:>10} {:>7}\n", "unread", "queued", "received", "sent", "served");
        for row in &self.open {
            row.push_text(&mut text);
            text += if row.own { "  (the inspector)\n" } else { "\n" };
        }
        for closed in &self.closed {
            closed.row.push_text(&mut text);
            let _ = writeln!(text, "  {}", closed.why);
        }
        let _ = writeln!(text, "{} open. Live in a browser: the same address.", self.open_count);
        text
    }
}

impl Row {
    fn push_text(&self, text: &mut String) {
        let deadline = self.deadline_left_ms.map_or("-".to_owned(), seconds);
        let Row { id, peer, phase, unread, queued, received, sent, served, .. } = self;
        let _ = write!(text, "{id:>6}  {peer:<24} {phase:<9} {:>9} {deadline:>9}", seconds(self.in_phase_ms));
        let _ = write!(text, " {unread:>8} {queued:>8} {received:>10} {sent:>10} {served:>7}");
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", Duration::from_millis(ms).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::http::server::Watched;
    use crate::net::deadline::Phase;
    use crate::net::registry::Card;

    #[tokio::test(start_paused = true)]
    async fn it_shows_who_is_there_and_for_a_while_who_was() {
        let watched = Watched::default();
        let inspector = Inspector::new(&watched, false);
        let _watch = watched.hub.watch();
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let cards: Vec<_> = (0..3).map(|_| watched.registry.register(peer, Instant::now())).collect();
        inspector.own(2);
        cards[0].enter(Phase::Closed, Instant::now());
        let mut tap = watched.hub.tap(&Card::new(1, peer, Instant::now()));
        tap.tell(What::Closed { why: "it was enough".to_owned(), card: cards[0].snapshot(Instant::now()) });
        let mut cards = cards.into_iter();
        drop(cards.next());

        tokio::time::advance(Duration::from_secs(1)).await;
        let table = inspector.table();
        let open: Vec<_> = table.open.iter().map(|row| (row.id, row.phase, row.own)).collect();
        assert_eq!((open, table.open_count), (vec![(3, "idle", false), (2, "idle", true)], 2));
        let closed: Vec<_> = table.closed.iter().map(|one| (one.row.id, one.why.as_str(), one.ago_ms)).collect();
        assert_eq!(closed, [(1, "it was enough", 1_000)]);
        assert_eq!(table.text().lines().count(), 5, "{}", table.text());

        tokio::time::advance(CLOSED_SHOWN).await;
        assert!(inspector.table().closed.is_empty());
    }

    #[test]
    fn it_is_bounded() {
        let watched = Watched::default();
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let cards: Vec<_> = (0..ROWS_MAX + 1).map(|_| watched.registry.register(peer, Instant::now())).collect();
        let table = Inspector::new(&watched, false).table();
        assert_eq!((table.open.len(), table.open_count), (ROWS_MAX, cards.len()));
        assert_eq!(table.open[0].id, cards.len() as u64, "the latest are shown");
    }
}
