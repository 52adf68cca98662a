//! Owns what an account is: its name, its roles, and which passwords it may have.
//!
//! The one idea: parse, do not check. A [`Password`] can be hashed whole, and an [`AccountName`] has one spelling; whoever
//! holds one need not ask again. What is wrong with a password is found out from the password alone, before anything is
//! looked up: so it says nothing about accounts.
//!
//! Never: does I/O; shows a password.
//! Limits: [`NAME_CHARS`], [`PASSWORD_BYTES`].

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::crypto;

/// Characters of a name.
pub const NAME_CHARS: RangeInclusive<usize> = 3..=32;

/// Bytes of a password. bcrypt reads 72 and no more: two passwords that begin alike would be one. Bytes, not characters:
/// an `é` has two.
pub const PASSWORD_BYTES: RangeInclusive<usize> = 8..=72;

/// The number of an account: a UUID of version 7, so that a table is filled at its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Uuid);

/// The name of an account, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(String);

/// A password that an account may have.
#[derive(Clone)]
pub struct Password(String);

/// What the holder of an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Buys.
    Customer,
    /// Sees and writes all invoices.
    Accountant,
    /// Does what nobody else may.
    Admin,
}

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number; never given again.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// What its holder may do, in the order of [`Role`].
    pub roles: Vec<Role>,
    /// How often its password was changed: what was given out under another generation counts no more.
    pub generation: u32,
}

/// Why a text is no name of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Shorter or longer than [`NAME_CHARS`].
    Length,
    /// Another character than a letter, a digit, `.`, `-` or `_`, or no letter at its beginning.
    Character,
}

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// Fewer bytes than [`PASSWORD_BYTES`].
    Short,
    /// More bytes than [`PASSWORD_BYTES`].
    Long {
        /// That many.
        bytes: usize,
    },
    /// It holds a NUL. bcrypt ends a password with one and repeats the whole: `a`, and `a NUL a`, would be one.
    Nul,
    /// It is the name.
    Name,
}

impl AccountId {
    /// A new one.
    pub fn random() -> AccountId {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        AccountId(Builder::from_unix_timestamp_millis(millis, &crypto::random()).into_uuid())
    }

    /// The number as a database keeps it.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The number that a database has kept.
    pub const fn of_uuid(uuid: Uuid) -> AccountId {
        AccountId(uuid)
    }
}

impl AccountName {
    /// The name that `text` spells, in any case, white space around it left out.
    ///
    /// # Errors
    /// What no name is.
    pub fn parse(text: &str) -> Result<AccountName, NameError> {
        let text = text.trim_ascii();
        if !NAME_CHARS.contains(&text.chars().take(NAME_CHARS.end() + 1).count()) {
            return Err(NameError::Length);
        }
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !text.starts_with(|first: char| first.is_ascii_alphabetic()) || !text.bytes().all(is_known) {
            return Err(NameError::Character);
        }
        Ok(AccountName(text.to_ascii_lowercase()))
    }

    /// The name.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Password {
    /// The password that `text` is, for the account called `name`. Nothing is taken off: a space is a character.
    ///
    /// # Errors
    /// What no password is.
    pub fn parse(text: &str, name: &AccountName) -> Result<Password, PasswordError> {
        let bytes = text.len();
        if bytes < *PASSWORD_BYTES.start() {
            Err(PasswordError::Short)
        } else if bytes > *PASSWORD_BYTES.end() {
            Err(PasswordError::Long { bytes })
        } else if text.contains('\0') {
            Err(PasswordError::Nul)
        } else if text.eq_ignore_ascii_case(name.text()) {
            Err(PasswordError::Name)
        } else {
            Ok(Password(text.to_owned()))
        }
    }

    /// Its bytes, to be hashed.
    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Customer, Role::Accountant, Role::Admin];

    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Accountant => "accountant",
            Role::Admin => "admin",
        }
    }

    /// The role that `text` names.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.text() == text)
    }
}

impl FromStr for AccountId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<AccountId, uuid::Error> {
        text.parse().map(AccountId)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for AccountName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Length => write!(f, "has from {} to {} characters", NAME_CHARS.start(), NAME_CHARS.end()),
            NameError::Character => f.write_str("begins with a letter and holds letters, digits, `.`, `-` and `_`"),
        }
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        match self {
            PasswordError::Short => write!(f, "has at least {min} bytes"),
            PasswordError::Long { bytes } => {
                write!(
                    f,
                    "has at most {max} bytes, and this one has {bytes}: what is longer would not be compared whole"
                )
            }
            PasswordError::Nul => f.write_str("holds no NUL character: it would not be compared whole"),
            PasswordError::Name => f.write_str("is not the name"),
        }
    }
}

impl std::error::Error for NameError {}
impl std::error::Error for PasswordError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> AccountName {
        AccountName::parse("ada").expect("a name")
    }

    #[test]
    fn a_name_has_one_spelling() {
        for (text, expected) in [("ada", "ada"), ("Ada", "ada"), (" ADA\t", "ada"), ("a.b-c_9", "a.b-c_9")] {
            assert_eq!(AccountName::parse(text).map(|name| name.0), Ok(expected.to_owned()), "{text:?}");
        }
        assert!(AccountName::parse(&"a".repeat(32)).is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let check = |text: &str, expected| assert_eq!(AccountName::parse(text).err(), Some(expected), "{text:?}");
        for text in ["", " ", "ab", " ab ", &"a".repeat(33), &"é".repeat(1_000_000)] {
            check(text, NameError::Length);
        }
        // Look-alikes, paths, markup, lines of a log, keys of a store, and what a fold of Unicode would make a letter.
        for text in ["аda", "../ada", "<b>ada", "ada\nbob", "ada:bob", "ada bob", "K\u{212a}ay", "ad\u{200d}a", "ada\0"]
        {
            check(text, NameError::Character);
        }
        for text in ["9lives", "-ada", ".ada", "_ada"] {
            check(text, NameError::Character);
        }
    }

    #[test]
    fn a_password_is_counted_in_bytes() {
        let check = |text: &str, expected: Option<PasswordError>| {
            assert_eq!(Password::parse(text, &ada()).err(), expected, "{text:?}");
        };
        for text in ["12345678", "        ", "ééééé", "пароль-1", &"x".repeat(72), &"é".repeat(36), "🔑🔑"]
        {
            check(text, None);
        }
        for text in ["", "1234567", "🔑abc", "ééé"] {
            check(text, Some(PasswordError::Short));
        }
        check(&"x".repeat(73), Some(PasswordError::Long { bytes: 73 }));
        check(&"é".repeat(37), Some(PasswordError::Long { bytes: 74 }));
        check(&"x".repeat(1_000_000), Some(PasswordError::Long { bytes: 1_000_000 }));
        check("1234567\08", Some(PasswordError::Nul));
        let name = AccountName::parse("analytical").expect("a name");
        assert_eq!(Password::parse("Analytical", &name).err(), Some(PasswordError::Name));
    }

    #[test]
    fn a_password_is_not_shown() {
        let password = Password::parse("analytical-engine", &ada()).expect("a password");
        assert_eq!(format!("{password:?}"), "Password(***)");
    }

    #[test]
    fn ids_are_of_version_7_and_differ() {
        let (one, other) = (AccountId::random(), AccountId::random());
        assert_eq!(one.0.get_version_num(), 7);
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse(), Ok(one));
    }

    #[test]
    fn roles_are_known_by_their_names() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.text()), Some(role));
        }
        assert_eq!(Role::parse("Admin"), None);
    }
}
