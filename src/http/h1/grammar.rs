//! Owns the byte classes of the HTTP grammar as constant tables, the ABNF name beside each.
//!
//! Spec: RFC 9110 5.5 and 5.6, RFC 3986 2 and 3, RFC 5234 B.1.
//! Never: looks at more than one byte at a time, unless for speed and with the same result.

/// `tchar` (RFC 9110 5.6.2): what methods and field names are made of.
#[inline]
pub const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

/// `field-vchar / SP / HTAB` (RFC 9110 5.5): what field values are made of, obs-text included.
#[inline]
pub const fn is_field_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
