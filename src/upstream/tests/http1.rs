//! HTTP/1.1 legs: reuse, framing, failures.

use super::*;
use http_body::Body;
use http_body::Frame;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

/// Sends GET / to a server that reads the head, says `text` and closes.
async fn against(text: &'static str) -> Result<Sent, SendError> {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        peer.say(text).await;
    });
    send(&upstream(Scheme::Http, address), get("/"), GET).await
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_is_read() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let server = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        let first = peer.answer("one").await;
        peer.head().await;
        peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n").await;
        peer.head().await;
        peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;
        peer.answer("four").await;
        (first, peer)
    });
    let first = send(&up, get("/a?b=c"), GET).await.unwrap();
    assert!(!first.reused && first.connect > Duration::ZERO);
    assert_eq!(text(first).await, "one");
    for expected in ["two", "", "four"] {
        let next = send(&up, get("/"), GET).await.unwrap();
        assert!(next.reused && !next.idle_race && next.connect == Duration::ZERO);
        assert_eq!(text(next).await, expected);
    }
    let (head, _open) = server.await.unwrap();
    assert_eq!(head, "GET /a?b=c HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    assert_eq!(up.connections(), Connections { open: 1, idle: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_caller_after_another_needs_one_connection() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        loop {
            peer.answer("x").await;
        }
    });
    for turn in 0..500 {
        let sent = send(&up, get("/"), GET).await.unwrap();
        assert_eq!(sent.reused, turn > 0);
        assert_eq!(text(sent).await, "x");
    }
}

#[tokio::test]
async fn the_connection_used_last_is_used_first() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let older = spawn_send(&up, get("/"), GET);
    let mut a = Peer::accept(&listener).await;
    let newer = spawn_send(&up, get("/"), GET);
    let mut b = Peer::accept(&listener).await;
    a.answer("a").await;
    b.answer("b").await;
    assert_eq!(text(newer.await.unwrap().unwrap()).await, "b");
    assert_eq!(text(older.await.unwrap().unwrap()).await, "a");
    assert_eq!(up.connections().idle, 2);
    let next = spawn_send(&up, get("/next"), GET);
    assert!(b.answer("again").await.starts_with("GET /next"));
    assert!(next.await.unwrap().unwrap().reused);
}

#[tokio::test]
async fn connections_expire_and_are_capped() {
    let (listener, address) = listen().await;
    for options in [
        UpstreamOptions { idle_timeout: Duration::ZERO, ..UpstreamOptions::default() },
        UpstreamOptions { max_idle: 0, ..UpstreamOptions::default() },
    ] {
        let up = Upstream::new(Leg::Primary, settings(Scheme::Http, address), options).unwrap();
        for _ in 0..2 {
            let sending = spawn_send(&up, get("/"), GET);
            Peer::accept(&listener).await.answer("x").await;
            let sent = sending.await.unwrap().unwrap();
            assert!(!sent.reused);
            text(sent).await;
        }
    }
}

#[tokio::test]
async fn a_body_dropped_before_its_end_closes_the_connection() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let sending = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.head().await;
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nstart").await;
    drop(sending.await.unwrap().unwrap());
    assert_eq!(peer.0.read(&mut [0; 16]).await.unwrap(), 0);
    assert_eq!(up.connections().idle, 0);
}

/// One request is answered; the next one is read and the connection closed without a byte; a third connection answers.
async fn stale(req: Request<LegBody>, how: SendOptions<'static>) -> (Result<Sent, SendError>, TcpListener) {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let warm = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.answer("warm").await;
    text(warm.await.unwrap().unwrap()).await;
    let sending = spawn_send(&up, req, how);
    peer.head().await;
    drop(peer);
    let fresh = async {
        let mut peer = Peer::accept(&listener).await;
        peer.answer("fresh").await;
        std::future::pending::<()>().await;
    };
    let sent = tokio::select! { sent = sending => sent.unwrap(), () = fresh => unreachable!() };
    (sent, listener)
}

#[tokio::test]
async fn what_a_stale_connection_swallowed_is_sent_again_where_that_is_harmless() {
    let (sent, _listener) = stale(get("/"), GET).await;
    let sent = sent.unwrap();
    assert!(sent.idle_race && !sent.reused);

    let (told_not_to, _listener) = stale(get("/"), SendOptions::default()).await;
    let (not_idempotent, _listener) = stale(post(LegBody::Empty), GET).await;
    let put = Request::builder().method("PUT").uri("/").body(LegBody::Full("x".into())).unwrap();
    let (with_a_body, _listener) = stale(put, GET).await;
    for error in [told_not_to.unwrap_err(), not_idempotent.unwrap_err(), with_a_body.unwrap_err()] {
        assert_eq!(error.failure.to_string(), "idle_race: connection closed before the head");
        assert!(!error.idle_race);
    }
}

