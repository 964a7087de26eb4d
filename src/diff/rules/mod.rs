//! From rules as written to rules that apply: checked, expired ones left out, resolved per route.
//!
//! What a rule does to a JSON body is decided beside the JSON comparison, and to XML by rules on its JSON layout;
//! everything else is decided in [`plain`].

mod glob;
mod location;
mod pieces;
mod plain;
mod unseen;

pub use glob::on_route;
pub(super) use location::Scheme;
pub use unseen::Unseen;

use super::fingerprint::encode;
use super::json::{AutoKeys, InferredKey, JsonRules, Learnt};
use super::spec::{Align, RuleSpec};
use super::{Cover, Finding, Schema, xml};
use location::Location;
use plain::PlainRule;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_128;

/// Routes whose resolved rules are remembered; the number of routes is bounded elsewhere, this is the second fence.
const MAX_CACHED: usize = 8192;

/// A rule that makes no sense, by its place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule {index}, `{key}`: {message}")]
pub struct RuleError {
    /// Counted from 0 in order of appearance.
    pub index: usize,
    /// The key of the rule that is wrong, e.g. `at`.
    pub key: String,
    /// Lower case, ends with the remedy.
    pub message: String,
}

/// One rule as reports list it. Kept in the store too, so that a report can be made without a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    pub id: Arc<str>,
    pub owner: Option<String>,
    pub expires: Option<String>,
    pub why: Option<String>,
    pub on: String,
    pub at: String,
    /// On the day that was asked about.
    pub expired: bool,
    /// Whether it says which elements of an array belong together, which excuses nothing by itself.
    pub pairs: bool,
}

/// What comparing means: evidence of another version is not gone on with. To be changed when answers that were found alike
/// are not any more, or the other way round; last so for links, bytes that are no text, cookies' ends and charsets.
const SEMANTICS: &str = "v5";

/// All rules of a configuration, compiled.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Compiled>,
    schema: Option<Arc<Schema>>,
    cache: Mutex<Cache>,
    /// What `align = "auto"` finds out from answer to answer, on all routes.
    learnt: Arc<Learnt>,
}

/// The rules that apply to one route on one day.
#[derive(Debug)]
pub struct RouteRules {
    pub(super) json: JsonRules,
    /// On the fields of messages.
    pub(super) grpc: JsonRules,
    schema: Option<Arc<Schema>>,
    /// On the JSON layout of XML.
    pub(super) xml: JsonRules,
    /// The most specific first, among equals the later first.
    plain: Arc<[(Location, Arc<PlainRule>)]>,
    digest: String,
}

#[derive(Debug)]
struct Compiled {
    spec: RuleSpec,
    id: Arc<str>,
    location: Location,
    /// `None` for a path.
    plain: Option<Arc<PlainRule>>,
    /// Identifies what it says, and where.
    meaning: Arc<str>,
}

#[derive(Debug, Default)]
struct Cache {
    day: String,
    by_route: HashMap<Box<str>, Arc<RouteRules>>,
    /// Most routes have the same rules: resolved once per set of rules.
    by_rules: HashMap<Vec<usize>, Arc<RouteRules>>,
}

// === impl RuleSet ===

