//! The order of work: the first differing layer of transport, status, content type, parse and body owns the
//! exchange, and what later layers find is kept as `secondary`.
//!
//! Headers count beside the body unless transport or status owns.

use super::coding::{self, CodingError};
use super::context::Context;
use super::decoded::decoded;
use super::headers::{HeaderComparison, makes_no_finding};
use super::media::Media;
use super::rules::{RouteRules, Scheme};
use super::window::{self, Window};
use super::{Finding, Findings, Tier, body, grpc};
use crate::model::{Answer, BodyEnd, Captured, Failure, FailureKind, Outcome, Reason, StatusClass};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderName, Method, StatusCode};
use std::borrow::Cow;

/// Whether two answers match without a closer look. `true` means that [`compare`] makes no finding.
///
/// It errs on one side only: answers that match by what their URLs mean are left to [`compare`].
pub fn is_match(rules: &RouteRules, skip_headers: &[HeaderName], primary: &Answer, other: &Answer) -> bool {
    if primary.status != other.status
        || primary.end != BodyEnd::Complete
        || other.end != BodyEnd::Complete
        || reasons_differ(primary, other)
    {
        return false;
    }
    let unread = primary.status.is_redirection();
    let bodies = primary.body.same_bytes(&other.body);
    if bodies
        && primary.trailers.is_none()
        && other.trailers.is_none()
        && same_heads(primary, other, skip_headers, false)
    {
        return true;
    }
    if !bodies && !unread && !has_no_body(primary.status) {
        return false;
    }
    let codings = (coding::codings(&primary.headers), coding::codings(&other.headers));
    let sameness = if has_no_body(primary.status) {
        true
    } else {
        // Coded bodies may hold the same content by other bytes, which matters to what is derived from it.
        bodies || (codings.0.is_empty() && primary.body.is_empty() == other.body.is_empty())
    };
    if !sameness || codings.0 != codings.1 {
        return false;
    }
    // Only an answer without its body can carry another length over the same bytes, and whether a body was to be sent
    // at all takes the request to know.
    let both = primary.headers.has(&CONTENT_LENGTH) && other.headers.has(&CONTENT_LENGTH);
    let (x, y) = (primary.headers.all(&CONTENT_LENGTH), other.headers.all(&CONTENT_LENGTH));
    if (bodies && both && !x.eq(y)) || misframed(primary) != misframed(other) {
        return false;
    }
    let either_grpc = grpc::is_grpc(primary) || grpc::is_grpc(other);
    if either_grpc && (primary.trailers != other.trailers || primary.headers.table() != other.headers.table()) {
        return false;
    }
    let how = HeaderComparison {
        rules,
        context: None,
        skip: skip_headers,
        same_body: bodies || has_no_body(primary.status),
        bodiless: false,
        unread_body: unread,
        reads_as_utf8: &|_| false,
        redirect: unread,
        grpc: false,
    };
    let mut found = Findings::default();
    how.compare(primary.headers.table(), other.headers.table(), &mut found);
    how.trailers(primary.trailers.as_ref(), other.trailers.as_ref(), &mut found);
    found.is_match()
}

/// Whether two heads say the same but for what makes no finding: most that match do. What is made from bodies may differ
/// where there are `other_bodies`.
fn same_heads(primary: &Answer, other: &Answer, skip_headers: &[HeaderName], other_bodies: bool) -> bool {
    // One may say how long it is while the other ends by its framing.
    let is_framing = || {
        primary.headers.has(&CONTENT_LENGTH) != other.headers.has(&CONTENT_LENGTH)
            && misframed(primary) == misframed(other)
    };
    let ignored = |name: &HeaderName| {
        let silent = makes_no_finding(name, other_bodies)
            || (*name == CONTENT_LENGTH && is_framing())
            || skip_headers.contains(name);
        // What a call ends in may stand in its head.
        silent && !grpc::is_grpc(primary) && !grpc::is_grpc(other)
    };
    primary.headers.say_the_same(&other.headers, ignored)
}

/// Bytes of a body that is compared at once.
const SMALL: u64 = 4 * 1024;

