//! The description of the interface, OpenAPI 3.1. A test holds it against the routes.

use super::api::PATHS;
use serde_json::{Map, Value, json};

pub(super) fn document() -> String {
    let mut paths = Map::new();
    for (path, methods) in PATHS {
        let mut item = Map::new();
        for method in *methods {
            item.insert(method.to_lowercase(), operation(path, method));
        }
        if path.contains("{fingerprint}") {
            item.insert(
                "parameters".to_owned(),
                json!([{
                    "name": "fingerprint", "in": "path", "required": true, "schema": { "type": "string" },
                }]),
            );
        }
        paths.insert((*path).to_owned(), Value::Object(item));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parallax admin interface",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Reports, verdict and switches of a Parallax proxy. Fields are added, never renamed.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{}, { "token": [] }, { "session": [] }],
        "paths": paths,
        "components": { "securitySchemes": {
            "token": { "type": "http", "scheme": "bearer" },
            "session": { "type": "apiKey", "in": "cookie", "name": super::access::COOKIE },
        }, "schemas": schemas() },
    });
    format!("{document:#}\n")
}

fn operation(path: &str, method: &str) -> Value {
    let (summary, answers) = match (path, method) {
        ("/", _) => ("The dashboard; the sign-in form where a token is set and there is no session", page()),
        ("/divergences", _) => ("The divergences, as a page", page()),
        ("/divergences/{fingerprint}", _) => ("One divergence with both answers side by side", page_or_404()),
        ("/routes", _) => ("The routes, as a page; one where it is named", page_or_404()),
        ("/rules", _) => ("What rules did, and what is proposed, as a page", page()),
        ("/history", _) => ("How the bounds closed in, and the epochs, as a page", page()),
        ("/settings", _) => ("What is in force, and the controls, as a page", page()),
        ("/events", _) => (
            "Server-sent events `look`: there is something new to see",
            json!({
                "200": { "description": "a stream", "content": { "text/event-stream": { "schema": { "type": "string" } } } },
                "503": problem("as many streams as there may be are open"),
            }),
        ),
        ("/login", "GET") => ("The sign-in form", page()),
        ("/login", _) => (
            "Signs a browser in with the form field `token`",
            json!({
                "303": { "description": "signed in; sets the session cookie" },
                "401": { "description": "wrong token; the form again" },
            }),
        ),
        ("/assets/app.css", _) => ("The style sheet", plain("text/css")),
        ("/assets/icon.svg", _) => ("The mark", plain("image/svg+xml")),
        ("/assets/app.js", _) => ("The script", plain("text/javascript")),
        ("/healthz", _) => ("Alive", plain("text/plain")),
        ("/readyz", _) => (
            "Ready to serve",
            json!({
                "200": { "description": "ready" },
                "503": problem("starting or draining"),
            }),
        ),
        ("/metrics", _) => (
            "Metrics as OpenMetrics text, or in the older format where `accept` names that alone",
            json!({ "200": {
                "description": "as they are now",
                "content": { "application/openmetrics-text": {}, "text/plain": {} },
            } }),
        ),
        ("/api/v1/report", _) => ("The newest epoch's report", answer("Report")),
        ("/api/v1/gate", _) => (
            "The verdict",
            json!({
                "200": body("the verdict; with `as=status` pass, with `as=rollback` fail", "Gate"),
                "409": body("with `as=status` fail, with `as=rollback` anything but fail", "Gate"),
                "425": body("with `as=status` inconclusive", "Gate"),
                "400": problem("a parameter that is not known, is given twice or has a value that means nothing"),
            }),
        ),
        ("/api/v1/history", _) => (
            "How the bounds of the newest epoch closed in, and the epochs before it",
            json!({
                "200": body("verdict changes, points and a series for each criterion and route", "History"),
                "400": problem("a parameter that is not known or is given twice"),
                "404": problem("no epoch of that id is known"),
            }),
        ),
        ("/api/v1/divergences", _) => (
            "The divergences",
            json!({
                "200": { "description": "those that count most first", "content": { "application/json": {
                    "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Divergence" } },
                } } },
            }),
        ),
        ("/api/v1/divergences/{fingerprint}", _) => (
            "One divergence with its examples, redacted",
            json!({
                "200": body("the divergence", "DivergenceDetail"),
                "404": problem("not in the newest epoch"),
            }),
        ),
        ("/api/v1/rules/suggestions", _) => {
            ("Rules proposed for what is volatile; none is applied", answer("Suggestions"))
        }
        ("/api/v1/mirror", "GET") => ("Whether anything is mirrored", answer("Mirror")),
        ("/api/v1/mirror", _) => ("The kill switch, from the next request on and over restarts", changed("Mirror")),
        ("/api/v1/openapi.json", _) => ("This description", plain("application/json")),
        _ => ("Starts a new epoch by hand", changed("Begun")),
    };
    let mut answers = answers;
    if let Some(map) = answers.as_object_mut() {
        map.insert("default".to_owned(), problem("an error that names its remedy"));
    }
    let id: String = format!("{method}{path}")
        .chars()
        .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let mut operation = json!({ "operationId": id, "summary": summary, "responses": answers });
    if let (Some(extra), Some(map)) = (extra(path, method), operation.as_object_mut()) {
        map.insert(extra.0.to_owned(), extra.1);
    }
    operation
}

