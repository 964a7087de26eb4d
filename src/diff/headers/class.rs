//! Which header is compared how: the table.

use http::HeaderName;

/// How the values of a header are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Framing and infrastructure: no finding ever.
    Skip,
    /// Content-Length: framing, but said of a body that is not sent.
    Length,
    /// Validators and digests, made from the body.
    Derived,
    /// A list in any order, case folded.
    Tokens,
    /// `name=value` directives in any order.
    Directives {
        separator: char,
    },
    ContentType,
    /// Compared with the body, whose coding it names.
    ContentEncoding,
    Disposition,
    Location,
    Url,
    Link,
    Refresh,
    Date,
    SetCookie,
    Policy,
    Plain,
}

/// The class of a header, and whether losing it breaks a client: CORS and security.
pub(super) fn of(name: &HeaderName) -> (Class, bool) {
    let name = name.as_str();
    let class = match name {
        "connection" | "keep-alive" | "transfer-encoding" | "upgrade" | "te" | "trailer" => Class::Skip,
        "content-length" => Class::Length,
        "date" | "server" | "via" | "age" | "x-powered-by" | "x-request-id" | "traceparent" | "server-timing"
        | "x-runtime" | "alt-svc" | "report-to" | "nel" => Class::Skip,
        "etag" | "content-md5" | "digest" | "content-digest" | "repr-digest" | "x-amz-crc32" | "last-modified" => {
            Class::Derived
        }
        "vary"
        | "allow"
        | "pragma"
        | "dav"
        | "content-language"
        | "access-control-allow-methods"
        | "access-control-allow-headers"
        | "access-control-expose-headers" => Class::Tokens,
        "cache-control" => Class::Directives { separator: ',' },
        "strict-transport-security" => Class::Directives { separator: ';' },
        "content-type" => Class::ContentType,
        "content-encoding" => Class::ContentEncoding,
        "content-disposition" => Class::Disposition,
        "location" => Class::Location,
        "content-location" => Class::Url,
        "link" => Class::Link,
        "refresh" => Class::Refresh,
        "expires" | "retry-after" => Class::Date,
        "set-cookie" => Class::SetCookie,
        "content-security-policy" => Class::Policy,
        _ if name.starts_with("proxy-") => Class::Skip,
        _ if name.starts_with("accept-") => Class::Tokens,
        _ => Class::Plain,
    };
    (class, protects(name))
}

fn protects(name: &str) -> bool {
    matches!(
        name,
        "content-security-policy"
            | "strict-transport-security"
            | "x-frame-options"
            | "x-content-type-options"
            | "referrer-policy"
            | "permissions-policy"
            | "cross-origin-opener-policy"
            | "cross-origin-embedder-policy"
            | "cross-origin-resource-policy"
            | "www-authenticate"
    ) || name.starts_with("access-control-allow-")
}
