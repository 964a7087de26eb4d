//! One sentence for a person: what the primary had and what the candidate has.

use super::Finding;

/// Characters of a value that a sentence holds.
const VALUE: usize = 60;

/// A finding in a sentence, sides in their fixed order: `primary 200, candidate 500`.
pub fn summary(finding: &Finding) -> String {
    let (family, what) = finding.kind.split_once('.').unwrap_or((&finding.kind, ""));
    let (a, b) = (finding.primary.as_deref(), finding.candidate.as_deref());
    let quoted = matches!(family, "header" | "cookie" | "trailer" | "ctype" | "redirect" | "text");
    let show = |v: Option<&str>| match v {
        None => "has none".to_owned(),
        Some(v) if quoted => format!("\"{}\"", one_line(v)),
        Some(v) => one_line(v),
    };
    let classes = (&*finding.primary_class, &*finding.candidate_class);
    match (family, what) {
        ("transport", what) => transport(finding, what),
        ("json", "type") => {
            format!("primary {} {}, candidate {} {}", classes.0, show(a), classes.1, show(b))
        }
        ("json", "whitespace") => "the same values, other white space".to_owned(),
        ("text", "whitespace") => "the same text, other white space".to_owned(),
        ("body", "empty_vs_content") => {
            let side = |class: &str| if class == "empty" { "has no body" } else { "has one" };
            format!("primary {}, candidate {}", side(classes.0), side(classes.1))
        }
        ("coding", "bytes") => format!("both {}, the same content by other bytes", show(a)),
        ("parse", _) => format!("primary is {}, candidate is {}", classes.0, classes.1),
        ("grpc", "trailers_only_form") => format!("primary sends {}, candidate {}", classes.0, classes.1),
        ("grpc", "frame_count") => format!("primary {} messages, candidate {}", show(a), show(b)),
        _ if a.is_none() && b.is_none() => format!("primary {}, candidate {}", classes.0, classes.1),
        _ => format!("primary {}, candidate {}", show(a), show(b)),
    }
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

/// White space evened out, the middle left out where it is long.
fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= VALUE {
        return text;
    }
    let head: String = chars.iter().take(VALUE - 16).collect();
    let tail: String = chars.iter().skip(chars.len() - 14).collect();
    format!("{head} … {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Tier;

    #[test]
    fn sentences() {
        let f = |kind: &str, classes: (&str, &str), a: Option<&str>, b: Option<&str>| {
            let mut f = Finding::new(kind, Tier::Value, "x").classes(classes.0, classes.1);
            (f.primary, f.candidate) = (a.map(str::to_owned), b.map(str::to_owned));
            summary(&f)
        };
        for (told, expected) in [
            (
                f("json.type", ("number", "string"), Some("129.9"), Some("\"129.90\"")),
                "primary number 129.9, candidate string \"129.90\"",
            ),
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
            (f("json.missing", ("string", "none"), Some("\"a\""), None), "primary \"a\", candidate has none"),
        ] {
            assert_eq!(told, expected);
        }
        let long = f("text.hunk", ("", ""), Some(&"word ".repeat(100)), None);
        assert!(long.chars().count() < 120, "{long}");
    }
}
