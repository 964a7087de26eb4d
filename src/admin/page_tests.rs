//! The pages over loopback: hostile content, states, live streams.

use super::*;
use tokio::time::timeout;

#[tokio::test]
async fn everything_is_escaped() {
    let house = House::new(Fake { hostile: true, ..fake(Verdict::Fail) }, None, &[]).await;
    let route = "/routes?name=GET%20%2F%3Cscript%3Ealert(1)%3C%2Fscript%3E%1B%5B31m%22%20onload%3D%27x%27";
    for path in [
        "/",
        "/?epoch=%3Cscript%3E",
        "/divergences?show=all&route=%3Cscript%3E%22&kind=%27&sort=%3Cb%3E&page=%3Cb%3E",
        "/divergences/kq3v7x2mha?example=%3Cscript%3E",
        "/routes",
        route,
        "/rules",
        "/history",
        "/settings",
    ] {
        let got = house.get(path).await;
        let page = got.body;
        assert_eq!(got.status, 200, "{path}");
        assert_eq!(page.matches("<script").count(), 1, "{path}: our own script and no other");
        assert!(page.contains("<script src=\"/assets/app.js\" defer></script>"), "{path}");
        assert!(!page.contains('\u{1b}') && !page.contains(" onload='") && !page.contains(" style="), "{path}");
        assert!(!page.contains("alert(1)") || page.contains("&lt;script&gt;alert(1)"), "{path}");
    }
    assert!(house.get("/").await.body.contains("&lt;script&gt;"), "it is shown all the same");
    problem(&house.get("/%1b%5b31m%3Cscript%3E").await, 404, "nothing at");
    problem(&house.get("/routes?name=%1b%5b31m").await, 404, "/routes lists them");
}

