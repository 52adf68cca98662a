//! Owns the report as text: what fails and how it was seen, where the server chooses otherwise, the score.
//!
//! ```text
//!   FAILED  target/fragment  SHOULD  RFC 9112 3.2
//!     rule  a request-target holds no fragment: it is invalid, 400 or 301
//!     sent  GET /#part HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n
//!     came  HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok<closed>
//!     why   200, not 400
//! ```
//!
//! Never: shows a byte that a server chose as it came.

use firstbyte::conformance::{Ending, Finding, Level, Outcome, Probe, Score, Step, Subject, Target, Trace};

use firstbyte::http::explain::escape;

use super::wanted::Url;

/// Characters that are shown of what was sent, and of what came.
const SHOWN_MAX: usize = 600;

/// The report.
pub fn text(url: &Url, subject: &Subject, findings: &[Finding], colours: bool) -> String {
    let paint = Paint { colours };
    let mut text = introduction(url, subject);
    for finding in findings.iter().filter(|finding| finding.row.level != Level::Choice) {
        if let Outcome::Failed(why) = &finding.outcome {
            text += &failure(finding, why, subject, paint);
        }
    }
    text + &differing(findings, paint) + &skipped(findings) + &score(findings, paint)
}

fn introduction(url: &Url, subject: &Subject) -> String {
    let Subject { addr, target, server, no_echo } = subject;
    let software = server.as_deref().map(|server| format!(", {}", visible(server))).unwrap_or_default();
    let echo = target.echo.as_ref().map(|echo| format!(", POST {echo}")).unwrap_or_default();
    let mut text = format!("http://{} ({addr}{software}): GET {}{echo}\n", url.authority, target.get);
    if let Some(why) = no_echo {
        text += &format!("no echo: POST is answered with {why}; name a path that echoes by --echo\n");
    }
    text + "\n"
}

fn failure(finding: &Finding, why: &str, subject: &Subject, paint: Paint) -> String {
    let row = finding.row;
    let head = format!("{}  {}  {}  {}", paint.bad("FAILED"), paint.strong(row.id), row.level, row.section);
    let came = finding.trace.as_ref().map_or_else(String::new, |trace| shortened(&received(trace), SHOWN_MAX));
    let sent = shortened(&sent(&finding.probe, &subject.target), SHOWN_MAX);
    let why = shortened(&visible(why), SHOWN_MAX);
    format!("{head}\n  rule  {}\n  sent  {sent}\n  came  {came}\n  why   {why}\n\n", row.says)
}

