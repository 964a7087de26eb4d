//! What differs between two answers, for a terminal or a log: the outcome first, what counts next, then what does not,
//! with the reason why.
//!
//! With room for it the two values stand side by side, the primary's on the left, the part that differs in colour.

use super::format::{Role, columns_of};
use super::{Style, thousands};
use crate::diff::{Cover, Finding, Findings, summary};
use std::fmt::Write;

/// Lines of a value that are shown.
const MAX_LINES: usize = 8;
/// Columns of what two values have in common that are shown before the place where they part.
const LEAD: usize = 16;
/// Between the two values.
const GUTTER: usize = 3;

/// What the two answers are to each other: `matched`, `excused` or `divergent`.
pub fn diff_outcome(findings: &Findings) -> &'static str {
    if findings.is_match() {
        "matched"
    } else if findings.list.iter().any(Finding::counts) {
        "divergent"
    } else {
        "excused"
    }
}

/// All of it. Ends in a newline; uses at most 100 columns, locations aside: they are there to be pasted.
pub fn diff_text(findings: &Findings, style: Style, side_by_side: bool) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut out, findings, style, side_by_side);
    out
}

fn write(out: &mut String, findings: &Findings, style: Style, side_by_side: bool) -> std::fmt::Result {
    writeln!(out, "{}", headline(findings, style))?;
    let (counting, rest): (Vec<_>, Vec<_>) = findings.list.iter().partition(|f| f.counts());
    for finding in counting {
        let id = style.paint(Role::Id, &style.plain(&finding.exact));
        writeln!(out, "\n{id}  {}", style.plain(&finding.kind))?;
        let values = finding.primary.is_some() || finding.candidate.is_some();
        if side_by_side || !values {
            sentence(finding, style).try_for_each(|line| writeln!(out, "{line}"))?;
        }
        match (values, side_by_side) {
            (true, true) => columns(out, finding, style)?,
            (true, false) => lines(out, finding, style)?,
            (false, _) => {}
        }
    }
    for finding in rest {
        let head = format!("{}  {}  {}", style.plain(&finding.exact), finding.kind, style.plain(&reason(finding)));
        writeln!(out, "\n{}", style.paint(Role::Dim, &head))?;
        sentence(finding, style).try_for_each(|line| writeln!(out, "{}", style.paint(Role::Dim, &line)))?;
    }
    if findings.dropped > 0 {
        writeln!(out, "\nand {} more", thousands(findings.dropped))?;
    }
    Ok(())
}

/// What a person would say of it, in lines.
fn sentence(finding: &Finding, style: Style) -> std::vec::IntoIter<String> {
    let wrapped = style.wrap(&summary(finding), 2);
    let lines = wrapped.lines().map(|line| format!("  {}", style.end(line.trim_start(), style.columns() - 2)));
    lines.collect::<Vec<_>>().into_iter()
}

fn headline(findings: &Findings, style: Style) -> String {
    let counted = findings.list.iter().filter(|f| f.counts()).count() as u64;
    let others = findings.list.len() as u64 - counted;
    let many = |n: u64, noun: &str| format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" });
    let (role, symbol, ascii, word, sentence) = match diff_outcome(findings) {
        "matched" => (Role::Pass, "✔", "ok", "MATCHED", "the answers do not differ".to_owned()),
        "excused" => {
            let sentence = format!("{}, none of which counts", many(others + findings.dropped, "difference"));
            (Role::Pass, "✔", "ok", "EXCUSED", sentence)
        }
        _ => {
            let verb = if counted == 1 { "counts" } else { "count" };
            let rest = match others {
                0 => String::new(),
                1 => ", 1 does not".to_owned(),
                n => format!(", {} do not", thousands(n)),
            };
            let sentence = format!("{} {verb}{rest}", many(counted, "difference"));
            (Role::Fail, "✖", "FAIL", "DIVERGENT", sentence)
        }
    };
    let verdict = format!("{} {word}", if style.unicode { symbol } else { ascii });
    format!("{}  {sentence}", style.paint(role, &verdict))
}

