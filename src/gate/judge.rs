//! The decision: every criterion asked, futility seen, one verdict.

use super::pool::Pool;
use super::weights::Weights;
use super::words::{duration, probability, thousands};
use super::{
    Criterion, CriterionResult, Judgement, Policy, Verdict, because, coverage, divergence, errors, latency, minimum,
    nothing_arrived, unjudged, unmirrored, unseen,
};
use crate::evidence::{Evidence, Move, RouteEvidence};
use crate::model::{Notice, Severity, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the gate has to know beside evidence and policy.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The moment judged: now, or for a store without a running proxy when it was last written.
    pub now: Timestamp,
    /// Why what was counted may be lost, if it may.
    pub not_durable: Option<String>,
    /// The build that is asked about; evidence of any other one decides nothing.
    pub expected_build: Option<&'a str>,
    /// Whether the kill switch lets requests be mirrored.
    pub mirroring: bool,
    /// Comparisons a second of a route at present. Where that is not known, the average since its evidence began counts.
    pub rates: BTreeMap<Arc<str>, f64>,
}

/// What all criteria look at.
pub(super) struct View<'a> {
    pub policy: &'a Policy,
    pub evidence: &'a Evidence,
    pub facts: &'a Facts<'a>,
    pub weights: Weights,
    pub pool: Pool,
}

/// The verdict on the newest epoch. Fail wins over inconclusive, inconclusive over pass; without evidence it is
/// inconclusive.
pub fn judge(policy: &Policy, evidence: &Evidence, facts: &Facts<'_>) -> Judgement {
    let configured = policy;
    let policy = &*configured.after_resets(evidence.epoch.resets);
    let (criteria, futile) = match other_build(evidence, facts) {
        Some(result) => (vec![result], None),
        None => {
            let mut criteria = decide(&View::new(policy, evidence, facts));
            let futile = futility(policy, evidence, facts, &mut criteria);
            (criteria, futile)
        }
    };
    let required = || criteria.iter().filter(|c| c.required);
    let verdict = Verdict::all(required().map(|c| c.verdict));
    let eta_seconds = match verdict {
        Verdict::Inconclusive => {
            let open = required().filter(|c| c.verdict == Verdict::Inconclusive);
            // As long as one can't be foreseen, neither can the whole.
            open.map(|c| c.eta_seconds).try_fold(None, |most, eta| eta.map(|eta| most.max(Some(eta)))).flatten()
        }
        Verdict::Pass | Verdict::Fail => None,
    };
    let mut notices = notices(policy, evidence, facts);
    notices.extend(spent(configured, policy, evidence));
    notices.extend(futile);
    let alpha_pass = policy.routes.iter().map(|r| r.settings.alpha_pass).fold(policy.default.alpha_pass, f64::max);
    let epoch = evidence.epoch.clone();
    Judgement { schema: 1, verdict, epoch, criteria, eta_seconds, alpha_pass: Some(alpha_pass), notices }
}

fn decide(view: &View<'_>) -> Vec<CriterionResult> {
    let mut results = Vec::new();
    let divergence = divergence::results(view);
    let coverage = coverage::result(view, &divergence);
    results.extend(divergence);
    results.extend(errors::results(view));
    results.extend(latency::results(view));
    results.push(coverage);
    results.push(unseen::result(view));
    results.extend(unjudged::results(view));
    results.extend(minimum::results(view));
    if let Some(reason) = nothing_compared(view.evidence) {
        without_evidence(view, &mut results, &reason);
    }
    if let Some(why) = &view.facts.not_durable {
        results.push(open(Criterion::Minimum, format!("the evidence is not durable: {why}")));
    }
    results.extend(other_labels(view.evidence));
    results.extend(unnamed(view));
    results
}

/// A required result without numbers: not decided, and why.
fn open(criterion: Criterion, reason: String) -> CriterionResult {
    CriterionResult {
        criterion,
        required: true,
        route: None,
        measure: None,
        verdict: Verdict::Inconclusive,
        observed: None,
        lower: None,
        upper: None,
        limit: None,
        samples: 0,
        samples_needed: None,
        eta_seconds: None,
        reason,
    }
}

