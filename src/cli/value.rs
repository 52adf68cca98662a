//! Owns how a setting is written: each kind of value is read from words and printed as TOML, in the units people use.
//!
//! The one idea: what is printed can be read again, so `--print-config` is a file for `--config`.
//!
//! ```text
//!   size      64KiB  1MiB  2GiB  10kB  512  off        time   250ms  5s  10m  1h  off
//!   rate      1KiB/s over 10s, credit 60s  off         switch true  false
//! ```
//!
//! Never: guesses: `5` is no time and `64K` no size, because half of the readers would be wrong.
//! A password is printed as stars, which are refused when they are read.
//! Invariant: a refused value leaves what it was to replace as it was.

mod one_of;
mod public_url;

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use firstbyte::db::UrlError;
use firstbyte::http::middleware::trusted_proxies::{Cidr, CidrError};
use firstbyte::net::deadline::Rate;
pub use one_of::{ALGORITHMS, LOG_FORMATS, LogFormat, OneOf};
pub use public_url::PublicUrl;
use tracing_subscriber::EnvFilter;

/// The hint of a value that is true when nothing follows its flag.
pub const SWITCH: &str = "BOOL";

/// Spells "no bound".
const OFF: &str = "off";
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];
const TIME_UNITS_MS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

/// The place of one setting: it can be read into and printed.
pub trait Value {
    /// What is to be written, as `--help` shows it.
    fn hint(&self) -> &'static str;

    /// Whether it takes any number of words.
    fn is_list(&self) -> bool {
        false
    }

    /// Replaces the value by what `words` say. There is exactly one unless [`Value::is_list`].
    ///
    /// # Errors
    /// What was expected instead.
    fn read(&mut self, words: &[String]) -> Result<(), String>;

    /// The value as TOML.
    fn print(&self) -> String;
}

/// A file, or none.
pub struct File<'a>(pub &'a mut Option<PathBuf>);

/// A number of bytes and the bounds of sense.
pub struct Size<'a, N> {
    pub value: &'a mut N,
    pub range: RangeInclusive<u64>,
}

/// A number of things and the bounds of sense.
pub struct Count<'a, N> {
    pub value: &'a mut N,
    pub range: RangeInclusive<u64>,
}

/// A time, and whether none at all makes sense.
pub struct Time<'a> {
    pub value: &'a mut Duration,
    pub may_be_zero: bool,
}

/// Another program that is leaned on, or none.
pub struct Service<'a, S> {
    pub value: &'a mut Option<S>,
    /// What may be written.
    pub example: &'static str,
    /// Whether it can be spoken to.
    pub check: fn(&S) -> Result<(), UrlError>,
}

/// A filter for log lines, in the syntax of `RUST_LOG`.
pub struct Filter<'a>(pub &'a mut String);

/// An unsigned number of any width. What is larger than its width is "off", its largest.
pub trait Number: Copy {
    fn of(number: u64) -> Self;
    fn as_u64(self) -> u64;
}

impl Number for u64 {
    fn of(number: u64) -> u64 {
        number
    }

    fn as_u64(self) -> u64 {
        self
    }
}

impl Number for usize {
    fn of(number: u64) -> usize {
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    fn as_u64(self) -> u64 {
        self as u64
    }
}

impl Number for u32 {
    fn of(number: u64) -> u32 {
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn as_u64(self) -> u64 {
        self.into()
    }
}

impl<N: Number> Value for Size<'_, N> {
    fn hint(&self) -> &'static str {
        "SIZE"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        *self.value = N::of(within(size(only(words))?, &self.range, show_size)?);
        Ok(())
    }

    fn print(&self) -> String {
        quoted(&show_size(self.value.as_u64()))
    }
}

impl<N: Number> Value for Count<'_, N> {
    fn hint(&self) -> &'static str {
        "N"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        let word = only(words);
        let number = word.parse().map_err(|_| format!("`{word}` is no whole number"))?;
        *self.value = N::of(within(number, &self.range, |number| number.to_string())?);
        Ok(())
    }

    fn print(&self) -> String {
        self.value.as_u64().to_string()
    }
}

impl Value for Time<'_> {
    fn hint(&self) -> &'static str {
        "TIME"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        let time = time(only(words))?;
        if time.is_zero() && !self.may_be_zero {
            return Err(format!("no time at all would refuse everybody; `{OFF}` is for ever"));
        }
        *self.value = time;
        Ok(())
    }

    fn print(&self) -> String {
        quoted(&show_time(*self.value))
    }
}

