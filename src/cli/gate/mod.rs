//! `parallax gate`: asks, waits where it is told to, and shows the verdict.

mod progress;
mod silence;
mod wait;

use super::args::{ColorWhen, GateArgs, GateFormat};
use super::asked::Asked;
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on, offline_config, print};
use crate::gate::{Judgement, Verdict};
use crate::report::{self, GateContext};
use std::fs::OpenOptions;
use std::io::Write;
use wait::{Ended, Waited, wait};

pub fn run(args: GateArgs, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    let policy = match (&args.config, &args.source.data) {
        (Some(file), Some(_)) => Some(offline_config(file, color)?.gate),
        _ => None,
    };
    block_on(async {
        let (asked, waited) = match args.wait {
            Some(limit) => wait(&args, policy.as_ref(), limit, color, quiet).await?,
            None => {
                let asked = Asked::find(&args.source, policy).await?;
                let judgement = asked.judgement(args.candidate_build.as_deref()).await?;
                (asked, Waited { judgement, ended: Ended::Asked, silence: None })
            }
        };
        show(&args, &asked, &waited, color).await?;
        Ok(match (waited.ended, waited.judgement.verdict) {
            (Ended::Interrupted(_), _) => Exit::Interrupted,
            (_, Verdict::Pass) => Exit::Ok,
            (_, Verdict::Fail) => Exit::No,
            (_, Verdict::Inconclusive) => Exit::Inconclusive,
        })
    })
}

async fn show(args: &GateArgs, asked: &Asked, waited: &Waited, color: ColorWhen) -> Result<(), Failure> {
    let judgement = &waited.judgement;
    let text = match args.format {
        GateFormat::Text => {
            // The numbers behind the verdict help, but the verdict does not wait for them.
            let report = asked.report().await.ok();
            let look = Look::stdout(color);
            let style = report::Style { color: look.color, unicode: look.unicode, width: look.width };
            let ended = waited.ended.told();
            let silence = waited.silence.as_deref();
            let context = GateContext { report: report.as_ref(), ended: ended.as_deref(), silence };
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
