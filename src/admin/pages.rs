//! The dashboard's pages: rendered here, readable without the script, nothing inline.

use super::api::{body, compute, content, either, pairs, unknown};
use super::problem::Problem;
use super::server::Admin;
use super::{MetricsView, Source};
use crate::evidence::Example;
use crate::report::escape::Html;
use crate::report::{DivergenceDetail, Report, fragments, share, thousands};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const HTML: &str = "text/html; charset=utf-8";

type Answer = Response<Body>;
type Shared = State<Arc<Admin>>;

// === The handlers ===

pub(super) async fn dashboard(State(admin): Shared) -> Answer {
    rendered(&admin, |s| Some(render_dashboard(&s.report(), s.mirroring(), &s.metrics()))).await
}

pub(super) async fn routes(State(admin): Shared) -> Answer {
    rendered(&admin, |s| {
        let report = s.report();
        let mut main = String::new();
        fragments::verdict(&mut main, &report).ok()?;
        fragments::routes(&mut main, &report, 1_000).ok()?;
        Some(page("Routes", true, &main))
    })
    .await
}

pub(super) async fn divergences(State(admin): Shared, RawQuery(query): RawQuery) -> Answer {
    rendered(&admin, move |s| Some(render_divergences(&s.report(), query.as_deref().unwrap_or("")))).await
}

pub(super) async fn divergence(State(admin): Shared, path: Result<Path<String>, PathRejection>) -> Answer {
    let Ok(Path(fingerprint)) = path else { return unknown("with that name").into_response() };
    let name = fingerprint.clone();
    let found =
        compute(&admin, move |s: &dyn Source| s.divergence(&fingerprint).map(|d| render_divergence(&s.report(), &d)));
    either(found.await.and_then(|text| text.map(|t| content(HTML, t)).ok_or_else(|| unknown(&name))))
}

pub(super) async fn login_form(State(admin): Shared) -> Answer {
    if admin.access.wants_token() { content(HTML, form("/", None)) } else { see_other("/", None) }
}

/// Checks the token and sets the cookie; the wrong one gets the form again.
pub(super) async fn login(State(admin): Shared, request: Request<Body>) -> Answer {
    let body = match body(request).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    if !admin.access.wants_token() {
        return see_other("/", None);
    }
    let fields = pairs(&String::from_utf8_lossy(&body));
    let field = |name: &str| fields.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str());
    match admin.access.sign_in(field("token")).and_then(|c| HeaderValue::from_str(&c).ok()) {
        Some(cookie) => see_other(local(field("next")), Some(cookie)),
        None => {
            let mut response = Problem::unauthorized().into_response();
            *response.body_mut() = Body::from(form(local(field("next")), Some("That is not the token. Try again.")));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
            response
        }
    }
}

async fn rendered(admin: &Arc<Admin>, render: impl FnOnce(&dyn Source) -> Option<String> + Send + 'static) -> Answer {
    let page = compute(admin, render).await;
    either(page.map(|p| content(HTML, p.unwrap_or_default())))
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

/// A path of our own, never another site.
fn local(next: &str) -> &str {
    let pages = ["/divergences", "/routes"];
    let ours = pages.iter().any(|p| next.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if ours && next.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_')) { next } else { "/" }
}

// === The pages ===

fn page(title: &str, live: bool, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<link rel=\"stylesheet\" href=\"/assets/app.css\">\n\
         <script src=\"/assets/app.js\" defer></script></head>\n<body>\n\
         <nav aria-label=\"pages\"><h1>Parallax</h1><a href=\"/\">Dashboard</a><a href=\"/divergences\">Divergences</a>\
         <a href=\"/routes\">Routes</a><a href=\"/api/v1/report\">JSON</a><span id=\"connection\" role=\"status\"></span></nav>\n\
         <main{}>\n{main}</main>\n</body></html>\n",
        Html(title),
        if live { " data-live" } else { "" },
    )
}

/// The sign-in form. It stands alone: style and script want a session.
pub(super) fn form(next: &str, error: Option<&str>) -> String {
    let error = error.map(|e| format!("<p role=\"alert\"><strong>{}</strong></p>\n", Html(e))).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Sign in: Parallax</title></head>\n\
         <body><main><h1>Parallax</h1>\n{error}<form method=\"post\" action=\"/login\">\n\
         <p><label for=\"token\">Token</label> <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\n\
         <input type=\"hidden\" name=\"next\" value=\"{}\"> <button>Sign in</button></p>\n\
         <p>It is the content of the file that <code>admin.token_file</code> names.</p></form></main></body></html>\n",
        Html(local(next)),
    )
}

