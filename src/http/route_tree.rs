//! Owns the table of routes: which one answers a request, and which patterns may stand in it together.
//!
//! The one idea: a tree with one level a segment. An edge eats exactly one segment, so a node is reached by one prefix of
//! the path at most, and no lookup comes to it twice.
//!
//! ```text
//!   GET  /users/{id}          root --"users"--> . --{one}--> [GET]
//!   POST /users                           [POST]  --"me"---> [GET]
//!   GET  /users/me                 --"files"--> . --{rest}-> [GET]
//!   GET  /files/{rest...}
//! ```
//!
//! A lookup tries the literal, then `{one}`, then `{rest}`, and comes back from a branch that ends without the method.
//! Two patterns that share requests are nested, or [`RouteTree::insert`] refuses the second; and where two nested ones
//! first differ, the narrower is the one tried first. So the first route found is the most specific. A path that is the
//! text of a pattern need not be walked: the node where that walk would end first is looked up as a whole.
//!
//! How long it takes: at each level, the nodes that one path reaches differ in which of the edges to them are wildcards.
//! So a lookup visits at most (segments of the longest pattern) x (arrangements of wildcards in the table) nodes. The
//! program sets both numbers, the peer none: beyond the longest pattern no segment is looked at. A visit reads its segment
//! once; one with an escape it compares with each literal of the node.
//!
//! Spec: RFC 9110 4.2.3 (host without case), 9.3.2 (HEAD), 9.3.7 (OPTIONS), 10.2.1 (Allow), 15.5.6 (405), 15.6.2 (501).
//! Never: decodes a capture; allocates for a route that is found, unless it has more than [`CAPTURES_INLINE`] captures.
//! Invariants: no two patterns conflict; in a leaf the narrower method stands first.

use std::fmt;

use crate::http::pattern::{Host, Pattern, Segment};
use crate::http::{Method, authority};

mod captures;
mod hash_table;
#[cfg(test)]
mod properties;
mod segments;
#[cfg(test)]
mod tests;
mod whole_paths;

pub use captures::{CAPTURES_INLINE, Captures};
use segments::{Literals, PathWords};
use whole_paths::WholePaths;

/// A set of routes that do not conflict. Built at start-up, then read by every request.
#[derive(Debug)]
pub struct RouteTree<T> {
    routes: Vec<Route<T>>,
    nodes: Vec<Node>,
    /// The registered methods, then the others that a route names. A [`MethodId`] is an index into it.
    methods: Vec<Method>,
    /// Nodes of the patterns with neither a wildcard nor a host.
    whole_paths: WholePaths,
    /// Roots of the patterns with one host, in the order of the names.
    hosts: Vec<(Box<str>, NodeId)>,
    /// Roots of the patterns with a wildcard host, in the order of the names under it.
    wildcard_hosts: Vec<(Box<str>, NodeId)>,
}

/// One pattern and what it leads to.
#[derive(Debug)]
pub struct Route<T> {
    /// The requests it answers.
    pub pattern: Pattern,
    /// What answers them.
    pub value: T,
}

/// What a lookup found.
#[derive(Debug)]
pub enum Lookup<'t, T> {
    /// The most specific route of the request.
    Found(&'t Route<T>),
    /// Routes of this path, but none of this method. These go into Allow: of a 405 (RFC 9110 15.5.6), or of the
    /// answer to OPTIONS.
    WrongMethod(MethodSet),
    /// No route of this path.
    NotFound,
}

/// The methods of one resource, in the order of their names. It prints as the value of Allow (RFC 9110 10.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSet(Vec<Method>);

/// Two patterns that share requests, neither more specific than the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The text of the pattern that was refused.
    pub refused: Box<str>,
    /// The text of the one that was there before.
    pub present: Box<str>,
    /// A request that both answer, as method and path.
    pub shared: String,
}

/// What the paths with one prefix lead to.
#[derive(Debug)]
struct Node {
    literals: Literals<NodeId>,
    one: Option<NodeId>,
    rest: Leaf,
    /// The routes of the prefix itself.
    end: Leaf,
}

/// The routes of one path, the narrower method first: HEAD before GET before any.
type Leaf = Vec<(MethodId, RouteId)>;

