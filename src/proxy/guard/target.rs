//! Request targets, Host values and authorities: what is let through, and in which form.

use super::Refusal;
use bytes::Bytes;
use http::Uri;

/// What the request line asks for, as far as the guard must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Origin,
    Asterisk,
    Authority,
    Absolute,
}

/// Targets longer than this may not fit into `http::Uri`.
const LONG: usize = 60_000;

/// Checks a request target against its method.
pub(super) fn check_target(method: &[u8], target: &[u8]) -> Result<Form, Refusal> {
    if target.is_empty() {
        return Err(Refusal::bad("target", "request line: the target is empty"));
    }
    if target.contains(&b'#') {
        return Err(Refusal::bad("target_fragment", "request line: the target has a fragment"));
    }
    if method == b"CONNECT" {
        return match split_port(target) {
            Some((host, port)) if is_name(host) && is_port(port) => Ok(Form::Authority),
            _ => Err(Refusal::bad("connect_target", "request line: CONNECT wants host:port and nothing else")),
        };
    }
    if target == b"*" {
        return match method {
            b"OPTIONS" => Ok(Form::Asterisk),
            _ => Err(Refusal::bad("target_asterisk", "request line: only OPTIONS may ask for *")),
        };
    }
    if target[0] == b'/' {
        check_path(target)?;
        return Ok(Form::Origin);
    }
    check_absolute(target)?;
    Ok(Form::Absolute)
}

/// Whether a Host value or an authority is `host` or `host:port`: a registered name, an IPv4 address or an IPv6
/// address in brackets, and nothing like user information, a list or a path.
pub fn is_host(value: &[u8]) -> bool {
    match split_port(value) {
        Some((host, b"")) => is_name(host),
        Some((host, port)) => is_name(host) && is_port(port),
        None => is_name(value),
    }
}

fn check_absolute(target: &[u8]) -> Result<(), Refusal> {
    let Some(colon) = memchr::memmem::find(target, b"://") else {
        return Err(Refusal::bad("target_form", "request line: the target must begin with / or http://"));
    };
    let scheme = &target[..colon];
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Refusal::bad("target_scheme", "request line: the scheme must be http or https"));
    }
    let rest = &target[colon + 3..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains(&b'@') {
        return Err(Refusal::bad("target_userinfo", "request line: the target carries user information"));
    }
    if !is_host(authority) {
        return Err(Refusal::bad("target_authority", "request line: the target's authority is not host or host:port"));
    }
    if target.len() > LONG || !path.iter().all(|b| PLAIN[usize::from(*b)]) {
        uri(&Bytes::copy_from_slice(target)).ok_or_else(bad_path)?;
    }
    Ok(())
}

/// The bytes every URI may hold are passed on sight; for the others [`uri`] is asked, which must hold them later.
fn check_path(target: &[u8]) -> Result<(), Refusal> {
    if target.len() > LONG || !target.iter().all(|b| PLAIN[usize::from(*b)]) {
        uri(&Bytes::copy_from_slice(target)).ok_or_else(bad_path)?;
    }
    Ok(())
}

/// A target as `http::Uri`. What that cannot hold and servers take all the same (quotes in a query, bytes that are no UTF-8)
/// is percent-encoded, which means the same to them; control characters and what is too long are `None`.
pub(super) fn uri(target: &Bytes) -> Option<Uri> {
    let odd = |b: u8| b >= 0x80 || matches!(b, b'"' | b'<' | b'>' | b'`');
    let encoded = || {
        let mut out = Vec::with_capacity(target.len() + 16);
        for b in target {
            match odd(*b) {
                true => out.extend(format!("%{b:02X}").into_bytes()),
                false => out.push(*b),
            }
        }
        Uri::from_maybe_shared(out).ok()
    };
    Uri::from_maybe_shared(target.clone()).ok().or_else(encoded)
}

fn bad_path() -> Refusal {
    Refusal::bad("target", "request line: the target has a byte that no URI can hold, or is too long")
}

/// `host` and `port` around the last colon that is not part of an IPv6 address.
fn split_port(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let from = if value.first() == Some(&b'[') { memchr::memchr(b']', value)? } else { 0 };
    let colon = from + memchr::memchr(b':', &value[from..])?;
    Some((&value[..colon], &value[colon + 1..]))
}

fn is_port(port: &[u8]) -> bool {
    (1..=5).contains(&port.len())
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0')) <= 65_535
}

fn is_name(host: &[u8]) -> bool {
    if let Some(inner) = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")) {
        return std::str::from_utf8(inner).is_ok_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let mut at = 0;
    while at < host.len() {
        match host[at] {
            b'%' => match host.get(at + 1..at + 3) {
                Some(pair) if pair.iter().all(u8::is_ascii_hexdigit) => at += 3,
                _ => return false,
            },
            b if b.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&b) => at += 1,
            _ => return false,
        }
    }
    !host.is_empty()
}

/// Unreserved, sub-delims, and what else a path or query is made of.
static PLAIN: [bool; 256] = alphanumeric_or(b"-._~!$&'()*+,;=:@/?%");

/// Whether a byte is a letter, a digit or one of these.
pub(super) const fn alphanumeric_or(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    let mut b = 0;
    while b < 256 {
        if (b as u8).is_ascii_alphanumeric() {
            table[b] = true;
        }
        b += 1;
    }
    table
}
