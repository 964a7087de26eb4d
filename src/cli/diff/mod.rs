//! `parallax diff`: two stored answers, compared as `serve` would.

mod message;

use super::args::{ColorWhen, DiffArgs, TextOrJson};
use super::exit::{Exit, Failure};
use super::named::Named;
use super::terminal::Look;
use super::{now, offline_config, print};
use crate::diff::{self, Context, Finding, Limits, RuleSet};
use crate::model::{Answer, BodyEnd, Fields, Leg, Outcome, PerLeg, RequestHead};
use crate::report::{self, Style};
use http::Method;
use http::header::HeaderName;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// More patience than a proxy has: somebody is waiting for this one answer.
const TIME_BUDGET: Duration = Duration::from_secs(10);

/// Columns from which on two values stand side by side.
const SIDE_BY_SIDE: usize = 80;

pub fn run(args: DiffArgs, color: ColorWhen) -> Result<Exit, Failure> {
    let checked = match &args.config {
        Some(file) => Some(offline_config(file, color)?),
        None => None,
    };
    let rules = checked.as_ref().map_or(&[][..], |c| &c.rules);
    let set = RuleSet::compile(rules)
        .map_err(|errors| Failure::new(errors.iter().map(|e| e.message.clone()).collect::<Vec<_>>().join("; ")))?
        .with_schema(checked.as_ref().and_then(|c| c.schema.clone()));
    let specs = checked.as_ref().map(|c| c.routes.iter().map(|r| r.spec.clone()).collect::<Vec<_>>());
    let asked = Named::read(args.route.as_deref().unwrap_or("GET /"), specs.as_deref())?;
    let rules = set.for_route(&asked.route, &now().day());
    let request =
        RequestHead { method: asked.method, uri: asked.uri, host: None, scheme: "http", headers: Fields::default() };

    if is_stdin(&args.primary) && is_stdin(&args.candidate) {
        return Err(Failure::new("both answers are to be read from standard input")
            .help("`-` can stand for one of them; store the other in a file"));
    }
    let head_only = request.method == Method::HEAD;
    let read = |path: &Path| message::read(path, args.content_type.as_deref(), head_only);
    let (primary, candidate) = (read(&args.primary)?, read(&args.candidate)?);
    if let BodyEnd::Broken(failure) = &primary.end {
        return Err(broken(&args.primary, &primary, &failure.detail));
    }

    let build_header =
        checked.as_ref().map_or(HeaderName::from_static("x-build-id"), |checked| checked.build_header.clone());
    let origins = checked.as_ref().map_or_else(PerLeg::default, |c| PerLeg {
        primary: Some(c.primary.origin()),
        candidate: Some(c.candidate.origin()),
        control: None,
    });
    let started = Instant::now();
    let context = Context {
        request: &request,
        rules: &rules,
        origins: &origins,
        other: Leg::Candidate,
        // Two files say the same whenever they are compared.
        arrived: None,
        skew: Duration::ZERO,
        skip_headers: &[build_header],
        limits: Limits::default(),
        expired: &|| started.elapsed() > TIME_BUDGET,
    };
    let mut findings = diff::compare(&context, &primary, &Outcome::from(candidate));
    findings.list.iter_mut().for_each(Finding::shorten);
    if let Some(reason) = &findings.budget {
        return Err(Failure::new(format!("could not compare: {reason}")));
    }
    let outcome = report::diff_outcome(&findings);
    print(&match args.format {
        TextOrJson::Json => {
            let differences = findings.list.iter().map(described).collect::<Result<Vec<_>, _>>()?;
            let document =
                json!({ "schema": 1, "outcome": outcome, "differences": differences, "more": findings.dropped });
            format!("{document:#}\n")
        }
        TextOrJson::Text => {
            let look = Look::stdout(color);
            let style = Style { color: look.color, unicode: look.unicode, width: look.width };
            report::diff_text(&findings, style, look.terminal && look.width >= SIDE_BY_SIDE)
        }
    })?;
    Ok(if outcome == "divergent" { Exit::No } else { Exit::Ok })
}

/// A finding as machines get it, with what a person would be told.
fn described(finding: &Finding) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(finding)?;
    if let Value::Object(members) = &mut value {
        members.insert("counts".to_owned(), finding.counts().into());
        members.insert("summary".to_owned(), diff::summary(finding).into());
    }
    Ok(value)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn broken(path: &Path, answer: &Answer, detail: &str) -> Failure {
    let failure = Failure::new(format!("the primary's answer in {} is broken: {detail}", path.display()));
    failure.help(if answer.body.is_empty() {
        "there is nothing to hold the candidate against; for an answer to HEAD give --route \"HEAD /path\""
    } else if answer.headers.has(&http::header::CONTENT_ENCODING) {
        "there is nothing to hold the candidate against; store the body packed as it came (curl without --compressed)"
    } else {
        "there is nothing to hold the candidate against; store a whole answer"
    })
}
