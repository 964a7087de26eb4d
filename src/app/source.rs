//! The running proxy as its admin interface sees it.

use super::view::{self, View};
use super::{Shared, examine, notices, now};
use crate::admin::{Buckets, Change, MetricsView, Source};
use crate::evidence::{Evidence, Proposals};
use crate::gate::Judgement;
use crate::model::Leg;
use crate::pipeline::Snapshot;
use crate::report::pages::{Health, Look};
use crate::report::{DivergenceDetail, HistoryDocument, ProxyInfo, Report, RuleInfo};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Handle;

/// Reads snapshots of the ledger; changes go through it.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    runtime: Handle,
}

// === impl Proxy ===

impl Proxy {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, runtime: Handle::current() }
    }

    fn with_view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        let snapshot = self.snapshot();
        let settings = self.shared.settings.load_full();
        let evidence: Evidence = view::collapsed(&snapshot.evidence, settings.store.keep_examples);
        let now = now();
        let today = examine::day(now);
        let rules = self.shared.judging.examination().rules().infos(&today).into_iter().map(rule_info).collect();
        let view = View {
            now,
            notices: notices::of(&self.shared, &snapshot, &settings, now),
            evidence,
            policy: &settings.gate,
            durable: view::durable(&snapshot.store),
            mirroring: snapshot.mirroring,
            rules,
            proxy: ProxyInfo {
                listen: Some(self.shared.listen_url()),
                admin: Some(self.shared.admin_url()),
                primary: Some(settings.primary.to_string()),
                candidate: Some(settings.candidate.to_string()),
                control: settings.control.is_some(),
                mirroring: Some(snapshot.mirroring),
            },
            past: &snapshot.history,
            known: snapshot.known.clone(),
            histories: &snapshot.histories,
        };
        look(view)
    }

    /// Read from counters: costs nothing, however much evidence there is.
    fn health(&self) -> Health {
        let shared = &self.shared;
        let plan = shared.plan.load_full();
        let legs = plan.legs();
        let live = shared.gateway.live.load();
        let counters = &shared.gateway.counters;
        let mut breakers = vec![(Leg::Candidate, legs.breaker_open_for(Leg::Candidate).is_some())];
        let mut connections = vec![
            ("client", counters.connections.load(Ordering::Relaxed)),
            ("primary", live.primary.connections().open as u64),
            ("candidate", legs.candidate.connections().open as u64),
        ];
        if let Some(control) = &legs.control {
            breakers.push((Leg::Control, legs.breaker_open_for(Leg::Control).is_some()));
            connections.push(("control", control.connections().open as u64));
        }
        let in_flight = shared.mirrors.in_flight();
        Health {
            started: shared.started,
            turned_away: counters.turned_away.load(Ordering::Relaxed),
            refused: counters.refusals().values().sum(),
            added_p99: Buckets::of(&counters.added).quantile(0.99),
            captured: Some((shared.capture_budget.used() as u64, shared.capture_budget.max() as u64)),
            in_flight: Some((in_flight.used() as u64, in_flight.max() as u64)),
            breakers,
            connections,
            store_bytes: Some(shared.ledger.latest().store.bytes),
        }
    }

    /// The report for whoever asks.
    fn told(&self, view: &View<'_>) -> Report {
        let judgement = view.judgement(None);
        self.tell(view, &judgement);
        view.reported(&judgement)
    }

    /// Whoever asks is told this verdict: where it is news, it becomes part of the history.
    fn tell(&self, view: &View<'_>, judgement: &Judgement) {
        let Ok(number) = judgement.epoch.id.parse() else { return };
        let known = view.histories.get(&number).and_then(|history| history.verdict());
        if known != Some(judgement.verdict)
            && let Some(point) = view.point(judgement)
        {
            self.shared.ledger.told(number, point);
        }
    }

    /// Everything that has finished by now. Called on threads that may block.
    fn snapshot(&self) -> Arc<Snapshot> {
        let ledger = self.shared.ledger.clone();
        self.runtime.block_on(async move { ledger.snapshot().await })
    }
}

fn rule_info(rule: crate::diff::RuleInfo) -> RuleInfo {
    RuleInfo {
        id: rule.id.to_string(),
        owner: rule.owner,
        expires: rule.expires,
        why: rule.why,
        on: rule.on,
        at: rule.at,
        expired: rule.expired,
        pairs: rule.pairs,
    }
}

