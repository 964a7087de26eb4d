//! Headers compared by what they mean: which class a name belongs to decides how its values are read.
//!
//! Framing and infrastructure make no finding at all. Content-Encoding is compared with the body it codes.

mod class;
mod cookies;
pub(in crate::diff) mod date;
mod lists;
mod params;

pub(in crate::diff) use params::Parameterised;

use super::origin::{Side, resolve};
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
    /// Its status fields are compared as gRPC.
    pub(super) grpc: bool,
}

/// All values of one name in one map.
pub(super) struct Values<'a>(Vec<&'a HeaderValue>);

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
                let now = |h: &HeaderMap| Values::of(h, &DATE).text().as_deref().and_then(date::parse);
                return cookies::compare(self, (&a, now(primary)), (&b, now(candidate)), out);
            }
            Class::ContentType => {
                let (a, b) = (a.text(), b.text());
                for finding in params::content_type(a.as_deref(), b.as_deref(), self.unread_body) {
                    self.push(name, finding, a.as_deref(), b.as_deref(), out);
                }
                return;
            }
            Class::Length => {
                if self.bodiless && !a.0.is_empty() && !b.0.is_empty() {
                    self.note(name, "header.value", Tier::Info, &a, &b, None, out);
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
            self.note(name, kind, tier, &a, &b, None, out);
            return;
        }
        self.values(name, class, &a, &b, out);
    }

    /// Both have it, with other values.
    fn values(&self, name: &HeaderName, class: Class, a: &Values<'_>, b: &Values<'_>, out: &mut Findings) {
        let (x, y) = (a.joined(), b.joined());
        // `1, 2` in one line is the same as two lines.
        if x == y {
            return;
        }
        let (kind, tier, relation) = match class {
            Class::Derived => ("header.value", self.derived_tier(&x, &y), None),
            Class::Tokens => {
                let (s, t) = (lists::tokens(a), lists::tokens(b));
                if s == t {
                    return;
                }
                ("header.set", Tier::Value, Some(lists::relation(&s, &t)))
            }
            Class::Directives { separator } => {
                let (s, t) = (lists::directives(a, separator), lists::directives(b, separator));
                if s == t {
                    return;
                }
                ("header.set", Tier::Value, Some(lists::relation(&s, &t)))
            }
            Class::Policy if lists::policy(a) == lists::policy(b) => return,
            Class::Disposition if params::disposition(a, b) => return,
            Class::Location | Class::Url => {
                if self.context.is_some_and(|c| resolve(c, Side::Primary, &x) == resolve(c, Side::Other, &y)) {
                    return;
                }
                let kind = if class == Class::Location { "redirect.target" } else { "header.value" };
                (kind, Tier::Value, None)
            }
            Class::Refresh => {
                let same = |c: &Context<'_>| lists::refresh(&x, c, Side::Primary) == lists::refresh(&y, c, Side::Other);
                if self.context.is_some_and(same) {
                    return;
                }
                ("header.value", Tier::Value, None)
            }
            Class::Link => {
                let (s, well) = lists::links(a, self.context, Side::Primary);
                let (t, also) = lists::links(b, self.context, Side::Other);
                match (s == t, well == also) {
                    (true, true) if self.context.is_some() => return,
                    (true, false) => ("header.value", Tier::Repr, None),
                    _ => ("header.set", Tier::Value, Some(lists::relation(&s, &t))),
                }
            }
            Class::Date => match self.date(name, &x, &y) {
                Some(tier) => ("header.value", tier, None),
                None => return,
            },
            _ => ("header.value", Tier::Value, None),
        };
        self.note(name, kind, tier, a, b, relation, out);
    }

    /// Equal bodies: another validator costs a cache miss, a weak one for a strong one no more.
    fn derived_tier(&self, a: &str, b: &str) -> Tier {
        match (date::parse(a), date::parse(b)) {
            (Some(x), Some(y)) if x == y => Tier::Repr,
            _ => Tier::Info,
        }
    }

    /// The tier at which two dates differ, if they do.
    fn date(&self, name: &HeaderName, a: &str, b: &str) -> Option<Tier> {
        // Expires: what is no date has expired (RFC 9111 5.3). Retry-After: seconds.
        let gone = |v: &str| name == http::header::EXPIRES && date::parse(v).is_none();
        match (date::parse(a), date::parse(b)) {
            (Some(x), Some(y)) if x == y => Some(Tier::Repr),
            (Some(x), Some(y)) if self.context.is_some() && x.abs_diff(y) <= self.slack().unsigned_abs() => None,
            _ if gone(a) && gone(b) => Some(Tier::Repr),
            _ => Some(Tier::Value),
        }
    }

    /// Seconds by which two instants may be apart because the legs were not asked at the same time.
    fn slack(&self) -> i64 {
        let skew = self.context.map(|c| c.skew.as_secs()).unwrap_or_default();
        i64::try_from(skew).unwrap_or(i64::MAX).saturating_add(1)
    }

    fn skips(&self, name: &HeaderName) -> bool {
        self.skip.contains(name) || (self.grpc && grpc::is_status_field(name))
    }

    fn note(
        &self,
        name: &HeaderName,
        kind: &str,
        tier: Tier,
        a: &Values<'_>,
        b: &Values<'_>,
        relation: Option<&str>,
        out: &mut Findings,
    ) {
        let (a, b) = (a.text(), b.text());
        let mut finding = Finding::new(kind, tier, &format!("header:{name}"));
        if let Some(relation) = relation {
            finding = finding.classes("set", relation);
        }
        self.push(name, finding.values(a.as_deref(), b.as_deref()), a.as_deref(), b.as_deref(), out);
    }

    fn push(&self, name: &HeaderName, mut finding: Finding, a: Option<&str>, b: Option<&str>, out: &mut Findings) {
        self.rules.cover(Scheme::Header, name.as_str(), &mut finding, a, b);
        out.push(finding);
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
            Cow::Borrowed(text) => Cow::Borrowed(text),
            // Bytes that are no text are shown as bytes, so that two of them never look equal.
            Cow::Owned(_) => Cow::Owned(format!("bytes {}", v.as_bytes().escape_ascii())),
        })
    }

    fn joined(&self) -> String {
        self.each().collect::<Vec<_>>().join(", ")
    }

    /// All values in one line; `None` where there are none.
    fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.joined())
    }
}

/// RFC 9110 7.6.1: what Connection names is about this connection only.
fn named_by_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(CONNECTION).iter().any(|v| {
        v.as_bytes().split(|c| *c == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    })
}
