//! What is found, case by case.

use super::*;
use base64::Engine;

// === without a schema ===

#[test]
fn fields_go_by_number() {
    let field = "grpc.field @ grpc:$.f1[*] value";
    for (a, b, expected) in [
        (int(1, 150), int(1, 151), field),
        (int(1, u64::MAX), int(1, u64::MAX - 1), field),
        (len(1, "abc"), len(1, "abd"), field),
        (len(1, [0xFF]), len(1, [0xFE]), "grpc.field @ grpc:$.f1[*].hex value"),
        // The same digits as another wire type, and as text.
        (int(1, 1), [vec![0x0D], vec![1, 0, 0, 0]].concat(), field),
        (int(1, 1), len(1, "1"), field),
        (f32s(1, 1.0), f32s(1, 2.0), "grpc.field @ grpc:$.f1[*].fixed32 value"),
        (f64s(1, 1.0), f64s(1, 2.0), "grpc.field @ grpc:$.f1[*].fixed64 value"),
        (group(1, &int(2, 3)), group(1, &int(2, 4)), "grpc.field @ grpc:$.f1[*].group.f2[*] value"),
        (cat(&[int(1, 1), int(2, 2)]), int(1, 1), "grpc.field @ grpc:$.f2 value"),
        (int(1, 1), cat(&[int(1, 1), int(1, 2)]), field),
        // Another order of numbers means nothing, of one number's values it does.
        (cat(&[int(1, 1), int(2, 2)]), cat(&[int(2, 2), int(1, 1)]), "grpc.field @ grpc:$ repr"),
        (cat(&[int(1, 1), int(1, 2)]), cat(&[int(1, 2), int(1, 1)]), "grpc.field @ grpc:$.f1 order"),
        (vec![0x08, 0x81, 0x00], int(1, 1), "grpc.field @ grpc:$ repr"),
        (int(12_345_678, 1), int(12_345_678, 2), "grpc.field @ grpc:$.*[*] value"),
        (vec![], int(1, 1), "grpc.field @ grpc:$.f1 value"),
    ] {
        check(PLAIN(), &[a], &[b], expected);
    }
}

#[test]
fn messages_inside_are_guessed_only_where_both_are() {
    let inner = |n| len(3, cat(&[int(1, n), len(2, [0, 1])]));
    let found = check(PLAIN(), &[inner(1)], &[inner(2)], "grpc.field @ grpc:$.f3[*].f1[*] value");
    assert_eq!(&*found.list[0].exact, "grpc:$.f3[0].f1[0], guessed");
    // One side's bytes are no message: bytes on both, and nothing is guessed.
    let found = check(PLAIN(), &[inner(1)], &[len(3, [0xFF, 1])], "grpc.field @ grpc:$.f3[*].hex value");
    assert_eq!(&*found.list[0].exact, "grpc:$.f3[0].hex");
    // Both read as messages that have nothing in common.
    check(PLAIN(), &[len(3, int(1, 1))], &[len(3, int(2, 1))], "grpc.field @ grpc:$.f3[*].hex value");
    // A group says itself what it is.
    let found = PLAIN().compare(&frame(group(3, &int(1, 1))), &frame(group(3, &int(1, 2))));
    assert!(!found.list[0].exact.contains("guessed"));
}

#[test]
fn what_is_no_message_is_bytes() {
    check(PLAIN(), &[b"abc".to_vec()], &[b"abd".to_vec()], "grpc.field @ grpc:$ value");
    check(PLAIN(), &[int(1, 1)], &[vec![0xFF]], "parse.one_side @ body break\n(body.opaque @ body value)");
    check(TYPED(), &[int(2, 1)], &[vec![0xFF]], "parse.one_side @ body break\n(body.opaque @ body value)");
}

// === with a schema ===