/// Evidence of another build than the one asked about decides nothing, not even that it fails.
fn other_build(evidence: &Evidence, facts: &Facts<'_>) -> Option<CriterionResult> {
    let expected = facts.expected_build?;
    let newest = evidence.epoch.candidate_build.as_deref();
    (newest != Some(expected)).then(|| {
        let found = newest.map_or_else(|| "names no build".to_owned(), |build| format!("is of build {build}"));
        open(Criterion::Minimum, format!("other build: the newest epoch {found}, not of {expected}"))
    })
}

/// What answers under other labels have shown is no evidence on this build.
fn other_labels(evidence: &Evidence) -> Option<CriterionResult> {
    let n = evidence.epoch.other_builds;
    (n > 0).then(|| {
        let n = thousands(n);
        let remedy =
            "candidate.build_header has to name what is the same in all answers of one build; then begin an epoch";
        open(Criterion::Minimum, format!("{n} exchanges counted here were answered under other labels: {remedy}"))
    })
}

/// Answers that name no build, where that of the epoch names itself, may be another's. A few are overlooked: as many as may
/// go unjudged.
fn unnamed(view: &View<'_>) -> Option<CriterionResult> {
    let epoch = &view.evidence.epoch;
    let (unnamed, limit) = (epoch.naming.unnamed, view.policy.default.max_unjudged);
    if unnamed as f64 <= limit * view.evidence.totals().mirrored as f64 {
        return None;
    }
    let build = epoch.candidate_build.as_deref().unwrap_or("the build");
    let n = thousands(unnamed);
    let why = format!("{n} answers counted here name no build where {build} names itself, so they may not be its own");
    let remedy = "all answers of one build have to name it (candidate.build_header); where one is deployed that does not name \
                  itself, say so: POST /api/v1/epoch {\"candidate_build\": \"...\"}";
    Some(open(Criterion::Minimum, format!("{why}: {remedy}")))
}

/// Says of every criterion that has routes' results alone that there is none yet. No evidence is never a pass, be it
/// that of a criterion which asks for nothing.
fn without_evidence(view: &View<'_>, results: &mut Vec<CriterionResult>, reason: &str) {
    let missing = |criterion: &Criterion| results.iter().all(|result| result.criterion != *criterion);
    let missing: Vec<Criterion> = Criterion::ALL.into_iter().filter(missing).collect();
    let row = |criterion| CriterionResult { required: view.decides(criterion), ..open(criterion, reason.to_owned()) };
    results.splice(0..0, missing.into_iter().map(row));
    if results.iter().all(|result| !result.required || result.verdict == Verdict::Pass) {
        results.insert(0, open(Criterion::Minimum, reason.to_owned()));
    }
}

fn nothing_compared(evidence: &Evidence) -> Option<String> {
    let sum = |count: fn(&RouteEvidence) -> u64| evidence.routes.values().map(|route| count(route)).sum::<u64>();
    if sum(|r| r.counts.compared) > 0 {
        return None;
    }
    let (requests, mirrored) = (sum(|r| r.counts.requests), sum(|r| r.counts.mirrored));
    Some(match (requests, mirrored) {
        (0, _) => nothing_arrived(&evidence.epoch),
        (1, 0) => "1 request has arrived and was not mirrored".to_owned(),
        (_, 0) => format!("{} requests have arrived and none was mirrored", thousands(requests)),
        _ => format!("{} mirrored, and nothing has been compared yet", thousands(mirrored)),
    })
}

