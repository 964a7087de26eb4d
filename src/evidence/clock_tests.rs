//! Clocks that are set, machines that sleep: evidence spans what was watched.

use super::*;

/// What of the time since the epoch began was watched.
fn span(book: &Book) -> Duration {
    let (epoch, now) = (&book.newest().evidence.epoch, book.now.wall);
    now.since(epoch.started_at) - epoch.away.within(epoch.started_at, now)
}

#[test]
fn time_in_which_nothing_was_watched_is_not_spanned() {
    // Seconds by the wall clock and by the steady one, and what of them is spanned.
    let cases: [(&str, i64, u64, u64); 9] = [
        ("watched", 1, 1, 1),
        ("steered", 3, 2, 3),
        ("busy", 4, 4, 4),
        ("frozen, or asleep where the clock goes on", 10, 10, 0),
        ("asleep where it stands still", 36_000, 0, 0),
        ("set forward", 90_000, 1, 0),
        ("set back a little", -3, 1, 7),
        ("set back to before the epoch began", -50_000, 1, 0),
        ("frozen and set back", -50, 20, 0),
    ];
    for (name, wall, steady, expect) in cases {
        let mut book = book();
        exchange(&mut book, "GET /a", None);
        for second in 1..=10 {
            assert_eq!(book.pass(moment(second), false), None);
        }
        let now = Moment {
            wall: Timestamp::from_micros(at(10).as_micros().checked_add_signed(wall * 1_000_000).unwrap()),
            steady: Duration::from_secs(10 + steady),
        };
        let odd = book.pass(now, false);
        let expect = if wall < 0 { expect } else { 10 + expect };
        assert_eq!(
            (span(&book), odd.is_some()),
            (Duration::from_secs(expect), !matches!(expect, 7 | 11 | 13 | 14)),
            "{name}"
        );
        // It goes on from there.
        let later = |s| Moment { wall: now.wall + Duration::from_secs(s), steady: now.steady + Duration::from_secs(s) };
        (1..=5).for_each(|s| assert_eq!(book.pass(later(s), false), None));
        assert_eq!(span(&book), Duration::from_secs(expect + 5), "{name}");
        let route = &book.newest().evidence.routes["GET /a"];
        assert!(route.since <= now.wall, "{name}");
    }
}

#[test]
fn a_clock_that_was_wrong_for_a_moment_leaves_no_trace() {
    let mut book = book();
    let year = Duration::from_secs(31_536_000);
    let wrong = |second| Moment { wall: at(second) + year, ..moment(second) };
    (1..=10).for_each(|s| assert_eq!(book.pass(moment(s), false), None));
    assert_eq!(book.pass(wrong(11), false), Some(at(10)));
    book.set_mirroring(false, wrong(11).wall);
    answered(&mut book, 11, "1");
    book.new_epoch(None, wrong(12).wall);
    assert_eq!(book.pass(wrong(13), false), Some(at(11)), "by the one who answers");
    book.pass(moment(14), false);
    book.set_mirroring(true, at(14));
    (15..=20).for_each(|s| assert_eq!(book.pass(moment(s), false), None));
    assert_eq!((book.newest().evidence.epoch.started_at, span(&book)), (at(14), Duration::from_secs(6)));
    // A build that was rolled back is seen, whatever the time was when the newest was.
    let mut book = self::book();
    answered(&mut book, 0, "1");
    book.pass(wrong(1), false);
    let begun = book.begin(&"GET /a".into(), wrong(1).wall);
    let mut settled = compared("x", "GET /a", 1, vec![]);
    (settled.build, settled.arrived) = (Some("2".into()), wrong(1).wall);
    book.settle(&begun, &settled, wrong(1).wall);
    (2..=80).for_each(|s| answered(&mut book, s, "1"));
    assert_eq!(builds(&book), ["1", "2", "1"]);
}

#[test]
fn what_was_kept_by_a_clock_that_was_ahead_is_as_old_as_can_be() {
    let mut ahead = Book::new(same(1), 5, at(1_000));
    exchange(&mut ahead, "GET /a", None);
    ahead.was_away(at(1_010), at(1_020));
    let kept = vec![Epoch::kept(1, ahead.newest().evidence.clone(), None)];
    let mut book = Book::resume(kept, vec![], 2, None, same(1), 5, at(100));
    book.was_away(at(1_030), at(100));
    for second in 1..=5 {
        assert_eq!(book.pass(Moment { wall: at(100 + second), steady: Duration::from_secs(second) }, false), None);
    }
    assert_eq!((book.newest().evidence.epoch.started_at, span(&book)), (at(100), Duration::from_secs(5)));
}

proptest! {
    /// Whatever the clocks do, evidence spans no more than was watched.
    #[test]
    fn no_more_is_spanned_than_was_watched(
        steps in proptest::collection::vec((0u64..8_000, prop_oneof![4 => Just(0i64), 1 => -90_000i64..90_000]), 1..60),
    ) {
        let mut book = book();
        let (mut wall, mut steady, mut watched) = (at(0).as_micros(), 0, Duration::ZERO);
        for (millis, jump) in steps {
            // What a clock loses or gains in small parts is its own affair.
            let jump = if jump.abs() <= 10 { 0 } else { jump };
            steady += millis;
            wall = wall.checked_add_signed(millis as i64 * 1_000 + jump * 1_000_000).unwrap();
            let stood = millis > 5_000 || jump > 0;
            watched += Duration::from_millis(if stood { 0 } else { millis });
            book.pass(Moment { wall: Timestamp::from_micros(wall), steady: Duration::from_millis(steady) }, false);
            prop_assert!(span(&book) <= watched, "{:?} {watched:?}", span(&book));
        }
    }
}
