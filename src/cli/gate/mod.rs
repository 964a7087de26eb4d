//! `parallax gate`: asks, waits where it is told to, and shows the verdict.

mod progress;
mod silence;
mod wait;

use super::args::{ColorWhen, Explicit, GateArgs, GateFormat};
use super::asked::Asked;
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on, offline_config, print, say};
use crate::gate::{Judgement, Policy, Verdict};
use crate::report::{self, GateContext};
use std::fs::OpenOptions;
use std::io::Write;
use wait::{Ended, Waited, wait};

/// What to ask, and by which settings a folder is judged.
struct Question<'a> {
    args: &'a GateArgs,
    policy: Option<Policy>,
    /// Whether `--config` stands on the command line: it is never left aside without a word.
    insists: bool,
}

pub fn run(args: GateArgs, explicit: Explicit, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    let question = Question::new(&args, explicit, color)?;
    block_on(async {
        let (asked, waited) = match args.wait {
            Some(limit) => match wait(&question, limit, color, quiet).await? {
                Some(waited) => waited,
                None => return Ok(Exit::Interrupted),
            },
            None => {
                let asked = question.find().await?;
                let judgement = question.ask(&asked).await?;
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
            // The verdict does not hang on where else it is told.
            if let Err(e) = append_summary(judgement) {
                say(&format!("warning: cannot append to GITHUB_STEP_SUMMARY: {e}\n"));
            }
            report::github(judgement)
        }
    };
    print(&text)
}

// === impl Question ===

impl<'a> Question<'a> {
    fn new(args: &'a GateArgs, explicit: Explicit, color: ColorWhen) -> Result<Self, Failure> {
        let insists = explicit.config;
        let policy = match (&args.config, &args.source.admin, &args.source.data) {
            (Some(_), Some(url), _) if insists => return Err(judges_itself(&format!("the proxy at {url}"))),
            (Some(file), None, data) if insists || data.is_some() => Some(offline_config(file, color)?.gate),
            _ => None,
        };
        Ok(Self { args, policy, insists })
    }

    /// Finds whom to ask.
    async fn find(&self) -> Result<Asked, Failure> {
        let asked = Asked::find(&self.args.source, self.policy.clone()).await?;
        match (&asked, &self.args.source.data) {
            (Asked::Proxy(proxy), data) if self.insists => Err(judges_itself(&match data {
                Some(folder) => format!("a running proxy ({}) holds {}; it", proxy.url(), folder.display()),
                None => format!("the proxy at {}", proxy.url()),
            })),
            _ => Ok(asked),
        }
    }

    async fn ask(&self, asked: &Asked) -> Result<Judgement, Failure> {
        asked.judgement(self.args.candidate_build.as_deref()).await
    }
}

fn judges_itself(whose: &str) -> Failure {
    Failure::new(format!("{whose} judges by its own gate settings, so that `--config` would change nothing")).help(
        "change that proxy's configuration, which it reads again, or leave `--config` out;\n\
         once the proxy is stopped, `--data DIR --config FILE` judges its folder by FILE",
    )
}

/// The job summary of a workflow, where there is one.
fn append_summary(judgement: &Judgement) -> std::io::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()) else { return Ok(()) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(report::gate_markdown(judgement).as_bytes())
}
