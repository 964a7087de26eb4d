//! Headers compared by what they mean: which class a name belongs to decides how its values are read.
//!
//! Framing and infrastructure make no finding at all. Content-Encoding is compared with the body it codes.

mod class;
mod clocks;
mod cookies;
pub(in crate::diff) mod date;
mod lists;
mod params;
mod security;

pub(in crate::diff) use params::Parameterised;

use super::media::Media;
use super::origin::{Side, map_url, resolve};
use super::rules::{RouteRules, Scheme};
use super::{Context, Finding, Findings, Tier, grpc};
use class::Class;
use http::header::{CONNECTION, DATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

/// How two header maps are compared.
#[derive(Clone, Copy)]
pub(super) struct HeaderComparison<'a> {
    pub(super) rules: &'a RouteRules,
    /// Without it (the quick check) what needs the request to be understood is taken to differ.
    pub(super) context: Option<&'a Context<'a>>,
    pub(super) skip: &'a [HeaderName],
    /// The bodies are equal, so what is derived from them should be.
    pub(super) same_body: bool,
    /// An answer to HEAD or a 304: Content-Length speaks of a body that is not there.
    pub(super) bodiless: bool,
    /// Nobody looks at the body: a redirect, or none.
    pub(super) unread_body: bool,
    /// Whether the bodies, which are of such a type, read as UTF-8 where no charset is said.
    pub(super) reads_as_utf8: &'a dyn Fn(Media) -> bool,
    /// Both redirect.
    pub(super) redirect: bool,
    /// Its status fields are compared as gRPC.
    pub(super) grpc: bool,
}

/// How two values of one header differ.
struct Differs {
    kind: &'static str,
    tier: Tier,
    /// Of the primary's and the candidate's side; those of the values themselves where there are none.
    classes: Option<(String, String)>,
}

/// All values of one name in one map.
pub(super) struct Values<'a>(Vec<&'a HeaderValue>);

/// Whether a header is never told of: framing and infrastructure, and beside `other_bodies` what is made from them.
pub(super) fn makes_no_finding(name: &HeaderName, other_bodies: bool) -> bool {
    match class::of(name).0 {
        Class::Skip => true,
        Class::Derived | Class::Length => other_bodies,
        _ => false,
    }
}

// === impl HeaderComparison ===

