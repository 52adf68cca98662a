//! The stock middleware, one file each, and the order in which they belong.
//!
//! ```text
//!   request ──> RequestId ─> TrustedProxies ─> Logger ─> Recover ─> SecurityHeaders ─> Cors
//!                              ─> SameOrigin ─> RateLimit ─> Bearer ─> BodyLimit ─> Timeout ─> handler
//! ```
//!
//! Why this order, each for the next ones:
//! - `RequestId`: every line of the log has an id.
//! - `TrustedProxies`: log and limiter know the client behind the proxies. It decides and never answers, so nothing is
//!   lost by standing outside the log.
//! - `Logger`: every answer has a line, that of a panic or a refusal too.
//! - `Recover`: a panic is an answer, which gets the fields of the layers outside.
//! - `SecurityHeaders`, `Cors`: refusals too carry the fields that let a browser read them; a preflight is not counted.
//! - `SameOrigin`: a foreign page cannot use up its visitor's quota.
//! - `RateLimit`: counts before anything is read or waited for.
//! - `Bearer`: verifying costs more than counting; who is not let in sends no content.
//! - `BodyLimit`: refuses at the head before time is given.
//! - `Timeout`: measures the handler, and nothing but it.
//!
//! [`order`] refuses another one. [`Require`] stands behind the router, with its route. [`NoStore`], and what is written as a function ([`from_fn()`]), may stand anywhere.
//!
//! Never: is needed: a server without middleware is whole.

pub mod bearer;
pub mod body_limit;
pub mod cors;
pub mod from_fn;
pub mod logger;
pub mod no_store;
pub mod rate_limit;
pub mod recover;
pub mod request_id;
pub mod require;
pub mod same_origin;
pub mod security_headers;
pub mod timeout;
pub mod trusted_proxies;

pub use bearer::{Authenticate, Bearer, BearerError, Principal};
pub use body_limit::BodyLimit;
pub use cors::Cors;
pub use from_fn::from_fn;
pub use logger::Logger;
pub use no_store::NoStore;
pub use rate_limit::RateLimit;
pub use recover::Recover;
pub use request_id::RequestId;
pub use require::Require;
pub use same_origin::SameOrigin;
pub use security_headers::SecurityHeaders;
pub use timeout::Timeout;
pub use trusted_proxies::TrustedProxies;

use std::fmt;

use crate::http::Handler;
use crate::http::handler::Link;

/// Where a stock middleware belongs, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Of [`RequestId`].
    RequestId,
    /// Of [`TrustedProxies`].
    TrustedProxies,
    /// Of [`Logger`].
    Logger,
    /// Of [`Recover`].
    Recover,
    /// Of [`SecurityHeaders`].
    SecurityHeaders,
    /// Of [`Cors`].
    Cors,
    /// Of [`SameOrigin`].
    SameOrigin,
    /// Of [`RateLimit`].
    RateLimit,
    /// Of [`Bearer`].
    Bearer,
    /// Of [`BodyLimit`].
    BodyLimit,
    /// Of [`Timeout`].
    Timeout,
}

/// Two middleware that stand in the wrong order, or one that stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongOrder {
    /// The one that stands outside.
    pub outer: &'static str,
    /// The one that stands inside and belongs outside.
    pub inner: &'static str,
}

impl fmt::Display for WrongOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongOrder { outer, inner } = self;
        if outer == inner {
            return write!(f, "{outer} stands twice in the chain: leave one");
        }
        write!(f, "{outer} stands outside {inner}: swap them (the order is documented in http::middleware)")
    }
}

impl std::error::Error for WrongOrder {}

/// The names of the middleware around `handler`, outermost first. Does not look behind a router.
///
/// # Errors
/// [`WrongOrder`] when a stock middleware does not stand where it belongs.
pub fn order(handler: &impl Handler) -> Result<Vec<&'static str>, WrongOrder> {
    let mut chain = Vec::new();
    handler.describe(&mut chain);
    let placed: Vec<_> = chain.iter().filter(|link| link.place.is_some()).collect();
    // Places rise from link to link, or two neighbours fall: one look at the neighbours sees every wrong order. A double is
    // looked for first, since swapping would not help it.
    let twice = |link: &&&Link| placed.iter().filter(|other| other.place == link.place).count() > 1;
    if let Some(link) = placed.iter().find(twice) {
        return Err(WrongOrder { outer: link.name, inner: link.name });
    }
    match placed.windows(2).find(|pair| pair[0].place > pair[1].place) {
        Some(pair) => Err(WrongOrder { outer: pair[0].name, inner: pair[1].name }),
        None => Ok(chain.iter().map(|link| link.name).collect()),
    }
}

