//! Owns the paths that are found as a whole: those of the patterns without a wildcard.
//!
//! The one idea: a literal is tried before every wildcard, at each level. So where a path is the text of a pattern, octet
//! by octet, no walk through the tree can come to another leaf first. One look replaces a step for each segment:
//! over the routes of GitHub's API that have no wildcard, a lookup takes half as long (`route` in `benches`).
//!
//! Never: knows a path that has another spelling: a `%` or a `/` inside of a literal leaves its pattern to the tree.

use super::NodeId;
use super::hash_table::{HashTable, spread};
use crate::http::pattern::Segment;

/// Paths, each with the node that it ends at.
#[derive(Debug)]
pub(super) struct WholePaths {
    paths: HashTable<WholePath>,
}

#[derive(Debug)]
struct WholePath {
    ends: Ends,
    path: Box<[u8]>,
    node: NodeId,
}

/// The first eight octets of a path and the last eight, which together are all of one that has at most sixteen. Of a
/// path that is shorter than eight, both are the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    first: u64,
    last: u64,
}

impl Ends {
    #[inline(always)]
    fn of(path: &[u8]) -> Ends {
        match (path.first_chunk(), path.last_chunk()) {
            (Some(first), Some(last)) => Ends { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last) },
            _ => {
                let word = path.iter().fold(0, |word, &octet| word << 8 | u64::from(octet));
                Ends { first: word, last: word }
            }
        }
    }

    #[inline(always)]
    fn hash(self) -> usize {
        spread(self.first.rotate_left(23) ^ self.last)
    }
}

impl WholePaths {
    pub(super) const fn new() -> WholePaths {
        WholePaths { paths: HashTable::new() }
    }

    /// The node at which the walk along `path` ends first, when that is known.
    #[inline(always)]
    pub(super) fn find(&self, path: &[u8]) -> Option<NodeId> {
        let ends = Ends::of(path);
        let found = self.paths.find(ends.hash(), |whole| {
            whole.ends == ends && whole.path.len() == path.len() && (path.len() <= 16 || *whole.path == *path)
        });
        found.map(|whole| whole.node)
    }

    /// Notes that the path of `segments` ends at `node`, if it has one spelling.
    pub(super) fn insert(&mut self, segments: &[Segment], node: NodeId) {
        let Some(path) = spelled(segments).filter(|path| self.find(path).is_none()) else { return };
        let whole = WholePath { ends: Ends::of(&path), path: path.into(), node };
        self.paths.insert(whole, |whole| whole.ends.hash());
    }
}

/// The one path that is `segments`, when there is one.
fn spelled(segments: &[Segment]) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    for segment in segments {
        match segment {
            Segment::Literal(octets) if !octets.iter().any(|octet| matches!(octet, b'%' | b'/')) => {
                path.push(b'/');
                path.extend_from_slice(octets);
            }
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pattern::Pattern;

    #[test]
    fn a_path_without_a_wildcard_is_found_as_it_is_spelled() {
        let patterns = [
            "/",
            "/a",
            "/a/",
            "/b",
            "/abcdef",
            "/abcdefg",
            "/abcdefgh",
            "/a/b/c/d",
            "/abcdefg/12345678",
            "/abcdefg/x/2345678",
            "/{x}/b",
            "/a/{rest...}",
            "/a%2Fb",
            "/100%25",
            "/caf%C3%A9",
        ];
        let mut paths = WholePaths::new();
        for (node, text) in patterns.iter().enumerate() {
            paths.insert(Pattern::parse(text).unwrap().segments(), node as NodeId);
        }
        for (node, text) in patterns.iter().enumerate() {
            let expected = Some(node as NodeId).filter(|_| !text.contains(['{', '%']));
            assert_eq!(paths.find(text.as_bytes()), expected, "{text}");
        }
        for other in ["", "/c", "/a/b", "/abcdefgi", "/abcdefg/x2345678", "/abcdefg/y/2345678", "//", "/a//"] {
            assert_eq!(paths.find(other.as_bytes()), None, "{other}");
        }
    }
}
