//! Cases as pairs of answers written out, and what must hold for any pair.

mod binary;
mod cases;
mod format_laws;
mod formats;
mod headers;
mod laws;
mod rules;
mod streams;

use super::*;
use crate::model::{
    Answer, BodyEnd, Captured, Failure, FailureKind, Leg, Outcome, PerLeg, Reason, RequestHead, Timestamp,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::collections::BTreeSet;
use std::time::Duration;

/// 2026-01-01, midnight.
const ARRIVED: u64 = 1_767_225_600_000_000;

/// A request and the rules its answers are compared under.
pub(super) struct Asked {
    request: RequestHead,
    origins: PerLeg<Option<String>>,
    rules: RouteRules,
    skip: Vec<HeaderName>,
    limits: Limits,
}

impl Asked {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Asked {
            request: RequestHead {
                method: method.parse::<Method>().unwrap(),
                uri: path.parse().unwrap(),
                host: Some("shop.example".into()),
                scheme: "http",
                headers: Default::default(),
            },
            origins: PerLeg::default(),
            rules: RouteRules::none(),
            skip: vec![HeaderName::from_static("x-build-id")],
            limits: Limits::default(),
        }
    }

    pub(super) fn origins(mut self, primary: &str, candidate: &str) -> Self {
        self.origins.primary = Some(primary.into());
        self.origins.candidate = Some(candidate.into());
        self
    }

    pub(super) fn context<'a>(&'a self, expired: &'a dyn Fn() -> bool) -> Context<'a> {
        Context {
            request: &self.request,
            rules: &self.rules,
            origins: &self.origins,
            other: Leg::Candidate,
            arrived: Some(Timestamp::from_micros(ARRIVED)),
            skew: Duration::ZERO,
            skip_headers: &self.skip,
            limits: self.limits,
            expired,
        }
    }

    fn compare(&self, primary: &Answer, other: &Outcome) -> Findings {
        compare(&self.context(&|| false), primary, other)
    }
}

/// `200 OK`, header lines, an empty line, the body; a line `--trailers--` before trailers.
pub(super) fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (body, trailers) = body.split_once("\n--trailers--\n").map_or((body, None), |(b, t)| (b, Some(t)));
    let (start, lines) = head.split_once('\n').unwrap_or((head, ""));
    let (status, reason) = start.split_once(' ').map_or((start, None), |(s, r)| (s, Some(r)));
    Answer {
        status: status.parse().unwrap(),
        reason: reason
            .map_or(Reason::Absent, |r| Reason::new(http::Version::HTTP_11, (r != "OK").then_some(r.as_bytes()))),
        headers: fields(lines).into(),
        body: captured(body.as_bytes()),
        trailers: trailers.map(fields),
        end: BodyEnd::Complete,
    }
}

pub(super) fn fields(lines: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.lines() {
        let (name, value) = line.split_once(':').unwrap();
        map.append(
            HeaderName::from_bytes(name.trim().as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
        );
    }
    map
}

fn captured(body: &[u8]) -> Captured {
    Captured::whole(vec![Bytes::copy_from_slice(body)])
}

pub(super) fn with_body(text: &str, body: &[u8]) -> Answer {
    Answer { body: captured(body), ..answer(text) }
}

fn failed(kind: FailureKind) -> Failure {
    Failure { kind, detail: "it broke".into() }
}

fn truncated(text: &str) -> Answer {
    Answer { end: BodyEnd::Broken(failed(FailureKind::Truncated)), ..answer(text) }
}

/// `kind @ location tier`, `(..)` around secondary ones, ` by id` behind covered ones; one a line.
pub(super) fn told(found: &Findings) -> String {
    let mut lines: Vec<String> = found
        .list
        .iter()
        .map(|f| {
            let by = f.cover.iter().map(|Cover::Rule(id)| format!(" by {id}")).collect::<String>();
            let text = format!("{} @ {} {}{by}", f.kind, f.location, f.tier.as_str());
            if f.secondary { format!("({text})") } else { text }
        })
        .collect();
    lines.extend(found.budget.iter().map(|b| format!("budget: {b}")));
    lines.join("\n")
}

#[track_caller]
fn check_answers(asked: &Asked, primary: &Answer, other: &Answer, expected: &str) {
    let found = asked.compare(primary, &Outcome::from(other.clone()));
    assert_eq!(told(&found), expected);
    if is_match(&asked.rules, &asked.skip, primary, other) {
        assert_eq!(expected, "", "the quick check says they match");
    }
    for finding in &found.list {
        assert!(!summary(finding).is_empty());
    }
}

#[track_caller]
fn check(primary: &str, other: &str, expected: &str) {
    check_answers(&Asked::new("GET", "/a/b"), &answer(primary), &answer(other), expected);
}

#[track_caller]
fn check_ruled(rules: &[RuleSpec], primary: &str, other: &str, expected: &str) {
    let set = RuleSet::compile(rules).map_err(|e| format!("{e:?}")).unwrap();
    let asked = Asked { rules: RouteRules::none(), ..Asked::new("GET", "/a/b") };
    let rules = set.for_route("GET /a/b", "2026-01-01");
    let (a, b) = (answer(primary), answer(other));
    let context = Context { rules: &rules, ..asked.context(&|| false) };
    assert_eq!(told(&compare(&context, &a, &Outcome::from(b.clone()))), expected);
    assert!(!is_match(&rules, &[], &a, &b));
}

fn rule(id: &str, at: &str) -> RuleSpec {
    RuleSpec { id: id.into(), on: "*".into(), at: at.into(), ..RuleSpec::default() }
}

fn ignoring(id: &str, at: &str, what: Ignore) -> RuleSpec {
    RuleSpec { ignore: Some(what), ..rule(id, at) }
}

/// Kinds and places, as they would be with the sides swapped. One end of a stream is many events at its other side.
fn places(found: &Findings, swap: bool) -> BTreeSet<String> {
    let name = |f: &Finding| {
        let kind = f.kind.replace("stream.ended_early", "stream.event_missing");
        let swap = swap && !kind.contains("_vs_");
        let kind = match (swap, kind.strip_suffix("missing"), kind.strip_suffix("extra")) {
            (true, Some(of), _) => format!("{of}extra"),
            (true, _, Some(of)) => format!("{of}missing"),
            _ => kind,
        };
        format!("{kind} {}", f.location)
    };
    found.list.iter().map(name).collect()
}
