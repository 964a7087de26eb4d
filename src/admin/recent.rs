//! What the pages show, taken once for all who look.
//!
//! Judging thousands of routes takes a while. Where it takes little, every page is of this very moment; where it takes
//! more, a page is given what was taken last, if that is not old, while the next is being taken. What is shown always
//! says of which moment it is.

use super::Source;
use crate::report::pages::Look;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A page should not wait for longer than this.
const QUICK: Duration = Duration::from_millis(20);
/// Taken anew after this, as soon as somebody looks.
const FRESH: Duration = Duration::from_millis(900);
/// Never shown when older than this.
const OLD: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(super) struct Recent(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Taken>,
    /// Somebody is taking one.
    taking: bool,
    /// What was asked for before this must not be shown any more.
    changed: u64,
}

struct Taken {
    at: Instant,
    cost: Duration,
    look: Arc<Look>,
}

/// What to do about a page.
enum Way {
    Show(Arc<Look>),
    /// And take the next one meanwhile.
    ShowAndTake(Arc<Look>),
    Take,
}

// === impl Recent ===

impl Recent {
    /// To be called where a moment of computing disturbs nobody's traffic.
    pub(super) fn get(self: &Arc<Self>, source: &Arc<dyn Source>) -> Arc<Look> {
        match self.way(Instant::now()) {
            Way::Show(look) => look,
            Way::ShowAndTake(look) => {
                let (recent, source) = (self.clone(), source.clone());
                tokio::task::spawn_blocking(move || recent.take(&*source));
                look
            }
            Way::Take => self.take(&**source),
        }
    }

    /// Of this very moment, for who looks for what a little older one does not have yet.
    pub(super) fn now(&self, source: &Arc<dyn Source>) -> Arc<Look> {
        self.take(&**source)
    }

    /// Somebody changed something: what is shown next has to show it.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.last = None;
        state.changed += 1;
    }

    fn way(&self, now: Instant) -> Way {
        let mut state = self.lock();
        let Some(last) = state.last.as_ref() else { return Way::Take };
        let (age, look) = (now.saturating_duration_since(last.at), last.look.clone());
        match age {
            _ if last.cost <= QUICK || age > OLD => Way::Take,
            _ if age <= FRESH || state.taking => Way::Show(look),
            _ => {
                state.taking = true;
                Way::ShowAndTake(look)
            }
        }
    }

    fn take(&self, source: &dyn Source) -> Arc<Look> {
        let (began, changed) = (Instant::now(), self.lock().changed);
        let look = Arc::new(source.look());
        let mut state = self.lock();
        state.taking = false;
        if state.changed == changed {
            state.last = Some(Taken { at: began, cost: began.elapsed(), look: look.clone() });
        }
        look
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