/// Whether both bodies are small enough for [`at_once`].
pub fn is_brief(primary: &Answer, other: &Answer) -> bool {
    [primary, other].into_iter().all(|answer| (1..=SMALL).contains(&answer.body.len()))
}

/// What [`compare`] finds, where that takes some microseconds, and never more than some tens of them: of two small bodies
/// of JSON that is not deep, differs in a few scalars, or in how it is written, and stands under heads that do not differ.
/// `None` of all others.
pub fn at_once(context: &Context<'_>, primary: &Answer, other: &Answer) -> Option<Findings> {
    let plain =
        |answer: &Answer| answer.end == BodyEnd::Complete && answer.trailers.is_none() && misframed(answer).is_none();
    let status = primary.status;
    if !is_brief(primary, other)
        || !plain(primary)
        || !plain(other)
        || context.request.method == Method::HEAD
        || status != other.status
        || status.is_redirection()
        || has_no_body(status)
        || status == StatusCode::PARTIAL_CONTENT
        || reasons_differ(primary, other)
        || !same_heads(primary, other, context.skip_headers, true)
        || primary.headers.has(&CONTENT_ENCODING)
    {
        return None;
    }
    let (Some(Cow::Borrowed(a)), Some(Cow::Borrowed(b))) = (primary.body.contiguous(), other.body.contiguous()) else {
        return None;
    };
    // What is the same may still name two origins, of which each leg has its own.
    if a == b {
        return None;
    }
    let mut out = body::compare_at_once(context, primary, a, b)?;
    cover_bodies(context, &mut out);
    Some(out)
}

/// Everything that differs between the primary's answer and another leg's, each with the rule that covers it.
pub fn compare(context: &Context<'_>, primary: &Answer, other: &Outcome) -> Findings {
    let mut out = Findings::default();
    match other {
        Outcome::Failed(failure) => {
            transport(context, failure, (primary.status.as_str(), failure.kind.as_str()), false, &mut out);
        }
        Outcome::Answer(other) => match window::of(primary, other) {
            None => answers(context, primary, other, &mut out),
            Some(window) => streams(context, primary, other, window, &mut out),
        },
    }
    for finding in &mut out.list {
        if is_echoed_mark(finding) {
            finding.tier = Tier::Info;
        }
    }
    // What was found decides, so that it does not matter what was not looked at.
    if out.decided() {
        out.budget = None;
    }
    out
}

/// A service that echoes its request's headers shows the mark that only mirror legs are sent. That difference is of our
/// own making.
fn is_echoed_mark(finding: &Finding) -> bool {
    &*finding.kind == "json.extra" && finding.exact.to_ascii_lowercase().ends_with("['x-parallax-leg']")
}

/// Answers of which at least one goes on.
fn streams(context: &Context<'_>, primary: &Answer, other: &Answer, window: Window, out: &mut Findings) {
    match window {
        Window::Events { primary: ours, other: theirs, delivered } => {
            answers(context, &ours, &theirs, out);
            let owned = out.list.iter().any(|f| f.counts() && matches!(&*f.location, "status" | "header:content-type"));
            let mut found = Findings::default();
            window::ended_early(other, delivered, &mut found);
            cover_bodies(context, &mut found);
            out.absorb(found, owned);
            if window::lags(other, delivered) {
                let (ours, theirs) = delivered;
                out.budget =
                    Some(format!("the stream gave {theirs} of the primary's {ours} events in the same time").into());
            }
        }
        Window::Silent(failure) => {
            let classes = (primary.status.as_str(), failure.kind.as_str());
            transport(context, &failure, classes, false, out);
        }
        Window::Heads(why) => {
            let head = |a: &Answer| Answer { body: Captured::empty(), trailers: None, end: BodyEnd::Open, ..a.clone() };
            answers(context, &head(primary), &head(other), out);
            out.budget = Some(why.into());
        }
    }
}

