//! A changed configuration, taken over while traffic runs: on SIGHUP, and when the file changes. One with an error is
//! refused, the old one stays, and the log says why.

use super::examine::Examination;
use super::live;
use super::{AppError, Shared, now, sockets};
use crate::admin::AdminSettings;
use crate::config::{self, Checked, ConfigError, Flags};
use crate::model::Timestamp;
use crate::proxy::ListenSettings;
use crate::store::StoreSettings;
use crate::telemetry::TelemetrySettings;
use crate::tls::{self, TlsError};
use std::path::{Path, PathBuf};
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

/// What holds as long as the process runs, as it was at its start.
#[derive(Debug)]
pub struct Fixed {
    listen: ListenSettings,
    admin: AdminSettings,
    store: StoreSettings,
    telemetry: TelemetrySettings,
    /// Of the admin interface's token, which is in a file.
    token: Option<blake3::Hash>,
}

// === impl Fixed ===

impl Fixed {
    pub fn of(settings: &Checked, token: Option<&str>) -> Self {
        Self {
            listen: settings.listen.clone(),
            admin: settings.admin.clone(),
            store: settings.store.clone(),
            telemetry: settings.telemetry.clone(),
            token: token.map(|token| blake3::hash(token.as_bytes())),
        }
    }

    fn changed(&self, settings: &Checked) -> impl Iterator<Item = &'static str> {
        let token = sockets::token(&settings.admin);
        let same_token = token.is_ok_and(|token| token.map(|token| blake3::hash(token.as_bytes())) == self.token);
        [
            ("[listen]", self.listen == settings.listen),
            ("[admin]", self.admin == settings.admin),
            ("[store]", self.store == settings.store),
            ("[telemetry]", self.telemetry == settings.telemetry),
            ("the token in admin.token_file", same_token || self.admin.token_file != settings.admin.token_file),
        ]
        .into_iter()
        .filter_map(|(what, same)| (!same).then_some(what))
    }
}

/// What tells one state of a file from another: when it was written, how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(SystemTime, u64);

/// What the looks at the file have seen; none where it is not there.
#[derive(Debug)]
struct Looks {
    read: Option<Stamp>,
    last: Option<Stamp>,
}

// === impl Stamp ===

impl Stamp {
    fn of(file: Option<&Path>) -> Option<Self> {
        let meta = std::fs::metadata(file?).ok()?;
        Some(Self(meta.modified().ok()?, meta.len()))
    }
}

// === impl Looks ===

impl Looks {
    /// Whether what is found is to be read: it has changed, and not since the last look. One that is gone or empty is about
    /// to be written, one that has just changed may be half written.
    fn is_due(&mut self, found: Option<Stamp>) -> bool {
        let rests = std::mem::replace(&mut self.last, found) == found;
        rests && found != self.read && found.is_some_and(|Stamp(_, len)| len > 0)
    }
}

