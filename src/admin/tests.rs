//! The interface over loopback, with a source that holds still.

use super::*;
use crate::gate::{Judgement, Verdict};
use crate::report::{DivergenceDetail, Report, samples};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[path = "openapi_tests.rs"]
mod described;
#[path = "fake_source.rs"]
mod fake_source;
#[path = "page_tests.rs"]
mod pages;

use fake_source::{Fake, fake};

struct House {
    address: SocketAddr,
    fake: Arc<Fake>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}

impl House {
    async fn new(fake: Fake, token: Option<&str>, open: &[&str]) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Arc::new(fake);
        let options = AdminOptions {
            address,
            token: token.map(Into::into),
            public_url: Some("https://parallax.example.com/x".into()),
            open: open.iter().map(|s| s.to_string()).collect(),
            tls: false,
            instance: "5a".into(),
        };
        let admin = Admin::new(fake.clone(), &options, [7; 32]);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, None, admin, async move {
            let _ = stopped.await;
        }));
        House { address, fake, stop: Some(stop), task }
    }

    async fn open() -> House {
        House::new(fake(Verdict::Fail), None, &[]).await
    }

    /// One request on a connection of its own. `host` and `connection` are added where they are missing.
    async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Got {
        let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|h| h.starts_with("host")) {
            text += &format!("host: {}\r\n", self.address);
        }
        for h in headers.iter().filter(|h| **h != "host") {
            text += &format!("{h}\r\n");
        }
        if !body.is_empty() {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        // A refusal may come, and the connection close, before the body is sent.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        let all = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Got { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Got {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    async fn post(&self, path: &str, headers: &[&str], body: &str) -> Got {
        let mut all = vec!["content-type: application/json"];
        all.extend(headers);
        self.ask(&format!("POST {path}"), &all, body).await
    }
}

fn problem(got: &Got, status: u16, remedy: &str) {
    assert_eq!((got.status, got.header("content-type")), (status, Some("application/problem+json")), "{}", got.head);
    let value: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(value["status"], status);
    assert!(value["detail"].as_str().unwrap().contains(remedy), "{} lacks {remedy}", got.body);
}

#[tokio::test]
async fn every_route_answers_with_and_without_a_slash() {
    let house = House::open().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/divergences", "text/html; charset=utf-8"),
        ("/divergences/", "text/html; charset=utf-8"),
        ("/divergences?show=all&route=GET+%2Forders%2F%7Bid%7D", "text/html; charset=utf-8"),
        ("/divergences/kq3v7x2mha", "text/html; charset=utf-8"),
        ("/divergences/kq3v7x2mha/", "text/html; charset=utf-8"),
        ("/routes", "text/html; charset=utf-8"),
        ("/routes/", "text/html; charset=utf-8"),
        ("/routes?name=GET%20%2Forders%2F%7Bid%7D&epoch=7", "text/html; charset=utf-8"),
        ("/rules", "text/html; charset=utf-8"),
        ("/history", "text/html; charset=utf-8"),
        ("/settings", "text/html; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/assets/app.css", "text/css; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/healthz", "text/plain; charset=utf-8"),
        ("/readyz", "text/plain; charset=utf-8"),
        ("/metrics", OPENMETRICS),
        ("/api/v1/report", "application/json"),
        ("/api/v1/history", "application/json"),
        ("/api/v1/history?epoch=7&route=GET+%2Forders%2F%7Bid%7D", "application/json"),
        ("/api/v1/report/", "application/json"),
        ("/api/v1/gate", "application/json"),
        ("/api/v1/divergences", "application/json"),
        ("/api/v1/rules/suggestions", "application/json"),
        ("/api/v1/divergences/kq3v7x2mha", "application/json"),
        ("/api/v1/mirror", "application/json"),
        ("/api/v1/openapi.json", "application/json"),
    ] {
        let got = house.get(path).await;
        assert_eq!((got.status, got.header("content-type")), (200, Some(kind)), "{path}");
        assert!(got.header("content-security-policy").unwrap().contains("script-src 'self'"));
        assert_eq!(got.header("x-parallax-instance"), Some("5a"), "{path}");
        assert!(!got.body.is_empty());
        let head = house.ask(&format!("HEAD {path}"), &[], "").await;
        assert_eq!((head.status, head.body.as_str(), head.header("content-type")), (200, "", Some(kind)), "{path}");
    }
}

