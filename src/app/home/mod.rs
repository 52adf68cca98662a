//! Owns the home page: what firstbyte is, the request that asked for it, what there is to try, and all routes.
//!
//! The one idea: the page shows the visitor's own request, byte by byte and explained. That is what firstbyte is about.
//!
//! Text for a terminal, HTML for a browser; the command lines name the address that the visitor used.
//!
//! Spec: RFC 9110 12.5.1 (Accept), 12.5.5 (Vary).
//! Never: sends a byte of the request back unescaped, or the value of a field that is a secret; runs a script.

mod contents;
mod received;

use std::sync::Arc;

use crate::app::inspect::annotate::{Kind, Line};
use crate::app::page::{self, Address, Asset, Page, Wanted, escaped, section_link};
use crate::http::{Request, Response, Router};

pub use contents::Contents;
use received::Received;

static STYLE: Asset = Asset::new("/assets/home.css", "text/css; charset=utf-8", include_str!("home.css"));

const SENTENCE: &str = "firstbyte is an HTTP/1.1 server, written by hand on raw TCP, with the wire in plain sight.";

/// An application, as the home page tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// Where it begins.
    pub path: &'static str,
    /// What it does and what it teaches, in one or two sentences.
    pub about: &'static str,
    /// Command lines to try. `{at}`, `{host}` and `{port}` become the address that the visitor used.
    pub tries: &'static [&'static str],
}

/// What firstbyte shows of itself, whatever runs on it.
const OURSELVES: [Entry; 4] = [
    Entry {
        name: "The wire inspector",
        path: "/inspect",
        about: "Every connection, live: its bytes with the section that defines each line, its states, deadlines and \
                buffers, and why it closed. Leave it open and send something.",
        tries: &["curl -s http://{at}/inspect"],
    },
    Entry {
        name: "Limits",
        path: "/limits",
        about: "Every limit and deadline in force: what a peer sees when it meets one, how often that happened, and the \
                most memory that they allow in all.",
        tries: &["curl -s http://{at}/limits"],
    },
    Entry {
        name: "Metrics",
        path: "/metrics",
        about: "Requests by route, status and duration, connections by state, everything that was refused, and the process: \
                as Prometheus reads it.",
        tries: &["curl -s http://{at}/metrics"],
    },
    Entry {
        name: "Explained errors",
        path: "/errors",
        about: "A malformed request is told which byte, which rule and which section, and how to send it right. All \
                codes are on one page.",
        tries: &[r"printf 'GET / HTTP/1.1\r\nHost : x\r\n\r\n' | nc -N {host} {port}"],
    },
];

/// What the page tells to everybody alike.
struct Told {
    entries: Vec<Entry>,
    contents: Contents,
}

/// Adds the home page and the files that all pages share.
pub fn routes<S>(router: Router<S>, applications: &[Entry], contents: Contents) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let told = Arc::new(Told { entries: OURSELVES.iter().chain(applications).copied().collect(), contents });
    let router = page::routes(STYLE.route(router));
    router.route("GET /", move |_, request| {
        let told = Arc::clone(&told);
        async move { home(&told, &request) }
    })
}

fn home(told: &Told, request: &Request) -> Response {
    let address = Address::of(request);
    let received = Received::of(request);
    page::negotiated(match page::wanted(request) {
        Wanted::Html => {
            let main = main(told, &address, &received.lines());
            Response::html(Page { title: "firstbyte", here: "/", main: &main, styles: &[&STYLE], scripts: &[] }.html())
        }
        Wanted::Json | Wanted::Text => Response::text(text(told, &address, &received.lines())),
    })
}

fn main(told: &Told, address: &Address, lines: &[Line]) -> String {
    let lines: String = lines.iter().map(line_html).collect();
    let entries: String = told.entries.iter().map(|entry| entry_html(entry, address)).collect();
    format!(
        "<h1>From the first byte up</h1>\n<p class=\"lead\">{SENTENCE}</p>\n\
         <section aria-labelledby=\"yours\">\n<h2 id=\"yours\">Your request, as it was received</h2>\n\
         <ol class=\"wire\">\n{lines}</ol>\n\
         <p class=\"aside\">Secrets are masked. <a href=\"/inspect\">See the answer, and every other connection, \
         live.</a></p>\n</section>\n\
         <section aria-labelledby=\"try\">\n<h2 id=\"try\">Try it</h2>\n<div class=\"entries\">\n{entries}</div>\n\
         </section>\n{}",
        told.contents.html()
    )
}