#[test]
fn fields_go_by_name() {
    let at = |field: &str| format!("grpc.field @ grpc:$.{field} value");
    let stock = |name: &str, n| len(9, cat(&[len(1, name), len(2, int(2, n))]));
    let clock = |number, seconds, nanos| len(number, cat(&[int(1, seconds), int(2, nanos)]));
    for (a, b, expected, texts) in [
        (len(1, "a"), len(1, "b"), at("name"), ("\"a\"", "\"b\"")),
        (len(1, "a"), vec![], at("name"), ("\"a\"", "\"\"")),
        (int(2, u64::MAX), int(2, 1 << 60), at("id"), ("-1", "1152921504606846976")),
        (f32s(3, 0.1), f32s(3, 0.2), at("score"), ("0.1", "0.2")),
        (f64s(4, f64::NAN), f64s(4, 1e300), at("ratio"), ("\"NaN\"", "1e300")),
        (len(5, [0xFF]), len(5, [0xFE]), at("key"), ("\"/w==\"", "\"/g==\"")),
        (int(6, 1), int(6, 7), at("color"), ("\"RED\"", "7")),
        (int(6, 1), vec![], at("color"), ("\"RED\"", "\"GREY\"")),
        (len(7, [1, 2]), len(7, [1, 3]), at("counts[*]"), ("2", "3")),
        (len(7, [1, 2]), len(7, [1]), at("counts[*]"), ("2", "-")),
        (int(7, 1), vec![], at("counts[*]"), ("1", "-")),
        (len(8, int(2, 1)), len(8, int(2, 2)), at("items[*].count"), ("1", "2")),
        (stock("a", 1), stock("a", 2), at("stock.a.count"), ("1", "2")),
        (int(10, 0), vec![], at("age"), ("0", "-")),
        (cat(&[int(12, 1), len(11, "m")]), int(12, 1), at("mail"), ("\"m\"", "-")),
        (
            clock(13, 0, 500_000_000),
            clock(13, 1, 0),
            at("at"),
            ("\"1970-01-01T00:00:00.5Z\"", "\"1970-01-01T00:00:01Z\""),
        ),
        (clock(14, 3, 500_000_000), clock(14, 3, 0), at("took"), ("\"3.5s\"", "\"3s\"")),
        (len(16, len(1, "n")), vec![], at("nick"), ("\"n\"", "-")),
        (len(16, ""), len(16, len(1, "n")), at("nick"), ("\"\"", "\"n\"")),
        (len(17, len(17, len(1, "x"))), len(17, len(17, len(1, "y"))), at("boss.boss.name"), ("\"x\"", "\"y\"")),
        (int(18, 1), int(18, 2), at("delta"), ("-1", "1")),
        (int(99, 1), int(99, 2), at("f99[*]"), ("1", "2")),
        // Of another wire type than the schema's: no value of the field.
        (len(1, "a"), cat(&[len(1, "a"), int(1, 5)]), at("f1"), ("-", "[5]")),
    ] {
        let found = TYPED().compare(&frame(&a), &frame(&b));
        assert!(told(&found).contains(&expected), "{expected}: {}", told(&found));
        let first = found.list.iter().find(|f| expected.contains(&format!("{} ", f.location))).unwrap();
        assert_eq!((first.primary.as_deref().unwrap_or("-"), first.candidate.as_deref().unwrap_or("-")), texts);
        assert!(TYPED().compare(&frame(&a), &frame(&a)).is_match());
    }
}

#[test]
fn what_receivers_cannot_tell_apart_is_form() {
    let form = "grpc.field @ grpc:$ repr";
    for (a, b) in [
        (int(2, 0), vec![]),
        (len(1, ""), vec![]),
        (len(7, [1, 2]), cat(&[int(7, 1), int(7, 2)])),
        (cat(&[int(2, 1), int(2, 5)]), int(2, 5)),
        (cat(&[len(1, "a"), int(2, 1)]), cat(&[int(2, 1), len(1, "a")])),
        (cat(&[len(17, len(1, "a")), len(17, int(2, 1))]), len(17, cat(&[len(1, "a"), int(2, 1)]))),
        (cat(&[int(12, 1), len(11, "m")]), len(11, "m")),
        (
            cat(&[len(9, len(1, "a")), len(9, len(1, "b"))]),
            cat(&[len(9, len(1, "b")), len(9, cat(&[len(1, "a"), len(2, "")]))]),
        ),
    ] {
        check(TYPED(), &[a], &[b], form);
    }
}

