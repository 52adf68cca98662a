//! Owns how it looks: messages on standard output, one a line; everything else on standard error.
//!
//! ```text
//!   < hello\n                         text; the sign only on a terminal, where lines that were typed stand between
//!   < binary, 3 bytes: 00ff10
//!   pong, 0.4 ms later: "are you there"
//!   closed: 1000 normal. What the connection was for is done.
//! ```
//!
//! Never: shows a byte that a server chose as it came.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use firstbyte::ws::{CloseCode, Ended, Message};

use super::super::{may_colour, say};

/// Bytes of a message that are shown on a terminal. Elsewhere it is whole.
const SHOWN_BYTES: usize = 4 * 1024;

/// Where messages go.
pub struct Shown {
    is_terminal: bool,
    colours: bool,
    notes_have_colours: bool,
}

impl Shown {
    pub fn new() -> Shown {
        let is_terminal = io::stdout().is_terminal();
        Shown { is_terminal, colours: may_colour(&io::stdout()), notes_have_colours: may_colour(&io::stderr()) }
    }

    /// Shows a message.
    pub fn message(&self, message: &Message) {
        let mut line = words(message, if self.is_terminal { SHOWN_BYTES } else { usize::MAX });
        if self.is_terminal {
            line = if self.colours { format!("\x1b[36m< {line}\x1b[0m") } else { format!("< {line}") };
        }
        let mut out = io::stdout().lock();
        // Nobody is left to be shown anything: the connection goes on until the input ends.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Shows a pong, and how long after its ping it came.
    pub fn pong(&self, payload: &[u8], after: Duration) {
        self.control(&format!("pong, {:.1} ms later", after.as_secs_f64() * 1e3), payload);
    }

    /// Shows a frame that is no message.
    pub fn control(&self, what: &str, payload: &[u8]) {
        match payload {
            [] => self.note(what),
            payload => self.note(&format!("{what}: \"{}\"", payload.escape_ascii())),
        }
    }

    /// Tells something that is no message.
    pub fn note(&self, line: &str) {
        say(&if self.notes_have_colours { format!("\x1b[2m{line}\x1b[0m") } else { line.to_owned() });
    }
}

/// How it ended, and what that means.
pub fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Closed(Some(close)) if close.reason().is_empty() => {
            format!("closed: {}. {}", close.code(), close.code().meaning())
        }
        Ended::Closed(Some(close)) => {
            let reason = visible(close.reason(), usize::MAX);
            format!("closed: {}. {} The server says: {reason}", close.code(), close.code().meaning())
        }
        Ended::Closed(None) => format!("closed: {}", CloseCode::new(1005).meaning()),
        other => other.to_string(),
    }
}

/// The lines of what a server says in its refusal, each behind a space.
pub fn indented(content: &str) -> String {
    content.lines().map(|line| format!("\n  {}", visible(line, usize::MAX))).collect()
}

fn words(message: &Message, bytes_max: usize) -> String {
    match message {
        Message::Text(text) => visible(text, bytes_max),
        Message::Binary(bytes) => {
            let mut line = format!("binary, {} bytes: ", bytes.len());
            for byte in bytes.iter().take(bytes_max) {
                // Writing to a String does not fail.
                let _ = write!(line, "{byte:02x}");
            }
            line + if bytes.len() > bytes_max { "…" } else { "" }
        }
    }
}

/// Text on one line, and nothing that steers a terminal: controls, and what turns the direction of writing.
fn visible(text: &str, bytes_max: usize) -> String {
    let end = text.floor_char_boundary(bytes_max);
    let mut line = String::with_capacity(end);
    for char in text[..end].chars() {
        match char {
            '\t' | '\\' => line.push(char),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                line.extend(char.escape_unicode())
            }
            _ if char.is_control() => line.extend(char.escape_debug()),
            _ => line.push(char),
        }
    }
    line + if end < text.len() { "…" } else { "" }
}

#[cfg(test)]
mod tests {
    use firstbyte::ws::{Close, Late};

    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let check = |message: Message, expected: &str| assert_eq!(words(&message, 8), expected);
        check("hello".into(), "hello");
        check(r#"{"a":"ü"}"#.into(), r#"{"a":"ü…"#);
        check("a\nb\r\0".into(), r"a\nb\r\0");
        check("\u{1b}[2J".into(), r"\u{1b}[2J");
        check("\u{9b}\u{202e}x".into(), r"\u{9b}\u{202e}x");
        check("".into(), "");
        check(vec![0, 255].into(), "binary, 2 bytes: 00ff");
        check(vec![1; 9].into(), "binary, 9 bytes: 0101010101010101…");
    }

    #[test]
    fn an_end_is_told_with_its_meaning() {
        let close = |code, reason| Ended::Closed(Some(Close::new(CloseCode::new(code), reason)));
        for (end, expected) in [
            (close(1000, ""), "closed: 1000 normal. What the connection was for is done."),
            (close(4001, "a\nb"), r"closed: 4001. Defined by the application. The server says: a\nb"),
            (Ended::Closed(None), "closed: The peer has said Close, and not why."),
            (Ended::Gone, "the stream has ended without a Close frame"),
            (Ended::TimedOut(Late::Close), "the peer has not answered Close in time"),
        ] {
            assert_eq!(ended(&end), expected);
        }
        assert_eq!(indented("a\n\u{1b}b\n"), "\n  a\n  \\u{1b}b");
    }
}
