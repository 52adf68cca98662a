//! Owns a route table like that of a large public API, requests to it, and both tables of it: ours and matchit's.
//!
//! Equal work: both are asked for method and path, and both keep what the wildcards matched. matchit knows no methods,
//! so each of its paths leads to a list of methods, as in the frameworks that are built on it. Ours also looks at hosts
//! (there are none here), finds the more specific of two nested patterns and says which methods a path has.

use std::collections::BTreeMap;

use firstbyte::http::Method;
use firstbyte::http::pattern::Pattern;
use firstbyte::http::route_tree::{Captures, Lookup, RouteTree};

/// Every pattern, as method and path.
pub const PATTERNS: &[&str] = &[
    "GET /",
    "GET /meta",
    "GET /zen",
    "GET /rate_limit",
    "GET /emojis",
    "GET /events",
    "GET /feeds",
    "GET /languages",
    "GET /licenses",
    "GET /licenses/{license}",
    "POST /markdown",
    "POST /markdown/raw",
    "GET /notifications",
    "PUT /notifications",
    "GET /notifications/threads/{thread}",
    "PATCH /notifications/threads/{thread}",
    "GET /notifications/threads/{thread}/subscription",
    "PUT /notifications/threads/{thread}/subscription",
    "DELETE /notifications/threads/{thread}/subscription",
    "GET /gists",
    "POST /gists",
    "GET /gists/public",
    "GET /gists/starred",
    "GET /gists/{gist}",
    "PATCH /gists/{gist}",
    "DELETE /gists/{gist}",
    "PUT /gists/{gist}/star",
    "DELETE /gists/{gist}/star",
    "GET /gists/{gist}/star",
    "POST /gists/{gist}/forks",
    "GET /issues",
    "GET /search/code",
    "GET /search/issues",
    "GET /search/repositories",
    "GET /search/users",
    "GET /user",
    "PATCH /user",
    "GET /user/emails",
    "POST /user/emails",
    "DELETE /user/emails",
    "GET /user/followers",
    "GET /user/following",
    "GET /user/following/{user}",
    "PUT /user/following/{user}",
    "DELETE /user/following/{user}",
    "GET /user/issues",
    "GET /user/keys",
    "POST /user/keys",
    "GET /user/keys/{key}",
    "DELETE /user/keys/{key}",
    "GET /user/orgs",
    "GET /user/repos",
    "POST /user/repos",
    "GET /user/starred",
    "GET /user/starred/{owner}/{repo}",
    "PUT /user/starred/{owner}/{repo}",
    "DELETE /user/starred/{owner}/{repo}",
    "GET /user/subscriptions",
    "GET /user/teams",
    "GET /users",
    "GET /users/{user}",
    "GET /users/{user}/events",
    "GET /users/{user}/followers",
    "GET /users/{user}/following",
    "GET /users/{user}/gists",
    "GET /users/{user}/keys",
    "GET /users/{user}/orgs",
    "GET /users/{user}/received_events",
    "GET /users/{user}/repos",
    "GET /users/{user}/starred",
    "GET /users/{user}/subscriptions",
    "GET /users/{user}/following/{target}",
    "GET /users/{user}/events/orgs/{org}",
    "GET /users/{user}/events/public",
    "GET /orgs/{org}",
    "PATCH /orgs/{org}",
    "GET /orgs/{org}/events",
    "GET /orgs/{org}/issues",
    "GET /orgs/{org}/members",
    "GET /orgs/{org}/public_members",
    "GET /orgs/{org}/repos",
    "GET /orgs/{org}/teams",
    "POST /orgs/{org}/repos",
    "POST /orgs/{org}/teams",
    "GET /orgs/{org}/members/{user}",
    "DELETE /orgs/{org}/members/{user}",
    "PUT /orgs/{org}/public_members/{user}",
    "GET /teams/{team}",
    "PATCH /teams/{team}",
    "DELETE /teams/{team}",
    "GET /teams/{team}/members",
    "GET /teams/{team}/members/{user}",
    "PUT /teams/{team}/repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}",
    "PATCH /repos/{owner}/{repo}",
    "DELETE /repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}/assignees",
    "GET /repos/{owner}/{repo}/branches",
    "GET /repos/{owner}/{repo}/collaborators",
    "GET /repos/{owner}/{repo}/comments",
    "GET /repos/{owner}/{repo}/commits",
    "GET /repos/{owner}/{repo}/contributors",
    "GET /repos/{owner}/{repo}/deployments",
    "GET /repos/{owner}/{repo}/events",
    "GET /repos/{owner}/{repo}/forks",
    "GET /repos/{owner}/{repo}/hooks",
    "GET /repos/{owner}/{repo}/issues",
    "GET /repos/{owner}/{repo}/keys",
    "GET /repos/{owner}/{repo}/labels",
    "GET /repos/{owner}/{repo}/languages",
    "GET /repos/{owner}/{repo}/milestones",
    "GET /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/releases",
    "GET /repos/{owner}/{repo}/stargazers",
    "GET /repos/{owner}/{repo}/subscribers",
    "GET /repos/{owner}/{repo}/tags",
    "GET /repos/{owner}/{repo}/teams",
    "POST /repos/{owner}/{repo}/forks",
    "POST /repos/{owner}/{repo}/hooks",
    "POST /repos/{owner}/{repo}/issues",
    "POST /repos/{owner}/{repo}/keys",
    "POST /repos/{owner}/{repo}/labels",
    "POST /repos/{owner}/{repo}/milestones",
    "POST /repos/{owner}/{repo}/pulls",
    "POST /repos/{owner}/{repo}/releases",
    "POST /repos/{owner}/{repo}/merges",
    "GET /repos/{owner}/{repo}/branches/{branch}",
    "GET /repos/{owner}/{repo}/commits/{sha}",
    "GET /repos/{owner}/{repo}/commits/{sha}/comments",
    "GET /repos/{owner}/{repo}/compare/{range}",
    "GET /repos/{owner}/{repo}/contents/{path...}",
    "GET /repos/{owner}/{repo}/issues/{number}",
    "PATCH /repos/{owner}/{repo}/issues/{number}",
    "GET /repos/{owner}/{repo}/issues/{number}/comments",
    "POST /repos/{owner}/{repo}/issues/{number}/comments",
    "GET /repos/{owner}/{repo}/issues/{number}/labels",
    "DELETE /repos/{owner}/{repo}/issues/{number}/labels/{label}",
    "GET /repos/{owner}/{repo}/pulls/{number}",
    "GET /repos/{owner}/{repo}/pulls/{number}/files",
    "PUT /repos/{owner}/{repo}/pulls/{number}/merge",
    "GET /repos/{owner}/{repo}/git/blobs/{sha}",
    "GET /repos/{owner}/{repo}/git/refs/{ref...}",
    "GET /repos/{owner}/{repo}/git/trees/{sha}",
    "GET /repos/{owner}/{repo}/releases/{release}",
    "GET /repos/{owner}/{repo}/releases/{release}/assets",
    "GET /repos/{owner}/{repo}/stats/contributors",
    "GET /repos/{owner}/{repo}/stats/punch_card",
];

