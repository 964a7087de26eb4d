//! The verdict for a terminal or a log: what a pipeline's owner reads first.

use super::format::pad;
use super::words::{self, measured};
use super::{Report, Style, duration, share, thousands};
use crate::gate::{Criterion, CriterionResult, Judgement, Verdict};
use crate::model::Timestamp;
use crate::stats::spend;
use std::fmt::Write;
use std::time::Duration;

const MAX_OPEN: usize = 12;
const MAX_FAILED: usize = 6;
/// Columns of a route in the block that is redrawn while waiting, so that the time that is left still fits.
const ROUTE: usize = 21;
/// And of what is waited for there.
const MISSING: usize = 22;
/// Criteria in that block.
const MAX_WAITING: usize = 14;

/// What is known beside the judgement. All of it may be missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct GateContext<'a> {
    /// For the counts, and for what lies behind a failed route.
    pub report: Option<&'a Report>,
    /// Why nobody waits any longer, where somebody did: `--wait is over after 30 min`.
    pub ended: Option<&'a str>,
    /// Why nothing was compared lately, where nothing was.
    pub silence: Option<&'a str>,
}

/// The final text of `parallax gate`. Ends in a newline.
pub fn gate_text(judgement: &Judgement, context: &GateContext<'_>, style: Style) -> String {
    let mut out = String::new();
    let _ = match judgement.verdict {
        Verdict::Pass => pass(&mut out, judgement, context, style),
        Verdict::Fail => fail(&mut out, judgement, context, style),
        Verdict::Inconclusive => inconclusive(&mut out, judgement, context, style),
    };
    if let Some(line) = context.silence {
        let _ = writeln!(out, "! {}", style.wrap(line, 2));
    }
    for notice in &judgement.notices {
        let hint = notice.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        let _ = writeln!(out, "! {}", style.wrap(&format!("{}{hint}", notice.message), 2));
    }
    out
}

/// One line for a log while waiting: `06:31:00Z inconclusive 4/8 next: …, eta 5m`, and why nothing moves.
pub fn progress_line(judgement: &Judgement, now: Timestamp, silence: Option<&str>) -> String {
    let time: String = now.to_string().chars().skip(11).take(8).collect();
    let required: Vec<_> = judgement.criteria.iter().filter(|c| c.required).collect();
    let holding = required.iter().filter(|c| c.verdict == Verdict::Pass).count();
    let mut line = format!("{time}Z {} {holding}/{}", judgement.verdict.as_str(), required.len());
    let open = required.iter().filter(|c| c.verdict != Verdict::Pass);
    let rank = |c: &CriterionResult| (c.verdict == Verdict::Inconclusive, std::cmp::Reverse(c.eta_seconds));
    if let Some(next) = open.min_by_key(|c| rank(c)) {
        let place = next.route.as_deref().unwrap_or(next.criterion.as_str());
        let progress = match next.samples_needed {
            Some(needed) if needed > next.samples && next.criterion == Criterion::Latency => {
                words::progress(next, needed)
            }
            Some(needed) if needed > next.samples => format!("{} comparisons", words::progress(next, needed)),
            _ => next.reason.clone(),
        };
        let _ = write!(line, " next: {} {}", super::escape::line(place), super::escape::line(&progress));
    } else if required.is_empty() {
        line.push_str(" next: no evidence yet");
    }
    if let Some(eta) = judgement.eta_seconds {
        let _ = write!(line, ", eta {}", short(eta));
    }
    if let Some(silence) = silence {
        let _ = write!(line, "; {}", super::escape::line(silence));
    }
    line
}

