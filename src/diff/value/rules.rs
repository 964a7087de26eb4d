//! What the rules say of one location, compiled, and whether they excuse a pair of values.
//!
//! The same for JSON leaves and for plain strings such as header values. Where a location is, and which rule is the
//! more specific one, others know.

use super::super::path::Path;
use super::super::spec::{Align, Ignore, RuleSpec, Tolerance};
use super::number::{self, Decimal};
use super::shape::ShapeTest;
use super::{text, time};
use regex::Regex;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// A property and the rule it comes from.
#[derive(Debug, Clone)]
pub struct Ruled<T> {
    pub id: Arc<str>,
    pub is: T,
}

/// The compiled properties of one location; each may come from another rule.
#[derive(Debug, Clone, Default)]
pub struct Props {
    pub ignore: Option<Ruled<Ignore>>,
    pub tolerance: Option<Ruled<Tolerance>>,
    pub numeric_string: Option<Ruled<()>>,
    pub align: Option<Ruled<Align>>,
    pub shape: Option<Ruled<ShapeTest>>,
    pub same: Option<Ruled<Arc<[Vec<Meaning>]>>>,
    pub mask: Option<Ruled<(Regex, Arc<str>)>>,
    /// The group.
    pub bijection: Option<Ruled<Arc<str>>>,
}

