//! The rules on JSON places, and which of them hold at a node while a document is walked.
//!
//! All paths are followed at once: a state is the set of rules and how far along each is. States are made when they
//! are first reached, so a step costs a look-up however many rules there are.

use super::super::path::{Path, Select};
use super::super::spec::{Align, Ignore, RuleSpec};
use super::super::value::rules::Props;
use super::auto::AutoKeys;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The rules of one route on places in JSON, or in what is compared as JSON.
#[derive(Debug, Clone, Default)]
pub struct JsonRules {
    compiled: Arc<Compiled>,
    auto: Option<AutoKeys>,
}

#[derive(Debug, Default)]
struct Compiled {
    /// The least specific first; of equals in the order given. The later wins.
    rules: Vec<(Path, Props)>,
    names: HashMap<Box<[u8]>, u32>,
    indexes: HashMap<usize, u32>,
}

/// A set of rules and positions in them, by number; [`DEAD`] is the empty one.
pub(super) type State = u32;
pub(super) const DEAD: State = 0;

/// A child no rule names.
const OTHER: u32 = 0;

type Set = Vec<(u32, u32)>;

/// The states reached in one comparison.
#[derive(Debug)]
pub(super) struct Walker<'r> {
    rules: &'r Compiled,
    states: Vec<(Rc<Set>, Option<Rc<Props>>)>,
    numbers: HashMap<Rc<Set>, State>,
    steps: HashMap<(State, u32), State>,
}

// === impl JsonRules ===

impl JsonRules {
    pub fn none() -> Self {
        Self::default()
    }

