//! From the tree to each room's settings. What can't be taken is noted and replaced by something harmless, so that
//! everything wrong is found in one go; nothing built here is used while there is a problem.

mod cross;
mod legs;
mod routes;
mod rules;
mod sides;

use super::checked::Checked;
use super::keys::Section;
use super::node::{Node, Table};
use super::problem::Problem;
use super::read::{Problems, Reader, Wrong, text};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What there is to build from.
pub(super) struct Sources<'a> {
    pub file: &'a Table,
    pub defaults: &'a Table,
    pub problems: &'a Problems,
    /// There is a file, so remedies may name its keys.
    pub has_file: bool,
    /// No leg will be contacted: URLs may be missing, and files named are not looked for.
    pub offline: bool,
}

pub(super) fn build(sources: &Sources<'_>, candidate_build: Option<String>) -> Checked {
    let listen = sides::listen(sources);
    let admin = sides::admin(sources);
    let primary = legs::leg(sources, "primary");
    let candidate = legs::leg(sources, "candidate");
    let control = legs::control(sources);
    let mut warnings = Vec::new();
    let mirror = routes::mirror(&sources.reader("mirror"));
    let gate = routes::gate(&sources.reader("gate"));
    let (routes, policies) = routes::routes(sources);
    let checked = Checked {
        listen,
        admin,
        build_header: legs::build_header(sources),
        candidate_build,
        control,
        control_sample: sources.reader("control").share("sample"),
        mirror,
        routes,
        rules: rules::rules(sources),
        schema: sides::schema(sources, &mut warnings).map(Arc::new),
        redact: sides::redact(sources, &mut warnings),
        store: sides::store(sources),
        gate: crate::gate::Policy { default: gate, routes: policies.into() },
        telemetry: sides::telemetry(sources),
        primary,
        candidate,
        warnings,
        written: String::new(),
    };
    sides::rollout(sources);
    cross::check(sources, checked)
}

// === impl Sources ===

impl<'a> Sources<'a> {
    /// A section, with the defaults below what the file says.
    pub(super) fn reader(&self, name: &str) -> Reader<'a> {
        self.layered(name, [self.file, self.defaults].into_iter())
    }

    /// A section as the file has it, without defaults.
    pub(super) fn own(&self, name: &str) -> Reader<'a> {
        self.layered(name, std::iter::once(self.file))
    }

    fn layered(&self, name: &str, of: impl Iterator<Item = &'a Table>) -> Reader<'a> {
        let layers = of.filter_map(|t| t.get(name)?.as_table()).collect();
        match Section::named(name) {
            Some(section) => Reader::new(name, section, layers, self.problems),
            None => Reader::new(name, &NO_SECTION, layers, self.problems),
        }
    }

    pub(super) fn note(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// A file that must be there, and hold what `holds` looks for.
    fn named_file(&self, reader: &Reader<'_>, name: &str, holds: &str) -> Option<PathBuf> {
        reader.opt(name, |n| self.readable(n, holds))
    }

    fn readable(&self, node: &Node, holds: &str) -> Result<PathBuf, Wrong> {
        let path = PathBuf::from(text(node)?);
        if self.offline {
            return Ok(path);
        }
        let content = content(&path)?;
        if content.trim_ascii().is_empty() {
            return Err(format!("{} is empty", path.display()).into());
        }
        if memchr::memmem::find(&content, holds.as_bytes()).is_none() {
            return Err(format!("{}: there is no `{holds}` in it", path.display()).into());
        }
        Ok(path)
    }
}

fn content(path: &Path) -> Result<Vec<u8>, Wrong> {
    std::fs::read(path).map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => e.to_string(),
        };
        Wrong::from(format!("{}: {why}", path.display()))
    })
}

const NO_SECTION: Section = Section { name: "", doc: "", repeated: false, keys: &[] };
