//! The arguments, as clap reads them.

use crate::model::is_build_label;
use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Run an old and a new service side by side on real traffic, compare every answer, and decide when the new one may
/// take over.
#[derive(Debug, Parser)]
#[command(name = "parallax", version, about, long_about = None, propagate_version = true, max_term_width = 100,
    after_help = "Start here:  parallax demo\nThen yours:  parallax serve --primary http://old:8080 --candidate http://new:8080")]
pub struct Cli {
    /// When to colour what is printed.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
    /// Print results and errors only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy and its admin interface.
    ///
    /// Users are served by the primary; every eligible request is mirrored to the candidate and the answers are
    /// compared. SIGTERM drains, SIGHUP reloads the configuration.
    #[command(after_help = "Example:  parallax serve --primary http://old:8080 --candidate http://new:8080")]
    Serve(ServeArgs),
    /// Check a configuration file and print what it amounts to.
    #[command(
        after_help = "Example:  parallax check --config parallax.toml\n          parallax check --defaults > parallax.toml"
    )]
    Check(CheckArgs),
    /// Print the divergence report.
    #[command(after_help = "Example:  parallax report --format html --output report.html")]
    Report(ReportArgs),
    /// Ask for the verdict: exit code 0 pass, 1 fail, 3 inconclusive, 2 could not ask.
    #[command(after_help = "Example:  parallax gate --wait 30m --candidate-build \"$GIT_SHA\"")]
    Gate(GateArgs),
    /// Say before a run how many comparisons and how long a pass takes, and what can't be shown at this traffic: exit
    /// code 0 whatever it says, 2 could not.
    ///
    /// Traffic is what you say (--rate, --route), what an access log says (--traffic), or what a running proxy or its
    /// folder has counted (--admin, --data). Limits come from --config, else from the folder, else they are the
    /// defaults.
    #[command(
        after_help = "Example:  parallax forecast --rate 120 --route \"GET /orders/{id}=35%\" --route \"GET /search=65%\"\n          parallax forecast --config parallax.toml --traffic access.log --divergence 0.0001\n          parallax forecast --data parallax-data --divergence \"GET /orders/{id}=0.05%\""
    )]
    Forecast(ForecastArgs),
    /// Compare two stored answers with the rules that `serve` would use: exit code 0 alike, 1 divergent, 2 could not.
    ///
    /// On a terminal the values stand side by side. What does not count (representation, covered by a rule, follows from
    /// an earlier difference) is shown with the reason.
    #[command(
        after_help = "Example:  curl -si http://old/users/7 > old.http; curl -si http://new/users/7 > new.http\n          parallax diff old.http new.http --config parallax.toml --route \"GET /users/7\"\n          curl -s http://new/users/7 | parallax diff old.json - --content-type application/json"
    )]
    Diff(DiffArgs),
    /// Propose rules for what is volatile, and try rules on what was stored.
    #[command(
        after_help = "Example:  parallax rules suggest >> parallax.toml\n          parallax rules test --config parallax.toml"
    )]
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Show the whole product in one command: two built-in services with known differences, traffic, the proxy, the verdict.
    #[command(after_help = "Example:  parallax demo --seconds 10")]
    Demo(DemoArgs),
    /// Say whether a proxy is ready, mirrors, and keeps its evidence: exit code 0 ready, 1 not, 2 could not ask.
    #[command(after_help = "Example:  parallax status --quiet   (a health check without a shell)")]
    Status(StatusArgs),
    /// Print a completion script.
    #[command(after_help = "Example:  parallax completions bash > /etc/bash_completion.d/parallax")]
    Completions { shell: clap_complete::Shell },
    /// Print the manual page.
    #[command(after_help = "Example:  parallax manpage > parallax.1")]
    Manpage,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The old service: http://, https:// or h2c://.
    #[arg(long, value_name = "URL")]
    pub primary: Option<String>,
    /// The new service.
    #[arg(long, value_name = "URL")]
    pub candidate: Option<String>,
    /// A second instance of the old service: what differs between the two is noise.
    #[arg(long, value_name = "URL")]
    pub control: Option<String>,
    /// Where clients connect; port 0 picks a free one. [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where the admin interface listens. [default: 127.0.0.1:9900]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// The folder that keeps the evidence. [default: parallax-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file: TOML, YAML or JSON by its ending.
    #[arg(long, value_name = "FILE", env = "PARALLAX_CONFIG")]
    pub config: Option<PathBuf>,
    /// Written once connections are accepted: {"listen":…,"admin":…,"pid":…}.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// The candidate's build, where it does not name it itself.
    #[arg(long, value_name = "LABEL", value_parser = build_label)]
    pub candidate_build: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file to check.
    #[arg(long, value_name = "FILE", env = "PARALLAX_CONFIG", required_unless_present_any = ["defaults", "schema"])]
    pub config: Option<PathBuf>,
    /// Print the commented default file instead.
    #[arg(long, conflicts_with = "schema")]
    pub defaults: bool,
    /// Print the JSON Schema instead.
    #[arg(long)]
    pub schema: bool,
}