/// A value as rules see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    Missing,
    Null,
    Bool(bool),
    /// A JSON number's text.
    Number(&'a str),
    /// A JSON string, unescaped.
    Text(&'a [u8]),
    /// `{}` or `[]`.
    EmptyContainer,
    /// An object or array with something in it.
    Container,
    /// Text without a JSON type, such as a header's value.
    Plain(&'a str),
}

/// One entry of a `same` group.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    Null,
    Missing,
    /// `""`, `[]` or `{}`.
    Empty,
    Bool(bool),
    Number(Box<str>),
    Text(Box<[u8]>),
}

/// What is remembered while the answers of one exchange are compared.
#[derive(Debug, Default)]
pub struct Session {
    /// How much later one leg was asked than the other; added to every tolerance for times.
    pub skew: Duration,
    pub bijections: Bijections,
    /// The arrays whose elements' key this exchange has confirmed.
    pub inferred: HashSet<String>,
    /// The other leg is the control: nothing is learnt from it, the exchange speaks through the candidate.
    pub control: bool,
}

/// Which value of the primary became which of the candidate, per group.
#[derive(Debug, Default)]
pub struct Bijections {
    groups: HashMap<Arc<str>, Renames>,
}

type Value = Box<[u8]>;

#[derive(Debug, Default)]
struct Renames {
    forth: HashMap<Value, Value>,
    back: HashMap<Value, Value>,
}

// === impl Props ===

impl Props {
    /// The properties of one rule.
    ///
    /// # Errors
    /// What can't be compiled or makes no sense together: the key it concerns and what is wrong.
    pub fn compile(rule: &RuleSpec) -> Result<Self, String> {
        let id: Arc<str> = rule.id.as_str().into();
        fn ruled<T>(id: &Arc<str>, is: T) -> Ruled<T> {
            Ruled { id: id.clone(), is }
        }
        let props = Props {
            ignore: rule.ignore.map(|i| ruled(&id, i)),
            tolerance: rule.tolerance.map(|t| checked_tolerance(t).map(|t| ruled(&id, t))).transpose()?,
            numeric_string: rule.numeric_string.then(|| ruled(&id, ())),
            align: rule.align.clone().map(|a| checked_align(a).map(|a| ruled(&id, a))).transpose()?,
            shape: match &rule.shape {
                Some(s) => Some(ruled(&id, ShapeTest::compile(s).map_err(|e| format!("shape: {e}"))?)),
                None => None,
            },
            same: if rule.same.is_empty() { None } else { Some(ruled(&id, meanings(&rule.same)?)) },
            mask: match &rule.mask {
                Some(m) => {
                    let regex = Regex::new(&m.pattern).map_err(|e| format!("mask.pattern: {e}"))?;
                    Some(ruled(&id, (regex, m.with.as_str().into())))
                }
                None => None,
            },
            bijection: rule.bijection.as_deref().map(|group| ruled(&id, group.into())),
        };
        let others = props.tolerance.is_some()
            || props.numeric_string.is_some()
            || props.align.is_some()
            || props.shape.is_some()
            || props.same.is_some()
            || props.mask.is_some()
            || props.bijection.is_some();
        match &props.ignore {
            Some(Ruled { is: Ignore::All, .. }) if others => {
                Err("ignore = true leaves nothing for the other keys of this rule to do; remove one or the others"
                    .into())
            }
            None if !others => {
                Err("the rule says nothing; give it ignore, tolerance, numeric_string, align, shape, same, \
                                    mask or bijection"
                    .into())
            }
            _ => Ok(props),
        }
    }

    /// Puts `over` on top: what it says wins, what it leaves open stays.
    pub fn overlay(&mut self, over: &Props) {
        fn put<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
            if over.is_some() {
                under.clone_from(over);
            }
        }
        put(&mut self.ignore, &over.ignore);
        put(&mut self.tolerance, &over.tolerance);
        put(&mut self.numeric_string, &over.numeric_string);
        put(&mut self.align, &over.align);
        put(&mut self.shape, &over.shape);
        put(&mut self.same, &over.same);
        put(&mut self.mask, &over.mask);
        put(&mut self.bijection, &over.bijection);
    }

    /// The rule that ignores one of these aspects (or all) of the location.
    pub fn ignores(&self, aspects: &[Ignore]) -> Option<&Arc<str>> {
        self.ignore.as_ref().filter(|i| i.is == Ignore::All || aspects.contains(&i.is)).map(|i| &i.id)
    }

    /// What stands for a value among all that these rules take for the same; `None` where it stands for itself.
    pub fn stand_in(&self, value: Scalar<'_>) -> Option<Vec<u8>> {
        let group = self.same.as_ref().and_then(|same| same.is.iter().position(|g| g.iter().any(|m| m.is(value))));
        if let Some(group) = group {
            return Some(format!("same {group}").into_bytes());
        }
        let text = text_of(&value)?;
        let kind = if matches!(value, Scalar::Number(_)) { "number" } else { "text" };
        if let Some(Ruled { is: (regex, with), .. }) = &self.mask {
            return Some(format!("mask {kind} {}", regex.replace_all(&text, &**with)).into_bytes());
        }
        let number = self.numeric_string.as_ref().and_then(|_| Decimal::parse(&text))?;
        let mut canonical = format!("value {kind} ").into_bytes();
        number.canonical(&mut canonical);
        Some(canonical)
    }

    /// The rule that excuses two different values, one of which may be missing.
    pub fn excuses_values(
        &self,
        primary: Scalar<'_>,
        candidate: Scalar<'_>,
        session: &mut Session,
    ) -> Option<&Arc<str>> {
        let aspect = match (primary, candidate) {
            (_, Scalar::Missing) => Ignore::Missing,
            (Scalar::Missing, _) => Ignore::Extra,
            _ => Ignore::Value,
        };
        if let Some(id) = self.ignores(&[aspect]) {
            return Some(id);
        }
        if let Some(same) = &self.same
            && same.is.iter().any(|g| g.iter().any(|m| m.is(primary)) && g.iter().any(|m| m.is(candidate)))
        {
            return Some(&same.id);
        }
        if std::mem::discriminant(&primary) != std::mem::discriminant(&candidate) {
            return None;
        }
        let (p, c) = (text_of(&primary)?, text_of(&candidate)?);
        self.excuses_texts(&p, &c, primary, session)
    }

    fn excuses_texts(&self, p: &str, c: &str, like: Scalar<'_>, session: &mut Session) -> Option<&Arc<str>> {
        if let Some(Ruled { id, is: (regex, with) }) = &self.mask
            && regex.replace_all(p, &**with) == regex.replace_all(c, &**with)
        {
            return Some(id);
        }
        if let Some(numeric) = &self.numeric_string
            && let (Some(x), Some(y)) = (Decimal::parse(p), Decimal::parse(c))
            && x == y
        {
            return Some(&numeric.id);
        }
        if let Some(tolerance) = &self.tolerance {
            let numbers = !matches!(like, Scalar::Text(_)) || self.numeric_string.is_some();
            let in_time = || tolerance.is.time.is_some_and(|bound| time::are_near(p, c, bound, session.skew));
            if (numbers && number::within(p, c, &tolerance.is)) || in_time() {
                return Some(&tolerance.id);
            }
        }
        if let Some(shape) = &self.shape
            && shape.is.matches(p)
            && shape.is.matches(c)
        {
            return Some(&shape.id);
        }
        if let Some(group) = &self.bijection
            && session.bijections.pair(&group.is, identity(like, p).as_bytes(), identity(like, c).as_bytes())
        {
            return Some(&group.id);
        }
        None
    }
}

