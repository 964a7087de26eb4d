//! Client connections, against a service that answers by itself.

use super::super::guard::Limits;
use super::*;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderValue, LINK};
use http_body_util::{BodyExt, Full};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

struct Setup {
    settings: GuardSettings,
    refusals: Arc<Mutex<Vec<&'static str>>>,
    shutdown: Shutdown,
    /// Bytes the connection holds in each direction.
    buffer: usize,
    /// Whether the bodies came whole that were read behind an early answer.
    bodies: (mpsc::UnboundedSender<bool>, mpsc::UnboundedReceiver<bool>),
}

fn setup() -> Setup {
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let seen = refusals.clone();
    let settings = GuardSettings {
        limits: Limits { max_headers: 64, max_header_bytes: 16 * 1024 },
        header_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        linger: Duration::ZERO,
        on_refusal: Some(Arc::new(move |r| seen.lock().unwrap().push(r.code))),
    };
    Setup { settings, refusals, shutdown: Shutdown::new(), buffer: 4096, bodies: mpsc::unbounded_channel() }
}

/// Serves one connection that answers each request with its path and body; gives the client's end, and how many
/// requests were answered.
fn serve(setup: &Setup) -> (DuplexStream, Arc<AtomicUsize>) {
    let (client, server) = tokio::io::duplex(setup.buffer);
    (client, serve_on(setup, server))
}

fn serve_on(setup: &Setup, server: impl Duplex + 'static) -> Arc<AtomicUsize> {
    let (settings, shutdown) = (Arc::new(setup.settings.clone()), setup.shutdown.clone());
    let bodies = setup.bodies.0.clone();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    tokio::spawn(async move {
        let interims = Interims::default();
        let service = |request: ClientRequest| {
            let (count, interims, bodies) = (count.clone(), &interims, bodies.clone());
            async move {
                let path = request.uri.path().to_owned();
                if path == "/hints" {
                    for link in ["</a>", "</last>"] {
                        let hints = HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]).into();
                        interims.push(StatusCode::EARLY_HINTS, &hints);
                        tokio::task::yield_now().await;
                    }
                }
                if path == "/early" {
                    let body = request.body;
                    tokio::spawn(async move { bodies.send(body.collect().await.is_ok()) });
                    return own("/early ".into());
                }
                if path == "/held" {
                    let _body = request.body;
                    return std::future::pending().await;
                }
                if path == "/held-early" {
                    let (mut body, told) = (request.body, bodies);
                    tokio::spawn(async move {
                        let first = body.frame().await.is_some_and(|frame| frame.is_ok());
                        let _ = told.send(first);
                        std::future::pending::<()>().await;
                        drop(body);
                    });
                    return own("/held-early ".into());
                }
                if path == "/unread" {
                    return own("/unread ".into());
                }
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                let body = match request.body.collect().await {
                    Ok(body) => body.to_bytes(),
                    Err(_) => Bytes::from_static(b"(body failed)"),
                };
                count.fetch_add(1, Ordering::SeqCst);
                own([path.as_bytes(), b" ", &body].concat())
            }
        };
        let tunnel = super::serve(Box::new(server), b"", settings, &interims, &shutdown, service).await;
        assert!(tunnel.is_none(), "nothing here opens tunnels");
    });
    served
}

fn own(body: Vec<u8>) -> Reply {
    let body = AnswerBody::Own(Full::new(body.into()));
    Reply { status: StatusCode::OK, reason: None, headers: Fields::default(), body }
}

/// Sends everything in pieces, then reads to the end.
async fn talk(setup: &Setup, input: &[u8], piece: usize) -> String {
    let (client, _) = serve(setup);
    let (mut read, mut write) = tokio::io::split(client);
    let input = input.to_vec();
    let writer = tokio::spawn(async move {
        for part in input.chunks(piece) {
            if write.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        write
    });
    let mut out = Vec::new();
    let whole = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut out)).await;
    whole.expect("the connection should have ended by itself").unwrap();
    drop(writer.await.unwrap());
    String::from_utf8(out).unwrap()
}

