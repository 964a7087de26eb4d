//! The dashboard's pages: which one, of which moment. What they look like is in `report::pages`.

use super::api::{body, compute, content, either, not_computed, pairs, unknown};
use super::events;
use super::problem::Problem;
use super::recent::Taken;
use super::server::Admin;
use crate::report::pages::{self, Query, Visit};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use std::sync::Arc;

const HTML: &str = "text/html; charset=utf-8";

type Answer = Response<Body>;
type Shared = State<Arc<Admin>>;

// === The handlers ===

pub(super) async fn overview(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    page(&admin, query, pages::overview).await
}

pub(super) async fn divergences(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    page(&admin, query, pages::divergences).await
}

pub(super) async fn rules(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    page(&admin, query, pages::rules).await
}

pub(super) async fn history(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    page(&admin, query, pages::history).await
}

pub(super) async fn settings(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    let source = admin.source.clone();
    page(&admin, query, move |visit| pages::settings(visit, &source.settings())).await
}

/// All routes, or the one that is named.
pub(super) async fn routes(State(admin): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    let asked = Query(pairs(query.as_deref().unwrap_or("")));
    let Some(name) = asked.get("name").map(str::to_owned) else {
        return page(&admin, query, pages::routes).await;
    };
    let shown = crate::report::escape::line(&name);
    let missing = Problem::not_found(format!("there is no route {shown} in the newest epoch: /routes lists them"));
    let found = searched(&admin, query.as_deref(), move |visit| pages::route(visit, &name));
    one(&admin, found.await, "/routes", &headers, query, missing).await
}

pub(super) async fn divergence(
    State(admin): Shared,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Answer {
    let Ok(Path(fingerprint)) = path else { return unknown("with that name").into_response() };
    let missing = unknown(&fingerprint);
    let found = searched(&admin, query.as_deref(), move |visit| pages::divergence(visit, &fingerprint));
    one(&admin, found.await, "/divergences", &headers, query, missing).await
}

pub(super) async fn live(State(admin): Shared) -> Answer {
    events::stream(&admin)
}

pub(super) async fn login_form(State(admin): Shared) -> Answer {
    if admin.access.wants_token() { content(HTML, form("/", None)) } else { see_other("/", None) }
}

/// Checks the token and sets the cookie; the wrong one gets the form again.
pub(super) async fn login(State(admin): Shared, request: Request<Body>) -> Answer {
    let headers = request.headers().clone();
    let body = match body(request).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    if !admin.access.wants_token() {
        return see_other("/", None);
    }
    let fields = Query(pairs(&String::from_utf8_lossy(&body)));
    let field = |name: &str| fields.get(name).unwrap_or_default();
    match admin.access.sign_in(field("token"), &headers).and_then(|c| HeaderValue::from_str(&c).ok()) {
        Some(cookie) => see_other(local(field("next")), Some(cookie)),
        None => {
            let mut response = Problem::unauthorized().into_response();
            *response.body_mut() = Body::from(form(field("next"), Some("That is not the token. Try again.")));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
            response
        }
    }
}

// === What they share ===

async fn page(
    admin: &Arc<Admin>,
    query: Option<String>,
    render: impl FnOnce(&Visit<'_>) -> String + Send + 'static,
) -> Answer {
    either(looked(admin, query.as_deref(), admin.recent.get().await, render).await.map(|text| content(HTML, text)))
}

/// The page of one thing, or what is said where there is none: to people as a page, to programs as ever.
async fn one(
    admin: &Arc<Admin>,
    found: Result<Option<String>, Problem>,
    here: &'static str,
    headers: &HeaderMap,
    query: Option<String>,
    missing: Problem,
) -> Answer {
    match found {
        Ok(Some(text)) => return content(HTML, text),
        Ok(None) if wants_html(headers) => {}
        Ok(None) => return missing.into_response(),
        Err(problem) => return problem.into_response(),
    }
    let what = missing.detail.split(':').next().unwrap_or_default().to_owned();
    let mut answer = page(admin, query, move |visit| pages::missing(visit, here, &what)).await;
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = missing.status;
    }
    answer
}

/// Whether it is a browser that asks.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|a| a.contains("text/html")))
}

async fn looked<T: Send + 'static>(
    admin: &Arc<Admin>,
    query: Option<&str>,
    taken: Option<Taken>,
    render: impl FnOnce(&Visit<'_>) -> T + Send + 'static,
) -> Result<T, Problem> {
    let taken = taken.ok_or_else(not_computed)?;
    let (deeds, query) = (admin.deeds(), Query(pairs(query.unwrap_or(""))));
    compute(admin, move |_| render(&Visit { look: &taken.look, age: taken.age(), deeds: &deeds, query: &query })).await
}

/// The same for one thing: what was not there a moment ago may be there now.
async fn searched(
    admin: &Arc<Admin>,
    query: Option<&str>,
    render: impl Fn(&Visit<'_>) -> Option<String> + Clone + Send + 'static,
) -> Result<Option<String>, Problem> {
    match looked(admin, query, admin.recent.get().await, render.clone()).await? {
        None => looked(admin, query, admin.recent.now().await, render).await,
        found => Ok(found),
    }
}

fn see_other(to: &str, cookie: Option<HeaderValue>) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, to);
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The paths that are pages, with all that is below them.
const PAGES: [&str; 6] = ["/divergences", "/routes", "/rules", "/history", "/settings", "/login"];

/// Whether a browser that asks for this wants a page.
pub(super) fn is_page(path: &str) -> bool {
    let below = |page: &&str| path.strip_prefix(*page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path == "/" || PAGES.iter().any(below)
}

/// A page of our own with its query, never another site.
fn local(next: &str) -> &str {
    let (path, query) = next.split_once('?').unwrap_or((next, ""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_');
    let asked = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b'%' | b'=' | b'&' | b'+');
    let ours = is_page(path) && path != "/login" && path.bytes().all(plain) && query.bytes().all(asked);
    if ours { next } else { "/" }
}

/// The sign-in form. It has no script: that wants a session.
pub(super) fn form(next: &str, error: Option<&str>) -> String {
    pages::sign_in(local(next), error)
}
