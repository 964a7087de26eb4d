//! What stands in the way, and which change of a setting would mend it: each is tried, by forecasting with it.

use super::super::words::{percent, thousands};
use super::super::{GateSettings, Policy};
use super::rows::time;
use super::{Change, Criterion, CriterionForecast, ExpectedRoute, Mirrored, Plan, Remedy, Traffic};
use std::sync::Arc;
use std::time::Duration;

/// No limit is proposed that allows for more than this.
const MOST_TOLERANT: f64 = 0.2;
const DAY: u64 = 86_400;

impl Plan<'_> {
    /// Of all that is required and never there, or not before `max_duration`.
    pub(super) fn remedies(&self, rows: &[CriterionForecast]) -> Vec<Remedy> {
        let max = self.policy.default.max_duration.as_secs();
        let late = |row: &CriterionForecast| row.required && row.seconds.is_none_or(|seconds| seconds > max);
        // What is uncovered only because a route is late is mended with the route.
        let mended: Vec<CriterionForecast> = rows
            .iter()
            .map(|row| if late(row) { CriterionForecast { seconds: Some(0), ..row.clone() } } else { row.clone() })
            .collect();
        let own = |row: &&CriterionForecast| row.criterion != Criterion::Coverage || late(&self.coverage(&mended));
        let remedy = |row: &CriterionForecast| Remedy {
            criterion: row.criterion,
            route: row.route.clone(),
            why: match row.seconds {
                Some(seconds) => {
                    let (takes, max) = (time(seconds), time(max));
                    format!("{}, {takes} at this traffic; gate.max_duration is {max}", row.reason)
                }
                None => row.reason.clone(),
            },
            changes: self.changes(row),
        };
        rows.iter().filter(|row| late(row)).filter(own).map(remedy).collect()
    }

    fn changes(&self, row: &CriterionForecast) -> Vec<Change> {
        let mut changes = Vec::new();
        match row.criterion {
            Criterion::Divergence => {
                changes.extend(self.more_mirrored(row));
                changes.extend(self.not_critical(row));
                changes.extend(self.without_noise(row));
                changes.extend(self.more_tolerant(row));
            }
            Criterion::Errors => changes.extend(self.more_tolerant(row)),
            Criterion::Latency => {
                changes.extend(self.more_mirrored(row));
                changes.extend(self.without_latency(row));
            }
            Criterion::Coverage => {
                changes.extend(self.more_methods(row));
                changes.extend(self.less_coverage());
            }
            Criterion::Unseen => changes.extend(self.more_tolerant(row)),
            Criterion::Unjudged => changes.push(Change {
                set: "parallax report".into(),
                place: "a command".into(),
                effect: "says what they were lost to".into(),
            }),
            Criterion::Minimum => {}
        }
        changes.extend(self.more_time(row));
        changes
    }

    /// What the row would be with other settings or other traffic, where that is in time; `None` within where it is no
    /// longer waited for.
    fn tried(
        &self,
        row: &CriterionForecast,
        edit: impl FnOnce(&mut Policy, &mut Traffic),
    ) -> Option<Option<CriterionForecast>> {
        let (mut policy, mut traffic) = (self.policy.clone(), self.traffic.clone());
        edit(&mut policy, &mut traffic);
        let max = policy.default.max_duration.as_secs();
        let rows = Plan::new(&policy, &traffic).rows();
        let same = |r: &&CriterionForecast| r.criterion == row.criterion && r.route == row.route && r.required;
        match rows.into_iter().find(|r| same(&r)) {
            Some(then) => then.seconds.is_some_and(|s| s <= max).then_some(Some(then)),
            None => Some(None),
        }
    }

    fn change(
        &self,
        row: &CriterionForecast,
        set: impl Into<String>,
        section: &str,
        edit: impl FnOnce(&mut Policy, &mut Traffic),
    ) -> Option<Change> {
        let then = self.tried(row, edit)?;
        let effect = match then {
            Some(CriterionForecast { needed: Some(needed), seconds: Some(seconds), criterion, .. })
                if criterion != Criterion::Latency =>
            {
                format!("{} comparisons, {}", thousands(needed), time(seconds))
            }
            Some(CriterionForecast { seconds: Some(seconds), .. }) => time(seconds),
            _ => "not waited for".to_owned(),
        };
        Some(Change { set: set.into(), place: self.place(row, section), effect })
    }

    /// Where a key of a row's route is written.
    fn place(&self, row: &CriterionForecast, section: &str) -> String {
        match self.configured(row) {
            Some(name) => format!("[[route]] {name}"),
            None => format!("[{section}]"),
        }
    }

    fn configured(&self, row: &CriterionForecast) -> Option<&str> {
        let route = row.route.as_deref()?;
        self.policy.configured(route).map(|r| r.name.as_str())
    }

    fn more_mirrored(&self, row: &CriterionForecast) -> Option<Change> {
        let route = row.route.clone()?;
        let mirror = |share: f64| {
            let route = route.clone();
            move |_: &mut Policy, traffic: &mut Traffic| {
                if let Some(route) = traffic.get_mut(&route) {
                    route.mirrored = Mirrored::Sample(share);
                }
            }
        };
        match self.traffic.get(&route)?.mirrored {
            Mirrored::Sample(share) if share < 1.0 => self.change(row, "sample = 1.0", "mirror", mirror(1.0)),
            Mirrored::MaxRate { without, of_all, .. } => {
                let change = self.change(row, "max_rate = 0", "mirror", mirror(without))?;
                // One of a route lifts none of that of all.
                Some(if of_all { Change { place: "[mirror]".into(), ..change } } else { change })
            }
            Mirrored::Method => {
                let method = route.split(' ').next().unwrap_or_default();
                let change = self.change(row, format!("methods = [\"{method}\"]"), "mirror", mirror(1.0))?;
                Some(Change { effect: format!("{}; {ISOLATED}", change.effect), ..change })
            }
            Mirrored::Sample(_) | Mirrored::Measured(_) => None,
        }
    }

    fn not_critical(&self, row: &CriterionForecast) -> Option<Change> {
        let name = self.configured(row)?.to_owned();
        let critical = self.policy.routes.get(&name).is_some_and(|r| r.critical);
        let edit = |policy: &mut Policy, _: &mut Traffic| {
            if let Some(route) = policy.routes.get_mut(&name) {
                route.critical = false;
            }
        };
        critical.then(|| self.change(row, "critical = false", "gate", edit)).flatten()
    }

    /// Rules that take noise out, where it is what is in the way.
    fn without_noise(&self, row: &CriterionForecast) -> Option<Change> {
        let route = row.route.clone()?;
        let noisy = self.traffic.get(&route).is_some_and(|r| r.rates.noise > 0.0);
        let quiet = |_: &mut Policy, traffic: &mut Traffic| {
            if let Some(route) = traffic.get_mut(&route) {
                route.rates.noise = 0.0;
            }
        };
        let change = noisy.then(|| self.change(row, "parallax rules suggest", "gate", quiet)).flatten()?;
        Some(Change { place: "a command".into(), effect: format!("without the noise {}", change.effect), ..change })
    }

    /// The least limit of one digit that is enough.
    fn more_tolerant(&self, row: &CriterionForecast) -> Option<Change> {
        let limit = row.limit?;
        let steps = (-7..0).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
        let key = match row.criterion {
            Criterion::Errors => "errors",
            Criterion::Unseen => "unseen",
            _ if self.policy.for_route(row.route.as_deref()?).1 || self.is_unseen_critical(row) => "critical_tolerance",
            _ => "tolerance",
        };
        steps.filter(|step| *step > limit * 1.000_001 && *step <= MOST_TOLERANT).find_map(|step| {
            let edit = |policy: &mut Policy, _: &mut Traffic| {
                let name = self.configured(row);
                let own = name.and_then(|name| policy.routes.get_mut(name));
                let settings = own.map_or(&mut policy.default, |r| &mut r.settings);
                *limit_of(settings, key) = step;
            };
            self.change(row, format!("{key} = \"{}\"", percent(step).replace(' ', "")), "gate", edit)
        })
    }

    fn is_unseen_critical(&self, row: &CriterionForecast) -> bool {
        row.route.as_deref().and_then(|name| self.policy.routes.get(name)).is_some_and(|r| r.critical)
    }

    /// A route whose latency is not judged.
    fn without_latency(&self, row: &CriterionForecast) -> Option<Change> {
        let name = self.configured(row)?.to_owned();
        let settings = &self.policy.routes.get(&name)?.settings;
        let rest: Vec<Criterion> = settings.criteria.iter().copied().filter(|c| *c != Criterion::Latency).collect();
        let named: Vec<String> = rest.iter().map(|c| format!("\"{}\"", c.as_str())).collect();
        self.change(row, format!("criteria = [{}]", named.join(", ")), "gate", move |policy, _| {
            if let Some(route) = policy.routes.get_mut(&name) {
                route.settings.criteria.clone_from(&rest);
            }
        })
    }

    /// Methods that are not mirrored, where that is what leaves requests uncovered.
    fn more_methods(&self, row: &CriterionForecast) -> Option<Change> {
        let by_method = |route: &ExpectedRoute| route.mirrored == Mirrored::Method;
        let missing = self.traffic.iter().filter(|(_, route)| by_method(route));
        let mut methods = vec!["GET", "HEAD", "OPTIONS"];
        for method in missing.filter_map(|(name, _)| name.split(' ').next()) {
            if !methods.contains(&method) && method != "{other}" {
                methods.push(method);
            }
        }
        let quoted: Vec<String> = methods.iter().map(|m| format!("\"{m}\"")).collect();
        let edit = |_: &mut Policy, traffic: &mut Traffic| {
            traffic.values_mut().filter(|r| by_method(r)).for_each(|r| r.mirrored = Mirrored::Sample(1.0));
        };
        let change = self.change(row, format!("methods = [{}]", quoted.join(", ")), "mirror", edit)?;
        Some(Change { effect: format!("{}; {ISOLATED}", change.effect), ..change })
    }

    /// As much as is covered at all.
    fn less_coverage(&self) -> Option<Change> {
        let all: f64 = self.traffic.values().map(|r| r.requests).sum();
        let compared: Vec<(&Arc<str>, &ExpectedRoute)> =
            self.traffic.iter().filter(|(_, r)| r.compared() > 0.0).collect();
        let covered: f64 = compared.iter().map(|(_, r)| r.requests).sum::<f64>() / all;
        let coverage = (covered * 100.0).floor() / 100.0;
        let set = format!("coverage = {coverage}");
        (coverage > 0.0).then(|| Change {
            set,
            place: "[gate]".into(),
            effect: "the other requests are then not vouched for".into(),
        })
    }

    fn more_time(&self, row: &CriterionForecast) -> Option<Change> {
        let days = row.seconds?.div_ceil(DAY);
        let max = Duration::from_secs(days.checked_mul(DAY)?);
        let change = self.change(row, format!("max_duration = \"{days}d\""), "gate", |policy, _| {
            policy.default.max_duration = max;
        })?;
        Some(Change {
            place: "[gate]".into(),
            effect: format!("as long as it takes, {}", time(row.seconds?)),
            ..change
        })
    }
}

const ISOLATED: &str = "only if the candidate is isolated: a copy of a write is a second write";

fn limit_of<'a>(settings: &'a mut GateSettings, key: &str) -> &'a mut f64 {
    match key {
        "errors" => &mut settings.errors,
        "unseen" => &mut settings.unseen,
        "critical_tolerance" => &mut settings.critical_tolerance,
        _ => &mut settings.tolerance,
    }
}
