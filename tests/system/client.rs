//! Owns an honest client: it keeps its connection, reads whole answers, and says how one was lost.
//!
//! Spec: RFC 9112 6.3 (the length of an answer), 9.6 (`close` is announced).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::server::SOON;

/// One connection.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer with `Content-Length`.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Whether it says that the connection ends with it.
    pub closes: bool,
    pub content: Vec<u8>,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The connection ended before the first byte of the answer.
    MetClose,
    /// It ended within the answer.
    Truncated,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, received: Vec::new() })
    }

    pub fn get(&mut self, target: &str) -> Result<Answer, Loss> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        self.read_answer()
    }

    /// Sends `bytes`. Where the connection has ended, reading will tell.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn read_answer(&mut self) -> Result<Answer, Loss> {
        let head_end = loop {
            match self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.fill()?,
            }
        };
        let head = String::from_utf8(self.received[..head_end].to_vec()).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).expect("a length");
        let length: usize = length[..length.find('\r').unwrap()].parse().unwrap();
        while self.received.len() < head_end + length {
            self.fill()?;
        }
        let content = self.received[head_end..head_end + length].to_vec();
        self.received.drain(..head_end + length);
        Ok(Answer { status: head[9..12].parse().unwrap(), closes: head.contains("\r\nconnection: close\r\n"), content })
    }

    /// What comes until the server closes.
    pub fn read_to_end(mut self) -> io::Result<Vec<u8>> {
        self.stream.read_to_end(&mut self.received)?;
        Ok(self.received)
    }

    fn fill(&mut self) -> Result<(), Loss> {
        let mut room = [0; 64 * 1024];
        match self.stream.read(&mut room) {
            Ok(count @ 1..) => {
                self.received.extend(&room[..count]);
                Ok(())
            }
            Ok(0) | Err(_) if self.received.is_empty() => Err(Loss::MetClose),
            Ok(_) | Err(_) => Err(Loss::Truncated),
        }
    }
}
