//! Owns a headless Chromium, spoken to over two pipes: the DevTools protocol needs no WebSocket and no driver.
//!
//! ```text
//!   test ──{"id":1,"method":…}\0──> descriptor 3 of the browser
//!        <─{"id":1,"result":…}\0─── descriptor 4, events in between
//! ```

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::server::{Folder, SOON, wait_for};
use crate::tools;

/// A desk and a phone, each with light and dark.
pub const SCREENS: [(u32, &str); 4] = [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")];

pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    next_id: u64,
    /// The page that is open.
    session: Value,
    /// What the page has complained about.
    pub complaints: Vec<String>,
    _profile: Folder,
}

impl Browser {
    /// A browser with one empty page, or `None` where there is none.
    pub fn start() -> Option<Browser> {
        let chromium = tools::find("chromium")?;
        let profile = Folder::new();
        // The shell turns the pipes at 0 and 1 into those that the browser looks for.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#])
            .arg(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"])
            // A name of this machine that a browser takes for another's.
            .arg("--host-resolver-rules=MAP lan.example 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let session = Value::Null;
        let mut browser =
            Browser { child, input, messages, next_id: 0, session, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].clone();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        Some(browser)
    }

    /// Opens `url` and waits until it is loaded.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.wait_until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true in the page.
    pub fn wait_until(&mut self, expression: &str) {
        // A page that gives way to the next one while it is asked has no answer.
        wait_for(expression, || (self.evaluate(expression).ok()? == true).then_some(()));
    }

    /// Fills the fields of the form whose action ends with `action`, and sends it.
    pub fn submit(&mut self, action: &str, fields: &[(&str, &str)]) {
        let form = format!("document.querySelector('form[action$=\"{action}\"]')");
        for (name, value) in fields {
            self.eval(&format!("void ({form}.elements[{name:?}].value = {})", json!(value)));
        }
        self.eval(&format!("void {form}.requestSubmit()"));
    }

    /// Waits until the page has `text` in it, as it is read.
    pub fn shows(&mut self, text: &str) {
        let text = json!(text);
        self.wait_until(&format!("document.body !== null && document.body.innerText.includes({text})"));
    }

    /// Takes a picture of the page on each of [`SCREENS`], none of which it may be too wide for.
    pub fn pictures(&mut self, name: &str) {
        for (width, scheme) in SCREENS {
            self.view(width, scheme);
            let overflow = self.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert!(overflow.as_i64() <= Some(0), "{name} is {overflow} pixels too wide for {width}");
            self.screenshot(&format!("{name}-{width}-{scheme}"));
        }
        let (width, scheme) = SCREENS[0];
        self.view(width, scheme);
    }

    /// The value of an expression, or why the page gives none.
    fn evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let args = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.try_call("Runtime.evaluate", args)?;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// A screen of this width, light or dark.
    pub fn view(&mut self, width: u32, scheme: &str) {
        let mobile = width < 600;
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile});
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Keeps a picture of the page, to be looked at: below cargo's target folder, in `tmp`.
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        fs::write(&path, base64(picture["data"].as_str().unwrap())).unwrap();
        path
    }

    /// The answer to a command of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let message = self.messages.recv_timeout(SOON).unwrap_or_else(|error| panic!("{method}: {error}"));
            self.hear(&message);
            if message["id"] == id {
                let error = &message["error"];
                return if error.is_null() { Ok(message["result"].clone()) } else { Err(error.clone()) };
            }
        }
    }

    fn hear(&mut self, message: &Value) {
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => &message["params"]["exceptionDetails"],
            Some("Log.entryAdded") if message["params"]["entry"]["level"] == "error" => &message["params"]["entry"],
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its own children when it is asked, and cannot when it is killed.
        let _ = self.input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.child.wait();
    }
}

/// The bytes of padded base64 (RFC 4648 4).
fn base64(text: &str) -> Vec<u8> {
    let sextet = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b'=').map(sextet).collect();
    let group = |digits: &[u8]| {
        let bits = digits.iter().fold(0u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - digits.len()));
        bits.to_be_bytes()[1..digits.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn base64_is_decoded() {
    for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
        assert_eq!(base64(text), bytes.as_bytes());
    }
}
