//! Two processes over one PostgreSQL: what one gives out the other takes, one is killed, and curl does not notice.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::tools::text;
use crate::database::Database;
use crate::server::{Server, wait_for};
use crate::tools;

/// What curl gets: status and content.
fn curl(server: &Server, path: &str, args: &[&str]) -> (u16, Value) {
    let url = server.url(path);
    let output = Command::new("curl").args(["-s", "-w", "\n%{http_code}", &url]).args(args).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let (content, status) = printed.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(content).unwrap_or_default())
}

fn refresh(server: &Server, token: &str) -> (u16, Value) {
    let form = format!("grant_type=refresh_token&client_id=demo-cli&refresh_token={token}");
    curl(server, "/identity/token", &["-d", &form])
}

#[test]
fn what_one_node_gives_out_the_other_takes_and_a_kill_loses_nothing() {
    if !tools::all(&["curl"]) {
        return;
    }
    let Some(database) = Database::new(&[]) else { return };
    let url = database.url();
    let args = ["--database-url", url.expose(), "--public-url", "http://issuer.example"];
    // Both at once on an empty database.
    let (one, other) = (Server::start(&args), Server::start(&args));
    for server in [&one, &other] {
        wait_for("the database", || (curl(server, "/readyz", &[]).0 == 200).then_some(()));
    }
    let account = "name=grace&password=a-compiler-for-all";
    assert!(curl(&one, "/session/api/register", &["-d", account]).0 < 300);
    let login = "grant_type=password&client_id=demo-cli&username=grace&password=a-compiler-for-all\
                 &audience=catalog&audience=identity";
    let (status, login) = curl(&one, "/identity/token", &["-d", login]);
    assert_eq!(status, 200, "{login}");
    let first = text(&login, "refresh_token");
    let bearer = format!("Authorization: Bearer {}", text(&login, "access_token"));
    assert_eq!(curl(&other, "/catalog/items", &["-H", &bearer]).0, 200, "verified offline by another process");
    assert_eq!(curl(&other, "/identity/userinfo", &["-H", &bearer]).1["name"], "grace");

    let (status, second) = refresh(&other, &first);
    assert_eq!(status, 200, "{second}");
    one.signal(Signal::KILL);
    let (status, third) = refresh(&other, &text(&second, "refresh_token"));
    assert_eq!(status, 200, "{third}");
    // Reuse, at a node that was not there when the token was given out.
    let late = Server::start(&args);
    wait_for("the database", || (curl(&late, "/readyz", &[]).0 == 200).then_some(()));
    assert_eq!(refresh(&late, &first).0, 400);
    assert_eq!(refresh(&other, &text(&third, "refresh_token")).0, 400, "the family has ended");
    assert_eq!(curl(&other, "/identity/userinfo", &["-H", &bearer]).0, 401);
    assert_eq!(curl(&other, "/catalog/items", &["-H", &bearer]).0, 200, "offline it is believed until it expires");
}
