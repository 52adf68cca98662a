//! Owns the page of webhooks: ten workers, and what becomes of the last event at each endpoint.
//!
//! The page is whole without its script, as of when it was asked for; the script keeps it so.

use super::handlers::{Told, ToldDelivery};
use super::monitor::{Circuit, Work};
use super::{PREFIX, Webhooks};
use crate::app::page::{self, Address, Asset, Page, Wanted, escaped};
use crate::http::{Request, Response, Router};

static STYLE: Asset = Asset::new("/assets/webhooks.css", "text/css; charset=utf-8", include_str!("page.css"));
static SCRIPT: Asset = Asset::new("/assets/webhooks.js", "text/javascript; charset=utf-8", include_str!("page.js"));

/// What to try, on the page and at a terminal.
const TRIES: [&str; 2] = [
    "curl -i -X POST http://{at}/webhooks/demo",
    "curl -i --json '{\"url\":\"http://hooks.example.com/\",\"events\":[\"order.*\"]}' http://{at}/webhooks/endpoints",
];

/// Deliveries that are shown; an event may have a thousand.
const ROWS_MAX: usize = 100;

/// Adds the files that the page needs.
pub(super) fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    SCRIPT.route(STYLE.route(router))
}

pub(super) fn page(request: &Request, webhooks: &Webhooks, told: Option<&Told<'_>>) -> Response {
    let tries = TRIES.map(|line| Address::of(request).fill(line));
    let (workers, circuits, _) = webhooks.watch();
    page::negotiated(match page::wanted(request) {
        Wanted::Html => {
            let main = main(&workers, &circuits, told, &tries);
            let (styles, scripts): (&[_], &[_]) = (&[&STYLE], &[&SCRIPT]);
            Response::html(Page { title: "Webhooks", here: PREFIX, main: &main, styles, scripts }.html())
        }
        Wanted::Json | Wanted::Text => Response::text(text(&workers, &circuits, told, &tries)),
    })
}

fn main(workers: &[Option<Work>], circuits: &[Circuit], told: Option<&Told<'_>>, tries: &[String]) -> String {
    let circuits: String = circuits.iter().map(|one| format!("<li>{}</li>", escaped(&left_alone(one)))).collect();
    let workers: String = workers.iter().map(worker).collect();
    let rows: String = told.iter().flat_map(|told| &told.deliveries).take(ROWS_MAX).map(row).collect();
    let tries: String = tries.iter().map(|line| format!("<pre><code>{}</code></pre>\n", escaped(line))).collect();
    let (id, of) = match told {
        Some(told) => (told.message.id.to_string(), escaped(told.message.event_type.as_str())),
        None => (String::new(), "no event yet".to_owned()),
    };
    format!(
        "<h1>Webhooks</h1>\n\
         <p class=\"lead\">One event in, a signed POST to each endpoint that wants it: by {} workers in all, again when it \
         fails, to public addresses alone.</p>\n\
         <p class=\"bar\"><button id=\"demo\" type=\"button\" hidden>Send an event to 50 receivers</button> \
         <span id=\"link\" data-state=\"connecting\" role=\"status\"></span></p>\n\
         <section aria-labelledby=\"workers-title\"><h2 id=\"workers-title\">Workers</h2>\n\
         <ol class=\"workers\" id=\"workers\">{workers}</ol></section>\n\
         <section aria-labelledby=\"circuits-title\"><h2 id=\"circuits-title\">Hosts that are left alone</h2>\n\
         <ul class=\"circuits\" id=\"circuits\">{circuits}</ul></section>\n\
         <section aria-labelledby=\"event-title\"><h2 id=\"event-title\">The last event: <span id=\"type\">{of}</span></h2>\n\
         <p id=\"sum\" data-message=\"{id}\"></p>\n\
         <div class=\"wide\" tabindex=\"0\"><table class=\"deliveries\"><thead><tr><th>endpoint</th><th>state</th><th>status</th>\
         <th>ms</th><th>tries</th></tr></thead>\n<tbody id=\"deliveries\">{rows}</tbody></table></div></section>\n\
         <section aria-labelledby=\"try\"><h2 id=\"try\">Try it</h2>\n{tries}\
         <p>What this node's workers do is shown; other nodes share the work and have pages of their own.</p></section>\n",
        workers.matches("<li").count(),
    )
}

fn worker(work: &Option<Work>) -> String {
    match work {
        Some(work) => format!("<li data-busy>{}</li>", escaped(&place(&work.url))),
        None => "<li></li>".to_owned(),
    }
}

fn row(delivery: &ToldDelivery<'_>) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    format!(
        "<tr id=\"{}\" data-state=\"{state}\"><td>{}</td><td>{state}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        delivery.id,
        escaped(&place(delivery.url.as_deref().unwrap_or_default())),
        number(delivery.status.map(u32::from)),
        number(delivery.latency_ms),
        delivery.attempts.len(),
        state = delivery.state.name(),
    )
}

/// The host of a URL: what tells endpoints apart at a glance.
fn place(url: &str) -> String {
    url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned()
}

/// A host whose circuit is not closed: since it has failed, or has asked for it.
fn left_alone(circuit: &Circuit) -> String {
    let wait = circuit.retry_in_ms.map(|ms| format!(", asked again in {} s", ms.div_ceil(1_000)));
    format!("{} is {}{}", circuit.host, circuit.state.replace('_', " "), wait.unwrap_or_default())
}

fn text(workers: &[Option<Work>], circuits: &[Circuit], told: Option<&Told<'_>>, tries: &[String]) -> String {
    let busy = workers.iter().flatten().count();
    let mut text = format!("Webhooks: {busy} of {} workers are at work\n", workers.len());
    for circuit in circuits {
        text += &format!("  {}\n", left_alone(circuit));
    }
    if let Some(told) = told {
        text += &format!("\n{} {}\n", told.message.id, told.message.event_type);
        for delivery in told.deliveries.iter().take(ROWS_MAX) {
            let place = place(delivery.url.as_deref().unwrap_or_default());
            let status = delivery.status.map(|status| status.to_string()).unwrap_or_default();
            text +=
                &format!("  {place:<28} {:<10} {status:<4} tries {}\n", delivery.state.name(), delivery.attempts.len());
        }
    }
    for line in tries {
        text += &format!("\n  {line}\n");
    }
    text
}
