//! Text compared by lines. A hunk is a difference; white space at line ends is representation.

use super::finding::excerpt;
use super::rules::{RouteRules, Scheme};
use super::{Cover, Finding, Findings, Tier};
use regex::{Captures, Regex};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// Hunks told one by one; what is beyond is counted.
const MAX_HUNKS: usize = 16;
/// Lines of both sides between the equal beginning and the equal end that are aligned; past it they are one hunk.
const MAX_LINES: usize = 2000;
/// Characters of a hunk's first line that make its class.
const CLASS: usize = 80;

const AT: &str = "text";

/// Compares two unequal texts. With `markup`, white space between tags means nothing.
pub(super) fn compare(primary: &[u8], candidate: &[u8], markup: bool, rules: &RouteRules, out: &mut Findings) {
    let (a, b) = (String::from_utf8_lossy(primary), String::from_utf8_lossy(candidate));
    if a == b {
        // Both hold bytes that are no text, and other ones.
        return super::body::opaque(primary, candidate, "", out);
    }
    let mut found = Findings::default();
    let masks: Vec<_> = rules.at(Scheme::Text, "").filter_map(|r| Some((r, r.mask.as_ref()?))).collect();
    let (mut x, mut y) = (a.clone(), b.clone());
    let mut masked_by: Option<Arc<str>> = None;
    for (rule, mask) in &masks {
        let before = x == y;
        x = Cow::Owned(mask.apply(&x).into_owned());
        y = Cow::Owned(mask.apply(&y).into_owned());
        if !before && x == y {
            masked_by = Some(rule.id.clone());
        }
    }
    if x == y {
        hunks(&a, &b, markup, &mut found);
        for finding in &mut found.list {
            finding.cover = masked_by.clone().map(Cover::Rule);
        }
    } else {
        hunks(&x, &y, markup, &mut found);
    }
    for finding in &mut found.list {
        rules.cover(Scheme::Text, "", finding, None, None);
    }
    out.absorb(found, false);
}

/// Valid UTF-8 without NUL: what may be shown and compared by lines where no type says what it is.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

fn hunks(a: &str, b: &str, markup: bool, out: &mut Findings) {
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        (a.lines().map(str::trim_end).collect(), b.lines().map(str::trim_end).collect());
    if ours == theirs || (markup && squeezed(a) == squeezed(b)) {
        out.push(Finding::new("text.whitespace", Tier::Repr, AT).classes("text", "text"));
        return;
    }
    let head = ours.iter().zip(&theirs).take_while(|(x, y)| x == y).count();
    let (old, new) = (ours.get(head..).unwrap_or_default(), theirs.get(head..).unwrap_or_default());
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(x, y)| x == y).count();
    let old = old.get(..old.len() - tail).unwrap_or_default();
    let new = new.get(..new.len() - tail).unwrap_or_default();

    let all = if old.len() + new.len() > MAX_LINES {
        vec![(0..old.len(), 0..new.len())]
    } else {
        capture_diff_slices(Algorithm::Myers, old, new)
            .into_iter()
            .filter(|op| !matches!(op, DiffOp::Equal { .. }))
            .map(|op| (op.old_range(), op.new_range()))
            .collect()
    };
    let mut classes: Option<(String, String)> = None;
    for (i, (from, to)) in all.into_iter().enumerate() {
        if i >= MAX_HUNKS {
            out.dropped += 1;
            continue;
        }
        let (x, y) = (old.get(from.clone()).unwrap_or_default(), new.get(to).unwrap_or_default());
        // All hunks of an exchange carry the first one's class, so that they are one divergence.
        let classes = classes.get_or_insert_with(|| (class(x), class(y)));
        let text = |lines: &[&str]| (!lines.is_empty()).then(|| lines.join("\n"));
        let (x, y) = (text(x), text(y));
        let mut finding = Finding::new("text.hunk", Tier::Value, AT).classes(&classes.0, &classes.1);
        finding.exact = format!("text, line {}", head + from.start + 1).into();
        finding.primary_shape = x.is_some().then(|| "text".into());
        finding.candidate_shape = y.is_some().then(|| "text".into());
        finding.primary = x.as_deref().map(excerpt);
        finding.candidate = y.as_deref().map(excerpt);
        out.push(finding);
    }
}

fn class(lines: &[&str]) -> String {
    lines.first().map_or_else(|| "missing".to_owned(), |line| masked(line).chars().take(CLASS).collect())
}

/// A line with what is different every time put aside: quoted text, UUIDs, dates, hex, digits.
pub(super) fn masked(line: &str) -> String {
    #[allow(clippy::expect_used)] // a constant pattern, compiled by a test
    static VOLATILE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#"(?<quoted>"[^"]*"|'[^']*')"#,
            r"|(?<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)",
            r"|(?<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?)",
            r"|(?<hex>\b(?:0x)?[0-9a-fA-F]{8,}\b)",
            r"|\d+",
        ))
        .expect("a valid pattern")
    });
    // Only the beginning is kept, and masking never makes a line longer than four times.
    let line: String = line.trim().chars().take(4 * CLASS).collect();
    let word = |c: &Captures<'_>| {
        ["quoted", "uuid", "date", "hex"].into_iter().find(|n| c.name(n).is_some()).map_or("0", |n| match n {
            "quoted" => "\"\"",
            "uuid" => "{uuid}",
            "date" => "{date}",
            _ => "{hex}",
        })
    };
    VOLATILE.replace_all(&line, |c: &Captures<'_>| word(c).to_owned()).into_owned()
}

/// Markup with runs of white space made one space, and none between tags.
fn squeezed(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("> <", "><").replace("> ", ">").replace(" <", "<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_volatile_is_masked() {
        for (line, expected) in [
            ("error 500 at line 17", "error 0 at line 0"),
            (r#"  name="joe" id='4'"#, r#"name="" id="""#),
            ("id 1b4e28ba-2fa1-11d2-883f-0016d3cca427.", "id {uuid}."),
            ("at 2026-01-31T10:00:00.123Z or 2026-01-31", "at {date} or {date}"),
            ("etag deadbeef00 word defaced", "etag {hex} word defaced"),
        ] {
            assert_eq!(masked(line), expected);
        }
    }

    #[test]
    fn hunks_share_the_first_ones_class() {
        let mut out = Findings::default();
        hunks("a\nb 1\nc\nd\n", "a\nb 2\nc\ne\n", false, &mut out);
        let told: Vec<_> = out.list.iter().map(|f| (&*f.exact, &*f.primary_class, f.candidate.as_deref())).collect();
        assert_eq!(told, [("text, line 2", "b 0", Some("b 2")), ("text, line 4", "b 0", Some("e"))]);
    }

    #[test]
    fn thousands_of_changed_lines_are_one_hunk() {
        let text = |n: usize| (0..MAX_LINES).map(|i| format!("{}\n", i * n)).collect::<String>();
        let mut out = Findings::default();
        hunks(&text(1), &text(2), false, &mut out);
        assert_eq!((out.list.len(), out.dropped), (1, 0));
    }
}