impl RuleSet {
    /// Checks and compiles all rules.
    ///
    /// # Errors
    /// Every rule that is wrong by itself or contradicts another, all at once.
    pub fn compile(specs: &[RuleSpec]) -> Result<RuleSet, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut rules: Vec<Compiled> = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut faults: Vec<(&str, String)> = Vec::new();
            check_head(spec, &mut faults);
            if let Some(first) = specs.iter().take(index).position(|s| s.id == spec.id && !s.id.is_empty()) {
                faults.push(("id", format!("`{}` is also the id of rule {first}; give each rule its own", spec.id)));
            }
            let location = match Location::parse(&spec.at) {
                Ok(location) => Some(location),
                Err(message) => {
                    faults.push(("at", message));
                    None
                }
            };
            if let Some(location) = location {
                let id: Arc<str> = spec.id.as_str().into();
                let plain = if location.is_path() {
                    if plain::has_property(spec) {
                        faults.extend(path_faults(location.scheme, spec).iter().map(|message| keyed(message)));
                    }
                    None
                } else {
                    PlainRule::compile(&id, spec, location.scheme, &mut faults).map(Arc::new)
                };
                for earlier in &rules {
                    contradiction((&earlier.spec, &earlier.location), (spec, &location), &mut faults);
                }
                let meaning = encode(xxh3_128(meaning(spec, true).as_bytes()), 16).into();
                rules.push(Compiled { spec: spec.clone(), id, location, plain, meaning });
            }
            errors.extend(faults.into_iter().map(|(key, message)| RuleError { index, key: key.to_owned(), message }));
        }
        if errors.is_empty() {
            Ok(RuleSet { rules, schema: None, cache: Mutex::default(), learnt: Arc::default() })
        } else {
            Err(errors)
        }
    }

    /// The same rules, with messages read by what descriptor sets say of them.
    pub fn with_schema(self, schema: Option<Arc<Schema>>) -> RuleSet {
        RuleSet { schema, cache: Mutex::default(), ..self }
    }

    /// The rules for a route, by its full name (`METHOD template` or `METHOD name`), on a day (`2026-01-31`, UTC).
    pub fn for_route(&self, route: &str, today: &str) -> Arc<RouteRules> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.day != today {
            *cache = Cache { day: today.to_owned(), ..Cache::default() };
        }
        if let Some(known) = cache.by_route.get(route) {
            return known.clone();
        }
        let applying: Vec<usize> = (0..)
            .zip(&self.rules)
            .filter(|(_, r)| !r.expired(today) && on_route(&r.spec.on, route))
            .map(|(i, _)| i)
            .collect();
        let resolved = match cache.by_rules.get(&applying) {
            Some(known) => known.clone(),
            None => {
                let chosen = applying.iter().filter_map(|i| self.rules.get(*i));
                let resolved = Arc::new(RouteRules::resolve(chosen, self.schema.as_ref()));
                cache.by_rules.insert(applying, resolved.clone());
                resolved
            }
        };
        let resolved = if resolved.json.has_auto() {
            Arc::new(resolved.learning(AutoKeys::new(route, &self.learnt)))
        } else {
            resolved
        };
        if cache.by_route.len() >= MAX_CACHED {
            cache.by_route.clear();
            cache.by_rules.clear();
        }
        cache.by_route.insert(route.into(), resolved.clone());
        resolved
    }

    /// Identifies what the rules in force on a day and the descriptor sets mean; who owns them and why does not matter, nor do their ids.
    pub fn digest(&self, today: &str) -> String {
        let rules = self.rules.iter().filter(|r| !r.expired(today)).map(|r| meaning(&r.spec, true));
        digest(rules.chain(of_schema(self.schema.as_ref())))
    }

    /// Identifies what the rule of an id says and where, whoever owns it, and why and until when it does.
    pub fn meaning(&self, id: &str) -> Option<&Arc<str>> {
        self.rules.iter().find(|r| &*r.id == id).map(|r| &r.meaning)
    }

    /// The keys that `align = "auto"` has found, those not yet in use among them.
    pub fn inferred_keys(&self) -> Vec<InferredKey> {
        self.learnt.all()
    }

    /// All rules in order, the expired ones marked.
    pub fn infos(&self, today: &str) -> Vec<RuleInfo> {
        self.rules
            .iter()
            .map(|r| RuleInfo {
                id: r.id.clone(),
                owner: r.spec.owner.clone(),
                expires: r.spec.expires.clone(),
                why: r.spec.why.clone(),
                on: r.spec.on.clone(),
                at: r.spec.at.clone(),
                expired: r.expired(today),
                pairs: matches!(&r.spec.align, Some(Align::Lcs | Align::Index | Align::Auto | Align::Key(_))),
            })
            .collect()
    }
}

impl RuleInfo {
    /// The same on another day.
    pub fn on_day(self, today: &str) -> Self {
        Self { expired: is_over(self.expires.as_deref(), today), ..self }
    }
}

impl Compiled {
    fn expired(&self, today: &str) -> bool {
        is_over(self.spec.expires.as_deref(), today)
    }
}

