//! Simpler ways to decide, as others do: the rule of each, in few lines.

use parallax::stats;

/// What has been said so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Said {
    Pass,
    Fail,
    Nothing,
}

/// The rate seen so far beside the limit.
pub fn point(n: u64, hits: u64, limit: f64) -> Said {
    if hits as f64 <= limit * n as f64 { Said::Pass } else { Said::Fail }
}

/// A fixed number of measurements, of which some may be beyond the limit (Argo Rollouts: `count`, `failureLimit`).
pub fn count_of_measurements(bad: &[bool], count: usize, most: usize) -> Said {
    let seen = &bad[..bad.len().min(count)];
    match seen.iter().filter(|bad| **bad).count() {
        n if n > most => Said::Fail,
        _ if seen.len() == count => Said::Pass,
        _ => Said::Nothing,
    }
}

/// So many good measurements before so many bad ones (Flagger: steps and `threshold`).
pub fn steps_and_threshold(bad: &[bool], steps: usize, threshold: usize) -> Said {
    let (mut good, mut failed) = (0, 0);
    for bad in bad {
        *if *bad { &mut failed } else { &mut good } += 1;
        if failed == threshold {
            return Said::Fail;
        }
        if good == steps {
            return Said::Pass;
        }
    }
    Said::Nothing
}

/// An exact interval made for one look, read again and again: the greatest count that passes and the least that fails.
pub fn exact_interval(n: u64, limit: f64, alpha: f64) -> (Option<u64>, Option<u64>) {
    let passes = |hits: u64| stats::clopper_pearson_upper(n, hits, alpha) < limit;
    let fails = |hits: u64| stats::clopper_pearson(n, hits, 2.0 * alpha).0 > limit;
    // Around the limit's own count; neither turns back.
    let centre = (n as f64 * limit) as u64;
    let pass = (0..=centre).rev().find(|hits| passes(*hits));
    (pass, (centre..=n).find(|hits| fails(*hits)))
}

/// The usual interval of a paired difference, one-sided at 95 %, read again and again.
pub fn wald(n: u64, plus: u64, minus: u64, limit: f64) -> Said {
    let (count, both) = (n as f64, (plus + minus) as f64);
    let difference = plus as f64 - minus as f64;
    let width = 1.645 * (both - difference * difference / count).max(0.0).sqrt();
    if difference + width < limit * count {
        Said::Pass
    } else if difference - width > limit * count {
        Said::Fail
    } else {
        Said::Nothing
    }
}

/// Flagged where the candidate differs more often than the control, by 20 % of both together and 0.03 % of all (Diffy).
pub fn relative_and_absolute(n: u64, candidate: u64, control: u64) -> Said {
    let (raw, noise) = (candidate as f64, control as f64);
    let flagged = raw > noise && raw - noise > 0.2 * (raw + noise) && raw - noise > 0.0003 * n as f64;
    if flagged { Said::Fail } else { Said::Pass }
}

/// The interval, at 98 %, of how much later the candidate's values are than the primary's (Mann and Whitney, Hodges and
/// Lehmann), against a quarter of the estimate; what is not shown to be higher passes (Kayenta).
pub fn rank_test(primary: &[f64], candidate: &[f64]) -> Said {
    let mut apart: Vec<f64> = candidate.iter().flat_map(|c| primary.iter().map(move |p| c - p)).collect();
    apart.sort_by(f64::total_cmp);
    let (a, b) = (primary.len() as f64, candidate.len() as f64);
    let rank = a * b / 2.0 - 2.326 * (a * b * (a + b + 1.0) / 12.0).sqrt();
    let lower = if rank < 1.0 { f64::NEG_INFINITY } else { apart[rank as usize - 1] };
    let estimate = apart[apart.len() / 2];
    if lower > 0.25 * estimate.abs() { Said::Fail } else { Said::Pass }
}
