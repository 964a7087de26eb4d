//! The dashboard's pages, and what the report in one file shares with them: one moment in, HTML out.
//!
//! Each page is a type with its template beside it in `templates`; what other systems sent is escaped by the template
//! engine and nothing is inline, so that a strict content security policy holds. Nothing here decides or reads a clock.

mod divergence;
mod divergences;
pub(super) mod filters;
mod history;
mod missing;
mod overview;
mod parts;
mod query;
mod routes;
mod rules;
mod settings;
mod sign_in;

pub use divergence::divergence;
pub use divergences::divergences;
pub use history::history;
pub(super) use history::past;
pub use missing::missing;
pub use overview::overview;
pub use query::Query;
pub use routes::{route, routes};
pub use rules::rules;
pub use settings::settings;
pub use sign_in::sign_in;

pub(super) use divergence::{Reasons, Shown, shown};
pub(super) use parts::{
    CriterionRow, DivergenceRow, Paged, Part, RouteRow, Why, accounting, criteria, divergence_rows, legs, route_rows,
    why,
};
pub(super) use rules::{Row as RuleRow, rows as rule_rows};

use super::escape::Html;
use super::format::word;
use super::plots::Markup;
use super::{Report, age, duration, words};
use crate::evidence::Evidence;
use crate::gate::{History, Verdict};
use crate::model::{Leg, Notice, Severity, Timestamp};
use filters::Plain;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The style sheet of the pages and of the file.
pub const STYLE: &str = include_str!("../templates/style.css");
/// The mark in the corner, as a file of its own.
pub const ICON: &str = include_str!("../templates/icon.svg");

/// What the pages show: the proxy at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    pub report: Report,
    /// What the report was made from: examples are in here.
    pub evidence: Evidence,
    /// What the gate said of the newest epoch over time; the report has the part of it that decides.
    pub history: History,
    /// Fingerprints that older epochs have shown.
    pub known: Arc<HashSet<Arc<str>>>,
    pub health: Health,
}

/// What the proxy holds and what it costs users; only what was measured.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// When the process started; what is counted here began then.
    pub started: Timestamp,
    /// Connections that were turned away because there was no room for them.
    pub turned_away: u64,
    /// Requests refused because they were no valid HTTP.
    pub refused: u64,
    /// What the proxy adds: 99 % of requests were not delayed by more. `Err` is the bound that this is beyond.
    pub added_p99: Option<Result<Duration, Duration>>,
    /// Bytes held of captured bodies, and how many they may be.
    pub captured: Option<(u64, u64)>,
    /// Mirrored exchanges at once, and how many there may be.
    pub in_flight: Option<(u64, u64)>,
    /// Whether a leg's breaker is open, for each that has one.
    pub breakers: Vec<(Leg, bool)>,
    /// Open connections by side.
    pub connections: Vec<(&'static str, u64)>,
    /// On disk.
    pub store_bytes: Option<u64>,
}

/// Something that a person did through the admin interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    pub at: Timestamp,
    /// `mirroring stopped`, `epoch 8 started for build 2026.11.4`.
    pub what: String,
    /// How the person was let in.
    pub who: &'static str,
}

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    pub look: &'a Look,
    /// How long ago that was.
    pub age: Duration,
    pub deeds: &'a [Deed],
    pub query: &'a Query,
}

/// What stands around every page: who it is about and what is wrong enough to be told everywhere.
#[derive(Debug)]
pub struct Frame<'a> {
    pub title: String,
    /// The path of the page's place in the navigation.
    pub here: &'static str,
    pub look: &'a Look,
    age: Duration,
    /// The epoch that the link named, where it is not the one shown.
    asked: Option<String>,
}

/// What is wrong: since when, and what it means for users and for the evidence.
#[derive(Debug)]
pub struct Banner {
    pub what: String,
    pub since: Markup,
    pub users: &'static str,
    pub evidence: String,
}