#[test]
fn any_goes_by_its_type() {
    let any = |url: &str, inside: Vec<u8>| len(15, cat(&[len(1, url), len(2, inside)]));
    let item = |n| any("type.googleapis.com/shop.Item", int(2, n));
    check(TYPED(), &[item(1)], &[item(2)], "grpc.field @ grpc:$.any.count value");
    let other = |n| any("x/other.Type", vec![n]);
    check(TYPED(), &[other(1)], &[other(2)], "grpc.field @ grpc:$.any.value value");
    let time = |n| any("x/google.protobuf.Timestamp", int(1, n));
    let found = check(TYPED(), &[time(0)], &[time(1)], "grpc.field @ grpc:$.any.value value");
    assert_eq!(values(&found), ("\"1970-01-01T00:00:00Z\"", "\"1970-01-01T00:00:01Z\""));
}

#[test]
fn rules_take_all_properties() {
    let tolerance = |t| move |r: &mut RuleSpec| r.tolerance = Some(t);
    let time = Tolerance { time: Some(std::time::Duration::from_secs(5)), ..Tolerance::default() };
    let clock = |number, n| len(number, int(1, n));
    let by = |at: &str| format!("grpc.field @ grpc:$.{at} value by r");
    check(TYPED().rule("grpc:$.at", tolerance(time)), &[clock(13, 100)], &[clock(13, 103)], &by("at"));
    check(TYPED().rule("grpc:$.took", tolerance(time)), &[clock(14, 1)], &[clock(14, 3)], &by("took"));
    let ulps = Tolerance { f32_ulps: Some(1), ..Tolerance::default() };
    let near = |bits: u32| f32s(3, f32::from_bits(bits));
    let (one, next) = (1f32.to_bits(), 1f32.to_bits() + 1);
    check(TYPED().rule("grpc:$.score", tolerance(ulps)), &[near(one)], &[near(next)], &by("score"));
    let items = |a: &str, b: &str| cat(&[len(8, len(1, a)), len(8, len(1, b))]);
    let set = |r: &mut RuleSpec| r.align = Some(crate::diff::Align::Set);
    check(
        TYPED().rule("grpc:$.items", set),
        &[items("a", "b")],
        &[items("b", "a")],
        "grpc.field @ grpc:$.items order by r",
    );
    let ignore = |what| move |r: &mut RuleSpec| r.ignore = Some(what);
    check(
        PLAIN().rule("grpc:$.f1[*]", ignore(Ignore::All)),
        &[int(1, 1)],
        &[int(1, 2)],
        "grpc.field @ grpc:$.f1[*] value by r",
    );
    let wrong = RuleSpec { id: "r".into(), on: "*".into(), ignore: Some(Ignore::All), ..RuleSpec::default() };
    for at in ["grpc:fields", "grpc:$.a[?@.b]", "grpc:"] {
        assert!(RuleSet::compile(&[RuleSpec { at: at.into(), ..wrong.clone() }]).is_err(), "{at}");
    }
}

// === streams and frames ===

#[test]
fn streams() {
    let n = |n| int(1, n);
    let count = "grpc.frame_count @ grpc:$ value";
    let early = format!("{count}\nstream.ended_early @ grpc:$ break");
    check(PLAIN(), &[n(1), n(2)], &[n(1), n(3)], "grpc.field @ grpc:$[*].f1[*] value");
    check(PLAIN(), &[n(1), n(2), n(3)], &[n(1)], &early);
    check(PLAIN(), &[n(1)], &[n(1), n(2), n(3)], count);
    check(PLAIN(), &[n(1), n(2), n(3)], &[n(2), n(3)], count);
    check(PLAIN(), &[n(1)], &[], count);
    check(PLAIN(), &[n(1), n(2)], &[n(2), n(1)], "stream.event_order @ grpc:$ order");
    let two = |a: u64, b: &str| cat(&[int(1, a), len(2, b), len(3, "same"), len(4, "same")]);
    check(
        PLAIN(),
        &[two(1, "a"), two(2, "b"), two(3, "c")],
        &[two(1, "a"), two(2, "x")],
        "grpc.frame_count @ grpc:$ value\ngrpc.field @ grpc:$[*].f2[*] value",
    );
    // A method that streams does so with one message as well.
    check(Case::new("/shop.Users/Watch", true), &[len(1, "a")], &[len(1, "b")], "grpc.field @ grpc:$[*].name value");
    let ignored = |at: &str| PLAIN().rule(at, |r| r.ignore = Some(Ignore::Missing));
    for at in ["grpc:$", "grpc:$[*]"] {
        let found = ignored(at).compare(&[frame(n(1)), frame(n(2))].concat(), &frame(n(1)));
        assert!(!found.list.is_empty() && found.list.iter().all(|f| f.cover.is_some()), "{at}: {}", told(&found));
    }
}

