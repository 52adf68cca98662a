//! Owns the page that says what the issuer is, how to try it, and which keys it has.
//!
//! Never: shows a key that verifies and signs.

use crate::app::identity::domain::keys::State;
use crate::app::identity::error::Error;
use crate::app::identity::handlers::listed;
use crate::app::identity::keyring::Ring;
use crate::app::identity::{Identity, PREFIX};
use crate::app::page::{self, Address, Asset, Page, Wanted, escaped};
use crate::http::{Request, Response};
use crate::jwt::Algorithm;

pub(super) static STYLE: Asset =
    Asset::new("/assets/identity.css", "text/css; charset=utf-8", include_str!("identity.css"));

/// Commands to begin with, and what each shows.
const TRIES: [(&str, &str); 5] = [
    (
        "Log in. The answer has an access token for the services and a refresh token for the issuer.",
        "curl -s http://{at}/identity/token -d grant_type=password -d client_id=demo-cli \\\n  -d username=ada -d password=analytical-engine | tee /tmp/ada",
    ),
    (
        "Exchange the refresh token for the next two. Do it again, with the old one, after ten seconds: all of them are over.",
        "curl -s http://{at}/identity/token -d grant_type=refresh_token -d client_id=demo-cli \\\n  -d refresh_token=$(sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/' /tmp/ada)",
    ),
    (
        "A service logs in as itself.",
        "curl -s -u stock-robot:only-for-the-lesson http://{at}/identity/token -d grant_type=client_credentials",
    ),
    (
        "A service asks whether a token is still good.",
        "curl -s -u catalog:only-for-the-lesson http://{at}/identity/introspect \\\n  -d token=$(sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/' /tmp/ada)",
    ),
    ("What every verifier fetches once, and keeps.", "curl -s http://{at}/identity/.well-known/jwks.json"),
];

/// Documents for programs.
const DOCUMENTS: [(&str, &str); 3] = [
    ("/identity/.well-known/jwks.json", "the public keys"),
    ("/identity/.well-known/openid-configuration", "what the issuer can do"),
    ("/.well-known/oauth-authorization-server/identity", "the same, where RFC 8414 wants it"),
];

pub(super) async fn page(identity: Identity, request: Request) -> Result<Response, Error> {
    let address = Address::of(&request);
    // Without its store there is a page, too.
    let ring = match identity.inner.keyring.signing().await {
        Ok(ring) => ring,
        Err(_) => identity.inner.keyring.ring(),
    };
    Ok(page::negotiated(match page::wanted(&request) {
        Wanted::Html => {
            let main = main(&identity, &ring, &address);
            Response::html(
                Page { title: "Identity", here: PREFIX, main: &main, styles: &[&STYLE], scripts: &[] }.html(),
            )
        }
        Wanted::Json => Response::json(&listed(&ring)),
        Wanted::Text => Response::text(text(&ring, &address)),
    }))
}

fn main(identity: &Identity, ring: &Ring, address: &Address) -> String {
    let tries: String = TRIES.iter().map(|(words, line)| try_html(words, &address.fill(line))).collect();
    let documents: String = DOCUMENTS
        .iter()
        .map(|(path, words)| format!("<li><a href=\"{path}\"><code>{path}</code></a> {words}</li>\n"))
        .collect();
    format!(
        "<h1>Identity</h1>\n<p class=\"lead\">An issuer of tokens. Who shows a password, a refresh token or a client's secret \
         gets an access token that is signed, and that every service verifies by itself.</p>\n\
         <dl class=\"facts\"><dt>issuer</dt><dd><code>{}</code></dd><dt>access token</dt><dd>{} s</dd>\
         <dt>refresh token</dt><dd>once; {} s of grace</dd></dl>\n\
         <section aria-labelledby=\"try\"><h2 id=\"try\">Try it</h2>\n{tries}</section>\n\
         <section aria-labelledby=\"keys\"><h2 id=\"keys\">Keys</h2>\n{}</section>\n\
         <section aria-labelledby=\"documents\"><h2 id=\"documents\">For programs</h2>\n<ul class=\"plain\">\n{documents}</ul></section>\n",
        escaped(&identity.inner.config.issuer),
        identity.inner.config.access_time.as_secs(),
        identity.inner.config.grace.as_secs(),
        keys_html(ring, identity.clock().now()),
    )
}

fn try_html(words: &str, line: &str) -> String {
    format!("<p>{}</p>\n<pre><code>{}</code></pre>\n", escaped(words), escaped(line))
}

fn keys_html(ring: &Ring, now: u64) -> String {
    let rows: String = ring
        .listed()
        .into_iter()
        .map(|key| {
            let kind = if key.algorithm == Algorithm::HS256 { "secret: ask by introspection" } else { "public" };
            format!(
                "<li class=\"{state}\"><span class=\"state\">{state}</span> <code class=\"kid\">{}</code> \
                 <span class=\"kind\">{} · {kind} · {}</span></li>\n",
                escaped(&key.kid),
                escaped(key.algorithm.name()),
                words(key.state, key.since, now),
                state = key.state.name(),
            )
        })
        .collect();
    if rows.is_empty() {
        return "<p>The store of keys is away.</p>\n".to_owned();
    }
    format!("<ul class=\"keys\">\n{rows}</ul>\n")
}

fn words(state: State, since: u64, now: u64) -> String {
    match state {
        State::Next => "signs after the next rotation".to_owned(),
        State::Active => format!("has signed for {} s", now.saturating_sub(since)),
        State::Retired { until } => format!("verifies for {} s more", until.saturating_sub(now)),
    }
}

fn text(ring: &Ring, address: &Address) -> String {
    let mut text = String::from("An issuer of tokens.\n");
    for (words, line) in TRIES {
        text += &format!("\n{words}\n  {}\n", address.fill(line).replace('\n', "\n  "));
    }
    text += "\nKeys\n";
    for key in ring.listed() {
        text += &format!("  {:<8} {:<6} {}\n", key.state.name(), key.algorithm.name(), key.kid);
    }
    text
}