fn render_dashboard(report: &Report, mirroring: bool, measured: &MetricsView) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let t = &report.totals;
    banner(&mut out, report, mirroring);
    let _ = fragments::verdict(&mut out, report);
    if let Some(eta) = report.gate.eta_seconds {
        let _ = writeln!(
            out,
            "<p class=\"epoch\">Decided in about {} at this rate of traffic.</p>",
            crate::report::duration(Duration::from_secs(eta))
        );
    }
    let (state, word, wanted) =
        if mirroring { ("on", "Stop mirroring", "false") } else { ("off", "Start mirroring", "true") };
    let _ = writeln!(
        out,
        "<p class=\"switch\">Mirroring is <strong>{state}</strong> <button id=\"mirror\" type=\"button\" data-mirror=\"{wanted}\">{word}</button></p>"
    );
    safe(&mut out, measured);
    if t.compared == 0 {
        ticks(&mut out, report);
    }
    let _ = fragments::notices(&mut out, report);
    if t.requests > 0 {
        let _ = fragments::why(&mut out, report);
        let _ = fragments::accounting(&mut out, report);
        let counted = report.divergences.iter().any(|d| d.counted > 0);
        out.push_str("<h2>Divergences</h2>\n");
        if counted {
            let _ = fragments::top(&mut out, report, 5, "/divergences/");
            out.push_str("<p><a href=\"/divergences\">All divergences</a></p>\n");
        } else if t.compared > 0 {
            out.push_str("<p>No divergence counts.</p>\n");
        } else {
            out.push_str("<p class=\"nodata\">Nothing has been compared yet.</p>\n");
        }
        let _ = fragments::routes(&mut out, report, 5);
        out.push_str("<p><a href=\"/routes\">All routes</a></p>\n");
        let _ = fragments::rules(&mut out, report, 10);
    }
    page(&format!("{}: Parallax", report.gate.verdict.as_str()), true, &out)
}

/// What is wrong enough to be told before the verdict: since when, what it means for users and for the evidence.
fn banner(out: &mut String, report: &Report, mirroring: bool) {
    let skipped = &report.totals.not_mirrored;
    if !mirroring {
        let _ = writeln!(
            out,
            "<p class=\"banner\"><strong>Mirroring is stopped.</strong> Users are served by the primary as before. Nothing is \
             compared: {} requests are in the bucket <code>disabled</code> so far.</p>",
            thousands(skipped.disabled)
        );
    }
    for notice in &report.notices {
        let meaning = match &*notice.code {
            // The control's breaker stops no comparison.
            "breaker_open" if notice.message.contains("candidate") => format!(
                "Users are served by the primary as before. What is skipped is in the bucket <code>breaker_open</code> \
                 ({} requests so far) and not held against the candidate.",
                thousands(skipped.breaker_open)
            ),
            "store_failing" => {
                "Users are served by the primary as before. What is counted from now on may be lost at a \
                                restart, so there is no pass until it is durable again."
                    .to_owned()
            }
            _ => continue,
        };
        let _ = writeln!(out, "<p class=\"banner\"><strong>{}.</strong> {meaning}</p>", Html(upper(&notice.message)));
    }
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// What the proxy holds and whether it holds back: measured numbers only, each beside its limit.
fn safe(out: &mut String, m: &MetricsView) {
    let mut parts = Vec::new();
    if let (Some(used), Some(limit)) = (m.capture_bytes, m.capture_limit_bytes) {
        parts.push(format!("{} of {} held for captured bodies", bytes(used), bytes(limit)));
    }
    let in_flight: u64 = m.mirror_in_flight.iter().map(|(_, n)| n).sum();
    if let Some(limit) = m.mirror_in_flight_limit {
        parts.push(format!("{} of {} mirrored exchanges in flight", thousands(in_flight), thousands(limit)));
    }
    let open: Vec<_> = m.breaker_open.iter().filter(|(_, open)| *open).map(|(leg, _)| leg.as_str()).collect();
    match open.as_slice() {
        [] if m.breaker_open.is_empty() => {}
        [] => parts.push("no breaker is open".to_owned()),
        legs => parts.push(format!("breaker open: {}", legs.join(", "))),
    }
    if !parts.is_empty() {
        let _ = writeln!(out, "<p class=\"epoch\">Safe? {}.</p>", Html(parts.join(", ")));
    }
}

fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.0} KiB", n as f64 / 1024.0),
        _ => format!("{:.0} MiB", n as f64 / 1_048_576.0),
    }
}

/// The empty state: what has happened so far, and what to do.
fn ticks(out: &mut String, report: &Report) {
    let t = &report.totals;
    if t.requests == 0 {
        let url = report.proxy.listen.as_deref().unwrap_or("the proxy");
        let _ = writeln!(out, "<p class=\"nodata\">No request yet. Send one to <code>{}</code></p>", Html(url));
    }
    out.push_str("<ul class=\"ticks\">\n");
    for (name, n) in [("request seen", t.requests), ("mirrored", t.mirrored), ("compared", t.compared)] {
        let (symbol, state) = if n > 0 { ("✔", "done") } else { ("◌", "waiting") };
        let _ = writeln!(out, "<li>{symbol} {name}: {state}, {}</li>", thousands(n));
    }
    out.push_str("</ul>\n");
}

