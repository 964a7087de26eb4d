//! One place where two answers disagree: where, what kind, how bad, and what excuses it.

use super::word::Word;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much a finding matters. `Break`, `Value` and `Order` count against the candidate; the rest is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Break,
    Value,
    Order,
    Repr,
    Info,
}

impl Tier {
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Break => "break",
            Tier::Value => "value",
            Tier::Order => "order",
            Tier::Repr => "repr",
            Tier::Info => "info",
        }
    }

    /// Whether an unexcused finding of this tier makes an exchange divergent.
    pub const fn counts(self) -> bool {
        matches!(self, Tier::Break | Tier::Value | Tier::Order)
    }
}

/// What a rule or the data's own shape says in a finding's defence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cover {
    /// A rule of the configuration, by id.
    Rule(Arc<str>),
}

/// One difference between the primary's answer and another leg's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind as reports print it, e.g. `json.value`, `header.missing`.
    pub kind: Word,
    pub tier: Tier,
    /// Where, with `[*]` for array positions and `.*` for keys that look like ids; can be pasted into a rule.
    pub location: Arc<str>,
    /// Where exactly in this exchange, e.g. `json:$.a[3].b`.
    pub exact: Arc<str>,
    /// What stood on the primary's side: a JSON type, a sub-class of the difference, a status. Part of the fingerprint.
    pub primary_class: Word,
    pub candidate_class: Word,
    /// The shape of each value (`uuid`, `number`, `rfc3339`, ...), for judging noise; `None` where a side has no value.
    pub primary_shape: Option<Word>,
    pub candidate_shape: Option<Word>,
    /// Bounded excerpts of the two values, as text; `None` where a side has none.
    pub primary: Option<String>,
    pub candidate: Option<String>,
    /// The rule that covers it, where one does.
    pub cover: Option<Cover>,
    /// A later layer's finding beneath one that owns the exchange: shown, never counted.
    pub secondary: bool,
}

impl Finding {
    /// Bytes it takes in memory, about.
    pub fn weight(&self) -> usize {
        let excerpts = [&self.primary, &self.candidate].into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Finding>() + self.location.len() + self.exact.len() + excerpts
    }

    /// Whether it counts before noise is considered: tier counts, no rule covers it, no earlier layer owns it.
    pub fn counts(&self) -> bool {
        self.tier.counts() && self.cover.is_none() && !self.secondary
    }
}

/// What comparing one leg with the primary gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// At most `MAX_FINDINGS`, in the order in which they were met.
    pub list: Vec<Finding>,
    /// How many more there were.
    pub dropped: u64,
    /// How many of those have their like in the list: whatever is said of that one holds for them. A long list of ids
    /// is one difference, however long it is.
    pub repeated: u64,
    /// Set when a limit on work was hit and nothing of tier break or value had been found by then.
    pub budget: Option<Arc<str>>,
}

/// Findings kept per comparison; beyond it they are only counted.
pub const MAX_FINDINGS: usize = 64;

impl Findings {
    /// Nothing differs at all and nothing was left uncompared.
    pub fn is_match(&self) -> bool {
        self.list.is_empty() && self.dropped == 0 && self.budget.is_none()
    }

    /// Adds a finding. When the list is full it takes the place of one that does not count, or of one that has its like
    /// there, or is only counted: what decides about the exchange is never crowded out by what does not.
    pub fn push(&mut self, finding: Finding) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
            return;
        }
        self.dropped += 1;
        if self.list.iter().rev().any(|f| f.is_like(&finding)) {
            self.repeated += 1;
            return;
        }
        if !finding.counts() {
            return;
        }
        if let Some(lesser) = self.list.iter_mut().rev().find(|f| !f.counts()) {
            *lesser = finding;
        } else if self.dropped - self.repeated <= MAX_FINDINGS as u64
            && let Some(place) = self.redundant().and_then(|at| self.list.get_mut(at))
        {
            *place = finding;
            self.repeated += 1;
        }
    }

    /// The last in the list that has its like before it.
    fn redundant(&self) -> Option<usize> {
        let like = |at: &usize| {
            let (before, rest) = self.list.split_at(*at);
            rest.first().is_some_and(|f| before.iter().any(|b| b.is_like(f)))
        };
        (0..self.list.len()).rev().find(like)
    }

    /// Whether a finding that nothing in the list speaks for was left out.
    pub fn lost_any(&self) -> bool {
        self.dropped > self.repeated
    }

    /// Takes over all that `other` holds, as `secondary` where an earlier layer owns the exchange.
    pub(super) fn absorb(&mut self, mut other: Findings, secondary: bool) {
        if self.list.is_empty() && self.dropped == 0 {
            // Nothing is in its way.
            self.list = std::mem::take(&mut other.list);
            self.list.iter_mut().for_each(|finding| finding.secondary |= secondary);
        }
        for mut finding in other.list {
            finding.secondary |= secondary;
            self.push(finding);
        }
        self.dropped += other.dropped;
        self.repeated += other.repeated;
        if self.budget.is_none() {
            self.budget = other.budget;
        }
    }

    /// Whether an unexcused finding of tier break or value is there.
    pub(super) fn decided(&self) -> bool {
        self.list.iter().any(|f| f.counts() && matches!(f.tier, Tier::Break | Tier::Value))
    }
}

/// Bytes of a value that a finding shows.
pub const EXCERPT: usize = 240;
/// Bytes of a text that a finding has until it is shortened: what is redacted is matched as a whole, so that no cut may
/// come before.
pub(super) const WHOLE: usize = 16 * 1024;

