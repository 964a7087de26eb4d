//! Both answers of an example, side by side: what is alike is folded, what differs is named by its place and by whether
//! it counts.
//!
//! It shows, it does not judge: what counts comes from the example's findings. Headers are sorted by name and JSON is
//! written a member to a line, tokens as they were sent, so that two spellings of one document line up.

use super::thousands;
use crate::diff::{Finding, path};
use crate::evidence::{Example, ExampleMessage};
use similar::{ChangeTag, TextDiff};
use std::collections::VecDeque;
use std::time::Duration;

/// Equal lines shown around a change; longer runs are folded.
const CONTEXT: usize = 3;
/// Characters of a line that are shown: a megabyte in one line is no use to anybody.
const MAX_LINE: usize = 600;
/// Equal lines, changed lines and characters of both that a page has room for.
const MAX_ROWS: usize = 300;
const MAX_PAIRS: usize = 100;
const MAX_CHARACTERS: usize = 16_000;
/// Characters kept of what is alike before and after what differs within a line.
const AROUND: usize = 80;

/// A stretch of both answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Lines that are alike.
    Alike(Vec<String>),
    /// The same, many of them: shown on demand.
    Folded(Vec<String>),
    Changed(Vec<Pair>),
    /// That many more lines, for which there is no room.
    Left(usize),
}

/// What stands beside each other; one side may have nothing there.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub primary: Option<Line>,
    pub candidate: Option<Line>,
    pub state: State,
    /// The location of the difference, as rules write it.
    pub name: Option<String>,
}

/// Whether a changed line matters.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Counts,
    /// By what, in words.
    Excused(String),
    /// No finding speaks of it: it is not compared, or follows from what is.
    Apart,
}

/// A line in three parts, of which the middle one differs from the other side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub before: String,
    pub differs: String,
    pub after: String,
}

/// What stands at a place of an answer.
#[derive(Debug, Clone, PartialEq)]
struct Placed {
    text: String,
    /// Without what differs by spelling alone.
    key: String,
    place: String,
}

/// Compares the two answers of an example. `excused` says why a finding does not count, where it does not.
pub fn compare(example: &Example, excused: &dyn Fn(&Finding) -> Option<String>) -> Vec<Block> {
    let (a, b) = (placed(&example.primary), placed(&example.candidate));
    let (left, right): (Vec<&str>, Vec<&str>) =
        (a.iter().map(|l| &*l.key).collect(), b.iter().map(|l| &*l.key).collect());
    let mut config = TextDiff::configure();
    config.timeout(Duration::from_millis(200));
    let mut blocks = Vec::new();
    let (mut alike, mut gone, mut come) = (Vec::new(), VecDeque::new(), VecDeque::new());
    for change in config.diff_slices(&left, &right).iter_all_changes() {
        let line = |lines: &[Placed], at: Option<usize>| at.and_then(|at| lines.get(at)).cloned();
        match change.tag() {
            ChangeTag::Equal => {
                changed(&mut blocks, &mut gone, &mut come, example, excused);
                alike.extend(line(&a, change.old_index()).map(|l| cut(&l.text, MAX_LINE)));
            }
            ChangeTag::Delete => {
                fold(&mut blocks, &mut alike, false);
                gone.extend(line(&a, change.old_index()));
            }
            ChangeTag::Insert => {
                fold(&mut blocks, &mut alike, false);
                come.extend(line(&b, change.new_index()));
            }
        }
    }
    changed(&mut blocks, &mut gone, &mut come, example, excused);
    fold(&mut blocks, &mut alike, true);
    bounded(blocks)
}

