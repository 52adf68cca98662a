//! The attacks in ARCHITECTURE.md and the promises in PROMISES.md name tests that exist.

use std::fs;
use std::path::Path;

#[test]
fn every_attack_names_a_test_that_exists() {
    check("ARCHITECTURE.md", "## Attacks", 15);
}

#[test]
fn every_promise_names_a_test_that_exists() {
    check("PROMISES.md", "## Promises", 15);
}

/// The last column of every row of the table under `heading` names tests, each of which is in the tree.
fn check(page: &str, heading: &str, rows_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(page)).expect("the page");
    let section = text.split(heading).nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its end");
    let sources = sources();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= rows_least, "{} rows", rows.len());
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().expect("a last column");
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for test in named {
            assert!(sources.contains(&format!("fn {test}(")), "no test is called {test}: {row}");
        }
    }
}

/// The text of every source file.
pub fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        read_all(&root.join(folder), &mut sources);
    }
    sources
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *into += &fs::read_to_string(&path).expect("a source file");
        }
    }
}
