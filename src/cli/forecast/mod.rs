//! `parallax forecast`: what a pass will take, from traffic that is told, logged or measured.

mod given;
mod log;
mod requests;

pub use given::{GivenRoute, GivenShare, expected, rate, route};

use super::args::{ColorWhen, Explicit, ForecastArgs, ForecastFormat};
use super::asked::Asked;
use super::exit::{Exit, Failure};
use super::named::Named;
use super::terminal::Look;
use super::{block_on, offline_config, print, say};
use crate::config::Checked;
use crate::gate::{self, ExpectedRates, ExpectedRoute, Mirrored, Policy, Traffic};
use crate::report;
use crate::routes::RouteSpec;
use requests::Requests;
use std::collections::BTreeMap;

pub fn run(args: ForecastArgs, explicit: Explicit, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    let checked = args.config.as_deref().map(|file| offline_config(file, color)).transpose()?;
    let specs: Vec<RouteSpec> = checked.iter().flat_map(|c| &c.routes).map(|r| r.spec.clone()).collect();
    let mut kept: Option<Policy> = None;
    let mut notes = Vec::new();
    // An address in the environment says where to ask, not that somebody is to be asked.
    let names_somebody = explicit.admin || args.source.data.is_some();
    let requests = if let Some(file) = &args.traffic {
        let log = log::read(file, &specs)?;
        notes.extend(log.notes());
        Requests::logged(log, args.span, args.rate)?
    } else if !args.routes.is_empty() || (args.rate.is_some() && !names_somebody) {
        Requests::given(&args.routes, args.rate, &specs)?
    } else {
        let (requests, policy) = block_on(async {
            let asked = Asked::find(&args.source, None).await.map_err(or_say)?;
            let report = asked.report().await?;
            Ok((Requests::measured(&report, args.rate, &specs)?, asked.policy().cloned()))
        })?;
        if policy.is_none() && checked.is_none() {
            notes.push("by the default limits: --config names the file with the proxy's own".to_owned());
        }
        kept = policy;
        requests
    };
    let policy = checked.as_ref().map(|c| c.gate.clone()).or(kept);
    let policy = policy.unwrap_or_else(|| Policy { default: Default::default(), routes: Default::default() });
    let traffic = traffic(&requests, checked.as_ref(), &args, &specs)?;
    if !quiet {
        notes.iter().for_each(|note| say(&format!("note: {note}\n")));
    }
    let forecast = gate::forecast(&policy, &traffic);
    print(&match args.format {
        ForecastFormat::Text => {
            let look = Look::stdout(color);
            let style = report::Style { color: look.color, unicode: look.unicode, width: look.width };
            report::forecast_text(&forecast, style)
        }
        ForecastFormat::Json => report::forecast_json(&forecast),
        ForecastFormat::Markdown => report::forecast_markdown(&forecast),
    })?;
    Ok(Exit::Ok)
}

/// Nobody was found to ask; but asking is not the only way.
fn or_say(failure: Failure) -> Failure {
    let help = failure.help.as_deref().map(|help| format!("{help}\n")).unwrap_or_default();
    let failure = Failure { help: None, ..failure };
    failure.help(format!("{help}or say what to expect, e.g. `--rate 120`; `--traffic access.log` reads it from a log"))
}

/// Requests with what becomes of them and what they are expected to show.
fn traffic(
    requests: &Requests,
    checked: Option<&Checked>,
    args: &ForecastArgs,
    specs: &[RouteSpec],
) -> Result<Traffic, Failure> {
    let known: Vec<&str> = requests.routes.keys().map(|name| &**name).collect();
    let shares = |given: &[GivenShare]| Shares::new(given, specs, &known);
    let (divergence, noise, errors) = (shares(&args.divergence)?, shares(&args.noise)?, shares(&args.errors)?);
    let limited = max_rates(requests, checked);
    let control = match checked {
        Some(checked) => checked.control.as_ref().map(|_| checked.control_sample),
        None => requests.control.then_some(1.0),
    };
    let expect = |(name, request): (&std::sync::Arc<str>, &requests::Request)| {
        let noise = noise.of(name);
        let rates = ExpectedRates {
            divergence: divergence.of(name),
            noise,
            errors: errors.of(name),
            // Who tells of a control's noise means to have one.
            control: control.unwrap_or(if noise > 0.0 { 1.0 } else { 0.0 }),
            unjudged: request.unjudged,
        };
        let mirrored = match (request.measured, checked) {
            (Some(measured), None) => measured,
            _ => mirrored(name, request.configured, checked, &limited),
        };
        (name.clone(), ExpectedRoute { requests: request.rate, mirrored, rates })
    };
    Ok(requests.routes.iter().map(expect).collect())
}

