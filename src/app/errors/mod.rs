//! Owns the page of all codes: what each refusal means, what was expected, and how to send it right.
//!
//! The one idea: the catalogue is the page. A row that is added to it is listed here, under its anchor
//! (`/errors#H1-HEAD-007`), which every refusal names.
//!
//! What is proposed names the address that the visitor used. HTML for a browser, JSON for a program that asks for it, text for a terminal.
//!
//! Spec: RFC 9457 3.1.1 (a problem's type leads to its description).
//! Never: differs from [`CATALOGUE`].

use serde::Serialize;

use crate::app::page::{self, Address, Asset, Page, Wanted, escaped, section_link};
use crate::http::error::{CATALOGUE, Entry};
use crate::http::{Request, Response, Router};

static STYLE: Asset = Asset::new("/assets/errors.css", "text/css; charset=utf-8", include_str!("errors.css"));

/// Where the page is.
pub const PATH: &str = "/errors";

/// What the families of codes are about, in the order of the catalogue.
const FAMILIES: &[(&str, &str)] = &[
    ("H1-LINE", "The lines of a head"),
    ("H1-TARGET", "The request-target"),
    ("H1-VERSION", "The protocol version"),
    ("H1-HEAD", "The field lines"),
    ("H1-HOST", "The Host field"),
    ("H1-FRAME", "Where the content ends"),
    ("H1-CHUNK", "Chunked content"),
    ("H1-EXPECT", "The Expect field"),
    ("H1-END", "How it ended"),
    ("H1-TIME", "Time that a peer is given"),
    ("H1-CONTENT", "The content as a whole"),
    ("HTTP-ROUTE", "Which handler"),
    ("HTTP-AUTH", "Who asks"),
    ("HTTP-ACCESS", "Who may have it"),
    ("HTTP-UPGRADE", "Another protocol on the same connection"),
    ("HTTP-CONDITION", "What is read under a condition"),
    ("HTTP-INPUT", "What a handler reads"),
    ("HTTP-SERVER", "The server itself"),
];

/// Adds the page.
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    STYLE.route(router).route("GET /errors", |_, request| async move { errors(&request) })
}

fn errors(request: &Request) -> Response {
    let address = Address::of(request);
    page::negotiated(match page::wanted(request) {
        Wanted::Html => {
            let main = main(&address);
            Response::html(Page { title: "Errors", here: PATH, main: &main, styles: &[&STYLE], scripts: &[] }.html())
        }
        Wanted::Json => Response::json(&CATALOGUE.iter().map(|entry| Row::of(entry, &address)).collect::<Vec<_>>()),
        Wanted::Text => Response::text(text(&address)),
    })
}

/// A row as JSON.
#[derive(Serialize)]
struct Row {
    code: &'static str,
    status: u16,
    title: &'static str,
    expected: &'static str,
    section: &'static str,
    remedy: String,
}

impl Row {
    fn of(entry: &Entry, address: &Address) -> Row {
        let Entry { code, status, title, expected, section, remedy, .. } = *entry;
        Row { code, status: status.code(), title, expected, section, remedy: address.fill_remedy(remedy) }
    }
}

/// A code without its number.
fn family(entry: &Entry) -> &'static str {
    entry.code.rsplit_once('-').map_or(entry.code, |(family, _)| family)
}

/// The families with their rows.
fn families() -> impl Iterator<Item = (&'static str, &'static str, &'static [Entry])> {
    let words = |name| FAMILIES.iter().find(|(family, _)| *family == name).map_or("", |(_, words)| words);
    CATALOGUE.chunk_by(|one, next| family(one) == family(next)).map(move |rows| {
        let name = family(&rows[0]);
        (name, words(name), rows)
    })
}

fn main(address: &Address) -> String {
    let contents: String =
        families().map(|(name, words, _)| format!("<li><a href=\"#{name}\">{}</a></li>\n", escaped(words))).collect();
    let sections: String = families().map(|(name, words, rows)| section_html(name, words, rows, address)).collect();
    format!(
        "<h1>Errors</h1>\n<p class=\"lead\">Everything that is refused here, in the order in which a request meets it. \
         A code never changes its meaning.</p>\n\
         <nav class=\"contents\" aria-label=\"Families of codes\"><ul>\n{contents}</ul></nav>\n{sections}"
    )
}

fn section_html(name: &str, words: &str, rows: &[Entry], address: &Address) -> String {
    let rows: String = rows.iter().map(|entry| row_html(entry, address)).collect();
    format!("<section aria-labelledby=\"{name}\">\n<h2 id=\"{name}\">{}</h2>\n{rows}</section>\n", escaped(words))
}

fn row_html(entry: &Entry, address: &Address) -> String {
    format!(
        "<article id=\"{code}\">\n\
         <h3><a href=\"#{code}\"><code>{code}</code></a> <span class=\"status\">{}</span></h3>\n\
         <p class=\"title\">{}</p>\n\
         <p class=\"expected\"><span class=\"label\">expected</span> {} {}</p>\n\
         <pre><code>{}</code></pre>\n</article>\n",
        escaped(&entry.status.to_string()),
        escaped(entry.title),
        escaped(entry.expected),
        section_link(entry.section),
        escaped(&address.fill_remedy(entry.remedy)),
        code = entry.code,
    )
}

fn text(address: &Address) -> String {
    let mut text = String::from("Everything that is refused here, in the order in which a request meets it.\n");
    for (_, words, rows) in families() {
        text += &format!("\n{words}\n");
        for entry in rows {
            let Entry { code, status, title, expected, section, remedy, .. } = entry;
            let remedy = address.fill_remedy(remedy);
            text += &format!("\n  {code}  {status}\n    {title}\n");
            text += &format!("    expected  {expected} ({section})\n    send      {remedy}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::explain::addressed;
    use crate::http::test::{Answer, call};

    async fn answer(accept: &str) -> Answer {
        let routes = routes(Router::new(())).build().expect("the routes fit");
        call(&routes, Request::get("/errors").with("Accept", accept)).await
    }

    #[tokio::test]
    async fn every_row_is_listed_in_every_form() {
        for (accept, content_type) in [
            ("text/html", "text/html; charset=utf-8"),
            ("application/json", "application/json"),
            ("*/*", "text/plain; charset=utf-8"),
        ] {
            let answer = answer(accept).await;
            let content = answer.text();
            assert_eq!(answer.field("content-type"), Some(content_type));
            assert_eq!(answer.field("vary"), Some("Accept"));
            for entry in CATALOGUE {
                assert!(content.contains(entry.code), "{accept}: {}", entry.code);
            }
            assert!(!content.contains("8080"), "{accept}: the visitor came by another address");
        }
    }

    #[tokio::test]
    async fn every_code_is_an_anchor_once_and_nothing_is_markup_by_accident() {
        let answer = answer("text/html").await;
        let html = answer.text();
        for entry in CATALOGUE {
            assert_eq!(html.matches(&format!("id=\"{}\"", entry.code)).count(), 1, "{}", entry.code);
            let remedy = addressed(entry.remedy, "localhost", 80);
            assert!(html.contains(&escaped(&remedy)), "{}", entry.code);
        }
    }

    #[test]
    fn every_family_has_words() {
        let found: Vec<&str> = families().map(|(name, ..)| name).collect();
        assert_eq!(found, FAMILIES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
