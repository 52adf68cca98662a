//! Owns how settings come together: defaults, then a file, then the environment, then flags; the later one wins.
//!
//! The one idea: every layer is read whole, and every fault is kept, so that all is said at once. Each value remembers
//! where it came from.
//!
//! ```text
//!   defaults <── --config FILE <── FIRSTBYTE_…, RUST_LOG, PORT, … <── flags
//!                                        │
//!                         Effective { settings, origins }   or   every complaint
//! ```
//!
//! Never: ignores a key of the file that it does not know. It does ignore such variables, since Kubernetes makes some up
//! (`FIRSTBYTE_SERVICE_HOST`); one that looks like a slip is hinted at.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use clap::ArgMatches;
use firstbyte::jwt::Algorithm;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{SETTINGS, Setting, Settings, VARIABLE_PREFIX};

/// How many slips of the keyboard a name may be away from the one that was meant, and how many of its own letters there
/// must be for each: `foo` is no `log`.
const SLIPS_MAX: usize = 3;
const LETTERS_A_SLIP: usize = 3;

/// Variables that other programs hear as well, and what they set here.
const CONVENTIONAL: [(&str, &str); 3] =
    [("RUST_LOG", "log"), ("REDIS_URL", "redis_url"), ("DATABASE_URL", "database_url")];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// File and line.
    File(String),
    Variable(String),
    Flag,
}

/// What is in force, and why.
#[derive(Debug)]
pub struct Effective {
    pub settings: Settings,
    /// As long as [`SETTINGS`], in its order.
    origins: Vec<Origin>,
    /// What is worth saying though nothing is wrong.
    pub hints: Vec<String>,
}

/// The layers that a process was given.
pub struct Layers<'a> {
    /// Path and text of the file.
    pub file: Option<(&'a Path, &'a str)>,
    pub environment: &'a HashMap<String, String>,
    pub flags: &'a ArgMatches,
}

impl Layers<'_> {
    /// Puts the layers on top of each other.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load(&self) -> Result<Effective, Vec<String>> {
        let mut loading = Loading::default();
        if let Some((path, text)) = self.file {
            loading.file(&path.display().to_string(), text);
        }
        loading.environment(self.environment);
        loading.flags(self.flags);
        loading.together();
        if !loading.complaints.is_empty() {
            return Err(loading.complaints);
        }
        Ok(loading.effective)
    }
}

impl Effective {
    /// Everything as a file for `--config`, each value with where it came from.
    pub fn print(&self) -> String {
        let mut text = String::new();
        let mut settings = self.settings.clone();
        let mut group = None;
        for (setting, origin) in SETTINGS.iter().zip(&self.origins) {
            if group.replace(setting.group) != Some(setting.group) {
                text += &format!("{}# {}\n", if text.is_empty() { "" } else { "\n" }, setting.group.heading());
            }
            let line = format!("{} = {}", setting.key, (setting.slot)(&mut settings).print());
            text += &format!("{line:<42} # {origin}\n");
        }
        text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(place) => f.write_str(place),
            Origin::Variable(name) => write!(f, "variable {name}"),
            Origin::Flag => f.write_str("flag"),
        }
    }
}

struct Loading {
    effective: Effective,
    complaints: Vec<String>,
}

impl Default for Loading {
    fn default() -> Self {
        let origins = vec![Origin::Default; SETTINGS.len()];
        let effective = Effective { settings: Settings::default(), origins, hints: Vec::new() };
        Loading { effective, complaints: Vec::new() }
    }
}