/// The block that is redrawn on a terminal while waiting, with why nothing moves where nothing does. Every line fits
/// the width; ends without a newline.
pub fn progress_block(
    judgement: &Judgement,
    now: Timestamp,
    left: Duration,
    silence: Option<&str>,
    style: Style,
) -> String {
    let required: Vec<_> = judgement.criteria.iter().filter(|c| c.required).collect();
    let count = |v| required.iter().filter(|c| c.verdict == v).count();
    let age = duration(now.since(judgement.epoch.started_at));
    let head = format!(
        "waiting for a verdict on {}, epoch {}, {age} old ({} of --wait left)",
        build(judgement),
        judgement.epoch.id,
        duration(left)
    );
    let failed = match count(Verdict::Fail) {
        0 => "none has failed".to_owned(),
        n => format!("{n} failed"),
    };
    let eta = judgement.eta_seconds.map(|s| format!(", decided in about {}", duration(Duration::from_secs(s))));
    let state = match required.len() {
        0 => "no evidence yet".to_owned(),
        all => format!("{} of {all} criteria hold, {failed}{}", count(Verdict::Pass), eta.unwrap_or_default()),
    };
    let mut lines = vec![
        format!("{} {}", style.symbol(Verdict::Inconclusive), style.end(&head, style.columns() - 6)),
        format!("  {}", style.end(&state, style.columns() - 2)),
        String::new(),
    ];
    // What is still open is what people wait for; it is not to fall off the end.
    let mut shown: Vec<_> = required.iter().enumerate().collect();
    shown.sort_by_key(|(_, c)| c.verdict == Verdict::Pass);
    shown.truncate(MAX_WAITING);
    shown.sort_by_key(|(at, _)| *at);
    lines.extend(shown.iter().map(|(_, c)| waiting_row(c, style)));
    if required.len() > MAX_WAITING {
        lines.push(format!("  and {} more", required.len() - MAX_WAITING));
    }
    if let Some(silence) = silence {
        lines
            .extend(format!("\n! {}", style.wrap(silence, 2)).split('\n').map(|line| style.end(line, style.columns())));
    }
    lines.join("\n")
}

/// `✔ divergence  GET /users/{id}    0 %     upper 0.061 %   limit 0.1 %     9,214, enough`.
fn waiting_row(c: &CriterionResult, style: Style) -> String {
    let value = |x: Option<f64>, before: &str| match x {
        Some(x) if c.criterion == Criterion::Latency => format!("{before}{x:.2}x"),
        Some(x) => format!("{before}{}", share(x)),
        None => String::new(),
    };
    let numbers = !matches!(c.criterion, Criterion::Minimum) && (c.observed.is_some() || c.upper.is_some());
    // Errors alone are summed up over routes that have rows of their own elsewhere.
    let all = if c.criterion == Criterion::Errors { "all routes" } else { "" };
    let place = style.middle(c.route.as_deref().unwrap_or(all), ROUTE);
    let eta = c.eta_seconds.map(|s| duration(Duration::from_secs(s))).unwrap_or_default();
    let symbol = style.symbol(c.verdict);
    let indent = if style.unicode { 4 } else { 7 };
    let name = pad(c.criterion.as_str(), 11);
    let text = if numbers {
        let progress = match c.samples_needed {
            Some(needed) if needed > c.samples => words::progress(c, needed),
            _ if c.criterion == Criterion::Coverage => style.middle(missing(c).unwrap_or_default(), MISSING),
            _ if c.verdict == Verdict::Pass && c.samples > 0 => format!("{}, enough", thousands(c.samples)),
            _ if c.samples > 0 => thousands(c.samples),
            _ => String::new(),
        };
        let (observed, limit) = (value(c.observed, ""), value(c.limit, "limit "));
        let bound = if c.verdict == Verdict::Fail { value(c.lower, "lower ") } else { value(c.upper, "upper ") };
        format!("{name} {} {observed:<8} {bound:<13} {limit:<12} {progress:<15} {eta}", pad(&place, ROUTE))
    } else {
        let room = style.columns().saturating_sub(indent + 12 + eta.chars().count() + 1);
        let reason = match &c.route {
            Some(route) => format!("{}: {}", style.middle(route, ROUTE), c.reason),
            None => c.reason.clone(),
        };
        let reason = style.end(&reason, room);
        format!("{name} {} {eta}", pad(&reason, room))
    };
    format!("  {symbol} {}", style.end(text.trim_end(), style.columns() - indent))
}

/// `waits for GET /orders/{id}`, of coverage.
fn missing(c: &CriterionResult) -> Option<&str> {
    c.reason.split("; ").find(|part| part.starts_with("waits for "))
}

fn build(judgement: &Judgement) -> String {
    judgement.epoch.candidate_build.as_ref().map_or_else(|| "the candidate".to_owned(), |b| format!("build {b}"))
}