// === impl Meaning ===

impl Meaning {
    fn read(text: &str) -> Self {
        match text.trim() {
            "null" => Meaning::Null,
            "missing" => Meaning::Missing,
            "empty" | "\"\"" | "[]" | "{}" => Meaning::Empty,
            "true" => Meaning::Bool(true),
            "false" => Meaning::Bool(false),
            t => match t.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
                Some(quoted) => Meaning::Text(text::unescape(quoted.as_bytes()).into()),
                None if Decimal::parse(t).is_some() => Meaning::Number(t.into()),
                None => Meaning::Text(t.as_bytes().into()),
            },
        }
    }

    fn is(&self, value: Scalar<'_>) -> bool {
        match (self, value) {
            (Meaning::Null, Scalar::Null)
            | (Meaning::Missing, Scalar::Missing)
            | (Meaning::Empty, Scalar::EmptyContainer | Scalar::Text(b"") | Scalar::Plain("")) => true,
            (Meaning::Bool(a), Scalar::Bool(b)) => *a == b,
            (Meaning::Number(a), Scalar::Number(b) | Scalar::Plain(b)) => number::equal(a, b),
            (Meaning::Text(a), Scalar::Text(b)) => **a == *b,
            (Meaning::Text(a), Scalar::Plain(b)) => **a == *b.as_bytes(),
            (Meaning::Null, Scalar::Plain(b)) => b == "null",
            (Meaning::Bool(a), Scalar::Plain(b)) => b == if *a { "true" } else { "false" },
            _ => false,
        }
    }
}

// === impl Bijections ===

impl Bijections {
    /// Notes that `primary` became `candidate`; false where one of them already belongs to another value.
    pub fn pair(&mut self, group: &Arc<str>, primary: &[u8], candidate: &[u8]) -> bool {
        let renames = self.groups.entry(group.clone()).or_default();
        match (renames.forth.get(primary), renames.back.get(candidate)) {
            (None, None) => {
                renames.forth.insert(primary.into(), candidate.into());
                renames.back.insert(candidate.into(), primary.into());
                true
            }
            (Some(to), Some(from)) => **to == *candidate && **from == *primary,
            _ => false,
        }
    }
}

fn checked_tolerance(t: Tolerance) -> Result<Tolerance, String> {
    for (key, bound) in [("absolute", t.absolute), ("relative", t.relative)] {
        if bound.is_some_and(|b| !b.is_finite() || b < 0.0) {
            return Err(format!("tolerance.{key}: expected a number of at least 0"));
        }
    }
    if t == Tolerance::default() {
        return Err("tolerance: give it absolute, relative, ulps, f32_ulps or time".into());
    }
    Ok(t)
}

