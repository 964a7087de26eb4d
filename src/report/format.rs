//! Numbers, times and widths as people read them, the same in every format.

use super::escape;
use crate::gate::Verdict;
pub use crate::gate::{duration, thousands};
use crate::model::Timestamp;
use unicode_width::UnicodeWidthChar;

/// How text for a terminal may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Whether symbols beyond ASCII can be shown.
    pub unicode: bool,
    /// Columns there are; more than 100 are not used.
    pub width: usize,
}

impl Default for Style {
    /// What a file gets: no colour, 100 columns.
    fn default() -> Self {
        Self { color: false, unicode: true, width: 100 }
    }
}

/// What a piece of text is; its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Pass,
    Fail,
    Inconclusive,
    Dim,
    /// Locations and ids.
    Id,
}

// === impl Style ===

impl Style {
    pub(super) fn columns(self) -> usize {
        self.width.clamp(40, 100)
    }

    pub(super) fn paint(self, role: Role, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match role {
            Role::Pass => "32",
            Role::Fail => "1;31",
            Role::Inconclusive => "33",
            Role::Dim => "2",
            Role::Id => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// The symbol alone, as rows carry it.
    pub fn symbol(self, verdict: Verdict) -> String {
        let plain = match (verdict, self.unicode) {
            (Verdict::Pass, true) => "✔",
            (Verdict::Fail, true) => "✖",
            (Verdict::Inconclusive, true) => "◌",
            (Verdict::Pass, false) => "ok",
            (Verdict::Fail, false) => "FAIL",
            (Verdict::Inconclusive, false) => "??",
        };
        let width = if self.unicode { 1 } else { 4 };
        self.paint(role(verdict), &pad(plain, width))
    }

    /// Symbol and word, never one without the other, then the sentence behind them.
    pub fn headline(self, verdict: Verdict, sentence: &str, indent: usize) -> String {
        let plain = match (verdict, self.unicode) {
            (Verdict::Pass, true) => "✔ PASS",
            (Verdict::Fail, true) => "✖ FAIL",
            (Verdict::Inconclusive, true) => "◌ INCONCLUSIVE",
            (Verdict::Pass, false) => "ok PASS",
            (Verdict::Fail, false) => "FAIL",
            (Verdict::Inconclusive, false) => "?? INCONCLUSIVE",
        };
        let sentence = self.wrap_after(sentence, plain.chars().count() + 2, indent);
        format!("{}  {sentence}", self.paint(role(verdict), plain))
    }

    /// Fits into `width` columns by losing its middle.
    pub(super) fn middle(self, text: &str, width: usize) -> String {
        let text = self.plain(text);
        if columns(&text) <= width {
            return text;
        }
        let gap = if self.unicode { "…" } else { "..." };
        let keep = width.saturating_sub(columns(gap));
        let tail = fitting(text.chars().rev(), keep / 2);
        let head = fitting(text.chars(), keep - keep / 2);
        let tail: String = text.chars().skip(text.chars().count() - tail).collect();
        format!("{}{gap}{tail}", text.chars().take(head).collect::<String>())
    }

    /// Fits into `width` columns by losing its end.
    pub(super) fn end(self, text: &str, width: usize) -> String {
        let text = self.plain(text);
        if columns(&text) <= width {
            return text;
        }
        let gap = if self.unicode { "…" } else { "..." };
        let head: String = text.chars().take(fitting(text.chars(), width.saturating_sub(columns(gap)))).collect();
        format!("{}{gap}", head.trim_end())
    }

    /// Safe for a terminal, and ASCII where only that can be shown.
    pub(super) fn plain(self, text: &str) -> String {
        let text = escape::line(text);
        if self.unicode { text } else { text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect() }
    }

    /// Words wrapped to the width, each line after `indent` spaces; the first line is not indented.
    pub fn wrap(self, text: &str, indent: usize) -> String {
        self.wrap_after(text, indent, indent)
    }

    /// The same after `first` columns that are already taken on the first line.
    pub(super) fn wrap_after(self, text: &str, first: usize, indent: usize) -> String {
        let mut room = self.columns().saturating_sub(first).max(20);
        let mut out = String::new();
        let mut used = 0;
        for word in self.plain(text).split(' ') {
            let length = columns(word);
            if used > 0 && used + 1 + length > room {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                room = self.columns().saturating_sub(indent).max(20);
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
        out
    }
}

pub(super) fn role(verdict: Verdict) -> Role {
    match verdict {
        Verdict::Pass => Role::Pass,
        Verdict::Fail => Role::Fail,
        Verdict::Inconclusive => Role::Inconclusive,
    }
}

/// Symbol and word, where colour is not in question.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✔ PASS",
        Verdict::Fail => "✖ FAIL",
        Verdict::Inconclusive => "◌ INCONCLUSIVE",
    }
}

pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Columns a text takes on a terminal: wide characters take two, marks upon others none.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

pub(super) fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// How many of these characters fit into so many columns.
fn fitting(chars: impl Iterator<Item = char>, width: usize) -> usize {
    let mut used = 0;
    let fits = |c: &char| {
        used += columns_of(*c);
        used <= width
    };
    chars.take_while(fits).count()
}

/// A share as the digits of a percentage, at most five characters, six with a sign: `0`, `0.303`, `12.5`, `100.0`.
pub(super) fn digits(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        "?".to_owned()
    } else if percent == 0.0 {
        "0".to_owned()
    } else if percent.abs() >= 9.9995 {
        format!("{percent:.1}")
    } else if percent < 0.0 {
        // The sign takes a place.
        format!("{percent:.2}")
    } else {
        format!("{percent:.3}")
    }
}

/// A share as a percentage without trailing zeros: `0 %`, `0.303 %`, `0.1 %`, `99 %`.
pub fn share(share: f64) -> String {
    let mut text = digits(share);
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if text == "0" && share > 0.0 {
        text = "0.000".to_owned();
    }
    format!("{text} %")
}

/// A part of a whole with one decimal: `92.7 %`; empty when there is no whole.
pub(super) fn part(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 / whole as f64 * 100.0) }
}

/// How long before `now` something was, in its largest unit.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    let s = now.since(then).as_secs();
    match s {
        0..60 => format!("{s} s ago"),
        60..3600 => format!("{} min ago", s / 60),
        3600..86_400 => format!("{} h ago", s / 3600),
        _ => format!("{} d ago", s / 86_400),
    }
}

/// `1.04x`, or `-` when a leg has no sample.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.2}x"))
}

/// Microseconds in a readable unit.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// Bytes in a readable unit.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.0} KiB", n as f64 / 1024.0),
        _ => format!("{:.0} MiB", n as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0.0, 0.00303, 0.125, 1.0, 0.000_000_1].map(digits), ["0", "0.303", "12.5", "100.0", "0.000"]);
        assert_eq!([0.0, 0.001, 0.99, 0.000_000_1].map(share), ["0 %", "0.1 %", "99 %", "0.000 %"]);
    }

    #[test]
    fn long_routes_lose_their_middle() {
        let style = Style::default();
        assert_eq!(style.middle("GET /a/very/long/route", 11), "GET /…route");
        assert_eq!(Style { unicode: false, ..style }.middle("GET /a/very/long/route", 13), "GET /...route");
        assert_eq!(style.middle("short", 11), "short");
        assert_eq!(style.middle("GET /全角文字/x", 11), "GET /…字/x");
        assert_eq!(style.end("全角文字", 6), "全角…");
    }
}
