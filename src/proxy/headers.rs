//! What a proxy does to a request's fields: takes out what was meant for it alone, and says whom it forwards for.

pub use crate::upstream::strip_hop_by_hop;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE, VIA};
use std::net::IpAddr;

const PROXY_AUTHENTICATE: HeaderName = HeaderName::from_static("proxy-authenticate");
const PROXY_AUTHORIZATION: HeaderName = HeaderName::from_static("proxy-authorization");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// As [`strip_hop_by_hop`], and what is meant for this proxy alone.
pub fn strip_request(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(PROXY_AUTHENTICATE);
}

/// The protocol a request wants to switch to, where it is one that can be tunnelled. `h2c` is not: forwarding it
/// would hide later requests from every check made here.
pub fn wanted_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE)?;
    let tunnelled = protocol.to_str().is_ok_and(|p| {
        p.split(',')
            .all(|p| !p.trim().eq_ignore_ascii_case("h2c") && !p.trim().to_ascii_lowercase().starts_with("tls/"))
    });
    (asked && tunnelled).then(|| protocol.clone())
}

/// Sets `Via`, `Forwarded` and `X-Forwarded-*`. What an earlier proxy said is kept and added to.
pub fn set_forwarded(headers: &mut HeaderMap, client: IpAddr, scheme: &'static str, host: Option<&str>, http2: bool) {
    let client = client.to_canonical();
    let node = match client {
        IpAddr::V4(v4) => format!("{v4}"),
        IpAddr::V6(v6) => format!("\"[{v6}]\""),
    };
    let mut element = format!("for={node};proto={scheme}");
    if let Some(host) = host.filter(|h| !h.is_empty()) {
        let token = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let quote = if token { "" } else { "\"" };
        element.push_str(&format!(";host={quote}{host}{quote}"));
    }
    append(headers, FORWARDED, &element);
    append(headers, X_FORWARDED_FOR, &client.to_string());
    append(headers, VIA, if http2 { "2 parallax" } else { "1.1 parallax" });
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    if let Some(host) = host.and_then(|h| HeaderValue::from_str(h).ok())
        && !headers.contains_key(X_FORWARDED_HOST)
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// Adds an element to a list field, in the one line where there is exactly one, else as a line of its own.
fn append(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let mut values = headers.get_all(&name).iter();
    let joined = match (values.next(), values.next()) {
        (Some(one), None) => one.to_str().ok().map(|one| format!("{one}, {element}")),
        _ => None,
    };
    if let Some(value) = joined.as_deref().and_then(|v| HeaderValue::from_str(v).ok()) {
        headers.insert(name, value);
    } else if let Ok(value) = HeaderValue::from_str(element) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_tunnels_are_upgrades() {
        assert!(wanted_upgrade(&map(&[("connection", "Upgrade"), ("upgrade", "websocket")])).is_some());
        assert!(wanted_upgrade(&map(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")])).is_none());
        assert!(wanted_upgrade(&map(&[("connection", "keep-alive"), ("upgrade", "websocket")])).is_none());
    }

    #[test]
    fn forwarding_fields_are_added_to() {
        let mut headers = map(&[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")]);
        set_forwarded(&mut headers, IpAddr::from([127, 0, 0, 1]), "http", Some("shop.example:8080"), false);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "shop.example:8080");
        assert_eq!(headers["forwarded"], "for=127.0.0.1;proto=http;host=\"shop.example:8080\"");
        assert_eq!(headers["via"], "1.1 parallax");
    }
}
