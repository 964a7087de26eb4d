//! `parallax rules suggest` and `parallax rules test`.

mod replay;
mod trial;
mod veiled;

use super::args::{ColorWhen, RulesCommand, RulesTestArgs, Source, TextOrJson};
use super::asked::Asked;
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on, now, offline_config, print};
use crate::app;
use crate::diff::{self, Context, Limits};
use crate::model::{Leg, Outcome};
use replay::{Rebuilt, rebuild};
use std::time::{Duration, Instant};
use trial::Trial;
use veiled::unveil;

/// For one stored exchange; they are small.
const TIME_BUDGET: Duration = Duration::from_secs(2);

pub fn run(command: RulesCommand, color: ColorWhen) -> Result<Exit, Failure> {
    match command {
        RulesCommand::Suggest(args) => suggest(&args.source),
        RulesCommand::Test(args) => test(&args, color),
    }
}

fn suggest(source: &Source) -> Result<Exit, Failure> {
    let toml = block_on(async { Asked::find(source, None).await?.proposals().await })?;
    print(&toml)?;
    Ok(Exit::Ok)
}

fn test(args: &RulesTestArgs, color: ColorWhen) -> Result<Exit, Failure> {
    let settings = offline_config(&args.config, color)?;
    let all = app::rules(&settings)?;
    let (report, stored) = block_on(async {
        let asked = Asked::find(&args.source, None).await?;
        let report = asked.report().await?;
        let stored = asked.stored(&report).await?;
        Ok((report, stored))
    })?;
    let mut trial = Trial::new(&all.infos(&now().day()), &report);
    let origins = app::origins(&settings);
    let skip = [settings.build_header.clone()];
    for (route, example) in &stored {
        let (request, primary, candidate) = match rebuild(example) {
            Rebuilt::Whole(whole) => *whole,
            Rebuilt::Not(why) => {
                trial.not_replayed(why);
                continue;
            }
        };
        // As it was on the day: a rule that has expired since excuses nothing any more.
        let rules = all.for_route(route, &now().day());
        let started = Instant::now();
        let context = Context {
            request: &request,
            rules: &rules,
            origins: &origins,
            other: Leg::Candidate,
            arrived: Some(example.at),
            skew: Duration::ZERO,
            skip_headers: &skip,
            limits: Limits::default(),
            expired: &|| started.elapsed() > TIME_BUDGET,
        };
        let found = diff::compare(&context, &primary, &Outcome::from(candidate));
        trial.add(route, &unveil(found, example, &rules, &all));
    }
    let look = Look::stdout(color);
    print(&match args.format {
        TextOrJson::Json => trial.json(),
        TextOrJson::Text => trial.text(&args.config.display().to_string(), look.color),
    })?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use clap::CommandFactory;

    #[test]
    fn help_has_an_example_for_each() {
        let mut rules = Cli::command().find_subcommand("rules").unwrap().clone();
        let help = rules.render_long_help().to_string();
        for example in ["parallax rules suggest", "parallax rules test --config"] {
            assert!(help.contains(example), "{help}");
        }
    }
}
