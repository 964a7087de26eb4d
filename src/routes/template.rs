//! Templates of configured routes: `/orders/{id}`, `/files/{*rest}`; and the hosts they may ask for.

use std::borrow::Cow;

/// A path pattern. Compared segment by segment, percent-decoded on both sides.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    /// Ends in `{*rest}`: takes whatever follows, of at least one byte.
    pub(super) tail: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Segment {
    Literal(Vec<u8>),
    /// Any one segment that is not empty.
    Any,
}

/// `api.example.com`, `api.example.com:8080` or `*.example.com`.
#[derive(Debug, Clone)]
pub(super) struct HostPattern {
    /// Lower case, with the dot in front where `wild`.
    text: String,
    wild: bool,
    port: bool,
}

// === impl Template ===

impl Template {
    pub(super) fn parse(path: &str) -> Result<Template, String> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err("a path that begins with / is expected, such as /orders/{id}".into());
        };
        let mut segments = Vec::new();
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some(name) if name.starts_with('*') => {
                    if parts.peek().is_some() {
                        return Err(format!("{part} must be the last segment"));
                    }
                    return Ok(Template { segments, tail: true });
                }
                Some(name) if !name.contains(['{', '}']) => segments.push(Segment::Any),
                None if !part.contains(['{', '}']) => segments.push(Segment::Literal(decode(part).into_owned())),
                _ => return Err(format!("a placeholder must fill its segment, unlike in {part}")),
            }
        }
        Ok(Template { segments, tail: false })
    }
}

// === impl HostPattern ===

impl HostPattern {
    pub(super) fn parse(host: &str) -> Result<HostPattern, String> {
        let lower = host.to_ascii_lowercase();
        let (text, wild) = match lower.strip_prefix('*') {
            Some(suffix) => (suffix.to_owned(), true),
            None => (lower, false),
        };
        let bare = if wild { text.strip_prefix('.').unwrap_or("") } else { &text };
        if bare.is_empty() || bare.contains(['*', '/', ' ', '@', ',']) {
            return Err("a host such as api.example.com or *.example.com is expected".into());
        }
        let port = strip_port(&text).len() != text.len();
        Ok(HostPattern { text, wild, port })
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        let host = if self.port { host } else { strip_port(host) };
        let (host, text) = (host.as_bytes(), self.text.as_bytes());
        if !self.wild {
            return host.eq_ignore_ascii_case(text);
        }
        host.len() > text.len() && host[host.len() - text.len()..].eq_ignore_ascii_case(text)
    }
}

fn strip_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// Percent-decoded bytes; a percent sign that begins no pair stays.
pub(super) fn decode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}
