//! One mistake each, and the message it gets.

use super::*;
use proptest::prelude::*;

/// The errors of a file that has its URLs, without the drawing.
fn messages(text: &str) -> Vec<String> {
    let text = format!("{text}\n");
    match read_as(&text, Notation::Toml, &urls()) {
        Ok(_) => Vec::new(),
        Err(e) => e.problems().iter().map(|p| p.message.clone()).collect(),
    }
}

#[test]
fn one_message_for_each_mistake() {
    for (text, want) in [
        ("[mirrors]", "unknown section `mirrors`"),
        ("sample = 1", "unknown section `sample`"),
        ("mirror = 1", "`mirror` must be a table, not a whole number"),
        ("[route]", "`route` must be a list of tables"),
        ("[gate.latency]\nratios = 1", "unknown key `ratios` in [gate] latency"),
        ("[listen]\nheader_timeout = 10", "`listen.header_timeout` must be a duration longer than zero"),
        ("[listen]\nheader_timeout = \"0s\"", "`listen.header_timeout` must be a duration longer than zero"),
        ("[listen]\nmax_connections = 0", "`listen.max_connections` must be a whole number between 1 and 10000000"),
        ("[listen]\nmax_header_bytes = \"1KiB\"", "`listen.max_header_bytes` must be a size between 8KiB and 16MiB"),
        (
            "[listen]\ntls.certificate = \"/nowhere\"\ntls.key = \"/nowhere\"",
            "`listen.tls.certificate` must be the path of a file to use|`listen.tls.key` must be the path of a file to use",
        ),
        (
            "[admin]\ntls.key = \"Cargo.toml\"",
            "`admin.tls.key` is set and `admin.tls.certificate` is not|`admin.tls.key` must be the path of a file to use",
        ),
        ("[admin]\naddress = \"[::]:1\"", "admin address [::]:1 is not loopback and `admin.token_file` is not set"),
        ("[admin]\nopen = [\"/\"]", "`admin.open` must be a list of \"/metrics\" and \"/api/v1/gate\""),
        ("[admin]\naddress = \"127.0.0.1:8080\"", "listen and admin are both on port 8080"),
        ("[listen]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"", ""),
        (
            "[control]\nurl = \"http://b:2\"",
            "control and candidate are both http://b:2: every divergence would pass for noise",
        ),
        ("[control]\nurl = \"http://a:1\"", ""),
        (
            "[control]\nurl = \"http://127.0.0.1:9900\"",
            "control http://127.0.0.1:9900 is the proxy's own admin interface",
        ),
        // What was refused is held against nothing.
        ("[control]\nurl = \"ftp://a\"", "`control.url` must be a URL such as \"http://localhost:9001\""),
        ("[candidate]\ntls.server_name = \"a b\"", "`candidate.tls.server_name` must be a host name"),
        ("[candidate]\nbuild_header = \"a b\"", "`candidate.build_header` must be a header name"),
        (
            "[mirror]\nsample_by = \"header:\"",
            "`mirror.sample_by` must be \"request\", \"client-ip\", \"header:NAME\" or \"cookie:NAME\"",
        ),
        (
            "[mirror]\nmethods = [\"get\", 1]",
            "`mirror.methods` must be a list of HTTP methods such as [\"GET\", \"POST\"]|`mirror.methods` must be a list of HTTP methods such as [\"GET\", \"POST\"]",
        ),
        ("[mirror]\nmethods = []", "`methods` is empty: nothing would be mirrored"),
        ("[mirror]\nstart = \"later\"", "`mirror.start` must be \"concurrent\" or \"after-primary\""),
        (
            "[mirror]\nset_headers = { content-length = \"1\", x = \"\\n\" }",
            "`mirror.set_headers` must be a table of header names and values|`mirror.set_headers` must be a table of header names and values",
        ),
        ("[mirror]\nremove_headers = [\"host\"]", "`mirror.remove_headers` must be a list of header names"),
        ("[mirror]\nmemory_budget = \"1MiB\"\nmax_body = \"2MiB\"", "`max_body` is larger than `memory_budget`"),
        ("[[route]]\nname = \"a b\"\npath = \"/\"", "`route.name` must be a name without spaces"),
        ("[[route]]\nname = \"a\"", "a [[route]] has no path"),
        ("[[route]]\npath = \"/a/{x}y\"", "`route.path` must be a path template such as \"/orders/{id}\""),
        ("[[route]]\npath = \"/a\\u0001\"", "`route.path` must be a path template such as \"/orders/{id}\""),
        (
            "[[route]]\npath = \"/a\"\noperation_from = \"json:$..x\"",
            "`route.operation_from` must be \"header:NAME\", \"query:NAME\" or \"json:$.path\"",
        ),
        (
            "[redact]\njson = [\"json:$.a[?(@.x)]\", \"$[0:2]\", \"$.a\", \"xml:/a\"]\npatterns = [\"x*\", \"(\", \"x\"]",
            "`redact.json` must be a list of locations such as \"json:$.user.email\"|`redact.json` must be a list of locations such as \"json:$.user.email\"|`redact.json` must be a list of locations such as \"json:$.user.email\"|`redact.patterns` must be a list of regular expressions|`redact.patterns` must be a list of regular expressions",
        ),
        ("[[route]]\npath = \"/a\"\n[[route]]\npath = \"/a\"", "there are two routes `/a`"),
        (
            "[[route]]\npath = \"/a\"\nalpha_pass = 1",
            "`route.alpha_pass` must be a share above 0 and below 1, or a percentage",
        ),
        ("[[rule]]\nat = \"status\"", "a [[rule]] has no `id`"),
        (
            "[[rule]]\nid = \"a\"\nat = \"status\"\nexpires = \"2027-02-30\"",
            "`rule.expires` must be a date such as \"2027-03-01\"",
        ),
        (
            "[[rule]]\nid = \"a\"\nat = \"status\"\nignore = \"all\"",
            "`rule.ignore` must be true, \"missing\", \"extra\", \"value\" or \"order\"",
        ),
        (
            "[[rule]]\nid = \"a\"\nat = \"status\"\nmask = { pattern = \"(\" }",
            "`rule.mask` must be a table of pattern, with|`rule.mask.pattern` must be a regular expression",
        ),
        (
            "[[rule]]\nid = \"a\"\nat = \"status\"\nsame = [[1], [1, [2]], 3]",
            "`rule.same` must be a list of groups of values, such as [[400, 422], [\"null\", \"missing\"]]|`rule.same` must be a list of groups of values, such as [[400, 422], [\"null\", \"missing\"]]|`rule.same` must be a list of groups of values, such as [[400, 422], [\"null\", \"missing\"]]",
        ),
        (
            "[[rule]]\nid = \"a\"\nat = \"status\"\nignore = true\n[[rule]]\nid = \"a\"\nat = \"body\"\nignore = true",
            "there are two rules `a`",
        ),
        ("[redact]\npatterns = [\"(\"]", "`redact.patterns` must be a list of regular expressions"),
        ("[store]\nurl = \"nats://x\"", "a fleet of proxies is not built yet"),
        ("[store]\nkeep_days = 0", "`store.keep_days` must be a whole number between 1 and 36500"),
        ("[gate]\ncriteria = []", "`criteria` is empty: no evidence would be asked for"),
        (
            "[gate]\ncriteria = [\"divergense\"]",
            "`gate.criteria` must be a list of \"divergence\", \"errors\", \"latency\", \"coverage\", \"unseen\", \"unjudged\" and \"minimum\"",
        ),
        ("[gate]\ntolerance = 0", "`gate.tolerance` must be a share above 0 and below 1, or a percentage"),
        (
            "[gate]\nlatency = 1",
            "`gate.latency` must be a table of ratio, slack, block, min_blocks, p95_ratio, p99_ratio, quantiles",
        ),
        ("[gate]\nlatency.ratio = nan", "`gate.latency.ratio` must be a number of at least 1"),
        ("[gate]\nmin_duration = \"15d\"", "`min_duration` is longer than `max_duration`"),
        ("[gate]\nmax_duration = \"0s\"", "`gate.max_duration` must be a duration longer than zero"),
        ("[rollout]\nphases = [1]", "rollout phases are not built yet"),
        ("[telemetry]\nlog.level = \"a=b=c\"", "`telemetry.log.level` must be a log level or filter"),
        ("[telemetry]\nlog.level = \"debgu\"", "`telemetry.log.level` must be a log level or filter"),
        ("[telemetry]\nlog.level = \"\"", "`telemetry.log.level` must be a log level or filter"),
        ("[telemetry]\nlog.level = \"warn,parallax::proxy=debug\"", ""),
        ("[telemetry]\notlp.endpoint = \"x\"", "traces by OTLP are not built yet"),
        ("[store]\npath = \"${NOPE}\"", "the environment variable NOPE is not set"),
        (
            "[control]\nurl = \"http://b:${NOPE}\"\n[mirror]\nsample = 2",
            "the environment variable NOPE is not set|`mirror.sample` must be a share between 0 and 1, or a percentage",
        ),
        ("[store]\npath = \"a\"\npath = \"b\"", "this is not TOML: duplicate key"),
    ] {
        assert_eq!(messages(text).join("|"), want, "{text}");
    }
}

#[test]
fn what_a_room_would_refuse_has_its_line() {
    let text = "[[route]]\npath = \"/a\"\noperation_from = \"json:$..x\"\n[redact]\njson = [\"$.a\",\n  \"$[0:2]\"]\n";
    let error = read_as(text, Notation::Toml, &urls()).unwrap_err();
    let told: Vec<_> = error
        .problems()
        .iter()
        .map(|p| (error.position(p).map(|at| (at.line, at.column)), p.label.as_deref().unwrap_or_default()))
        .collect();
    let slices = "slices are not supported; use `[*]` or `[3]` (at character 4 of the path)";
    assert_eq!(told, [(Some((3, 18)), "a JSON path such as $.method is expected"), (Some((6, 3)), slices)]);
}

#[test]
fn what_is_no_yaml_has_its_place() {
    let error = read_as("listen: {}\nä: b: c", Notation::Yaml, &urls()).unwrap_err();
    let place = error.position(&error.problems()[0]).unwrap();
    assert_eq!((place.line, place.column), (2, 5), "{error}");
}

proptest! {
    /// What is accepted here is accepted where it is used.
    #[test]
    fn what_is_accepted_can_be_used(
        path in "/[a{}*x/ .%]{0,8}",
        operation in "(json:|query:)?\\$?[.a\\[\\]'*0]{0,6}",
        location in "\\$[.a\\[\\]'\"*0-]{0,6}",
        pattern in "[ab*+?|()\\[\\]^]{1,5}",
    ) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let file = format!(
            "[[route]]\npath = {}\noperation_from = {}\n[redact]\njson = [{}]\npatterns = [{}]\n",
            quoted(&path), quoted(&operation), quoted(&location), quoted(&pattern),
        );
        if let Ok(checked) = read_as(&file, Notation::Toml, &urls()) {
            let specs: Vec<_> = checked.routes.iter().map(|r| r.spec.clone()).collect();
            prop_assert!(crate::routes::RouteTable::new(&specs).is_ok(), "{file}");
            prop_assert!(crate::redact::Redactor::new(&checked.redact, [0; 32]).is_ok(), "{file}");
        }
    }
}

