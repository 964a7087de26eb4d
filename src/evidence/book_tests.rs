//! Epochs: which one an exchange counts in, whatever happens in between.

use super::super::testing::{at, compared, finding};
use super::*;
use crate::diff::Tier;
use crate::evidence::Settlement;
use crate::model::Incomparable;
use proptest::prelude::*;

#[path = "clock_tests.rs"]
mod clock_tests;
#[path = "naming_tests.rs"]
mod naming_tests;
#[path = "places_tests.rs"]
mod places_tests;

fn rules(generation: u64, of: impl Fn(&str) -> String + Send + Sync + 'static) -> Rules {
    Rules { generation, digest: format!("all-{generation}"), infos: Arc::default(), route: Arc::new(of) }
}

fn same(generation: u64) -> Rules {
    rules(generation, |_| "r1".into())
}

fn book() -> Book {
    Book::new(same(1), 5, at(0))
}

/// By both clocks.
fn moment(second: u64) -> Moment {
    Moment { wall: at(second), steady: Duration::from_secs(second) }
}

fn exchange(book: &mut Book, route: &str, build: Option<&str>) {
    let begun = book.begin(&route.into(), at(1));
    settle(book, &begun, build, 1);
}

fn settle(book: &mut Book, begun: &Begun, build: Option<&str>, generation: u64) {
    let mut settled = compared("x", &begun.route, 1, vec![]);
    settled.build = build.map(Into::into);
    settled.generation = generation;
    book.settle(begun, &settled, at(2));
}

#[test]
fn labels_that_are_ids_push_nothing_out() {
    let mut book = book();
    for i in 0..1_000u64 {
        let begun = book.begin(&"GET /a".into(), at(1));
        let mut settled = compared("x", "GET /a", 1, vec![]);
        settled.build = Some(format!("id-{}", i % 6).into());
        // All within the minute.
        book.pass(moment(2 + i / 50), false);
        book.settle(&begun, &settled, at(2 + i / 50));
    }
    let told: u64 = book.history().iter().map(|past| past.totals.requests).sum();
    let newest = &book.newest().evidence;
    assert_eq!(told + newest.totals().requests, 1_000, "nothing is dropped");
    assert_eq!(book.newest().number, 9, "the first was adopted, eight more began");
    assert!(newest.epoch.other_builds > 100 && newest.epoch.other_builds < newest.totals().requests);
    for epoch in book.epochs() {
        epoch.evidence.law().unwrap();
    }
    // A deployment that comes later has its epoch.
    let begun = book.begin(&"GET /a".into(), at(100));
    let mut settled = compared("x", "GET /a", 100, vec![]);
    settled.build = Some("next".into());
    book.pass(moment(100), false);
    book.settle(&begun, &settled, at(100));
    assert_eq!(book.newest().evidence.epoch.candidate_build.as_deref(), Some("next"));
    assert_eq!(book.newest().evidence.epoch.other_builds, 0);
}

fn requests(book: &Book) -> Vec<(String, Option<String>, u64, u64)> {
    let row = |e: &Epoch| {
        let totals = e.evidence.totals();
        let build = e.evidence.epoch.candidate_build.as_ref().map(|b| b.to_string());
        (e.evidence.epoch.id.clone(), build, totals.requests, totals.pending)
    };
    book.epochs().map(row).collect()
}

fn row(id: &str, build: Option<&str>, requests: u64, pending: u64) -> (String, Option<String>, u64, u64) {
    (id.into(), build.map(Into::into), requests, pending)
}

#[test]
fn tables_are_to_be_written_where_something_was_found() {
    let mut book = book();
    exchange(&mut book, "GET /quiet", None);
    for (route, control) in [("GET /differs", false), ("GET /noisy", true)] {
        let begun = book.begin(&route.into(), at(1));
        let found = vec![finding("json.value", "json:$.a", Tier::Value)];
        let mut settled = compared("x", route, 1, if control { vec![] } else { found.clone() });
        if let (true, Settlement::Compared(compared)) = (control, &mut settled.result) {
            compared.control = Some(super::super::testing::findings(found));
        }
        book.settle(&begun, &settled, at(2));
    }
    let names = |routes: &BTreeSet<Arc<str>>| routes.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let dirt = book.newest().dirt();
    assert_eq!(names(&dirt.routes), ["GET /differs", "GET /noisy", "GET /quiet"]);
    assert_eq!(names(&dirt.tables), ["GET /differs", "GET /noisy"]);
    // Examples are let go of with the epoch.
    book.kept();
    book.new_epoch(None, at(3));
    let old = book.epochs().next().unwrap().dirt();
    assert_eq!((old.routes.len(), &old.tables), (3, &old.routes));
}

