//! A small epoch that the tests of the renderers share: one failing route, one open, one clean.

use super::{EpochReport, HistoryReport, ProxyInfo, Report, ReportFacts, RuleInfo, build};
use crate::diff::{Finding, Tier};
use crate::evidence::{
    Cells, ControlCounts, Counts, Divergence, EpochInfo, EpochReason, Evidence, Example, ExampleMessage, Histogram,
    PastEpoch, RouteEvidence,
};
use crate::gate::{Criterion, CriterionResult, History, Judgement, Point, Policy, Verdict};
use crate::model::{Notice, PerLeg, Severity, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[31m\" onload='x'";

pub(crate) fn now() -> Timestamp {
    start() + Duration::from_secs(187_200)
}

fn start() -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000)
}

fn epoch() -> EpochInfo {
    EpochInfo {
        id: "7".into(),
        candidate_build: Some("2026.11.3".into()),
        rules: "r1".into(),
        started_at: start(),
        reason: EpochReason::Build,
        ..Default::default()
    }
}

pub(crate) fn example(text: &str) -> Arc<Example> {
    let message = |start: &str, body: &str| ExampleMessage {
        start: start.into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.into(),
        body_bytes: body.len() as u64,
        binary: false,
    };
    Arc::new(Example {
        id: "x1".into(),
        at: start() + Duration::from_secs(60),
        request: message("GET /orders/7 HTTP/1.1", ""),
        primary: message("HTTP/1.1 200 OK", "{\n  \"id\": 7,\n  \"total\": 129.9\n}"),
        candidate: message("HTTP/1.1 200 OK", &format!("{{\n  \"id\": 7,\n  \"total\": \"{text}\"\n}}")),
        differences: vec![Finding {
            kind: "json.type".into(),
            tier: Tier::Break,
            location: "json:$.total".into(),
            exact: "json:$.total".into(),
            primary_class: "number".into(),
            candidate_class: "string".into(),
            primary_shape: None,
            candidate_shape: None,
            primary: Some("129.9".into()),
            candidate: Some(format!("\"{text}\"")),
            cover: None,
            secondary: false,
        }],
        rules: Default::default(),
    })
}

fn divergence(fingerprint: &str, count: u64, counted: u64, example_text: &str) -> Divergence {
    Divergence {
        fingerprint: fingerprint.into(),
        kind: "json.type".into(),
        location: "json:$.total".into(),
        tier: Tier::Break,
        count,
        counted,
        asked_again: 0,
        transient: 0,
        excused_by: Some("noise".into()),
        primary_class: "number".into(),
        candidate_class: "string".into(),
        first_seen: start(),
        last_seen: now(),
        trend: Default::default(),
        summary: format!("primary number 129.9, candidate string \"{example_text}\""),
        examples: vec![Arc::new(Example::clone(&example(example_text)).into())],
    }
}

fn route(compared: u64, divergent: u64, divergences: Vec<Divergence>) -> Arc<RouteEvidence> {
    let histogram = |us: u64| Histogram::of([(us, if compared > 0 { 100 } else { 0 })]);
    let mut counts = Counts {
        requests: compared + 103,
        mirrored: compared + 3,
        compared,
        matched: compared - divergent,
        divergent,
        incomparable: 2,
        pending: 1,
        ..Counts::default()
    };
    if divergent > 10 {
        counts.matched -= 10;
        counts.excused = 10;
        counts.excused_reasons.noise = 8;
        counts.excused_reasons.rule = 2;
    }
    counts.not_mirrored.method = 100;
    counts.incomparable_reasons.client_aborted = 2;
    Arc::new(RouteEvidence {
        since: start(),
        number: 1,
        restarts: 0,
        rules: "r1".into(),
        counts,
        paired: Cells { n00: 90, n10: 0, n01: 10, n11: 0 },
        control: ControlCounts { compared: 100, differed: 10, divergent: 0, unpaired_noise: 0 },
        errors: Cells::default(),
        bursts: Default::default(),
        status: PerLeg::default(),
        latency: PerLeg { primary: histogram(1000), candidate: histogram(1200), control: histogram(1000) },
        pace: crate::evidence::Pace::new(Default::default()),
        trend: Default::default(),
        divergences: divergences.into_iter().map(|d| (d.fingerprint.clone(), d)).collect(),
        divergences_overflow: 0,
        overflow_counted: 0,
        noise: BTreeMap::new(),
        volatility: BTreeMap::new(),
        rule_hits: BTreeMap::new(),
        named: Default::default(),
    })
}

