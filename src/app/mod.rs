//! The only place where channels and tasks are joined: reading this room is reading the system.
//!
//! [`App::build`] makes a finished, idle application out of checked settings; [`App::run`] sets it going and returns
//! when it has been told to stop and everything is put away.

mod error;
mod examine;
mod hints;
mod live;
mod notices;
mod offline;
mod reload;
mod sockets;
mod source;
mod view;

pub use error::AppError;
pub use examine::origins;
pub use live::{expiries, rules};
pub use offline::Offline;
pub use reload::Origin;

use crate::admin::{self, Admin, AdminOptions};
use crate::config::Checked;
use crate::evidence::{Book, EpochReason};
use crate::flow::Inbox;
use crate::mirror::{Mirrors, Plan};
use crate::model::{Limit, Timestamp};
use crate::pipeline::{self, CompareConfig, Comparer, LedgerHandle, LedgerOptions};
use crate::proxy::{Counters, ExchangeIds, Gateway, ListenSettings, Server, Workers};
use crate::shutdown::Shutdown;
use crate::upstream::worker;
use crate::{store, tls};
use arc_swap::ArcSwap;
use examine::{Examination, Judging};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

/// What mirrored exchanges under way still get when the proxy stops.
const MIRROR_GRACE: Duration = Duration::from_secs(2);

/// A finished, idle proxy with its admin interface. Its sockets are bound, its store is open.
pub struct App {
    /// Where clients connect, the port known.
    pub listen: SocketAddr,
    /// Where the admin interface listens.
    pub admin: SocketAddr,
    server: Server,
    workers: Workers,
    admin_listener: TcpListener,
    admin_tls: Option<tokio_rustls::TlsAcceptor>,
    interface: Arc<Admin>,
    shared: Arc<Shared>,
    announcement: Option<store::Announcement>,
}

/// What the tasks have in common.
#[derive(Debug)]
struct Shared {
    settings: ArcSwap<Checked>,
    started: Timestamp,
    listen: SocketAddr,
    admin: SocketAddr,
    gateway: Arc<Gateway>,
    mirrors: Arc<Mirrors>,
    /// The mirror by the configuration in force.
    plan: ArcSwap<Plan>,
    judging: Arc<Judging>,
    comparer: Comparer,
    ledger: LedgerHandle,
    capture_budget: Arc<Limit>,
    redact_key: [u8; 32],
    draining: AtomicBool,
    reloads: reload::Reloads,
    fixed: reload::Fixed,
    /// What the listeners present.
    identities: Vec<Arc<tls::Identity>>,
    /// Held while rules are exchanged: generations come one after the other.
    changing: Mutex<()>,
    /// Held while the kill switch is thrown: what holds and what is kept are of the same call.
    switching: std::sync::Mutex<()>,
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

// === impl App ===

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("listen", &self.listen).field("admin", &self.admin).finish_non_exhaustive()
    }
}

impl App {
    /// Binds, opens and joins everything; serves nobody yet.
    ///
    /// # Errors
    /// Whatever keeps it from starting, naming the address, file or folder at fault and the way out.
    pub async fn build(settings: Checked) -> Result<Self, AppError> {
        let rules = live::rules(&settings)?;
        let sockets = sockets::open(&settings)?;
        let (keeper, stored) = store::open(&settings.store)?;
        let started = now();
        for notice in expiries(&settings, started)? {
            tracing::warn!(hint = notice.hint, "{}", notice.message);
        }
        let redact_key = stored.redact_key;

        let examination = Examination::new(&settings, rules, 1, redact_key, started)?;
        let compare = CompareConfig { generation: 1, examine: Arc::new(examination.clone()) };
        let compare = Arc::new(ArcSwap::from_pointee(compare));
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get() / 2).max(1);
        let comparer = Comparer::start(workers, worker::count(), compare.clone()).map_err(AppError::Thread)?;
        let judging = Arc::new(Judging::new(examination.clone(), compare, comparer.clone()));