#[test]
fn the_first_build_is_adopted_and_the_next_starts_an_epoch() {
    let mut book = book();
    exchange(&mut book, "GET /a", None);
    exchange(&mut book, "GET /a", Some("1"));
    assert_eq!(requests(&book), [row("1", Some("1"), 2, 0)]);
    let late = book.begin(&"GET /a".into(), at(1));
    let unlabelled = book.begin(&"GET /a".into(), at(1));
    exchange(&mut book, "GET /a", Some("2"));
    assert_eq!(requests(&book), [row("1", Some("1"), 4, 2), row("2", Some("2"), 1, 0)]);
    assert_eq!(book.newest().evidence.epoch.reason, EpochReason::Build);
    // Answered by the old build: counted there. Answered by nobody: the newest's.
    settle(&mut book, &late, Some("1"), 1);
    settle(&mut book, &unlabelled, None, 1);
    assert_eq!(requests(&book), [row("1", Some("1"), 3, 0), row("2", Some("2"), 2, 0)]);
    exchange(&mut book, "GET /a", Some("1"));
    assert_eq!(requests(&book), [row("1", Some("1"), 4, 0), row("2", Some("2"), 2, 0)]);
}

#[test]
fn an_epoch_begun_by_hand_takes_nothing_that_was_in_flight() {
    let mut book = book();
    exchange(&mut book, "GET /a", Some("1"));
    let flying = book.begin(&"GET /a".into(), at(1));
    book.new_epoch(None, at(2));
    assert_eq!(book.newest().evidence.epoch.candidate_build.as_deref(), Some("1"));
    settle(&mut book, &flying, None, 1);
    exchange(&mut book, "GET /a", Some("1"));
    assert_eq!(requests(&book), [row("1", Some("1"), 2, 0), row("2", Some("1"), 1, 0)]);
}

#[test]
fn rules_of_one_route_restart_that_route_only() {
    let mut book = book();
    exchange(&mut book, "GET /a", None);
    exchange(&mut book, "GET /b", None);
    let old = book.begin(&"GET /a".into(), at(2));
    let new = book.begin(&"GET /a".into(), at(2));
    book.set_rules(rules(2, |r| if r == "GET /a" { "r2".into() } else { "r1".into() }), at(3));
    assert_eq!(requests(&book), [row("1", None, 3, 2)]);
    settle(&mut book, &old, None, 1);
    settle(&mut book, &new, None, 2);
    assert_eq!(requests(&book), [row("1", None, 2, 0)]);
    let a = &book.newest().evidence.routes["GET /a"];
    assert_eq!((a.since, a.rules.as_str(), a.counts.matched), (at(3), "r2", 1));
    assert_eq!(book.newest().evidence.epoch.rules, "all-2");
}

#[test]
fn hits_of_a_restarted_route_leave_the_sum() {
    let mut book = book();
    for route in ["GET /a", "GET /a", "GET /b"] {
        let mut covered = finding("json.value", "json:$.a", Tier::Value);
        covered.cover = Some(crate::diff::Cover::Rule("ids".into()));
        let begun = book.begin(&route.into(), at(1));
        book.settle(&begun, &compared("x", route, 1, vec![covered]), at(2));
    }
    let hits = |book: &Book| book.newest().evidence.rule_hits.get("ids").copied();
    assert_eq!(hits(&book), Some(3));
    book.set_rules(rules(2, |r| if r == "GET /a" { "r2".into() } else { "r1".into() }), at(3));
    assert_eq!(hits(&book), Some(1), "of as many exchanges as are counted");
}

#[test]
fn rules_of_every_route_start_an_epoch() {
    let mut book = book();
    exchange(&mut book, "GET /a", None);
    let old = book.begin(&"GET /a".into(), at(2));
    let new = book.begin(&"GET /a".into(), at(2));
    book.set_rules(rules(2, |_| "r2".into()), at(3));
    assert_eq!(book.newest().evidence.epoch.reason, EpochReason::Rules);
    settle(&mut book, &old, None, 1);
    settle(&mut book, &new, None, 2);
    assert_eq!(requests(&book), [row("1", None, 2, 0), row("2", None, 1, 0)]);
}