    /// Compiles rules on paths (`json:$...`, `grpc:$...`); each is given with its index among all rules.
    ///
    /// # Errors
    /// For every rule that can't be used, its index and why.
    pub fn compile(specs: &[(usize, &RuleSpec)]) -> Result<Self, Vec<(usize, String)>> {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for (index, spec) in specs {
            let Some((_, path)) = spec.at.split_once(':') else {
                errors.push((*index, format!("at: `{}` is no path, it starts with json:", spec.at)));
                continue;
            };
            match Path::parse(path) {
                Err(e) => errors.push((*index, format!("at: {e}"))),
                Ok(path) => match Props::compile(spec) {
                    Err(e) => errors.push((*index, e)),
                    Ok(props) => rules.push((path, props)),
                },
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        rules.sort_by_key(|(path, _)| path.specificity());
        let (mut names, mut indexes, mut symbol) = (HashMap::new(), HashMap::new(), OTHER);
        for step in rules.iter().flat_map(|(path, _)| &path.steps) {
            let known = match &step.select {
                Select::Name(name) => names.entry(name.clone()).or_insert(OTHER),
                Select::Index(index) => indexes.entry(*index).or_insert(OTHER),
                Select::Wild => continue,
            };
            if *known == OTHER {
                symbol += 1;
                *known = symbol;
            }
        }
        Ok(Self { compiled: Arc::new(Compiled { rules, names, indexes }), auto: None })
    }

    /// What the rules say of the whole document.
    pub fn at_root(&self) -> Props {
        let mut props = Props::default();
        self.compiled.rules.iter().filter(|(path, _)| path.steps.is_empty()).for_each(|(_, own)| props.overlay(own));
        props
    }

    pub fn is_empty(&self) -> bool {
        self.compiled.rules.is_empty()
    }

    /// The same rules where what `align = "auto"` finds is remembered.
    pub(in crate::diff) fn learning(&self, keys: AutoKeys) -> Self {
        Self { compiled: self.compiled.clone(), auto: Some(keys) }
    }

    pub(in crate::diff) fn has_auto(&self) -> bool {
        self.props().any(|p| p.align.as_ref().is_some_and(|a| a.is == Align::Auto))
    }

    pub(super) fn has_bijection(&self) -> bool {
        self.props().any(|p| p.bijection.is_some())
    }

    pub(super) fn has_tolerance(&self) -> bool {
        self.props().any(|p| p.tolerance.is_some())
    }

    pub(super) fn auto(&self) -> Option<&AutoKeys> {
        self.auto.as_ref()
    }

    fn props(&self) -> impl Iterator<Item = &Props> {
        self.compiled.rules.iter().map(|(_, props)| props)
    }

    /// What the rules say of all that a place stands in, from `$` on, and last of the place.
    pub(in crate::diff) fn along(&self, path: &Path) -> Vec<Option<Rc<Props>>> {
        let mut walker = Walker::new(self);
        let mut state = walker.start();
        let mut along = vec![walker.props(state).cloned()];
        for step in &path.steps {
            state = match &step.select {
                Select::Name(name) => walker.name(state, name),
                Select::Index(index) => walker.index(state, *index),
                Select::Wild => walker.step(state, OTHER),
            };
            along.push(walker.props(state).cloned());
        }
        along
    }

    /// The rule that ignores one of these aspects of a place, or all that stands above it, where nothing is walked.
    /// A step is a member's name, or `None` for any element.
    pub(in crate::diff) fn ignoring(&self, place: &[Option<&[u8]>], aspects: &[Ignore]) -> Option<Arc<str>> {
        let mut walker = Walker::new(self);
        let mut state = walker.start();
        for step in place {
            if let Some(id) = walker.props(state).and_then(|p| p.ignores(&[Ignore::Value])) {
                return Some(id.clone());
            }
            state = match step {
                Some(name) => walker.name(state, name),
                None => walker.index(state, usize::MAX),
            };
        }
        walker.props(state).and_then(|p| p.ignores(aspects)).cloned()
    }
}

// === impl Walker ===

impl<'r> Walker<'r> {
    pub(super) fn new(rules: &'r JsonRules) -> Self {
        let mut walker =
            Self { rules: &rules.compiled, states: Vec::new(), numbers: HashMap::new(), steps: HashMap::new() };
        walker.number(Vec::new());
        walker
    }

    /// The state at `$`.
    pub(super) fn start(&mut self) -> State {
        self.number((0..self.rules.rules.len() as u32).map(|r| (r, 0)).collect())
    }

    pub(super) fn name(&mut self, state: State, name: &[u8]) -> State {
        if state == DEAD {
            return DEAD;
        }
        let symbol = self.rules.names.get(name).copied().unwrap_or(OTHER);
        self.step(state, symbol)
    }

    pub(super) fn index(&mut self, state: State, index: usize) -> State {
        if state == DEAD {
            return DEAD;
        }
        let symbol = self.rules.indexes.get(&index).copied().unwrap_or(OTHER);
        self.step(state, symbol)
    }

    /// What the rules say of a place in this state.
    pub(super) fn props(&self, state: State) -> Option<&Rc<Props>> {
        self.states.get(state as usize)?.1.as_ref()
    }

    fn step(&mut self, state: State, symbol: u32) -> State {
        if let Some(next) = self.steps.get(&(state, symbol)) {
            return *next;
        }
        let Some((set, _)) = self.states.get(state as usize) else { return DEAD };
        let mut next = Set::new();
        for (rule, at) in set.iter() {
            let step = self.rules.rules.get(*rule as usize).and_then(|(path, _)| path.steps.get(*at as usize));
            let Some(step) = step else { continue };
            if step.descendant {
                next.push((*rule, *at));
            }
            let selected = match &step.select {
                Select::Wild => true,
                Select::Name(name) => symbol != OTHER && self.rules.names.get(name) == Some(&symbol),
                Select::Index(index) => symbol != OTHER && self.rules.indexes.get(index) == Some(&symbol),
            };
            if selected {
                next.push((*rule, at + 1));
            }
        }
        next.sort_unstable();
        next.dedup();
        let next = self.number(next);
        self.steps.insert((state, symbol), next);
        next
    }

    fn number(&mut self, set: Set) -> State {
        if let Some(known) = self.numbers.get(&set) {
            return *known;
        }
        let mut props: Option<Props> = None;
        for (rule, at) in &set {
            if let Some((path, own)) = self.rules.rules.get(*rule as usize)
                && path.steps.len() == *at as usize
            {
                props.get_or_insert_default().overlay(own);
            }
        }
        let (set, number) = (Rc::new(set), self.states.len() as State);
        self.states.push((set.clone(), props.map(Rc::new)));
        self.numbers.insert(set, number);
        number
    }
}

/// Whether the order of an array's elements means nothing by its rules, and whether repetition does.
pub(super) fn unordered(props: &Props) -> Option<Unordered> {
    match props.align.as_ref().map(|a| &a.is) {
        Some(Align::Set) => Some(Unordered::Set),
        Some(Align::Multiset) => Some(Unordered::Multiset),
        _ => props.ignores(&[Ignore::Order]).map(|_| Unordered::Multiset),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unordered {
    Set,
    Multiset,
}
