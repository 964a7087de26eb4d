//! Which pooled connections are used for what, and how many there may be.

use super::*;

/// An upstream with one idle connection, and the leg's end of it.
async fn warm() -> (Arc<Upstream>, TcpListener, Peer) {
    let (listener, address) = listen().await;
    let up = upstream(Scheme::Http, address);
    let sending = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.answer("warm").await;
    text(sending.await.unwrap().unwrap()).await;
    assert_eq!(up.connections(), Connections { open: 1, idle: 1 });
    (up, listener, peer)
}

fn put() -> Request<LegBody> {
    Request::builder().method("PUT").uri("/").header("host", "h").body(LegBody::Full("x".into())).unwrap()
}

/// Sends, while the leg answers on its next connection.
async fn on_the_next(up: &Upstream, listener: &TcpListener, req: Request<LegBody>) -> Sent {
    let serving = async {
        let mut peer = Peer::accept(listener).await;
        peer.head().await;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        sent = send(up, req, GET) => sent.unwrap(),
        () = serving => unreachable!(),
    }
}

#[tokio::test]
async fn what_cannot_be_sent_twice_is_not_sent_where_the_leg_has_just_closed() {
    for req in [post(LegBody::Empty), post(LegBody::Full("order".into())), put()] {
        let (up, listener, peer) = warm().await;
        // Nothing has told the runtime of it when the request is sent.
        drop(peer);
        let sent = on_the_next(&up, &listener, req).await;
        assert!(!sent.reused && !sent.idle_race);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_twice_is_not_sent_where_the_leg_has_spoken_unasked() {
    let (up, listener, mut peer) = warm().await;
    peer.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n").await;
    assert!(!on_the_next(&up, &listener, post(LegBody::Empty)).await.reused);
}

#[tokio::test]
async fn what_cannot_be_sent_twice_uses_connections_that_are_warm() {
    let (up, listener, mut peer) = warm().await;
    for _ in 0..3 {
        let sending = spawn_send(&up, post(LegBody::Full("order".into())), GET);
        assert!(peer.head().await.starts_with("POST"));
        peer.0.read_exact(&mut [0; 5]).await.unwrap();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let sent = sending.await.unwrap().unwrap();
        assert!(sent.reused && sent.connect == Duration::ZERO);
        text(sent).await;
    }
    // Too long ago for this one, good enough for the other.
    up.shared.pool().idle.age(Duration::from_secs(2));
    let fresh = on_the_next(&up, &listener, post(LegBody::Empty)).await;
    assert!(!fresh.reused);
    let sending = spawn_send(&up, get("/"), GET);
    peer.answer("again").await;
    assert!(sending.await.unwrap().unwrap().reused);
}

#[tokio::test]
async fn every_new_connection_is_timed_and_no_other() {
    let (up, _listener, mut peer) = warm().await;
    let timed = || up.connect_times().read().0.iter().sum::<u64>();
    assert_eq!(timed(), 1);
    let sending = spawn_send(&up, get("/"), GET);
    peer.answer("again").await;
    assert!(sending.await.unwrap().unwrap().reused);
    assert_eq!(timed(), 1);

    let (listener, address) = listen().await;
    drop(listener);
    let refused = upstream(Scheme::Http, address);
    assert!(send(&refused, get("/"), GET).await.is_err());
    assert_eq!(refused.connect_times().read().0.iter().sum::<u64>(), 0);
}

fn narrow(scheme: Scheme, address: SocketAddr, max: usize) -> Arc<Upstream> {
    let options = UpstreamOptions { max_connections: Some(max), ..UpstreamOptions::default() };
    Upstream::new(Leg::Candidate, settings(scheme, address), options).unwrap()
}

#[tokio::test]
async fn a_silent_leg_has_no_more_connections_than_it_may() {
    let (listener, address) = listen().await;
    let up = narrow(Scheme::Http, address, 2);
    let silent = [spawn_send(&up, get("/"), GET), spawn_send(&up, get("/"), GET)];
    let mut peers = Vec::new();
    for _ in &silent {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        peers.push(peer);
    }
    let error = send(&up, get("/"), GET).await.unwrap_err();
    assert_eq!(error.fault, Fault::Proxy);
    assert_eq!(error.failure.detail, "all 2 connections that this leg may have are in use");
    assert_eq!(up.connections().open, 2);

    // What is given up makes room, and what is idle is used whatever for.
    let [first, second] = silent;
    first.abort();
    second.abort();
    assert!(first.await.is_err() && second.await.is_err());
    while up.connections().open > 0 {
        tokio::task::yield_now().await;
    }
    let up = narrow(Scheme::Http, address, 1);
    let sending = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.answer("x").await;
    text(sending.await.unwrap().unwrap()).await;
    up.shared.pool().idle.age(Duration::from_secs(2));
    let sending = spawn_send(&up, post(LegBody::Empty), GET);
    peer.answer("x").await;
    assert!(sending.await.unwrap().unwrap().reused);
}

#[tokio::test]
async fn connections_being_opened_count() {
    // Behind TLS, a leg that accepts and says nothing.
    let (listener, address) = listen().await;
    let up = narrow(Scheme::Https, address, 1);
    let first = spawn_send(&up, get("/"), SendOptions { upgrade: true, ..SendOptions::default() });
    let _peer = Peer::accept(&listener).await;
    let error = send(&up, get("/"), SendOptions { upgrade: true, ..SendOptions::default() }).await.unwrap_err();
    assert_eq!(error.fault, Fault::Proxy, "{error}");
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(up.connections().open, 0);
}