impl Finding {
    pub(super) fn new(kind: impl Into<Word>, tier: Tier, location: &str) -> Self {
        let location: Arc<str> = location.into();
        Finding {
            kind: kind.into(),
            tier,
            exact: location.clone(),
            location,
            primary_class: "".into(),
            candidate_class: "".into(),
            primary_shape: None,
            candidate_shape: None,
            primary: None,
            candidate: None,
            cover: None,
            secondary: false,
        }
    }

    /// Whether what is judged of one is judged of the other: everything but the values, and where exactly they stood.
    pub(super) fn is_like(&self, other: &Finding) -> bool {
        // The sub-class of a difference says nothing about what excuses it; the type of a value does.
        let same_type = self.kind.ends_with(".value") || self.candidate_class == other.candidate_class;
        same_type
            && self.location == other.location
            && self.kind == other.kind
            && self.tier == other.tier
            && self.secondary == other.secondary
            && self.cover == other.cover
            && self.primary_shape == other.primary_shape
            && self.candidate_shape == other.candidate_shape
    }

    pub(super) fn classes(mut self, primary: &str, candidate: &str) -> Self {
        self.primary_class = primary.to_owned().into();
        self.candidate_class = candidate.to_owned().into();
        self
    }

    /// Sets excerpts and shapes from the two values; classes too, where none were given.
    pub(super) fn values(mut self, primary: Option<&str>, candidate: Option<&str>) -> Self {
        let shape = |v: Option<&str>| v.map(|v| Word::from(super::value::shape_of(v, true)));
        self.primary_shape = shape(primary);
        self.candidate_shape = shape(candidate);
        if self.primary_class.is_empty() && self.candidate_class.is_empty() {
            let class = |s: &Option<Word>| s.clone().unwrap_or_else(|| "missing".into());
            self.primary_class = class(&self.primary_shape);
            self.candidate_class = class(&self.candidate_shape);
        }
        let field = ["header:", "cookie:", "trailer:"].iter().any(|f| self.location.starts_with(f));
        let most = if field { WHOLE } else { EXCERPT };
        (self.primary, self.candidate) = (primary.map(|v| cut(v, most)), candidate.map(|v| cut(v, most)));
        self
    }

    /// Cuts both values to what shows how they differ. Only once they are redacted: it may leave the end of something
    /// that would have matched.
    pub fn shorten(&mut self) {
        if [&self.primary, &self.candidate].into_iter().flatten().all(|value| value.len() <= EXCERPT) {
            return;
        }
        (self.primary, self.candidate) = excerpts(self.primary.as_deref(), self.candidate.as_deref());
    }
}

/// Characters that two long values have in common and that an excerpt shows before the place where they differ.
const LEAD: usize = 60;

/// As much of two values as shows how they differ: from the beginning, or from shortly before they part.
fn excerpts(primary: Option<&str>, candidate: Option<&str>) -> (Option<String>, Option<String>) {
    if let (Some(a), Some(b)) = (primary, candidate) {
        let alike: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(c, _)| c.len_utf8()).sum();
        if alike > EXCERPT / 2 && a.len().max(b.len()) > EXCERPT {
            let from = (0..=alike - LEAD).rev().find(|i| a.is_char_boundary(*i)).unwrap_or(0);
            let cut = |text: &str| Some(format!("…{}", excerpt(text.get(from..).unwrap_or_default())));
            return (cut(a), cut(b));
        }
    }
    (primary.map(excerpt), candidate.map(excerpt))
}

/// The beginning of a text, cut at a character, with an ellipsis where something was cut.
pub(super) fn excerpt(text: &str) -> String {
    cut(text, EXCERPT)
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_not_crowded_out() {
        let mut all = Findings::default();
        for _ in 0..MAX_FINDINGS {
            all.push(Finding::new("json.number_repr", Tier::Repr, "json:$.a"));
        }
        all.push(Finding::new("json.value", Tier::Value, "json:$.b"));
        assert!(all.decided());
        assert_eq!((all.list.len(), all.dropped), (MAX_FINDINGS, 1));
    }

    #[test]
    fn more_of_the_same_is_not_lost() {
        let mut all = Findings::default();
        let id = || Finding::new("json.value", Tier::Value, "json:$.ids[*]").values(Some("a"), Some("b"));
        (0..500).for_each(|_| all.push(id()));
        assert_eq!((all.list.len(), all.lost_any()), (MAX_FINDINGS, false));
        all.push(Finding::new("json.value", Tier::Value, "json:$.b"));
        assert_eq!((&*all.list.last().unwrap().location, all.lost_any()), ("json:$.b", false));
        let mut absorbed = Findings::default();
        absorbed.absorb(all, false);
        assert_eq!((absorbed.dropped, absorbed.repeated), (437, 437));
        (0..200).for_each(|i| absorbed.push(Finding::new("json.value", Tier::Value, &format!("json:$.c{i}"))));
        assert!(absorbed.lost_any());
    }

    #[test]
    fn excerpts_are_cut_at_characters() {
        let cut = excerpt(&"é".repeat(EXCERPT));
        assert_eq!(cut.chars().count(), EXCERPT / 2 + 1);
    }

    #[test]
    fn excerpts_of_long_values_show_where_they_part() {
        let same = "é".repeat(EXCERPT);
        let (a, b) = excerpts(Some(&format!("{same}old")), Some(&format!("{same}new")));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.starts_with("…é") && a.ends_with("éold") && b.ends_with("énew"), "{a} {b}");
        assert!(a.chars().count() < 40);
        let (a, _) = excerpts(Some(&format!("a{same}")), Some("b"));
        assert!(a.unwrap().starts_with('a'));
    }
}
