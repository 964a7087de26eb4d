//! What is shipped beside the program fits it: dashboards and alerts ask for metrics that there are, manifests and
//! units agree with themselves and with the defaults.

use crate::harness::*;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

// === Metrics ===

/// The labels of each sample's name, and the type of each family by the name of its samples.
#[derive(Debug, Default)]
struct Exposed {
    samples: BTreeMap<String, BTreeSet<String>>,
    families: BTreeMap<String, String>,
}

impl Exposed {
    fn of(text: &str) -> Self {
        let mut exposed = Self::default();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
                let suffix = if kind == "counter" { "_total" } else { "" };
                exposed.families.insert(format!("{name}{suffix}"), kind.to_owned());
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap().to_owned();
                exposed.samples.entry(name).or_default().extend(labels(line));
            }
        }
        exposed
    }

    /// Those of the family's samples, without what histograms add.
    fn labels_of(&self, family: &str) -> BTreeSet<String> {
        let suffix = if self.families[family] == "histogram" { "_count" } else { "" };
        self.samples.get(&format!("{family}{suffix}")).cloned().unwrap_or_default()
    }
}

/// The names before `=` in the first braces, quoted text left aside.
fn labels(text: &str) -> Vec<String> {
    let quoted = Regex::new(r#""(\\.|[^"\\])*""#).unwrap();
    let bare = quoted.replace_all(text, "").into_owned();
    let Some((_, inside)) = bare.split_once('{') else { return Vec::new() };
    let name = Regex::new(r"([a-z_]+)\s*(=~|!=|!~|=)").unwrap();
    name.captures_iter(inside.split('}').next().unwrap()).map(|c| c[1].to_owned()).collect()
}

/// What stands in `by (...)`, `without (...)` and in a legend's `{{...}}`.
fn grouped(text: &str) -> Vec<String> {
    let lists = Regex::new(r"\b(?:by|without)\s*\(([^)]*)\)|\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}").unwrap();
    let lists = lists.captures_iter(text).flat_map(|c| {
        let list = c.get(1).or(c.get(2)).unwrap().as_str();
        list.split(',').map(|l| l.trim().to_owned()).collect::<Vec<_>>()
    });
    lists.filter(|l| !l.is_empty()).collect()
}

/// What is wrong with a query, by what a proxy exposes and a scraper adds.
fn faults(exposed: &Exposed, query: &str, shown: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut known: BTreeSet<String> = ["instance", "job"].map(str::to_owned).into();
    let metric = Regex::new("parallax_[a-z_]+").unwrap();
    for found in metric.find_iter(query) {
        let Some(own) = exposed.samples.get(found.as_str()) else {
            faults.push(format!("there is no {}", found.as_str()));
            continue;
        };
        known.extend(own.iter().cloned());
        if query[found.end()..].starts_with('{') {
            let asked = labels(&query[found.end()..]);
            let strange = asked.into_iter().filter(|l| !own.contains(l) && l != "instance" && l != "job");
            faults.extend(strange.map(|l| format!("{} has no label {l}", found.as_str())));
        }
    }
    let groups = grouped(query).into_iter().chain(grouped(shown));
    faults.extend(groups.filter(|l| !known.contains(l)).map(|l| format!("nothing here has the label {l}")));
    faults
}

/// What a proxy exposes that has met everything there is to count.
fn exposed() -> Exposed {
    let broken = |seen: &Seen| seen.path().starts_with("/broken");
    let primary = Upstream::raw(move |seen, stream| {
        !broken(seen) && std::io::Write::write_all(stream, &json(200, "{\"a\":1,\"t\":1,\"n\":1}")).is_ok()
    });
    let candidate = Upstream::answering(|seen| {
        json(200, if seen.path() == "/ruled" { "{\"a\":1,\"t\":2,\"n\":1}" } else { "{\"a\":\"1\",\"t\":2,\"n\":1}" })
    });
    let mut config = String::from("[gate]\ncriteria = [\"minimum\"]\nmin_duration = \"1h\"\nwarm_up = \"0s\"\n");
    config.push_str("[[rule]]\nid = \"t\"\nat = \"json:$.t\"\nignore = true\nexpires = \"2999-01-01\"\n");
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).args(&["--control", &primary.url()]).config(&config).start();
    for path in ["/things/1", "/ruled", "/broken"] {
        proxy.get(path);
    }
    proxy.send("POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    proxy.send("GET / HTTP/1.1\r\n\r\n");
    proxy.settled(4);
    proxy.signal("-HUP");
    let is_told = |page: &str| {
        page.contains("parallax_config_last_reload_timestamp_seconds ") && !page.contains("commit_seconds_count 0\n")
    };
    let page = || {
        let mut client = Client::connect(proxy.admin);
        client.write(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.admin).as_bytes());
        client.read_reply().text()
    };
    until(|| is_told(&page()), || format!("not reloaded or not kept: {}", page()));
    let mut exposed = Exposed::of(&page());
    // On rows of quantiles alone, which take more pairs than come here.
    let rows = exposed.samples.values_mut().filter(|labels| labels.contains("criterion"));
    for labels in rows {
        labels.insert("measure".into());
    }
    exposed
}

