//! A document as a flat list of spans: nothing is unescaped, hashed or copied until it is asked for.
//!
//! Nodes stand in document order, every parent before its children and a subtree in one run; nothing here recurses.

use super::super::budget::{Budget, Spent};
use super::super::value::number::Decimal;
use super::super::value::rules::Scalar;
use super::super::value::text::unescape;
use super::{scalars, scan};
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// A JSON type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Type,
    start: u32,
    end: u32,
    /// The span of the member's name between its quotes; empty and unused in arrays.
    key: (u32, u32),
    /// The node after the last one below it.
    next: u32,
}

#[derive(Debug)]
pub struct Tree<'a> {
    bytes: &'a [u8],
    pub nodes: Vec<Node>,
    /// The hashes known so far, by node; 0 where none is.
    hashes: RefCell<Vec<u128>>,
}

/// A scalar that another text has in the place of one of this.
struct Edit {
    node: usize,
    kind: Type,
    /// Where it ends in this text, and how far that and all that follows stands from there in the other.
    end: u32,
    shift: u32,
}

/// Bytes of text for which a node is foreseen, and nodes at most that are.
const BYTES_A_NODE: usize = 8;
const MOST_AT_ONCE: usize = 1 << 16;
/// Scalars in which two texts may differ and still be read once.
const MOST_EDITS: usize = 32;

/// Why there is no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTree {
    NotJson,
    Limit(&'static str),
}

/// Room for hashing what several children make up.
#[derive(Debug, Default)]
pub struct Scratch {
    pub bytes: Vec<u8>,
    pub members: Vec<(u128, u32, u128)>,
}

// === impl Type ===

impl Type {
    /// By the byte that it begins with.
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b'{' => Type::Object,
            b'[' => Type::Array,
            b'"' => Type::String,
            b't' | b'f' => Type::Bool,
            b'n' => Type::Null,
            _ => Type::Number,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Bool => "bool",
            Type::Number => "number",
            Type::String => "string",
            Type::Array => "array",
            Type::Object => "object",
        }
    }

    /// Keeps hashes of different types apart.
    pub const fn seed(self) -> u64 {
        self as u64 + 1
    }
}

impl From<Spent> for NoTree {
    fn from(spent: Spent) -> Self {
        NoTree::Limit(spent.0)
    }
}

// === impl Tree ===