fn checked_align(align: Align) -> Result<Align, String> {
    let Align::Key(members) = &align else { return Ok(align) };
    if members.is_empty() {
        return Err("align.key: name at least one member, e.g. [\"id\"]".into());
    }
    for member in members.iter().filter(|m| m.contains('[')) {
        if let Err(e) = Path::below(member) {
            return Err(format!(
                "align.key: `{member}` is no path below the element: {}; write e.g. \"meta.id\", \"[0]\" or \"tags[0]['a-b']\"",
                e.message
            ));
        }
    }
    Ok(align)
}

fn meanings(groups: &[Vec<String>]) -> Result<Arc<[Vec<Meaning>]>, String> {
    if groups.iter().any(|g| g.len() < 2) {
        return Err("same: each group needs at least two values".into());
    }
    Ok(groups.iter().map(|g| g.iter().map(|t| Meaning::read(t)).collect()).collect())
}

fn text_of<'a>(value: &Scalar<'a>) -> Option<Cow<'a, str>> {
    match value {
        Scalar::Number(t) | Scalar::Plain(t) => Some(Cow::Borrowed(t)),
        Scalar::Text(t) => std::str::from_utf8(t).ok().map(Cow::Borrowed),
        Scalar::Bool(b) => Some(Cow::Borrowed(if *b { "true" } else { "false" })),
        _ => None,
    }
}

