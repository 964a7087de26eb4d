//! CSV and TSV: rows under the names of the first one. A column that one side lacks is one finding, and the rest is
//! compared without it.
//!
//! With `header=absent` in the content type rows are arrays. Cells are text; quoting and line ends mean nothing.

use super::writer::read_back;
use super::{Bytes, Fault, Format, Writer, both, limit, walk};
use crate::diff::body::head;
use crate::diff::budget::Budget;
use crate::diff::context::Context;
use crate::diff::finding::excerpt;
use crate::diff::headers::Parameterised;
use crate::diff::media::content_type;
use crate::diff::path::push_name_pattern;
use crate::diff::spec::Ignore;
use crate::diff::{Cover, Finding, Findings, Tier, json};
use crate::model::Answer;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

const ROW: &str = "json:$[*]";
const ALL: &str = "json:$";

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What divides cells, the likeliest first.
const DIVIDERS: [u8; 3] = [b',', b';', b'\t'];

/// More are no table that anybody reads.
const MAX_COLUMNS: usize = 10_000;

type Cell<'a> = Cow<'a, [u8]>;

/// One side.
struct Table<'a> {
    /// A name for each column, no two the same; `None` where there is no first row to take them from.
    names: Option<Vec<Vec<u8>>>,
    rows: Vec<Vec<Cell<'a>>>,
}

pub(super) fn compare(
    format: Format,
    context: &Context<'_>,
    answers: (&Answer, &Answer),
    bodies: Bytes<'_>,
    budget: &mut Budget<'_>,
    out: &mut Findings,
) {
    let delimiter = delimiter(format, bodies);
    let mut read = |answer, body| Table::read(body, delimiter, is_headless(&content_type(answer)), budget);
    let tables = (read(answers.0, bodies.0), read(answers.1, bodies.1));
    let Some((a, b)) = both(format, context, bodies, tables, out) else { return };
    let mut found = Findings::default();
    let shared = columns(&a, &b, context, &mut found);
    let mut write = |table: &Table<'_>| table.write(shared.as_deref(), limit(context), budget);
    let written = (write(&a), write(&b));
    let Some((x, y)) = both(format, context, bodies, written, out) else { return };
    if x != y {
        match walk(context, (x, y), budget, &json::Options::default()) {
            Some(rows) => found.absorb(told(rows), false),
            None => return out.absorb(found, false),
        }
    }
    if found.is_match() {
        found.push(Finding::new("csv.quoting", Tier::Repr, "body").classes(format.name(), format.name()));
    }
    out.absorb(found, false);
}

/// All of one side as an array of its rows.
pub(super) fn document(
    format: Format,
    declared: &Parameterised,
    body: &[u8],
    limit: usize,
    budget: &mut Budget<'_>,
) -> Result<Vec<u8>, Fault> {
    let table = Table::read(body, delimiter(format, (body, body)), is_headless(declared), budget)?;
    table.write(table.names.as_deref(), limit, budget)
}

fn is_headless(declared: &Parameterised) -> bool {
    declared.params.get("header").is_some_and(|header| header.eq_ignore_ascii_case("absent"))
}

/// A comma where either side's first row has one outside of quotes; else what stands there in its place.
fn delimiter(format: Format, (a, b): Bytes<'_>) -> u8 {
    if format == Format::Tsv {
        return b'\t';
    }
    let (a, b) = (dividers(a), dividers(b));
    DIVIDERS.into_iter().find(|d| a.contains(d) || b.contains(d)).unwrap_or(b',')
}

/// What may divide the cells of a first row.
fn dividers(body: &[u8]) -> Vec<u8> {
    let line_end = |b: &u8| matches!(b, b'\r' | b'\n');
    let body = body.strip_prefix(MARK).unwrap_or(body);
    let start = body.iter().position(|b| !line_end(b)).unwrap_or(body.len());
    let (mut quoted, mut before, mut found) = (false, b',', Vec::new());
    for byte in head(body.get(start..).unwrap_or_default()) {
        match byte {
            // Two are one that stands in a cell.
            b'"' => quoted = !quoted && (before == b'"' || DIVIDERS.contains(&before)),
            _ if quoted => {}
            byte if line_end(byte) => break,
            byte if DIVIDERS.contains(byte) => found.push(*byte),
            _ => {}
        }
        before = *byte;
    }
    found
}