impl HeaderComparison<'_> {
    /// Adds what differs between two header maps.
    pub(super) fn compare(&self, primary: &HeaderMap, candidate: &HeaderMap, out: &mut Findings) {
        for name in primary.keys() {
            let (a, b) = (primary.get_all(name), candidate.get_all(name));
            if a.iter().eq(b.iter()) {
                continue;
            }
            self.one(name, primary, candidate, out);
        }
        for name in candidate.keys() {
            if !primary.contains_key(name) {
                self.one(name, primary, candidate, out);
            }
        }
    }

    /// Adds what differs between two trailer sections.
    pub(super) fn trailers(&self, primary: Option<&HeaderMap>, candidate: Option<&HeaderMap>, out: &mut Findings) {
        let none = HeaderMap::new();
        let (primary, candidate) = (primary.unwrap_or(&none), candidate.unwrap_or(&none));
        let names = primary.keys().chain(candidate.keys().filter(|n| !primary.contains_key(*n)));
        for name in names.filter(|n| !self.skips(n)) {
            match class::of(name).0 {
                Class::Skip => continue,
                Class::Derived if !self.same_body => continue,
                _ => {}
            }
            let (a, b) = (Values::of(primary, name), Values::of(candidate, name));
            let (a, b) = (a.text(), b.text());
            let kind = match (&a, &b) {
                (Some(_), None) => "trailer.missing",
                (None, Some(_)) => "trailer.extra",
                _ if a == b => continue,
                _ => "trailer.value",
            };
            let location = format!("trailer:{name}");
            let mut finding = Finding::new(kind, Tier::Value, &location).values(a.as_deref(), b.as_deref());
            if let (Some(a), Some(b)) = (&a, &b)
                && self.is_same_binary(name, a, b)
            {
                finding = Finding { tier: Tier::Repr, ..finding }.classes("base64", "base64");
            }
            self.rules.cover(Scheme::Trailer, name.as_str(), &mut finding, a.as_deref(), b.as_deref());
            out.push(finding);
        }
    }

    /// One name whose values are not the same list of bytes.
    fn one(&self, name: &HeaderName, primary: &HeaderMap, candidate: &HeaderMap, out: &mut Findings) {
        if self.skips(name) || named_by_connection(primary, name) || named_by_connection(candidate, name) {
            return;
        }
        let (class, protects) = class::of(name);
        let (a, b) = (Values::of(primary, name), Values::of(candidate, name));
        match class {
            Class::Skip | Class::ContentEncoding => return,
            Class::SetCookie => {
                return cookies::compare(self, (&a, own_date(primary)), (&b, own_date(candidate)), out);
            }
            Class::ContentType => {
                let (a, b) = (a.text(), b.text());
                for finding in params::content_type(a.as_deref(), b.as_deref(), self.unread_body, self.reads_as_utf8) {
                    self.push(name, finding, a.as_deref(), b.as_deref(), out);
                }
                return;
            }
            Class::Length => {
                if self.bodiless && !a.0.is_empty() && !b.0.is_empty() {
                    self.note(name, Differs::new("header.value", Tier::Info), &a, &b, out);
                }
                return;
            }
            _ => {}
        }
        // What is made from the body says nothing of its own while the bodies differ.
        if class == Class::Derived && !self.same_body {
            return;
        }
        let (missing, extra) = (b.0.is_empty(), a.0.is_empty());
        if missing || extra {
            let kind = if missing { "header.missing" } else { "header.extra" };
            let tier = match class {
                Class::Derived => Tier::Info,
                _ if protects && missing => Tier::Break,
                _ => Tier::Value,
            };
            self.note(name, Differs::new(kind, tier), &a, &b, out);
            return;
        }
        // `1, 2` in one line is the same as two lines, with or without the space.
        if lists::listed(&a) == lists::listed(&b) {
            return;
        }
        if self.is_same_binary(name, &a.joined(), &b.joined()) {
            let differs = Differs::new("header.value", Tier::Repr).classes("base64", "base64");
            return self.note(name, differs, &a, &b, out);
        }
        let now = || (own_date(primary), own_date(candidate));
        if let Some(differs) = self.values(class, &a, &b, &now) {
            self.note(name, differs, &a, &b, out);
        }
    }

    /// Both have it, with other values: how these differ in what they mean.
    fn values(&self, class: Class, a: &Values<'_>, b: &Values<'_>, now: &dyn Fn() -> clocks::Dates) -> Option<Differs> {
        let (x, y) = (a.joined(), b.joined());
        let alike = |read: &dyn Fn(&Context<'_>, Side, &str) -> String| {
            self.context.is_some_and(|c| read(c, Side::Primary, &x) == read(c, Side::Other, &y))
        };
        let (kind, tier) = match class {
            Class::Derived => ("header.value", derived_tier(&x, &y)),
            Class::Tokens => {
                let (s, t) = (lists::tokens(a), lists::tokens(b));
                let differs = Differs::new("header.set", Tier::Value).classes("set", lists::relation(&s, &t));
                return (s != t).then_some(differs);
            }
            Class::Directives { separator } => return clocks::directives(self, a, b, separator),
            Class::Policy { separator } => return security::policies(a, b, separator, self.context),
            Class::Challenges => return security::challenges(a, b),
            Class::Parameterised => return params::parameterised(a, b),
            Class::Expires => return clocks::expires(self, &x, &y, now()),
            Class::RetryAfter => return clocks::retry_after(self, &x, &y, now()),
            Class::Link => return self.links(a, b),
            Class::Location | Class::Url if alike(&resolve) => return None,
            Class::Location if self.redirect => ("redirect.target", Tier::Value),
            Class::Refresh if alike(&lists::refresh) => return None,
            // What is no URL is left as it is.
            Class::Plain | Class::Origin if alike(&map_url) => return None,
            Class::Word if x.eq_ignore_ascii_case(&y) => return None,
            _ => ("header.value", Tier::Value),
        };
        Some(Differs::new(kind, tier))
    }

    fn links(&self, a: &Values<'_>, b: &Values<'_>) -> Option<Differs> {
        let (s, well) = lists::links(a, self.context, Side::Primary);
        let (t, also) = lists::links(b, self.context, Side::Other);
        match (s == t, well == also) {
            (true, true) if self.context.is_some() => None,
            (true, false) => Some(Differs::new("header.value", Tier::Repr)),
            _ => Some(Differs::new("header.set", Tier::Value).classes("set", lists::relation(&s, &t))),
        }
    }

    /// Seconds by which two instants may be apart because the legs were not asked at the same time, by clocks that are
    /// read and written in seconds.
    fn slack(&self) -> i64 {
        let skew = self.context.map(|c| c.skew.as_secs()).unwrap_or_default();
        i64::try_from(skew).unwrap_or(i64::MAX).saturating_add(2)
    }

    fn skips(&self, name: &HeaderName) -> bool {
        self.skip.contains(name) || (self.grpc && grpc::is_status_field(name))
    }

    /// The same bytes of metadata that is no text, with padding and without.
    fn is_same_binary(&self, name: &HeaderName, a: &str, b: &str) -> bool {
        self.grpc && name.as_str().ends_with("-bin") && grpc::is_same_binary(a, b)
    }

    fn note(&self, name: &HeaderName, differs: Differs, a: &Values<'_>, b: &Values<'_>, out: &mut Findings) {
        let (a, b) = (a.text(), b.text());
        let mut finding = Finding::new(differs.kind, differs.tier, &format!("header:{name}"));
        if let Some((x, y)) = &differs.classes {
            finding = finding.classes(x, y);
        }
        self.push(name, finding.values(a.as_deref(), b.as_deref()), a.as_deref(), b.as_deref(), out);
    }

    fn push(&self, name: &HeaderName, mut finding: Finding, a: Option<&str>, b: Option<&str>, out: &mut Findings) {
        self.rules.cover(Scheme::Header, name.as_str(), &mut finding, a, b);
        out.push(finding);
    }
}

