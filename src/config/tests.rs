//! Files, good and bad, and what is said of them.

mod mistakes;

use super::*;
use crate::diff::{Align, Ignore, Shape};
use crate::gate::GateSettings;
use proptest::prelude::*;
use std::time::Duration;

fn environment(name: &str) -> Option<String> {
    match name {
        "OLD" => Some("http://old:80".to_owned()),
        "SECRET" => Some("hush".to_owned()),
        _ => None,
    }
}

fn read_as(text: &str, notation: Notation, flags: &Flags) -> Result<Checked, ConfigError> {
    let file = match notation {
        Notation::Toml => "parallax.toml",
        Notation::Yaml => "parallax.yaml",
        Notation::Json => "parallax.json",
    };
    check(text, Some(file.to_owned()), notation, flags, &environment)
}

fn read(text: &str) -> Result<Checked, ConfigError> {
    read_as(text, Notation::Toml, &Flags::default())
}

/// The file's errors as a person reads them.
fn errors(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

fn urls() -> Flags {
    Flags { primary: Some("http://a:1".into()), candidate: Some("http://b:2".into()), ..Flags::default() }
}

const FULL: &str = r#"
[listen]
address = "0.0.0.0:8080"
drain_timeout = "1m"
[admin]
open = ["/metrics"]
public_url = "https://parallax.example.com/"
[primary]
url = "${OLD}/base/"
[candidate]
url = "h2c://[::1]:81"
preserve_host = false
build_header = "X-Build"
[control]
url = "http://old-2"
sample = "25%"
[mirror]
sample = "10%"
sample_by = "cookie:session"
max_body = 4096
set_headers = { x-shadow = "1", authorization = "${SECRET}", x-pattern = "$${x}" }
remove_headers = ["X-Sign"]
[[route]]
name = "orders"
path = "/orders/{id}"
methods = ["GET", "POST"]
operation_from = "query:action"
critical = true
sample = 0.5
tolerance = "1%"
latency = { ratio = 1.5 }
[[route]]
path = "/files/{*rest}"
[[rule]]
id = "all"
on = "orders"
expires = 2027-03-01
at = "json:$.x"
ignore = "extra"
tolerance = { relative = 1e-12, time = "2s" }
align = { key = ["id", "[0]"] }
shape = { regex = "^[a-z]+\\d$" }
same = [[400, 422], ["null", "missing", "a\"b"], [true, 1.5]]
mask = { pattern = "host-[0-9]+", with = "host" }
bijection = "labels"
numeric_string = true
[[rule]]
id = "some"
at = "header:x-a"
ignore = "extra"
shape = "uuid"
[redact]
headers = ["Authorization", "cookie", "set-cookie", "x-key"]
json = ["$.a", "json:$.b", "$.user-id", "json:$.items.0.@type"]
patterns = ["\\d{16}"]
[store]
path = "data"
keep_days = 7
[gate]
criteria = ["divergence", "minimum"]
latency = { slack = "5ms", quantiles = "gate" }
min_duration = "0s"
[telemetry.log]
level = "info,parallax=debug"
"#;

#[test]
fn the_default_file_is_the_defaults() {
    let none = check("", None, Notation::Toml, &urls(), &environment).unwrap();
    let mut all = read_as(DEFAULTS, Notation::Toml, &urls()).unwrap();
    // Only that shows whether there was a section for the control.
    all.written.clone_from(&none.written);
    assert_eq!(none, all);
    assert_eq!(all.warnings, Vec::<String>::new());
    assert_eq!(all.gate.default, GateSettings::default());
    // Without flags as well: its examples are URLs.
    assert_eq!(read(DEFAULTS).unwrap().primary.to_string(), "http://127.0.0.1:8001");
}

#[test]
fn every_file_in_the_folder_loads() {
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".schema.json") {
            continue;
        }
        load_with(Some(&path), &Flags::default(), &environment).unwrap_or_else(|e| panic!("{e}"));
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn every_key_of_the_table_is_in_the_default_file() {
    for section in keys::SECTIONS {
        for key in section.keys.iter().take(if section.name == "route" { 1 } else { 9 }).copied().flatten() {
            let found = |name: &str| {
                DEFAULTS.lines().any(|l| {
                    let l = l.trim_start_matches("# ");
                    l.starts_with(&format!("{name} = ")) || l.starts_with(&format!("{name}."))
                })
            };
            assert!(found(key.name), "{}.{}", section.name, key.name);
        }
    }
}

#[test]
fn the_schema_is_current_and_knows_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/parallax.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, schema()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema(), "run this test with UPDATE_SCHEMA=1");
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let tree = parse::parse(FULL, Notation::Toml).unwrap();
    let defaults = parse::parse(DEFAULTS, Notation::Toml).unwrap();
    for table in [&tree, &defaults] {
        in_schema(table, &schema);
    }
}

