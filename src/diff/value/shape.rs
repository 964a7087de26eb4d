//! What a value looks like: the class that noise is judged by, and that shape rules ask for.

use super::super::spec::Shape;
use super::number::Decimal;
use super::text::split_origin;
use super::time::{self, Unix};
use regex::Regex;
use std::net::IpAddr;

/// A named class of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Uuid,
    Ulid,
    Int,
    Hex,
    Base64,
    Jwt,
    Rfc3339,
    HttpDate,
    Date,
    UnixS,
    UnixMs,
    UnixNs,
    Url,
    Email,
    Ip,
    Semver,
    Number,
    Bool,
    Null,
    Object,
    Array,
    Empty,
    String,
}

/// A compiled shape rule: a class or a pattern both values have to be of.
#[derive(Debug, Clone)]
pub enum ShapeTest {
    Class(Class),
    Regex(Regex),
}

/// The class of a value, first match: of the content of a string, or of any other JSON value's text.
///
/// JSON numbers are all `number`: a random one is whole now and then.
pub fn shape_of(text: &str, is_json_string: bool) -> &'static str {
    if is_json_string {
        return STRING_CLASSES.iter().find(|c| c.matches(text)).unwrap_or(&Class::String).name();
    }
    match text.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "bool",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(_) => "number",
        None => "empty",
    }
}

/// Whether a place whose values have shown the class `seen` may show `now` without a change: what one generator yields is
/// named differently by chance, as a random hexadecimal id that happens to have no letter. Nothing that is missing, null,
/// empty or of another type is ever such a chance.
pub fn may_be(seen: &str, now: &str) -> bool {
    seen == now
        || match seen {
            "hex" => matches!(now, "int" | "number" | "ulid"),
            "number" => now == "int",
            // Every text is a string, whatever else it looks like.
            "string" => STRING_CLASSES.iter().any(|c| c.name() == now && !matches!(c, Class::Empty | Class::Bool)),
            _ => false,
        }
}

/// Whether a path segment or a member's name looks like an identifier rather than a word: all digits, UUID, ULID,
/// hex from 8 signs on, base64url from 16 on whose letters and digits alternate as words do not, e-mail, IP address.
pub fn looks_like_id(text: &str) -> bool {
    let b = text.as_bytes();
    if b.is_empty() || b.len() > 512 {
        return false;
    }
    let digit = b.iter().any(u8::is_ascii_digit);
    b.iter().all(u8::is_ascii_digit)
        || is_uuid(b)
        || is_ulid(b)
        || (b.len() >= 8 && digit && b.iter().all(u8::is_ascii_hexdigit))
        || (b.len() >= 16 && digit && b.iter().all(|c| is_base64url(*c)) && alternations(b) >= 3)
        || is_email(text)
        || is_ip(text)
}

/// The order in which a string's class is looked for.
const STRING_CLASSES: [Class; 16] = [
    Class::Empty,
    Class::Uuid,
    Class::Ulid,
    Class::Int,
    Class::Number,
    Class::Bool,
    Class::Rfc3339,
    Class::HttpDate,
    Class::Date,
    Class::Ip,
    Class::Semver,
    Class::Hex,
    Class::Jwt,
    Class::Url,
    Class::Email,
    Class::Base64,
];

// === impl Class ===