        let keep = settings.store.keep_examples;
        let evidence_rules = examination.evidence_rules();
        let next_epoch = stored.next_epoch;
        let mut book = match stored.epochs.is_empty() {
            true => Book::new(evidence_rules, keep, started),
            false => {
                let (epochs, history, declared) = (stored.epochs, stored.history, stored.declared);
                Book::resume(epochs, history, next_epoch, declared, evidence_rules, keep, started)
            }
        };
        if let Some(relocated) = book.set_places(live::places(&settings), started) {
            tracing::warn!("{relocated}");
        }
        if let Some(label) = settings.candidate_build.as_deref() {
            book.declare(label.into(), started);
        }
        if book.epochs().any(|e| e.number >= next_epoch && e.evidence.epoch.reason == EpochReason::Rules) {
            tracing::warn!(
                "an epoch has begun: the rules of all routes changed while nobody ran, or this version compares otherwise \
                 than the one before it. What was counted until then is history"
            );
        }
        if let Some(last) = stored.last_commit {
            book.was_away(last, started);
        }
        let met: Vec<Arc<str>> = book.newest().evidence.routes.keys().cloned().collect();
        let inbox = Inbox::new(workers * 2);
        let ledger = pipeline::start(
            inbox.clone(),
            LedgerOptions {
                book,
                histories: stored.histories,
                keeper: Some(Box::new(keeper)),
                mirroring: stored.mirroring,
                policy: Some(settings.gate.clone()),
                patience: live::patience(&settings),
                keep_for: settings.store.keep_for,
                max_size: settings.store.max_size,
            },
        )
        .map_err(AppError::Thread)?;

