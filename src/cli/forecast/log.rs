//! Access logs: common and combined format, or lines of a method and a path. Each request is given its route by the
//! table that `serve` would use.

use super::super::exit::Failure;
use crate::model::Fields;
use crate::report::{escape, thousands};
use crate::routes::{RouteSpec, RouteTable, collapse};
use http::{Method, Uri};
use jiff::fmt::strtime;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a log holds.
#[derive(Debug, Default)]
pub struct Log {
    /// Requests by route, with the `[[route]]` that takes it.
    pub routes: BTreeMap<Arc<str>, (u64, Option<usize>)>,
    pub requests: u64,
    /// Lines that are no request.
    unread: u64,
    first_unread: Option<String>,
    /// Seconds since 1970, the first and the last that were written.
    times: Option<(i64, i64)>,
    /// Names of routes that are recognised by their host only, which a log seldom has.
    hosted: Vec<String>,
}

/// One line, taken apart.
#[derive(Debug, PartialEq)]
struct Line {
    method: Method,
    uri: Uri,
    time: Option<i64>,
}

/// Reads it all; what is no request is counted.
pub fn read(file: &Path, specs: &[RouteSpec]) -> Result<Log, Failure> {
    let fail = |e: std::io::Error| Failure::new(format!("cannot read {}: {e}", file.display()));
    let reader: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(file).map_err(fail)?)),
    };
    let table = RouteTable::new(specs)
        .map_err(|errors| Failure::new(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let log = Log::of(reader, &table).map_err(fail)?;
    let hosted = specs.iter().filter(|spec| spec.host.is_some()).map(|spec| spec.name.clone()).collect();
    if log.requests == 0 {
        return Err(Failure::new(format!("{} holds no request", file.display()))
            .help("lines are expected in common or combined log format, or as a method and a path: GET /orders/7"));
    }
    Ok(Log { hosted, ..log })
}

// === impl Log ===

impl Log {
    fn of(mut reader: impl BufRead, table: &RouteTable) -> std::io::Result<Log> {
        let mut log = Log::default();
        let mut counts: BTreeMap<Arc<str>, (u64, Option<usize>)> = BTreeMap::new();
        let (headers, mut line) = (Fields::default(), Vec::new());
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some(Line { method, uri, time }) = Line::read(text) else {
                log.unread += 1;
                log.first_unread.get_or_insert_with(|| text.chars().take(60).collect());
                continue;
            };
            let host = uri.authority().map(|a| a.as_str());
            let found = table.resolve(&method, host, uri.path(), uri.query(), &headers);
            let count = counts.entry(found.name).or_default();
            *count = (count.0 + 1, count.1.or(found.configured));
            log.requests += 1;
            if let Some(time) = time {
                let (first, last) = log.times.unwrap_or((time, time));
                log.times = Some((first.min(time), last.max(time)));
            }
        }
        // As a report shows them: the rare ones among too many siblings are one.
        let automatic = counts.iter().filter(|(_, (_, configured))| configured.is_none());
        let renamed = collapse(automatic.map(|(name, (n, _))| (&**name, *n)));
        for (name, (n, configured)) in counts {
            let name = renamed.get(&*name).map_or(name, |new| Arc::from(new.as_str()));
            let route = log.routes.entry(name).or_default();
            *route = (route.0 + n, route.1.or(configured));
        }
        Ok(log)
    }

    /// How long it covers, by its own times.
    pub fn span(&self) -> Option<Duration> {
        let (first, last) = self.times?;
        u64::try_from(last - first).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// What a person should know of how it was read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(first) = &self.first_unread {
            let (unread, all) = (thousands(self.unread), thousands(self.unread + self.requests));
            notes.push(format!(
                "{unread} of {all} lines are no requests and were left out, e.g. {}",
                escape::line(first)
            ));
        }
        if !self.hosted.is_empty() {
            let names = self.hosted.join(", ");
            notes.push(format!("{names}: recognised only where the log has whole URLs, since the route names a host"));
        }
        notes
    }
}

// === impl Line ===