/// Requests of one kind: a name and, for each, the method, the path and the pattern that must answer, if any.
pub struct Mix {
    /// Its name in tables.
    pub name: &'static str,
    /// What is asked.
    pub requests: Vec<Asked>,
}

/// One request.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    path: String,
    answered_by: Option<usize>,
}

/// The kinds of requests that are measured.
pub fn mixes() -> Vec<Mix> {
    let all: Vec<Asked> = (0..PATTERNS.len()).map(|step| asked(step * 61 % PATTERNS.len())).collect();
    let only = |keep: fn(usize) -> bool| {
        let wildcards = |index: usize| PATTERNS[index].matches('{').count();
        (0..PATTERNS.len())
            .map(|step| step * 61 % PATTERNS.len())
            .filter(|&index| keep(wildcards(index)))
            .map(asked)
            .collect()
    };
    let missing = [
        "/nothing",
        "/users/ada/nothing",
        "/repos/ada/engine/issues/7/nothing",
        "/nothing/at/all",
        "/repos/ada/engine/nothing",
    ];
    let missed = |path: &&str| Asked { method: Method::GET, path: format!("{path}/x"), answered_by: None };
    vec![
        Mix { name: "no wildcard", requests: only(|wildcards| wildcards == 0) },
        Mix { name: "one wildcard", requests: only(|wildcards| wildcards == 1) },
        Mix { name: "two wildcards and more", requests: only(|wildcards| wildcards >= 2) },
        Mix { name: "every route once", requests: all },
        Mix { name: "no route", requests: missing.iter().map(missed).collect() },
    ]
}