/// The same names in one line, to be shown when a server starts.
///
/// # Errors
/// [`WrongOrder`] as for [`order`]: do not start.
pub fn order_line(handler: &impl Handler) -> Result<String, WrongOrder> {
    order(handler).map(|names| names.join(" → "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Middleware, Request, Response};

    const PLACES: [Place; 11] = [
        Place::RequestId,
        Place::TrustedProxies,
        Place::Logger,
        Place::Recover,
        Place::SecurityHeaders,
        Place::Cors,
        Place::SameOrigin,
        Place::RateLimit,
        Place::Bearer,
        Place::BodyLimit,
        Place::Timeout,
    ];
    const NAMES: [&str; 11] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];

    struct Stands(Option<Place>);

    impl Middleware for Stands {
        async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
            next.handle(request).await
        }

        fn link(&self) -> Link {
            let name = self.0.and_then(|place| PLACES.iter().position(|&p| p == place)).map_or("own", |at| NAMES[at]);
            Link { name, place: self.0 }
        }
    }

    /// A chain of any length: what [`Handler::describe`] tells is all that matters here.
    struct Chain(Vec<Option<Place>>);

    impl Handler for Chain {
        async fn handle(&self, _: Request) -> Response {
            Response::text("")
        }

        fn describe(&self, chain: &mut Vec<Link>) {
            chain.extend(self.0.iter().map(|&place| Stands(place).link()));
        }
    }

    fn check(places: &[Place], expected: Result<&[&'static str], (&'static str, &'static str)>) {
        let chain = Chain(places.iter().copied().map(Some).collect());
        let expected = expected.map(<[_]>::to_vec).map_err(|(outer, inner)| WrongOrder { outer, inner });
        assert_eq!(order(&chain), expected, "{places:?}");
    }

    #[test]
    fn the_documented_order_and_every_part_of_it_is_right() {
        check(&PLACES, Ok(&NAMES));
        check(&[], Ok(&[]));
        for left_out in 0..PLACES.len() {
            let (mut places, mut names) = (PLACES.to_vec(), NAMES.to_vec());
            places.remove(left_out);
            names.remove(left_out);
            check(&places, Ok(&names));
        }
    }

    #[test]
    fn every_swapped_pair_is_refused_wherever_it_stands() {
        for outer in 0..PLACES.len() {
            for inner in 0..outer {
                check(&[PLACES[outer], PLACES[inner]], Err((NAMES[outer], NAMES[inner])));
                let mut swapped = PLACES;
                swapped.swap(outer, inner);
                assert!(order(&Chain(swapped.map(Some).to_vec())).is_err(), "{swapped:?}");
            }
        }
    }

    #[test]
    fn one_that_stands_twice_is_refused_even_far_apart() {
        for (place, name) in PLACES.into_iter().zip(NAMES) {
            check(&[place, place], Err((name, name)));
        }
        check(&[Place::Logger, Place::Timeout, Place::Logger], Err(("c", "c")));
        let twice = WrongOrder { outer: "logger", inner: "logger" };
        assert_eq!(twice.to_string(), "logger stands twice in the chain: leave one");
    }

    #[test]
    fn an_own_one_may_stand_anywhere_and_often() {
        let around = Stands(Some(Place::Logger)).around(Stands(None).around(Chain(vec![None, Some(Place::Timeout)])));
        assert_eq!(order(&around), Ok(vec!["c", "own", "own", "k"]));
        let wrong = Stands(Some(Place::Timeout)).around(Stands(None).around(Chain(vec![Some(Place::Logger)])));
        let refused = order(&wrong).expect_err("the wrong order");
        assert_eq!(refused.to_string(), "k stands outside c: swap them (the order is documented in http::middleware)");
    }

    #[test]
    fn the_stock_middleware_know_their_places() {
        struct Nobody;
        impl Authenticate for Nobody {
            async fn authenticate(&self, _: &str) -> Result<Principal, BearerError> {
                Err(BearerError::Invalid { description: "" })
            }
        }
        let chain = Timeout::new(std::time::Duration::from_secs(1)).around(|_: Request| async {});
        let chain = RateLimit::default().around(Bearer::new("", Nobody).around(BodyLimit::new(1).around(chain)));
        let chain = SecurityHeaders::default().around(Cors::any().around(SameOrigin.around(chain)));
        let chain = RequestId.around(TrustedProxies::new([]).around(Logger.around(Recover.around(chain))));
        let names = [
            "request_id",
            "trusted_proxies",
            "logger",
            "recover",
            "security_headers",
            "cors",
            "same_origin",
            "rate_limit",
            "bearer",
            "body_limit",
            "timeout",
        ];
        assert_eq!(order(&chain), Ok(names.to_vec()));
    }
}
