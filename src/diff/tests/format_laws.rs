//! What holds for every format: the same content in other bytes never counts, other content always does, half a body is
//! never a whole one, sides swapped swap the findings, and a rule at a finding's location covers it.

use super::*;
use proptest::prelude::*;

/// One element of a body.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    text: String,
    number: i64,
    list: Vec<i64>,
}

/// Choices of how to write the same thing.
struct Style(u64);

impl Style {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

type Encode = fn(&[Row], &mut Style) -> Vec<u8>;

const FORMATS: [(&str, Encode); 9] = [
    ("application/x-ndjson", ndjson),
    ("application/json-seq", json_seq),
    ("text/event-stream", sse),
    ("application/x-www-form-urlencoded", form),
    ("multipart/mixed", multipart),
    ("text/csv", csv),
    ("application/msgpack", messagepack),
    ("application/cbor", cbor),
    ("application/cbor-seq", cbor_seq),
];

fn json(row: &Row, style: &mut Style) -> String {
    let text = serde_json::to_string(&row.text).unwrap();
    let mut members =
        [format!("\"text\":{text}"), format!("\"number\" : {}", row.number), format!("\"list\":{:?}", row.list)];
    members.rotate_left(style.below(3) as usize);
    format!("{{{}}}", members.join(style.pick(&[",", ", "])))
}

fn ndjson(rows: &[Row], style: &mut Style) -> Vec<u8> {
    rows.iter().map(|r| json(r, style) + style.pick(&["\n", "\r\n", "\n\n"])).collect::<String>().into_bytes()
}

fn json_seq(rows: &[Row], style: &mut Style) -> Vec<u8> {
    rows.iter().map(|r| format!("\u{1e}{}\n", json(r, style))).collect::<String>().into_bytes()
}

fn sse(rows: &[Row], style: &mut Style) -> Vec<u8> {
    let mut out = String::new();
    for row in rows {
        let end = style.pick(&["\n", "\r\n", "\r"]);
        for line in json(row, style).replacen('{', "{\n", style.below(2) as usize).split('\n') {
            out += &format!("{}data:{}{line}{end}", style.pick(&["", ": ping\n", "x: y\n"]), style.pick(&["", " "]));
        }
        out += end;
    }
    out.into_bytes()
}

fn form(rows: &[Row], style: &mut Style) -> Vec<u8> {
    let mut fields = Vec::new();
    for row in rows {
        for (name, value) in [("text", &row.text), ("number", &row.number.to_string())] {
            let mut coded = String::new();
            for byte in value.bytes() {
                coded += &match byte {
                    b' ' if style.below(2) == 0 => "+".to_owned(),
                    b if b.is_ascii_alphanumeric() && style.below(4) > 0 => char::from(b).to_string(),
                    b if style.below(2) == 0 => format!("%{b:02x}"),
                    b => format!("%{b:02X}"),
                };
            }
            fields.push(format!("{name}={coded}"));
        }
        fields.extend(row.list.iter().map(|n| format!("list={n}")));
        fields.push("list=end".into());
    }
    fields.join(style.pick(&["&", "&&"])).into_bytes()
}

fn multipart(rows: &[Row], style: &mut Style) -> Vec<u8> {
    let boundary = style.pick(&["--b1", "--another-boundary", "--=_x"]);
    let end = style.pick(&["\r\n", "\n"]);
    let mut out = String::new();
    for row in rows {
        let head = style.pick(&["Content-Type: application/json", "content-type:application/json"]);
        out += &format!("{boundary}{end}{head}{end}{end}{}{end}", json(row, style));
    }
    (out + boundary + "--" + style.pick(&["", "\r\n"])).into_bytes()
}

fn csv(rows: &[Row], style: &mut Style) -> Vec<u8> {
    let mut out = String::new();
    let head = ["text", "number", "list"].map(str::to_owned);
    let cells = |r: &Row| [r.text.clone(), r.number.to_string(), format!("{:?}", r.list)];
    for row in std::iter::once(head).chain(rows.iter().map(cells)) {
        let coded: Vec<String> = row
            .iter()
            .map(|cell| {
                let plain = !cell.contains(['"', ',', '\n', '\r']);
                if plain && style.below(2) == 0 { cell.clone() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
            })
            .collect();
        out += &(coded.join(",") + style.pick(&["\n", "\r\n"]));
    }
    out.into_bytes()
}

/// A head of CBOR or MessagePack in one of the widths that hold the number.
fn wide(n: u64, style: &mut Style, least: u32) -> (u32, Vec<u8>) {
    let fits = (0..4u32).filter(|w| *w == 3 || n < 1 << (8 << w)).filter(|w| *w >= least).collect::<Vec<_>>();
    let width = fits[style.below(fits.len() as u64) as usize];
    (width, n.to_be_bytes()[8 - (1 << width)..].to_vec())
}

fn cbor_head(major: u8, n: u64, style: &mut Style) -> Vec<u8> {
    if n < 24 && style.below(2) == 0 {
        return vec![major << 5 | n as u8];
    }
    let (width, bytes) = wide(n, style, 0);
    [vec![major << 5 | (24 + width as u8)], bytes].concat()
}

fn cbor_int(n: i64, style: &mut Style) -> Vec<u8> {
    if n < 0 { cbor_head(1, (-1 - n) as u64, style) } else { cbor_head(0, n as u64, style) }
}

fn cbor_text(text: &str, style: &mut Style) -> Vec<u8> {
    if style.below(3) > 0 {
        return [cbor_head(3, text.len() as u64, style), text.as_bytes().to_vec()].concat();
    }
    let mut out = vec![0x7F];
    for c in text.chars() {
        out.extend(cbor_head(3, c.len_utf8() as u64, style));
        out.extend(c.to_string().bytes());
    }
    out.push(0xFF);
    out
}

fn cbor_row(row: &Row, style: &mut Style) -> Vec<u8> {
    let list: Vec<u8> = row.list.iter().flat_map(|n| cbor_int(*n, style)).collect();
    let list = if style.below(2) == 0 {
        [vec![0x9F], list, vec![0xFF]].concat()
    } else {
        [cbor_head(4, row.list.len() as u64, style), list].concat()
    };
    let mut members = [
        [cbor_text("text", style), cbor_text(&row.text, style)].concat(),
        [cbor_text("number", style), cbor_int(row.number, style)].concat(),
        [cbor_text("list", style), list].concat(),
    ];
    members.rotate_left(style.below(3) as usize);
    [cbor_head(5, 3, style), members.concat()].concat()
}

fn cbor(rows: &[Row], style: &mut Style) -> Vec<u8> {
    [cbor_head(4, rows.len() as u64, style), cbor_seq(rows, style)].concat()
}

fn cbor_seq(rows: &[Row], style: &mut Style) -> Vec<u8> {
    rows.iter().flat_map(|row| cbor_row(row, style)).collect()
}

fn msgpack_int(n: i64, style: &mut Style) -> Vec<u8> {
    match n {
        -32..128 if style.below(2) == 0 => vec![n as u8],
        0.. => {
            let (width, bytes) = wide(n as u64, style, 0);
            [vec![0xCC + width as u8], bytes].concat()
        }
        _ => [vec![0xD3], n.to_be_bytes().to_vec()].concat(),
    }
}

fn msgpack_text(text: &str, style: &mut Style) -> Vec<u8> {
    if text.len() < 32 && style.below(2) == 0 {
        return [vec![0xA0 | text.len() as u8], text.as_bytes().to_vec()].concat();
    }
    let length = (text.len() as u32).to_be_bytes();
    [vec![0xDB], length.to_vec(), text.as_bytes().to_vec()].concat()
}

fn messagepack(rows: &[Row], style: &mut Style) -> Vec<u8> {
    let mut out = [vec![0xDD], (rows.len() as u32).to_be_bytes().to_vec()].concat();
    for row in rows {
        let list: Vec<u8> = row.list.iter().flat_map(|n| msgpack_int(*n, style)).collect();
        let mut members = [
            [msgpack_text("text", style), msgpack_text(&row.text, style)].concat(),
            [msgpack_text("number", style), msgpack_int(row.number, style)].concat(),
            [msgpack_text("list", style), vec![0x90 | row.list.len() as u8], list].concat(),
        ];
        members.rotate_left(style.below(3) as usize);
        out.push(0x83);
        out.extend(members.concat());
    }
    out
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = prop_oneof!["[ab]{0,2}", "[a-c \",;\n\r{é&=+%-]{0,12}"];
    let number = prop_oneof![-3i64..3, any::<i64>()];
    let row = (text, number, proptest::collection::vec(-40i64..300, 0..3));
    let row = row.prop_map(|(text, number, list)| Row { text, number, list });
    proptest::collection::vec(row, 1..6)
}

fn some_format() -> impl Strategy<Value = (&'static str, Encode)> {
    prop::sample::select(FORMATS.to_vec())
}

/// Rows and what may have become of them: one changed, lost, added, moved, or others altogether.
fn pairs() -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    (rows(), rows(), 0usize..6, any::<prop::sample::Index>()).prop_map(|(a, other, what, at)| {
        let (mut b, i) = (a.clone(), at.index(a.len()));
        match what {
            0 => b[i].number ^= 1,
            1 => drop(b.remove(i)),
            2 => b.insert(i, other[0].clone()),
            3 => b.rotate_left(i),
            4 => b.truncate(i),
            _ => b = other,
        }
        (a, b)
    })
}

fn compared(media: &str, a: &[u8], b: &[u8], rules: &[RuleSpec]) -> Findings {
    let set = RuleSet::compile(rules).unwrap();
    let rules = set.for_route("GET /", "2026-01-01");
    let asked = Asked::new("GET", "/");
    let of = |body| with_body(&format!("200\ncontent-type: {media}"), body);
    compare(&Context { rules: &rules, ..asked.context(&|| false) }, &of(a), &Outcome::from(of(b)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_same_in_other_bytes_never_counts(rows in rows(), format in some_format(), s in any::<[u64; 2]>()) {
        let (media, encode) = format;
        let (a, b) = (encode(&rows, &mut Style(s[0])), encode(&rows, &mut Style(s[1])));
        let found = compared(media, &a, &b, &[]);
        prop_assert!(!found.list.iter().any(Finding::counts) && found.budget.is_none(), "{}", told(&found));
        prop_assert_eq!(found.is_match(), a == b);
    }

    #[test]
    fn other_content_always_counts((x, y) in pairs(), format in some_format(), s in any::<[u64; 2]>()) {
        let (media, encode) = format;
        let (a, b) = (encode(&x, &mut Style(s[0])), encode(&y, &mut Style(s[1])));
        let found = compared(media, &a, &b, &[]);
        prop_assert_eq!(found.list.iter().any(Finding::counts), x != y, "{}", told(&found));
    }

    #[test]
    fn half_a_body_is_no_body(rows in rows(), format in some_format(), s in any::<u64>(), cut in any::<prop::sample::Index>()) {
        let (media, encode) = format;
        let whole = encode(&rows, &mut Style(s));
        let half = &whole[..cut.index(whole.len())];
        for (a, b) in [(&whole[..], half), (half, &whole[..])] {
            let found = compared(media, a, b, &[]);
            prop_assert!(!found.is_match());
            // White space at the end may be lost, and a form ends anywhere.
            let rest = &whole[half.len()..];
            let counts = rest.iter().any(|c| !c.is_ascii_whitespace() && !b"&=".contains(c));
            prop_assert!(!counts || found.list.iter().any(Finding::counts), "{}", told(&found));
        }
    }

    #[test]
    fn sides_swapped_swap_the_findings((x, y) in pairs(), format in some_format(), s in any::<[u64; 2]>()) {
        let (media, encode) = format;
        let (a, b) = (encode(&x, &mut Style(s[0])), encode(&y, &mut Style(s[1])));
        prop_assert_eq!(places(&compared(media, &a, &b, &[]), false), places(&compared(media, &b, &a, &[]), true));
    }

    #[test]
    fn a_rule_at_a_findings_location_covers_it((x, y) in pairs(), format in some_format(), s in any::<[u64; 2]>()) {
        let (media, encode) = format;
        let (a, b) = (encode(&x, &mut Style(s[0])), encode(&y, &mut Style(s[1])));
        for finding in compared(media, &a, &b, &[]).list.iter().filter(|f| f.counts()) {
            let ruled = compared(media, &a, &b, &[ignoring("r", &finding.location, Ignore::All)]);
            let left = ruled.list.iter().find(|f| f.counts() && f.location == finding.location);
            prop_assert!(left.is_none(), "{left:?}");
        }
    }

    #[test]
    fn any_bytes_are_compared(
        a in proptest::collection::vec(any::<u8>(), 0..80),
        b in proptest::collection::vec(any::<u8>(), 0..80),
        format in some_format(),
    ) {
        prop_assert!(compared(format.0, &a, &a, &[]).is_match());
        let (there, back) = (compared(format.0, &a, &b, &[]), compared(format.0, &b, &a, &[]));
        prop_assert_eq!(there.is_match(), a == b);
        prop_assert_eq!(places(&there, false), places(&back, true));
    }

    /// What another encoder writes is read as what it wrote.
    #[test]
    fn messagepack_of_others((x, y) in pairs()) {
        let encoded = |rows: &[Row]| {
            let rows: Vec<_> = rows.iter().map(|r| serde_json::json!({"t": r.text, "n": r.number, "l": r.list})).collect();
            (rmp_serde::to_vec(&rows).unwrap(), serde_json::to_vec(&rows).unwrap())
        };
        let ((a, a_json), (b, b_json)) = (encoded(&x), encoded(&y));
        let lines = |media, a, b| places(&compared(media, a, b, &[]), false);
        prop_assert_eq!(lines("application/msgpack", &a, &b), lines("application/json", &a_json, &b_json));
    }
}
