//! Adding evidence to evidence: routes read under one name, processes that share an epoch.
//!
//! Associative and commutative as long as no table overflows; where one does, counts stay right and rows are lost.

use super::noise::name_above;
use super::{Cells, Counts, Divergence, Evidence, RouteEvidence, StatusCounts, TemplateNames, volatility};
use crate::diff;
use crate::model::{Bucket, Incomparable, Leg, StatusClass};
use crate::routes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

impl Counts {
    pub fn merge(&mut self, other: &Counts) {
        self.requests += other.requests;
        self.mirrored += other.mirrored;
        for bucket in Bucket::ALL {
            *self.not_mirrored.get_mut(bucket) += other.not_mirrored.get(bucket);
        }
        self.pending += other.pending;
        self.compared += other.compared;
        self.matched += other.matched;
        self.excused += other.excused;
        self.excused_reasons.representation += other.excused_reasons.representation;
        self.excused_reasons.noise += other.excused_reasons.noise;
        self.excused_reasons.rule += other.excused_reasons.rule;
        self.divergent += other.divergent;
        self.asked_again += other.asked_again;
        self.transient += other.transient;
        self.incomparable += other.incomparable;
        for reason in Incomparable::ALL {
            *self.incomparable_reasons.get_mut(reason) += other.incomparable_reasons.get(reason);
        }
    }
}

impl Cells {
    pub fn merge(&mut self, other: &Cells) {
        self.n00 += other.n00;
        self.n10 += other.n10;
        self.n01 += other.n01;
        self.n11 += other.n11;
    }
}

impl StatusCounts {
    pub fn merge(&mut self, mut other: StatusCounts) {
        for class in StatusClass::ALL {
            *self.get_mut(class) += *other.get_mut(class);
        }
    }
}

impl RouteEvidence {
    /// Adds another's. Began when the earlier one did; the greater digest stands for rules that differ. The same rules
    /// changed for both, so their restarts are not added.
    pub fn merge(&mut self, other: &RouteEvidence, keep_examples: usize) {
        self.since = self.since.min(other.since);
        self.number = self.number.min(other.number);
        self.restarts = self.restarts.max(other.restarts);
        if other.rules > self.rules {
            self.rules = other.rules.clone();
        }
        self.counts.merge(&other.counts);
        self.paired.merge(&other.paired);
        self.errors.merge(&other.errors);
        self.bursts.merge(&other.bursts);
        self.control.merge(&other.control);
        for leg in Leg::ALL {
            self.status.get_mut(leg).merge(*other.status.get(leg));
            self.latency.get_mut(leg).merge(other.latency.get(leg));
        }
        self.pace.merge(&other.pace);
        self.trend.merge(&other.trend);
        self.divergences_overflow += other.divergences_overflow;
        self.overflow_counted += other.overflow_counted;
        for row in other.divergences.values() {
            self.merge_divergence(row, keep_examples);
        }
        for (key, known) in &other.noise {
            let mine = self.noise.entry(key.clone()).or_default();
            mine.shapes.extend(known.shapes.iter().cloned());
            mine.pairs.merge(&known.pairs);
        }
        name_above(&mut self.noise);
        volatility::merge(&mut self.volatility, &other.volatility);
        add_hits(&mut self.rule_hits, &other.rule_hits);
        self.named.merge(other.named);
    }
}

impl Evidence {
    /// Adds another's routes and rule hits; the epoch stays this one's.
    pub fn merge(&mut self, other: &Evidence, keep_examples: usize) {
        for (name, route) in &other.routes {
            match self.routes.entry(name.clone()) {
                Entry::Occupied(mut mine) => Arc::make_mut(mine.get_mut()).merge(route, keep_examples),
                Entry::Vacant(free) => {
                    free.insert(route.clone());
                }
            }
        }
        self.numbered = self.numbered.max(other.numbered);
        add_hits(&mut self.rule_hits, &other.rule_hits);
        self.kinds.merge(&other.kinds);
    }