fn render_divergences(report: &Report, query: &str) -> String {
    let query = pairs(query);
    let wanted = |name: &str| query.iter().find(|(k, v)| k == name && !v.is_empty()).map(|(_, v)| v.as_str());
    let show = wanted("show").unwrap_or("counted");
    let list: Vec<_> = report
        .divergences
        .iter()
        .filter(|d| match show {
            "excused" => d.excused,
            "all" => true,
            _ => !d.excused,
        })
        .filter(|d| wanted("route").is_none_or(|r| r == &*d.route) && wanted("kind").is_none_or(|k| k == &*d.kind))
        .collect();
    let mut out = String::new();
    let _ = fragments::verdict(&mut out, report);
    out.push_str("<h2>Divergences</h2>\n<form method=\"get\" action=\"/divergences\"><p>\n<label for=\"show\">show</label> <select id=\"show\" name=\"show\">");
    for option in ["counted", "excused", "all"] {
        let selected = if option == show { " selected" } else { "" };
        let _ = write!(out, "<option{selected}>{option}</option>");
    }
    out.push_str("</select>\n");
    for name in ["route", "kind"] {
        let value = Html(wanted(name).unwrap_or(""));
        let _ = writeln!(
            out,
            "<label for=\"{name}\">{name}</label> <input id=\"{name}\" name=\"{name}\" value=\"{value}\">"
        );
    }
    out.push_str("<button>Filter</button></p></form>\n");
    if list.is_empty() {
        let text = if report.totals.compared == 0 { "Nothing has been compared yet." } else { "None of this kind." };
        let _ = writeln!(out, "<p class=\"nodata\">{text}</p>");
    } else {
        let shown: Vec<_> = list.iter().copied().take(500).collect();
        let caption = format!("{} of {}", shown.len(), report.divergences.len());
        let _ = fragments::divergences(&mut out, report, &caption, &shown, "/divergences/");
    }
    page("Divergences: Parallax", true, &out)
}

fn render_divergence(report: &Report, d: &DivergenceDetail) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<p class=\"epoch\"><a href=\"/divergences\">Divergences</a> / <code>{}</code></p>\n<h2 class=\"title\">{}</h2>\n<p class=\"lead\">{}</p>\n<dl><dt>location</dt><dd><code>{}</code></dd><dt>kind</dt><dd>{} ({})</dd>\
         <dt>exchanges</dt><dd>{} showed it, {} of what the route compared; it counted in {}{}</dd>",
        Html(&d.fingerprint),
        Html(&d.route),
        Html(&d.summary),
        Html(&d.location),
        Html(&d.kind),
        d.tier.as_str(),
        thousands(d.count),
        share(d.share),
        thousands(d.counted),
        crate::report::confirmed(d.asked_again, d.transient),
    );
    if let Some(by) = &d.excused_by {
        let _ = write!(out, "<dt>excused by</dt><dd>{}</dd>", Html(by));
    }
    let _ = writeln!(
        out,
        "<dt>first seen</dt><dd>{}</dd><dt>last seen</dt><dd>{}</dd></dl>\n<h2>Examples</h2>\n<p>{} of {} kept</p>",
        fragments::time(report.generated_at, d.first_seen),
        fragments::time(report.generated_at, d.last_seen),
        thousands(d.examples.len() as u64),
        thousands(d.count),
    );
    for (i, example) in d.examples.iter().enumerate() {
        // One is enough to understand; the others are a click away.
        let _ = writeln!(
            out,
            "<details class=\"kept\"{}><summary>Example {} of {}</summary>",
            if i == 0 { " open" } else { "" },
            i + 1,
            d.examples.len()
        );
        let _ = fragments::example(&mut out, report.generated_at, example);
        if let Some(command) = curl(report, example) {
            let _ = writeln!(out, "<p>The same request again:</p><pre>{}</pre>", Html(command));
        }
        out.push_str("</details>\n");
    }
    let _ = writeln!(
        out,
        "<h2>As a rule</h2>\n<p>If this is meant to differ, add it to the configuration. <code>why</code> is for whoever \
         finds it there later, <code>expires</code> for the day it has to be looked at again.</p><pre>{}</pre>",
        Html(rule(d))
    );
    page(&format!("{}: Parallax", d.fingerprint), false, &out)
}

/// The request again, through the proxy; without headers, which may be redacted.
fn curl(report: &Report, example: &Example) -> Option<String> {
    let mut words = example.request.start.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let quote = |s: &str| format!("'{}'", s.replace('\'', "'\\''"));
    let url = format!("{}{target}", report.proxy.listen.as_ref()?);
    let method = if method == "GET" { String::new() } else { format!("-X {} ", quote(method)) };
    Some(format!("curl -i {method}{}", quote(&url)))
}

fn rule(d: &DivergenceDetail) -> String {
    let quote = |s: &str| serde_json::Value::from(s).to_string().replace('\u{7f}', "\\u007f");
    format!(
        "[[rule]]\nid = {}\nwhy = \"\"      # fill in\nowner = \"\"    # fill in\nexpires = \"\"  # fill in: YYYY-MM-DD\non = {}\nat = {}\nignore = true\n",
        quote(&d.fingerprint),
        quote(&d.route),
        quote(&d.location),
    )
}
