//! The metrics, as OpenMetrics text. Most are the report's own numbers; the rest the program hands in.
//!
//! Labels are bounded: routes, legs, kinds and rules, never paths, ids or fingerprints.

use crate::evidence::Histogram;
use crate::gate::{Criterion, CriterionResult, Verdict};
use crate::model::{BOUNDS, Bucket, Incomparable, Latencies, Leg, Timestamp};
use crate::report::Report;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(super) const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the metrics say beside the report. What is empty or `None` is left out.
#[derive(Debug, Clone, Default)]
pub struct MetricsView {
    pub version: &'static str,
    pub commit: &'static str,
    /// By side: `client`, `primary`, ...
    pub connections: Vec<(&'static str, u64)>,
    pub mirror_in_flight: Vec<(Leg, u64)>,
    pub mirror_in_flight_limit: Option<u64>,
    pub breaker_open: Vec<(Leg, bool)>,
    pub capture_bytes: Option<u64>,
    pub capture_limit_bytes: Option<u64>,
    pub comparison_queue_length: Option<u64>,
    pub first_byte: Vec<(Leg, Arc<str>, Buckets)>,
    pub connect: Vec<(Leg, Buckets)>,
    pub retries: Vec<(Leg, u64)>,
    pub added_latency: Option<Buckets>,
    pub mirror_skew: Option<Buckets>,
    pub comparison: Option<Buckets>,
    pub store_commit: Option<Buckets>,
    pub store_errors: u64,
    pub store_bytes: Option<u64>,
    /// By result: `ok`, `error`.
    pub config_reloads: Vec<(&'static str, u64)>,
    pub config_last_reload: Option<Timestamp>,
    pub log_lines_dropped: u64,
    /// Requests that the proxy itself refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
}

/// A histogram over the fixed bounds; not cumulative.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets {
    counts: [u64; BOUNDS.len() + 1],
    /// Seconds.
    sum: f64,
}

// === impl Buckets ===

impl Buckets {
    /// As they stand at this moment.
    pub fn of(latencies: &Latencies) -> Self {
        let (counts, sum) = latencies.read();
        Self { counts, sum }
    }

    /// Adds a histogram of microseconds, as exact as that one is.
    pub fn add_micros(&mut self, histogram: &Histogram) {
        for (micros, count) in histogram.iter() {
            self.add(micros as f64 / 1e6, count);
        }
    }

    /// The bound below which that share of the values lies. `Err` is the largest one, where they lie beyond it; `None`
    /// when there is no value.
    pub fn quantile(&self, share: f64) -> Option<Result<Duration, Duration>> {
        let all: u64 = self.counts.iter().sum();
        let mut below = 0;
        let at = self.counts.iter().position(|n| {
            below += n;
            all > 0 && below as f64 >= share * all as f64
        })?;
        let last = BOUNDS.len() - 1;
        let bound = |at: usize| BOUNDS.get(at).map(|s| Duration::from_secs_f64(*s));
        Some(bound(at).ok_or(bound(last).unwrap_or_default()))
    }

    fn add(&mut self, seconds: f64, count: u64) {
        let at = BOUNDS.partition_point(|b| *b < seconds);
        if let Some(n) = self.counts.get_mut(at) {
            *n += count;
        }
        self.sum += seconds * count as f64;
    }
}

/// The whole exposition, with its end marker.
pub(super) fn openmetrics(report: Report, mirroring: bool, view: MetricsView) -> String {
    let mut registry = Registry::with_prefix("parallax");
    registry.register_collector(Box::new(Scrape { report, mirroring, view }));
    let mut out = String::new();
    match encode(&mut out, &registry) {
        Ok(()) => out,
        // Writing into a String cannot fail; an empty exposition is still a valid one.
        Err(Error) => "# EOF\n".to_owned(),
    }
}

/// The same in the older text format, in which a counter's family is named like its samples.
pub(super) fn plain(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len() + 1024);
    // The description of a family comes right before its type.
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text.split_once(' ');
            continue;
        }
        match line.strip_prefix("# TYPE ").and_then(|text| text.split_once(' ')) {
            Some((name, kind)) => {
                let suffix = if kind == "counter" { "_total" } else { "" };
                if let Some((_, text)) = help.take() {
                    out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
                }
                out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            }
            None if line == "# EOF" => {}
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[derive(Debug)]
struct Scrape {
    report: Report,
    mirroring: bool,
    view: MetricsView,
}

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// One family: its samples by labels.
fn counters<'a, const N: usize>(
    e: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels<'a, N>, u64)>,
) -> Result<(), Error> {
    let mut family = e.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, n) in samples {
        let none = None::<&Exemplar<NoLabelSet, f64>>;
        // A family without labels would write empty braces.
        if N == 0 {
            family.encode_counter(&n, none)?;
        } else {
            family.encode_family(&labels)?.encode_counter(&n, none)?;
        }
    }
    Ok(())
}

