//! Owns the numbers of routes: small, and the same for two routes that are called the same.
//!
//! The one idea: whoever counts by route compares a number, and asks for the name when somebody looks. The name is the
//! pattern without its method, `/users/{id}`: what was asked for has a label of its own.
//!
//! Never: forgets one: a route lives as long as its process. Knows a path: those are the client's, and without end.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use crate::http::pattern::Pattern;
use crate::net::lock::lock;

/// A route, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RouteId(u32);

/// All routes there have been.
#[derive(Default)]
struct Names {
    /// That of number `n` at `n - 1`.
    by_id: Vec<&'static str>,
    ids: HashMap<&'static str, u32>,
}

static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

impl RouteId {
    /// No route was found.
    pub(crate) const NONE: RouteId = RouteId(0);

    /// The number of the route with this pattern.
    pub(crate) fn of(pattern: &'static Pattern) -> RouteId {
        let text = pattern.text();
        let name = text.split_once(' ').map_or(text, |(_, rest)| rest.trim_start());
        let Names { by_id, ids } = &mut *lock(&NAMES);
        let id = ids.entry(name).or_insert_with(|| {
            by_id.push(name);
            by_id.len() as u32
        });
        RouteId(*id)
    }

    /// The route with this number, as [`RouteId::number`] has told it.
    pub(crate) fn from_number(number: u32) -> RouteId {
        RouteId(number)
    }

    /// What it is compared by.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The pattern without its method, with its host where it has one.
    pub(crate) fn name(self) -> Option<&'static str> {
        let index = self.0.checked_sub(1)?;
        lock(&NAMES).by_id.get(index as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(pattern: &str) -> RouteId {
        RouteId::of(Box::leak(Box::new(Pattern::parse(pattern).expect("a pattern"))))
    }

    #[test]
    fn a_route_is_called_by_its_pattern_without_the_method() {
        for (pattern, name) in [
            ("GET /route-id/{id}", "/route-id/{id}"),
            ("/route-id/any", "/route-id/any"),
            ("GET example.com/route-id", "example.com/route-id"),
            ("example.com/route-id/{rest...}", "example.com/route-id/{rest...}"),
        ] {
            assert_eq!(id(pattern).name(), Some(name), "{pattern}");
        }
        assert_eq!(RouteId::NONE.name(), None);
        assert_eq!(RouteId::default(), RouteId::NONE);
    }

    #[test]
    fn what_is_called_the_same_is_the_same() {
        assert_eq!(id("GET /route-id/twice"), id("POST /route-id/twice"));
        assert_ne!(id("GET /route-id/once"), id("GET /route-id/twice"));
    }
}