#[test]
fn faults_are_found() {
    let exposed = Exposed::of(
        "# TYPE parallax_x counter\nparallax_x_total{route=\"GET /{id}\",leg=\"a=b\"} 1\n# TYPE parallax_h histogram\nparallax_h_bucket{le=\"1.0\",leg=\"a\"} 1\nparallax_h_count{leg=\"a\"} 1\n",
    );
    let of = |query, shown| faults(&exposed, query, shown).join("; ");
    assert_eq!(of("sum by (leg, le) (rate(parallax_h_bucket{instance=\"$i\", leg=~\"a|b{\"}[5m]))", "{{leg}} p99"), "");
    assert_eq!(of("parallax_x", ""), "there is no parallax_x");
    assert_eq!(of("parallax_x_total{kind=\"a\"}", ""), "parallax_x_total has no label kind");
    assert_eq!(
        of("sum by (kind) (parallax_x_total)", "{{tier}}"),
        "nothing here has the label kind; nothing here has the label tier"
    );
    assert_eq!(exposed.labels_of("parallax_h").into_iter().collect::<Vec<_>>(), ["leg"]);
}

#[test]
fn the_metrics_that_are_described_and_asked_for_are_those_that_there_are() {
    let exposed = exposed();

    // The page.
    let page = read("docs/metrics.md");
    let row = Regex::new(r"(?m)^\| `(parallax_[a-z_]+)` \| ([a-z]+) \|([a-z_, ]*)\| ").unwrap();
    let described: BTreeMap<_, _> = row
        .captures_iter(&page)
        .map(|c| {
            let labels = c[3].split(',').map(|l| l.trim().to_owned()).filter(|l| !l.is_empty());
            (c[1].to_owned(), (c[2].to_owned(), labels.collect::<BTreeSet<_>>()))
        })
        .collect();
    let there: BTreeMap<_, _> =
        exposed.families.iter().map(|(n, kind)| (n.clone(), (kind.clone(), exposed.labels_of(n)))).collect();
    assert_eq!(described, there);

    // The dashboard.
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut check = |place: &str, query: &str, shown: &str| {
        asked += 1;
        wrong.extend(faults(&exposed, query, shown).into_iter().map(|f| format!("{place}: {f} in {query}")));
    };
    let dashboard: Value = serde_json::from_str(&read("contrib/grafana/parallax.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|p| p["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            check(title, target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        check("variable", variable["definition"].as_str().unwrap_or(""), "");
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        check("annotation", annotation["expr"].as_str().unwrap(), "");
    }

    // Alerts, and the series that they are tested with.
    for rule in yaml("contrib/prometheus/alerts.yaml")["groups"][0]["rules"].as_array().unwrap() {
        let texts = rule["annotations"].to_string();
        check(rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap(), &texts);
    }
    for test in yaml("contrib/prometheus/alerts_test.yaml")["tests"].as_array().unwrap() {
        for series in test["input_series"].as_array().unwrap() {
            check("alerts_test.yaml", series["series"].as_str().unwrap(), "");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 80, "{asked} queries");
}

#[test]
fn routes_have_the_names_that_the_report_has() {
    let (primary, candidate) = (Upstream::json("1"), Upstream::json("1"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    // Too many words at one place: the report takes them for ids once it has seen them all.
    let word = |i: u8| [b'a' + i / 26, b'a' + i % 26].map(char::from).iter().collect::<String>();
    let paths: Vec<_> = (0..60).map(|i| format!("/shops/{}ville", word(i))).collect();
    for path in paths.iter().chain(&paths) {
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        client.read_reply();
    }
    let report = proxy.settled(120);
    let mut names: Vec<_> = report["routes"].as_array().unwrap().iter().map(|r| r["route"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert!(names.len() < 50, "nothing was merged: {names:?}");
    let mut client = Client::connect(proxy.admin);
    client.write(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.admin).as_bytes());
    let text = client.read_reply().text();
    for metric in ["parallax_requests_total", "parallax_leg_first_byte_seconds_count", "parallax_gate_samples"] {
        let lines = text.lines().filter(|l| l.starts_with(&format!("{metric}{{")));
        let lines = lines.filter(|l| l.contains("leg=\"candidate\"") || !l.contains("leg="));
        let found = lines.filter_map(|l| l.split_once("route=\"")?.1.split_once('"')).map(|(route, _)| route);
        let found: BTreeSet<_> = found.filter(|r| !r.is_empty()).collect();
        assert!(found.iter().all(|r| names.contains(r)), "{metric}: {found:?}, the report has {names:?}");
        assert!(!found.is_empty(), "{metric}");
    }
}

#[test]
fn the_dashboard_can_be_provisioned() {
    let text = read("contrib/grafana/parallax.json");
    assert!(!text.contains("__inputs"), "is not resolved where dashboards are provisioned");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<_> = panels.iter().filter(|p| p["type"] == "row").map(|p| p["title"].as_str().unwrap()).collect();
    let expected = [
        "Verdict and ETA",
        "Bounds against limits, by route",
        "Accounting",
        "Legs: errors and latency",
        "Budgets",
        "Safety",
    ];
    assert_eq!(rows, expected);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|v| v["name"] == "datasource" && v["type"] == "datasource"));
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels are {}", panel["id"]);
        assert!(panel["type"] == "row" || panel["datasource"]["uid"] == "${datasource}", "{}", panel["title"]);
    }
}

#[test]
fn every_alert_says_what_it_means_and_is_tested() {
    let (alerts, tests) = (yaml("contrib/prometheus/alerts.yaml"), read("contrib/prometheus/alerts_test.yaml"));
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 7);
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        for key in ["summary", "description"] {
            assert!(rule["annotations"][key].as_str().is_some_and(|t| t.len() > 20), "{name} has no {key}");
        }
        assert!(["info", "warning", "critical"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        assert!(tests.contains(&format!("alertname: {name}")), "{name} is not tested");
    }
}

// === Kubernetes ===

fn manifests() -> BTreeMap<String, Value> {
    let list = yaml("contrib/kubernetes/kustomization.yaml");
    let mut named: BTreeSet<_> =
        list["resources"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect();
    // It takes an operator, so it is left to people to switch it on.
    assert!(read("contrib/kubernetes/kustomization.yaml").contains("# - servicemonitor.yaml"));
    named.insert("servicemonitor.yaml".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/kubernetes");
    let there: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "kustomization.yaml")
        .collect();
    assert_eq!(named, there);
    let all = named.iter().map(|file| yaml(&format!("contrib/kubernetes/{file}")));
    let all: BTreeMap<_, _> = all.map(|m| (m["kind"].as_str().unwrap().to_owned(), m)).collect();
    assert_eq!(all.len(), named.len());
    all
}

#[test]
fn manifests_agree_with_each_other() {
    let all = manifests();
    let (pod, labels) = {
        let template = &all["Deployment"]["spec"]["template"];
        (&template["spec"], &template["metadata"]["labels"])
    };
    for manifest in all.values() {
        assert!(manifest["apiVersion"].is_string() && manifest["metadata"]["name"] == "parallax", "{manifest}");
        let selector = &manifest["spec"]["selector"];
        let selector = if selector["matchLabels"].is_object() { &selector["matchLabels"] } else { selector };
        let of_pods = manifest["kind"] != "ServiceMonitor";
        let target = if of_pods { labels } else { &all["Service"]["metadata"]["labels"] };
        for (key, value) in selector.as_object().into_iter().flatten() {
            assert_eq!(&target[key], value, "{}", manifest["kind"]);
        }
    }
    assert_eq!(&all["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"], labels);

    // Ports by name.
    let container = &pod["containers"][0];
    let ports: BTreeMap<_, _> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str().unwrap(), p["containerPort"].as_u64().unwrap()))
        .collect();
    let service = all["Service"]["spec"]["ports"].as_array().unwrap();
    for port in service {
        assert!(ports.contains_key(port["targetPort"].as_str().unwrap()), "{port}");
    }
    for rule in all["NetworkPolicy"]["spec"]["ingress"].as_array().unwrap() {
        assert!(ports.contains_key(rule["ports"][0]["port"].as_str().unwrap()), "{rule}");
    }
    let endpoint = &all["ServiceMonitor"]["spec"]["endpoints"][0];
    assert!(service.iter().any(|p| p["name"] == endpoint["port"]), "{endpoint}");
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(
            (&container[probe]["httpGet"]["path"], &container[probe]["httpGet"]["port"]),
            (&path.into(), &"admin".into())
        );
    }

    // Volumes, and what is mounted.
    let volumes: BTreeMap<_, _> =
        pod["volumes"].as_array().unwrap().iter().map(|v| (v["name"].as_str().unwrap(), v)).collect();
    let mounts: BTreeMap<_, _> = container["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["name"].as_str().unwrap(), m["mountPath"].as_str().unwrap()))
        .collect();
    assert!(volumes.keys().eq(mounts.keys()), "{volumes:?} {mounts:?}");
    assert_eq!(volumes["config"]["configMap"]["name"], all["ConfigMap"]["metadata"]["name"]);
    assert_eq!(volumes["data"]["persistentVolumeClaim"]["claimName"], all["PersistentVolumeClaim"]["metadata"]["name"]);
    let secret = &volumes["token"]["secret"]["secretName"];
    assert_eq!(&endpoint["authorization"]["credentials"]["name"], secret);
    let create = format!("kubectl create secret generic {} --from-literal=token=", secret.as_str().unwrap());
    assert!(read("contrib/kubernetes/kustomization.yaml").contains(&create));

    // The configuration is one, and speaks of the same ports and paths.
    let text = all["ConfigMap"]["data"]["parallax.toml"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("parallax.toml"), folder.path().join("token"));
    fs::write(&token, "0123456789abcdef").unwrap();
    let of_pod = format!("{}/token", mounts["token"]);
    assert!(text.contains(&of_pod));
    fs::write(&file, text.replace(&of_pod, token.to_str().unwrap())).unwrap();
    let checked =
        parallax::config::load(Some(&file), &Default::default()).unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert_eq!(u64::from(checked.listen.address.port()), ports["proxy"]);
    assert_eq!(u64::from(checked.admin.address.port()), ports["admin"]);
    assert_eq!(checked.store.path, Path::new(mounts["data"]));
    let args = container["args"].as_array().unwrap();
    assert!(args.iter().any(|a| *a == format!("{}/parallax.toml", mounts["config"])), "{args:?}");

    // It is given the time to drain.
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    assert!(grace > before + checked.listen.drain_timeout.as_secs() + 2, "{grace} s");

    // It may do little.
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert_eq!(pod["automountServiceAccountToken"], false);
    // One process holds the store.
    assert_eq!(
        (&all["Deployment"]["spec"]["replicas"], &all["Deployment"]["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
}

// === systemd and compose ===

#[test]
fn who_stops_it_waits_for_longer_than_it_drains() {
    let defaults =
        parallax::config::load(None, &parallax::config::Flags { offline: true, ..Default::default() }).unwrap();
    let drains = defaults.listen.drain_timeout.as_secs() + 2;
    let seconds = |text: &str| text.trim_end_matches('s').parse::<u64>().unwrap();

    let unit = read("contrib/systemd/parallax.service");
    let value = |key: &str| {
        unit.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).unwrap_or_else(|| panic!("no {key}"))
    };
    assert!(seconds(value("TimeoutStopSec")) > drains);
    let expected = [
        ("Type", "exec"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("DynamicUser", "yes"),
        ("StateDirectory", "parallax"),
        ("ProtectSystem", "strict"),
    ];
    for (key, expected) in expected {
        assert_eq!(value(key), expected);
    }
    let words: Vec<_> = value("ExecStart").split(' ').collect();
    assert!(parallax::cli::command().try_get_matches_from(&words).is_ok(), "{words:?}");
    assert!(words.contains(&"/var/lib/parallax"), "the state directory: {words:?}");

    let compose = yaml("docker/compose.yaml");
    let service = &compose["services"]["parallax"];
    assert!(seconds(service["stop_grace_period"].as_str().unwrap()) > drains);
    assert_eq!((&service["read_only"], &service["cap_drop"][0]), (&true.into(), &"ALL".into()));
    for port in service["ports"].as_array().unwrap() {
        assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "open to others: {port}");
    }
    assert_ne!(read("docker/candidate.conf"), read("docker/primary.conf"));
}
