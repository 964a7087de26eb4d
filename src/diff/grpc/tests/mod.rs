//! Messages written out field by field, compared with and without a schema.

mod cases;
mod laws;

use super::*;
use crate::diff::tests::{Asked, fields, told, with_body};
use crate::diff::{Ignore, RuleSet, RuleSpec, Tolerance, compare};
use crate::model::Outcome;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};
use std::sync::Arc;

// === encoding ===

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn len(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&varint(number << 3 | 2)[..], &varint(bytes.len() as u64), bytes].concat()
}

fn f32s(number: u64, value: f32) -> Vec<u8> {
    [&varint(number << 3 | 5)[..], &value.to_le_bytes()].concat()
}

fn f64s(number: u64, value: f64) -> Vec<u8> {
    [&varint(number << 3 | 1)[..], &value.to_le_bytes()].concat()
}

fn group(number: u64, inside: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 3)[..], inside, &varint(number << 3 | 4)].concat()
}

fn cat(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

fn frame(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

// === a schema ===

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    }
}

fn of(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(type_name.into()), ..field(name, number, kind) }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

fn in_oneof(index: i32, field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { oneof_index: Some(index), ..field }
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), field: fields, ..DescriptorProto::default() }
}

fn map_entry(name: &str, value: FieldDescriptorProto) -> DescriptorProto {
    let options = MessageOptions { map_entry: Some(true), ..MessageOptions::default() };
    DescriptorProto { options: Some(options), ..message(name, vec![field("key", 1, Type::String), value]) }
}

fn file(name: &str, package: &str, messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        package: Some(package.into()),
        syntax: Some("proto3".into()),
        message_type: messages,
        ..FileDescriptorProto::default()
    }
}

fn well_known() -> FileDescriptorProto {
    let clock = || vec![field("seconds", 1, Type::Int64), field("nanos", 2, Type::Int32)];
    let any = vec![field("type_url", 1, Type::String), field("value", 2, Type::Bytes)];
    let wrapper = vec![field("value", 1, Type::String)];
    file(
        "google/protobuf/known.proto",
        "google.protobuf",
        vec![
            message("Timestamp", clock()),
            message("Duration", clock()),
            message("Any", any),
            message("StringValue", wrapper),
        ],
    )
}

/// ```proto
/// message User {
///   string name = 1; int64 id = 2; float score = 3; double ratio = 4; bytes key = 5; Color color = 6;
///   repeated int32 counts = 7; repeated Item items = 8; map<string, Item> stock = 9; optional int32 age = 10;
///   oneof way { string mail = 11; uint32 phone = 12; }
///   Timestamp at = 13; Duration took = 14; Any any = 15; StringValue nick = 16; User boss = 17; sint32 delta = 18;
/// }
/// message Item { string name = 1; int32 count = 2; }
/// ```
fn shop() -> FileDescriptorProto {
    let known = |name: &str| format!(".google.protobuf.{name}");
    let user = DescriptorProto {
        nested_type: vec![map_entry("StockEntry", of("value", 2, Type::Message, ".shop.Item"))],
        oneof_decl: vec![
            OneofDescriptorProto { name: Some("way".into()), options: None },
            OneofDescriptorProto { name: Some("_age".into()), options: None },
        ],
        ..message(
            "User",
            vec![
                field("name", 1, Type::String),
                field("id", 2, Type::Int64),
                field("score", 3, Type::Float),
                field("ratio", 4, Type::Double),
                field("key", 5, Type::Bytes),
                of("color", 6, Type::Enum, ".shop.Color"),
                repeated(field("counts", 7, Type::Int32)),
                repeated(of("items", 8, Type::Message, ".shop.Item")),
                repeated(of("stock", 9, Type::Message, ".shop.User.StockEntry")),
                FieldDescriptorProto { proto3_optional: Some(true), ..in_oneof(1, field("age", 10, Type::Int32)) },
                in_oneof(0, field("mail", 11, Type::String)),
                in_oneof(0, field("phone", 12, Type::Uint32)),
                of("at", 13, Type::Message, &known("Timestamp")),
                of("took", 14, Type::Message, &known("Duration")),
                of("any", 15, Type::Message, &known("Any")),
                of("nick", 16, Type::Message, &known("StringValue")),
                of("boss", 17, Type::Message, ".shop.User"),
                field("delta", 18, Type::Sint32),
            ],
        )
    };
    let item = message("Item", vec![field("name", 1, Type::String), field("count", 2, Type::Int32)]);
    let value =
        |name: &str, number| EnumValueDescriptorProto { name: Some(name.into()), number: Some(number), options: None };
    let color = EnumDescriptorProto {
        name: Some("Color".into()),
        value: vec![value("GREY", 0), value("RED", 1)],
        ..EnumDescriptorProto::default()
    };
    let method = |name: &str, stream| MethodDescriptorProto {
        name: Some(name.into()),
        input_type: Some(".shop.Item".into()),
        output_type: Some(".shop.User".into()),
        server_streaming: Some(stream),
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Users".into()),
        method: vec![method("Get", false), method("Watch", true)],
        options: None,
    };
    FileDescriptorProto {
        dependency: vec!["google/protobuf/known.proto".into()],
        enum_type: vec![color],
        service: vec![service],
        ..file("shop.proto", "shop", vec![user, item])
    }
}

