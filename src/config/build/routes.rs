//! `[mirror]` and `[gate]`, for the whole and for each `[[route]]`.

use super::Sources;
use super::legs::header_name;
use super::sides::as_usize;
use crate::config::checked::Route;
use crate::config::keys::Section;
use crate::config::node::{Node, Place, Table, Value};
use crate::config::problem::Problem;
use crate::config::read::{Problems, Reader, Wrong, text};
use crate::config::words;
use crate::gate::{Criterion, GateSettings, LatencySettings, Quantiles, RoutePolicy};
use crate::mirror::{MirrorSettings, SampleBy, Start};
use crate::routes::{OperationFrom, RouteSpec, RouteTable};
use http::{HeaderName, HeaderValue, Method};

/// Headers that belong to a connection or frame a message: not a setting's to change.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-parallax-leg",
];

pub(super) fn mirror(reader: &Reader<'_>) -> MirrorSettings {
    let memory_budget = reader.size("memory_budget");
    let max_body = reader.size("max_body");
    if max_body > memory_budget {
        let problem = Problem::at(reader.place("max_body"), "`max_body` is larger than `memory_budget`");
        reader.note(problem.label("not one such body could be captured"));
    }
    MirrorSettings {
        sample: reader.share("sample"),
        sample_by: reader.get("sample_by", SampleBy::Request, |n| sample_by(text(n)?)),
        methods: methods(reader, true),
        start: if reader.choice("start") == "after-primary" { Start::AfterPrimary } else { Start::Concurrent },
        confirm: reader.bool("confirm"),
        timeout: reader.duration("timeout"),
        max_in_flight: as_usize(reader.count("max_in_flight")),
        max_rate: u32::try_from(reader.count("max_rate")).unwrap_or(u32::MAX),
        memory_budget: as_usize(memory_budget),
        max_body: as_usize(max_body),
        set_headers: set_headers(reader),
        remove_headers: reader.list("remove_headers", |n| {
            let name = free_header(text(n)?)?;
            if name == http::header::HOST { Err("every request has a Host".into()) } else { Ok(name) }
        }),
    }
}

pub(super) fn gate(reader: &Reader<'_>) -> GateSettings {
    let latency = reader.table("latency");
    let criteria = reader.choices("criteria");
    if criteria.is_empty() && reader.node("criteria").and_then(|n| n.as_array()).is_some_and(<[_]>::is_empty) {
        let problem = Problem::at(reader.place("criteria"), "`criteria` is empty: no evidence would be asked for");
        reader.note(problem.label("name at least one; all is the default"));
    }
    let min_duration = reader.duration("min_duration");
    let max_duration = reader.duration("max_duration");
    let is_taken = reader.is_taken("min_duration") && reader.is_taken("max_duration");
    if is_taken && min_duration > max_duration {
        let place = [reader.place("min_duration"), reader.place("max_duration")];
        let place = place.into_iter().find(|p| *p != Place::Nowhere).unwrap_or(Place::Nowhere);
        let problem = Problem::at(place, "`min_duration` is longer than `max_duration`");
        let written = |name| reader.node(name).and_then(Node::as_text).unwrap_or_default();
        let (min, max) = (written("min_duration"), written("max_duration"));
        reader.note(problem.label(format!("{min} and {max}: no evidence would ever be enough")));
    }
    GateSettings {
        criteria: Criterion::ALL.into_iter().filter(|c| criteria.iter().any(|name| name == c.as_str())).collect(),
        alpha_pass: reader.share("alpha_pass"),
        alpha_fail: reader.share("alpha_fail"),
        tolerance: reader.share("tolerance"),
        critical_tolerance: reader.share("critical_tolerance"),
        tail_tolerance: reader.share("tail_tolerance"),
        errors: reader.share("errors"),
        noise_cap: reader.share("noise_cap"),
        latency: LatencySettings {
            ratio: latency.number("ratio"),
            slack: latency.duration("slack"),
            block: latency.duration("block"),
            min_blocks: latency.count("min_blocks"),
            p95_ratio: latency.number("p95_ratio"),
            p99_ratio: latency.number("p99_ratio"),
            quantiles: if latency.choice("quantiles") == "gate" { Quantiles::Gate } else { Quantiles::Report },
        },
        coverage: reader.share("coverage"),
        unseen: reader.share("unseen"),
        max_unjudged: reader.share("max_unjudged"),
        min_comparisons: reader.count("min_comparisons"),
        min_duration,
        max_duration,
        warm_up: reader.duration("warm_up"),
        warm_up_pairs: reader.count("warm_up_pairs"),
        design_effect: reader.number("design_effect"),
    }
}