type NodeId = u32;
type RouteId = u32;
type MethodId = u32;

/// The root of the patterns without a host.
const ROOT: NodeId = 0;

const GET: MethodId = 0;
const HEAD: MethodId = 1;
/// A route's method, when it names none.
const ANY: MethodId = MethodId::MAX;
/// A request's method, when no route names it.
const UNNAMED: MethodId = MethodId::MAX - 1;

impl<T> RouteTree<T> {
    /// A table without routes.
    pub fn new() -> RouteTree<T> {
        RouteTree {
            routes: Vec::new(),
            nodes: vec![Node::new()],
            methods: Method::REGISTERED.to_vec(),
            whole_paths: WholePaths::new(),
            hosts: Vec::new(),
            wildcard_hosts: Vec::new(),
        }
    }

    /// Adds a route. It is compared with all others: meant for start-up.
    ///
    /// # Errors
    /// [`Conflict`] when a pattern in the table shares requests with this one and neither is more specific. Nothing is
    /// changed then.
    pub fn insert(&mut self, pattern: Pattern, value: T) -> Result<(), Conflict> {
        if let Some(route) = self.routes.iter().find(|route| route.pattern.conflicts_with(&pattern)) {
            return Err(Conflict::between(&pattern, &route.pattern));
        }
        let route = self.routes.len() as RouteId;
        let method = pattern.method().map_or(ANY, |method| self.method_id_for(method));
        let leaf = self.leaf_for(&pattern);
        let at = leaf.partition_point(|(before, _)| breadth(*before) <= breadth(method));
        leaf.insert(at, (method, route));
        self.routes.push(Route { pattern, value });
        Ok(())
    }

