//! A bound on the examples in memory, for when no store says which have to go.

use crate::evidence::{Book, Exhibit};
use crate::model::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An example with the epoch and the route it was kept for.
type Kept = (u64, Arc<str>, Arc<Exhibit>);

/// More than a store that works would keep, so that it decides where there is one.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Lets the oldest go when all of them take more than `max` bytes, so many that it need not be done again at once.
/// How many went.
pub(super) fn trim(book: &mut Book, max: usize) -> usize {
    // One exchange may stand in several rows; it is in memory once.
    let mut all: BTreeMap<(Timestamp, *const Exhibit), Kept> = BTreeMap::new();
    for epoch in book.epochs() {
        for (name, route) in &epoch.evidence.routes {
            for example in route.divergences.values().flat_map(|row| &row.examples) {
                let key = (example.at(), Arc::as_ptr(example));
                all.entry(key).or_insert_with(|| (epoch.number, name.clone(), example.clone()));
            }
        }
    }
    let mut bytes: usize = all.values().map(|(_, _, example)| example.weight()).sum();
    if bytes <= max {
        return 0;
    }
    let mut gone = 0;
    for (epoch, route, example) in all.values() {
        if bytes <= max / 4 * 3 {
            break;
        }
        book.drop_example(*epoch, route, example.id());
        bytes -= example.weight();
        gone += 1;
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Tier;
    use crate::evidence::testing::{at, compared, example, finding};
    use crate::evidence::{Rules, Settlement};

    #[test]
    fn the_oldest_go_and_the_numbers_stay() {
        let rules = Rules { generation: 1, digest: "d".into(), infos: Arc::default(), route: Arc::new(|_| "r".into()) };
        let mut book = Book::new(rules, 5, at(0));
        for i in 0..100u64 {
            let location = format!("json:$.k{i}");
            let list = ["json.value", "json.type"].map(|kind| finding(kind, &location, Tier::Value));
            let mut settled = compared(&format!("x{i}"), "GET /a", i, list.into());
            if let Settlement::Compared(compared) = &mut settled.result {
                let mut large = example(&format!("x{i}"), i);
                large.primary.body = "x".repeat(10_000);
                compared.example = Some(Arc::new(large.into()));
            }
            let begun = book.begin(&"GET /a".into(), at(i));
            book.settle(&begun, &settled, at(i));
        }
        assert_eq!(trim(&mut book, 2_000_000), 0);
        let gone = trim(&mut book, 400_000);
        let rows = &book.newest().evidence.routes["GET /a"].divergences;
        let mut left: Vec<&str> = rows.values().flat_map(|row| &row.examples).map(|e| e.id()).collect();
        left.sort_unstable();
        left.dedup();
        assert!(left.len() + gone == 100 && left.len() * 10_000 < 300_000 && left.len() > 25, "{}", left.len());
        assert!(left.contains(&"x99") && !left.contains(&"x0"));
        assert_eq!((rows.len(), rows.values().map(|row| row.count).sum::<u64>()), (200, 200));
    }
}