fn extra(path: &str, method: &str) -> Option<(&'static str, Value)> {
    let request = |kind: &str, schema: &str, required: bool| json!({ "required": required, "content": { kind: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } } });
    match (path, method) {
        ("/api/v1/gate", _) => Some((
            "parameters",
            json!([
                { "name": "as", "in": "query", "schema": { "enum": ["json", "status", "rollback"] } },
                { "name": "candidate_build", "in": "query", "schema": { "type": "string" },
                  "description": "inconclusive while the newest epoch is of another build" },
            ]),
        )),
        ("/api/v1/history", _) => Some((
            "parameters",
            json!([
                { "name": "epoch", "in": "query", "schema": { "type": "string" }, "description": "an epoch's id" },
                { "name": "route", "in": "query", "schema": { "type": "string" },
                  "description": "of the routes only this one" },
            ]),
        )),
        ("/divergences", _) => Some((
            "parameters",
            json!([
                { "name": "show", "in": "query", "schema": { "enum": ["counted", "new", "excused", "all"] } },
                { "name": "route", "in": "query", "schema": { "type": "string" }, "description": "a part of its name" },
                { "name": "kind", "in": "query", "schema": { "type": "string" } },
                { "name": "tier", "in": "query", "schema": { "type": "string" } },
                { "name": "sort", "in": "query",
                  "schema": { "enum": ["exchanges", "share", "last_seen", "first_seen"] } },
                { "name": "page", "in": "query", "schema": { "type": "integer" } },
            ]),
        )),
        ("/api/v1/mirror", "POST") => Some(("requestBody", request("application/json", "Mirror", true))),
        ("/api/v1/epoch", _) => Some(("requestBody", request("application/json", "NewEpoch", false))),
        ("/login", "POST") => Some(("requestBody", request("application/x-www-form-urlencoded", "Login", true))),
        _ => None,
    }
}

fn body(description: &str, schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({ "description": description, "content": { "application/json": { "schema": { "$ref": reference } } } })
}

fn answer(schema: &str) -> Value {
    json!({ "200": body("as it is now", schema) })
}

/// The answer to what changes something.
fn changed(schema: &str) -> Value {
    json!({
        "200": body("done, and kept over restarts", schema),
        "500": problem("done, but it could not be kept for the next start"),
        "503": problem("the proxy is stopping, and kept nothing"),
    })
}

fn problem(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}

fn page() -> Value {
    plain("text/html")
}

fn plain(kind: &str) -> Value {
    json!({ "200": { "description": "as it is now", "content": { kind: {} } } })
}

fn page_or_404() -> Value {
    json!({ "200": { "description": "as it is now", "content": { "text/html": {} } }, "404": problem("not in the newest epoch") })
}

