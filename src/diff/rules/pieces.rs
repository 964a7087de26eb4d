//! Numbers and times in text, and what stands between them.

use crate::diff::headers::date;
use crate::diff::value::number::Decimal;
use crate::diff::value::time;
use regex::Regex;
use std::sync::LazyLock;

/// A piece of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Number(&'t str),
    Date(&'t str),
    Span(&'t str),
    Text(&'t str),
}

/// Numbers with the units that measures are written by, one after the other.
static COMPOUND: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by a test")]
    Regex::new(r"^[-+]?[0-9]+(?:\.[0-9]+)?(?:(?:w|d|h|m|s|ms|us|µs|μs|ns|x)[0-9]+(?:\.[0-9]+)?)+\p{Alphabetic}*$")
        .expect("a valid pattern")
});

/// No word is looked at further, in characters: longer than any time is written.
const MAX_WORD: usize = 64;
/// How long dates of HTTP are, with a zone in digits and as they were of old too.
const HTTP_DATES: [usize; 3] = [31, 29, 24];

pub(super) fn is_date(text: &str) -> bool {
    time::is_date(text) || date::parse(text).is_some()
}

pub(super) fn is_number(text: &str) -> bool {
    Decimal::parse(text).is_some()
}

/// Whether the number of that place is a value by itself, as in `name=60`, and not one in a sentence or a range.
pub(super) fn stands_alone(pieces: &[Piece<'_>], at: usize) -> bool {
    let text = |at: Option<usize>| match at.and_then(|at| pieces.get(at)) {
        Some(Piece::Text(text)) => Some(*text),
        Some(_) => None,
        None => Some(""),
    };
    let around = |c: char| matches!(c, ' ' | '\t' | '"' | '\'');
    let (before, after) = (text(at.checked_sub(1)), text(Some(at + 1)));
    before.map(|t| t.trim_end_matches(around)).is_some_and(|t| t.is_empty() || t.ends_with(['=', ',', ';']))
        && after.map(|t| t.trim_start_matches(around)).is_some_and(|t| t.is_empty() || t.starts_with([',', ';', '&']))
}

/// The pieces of a text in turn, lengths of time only where they are asked for. The digits of a word such as `ab007` or
/// `1f3e` are no number, nor is a version; a unit may stand behind a number.
pub(super) fn split(text: &str, spans: bool) -> Vec<Piece<'_>> {
    let (mut pieces, mut from, mut at, mut in_word) = (Vec::new(), 0, 0, false);
    // Up to where a number may come after a unit.
    let mut compound = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if !in_word && is_compound(word(rest)) {
            compound = at + word(rest).len();
        }
        let found = match in_word {
            false => begins(rest, spans && !(after_colon(text, at) && word(rest).contains(':'))),
            true if at < compound => measure(rest).map(Piece::Number),
            true => None,
        };
        if let Some(piece) = found {
            pieces.extend(text.get(from..at).filter(|before| !before.is_empty()).map(Piece::Text));
            at += piece.text().len();
            from = at;
            in_word = true;
            pieces.push(piece);
            continue;
        }
        let next = rest.chars().next().unwrap_or_default();
        in_word = is_of_word(next) || next == '.';
        at += next.len_utf8();
    }
    pieces.extend(text.get(from..).filter(|rest| !rest.is_empty()).map(Piece::Text));
    pieces
}

// === impl Piece ===

impl<'t> Piece<'t> {
    fn text(&self) -> &'t str {
        match self {
            Piece::Number(text) | Piece::Date(text) | Piece::Span(text) | Piece::Text(text) => text,
        }
    }
}

/// What a text begins with that is more than text.
fn begins(text: &str, spans: bool) -> Option<Piece<'_>> {
    let span = || Some(word(text)).filter(|word| spans && time::span(word).is_some()).map(Piece::Span);
    let number = || match is_compound(word(text)) {
        true => measure(text),
        false => text.get(..number_length(text)).filter(|number| !number.is_empty()),
    };
    dated(text).map(Piece::Date).or_else(span).or_else(|| number().map(Piece::Number))
}

/// The date that a text begins with.
fn dated(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, ..] => {
            let run = |from: usize| {
                let length = run(text.get(from..)?, |c| is_of_word(c) || ":.+-".contains(c)).len();
                Some(text.get(..from + length)?.trim_end_matches([':', '.', '+', '-']))
            };
            let in_two = text.get(10..).filter(|rest| rest.starts_with(' ')).and_then(|_| run(11));
            let day = || text.get(10..).filter(|rest| ends_word(rest)).and_then(|_| text.get(..10));
            let is_date = |text: &&str| time::is_date(text);
            in_two.filter(is_date).or_else(|| run(0).filter(is_date)).or_else(|| day().filter(is_date))
        }
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b',' | b' ', ..] => {
            let mut dates = HTTP_DATES.into_iter().filter_map(|length| text.get(..length));
            dates.find(|text| date::parse(text).is_some())
        }
        _ => None,
    }
}

/// The word that a text begins with, also one with a sign; a full stop behind it is none of it.
fn word(text: &str) -> &str {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let length = run(unsigned, |c| is_of_word(c) || matches!(c, '.' | ':')).len();
    text.get(..text.len() - unsigned.len() + length).unwrap_or_default().trim_end_matches('.')
}

