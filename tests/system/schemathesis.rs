//! The inventory and its OpenAPI document, compared by schemathesis: `make schemathesis` installs it and runs this.
//!
//! ```text
//!   openapi-spec-validator ──────────────────────────────> GET /api/v1/openapi.json
//!   schemathesis: examples · coverage · fuzzing · stateful ──> /api/v1/…   in memory, and on PostgreSQL
//! ```
//!
//! It passes when no check fails for any answer. What a schema cannot say is in `schemathesis.toml`, with its reason.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::database::Database;
use crate::server::{Server, wait_for};

/// Requests that the fuzzer makes up for each operation.
const EXAMPLES: &str = "200";

#[test]
#[ignore = "takes minutes: make schemathesis"]
fn the_document_is_openapi() {
    let Some(validator) = tool("openapi-spec-validator") else { return };
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app/inventory/openapi.json");
    assert!(Command::new(validator).arg(document).status().unwrap().success());
}

#[test]
#[ignore = "takes minutes: make schemathesis"]
fn the_inventory_in_memory_is_as_documented() {
    compare(&Server::start(&[]));
}

#[test]
#[ignore = "takes minutes: make schemathesis"]
fn the_inventory_on_postgresql_is_as_documented() {
    let Some(database) = Database::new(&[]) else { return };
    compare(&Server::start(&["--database-url", database.url().expose()]));
}

/// Asks the server whatever its document allows, and does not allow.
fn compare(server: &Server) {
    let Some(schemathesis) = tool("schemathesis") else { return };
    wait_for("a server that is ready", || {
        server
            .exchange(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .contains(" 200 OK")
            .then_some(())
    });
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system");
    let status = Command::new(schemathesis)
        .env("PYTHONPATH", &here)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "schemathesis_checks")
        .arg("--config-file")
        .arg(here.join("schemathesis.toml"))
        .arg("run")
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES])
        .arg(server.url("/api/v1/openapi.json"))
        .current_dir(server.folder.path())
        .status();
    assert!(status.unwrap().success(), "the inventory is not as its document says; {}", server.stderr());
}

/// A command of the environment that `make schemathesis` keeps. `None`, after a loud line, where there is none.
fn tool(name: &str) -> Option<PathBuf> {
    let folder: Option<OsString> = std::env::var_os("SCHEMATHESIS_BIN");
    if folder.is_none() {
        eprintln!("NOT TESTED: `make schemathesis` says where {name} is, this run does not");
    }
    folder.map(|folder| Path::new(&folder).join(name))
}
