//! Owns the catalogue of faults: everything firstbyte can refuse, with its stable code, its answer, what was expected,
//! the section that says so, and how to send it right.
//!
//! The one idea: a refusal teaches. The table below is the only place where a fault is described; the parser names the
//! variant and the byte, [`crate::http::explain`] renders it, an application may list it.
//!
//! Spec: RFC 9110 15 (status codes), RFC 9112 (the rules cited row by row), RFC 9457 (problem details, by `explain`).
//! Never: formats an answer; carries data of the request.
//! Invariant: codes are unique and never change their meaning; a code that is given up is not used again.

use std::fmt;

use crate::http::Status;

/// A fault and the place of the byte that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// What is wrong.
    pub fault: Fault,
    /// Offset of the offending byte, in bytes from the first byte of the message (its head, or for content its first
    /// byte after the head). At most the length of what was received.
    pub at: usize,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.fault.code(), self.at, self.fault.title())
    }
}

impl std::error::Error for ProtocolError {}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The fault that the row describes.
    pub fault: Fault,
    /// Stable code, such as `H1-HEAD-007`.
    pub code: &'static str,
    /// The status that answers it.
    pub status: Status,
    /// What is wrong, in a few words, without a full stop.
    pub title: &'static str,
    /// What was expected instead, in one sentence.
    pub expected: &'static str,
    /// The section that says so, such as `RFC 9112 3.2`.
    pub section: &'static str,
    /// How to send it right: one line for a terminal, with curl or nc, to a server at `127.0.0.1:8080`. See
    /// [`addressed`](crate::http::explain::addressed).
    pub remedy: &'static str,
}

macro_rules! catalogue {
    ($( $(#[doc = $doc:literal])* $fault:ident $code:literal $status:ident $title:literal
        expected $expected:literal section $section:literal remedy $remedy:literal; )+) => {
        /// Everything that can be refused, one variant a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $( #[doc = $title] $fault, )+
        }

        /// All rows, in the order of their codes' families.
        pub const CATALOGUE: &[Entry] = &[
            $( Entry {
                fault: Fault::$fault, code: $code, status: Status::$status, title: $title,
                expected: $expected, section: $section, remedy: $remedy,
            }, )+
        ];
    };
}

mod catalogue;

pub use catalogue::{CATALOGUE, Fault};

impl Fault {
    /// The row that describes this fault.
    pub fn entry(self) -> &'static Entry {
        &CATALOGUE[self as usize]
    }

    /// Stable code, such as `H1-HEAD-007`.
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// The status that answers it.
    pub fn status(self) -> Status {
        self.entry().status
    }

    /// What is wrong, in a few words.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// This fault at byte `at`.
    pub fn at(self, at: usize) -> ProtocolError {
        ProtocolError { fault: self, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// The families in the order in which a request meets them.
    const FAMILIES: &[&str] = &[
        "H1-LINE",
        "H1-TARGET",
        "H1-VERSION",
        "H1-HEAD",
        "H1-HOST",
        "H1-FRAME",
        "H1-CHUNK",
        "H1-EXPECT",
        "H1-END",
        "H1-TIME",
        "H1-CONTENT",
        "HTTP-ROUTE",
        "HTTP-AUTH",
        "HTTP-ACCESS",
        "HTTP-UPGRADE",
        "HTTP-CONDITION",
        "HTTP-INPUT",
        "HTTP-SERVER",
    ];

    #[test]
    fn every_fault_finds_its_own_row() {
        for entry in CATALOGUE {
            assert_eq!(entry.fault.entry().fault, entry.fault);
            assert_eq!(entry.fault.at(7).at, 7);
        }
    }

    #[test]
    fn codes_are_unique_and_count_up_within_families_in_order() {
        let mut expected = Vec::new();
        for family in FAMILIES {
            let rows =
                CATALOGUE.iter().filter(|entry| entry.code.rsplit_once('-').is_some_and(|(of, _)| of == *family));
            expected.extend((1..=rows.count()).map(|number| format!("{family}-{number:03}")));
        }
        assert_eq!(CATALOGUE.iter().map(|entry| entry.code).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_row_teaches() {
        let mut titles = HashSet::new();
        for entry in CATALOGUE {
            assert!(titles.insert(entry.title), "{} repeats a title", entry.code);
            assert!(entry.status.is_error(), "{}", entry.code);
            assert!(!entry.expected.is_empty() && !entry.title.ends_with('.'), "{}", entry.code);
            assert!(entry.section.starts_with("RFC "), "{}", entry.code);
            let programs = ["curl ", "printf '", "gzip ", "iconv ", "firstbyte "];
            let command = programs.iter().any(|program| entry.remedy.starts_with(program));
            assert!(command && !entry.remedy.contains('\n'), "{}: {}", entry.code, entry.remedy);
            // What is said beside a command must not be in the way of whoever pastes it.
            let remark = entry.remedy.split_once("   ").is_none_or(|(_, remark)| remark.starts_with("# "));
            assert!(remark, "{}: {}", entry.code, entry.remedy);
        }
    }
}