#[test]
fn an_operation_found_in_the_body_moves_the_exchange() {
    let mut book = book();
    let begun = book.begin(&"POST api".into(), at(1));
    book.settle(&begun, &compared("x", "POST api GetItem", 1, vec![]), at(2));
    let names: Vec<&str> = book.newest().evidence.routes.keys().map(|k| &**k).collect();
    assert_eq!(names, ["POST api GetItem"]);
    assert_eq!(book.newest().evidence.law(), Ok(()));
}

#[test]
fn going_on_with_the_same_build_and_rules_keeps_the_epoch() {
    let mut book = book();
    exchange(&mut book, "GET /a", Some("1"));
    let kept = || vec![Epoch::kept(1, book.newest().evidence.clone(), None)];
    let resume = |build: Option<&str>| {
        let mut book = Book::resume(kept(), vec![], 2, None, same(1), 5, at(9));
        build.into_iter().for_each(|build| book.declare(build.into(), at(9)));
        book.newest().evidence.epoch.clone()
    };
    assert_eq!(resume(None).id, "1");
    assert_eq!(resume(Some("1")).id, "1");
    assert_eq!((resume(Some("2")).id.as_str(), resume(Some("2")).reason), ("2", EpochReason::Build));
}

#[test]
fn what_a_start_declares_again_is_no_news() {
    let mut book = book();
    let restart = |book: Book, label: &str| {
        let kept = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
        let (next, declared) = (book.next_number(), book.declared().cloned());
        let mut later = Book::resume(kept, book.history(), next, declared, same(1), 5, at(9));
        later.declare(label.into(), at(9));
        let newest = later.newest().evidence.epoch.clone();
        (later, newest.id, newest.candidate_build)
    };
    let named = |id: &str, build: &str| (id.to_owned(), Some(Arc::from(build)));
    book.declare("1".into(), at(0));
    exchange(&mut book, "GET /a", None);
    // By hand, then by what the answers say.
    book.new_epoch(Some("2".into()), at(1));
    let (mut book, id, build) = restart(book, "1");
    assert_eq!((id, build), named("2", "2"));
    exchange(&mut book, "GET /a", Some("3"));
    let (book, id, build) = restart(book, "1");
    assert_eq!((id, build), named("3", "3"));
    // Another one is, and so is the first again after it.
    let (book, id, build) = restart(book, "4");
    assert_eq!((id, build), named("4", "4"));
    let (_, id, build) = restart(book, "1");
    assert_eq!((id, build), named("5", "1"));
}

/// An exchange that arrives then and is answered by that build.
fn answered(book: &mut Book, second: u64, build: &str) {
    let begun = book.begin(&"GET /a".into(), at(second));
    late(book, &begun, second, build);
}

fn late(book: &mut Book, begun: &Begun, second: u64, build: &str) {
    let mut settled = compared("x", "GET /a", second, vec![]);
    settled.build = Some(build.into());
    book.pass(moment(second.max(book.now.steady.as_secs())), false);
    book.settle(begun, &settled, at(second));
}

fn builds(book: &Book) -> Vec<&str> {
    book.epochs().filter_map(|e| e.evidence.epoch.candidate_build.as_deref()).collect()
}

#[test]
fn a_rollback_starts_an_epoch_of_the_older_build() {
    let mut book = book();
    (0..10).for_each(|s| answered(&mut book, s, "1"));
    (10..20).for_each(|s| answered(&mut book, s, "2"));
    let slow = book.begin(&"GET /a".into(), at(19));
    (20..80).for_each(|s| answered(&mut book, s, "1"));
    // Taken before the rollback, answered long after: no sign of the newer build.
    late(&mut book, &slow, 19, "2");
    assert_eq!(builds(&book), ["1", "2"]);
    answered(&mut book, 80, "1");
    assert_eq!(builds(&book), ["1", "2", "1"]);
    assert_eq!(book.newest().evidence.epoch.reason, EpochReason::Build);
    answered(&mut book, 81, "1");
    assert_eq!(requests(&book), [row("1", Some("1"), 70, 0), row("2", Some("2"), 11, 0), row("3", Some("1"), 2, 0)]);
    // And forward again.
    (82..=142).for_each(|s| answered(&mut book, s, "2"));
    assert_eq!(builds(&book), ["1", "2", "1", "2"]);
}

