//! Tables of requests and of conflicts, and the bound on the work of a lookup.

use std::collections::HashSet;

use super::*;

fn tree_of<S: AsRef<str>>(patterns: &[S]) -> RouteTree<usize> {
    let mut tree = RouteTree::new();
    for (index, text) in patterns.iter().enumerate() {
        let pattern = Pattern::parse(text.as_ref()).unwrap();
        tree.insert(pattern, index).unwrap_or_else(|conflict| panic!("{conflict}"));
    }
    tree
}

/// What `request`, written as a method, a host or none, and a path, gets: a pattern and its captures, 405 and Allow, or
/// 404.
fn answer<T>(tree: &RouteTree<T>, request: &str) -> String {
    let (method, target) = request.split_once(' ').unwrap();
    let (host, path) = target.split_at(target.find(['/', '|']).unwrap_or(0));
    let host = Some(host.as_bytes()).filter(|host| !host.is_empty());
    let method = Method::parse(method.as_bytes()).unwrap();
    let mut captures = Captures::default();
    match tree.lookup(method, host, path.trim_start_matches('|').as_bytes(), &mut captures) {
        Lookup::Found(route) => {
            assert_eq!(captures.len(), route.pattern.captures().len(), "{request}");
            let captured = route.pattern.captures().zip(captures.iter());
            captured
                .fold(route.pattern.text().to_owned(), |shown, (name, span)| format!("{shown} {name}={}", &path[span]))
        }
        Lookup::WrongMethod(methods) => {
            assert!(captures.is_empty(), "{request}");
            format!("405 {methods}")
        }
        Lookup::NotFound => {
            assert!(captures.is_empty(), "{request}");
            "404".into()
        }
    }
}

fn check(tree: &RouteTree<usize>, rows: &[(&str, &str)]) {
    for (request, expected) in rows {
        assert_eq!(answer(tree, request), *expected, "{request}");
    }
}

#[test]
fn the_most_specific_route_answers() {
    let tree = tree_of(&[
        "GET /",
        "GET /users",
        "POST /users",
        "GET /users/{id}",
        "GET /users/me",
        "POST /users/{id}/posts",
        "GET /users/{id}/posts/{post}",
        "GET /files/{rest...}",
        "GET /files/{name}",
        "GET /files/",
        "DELETE /users/{any...}",
        "/anything",
        "GET /anything",
        "HEAD /anything",
        "GET /x/",
        "BREW /pot",
    ]);
    check(
        &tree,
        &[
            ("GET /", "GET /"),
            ("GET /users", "GET /users"),
            ("POST /users", "POST /users"),
            ("GET /users/7", "GET /users/{id} id=7"),
            ("GET /users/me", "GET /users/me"),
            ("GET /users/met", "GET /users/{id} id=met"),
            ("GET /users/m", "GET /users/{id} id=m"),
            ("POST /users/me/posts", "POST /users/{id}/posts id=me"),
            ("GET /users/me/posts/1", "GET /users/{id}/posts/{post} id=me post=1"),
            ("GET /files/", "GET /files/"),
            ("GET /files/a", "GET /files/{name} name=a"),
            ("GET /files/a/", "GET /files/{rest...} rest=a/"),
            ("GET /files//", "GET /files/{rest...} rest=/"),
            ("GET /files/a/b.txt", "GET /files/{rest...} rest=a/b.txt"),
            ("DELETE /users/", "DELETE /users/{any...} any="),
            ("DELETE /users/me/posts", "DELETE /users/{any...} any=me/posts"),
            ("HEAD /users/me", "GET /users/me"),
            ("HEAD /anything", "HEAD /anything"),
            ("GET /anything", "GET /anything"),
            ("PATCH /anything", "/anything"),
            ("GRILL /anything", "/anything"),
            ("BREW /pot", "BREW /pot"),
            ("GET /x/", "GET /x/"),
        ],
    );
}

#[test]
fn what_has_no_route_says_which_methods_it_has() {
    let tree = tree_of(&["GET /a", "POST /a", "PUT /{x}", "BREW /a", "GET /u/{id}", "HEAD /h", "h.t/o", "POST h.t/a"]);
    check(
        &tree,
        &[
            ("PATCH /a", "405 BREW, GET, HEAD, OPTIONS, POST, PUT"),
            ("OPTIONS /a", "405 BREW, GET, HEAD, OPTIONS, POST, PUT"),
            ("GRILL /b", "405 OPTIONS, PUT"),
            ("GET /h", "405 HEAD, OPTIONS, PUT"),
            ("PATCH h.t/a", "405 BREW, GET, HEAD, OPTIONS, POST, PUT"),
            ("PATCH h.t/b", "405 OPTIONS, PUT"),
            ("GET /", "404"),
            ("GET /a/", "404"),
            ("GET /u", "405 OPTIONS, PUT"),
            // An empty id is no id.
            ("GET /u/", "404"),
            ("GET /u/1/", "404"),
            ("GET /u//1", "404"),
            ("GET //a", "404"),
            ("GET //", "404"),
            ("GET /A/b", "404"),
            ("GET /o/p", "404"),
            ("OPTIONS |*", "404"),
            ("GET |", "404"),
            ("GET |a", "404"),
        ],
    );
}

