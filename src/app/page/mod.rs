//! Owns what all pages share: the frame around them, their style sheet, their guards, and the choice of a form.
//!
//! The one idea: a page is plain HTML that would work in ten years. No framework, no build step, nothing from elsewhere;
//! style sheet and scripts are files of this server, so that the policy can forbid everything else.
//!
//! Spec: RFC 9110 12.5.1 (Accept), 12.5.5 (Vary); CSP 3 (Content-Security-Policy).
//! Never: writes a text into HTML that [`escaped`] has not seen.

pub mod access;
mod address;
mod asset;

pub use address::Address;
pub use asset::Asset;

use crate::http::field::name;
use crate::http::{Request, Response, Router};

/// The style of all pages.
static STYLE: Asset = Asset::new("/assets/style.css", "text/css; charset=utf-8", include_str!("style.css"));

/// The mark in the browser's tab.
static ICON: Asset = Asset::new("/assets/icon.svg", "image/svg+xml", include_str!("icon.svg"));

/// What a page may do: load style, scripts, images and data from here, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a page of forms may do: send them here as well, and run nothing.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                           frame-ancestors 'none'";

/// What a page of forms may do that keeps itself up to date: both.
const LIVE_FORM_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                                base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The places that every page leads to.
const PLACES: [(&str, &str); 4] =
    [("/", "firstbyte"), ("/inspect", "Inspector"), ("/limits", "Limits"), ("/errors", "Errors")];

/// Adds the files that all pages share.
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    ICON.route(STYLE.route(router))
}

/// A page without its frame.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What the browser calls it, plain text.
    pub title: &'a str,
    /// Its path.
    pub here: &'a str,
    /// What stands inside `main`: HTML.
    pub main: &'a str,
    /// Style sheets besides the shared one.
    pub styles: &'a [&'static Asset],
    /// Scripts, run when the page is there.
    pub scripts: &'a [&'static Asset],
}

impl Page<'_> {
    /// The whole page.
    pub fn html(&self) -> String {
        let Page { title, here, main, .. } = self;
        let title = if *here == "/" { (*title).to_owned() } else { format!("{title} · firstbyte") };
        let mut head = format!("<title>{}</title>", escaped(&title));
        for style in [&STYLE].iter().chain(self.styles) {
            head += &format!("\n<link rel=\"stylesheet\" href=\"{}\">", style.path());
        }
        for script in self.scripts {
            head += &format!("\n<script src=\"{}\" defer></script>", script.path());
        }
        let places: String = PLACES.iter().map(|(path, name)| place(path, name, here)).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"{}\" type=\"image/svg+xml\">\n{head}\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
             <header class=\"site\"><nav aria-label=\"Site\">{places}</nav></header>\n\
             <main id=\"main\">\n{main}</main>\n\
             <footer class=\"site\">firstbyte {}</footer>\n</body>\n</html>\n",
            ICON.path(),
            env!("CARGO_PKG_VERSION"),
        )
    }
}

fn place(path: &str, name: &str, here: &str) -> String {
    let current = if path == here { " aria-current=\"page\"" } else { "" };
    format!("<a href=\"{path}\"{current}>{name}</a>")
}

/// `text` as HTML that shows it, inside an element or a quoted attribute.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            char => html.push(char),
        }
    }
    html
}

/// A link to a section such as `RFC 9112 3.2`, named by itself; the bare name where it is no RFC's.
pub fn section_link(section: &str) -> String {
    let name = escaped(section);
    let mut parts = section.split(' ');
    let (Some("RFC"), Some(number), Some(part), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return format!("<span class=\"rfc\">{name}</span>");
    };
    let kind = if part.starts_with(|first: char| first.is_ascii_digit()) { "section" } else { "appendix" };
    let href = escaped(&format!("https://www.rfc-editor.org/rfc/rfc{number}#{kind}-{part}"));
    format!("<a class=\"rfc\" href=\"{href}\" rel=\"noreferrer\">{name}</a>")
}

/// A form in which a page can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// For a browser.
    Html,
    /// For a program.
    Json,
    /// For a person at a terminal.
    Text,
}

/// The form that the request asks for by name. A client that takes anything is curl: it gets text.
pub fn wanted(request: &Request) -> Wanted {
    let form = preferred(request, |media_type, _| match media_type {
        "text/html" | "application/xhtml+xml" => Some(Wanted::Html),
        "application/json" => Some(Wanted::Json),
        "text/plain" => Some(Wanted::Text),
        _ => None,
    });
    form.unwrap_or(Wanted::Text)
}

