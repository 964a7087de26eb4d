//! Messages of a known type, as JSON by the names of their fields.
//!
//! What receivers can't tell apart is written alike: a field without presence that has its default and one that is not
//! there, packed and unpacked lists, a message in several pieces, the order of fields and map entries. Numbers keep all
//! their digits; enums go by name; what the type does not know stays, by number.

use super::super::budget::Budget;
use super::known::{self, Form};
use super::plain::{self, Guess};
use super::schema::Schema;
use super::text::Text;
use super::wire::{Fault, Fields, Wire};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Messages inside each other; what is usual among protobuf implementations.
const MAX_DEPTH: usize = 100;

/// The fields that have another value than their default in some message of a type. Only these are written where they
/// have their default, so that a value and its default are told as two values, and wide types stay short.
pub(super) type Set = HashMap<String, HashSet<u32>>;

/// What a message holds, by number, in the order of the wire.
pub(super) type Values<'a> = BTreeMap<u32, Vec<Wire<'a>>>;

/// Writes one message after the other.
pub(super) struct Writer<'w, 'b> {
    pub(super) schema: &'w Schema,
    pub(super) set: &'w mut Set,
    pub(super) budget: &'w mut Budget<'b>,
    pub(super) out: &'w mut Text,
}

type Step = Result<(), Fault>;

// === impl Writer ===

impl Writer<'_, '_> {
    pub(super) fn root(&mut self, of: &MessageDescriptor, message: &[u8]) -> Step {
        self.message(of, message, MAX_DEPTH)
    }

    fn message(&mut self, of: &MessageDescriptor, message: &[u8], depth: usize) -> Step {
        let depth = depth.checked_sub(1).ok_or(Fault::Limit("depth"))?;
        let values = self.read(of, message)?;
        if let Some(form) = Form::of(of, &values) {
            return self.well_known(of, form, &values, depth);
        }
        self.out.push("{")?;
        self.members(of, values, depth, true)?;
        Ok(self.out.push("}")?)
    }

