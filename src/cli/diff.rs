//! `parallax diff`: two stored answers, compared as `serve` would.

use super::args::{ColorWhen, DiffArgs, TextOrJson};
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{now, print};
use crate::config::{self, Flags};
use crate::diff::{self, Context, Cover, Finding, Findings, Limits, RuleSet};
use crate::model::{Answer, BodyEnd, Captured, FailureKind, Leg, Outcome, PerLeg, RequestHead};
use crate::report::escape;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// More patience than a proxy has: somebody is waiting for this one answer.
const TIME_BUDGET: Duration = Duration::from_secs(10);
const MAX_FILE: u64 = 256 << 20;
const MAX_HEADERS: usize = 1024;

pub fn run(args: DiffArgs, color: ColorWhen) -> Result<Exit, Failure> {
    let (rules, schema, build_header) = match &args.config {
        Some(file) => {
            let flags = Flags { offline: true, ..Flags::default() };
            let checked =
                config::load(Some(file), &flags).map_err(|e| Failure::drawn(e.render(Look::stderr(color).color)))?;
            (checked.rules, checked.schema, checked.build_header)
        }
        None => (Vec::new(), None, HeaderName::from_static("x-build-id")),
    };
    let set = RuleSet::compile(&rules)
        .map_err(|errors| Failure::new(errors.iter().map(|e| e.message.clone()).collect::<Vec<_>>().join("; ")))?
        .with_schema(schema);
    let route = args.route.clone().unwrap_or_else(|| "GET /".to_owned());
    let rules = set.for_route(&route, &now().to_string()[..10]);
    let primary = read(&args.primary, args.content_type.as_deref())?;
    let candidate = read(&args.candidate, args.content_type.as_deref())?;
    if let BodyEnd::Broken(failure) = &primary.end {
        return Err(Failure::new(format!(
            "the primary's answer in {} is broken: {}",
            args.primary.display(),
            failure.detail
        ))
        .help("there is nothing to hold the candidate against; store a whole answer"));
    }
    let method = route.split(' ').next().and_then(|m| m.parse().ok()).unwrap_or(Method::GET);
    // A gRPC method is known by its path.
    let uri = route.split_once(' ').and_then(|(_, path)| path.parse().ok()).unwrap_or(Uri::from_static("/"));
    let request = RequestHead { method, uri, host: None, scheme: "http", headers: HeaderMap::new() };
    let started = Instant::now();
    let context = Context {
        request: &request,
        rules: &rules,
        origins: &PerLeg::default(),
        other: Leg::Candidate,
        skew: Duration::from_secs(1),
        skip_headers: &[build_header],
        limits: Limits::default(),
        expired: &|| started.elapsed() > TIME_BUDGET,
    };
    let findings = diff::compare(&context, &primary, &Outcome::Answer(candidate));
    if let Some(reason) = &findings.budget {
        return Err(Failure::new(format!("could not compare: the limit on {reason} was reached")));
    }
    let outcome = if findings.is_match() {
        "matched"
    } else if findings.list.iter().any(Finding::counts) || findings.dropped > 0 {
        "divergent"
    } else {
        "excused"
    };
    print(&match args.format {
        TextOrJson::Json => format!(
            "{:#}\n",
            json!({ "schema": 1, "outcome": outcome, "differences": findings.list, "more": findings.dropped })
        ),
        TextOrJson::Text => text(outcome, &findings, Look::stdout(color)),
    });
    Ok(if outcome == "divergent" { Exit::No } else { Exit::Ok })
}

fn text(outcome: &str, findings: &Findings, look: Look) -> String {
    let paint =
        |code: &str, text: &str| if look.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let counted = findings.list.iter().filter(|f| f.counts()).count() as u64 + findings.dropped;
    let headline = match outcome {
        "matched" => paint("32", "matched: the answers do not differ"),
        "excused" => paint("32", "excused: the answers differ only in ways that do not count"),
        _ => paint("1;31", &format!("divergent: {counted} differences count")),
    };
    let mut out = format!("{headline}\n");
    for finding in &findings.list {
        let head = format!("{}  {}", finding.exact, finding.kind);
        let why = match (&finding.cover, finding.secondary) {
            (Some(Cover::Rule(id)), _) => format!("excused by rule \"{id}\""),
            (None, true) => "beneath what differs above".to_owned(),
            (None, false) if !finding.tier.counts() => "representation only".to_owned(),
            (None, false) => String::new(),
        };
        if finding.counts() {
            out.push_str(&format!("\n{}\n", paint("36", &escape::line(&head))));
            out.push_str(&format!("  {}\n", paint("31", &format!("- primary    {}", side(&finding.primary)))));
            out.push_str(&format!("  {}\n", paint("32", &format!("+ candidate  {}", side(&finding.candidate)))));
        } else {
            let line =
                format!("{head}  {why}: primary {}, candidate {}", side(&finding.primary), side(&finding.candidate));
            out.push_str(&format!("\n{}\n", paint("2", &escape::line(&line))));
        }
    }
    if findings.dropped > 0 {
        out.push_str(&format!("\nand {} more\n", findings.dropped));
    }
    out
}

