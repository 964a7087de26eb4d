//! A series of bounds drawn as SVG: upper and lower bound against the limit over time. A function of plain values; no
//! script and no style of its own, so that a strict content security policy can hold.

use super::escape::Html;
use super::history::{BoundPoint, BoundSeries, VerdictChange};
use super::plots::Markup;
use super::thousands;
use crate::model::Timestamp;
use std::fmt::Write;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 180.0;
/// What is left free for the values on the left, the names on the right, and the times below.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// Lines of text nearer to each other than this would overlap.
const LINE: f64 = 13.0;

/// Points drawn and points told at most, evenly apart: a page of many charts stays small.
const DRAWN: usize = 40;
const TOLD: usize = 12;

type Written = std::fmt::Result;

/// Where times and values are drawn.
struct Plane {
    from: Timestamp,
    seconds: f64,
    /// The value at the upper edge; the lower one is zero.
    most: f64,
}

/// The series as a figure with its numbers below; nothing while there are fewer than two points.
pub fn bounds(series: &BoundSeries, changes: &[VerdictChange]) -> Markup {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = figure(&mut out, series, changes);
    Markup::new(out)
}

fn figure(out: &mut String, series: &BoundSeries, changes: &[VerdictChange]) -> Written {
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else { return Ok(()) };
    if last.at <= first.at {
        return Ok(());
    }
    let plane =
        Plane { from: first.at, seconds: last.at.since(first.at).as_secs_f64(), most: most(&series.points, last) };
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
    // What is beyond the edges is cut off, so that lines run where they would.
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    writeln!(
        out,
        "<svg x=\"{LEFT}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\" viewBox=\"{LEFT} {TOP} {width} {height}\">"
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
    let drawn = few(&series.points, DRAWN);
    for part in unbroken(&drawn) {
        area(out, &plane, part)?;
        line(out, &plane, "observed", part, |p| p.observed)?;
        line(out, &plane, "lower", part, |p| p.lower)?;
        line(out, &plane, "upper", part, |p| p.upper)?;
    }
    line(out, &plane, "limit", &drawn, |p| p.limit)?;
    out.push_str("</svg>\n");
    axes(out, &plane, series, first, last)?;
    out.push_str("</svg>\n");
    numbers(out, series)?;
    out.push_str("</figure>\n");
    Ok(())
}

/// Room for the limit, for where the bounds are now, and for most of their way, as far as that leaves these to be seen.
fn most(points: &[BoundPoint], last: &BoundPoint) -> f64 {
    let now = [last.lower, last.upper, last.observed].into_iter().flatten().fold(0.0, f64::max);
    let limit = last.limit.unwrap_or(0.0);
    let early = points.get(points.len() / 4).and_then(|p| p.upper).unwrap_or(0.0);
    let most = (now * 1.25).max(limit * 2.0).max(early.min(now.max(limit) * 3.0));
    // A share of more than all there is would be nonsense.
    let cap = if now <= 1.0 && limit <= 1.0 { 1.0 } else { f64::INFINITY };
    if most > 0.0 { most.min(cap) } else { 1.0 }
}

/// At most so many of them, the first and the last included.
fn few(points: &[BoundPoint], most: usize) -> Vec<BoundPoint> {
    let last = points.len().saturating_sub(1);
    let n = points.len().min(most);
    (0..n).filter_map(|i| points.get(i * last / n.saturating_sub(1).max(1)).copied()).collect()
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
    let alone = last.observed.filter(|_| last.upper.is_none() && last.lower.is_none());
    let ends = [("upper", last.upper), ("observed", alone), ("limit", last.limit), ("lower", last.lower)];
    let mut ends: Vec<_> =
        ends.into_iter().filter_map(|(name, v)| Some((name, plane.y(v?).clamp(TOP, base)))).collect();
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
    let told = few(&series.points, TOLD);
    let of = if told.len() < series.points.len() { format!("{} of ", told.len()) } else { String::new() };
    writeln!(
        out,
        "<details><summary>{of}{} points as numbers</summary><div class=\"wide\"><table><caption>{}</caption><thead><tr><th scope=\"col\">at (UTC)</th>",
        series.points.len(),
        Html(series.name())
    )?;
    for title in ["observed", "lower", "upper", "limit", "samples"] {
        write!(out, "<th scope=\"col\" class=\"n\">{title}</th>")?;
    }
    out.push_str("</tr></thead><tbody>\n");
    for point in &told {
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
        // Far outside is far enough.
        let share = (value / self.most).clamp(-100.0, 100.0);
        TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Criterion, Verdict};
    use std::time::Duration;

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_micros(1_767_225_600_000_000) + Duration::from_secs(60 * minutes)
    }

    fn point(minutes: u64, lower: Option<f64>, upper: f64, samples: u64) -> BoundPoint {
        BoundPoint { at: at(minutes), observed: Some(0.0005), lower, upper: Some(upper), limit: Some(0.001), samples }
    }

    fn series(points: Vec<BoundPoint>) -> BoundSeries {
        BoundSeries {
            criterion: Criterion::Divergence,
            route: Some("GET /a".into()),
            measure: None,
            required: true,
            verdict: Verdict::Pass,
            points,
        }
    }

    fn drawn(series: &BoundSeries, changes: &[VerdictChange]) -> String {
        bounds(series, changes).to_string()
    }

    #[test]
    fn a_chart_of_many_points_stays_small() {
        let long = series((0..65).map(|i| point(i, Some(0.000_1), 0.000_9, i * 1_000)).collect());
        let svg = drawn(&long, &[]);
        assert!(svg.contains("12 of 65 points as numbers") && svg.len() < 7_000, "{} bytes", svg.len());
        assert!(
            svg.contains("<th scope=\"row\">2026-01-01 00:00:00")
                && svg.contains("<th scope=\"row\">2026-01-01 01:04:00")
        );
    }

    #[test]
    fn a_pass_is_drawn() {
        let change =
            VerdictChange { at: at(60), verdict: Verdict::Pass, compared: 1, divergent: 0, why: String::new() };
        let points = vec![
            point(0, Some(0.0), 1.0, 10),
            point(30, Some(0.0), 0.0015, 4_000),
            point(60, Some(0.0), 0.00095, 6_000),
            point(120, Some(0.0001), 0.0005, 12_000),
        ];
        insta::assert_snapshot!(drawn(&series(points), &[change]), @r##"
        <figure class="chart pass"><figcaption><strong>✔ PASS</strong> divergence GET /a: between 0.01 % and 0.05 %, limit 0.1 %, of 12,000</figcaption>
        <svg viewBox="0 0 480 180" role="img" aria-label="divergence GET /a over time: upper bound from 100 % to 0.05 %, lower bound from 0 % to 0.01 %, observed from 0.05 % to 0.05 %, limit 0.1 %">
        <svg x="56" y="12" width="364" height="144" viewBox="56 12 364 144">
        <line class="change pass" x1="238.0" x2="238.0" y1="12" y2="156.0"><title>pass 2026-01-01T01:00:00.000Z</title></line>
        <path class="band" d="M56.0 -14244.0L147.0 48.0L238.0 87.6L420.0 120.0L420.0 148.8L238.0 156.0L147.0 156.0L56.0 156.0Z"/>
        <path class="observed" d="M56.0 120.0L147.0 120.0L238.0 120.0L420.0 120.0"/>
        <path class="lower" d="M56.0 156.0L147.0 156.0L238.0 156.0L420.0 148.8"/>
        <path class="upper" d="M56.0 -14244.0L147.0 48.0L238.0 87.6L420.0 120.0"/>
        <path class="limit" d="M56.0 84.0L147.0 84.0L238.0 84.0L420.0 84.0"/>
        </svg>
        <path class="axis" d="M56 12V156H420"/>
        <text x="50.0" y="16.0" text-anchor="end">0.2 %</text>
        <text x="50.0" y="160.0" text-anchor="end">0 %</text>
        <text x="50.0" y="88.0" text-anchor="end">0.1 %</text>
        <text x="56.0" y="174.0" text-anchor="start">2026-01-01 00:00:00</text>
        <text x="420.0" y="174.0" text-anchor="end">2026-01-01 02:00:00</text>
        <text x="426.0" y="88.0" text-anchor="start">limit</text>
        <text x="426.0" y="124.0" text-anchor="start">upper</text>
        <text x="426.0" y="152.8" text-anchor="start">lower</text>
        </svg>
        <details><summary>4 points as numbers</summary><div class="wide"><table><caption>divergence GET /a</caption><thead><tr><th scope="col">at (UTC)</th>
        <th scope="col" class="n">observed</th><th scope="col" class="n">lower</th><th scope="col" class="n">upper</th><th scope="col" class="n">limit</th><th scope="col" class="n">samples</th></tr></thead><tbody>
        <tr><th scope="row">2026-01-01 00:00:00</th><td class="n">0.05 %</td><td class="n">0 %</td><td class="n">100 %</td><td class="n">0.1 %</td><td class="n">10</td></tr>
        <tr><th scope="row">2026-01-01 00:30:00</th><td class="n">0.05 %</td><td class="n">0 %</td><td class="n">0.15 %</td><td class="n">0.1 %</td><td class="n">4,000</td></tr>
        <tr><th scope="row">2026-01-01 01:00:00</th><td class="n">0.05 %</td><td class="n">0 %</td><td class="n">0.095 %</td><td class="n">0.1 %</td><td class="n">6,000</td></tr>
        <tr><th scope="row">2026-01-01 02:00:00</th><td class="n">0.05 %</td><td class="n">0.01 %</td><td class="n">0.05 %</td><td class="n">0.1 %</td><td class="n">12,000</td></tr>
        </tbody></table></div></details>
        </figure>
        "##);
    }

    #[test]
    fn evidence_that_began_afresh_is_not_joined() {
        let paths = |points| drawn(&series(points), &[]).matches("class=\"upper\"").count();
        let before = [point(0, None, 0.5, 10), point(10, None, 0.1, 100)];
        let after = [point(20, None, 0.9, 3), point(30, None, 0.05, 200)];
        assert_eq!(paths(before.to_vec()), 1);
        assert_eq!(paths([before, after].concat()), 2);
        assert_eq!(paths([&before[..], &after[..1]].concat()), 2, "a dot is something as well");
    }

    #[test]
    fn nothing_is_drawn_of_nothing_and_no_number_breaks_it() {
        assert_eq!(drawn(&series(vec![]), &[]), "");
        assert_eq!(drawn(&series(vec![point(0, None, 0.5, 1)]), &[]), "");
        let wild = vec![
            point(0, Some(-0.9), 7.0, 1),
            BoundPoint { limit: None, ..point(5, None, 0.0, 2) },
            BoundPoint { upper: None, observed: None, limit: None, ..point(9, None, 0.0, 3) },
        ];
        let svg = drawn(&series(wild), &[]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        // What is told beside it stays where it can be read.
        let told =
            svg.split("<text ").skip(1).filter_map(|t| t.split("y=\"").nth(1)?.split('"').next()?.parse::<f64>().ok());
        assert!(told.clone().count() >= 4 && told.clone().all(|y| (0.0..=HEIGHT).contains(&y)), "{svg}");
    }
}