fn in_schema(table: &Table, schema: &serde_json::Value) {
    for entry in &table.0 {
        let known = &schema["properties"][&entry.key];
        assert!(known.get("description").is_some(), "{} is not in the schema", entry.key);
        match &entry.node.value {
            Value::Table(inner) if known.get("properties").is_some() => in_schema(inner, known),
            Value::Array(items) if known["items"].get("properties").is_some() => {
                items.iter().for_each(|i| in_schema(i.as_table().unwrap(), &known["items"]));
            }
            _ => {}
        }
    }
}

#[test]
fn a_full_file_is_understood() {
    let flags = Flags { admin: Some("127.0.0.1:0".into()), candidate_build: Some("b1".into()), ..Flags::default() };
    let c = read_as(FULL, Notation::Toml, &flags).unwrap();
    assert_eq!(c.primary.to_string(), "http://old/base");
    assert_eq!(c.candidate.to_string(), "h2c://[::1]:81");
    assert!(!c.candidate.preserve_host);
    assert_eq!(c.build_header, "x-build");
    assert_eq!(c.candidate_build.as_deref(), Some("b1"));
    assert_eq!((c.control.unwrap().port, c.control_sample), (80, 0.25));
    assert_eq!(c.listen.drain_timeout, Duration::from_secs(60));
    assert_eq!(c.admin.public_url.as_deref(), Some("https://parallax.example.com"));
    assert_eq!(c.mirror.sample_by, crate::mirror::SampleBy::Cookie("session".into()));
    let headers: Vec<_> = c.mirror.set_headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(headers, [("x-shadow", "1"), ("authorization", "hush"), ("x-pattern", "${x}")]);
    assert!(!format!("{:?}", c.mirror).contains("hush"));

    let orders = &c.routes[0];
    assert_eq!(orders.spec.operation_from, Some(crate::routes::OperationFrom::Query("action".into())));
    assert_eq!((orders.mirror.sample, orders.mirror.max_body), (0.5, 4096));
    assert_eq!(orders.mirror.methods, [http::Method::GET, http::Method::POST]);
    assert_eq!(c.routes[1].spec.name, "/files/{*rest}");
    assert!(c.routes[1].spec.methods.is_empty());
    assert_eq!(c.routes[1].mirror, c.mirror);
    // A route refines [gate], which refines the defaults, key by key.
    let (policy, critical) = c.gate.for_route("POST orders");
    assert!(critical);
    assert_eq!((policy.tolerance, policy.latency.ratio), (0.01, 1.5));
    assert_eq!((policy.latency.slack, policy.latency.p95_ratio), (Duration::from_millis(5), 1.2));
    assert_eq!(c.gate.default.latency.ratio, 1.1);

    let rule = &c.rules[0];
    assert_eq!(rule.expires.as_deref(), Some("2027-03-01"));
    assert_eq!(rule.ignore, Some(Ignore::Extra));
    assert_eq!(rule.align, Some(Align::Key(vec!["id".into(), "[0]".into()])));
    assert_eq!(rule.shape, Some(Shape::Regex("^[a-z]+\\d$".into())));
    assert_eq!(rule.same, [vec!["400", "422"], vec!["null", "missing", "\"a\\\"b\""], vec!["true", "1.5"]]);
    assert_eq!(rule.tolerance.unwrap().time, Some(Duration::from_secs(2)));
    assert_eq!(c.rules[1].on, "*");
    assert_eq!(c.redact.headers, ["authorization", "cookie", "set-cookie", "x-key"]);
    assert_eq!(c.redact.json, ["json:$.a", "json:$.b", "json:$.user-id", "json:$.items.0.@type"]);
    insta::assert_snapshot!(c.warnings.join("\n"), @r#"
gate.min_duration is 0s: a verdict may come from minutes of traffic, which tells nothing about tonight's
route orders mirrors POST: the candidate gets writes, it must not share the primary's data
"#);
}

#[test]
fn what_holds_for_all_routes_together_is_no_key_of_one() {
    let text = "[[route]]\npath = \"/a\"\ncoverage = 0.5\nmin_duration = \"48h\"\nmax_duration = \"30d\"\nmax_in_flight = 2\n\
                memory_budget = \"64MiB\"\n";
    let warnings = read_as(text, Notation::Toml, &urls()).unwrap().warnings;
    let told = |key: &str| format!("{key} of route /a has no effect: it holds for all routes together");
    assert_eq!(warnings, ["coverage", "max_duration", "max_in_flight", "memory_budget"].map(told));
}

#[test]
fn methods_that_only_read_are_no_writes() {
    let text = "[mirror]\nmethods = [\"GET\", \"PROPFIND\", \"REPORT\", \"SEARCH\", \"QUERY\", \"MKCOL\"]\n";
    let warnings = read_as(text, Notation::Toml, &urls()).unwrap().warnings;
    let expected = "mirror.methods names MKCOL: the candidate gets writes, it must not share the primary's data";
    assert!(warnings.iter().any(|w| w == expected), "{warnings:?}");
}

#[test]
fn the_effective_configuration_loads_again_to_the_same() {
    let flags = Flags { candidate: Some("http://new".into()), data: Some("else ${where}".into()), ..Flags::default() };
    for (text, flags) in [(FULL, &flags), (FULL, &Flags::default()), (DEFAULTS, &Flags::default()), ("", &urls())] {
        let checked = read_as(text, Notation::Toml, flags).unwrap();
        let shown = effective(&checked);
        let again = read(&shown).unwrap_or_else(|e| panic!("{e}\n{shown}"));
        assert_eq!(again, checked, "{shown}");
        assert!(!shown.contains("hush"));
    }
    let shown = effective(&read(FULL).unwrap());
    assert!(
        shown.contains("url = \"http://old:80/base/\"") && shown.contains("authorization = \"${SECRET}\""),
        "{shown}"
    );
    let checked =
        read_as("[mirror]\nset_headers = { X-Api-Key = 'plain', x-a = '1' }", Notation::Toml, &urls()).unwrap();
    assert!(effective(&checked).contains(r#"set_headers = { X-Api-Key = "<hidden>", x-a = "1" }"#));
    // What is never to be shown is not shown by its name.
    let checked = read_as("[redact]\npatterns = ['${SECRET}']", Notation::Toml, &urls()).unwrap();
    assert!(effective(&checked).contains("patterns = [\"${SECRET}\"]"));
}

#[test]
fn yaml_and_json_say_the_same() {
    // What a table of headers is sorted by, and how it was written, is the notation's affair.
    let plain = |mut checked: Checked| {
        let mirrors = checked.routes.iter_mut().map(|r| &mut r.mirror).chain([&mut checked.mirror]);
        mirrors.for_each(|m| m.set_headers.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str())));
        checked.written.clear();
        checked
    };
    let dated = FULL.replace("2027-03-01", "\"2027-03-01\"");
    let table: toml::Table = toml::from_str(&dated).unwrap();
    let json = serde_json::to_string_pretty(&table).unwrap();
    let want = plain(read(FULL).unwrap());
    // YAML takes JSON as well.
    for (text, notation) in
        [(dated, Notation::Toml), (json.clone(), Notation::Json), (format!("# x\n{json}"), Notation::Yaml)]
    {
        let checked = read_as(&text, notation, &Flags::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(plain(checked), want, "{notation:?}");
    }

    let yaml = "primary:\n  url: http://old\ncandidate: { url: 'http://new' }\nrule:\n- id: a\n  on: '*'\n  at: status\n  same: [[400, 422]]\n  expires: 2027-03-01\n";
    let c = read_as(yaml, Notation::Yaml, &Flags::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(c.rules[0].same, [["400", "422"]]);
    assert_eq!(c.rules[0].expires.as_deref(), Some("2027-03-01"));
}

#[test]
fn every_error_is_drawn_with_its_line() {
    insta::assert_snapshot!(errors("[primary]\nurl = \"http://a\"\n[candidate]\nurl = \"http://b\"\n\n[mirror]\nmax_inflight = 200\nsample = 10\n[[route]]\npath = \"/a/{\"\ntolerence = 1\n"), @r#"
error: unknown key `max_inflight` in [mirror]
 --> parallax.toml:7:1
  |
7 | max_inflight = 200
  | ^^^^^^^^^^^^ did you mean `max_in_flight`?
error: `mirror.sample` must be a share between 0 and 1, or a percentage
 --> parallax.toml:8:10
  |
8 | sample = 10
  |          ^^ write 0.1 or "10%"
error: `route.path` must be a path template such as "/orders/{id}"
  --> parallax.toml:10:8
   |
10 | path = "/a/{"
   |        ^^^^^^ a brace of `{` has no partner
error: unknown key `tolerence` in [[route]]
  --> parallax.toml:11:1
   |
11 | tolerence = 1
   | ^^^^^^^^^ did you mean `tolerance`?
4 errors in parallax.toml
"#);
}

#[test]
fn errors_without_a_line() {
    let none = check("", None, Notation::Toml, &Flags::default(), &environment).unwrap_err();
    insta::assert_snapshot!(none, @r#"
error: the primary has no URL
help: give `--primary http://HOST:PORT`
error: the candidate has no URL
help: give `--candidate http://HOST:PORT`
2 errors
"#);
    insta::assert_snapshot!(errors("[primary]\npreserve_host = true\n"), @r#"
error: the candidate has no URL
  --> parallax.toml
help: set `url` in [candidate], or give `--candidate http://HOST:PORT`
error: the primary has no URL
 --> parallax.toml:1:2
  |
1 | [primary]
  |  ^^^^^^^
help: set `url` in [primary], or give `--primary http://HOST:PORT`
2 errors in parallax.toml
"#);
    let flags = Flags {
        primary: Some("localhost:9001".into()),
        candidate: Some("http://a".into()),
        listen: Some(":80".into()),
        ..Flags::default()
    };
    let flags = check("", None, Notation::Toml, &flags, &environment).unwrap_err();
    insta::assert_snapshot!(flags, @r#"
error: `--listen` must be an address and port such as "127.0.0.1:8080"
  --> --listen :80
help: write "0.0.0.0:80" for every interface, "127.0.0.1:80" for this machine only
error: `--primary` must be a URL such as "http://localhost:9001"
  --> --primary localhost:9001
help: there is no scheme: write "http://localhost:9001"
2 errors
"#);
    assert_eq!(flags.problems()[0].flag(), Some("--listen"));
    assert!(!flags.is_unread());
    let missing = load(Some(Path::new("/nowhere/parallax.toml")), &urls()).unwrap_err();
    assert!(missing.is_unread());
    insta::assert_snapshot!(missing, @r#"
error: cannot read the configuration /nowhere/parallax.toml: No such file or directory (os error 2)
  --> /nowhere/parallax.toml
1 error in /nowhere/parallax.toml
"#);
}

#[test]
fn what_no_key_is_wrong_about_alone() {
    insta::assert_snapshot!(errors("[listen]\naddress = \"0.0.0.0:80\"\n[admin]\naddress = \"0.0.0.0:80\"\n[primary]\nurl = \"http://a\"\n[candidate]\nurl = \"http://A:80/\"\n[control]\nurl = \"http://localhost\"\n[gate]\nmin_duration = \"20d\"\n"), @r#"
error: listen and admin are both on port 80
 --> parallax.toml:4:11
  |
4 | address = "0.0.0.0:80"
  |           ^^^^^^^^^^^^
help: give one of them another port; port 0 picks a free one
error: admin address 0.0.0.0:80 is not loopback and `admin.token_file` is not set
 --> parallax.toml:4:11
  |
4 | address = "0.0.0.0:80"
  |           ^^^^^^^^^^^^
help: make a token and name its file in [admin]:
      (umask 077; head -c 32 /dev/urandom | base64 > parallax.token)
      token_file = "parallax.token"
error: primary and candidate are both http://a:80: every comparison would match
 --> parallax.toml:8:7
  |
8 | url = "http://A:80/"
  |       ^^^^^^^^^^^^^^
help: `--control` takes a second instance of the old system
error: control http://localhost:80 is the proxy's own listen address: it would ask itself
  --> parallax.toml:10:7
   |
10 | url = "http://localhost"
   |       ^^^^^^^^^^^^^^^^^^
help: set control.url to where the system itself listens, or move listen.address
error: control http://localhost:80 is the proxy's own admin interface
  --> parallax.toml:10:7
   |
10 | url = "http://localhost"
   |       ^^^^^^^^^^^^^^^^^^
help: set control.url to where the system itself listens, or move admin.address
error: `min_duration` is longer than `max_duration`
  --> parallax.toml:12:16
   |
12 | min_duration = "20d"
   |                ^^^^^ 20d and 14d: no evidence would ever be enough
6 errors in parallax.toml
"#);
}

#[test]
fn notations_that_do_not_parse() {
    insta::assert_snapshot!(errors("[mirror\nsample = 1\nx = \"\n"), @r#"
error: this is not TOML: unclosed table, expected `]`
 --> parallax.toml:1:8
  |
1 | [mirror
  |        ^
1 error in parallax.toml
"#);
    insta::assert_snapshot!(read_as("{\n \"mirror\": { \"sample\": 2, \"sampel\": 1 },\n}", Notation::Json, &urls()).unwrap_err(), @r#"
error: this is not JSON: key must be a string
 --> parallax.json:3:1
  |
3 | }
  | ^
1 error in parallax.json
"#);
    insta::assert_snapshot!(read_as("{\n \"mirror\": { \"sample\": 2, \"sampel\": 1 }\n}", Notation::Json, &urls()).unwrap_err(), @r#"
error: `mirror.sample` must be a share between 0 and 1, or a percentage
 --> parallax.json:2:24
  |
2 |  "mirror": { "sample": 2, "sampel": 1 }
  |                        ^ write 0.02 or "2%"
error: unknown key `sampel` in [mirror]
 --> parallax.json:2:27
  |
2 |  "mirror": { "sample": 2, "sampel": 1 }
  |                           ^^^^^^^^ did you mean `sample`?
2 errors in parallax.json
"#);
    insta::assert_snapshot!(read_as("mirror:\n  sämple: 1\n  sample: 2\n", Notation::Yaml, &urls()).unwrap_err(), @r#"
error: unknown key `sämple` in [mirror]
 --> parallax.yaml:2:3
  |
2 |   sämple: 1
  |   ^^^^^^ did you mean `sample`?
error: `mirror.sample` must be a share between 0 and 1, or a percentage
 --> parallax.yaml:3:11
  |
3 |   sample: 2
  |           ^ write 0.02 or "2%"
2 errors in parallax.yaml
"#);
    insta::assert_snapshot!(read_as("mirror: [\n", Notation::Yaml, &urls()).unwrap_err(), @r#"
error: this is not YAML: unclosed bracket '[' at line 1, column 9
 --> parallax.yaml:1:9
  |
1 | mirror: [
  |         ^
1 error in parallax.yaml
"#);
}

#[test]
fn deep_nesting_is_an_error() {
    for depth in [40, 200, 100_000] {
        let nest = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (text, notation) in [
            (format!("x = {nest}"), Notation::Toml),
            (format!("x: {nest}"), Notation::Yaml),
            (format!("{}1", "- ".repeat(depth)), Notation::Yaml),
            (format!("{{\"x\": {nest}}}"), Notation::Json),
        ] {
            let error = read_as(&text, notation, &urls()).unwrap_err();
            assert!(!error.problems()[0].message.starts_with("unknown"), "{notation:?} {depth}");
        }
    }
}

#[test]
fn offline_needs_no_urls_and_no_files() {
    let flags = Flags { offline: true, ..Flags::default() };
    let text = "[admin]\naddress = \"0.0.0.0:1\"\ntoken_file = \"/nowhere\"\n[gate]\ntolerance = 0.01";
    assert_eq!(read_as(text, Notation::Toml, &flags).unwrap().gate.default.tolerance, 0.01);
    assert!(read_as("[gate]\ntolerence = 0.01", Notation::Toml, &flags).is_err());
}

#[test]
fn what_is_allowed_but_warned_about() {
    let text = "[candidate]\nurl = \"https://new\"\ntls.insecure = true\n[primary]\ntls.insecure = true\n[control]\nsample = 0.5\n[mirror]\nsample = 0\n[[route]]\nname = \"w\"\npath = \"/w\"\nmethods = [\"POST\"]\n[redact]\nheaders = [\"x-key\"]\n[gate]\nmin_duration = \"0s\"";
    let flags = Flags { primary: Some("http://old".into()), ..Flags::default() };
    let checked = read_as(text, Notation::Toml, &flags).unwrap_or_else(|e| panic!("{e}"));
    insta::assert_snapshot!(checked.warnings.join("\n"), @r#"
redact.headers leaves out authorization, which is redacted all the same
redact.headers leaves out cookie, which is redacted all the same
redact.headers leaves out set-cookie, which is redacted all the same
gate.min_duration is 0s: a verdict may come from minutes of traffic, which tells nothing about tonight's
mirror.sample is 0: nothing is mirrored
route w mirrors POST: the candidate gets writes, it must not share the primary's data
primary.tls has no effect: its URL is not https
candidate.tls.insecure accepts any certificate
[control] has no url: no control is asked
"#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|\n){0,200}") {
        for notation in [Notation::Toml, Notation::Yaml, Notation::Json] {
            if let Err(e) = read_as(&text, notation, &Flags::default()) {
                prop_assert!(e.problems().iter().all(|p| e.position(p).is_none_or(|at| at.line >= 1 && at.column >= 1)));
                prop_assert!(!e.render(true).is_empty());
            }
        }
    }

    #[test]
    fn no_damage_to_a_file_makes_it_panic(at in 0..FULL.len(), what in "[\\[\\]{}\"'=#$.,0-9a-zé\n ]{0,4}", cut in 0usize..6) {
        let mut text = FULL.to_owned();
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &what);
        if let Err(e) = read(&text) {
            prop_assert!(!e.to_string().is_empty());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let _ = load_with(Some(file.path()), &Flags::default(), &environment);
    }

    #[test]
    fn no_word_makes_it_panic(text in "\\PC{0,24}", number in "[0-9.]{0,12}[a-zA-Z%]{0,3}") {
        for text in [&text, &number] {
            let _ = (words::duration(text), words::size(text), words::share(text), words::address(text), words::url(text), words::template(text));
        }
    }
}
