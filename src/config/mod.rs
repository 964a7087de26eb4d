//! The configuration: as written, then checked; every problem is reported at once.
//!
//! A file becomes one tree, whatever its notation ([`parse`]); flags are put into it, the environment is put into its
//! strings, every name is held against the table of keys ([`keys`]), and each section becomes a room's settings
//! ([`build`]). What the file does not say comes from `config/parallax.toml`, which is inside the binary: the
//! documentation and the defaults are the same text.
//!
//! It contacts nobody and opens no socket; it looks whether the files it names are there.

mod build;
mod checked;
mod effective;
mod environment;
mod keys;
mod node;
mod parse;
mod problem;
mod read;
mod schema;
pub mod words;

pub use checked::{Checked, Route};
pub use effective::effective;
pub use problem::{ConfigError, Position, Problem};
pub use schema::schema;

use node::{Node, Place, Table, Value};
use parse::Notation;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// The commented default file, as `check --defaults` prints it.
pub const DEFAULTS: &str = include_str!("../../config/parallax.toml");

/// More than any configuration has.
const MAX_FILE: usize = 8 << 20;

/// What the command line says; each beats the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub primary: Option<String>,
    pub candidate: Option<String>,
    pub control: Option<String>,
    pub listen: Option<String>,
    pub admin: Option<String>,
    pub data: Option<PathBuf>,
    pub candidate_build: Option<String>,
    /// For commands that contact no leg and listen nowhere (`diff`, `rules test`, `gate --data`): the URLs may be
    /// missing, files named are not looked for, and what depends on either is not checked.
    pub offline: bool,
}

/// Reads, checks and merges. Every problem of file and flags is in the error.
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Checked, ConfigError> {
    load_with(file, flags, &|name| std::env::var(name).ok())
}

/// [`load`] with an environment of the caller's.
pub fn load_with(
    file: Option<&Path>,
    flags: &Flags,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Checked, ConfigError> {
    let Some(path) = file else { return check("", None, Notation::Toml, flags, environment) };
    let name = path.display().to_string();
    let fail = |message: String| {
        Err(ConfigError::new(Some(name.clone()), String::new(), vec![Problem::at(Place::Nowhere, message)]))
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) => return Err(ConfigError::unread(name, &e)),
    };
    if bytes.len() > MAX_FILE {
        return fail(format!("the configuration {name} is larger than {}", keys::bytes(MAX_FILE as u64)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => check(text.trim_start_matches('\u{feff}'), Some(name), Notation::of(path), flags, environment),
        Err(e) => {
            let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
            fail(format!("the configuration {name} is not UTF-8: see line {line}"))
        }
    }
}

fn check(
    text: &str,
    file: Option<String>,
    notation: Notation,
    flags: &Flags,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Checked, ConfigError> {
    let fail = |problems| ConfigError::new(file.clone(), text.to_owned(), problems);
    let mut tree = parse::parse(text, notation).map_err(fail)?;
    let problems = RefCell::new(Vec::new());
    environment::replace(&mut tree, environment, &problems);
    let unset = problems.borrow().clone();
    read::check_names(&tree, &problems);
    flags.put_into(&mut tree);
    let defaults = defaults().map_err(fail)?;
    let sources = build::Sources {
        file: &tree,
        defaults: &defaults,
        problems: &problems,
        has_file: file.is_some(),
        offline: flags.offline,
    };
    let mut checked = build::build(&sources, flags.candidate_build.clone());
    checked.written = effective::write(&tree, &defaults);
    let mut problems = problems.into_inner();
    // A text that could not be completed makes no mistake of its own.
    problems.retain(|problem| unset.contains(problem) || unset.iter().all(|first| first.place != problem.place));
    if problems.is_empty() { Ok(checked) } else { Err(fail(problems)) }
}

/// The tree of the default file, without the URLs, which are its examples.
fn defaults() -> Result<Table, Vec<Problem>> {
    let mut tree = parse::parse(DEFAULTS, Notation::Toml)?;
    for entry in &mut tree.0 {
        if let Value::Table(table) = &mut entry.node.value {
            table.0.retain(|e| e.key != "url");
        }
        forget_places(&mut entry.node);
    }
    Ok(tree)
}

fn forget_places(node: &mut Node) {
    node.place = Place::Nowhere;
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(forget_places),
        Value::Table(table) => {
            for entry in &mut table.0 {
                entry.place = Place::Nowhere;
                forget_places(&mut entry.node);
            }
        }
        _ => {}
    }
}

// === impl Flags ===

impl Flags {
    fn put_into(&self, tree: &mut Table) {
        let data = self.data.as_ref().map(|d| d.display().to_string());
        for (flag, section, key, value) in [
            ("--primary", "primary", "url", self.primary.as_ref()),
            ("--candidate", "candidate", "url", self.candidate.as_ref()),
            ("--control", "control", "url", self.control.as_ref()),
            ("--listen", "listen", "address", self.listen.as_ref()),
            ("--admin", "admin", "address", self.admin.as_ref()),
            ("--data", "store", "path", data.as_ref()),
        ] {
            let Some(value) = value else { continue };
            let text = node::Text { value: value.clone(), written: environment::escape(value) };
            let node = Node { place: Place::Flag(flag, value.clone()), value: Value::Text(text) };
            tree.set(section, key, node);
        }
    }
}

#[cfg(test)]
mod tests;
