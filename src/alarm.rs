//! A timer for whatever a connection is waiting for, which costs next to nothing as long as it need not ring.

use crate::clock;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

/// One timer for one thing after the other. Its entry among the runtime's timers is moved only when it must ring
/// earlier than it would, or has rung too early: deadlines that are met do not touch it.
#[derive(Debug, Default)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Option<Instant>,
}

impl Alarm {
    /// What was waited for has come.
    pub fn stop(&mut self) {
        self.deadline = None;
    }

    /// Whether nothing more has been `taken` for as long as is `allowed`, while there is something that `waits` for that.
    pub fn is_stuck(
        &mut self,
        before: &mut u64,
        taken: u64,
        waits: bool,
        allowed: Duration,
        cx: &mut Context<'_>,
    ) -> bool {
        if std::mem::replace(before, taken) != taken || !waits {
            self.stop();
        }
        waits && self.poll(allowed, cx).is_ready()
    }

    /// Ready once `allowed` has passed since the first of these calls after [`Alarm::stop`], or a tick later.
    pub fn poll(&mut self, allowed: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let deadline =
            *self.deadline.get_or_insert_with(|| Instant::from_std(clock::recently() + clock::TICK) + allowed);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            // Whatever else the task has used its turn for: a peer that sends without end must not keep it from ringing.
            ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
            if sleep.deadline() >= deadline {
                self.deadline = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn it_rings_in_time_whatever_it_was_set_to_before() {
        let mut alarm = Alarm::default();
        let (long, short) = (Duration::from_secs(600), Duration::from_millis(1));
        for allowed in [long, short, long] {
            assert!(poll_fn(|cx| Poll::Ready(alarm.poll(allowed, cx))).await.is_pending());
            alarm.stop();
        }
        let started = Instant::now();
        poll_fn(|cx| alarm.poll(short, cx)).await;
        assert!(started.elapsed() >= short && started.elapsed() < long);
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(long, cx))).await.is_pending());
    }

    #[tokio::test]
    async fn it_rings_for_a_task_that_has_used_up_its_turn() {
        use tokio::task::coop::{has_budget_remaining, poll_proceed};
        let mut alarm = Alarm::default();
        let soon = Duration::from_millis(1);
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(soon, cx))).await.is_pending());
        tokio::time::sleep(soon + 2 * clock::TICK).await;
        let rang = poll_fn(|cx| {
            while has_budget_remaining() {
                if let Poll::Ready(turn) = poll_proceed(cx) {
                    turn.made_progress();
                }
            }
            Poll::Ready(alarm.poll(soon, cx))
        });
        assert!(rang.await.is_ready());
    }
}