impl Line {
    /// `1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 2326 …`, or `GET /a?b=c`.
    fn read(text: &str) -> Option<Line> {
        match text.split_once('"') {
            Some((before, rest)) => {
                let request = rest.split('"').next()?;
                let written = before.split_once('[').and_then(|(_, rest)| rest.split(']').next());
                let time = written.and_then(|written| {
                    let time = strtime::parse("%d/%b/%Y:%H:%M:%S %z", written).ok()?.to_timestamp().ok()?;
                    Some(time.as_second())
                });
                Line::request(request, time)
            }
            None => Line::request(text, None),
        }
    }

    fn request(text: &str, time: Option<i64>) -> Option<Line> {
        let mut words = text.split_ascii_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let is_method = method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        let is_target = target.starts_with('/') || target.contains("://") || target == "*";
        if !is_method || !is_target {
            return None;
        }
        // What no client could have sent so, spaces and other scripts, still has a path.
        let uri = target.parse().ok().or_else(|| target.split(['?', '#']).next()?.parse().ok())?;
        Some(Line { method: method.parse().ok()?, uri, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Log {
        let spec = |name: &str, path: &str| RouteSpec {
            name: name.into(),
            path: path.into(),
            methods: vec![],
            host: None,
            operation_from: None,
        };
        Log::of(text.as_bytes(), &RouteTable::new(&[spec("orders", "/orders/{id}")]).unwrap()).unwrap()
    }

    #[test]
    fn logs_of_servers_are_read_with_their_times() {
        let log = log("\
127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /orders/7?x=1 HTTP/1.0\" 200 2326\n\
10.0.0.9 - - [10/Oct/2000:22:55:36 +0200] \"GET /users/42 HTTP/1.1\" 304 0 \"http://a/\" \"Mozilla/5.0 (\\\"x\\\")\"\n\
::1 - - [10/Oct/2000:21:55:35 +0000] \"POST /users HTTP/2.0\" 201 9 \"-\" \"curl\"\n\
::1 - - [10/Oct/2000:21:55:35 +0000] \"-\" 408 0 \"-\" \"-\"\n\
::1 - - [10/Oct/2000:21:55:36 +0000] \"\\x16\\x03\\x01\" 400 0 \"-\" \"-\"\n");
        let routes: Vec<_> = log.routes.iter().map(|(name, (n, configured))| (&**name, *n, *configured)).collect();
        assert_eq!(routes, [("GET /users/{id}", 1, None), ("GET orders", 1, Some(0)), ("POST /users", 1, None)]);
        assert_eq!((log.requests, log.unread, log.span()), (3, 2, Some(Duration::from_secs(3600 - 1))));
        assert!(log.notes()[0].starts_with("2 of 5 lines are no requests and were left out, e.g. ::1 - - ["));
    }

    #[test]
    fn many_configured_routes_side_by_side_stay_apart() {
        let path = |i: usize| format!("/shops/word{i}x");
        let spec = |i| {
            let path = path(i);
            RouteSpec { name: path.clone(), path, methods: vec![], host: None, operation_from: None }
        };
        let specs: Vec<RouteSpec> = (0..60).map(spec).collect();
        let lines: String = (0..180).map(|i| format!("GET {}\n", path(i))).collect();
        let log = Log::of(lines.as_bytes(), &RouteTable::new(&specs).unwrap()).unwrap();
        let configured = log.routes.values().filter(|(n, configured)| *n == 1 && configured.is_some()).count();
        assert_eq!((configured, log.routes.len(), log.routes["GET /shops/{id}"]), (60, 61, (120, None)));
    }

    #[test]
    fn lines_of_method_and_path_are_enough() {
        let log = log(
            "# a comment\nGET /orders/7\n\nGET http://shop.example/orders/8?a=b\nDELETE /orders/7 HTTP/1.1\nhello world\n",
        );
        let routes: Vec<_> = log.routes.iter().map(|(name, (n, _))| (&**name, *n)).collect();
        assert_eq!(routes, [("DELETE orders", 1), ("GET orders", 2)]);
        assert_eq!((log.unread, log.span()), (1, None));
    }
}
