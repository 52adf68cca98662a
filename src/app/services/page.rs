//! Owns the page of each service: what it is, what each of its routes asks for, and how to come by it.
//!
//! Anybody may read it: whoever is refused has to learn somewhere what to bring.
//!
//! Never: knows more of the routes than a test holds against their table.

use crate::app::page::{self, Address, Page, Wanted, escaped};
use crate::app::services::{BILLING_PREFIX, CATALOG_PREFIX};
use crate::http::handler::Link;
use crate::http::{Handler, Method, Middleware, Request, Response};

/// A service, as its page tells of it.
pub(super) struct Told {
    prefix: &'static str,
    title: &'static str,
    about: &'static str,
    /// Method and path of each route, and what its bearer needs.
    pub(super) routes: &'static [(&'static str, &'static str)],
    /// A route to try.
    first: &'static str,
}

pub(super) static CATALOG: Told = Told {
    prefix: CATALOG_PREFIX,
    title: "The catalogue",
    about: "Items, for whoever brings a token that says so. This service knows nobody's password and asks nobody: it has the \
            issuer's public keys, and what its bearer may do stands in the token.",
    routes: &[
        ("GET /catalog/items", "scope catalog:read"),
        ("GET /catalog/items/{id}", "scope catalog:read"),
        ("POST /catalog/items", "scope catalog:write"),
        ("DELETE /catalog/items/{id}", "scope catalog:write, role admin"),
    ],
    first: "/catalog/items",
};

pub(super) static BILLING: Told = Told {
    prefix: BILLING_PREFIX,
    title: "The invoices",
    about: "Invoices: customers see their own, accountants all. This service knows nobody's password and asks nobody: it has \
            the issuer's public keys, and what its bearer may do stands in the token.",
    routes: &[
        ("GET /billing/invoices", "scope billing:read"),
        ("GET /billing/invoices/all", "scope billing:read, role accountant"),
        ("POST /billing/invoices", "scope billing:write, role accountant"),
    ],
    first: "/billing/invoices",
};

/// Answers who comes to the service's own path, token or not.
pub(super) struct Front {
    pub told: &'static Told,
    /// Whose tokens are taken.
    pub issuer: String,
}

impl Middleware for Front {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let is_asked = request.method() == Method::GET || request.method() == Method::HEAD;
        if is_asked && request.target_path() == self.told.prefix {
            return page(self.told, &self.issuer, &request);
        }
        next.handle(request).await
    }

    fn link(&self) -> Link {
        Link { name: "front", place: None }
    }
}

fn page(told: &Told, issuer: &str, request: &Request) -> Response {
    let address = Address::of(request);
    let tries = [
        format!(
            "curl -s {issuer}/token -d grant_type=password -d client_id=demo-cli \\\n  -d username=ada -d password=analytical-engine > ada.json"
        ),
        address.fill(&format!(
            "curl -i http://{{at}}{} \\\n  -H \"Authorization: Bearer $(cut -d'\"' -f4 ada.json)\"",
            told.first
        )),
    ];
    page::negotiated(match page::wanted(request) {
        Wanted::Html => {
            let main = main(told, issuer, &tries);
            Response::html(Page { title: told.title, here: told.prefix, main: &main, styles: &[], scripts: &[] }.html())
        }
        Wanted::Json | Wanted::Text => Response::text(text(told, issuer, &tries)),
    })
}

fn main(told: &Told, issuer: &str, tries: &[String]) -> String {
    let row =
        |(route, needs): &(&str, &str)| format!("<tr><td><code>{}</code></td><td>{needs}</td></tr>\n", escaped(route));
    let routes: String = told.routes.iter().map(row).collect();
    let tries: String = tries.iter().map(|line| format!("<pre><code>{}</code></pre>\n", escaped(line))).collect();
    format!(
        "<h1>{}</h1>\n<p class=\"lead\">{}</p>\n<p>It takes tokens of <code>{}</code>.</p>\n\
         <section aria-labelledby=\"routes\"><h2 id=\"routes\">What needs what</h2>\n<table class=\"needs\">\n\
         <thead><tr><th>route</th><th>the token has</th></tr></thead>\n<tbody>\n{routes}</tbody></table></section>\n\
         <section aria-labelledby=\"try\"><h2 id=\"try\">Try it</h2>\n{tries}</section>\n",
        told.title,
        told.about,
        escaped(issuer),
    )
}

fn text(told: &Told, issuer: &str, tries: &[String]) -> String {
    let mut text = format!("{}\n\n{}\nIt takes tokens of {issuer}\n\n", told.title, told.about);
    for (route, needs) in told.routes {
        text += &format!("  {route:<28} {needs}\n");
    }
    for line in tries {
        text += &format!("\n  {}\n", line.replace('\n', "\n  "));
    }
    text
}
