//! What is in force: the effective configuration without secrets, the legs, the budgets beside their use, controls.

use super::super::Report;
use super::super::plots::{Markup, used};
use super::{Deed, Frame, Health, Look, Query, filters, rendered};
use askama::Template;

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    health: &'a Health,
    config: &'a str,
    deeds: &'a [Deed],
    /// How far the budgets are used.
    captured: Markup,
    in_flight: Markup,
}

/// `config` is what `parallax check` prints of it.
pub fn settings(look: &Look, deeds: &[Deed], config: &str, query: &Query) -> String {
    let drawn = |budget: Option<(u64, u64)>| budget.map(|(n, limit)| used(n, limit)).unwrap_or_default();
    rendered(&Settings {
        frame: Frame::new(look, deeds, "/settings", "Settings", query.get("epoch")),
        report: &look.report,
        captured: drawn(look.health.captured),
        in_flight: drawn(look.health.in_flight),
        health: &look.health,
        config,
        deeds,
    })
}