/// Why a finding does not count.
fn reason(finding: &Finding) -> String {
    match (&finding.cover, finding.secondary) {
        (Some(Cover::Rule(id)), _) => format!("excused by rule \"{id}\""),
        (None, true) => "follows from what differs above".to_owned(),
        (None, false) => "representation".to_owned(),
    }
}

/// The two values one under the other, each on one line.
fn lines(out: &mut String, finding: &Finding, style: Style) -> std::fmt::Result {
    const PRIMARY: &str = "  - primary    ";
    const CANDIDATE: &str = "  + candidate  ";
    let room = style.columns() - PRIMARY.len();
    let (a, b) = pair(finding, style, true);
    let from = cut(&a, &b, room);
    for (lead, text, role) in [(PRIMARY, a, Role::Fail), (CANDIDATE, b, Role::Pass)] {
        let line = window(&text.chars, from, room, style);
        writeln!(out, "{}", style.paint(role, &format!("{lead}{line}")))?;
    }
    Ok(())
}

/// The two values beside each other under their names.
fn columns(out: &mut String, finding: &Finding, style: Style) -> std::fmt::Result {
    let room = (style.columns() - 2 - GUTTER) / 2;
    let (a, b) = pair(finding, style, false);
    let (left, right) = (cell(&a, &b, room, Role::Fail, style), cell(&b, &a, room, Role::Pass, style));
    let bar = if style.unicode { " │ " } else { " | " };
    let blank = || (String::new(), 0);
    let names = [("primary".to_owned(), 7), ("candidate".to_owned(), 9)]
        .map(|(name, width)| (style.paint(Role::Dim, &name), width));
    let [first, second] = names;
    let rows = left.len().max(right.len());
    let all = std::iter::once((first, second)).chain(
        (0..rows).map(|i| (left.get(i).cloned().unwrap_or_else(blank), right.get(i).cloned().unwrap_or_else(blank))),
    );
    for ((left, width), (right, _)) in all {
        let gap = " ".repeat(room.saturating_sub(width));
        writeln!(out, "{}", format!("  {left}{gap}{bar}{right}").trim_end())?;
    }
    Ok(())
}

/// A value as characters that are safe to print, and which of them the other side does not have.
struct Text {
    chars: Vec<char>,
    differs: std::ops::Range<usize>,
}

fn pair(finding: &Finding, style: Style, one_line: bool) -> (Text, Text) {
    let safe = |value: &Option<String>| -> Vec<char> {
        let value = match value.as_deref() {
            None => "(none)",
            Some("") => "(empty)",
            Some(value) => value,
        };
        if one_line {
            return style.plain(&value.split_whitespace().collect::<Vec<_>>().join(" ")).chars().collect();
        }
        value
            .lines()
            .map(|line| style.plain(&line.replace('\t', "    ")))
            .collect::<Vec<_>>()
            .join("\n")
            .chars()
            .collect()
    };
    let (a, b) = (safe(&finding.primary), safe(&finding.candidate));
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let left = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(left).take_while(|(x, y)| x == y).count();
    let (x, y) = (head..a.len() - tail, head..b.len() - tail);
    (Text { chars: a, differs: x }, Text { chars: b, differs: y })
}

/// From which character on two values are shown in so many columns.
fn cut(a: &Text, b: &Text, room: usize) -> usize {
    let fits = |t: &Text| t.chars.iter().map(|c| columns_of(*c)).sum::<usize>() <= room;
    let end = a.differs.end.max(b.differs.end);
    if (fits(a) && fits(b)) || end <= room { 0 } else { a.differs.start.saturating_sub(LEAD) }
}

/// As much of one line as fits, with a mark where something is left out.
fn window(chars: &[char], from: usize, room: usize, style: Style) -> String {
    let gap = if style.unicode { "…" } else { "..." };
    let mut out = String::new();
    let mut left = room;
    if from > 0 {
        out.push_str(gap);
        left -= gap.chars().count();
    }
    let rest = chars.get(from..).unwrap_or_default();
    let whole = rest.iter().map(|c| columns_of(*c)).sum::<usize>() <= left;
    let left = if whole { left } else { left - gap.chars().count() };
    let mut used = 0;
    for c in rest {
        used += columns_of(*c);
        if used > left {
            break;
        }
        out.push(*c);
    }
    if !whole {
        out.push_str(gap);
    }
    out
}

