//! Streams of HTTP/2 against a leg written by hand, frame by frame: what it takes, refuses, or leaves lying.

use super::*;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED: u32 = 7;
const CANCEL: u32 = 8;

/// `:status: 200`
const OK: &[u8] = &[0x88];
/// `:status: 100`
const CONTINUE: &[u8] = &[0x08, 3, b'1', b'0', b'0'];

/// The leg's end of one connection.
struct Frames(TcpStream);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frames {
    /// A connection on which so many streams may be open at once.
    async fn accept(listener: &TcpListener, max_streams: u32) -> Self {
        Self::silent(listener).await.begin(max_streams).await
    }

    /// One on which the leg has said nothing yet.
    async fn silent(listener: &TcpListener) -> Self {
        let accepted = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await;
        let mut frames = Self(accepted.expect("nobody connects").unwrap().0);
        frames.0.read_exact(&mut [0; 24]).await.unwrap();
        frames
    }

    async fn begin(mut self, max_streams: u32) -> Self {
        let settings = [&[0, 3][..], &max_streams.to_be_bytes()].concat();
        self.say(SETTINGS, 0, 0, &settings).await;
        self
    }

    async fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of this kind.
    async fn hear(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection has ended");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Waits for a request; its stream.
    async fn request(&mut self) -> u32 {
        self.hear(HEADERS).await.stream
    }

    async fn answer(&mut self, stream: u32) {
        self.say(HEADERS, END_HEADERS | END_STREAM, stream, OK).await;
    }

    async fn refuse(&mut self, stream: u32) {
        self.say(RST_STREAM, 0, stream, &REFUSED.to_be_bytes()).await;
    }

    /// The stream that is ended, and why.
    async fn reset(&mut self) -> (u32, u32) {
        let frame = self.hear(RST_STREAM).await;
        (frame.stream, u32::from_be_bytes(frame.payload.try_into().unwrap()))
    }

    /// The body of a request, to its end.
    async fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.hear(DATA).await;
            body.extend(frame.payload);
            if frame.flags & END_STREAM != 0 {
                return body;
            }
        }
    }
}

fn large() -> LegBody {
    LegBody::Full(vec![b'x'; 200_000].into())
}

fn streamed(text: &'static str) -> LegBody {
    let body = http_body_util::Full::new(Bytes::from_static(text.as_bytes()));
    LegBody::Boxed(Box::pin(body.map_err(|never| match never {})))
}

/// A body of which one part after the other is sent.
fn parts() -> (mpsc::UnboundedSender<&'static str>, LegBody) {
    let (send, parts) = mpsc::unbounded_channel();
    (send, LegBody::Boxed(Box::pin(Parts(parts))))
}

struct Parts(mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Part, BoxError>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| Ok(Part::data(part.into()))))
    }
}

type Part = http_body::Frame<Bytes>;

/// An upstream that waits this long for answers.
fn hasty(address: SocketAddr) -> Arc<Upstream> {
    let settings = LegSettings { response_timeout: Duration::from_millis(200), ..settings(Scheme::H2c, address) };
    Upstream::new(Leg::Primary, settings, UpstreamOptions::default()).unwrap()
}

/// An upstream with a connection that has been used once, and the leg's end of it.
async fn warm(up: &Arc<Upstream>, listener: &TcpListener) -> Frames {
    let sending = spawn_send(up, get("/"), GET);
    let mut leg = Frames::accept(listener, 100).await;
    let stream = leg.request().await;
    leg.answer(stream).await;
    assert!(!sending.await.unwrap().unwrap().reused);
    leg
}

#[tokio::test]
async fn no_stream_begins_before_the_leg_has_said_how_many_it_takes() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let sending = [(); 2].map(|()| spawn_send(&up, get("/"), GET));
    let mut first = Frames::silent(&listener).await;
    // The windows are the last thing to be said.
    assert_eq!(first.next().await.unwrap().kind, SETTINGS);
    assert_eq!(first.next().await.unwrap().kind, WINDOW_UPDATE);
    let mut first = first.begin(1).await;
    let stream = first.request().await;
    let mut second = Frames::accept(&listener, 1).await;
    let other = second.request().await;
    first.answer(stream).await;
    second.answer(other).await;
    for sending in sending {
        assert!(text(sending.await.unwrap().unwrap()).await.is_empty());
    }
}