fn pass(out: &mut String, j: &Judgement, context: &GateContext<'_>, style: Style) -> std::fmt::Result {
    let required = j.criteria.iter().filter(|c| c.required).count();
    let line = format!("{} may replace the primary: {required} of {required} criteria hold", build(j));
    writeln!(out, "{}", style.headline(j.verdict, &line, 8))?;
    if let Some(report) = context.report {
        let t = &report.totals;
        let unjudged = t.incomparable + t.pending;
        let unjudged = if t.mirrored == 0 { 0.0 } else { unjudged as f64 / t.mirrored as f64 };
        let span = duration(report.generated_at.since(report.epoch.started_at));
        let line = format!(
            "{span}, {} compared, {} divergent, {} of the mirrored exchanges not judged",
            thousands(t.compared),
            thousands(t.divergent),
            if unjudged > 0.0 { format!("{:.2} %", unjudged * 100.0) } else { share(0.0) }
        );
        writeln!(out, "        {}", style.wrap(&line, 8))?;
    }
    writeln!(out, "        {}", style.wrap(&words::pass_means(j.alpha_pass), 8))?;
    let alpha = j.alpha_pass.unwrap_or(0.0);
    if j.epoch.resets == 0 || alpha <= 0.0 {
        return Ok(());
    }
    // The first try decided with all of alpha, and those after it share as much again.
    let all = 2.0 * alpha / spend(1.0, j.epoch.resets);
    let tries = format!(
        "It had tries before this one; over all of them, however many, it is at most 1 in {:.0}.",
        (1.0 / all).floor().max(1.0)
    );
    writeln!(out, "        {}", style.wrap(&tries, 8))
}

fn fail(out: &mut String, j: &Judgement, context: &GateContext<'_>, style: Style) -> std::fmt::Result {
    let failed: Vec<_> = j.criteria.iter().filter(|c| c.required && c.verdict == Verdict::Fail).collect();
    let noun = if failed.len() == 1 { "criterion" } else { "criteria" };
    let line = format!("{}: {} {noun} failed", build(j), failed.len());
    writeln!(out, "{}", style.headline(j.verdict, &line, 8))?;
    for c in failed.iter().take(MAX_FAILED) {
        row(out, c, critical(c, context), &measured(c), style)?;
        writeln!(out, "        {}", style.wrap(&c.reason, 8))?;
        behind(out, c, context, style)?;
    }
    if failed.len() > MAX_FAILED {
        writeln!(out, "  and {} more: parallax gate --format json", failed.len() - MAX_FAILED)?;
    }
    Ok(())
}

/// The divergence that did most of it.
fn behind(out: &mut String, c: &CriterionResult, context: &GateContext<'_>, style: Style) -> std::fmt::Result {
    let (Criterion::Divergence, Some(report), Some(route)) = (c.criterion, context.report, &c.route) else {
        return Ok(());
    };
    let Some(worst) = words::worst_of(report, route) else { return Ok(()) };
    let all = report.routes.iter().find(|r| r.route == *route).map_or(worst.counted, |r| r.counts.divergent);
    let line = format!(
        "{} of {} are {}: {}, {}",
        thousands(worst.counted),
        thousands(all),
        worst.fingerprint,
        worst.location,
        worst.summary
    );
    writeln!(out, "        {}", style.wrap(&line, 8))?;
    match &report.proxy.admin {
        Some(admin) => writeln!(out, "        {admin}/divergences/{}", worst.fingerprint),
        None => Ok(()),
    }
}

fn inconclusive(out: &mut String, j: &Judgement, context: &GateContext<'_>, style: Style) -> std::fmt::Result {
    let required = j.criteria.iter().filter(|c| c.required).count();
    let open: Vec<_> = j.criteria.iter().filter(|c| c.required && c.verdict == Verdict::Inconclusive).collect();
    let over = context.ended.map(|ended| format!("{ended}: ")).unwrap_or_default();
    let line = if required == 0 {
        format!("{over}there is nothing to judge yet. This is not a pass.")
    } else {
        let verb = if open.len() == 1 { "is" } else { "are" };
        format!("{over}{} of {required} criteria {verb} not decided. This is not a pass.", open.len())
    };
    writeln!(out, "{}", style.headline(j.verdict, &line, 8))?;
    for c in open.iter().take(MAX_OPEN) {
        let more =
            c.eta_seconds.map(|s| format!(", about {} more", duration(Duration::from_secs(s)))).unwrap_or_default();
        row(out, c, critical(c, context), &format!("{}{more}", c.reason), style)?;
    }
    if open.len() > MAX_OPEN {
        writeln!(out, "  and {} more", open.len() - MAX_OPEN)?;
    }
    // It would be at the rate there was before.
    if let Some(eta) = j.eta_seconds.filter(|_| open.len() > 1 && context.silence.is_none()) {
        writeln!(out, "        decided in about {} at this rate of traffic", duration(Duration::from_secs(eta)))?;
    }
    writeln!(out, "        next  {}", style.wrap(&next(j, &open, context), 14))
}