/// Marks what is not decided and will not be before `max_duration`, by the age of the epoch and the forecast of each
/// criterion; the notice that says so. It changes no verdict: that something can't be shown is no evidence of harm.
fn futility(
    policy: &Policy,
    evidence: &Evidence,
    facts: &Facts<'_>,
    criteria: &mut [CriterionResult],
) -> Option<Notice> {
    let max = policy.default.max_duration;
    let age = facts.now.since(evidence.epoch.started_at);
    let mut first: Option<String> = None;
    // A forecast from a handful of comparisons is none.
    let measured = |c: &CriterionResult| {
        matches!(c.criterion, Criterion::Divergence | Criterion::Errors)
            && c.samples >= policy.default.min_comparisons.max(1)
    };
    for result in criteria.iter_mut().filter(|c| c.required && c.verdict == Verdict::Inconclusive) {
        let why = match result.eta_seconds {
            _ if age > max => format!("max_duration {} is over", duration(max)),
            Some(eta) if age.saturating_add(Duration::from_secs(eta)) > max => {
                let more = duration(Duration::from_secs(eta));
                format!("it takes about {more} more at this rate, max_duration is {}", duration(max))
            }
            None if result.samples_needed.is_none() && measured(result) => {
                "at the present rate it is never reached".to_owned()
            }
            _ => continue,
        };
        result.reason = format!("futile: {why}; {}", result.reason);
        // It is not waited for.
        result.eta_seconds = None;
        let name = result.route.as_deref().unwrap_or(result.criterion.as_str());
        first.get_or_insert_with(|| format!("{name}: {why}"));
    }
    let hint = match age > max {
        true => "begin a new epoch, or give it longer: gate.max_duration",
        false => "send more traffic, or ask for less evidence: gate.tolerance, gate.max_duration",
    };
    first.map(|message| Notice {
        code: "futile".into(),
        severity: Severity::Warning,
        message,
        hint: Some(hint.into()),
        since: None,
    })
}

fn notices(policy: &Policy, evidence: &Evidence, facts: &Facts<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut warn = |code: &str, severity, message: String, hint: &str| {
        notices.push(Notice { code: code.into(), severity, message, hint: Some(hint.into()), since: None });
    };
    if policy.default.min_duration.is_zero() {
        warn(
            "short_evidence",
            Severity::Warning,
            "gate.min_duration is 0s: a pass may rest on a few seconds of traffic".into(),
            "let evidence span a whole cycle of traffic, 24h by default",
        );
    }
    if !facts.mirroring {
        warn(
            "mirroring_off",
            Severity::Warning,
            "mirroring is switched off: no evidence is being gathered".into(),
            "POST /api/v1/mirror {\"enabled\": true} switches it on",
        );
    }
    let totals = evidence.totals();
    if facts.mirroring
        && let Some((bucket, n)) = unmirrored(&totals)
    {
        let (why, remedy) = because(bucket);
        let (requests, n) = (thousands(totals.requests), thousands(n));
        let message = format!("{requests} requests in this epoch, none mirrored: {n} {why}");
        warn("nothing_mirrored", Severity::Warning, message, remedy);
    }
    notices.extend(moved(evidence));
    notices.extend(bursts(policy, evidence));
    notices.extend(covered(evidence));
    notices
}

/// Where the candidate has moved, what was compared before and after may be of two builds.
fn moved(evidence: &Evidence) -> Option<Notice> {
    let Move { at, from, to } = evidence.epoch.moved.as_ref()?;
    Some(Notice {
        code: "candidate_moved".into(),
        severity: Severity::Warning,
        message: format!("the candidate has moved from {from} to {to}, and its evidence went on: until {at} it was the other's"),
        hint: Some(
            "if it is another build, begin an epoch: POST /api/v1/epoch {\"candidate_build\": \"...\"}, or let its answers name \
             it (candidate.build_header)"
                .into(),
        ),
        since: Some(*at),
    })
}

