//! `parallax report`.

use super::args::{ColorWhen, ReportArgs, ReportFormat};
use super::asked::Asked;
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on, print};
use crate::report;
use std::fs::File;
use std::io::Write;

pub fn run(args: ReportArgs, color: ColorWhen) -> Result<Exit, Failure> {
    let fail = |path: &std::path::Path, e: std::io::Error| {
        Failure::new(format!("cannot write {}: {e}", path.display()))
            .help("--output takes a file in a folder that exists")
    };
    // A path that cannot be written fails before anything is asked.
    let output = match &args.output {
        Some(path) => Some((path, File::create(path).map_err(|e| fail(path, e))?)),
        None => None,
    };
    let text = block_on(async {
        let asked = Asked::find(&args.source, None).await?;
        let report = asked.report().await?;
        Ok(match args.format {
            ReportFormat::Text => {
                let look = Look::stdout(color);
                let style =
                    report::Style { color: look.color && output.is_none(), unicode: look.unicode, width: look.width };
                report::text(&report, style)
            }
            ReportFormat::Json => report::json(&report),
            ReportFormat::Markdown => report::markdown(&report, &asked.examples(&report).await?),
            ReportFormat::Html => report::html(&report, &asked.examples(&report).await?),
        })
    })?;
    match output {
        Some((path, mut file)) => file.write_all(text.as_bytes()).map_err(|e| fail(path, e))?,
        None => print(&text)?,
    }
    Ok(Exit::Ok)
}
