//! Imports go one way: `app` → `ws`, `http` → `net` → tokio; beside them stand `db`, `jwt` and `crypto`, which applications
//! lean on. The cores know neither sockets nor clocks.
//!
//! The sources are read as text, without their comments: naming a layer is using it.

use std::fs;
use std::path::Path;

/// Which files a rule is for, and what they must not name.
struct Rule {
    /// Begins the path below `src`.
    below: &'static str,
    /// Stands in the path of files that the rule is not for.
    except: Option<&'static str>,
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        below: "net/",
        except: None,
        never: &["crate::http", "crate::ws", "crate::app", "crate::conformance", "crate::cli"],
    },
    Rule { below: "http/", except: None, never: &["crate::ws", "crate::app", "crate::conformance", "crate::cli"] },
    Rule { below: "conformance/", except: None, never: &["crate::app", "crate::cli"] },
    Rule { below: "ws/", except: None, never: &["crate::app", "crate::cli"] },
    Rule { below: "ws/", except: Some("ws/handshake"), never: &["crate::http"] },
    Rule { below: "app/", except: None, never: &["crate::cli", "ring::"] },
    Rule {
        below: "crypto/",
        except: None,
        never: &[
            "crate::net",
            "crate::http",
            "crate::ws",
            "crate::db",
            "crate::jwt",
            "crate::app",
            "crate::cli",
            "tokio",
        ],
    },
    Rule { below: "jwt/", except: None, never: CORE_NEVER },
    Rule { below: "jwt/", except: None, never: &["crate::http", "crate::ws", "crate::db", "crate::app", "crate::cli"] },
    Rule { below: "db/", except: None, never: &["crate::ws", "crate::jwt", "crate::app", "crate::cli"] },
    Rule { below: "http/", except: None, never: &["crate::jwt", "crate::db", "ring::"] },
    Rule { below: "http/h1/", except: None, never: CORE_NEVER },
    Rule { below: "http/route_tree", except: None, never: CORE_NEVER },
    Rule { below: "http/middleware/rate_limit/", except: None, never: CORE_NEVER },
    Rule { below: "http/client/breaker/circuit", except: None, never: CORE_NEVER },
    Rule { below: "http/client/breaker/window", except: None, never: CORE_NEVER },
    Rule { below: "app/canvas/replica", except: None, never: CORE_NEVER },
    Rule { below: "app/canvas/stamped", except: None, never: CORE_NEVER },
    Rule { below: "app/canvas/grid", except: None, never: CORE_NEVER },
    Rule { below: "app/canvas/domain", except: None, never: CORE_NEVER },
    // The inventory's layers: handlers → services → repositories → domain. Its page is handlers, too.
    Rule { below: "app/inventory/handlers", except: None, never: HANDLERS_NEVER },
    Rule { below: "app/inventory/page", except: None, never: HANDLERS_NEVER },
    Rule {
        below: "app/inventory/services",
        except: None,
        never: &["inventory::handlers", "crate::http", "crate::db::postgres", "tokio_postgres", "SELECT ", "UPDATE "],
    },
    Rule {
        below: "app/inventory/repositories",
        except: None,
        never: &["inventory::handlers", "inventory::services", "crate::http"],
    },
    Rule {
        below: "app/inventory/domain",
        except: None,
        never: &[
            "inventory::handlers",
            "inventory::services",
            "inventory::repositories",
            "crate::http",
            "crate::db",
            "tokio_postgres",
            "tokio",
        ],
    },
    Rule { below: "ws/frame", except: None, never: CORE_NEVER },
    Rule { below: "ws/mask", except: None, never: CORE_NEVER },
    Rule { below: "ws/utf8", except: None, never: CORE_NEVER },
    Rule { below: "ws/close", except: None, never: CORE_NEVER },
    Rule { below: "ws/violation", except: None, never: CORE_NEVER },
    Rule { below: "ws/message", except: None, never: CORE_NEVER },
    Rule { below: "ws/limits", except: None, never: CORE_NEVER },
    Rule { below: "ws/machine", except: None, never: CORE_NEVER },
    Rule { below: "ws/deflate", except: None, never: CORE_NEVER },
    // One module each knows the crate that it is built on.
    Rule { below: "ws/", except: Some("/utf8.rs"), never: &["simdutf8"] },
];