impl Loading {
    fn file(&mut self, path: &str, text: &str) {
        let line = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let (table, faults) = DeTable::parse_recoverable(text);
        for fault in &faults {
            let at = fault.span().map_or(0, |span| span.start);
            self.complaints.push(format!("{path}:{}: {}", line(at), fault.message()));
        }
        // What follows a fault is read as something else than was meant: nothing more is said of it.
        if !faults.is_empty() {
            return;
        }
        // The table is sorted by key; complaints are to come in the order of the file.
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            self.entry(&format!("{path}:{}", line(key.span().start)), key.get_ref(), value);
        }
    }

    fn entry(&mut self, place: &str, key: &str, value: &Spanned<DeValue<'_>>) {
        let Some(index) = SETTINGS.iter().position(|setting| setting.key == key) else {
            let hint = meant(key, SETTINGS.iter().map(|setting| setting.key.to_owned()));
            return self.complaints.push(format!("{place}: `{key}` is no setting{hint}"));
        };
        match words(value.get_ref()) {
            Ok(words) => self.set(index, &words, &format!("{place}: {key}"), Origin::File(place.to_owned())),
            Err(kind) => self.complaints.push(format!("{place}: {key}: a value of TOML type {kind} is not understood")),
        }
    }

    fn environment(&mut self, variables: &HashMap<String, String>) {
        let given = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        for (name, key) in CONVENTIONAL {
            if let Some(value) = given(name) {
                self.set_by_variable(index_of(key), name, value);
            }
        }
        for (index, setting) in SETTINGS.iter().enumerate() {
            let name = setting.variable();
            if let Some(value) = given(&name) {
                self.set_by_variable(index, &name, value);
            }
        }
        if let Some(port) = given("PORT") {
            self.port(port);
        }
        self.hint_at_slips(variables);
    }

    fn set_by_variable(&mut self, index: usize, name: &str, value: &str) {
        let words: Vec<String> = if self.is_list(index) {
            value.split(',').map(|word| word.trim().to_owned()).collect()
        } else {
            vec![value.to_owned()]
        };
        self.set(index, &words, name, Origin::Variable(name.to_owned()));
    }

    /// Platforms say by `PORT` where they will look for the server, and leave the address to it.
    fn port(&mut self, value: &str) {
        let Ok(port) = value.parse() else {
            return self.complaints.push(format!("PORT: `{value}` is no port: write a number up to 65535"));
        };
        self.effective.settings.listen.iter_mut().for_each(|address| address.set_port(port));
        self.effective.origins[index_of("listen")] = Origin::Variable("PORT".to_owned());
    }

    fn hint_at_slips(&mut self, variables: &HashMap<String, String>) {
        let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let unknown = variables.keys().filter(|name| name.starts_with(VARIABLE_PREFIX) && !known.contains(name));
        for name in unknown {
            let hint = meant(name, known.iter().cloned());
            if !hint.is_empty() {
                self.effective.hints.push(format!("the variable {name} sets nothing{hint}"));
            }
        }
        self.effective.hints.sort_unstable();
    }

    fn flags(&mut self, matches: &ArgMatches) {
        for (index, setting) in SETTINGS.iter().enumerate() {
            // A command that has no use for a setting has no flag for it.
            if let Ok(Some(values)) = matches.try_get_many::<String>(setting.key) {
                let words: Vec<String> = values.cloned().collect();
                self.set(index, &words, &format!("--{}", setting.flag()), Origin::Flag);
            }
        }
    }

    /// What is wrong though each setting by itself is right.
    fn together(&mut self) {
        let settings = &self.effective.settings;
        if settings.signing_algorithm == Algorithm::RS256 && settings.signing_rsa_key.is_none() {
            let place = &self.effective.origins[index_of("signing_algorithm")];
            self.complaints.push(format!("signing_algorithm ({place}): RS256 needs a key: give signing_rsa_key, too"));
        }
    }

    /// Reads `words` into the setting at `index`; `place` is where the complaint points to.
    fn set(&mut self, index: usize, words: &[String], place: &str, origin: Origin) {
        let read = if words.len() == 1 || self.is_list(index) {
            (SETTINGS[index].slot)(&mut self.effective.settings).read(words)
        } else {
            Err("one value is expected, not a list".to_owned())
        };
        match read {
            Ok(()) => self.effective.origins[index] = origin,
            Err(complaint) => self.complaints.push(format!("{place}: {complaint}")),
        }
    }

    fn is_list(&mut self, index: usize) -> bool {
        (SETTINGS[index].slot)(&mut self.effective.settings).is_list()
    }
}

/// The words of a TOML value, or the name of its type when it has none.
fn words(value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    match value {
        DeValue::String(text) => Ok(vec![text.to_string()]),
        DeValue::Integer(number) => Ok(vec![number.to_string()]),
        DeValue::Boolean(switch) => Ok(vec![switch.to_string()]),
        DeValue::Array(items) => {
            let words: Result<Vec<_>, _> = items.iter().map(|item| words(item.get_ref())).collect();
            Ok(words?.concat())
        }
        DeValue::Float(_) => Err("float"),
        DeValue::Datetime(_) => Err("date"),
        DeValue::Table(_) => Err("table"),
    }
}

