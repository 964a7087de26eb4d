//! Builds that name themselves, and answers that name none.

use super::*;
use crate::model::StatusClass;

/// An answer without a label, of an exchange that arrives then.
fn unlabelled(book: &mut Book, second: u64, class: StatusClass) {
    let begun = book.begin(&"GET /a".into(), at(second));
    let mut settled = compared("x", "GET /a", second, vec![]);
    settled.legs.candidate = super::super::super::testing::leg(class, 5);
    book.pass(moment(second), false);
    book.settle(&begun, &settled, at(second));
}

fn plain(book: &mut Book, seconds: std::ops::RangeInclusive<u64>) {
    seconds.for_each(|s| unlabelled(book, s, StatusClass::Success));
}

/// How many were counted while none named itself, and since when that is so.
fn naming(book: &Book) -> (u64, Option<u64>) {
    let naming = &book.newest().evidence.epoch.naming;
    (naming.unnamed, naming.since.map(|since| since.since(at(0)).as_secs()))
}

#[test]
fn answers_that_name_nobody_for_long_may_be_anybodys() {
    let mut book = book();
    answered(&mut book, 0, "1");
    answered(&mut book, 1, "2");
    plain(&mut book, 2..=61);
    assert_eq!(naming(&book), (0, None), "not yet");
    plain(&mut book, 62..=62);
    assert_eq!(naming(&book), (61, Some(2)), "those before as well");
    plain(&mut book, 63..=70);
    assert_eq!(naming(&book), (69, Some(2)));
    // A restart knows no better.
    let kept: Vec<Epoch> = book.epochs().map(|e| Epoch::kept(e.number, e.evidence.clone(), e.ended_at)).collect();
    let mut book = Book::resume(kept, vec![], 3, None, same(1), 5, at(71));
    plain(&mut book, 71..=72);
    assert_eq!(naming(&book), (71, Some(2)));
    // One that arrived before says nothing; any that comes later does, whoever it is.
    let begun = book.begin(&"GET /a".into(), at(1));
    late(&mut book, &begun, 1, "2");
    assert_eq!(naming(&book), (71, Some(2)));
    answered(&mut book, 73, "1");
    assert_eq!(naming(&book), (71, None), "what was counted stays");
    plain(&mut book, 74..=133);
    assert_eq!(naming(&book), (71, None), "it begins anew");
    plain(&mut book, 134..=134);
    assert_eq!(naming(&book), (132, Some(74)));
    // Another epoch of the same build begins with nothing, and still knows that it names itself.
    book.new_epoch(None, at(134));
    plain(&mut book, 135..=194);
    assert_eq!(naming(&book), (0, None));
    plain(&mut book, 195..=195);
    assert_eq!(naming(&book), (61, Some(135)));
    // Said by hand, it is what was said.
    book.new_epoch(Some("3".into()), at(195));
    plain(&mut book, 196..=400);
    assert_eq!(naming(&book), (0, None));
}

#[test]
fn balancers_files_and_errors_need_no_name() {
    let mut book = book();
    // Nobody names anything.
    book.declare("1".into(), at(0));
    plain(&mut book, 0..=200);
    assert_eq!(naming(&book), (0, None));
    answered(&mut book, 201, "1");
    // Here and there one has none.
    for second in 202..400 {
        match second % 10 {
            0 => answered(&mut book, second, "1"),
            _ => unlabelled(&mut book, second, StatusClass::Success),
        }
    }
    // The candidate is down, and what stands before it says so.
    (400..600).for_each(|s| unlabelled(&mut book, s, StatusClass::ServerError));
    assert_eq!(naming(&book), (0, None));
    answered(&mut book, 599, "1");
    // Long, but few.
    (0..19).for_each(|i| unlabelled(&mut book, 600 + i * 100, StatusClass::ClientError));
    assert_eq!(naming(&book), (0, None));
    // Many, but not for long.
    answered(&mut book, 3_000, "1");
    (0..500).for_each(|i| unlabelled(&mut book, 3_001 + i / 10, StatusClass::Redirect));
    assert_eq!(naming(&book), (0, None));
}
