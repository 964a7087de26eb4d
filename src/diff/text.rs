//! Text compared by lines. A hunk is a difference; white space within lines and at their ends is representation, and
//! the same lines in another order are one difference of order.

use super::budget::{Budget, Spent};
use super::context::Context;
use super::finding::excerpt;
use super::rules::Scheme;
use super::word::Word;
use super::{Cover, Finding, Findings, Tier, aside};
use regex::{Captures, Regex};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use xxhash_rust::xxh3::xxh3_128;

/// Hunks told one by one; what is beyond and like one of them is counted.
const MAX_HUNKS: usize = 16;
/// Lines of both sides between the equal beginning and the equal end that are aligned; past it they are one hunk.
const MAX_LINES: usize = 2000;
/// Characters of a hunk's first line that make its class.
const CLASS: usize = 80;

/// What stands for a byte that is no UTF-8, together with the byte: for private use, and as long in UTF-8 as it is shown.
const STAND_IN: u32 = 0x10FF00;
const STAND_INS: fn(char) -> bool = |c| u32::from(c) >= STAND_IN + 0x80;

const AT: &str = "text";
/// The shape of a hunk whose sides say the same but for figures, dates, ids and quoted signs.
pub const VOLATILE: &str = "volatile";
/// Bytes of a hunk's side that are looked at for that; a longer one is text.
const MAX_VOLATILE: usize = 8 << 10;

/// Compares two unequal texts, each with its leg's own origin put aside. White space counts where they are `indented` and
/// it begins a line.
pub(super) fn compare(context: &Context<'_>, primary: &[u8], candidate: &[u8], indented: bool, out: &mut Findings) {
    let Some((a, b, stood_in)) = texts(primary, candidate) else {
        return super::body::opaque(primary, candidate, "", out);
    };
    let (a, b) = aside::text(context, &a, &b);
    if a == b {
        return;
    }
    let rules = context.rules;
    let mut budget = Budget::new(context.expired);
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
    let (x, y) = if masked_by.is_some() { (a, b) } else { (x, y) };
    let told = Lines::of(&x, indented, &mut budget).and_then(|x| Ok((x, Lines::of(&y, indented, &mut budget)?)));
    match told {
        Ok((x, y)) => differences(&x, &y, &mut found),
        Err(spent) => found.budget = Some(format!("the limit on {} was reached", spent.0).into()),
    }
    for finding in &mut found.list {
        finding.cover = masked_by.clone().map(Cover::Rule);
        rules.cover(Scheme::Text, "", finding, None, None);
        if stood_in {
            show_bytes(finding);
        }
    }
    out.absorb(found, false);
}

/// Both as texts, and whether characters that neither holds stand for bytes that are no UTF-8, so that other bytes are
/// another text. `None` where one does hold such a character.
fn texts<'a>(primary: &'a [u8], candidate: &'a [u8]) -> Option<(Cow<'a, str>, Cow<'a, str>, bool)> {
    if let (Ok(a), Ok(b)) = (std::str::from_utf8(primary), std::str::from_utf8(candidate)) {
        return Some((a.into(), b.into(), false));
    }
    let text = |bytes: &'a [u8]| {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            if chunk.valid().contains(STAND_INS) {
                return None;
            }
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(STAND_IN + u32::from(*byte))));
        }
        Some(Cow::Owned(text))
    };
    Some((text(primary)?, text(candidate)?, true))
}

/// Shows bytes that are no text as bytes, `\xe9`, and what looks like that with its backslashes doubled.
fn show_bytes(finding: &mut Finding) {
    let shown = |text: &str| {
        (text.contains(STAND_INS) || text.contains("\\x")).then(|| {
            let (mut shown, mut backslashes) = (String::with_capacity(text.len()), 0);
            for c in text.chars() {
                let byte = u32::from(c).checked_sub(STAND_IN).filter(|_| STAND_INS(c));
                if byte.is_some() || c == 'x' {
                    shown.extend(std::iter::repeat_n('\\', backslashes));
                }
                backslashes = if c == '\\' { backslashes + 1 } else { 0 };
                match byte {
                    Some(byte) => shown.push_str(&format!("\\x{byte:02x}")),
                    None => shown.push(c),
                }
            }
            shown
        })
    };
    for class in [&mut finding.primary_class, &mut finding.candidate_class] {
        if let Some(text) = shown(class) {
            *class = text.into();
        }
    }
    for excerpt in [&mut finding.primary, &mut finding.candidate].into_iter().flatten() {
        if let Some(text) = shown(excerpt) {
            *excerpt = text;
        }
    }
}

