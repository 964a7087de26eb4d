//! The ledger's thread: drains, applies, commits, answers.

use super::core::{Core, LedgerOptions, Snapshot};
use crate::evidence::Rules;
use crate::flow::Inbox;
use crate::gate::Policy;
use crate::model::Timestamp;
use arc_swap::ArcSwap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

/// How often the inbox is emptied when nobody asks.
const TICK: Duration = Duration::from_millis(25);

/// Starts the ledger on a thread of its own.
///
/// # Errors
/// When the system gives no thread.
pub fn start(inbox: Arc<Inbox>, options: LedgerOptions) -> io::Result<LedgerHandle> {
    let mut core = Core::new(options, now());
    let last = Arc::new(ArcSwap::new(core.snapshot(now())));
    let (commands, received) = channel();
    let shared = last.clone();
    let thread =
        std::thread::Builder::new().name("ledger".into()).spawn(move || run(core, &inbox, &received, &shared))?;
    Ok(LedgerHandle { commands, last, thread: Arc::new(Mutex::new(Some(thread))) })
}

/// Speaks with the ledger. Cheap to clone; never waits on traffic.
#[derive(Debug, Clone)]
pub struct LedgerHandle {
    commands: Sender<Command>,
    last: Arc<ArcSwap<Snapshot>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Command {
    Snapshot(oneshot::Sender<Arc<Snapshot>>),
    NewEpoch(Option<Arc<str>>, oneshot::Sender<Arc<Snapshot>>),
    SetRules(Rules, oneshot::Sender<Arc<Snapshot>>),
    SetMirroring(bool, oneshot::Sender<Arc<Snapshot>>),
    SetPolicy(Box<Policy>, oneshot::Sender<Arc<Snapshot>>),
    Shutdown(oneshot::Sender<Arc<Snapshot>>),
}

// === impl LedgerHandle ===

impl LedgerHandle {
    /// The evidence with everything that has finished by now. After shutdown: the last there was.
    pub async fn snapshot(&self) -> Arc<Snapshot> {
        self.ask(Command::Snapshot).await
    }

    /// The snapshot somebody asked for last, without asking.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.last.load_full()
    }

    /// Begins a new epoch by hand; without a label, of the same build. Durable when it returns, where the store works.
    pub async fn new_epoch(&self, build: Option<Arc<str>>) -> Arc<Snapshot> {
        self.ask(|answer| Command::NewEpoch(build, answer)).await
    }

    /// Other rules are in force. To be called before the comparison workers are given them.
    pub async fn set_rules(&self, rules: Rules) -> Arc<Snapshot> {
        self.ask(|answer| Command::SetRules(rules, answer)).await
    }

    /// Keeps the kill switch's position. Durable when it returns, where the store works.
    pub async fn set_mirroring(&self, on: bool) -> Arc<Snapshot> {
        self.ask(|answer| Command::SetMirroring(on, answer)).await
    }

    /// Keeps the gate's settings for those who ask without a configuration.
    pub async fn set_policy(&self, policy: Policy) -> Arc<Snapshot> {
        self.ask(|answer| Command::SetPolicy(Box::new(policy), answer)).await
    }

    /// Settles what is in flight as `shutdown`, makes everything durable and ends the thread.
    pub async fn shutdown(&self) -> Arc<Snapshot> {
        let last = self.ask(Command::Shutdown).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has answered as its last act; joining lets go of the store for sure.
            let _ = thread.join();
        }
        last
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<Arc<Snapshot>>) -> Command) -> Arc<Snapshot> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(command(answer)).is_err() {
            return self.latest();
        }
        answered.await.unwrap_or_else(|_| self.latest())
    }
}

// === The thread ===

fn run(mut core: Core, inbox: &Inbox, commands: &Receiver<Command>, last: &ArcSwap<Snapshot>) {
    let mut answers = Vec::new();
    let mut stop = false;
    while !stop {
        match commands.recv_timeout(TICK) {
            Ok(first) => {
                // What has finished belongs to the time before the command.
                core.drain(inbox, now());
                // Everything that waits is answered by one snapshot.
                stop |= command(&mut core, first, &mut answers);
                while let Ok(next) = commands.try_recv() {
                    stop |= command(&mut core, next, &mut answers);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => stop = true,
        }
        core.drain(inbox, now());
        if stop {
            core.close(now());
        }
        if stop || core.is_due(now()) {
            core.commit(now(), now);
        }
        if !answers.is_empty() || stop {
            let snapshot = core.snapshot(now());
            last.store(snapshot.clone());
            for answer in answers.drain(..) {
                let _: Result<(), _> = oneshot::Sender::send(answer, snapshot.clone());
            }
        }
    }
}

/// True when it is to stop.
fn command(core: &mut Core, command: Command, answers: &mut Vec<oneshot::Sender<Arc<Snapshot>>>) -> bool {
    let mut stop = false;
    answers.push(match command {
        Command::Snapshot(answer) => answer,
        Command::NewEpoch(build, answer) => {
            core.new_epoch(build, now());
            answer
        }
        Command::SetRules(rules, answer) => {
            core.set_rules(rules, now());
            answer
        }
        Command::SetMirroring(on, answer) => {
            core.set_mirroring(on);
            answer
        }
        Command::SetPolicy(policy, answer) => {
            core.set_policy(*policy);
            answer
        }
        Command::Shutdown(answer) => {
            stop = true;
            answer
        }
    });
    stop
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Book;
    use crate::evidence::testing::{at, compared};

    fn rules() -> Rules {
        Rules { generation: 1, digest: "d".into(), route: Arc::new(|_| "r".into()) }
    }

    #[tokio::test]
    async fn a_snapshot_holds_everything_that_has_finished() {
        let inbox = Inbox::new(4);
        let options = LedgerOptions {
            book: Book::new(rules(), None, 5, at(0)),
            keeper: None,
            mirroring: true,
            policy: None,
            patience: Duration::from_secs(15),
            keep_for: Duration::from_secs(60),
            max_size: 1 << 30,
        };
        let ledger = start(inbox.clone(), options).unwrap();
        for i in 0..50u64 {
            let ticket = inbox.mirrored("x".into(), "GET /a".into(), at(1));
            ticket.settle(compared("x", "GET /a", 1, vec![]));
            let totals = ledger.snapshot().await.evidence.totals();
            assert_eq!((totals.requests, totals.matched), (i + 1, i + 1));
        }
        assert!(!ledger.set_mirroring(false).await.mirroring);
        let by_hand = ledger.new_epoch(Some("2".into())).await;
        assert_eq!(by_hand.evidence.epoch.candidate_build.as_deref(), Some("2"));
        let held = inbox.mirrored("x".into(), "GET /a".into(), at(1));
        let last = ledger.shutdown().await;
        assert_eq!(last.evidence.totals().incomparable_reasons.shutdown, 1);
        drop(held);
        assert!(Arc::ptr_eq(&last, &ledger.snapshot().await));
    }
}
