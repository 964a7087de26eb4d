//! The same hygiene for a decoded HTTP/2 request, whose framing the `h2` crate has checked already.

use super::Refusal;
use super::scan::digits;
use super::target::is_host;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Method, Uri};

/// Checks what identifies and frames a request: authority and Host, path, lengths, connection-specific fields. The
/// bytes of the header are limited by the `h2` crate, the number of its fields here.
pub fn check_h2(method: &Method, uri: &Uri, headers: &HeaderMap, max_headers: usize) -> Result<(), Refusal> {
    if headers.len() > max_headers {
        return Err(Refusal::too_large("too_many_fields", format!("more than {max_headers} header fields")));
    }
    check_authority(method, uri, headers)?;
    let path = uri.path();
    match *method {
        Method::CONNECT => {}
        Method::OPTIONS if path == "*" => {}
        _ if path.starts_with('/') => {}
        _ => return Err(Refusal::bad("target_form", ":path must begin with /, or be * for OPTIONS")),
    }
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE]
        .into_iter()
        .chain([HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection")])
    {
        if headers.contains_key(&name) {
            return Err(Refusal::bad("connection_field", format!("{name} has no place in HTTP/2")));
        }
    }
    if headers.get_all(TE).iter().any(|v| !v.as_bytes().trim_ascii().eq_ignore_ascii_case(b"trailers")) {
        return Err(Refusal::bad("te", "te may only be trailers in HTTP/2"));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        if lengths.next().is_some() {
            return Err(Refusal::bad("content_length_twice", "a second content-length"));
        }
        if digits(length.as_bytes()).is_none() {
            return Err(Refusal::bad("content_length", "content-length is not one number"));
        }
    }
    let look_alike = |n: &HeaderName| matches!(n.as_str(), "content_length" | "transfer_encoding");
    if headers.keys().any(look_alike) {
        return Err(Refusal::bad("look_alike", "a name that some servers read as a framing field"));
    }
    Ok(())
}

fn check_authority(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let authority = uri.authority().map(|a| a.as_str());
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::bad("host_twice", "a second host"));
    }
    if host.is_some_and(|h| !is_host(h.as_bytes())) {
        return Err(Refusal::bad("host", "host is not host or host:port"));
    }
    if authority.is_some_and(|a| !is_host(a.as_bytes())) {
        return Err(Refusal::bad("target_authority", ":authority is not host or host:port"));
    }
    match (authority, host) {
        (None, None) => Err(Refusal::bad("host_missing", "the request has neither :authority nor host")),
        (None, Some(_)) if *method == Method::CONNECT => {
            Err(Refusal::bad("connect_target", "CONNECT wants :authority"))
        }
        (Some(a), Some(h)) if !a.as_bytes().eq_ignore_ascii_case(h.as_bytes()) => {
            Err(Refusal::bad("host_differs", ":authority and host differ"))
        }
        _ => Ok(()),
    }
}
