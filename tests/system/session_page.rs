//! The page of sessions in a browser: forms alone do all of it, and a page on another port that posts one gets nowhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use firstbyte::app::accounts::hasher::Cost;
use firstbyte::app::accounts::throttle::Throttle;
use firstbyte::app::session::store::{Lifetime, Store};
use firstbyte::http::middleware::from_fn;
use firstbyte::http::test::call;
use firstbyte::http::{Handler, Method, Request, Response};

use crate::chromium::Browser;
use crate::sessions::{PASSWORD, accounts, application, login, serve, unthrottled};

/// What came with a POST: the cookie, and where its page stands.
type Posted = Arc<Mutex<Vec<(bool, String)>>>;

async fn handler() -> impl Handler {
    let accounts = accounts(Cost::of_tests(4), Throttle::memory(unthrottled())).await;
    application(accounts, Store::memory(Lifetime::default(), 100))
}

/// Serves the application, and remembers what is posted.
async fn stage() -> (SocketAddr, Posted) {
    let handler = handler().await;
    for device in ["curl/8.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Safari/604.1"] {
        assert_eq!(call(&handler, login("ada", PASSWORD).with("User-Agent", device)).await.status.code(), 200);
    }
    let posted = Posted::default();
    let seen = Arc::clone(&posted);
    let watched = from_fn(
        move |request: Request, next| {
            if request.method() == Method::POST {
                let site = request.field("Sec-Fetch-Site").unwrap_or_default().to_owned();
                seen.lock().unwrap().push((request.field("Cookie").is_some(), site));
            }
            async move { next.handle(request).await }
        },
        handler,
    );
    (serve(watched), posted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_alone_log_in_and_out_and_everywhere_out() {
    let Some(mut browser) = Browser::start() else { return };
    let (addr, _) = stage().await;
    for host in ["127.0.0.1", "localhost"] {
        browser.open(&format!("http://{host}:{}/session", addr.port()));
        if host == "127.0.0.1" {
            browser.pictures("session-nobody");
        }
        browser.submit("/session/login", &[("name", "ada"), ("password", "difference-engine")]);
        browser.shows("Name and password do not belong together.");
        if host == "127.0.0.1" {
            browser.pictures("session-refused");
        }
        browser.submit("/session/login", &[("name", "ada"), ("password", PASSWORD)]);
        browser.shows("You are ada");
        assert_eq!(browser.eval("location.pathname"), "/session", "a reload sends no form again");
        assert_eq!(browser.eval("document.cookie"), "", "no script sees the cookie");
        browser.shows("this one");
        if host == "127.0.0.1" {
            browser.shows("Safari 20 on iPhone");
            browser.pictures("session-ada");
            browser.eval("void document.querySelector('.devices form').requestSubmit()");
            browser.wait_until("document.querySelectorAll('.devices li').length === 2");
        }
        browser.submit("/session/logout-everywhere", &[]);
        browser.shows("Log in");
    }
    browser.submit("/session/register", &[("name", "grace"), ("password", "nanosecond-of-wire")]);
    browser.shows("You are grace");
    browser.submit("/session/password", &[("current", "nanosecond-of-wire"), ("new", "short")]);
    browser.shows("The new password has at least 8 bytes.");
    browser.submit("/session/password", &[("current", "nanosecond-of-wire"), ("new", "microsecond-of-wire")]);
    browser.wait_until("document.querySelector('.notice') === null && document.querySelector('.who') !== null");
    // What a browser says of a page that was answered with an error status is no fault of the page.
    browser.complaints.retain(|complaint| !complaint.contains("Failed to load resource"));
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_on_another_port_posts_with_the_cookie_and_fails() {
    let Some(mut browser) = Browser::start() else { return };
    let (addr, posted) = stage().await;
    browser.open(&format!("http://{addr}/session"));
    browser.submit("/session/login", &[("name", "ada"), ("password", PASSWORD)]);
    browser.shows("You are ada");
    for (action, fields) in [
        ("logout-everywhere", ""),
        ("password", "<input name=current value=analytical-engine><input name=new value=password-of-mallory>"),
        ("login", "<input name=name value=mallory><input name=password value=password-of-mallory>"),
    ] {
        posted.lock().unwrap().clear();
        // Another port of the same host is the same site: SameSite holds nothing back.
        let forged = serve(move |_: Request| async move {
            Response::html(format!(
                "<form method=post action=http://{addr}/session/{action}>{fields}</form><script>document.forms[0].submit()</script>"
            ))
        });
        browser.open(&format!("http://{forged}/"));
        browser.shows("HTTP-ACCESS-003");
        assert_eq!(*posted.lock().unwrap(), [(true, "same-site".to_owned())], "{action}: the cookie came along");
        browser.open(&format!("http://{addr}/session"));
        browser.shows("You are ada");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_are_ours_also_where_the_browser_tells_their_origin_alone() {
    let Some(mut browser) = Browser::start() else { return };
    let (addr, posted) = stage().await;
    // Off loopback and without TLS there is no Sec-Fetch-Site, and a page that said `no-referrer` would have no Origin either.
    browser.open(&format!("http://lan.example:{}/session", addr.port()));
    browser.submit("/session/login", &[("name", "ada"), ("password", "difference-engine")]);
    browser.shows("Name and password do not belong together.");
    assert_eq!(*posted.lock().unwrap(), [(false, String::new())]);
}
