//! Owns what a line of the input says.
//!
//! Never: sends what was not understood.

use firstbyte::ws::close::REASON_BYTES_MAX;
use firstbyte::ws::frame::CONTROL_PAYLOAD_BYTES_MAX;
use firstbyte::ws::machine::Payload;
use firstbyte::ws::{Close, CloseCode, Message};

/// What a person may want to be reminded of.
pub const HELP: &str = "\
  TEXT                    a text message
  //TEXT                  a text message that begins with a slash
  /binary HEX             a binary message
  /ping [TEXT]            a ping
  /close [CODE] [REASON]  the end; Ctrl-D and Ctrl-C are others";

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// To be sent.
    Message(Message),
    /// To be sent as a ping.
    Ping(Payload),
    /// The end.
    Close(Close),
    /// What may be said?
    Help,
}

impl Said {
    /// Reads a line, without its line end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: Vec<u8>) -> Result<Said, String> {
        let mut line = String::from_utf8(line).map_err(|_| "it is no UTF-8: say it by /binary".to_owned())?;
        if line.ends_with('\r') {
            line.pop();
        }
        let Some(command) = line.strip_prefix('/') else { return Ok(Said::Message(line.into())) };
        if command.starts_with('/') {
            return Ok(Said::Message(command.into()));
        }
        let (command, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match command {
            "binary" => binary(rest),
            "ping" => ping(rest),
            "close" => close(rest.trim()),
            "help" => Ok(Said::Help),
            _ => Err(format!(
                "/{} is no command, see /help; text that begins with a slash is written //{}",
                command.escape_debug(),
                command.escape_debug()
            )),
        }
    }
}

fn binary(digits: &str) -> Result<Said, String> {
    let mut values = digits.chars().filter(|char| !char.is_whitespace()).map(|char| char.to_digit(16));
    let mut bytes = Vec::new();
    while let Some(high) = values.next() {
        match (high, values.next()) {
            (Some(high), Some(Some(low))) => bytes.push((high << 4 | low) as u8),
            (_, None) => return Err("half a byte: /binary takes pairs of hexadecimal digits".to_owned()),
            _ => return Err("no hexadecimal digits: /binary 00ff 10".to_owned()),
        }
    }
    Ok(Said::Message(bytes.into()))
}

fn ping(text: &str) -> Result<Said, String> {
    if text.len() > CONTROL_PAYLOAD_BYTES_MAX {
        return Err(format!("a ping holds at most {CONTROL_PAYLOAD_BYTES_MAX} bytes (RFC 6455 5.5)"));
    }
    Ok(Said::Ping(Payload::new(text.as_bytes())))
}

fn close(rest: &str) -> Result<Said, String> {
    let (code, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let code = if code.is_empty() { Ok(1000) } else { code.parse() };
    let code = code.map(CloseCode::new).map_err(|_| "write /close CODE REASON, as in /close 4000 enough".to_owned())?;
    if !code.may_be_sent() {
        return Err(format!("{code} must not stand in a Close frame (RFC 6455 7.4)"));
    }
    if reason.len() > REASON_BYTES_MAX {
        return Err(format!("a reason holds at most {REASON_BYTES_MAX} bytes (RFC 6455 5.5)"));
    }
    Ok(Said::Close(Close::new(code, reason.trim_start())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Said) {
        assert_eq!(Said::parse(line.into()), Ok(expected), "{line:?}");
    }

    #[test]
    fn lines_are_messages() {
        for (line, text) in
            [("hello", "hello"), ("", ""), (" a /b ", " a /b "), ("//ws", "/ws"), ("///", "//"), ("ü\r", "ü")]
        {
            check(line, Said::Message(text.into()));
        }
    }

    #[test]
    fn commands_begin_with_a_slash() {
        check("/binary 00fF 1 0", Said::Message(vec![0, 255, 16].into()));
        check("/binary", Said::Message(Vec::new().into()));
        check("/ping", Said::Ping(Payload::new(b"")));
        check("/ping a b", Said::Ping(Payload::new(b"a b")));
        check("/close", Said::Close(Close::new(CloseCode::NORMAL, "")));
        check("/close 4000", Said::Close(Close::new(CloseCode::new(4000), "")));
        check("/close 1001  good night ", Said::Close(Close::new(CloseCode::GOING_AWAY, "good night")));
        check("/help", Said::Help);
    }

    #[test]
    fn what_is_not_understood_is_not_sent() {
        let long = "x".repeat(126);
        for line in [
            "/x",
            "/",
            "/Ping",
            "/ ping",
            "/binary 0",
            "/binary 0x00",
            "/binary é",
            "/close bye",
            "/close 99999",
            "/close 1005",
            "/close 1006",
            "/close 0",
            "/close 2999",
            "/close -1",
            &format!("/ping {long}"),
            &format!("/close 1000 {long}"),
        ] {
            assert!(Said::parse(line.into()).is_err(), "{line:?}");
        }
        assert!(Said::parse(vec![0xff]).is_err_and(|complaint| complaint.contains("/binary")));
    }
}
