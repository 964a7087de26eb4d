//! Under which names automatic routes are judged and shown, where too many siblings turned out to be ids.

use super::Policy;
use super::divergence::{is_beyond, own_limits};
use super::legs::Legs;
use super::weights::Weights;
use crate::evidence::{Evidence, TemplateNames};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The routes of one template.
#[derive(Default)]
struct Group<'a> {
    /// Beyond their limit by themselves.
    beyond: Vec<&'a str>,
    rest: Legs,
    whole: Legs,
    /// The largest of theirs: that of the one seen first.
    weight: f64,
}

impl Policy {
    /// See [`Evidence::template_names`]. A route that is beyond its limit by itself is left under its own name: what failed
    /// does not cease to because healthy siblings turned up. Where the others fail as well it is the template that does, and
    /// where it fails with those beyond they are not taken out of it: they may be too rare to fail by themselves.
    pub fn template_names(&self, evidence: &Evidence) -> TemplateNames {
        let mut renamed = evidence.template_names(&|route| self.is_configured(route));
        let mut apart = BTreeMap::new();
        for name in self.standing_out(evidence, &renamed) {
            apart.extend(renamed.remove_entry(&name));
        }
        TemplateNames { renamed, apart }
    }

    /// The evidence as it is judged and shown.
    pub fn by_template<'e>(&self, evidence: &'e Evidence, keep_examples: usize) -> Cow<'e, Evidence> {
        evidence.by_template(&self.template_names(evidence), keep_examples)
    }

    fn standing_out(&self, evidence: &Evidence, renamed: &BTreeMap<String, String>) -> Vec<String> {
        if renamed.is_empty() {
            return Vec::new();
        }
        let policy = &*self.after_resets(evidence.epoch.resets);
        let weights = Weights::new(policy, evidence);
        let beyond = |name: &str, legs: &Legs, weight: f64| is_beyond(legs, &own_limits(policy, name, weight));
        let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
        let own = renamed.values().map(|template| (template, template));
        for (name, template) in renamed.iter().chain(own.collect::<BTreeMap<_, _>>()) {
            let Some(route) = evidence.routes.get(name.as_str()) else { continue };
            let (legs, weight) = (Legs::of(route), weights.route(name));
            let group = groups.entry(template).or_default();
            group.whole.add(legs);
            group.weight = group.weight.max(weight);
            if name != template && beyond(name, &legs, weight) {
                group.beyond.push(name);
            } else {
                group.rest.add(legs);
            }
        }
        let mut out = Vec::new();
        for (template, group) in groups {
            let alike = group.rest.all().n == 0 || beyond(template, &group.rest, group.weight);
            let enough = group.whole.all().n >= policy.for_route(template).0.min_comparisons;
            if !((alike || enough) && beyond(template, &group.whole, group.weight)) {
                out.extend(group.beyond.into_iter().map(str::to_owned));
            }
        }
        out
    }
}
