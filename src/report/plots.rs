//! Small drawings as SVG: numbers in, markup out. Colours and fonts come from the style sheet by class.
//!
//! A drawing never stands alone: what it shows is beside it in numbers, and its label says where.

use super::escape::Html;
use super::format::micros;
use super::{BoundPoint, HistoryPoint, LatencySummary, ShareTrend, chart, share};
use std::fmt::{self, Display, Formatter, Write};
use std::time::Duration;

/// HTML that is known to be harmless: made here, of numbers and of escaped text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Display for Markup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<Markup> for Markup {
    fn as_ref(&self) -> &Markup {
        self
    }
}

impl Markup {
    /// Nothing was drawn, because there was nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of what has been escaped where it had to be.
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

/// Shares of one whole, as a bar: class and count of each. Nothing is drawn of nothing.
pub fn bar(parts: &[(&str, u64)]) -> Markup {
    let whole: u64 = parts.iter().map(|(_, n)| n).sum();
    let mut out = String::new();
    if whole == 0 {
        return Markup(out);
    }
    out.push_str("<svg class=\"bar\" viewBox=\"0 0 1000 14\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"shares of all requests, numbers below\">");
    let mut x: f64 = 0.0;
    for (class, n) in parts.iter().filter(|(_, n)| *n > 0) {
        let width = *n as f64 / whole as f64 * 1000.0;
        // What is there is seen, however little it is.
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{:.2}\" y=\"0\" width=\"{:.2}\" height=\"14\"/>",
            x.min(997.0),
            width.max(3.0)
        );
        x += width;
    }
    out.push_str("</svg>");
    Markup(out)
}

/// Where a rate and its bounds lie against their limit. The limit is always the line in the middle; up to it the scale
/// is linear, beyond it a tenfold is a quarter of the width.
pub fn interval(rate: f64, bounds: Option<(f64, f64)>, limit: f64) -> Markup {
    const WIDE: f64 = 120.0;
    if limit <= 0.0 {
        return Markup::default();
    }
    let at = |value: f64| {
        let times = (value / limit).max(0.0);
        let share = if times <= 1.0 { times / 2.0 } else { 0.5 + times.log10() / 4.0 };
        share.min(1.0) * (WIDE - 4.0) + 2.0
    };
    let label = match bounds {
        Some((lower, upper)) => {
            format!("{}, between {} and {}; limit {}", share(rate), share(lower), share(upper), share(limit))
        }
        None => format!("{}, limit {}, too few to bound it", share(rate), share(limit)),
    };
    let mut out = format!(
        "<svg class=\"interval\" viewBox=\"0 0 {WIDE} 16\" role=\"img\" aria-label=\"{}\"><rect class=\"within\" x=\"2\" y=\"7\" width=\"{:.1}\" height=\"2\"/><rect class=\"beyond\" x=\"{:.1}\" y=\"7\" width=\"{:.1}\" height=\"2\"/>",
        Html(label),
        WIDE / 2.0 - 2.0,
        WIDE / 2.0,
        WIDE / 2.0 - 2.0,
    );
    if let Some((lower, upper)) = bounds {
        let class = match () {
            () if upper < limit => "pass",
            () if lower > limit => "fail",
            () => "inconclusive",
        };
        let (from, to) = (at(lower), at(upper));
        let width = (to - from).max(2.5);
        let _ =
            write!(out, "<rect class=\"{class}\" x=\"{from:.1}\" y=\"4\" width=\"{width:.1}\" height=\"8\" rx=\"2\"/>");
    }
    let (middle, seen) = (WIDE / 2.0, at(rate));
    let _ = write!(
        out,
        "<line class=\"limit\" x1=\"{middle}\" x2=\"{middle}\" y1=\"0\" y2=\"16\"/>\
         <circle class=\"observed\" cx=\"{seen:.1}\" cy=\"8\" r=\"2.5\"/></svg>"
    );
    Markup(out)
}

/// How far something has come, of what it takes.
pub fn progress(done: u64, needed: u64) -> Markup {
    let share = if needed == 0 { 0.0 } else { (done as f64 / needed as f64).min(1.0) * 100.0 };
    Markup(format!(
        "<svg class=\"progress\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{:.0} percent \
         of what it takes\"><rect class=\"track\" width=\"100\" height=\"6\"/><rect class=\"done\" width=\"{share:.1}\" \
         height=\"6\"/></svg>",
        share.floor(),
    ))
}