/// What the configuration does with a route's requests.
fn mirrored(
    name: &str,
    configured: Option<usize>,
    checked: Option<&Checked>,
    limited: &BTreeMap<Option<usize>, Limited>,
) -> Mirrored {
    let sample = sampled(name, configured, checked);
    match (sample, limited.get(&configured)) {
        (None, _) => Mirrored::Method,
        (Some(sample), Some(Limited { left, without, of_all })) => {
            Mirrored::MaxRate { share: sample * left, without: sample * without, of_all: *of_all }
        }
        (Some(sample), None) => Mirrored::Sample(sample),
    }
}

/// The share that `mirror.sample` takes; `None` where the method is not mirrored.
fn sampled(name: &str, configured: Option<usize>, checked: Option<&Checked>) -> Option<f64> {
    let method = name.split(' ').next().unwrap_or_default();
    let Some(checked) = checked else {
        return ["GET", "HEAD", "OPTIONS"].contains(&method).then_some(1.0);
    };
    let own = configured.and_then(|at| checked.routes.get(at)).map_or(&checked.mirror, |route| &route.mirror);
    own.methods.iter().any(|m| m.as_str() == method).then_some(own.sample)
}

/// Shares of what is sampled.
struct Limited {
    /// What `max_rate` leaves.
    left: f64,
    /// What would be left without the limit that says so.
    without: f64,
    /// That is the one of `[mirror]`.
    of_all: bool,
}

/// By `[[route]]`, and for all others together: what `max_rate` leaves, where it is less than there is. That of `[mirror]`
/// is for what those of the routes leave, all of it together.
fn max_rates(requests: &Requests, checked: Option<&Checked>) -> BTreeMap<Option<usize>, Limited> {
    let Some(checked) = checked else { return BTreeMap::new() };
    let mut wanted: BTreeMap<Option<usize>, f64> = BTreeMap::new();
    for (name, request) in &requests.routes {
        let sample = sampled(name, request.configured, Some(checked)).unwrap_or(0.0);
        *wanted.entry(request.configured).or_default() += request.rate * sample;
    }
    let left = |max: u32, wanted: f64| if max > 0 && wanted > f64::from(max) { f64::from(max) / wanted } else { 1.0 };
    let own = |configured: Option<usize>, wanted: f64| {
        let max_rate = configured.and_then(|at| checked.routes.get(at)).map(|route| route.mirror.max_rate);
        // One that is not the route's own is that of all.
        let own = max_rate.filter(|max_rate| *max_rate != checked.mirror.max_rate);
        left(own.unwrap_or(0), wanted)
    };
    let together: f64 = wanted.iter().map(|(configured, wanted)| own(*configured, *wanted) * wanted).sum();
    let of_all = left(checked.mirror.max_rate, together);
    let limited = wanted.into_iter().map(|(configured, wanted)| {
        let own = own(configured, wanted);
        let without = if of_all < 1.0 { own } else { left(checked.mirror.max_rate, together + wanted * (1.0 - own)) };
        (configured, Limited { left: own * of_all, without, of_all: of_all < 1.0 })
    });
    limited.filter(|(_, limited)| limited.left < 1.0).collect()
}

/// One of `--divergence`, `--noise` and `--errors`: for all routes, and for those named.
struct Shares {
    all: f64,
    routes: BTreeMap<String, f64>,
}

// === impl Shares ===

impl Shares {
    fn new(given: &[GivenShare], specs: &[RouteSpec], known: &[&str]) -> Result<Self, Failure> {
        let mut shares = Shares { all: 0.0, routes: BTreeMap::new() };
        for GivenShare { route, share } in given {
            let Some(route) = route else {
                shares.all = *share;
                continue;
            };
            let name = Named::read(route, Some(specs))?.route;
            if !known.contains(&name.as_str()) {
                return Err(Failure::new(format!("something is expected of {name}, and there is no such route"))
                    .help(format!("there is traffic of {}", listed(known))));
            }
            shares.routes.insert(name, *share);
        }
        Ok(shares)
    }

    fn of(&self, route: &str) -> f64 {
        self.routes.get(route).copied().unwrap_or(self.all)
    }
}

fn listed(names: &[&str]) -> String {
    const MOST: usize = 8;
    let more = names.len().saturating_sub(MOST);
    let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
