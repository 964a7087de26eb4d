//! How far the body of a mirrored answer is read: no further than it takes to know that it is not the primary's.
//!
//! A candidate that sends without end would otherwise take processor time and memory until its time is up.

use crate::flow::{Passing, Progress, Stage, Tape};
use crate::model::{Failure, FailureKind, Incomparable, Limit, Permit};
use crate::report::thousands;
use http::{StatusCode, Version};
use std::sync::Arc;

/// A body may be longer than the primary's by so much, or twice as long, whatever `mirror.max_body` is.
const SLACK: u64 = 1 << 20;
/// The same, before it is charged for what it is longer.
const FREE: u64 = 64 << 10;
/// Bytes that bodies may be longer than the primary's, all that are being read together.
const TOGETHER: usize = 16 << 20;

/// What an answer is read beside.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beside<'a> {
    /// It is the primary's own: others are read beside it.
    Leads(&'a Passing),
    Follows {
        primary: &'a Progress,
        overrun: &'a Arc<Limit>,
    },
}

/// Decides from chunk to chunk whether a body is read on.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    beside: Beside<'a>,
    /// Where reading may pause: over HTTP/2 the others on its connection would come to a halt as well.
    may_pause: bool,
    status: StatusCode,
    /// The length that the head promises.
    declared: Option<u64>,
    max_body: u64,
    /// For the bytes beyond what is free.
    permit: Option<Permit>,
}

/// Why a body is not read on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It has become so much longer than the primary's that it need not end. Beside an answer of another status that is
    /// no failure of its own: there is none.
    Overran(Option<Failure>),
    /// Its own head says the same.
    Longer(u64),
    /// For a reason of our own: the exchange is not judged.
    Ours(Incomparable),
}

/// All that may be read beyond the ends of primaries' bodies, where one body is kept up to `max_body`.
pub(super) fn together(max_body: usize) -> usize {
    TOGETHER.max(max_body.saturating_mul(4))
}

// === impl Beside ===

impl Beside<'_> {
    /// Returns once it is clear that there will be no answer of the primary's to compare with.
    pub(super) async fn lost(self) {
        if let Beside::Follows { primary, .. } = self {
            primary.beyond(u64::MAX).await;
            if primary.now().1 == Stage::Lost {
                return;
            }
        }
        std::future::pending().await
    }
}

// === impl Reading ===

impl<'a> Reading<'a> {
    pub(super) fn new(
        beside: Beside<'a>,
        (version, status): (Version, StatusCode),
        declared: Option<u64>,
        max_body: usize,
    ) -> Self {
        Self {
            beside,
            may_pause: version != Version::HTTP_2,
            status,
            declared,
            max_body: max_body as u64,
            permit: None,
        }
    }

    /// What has come of the primary's body, to share its memory.
    pub(super) fn tape(&self) -> Option<&'a Tape> {
        match self.beside {
            Beside::Leads(_) => None,
            Beside::Follows { primary, .. } => Some(primary.tape()),
        }
    }

    /// A chunk has come, `length` bytes with those before it, and the last of them where it `ended`. Waits for a primary
    /// that is still on its way where the body is far ahead of it; `paused` is set then.
    ///
    /// Up to `max_body` a longer body is read whatever the primary's length, as it may still say the same (pretty
    /// printed, or without a content coding); beyond it only length and digest decide, so that reading on would change
    /// nothing.
    ///
    /// # Errors
    /// Where it is not to be read on.
    pub(super) async fn goes_on(
        &mut self,
        chunk: usize,
        length: u64,
        ended: bool,
        paused: &mut bool,
    ) -> Result<(), Stop> {
        let (primary, overrun) = match self.beside {
            Beside::Leads(passing) => {
                passing.pass(chunk);
                return Ok(());
            }
            Beside::Follows { primary, overrun } => (primary, overrun),
        };
        if ended {
            return Ok(());
        }
        loop {
            let (passed, stage) = primary.now();
            let twice = passed.saturating_mul(2);
            let beyond_free = length.saturating_sub(twice.max(passed + FREE));
            let limit = twice.max(passed + SLACK).max(self.max_body);
            let too_long = length > limit;
            match (stage, self.declared) {
                (Stage::Whole, Some(declared)) if declared > limit => return Err(Stop::Longer(declared)),
                _ if beyond_free == 0 => return Ok(()),
                (Stage::Open, _) if too_long && self.may_pause => {
                    *paused = true;
                    primary.beyond(passed).await;
                }
                (Stage::Open, _) => return Ok(()),
                // Nothing is compared.
                (Stage::Lost, _) => return Err(Stop::Ours(Incomparable::Budget)),
                (Stage::Whole, _) if too_long => {
                    let failure = primary.has_status(self.status).then(|| overran(length, passed));
                    return Err(Stop::Overran(failure));
                }
                (Stage::Whole, _) if self.charge(beyond_free, overrun) => return Ok(()),
                // Its detail would be lost, and that it is longer says nothing yet.
                (Stage::Whole, _) => return Err(Stop::Ours(Incomparable::CaptureLost)),
            }
        }
    }

    fn charge(&mut self, bytes: u64, overrun: &Arc<Limit>) -> bool {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        match &mut self.permit {
            Some(permit) => bytes.checked_sub(permit.held()).is_none_or(|more| permit.grow(more)),
            none => {
                *none = overrun.take(bytes);
                none.is_some()
            }
        }
    }
}

