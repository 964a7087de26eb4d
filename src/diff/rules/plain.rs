//! What a rule says about anything but JSON and XML: statuses, header and cookie values, trailers, text, whole bodies.

use super::Scheme;
use super::pieces::{self, Piece};
use super::unseen::InForce;
use crate::diff::Finding;
use crate::diff::headers::date;
use crate::diff::spec::{Ignore, RuleSpec, Tolerance};
use crate::diff::value::ShapeTest;
use crate::diff::value::number::{self, Decimal};
use crate::diff::value::time;
use regex::Regex;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// One rule at a place outside JSON.
#[derive(Debug)]
pub(in crate::diff) struct PlainRule {
    pub(in crate::diff) id: Arc<str>,
    ignore: Option<Ignore>,
    tolerance: Option<Tolerance>,
    numeric_string: bool,
    shape: Option<ShapeTest>,
    same: Vec<Vec<Member>>,
    pub(in crate::diff) mask: Option<PlainMask>,
}

#[derive(Debug)]
pub(in crate::diff) struct PlainMask {
    pattern: Regex,
    with: String,
}

/// One of a group of values that mean the same.
#[derive(Debug, PartialEq)]
enum Member {
    Missing,
    Empty,
    Text(String),
}

/// The first of the rules' properties that excuses the difference, each property taken from its most specific rule.
pub(super) fn covering<'a>(
    rules: impl Iterator<Item = &'a PlainRule>,
    aspect: Ignore,
    primary: Option<&str>,
    candidate: Option<&str>,
) -> Option<Arc<str>> {
    let rules: Vec<&PlainRule> = rules.collect();
    let by = |has: fn(&PlainRule) -> bool, holds: &dyn Fn(&PlainRule) -> bool| {
        rules.iter().find(|r| has(r)).filter(|r| holds(r)).map(|r| r.id.clone())
    };
    by(|r| r.ignore.is_some(), &|r| r.ignores(aspect))
        .or_else(|| by(|r| !r.same.is_empty(), &|r| r.means_the_same(primary, candidate)))
        .or_else(|| by(|r| r.shape.is_some(), &|r| r.fits(primary, candidate)))
        .or_else(|| by(|r| r.mask.is_some(), &|r| r.same_masked(primary, candidate)))
        .or_else(|| by(|r| r.is_numeric(), &|r| r.near(primary, candidate)))
}

/// What the rules say of a finding as far as they need no values, and which of them do; each property from its most
/// specific rule.
pub(super) fn in_force<'a>(rules: impl Iterator<Item = &'a PlainRule>, aspect: Ignore) -> InForce {
    let rules: Vec<&PlainRule> = rules.collect();
    let first = |has: fn(&PlainRule) -> bool| rules.iter().find(|r| has(r));
    let id = |has: fn(&PlainRule) -> bool| first(has).map(|r| r.id.clone());
    InForce {
        ignoring: first(|r| r.ignore.is_some()).filter(|r| r.ignores(aspect)).map(|r| r.id.clone()),
        same: id(|r| !r.same.is_empty()),
        shape: first(|r| r.shape.is_some()).and_then(|r| Some((r.id.clone(), r.shape.clone()?))),
        bijection: None,
        comparing: [id(|r| r.mask.is_some()), id(PlainRule::is_numeric)].into_iter().flatten().collect(),
    }
}

/// The rule that excuses another attribute of a cookie. One about the cookie's value has no say in that: only
/// `ignore = true` has, and a tolerance where both live for a time.
pub(super) fn covering_attribute<'a>(
    rules: impl Iterator<Item = &'a PlainRule> + Clone,
    lives: Option<(&str, &str)>,
) -> Option<Arc<str>> {
    let ignores = rules.clone().find(|r| r.ignore.is_some()).filter(|r| r.ignore == Some(Ignore::All));
    let (a, b) = lives.unzip();
    let near = || rules.clone().find(|r| r.is_numeric()).filter(|r| r.near(a, b));
    ignores.or_else(near).map(|r| r.id.clone())
}

/// What a finding is about: something that one side lacks, an order, or another value. Of what is inside a body the classes
/// tell who lacks it.
pub(super) fn aspect(scheme: Scheme, finding: &Finding) -> Ignore {
    let (kind, inside) = (&*finding.kind, scheme == Scheme::Body);
    if kind.ends_with("order") || kind.ends_with(".moved") {
        Ignore::Order
    } else if kind.ends_with(".missing")
        || inside && (&*finding.candidate_class == "missing" || kind == "stream.ended_early")
    {
        Ignore::Missing
    } else if kind.ends_with(".extra") || inside && &*finding.primary_class == "missing" {
        Ignore::Extra
    } else {
        Ignore::Value
    }
}

