//! Owns the list of all routes, grouped by application, as the home page shows it.
//!
//! The one idea: nobody writes the list. It is taken from the table of routes while the applications add theirs, so no
//! route can be missing.
//!
//! Never: lists files that pages are made of.

use crate::app::page::escaped;
use crate::http::pattern::Pattern;
use crate::http::{Method, Router};

/// Where the files of pages are.
const ASSETS: &str = "/assets/";

/// Columns of the methods in text.
const METHODS_COLUMNS: usize = 17;

/// All routes, grouped by application.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    groups: Vec<Group>,
    /// Patterns of the router that are in a group.
    seen: usize,
}

#[derive(Clone, Debug)]
struct Group {
    name: &'static str,
    lines: Vec<Line>,
}

/// A path with everything that can be asked of it.
#[derive(Clone, Debug)]
struct Line {
    path: String,
    /// None means any.
    methods: Vec<Method>,
    /// Whether a link can lead there.
    is_plain: bool,
}

impl Contents {
    /// Lists what was added to `router` since the last call as the routes of `application`.
    pub fn add<S: Clone + Send + Sync + 'static>(&mut self, application: &'static str, router: &Router<S>) {
        self.add_patterns(application, router.patterns().skip(self.seen));
        self.seen = router.patterns().count();
    }

    /// Lists `patterns` as the routes of an application that answers for itself where it is mounted.
    pub fn add_patterns<'a>(&mut self, application: &'static str, patterns: impl Iterator<Item = &'a Pattern>) {
        let mut lines: Vec<Line> = Vec::new();
        for pattern in patterns.filter(|pattern| !pattern.path().starts_with(ASSETS)) {
            let answers_get = pattern.method().is_none_or(|method| method == Method::GET);
            let is_plain = answers_get && pattern.captures().len() == 0;
            match lines.iter_mut().find(|line| line.path == pattern.path()) {
                Some(line) => {
                    line.methods.extend(pattern.method());
                    line.is_plain |= is_plain;
                }
                None => lines.push(Line {
                    path: pattern.path().to_owned(),
                    methods: pattern.method().into_iter().collect(),
                    is_plain,
                }),
            }
        }
        self.groups.push(Group { name: application, lines });
    }

    pub(super) fn html(&self) -> String {
        let group = |group: &Group| {
            let lines: String = group.lines.iter().map(Line::html).collect();
            format!("<h3>{}</h3>\n<ul>\n{lines}</ul>\n", escaped(group.name))
        };
        let groups: String = self.groups.iter().map(group).collect();
        format!(
            "<section class=\"routes\" aria-labelledby=\"routes\">\n<h2 id=\"routes\">All routes</h2>\n{groups}</section>\n"
        )
    }

    pub(super) fn text(&self) -> String {
        let mut text = "\nAll routes:\n".to_owned();
        for group in &self.groups {
            text += &format!("\n  {}\n", group.name);
            for line in &group.lines {
                text += &format!("    {:<METHODS_COLUMNS$} {}\n", line.methods(), line.path);
            }
        }
        text
    }
}

impl Line {
    fn methods(&self) -> String {
        if self.methods.is_empty() {
            return "any".to_owned();
        }
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        names.join(", ")
    }

    fn html(&self) -> String {
        let path = escaped(&self.path);
        let path = if self.is_plain { format!("<a href=\"{path}\">{path}</a>") } else { path.to_string() };
        format!("<li><code><span>{}</span> {path}</code></li>\n", escaped(&self.methods()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    async fn hello(_: (), _: Request) -> &'static str {
        "hello"
    }

    #[test]
    fn routes_are_listed_under_the_application_that_added_them() {
        let mut contents = Contents::default();
        let router = Router::new(()).route("GET /a", hello).route("GET /assets/a.css", hello);
        contents.add("One", &router);
        let router = router.route("POST /b", hello).route("PUT /b", hello).route("/c/{d}", hello);
        contents.add("Two", &router);
        let mounted = Router::new(()).route("GET /e/{f...}", hello).build().expect("one route");
        contents.add_patterns("Three & four", mounted.patterns());

        let expected = "\nAll routes:\n\n  One\n    GET               /a\n\n  Two\n    POST, PUT         /b\n    any               \
                        /c/{d}\n\n  Three & four\n    GET               /e/{f...}\n";
        assert_eq!(contents.text(), expected);
        let html = contents.html();
        for expected in [
            "<h3>One</h3>\n<ul>\n<li><code><span>GET</span> <a href=\"/a\">/a</a></code></li>\n</ul>",
            "<li><code><span>POST, PUT</span> /b</code></li>\n<li><code><span>any</span> /c/{d}</code></li>",
            "<h3>Three &amp; four</h3>\n<ul>\n<li><code><span>GET</span> /e/{f...}</code></li>\n</ul>",
        ] {
            assert!(html.contains(expected), "{expected}\nis not in\n{html}");
        }
    }
}