fn object(properties: Value) -> Value {
    let required: Vec<_> = properties.as_object().map(|p| p.keys().cloned().collect()).unwrap_or_default();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn schemas() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    let counts = json!({ "type": "array", "items": count });
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let verdict = json!({ "enum": ["pass", "fail", "inconclusive"] });
    let number = json!({ "type": ["number", "null"] });
    let list = |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
    let of = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let trend = object(json!({ "from": time, "seconds": count, "count": counts, "compared": counts }));
    let divergence = |examples: Value| {
        let mut told = object(json!({
            "fingerprint": text, "route": text, "kind": text, "location": text,
            "tier": { "enum": ["break", "value", "order", "repr", "info"] }, "count": count, "counted": count,
            "asked_again": count, "transient": count,
            "excused": { "type": "boolean" }, "excused_by": { "type": ["string", "null"] }, "primary_class": text,
            "candidate_class": text, "share": { "type": "number" }, "first_seen": time, "last_seen": time,
            "summary": text, "examples": { "type": "array", "items": examples },
        }));
        // Not where a store of an older version did not keep it.
        told["properties"]["trend"] = trend.clone();
        told
    };
    let mut criterion = object(json!({
            "criterion": { "enum": ["divergence", "errors", "latency", "coverage", "unseen", "unjudged", "minimum"] },
            "required": { "type": "boolean" }, "route": { "type": ["string", "null"] },
            "verdict": verdict, "observed": number, "lower": number, "upper": number, "limit": number, "samples": count,
            "samples_needed": { "type": ["integer", "null"] }, "reason": text,
    }));
    // On the rows of p95 and p99 alone.
    criterion["properties"]["measure"] = text.clone();
    let mut example = object(json!({
        "id": text, "at": time, "request": of("Message"), "primary": of("Message"), "candidate": of("Message"),
        "differences": { "type": "array", "items": { "type": "object" } },
    }));
    // Where rules covered something of it.
    example["properties"]["rules"] = json!({ "type": "object", "additionalProperties": text });
    json!({
        "Report": object(json!({
            "schema": { "const": 1 }, "generated_at": time, "epoch": of("Epoch"), "totals": of("Counts"),
            "routes": list("Route"), "divergences": list("Divergence"), "rules": list("Rule"),
            "notices": list("Notice"), "gate": { "type": "object" }, "history": of("Bounds"), "epochs": list("PastEpoch"),
        })),
        "History": { "allOf": [of("Bounds"), object(json!({
            "schema": { "const": 1 }, "generated_at": time, "epoch": of("Epoch"), "epochs": list("PastEpoch"),
        }))] },
        "Bounds": object(json!({
            "changes": { "type": "array", "items": object(json!({
                "at": time, "verdict": verdict, "compared": count, "divergent": count, "why": text,
            })) },
            "changes_left_out": count,
            "points": { "type": "array", "items": object(json!({
                "at": time, "verdict": verdict, "compared": count, "divergent": count,
            })) },
            "series": { "type": "array", "items": object(json!({
                "criterion": text, "route": { "type": ["string", "null"] }, "required": { "type": "boolean" },
                "verdict": verdict, "points": { "type": "array", "items": object(json!({
                    "at": time, "observed": number, "lower": number, "upper": number, "limit": number, "samples": count,
                })) },
            })) },
        })),
        "PastEpoch": { "allOf": [of("Epoch"), object(json!({
            "ended_at": time, "totals": of("Counts"), "verdict": { "enum": ["pass", "fail", "inconclusive", null] },
            "judged_at": { "type": ["string", "null"], "format": "date-time" }, "why": text,
        }))] },
        "Gate": object(json!({
            "schema": { "const": 1 }, "verdict": verdict, "epoch": of("Epoch"), "criteria": list("Criterion"),
            "eta_seconds": { "type": ["integer", "null"] }, "alpha_pass": { "type": ["number", "null"] },
            "notices": list("Notice"),
        })),
        "Epoch": object(json!({
            "id": text, "candidate_build": { "type": ["string", "null"] }, "rules": text, "started_at": time,
            "reason": { "enum": ["start", "build", "rules", "manual"] }, "resets": count,
        })),
        "Counts": object(json!({
            "requests": count, "mirrored": count, "not_mirrored": { "type": "object", "additionalProperties": count },
            "pending": count, "compared": count, "matched": count, "excused": count,
            "excused_reasons": { "type": "object", "additionalProperties": count }, "divergent": count,
            "asked_again": count, "transient": count, "incomparable": count, "incomparable_reasons": { "type": "object", "additionalProperties": count },
        })),
        "Route": { "allOf": [of("Counts"), object(json!({
            "route": text, "since": time, "restarts": count,
            "divergence": object(json!({
                "rate": { "type": "number" }, "lower": { "type": "number" }, "upper": { "type": "number" },
                "noise": { "type": "number" },
            })),
            "status": { "type": "object" }, "latency": { "type": "object" },
        }))] },
        "Divergence": divergence(text.clone()),
        "DivergenceDetail": divergence(of("Example")),
        "Example": example,
        "Message": object(json!({
            "start": text, "headers": { "type": "array" }, "body": text, "body_bytes": count,
            "binary": { "type": "boolean" },
        })),
        "Rule": object(json!({
            "id": text, "owner": { "type": ["string", "null"] }, "expires": { "type": ["string", "null"] },
            "state": { "enum": ["active", "expired", "unused"] }, "hits": count, "share": { "type": "number" },
        })),
        "Suggestions": object(json!({
            "schema": { "const": 1 }, "suggestions": list("Suggestion"), "left": { "type": "array", "items": object(json!({
                "route": text, "location": text, "kind": text, "differed": count, "of": count,
            })) }, "toml": text,
        })),
        "Suggestion": object(json!({
            "rule": { "type": "object", "required": ["id", "on", "at"] },
            "evidence": object(json!({
                "control": { "type": "boolean" }, "differed": count, "of": count,
                "routes": { "type": "array", "items": text },
            })),
            "toml": text,
        })),
        "Notice": object(json!({
            "code": text, "severity": { "enum": ["info", "warning", "error"] }, "message": text,
            "hint": { "type": ["string", "null"] }, "since": { "type": ["string", "null"], "format": "date-time" },
        })),
        "Criterion": criterion,
        "Mirror": object(json!({ "enabled": { "type": "boolean" } })),
        "NewEpoch": { "type": "object", "properties": { "candidate_build": { "type": ["string", "null"] } } },
        "Begun": object(json!({ "epoch": of("Epoch") })),
        "Login": object(json!({ "token": text })),
        "Problem": object(json!({ "type": text, "title": text, "status": { "type": "integer" }, "detail": text })),
    })
}
