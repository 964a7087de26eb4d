//! Arguments, one file per command, the exit codes.
//!
//! Results go to standard output, everything else to standard error.

mod args;
mod asked;
mod check;
mod client;
mod demo;
mod diff;
mod exit;
mod forecast;
mod gate;
mod named;
mod report;
mod rules;
mod serve;
mod status;
mod terminal;

pub use exit::{Exit, Failure};

use crate::config::{self, Checked, Flags};
use crate::telemetry::{LastWords, say};
use args::{Cli, ColorWhen, Command};
use clap::CommandFactory;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use terminal::Look;

/// Runs the command that `args` (the program's name first) asks for, and says what the process ends with.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let _last = LastWords;
    let (cli, explicit) = match Cli::read(args) {
        Ok(read) => read,
        Err(error) => {
            // Help and version are answers, everything else is bad usage.
            let exit = if error.use_stderr() { Exit::Error } else { Exit::Ok };
            let Err(e) = error.print() else { return exit };
            if e.kind() != ErrorKind::BrokenPipe {
                say(&unprinted(&e).render(false));
            }
            return Exit::Error;
        }
    };
    let Cli { color, quiet, command } = cli;
    let json = command.prints_json(quiet);
    let ended = match command {
        Command::Serve(args) => serve::run(args, color, quiet),
        Command::Check(args) => check::run(args, color),
        Command::Report(args) => report::run(args, color),
        Command::Gate(args) => gate::run(args, explicit, color, quiet),
        Command::Forecast(args) => forecast::run(args, explicit, color, quiet),
        Command::Diff(args) => diff::run(args, color),
        Command::Rules { command } => rules::run(command, color),
        Command::Demo(args) => demo::run(args, color, quiet),
        Command::Status(args) => status::run(args, quiet),
        Command::Completions { shell } => completions(shell),
        Command::Manpage => manpage(),
    };
    ended.unwrap_or_else(|failure| {
        say(&failure.render(Look::stderr(color).color));
        if json && !failure.unprinted {
            // It has been told already; that it could not be printed as well is no news.
            let _ = print(&failure.json());
        }
        Exit::Error
    })
}

/// Every command with its arguments, described.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Prints a result. A reader that has gone away (`| head`) is not an error worth telling; a full disk is.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(unprinted(&e)),
        _ => Ok(()),
    }
}

fn unprinted(error: &std::io::Error) -> Failure {
    Failure { unprinted: true, ..Failure::new(format!("cannot write to standard output: {error}")) }
}

/// A runtime for a command that asks and ends.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("could not start: {e}")))?;
    runtime.block_on(future)
}

/// A runtime for a command that serves.
fn block_on_threads<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("could not start: {e}")))?;
    let result = runtime.block_on(future);
    // A thread that hangs in a call of the system would keep the process for ever.
    runtime.shutdown_background();
    result
}

/// A configuration for a command that contacts no leg.
fn offline_config(file: &std::path::Path, color: ColorWhen) -> Result<Checked, Failure> {
    let flags = Flags { offline: true, ..Flags::default() };
    config::load(Some(file), &flags).map_err(|e| Failure::drawn(e.render(Look::stderr(color).color)))
}

fn now() -> crate::model::Timestamp {
    std::time::SystemTime::now().into()
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "parallax", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

fn manpage() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    let command = command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let nested = |sub: &clap::Command| -> Vec<(String, clap::Command)> {
        let name = sub.get_name().to_uppercase();
        let below = sub.get_subcommands().map(|s| (format!("{name} {}", s.get_name().to_uppercase()), s.clone()));
        std::iter::once((name.clone(), sub.clone())).chain(below).collect()
    };
    for (name, sub) in command.get_subcommands().flat_map(nested) {
        page.extend_from_slice(format!(".SH \"PARALLAX {name}\"\n").as_bytes());
        let man = clap_mangen::Man::new(sub.clone());
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn bad_usage_is_not_a_verdict() {
        assert_eq!(run(["parallax".into(), "gate".into(), "--no-such-flag".into()]), Exit::Error);
        assert_eq!(run(["parallax".into(), "gate".into(), "--wait".into(), "soon".into()]), Exit::Error);
    }
}
