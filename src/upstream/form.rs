//! A request as it goes out: target, Host, version, and what only one protocol may carry.

use super::{LegBody, LegSettings, Scheme};
use crate::http1::{Added, Framing, Writer, head, writer};
use crate::model::{Fields, NameHints};
use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

/// A request to a leg, but for its body. It is the client's own, with what is to be different named beside it, so that
/// one head serves every leg, and a second attempt.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a Method,
    /// Path and query; an authority for CONNECT, `*` for OPTIONS.
    pub uri: &'a Uri,
    /// With the client's name for the server in Host, and without hop-by-hop fields, except what an upgrade needs.
    pub headers: &'a Fields,
    /// Beside those, which have none of the same name: what the proxy says itself.
    pub added: Option<&'a Added>,
    /// Of the client's message: cookies are written in another way over HTTP/2.
    pub version: Version,
    /// Fields that are left out,
    pub without: [&'a [HeaderName]; 2],
    /// and fields that are set, in place of any of the same name.
    pub with: [&'a [(HeaderName, HeaderValue)]; 2],
}

/// Room for a request's head before it has to grow.
const HEAD: usize = 512;

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

    /// HTTP/1.1: origin form (authority form for CONNECT, `*` stays), the name in Host, and the framing that the body
    /// needs: a declared length stays, no length becomes chunks.
    pub(super) fn h1(&self, ask: &Ask<'_>, body: LegBody) -> Writer<LegBody> {
        let mut out = BytesMut::with_capacity(HEAD + body.size_hint().exact().map_or(0, writer::copied));
        head::put_request_line(&mut out, ask.method, self.base(ask), ask.uri);
        let spelling = ask.headers.spelling();
        let changes = Changes::of(ask);
        let own_host = (!self.preserve_host || !ask.headers.has(&HOST)) && !changes.has(&HOST);
        if own_host {
            head::put_field(&mut out, &HOST, self.host.as_bytes(), spelling);
        }
        let cookies = (ask.version == Version::HTTP_2).then(|| joined_cookies(ask.headers)).flatten();
        ask.headers.put(&mut out, |name| {
            *name == TRANSFER_ENCODING
                || (own_host && *name == HOST)
                || (cookies.is_some() && *name == COOKIE)
                || changes.has(name)
        });
        if let Some(cookies) = cookies.filter(|_| !changes.has(&COOKIE)) {
            head::put_field(&mut out, &COOKIE, &cookies, spelling);
        }
        if let Some(added) = ask.added {
            if added.fields().iter().any(|(name, _)| changes.has(name)) {
                for (name, value) in added.fields().iter().filter(|(name, _)| !changes.has(name)) {
                    head::put_field(&mut out, name, value.as_bytes(), spelling);
                }
            } else {
                added.put(spelling, &mut out);
            }
        }
        for (name, value) in ask.with.into_iter().flatten() {
            head::put_field(&mut out, name, value.as_bytes(), spelling);
        }
        let framing = if body.is_end_stream() {
            None
        } else if let Some(length) = head::declared_length(ask.headers) {
            Some(Framing::Length(length))
        } else if let Some(length) = body.size_hint().exact() {
            head::put_field(&mut out, &CONTENT_LENGTH, length.to_string().as_bytes(), spelling);
            Some(Framing::Length(length))
        } else {
            head::put_field(&mut out, &TRANSFER_ENCODING, b"chunked", spelling);
            Some(Framing::Chunked)
        };
        out.extend_from_slice(b"\r\n");
        match framing {
            None => Writer::new(out, None, Framing::Length(0)),
            Some(framing) => Writer::new(out, Some(body), framing),
        }
    }

    /// HTTP/2: absolute, the name in `:authority`, nothing that belongs to a connection. A length that
    /// is known is declared.
    ///
    /// # Errors
    /// A target that is too long for a URI once the base path stands before it.
    pub(super) fn h2(&self, ask: &Ask<'_>, body: &LegBody) -> Result<Request<()>, http::Error> {
        let mut req = Request::new(());
        *req.method_mut() = ask.method.clone();
        *req.version_mut() = Version::HTTP_2;
        let headers = req.headers_mut();
        *headers = ask.headers.clone().into_table();
        ask.added.inspect(|added| added.set(headers));
        ask.without.into_iter().flatten().for_each(|name| drop(headers.remove(name)));
        for (name, value) in ask.with.into_iter().flatten() {
            headers.insert(name.clone(), value.clone());
        }
        let set = ask.with.into_iter().flatten().any(|(name, _)| name == HOST);
        let named = headers.remove(HOST).filter(|_| self.preserve_host || set);
        let named = named.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        remove_connection_fields(headers);
        if !body.is_end_stream()
            && let Some(length) = body.size_hint().exact()
        {
            headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        if ask.method == Method::CONNECT {
            *req.uri_mut() = ask.uri.clone();
            return Ok(req);
        }
        let target = ask.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(named.unwrap_or_else(|| self.authority.clone()));
        parts.path_and_query = Some(match self.base(ask) {
            "" => PathAndQuery::try_from(target)?,
            base => PathAndQuery::try_from(format!("{base}{target}"))?,
        });
        *req.uri_mut() = Uri::from_parts(parts)?;
        Ok(req)
    }

    /// What stands before this request's path.
    fn base(&self, ask: &Ask<'_>) -> &str {
        let whole = ask.method == Method::CONNECT || ask.uri.path_and_query().is_some_and(|target| target == "*");
        if whole { "" } else { &self.base_path }
    }
}

// === impl Ask ===

impl Ask<'_> {
    /// The names of fields that do not go out as they are.
    fn changed(&self) -> impl Iterator<Item = &HeaderName> {
        let set = self.with.into_iter().flatten().map(|(name, _)| name);
        self.without.into_iter().flatten().chain(set)
    }
}

