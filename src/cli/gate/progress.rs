//! What people see while waiting: a block that is redrawn on a terminal, a line now and then in a log.

use super::super::terminal::Look;
use super::super::{now, say};
use crate::gate::Judgement;
use crate::report;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use tokio::time::Instant;

/// A log without a terminal hears from us at least this often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// And of mere progress not more often than this: counts change with every request.
const CALM: Duration = Duration::from_secs(10);

/// What people see while waiting.
pub struct Progress {
    block: Option<ProgressBar>,
    style: report::Style,
    quiet: bool,
    said: Option<(String, Instant)>,
    /// Whether it was said that nothing moves.
    silent: bool,
}

// === impl Progress ===

impl Progress {
    pub fn new(look: Look, quiet: bool) -> Self {
        let block = (look.terminal && !quiet).then(|| {
            let block = ProgressBar::new_spinner();
            block.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            block
        });
        let style = report::Style { color: look.color, unicode: look.unicode, width: look.width };
        Self { block, style, quiet, said: None, silent: false }
    }

    pub fn show(&mut self, judgement: &Judgement, deadline: Instant, silence: Option<&str>) {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(block) = &self.block {
            block.set_message(report::progress_block(judgement, now(), left, silence, self.style));
            // Drawn now: a message alone may wait for the next draw.
            block.tick();
            return;
        }
        let line = report::progress_line(judgement, now(), silence);
        // The time at the beginning of the line changes always, the time still needed nearly so; what stands between
        // them is the news.
        let bare = report::progress_line(judgement, now(), None);
        let news = bare.split_once(' ').map_or(bare.as_str(), |(_, rest)| rest);
        let news = news.split_once(", eta ").map_or(news, |(rest, _)| rest).trim().to_owned();
        let now = Instant::now();
        let due = match &self.said {
            None => true,
            Some(_) if silence.is_some() != self.silent => true,
            Some((before, at)) => {
                let since = now.duration_since(*at);
                let heart = |line: &str| line.split_once(" next: ").map_or(line, |(heart, _)| heart).to_owned();
                heart(before) != heart(&news) || (*before != news && since >= CALM) || since >= HEARTBEAT
            }
        };
        if due && !self.quiet {
            say(&format!("{}\n", line.trim_end()));
            self.said = Some((news, now));
            self.silent = silence.is_some();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(block) = &self.block {
            block.finish_and_clear();
        }
    }
}
