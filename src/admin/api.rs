//! The routes: which path is answered by what. Pages are in `pages`, who may ask is in `access`.

use super::problem::Problem;
use super::server::Admin;
use super::{MetricsView, Unkept, metrics, openapi, pages};
use crate::gate::Verdict;
use crate::model::is_build_label;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

pub(super) const MAX_BODY: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Every path and its methods, for the description and for `allow`; HEAD goes with GET.
pub(super) const PATHS: &[(&str, &[&str])] = &[
    ("/", &["GET"]),
    ("/divergences", &["GET"]),
    ("/divergences/{fingerprint}", &["GET"]),
    ("/routes", &["GET"]),
    ("/rules", &["GET"]),
    ("/history", &["GET"]),
    ("/settings", &["GET"]),
    ("/events", &["GET"]),
    ("/login", &["GET", "POST"]),
    ("/assets/app.css", &["GET"]),
    ("/assets/app.js", &["GET"]),
    ("/assets/icon.svg", &["GET"]),
    ("/healthz", &["GET"]),
    ("/readyz", &["GET"]),
    ("/metrics", &["GET"]),
    ("/api/v1/report", &["GET"]),
    ("/api/v1/gate", &["GET", "POST"]),
    ("/api/v1/history", &["GET"]),
    ("/api/v1/divergences", &["GET"]),
    ("/api/v1/divergences/{fingerprint}", &["GET"]),
    ("/api/v1/rules/suggestions", &["GET"]),
    ("/api/v1/mirror", &["GET", "POST"]),
    ("/api/v1/epoch", &["POST"]),
    ("/api/v1/openapi.json", &["GET"]),
];

type Answer = Response<Body>;
type Shared = State<Arc<Admin>>;

pub(super) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/", get(pages::overview))
        .route("/divergences", get(pages::divergences))
        .route("/divergences/{fingerprint}", get(pages::divergence))
        .route("/routes", get(pages::routes))
        .route("/rules", get(pages::rules))
        .route("/history", get(pages::history))
        .route("/settings", get(pages::settings))
        .route("/events", get(pages::live))
        .route("/login", get(pages::login_form).post(pages::login))
        .route("/assets/app.css", get(|| async { content("text/css; charset=utf-8", crate::report::pages::STYLE) }))
        .route(
            "/assets/app.js",
            get(|| async { content("text/javascript; charset=utf-8", include_str!("assets/app.js")) }),
        )
        .route("/assets/icon.svg", get(|| async { content("image/svg+xml", crate::report::pages::ICON) }))
        .route("/healthz", get(|| async { content("text/plain; charset=utf-8", "ok\n") }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .route("/api/v1/report", get(report))
        .route("/api/v1/gate", get(gate).post(gate))
        .route("/api/v1/history", get(history))
        .route("/api/v1/divergences", get(divergences))
        .route("/api/v1/divergences/{fingerprint}", get(divergence))
        .route("/api/v1/rules/suggestions", get(suggestions))
        .route("/api/v1/mirror", get(mirror).post(set_mirror))
        .route("/api/v1/epoch", post(new_epoch))
        .route("/api/v1/openapi.json", get(|| async { json_text(openapi::document()) }))
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(admin)
}

/// The answer to a request that was not let through; browsers get the sign-in form.
pub(super) fn refused(parts: &Parts, problem: Problem) -> Answer {
    let reading = parts.method == Method::GET || parts.method == Method::HEAD;
    let path = parts.uri.path();
    let page = path == "/" || (pages::is_page(path) && pages::wants_html(&parts.headers));
    if problem.status == StatusCode::UNAUTHORIZED && reading && page {
        let mut response = problem.clone().into_response();
        let form = pages::form(parts.uri.path_and_query().map_or(path, |whole| whole.as_str()), None);
        *response.body_mut() = Body::from(form);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        return response;
    }
    problem.into_response()
}

pub(super) fn content(kind: &'static str, text: impl Into<Body>) -> Answer {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn json_text(text: String) -> Answer {
    content("application/json", text)
}

/// Reports are computed where a moment of it disturbs nobody's traffic.
pub(super) async fn compute<T: Send + 'static>(
    admin: &Arc<Admin>,
    work: impl FnOnce(&dyn super::Source) -> T + Send + 'static,
) -> Result<T, Problem> {
    let source = admin.source.clone();
    tokio::task::spawn_blocking(move || work(&*source)).await.map_err(|_| not_computed())
}

pub(super) fn not_computed() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be computed: the log says why")
}

/// A handler's result, either way.
pub(super) fn either(result: Result<Answer, Problem>) -> Answer {
    result.unwrap_or_else(Problem::into_response)
}

