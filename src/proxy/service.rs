//! One request: route it, decide about the mirror, forward it, stream the answer back.
//!
//! Which leg serves is decided in [`Live::serving`] and nowhere else.

use super::answers;
use super::body::{AnswerBody, BodyFault, ClientBody, TeeBody, Watch, WatchedBody};
use super::connection::Connection;
use super::counters::Counters;
use super::guard;
use super::headers;
use super::message::{ClientRequest, Reply};
use super::tunnel;
use crate::boxed::boxed;
use crate::flow::{
    Asked, BodyCapture, Exchange, Inbox, Mirror, Passing, PrimaryHead, PrimaryOutcome, Promise, Question, Recorder,
    RequestBody, Ticket,
};
use crate::http1::head::declared_length;
use crate::model::{
    Answer, BodyEnd, Captured, Fields, Leg, LegRecord, Limit, Reason, RequestHead, StatusClass, Stream, Timestamp,
    Timing,
};
use crate::routes::{RouteMatch, RouteTable};
use crate::upstream::{Ask, LegAnswer, LegBody, LegTunnel, SendOptions, Sent, Upstream};
use arc_swap::ArcSwap;
use http::header::{CONNECTION, EXPECT, HOST, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::BodyExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a body is held back for a primary that does not say 100.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);

/// What may change while running; a request sees one of these from its beginning to its end.
#[derive(Debug)]
pub struct Live {
    pub routes: Arc<RouteTable>,
    pub primary: Arc<Upstream>,
    pub mirror: Arc<dyn Mirror>,
    pub body_timeout: Duration,
}

impl Live {
    /// The leg that serves this request.
    fn serving(&self) -> (Leg, &Arc<Upstream>) {
        (Leg::Primary, &self.primary)
    }
}

/// Everything a request needs, shared by all connections.
#[derive(Debug)]
pub struct Gateway {
    pub live: ArcSwap<Live>,
    pub inbox: Arc<Inbox>,
    /// All captured bodies together.
    pub capture_budget: Arc<Limit>,
    pub counters: Arc<Counters>,
    pub ids: ExchangeIds,
}

/// Exchange ids: a counter, mixed with a random start so that ids of two runs do not meet.
#[derive(Debug)]
pub struct ExchangeIds {
    seed: u64,
    next: AtomicU64,
}

