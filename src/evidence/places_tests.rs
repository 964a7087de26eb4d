//! Legs that are elsewhere: what goes on, what begins anew.

use super::*;

fn places(primary: &str, candidate: &str) -> Places {
    Places { primary: primary.into(), candidate: candidate.into() }
}

/// A book that has compared between these.
fn between(primary: &str, candidate: &str) -> Book {
    let mut book = book();
    assert_eq!(book.set_places(places(primary, candidate), at(0)), None, "there is nothing to compare it with");
    exchange(&mut book, "GET /a", None);
    book
}

#[test]
fn what_was_compared_the_other_way_round_is_history() {
    for (primary, candidate, epochs) in [
        ("old", "new", 1),
        ("new", "old", 2),
        ("new", "next", 2),
        ("older", "old", 2),
        ("older", "new", 1),
        ("old", "next", 1),
    ] {
        let mut book = between("old", "new");
        let relocated = book.set_places(places(primary, candidate), at(3));
        let name = format!("{primary} {candidate}");
        assert_eq!(book.epochs().count(), epochs, "{name}");
        assert_eq!(relocated == Some(Relocated::Exchanged), epochs == 2, "{name}");
        let epoch = &book.newest().evidence.epoch;
        assert_eq!(epoch.places, Some(places(primary, candidate)));
        let moved = Move { at: at(3), from: "new".into(), to: "next".into() };
        assert_eq!(epoch.moved, (name == "old next").then_some(moved), "{name}");
        if epochs == 2 {
            assert_eq!((epoch.reason, epoch.candidate_build.as_ref()), (EpochReason::Build, None));
        }
        assert_eq!(book.set_places(places(primary, candidate), at(4)), None);
    }
    // Both the same, for a try: then there is a candidate.
    let mut book = between("old", "old");
    assert_eq!(book.set_places(places("old", "new"), at(3)), Some(Relocated::Exchanged));
    // Nothing was compared yet, so nothing goes on.
    let mut book = self::book();
    book.set_places(places("old", "new"), at(0));
    assert_eq!(book.set_places(places("old", "next"), at(1)), None);
}

#[test]
fn an_epoch_of_the_other_way_round_takes_nothing_in_flight_and_any_build() {
    let mut book = between("old", "new");
    exchange(&mut book, "GET /a", Some("2"));
    let unlabelled = book.begin(&"GET /a".into(), at(1));
    let labelled = book.begin(&"GET /a".into(), at(1));
    book.set_places(places("new", "old"), at(2));
    settle(&mut book, &unlabelled, None, 1);
    settle(&mut book, &labelled, Some("2"), 1);
    assert_eq!(requests(&book), [row("1", Some("2"), 4, 0), row("2", None, 0, 0)]);
    exchange(&mut book, "GET /a", None);
    exchange(&mut book, "GET /a", Some("1"));
    assert_eq!(requests(&book), [row("1", Some("2"), 4, 0), row("2", Some("1"), 2, 0)]);
    // And back: the build is known from before, and not its evidence.
    book.set_places(places("old", "new"), at(3));
    exchange(&mut book, "GET /a", Some("2"));
    assert_eq!(requests(&book), [row("1", Some("2"), 4, 0), row("2", Some("1"), 2, 0), row("3", Some("2"), 1, 0)]);
}

#[test]
fn a_label_given_at_a_start_is_for_the_legs_as_they_are() {
    let restart = |book: &Book, (primary, candidate): (&str, &str), label: Option<&str>| {
        let kept = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
        let declared = book.declared().cloned();
        let mut book = Book::resume(kept, book.history(), book.next_number(), declared, same(1), 5, at(9));
        book.set_places(places(primary, candidate), at(9));
        label.into_iter().for_each(|label| book.declare(label.into(), at(9)));
        let epoch = book.newest().evidence.epoch.clone();
        exchange(&mut book, "GET /a", None);
        (book, epoch.id, epoch.candidate_build)
    };
    let epoch = |id: &str, build: Option<&str>| (id.to_owned(), build.map(Arc::from));
    let (forth, back) = (("old", "new"), ("new", "old"));
    let (book, ..) = restart(&between("old", "new"), forth, Some("2"));
    assert_eq!(book.newest().build().map(|build| &**build), Some("2"));
    // By restarts, with a label and without.
    let (reverse, id, build) = restart(&book, back, None);
    assert_eq!((id, build), epoch("2", None));
    let (again, id, build) = restart(&reverse, forth, Some("2"));
    assert_eq!((id, build), epoch("3", Some("2")));
    let (_, id, build) = restart(&again, forth, Some("2"));
    assert_eq!((id, build), epoch("3", Some("2")));
    let (_, id, build) = restart(&book, back, Some("2"));
    assert_eq!((id, build), epoch("2", Some("2")));
    // While it runs: what the start said was of the other.
    let mut running = restart(&book, forth, Some("2")).0;
    running.set_places(places("new", "old"), at(9));
    assert_eq!(running.declared(), None);
    let (_, id, build) = restart(&running, back, Some("2"));
    assert_eq!((id, build), epoch("2", Some("2")));
}

#[test]
fn a_label_is_news_after_a_start_without_one() {
    let mut first = book();
    first.declare("1".into(), at(0));
    exchange(&mut first, "GET /a", None);
    let resume = |book: &Book| {
        let kept = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
        Book::resume(kept, book.history(), book.next_number(), book.declared().cloned(), same(1), 5, at(9))
    };
    let mut without = resume(&first);
    assert!(without.is_dirty() && without.declared().is_none());
    exchange(&mut without, "GET /a", Some("2"));
    // Rolled back by a start that says so.
    let mut back = resume(&without);
    assert!(!back.is_dirty(), "there is nothing new to keep");
    back.declare("1".into(), at(9));
    let epoch = &back.newest().evidence.epoch;
    assert_eq!((epoch.id.as_str(), epoch.candidate_build.as_deref()), ("3", Some("1")));
}

#[test]
fn a_move_is_told_until_the_next_epoch_begins() {
    let mut book = between("old", "blue");
    exchange(&mut book, "GET /a", Some("1"));
    assert!(
        book.set_places(places("old", "green"), at(3)).is_some_and(|r| r.to_string().contains("from blue to green"))
    );
    let kept: Vec<Epoch> = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
    let mut book = Book::resume(kept, vec![], 2, None, same(1), 5, at(4));
    assert!(book.newest().evidence.epoch.moved.is_some());
    exchange(&mut book, "GET /a", Some("2"));
    let epoch = &book.newest().evidence.epoch;
    assert_eq!((epoch.id.as_str(), &epoch.moved, &epoch.places), ("2", &None, &Some(places("old", "green"))));
}
