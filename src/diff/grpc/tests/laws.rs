//! What holds for any two bodies.

use super::*;
use proptest::prelude::*;

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let field = (1u64..20, 0u8..5, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..6));
    let field = field.prop_map(|(number, kind, value, bytes)| match kind {
        0 => int(number, value % 3),
        1 => f32s(number, (value % 3) as f32),
        2 => len(number, "ab"),
        3 => len(number, int(1, value % 3)),
        _ => len(number, bytes),
    });
    prop_oneof![
        4 => proptest::collection::vec(field, 0..6).prop_map(|parts| parts.concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => proptest::collection::vec(any_message(), 0..4).prop_map(|all| all.iter().flat_map(frame).collect()),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn equal_bytes_match_and_others_never(a in any_body(), b in any_body(), typed: bool) {
        let case = Case::new("/shop.Users/Get", typed);
        prop_assert!(case.compare(&a, &a).is_match());
        prop_assert_eq!(case.compare(&a, &b).is_match(), a == b);
    }

    #[test]
    fn swapped_sides_mirror(a in any_body(), b in any_body(), typed: bool) {
        let case = Case::new("/shop.Users/Get", typed);
        let places = |f: &Findings, swap: bool| {
            // Only the candidate can end too early.
            let list = f.list.iter().filter(|f| &*f.kind != "stream.ended_early");
            let mut all: Vec<String> = list.map(|f| {
                let (x, y) = if swap { (&f.candidate_class, &f.primary_class) } else { (&f.primary_class, &f.candidate_class) };
                let kind = match (swap, &*f.kind) {
                    (true, "stream.event_missing") => "stream.event_extra",
                    (true, "stream.event_extra") => "stream.event_missing",
                    (_, kind) => kind,
                };
                format!("{kind} {} {x} {y}", f.location)
            }).collect();
            all.sort();
            all
        };
        prop_assert_eq!(places(&case.compare(&a, &b), false), places(&case.compare(&b, &a), true));
    }

    #[test]
    fn what_is_told_can_be_ignored(a in any_body(), b in any_body(), typed: bool) {
        for finding in Case::new("/shop.Users/Get", typed).compare(&a, &b).list {
            let ruled = Case::new("/shop.Users/Get", typed);
            let ruled = ruled.rule(&finding.location, |r| r.ignore = Some(Ignore::All));
            let found = ruled.compare(&a, &b);
            let left = found.list.iter().find(|f| f.counts() && f.location == finding.location);
            prop_assert!(left.is_none(), "{}: {}", finding.location, told(&found));
        }
    }
}