/// Valid UTF-8 without NUL: what may be shown and compared by lines where no type says what it is.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

/// The lines of a text that are not blank, without what white space there is at their ends.
struct Lines<'a> {
    /// Each with its number, from 1.
    lines: Vec<(usize, &'a str)>,
    /// What is compared: hashes of the words.
    hashes: Vec<u128>,
}

fn differences(a: &Lines<'_>, b: &Lines<'_>, out: &mut Findings) {
    if a.hashes == b.hashes {
        out.push(Finding::new("text.whitespace", Tier::Repr, AT).classes("text", "text"));
        return;
    }
    let head = a.hashes.iter().zip(&b.hashes).take_while(|(x, y)| x == y).count();
    let tail = |lines: &[u128]| lines.get(head..).unwrap_or_default().to_vec();
    let (mut old, mut new) = (tail(&a.hashes), tail(&b.hashes));
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(x, y)| x == y).count();
    old.truncate(old.len() - same);
    new.truncate(new.len() - same);
    let all = if is_reordered(&old, &new) {
        out.push(
            hunk("text.order", Tier::Order, a.get(head..head + 1), b.get(head..head + 1)).classes("lines", "lines"),
        );
        return;
    } else if old.len() + new.len() > MAX_LINES {
        vec![(0..old.len(), 0..new.len())]
    } else {
        hunks(&old, &new)
    };
    let mut classes: Option<(Word, Word)> = None;
    for (i, (from, to)) in all.into_iter().enumerate() {
        let lines = |l: &Range<usize>| head + l.start..head + l.end;
        let mut finding = hunk("text.hunk", Tier::Value, a.get(lines(&from)), b.get(lines(&to)));
        // All hunks of an exchange carry the first one's class, so that they are one divergence.
        let own = (finding.primary_class.clone(), finding.candidate_class.clone());
        (finding.primary_class, finding.candidate_class) = classes.get_or_insert(own).clone();
        if i >= MAX_HUNKS && out.list.iter().any(|f| f.is_like(&finding)) {
            (out.dropped, out.repeated) = (out.dropped + 1, out.repeated + 1);
        } else {
            out.push(finding);
        }
    }
}

/// The ranges of lines that differ. Swapping the sides swaps them.
fn hunks(old: &[u128], new: &[u128]) -> Vec<(Range<usize>, Range<usize>)> {
    if old > new {
        return hunks(new, old).into_iter().map(|(x, y)| (y, x)).collect();
    }
    capture_diff_slices(Algorithm::Myers, old, new)
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| (op.old_range(), op.new_range()))
        .collect()
}

/// Some lines of either side that stand at the same place.
fn hunk(kind: &'static str, tier: Tier, x: &[(usize, &str)], y: &[(usize, &str)]) -> Finding {
    let first = |lines: &[(usize, &str)]| lines.first().map(|l| l.1.to_owned());
    let from = match (x, y) {
        ([(_, x), ..], [(_, y), ..]) => shown_from(x, y),
        _ => 0,
    };
    let class = |line: Option<String>| match line {
        Some(line) => masked(line.get(from..).unwrap_or_default()).chars().take(CLASS).collect(),
        None => "missing".to_owned(),
    };
    let text = |lines: &[(usize, &str)]| {
        let mut text = String::from(if from > 0 { "…" } else { "" });
        for (i, (_, line)) in lines.iter().enumerate() {
            text.push_str(if i > 0 { "\n" } else { "" });
            text.push_str(if i > 0 { line } else { line.get(from..).unwrap_or_default() });
            if text.len() > super::finding::EXCERPT {
                break;
            }
        }
        (!lines.is_empty()).then(|| excerpt(&text))
    };
    let mut finding = Finding::new(kind, tier, AT).classes(&class(first(x)), &class(first(y)));
    let line = x.first().or(y.first()).map_or(0, |l| l.0);
    finding.exact = format!("text, line {line}").into();
    let shape = if same_words(x, y) { VOLATILE } else { "text" };
    finding.primary_shape = (!x.is_empty()).then(|| shape.into());
    finding.candidate_shape = (!y.is_empty()).then(|| shape.into());
    finding.primary = text(x);
    finding.candidate = text(y);
    finding
}