impl Value for &mut Rate {
    fn hint(&self) -> &'static str {
        "RATE"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        **self = rate(only(words), **self)?;
        Ok(())
    }

    fn print(&self) -> String {
        quoted(&match self.bytes_per_second {
            0 => OFF.to_owned(),
            bytes => {
                format!("{}/s over {}, credit {}", show_size(bytes), show_time(self.over), show_time(self.credit))
            }
        })
    }
}

impl Value for &mut bool {
    fn hint(&self) -> &'static str {
        SWITCH
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        **self = match only(words) {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            word => return Err(format!("`{word}` is neither `true` nor `false`")),
        };
        Ok(())
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Value for File<'_> {
    fn hint(&self) -> &'static str {
        "FILE"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        *self.0 = match only(words) {
            OFF => None,
            "" => return Err(format!("this is the name of no file: write one, or {OFF}")),
            path => Some(path.into()),
        };
        Ok(())
    }

    fn print(&self) -> String {
        quoted(&self.0.as_ref().map_or_else(|| OFF.to_owned(), |path| path.display().to_string()))
    }
}

impl Value for Filter<'_> {
    fn hint(&self) -> &'static str {
        "FILTER"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        let word = only(words);
        EnvFilter::try_new(word)
            .map_err(|error| format!("`{word}` is no filter ({error}): write info, or firstbyte=debug"))?;
        word.clone_into(self.0);
        Ok(())
    }

    fn print(&self) -> String {
        quoted(self.0)
    }
}

impl<S: FromStr<Err: Display> + Display> Value for Service<'_, S> {
    fn hint(&self) -> &'static str {
        "URL"
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        *self.value = match only(words) {
            OFF => None,
            word => {
                // It may hold a password: what is wrong with it is said without it.
                let told = |wrong: &dyn Display| format!("{wrong}: write {}, or {OFF}", self.example);
                let service = word.parse().map_err(|wrong| told(&wrong))?;
                (self.check)(&service).map_err(|wrong| told(&wrong))?;
                Some(service)
            }
        };
        Ok(())
    }

    fn print(&self) -> String {
        quoted(&self.value.as_ref().map_or_else(|| OFF.to_owned(), S::to_string))
    }
}

impl Value for &mut Vec<SocketAddr> {
    fn hint(&self) -> &'static str {
        "[IP:]PORT"
    }

    fn is_list(&self) -> bool {
        true
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        if words.is_empty() {
            return Err("at least one address is needed".into());
        }
        **self = words.iter().map(|word| address(word)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn print(&self) -> String {
        list(self.iter())
    }
}

impl Value for &mut Vec<Cidr> {
    fn hint(&self) -> &'static str {
        "CIDR"
    }

    fn is_list(&self) -> bool {
        true
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        let range = |word: &String| word.parse().map_err(|error: CidrError| format!("`{word}`: {error}"));
        **self = words.iter().map(range).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn print(&self) -> String {
        list(self.iter())
    }
}

/// A TOML array of what `items` print as.
fn list(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The word of a value that is no list. The command line and the loader see to it that there is one.
fn only(words: &[String]) -> &str {
    assert_eq!(words.len(), 1, "one word for one value");
    &words[0]
}

fn within(number: u64, range: &RangeInclusive<u64>, show: impl Fn(u64) -> String) -> Result<u64, String> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(format!("{} is not between {} and {}", show(number), show(*range.start()), show(*range.end())))
}

fn address(word: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = word.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    word.parse().map_err(|_| {
        // Which of the machine's addresses `:8080` or a name may mean is for the one who opens it to say.
        let port: u16 = word.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(8080);
        format!(
            "`{word}` is no address: write 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for all that reach \
             it, [::1]:{port} for IPv6"
        )
    })
}

fn size(word: &str) -> Result<u64, String> {
    if word == OFF {
        return Ok(u64::MAX);
    }
    let wrong = || format!("`{word}` is no size: write 512, 64KiB, 1MiB, 10kB or {OFF}");
    let (digits, unit) = split_unit(word);
    let known = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit) || unit.is_empty() && *name == "B");
    digits.parse::<u64>().ok().zip(known).and_then(|(number, (_, bytes))| number.checked_mul(*bytes)).ok_or_else(wrong)
}