#[test]
fn a_rolling_deployment_is_no_rollback() {
    let mut book = book();
    answered(&mut book, 0, "1");
    // Ten minutes in which the new build answers now and then only.
    for second in 1..600 {
        answered(&mut book, second, if second % 50 == 1 { "2" } else { "1" });
    }
    assert_eq!(builds(&book), ["1", "2"]);
    // Long, but too few.
    answered(&mut book, 600, "2");
    (1..20).for_each(|i| answered(&mut book, 600 + i * 10, "1"));
    assert_eq!(builds(&book), ["1", "2"]);
}

#[test]
fn a_build_declared_ahead_of_its_deployment_is_waited_for() {
    let mut book = book();
    answered(&mut book, 0, "1");
    book.new_epoch(Some("2".into()), at(1));
    (2..200).for_each(|s| answered(&mut book, s, "1"));
    assert_eq!(builds(&book), ["1", "2"]);
}

#[derive(Debug, Clone)]
enum Step {
    Skip(u8, u8),
    Begin(u8),
    Settle { pick: prop::sample::Index, build: Option<u8>, generation: u64, what: u8, route: u8 },
    Manual,
    Rules(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u8..3, 0u8..8).prop_map(|(r, b)| Step::Skip(r, b)),
        6 => (0u8..3).prop_map(Step::Begin),
        6 => (any::<prop::sample::Index>(), prop::option::of(0u8..4), 0u64..3, 0u8..9, 0u8..9).prop_map(
            |(pick, build, back, what, route)| Step::Settle { pick, build, generation: back, what, route }
        ),
        1 => Just(Step::Manual),
        1 => (0u8..8).prop_map(Step::Rules),
    ]
}

proptest! {
    #[test]
    fn the_law_holds_after_any_sequence(steps in proptest::collection::vec(step(), 0..120)) {
        let mut book = book();
        let mut open = Vec::new();
        let mut generation = 1;
        let name = |r: u8| -> Arc<str> { format!("GET /{r}").into() };
        for step in steps {
            match step {
                Step::Skip(r, b) => book.skipped(&name(r), Bucket::ALL[b as usize], 1, at(1)),
                Step::Begin(r) => open.push(book.begin(&name(r), at(1))),
                Step::Settle { pick, build, generation: back, what, route } => {
                    if open.is_empty() { continue }
                    let begun = open.swap_remove(pick.index(open.len()));
                    let list = match what { 0 => vec![finding("json.value", "json:$.a", Tier::Value)],
                        1 => vec![finding("json.key_order", "body", Tier::Repr)], _ => vec![] };
                    let mut s = compared("x", &begun.route, 1, list.clone());
                    if what == 2 { s.result = Settlement::Incomparable(Incomparable::Budget); }
                    if let (3, Settlement::Compared(c)) = (what, &mut s.result) {
                        c.control = Some(super::super::testing::findings(vec![finding("json.value", "json:$.a", Tier::Value)]));
                    }
                    if route == 0 { s.route = format!("{} Op", begun.route).into(); }
                    s.build = build.map(|b| format!("b{b}").into());
                    s.generation = generation - back.min(generation);
                    book.settle(&begun, &s, at(2));
                }
                Step::Manual => book.new_epoch(None, at(3)),
                Step::Rules(bits) => {
                    generation += 1;
                    let g = generation;
                    book.set_rules(rules(g, move |r| {
                        let i = r.as_bytes().get(5).map_or(0, |b| b - b'0');
                        if bits >> i & 1 == 1 { format!("r{g}") } else { "r1".into() }
                    }), at(4));
                }
            }
            for epoch in book.epochs() {
                prop_assert_eq!(epoch.evidence.law(), Ok(()));
            }
            // Every exchange in flight is pending somewhere, unless its epoch is no longer remembered.
            let known: Vec<u64> = book.epochs().map(|e| e.number).collect();
            let pending: u64 = book.epochs().map(|e| e.evidence.totals().pending).sum();
            prop_assert_eq!(pending, open.iter().filter(|b| known.contains(&b.epoch)).count() as u64);
        }
    }

    #[test]
    fn merging_is_addition(parts in proptest::collection::vec(proptest::collection::vec((0u8..3, 0u8..4, 0u64..50), 0..12), 3)) {
        let build = |part: &[(u8, u8, u64)], tag: usize| {
            let mut evidence = Evidence::new(super::super::testing::epoch("1", None));
            let digest = |_: &str| "r1".to_string();
            for (i, (route, what, second)) in part.iter().enumerate() {
                let keep = Keep { rules: &digest, latency: &|_| Default::default(), examples: 4, now: at(*second) };
                let list = (0..*what).map(|n| finding("json.value", &format!("json:$.{n}"), Tier::Value)).collect();
                let mut settled = compared(&format!("{tag}-{i}"), &format!("GET /{route}"), *second, list);
                if let (true, Settlement::Compared(c)) = (i % 3 != 1, &mut settled.result) {
                    let noisy = (i % 3 == 0).then(|| finding("json.value", "json:$.0", Tier::Value));
                    c.control = Some(super::super::testing::findings(noisy.into_iter().collect()));
                }
                evidence.begin(&settled.route, keep);
                evidence.apply(&settled, keep);
            }
            evidence
        };
        let [a, b, c] = [0, 1, 2].map(|i| build(&parts[i], i));
        let sum = |x: &Evidence, y: &Evidence| { let mut z = x.clone(); z.merge(y, 4); z };
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        let all = sum(&sum(&a, &b), &c);
        let weighed = |e: &Evidence| e.routes.values().flat_map(|r| r.noise.values())
            .fold((0, 0, 0), |t, k| (t.0 + k.pairs.candidate, t.1 + k.pairs.control, t.2 + k.pairs.both));
        let each = [&a, &b, &c].map(weighed);
        prop_assert_eq!(weighed(&all), each.into_iter().fold((0, 0, 0), |t, k| (t.0 + k.0, t.1 + k.1, t.2 + k.2)));
        prop_assert_eq!(all.law(), Ok(()));
        // Read under one name, nothing is lost.
        let one = all.collapsed(&|_| Some("GET /{id}".into()), 4);
        prop_assert_eq!(one.totals(), all.totals());
        prop_assert!(one.routes.len() <= 1);
    }
}