/// As much as a page has room for; what differs before what is alike.
fn bounded(blocks: Vec<Block>) -> Vec<Block> {
    let (mut rows, mut pairs, mut characters) = (MAX_ROWS, MAX_PAIRS, MAX_CHARACTERS);
    let mut left = 0;
    let mut out: Vec<Block> = Vec::new();
    let length = |line: &Option<Line>| line.as_ref().map_or(0, |l| l.before.len() + l.differs.len() + l.after.len());
    // Takes one more line of that length, if there is room.
    let mut take = |size: usize, kind: &mut usize| {
        let room = *kind > 0 && characters >= size;
        if room {
            *kind -= 1;
            characters -= size;
        }
        room
    };
    for block in blocks {
        let (whole, mut block) = (block.len(), block);
        match &mut block {
            Block::Alike(lines) | Block::Folded(lines) => {
                let fits = lines.iter().take_while(|line| take(line.len(), &mut rows)).count();
                lines.truncate(fits);
            }
            Block::Changed(list) => {
                let size = |pair: &Pair| length(&pair.primary) + length(&pair.candidate);
                let fits = list.iter().take_while(|pair| take(size(pair), &mut pairs)).count();
                list.truncate(fits);
            }
            Block::Left(_) => {}
        }
        left += whole - block.len();
        if block.len() > 0 {
            out.push(block);
        }
    }
    if left > 0 {
        out.push(Block::Left(left));
    }
    out
}

// === impl Block ===

impl Block {
    fn len(&self) -> usize {
        match self {
            Block::Alike(lines) | Block::Folded(lines) => lines.len(),
            Block::Changed(pairs) => pairs.len(),
            Block::Left(_) => 0,
        }
    }
}

/// Ends a run of equal lines; the middle of a long one opens on demand.
fn fold(blocks: &mut Vec<Block>, alike: &mut Vec<String>, last: bool) {
    let mut run = std::mem::take(alike);
    if run.is_empty() {
        return;
    }
    let (head, tail) = (if blocks.is_empty() { 1 } else { CONTEXT }, if last { 0 } else { CONTEXT });
    if run.len() <= head + tail + 3 {
        blocks.push(Block::Alike(run));
        return;
    }
    let after = run.split_off(run.len() - tail);
    let folded = run.split_off(head);
    blocks.extend([Block::Alike(run), Block::Folded(folded)]);
    if !after.is_empty() {
        blocks.push(Block::Alike(after));
    }
}

/// Ends a run of changed lines: those at one place stand beside each other.
fn changed(
    blocks: &mut Vec<Block>,
    gone: &mut VecDeque<Placed>,
    come: &mut VecDeque<Placed>,
    example: &Example,
    excused: &dyn Fn(&Finding) -> Option<String>,
) {
    let mut pairs = Vec::new();
    let mut said = None;
    let has = |lines: &VecDeque<Placed>, place: &str| lines.iter().any(|l| l.place == place);
    while !gone.is_empty() || !come.is_empty() {
        let (left, right) = match (gone.front(), come.front()) {
            (Some(a), Some(b)) if a.place != b.place && has(come, &a.place) => (None, come.pop_front()),
            (Some(a), Some(b)) if a.place != b.place && has(gone, &b.place) => (gone.pop_front(), None),
            (Some(a), Some(b)) if a.place != b.place && a.place.starts_with("json:") => (gone.pop_front(), None),
            _ => (gone.pop_front(), come.pop_front()),
        };
        let mut found: Vec<(&Finding, Option<String>)> = Vec::new();
        for line in [&left, &right].into_iter().flatten() {
            found.extend(findings(&example.differences, &line.place).map(|f| (f, excused(f))));
        }
        let (state, name) = match found.iter().find(|(_, why)| why.is_none()).or(found.first()) {
            Some((finding, None)) => (State::Counts, Some(finding.exact.to_string())),
            Some((finding, Some(why))) => (State::Excused(why.clone()), Some(finding.exact.to_string())),
            None => (State::Apart, None),
        };
        let (primary, candidate) = match (&left, &right) {
            (Some(a), Some(b)) => {
                let (a, b) = apart(&a.text, &b.text);
                (Some(a), Some(b))
            }
            (a, b) => (a.as_ref().map(alone), b.as_ref().map(alone)),
        };
        // Lines of one difference are named once.
        let again = name.is_some() && said == name;
        said.clone_from(&name);
        pairs.push(Pair { primary, candidate, state, name: name.filter(|_| !again) });
    }
    if !pairs.is_empty() {
        blocks.push(Block::Changed(pairs));
    }
}