fn answers(context: &Context<'_>, primary: &Answer, other: &Answer, out: &mut Findings) {
    let sent = (primary, other);
    let (primary, other) = (&*grpc::unwrapped(primary), &*grpc::unwrapped(other));
    let mut broken = false;
    if let BodyEnd::Broken(failure) = &primary.end {
        transport(context, failure, (failure.kind.as_str(), "answer"), true, out);
        broken = true;
    }
    if let BodyEnd::Broken(failure) = &other.end {
        let class = if broken { "broken" } else { primary.status.as_str() };
        transport(context, failure, (class, failure.kind.as_str()), false, out);
        broken = true;
    }
    if !broken && context.request.method != Method::HEAD {
        framing(context, sent.0, sent.1, out);
    }
    let transport_owns = out.list.iter().any(Finding::counts);

    let mut found = Findings::default();
    let status_owns = status(context, primary, other, &mut found);
    out.absorb(found, transport_owns);
    let owned = transport_owns || status_owns;

    let bodies = Bodies::of(context, primary, other, broken);
    let is_grpc = grpc::is_grpc(primary) && grpc::is_grpc(other);
    let both_status = |f: fn(&StatusCode) -> bool| f(&primary.status) && f(&other.status);
    let reads_as_utf8 = |media: Media| {
        let reads = |answer| decoded(answer).body.contiguous().is_some_and(|body| media.reads_as_utf8(&body));
        reads(primary) && reads(other)
    };
    let how = HeaderComparison {
        rules: context.rules,
        context: Some(context),
        skip: context.skip_headers,
        same_body: bodies.same,
        bodiless: context.request.method == Method::HEAD || both_status(|s| *s == StatusCode::NOT_MODIFIED),
        unread_body: both_status(StatusCode::is_redirection) || both_status(|s| has_no_body(*s)),
        reads_as_utf8: &reads_as_utf8,
        redirect: both_status(StatusCode::is_redirection),
        grpc: is_grpc,
    };
    let mut found = Findings::default();
    let (head, trailers) = grpc::metadata(primary, other);
    let (other_head, other_trailers) = grpc::metadata(other, primary);
    how.compare(&head, &other_head, &mut found);
    let type_owns = found.list.iter().any(|f| &*f.kind == "ctype.type" && f.counts());
    // A part of the trailers is no part of a broken body.
    how.trailers(Some(&trailers), Some(&other_trailers), &mut found);
    out.absorb(found, owned);

    let mut found = Findings::default();
    let grpc_owns = is_grpc && grpc::status(context, primary, other, &mut found);
    out.absorb(found, owned);

    let mut found = Findings::default();
    bodies.compare(context, primary, other, is_grpc, &mut found);
    cover_bodies(context, &mut found);
    out.absorb(found, owned || type_owns || grpc_owns);
    let is_read = !how.bodiless && !how.unread_body;
    if is_grpc && is_read && out.is_match() && !sent.0.body.same_bytes(&sent.1.body) {
        // The same messages and trailers, wrapped otherwise.
        out.push(Finding::new("body.encoding", Tier::Repr, "body").classes("grpc-web", "grpc-web"));
    }
}

/// A rule on the body covers all that is found in it.
fn cover_bodies(context: &Context<'_>, found: &mut Findings) {
    for finding in &mut found.list {
        context.rules.cover(Scheme::Body, "", finding, None, None);
    }
}

/// A body that came whole and is not as long as its head says. Legs that are both wrong are alike.
fn framing(context: &Context<'_>, primary: &Answer, other: &Answer, out: &mut Findings) {
    match (misframed(primary), misframed(other)) {
        (None, Some(failure)) => {
            transport(context, &failure, (primary.status.as_str(), failure.kind.as_str()), false, out);
        }
        // The candidate is right where the primary is wrong: told, and no fault of the candidate.
        (Some(failure), None) => {
            let at = out.list.len();
            transport(context, &failure, (failure.kind.as_str(), other.status.as_str()), true, out);
            out.list.iter_mut().skip(at).for_each(|f| f.tier = Tier::Info);
        }
        _ => {}
    }
}

