//! Bodies with the origins of the systems compared put aside, so that links which lead to the same place are the same.
//!
//! A leg's own origin is mapped to one word in its own answer; the other's too, where the other has that very URL: what
//! both have written alike stays alike.

use super::context::Context;
use super::origin::{ORIGIN, Side, own_origin};
use super::value::text::unescape;
use memchr::{memchr, memmem};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Bytes of a URL by which it is known from others.
const MAX_URL: usize = 2048;

type Both<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A URL that stands in a body.
struct Named<'a> {
    /// Where its origin stands.
    span: Range<usize>,
    /// Whatever follows that, too.
    url: Cow<'a, [u8]>,
    /// Bytes of the origin in that.
    origin: usize,
}

/// Two JSON texts with the strings that start with an own origin rewritten to start with the placeholder. Unchanged where
/// there is none, so it costs one search each.
pub(super) fn json<'a>(context: &Context<'_>, primary: &'a [u8], other: &'a [u8]) -> Both<'a> {
    put_aside(context, primary, other, strings, plain)
}

/// Two texts with the own origins rewritten to the placeholder wherever they stand whole.
pub(super) fn text<'a>(context: &Context<'_>, primary: &'a str, other: &'a str) -> (Cow<'a, str>, Cow<'a, str>) {
    let (a, b) = put_aside(context, primary.as_bytes(), other.as_bytes(), whole, |text| Cow::Borrowed(text));
    let text = |mapped: Cow<'_, [u8]>, text| match mapped {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(mapped) => Cow::Owned(String::from_utf8_lossy(&mapped).into_owned()),
    };
    (text(a, primary), text(b, other))
}

/// Both with what `find` finds of their origins replaced by a word that neither has, `read` as it is.
fn put_aside<'a>(
    context: &Context<'_>,
    primary: &'a [u8],
    other: &'a [u8],
    find: impl for<'t> Fn(&'t [u8], &str) -> Vec<Named<'t>>,
    read: impl for<'t> Fn(&'t [u8]) -> Cow<'t, [u8]>,
) -> Both<'a> {
    fn named<'t>(
        find: impl Fn(&'t [u8], &str) -> Vec<Named<'t>>,
        text: &'t [u8],
        origin: Option<&str>,
    ) -> Vec<Named<'t>> {
        // Many bodies have no URL at all, which is seen sooner than that they have not this one.
        match origin.map(|o| o.trim_end_matches('/')).filter(|o| !o.is_empty() && memchr(b'/', text).is_some()) {
            Some(origin) => find(text, origin),
            None => Vec::new(),
        }
    }
    let (mine, yours) = (own_origin(context, Side::Primary), own_origin(context, Side::Other));
    let (mut ours, mut theirs) = (named(&find, primary, mine), named(&find, other, yours));
    if ours.is_empty() && theirs.is_empty() {
        return (Cow::Borrowed(primary), Cow::Borrowed(other));
    }
    let (mut also_ours, mut also_theirs) =
        (shared(named(&find, primary, yours), &theirs), shared(named(&find, other, mine), &ours));
    if !also_ours.is_empty() && !also_theirs.is_empty() {
        leave_swapped((&ours, &mut also_ours), (&theirs, &mut also_theirs));
    }
    ours.extend(also_ours);
    theirs.extend(also_theirs);
    // A leg that keeps the client's Host prints that one where another prints its own.
    if let Some(host) = &context.request.host {
        let asked = format!("{}://{host}", context.request.scheme);
        ours.extend(named(&find, primary, Some(&asked)));
        theirs.extend(named(&find, other, Some(&asked)));
    }
    let word = free_word([&read(primary), &read(other)]);
    (rewritten(primary, ours, &word), rewritten(other, theirs, &word))
}