fn side(value: &Option<String>) -> String {
    value.as_deref().map_or_else(|| "has none".to_owned(), escape::line)
}

/// A stored answer: a raw HTTP message, or a bare body where its type is given.
fn read(path: &Path, content_type: Option<&str>) -> Result<Answer, Failure> {
    let fail = |why: String| Failure::new(format!("cannot read an answer from {}: {why}", path.display()));
    if std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.len() > MAX_FILE {
        return Err(fail("it is larger than 256 MiB".into()));
    }
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    if let Some(content_type) = content_type {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(content_type)
            .map_err(|_| Failure::new(format!("`{content_type}` is not a content type")))?;
        headers.insert(CONTENT_TYPE, value);
        return Ok(answer(StatusCode::OK, headers, Captured::whole(vec![Bytes::from(bytes)], None), BodyEnd::Complete));
    }
    message(&bytes)
        .map_err(|why| fail(why).help("store it as `curl -i` prints it, or give --content-type for a bare body"))
}

fn answer(status: StatusCode, headers: HeaderMap, body: Captured, end: BodyEnd) -> Answer {
    Answer { status, reason: None, headers, body, trailers: None, end }
}

fn message(bytes: &[u8]) -> Result<Answer, String> {
    let mut fields = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut fields);
    // HTTP/2 messages as curl stores them differ in the first line only.
    let rewritten = bytes.strip_prefix(b"HTTP/2 ").map(|rest| [b"HTTP/1.1 ", rest].concat());
    let bytes = rewritten.as_deref().unwrap_or(bytes);
    let start = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Err("its head does not end".into()),
        Err(e) => return Err(format!("it is not an HTTP message ({e})")),
    };
    let status = parsed.code.and_then(|c| StatusCode::from_u16(c).ok()).ok_or("its status is not one")?;
    let mut headers = HeaderMap::new();
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|e| e.to_string())?;
        headers.append(name, HeaderValue::from_bytes(field.value).map_err(|e| e.to_string())?);
    }
    let rest = bytes.get(start..).unwrap_or_default();
    let chunked = headers.get(TRANSFER_ENCODING).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let (body, end) = match chunked {
        // `curl -i` stores chunked bodies joined; `nc` stores them as they came.
        true => dechunk(rest).map_or_else(|| (rest.to_vec(), BodyEnd::Complete), |body| (body, BodyEnd::Complete)),
        false => {
            let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.trim().parse::<usize>().ok());
            match declared {
                Some(length) if rest.len() < length => (
                    rest.to_vec(),
                    BodyEnd::Broken(crate::model::Failure {
                        kind: FailureKind::Truncated,
                        detail: format!("{} of {length} bytes", rest.len()),
                    }),
                ),
                Some(length) => (rest.get(..length).unwrap_or(rest).to_vec(), BodyEnd::Complete),
                None => (rest.to_vec(), BodyEnd::Complete),
            }
        }
    };
    crate::upstream::strip_hop_by_hop(&mut headers);
    Ok(answer(status, headers, Captured::whole(vec![Bytes::from(body)], None), end))
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (used, size) = match httparse::parse_chunk_size(rest).ok()? {
            httparse::Status::Complete(found) => found,
            httparse::Status::Partial => return None,
        };
        rest = rest.get(used..)?;
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_tools_store_them() {
        let one = message(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!((one.status.as_u16(), one.body.len(), one.end), (200, 2, BodyEnd::Complete));
        let two = message(b"HTTP/2 404 \r\nx-a: 1\r\n\r\nno").unwrap();
        assert_eq!((two.status.as_u16(), two.body.len()), (404, 2));
        let raw = message(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").unwrap();
        assert_eq!(raw.body.len(), 2);
        let cut = message(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi").unwrap();
        assert!(matches!(cut.end, BodyEnd::Broken(_)));
        assert!(message(b"{\"a\":1}").is_err());
    }
}
