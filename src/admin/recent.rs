//! What the pages show, taken beside the requests for them.
//!
//! Judging thousands of routes takes a while, so no request for a page does it. A keeper takes a look whenever somebody
//! wants one, and now and then while nobody does. Whoever asks is given one of now where that takes a moment, and
//! otherwise the newest there is, with its age: what is shown always says of which moment it is.

use super::Source;
use crate::report::pages::Look;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, sleep_until, timeout};

/// A look that takes longer than this is waited for by no page.
const QUICK: Duration = Duration::from_millis(20);
/// How long a page waits for a quick one.
const PATIENCE: Duration = Duration::from_millis(25);
/// One that is not quick is taken this long after the one before at the soonest.
const FRESH: Duration = Duration::from_millis(900);
/// While nobody looks one is taken this often, so that whoever comes next finds one that is not old.
const IDLE: Duration = Duration::from_secs(10);
/// And more rarely where it takes long, so that it takes at most one part in so many of a processor.
const PART: u32 = 1000;
/// But not more rarely than this.
const RAREST: Duration = Duration::from_secs(30);
/// For what has to be of now, and for the very first look.
const AT_MOST: Duration = Duration::from_secs(5);

/// A look and when it was taken.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub look: Arc<Look>,
    began: Instant,
    took: Duration,
    /// What looks take at present: a single slow one says little.
    cost: Duration,
}

#[derive(Debug)]
pub(super) struct Recent {
    newest: watch::Sender<Option<Taken>>,
    /// Somebody looks.
    wanted: Notify,
    /// What was taken until now will not do.
    changed: Notify,
}

// === impl Taken ===

impl Taken {
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

// === impl Recent ===

impl Recent {
    pub(super) fn new() -> Self {
        Self { newest: watch::Sender::new(None), wanted: Notify::new(), changed: Notify::new() }
    }

    /// The keeper: takes looks for ever.
    pub(super) async fn keep(self: Arc<Self>, source: Arc<dyn Source>) {
        loop {
            let began = Instant::now();
            let (recent, source) = (self.clone(), source.clone());
            // A look that panics has been logged by then, and the next may do better.
            let _ = tokio::task::spawn_blocking(move || recent.take(&*source)).await;
            let cost = self.newest.borrow().as_ref().map_or(Duration::ZERO, |taken| taken.cost);
            let soonest = async {
                self.wanted.notified().await;
                if cost > QUICK {
                    sleep_until((began + FRESH).into()).await;
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = soonest => {}
                () = sleep((cost * PART).clamp(IDLE, RAREST)) => {}
            }
        }
    }

    /// For a page: of now where that takes a moment, or else the newest there is. `None` where there is none yet.
    pub(super) async fn get(&self) -> Option<Taken> {
        let asked = Instant::now();
        let newest = self.newest.borrow().clone();
        self.wanted.notify_one();
        match &newest {
            Some(taken) if taken.cost > QUICK => newest,
            Some(_) => self.next(|taken| taken.began >= asked, PATIENCE).await,
            None => self.next(|_| true, AT_MOST).await,
        }
    }

    /// Of now, for who looks for what the newest does not have yet, or has just changed something.
    pub(super) async fn now(&self) -> Option<Taken> {
        let asked = Instant::now();
        self.changed.notify_one();
        self.next(|taken| taken.began >= asked, AT_MOST).await
    }

    /// One that is `wanted`, or the newest where that takes too long.
    async fn next(&self, wanted: impl Fn(&Taken) -> bool, patience: Duration) -> Option<Taken> {
        let mut coming = self.newest.subscribe();
        let found = async {
            let found = coming.wait_for(|taken| taken.as_ref().is_some_and(&wanted)).await;
            found.ok().and_then(|taken| taken.clone())
        };
        timeout(patience, found).await.ok().flatten().or_else(|| self.newest.borrow().clone())
    }

    /// On a thread that may block; what was there before is let go there too.
    fn take(&self, source: &dyn Source) {
        let began = Instant::now();
        let look = Arc::new(source.look());
        let took = began.elapsed();
        let cost = self.newest.borrow().as_ref().map_or(took, |last| last.took.min(took));
        self.newest.send_replace(Some(Taken { look, began, took, cost }));
    }
}