impl Class {
    pub const ALL: [Class; 23] = [
        Class::Uuid,
        Class::Ulid,
        Class::Int,
        Class::Hex,
        Class::Base64,
        Class::Jwt,
        Class::Rfc3339,
        Class::HttpDate,
        Class::Date,
        Class::UnixS,
        Class::UnixMs,
        Class::UnixNs,
        Class::Url,
        Class::Email,
        Class::Ip,
        Class::Semver,
        Class::Number,
        Class::Bool,
        Class::Null,
        Class::Object,
        Class::Array,
        Class::Empty,
        Class::String,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Class::Uuid => "uuid",
            Class::Ulid => "ulid",
            Class::Int => "int",
            Class::Hex => "hex",
            Class::Base64 => "base64",
            Class::Jwt => "jwt",
            Class::Rfc3339 => "rfc3339",
            Class::HttpDate => "http_date",
            Class::Date => "date",
            Class::UnixS => "unix_s",
            Class::UnixMs => "unix_ms",
            Class::UnixNs => "unix_ns",
            Class::Url => "url",
            Class::Email => "email",
            Class::Ip => "ip",
            Class::Semver => "semver",
            Class::Number => "number",
            Class::Bool => "bool",
            Class::Null => "null",
            Class::Object => "object",
            Class::Array => "array",
            Class::Empty => "empty",
            Class::String => "string",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// Whether the text is of this class, whatever other classes it is of too.
    pub fn matches(self, text: &str) -> bool {
        let b = text.as_bytes();
        match self {
            Class::Uuid => is_uuid(b),
            Class::Ulid => is_ulid(b),
            Class::Int => {
                let digits = b.strip_prefix(b"-").unwrap_or(b);
                !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
            }
            Class::Hex => b.len() >= 8 && b.iter().all(u8::is_ascii_hexdigit),
            Class::Base64 => is_base64(b),
            Class::Jwt => {
                let mut parts = text.split('.');
                let mut part = || parts.next().filter(|p| p.bytes().all(is_base64url));
                let shaped = text.starts_with("eyJ")
                    && part().is_some()
                    && part().is_some_and(|p| !p.is_empty())
                    && part().is_some();
                shaped && parts.next().is_none()
            }
            Class::Rfc3339 => time::rfc3339(text).is_some(),
            Class::HttpDate => time::http_date(text).is_some(),
            Class::Date => time::date(text).is_some(),
            Class::UnixS => time::unix(text).is_some_and(|(u, _)| u == Unix::Seconds),
            Class::UnixMs => time::unix(text).is_some_and(|(u, _)| u == Unix::Millis),
            Class::UnixNs => time::unix(text).is_some_and(|(u, _)| u == Unix::Nanos),
            Class::Url => split_origin(text).is_some(),
            Class::Email => is_email(text),
            Class::Ip => is_ip(text),
            Class::Semver => is_semver(text),
            Class::Number => Decimal::parse(text).is_some(),
            Class::Bool => matches!(text, "true" | "false"),
            Class::Null => text == "null",
            Class::Object => b.first() == Some(&b'{'),
            Class::Array => b.first() == Some(&b'['),
            Class::Empty => b.is_empty(),
            Class::String => true,
        }
    }
}

// === impl ShapeTest ===

impl ShapeTest {
    /// # Errors
    /// An unknown class or a pattern that can't be read, in words.
    pub fn compile(shape: &Shape) -> Result<Self, String> {
        match shape {
            Shape::Class(name) => Class::named(name).map(ShapeTest::Class).ok_or_else(|| {
                let names: Vec<_> = Class::ALL.iter().map(|c| c.name()).collect();
                format!("unknown shape `{name}`; one of {}, or {{ regex = \"...\" }}", names.join(", "))
            }),
            Shape::Regex(pattern) => {
                Regex::new(&format!("^(?:{pattern})$")).map(ShapeTest::Regex).map_err(|e| e.to_string())
            }
        }
    }

    /// A pattern has to match the whole text.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            ShapeTest::Class(class) => class.matches(text),
            ShapeTest::Regex(regex) => regex.is_match(text),
        }
    }

    /// Whether it matches a value of which only the class is known that [`shape_of`] found; `None` where one of that
    /// class may match or not.
    pub fn fits(&self, seen: &str) -> Option<bool> {
        let ShapeTest::Class(class) = self else { return None };
        let place = |name: &str| STRING_CLASSES.iter().position(|c| c.name() == name);
        match (seen, place(class.name()), place(seen)) {
            _ if class.name() == seen || *class == Class::String => Some(true),
            ("null" | "object" | "array" | "missing", ..) => Some(false),
            // A JSON number is never called by a narrower name.
            ("number", ..) => None,
            // What it was not called by a class that is asked for first, it is not.
            ("string", Some(_), _) => Some(false),
            (_, Some(asked), Some(found)) if asked < found => Some(false),
            _ => None,
        }
    }
}

