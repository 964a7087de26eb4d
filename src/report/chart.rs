//! A series of bounds drawn as SVG: upper and lower bound against the limit over time. A function of plain values; no
//! script and no style of its own, so that a strict content security policy can hold.

use super::escape::Html;
use super::history::{BoundPoint, BoundSeries, VerdictChange};
use super::thousands;
use crate::model::Timestamp;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
/// What is left free for the values on the left, the names on the right, and the times below.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// Lines of text nearer to each other than this would overlap.
const LINE: f64 = 13.0;

type Written = std::fmt::Result;

/// Where times and values are drawn.
struct Plane {
    from: Timestamp,
    seconds: f64,
    /// The value at the upper edge; the lower one is zero.
    most: f64,
}

/// The series as a figure with its numbers below; nothing while there are fewer than two points.
pub fn bounds(out: &mut String, series: &BoundSeries, changes: &[VerdictChange]) -> Written {
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else { return Ok(()) };
    if last.at <= first.at {
        return Ok(());
    }
    let plane = Plane { from: first.at, seconds: last.at.since(first.at).as_secs_f64(), most: most(last) };
    writeln!(
        out,
        "<figure class=\"chart {}\"><figcaption><strong>{}</strong> {}: {}</figcaption>",
        series.verdict.as_str(),
        super::format::word(series.verdict),
        Html(series.name()),
        Html(summary(series, last)),
    )?;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        Html(described(series, first, last))
    )?;
    for change in changes.iter().filter(|c| c.at > first.at && c.at <= last.at) {
        let x = plane.x(change.at);
        writeln!(
            out,
            "<line class=\"change {}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"><title>{} {}</title></line>",
            change.verdict.as_str(),
            HEIGHT - BOTTOM,
            change.verdict.as_str(),
            change.at,
        )?;
    }
    for part in unbroken(&series.points) {
        area(out, &plane, part)?;
        line(out, &plane, "observed", part, |p| p.observed)?;
        line(out, &plane, "lower", part, |p| p.lower)?;
        line(out, &plane, "upper", part, |p| p.upper)?;
    }
    line(out, &plane, "limit", &series.points, |p| p.limit)?;
    axes(out, &plane, series, first, last)?;
    out.push_str("</svg>\n");
    numbers(out, series)?;
    out.push_str("</figure>\n");
    Ok(())
}

/// Room for the limit and for where the bounds are now. What was above it is drawn along the edge.
fn most(last: &BoundPoint) -> f64 {
    let now = [last.lower, last.upper, last.observed].into_iter().flatten().fold(0.0, f64::max);
    let limit = last.limit.unwrap_or(0.0);
    let most = (now * 1.25).max(limit * 2.0);
    // A share of more than all there is would be nonsense.
    let cap = if now <= 1.0 && limit <= 1.0 { 1.0 } else { f64::INFINITY };
    if most > 0.0 { most.min(cap) } else { 1.0 }
}

/// The runs within which evidence only grew: where samples fall it began afresh, and no line joins the two.
fn unbroken(points: &[BoundPoint]) -> impl Iterator<Item = &[BoundPoint]> {
    points.chunk_by(|a, b| b.samples >= a.samples)
}

fn area(out: &mut String, plane: &Plane, points: &[BoundPoint]) -> Written {
    let both: Vec<_> = points.iter().filter_map(|p| Some((p.at, p.lower?, p.upper?))).collect();
    if both.len() < 2 {
        return Ok(());
    }
    out.push_str("<path class=\"band\" d=\"");
    let above = both.iter().map(|(at, _, upper)| (*at, *upper));
    let below = both.iter().rev().map(|(at, lower, _)| (*at, *lower));
    path(out, plane, above.chain(below))?;
    out.push_str("Z\"/>\n");
    Ok(())
}

fn line(
    out: &mut String,
    plane: &Plane,
    class: &str,
    points: &[BoundPoint],
    value: impl Fn(&BoundPoint) -> Option<f64>,
) -> Written {
    let known: Vec<_> = points.iter().filter_map(|p| Some((p.at, value(p)?))).collect();
    if known.len() < 2 {
        // A dot where there is no line to draw.
        let Some((at, value)) = known.first() else { return Ok(()) };
        let (x, y) = (plane.x(*at), plane.y(*value));
        return writeln!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
    }
    write!(out, "<path class=\"{class}\" d=\"")?;
    path(out, plane, known.into_iter())?;
    out.push_str("\"/>\n");
    Ok(())
}

