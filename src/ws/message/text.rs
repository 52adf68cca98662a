//! Owns text that is known to be UTF-8 and shares its bytes.
//!
//! The one idea: bytes are validated once, where they come in; from then on the type says so.
//!
//! Spec: RFC 6455 5.6 (text is UTF-8), 8.1.
//! Invariant: the bytes are UTF-8. Every way to make a [`Text`] begins with a `str`, with [`utf8::validate`], or with a
//! [`Utf8Validator`](utf8::Utf8Validator) that all of it went through.
#![allow(unsafe_code, reason = "one call: bytes that were validated are text again without being read again")]

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

use crate::ws::utf8::{self, InvalidUtf8};

/// UTF-8 whose bytes are shared: a clone is a count.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Text {
        Text(Bytes::from_static(text.as_bytes()))
    }

    /// Its bytes, as they are shared.
    pub fn as_shared(&self) -> &Bytes {
        &self.0
    }

    /// The text that `bytes` are.
    ///
    /// # Safety
    /// They were validated.
    pub(in crate::ws) unsafe fn from_validated(bytes: Bytes) -> Text {
        debug_assert!(std::str::from_utf8(&bytes).is_ok());
        Text(bytes)
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        // SAFETY: the invariant of this module.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Bytes::from(text.into_bytes()))
    }
}

impl TryFrom<Bytes> for Text {
    type Error = InvalidUtf8;

    fn try_from(bytes: Bytes) -> Result<Text, InvalidUtf8> {
        utf8::validate(&bytes)?;
        Ok(Text(bytes))
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Bytes {
        text.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl Hash for Text {
    // As a str, so that it is found by one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn text_is_only_made_of_utf8() {
        assert_eq!(Text::try_from(Bytes::from_static(b"\xff")), Err(InvalidUtf8));
        let text = Text::try_from(Bytes::from_static("é".as_bytes())).expect("UTF-8");
        assert_eq!((text.clone(), text.len(), text.chars().count()), (Text::from("é"), 2, 1));
    }

    #[test]
    fn text_is_found_like_the_str_that_it_is() {
        let map = HashMap::from([(Text::from("key"), 1)]);
        assert_eq!(map.get("key"), Some(&1));
    }
}