impl Source for Proxy {
    fn report(&self) -> Report {
        self.with_view(|view| self.told(&view))
    }

    fn look(&self) -> Look {
        self.with_view(|view| {
            let report = self.told(&view);
            Look { report, known: view.known.clone(), health: self.health(), evidence: view.evidence }
        })
    }

    fn settings(&self) -> String {
        crate::config::effective(&self.shared.settings.load())
    }

    fn judgement(&self, expected_build: Option<&str>) -> Judgement {
        self.with_view(|view| {
            let judgement = view.judgement(expected_build);
            let newest = judgement.epoch.candidate_build.as_deref();
            // What is said while another build is waited for is no verdict on this one.
            if expected_build.is_none_or(|build| Some(build) == newest) {
                self.tell(&view, &judgement);
            }
            judgement
        })
    }

    fn history(&self, epoch: Option<&str>, route: Option<&str>) -> Option<HistoryDocument> {
        self.with_view(|view| view.history(epoch, route))
    }

    fn divergence(&self, fingerprint: &str) -> Option<DivergenceDetail> {
        self.with_view(|view| view.divergence(fingerprint))
    }

    fn proposals(&self) -> Proposals {
        self.with_view(|view| view.proposals())
    }

    fn mirroring(&self) -> bool {
        self.shared.mirrors.enabled()
    }

    fn set_mirroring(&self, enabled: bool) -> Change<'_> {
        Box::pin(async move {
            self.shared.mirrors.set_enabled(enabled);
            tracing::info!(enabled, "mirroring was switched by hand");
            let after = self.shared.ledger.set_mirroring(enabled).await;
            match view::durable(&after.store) {
                Ok(()) => Ok(()),
                Err(why) => Err(format!("it holds from now on, but could not be kept for the next start: {why}")),
            }
        })
    }

    fn new_epoch(&self, candidate_build: Option<String>) -> Change<'_> {
        Box::pin(async move {
            let build = candidate_build.as_deref().map(Arc::from);
            let after = self.shared.ledger.new_epoch(build).await;
            view::durable(&after.store).map_err(|why| format!("it could not be kept: {why}"))
        })
    }

    fn ready(&self) -> Result<(), String> {
        match self.shared.draining.load(Ordering::Relaxed) {
            true => Err("draining: the proxy has been told to stop".into()),
            false => Ok(()),
        }
    }

    fn metrics(&self) -> MetricsView {
        let shared = &self.shared;
        let snapshot = self.snapshot();
        let counters = &shared.gateway.counters;
        let health = self.health();
        let first_byte = snapshot.evidence.routes.iter().flat_map(|(name, route)| {
            Leg::ALL.into_iter().filter_map(|leg| {
                let histogram = route.latency.get(leg);
                (!histogram.is_empty()).then(|| (leg, name.clone(), Buckets::from_micros(histogram)))
            })
        });
        let mut store_commit = Buckets::default();
        store_commit.observe(Duration::from_secs_f64(snapshot.store.commit_seconds.max(0.0)));
        MetricsView {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("PARALLAX_COMMIT").unwrap_or("unknown"),
            connections: health.connections,
            mirror_in_flight: health.in_flight.map(|(used, _)| (Leg::Candidate, used)).into_iter().collect(),
            mirror_in_flight_limit: health.in_flight.map(|(_, limit)| limit),
            breaker_open: health.breakers,
            capture_bytes: health.captured.map(|(used, _)| used),
            capture_limit_bytes: health.captured.map(|(_, limit)| limit),
            comparison_queue_length: Some(shared.comparer.stats().queued() as u64),
            first_byte: first_byte.collect(),
            connect: Vec::new(),
            added_latency: Some(Buckets::of(&counters.added)),
            mirror_skew: Some(Buckets::of(&shared.mirrors.skew)),
            comparison: Some(Buckets::of(&shared.comparer.stats().seconds)),
            store_commit: Some(store_commit),
            store_errors: snapshot.store.errors,
            store_bytes: Some(snapshot.store.bytes),
            config_reloads: shared.reloads.counts(),
            config_last_reload: shared.reloads.last(),
            log_lines_dropped: 0,
            refused: counters.refusals().into_iter().collect(),
        }
    }
}
