//! From settings to what runs by them, and what runs beside the traffic.

use super::error::AppError;
use super::{Shared, now, view};
use crate::config::Checked;
use crate::diff::RuleSet;
use crate::evidence::Places;
use crate::limits;
use crate::mirror::{Legs, Mirrors, Plan};
use crate::model::{FailureKind, Leg, Limit, Notice, Timestamp};
use crate::proxy::Live;
use crate::report;
use crate::routes::RouteTable;
use crate::upstream::{LegSettings, Upstream, UpstreamOptions};
use regex::Regex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long it has to be another day, by the steady clock, for the rules to go by it.
const DAWN: Duration = Duration::from_secs(60);

/// Compiles the rules; all that is wrong with any of them at once.
pub fn rules(settings: &Checked) -> Result<RuleSet, AppError> {
    let rules = RuleSet::compile(&settings.rules).map_err(|errors| {
        let lines = errors.iter().map(|e| {
            let id = settings.rules.get(e.index).map_or("?", |r| r.id.as_str());
            format!("rule \"{id}\": {}: {}", e.key, e.message)
        });
        AppError::Rules(lines.collect::<Vec<_>>().join("\n"))
    })?;
    Ok(rules.with_schema(settings.schema.clone()))
}

/// What the days on which rules end mean now.
pub fn expiries(settings: &Checked, now: Timestamp) -> Result<Vec<Notice>, AppError> {
    let infos = rules(settings)?.infos(&now.day());
    Ok(report::expiry_notices(&infos.into_iter().map(view::rule_info).collect::<Vec<_>>(), now))
}