/// What a core has no need of.
const CORE_NEVER: &[&str] =
    &["crate::net", "tokio", "tracing", "async ", ".await", "Instant::now", "SystemTime", "std::net::Tcp", "println!"];

/// What the inventory's handlers have no need of: there is a service for it.
const HANDLERS_NEVER: &[&str] = &["inventory::repositories", "Repositories", "crate::db", "tokio_postgres"];

/// Crates that a core may name, and our own.
const CORE_CRATES: &[&str] = &["core", "std", "bytes", "memchr", "crate", "super", "self"];

/// What one core may name besides: its files, and the crate that it is built on.
const CORE_CRATES_OF: &[(&str, &str)] =
    &[("ws/utf8", "simdutf8"), ("ws/deflate", "flate2"), ("jwt/", "base64"), ("jwt/", "serde"), ("jwt/", "serde_json")];

/// Pages that show the server at work: they may name each other.
const OURSELVES: &[&str] = &["errors", "home", "inspect", "limits", "metrics"];

/// What every application may use.
const SHARED_APPS: &[&str] = &["accounts", "page", "queue"];

#[test]
fn no_layer_names_one_above_it() {
    let breaches: Vec<String> = sources().iter().flat_map(|(path, text)| breaches(path, text)).collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Path below `src` and text of every source.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.push((below, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 20, "the sources are not where they were");
    sources
}

fn breaches(path: &str, text: &str) -> Vec<String> {
    let rules = RULES
        .iter()
        .filter(|rule| path.starts_with(rule.below) && rule.except.is_none_or(|except| !path.contains(except)));
    let mut breaches = Vec::new();
    for rule in rules {
        let is_core = rule.never == CORE_NEVER;
        // A core may be driven by anything in its tests.
        if is_core && is_test_file(path) {
            continue;
        }
        for (index, line) in code_lines(text, is_core) {
            let named = rule.never.iter().find(|never| names(line, never)).copied();
            let foreign = if is_core {
                foreign_crate(path, line).filter(|name| !declares(text, name))
            } else {
                other_app(path, line)
            };
            if let Some(named) = named.or(foreign) {
                breaches.push(format!("src/{path}:{}: {} names {named}: {}", index + 1, rule.below, line.trim()));
            }
        }
    }
    breaches
}

/// The application of a line's import, when it is not that of the file. Pages about the server itself build on each other.
fn other_app<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let own = path.strip_prefix("app/")?.split_once('/')?.0;
    let named = line.split_once("crate::app::")?.1.split([':', ';', ',', ' ', '{', ')']).next()?;
    (named != own && !SHARED_APPS.contains(&named) && !OURSELVES.contains(&own)).then_some(named)
}

fn is_test_file(path: &str) -> bool {
    ["/tests.rs", "/properties.rs"].iter().any(|end| path.ends_with(end))
}

/// The numbered lines without comments; for a core only those before its tests.
fn code_lines(text: &str, is_core: bool) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines
        .take_while(move |(_, line)| !is_core || !line.contains("#[cfg(test)]"))
        .map(|(index, line)| (index, line.split_once("//").map_or(line, |(code, _)| code)))
}

/// Whether `word` stands in `line`, and not as a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let is_name =
        |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let grouped = word
        .strip_prefix("crate::")
        .is_some_and(|module| line.split_once("crate::{").is_some_and(|(_, group)| names(group, module)));
    grouped
        || line.match_indices(word).any(|(at, _)| {
            !is_name(line[..at].chars().next_back()) && !is_name(line[at + word.len()..].chars().next())
                || word.ends_with(' ') && !is_name(line[..at].chars().next_back())
        })
}

/// Whether the module called `name` is one of the file's own.
fn declares(text: &str, name: &str) -> bool {
    text.lines().any(|line| line == format!("mod {name};") || line == format!("pub mod {name};"))
}

