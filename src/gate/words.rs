//! Numbers as people read them.

use std::time::Duration;

/// `1,284,310`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `0.27 %`: a share with as many decimals as it takes, three at least tried.
pub(super) fn percent(share: f64) -> String {
    let decimals = if share != 0.0 && share.abs() < 0.000_01 { 7 } else { 3 };
    percent_with(share, decimals)
}

/// A share, written precisely enough to be told from another one.
pub(super) fn percent_beside(share: f64, other: f64) -> String {
    let apart = |decimals: &usize| percent_with(share, *decimals) != percent_with(other, *decimals);
    percent_with(share, (3..=9).find(apart).unwrap_or(9))
}

/// `0.01`, `0.00152`: three digits that say something.
pub(super) fn probability(p: f64) -> String {
    let leading = if p > 0.0 { (-p.log10()).ceil().clamp(0.0, 12.0) as usize } else { 0 };
    let text = format!("{p:.*}", leading + 2);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `2 d 4 h`, `26 min`, `1 min 30 s`, `250 ms`: the two largest units that are not zero; milliseconds below a second.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 && !duration.is_zero() {
        return format!("{} ms", duration.as_millis());
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

fn percent_with(share: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", share * 100.0);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{} %", if text == "-0" { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.01, 0.05, 0.006_079_27, 0.000_243_17, 0.0].map(probability),
            ["0.01", "0.05", "0.00608", "0.000243", "0"]
        );
        assert_eq!([thousands(0), thousands(999), thousands(1_284_310)], ["0", "999", "1,284,310"]);
        assert_eq!([percent(0.0), percent(0.0027), percent(0.1), percent(1.0)], ["0 %", "0.27 %", "10 %", "100 %"]);
        assert_eq!(percent(3e-7), "0.00003 %");
        assert_eq!(percent_beside(0.000_999_994, 0.001), "0.099999 %");
        let spans = [0, 59, 90, 1_860, 3_600, 187_200].map(|s| duration(Duration::from_secs(s)));
        assert_eq!(spans, ["0 s", "59 s", "1 min 30 s", "31 min", "1 h", "2 d 4 h"]);
        assert_eq!(duration(Duration::from_millis(250)), "250 ms");
    }
}