/// The findings that speak of a place: exactly of it, of what it is part of, or else of places like it.
fn findings<'a>(all: &'a [Finding], place: &'a str) -> impl Iterator<Item = &'a Finding> {
    let part_of = |whole: &str, place: &str| {
        place.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let exactly = all.iter().any(|f| part_of(&f.exact, place));
    let pattern = anywhere(place);
    let body = !place.starts_with("json:") && place == "body";
    all.iter().filter(move |f| {
        if body {
            let head = ["status", "header:", "cookie:", "trailer:", "transport"];
            return !head.iter().any(|h| f.exact.starts_with(h));
        }
        if exactly { part_of(&f.exact, place) } else { part_of(&f.location, &pattern) }
    })
}

/// `json:$.a[3].b` as locations write it: `json:$.a[*].b`.
fn anywhere(place: &str) -> String {
    let mut out = String::with_capacity(place.len());
    let mut chars = place.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '[' && chars.peek().is_some_and(char::is_ascii_digit) {
            while chars.next_if(char::is_ascii_digit).is_some() {}
            out.push('*');
        }
    }
    out
}

fn alone(line: &Placed) -> Line {
    Line { before: cut(&line.text, MAX_LINE), ..Line::default() }
}

/// Two lines with what is alike at both ends taken out of what differs.
fn apart(a: &str, b: &str) -> (Line, Line) {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let before = left.iter().zip(&right).take_while(|(x, y)| x == y).count();
    let room = left.len().min(right.len()) - before;
    let after = left.iter().rev().zip(right.iter().rev()).take(room).take_while(|(x, y)| x == y).count();
    let line = |chars: &[char]| {
        let (head, rest) = chars.split_at(before);
        let (middle, tail) = rest.split_at(rest.len() - after);
        let text = |chars: &[char]| chars.iter().collect::<String>();
        let head = match head.len() > AROUND * 2 {
            true => format!("… {}", text(head.split_at(head.len() - AROUND).1)),
            false => text(head),
        };
        Line { before: head, differs: cut(&text(middle), MAX_LINE), after: cut(&text(tail), AROUND * 2) }
    };
    (line(&left), line(&right))
}

/// The beginning of a text, and how much more there is.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => {
            let rest = text.get(at..).map_or(0, |rest| rest.chars().count());
            format!("{}… {} more characters", text.get(..at).unwrap_or_default(), thousands(rest as u64))
        }
        None => text.to_owned(),
    }
}

/// A message as it is shown, whole: start line, headers, body.
pub fn written(message: &ExampleMessage) -> String {
    placed(message).iter().map(|line| format!("{}\n", line.text)).collect()
}

fn placed(message: &ExampleMessage) -> Vec<Placed> {
    let start = if message.start.starts_with("transport.") { "transport" } else { "status" };
    let mut out = vec![Placed { text: message.start.clone(), key: message.start.clone(), place: start.into() }];
    let mut headers: Vec<_> = message.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), n, v)).collect();
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    for (lower, name, value) in headers {
        let place = match &*lower {
            "set-cookie" => format!("cookie:{}", value.split('=').next().unwrap_or_default()),
            lower if lower.starts_with("trailer:") => lower.to_owned(),
            lower => format!("header:{lower}"),
        };
        out.push(Placed { text: format!("{name}: {value}"), key: format!("{lower}: {value}"), place });
    }
    if message.body.is_empty() {
        return out;
    }
    out.push(Placed { text: String::new(), key: String::new(), place: "body".into() });
    match (!message.binary).then(|| json_lines(&message.body)).flatten() {
        Some(lines) => out.extend(lines),
        None => {
            out.extend(message.body.lines().map(|l| Placed { text: l.into(), key: l.into(), place: "body".into() }))
        }
    }
    let kept = if message.binary { message.body_bytes } else { message.body.len() as u64 };
    let note = if kept < message.body_bytes {
        format!("[cut: {} of {} bytes shown]", thousands(kept), thousands(message.body_bytes))
    } else if message.binary {
        format!("[binary, {} bytes in all]", thousands(message.body_bytes))
    } else {
        return out;
    };
    out.push(Placed { text: note.clone(), key: note, place: "body".into() });
    out
}