/// Older numbers say how old they are.
const AGED: Duration = Duration::from_secs(3);

const PAGES: [(&str, &str); 6] = [
    ("/", "Overview"),
    ("/divergences", "Divergences"),
    ("/routes", "Routes"),
    ("/rules", "Rules"),
    ("/history", "History"),
    ("/settings", "Settings"),
];

// === impl Look ===

impl Look {
    /// Whether no epoch before this one showed a divergence.
    fn is_new(&self, fingerprint: &str) -> bool {
        !self.known.contains(fingerprint)
    }
}

// === impl Frame ===

impl<'a> Frame<'a> {
    pub fn new(visit: &Visit<'a>, here: &'static str, title: &str) -> Self {
        let Visit { look, age, query, .. } = *visit;
        let asked = query.get("epoch").filter(|epoch| *epoch != look.report.epoch.id).map(str::to_owned);
        let title = format!("{}, {title}", word(look.report.gate.verdict));
        Self { title, here, look, age, asked }
    }

    fn report(&self) -> &'a Report {
        &self.look.report
    }

    /// When the page is made.
    fn now(&self) -> Timestamp {
        self.as_of() + self.age
    }

    /// When its numbers were.
    fn as_of(&self) -> Timestamp {
        self.look.report.generated_at
    }

    /// Its time alone: the day is that of reading.
    fn as_of_shown(&self) -> String {
        let exact = to_second(self.as_of());
        exact.split_once(' ').map_or_else(|| exact.clone(), |(_, time)| time.to_owned())
    }

    /// Path, name, and whether it is this one.
    fn pages(&self) -> [(&'static str, &'static str, bool); 6] {
        PAGES.map(|(path, name)| (path, name, path == self.here))
    }

    /// A link that says which epoch it is about, so that it can be sent to a colleague.
    pub fn link(&self, path: &str) -> String {
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("{path}{sign}epoch={}", encoded(&self.report().epoch.id))
    }

    fn route_link(&self, name: &str) -> String {
        self.link(&format!("/routes?name={}", encoded(name)))
    }

    fn divergence_link(&self, fingerprint: &str) -> String {
        self.link(&format!("/divergences/{}", encoded(fingerprint)))
    }

    fn example_link(&self, fingerprint: &str, example: &usize) -> String {
        self.link(&format!("/divergences/{}?example={example}", encoded(fingerprint)))
    }

    fn page_link(&self, path: &str, query: &Query, page: usize) -> String {
        self.link(&format!("{path}?{}", query.with("page", &page.to_string())))
    }

    fn verdict(&self) -> Verdict {
        self.report().gate.verdict
    }

    fn headline(&self) -> String {
        words::headline(self.report())
    }

    fn build(&self) -> &str {
        self.report().epoch.candidate_build.as_deref().unwrap_or("not named")
    }

    fn span(&self) -> String {
        duration(self.now().since(self.report().epoch.started_at))
    }

    fn mirroring(&self) -> bool {
        self.report().proxy.mirroring.unwrap_or(true)
    }

    /// `decided in about 5 min`, or why that cannot be said.
    fn eta(&self) -> Option<String> {
        match (self.verdict(), self.report().gate.eta_seconds) {
            (Verdict::Inconclusive, Some(eta)) => Some(format!("decided in about {}", seconds(eta))),
            (Verdict::Inconclusive, None) => Some("no eta".to_owned()),
            _ => None,
        }
    }

    /// How old the numbers are, where a reader should know; a moment is no age.
    fn aged(&self) -> Option<String> {
        (self.age >= AGED).then(|| duration(self.age))
    }

    /// A time with the relative time beside it.
    fn time(&self, then: impl Plain<Timestamp>) -> Markup {
        time(self.now(), then.plain())
    }

    /// What an old link was about, and where that went.
    fn other_epoch(&self) -> Option<String> {
        let asked = self.asked.as_ref()?;
        let now = &self.report().epoch.id;
        Some(match self.report().epochs.iter().find(|past| past.epoch.id == *asked) {
            Some(past) => format!(
                "This link is about epoch {asked}, which ended {}. Below is epoch {now}, the newest.",
                age(self.now(), past.ended_at)
            ),
            None => {
                format!("This link is about epoch {asked}, which is not known here. Below is epoch {now}, the newest.")
            }
        })
    }

    /// What is most wrong, and what else is.
    fn banner(&self) -> Option<(Banner, Vec<String>)> {
        const AS_BEFORE: &str = "nothing: the primary serves them as before";
        let skipped = &self.report().totals.not_mirrored;
        let since = |at: Option<Timestamp>| match at {
            Some(at) => self.time(at),
            None => Markup::new("before this process started".to_owned()),
        };
        let mut all = Vec::new();
        if !self.mirroring() {
            let banner = Banner {
                what: "Mirroring is stopped".to_owned(),
                since: since(self.report().epoch.away.open_since()),
                users: AS_BEFORE,
                evidence: format!(
                    "nothing is compared. {} requests are in the bucket disabled so far",
                    super::thousands(skipped.disabled)
                ),
            };
            // Of all that may be wrong at once this explains the most.
            all.push((1, banner));
        }
        for notice in &self.report().notices {
            let (rank, evidence) = match &*notice.code {
                "store_failing" => (
                    0,
                    "what is counted from now on may be lost at a restart, so there is no pass until it is durable again"
                        .to_owned(),
                ),
                // The control's breaker stops no comparison.
                "breaker_open" if notice.message.contains("candidate") => (
                    2,
                    format!(
                        "what is skipped is in the bucket breaker_open, {} requests so far, and is not held against the \
                         candidate",
                        super::thousands(skipped.breaker_open)
                    ),
                ),
                _ => continue,
            };
            let (what, since) = (upper(&notice.message), since(notice.since));
            all.push((rank, Banner { what, since, users: AS_BEFORE, evidence }));
        }
        all.sort_by_key(|(rank, _)| *rank);
        let mut all = all.into_iter().map(|(_, banner)| banner);
        Some((all.next()?, all.map(|banner| banner.what).collect()))
    }

    /// The notices that the banner does not tell of.
    fn notices(&self) -> Vec<(&'static str, &'a Notice)> {
        let told = |n: &&Notice| {
            n.code != "mirroring_off"
                && n.code != "store_failing"
                && !(n.code == "breaker_open" && n.message.contains("candidate"))
        };
        self.report().notices.iter().filter(told).map(|n| (severity(n), n)).collect()
    }
}

/// `decided in about` this.
pub(super) fn seconds(s: impl Plain<u64>) -> String {
    duration(Duration::from_secs(s.plain()))
}

pub(super) fn severity(notice: &Notice) -> &'static str {
    match notice.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A time in UTC with the relative time before it, to the second; the exact one is in the attribute.
pub(super) fn time(now: Timestamp, then: Timestamp) -> Markup {
    Markup::new(format!(
        "<time datetime=\"{then}\"><b>{}</b> <small>{}</small></time>",
        age(now, then),
        to_second(then)
    ))
}

fn to_second(then: Timestamp) -> String {
    let exact = then.to_string();
    exact.get(..19).map_or_else(|| exact.clone(), |t| format!("{} UTC", t.replace('T', " ")))
}

/// A route's name, escaped; a long one breaks where its segments do.
pub(super) fn route_name(name: &str) -> Markup {
    Markup::new(Html(name).to_string().replace('/', "/<wbr>"))
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// For a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A page's text. A template of plain values does not fail; should it, the page says so instead of being half there.
pub(super) fn rendered(page: &impl askama::Template) -> String {
    page.render().unwrap_or_else(|error| format!("the page could not be written: {}", Html(error)))
}

#[cfg(test)]
mod tests;