/// Tells which columns only one side has and whether the others come in another order; gives those that both have.
fn columns(a: &Table<'_>, b: &Table<'_>, context: &Context<'_>, out: &mut Findings) -> Option<Vec<Vec<u8>>> {
    let (Some(ours), Some(theirs)) = (&a.names, &b.names) else { return None };
    let sets: (HashSet<_>, HashSet<_>) = (ours.iter().collect(), theirs.iter().collect());
    let rules = &context.rules.json;
    let mut lacking = |kind, name: &[u8], primary: Option<&[u8]>, candidate: Option<&[u8]>, aspect| {
        let (mut location, name) = (ROW.to_owned(), read_back(name));
        push_name_pattern(&mut location, &name);
        let text = |v: Option<&[u8]>| v.map(|v| String::from_utf8_lossy(v).into_owned());
        let class = |v: Option<&[u8]>| if v.is_some() { "column" } else { "missing" };
        let mut finding = Finding::new(kind, Tier::Value, &location).classes(class(primary), class(candidate));
        (finding.primary, finding.candidate) =
            (text(primary).as_deref().map(excerpt), text(candidate).as_deref().map(excerpt));
        finding.cover = rules.ignoring(&[None, Some(&name)], &[aspect]).map(Cover::Rule);
        out.push(finding);
    };
    for name in ours.iter().filter(|name| !sets.1.contains(name)) {
        lacking("csv.column_missing", name, Some(name), None, Ignore::Missing);
    }
    for name in theirs.iter().filter(|name| !sets.0.contains(name)) {
        lacking("csv.column_extra", name, None, Some(name), Ignore::Extra);
    }
    let shared: Vec<_> = ours.iter().filter(|name| sets.1.contains(name)).cloned().collect();
    let there: Vec<_> = theirs.iter().filter(|name| sets.0.contains(name)).cloned().collect();
    if shared != there {
        let list = |names: &[Vec<u8>]| {
            let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
            excerpt(&format!("{names:?}"))
        };
        let mut finding = Finding::new("csv.order", Tier::Order, ROW).classes("columns", "columns");
        (finding.primary, finding.candidate) = (Some(list(&shared)), Some(list(&there)));
        finding.cover = rules.ignoring(&[None], &[Ignore::Order]).map(Cover::Rule);
        out.push(finding);
    }
    Some(shared)
}

/// Findings about an array of rows in the words of tables.
fn told(mut found: Findings) -> Findings {
    for finding in &mut found.list {
        let kind = match (&*finding.kind, &*finding.location) {
            ("json.item_missing", ROW) => "csv.row_missing",
            ("json.item_extra", ROW) => "csv.row_extra",
            ("json.moved" | "json.order", ROW | ALL) => "csv.order",
            _ if finding.tier == Tier::Value => "csv.value",
            _ => continue,
        };
        finding.kind = kind.into();
    }
    found
}

// === impl Table ===

impl<'a> Table<'a> {
    fn read(body: &'a [u8], delimiter: u8, headless: bool, budget: &mut Budget<'_>) -> Result<Self, Fault> {
        let mut reader = Reader { rest: body.strip_prefix(MARK).unwrap_or(body), delimiter };
        let mut names = None;
        let (mut rows, mut cells) = (Vec::new(), 0);
        while let Some(row) = reader.row(budget)? {
            cells += row.len();
            if cells > budget.nodes {
                return Err(Fault::Limit("nodes"));
            }
            if row.len() > MAX_COLUMNS {
                return Err(Fault::Limit("columns"));
            }
            // A line with nothing on it is a row only where a row is one cell.
            let blank = matches!(row.as_slice(), [Cow::Borrowed(b"")]);
            match &names {
                None if blank && !headless => {}
                None if !headless => names = Some(unique(&row)),
                Some(names) if blank && names.len() > 1 => {}
                None if blank => {}
                _ => rows.push(row),
            }
        }
        Ok(Table { names: if headless { None } else { Some(names.unwrap_or_default()) }, rows })
    }

