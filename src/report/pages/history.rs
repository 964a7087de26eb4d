//! How the bounds closed in, the epochs and what became of them, and what people did.

use super::super::{EpochReport, Report, chart, duration, words};
use super::{Deed, Frame, Markup, Visit, filters, rendered};
use crate::gate::Verdict;
use askama::Template;

#[derive(Template)]
#[template(path = "history.html")]
struct History<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    covers: String,
    charts: Vec<Markup>,
    past: Vec<(&'a EpochReport, String)>,
    deeds: &'a [Deed],
}

/// The newest epoch first.
pub fn history(visit: &Visit<'_>) -> String {
    let Visit { look, deeds, .. } = *visit;
    let report = &look.report;
    rendered(&History {
        frame: Frame::new(visit, "/history", "History"),
        report,
        covers: words::covers(report),
        charts: report.history.series.iter().map(|series| chart::bounds(series, &report.history.changes)).collect(),
        past: past(report),
        deeds,
    })
}

/// Older epochs with how long they lasted.
pub fn past(report: &Report) -> Vec<(&EpochReport, String)> {
    report.epochs.iter().map(|past| (past, duration(past.ended_at.since(past.epoch.started_at)))).collect()
}