/// The rules at work, those that cover most first: a verdict is one on what they leave.
fn covered(evidence: &Evidence) -> Option<Notice> {
    const NAMED: usize = 5;
    let mut hits: Vec<_> = evidence.rule_hits.iter().filter(|(_, hits)| **hits > 0).collect();
    hits.sort_by_key(|(id, hits)| (std::cmp::Reverse(**hits), *id));
    let named: Vec<_> = hits.iter().take(NAMED).map(|(id, hits)| format!("\"{id}\" {}", thousands(**hits))).collect();
    let more = if hits.len() > NAMED { format!(", and {} more", hits.len() - NAMED) } else { String::new() };
    (!hits.is_empty()).then(|| Notice {
        code: "rules".into(),
        severity: Severity::Info,
        message: format!("exchanges in which a rule covered something: {}{more}", named.join(", ")),
        hint: Some("what a rule covers counts for nothing here; `parallax report` lists them all".into()),
        since: None,
    })
}

/// Where divergences come in clusters fewer of them are independent than were counted; the route that is worst.
fn bursts(policy: &Policy, evidence: &Evidence) -> Option<Notice> {
    let of = |(name, route): (&Arc<str>, &Arc<RouteEvidence>)| {
        let settings = policy.for_route(name).0;
        let factor = route.bursts.beyond(settings.design_effect.max(1.0))?;
        Some((factor, name.clone()))
    };
    let (factor, name) = evidence.routes.iter().filter_map(of).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(Notice {
        code: "bursts".into(),
        severity: Severity::Warning,
        message: format!(
            "divergences of {name} come in bursts: their number in a hundred exchanges varies {factor:.1} times as much as \
             if each came by itself (Fano factor), so the long run may be worse than the bounds say"
        ),
        hint: Some(format!(
            "set gate.design_effect to about {:.0}; a lower mirror.sample for longer tells more than all of it for short",
            factor.ceil()
        )),
        since: None,
    })
}

/// What trying again costs.
fn spent(configured: &Policy, policy: &Policy, evidence: &Evidence) -> Option<Notice> {
    let resets = evidence.epoch.resets;
    let times = match resets {
        0 => return None,
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{} times", thousands(n)),
    };
    let (before, now) = (&configured.default, &policy.default);
    Some(Notice {
        code: "resets".into(),
        severity: Severity::Info,
        message: format!(
            "the evidence of this build was given up by hand {times}; each new try is one more chance to pass, so this \
             one decides with alpha_pass {} and alpha_fail {} instead of {} and {}, and takes more comparisons",
            probability(now.alpha_pass),
            probability(now.alpha_fail),
            probability(before.alpha_pass),
            probability(before.alpha_fail),
        ),
        hint: Some(
            "let an epoch run: it may be read as often as one likes; name the build (candidate_build) when it is another"
                .into(),
        ),
        since: Some(evidence.epoch.started_at),
    })
}

// === impl Facts ===

impl Facts<'_> {
    /// Nothing special: durable, mirroring, any build.
    pub fn at(now: Timestamp) -> Self {
        Facts { now, not_durable: None, expected_build: None, mirroring: true, rates: BTreeMap::new() }
    }
}

// === impl View ===

impl<'a> View<'a> {
    pub(super) fn new(policy: &'a Policy, evidence: &'a Evidence, facts: &'a Facts<'a>) -> Self {
        Self { policy, evidence, facts, weights: Weights::new(policy, evidence), pool: Pool::new(policy, evidence) }
    }

    /// Whether a criterion without a route decides.
    pub(super) fn decides(&self, criterion: Criterion) -> bool {
        self.policy.default.criteria.contains(&criterion)
    }

    /// Comparisons per second of a route, `samples` of which count for the question at hand; `None` when unknown.
    pub(super) fn rate(&self, name: &str, route: &RouteEvidence, samples: u64) -> Option<f64> {
        let age = self.facts.now.since(route.since).as_secs_f64();
        let average = |n: u64| if age > 0.0 { n as f64 / age } else { 0.0 };
        let rate = match self.facts.rates.get(name) {
            // The rate given is of all comparisons; only some may have had a control.
            Some(rate) if route.counts.compared > 0 => rate * samples as f64 / route.counts.compared as f64,
            _ => average(samples),
        };
        (rate > 0.0).then_some(rate)
    }
}