#[test]
fn an_encoded_segment_is_its_literal_and_a_capture_stays_as_it_came() {
    let tree = tree_of(&["GET /admin", "GET /{x}", "GET /caf%C3%A9/{y}", "GET /a%2fb/c", "GET /100%25/c"]);
    check(
        &tree,
        &[
            // Hiding a literal behind an escape must not lead past its route to the wildcard.
            ("GET /%61dmin", "GET /admin"),
            ("GET /%61%64%6d%69%6E", "GET /admin"),
            ("GET /adm%69n", "GET /admin"),
            ("GET /adm%2569n", "GET /{x} x=adm%2569n"),
            ("GET /admin%", "GET /{x} x=admin%"),
            ("GET /admin%2", "GET /{x} x=admin%2"),
            ("GET /admin%00", "GET /{x} x=admin%00"),
            ("GET /admin%2F", "GET /{x} x=admin%2F"),
            ("GET /ADMIN", "GET /{x} x=ADMIN"),
            ("GET /café/%41", "GET /caf%C3%A9/{y} y=%41"),
            ("GET /caf%c3%a9/a%2Fb", "GET /caf%C3%A9/{y} y=a%2Fb"),
            ("GET /a%2Fb/c", "GET /a%2fb/c"),
            ("GET /a/b/c", "404"),
            ("GET /100%/c", "GET /100%25/c"),
        ],
    );
}

#[test]
fn a_narrower_host_goes_before_everything_else() {
    let tree = tree_of(&[
        "GET /a/b",
        "/{any...}",
        "*.Example.com/{tenant}/b",
        "GET api.example.com/{rest...}",
        "POST api.example.com/a/b",
        "localhost/x",
    ]);
    check(
        &tree,
        &[
            ("GET /a/b", "GET /a/b"),
            ("GET api.example.com/a/b", "GET api.example.com/{rest...} rest=a/b"),
            ("GET API.EXAMPLE.COM:8080/a/b", "GET api.example.com/{rest...} rest=a/b"),
            ("GET api.example.com:/a/b", "GET api.example.com/{rest...} rest=a/b"),
            ("POST api.example.com/a/b", "POST api.example.com/a/b"),
            ("PUT api.example.com/a/b", "*.Example.com/{tenant}/b tenant=a"),
            ("PUT api.example.com/a/c", "/{any...} any=a/c"),
            ("GET shop.example.com/a/b", "*.Example.com/{tenant}/b tenant=a"),
            ("GET a.shop.example.com/a/b", "GET /a/b"),
            ("GET .example.com/a/b", "GET /a/b"),
            ("GET example.com/a/b", "GET /a/b"),
            ("GET xexample.com/a/b", "GET /a/b"),
            ("GET api.example.com.evil/a/b", "GET /a/b"),
            ("GET api.example.com:80x/a/b", "GET /a/b"),
            ("GET [::1]:80/a/b", "GET /a/b"),
            ("GET localhost/x", "localhost/x"),
        ],
    );
}

#[test]
fn patterns_conflict_when_neither_is_more_specific() {
    // The request shown is in both; none means that the two may stand together.
    for (one, other, shared) in [
        ("/a", "/a", Some("GET /a")),
        ("GET /{x}", "GET /{y}", Some("GET /x")),
        ("/{x...}", "/{y...}", Some("GET /x")),
        ("/a%2Db", "/a-b", Some("GET /a-b")),
        ("/%C3%A9%2F", "/é%2f", Some("GET /%C3%A9%2F")),
        ("A.b/x", "a.B/x", Some("GET /x")),
        ("*.b/x", "*.B/x", Some("GET /x")),
        ("/posts/{id}", "/{resource}/latest", Some("GET /posts/latest")),
        ("/{a}/{b...}", "/{c...}", None),
        ("/{a}/b/{c...}", "/x/{d...}", Some("GET /x/b/x")),
        ("/{a}/", "/x/{d...}", Some("GET /x/")),
        ("/{a...}", "/x/{b}/", None),
        ("GET /{x}", "/latest", Some("GET /latest")),
        ("POST /{x}", "/latest", Some("POST /latest")),
        ("HEAD /{x}", "GET /latest", Some("HEAD /latest")),
        ("GET /{x}", "HEAD /latest", None),
        ("HEAD /x", "GET /x", None),
        ("GET /x", "/x", None),
        ("GET /x", "POST /x", None),
        ("GET /{x}/a", "POST /a/{x}", None),
        ("/posts/{id}", "/posts/latest", None),
        ("/x", "/x/", None),
        ("/x", "/x/{rest...}", None),
        ("/x/", "/x/{rest...}", None),
        ("/x/{id}", "/x/{rest...}", None),
        ("/x/{id}", "/x/", None),
        ("/{a}/b", "/c/{d}/e", None),
        ("h/{x}/a", "/a/{x}", None),
        ("h.t/{x}/a", "*.t/a/{x}", None),
        ("*.t/{x}/a", "*.u/a/{x}", None),
    ] {
        for (first, second) in [(one, other), (other, one)] {
            let mut tree = tree_of(&[first]);
            let refused = tree.insert(Pattern::parse(second).unwrap(), 1).map_err(|conflict| conflict.to_string());
            let Some(shared) = shared else {
                assert_eq!(refused, Ok(()), "{first} {second}");
                continue;
            };
            let message = refused.expect_err(second);
            assert!(message.starts_with(&format!("route `{second}` conflicts with `{first}`: ")), "{message}");
            assert!(message.contains(&format!("both answer `{shared}`")), "{message}");
            assert_eq!(tree.iter().count(), 1);
        }
    }
}

