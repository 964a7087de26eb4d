//! Who may ask: the token, the session of a browser, and what protects an interface that has neither.
//!
//! ```text
//! token set    /healthz, /readyz, the style sheet     anyone
//!              GET of a path named in `open`          anyone; POST as well where it is the gate's
//!              authorization: Bearer TOKEN            everything
//!              session cookie                         reading; changing with a matching Origin
//!              otherwise                              401; pages answer the sign-in form
//! no token     Host not ours                          403 (DNS rebinding); HTTP/1.0 may have none
//!              POST, cross-site                       403
//!              POST, a body that is not JSON          415
//! ```

use super::AdminOptions;
use super::problem::Problem;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri, Version, header};
use std::net::IpAddr;

pub(super) const COOKIE: &str = "parallax_session";
/// The sign-in form is shown to those who have no session yet, and says nothing that is not in the program.
const STYLE: &str = "/assets/app.css";
/// The path that is only ever read, by POST too.
const GATE: &str = "/api/v1/gate";

/// Decides, for every request and before it is routed.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<blake3::Hash>,
    /// What the cookie of a signed-in browser holds; new with every start and every token.
    session: String,
    /// Of `admin.public_url`, and whether that is reached over TLS.
    public: Option<Authority>,
    public_tls: bool,
    bind: IpAddr,
    open: Vec<String>,
    tls: bool,
}

// === impl Access ===

impl Access {
    /// `key` is random: it is what makes sessions unguessable.
    pub(super) fn new(options: &AdminOptions, key: [u8; 32]) -> Self {
        let token = options.token.as_deref().map(str::trim).filter(|t| !t.is_empty());
        let public = options.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        Self {
            token: token.map(|t| blake3::hash(t.as_bytes())),
            session: blake3::keyed_hash(&key, token.unwrap_or_default().as_bytes()).to_hex().to_string(),
            public_tls: public.as_ref().is_some_and(is_https),
            public: public.and_then(|u| u.into_parts().authority),
            bind: options.address.ip(),
            open: options.open.clone(),
            tls: options.tls,
        }
    }

