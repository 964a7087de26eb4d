//! What the findings of one exchange come to, once rules and the route's known noise have had their say.
//!
//! | finding | excuse |
//! |---|---|
//! | beneath an earlier layer's | none of its own: it is shown, it neither counts nor needs a reason |
//! | tier `repr` or `info` | representation |
//! | covered by a rule | rule |
//! | known noise not above the control's, and its value has a shape the primary's have had: see `noise` | noise |
//! | any other | none: it counts |
//!
//! - Noise is known from the first exchange on in which the control shows it, that exchange included.
//! - The pair (D, K) is judged by what was known before the exchange, for candidate and control alike. Were it judged
//!   after learning, the control could hardly ever be the first to show a place, and the candidate's first sightings of
//!   the old system's own noise would count against it: legs that are the same must be as likely to be either of a pair.
//! - Tier `break` is never learned: one hiccup of the control must not excuse every later failure of the candidate.
//!   There D and K both count and the pairs (D, K) show the excess.

use super::noise::{excuses, is_known, learn, weigh};
use super::{Compared, Noise};
use crate::diff::{Cover, Finding, Findings, Tier};
use crate::model::Incomparable;
use std::sync::Arc;

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Excuse {
    Secondary,
    Representation,
    Noise,
    Rule(Arc<str>),
}

impl Excuse {
    /// As `excused_by` spells it; a secondary finding has no reason.
    pub(super) fn text(&self) -> Option<Arc<str>> {
        match self {
            Excuse::Secondary => None,
            Excuse::Representation => Some("representation".into()),
            Excuse::Noise => Some("noise".into()),
            Excuse::Rule(id) => Some(format!("rule:{id}").into()),
        }
    }
}

/// The strongest reason an excused exchange needed, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needed {
    Representation,
    Noise,
    Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Matched,
    Excused(Needed),
    Divergent,
    Incomparable(Incomparable),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub decision: Decision,
    /// One for each of the candidate's findings; `None` counts.
    pub excuses: Vec<Option<Excuse>>,
    pub paired: Option<Paired>,
}

/// What an exchange with a control answer says of either leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paired {
    /// The control had a finding that counts before noise is considered.
    pub differed: bool,
    /// D and K: it had one that counts by what was known before the exchange.
    pub candidate: bool,
    pub control: bool,
}

/// Judges the pair, learns what the control teaches, then says what the exchange is called.
pub(super) fn judge(noise: &mut Noise, compared: &Compared) -> Judged {
    let whole = compared.control.as_ref().filter(|c| c.budget.is_none() || c.list.iter().any(Finding::counts));
    let paired = whole.map(|control| Paired {
        differed: control.list.iter().any(Finding::counts),
        candidate: counts_before(noise, &compared.candidate),
        control: counts_before(noise, control),
    });
    if let Some(control) = whole {
        // Before learning: the exchange that makes a location known was chosen for the control's difference.
        weigh(noise, &compared.candidate, control);
    }
    if let Some(control) = &compared.control {
        learn(noise, control);
    }
    let excuses: Vec<Option<Excuse>> = compared.candidate.list.iter().map(|f| excuse(noise, f)).collect();
    Judged { decision: decide(&compared.candidate, &excuses), excuses, paired }
}

/// Whether one of a leg's findings counts by what is known as yet.
fn counts_before(noise: &Noise, findings: &Findings) -> bool {
    findings.list.iter().any(|f| f.counts() && (f.tier == Tier::Break || !is_known(noise, f)))
}

fn excuse(noise: &mut Noise, finding: &Finding) -> Option<Excuse> {
    if finding.secondary {
        return Some(Excuse::Secondary);
    }
    if !finding.tier.counts() {
        return Some(Excuse::Representation);
    }
    if let Some(Cover::Rule(id)) = &finding.cover {
        return Some(Excuse::Rule(id.clone()));
    }
    if finding.tier == Tier::Break {
        return None;
    }
    excuses(noise, finding).then_some(Excuse::Noise)
}

