//! One sentence for a person: what the primary had and what the candidate has.

use super::Finding;
use std::borrow::Cow;

/// Characters of a value that a sentence holds.
const VALUE: usize = 60;
/// Characters that two long values have in common and that are shown before the place where they differ.
const LEAD: usize = 16;

/// A finding in a sentence, sides in their fixed order: `primary 200, candidate 500`.
pub fn summary(finding: &Finding) -> String {
    let (family, what) = finding.kind.split_once('.').unwrap_or((&finding.kind, ""));
    let json = match (family, what) {
        ("stream", "ended_early") | ("csv", "column_missing" | "column_extra") => false,
        _ => matches!(family, "json" | "stream" | "csv") || &*finding.kind == "grpc.field",
    };
    let (a, b) = excerpts(finding, json);
    let (a, b) = (a.as_deref(), b.as_deref());
    let quoted = matches!(family, "header" | "cookie" | "trailer" | "ctype" | "redirect" | "text")
        || matches!(&*finding.kind, "xml.attr" | "xml.text");
    let show = |v| shown(v, quoted);
    let classes = (&*finding.primary_class, &*finding.candidate_class);
    match (family, what) {
        ("transport", what) => transport(finding, what),
        ("json", "type") => {
            let side = |class: &str, v: Option<&str>| match v {
                // `null null` says nothing more than `null`.
                Some(v) if v != class => format!("{class} {v}"),
                _ => class.to_owned(),
            };
            format!("{} became {}", side(classes.0, a), side(classes.1, b))
        }
        ("json", "missing" | "item_missing") | ("stream", "event_missing") if b.is_none() => {
            format!("missing on the candidate, primary has {}", show(a))
        }
        ("grpc", "field") if a.is_none() && b.is_none() => "the same values, written in other bytes".to_owned(),
        ("grpc", "field") if classes == ("moved", "moved") && a == b => format!("moved to another place: {}", show(a)),
        ("grpc", "field") if b.is_none() => {
            format!("missing on the candidate, primary has {}{}", show(a), perhaps_default(a))
        }
        ("grpc", "field") if a.is_none() => format!("only on the candidate: {}{}", show(b), perhaps_default(b)),
        ("json", "extra" | "item_extra") | ("stream", "event_extra") if a.is_none() => {
            format!("only on the candidate: {}", show(b))
        }
        ("stream", "ended_early") => {
            let count = b.and_then(|b| b.split(' ').next());
            format!("candidate ended after {} of {}", show(count), show(a))
        }
        ("header", "set") if let Some(told) = members(finding) => told,
        ("json", "moved") | ("stream", "event_order") if a == b => format!("moved to another place: {}", show(a)),
        ("csv", "column_missing") => format!("column {} is missing on the candidate", show(a)),
        ("csv", "column_extra") => format!("column {} is only on the candidate", show(b)),
        ("csv", "row_missing") => format!("row missing on the candidate, primary has {}", show(a)),
        ("csv", "row_extra") => format!("row only on the candidate: {}", show(b)),
        ("csv", "order") if a == b => format!("row moved to another place: {}", show(a)),
        ("csv", "quoting") => "the same cells, other quotes or line ends".to_owned(),
        ("body", "encoding") => format!("the same content, other bytes of {}", classes.0),
        ("json", "key_order") => "the same members in another order".to_owned(),
        ("json", "whitespace") => "the same values, other white space".to_owned(),
        ("text", "whitespace") => "the same text, other white space".to_owned(),
        ("text", "encoding") => "the same text in another encoding".to_owned(),
        ("text", "order") => "the same lines in another order".to_owned(),
        ("xml", "element" | "attr") if b.is_none() => format!("missing on the candidate, primary has {}", show(a)),
        ("xml", "element" | "attr") if a.is_none() => format!("only on the candidate: {}", show(b)),
        ("xml", "element") if classes == ("namespace", "namespace") => {
            format!("in another namespace: primary {}, candidate {}", show(a), show(b))
        }
        ("xml", "order") if a == b => format!("in another place: {}", show(a)),
        ("xml" | "json", "order") => format!("in another order: primary {}, candidate {}", show(a), show(b)),
        ("xml", "ns_prefix") => {
            format!("the same namespaces by other prefixes: primary {}, candidate {}", show(a), show(b))
        }
        ("xml", "whitespace") => "the same elements, other white space".to_owned(),
        ("xml", "attr_order") => "the same attributes in another order".to_owned(),
        ("xml", "empty_tag") => "empty elements by other tags".to_owned(),
        ("xml", "escape") => "the same text, escaped in another way".to_owned(),
        ("xml", "comment") => "other comments or processing instructions".to_owned(),
        ("xml", "syntax") => "the same elements by other signs".to_owned(),
        ("body", "empty_vs_content") => {
            let side = |class: &str| if class == "empty" { "has no body" } else { "has one" };
            format!("primary {}, candidate {}", side(classes.0), side(classes.1))
        }
        ("coding", "bytes") => format!("both {}, the same content by other bytes", show(a)),
        ("parse", _) => format!("primary is {}, candidate is {}", classes.0, classes.1),
        ("grpc", "trailers_only_form") => format!("primary sends {}, candidate {}", classes.0, classes.1),
        ("grpc", "frame_count") => format!("primary {} messages, candidate {}", show(a), show(b)),
        _ if a.is_none() && b.is_none() => format!("primary {}, candidate {}", classes.0, classes.1),
        _ => ["primary ", &*show(a), ", candidate ", &*show(b)].concat(),
    }
}

