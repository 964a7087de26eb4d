//! One divergence: a sentence, what it looks like, and what to do about it.

use super::super::compare::{Block, State, compare, cut, written};
use super::super::plots::{Markup, share_sparkline, shares};
use super::super::{
    DivergenceDetail, DivergenceReport, Report, ShareSpan, ShareTrend, confirmed, duration, find, share,
};
use super::{Frame, Visit, filters, rendered};
use crate::diff::{Finding, Tier};
use crate::evidence::{Evidence, Example, ExampleMessage};
use askama::Template;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

#[derive(Template)]
#[template(path = "divergence.html")]
struct Divergence<'a> {
    frame: Frame<'a>,
    d: &'a DivergenceDetail,
    compared: u64,
    confirmed: String,
    spark: Markup,
    /// Of the latest span that is over.
    lately: String,
    shares: Markup,
    spans: Vec<ShareSpan>,
    /// How long a span is.
    span: String,
    /// Which example is shown, from 1; the others are a link away.
    at: usize,
    shown: Option<Shown<'a>>,
    rule: String,
    trial: Trial,
}

/// One example, written out.
pub struct Shown<'a> {
    pub example: &'a Example,
    /// Those that are the divergence itself.
    pub own: Vec<(&'a Finding, Option<String>)>,
    /// What else differs in this exchange.
    pub others: Vec<(&'a Finding, Option<String>)>,
    pub request: String,
    pub blocks: Vec<Block>,
    pub curl: Option<String>,
    pub diff: Result<String, &'static str>,
}

/// What a rule that ignores the place would do to the stored examples of its route.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trial {
    stored: usize,
    /// All that counted in them would be excused.
    excused: usize,
    /// Something else would still count.
    left: usize,
}

/// Bytes of a body that are written out to be copied.
const MAX_INLINE: usize = 6 * 1024;

/// The page of one divergence; `None` where there is none of that name in the newest epoch.
pub fn divergence(visit: &Visit<'_>, fingerprint: &str) -> Option<String> {
    let Visit { look, query, .. } = *visit;
    let d = &find(&look.evidence, fingerprint)?;
    let report = &look.report;
    let at = query.get("example").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1).clamp(1, d.examples.len().max(1));
    let reasons = Reasons::of(report, &d.route);
    Some(rendered(&Divergence {
        frame: Frame::new(visit, "/divergences", &d.fingerprint),
        compared: report.routes.iter().find(|r| r.route == d.route).map_or(0, |r| r.counts.compared),
        confirmed: confirmed(d.asked_again, d.transient),
        spark: d.trend.as_ref().map(share_sparkline).unwrap_or_default(),
        lately: d.trend.as_ref().map(lately).unwrap_or_default(),
        shares: d.trend.as_ref().map(shares).unwrap_or_default(),
        spans: d.trend.as_ref().map(ShareTrend::spans).unwrap_or_default(),
        span: d.trend.as_ref().map_or_else(String::new, |t| duration(Duration::from_secs(t.seconds))),
        at,
        shown: d.examples.get(at - 1).map(|e| shown(e, &reasons, report.proxy.listen.as_deref(), d)),
        rule: rule(d),
        trial: trial(&look.evidence, d, &reasons),
        d,
    }))
}

/// What its share was in the latest span that is over.
fn lately(trend: &ShareTrend) -> String {
    let over = trend.spans().into_iter().rev().skip(1).find_map(|span| span.share());
    let length = duration(Duration::from_secs(trend.seconds));
    over.map_or_else(String::new, |part| format!("{} lately, over {length}", share(part)))
}

/// Why findings of one route do not count, beyond what they say themselves.
pub struct Reasons<'a>(HashMap<(&'a str, &'a str), &'a str>);

// === impl Reasons ===

impl<'a> Reasons<'a> {
    pub fn of(report: &'a Report, route: &str) -> Self {
        let mut reasons = HashMap::new();
        // A place that counts with some values counts.
        for d in report.divergences.iter().filter(|d| &*d.route == route) {
            match &d.excused_by {
                Some(by) if d.excused => drop(reasons.entry((&*d.location, &*d.kind)).or_insert(&**by)),
                _ => drop(reasons.insert((&*d.location, &*d.kind), "")),
            }
        }
        Self(reasons)
    }

    /// `None` where it counts.
    fn why(&self, finding: &Finding) -> Option<String> {
        match (&finding.cover, finding.tier) {
            (Some(crate::diff::Cover::Rule(id)), _) => Some(format!("rule {id}")),
            _ if finding.secondary => Some("follows from an earlier difference".to_owned()),
            (None, Tier::Repr) => Some("representation".to_owned()),
            (None, Tier::Info) => Some("for information".to_owned()),
            _ => {
                self.0.get(&(&*finding.location, &*finding.kind)).filter(|by| !by.is_empty()).map(|by| (*by).to_owned())
            }
        }
    }
}

