//! The tree against a reference that shares none of its code: patterns as lists of words, tried one after the other.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestCaseError};

use super::*;

/// A pattern before it is text. A segment that begins with `{` is a wildcard.
#[derive(Clone, Debug)]
struct Model {
    method: &'static str,
    host: &'static str,
    segments: Vec<String>,
}

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    host: &'static str,
    path: String,
}

const METHODS: &[&str] = &["GET", "HEAD", "POST", "BREW"];
const LITERALS: &[&str] = &["a", "b", "long-word", "long-words"];
const SPELLINGS: &[&str] = &["a", "%61", "b", "c", "long-word", "long-words", "long-w%6frds", ""];

impl Model {
    fn text(&self) -> String {
        let space = if self.method.is_empty() { "" } else { " " };
        format!("{}{space}{}/{}", self.method, self.host, self.segments.join("/"))
    }

    /// The spans that the wildcards match, when the pattern matches at all.
    fn matches(&self, request: &Request) -> Option<Vec<Range<usize>>> {
        let host = match self.host.strip_prefix('*') {
            Some(under) => {
                request.host.strip_suffix(under).is_some_and(|label| !label.is_empty() && !label.contains('.'))
            }
            None => self.host.is_empty() || self.host == request.host,
        };
        let method = self.method.is_empty()
            || self.method == request.method
            || (self.method == "GET" && request.method == "HEAD");
        if host && method { self.match_path(&request.path) } else { None }
    }

    fn match_path(&self, path: &str) -> Option<Vec<Range<usize>>> {
        let (mut spans, mut at) = (Vec::new(), 1);
        for expected in &self.segments {
            let left = path.get(at..)?;
            let segment = left.split('/').next()?;
            if expected.ends_with("...}") {
                spans.push(at..path.len());
                return Some(spans);
            } else if expected.starts_with('{') && !segment.is_empty() {
                spans.push(at..at + segment.len());
            } else if *expected != segment.replace("%61", "a").replace("%6f", "o") {
                return None;
            }
            at += segment.len() + 1;
        }
        (at == path.len() + 1).then_some(spans)
    }

    /// Orders patterns that match one request: the most specific has the greatest.
    fn rank(&self) -> impl Ord {
        let host = match self.host {
            "" => 0,
            host if host.starts_with('*') => 1,
            _ => 2,
        };
        let kind = |segment: &String| match segment {
            rest if rest.ends_with("...}") => 0,
            one if one.starts_with('{') => 1,
            _ => 2,
        };
        let method = match self.method {
            "" => 0,
            "GET" => 1,
            _ => 2,
        };
        (host, self.segments.iter().map(kind).collect::<Vec<_>>(), method)
    }
}

fn models() -> impl Strategy<Value = Model> {
    let segment = prop_oneof![3 => select(LITERALS).prop_map(String::from), 2 => Just("{".into())];
    let last = select(vec!["", "", "a", "{z}", "{z...}"]).prop_map(String::from);
    let method = select(vec!["", "GET", "GET", "HEAD", "POST", "BREW"]);
    let host = select(vec!["", "", "", "h.t", "*.t"]);
    (method, host, vec(segment, 0..4), last).prop_map(|(method, host, mut segments, last)| {
        segments.push(last);
        for (index, segment) in segments.iter_mut().enumerate().filter(|(_, segment)| *segment == "{") {
            *segment = format!("{{w{index}}}");
        }
        Model { method, host, segments }
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let host = select(vec!["h.t", "k.t", "j.h.t", "t"]);
    (select(METHODS), host, vec(select(SPELLINGS), 1..6)).prop_map(|(method, host, segments)| Request {
        method,
        host,
        path: format!("/{}", segments.join("/")),
    })
}

/// What the reference says: the text and spans of the best pattern, or the methods that the path has.
fn expected(models: &[Model], request: &Request) -> Result<(String, Vec<Range<usize>>), BTreeSet<&'static str>> {
    let matching = models.iter().filter_map(|model| model.matches(request).map(|spans| (model, spans)));
    if let Some((model, spans)) = matching.min_by_key(|(model, _)| Reverse(model.rank())) {
        return Ok((model.text(), spans));
    }
    let takes = |model: &&Model| model.matches(&Request { method: model.method, ..request.clone() }).is_some();
    let mut methods: BTreeSet<_> = models.iter().filter(takes).map(|model| model.method).collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    if !methods.is_empty() {
        methods.insert("OPTIONS");
    }
    Err(methods)
}

fn check(models: Vec<Model>, requests: Vec<Request>) -> Result<(), TestCaseError> {
    let mut tree = RouteTree::new();
    let accepted = |model: &Model| tree.insert(Pattern::parse(&model.text()).unwrap(), ()).is_ok();
    let models: Vec<Model> = models.into_iter().filter(accepted).collect();
    let mut captures = Captures::default();
    for request in &requests {
        let method = Method::parse(request.method.as_bytes()).unwrap();
        let found = match tree.lookup(method, Some(request.host.as_bytes()), request.path.as_bytes(), &mut captures) {
            Lookup::Found(route) => Ok((route.pattern.text().to_owned(), captures.iter().collect())),
            Lookup::WrongMethod(methods) => Err(methods.iter().map(|method| method.to_string()).collect()),
            Lookup::NotFound => Err(Vec::new()),
        };
        let expected = expected(&models, request);
        let expected = expected.map_err(|methods| methods.into_iter().map(String::from).collect::<Vec<_>>());
        prop_assert_eq!(found, expected, "{:?} in {:?}", request, models.iter().map(Model::text).collect::<Vec<_>>());
    }
    Ok(())
}

/// Every request that can tell two patterns of the models apart: `c` is a segment that no literal is.
fn universe() -> Vec<Request> {
    let segments = ["a", "b", "long-word", "long-words", "c", ""];
    let mut paths = vec![String::new()];
    let mut requests = Vec::new();
    for _ in 0..4 {
        paths = paths.iter().flat_map(|path| segments.map(|segment| format!("{path}/{segment}"))).collect();
        for path in &paths {
            requests.extend(METHODS.iter().map(|method| Request { method, host: "h.t", path: path.clone() }));
        }
    }
    requests
}

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_tree_finds_what_the_reference_finds() {
    proptest!(config(), |(models in vec(models(), 1..16), requests in vec(requests(), 32))| check(models, requests)?);
}

#[test]
fn patterns_conflict_when_their_requests_overlap_and_are_not_nested() {
    let universe = universe();
    // With at most three segments each, a path of four tells a rest from everything else.
    let short = || models().prop_filter("at most three segments", |model| model.segments.len() <= 3);
    proptest!(ProptestConfig { cases: 512, ..config() }, |(one in short(), other in short())| {
        let (one, other) = (Model { host: "", ..one }, Model { host: "", ..other });
        let (mut both, mut only_one, mut only_other) = (false, false, false);
        for request in &universe {
            match (one.matches(request).is_some(), other.matches(request).is_some()) {
                (true, true) => both = true,
                (true, false) => only_one = true,
                (false, true) => only_other = true,
                (false, false) => {}
            }
        }
        let conflict = both && only_one == only_other;
        let patterns = [&one, &other].map(|model| Pattern::parse(&model.text()).unwrap());
        prop_assert_eq!(patterns[0].conflicts_with(&patterns[1]), conflict, "{} {}", one.text(), other.text());
        prop_assert_eq!(patterns[1].conflicts_with(&patterns[0]), conflict, "{} {}", other.text(), one.text());
    });
}