/// The characters of a kind that a text begins with, as far as they are looked at.
fn run(text: &str, is: impl Fn(char) -> bool) -> &str {
    let end = text.char_indices().enumerate().find(|(count, (_, c))| *count > MAX_WORD || !is(*c));
    text.get(..end.map_or(text.len(), |(_, (at, _))| at)).unwrap_or_default()
}

/// Whether it is several measures in one word, as `2h30m` and `10x20`. Hexadecimal digits are none.
fn is_compound(word: &str) -> bool {
    COMPOUND.is_match(word) && !word.starts_with("0x") && word.contains(|c: char| c != '.' && !c.is_ascii_hexdigit())
}

/// The digits that a text begins with, with their sign and point.
fn measure(text: &str) -> Option<&str> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let rest = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    text.get(..text.len() - rest.len()).filter(|number| is_number(number))
}

/// Bytes of the number that a text begins with, sign and exponent among them; 0 where it begins with none.
fn number_length(text: &str) -> usize {
    let is_digit = |c: char| c.is_ascii_digit();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let behind = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    // A full stop is none of it.
    let digits = unsigned.get(..unsigned.len() - behind.len()).unwrap_or_default().trim_end_matches('.');
    let mut rest = unsigned.get(digits.len()..).unwrap_or_default();
    let exponent = rest.strip_prefix(['e', 'E']).map(|e| e.strip_prefix(['-', '+']).unwrap_or(e));
    if let Some(exponent) = exponent.filter(|e| e.starts_with(is_digit)) {
        rest = exponent.trim_start_matches(is_digit);
    }
    let number = text.get(..text.len() - rest.len()).unwrap_or_default();
    let is_free = ends_word(rest.trim_start_matches(|c: char| c.is_alphabetic()));
    if is_free && is_number(number) { number.len() } else { 0 }
}

/// Of what colons join no part is a time of day.
fn after_colon(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| before.ends_with(':'))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a word ends before the text. A full stop ends it where nothing comes right after.
fn ends_word(text: &str) -> bool {
    !text.trim_start_matches('.').starts_with(is_of_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(text: &str, spans: bool) -> String {
        let show = |piece: &Piece<'_>| match piece {
            Piece::Number(n) => format!("<{n}>"),
            Piece::Date(d) => format!("<date {d}>"),
            Piece::Span(s) => format!("<span {s}>"),
            Piece::Text(text) => (*text).to_owned(),
        };
        split(text, spans).iter().map(show).collect()
    }

    #[test]
    fn what_numbers_are() {
        for (text, expected) in [
            ("took 5ms.", "took <5>ms."),
            ("took 5.", "took <5>."),
            ("5ms.log", "5ms.log"),
            ("v1.2.3", "v1.2.3"),
            ("1.2.3.", "1.2.3."),
            ("2h30m", "<2>h<30>m"),
            ("-1h1.5m!", "<-1>h<1.5>m!"),
            ("2d4h", "<2>d<4>h"),
            ("10x20, 3", "<10>x<20>, <3>"),
            ("10x20px", "<10>x<20>px"),
            ("1f3e 1d3f 2d4 0x10 0x1f", "1f3e 1d3f 2d4 0x10 0x1f"),
            ("3k9x2m 2h30m-5_x", "3k9x2m <2>h<30>m-5_x"),
            ("ab007 1e5 1.5e-7s", "ab007 <1e5> <1.5e-7>s"),
        ] {
            assert_eq!(show(text, false), expected, "{text}");
        }
    }

    #[test]
    fn what_times_are() {
        for (text, expected) in [
            ("t=2026-01-01T00:00:00Z;x", "t=<date 2026-01-01T00:00:00Z>;x"),
            ("\"2026-01-01 00:00:00\", 2026-01-02.", "\"<date 2026-01-01 00:00:00>\", <date 2026-01-02>."),
            ("2026-01-01 5", "<date 2026-01-01> <5>"),
            ("a=Sun, 06 Nov 1994 08:49:37 GMT; b", "a=<date Sun, 06 Nov 1994 08:49:37 GMT>; b"),
            ("dur=12ms, 1m30s.", "dur=<span 12ms>, <span 1m30s>."),
            ("PT5S at 10:00:00", "<span PT5S> at <span 10:00:00>"),
            ("5s_1 00:11:22:33", "5s_1 <00>:<11>:<22>:<33>"),
        ] {
            assert_eq!(show(text, true), expected, "{text}");
        }
    }

    /// However often a word begins.
    #[test]
    fn long_texts_are_gone_through_once() {
        for of in ["1:", ":", "-2026-01-01", "1x1:", "Sun "] {
            let text = of.repeat(100_000);
            assert_eq!(split(&text, true).iter().map(|piece| piece.text().len()).sum::<usize>(), text.len());
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(text in "([0-9]{1,4}|[-+.:, =\"a-z_éµPT×]|2026-01-0|Sun, ){0,16}", spans: bool) {
            let whole: String = split(&text, spans).iter().map(Piece::text).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