/// The fields that do not go out as they are.
#[derive(Clone, Copy)]
struct Changes<'a> {
    ask: &'a Ask<'a>,
    hints: NameHints,
}

impl<'a> Changes<'a> {
    fn of(ask: &'a Ask<'a>) -> Self {
        Self { ask, hints: NameHints::of(ask.changed()) }
    }

    /// Whether the field of this name does not go out as it is.
    fn has(self, name: &HeaderName) -> bool {
        self.hints.may_have(name) && self.ask.changed().any(|changed| changed == name)
    }
}

/// The Cookie lines as one, where there are several (RFC 9113, 8.2.3).
fn joined_cookies(fields: &Fields) -> Option<Vec<u8>> {
    let mut lines = fields.all(&COOKIE);
    let mut whole = lines.next()?.to_vec();
    for line in lines {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(line);
    }
    Some(whole)
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

    /// The head over HTTP/1.1, and the request over HTTP/2.
    fn both(form: &Form, version: Version, method: &str, target: &str, headers: &[(&str, &str)]) -> [String; 2] {
        let (method, uri): (Method, Uri) = (method.parse().unwrap(), target.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let changed = map.contains_key("x-set");
        let fields = Fields::from(map);
        let with = [(HeaderName::from_static("x-set"), HeaderValue::from_static("new"))];
        let added = Added::new(vec![
            (HeaderName::from_static("x-gone"), HeaderValue::from_static("added")),
            (HeaderName::from_static("x-added"), HeaderValue::from_static("1")),
        ]);
        let ask = Ask {
            method: &method,
            uri: &uri,
            headers: &fields,
            added: changed.then_some(&added),
            version,
            without: [&[HeaderName::from_static("x-gone")], &[]],
            with: [if changed { &with } else { &[] }, &[]],
        };
        let h1 = String::from_utf8(form.h1(&ask, LegBody::Empty).output().to_vec()).unwrap();
        let h2 = form.h2(&ask, &LegBody::Empty).unwrap();
        let mut text = format!("{:?} {} {}", h2.version(), h2.method(), h2.uri());
        for (name, value) in h2.headers() {
            text.push_str(&format!(" | {name}: {}", value.to_str().unwrap()));
        }
        [h1.trim_end().replace("\r\n", " | "), text]
    }

    fn h1(form: &Form, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let [h1, _] = both(form, Version::HTTP_11, method, target, headers);
        h1
    }

    fn h2(form: &Form, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let [_, h2] = both(form, Version::HTTP_11, method, target, headers);
        h2
    }

    #[test]
    fn http1_targets_and_hosts() {
        let plain = form(Scheme::Http, "", true);
        let host = [("host", "shop.test")];
        assert_eq!(h1(&plain, "GET", "/a?b=c", &host), "GET /a?b=c HTTP/1.1 | host: shop.test");
        assert_eq!(h1(&plain, "GET", "http://x.test/a", &host), "GET /a HTTP/1.1 | host: shop.test");
        assert_eq!(h1(&plain, "OPTIONS", "*", &host), "OPTIONS * HTTP/1.1 | host: shop.test");
        assert_eq!(h1(&plain, "GET", "/", &[]), "GET / HTTP/1.1 | host: leg.test:8080");
        assert_eq!(h1(&plain, "CONNECT", "db.test:5432", &host), "CONNECT db.test:5432 HTTP/1.1 | host: shop.test");
        let based = form(Scheme::Http, "/base", false);
        assert_eq!(h1(&based, "GET", "/a?b", &host), "GET /base/a?b HTTP/1.1 | host: leg.test:8080");
        assert_eq!(h1(&based, "GET", "/", &host), "GET /base/ HTTP/1.1 | host: leg.test:8080");
        assert_eq!(h1(&based, "OPTIONS", "*", &host), "OPTIONS * HTTP/1.1 | host: leg.test:8080");
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
            h2(&tls, "GET", "/a?b", &headers),
            "HTTP/2.0 GET https://shop.test/base/a?b | x-kept: 2 | te: trailers"
        );
        assert_eq!(h2(&tls, "GET", "/", &[("te", "gzip")]), "HTTP/2.0 GET https://leg.test:8080/base/");
        let own = form(Scheme::H2c, "", false);
        assert_eq!(h2(&own, "GET", "/", &[("host", "shop.test")]), "HTTP/2.0 GET http://leg.test:8080/");
        assert_eq!(h2(&own, "OPTIONS", "*", &[]), "HTTP/2.0 OPTIONS http://leg.test:8080*");
        assert_eq!(h2(&own, "CONNECT", "db.test:1", &[]), "HTTP/2.0 CONNECT db.test:1");
    }

    #[test]
    fn fields_are_left_out_and_set_whatever_the_protocol() {
        let plain = form(Scheme::Http, "", true);
        let headers = [("host", "h"), ("x-gone", "1"), ("x-set", "old"), ("x-set", "older"), ("x-kept", "2")];
        assert_eq!(
            both(&plain, Version::HTTP_11, "GET", "/", &headers),
            [
                "GET / HTTP/1.1 | host: h | x-kept: 2 | x-added: 1 | x-set: new",
                "HTTP/2.0 GET http://h/ | x-kept: 2 | x-added: 1 | x-set: new"
            ]
        );
    }

    #[test]
    fn a_host_that_is_set_is_the_only_one_whatever_the_leg_is_called() {
        let with = [(HOST, HeaderValue::from_static("other.test"))];
        let ask = Ask {
            method: &Method::GET,
            uri: &Uri::from_static("/a"),
            headers: &Fields::from(HeaderMap::from_iter([(HOST, HeaderValue::from_static("shop.test"))])),
            added: None,
            version: Version::HTTP_11,
            without: [&[], &[]],
            with: [&with, &[]],
        };
        for preserve_host in [true, false] {
            let form = form(Scheme::Http, "", preserve_host);
            let h1 = String::from_utf8(form.h1(&ask, LegBody::Empty).output().to_vec()).unwrap();
            assert_eq!(h1, "GET /a HTTP/1.1\r\nhost: other.test\r\n\r\n", "{preserve_host}");
            let h2 = form.h2(&ask, &LegBody::Empty).unwrap();
            assert_eq!(
                (h2.uri().to_string(), h2.headers().len()),
                ("http://other.test/a".into(), 0),
                "{preserve_host}"
            );
        }
    }

    #[test]
    fn cookies_of_http2_become_one_line_and_those_of_http1_stay() {
        let plain = form(Scheme::Http, "", false);
        let cookies = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")];
        let [old, _] = both(&plain, Version::HTTP_11, "GET", "/", &cookies);
        assert_eq!(old, "GET / HTTP/1.1 | host: leg.test:8080 | cookie: a=1 | cookie: b=2 | x: y");
        let [new, _] = both(&plain, Version::HTTP_2, "GET", "/", &cookies);
        assert_eq!(new, "GET / HTTP/1.1 | host: leg.test:8080 | x: y | cookie: a=1; b=2");
    }
}