#[tokio::test]
async fn a_leg_that_does_not_begin_is_waited_for_no_longer_than_for_a_connection() {
    let (listener, address) = listen().await;
    let settings = LegSettings { connect_timeout: Duration::from_millis(200), ..settings(Scheme::H2c, address) };
    let up = Upstream::new(Leg::Primary, settings, UpstreamOptions::default()).unwrap();
    let sending = spawn_send(&up, get("/"), GET);
    let _leg = Frames::silent(&listener).await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.to_string(), "timeout: the HTTP/2 preface timed out after 200ms");
}

#[tokio::test]
async fn what_is_left_of_an_upload_behind_its_answer_keeps_its_stream_and_is_given_up() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let sending = spawn_send(&up, post(large()), GET);
    let mut leg = Frames::accept(&listener, 1).await;
    let stream = leg.request().await;
    leg.answer(stream).await;
    assert!(text(sending.await.unwrap().unwrap()).await.is_empty());

    // The leg counts that stream as open, and so must who looks for a place.
    let sending = spawn_send(&up, get("/"), GET);
    let mut second = Frames::accept(&listener, 1).await;
    let other = second.request().await;
    second.answer(other).await;
    text(sending.await.unwrap().unwrap()).await;

    assert_eq!(leg.reset().await, (stream, CANCEL));
    let sending = spawn_send(&up, get("/"), GET);
    let next = leg.request().await;
    leg.answer(next).await;
    assert!(sending.await.unwrap().unwrap().reused);
}

#[tokio::test]
async fn what_is_left_of_an_upload_goes_out_though_nobody_waits_for_the_end_of_its_answer() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let (part, body) = parts();
    let sending = spawn_send(&up, post(body), GET);
    let mut leg = Frames::accept(&listener, 100).await;
    let stream = leg.request().await;
    // `:status: 204`
    leg.say(HEADERS, END_HEADERS, stream, &[0x89]).await;
    let answer = sending.await.unwrap().unwrap().answer.body;
    assert!(answer.is_whole() && answer.is_sending());
    answer.let_go();
    for text in ["one ", "two ", "three"] {
        part.send(text).unwrap();
    }
    drop(part);
    assert_eq!(leg.body().await, b"one two three");
    // Nor is it ended before the leg has had time to do so.
    leg.say(PING, 0, 0, &[1; 8]).await;
    loop {
        let frame = leg.next().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM);
        if frame.kind == PING && frame.flags & ACK != 0 {
            break;
        }
    }
    leg.say(DATA, END_STREAM, stream, &[]).await;
}

#[tokio::test]
async fn a_leg_that_takes_nothing_of_an_upload_is_waited_for_no_longer_than_for_an_answer() {
    let (listener, address) = listen().await;
    let up = hasty(address);
    let sending = spawn_send(&up, post(large()), GET);
    let mut leg = Frames::accept(&listener, 100).await;
    let stream = leg.request().await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!((error.failure.kind, error.fault), (FailureKind::Timeout, Fault::Leg), "{error}");
    assert_eq!(leg.reset().await, (stream, CANCEL));
}

#[tokio::test]
async fn a_cancelled_upload_frees_its_stream() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let sending = spawn_send(&up, post(large()), GET);
    let mut leg = Frames::accept(&listener, 100).await;
    let stream = leg.request().await;
    leg.hear(DATA).await;
    sending.abort();
    assert_eq!(leg.reset().await, (stream, CANCEL));
}

#[tokio::test]
async fn what_the_leg_did_not_look_at_is_sent_again_whatever_it_is() {
    for (goaway, body) in [
        (false, LegBody::Empty),
        (true, LegBody::Empty),
        (false, LegBody::Full("order".into())),
        (true, streamed("order")),
        (false, streamed("order")),
    ] {
        let (listener, address) = listen().await;
        let up = upstream(Scheme::H2c, address);
        let mut leg = warm(&up, &listener).await;
        let whole = if matches!(body, LegBody::Empty) { "" } else { "order" };
        let sending = spawn_send(&up, post(body), GET);
        let stream = leg.request().await;
        if !whole.is_empty() {
            assert_eq!(leg.body().await, whole.as_bytes());
        }
        match goaway {
            true => leg.say(GOAWAY, 0, 0, &[1u32.to_be_bytes(), 0u32.to_be_bytes()].concat()).await,
            false => leg.refuse(stream).await,
        }
        // A connection on which one stream was refused takes others.
        let mut fresh = if goaway { Frames::accept(&listener, 100).await } else { leg };
        let stream = fresh.request().await;
        if !whole.is_empty() {
            assert_eq!(fresh.body().await, whole.as_bytes());
        }
        fresh.answer(stream).await;
        let sent = sending.await.unwrap().unwrap();
        assert!(sent.idle_race && sent.reused != goaway && up.retries() == 1);
    }
}