/// A request that the pattern at `index` answers.
fn asked(index: usize) -> Asked {
    let (method, pattern) = split(PATTERNS[index]);
    let fill = |segment: &str| match segment.strip_prefix('{') {
        Some(name) if name.ends_with("...}") => "src/http/mod.rs".to_owned(),
        Some(name) => format!("{}-7", &name[..name.len() - 1]),
        None => segment.to_owned(),
    };
    let path = pattern.split('/').map(fill).collect::<Vec<_>>().join("/");
    Asked { method, path, answered_by: Some(index) }
}

fn split(pattern: &str) -> (Method, &str) {
    let (method, path) = pattern.split_once(' ').expect("a method and a path");
    (Method::parse(method.as_bytes()).expect("a method"), path)
}

/// Our table, which leads to indices into [`PATTERNS`].
pub struct Ours {
    tree: RouteTree<usize>,
    captures: Captures,
}

impl Ours {
    /// The table of [`PATTERNS`].
    #[allow(clippy::new_without_default)]
    pub fn new() -> Ours {
        let mut tree = RouteTree::new();
        for (index, text) in PATTERNS.iter().enumerate() {
            tree.insert(Pattern::parse(text).expect("a pattern"), index).expect("no conflict");
        }
        Ours { tree, captures: Captures::default() }
    }

    /// Where `asked` leads, with the captures kept.
    #[inline]
    pub fn lookup(&mut self, asked: &Asked) -> Option<usize> {
        match self.tree.lookup(asked.method, None, asked.path.as_bytes(), &mut self.captures) {
            Lookup::Found(route) => Some(route.value),
            Lookup::WrongMethod(_) | Lookup::NotFound => None,
        }
    }
}

/// matchit's table: each path leads to its methods.
pub struct Peer {
    router: matchit::Router<Vec<(Method, usize)>>,
}

impl Peer {
    /// The table of [`PATTERNS`].
    #[allow(clippy::new_without_default)]
    pub fn new() -> Peer {
        let mut paths = BTreeMap::<String, Vec<(Method, usize)>>::new();
        for (index, text) in PATTERNS.iter().enumerate() {
            let (method, path) = split(text);
            paths.entry(in_words_of_peer(path)).or_default().push((method, index));
        }
        let mut router = matchit::Router::new();
        for (path, methods) in paths {
            router.insert(path, methods).expect("no conflict");
        }
        Peer { router }
    }

    /// Where `asked` leads, with the captures made.
    #[inline]
    pub fn lookup(&self, asked: &Asked) -> Option<usize> {
        let found = self.router.at(&asked.path).ok()?;
        std::hint::black_box(&found.params);
        found.value.iter().find(|(method, _)| *method == asked.method).map(|(_, index)| *index)
    }
}

/// `/{path...}` is `/{*path}` to matchit.
fn in_words_of_peer(path: &str) -> String {
    match path.strip_suffix("...}").and_then(|path| path.rsplit_once('{')) {
        Some((before, name)) => format!("{before}{{*{name}}}"),
        None => path.to_owned(),
    }
}

/// Checks that both tables answer every request as they must.
///
/// # Panics
/// When one does not.
pub fn check() {
    let (mut ours, peer) = (Ours::new(), Peer::new());
    for asked in mixes().iter().flat_map(|mix| &mix.requests) {
        assert_eq!(ours.lookup(asked), asked.answered_by, "{asked:?}");
        assert_eq!(peer.lookup(asked), asked.answered_by, "{asked:?}");
    }
}