fn is_uuid(b: &[u8]) -> bool {
    b.len() == 36
        && b.iter().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => *c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// Crockford's base 32, 26 signs, the first at most 7; at least one digit and one letter in it.
fn is_ulid(b: &[u8]) -> bool {
    b.len() == 26
        && matches!(b.first(), Some(b'0'..=b'7'))
        && b.iter().any(u8::is_ascii_alphabetic)
        && b.iter().all(|c| {
            c.is_ascii_digit()
                || (c.is_ascii_alphabetic() && !matches!(c.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U'))
        })
}

fn is_base64url(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-' || c == b'_'
}

fn is_base64(b: &[u8]) -> bool {
    if b.len() < 16 {
        return false;
    }
    let body = b.strip_suffix(b"==").or_else(|| b.strip_suffix(b"=")).unwrap_or(b);
    let padded = body.len() != b.len();
    let plain = || body.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'));
    let url = || body.iter().all(|c| is_base64url(*c));
    // A short random one may well be without a digit, but its letters change case as no word's do.
    let mixed =
        || body.iter().any(u8::is_ascii_uppercase) && body.iter().any(u8::is_ascii_lowercase) && turns(body) >= 3;
    (plain() || url()) && if padded { b.len().is_multiple_of(4) } else { mixed() }
}

/// How often letters and digits take turns.
fn alternations(b: &[u8]) -> usize {
    changes(b.iter().filter(|c| c.is_ascii_alphanumeric()).map(u8::is_ascii_alphabetic))
}

/// How often upper case, lower case and digits take turns.
fn turns(b: &[u8]) -> usize {
    let kind = |c: &u8| (c.is_ascii_uppercase(), c.is_ascii_digit());
    changes(b.iter().filter(|c| c.is_ascii_alphanumeric()).map(kind))
}

/// How often something is not what came before it.
fn changes<T: PartialEq>(all: impl Iterator<Item = T> + Clone) -> usize {
    all.clone().zip(all.skip(1)).filter(|(x, y)| x != y).count()
}

fn is_ip(text: &str) -> bool {
    // Reading one takes longer than seeing that it is none.
    memchr::memchr2(b'.', b':', text.as_bytes()).is_some() && text.parse::<IpAddr>().is_ok()
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_graphic() && !b"@\"(),:;<>[]\\/".contains(&c));
    plain(local) && plain(domain) && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
}

fn is_semver(text: &str) -> bool {
    let mut rest = text.strip_prefix('v').unwrap_or(text).as_bytes();
    let mut number = |last: bool| {
        let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        let after = rest.get(digits..).unwrap_or_default();
        rest = if last { after } else { after.strip_prefix(b".").unwrap_or_default() };
        digits > 0
    };
    let tail = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'+');
    number(false) && number(false) && number(true) && matches!(rest, [] | [b'-' | b'+', _, ..]) && rest.iter().all(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn short_cuts_change_nothing(text in "v?[0-9]{1,2}[.:0-9a-f]{0,12}|v?([0-9]{0,2}\\.){0,3}[0-9]{0,2}[-+.a-z0-9]{0,4}") {
            prop_assert_eq!(is_ip(&text), text.parse::<IpAddr>().is_ok());
            let semver = Regex::new(r"^v?[0-9]+\.[0-9]+\.[0-9]+([-+][-+.0-9A-Za-z]+)?$").unwrap();
            prop_assert_eq!(is_semver(&text), semver.is_match(&text));
        }
    }

    #[test]
    fn strings() {
        for (text, expect) in [
            ("", "empty"),
            ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "uuid"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "ulid"),
            ("-42", "int"),
            ("3.14", "number"),
            ("true", "bool"),
            ("deadbeef01", "hex"),
            ("deadbeef", "hex"),
            ("deadbee", "string"),
            ("QmFzZSBzaXh0eWZvdXIr", "base64"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt"),
            ("2026-01-01T00:00:00.5+02:00", "rfc3339"),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "http_date"),
            ("2026-01-01", "date"),
            ("https://a.example/b?c", "url"),
            ("://x", "string"),
            ("someone@mail.example", "email"),
            ("10.1.2.3", "ip"),
            ("::1", "ip"),
            ("1.2.3-rc.1+b5", "semver"),
            ("1.2", "number"),
            ("aGVsbG8gd29ybGQ0NQ==", "base64"),
            ("aGVsbG8gd29ybGQ0NQxY", "base64"),
            ("hello world", "string"),
            ("internationalisation", "string"),
        ] {
            assert_eq!(shape_of(text, true), expect, "{text}");
        }
    }

    #[test]
    fn other_values() {
        for (text, expect) in [
            ("null", "null"),
            ("true", "bool"),
            ("1", "number"),
            ("-1.5e3", "number"),
            ("{}", "object"),
            ("[1]", "array"),
        ] {
            assert_eq!(shape_of(text, false), expect, "{text}");
        }
    }

    #[test]
    fn a_named_class_is_asked_directly() {
        for (class, text, expect) in [
            ("unix_s", "1767225600", true),
            ("unix_s", "1767225600000", false),
            ("unix_ms", "1767225600000", true),
            ("unix_ns", "1767225600000000000", true),
            ("unix_s", "5", false),
            ("hex", "12345678", true),
            ("string", "12345678", true),
            ("uuid", "null", false),
        ] {
            let test = ShapeTest::compile(&Shape::Class(class.into())).unwrap();
            assert_eq!(test.matches(text), expect, "{class} {text}");
        }
        let regex = ShapeTest::compile(&Shape::Regex("[a-z]+|x1".into())).unwrap();
        assert!(regex.matches("abc") && regex.matches("x1") && !regex.matches("abc1"));
        let error = ShapeTest::compile(&Shape::Class("uid".into())).unwrap_err();
        assert!(error.starts_with("unknown shape `uid`; one of uuid, ulid"), "{error}");
        assert!(ShapeTest::compile(&Shape::Regex("(".into())).is_err());
    }

    #[test]
    fn chance_names_a_value_otherwise_and_never_takes_it_away() {
        for (seen, now, expect) in [
            ("uuid", "uuid", true),
            ("uuid", "string", false),
            ("hex", "int", true),
            ("hex", "number", true),
            ("int", "hex", false),
            ("number", "int", true),
            ("string", "hex", true),
            ("string", "empty", false),
            ("string", "null", false),
            ("string", "array", false),
            ("base64", "string", false),
            ("object", "null", false),
        ] {
            assert_eq!(may_be(seen, now), expect, "{seen} {now}");
        }
    }

    #[test]
    fn every_class_has_its_name() {
        for class in Class::ALL {
            assert_eq!(Class::named(class.name()), Some(class));
        }
    }

    /// A class speaks for a value of which nothing else is known only where every such value would.
    #[test]
    fn a_class_tells_what_a_shape_would() {
        let values = [
            "",
            "1",
            "12345678",
            "-1.5",
            "1e5",
            "true",
            "null",
            "{}",
            "[]",
            "abc def",
            "abcdef12",
            "1767225600",
            "1767225600000",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "127.0.0.1",
            "1.2.3",
            "http://a/b",
            "a@b.com",
            "aGVsbG8gd29ybGQ=",
            "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
        ];
        for class in Class::ALL {
            let test = ShapeTest::Class(class);
            for value in values {
                let is_json = serde_json::from_str::<serde_json::Value>(value).is_ok();
                for shape in
                    [Some(shape_of(value, true)), is_json.then(|| shape_of(value, false))].into_iter().flatten()
                {
                    assert!(
                        test.fits(shape).is_none_or(|told| told == test.matches(value)),
                        "{class:?} {value} {shape}"
                    );
                }
            }
        }
    }
}