    /// An array of the rows, with the cells of these columns in this order and whatever has no column; or with all
    /// cells by position.
    fn write(&self, shared: Option<&[Vec<u8>]>, limit: usize, budget: &mut Budget<'_>) -> Result<Vec<u8>, Fault> {
        let mut writer = Writer::new(limit);
        let names = self.names.as_deref().zip(shared);
        let own: HashMap<&[u8], usize> =
            self.names.iter().flatten().enumerate().map(|(place, name)| (name.as_slice(), place)).collect();
        let places: Vec<(usize, &[u8])> =
            shared.iter().copied().flatten().filter_map(|name| Some((*own.get(&**name)?, &**name))).collect();
        writer.begin(b'[');
        for row in &self.rows {
            budget.tick(1 + row.len().max(places.len()))?;
            if names.is_none() {
                writer.begin(b'[');
                row.iter().try_for_each(|cell| writer.string(cell))?;
                writer.end(b']');
                continue;
            }
            writer.begin(b'{');
            for (place, name) in &places {
                if let Some(cell) = row.get(*place) {
                    writer.key(name)?;
                    writer.string(cell)?;
                }
            }
            for (place, cell) in row.iter().enumerate().skip(own.len()) {
                let mut name = format!("#{}", place + 1).into_bytes();
                while own.contains_key(name.as_slice()) {
                    budget.tick(1)?;
                    name.push(b'\'');
                }
                writer.key(&name)?;
                writer.string(cell)?;
            }
            writer.end(b'}');
        }
        writer.end(b']');
        Ok(writer.finish())
    }
}

/// The names of the first row; what repeats is numbered.
fn unique(row: &[Cell<'_>]) -> Vec<Vec<u8>> {
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let given: HashSet<&[u8]> = row.iter().map(|cell| &**cell).collect();
    row.iter()
        .enumerate()
        .map(|(place, cell)| {
            let mut name = cell.to_vec();
            if !seen.insert(name.clone()) {
                name.extend(format!("#{}", place + 1).bytes());
                while given.contains(name.as_slice()) || seen.contains(&name) {
                    name.push(b'\'');
                }
                seen.insert(name.clone());
            }
            name
        })
        .collect()
}

/// Rows one after the other, as RFC 4180 writes them, with any line end.
struct Reader<'a> {
    rest: &'a [u8],
    delimiter: u8,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn row(&mut self, budget: &mut Budget<'_>) -> Result<Option<Vec<Cell<'a>>>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut row = Vec::new();
        loop {
            budget.tick(1)?;
            row.push(self.cell(budget)?);
            match self.rest {
                [first, rest @ ..] if *first == self.delimiter => self.rest = rest,
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => {
                    self.rest = rest;
                    return Ok(Some(row));
                }
                [] => return Ok(Some(row)),
            }
        }
    }

    /// Up to a delimiter or a line end, which is left. A quoted cell that is never closed is no CSV; one that goes on behind
    /// its quotes is what it looks like.
    fn cell(&mut self, budget: &mut Budget<'_>) -> Result<Cell<'a>, Fault> {
        let Some(quoted) = self.rest.strip_prefix(b"\"") else { return Ok(Cow::Borrowed(self.plain())) };
        let whole = self.rest;
        self.rest = quoted;
        let mut cell: Cell<'a> = Cow::Borrowed(b"");
        loop {
            budget.tick(1)?;
            let end = memchr::memchr(b'"', self.rest).ok_or(Fault::Malformed)?;
            let (part, after) = self.rest.split_at(end);
            let twice = after.starts_with(b"\"\"");
            let taken = if twice { self.rest.get(..end + 1).unwrap_or_default() } else { part };
            append(&mut cell, taken);
            self.rest = after.get(if twice { 2 } else { 1 }..).unwrap_or_default();
            if !twice {
                if !self.plain().is_empty() {
                    return Ok(Cow::Borrowed(whole.get(..whole.len() - self.rest.len()).unwrap_or_default()));
                }
                return Ok(quotes_kept(cell));
            }
        }
    }

    fn plain(&mut self) -> &'a [u8] {
        let end = memchr::memchr3(self.delimiter, b'\r', b'\n', self.rest).unwrap_or(self.rest.len());
        let (cell, rest) = self.rest.split_at(end);
        self.rest = rest;
        cell
    }
}

fn append<'a>(cell: &mut Cell<'a>, part: &'a [u8]) {
    if cell.is_empty() {
        *cell = Cow::Borrowed(part);
    } else if !part.is_empty() {
        cell.to_mut().extend_from_slice(part);
    }
}

/// An empty cell in quotes is a cell, where nothing at all on a line is none.
fn quotes_kept(cell: Cell<'_>) -> Cell<'_> {
    if cell.is_empty() { Cow::Owned(Vec::new()) } else { cell }
}