pub(crate) fn evidence(text: &str) -> Evidence {
    Evidence {
        epoch: epoch(),
        routes: BTreeMap::from([
            (
                Arc::from("GET /orders/{id}"),
                route(
                    412_118,
                    1_247,
                    vec![divergence("kq3v7x2mha", 1_204, 1_200, text), divergence("zzzzzzzzzz", 80, 0, text)],
                ),
            ),
            (Arc::from("GET /invoices/{id}"), route(4_810, 0, Vec::new())),
            (Arc::from("GET /users/{id}"), route(601_220, 9, Vec::new())),
        ]),
        rule_hits: BTreeMap::from([(Arc::from("float-print"), 799)]),
        kinds: Default::default(),
        numbered: 0,
        globs: Default::default(),
        former: Default::default(),
    }
}

fn criterion(criterion: Criterion, route: Option<&str>, verdict: Verdict, reason: &str) -> CriterionResult {
    CriterionResult {
        criterion,
        required: true,
        route: route.map(Into::into),
        measure: None,
        verdict,
        observed: Some(0.00303),
        lower: Some(0.0027),
        upper: Some(0.00338),
        limit: Some(0.001),
        samples: 4_810,
        samples_needed: (verdict == Verdict::Inconclusive).then_some(56_154),
        eta_seconds: (verdict == Verdict::Inconclusive).then_some(18_000),
        reason: reason.into(),
    }
}

/// A judgement with that verdict over the routes of [`evidence`].
pub(crate) fn judgement(verdict: Verdict) -> Judgement {
    let at = |v: Verdict, level: Verdict| {
        if verdict == Verdict::Pass {
            Verdict::Pass
        } else if verdict == level {
            v
        } else {
            Verdict::Pass
        }
    };
    let orders = at(Verdict::Fail, Verdict::Fail);
    let invoices = if verdict == Verdict::Pass { Verdict::Pass } else { Verdict::Inconclusive };
    let invoices_says =
        if verdict == Verdict::Pass { "enough comparisons" } else { "4,810 of 56,154 comparisons, none diverged" };
    Judgement {
        schema: 1,
        verdict,
        epoch: epoch(),
        criteria: vec![
            criterion(Criterion::Divergence, Some("GET /orders/{id}"), orders, "the rate is above the limit"),
            criterion(Criterion::Divergence, Some("GET /invoices/{id}"), invoices, invoices_says),
            criterion(Criterion::Divergence, Some("GET /users/{id}"), Verdict::Pass, "the rate is below the limit"),
        ],
        eta_seconds: (verdict == Verdict::Inconclusive).then_some(18_000),
        alpha_pass: Some(0.01),
        notices: Vec::new(),
    }
}

pub(crate) fn proxy() -> ProxyInfo {
    ProxyInfo {
        listen: Some("http://127.0.0.1:8080".into()),
        admin: Some("http://127.0.0.1:9900".into()),
        primary: Some("http://old".into()),
        candidate: Some("http://new".into()),
        control: true,
        mirroring: Some(true),
    }
}

fn build_report(evidence: &Evidence, judgement: &Judgement) -> Report {
    let rule = |id: &str, expired| RuleInfo {
        id: id.into(),
        owner: Some("search".into()),
        expires: Some("2027-03-01".into()),
        why: None,
        on: "*".into(),
        at: "json:$.x".into(),
        expired,
        pairs: false,
    };
    let facts = ReportFacts {
        generated_at: now(),
        rules: &[rule("float-print", false), rule("old", true), rule("rows", false)],
        notices: vec![Notice {
            code: "rule_expires".into(),
            severity: Severity::Warning,
            message: "rule \"float-print\" expires in 9 days".into(),
            hint: Some("renew it or drop it".into()),
            since: Some(start()),
        }],
        proxy: proxy(),
        history: &History::default(),
        epochs: Vec::new(),
        bounds: &|_, r| {
            let rate = r.counts.divergent as f64 / r.counts.compared.max(1) as f64;
            (if rate > 0.0 { rate * 0.9 } else { 0.0 }, rate * 1.1 + 0.0001)
        },
        critical: &|name| name.contains("invoices"),
        min_comparisons: &|_| 200,
    };
    build(evidence, judgement, &facts)
}

