//! What holds for any two documents.

use super::*;
use proptest::prelude::*;

fn any_xml() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "p:a", "deadbeef01"]);
    let text = prop::sample::select(vec!["", "x", " ", "\n", "1.0", "1", "&lt;", "<![CDATA[y]]>", "<!--c-->", "é"]);
    let attributes =
        prop::sample::select(vec!["", " i='1'", " i='2' j='x'", " j='x' i='2'", " xmlns='urn:d'", " p:i='1'"]);
    let leaf = (name.clone(), attributes.clone(), text.clone())
        .prop_map(|(name, attributes, text)| format!("<{name}{attributes}>{text}</{name}>"));
    let tree = leaf.prop_recursive(3, 24, 5, move |inner| {
        (name.clone(), attributes.clone(), proptest::collection::vec((inner, text.clone()), 0..5)).prop_map(
            |(name, attributes, children)| {
                let inner: String = children.into_iter().map(|(child, text)| format!("{child}{text}")).collect();
                format!("<{name}{attributes}>{inner}</{name}>")
            },
        )
    });
    tree.prop_map(|tree| format!("<root xmlns:p='urn:p'>{tree}</root>"))
}

fn found(a: &str, b: &str) -> Findings {
    run(a.as_bytes(), b.as_bytes(), &RouteRules::none())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_differs_from_itself(a in any_xml()) {
        prop_assert!(found(&a, &a).is_match());
        let spaced = a.replace("<a>", "<a >");
        let other = found(&a, &spaced);
        prop_assert!(other.list.iter().all(|f| f.tier == Tier::Repr), "{:?}", other);
        prop_assert_eq!(other.is_match(), a == spaced);
    }

    #[test]
    fn other_bytes_are_always_told(a in any_xml(), b in any_xml()) {
        let found = found(&a, &b);
        prop_assert_eq!(found.is_match(), a == b, "{} {}", a, b);
        prop_assert!(found.budget.is_none());
        prop_assert!(found.list.iter().all(|f| f.kind.starts_with("xml.") && f.location.starts_with("xml:/")));
    }

    #[test]
    fn swapping_sides_mirrors(a in any_xml(), b in any_xml()) {
        let sorted = |found: Findings, swap: bool| {
            let mut all: Vec<_> = found.list.into_iter().map(|f| {
                let (p, c) = (f.primary_class.to_string(), f.candidate_class.to_string());
                (f.kind.to_string(), f.location.to_string(), if swap { (c, p) } else { (p, c) })
            }).collect();
            all.sort();
            all
        };
        prop_assert_eq!(sorted(found(&a, &b), false), sorted(found(&b, &a), true));
    }

    #[test]
    fn what_is_printed_can_be_pasted(a in any_xml(), b in any_xml()) {
        let specs: Vec<RuleSpec> = found(&a, &b)
            .list
            .iter()
            .filter(|f| f.counts())
            .enumerate()
            .map(|(i, f)| RuleSpec { id: format!("r{i}"), ..ignoring(&f.location, Ignore::All) })
            .collect();
        let rest = run(a.as_bytes(), b.as_bytes(), &compiled(&specs));
        prop_assert!(!rest.list.iter().any(Finding::counts), "{:?} {:?}", specs, rest.list);
    }

    #[test]
    fn one_rule_covers_its_place(a in any_xml(), b in any_xml(), which in any::<prop::sample::Index>()) {
        let counting: Vec<_> = found(&a, &b).list.into_iter().filter(Finding::counts).collect();
        prop_assume!(!counting.is_empty());
        let at = which.get(&counting).location.clone();
        let rest = run(a.as_bytes(), b.as_bytes(), &compiled(&[ignoring(&at, Ignore::All)]));
        prop_assert!(!rest.list.iter().any(|f| f.counts() && f.location == at), "{} {:?}", at, rest.list);
    }

    #[test]
    fn truncated_is_never_equal(a in any_xml(), at in any::<prop::sample::Index>()) {
        let mut end = at.index(a.len());
        while !a.is_char_boundary(end) {
            end -= 1;
        }
        prop_assert!(found(&a, &a[..end]).list.iter().any(Finding::counts));
    }

    #[test]
    fn random_bytes_never_panic(
        a in proptest::collection::vec(any::<u8>(), 0..60),
        b in "[<>/a!?&;\\[\\]CDATx#0-9 ='\"\\-:]{0,40}",
        c in any_xml(),
    ) {
        let none = RouteRules::none();
        run(&a, b.as_bytes(), &none);
        run(b.as_bytes(), c.as_bytes(), &none);
        run(c.as_bytes(), &a, &none);
    }

    #[test]
    fn paths_never_panic(text in "/?[/@{}\\[\\]*a-b0-9:.()\\PC]{0,24}") {
        let _ = XmlPath::parse(&text);
        let _ = RuleSet::compile(&[ignoring(&format!("xml:{text}"), Ignore::All)]);
    }
}