/// How much of a budget is used.
pub fn used(used: u64, limit: u64) -> Markup {
    Markup(progress(used, limit).0.replace("of what it takes", "of the budget"))
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Latency by quantile, a line for each leg that has any: name, which is its class too, and what was measured. Time is
/// logarithmic, and so is the rest beyond each quantile, so that the slowest thousandth has as much room as the slowest
/// tenth.
pub fn quantiles(legs: &[(&str, LatencySummary)]) -> Markup {
    let points = |s: &LatencySummary| {
        [
            (0.1, s.p10_us),
            (0.25, s.p25_us),
            (0.5, s.p50_us),
            (0.75, s.p75_us),
            (0.9, s.p90_us),
            (0.95, s.p95_us),
            (0.99, s.p99_us),
            (0.999, s.p999_us),
            (0.9997, s.max_us),
        ]
        .map(|(q, us): (f64, u64)| (-(1.0 - q).log10(), (us.max(1) as f64).log10()))
    };
    let measured: Vec<_> = legs.iter().filter(|(_, s)| s.count > 0).collect();
    let all = || measured.iter().flat_map(|(_, s)| points(s)).map(|(_, y)| y);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() || !high.is_finite() {
        return Markup::default();
    }
    // At least a threefold, so that noise does not look like a trend.
    let room = (0.5 - (high - low)).max(0.1) / 2.0;
    let (low, high) = (low - room, high + room);
    let last = -(1.0_f64 - 0.9997).log10();
    let x = |v: f64| LEFT + v / last * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| TOP + (high - v) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"latency by quantile of {}, numbers below\">",
        Html(measured.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
    );
    for (at, label) in ticks(low, high) {
        let y = y(at);
        let _ = write!(
            out,
            "<line class=\"rule\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"y\" x=\"{}\" y=\"{:.1}\">{label}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 3.5,
        );
    }
    for (q, label) in [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9997, "max")] {
        let x = x(-(1.0_f64 - q).log10());
        let _ = write!(
            out,
            "<line class=\"rule\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{}\"/><text class=\"x\" x=\"{:.1}\" y=\"{}\">{label}</text>",
            HEIGHT - BOTTOM,
            x.min(WIDTH - RIGHT - 10.0),
            HEIGHT - 7.0,
        );
    }
    for (name, summary) in &measured {
        let line: Vec<String> = points(summary).iter().map(|&(q, us)| format!("{:.1},{:.1}", x(q), y(us))).collect();
        let _ = write!(out, "<polyline class=\"line {}\" points=\"{}\"/>", Html(name), line.join(" "));
    }
    out.push_str("</svg>");
    Markup(out)
}

/// Comparisons a second between the points of the history, and how many of them diverged. Where the counts fall the
/// evidence began afresh, and nothing is drawn. Nothing of fewer than two points.
pub fn traffic(points: &[HistoryPoint]) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Markup::default() };
    let span = last.at.since(first.at).as_secs_f64();
    let steps: Vec<(f64, f64, f64, f64)> = points
        .windows(2)
        .filter_map(|pair| {
            let [a, b] = pair else { return None };
            let seconds = b.at.since(a.at).as_secs_f64();
            let compared = b.compared.checked_sub(a.compared)? as f64;
            let divergent = b.divergent.checked_sub(a.divergent)? as f64;
            let from = a.at.since(first.at).as_secs_f64();
            (seconds > 0.0).then_some((from, seconds, compared / seconds, divergent / seconds))
        })
        .collect();
    let most = steps.iter().map(|s| s.2).fold(0.0, f64::max);
    if span <= 0.0 || most <= 0.0 {
        return Markup::default();
    }
    let (width, height, base) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
    let label = format!("comparisons a second over time, at most {}", rate(most));
    let mut out = frame(&label, most, rate);
    for (from, seconds, compared, divergent) in steps {
        let (x, wide) = (LEFT + from / span * width, (seconds / span * width).max(0.5));
        for (class, value) in [("compared", compared), ("divergent", divergent)] {
            let tall = value / most * height;
            let y = base - tall;
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>"
            );
        }
    }
    let _ = write!(
        out,
        "<text x=\"{LEFT}\" y=\"{0}\">{1}</text><text class=\"y\" x=\"{2}\" y=\"{0}\">{3} UTC</text></svg>",
        HEIGHT - 7.0,
        chart::clock(first.at),
        WIDTH - RIGHT,
        chart::clock(last.at),
    );
    Markup(out)
}

/// `2.5/s`.
fn rate(a_second: f64) -> String {
    if a_second >= 10.0 { format!("{a_second:.0}/s") } else { format!("{a_second:.1}/s") }
}