    /// The route that answers a request. Where its wildcards matched goes into `captures`, which is empty otherwise.
    ///
    /// `path` is normalised (no dot segments) and still percent-encoded. `host` may carry a port, which does not
    /// matter; where no route [names a host](RouteTree::names_hosts), nor does all of it. A path that begins with no
    /// slash, such as the `*` of OPTIONS, is not found.
    #[inline]
    pub fn lookup(&self, method: Method, host: Option<&[u8]>, path: &[u8], captures: &mut Captures) -> Lookup<'_, T> {
        if path.first() != Some(&b'/') || u32::try_from(path.len()).is_err() {
            captures.truncate(0);
            return Lookup::NotFound;
        }
        let asked = self.method_id(method).unwrap_or(UNNAMED);
        let mut path_found = false;
        let found = self.walk(host, path, captures, |leaf| {
            path_found |= !leaf.is_empty();
            leaf.iter().find(|(named, _)| serves(*named, asked)).map(|(_, route)| *route)
        });
        match found {
            Some(route) => Lookup::Found(&self.routes[route as usize]),
            None if path_found => Lookup::WrongMethod(self.methods_of(host, path, captures)),
            None => Lookup::NotFound,
        }
    }

    /// Whether `method` is known: RFC 9110 or RFC 5789 defines it, or a route names it. A request whose method is not
    /// known, and which no route of any method takes, is answered 501 (RFC 9110 15.6.2) and not 405.
    pub fn knows_method(&self, method: Method) -> bool {
        method.is_registered() || self.methods.contains(&method)
    }

    /// Whether any route names a host.
    #[inline]
    pub fn names_hosts(&self) -> bool {
        !self.hosts.is_empty() || !self.wildcard_hosts.is_empty()
    }

    /// All routes, in the order they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Route<T>> {
        self.routes.iter()
    }

    /// Shows `visit` the leaves that a request reaches, the most specific first, until it takes one. May show one twice.
    #[inline]
    fn walk<R>(
        &self,
        host: Option<&[u8]>,
        path: &[u8],
        captures: &mut Captures,
        visit: impl FnMut(&Leaf) -> Option<R>,
    ) -> Option<R> {
        let mut walk = Walk::new(&self.nodes, path, captures, visit);
        if let Some(host) = host.filter(|_| self.names_hosts()) {
            for root in self.roots_of(host).into_iter().flatten() {
                if let Some(taken) = walk.start(root) {
                    return Some(taken);
                }
            }
        }
        walk.captures.truncate(0);
        if let Some(node) = self.whole_paths.find(path)
            && let Some(taken) = (walk.visit)(&self.nodes[node as usize].end)
        {
            return Some(taken);
        }
        walk.start(ROOT)
    }

    /// The root of exactly `host`, then that of the wildcard that covers it.
    fn roots_of(&self, host: &[u8]) -> [Option<NodeId>; 2] {
        let name = &host[..authority::host_len(host)];
        let dot = name.iter().position(|&byte| byte == b'.').filter(|&dot| dot > 0);
        let under = dot.map(|dot| &name[dot + 1..]);
        [find_host(&self.hosts, name), under.and_then(|under| find_host(&self.wildcard_hosts, under))]
    }

    #[cold]
    fn methods_of(&self, host: Option<&[u8]>, path: &[u8], captures: &mut Captures) -> MethodSet {
        // RFC 9110 9.3.7: the server itself answers OPTIONS, for every resource.
        let mut methods = MethodSet(vec![Method::OPTIONS]);
        self.walk(host, path, captures, |leaf| {
            // None of these routes is of any method, or the lookup would have found it.
            leaf.iter().for_each(|(method, _)| methods.insert(self.methods[*method as usize]));
            None::<RouteId>
        });
        if methods.contains(Method::GET) {
            methods.insert(Method::HEAD);
        }
        methods
    }

    #[inline]
    fn method_id(&self, method: Method) -> Option<MethodId> {
        let index = method.registered_index().or_else(|| self.methods.iter().position(|named| *named == method));
        index.map(|index| index as MethodId)
    }

    fn method_id_for(&mut self, method: Method) -> MethodId {
        self.method_id(method).unwrap_or_else(|| {
            self.methods.push(method);
            (self.methods.len() - 1) as MethodId
        })
    }

    /// The leaf that `pattern` ends at, grown as needed.
    fn leaf_for(&mut self, pattern: &Pattern) -> &mut Leaf {
        let mut at = self.root_for(pattern.host());
        for segment in pattern.segments() {
            at = match segment {
                Segment::Literal(octets) => self.literal_for(at, octets),
                Segment::One => self.one_for(at),
                Segment::Rest => return &mut self.nodes[at as usize].rest,
            };
        }
        if pattern.host().is_none() {
            self.whole_paths.insert(pattern.segments(), at);
        }
        &mut self.nodes[at as usize].end
    }

    fn root_for(&mut self, host: Option<&Host>) -> NodeId {
        let (hosts, name) = match host {
            None => return ROOT,
            Some(Host::Exact(name)) => (&mut self.hosts, name),
            Some(Host::OneLabelUnder(name)) => (&mut self.wildcard_hosts, name),
        };
        match hosts.binary_search_by(|(present, _)| present.cmp(name)) {
            Ok(index) => hosts[index].1,
            Err(index) => {
                let root = grow(&mut self.nodes);
                hosts.insert(index, (name.clone(), root));
                root
            }
        }
    }

    fn literal_for(&mut self, at: NodeId, octets: &[u8]) -> NodeId {
        self.nodes[at as usize].literals.get(octets).unwrap_or_else(|| {
            let child = grow(&mut self.nodes);
            self.nodes[at as usize].literals.insert(octets, child);
            child
        })
    }

    fn one_for(&mut self, at: NodeId) -> NodeId {
        self.nodes[at as usize].one.unwrap_or_else(|| {
            let child = grow(&mut self.nodes);
            self.nodes[at as usize].one = Some(child);
            child
        })
    }
}

impl<T> Default for RouteTree<T> {
    fn default() -> Self {
        RouteTree::new()
    }
}

impl Node {
    const fn new() -> Node {
        Node { literals: Literals::new(), one: None, rest: Leaf::new(), end: Leaf::new() }
    }
}

fn grow(nodes: &mut Vec<Node>) -> NodeId {
    nodes.push(Node::new());
    (nodes.len() - 1) as NodeId
}

/// Orders the methods of one leaf: a smaller number is in no larger one's way.
fn breadth(method: MethodId) -> u8 {
    match method {
        ANY => 2,
        GET => 1,
        _ => 0,
    }
}

