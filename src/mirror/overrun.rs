//! How far the body of a mirrored answer is read: no further than it takes to know that it is not the primary's.
//!
//! A candidate that sends without end would otherwise take processor time and memory until its time is up.

use crate::flow::{Passing, Progress, Stage};
use crate::model::{Failure, FailureKind, Incomparable, Limit, Permit};
use crate::report::thousands;
use http::Version;
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
    /// The length that the head promises.
    declared: Option<u64>,
    max_body: u64,
    /// For the bytes beyond what is free.
    permit: Option<Permit>,
}

/// Why a body is not read on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It has become so much longer than the primary's that it need not end.
    Overran(Failure),
    /// Its own head says the same.
    Longer(u64),
    /// For a reason of our own: the exchange is not judged.
    Ours(Incomparable),
}

/// All that may be read beyond the ends of primaries' bodies, where one body is kept up to `max_body`.
pub(super) fn together(max_body: usize) -> usize {
    TOGETHER.max(max_body.saturating_mul(4))
}

// === impl Reading ===

impl<'a> Reading<'a> {
    pub(super) fn new(beside: Beside<'a>, version: Version, declared: Option<u64>, max_body: usize) -> Self {
        Self { beside, may_pause: version != Version::HTTP_2, declared, max_body: max_body as u64, permit: None }
    }

    /// A chunk has come, `length` bytes with those before it, and the last of them where it `ended`. Waits for a primary that is still on its way where the
    /// body is far ahead of it; `paused` is set then.
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
        while !ended {
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
                (Stage::Whole, _) if too_long => return Err(Stop::Overran(overran(length, passed))),
                (Stage::Whole, _) if self.charge(beyond_free, overrun) => return Ok(()),
                // Its detail would be lost, and that it is longer says nothing yet.
                (Stage::Whole, _) => return Err(Stop::Ours(Incomparable::CaptureLost)),
            }
        }
        Ok(())
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
    let detail =
        format!("gave no end of its answer in {length} bytes where the primary's has {primary}; not read further");
    Failure { kind: FailureKind::Timeout, detail }
}