/// JSON with a line for each member and element, each with its place. `None` for anything else, and for JSON that was
/// cut.
fn json_lines(body: &str) -> Option<Vec<Placed>> {
    if !body.trim_start().starts_with(['{', '[']) || serde_json::from_str::<serde::de::IgnoredAny>(body).is_err() {
        return None;
    }
    let mut writer = Writer { out: Vec::new(), line: String::new(), place: "json:$".into(), depth: 0 };
    let mut rest = body.trim_start();
    writer.value(&mut rest)?;
    writer.end();
    Some(writer.out)
}

/// Writes a document that is known to be JSON.
struct Writer {
    out: Vec<Placed>,
    line: String,
    place: String,
    depth: usize,
}

// === impl Writer ===

impl Writer {
    fn end(&mut self) {
        let text = std::mem::take(&mut self.line);
        // A comma comes and goes with what follows.
        let key = text.trim_end_matches(',').to_owned();
        self.out.push(Placed { text, key, place: self.place.clone() });
        self.line = "  ".repeat(self.depth);
    }

    fn value(&mut self, rest: &mut &str) -> Option<()> {
        match rest.chars().next()? {
            '{' => self.items(rest, '}'),
            '[' => self.items(rest, ']'),
            _ => {
                let token = token(rest)?;
                self.line.push_str(token);
                Some(())
            }
        }
    }

    fn items(&mut self, rest: &mut &str, close: char) -> Option<()> {
        self.line.push(take(rest)?);
        if rest.starts_with(close) {
            self.line.push(take(rest)?);
            return Some(());
        }
        self.depth += 1;
        self.end();
        let outer = self.place.len();
        let mut index = 0;
        loop {
            if close == '}' {
                let name = token(rest)?;
                let plain: String = serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
                path::push_name(&mut self.place, plain.as_bytes());
                self.line.push_str(name);
                // The colon.
                take(rest)?;
                self.line.push_str(": ");
            } else {
                path::push_index(&mut self.place, index);
                index += 1;
            }
            self.value(rest)?;
            let next = take(rest)?;
            if next == ',' {
                self.line.push(',');
            } else {
                self.depth -= 1;
            }
            self.end();
            self.place.truncate(outer);
            if next != ',' {
                self.line.push(next);
                return Some(());
            }
        }
    }
}

/// The next character that is not white space, and what white space follows it.
fn take(rest: &mut &str) -> Option<char> {
    let c = rest.chars().next()?;
    *rest = rest.get(c.len_utf8()..)?.trim_start();
    Some(c)
}