/// ISO dates compare as text.
fn is_over(expires: Option<&str>, today: &str) -> bool {
    expires.is_some_and(|day| day <= today)
}

// === impl RouteRules ===

impl RouteRules {
    /// No rule at all.
    pub fn none() -> RouteRules {
        RouteRules::resolve(std::iter::empty(), None)
    }

    /// Identifies what applies to this route.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn resolve<'a>(rules: impl Iterator<Item = &'a Compiled>, schema: Option<&Arc<Schema>>) -> RouteRules {
        let rules: Vec<&Compiled> = rules.collect();
        // Each rule was compiled alone when the set was; together they can't fail.
        let paths = |scheme| {
            let of_scheme = rules.iter().filter(|r| r.location.is_path() && r.location.scheme == scheme);
            let specs: Vec<RuleSpec> = of_scheme.filter_map(|r| path_rules(scheme, &r.spec).ok()).flatten().collect();
            JsonRules::compile(&specs.iter().enumerate().collect::<Vec<_>>()).unwrap_or_default()
        };
        let mut plain: Vec<_> =
            rules.iter().filter_map(|r| Some((r.location.clone(), r.plain.clone()?))).rev().collect();
        plain.sort_by_key(|(location, _)| location.is_pattern());
        RouteRules {
            json: paths(Scheme::Json),
            grpc: paths(Scheme::Grpc),
            xml: paths(Scheme::Xml),
            plain: plain.into(),
            digest: digest(rules.iter().map(|r| meaning(&r.spec, false)).chain(of_schema(schema))),
            schema: schema.cloned(),
        }
    }

    /// The same rules for a route whose arrays are remembered.
    fn learning(&self, keys: AutoKeys) -> RouteRules {
        RouteRules {
            json: self.json.learning(keys),
            grpc: self.grpc.clone(),
            xml: self.xml.clone(),
            plain: self.plain.clone(),
            digest: self.digest.clone(),
            schema: self.schema.clone(),
        }
    }

    /// What messages are read by, where descriptor sets were given.
    pub(super) fn schema(&self) -> Option<&Schema> {
        self.schema.as_deref()
    }

    /// The rules at a place, the most specific first.
    pub(super) fn at<'a>(&'a self, scheme: Scheme, name: &'a str) -> impl Iterator<Item = &'a PlainRule> + Clone {
        self.plain.iter().filter(move |(l, _)| l.scheme == scheme && l.matches(name)).map(|(_, rule)| &**rule)
    }

    /// Notes on a finding which rule covers it, where one does. The values are whole, unlike the finding's excerpts.
    pub(super) fn cover(
        &self,
        scheme: Scheme,
        name: &str,
        finding: &mut Finding,
        primary: Option<&str>,
        candidate: Option<&str>,
    ) {
        if finding.cover.is_none() {
            let aspect = plain::aspect(scheme, finding);
            finding.cover = plain::covering(self.at(scheme, name), aspect, primary, candidate).map(Cover::Rule);
        }
    }

    /// The same for a finding on an attribute of a cookie; `lives` are the times for which both are kept, where it is
    /// about these.
    pub(super) fn cover_attribute(
        &self,
        scheme: Scheme,
        name: &str,
        finding: &mut Finding,
        lives: Option<(&str, &str)>,
    ) {
        if finding.cover.is_none() {
            finding.cover = plain::covering_attribute(self.at(scheme, name), lives).map(Cover::Rule);
        }
    }
}

/// The rules on the JSON that is compared, for a rule at a path.
fn path_rules(scheme: Scheme, spec: &RuleSpec) -> Result<Vec<RuleSpec>, String> {
    match scheme {
        Scheme::Xml => xml::expand(spec),
        _ => Ok(vec![spec.clone()]),
    }
}

// === checks ===