fn differing(findings: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    for finding in findings.iter().filter(|finding| finding.row.level == Level::Choice) {
        if let Outcome::Failed(why) = &finding.outcome {
            let row = finding.row;
            text += &format!("  {}  {}  {}\n", paint.strong(row.id), row.section, row.says);
            text += &format!("      {}\n", shortened(&visible(why), SHOWN_MAX / 4));
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("Where the text leaves it to the server, it differs from firstbyte in:\n{text}\n")
}

fn skipped(findings: &[Finding]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings {
        if let Outcome::Skipped(why) = finding.outcome {
            match reasons.iter_mut().find(|(reason, _)| *reason == why) {
                Some((_, ids)) => ids.push(finding.row.id),
                None => reasons.push((why, vec![finding.row.id])),
            }
        }
    }
    reasons.iter().map(|(why, ids)| format!("Skipped, since {why}:\n  {}\n\n", ids.join(" "))).collect()
}

/// `MUST 97 of 99, SHOULD 20 of 22, 14 skipped; choices: as firstbyte in 30 of 41`.
fn score(findings: &[Finding], paint: Paint) -> String {
    let Score { must, should, choice, skipped, .. } = Score::of(findings);
    let tally = |name: &str, kept: usize, asked: usize| {
        let text = format!("{name} {kept} of {asked}");
        if kept < asked { paint.bad(&text) } else { paint.good(&text) }
    };
    let (must, should) = (tally("MUST", must.kept, must.asked), tally("SHOULD", should.kept, should.asked));
    format!("{must}, {should}, {skipped} skipped; choices: as firstbyte in {} of {}\n", choice.kept, choice.asked)
}

/// All that a probe does, on one line.
pub fn sent(probe: &Probe, target: &Target) -> String {
    let shown = |step: &Step| {
        let bytes = escape(&target.fill_in(step));
        match step {
            Step::Send(_) | Step::SendHead(_) | Step::Raw(_) => bytes,
            Step::Fill(_, times) => format!("<{times} times {}>", shortened(&bytes, SHOWN_MAX / 10)),
            Step::Await => "<an answer is awaited>".to_owned(),
            Step::Pause => "<a pause>".to_owned(),
            Step::Finish => "<FIN>".to_owned(),
        }
    };
    probe.steps.iter().map(shown).collect()
}

/// All that was seen, on one line.
pub fn received(trace: &Trace) -> String {
    let cut = trace.received_count - trace.received.len() as u64;
    let more = if cut > 0 { format!("<{cut} more bytes>") } else { String::new() };
    format!("{}{more}{}", escape(&trace.received), ending(trace.ending))
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Closed => "<closed>",
        Ending::Reset => "<reset>",
        Ending::Open => "<open>",
    }
}

/// `text` with its middle left out when it is longer than `max` characters.
pub fn shortened(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let (begin, end) = (max * 2 / 3, max / 3);
    let first: String = text.chars().take(begin).collect();
    let last: String = text.chars().skip(count - end).collect();
    format!("{first} <{} more> {last}", count - begin - end)
}

/// `text` without what a terminal obeys.
pub fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = (!character.is_control()).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[derive(Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn bad(self, text: &str) -> String {
        self.wrap("31;1", text)
    }

    fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstbyte::conformance::{Requirement, requirement};

    const STEPS: &[Step] =
        &[Step::Send("GET {get} HTTP/1.1\r\n\x1b"), Step::Pause, Step::Fill("xy", 70_000), Step::Finish];
    const BROKEN: Requirement =
        requirement::must("a/b", "RFC 9112 2", "a rule").decided("400").probe(STEPS, |seen| seen.refused(&[400]));
    const SKIPPED: Requirement =
        requirement::should("a/c", "RFC 9112 2", "a rule").decided("400").probe(STEPS, |seen| seen.refused(&[400]));
    const DIFFERING: Requirement =
        requirement::choice("a/d", "RFC 9112 2", "a side").decided("400").probe(STEPS, |seen| seen.refused(&[400]));

    fn finding(row: &'static Requirement, outcome: Outcome) -> Finding {
        let requirement::Proof::Probe(probe) = row.proof else { unreachable!() };
        let trace = Trace {
            received: b"\x1b[2J".to_vec(),
            received_count: 5,
            ending: Ending::Reset,
            ran_out: false,
            is_answered: false,
        };
        Finding { row, probe, outcome, trace: Some(trace) }
    }

    fn report(colours: bool) -> String {
        let target = Target { host: "x".into(), get: "/a".into(), echo: None };
        let subject = Subject {
            addr: ([127, 0, 0, 1], 80).into(),
            target,
            server: Some("evil\x1b[2J".into()),
            no_echo: Some("404".into()),
        };
        let findings = [
            finding(&BROKEN, Outcome::Failed("it said \x07".into())),
            finding(&SKIPPED, Outcome::Skipped("they need a resource that echoes")),
            finding(&DIFFERING, Outcome::Failed("200".into())),
        ];
        text(&Url { authority: "x".into(), path: "/a".into() }, &subject, &findings, colours)
    }

    #[test]
    fn a_report_says_what_fails_and_how_it_was_seen() {
        let expected = r"http://x (127.0.0.1:80, evil\u{1b}[2J): GET /a
no echo: POST is answered with 404; name a path that echoes by --echo

FAILED  a/b  MUST  RFC 9112 2
  rule  a rule
  sent  GET /a HTTP/1.1\r\n\x1b<a pause><70000 times xy><FIN>
  came  \x1b[2J<1 more bytes><reset>
  why   it said \u{7}

Where the text leaves it to the server, it differs from firstbyte in:
  a/d  RFC 9112 2  a side
      200

Skipped, since they need a resource that echoes:
  a/c

MUST 0 of 1, SHOULD 0 of 0, 1 skipped; choices: as firstbyte in 0 of 1
";
        assert_eq!(report(false), expected);
    }

    #[test]
    fn the_only_control_bytes_are_those_of_our_colours() {
        let report = report(true);
        assert!(report.contains("\x1b[31;1mFAILED\x1b[0m"), "{report}");
        let ours = ["\x1b[31;1m", "\x1b[32m", "\x1b[1m", "\x1b[0m"];
        let rest = ours.iter().fold(report, |text, code| text.replace(code, ""));
        assert!(rest.chars().all(|character| character == '\n' || !character.is_control()), "{rest:?}");
    }

    #[test]
    fn what_is_long_loses_its_middle() {
        assert_eq!(shortened("abcdefghi", 9), "abcdefghi");
        assert_eq!(shortened("abcdefghij", 9), "abcdef <1 more> hij");
        assert_eq!(shortened("ääääääääää", 3), "ää <7 more> ä");
    }
}
