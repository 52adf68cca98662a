//! Owns the words in which it is said whether the server is ready.

use std::time::Duration;

use serde_json::{Value, json};

/// What is to be said.
pub(super) struct Report {
    pub is_draining: bool,
    pub rows: Vec<Row>,
}

/// What is to be said of one dependency.
pub(super) struct Row {
    pub name: &'static str,
    /// For how long it has been away.
    pub away: Option<Duration>,
}

impl Report {
    pub fn is_ready(&self) -> bool {
        !self.is_draining && self.rows.iter().all(|row| row.away.is_none())
    }

    /// A line in all, and one for each dependency.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        let rows = self.rows.iter().map(|row| match row.away {
            None => format!("{:width$}  ready\n", row.name),
            Some(time) => format!("{:width$}  away for {} s\n", row.name, time.as_secs()),
        });
        let head = match (self.is_ready(), self.is_draining) {
            (true, _) => "ready\n",
            (false, true) => "not ready: draining\n",
            (false, false) => "not ready\n",
        };
        head.to_owned() + &rows.collect::<String>()
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| match row.away {
            None => json!({ "name": row.name, "ready": true }),
            Some(time) => json!({ "name": row.name, "ready": false, "away_seconds": time.as_secs() }),
        });
        json!({ "ready": self.is_ready(), "draining": self.is_draining, "dependencies": rows.collect::<Vec<_>>() })
    }
}
