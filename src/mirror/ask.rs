//! Asking one mirror leg: the same request, marked; the answer or the failure, as data.

use crate::flow::{BodyOutcome, Question, Recorder, RequestBody};
use crate::mirror::MirrorSettings;
use crate::model::{
    Answer, BodyEnd, Captured, Failure, FailureKind, Leg, LegRecord, Limit, Outcome, Stream, Timing, is_read_only,
};
use crate::upstream::{Fault, LegBody, SendOptions, Upstream};
use bytes::Bytes;
use http::header::{
    EXPECT, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The mark: a request that carries it is served, never mirrored again.
pub const MARK: HeaderName = HeaderName::from_static("x-parallax-leg");

/// Validators hold against the system that gave them out, so mirror legs are not sent them.
pub const CONDITIONS: [HeaderName; 5] = [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE];

/// What a leg did, and its record for the evidence.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    pub record: LegRecord,
    /// It failed for a reason on our side or the client's: nothing to hold against the leg.
    pub spoilt: bool,
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
) -> Asked {
    let mut timing = Timing::default();
    let mut spoilt = false;
    let mut begun = None;
    let collected = {
        let collect = collect(upstream, leg, question, settings, budget, due, &mut timing, &mut spoilt, &mut begun);
        let deadline = async {
            if timeout_at(due + settings.timeout, question.body.end()).await.is_ok() {
                let start = if matches!(question.body, RequestBody::Empty) { due } else { Instant::now() };
                sleep_until(start + settings.timeout).await;
            }
        };
        tokio::select! {
            biased;
            outcome = collect => Ok(outcome),
            () = deadline => Err(()),
        }
    };
    let outcome = collected.unwrap_or_else(|()| {
        if let Some(Begun { answer, recorder }) = begun
            && Stream::of(&answer.headers).is_some()
        {
            return Outcome::Answer(Answer { body: recorder.so_far(), end: BodyEnd::Open, ..answer });
        }
        let what = if timing.first_byte.is_some() { "no end of its answer" } else { "no answer" };
        timed_out(what, settings)
    });
    // Whatever became of it, a leg that did not get the whole request has nothing to answer for.
    spoilt |= question.body.ended() != Some(BodyOutcome::Complete);
    timing.last_byte = due.elapsed();
    let class = outcome.class();
    Asked { outcome, record: LegRecord { class, timing }, spoilt }
}

/// That a leg gave `what` in its time.
pub fn timed_out(what: &str, settings: &MirrorSettings) -> Outcome {
    let detail = format!("gave {what} within {}", crate::report::duration(settings.timeout));
    Outcome::Failed(Failure { kind: FailureKind::Timeout, detail })
}

/// An answer on its way: what is there of it when there is no more time.
struct Begun {
    answer: Answer,
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
    timing: &mut Timing,
    spoilt: &mut bool,
    begun: &mut Option<Begun>,
) -> Outcome {
    let again = || request(leg, question, settings);
    let options = SendOptions { again: Some(&again), spelling: Some(&question.spelling), ..SendOptions::default() };
    let sent = match upstream.send(again(), options).await {
        Ok(sent) => sent,
        Err(error) => {
            *spoilt = error.fault != Fault::Leg;
            timing.connect = error.connect;
            return Outcome::Failed(error.failure);
        }
    };
    timing.connect = sent.connect;
    timing.first_byte = Some(due.elapsed().saturating_sub(sent.connect));
    let (parts, mut body) = sent.response.into_parts();
    let mut headers = parts.headers;
    crate::upstream::strip_hop_by_hop(&mut headers);
    let mut recorder = Recorder::new(question.max_body, budget.clone());
    if Stream::of(&headers).is_some() {
        recorder.keep_beginning();
    }
    let Begun { answer, recorder } = begun.insert(Begun {
        answer: Answer {
            status: parts.status,
            reason: body.reason().map(|reason| Arc::from(&reason[..])),
            headers,
            body: Captured::empty(),
            trailers: None,
            end: BodyEnd::Complete,
        },
        recorder,
    });
    let end = loop {
        match body.frame().await {
            None => break BodyEnd::Complete,
            Some(Err(failure)) => break BodyEnd::Broken(failure),
            Some(Ok(frame)) => take(frame, recorder, &mut answer.trailers),
        }
    };
    answer.end = end;
    match begun.take() {
        Some(Begun { answer, recorder }) => Outcome::Answer(Answer { body: recorder.finish(), ..answer }),
        None => timed_out("no answer", settings),
    }
}

fn take(frame: http_body::Frame<Bytes>, recorder: &mut Recorder, trailers: &mut Option<HeaderMap>) {
    match frame.into_data() {
        Ok(chunk) => recorder.push(&chunk),
        Err(frame) => *trailers = frame.into_trailers().ok(),
    }
}

/// The request as a mirror leg gets it, or the primary that is asked once more.
fn request(leg: Leg, question: &Question, settings: &MirrorSettings) -> Request<LegBody> {
    let body = match &question.body {
        RequestBody::Empty => LegBody::Empty,
        RequestBody::Shared(capture) => LegBody::Boxed(Box::pin(capture.reader().map_err(Into::into))),
    };
    let mut request = Request::new(body);
    *request.method_mut() = question.head.method.clone();
    *request.uri_mut() = question.head.uri.clone();
    let mut headers = question.head.headers.clone();
    headers.remove(EXPECT);
    // A write keeps its conditions: without them it could do what its sender meant to prevent.
    if is_read_only(&question.head.method) {
        CONDITIONS.iter().for_each(|name| drop(headers.remove(name)));
    }
    if leg != Leg::Primary {
        for name in &settings.remove_headers {
            headers.remove(name);
        }
        for (name, value) in &settings.set_headers {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(MARK, HeaderValue::from_static(leg.as_str()));
    *request.headers_mut() = headers;
    request
}