fn path(out: &mut String, plane: &Plane, points: impl Iterator<Item = (Timestamp, f64)>) -> Written {
    for (i, (at, value)) in points.enumerate() {
        let to = if i == 0 { 'M' } else { 'L' };
        write!(out, "{to}{:.1} {:.1}", plane.x(at), plane.y(value))?;
    }
    Ok(())
}

fn axes(out: &mut String, plane: &Plane, series: &BoundSeries, first: &BoundPoint, last: &BoundPoint) -> Written {
    let (edge, base) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{base}H{edge}\"/>")?;
    let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
        writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", Html(text))
    };
    text(LEFT - 6.0, TOP + 4.0, "end", &series.told(plane.most))?;
    text(LEFT - 6.0, base + 4.0, "end", &series.told(0.0))?;
    if let Some(limit) = last.limit.filter(|limit| (plane.y(*limit) - TOP) > LINE && base - plane.y(*limit) > LINE) {
        text(LEFT - 6.0, plane.y(limit) + 4.0, "end", &series.told(limit))?;
    }
    text(LEFT, HEIGHT - 6.0, "start", &clock(first.at))?;
    text(edge, HEIGHT - 6.0, "end", &clock(last.at))?;
    // The names of the lines, at their ends and apart from each other.
    let ends = [("upper", last.upper), ("limit", last.limit), ("lower", last.lower)];
    let mut ends: Vec<_> = ends.into_iter().filter_map(|(name, v)| Some((name, plane.y(v?)))).collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut taken = f64::MIN;
    for (name, y) in ends {
        let y = (y + 4.0).max(taken + LINE);
        taken = y;
        text(edge + 6.0, y, "start", name)?;
    }
    Ok(())
}

/// What was drawn, as a table that unfolds.
fn numbers(out: &mut String, series: &BoundSeries) -> Written {
    writeln!(
        out,
        "<details><summary>{} points as numbers</summary><div class=\"wide\"><table><caption>{}</caption><thead><tr><th scope=\"col\">at (UTC)</th>",
        series.points.len(),
        Html(series.name())
    )?;
    for title in ["observed", "lower", "upper", "limit", "samples"] {
        write!(out, "<th scope=\"col\" class=\"n\">{title}</th>")?;
    }
    out.push_str("</tr></thead><tbody>\n");
    for point in &series.points {
        write!(out, "<tr><th scope=\"row\">{}</th>", clock(point.at))?;
        for value in [point.observed, point.lower, point.upper, point.limit] {
            let told = value.map_or_else(|| "-".to_owned(), |v| series.told(v));
            write!(out, "<td class=\"n\">{}</td>", Html(told))?;
        }
        writeln!(out, "<td class=\"n\">{}</td></tr>", thousands(point.samples))?;
    }
    out.push_str("</tbody></table></div></details>\n");
    Ok(())
}

/// `between 0.27 % and 0.338 %, limit 0.1 %, of 412,118`.
fn summary(series: &BoundSeries, last: &BoundPoint) -> String {
    let told = |v: f64| series.told(v);
    let now = match (last.lower, last.upper, last.observed) {
        (Some(lower), Some(upper), _) => format!("between {} and {}", told(lower), told(upper)),
        (None, Some(upper), _) => format!("at most {}", told(upper)),
        (Some(lower), None, _) => format!("at least {}", told(lower)),
        (None, None, Some(observed)) => format!("{} observed", told(observed)),
        (None, None, None) => "nothing measured".to_owned(),
    };
    let limit = last.limit.map(|limit| format!(", limit {}", told(limit))).unwrap_or_default();
    format!("{now}{limit}, of {}", thousands(last.samples))
}

/// The picture in words.
fn described(series: &BoundSeries, first: &BoundPoint, last: &BoundPoint) -> String {
    let mut parts = Vec::new();
    for (name, from, to) in [
        ("upper bound", first.upper, last.upper),
        ("lower bound", first.lower, last.lower),
        ("observed", first.observed, last.observed),
    ] {
        if let (Some(from), Some(to)) = (from, to) {
            parts.push(format!("{name} from {} to {}", series.told(from), series.told(to)));
        }
    }
    parts.extend(last.limit.map(|limit| format!("limit {}", series.told(limit))));
    format!("{} over time: {}", series.name(), parts.join(", "))
}

/// `2026-01-01 06:14:00`.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().chars().take(19).collect::<String>().replace('T', " ")
}

// === impl Plane ===

impl Plane {
    fn x(&self, at: Timestamp) -> f64 {
        LEFT + at.since(self.from).as_secs_f64() / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.most).clamp(0.0, 1.0);
        TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM)
    }
}