fn shown(value: Option<&str>, quoted: bool) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed("has none"),
        Some(v) if quoted => Cow::Owned(format!("\"{v}\"")),
        Some(v) => Cow::Borrowed(v),
    }
}

/// What only one side of a list of tokens has, where the two lists are too long to be shown.
fn members(finding: &Finding) -> Option<String> {
    let (a, b) = (finding.primary.as_deref()?, finding.candidate.as_deref()?);
    let plain = |text: &str| !text.contains(['"', '<', ';', '…']);
    if a.len().max(b.len()) <= VALUE || !plain(a) || !plain(b) {
        return None;
    }
    let list = |text: &str| text.split(',').map(|t| t.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    let only = |side: &str, own: &str, other: &str| {
        let others = list(other);
        let own = own.split(',').map(str::trim).filter(|t| !others.contains(&t.to_ascii_lowercase()));
        let own = own.collect::<Vec<_>>().join(", ");
        (!own.is_empty()).then(|| format!("only on the {side}: {}", one_line(&own)))
    };
    let sides = [only("primary", a, b), only("candidate", b, a)];
    let told = sides.into_iter().flatten().collect::<Vec<_>>().join("; ");
    (!told.is_empty()).then_some(told)
}

/// A field known by its number only that some servers send with its default, and others leave out.
fn perhaps_default(value: Option<&str>) -> &'static str {
    match value {
        Some("[0]" | r#"[""]"# | r#"[{"fixed32":0}]"# | r#"[{"fixed64":0}]"#) => {
            ", which may be its default: a descriptor set tells"
        }
        _ => "",
    }
}

