//! The fields of a message.
//!
//! Most messages are handed on as they came and are like the one before: all that is asked of their fields is a few names,
//! and whether two messages have the same. For that they are left where they were read. A table of them is made when
//! somebody needs one, which is seldom, and then once.

use super::Spelling;
use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The fields of a message, and how their names are written.
///
/// What is asked of every message has a method that needs no table of them. Whoever needs a [`HeaderMap`] says so:
/// [`Fields::table`].
#[derive(Clone)]
pub struct Fields(Form);

#[derive(Clone)]
enum Form {
    Read(Read, OnceLock<Box<HeaderMap>>),
    Table(HeaderMap, Spelling),
}

/// Fields where they were read.
#[derive(Clone)]
struct Read {
    head: Bytes,
    names: Arc<Names>,
    values: Vec<Range<u32>>,
    /// Those that were taken out.
    gone: Places,
    /// All lines are written as they would be here: they can be copied as they stand.
    plain: bool,
}

/// Names of fields, in their order and as they were written. Messages of one kind share them.
#[derive(Debug)]
pub struct Names {
    names: Box<[HeaderName]>,
    /// One after the other,
    written: Box<[u8]>,
    /// and where each one stands.
    places: Box<[Range<usize>]>,
    spelling: Spelling,
    hints: NameHints,
    all: Places,
    hop_by_hop: Places,
    /// Of those that are asked for in every message: [`usual`].
    usual: [Places; USUAL],
}

/// Some of the fields of a message, by where they stand: a bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Places(u64);

/// What tells most names that are not among some others: a bit for each length and first letter that one of them has.
#[derive(Debug, Clone, Copy)]
pub struct NameHints(u64);

/// A line of a head.
struct Line<'a> {
    name: &'a HeaderName,
    value: &'a [u8],
    written: Written<'a>,
}