#[tokio::test]
async fn the_empty_state_says_what_to_do() {
    let house = House::new(Fake { empty: true.into(), ..fake(Verdict::Inconclusive) }, None, &[]).await;
    let page = house.get("/").await.body;
    for part in [
        "◌ INCONCLUSIVE",
        "no request has arrived yet",
        "curl -i http://127.0.0.1:8080/",
        "<li class=\"waiting\"><b>◌</b> <span>request seen</span> <small>waiting</small></li>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let main = page.split("<main").nth(1).unwrap();
    assert!(!main.contains("<svg") && !main.contains("0 %"), "no data is not a bar and not 0 %");
    for path in ["/divergences", "/routes", "/rules"] {
        let page = house.get(path).await.body;
        assert!(page.contains("Nothing has been compared yet.") && !page.contains("0 %"), "{path}: {page}");
    }
}

#[tokio::test]
async fn a_link_carries_its_epoch_and_an_old_one_says_so() {
    let house = House::open().await;
    let page = house.get("/routes?epoch=7").await.body;
    assert!(page.contains("href=\"/divergences/kq3v7x2mha?epoch=7\"") && !page.contains("This link is about"));
    let old = house.get("/divergences/kq3v7x2mha?epoch=6").await.body;
    assert!(old.contains("This link is about epoch 6, which is not known here. Below is epoch 7, the newest."));
}

#[tokio::test]
async fn one_divergence_shows_both_answers_and_the_rule() {
    let house = House::open().await;
    let page = house.get("/divergences/kq3v7x2mha").await.body;
    for part in [
        "1 of 1,204 kept;",
        "&quot;total&quot;: <mark>129.9</mark>",
        "&quot;total&quot;: <mark>&quot;129.90&quot;</mark>",
        "<code>json:$.total</code>",
        "&#39;http://127.0.0.1:8080/orders/7&#39;",
        "parallax diff primary.http candidate.http --route &#39;GET /orders/{id}&#39;",
        "at = &quot;json:$.total&quot;",
        "Of the 1 stored exchanges of this route it would excuse <b>1</b>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

/// Reads of a stream until something is in it.
async fn until(stream: &mut TcpStream, seen: &mut String, what: &str) {
    let mut chunk = [0; 1024];
    while !seen.contains(what) {
        let n = timeout(Duration::from_secs(10), stream.read(&mut chunk)).await.expect(what).unwrap();
        assert!(n > 0, "{what} did not come: {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..n]));
    }
}

async fn listen(house: &House) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let ask = format!("GET /events HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n", house.address);
    stream.write_all(ask.as_bytes()).await.unwrap();
    (stream, String::new())
}

#[tokio::test]
async fn a_stream_tells_of_news_and_ends_when_told_to_stop() {
    let mut house = House::open().await;
    let (mut stream, mut seen) = listen(&house).await;
    until(&mut stream, &mut seen, "event: look\ndata: 2026-").await;
    assert!(seen.contains("content-type: text/event-stream"));
    seen.clear();
    house.post("/api/v1/mirror", &[], "{\"enabled\": false}").await;
    until(&mut stream, &mut seen, "event: look").await;
    house.stop.take().unwrap().send(()).unwrap();
    // Its last chunk says that it has ended, and the interface did not wait for its time to be up.
    until(&mut stream, &mut seen, "0\r\n\r\n").await;
    timeout(Duration::from_secs(4), &mut house.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_are_bounded_and_give_their_place_back() {
    let house = House::open().await;
    let mut open = Vec::new();
    for _ in 0..super::super::events::MAX_STREAMS {
        let (mut stream, mut seen) = listen(&house).await;
        until(&mut stream, &mut seen, "event: look").await;
        open.push(stream);
    }
    let full = house.get("/events").await;
    problem(&full, 503, "reloaded by hand");
    assert_eq!(full.header("retry-after"), Some("10"));
    open.pop();
    timeout(Duration::from_secs(10), async {
        loop {
            let (mut stream, mut seen) = listen(&house).await;
            until(&mut stream, &mut seen, "\r\n\r\n").await;
            if seen.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn pages_stay_small_and_quick_with_much_to_show() {
    const ROUTES: usize = 2_000;
    let house = House::new(Fake { many: ROUTES, ..fake(Verdict::Fail) }, None, &[]).await;
    let fingerprint = "d0000000000";
    let pages = [
        "/".to_owned(),
        "/divergences?show=all&page=7".into(),
        "/routes?page=40".into(),
        format!("/divergences/{fingerprint}"),
        "/routes?name=GET%20%2Fr0000%2F%7Bid%7D".into(),
        "/rules".into(),
        "/history".into(),
        "/settings".into(),
        "/settings?page=3".into(),
    ];
    for path in &pages {
        let began = std::time::Instant::now();
        let got = house.get(path).await;
        let took = began.elapsed();
        assert_eq!(got.status, 200, "{path}");
        assert!(got.body.len() < 100 * 1024, "{path} has {} bytes", got.body.len());
        // Far above what it takes; here so that nobody makes it seconds.
        assert!(took < Duration::from_secs(5), "{path} took {took:?}");
    }
    let list = house.get("/divergences?show=all&page=7").await.body;
    assert!(list.contains("301 to 350 of 5,000"), "{list}");
    let example = house.get(&pages[3]).await.body;
    assert!(example.contains("more lines are not shown"), "bounded");
}

#[tokio::test]
async fn pages_come_while_a_look_is_held_up() {
    let house = House::open().await;
    house.get("/").await;
    let (held, before) = (house.fake.gate.lock().await, house.fake.looks.load(Ordering::SeqCst));
    for path in ["/", "/routes", "/divergences/kq3v7x2mha", "/settings"].repeat(5) {
        let got = timeout(Duration::from_secs(5), house.get(path)).await.expect(path);
        assert!(got.status == 200 && got.body.contains("as of</span> <time datetime=\"2026-"), "{path}");
    }
    assert!(house.fake.looks.load(Ordering::SeqCst) <= before + 1, "looks are taken beside the requests");
    drop(held);
}

#[tokio::test]
async fn what_has_just_changed_is_on_the_next_page() {
    // Long enough that pages are given what was taken last.
    let slow = Fake { cost: Duration::from_millis(100), empty: true.into(), ..fake(Verdict::Fail) };
    let house = House::new(slow, None, &[]).await;
    assert!(!house.get("/").await.body.contains("Mirroring is stopped"));
    house.post("/api/v1/mirror", &[], "{\"enabled\": false}").await;
    assert!(house.get("/").await.body.contains("Mirroring is stopped"));
    house.fake.empty.store(false, Ordering::SeqCst);
    let found = house.get("/divergences/kq3v7x2mha").await;
    assert_eq!(found.status, 200, "what is not in the newest look is looked for in one of now");
}

#[tokio::test]
async fn a_long_configuration_comes_in_pages() {
    let house = House::new(Fake { many: 2_000, ..fake(Verdict::Fail) }, None, &[]).await;
    let page = house.get("/settings?page=2").await.body;
    let shown = page.split("id=\"config\"").nth(1).unwrap();
    assert!(shown.contains("tabindex=\"0\">[[route]]\npath = ") && page.contains("/settings?page=3"), "{page}");
    let short = House::open().await.get("/settings").await.body;
    assert!(short.contains("[mirror]\nsample = 1.0") && !short.contains("class=\"pager\""));
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_a_page_for_people() {
    let house = House::open().await;
    let got = house.ask("GET /divergences/gone?epoch=6", &["accept: text/html,*/*"], "").await;
    assert_eq!((got.status, got.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(
        got.body.contains("there is no divergence gone in the newest epoch.") && got.body.contains("/history?epoch=7")
    );
}
