//! What a pattern in the evidence is likely to mean: a candidate that is asked wrongly rather than one that is wrong.

use crate::evidence::{Evidence, RouteEvidence};
use crate::model::{Notice, Severity};
use crate::report::{share, thousands};

/// Comparisons a route needs before anything is made of it.
const ENOUGH: u64 = 20;
/// Of a route's comparisons.
const MOST: f64 = 0.9;

/// A status that a candidate answers with where it is not set up as the primary is.
struct Pattern {
    status: &'static str,
    code: &'static str,
    hint: &'static str,
}

const PATTERNS: [Pattern; 2] = [
    Pattern {
        status: "404",
        code: "candidate_not_found",
        hint: "the candidate is passed the client's Host; if it picks what to serve by its own name see `candidate.preserve_host`. Otherwise see the path of `candidate.url`, and whether it has the primary's data",
    },
    Pattern {
        status: "401",
        code: "candidate_unauthorized",
        hint: "it is sent the client's cookies and Authorization: sessions and tokens have to be known to both, by a shared store or signing key",
    },
];

/// Labels that are none of builds.
fn labels(evidence: &Evidence) -> Option<Notice> {
    let n = evidence.epoch.other_builds;
    (n > 0).then(|| Notice {
        code: "build_header".into(),
        severity: Severity::Warning,
        message: format!(
            "more builds were named than are ever deployed: {} exchanges of labels without an epoch are counted in this one",
            thousands(n)
        ),
        hint: Some(
            "what `candidate.build_header` names looks like an id: it has to be the same in all answers of one build".into(),
        ),
        since: None,
    })
}

/// One notice for each pattern, about the route with most comparisons that shows it.
pub fn of(evidence: &Evidence) -> Vec<Notice> {
    let notice = |pattern: &Pattern| {
        let mut shown: Vec<_> = evidence
            .routes
            .iter()
            .filter_map(|(name, route)| Some((name, route.counts.compared, part(route, pattern.status)?)))
            .collect();
        shown.sort_by_key(|(name, compared, _)| (std::cmp::Reverse(*compared), *name));
        let (name, compared, part) = shown.first()?;
        let others = match shown.len() - 1 {
            0 => String::new(),
            1 => ", and so on one more route".into(),
            n => format!(", and so on {n} more routes"),
        };
        Some(Notice {
            code: pattern.code.into(),
            severity: Severity::Warning,
            message: format!(
                "the candidate answers {} to {} of {} requests to {name} that the primary answers with 200{others}",
                pattern.status,
                share(*part),
                thousands(*compared),
            ),
            hint: Some(pattern.hint.into()),
            since: None,
        })
    };
    PATTERNS.iter().filter_map(notice).chain(labels(evidence)).collect()
}

/// The share of a route's comparisons in which the primary answered 200 and the candidate `status`, where it is most.
fn part(route: &RouteEvidence, status: &str) -> Option<f64> {
    let compared = route.counts.compared;
    let counted: u64 = route
        .divergences
        .values()
        .filter(|d| &*d.location == "status" && &*d.primary_class == "200" && &*d.candidate_class == status)
        .map(|d| d.counted)
        .sum();
    let part = counted as f64 / compared.max(1) as f64;
    (compared >= ENOUGH && part >= MOST).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Finding, Tier};
    use crate::evidence::Keep;
    use crate::evidence::testing::{at, compared, epoch, finding};

    fn status(to: &'static str) -> Finding {
        let mut finding = finding("status.class", "status", Tier::Break);
        (finding.primary_class, finding.candidate_class) = ("200".into(), to.into());
        finding
    }

    fn evidence(routes: &[(&str, &'static str, u64, u64)]) -> Evidence {
        let mut evidence = Evidence::new(epoch("1", None));
        let keep = Keep { rules: &|_| "r".into(), latency: &|_| Default::default(), examples: 0, now: at(0) };
        for (route, to, differ, alike) in routes {
            for i in 0..differ + alike {
                let list = if i < *differ { vec![status(to)] } else { vec![] };
                evidence.begin(&(*route).into(), keep);
                evidence.apply(&compared("x", route, 1, list), keep);
            }
        }
        evidence
    }

    #[test]
    fn only_what_most_of_a_route_shows_is_told() {
        let told = |routes: &[(&str, &'static str, u64, u64)]| -> Vec<String> {
            of(&evidence(routes)).into_iter().map(|n| n.message).collect()
        };
        assert_eq!(told(&[("GET /a", "404", 19, 0), ("GET /b", "404", 17, 3), ("GET /c", "500", 40, 0)]), [""; 0]);
        let mut ids = evidence(&[]);
        ids.epoch.other_builds = 1_200;
        assert_eq!(of(&ids).iter().map(|n| n.code.as_str()).collect::<Vec<_>>(), ["build_header"]);
        assert_eq!(
            told(&[("GET /a", "404", 18, 2), ("GET /b", "404", 49, 1), ("GET /c", "401", 20, 0)]),
            [
                "the candidate answers 404 to 98 % of 50 requests to GET /b that the primary answers with 200, and so on one more route",
                "the candidate answers 401 to 100 % of 20 requests to GET /c that the primary answers with 200",
            ]
        );
    }
}