/// Whether the rule says anything.
pub(super) fn has_property(spec: &RuleSpec) -> bool {
    spec.ignore.is_some()
        || spec.tolerance.is_some()
        || spec.numeric_string
        || spec.align.is_some()
        || spec.shape.is_some()
        || !spec.same.is_empty()
        || spec.mask.is_some()
        || spec.bijection.is_some()
}

// === impl PlainRule ===

impl PlainRule {
    /// Compiles the rule, or notes what is wrong with it as key and message.
    pub(super) fn compile(
        id: &Arc<str>,
        spec: &RuleSpec,
        scheme: Scheme,
        faults: &mut Vec<(&'static str, String)>,
    ) -> Option<PlainRule> {
        let before = faults.len();
        for (key, given) in given(spec) {
            if given && !allowed(scheme, key) {
                faults.push((key, format!("means nothing at `{}`; {}", spec.at, remedy(scheme, key))));
            }
        }
        if let Some(ignore) = spec.ignore {
            check_ignore(spec, scheme, ignore, faults);
        }
        let shape = spec.shape.as_ref().and_then(|s| ShapeTest::compile(s).map_err(|m| faults.push(("shape", m))).ok());
        let mask = spec.mask.as_ref().and_then(|m| match Regex::new(&m.pattern) {
            Ok(pattern) => Some(PlainMask { pattern, with: m.with.clone() }),
            Err(e) => {
                faults.push(("mask", format!("the pattern is no regular expression: {e}")));
                None
            }
        });
        if spec.same.iter().any(|group| group.len() < 2) {
            faults.push(("same", "a group needs two values at least, e.g. [[400, 422]]".to_owned()));
        }
        if let Some(t) = &spec.tolerance
            && t.absolute.is_none()
            && t.relative.is_none()
            && t.ulps.is_none()
            && t.f32_ulps.is_none()
            && t.time.is_none()
        {
            faults.push(("tolerance", "gives no bound; write e.g. { relative = 1e-9 }".to_owned()));
        }
        (faults.len() == before).then(|| PlainRule {
            id: id.clone(),
            ignore: spec.ignore,
            tolerance: spec.tolerance,
            numeric_string: spec.numeric_string,
            shape,
            same: spec.same.iter().map(|group| group.iter().map(|m| Member::parse(m)).collect()).collect(),
            mask,
        })
    }

    fn ignores(&self, aspect: Ignore) -> bool {
        self.ignore == Some(Ignore::All) || self.ignore == Some(aspect)
    }

    fn means_the_same(&self, primary: Option<&str>, candidate: Option<&str>) -> bool {
        let (a, b) = (Member::of(primary), Member::of(candidate));
        self.same.iter().any(|group| group.contains(&a) && group.contains(&b))
    }

    fn fits(&self, primary: Option<&str>, candidate: Option<&str>) -> bool {
        match (&self.shape, primary, candidate) {
            (Some(shape), Some(a), Some(b)) => shape.matches(a) && shape.matches(b),
            _ => false,
        }
    }

    fn same_masked(&self, primary: Option<&str>, candidate: Option<&str>) -> bool {
        match (&self.mask, primary, candidate) {
            (Some(mask), Some(a), Some(b)) => mask.apply(a) == mask.apply(b),
            _ => false,
        }
    }

    fn is_numeric(&self) -> bool {
        self.tolerance.is_some() || self.numeric_string
    }

    /// Two times, two numbers, or those in otherwise equal text are near enough each: `max-age=60` and `max-age=61`.
    fn near(&self, primary: Option<&str>, candidate: Option<&str>) -> bool {
        let (Some(a), Some(b)) = (primary, candidate) else { return false };
        if self.near_in_time(a, b) {
            return true;
        }
        // The digits of a date are no numbers, however few apart.
        if pieces::is_date(a) || pieces::is_date(b) {
            return false;
        }
        if pieces::is_number(a) && pieces::is_number(b) {
            return self.close(a, b);
        }
        let in_time = self.tolerance.is_some_and(|t| t.time.is_some());
        in_time && self.near_in_text(a, b, true) || self.near_in_text(a, b, false)
    }

    /// Whether two texts are equal but for what stands in them and is near. Lengths of time are numbers and units where
    /// they are not looked for.
    fn near_in_text(&self, a: &str, b: &str, in_time: bool) -> bool {
        let (a, b) = (pieces::split(a, in_time), pieces::split(b, in_time));
        a.len() == b.len()
            && a.iter().zip(&b).enumerate().all(|(i, pair)| match pair {
                (x, y) if x == y => true,
                (Piece::Date(x), Piece::Date(y)) => self.near_in_time(x, y),
                (Piece::Span(x), Piece::Span(y)) => self.near_in_time(x, y) || self.near_in_text(x, y, false),
                (Piece::Number(x), Piece::Number(y)) => {
                    self.close(x, y) || pieces::stands_alone(&a, i) && self.near_in_time(x, y)
                }
                _ => false,
            })
    }

    /// `numeric_string` alone means the very same number, however it is written.
    fn close(&self, a: &str, b: &str) -> bool {
        number::equal(a, b) || self.tolerance.is_some_and(|t| number::within(a, b, &t))
    }

    /// Of two numbers that are all there is, `time` takes those of today for points in time, and the rest for seconds.
    fn near_in_time(&self, a: &str, b: &str) -> bool {
        let Some(limit) = self.tolerance.and_then(|t| t.time) else { return false };
        if let (Some(x), Some(y)) = (date::parse(a), date::parse(b)) {
            return x.abs_diff(y) <= limit.as_secs();
        }
        let seconds = || Some(Decimal::parse(a)?.distance(&Decimal::parse(b)?) <= limit.as_secs_f64());
        time::are_near(a, b, limit, Duration::ZERO) || seconds() == Some(true)
    }
}

impl PlainMask {
    pub(in crate::diff) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.pattern.replace_all(text, self.with.as_str())
    }
}

