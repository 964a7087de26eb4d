//! Floods: frames that cost work and bring nobody anything are counted by their headers, and whoever has spent its credit
//! is not read on.
//!
//! Of clients these are PING, SETTINGS, PRIORITY, RST_STREAM, CONTINUATION, DATA without data, and more windows than what
//! they were sent explains. Of legs it is whatever is no DATA, since they were asked for that and no more: each request and
//! each part of its body earns the frames that it takes to answer it. On a stream that was given up a leg may send what was
//! on its way, and no more.

use super::frames::{CONTINUATION, DATA, END_STREAM, Frames, HEADERS, PREFACE, RST_STREAM, WINDOW_UPDATE};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Frames that may come at once.
const CREDIT: u32 = 1000;
/// A frame is earned back every so often.
const EARNED_EVERY: Duration = Duration::from_millis(10);
/// And by a client for so many bytes of content either way: there are those that measure their bandwidth with a PING now
/// and then.
const EARNED_BYTES: usize = 1024;

/// Windows that a client may give for a request, and for a part of an answer's body.
const WINDOWS_REQUEST: u32 = 2;
const WINDOWS_PART: u32 = 20;

/// What a request earns a leg: the head of its answer, interim ones, trailers, windows.
const EARNED_REQUEST: u32 = 8;
/// And a part of a request's body, windows of the stream and the connection,
const EARNED_PART: u32 = 4;
/// unless it is smaller than a message of gRPC can be: who gives windows of a byte would have us send as many.
const LEAST_SENT: usize = 5;
/// And so many bytes of it, which may be read bit by bit, earn another window; as with an answer's and a client.
const WINDOW_BYTES: usize = 128;
/// Answers that were long in coming come all at once: what a thousand open streams have earned is not lost.
const MOST_CREDIT: u32 = 16 * 1024;
/// A head costs one frame more for so many bytes.
const HEAD_BYTES: usize = 2048;
/// Streams given up that are remembered.
const MAX_GIVEN_UP: usize = 4096;
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
    peer: Peer,
    credit: Credit,
}

#[derive(Debug)]
enum Peer {
    Client {
        windows: Credit,
    },
    Leg {
        /// Bytes that may be on their way on a stream when it is given up.
        window: usize,
        /// What may still come of them, by stream.
        given_up: BTreeMap<u32, usize>,
    },
}

/// Frames that may still come.
#[derive(Debug)]
struct Credit {
    left: u32,
    most: u32,
    /// Bytes that earn a frame, and those that have not earned one yet.
    frame_bytes: usize,
    bytes: usize,
    earned_until: Instant,
}

// === impl Meter ===

impl Meter {
    pub fn of_client() -> Self {
        let windows = Credit::new(MOST_CREDIT, WINDOW_BYTES);
        Self::new(Peer::Client { windows }, [PREFACE, 0], Credit::new(CREDIT, EARNED_BYTES))
    }

    /// Of a leg that is given so many bytes of `window` for each stream.
    pub fn of_leg(window: u32) -> Self {
        let peer = Peer::Leg { window: window as usize, given_up: BTreeMap::new() };
        Self::new(peer, [0, PREFACE], Credit::new(MOST_CREDIT, WINDOW_BYTES))
    }

    fn new(peer: Peer, [came, went]: [usize; 2], credit: Credit) -> Self {
        Self { came: Frames::behind(came), went: Frames::behind(went), peer, credit }
    }

    /// The peer has sent this.
    ///
    /// # Errors
    /// It has spent its credit.
    pub fn came(&mut self, data: &[u8]) -> Result<(), Flood> {
        self.came_by(data, Instant::now)
    }

    fn came_by(&mut self, data: &[u8], now: impl Fn() -> Instant) -> Result<(), Flood> {
        let (peer, credit) = (&mut self.peer, &mut self.credit);
        let goes_on = self.came.follow(data, |frame| match peer {
            Peer::Client { windows } => match frame.kind {
                HEADERS => {
                    windows.earn(WINDOWS_REQUEST);
                    true
                }
                WINDOW_UPDATE => windows.spend(1, &now),
                DATA if frame.has_content() => {
                    credit.earn_by(frame.length);
                    true
                }
                DATA if frame.flags & END_STREAM != 0 => true,
                _ => credit.spend(1, &now),
            },
            Peer::Leg { given_up, .. } => match (frame.kind, given_up.get_mut(&frame.stream)) {
                (DATA, Some(left)) => match left.checked_sub(frame.length.max(LEAST_PART)) {
                    Some(less) => {
                        *left = less;
                        true
                    }
                    // There was no window for it.
                    None => false,
                },
                (DATA, None) if frame.length > 0 => true,
                (HEADERS | CONTINUATION, _) => credit.spend(1 + frame.length / HEAD_BYTES, &now),
                _ => credit.spend(1, &now),
            },
        });
        if goes_on { Ok(()) } else { Err(Flood) }
    }