/// Status and body of each answer.
fn answers(mut text: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    while !text.is_empty() {
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
        list.push((head.split(' ').nth(1).unwrap().to_owned(), rest[..length].to_owned()));
        text = &rest[length..];
    }
    list
}

fn statuses(text: &str) -> Vec<String> {
    answers(text).into_iter().map(|(status, _)| status).collect()
}

const GOOD: &str = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
const UPLOAD: &str = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "POST /ch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const BAD: &str = "GET /bad HTTP/1.1\r\n\r\n";

#[tokio::test]
async fn good_requests_pass_in_any_pieces() {
    for piece in [1, 7, 40, 10_000] {
        let input = format!("{GOOD}\r\n{UPLOAD}{CHUNKED}{LAST}");
        let bodies: Vec<_> = answers(&talk(&setup(), input.as_bytes(), piece).await).into_iter().map(|a| a.1).collect();
        assert_eq!(bodies, ["/ok ", "/up hello", "/ch abcde", "/last "], "pieces of {piece}");
    }
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_before_it() {
    for (piece, buffer) in [(1, 4096), (33, 4096), (10_000, 4096), (10_000, 16)] {
        let setup = Setup { buffer, ..setup() };
        let text = talk(&setup, format!("{GOOD}{UPLOAD}{BAD}{GOOD}").as_bytes(), piece).await;
        assert_eq!(statuses(&text), ["200", "200", "400"], "pieces of {piece}");
        assert!(text.ends_with(&Refusal::bad("", "the header has no Host").problem()));
        assert_eq!(*setup.refusals.lock().unwrap(), ["host_missing"]);
    }
}

#[tokio::test]
async fn a_bad_first_request_is_answered_too() {
    assert_eq!(statuses(&talk(&setup(), BAD.as_bytes(), 10_000).await), ["400"]);
    assert_eq!(statuses(&talk(&setup(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 3).await), ["400"]);
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    assert_eq!(statuses(&talk(&setup(), long.as_bytes(), 10_000).await), ["431"]);
}

#[tokio::test]
async fn what_a_refused_client_still_sends_is_read_for_a_while() {
    let mut setup = setup();
    setup.settings.linger = Duration::from_secs(60);
    let (mut client, _) = serve(&setup);
    client.write_all(BAD.as_bytes()).await.unwrap();
    let mut out = vec![0; 12];
    client.read_exact(&mut out).await.unwrap();
    assert_eq!(&out, b"HTTP/1.1 400");
    assert_eq!(*setup.refusals.lock().unwrap(), ["host_missing"]);
    // More than the connection holds: without a reader this would not end.
    client.write_all(&[b'x'; 20_000]).await.unwrap();
}

#[tokio::test]
async fn a_bad_body_fails_the_request_in_flight() {
    let input = format!("{}ZZ\r\n{GOOD}", &CHUNKED[..CHUNKED.len() - 5]);
    let split = setup();
    let text = talk(&split, input.as_bytes(), 1).await;
    assert_eq!(*split.refusals.lock().unwrap(), ["chunk"]);
    assert!(!text.contains("/ok"), "{text}");
    assert!(text.is_empty() || text.contains("(body failed)"), "{text}");
    // Seen at once with its head, it is never a request at all.
    for before in ["", GOOD] {
        let whole = setup();
        let text = talk(&whole, format!("{before}{input}").as_bytes(), 10_000).await;
        assert_eq!(*whole.refusals.lock().unwrap(), ["chunk"]);
        assert_eq!(statuses(&text).last().map(String::as_str), Some("400"), "{text}");
        assert!(!text.contains("/ch") && text.matches("/ok").count() == usize::from(!before.is_empty()), "{text}");
    }
}

#[tokio::test]
async fn an_interim_response_comes_before_the_final_one() {
    for piece in [1, 10_000] {
        let input = format!("{GOOD}{}{LAST}", GOOD.replace("/ok", "/hints"));
        let text = talk(&setup(), input.as_bytes(), piece).await;
        assert_eq!(statuses(&text), ["200", "103", "103", "200", "200"]);
        assert!(text.contains("link: </a>") && text.contains("</last>"));
    }
    let small = Setup { buffer: 5, ..setup() };
    let text = talk(&small, format!("{}{LAST}", GOOD.replace("/ok", "/hints")).as_bytes(), 10_000).await;
    assert_eq!(statuses(&text), ["103", "103", "200", "200"], "with a connection that takes five bytes at a time");
}

#[tokio::test]
async fn slow_heads_and_bodies_and_idle_connections_end() {
    let short = Duration::from_millis(30);
    let mut slow = setup();
    slow.settings.header_timeout = short;
    let (mut client, _) = serve(&slow);
    client.write_all(format!("{GOOD}GET / HT").as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert_eq!(statuses(&out), ["200", "408"]);
    assert_eq!(*slow.refusals.lock().unwrap(), ["header_timeout"]);

    let mut idle = setup();
    idle.settings.idle_timeout = short;
    let (mut client, _) = serve(&idle);
    client.write_all(GOOD.as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert_eq!(statuses(&out), ["200"]);
    assert!(idle.refusals.lock().unwrap().is_empty());

    // Behind a body some clients send an empty line, which begins nothing.
    let mut ended = setup();
    (ended.settings.header_timeout, ended.settings.idle_timeout) = (short, 2 * short);
    let (mut client, _) = serve(&ended);
    client.write_all(format!("{UPLOAD}\r\n").as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert_eq!(statuses(&out), ["200"]);
    assert!(ended.refusals.lock().unwrap().is_empty());

    let mut stalled = setup();
    stalled.settings.body_timeout = short;
    let (mut client, _) = serve(&stalled);
    client.write_all(&UPLOAD.as_bytes()[..UPLOAD.len() - 2]).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert!(out.is_empty() || out.contains("(body failed)"), "{out}");
    assert_eq!(*stalled.refusals.lock().unwrap(), ["body_timeout"]);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let setup = setup();
    let (mut client, served) = serve(&setup);
    client.write_all(GOOD.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut out = Vec::new();
    client.read_to_end(&mut out).await.unwrap();
    assert_eq!((out.len(), served.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_client_that_leaves_is_missed_while_nobody_asks_for_more_of_its_body() {
    for path in ["/held", "/held-early"] {
        let mut setup = setup();
        let (mut client, _) = serve(&setup);
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
        client.write_all(head.as_bytes()).await.unwrap();
        if path == "/held-early" {
            assert_eq!(setup.bodies.1.recv().await, Some(true));
        }
        client.write_all(b"cd").await.unwrap();
        client.shutdown().await.unwrap();
        let mut out = String::new();
        let read = client.read_to_string(&mut out);
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("the connection stays").unwrap();
        assert_eq!(out.is_empty(), path == "/held", "{out}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_read_does_not_stand_before_the_next_request() {
    let unread = UPLOAD.replace("/up", "/unread");
    let text = talk(&setup(), format!("{unread}{GOOD}{LAST}").as_bytes(), 10_000).await;
    assert_eq!(statuses(&text), ["200", "200", "200"]);
    // Not all of it there: the connection cannot be used again.
    let (mut client, _) = serve(&setup());
    client.write_all(&unread.as_bytes()[..unread.len() - 2]).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert_eq!(statuses(&out), ["200"]);
}

#[tokio::test]
async fn a_client_that_waits_for_a_word_gets_it_once_its_body_is_wanted() {
    // Also where it goes out in pieces.
    let (mut client, _) = serve(&Setup { buffer: 5, ..setup() });
    let expects = UPLOAD.replace("Host: a", "Host: a\r\nExpect: 100-continue");
    let (head, body) = expects.split_at(expects.len() - 5);
    client.write_all(head.as_bytes()).await.unwrap();
    let mut word = [0; 25];
    client.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(format!("{body}{LAST}").as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert_eq!(answers(&out)[0].1, "/up hello");
    // Nobody wanted it: whether the client sends it now cannot be known.
    let (mut client, _) = serve(&setup());
    client.write_all(head.replace("/up", "/unread").as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert!(out.starts_with("HTTP/1.1 200 OK\r\n") && out.contains("connection: close\r\n"), "{out}");
}

#[tokio::test]
async fn nobody_reads_the_body_of_a_client_that_was_answered_before_it_got_a_word() {
    let mut setup = setup();
    setup.settings.linger = Duration::from_secs(60);
    let (mut client, _) = serve(&setup);
    let head = "POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert!(out.starts_with("HTTP/1.1 200 OK\r\n") && out.contains("connection: close\r\n"), "{out}");
    let _ = client.write_all(b"hello").await;
    assert_eq!(setup.bodies.1.recv().await, Some(false));
}

#[test]
fn interim_answers_that_nobody_reads_do_not_pile_up() {
    let (interims, mut out) = (Interims::default(), BytesMut::new());
    for _ in 0..10_000 {
        interims.push(StatusCode::EARLY_HINTS, &Fields::default());
        interims.take(&mut out);
    }
    assert!(out.len() < 2 * MAX_INTERIM_BYTES && out.ends_with(b"\r\n\r\n"));
}

#[test]
fn interim_answers_say_nothing_of_the_legs_connection() {
    let (interims, mut out) = (Interims::default(), BytesMut::new());
    let fields =
        [(LINK, "</a>"), (http::header::CONNECTION, "keep-alive"), (http::header::TRANSFER_ENCODING, "chunked")];
    let fields = fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    interims.push(StatusCode::EARLY_HINTS, &fields.collect::<HeaderMap>().into());
    interims.take(&mut out);
    assert_eq!(out, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
}

#[test]
fn a_length_is_said_once() {
    let mut reply = own(b"hello".to_vec());
    for _ in 0..2 {
        reply.headers.table_mut().append("content-length", HeaderValue::from_static("5"));
    }
    let asked = Asked::by(&ClientHead {
        method: http::Method::GET,
        uri: http::Uri::from_static("/"),
        version_11: true,
        headers: Fields::default(),
        framing: Framing::Length(0),
        expects_continue: false,
    });
    let mut out = BytesMut::new();
    let bodied = Bodied::of(&reply, &asked);
    answer::put_head(&mut out, &reply, &asked, bodied, true);
    assert_eq!(out, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
}

#[tokio::test]
async fn old_clients_get_what_they_understand() {
    let old = LAST.replace("HTTP/1.1", "HTTP/1.0").replace("Connection: close", "X: y");
    let text = talk(&setup(), old.as_bytes(), 10_000).await;
    assert_eq!(text, "HTTP/1.0 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n/last ");
    let kept = old.replace("X: y", "Connection: keep-alive");
    let text = talk(&setup(), format!("{kept}{old}").as_bytes(), 10_000).await;
    assert_eq!(statuses(&text), ["200", "200"]);
    assert!(text.contains("connection: keep-alive\r\n"), "{text}");
    let head = LAST.replace("GET", "HEAD");
    let text = talk(&setup(), head.as_bytes(), 10_000).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n");
}

#[tokio::test]
async fn a_connection_told_to_stop_serves_what_has_begun() {
    let setup = setup();
    let (mut client, _) = serve(&setup);
    client.write_all(&GOOD.as_bytes()[..10]).await.unwrap();
    tokio::task::yield_now().await;
    setup.shutdown.trigger();
    client.write_all(&GOOD.as_bytes()[10..]).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert!(out.ends_with("/ok ") && out.contains("connection: close\r\n"), "{out}");
    let (mut idle, _) = serve(&setup);
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_is_there_is_served_though_it_is_time_to_stop() {
    let setup = setup();
    setup.shutdown.trigger();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    std::io::Write::write_all(&mut client, GOOD.as_bytes()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    // Of what has come on it the runtime knows nothing yet.
    serve_on(&setup, tokio::net::TcpStream::from_std(server).unwrap());
    client.set_nonblocking(true).unwrap();
    let mut out = String::new();
    tokio::net::TcpStream::from_std(client).unwrap().read_to_string(&mut out).await.unwrap();
    assert!(out.ends_with("/ok ") && out.contains("connection: close\r\n"), "{out}");
}