/// Bounds that close in by halves over an hour, on the routes of [`judgement`]; the verdict changes once.
pub(crate) fn history(verdict: Verdict) -> History {
    let mut history = History::default();
    let last = judgement(verdict);
    for (i, minutes) in [1, 15, 30, 60].into_iter().enumerate() {
        let mut judgement = judgement(if i < 3 { Verdict::Inconclusive } else { verdict });
        for c in &mut judgement.criteria {
            c.samples = 1_000 << i;
            let wide = f64::from(1 << (3 - i));
            (c.upper, c.lower) = (c.upper.map(|u| u * wide), c.lower.map(|l| l / wide));
        }
        judgement.epoch = last.epoch.clone();
        let policy = Policy { default: Default::default(), routes: Default::default() };
        let at = start() + Duration::from_secs(60 * minutes);
        history.push(Point::of(&judgement, &policy, &evidence("x"), at).unwrap());
    }
    history
}

pub(crate) fn history_report() -> HistoryReport {
    HistoryReport::whole(&history(Verdict::Fail), None)
}

/// The epoch before that of [`report`].
pub(crate) fn past() -> EpochReport {
    let info = EpochInfo { id: "6".into(), candidate_build: Some("2026.11.2".into()), ..epoch() };
    let totals = Counts { requests: 10, mirrored: 10, compared: 10, matched: 10, ..Counts::default() };
    let past = PastEpoch { number: 6, info, ended_at: start(), totals };
    EpochReport::of(&past, Some(&history(Verdict::Fail)))
}

pub(crate) fn report_with_history(verdict: Verdict) -> Report {
    let history = HistoryReport::brief(&history(verdict));
    Report { history, epochs: vec![past()], ..report(verdict) }
}

pub(crate) fn report(verdict: Verdict) -> Report {
    let mut evidence = evidence("129.90");
    if verdict == Verdict::Pass {
        for route in evidence.routes.values_mut().map(Arc::make_mut) {
            route.divergences.clear();
        }
    }
    build_report(&evidence, &judgement(verdict))
}

/// Many routes, and five divergences on every other one; the first has an example as large as they come.
pub(crate) fn evidence_of_many(routes: usize) -> Evidence {
    let mut evidence = evidence("129.90");
    let like = evidence.routes.remove("GET /orders/{id}").unwrap();
    evidence.routes.clear();
    for n in 0..routes {
        let mut route = route(1_000 + n as u64, if n % 2 == 0 { 20 } else { 0 }, Vec::new());
        for at in (0..5).filter(|_| n % 2 == 0) {
            let mut d = like.divergences["kq3v7x2mha"].clone();
            d.fingerprint = format!("d{n:05}{at:05}").into();
            d.location = format!("json:$.a{at}").into();
            if (n, at) == (0, 0) {
                let mut large = Example::clone(&d.examples[0]);
                let lines: String = (0..1_500).map(|i| format!("line {i} of it\n")).collect();
                large.primary.body = format!("{lines}{}", "x".repeat(1_500));
                large.candidate.body = format!("{}{}", lines.replace('7', "8"), "y".repeat(1_500));
                (large.primary.body_bytes, large.candidate.body_bytes) = (9 << 20, 9 << 20);
                d.examples = vec![Arc::new(large.into())];
            }
            Arc::make_mut(&mut route).divergences.insert(d.fingerprint.clone(), d);
        }
        evidence.routes.insert(format!("GET /r{n:04}/{{id}}").into(), route);
    }
    evidence
}

