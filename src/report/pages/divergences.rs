//! All divergences, filtered, sorted, in pages.

use super::super::{DivergenceReport, Report};
use super::{DivergenceRow, Frame, Paged, Query, Visit, filters, rendered};
use askama::Template;
use std::cmp::Reverse;

const SIZE: usize = 50;

#[derive(Template)]
#[template(path = "divergences.html")]
struct Divergences<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    query: &'a Query,
    shows: Vec<(&'static str, &'static str, usize)>,
    show: &'a str,
    sort: &'a str,
    kinds: Vec<&'a str>,
    tiers: Vec<&'a str>,
    paged: Paged,
    rows: Vec<DivergenceRow<'a>>,
}

/// The list as the query wants it.
pub fn divergences(visit: &Visit<'_>) -> String {
    let Visit { look, query, .. } = *visit;
    let report = &look.report;
    let show = query.get("show").unwrap_or("counted");
    let sort = query.get("sort").unwrap_or("exchanges");
    let new = |d: &DivergenceReport| !d.excused && look.is_new(&d.fingerprint);
    let shown = |d: &DivergenceReport, show: &str| match show {
        "excused" => d.excused,
        "all" => true,
        "new" => new(d),
        _ => !d.excused,
    };
    let all = &report.divergences;
    let mut shows = vec![("counted", "what counts"), ("excused", "excused"), ("all", "all")];
    if !report.epochs.is_empty() {
        shows.insert(1, ("new", "new in this epoch"));
    }
    let wanted = |name: &str, value: &str| query.get(name).is_none_or(|w| w == value);
    let mut list: Vec<_> = all
        .iter()
        .filter(|d| shown(d, show))
        .filter(|d| query.get("route").is_none_or(|r| d.route.to_lowercase().contains(&r.to_lowercase())))
        .filter(|d| wanted("kind", &d.kind) && wanted("tier", d.tier.as_str()))
        .collect();
    // The report's own order decides among equals.
    match sort {
        "share" => list.sort_by(|a, b| b.share.total_cmp(&a.share)),
        "last_seen" => list.sort_by_key(|d| Reverse(d.last_seen)),
        "first_seen" => list.sort_by_key(|d| Reverse(d.first_seen)),
        _ => list.sort_by_key(|d| Reverse(if d.excused { d.count } else { d.counted })),
    }
    let paged = Paged::new(list.len(), SIZE, query.get("page"));
    let distinct = |of: fn(&DivergenceReport) -> &str| {
        let mut names: Vec<&str> = all.iter().map(of).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    rendered(&Divergences {
        frame: Frame::new(visit, "/divergences", "Divergences"),
        report,
        query,
        shows: shows.into_iter().map(|(k, name)| (k, name, all.iter().filter(|d| shown(d, k)).count())).collect(),
        show,
        sort,
        kinds: distinct(|d| &d.kind),
        tiers: distinct(|d| d.tier.as_str()),
        rows: paged.of(&list).iter().map(|d| DivergenceRow::from(*d)).collect(),
        paged,
    })
}