#[tokio::test]
async fn a_mirrored_leg_is_excused_for_closing_a_connection_that_had_lain_idle() {
    for (idle, excused) in [(Duration::ZERO, false), (Duration::from_secs(1), true)] {
        let (listener, address) = listen().await;
        let options = UpstreamOptions { guarded: true, ..UpstreamOptions::default() };
        let up = Upstream::new(Leg::Candidate, settings(Scheme::Http, address), options).unwrap();
        let warm = spawn_send(&up, get("/"), GET);
        let mut peer = Peer::accept(&listener).await;
        peer.answer("warm").await;
        text(warm.await.unwrap().unwrap()).await;
        up.shared.pool().idle.age(idle);
        let sending = spawn_send(&up, get("/"), GET);
        peer.head().await;
        drop(peer);
        if excused {
            Peer::accept(&listener).await.answer("fresh").await;
            assert!(sending.await.unwrap().unwrap().idle_race);
        } else {
            let error = sending.await.unwrap().unwrap_err();
            assert_eq!(error.failure.to_string(), "reset: connection closed before the head");
        }
        assert_eq!(up.retries(), u64::from(excused));
    }
}

#[tokio::test]
async fn a_second_connection_that_closes_too_is_the_legs_failure() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let warm = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.answer("warm").await;
    text(warm.await.unwrap().unwrap()).await;
    let sending = spawn_send(&up, get("/"), GET);
    peer.head().await;
    drop(peer);
    Peer::accept(&listener).await.head().await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.to_string(), "reset: connection closed before the head");
    assert!(error.idle_race && error.fault == Fault::Leg);
}