/// Both values on one line each; where they are long and alike at first, cut so that the difference is seen.
fn excerpts(finding: &Finding, json: bool) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    // What begins with a cut may begin inside a string.
    fn tidy(value: &str, json: bool) -> Cow<'_, str> {
        match json && !value.starts_with('…') {
            true => compact(value),
            false => Cow::Owned(value.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
    let (a, b) = (finding.primary.as_deref(), finding.candidate.as_deref());
    let (a, b) = (a.map(|v| tidy(v, json)), b.map(|v| tidy(v, json)));
    let from = match (&a, &b) {
        (Some(a), Some(b)) if is_long(a) || is_long(b) => {
            let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
            if same > VALUE / 2 { same - LEAD } else { 0 }
        }
        _ => 0,
    };
    (a.map(|v| window(v, from)), b.map(|v| window(v, from)))
}

fn transport(finding: &Finding, what: &str) -> String {
    // Whoever failed says what was seen; the other answered.
    let (leg, detail) = match (finding.primary.as_deref(), finding.candidate.as_deref()) {
        (Some(detail), Some("answered")) => ("primary", detail),
        (_, detail) => ("candidate", detail.unwrap_or_default()),
    };
    let detail = one_line(detail);
    match what {
        "timeout" if detail.starts_with("no answer") => format!("{leg} gave {detail}"),
        _ if detail.is_empty() => format!("{leg} failed: {}", what.replace('_', " ")),
        _ => format!("{leg} failed: {detail}"),
    }
}

/// Whether it has more characters than a sentence holds.
fn is_long(text: &str) -> bool {
    text.len() > VALUE && text.chars().count() > VALUE
}

/// White space evened out and the rest left out where it is long.
fn one_line(text: &str) -> String {
    window(Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" ")), 0).into_owned()
}

