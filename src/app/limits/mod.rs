//! Owns the page of bounds: every limit and deadline in force, how often it was met, and the memory that they allow in all.
//!
//! The one idea: what protects a server can be looked up while it runs. The rows are those of the
//! [catalogue](crate::http::bounds); beside each stands how often it was met, and what was met stands out.
//!
//! ```text
//!   InForce ─rows, memory─┐
//!   applications ─────────┼─> Shown ──> HTML, JSON, text by Accept     GET /limits
//!   Tally ───counts───────┘      └────> text without counts            serve --print-limits
//! ```
//!
//! Spec: RFC 9110 12.5.1 (Accept), 15.5.4 (403), 15.5.20 (421).
//! Never: shows anything to a client on another machine, unless told to: how many are connected and refused is nobody
//! else's business.

mod html;
mod json;
mod text;

use std::sync::Arc;

use crate::app::inspect::access;
use crate::app::page::{self, Asset, Page, Wanted};
use crate::http::bounds::{Amount, Bound, Group, InForce, Memory, Part};
use crate::http::error::{CATALOGUE, Entry};
use crate::http::middleware::recover;
use crate::http::server::Watched;
use crate::http::tally::Tally;
use crate::http::{Rejection, Request, Response, Router};

static STYLE: Asset = Asset::new("/assets/limits.css", "text/css; charset=utf-8", include_str!("limits.css"));

/// Where the page is.
pub const PATH: &str = "/limits";

/// The bounds that are shown: those of the server, and those that applications add.
#[derive(Clone, Debug)]
pub struct Shown {
    bounds: Vec<Bound>,
    memory: Memory,
    defaults: Vec<Bound>,
}

impl Shown {
    /// The bounds of a server.
    pub fn new(in_force: &InForce) -> Shown {
        Shown { bounds: in_force.rows(), memory: in_force.memory(), defaults: InForce::default().rows() }
    }

    /// Adds what an application bounds for itself, and what it may keep.
    pub fn with(mut self, bounds: impl IntoIterator<Item = Bound>, kept: impl IntoIterator<Item = Part>) -> Shown {
        self.bounds.extend(bounds);
        self.memory.parts.extend(kept);
        self
    }

    /// All of it as text, without counts.
    pub fn text(&self) -> String {
        text::of(self, None)
    }

    /// All bounds, group after group.
    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    fn groups(&self) -> impl Iterator<Item = (Group, &[Bound])> {
        self.bounds.chunk_by(|one, next| one.group == next.group).map(|rows| (rows[0].group, rows))
    }

    /// The value that a bound has when nobody sets it, where it has another one now.
    fn default_of(&self, bound: &Bound) -> Option<Amount> {
        let default = self.defaults.iter().find(|default| default.name == bound.name)?;
        (!bound.is_fixed && default.amount != bound.amount).then_some(default.amount)
    }
}

/// Adds the page. `allow_remote` lets clients on other machines look.
pub fn routes<S>(router: Router<S>, shown: Shown, watched: &Watched, allow_remote: bool) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (shown, tally) = (Arc::new(shown), Arc::clone(&watched.tally));
    STYLE.route(router).route("GET /limits", move |_, request| {
        let (shown, tally) = (Arc::clone(&shown), Arc::clone(&tally));
        async move { limits(&shown, &tally, allow_remote, &request) }
    })
}

fn limits(shown: &Shown, tally: &Tally, allow_remote: bool, request: &Request) -> Result<Response, Rejection> {
    access::admit(request, allow_remote)?;
    let counted = Counted { tally, panics: recover::panics() };
    Ok(page::negotiated(match page::wanted(request) {
        Wanted::Html => {
            let main = html::of(shown, &counted);
            Response::html(Page { title: "Limits", here: PATH, main: &main, styles: &[&STYLE], scripts: &[] }.html())
        }
        Wanted::Json => Response::json(&json::of(shown, &counted)),
        Wanted::Text => Response::text(text::of(shown, Some(&counted))),
    }))
}

/// What was counted since the process began.
struct Counted<'a> {
    tally: &'a Tally,
    /// Panics of handlers.
    panics: u64,
}

impl Counted<'_> {
    /// The refusals there were, in the order of the catalogue.
    fn refusals(&self) -> impl Iterator<Item = (&'static Entry, u64)> {
        CATALOGUE.iter().map(|entry| (entry, self.tally.refusals(entry.fault))).filter(|(_, count)| *count > 0)
    }
}

/// Bytes in the largest unit, rounded up to one digit: for sums, where nobody pastes them.
fn about(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = u128::from(bytes).saturating_mul(10).div_ceil(u128::from(*unit));
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// The sum, or why there is none.
fn sum(memory: &Memory) -> String {
    match memory.total() {
        Ok(total) => format!("at most {}", about(total)),
        Err(off) => {
            format!("unbounded, because {} {} off", off.join(" and "), if off.len() == 1 { "is" } else { "are" })
        }
    }
}

/// What is in the sum, and what is not.
const EXPLAINED: &str = "What peers can make the server allocate, each part at its fullest and all connections at once. No \
                         server meets it: who sends content is not, at the same time, who does not read answers. Not in it: \
                         the program and the stacks of its threads, the kernel's socket buffers, what the allocator rounds \
                         up, and what handlers allocate besides the content that they collect.";

#[cfg(test)]
mod tests;
