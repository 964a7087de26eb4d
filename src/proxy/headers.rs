//! What a proxy does to a request's fields: takes out what was meant for it alone, and says whom it forwards for.

use crate::http1::Added;
use crate::model::Fields;
use http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE, VIA};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

const PROXY_AUTHENTICATE: HeaderName = HeaderName::from_static("proxy-authenticate");
const PROXY_AUTHORIZATION: HeaderName = HeaderName::from_static("proxy-authorization");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Takes out what belongs to a connection, and what is meant for this proxy alone.
pub fn strip_request(headers: &mut Fields) {
    headers.strip_hop_by_hop();
    headers.take_out(&PROXY_AUTHORIZATION);
    headers.take_out(&PROXY_AUTHENTICATE);
}

/// The protocol a request wants to switch to, where it is one that can be tunnelled. `h2c` is not: forwarding it
/// would hide later requests from every check made here.
pub fn wanted_upgrade(headers: &Fields) -> Option<HeaderValue> {
    let protocol = headers.text(&UPGRADE)?;
    let mut tokens = headers.all(&CONNECTION).flat_map(|value| value.split(|b| *b == b','));
    let asked = tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    let tunnelled = protocol
        .split(',')
        .all(|p| !p.trim().eq_ignore_ascii_case("h2c") && !p.trim().to_ascii_lowercase().starts_with("tls/"));
    HeaderValue::from_str(protocol).ok().filter(|_| asked && tunnelled)
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

/// What is said in requests for one host.
#[derive(Debug)]
struct Named {
    /// Empty where they name none.
    host: Arc<str>,
    http2: bool,
    added: Arc<Added>,
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

    /// `Via`, `Forwarded` and `X-Forwarded-*`, which are to stand beside these fields. What an earlier proxy has said of it is
    /// kept and added to.
    pub fn add(&self, headers: &mut Fields, host: Option<&Arc<str>>, http2: bool) -> Arc<Added> {
        let added = self.named(host, http2);
        if !added.fields().iter().any(|(name, _)| headers.has(name)) {
            return added;
        }
        let mut joined = Vec::new();
        for (name, value) in added.fields().iter().cloned() {
            if !headers.has(&name) {
                joined.push((name, value));
            } else if name != X_FORWARDED_PROTO && name != X_FORWARDED_HOST {
                match join(headers, &name, &value) {
                    Some(list) => {
                        headers.take_out(&name);
                        joined.push((name, list));
                    }
                    // As a line of its own.
                    None => drop(headers.table_mut().append(name, value)),
                }
            }
        }
        Arc::new(Added::new(joined))
    }

    /// A client's name for the server, which most requests of a connection have in common; where it is ASCII.
    pub fn shared_host(&self, host: &[u8]) -> Option<Arc<str>> {
        match self.first.get() {
            Some(first) if first.host.as_bytes() == host => Some(first.host.clone()),
            _ => std::str::from_utf8(host).ok().filter(|host| host.is_ascii()).map(Arc::from),
        }
    }

    fn named(&self, host: Option<&Arc<str>>, http2: bool) -> Arc<Added> {
        let name = host.map_or("", |host| host);
        let first = self.first.get_or_init(|| Named {
            host: host.cloned().unwrap_or_default(),
            http2,
            added: Arc::new(self.of(name, http2)),
        });
        match *first.host == *name && first.http2 == http2 {
            true => first.added.clone(),
            false => Arc::new(self.of(name, http2)),
        }
    }

    fn of(&self, host: &str, http2: bool) -> Added {
        let element = if host.is_empty() {
            self.element.clone()
        } else {
            let token = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            let quote = if token { "" } else { "\"" };
            format!("{};host={quote}{host}{quote}", self.element)
        };
        let named = HeaderValue::from_str(host).ok().filter(|host| !host.is_empty());
        let fields = [
            (FORWARDED, HeaderValue::from_str(&element).ok()),
            (X_FORWARDED_FOR, Some(self.client.clone())),
            (VIA, Some(HeaderValue::from_static(if http2 { "2 parallax" } else { "1.1 parallax" }))),
            (X_FORWARDED_PROTO, Some(HeaderValue::from_static(self.scheme))),
            (X_FORWARDED_HOST, named),
        ];
        Added::new(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// A list field with another element, where there is exactly one line of it.
fn join(headers: &Fields, name: &HeaderName, element: &HeaderValue) -> Option<HeaderValue> {
    let (one, None) = (headers.text(name)?, headers.all(name).nth(1)) else { return None };
    HeaderValue::from_str(&format!("{one}, {}", element.to_str().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> Fields {
        let fields = fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        fields.collect::<http::HeaderMap>().into()
    }

    #[test]
    fn only_tunnels_are_upgrades() {
        assert!(wanted_upgrade(&map(&[("connection", "Upgrade"), ("upgrade", "websocket")])).is_some());
        assert!(wanted_upgrade(&map(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")])).is_none());
        assert!(wanted_upgrade(&map(&[("connection", "keep-alive"), ("upgrade", "websocket")])).is_none());
    }

    #[test]
    fn requests_for_one_host_share_its_name() {
        let forwarded = Forwarded::new(IpAddr::from([127, 0, 0, 1]), "http");
        let first = forwarded.shared_host(b"shop.example").unwrap();
        forwarded.add(&mut Fields::default(), Some(&first), false);
        assert!(Arc::ptr_eq(&first, &forwarded.shared_host(b"shop.example").unwrap()));
        assert_eq!(forwarded.shared_host(b"shop.examples").as_deref(), Some("shop.examples"));
        assert_eq!(forwarded.shared_host("sh\u{f6}p.example".as_bytes()), None);
        assert_eq!(forwarded.shared_host(b"\xff"), None);
    }

    #[test]
    fn forwarding_fields_are_added_to() {
        let mut headers = map(&[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")]);
        let forwarded = Forwarded::new(IpAddr::from([127, 0, 0, 1]), "http");
        forwarded.add(&mut headers, Some(&"shop.example:8080".into()), false).set(headers.table_mut());
        let headers = headers.table();
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "shop.example:8080");
        assert_eq!(headers["forwarded"], "for=127.0.0.1;proto=http;host=\"shop.example:8080\"");
        assert_eq!(headers["via"], "1.1 parallax");
        let mut other = map(&[("accept", "*/*")]);
        let added = forwarded.add(&mut other, Some(&"other.example".into()), true);
        assert_eq!(other, map(&[("accept", "*/*")]));
        added.set(other.table_mut());
        let other = other.table();
        assert_eq!(other["forwarded"], "for=127.0.0.1;proto=http;host=other.example");
        assert_eq!(
            (&other["x-forwarded-host"], &other["via"]),
            (&"other.example".parse().unwrap(), &"2 parallax".parse().unwrap())
        );
        let mut twice = map(&[("via", "1.1 a"), ("x", "y")]);
        twice.table_mut().append("via", HeaderValue::from_static("1.1 b"));
        forwarded.add(&mut twice, None, false);
        assert_eq!(twice.table().get_all("via").iter().collect::<Vec<_>>(), ["1.1 a", "1.1 b", "1.1 parallax"]);
    }
}