#[test]
fn frames_are_bounded_and_whole() {
    let long = [&[0, 0xFF, 0xFF, 0xFF, 0xFF][..], b"abc"].concat();
    let found = PLAIN().compare(&frame(int(1, 1)), &long);
    assert_eq!(&*found.list[0].kind, "parse.one_side");
    let packed = |message: &[u8]| {
        let packed = crate::diff::coding::tests::gzip(message);
        let coded = [&[1][..], &(packed.len() as u32).to_be_bytes(), &packed].concat();
        let mut answer = call("application/grpc", "0", &coded);
        answer.headers.table_mut().insert("grpc-encoding", "gzip".parse().unwrap());
        answer
    };
    let plain = call("application/grpc", "0", &frame(int(1, 1)));
    assert_eq!(told(&PLAIN().answers(&plain, &packed(&int(1, 1)))), "coding.changed @ header:grpc-encoding repr");
    assert_eq!(told(&PLAIN().answers(&plain, &packed(&int(1, 2)))), "grpc.field @ grpc:$.f1[*] value");
    let zeros = packed(&len(1, vec![0; 9 << 20]));
    assert!(PLAIN().answers(&plain, &zeros).budget.is_some());
    let mut corrupt = packed(&int(1, 1));
    corrupt.body = crate::model::Captured::whole(vec![bytes::Bytes::from_static(b"\x01\0\0\0\x02zz")]);
    assert_eq!(&*PLAIN().answers(&plain, &corrupt).list[0].kind, "parse.one_side");
}

/// Few bytes whose text would be long.
#[test]
fn what_grows_too_much_is_incomparable() {
    let wide = cat(&[len(17, cat(&(1..=6).map(|n| int(n, 1)).collect::<Vec<_>>()))]);
    let many = |n: u64| {
        let empty: Vec<u8> = (0..400_000).flat_map(|_| len(8, "")).collect();
        cat(&[len(8, cat(&[len(1, "x".repeat(40)), int(2, n)])), empty, wide.clone()])
    };
    let found = TYPED().compare(&frame(many(1)), &frame(many(2)));
    assert!(found.budget.is_some() || found.decided(), "{}", told(&found));
    let deep = |n: u8| (0..200).fold(vec![8, n], |inner, _| len(17, inner));
    assert!(TYPED().compare(&frame(deep(1)), &frame(deep(2))).budget.is_some());
    let groups = |n: u8| (0..200).fold(vec![8, n], |inner, _| group(17, &inner));
    assert!(PLAIN().compare(&frame(groups(1)), &frame(groups(2))).budget.is_some());
}

// === how calls end ===

#[test]
fn forms_of_an_error() {
    let only = |status: &str| {
        crate::diff::tests::answer(&format!("200\ncontent-type: application/grpc\ngrpc-status: {status}"))
    };
    let with = |status: &str, body: &[u8]| call("application/grpc", status, body);
    let form = "grpc.trailers_only_form @ grpc:status repr";
    for (a, b, expected) in [
        (with("5", b""), only("5"), form),
        (with("5", &frame("")), only("5"), form),
        (with("5", &frame("")), with("5", b""), form),
        (with("0", &frame("")), with("0", b""), "grpc.frame_count @ grpc:$ value"),
        (
            with("0", &frame("")),
            only("0"),
            "grpc.trailers_only_form @ grpc:status repr\ngrpc.frame_count @ grpc:$ value",
        ),
        (
            with("5", &frame(int(1, 1))),
            only("5"),
            "grpc.trailers_only_form @ grpc:status repr\ngrpc.frame_count @ grpc:$ value",
        ),
    ] {
        assert_eq!(told(&PLAIN().answers(&a, &b)), expected);
        assert_eq!(told(&PLAIN().answers(&b, &a)), expected);
    }
    // What is sent in the only trailers is compared with the other's trailers.
    let more = |mut answer: Answer, value: &str| {
        let map = answer.trailers.as_mut().unwrap_or_else(|| answer.headers.table_mut());
        map.insert("x-why", value.parse().unwrap());
        answer
    };
    assert_eq!(told(&PLAIN().answers(&more(with("5", b""), "a"), &more(only("5"), "a"))), form);
    let found = PLAIN().answers(&more(with("5", b""), "a"), &more(only("5"), "b"));
    assert_eq!(told(&found), format!("trailer.value @ trailer:x-why value\n{form}"));
}

