//! Owns what `firstbyte check` was told: which server, which rows, how patiently.
//!
//! Never: resolves a name; sends anything.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::ArgMatches;
use firstbyte::conformance::{Level, Pace, Requirement, Target, rows};
use firstbyte::http::authority::validate_authority;
use firstbyte::http::h1::grammar;

use crate::cli::value;

/// Patience that makes sense.
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// How much longer an answer may take than a silence, and all of a row: content is sent meanwhile.
const ANSWER_PATIENCES: u32 = 3;
const ROW_PATIENCES: u32 = 15;
const ROW_LEAST: Duration = Duration::from_secs(15);

/// What was asked for.
pub struct Wanted {
    /// `None` for a list.
    pub url: Option<Url>,
    pub get: Option<String>,
    pub echo: Option<String>,
    pub only: Vec<Only>,
    pub jobs: usize,
    pub patience: Duration,
    pub json: bool,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub authority: String,
    pub path: String,
}

/// A choice of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only {
    Level(Level),
    /// The beginning of their ids.
    Id(String),
}

impl Wanted {
    /// Reads what clap has parsed.
    ///
    /// # Errors
    /// When a choice of rows means none.
    pub fn of(matches: &ArgMatches) -> Result<Wanted, String> {
        let path = |name: &str| matches.get_one::<String>(name).cloned();
        let wanted = Wanted {
            url: matches.get_one::<Url>("url").cloned(),
            get: path("get"),
            echo: path("echo"),
            only: matches.get_many::<Only>("only").unwrap_or_default().cloned().collect(),
            jobs: matches.get_one::<u16>("jobs").copied().map_or(1, usize::from),
            patience: matches.get_one::<Duration>("patience").copied().unwrap_or(*PATIENCE.start()),
            json: matches.get_flag("json"),
        };
        match wanted.only.iter().find(|only| !rows().any(|row| only.means(row))) {
            Some(Only::Id(id)) => Err(format!("--only: no row's id begins with `{id}`, and no level is called so")),
            _ if !rows().any(|row| wanted.includes(row)) => Err("--only: there are no such rows".to_owned()),
            _ => Ok(wanted),
        }
    }

    /// Whether a row was asked for: one of the levels, if any is named, and one of the ids, if any is named.
    pub fn includes(&self, row: &Requirement) -> bool {
        let (levels, ids): (Vec<&Only>, Vec<&Only>) = self.only.iter().partition(|only| matches!(only, Only::Level(_)));
        [levels, ids].iter().all(|group| group.is_empty() || group.iter().any(|only| only.means(row)))
    }

    /// What probes are to name.
    pub fn target(&self, url: &Url) -> Target {
        let get = self.get.clone().unwrap_or_else(|| url.path.clone());
        let echo = Some(self.echo.clone().unwrap_or_else(|| "/echo".to_owned()));
        Target { host: url.authority.clone(), get, echo }
    }

    pub fn pace(&self) -> Pace {
        Pace {
            silence: self.patience,
            answer: ANSWER_PATIENCES * self.patience,
            whole: (ROW_PATIENCES * self.patience).max(ROW_LEAST),
            ..Pace::default()
        }
    }
}

impl Url {
    /// Reads `[http://] authority [path]`, or a port alone, which is one of 127.0.0.1 as for `serve --listen`.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(word: &str) -> Result<Url, String> {
        if word.parse::<u16>().is_ok() {
            return Url::parse(&format!("127.0.0.1:{word}"));
        }
        let rest = match word.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(
                    "check speaks plain HTTP only, no TLS: name a port that does, as http://HOST:PORT".to_owned()
                );
            }
            Some(_) => return Err("write http://HOST:PORT".to_owned()),
            None => word,
        };
        let (authority, given) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        validate_authority(authority.as_bytes())
            .map_err(|at| format!("`{authority}` is no HOST:PORT, at byte {at}; write http://127.0.0.1:8080"))?;
        let given = if given.is_empty() { "/" } else { given };
        Ok(Url { authority: authority.to_owned(), path: path(given)? })
    }
}

