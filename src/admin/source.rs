//! What the admin interface asks of the rest of the program.

use super::MetricsView;
use crate::evidence::{EpochInfo, Proposals};
use crate::gate::Judgement;
use crate::report::pages::Look;
use crate::report::{DivergenceDetail, HistoryDocument, Report};
use std::pin::Pin;

/// A change under way.
pub type Change<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T, Unkept>> + Send + 'a>>;

/// Why a change will not be there at the next start: a sentence for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unkept {
    /// It holds until then.
    Lost(String),
    /// Nothing was changed that anybody will see.
    Refused(String),
}

/// The running proxy as the admin interface sees it. Reading may compute, it must not wait: it is called on threads
/// that may block, but a page waits for it.
pub trait Source: Send + Sync + 'static {
    /// The newest epoch's report.
    fn report(&self) -> Report;

    /// The same moment with all that the pages show.
    fn look(&self) -> Look;

    /// The configuration in force, without secrets, as `parallax check` prints it.
    fn settings(&self) -> String;

    /// The verdict; inconclusive while `expected_build` is given and the newest epoch is of another build.
    fn judgement(&self, expected_build: Option<&str>) -> Judgement;

    /// What the gate said over time of the newest epoch (`None`) or of one by its id, of one route or of all; `None` where
    /// there is no such epoch.
    fn history(&self, epoch: Option<&str>, route: Option<&str>) -> Option<HistoryDocument>;

    /// One divergence with its examples, by fingerprint.
    fn divergence(&self, fingerprint: &str) -> Option<DivergenceDetail>;

    /// Rules proposed for what is volatile.
    fn proposals(&self) -> Proposals;

    /// Whether the kill switch is on `mirror`.
    fn mirroring(&self) -> bool;

    /// Done once it holds for the next request and is kept for the next start.
    fn set_mirroring(&self, enabled: bool) -> Change<'_>;

    /// Starts a new epoch, for that build or for the present one; done with the one that it began.
    fn new_epoch(&self, candidate_build: Option<String>) -> Change<'_, EpochInfo>;

    /// `Err` says why not: starting, draining.
    fn ready(&self) -> Result<(), String>;

    /// What the metrics say beside the report.
    fn metrics(&self) -> MetricsView;
}
