//! Owns the two forms in which metrics are read, and which of them a client gets.
//!
//! The one idea: there is one encoder, of OpenMetrics, and the older form is made of what it writes. They differ in few lines:
//!
//! ```text
//!   OpenMetrics 1.0                          Prometheus 0.0.4
//!   # TYPE firstbyte_panics counter          # TYPE firstbyte_panics_total counter
//!   # TYPE firstbyte_build info              # TYPE firstbyte_build_info gauge
//!   # UNIT …, # EOF                          comments there: left out
//! ```
//!
//! Spec: OpenMetrics 1.0, "Text format"; Prometheus, "Text-based format" 0.0.4; RFC 9110 12.5.1.
//! Never: refuses a client because of what it accepts: who looks at metrics by hand is served, too.
//! Invariant: the help of a family stands before its type, as our encoder writes it; no sample has an exemplar.

use std::fmt::{Error, Write};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::app::page;
use crate::http::Request;

/// A form of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The form that the request asks for by name and version. Whoever names none gets what every version of Prometheus reads.
    pub(super) fn wanted(request: &Request) -> Format {
        let format = page::preferred(request, |media_type, parameters| {
            let mut parameters = parameters.split(';').map(str::trim);
            let version = parameters.find_map(|parameter| parameter.strip_prefix("version="));
            match (media_type, version.map(|version| version.trim_matches('"'))) {
                ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => Some(Format::OpenMetrics),
                ("text/plain", None | Some("0.0.4")) => Some(Format::Prometheus),
                _ => None,
            }
        });
        format.unwrap_or(Format::Prometheus)
    }

    /// What it is sent as.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// All that is registered, as it stands now.
    pub(super) fn write(self, registry: &Registry) -> Result<String, Error> {
        let mut text = String::new();
        text::encode(&mut text, registry)?;
        match self {
            Format::OpenMetrics => Ok(text),
            Format::Prometheus => prometheus(&text),
        }
    }
}

/// The older form of `open_metrics`.
fn prometheus(open_metrics: &str) -> Result<String, Error> {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        match line.strip_prefix("# ").and_then(|comment| comment.split_once(' ')) {
            Some(("HELP", rest)) => help = rest.split_once(' ').map_or("", |(_, help)| help),
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.rsplit_once(' ').ok_or(Error)?;
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")?;
            }
            Some(_) => {}
            None if line == "# EOF" => {}
            None => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;

    use super::*;

    fn check(accept: &str, expected: Format) {
        assert_eq!(Format::wanted(&Request::get("/metrics").with("Accept", accept)), expected, "{accept}");
    }

    #[test]
    fn prometheus_gets_what_it_asks_for() {
        // 2.42, 3.0, and what both send where OpenMetrics is off.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Format::OpenMetrics,
        );
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Prometheus);
        check("text/plain; version=0.0.4; q=0.5, application/openmetrics-text; q=0.4", Format::Prometheus);
    }

    #[test]
    fn whoever_asks_for_nothing_that_is_known_gets_the_older_form() {
        for accept in [
            "*/*",
            "",
            "text/html",
            "application/json",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            ";version=1.0.0",
        ] {
            check(accept, Format::Prometheus);
        }
        assert_eq!(Format::wanted(&Request::get("/metrics")), Format::Prometheus);
    }

    #[test]
    fn the_forms_differ_where_they_should() {
        let mut registry = Registry::default();
        let (things, open) = (Counter::<u64>::default(), Gauge::<i64>::default());
        let waits = Histogram::new([0.5, 1.0]);
        things.inc_by(3);
        open.set(-2);
        waits.observe(0.7);
        registry.register("things", "Things, # TYPE and all", things);
        registry.register("open", "Open", open);
        registry.register_with_unit("waits", "Waits", Unit::Seconds, waits);
        registry.register("build", "Build", Info::new([("version", "1 \"x\" # EOF")]));
        let open_metrics = Format::OpenMetrics.write(&registry).expect("it is written");
        assert!(open_metrics.contains("# TYPE things counter\nthings_total 3\n") && open_metrics.ends_with("# EOF\n"));
        let expected = "# HELP things_total Things, # TYPE and all.\n# TYPE things_total counter\nthings_total 3\n\
                        # HELP open Open.\n# TYPE open gauge\nopen -2\n\
                        # HELP waits_seconds Waits.\n# TYPE waits_seconds histogram\n\
                        waits_seconds_sum 0.7\nwaits_seconds_count 1\n\
                        waits_seconds_bucket{le=\"0.5\"} 0\nwaits_seconds_bucket{le=\"1.0\"} 1\n\
                        waits_seconds_bucket{le=\"+Inf\"} 1\n\
                        # HELP build_info Build.\n# TYPE build_info gauge\nbuild_info{version=\"1 \\\"x\\\" # EOF\"} 1\n";
        assert_eq!(Format::Prometheus.write(&registry).expect("it is written"), expected);
    }
}
