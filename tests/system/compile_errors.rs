//! A wrong handler or middleware is refused by the compiler in a few lines that name the fault.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::examples::target;
use crate::server::Folder;

/// A first error longer than that is not read.
const LINES_MAX: usize = 24;

/// The compiler lists implementations that nobody asked for, unless they are marked.
const REMEDY: &str = "perhaps an `impl` that it lists needs #[diagnostic::do_not_recommend]";

/// Name, program, and what the first error must say.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "answers_a_number",
        "use firstbyte::http::{Request, Server};
        async fn answer(_: Request) -> u32 { 7 }
        fn main() { let _ = Server::new(answer); }",
        "`u32` cannot be sent as a response",
    ),
    (
        "is_no_handler",
        "use firstbyte::http::Server;
        struct Page;
        fn main() { let _ = Server::new(Page); }",
        "`Page` does not handle requests",
    ),
    (
        "routes_to_a_number",
        "use firstbyte::http::{Request, Router};
        async fn answer(_: (), _: Request) -> u32 { 7 }
        fn main() { let _ = Router::new(()).route(\"GET /\", answer); }",
        "`u32` cannot be sent as a response",
    ),
    (
        "routes_without_state",
        "use firstbyte::http::{Request, Router};
        async fn answer(_: Request) -> &'static str { \"7\" }
        fn main() { let _ = Router::new(()).route(\"GET /\", answer); }",
        "function is expected to take 2 arguments, but it takes 1 argument",
    ),
    (
        "is_no_middleware",
        "use firstbyte::http::middleware::Recover;
        use firstbyte::http::{Middleware, Request};
        struct Stamp;
        async fn answer(_: Request) -> &'static str { \"7\" }
        fn main() { let _ = Recover.around(Stamp.around(answer)); }",
        "no method named `around` found for struct `Stamp`",
    ),
    (
        "wraps_a_middleware",
        "use firstbyte::http::middleware::Recover;
        use firstbyte::http::Middleware;
        fn main() { let _ = Recover.around(Recover); }",
        "Recover` does not handle requests",
    ),
    (
        "holds_a_cell",
        "use firstbyte::http::{Handler, Request, Response, Server, Status};
        struct Counter(std::cell::Cell<u32>);
        impl Handler for Counter {
            async fn handle(&self, _: Request) -> Response { Response::new(Status::OK) }
        }
        fn main() { let _ = Server::new(Counter(Default::default())); }",
        "because `Counter` is not `Sync`",
    ),
];

#[test]
fn a_wrong_program_gets_a_short_error_that_names_the_fault() {
    let folder = Folder::new();
    let root = env!("CARGO_MANIFEST_DIR");
    fs::create_dir_all(folder.join("src/bin")).unwrap();
    let manifest = format!(
        "[package]\nname = \"wrong\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nfirstbyte = {{ path = {root:?} }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(format!("{root}/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    for (name, program, _) in WRONG {
        fs::write(folder.join(&format!("src/bin/{name}.rs")), program).unwrap();
    }
    let errors = first_errors(&folder);
    for (name, _, expected) in WRONG {
        let error = errors.iter().find(|(program, _)| program == name).map(|(_, error)| error.as_str());
        let error = error.unwrap_or_else(|| panic!("{name} compiles"));
        assert!(error.contains(expected), "{name}: {error}");
        let lines = error.lines().count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines, {REMEDY}: {error}");
    }
}

/// Program and first error, as the compiler renders it.
fn first_errors(folder: &Folder) -> Vec<(String, String)> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["check", "--offline", "--bins", "--keep-going", "--message-format=json"]);
    let output = cargo.current_dir(folder.path()).env("CARGO_TARGET_DIR", target()).output().unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut errors: Vec<(String, String)> = Vec::new();
    for message in messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let Some(program) = message["target"]["name"].as_str() else { continue };
        let is_first = errors.iter().all(|(known, _)| known != program);
        if message["message"]["level"] == "error" && is_first {
            let rendered = message["message"]["rendered"].as_str().unwrap_or_default();
            errors.push((program.to_owned(), rendered.trim_end().to_owned()));
        }
    }
    assert!(!errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}