/// An open plot with a line at nothing, at half and at `most`.
fn frame(label: &str, most: f64, written: fn(f64) -> String) -> String {
    let mut out = format!("<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
    for part in [0.0, 0.5, 1.0] {
        let y = HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
        let _ = write!(
            out,
            "<line class=\"rule\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 3.5,
            written(part * most),
        );
    }
    out
}

/// How a rate went, against its limit where that is near: small enough for a row of a table.
pub fn sparkline(points: &[BoundPoint]) -> Markup {
    const WIDE: f64 = 96.0;
    const TALL: f64 = 18.0;
    let known: Vec<_> = points.iter().filter_map(|p| Some((p.at, p.observed?))).collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else { return Markup::default() };
    let span = last.0.since(first.0).as_secs_f64();
    if span <= 0.0 {
        return Markup::default();
    }
    let limit = points.last().and_then(|p| p.limit).unwrap_or(0.0);
    let most = known.iter().map(|p| p.1).fold(limit * 1.25, f64::max).max(1e-12);
    let y = |value: f64| TALL - 1.0 - (value.max(0.0) / most) * (TALL - 2.0);
    let line: Vec<String> = known
        .iter()
        .map(|(at, value)| format!("{:.1},{:.1}", at.since(first.0).as_secs_f64() / span * WIDE, y(*value)))
        .collect();
    let (from, to, level, line) = (share(first.1), share(last.1), y(limit), line.join(" "));
    Markup(format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDE} {TALL}\" role=\"img\" aria-label=\"the rate over time, from {from} to {to}\">\
         <line class=\"limit\" x1=\"0\" x2=\"{WIDE}\" y1=\"{level:.1}\" y2=\"{level:.1}\"/>\
         <polyline class=\"line candidate\" points=\"{line}\"/></svg>"
    ))
}

/// The share of one divergence over time, small enough for a row of a table. A span in which nothing was compared has
/// none, and leaves a gap; nothing is drawn of fewer than two spans.
pub fn share_sparkline(trend: &ShareTrend) -> Markup {
    const WIDE: f64 = 96.0;
    const TALL: f64 = 18.0;
    let spans = trend.spans();
    let known = || spans.iter().filter_map(|s| s.share());
    let (Some(first), Some(last)) = (known().next(), known().next_back()) else { return Markup::default() };
    if spans.len() < 2 {
        return Markup::default();
    }
    let (most, wide) = (known().fold(0.0, f64::max).max(1e-12), WIDE / spans.len() as f64);
    let mut out = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDE} {TALL}\" role=\"img\" aria-label=\"its share over time, from {} to {}, at most {}\">",
        share(first),
        share(last),
        share(most)
    );
    // Compared and not seen is a line on the ground; not compared is nothing. One path for each: pages have many.
    for (class, seen) in [("compared", false), ("divergent", true)] {
        let _ = write!(out, "<path class=\"{class}\" d=\"");
        for (i, span) in spans.iter().enumerate().filter(|(_, span)| (span.count > 0) == seen) {
            let Some(value) = span.share() else { continue };
            let (x, tall, bar) = (i as f64 * wide, (value / most * TALL).max(0.7), wide - 0.5);
            let _ = write!(out, "M{x:.1} {TALL}v-{tall:.1}h{bar:.1}v{tall:.1}z");
        }
        out.push_str("\"/>");
    }
    out.push_str("</svg>");
    Markup(out)
}

/// The same, large and with its scale.
pub fn shares(trend: &ShareTrend) -> Markup {
    let spans = trend.spans();
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Markup::default() };
    let most = spans.iter().filter_map(|s| s.share()).fold(0.0, f64::max);
    if spans.len() < 2 || most <= 0.0 {
        return Markup::default();
    }
    let (width, height, base) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
    let label = format!("its share over time, at most {}; numbers below", share(most));
    let mut out = frame(&label, most, share);
    let wide = width / spans.len() as f64;
    for (i, span) in spans.iter().enumerate() {
        let Some(value) = span.share() else { continue };
        let (x, tall) = (LEFT + i as f64 * wide, value / most * height);
        let _ = write!(
            out,
            "<rect class=\"divergent\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>",
            base - tall,
            (wide - 1.0).max(0.5),
        );
    }
    let _ = write!(
        out,
        "<text x=\"{LEFT}\" y=\"{0}\">{1}</text><text class=\"y\" x=\"{2}\" y=\"{0}\">{3} UTC</text></svg>",
        HEIGHT - 7.0,
        chart::clock(first.from),
        WIDTH - RIGHT,
        chart::clock(last.from + Duration::from_secs(trend.seconds)),
    );
    Markup(out)
}

