//! MessagePack and CBOR, by examples written out in bytes.

use super::*;

const MSGPACK: &str = "200\ncontent-type: application/msgpack";
const CBOR: &str = "200\ncontent-type: application/cbor";

#[track_caller]
fn check_bytes(head: &str, primary: &[u8], candidate: &[u8], expected: &str) {
    check_answers(&Asked::new("GET", "/"), &with_body(head, primary), &with_body(head, candidate), expected);
}

/// What both values are told as.
#[track_caller]
fn check_shown(head: &str, primary: &[u8], candidate: &[u8], expected: (&str, &str)) {
    let asked = Asked::new("GET", "/");
    let found = asked.compare(&with_body(head, primary), &Outcome::from(with_body(head, candidate)));
    let [one] = found.list.as_slice() else { panic!("{}", told(&found)) };
    assert_eq!((one.primary.as_deref(), one.candidate.as_deref()), (Some(expected.0), Some(expected.1)));
}

#[test]
fn messagepack() {
    let check = |a: &[u8], b: &[u8], expected: &str| check_bytes(MSGPACK, a, b, expected);
    let map = b"\x82\xa1a\x01\xa1b\x02";
    check(map, b"\x82\xa1a\x01\xa1b\x03", "json.value @ json:$.b value");
    check(map, b"\x82\xa1a\x01\xa1b\xcc\x02", "body.encoding @ body repr");
    check(map, b"\xde\x00\x02\xd9\x01a\xd0\x01\xda\x00\x01b\xcf\0\0\0\0\0\0\0\x02", "body.encoding @ body repr");
    check(map, b"\x82\xa1b\x02\xa1a\x01", "json.key_order @ json:$ repr");
    check(map, b"\x81\xa1a\x01", "json.missing @ json:$.b value");
    check(map, b"\x82\xa1a\x01\xa1b", "parse.one_side @ body break\n(body.opaque @ body value)");
    check(map, b"\x82\xa1a\x01\xa1b\x02\x00", "parse.one_side @ body break\n(body.opaque @ body value)");
    check(b"\xc1", b"\xc1\xc1", "parse.both @ body info\nbody.opaque @ body value");
    check(map, b"\x82\xa1a\x01\xa1b\xa12", "json.type @ json:$.b value");
    // A key is what it is: 1 is not "1".
    check(b"\x81\x01\x02", b"\x81\xa11\x02", "json.missing @ json:$['$1'] value\njson.extra @ json:$.* value");
    check(b"\x81\x01\x02", b"\x81\xa2$1\x02", "json.missing @ json:$['$1'] value\njson.extra @ json:$['$$1'] value");
    // Text is not binary, and neither is an object that looks like what stands for it.
    check(b"\xa1a", b"\xc4\x01a", "json.type @ json:$ value");
    check(
        b"\xc4\x01a",
        b"\x81\xa7$binary\xa261",
        "json.missing @ json:$['$binary'] value\njson.extra @ json:$['$$binary'] value",
    );
    check(b"\xc4\x01a", b"\xc4\x01b", "json.value @ json:$['$binary'] value");
    check(b"\xd4\x05a", b"\xd4\x06a", "json.value @ json:$['$ext'] value");
    check(b"\xd6\xff\0\0\0\x01", b"\xd7\xff\0\0\0\0\0\0\0\x01", "body.encoding @ body repr");
    check_shown(
        MSGPACK,
        b"\xc7\x0c\xff\x1d\xcd\x65\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd6\xff\0\0\0\x01",
        ("\"1969-12-31T23:59:59.5Z\"", "\"1970-01-01T00:00:01Z\""),
    );
    check_shown(
        MSGPACK,
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd3\x80\0\0\0\0\0\0\0",
        ("18446744073709551615", "-9223372036854775808"),
    );
    check_shown(
        MSGPACK,
        b"\xca\x3d\xcc\xcc\xcd",
        b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a",
        ("0.10000000149011612", "0.1"),
    );
    check_shown(MSGPACK, b"\xca\x7f\xc0\0\0", b"\xca\xff\x80\0\0", ("\"NaN\"", "\"-Infinity\""));
    // A float that is whole is the number, in other words.
    check(b"\x01", b"\xca\x3f\x80\0\0", "json.number_repr @ json:$ repr");
    check(b"\xcf\x10\0\0\0\0\0\0\0", b"\xcb\x43\xb0\0\0\0\0\0\0", "json.number_repr @ json:$ repr");
    check(b"\xcf\x10\0\0\0\0\0\0\x01", b"\xcb\x43\xb0\0\0\0\0\0\0", "json.value @ json:$ value");
}