/// Divergent if anything counts. Otherwise nothing unknown may count as good: what was cut short is incomparable.
fn decide(findings: &Findings, excuses: &[Option<Excuse>]) -> Decision {
    if excuses.iter().any(Option::is_none) {
        return Decision::Divergent;
    }
    // A finding that counts before noise is dropped only when every one that is kept counts too (`Findings::push`).
    let lost = findings.lost_any() && findings.list.iter().all(Finding::counts);
    if findings.budget.is_some() || lost {
        return Decision::Incomparable(Incomparable::Budget);
    }
    let needed = excuses.iter().flatten().map(|excuse| match excuse {
        Excuse::Secondary | Excuse::Representation => Needed::Representation,
        Excuse::Noise => Needed::Noise,
        Excuse::Rule(_) => Needed::Rule,
    });
    match needed.max() {
        None => Decision::Matched,
        Some(needed) => Decision::Excused(needed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finding, findings};
    use super::*;

    fn compared(candidate: Vec<Finding>, control: Option<Vec<Finding>>) -> Compared {
        Compared { candidate: findings(candidate), control: control.map(findings), example: None }
    }

    fn shaped(kind: &'static str, primary: &'static str, candidate: &'static str) -> Finding {
        let mut f = finding(kind, "json:$.id", Tier::Value);
        f.primary_shape = Some(primary.into());
        f.candidate_shape = Some(candidate.into());
        f
    }

    #[test]
    fn noise_is_known_from_the_exchange_that_shows_it() {
        let mut noise = Noise::new();
        let id = || shaped("json.value", "uuid", "uuid");
        assert_eq!(judge(&mut noise, &compared(vec![id()], None)).decision, Decision::Divergent);
        let judged = judge(&mut noise, &compared(vec![id()], Some(vec![id()])));
        assert_eq!(judged.decision, Decision::Excused(Needed::Noise));
        // As yet nobody knew of it, neither of the candidate's nor of the control's.
        assert_eq!(judged.paired, Some(Paired { differed: true, candidate: true, control: true }));
        let judged = judge(&mut noise, &compared(vec![id()], Some(vec![id()])));
        assert_eq!(judged.paired, Some(Paired { differed: true, candidate: false, control: false }));
        assert_eq!(judge(&mut noise, &compared(vec![id()], None)).decision, Decision::Excused(Needed::Noise));
    }

    #[test]
    fn whoever_shows_noise_first_it_counts_in_the_pair() {
        let place = |name: &str| finding("json.value", &format!("json:$.{name}"), Tier::Value);
        let pair = |judged: Judged| judged.paired.map(|p| (p.candidate, p.control)).unwrap();
        let mut noise = Noise::new();
        let judged = judge(&mut noise, &compared(vec![place("a")], Some(vec![])));
        assert_eq!((judged.decision, pair(judged)), (Decision::Divergent, (true, false)));
        let judged = judge(&mut noise, &compared(vec![], Some(vec![place("b")])));
        assert_eq!((judged.decision, pair(judged)), (Decision::Matched, (false, true)));
        let judged = judge(&mut noise, &compared(vec![place("c")], Some(vec![place("c"), place("b")])));
        assert_eq!((judged.decision, pair(judged)), (Decision::Excused(Needed::Noise), (true, true)));
        for (candidate, control) in [("b", "c"), ("c", "b")] {
            let judged = judge(&mut noise, &compared(vec![place(candidate)], Some(vec![place(control)])));
            assert_eq!((judged.decision, pair(judged)), (Decision::Excused(Needed::Noise), (false, false)));
        }
    }

    proptest::proptest! {
        /// What the same table makes of both legs' answers does not depend on which is which.
        #[test]
        fn legs_that_change_places_change_places_in_the_pair(
            past in proptest::collection::vec(proptest::collection::vec((0usize..6, 0usize..4), 0..4), 0..12),
            one in proptest::collection::vec((0usize..6, 0usize..4), 0..4),
            other in proptest::collection::vec((0usize..6, 0usize..4), 0..4),
        ) {
            const SHAPES: [&str; 4] = ["uuid", "int", "hex", "null"];
            let list = |of: &[(usize, usize)]| of.iter().map(|(place, shape)| {
                let mut f = shaped("json.value", SHAPES[shape / 2], SHAPES[*shape]);
                f.location = format!("json:$.m{place}").into();
                f
            }).collect::<Vec<_>>();
            let mut noise = Noise::new();
            for control in &past {
                judge(&mut noise, &compared(vec![], Some(list(control))));
            }
            let pair = |a: &[_], b: &[_]| judge(&mut noise.clone(), &compared(list(a), Some(list(b)))).paired.unwrap();
            let (there, back) = (pair(&one, &other), pair(&other, &one));
            proptest::prop_assert_eq!((there.candidate, there.control), (back.control, back.candidate));
        }
    }

    #[test]
    fn noise_excuses_neither_another_shape_nor_another_kind() {
        let mut noise = Noise::new();
        judge(&mut noise, &compared(vec![], Some(vec![shaped("json.value", "uuid", "uuid")])));
        for (kind, shape) in [("json.value", "word"), ("json.type", "null"), ("json.type", "uuid")] {
            let judged = judge(&mut noise, &compared(vec![shaped(kind, "uuid", shape)], None));
            assert_eq!(judged.decision, Decision::Divergent, "{kind} {shape}");
        }
    }

    #[test]
    fn noise_of_a_clock_in_a_tuple_does_not_excuse_the_value_beside_it() {
        let mut noise = Noise::new();
        let at = |of: &'static str| {
            let mut f = finding("json.value", "json:$.value[*]", Tier::Value);
            f.primary_class = of.into();
            (f.primary_shape, f.candidate_shape) = (Some("number".into()), Some("number".into()));
            f
        };
        let clock = || at("number:small");
        let judged = judge(&mut noise, &compared(vec![clock(), at("string:numeric")], Some(vec![clock()])));
        assert_eq!(judged.excuses, [Some(Excuse::Noise), None]);
        let judged = judge(&mut noise, &compared(vec![at("number:large")], None));
        assert_eq!(judged.decision, Decision::Excused(Needed::Noise));
    }

    #[test]
    fn noise_in_the_figures_of_a_text_does_not_excuse_other_words() {
        let hunk = |shape: &'static str| {
            let mut f = finding("text.hunk", "text", Tier::Value);
            (f.primary_shape, f.candidate_shape) = (Some(shape.into()), Some(shape.into()));
            f
        };
        let mut noise = Noise::new();
        let judged = judge(&mut noise, &compared(vec![hunk("volatile"), hunk("text")], Some(vec![hunk("volatile")])));
        assert_eq!(judged.excuses, [Some(Excuse::Noise), None]);
        let mut noise = Noise::new();
        let judged = judge(&mut noise, &compared(vec![hunk("volatile"), hunk("text")], Some(vec![hunk("text")])));
        assert_eq!(judged.excuses, [Some(Excuse::Noise), Some(Excuse::Noise)]);
    }

    #[test]
    fn a_control_whose_value_has_no_legal_shape_counts_like_a_candidate() {
        let mut noise = Noise::new();
        let odd = || shaped("json.value", "uuid", "word");
        let judged = judge(&mut noise, &compared(vec![odd()], Some(vec![odd()])));
        assert_eq!(judged.decision, Decision::Divergent);
        assert_eq!(judged.paired, Some(Paired { differed: true, candidate: true, control: true }));
    }

    #[test]
    fn a_location_without_shapes_is_noise_by_itself() {
        let mut noise = Noise::new();
        let order = || finding("json.order", "json:$.tags", Tier::Order);
        judge(&mut noise, &compared(vec![], Some(vec![order()])));
        assert_eq!(judge(&mut noise, &compared(vec![order()], None)).decision, Decision::Excused(Needed::Noise));
    }

    #[test]
    fn a_control_that_broke_once_excuses_no_candidate() {
        let mut noise = Noise::new();
        let broken = || finding("status.class", "status", Tier::Break);
        let judged = judge(&mut noise, &compared(vec![broken()], Some(vec![broken()])));
        assert_eq!(judged.decision, Decision::Divergent);
        assert!(judged.paired.unwrap().control);
        assert_eq!(judge(&mut noise, &compared(vec![broken()], None)).decision, Decision::Divergent);
    }

    #[test]
    fn one_hiccup_of_the_control_does_not_excuse_a_location_for_ever() {
        let mut noise = Noise::new();
        let note = || finding("json.added", "json:$.note", Tier::Value);
        assert_eq!(
            judge(&mut noise, &compared(vec![note()], Some(vec![note()]))).decision,
            Decision::Excused(Needed::Noise)
        );
        let decisions: Vec<_> =
            (0..40).map(|_| judge(&mut noise, &compared(vec![note()], Some(vec![]))).decision).collect();
        let first = decisions.iter().position(|d| *d == Decision::Divergent).unwrap();
        assert!(first < 15, "{first}");
        assert!(decisions[first..].iter().all(|d| *d == Decision::Divergent));
        // It is the same for the control, and other locations are what they were.
        assert!(judge(&mut noise, &compared(vec![], Some(vec![note()]))).paired.unwrap().control);
        let other = || finding("json.added", "json:$.other", Tier::Value);
        let judged = judge(&mut noise, &compared(vec![other()], Some(vec![other()])));
        assert_eq!(judged.decision, Decision::Excused(Needed::Noise));
    }

    #[test]
    fn what_is_noisy_alike_stays_excused() {
        let mut noise = Noise::new();
        let order = || finding("json.order", "json:$.tags", Tier::Order);
        judge(&mut noise, &compared(vec![], Some(vec![order()])));
        for i in 0..3_000u32 {
            // Each by itself in a third of the exchanges.
            let hash = xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes());
            let list = |on: bool| if on { vec![order()] } else { vec![] };
            let judged =
                judge(&mut noise, &compared(list(hash.is_multiple_of(3)), Some(list((hash / 3).is_multiple_of(3)))));
            assert_ne!(judged.decision, Decision::Divergent, "{i}");
            assert!(!judged.paired.unwrap().control);
        }
        let pairs = noise.values().next().unwrap().pairs;
        assert!(!pairs.above && pairs.candidate > 400 && pairs.control > 400 && pairs.both > 200, "{pairs:?}");
    }

    #[test]
    fn the_strongest_reason_needed_is_named() {
        let mut noise = Noise::new();
        let id = || shaped("json.value", "uuid", "uuid");
        judge(&mut noise, &compared(vec![], Some(vec![id()])));
        let space = || finding("json.whitespace", "body", Tier::Repr);
        let mut ruled = finding("json.value", "json:$.at", Tier::Value);
        ruled.cover = Some(Cover::Rule("at".into()));
        let of = |noise: &mut Noise, list| judge(noise, &compared(list, None)).decision;
        assert_eq!(of(&mut noise, vec![]), Decision::Matched);
        assert_eq!(of(&mut noise, vec![space()]), Decision::Excused(Needed::Representation));
        assert_eq!(of(&mut noise, vec![space(), id()]), Decision::Excused(Needed::Noise));
        assert_eq!(of(&mut noise, vec![space(), id(), ruled]), Decision::Excused(Needed::Rule));
        let mut cut = findings(vec![id()]);
        cut.dropped = 1;
        let mut cut = Compared { candidate: cut, ..Default::default() };
        assert_eq!(judge(&mut noise, &cut).decision, Decision::Incomparable(Incomparable::Budget));
        cut.candidate.list.push(space());
        assert_eq!(judge(&mut noise, &cut).decision, Decision::Excused(Needed::Noise));
    }
}