        let capture_budget = Limit::new(settings.mirror.memory_budget);
        let mirrors = Mirrors::new(judging.clone(), inbox.clone(), stored.mirroring);
        let (live, plan) = live::rooms(&settings, &mirrors, &capture_budget, None)?;
        live.routes.meet(met.iter().map(|name| &**name));
        let gateway = Arc::new(Gateway {
            live: ArcSwap::from_pointee(live),
            inbox,
            capture_budget: capture_budget.clone(),
            counters: Arc::new(Counters::default()),
            ids: ExchangeIds::new(u64::from_le_bytes(random()?)),
        });
        let identity =
            |tls: &Option<_>| tls.as_ref().map(tls::Identity::new).transpose().map(|made| made.map(Arc::new));
        let identities = [identity(&settings.listen.tls)?, identity(&settings.admin.tls)?];
        let acceptor = |identity: &Option<Arc<_>>| identity.as_ref().map(tls::Identity::acceptor).transpose();
        let [acceptor, admin_tls] = [acceptor(&identities[0])?, acceptor(&identities[1])?];
        let listen = sockets.listen.local_addr().map_err(AppError::Socket)?;
        let admin = sockets.admin.local_addr().map_err(AppError::Socket)?;
        let served = ListenSettings { max_connections: live::shares(&settings).clients, ..settings.listen.clone() };
        let server = Server::new(sockets.listen, sockets.handed_over, acceptor, &served, gateway.clone());
        let workers = Workers::start().map_err(AppError::Thread)?;
        let token = sockets::token(&settings.admin)?;
        let fixed = reload::Fixed::of(&settings, token.as_deref());
        let instance = format!("{:032x}", u128::from_le_bytes(random()?));
        let options = AdminOptions {
            address: admin,
            token,
            public_url: settings.admin.public_url.clone(),
            open: settings.admin.open.clone(),
            tls: admin_tls.is_some(),
            instance: instance.clone(),
        };
        let folder = settings.store.path.clone();
        let shared = Arc::new(Shared {
            settings: ArcSwap::from_pointee(settings),
            started,
            listen,
            admin,
            gateway,
            mirrors,
            plan: ArcSwap::new(plan),
            judging,
            comparer,
            ledger,
            capture_budget,
            redact_key,
            draining: AtomicBool::new(false),
            reloads: reload::Reloads::default(),
            fixed,
            identities: identities.into_iter().flatten().collect(),
            changing: Mutex::default(),
            switching: std::sync::Mutex::default(),
        });
        // Where it listens first: what `public_url` names may be somebody else's from here.
        let settings = shared.settings.load_full();
        let here = url(settings.admin.tls.is_some(), admin);
        let announcement = announce(folder, here, settings.admin.public_url.clone(), instance);
        let interface = Admin::new(Arc::new(source::Proxy::new(shared.clone())), &options, random()?);
        Ok(Self {
            listen,
            admin,
            server,
            workers,
            admin_listener: sockets.admin,
            admin_tls,
            interface,
            shared,
            announcement,
        })
    }

    /// Serves until `shutdown`, then drains: no new connections, clients in flight are served, mirrored exchanges get
    /// two seconds more, and the evidence is made durable. Where that is to be hurried, the last only. `origin` says what
    /// to watch for changes.
    ///
    /// # Errors
    /// Why the last of it may be lost.
    pub async fn run(self, origin: Option<Origin>, shutdown: Shutdown) -> Result<(), String> {
        let Self { server, workers, admin_listener, admin_tls, interface, shared, announcement, .. } = self;
        let background = tokio::spawn(live::watch_over(shared.clone()));
        let reloading = origin.map(|origin| tokio::spawn(reload::watch(shared.clone(), origin)));
        let admin_shutdown = Shutdown::new();
        let admin_stopped = admin_shutdown.clone();
        let admin = tokio::spawn(async move {
            admin::serve(admin_listener, admin_tls, interface, admin_stopped.triggered()).await;
        });
        let draining = {
            let (shared, shutdown) = (shared.clone(), shutdown.clone());
            tokio::spawn(async move {
                shutdown.triggered().await;
                shared.draining.store(true, Ordering::Relaxed);
            })
        };

        let clean = server.run(&workers, shutdown.clone()).await;
        if !clean && !shutdown.is_hurried() {
            tracing::warn!("some clients were still being served when drain_timeout was over");
        }
        // It returns for no other reason, whoever hears of it first.
        let _ = draining.await;
        background.abort();
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        tokio::select! {
            () = shared.mirrors_end() => {}
            () = shutdown.hurried() => {}
        }
        let last = shared.ledger.shutdown().await;
        let lost = last.store.why.clone();
        if let Some(why) = &lost {
            tracing::error!(%why, "the evidence of the last moments could not be kept");
        }
        admin_shutdown.trigger();
        tokio::select! {
            // The interface has a time-out of its own.
            _ = admin => {}
            () = shutdown.hurried() => {}
        }
        drop(announcement);
        // Waits for threads, which a task should not.
        let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
        lost.map_or(Ok(()), Err)
    }

    /// One attempt to reach each leg, so that a typing error is told now and not by the first request. Serving does not
    /// wait for it.
    pub fn check_legs(&self) -> impl Future<Output = Vec<String>> + Send + 'static {
        let shared = self.shared.clone();
        async move { shared.check_legs().await }
    }

    /// Base of the admin interface's links.
    pub fn admin_url(&self) -> String {
        self.shared.admin_url()
    }

    /// Where clients send requests.
    pub fn listen_url(&self) -> String {
        self.shared.listen_url()
    }
}

impl Shared {
    async fn mirrors_end(&self) {
        let deadline = Instant::now() + MIRROR_GRACE;
        let ended = async {
            while self.mirrors.in_flight().used() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // Those that are still under way then are counted as `shutdown`.
        let _ = timeout_at(deadline, ended).await;
    }

    fn admin_url(&self) -> String {
        let settings = self.settings.load();
        match &settings.admin.public_url {
            Some(url) => url.clone(),
            None => url(settings.admin.tls.is_some(), self.admin),
        }
    }

    fn listen_url(&self) -> String {
        url(self.settings.load().listen.tls.is_some(), self.listen)
    }
}

/// An address as a URL that can be pasted: an unspecified one is reached through the loopback interface.
fn url(tls: bool, address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{}://{address}", if tls { "https" } else { "http" })
}

/// Commands that are given the folder find the proxy by this; without it they only have to be told the address.
fn announce(folder: PathBuf, admin: String, public: Option<String>, instance: String) -> Option<store::Announcement> {
    store::announce(&folder, admin, public, instance)
        .inspect_err(
            |e| tracing::warn!(folder = %folder.display(), error = %e, "could not say who serves from the folder"),
        )
        .ok()
}

fn random<const N: usize>() -> Result<[u8; N], AppError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| AppError::Random)?;
    Ok(bytes)
}