/// Reads a time with its unit; `off` is for ever.
///
/// # Errors
/// What is to be written instead.
pub fn time(word: &str) -> Result<Duration, String> {
    if word == OFF {
        return Ok(Duration::MAX);
    }
    let wrong = || format!("`{word}` is no time: write 250ms, 5s, 10m, 1h or {OFF}");
    let (digits, unit) = split_unit(word);
    let known = TIME_UNITS_MS.iter().find(|(name, _)| *name == unit);
    let millis = digits.parse::<u64>().ok().zip(known).and_then(|(number, (_, millis))| number.checked_mul(*millis));
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// A rate that is written without its credit keeps the one that it `was` given.
fn rate(word: &str, was: Rate) -> Result<Rate, String> {
    if word == OFF {
        return Ok(Rate { bytes_per_second: 0, ..was });
    }
    let wrong = || format!("`{word}` is no rate: write `1KiB/s over 10s`, `1KiB/s over 10s, credit 60s` or {OFF}");
    let (bytes, times) = word.split_once("/s over ").ok_or_else(wrong)?;
    let (over, credit) = times.split_once(", credit ").map_or((times, None), |(over, credit)| (over, Some(credit)));
    let credit = credit.map_or(Ok(was.credit), time)?;
    let rate = Rate { bytes_per_second: size(bytes)?, over: time(over)?, credit };
    let endless = [bytes, over].contains(&OFF);
    if rate.bytes_per_second == 0 || rate.over.is_zero() || endless { Err(wrong()) } else { Ok(rate) }
}

fn split_unit(word: &str) -> (&str, &str) {
    let unit = word.find(|character: char| !character.is_ascii_digit()).unwrap_or(word.len());
    (&word[..unit], word[unit..].trim_start())
}

fn show_size(bytes: u64) -> String {
    if bytes == u64::MAX {
        return OFF.into();
    }
    let (unit, size) =
        SIZE_UNITS[..3].iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size)).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / size)
}