/// What is wrong with a Content-Length, where the answer has one and a body.
fn misframed(answer: &Answer) -> Option<Failure> {
    if has_no_body(answer.status) {
        return None;
    }
    // Nearly all have one, and are right.
    let mut values = answer.headers.all(&CONTENT_LENGTH);
    if let (Some(one), None) = (values.next(), values.next())
        && std::str::from_utf8(one).is_ok_and(|text| text.parse() == Ok(answer.body.len()))
    {
        return None;
    }
    let mut declared: Option<u64> = None;
    for value in answer.headers.all(&CONTENT_LENGTH) {
        for part in String::from_utf8_lossy(value).split(',') {
            match (part.trim().parse(), declared) {
                (Ok(length), None) => declared = Some(length),
                (Ok(length), Some(earlier)) if length == earlier => {}
                _ => {
                    let detail = format!("the Content-Length is \"{}\"", value.escape_ascii());
                    return Some(Failure { kind: FailureKind::BadFraming, detail });
                }
            }
        }
    }
    let (declared, length) = (declared?, answer.body.len());
    let detail = format!("a body of {length} bytes where the head says {declared}");
    (declared != length).then_some(Failure { kind: FailureKind::LengthMismatch, detail })
}

/// No answer, or half of one.
fn transport(context: &Context<'_>, failure: &Failure, classes: (&str, &str), of_primary: bool, out: &mut Findings) {
    let tier = if failure.kind == FailureKind::IdleRace { Tier::Info } else { Tier::Break };
    let kind = format!("transport.{}", failure.kind.as_str());
    let mut finding = Finding::new(kind, tier, "transport").classes(classes.0, classes.1);
    let (failed, answered) = (Some(failure.detail.clone()), Some("answered".to_owned()));
    (finding.primary, finding.candidate) = if of_primary { (failed, answered) } else { (answered, failed) };
    context.rules.cover(Scheme::Transport, "", &mut finding, None, None);
    out.push(finding);
}

/// Adds what differs in the status line; `true` when that owns all that follows.
fn status(context: &Context<'_>, primary: &Answer, other: &Answer, out: &mut Findings) -> bool {
    let (a, b) = (primary.status, other.status);
    if a != b {
        let same_class = StatusClass::of(a) == StatusClass::of(b);
        let (kind, tier) = if same_class { ("status.code", Tier::Value) } else { ("status.class", Tier::Break) };
        let (x, y) = (a.as_str(), b.as_str());
        let mut finding = Finding::new(kind, tier, "status").classes(x, y).values(Some(x), Some(y));
        context.rules.cover(Scheme::Status, "", &mut finding, Some(x), Some(y));
        let owns = finding.counts();
        out.push(finding);
        return owns;
    }
    if reasons_differ(primary, other) {
        let (x, y) = (primary.reason.text(a), other.reason.text(b));
        let finding = Finding::new("status.reason", Tier::Info, "status").classes(a.as_str(), b.as_str());
        let mut finding = finding.values(Some(&x), Some(&y));
        context.rules.cover(Scheme::Status, "", &mut finding, Some(&x), Some(&y));
        out.push(finding);
    }
    false
}

/// Only two that are there can differ.
fn reasons_differ(a: &Answer, b: &Answer) -> bool {
    a.reason != b.reason && a.reason != Reason::Absent && b.reason != Reason::Absent
}

fn has_no_body(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// Two bodies as far as they had to be looked at to know whether they are the same.
struct Bodies<'a> {
    same: bool,
    codings: (Vec<String>, Vec<String>),
    plain: Plain<'a>,
}

type Decoded<'a> = Result<Cow<'a, [u8]>, CodingError>;

enum Plain<'a> {
    /// No body is compared here.
    Unread,
    /// The same bytes in the same coding.
    Same,
    /// At least one is known by its digest only.
    Digest,
    Both(Cow<'a, [u8]>, Cow<'a, [u8]>, Decoded<'a>, Decoded<'a>),
}

// === impl Bodies ===

