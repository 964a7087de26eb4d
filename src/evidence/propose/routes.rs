//! The same rule on several routes becomes one.

use super::choose::Chosen;
use super::{Proposal, Support};
use crate::diff::{RuleSpec, Tolerance, on_route};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The same rule and the routes it was chosen on.
type Group = Vec<(Arc<str>, Chosen)>;

/// Those of `globs` that mean no other of `all` routes than the one they stand for.
pub(super) fn narrow<'a>(globs: &'a BTreeMap<String, String>, all: &[&str]) -> BTreeMap<&'a str, &'a str> {
    let means_no_other = |route: &str, glob: &str| all.iter().all(|other| *other == route || !on_route(glob, other));
    let globs = globs.iter().map(|(route, glob)| (&**route, &**glob));
    globs.filter(|(route, glob)| means_no_other(route, glob)).collect()
}

/// One rule for all routes it was chosen on, where a name with `*` means them and no other; else one for each. A name that
/// stands for several routes is written as in `globs`.
pub(super) fn joined(chosen: Vec<(Arc<str>, Chosen)>, all: &[Arc<str>], globs: &BTreeMap<&str, &str>) -> Vec<Proposal> {
    let written = |route: &str| globs.get(route).copied().unwrap_or(route).to_owned();
    // By location and what the rule says.
    let mut alike: BTreeMap<(String, String), Group> = BTreeMap::new();
    for (route, one) in chosen {
        // How wide a tolerance is may differ from route to route: the widest is right for all.
        let tolerance = one.rule.tolerance.map(|t| Tolerance {
            relative: t.relative.map(|_| 0.0),
            time: t.time.map(|_| Default::default()),
            ..t
        });
        let meaning = format!("{:?}", RuleSpec { tolerance, ..one.rule.clone() });
        alike.entry((one.rule.at.clone(), meaning)).or_default().push((route, one));
    }
    let mut out = Vec::new();
    for group in alike.into_values() {
        let routes: Vec<Arc<str>> = group.iter().map(|(route, _)| route.clone()).collect();
        match common(&routes, all, &written) {
            Some(on) => out.extend(join(group, on)),
            None => out.extend(group.into_iter().filter_map(|one| {
                let on = written(&one.0);
                join(vec![one], on)
            })),
        }
    }
    out
}

/// A name that means these routes and none else of `all`.
fn common(routes: &[Arc<str>], all: &[Arc<str>], written: &dyn Fn(&str) -> String) -> Option<String> {
    match routes {
        [] => None,
        [one] => Some(written(one)),
        _ if routes.len() == all.len() => Some("*".to_owned()),
        [first, rest @ ..] => {
            let first = written(first);
            let shared = |a: &str, b: &str| a.char_indices().zip(b.chars()).take_while(|((_, x), y)| x == y).count();
            let length = rest.iter().map(|r| shared(&first, &written(r))).min()?;
            let prefix: String = first.chars().take(length).collect();
            // Cut at a segment, so that it reads as a place and not as a chance.
            let prefix = prefix.get(..=prefix.rfind('/')?)?;
            let glob = format!("{prefix}*");
            let narrow = prefix.matches('/').count() > 1;
            (narrow && all.iter().all(|r| routes.contains(r) || !on_route(&glob, r))).then_some(glob)
        }
    }
}

fn join(group: Group, on: String) -> Option<Proposal> {
    let (routes, all): (Vec<Arc<str>>, Vec<Chosen>) = group.into_iter().unzip();
    // The one with the widest tolerance speaks for all.
    let width =
        |c: &Chosen| c.rule.tolerance.map_or(0.0, |t| t.relative.or(t.time.map(|t| t.as_secs_f64())).unwrap_or(0.0));
    let widest = all.iter().max_by(|a, b| width(a).total_cmp(&width(b)).then(a.differed.cmp(&b.differed)))?;
    let support = Support {
        control: all.iter().all(|c| c.basis.control),
        differed: all.iter().map(|c| c.differed).sum(),
        of: all.iter().map(|c| c.basis.of).sum(),
    };
    let Support { differed, of, .. } = support;
    let what = match support.control {
        true => format!("the old service differs from itself in {differed} of {of} exchanges"),
        false => format!("both services answer anew every time, {differed} of {of} exchanges, without a control"),
    };
    let whence = if routes.len() > 1 { format!(" on {} routes", routes.len()) } else { String::new() };
    let why = Some(format!("{what}{whence}: {}", widest.detail));
    Some(Proposal { rule: RuleSpec { on, why, ..widest.rule.clone() }, routes, support })
}
