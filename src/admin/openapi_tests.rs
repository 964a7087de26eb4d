//! The description holds of what is answered.

use super::*;

#[tokio::test]
async fn the_description_names_every_route_and_every_reference_resolves() {
    let house = House::open().await;
    let text = house.get("/api/v1/openapi.json").await.body;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (path, methods) in crate::admin::api::PATHS {
        for method in *methods {
            assert!(document["paths"][path][method.to_lowercase()]["responses"].is_object(), "{method} {path}");
            let real = path.replace("{fingerprint}", "kq3v7x2mha");
            // It does not end by itself.
            if real == "/events" {
                continue;
            }
            let got = house.ask(&format!("{method} {real}"), &["content-type: application/json"], "").await;
            assert!(!matches!(got.status, 404 | 405), "{method} {real} answers {}", got.status);
        }
    }
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is missing");
    }
}

/// Whether a value has all that its schema promises.
fn fits(document: &serde_json::Value, schema: &serde_json::Value, value: &serde_json::Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/components/schemas/");
        return fits(document, &document["components"]["schemas"][name], value, place);
    }
    schema["allOf"].as_array().into_iter().flatten().for_each(|part| fits(document, part, value, place));
    for name in schema["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
        assert!(value.get(name).is_some(), "{place} has no {name}: {value}");
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            fits(document, schema, value, &format!("{place}.{name}"));
        }
    }
    for value in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], value, place);
    }
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let house = House::open().await;
    let document: serde_json::Value = serde_json::from_str(&house.get("/api/v1/openapi.json").await.body).unwrap();
    for (path, methods) in crate::admin::api::PATHS.iter().filter(|(path, _)| path.starts_with("/api/")) {
        for method in *methods {
            let answer = &document["paths"][path][method.to_lowercase()]["responses"]["200"];
            let Some(schema) = answer["content"]["application/json"].get("schema") else {
                assert_eq!(*path, "/api/v1/openapi.json");
                continue;
            };
            let body = if *path == "/api/v1/mirror" && *method == "POST" { "{\"enabled\": true}" } else { "" };
            let line = format!("{method} {}", path.replace("{fingerprint}", "kq3v7x2mha"));
            let got = house.ask(&line, &["content-type: application/json"], body).await;
            assert_eq!(got.status, 200, "{line}");
            fits(&document, schema, &serde_json::from_str(&got.body).unwrap(), &line);
        }
    }
}
