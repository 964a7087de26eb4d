//! A document as a flat list of spans with hashes, so that equal parts are skipped without being looked at.
//!
//! Nodes stand in document order, every parent before its children; nothing here recurses.

use super::super::budget::{Budget, Spent};
use super::super::value::number::Decimal;
use super::super::value::rules::Scalar;
use super::super::value::text::unescape;
use super::token::{Fault, Kind, Tokenizer};
use std::borrow::Cow;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

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

#[derive(Debug)]
pub struct Node {
    pub kind: Type,
    start: u32,
    end: u32,
    /// The span of the member's name between its quotes; empty and unused in arrays.
    key: (u32, u32),
    /// Where its children stand in `Tree::children`.
    first: u32,
    count: u32,
    /// Of the value: keys sorted, the last of equal keys, numbers as decimals, strings unescaped.
    pub full: u128,
    /// Of the tokens as written, without white space.
    pub raw: u64,
}

#[derive(Debug)]
pub struct Tree<'a> {
    bytes: &'a [u8],
    pub nodes: Vec<Node>,
    children: Vec<u32>,
}

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
    /// # Errors
    /// Not JSON, or a limit.
    pub fn build(bytes: &'a [u8], budget: &mut Budget<'_>) -> Result<Self, NoTree> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(NoTree::Limit("size"));
        }
        let mut tree = Tree { bytes, nodes: Vec::new(), children: Vec::new() };
        tree.read(budget)?;
        tree.hash(budget)?;
        Ok(tree)
    }

    fn read(&mut self, budget: &mut Budget<'_>) -> Result<(), NoTree> {
        let mut tokens = Tokenizer::new(self.bytes, budget.depth);
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut pending: Vec<u32> = Vec::new();
        let mut key = (0, 0);
        loop {
            let token = match tokens.next() {
                Ok(Some(token)) => token,
                Ok(None) => return Ok(()),
                Err(Fault::Syntax) => return Err(NoTree::NotJson),
                Err(Fault::Depth) => return Err(NoTree::Limit("depth")),
            };
            let (start, end) = (token.start as u32, token.end as u32);
            let kind = match token.kind {
                Kind::Key => {
                    key = (start + 1, end - 1);
                    continue;
                }
                Kind::ObjectEnd | Kind::ArrayEnd => {
                    if let Some((node, since)) = open.pop() {
                        let first = self.children.len() as u32;
                        self.children.extend(pending.drain(since..));
                        let count = self.children.len() as u32 - first;
                        if let Some(n) = self.nodes.get_mut(node) {
                            (n.first, n.count, n.end) = (first, count, end);
                        }
                        pending.push(node as u32);
                    }
                    continue;
                }
                Kind::ObjectStart => Type::Object,
                Kind::ArrayStart => Type::Array,
                Kind::String => Type::String,
                Kind::Number => Type::Number,
                Kind::True | Kind::False => Type::Bool,
                Kind::Null => Type::Null,
            };
            budget.spend(1)?;
            let index = self.nodes.len();
            match kind {
                Type::Object | Type::Array => open.push((index, pending.len())),
                _ => pending.push(index as u32),
            }
            let key = std::mem::take(&mut key);
            self.nodes.push(Node { kind, start, end, key, first: 0, count: 0, full: 0, raw: 0 });
        }
    }

    fn hash(&mut self, budget: &mut Budget<'_>) -> Result<(), NoTree> {
        let mut scratch = Scratch::default();
        for i in (0..self.nodes.len()).rev() {
            budget.tick(1)?;
            let full = match self.nodes[i].kind {
                Type::Array | Type::Object => self.combine(i, &mut scratch, |tree, child| Some(tree.nodes[child].full)),
                _ => self.scalar_hash(i, &mut scratch),
            };
            let raw = self.raw_hash(i, &mut scratch);
            let node = &mut self.nodes[i];
            (node.full, node.raw) = (full, raw);
        }
        Ok(())
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

    /// The hash of a container from the hashes `of` its children; those without one are left out.
    pub fn combine(&self, i: usize, scratch: &mut Scratch, of: impl Fn(&Self, usize) -> Option<u128>) -> u128 {
        let seed = self.nodes[i].kind.seed();
        scratch.bytes.clear();
        if self.nodes[i].kind == Type::Array {
            for child in self.children(i) {
                if let Some(hash) = of(self, *child as usize) {
                    scratch.bytes.extend_from_slice(&hash.to_le_bytes());
                }
            }
            return xxh3_128_with_seed(&scratch.bytes, seed);
        }
        scratch.members.clear();
        for (at, child) in self.children(i).iter().enumerate() {
            if let Some(hash) = of(self, *child as usize) {
                scratch.members.push((xxh3_128_with_seed(&self.key(*child as usize), 0), at as u32, hash));
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

    fn raw_hash(&self, i: usize, scratch: &mut Scratch) -> u64 {
        let node = &self.nodes[i];
        if !matches!(node.kind, Type::Array | Type::Object) {
            return xxh3_64_with_seed(self.raw(i), 0);
        }
        scratch.bytes.clear();
        for child in self.children(i) {
            if node.kind == Type::Object {
                let key = xxh3_64_with_seed(self.raw_key(*child as usize), 0);
                scratch.bytes.extend_from_slice(&key.to_le_bytes());
            }
            scratch.bytes.extend_from_slice(&self.nodes[*child as usize].raw.to_le_bytes());
        }
        xxh3_64_with_seed(&scratch.bytes, node.kind.seed())
    }

    /// The value as written.
    pub fn raw(&self, i: usize) -> &'a [u8] {
        let node = &self.nodes[i];
        self.bytes.get(node.start as usize..node.end as usize).unwrap_or(&[])
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
        let raw = self.raw(i);
        unescape(raw.get(1..raw.len().saturating_sub(1)).unwrap_or(&[]))
    }

    pub fn children(&self, i: usize) -> &[u32] {
        let node = &self.nodes[i];
        self.children.get(node.first as usize..(node.first + node.count) as usize).unwrap_or(&[])
    }

    /// The last member of this name; bytes are compared, so cost is the object's size.
    pub fn member(&self, i: usize, name: &[u8]) -> Option<usize> {
        if self.nodes[i].kind != Type::Object {
            return None;
        }
        self.children(i).iter().rev().map(|c| *c as usize).find(|c| *self.key(*c) == *name)
    }

    pub fn is_container(&self, i: usize) -> bool {
        matches!(self.nodes[i].kind, Type::Array | Type::Object)
    }

    /// `""`, `[]` or `{}`.
    pub fn is_empty(&self, i: usize) -> bool {
        match self.nodes[i].kind {
            Type::Array | Type::Object => self.nodes[i].count == 0,
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

/// JSON is read from UTF-8 only, and cut at ASCII.
pub fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}