#[tokio::test]
async fn a_head_that_does_not_come_says_why() {
    let (listener, address) = listen().await;
    drop(listener);
    let up = upstream(Scheme::Http, address);
    let refused = format!("refused: connection refused ({address})");
    assert_eq!(send(&up, get("/"), GET).await.unwrap_err().failure.to_string(), refused);
    assert_eq!(up.check().await.unwrap_err().to_string(), refused);

    for (said, expected) in [
        ("", "reset: connection closed before the head"),
        ("HTTP/1.1 200 OK\r\nContent-", "reset: connection closed inside the head"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "protocol: unreadable head: invalid HTTP version parsed"),
        ("HTTP/1.1 abc\r\n\r\n", "protocol: unreadable head: invalid HTTP status-code parsed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", "protocol: unreadable head: invalid content-length parsed"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol: 101 Switching Protocols, which nobody had asked for"),
    ] {
        assert_eq!(against(said).await.unwrap_err().failure.to_string(), expected, "{said:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_says_how_far_it_came() {
    for (said, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "truncated: body ended after 5 of 10 bytes"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", "truncated: body ended after 5 bytes"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n12345", "truncated: body ended after 5 bytes"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345",
            "bad_framing: invalid chunk size line: missing size digit after 0 bytes",
        ),
    ] {
        let failure = broken(against(said).await.unwrap()).await;
        assert_eq!(failure.to_string(), expected, "{said:?}");
    }
    // Without a length the close is the end.
    assert_eq!(text(against("HTTP/1.1 200 OK\r\n\r\n12345").await.unwrap()).await, "12345");
    // A HEAD's or 304's length declares nothing about this answer.
    assert_eq!(text(against("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n").await.unwrap()).await, "");
}

#[tokio::test]
async fn a_leg_that_stays_silent_times_out() {
    let (listener, address) = listen().await;
    let patient = LegSettings { response_timeout: Duration::from_millis(20), ..settings(Scheme::Http, address) };
    let up = Upstream::new(Leg::Primary, patient, UpstreamOptions::default()).unwrap();
    let sending = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.head().await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.to_string(), "timeout: no answer within 20ms");
    assert_eq!(peer.0.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_leg_that_takes_nothing_of_a_request_times_out_too() {
    let (listener, address) = listen().await;
    let patient = LegSettings { response_timeout: Duration::from_millis(50), ..settings(Scheme::Http, address) };
    let up = Upstream::new(Leg::Primary, patient, UpstreamOptions::default()).unwrap();
    // More than the system holds for a leg that does not read.
    let sending = spawn_send(&up, post(LegBody::Full(vec![0; 64 << 20].into())), GET);
    let _peer = Peer::accept(&listener).await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.to_string(), "timeout: no answer within 50ms");
}

#[tokio::test]
async fn a_length_beyond_all_measure_is_one() {
    let sent = against("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nab").await.unwrap();
    let failure = broken(sent).await;
    assert_eq!(failure.to_string(), "truncated: body ended after 2 of 18446744073709551615 bytes");
}

#[tokio::test]
async fn request_bodies_keep_their_framing() {
    let chunks = || LegBody::Boxed(Box::pin(Chunks(vec!["lo", "hel"])));
    let get_with_body = Request::builder().uri("/").header("host", "h").body(chunks()).unwrap();
    for (req, expected) in [
        (post(LegBody::Full("hello".into())), "POST / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 5\r\n\r\nhello"),
        (
            post(chunks()),
            "POST / HTTP/1.1\r\nhost: shop.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ),
        (
            get_with_body,
            "GET / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ),
        (post(LegBody::Empty), "POST / HTTP/1.1\r\nhost: shop.test\r\n\r\n"),
    ] {
        let (listener, address) = listen().await;
        let sending = spawn_send(&upstream(Scheme::Http, address), req, GET);
        let mut peer = Peer::accept(&listener).await;
        let mut read = vec![0; expected.len()];
        peer.0.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected);
        peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;
        sending.await.unwrap().unwrap();
    }
}

/// Chunks from the end of the list.
struct Chunks(Vec<&'static str>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop().map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}

/// Nothing yet.
struct Waits;

impl Body for Waits {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }
}

/// One chunk, then an error.
struct Breaks(bool);

impl Body for Breaks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let first = !std::mem::replace(&mut self.0, true);
        Poll::Ready(Some(if first { Ok(Frame::data("start".into())) } else { Err("client went away".into()) }))
    }
}

#[tokio::test]
async fn a_request_body_that_breaks_off_is_not_the_legs_fault() {
    let (_listener, address) = listen().await;
    let error =
        send(&upstream(Scheme::Http, address), post(LegBody::Boxed(Box::pin(Breaks(false)))), GET).await.unwrap_err();
    assert_eq!(error.fault, Fault::RequestBody);
}

#[tokio::test]
async fn informational_answers_are_told_at_once() {
    let (listener, address) = listen().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let up = upstream(Scheme::Http, address);
    let sending = tokio::spawn(async move {
        let tell = move |status: StatusCode, headers: &Fields| {
            sink.lock().unwrap().push((status.as_u16(), headers.table()["link"].clone()));
        };
        send(&up, get("/"), SendOptions { on_interim: Some(&tell), ..GET }).await
    });
    let mut peer = Peer::accept(&listener).await;
    peer.head().await;
    peer.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(text(sending.await.unwrap().unwrap()).await, "ok");
    assert_eq!(*seen.lock().unwrap(), [(103, "</a.css>".parse().unwrap())]);
}

#[tokio::test]
async fn interim_answers_without_end_are_a_failure() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        let interims = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
        while peer.0.write_all(interims.as_bytes()).await.is_ok() {}
    });
    let error = send(&upstream(Scheme::Http, address), get("/"), GET).await.unwrap_err();
    assert_eq!(error.failure.to_string(), "protocol: more than 100 interim answers");
}

#[tokio::test]
async fn interim_answers_that_somebody_waits_for_are_not_counted() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        peer.say(&"HTTP/1.1 102 Processing\r\n\r\n".repeat(300)).await;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    });
    let told = AtomicUsize::new(0);
    let tell = |_: StatusCode, _: &Fields| {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let up = upstream(Scheme::Http, address);
    let sent = send(&up, get("/"), SendOptions { on_interim: Some(&tell), ..GET }).await.unwrap();
    assert_eq!((text(sent).await.as_str(), told.into_inner()), ("ok", 300));
}

#[tokio::test]
async fn an_upgrade_hands_the_connection_over() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let mut req = get("/chat");
    req.headers_mut().insert("connection", "upgrade".parse().unwrap());
    req.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let sending = spawn_send(&up, req, SendOptions { upgrade: true, ..SendOptions::default() });
    let mut peer = Peer::accept(&listener).await;
    assert!(peer.head().await.contains("upgrade: echo\r\n"));
    peer.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly").await;
    let sent = sending.await.unwrap().unwrap();
    let mut tunnel = sent.answer.body.into_tunnel().unwrap().open().await.unwrap();
    let mut read = [0; 5];
    tunnel.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"early");
    tunnel.write_all(b"there").await.unwrap();
    peer.0.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"there");
    assert_eq!(up.connections(), Connections { open: 1, idle: 0 });
    drop(tunnel);
    assert_eq!(up.connections().open, 0);
}