/// Whom to ask: a running proxy, or the folder it keeps its evidence in.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// The admin interface of a running proxy. [default: http://127.0.0.1:9900]
    #[arg(long, value_name = "URL", env = "PARALLAX_ADMIN", conflicts_with = "data")]
    pub admin: Option<String>,
    /// Read the evidence from this folder; where a proxy holds it, that proxy is asked.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub source: Source,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
    Markdown,
    Html,
}

#[derive(Debug, Args)]
pub struct GateArgs {
    #[command(flatten)]
    pub source: Source,
    /// Judge this build only: while the newest epoch is another build's the verdict is inconclusive.
    #[arg(long, value_name = "LABEL", value_parser = build_label)]
    pub candidate_build: Option<String>,
    /// Keep asking until it is decided or the time is up, e.g. 30m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: GateFormat,
    /// Of a folder that no proxy holds: judge by this file's gate settings instead of those the store kept. A running
    /// proxy judges by its own.
    #[arg(long, value_name = "FILE", env = "PARALLAX_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GateFormat {
    Text,
    Json,
    Markdown,
    Junit,
    Github,
}

#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// Gate settings, routes and what of them is mirrored.
    #[arg(long, value_name = "FILE", env = "PARALLAX_CONFIG")]
    pub config: Option<PathBuf>,
    /// All requests together: 120 a second, or 120/s, 10/min, 5000/h, 1000000/d. Shares in a log or of a proxy are
    /// scaled to it.
    #[arg(long, value_name = "RATE", value_parser = super::forecast::rate)]
    pub rate: Option<f64>,
    /// A route and its share of --rate, or a rate of its own: "GET /orders/{id}=35%", "orders=12/s". Repeatable; what
    /// is left of --rate is taken for one more route.
    #[arg(long = "route", value_name = "ROUTE=SHARE", value_parser = super::forecast::route, conflicts_with = "traffic")]
    pub routes: Vec<super::forecast::GivenRoute>,
    /// An access log in common or combined format, or lines of "METHOD path"; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub traffic: Option<PathBuf>,
    /// How long --traffic covers, where its lines carry no times, e.g. 1d.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "traffic")]
    pub span: Option<Duration>,
    #[command(flatten)]
    pub source: Source,
    /// Share of comparisons that will diverge; "ROUTE=SHARE" for one route. [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = super::forecast::expected)]
    pub divergence: Vec<super::forecast::GivenShare>,
    /// Share in which a control will differ from the primary by what no rule takes out, likewise. [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = super::forecast::expected)]
    pub noise: Vec<super::forecast::GivenShare>,
    /// Share that will fail on the candidate only (and so diverge), likewise. [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = super::forecast::expected)]
    pub errors: Vec<super::forecast::GivenShare>,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ForecastFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ForecastFormat {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The primary's answer: a raw HTTP message as `curl -i` prints it, or a bare body with --content-type; `-` is
    /// standard input.
    pub primary: PathBuf,
    /// The candidate's answer, likewise.
    pub candidate: PathBuf,
    /// Configuration whose rules apply.
    #[arg(long, value_name = "FILE", env = "PARALLAX_CONFIG")]
    pub config: Option<PathBuf>,
    /// What was asked for, e.g. "GET /users/7", or a route's name: its rules apply, and its path resolves links.
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// The files hold bare bodies of this type.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Propose rules for what is volatile, each with its evidence, as TOML to paste. Nothing is applied.
    #[command(after_help = "Example:  parallax rules suggest --data parallax-data >> parallax.toml")]
    Suggest(RulesSuggestArgs),
    /// Compare the stored exchanges again under the rules of a file: what they would excuse, what would still diverge.
    #[command(after_help = "Example:  parallax rules test --config parallax.toml --format json")]
    Test(RulesTestArgs),
}

