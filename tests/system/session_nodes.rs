//! Two processes over one Redis and one PostgreSQL: who logs in at one is known at the other, and what one ends is over at both.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::database::Database;
use crate::server::{Folder, Server, wait_for};
use crate::services::{Kind, Service};
use crate::tools;

/// A browser of sorts: curl with its cookies in a file. Cookies know no ports, so it goes to either node with them.
struct Device {
    jar: PathBuf,
}

impl Device {
    fn new(folder: &Folder, name: &str) -> Device {
        Device { jar: folder.path().join(name) }
    }

    /// Status and content of an answer.
    fn ask(&self, node: &Server, path: &str, args: &[&str]) -> (u16, Value) {
        let url = node.url(&format!("/session/api/{path}"));
        let mut curl = Command::new("curl");
        curl.args(["-s", "-w", "\n%{http_code}", "-A", "curl"]).arg("-b").arg(&self.jar).arg("-c").arg(&self.jar);
        let output = curl.args(args).arg(url).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let (content, status) = printed.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(content).unwrap_or_default())
    }

    fn me(&self, node: &Server) -> u16 {
        self.ask(node, "me", &[]).0
    }

    /// The same with the token of the session, for what changes something.
    fn post(&self, node: &Server, path: &str, args: &[&str]) -> u16 {
        let me = self.ask(node, "me", &[]).1;
        let token = format!("X-CSRF-Token: {}", me["data"]["csrf"].as_str().unwrap());
        self.ask(node, path, &[&["-X", "POST", "-H", &token], args].concat()).0
    }
}

#[test]
fn what_one_node_ends_is_over_at_both_and_a_redis_that_hangs_loses_nobody() {
    if !tools::all(&["curl"]) {
        return;
    }
    let (Some(database), Some(redis)) = (Database::new(&[]), Service::start(Kind::Redis)) else { return };
    let url = database.url();
    let args = ["--database-url", url.expose(), "--redis-url", &redis.url()];
    let (one, other) = (Server::start(&args), Server::start(&args));
    for node in [&one, &other] {
        wait_for("the services", || {
            let answer = node.exchange(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
    }
    let folder = Folder::new();
    let (desk, phone) = (Device::new(&folder, "desk"), Device::new(&folder, "phone"));
    let account = ["-d", "name=grace&password=a-compiler-for-all"];
    assert_eq!(desk.ask(&one, "register", &account).0, 201);
    assert_eq!(phone.ask(&other, "login", &account).0, 200);
    assert_eq!((desk.me(&other), phone.me(&one)), (200, 200));
    assert_eq!(desk.ask(&other, "sessions", &[]).1["data"].as_array().map(Vec::len), Some(2));

    let passwords = ["-d", "current=a-compiler-for-all&new=a-compiler-for-none"];
    assert_eq!(phone.post(&other, "password", &passwords), 200);
    assert_eq!((phone.me(&one), desk.me(&one)), (200, 401), "the other device is logged out");
    assert_eq!(desk.ask(&one, "login", &account).0, 401, "by the old password nobody gets in");

    redis.pause();
    let (status, _) = phone.ask(&one, "me", &[]);
    redis.resume();
    assert_eq!(status, 503);
    wait_for("Redis to be used again", || (phone.me(&one) == 200 && phone.me(&other) == 200).then_some(()));

    assert_eq!(phone.post(&one, "logout-everywhere", &[]), 204);
    assert_eq!((phone.me(&one), phone.me(&other)), (401, 401));
}