impl ExchangeIds {
    pub fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    fn next(&self) -> Arc<str> {
        // SplitMix64: a bijection, so that ids never repeat within a run.
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut z = self.seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let text: [u8; 13] = std::array::from_fn(|i| ALPHABET[(z >> (5 * i)) as usize & 31]);
        Arc::from(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Gateway {
    /// Serves one request. Whatever happens, there is an answer.
    pub async fn serve(self: Arc<Self>, connection: Arc<Connection>, request: ClientRequest) -> Reply {
        let live = self.live.load_full();
        let (request, body) = match Inbound::read(&connection, request) {
            Ok(read) => read,
            Err(refusal) => {
                self.counters.refused(refusal.code);
                let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
                return answers::refused(status, &refusal.detail);
            }
        };
        let route = live.routes.resolve(
            &request.head.method,
            request.head.host.as_deref(),
            request.head.uri.path(),
            request.head.uri.query(),
            &request.head.headers,
        );
        self.forward(&live, &connection, request, body, route).await
    }

    async fn forward(
        &self,
        live: &Live,
        connection: &Connection,
        mut request: Inbound,
        body: ClientBody,
        route: RouteMatch,
    ) -> Reply {
        let due = Instant::now();
        // Over HTTP/1.1 the connection watches the pauses in a body.
        let stall = (request.version == Version::HTTP_2).then_some(live.body_timeout);
        let mut tee = (!body.is_end_stream()).then(|| TeeBody::new(body, stall));
        let (version, upgrade) = (request.version, request.upgrade.take());
        let (question, promise) = self.offer(live, connection, request, upgrade.as_ref(), &mut tee, route, due);
        let (leg, upstream) = live.serving();

        let handles = BodyHandles::of(&mut tee, &question.head.headers);
        let ask = Ask {
            method: &question.head.method,
            uri: &question.head.uri,
            headers: &question.head.headers,
            added: question.added.as_deref(),
            version,
            without: [&[], &[]],
            with: [&[], &[]],
        };
        let body = tee.map_or(LegBody::Empty, |tee| LegBody::Boxed(Box::pin(tee.map_err(Into::into))));
        let go = Mutex::new(handles.go);
        let on_interim = |status: StatusCode, headers: &Fields| match connection.interims() {
            _ if status == StatusCode::CONTINUE => {
                if let Some(go) = go.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    // The body may be gone already.
                    let _ = go.send(());
                }
            }
            // HTTP/1.0 knows none.
            Some(interims) if version == Version::HTTP_11 => interims.push(status, headers),
            _ => {}
        };
        let how = SendOptions { upgrade: upgrade.is_some(), again: true, on_interim: Some(&on_interim) };
        let asked = Instant::now();
        let answered = upstream.send(&ask, body, how).await.map_err(|e| e.failure);
        let answered_at = Instant::now();
        match answered {
            Ok(sent) => {
                let answer = self.answer(connection, sent, promise, (due, answered_at), upgrade);
                self.counters.added.record((asked - due) + answered_at.elapsed());
                answer
            }
            Err(failure) => {
                let fault = handles.fault.as_ref().and_then(|fault| fault.get());
                if let Some(promise) = promise {
                    // A broken promise says that the client went away.
                    if fault.is_none() {
                        let timing = Timing { last_byte: due.elapsed(), ..Timing::default() };
                        let record = LegRecord { class: StatusClass::Failed, timing };
                        let _ = promise.sender.send(PrimaryOutcome::Failed { record });
                    }
                }
                match fault {
                    Some(BodyFault::Stalled) => {
                        answers::refused(StatusCode::REQUEST_TIMEOUT, "the request body stopped coming")
                    }
                    Some(BodyFault::Client) => {
                        answers::refused(StatusCode::BAD_REQUEST, "the request body is broken or incomplete")
                    }
                    None => {
                        self.counters.leg_failed(leg);
                        tracing::debug!(%leg, url = %upstream.settings(), %failure, "a request could not be served");
                        answers::leg_failed(leg, &failure)
                    }
                }
            }
        }
    }

    /// Decides about mirroring and starts it. Every request passes here exactly once, and falls into one bucket.
    fn offer(
        &self,
        live: &Live,
        connection: &Connection,
        request: Inbound,
        upgrade: Option<&Tunnel>,
        tee: &mut Option<TeeBody>,
        route: RouteMatch,
        due: Instant,
    ) -> (Arc<Question>, Option<Promised>) {
        let Inbound { mut head, version, .. } = request;
        let asked = Asked {
            due,
            method: &head.method,
            headers: &head.headers,
            client: connection.peer.ip(),
            configured: route.configured,
            upgrade: upgrade.is_some(),
        };
        let decision = live.mirror.decide(&asked);
        headers::strip_request(&mut head.headers);
        if let Some(Tunnel { protocol: Some(protocol), .. }) = upgrade {
            let table = head.headers.table_mut();
            table.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            table.insert(UPGRADE, protocol.clone());
        }
        let added = connection.forwarded.add(&mut head.headers, head.host.as_ref(), version == Version::HTTP_2);
        let added = Some(added);
        let admission = match decision {
            Ok(admission) => admission,
            Err(bucket) => {
                self.inbox.skipped(route.name, bucket);
                return (Arc::new(Question { head, added, version, body: RequestBody::Empty, max_body: 0 }), None);
            }
        };
        let arrived = Timestamp::from(SystemTime::now());
        let ticket: Ticket = self.inbox.mirrored(self.ids.next(), route.name, arrived);
        let body = match tee {
            None => RequestBody::Empty,
            Some(tee) => {
                let declared = declared_length(&head.headers);
                let capture = BodyCapture::new(admission.max_body, declared, self.capture_budget.clone());
                tee.capture(capture.clone());
                RequestBody::Shared(capture)
            }
        };
        let recorder = Recorder::new(admission.max_body, self.capture_budget.clone());
        let (sender, primary) = oneshot::channel();
        let passing = Passing::default();
        let primary_head = Arc::new(PrimaryHead::new(&passing));
        let question = Arc::new(Question { head, added, version, body, max_body: admission.max_body });
        let by_body = route.configured.is_some_and(|configured| live.routes.is_named_by_body(configured));
        live.mirror.clone().start(Exchange {
            ticket,
            due,
            question: question.clone(),
            admission,
            naming: by_body.then(|| live.routes.clone()),
            primary_head: primary_head.clone(),
            primary,
        });
        (question, Some(Promised { sender, head: primary_head, recorder, passing }))
    }

    fn answer(
        &self,
        connection: &Connection,
        sent: Sent,
        promise: Option<Promised>,
        (due, answered_at): (Instant, Instant),
        upgrade: Option<Tunnel>,
    ) -> Reply {
        let Sent { answer, connect, .. } = sent;
        let first_byte = (answered_at - due).saturating_sub(connect);
        let LegAnswer { status, version, reason, mut headers, body } = answer;
        if let Some(tunnel) = upgrade.filter(|_| body.is_tunnel()) {
            let protocol = headers.first(&UPGRADE).and_then(|protocol| HeaderValue::from_bytes(protocol).ok());
            headers.strip_hop_by_hop();
            if let Some(protocol) = protocol {
                let table = headers.table_mut();
                table.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                table.insert(UPGRADE, protocol);
            }
            let body = match tunnel.http2 {
                None => AnswerBody::Tunnel(body),
                Some(client) => {
                    if let Some(leg) = body.into_tunnel() {
                        let busy = connection.busy();
                        tokio::spawn(async move {
                            let _busy = busy;
                            tunnel::join(LegTunnel::Http2(client).open(), leg).await;
                        });
                    }
                    AnswerBody::Own(Default::default())
                }
            };
            return Reply { status, reason, headers, body };
        }
        headers.strip_hop_by_hop();
        let watch = promise.map(|Promised { sender, head, mut recorder, passing }| {
            let endless = Stream::of(&headers).is_some();
            if endless {
                recorder.keep_beginning();
            }
            let mut promise = Promise {
                recorder,
                passing,
                answer: boxed(|| Answer {
                    status,
                    reason: Reason::new(version, reason.as_deref()),
                    headers: Fields::default(),
                    body: Captured::empty(),
                    trailers: None,
                    end: BodyEnd::Complete,
                }),
                record: LegRecord {
                    class: StatusClass::of(status),
                    timing: Timing { connect, first_byte: Some(first_byte), last_byte: first_byte },
                },
                due,
                sender,
            };
            if endless {
                promise.answer.headers = headers.clone();
                return Watch::Shared(head.set_stream(promise));
            }
            head.set_seen();
            Watch::Own { promise, headless: true }
        });
        let body = AnswerBody::Leg(Box::new(WatchedBody::new(body, watch)));
        Reply { status, reason, headers, body }
    }
}

/// What the mirror was promised.
struct Promised {
    sender: oneshot::Sender<PrimaryOutcome>,
    head: Arc<PrimaryHead>,
    recorder: Recorder,
    passing: Passing,
}

/// A request that wants a tunnel.
#[derive(Debug)]
struct Tunnel {
    /// `None` for CONNECT.
    protocol: Option<HeaderValue>,
    /// Over HTTP/2 a stream becomes the tunnel; over HTTP/1.1 the connection itself.
    http2: Option<hyper::upgrade::OnUpgrade>,
}

/// A request as it came in, in one form whatever the protocol.
#[derive(Debug)]
struct Inbound {
    head: RequestHead,
    version: Version,
    upgrade: Option<Tunnel>,
}

impl Inbound {
    fn read(connection: &Connection, request: ClientRequest) -> Result<(Self, ClientBody), guard::Refusal> {
        let ClientRequest { method, uri, version, mut headers, body, stream } = request;
        if version == Version::HTTP_2 {
            guard::check_h2(&method, &uri, headers.table(), connection.max_headers)?;
        }
        // HTTP/1.0 has no upgrade, and HTTP/2 none of this kind.
        let protocol = if version == Version::HTTP_11 { headers::wanted_upgrade(&headers) } else { None };
        let connect = method == Method::CONNECT;
        let upgrade = (connect || protocol.is_some()).then_some(Tunnel { protocol, http2: stream });
        // The authority in the target, where there is one, overrides Host (RFC 9112 3.2.2).
        if let Some(authority) = uri.authority()
            && !connect
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.table_mut().insert(HOST, host);
        }
        let host = headers.first(&HOST).and_then(|host| connection.forwarded.shared_host(host));
        let host = host.or_else(|| uri.authority().map(|a| Arc::from(a.as_str())));
        let uri = if connect { uri } else { origin_form(uri) };
        let head = RequestHead { method, uri, host, scheme: connection.scheme, headers };
        Ok((Self { head, version, upgrade }, body))
    }
}

/// Path and query alone.
fn origin_form(uri: Uri) -> Uri {
    if uri.scheme().is_none() && uri.authority().is_none() {
        return uri;
    }
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into()
}

/// What is kept at hand of a body that has gone on its way.
#[derive(Default)]
struct BodyHandles {
    fault: Option<Arc<OnceLock<BodyFault>>>,
    go: Option<oneshot::Sender<()>>,
}

impl BodyHandles {
    fn of(tee: &mut Option<TeeBody>, headers: &Fields) -> Self {
        let Some(tee) = tee else { return Self::default() };
        let expects = headers.first(&EXPECT).is_some_and(|e| e.eq_ignore_ascii_case(b"100-continue"));
        let go = expects.then(|| {
            let (go, wait) = oneshot::channel();
            tee.hold_for(wait, CONTINUE_PATIENCE);
            go
        });
        Self { fault: Some(tee.fault()), go }
    }
}