/// Data plane and mirror by one configuration. Connections to legs whose settings did not change, nor the files that
/// these name, are kept from `before`.
pub fn rooms(
    settings: &Checked,
    mirrors: &Arc<Mirrors>,
    budget: &Arc<Limit>,
    before: Option<(&Live, &Plan)>,
) -> Result<(Live, Arc<Plan>), AppError> {
    let specs: Vec<_> = settings.routes.iter().map(|r| r.spec.clone()).collect();
    let routes = RouteTable::new(&specs)
        .map_err(|errors| AppError::Settings(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?
        // They have been read before.
        .hiding(settings.redact.patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect());
    let routes = match before {
        Some((live, _)) => routes.going_on_from(&live.routes),
        None => routes,
    };
    let shares = shares(settings);
    let (old_live, old_legs) = (before.map(|(live, _)| live), before.map(|(_, plan)| plan.legs()));
    let kept = |leg: Leg, wanted: &LegSettings| -> Result<Arc<Upstream>, AppError> {
        let old = match leg {
            Leg::Primary => old_live.map(|l| l.primary.clone()),
            Leg::Candidate => old_legs.map(|l| l.candidate.clone()),
            Leg::Control => old_legs.and_then(|l| l.control.clone()),
        };
        // What nobody waits for must not take the descriptors of those who do.
        let mirrored = leg != Leg::Primary;
        let max_connections = mirrored.then_some(shares.mirror_each);
        let options = UpstreamOptions { max_connections, guarded: mirrored, ..UpstreamOptions::default() };
        match old {
            Some(old) if old.settings() == wanted && *old.options() == options && old.is_current() => Ok(old),
            _ => Ok(Upstream::new(leg, wanted.clone(), options)?),
        }
    };
    let control = match &settings.control {
        Some(control) => Some((kept(Leg::Control, control)?, settings.control_sample)),
        None => None,
    };
    let (primary, candidate) = (kept(Leg::Primary, &settings.primary)?, kept(Leg::Candidate, &settings.candidate)?);
    // Nothing is refused from here on, so that what is changes nothing that runs.
    budget.set_max(settings.mirror.memory_budget);
    let legs = Legs::new(
        primary.clone(),
        candidate,
        settings.build_header.clone(),
        control,
        budget.clone(),
        old_legs.map(|legs| &**legs),
    );
    let of_routes = settings.routes.iter().map(|r| r.mirror.clone()).collect();
    let plan = Arc::new(Plan::new(mirrors.clone(), settings.mirror.clone(), of_routes, legs));
    let live =
        Live { routes: Arc::new(routes), primary, mirror: plan.clone(), body_timeout: settings.listen.body_timeout };
    Ok((live, plan))
}

/// Where the legs are that evidence speaks of.
pub fn places(settings: &Checked) -> Places {
    let place = |leg: &LegSettings| Arc::from(leg.to_string());
    Places { primary: place(&settings.primary), candidate: place(&settings.candidate) }
}

/// Who may have how many connections at once with the file descriptors there are.
pub fn shares(settings: &Checked) -> limits::Shares {
    let legs = 1 + usize::from(settings.control.is_some());
    limits::share(limits::descriptors(), settings.listen.max_connections, legs)
}

/// How long one exchange may hold back those after it: longer than any of its parts may take.
pub fn patience(settings: &Checked) -> Duration {
    let longest = settings.routes.iter().map(|r| r.mirror.timeout).fold(settings.mirror.timeout, Duration::max);
    settings.primary.connect_timeout + settings.primary.response_timeout + longest * 3 + Duration::from_secs(5)
}

/// What is done once a second beside the traffic: rules that expire today cease to hold, silence is explained.
pub async fn watch_over(shared: Arc<Shared>) {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut silence, mut today) = (super::notices::Silence::default(), Today::default());
    loop {
        tick.tick().await;
        if let Some(day) = today.look(now().day(), Instant::now()) {
            shared.turn_day(day).await;
        }
        if silence.due(now(), shared.started) {
            let snapshot = shared.ledger.snapshot().await;
            if let Some(line) =
                silence.explain(&snapshot.evidence.totals(), &shared.settings.load(), &shared.listen_url())
            {
                tracing::warn!("{line}");
            }
        }
    }
}

/// The day it has been for a while: a clock that is wrong for a moment ends no evidence.
#[derive(Debug, Default)]
struct Today(Option<(String, Instant)>);

impl Today {
    /// It is that day at present.
    fn look(&mut self, day: String, now: Instant) -> Option<&str> {
        if self.0.as_ref().is_none_or(|(seen, _)| *seen != day) {
            self.0 = Some((day, now));
        }
        self.0.as_ref().filter(|(_, since)| now.duration_since(*since) >= DAWN).map(|(day, _)| day.as_str())
    }
}

impl Shared {
    /// One attempt to reach each leg; a sentence for each that refuses.
    pub(super) async fn check_legs(&self) -> Vec<String> {
        let plan = self.plan.load_full();
        let legs = plan.legs();
        let mut all =
            vec![(Leg::Primary, self.gateway.live.load().primary.clone()), (Leg::Candidate, legs.candidate.clone())];
        all.extend(legs.control.clone().map(|c| (Leg::Control, c)));
        let mut told = Vec::new();
        for (leg, upstream) in all {
            if let Err(failure) = upstream.check().await {
                let meanwhile = match leg {
                    Leg::Primary => "every request will be answered with 502 until it is there",
                    Leg::Candidate => "serving goes on, nothing is comparable",
                    Leg::Control => "serving and comparing go on, noise is not known",
                };
                let help = match failure.kind {
                    FailureKind::Tls => {
                        "`tls.ca` names whom to trust instead of the system's authorities, `tls.server_name` another name than the URL's"
                    }
                    _ => "inside a container `localhost` is the container itself",
                };
                told.push(format!(
                    "{leg} {} cannot be reached ({}); {meanwhile}. help: {help}",
                    upstream.settings(),
                    failure.detail
                ));
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_a_clock_shows_for_a_moment_is_none() {
        let (mut today, start) = (Today::default(), Instant::now());
        let mut look =
            |second, day: &str| today.look(day.into(), start + Duration::from_secs(second)).map(str::to_owned);
        assert_eq!(look(0, "2027-03-01"), None);
        assert_eq!(look(60, "2027-03-01").as_deref(), Some("2027-03-01"));
        // Wrong for two seconds.
        assert_eq!((look(61, "2028-03-01"), look(62, "2028-03-01")), (None, None));
        assert_eq!((look(63, "2027-03-01"), look(122, "2027-03-01")), (None, None));
        // Midnight.
        assert_eq!((look(123, "2027-03-02"), look(182, "2027-03-02")), (None, None));
        assert_eq!(look(183, "2027-03-02").as_deref(), Some("2027-03-02"));
    }
}