/// Of the forms that `Accept` names and `known` knows, by their media type in lower case and their parameters, the one with
/// the greatest weight; of equals the first.
pub fn preferred<T>(request: &Request, known: impl Fn(&str, &str) -> Option<T>) -> Option<T> {
    let members = request.fields().list(name::ACCEPT).filter_map(|member| std::str::from_utf8(member).ok());
    let named = members.filter_map(|member| {
        let (media_type, parameters) = member.split_once(';').unwrap_or((member, ""));
        Some((known(&media_type.trim().to_ascii_lowercase(), parameters)?, weight(parameters)))
    });
    let best = named.filter(|(_, weight)| *weight > 0).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(form, _)| form)
}

/// The weight among the parameters of a member of `Accept`, in thousandths (RFC 9110 12.4.2).
fn weight(parameters: &str) -> u16 {
    let mut parts = parameters.split(';').map(str::trim);
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0_f32));
    (weight.clamp(0.0, 1.0) * 1_000.0) as u16
}

/// Adds the guards that belong to every answer a browser may show.
pub fn guarded(response: Response) -> Response {
    guarded_by(POLICY, "no-referrer", response)
}

fn guarded_by(policy: &str, referrer: &str, response: Response) -> Response {
    response
        .with("Content-Security-Policy", policy)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", referrer)
        .with("Cross-Origin-Resource-Policy", "same-origin")
}

/// Adds that nobody keeps the answer: it is true for a moment, or for one client.
pub fn fresh(response: Response) -> Response {
    guarded(response).with(name::CACHE_CONTROL, "no-store")
}

/// As [`fresh`], for a page whose forms are sent back here, and which runs no script.
///
/// It tells us, and nobody else, where it was sent from: with `no-referrer` browsers send its forms with `Origin: null`
/// (Fetch 3.2), which is what a page that hides its origin sends.
pub fn with_forms(response: Response) -> Response {
    guarded_by(FORM_POLICY, "same-origin", response).with(name::CACHE_CONTROL, "no-store")
}

/// As [`with_forms`], for a page that runs a script of this server besides: its forms work without.
pub fn with_forms_and_script(response: Response) -> Response {
    guarded_by(LIVE_FORM_POLICY, "same-origin", response).with(name::CACHE_CONTROL, "no-store")
}

/// As [`fresh`], for an answer whose form was chosen by `Accept`.
pub fn negotiated(response: Response) -> Response {
    fresh(response).with(name::VARY, name::ACCEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_chosen_by_its_name() {
        let check = |accept: &str, expected: Wanted| {
            assert_eq!(wanted(&Request::get("/").with("Accept", accept)), expected, "{accept}");
        };
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Wanted::Html);
        check("application/json", Wanted::Json);
        check("application/json, text/plain, */*", Wanted::Json);
        check("text/html;q=0.5, Application/JSON", Wanted::Json);
        for text in ["*/*", "", "text/plain", "image/png", "text/html;q=0", "text/html;q=x", "text/*", ";,;", "q=1"] {
            check(text, Wanted::Text);
        }
        assert_eq!(wanted(&Request::get("/")), Wanted::Text);
    }

    #[test]
    fn nothing_breaks_out_of_html() {
        assert_eq!(escaped("<a href='x' b=\"&\">"), "&lt;a href=&#39;x&#39; b=&quot;&amp;&quot;&gt;");
        assert_eq!(section_link("<script>"), "<span class=\"rfc\">&lt;script&gt;</span>");
    }

    #[test]
    fn sections_lead_to_their_text() {
        assert!(section_link("RFC 9112 3.2").contains("/rfc9112#section-3.2\""));
        assert!(section_link("RFC 9112 C.2.2").contains("/rfc9112#appendix-C.2.2\""));
        assert!(!section_link("Fetch Metadata").contains("href"));
    }

    #[test]
    fn a_page_names_its_place_and_its_guards() {
        let page = Page { title: "a & b", here: "/errors", main: "<p>x</p>", styles: &[], scripts: &[] };
        let html = page.html();
        assert!(html.contains("<title>a &amp; b · firstbyte</title>"), "{html}");
        assert!(html.contains("<a href=\"/errors\" aria-current=\"page\">"), "{html}");
        let response = negotiated(Response::html(html));
        assert_eq!(response.field("vary"), Some("Accept"));
        assert!(response.field("content-security-policy").is_some_and(|policy| !policy.contains("unsafe")));
    }
}
