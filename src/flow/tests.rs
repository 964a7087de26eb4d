//! The inbox: what it keeps, what it lets go when room is short, and that it says so.

use super::*;
use crate::diff::Tier;
use crate::evidence::testing::{at, compared, finding};

fn mirrored(inbox: &Arc<Inbox>) -> Ticket {
    inbox.mirrored("x".into(), "GET /a".into(), at(1))
}

/// Differs, with an example that has `body` bytes.
fn large(body: usize) -> Settled {
    let mut settled = compared("x", "GET /a", 1, vec![finding("json.value", "json:$.a", Tier::Value)]);
    if let Settlement::Compared(compared) = &mut settled.result {
        let mut example = crate::evidence::testing::example("x", 1);
        example.candidate.body = "x".repeat(body);
        compared.example = Some(Arc::new(example.into()));
    }
    settled
}

#[test]
fn what_is_not_mirrored_takes_no_room() {
    let inbox = Inbox::new(1);
    for _ in 0..1000 {
        inbox.skipped("GET /a".into(), Bucket::Shed);
        inbox.skipped("GET /a".into(), Bucket::Loop);
    }
    let mut seen: Vec<_> = inbox
        .drain()
        .into_iter()
        .map(|event| match event {
            Event::Skipped { bucket, times, .. } => (bucket, times),
            other => panic!("{other:?}"),
        })
        .collect();
    seen.sort();
    assert_eq!(seen, [(Bucket::Loop, 1000), (Bucket::Shed, 1000)]);
    assert!(inbox.drain().is_empty());
}

#[test]
fn examples_go_first_and_findings_stay_when_nobody_drains() {
    let inbox = Inbox::new(2);
    let kept = (0..200).filter(|_| mirrored(&inbox).settle(large(1 << 20))).count();
    let (mut examples, mut findings, mut total) = (0, 0, 0);
    for event in inbox.drain() {
        let Event::Settled { settled, bytes, .. } = event else { continue };
        let Settlement::Compared(compared) = settled.result else { panic!("not compared") };
        examples += usize::from(compared.example.is_some());
        findings += compared.candidate.list.len();
        total += bytes;
    }
    assert_eq!((examples, kept, findings), (31, 31, 200));
    assert!(total < MAX_EXAMPLE_BYTES + (1 << 20));
    inbox.applied(200, total);
    mirrored(&inbox).settle(large(1 << 20));
    assert!(inbox.drain().iter().any(
        |e| matches!(e, Event::Settled { settled, .. } if matches!(&settled.result, Settlement::Compared(c) if c.example.is_some()))
    ));
}

#[test]
fn it_is_full_while_too_much_waits() {
    let inbox = Inbox::new(1);
    for _ in 0..MAX_BACKLOG {
        assert!(!inbox.is_full());
        std::mem::forget(mirrored(&inbox));
    }
    assert!(inbox.is_full());
    inbox.applied(1, 0);
    assert_eq!((inbox.backlog(), inbox.is_full()), (MAX_BACKLOG - 1, false));
    inbox.waiting_bytes.store(MAX_WAITING_BYTES, Ordering::Relaxed);
    assert!(inbox.is_full());
}

#[test]
fn closed_it_drops_and_counts() {
    let inbox = Inbox::new(2);
    let held = mirrored(&inbox);
    inbox.skipped("GET /a".into(), Bucket::Shed);
    assert!(!inbox.is_full());
    inbox.close();
    assert_eq!(inbox.dropped(), 2);
    assert!(inbox.is_full());
    held.settle(large(10));
    inbox.skipped("GET /a".into(), Bucket::Shed);
    assert_eq!((inbox.dropped(), inbox.drain().len()), (4, 0));
}