    /// The values by number, of each oneof the last member only.
    fn read<'m>(&mut self, of: &MessageDescriptor, message: &'m [u8]) -> Result<Values<'m>, Fault> {
        let mut values = Values::new();
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next(self.budget)? {
            self.budget.spend(1)?;
            let field = of.get_field(number).filter(|f| fits(&f.kind(), f.is_list(), f.is_group(), &value));
            if let Some(oneof) = field.and_then(|f| f.containing_oneof()) {
                self.budget.tick(oneof.fields().len())?;
                oneof.fields().filter(|f| f.number() != number).for_each(|f| drop(values.remove(&f.number())));
            }
            values.entry(number).or_default().push(value);
        }
        Ok(values)
    }

    fn members(&mut self, of: &MessageDescriptor, mut values: Values<'_>, depth: usize, mut first: bool) -> Step {
        let known = self.set.get(of.full_name()).is_some_and(|set| !set.is_empty());
        for field in of.fields() {
            self.budget.tick(1)?;
            let number = field.number();
            if !known && !values.contains_key(&number) {
                continue;
            }
            let own = take(&mut values, number, &field.kind(), field.is_list() || field.is_map(), field.is_group());
            if field.supports_presence() {
                if !own.is_empty() {
                    self.out.separate(&mut first)?;
                    self.out.name(field.name())?;
                    self.single(&field.kind(), &own, depth)?;
                }
                continue;
            }
            let many = field.is_list() || field.is_map();
            if !own.is_empty() && (many || own.last() != Some(&zero(&field.kind()))) {
                self.note(of, number);
            } else if !self.set.get(of.full_name()).is_some_and(|set| set.contains(&number)) {
                continue;
            }
            self.out.separate(&mut first)?;
            self.out.name(field.name())?;
            if field.is_map() {
                self.map(&field, &own, depth)?;
            } else if field.is_list() {
                self.list(&field.kind(), &own, depth)?;
            } else {
                self.single(&field.kind(), &own, depth)?;
            }
        }
        self.others(of, values, depth, first)
    }

    /// Extensions by their full name, and what nothing is known of by number.
    fn others(&mut self, of: &MessageDescriptor, mut values: Values<'_>, depth: usize, mut first: bool) -> Step {
        let numbers: Vec<u32> = values.keys().copied().collect();
        for number in numbers {
            let Some(field) = of.get_extension(number) else { continue };
            let own = take(&mut values, number, &field.kind(), field.is_list(), field.is_group());
            if !own.is_empty() {
                self.out.separate(&mut first)?;
                self.out.name(&format!("[{}]", field.full_name()))?;
                match field.is_list() {
                    true => self.list(&field.kind(), &own, depth)?,
                    false => self.single(&field.kind(), &own, depth)?,
                }
            }
        }
        for (number, own) in values {
            let mut name = plain::name(number);
            while of.get_field_by_name(&name).is_some() {
                name.push('_');
            }
            self.out.separate(&mut first)?;
            Guess::default().field(number, &name, &own, self.out, self.budget)?;
        }
        Ok(())
    }

    fn note(&mut self, of: &MessageDescriptor, number: u32) {
        match self.set.get_mut(of.full_name()) {
            Some(set) => drop(set.insert(number)),
            None => drop(self.set.insert(of.full_name().to_owned(), HashSet::from([number]))),
        }
    }

    /// The last value, or the default where there is none; the pieces of a message together.
    fn single(&mut self, kind: &Kind, values: &[Wire<'_>], depth: usize) -> Step {
        match kind {
            Kind::Message(of) => self.message(of, &joined(values), depth),
            _ => self.value(kind, values.last().copied().unwrap_or(zero(kind)), depth),
        }
    }

    fn list(&mut self, kind: &Kind, values: &[Wire<'_>], depth: usize) -> Step {
        self.out.push("[")?;
        let mut first = true;
        for value in values {
            match value {
                Wire::Bytes(packed) if !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_)) => {
                    let mut rest = Fields::of(packed);
                    while !rest.is_empty() {
                        self.budget.spend(1)?;
                        let value = match zero(kind) {
                            Wire::Fixed32(_) => Wire::Fixed32(rest.fixed32()?),
                            Wire::Fixed64(_) => Wire::Fixed64(rest.fixed64()?),
                            _ => Wire::Varint(rest.varint()?),
                        };
                        self.out.separate(&mut first)?;
                        self.value(kind, value, depth)?;
                    }
                }
                value => {
                    self.out.separate(&mut first)?;
                    self.value(kind, *value, depth)?;
                }
            }
        }
        Ok(self.out.push("]")?)
    }

    /// An object by key, of entries of one key the last.
    fn map(&mut self, field: &FieldDescriptor, values: &[Wire<'_>], depth: usize) -> Step {
        let Kind::Message(entry) = field.kind() else { return Err(Fault::Wire) };
        let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let mut entries: BTreeMap<String, Vec<Wire<'_>>> = BTreeMap::new();
        for bytes in values {
            let Wire::Bytes(bytes) = bytes else { continue };
            let mut own = self.read(&entry, bytes)?;
            let name = take(&mut own, 1, &key, false, false).last().copied().unwrap_or(zero(&key));
            entries.insert(known::map_key(&key, name), take(&mut own, 2, &value, false, false));
        }
        self.out.push("{")?;
        let mut first = true;
        for (name, own) in &entries {
            self.out.separate(&mut first)?;
            self.out.name(name)?;
            self.single(&value, own, depth)?;
        }
        Ok(self.out.push("}")?)
    }

    fn value(&mut self, kind: &Kind, value: Wire<'_>, depth: usize) -> Step {
        let out = &mut *self.out;
        // Narrower integers are cut as every receiver cuts them.
        match (kind, value) {
            (Kind::Int32, Wire::Varint(v)) => out.number(v as i32)?,
            (Kind::Int64, Wire::Varint(v)) => out.number(v as i64)?,
            (Kind::Uint32, Wire::Varint(v)) => out.number(v as u32)?,
            (Kind::Uint64, Wire::Varint(v)) => out.number(v)?,
            (Kind::Sint32, Wire::Varint(v)) => out.number(known::zigzag(u64::from(v as u32)) as i32)?,
            (Kind::Sint64, Wire::Varint(v)) => out.number(known::zigzag(v))?,
            (Kind::Bool, Wire::Varint(v)) => out.number(v != 0)?,
            (Kind::Enum(of), Wire::Varint(v)) => match of.get_value(v as i32) {
                Some(known) => out.string(known.name())?,
                None => out.number(v as i32)?,
            },
            (Kind::Fixed32, Wire::Fixed32(v)) => out.number(v)?,
            (Kind::Sfixed32, Wire::Fixed32(v)) => out.number(v as i32)?,
            (Kind::Float, Wire::Fixed32(v)) => out.single(f32::from_bits(v))?,
            (Kind::Fixed64, Wire::Fixed64(v)) => out.number(v)?,
            (Kind::Sfixed64, Wire::Fixed64(v)) => out.number(v as i64)?,
            (Kind::Double, Wire::Fixed64(v)) => out.double(f64::from_bits(v))?,
            (Kind::String, Wire::Bytes(bytes)) => {
                self.budget.tick(1 + bytes.len() / 64)?;
                match std::str::from_utf8(bytes) {
                    Ok(text) => out.string(text)?,
                    Err(_) => out.hex(bytes)?,
                }
            }
            (Kind::Bytes, Wire::Bytes(bytes)) => {
                self.budget.tick(1 + bytes.len() / 64)?;
                out.base64(bytes)?;
            }
            (Kind::Message(of), Wire::Bytes(bytes) | Wire::Group(bytes)) => self.message(of, bytes, depth)?,
            _ => return Err(Fault::Wire),
        }
        Ok(())
    }

    fn well_known(&mut self, of: &MessageDescriptor, form: Form<'_>, values: &Values<'_>, depth: usize) -> Step {
        let field = |number| of.get_field(number).ok_or(Fault::Wire);
        let own = |number: u32| values.get(&number).map(Vec::as_slice).unwrap_or_default();
        match form {
            Form::Text(text) => Ok(self.out.string(&text)?),
            Form::Null => Ok(self.out.push("null")?),
            Form::Field(number) => {
                let field = field(number)?;
                match (field.is_map(), field.is_list()) {
                    (true, _) => self.map(&field, own(number), depth),
                    (_, true) => self.list(&field.kind(), own(number), depth),
                    _ => self.single(&field.kind(), own(number), depth),
                }
            }
            Form::Any(url, bytes) => self.any(url, bytes, depth),
        }
    }

    /// The members of what is inside beside its type; of a type that is not known, the bytes.
    fn any(&mut self, url: &str, bytes: &[u8], depth: usize) -> Step {
        self.out.push("{")?;
        self.out.name("@type")?;
        self.out.string(url)?;
        let mark = self.out.mark();
        let inner = self.schema.message(url.rsplit('/').next().unwrap_or(url));
        let written = match inner.filter(|_| depth > 0) {
            Some(of) if known::has_form(of.full_name()) => {
                self.out.push(",\"value\":")?;
                self.message(&of, bytes, depth)
            }
            Some(of) => self.read(&of, bytes).and_then(|values| self.members(&of, values, depth - 1, false)),
            None => Err(Fault::Wire),
        };
        match written {
            Err(Fault::Wire) => {
                self.out.back_to(mark);
                self.out.push(",\"value\":")?;
                self.out.base64(bytes)?;
            }
            other => other?,
        }
        Ok(self.out.push("}")?)
    }
}