/// A value in lines of so many columns, each with the columns it takes; what differs is painted.
fn cell(text: &Text, other: &Text, room: usize, role: Role, style: Style) -> Vec<(String, usize)> {
    let gap = if style.unicode { "…" } else { "..." };
    let from = cut(text, other, room * MAX_LINES / 2);
    let mut lines = Vec::new();
    let mut line: Vec<(char, bool)> = Vec::new();
    let mut used = 0;
    let marks = gap.chars().filter(|_| from > 0).map(|c| (c, false));
    let chars = text.chars.iter().enumerate().skip(from).map(|(i, c)| (*c, text.differs.contains(&i)));
    for (c, differs) in marks.chain(chars) {
        let wide = columns_of(c);
        if c == '\n' || used + wide > room {
            if lines.len() + 1 == MAX_LINES {
                lines.push((gap.to_owned(), gap.chars().count()));
                return lines;
            }
            lines.push((painted(&line, role, style), used));
            line.clear();
            used = 0;
        }
        if c != '\n' {
            line.push((c, differs));
            used += wide;
        }
    }
    lines.push((painted(&line, role, style), used));
    lines
}

fn painted(line: &[(char, bool)], role: Role, style: Style) -> String {
    let runs = line.chunk_by(|a, b| a.1 == b.1).map(|run| {
        let text: String = run.iter().map(|(c, _)| c).collect();
        if run.first().is_some_and(|(_, differs)| *differs) { style.paint(role, &text) } else { text }
    });
    runs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Tier;

    fn finding(kind: &'static str, tier: Tier, at: &str, primary: Option<&str>, candidate: Option<&str>) -> Finding {
        Finding {
            kind: kind.into(),
            tier,
            location: at.into(),
            exact: at.into(),
            primary_class: "number".into(),
            candidate_class: "string".into(),
            primary_shape: None,
            candidate_shape: None,
            primary: primary.map(str::to_owned),
            candidate: candidate.map(str::to_owned),
            cover: None,
            secondary: false,
        }
    }

    fn sample() -> Findings {
        let words = "the same words again and again ".repeat(6);
        let (old, new) = (format!("{words}OLD end"), format!("{words}NEW end"));
        let mut ruled = finding("json.value", Tier::Value, "json:$.at", Some("\"10:00\""), Some("\"10:01\""));
        ruled.cover = Some(Cover::Rule("clock".into()));
        let mut empty = finding("body.empty_vs_content", Tier::Value, "body", None, None);
        (empty.primary_class, empty.candidate_class) = ("content".into(), "empty".into());
        let mut beneath = finding("header.value", Tier::Value, "header:x-a", Some("1"), Some("2"));
        beneath.secondary = true;
        Findings {
            list: vec![
                finding("json.whitespace", Tier::Repr, "json:$", None, None),
                finding("json.type", Tier::Value, "json:$.total", Some("129.9"), Some("\"129.90\"")),
                ruled,
                finding("json.value", Tier::Value, "json:$.text", Some(&old), Some(&new)),
                finding("header.missing", Tier::Break, "header:x-b", Some("全角文字\u{1b}[31m"), None),
                finding("text.hunk", Tier::Value, "text", Some("a\nb\tc\nd"), Some("a\nx\tc")),
                empty,
                beneath,
            ],
            dropped: 3,
            repeated: 0,
            budget: None,
        }
    }

    #[test]
    fn one_under_the_other() {
        insta::assert_snapshot!(diff_text(&sample(), Style::default(), false), @r#"
        ✖ DIVERGENT  5 differences count, 3 do not

        json:$.total  json.type
          - primary    129.9
          + candidate  "129.90"

        json:$.text  json.value
          - primary    …again and again OLD end
          + candidate  …again and again NEW end

        header:x-b  header.missing
          - primary    全角文字␛[31m
          + candidate  (none)

        text  text.hunk
          - primary    a b c d
          + candidate  a x c

        body  body.empty_vs_content
          primary has one, candidate has no body

        json:$  json.whitespace  representation
          the same values, other white space

        json:$.at  json.value  excused by rule "clock"
          primary "10:00", candidate "10:01"

        header:x-a  header.value  follows from what differs above
          primary "1", candidate "2"

        and 3 more
        "#);
    }

    #[test]
    fn side_by_side() {
        insta::assert_snapshot!(diff_text(&sample(), Style { width: 80, ..Style::default() }, true), @r#"
        ✖ DIVERGENT  5 differences count, 3 do not

        json:$.total  json.type
          number 129.9 became string "129.90"
          primary                               │ candidate
          129.9                                 │ "129.90"

        json:$.text  json.value
          primary …again and again OLD end, candidate …again and again NEW end
          primary                               │ candidate
          …again and again OLD end              │ …again and again NEW end

        header:x-b  header.missing
          primary "全角文字␛[31m", candidate has none
          primary                               │ candidate
          全角文字␛[31m                         │ (none)

        text  text.hunk
          primary "a b c d", candidate "a x c"
          primary                               │ candidate
          a                                     │ a
          b    c                                │ x    c
          d                                     │

        body  body.empty_vs_content
          primary has one, candidate has no body

        json:$  json.whitespace  representation
          the same values, other white space

        json:$.at  json.value  excused by rule "clock"
          primary "10:00", candidate "10:01"

        header:x-a  header.value  follows from what differs above
          primary "1", candidate "2"

        and 3 more
        "#);
    }

    #[test]
    fn what_differs_is_painted() {
        let mut one = sample();
        one.list.drain(3..);
        one.dropped = 0;
        let style = Style { color: true, ..Style::default() };
        let shown = |side_by_side| diff_text(&one, style, side_by_side).replace('\u{1b}', "^");
        insta::assert_snapshot!(shown(true), @r#"
        ^[1;31m✖ DIVERGENT^[0m  1 difference counts, 2 do not

        ^[36mjson:$.total^[0m  json.type
          number 129.9 became string "129.90"
          ^[2mprimary^[0m                                         │ ^[2mcandidate^[0m
          ^[1;31m129.9^[0m                                           │ ^[32m"129.90"^[0m

        ^[2mjson:$  json.whitespace  representation^[0m
        ^[2m  the same values, other white space^[0m

        ^[2mjson:$.at  json.value  excused by rule "clock"^[0m
        ^[2m  primary "10:00", candidate "10:01"^[0m
        "#);
        insta::assert_snapshot!(shown(false), @r#"
        ^[1;31m✖ DIVERGENT^[0m  1 difference counts, 2 do not

        ^[36mjson:$.total^[0m  json.type
        ^[1;31m  - primary    129.9^[0m
        ^[32m  + candidate  "129.90"^[0m

        ^[2mjson:$  json.whitespace  representation^[0m
        ^[2m  the same values, other white space^[0m

        ^[2mjson:$.at  json.value  excused by rule "clock"^[0m
        ^[2m  primary "10:00", candidate "10:01"^[0m
        "#);
    }

    #[test]
    fn outcomes_in_ascii() {
        let style = Style { unicode: false, ..Style::default() };
        let first = |findings: &Findings| diff_text(findings, style, true).lines().next().unwrap().to_owned();
        let mut some = sample();
        assert_eq!(first(&some), "FAIL DIVERGENT  5 differences count, 3 do not");
        some.list.truncate(1);
        some.dropped = 0;
        assert_eq!(first(&some), "ok EXCUSED  1 difference, none of which counts");
        assert_eq!(first(&Findings::default()), "ok MATCHED  the answers do not differ");
        assert!(diff_text(&sample(), style, true).is_ascii());
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        let wide = |text: &str| text.chars().map(columns_of).sum::<usize>();
        let long = "全角".repeat(200);
        for (a, b) in [(Some(long.as_str()), None), (Some(&*long), Some("x")), (Some("a"), Some(&*format!("{long}x")))]
        {
            let findings =
                Findings { list: vec![finding("json.value", Tier::Value, "json:$", a, b)], ..Findings::default() };
            for (width, side_by_side) in [(80, true), (100, true), (200, true), (60, false), (40, false)] {
                let text = diff_text(&findings, Style { width, ..Style::default() }, side_by_side);
                let widest = text.lines().map(wide).max().unwrap();
                assert!(widest <= width.min(100), "{widest} of {width}:\n{text}");
            }
        }
    }
}