#[test]
fn the_table_is_bounded_and_says_what_found_no_place() {
    let mut evidence = Evidence::new(super::super::testing::epoch("1", None));
    let digest = |_: &str| "r1".to_string();
    for i in 0..600u64 {
        let keep = Keep { rules: &digest, latency: &|_| Default::default(), examples: 1, now: at(i) };
        let list = vec![finding("json.value", &format!("json:$.k{i}"), Tier::Value)];
        let settled = compared(&format!("x{i}"), "GET /a", i, list);
        evidence.begin(&settled.route, keep);
        evidence.apply(&settled, keep);
    }
    let route = &evidence.routes["GET /a"];
    assert_eq!((route.divergences.len(), route.divergences_overflow), (super::super::MAX_DIVERGENCES, 600 - 512));
    assert_eq!(route.counts.divergent, 600);
}

#[test]
fn asking_again_adds_to_the_exchange_as_it_was_counted() {
    let differs =
        || vec![finding("json.value", "json:$.a", Tier::Value), finding("json.key_order", "json:$", Tier::Repr)];
    let ask = |book: &mut Book, list| {
        let begun = book.begin(&"GET /a".into(), at(1));
        book.settle(&begun, &compared("x", "GET /a", 1, list), at(2))
    };
    let again = |list| match compared("x", "GET /a", 1, list).result {
        Settlement::Compared(compared) => compared,
        other => panic!("{other:?}"),
    };
    let numbers = |book: &Book| {
        let epoch = book.epochs().next().unwrap();
        let route = &epoch.evidence.routes["GET /a"];
        let rows = route.divergences.values().map(|d| (d.counted, d.asked_again, d.transient)).max().unwrap();
        assert_eq!(epoch.evidence.law(), Ok(()));
        ((route.counts.divergent, route.counts.asked_again, route.counts.transient), rows)
    };
    let mut book = book();
    assert_eq!(ask(&mut book, vec![]), None);
    assert_eq!(ask(&mut book, vec![finding("json.key_order", "json:$", Tier::Repr)]), None);
    let [first, second, third] = [0; 3].map(|_| ask(&mut book, differs()).unwrap());
    assert_eq!(first.rows.len(), 1, "what counts");
    book.asked_again(&first, &again(vec![finding("json.key_order", "json:$", Tier::Repr)]));
    assert_eq!(numbers(&book), ((3, 1, 1), (3, 1, 1)));
    // Another epoch in between changes nothing about where it was counted.
    book.new_epoch(None, at(3));
    book.asked_again(&second, &again(differs()));
    assert_eq!(numbers(&book), ((3, 2, 1), (3, 2, 1)));
    let mut cut = again(vec![]);
    cut.candidate.budget = Some("time".into());
    book.asked_again(&third, &cut);
    assert_eq!(numbers(&book), ((3, 2, 1), (3, 2, 1)), "what is not known is not counted");
    book.new_epoch(Some("2".into()), at(4));
    book.asked_again(&third, &again(vec![]));
    assert_eq!(numbers(&book), ((3, 2, 1), (3, 2, 1)), "another build was asked");
    // Evidence that began afresh knows nothing of it.
    let gone = Diverged { since: at(9), ..third };
    book.asked_again(&gone, &again(vec![]));
    book.asked_again(&Diverged { epoch: 99, ..gone }, &again(vec![]));
    assert_eq!(numbers(&book), ((3, 2, 1), (3, 2, 1)));
}