    /// The peer was sent this.
    pub fn went(&mut self, data: &[u8]) {
        let credit = &mut self.credit;
        credit.earn_by(data.len());
        self.went.follow(data, |frame| {
            match (&mut self.peer, frame.kind) {
                (Peer::Client { windows }, DATA) => {
                    windows.earn(WINDOWS_PART);
                    windows.earn_by(frame.length);
                }

                (Peer::Leg { .. }, HEADERS) => credit.earn(EARNED_REQUEST),
                (Peer::Leg { .. }, DATA) if frame.length >= LEAST_SENT => credit.earn(EARNED_PART),
                (Peer::Leg { window, given_up }, RST_STREAM) => {
                    // Twice, as what is small counts for more.
                    given_up.entry(frame.stream).or_insert(2 * *window);
                    if given_up.len() > MAX_GIVEN_UP {
                        given_up.pop_first();
                    }
                }
                _ => {}
            }
            true
        });
    }
}

// === impl Credit ===

impl Credit {
    fn new(most: u32, frame_bytes: usize) -> Self {
        Self { left: CREDIT, most, frame_bytes, bytes: 0, earned_until: Instant::now() }
    }

    /// Pays for so many frames; false where there is not enough to pay with.
    fn spend(&mut self, frames: usize, now: impl Fn() -> Instant) -> bool {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        if self.left < frames {
            let now = now();
            let passed = now.saturating_duration_since(self.earned_until);
            let earned = u32::try_from(passed.as_millis() / EARNED_EVERY.as_millis()).unwrap_or(CREDIT);
            if earned > 0 {
                self.earn(earned.min(CREDIT));
                self.earned_until = now;
            }
        }
        self.left.checked_sub(frames).map(|left| self.left = left).is_some()
    }

    fn earn_by(&mut self, bytes: usize) {
        self.bytes += bytes;
        let earned = self.bytes / self.frame_bytes;
        self.bytes %= self.frame_bytes;
        self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
    }