fn show_time(time: Duration) -> String {
    match time.as_millis() {
        _ if time == Duration::MAX => OFF.into(),
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `words` into a copy of `value` made by `slot`; gives what it prints as, or why it was refused.
    fn check<T>(
        mut value: T,
        slot: impl for<'a> Fn(&'a mut T) -> Box<dyn Value + 'a>,
        words: &[&str],
        expected: Result<&str, &str>,
    ) {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let mut slot = slot(&mut value);
        let before = slot.print();
        match (slot.read(&words), expected) {
            (Ok(()), Ok(printed)) => assert_eq!(slot.print(), printed, "{words:?}"),
            (Err(error), Err(part)) => {
                assert!(error.contains(part), "{words:?}: {error}");
                assert_eq!(slot.print(), before, "a refused value changes nothing");
            }
            (read, expected) => panic!("{words:?}: {read:?}, not {expected:?}"),
        }
    }

    #[test]
    fn sizes_have_units_and_bounds() {
        let check =
            |word, expected| check(1u64, |value| Box::new(Size { value, range: 1..=u64::MAX }), &[word], expected);
        check("64KiB", Ok("\"64KiB\""));
        check("65536", Ok("\"64KiB\""));
        check("64 KiB", Ok("\"64KiB\""));
        check("10kB", Ok("\"10000B\""));
        check("10KB", Ok("\"10000B\""));
        check("1025B", Ok("\"1025B\""));
        check("2GiB", Ok("\"2GiB\""));
        check("off", Ok("\"off\""));
        for wrong in ["", "64K", "64k", "KiB", "-1", "1.5MiB", "1MiB ", "0x10", "+5", "99999999999GiB", "1 0", "١KiB"]
        {
            check(wrong, Err("is no size"));
        }
        check("0", Err("0B is not between 1B and off"));
    }

    #[test]
    fn a_size_keeps_within_the_width_of_its_place() {
        let check = |word, expected| check(1u32, |value| Box::new(Size { value, range: 0..=24 }), &[word], expected);
        check("24", Ok("\"24B\""));
        check("25", Err("not between"));
        check("off", Err("not between"));
    }

    #[test]
    fn times_have_units() {
        let check = |word, may_be_zero, expected| {
            check(Duration::from_secs(9), |value| Box::new(Time { value, may_be_zero }), &[word], expected);
        };
        check("5s", false, Ok("\"5s\""));
        check("250ms", false, Ok("\"250ms\""));
        check("2m", false, Ok("\"120s\""));
        check("1h", false, Ok("\"3600s\""));
        check("off", false, Ok("\"off\""));
        check("0s", true, Ok("\"0s\""));
        check("0s", false, Err("refuse everybody"));
        for wrong in ["", "5", "s", "5 minutes", "-5s", "1.5s", "5S", "18446744073709551615h"] {
            check(wrong, false, Err("is no time"));
        }
    }

    #[test]
    fn rates_say_how_much_and_how_long() {
        let second = Duration::from_secs(1);
        let default = Rate { bytes_per_second: 1, over: second, credit: second };
        let check = |word, expected| check(default, |value| Box::new(value), &[word], expected);
        check("1KiB/s over 10s", Ok("\"1KiB/s over 10s, credit 1s\""));
        check("1KiB/s over 10s, credit 2m", Ok("\"1KiB/s over 10s, credit 120s\""));
        check("off", Ok("\"off\""));
        for wrong in ["1KiB/s", "1KiB over 10s", "0/s over 1s", "1KiB/s over 0s", "off/s over 1s", "1KiB/s over off"] {
            check(wrong, Err("is no rate"));
        }
        check("1KiB/s over 10s, credit", Err("is no time"));
        check("1K/s over 10s", Err("is no size"));
        check("1KiB/s over 10", Err("is no time"));
    }

    #[test]
    fn addresses_are_literal() {
        let check =
            |words: &[&str], expected| check(Vec::<SocketAddr>::new(), |value| Box::new(value), words, expected);
        check(&["127.0.0.1:0", "[::1]:80"], Ok(r#"["127.0.0.1:0", "[::1]:80"]"#));
        check(&["80"], Ok(r#"["127.0.0.1:80"]"#));
        check(&[":80"], Err("write 127.0.0.1:80 for this machine alone, 0.0.0.0:80"));
        for wrong in ["localhost:80", "127.0.0.1", ":80", "-1", "65536", "", "127.0.0.1:99999", "::1:80"] {
            check(&[wrong], Err("is no address"));
        }
        check(&[], Err("at least one"));
    }

    #[test]
    fn proxies_are_ranges() {
        let check = |words: &[&str], expected| check(Vec::<Cidr>::new(), |value| Box::new(value), words, expected);
        check(&["10.0.0.0/8", "::1"], Ok(r#"["10.0.0.0/8", "::1/128"]"#));
        check(&[], Ok("[]"));
        check(&["10.0.0.1/8"], Err("`10.0.0.1/8`: "));
        check(&["proxy.example"], Err("`proxy.example`: "));
    }

    #[test]
    fn services_are_addressed_and_their_passwords_are_not_told() {
        use firstbyte::app::canvas::fanout::Broker;
        use firstbyte::app::canvas::store::Keep;
        let broker = |word: &str, expected| {
            check(
                None::<Broker>,
                |value| Box::new(Service { value, example: "x", check: |_| Ok(()) }),
                &[word],
                expected,
            );
        };
        broker("off", Ok("\"off\""));
        broker("redis://h", Ok("\"redis://h\""));
        broker("redis://:secret@h:1", Ok("\"redis://***@h:1\""));
        broker("nats://u:secret@[::1]:4222", Ok("\"nats://***@[::1]:4222\""));
        broker("nats://***@h", Err("the stars: write x, or off"));
        for wrong in ["", "h:6379", "redis", "./folder"] {
            broker(wrong, Err("it has no `://`"));
        }
        for wrong in ["rediss://h", "http://h", "tls://h", "amqp://h", "Redis://h", "unix://run/redis"] {
            broker(wrong, Err("no service that is spoken to"));
        }
        for wrong in ["redis://", "redis://h:port", "redis://h:99999", "nats://h:port", "redis://h/db", "nats://u:p@"] {
            broker(wrong, Err("no [user:password@]host[:port]"));
        }
        let store = |word: &str, expected| {
            check(
                None::<Keep>,
                |value| Box::new(Service { value, example: "x", check: |_| Ok(()) }),
                &[word],
                expected,
            );
        };
        store("off", Ok("\"off\""));
        store("./pictures", Ok("\"./pictures\""));
        store("redis://:secret@h/2", Ok("\"redis://***@h/2\""));
        store("", Err("it has no `://`"));
        store("nats://h", Err("no service that is spoken to"));
        store("redis://:secret@h:port", Err("no [user:password@]host[:port]"));
    }

    #[test]
    fn words_are_one_of_few() {
        let format = |word, expected| {
            let names = LOG_FORMATS;
            check(LogFormat::Auto, |value| Box::new(OneOf { value, names, hint: "x" }), &[word], expected);
        };
        format("json", Ok("\"json\""));
        format("JSON", Err("none of"));
        let switch = |word, expected| check(false, |value| Box::new(value), &[word], expected);
        switch("on", Ok("true"));
        switch("maybe", Err("neither"));
        let filter = |word, expected| check("info".to_owned(), |value| Box::new(Filter(value)), &[word], expected);
        filter("firstbyte=debug,info", Ok("\"firstbyte=debug,info\""));
        filter("firstbyte=loud", Err("is no filter"));
        let count = |word, expected| check(1usize, |value| Box::new(Count { value, range: 1..=99 }), &[word], expected);
        count("99", Ok("99"));
        count("0", Err("0 is not between 1 and 99"));
        count("many", Err("no whole number"));
    }
}