impl<'a> Bodies<'a> {
    fn of(context: &Context<'_>, primary: &'a Answer, other: &'a Answer, broken: bool) -> Self {
        let codings = (coding::codings(&primary.headers), coding::codings(&other.headers));
        let unread =
            context.request.method == Method::HEAD || (has_no_body(primary.status) && has_no_body(other.status));
        if unread {
            return Bodies { same: true, codings, plain: Plain::Unread };
        }
        if broken {
            return Bodies { same: false, codings, plain: Plain::Unread };
        }
        let same_bytes = primary.body.same_bytes(&other.body);
        if same_bytes && codings.0 == codings.1 {
            return Bodies { same: true, codings, plain: Plain::Same };
        }
        let (Some(a), Some(b)) = (primary.body.contiguous(), other.body.contiguous()) else {
            return Bodies { same: same_bytes, codings, plain: Plain::Digest };
        };
        let owned = |body: &[u8], codings: &[String]| {
            coding::decode(body, codings, context.limits, context.expired)
                .map(|d| Cow::<'a, [u8]>::Owned(d.into_owned()))
        };
        if codings.0.is_empty() && codings.1.is_empty() {
            // Not copied; what is compared where decoding fails is not needed.
            let none = || Cow::Borrowed(&[][..]);
            return Bodies { same: false, codings, plain: Plain::Both(none(), none(), Ok(a), Ok(b)) };
        }
        let (x, y) = (owned(&a, &codings.0), owned(&b, &codings.1));
        let same = matches!((&x, &y), (Ok(x), Ok(y)) if x == y);
        Bodies { same, codings, plain: Plain::Both(a, b, x, y) }
    }

    fn compare(self, context: &Context<'_>, primary: &Answer, other: &Answer, is_grpc: bool, out: &mut Findings) {
        let recoded = self.codings.0 != self.codings.1;
        match self.plain {
            Plain::Unread | Plain::Digest if recoded => coded_otherwise(context, &self.codings, Tier::Repr, out),
            _ => {}
        }
        if primary.status.is_redirection() && other.status.is_redirection() {
            let empty = (primary.body.is_empty(), other.body.is_empty());
            if empty.0 != empty.1 && !matches!(self.plain, Plain::Unread) {
                body::empty_vs_content(empty.0, Tier::Info, out);
            }
            return;
        }
        match self.plain {
            Plain::Unread | Plain::Same => {}
            Plain::Digest => {
                if !self.same {
                    body::digests((primary, other), out);
                }
            }
            Plain::Both(a, b, x, y) => match (x, y) {
                (Ok(x), Ok(y)) => {
                    if recoded || x == y {
                        coded_otherwise(context, &self.codings, Tier::Repr, out);
                    }
                    if x != y && is_grpc {
                        grpc::messages(context, (primary, other), &x, &y, out);
                    } else if x != y {
                        body::compare(context, (primary, other), x, y, out);
                    }
                }
                (Err(limit @ (CodingError::TooLarge | CodingError::TooLong)), _)
                | (_, Err(limit @ (CodingError::TooLarge | CodingError::TooLong))) => {
                    out.budget = Some(limit.to_string().into());
                }
                (Err(CodingError::Unknown(name)), _) | (_, Err(CodingError::Unknown(name))) => {
                    if recoded {
                        coded_otherwise(context, &self.codings, Tier::Value, out);
                    }
                    if a != b {
                        body::opaque(&a, &b, &format!(" in the unknown coding {name}"), out);
                    }
                }
                (x, y) => {
                    if recoded {
                        coded_otherwise(context, &self.codings, Tier::Repr, out);
                    }
                    let bad = (x.is_err(), y.is_err());
                    let name = match [x, y].into_iter().find_map(Result::err) {
                        Some(CodingError::Corrupt(name)) => name,
                        _ => "decodable".to_owned(),
                    };
                    body::unparsed(bad, &name, &a, &b, context, out);
                }
            },
        }
    }
}

/// The same content in another coding, or in the same coding by other bytes.
fn coded_otherwise(context: &Context<'_>, codings: &(Vec<String>, Vec<String>), tier: Tier, out: &mut Findings) {
    let name = |c: &[String]| if c.is_empty() { "identity".to_owned() } else { c.join(", ") };
    let (a, b) = (name(&codings.0), name(&codings.1));
    let kind = if a == b { "coding.bytes" } else { "coding.changed" };
    let mut finding = Finding::new(kind, tier, "header:content-encoding").classes(&a, &b).values(Some(&a), Some(&b));
    context.rules.cover(Scheme::Header, CONTENT_ENCODING.as_str(), &mut finding, Some(&a), Some(&b));
    out.push(finding);
}
