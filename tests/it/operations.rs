//! Operations that an API keeps outside the path, and methods that HTTP itself does not know.

use crate::harness::*;
use serde_json::Value;

fn post(path: &str, head: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Compared, divergent and all requests of each route.
fn routes(report: &Value) -> Vec<(String, u64, u64, u64)> {
    let n = |v: &Value| v.as_u64().unwrap();
    let routes = report["routes"].as_array().unwrap().iter();
    routes
        .map(|r| (r["route"].as_str().unwrap().to_owned(), n(&r["compared"]), n(&r["divergent"]), n(&r["requests"])))
        .collect()
}

fn route(report: &Value, name: &str) -> (u64, u64, u64) {
    let all = routes(report);
    let (_, compared, divergent, requests) =
        all.iter().find(|(n, ..)| n == name).unwrap_or_else(|| panic!("no route {name}: {all:?}"));
    (*compared, *divergent, *requests)
}

#[test]
fn headers_and_query_parameters_name_operations() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config(
            r#"
[[route]]
name = "api"
path = "/"
methods = ["POST"]
operation_from = "header:x-amz-target"
[[route]]
name = "query"
path = "/query"
operation_from = "query:Action"
"#,
        )
        .start();
    for target in ["DynamoDB_20120810.GetItem", "urn:x#PutItem", "http://x/y/Scan", "x.GetItem", "odd name"] {
        assert_eq!(proxy.send(post("/", &format!("X-Amz-Target: {target}\r\n"), "{}")).status, 200);
    }
    proxy.send(post("/", "", "{}"));
    for query in ["?Action=List", "?x=1&Action=a.b%2EList", "?Action=", ""] {
        proxy.get(&format!("/query{query}"));
    }
    let report = proxy.settled(10);
    let compared: Vec<_> = routes(&report).into_iter().map(|(name, compared, ..)| (name, compared)).collect();
    let expected = [
        ("GET query", 2),
        ("GET query List", 2),
        ("POST api", 1),
        ("POST api GetItem", 2),
        ("POST api PutItem", 1),
        ("POST api Scan", 1),
        ("POST api {other}", 1),
    ];
    assert_eq!(compared, expected.map(|(name, n)| (name.to_owned(), n)));
}

/// Answers a JSON-RPC call with its method; the new one gets `getUser` wrong, and `time` is never the same.
fn rpc(seen: &Seen, new: bool) -> Vec<u8> {
    let call: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let method = call["method"].as_str().unwrap_or("?").to_owned();
    let wrong = new && (method == "v1.getUser" || method == "time");
    json(200, &format!("{{\"result\":\"{method}\",\"n\":{}}}", if wrong { 2 } else { 1 }))
}

const RPC: &str = r#"
[[route]]
name = "rpc"
path = "/rpc"
methods = ["POST"]
operation_from = "json:$.method"
"#;

