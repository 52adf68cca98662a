//! The pages, seen by a browser: they load without a complaint, fit a phone, and show what happens while it happens.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::chromium::Browser;
use crate::server::{Server, firstbyte};
use crate::tools;

/// Widths of a phone and of a desk, in CSS pixels.
const WIDTHS: [u32; 2] = [375, 1280];

#[test]
fn every_page_loads_fits_and_leads_somewhere() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let pages = ["/", "/errors", "/limits", "/inspect", "/identity", "/catalog", "/billing"];
    for path in pages {
        let name = if path == "/" { "home" } else { &path[1..] };
        for (width, scheme) in WIDTHS.into_iter().zip(["dark", "light"]) {
            browser.view(width, scheme);
            browser.open(&server.url(path));
            assert!(browser.eval("document.querySelector('h1').innerText.length") != 0, "{path} has a heading");
            let overflow = browser.eval("document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_i64() <= Some(0), "{path} is {overflow} pixels too wide for {width}");
            browser.screenshot(&format!("{name}-{scheme}-{width}"));
        }
        // Left out is the list of all routes: what panics and what never ends is among them.
        let dead = browser.eval(
            "Promise.all([...document.querySelectorAll('a[href^=\"/\"]:not(.routes a)')].map(async (a) => \
             (await fetch(a.href)).ok ? [] : [a.href])).then((dead) => dead.flat())",
        );
        assert_eq!(dead, serde_json::json!([]), "links of {path}");
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn the_inspector_shows_an_exchange_while_it_lasts() {
    let (Some(curl), Some(mut browser)) = (tools::find("curl"), Browser::start()) else { return };
    let server = Server::start(&[]);
    browser.view(1280, "light");
    browser.open(&server.url("/inspect"));
    browser.wait_until("document.getElementById('link').dataset.state === 'live'");

    let mut curl = Command::new(curl);
    curl.args(["-s", "-H", "Authorization: Bearer of-secrets"]);
    let mut asking = curl.arg(server.url("/slow?ms=3000")).stdout(Stdio::null()).spawn().unwrap();
    browser.wait_until("[...document.querySelectorAll('#rows td')].some((cell) => cell.innerText === 'handler')");
    let seen = |text: &str| format!("document.getElementById('lines').innerText.includes({text:?})");
    browser.wait_until(&seen("GET /slow?ms=3000 HTTP/1.1"));
    browser.wait_until(&seen("RFC 9112"));
    browser.screenshot("inspect-at-work");
    assert!(asking.wait().unwrap().success());
    browser.wait_until(&seen("HTTP/1.1 200 OK"));
    browser.wait_until("[...document.querySelectorAll('#rows tr.closed')].length > 0");
    assert_eq!(browser.eval(&seen("of-secrets")), false, "secrets are masked");
    browser.screenshot("inspect-closed");

    // Another connection is followed at once, and a click leads back to the first one.
    server.exchange(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n");
    browser.wait_until(&seen("Host :"));
    browser.eval("document.querySelector('#rows tr:last-child button').click()");
    browser.wait_until(&seen("GET /slow?ms=3000 HTTP/1.1"));
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn the_inspector_shows_frames_as_they_go() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.view(1280, "light");
    browser.open(&server.url("/inspect"));
    browser.wait_until("document.getElementById('link').dataset.state === 'live'");
    let mut client = firstbyte();
    client.args(["ws", &format!("ws://{}/ws", server.addr)]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut client = client.stderr(Stdio::null()).spawn().unwrap();
    let mut says = client.stdin.take().unwrap();
    let seen = |text: &str| format!("document.getElementById('lines').innerText.includes({text:?})");
    let mut line = |line: &str| says.write_all(line.as_bytes()).unwrap();

    line("hello\n/ping are you there\n/binary 00ff10\n");
    line(&format!("{}\n", r#"{"long": true}"#.repeat(40)));
    browser.wait_until("[...document.querySelectorAll('#rows td')].some((cell) => cell.innerText === 'upgraded')");
    for text in
        ["101 Switching Protocols", "opcode 0x1 text, FIN, the whole message: 5 bytes, masked with", "RSV1: compressed"]
    {
        browser.wait_until(&seen(text));
    }
    browser.wait_until("[...document.querySelectorAll('#rows tr')].some((row) => row.cells[7].innerText === '4')");
    let last = "document.getElementById('lines').lastElementChild.scrollIntoView({block: 'end'})";
    browser.eval(last);
    browser.screenshot("inspect-websocket");
    line("/close 4000 enough\n");
    assert!(client.wait().unwrap().success());
    browser.wait_until(&seen("4000: Defined by the application."));
    browser.wait_until(&seen("over: Close 4000: enough"));
    browser.eval(last);
    browser.screenshot("inspect-websocket-closed");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
