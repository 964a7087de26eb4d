//! Set-Cookie: paired by name, domain and path; attributes as meanings, values by their look.
//!
//! Two different values of the same generated look (a session id, a token) are `info`: every login has another one.
//! Two different words are a difference. What has no name is no cookie that could be told apart, and is compared as a
//! line of the header.

use super::{Differs, HeaderComparison, Values, date};
use crate::diff::origin::{Side, is_own_host};
use crate::diff::rules::Scheme;
use crate::diff::value::shape_of;
use crate::diff::{Finding, Findings, Tier};
use http::header::SET_COOKIE;
use std::collections::BTreeSet;

/// Seconds that an answer without a Date may have been made after the request came.
const UNDATED: i64 = 60;

#[derive(Debug, PartialEq)]
struct Cookie {
    name: String,
    value: String,
    /// Lower case, without the leading dot.
    domain: String,
    path: String,
    secure: bool,
    http_only: bool,
    partitioned: bool,
    same_site: Option<String>,
    life: Life,
    /// What browsers pass over: in any order, folded.
    others: BTreeSet<String>,
}

/// The class of a cookie that outlives the session.
const KEPT: &str = "kept";

/// How long a cookie lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Session,
    /// Seconds from the answer on; zero deletes it.
    For(i64),
    /// Until an instant, where the answer says nothing of its own.
    Until(i64),
}