fn serves(named: MethodId, asked: MethodId) -> bool {
    // RFC 9110 9.3.2: HEAD is GET without the content.
    named == asked || named == ANY || (named == GET && asked == HEAD)
}

fn find_host(hosts: &[(Box<str>, NodeId)], name: &[u8]) -> Option<NodeId> {
    // RFC 9110 4.2.3: the host is compared without case.
    let folded = || name.iter().map(u8::to_ascii_lowercase);
    hosts.binary_search_by(|(present, _)| present.bytes().cmp(folded())).ok().map(|index| hosts[index].1)
}

/// One lookup on its way through the nodes.
struct Walk<'a, V> {
    nodes: &'a [Node],
    path: PathWords<'a>,
    captures: &'a mut Captures,
    visit: V,
    #[cfg(test)]
    visits: usize,
}

impl<'a, R, V: FnMut(&Leaf) -> Option<R>> Walk<'a, V> {
    fn new(nodes: &'a [Node], path: &'a [u8], captures: &'a mut Captures, visit: V) -> Self {
        Walk {
            nodes,
            path: PathWords::new(path),
            captures,
            visit,
            #[cfg(test)]
            visits: 0,
        }
    }

    /// What `visit` takes of the leaves at and below `root`.
    fn start(&mut self, root: NodeId) -> Option<R> {
        self.captures.truncate(0);
        self.descend(root, 1)
    }

    /// What `visit` takes of the leaves at and below `node`, where the next segment begins at offset `start`; beyond the
    /// path there is none. When it takes none, the captures are as they were.
    fn descend(&mut self, node: NodeId, start: usize) -> Option<R> {
        let captures = self.captures.len();
        let taken = self.follow(node, start);
        if taken.is_none() {
            self.captures.truncate(captures);
        }
        taken
    }

    /// As [`Walk::descend`], but the captures are left as they are. The last edge that fits is followed in the loop: only
    /// where there is another to come back for does the walk remember where it was.
    fn follow(&mut self, mut node: NodeId, mut start: usize) -> Option<R> {
        loop {
            #[cfg(test)]
            {
                self.visits += 1;
            }
            let here = &self.nodes[node as usize];
            if start > self.path.len() {
                return (self.visit)(&here.end);
            }
            let segment = self.path.segment_at(start);
            let next = segment.end + 1;
            let one = here.one.filter(|_| !segment.is_empty());
            if let Some(child) = here.literals.find(self.path, &segment) {
                if one.is_none() && here.rest.is_empty() {
                    (node, start) = (child, next);
                    continue;
                }
                if let Some(taken) = self.descend(child, next) {
                    return Some(taken);
                }
            }
            if let Some(child) = one {
                let captures = self.captures.len();
                self.captures.push(start..segment.end);
                if here.rest.is_empty() {
                    (node, start) = (child, next);
                    continue;
                }
                if let Some(taken) = self.descend(child, next) {
                    return Some(taken);
                }
                self.captures.truncate(captures);
            }
            if here.rest.is_empty() {
                return None;
            }
            self.captures.push(start..self.path.len());
            return (self.visit)(&here.rest);
        }
    }
}

impl MethodSet {
    /// Whether `method` is among them.
    pub fn contains(&self, method: Method) -> bool {
        self.0.contains(&method)
    }

    /// The methods, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Method> {
        self.0.iter().copied()
    }

    fn insert(&mut self, method: Method) {
        if let Err(at) = self.0.binary_search_by(|present| present.as_str().cmp(method.as_str())) {
            self.0.insert(at, method);
        }
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            write!(f, "{}{method}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Conflict {
    fn between(refused: &Pattern, present: &Pattern) -> Conflict {
        let shared = refused.example_shared_with(present);
        Conflict { refused: refused.text().into(), present: present.text().into(), shared }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict { refused, present, shared } = self;
        write!(
            f,
            "route `{refused}` conflicts with `{present}`: both answer `{shared}`, and neither is more specific; "
        )?;
        f.write_str("drop one, or narrow it until it answers only a part of what the other does")
    }
}

impl std::error::Error for Conflict {}
