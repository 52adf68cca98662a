//! Owns what stands around each of these pages: where one is, what was done, what went wrong.
//!
//! Never: shows details of a failure of ours; lets one of these pages be kept.

use serde::Deserialize;

use super::product::capitalized;
use super::{ORDERS, PREFIX, STYLE};
use crate::app::inventory::domain::Invalid;
use crate::app::inventory::domain::invalid::Mistake;
use crate::app::inventory::error::Error;
use crate::app::inventory::handlers::{log, status_of, told_by};
use crate::app::page::{self, Page, escaped};
use crate::http::{IntoResponse, Rejection, Request, Response};

const LEAD: &str = "Products with stock, and orders that take it. Two people may edit the same product: nobody undoes what he \
                    has not seen.";

/// What was done, as the address says it, and as the page does.
const DONE: [(&str, &str); 5] = [
    ("added", "It is on the shelf."),
    ("saved", "Saved."),
    ("deleted", "It is gone, and its SKU is free again."),
    ("placed", "Ordered: it is taken off the shelf."),
    ("cancelled", "Cancelled: what it took is back on the shelf."),
];

/// Why there is nothing to show but this.
#[derive(Debug)]
pub(super) enum Unshown {
    /// The request could not be read.
    Rejected(Rejection),
    /// What it is about cannot be had.
    Error(Error),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Done {
    done: String,
}

/// A whole page.
pub(super) fn shown(title: &str, main: &str) -> Response {
    page::with_forms(Response::html(Page { title, here: PREFIX, main, styles: &[&STYLE], scripts: &[] }.html()))
}

/// A page that says what went wrong, under the status of that.
pub(super) fn refused(title: &str, main: &str, error: &Error) -> Response {
    log(error);
    told_by(error, shown(title, main).with_status(status_of(error).0))
}

/// A list, with the ways to the others.
pub(super) fn tabs(here: &str, words: &str, main: &str) -> String {
    let tab = |path: &str, name: &str| {
        let current = if path == here { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"{path}\"{current}>{name}</a>\n")
    };
    format!(
        "<h1>Inventory</h1>\n<p class=\"lead\">{LEAD}</p>\n<nav class=\"tabs\" aria-label=\"Inventory\">\n{}{}\
         <a class=\"button\" href=\"{PREFIX}/new\">New product</a>\n</nav>\n{words}{main}",
        tab(PREFIX, "Products"),
        tab(ORDERS, "Orders"),
    )
}

/// One thing, with the way back to its list.
pub(super) fn leaf(title: &str, words: &str, main: &str) -> String {
    format!(
        "<nav class=\"way\" aria-label=\"Inventory\"><a href=\"{PREFIX}\">Products</a> <a href=\"{ORDERS}\">Orders</a></nav>\n\
         <h1>{}</h1>\n{words}{main}",
        escaped(title)
    )
}

/// What was done before this page was asked for.
pub(super) fn done(request: &Request) -> String {
    let Done { done } = request.query().unwrap_or_default();
    let words = DONE.iter().find(|(word, _)| *word == done).map(|(_, words)| *words);
    words.map_or(String::new(), |words| format!("<p class=\"notice done\" role=\"status\">{words}</p>\n"))
}

/// Why something was not done.
pub(super) fn notice(error: &Error) -> String {
    let words = match error {
        Error::Invalid(_) | Error::Conflict(_) => "Nothing is saved yet: what is wrong stands below.".to_owned(),
        Error::OutOfStock(_) => "Nothing was ordered: what is wrong stands below.".to_owned(),
        error => return sentence(error),
    };
    alert(&escaped(&words))
}

/// An error by itself, for a person.
pub(super) fn sentence(error: &Error) -> String {
    alert(&escaped(&format!("{}.", capitalized(&error.to_string()))))
}

/// Words that are to be read first: HTML.
pub(super) fn alert(words: &str) -> String {
    format!("<p class=\"notice\" role=\"alert\">{words}</p>\n")
}

/// What was found wrong, with its places.
pub(super) fn mistakes(error: &Error) -> &[Mistake] {
    match error {
        Error::Invalid(invalid) | Error::Conflict(invalid) | Error::OutOfStock(invalid) => invalid.mistakes(),
        _ => &[],
    }
}

impl From<Rejection> for Unshown {
    fn from(rejection: Rejection) -> Unshown {
        Unshown::Rejected(rejection)
    }
}

impl From<Error> for Unshown {
    fn from(error: Error) -> Unshown {
        Unshown::Error(error)
    }
}

impl From<Invalid> for Unshown {
    fn from(invalid: Invalid) -> Unshown {
        Unshown::Error(Error::Invalid(invalid))
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Unshown {
    fn into_response(self) -> Response {
        match self {
            Unshown::Rejected(rejection) => rejection.into_response(),
            Unshown::Error(error) => refused("Inventory", &leaf("Inventory", &sentence(&error), ""), &error),
        }
    }
}