/// Those that are among `others`.
fn shared<'a>(urls: Vec<Named<'a>>, others: &[Named<'_>]) -> Vec<Named<'a>> {
    if urls.is_empty() {
        return urls;
    }
    let others: HashSet<&[u8]> = others.iter().map(|other| &*other.url).collect();
    urls.into_iter().filter(|url| others.contains(&*url.url)).collect()
}

/// Takes out, of what both have, the URLs that each has at both origins, unless in the same order: put aside, links that
/// have changed places would lead to the same. Each side is what it has at its own origin and at the other's.
fn leave_swapped(ours: (&[Named<'_>], &mut Vec<Named<'_>>), theirs: (&[Named<'_>], &mut Vec<Named<'_>>)) {
    let rests = |urls: &[Named<'_>]| urls.iter().map(|url| url.rest().to_vec()).collect::<HashSet<_>>();
    let mut swapped = rests(ours.1);
    swapped = rests(theirs.1).into_iter().filter(|rest| swapped.contains(rest)).collect();
    if swapped.is_empty() {
        return;
    }
    let (x, y) = (origins(ours.0, ours.1), origins(theirs.1, theirs.0));
    swapped.retain(|rest| x.get(&**rest) != y.get(&**rest));
    ours.1.retain(|url| !swapped.contains(url.rest()));
    theirs.1.retain(|url| !swapped.contains(url.rest()));
}

/// What each rest of a URL stands behind, in order: the primary's origin or the other's.
fn origins<'n>(at_primary: &'n [Named<'_>], at_other: &'n [Named<'_>]) -> HashMap<&'n [u8], Vec<bool>> {
    let primary = at_primary.iter().map(|url| (url, true));
    let mut all: Vec<_> = primary.chain(at_other.iter().map(|url| (url, false))).collect();
    all.sort_by_key(|(url, _)| url.span.start);
    let mut origins: HashMap<&[u8], Vec<bool>> = HashMap::new();
    for (url, is_primary) in all {
        origins.entry(url.rest()).or_default().push(is_primary);
    }
    origins
}

/// The first word of ours that none of the texts has.
fn free_word(texts: [&[u8]; 2]) -> String {
    const BEGUN: &[u8] = b"{origin";
    let mut taken = HashSet::new();
    for text in texts {
        for at in memmem::find_iter(text, BEGUN) {
            match text.get(at + BEGUN.len()..).unwrap_or_default() {
                [b'}', ..] => drop(taken.insert(0)),
                [b'-', rest @ ..] => {
                    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                    let digits = rest.get(..length).and_then(|digits| std::str::from_utf8(digits).ok());
                    taken.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
                }
                _ => {}
            }
        }
    }
    match (0..).find(|n| !taken.contains(n)) {
        Some(n @ 1..) => format!("{{origin-{n}}}"),
        _ => ORIGIN.to_owned(),
    }
}

fn rewritten<'a>(text: &'a [u8], mut urls: Vec<Named<'_>>, word: &str) -> Cow<'a, [u8]> {
    if urls.is_empty() {
        return Cow::Borrowed(text);
    }
    urls.sort_by_key(|url| url.span.start);
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for Named { span, .. } in urls {
        // Two of the origins may be the same.
        if let Some(before) = text.get(from..span.start) {
            out.extend_from_slice(before);
            out.extend_from_slice(word.as_bytes());
            from = span.end;
        }
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// The strings of JSON that start with an origin, with its slashes escaped or not.
fn strings<'a>(text: &'a [u8], origin: &str) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    let escaped = memchr(b'\\', text).map(|_| origin.replace('/', "\\/"));
    for written in [Some(origin.to_owned()), escaped].into_iter().flatten() {
        let needle = format!("\"{written}");
        for at in memmem::find_iter(text, needle.as_bytes()) {
            let (start, after) = (at + 1, at + needle.len());
            // `http://old:80` must not eat the beginning of `http://old:8080`.
            if !matches!(text.get(after), Some(b'/' | b'?' | b'#' | b'"' | b'\\')) {
                continue;
            }
            let rest = text.get(after..).unwrap_or_default();
            let end = after + memchr(b'"', rest).unwrap_or(rest.len()).min(MAX_URL);
            let url = unescape(text.get(start..end).unwrap_or_default());
            found.push(Named { span: start..after, url, origin: origin.len() });
        }
    }
    found
}

/// Where a text has an origin and no longer one begins or ends there.
fn whole<'a>(text: &'a [u8], origin: &str) -> Vec<Named<'a>> {
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'@' | b':' | b'%') || *b >= 0x80;
    let ends = |b: &u8| {
        let sign = matches!(b, b'"' | b'\'' | b'<' | b'>' | b'&' | b'\\' | b',' | b';' | b')' | b']' | b'}');
        sign || b.is_ascii_whitespace()
    };
    let mut found = Vec::new();
    let mut places = memmem::find_iter(text, origin.as_bytes()).peekable();
    while let Some(at) = places.next() {
        let rest = text.get(at + origin.len()..).unwrap_or_default();
        // A full stop belongs to the name if the name goes on behind it.
        let goes_on = match rest {
            [b'.' | b':', next, ..] => word(next),
            [b'.' | b':'] => false,
            _ => rest.first().is_some_and(word),
        };
        let begun = at.checked_sub(1).and_then(|i| text.get(i)).is_some_and(u8::is_ascii_alphanumeric);
        if goes_on || begun {
            continue;
        }
        let after = at + origin.len();
        // It ends before the next one at the latest, so that nothing is read twice.
        let most = places.peek().map_or(MAX_URL, |next| next.saturating_sub(after).min(MAX_URL));
        let length = rest.iter().take(most).take_while(|b| !ends(b)).count();
        let url = text.get(at..after + length).unwrap_or_default().into();
        found.push(Named { span: at..after, url, origin: origin.len() });
    }
    found
}

/// A JSON text with no sign of a word escaped.
fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    let escapes = memmem::find(text, b"\\u00").is_some();
    if escapes { unescape(text) } else { Cow::Borrowed(text) }
}

// === impl Named ===

impl Named<'_> {
    /// What follows the origin.
    fn rest(&self) -> &[u8] {
        self.url.get(self.origin..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Asked;
    use super::*;

    /// What becomes of two JSON texts.
    #[track_caller]
    fn check(a: &str, b: &str, expected: (&str, &str)) {
        let asked = Asked::new("GET", "/").origins("http://old:80/", "http://new:2");
        let never = || false;
        let (a, b) = json(&asked.context(&never), a.as_bytes(), b.as_bytes());
        assert_eq!((&*String::from_utf8_lossy(&a), &*String::from_utf8_lossy(&b)), expected);
    }

    #[test]
    fn only_whole_origins_are_mapped() {
        check(
            r#"{"a":"http://old:80/x","b":"http://old:8080/x","c":"see http://old:80/x","d":"http://old:80"}"#,
            r#"["http:\/\/new:2\/x","http:\/\/new:20"]"#,
            (
                r#"{"a":"{origin}/x","b":"http://old:8080/x","c":"see http://old:80/x","d":"{origin}"}"#,
                r#"["{origin}\/x","http:\/\/new:20"]"#,
            ),
        );
    }

    #[test]
    fn what_both_have_written_alike_stays_alike() {
        for url in ["http://old:80/x", "http://new:2/x"] {
            check(&format!("[\"{url}\"]"), &format!("[ \"{url}\"]"), ("[\"{origin}/x\"]", "[ \"{origin}/x\"]"));
        }
        check(
            r#"["http:\/\/old:80\/x","http://old:80/y"]"#,
            r#"["http://old:80/x","http://old:80/z"]"#,
            (r#"["{origin}\/x","{origin}/y"]"#, r#"["{origin}/x","http://old:80/z"]"#),
        );
    }

    #[test]
    fn the_word_is_one_that_neither_has() {
        let own = r#"["http://old:80/x"]"#;
        check(own, r#"["{origin}/x"]"#, (r#"["{origin-1}/x"]"#, r#"["{origin}/x"]"#));
        check(own, r#"["\u007borigin}/x"]"#, (r#"["{origin-1}/x"]"#, r#"["\u007borigin}/x"]"#));
        check(own, r#"["\u007d{origin-1}"]"#, (r#"["{origin}/x"]"#, r#"["\u007d{origin-1}"]"#));
    }

    #[test]
    fn links_that_have_changed_places_are_others() {
        check(
            r#"["http://old:80/x","http://new:2/x"]"#,
            r#"["http:\/\/new:2\/x","http:\/\/old:80\/x"]"#,
            (r#"["{origin}/x","http://new:2/x"]"#, r#"["{origin}\/x","http:\/\/old:80\/x"]"#),
        );
        // In the same order they are what both have written alike.
        check(
            r#"["http://old:80/x","http://new:2/x"]"#,
            r#"["http://old:80/x", "http://new:2/x"]"#,
            (r#"["{origin}/x","{origin}/x"]"#, r#"["{origin}/x", "{origin}/x"]"#),
        );
        check(
            r#"["http://old:80/x","http://old:80/x","http://new:2/y"]"#,
            r#"["http://new:2/x","http://old:80/x","http://new:2/y"]"#,
            (r#"["{origin}/x","{origin}/x","{origin}/y"]"#, r#"["{origin}/x","{origin}/x","{origin}/y"]"#),
        );
    }

    #[test]
    fn a_word_is_found_in_one_reading() {
        let taken: String = (1..60_000).map(|n| format!("{{origin-{n}}}")).collect();
        assert_eq!(free_word([taken.as_bytes(), b"{origin}{origin-99999999999999999999}"]), "{origin-60000}");
        assert_eq!(free_word([taken.as_bytes(), b"{original}"]), "{origin}");
        assert_eq!(free_word([b"origin", b"{origin-1}"]), "{origin}");
    }

    #[test]
    fn urls_in_text_are_read_once() {
        let text = "http://old:80/http://new:2/".repeat(20_000);
        let found = whole(text.as_bytes(), "http://old:80");
        let read: usize = found.iter().map(|named| named.url.len()).sum();
        assert_eq!((found.len(), read), (20_000, text.len()));
        let urls = |text: &str| {
            let found = whole(text.as_bytes(), "http://old:80");
            found.iter().map(|named| String::from_utf8_lossy(&named.url).into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(urls("(http://old:80/x), [http://old:80/y]"), "http://old:80/x http://old:80/y");
    }

    #[test]
    fn the_clients_origin_counts_where_an_own_one_does() {
        let client = r#"["http://shop.example/x"]"#;
        check(client, client, (client, client));
        check(client, r#"["http://new:2/x"]"#, (r#"["{origin}/x"]"#, r#"["{origin}/x"]"#));
    }
}