/// Watches the file and the signal for as long as it runs.
pub async fn watch(shared: Arc<Shared>, mut origin: Origin) {
    let start = Stamp::of(origin.file.as_deref());
    let mut looks = Looks { read: start, last: start };
    let mut unread = false;
    loop {
        let asked = tokio::select! {
            Some(()) = origin.asked.recv() => true,
            () = sleep(LOOK) => false,
        };
        let found = Stamp::of(origin.file.as_deref());
        if !looks.is_due(found) && !asked {
            continue;
        }
        let loaded = config::load(origin.file.as_deref(), &origin.flags);
        // One that cannot be read, be it for want of a descriptor, is tried again at the next look; that is told once.
        let told = std::mem::replace(&mut unread, loaded.as_ref().is_err_and(ConfigError::is_unread));
        match unread {
            true if told && !asked => continue,
            true => {}
            false => looks.read = found,
        }
        let result = match loaded {
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
        for what in self.fixed.changed(&settings) {
            tracing::warn!("{what} has changed: that takes a restart");
        }
        // Files of other names take a restart.
        let named = [&settings.listen.tls, &settings.admin.tls];
        let is_named = |identity: &tls::Identity| named.iter().any(|tls| tls.as_ref() == Some(identity.settings()));
        let kept = self.identities.iter().filter(|identity| is_named(identity));
        let renewed = kept.map(|identity| Ok((identity, identity.read()?))).collect::<Result<Vec<_>, TlsError>>()?;
        let _one = self.changing.lock().await;
        let examination = self.judging.examination();
        let rules = live::rules(&settings)?;
        let generation = examination.generation() + 1;
        let next = Examination::new(&settings, rules, generation, self.redact_key, now())?;
        let (before_live, before_plan) = (self.gateway.live.load_full(), self.plan.load_full());
        let before = Some((&*before_live, &*before_plan));
        let (live, plan) = live::rooms(&settings, &self.mirrors, &self.capture_budget, before)?;

        self.judge_by(next).await;
        self.ledger.set_policy(settings.gate.clone()).await;
        self.ledger.set_patience(live::patience(&settings)).await;
        renewed.into_iter().for_each(|(identity, read)| identity.renew(read));
        self.gateway.live.store(Arc::new(live));
        self.plan.store(plan);
        let places = live::places(&settings);
        self.settings.store(Arc::new(settings));
        // Now that requests go there: an epoch that begins with it takes none that went elsewhere.
        self.ledger.set_places(places).await;
        Ok(())
    }

    /// Where a day has begun on which other rules are in force, they hold from now on.
    pub(super) async fn turn_day(&self, today: &str) {
        let _one = self.changing.lock().await;
        if let Some(next) = self.judging.examination().turned(today) {
            tracing::warn!("a rule has expired: the evidence it applied to starts afresh");
            self.judge_by(next).await;
        }
    }

    /// The ledger first: it must know the new rules before anything is compared under them.
    async fn judge_by(&self, next: Examination) {
        self.ledger.set_rules(next.evidence_rules()).await;
        self.judging.replace(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_start_takes_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let flags = Flags {
            primary: Some("http://127.0.0.1:1".into()),
            candidate: Some("http://127.0.0.1:2".into()),
            ..Flags::default()
        };
        let mut settings = config::load(None, &flags).unwrap();
        settings.admin.token_file = Some(file.clone());
        let fixed = Fixed::of(&settings, Some("one"));
        let changed = |settings: &Checked| fixed.changed(settings).collect::<Vec<_>>();
        assert!(changed(&settings).is_empty());
        let mut other = settings.clone();
        other.listen.max_connections += 1;
        assert_eq!(changed(&other), ["[listen]"]);
        assert!(changed(&settings).is_empty(), "back to what is running");
        std::fs::write(&file, "two\n").unwrap();
        assert_eq!(changed(&settings), ["the token in admin.token_file"]);
    }

    #[test]
    fn a_file_is_read_once_it_rests_and_is_not_empty() {
        let stamp = |second: u64, len| Some(Stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(second), len));
        let mut looks = Looks { read: stamp(0, 9), last: stamp(0, 9) };
        let mut due = |found| {
            let due = looks.is_due(found);
            if due {
                looks.read = found;
            }
            due
        };
        // Truncated, written in parts, and left.
        for (found, expected) in [
            (stamp(0, 9), false),
            (stamp(1, 0), false),
            (stamp(1, 0), false),
            (stamp(3, 4), false),
            (stamp(4, 9), false),
            (stamp(4, 9), true),
            (stamp(4, 9), false),
            // Gone for a moment.
            (None, false),
            (None, false),
            (stamp(4, 9), false),
            (stamp(4, 9), false),
            (stamp(5, 9), false),
            (stamp(5, 9), true),
        ] {
            assert_eq!(due(found), expected, "{found:?}");
        }
        // What was not read stays due.
        let mut looks = Looks { read: None, last: stamp(1, 1) };
        assert!(looks.is_due(stamp(1, 1)) && looks.is_due(stamp(1, 1)));
    }
}
