//! Floods: frames that cost work and bring nobody anything are counted by their headers, and whoever has spent its credit
//! is not read on.
//!
//! Of clients these are PING, SETTINGS, PRIORITY, RST_STREAM, CONTINUATION and DATA without data. Of legs it is whatever
//! is no content, since they have been asked for that and no more: each request and each part of its body earns the
//! frames that it takes to answer it. On a stream that was given up a leg may send what was on its way, and no more.

use super::frames::{DATA, END_STREAM, Frame, Frames, HEADERS, PREFACE, RST_STREAM, WINDOW_UPDATE};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Frames that may come at once.
const CREDIT: u32 = 1000;
/// A frame is earned back every so often,
const EARNED_EVERY: Duration = Duration::from_millis(10);
/// and for so many bytes of content either way: clients that measure their bandwidth send a PING now and then.
const EARNED_BYTES: usize = 1024;
/// What a request earns the leg: the head of its answer, interim ones, a window, a PING.
const EARNED_REQUEST: u32 = 8;
/// And a part of a request's body: windows of the stream and the connection, should the leg read it bit by bit.
const EARNED_PART: u32 = 4;
/// Streams given up that are remembered.
const MAX_GIVEN_UP: usize = 1024;
/// A part of what was on its way counts as so many bytes at least.
const LEAST_PART: usize = 64;

/// More frames without use than any use explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more HTTP/2 frames than any use explains")]
pub struct Flood;

/// Counts what passes over a connection, from its first byte on.
#[derive(Debug)]
pub struct Meter {
    came: Frames,
    went: Frames,
    account: Account,
}

/// The credit of who is at the other end.
#[derive(Debug)]
struct Account {
    peer: Peer,
    credit: u32,
    /// Of content, for which no credit was given yet.
    bytes: usize,
    earned_until: Instant,
}

#[derive(Debug)]
enum Peer {
    Client,
    Leg {
        /// Bytes that may be on their way on a stream when it is given up.
        window: usize,
        /// What may still come of them, by stream.
        given_up: BTreeMap<u32, usize>,
    },
}

/// What a frame that came is worth.
enum Worth {
    Free,
    Content,
    Nothing,
    /// There was no window for it.
    Forbidden,
}

// === impl Meter ===

impl Meter {
    pub fn of_client() -> Self {
        Self::new(PREFACE, 0, Peer::Client)
    }

    /// Of a leg that is given so many bytes of `window` for each stream.
    pub fn of_leg(window: u32) -> Self {
        Self::new(0, PREFACE, Peer::Leg { window: window as usize, given_up: BTreeMap::new() })
    }

    fn new(came: usize, went: usize, peer: Peer) -> Self {
        let account = Account { peer, credit: CREDIT, bytes: 0, earned_until: Instant::now() };
        Self { came: Frames::behind(came), went: Frames::behind(went), account }
    }

    /// The peer has sent this.
    ///
    /// # Errors
    /// It has spent its credit.
    pub fn came(&mut self, data: &[u8]) -> Result<(), Flood> {
        self.came_by(data, Instant::now)
    }

    fn came_by(&mut self, data: &[u8], now: impl Fn() -> Instant) -> Result<(), Flood> {
        let account = &mut self.account;
        let goes_on = self.came.follow(data, |frame| match account.worth(frame) {
            Worth::Free => true,
            Worth::Content => {
                account.content(frame.length);
                true
            }
            Worth::Nothing => account.spend(&now),
            Worth::Forbidden => false,
        });
        if goes_on { Ok(()) } else { Err(Flood) }
    }

    /// The peer was sent this.
    pub fn went(&mut self, data: &[u8]) {
        let account = &mut self.account;
        account.content(data.len());
        if let Peer::Leg { .. } = account.peer {
            self.went.follow(data, |frame| {
                account.asked(frame);
                true
            });
        }
    }
}

// === impl Account ===

impl Account {
    fn worth(&mut self, frame: Frame) -> Worth {
        match &mut self.peer {
            Peer::Client => match frame.kind {
                HEADERS | WINDOW_UPDATE => return Worth::Free,
                DATA if frame.flags & END_STREAM != 0 && !frame.has_content() => return Worth::Free,
                _ => {}
            },
            Peer::Leg { given_up, .. } => {
                if let Some(left) = given_up.get_mut(&frame.stream).filter(|_| frame.kind == DATA) {
                    let Some(less) = left.checked_sub(frame.length.max(LEAST_PART)) else { return Worth::Forbidden };
                    *left = less;
                    return Worth::Free;
                }
            }
        }
        if frame.has_content() { Worth::Content } else { Worth::Nothing }
    }

    /// A frame went to a leg.
    fn asked(&mut self, frame: Frame) {
        match (frame.kind, &mut self.peer) {
            (HEADERS, _) => self.earn(EARNED_REQUEST),
            (DATA, _) => self.earn(EARNED_PART),
            (RST_STREAM, Peer::Leg { window, given_up }) => {
                given_up.entry(frame.stream).or_insert(*window);
                if given_up.len() > MAX_GIVEN_UP {
                    given_up.pop_first();
                }
            }
            _ => {}
        }
    }

    /// Pays for a frame; false where there is nothing left to pay with.
    fn spend(&mut self, now: impl Fn() -> Instant) -> bool {
        if self.credit == 0 {
            let now = now();
            let passed = now.saturating_duration_since(self.earned_until);
            self.earn(u32::try_from(passed.as_millis() / EARNED_EVERY.as_millis()).unwrap_or(CREDIT));
            if self.credit == 0 {
                return false;
            }
            self.earned_until = now;
        }
        self.credit -= 1;
        true
    }

