//! The ledger's thread: drains, applies, commits, answers. Should it die, that is the last thing it says.

use super::core::{Core, LedgerOptions, Snapshot, StoreStatus};
use crate::evidence::{EpochInfo, Places, Rules};
use crate::flow::Inbox;
use crate::gate::{Point, Policy};
use crate::model::{Moment, Timestamp};
use arc_swap::ArcSwap;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;

/// How often the inbox is emptied when nobody asks.
const TICK: Duration = Duration::from_millis(25);

/// Starts the ledger on a thread of its own.
///
/// # Errors
/// When the system gives no thread.
pub fn start(inbox: Arc<Inbox>, options: LedgerOptions) -> io::Result<LedgerHandle> {
    let clock = Clock(Instant::now());
    let mut core = Core::new(options, clock.now());
    let last = Arc::new(ArcSwap::new(core.snapshot(wall())));
    let (commands, received) = channel();
    let shared = last.clone();
    let thread = std::thread::Builder::new().name("ledger".into()).spawn(move || {
        run(core, &inbox, &received, &shared, clock);
        inbox.close();
    })?;
    Ok(LedgerHandle { commands, last, thread: Arc::new(Mutex::new(Some(thread))) })
}

/// Speaks with the ledger. Cheap to clone; never waits on traffic.
#[derive(Debug, Clone)]
pub struct LedgerHandle {
    commands: Sender<(Command, Answer)>,
    last: Arc<ArcSwap<Snapshot>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

type Answer = oneshot::Sender<Arc<Snapshot>>;

#[derive(Debug)]
enum Command {
    Snapshot,
    NewEpoch(Option<Arc<str>>, oneshot::Sender<EpochInfo>),
    SetRules(Rules),
    SetPlaces(Places),
    SetMirroring(bool),
    SetPolicy(Box<Policy>),
    SetPatience(Duration),
    Told(u64, Box<Point>),
    Shutdown,
}

/// Tells the time by both clocks.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Moment {
        Moment { wall: wall(), steady: self.0.elapsed() }
    }
}

// === impl LedgerHandle ===

impl LedgerHandle {
    /// The evidence with everything that has finished by now. After shutdown, or should the ledger have died: the last
    /// there was; in the second case `store.why` says so.
    pub async fn snapshot(&self) -> Arc<Snapshot> {
        self.asked(Command::Snapshot).await
    }

    /// The snapshot somebody asked for last, without asking.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.last.load_full()
    }

    /// Begins a new epoch by hand; without a label, of the same build. Durable when it returns, where the store works.
    /// `None`: the ledger has ended, and none was begun.
    pub async fn new_epoch(&self, build: Option<Arc<str>>) -> Option<(EpochInfo, Arc<Snapshot>)> {
        let (begun, told) = oneshot::channel();
        let after = self.ask(Command::NewEpoch(build, begun)).await?;
        Some((told.await.ok()?, after))
    }

    /// Other rules are in force. To be called before the comparison workers are given them.
    pub async fn set_rules(&self, rules: Rules) -> Arc<Snapshot> {
        self.asked(Command::SetRules(rules)).await
    }

    /// The legs are elsewhere. To be called once requests go there.
    pub async fn set_places(&self, places: Places) -> Arc<Snapshot> {
        self.asked(Command::SetPlaces(places)).await
    }

    /// Keeps the kill switch's position: of two calls the later one's, whichever is awaited first. Durable when it is
    /// done, where the store works. `None`: the ledger has ended, and keeps nothing more.
    pub fn set_mirroring(&self, on: bool) -> impl Future<Output = Option<Arc<Snapshot>>> + use<> {
        self.ask(Command::SetMirroring(on))
    }

    /// Keeps the gate's settings for those who ask without a configuration.
    pub async fn set_policy(&self, policy: Policy) -> Arc<Snapshot> {
        self.asked(Command::SetPolicy(Box::new(policy))).await
    }

    /// Somebody is told this verdict of that epoch: what people saw is part of its history. Waits for nothing.
    pub fn told(&self, number: u64, point: Point) {
        let (answer, _) = oneshot::channel();
        let _: Result<(), _> = self.commands.send((Command::Told(number, Box::new(point)), answer));
    }

    /// How long an exchange may hold those after it back, from now on; see [`LedgerOptions::patience`].
    pub async fn set_patience(&self, patience: Duration) {
        self.asked(Command::SetPatience(patience)).await;
    }

    /// Settles what is in flight as `shutdown`, makes everything durable and ends the thread.
    pub async fn shutdown(&self) -> Arc<Snapshot> {
        let last = self.asked(Command::Shutdown).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has answered as its last act; joining lets go of the store for sure.
            let _ = thread.join();
        }
        last
    }

    /// Asked at once; the snapshot after it, or the last one where the ledger has ended.
    async fn asked(&self, command: Command) -> Arc<Snapshot> {
        self.ask(command).await.unwrap_or_else(|| self.latest())
    }

    /// Asked at once; `None` where the ledger has ended.
    fn ask(&self, command: Command) -> impl Future<Output = Option<Arc<Snapshot>>> + use<> {
        let (answer, answered) = oneshot::channel();
        // Where it is not taken the answer is dropped with it.
        let _: Result<(), _> = self.commands.send((command, answer));
        async { answered.await.ok() }
    }
}