#[tokio::test]
async fn report_and_detail_are_what_the_types_say() {
    let house = House::open().await;
    let report: Report = serde_json::from_str(&house.get("/api/v1/report").await.body).unwrap();
    assert_eq!(report, samples::report(Verdict::Fail));
    let detail: DivergenceDetail =
        serde_json::from_str(&house.get("/api/v1/divergences/kq3v7x2mha").await.body).unwrap();
    assert_eq!(detail.examples[0].primary.start, "HTTP/1.1 200 OK");
    problem(&house.get("/api/v1/divergences/nope").await, 404, "/api/v1/divergences lists them");
    problem(&house.get("/api/v1/divergences/%ff").await, 404, "/api/v1/divergences lists them");
    problem(&house.get("/divergences/nope").await, 404, "/api/v1/divergences lists them");
}

#[tokio::test]
async fn the_gate_as_a_status() {
    for (verdict, status, rollback) in
        [(Verdict::Pass, 200, 409), (Verdict::Fail, 409, 200), (Verdict::Inconclusive, 425, 409)]
    {
        let house = House::new(fake(verdict), None, &[]).await;
        for (query, expected) in [("", 200), ("?as=status", status), ("?as=rollback", rollback)] {
            let get = house.get(&format!("/api/v1/gate{query}")).await;
            let post = house.post(&format!("/api/v1/gate{query}"), &[], "{\"name\":\"canary\"}").await;
            let bare = house.ask(&format!("POST /api/v1/gate{query}"), &[], "").await;
            for got in [get, post, bare] {
                assert_eq!(got.status, expected, "{verdict:?} {query}");
                assert_eq!(serde_json::from_str::<Judgement>(&got.body).unwrap().verdict, verdict);
            }
        }
        assert_eq!(house.get("/api/v1/gate?as=status&candidate_build=2026.11.4").await.status, 425);
        assert_eq!(house.get("/api/v1/gate?as=status&candidate_build=2026.11.3").await.status, status);
        problem(&house.get("/api/v1/gate?as=sttaus").await, 400, "`status` or `rollback`");
    }
}

#[tokio::test]
async fn parameters_that_are_not_known_or_come_twice_are_mistakes() {
    let house = House::new(fake(Verdict::Pass), None, &[]).await;
    for (query, remedy) in [
        (
            "gate?as=status&candidate-build=v2",
            "no parameter `candidate-build` here: it takes `as` and `candidate_build`",
        ),
        ("gate?AS=rollback", "no parameter `AS` here"),
        ("gate?candidate_build=v2&candidate_build=2026.11.3", "`candidate_build` is given twice"),
        ("gate?as=status&as=rollback", "`as` is given twice"),
        ("gate?%22%0a", "no parameter `\"␊`"),
        ("history?epochs=7", "no parameter `epochs` here: it takes `epoch` and `route`"),
        ("history?epoch=7&epoch=8", "`epoch` is given twice"),
    ] {
        problem(&house.get(&format!("/api/v1/{query}")).await, 400, remedy);
    }
    let bare = house.ask("POST /api/v1/gate?build=v2", &[], "").await;
    problem(&bare, 400, "no parameter `build`");
    assert_eq!(house.get("/api/v1/gate?&as=status&").await.status, 200);
}

