//! Which parts of a text are replaced, of all that the patterns match in its readings.

use super::reading::Readings;
use std::cmp::Reverse;
use std::ops::Range;

/// A part of a text, and what it says.
pub(super) type Match = (Range<usize>, String);

/// What is replaced, in its order and each by itself. No part begins or ends inside of an escape: what would be left of it
/// means something else, or nothing.
pub(super) fn settled(text: &str, readings: &Readings<'_>, found: Vec<Match>) -> Vec<Match> {
    let is_whole = |part: &Range<usize>| [part.start, part.end].into_iter().all(|at| readings.escape(at).is_none());
    let (mut whole, cut): (Vec<_>, Vec<_>) = found.into_iter().partition(|(part, _)| is_whole(part));
    if !cut.is_empty() {
        let kept = united(whole.iter().map(|(part, _)| part.clone()).collect());
        whole.extend(cut.into_iter().filter_map(|one| uncut(text, readings, &kept, one)));
    }
    merged(text, whole)
}

/// A match that cuts an escape. What is meant goes before what is written: where the match goes on into one that cuts
/// none, the escape is no part of it; else it takes all of the escape.
fn uncut(text: &str, readings: &Readings<'_>, kept: &[Range<usize>], (part, value): Match) -> Option<Match> {
    let (first, last) = (readings.escape(part.start), readings.escape(part.end));
    let inner = first.as_ref().map_or(part.start, |e| e.end)..last.as_ref().map_or(part.end, |e| e.start);
    // The only one that may have begun before, or the first that begins inside.
    let meets = kept.get(kept.partition_point(|k| k.end <= inner.start)).filter(|k| k.start < inner.end);
    match meets {
        Some(all) if all.start <= inner.start && inner.end <= all.end => None,
        Some(_) => Some((inner.clone(), text.get(inner).unwrap_or_default().to_owned())),
        None => Some((first.map_or(part.start, |e| e.start)..last.map_or(part.end, |e| e.end), value)),
    }
}

/// Parts that meet as one, in order.
fn united(mut parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    parts.sort_by_key(|part| part.start);
    let mut all: Vec<Range<usize>> = Vec::new();
    for part in parts {
        match all.last_mut() {
            Some(last) if part.start < last.end => last.end = last.end.max(part.end),
            _ => all.push(part),
        }
    }
    all
}

fn merged(text: &str, mut found: Vec<Match>) -> Vec<Match> {
    // What contains others comes before them.
    found.sort_by_key(|(part, _)| (part.start, Reverse(part.end)));
    let mut parts: Vec<Match> = Vec::new();
    for (part, value) in found {
        match parts.last_mut() {
            Some((last, _)) if part.end <= last.end => {}
            Some((last, all)) if part.start < last.end => {
                last.end = part.end;
                *all = text.get(last.clone()).unwrap_or_default().to_owned();
            }
            _ => parts.push((part, value)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use crate::redact::{RedactSettings, Redactor};
    use proptest::prelude::*;

    fn redactor(patterns: &[&str]) -> Redactor {
        let patterns = patterns.iter().map(|p| (*p).to_owned()).collect();
        Redactor::new(&RedactSettings { patterns, ..RedactSettings::default() }, [7; 32]).unwrap()
    }

    /// What is written right after an escape is one with its last letter only for who does not read it.
    #[test]
    fn no_escape_is_cut() {
        let r = redactor(&[r"\w+@example\.com", "[0-9]{3,}", "nx,.*"]);
        let (bob, digits) = (r.tag(b"bob@example.com"), |d: &str| r.tag(d.as_bytes()));
        for (text, shown) in [
            (
                r#"{"n":"Call:\nbob@example.com","r":"bob@example.com"}"#,
                format!(r#"{{"n":"Call:\n{bob}","r":"{bob}"}}"#),
            ),
            ("/u?m=a%20bob@example.com", format!("/u?m=a%20{bob}")),
            ("/u?m=a%20bob%40example.com", format!("/u?m=a%20{bob}")),
            (r"\x22bob@example.com\x22", format!(r"\x22{bob}\x22")),
            ("&#39;bob@example.com&#39;", format!("&#39;{bob}&#39;")),
            // Nothing of it is meant by what the text means, and nothing of it is shown.
            (r#"{"a":"\u1234","b":1}"#, format!(r#"{{"a":"{}","b":1}}"#, digits("1234"))),
            ("1234%20", format!("{}%20", digits("1234"))),
            ("12%2034", format!("12{}", digits("2034"))),
            // More than what is meant of it.
            (r"\nx, bob@example.com!", format!(r"\n{}", digits("x, bob@example.com!"))),
        ] {
            assert_eq!(r.text(text), shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_document_stays_one(value in "[a-e0-9@n\n\t\"\\\\é%&;#]{0,24}", pattern in "[nt0-9a-e]{1,2}[a-e@]{0,1}") {
            let r = redactor(&[&pattern]);
            let text = serde_json::Value::from(&*value).to_string();
            let shown = r.text(&text);
            let read = serde_json::from_str::<String>(&shown);
            prop_assert!(read.is_ok(), "{pattern} in {text}: {shown}");
            prop_assert!(!value.contains(&pattern) || shown.contains("[redacted "), "{pattern} in {text}: {shown}");
        }
    }
}