fn gauges<'a, const N: usize>(
    e: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels<'a, N>, f64)>,
) -> Result<(), Error> {
    gauges_of(e, name, help, samples.into_iter().map(|(labels, value)| (labels.to_vec(), value)))
}

/// Not all of them need have the same labels.
fn gauges_of<'a>(
    e: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
) -> Result<(), Error> {
    let mut samples = samples.peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut family = e.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        if labels.is_empty() {
            family.encode_gauge(&value)?;
        } else {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

fn histograms<'a, const N: usize>(
    e: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels<'a, N>, &'a Buckets)>,
) -> Result<(), Error> {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut family = e.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, b) in samples {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(b.counts).collect();
        let none: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
        let count = b.counts.iter().sum();
        if N == 0 {
            family.encode_histogram(b.sum, count, &buckets, none)?;
        } else {
            family.encode_family(&labels)?.encode_histogram(b.sum, count, &buckets, none)?;
        }
    }
    Ok(())
}

/// The criterion `minimum` has seconds, the others ratios: as one, it says how much of the time needed has passed.
fn ratio(criterion: &CriterionResult, value: Option<f64>) -> Option<f64> {
    match criterion.criterion {
        Criterion::Minimum => Some(value? / criterion.limit.filter(|limit| *limit > 0.0)?),
        _ => value,
    }
}

fn seconds(t: Timestamp) -> f64 {
    t.as_micros() as f64 / 1e6
}

// === impl Collector for Scrape ===

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let e = &mut encoder;
        self.identity(e)?;
        self.accounting(e)?;
        self.gate(e)?;
        self.machinery(e)
    }
}

impl Scrape {
    fn identity(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let (epoch, view) = (&self.report.epoch, &self.view);
        let build = epoch.candidate_build.as_deref().unwrap_or("");
        let reason = format!("{:?}", epoch.reason).to_lowercase();
        gauges(e, "build_info", "The running program", [([("version", view.version), ("commit", view.commit)], 1.0)])?;
        let labels = [("epoch", epoch.id.as_str()), ("candidate_build", build), ("reason", reason.as_str())];
        gauges(e, "epoch_info", "The newest epoch", [(labels, 1.0)])?;
        gauges(e, "epoch_start_timestamp_seconds", "When its evidence began", [([], seconds(epoch.started_at))])?;
        gauges(e, "mirroring_enabled", "The kill switch", [([], f64::from(u8::from(self.mirroring)))])
    }

