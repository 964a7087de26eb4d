//! The running proxy as its admin interface sees it.

use super::view::{self, View};
use super::{Shared, notices, now};
use crate::admin::{Buckets, Change, MetricsView, Source, Unkept};
use crate::evidence::{EpochInfo, Evidence, Proposals};
use crate::gate::{Judgement, Policy};
use crate::model::Leg;
use crate::pipeline::Snapshot;
use crate::report::pages::{Health, Look};
use crate::report::{DivergenceDetail, HistoryDocument, ProxyInfo, Report};
use crate::telemetry;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
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
        let evidence: Evidence = view::collapsed(&snapshot.evidence, &settings.gate, settings.store.keep_examples);
        let now = now();
        let rules = self.shared.judging.examination().rule_infos().into_iter().map(view::rule_info).collect();
        let view = View {
            now,
            notices: notices::of(&self.shared, &snapshot, &settings, now),
            evidence,
            policy: &settings.gate,
            durable: view::durable(&snapshot.store),
            failing_since: snapshot.store.failing_since,
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
            rates: Some(view::collapsed_rates(&snapshot.evidence, &settings.gate, &snapshot.rates)),
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
        let upstreams = [Some(&live.primary), Some(&legs.candidate), legs.control.as_ref()];
        let upstreams = || upstreams.into_iter().flatten();
        let mut connections = vec![("client", counters.connections.load(Ordering::Relaxed))];
        connections.extend(upstreams().map(|u| (u.leg().as_str(), u.connections().open as u64)));
        let mirrored = upstreams().map(|u| u.leg()).filter(|leg| *leg != Leg::Primary);
        let breakers = mirrored.map(|leg| (leg, legs.breaker_open_for(leg).is_some())).collect();
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
    fn told(&self, view: &View<'_>) -> (Report, Judgement) {
        let judgement = view.judgement(None);
        self.tell(view, &judgement);
        (view.reported(&judgement), judgement)
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

    fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Everything that has finished by now. Called on threads that may block.
    fn snapshot(&self) -> Arc<Snapshot> {
        let ledger = self.shared.ledger.clone();
        self.runtime.block_on(async move { ledger.snapshot().await })
    }
}

/// The ledger is put away before those are who still ask.
fn stopping() -> Unkept {
    Unkept::Refused("the proxy is stopping: nothing was kept; ask again once it has started".into())
}

/// By leg and route, under the names that the report has.
fn first_byte(evidence: &Evidence, policy: &Policy) -> Vec<(Leg, Arc<str>, Buckets)> {
    let renamed = policy.template_names(evidence).renamed;
    let mut all: BTreeMap<(Arc<str>, Leg), Buckets> = BTreeMap::new();
    for (name, route) in &evidence.routes {
        let shown: Arc<str> = renamed.get(&**name).map_or_else(|| name.clone(), |shown| shown.as_str().into());
        for leg in Leg::ALL {
            let histogram = route.latency.get(leg);
            if !histogram.is_empty() {
                all.entry((shown.clone(), leg)).or_default().add_micros(histogram);
            }
        }
    }
    all.into_iter().map(|((route, leg), buckets)| (leg, route, buckets)).collect()
}

impl Source for Proxy {
    fn report(&self) -> Report {
        self.with_view(|view| self.told(&view).0)
    }

    fn look(&self) -> Look {
        self.with_view(|view| {
            let (report, judgement) = self.told(&view);
            let history = view.until_now(&judgement);
            Look { report, history, known: view.known.clone(), health: self.health(), evidence: view.evidence }
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
            let kept = {
                let _one = self.shared.switching.lock().unwrap_or_else(PoisonError::into_inner);
                self.shared.mirrors.set_enabled(enabled);
                self.shared.ledger.set_mirroring(enabled)
            };
            let after = match kept.await {
                Some(after) => after,
                // Nobody is served any more by whom it could hold.
                None if self.is_draining() => return Err(stopping()),
                None => self.shared.ledger.latest(),
            };
            tracing::info!(enabled, "mirroring was switched by hand");
            let lost =
                |why| Unkept::Lost(format!("it holds from now on, but could not be kept for the next start: {why}"));
            view::durable(&after.store).map_err(lost)
        })
    }

    fn new_epoch(&self, candidate_build: Option<String>) -> Change<'_, EpochInfo> {
        Box::pin(async move {
            let build = candidate_build.as_deref().map(Arc::from);
            let Some((begun, after)) = self.shared.ledger.new_epoch(build).await else {
                return Err(match view::durable(&self.shared.ledger.latest().store) {
                    Err(why) if !self.is_draining() => Unkept::Refused(format!("no epoch was begun: {why}")),
                    _ => stopping(),
                });
            };
            view::durable(&after.store).map_err(|why| Unkept::Lost(format!("it could not be kept: {why}")))?;
            Ok(begun)
        })
    }

    fn ready(&self) -> Result<(), String> {
        match self.is_draining() {
            true => Err("draining: the proxy has been told to stop".into()),
            false => Ok(()),
        }
    }

    fn metrics(&self) -> MetricsView {
        let shared = &self.shared;
        let snapshot = self.snapshot();
        let counters = &shared.gateway.counters;
        let (plan, live) = (shared.plan.load_full(), shared.gateway.live.load());
        let legs = plan.legs();
        let upstreams = [Some(&live.primary), Some(&legs.candidate), legs.control.as_ref()];
        let upstreams = || upstreams.into_iter().flatten();
        let connect = upstreams().map(|u| (u.leg(), Buckets::of(u.connect_times()))).collect();
        let retries = upstreams().map(|u| (u.leg(), u.retries())).collect();
        let health = self.health();
        MetricsView {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("PARALLAX_COMMIT").unwrap_or("unknown"),
            connections: health.connections,
            mirror_in_flight: health.in_flight.map(|(used, _)| (Leg::Candidate, used)).into_iter().collect(),
            mirror_in_flight_limit: health.in_flight.map(|(_, limit)| limit),
            breaker_open: health.breakers,
            capture_bytes: health.captured.map(|(used, _)| used),
            capture_limit_bytes: health.captured.map(|(_, limit)| limit),
            comparison_queue_length: Some(shared.comparer.queued() as u64),
            first_byte: first_byte(&snapshot.evidence, &shared.settings.load().gate),
            connect,
            retries,
            added_latency: Some(Buckets::of(&counters.added)),
            mirror_skew: Some(Buckets::of(&shared.mirrors.skew)),
            comparison: Some(Buckets::of(&shared.comparer.stats().seconds)),
            store_commit: Some(Buckets::of(&snapshot.commits)),
            store_errors: snapshot.store.errors,
            store_bytes: Some(snapshot.store.bytes),
            config_reloads: shared.reloads.counts(),
            config_last_reload: shared.reloads.last(),
            log_lines_dropped: telemetry::lines_dropped(),
            refused: counters.refusals().into_iter().collect(),
        }
    }
}