// === The thread ===

fn run(mut core: Core, inbox: &Inbox, commands: &Receiver<(Command, Answer)>, last: &ArcSwap<Snapshot>, clock: Clock) {
    let mut answers = Vec::new();
    loop {
        let stepped = catch_unwind(AssertUnwindSafe(|| step(&mut core, inbox, commands, last, clock, &mut answers)));
        match stepped {
            Ok(false) => {}
            Ok(true) => return,
            Err(panic) => {
                inbox.close();
                last.store(Arc::new(obituary(&mut core, last, &message(&*panic))));
                // Whoever waits for an answer gets that one. The store is let go of, but may not be fit for it.
                drop(answers);
                let _ = catch_unwind(AssertUnwindSafe(move || drop(core)));
                return;
            }
        }
    }
}

/// True when it was the last.
fn step(
    core: &mut Core,
    inbox: &Inbox,
    commands: &Receiver<(Command, Answer)>,
    last: &ArcSwap<Snapshot>,
    clock: Clock,
    answers: &mut Vec<Answer>,
) -> bool {
    let mut stop = false;
    let received = commands.recv_timeout(TICK);
    core.pass(clock.now(), false);
    match received {
        Ok((first, answer)) => {
            // Kept where a panic does not reach it: who asks hears of the end only once that can be told.
            answers.push(answer);
            // What has finished belongs to the time before the command.
            core.drain(inbox, clock.now());
            // Everything that waits is answered by one snapshot.
            stop |= command(core, first);
            while let Ok((next, answer)) = commands.try_recv() {
                answers.push(answer);
                stop |= command(core, next);
            }
        }
        Err(RecvTimeoutError::Timeout) => {}
        Err(RecvTimeoutError::Disconnected) => stop = true,
    }
    core.drain(inbox, clock.now());
    if stop {
        core.close(wall());
    }
    core.measure(clock.now());
    core.judge(clock.now(), || clock.0.elapsed());
    if stop || core.is_due(clock.now()) {
        core.commit(clock.now(), || clock.0.elapsed());
    } else {
        core.check(clock.now());
    }
    if !answers.is_empty() || stop {
        let snapshot = core.snapshot(wall());
        last.store(snapshot.clone());
        for answer in answers.drain(..) {
            let _: Result<(), _> = oneshot::Sender::send(answer, snapshot.clone());
        }
    }
    // However long that took, be it a slow disk's fault, those who serve went on.
    core.pass(clock.now(), true);
    stop
}