    fn earn(&mut self, frames: u32) {
        self.left = self.left.saturating_add(frames).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const WINDOW: u32 = 64 * 1024;

    fn frame(length: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
        let mut frame = [&(length as u32).to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        frame.resize(9 + length, 0);
        frame
    }

    fn client() -> Meter {
        let mut meter = Meter::of_client();
        meter.came(&[b'P'; PREFACE]).unwrap();
        meter
    }

    /// One that was sent the preface.
    fn leg() -> Meter {
        let mut meter = Meter::of_leg(WINDOW);
        meter.went(&[b'P'; PREFACE]);
        meter
    }

    /// Without any credit.
    fn spent_leg() -> Meter {
        let mut meter = leg();
        meter.credit.left = 0;
        meter
    }

    /// How many of `frame` pass at one moment, fed in pieces.
    fn passed(meter: &mut Meter, frame: &[u8], piece: usize) -> usize {
        let now = meter.credit.earned_until;
        let passed =
            (0..5000).take_while(|_| frame.chunks(piece).all(|part| meter.came_by(part, || now).is_ok())).count();
        // What was not read on may be followed by anything here.
        meter.came = Frames::behind(0);
        passed
    }

    #[test]
    fn frames_without_use_are_limited_and_others_are_not() {
        for piece in [1, 4, 1000] {
            for (kind, length) in
                [(PING, 8), (4, 0), (4, 6), (2, 5), (RST_STREAM, 4), (9, 1), (DATA, 0), (8, 4), (77, 3)]
            {
                let passed = passed(&mut client(), &frame(length, kind, 0, 1), piece);
                assert_eq!(passed, CREDIT as usize, "type {kind}");
            }
            let padding = frame(20, DATA, super::super::frames::PADDED, 1);
            assert_eq!(passed(&mut client(), &padding, piece), CREDIT as usize, "nothing but padding");
            for (length, kind, flags) in [(1, DATA, 0), (0, DATA, END_STREAM), (9, HEADERS, 4)] {
                let useful = frame(length, kind, flags, 1);
                assert_eq!(passed(&mut client(), &useful, piece), 5000, "{useful:?}");
            }
        }
    }

    #[test]
    fn a_client_may_give_windows_for_what_it_is_sent() {
        let mut meter = client();
        let Peer::Client { windows } = &mut meter.peer else { unreachable!() };
        windows.left = 0;
        let window = frame(4, WINDOW_UPDATE, 0, 1);
        assert_eq!(passed(&mut meter, &window, 1000), 0);
        meter.came(&frame(9, HEADERS, 5, 1)).unwrap();
        meter.went(&frame(20, DATA, 0, 1));
        assert_eq!(passed(&mut meter, &window, 1000), (WINDOWS_REQUEST + WINDOWS_PART) as usize);
        // Read by half a KiB, with two windows each.
        (0..10).for_each(|_| meter.went(&frame(16 * 1024, DATA, 0, 1)));
        assert!(passed(&mut meter, &window, 1000) >= 10 * 2 * 32);
    }

    #[test]
    fn of_a_leg_nothing_but_data_is_free() {
        for (length, kind, flags) in [(1, HEADERS, 4), (4, WINDOW_UPDATE, 0), (8, PING, 0), (0, DATA, END_STREAM)] {
            assert_eq!(passed(&mut leg(), &frame(length, kind, flags, 1), 1000), CREDIT as usize, "type {kind}");
        }
        assert_eq!(passed(&mut leg(), &frame(1, DATA, 0, 1), 1000), 5000);
        let heads = passed(&mut leg(), &frame(10 * HEAD_BYTES, HEADERS, 4, 1), 1 << 20);
        assert_eq!(heads, CREDIT as usize / 11, "large heads are dearer");
    }

    #[test]
    fn a_leg_earns_what_it_takes_to_answer() {
        let mut meter = spent_leg();
        meter.went(&frame(20, HEADERS, 5, 1));
        assert_eq!(passed(&mut meter, &frame(20, HEADERS, 4, 1), 1000), EARNED_REQUEST as usize);
        meter.went(&frame(LEAST_SENT, DATA, 0, 1));
        assert_eq!(passed(&mut meter, &frame(4, WINDOW_UPDATE, 0, 1), 1000), EARNED_PART as usize);
        meter.went(&frame(1, DATA, 0, 1));
        assert_eq!(passed(&mut meter, &frame(4, WINDOW_UPDATE, 0, 1), 1000), 0, "by windows of a byte nothing is won");
        let mut meter = spent_leg();
        // Read by half a KiB, with two windows each.
        (0..100).for_each(|_| meter.went(&frame(16 * 1024, DATA, 0, 1)));
        assert!(passed(&mut meter, &frame(4, WINDOW_UPDATE, 0, 1), 1000) >= 5000);
    }

    #[test]
    fn a_thousand_answers_may_come_at_once_and_in_several_frames() {
        let mut meter = leg();
        for request in 0..1024 {
            meter.went(&frame(20, HEADERS, 5, 2 * request + 1));
        }
        let now = meter.credit.earned_until;
        for stream in (0..1024).map(|request| 2 * request + 1) {
            for (length, kind, flags) in
                [(8, HEADERS, 4), (4, WINDOW_UPDATE, 0), (30, HEADERS, 4), (100, DATA, 0), (20, HEADERS, 5), (4, 3, 0)]
            {
                assert_eq!(meter.came_by(&frame(length, kind, flags, stream), || now), Ok(()), "{stream}");
            }
        }
    }

    #[test]
    fn what_was_on_its_way_on_a_stream_given_up_is_forgiven_and_no_more() {
        let mut meter = leg();
        let (part, small) = (frame(16 * 1024, DATA, 0, 1), frame(10, DATA, 0, 3));
        assert_eq!(passed(&mut meter, &part, 20_000), 5000, "asked for");
        meter.went(&frame(4, RST_STREAM, 0, 1));
        meter.went(&frame(4, RST_STREAM, 0, 3));
        assert_eq!(passed(&mut meter, &part, 20_000), 2 * WINDOW as usize / (16 * 1024));
        meter.went(&frame(4, RST_STREAM, 0, 1));
        assert_eq!(passed(&mut meter, &part, 20_000), 0, "a stream ends once");
        assert_eq!(passed(&mut meter, &small, 1000), 2 * WINDOW as usize / LEAST_PART);
        assert_eq!(passed(&mut meter, &frame(10, DATA, 0, 5), 1000), 5000, "others go on");
    }

    #[test]
    fn time_and_content_earn_credit() {
        let mut credit = client().credit;
        let start = credit.earned_until;
        let later = |ms| move || start + Duration::from_millis(ms);
        for _ in 0..CREDIT {
            assert!(credit.spend(1, later(0)));
        }
        assert!(!credit.spend(1, later(9)));
        credit.earn_by(EARNED_BYTES * 2);
        assert_eq!([0; 3].map(|_| credit.spend(1, later(9))), [true, true, false]);
        assert_eq!([0; 2].map(|_| credit.spend(1, later(11))), [true, false]);
        for n in 1..10_000 {
            assert!(credit.spend(1, later(11 + 10 * n)), "one in ten milliseconds is never too much");
        }
    }
}
