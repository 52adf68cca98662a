//! Owns what a client wants to be true of a product before it changes it.
//!
//! The one idea: nobody overwrites what he has not seen. A change names the version that it was made for; if that is not there
//! any more, nothing is changed.
//!
//! Spec: RFC 9110 13.1.1 (If-Match, compared strongly), 13.1.2 (If-None-Match, weakly), 13.2.2 (If-Match first).

/// What must be true of the version that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preconditions {
    /// It is one of these.
    pub matches: Versions,
    /// It is none of these.
    pub none_matches: Option<Versions>,
}

/// Some versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Whichever there is.
    Any,
    /// These.
    These(Vec<i64>),
}

impl Preconditions {
    /// Whether they are met by a product of this version.
    pub fn are_met_by(&self, version: i64) -> bool {
        self.matches.have(version) && self.none_matches.as_ref().is_none_or(|none| !none.have(version))
    }
}

impl Versions {
    fn have(&self, version: i64) -> bool {
        match self {
            Versions::Any => true,
            Versions::These(versions) => versions.contains(&version),
        }
    }
}
