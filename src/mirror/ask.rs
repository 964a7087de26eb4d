//! Asking one mirror leg: the same request, marked; the answer or the failure, as data.

use super::MirrorSettings;
use super::overrun::{Beside, Reading, Stop};
use super::window::Place;
use crate::boxed::boxed;
use crate::flow::{BodyOutcome, Question, Recorder, RequestBody, Tape};
use crate::model::{
    Answer, BodyEnd, Captured, Failure, FailureKind, Incomparable, Leg, LegRecord, Limit, Outcome, Reason, Stream,
    Timing, is_read_only,
};
use crate::upstream::{Ask, Fault, LegAnswer, LegBody, SendOptions, Upstream};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{
    EXPECT, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use http_body::Body;
use http_body_util::BodyExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::coop::unconstrained;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// The mark: a request that carries it is served, never mirrored again.
pub const MARK: HeaderName = HeaderName::from_static("x-parallax-leg");

/// Validators hold against the system that gave them out, so mirror legs are not sent them.
pub const CONDITIONS: [HeaderName; 5] = [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE];

/// What a mirror leg is not sent: a captured body waits for nobody's word. Conditions come behind it.
const WITHHELD: [HeaderName; 6] = [EXPECT, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE];

/// How long a leg may take to answer a request without its rest, as the primary did. One that waits for the rest would take
/// all of its time.
const WITHOUT_REST: Duration = Duration::from_secs(3);

/// What a leg did, and its record for the evidence.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    pub record: LegRecord,
    /// Why it is not judged: a reason on our side or the client's, nothing to hold against the leg.
    pub spoilt: Option<Incomparable>,
    /// Its body went on long past the primary's.
    pub overran: bool,
}

/// Why a leg was not asked.
#[derive(Debug, Clone, Copy)]
pub enum Unasked {
    /// Its breaker opened while this exchange waited for its turn: it answered none of those before.
    GivenUp { after: Duration },
    /// Others waited for its answers all the time.
    NoRoom,
}

/// Sends the request to `upstream` and collects the whole answer. Its clock starts when it is `due`, or when
/// the client has sent its request whole, which has as much time itself.
pub async fn ask(
    upstream: &Upstream,
    leg: Leg,
    question: &Question,
    settings: &MirrorSettings,
    budget: &Arc<Limit>,
    due: Instant,
    beside: Beside<'_>,
    place: Option<&Place<'_>>,
) -> Asked {
    let mut so_far = SoFar::default();
    let collected = {
        // Pinned where they are made: moved, each would be kept twice.
        let collect = pin!(collect(upstream, leg, question, settings, budget, due, beside, place, &mut so_far));
        // Kept also where an answer that comes without pause uses up the task's turns.
        let deadline = pin!(unconstrained(async {
            if let Ok(end) = timeout_at(due + settings.timeout, question.body.end()).await {
                let start = if matches!(question.body, RequestBody::Empty) { due } else { Instant::now() };
                match end {
                    BodyOutcome::Unread => {
                        let _ = timeout(settings.timeout.min(WITHOUT_REST), beside.lost()).await;
                    }
                    _ => sleep_until(start + settings.timeout).await,
                }
            }
        }));
        tokio::select! {
            biased;
            outcome = collect => Ok(outcome),
            () = deadline => Err(()),
        }
    };
    let SoFar { mut timing, mut spoilt, begun, paused, overran } = so_far;
    let in_time = collected.is_ok();
    let outcome = collected.unwrap_or_else(|()| match begun {
        Some(Begun { mut answer, recorder }) if paused || Stream::of(&answer.headers).is_some() => {
            if Stream::of(&answer.headers).is_none() {
                // The time was ours as well.
                spoilt = Some(Incomparable::Budget);
            }
            (answer.body, answer.end) = (recorder.so_far(), BodyEnd::Open);
            Outcome::Answer(answer)
        }
        Some(_) => timed_out("no end of its answer", settings),
        None => timed_out("no answer", settings),
    });
    timing.last_byte = due.elapsed();
    let class = outcome.class();
    let mut end = question.body.ended();
    let whole = matches!(&outcome, Outcome::Answer(answer) if answer.end == BodyEnd::Complete);
    // What it said without the rest it said by itself.
    let unmoved = whole && matches!(end, None | Some(BodyOutcome::Unread));
    if in_time && end.is_none() {
        // What it says may name the route, and a leg that failed it has to answer for that where all of it came.
        end = Box::pin(timeout_at(due + settings.timeout, question.body.end())).await.ok();
    }
    let spoilt = if unmoved { spoilt } else { excuse(end).or(spoilt) };
    Asked { outcome, record: LegRecord { class, timing }, spoilt, overran }
}