/// The last snapshot of a ledger that panicked: what it had where that is whole, or else what was last shown.
fn obituary(core: &mut Core, last: &ArcSwap<Snapshot>, why: &str) -> Snapshot {
    tracing::error!(error = %why, "the ledger stopped: serving goes on, nothing is counted any more; start the proxy again");
    let own = catch_unwind(AssertUnwindSafe(|| core.snapshot(wall()))).ok().filter(|s| s.evidence.law().is_ok());
    let snapshot = own.unwrap_or_else(|| last.load_full());
    let store = StoreStatus {
        durable: false,
        why: Some(format!("the ledger stopped: {why}; start the proxy again")),
        failing_since: snapshot.store.failing_since.or(Some(wall())),
        errors: snapshot.store.errors + 1,
        ..snapshot.store.clone()
    };
    Snapshot { store, ..Snapshot::clone(&snapshot) }
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

/// True when it is to stop.
fn command(core: &mut Core, command: Command) -> bool {
    match command {
        Command::Snapshot => {}
        Command::NewEpoch(build, begun) => {
            let _: Result<(), _> = begun.send(core.new_epoch(build, wall()));
        }
        Command::SetRules(rules) => core.set_rules(rules, wall()),
        Command::SetPlaces(places) => core.set_places(places, wall()),
        Command::SetMirroring(on) => core.set_mirroring(on, wall()),
        Command::SetPolicy(policy) => core.set_policy(*policy),
        Command::SetPatience(patience) => core.set_patience(patience),
        Command::Told(number, point) => core.told(number, *point),
        Command::Shutdown => return true,
    }
    false
}

fn wall() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Book;
    use crate::evidence::testing::{at, compared};

    fn rules() -> Rules {
        let route = |name: &str| match name {
            "GET /panic" => panic!("on purpose"),
            _ => "r".into(),
        };
        Rules { generation: 1, digest: "d".into(), infos: Arc::default(), route: Arc::new(route) }
    }

    fn options() -> LedgerOptions {
        LedgerOptions {
            book: Book::new(rules(), 5, at(0)),
            histories: Default::default(),
            keeper: None,
            mirroring: true,
            policy: None,
            patience: Duration::from_secs(15),
            keep_for: Duration::from_secs(60),
            max_size: 1 << 30,
        }
    }

    #[tokio::test]
    async fn a_snapshot_holds_everything_that_has_finished() {
        let inbox = Inbox::new(4);
        let ledger = start(inbox.clone(), options()).unwrap();
        for i in 0..50u64 {
            let ticket = inbox.mirrored("x".into(), "GET /a".into(), at(1));
            ticket.settle(compared("x", "GET /a", 1, vec![]));
            let totals = ledger.snapshot().await.evidence.totals();
            assert_eq!((totals.requests, totals.matched), (i + 1, i + 1));
        }
        assert!(!ledger.set_mirroring(false).await.unwrap().mirroring);
        let (begun, after) = ledger.new_epoch(Some("2".into())).await.unwrap();
        assert_eq!((begun.candidate_build.as_deref(), &begun), (Some("2"), &after.evidence.epoch));
        let held = inbox.mirrored("x".into(), "GET /a".into(), at(1));
        let last = ledger.shutdown().await;
        assert_eq!(last.evidence.totals().incomparable_reasons.shutdown, 1);
        drop(held);
        assert!(Arc::ptr_eq(&last, &ledger.snapshot().await));
        assert!(ledger.set_mirroring(true).await.is_none(), "nothing changes after the end");
        assert!(ledger.new_epoch(Some("3".into())).await.is_none());
        assert_eq!(ledger.snapshot().await.evidence.epoch, last.evidence.epoch);
    }

    #[tokio::test]
    async fn changes_come_in_the_order_of_the_calls_and_each_is_told_of_its_own() {
        let ledger = start(Inbox::new(4), options()).unwrap();
        for round in 0..50u64 {
            let (off, on) = (ledger.set_mirroring(false), ledger.set_mirroring(true));
            on.await.unwrap();
            off.await.unwrap();
            assert!(ledger.snapshot().await.mirroring, "the later call holds");
            let label = |k: u64| Some(Arc::from(format!("{round}.{k}")));
            let [a, b, c] = [0, 1, 2].map(|k| ledger.new_epoch(label(k)));
            let (a, b, c) = tokio::join!(a, b, c);
            for (k, (begun, _)) in [a, b, c].map(Option::unwrap).into_iter().enumerate() {
                assert_eq!(begun.candidate_build, label(k as u64));
                assert_eq!(begun.id, (2 + 3 * round + k as u64).to_string());
            }
        }
    }

    #[tokio::test]
    async fn a_ledger_that_dies_says_so_and_takes_nothing_more() {
        let inbox = Inbox::new(4);
        let ledger = start(inbox.clone(), options()).unwrap();
        inbox.mirrored("x".into(), "GET /a".into(), at(1)).settle(compared("x", "GET /a", 1, vec![]));
        assert_eq!(ledger.snapshot().await.evidence.totals().matched, 1);
        let held = inbox.mirrored("x".into(), "GET /panic".into(), at(1));
        let last = ledger.snapshot().await;
        assert!(!last.store.durable);
        assert_eq!(last.store.why.as_deref(), Some("the ledger stopped: on purpose; start the proxy again"));
        assert_eq!(last.evidence.totals().matched, 1);
        assert!(inbox.is_full());
        let dropped = inbox.dropped();
        drop(held);
        inbox.skipped("GET /a".into(), crate::model::Bucket::Shed);
        assert_eq!((inbox.dropped(), inbox.drain().len()), (dropped + 2, 0));
        assert!(ledger.shutdown().await.store.why.is_some());
    }

    #[tokio::test]
    async fn patience_can_be_changed() {
        let inbox = Inbox::new(4);
        let ledger = start(inbox.clone(), options()).unwrap();
        let _held = inbox.mirrored("x".into(), "GET /a".into(), at(1));
        inbox.mirrored("x".into(), "GET /a".into(), at(1)).settle(compared("x", "GET /a", 1, vec![]));
        assert_eq!(ledger.snapshot().await.evidence.totals().matched, 0);
        ledger.set_patience(Duration::ZERO).await;
        assert_eq!(ledger.snapshot().await.evidence.totals().matched, 1);
    }
}
