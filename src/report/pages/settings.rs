//! What is in force: the effective configuration without secrets, the legs, the budgets beside their use, controls.

use super::super::Report;
use super::super::plots::{Markup, used};
use super::{Deed, Frame, Health, Paged, Query, Visit, filters, rendered};
use askama::Template;

/// So much of the configuration on one page; with many routes it is long.
const SIZE: usize = 24 * 1024;

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    health: &'a Health,
    query: &'a Query,
    /// This page's part of the configuration.
    config: &'a str,
    paged: Paged,
    deeds: &'a [Deed],
    /// How far the budgets are used.
    captured: Markup,
    in_flight: Markup,
}

/// `config` is what `parallax check` prints of it.
pub fn settings(visit: &Visit<'_>, config: &str) -> String {
    let Visit { look, deeds, query, .. } = *visit;
    let parts = parts(config, SIZE);
    let paged = Paged::new(parts.len(), 1, query.get("page"));
    let drawn = |budget: Option<(u64, u64)>| budget.map(|(n, limit)| used(n, limit)).unwrap_or_default();
    rendered(&Settings {
        frame: Frame::new(visit, "/settings", "Settings"),
        report: &look.report,
        captured: drawn(look.health.captured),
        in_flight: drawn(look.health.in_flight),
        health: &look.health,
        query,
        config: paged.of(&parts).first().copied().unwrap_or_default(),
        paged,
        deeds,
    })
}

/// Cut between tables, into parts of about `size` bytes; within a table that is longer, between lines.
fn parts(config: &str, size: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, 0);
    // The last place at which a table begins.
    let mut table = 0;
    for line in config.split_inclusive('\n') {
        if line.starts_with('[') {
            table = end;
        }
        if end + line.len() - start > size && end > start {
            let cut = if table > start { table } else { end };
            parts.extend(config.get(start..cut));
            start = cut;
        }
        end += line.len();
    }
    parts.extend(config.get(start..).filter(|rest| !rest.is_empty()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_configuration_is_cut_between_tables() {
        let text = "[a]\nb = 1\n\n[[route]]\nname = \"x\"\n[[route]]\nname = \"yy\"\nlong = \"äää\"\nlonger = 1\n";
        let cut = parts(text, 30);
        let expected = [
            "[a]\nb = 1\n\n",
            "[[route]]\nname = \"x\"\n",
            "[[route]]\nname = \"yy\"\n",
            "long = \"äää\"\nlonger = 1\n",
        ];
        assert_eq!(cut, expected);
        for size in 1..text.len() + 2 {
            assert_eq!(parts(text, size).concat(), text, "nothing is lost");
        }
        assert_eq!(parts(text, text.len()), [text]);
        assert!(parts("", 30).is_empty());
    }
}