// === impl Differs ===

impl Differs {
    fn new(kind: &'static str, tier: Tier) -> Self {
        Differs { kind, tier, classes: None }
    }

    fn classes(self, primary: &str, candidate: &str) -> Self {
        Differs { classes: Some((primary.to_owned(), candidate.to_owned())), ..self }
    }
}

// === impl Values ===

impl<'a> Values<'a> {
    pub(super) fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        Values(headers.get_all(name).iter().collect())
    }

    /// Each value as text, white space around it taken off.
    fn each(&self) -> impl Iterator<Item = Cow<'a, str>> + '_ {
        self.0.iter().map(|v| match String::from_utf8_lossy(v.as_bytes().trim_ascii()) {
            Cow::Borrowed(text) if !looks_like_bytes(text) => Cow::Borrowed(text),
            // Bytes that are no text are shown as bytes, so that two of them never look equal; and so is what looks like
            // that.
            _ => Cow::Owned(format!("bytes {}", v.as_bytes().escape_ascii())),
        })
    }

    fn only(&self, which: impl Fn(&str) -> bool) -> Values<'a> {
        let kept = self.each().zip(&self.0).filter(|(text, _)| which(text)).map(|(_, value)| *value);
        Values(kept.collect())
    }

    fn joined(&self) -> String {
        self.each().collect::<Vec<_>>().join(", ")
    }

    /// All values in one line; `None` where there are none.
    fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.joined())
    }
}

/// Whether a value, or one of a list, could be taken for bytes that are no text.
fn looks_like_bytes(text: &str) -> bool {
    text.contains('\\') && text.split(',').any(|item| item.trim_start().starts_with("bytes "))
}

/// Equal bodies: another validator costs a cache miss, a weak one for a strong one no more.
fn derived_tier(a: &str, b: &str) -> Tier {
    match (date::parse(a), date::parse(b)) {
        (Some(x), Some(y)) if x == y => Tier::Repr,
        _ => Tier::Info,
    }
}

fn own_date(headers: &HeaderMap) -> Option<i64> {
    headers.get(DATE).and_then(|v| date::parse(v.to_str().ok()?))
}

/// RFC 9110 7.6.1: what Connection names is about this connection only.
fn named_by_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(CONNECTION).iter().any(|v| {
        v.as_bytes().split(|c| *c == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    })
}