    /// `Ok` lets the request through.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Problem> {
        match self.token {
            Some(token) => self.with_token(parts, token),
            None => self.without_token(parts),
        }
    }

    fn with_token(&self, parts: &Parts, token: blake3::Hash) -> Result<(), Problem> {
        let path = parts.uri.path();
        let reading = parts.method == Method::GET || parts.method == Method::HEAD;
        // Some tools can only POST, and send no header of ours; asking the gate changes nothing either way.
        let asking = reading || path == GATE;
        if matches!(path, "/healthz" | "/readyz")
            || (reading && path == STYLE)
            || (asking && self.open.iter().any(|p| p == path))
        {
            return Ok(());
        }
        // Signing in proves the token itself; another site must not do it in somebody's name.
        if path == "/login" && parts.method == Method::POST {
            return if origin_matches(parts, self) != Some(false) { Ok(()) } else { Err(cross_site()) };
        }
        if bearer(&parts.headers).is_some_and(|t| blake3::hash(t.as_bytes()) == token) {
            return Ok(());
        }
        if !self.has_session(&parts.headers) {
            return Err(Problem::unauthorized());
        }
        if !reading && origin_matches(parts, self) != Some(true) {
            return Err(Problem::forbidden(
                "what changes something needs an Origin header that matches; send `authorization: Bearer TOKEN` \
                 instead of the session cookie",
            ));
        }
        if reading { Ok(()) } else { json_or_nothing(parts) }
    }

    fn without_token(&self, parts: &Parts) -> Result<(), Problem> {
        // A probe of the old kind names no host; a browser always does.
        let nameless = parts.version == Version::HTTP_10
            && parts.uri.authority().is_none()
            && !parts.headers.contains_key(header::HOST);
        let host = authority(parts);
        if host.is_none() && !nameless {
            return Err(Problem::bad_request("the request has no valid Host header: send one"));
        }
        if let Some(host) = host.filter(|host| !self.is_ours(host)) {
            return Err(Problem::forbidden(format!(
                "the Host header names {}, which is not this interface: ask it by its address, or set \
                 admin.public_url (and a token, if others can reach it)",
                host.host()
            )));
        }
        if parts.method == Method::GET || parts.method == Method::HEAD {
            return Ok(());
        }
        let site = parts.headers.get("sec-fetch-site").map(|v| v.as_bytes());
        if !matches!(site, None | Some(b"same-origin" | b"none")) || origin_matches(parts, self) == Some(false) {
            return Err(cross_site());
        }
        json_or_nothing(parts)
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let public = self.public.as_ref().is_some_and(|p| p.host().eq_ignore_ascii_case(host.host()));
        if name == "localhost" || public {
            return true;
        }
        match name.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback() || ip == self.bind,
            Err(_) => false,
        }
    }

    /// Whether the cookie is the one that signing in gave.
    pub(super) fn has_session(&self, headers: &HeaderMap) -> bool {
        let expected = blake3::hash(self.session.as_bytes());
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
        self.token.is_some()
            && cookies
                .filter_map(|c| c.trim().split_once('='))
                .any(|(name, value)| name == COOKIE && blake3::hash(value.as_bytes()) == expected)
    }

    /// The cookie to set where the token is right. It is for TLS alone where the browser came over it, be it that something
    /// in front of us speaks it.
    pub(super) fn sign_in(&self, token: &str, headers: &HeaderMap) -> Option<String> {
        // Hashes compare in constant time.
        if self.token? != blake3::hash(token.trim().as_bytes()) {
            return None;
        }
        let over_tls = self.tls || origin(headers).flatten().map_or(self.public_tls, |o| is_https(&o));
        let secure = if over_tls { "; Secure" } else { "" };
        Some(format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict{secure}", self.session))
    }

    /// How whoever sends these headers was let in.
    pub(super) fn who(&self, headers: &HeaderMap) -> &'static str {
        match self.token {
            None => "no token is set",
            Some(token) if bearer(headers).is_some_and(|t| blake3::hash(t.as_bytes()) == token) => "token",
            Some(_) => "browser session",
        }
    }

    pub(super) fn wants_token(&self) -> bool {
        self.token.is_some()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The authority asked for; `None` where there is none, more than one, or where line and header disagree.
fn authority(parts: &Parts) -> Option<Authority> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let header = hosts.next().map(|h| h.to_str().ok()?.parse::<Authority>().ok());
    if hosts.next().is_some() {
        return None;
    }
    match (parts.uri.authority(), header) {
        (None, header) => header?,
        (Some(line), None) => Some(line.clone()),
        (Some(line), Some(header)) => header.filter(|h| h == line),
    }
}

fn is_https(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// `None` without an Origin header, `Some(None)` where it is no URL.
fn origin(headers: &HeaderMap) -> Option<Option<Uri>> {
    let origin = headers.get(header::ORIGIN)?;
    Some(origin.to_str().ok().and_then(|o| o.parse::<Uri>().ok()))
}

/// `None` without an Origin header. What speaks in the clear is not what is served over TLS, whatever its name.
fn origin_matches(parts: &Parts, access: &Access) -> Option<bool> {
    let origin = origin(&parts.headers)?;
    let named = origin.as_ref().and_then(|o| Some((o.authority()?, is_https(o))));
    let Some((origin, over_tls)) = named else { return Some(false) };
    let public = access.public.as_ref() == Some(origin);
    let ours = public || authority(parts).is_some_and(|host| host == *origin);
    Some(ours && (over_tls || !(access.tls || (public && access.public_tls))))
}

/// A form or a simple fetch of another site cannot say that it is JSON without asking first. Nothing here answers to other
/// methods, which is for the router to say.
fn json_or_nothing(parts: &Parts) -> Result<(), Problem> {
    if parts.method != Method::POST {
        return Ok(());
    }
    let essence = parts.headers.get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap_or(""));
    let essence = essence.map(|v| v.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    let reads_only = parts.uri.path() == GATE;
    match essence.as_deref() {
        Some("application/json") => Ok(()),
        None if reads_only => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON: send `content-type: application/json`",
        )),
    }
}

fn cross_site() -> Problem {
    Problem::forbidden("the request comes from another site: send it from the dashboard, or without an Origin header")
}
