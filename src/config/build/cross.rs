//! What no key is wrong by itself about, and what is allowed but worth a warning.

use super::Sources;
use crate::config::checked::Checked;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::model::is_read_only;
use crate::upstream::{LegSettings, Scheme};
use http::Method;
use std::net::{IpAddr, SocketAddr};

pub(super) fn check(sources: &Sources<'_>, mut checked: Checked) -> Checked {
    if !sources.offline {
        legs(sources, &checked);
        listeners(sources, &checked);
    }
    warn(sources, &mut checked);
    checked
}

fn legs(sources: &Sources<'_>, checked: &Checked) {
    let given = |leg: &str| sources.own(leg).is_taken("url");
    if given("primary") && given("candidate") && same(&checked.primary, &checked.candidate) {
        let url = full(&checked.primary);
        let message = format!("primary and candidate are both {url}: every comparison would match");
        let problem = Problem::at(sources.own("candidate").place("url"), message);
        sources.note(problem.help("`--control` takes a second instance of the old system"));
    }
    if let Some(control) = &checked.control
        && given("candidate")
        && same(control, &checked.candidate)
    {
        let message =
            format!("control and candidate are both {}: every divergence would pass for noise", full(control));
        let problem = Problem::at(sources.own("control").place("url"), message);
        sources.note(problem.help("the control is a second instance of the old system, or the primary itself"));
    }
    let legs = [
        ("primary", Some(&checked.primary)),
        ("candidate", Some(&checked.candidate)),
        ("control", checked.control.as_ref()),
    ];
    for (name, leg) in legs {
        let Some(leg) = leg.filter(|_| given(name)) else { continue };
        for (own, address, what) in [
            ("listen", checked.listen.address, "the proxy's own listen address: it would ask itself"),
            ("admin", checked.admin.address, "the proxy's own admin interface"),
        ] {
            if reaches(leg, address) {
                let message = format!("{name} {} is {what}", full(leg));
                let problem = Problem::at(sources.own(name).place("url"), message);
                sources.note(
                    problem.help(format!("set {name}.url to where the system itself listens, or move {own}.address")),
                );
            }
        }
    }
}

fn listeners(sources: &Sources<'_>, checked: &Checked) {
    let (listen, admin) = (checked.listen.address, checked.admin.address);
    let overlap = listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
    if listen.port() != 0 && listen.port() == admin.port() && overlap {
        let place = [sources.own("admin").place("address"), sources.own("listen").place("address")];
        let place = place.into_iter().find(|p| *p != Place::Nowhere);
        let message = format!("listen and admin are both on port {}", listen.port());
        let problem = Problem::at(place.unwrap_or(Place::Nowhere), message);
        sources.note(problem.help("give one of them another port; port 0 picks a free one"));
    }
    if !admin.ip().to_canonical().is_loopback() && sources.reader("admin").node("token_file").is_none() {
        let message = format!("admin address {admin} is not loopback and `admin.token_file` is not set");
        let problem = Problem::at(sources.reader("admin").place("address"), message);
        sources.note(problem.help(
            "make a token and name its file in [admin]:\n(umask 077; head -c 32 /dev/urandom | base64 > parallax.token)\ntoken_file = \"parallax.token\"",
        ));
    }
}