#[tokio::test]
async fn many_small_parts_are_kept_as_one() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let mut leg = warm(&up, &listener).await;
    let (part, body) = parts();
    let sending = spawn_send(&up, post(body), GET);
    let stream = leg.request().await;
    for _ in 0..100 {
        part.send("x").unwrap();
        leg.hear(DATA).await;
    }
    leg.refuse(stream).await;
    let stream = leg.request().await;
    assert_eq!(leg.hear(DATA).await.payload, [b'x'; 100]);
    drop(part);
    assert!(leg.body().await.is_empty());
    leg.answer(stream).await;
    assert!(sending.await.unwrap().unwrap().idle_race);
}

#[tokio::test]
async fn what_was_refused_and_is_too_large_to_keep_is_not_sent_again() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let mut leg = warm(&up, &listener).await;
    let sending = spawn_send(&up, post(large()), GET);
    let stream = leg.request().await;
    leg.hear(DATA).await;
    leg.refuse(stream).await;
    let error = sending.await.unwrap().unwrap_err();
    assert!(error.failure.detail.starts_with("stream ended by the leg: refused"), "{error}");
    assert!(!error.idle_race && up.retries() == 0);
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_any_more_is_not_used_again() {
    let (listener, address) = listen().await;
    let up = hasty(address);
    let mut leg = warm(&up, &listener).await;
    // Late, but alive.
    let sending = spawn_send(&up, get("/"), GET);
    leg.request().await;
    leg.say(PING, 0, 0, &[1; 8]).await;
    while leg.hear(PING).await.flags & ACK == 0 {}
    assert_eq!(sending.await.unwrap().unwrap_err().failure.kind, FailureKind::Timeout);
    // Late, and without a word.
    let sending = spawn_send(&up, get("/"), GET);
    leg.request().await;
    assert_eq!(sending.await.unwrap().unwrap_err().failure.kind, FailureKind::Timeout);
    let sending = spawn_send(&up, get("/"), GET);
    let mut fresh = Frames::accept(&listener, 100).await;
    let stream = fresh.request().await;
    fresh.answer(stream).await;
    assert!(!sending.await.unwrap().unwrap().reused);
}

#[tokio::test]
async fn interim_answers_are_told_before_the_answer() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let told = Mutex::new(Vec::new());
    let tell = |status: StatusCode, _: &Fields| told.lock().unwrap().push(status.as_u16());
    let how = SendOptions { on_interim: Some(&tell), ..GET };
    let leg = async {
        let mut leg = Frames::accept(&listener, 100).await;
        let stream = leg.request().await;
        leg.say(HEADERS, END_HEADERS, stream, CONTINUE).await;
        while told.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        leg.answer(stream).await;
        leg
    };
    let (sent, _leg) = tokio::join!(send(&up, post(streamed("order")), how), leg);
    assert_eq!((sent.unwrap().answer.status, told.into_inner().unwrap()), (StatusCode::OK, vec![100]));
}

#[tokio::test]
async fn a_mirrored_leg_that_refuses_streams_all_the_time_is_told_of() {
    let (listener, address) = listen().await;
    // It answers the first request of each connection.
    tokio::spawn(async move {
        loop {
            let mut leg = Frames::accept(&listener, 100).await;
            tokio::spawn(async move {
                while let Some(frame) = leg.next().await {
                    match (frame.kind, frame.stream) {
                        (HEADERS, 1) => leg.answer(1).await,
                        (HEADERS, stream) => leg.refuse(stream).await,
                        _ => {}
                    }
                }
            });
        }
    });
    let options = UpstreamOptions { guarded: true, ..UpstreamOptions::default() };
    let up = Upstream::new(Leg::Candidate, settings(Scheme::H2c, address), options).unwrap();
    let mut failed = 0;
    for _ in 0..100 {
        if let Err(error) = send(&up, get("/"), GET).await {
            assert_eq!((error.failure.kind, error.fault), (FailureKind::Reset, Fault::Leg));
            failed += 1;
        }
    }
    assert!(failed > 30 && (20..30).contains(&up.retries()), "{failed} failed, {} again", up.retries());
}