enum Written<'a> {
    Name(&'a [u8]),
    /// By this rule, behind so many lines of the same name.
    By(&'a Spelling, usize),
}

/// What the lines of one name say.
enum Values<'a> {
    Read(&'a Read, Places),
    Table(http::header::ValueIter<'a, HeaderValue>),
}

enum Lines<'a> {
    Read(&'a Read, Places),
    Table(http::header::Iter<'a, HeaderValue>, &'a Spelling, Option<(&'a HeaderName, usize)>),
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// RFC 9110 7.6.1, but for those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 6] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS];

const USUAL: usize = 13;

/// The number of a name that is asked for in every message: [`Names`] knows the places of those.
fn usual(name: &HeaderName) -> Option<usize> {
    Some(match *name {
        CONNECTION => 0,
        CONTENT_ENCODING => 1,
        CONTENT_LENGTH => 2,
        CONTENT_TYPE => 3,
        EXPECT => 4,
        FORWARDED => 5,
        HOST => 6,
        PROXY_AUTHENTICATE => 7,
        PROXY_AUTHORIZATION => 8,
        TE => 9,
        TRANSFER_ENCODING => 10,
        UPGRADE => 11,
        VIA => 12,
        _ => return None,
    })
}

// === impl Fields ===

impl Fields {
    /// The fields that stand at `places` in `head`, name and value, none folded over several lines. `None` where there are
    /// too many, in too many bytes.
    pub fn read(head: Bytes, names: Arc<Names>, places: &[(Range<usize>, Range<usize>)]) -> Option<Self> {
        if places.len() != names.names.len() || u32::try_from(head.len()).is_err() {
            return None;
        }
        let plain = places.iter().all(|(name, value)| {
            name.end + 2 == value.start
                && head.get(name.end..value.start) == Some(b": ")
                && head.get(value.end..value.end + 2) == Some(b"\r\n")
        });
        let values = places.iter().map(|(_, value)| value.start as u32..value.end as u32).collect();
        Some(Self(Form::Read(Read { head, names, values, gone: Places::default(), plain }, OnceLock::new())))
    }

    pub fn of(table: HeaderMap, spelling: Spelling) -> Self {
        Self(Form::Table(table, spelling))
    }

    /// How the names are written.
    pub fn spelling(&self) -> &Spelling {
        match &self.0 {
            Form::Read(read, _) => &read.names.spelling,
            Form::Table(_, spelling) => spelling,
        }
    }

    /// Whether there is a line of this name.
    pub fn has(&self, name: &HeaderName) -> bool {
        match &self.0 {
            Form::Read(read, _) => !read.places(name).is_empty(),
            Form::Table(table, _) => table.contains_key(name),
        }
    }

    /// The value of the first line of this name.
    pub fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        match &self.0 {
            Form::Read(read, _) => read.places(name).next().map(|at| read.value(at)),
            Form::Table(table, _) => table.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// The same as text, where it is ASCII.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        std::str::from_utf8(self.first(name)?).ok().filter(|text| text.is_ascii())
    }

    /// The values of all lines of this name.
    pub fn all(&self, name: &HeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
        match &self.0 {
            Form::Read(read, _) => Values::Read(read, read.places(name)),
            Form::Table(table, _) => Values::Table(table.get_all(name).iter()),
        }
    }

    /// Bytes they take in memory, about.
    pub fn weight(&self) -> usize {
        self.lines().map(|line| line.name.as_str().len() + line.value.len() + 48).sum()
    }

    /// The names of all lines.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.lines().map(|line| line.name)
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        match &self.0 {
            Form::Read(read, _) => Lines::Read(read, read.there()),
            Form::Table(table, spelling) => Lines::Table(table.iter(), spelling, None),
        }
    }

    /// Appends all lines but those that are unwanted.
    pub fn put(&self, out: &mut BytesMut, unwanted: impl Fn(&HeaderName) -> bool) {
        match &self.0 {
            Form::Read(read, _) if read.plain => {
                // Lines that follow each other go at once.
                let mut run = 0..0;
                for at in read.there().filter(|at| !unwanted(&read.names.names[*at])) {
                    let Range { start, end } = read.line(at);
                    if run.end != start {
                        out.extend_from_slice(&read.head[run.clone()]);
                        run.start = start;
                    }
                    run.end = end;
                }
                out.extend_from_slice(&read.head[run]);
            }
            _ => self.lines().filter(|line| !unwanted(line.name)).for_each(|line| line.put(out)),
        }
    }

    /// Whether both say the same, those lines aside whose names are `ignored`: the same values for each name, in the same
    /// order. The order of different names says nothing.
    pub fn say_the_same(&self, other: &Self, ignored: impl Fn(&HeaderName) -> bool) -> bool {
        if let (Form::Read(ours, _), Form::Read(theirs, _)) = (&self.0, &other.0)
            && Arc::ptr_eq(&ours.names, &theirs.names)
            && ours.gone == theirs.gone
        {
            let differs = |at: &usize| ours.value(*at) != theirs.value(*at);
            return ours.there().filter(differs).all(|at| ignored(&ours.names.names[at]));
        }
        // Two systems mostly say much the same in an order of their own.
        let counted = |fields: &Self| fields.names().filter(|name| !ignored(name)).count();
        let has = |name: &HeaderName| ignored(name) || self.all(name).eq(other.all(name));
        counted(self) == counted(other) && self.names().all(has)
    }

    /// Takes out all lines of this name.
    pub fn take_out(&mut self, name: &HeaderName) {
        match &mut self.0 {
            Form::Read(read, table) => {
                let gone = read.places(name);
                if !gone.is_empty() {
                    read.gone = read.gone.and(gone);
                    table.take();
                }
            }
            Form::Table(table, _) => drop(table.remove(name)),
        }
    }

    /// Takes out the hop-by-hop fields of RFC 9110 7.6.1: those it names, and those `Connection` names. `Trailer` stays,
    /// since trailers are passed on; `TE` stays as `trailers` where it says so. With `Transfer-Encoding` goes a length that
    /// stood beside it and does not hold (RFC 9112 6.3).
    pub fn strip_hop_by_hop(&mut self) {
        if let Form::Read(read, _) = &self.0
            && read.names.hop_by_hop.without(read.gone).is_empty()
            && !self.has(&TE)
        {
            return;
        }
        if self.has(&TRANSFER_ENCODING) {
            self.take_out(&CONTENT_LENGTH);
        }
        self.named_by_connection().iter().for_each(|name| self.take_out(name));
        match &mut self.0 {
            Form::Read(read, table) => {
                read.gone = read.gone.and(read.names.hop_by_hop);
                table.take();
            }
            Form::Table(table, _) => HOP_BY_HOP.iter().for_each(|name| drop(table.remove(name))),
        }
        if let Some(te) = self.first(&TE) {
            let trailers = te.split(|b| *b == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
            if !trailers {
                self.take_out(&TE);
            } else if te != b"trailers" || self.all(&TE).nth(1).is_some() {
                self.table_mut().insert(TE, HeaderValue::from_static("trailers"));
            }
        }
    }

    fn named_by_connection(&self) -> Vec<HeaderName> {
        self.all(&CONNECTION)
            .flat_map(|value| value.split(|b| *b == b','))
            .map(<[u8]>::trim_ascii)
            // The two that are said most often name nothing that is not taken out anyway.
            .filter(|name| !name.eq_ignore_ascii_case(b"keep-alive") && !name.eq_ignore_ascii_case(b"close"))
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .filter(|name| !matches!(*name, TE | TRAILER | HOST | CONTENT_LENGTH))
            .collect()
    }

    /// A table of them, made when it is first asked for.
    pub fn table(&self) -> &HeaderMap {
        match &self.0 {
            Form::Read(read, table) => table.get_or_init(|| Box::new(read.table())),
            Form::Table(table, _) => table,
        }
    }

    /// A table of them to be changed: from here on they are nowhere else.
    pub fn table_mut(&mut self) -> &mut HeaderMap {
        if let Form::Read(read, table) = &mut self.0 {
            let table = table.take().map_or_else(|| read.table(), |table| *table);
            self.0 = Form::Table(table, read.names.spelling.clone());
        }
        match &mut self.0 {
            Form::Table(table, _) => table,
            Form::Read(..) => unreachable!("made a table of above"),
        }
    }

    pub fn into_table(self) -> HeaderMap {
        match self.0 {
            Form::Read(read, table) => table.into_inner().map_or_else(|| read.table(), |table| *table),
            Form::Table(table, _) => table,
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        HeaderMap::new().into()
    }
}

impl From<HeaderMap> for Fields {
    fn from(table: HeaderMap) -> Self {
        Self::of(table, Spelling::default())
    }
}

/// By their tables: the order of names makes no difference.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.table() == other.table()
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.lines().map(|line| (line.name, line.value.escape_ascii().to_string()))).finish()
    }
}

// === impl Read ===

impl Read {
    /// Where the fields of this name are.
    fn places(&self, name: &HeaderName) -> Places {
        self.names.places(name).without(self.gone)
    }

    /// All that were not taken out.
    fn there(&self) -> Places {
        self.names.all.without(self.gone)
    }

    fn value(&self, at: usize) -> &[u8] {
        &self.head[self.place(at)]
    }

    fn place(&self, at: usize) -> Range<usize> {
        let Range { start, end } = self.values[at].clone();
        start as usize..end as usize
    }

    /// Where it stands, with its end, in a head that is plain.
    fn line(&self, at: usize) -> Range<usize> {
        let Range { start, end } = self.place(at);
        start - 2 - self.names.written(at).len()..end + 2
    }

    fn table(&self) -> HeaderMap {
        let mut table = HeaderMap::with_capacity(self.values.len());
        for at in self.there() {
            // Whoever reads heads lets nothing pass that cannot stand in a value.
            if let Ok(value) = HeaderValue::from_maybe_shared(self.head.slice(self.place(at))) {
                table.append(self.names.names[at].clone(), value);
            }
        }
        table
    }
}

// === impl Names ===

impl Names {
    /// How many names there may be.
    pub const MAX: usize = u64::BITS as usize;

    /// `None` where they are too many, or one of them is no name.
    pub fn of<'a>(written: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        let names = written.clone().map(|name| HeaderName::from_bytes(name).ok()).collect::<Option<Box<[_]>>>()?;
        if names.len() > Self::MAX {
            return None;
        }
        let places = written.clone().scan(0, |end, name| {
            let start = std::mem::replace(end, *end + name.len());
            Some(start..*end)
        });
        Some(Self {
            places: places.collect(),
            written: written.clone().flatten().copied().collect(),
            spelling: Spelling::of(written),
            hints: NameHints::of(names.iter()),
            all: Places::of(&names, |_| true),
            hop_by_hop: Places::of(&names, |name| HOP_BY_HOP.contains(name)),
            usual: std::array::from_fn(|number| Places::of(&names, |name| usual(name) == Some(number))),
            names,
        })
    }

    /// Whether a message writes these names in this order.
    pub fn are<'a>(&self, written: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
        written.len() == self.places.len()
            && written.zip(&self.places).all(|(name, place)| *name == self.written[place.clone()])
    }

    /// Where fields of this name stand.
    fn places(&self, name: &HeaderName) -> Places {
        match usual(name) {
            Some(number) => self.usual[number],
            None => self.search(name),
        }
    }

    /// Apart, so that the usual names cost no more than they need.
    #[inline(never)]
    fn search(&self, name: &HeaderName) -> Places {
        match self.hints.may_have(name) {
            true => Places::of(&self.names, |one| one == name),
            false => Places::default(),
        }
    }

    fn written(&self, at: usize) -> &[u8] {
        &self.written[self.places[at].clone()]
    }
}

// === impl Places ===

impl Places {
    /// Those of the names that are `wanted`.
    fn of(names: &[HeaderName], wanted: impl Fn(&HeaderName) -> bool) -> Self {
        Self((0..).zip(names).fold(0, |all, (at, name)| all | u64::from(wanted(name)) << at))
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn take_out(&mut self, at: u32) -> usize {
        self.0 ^= 1 << at;
        at as usize
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        (!self.is_empty()).then(|| self.take_out(self.0.trailing_zeros()))
    }
}

impl DoubleEndedIterator for Places {
    fn next_back(&mut self) -> Option<usize> {
        (!self.is_empty()).then(|| self.take_out(u64::BITS - 1 - self.0.leading_zeros()))
    }
}

// === impl NameHints ===

impl NameHints {
    pub fn of<'a>(names: impl Iterator<Item = &'a HeaderName>) -> Self {
        Self(names.fold(0, |hints, name| hints | Self::bit(name)))
    }

    /// `false` where the name is none of them.
    pub fn may_have(self, name: &HeaderName) -> bool {
        self.0 & Self::bit(name) != 0
    }

    fn bit(name: &HeaderName) -> u64 {
        let name = name.as_str().as_bytes();
        1 << ((name.len() + 5 * usize::from(name.first().copied().unwrap_or_default())) % 64)
    }
}

// === impl Line ===

impl Line<'_> {
    fn put(&self, out: &mut BytesMut) {
        match self.written {
            Written::Name(name) => out.extend_from_slice(name),
            Written::By(spelling, nth) => spelling.put(self.name, nth, out),
        }
        out.extend_from_slice(b": ");
        out.extend_from_slice(self.value);
        out.extend_from_slice(b"\r\n");
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Values::Read(read, places) => places.next().map(|at| read.value(at)),
            Values::Table(values) => values.next().map(HeaderValue::as_bytes),
        }
    }
}

