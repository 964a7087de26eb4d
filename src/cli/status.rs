//! `parallax status`: also the health check of an image without a shell.

use super::args::{StatusArgs, TextOrJson};
use super::client::{AdminClient, Found, Reply, find};
use super::exit::{Exit, Failure};
use super::{block_on, print};
use crate::report::Report;
use http::{Method, StatusCode};
use serde_json::{Value, json};

pub fn run(args: StatusArgs, quiet: bool) -> Result<Exit, Failure> {
    let (status, ready) = block_on(async {
        let client = match find(&args.source).await? {
            Found::Proxy(client) => client,
            Found::Store(folder) => {
                return Err(Failure::new(format!("no proxy runs on {}", folder.display())).help(
                    "start one with `parallax serve --data …`, or read the evidence with `parallax report --data …`",
                ));
            }
        };
        let ready = client.request(Method::GET, "/readyz", None).await?;
        let detail: Value = serde_json::from_slice(&ready.body).unwrap_or(Value::Null);
        // Without a token readiness is all that may be known, and it is enough for a health check.
        let report = client.request(Method::GET, "/api/v1/report", None).await?;
        let ready_now = readiness(&client, ready, &report)?;
        let report: Option<Report> = serde_json::from_slice(&report.body).ok();
        let durable = report.as_ref().map(|r| !r.notices.iter().any(|n| n.code == "store_failing"));
        let status = json!({
            "ready": ready_now,
            "mirroring": report.as_ref().and_then(|r| r.proxy.mirroring),
            "durable": durable,
            "detail": detail.get("detail"),
            "admin": client.url(),
        });
        Ok((status, ready_now))
    })?;
    if !quiet {
        match args.format {
            TextOrJson::Json => print(&format!("{status:#}\n"))?,
            TextOrJson::Text => print(&text(&status))?,
        }
    }
    Ok(if ready { Exit::Ok } else { Exit::No })
}

/// Whether it is ready; an error where what answers is no admin interface, since others have a `/readyz` too.
fn readiness(client: &AdminClient, ready: Reply, report: &Reply) -> Result<bool, Failure> {
    const HELP: &str = "`--admin` takes the address that `serve --admin` names, not the one that clients connect to";
    let says_so = match ready.status {
        StatusCode::OK => ready.body == "ready\n",
        StatusCode::SERVICE_UNAVAILABLE => is_problem(&ready),
        _ => return client.document("/readyz", ready).map(|_| false).map_err(|e| e.help(HELP)),
    };
    let reports = match report.status {
        StatusCode::OK => serde_json::from_slice::<Value>(&report.body).is_ok_and(|r| r["epoch"]["id"].is_string()),
        StatusCode::NOT_FOUND => false,
        // Without the token, or when it could not be computed.
        _ => is_problem(report),
    };
    match says_so && reports {
        true => Ok(ready.status == StatusCode::OK),
        false => {
            Err(Failure::new(format!("what answers at {} is not the admin interface of a Parallax", client.url()))
                .help(HELP))
        }
    }
}

fn is_problem(reply: &Reply) -> bool {
    serde_json::from_slice::<Value>(&reply.body)
        .is_ok_and(|problem| problem["status"] == reply.status.as_u16() && problem["detail"].is_string())
}

fn text(status: &Value) -> String {
    let word = |key: &str, yes: &'static str, no: &'static str| match status[key].as_bool() {
        Some(true) => yes,
        Some(false) => no,
        None => "not known without a token",
    };
    let ready = if status["ready"] == true { "ready" } else { "not ready" };
    let detail = status["detail"].as_str().map(|d| format!(": {d}")).unwrap_or_default();
    format!(
        "{ready}{detail}\nmirroring  {}\nevidence   {}\nadmin      {}\n",
        word("mirroring", "on", "off: switched off by hand"),
        word("durable", "kept on disk", "not kept on disk: see the log"),
        status["admin"].as_str().unwrap_or("")
    )
}
