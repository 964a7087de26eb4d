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
    /// A word and its parameters.
    Parameterised,
    Location,
    Url,
    Link,
    Refresh,
    Expires,
    RetryAfter,
    SetCookie,
    /// Directives that each have a set of sources: a content or permissions policy.
    Policy {
        separator: char,
    },
    /// The ways to sign in that are offered.
    Challenges,
    /// An origin, or `*`.
    Origin,
    /// A word in any case.
    Word,
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
        "access-control-allow-origin" => Class::Origin,
        "cache-control" => Class::Directives { separator: ',' },
        "strict-transport-security" => Class::Directives { separator: ';' },
        "content-type" => Class::ContentType,
        "content-encoding" => Class::ContentEncoding,
        "content-disposition"
        | "cross-origin-opener-policy"
        | "cross-origin-embedder-policy"
        | "cross-origin-resource-policy" => Class::Parameterised,
        "location" => Class::Location,
        "content-location" => Class::Url,
        "link" => Class::Link,
        "refresh" => Class::Refresh,
        "expires" => Class::Expires,
        "retry-after" => Class::RetryAfter,
        "set-cookie" => Class::SetCookie,
        "content-security-policy" | "content-security-policy-report-only" => Class::Policy { separator: ';' },
        "permissions-policy" => Class::Policy { separator: ',' },
        "www-authenticate" => Class::Challenges,
        "x-frame-options" | "x-content-type-options" | "referrer-policy" => Class::Word,
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