/// An example written out for a page.
pub fn shown<'a, E>(
    example: &'a Example,
    reasons: &Reasons<'_>,
    listen: Option<&str>,
    d: &DivergenceReport<E>,
) -> Shown<'a> {
    let all = example.differences.iter().map(|f| (f, reasons.why(f)));
    let (own, others) = all.partition(|(f, _)| f.location == d.location && *f.kind == *d.kind);
    Shown {
        example,
        own,
        others,
        request: cut(&written(&example.request), MAX_INLINE),
        blocks: compare(example, &|f| reasons.why(f)),
        curl: listen.and_then(|listen| curl(listen, &example.request)),
        diff: diff(example, &d.route),
    }
}

/// The request again, through the proxy; without what was redacted.
fn curl(listen: &str, request: &ExampleMessage) -> Option<String> {
    let mut words = request.start.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let mut out = "curl -i".to_owned();
    match method {
        "GET" => {}
        "HEAD" => out.push_str(" --head"),
        method => out.push_str(&format!(" -X {}", quoted(method))),
    }
    for (name, value) in &request.headers {
        // What curl or the proxy says itself.
        let own =
            ["host", "content-length", "user-agent", "transfer-encoding", "connection", "expect", "via", "forwarded"];
        let lower = name.to_ascii_lowercase();
        let said = own.contains(&&*lower) || lower.starts_with("x-forwarded-") || lower.starts_with("x-parallax-");
        if !said && !value.contains("[redacted") {
            out.push_str(&format!(" \\\n  -H {}", quoted(&format!("{name}: {value}"))));
        }
    }
    if request.body.len() > MAX_INLINE {
        return None;
    }
    if !request.body.is_empty() && !request.binary && request.body.len() as u64 >= request.body_bytes {
        out.push_str(&format!(" \\\n  --data-binary {}", quoted(&request.body)));
    }
    out.push_str(&format!(" \\\n  {}", quoted(&format!("{listen}{target}"))));
    Some(out)
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Both answers as files and the command that compares them; or why that cannot be.
fn diff(example: &Example, route: &str) -> Result<String, &'static str> {
    let file = |name: &str, message: &ExampleMessage| {
        if message.start.starts_with("transport.") {
            return Err("a leg gave no answer, so there is nothing to compare again");
        }
        if message.binary {
            return Err("a body is not text, and only the beginning of it was kept");
        }
        if message.body.len() > MAX_INLINE {
            return Err("a body is too long for a page; the data has it");
        }
        if (message.body.len() as u64) < message.body_bytes {
            return Err("a body was kept in part only");
        }
        let mut text = format!("HTTP/1.1 {}\n", message.start);
        for (name, value) in &message.headers {
            // The body was kept without its coding.
            let framing = ["content-length", "content-encoding", "transfer-encoding"];
            if !framing.iter().any(|f| name.eq_ignore_ascii_case(f)) && !name.starts_with("trailer:") {
                text.push_str(&format!("{name}: {value}\n"));
            }
        }
        text.push_str(&format!("\n{}", message.body));
        let mut end = "END".to_owned();
        while text.lines().any(|line| line == end) {
            end.push('_');
        }
        Ok(format!("cat > {name} <<'{end}'\n{text}\n{end}\n"))
    };
    let (primary, candidate) = (file("primary.http", &example.primary)?, file("candidate.http", &example.candidate)?);
    Ok(format!("{primary}{candidate}parallax diff primary.http candidate.http --route {}", quoted(route)))
}

fn rule(d: &DivergenceDetail) -> String {
    let quote = |s: &str| serde_json::Value::from(s).to_string().replace('\u{7f}', "\\u007f");
    format!(
        "[[rule]]\nid = {}\nwhy = \"\"      # fill in\nowner = \"\"    # fill in\nexpires = \"\"  # fill in: YYYY-MM-DD\non = {}\nat = {}\nignore = true\n",
        quote(&d.fingerprint),
        quote(&d.route),
        quote(&d.location),
    )
}

/// Over what was stored of the route, each exchange once.
fn trial(evidence: &Evidence, d: &DivergenceDetail, reasons: &Reasons<'_>) -> Trial {
    let stored: BTreeMap<&str, &Example> = evidence
        .routes
        .get(&d.route)
        .into_iter()
        .flat_map(|route| route.divergences.values())
        .flat_map(|other| &other.examples)
        .map(|exhibit| (exhibit.id(), &***exhibit))
        .collect();
    let covered = |location: &str| {
        location.strip_prefix(&*d.location).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let mut trial = Trial { stored: stored.len(), ..Trial::default() };
    for example in stored.values() {
        let counts = || example.differences.iter().filter(|f| reasons.why(f).is_none());
        match (counts().any(|f| covered(&f.location)), counts().all(|f| covered(&f.location))) {
            (true, true) => trial.excused += 1,
            (true, false) => trial.left += 1,
            (false, _) => {}
        }
    }
    trial
}