fn line_html(line: &Line) -> String {
    let kind = if line.kind == Kind::Start { " start" } else { "" };
    let offset = line.bytes.map_or(String::new(), |(start, _)| start.to_string());
    format!(
        "<li class=\"in{kind}\"><span class=\"at\">{offset}</span><code>{}</code>\
         <span class=\"note\">{} {}</span></li>\n",
        bytes_html(line),
        escaped(&line.note),
        section_link(line.section),
    )
}

/// The bytes, with the name of a field and the end of a line told apart.
fn bytes_html(line: &Line) -> String {
    let (text, end) = line.text.strip_suffix("\\r\\n").map_or((line.text.as_str(), ""), |text| (text, "\\r\\n"));
    let name_end = if line.kind == Kind::Field { text.find(':').map_or(0, |colon| colon + 1) } else { 0 };
    let (name, rest) = text.split_at(name_end);
    let name = if name.is_empty() { String::new() } else { format!("<b>{}</b>", escaped(name)) };
    format!("{name}{}<span class=\"end\">{end}</span>", escaped(rest))
}

fn entry_html(entry: &Entry, address: &Address) -> String {
    let tries: String =
        entry.tries.iter().map(|line| format!("<pre><code>{}</code></pre>\n", escaped(&address.fill(line)))).collect();
    format!(
        "<article>\n<h3><a href=\"{path}\">{}</a> <code class=\"path\">{path}</code></h3>\n<p>{}</p>\n{tries}</article>\n",
        escaped(entry.name),
        escaped(entry.about),
        path = escaped(entry.path),
    )
}

fn text(told: &Told, address: &Address, lines: &[Line]) -> String {
    let mut text = format!("{SENTENCE}\n\nYour request, as it was received:\n\n");
    for line in lines {
        let offset = line.bytes.map_or(0, |(start, _)| start);
        text += &format!("  {offset:>4}  {:<44}  {}, {}\n", line.text, line.note, line.section);
    }
    text += "\nTry:\n";
    for entry in &told.entries {
        text += &format!("\n  {} ({})\n", entry.name, entry.path);
        for line in entry.tries {
            text += &format!("    {}\n", address.fill(line));
        }
    }
    text += &told.contents.text();
    text + &format!("\nfirstbyte {}\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;
    use crate::http::test::{Answer, call};

    const APPLICATION: Entry =
        Entry { name: "a <b>", path: "/chain", about: "c & d", tries: &["curl http://{at}/x | nc {host} {port}"] };

    async fn answer(request: Request) -> Answer {
        let router = Router::new(()).route("GET /known", |_, _: Request| async { "known" });
        let mut contents = Contents::default();
        contents.add("Known", &router);
        let routes = routes(router, &[APPLICATION], contents).build().expect("the routes fit");
        call(&routes, request).await
    }

    #[tokio::test]
    async fn a_browser_gets_a_page_and_a_terminal_gets_text() {
        for (accept, content_type, holds) in [
            ("text/html,*/*;q=0.8", "text/html; charset=utf-8", "<h3><a href=\"/chain\">a &lt;b&gt;</a>"),
            ("*/*", "text/plain; charset=utf-8", "  a <b> (/chain)\n    curl http://localhost/x | nc localhost 80\n"),
        ] {
            let answer = answer(Request::get("/").with("Accept", accept)).await;
            let content = answer.text();
            assert_eq!(answer.field("content-type"), Some(content_type));
            assert_eq!(answer.field("vary"), Some("Accept"));
            assert!(content.contains(holds), "{content}");
            assert!(content.contains(env!("CARGO_PKG_VERSION")) && content.contains("/inspect"), "{content}");
            assert!(content.contains("All routes") && content.contains("/known"), "{content}");
            assert!(content.contains("GET / HTTP/1.1\\r\\n"), "{content}");
        }
    }

    #[tokio::test]
    async fn other_methods_are_told_which_are_allowed() {
        let posted = answer(Request::post("/", "x")).await;
        assert_eq!((posted.status, posted.field("allow")), (Status::METHOD_NOT_ALLOWED, Some("GET, HEAD, OPTIONS")));
        assert_eq!(answer(Request::of(crate::http::Method::HEAD, "/")).await.status, Status::OK);
    }

    #[tokio::test]
    async fn what_was_sent_is_never_markup_and_secrets_stay_secret() {
        let request = Request::get("/?'q'=1&x")
            .with("Accept", "text/html")
            .with("User-Agent", "<script>alert(1)</script>\x1b")
            .with("Cookie", "session=secret")
            .with("Authorization", "Bearer secret");
        let answer = answer(request).await;
        let content = answer.text();
        assert!(!content.contains("<script>") && !content.contains('\x1b'), "{content}");
        assert!(content.contains("&lt;script&gt;alert") && content.contains("/?&#39;q&#39;=1&amp;x"), "{content}");
        assert!(!content.contains("secret"), "{content}");
    }
}
