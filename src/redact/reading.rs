//! What a text says once its escapes are undone, and where each part of that stands in the text itself.
//!
//! A text does not tell how it is written, and one way may stand inside another (a link in JSON, JSON in JSON), so all
//! are tried one after the other, and the text is never parsed: a part of a document is read like the whole of it.

use std::borrow::Cow;
use std::ops::Range;

/// All the ways to read one text, the text itself first.
pub(super) struct Readings<'a> {
    all: Vec<Reading<'a>>,
    /// How many of them undo no way of writing inside itself.
    plain: usize,
}

struct Reading<'a> {
    text: Cow<'a, str>,
    /// The one that it was made of.
    from: usize,
    /// Offsets that belong together, here and there: from each on both go on alike until the next.
    marks: Vec<(usize, usize)>,
}

/// One way of writing: the byte that all of it begins with, and what the beginning of a text means that begins with it,
/// with how many bytes of the text that takes.
type Way = (u8, fn(&str) -> Option<(char, usize)>);

const PLUS: Way = (b'+', |_| Some((' ', 1)));
const PERCENT: Way = (b'%', percent);
const ESCAPE: Way = (b'\\', escape);
const REFERENCE: Way = (b'&', reference);

/// How often one way of writing may stand inside itself.
const NESTED: usize = 2;

// === impl Readings ===

impl<'a> Readings<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let itself = Reading { text: Cow::Borrowed(text), from: 0, marks: Vec::new() };
        let mut all = Readings { all: vec![itself], plain: 1 };
        // In queries a `+` is a space, elsewhere it is itself.
        let query = all.read(0, PLUS);
        if query > 0 {
            all.read(query, PERCENT);
        }
        let mut last = 0;
        for round in 0..NESTED {
            for way in [ESCAPE, REFERENCE, PERCENT] {
                last = all.read(last, way);
            }
            if round == 0 {
                all.plain = all.all.len();
            }
        }
        all
    }

    /// The texts, by number.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        (0..).zip(self.all.iter().map(|reading| &*reading.text))
    }

    /// Where a part of the text of that number stands in the first one.
    pub(super) fn source(&self, number: usize, part: Range<usize>) -> Range<usize> {
        self.offset(number, part.start)..self.offset(number, part.end)
    }

    /// All that is written for the one character that a place in the first text is inside of, in the reading where that is
    /// most; `None` where it is inside of none. What may be written inside itself is not asked: in `"C:\\"` the end of
    /// the string would be part of an escape.
    pub(super) fn escape(&self, at: usize) -> Option<Range<usize>> {
        let mut widest: Option<Range<usize>> = None;
        // The place in each text, and whether it is inside of the character there.
        let mut places = vec![(at, false)];
        for reading in self.all.iter().take(self.plain).skip(1) {
            let (place, inside) = places.get(reading.from).copied().unwrap_or((at, false));
            let before = |there: usize| if inside { there <= place } else { there < place };
            // Beginnings and ends take turns.
            let begun = reading.marks.partition_point(|(_, there)| before(*there));
            let last = begun.checked_sub(1).and_then(|last| reading.marks.get(last));
            let next = reading.marks.get(begun);
            let within = begun % 2 == 1 && next.is_some_and(|(_, end)| place < *end);
            places.push(match (last, next) {
                (Some((here, start)), Some((_, end))) if within => {
                    let all = self.offset(reading.from, *start)..self.offset(reading.from, *end);
                    widest = Some(match widest {
                        Some(so_far) => so_far.start.min(all.start)..so_far.end.max(all.end),
                        None => all,
                    });
                    (*here, true)
                }
                _ => {
                    let known = reading.marks.partition_point(|(_, there)| *there <= place).checked_sub(1);
                    let known = known.and_then(|known| reading.marks.get(known));
                    (known.map_or(place, |(here, there)| here + (place - there)), inside)
                }
            });
        }
        widest
    }

    fn offset(&self, mut number: usize, mut at: usize) -> usize {
        while number > 0
            && let Some(reading) = self.all.get(number)
        {
            let before = reading.marks.partition_point(|(here, _)| *here <= at);
            if let Some((here, there)) = before.checked_sub(1).and_then(|last| reading.marks.get(last)) {
                at = there + (at - here);
            }
            number = reading.from;
        }
        at
    }

    /// Adds the text of that number with one way of writing undone; the number of what is gone on with.
    fn read(&mut self, from: usize, (lead, undo): Way) -> usize {
        let Some(text) = self.all.get(from).map(|reading| &*reading.text) else { return from };
        let (mut out, mut marks) = (String::new(), Vec::new());
        let (mut at, mut copied) = (0, 0);
        while let Some(rest) = text.get(at..)
            && let Some(next) = memchr::memchr(lead, rest.as_bytes())
        {
            at += next;
            let Some((meant, taken)) = text.get(at..).and_then(undo) else {
                at += 1;
                continue;
            };
            out.push_str(text.get(copied..at).unwrap_or_default());
            // A part that begins or ends with the character has all that it is written by.
            marks.push((out.len(), at));
            out.push(meant);
            at += taken;
            marks.push((out.len(), at));
            copied = at;
        }
        if marks.is_empty() {
            return from;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        self.all.push(Reading { text: Cow::Owned(out), from, marks });
        self.all.len() - 1
    }
}