#[test]
fn the_request_body_names_operations() {
    let primary = Upstream::answering(|seen| rpc(seen, false));
    let candidate = Upstream::answering(|seen| rpc(seen, true));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config(RPC)
        .config("[[rule]]\nid = \"clock\"\non = \"rpc time\"\nat = \"json:$.n\"\nignore = true\n")
        .config("[mirror]\nmax_body = \"64KiB\"\n")
        .start();
    let call = |body: &str| assert_eq!(proxy.send(post("/rpc", "", body)).status, 200);
    for _ in 0..3 {
        call(r#"{"jsonrpc":"2.0","id":1,"params":{"method":"no"},"method":"v1.getUser"}"#);
        call(r#"{"method":"time"}"#);
    }
    call(r#"{"method":"list"}"#);
    call(&format!(r#"{{"params":"{}","method":"list"}}"#, "x".repeat(50_000)));
    call(r#"[{"method":"list"},{"method":"time"}]"#);
    // None of these names an operation.
    call("");
    call(r#"{"method":"#);
    call(r#"{"method":null}"#);
    call(&format!(r#"{{"method":"list","params":"{}"}}"#, "x".repeat(70_000)));
    let report = proxy.settled(13);
    let expected = [
        ("POST rpc", 3, 0, 4),
        ("POST rpc getUser", 3, 3, 3),
        ("POST rpc list", 2, 0, 2),
        ("POST rpc time", 3, 0, 3),
        ("POST rpc {batch}", 1, 0, 1),
    ];
    assert_eq!(routes(&report), expected.map(|(name, c, d, r)| (name.to_owned(), c, d, r)));
    let of_time = report["routes"].as_array().unwrap().iter().find(|r| r["route"] == "POST rpc time").unwrap();
    assert_eq!(of_time["excused_reasons"]["rule"], 3, "the rule is on this operation alone");
    assert_eq!(report["totals"]["incomparable_reasons"]["capture_lost"], 1, "a body over the cap");
    assert_eq!(of_time["latency"]["candidate"]["count"], 3);
    assert_eq!(report["divergences"][0]["route"], "POST rpc getUser");
}

#[test]
fn what_is_not_judged_is_counted_on_the_operation_as_well() {
    let candidate = Upstream::answering(|seen| rpc(seen, true));
    let breaks = Upstream::raw(|_, _| false);
    let proxy = Proxy::between(&breaks.url(), &candidate.url()).config(RPC).start();
    assert_eq!(proxy.send(post("/rpc", "", r#"{"method":"list"}"#)).status, 502);
    let report = proxy.settled(1);
    assert_eq!(routes(&report), [("POST rpc list".to_owned(), 0, 0, 1)]);
    assert_eq!(report["totals"]["incomparable_reasons"]["primary_failed"], 1);
}

#[test]
fn check_has_no_reservations_about_body_operations() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parallax.toml");
    let legs = "[primary]\nurl = \"http://old\"\n[candidate]\nurl = \"http://new\"\n[mirror]\nconfirm = true\n";
    std::fs::write(&file, format!("{legs}{RPC}")).unwrap();
    let out = parallax(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0));
    assert!(!text(&out.stderr).contains("not read"), "{}", text(&out.stderr));
}

const MULTISTATUS: &str = "<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>/cal/1</d:href>\
                           <d:getetag>\"1\"</d:getetag></d:response></d:multistatus>";

#[test]
fn methods_that_only_read_can_be_named() {
    let answering = |etag: &'static str| {
        Upstream::answering(move |_| {
            let body = MULTISTATUS.replace("\"1\"</d:getetag>", &format!("{etag}</d:getetag>"));
            answer("207 Multi-Status", &[("Content-Type", "application/xml; charset=utf-8")], body.as_bytes())
        })
    };
    let (primary, candidate) = (answering("\"1\""), answering("\"2\""));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[mirror]\nmethods = [\"PROPFIND\", \"REPORT\"]\n")
        .start();
    let query = "<d:propfind xmlns:d=\"DAV:\"><d:allprop/></d:propfind>";
    for method in ["PROPFIND", "REPORT"] {
        let reply = proxy.send(format!(
            "{method} /cal/ HTTP/1.1\r\nHost: a\r\nDepth: 1\r\nIf-None-Match: \"9\"\r\nContent-Type: application/xml\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{query}",
            query.len()
        ));
        assert_eq!((reply.status, reply.text()), (207, MULTISTATUS.to_owned()));
    }
    let report = proxy.settled(2);
    assert_eq!(route(&report, "{other} /cal/"), (2, 2, 2), "an other ETag in the body");
    let seen = candidate.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!((text(&seen.body), seen.header("depth")), (query.to_owned(), Some("1")));
        assert_eq!(seen.header("if-none-match"), None, "conditions are withheld from what only reads");
    }
    assert_eq!(primary.seen()[0].header("if-none-match"), Some("\"9\""));
    assert!(!proxy.log().contains("gets writes"), "{}", proxy.log());
}

#[test]
fn unknown_methods_pass_through_and_are_mirrored_only_by_name() {
    let echo = |seen: &Seen| answer("200 OK", &[], &[seen.method().as_bytes(), b" ", &seen.body].concat());
    let (primary, candidate) = (Upstream::answering(echo), Upstream::answering(echo));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[[route]]\nname = \"odd\"\npath = \"/odd\"\nmethods = [\"FOO\"]\n")
        .start();
    for path in ["/odd", "/x"] {
        let request = format!(
            "FOO {path} HTTP/1.1\r\nHost: a\r\nIf-Match: \"1\"\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbar"
        );
        assert_eq!(proxy.send(request).text(), "FOO bar");
    }
    let report = proxy.settled(2);
    assert_eq!((route(&report, "{other} odd"), route(&report, "{other} /x")), ((1, 0, 1), (0, 0, 1)));
    assert_eq!(report["totals"]["not_mirrored"]["method"], 1);
    assert_eq!(candidate.seen()[0].header("if-match"), Some("\"1\""), "what may write keeps its conditions");
    assert!(proxy.log().contains("route odd mirrors FOO: the candidate gets writes"), "{}", proxy.log());
}
