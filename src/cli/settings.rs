//! Owns what can be set, in one table: a row is a flag, an environment variable, a key of the file and a field.
//!
//! The one idea: a row names its key once, and the three spellings follow from it.
//!
//! ```text
//!   row "idle_deadline" ──> --idle-deadline      FIRSTBYTE_IDLE_DEADLINE      idle_deadline = "60s"
//!                      └──> &mut settings.deadlines.idle, whose default is the library's
//! ```
//!
//! Never: repeats a default: what [`Settings::default`] holds is what `--help` shows.
//! Limits: those of [`Limits`], [`Deadlines`] and [`ListenerConfig`], under their own names.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::available_parallelism;

use firstbyte::app::canvas::fanout::Broker;
use firstbyte::app::canvas::store::Keep;
use firstbyte::app::queue::WorkersConfig;
use firstbyte::db::{ServiceUrl, postgres, redis};
use firstbyte::http::Limits;
use firstbyte::http::middleware::trusted_proxies::Cidr;
use firstbyte::jwt::Algorithm;
use firstbyte::net::ListenerConfig;
use firstbyte::net::deadline::Deadlines;

use super::value::{
    ALGORITHMS, Count, File, Filter, LOG_FORMATS, LogFormat, OneOf, PublicUrl, Service, Size, Time, Value,
};

/// All that `firstbyte serve` can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: Vec<SocketAddr>,
    /// Threads that run tasks.
    pub workers: usize,
    pub log: String,
    pub log_format: LogFormat,
    pub trace: bool,
    pub inspect_remote: bool,
    pub metrics_remote: bool,
    pub jobs_remote: bool,
    /// Whether webhooks may go to addresses that are not public.
    pub webhooks_allow_private: bool,
    pub terse_errors: bool,
    /// Whose word is taken for the address of a client.
    pub trusted_proxy: Vec<Cidr>,
    /// What joins this node of the canvas to others.
    pub fanout: Option<Broker>,
    /// What keeps the pictures of the canvas.
    pub canvas_store: Option<Keep>,
    /// What keeps sessions.
    pub redis_url: Option<ServiceUrl>,
    /// What keeps accounts and what is issued to them.
    pub database_url: Option<ServiceUrl>,
    /// Jobs that are worked at a time.
    pub job_workers: usize,
    /// Where clients find this server.
    pub public_url: Option<PublicUrl>,
    /// What tokens are signed with.
    pub signing_algorithm: Algorithm,
    pub signing_rsa_key: Option<PathBuf>,
    pub limits: Limits,
    pub deadlines: Deadlines,
    /// The same for each address that is listened at.
    pub listener: ListenerConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            workers: available_parallelism().map_or(1, usize::from),
            log: "info".into(),
            log_format: LogFormat::Auto,
            trace: false,
            inspect_remote: false,
            metrics_remote: false,
            jobs_remote: false,
            webhooks_allow_private: false,
            terse_errors: false,
            trusted_proxy: Vec::new(),
            fanout: None,
            canvas_store: None,
            redis_url: None,
            database_url: None,
            job_workers: WorkersConfig::default().concurrency,
            public_url: None,
            signing_algorithm: Algorithm::EdDSA,
            signing_rsa_key: None,
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            listener: ListenerConfig::default(),
        }
    }
}

/// The part of `--help` that a setting stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Server,
    Services,
    Deadlines,
    Limits,
}

impl Group {
    pub fn heading(self) -> &'static str {
        match self {
            Group::Server => "Server",
            Group::Services => "Services and tokens",
            Group::Deadlines => "Deadlines",
            Group::Limits => "Limits",
        }
    }
}

/// One row of the table.
pub struct Setting {
    /// Its name in the file, and with dashes on the command line.
    pub key: &'static str,
    pub group: Group,
    /// A sentence for `-h`; what follows it is for `--help`.
    pub about: &'static str,
    /// Its place.
    pub slot: for<'a> fn(&'a mut Settings) -> Box<dyn Value + 'a>,
}