/// Where what is shown of two long lines begins: at the word in which they differ.
fn shown_from(x: &str, y: &str) -> usize {
    if x.len().max(y.len()) <= super::finding::EXCERPT {
        return 0;
    }
    let same: usize = x.chars().zip(y.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let before = x.get(..same).unwrap_or_default();
    let starts = |(_, c): &(usize, char)| c.is_whitespace() || matches!(c, '<' | '{' | ',' | ';' | '(');
    before.char_indices().rev().take(CLASS).find(starts).map_or(same, |(i, _)| i)
}

/// Whether the lines differ in nothing but what is different every time. Unlike [`masked`] it looks at all of a line and
/// takes any number for any other, however it is written.
fn same_words(x: &[(usize, &str)], y: &[(usize, &str)]) -> bool {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by a test")]
    static FIGURES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#""[^"\s]*"|'[^'\s]*'"#,
            r"|\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
            r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?",
            r"|\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b",
            r"|\b(?:0x)?[0-9a-fA-F]{8,}\b",
            r"|\d+",
        ))
        .expect("a valid pattern")
    });
    let size = |lines: &[(usize, &str)]| lines.iter().map(|l| l.1.len()).sum::<usize>();
    let words = |line: &str| {
        let line = FIGURES.replace_all(line, "#");
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    x.len() == y.len()
        && size(x).max(size(y)) <= MAX_VOLATILE
        && x.iter().zip(y).all(|((_, x), (_, y))| words(x) == words(y))
}

