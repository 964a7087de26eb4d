//! Streams that had not ended when they were compared.

use super::*;

fn lines(body: &str, end: BodyEnd) -> Answer {
    Answer { end, ..answer(&format!("200\nContent-Type: application/x-ndjson\n\n{body}")) }
}

#[track_caller]
fn check_streams(primary: (&str, BodyEnd), other: (&str, BodyEnd), expected: &str) {
    let (primary, other) = (lines(primary.0, primary.1), lines(other.0, other.1));
    check_answers(&Asked::new("GET", "/a/b"), &primary, &other, expected);
}

#[test]
fn as_many_events_as_both_have_are_compared() {
    use BodyEnd::{Complete, Open};
    let (one, two, three) = ("{\"a\":1}\n", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a");
    let early = "stream.ended_early @ body break";
    for (primary, other, expected) in [
        ((two, Open), (three, Open), ""),
        ((three, Open), (two, Open), ""),
        ((three, Open), (two, Complete), early),
        ((three, Open), ("", Complete), early),
        ((three, Open), (one, Open), "budget: the stream gave 1 of the primary's 3 events in the same time"),
        ((two, Open), (three, Complete), ""),
        // What follows the last line of a stream that has ended is an event too.
        ((three, Open), ("{\"a\":1}\n{\"a\":2}", Complete), &format!("body.encoding @ body repr\n{early}")),
        ((three, Open), ("{\"a\":1", Open), "transport.timeout @ transport break"),
        (("{", Open), (one, Open), "budget: no event had come of the primary's stream"),
        (("", Open), ("", Open), "budget: no event had come of the primary's stream"),
    ] {
        check_streams(primary, other, expected);
    }
}

#[test]
fn what_comes_after_the_window_changes_nothing() {
    let (a, b) = ("{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":5}\n");
    let asked = Asked::new("GET", "/");
    let whole = asked.compare(&lines(a, BodyEnd::Complete), &Outcome::from(lines(b, BodyEnd::Complete)));
    assert!(!whole.is_match());
    for (more, other) in [("", "{\"a\":3}\n"), ("{\"x\":0}\n{", ""), ("{\"x", "{\"y")] {
        let (a, b) = (lines(&format!("{a}{more}"), BodyEnd::Open), lines(&format!("{b}{other}"), BodyEnd::Open));
        assert_eq!(told(&asked.compare(&a, &Outcome::from(b.clone()))), told(&whole));
        let (a, b) = window(&a, &Outcome::from(b)).unwrap();
        assert_eq!((&a.end, &b.end), (&BodyEnd::Cut { events: 2 }, &BodyEnd::Cut { events: 2 }));
    }
}

#[test]
fn heads_are_compared_where_bodies_cannot_be() {
    let open = |text: &str| Answer { end: BodyEnd::Open, ..answer(text) };
    let asked = Asked::new("GET", "/");
    let stream = "200\nContent-Type: text/event-stream\n\ndata: 1\n\n";
    check_answers(
        &asked,
        &open(stream),
        &answer("500\nContent-Type: text/plain\n\noops"),
        "status.class @ status break\n(ctype.type @ header:content-type value)",
    );
    let coded = "200\nContent-Type: text/event-stream\nContent-Encoding: gzip\n\nxyz";
    check_answers(&asked, &open(coded), &open(coded), "budget: one goes on, and they are not streams of one kind");
    let beginning = Captured::Digest { xxh3: 1, length: 9, given_up: true };
    let lost = Answer { body: beginning, ..open(stream) };
    check_answers(&asked, &lost, &open(stream), "budget: a stream's beginning was not kept");
}