impl Setting {
    /// Its name on the command line, without the dashes before it.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.to_uppercase())
    }
}

/// Begins the name of every variable of ours.
pub const VARIABLE_PREFIX: &str = "FIRSTBYTE_";

const BROKER_EXAMPLE: &str = "redis://127.0.0.1:6379 or nats://127.0.0.1:4222";
const STORE_EXAMPLE: &str = "a path, or redis://127.0.0.1:6379";

const REDIS_EXAMPLE: &str = "redis://127.0.0.1:6379";
const DATABASE_EXAMPLE: &str = "postgres://127.0.0.1:5432/firstbyte";

const PUBLIC_EXAMPLE: &str = "https://id.example";

const ANY: u64 = u64::MAX;
/// Positions in a head are 32 bits wide, and so much of it may be held for every connection.
const HEAD_BYTES_MAX: u64 = 1 << 30;
/// Methods are held inline.
const METHOD_BYTES_MAX: u64 = firstbyte::http::method::METHOD_BYTES_MAX as u64;
/// Threads beyond this serve nobody faster.
const WORKERS_MAX: u64 = 1024;
/// Jobs beyond this wait for the same connections to the database.
const JOB_WORKERS_MAX: u64 = 10_000;

/// What can be set.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        group: Group::Server,
        about: "Address to listen at; may be given again. A port alone is one of 127.0.0.1. Port 0 lets the system choose. The variable PORT replaces the \
                port, unless the flag is given",
        slot: |settings| Box::new(&mut settings.listen),
    },
    Setting {
        key: "workers",
        group: Group::Server,
        about: "Threads that serve. Default: one a core",
        slot: |settings| Box::new(Count { value: &mut settings.workers, range: 1..=WORKERS_MAX }),
    },
    Setting {
        key: "log",
        group: Group::Server,
        about: "What is logged: error, warn, info, debug, or a filter such as firstbyte=debug,info. RUST_LOG is heard too",
        slot: |settings| Box::new(Filter(&mut settings.log)),
    },
    Setting {
        key: "log_format",
        group: Group::Server,
        about: "How it is logged, to standard error. auto: text on a terminal, JSON elsewhere. NO_COLOR is heard",
        slot: |settings| {
            Box::new(OneOf { value: &mut settings.log_format, names: LOG_FORMATS, hint: "text|json|auto" })
        },
    },
    Setting {
        key: "trace",
        group: Group::Server,
        about: "Print the life of every connection: bytes, decisions, deadlines",
        slot: |settings| Box::new(&mut settings.trace),
    },
    Setting {
        key: "inspect_remote",
        group: Group::Server,
        about: "Let others than this machine see /inspect. It shows the traffic of everybody",
        slot: |settings| Box::new(&mut settings.inspect_remote),
    },
    Setting {
        key: "metrics_remote",
        group: Group::Server,
        about: "Let others than this machine read /metrics: a Prometheus elsewhere, and whoever else comes by",
        slot: |settings| Box::new(&mut settings.metrics_remote),
    },
    Setting {
        key: "jobs_remote",
        group: Group::Server,
        about: "Let others than this machine use /jobs. Whoever can may enqueue, cancel and discard: put a login before it",
        slot: |settings| Box::new(&mut settings.jobs_remote),
    },
    Setting {
        key: "webhooks_allow_private",
        group: Group::Server,
        about: "Let webhooks go to addresses that are not public: this machine and what is beside it. Whoever can register an \
                endpoint then reaches what this server reaches",
        slot: |settings| Box::new(&mut settings.webhooks_allow_private),
    },
    Setting {
        key: "terse_errors",
        group: Group::Server,
        about: "Word refusals in one line: status and code",
        slot: |settings| Box::new(&mut settings.terse_errors),
    },
    Setting {
        key: "trusted_proxy",
        group: Group::Server,
        about: "Range of addresses whose Forwarded and X-Forwarded-For are believed; may be given again. Nobody's, unless \
                given",
        slot: |settings| Box::new(&mut settings.trusted_proxy),
    },
    Setting {
        key: "lenient_lines",
        group: Group::Server,
        about: "Accept heads whose lines end in a bare LF, as typed into nc. Request smuggling loves it: not behind a proxy",
        slot: |settings| Box::new(&mut settings.limits.lenient_lines),
    },
    Setting {
        key: "fanout",
        group: Group::Services,
        about: "Broker that joins the canvas of several nodes: redis://[user:password@]host[:port], or nats://. What is drawn \
                on one shows on all. It may be away: nodes then draw alone, and agree when it is back. Passwords are \
                better given by the variable, which other users of the machine do not see",
        slot: |settings| Box::new(Service { value: &mut settings.fanout, example: BROKER_EXAMPLE, check: |_| Ok(()) }),
    },
    Setting {
        key: "canvas_store",
        group: Group::Services,
        about: "Where the canvas keeps its pictures across restarts: a folder, or redis://[user:password@]host[:port][/database]. \
                A folder is for one process, a Redis for any number of nodes",
        slot: |settings| {
            Box::new(Service { value: &mut settings.canvas_store, example: STORE_EXAMPLE, check: |_| Ok(()) })
        },
    },
    Setting {
        key: "redis_url",
        group: Group::Services,
        about: "Redis that keeps the sessions and counts failed logins, for all nodes. REDIS_URL is heard too. It may be away: what needs \
                it answers 503 until it is back",
        slot: |settings| {
            Box::new(Service { value: &mut settings.redis_url, example: REDIS_EXAMPLE, check: redis::check })
        },
    },
    Setting {
        key: "database_url",
        group: Group::Services,
        about: "PostgreSQL that keeps accounts, refresh tokens and signing keys, for all nodes. DATABASE_URL is heard too. Its tables are \
                made at the start. It may be away, as Redis may",
        slot: |settings| {
            Box::new(Service { value: &mut settings.database_url, example: DATABASE_EXAMPLE, check: postgres::check })
        },
    },
    Setting {
        key: "job_workers",
        group: Group::Services,
        about: "Jobs that this process works at a time. 0: none; `firstbyte worker` does, which needs the database",
        slot: |settings| Box::new(Count { value: &mut settings.job_workers, range: 0..=JOB_WORKERS_MAX }),
    },
    Setting {
        key: "public_url",
        group: Group::Services,
        about: "URL under which clients reach this server. The issuer of tokens is PUBLIC_URL/identity. Default: the first address that is \
                listened at",
        slot: |settings| {
            Box::new(Service { value: &mut settings.public_url, example: PUBLIC_EXAMPLE, check: |_| Ok(()) })
        },
    },
    Setting {
        key: "signing_algorithm",
        group: Group::Services,
        about: "What new keys of the issuer sign tokens with. Keys that exist go on until they are rotated. HS256 can be verified by \
                nobody but the issuer; RS256 needs --signing-rsa-key",
        slot: |settings| {
            let value = &mut settings.signing_algorithm;
            Box::new(OneOf { value, names: ALGORITHMS, hint: "EdDSA|ES256|RS256|HS256" })
        },
    },
    Setting {
        key: "signing_rsa_key",
        group: Group::Services,
        about: "Private RSA key in PEM, as `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072` writes it",
        slot: |settings| Box::new(File(&mut settings.signing_rsa_key)),
    },
    Setting {
        key: "first_byte_deadline",
        group: Group::Deadlines,
        about: "From accept to the first byte. The peer sees a close",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.first_byte, may_be_zero: false }),
    },
    Setting {
        key: "head_deadline",
        group: Group::Deadlines,
        about: "From the first byte of a head to its end. The peer sees 408 and a close",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.head, may_be_zero: false }),
    },
    Setting {
        key: "idle_deadline",
        group: Group::Deadlines,
        about: "Between an answer and the next request. The peer sees a close",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.idle, may_be_zero: false }),
    },
    Setting {
        key: "handler_deadline",
        group: Group::Deadlines,
        about: "From a head to the head of its answer. The peer sees 503",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.handler, may_be_zero: false }),
    },
    Setting {
        key: "content_rate",
        group: Group::Deadlines,
        about: "The least rate of content that is awaited. The peer sees 408 and a close",
        slot: |settings| Box::new(&mut settings.deadlines.content_rate),
    },
    Setting {
        key: "write_rate",
        group: Group::Deadlines,
        about: "The least rate at which answers are read. The peer sees a reset",
        slot: |settings| Box::new(&mut settings.deadlines.write_rate),
    },
    Setting {
        key: "linger_deadline",
        group: Group::Deadlines,
        about: "For the peer to read the last answer and close",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.linger, may_be_zero: true }),
    },
    Setting {
        key: "linger_sending_deadline",
        group: Group::Deadlines,
        about: "The same for a peer that still sends what nobody reads",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.linger_sending, may_be_zero: true }),
    },
    Setting {
        key: "drain_idle_deadline",
        group: Group::Deadlines,
        about: "From the signal on, for a request to begin and its head to end. Later ones meet a close",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.drain_idle, may_be_zero: true }),
    },
    Setting {
        key: "drain_deadline",
        group: Group::Deadlines,
        about: "From the signal to the end of a clean shutdown. What is then at work is cut",
        slot: |settings| Box::new(Time { value: &mut settings.deadlines.drain, may_be_zero: true }),
    },
    Setting {
        key: "connections_max",
        group: Group::Limits,
        about: "Connections at one address of ours. Later ones wait. Lowered to what `ulimit -n` allows",
        slot: |settings| Box::new(Count { value: &mut settings.listener.caps.connections_max, range: 1..=ANY }),
    },
    Setting {
        key: "connections_per_address_max",
        group: Group::Limits,
        about: "Connections of one IPv4 address or IPv6 /64, this machine excepted. The peer sees 503",
        slot: |settings| {
            Box::new(Count { value: &mut settings.listener.caps.connections_per_address_max, range: 1..=ANY })
        },
    },
    Setting {
        key: "cap_loopback",
        group: Group::Limits,
        about: "Hold this machine to connections_per_address_max, too",
        slot: |settings| Box::new(&mut settings.listener.caps.cap_loopback),
    },
    Setting {
        key: "backlog",
        group: Group::Limits,
        about: "Connections that wait in the kernel. Linux lowers it to net.core.somaxconn",
        slot: |settings| Box::new(Count { value: &mut settings.listener.backlog, range: 1..=i32::MAX as u64 }),
    },
    Setting {
        key: "head_bytes_max",
        group: Group::Limits,
        about: "A head. The peer sees 431",
        slot: |settings| Box::new(Size { value: &mut settings.limits.head_bytes_max, range: 64..=HEAD_BYTES_MAX }),
    },
    Setting {
        key: "field_lines_max",
        group: Group::Limits,
        about: "Field lines of a head. The peer sees 431",
        slot: |settings| Box::new(Count { value: &mut settings.limits.field_lines_max, range: 1..=ANY }),
    },
    Setting {
        key: "target_bytes_max",
        group: Group::Limits,
        about: "A request-target. The peer sees 414",
        slot: |settings| Box::new(Size { value: &mut settings.limits.target_bytes_max, range: 1..=ANY }),
    },
    Setting {
        key: "method_bytes_max",
        group: Group::Limits,
        about: "A method. The peer sees 501",
        slot: |settings| Box::new(Size { value: &mut settings.limits.method_bytes_max, range: 1..=METHOD_BYTES_MAX }),
    },
    Setting {
        key: "leading_empty_lines_max",
        group: Group::Limits,
        about: "Empty lines before a request. The peer sees 400",
        slot: |settings| Box::new(Count { value: &mut settings.limits.leading_empty_lines_max, range: 0..=ANY }),
    },
    Setting {
        key: "content_bytes_max",
        group: Group::Limits,
        about: "Content, where a route does not say otherwise. The peer sees 413",
        slot: |settings| Box::new(Size { value: &mut settings.limits.content_bytes_max, range: 0..=ANY }),
    },
    Setting {
        key: "chunk_line_bytes_max",
        group: Group::Limits,
        about: "One chunk line: size and extensions. The peer sees 400",
        slot: |settings| Box::new(Size { value: &mut settings.limits.chunk_line_bytes_max, range: 1..=ANY }),
    },
    Setting {
        key: "chunk_extension_bytes_max",
        group: Group::Limits,
        about: "All chunk extensions of a message. The peer sees 400",
        slot: |settings| Box::new(Size { value: &mut settings.limits.chunk_extension_bytes_max, range: 0..=ANY }),
    },
    Setting {
        key: "trailer_bytes_max",
        group: Group::Limits,
        about: "A trailer section. The peer sees 431",
        slot: |settings| Box::new(Size { value: &mut settings.limits.trailer_bytes_max, range: 2..=ANY }),
    },
    Setting {
        key: "drain_bytes_max",
        group: Group::Limits,
        about: "Unread content that is dropped to keep a connection. The peer sees a close",
        slot: |settings| Box::new(Size { value: &mut settings.limits.drain_bytes_max, range: 0..=ANY }),
    },
    Setting {
        key: "output_bytes_max",
        group: Group::Limits,
        about: "Queued answers of a connection before no more is read from it",
        slot: |settings| Box::new(Size { value: &mut settings.limits.output_bytes_max, range: 1..=ANY }),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use firstbyte::http::bounds::Amount;

    use super::*;
    use crate::cli::applications;

    #[test]
    fn every_default_can_be_read_again() {
        for setting in SETTINGS {
            let printed = (setting.slot)(&mut Settings::default()).print();
            let toml: toml::Value = format!("it = {printed}").parse::<toml::Table>().expect(setting.key)["it"].clone();
            let words = match &toml {
                toml::Value::Array(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
                toml::Value::String(text) => vec![text.clone()],
                other => vec![other.to_string()],
            };
            let mut settings = Settings::default();
            (setting.slot)(&mut settings).read(&words).expect(setting.key);
            assert_eq!((setting.slot)(&mut settings).print(), printed, "{}", setting.key);
        }
    }

    fn every_bound_is_shown_as_it_is_set(mut settings: Settings) {
        let shown = applications::shown(&settings);
        let names: HashSet<_> = shown.bounds().iter().map(|row| row.name).collect();
        assert_eq!(names.len(), shown.bounds().len(), "applications have names of their own");
        for setting in bounds() {
            let row = shown.bounds().iter().find(|row| row.name == setting.key).expect(setting.key);
            let shown = match row.amount {
                Amount::Switch(on) => on.to_string(),
                amount => amount.to_string(),
            };
            let set = (setting.slot)(&mut settings).print();
            assert_eq!(set.trim_matches('"'), shown, "{}", setting.key);
            assert_eq!(row.flag(), Some(format!("--{}", setting.flag())));
            let status = |text: &str| text.split_once("The peer sees ").map(|(_, seen)| seen.to_owned());
            if let Some(seen) = status(setting.about) {
                assert!(seen.starts_with(&row.seen.words()), "{}: {seen}, {}", setting.key, row.seen.words());
            }
        }
    }

    fn bounds() -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| matches!(setting.group, Group::Deadlines | Group::Limits))
    }

    #[test]
    fn every_limit_and_deadline_is_shown_as_it_is_set() {
        every_bound_is_shown_as_it_is_set(Settings::default());
        let mut others = Settings::default();
        for setting in bounds() {
            let mut slot = (setting.slot)(&mut others);
            let words = ["off", "7ms", "3B", "8KiB", "7", "true"];
            assert!(words.iter().any(|word| slot.read(&[(*word).to_owned()]).is_ok()), "{}", setting.key);
        }
        every_bound_is_shown_as_it_is_set(others);
    }

    #[test]
    fn keys_are_unique() {
        let mut keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