fn is_reordered(a: &[u128], b: &[u128]) -> bool {
    let sorted = |lines: &[u128]| {
        let mut lines = lines.to_vec();
        lines.sort_unstable();
        lines
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

/// A line with what is different every time put aside: quoted text, UUIDs, dates, hex, digits.
pub(super) fn masked(line: &str) -> String {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by a test")]
    static MASKED: LazyLock<Regex> = LazyLock::new(|| {
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
    MASKED.replace_all(&line, |c: &Captures<'_>| word(c).to_owned()).into_owned()
}

// === impl Lines ===

impl<'a> Lines<'a> {
    fn of(text: &'a str, indented: bool, budget: &mut Budget<'_>) -> Result<Self, Spent> {
        let (mut lines, mut hashes) = (Vec::new(), Vec::new());
        let mut words = String::new();
        // How deep lines are indented, not by how much.
        let indentation = |line: &str| line.len() - line.trim_start().len();
        let levels: BTreeSet<usize> =
            text.lines().filter(|line| indented && !line.trim().is_empty()).map(indentation).collect();
        for (number, line) in (1..).zip(text.lines()) {
            budget.tick(1 + line.len() / 64)?;
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            words.clear();
            if indented {
                words.extend(levels.range(..indentation(line)).map(|_| '\t'));
            }
            line.split_whitespace().for_each(|word| {
                words.push_str(word);
                words.push(' ');
            });
            lines.push((number, line));
            hashes.push(xxh3_128(words.as_bytes()));
        }
        Ok(Self { lines, hashes })
    }

    fn get(&self, range: Range<usize>) -> &[(usize, &'a str)] {
        self.lines.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(a: &str, b: &str) -> Findings {
        let never = || false;
        let mut budget = Budget::new(&never);
        let mut out = Findings::default();
        differences(&Lines::of(a, false, &mut budget).unwrap(), &Lines::of(b, false, &mut budget).unwrap(), &mut out);
        out
    }

    #[track_caller]
    fn check(a: &str, b: &str, expect: &[&str]) {
        let show = |f: &Finding| format!("{} {} {}>{}", f.kind, f.tier.as_str(), f.primary_class, f.candidate_class);
        for (a, b, swapped) in [(a, b, false), (b, a, true)] {
            let told: Vec<String> = found(a, b).list.iter().map(show).collect();
            let mirror = |e: &&str| match e.rsplit_once(' ').and_then(|(h, t)| Some((h, t.split_once('>')?))) {
                Some((head, (x, y))) if swapped => format!("{head} {y}>{x}"),
                _ => (*e).to_owned(),
            };
            assert_eq!(told, expect.iter().map(mirror).collect::<Vec<_>>(), "{a} {b}");
        }
    }

    #[test]
    fn kinds() {
        check("a\nb\n", "a\nc\n", &["text.hunk value b>c"]);
        check("a\nb\n", "a\n", &["text.hunk value b>missing"]);
        check("a  b \r\n\r\nc", "a b\nc\n\n", &["text.whitespace repr text>text"]);
        check("a\tb", " a b", &["text.whitespace repr text>text"]);
        check("ab", "a-b", &["text.hunk value ab>a-b"]);
        check("a 1\nb 2\nc 3\n", "c 3\na 1\nb 2\n", &["text.order order lines>lines"]);
        check("a\na\nb", "b\nb\na", &["text.hunk value missing>b", "text.hunk value missing>b"]);
        check("x\n", "", &["text.hunk value x>missing"]);
    }

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
        let out = found("a\nb 1\nc\nd\n", "a\nb 2\nc\ne\n");
        let told: Vec<_> = out.list.iter().map(|f| (&*f.exact, &*f.primary_class, f.candidate.as_deref())).collect();
        assert_eq!(told, [("text, line 2", "b 0", Some("b 2")), ("text, line 4", "b 0", Some("e"))]);
    }

    #[test]
    fn what_differs_in_figures_alone_has_a_shape_of_its_own() {
        for (a, b, shape) in [
            ("n{r=\"a\"} 31 1795837370210", "n{r=\"a\"} 3.5e-07 1795837371", VOLATILE),
            ("up 12345678", "up 0.5", VOLATILE),
            ("<p nonce='x1y'>at 2026-01-31T10:00:00Z</p>", "<p nonce='qq'>at 2026-02-01</p>", VOLATILE),
            ("n 1", "m 1", "text"),
            ("they don't say it's red", "they don't say that it's red", "text"),
            ("n 1", "n true", "text"),
            ("n 1\nm 1", "n 2", "text"),
            ("n 1", "", "text"),
        ] {
            let out = found(a, b);
            assert_eq!(out.list[0].primary_shape.as_deref(), Some(shape), "{a} {b}");
        }
        let long = |n: u8| format!("{n}{}", "x ".repeat(MAX_VOLATILE));
        assert_eq!(found(&long(1), &long(2)).list[0].primary_shape.as_deref(), Some("text"));
    }

    #[test]
    fn many_hunks_of_one_shape_are_not_lost() {
        let text = |n: usize, other: &str| (0..200).map(|i| format!("same\nm {}\n", i * n)).collect::<String>() + other;
        let out = found(&text(1, ""), &text(3, ""));
        assert_eq!((out.list.len(), out.dropped, out.lost_any()), (MAX_HUNKS, 199 - MAX_HUNKS as u64, false));
        let out = found(&text(1, "same\nold"), &text(3, "same\nnew"));
        assert_eq!(out.list.last().unwrap().candidate.as_deref(), Some("new"));
    }

    #[test]
    fn thousands_of_changed_lines_are_one_hunk() {
        let text = |n: usize| (1..MAX_LINES).map(|i| format!("{}\n", i * n)).collect::<String>();
        let out = found(&text(1), &text(3_000_001));
        assert_eq!((out.list.len(), out.dropped), (1, 0));
    }

    #[test]
    fn long_lines_are_shown_where_they_differ() {
        let line = |asset: &str| {
            format!("<html>{}<script src=/app-{asset}.js></script>{}", "<p>é</p>".repeat(90_000), "x".repeat(300_000))
        };
        let out = found(&line("1"), &line("2"));
        let [f] = &*out.list else { panic!("{out:?}") };
        assert_eq!(f.primary_class, f.candidate_class);
        let shown = f.primary.as_deref().unwrap();
        assert!(shown.starts_with("… src=/app-1.js>"), "{shown}");
    }
}