impl<'a> Tree<'a> {
    /// Reads a text that is UTF-8.
    ///
    /// # Errors
    /// Not JSON, or a limit.
    pub fn build(bytes: &'a [u8], budget: &mut Budget<'_>) -> Result<Self, NoTree> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(NoTree::Limit("size"));
        }
        let nodes = Vec::with_capacity((bytes.len() / BYTES_A_NODE).min(MOST_AT_ONCE));
        let mut tree = Tree { bytes, nodes, hashes: RefCell::default() };
        tree.read(budget)?;
        Ok(tree)
    }

    /// The tree of another text, where it differs from this one in a few scalars only: what is the same is not read
    /// again. `None` where it has to be.
    ///
    /// # Errors
    /// A limit.
    pub fn with_other_scalars<'b>(&self, bytes: &'b [u8], budget: &mut Budget<'_>) -> Result<Option<Tree<'b>>, NoTree> {
        let Some(edits) = self.edits(bytes) else { return Ok(None) };
        budget.spend(self.nodes.len())?;
        // A node's name and beginning stand behind the same scalars; only what contains some ends elsewhere.
        let shift_at = |at: u32| match edits.partition_point(|edit| edit.end <= at).checked_sub(1) {
            Some(last) => edits.get(last).map_or(0, |edit| edit.shift),
            None => 0,
        };
        let mut coming = edits.iter();
        let (mut shift, mut next) = (0u32, coming.next());
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            while let Some(edit) = next.filter(|edit| edit.end <= node.start) {
                (shift, next) = (edit.shift, coming.next());
            }
            let far = next.is_some_and(|edit| edit.end <= node.end);
            let end = node.end.wrapping_add(if far { shift_at(node.end) } else { shift });
            let (from, to) = node.key;
            let key = if to == 0 { (0, 0) } else { (from.wrapping_add(shift), to.wrapping_add(shift)) };
            nodes.push(Node { kind: node.kind, start: node.start.wrapping_add(shift), end, key, next: node.next });
        }
        for edit in &edits {
            if let Some(node) = nodes.get_mut(edit.node) {
                node.kind = edit.kind;
            }
        }
        Ok(Some(Tree { bytes, nodes, hashes: RefCell::default() }))
    }

    /// The scalars in which another text differs; `None` where it differs in more.
    fn edits(&self, bytes: &[u8]) -> Option<Vec<Edit>> {
        let mut edits: Vec<Edit> = Vec::new();
        // Where both go on alike; between two values, or at the beginning.
        let (mut here, mut there) = (0, 0);
        loop {
            let (ours, theirs) = (self.bytes.get(here..)?, bytes.get(there..)?);
            let at = here + common_prefix(ours, theirs);
            if at == self.bytes.len() && ours.len() == theirs.len() {
                return Some(edits);
            }
            let index = self.nodes.partition_point(|node| node.start as usize <= at).checked_sub(1)?;
            let node = self.nodes.get(index)?;
            let (start, end) = (node.start as usize, node.end as usize);
            if start < here || end < at || self.is_container(index) || edits.len() == MOST_EDITS {
                return None;
            }
            let begins = start - here + there;
            let kind = Type::of(*bytes.get(begins)?);
            let ends = scan::scalar(bytes, begins)?;
            let shift = u32::try_from(ends).ok()?.wrapping_sub(node.end);
            edits.push(Edit { node: index, kind, end: node.end, shift });
            (here, there) = (end, ends);
        }
    }

    fn read(&mut self, budget: &mut Budget<'_>) -> Result<(), NoTree> {
        let bytes = self.bytes;
        let mut open: Vec<usize> = Vec::new();
        // Whether the innermost of them is an object.
        let mut object = false;
        let (mut at, mut key) = (0, (0, 0));
        loop {
            at = scan::blanks(bytes, at);
            let start = at;
            let kind = Type::of(*bytes.get(at).ok_or(NoTree::NotJson)?);
            let container = matches!(kind, Type::Object | Type::Array);
            if container && open.len() >= budget.depth {
                return Err(NoTree::Limit("depth"));
            }
            at = if container { at + 1 } else { scan::scalar(bytes, at).ok_or(NoTree::NotJson)? };
            budget.spend(1)?;
            let index = self.nodes.len();
            self.nodes.push(Node { kind, start: start as u32, end: at as u32, key, next: index as u32 + 1 });
            if container {
                open.push(index);
                object = kind == Type::Object;
                at = scan::blanks(bytes, at);
                if bytes.get(at) != Some(if object { &b'}' } else { &b']' }) {
                    key = if object { read_key(bytes, &mut at)? } else { (0, 0) };
                    continue;
                }
            }
            loop {
                at = scan::blanks(bytes, at);
                match bytes.get(at) {
                    None if open.is_empty() => return Ok(()),
                    Some(b',') if !open.is_empty() => {
                        at += 1;
                        key = if object { read_key(bytes, &mut at)? } else { (0, 0) };
                        break;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return Err(NoTree::NotJson),
                }
                let count = self.nodes.len() as u32;
                let closed = open.pop().and_then(|top| self.nodes.get_mut(top)).ok_or(NoTree::NotJson)?;
                at += 1;
                (closed.end, closed.next) = (at as u32, count);
                object = open.last().and_then(|top| self.nodes.get(*top)).is_some_and(|n| n.kind == Type::Object);
            }
        }
    }

    /// The hash of a value: keys sorted, the last of equal keys, numbers as decimals, strings unescaped.
    pub fn hash(&self, i: usize, budget: &mut Budget<'_>) -> Result<u128, Spent> {
        let mut hashes = self.hashes.borrow_mut();
        hashes.resize(self.nodes.len(), 0);
        if hashes[i] == 0 {
            let mut scratch = Scratch::default();
            for k in (i..self.nodes[i].next as usize).rev() {
                budget.tick(1)?;
                if hashes[k] == 0 {
                    hashes[k] = match self.nodes[k].kind {
                        Type::Array | Type::Object => self.combine(k, &mut scratch, |child| Some(hashes[child])),
                        _ => self.scalar_hash(k, &mut scratch),
                    };
                }
            }
        }
        Ok(hashes[i])
    }

    fn scalar_hash(&self, i: usize, scratch: &mut Scratch) -> u128 {
        let (raw, seed) = (self.raw(i), self.nodes[i].kind.seed());
        match self.nodes[i].kind {
            Type::String => xxh3_128_with_seed(&self.string(i), seed),
            Type::Number => match Decimal::parse(as_text(raw)) {
                Some(decimal) => {
                    scratch.bytes.clear();
                    decimal.canonical(&mut scratch.bytes);
                    xxh3_128_with_seed(&scratch.bytes, seed)
                }
                None => xxh3_128_with_seed(raw, seed + 100),
            },
            _ => xxh3_128_with_seed(raw, seed),
        }
    }

    /// Whether two values that are no containers are the same.
    pub fn same_scalar(&self, i: usize, other: &Tree<'_>, j: usize) -> bool {
        scalars::same((self.nodes[i].kind, self.raw(i)), (other.nodes[j].kind, other.raw(j)))
    }

    /// The hash of a container from the hashes `of` its children; those without one are left out.
    pub fn combine(&self, i: usize, scratch: &mut Scratch, of: impl Fn(usize) -> Option<u128>) -> u128 {
        let seed = self.nodes[i].kind.seed();
        scratch.bytes.clear();
        if self.nodes[i].kind == Type::Array {
            for hash in self.children(i).filter_map(of) {
                scratch.bytes.extend_from_slice(&hash.to_le_bytes());
            }
            return xxh3_128_with_seed(&scratch.bytes, seed);
        }
        scratch.members.clear();
        for (at, child) in self.children(i).enumerate() {
            if let Some(hash) = of(child) {
                scratch.members.push((xxh3_128_with_seed(&self.key(child), 0), at as u32, hash));
            }
        }
        scratch.members.sort_unstable();
        let mut members = scratch.members.iter().peekable();
        while let Some((key, _, hash)) = members.next() {
            if members.peek().is_none_or(|next| next.0 != *key) {
                scratch.bytes.extend_from_slice(&key.to_le_bytes());
                scratch.bytes.extend_from_slice(&hash.to_le_bytes());
            }
        }
        xxh3_128_with_seed(&scratch.bytes, seed)
    }

    /// Where the value stands in the text.
    pub fn span(&self, i: usize) -> Range<usize> {
        let node = &self.nodes[i];
        node.start as usize..node.end as usize
    }

    /// The node after the last one below this one.
    pub fn next(&self, i: usize) -> usize {
        self.nodes[i].next as usize
    }

    /// The value as written.
    pub fn raw(&self, i: usize) -> &'a [u8] {
        self.bytes.get(self.span(i)).unwrap_or(&[])
    }

    /// The member's name as written, without quotes.
    pub fn raw_key(&self, i: usize) -> &'a [u8] {
        let (start, end) = self.nodes[i].key;
        self.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    pub fn key(&self, i: usize) -> Cow<'a, [u8]> {
        unescape(self.raw_key(i))
    }

    /// A string's content, unescaped.
    pub fn string(&self, i: usize) -> Cow<'a, [u8]> {
        scalars::content(self.raw(i))
    }

    /// The elements or members, in document order.
    pub fn children(&self, i: usize) -> impl Iterator<Item = usize> {
        let (mut at, end) = (i + 1, self.next(i));
        std::iter::from_fn(move || {
            let child = at;
            (child < end).then(|| {
                at = self.next(child);
                child
            })
        })
    }

    /// The last member of this name; bytes are compared, so cost is the object's size.
    pub fn member(&self, i: usize, name: &[u8]) -> Option<usize> {
        if self.nodes[i].kind != Type::Object {
            return None;
        }
        self.children(i).filter(|c| *self.key(*c) == *name).last()
    }

    pub fn is_container(&self, i: usize) -> bool {
        matches!(self.nodes[i].kind, Type::Array | Type::Object)
    }

    /// `""`, `[]` or `{}`.
    pub fn is_empty(&self, i: usize) -> bool {
        match self.nodes[i].kind {
            Type::Array | Type::Object => self.next(i) == i + 1,
            Type::String => self.raw(i).len() == 2,
            _ => false,
        }
    }

    /// The value as rules see it; `content` holds a string's unescaped content.
    pub fn scalar<'s>(&self, i: usize, content: &'s mut Cow<'a, [u8]>) -> Scalar<'s>
    where
        'a: 's,
    {
        match self.nodes[i].kind {
            Type::Null => Scalar::Null,
            Type::Bool => Scalar::Bool(self.raw(i) == b"true"),
            Type::Number => Scalar::Number(as_text(self.raw(i))),
            Type::String => {
                *content = self.string(i);
                Scalar::Text(content)
            }
            _ if self.is_empty(i) => Scalar::EmptyContainer,
            _ => Scalar::Container,
        }
    }
}

/// A member's name between its quotes, and on to its value.
fn read_key(bytes: &[u8], at: &mut usize) -> Result<(u32, u32), NoTree> {
    let ((start, end), value) = scan::name(bytes, *at).ok_or(NoTree::NotJson)?;
    *at = value;
    Ok((start as u32, end as u32))
}

/// How many bytes two texts have in common from the start.
pub fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    fn alike(a: &[u8], b: &[u8], size: usize, from: usize) -> usize {
        let (a, b) = (a.get(from..).unwrap_or(&[]), b.get(from..).unwrap_or(&[]));
        from + size * a.chunks_exact(size).zip(b.chunks_exact(size)).take_while(|(x, y)| x == y).count()
    }
    [256, 32, 8, 1].into_iter().fold(0, |from, size| alike(a, b, size, from))
}

/// JSON is read from UTF-8 only, and cut at ASCII.
pub fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}