/// The whole body, within limits.
pub(super) async fn body(request: Request<Body>) -> Result<Bytes, Problem> {
    let limited = Limited::new(request.into_body(), MAX_BODY);
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 64 KiB: send less"))
        }
        Ok(Err(_)) => Err(Problem::bad_request("the body did not come whole: send it again")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come within 10 s: send it at once")),
    }
}

/// A body that is a JSON object; a list of the values alone would be taken for one by its type.
fn object<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Problem> {
    let bad = |why: String| Problem::bad_request(format!("the body must be {expected}: {why}"));
    match body.trim_ascii_start() {
        [b'{', ..] => serde_json::from_slice(body).map_err(|error| bad(error.to_string())),
        _ => Err(bad("it is no JSON object".to_owned())),
    }
}

async fn ready(State(admin): Shared) -> Answer {
    match admin.source.ready() {
        Ok(()) => content("text/plain; charset=utf-8", "ready\n"),
        Err(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn scrape(State(admin): Shared, headers: HeaderMap) -> Answer {
    let text = compute(&admin, |s| {
        let view: MetricsView = s.metrics();
        metrics::openmetrics(s.report(), s.mirroring(), view)
    });
    let plain = wants_plain(&headers);
    either(text.await.map(|t| match plain {
        true => content(metrics::PLAIN, metrics::plain(&t)),
        false => content(metrics::OPENMETRICS, t),
    }))
}

/// Whether a scraper knows the older text format only.
fn wants_plain(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
    accept.contains("text/plain") && !accept.contains("openmetrics")
}

async fn report(State(admin): Shared) -> Answer {
    either(compute(&admin, |s| crate::report::json(&s.report())).await.map(json_text))
}

async fn suggestions(State(admin): Shared) -> Answer {
    either(compute(&admin, |s| crate::report::proposals_json(&s.proposals())).await.map(json_text))
}

async fn divergences(State(admin): Shared) -> Answer {
    either(compute(&admin, |s| document(&s.report().divergences)).await.map(json_text))
}

async fn divergence(State(admin): Shared, path: Result<Path<String>, PathRejection>) -> Answer {
    let Ok(Path(fingerprint)) = path else { return unknown("with that name").into_response() };
    let name = fingerprint.clone();
    let found = compute(&admin, move |s| s.divergence(&fingerprint).map(|d| document(&d))).await;
    either(found.and_then(|d| d.map(json_text).ok_or_else(|| unknown(&name))))
}

pub(super) fn unknown(fingerprint: &str) -> Problem {
    Problem::not_found(format!(
        "there is no divergence {} in the newest epoch: /api/v1/divergences lists them",
        crate::report::escape::line(fingerprint)
    ))
}

/// How a tool that reads only a status wants the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    Json,
    Status,
    Rollback,
}

impl As {
    const fn status(self, verdict: Verdict) -> StatusCode {
        match (self, verdict) {
            (As::Json, _) | (As::Status, Verdict::Pass) | (As::Rollback, Verdict::Fail) => StatusCode::OK,
            (As::Status, Verdict::Fail) | (As::Rollback, _) => StatusCode::CONFLICT,
            (As::Status, Verdict::Inconclusive) => StatusCode::TOO_EARLY,
        }
    }
}

async fn gate(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    either(judged(&admin, query.as_deref().unwrap_or("")).await)
}

async fn judged(admin: &Arc<Admin>, query: &str) -> Result<Answer, Problem> {
    let mut form = As::Json;
    let mut build = None;
    for (key, value) in parameters(query, &["as", "candidate_build"])? {
        match (key.as_str(), value.as_str()) {
            ("as", "status") => form = As::Status,
            ("as", "rollback") => form = As::Rollback,
            ("as", "json") => form = As::Json,
            ("as", _) => return Err(Problem::bad_request("`as` must be `status` or `rollback`, or be left out")),
            (_, "") => return Err(Problem::bad_request("`candidate_build` is empty: name a build")),
            _ => build = Some(value),
        }
    }
    let judgement = compute(admin, move |s| s.judgement(build.as_deref())).await?;
    let mut response = json_text(crate::report::gate_json(&judgement));
    *response.status_mut() = form.status(judgement.verdict);
    Ok(response)
}

async fn history(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    either(told_over_time(&admin, query.as_deref().unwrap_or("")).await)
}

async fn told_over_time(admin: &Arc<Admin>, query: &str) -> Result<Answer, Problem> {
    let (mut epoch, mut route) = (None, None);
    for (key, value) in parameters(query, &["epoch", "route"])? {
        match key.as_str() {
            "epoch" => epoch = Some(value),
            _ => route = Some(value),
        }
    }
    let name = epoch.clone().unwrap_or_default();
    let found = compute(admin, move |s| s.history(epoch.as_deref(), route.as_deref()).map(|h| document(&h))).await?;
    found.map(json_text).ok_or_else(|| {
        let name = crate::report::escape::line(&name);
        Problem::not_found(format!("there is no epoch {name}: /api/v1/history lists those that are known"))
    })
}

async fn mirror(State(admin): Shared) -> Answer {
    json_text(mirror_state(&admin))
}

fn mirror_state(admin: &Admin) -> String {
    format!("{}\n", serde_json::json!({ "enabled": admin.source.mirroring() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    enabled: bool,
}

async fn set_mirror(State(admin): Shared, request: Request<Body>) -> Answer {
    either(switch(&admin, request).await)
}

async fn switch(admin: &Arc<Admin>, request: Request<Body>) -> Result<Answer, Problem> {
    let who = admin.access.who(request.headers());
    let body = body(request).await?;
    let Switch { enabled } = object(&body, "{\"enabled\": true} or {\"enabled\": false}")?;
    let what = if enabled { "mirroring started" } else { "mirroring stopped" };
    let doer = admin.clone();
    // It holds at once, so it is noted also where its caller does not wait until it is kept.
    let done = tokio::spawn(async move {
        let done = doer.source.set_mirroring(enabled).await;
        noted(&doer, what.to_owned(), who, done).await
    });
    done.await.unwrap_or_else(|e| Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string())))?;
    Ok(json_text(mirror_state(admin)))
}

/// Notes what was changed, and says where it will not be there at the next start.
async fn noted<T>(admin: &Admin, what: String, who: &'static str, done: Result<T, Unkept>) -> Result<T, Problem> {
    let done = match done {
        Ok(done) => Ok(done),
        Err(Unkept::Lost(why)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why)),
        Err(Unkept::Refused(why)) => return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)),
    };
    admin.did(what, who).await;
    done
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEpoch {
    candidate_build: Option<String>,
}

async fn new_epoch(State(admin): Shared, request: Request<Body>) -> Answer {
    either(start_epoch(&admin, request).await)
}

async fn start_epoch(admin: &Arc<Admin>, request: Request<Body>) -> Result<Answer, Problem> {
    let who = admin.access.who(request.headers());
    let body = body(request).await?;
    let NewEpoch { candidate_build } = match body.is_empty() {
        true => NewEpoch::default(),
        false => object(&body, "{\"candidate_build\": \"LABEL\"} or {}")?,
    };
    if candidate_build.as_ref().is_some_and(|label| !is_build_label(label)) {
        return Err(Problem::bad_request(
            "`candidate_build` must be 1 to 256 characters without control characters and without white space around them",
        ));
    }
    let what = match &candidate_build {
        Some(build) => format!("new epoch started for build {build}"),
        None => "new epoch started for the same build".to_owned(),
    };
    let done = admin.source.new_epoch(candidate_build).await;
    let epoch = noted(admin, what, who, done).await?;
    Ok(json_text(document(&serde_json::json!({ "epoch": epoch }))))
}

async fn missing(request: Request<Body>) -> Answer {
    let path = crate::report::escape::line(request.uri().path());
    Problem::not_found(format!("there is nothing at {path}: /api/v1/openapi.json lists what there is")).into_response()
}

async fn wrong_method(request: Request<Body>) -> Answer {
    let path = request.uri().path();
    let same = |template: &str| match template.split_once('{') {
        Some((prefix, _)) => path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
        None => template == path,
    };
    let methods = PATHS.iter().find(|(template, _)| same(template)).map_or("GET".to_owned(), |(_, m)| m.join(", "));
    let allow = methods.replace("GET", "GET, HEAD");
    let detail = format!("{} is not answered here: use {methods}", request.method());
    let header = HeaderValue::from_str(&allow).ok().map(|v| (header::ALLOW, v));
    Problem { header, ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail) }.into_response()
}

/// The parameters of a query. One that is not known, or is there twice, is a mistake: left aside it would get an answer
/// to another question.
fn parameters(query: &str, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
    let pairs = pairs(query);
    for (at, (key, _)) in pairs.iter().enumerate() {
        if !known.contains(&key.as_str()) {
            let (key, known) = (crate::report::escape::line(key), known.join("` and `"));
            return Err(Problem::bad_request(format!("there is no parameter `{key}` here: it takes `{known}`")));
        }
        if pairs.iter().take(at).any(|(before, _)| before == key) {
            return Err(Problem::bad_request(format!("`{key}` is given twice: give it once")));
        }
    }
    Ok(pairs)
}

/// The pairs of a query or a form, decoded.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    while let Some(&b) = rest.next() {
        let mut ahead = rest.clone();
        match b {
            b'+' => out.push(b' '),
            b'%' => match (digit(ahead.next()), digit(ahead.next())) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    rest = ahead;
                }
                _ => out.push(b),
            },
            b => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn document<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value)
        .map_or_else(|e| serde_json::json!({ "error": e.to_string() }).to_string(), |t| t + "\n")
}
