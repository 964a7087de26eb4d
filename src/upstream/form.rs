//! The last shape of a request before it goes out: target, Host, version, and what only one protocol may carry.
//!
//! [`prepare`] says where the request goes; [`to_h1`] and [`to_h2`] write it down for a protocol and can be applied
//! after each other in any order, because a retry may meet the other one.

use super::{LegBody, LegSettings, Scheme};
use http::header::{CONNECTION, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// What a leg's requests have in common, worked out once.
#[derive(Debug)]
pub(super) struct Form {
    base_path: String,
    preserve_host: bool,
    /// The leg's own Host.
    host: HeaderValue,
    authority: Authority,
    scheme: http::uri::Scheme,
}

// === impl Form ===

impl Form {
    /// `None` where the settings name a host that no URL can carry.
    pub(super) fn new(settings: &LegSettings) -> Option<Self> {
        let authority = settings.authority();
        Some(Self {
            base_path: settings.base_path.clone(),
            preserve_host: settings.preserve_host,
            host: HeaderValue::from_str(&authority).ok()?,
            authority: authority.parse().ok()?,
            scheme: match settings.scheme {
                Scheme::Http | Scheme::H2c => http::uri::Scheme::HTTP,
                Scheme::Https => http::uri::Scheme::HTTPS,
            },
        })
    }

    /// Puts the base path before the path and the right name into Host. To be applied once.
    ///
    /// # Errors
    /// A target that is too long for a URI once the base path stands before it.
    pub(super) fn prepare<B>(&self, req: &mut Request<B>) -> Result<(), http::Error> {
        if !self.preserve_host || !req.headers().contains_key(HOST) {
            req.headers_mut().insert(HOST, self.host.clone());
        }
        if req.method() == Method::CONNECT {
            return Ok(());
        }
        let target = req.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        if self.base_path.is_empty() || target == "*" {
            if req.uri().authority().is_some() || req.uri().path_and_query().is_none() {
                *req.uri_mut() = Uri::builder().path_and_query(target).build()?;
            }
        } else {
            let whole = format!("{}{target}", self.base_path);
            *req.uri_mut() = Uri::builder().path_and_query(whole).build()?;
        }
        Ok(())
    }

    /// HTTP/1.1: origin form (authority form for CONNECT, `*` stays), the name in Host.
    pub(super) fn to_h1(&self, req: &mut Request<LegBody>) {
        if !req.headers().contains_key(HOST) {
            let host = req.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
            req.headers_mut().insert(HOST, host.unwrap_or_else(|| self.host.clone()));
        }
        if req.method() != Method::CONNECT && req.uri().authority().is_some() {
            let target = req.uri().path_and_query().cloned();
            *req.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
        }
        if req.version() == Version::HTTP_2 {
            join_cookies(req.headers_mut());
        }
        *req.version_mut() = Version::HTTP_11;
    }

    /// HTTP/2: absolute, the name in `:authority`, nothing that belongs to a connection.
    pub(super) fn to_h2(&self, req: &mut Request<LegBody>) {
        let named = req.headers_mut().remove(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        remove_connection_fields(req.headers_mut());
        *req.version_mut() = Version::HTTP_2;
        if req.method() == Method::CONNECT || (req.uri().authority().is_some() && named.is_none()) {
            return;
        }
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(named.unwrap_or_else(|| self.authority.clone()));
        parts.path_and_query =
            Some(req.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        // Scheme, authority and path are all there, so this does not fail.
        if let Ok(uri) = Uri::from_parts(parts) {
            *req.uri_mut() = uri;
        }
    }
}

/// One Cookie line, as HTTP/1.1 wants it (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let Some(first) = lines.next() else { return };
    let mut whole = first.as_bytes().to_vec();
    let before = whole.len();
    for line in lines {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(line.as_bytes());
    }
    if whole.len() > before
        && let Ok(whole) = HeaderValue::from_maybe_shared(bytes::Bytes::from(whole))
    {
        headers.insert(COOKIE, whole);
    }
}

/// RFC 9113, 8.2.2: these make an HTTP/2 message malformed.
fn remove_connection_fields(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| name != TE)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
    let trailers = headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::TlsClientSettings;
    use std::time::Duration;

    fn form(scheme: Scheme, base_path: &str, preserve_host: bool) -> Form {
        Form::new(&LegSettings {
            scheme,
            host: "leg.test".to_owned(),
            port: 8080,
            base_path: base_path.to_owned(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            preserve_host,
            tls: TlsClientSettings::default(),
        })
        .unwrap()
    }

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<LegBody> {
        let mut req = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            req = req.header(*name, *value);
        }
        req.body(LegBody::Empty).unwrap()
    }

    fn shown(req: &Request<LegBody>) -> String {
        let mut text = format!("{:?} {} {}", req.version(), req.method(), req.uri());
        for (name, value) in req.headers() {
            text.push_str(&format!(" | {name}: {}", value.to_str().unwrap()));
        }
        text
    }

    fn h1(form: &Form, mut req: Request<LegBody>) -> String {
        form.prepare(&mut req).unwrap();
        form.to_h1(&mut req);
        let once = shown(&req);
        form.to_h2(&mut req);
        form.to_h1(&mut req);
        assert_eq!(req.uri().to_string(), once.split(' ').nth(2).unwrap(), "after a detour over HTTP/2");
        once
    }

    fn h2(form: &Form, mut req: Request<LegBody>) -> String {
        form.prepare(&mut req).unwrap();
        form.to_h2(&mut req);
        let once = shown(&req);
        form.to_h1(&mut req);
        form.to_h2(&mut req);
        assert_eq!(shown(&req), once, "after a detour over HTTP/1.1");
        once
    }

    #[test]
    fn http1_targets_and_hosts() {
        let plain = form(Scheme::Http, "", true);
        let host = [("host", "shop.test")];
        assert_eq!(h1(&plain, request("GET", "/a?b=c", &host)), "HTTP/1.1 GET /a?b=c | host: shop.test");
        assert_eq!(h1(&plain, request("GET", "http://x.test/a", &host)), "HTTP/1.1 GET /a | host: shop.test");
        assert_eq!(h1(&plain, request("OPTIONS", "*", &host)), "HTTP/1.1 OPTIONS * | host: shop.test");
        assert_eq!(h1(&plain, request("GET", "/", &[])), "HTTP/1.1 GET / | host: leg.test:8080");
        assert_eq!(
            h1(&plain, request("CONNECT", "db.test:5432", &host)),
            "HTTP/1.1 CONNECT db.test:5432 | host: shop.test"
        );
        let based = form(Scheme::Http, "/base", false);
        assert_eq!(h1(&based, request("GET", "/a?b", &host)), "HTTP/1.1 GET /base/a?b | host: leg.test:8080");
        assert_eq!(h1(&based, request("GET", "/", &host)), "HTTP/1.1 GET /base/ | host: leg.test:8080");
        assert_eq!(h1(&based, request("OPTIONS", "*", &host)), "HTTP/1.1 OPTIONS * | host: leg.test:8080");
    }

    #[test]
    fn http2_is_absolute_and_carries_nothing_of_the_connection() {
        let tls = form(Scheme::Https, "/base", true);
        let headers = [
            ("host", "shop.test"),
            ("connection", "x-hop, te"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "gzip, Trailers"),
            ("upgrade", "h2c"),
            ("x-kept", "2"),
        ];
        assert_eq!(
            h2(&tls, request("GET", "/a?b", &headers)),
            "HTTP/2.0 GET https://shop.test/base/a?b | x-kept: 2 | te: trailers"
        );
        assert_eq!(h2(&tls, request("GET", "/", &[("te", "gzip")])), "HTTP/2.0 GET https://leg.test:8080/base/");
        let own = form(Scheme::H2c, "", false);
        assert_eq!(h2(&own, request("GET", "/", &[("host", "shop.test")])), "HTTP/2.0 GET http://leg.test:8080/");
        assert_eq!(h2(&own, request("OPTIONS", "*", &[])), "HTTP/2.0 OPTIONS http://leg.test:8080*");
        assert_eq!(h2(&own, request("CONNECT", "db.test:1", &[])), "HTTP/2.0 CONNECT db.test:1");
    }

    #[test]
    fn cookies_of_http2_become_one_line_and_those_of_http1_stay() {
        let plain = form(Scheme::Http, "", false);
        let cookies = [("cookie", "a=1"), ("cookie", "b=2")];
        let mut req = request("GET", "/", &cookies);
        plain.to_h1(&mut req);
        assert_eq!(req.headers().get_all(COOKIE).iter().count(), 2);
        let mut req = request("GET", "/", &cookies);
        *req.version_mut() = Version::HTTP_2;
        plain.to_h1(&mut req);
        assert_eq!(req.headers().get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