#[test]
fn messages_and_details() {
    let ended = |trailers: &str| {
        let mut answer = call("application/grpc", "5", b"");
        answer.trailers = Some(fields(&format!("grpc-status: 5\n{trailers}")));
        answer
    };
    let standard = base64::engine::general_purpose::STANDARD;
    let details = |message: &str, padding: bool| {
        let text = standard.encode(cat(&[int(1, 5), len(2, message), len(3, len(1, "a"))]));
        ended(&format!("grpc-status-details-bin: {}", if padding { &text } else { text.trim_end_matches('=') }))
    };
    let location = "trailer:grpc-status-details-bin";
    for (a, b, expected) in [
        (ended("grpc-message: a%20b"), ended("grpc-message: a b"), "grpc.message @ grpc:message repr".to_owned()),
        (ended("grpc-message: a%20b"), ended("grpc-message: a%20c"), "grpc.message @ grpc:message value".to_owned()),
        (ended("grpc-message: "), ended("x: 1"), "trailer.extra @ trailer:x value".to_owned()),
        (details("a", true), details("a", false), format!("trailer.value @ {location} repr")),
        (details("a", true), details("b", true), format!("trailer.value @ {location} value")),
        (details("a", true), ended(""), format!("trailer.missing @ {location} value")),
    ] {
        assert_eq!(told(&PLAIN().answers(&a, &b)), expected);
    }
    let fine = |trailers: &str| {
        let mut answer = call("application/grpc", "0", b"");
        answer.trailers = Some(fields(&format!("grpc-status: 0\n{trailers}")));
        answer
    };
    let metadata = |text: &str| fine(&format!("x-token-bin: {text}"));
    let head = |text: &str| {
        let mut answer = fine("");
        answer.headers.table_mut().insert("x-token-bin", text.parse().unwrap());
        answer
    };
    for (a, b, expected) in [
        (fine(""), fine("grpc-message: OK"), "grpc.message @ grpc:message repr"),
        (fine(""), ended("grpc-message: no"), "grpc.status @ grpc:status break\n(grpc.message @ grpc:message value)"),
        (metadata("AAE="), metadata("AAE"), "trailer.value @ trailer:x-token-bin repr"),
        (metadata("AAE="), metadata("AAI"), "trailer.value @ trailer:x-token-bin value"),
        (metadata("AAE=,AA=="), metadata("AAE"), "trailer.value @ trailer:x-token-bin value"),
        (metadata("AAE=,AA=="), metadata("AAE, AA"), "trailer.value @ trailer:x-token-bin repr"),
        (metadata("-="), metadata("-"), "trailer.value @ trailer:x-token-bin value"),
        (head("AAE="), head("AAE"), "header.value @ header:x-token-bin repr"),
        (head("AAE="), head("AAI="), "header.value @ header:x-token-bin value"),
    ] {
        assert_eq!(told(&PLAIN().answers(&a, &b)), expected);
    }
    let found = PLAIN().answers(&details("a", true), &details("b", true));
    assert_eq!(values(&found), ("\"a\"", "\"b\""));
    assert_eq!(&*found.list[0].exact, "trailer:grpc-status-details-bin, $.f2[0]");
}

// === other clothes ===