#[test]
fn cbor() {
    let check = |a: &[u8], b: &[u8], expected: &str| check_bytes(CBOR, a, b, expected);
    let map = b"\xa2\x61a\x01\x61b\x82\x02\x03";
    check(map, b"\xa2\x61a\x01\x61b\x82\x02\x04", "json.value @ json:$.b[*] value");
    check(map, b"\xbf\x61a\x18\x01\x7f\x61b\xff\x9f\x02\x03\xff\xff", "body.encoding @ body repr");
    check(map, b"\xd9\xd9\xf7\xa2\x61a\x01\x61b\x82\x02\x03", "body.encoding @ body repr");
    check(map, b"\xa2\x61a\x01\x61b\x9f\x02\x03", "parse.one_side @ body break\n(body.opaque @ body value)");
    check(b"\x41a", b"\x61a", "json.type @ json:$ value");
    check(b"\xc1\x01", b"\xc0\x01", "json.value @ json:$['$tag'] value");
    check(b"\xc1\x01", b"\x01", "json.type @ json:$ value");
    check(b"\xf6", b"\xf7", "json.type @ json:$ value");
    check(b"\xc2\x42\x01\x00", b"\x19\x01\x00", "body.encoding @ body repr");
    check(b"\xf9\x3c\x00", b"\xfb\x3f\xf0\0\0\0\0\0\0", "body.encoding @ body repr");
    check(b"\xf9\x7c\x00", b"\xf9\x7e\x00", "json.value @ json:$['$float'] value");
    let big = |tag: u8| [&[tag, 0x49][..], &[1, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    check_shown(CBOR, &big(0xC2), &big(0xC3), ("18446744073709551616", "-18446744073709551617"));
    check_shown(
        CBOR,
        b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xf9\x04\x01",
        ("-18446744073709551616", "0.00006109476089477539"),
    );
    let seq = "200\ncontent-type: application/cbor-seq";
    check_bytes(seq, b"\x01\x02\x03", b"\x01\x02", "stream.ended_early @ body break");
    check_bytes(seq, b"\x01\xa1\x61a\x01", b"\x01\xa1\x61a\x02", "json.value @ json:$[*].a value");
}

#[test]
fn what_a_header_claims_is_not_believed() {
    let asked = Asked::new("GET", "/");
    let deep = |n: usize, open: u8| [vec![open; n], vec![0x01]].concat();
    for (head, claims, open) in
        [(MSGPACK, &b"\xdd\xff\xff\xff\xff\x01"[..], 0x91), (CBOR, b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0x81)]
    {
        check_answers(
            &asked,
            &with_body(head, claims),
            &with_body(head, b"\x01"),
            "parse.one_side @ body break\n(body.opaque @ body value)",
        );
        check_answers(
            &asked,
            &with_body(head, &deep(100_000, open)),
            &with_body(head, b"\x01"),
            "budget: the limit on depth was reached",
        );
    }
    let long = |c: u8| with_body(MSGPACK, &[&[0xC5, 0x01, 0x00][..], &[7; 255], &[c]].concat());
    let found = asked.compare(&long(1), &Outcome::from(long(2)));
    assert_eq!(told(&found), "json.value @ json:$['$binary'] value");
    assert!(found.list[0].primary.as_ref().unwrap().contains("256 bytes"));
    // A name that repeats in a table makes it long.
    let wide = |c: char| {
        format!("200\ncontent-type: text/csv\n\n{}\n{}", "n".repeat(100_000), format!("{c}\n").repeat(10_000))
    };
    check(&wide('1'), &wide('2'), "budget: the limit on size was reached");
    let many = |c: char| format!("200\ncontent-type: text/csv\n\n{}\n{c}", "n,".repeat(10_000));
    check(&many('1'), &many('2'), "budget: the limit on columns was reached");
    let parts =
        |c: char| format!("200\ncontent-type: multipart/mixed; boundary=b\n\n{}{c}", "--b\n\nx\n".repeat(10_002));
    check(&parts('1'), &parts('2'), "budget: the limit on parts was reached");
    // A key inside a key is quoted once more, and each quote doubles what stands before it.
    let nested = |c: u8| with_body(MSGPACK, &[vec![0x81; 200], vec![0xA1, c], vec![1; 200]].concat());
    check_answers(&asked, &nested(b'x'), &nested(b'y'), "budget: the limit on size was reached");
}
