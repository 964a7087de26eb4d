//! Messages of gRPC calls are compared field by field, and users see nothing of it.

use crate::harness::*;
use crate::protocols::*;
use bytes::Bytes;
use http::{Method, Response};
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
};

/// `service shop.Users { rpc Get(User) returns (User); }`, `message User { string name = 1; int64 id = 2; }`.
fn descriptor_set() -> Vec<u8> {
    let field = |name: &str, number, kind: Type| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    };
    let user = DescriptorProto {
        name: Some("User".into()),
        field: vec![field("name", 1, Type::String), field("id", 2, Type::Int64)],
        ..DescriptorProto::default()
    };
    let get = MethodDescriptorProto {
        name: Some("Get".into()),
        input_type: Some(".shop.User".into()),
        output_type: Some(".shop.User".into()),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".into()),
        package: Some("shop".into()),
        syntax: Some("proto3".into()),
        message_type: vec![user],
        service: vec![ServiceDescriptorProto { name: Some("Users".into()), method: vec![get], options: None }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_go_by_name_with_a_descriptor_set_and_by_number_without() {
    let user = |frame: &'static [u8], cost: &'static str| {
        move |_: &Whole| {
            let mut response = Response::new(streamed(&[frame], &[("grpc-status", "0"), ("x-cost", cost)]));
            response.headers_mut().extend(fields(&[("content-type", "application/grpc")]));
            response
        }
    };
    // Both have the id 7, the candidate in another place.
    const ADA: &[u8] = b"\0\0\0\0\x07\x0a\x03Ada\x10\x07";
    const EVE: &[u8] = b"\0\0\0\0\x07\x10\x07\x0a\x03Eve";
    let certificate = Certificate::new();
    let primary = Server::start(Speaks::H2c, &certificate, user(ADA, "1")).await;
    let candidate = Server::start(Speaks::H2c, &certificate, user(EVE, "2")).await;
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("shop.binpb");
    std::fs::write(&set, descriptor_set()).unwrap();
    let named = format!("[grpc]\ndescriptor_sets = [{set:?}]\n");
    let rule = "[[rule]]\nid = \"renamed\"\nat = \"grpc:$.name\"\nshape = { regex = \"^[A-Z][a-z]+$\" }\n";
    for (config, place, excused) in [
        (String::new(), "grpc:$.f1[*]", false),
        (named.clone(), "grpc:$.name", false),
        (format!("{named}{rule}"), "grpc:$.name", true),
    ] {
        let config = format!("[mirror]\nmethods = [\"POST\"]\n{config}");
        let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
        let mut client = Sender::connect(proxy.listen, None, true).await;
        let headers = fields(&[("content-type", "application/grpc"), ("te", "trailers")]);
        let reply = client.send(Method::POST, "/shop.Users/Get", headers, streamed(&[b"\0\0\0\0\0"], &[])).await;
        assert_eq!(reply.body, Bytes::from_static(ADA));
        assert_eq!(
            (&reply.trailers["grpc-status"], &reply.trailers["x-cost"]),
            (&"0".parse().unwrap(), &"1".parse().unwrap())
        );
        let report = proxy.settled(1);
        assert_eq!(report["totals"]["divergent"], 1, "{report:#}");
        let mut found: Vec<_> = report["divergences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| (d["kind"].as_str().unwrap(), d["location"].as_str().unwrap(), d["counted"] == 0))
            .collect();
        found.sort();
        let field = ("grpc.field", place, excused);
        assert_eq!(found, [field, ("trailer.value", "trailer:x-cost", false)], "{report:#}");
    }
}

#[test]
fn what_is_no_descriptor_set_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (config, set) = (dir.path().join("p.toml"), dir.path().join("api.proto"));
    let check = || {
        let out = parallax(&["check", "--config", config.to_str().unwrap()]);
        (out.status.success(), text(&out.stdout) + &text(&out.stderr))
    };
    let urls = "[primary]\nurl = \"http://127.0.0.1:1\"\n[candidate]\nurl = \"http://127.0.0.1:2\"\n";
    std::fs::write(&config, format!("{urls}[grpc]\ndescriptor_sets = [{set:?}]\n")).unwrap();
    let (good, told) = check();
    assert!(!good && told.contains("there is no such file") && told.contains("p.toml:6:"), "{told}");
    std::fs::write(&set, "syntax = \"proto3\";").unwrap();
    let (good, told) = check();
    assert!(!good && told.contains("this is not a descriptor set") && told.contains("p.toml:6:"), "{told}");
    std::fs::write(&set, descriptor_set()).unwrap();
    let (good, told) = check();
    assert!(good, "{told}");
}