/// ` (critical)`, where the route is.
fn critical(c: &CriterionResult, context: &GateContext<'_>) -> &'static str {
    let of = |report: &Report| report.routes.iter().any(|r| r.critical && c.route.as_ref() == Some(&r.route));
    if c.criterion == Criterion::Divergence && context.report.is_some_and(of) { " (critical)" } else { "" }
}

/// What to do about what is open.
fn next(j: &Judgement, open: &[&CriterionResult], context: &GateContext<'_>) -> String {
    if j.notices.iter().any(|notice| notice.code == "offline") {
        return "start the proxy with this folder: `parallax serve --data DIR`".to_owned();
    }
    if open.iter().any(|c| c.reason.starts_with("other build")) {
        return "deploy that build; `--wait 30m` waits until it has answered and is decided".to_owned();
    }
    let totals = context.report.map(|report| &report.totals);
    if totals.is_some_and(|t| t.requests == 0) {
        let listen = context.report.and_then(|report| report.proxy.listen.as_deref());
        return listen.map_or_else(|| "send requests through the proxy".to_owned(), |url| format!("curl -i {url}/"));
    }
    if totals.is_some_and(|t| t.compared == 0) || context.silence.is_some() {
        return "see to what is said below; `parallax report` has the counts".to_owned();
    }
    if open.iter().any(|c| c.criterion == Criterion::Unjudged) {
        return "see to what was not judged: more traffic alone does not make up for it".to_owned();
    }
    let uncompared =
        |c: &&&CriterionResult| c.criterion == Criterion::Divergence && c.samples == 0 && c.route.is_some();
    if let Some(c) = open.iter().find(uncompared) {
        let route = c.route.as_deref().unwrap_or_default();
        return format!("see to {route}, of which nothing is compared: more traffic may not make up for it");
    }
    if let Some(hint) = j.notices.iter().find(|n| n.code == "futile").and_then(|n| n.hint.clone()) {
        return hint;
    }
    let mut next = match open.iter().any(|c| c.criterion == Criterion::Minimum && c.eta_seconds.is_some()) {
        true => "keep the traffic coming, or set gate.min_duration".to_owned(),
        false => "keep the traffic coming, or ask with --wait 30m".to_owned(),
    };
    if open.iter().any(|c| !critical(c, context).is_empty()) {
        next.push_str("; `critical = true` asks for more evidence than an ordinary route does");
    }
    next
}

fn row(out: &mut String, c: &CriterionResult, mark: &str, detail: &str, style: Style) -> std::fmt::Result {
    let route = c.route.as_deref().map(|r| format!("{}{mark}", style.middle(r, 32))).unwrap_or_default();
    let gap = if route.is_empty() { "" } else { "   " };
    let name = pad(c.criterion.as_str(), 10);
    let indent = if style.unicode { 16 } else { 19 };
    let line = style.wrap(&format!("{route}{gap}{detail}"), indent);
    let symbol = style.symbol(c.verdict);
    writeln!(out, "  {symbol} {name}  {}", line.trim_end())
}

/// `5m`, `2h`, as durations are written in flags.
fn short(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..7200 => format!("{}m", seconds.div_ceil(60)),
        7200..172_800 => format!("{}h", seconds.div_ceil(3600)),
        _ => format!("{}d", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn pass_says_what_it_means() {
        let (report, judgement) = (samples::report(Verdict::Pass), samples::judgement(Verdict::Pass));
        let context = GateContext { report: Some(&report), ..GateContext::default() };
        insta::assert_snapshot!(gate_text(&judgement, &context, Style::default()), @r##"
        ✔ PASS  build 2026.11.3 may replace the primary: 3 of 3 criteria hold
                2 d 4 h, 1,018,148 compared, 1,256 divergent, 0.00 % of the mirrored exchanges not judged
                Of candidates beyond these limits at most 1 in 100 would ever get this verdict, however
                often one asks. It speaks of the traffic of this epoch, not of traffic that never came.
        "##);
    }

    #[test]
    fn tries_before_count() {
        let mut judgement = samples::judgement(Verdict::Pass);
        (judgement.alpha_pass, judgement.epoch.resets) = (Some(spend(0.01, 2)), 2);
        let text = gate_text(&judgement, &GateContext::default(), Style::default());
        assert!(text.contains("at most 1 in 657 would ever"), "{text}");
        assert!(text.contains("over all of them, however many, it is at most 1 in 50."), "{text}");
    }

    #[test]
    fn what_is_to_be_done_depends_on_what_is_missing() {
        let mut judgement = samples::judgement(Verdict::Inconclusive);
        let next = |judgement: &Judgement| {
            let text = gate_text(judgement, &GateContext::default(), Style::default());
            text.split_once("next  ").unwrap().1.lines().next().unwrap().to_owned()
        };
        assert!(next(&judgement).starts_with("keep the traffic coming"));
        judgement.criteria[1].reason = "other build: the newest epoch is of build 1, not of 2".into();
        assert!(next(&judgement).starts_with("deploy that build"), "{}", next(&judgement));
        judgement.notices.push(crate::model::Notice {
            code: "offline".into(),
            severity: crate::model::Severity::Info,
            message: "no proxy is running".into(),
            hint: None,
            since: None,
        });
        assert!(next(&judgement).contains("parallax serve --data DIR"), "{}", next(&judgement));
    }

    #[test]
    fn fail_names_the_divergence() {
        let (report, judgement) = (samples::report(Verdict::Fail), samples::judgement(Verdict::Fail));
        let context = GateContext { report: Some(&report), ..GateContext::default() };
        insta::assert_snapshot!(gate_text(&judgement, &context, Style::default()), @r##"
        ✖ FAIL  build 2026.11.3: 1 criterion failed
          ✖ divergence  GET /orders/{id}   0.303 % [0.27 %, 0.338 %], limit 0.1 %, of 4,810
                the rate is above the limit
                1,200 of 1,247 are kq3v7x2mha: json:$.total, primary number 129.9, candidate string "129.90"
                http://127.0.0.1:9900/divergences/kq3v7x2mha
        "##);
    }

    #[test]
    fn inconclusive_is_not_a_pass() {
        let judgement = samples::judgement(Verdict::Inconclusive);
        let report = samples::report(Verdict::Inconclusive);
        let ended = Some("--wait is over after 30 min");
        let context = GateContext { report: Some(&report), ended, ..GateContext::default() };
        insta::assert_snapshot!(gate_text(&judgement, &context, Style::default()), @r##"
        ◌ INCONCLUSIVE  --wait is over after 30 min: 1 of 3 criteria is not decided. This is not a pass.
          ◌ divergence  GET /invoices/{id} (critical)   4,810 of 56,154 comparisons, none diverged, about 5
                        h more
                next  keep the traffic coming, or ask with --wait 30m; `critical = true` asks for more
                      evidence than an ordinary route does
        "##);
        let nothing = Judgement { criteria: Vec::new(), ..judgement };
        assert!(gate_text(&nothing, &context, Style::default()).contains("nothing to judge yet. This is not a pass."));
    }

    #[test]
    fn silence_is_told_wherever_somebody_waits() {
        let judgement = samples::judgement(Verdict::Inconclusive);
        let silence = Some("no request has arrived for 20 s: send traffic through the proxy");
        let line = progress_line(&judgement, samples::now(), silence);
        assert!(line.ends_with(", eta 5h; no request has arrived for 20 s: send traffic through the proxy"), "{line}");
        let left = Duration::from_secs(60);
        let block = progress_block(&judgement, samples::now(), left, silence, Style::default());
        assert!(block.ends_with("\n\n! no request has arrived for 20 s: send traffic through the proxy"), "{block}");
        let context = GateContext { silence, ..GateContext::default() };
        let text = gate_text(&judgement, &context, Style::default());
        assert!(text.ends_with("\n! no request has arrived for 20 s: send traffic through the proxy\n"), "{text}");
        let empty = samples::empty();
        let context = GateContext { report: Some(&empty), ..GateContext::default() };
        let text = gate_text(&judgement, &context, Style::default());
        assert!(text.contains("next  curl -i http://127.0.0.1:8080/"), "{text}");
    }

    #[test]
    fn progress_for_logs() {
        let now = samples::now();
        insta::assert_snapshot!(progress_line(&samples::judgement(Verdict::Inconclusive), now, None), @r##"04:00:00Z inconclusive 2/3 next: GET /invoices/{id} 4,810 of 56,154 comparisons, eta 5h"##);
    }

    #[test]
    fn the_block_on_a_terminal() {
        let judgement = samples::judgement(Verdict::Inconclusive);
        let block = |style| progress_block(&judgement, samples::now(), Duration::from_secs(1440), None, style);
        insta::assert_snapshot!(block(Style::default()), @r##"
        ◌ waiting for a verdict on build 2026.11.3, epoch 7, 2 d 4 h old (24 min of --wait left)
          2 of 3 criteria hold, none has failed, decided in about 5 h

          ✔ divergence  GET /orders/{id}      0.303 %  upper 0.338 % limit 0.1 %  4,810, enough
          ◌ divergence  GET /invoices/{id}    0.303 %  upper 0.338 % limit 0.1 %  4,810 of 56,154 5 h
          ✔ divergence  GET /users/{id}       0.303 %  upper 0.338 % limit 0.1 %  4,810, enough
        "##);
        for line in block(Style { width: 60, unicode: false, ..Style::default() }).lines() {
            assert!(line.chars().count() <= 60, "{line}");
        }
    }
}