#[test]
fn urls_that_were_refused_are_not_taken_for_the_same() {
    let flags = Flags { primary: Some("ftp://a".into()), candidate: Some("b".into()), ..Flags::default() };
    let error = read_as("", Notation::Toml, &flags).unwrap_err();
    let messages: Vec<_> = error.problems().iter().map(|p| p.message.as_str()).collect();
    let url = |flag: &str| format!("`{flag}` must be a URL such as \"http://localhost:9001\"");
    assert_eq!(messages, [url("--primary"), url("--candidate")]);
}

#[test]
fn a_share_above_all_is_not_helped_to_a_hundredth() {
    let hint = |text: &str| {
        let text = format!("[mirror]\nsample = {text}\n");
        read_as(&text, Notation::Toml, &urls()).unwrap_err().problems()[0].label.clone()
    };
    assert_eq!(hint("10").as_deref(), Some("write 0.1 or \"10%\""));
    assert_eq!(hint("\"110%\""), None);
}

#[test]
fn a_leg_is_not_the_proxy_itself() {
    let refused = |listen: &str, candidate: &str| {
        let flags = Flags { listen: Some(listen.into()), candidate: Some(candidate.into()), ..urls() };
        check("", None, Notation::Toml, &flags, &environment).is_err()
    };
    for (listen, candidate, want) in [
        ("127.0.0.1:80", "http://localhost", true),
        ("0.0.0.0:80", "http://127.0.0.1/x", true),
        ("0.0.0.0:80", "http://[::1]", true),
        ("127.0.0.1:80", "http://0.0.0.0", true),
        ("10.0.0.1:80", "http://10.0.0.1", true),
        ("10.0.0.1:80", "http://127.0.0.1", false),
        ("127.0.0.1:81", "http://127.0.0.1", false),
        ("0.0.0.0:80", "http://new", false),
    ] {
        assert_eq!(refused(listen, candidate), want, "{listen} {candidate}");
    }
}