/// A leg that was not asked: one that was given up has failed this exchange like those before it, whose answers it was
/// to wait for.
pub fn unasked(why: Unasked, question: &Question, due: Instant) -> Asked {
    let (detail, spoilt) = match why {
        Unasked::GivenUp { after } => {
            let after = crate::gate::duration(after);
            (format!("was not asked: gave no answer to those before for {after}"), None)
        }
        Unasked::NoRoom => ("was not asked: its turn did not come".to_owned(), Some(Incomparable::Budget)),
    };
    let outcome = Outcome::Failed(Failure { kind: FailureKind::Timeout, detail });
    let waited = due.elapsed();
    let record =
        LegRecord { class: outcome.class(), timing: Timing { connect: waited, first_byte: None, last_byte: waited } };
    Asked { outcome, record, spoilt: excuse(question.body.ended()).or(spoilt), overran: false }
}

/// Whatever became of it, a leg that did not get the whole request, and did not answer without, has nothing to answer for.
fn excuse(end: Option<BodyOutcome>) -> Option<Incomparable> {
    match end {
        Some(BodyOutcome::Complete) => None,
        Some(BodyOutcome::Aborted) => Some(Incomparable::ClientAborted),
        Some(BodyOutcome::Lost | BodyOutcome::Unread) | None => Some(Incomparable::CaptureLost),
    }
}

/// That a leg gave `what` in its time.
pub fn timed_out(what: &str, settings: &MirrorSettings) -> Outcome {
    let detail = format!("gave {what} within {}", crate::gate::duration(settings.timeout));
    Outcome::Failed(Failure { kind: FailureKind::Timeout, detail })
}

/// What is known of a leg while it is asked.
#[derive(Default)]
struct SoFar {
    timing: Timing,
    spoilt: Option<Incomparable>,
    begun: Option<Begun>,
    /// Its body was not read for a while, for the primary's sake.
    paused: bool,
    overran: bool,
}

/// An answer on its way: what is there of it when there is no more time.
struct Begun {
    answer: Box<Answer>,
    recorder: Recorder,
}

/// The whole answer, however long it takes.
async fn collect(
    upstream: &Upstream,
    leg: Leg,
    question: &Question,
    settings: &MirrorSettings,
    budget: &Arc<Limit>,
    due: Instant,
    beside: Beside<'_>,
    place: Option<&Place<'_>>,
    so_far: &mut SoFar,
) -> Outcome {
    let SoFar { timing, spoilt, begun, paused, overran } = so_far;
    let mark = [(MARK, HeaderValue::from_static(leg.as_str()))];
    let ask = request(leg, question, settings, &mark);
    let body = match &question.body {
        RequestBody::Empty => LegBody::Empty,
        RequestBody::Shared(capture) => LegBody::Boxed(Box::pin(capture.reader().map_err(Into::into))),
    };
    let how = SendOptions { again: true, ..SendOptions::default() };
    let sent = match upstream.send(&ask, body, how).await {
        Ok(sent) => sent,
        Err(error) => {
            *spoilt = (error.fault != Fault::Leg).then_some(Incomparable::CaptureLost);
            timing.connect = error.connect;
            return Outcome::Failed(error.failure);
        }
    };
    timing.connect = sent.connect;
    timing.first_byte = Some(due.elapsed().saturating_sub(sent.connect));
    let LegAnswer { status, version, reason, mut headers, mut body } = sent.answer;
    let mut reading = Reading::new(beside, (version, status), body.size_hint().exact(), question.max_body);
    headers.strip_hop_by_hop();
    let mut recorder = Recorder::new(question.max_body, budget.clone());
    if Stream::of(&headers).is_some() {
        recorder.keep_beginning();
        // It is not waited for.
        place.inspect(|place| place.answered());
    }
    let Begun { answer, recorder } = begun.insert(Begun {
        answer: boxed(|| Answer {
            status,
            reason: Reason::new(version, reason.as_deref()),
            headers,
            body: Captured::empty(),
            trailers: None,
            end: BodyEnd::Complete,
        }),
        recorder,
    });
    let mut unread = None;
    let end = loop {
        let beside_head = body.is_beside_head();
        match body.frame().await {
            None => break BodyEnd::Complete,
            Some(Err(failure)) => break BodyEnd::Broken(failure),
            Some(Ok(frame)) => {
                let Some(chunk) = take(frame, beside_head, recorder, reading.tape(), &mut answer.trailers) else {
                    continue;
                };
                match reading.goes_on(chunk, recorder.length(), body.is_end_stream(), paused).await {
                    Ok(()) => {}
                    Err(Stop::Overran(failure)) => {
                        *overran = true;
                        match failure {
                            Some(failure) => break BodyEnd::Broken(failure),
                            None => {
                                unread = Some(Captured::Unread { length: recorder.length() });
                                break BodyEnd::Complete;
                            }
                        }
                    }
                    Err(Stop::Longer(length)) => {
                        unread = Some(Captured::Unread { length });
                        break BodyEnd::Complete;
                    }
                    Err(Stop::Ours(reason)) => {
                        *spoilt = Some(reason);
                        break BodyEnd::Open;
                    }
                }
                // However much is there at once, users are served by the same thread.
                if !body.is_end_stream() {
                    yield_now().await;
                }
            }
        }
    };
    answer.end = end;
    match begun.take() {
        Some(Begun { mut answer, recorder }) => {
            answer.body = unread.unwrap_or_else(|| recorder.finish());
            Outcome::Answer(answer)
        }
        None => timed_out("no answer", settings),
    }
}