#[test]
fn web_is_unwrapped() {
    let trailer = |status: &str| {
        let text = format!("grpc-status:{status}\r\ngrpc-message:x\r\n");
        [&[0x80][..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
    };
    let web = |n, status: &str| {
        with_body("200\ncontent-type: application/grpc-web+proto", &[frame(int(1, n)), trailer(status)].concat())
    };
    let text = |n, status: &str, split: bool| {
        let standard = base64::engine::general_purpose::STANDARD;
        let parts = [frame(int(1, n)), trailer(status)];
        let body = if split { parts.map(|p| standard.encode(p)).concat() } else { standard.encode(parts.concat()) };
        with_body("200\ncontent-type: application/grpc-web-text", body.as_bytes())
    };
    let field = "grpc.field @ grpc:$.f1[*] value";
    let ended = "grpc.status @ grpc:status break";
    assert_eq!(told(&PLAIN().answers(&web(1, "0"), &web(2, "0"))), field);
    assert_eq!(told(&PLAIN().answers(&web(1, "0"), &web(1, "5"))), ended);
    assert_eq!(told(&PLAIN().answers(&text(1, "0", true), &text(2, "0", false))), field);
    let recoded = "body.encoding @ body repr";
    assert_eq!(told(&PLAIN().answers(&text(1, "0", true), &text(1, "0", false))), recoded);
    // The length is that of what was sent, not of what is in it.
    let mut sized = text(1, "0", true);
    sized.headers.table_mut().insert("content-length", sized.body.len().into());
    assert_eq!(told(&PLAIN().answers(&text(1, "0", true), &sized)), "");
    assert_eq!(told(&PLAIN().answers(&text(1, "0", true), &text(1, "5", true))), ended);
}

#[test]
fn json_messages_and_bare_bodies() {
    let json = Case { kind: "application/grpc+json", ..PLAIN() };
    let body = |text: &str| frame(text);
    assert_eq!(told(&json.compare(&body("{\"name\":1}"), &body("{\"name\":2}"))), "grpc.field @ grpc:$.name value");
    assert_eq!(told(&json.compare(&body("{\"a\":1}"), &body("{ \"a\":1}"))), "grpc.field @ grpc:$ repr");
    assert_eq!(&*json.compare(&body("1"), &body("1,2")).list[0].kind, "parse.one_side");
    let other = Case { kind: "application/grpc+thrift", ..PLAIN() };
    assert_eq!(told(&other.compare(&body("a"), &body("b"))), "grpc.field @ grpc:$ value");

    let bare = |kind: &str, n| with_body(&format!("200\ncontent-type: {kind}"), &cat(&[len(1, "a"), int(2, n)]));
    let field = |name: &str| format!("grpc.field @ grpc:$.{name} value");
    let answers = |case: Case, kind: &str| told(&case.answers(&bare(kind, 1), &bare(kind, 2)));
    assert_eq!(answers(PLAIN(), "application/x-protobuf"), field("f2[*]"));
    assert_eq!(answers(TYPED(), "application/protobuf"), field("id"));
    let typed = Case::new("/items/1", true);
    assert_eq!(answers(typed, "application/x-protobuf; messageType=\"shop.Item\""), field("count"));
}

// === descriptor sets ===

#[test]
fn sets_that_cannot_be_used_are_refused() {
    let refused = |sets: &[Vec<u8>]| {
        let (index, error) = Schema::load(sets).map(|_| ()).unwrap_err();
        format!("{index}: {error}")
    };
    let both = set(vec![well_known(), shop()]);
    assert!(refused(&[both.clone(), b"syntax = \"proto3\";".to_vec()]).starts_with("1: this is not a descriptor set"));
    assert!(refused(&[Vec::new()]).contains("holds no file"));
    assert!(refused(&[set(vec![shop()])]).contains("--include_imports"));
    let mut other = shop();
    other.message_type.pop();
    other.message_type.iter_mut().for_each(|m| m.field.truncate(1));
    assert!(refused(&[both.clone(), set(vec![other])]).contains("two versions"));
    let twice = FileDescriptorProto { name: Some("again.proto".into()), ..shop() };
    assert!(refused(&[both.clone(), set(vec![twice])]).contains("already"));
    // The same file in two sets is one, with or without comments.
    let mut commented = shop();
    commented.source_code_info = Some(Default::default());
    let joined = Schema::load(&[set(vec![well_known(), commented]), both.clone()]).unwrap();
    assert_eq!(joined, Schema::load(&[both]).unwrap());
}

#[test]
fn another_schema_is_another_comparison() {
    let with = |schema| RuleSet::compile(&[]).unwrap().with_schema(schema);
    let less = Schema::load(&[set(vec![well_known()])]).unwrap();
    let digests: Vec<_> =
        [None, Some(schema()), Some(Arc::new(less))].map(|s| with(s).digest("2026-01-01")).into_iter().collect();
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    assert_ne!(with(None).for_route("a", "").digest(), with(Some(schema())).for_route("a", "").digest());
}
