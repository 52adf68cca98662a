//! Owns the shapes of requests that many rows share, so that a row shows only what is special about it.
//!
//! The one idea: each is a literal, put together when it is compiled.
//!
//! ```text
//!   get!("A: b")              GET {get}, these lines                                       one literal
//!   post!("A: b"; "content")  POST {post}, these lines, this content
//!   echo!("A: b"; "content")  POST {echo}, these lines, this content
//!   hiding!("A: b"; "…")      the steps: post!, and a request behind it that a wrong reader of lengths would answer
//!   chunks!("…")              the steps: this chunked content to {echo}, and no more
//!   hiding_chunks!("…")       the steps: this chunked content to {echo}, and a request behind it
//! ```
//!
//! Never: judges.

/// A GET with these field lines.
macro_rules! get {
    ($($line:literal),*) => { concat!("GET {get} HTTP/1.1\r\nHost: {host}\r\n", $($line, "\r\n",)* "\r\n") };
}

/// A POST with these field lines and this content, to where there need not be a handler.
macro_rules! post {
    ($($line:literal),*; $content:literal) => {
        concat!("POST {post} HTTP/1.1\r\nHost: {host}\r\n", $($line, "\r\n",)* "\r\n", $content)
    };
}

/// A POST with these field lines and this content, to the resource that echoes it.
macro_rules! echo {
    ($($line:literal),*; $content:literal) => {
        concat!("POST {echo} HTTP/1.1\r\nHost: {host}\r\n", $($line, "\r\n",)* "\r\n", $content)
    };
}

/// The steps of a POST with these field lines and this content, and of a request that hides behind it.
macro_rules! hiding {
    ($($line:literal),*; $content:literal) => {
        &[Send(concat!(
            "POST {post} HTTP/1.1\r\nHost: {host}\r\n", $($line, "\r\n",)* "\r\n", $content,
            "GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))]
    };
}

/// The steps of a last request with this chunked content.
macro_rules! chunks {
    ($content:literal) => {
        &[Send(concat!(
            "POST {echo} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            $content
        ))]
    };
}

/// The steps of a request with this chunked content, and of one that hides behind it.
macro_rules! hiding_chunks {
    ($content:literal) => {
        &[Send(concat!(
            "POST {echo} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n",
            $content,
            "GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))]
    };
}

pub(super) use {chunks, echo, get, hiding, hiding_chunks, post};
