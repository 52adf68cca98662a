//! Owns whom a token is meant for.
//!
//! The one idea: a service takes a token only if it is named in it (RFC 9068 4), so a token that is meant for one service is
//! worth nothing to another one that it was shown to.
//!
//! Spec: RFC 8707 2 (`resource`: an absolute URI without a fragment; `invalid_target`), RFC 8693 2.1 (`audience`: a name).
//! Never: takes a name that it does not know.

use crate::app::identity::domain::parameters::Parameters;
use crate::app::identity::domain::refused::{Code, Refused};

/// A service that tokens may be meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Its name, as it stands in `aud`.
    pub name: String,
    /// The URI that it is known by, for `resource`.
    pub uri: String,
    /// Whether it has to be named: a token that says nothing of it is not for it.
    pub is_on_request: bool,
}

/// The names that the token of a request is for: those that its parameters name, or all of `known` that need not be named.
///
/// # Errors
/// `invalid_target` for one that is not known.
pub fn asked(known: &[Audience], parameters: &Parameters) -> Result<Vec<String>, Refused> {
    let by_name = parameters.all("audience").map(|name| known.iter().find(|audience| audience.name == name));
    let by_uri = parameters.all("resource").map(|uri| known.iter().find(|audience| audience.uri == uri));
    let mut names: Vec<String> = Vec::new();
    for found in by_name.chain(by_uri) {
        let found = found.ok_or(Code::InvalidTarget.because("audience or resource names no service of this issuer"))?;
        if !names.contains(&found.name) {
            names.push(found.name.clone());
        }
    }
    if names.is_empty() {
        let usual = known.iter().filter(|audience| !audience.is_on_request);
        names.extend(usual.map(|audience| audience.name.clone()));
    }
    Ok(names)
}

/// The names of `granted` that a refresh asks for: some, or all that are known still.
///
/// # Errors
/// `invalid_target` for one that was not granted (RFC 8707 2.2), and when none of those that were is known any more.
pub fn narrowed(granted: &[String], known: &[Audience], parameters: &Parameters) -> Result<Vec<String>, Refused> {
    const GONE: Refused =
        Code::InvalidTarget.because("none that this grant was for is a service of this issuer any more");
    if parameters.get("audience").or(parameters.get("resource")).is_none() {
        let is_known = |name: &&String| known.iter().any(|audience| audience.name == **name);
        let names: Vec<String> = granted.iter().filter(is_known).cloned().collect();
        return if names.is_empty() { Err(GONE) } else { Ok(names) };
    }
    let names = asked(known, parameters)?;
    let refused = Code::InvalidTarget.because("this grant is not for that audience");
    names.iter().all(|name| granted.contains(name)).then_some(names).ok_or(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Audience> {
        let audience = |name: &str, is_on_request| {
            let uri = format!("https://a.example/{name}");
            Audience { name: name.to_owned(), uri, is_on_request }
        };
        vec![audience("catalog", false), audience("billing", false), audience("identity", true)]
    }

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Parameters::parse(pairs).expect("parameters")
    }

    #[test]
    fn a_token_is_for_whom_it_is_asked() {
        let check = |pairs: &[(&str, &str)], expected: Option<&[&str]>| {
            let names = asked(&known(), &parameters(pairs)).ok();
            assert_eq!(names, expected.map(|names| names.iter().map(|&name| name.to_owned()).collect()), "{pairs:?}");
        };
        check(&[], Some(&["catalog", "billing"]));
        check(&[("audience", "billing")], Some(&["billing"]));
        check(&[("audience", "identity")], Some(&["identity"]));
        check(&[("audience", "billing"), ("audience", "billing")], Some(&["billing"]));
        check(&[("resource", "https://a.example/catalog")], Some(&["catalog"]));
        let both = [("resource", "https://a.example/catalog"), ("audience", "billing")];
        check(&both, Some(&["billing", "catalog"]));
        for wrong in ["elsewhere", "Catalog", "https://a.example/catalog", "catalog billing"] {
            check(&[("audience", wrong)], None);
        }
        for wrong in
            ["catalog", "https://a.example/catalog#x", "https://a.example/catalog/", "http://a.example/catalog"]
        {
            check(&[("resource", wrong)], None);
        }
        check(&[("audience", "catalog"), ("audience", "elsewhere")], None);
    }

    #[test]
    fn a_refresh_asks_for_no_more_than_was_granted() {
        let granted = vec!["catalog".to_owned()];
        let ask = |pairs: &[(&str, &str)]| narrowed(&granted, &known(), &parameters(pairs));
        assert_eq!(ask(&[]), Ok(granted.clone()));
        assert_eq!(ask(&[("audience", "catalog")]), Ok(granted.clone()));
        for more in ["billing", "elsewhere"] {
            assert_eq!(ask(&[("audience", more)]).expect_err("refused").code, Code::InvalidTarget);
        }
        let of_then = ["catalog".to_owned(), "closed".to_owned()];
        assert_eq!(narrowed(&of_then, &known(), &parameters(&[])), Ok(granted.clone()), "what is gone is not granted");
        assert!(narrowed(&of_then[1..], &known(), &parameters(&[])).is_err(), "nor is everything, in place of nothing");
    }
}
