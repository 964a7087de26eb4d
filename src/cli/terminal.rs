//! What the streams can show: colour, width, UTF-8.

use super::args::ColorWhen;
use std::io::IsTerminal;

/// How to print to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub color: bool,
    pub unicode: bool,
    /// Columns; at most 100.
    pub width: usize,
    pub terminal: bool,
}

impl Look {
    pub fn stdout(when: ColorWhen) -> Self {
        Self::of(when, std::io::stdout().is_terminal())
    }

    pub fn stderr(when: ColorWhen) -> Self {
        Self::of(when, std::io::stderr().is_terminal())
    }

    fn of(when: ColorWhen, terminal: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let color = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if no_color => false,
            ColorWhen::Auto => set("CLICOLOR_FORCE") || set("FORCE_COLOR") || (terminal && !dumb),
        };
        let width = if terminal { columns() } else { 100 };
        Self { color, unicode: utf8(), width: usize::clamp(width, 40, 100), terminal: terminal && !dumb }
    }
}

/// The terminal's width, as `COLUMNS` or the terminal itself says.
fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    said.unwrap_or_else(|| terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0)))
}

/// Whether the locale can show more than ASCII. Unset is taken for yes: containers seldom set it and seldom mind.
fn utf8() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
    locale.is_none_or(|l| {
        let l = l.to_ascii_lowercase();
        l.contains("utf-8") || l.contains("utf8")
    })
}