    fn accounting(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let routes = &self.report.routes;
        let requests = routes.iter().flat_map(|r| {
            let buckets = Bucket::ALL.map(|b| (b.as_str(), r.counts.not_mirrored.get(b)));
            // What is pending may turn out to be another epoch's, and a counter never goes down.
            std::iter::once(("mirrored", r.counts.settled().mirrored))
                .chain(buckets)
                .filter(|(name, n)| *name == "mirrored" || *n > 0)
                .map(|(name, n)| ([("route", &*r.route), ("decision", name)], n))
        });
        counters(e, "requests", "Requests by what was decided about mirroring", requests)?;
        let comparisons = routes.iter().flat_map(|r| {
            [("matched", r.counts.matched), ("excused", r.counts.excused), ("divergent", r.counts.divergent)]
                .map(|(name, n)| ([("route", &*r.route), ("outcome", name)], n))
        });
        counters(e, "comparisons", "Exchanges compared, by outcome", comparisons)?;
        let incomparable = routes.iter().flat_map(|r| {
            Incomparable::ALL
                .map(|i| (i.as_str(), r.counts.incomparable_reasons.get(i)))
                .into_iter()
                .filter(|(_, n)| *n > 0)
                .map(|(name, n)| ([("route", &*r.route), ("reason", name)], n))
        });
        counters(e, "incomparable", "Mirrored exchanges that could not be judged", incomparable)?;
        let excused = routes.iter().flat_map(|r| {
            let x = r.counts.excused_reasons;
            [("representation", x.representation), ("noise", x.noise), ("rule", x.rule)]
                .into_iter()
                .filter(|(_, n)| *n > 0)
                .map(|(name, n)| ([("route", &*r.route), ("reason", name)], n))
        });
        counters(e, "excused", "Exchanges whose differences do not count", excused)?;
        gauges(e, "pending_exchanges", "Mirrored, not judged yet", [([], self.report.totals.pending as f64)])?;

        let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for d in &self.report.divergences {
            *kinds.entry((&d.kind, d.tier.as_str())).or_default() += d.count;
        }
        let kinds = kinds.into_iter().map(|((kind, tier), n)| ([("kind", kind), ("tier", tier)], n));
        counters(e, "differences", "Differences seen, by kind", kinds)?;
        let counted = self.report.divergences.iter().filter(|d| !d.excused).count();
        let excused = self.report.divergences.len() - counted;
        let states = [("counted", counted), ("excused", excused)].map(|(s, n)| ([("state", s)], n as f64));
        gauges(e, "divergences", "Distinct divergences known", states)?;
        let responses = routes.iter().flat_map(|r| {
            let control = r.status.control.as_ref().map(|c| (Leg::Control, c));
            let legs = [(Leg::Primary, &r.status.primary), (Leg::Candidate, &r.status.candidate)];
            legs.into_iter().chain(control).flat_map(move |(leg, s)| {
                [
                    ("2xx", s.success),
                    ("3xx", s.redirect),
                    ("4xx", s.client_error),
                    ("5xx", s.server_error),
                    ("failed", s.failed),
                ]
                .into_iter()
                .filter(|(_, n)| *n > 0)
                .map(move |(class, n)| ([("leg", leg.as_str()), ("route", &*r.route), ("class", class)], n))
            })
        });
        counters(e, "leg_responses", "Answers of mirrored exchanges by class", responses)?;
        let hits = self.report.rules.iter().map(|r| ([("rule", r.id.as_str())], r.hits));
        counters(e, "rule_hits", "Exchanges in which a rule covered something", hits)?;
        let expiry = self.report.rules.iter().filter_map(|r| {
            let day = format!("{}T00:00:00Z", r.expires.as_ref()?).parse::<Timestamp>().ok()?;
            Some(([("rule", r.id.as_str())], seconds(day)))
        });
        gauges(e, "rule_expiry_timestamp_seconds", "When a rule ends", expiry)
    }

