//! How many requests come to each route: as told, as logged, or as measured.

use super::super::exit::Failure;
use super::super::named::Named;
use super::given::{Amount, GivenRoute};
use super::log::Log;
use crate::gate::Mirrored;
use crate::report::{Report, RouteReport};
use crate::routes::RouteSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The name of what is told of no route.
const REST: &str = "GET {other}";
/// Shares that are this close to the whole are the whole.
const ROUNDING: f64 = 1e-6;

#[derive(Debug)]
pub struct Requests {
    pub routes: BTreeMap<Arc<str>, Request>,
    /// Whether a control is known to be there.
    pub control: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// A second.
    pub rate: f64,
    /// The index of the `[[route]]` that takes it.
    pub configured: Option<usize>,
    /// What was compared, where that was counted.
    pub measured: Option<Mirrored>,
    /// The share that was given up of what was to be mirrored.
    pub unjudged: f64,
}

// === impl Requests ===

impl Requests {
    /// From `--rate` and `--route`.
    pub fn given(routes: &[GivenRoute], all: Option<f64>, specs: &[RouteSpec]) -> Result<Self, Failure> {
        let mut found: BTreeMap<Arc<str>, Request> = BTreeMap::new();
        let mut told = 0.0;
        for GivenRoute { route, amount } in routes {
            let rate = match (amount, all) {
                (Amount::Rate(rate), _) => *rate,
                (Amount::Share(share), Some(all)) => share * all,
                (Amount::Share(_), None) => {
                    return Err(Failure::new(format!("{route} has a share, and nothing says of how many requests"))
                        .help("give the rate of all requests, e.g. `--rate 120`, or the route's own: \"…=12/s\""));
                }
            };
            let Named { route: name, configured, .. } = Named::read(route, Some(specs))?;
            if found.insert(name.as_str().into(), Request::told(rate, configured)).is_some() {
                return Err(Failure::new(format!("{name} is given twice")).help("add the shares up"));
            }
            told += rate;
        }
        let all = all.unwrap_or(told);
        if told > all * (1.0 + ROUNDING) {
            return Err(Failure::new(format!("the routes are {:.1} % of all requests", told / all * 100.0))
                .help("shares add up to at most 100%, rates to at most `--rate`"));
        }
        if all - told > all * ROUNDING {
            found.entry(REST.into()).or_insert(Request::told(0.0, None)).rate += all - told;
        }
        Ok(Self { routes: found, control: false })
    }

    /// From a log, over the time it covers or at the rate that is given.
    pub fn logged(log: Log, span: Option<Duration>, all: Option<f64>) -> Result<Self, Failure> {
        let span = span.or_else(|| log.span()).map(|span| span.as_secs_f64()).filter(|span| *span > 0.0);
        let all = all.or_else(|| span.map(|span| log.requests as f64 / span));
        let all = all.ok_or_else(|| {
            Failure::new("the log does not say how long it covers")
                .help("say it with `--span 1d`, or give the rate of all requests: `--rate 120`")
        })?;
        let each = all / log.requests as f64;
        let request = |(name, (n, configured))| (name, Request::told(n as f64 * each, configured));
        Ok(Self { routes: log.routes.into_iter().map(request).collect(), control: false })
    }

    /// From what a proxy has counted, each route since its evidence began; scaled to `all` where that is given.
    pub fn measured(report: &Report, all: Option<f64>, specs: &[RouteSpec]) -> Result<Self, Failure> {
        if report.totals.requests == 0 {
            return Err(Failure::new("the proxy has seen no request yet")
                .help("say what to expect, e.g. `--rate 120`; `--traffic access.log` reads it from a log"));
        }
        let seconds = |route: &RouteReport| report.generated_at.since(route.since).as_secs_f64().max(1.0);
        let rate = |route: &RouteReport| route.counts.requests as f64 / seconds(route);
        let total: f64 = report.routes.iter().map(rate).sum();
        let scale = all.map_or(1.0, |all| all / total);
        let request = |route: &RouteReport| {
            let counts = &route.counts;
            let skipped = counts.not_mirrored.shed + counts.not_mirrored.breaker_open;
            let lost = counts.incomparable + skipped;
            let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
            let request = Request {
                rate: rate(route) * scale,
                configured: specs.iter().position(|spec| spec.bears(&route.route)),
                measured: Some(match counts.not_mirrored.method == counts.requests {
                    true => Mirrored::Method,
                    false => Mirrored::Measured(share(counts.compared, counts.requests)),
                }),
                unjudged: share(lost, counts.mirrored + skipped),
            };
            (route.route.clone(), request)
        };
        let routes = report.routes.iter().filter(|route| route.counts.requests > 0).map(request).collect();
        Ok(Self { routes, control: report.proxy.control })
    }
}

// === impl Request ===

impl Request {
    fn told(rate: f64, configured: Option<usize>) -> Self {
        Self { rate, configured, measured: None, unjudged: 0.0 }
    }
}