    /// The names that the rare ones among too many sibling paths are judged and shown under: their template's. A
    /// configured route is what somebody wrote and keeps its name.
    pub fn template_names(&self, is_configured: &dyn Fn(&str) -> bool) -> BTreeMap<String, String> {
        let automatic = self.routes.iter().filter(|(name, _)| !is_configured(name));
        let mut renamed = routes::collapse(automatic.map(|(name, route)| (&**name, route.counts.requests)));
        // A configured route may have the template's name for other requests than these.
        renamed.values_mut().filter(|new| is_configured(new)).for_each(|new| *new = routes::apart(new));
        renamed
    }

    /// As it is judged and shown; see [`Evidence::template_names`].
    pub fn by_template(&self, names: &TemplateNames, keep_examples: usize) -> Cow<'_, Evidence> {
        let TemplateNames { renamed, apart } = names;
        if renamed.is_empty() && apart.is_empty() {
            return Cow::Borrowed(self);
        }
        let shown = self.collapsed(&|name| renamed.get(name).map(|new| Arc::from(new.as_str())), keep_examples);
        // A link that somebody kept leads to the same divergence, by whatever name its route was shown then.
        let mut former = BTreeMap::new();
        let rows = |own: &str| self.routes.get(own).into_iter().flat_map(|route| route.divergences.values());
        for (own, template) in renamed {
            former.extend(rows(own).map(|row| (row.fingerprint.clone(), print(template, row))));
        }
        for (own, template) in apart {
            former.extend(rows(own).map(|row| (print(template, row), row.fingerprint.clone())));
        }
        Cow::Owned(Evidence { globs: routes::globs(renamed), former, ..shown })
    }

    /// The same evidence with routes read under another name where `names` gives one, merged where names meet.
    /// Fingerprints are those of the new names.
    pub fn collapsed(&self, names: &dyn Fn(&str) -> Option<Arc<str>>, keep_examples: usize) -> Evidence {
        // What is of the whole epoch does not change with names.
        let mut out = Evidence { routes: Default::default(), ..self.clone() };
        for (name, route) in &self.routes {
            let (name, route) = match names(name) {
                Some(new) if new != *name => (new.clone(), Arc::new(renamed(route, &new, keep_examples))),
                _ => (name.clone(), route.clone()),
            };
            match out.routes.entry(name) {
                Entry::Occupied(mut mine) => Arc::make_mut(mine.get_mut()).merge(&route, keep_examples),
                Entry::Vacant(free) => {
                    free.insert(route);
                }
            }
        }
        out
    }
}

fn renamed(route: &RouteEvidence, name: &str, keep_examples: usize) -> RouteEvidence {
    let mut out = RouteEvidence { divergences: Default::default(), ..route.clone() };
    for row in route.divergences.values() {
        let row = Divergence { fingerprint: print(name, row), ..row.clone() };
        out.merge_divergence(&row, keep_examples);
    }
    out
}

/// A divergence's fingerprint on a route of that name.
fn print(route: &str, row: &Divergence) -> Arc<str> {
    diff::fingerprint(route, &row.kind, &row.location, &row.primary_class, &row.candidate_class).into()
}

