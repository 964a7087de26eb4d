//! Epochs and what became of them, and what people did.

use super::super::{Report, duration};
use super::{Deed, Frame, Look, Query, filters, rendered};
use crate::evidence::PastEpoch;
use askama::Template;

#[derive(Template)]
#[template(path = "history.html")]
struct History<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    past: Vec<(&'a PastEpoch, String)>,
    deeds: &'a [Deed],
}

/// The newest epoch first.
pub fn history(look: &Look, deeds: &[Deed], query: &Query) -> String {
    let span = |past: &PastEpoch| duration(past.ended_at.since(past.info.started_at));
    rendered(&History {
        frame: Frame::new(look, deeds, "/history", "History", query.get("epoch")),
        report: &look.report,
        past: look.past.iter().rev().map(|past| (past, span(past))).collect(),
        deeds,
    })
}
