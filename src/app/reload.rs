//! A changed configuration, taken over while traffic runs: on SIGHUP, and when the file changes. One with an error is
//! refused, the old one stays, and the log says why.

use super::examine::Examination;
use super::live;
use super::{AppError, Shared, now};
use crate::config::{self, Checked, Flags};
use crate::model::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the configuration came from, and what asks for it to be read again.
#[derive(Debug)]
pub struct Origin {
    pub file: Option<PathBuf>,
    pub flags: Flags,
    /// A message for each SIGHUP.
    pub asked: mpsc::Receiver<()>,
}

/// How reloading went.
#[derive(Debug, Default)]
pub struct Reloads {
    ok: AtomicU64,
    failed: AtomicU64,
    /// Microseconds since the epoch; zero for never.
    last: AtomicU64,
}

// === impl Reloads ===

impl Reloads {
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("ok", self.ok.load(Ordering::Relaxed)), ("error", self.failed.load(Ordering::Relaxed))]
    }

    pub fn last(&self) -> Option<Timestamp> {
        Some(self.last.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Timestamp::from_micros)
    }
}

/// Watches the file and the signal for as long as it runs.
pub async fn watch(shared: Arc<Shared>, mut origin: Origin) {
    let stamp = |file: &Option<PathBuf>| -> Option<(SystemTime, u64)> {
        let meta = std::fs::metadata(file.as_ref()?).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    let mut seen = stamp(&origin.file);
    loop {
        let asked = tokio::select! {
            Some(()) = origin.asked.recv() => true,
            () = sleep(LOOK) => false,
        };
        let found = stamp(&origin.file);
        // A file that is gone for a moment is being replaced.
        if !asked && (found == seen || found.is_none()) {
            continue;
        }
        seen = found;
        let result = match config::load(origin.file.as_deref(), &origin.flags) {
            Ok(settings) => shared.take_over(settings).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.render(false)),
        };
        match result {
            Ok(()) => {
                shared.reloads.ok.fetch_add(1, Ordering::Relaxed);
                shared.reloads.last.store(now().as_micros(), Ordering::Relaxed);
                tracing::info!("the configuration was reloaded");
            }
            Err(why) => {
                shared.reloads.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!("the new configuration is refused, the running one was kept\n{why}");
            }
        }
    }
}

impl Shared {
    /// From the next request on `settings` hold. Nothing changes on an error.
    async fn take_over(&self, settings: Checked) -> Result<(), AppError> {
        let before = self.settings.load_full();
        for (key, same) in [
            ("listen", before.listen == settings.listen),
            ("admin", before.admin == settings.admin),
            ("store", before.store == settings.store),
            ("telemetry", before.telemetry == settings.telemetry),
        ] {
            if !same {
                tracing::warn!("[{key}] has changed: that takes a restart");
            }
        }
        let examination = self.judging.examination();
        let rules = live::rules(&settings)?;
        let generation = examination.generation() + 1;
        let next = Examination::new(&settings, rules, generation, self.redact_key)?;
        let (before_live, before_plan) = (self.gateway.live.load_full(), self.plan.load_full());
        let before = Some((&*before_live, &*before_plan));
        let (live, plan) = live::rooms(&settings, &self.mirrors, &self.capture_budget, before)?;

        // The ledger first: it must know the new rules before anything is compared under them.
        self.ledger.set_rules(next.evidence_rules(now())).await;
        self.judging.replace(next);
        self.ledger.set_policy(settings.gate.clone()).await;
        self.ledger.set_patience(live::patience(&settings)).await;
        self.gateway.live.store(Arc::new(live));
        self.plan.store(plan);
        self.settings.store(Arc::new(settings));
        Ok(())
    }
}
