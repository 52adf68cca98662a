//! What the documents say is what happens: each command of each `sh` block is run, and its status compared.
//!
//! The commands of a document run one after the other in a folder of their own, in which one may leave a file for the next:
//! cookies, a token.
//!
//! A command states the status of the last head that it prints in a comment behind it, `# 200`. Where that would be in the
//! reader's way, the sentence behind the block says "answers `200`" for its last command. Blocks of another kind
//! (`console`, `text`) are for the eye.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Folder, Server};
use crate::tools;

/// The address that documents name, for curl and for nc.
const ADDRS: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1 8080"];

#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// From 1.
    line: usize,
    command: String,
    status: Option<u16>,
}

#[test]
fn every_command_of_the_documents_gives_the_status_that_it_states() {
    if !tools::all(&["bash", "curl", "nc"]) {
        return;
    }
    let faults: Vec<String> = documents().iter().flat_map(|document| faults_of(document)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let apps = fs::read_dir(root.join("src/app")).unwrap().map(|entry| entry.unwrap().path().join("README.md"));
    [root.join("README.md")].into_iter().chain(apps).filter(|file| file.exists()).collect()
}

fn faults_of(document: &Path) -> Vec<String> {
    let name = document.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display();
    let steps = steps(&fs::read_to_string(document).unwrap());
    let (server, folder) = (Server::start(&[]), Folder::new());
    let run = |Step { line, command, status }: &Step| {
        let place = format!("{name}:{line}: {command}\n   ");
        if !ADDRS.iter().any(|addr| command.contains(addr)) {
            return Some(format!("{place} does not talk to {}: what is to be read alone is no `sh`", ADDRS[0]));
        }
        let Some(expected) = status else { return Some(format!("{place} states no status")) };
        let command = command
            .replace(ADDRS[0], &server.addr.to_string())
            .replace(ADDRS[1], &server.addr.to_string().replace(':', " "));
        let script = format!("ulimit -c 0; {command}");
        let output =
            Command::new("timeout").args(["30", "bash", "-c", &script]).current_dir(folder.path()).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let found = last_status(&stdout);
        (found != Some(*expected)).then(|| format!("{place} states {expected} and gets {found:?}:\n{stdout}"))
    };
    steps.iter().filter_map(run).collect()
}

/// The commands of all `sh` blocks.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut in_block, mut in_sh, mut continued, mut owed) = (false, false, false, false);
    for (index, line) in document.lines().enumerate() {
        if line.starts_with("```") {
            in_block = !in_block;
            in_sh = in_block && line == "```sh";
            owed = steps.last().is_some_and(|step| step.status.is_none());
        } else if in_sh && !line.trim().is_empty() {
            let (line, goes_on) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
            if !continued {
                steps.push(Step { line: index + 1, command: String::new(), status: None });
            }
            continued = goes_on;
            let step = steps.last_mut().unwrap();
            step.command += line;
            step.status = stated(&step.command);
        } else if owed && !in_block {
            let step = steps.last_mut().unwrap();
            step.status = step.status.or_else(|| answered(line));
        }
    }
    steps
}

/// The status in the comment behind a command.
fn stated(command: &str) -> Option<u16> {
    let comment = command.rsplit_once('#')?.1.trim_start();
    number(comment)
}

/// The status in a sentence behind a block.
fn answered(line: &str) -> Option<u16> {
    let status = line.split_once("nswers `")?.1;
    number(status)
}

fn number(text: &str) -> Option<u16> {
    let digits = text.get(..3)?;
    let ends = text[3..].chars().next().is_none_or(|next| !next.is_alphanumeric());
    digits.parse().ok().filter(|_| ends)
}

/// The status of the last head in what a command has printed, or its last line when that is a status alone.
fn last_status(stdout: &str) -> Option<u16> {
    let mut heads = stdout.lines().filter_map(|line| number(line.strip_prefix("HTTP/1.1 ")?));
    heads.next_back().or_else(|| number(stdout.lines().last()?.trim()))
}

#[test]
fn commands_and_what_they_state_are_found() {
    let document = "\
text
```console
$ make
```
```sh
curl a   # 200
curl b \\
  -d '#x'   # 404

curl c
```
This answers `400`.

```sh
curl d
```
Nothing.
";
    let step = |line, command: &str, status| Step { line, command: command.into(), status };
    let expected = [
        step(6, "curl a   # 200", Some(200)),
        step(7, "curl b   -d '#x'   # 404", Some(404)),
        step(10, "curl c", Some(400)),
        step(15, "curl d", None),
    ];
    assert_eq!(steps(document), expected);
    assert_eq!(last_status("HTTP/1.1 302 Found\n\nHTTP/1.1 200 OK\nX: y\n\nHTTP/1.1 is old"), Some(200));
    assert_eq!(last_status("429"), Some(429));
    assert_eq!(last_status("HTTP/1.1 2000"), None);
}
