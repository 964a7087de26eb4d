//! Builds that name themselves, and answers that name none.

use super::*;
use crate::model::{Incomparable, StatusClass};

/// An exchange whose candidate's answer is of that class, with a label or without.
fn answers(book: &mut Book, route: &str, class: StatusClass, build: Option<&str>) {
    let begun = book.begin(&route.into(), at(1));
    settled(book, &begun, class, build);
}

fn settled(book: &mut Book, begun: &Begun, class: StatusClass, build: Option<&str>) {
    let generation = book.rules().generation;
    let mut settled = compared("x", &begun.route, 1, vec![]);
    (settled.build, settled.generation) = (build.map(Into::into), generation);
    settled.legs.candidate = super::super::super::testing::leg(class, 5);
    book.settle(begun, &settled, at(1));
}

fn unnamed(book: &Book) -> u64 {
    book.newest().evidence.epoch.naming.unnamed
}

const OK: StatusClass = StatusClass::Success;

#[test]
fn an_answer_without_a_label_where_the_build_gives_one_may_be_anybodys() {
    let mut book = book();
    answers(&mut book, "GET /a", OK, Some("1"));
    answers(&mut book, "GET /a", OK, None);
    assert_eq!(unnamed(&book), 1);
    // What another build named says nothing of the newest.
    answers(&mut book, "GET /a", StatusClass::ClientError, Some("2"));
    answers(&mut book, "GET /a", OK, None);
    answers(&mut book, "GET /a", OK, Some("1"));
    answers(&mut book, "GET /a", OK, None);
    assert_eq!(unnamed(&book), 0);
    answers(&mut book, "GET /a", OK, Some("2"));
    // Be there many with one between them.
    for i in 0..100 {
        answers(&mut book, "GET /a", OK, (i % 50 == 0).then_some("2"));
    }
    assert_eq!(unnamed(&book), 98);
    // Neither a restart nor other rules for the route know better.
    let kept: Vec<Epoch> = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
    let mut book = Book::resume(kept, vec![], 3, None, same(1), 5, at(2));
    answers(&mut book, "GET /b", OK, None);
    let in_flight = book.begin(&"GET /a".into(), at(2));
    book.set_rules(rules(2, |r| if r == "GET /a" { "r2".into() } else { "r1".into() }), at(2));
    assert_eq!(book.newest().number, 2);
    answers(&mut book, "GET /a", OK, None);
    settled(&mut book, &in_flight, OK, Some("2"));
    assert_eq!(unnamed(&book), 99);
    // An epoch that is begun says it anew.
    book.new_epoch(None, at(3));
    answers(&mut book, "GET /a", OK, None);
    assert_eq!(unnamed(&book), 0);
    answers(&mut book, "GET /a", OK, Some("2"));
    answers(&mut book, "GET /a", OK, None);
    assert_eq!(unnamed(&book), 1);
}

#[test]
fn balancers_files_and_errors_need_no_name() {
    let mut book = book();
    // Nobody names anything.
    book.declare("1".into(), at(0));
    answers(&mut book, "GET /a", OK, None);
    for class in [OK, StatusClass::ServerError, StatusClass::Failed] {
        answers(&mut book, "GET /a", class, Some("1"));
    }
    // What stands before the candidate answers elsewhere, or otherwise.
    for _ in 0..1_000 {
        answers(&mut book, "GET /static/a.js", OK, None);
        answers(&mut book, "GET /a", StatusClass::Redirect, None);
        answers(&mut book, "GET /a", StatusClass::ServerError, None);
        answers(&mut book, "GET /a", StatusClass::Failed, None);
        answers(&mut book, "GET /a", OK, Some("1"));
    }
    // Nobody knows what it would have been.
    let begun = book.begin(&"GET /a".into(), at(1));
    let result = Settlement::Incomparable(Incomparable::ClientAborted);
    book.settle(&begun, &Settled { result, ..compared("x", "GET /a", 1, vec![]) }, at(1));
    assert_eq!(unnamed(&book), 0);
    answers(&mut book, "GET /a", OK, None);
    assert_eq!(unnamed(&book), 1);
}