fn warn(sources: &Sources<'_>, checked: &mut Checked) {
    let mut warnings = std::mem::take(&mut checked.warnings);
    if checked.gate.default.min_duration.is_zero() {
        warnings.push(
            "gate.min_duration is 0s: a verdict may come from minutes of traffic, which tells nothing about tonight's"
                .into(),
        );
    }
    let for_all = |keys: &[(&str, bool)], route: &str| -> Vec<String> {
        let set = keys.iter().filter(|(_, set)| *set);
        set.map(|(key, _)| format!("{key} of route {route} has no effect: it holds for all routes together")).collect()
    };
    for policy in checked.gate.routes.iter() {
        let (own, all) = (&policy.settings, &checked.gate.default);
        let keys = [
            ("coverage", own.coverage != all.coverage),
            ("unseen", own.unseen != all.unseen),
            ("max_duration", own.max_duration != all.max_duration),
            ("tail_tolerance", own.tail_tolerance != all.tail_tolerance),
        ];
        warnings.extend(for_all(&keys, &policy.name));
        if policy.settings.min_duration.is_zero() && !checked.gate.default.min_duration.is_zero() {
            warnings.push(format!(
                "min_duration of route {} is 0s: a verdict may come from minutes of traffic",
                policy.name
            ));
        }
    }
    for route in &checked.routes {
        let (own, all) = (&route.mirror, &checked.mirror);
        let keys = [
            ("max_in_flight", own.max_in_flight != all.max_in_flight),
            ("memory_budget", own.memory_budget != all.memory_budget),
        ];
        warnings.extend(for_all(&keys, &route.spec.name));
    }
    if checked.mirror.sample == 0.0 && checked.routes.iter().all(|r| r.mirror.sample == 0.0) {
        warnings.push("mirror.sample is 0: nothing is mirrored".into());
    }
    let writes = |methods: &[Method]| {
        let names: Vec<&str> = methods.iter().filter(|m| !is_read_only(m)).map(Method::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = writes(&checked.mirror.methods) {
        warnings.push(format!(
            "mirror.methods names {names}: the candidate gets writes, it must not share the primary's data"
        ));
    }
    for route in &checked.routes {
        if route.mirror.methods != checked.mirror.methods
            && let Some(names) = writes(&route.mirror.methods)
        {
            let name = &route.spec.name;
            warnings.push(format!(
                "route {name} mirrors {names}: the candidate gets writes, it must not share the primary's data"
            ));
        }
    }
    let legs = [
        ("primary", Some(&checked.primary)),
        ("candidate", Some(&checked.candidate)),
        ("control", checked.control.as_ref()),
    ];
    for (name, leg) in legs {
        let Some(leg) = leg else { continue };
        if leg.scheme == Scheme::Https && leg.tls.insecure {
            warnings.push(format!("{name}.tls.insecure accepts any certificate"));
        }
        if leg.scheme != Scheme::Https && leg.tls != crate::tls::TlsClientSettings::default() && !sources.offline {
            warnings.push(format!("{name}.tls has no effect: its URL is not https"));
        }
    }
    if checked.control.is_none() && sources.file.get("control").is_some() && control_is_meant(sources) {
        warnings.push("[control] has no url: no control is asked".into());
    }
    checked.warnings = warnings;
}

/// Whether [control] says anything but the defaults.
fn control_is_meant(sources: &Sources<'_>) -> bool {
    let defaults = Sources { file: sources.defaults, ..*sources };
    let sample = |s: &Sources<'_>| s.reader("control").share("sample");
    super::legs::settings(sources, "control") != super::legs::settings(&defaults, "control")
        || sample(sources) != sample(&defaults)
}

fn same(a: &LegSettings, b: &LegSettings) -> bool {
    let host = |leg: &LegSettings| if leg.host == "localhost" { "127.0.0.1".to_owned() } else { leg.host.clone() };
    host(a) == host(b) && a.port == b.port && a.base_path == b.base_path
}

/// Whether a request to the leg would arrive at our own socket.
fn reaches(leg: &LegSettings, own: SocketAddr) -> bool {
    if own.port() == 0 || own.port() != leg.port {
        return false;
    }
    let own = own.ip().to_canonical();
    let local = own.is_loopback() || own.is_unspecified();
    match leg.host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) if ip.is_unspecified() => local,
        Ok(ip) if ip.is_loopback() => own.is_unspecified() || own == ip,
        Ok(ip) => own == ip,
        Err(_) => local && (leg.host == "localhost" || leg.host.ends_with(".localhost")),
    }
}

/// The URL with its port, also where that is the scheme's own.
fn full(leg: &LegSettings) -> String {
    let scheme = match leg.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::H2c => "h2c",
    };
    let host = if leg.host.contains(':') { format!("[{}]", leg.host) } else { leg.host.clone() };
    format!("{scheme}://{host}:{}{}", leg.port, leg.base_path)
}