#[tokio::test]
async fn switching_and_starting_epochs() {
    let house = House::open().await;
    let got = house.post("/api/v1/mirror", &[], "{\"enabled\": false}").await;
    assert_eq!((got.status, got.body.as_str()), (200, "{\"enabled\":false}\n"));
    assert!(!house.fake.mirroring());
    for page in ["/", "/routes"] {
        assert!(house.get(page).await.body.contains("✖ Mirroring is stopped</h2>"), "{page}");
    }
    let told = house.get("/settings").await.body;
    assert!(
        told.contains(
            "<th scope=\"row\" class=\"long\">mirroring stopped</th><td data-label=\"let in by\">no token is set</td>"
        ),
        "{told}"
    );
    problem(&house.post("/api/v1/mirror", &[], "{\"enabled\": \"no\"}").await, 400, "{\"enabled\": true}");
    problem(&house.post("/api/v1/mirror", &[], "").await, 400, "{\"enabled\": true}");
    for body in ["[false]", "false", "{\"enabled\": false, \"enabled\": true}", "\x0c{\"enabled\": false}"] {
        problem(&house.post("/api/v1/mirror", &[], body).await, 400, "{\"enabled\": true}");
    }
    assert_eq!(house.post("/api/v1/mirror", &[], " \n{\"enabled\": false}").await.status, 200);

    let begun = house.post("/api/v1/epoch", &[], "{\"candidate_build\": \"v2\"}").await;
    let told: serde_json::Value = serde_json::from_str(&begun.body).unwrap();
    assert_eq!((begun.status, &told["epoch"]["id"]), (200, &"8".into()), "{told}");
    assert_eq!(told["epoch"]["candidate_build"], "v2", "not what the report says by then");
    assert_eq!(house.post("/api/v1/epoch", &[], "{}").await.status, 200);
    assert_eq!(*house.fake.epochs.lock().unwrap(), [Some("v2".to_owned()), None]);
    problem(&house.post("/api/v1/epoch", &[], "{\"candidate_build\": \"fails\"}").await, 500, "see the log");
    for label in ["", "  ", " v2", "v2 "] {
        let got = house.post("/api/v1/epoch", &[], &format!("{{\"candidate_build\": \"{label}\"}}")).await;
        problem(&got, 400, "1 to 256");
    }
    problem(&house.post("/api/v1/epoch", &[], "[\"v2\"]").await, 400, "it is no JSON object");
    problem(&house.post("/api/v1/epoch", &[], "{\"build\": \"x\"}").await, 400, "candidate_build");
}

#[tokio::test]
async fn what_is_refused_is_no_deed() {
    let house = House::open().await;
    house.fake.stopping.store(true, Ordering::SeqCst);
    problem(&house.post("/api/v1/mirror", &[], "{\"enabled\": false}").await, 503, "stopping");
    problem(&house.post("/api/v1/epoch", &[], "{\"candidate_build\": \"v2\"}").await, 503, "stopping");
    let told = house.get("/settings").await.body;
    assert!(!told.contains("mirroring stopped") && !told.contains("new epoch started"), "{told}");
}

