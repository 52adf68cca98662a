//! Owns which scopes are granted: what a client may do with a token.
//!
//! The one idea: a set that only shrinks. A client has its scopes, a grant has some of those, an access token some of these.
//!
//! Spec: RFC 6749 3.3 (what a scope is: [`Scopes`]; a default where none is asked for), 6 (a refresh asks for no more).

use crate::app::identity::domain::refused::{Code, Refused};
use crate::jwt::Scopes;

/// The scopes called `names`, for a program's own words.
///
/// # Panics
/// When one is no scope.
pub fn known(names: &[&str]) -> Scopes {
    of(names.iter().copied())
}

/// Those scopes together, which are some.
pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Scopes {
    names.collect::<Vec<_>>().join(" ").parse().expect("the program's own scopes are some")
}

/// Those of `granted` that are among `all`: what may be had today of what was granted then.
pub fn kept(granted: &Scopes, all: &Scopes) -> Scopes {
    of(granted.iter().filter(|scope| all.iter().any(|other| other == *scope)))
}

/// What is granted where `all` may be had: what `asked` names, or all when nothing is asked for.
///
/// # Errors
/// `invalid_scope` for what is no list of scopes, and for more than may be had.
pub fn narrowed(all: &Scopes, asked: Option<&str>) -> Result<Scopes, Refused> {
    let Some(asked) = asked else { return Ok(all.clone()) };
    let unread = Code::InvalidScope.because("scope is a list of names with one space between them");
    let asked: Scopes = asked.parse().map_err(|_| unread)?;
    if !asked.is_empty() && asked.is_within(all) {
        Ok(asked)
    } else {
        Err(Code::InvalidScope.because("the scope that is asked for is not among those that may be had"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_never_more_than_there_is() {
        let all = known(&["read", "write"]);
        let check = |asked: Option<&str>, expected: Option<&str>| {
            let granted = narrowed(&all, asked);
            assert_eq!(granted.as_ref().ok().map(Scopes::to_string).as_deref(), expected, "{asked:?}");
            assert!(granted.is_ok() || granted.is_err_and(|refused| refused.code == Code::InvalidScope));
        };
        check(None, Some("read write"));
        check(Some("write"), Some("write"));
        check(Some("write read write"), Some("write read"));
        let many = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        for more in ["admin", "read admin", "READ", "rea", "read write x", "", " ", " read", "read ", "read  write"] {
            check(Some(more), None);
        }
        for none in ["read\twrite", "\"read\"", "re\\ad", "é", "read\n", &many] {
            check(Some(none), None);
        }
        assert!(narrowed(&Scopes::default(), Some("read")).is_err());
    }
}