/// Takes out the values of a field that are of its type on the wire; others are left as unknown.
fn take<'a>(values: &mut Values<'a>, number: u32, kind: &Kind, list: bool, group: bool) -> Vec<Wire<'a>> {
    let Some(all) = values.remove(&number) else { return Vec::new() };
    let (own, odd): (Vec<_>, Vec<_>) = all.into_iter().partition(|value| fits(kind, list, group, value));
    if !odd.is_empty() {
        values.insert(number, odd);
    }
    own
}

fn fits(kind: &Kind, list: bool, group: bool, value: &Wire<'_>) -> bool {
    match (kind, value) {
        (Kind::Message(_), value) => value.kind() == if group { 3 } else { 2 },
        (Kind::String | Kind::Bytes, value) => value.kind() == 2,
        (_, Wire::Bytes(_)) => list,
        (kind, value) => value.kind() == zero(kind).kind(),
    }
}

/// A type's default on the wire.
fn zero(kind: &Kind) -> Wire<'static> {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Wire::Fixed64(0),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Wire::Fixed32(0),
        Kind::String | Kind::Bytes | Kind::Message(_) => Wire::Bytes(&[]),
        _ => Wire::Varint(0),
    }
}

/// Pieces of one message on end mean the message.
fn joined<'a>(values: &[Wire<'a>]) -> Cow<'a, [u8]> {
    let bytes = |value: &Wire<'a>| match value {
        Wire::Bytes(bytes) | Wire::Group(bytes) => *bytes,
        _ => &[][..],
    };
    match values {
        [one] => Cow::Borrowed(bytes(one)),
        many => Cow::Owned(many.iter().flat_map(|value| bytes(value).iter().copied()).collect()),
    }
}