/// A crate that is imported and not allowed.
fn foreign_crate<'a>(file: &str, line: &'a str) -> Option<&'a str> {
    let path = line.trim_start().strip_prefix("pub ").unwrap_or(line.trim_start()).strip_prefix("use ")?;
    let name = path.trim_start_matches("::").split([':', ';', ' ', '{']).next()?;
    let local = name.chars().next().is_some_and(char::is_uppercase) || name.is_empty();
    let own = CORE_CRATES_OF.iter().any(|(files, own)| file.starts_with(files) && *own == name);
    (!local && !own && !CORE_CRATES.contains(&name)).then_some(name)
}

#[test]
fn breaches_are_seen() {
    let check = |path: &str, line: &str, expected: usize| {
        assert_eq!(breaches(path, line).len(), expected, "{path}: {line}");
    };
    check("net/buffer.rs", "use crate::http::Limits;", 1);
    check("net/buffer.rs", "    let limits = crate::http::Limits::default();", 1);
    check("net/buffer.rs", "use crate::{http::Limits, net::tap};", 1);
    check("net/buffer.rs", "use crate::httpd;", 0);
    check("net/buffer.rs", "//! Never: names `crate::http`.", 0);
    check("http/server/mod.rs", "use crate::net::tap::Tap;", 0);
    check("http/server/mod.rs", "pub use crate::app::lab;", 1);
    check("ws/handshake.rs", "use crate::http::Request;", 0);
    check("ws/handshake/client.rs", "use crate::http::Limits;", 0);
    check("ws/frame.rs", "use crate::http::Request;", 1);
    check("ws/machine.rs", "mod rate;\nuse rate::Rate;\nuse serde::Serialize;", 1);
    check("ws/frame.rs", "use flate2::Decompress;", 1);
    check("ws/deflate/pool.rs", "use flate2::Decompress;", 0);
    check("ws/machine/rate.rs", "    let now = Instant::now();", 1);
    check("ws/machine.rs", "    simdutf8::basic::from_utf8(bytes)", 1);
    check("ws/utf8.rs", "    simdutf8::basic::from_utf8(bytes)", 0);
    check("http/h1/head.rs", "use tokio::time::Instant;", 1);
    check("http/h1/head.rs", "use serde::Serialize;", 1);
    check("http/h1/head.rs", "pub async fn parse() {}", 1);
    check("http/h1/head.rs", "    let now = Instant::now();", 1);
    check("http/h1/head.rs", "    tracing::debug!(len);", 1);
    check("http/h1/head.rs", "use crate::http::h1::grammar;\nuse std::ops::Range;\nuse memchr::memchr;", 0);
    check("http/h1/head.rs", "#[cfg(test)]\nmod tests {\n    use proptest::prelude::*;\n}", 0);
    check("app/chain/mod.rs", "use crate::http::Request;", 0);
    check("app/chain/mod.rs", "use crate::app::lab::ECHO_BYTES_MAX;", 1);
    check("app/chain/handlers.rs", "use crate::app::chain::domain;", 0);
    check("app/chain/mod.rs", "use crate::app::page::Page;", 0);
    check("app/home/mod.rs", "use crate::app::inspect::annotate;", 0);
    check("app/inventory/handlers/orders.rs", "use crate::app::inventory::services::Inventory;", 0);
    check("app/inventory/handlers/orders.rs", "use crate::app::inventory::repositories::Repositories;", 1);
    check("app/inventory/handlers.rs", "use crate::db::Postgres;", 1);
    check("app/inventory/page/shelf.rs", "use crate::app::inventory::repositories::Repositories;", 1);
    check("app/inventory/services/orders.rs", "use crate::app::inventory::repositories::Repositories;", 0);
    check("app/inventory/services/orders.rs", "use crate::http::Request;", 1);
    check("app/inventory/services/orders.rs", "const FIND: &str = \"SELECT 1\";", 1);
    check("app/inventory/repositories/memory.rs", "use crate::app::inventory::services::Inventory;", 1);
    check("app/inventory/repositories/postgres.rs", "use crate::http::Status;", 1);
    check("app/inventory/domain/order.rs", "use crate::app::inventory::repositories::Repositories;", 1);
    check("app/inventory/domain/order.rs", "use crate::db::Postgres;", 1);
}