fn overran(length: u64, primary: u64) -> Failure {
    let (length, primary) = (thousands(length), thousands(primary));
    let detail = format!("body of over {length} bytes, primary's {primary}; not read on");
    Failure { kind: FailureKind::Timeout, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    const BODY: usize = 1 << 20;

    struct Stage {
        passing: Option<Passing>,
        primary: Arc<Progress>,
        overrun: Arc<Limit>,
    }

    impl Stage {
        /// A primary of which `passed` bytes have come.
        fn new(passed: usize) -> Self {
            let passing = Passing::default();
            passing.pass(passed);
            Self { primary: passing.progress().clone(), passing: Some(passing), overrun: Limit::new(together(BODY)) }
        }

        fn whole(passed: usize) -> Self {
            let mut stage = Self::new(passed);
            stage.passing.take().unwrap().whole(StatusCode::OK);
            stage
        }

        fn reading(&self, version: Version, declared: Option<u64>) -> Reading<'_> {
            let beside = Beside::Follows { primary: &self.primary, overrun: &self.overrun };
            Reading::new(beside, (version, StatusCode::OK), declared, BODY)
        }
    }

    /// What is decided where nothing is waited for.
    fn now(reading: &mut Reading<'_>, length: u64) -> Option<Result<(), Stop>> {
        let (mut paused, mut cx) = (false, Context::from_waker(Waker::noop()));
        let polled = std::pin::pin!(reading.goes_on(1, length, false, &mut paused)).poll(&mut cx);
        match polled {
            Poll::Ready(decided) => Some(decided),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_body_is_read_until_it_cannot_be_the_primarys() {
        for (primary, limit) in [(0, SLACK), (1000, SLACK + 1000), (3 << 20, 6 << 20)] {
            let stage = Stage::whole(primary);
            let mut reading = stage.reading(Version::HTTP_11, None);
            assert!(matches!(now(&mut reading, limit), Some(Ok(()))), "{primary}");
            let Some(Err(Stop::Overran(Some(failure)))) = now(&mut reading, limit + 1) else {
                panic!("{primary} is read on")
            };
            assert_eq!(failure.kind, FailureKind::Timeout);
            let told = format!("over {} bytes, primary's {};", thousands(limit + 1), thousands(primary as u64));
            assert!(failure.detail.contains(&told), "{}", failure.detail);
        }
    }

    #[test]
    fn a_length_that_says_so_is_enough() {
        let stage = Stage::whole(1000);
        for (declared, longer) in [(SLACK + 1000, false), (SLACK + 1001, true), (1 << 40, true)] {
            let decided = now(&mut stage.reading(Version::HTTP_11, Some(declared)), 10);
            assert_eq!(
                matches!(decided, Some(Err(Stop::Longer(n))) if n == declared),
                longer,
                "{declared}: {decided:?}"
            );
        }
    }

    #[tokio::test]
    async fn far_ahead_of_a_primary_on_its_way_it_waits() {
        let stage = Stage::new(100);
        let far = SLACK + 200;
        assert!(
            matches!(now(&mut stage.reading(Version::HTTP_2, None), far), Some(Ok(()))),
            "others would wait as well"
        );
        let mut reading = stage.reading(Version::HTTP_11, None);
        assert!(now(&mut reading, SLACK).is_some_and(|decided| decided.is_ok()));
        assert!(now(&mut reading, far).is_none());
        let (mut paused, passing) = (false, stage.passing.as_ref().unwrap());
        let (decided, ()) = tokio::join!(reading.goes_on(1, far, false, &mut paused), async { passing.pass(100) });
        assert!(decided.is_ok() && paused);
    }

    #[test]
    fn what_cannot_be_kept_is_not_judged() {
        let stage = Stage::whole(0);
        let mut first = stage.reading(Version::HTTP_11, None);
        let mut others: Vec<_> = (0..TOGETHER / BODY).map(|_| stage.reading(Version::HTTP_11, None)).collect();
        for reading in &mut others {
            assert!(matches!(now(reading, SLACK), Some(Ok(()))));
        }
        assert!(matches!(now(&mut first, FREE), Some(Ok(()))));
        assert!(matches!(now(&mut first, SLACK), Some(Ok(()))), "each has what is free");
        assert!(matches!(
            now(&mut stage.reading(Version::HTTP_11, None), SLACK),
            Some(Err(Stop::Ours(Incomparable::CaptureLost)))
        ));
        drop((first, others));
        assert_eq!(stage.overrun.used(), 0);
    }

    #[test]
    fn beside_a_primary_that_is_lost_nothing_long_is_read() {
        let mut stage = Stage::new(10);
        stage.passing = None;
        let mut reading = stage.reading(Version::HTTP_11, None);
        assert!(matches!(now(&mut reading, FREE), Some(Ok(()))));
        assert!(matches!(now(&mut reading, SLACK), Some(Err(Stop::Ours(Incomparable::Budget)))));
    }
}