#[tokio::test]
async fn errors_are_problems() {
    let house = House::open().await;
    problem(&house.get("/nothing").await, 404, "openapi.json");
    for (line, allow) in [
        ("DELETE /api/v1/mirror", "GET, HEAD, POST"),
        ("POST /api/v1/report", "GET, HEAD"),
        ("GET /api/v1/epoch", "POST"),
        ("PUT /divergences/abc", "GET, HEAD"),
    ] {
        let got = house.ask(line, &["content-type: application/json"], "").await;
        problem(&got, 405, "use ");
        assert_eq!(got.header("allow"), Some(allow), "{line}");
    }
    for line in ["DELETE /api/v1/report", "OPTIONS /metrics", "PURGE /healthz"] {
        problem(&house.ask(line, &[], "").await, 405, "use ");
    }
    problem(&house.post("/api/v1/mirror", &[], &" ".repeat(65 * 1024)).await, 413, "64 KiB");
    house.fake.ready.store(false, Ordering::SeqCst);
    problem(&house.get("/readyz").await, 503, "draining");
    assert_eq!(house.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn without_a_token_only_our_own_names_and_sites() {
    let house = House::open().await;
    for host in ["localhost", "LOCALHOST:9900", "127.0.0.1", "127.8.7.6:1", "[::1]:9900", "parallax.example.com"] {
        assert_eq!(house.ask("GET /api/v1/report", &[&format!("host: {host}")], "").await.status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9900", "10.0.0.1", "[fe80::1]"] {
        for path in ["/", "/api/v1/report", "/healthz", "/metrics", "/nothing"] {
            let got = house.ask(&format!("GET {path}"), &[&format!("host: {host}")], "").await;
            problem(&got, 403, "admin.public_url");
        }
    }
    problem(&house.ask("GET /", &["host: a", "host: localhost"], "").await, 400, "Host");
    problem(&house.ask("GET http://evil.example/", &["host: localhost"], "").await, 400, "Host");
    for (line, status) in
        [("GET /healthz HTTP/1.0", 200), ("GET http://evil.example/ HTTP/1.0", 403), ("GET / HTTP/1.1", 400)]
    {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(format!("{line}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(&*status.to_string()), "{line}");
    }

    let body = "{\"enabled\": false}";
    let own = format!("origin: http://{}", house.address);
    for bad in [
        &["origin: http://evil.example"][..],
        &["origin: null"],
        &["sec-fetch-site: cross-site"],
        &["sec-fetch-site: same-site"],
        &["origin: http://localhost:1"],
        &["sec-fetch-site: cross-site", &own],
    ] {
        problem(&house.post("/api/v1/mirror", bad, body).await, 403, "another site");
    }
    for kind in [&["content-type: text/plain"][..], &["content-type: application/x-www-form-urlencoded"], &[]] {
        problem(&house.ask("POST /api/v1/mirror", kind, body).await, 415, "application/json");
    }
    problem(&house.ask("POST /api/v1/epoch", &[], "").await, 415, "application/json");
    assert!(house.fake.mirroring() && house.fake.epochs.lock().unwrap().is_empty());
    let good = [&own, "sec-fetch-site: same-origin", "content-type: application/json; charset=utf-8"];
    assert_eq!(house.ask("POST /api/v1/mirror", &good, body).await.status, 200);
    assert_eq!(house.get("/login").await.status, 303);
}

#[tokio::test]
async fn a_token_guards_everything_but_health() {
    let house = House::new(fake(Verdict::Pass), Some("s3cret\n"), &[]).await;
    assert_eq!(house.get("/healthz").await.status, 200);
    assert_eq!(house.get("/readyz").await.status, 200);
    assert_eq!(house.get("/assets/app.css").await.status, 200, "the sign-in form wears it");
    let paths = [
        "/metrics",
        "/api/v1/report",
        "/api/v1/gate",
        "/api/v1/divergences",
        "/api/v1/rules/suggestions",
        "/api/v1/mirror",
        "/nothing",
        "/assets/app.js",
        "/api/v1/openapi.json",
    ];
    for path in paths {
        let got = house.get(path).await;
        problem(&got, 401, "PARALLAX_TOKEN");
        assert!(got.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    for wrong in [
        "authorization: Bearer s3cre",
        "authorization: Basic s3cret",
        "authorization: Bearer",
        "authorization: Bearer ",
    ] {
        problem(&house.ask("GET /api/v1/report", &[wrong], "").await, 401, "token");
    }
    for right in ["authorization: Bearer s3cret", "authorization: bearer s3cret"] {
        assert_eq!(house.ask("GET /api/v1/report", &[right, "host: any.example"], "").await.status, 200);
        assert_eq!(house.ask("POST /api/v1/mirror", &[right], "{\"enabled\": true}").await.status, 200);
    }
    problem(&house.post("/api/v1/mirror", &[], "{\"enabled\": false}").await, 401, "token");
    problem(&house.ask("POST /api/v1/gate", &[], "").await, 401, "token");
}

#[tokio::test]
async fn metrics_come_in_the_format_that_a_scraper_knows() {
    let house = House::open().await;
    let format = async |accept: &str| {
        let got = house.ask("GET /metrics", &[&format!("accept: {accept}")], "").await;
        (got.header("content-type").unwrap().to_owned(), got.body.ends_with("# EOF\n"))
    };
    let both = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for accept in ["*/*", both, "application/openmetrics-text"] {
        assert_eq!(format(accept).await, (OPENMETRICS.to_owned(), true), "{accept}");
    }
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(format("text/plain;version=0.0.4;q=1,*/*;q=0.1").await, (plain.to_owned(), false));
}

#[tokio::test]
async fn open_paths_are_for_reading_only() {
    let house = House::new(fake(Verdict::Pass), Some("s3cret"), &["/metrics", "/api/v1/gate"]).await;
    assert_eq!(house.get("/metrics").await.status, 200);
    assert_eq!(house.get("/api/v1/gate?as=status").await.status, 200);
    // What can only POST, and send no header, may ask the gate; nothing else.
    assert_eq!(house.post("/api/v1/gate?as=status", &[], "{\"name\": \"shop\"}").await.status, 200);
    problem(&house.post("/metrics", &[], "{}").await, 401, "token");
    problem(&house.post("/api/v1/mirror", &[], "{\"enabled\": false}").await, 401, "token");
    problem(&house.get("/api/v1/report").await, 401, "token");
    let closed = House::new(fake(Verdict::Pass), Some("s3cret"), &["/metrics"]).await;
    problem(&closed.post("/api/v1/gate?as=status", &[], "{}").await, 401, "token");
}

#[tokio::test]
async fn a_browser_signs_in() {
    let house = House::new(fake(Verdict::Pass), Some("s3cret"), &[]).await;
    let form = house.get("/").await;
    assert_eq!((form.status, form.header("content-type")), (401, Some("text/html; charset=utf-8")));
    assert!(form.body.contains("action=\"/login\"") && !form.body.contains("2026.11.3"));
    let deep = house.ask("GET /divergences/abc", &["accept: text/html"], "").await;
    assert!(deep.status == 401 && deep.body.contains("value=\"/divergences/abc\""));

    let own = format!("origin: http://{}", house.address);
    let wrong = house.ask("POST /login", &[&own], "token=nope").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    for origin in ["http://evil.example", "http://parallax.example.com"] {
        let origin = format!("origin: {origin}");
        problem(&house.ask("POST /login", &[&origin], "token=s3cret").await, 403, "another site");
    }
    let right = house.ask("POST /login", &[&own], "token=s3cret&next=%2Fdivergences%2Fabc").await;
    assert_eq!((right.status, right.header("location")), (303, Some("/divergences/abc")));
    assert_eq!(
        house.ask("POST /login", &[&own], "token=s3cret&next=//evil.example").await.header("location"),
        Some("/")
    );
    let cookie = right.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict") && !cookie.contains("s3cret"));

    let cookie = format!("cookie: a=b; {}", cookie.split(';').next().unwrap());
    assert!(house.ask("GET /", &[&cookie], "").await.body.contains("PASS"));
    let body = "{\"enabled\": false}";
    problem(&house.post("/api/v1/mirror", &[&cookie], body).await, 403, "Origin");
    problem(&house.post("/api/v1/mirror", &[&cookie, "origin: http://evil.example"], body).await, 403, "Origin");
    // Who sits between may answer in the clear under the same name.
    problem(
        &house.post("/api/v1/mirror", &[&cookie, "origin: http://parallax.example.com"], body).await,
        403,
        "Origin",
    );
    assert!(house.fake.mirroring());
    let public = [&cookie, "origin: https://parallax.example.com"];
    assert_eq!(house.post("/api/v1/mirror", &public, "{\"enabled\": true}").await.status, 200);
    assert_eq!(house.post("/api/v1/mirror", &[&cookie, &own], body).await.status, 200);
    problem(&house.ask("GET /api/v1/report", &["cookie: parallax_session=x"], "").await, 401, "token");
}

#[test]
fn the_cookie_is_secure_under_tls_whoever_speaks_it() {
    let (http, https) = (Some("http://a.example"), Some("https://a.example"));
    for (tls, public, origin, secure) in [
        (true, None, None, true),
        (false, None, http, false),
        (false, None, https, true),
        (false, https, https, true),
        (false, https, None, true),
        (false, https, Some("http://127.0.0.1:9900"), false),
        (false, http, None, false),
    ] {
        let options = AdminOptions {
            address: "0.0.0.0:9900".parse().unwrap(),
            token: Some("t".into()),
            public_url: public.map(str::to_owned),
            open: Vec::new(),
            tls,
            instance: String::new(),
        };
        let mut headers = http::HeaderMap::new();
        headers.extend(origin.map(|o| (http::header::ORIGIN, http::HeaderValue::from_static(o))));
        let cookie = super::access::Access::new(&options, [1; 32]).sign_in("t", &headers).unwrap();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{tls} {public:?} {origin:?}");
    }
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_accepts_no_more() {
    let mut house = House::open().await;
    let mut idle = TcpStream::connect(house.address).await.unwrap();
    idle.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", house.address).as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    house.stop.take().unwrap().send(()).unwrap();
    (&mut house.task).await.unwrap();
    assert!(TcpStream::connect(house.address).await.is_err());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn both_protocols_over_tls() {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio_rustls::rustls::{self, pki_types};

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = protocols.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, instance) = (Vec::new(), String::new());
    let options = AdminOptions { address, token: None, public_url: None, open, tls: true, instance };
    let admin = Admin::new(Arc::new(fake(Verdict::Pass)), &options, [7; 32]);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    tokio::spawn(serve(listener, Some(acceptor), admin, std::future::pending()));

    for (protocol, host, status) in
        [("h2", "localhost", 200), ("http/1.1", "localhost", 200), ("h2", "evil.example", 403)]
    {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let mut client = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = pki_types::ServerName::try_from("localhost").unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
        let io = TokioIo::new(stream);
        let request = http::Request::builder();
        let response = if protocol == "h2" {
            let (mut send, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            let request = request.uri(format!("https://{host}/api/v1/gate/?as=status"));
            send.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap()
        } else {
            let (mut send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let request = request.uri("/api/v1/gate/?as=status").header("host", host);
            send.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap()
        };
        assert_eq!(response.status(), status, "{protocol} {host}");
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn the_history_of_an_epoch_is_told_whole_or_of_one_route() {
    let house = House::open().await;
    let read = |got: Got| serde_json::from_str::<serde_json::Value>(&got.body).unwrap();
    let all = read(house.get("/api/v1/history").await);
    assert_eq!((&all["schema"], &all["epoch"]["id"]), (&1.into(), &"7".into()));
    assert_eq!(all["changes"][1]["verdict"], "fail");
    let routes = |v: &serde_json::Value| v["series"].as_array().unwrap().len();
    assert_eq!((routes(&all), all["points"].as_array().unwrap().len()), (3, 4));
    let one = read(house.get("/api/v1/history?route=GET%20/orders/%7Bid%7D").await);
    assert_eq!((routes(&one), &one["series"][0]["route"]), (1, &"GET /orders/{id}".into()));
    assert!(one["series"][0]["points"][0]["upper"].as_f64() > one["series"][0]["points"][3]["upper"].as_f64());
    problem(&house.get("/api/v1/history?epoch=99").await, 404, "/api/v1/history lists those that are known");
}