#[test]
fn tries_of_a_build_that_are_given_up_by_hand_are_counted() {
    let mut book = book();
    let resets = |book: &Book| (book.newest().evidence.epoch.reason, book.newest().evidence.epoch.resets);
    exchange(&mut book, "GET /a", Some("1"));
    assert_eq!(resets(&book), (EpochReason::Start, 0));
    book.new_epoch(None, at(3));
    assert_eq!(resets(&book), (EpochReason::Manual, 1));
    // What compared nothing was no try.
    book.new_epoch(Some("1".into()), at(4));
    assert_eq!(resets(&book), (EpochReason::Manual, 1));
    exchange(&mut book, "GET /a", Some("1"));
    // Other rules begin an epoch too, and it is still the same build.
    book.set_rules(rules(2, |_| "r2".into()), at(5));
    assert_eq!(resets(&book), (EpochReason::Rules, 1));
    let begun = book.begin(&"GET /a".into(), at(5));
    settle(&mut book, &begun, Some("1"), 2);
    // Another build starts with a clean sheet, however it is named,
    book.new_epoch(Some("2".into()), at(6));
    assert_eq!(resets(&book), (EpochReason::Manual, 0));
    let begun = book.begin(&"GET /a".into(), at(6));
    settle(&mut book, &begun, Some("3"), 2);
    assert_eq!(resets(&book), (EpochReason::Build, 0));
    // and the old one finds its own again: rolled back to, and begun anew.
    book.declare("1".into(), at(7));
    assert_eq!(resets(&book), (EpochReason::Build, 1));
    book.new_epoch(None, at(8));
    assert_eq!(resets(&book), (EpochReason::Manual, 2));
    let kept: Vec<Epoch> = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
    let mut later = Book::resume(kept, book.history(), book.next_number(), None, same(1), 5, at(9));
    later.new_epoch(None, at(9));
    assert_eq!(later.newest().evidence.epoch.resets, 2, "of nothing compared since");
}

#[test]
fn a_route_that_began_afresh_says_so() {
    let mut book = book();
    exchange(&mut book, "GET /a", None);
    exchange(&mut book, "GET /b", None);
    for generation in 2..4 {
        let of = move |r: &str| if r == "GET /a" { format!("r{generation}") } else { "r1".to_owned() };
        book.set_rules(rules(generation, of), at(generation));
    }
    let restarts = |book: &Book, route: &str| book.newest().evidence.routes[route].restarts;
    // The route is gone until it is asked for again, as nothing of it was left.
    let begun = book.begin(&"GET /a".into(), at(9));
    settle(&mut book, &begun, None, 3);
    assert_eq!((restarts(&book, "GET /a"), restarts(&book, "GET /b")), (2, 0));
    book.new_epoch(None, at(9));
    exchange(&mut book, "GET /a", None);
    assert_eq!(restarts(&book, "GET /a"), 0);
}

#[test]
fn a_restart_tells_of_no_epoch_twice() {
    let mut book = book();
    for build in 0..3 {
        exchange(&mut book, "GET /a", None);
        book.new_epoch(Some(build.to_string().into()), at(3));
    }
    let kept = |e: &Epoch| Epoch::kept(e.number, e.evidence.clone(), e.ended_at);
    let epochs = book.epochs().map(kept).collect();
    let mut book = Book::resume(epochs, book.history(), book.next_number(), None, same(1), 5, at(9));
    for build in 3..9 {
        exchange(&mut book, "GET /a", None);
        book.new_epoch(Some(build.to_string().into()), at(10));
        let told: Vec<_> = book.history().iter().map(|past| (past.number, past.totals.requests)).collect();
        assert_eq!(told, (1..=build + 1).map(|number| (number, 1)).collect::<Vec<_>>());
    }
}