/// `: did you mean …?` when one of `known` is a few slips away from `name`.
fn meant(name: &str, known: impl Iterator<Item = String>) -> String {
    let name = name.replace('-', "_");
    let letters = name.strip_prefix(VARIABLE_PREFIX).unwrap_or(&name).chars().count();
    let slips_max = SLIPS_MAX.min(letters / LETTERS_A_SLIP);
    let near = known.map(|known| (strsim::damerau_levenshtein(&name, &known), known)).min();
    match near {
        Some((slips, known)) if slips <= slips_max => format!(": did you mean `{known}`?"),
        _ => String::new(),
    }
}

fn index_of(key: &str) -> usize {
    SETTINGS.iter().position(|setting| setting.key == key).expect("the keys named in this file are in the table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;
    use crate::cli::settings::Group;

    fn load(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Effective, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let flags = command().try_get_matches_from([&["firstbyte"], flags].concat()).expect("flags");
        let file = (!file.is_empty()).then_some((Path::new("it.toml"), file));
        Layers { file, environment: &environment, flags: &flags }.load()
    }

    /// The printed line of `key`.
    fn check(file: &str, environment: &[(&str, &str)], flags: &[&str], line: &str) {
        let printed = load(file, environment, flags).expect("no complaint").print();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(printed.lines().any(|printed| words(printed) == words(line)), "{line}\nis not in\n{printed}");
    }

    #[test]
    fn the_later_layer_wins_and_is_named() {
        let file = "\nidle_deadline = \"1s\"";
        let environment = [("FIRSTBYTE_IDLE_DEADLINE", "2s")];
        let flags = ["--idle-deadline", "3s"];
        check("", &[], &[], r#"idle_deadline = "60s" # default"#);
        check(file, &[], &[], r#"idle_deadline = "1s" # it.toml:2"#);
        check(file, &environment, &[], r#"idle_deadline = "2s" # variable FIRSTBYTE_IDLE_DEADLINE"#);
        check(file, &environment, &flags, r#"idle_deadline = "3s" # flag"#);
        check("", &[("FIRSTBYTE_IDLE_DEADLINE", "")], &[], r#"idle_deadline = "60s" # default"#);
    }

    #[test]
    fn lists_are_replaced_as_a_whole() {
        let two = "listen = [\"127.0.0.1:1\", \"[::1]:1\"]";
        check(two, &[], &[], r#"listen = ["127.0.0.1:1", "[::1]:1"] # it.toml:1"#);
        check(
            two,
            &[("FIRSTBYTE_LISTEN", "127.0.0.1:2, 127.0.0.1:3")],
            &[],
            r#"listen = ["127.0.0.1:2", "127.0.0.1:3"] # variable FIRSTBYTE_LISTEN"#,
        );
        check(two, &[], &["--listen", "127.0.0.1:4"], r#"listen = ["127.0.0.1:4"] # flag"#);
        check(
            "",
            &[],
            &["--listen=127.0.0.1:4", "--listen=127.0.0.1:5"],
            r#"listen = ["127.0.0.1:4", "127.0.0.1:5"] # flag"#,
        );
    }

    #[test]
    fn switches_need_no_word() {
        check("", &[], &["--lenient-lines"], "lenient_lines = true # flag");
        check("", &[("FIRSTBYTE_LENIENT_LINES", "1")], &["--lenient-lines=false"], "lenient_lines = false # flag");
        check("lenient_lines = true", &[], &[], "lenient_lines = true # it.toml:1");
    }

    #[test]
    fn the_variables_of_others_are_heard() {
        check("", &[("PORT", "99")], &[], r#"listen = ["127.0.0.1:99"] # variable PORT"#);
        check(
            "",
            &[("PORT", "9"), ("FIRSTBYTE_LISTEN", "0.0.0.0:1")],
            &[],
            r#"listen = ["0.0.0.0:9"] # variable PORT"#,
        );
        check("", &[("PORT", "99")], &["--listen", "127.0.0.1:1"], r#"listen = ["127.0.0.1:1"] # flag"#);
        let database = [("DATABASE_URL", "postgres://ada:secret@h/x"), ("REDIS_URL", "redis://h")];
        check("", &database, &[], r#"database_url = "postgres://***@h/x" # variable DATABASE_URL"#);
        check("", &database, &[], r#"redis_url = "redis://h" # variable REDIS_URL"#);
        check("", &[("RUST_LOG", "debug")], &[], r#"log = "debug" # variable RUST_LOG"#);
        check("", &[("RUST_LOG", "debug"), ("FIRSTBYTE_LOG", "warn")], &[], r#"log = "warn" # variable FIRSTBYTE_LOG"#);
    }

    #[test]
    fn integers_of_the_file_need_no_quotes() {
        check("field_lines_max = 1_000\nhead_bytes_max = 65536", &[], &[], "field_lines_max = 1000 # it.toml:1");
    }

    #[test]
    fn all_faults_are_said_at_once_with_their_places() {
        let file =
            "idle_deadlin = \"5s\"\nhead_bytes_max = \"64K\"\nworkers = 1.5\nlog = [\"a\", \"b\"]\n[limits]\nx = 1\n";
        let environment = [("FIRSTBYTE_BACKLOG", "0"), ("PORT", "http")];
        let complaints = load(file, &environment, &["--head-deadline", "5", "--write-rate=fast"]).unwrap_err();
        let expected = [
            "it.toml:1: `idle_deadlin` is no setting: did you mean `idle_deadline`?",
            "it.toml:2: head_bytes_max: `64K` is no size",
            "it.toml:3: workers: a value of TOML type float",
            "it.toml:4: log: one value is expected",
            "it.toml:5: `limits` is no setting",
            "FIRSTBYTE_BACKLOG: 0 is not between",
            "PORT: `http` is no port",
            "--head-deadline: `5` is no time",
            "--write-rate: `fast` is no rate",
        ];
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        for (complaint, expected) in complaints.iter().zip(expected) {
            assert!(complaint.starts_with(expected), "{complaint}\nis not\n{expected}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_a_setting_is_hinted_at_and_any_other_is_not() {
        let check = |name: &str, expected: &str| {
            let complaint = load(&format!("{name} = 1"), &[], &[]).unwrap_err().remove(0);
            assert_eq!(complaint, format!("it.toml:1: `{name}` is no setting{expected}"));
        };
        check("foo", "");
        check("port", "");
        check("lgo", ": did you mean `log`?");
        check("worker", ": did you mean `workers`?");
        check("head-bytes-mx", ": did you mean `head_bytes_max`?");
    }

    #[test]
    fn a_file_that_is_no_toml_says_where() {
        let complaints = load("workers = 1\nlisten = [\n", &[], &[]).unwrap_err();
        assert!(complaints[0].starts_with("it.toml:2: ") || complaints[0].starts_with("it.toml:3: "), "{complaints:?}");
        assert_eq!(complaints.len(), 1, "and nothing about what was read of it: {complaints:?}");
        let complaints = load("workers = 1\nworkers = 2\n", &[], &[]).unwrap_err();
        assert!(complaints[0].starts_with("it.toml:2: duplicate key"), "{complaints:?}");
    }

    #[test]
    fn variables_that_nobody_knows_are_hinted_at_when_they_look_like_a_slip() {
        let hints = |name| load("", &[(name, "tcp://10.0.0.1")], &[]).expect("no complaint").hints;
        assert!(hints("FIRSTBYTE_SERVICE_HOST").is_empty());
        assert!(hints("FIRSTBYTE_FOO").is_empty(), "no LOG");
        assert!(hints("FIRSTBYTE_IDLE_DEADLIN")[0].contains("did you mean `FIRSTBYTE_IDLE_DEADLINE`?"));
    }

    #[test]
    fn what_is_printed_is_a_file_that_gives_the_same() {
        let flags = ["--listen=[::1]:0", "--content-rate=off", "--head-deadline=250ms", "--trace"];
        let printed = load("", &[], &flags).expect("no complaint").print();
        let without_origins = |text: &str| {
            text.lines()
                .map(|line| line.rsplit_once('#').map_or(line, |(value, _)| value).trim().to_owned())
                .collect::<Vec<_>>()
        };
        let again = load(&printed, &[], &[]).expect("no complaint").print();
        assert_eq!(without_origins(&again), without_origins(&printed));
        assert!(again.contains("# it.toml:"));
        let headings = [Group::Server, Group::Services, Group::Deadlines, Group::Limits].map(Group::heading);
        assert!(headings.iter().all(|heading| printed.contains(&format!("# {heading}\n"))), "{printed}");
    }
}
