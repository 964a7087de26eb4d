//! URLs as far as comparing needs them: references resolved, each leg's own origin put aside.

use super::context::Context;
use http::HeaderName;

/// What stands for an origin of the systems compared.
pub(super) const ORIGIN: &str = "{origin}";
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Which of the two answers a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Primary,
    Other,
}

/// A reference as the client that asked would follow it, with the origins of the systems compared mapped to one word.
pub(super) fn resolve(context: &Context<'_>, side: Side, reference: &str) -> String {
    let base_origin = client_origin(context);
    let base_path = context.request.uri.path();
    let reference = reference.trim();

    let (origin, rest) = if let Some((origin, rest)) = split_origin(reference) {
        (normal_origin(origin), rest.to_owned())
    } else if let Some(rest) = reference.strip_prefix("//") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        (normal_origin(&format!("{}://{authority}", client_scheme(context))), rest.to_owned())
    } else if has_scheme(reference) {
        return reference.to_owned();
    } else if reference.is_empty() || reference.starts_with('#') {
        let query = context.request.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        (base_origin.clone(), format!("{base_path}{query}{reference}"))
    } else if reference.starts_with('?') {
        (base_origin.clone(), format!("{base_path}{reference}"))
    } else if reference.starts_with('/') {
        (base_origin.clone(), reference.to_owned())
    } else {
        let folder = base_path.rfind('/').and_then(|i| base_path.get(..=i)).unwrap_or("/");
        (base_origin.clone(), format!("{folder}{reference}"))
    };

    let origin = if is_ours(context, side, &origin) { ORIGIN } else { &origin };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, tail) = rest.split_at(end);
    format!("{origin}{}{}", percent_normal(&without_dots(path)), percent_normal(tail))
}

/// An absolute URL or origin with that of the systems compared mapped to one word; anything else as it is.
pub(super) fn map_url(context: &Context<'_>, side: Side, text: &str) -> String {
    match split_origin(text) {
        // Behind a line break, which no header holds.
        Some((origin, rest)) if is_ours(context, side, &normal_origin(origin)) => format!("\n{ORIGIN}{rest}"),
        _ => text.to_owned(),
    }
}

/// Whether a host is that of the leg itself, or the one that the client asked for.
pub(super) fn is_own_host(context: &Context<'_>, side: Side, host: &str) -> bool {
    let bare = |authority: &str| {
        let end = authority.rfind(':').filter(|i| authority.get(i + 1..).is_some_and(|p| p.parse::<u16>().is_ok()));
        authority.get(..end.unwrap_or(authority.len())).unwrap_or_default().to_ascii_lowercase()
    };
    let own = own_origin(context, side).and_then(|o| o.split_once("://")).map(|(_, authority)| bare(authority));
    own.as_deref() == Some(host) || context.request.host.as_deref().map(bare).as_deref() == Some(host)
}

/// The bytes that percent-encoding stands for; what is no such encoding stays.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, _, after)) = next_byte(rest) {
        out.push(byte);
        rest = after;
    }
    out
}

/// `scheme://host` as the client sees it, behind what it says it came through.
fn client_origin(context: &Context<'_>) -> String {
    let host = context.request.host.as_deref().unwrap_or("localhost");
    normal_origin(&format!("{}://{host}", client_scheme(context)))
}

fn client_scheme<'a>(context: &Context<'a>) -> &'a str {
    match context.request.headers.text(&X_FORWARDED_PROTO) {
        Some(scheme @ ("http" | "https")) => scheme,
        _ => context.request.scheme,
    }
}

fn is_ours(context: &Context<'_>, side: Side, origin: &str) -> bool {
    origin == client_origin(context) || own_origin(context, side).is_some_and(|own| normal_origin(own) == origin)
}

pub(super) fn own_origin<'a>(context: &Context<'a>, side: Side) -> Option<&'a str> {
    match side {
        Side::Primary => context.origins.primary.as_deref(),
        Side::Other => context.origins.get(context.other).as_deref(),
    }
}

/// `http://host:port` and what follows, for http and https only.
fn split_origin(url: &str) -> Option<(&str, &str)> {
    let colon = url.find("://")?;
    let scheme = url.get(..colon)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let after = url.get(colon + 3..)?;
    let end = after.find(['/', '?', '#']).map_or(url.len(), |i| colon + 3 + i);
    Some(url.split_at(end))
}

/// Lower case, default port left out.
fn normal_origin(origin: &str) -> String {
    let origin = origin.trim_end_matches('/').to_ascii_lowercase();
    let default = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(default).map(str::to_owned).unwrap_or(origin)
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// RFC 3986 6.2.2: what needs no encoding without one, the rest in capitals, what needs one with it.
fn percent_normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, coded, after)) = next_byte(rest) {
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if unreserved || (byte.is_ascii_graphic() && !coded) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        rest = after;
    }
    out
}

/// The next byte, whether it was percent-encoded, and what follows.
fn next_byte(text: &[u8]) -> Option<(u8, bool, &[u8])> {
    let digit = |d: &u8| char::from(*d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if let [b'%', a, b, rest @ ..] = text
        && let (Some(a), Some(b)) = (digit(a), digit(b))
    {
        return Some((a << 4 | b, true, rest));
    }
    let (byte, rest) = text.split_first()?;
    Some((*byte, false, rest))
}

/// RFC 3986 5.2.4, on a path; an empty path is `/`.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Asked;
    use super::*;

    #[test]
    fn references_resolve_as_a_client_would() {
        let asked = Asked::new("GET", "/a/b/c?q=1").origins("http://old:8001", "http://new:8002");
        let never = || false;
        let context = asked.context(&never);
        for (side, reference, expected) in [
            (Side::Primary, "/x", "{origin}/x"),
            (Side::Primary, "http://shop.example/x", "{origin}/x"),
            (Side::Primary, "http://SHOP.example:80/x", "{origin}/x"),
            (Side::Primary, "http://old:8001/x", "{origin}/x"),
            (Side::Other, "http://old:8001/x", "http://old:8001/x"),
            (Side::Other, "http://new:8002", "{origin}/"),
            (Side::Primary, "//shop.example/y", "{origin}/y"),
            (Side::Primary, "d", "{origin}/a/b/d"),
            (Side::Primary, "../d/./e?x=..#f", "{origin}/a/d/e?x=..#f"),
            (Side::Primary, "../../../..", "{origin}/"),
            (Side::Primary, "?q=2", "{origin}/a/b/c?q=2"),
            (Side::Primary, "#f", "{origin}/a/b/c?q=1#f"),
            (Side::Primary, "", "{origin}/a/b/c?q=1"),
            (Side::Primary, "mailto:a@b", "mailto:a@b"),
            (Side::Primary, "https://shop.example/x", "https://shop.example/x"),
        ] {
            assert_eq!(resolve(&context, side, reference), expected, "{reference}");
        }
    }
}