/// A report of that evidence, judged as [`report`] is.
pub(crate) fn report_of(evidence: &Evidence) -> Report {
    let mut judgement = judgement(Verdict::Fail);
    let first = judgement.criteria[0].clone();
    let each = evidence.routes.keys().map(|name| CriterionResult { route: Some(name.clone()), ..first.clone() });
    judgement.criteria = each.collect();
    build_report(evidence, &judgement)
}

/// An epoch that has just begun.
pub(crate) fn evidence_of_nothing() -> Evidence {
    Evidence::new(epoch())
}

/// Everything that others can choose is hostile.
pub(crate) fn hostile_evidence() -> Evidence {
    let mut evidence = evidence(HOSTILE);
    evidence.epoch.candidate_build = Some(HOSTILE.into());
    let name: Arc<str> = format!("GET /{HOSTILE}").into();
    let mut route = evidence.routes.remove("GET /orders/{id}").unwrap();
    for d in Arc::make_mut(&mut route).divergences.values_mut() {
        d.location = format!("json:$.{HOSTILE}").into();
    }
    evidence.routes.insert(name, route);
    evidence
}

pub(crate) fn hostile_report() -> Report {
    let evidence = hostile_evidence();
    let name: Arc<str> = format!("GET /{HOSTILE}").into();
    let mut judgement = judgement(Verdict::Fail);
    judgement.criteria[0].route = Some(name);
    judgement.criteria[0].reason = HOSTILE.into();
    judgement.epoch = evidence.epoch.clone();
    let mut report = build_report(&evidence, &judgement);
    report.notices[0].message = HOSTILE.into();
    report
}

pub(crate) fn empty() -> Report {
    let mut judgement = judgement(Verdict::Inconclusive);
    judgement.criteria.clear();
    let mut evidence = evidence("");
    evidence.routes.clear();
    let mut report = build_report(&evidence, &judgement);
    report.notices.clear();
    report
}

mod tests {
    use super::*;
    use crate::report::{RuleState, find};

    #[test]
    fn the_law_holds_and_totals_are_sums() {
        let report = report(Verdict::Fail);
        let law = |c: &Counts| {
            assert_eq!(c.requests, c.mirrored + c.not_mirrored.sum());
            assert_eq!(c.mirrored, c.compared + c.incomparable + c.pending);
            assert_eq!(c.compared, c.matched + c.excused + c.divergent);
        };
        law(&report.totals);
        report.routes.iter().for_each(|r| law(&r.counts));
        assert_eq!(report.totals.compared, 412_118 + 4_810 + 601_220);
        assert_eq!(report.totals.excused_reasons.noise, 8);
        assert_eq!(report.totals.incomparable_reasons.client_aborted, 6);
    }

    #[test]
    fn divergences_rules_and_ratios() {
        let report = report(Verdict::Fail);
        let d = &report.divergences;
        assert_eq!((d[0].counted, d[0].excused, d[0].excused_by.as_deref()), (1_200, false, None));
        assert_eq!((d[1].counted, d[1].excused, d[1].excused_by.as_deref()), (0, true, Some("noise")));
        assert!((d[0].share - 1_204.0 / 412_118.0).abs() < 1e-12);
        assert_eq!(d[0].examples, ["x1"]);
        assert_eq!(
            report.rules.iter().map(|r| r.state).collect::<Vec<_>>(),
            [RuleState::Active, RuleState::Expired, RuleState::Unused]
        );
        assert_eq!(report.routes[0].divergence.noise, 0.1);
        assert!((report.routes[0].latency.ratio.p50.unwrap() - 1.2).abs() < 0.02);
        assert_eq!(find(&evidence(""), "kq3v7x2mha").unwrap().examples[0].id, "x1");
        assert!(find(&evidence(""), "nope").is_none());
    }

    #[test]
    fn no_sample_is_no_ratio() {
        let mut evidence = evidence("");
        evidence.routes.insert("GET /new".into(), route(0, 0, Vec::new()));
        let report = build_report(&evidence, &judgement(Verdict::Fail));
        let new = report.routes.iter().find(|r| &*r.route == "GET /new").unwrap();
        assert_eq!((new.latency.ratio.p50, new.latency.primary.count, new.divergence.rate), (None, 0, 0.0));
    }
}
