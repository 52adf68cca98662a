//! Owns every bound that WebSocket puts on what a peer sends, in one struct.
//!
//! The one idea: size is refused on the header, before a byte of the payload is waited for or kept.
//!
//! Spec: RFC 6455 10.4 demands a limit on frames and on messages put together from them, and leaves the sizes to us.
//! Never: bounds on time; those are deadlines.

/// The bounds of one connection. Every field is on by default; "off" has to be spelled out as the type's `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame's payload, as they come over the wire. Default 1 MiB. Larger: nothing that
    /// `message_bytes_max` does not allow, but for compressed messages, which may be sent without ever growing one. The
    /// peer sees 1009.
    pub frame_bytes_max: u64,
    /// Bytes of one message, put together from its fragments and decompressed. Default 1 MiB. Larger: each connection
    /// may hold that much, and half as much again while it grows. The peer sees 1009.
    pub message_bytes_max: usize,
    /// Frames of one message. Default 131,072, so that eight bytes in each make 1 MiB. Larger: more work for a message
    /// of the same size, without end for empty fragments. The peer sees 1008.
    pub fragments_max: u32,
    /// Pings, pongs and Close frames a second, twice as many at once after a pause. Default 100. Larger: a peer that
    /// sends nothing but pings makes us write as much as it does. The peer sees 1008.
    pub control_frames_per_second: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes_max: 1024 * 1024,
            message_bytes_max: 1024 * 1024,
            fragments_max: 128 * 1024,
            control_frames_per_second: 100,
        }
    }
}