#[derive(Debug, Args)]
pub struct RulesSuggestArgs {
    #[command(flatten)]
    pub source: Source,
}

#[derive(Debug, Args)]
pub struct RulesTestArgs {
    /// The file whose rules are tried.
    #[arg(long, value_name = "FILE", env = "PARALLAX_CONFIG")]
    pub config: PathBuf,
    #[command(flatten)]
    pub source: Source,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End by itself after this long. Without it the dashboard stays until Ctrl-C where there is a terminal.
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub source: Source,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,
}

/// Which of the arguments that the environment may give stand on the command line.
#[derive(Debug, Clone, Copy)]
pub struct Explicit {
    pub admin: bool,
    pub config: bool,
}

// === impl Command ===

impl Command {
    /// Whether what it prints is one JSON document, also when something is wrong.
    pub fn prints_json(&self, quiet: bool) -> bool {
        match self {
            Self::Report(args) => matches!(args.format, ReportFormat::Json) && args.output.is_none(),
            Self::Gate(args) => matches!(args.format, GateFormat::Json),
            Self::Forecast(args) => matches!(args.format, ForecastFormat::Json),
            Self::Diff(args) => matches!(args.format, TextOrJson::Json),
            Self::Status(args) => matches!(args.format, TextOrJson::Json) && !quiet,
            Self::Rules { command: RulesCommand::Test(args) } => matches!(args.format, TextOrJson::Json),
            _ => false,
        }
    }
}

// === impl Cli ===

impl Cli {
    /// Reads the arguments, and the environment where they say nothing.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<(Self, Explicit), clap::Error> {
        let args: Vec<OsString> = args.into_iter().collect();
        let mut command = Self::command();
        for name in ["PARALLAX_ADMIN", "PARALLAX_CONFIG"] {
            // Set to nothing is how scripts unset.
            if std::env::var_os(name).is_some_and(|value| value.is_empty()) {
                command = without(command, name);
            }
        }
        let matches = match command.clone().try_get_matches_from(&args) {
            // What the environment says stands in nobody's way; what conflicts without it conflicts.
            Err(e) if e.kind() == ErrorKind::ArgumentConflict => {
                without(command, "PARALLAX_ADMIN").try_get_matches_from(args)?
            }
            read => read?,
        };
        let cli = Self::from_arg_matches(&matches).map_err(|e| e.format(&mut Self::command()))?;
        let mut own = &matches;
        while let Some((_, below)) = own.subcommand() {
            own = below;
        }
        let explicit =
            |id: &str| own.ids().any(|given| given == id) && own.value_source(id) == Some(ValueSource::CommandLine);
        Ok((cli, Explicit { admin: explicit("admin"), config: explicit("config") }))
    }
}

/// The command as if this variable were not set.
fn without(command: clap::Command, name: &str) -> clap::Command {
    let unset = |arg: clap::Arg| match arg.get_env() {
        Some(env) if env == name => arg.env(Resettable::Reset),
        _ => arg,
    };
    command.mut_args(unset).mut_subcommands(|below| without(below, name))
}

/// `500ms`, `30s`, `10m`, `2h`, `14d`.
fn duration(text: &str) -> Result<Duration, String> {
    crate::config::words::duration(text)
}

fn build_label(text: &str) -> Result<String, String> {
    match is_build_label(text) {
        true => Ok(text.to_owned()),
        false if text.is_empty() => Err("it is empty: is the variable that holds it set?".to_owned()),
        false => {
            Err("a label has at most 256 characters, none of them a control character, and no white space around it"
                .to_owned())
        }
    }
}