    fn gate(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let gate = &self.report.gate;
        let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive]
            .map(|v| ([("verdict", v.as_str())], f64::from(u8::from(v == gate.verdict))));
        gauges(e, "gate_verdict", "Exactly one is 1", verdicts)?;
        type Value = fn(&CriterionResult) -> Option<f64>;
        let families: [(&str, &str, Value); 6] = [
            ("gate_observed_ratio", "What was observed", |c| ratio(c, c.observed)),
            ("gate_lower_ratio", "Lower bound", |c| ratio(c, c.lower)),
            ("gate_upper_ratio", "Upper bound", |c| ratio(c, c.upper)),
            ("gate_limit_ratio", "The limit", |c| ratio(c, c.limit)),
            ("gate_samples", "Samples so far", |c| Some(c.samples as f64)),
            ("gate_samples_needed", "Samples needed in all", |c| c.samples_needed.map(|n| n as f64)),
        ];
        // A criterion may have several results for one route; label sets must stay distinct, so the first is told, in
        // every family the same one.
        let mut seen = std::collections::BTreeSet::new();
        let mut told = Vec::new();
        for c in &gate.criteria {
            let mut labels = vec![("criterion", c.criterion.as_str()), ("route", c.route.as_deref().unwrap_or(""))];
            labels.extend(c.measure.as_deref().map(|measure| ("measure", measure)));
            if seen.insert(labels.clone()) {
                told.push((labels, c));
            }
        }
        for (name, help, value) in families {
            let samples = told.iter().filter_map(|(labels, c)| Some((labels.clone(), value(c)?)));
            gauges_of(e, name, help, samples)?;
        }
        let eta = gate.eta_seconds.map(|s| ([], s as f64));
        gauges(e, "gate_eta_seconds", "Until decided, at this rate of traffic", eta)
    }

    fn machinery(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let v = &self.view;
        let one = |n: Option<u64>| n.map(|n| ([], n as f64));
        gauges(e, "connections", "Open connections", v.connections.iter().map(|(s, n)| ([("side", *s)], *n as f64)))?;
        let in_flight = v.mirror_in_flight.iter().map(|(l, n)| ([("leg", l.as_str())], *n as f64));
        gauges(e, "mirror_in_flight", "Mirrored exchanges under way", in_flight)?;
        gauges(e, "mirror_in_flight_limit", "How many there may be", one(v.mirror_in_flight_limit))?;
        let open = v.breaker_open.iter().map(|(l, o)| ([("leg", l.as_str())], f64::from(u8::from(*o))));
        gauges(e, "breaker_open", "Whether a leg's breaker is open", open)?;
        gauges(e, "capture_bytes", "Bytes of captured bodies", one(v.capture_bytes))?;
        gauges(e, "capture_limit_bytes", "How many there may be", one(v.capture_limit_bytes))?;
        gauges(e, "comparison_queue_length", "Pairs waiting to be compared", one(v.comparison_queue_length))?;
        let first = v.first_byte.iter().map(|(l, r, b)| ([("leg", l.as_str()), ("route", &**r)], b));
        histograms(e, "leg_first_byte_seconds", "Request start to answer head", first)?;
        let connect = v.connect.iter().map(|(l, b)| ([("leg", l.as_str())], b));
        histograms(e, "leg_connect_seconds", "Time to connect", connect)?;
        let retries = v.retries.iter().map(|(l, n)| ([("leg", l.as_str())], *n));
        counters(e, "leg_retries", "Requests sent again on another connection", retries)?;
        let one = |b: &'_ Option<Buckets>| b.clone();
        for (name, help, b) in [
            ("added_latency_seconds", "What the proxy costs users", one(&v.added_latency)),
            ("mirror_skew_seconds", "The candidate's send after the primary's", one(&v.mirror_skew)),
            ("comparison_seconds", "Time to compare one pair", one(&v.comparison)),
            ("store_commit_seconds", "Time to make evidence durable", one(&v.store_commit)),
        ] {
            histograms(e, name, help, b.iter().map(|b| ([], b)))?;
        }
        counters(e, "store_errors", "Commits that failed", [([], v.store_errors)])?;
        gauges(e, "store_bytes", "Size of the store", v.store_bytes.map(|n| ([], n as f64)))?;
        let reloads = v.config_reloads.iter().map(|(r, n)| ([("result", *r)], *n));
        counters(e, "config_reloads", "Configurations read again", reloads)?;
        let reloaded = v.config_last_reload.map(|t| ([], seconds(t)));
        gauges(e, "config_last_reload_timestamp_seconds", "When the configuration was last read", reloaded)?;
        counters(e, "log_lines_dropped", "Log lines lost", [([], v.log_lines_dropped)])?;
        let refused = v.refused.iter().map(|(r, n)| ([("reason", *r)], *n));
        counters(e, "refused_requests", "Requests refused before they were one", refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use std::time::Duration;

    #[test]
    fn the_names_and_the_law() {
        let times = Latencies::default();
        times.record(Duration::from_millis(1));
        times.record(Duration::from_secs(60));
        let view = MetricsView {
            version: "1",
            commit: "abc",
            added_latency: Some(Buckets::of(&times)),
            breaker_open: vec![(Leg::Candidate, true)],
            retries: vec![(Leg::Candidate, 3)],
            ..MetricsView::default()
        };
        let text = openmetrics(samples::report(Verdict::Fail), true, view);
        for line in [
            "parallax_build_info{version=\"1\",commit=\"abc\"} 1",
            "parallax_mirroring_enabled 1",
            "parallax_requests_total{route=\"GET /orders/{id}\",decision=\"mirrored\"} 412120",
            "parallax_requests_total{route=\"GET /orders/{id}\",decision=\"method\"} 100",
            "parallax_comparisons_total{route=\"GET /orders/{id}\",outcome=\"divergent\"} 1247",
            "parallax_gate_verdict{verdict=\"fail\"} 1",
            "parallax_gate_verdict{verdict=\"pass\"} 0",
            "parallax_breaker_open{leg=\"candidate\"} 1",
            "parallax_leg_retries_total{leg=\"candidate\"} 3",
            "parallax_added_latency_seconds_bucket{le=\"0.001\"} 1",
            "parallax_added_latency_seconds_bucket{le=\"10.0\"} 1",
            "parallax_added_latency_seconds_bucket{le=\"+Inf\"} 2",
            "parallax_added_latency_seconds_count 2",
            "parallax_differences_total{kind=\"json.type\",tier=\"break\"} 1284",
        ] {
            assert!(text.lines().any(|l| l == line || l == format!("{line}.0")), "{line} is not in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn an_exchange_is_counted_once_it_is_settled() {
        let mut report = samples::report(Verdict::Fail);
        let before = openmetrics(report.clone(), true, MetricsView::default());
        for counts in [&mut report.routes[0].counts, &mut report.totals] {
            counts.requests += 3;
            counts.mirrored += 3;
            counts.pending += 3;
        }
        let after = openmetrics(report, true, MetricsView::default());
        let changed: Vec<_> = after.lines().filter(|line| !before.lines().any(|l| l == *line)).collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].starts_with("parallax_pending_exchanges "), "{changed:?}");
    }

    #[test]
    fn the_older_format_names_counters_like_their_samples() {
        let view = MetricsView { added_latency: Some(Buckets::default()), ..MetricsView::default() };
        let text = plain(&openmetrics(samples::report(Verdict::Fail), true, view));
        let described = |name: &str, kind: &str| {
            let kind = format!("# TYPE {name} {kind}");
            let at = text.lines().position(|l| l == kind).unwrap_or_else(|| panic!("{kind} is not in {text}"));
            assert!(text.lines().nth(at - 1).unwrap().starts_with(&format!("# HELP {name} ")));
        };
        described("parallax_requests_total", "counter");
        described("parallax_gate_verdict", "gauge");
        described("parallax_added_latency_seconds", "histogram");
        assert!(!text.contains("# EOF") && text.contains("\nparallax_requests_total{"), "{text}");
    }

    #[test]
    fn the_time_that_is_needed_is_told_as_a_ratio() {
        let mut report = samples::report(Verdict::Fail);
        let mut minimum = report.gate.criteria[0].clone();
        minimum.criterion = Criterion::Minimum;
        (minimum.route, minimum.observed, minimum.limit) = (None, Some(900.0), Some(3600.0));
        report.gate.criteria = vec![minimum];
        let told = |report: &Report| openmetrics(report.clone(), true, MetricsView::default());
        let text = told(&report);
        assert!(text.contains("parallax_gate_observed_ratio{criterion=\"minimum\",route=\"\"} 0.25\n"), "{text}");
        assert!(text.contains("parallax_gate_limit_ratio{criterion=\"minimum\",route=\"\"} 1.0\n"), "{text}");
        report.gate.criteria[0].limit = Some(0.0);
        assert!(!told(&report).contains("_ratio{criterion=\"minimum\""));
    }

    #[test]
    fn rows_of_one_criterion_are_told_apart() {
        let mut report = samples::report(Verdict::Fail);
        let mut median = report.gate.criteria[0].clone();
        median.criterion = Criterion::Latency;
        (median.route, median.lower, median.upper, median.limit) = (Some("GET /a".into()), None, None, Some(1.1));
        let p95 = CriterionResult { measure: Some("p95".into()), upper: Some(4.5), limit: Some(1.2), ..median.clone() };
        let again = CriterionResult { upper: Some(9.0), ..median.clone() };
        report.gate.criteria = vec![median, p95, again];
        let text = openmetrics(report, true, MetricsView::default());
        let told = |family: &str| -> Vec<&str> {
            text.lines().filter(|line| line.starts_with(&format!("parallax_gate_{family}_ratio{{"))).collect()
        };
        let row = |family: &str, labels: &str, value: &str| {
            format!("parallax_gate_{family}_ratio{{criterion=\"latency\",route=\"GET /a\"{labels}}} {value}")
        };
        let p95 = ",measure=\"p95\"";
        assert_eq!(told("upper"), [row("upper", p95, "4.5")]);
        assert_eq!(told("limit"), [row("limit", "", "1.1"), row("limit", p95, "1.2")]);
    }

    #[test]
    fn labels_cannot_break_out() {
        let mut report = samples::report(Verdict::Fail);
        report.routes[0].route = "GET /\"} 1\nx{y=\"\\".into();
        let text = openmetrics(report, true, MetricsView::default());
        assert!(!text.lines().any(|l| l.starts_with("x{")), "{text}");
    }

    #[test]
    fn buckets_from_a_histogram() {
        let h = Histogram::of([(900, 3), (20_000_000, 2)]);
        let mut b = Buckets::default();
        b.add_micros(&h);
        assert_eq!((b.counts[1], b.counts[17]), (3, 2));
        b.add_micros(&h);
        assert_eq!((b.counts[1], b.counts[17]), (6, 4));
        assert!((b.sum - 80.0).abs() < 1.0, "{}", b.sum);
    }
}