/// The routes, and the gate settings of each.
pub(super) fn routes(sources: &Sources<'_>) -> (Vec<Route>, Vec<RoutePolicy>) {
    let Some(section) = Section::named("route") else { return Default::default() };
    let mut routes: Vec<Route> = Vec::new();
    let mut policies = Vec::new();
    for node in sources.file.get("route").and_then(|n| n.as_array()).unwrap_or_default() {
        let Some(table) = node.as_table() else { continue };
        let own = Reader::new("route", section, vec![table], sources.problems);
        let path = own.opt("path", |n| {
            let path = text(n)?;
            words::template(path)?;
            Ok(path.to_owned())
        });
        if own.node("path").is_none() {
            let problem = Problem::at(node.place.clone(), "a [[route]] has no path");
            sources.note(problem.label("set `path` to a template such as \"/orders/{id}\""));
        }
        let name = own.opt("name", |n| match text(n)? {
            "" => Err("it is empty".into()),
            name if name.contains(char::is_whitespace) => Err("a route's name has no spaces".into()),
            name => Ok(name.to_owned()),
        });
        let name = name.or_else(|| path.clone()).unwrap_or_default();
        if !name.is_empty() && routes.iter().any(|r| r.spec.name == name) {
            let place = if own.node("name").is_some() { own.place("name") } else { own.place("path") };
            let problem = Problem::at(place, format!("there are two routes `{name}`"));
            sources.note(problem.label("give each a `name` of its own"));
        }
        // What is wrong in a layer below has been said of that layer.
        let inherited = Problems::default();
        let mirror_reader = layered(sources, section, table, "mirror", &inherited);
        let gate_reader = layered(sources, section, table, "gate", &inherited);
        let spec = RouteSpec {
            name: name.clone(),
            path: path.unwrap_or_default(),
            methods: methods(&own, false),
            host: own.opt("host", |n| {
                let host = text(n)?;
                let name = host.rsplit_once(':').filter(|(_, p)| p.parse::<u16>().is_ok()).map_or(host, |(h, _)| h);
                match words::host_name(name) {
                    true => Ok(host.to_ascii_lowercase()),
                    false => Err("write a host name, such as \"shop.example.com\"".into()),
                }
            }),
            operation_from: own.opt("operation_from", |n| operation_from(text(n)?)),
        };
        // Whether requests can be told by it is the table's to say, of what was taken so far.
        for error in RouteTable::new(std::slice::from_ref(&spec)).err().unwrap_or_default() {
            // A route without a name is called by its path.
            let key = if own.node(error.key).is_some() { error.key } else { "path" };
            if let Some(node) = own.node(key).filter(|_| own.is_taken(key)) {
                own.refuse(key, node, error.message.into());
            }
        }
        let named_by_body = matches!(spec.operation_from, Some(OperationFrom::Json(_)));
        let (critical, settings) = (own.bool("critical"), gate(&gate_reader));
        policies.push(RoutePolicy { name, methods: spec.verbs(), critical, named_by_body, settings });
        routes.push(Route { spec, mirror: mirror(&mirror_reader) });
        for problem in inherited.into_inner() {
            let said = |p: &Problem| p.place != Place::Nowhere && p.place == problem.place;
            if !sources.problems.borrow().iter().any(said) {
                sources.note(problem);
            }
        }
    }
    (routes, policies)
}

/// A route over the section that it refines over the defaults.
fn layered<'a>(
    sources: &Sources<'a>,
    section: &Section,
    route: &'a Table,
    name: &str,
    problems: &'a Problems,
) -> Reader<'a> {
    let below = [sources.file, sources.defaults].into_iter().filter_map(|t| t.get(name)?.as_table());
    Reader::new("route", section, std::iter::once(route).chain(below).collect(), problems)
}

fn methods(reader: &Reader<'_>, required: bool) -> Vec<Method> {
    let methods = reader.list("methods", |n| {
        let text = text(n)?;
        match text.parse::<Method>() {
            Ok(Method::CONNECT) => Err("CONNECT is never mirrored".into()),
            Ok(_) if text.bytes().any(|b| b.is_ascii_lowercase()) => {
                Err(format!("methods are case-sensitive: write \"{}\"", text.to_ascii_uppercase()).into())
            }
            Ok(method) => Ok(method),
            Err(_) => Err(Wrong::from("this is not a method")),
        }
    });
    if required && methods.is_empty() && reader.node("methods").and_then(|n| n.as_array()).is_some_and(<[_]>::is_empty)
    {
        let problem = Problem::at(reader.place("methods"), "`methods` is empty: nothing would be mirrored");
        reader.note(problem.label("name a method, or write sample = 0"));
    }
    methods
}

fn sample_by(text: &str) -> Result<SampleBy, Wrong> {
    match text.split_once(':') {
        None if text == "request" => Ok(SampleBy::Request),
        None if text == "client-ip" => Ok(SampleBy::ClientIp),
        Some(("header", name)) => Ok(SampleBy::Header(header_name(name)?)),
        Some(("cookie", name)) if !name.is_empty() && !name.contains(['=', ';', ' ']) => {
            Ok(SampleBy::Cookie(name.to_owned()))
        }
        _ => Err(Wrong::default()),
    }
}

fn operation_from(text: &str) -> Result<OperationFrom, Wrong> {
    match text.split_once(':') {
        Some(("header", name)) => Ok(OperationFrom::Header(header_name(name)?)),
        Some(("query", name)) if !name.is_empty() => Ok(OperationFrom::Query(name.to_owned())),
        Some(("json", path)) if path.starts_with('$') => Ok(OperationFrom::Json(path.to_owned())),
        _ => Err(Wrong::default()),
    }
}

fn free_header(name: &str) -> Result<HeaderName, Wrong> {
    let name = header_name(name)?;
    match FRAMING.contains(&name.as_str()) {
        true => Err(format!("`{name}` is set by the proxy itself").into()),
        false => Ok(name),
    }
}

fn set_headers(reader: &Reader<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some(node) = reader.node("set_headers") else { return Vec::new() };
    let Value::Table(table) = &node.value else {
        reader.refuse("set_headers", node, Wrong::default());
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in &table.0 {
        let name = free_header(&entry.key).map_err(|w| Wrong { place: Some(entry.place.clone()), ..w });
        let value = text(&entry.node).and_then(|v| {
            HeaderValue::from_str(v).map_err(|_| Wrong::from("a header's value is visible ASCII, spaces and tabs"))
        });
        let value = value.map_err(|w| Wrong::at(&entry.node, w.hint));
        match (name, value) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(super::super::effective::sensitive(name.as_str()));
                headers.push((name, value));
            }
            (name, value) => {
                for wrong in [name.err(), value.err()].into_iter().flatten() {
                    reader.refuse("set_headers", node, wrong);
                }
            }
        }
    }
    headers
}