    /// Content went by, in either direction.
    fn content(&mut self, length: usize) {
        self.bytes += length;
        let earned = self.bytes / EARNED_BYTES;
        self.bytes %= EARNED_BYTES;
        self.earn(u32::try_from(earned).unwrap_or(CREDIT));
    }

    fn earn(&mut self, frames: u32) {
        self.credit = self.credit.saturating_add(frames).min(CREDIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const WINDOW: u32 = 64 * 1024;

    fn frame(length: usize, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
        let mut frame = vec![0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, stream];
        frame.resize(9 + length, 0);
        frame
    }

    fn client() -> Meter {
        let mut meter = Meter::of_client();
        meter.came(&[b'P'; PREFACE]).unwrap();
        meter
    }

    /// One that was sent the preface and has no credit.
    fn spent_leg() -> Meter {
        let mut meter = Meter::of_leg(WINDOW);
        meter.went(&[b'P'; PREFACE]);
        meter.account.credit = 0;
        meter
    }

    /// How many of `frame` pass at one moment, fed in pieces.
    fn passed(meter: &mut Meter, frame: &[u8], piece: usize) -> usize {
        let now = meter.account.earned_until;
        let passed =
            (0..5000).take_while(|_| frame.chunks(piece).all(|part| meter.came_by(part, || now).is_ok())).count();
        // What was not read on may be followed by anything here.
        meter.came = Frames::behind(0);
        passed
    }

    #[test]
    fn frames_without_use_are_limited_and_others_are_not() {
        for piece in [1, 4, 1000] {
            for (kind, length) in [(PING, 8), (4, 0), (4, 6), (2, 5), (RST_STREAM, 4), (9, 1), (DATA, 0), (77, 3)] {
                let passed = passed(&mut client(), &frame(length, kind, 0, 1), piece);
                assert_eq!(passed, CREDIT as usize, "type {kind}");
            }
            let padding = frame(20, DATA, super::super::frames::PADDED, 1);
            assert_eq!(passed(&mut client(), &padding, piece), CREDIT as usize, "nothing but padding");
            for (length, kind, flags) in [(1, DATA, 0), (0, DATA, END_STREAM), (9, HEADERS, 4), (4, WINDOW_UPDATE, 0)] {
                let useful = frame(length, kind, flags, 1);
                assert_eq!(passed(&mut client(), &useful, piece), 5000, "{useful:?}");
            }
        }
    }

    #[test]
    fn of_a_leg_nothing_but_content_is_free() {
        for (length, kind, flags) in [(1, HEADERS, 4), (4, WINDOW_UPDATE, 0), (8, PING, 0), (0, DATA, END_STREAM)] {
            let passed = passed(&mut Meter::of_leg(WINDOW), &frame(length, kind, flags, 1), 1000);
            assert_eq!(passed, CREDIT as usize, "type {kind}");
        }
        assert_eq!(passed(&mut Meter::of_leg(WINDOW), &frame(1, DATA, 0, 1), 1000), 5000);
    }

    #[test]
    fn a_leg_earns_what_it_takes_to_answer() {
        let mut meter = spent_leg();
        meter.went(&frame(20, HEADERS, 5, 1));
        assert_eq!(passed(&mut meter, &frame(20, HEADERS, 4, 1), 1000), EARNED_REQUEST as usize);
        meter.went(&frame(1, DATA, 0, 1));
        assert_eq!(passed(&mut meter, &frame(4, WINDOW_UPDATE, 0, 1), 1000), EARNED_PART as usize);
    }

    #[test]
    fn what_was_on_its_way_on_a_stream_given_up_is_forgiven_and_no_more() {
        let mut meter = spent_leg();
        let (part, small) = (frame(16 * 1024, DATA, 0, 1), frame(10, DATA, 0, 3));
        assert_eq!(passed(&mut meter, &part, 20_000), 5000, "asked for");
        let mut meter = spent_leg();
        meter.went(&frame(4, RST_STREAM, 0, 1));
        meter.went(&frame(4, RST_STREAM, 0, 3));
        assert_eq!(passed(&mut meter, &part, 20_000), WINDOW as usize / (16 * 1024));
        meter.account.earn(CREDIT);
        meter.went(&frame(4, RST_STREAM, 0, 1));
        assert_eq!(passed(&mut meter, &part, 20_000), 0, "a stream ends once");
        assert_eq!(passed(&mut meter, &small, 1000), WINDOW as usize / LEAST_PART);
        assert_eq!(passed(&mut meter, &frame(10, DATA, 0, 5), 1000), 5000, "others go on");
    }

    #[test]
    fn time_and_content_earn_credit() {
        let mut account = client().account;
        let start = account.earned_until;
        let later = |ms| move || start + Duration::from_millis(ms);
        for _ in 0..CREDIT {
            assert!(account.spend(later(0)));
        }
        assert!(!account.spend(later(9)));
        account.content(EARNED_BYTES * 2);
        assert_eq!([0; 3].map(|_| account.spend(later(9))), [true, true, false]);
        assert_eq!([0; 2].map(|_| account.spend(later(11))), [true, false]);
        for n in 1..10_000 {
            assert!(account.spend(later(11 + 10 * n)), "one in ten milliseconds is never too much");
        }
    }
}
