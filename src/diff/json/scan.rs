//! Where the pieces of a JSON text end: strings eight bytes at a time, numbers, words, white space.
//!
//! Strict by RFC 8259, but for [`skip`], which only finds ends in a text that something else proves. It knows no
//! nesting and does not look at UTF-8.

/// Each byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The first byte from `at` on that is no white space.
#[inline]
pub(super) fn blanks(bytes: &[u8], mut at: usize) -> usize {
    // Mostly there are none, which one look tells.
    while let Some(byte) = bytes.get(at)
        && *byte <= b' '
        && matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
    {
        at += 1;
    }
    at
}

/// Goes past white space; the byte there.
#[inline(always)]
pub(super) fn next(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let byte = *bytes.get(*at)?;
        if byte > b' ' {
            return Some(byte);
        }
        if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return None;
        }
        *at += 1;
    }
}

/// The end of the string that begins at `at`, quotes included.
#[inline(always)]
pub(super) fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at = special(bytes, at)?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(bytes, at + 1)?,
            _ => return None,
        }
    }
}

/// The end of the string, number or word that begins at `at`.
#[inline(always)]
pub(super) fn scalar(bytes: &[u8], at: usize) -> Option<usize> {
    let word = |word: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(word)).then_some(at + word.len());
    match bytes.get(at)? {
        b'"' => string(bytes, at),
        b'-' | b'0'..=b'9' => number(bytes, at),
        b't' => word(b"true"),
        b'f' => word(b"false"),
        b'n' => word(b"null"),
        _ => None,
    }
}

/// A member's name between its quotes, from white space before it on, and where its value begins or white space before
/// that.
#[inline(always)]
pub(super) fn name(bytes: &[u8], mut at: usize) -> Option<((usize, usize), usize)> {
    if next(bytes, &mut at)? != b'"' {
        return None;
    }
    let start = at + 1;
    let end = string(bytes, at)?;
    at = end;
    (next(bytes, &mut at)? == b':').then_some(((start, end - 1), at + 1))
}

/// The end of the value that begins at `at`, if it is one: brackets are counted, not matched.
pub(super) fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match bytes.get(at)? {
            b'"' => at = skip_string(bytes, at)?,
            b'{' | b'[' => (depth, at) = (depth + 1, at + 1),
            b'}' | b']' => (depth, at) = (depth.checked_sub(1)?, at + 1),
            byte if !ends_word(*byte) => {
                while !ends_word(*bytes.get(at)?) {
                    at += 1;
                }
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => return None,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The end of a string that is taken for one.
#[inline]
fn skip_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at = special(bytes, at)?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}

/// The end of a string that is taken for one and holds no escape.
#[inline]
pub(super) fn plain_string(bytes: &[u8], at: usize) -> Option<usize> {
    let end = special(bytes, at + 1)?;
    (bytes.get(end) == Some(&b'"')).then_some(end + 1)
}

#[inline]
fn ends_word(byte: u8) -> bool {
    const ENDS: [bool; 256] = {
        let (mut ends, mut i) = ([false; 256], 0);
        let all = b",:}]{[\" \n\r\t";
        while i < all.len() {
            ends[all[i] as usize] = true;
            i += 1;
        }
        ends
    };
    ENDS[byte as usize]
}

/// The first quote, backslash or control character from `at` on.
#[inline(always)]
fn special(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(at..)?;
        let Some(eight) = rest.first_chunk() else {
            return rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1F)).map(|i| at + i);
        };
        let word = u64::from_le_bytes(*eight);
        // A borrow only travels upwards, so the lowest flag is right.
        let below = |word: u64, n: u8| word.wrapping_sub(EACH * u64::from(n));
        let with = |bits: u8| word ^ (EACH * u64::from(bits));
        // With its second bit turned over the quote comes right behind the control characters.
        let flags = (below(with(2), 0x21) | below(with(b'\\'), 1)) & !word & (EACH << 7);
        if flags != 0 {
            return Some(at + (flags.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
}

/// The end of the escape whose backslash stands before `at`.
fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => bytes.get(at + 1..at + 5)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 5),
        _ => None,
    }
}

#[inline(always)]
fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    let peek = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let rest = |mut at: usize| {
        while peek(at).is_ascii_digit() {
            at += 1;
        }
        at
    };
    let digits = |at: usize| peek(at).is_ascii_digit().then(|| rest(at + 1));
    at += usize::from(peek(at) == b'-');
    at = match peek(at) {
        b'0' => at + 1,
        _ => digits(at)?,
    };
    let mut next = peek(at);
    if next == b'.' {
        at = digits(at + 1)?;
        next = peek(at);
    }
    if matches!(next, b'e' | b'E') {
        at += 1;
        at = digits(at + usize::from(matches!(peek(at), b'+' | b'-')))?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_end_where_each_byte_says(text in "\"([a-z\"\\\\\u{1}-\u{20}éu0-9]|\\\\[nu\"]){0,40}\"?") {
            let bytes = text.as_bytes();
            let mut at = 1;
            let expect = loop {
                match bytes.get(at) {
                    None | Some(0..=0x1F) => break None,
                    Some(b'"') => break Some(at + 1),
                    Some(b'\\') => match escape(bytes, at + 1) {
                        Some(end) => at = end,
                        None => break None,
                    },
                    Some(_) => at += 1,
                }
            };
            prop_assert_eq!(string(bytes, 0), expect);
        }

        #[test]
        fn values_are_skipped_whole(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,30}") {
            let bytes = text.as_bytes();
            if let Some(end) = scalar(bytes, 0).filter(|end| matches!(bytes.get(*end), None | Some(b',' | b' ' | b']'))) {
                prop_assert_eq!(skip(bytes, 0).unwrap_or(end), end);
            }
            prop_assert!(skip(bytes, 0).is_none_or(|end| end <= bytes.len()));
        }
    }

    #[test]
    fn containers_are_skipped_whole() {
        for (text, rest) in [("{\"}\":[1,{}]} ,", " ,"), ("[\"\\\"]\"],1", ",1"), ("12,", ","), ("\"a\\\\\",", ",")] {
            assert_eq!(skip(text.as_bytes(), 0).map(|end| &text[end..]), Some(rest), "{text}");
        }
        for text in ["", "]", ",", "[1", "{\"a", "1"] {
            assert_eq!(skip(text.as_bytes(), 0), None, "{text}");
        }
    }
}