/// What is wrong with a rule at a path.
fn path_faults(scheme: Scheme, spec: &RuleSpec) -> Vec<String> {
    let together = match scheme {
        // What makes no sense together is seen before the rule is taken apart.
        Scheme::Xml => JsonRules::compile(&[(0, &RuleSpec { at: "json:$".into(), ..spec.clone() })]).err(),
        _ => None,
    };
    let wrong = |wrong: Vec<(usize, String)>| wrong.into_iter().map(|(_, message)| message).collect();
    match (together, path_rules(scheme, spec)) {
        (Some(faults), _) => wrong(faults),
        (None, Err(message)) => vec![message],
        (None, Ok(rules)) => {
            JsonRules::compile(&rules.iter().enumerate().collect::<Vec<_>>()).err().map(wrong).unwrap_or_default()
        }
    }
}

fn check_head(spec: &RuleSpec, faults: &mut Vec<(&'static str, String)>) {
    if spec.id.trim().is_empty() {
        faults.push(("id", "a rule needs an id; reports name it by that".to_owned()));
    }
    if spec.on.trim().is_empty() {
        faults.push(("on", "names no route; `*` stands for all".to_owned()));
    }
    if let Some(day) = &spec.expires
        && (day.len() != 10 || day.parse::<jiff::civil::Date>().is_err())
    {
        faults.push(("expires", format!("`{day}` is no date; write it as 2027-03-01")));
    }
    if !plain::has_property(spec) {
        let all = "ignore, tolerance, numeric_string, align, shape, same, mask, bijection";
        faults.push(("at", format!("the rule says where but not what; add one of {all}")));
    }
}

/// The key a message begins with, and the rest of it.
fn keyed(message: &str) -> (&'static str, String) {
    let keys = ["ignore", "tolerance", "numeric_string", "align", "shape", "same", "mask", "bijection", "at"];
    match keys.into_iter().find(|key| message.starts_with(key)) {
        Some(key) => {
            let rest = message.strip_prefix(key).and_then(|m| m.strip_prefix(": ")).unwrap_or(message);
            (key, rest.to_owned())
        }
        None => ("at", message.to_owned()),
    }
}

/// Two rules that say different things about the same property of the same place on the same routes.
fn contradiction(
    (earlier, place): (&RuleSpec, &Location),
    (later, later_place): (&RuleSpec, &Location),
    faults: &mut Vec<(&'static str, String)>,
) {
    if earlier.on != later.on || earlier.expires != later.expires || !place.is_same(later_place) {
        return;
    }
    let mut clash = |key: &'static str, clashes: bool| {
        if clashes {
            let message =
                format!("rule `{}` says otherwise about {} on {}; keep one of the two", earlier.id, later.at, later.on);
            faults.push((key, message));
        }
    };
    fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    clash("tolerance", differ(&earlier.tolerance, &later.tolerance));
    clash("align", differ(&earlier.align, &later.align));
    clash("shape", differ(&earlier.shape, &later.shape));
    clash("bijection", differ(&earlier.bijection, &later.bijection));
    clash("ignore", differ(&earlier.ignore, &later.ignore));
    clash("mask", differ(&earlier.mask, &later.mask));
    // Neither the order of the groups nor that in a group means anything.
    let groups = |spec: &RuleSpec| -> BTreeSet<BTreeSet<String>> {
        spec.same.iter().map(|group| group.iter().cloned().collect()).collect()
    };
    let given = !earlier.same.is_empty() && !later.same.is_empty();
    clash("same", given && groups(earlier) != groups(later));
}

// === digests ===

/// A rule without what does not change a comparison.
fn meaning(spec: &RuleSpec, with_routes: bool) -> String {
    let bare = RuleSpec {
        id: String::new(),
        why: None,
        owner: None,
        expires: None,
        on: if with_routes { spec.on.clone() } else { String::new() },
        ..spec.clone()
    };
    serde_json::to_string(&bare).unwrap_or_default()
}

fn of_schema(schema: Option<&Arc<Schema>>) -> Option<String> {
    schema.map(|schema| format!("schema {}", schema.digest()))
}

fn digest(meanings: impl Iterator<Item = String>) -> String {
    let mut all = SEMANTICS.to_owned();
    for meaning in meanings {
        all.push('\n');
        all.push_str(&meaning);
    }
    encode(xxh3_128(all.as_bytes()), 16)
}

#[cfg(test)]
mod tests;