impl DoubleEndedIterator for Values<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Values::Read(read, places) => places.next_back().map(|at| read.value(at)),
            Values::Table(values) => values.next_back().map(HeaderValue::as_bytes),
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        match self {
            Lines::Read(read, places) => {
                let at = places.next()?;
                let written = Written::Name(read.names.written(at));
                Some(Line { name: &read.names.names[at], value: read.value(at), written })
            }
            Lines::Table(lines, spelling, before) => {
                let (name, value) = lines.next()?;
                let nth = before.filter(|(before, _)| *before == name).map_or(0, |(_, nth)| nth + 1);
                *before = Some((name, nth));
                Some(Line { name, value: value.as_bytes(), written: Written::By(spelling, nth) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect::<HeaderMap>().into()
    }

    #[test]
    fn hop_by_hop_fields_go_and_the_rest_stays() {
        let mut stripped = fields(&[
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "deflate, trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "websocket"),
            ("http2-settings", "x"),
            ("proxy-connection", "close"),
            ("accept", "*/*"),
        ]);
        stripped.strip_hop_by_hop();
        assert_eq!(stripped, fields(&[("te", "trailers"), ("trailer", "x-sum"), ("accept", "*/*")]));
        let mut named =
            fields(&[("connection", "content-length, host"), ("content-length", "5"), ("host", "h"), ("te", "gzip")]);
        named.strip_hop_by_hop();
        assert_eq!(named, fields(&[("content-length", "5"), ("host", "h")]));
    }
}