impl Only {
    /// Reads a level or the beginning of an id.
    ///
    /// # Errors
    /// Never: what means no row is refused with the rows at hand.
    pub fn parse(word: &str) -> Result<Only, String> {
        let levels = [Level::Must, Level::Should, Level::Choice];
        let level = levels.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(word));
        Ok(level.map_or_else(|| Only::Id(word.to_owned()), Only::Level))
    }

    fn means(&self, row: &Requirement) -> bool {
        match self {
            Only::Level(level) => row.level == *level,
            Only::Id(id) => row.id.starts_with(id),
        }
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Only::Level(level) => level.fmt(f),
            Only::Id(id) => f.write_str(id),
        }
    }
}

/// Reads the path of a resource, perhaps with a query.
///
/// # Errors
/// When it could not stand in a request-line.
pub fn path(word: &str) -> Result<String, String> {
    let is_target = word.bytes().all(|byte| grammar::is_target(byte) && byte != b'#');
    if word.starts_with('/') && is_target {
        return Ok(word.to_owned());
    }
    Err("a path begins with `/` and holds neither `#`, spaces nor letters beyond ASCII: write those as %20".to_owned())
}

/// Reads how long a silence means that no more comes.
///
/// # Errors
/// When it is no time, or none of sense.
pub fn patience(word: &str) -> Result<Duration, String> {
    let time = value::time(word)?;
    if PATIENCE.contains(&time) { Ok(time) } else { Err(format!("`{word}` is not between 10ms and 60s")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(words: &[&str]) -> Result<Wanted, String> {
        let matches = super::super::command().try_get_matches_from([&["check"], words].concat());
        Wanted::of(&matches.map_err(|error| error.to_string())?)
    }

    #[test]
    fn an_address_is_written_as_people_write_it() {
        for (word, authority, path) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "/"),
            ("HTTP://example.com/a?b=c", "example.com", "/a?b=c"),
            ("localhost:80", "localhost:80", "/"),
            ("8080", "127.0.0.1:8080", "/"),
            ("http://[::1]:81/", "[::1]:81", "/"),
            ("::1", "", ""),
            ("https://example.com", "", ""),
            ("ftp://example.com", "", ""),
            ("http://user@example.com", "", ""),
            ("http://", "", ""),
            ("http://a b", "", ""),
            ("http://a/b c", "", ""),
            ("http://a?b", "", ""),
            ("http://a/#b", "", ""),
            ("http://a:99999", "", ""),
        ] {
            let expected = (!authority.is_empty()).then(|| Url { authority: authority.into(), path: path.into() });
            assert_eq!(Url::parse(word).ok(), expected, "{word}");
        }
        assert!(Url::parse("https://example.com").is_err_and(|error| error.contains("plain HTTP only")));
    }

    #[test]
    fn rows_are_chosen_by_level_and_by_id() {
        let count = |words: &[&str]| {
            let wanted = wanted(&[&["http://x"], words].concat()).expect("good");
            rows().filter(|row| wanted.includes(row)).count()
        };
        assert_eq!(count(&[]), rows().count());
        assert_eq!(count(&["--only", "MUST"]), rows().filter(|row| row.level == Level::Must).count());
        assert_eq!(count(&["--only", "target/fragment"]), 1);
        assert_eq!(count(&["--only", "should", "--only", "target/f"]), 1);
        assert!(wanted(&["http://x", "--only", "nothing/like-this"]).is_err());
        assert!(wanted(&["http://x", "--only", "target/fragment", "--only", "choice"]).is_err());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for words in [
            &[][..],
            &["--markdown", "http://x"],
            &["--list", "http://x"],
            &["--list", "--json"],
            &["http://x", "--jobs=0"],
            &["http://x", "--jobs=1000"],
            &["http://x", "--patience=5"],
            &["http://x", "--patience=0s"],
            &["http://x", "--patience=off"],
            &["http://x", "--get=index.html"],
            &["http://x", "--echo=/a b"],
            &["http://x", "http://y"],
        ] {
            assert!(wanted(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn the_path_of_the_address_is_asked_for_unless_another_is_named() {
        let get = |words: &[&str]| {
            let wanted = wanted(words).expect("good");
            wanted.target(wanted.url.as_ref().expect("an address")).get
        };
        assert_eq!(get(&["http://x/a"]), "/a");
        assert_eq!(get(&["http://x/a", "--get", "/b"]), "/b");
    }
}
