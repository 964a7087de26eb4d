//! HTTP/2 legs, in cleartext.

use super::*;
use http::HeaderMap;
use http_body::Body;
use http_body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};

/// Frames from the end of the list, `None` for an error; after the first one it waits for the word.
struct Frames(Vec<Option<Frame<Bytes>>>, Option<Gate>);

type Gate = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Frames {
    fn all(frames: Vec<Option<Frame<Bytes>>>) -> Self {
        Self(frames, None)
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let begun = self.0.len() < self.0.capacity();
        if let Some(gate) = self.1.as_mut().filter(|_| begun) {
            std::task::ready!(gate.as_mut().poll(cx));
            self.1 = None;
        }
        Poll::Ready(self.0.pop().map(|frame| frame.ok_or_else(|| "broken on purpose".into())))
    }
}

fn data(text: &'static str) -> Option<Frame<Bytes>> {
    Some(Frame::data(text.into()))
}

fn trailer(name: &'static str, value: &str) -> Option<Frame<Bytes>> {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, value.parse().unwrap());
    Some(Frame::trailers(trailers))
}

/// Serves connections as they come with `answer`, and tells of each one.
fn serve<A, F>(listener: TcpListener, max_streams: u32, answer: A) -> mpsc::UnboundedReceiver<Arc<Notify>>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Frames>> + Send + 'static,
{
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            let stop = Arc::new(Notify::new());
            tell.send(stop.clone()).unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |req| {
                    let answering = answer(req);
                    async move { Ok::<_, std::convert::Infallible>(answering.await) }
                });
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(max_streams);
                let mut connection = std::pin::pin!(builder.serve_connection(io, service));
                tokio::select! {
                    _ = &mut connection => return,
                    () = stop.notified() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            });
        }
    });
    told
}

async fn hello(_: Request<Incoming>) -> Response<Frames> {
    Response::new(Frames::all(vec![data("hello")]))
}

#[tokio::test]
async fn bodies_and_trailers_pass_in_both_directions() {
    let (listener, address) = listen().await;
    let _told = serve(listener, 100, |req: Request<Incoming>| async move {
        let seen = format!("{:?} {} {:?}", req.version(), req.uri(), req.headers().get("host"));
        let te = req.headers()["te"].clone();
        let body = req.into_body().collect().await.unwrap();
        let checksum = body.trailers().unwrap()["x-sum"].to_str().unwrap().to_owned();
        assert_eq!(body.to_bytes(), "ping");
        let mut answer = Response::new(Frames::all(vec![trailer("grpc-status", &checksum), data("pong")]));
        answer.headers_mut().insert("x-seen", seen.parse().unwrap());
        answer.headers_mut().insert("x-te", te);
        answer
    });
    let mut req = post(LegBody::Boxed(Box::pin(Frames::all(vec![trailer("x-sum", "7"), data("ping")]))));
    req.headers_mut().insert("te", "trailers".parse().unwrap());
    req.headers_mut().insert("connection", "te".parse().unwrap());
    let sent = send(&upstream(Scheme::H2c, address), req, SendOptions::default()).await.unwrap();
    assert_eq!(sent.answer.headers.table()["x-seen"], "HTTP/2.0 http://shop.test/ None");
    assert_eq!(sent.answer.headers.table()["x-te"], "trailers");
    let body = sent.answer.body.collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "7");
    assert_eq!(body.to_bytes(), "pong");
}

#[tokio::test]
async fn lines_of_a_body_are_no_fields() {
    let (listener, address) = listen().await;
    let lines: &'static str = "a line: of a body\n".repeat(500).leak();
    let _told = serve(listener, 100, move |_| async move { Response::new(Frames::all(vec![data(lines)])) });
    let sent = send(&upstream(Scheme::H2c, address), get("/"), GET).await.unwrap();
    assert_eq!(text(sent).await, lines);
}

