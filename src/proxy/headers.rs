//! What a proxy does to a request's fields: takes out what was meant for it alone, and says whom it forwards for.

pub use crate::upstream::strip_hop_by_hop;
use http::header::{CONNECTION, Entry, HeaderMap, HeaderName, HeaderValue, UPGRADE, VIA};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

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

/// What the requests of one connection say of whom they are forwarded for.
#[derive(Debug)]
pub struct Forwarded {
    scheme: &'static str,
    client: HeaderValue,
    /// `for` and `proto`.
    element: String,
    /// Of the host asked for first: most connections ask for no other.
    first: OnceLock<Named>,
}

/// Fields that name a host.
#[derive(Debug, Clone)]
struct Named {
    host: Arc<str>,
    forwarded: Option<HeaderValue>,
    forwarded_host: Option<HeaderValue>,
}

impl Forwarded {
    pub fn new(client: IpAddr, scheme: &'static str) -> Self {
        let client = client.to_canonical();
        let node = match client {
            IpAddr::V4(v4) => format!("{v4}"),
            IpAddr::V6(v6) => format!("\"[{v6}]\""),
        };
        let text = client.to_string();
        Self {
            scheme,
            client: HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("unknown")),
            element: format!("for={node};proto={scheme}"),
            first: OnceLock::new(),
        }
    }

    /// Sets `Via`, `Forwarded` and `X-Forwarded-*`. What an earlier proxy said is kept and added to.
    pub fn set(&self, headers: &mut HeaderMap, host: Option<&Arc<str>>, http2: bool) {
        headers.reserve(5);
        let named = host.filter(|h| !h.is_empty()).map(|host| self.named(host));
        let element = named.as_ref().map_or_else(|| HeaderValue::from_str(&self.element).ok(), |n| n.forwarded.clone());
        if let Some(element) = element {
            append(headers, FORWARDED, element);
        }
        append(headers, X_FORWARDED_FOR, self.client.clone());
        append(headers, VIA, HeaderValue::from_static(if http2 { "2 parallax" } else { "1.1 parallax" }));
        headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(self.scheme));
        if let Some(host) = named.and_then(|n| n.forwarded_host) {
            headers.entry(X_FORWARDED_HOST).or_insert(host);
        }
    }

    fn named(&self, host: &Arc<str>) -> Named {
        let first = self.first.get_or_init(|| self.name(host));
        if first.host == *host { first.clone() } else { self.name(host) }
    }

    fn name(&self, host: &Arc<str>) -> Named {
        let token = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let quote = if token { "" } else { "\"" };
        let element = format!("{};host={quote}{host}{quote}", self.element);
        Named {
            host: host.clone(),
            forwarded: HeaderValue::from_str(&element).ok(),
            forwarded_host: HeaderValue::from_str(host).ok(),
        }
    }
}

/// Adds an element to a list field, in the one line where there is exactly one, else as a line of its own.
fn append(headers: &mut HeaderMap, name: HeaderName, element: HeaderValue) {
    let mut lines = match headers.entry(name) {
        Entry::Vacant(none) => {
            none.insert(element);
            return;
        }
        Entry::Occupied(lines) => lines,
    };
    let joined = match (lines.iter().nth(1), lines.get().to_str(), element.to_str()) {
        (None, Ok(one), Ok(element)) => HeaderValue::from_str(&format!("{one}, {element}")).ok(),
        _ => None,
    };
    match joined {
        Some(joined) => drop(lines.insert(joined)),
        None => lines.append(element),
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
        let forwarded = Forwarded::new(IpAddr::from([127, 0, 0, 1]), "http");
        forwarded.set(&mut headers, Some(&"shop.example:8080".into()), false);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "shop.example:8080");
        assert_eq!(headers["forwarded"], "for=127.0.0.1;proto=http;host=\"shop.example:8080\"");
        assert_eq!(headers["via"], "1.1 parallax");
        let mut other = HeaderMap::new();
        forwarded.set(&mut other, Some(&"other.example".into()), true);
        assert_eq!(other["forwarded"], "for=127.0.0.1;proto=http;host=other.example");
        assert_eq!(
            (&other["x-forwarded-host"], &other["via"]),
            (&"other.example".parse().unwrap(), &"2 parallax".parse().unwrap())
        );
    }
}
