//! `parallax gate`, and the waiting for a verdict.

use super::args::{ColorWhen, GateArgs, GateFormat};
use super::asked::Asked;
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on, now, offline_config, print, say};
use crate::gate::{Judgement, Verdict};
use crate::report::{self, GateContext};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two questions while waiting.
const PACE: Duration = Duration::from_secs(1);
/// A log without a terminal hears from us at least this often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// And of mere progress not more often than this: counts change with every request.
const CALM: Duration = Duration::from_secs(10);
/// A proxy that stops answering while we wait may be restarting.
const FORGIVEN: u32 = 10;

pub fn run(args: GateArgs, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    let policy = match (&args.config, &args.source.data) {
        (Some(file), Some(_)) => Some(offline_config(file, color)?.gate),
        _ => None,
    };
    block_on(async {
        let mut asked = Asked::find(&args.source, policy.clone()).await;
        if asked.is_err() && args.wait.is_some() {
            // Whoever waits may have started before the proxy has.
            sleep(PACE).await;
            asked = Asked::find(&args.source, policy).await;
        }
        let asked = asked?;
        let build = args.candidate_build.as_deref();
        let started = Instant::now();
        let (judgement, ended) = match args.wait {
            None => (asked.judgement(build).await?, Ended::Asked),
            Some(limit) => wait(&asked, build, limit, color, quiet).await?,
        };
        let waited = (ended == Ended::TimeUp).then(|| started.elapsed());
        show(&args, &asked, &judgement, waited, color).await?;
        Ok(match (ended, judgement.verdict) {
            (Ended::Interrupted, _) => Exit::Interrupted,
            (_, Verdict::Pass) => Exit::Ok,
            (_, Verdict::Fail) => Exit::No,
            (_, Verdict::Inconclusive) => Exit::Inconclusive,
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Asked,
    Decided,
    TimeUp,
    Interrupted,
}

/// Asks until it is decided or the time is up. Ends the same way with and without a terminal.
async fn wait(
    asked: &Asked,
    build: Option<&str>,
    limit: Duration,
    color: ColorWhen,
    quiet: bool,
) -> Result<(Judgement, Ended), Failure> {
    let deadline = Instant::now() + limit;
    let look = Look::stderr(color);
    let mut progress = Progress::new(look, quiet);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut missed = 0;
    let mut last = asked.judgement(build).await?;
    loop {
        if last.verdict != Verdict::Inconclusive {
            return Ok((last, Ended::Decided));
        }
        if Instant::now() >= deadline {
            return Ok((last, Ended::TimeUp));
        }
        progress.show(&last, deadline);
        tokio::select! {
            () = sleep_until((Instant::now() + PACE).min(deadline)) => {}
            _ = &mut interrupted => return Ok((last, Ended::Interrupted)),
        }
        match asked.judgement(build).await {
            Ok(judgement) => (last, missed) = (judgement, 0),
            Err(failure) if missed >= FORGIVEN => return Err(failure),
            Err(_) => missed += 1,
        }
    }
}

/// What people see while waiting: a block that is redrawn on a terminal, a line now and then in a log.
struct Progress {
    block: Option<ProgressBar>,
    style: report::Style,
    quiet: bool,
    said: Option<(String, Instant)>,
}

impl Progress {
    fn new(look: Look, quiet: bool) -> Self {
        let block = (look.terminal && !quiet).then(|| {
            let block = ProgressBar::new_spinner();
            block.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            block
        });
        let style = report::Style { color: look.color, unicode: look.unicode, width: look.width };
        Self { block, style, quiet, said: None }
    }

    fn show(&mut self, judgement: &Judgement, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(block) = &self.block {
            block.set_message(report::progress_block(judgement, now(), left, self.style));
            // Drawn now: a message alone may wait for the next draw.
            block.tick();
            return;
        }
        let line = report::progress_line(judgement, now());
        // The time at the beginning of the line changes always, the time still needed nearly so; what stands between
        // them is the news.
        let news = line.split_once(' ').map_or(line.as_str(), |(_, rest)| rest);
        let news = news.split_once(", eta ").map_or(news, |(rest, _)| rest).trim().to_owned();
        let now = Instant::now();
        let due = match &self.said {
            None => true,
            Some((before, at)) => {
                let since = now.duration_since(*at);
                let heart = |line: &str| line.split_once(" next: ").map_or(line, |(heart, _)| heart).to_owned();
                heart(before) != heart(&news) || (*before != news && since >= CALM) || since >= HEARTBEAT
            }
        };
        if due && !self.quiet {
            say(&format!("{}\n", line.trim_end()));
            self.said = Some((news, now));
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

async fn show(
    args: &GateArgs,
    asked: &Asked,
    judgement: &Judgement,
    waited: Option<Duration>,
    color: ColorWhen,
) -> Result<(), Failure> {
    let text = match args.format {
        GateFormat::Text => {
            // The numbers behind the verdict help, but the verdict does not wait for them.
            let report = asked.report().await.ok();
            let look = Look::stdout(color);
            let style = report::Style { color: look.color, unicode: look.unicode, width: look.width };
            let context = GateContext { report: report.as_ref(), waited, alpha_pass: None };
            report::gate_text(judgement, &context, style)
        }
        GateFormat::Json => report::gate_json(judgement),
        GateFormat::Markdown => report::gate_markdown(judgement),
        GateFormat::Junit => report::junit(judgement),
        GateFormat::Github => {
            append_summary(judgement)?;
            report::github(judgement)
        }
    };
    print(&text);
    Ok(())
}

/// The job summary of a workflow, where there is one.
fn append_summary(judgement: &Judgement) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()) else { return Ok(()) };
    let fail = |e: std::io::Error| Failure::new(format!("cannot append to GITHUB_STEP_SUMMARY: {e}"));
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
    file.write_all(report::gate_markdown(judgement).as_bytes()).map_err(fail)
}