#[tokio::test]
async fn callers_at_once_share_one_connection_and_those_after_them_too() {
    let (listener, address) = listen().await;
    let mut told = serve(listener, 100, hello);
    let up = upstream(Scheme::H2c, address);
    let sending: Vec<_> = (0..20).map(|_| spawn_send(&up, get("/"), GET)).collect();
    for sending in sending {
        let sent = sending.await.unwrap().unwrap();
        assert!(!sent.reused && sent.connect > Duration::ZERO);
        assert_eq!(text(sent).await, "hello");
    }
    let sent = send(&up, get("/"), GET).await.unwrap();
    assert!(sent.reused && sent.connect == Duration::ZERO);
    assert_eq!(up.connections(), Connections { open: 1, idle: 0 });
    told.try_recv().unwrap();
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_ended_is_replaced() {
    let (listener, address) = listen().await;
    let mut told = serve(listener, 100, hello);
    let up = upstream(Scheme::H2c, address);
    text(send(&up, get("/"), GET).await.unwrap()).await;
    told.recv().await.unwrap().notify_one();
    // Whether the end is seen before, while or after this is sent.
    assert_eq!(text(send(&up, get("/"), GET).await.unwrap()).await, "hello");
    assert_eq!(text(send(&up, get("/"), GET).await.unwrap()).await, "hello");
    told.recv().await.unwrap();
}

#[tokio::test]
async fn another_connection_is_opened_when_the_streams_are_used_up() {
    let (listener, address) = listen().await;
    let held = Arc::new(Notify::new());
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let release = held.clone();
    let mut told = serve(listener, 1, move |req| {
        let (held, arrived) = (held.clone(), arrived.clone());
        async move {
            if req.uri().path() == "/held" {
                arrived.send(()).unwrap();
                held.notified().await;
            }
            Response::new(Frames::all(vec![data("done")]))
        }
    });
    let up = upstream(Scheme::H2c, address);
    text(send(&up, get("/"), GET).await.unwrap()).await;
    let held = spawn_send(&up, get("/held"), GET);
    arrivals.recv().await.unwrap();
    let second = send(&up, get("/"), GET).await.unwrap();
    assert!(!second.reused);
    assert_eq!(text(second).await, "done");
    release.notify_one();
    assert_eq!(text(held.await.unwrap().unwrap()).await, "done");
    told.try_recv().unwrap();
    told.try_recv().unwrap();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_a_clean_end() {
    let (listener, address) = listen().await;
    let arrived = Arc::new(Notify::new());
    let gate = arrived.clone();
    let _told = serve(listener, 100, move |req: Request<Incoming>| {
        let frames = if req.uri().path() == "/reset" { vec![None, data("12345")] } else { vec![data("12345")] };
        let mut answer = Response::new(Frames(
            frames,
            Some({
                let gate = gate.clone();
                Box::pin(async move { gate.notified().await })
            }),
        ));
        if req.uri().path() == "/short" {
            answer.headers_mut().insert("content-length", "10".parse().unwrap());
        }
        async move { answer }
    });
    let up = upstream(Scheme::H2c, address);
    // The reset follows once the bytes before it are read: h2 throws away what is still queued.
    let mut reset = send(&up, get("/reset"), GET).await.unwrap().answer.body;
    assert_eq!(reset.frame().await.unwrap().unwrap().into_data().unwrap(), "12345");
    arrived.notify_one();
    let failure = reset.frame().await.unwrap().unwrap_err();
    assert_eq!(failure.to_string(), "truncated: stream ended after 5 bytes: unexpected internal error encountered");
    assert!(reset.frame().await.is_none());

    let sent = send(&up, get("/short"), GET).await.unwrap();
    arrived.notify_one();
    let short = broken(sent).await;
    assert_eq!(short.to_string(), "length_mismatch: body is not as long as declared, cut after 5 of 10 bytes");
}

#[tokio::test]
async fn a_leg_that_speaks_something_else_breaks_the_protocol() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::H2c, address);
    let sending = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.kind, FailureKind::Protocol, "{error}");

    let (listener, address) = listen().await;
    drop(listener);
    let error = send(&upstream(Scheme::H2c, address), get("/"), GET).await.unwrap_err();
    assert_eq!(error.failure.kind, FailureKind::Refused, "{error}");
}