impl Member {
    fn parse(text: &str) -> Member {
        match text {
            "missing" => Member::Missing,
            "empty" | "\"\"" => Member::Empty,
            other => Member::Text(serde_json::from_str::<String>(other).unwrap_or_else(|_| other.to_owned())),
        }
    }

    fn of(value: Option<&str>) -> Member {
        match value {
            None => Member::Missing,
            Some("") => Member::Empty,
            Some(text) => Member::Text(text.to_owned()),
        }
    }
}

// === checks ===

fn given(spec: &RuleSpec) -> [(&'static str, bool); 8] {
    [
        ("ignore", spec.ignore.is_some()),
        ("tolerance", spec.tolerance.is_some()),
        ("numeric_string", spec.numeric_string),
        ("align", spec.align.is_some()),
        ("shape", spec.shape.is_some()),
        ("same", !spec.same.is_empty()),
        ("mask", spec.mask.is_some()),
        ("bijection", spec.bijection.is_some()),
    ]
}

fn allowed(scheme: Scheme, key: &str) -> bool {
    match scheme {
        Scheme::Json | Scheme::Xml => true,
        Scheme::Header | Scheme::Cookie | Scheme::Trailer => !matches!(key, "align" | "bijection"),
        Scheme::Status => matches!(key, "ignore" | "same"),
        Scheme::Text => matches!(key, "ignore" | "mask"),
        Scheme::Grpc => matches!(key, "ignore" | "same" | "mask" | "shape"),
        Scheme::Body | Scheme::Transport => key == "ignore",
    }
}

fn remedy(scheme: Scheme, key: &str) -> &'static str {
    match (key, scheme) {
        ("align" | "bijection", _) => "it belongs to json: and xml: locations",
        (_, Scheme::Status) => "a status takes `ignore` or `same`",
        (_, Scheme::Text) => "text takes `ignore` or `mask`",
        _ => "it takes `ignore`",
    }
}

fn check_ignore(spec: &RuleSpec, scheme: Scheme, ignore: Ignore, faults: &mut Vec<(&'static str, String)>) {
    let named = matches!(scheme, Scheme::Header | Scheme::Cookie | Scheme::Trailer);
    let sensible = match ignore {
        Ignore::All | Ignore::Value => true,
        Ignore::Missing | Ignore::Extra => named || scheme == Scheme::Body,
        Ignore::Order => matches!(scheme, Scheme::Text | Scheme::Body),
    };
    if !sensible {
        let word = match ignore {
            Ignore::Missing => "missing",
            Ignore::Extra => "extra",
            _ => "order",
        };
        faults.push(("ignore", format!("nothing is ever `{word}` at `{}`; write `ignore = true`", spec.at)));
    }
    let others = given(spec).into_iter().any(|(key, given)| given && key != "ignore");
    if ignore == Ignore::All && others {
        faults.push(("ignore", "`true` leaves nothing for the rule's other keys to do; keep one of them".to_owned()));
    }
}
