//! A source that holds still, or is as slow or as large as a test wants it.

use crate::admin::{Change, MetricsView, Source, Unkept};
use crate::diff::{RuleSpec, Shape};
use crate::evidence::{EpochInfo, Evidence, Proposal, Proposals, Support};
use crate::gate::{Judgement, Verdict};
use crate::report::pages::{Health, Look};
use crate::report::{DivergenceDetail, HistoryDocument, Report, find, samples};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) struct Fake {
    pub(super) verdict: Verdict,
    pub(super) hostile: bool,
    /// That many routes, and more divergences than anybody reads.
    pub(super) many: usize,
    pub(super) empty: AtomicBool,
    /// What a look takes, and how many were begun.
    pub(super) cost: Duration,
    pub(super) looks: AtomicUsize,
    /// No look gets past this while it is held.
    pub(super) gate: tokio::sync::Mutex<()>,
    pub(super) mirroring: AtomicBool,
    pub(super) ready: AtomicBool,
    /// Changes are refused.
    pub(super) stopping: AtomicBool,
    pub(super) epochs: Mutex<Vec<Option<String>>>,
}

impl Source for Fake {
    fn report(&self) -> Report {
        if self.many > 0 {
            return samples::report_of(&self.evidence());
        }
        match (self.is_empty(), self.hostile) {
            (true, _) => samples::empty(),
            (_, true) => samples::hostile_report(),
            _ => samples::report(self.verdict),
        }
    }

    fn look(&self) -> Look {
        self.looks.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.blocking_lock());
        std::thread::sleep(self.cost);
        let evidence = if self.is_empty() { samples::evidence_of_nothing() } else { self.evidence() };
        let mut report = self.report();
        report.proxy.mirroring = Some(self.mirroring());
        let health = Health { captured: Some((0, 1 << 28)), ..Health::default() };
        Look { report, evidence, history: samples::history(self.verdict), known: Arc::default(), health }
    }

    fn settings(&self) -> String {
        let routes = (0..self.many).map(|n| format!("\n[[route]]\npath = \"/r{n}/{{id}}\"\nsample = \"10%\"\n"));
        format!("[mirror]\nsample = 1.0\n{}", routes.collect::<String>())
    }

    fn judgement(&self, expected_build: Option<&str>) -> Judgement {
        let known = expected_build.is_none_or(|b| b == "2026.11.3");
        samples::judgement(if known { self.verdict } else { Verdict::Inconclusive })
    }

    fn divergence(&self, fingerprint: &str) -> Option<DivergenceDetail> {
        find(&self.evidence(), fingerprint)
    }

    fn history(&self, epoch: Option<&str>, route: Option<&str>) -> Option<HistoryDocument> {
        let report = self.report();
        let mut history = samples::history_report();
        history.series.retain(|s| route.is_none() || s.route.is_none() || s.route.as_deref() == route);
        let known = epoch.is_none_or(|id| id == report.epoch.id);
        known.then(|| HistoryDocument::new(report.generated_at, report.epoch, history, report.epochs))
    }

    fn proposals(&self) -> Proposals {
        let rule = RuleSpec { id: "ids".into(), on: "*".into(), at: "json:$.id".into(), ..RuleSpec::default() };
        let rule = RuleSpec { shape: Some(Shape::Class("uuid".into())), ..rule };
        let support = Support { control: true, differed: 60, of: 60 };
        Proposals { rules: vec![Proposal { rule, routes: vec!["GET /a".into()], support }], ..Proposals::default() }
    }

    fn mirroring(&self) -> bool {
        self.mirroring.load(Ordering::SeqCst)
    }

    fn set_mirroring(&self, enabled: bool) -> Change<'_> {
        Box::pin(async move {
            self.refusal()?;
            self.mirroring.store(enabled, Ordering::SeqCst);
            Ok(())
        })
    }

    fn new_epoch(&self, candidate_build: Option<String>) -> Change<'_, EpochInfo> {
        Box::pin(async move {
            self.refusal()?;
            if candidate_build.as_deref() == Some("fails") {
                return Err(Unkept::Lost("the store cannot be written: see the log".into()));
            }
            let mut epochs = self.epochs.lock().unwrap();
            epochs.push(candidate_build.clone());
            let id = (7 + epochs.len()).to_string();
            Ok(EpochInfo { id, candidate_build: candidate_build.map(Arc::from), ..self.report().epoch })
        })
    }

    fn ready(&self) -> Result<(), String> {
        if self.ready.load(Ordering::SeqCst) { Ok(()) } else { Err("draining".into()) }
    }

    fn metrics(&self) -> MetricsView {
        MetricsView { version: "1", commit: "x", ..MetricsView::default() }
    }
}

impl Fake {
    fn refusal(&self) -> Result<(), Unkept> {
        match self.stopping.load(Ordering::SeqCst) {
            true => Err(Unkept::Refused("the proxy is stopping".into())),
            false => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        self.empty.load(Ordering::SeqCst)
    }

    fn evidence(&self) -> Evidence {
        if self.many > 0 {
            return samples::evidence_of_many(self.many);
        }
        if self.hostile { samples::hostile_evidence() } else { samples::evidence("129.90") }
    }
}

pub(super) fn fake(verdict: Verdict) -> Fake {
    Fake {
        verdict,
        hostile: false,
        many: 0,
        empty: AtomicBool::new(false),
        cost: Duration::ZERO,
        looks: AtomicUsize::new(0),
        gate: Default::default(),
        mirroring: AtomicBool::new(true),
        ready: AtomicBool::new(true),
        stopping: AtomicBool::new(false),
        epochs: Mutex::new(Vec::new()),
    }
}
