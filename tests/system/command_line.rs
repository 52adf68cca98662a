//! What the command line accepts and refuses, and with which exit code.

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;

use crate::server::{Folder, Server, firstbyte, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn all_faults_of_all_layers_are_said_at_once() {
    let folder = Folder::new();
    let file = folder.join("it.toml");
    fs::write(&file, "head_bytes_mx = 1\nidle_deadline = 5\n").unwrap();
    let mut command = firstbyte();
    command.args(["--config", file.to_str().unwrap(), "--listen", "localhost:80", "--head-deadline=soon"]);
    let output = command.env("FIRSTBYTE_WORKERS", "none").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let stderr = text(&output.stderr);
    for expected in [
        "error: 5 settings are wrong",
        "it.toml:1: `head_bytes_mx` is no setting: did you mean `head_bytes_max`?",
        "it.toml:2: idle_deadline: `5` is no time: write 250ms, 5s, 10m, 1h or off",
        "FIRSTBYTE_WORKERS: `none` is no whole number",
        "--listen: `localhost:80` is no address",
        "--head-deadline: `soon` is no time",
    ] {
        assert!(stderr.contains(expected), "{expected}\nis not in\n{stderr}");
    }
}

#[test]
fn what_is_printed_is_a_file_that_gives_the_same() {
    let folder = Folder::new();
    let file = folder.join("it.toml");
    let flags =
        ["--print-config", "--listen=[::1]:0", "--content-rate=off", "--terse-errors", "--trusted-proxy=10.0.0.0/8"];
    let first = text(&run(&flags).stdout);
    fs::write(&file, &first).unwrap();
    let again = text(&run(&["serve", "--print-config", "--config", file.to_str().unwrap()]).stdout);
    let values = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once(" # ")?.0.trim().to_owned())).collect()
    };
    assert_eq!(values(&first), values(&again));
    assert!(values(&first).len() > 30, "{first}");
    assert!(first.contains("terse_errors = true") && first.contains("# flag"), "{first}");
    assert!(again.contains(&format!("# {}:", file.display())), "{again}");
}

#[test]
fn a_configuration_is_checked_without_serving() {
    let good = run(&["--check-config"]);
    assert_eq!((good.status.code(), text(&good.stdout)), (Some(0), "all settings are good\n".into()));
    assert_eq!(run(&["--check-config", "--backlog=0"]).status.code(), Some(2));
    assert_eq!(run(&["serve", "--config", "/nowhere.toml"]).status.code(), Some(2));
}

#[test]
fn help_is_short_and_long() {
    let (short, long) = (run(&["-h"]), run(&["--help"]));
    assert_eq!((short.status.code(), long.status.code()), (Some(0), Some(0)));
    let (short, long) = (text(&short.stdout), text(&long.stdout));
    assert!(short.contains("--listen") && !short.contains("--head-bytes-max"), "{short}");
    assert!(short.lines().count() < 60, "{short}");
    for expected in ["--head-bytes-max", "Examples:", "Exit codes:", "FIRSTBYTE_IDLE_DEADLINE"] {
        assert!(long.contains(expected), "{expected}");
    }
}

#[test]
fn a_server_that_could_never_sign_is_not_started() {
    let rs256 = ["serve", "--listen", "127.0.0.1:0", "--signing-algorithm", "RS256"];
    let without = run(&rs256);
    assert_eq!(without.status.code(), Some(2));
    assert!(text(&without.stderr).contains("RS256 needs a key"), "{}", text(&without.stderr));
    let with = |file: &str| run(&[&rs256[..], &["--signing-rsa-key", file]].concat());
    for (file, words) in [("/nowhere.pem", "cannot be read"), ("/dev/null", "openssl genpkey")] {
        let refused = with(file);
        assert_eq!(refused.status.code(), Some(1), "{file}");
        assert!(text(&refused.stderr).contains(words), "{}", text(&refused.stderr));
    }
}

#[test]
fn usage_errors_end_with_2_and_a_hint() {
    for (args, hint) in [(["--idle-deadlin=5s"], "--idle-deadline"), (["sreve"], "serve")] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(hint), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn an_address_in_use_is_a_failure_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &addr]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for expected in [&*format!("cannot listen at {addr}"), "ss -ltnp", "--listen 127.0.0.1:0"] {
        assert!(stderr.contains(expected), "{stderr}");
    }
    assert!(output.stdout.is_empty() && !stderr.contains("application"), "nothing is announced: {stderr}");
}

#[test]
fn the_port_and_the_file_may_come_from_the_environment() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = firstbyte();
    command.env("PORT", free.port().to_string());
    let server = Server::spawn(command);
    assert_eq!(server.addr, free);

    let folder = Folder::new();
    fs::write(folder.join("it.toml"), "listen = [\"127.0.0.1:0\"]\nterse_errors = true").unwrap();
    let mut command = firstbyte();
    command.env("FIRSTBYTE_CONFIG", folder.join("it.toml"));
    let server = Server::spawn(command);
    assert!(server.exchange(b"nonsense\r\n\r\n").ends_with(")\n"), "terse");
}

#[test]
fn it_listens_at_several_addresses() {
    let mut server = Server::start(&["--listen", "127.0.0.1:0"]);
    server.addr = server.next_addr();
    assert!(server.exchange(b"GET /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").contains(" 200 "));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}
