//! The command `firstbyte`: what it may be told is in `cli`, what it serves is wired in `cli/serve.rs`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