#[tokio::test]
async fn nothing_of_a_request_becomes_part_of_a_tunnel() {
    let (listener, address) = listen().await;
    let req = post(LegBody::Boxed(Box::pin(Waits)));
    let sending = spawn_send(&upstream(Scheme::Http, address), req, SendOptions { upgrade: true, ..GET });
    let mut peer = Peer::accept(&listener).await;
    peer.head().await;
    peer.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.to_string(), "protocol: the connection became a tunnel before the request's end");
}

#[tokio::test]
async fn names_are_written_and_read_as_they_are_spelt() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let sending = tokio::spawn(async move {
        let spelling = Spelling::of([&b"HOST"[..], b"X-OdD"].into_iter());
        let mut req = get("/");
        req.headers_mut().insert("x-odd", "1".parse().unwrap());
        send_as(spelling, &up, req, GET).await
    });
    let mut peer = Peer::accept(&listener).await;
    assert_eq!(peer.head().await, "GET / HTTP/1.1\r\nHOST: shop.test\r\nX-OdD: 1\r\n\r\n");
    peer.say("HTTP/1.1 200 Fine\r\nCONTENT-length: 0\r\nETag: a\r\nX-WhaT: 2\r\nX-fold: a\r\n b\r\n\r\n").await;
    let LegAnswer { headers, reason, .. } = sending.await.unwrap().unwrap().answer;
    assert_eq!((headers.table()["x-fold"].as_bytes(), reason.as_deref()), (&b"a b"[..], Some(&b"Fine"[..])));
    let mut out = bytes::BytesMut::new();
    headers.put(&mut out, |_| false);
    assert_eq!(out, "CONTENT-length: 0\r\nETag: a\r\nX-WhaT: 2\r\nX-fold: a b\r\n");
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_through() {
    let (listener, address) = listen().await;
    let named = LegSettings { host: "localhost".to_owned(), ..settings(Scheme::Http, address) };
    let up = Upstream::new(Leg::Control, named, UpstreamOptions::default()).unwrap();
    up.check().await.unwrap();
    drop(Peer::accept(&listener).await);
    let sending = spawn_send(&up, get("/"), GET);
    Peer::accept(&listener).await.answer("here").await;
    assert_eq!(text(sending.await.unwrap().unwrap()).await, "here");
}

#[tokio::test]
async fn limits_on_heads_are_the_options() {
    let (listener, address) = listen().await;
    let options = UpstreamOptions { max_headers: 200, max_header_bytes: 4096, ..UpstreamOptions::default() };
    let up = Upstream::new(Leg::Primary, settings(Scheme::Http, address), options).unwrap();
    let many: String = (0..150).map(|i| format!("x-{i}: {i}\r\n")).collect();
    let big = format!("x-big: {}\r\n", "x".repeat(5000));
    for (headers, taken) in [(many, true), (big, false)] {
        let sending = spawn_send(&up, get("/"), SendOptions::default());
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        peer.say(&format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n")).await;
        let sent = sending.await.unwrap();
        assert_eq!(sent.is_ok(), taken, "{sent:?}");
        if let Err(error) = sent {
            assert_eq!(error.failure.to_string(), "protocol: unreadable head: message head is too large");
        }
    }
}

#[tokio::test]
async fn what_a_leg_may_say_in_its_head_is_more_than_clients_may() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let many: String = (0..1000).map(|i| format!("x-{i}: {i}\r\n")).collect();
    let big: String = (0..25).map(|i| format!("x-{i}: {}\r\n", "x".repeat(8000))).collect();
    let odd = "x-0 : spaced\r\n".to_owned();
    for (headers, expected) in [(many, 1000), (big, 25), (odd, 1)] {
        let sending = spawn_send(&up, get("/"), GET);
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        peer.say(&format!("HTTP/1.1 204 No Content\r\nConnection: close\r\n{headers}\r\n")).await;
        let sent = sending.await.unwrap().unwrap();
        assert_eq!(sent.answer.headers.table().len(), expected + 1);
        assert!(sent.answer.headers.table().contains_key("x-0"));
    }
}

#[tokio::test]
async fn an_answer_with_many_fields_comes_whole() {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    for _ in 0..2 {
        let sending = spawn_send(&up, get("/"), GET);
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        let fields: String = (0..300).map(|i| format!("X-Field-{i}: {i}\r\n")).collect();
        peer.say(&format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\nConnection: close\r\n\r\nhi")).await;
        let sent = sending.await.unwrap().unwrap();
        assert_eq!(sent.answer.headers.table()["x-field-299"], "299");
        assert_eq!(sent.answer.headers.table().len(), 302);
        assert_eq!(text(sent).await, "hi");
    }
}