/// `%C3%A9`: one character, or a byte that is part of none.
fn percent(text: &str) -> Option<(char, usize)> {
    let byte = |at: usize| text.get(3 * at..)?.strip_prefix('%').and_then(|rest| hex(rest, 2));
    let first = byte(0)?;
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    let bytes: Vec<u8> = (0..width).filter_map(byte).filter_map(|b| u8::try_from(b).ok()).collect();
    match std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
        Some(c) => Some((c, 3 * width)),
        None => Some((char::REPLACEMENT_CHARACTER, 3)),
    }
}

/// As strings of JSON and of programs have it: `\n`, `\"`, `\u0040`, `\x40`.
fn escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| text.get(at..)?.strip_prefix("\\u").and_then(|rest| hex(rest, 4));
    let c = match text.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        c @ (b'"' | b'\'' | b'\\' | b'/') => char::from(*c),
        b'x' => return Some((char::from_u32(hex(text.get(2..)?, 2)?)?, 4)),
        _ => {
            let high = unit(0)?;
            let low = unit(6).filter(|low| (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(low));
            return Some(match low {
                Some(low) => (char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, 12),
                None => (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            });
        }
    };
    Some((c, 2))
}

/// `&amp;`, `&#64;`, `&#x40;`, as XML has them.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|b| b == b';')?;
    let name = text.get(1..end)?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(number) => u32::from_str_radix(number, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((c, end + 1))
}

/// The number that a text begins with, in that many hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u32> {
    let digits = text.get(..digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether some reading of a text says `meant`, and how it is written where it does.
    fn written<'a>(text: &'a str, meant: &str) -> Option<&'a str> {
        let all = Readings::of(text);
        let found = all.texts().find_map(|(number, read)| Some((number, read.find(meant)?)));
        found.map(|(number, at)| &text[all.source(number, at..at + meant.len())])
    }

    #[test]
    fn what_an_escape_is_written_by() {
        for (text, at, expect) in [
            (r"a\\nb", 2, Some(1..3)),
            (r"a\\nb", 3, None),
            (r"a\nb", 1, None),
            (r"a\nb", 2, Some(1..3)),
            (r"\u0025C3%A9", 7, Some(0..11)),
            (r"\u0025C3%A9", 2, Some(0..11)),
            (r"\u0026amp;x", 9, Some(0..10)),
            ("a+b%20c", 4, Some(3..6)),
            ("a%20%20c", 4, None),
            ("abc", 1, None),
        ] {
            assert_eq!(Readings::of(text).escape(at), expect, "{text} {at}");
        }
    }

    #[test]
    fn what_is_meant_stands_somewhere() {
        for (text, meant, expect) in [
            ("x é@b y", "é@b", "é@b"),
            (r#"{"a":"\u00e9\u0040b"}"#, "é@b", r"\u00e9\u0040b"),
            (r#""{\"a\":\"x\\u0040b\"}""#, "\"x@b\"", r#"\"x\\u0040b\""#),
            (r"\ud83d\ude00!", "😀", r"\ud83d\ude00"),
            (r"\ud83d!", "\u{fffd}!", r"\ud83d!"),
            (r"'\x40'", "@", r"\x40"),
            ("/u?m=%C3%A9%40b&x", "é@b", "%C3%A9%40b"),
            ("/u?m=%2540", "@", "%2540"),
            ("/u?m=%E9b", "\u{fffd}b", "%E9b"),
            ("/u?n=a+b%2Bc", "a b+c", "a+b%2Bc"),
            (r#"{"next":"\/u?m=a%40b"}"#, "/u?m=a@b", r"\/u?m=a%40b"),
            ("<a>x&#64;&#x62;&amp;</a>", "x@b&", "x&#64;&#x62;&amp;"),
        ] {
            assert_eq!(written(text, meant), Some(expect), "{text}");
        }
        for text in [r"\u00", r"\u004g", "%4", "%zz", "&#;", "&nosuch;", "&#1114112;", r"\", "%", "&"] {
            assert_eq!(Readings::of(text).texts().count(), 1, "{text}");
        }
    }

    proptest! {
        /// However each of its characters is written, and whatever stands around.
        #[test]
        fn what_is_written_in_any_way_is_found(
            secret in "[a-zé€😀 @]{1,8}",
            ways in proptest::collection::vec(0usize..4, 8),
            around in ("[a-z{\":,\n ]{0,9}", "[a-z\"},\n ]{0,9}"),
        ) {
            let write = |(c, way): (char, &usize)| match way {
                0 => c.to_string(),
                1 => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
                2 => c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02x}")).collect(),
                _ => format!("&#{};", u32::from(c)),
            };
            let spelt: String = secret.chars().zip(&ways).map(write).collect();
            // Else it may stand there earlier, in part.
            let [before, behind] = [around.0, around.1].map(|text| text.replace(|c| secret.contains(c), ""));
            let text = format!("{before}{spelt}{behind}");
            let at = written(&text, &secret);
            prop_assert!(at == Some(&spelt) || at == Some(&secret), "{text}");
        }

        #[test]
        fn parts_are_parts_of_the_text(text in "([a-f0-9é]|\\\\|%|&|#|x|u|;|\\+){0,30}") {
            let all = Readings::of(&text);
            for (number, read) in all.texts() {
                for (at, c) in read.char_indices() {
                    prop_assert!(text.get(all.source(number, at..at + c.len_utf8())).is_some_and(|part| !part.is_empty()));
                }
            }
        }
    }
}