fn set(files: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file: files }.encode_to_vec()
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::load(&[set(vec![well_known(), shop()])]).unwrap())
}

// === checks ===

struct Case {
    path: &'static str,
    schema: bool,
    rules: Vec<RuleSpec>,
    kind: &'static str,
    status: &'static str,
}

/// A call with this status.
fn call(kind: &str, status: &str, body: &[u8]) -> Answer {
    let trailers = Some(fields(&format!("grpc-status: {status}")));
    Answer { trailers, ..with_body(&format!("200\ncontent-type: {kind}"), body) }
}

impl Case {
    fn new(path: &'static str, schema: bool) -> Self {
        Case { path, schema, rules: Vec::new(), kind: "application/grpc", status: "0" }
    }

    fn rule(mut self, at: &str, change: impl FnOnce(&mut RuleSpec)) -> Self {
        let mut rule = RuleSpec { id: "r".into(), on: "*".into(), at: at.into(), ..RuleSpec::default() };
        change(&mut rule);
        self.rules.push(rule);
        self
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Findings {
        self.answers(&call(self.kind, self.status, a), &call(self.kind, self.status, b))
    }

    fn answers(&self, a: &Answer, b: &Answer) -> Findings {
        let rules = RuleSet::compile(&self.rules).map_err(|e| format!("{e:?}")).unwrap();
        let rules = rules.with_schema(self.schema.then(schema)).for_route("POST /x", "2026-01-01");
        let asked = Asked::new("POST", self.path);
        let context = Context { rules: &rules, ..asked.context(&|| false) };
        compare(&context, a, &Outcome::from(b.clone()))
    }
}

const PLAIN: fn() -> Case = || Case::new("/shop.Users/Get", false);
const TYPED: fn() -> Case = || Case::new("/shop.Users/Get", true);

#[track_caller]
fn check(case: Case, a: &[Vec<u8>], b: &[Vec<u8>], expected: &str) -> Findings {
    let framed = |all: &[Vec<u8>]| all.iter().flat_map(frame).collect::<Vec<u8>>();
    let found = case.compare(&framed(a), &framed(b));
    assert_eq!(told(&found), expected);
    assert!(case.compare(&framed(a), &framed(a)).is_match());
    found
}

#[track_caller]
fn values(found: &Findings) -> (&str, &str) {
    (found.list[0].primary.as_deref().unwrap_or("-"), found.list[0].candidate.as_deref().unwrap_or("-"))
}
