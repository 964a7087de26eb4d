//! Values with parameters: `text/html; charset=utf-8`, `attachment; filename="a"`.

use super::{Differs, Tier, Values};
use crate::diff::Finding;
use crate::diff::media::Media;
use std::collections::{BTreeMap, BTreeSet};

/// A folded head word and its parameters by folded name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::diff) struct Parameterised {
    pub(in crate::diff) head: String,
    pub(in crate::diff) params: BTreeMap<String, String>,
}

impl Parameterised {
    pub(in crate::diff) fn parse(text: &str) -> Self {
        if !text.contains(';') {
            return Parameterised { head: text.trim().to_ascii_lowercase(), ..Parameterised::default() };
        }
        let mut parts = split_outside_quotes(text, ';').into_iter();
        let head = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let params = parts
            .filter_map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let name = name.trim().to_ascii_lowercase();
                (!name.is_empty()).then(|| (name, unquote(value.trim())))
            })
            .collect();
        Parameterised { head, params }
    }
}

/// The findings on a Content-Type. `None` stands for an answer without one.
pub(super) fn content_type(
    primary: Option<&str>,
    candidate: Option<&str>,
    unread: bool,
    reads_as_utf8: &dyn Fn(Media) -> bool,
) -> Vec<Finding> {
    const AT: &str = "header:content-type";
    // Nobody reads the type of a body that is not there or not looked at.
    let value = if unread { Tier::Info } else { Tier::Value };
    let side = |v: Option<&str>| v.map(Parameterised::parse).unwrap_or_default();
    let (mut a, mut b) = (side(primary), side(candidate));
    let mut found = Vec::new();
    let mut note = |kind: &'static str, tier: Tier, a: &str, b: &str| {
        found.push(Finding::new(kind, tier, AT).classes(a, b).values(primary, candidate));
    };
    if a.head != b.head {
        let class = |s: &str| if s.is_empty() { "missing".to_owned() } else { s.to_owned() };
        let tier = if grpc_synonyms(&a.head, &b.head) { Tier::Repr } else { value };
        note("ctype.type", tier, &class(&a.head), &class(&b.head));
        return found;
    }
    // A boundary is another one every time; it is compared with the body it divides.
    a.params.remove("boundary");
    b.params.remove("boundary");
    let charsets = (Charset::take(&mut a), Charset::take(&mut b));
    if charsets.0 != charsets.1 {
        let implied = |c: &Charset| c.name.as_deref().is_none_or(|c| c == "utf-8");
        // What is utf-8 without one says nothing new where it says so.
        let media = Media::named(&a.head);
        let same = implied(&charsets.0) && implied(&charsets.1) && (media.takes_no_charset() || reads_as_utf8(media));
        let tier = if same { Tier::Repr } else { value };
        let misnamed = tier == Tier::Repr && (charsets.0.misnamed || charsets.1.misnamed);
        let class = |c: &Charset| c.name.clone().unwrap_or_else(|| "missing".to_owned());
        let kind = if misnamed { "ctype.params" } else { "ctype.charset" };
        note(kind, tier, &class(&charsets.0), &class(&charsets.1));
    }
    if a.params != b.params {
        let names = |p: &BTreeMap<String, String>| match p.is_empty() {
            true => "missing".to_owned(),
            false => p.keys().cloned().collect::<Vec<_>>().join(","),
        };
        note("ctype.params", value, &names(&a.params), &names(&b.params));
    }
    found
}

/// How a word with parameters differs, if it does: Content-Disposition, and policies written like it.
pub(super) fn parameterised(a: &Values<'_>, b: &Values<'_>) -> Option<Differs> {
    let (x, y) = (Parameterised::parse(&a.joined()), Parameterised::parse(&b.joined()));
    if x == y {
        return None;
    }
    if x.head != y.head {
        return Some(Differs::new("header.value", Tier::Value).classes(&x.head, &y.head));
    }
    let (p, q) = (named(&x.params), named(&y.params));
    // The same name in the form of RFC 8187 and in the old one.
    let tier = if p == q { Tier::Repr } else { Tier::Value };
    let flat = |p: &BTreeMap<String, String>| p.iter().map(|(n, v)| (n.clone(), v.clone())).collect::<BTreeSet<_>>();
    let (p, q) = if p == q { (x.params, y.params) } else { (p, q) };
    let differing: BTreeSet<String> = flat(&p).symmetric_difference(&flat(&q)).map(|(n, _)| n.clone()).collect();
    let names = differing.into_iter().collect::<Vec<_>>().join(",");
    Some(Differs::new("header.attr", tier).classes(&names, &names))
}

/// Parameters with `name*=UTF-8''value` read as `name=value`, which it goes before.
fn named(params: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut plain = params.clone();
    for (name, value) in params {
        if let Some(base) = name.strip_suffix('*')
            && let Some(value) = extended(value)
        {
            plain.remove(name);
            plain.insert(base.to_owned(), value);
        }
    }
    plain
}

/// RFC 8187 3.2: charset, language, percent-encoded text.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    String::from_utf8(crate::diff::origin::percent_decoded(text)).ok()
}

/// The charset of a type, also where it is called `encoding`, as some do.
#[derive(PartialEq)]
struct Charset {
    name: Option<String>,
    misnamed: bool,
}

impl Charset {
    fn take(of: &mut Parameterised) -> Self {
        let right = of.params.remove("charset");
        let wrong = match right {
            Some(_) => None,
            None => of.params.remove("encoding"),
        };
        let misnamed = wrong.is_some();
        let name = right.or(wrong).map(|c| match c.to_ascii_lowercase().as_str() {
            "utf8" => "utf-8".to_owned(),
            other => other.to_owned(),
        });
        Charset { name, misnamed }
    }
}

/// `application/grpc` means `application/grpc+proto`.
fn grpc_synonyms(a: &str, b: &str) -> bool {
    let plain = |s: &str| s.strip_suffix("+proto").unwrap_or(s).to_owned();
    a.starts_with("application/grpc") && plain(a) == plain(b)
}

pub(super) fn unquote(text: &str) -> String {
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    }
}

/// Splits at a sign that is not inside double quotes or angle brackets.
pub(super) fn split_outside_quotes(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut angled, mut from) = (false, false, false, 0);
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' if !angled => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            _ if c == at && !quoted && !angled => {
                parts.push(text.get(from..i).unwrap_or_default());
                from = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}
