//! Evidence and verdict in, bytes for people and machines out. Pure.
//!
//! [`build`] turns evidence into the report; every renderer is one file from values to a `String`. Nothing
//! here decides: verdicts and bounds come from the gate. Nothing here prints, and nothing here reads a clock, so an
//! age is always the age at [`Report::generated_at`].

mod build;
mod chart;
mod compare;
mod diff_text;
pub mod escape;
mod forecast;
mod format;
mod gate_markdown;
mod gate_text;
mod github;
mod history;
mod html;
mod json;
mod junit;
mod markdown;
pub mod pages;
mod plots;
mod proposals;
mod rules;
mod text;
mod text_history;
mod text_tables;
mod types;
mod words;

pub use build::{Bounds, ReportFacts, build, find};
pub use diff_text::{diff_outcome, diff_text};
pub use forecast::{forecast_json, forecast_markdown, forecast_text};
pub use format::{Style, age, duration, share, thousands};
pub use gate_markdown::gate_markdown;
pub use gate_text::{GateContext, gate_text, progress_block, progress_line};
pub use github::github;
use history::divergence_of;
pub use history::{BoundPoint, BoundSeries, EpochReport, HistoryDocument, HistoryPoint, HistoryReport, VerdictChange};
pub use html::{MAX_HTML_BYTES, html};
pub use json::{gate_json, json};
pub use junit::junit;
pub use markdown::{MAX_MARKDOWN_BYTES, markdown};
pub use proposals::{proposals_json, proposals_toml, rule_toml};
pub use rules::expiry_notices;
pub use text::text;
pub use types::{
    DivergenceDetail, DivergenceReport, DivergenceShares, Examples, GateSummary, Latency, LatencyRatio, LatencySummary,
    LegsOf, ProxyInfo, Report, RouteReport, RuleInfo, RuleOnRoute, RuleReport, RuleState, ShareSpan, ShareTrend,
};
pub use words::confirmed;

#[cfg(test)]
pub(crate) mod samples;