pub(super) fn compare(
    how: &HeaderComparison<'_>,
    primary: (&Values<'_>, Option<i64>),
    candidate: (&Values<'_>, Option<i64>),
    out: &mut Findings,
) {
    let parse = |(values, now): (&Values<'_>, Option<i64>), side| -> Vec<Cookie> {
        values.each().filter_map(|v| Cookie::parse(&v, now)).map(|c| c.scoped(how, side)).collect()
    };
    let (mut ours, mut theirs) = (parse(primary, Side::Primary), parse(candidate, Side::Other));
    nameless(how, primary.0, candidate.0, out);
    let exact = |a: &Cookie, b: &Cookie| a.name == b.name && a.domain == b.domain && a.path == b.path;
    // The same cookie first, then one of the same name that moved to another path or domain.
    let by_name = |a: &Cookie, b: &Cookie| a.name == b.name;
    for same in [&exact as &dyn Fn(&Cookie, &Cookie) -> bool, &by_name] {
        let mut left = Vec::new();
        for a in ours {
            match theirs.iter().position(|b| same(&a, b)) {
                Some(i) => pair(how, &a, &theirs.remove(i), out),
                None => left.push(a),
            }
        }
        ours = left;
    }
    for a in &ours {
        note(how, "cookie.missing", Tier::Value, &a.name, ("present", "missing"), (Some(&a.value), None), out);
    }
    for b in &theirs {
        note(how, "cookie.extra", Tier::Value, &b.name, ("missing", "present"), (None, Some(&b.value)), out);
    }
}

/// Lines without a name, as one list.
fn nameless(how: &HeaderComparison<'_>, primary: &Values<'_>, candidate: &Values<'_>, out: &mut Findings) {
    let (a, b) = (primary.only(|v| !Cookie::is_named(v)), candidate.only(|v| !Cookie::is_named(v)));
    let kind = match (a.text(), b.text()) {
        (x, y) if x == y => return,
        (Some(_), None) => "header.missing",
        (None, _) => "header.extra",
        _ => "header.value",
    };
    how.note(&SET_COOKIE, Differs::new(kind, Tier::Value), &a, &b, out);
}

fn pair(how: &HeaderComparison<'_>, a: &Cookie, b: &Cookie, out: &mut Findings) {
    let lives = a.life.measure().zip(b.life.measure());
    let mut attr = |tier: Tier, classes: (&str, &str), texts: (&str, &str)| {
        let given = |text| Some(text).filter(|t: &&str| !t.is_empty());
        let location = format!("cookie:{}", a.name);
        let mut finding = Finding::new("cookie.attr", tier, &location).classes(classes.0, classes.1);
        finding = finding.values(given(texts.0), given(texts.1));
        let lives = lives.as_ref().filter(|_| classes.0 == KEPT).map(|(a, b)| (&**a, &**b));
        how.rules.cover_attribute(Scheme::Cookie, &a.name, &mut finding, lives);
        how.rules.cover_attribute(Scheme::Header, "set-cookie", &mut finding, lives);
        out.push(finding);
    };
    for (name, x, y) in [("Secure", a.secure, b.secure), ("HttpOnly", a.http_only, b.http_only)] {
        match (x, y) {
            (true, false) => attr(Tier::Break, (name, "missing"), (name, "")),
            (false, true) => attr(Tier::Value, ("missing", name), ("", name)),
            _ => {}
        }
    }
    if a.same_site != b.same_site {
        let lost = b.same_site.is_none();
        let weaker = lost || strictness(b.same_site.as_deref()) < strictness(a.same_site.as_deref());
        let text = |s: &Option<String>| s.as_ref().map(|s| format!("SameSite={s}")).unwrap_or_default();
        let (x, y) = (text(&a.same_site), text(&b.same_site));
        let class = |s: &str| if s.is_empty() { "missing".to_owned() } else { s.to_owned() };
        attr(if weaker { Tier::Break } else { Tier::Value }, (&class(&x), &class(&y)), (&x, &y));
    }
    if a.partitioned != b.partitioned {
        let text = |p: bool| if p { "Partitioned" } else { "" };
        let class = |p: bool| if p { "Partitioned" } else { "missing" };
        attr(Tier::Value, (class(a.partitioned), class(b.partitioned)), (text(a.partitioned), text(b.partitioned)));
    }
    if a.domain != b.domain {
        attr(Tier::Value, ("Domain", "Domain"), (&a.domain, &b.domain));
    }
    if a.path != b.path {
        attr(Tier::Value, ("Path", "Path"), (&a.path, &b.path));
    }
    let arrived = how.context.and_then(|c| c.arrived);
    let arrived = arrived.map(|at| i64::try_from(at.as_micros() / 1_000_000).unwrap_or(i64::MAX));
    if !lives_as_long(how, a.life, b.life, arrived) {
        let (x, y) = (a.life.from(arrived), b.life.from(arrived));
        attr(Tier::Value, (x.class(), y.class()), (&x.text(), &y.text()));
    }
    if a.others != b.others {
        let text = |c: &Cookie| c.others.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        attr(Tier::Info, ("other", "other"), (&text(a), &text(b)));
    }
    if bare(&a.value) == bare(&b.value) {
        if a.value != b.value {
            let classes = (look(&a.value), look(&b.value));
            note(how, "cookie.value_shape", Tier::Repr, &a.name, classes, (Some(&a.value), Some(&b.value)), out);
        }
    } else {
        let (x, y) = (look(&a.value), look(&b.value));
        let generated = x == y && is_generated(x, &a.value, &b.value);
        let tier = if generated { Tier::Info } else { Tier::Value };
        note(how, "cookie.value_shape", tier, &a.name, (x, y), (Some(&a.value), Some(&b.value)), out);
    }
}

/// Quotes around a value belong to it, but servers take them off.
fn bare(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

fn note(
    how: &HeaderComparison<'_>,
    kind: &'static str,
    tier: Tier,
    name: &str,
    classes: (&str, &str),
    values: (Option<&str>, Option<&str>),
    out: &mut Findings,
) {
    let mut finding =
        Finding::new(kind, tier, &format!("cookie:{name}")).classes(classes.0, classes.1).values(values.0, values.1);
    how.rules.cover(Scheme::Cookie, name, &mut finding, values.0, values.1);
    how.rules.cover(Scheme::Header, "set-cookie", &mut finding, values.0, values.1);
    out.push(finding);
}

/// The class of a value, with what no class names but looks made by a machine as `token`.
fn look(value: &str) -> &'static str {
    match shape_of(value, true) {
        "string" if is_long(value) && has_both(value) => "token",
        shape => shape,
    }
}

/// Whether values of this look are made anew each time, so that another one is expected.
fn is_generated(look: &str, a: &str, b: &str) -> bool {
    match look {
        "uuid" | "ulid" | "jwt" | "rfc3339" | "http_date" | "unix_s" | "unix_ms" | "unix_ns" | "token" => true,
        "hex" | "int" | "base64" => is_long(a) && is_long(b),
        _ => false,
    }
}

fn is_long(value: &str) -> bool {
    value.len() >= 16
}

fn has_both(value: &str) -> bool {
    let has = |f: fn(&u8) -> bool| value.as_bytes().iter().any(f);
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !value.contains(' ')
}

fn strictness(same_site: Option<&str>) -> u8 {
    match same_site {
        Some("strict") => 3,
        Some("lax") => 2,
        None => 1,
        Some(_) => 0,
    }
}

/// `arrived` is when the request came, without which no more is known of an instant and a span than that both are kept.
fn lives_as_long(how: &HeaderComparison<'_>, a: Life, b: Life, arrived: Option<i64>) -> bool {
    let slack = how.slack();
    let near = |x: i64, y: i64, slack: i64| x.abs_diff(y) <= slack.unsigned_abs();
    match (a, b) {
        (Life::Session, Life::Session) => true,
        (Life::For(x), Life::For(y)) if x <= 0 || y <= 0 => x <= 0 && y <= 0,
        (Life::For(x), Life::For(y)) => near(x, y, slack),
        (Life::Until(x), Life::Until(y)) => near(x, y, slack) || arrived.is_some_and(|now| x.max(y) <= now),
        (Life::For(x), Life::Until(until)) | (Life::Until(until), Life::For(x)) => match arrived {
            Some(now) => {
                let left = until.saturating_sub(now);
                (x > 0) == (left > 0) && (x <= 0 || near(x, left, slack.saturating_add(UNDATED)))
            }
            None => how.context.is_some() && x > 0,
        },
        _ => false,
    }
}

// === impl Cookie ===

impl Cookie {
    fn is_named(text: &str) -> bool {
        let pair = text.split(';').next().unwrap_or_default();
        pair.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty())
    }

    /// One Set-Cookie value, read as browsers do (RFC 6265 5.2). `now` is the answer's own date.
    fn parse(text: &str, now: Option<i64>) -> Option<Cookie> {
        if !Cookie::is_named(text) {
            return None;
        }
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: String::new(),
            path: String::new(),
            secure: false,
            http_only: false,
            partitioned: false,
            same_site: None,
            life: Life::Session,
            others: BTreeSet::new(),
        };
        let mut max_age = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" => cookie.domain = value.trim_start_matches('.').to_ascii_lowercase(),
                "path" => cookie.path = value.to_owned(),
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "partitioned" => cookie.partitioned = true,
                "samesite" => cookie.same_site = Some(value.to_ascii_lowercase()),
                "max-age" => max_age = value.parse::<i64>().ok(),
                "expires" => {
                    cookie.life = match (date::parse(value), now) {
                        (Some(until), Some(now)) => Life::For(until.saturating_sub(now)),
                        // Long gone whatever the time is.
                        (Some(until), None) if until < 365 * 86_400 => Life::For(0),
                        (Some(until), None) => Life::Until(until),
                        (None, _) => cookie.life,
                    }
                }
                "" => {}
                other => drop(cookie.others.insert(format!("{other}={value}"))),
            }
        }
        if let Some(seconds) = max_age {
            cookie.life = Life::For(seconds.max(0));
        }
        Some(cookie)
    }

    /// With the path that stands for none, and a domain that is the host's own mapped to one word.
    fn scoped(mut self, how: &HeaderComparison<'_>, side: Side) -> Cookie {
        let Some(context) = how.context else { return self };
        if !self.path.starts_with('/') {
            // RFC 6265 5.1.4: the folder that was asked for.
            let folder = context.request.uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            self.path = if folder.is_empty() { "/".to_owned() } else { folder.to_owned() };
        }
        if is_own_host(context, side, &self.domain) {
            self.domain = "{host}".to_owned();
        }
        self
    }
}

impl Life {
    /// What was over when the request came is deleted.
    fn from(self, arrived: Option<i64>) -> Self {
        match self {
            Life::Until(until) if arrived.is_some_and(|now| until <= now) => Life::For(0),
            life => life,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Life::Session => "session",
            Life::For(s) if s <= 0 => "deleted",
            Life::For(_) | Life::Until(_) => KEPT,
        }
    }

    /// As rules read it, where it ends at some time.
    fn measure(self) -> Option<String> {
        match self {
            Life::For(s) if s > 0 => Some(format!("{s}s")),
            Life::Until(t) => Some(t.to_string()),
            Life::For(_) | Life::Session => None,
        }
    }

    fn text(self) -> String {
        match self {
            Life::Session => "until the session ends".to_owned(),
            Life::For(s) if s <= 0 => "deleted".to_owned(),
            Life::For(s) => format!("for {s} s"),
            Life::Until(t) => format!("until {t}"),
        }
    }
}