#[test]
fn methods_are_known_by_registration_or_by_name() {
    let tree = tree_of(&["BREW /pot", "/any"]);
    for (method, known) in
        [("GET", true), ("HEAD", true), ("PATCH", true), ("BREW", true), ("GRILL", false), ("brew", false)]
    {
        assert_eq!(tree.knows_method(Method::parse(method.as_bytes()).unwrap()), known, "{method}");
    }
}

#[test]
fn routes_are_listed_in_the_order_they_were_added() {
    let patterns = ["POST /b", "/a", "GET h/{c}"];
    let tree = tree_of(&patterns);
    assert!(tree.iter().map(|route| (route.pattern.text(), route.value)).eq(patterns.into_iter().zip(0..)));
    assert_eq!(tree.iter().last().map(|route| route.pattern.path()), Some("/{c}"));
}

#[test]
fn captures_beyond_the_inline_ones_are_kept() {
    let pattern: String = (0..CAPTURES_INLINE + 3).map(|index| format!("/{{c{index}}}")).collect();
    let tree = tree_of(&[pattern]);
    let shown = answer(&tree, "GET /0/1/2/3/4/5/6/7/8/9/ten");
    assert!(shown.ends_with(" c7=7 c8=8 c9=9 c10=ten"), "{shown}");
}

/// Nodes visited when every leaf that `path` reaches is declined: the most that a lookup can do.
fn visits(tree: &RouteTree<usize>, path: &str) -> usize {
    let mut captures = Captures::default();
    let mut walk = Walk::new(&tree.nodes, path.as_bytes(), &mut captures, |_| None::<()>);
    assert_eq!(walk.start(ROOT), None);
    walk.visits
}

/// The bound that the head of `route_tree.rs` states: levels x arrangements of wildcards.
fn visits_max(patterns: &[String]) -> usize {
    let levels = patterns.iter().map(|pattern| pattern.split('/').count()).max().unwrap_or(0);
    let arrangement = |pattern: &String| pattern.split('/').map(|segment| segment.starts_with('{')).collect::<Vec<_>>();
    levels * patterns.iter().map(arrangement).collect::<HashSet<_>>().len()
}

#[test]
fn no_path_makes_a_lookup_explode() {
    let mixed = |arrangement: usize, levels: usize| -> String {
        let segment = |level| if arrangement >> level & 1 == 1 { format!("/{{w{level}}}") } else { "/a".into() };
        (0..levels).map(segment).collect()
    };
    let tables = [
        // Every arrangement of eight wildcards, told apart by the end only: the worst that a table can be.
        (0..256).map(|arrangement| format!("{}/end{arrangement}", mixed(arrangement, 8))).collect(),
        // As long as patterns get, and one that differs from the path at its very end.
        vec![format!("{}/end", mixed(usize::MAX, 60)), format!("{}/end", mixed(0, 60)), "/{rest...}".into()],
        // One wildcard, wherever it is.
        (0..40).map(|level| format!("{}/end{level}", mixed(1 << level, 40))).collect::<Vec<_>>(),
    ];
    for patterns in tables {
        let tree = tree_of(&patterns);
        for path in ["/a".repeat(8), "/a".repeat(50_000), "/".repeat(50_000), format!("{}/end", "/a".repeat(60))] {
            let (visits, bound) = (visits(&tree, &path), visits_max(&patterns).min(tree.nodes.len()));
            assert!(visits <= bound, "{visits} visits, at most {bound} expected");
        }
    }
}