/// Records a frame; the length of its data.
fn take(
    frame: http_body::Frame<Bytes>,
    beside_head: bool,
    recorder: &mut Recorder,
    tape: Option<&Tape>,
    trailers: &mut Option<HeaderMap>,
) -> Option<usize> {
    match frame.into_data() {
        Ok(chunk) => {
            match tape {
                Some(tape) => recorder.take_beside(&chunk, beside_head, tape),
                None => recorder.take(&chunk, beside_head),
            }
            Some(chunk.len())
        }
        Err(frame) => {
            *trailers = frame.into_trailers().ok();
            None
        }
    }
}

/// The request as a mirror leg gets it, or the primary that is asked once more.
fn request<'a>(
    leg: Leg,
    question: &'a Question,
    settings: &'a MirrorSettings,
    mark: &'a [(HeaderName, HeaderValue)],
) -> Ask<'a> {
    let (remove, set) = match leg {
        Leg::Primary => (&[][..], &[][..]),
        Leg::Candidate | Leg::Control => (&settings.remove_headers[..], &settings.set_headers[..]),
    };
    Ask {
        method: &question.head.method,
        uri: &question.head.uri,
        headers: &question.head.headers,
        added: question.added.as_deref(),
        version: question.version,
        // A write keeps its conditions: without them it could do what its sender meant to prevent.
        without: [if is_read_only(&question.head.method) { &WITHHELD } else { &WITHHELD[..1] }, remove],
        with: [set, mark],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Passing;
    use crate::mirror::testing;
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const CHUNKS: usize = 16_000;

    /// Users are served by the same thread.
    #[tokio::test]
    async fn a_body_in_odd_crumbs_is_read_in_many_turns() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = testing::candidate(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
                "1 \r\nx\r\n".repeat(CHUNKS)
            );
            peer.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let (question, settings) = (testing::question(), testing::settings(Duration::from_secs(60)));
        let (passing, budget) = (Passing::default(), Limit::new(1 << 20));
        let beside = Beside::Leads(&passing);
        let mut asked =
            pin!(ask(&upstream, Leg::Candidate, &question, &settings, &budget, Instant::now(), beside, None));
        let mut turns = 0;
        let asked = poll_fn(|cx| {
            turns += 1;
            asked.as_mut().poll(cx)
        });
        let Outcome::Answer(answer) = asked.await.outcome else { panic!("no answer") };
        assert_eq!(answer.body.len(), CHUNKS as u64);
        assert!(turns > CHUNKS / 2, "in {turns} turns");
    }
}
