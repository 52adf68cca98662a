//! Owns what becomes of a test whose tool is not there: under `make test` it fails, otherwise it says so and passes.

use std::path::PathBuf;

/// Where `tool` is. `None`, after a loud line, when it is missing and need not be there.
pub fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian puts servers, and not everybody looks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]).chain(postgresql());
    let found = folders.map(|folder| folder.join(tool)).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var_os("FIRSTBYTE_REQUIRE_TOOLS").is_some();
        assert!(!required, "{tool} is missing: make tools");
        eprintln!("NOT TESTED: {tool} is missing, so what it would show is not known. `make tools` installs it");
    }
    found
}

/// Whether all of `tools` are there.
pub fn all(tools: &[&str]) -> bool {
    tools.iter().all(|tool| find(tool).is_some())
}

/// Folders of the versions of PostgreSQL, as Debian keeps them apart, the latest one first.
fn postgresql() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse((folder.as_os_str().len(), folder.clone())));
    folders
}
