//! Owns an answer as its caller sees it: a head that is whole, and content that is still coming.
//!
//! The one idea: the content owns the connection. While nobody reads it nothing is read, and the server is not read from;
//! at its end the connection goes back to the pool; dropped before that, the connection is closed, since the rest of it
//! would have to be read to be passed over. Where the answer came before its request was sent, reading it sends on.
//!
//! Never: holds more content than its caller asks for.

use bytes::Bytes;

use crate::http::body::BodyError;
use crate::http::client::ClientError;
use crate::http::{Body, Fields, Status, Url, Version};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The version that the server speaks.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// The content, transfer coding taken off. It owns the connection until its end.
    pub body: Body,
    /// Where it came from: another address than was asked when redirections were followed.
    pub url: Url,
    pub(super) content_bytes_max: u64,
}

impl Answer {
    /// The value of the first field line called `name`, when it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.text(name)
    }

    /// All content, as one piece, up to [`content_bytes_max`](crate::http::client::ClientConfig::content_bytes_max).
    ///
    /// # Errors
    /// [`ClientError::Content`], when it is longer, comes too slowly, is malformed or breaks off.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection once the answer is dropped, and loses what was collected.
    pub async fn collect(&mut self) -> Result<Bytes, ClientError> {
        self.collect_within(self.content_bytes_max).await
    }

    /// As [`Answer::collect`], up to `bytes_max`.
    ///
    /// # Errors
    /// As [`Answer::collect`].
    ///
    /// # Cancel safety
    /// As [`Answer::collect`].
    pub async fn collect_within(&mut self, bytes_max: u64) -> Result<Bytes, ClientError> {
        self.body.collect(bytes_max).await.map_err(ClientError::Content)
    }

    /// The next piece of the content, `None` at its end.
    ///
    /// # Errors
    /// Why it breaks off; `None` follows.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        self.body.next().await
    }
}
