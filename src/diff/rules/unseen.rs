//! What rules say of a finding whose values are not there any more: they were redacted, and what is left is their
//! shapes.
//!
//! A rule that looks at no value holds as ever. One that does holds where the shapes are enough for it, or where it
//! held when the values were there and says the same today. Of any other it can't be told.

use super::plain;
use super::{JsonRules, RouteRules, Scheme};
use crate::diff::path::Path;
use crate::diff::spec::Ignore;
use crate::diff::value::ShapeTest;
use crate::diff::xml::XmlPath;
use crate::diff::{Cover, Finding};
use std::sync::Arc;

/// What comes of a finding without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// No rule excuses it.
    Bare,
    Covered(Arc<str>),
    /// This rule would have to see the values.
    Untold(Arc<str>),
}

/// The rules in force at a place, by what they need.
#[derive(Debug, Default)]
pub(super) struct InForce {
    /// Ignores the finding.
    pub(super) ignoring: Option<Arc<str>>,
    pub(super) same: Option<Arc<str>>,
    pub(super) shape: Option<(Arc<str>, ShapeTest)>,
    pub(super) bijection: Option<Arc<str>>,
    /// What else compares two values.
    pub(super) comparing: Vec<Arc<str>>,
}

// === impl RouteRules ===

impl RouteRules {
    /// What these rules make of a finding as it was when its values were there, less the values. `kept` is the rule
    /// that covered it then, where that says the same today; `renamed` the one that covers what stands for the values.
    pub fn unseen(&self, finding: &Finding, kept: Option<&Arc<str>>, renamed: Option<&Cover>) -> Unseen {
        if &*finding.kind == "cookie.attr" {
            let name = finding.location.strip_prefix("cookie:").unwrap_or_default();
            let mut places = [(Scheme::Cookie, name), (Scheme::Header, "set-cookie")].into_iter();
            let covering = places.find_map(|(scheme, name)| plain::covering_attribute(self.at(scheme, name), None));
            return covering.map_or(Unseen::Bare, Unseen::Covered);
        }
        let rules = self.in_force(finding);
        if let Some(id) = rules.iter().find_map(|r| r.ignoring.as_ref()) {
            return Unseen::Covered(id.clone());
        }
        let is_valued = is_valued(finding);
        let mut untold = None;
        for rules in &rules {
            let mut of_values: Vec<&Arc<str>> = rules.same.iter().collect();
            if is_valued {
                of_values.extend(&rules.comparing);
                let fits = rules.shape.as_ref().map(|(id, shape)| (id, fits(shape, finding)));
                match fits {
                    Some((id, Some(true))) => return Unseen::Covered(id.clone()),
                    Some((id, None)) => of_values.push(id),
                    Some((_, Some(false))) | None => {}
                }
                // Equal values have equal stand-ins, which is all that it asks for.
                if let (Some(id), Some(Cover::Rule(by))) = (&rules.bijection, renamed)
                    && id == by
                    && !of_values.contains(&id)
                {
                    return Unseen::Covered(id.clone());
                }
            }
            if let Some(kept) = kept.filter(|kept| of_values.contains(kept) || rules.bijection.as_ref() == Some(kept)) {
                return Unseen::Covered(kept.clone());
            }
            untold = untold.or_else(|| of_values.first().map(|id| Arc::clone(id)));
        }
        untold.map_or(Unseen::Bare, Unseen::Untold)
    }

    /// Those at the place of a finding, then those about what it is a part of.
    fn in_force(&self, finding: &Finding) -> Vec<InForce> {
        let (scheme, rest) = finding.location.split_once(':').unwrap_or((&finding.location, ""));
        let plain = |scheme, name: &str| plain::in_force(self.at(scheme, name), plain::aspect(scheme, finding));
        let body = || InForce { ignoring: plain(Scheme::Body, "").ignoring, ..InForce::default() };
        let paths = |rules: &JsonRules, place: &str| {
            let aspect = plain::aspect(Scheme::Body, finding);
            Path::parse(place).map_or_else(|_| InForce::default(), |path| in_document(rules, &path, aspect))
        };
        let exact = finding.exact.split_once(':').map_or("", |(_, place)| place);
        match scheme {
            "status" => vec![plain(Scheme::Status, "")],
            "transport" => vec![plain(Scheme::Transport, "")],
            "header" => vec![plain(Scheme::Header, rest)],
            "trailer" => vec![plain(Scheme::Trailer, rest)],
            "cookie" => vec![plain(Scheme::Cookie, rest), plain(Scheme::Header, "set-cookie")],
            "text" => vec![plain(Scheme::Text, ""), body()],
            "json" => vec![paths(&self.json, exact), body()],
            "grpc" if rest.starts_with('$') => vec![paths(&self.grpc, exact), body()],
            "grpc" => vec![plain(Scheme::Grpc, rest)],
            "xml" => vec![paths(&self.xml, &in_layout(exact, finding)), body()],
            _ => vec![body()],
        }
    }
}

/// What the rules on paths say of a place, and of all that it stands in.
fn in_document(rules: &JsonRules, path: &Path, aspect: Ignore) -> InForce {
    let mut along = rules.along(path);
    let props = along.pop().flatten().map(|props| (*props).clone()).unwrap_or_default();
    let above = along.iter().flatten().find_map(|above| above.ignores(&[Ignore::Value]));
    let ignoring = above.or_else(|| props.ignores(&[aspect])).cloned();
    let comparing = [props.mask.map(|r| r.id), props.numeric_string.map(|r| r.id), props.tolerance.map(|r| r.id)];
    InForce {
        ignoring,
        same: props.same.map(|r| r.id),
        shape: props.shape.map(|r| (r.id, r.is)),
        bijection: props.bijection.map(|r| r.id),
        comparing: comparing.into_iter().flatten().collect(),
    }
}

/// Where a finding on XML stands in the JSON that is compared.
fn in_layout(exact: &str, finding: &Finding) -> String {
    let place = XmlPath::parse(exact).map(|path| path.place()).unwrap_or_default();
    if &*finding.kind == "xml.text" { format!("{place}['#text'][0]") } else { place }
}

/// Whether two values were compared that a rule may take for the same by their look; others differ in more than that.
fn is_valued(finding: &Finding) -> bool {
    let kind = &*finding.kind;
    let of_values = kind.ends_with(".value") || matches!(kind, "xml.text" | "xml.attr" | "text.hunk");
    let of_fields = ["header", "cookie", "trailer", "grpc", "redirect"].iter().any(|f| kind.starts_with(f));
    (of_values || of_fields) && finding.primary.is_some() && finding.candidate.is_some()
}

/// Whether both values have the shape, as far as what they looked like tells.
fn fits(shape: &ShapeTest, finding: &Finding) -> Option<bool> {
    let of = |seen: &Option<_>| shape.fits(seen.as_ref().map_or("missing", |seen: &crate::diff::Word| seen));
    match (of(&finding.primary_shape), of(&finding.candidate_shape)) {
        (Some(true), Some(true)) => Some(true),
        (Some(false), _) | (_, Some(false)) => Some(false),
        _ => None,
    }
}