/// A string, number or word, as it is written.
fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut escaped = false;
    let quoted = rest.starts_with('"');
    let end = rest.char_indices().skip(1).find(|(_, c)| match quoted {
        true => {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        }
        false => matches!(c, ',' | '}' | ']' | ':') || c.is_ascii_whitespace(),
    });
    let end = end.map_or(rest.len(), |(at, _)| if quoted { at + 1 } else { at });
    let token = rest.get(..end)?;
    *rest = rest.get(end..)?.trim_start();
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn message(body: &str) -> ExampleMessage {
        ExampleMessage {
            start: "200 OK".into(),
            body: body.into(),
            body_bytes: body.len() as u64,
            ..ExampleMessage::default()
        }
    }

    fn blocks(primary: &str, candidate: &str) -> Vec<Block> {
        let example =
            Example { primary: message(primary), candidate: message(candidate), ..(*samples::example("x")).clone() };
        compare(&example, &|_| None)
    }

    #[test]
    fn json_lines_up_whatever_its_spelling_and_knows_its_places() {
        let lines = |body: &str| -> Vec<String> {
            json_lines(body).unwrap().into_iter().map(|l| format!("{} | {}", l.text, l.place)).collect()
        };
        let expect = [
            "{ | json:$",
            "  \"a\": [ | json:$.a",
            "    1.0, | json:$.a[0]",
            "    \"x: {\\\" ,\" | json:$.a[1]",
            "  ], | json:$.a",
            "  \"odd key\": {} | json:$['odd key']",
            "} | json:$",
        ];
        assert_eq!(lines(r#"{"a":[1.0,"x: {\" ,"],"odd key":{}}"#), expect);
        assert_eq!(lines("{ \"a\" : [ 1.0 , \"x: {\\\" ,\" ] , \"odd key\" : { } }\n"), expect);
        assert_eq!(json_lines("{\"cut\": 1, …"), None);
        assert_eq!(json_lines("plain, text"), None);
    }

    #[test]
    fn a_changed_line_is_named_and_shows_where_it_differs() {
        let blocks = blocks("{\"id\":7,\"total\":129.9,\"n\":1}", "{\"id\":7,\"total\":\"129.90\",\"n\":1}");
        let Some(Block::Changed(pairs)) = blocks.iter().find(|b| matches!(b, Block::Changed(_))) else {
            panic!("{blocks:?}")
        };
        let [pair] = &pairs[..] else { panic!("{pairs:?}") };
        assert_eq!((pair.name.as_deref(), &pair.state), (Some("json:$.total"), &State::Counts));
        let line = pair.candidate.as_ref().unwrap();
        assert_eq!((&*line.before, &*line.differs, &*line.after), ("  \"total\": ", "\"129.90\"", ","));
    }

    #[test]
    fn what_no_finding_speaks_of_stands_apart_and_what_is_excused_says_why() {
        let mut example = (*samples::example("129.90")).clone();
        example.primary.headers.push(("date".into(), "Mon".into()));
        example.candidate.headers.push(("Date".into(), "Tue".into()));
        let states = |excused: &dyn Fn(&Finding) -> Option<String>| -> Vec<State> {
            let pairs = compare(&example, excused).into_iter().filter_map(|b| match b {
                Block::Changed(pairs) => Some(pairs),
                _ => None,
            });
            pairs.flatten().map(|p| p.state).collect()
        };
        assert_eq!(states(&|_| None), [State::Apart, State::Counts]);
        assert_eq!(states(&|_| Some("noise".into()))[1], State::Excused("noise".into()));
    }

    #[test]
    fn long_equal_runs_fold_and_long_lines_are_cut() {
        let body = (0..40).map(|n| format!("line {n}\n")).collect::<String>();
        let told = blocks(&body, &body.replace("line 20", "LINE 20"));
        assert_eq!(told.iter().filter(|b| matches!(b, Block::Folded(_))).count(), 2, "{told:?}");
        let long = "x".repeat(1 << 20);
        let told = blocks(&format!("{long}a{long}"), &format!("{long}b{long}"));
        assert!(format!("{told:?}").len() < 3_000, "{}", format!("{told:?}").len());
        assert!(format!("{told:?}").contains("more characters"));
    }

    #[test]
    fn there_is_an_end_to_what_is_shown_and_it_is_said() {
        let body = |word: &str| (0..3_000).map(|n| format!("{word} {n}\n")).collect::<String>();
        let told = blocks(&body("old"), &body("new"));
        let pairs = |b: &Block| if let Block::Changed(pairs) = b { pairs.len() } else { 0 };
        assert_eq!(told.iter().map(pairs).sum::<usize>(), MAX_PAIRS);
        assert_eq!(told.last(), Some(&Block::Left(3_000 - MAX_PAIRS)));
        assert!(!blocks("a", "b").iter().any(|b| matches!(b, Block::Left(_))));
    }

    #[test]
    fn an_element_that_moved_up_is_known_by_places_like_its_own() {
        assert_eq!(anywhere("json:$.a[12].b['x[1]'][0]"), "json:$.a[*].b['x[*]'][*]");
        let mut finding = samples::example("x").differences[0].clone();
        (finding.exact, finding.location) = ("json:$.a[3].b".into(), "json:$.a[*].b".into());
        let list = [finding];
        assert_eq!(findings(&list, "json:$.a[2].b.c").count(), 1);
        assert_eq!(findings(&list, "json:$.a[2].bc").count(), 0);
    }
}
