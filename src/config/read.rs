//! Takes values out of the tree by the table of keys: what is missing comes from the layer below, what is wrong is
//! noted with its place and reading goes on.

use super::keys::{Key, Kind, RETIRED, SECTIONS, Section};
use super::node::{Node, Place, Table, Value};
use super::problem::Problem;
use super::words;
use std::cell::RefCell;
use std::time::Duration;

/// Where all that is wrong is gathered.
pub(super) type Problems = RefCell<Vec<Problem>>;

/// Why a value was refused: at a part of it, where that is known, and what to write instead.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    pub place: Option<Place>,
    pub hint: String,
}

/// One table and the tables it inherits from, the most specific first.
pub(super) struct Reader<'a> {
    /// `mirror`, `gate.latency`; for a route `route "orders"`.
    name: String,
    keys: Vec<&'static Key>,
    layers: Vec<&'a Table>,
    problems: &'a Problems,
}

type Taken<T> = Result<T, Wrong>;

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(name: &str, section: &Section, layers: Vec<&'a Table>, problems: &'a Problems) -> Self {
        Self { name: name.to_owned(), keys: section.keys(), layers, problems }
    }

    /// The same for a table inside.
    pub(super) fn table(&self, name: &str) -> Reader<'a> {
        let keys = match self.kind(name) {
            Kind::Table(keys) => keys.iter().collect(),
            _ => Vec::new(),
        };
        let mut layers = Vec::new();
        for layer in &self.layers {
            match layer.get(name) {
                Some(Node { value: Value::Table(table), .. }) => layers.push(table),
                Some(node) if !matches!(node.value, Value::Null) => self.refuse(name, node, Wrong::default()),
                _ => {}
            }
        }
        Reader { name: format!("{}.{name}", self.name), keys, layers, problems: self.problems }
    }

    /// The node of a key: that of the first layer that has one.
    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        debug_assert!(self.keys.iter().any(|k| k.name == name), "{name} is not in the table of keys");
        self.layers.iter().filter_map(|layer| layer.get(name)).find(|node| !matches!(node.value, Value::Null))
    }

    /// Whether a key is there and was taken, so that it can be held against another.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        let refused = |node: &Node| self.problems.borrow().iter().any(|p| p.place == node.place);
        self.node(name).is_some_and(|node| node.place == Place::Nowhere || !refused(node))
    }

    /// The place to point at when the key is wrong together with another.
    pub(super) fn place(&self, name: &str) -> Place {
        self.node(name).map_or(Place::Nowhere, |n| n.place.clone())
    }

    /// The value of a key that may be missing.
    pub(super) fn opt<T>(&self, name: &str, take: impl FnOnce(&'a Node) -> Taken<T>) -> Option<T> {
        let node = self.node(name)?;
        take(node).map_err(|wrong| self.refuse(name, node, wrong)).ok()
    }

    /// The value of a key that the defaults have; `fallback` only goes on after an error.
    pub(super) fn get<T>(&self, name: &str, fallback: T, take: impl FnOnce(&'a Node) -> Taken<T>) -> T {
        self.opt(name, take).unwrap_or(fallback)
    }

    pub(super) fn bool(&self, name: &str) -> bool {
        self.get(name, false, |n| match n.value {
            Value::Bool(b) => Ok(b),
            _ => Err(Wrong::default()),
        })
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.opt(name, |n| text(n).map(str::to_owned))
    }

    /// Of the kinds `Duration` and `Timeout`.
    pub(super) fn duration(&self, name: &str) -> Duration {
        let zero = !matches!(self.kind(name), Kind::Timeout);
        self.get(name, Duration::from_secs(1), |n| match words::duration(text(n)?)? {
            Duration::ZERO if !zero => Err(Wrong::default()),
            duration => Ok(duration),
        })
    }

    pub(super) fn opt_duration(&self, name: &str) -> Option<Duration> {
        self.node(name).map(|_| self.duration(name))
    }

    pub(super) fn size(&self, name: &str) -> u64 {
        let (min, max) = match self.kind(name) {
            Kind::Size { min, max } => (min, max),
            _ => (0, u64::MAX),
        };
        self.get(name, min, |n| {
            let size = match &n.value {
                Value::Int(i) => u64::try_from(*i).map_err(|_| Wrong::default())?,
                _ => words::size(text(n)?)?,
            };
            if (min..=max).contains(&size) { Ok(size) } else { Err(Wrong::default()) }
        })
    }

    /// Of the kinds `Share` and `Fraction`.
    pub(super) fn share(&self, name: &str) -> f64 {
        let open = matches!(self.kind(name), Kind::Fraction);
        self.get(name, 0.5, |n| {
            let (share, is_percentage) = match &n.value {
                Value::Text(t) => (words::share(&t.value)?, t.value.ends_with('%')),
                _ => (number(n)?, false),
            };
            let fits = if open { share > 0.0 && share < 1.0 } else { (0.0..=1.0).contains(&share) };
            match fits {
                true => Ok(share),
                false if share > 1.0 && share <= 100.0 && !is_percentage => {
                    Err(format!("write {} or \"{share}%\"", (share * 1e10).round() / 1e12).into())
                }
                false => Err(Wrong::default()),
            }
        })
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        self.opt_count(name).unwrap_or(1)
    }

    pub(super) fn opt_count(&self, name: &str) -> Option<u64> {
        let (min, max) = match self.kind(name) {
            Kind::Count { min, max } => (min, max),
            _ => (0, u64::MAX),
        };
        self.opt(name, |n| match n.value {
            Value::Int(i) => u64::try_from(i).ok().filter(|c| (min..=max).contains(c)).ok_or_else(Wrong::default),
            _ => Err(Wrong::default()),
        })
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.opt_number(name).unwrap_or(1.0)
    }

    pub(super) fn opt_number(&self, name: &str) -> Option<f64> {
        let min = match self.kind(name) {
            Kind::AtLeast(min) => min,
            _ => f64::MIN,
        };
        self.opt(name, |n| number(n).ok().filter(|x| x.is_finite() && *x >= min).ok_or_else(Wrong::default))
    }

    /// One of the words of the kind.
    pub(super) fn choice(&self, name: &str) -> String {
        let of = match self.kind(name) {
            Kind::Choice(of) => of,
            _ => &[],
        };
        self.get(name, String::new(), |n| choice(n, of).map(str::to_owned))
    }

    /// A list of words of the kind, each at most once.
    pub(super) fn choices(&self, name: &str) -> Vec<String> {
        let of = match self.kind(name) {
            Kind::Choices(of) => of,
            _ => &[],
        };
        let mut seen: Vec<String> = self.list(name, |n| choice(n, of).map(str::to_owned));
        let mut once = Vec::new();
        seen.retain(|s| {
            !once.contains(s) && {
                once.push(s.clone());
                true
            }
        });
        seen
    }

    /// Every element that can be taken; each of the others is a problem of its own.
    pub(super) fn list<T>(&self, name: &str, mut take: impl FnMut(&'a Node) -> Taken<T>) -> Vec<T> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let Some(items) = node.as_array() else {
            self.refuse(name, node, Wrong::default());
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items {
            match take(item) {
                Ok(value) => out.push(value),
                Err(wrong) => self.refuse(name, item, wrong),
            }
        }
        out
    }

    /// Notes that a key's value was refused.
    pub(super) fn refuse(&self, name: &str, node: &Node, wrong: Wrong) {
        let kind = self.kind(name);
        let place = wrong.place.unwrap_or_else(|| node.place.clone());
        let what = match &node.place {
            Place::Flag(flag, _) => (*flag).to_owned(),
            _ => format!("{}.{name}", self.name),
        };
        let hint = if wrong.hint.is_empty() { kind.hint().to_owned() } else { wrong.hint };
        self.note(Problem::at(place, format!("`{what}` must be {}", kind.expects())).label(hint));
    }

    pub(super) fn note(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn kind(&self, name: &str) -> Kind {
        self.keys.iter().find(|k| k.name == name).map_or(Kind::Text, |k| k.kind)
    }
}

// === impl Wrong ===

impl From<String> for Wrong {
    fn from(hint: String) -> Self {
        Self { place: None, hint }
    }
}

impl From<&str> for Wrong {
    fn from(hint: &str) -> Self {
        hint.to_owned().into()
    }
}

impl Wrong {
    pub(super) fn at(node: &Node, hint: impl Into<String>) -> Self {
        Self { place: Some(node.place.clone()), hint: hint.into() }
    }
}

// === taking one value ===

pub(super) fn text(node: &Node) -> Taken<&str> {
    node.as_text().ok_or_else(|| Wrong::from(format!("this is {}", node.value.kind())))
}

pub(super) fn number(node: &Node) -> Taken<f64> {
    match node.value {
        Value::Int(i) => Ok(i as f64),
        Value::Float(f) => Ok(f),
        _ => Err(format!("this is {}", node.value.kind()).into()),
    }
}

fn choice<'a>(node: &'a Node, of: &[&str]) -> Taken<&'a str> {
    let word = text(node)?;
    if of.contains(&word) {
        return Ok(word);
    }
    Err(nearest(word, of.iter().copied()).map_or_else(Wrong::default, |n| format!("did you mean \"{n}\"?").into()))
}

// === names ===

/// Notes every key that the table of keys does not know.
pub(super) fn check_names(file: &Table, problems: &Problems) {
    for entry in &file.0 {
        let Some(section) = Section::named(&entry.key) else {
            let message = format!("unknown section `{}`", entry.key);
            let label = match nearest(&entry.key, SECTIONS.iter().map(|s| s.name)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => belongs(&entry.key, "").unwrap_or_default(),
            };
            problems.borrow_mut().push(Problem::at(entry.place.clone(), message).label(label));
            continue;
        };
        let tables: Vec<&Node> = match (&entry.node.value, section.repeated) {
            (Value::Table(_), false) => vec![&entry.node],
            (Value::Array(items), true) => items.iter().collect(),
            (Value::Null, _) => continue,
            (Value::Table(_), true) => {
                let help = format!("write [[{}]]: there may be several", section.name);
                let message = format!("`{}` must be a list of tables", section.name);
                problems.borrow_mut().push(Problem::at(entry.place.clone(), message).label(help));
                continue;
            }
            _ => vec![&entry.node],
        };
        for node in tables {
            match &node.value {
                Value::Table(table) => check_table(table, &section.header(), section.name, &section.keys(), problems),
                other => {
                    let message = format!("`{}` must be a table, not {}", section.name, other.kind());
                    problems.borrow_mut().push(Problem::at(node.place.clone(), message));
                }
            }
        }
    }
}

fn check_table(table: &Table, header: &str, section: &str, keys: &[&'static Key], problems: &Problems) {
    for entry in &table.0 {
        if let Some(key) = keys.iter().find(|k| k.name == entry.key) {
            if let (Kind::Table(inner), Value::Table(table)) = (key.kind, &entry.node.value) {
                let inner: Vec<&Key> = inner.iter().collect();
                check_table(table, &format!("{header} {}", key.name), section, &inner, problems);
            }
            continue;
        }
        let retired = RETIRED.iter().find(|(s, old, _)| *s == section && *old == entry.key);
        let problem = match retired {
            Some((_, old, new)) => Problem::at(entry.place.clone(), format!("`{old}` is no longer a key of {header}"))
                .label(format!("write {new}")),
            None => {
                let label = match nearest(&entry.key, keys.iter().map(|k| k.name)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => belongs(&entry.key, section).unwrap_or_default(),
                };
                Problem::at(entry.place.clone(), format!("unknown key `{}` in {header}", entry.key)).label(label)
            }
        };
        problems.borrow_mut().push(problem);
    }
}

/// Where else a key of this name lives.
fn belongs(name: &str, not: &str) -> Option<String> {
    let section = SECTIONS.iter().find(|s| s.name != not && s.keys().iter().any(|k| k.name == name))?;
    Some(format!("`{name}` is a key of {}", section.header()))
}

/// The known name that a misspelt one most likely means.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |s: &str| s.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(name);
    known
        .map(|k| (strsim::damerau_levenshtein(&wanted, &plain(k)), k))
        .filter(|(distance, k)| *distance <= 1.max(k.len().min(wanted.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}