/// As many characters as a sentence holds, from the one at `from` on; what is left out is marked.
fn window(text: Cow<'_, str>, from: usize) -> Cow<'_, str> {
    if from == 0 && !is_long(&text) {
        return text;
    }
    let length = text.chars().count();
    let from = from.min(length);
    let head = if from > 0 { "…" } else { "" };
    let tail = if length > from + VALUE { "…" } else { "" };
    Cow::Owned(format!("{head}{}{tail}", text.chars().skip(from).take(VALUE).collect::<String>().trim_end()))
}

/// JSON without the white space between its tokens. What is not JSON loses white space outside double quotes.
fn compact(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b.is_ascii_whitespace()) {
        return Cow::Borrowed(text);
    }
    let (mut quoted, mut escaped, mut before) = (false, false, ' ');
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.char_indices() {
        if !quoted && c.is_ascii_whitespace() {
            // No two words stand side by side in JSON: where they do, something else was put in a value's place.
            let word = |c: char| c.is_alphanumeric();
            if word(before) && text.get(i + 1..).is_some_and(|rest| rest.starts_with(word)) {
                out.push(' ');
            }
        } else {
            if c == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && !escaped && c == '\\';
            out.push(c);
        }
        before = c;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Tier;

    #[test]
    fn sentences() {
        let f = |kind: &'static str, classes: (&str, &str), a: Option<&str>, b: Option<&str>| {
            let mut f = Finding::new(kind, Tier::Value, "x").classes(classes.0, classes.1);
            (f.primary, f.candidate) = (a.map(str::to_owned), b.map(str::to_owned));
            summary(&f)
        };
        for (told, expected) in [
            (
                f("json.type", ("number", "string"), Some("129.9"), Some("\"129.90\"")),
                "number 129.9 became string \"129.90\"",
            ),
            (f("json.type", ("null", "number"), Some("null"), Some("1")), "null became number 1"),
            (
                f("header.missing", ("text", "none"), Some("private, max-age=60"), None),
                "primary \"private, max-age=60\", candidate has none",
            ),
            (
                f("transport.timeout", ("200", "timeout"), Some("answered"), Some("no answer within 10 s")),
                "candidate gave no answer within 10 s",
            ),
            (
                f("transport.refused", ("200", "refused"), Some("answered"), Some("connection refused")),
                "candidate failed: connection refused",
            ),
            (f("status.class", ("200", "500"), Some("200"), Some("500")), "primary 200, candidate 500"),
            (f("body.empty_vs_content", ("content", "empty"), None, None), "primary has one, candidate has no body"),
            (f("json.missing", ("string", "none"), Some("\"a\""), None), "missing on the candidate, primary has \"a\""),
            (f("json.extra", ("none", "number"), None, Some("1")), "only on the candidate: 1"),
            (f("xml.text", ("string:case", "string:case"), Some("a"), Some("A")), "primary \"a\", candidate \"A\""),
            (f("xml.element", ("missing", "element"), None, Some("<a/>")), "only on the candidate: <a/>"),
            (f("xml.attr", ("string", "missing"), Some("1"), None), "missing on the candidate, primary has \"1\""),
            (
                f("xml.order", ("elements", "elements"), Some("a b"), Some("b a")),
                "in another order: primary a b, candidate b a",
            ),
            (f("xml.order", ("elements", "elements"), Some("<a/>"), Some("<a/>")), "in another place: <a/>"),
            (
                f("json.order", ("a", "b"), Some("[ 1,\n 2 ]"), Some("[2, 1, \"a  \\\" b\"]")),
                "in another order: primary [1,2], candidate [2,1,\"a  \\\" b\"]",
            ),
            (
                f("json.value", ("string", "string"), Some("[redacted 1a…]"), Some("[redacted 2b…]")),
                "primary [redacted 1a…], candidate [redacted 2b…]",
            ),
            (
                f("json.key_order", ("object", "object"), Some("{\"a\": 1, \"b\": 2}"), Some("{\"b\": 2, \"a\": 1}")),
                "the same members in another order",
            ),
            (
                f("json.value", ("string", "string"), Some("…12 all told\""), Some("…13 all told\"")),
                "primary …12 all told\", candidate …13 all told\"",
            ),
            (
                f("grpc.field", ("missing", "array"), None, Some("[0]")),
                "only on the candidate: [0], which may be its default: a descriptor set tells",
            ),
            (f("grpc.field", ("number", "missing"), Some("0"), None), "missing on the candidate, primary has 0"),
            (f("json.moved", ("object", "object"), Some("{}"), Some("{}")), "moved to another place: {}"),
            (f("grpc.field", ("moved", "moved"), Some("7"), Some("7")), "moved to another place: 7"),
            (
                f("stream.ended_early", ("whole", "ended"), Some("10 events"), Some("3 events")),
                "candidate ended after 3 of 10 events",
            ),
            (
                f("stream.event_extra", ("missing", "object"), None, Some("{\"a\": 1}")),
                "only on the candidate: {\"a\":1}",
            ),
            (
                f("csv.column_extra", ("missing", "column"), None, Some("unit price")),
                "column unit price is only on the candidate",
            ),
            (
                f("csv.row_missing", ("object", "missing"), Some("{\"a\":\"1\"}"), None),
                "row missing on the candidate, primary has {\"a\":\"1\"}",
            ),
            (
                f("csv.order", ("columns", "columns"), Some("[\"a\", \"b\"]"), Some("[\"b\", \"a\"]")),
                "primary [\"a\",\"b\"], candidate [\"b\",\"a\"]",
            ),
            (
                f(
                    "header.set",
                    ("set", "other"),
                    Some("DELETE, GET, HEAD, MKCALENDAR, MKCOL, MOVE, OPTIONS, POST, PROPFIND, PUT"),
                    Some("COPY, delete, GET, HEAD, MKCALENDAR, MKCOL, MOVE, OPTIONS, PROPFIND, PUT"),
                ),
                "only on the primary: POST; only on the candidate: COPY",
            ),
            (
                f("header.set", ("set", "fewer"), Some("GET, HEAD"), Some("GET")),
                "primary \"GET, HEAD\", candidate \"GET\"",
            ),
            (f("body.encoding", ("cbor", "cbor"), None, None), "the same content, other bytes of cbor"),
        ] {
            assert_eq!(told, expected);
        }
        let long = f("text.hunk", ("", ""), Some(&"word ".repeat(100)), None);
        assert!(long.chars().count() < 120, "{long}");
    }

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let mut f = Finding::new("text.hunk", Tier::Value, "text");
        let same = "the same words ".repeat(10);
        f.primary = Some(format!("{same}OLD {}", "tail ".repeat(30)));
        f.candidate = Some(format!("{same}NEW"));
        assert_eq!(
            summary(&f),
            "primary \"… the same words OLD tail tail tail tail tail tail tail tail…\", \
             candidate \"… the same words NEW\""
        );
    }
}