/// Round numbers of a logarithmic scale of microseconds: 1, 2 and 5 of each power of ten, or fewer where there are many.
fn ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let steps: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = (low.floor() as i32)..=(high.ceil() as i32);
    let all = powers.flat_map(|p| steps.iter().map(move |s| s * 10f64.powi(p)));
    all.filter(|v| (low..=high).contains(&v.log10())).map(|v| (v.log10(), round(v))).collect()
}

/// `500 µs`, `20 ms`: what [`micros`] says without its decimals.
fn round(us: f64) -> String {
    micros(us as u64).replace(".0", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn number(svg: &str, after: &str) -> f64 {
        let rest = svg.split(after).nth(1).unwrap_or_else(|| panic!("{after} is not in {svg}"));
        rest.split('"').next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_limit_is_in_the_middle_and_what_is_beyond_is_right_of_it() {
        for (rate, bounds, side) in [
            (0.0002, (0.0, 0.0009), "class=\"pass\""),
            (0.003, (0.0027, 0.0034), "class=\"fail\""),
            (0.001, (0.0, 0.5), "class=\"inconclusive\""),
        ] {
            let svg = interval(rate, Some(bounds), 0.001).to_string();
            assert!(svg.contains(side), "{svg}");
            assert_eq!(number(&svg, "x1=\""), 60.0);
            assert_eq!(number(&svg, "cx=\"") > 60.0, rate > 0.001, "{svg}");
        }
        assert_eq!(interval(0.0, None, 0.0), Markup::default());
        assert!(interval(1.0, None, 1e-9).to_string().contains("too few to bound it"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(bar(&[("matched", 0)]), Markup::default());
        assert_eq!(quantiles(&[("primary", LatencySummary::default())]), Markup::default());
    }

    #[test]
    fn slower_is_higher_and_every_scale_has_ticks() {
        let leg = |us: u64| LatencySummary { count: 9, p50_us: us, max_us: us * 20, ..LatencySummary::default() };
        let svg =
            quantiles(&[("primary", leg(1_000)), ("candidate", leg(2_000)), ("control", LatencySummary::default())]);
        let svg = svg.to_string();
        assert_eq!(svg.matches("<polyline").count(), 2);
        let at = |class: &str| -> f64 {
            let points = svg.split(&format!("line {class}\" points=\"")).nth(1).unwrap().split('"').next().unwrap();
            points.split(' ').nth(2).unwrap().split(',').nth(1).unwrap().parse().unwrap()
        };
        assert!(at("candidate") < at("primary"));
        let labels: Vec<String> = ticks(2.6, 4.4).into_iter().map(|t| t.1).collect();
        assert_eq!(labels, ["500 µs", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]);
        assert!(ticks(0.0, 9.0).len() >= 9);
    }

    #[test]
    fn a_share_over_time_has_gaps_where_nothing_was_compared() {
        let trend = ShareTrend {
            from: Timestamp::from_micros(1_767_225_600_000_000),
            seconds: 60,
            count: vec![0, 0, 1, 4],
            compared: vec![10, 0, 10, 8],
        };
        let spark = share_sparkline(&trend).to_string();
        assert!(spark.contains("from 0 % to 50 %, at most 50 %"), "{spark}");
        assert!(spark.contains("class=\"compared\" d=\"M0.0 18v-0.7h23.5v0.7z\""), "{spark}");
        assert!(spark.contains("class=\"divergent\" d=\"M48.0 18v-3.6h23.5v3.6zM72.0 18v-18.0"), "{spark}");
        let large = shares(&trend).to_string();
        assert_eq!(large.matches("<rect").count(), 3, "{large}");
        assert!(large.contains("2026-01-01 00:00:00") && large.contains("2026-01-01 00:04:00 UTC"), "{large}");
        let short = ShareTrend { count: vec![1], compared: vec![1], ..trend };
        assert!(share_sparkline(&short).is_empty() && shares(&short).is_empty());
    }

    #[test]
    fn what_is_there_is_seen() {
        let svg = bar(&[("matched", 1_000_000), ("divergent", 1), ("pending", 0)]).to_string();
        assert!(svg.contains("class=\"divergent\" x=\"997.00\"") && !svg.contains("pending"), "{svg}");
    }
}