/// By what a value is known where it stands for another: of a number not by how it is written.
fn identity<'a>(like: Scalar<'_>, text: &'a str) -> Cow<'a, str> {
    if matches!(like, Scalar::Number(_)) { number::plain(text) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::super::super::spec::{Mask, Shape};
    use super::*;

    fn rule() -> RuleSpec {
        RuleSpec { id: "r".into(), on: "*".into(), at: "json:$".into(), ..RuleSpec::default() }
    }

    fn excused(rule: &RuleSpec, a: Scalar<'_>, b: Scalar<'_>) -> bool {
        let props = Props::compile(rule).unwrap();
        props.excuses_values(a, b, &mut Session::default()).is_some()
    }

    #[test]
    fn same_groups() {
        let rule = RuleSpec {
            same: vec![vec!["null".into(), "missing".into(), "empty".into()], vec!["400".into(), "\"bad\"".into()]],
            ..rule()
        };
        for (a, b, expect) in [
            (Scalar::Null, Scalar::Missing, true),
            (Scalar::Missing, Scalar::Text(b""), true),
            (Scalar::Null, Scalar::EmptyContainer, true),
            (Scalar::Number("4e2"), Scalar::Text(b"bad"), true),
            (Scalar::Plain("400"), Scalar::Plain("bad"), true),
            (Scalar::Number("401"), Scalar::Text(b"bad"), false),
            (Scalar::Null, Scalar::Number("400"), false),
            (Scalar::Null, Scalar::Container, false),
        ] {
            assert_eq!(excused(&rule, a, b), expect, "{a:?} {b:?}");
            assert_eq!(excused(&rule, b, a), expect, "{b:?} {a:?}");
        }
    }

    #[test]
    fn numbers_in_strings() {
        let numeric = RuleSpec { numeric_string: true, ..rule() };
        assert!(excused(&numeric, Scalar::Text(b"1.50"), Scalar::Text(b"1.5")));
        assert!(!excused(&numeric, Scalar::Text(b"1.50"), Scalar::Text(b"1.51")));
        assert!(!excused(&numeric, Scalar::Text(b"1.5"), Scalar::Number("1.50")));
        let tolerance = Some(Tolerance { relative: Some(1e-12), ..Tolerance::default() });
        let near = RuleSpec { tolerance, ..rule() };
        let (a, b) = (Scalar::Text(b"0.4033333333333334"), Scalar::Text(b"0.4033333333333333"));
        assert!(!excused(&near, a, b));
        assert!(excused(&RuleSpec { numeric_string: true, ..near }, a, b));
    }

    #[test]
    fn times_mind_the_skew() {
        let tolerance = Some(Tolerance { time: Some(Duration::from_secs(2)), ..Tolerance::default() });
        let props = Props::compile(&RuleSpec { tolerance, ..rule() }).unwrap();
        let (a, b) = (Scalar::Text(b"2026-01-01T00:00:00Z"), Scalar::Text(b"2026-01-01T00:00:03Z"));
        let mut session = Session::default();
        assert!(props.excuses_values(a, b, &mut session).is_none());
        session.skew = Duration::from_secs(1);
        assert!(props.excuses_values(a, b, &mut session).is_some());
        assert!(
            props.excuses_values(Scalar::Number("1767225600"), Scalar::Number("1767225602"), &mut session).is_some()
        );
        for (other, expected) in [
            ("2026-01-01 00:00:02.5", true),
            ("2026-01-01T00:00:03", true),
            ("2026-01-01T00:00:04", false),
            ("2026-01-01T00:00:00Z", false),
            ("2026-01-01T00:00:00+00:00", false),
        ] {
            let (a, b) = (Scalar::Text(b"2026-01-01T00:00:00"), Scalar::Text(other.as_bytes()));
            assert_eq!(props.excuses_values(a, b, &mut session).is_some(), expected, "{other}");
        }
    }

    #[test]
    fn masks_shapes_and_ignores() {
        let mask = RuleSpec { mask: Some(Mask { pattern: "host-[0-9]+".into(), with: "host".into() }), ..rule() };
        assert!(excused(&mask, Scalar::Plain("a host-1"), Scalar::Plain("a host-22")));
        assert!(!excused(&mask, Scalar::Plain("a host-1"), Scalar::Plain("b host-1")));
        let shape = RuleSpec { shape: Some(Shape::Class("int".into())), ..rule() };
        assert!(excused(&shape, Scalar::Text(b"1"), Scalar::Text(b"2")));
        assert!(!excused(&shape, Scalar::Text(b"1"), Scalar::Null));
        assert!(!excused(&shape, Scalar::Text(b"1"), Scalar::Number("2")));
        let extra = RuleSpec { ignore: Some(Ignore::Extra), ..rule() };
        assert!(excused(&extra, Scalar::Missing, Scalar::Container));
        assert!(!excused(&extra, Scalar::Container, Scalar::Missing));
    }

    #[test]
    fn a_rename_is_one_to_one() {
        let mut b = Bijections::default();
        let (g, h): (Arc<str>, Arc<str>) = ("g".into(), "h".into());
        assert!(b.pair(&g, b"1", b"a") && b.pair(&g, b"2", b"b") && b.pair(&g, b"1", b"a"));
        assert!(!b.pair(&g, b"1", b"b") && !b.pair(&g, b"3", b"a") && !b.pair(&g, b"1", b"c"));
        assert!(b.pair(&h, b"1", b"b"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (rule, part) in [
            (rule(), "says nothing"),
            (RuleSpec { ignore: Some(Ignore::All), numeric_string: true, ..rule() }, "leaves nothing"),
            (RuleSpec { tolerance: Some(Tolerance::default()), ..rule() }, "tolerance: give it"),
            (
                RuleSpec { tolerance: Some(Tolerance { absolute: Some(-1.0), ..Tolerance::default() }), ..rule() },
                "tolerance.absolute",
            ),
            (RuleSpec { align: Some(Align::Key(vec![])), ..rule() }, "align.key"),
            (RuleSpec { align: Some(Align::Key(vec!["[x]".into()])), ..rule() }, "align.key"),
            (RuleSpec { same: vec![vec!["1".into()]], ..rule() }, "at least two"),
            (RuleSpec { mask: Some(Mask { pattern: "(".into(), with: String::new() }), ..rule() }, "mask.pattern"),
            (RuleSpec { shape: Some(Shape::Class("nope".into())), ..rule() }, "unknown shape"),
        ] {
            let error = Props::compile(&rule).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