fn add_hits(mine: &mut BTreeMap<Arc<str>, u64>, other: &BTreeMap<Arc<str>, u64>) {
    for (rule, hits) in other {
        *mine.entry(rule.clone()).or_default() += hits;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, compared, epoch, finding};
    use super::super::{Keep, LatencyTerms};
    use super::*;
    use crate::diff::Tier;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_route_keeps_its_number() {
        let mut evidence = Evidence::new(epoch("1", None));
        let skip = |evidence: &mut Evidence, name: &str, second| {
            let latency = &|_: &str| LatencyTerms::default();
            let keep = Keep { rules: &|_| "r".into(), latency, examples: 0, now: at(second) };
            evidence.skipped(&name.into(), Bucket::Method, 1, keep);
        };
        let numbers = |evidence: &Evidence| evidence.routes.values().map(|route| route.number).collect::<Vec<_>>();
        ["c", "b", "a", "b"].into_iter().zip(1..).for_each(|(name, second)| skip(&mut evidence, name, second));
        evidence.restart_route("c", "s".into(), at(9));
        skip(&mut evidence, "d", 10);
        assert_eq!(numbers(&evidence), [3, 2, 1, 4]);
        let both = evidence.collapsed(&|name| (name < "c").then(|| "x".into()), 0);
        assert_eq!((both.routes["x"].number, both.routes["c"].number), (2, 1));
        // Of older files some may have no number yet: they get those that nobody has, and the same ones each time.
        let mut kept: BTreeMap<Arc<str>, RouteEvidence> =
            evidence.routes.iter().map(|(name, route)| (name.clone(), (**route).clone())).collect();
        for name in ["a", "b"] {
            kept.get_mut(name).unwrap().number = 0;
        }
        let mut again = Evidence::kept(epoch("1", None), kept);
        skip(&mut again, "e", 11);
        assert_eq!(numbers(&again), [3, 2, 1, 4, 5]);
    }

    #[test]
    fn a_divergence_is_found_by_the_fingerprint_of_either_name() {
        let mut evidence = Evidence::new(epoch("1", None));
        let keep = Keep { rules: &|_| "r".into(), latency: &|_| LatencyTerms::default(), examples: 0, now: at(0) };
        for i in 0..60 {
            let list = vec![finding("json.value", &format!("json:$.k{i}"), Tier::Value)];
            evidence.apply(&compared("x", &format!("GET /shops/word{i}x"), i, list), keep);
        }
        let mut names = TemplateNames { renamed: evidence.template_names(&|_| false), ..TemplateNames::default() };
        let merged = evidence.by_template(&names, 0).into_owned();
        names.apart.extend(names.renamed.remove_entry("GET /shops/word7x"));
        let apart = evidence.by_template(&names, 0).into_owned();
        for (shown, other) in [(&merged, &apart), (&apart, &merged), (&merged, &evidence), (&apart, &evidence)] {
            let rows = |evidence: &Evidence| -> BTreeMap<Arc<str>, Arc<str>> {
                let rows = evidence.routes.values().flat_map(|route| route.divergences.values());
                rows.map(|row| (row.fingerprint.clone(), row.location.clone())).collect()
            };
            let there = rows(shown);
            for (print, location) in rows(other) {
                let here = if there.contains_key(&print) { &print } else { &shown.former[&print] };
                assert_eq!(there[here], location);
            }
        }
    }

    proptest! {
        #[test]
        fn a_configured_route_keeps_its_name(
            configured in proptest::collection::btree_set(0u32..200, 0..120),
            asked in proptest::collection::vec((0u32..200, 1u64..4), 1..200),
        ) {
            let name = |i: u32| -> Arc<str> { format!("GET /shops/word{i}x").into() };
            let configured: BTreeSet<Arc<str>> = configured.into_iter().map(name).collect();
            let mut evidence = Evidence::new(epoch("1", None));
            let keep = Keep { rules: &|_| "r".into(), latency: &|_| LatencyTerms::default(), examples: 0, now: at(0) };
            for (route, times) in asked {
                evidence.skipped(&name(route), Bucket::Method, times, keep);
            }
            // For other requests of the same path.
            let template = Arc::from("GET /shops/{id}");
            evidence.skipped(&template, Bucket::Method, 1, keep);
            let configured: BTreeSet<_> = configured.into_iter().chain([template]).collect();
            let renamed = evidence.template_names(&|route| configured.contains(route));
            let shown = evidence.by_template(&TemplateNames { renamed, ..TemplateNames::default() }, 0);
            for (name, route) in evidence.routes.iter().filter(|(name, _)| configured.contains(*name)) {
                prop_assert_eq!(shown.routes.get(name), Some(route));
            }
            prop_assert_eq!(shown.totals(), evidence.totals());
            let automatic = evidence.routes.keys().filter(|name| !configured.contains(*name)).count();
            let left = shown.routes.keys().filter(|name| !configured.contains(*name)).count();
            prop_assert!(left <= automatic.min(50) + 1, "{left} of {automatic}");
        }
    }
}
