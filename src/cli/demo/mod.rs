//! `parallax demo`: the product in one command.

mod services;
mod traffic;

use super::args::{ColorWhen, DemoArgs};
use super::client::AdminClient;
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on_threads, print, say};
use crate::app::App;
use crate::config::{self, Checked, Flags};
use crate::gate::{Judgement, Verdict};
use crate::report::{self, Report, Style};
use crate::shutdown::Shutdown;
use services::{BUILD, Edition};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use traffic::Served;

/// How long a demo without `--seconds` runs before it shows its result.
const DEFAULT_SECONDS: u64 = 10;
const TOLERANCE: &str = "1%";
const MIN_SECONDS: u64 = 4;

pub fn run(args: DemoArgs, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    // A demo fits into what there is.
    let _ = crate::limits::raise_descriptors();
    block_on_threads(demo(args, color, quiet))
}

async fn demo(args: DemoArgs, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    let tell = |text: &str| {
        if !quiet {
            say(text)
        }
    };
    let folder = tempfolder()?;
    let services = async {
        Ok::<_, std::io::Error>((
            services::start(Edition::Old).await?,
            services::start(Edition::New).await?,
            services::start(Edition::Old).await?,
        ))
    };
    let (primary, candidate, control) = services.await?;
    let settings = settings(primary, candidate, control, &folder).await?;
    let app = App::build(settings).await?;
    let (proxy, admin_url, listen_url) = (app.listen, app.admin_url(), app.listen_url());
    tell(&format!(
        "Two small services that should behave alike, {} requests a second, and Parallax between them.\n\
         \x20 dashboard  {admin_url:<24}  open it now, it moves\n\
         \x20 proxy      {listen_url:<24}  curl -i {listen_url}/products/7\n\
         \x20 limits     tolerance 1 %, {MIN_SECONDS} s: a demo's. The defaults ask for 0.1 % and 24 h.\n\n",
        traffic::RATE
    ));
    let shutdown = Shutdown::new();
    let running = tokio::spawn(app.run(None, shutdown.clone()));
    let served = Arc::new(Served::default());
    let clients = traffic::start(proxy, served.clone());
    let client = AdminClient::new(&admin_url)?;

    let look = Look::stderr(color);
    let interactive = args.seconds.is_none() && look.terminal && !quiet;
    let outcome =
        watch(&client, &served, Duration::from_secs(args.seconds.unwrap_or(DEFAULT_SECONDS).max(1)), look, &tell).await;
    let result = match outcome {
        Ok((report, judgement, decided)) => {
            let printed = print(&summary(&report, &judgement, decided, Look::stdout(color)));
            if interactive {
                say(&format!("\nThe dashboard stays at {admin_url} until Ctrl-C.\n"));
                // Whether it comes or cannot be waited for, the demo is over.
                let _ = tokio::signal::ctrl_c().await;
            }
            printed.map(|()| Exit::Ok)
        }
        Err(failure) => Err(failure),
    };
    drop(clients);
    shutdown.trigger();
    // The result has been shown; a demo need not linger.
    let _ = tokio::time::timeout(Duration::from_secs(5), running).await;
    let _ = std::fs::remove_dir_all(&folder);
    result
}

/// Says how it goes until the time is up or Ctrl-C; the last report and when the verdict was first decided.
async fn watch(
    client: &AdminClient,
    served: &Served,
    limit: Duration,
    look: Look,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<(Report, Judgement, Option<Duration>), Failure> {
    let start = Instant::now();
    let mut tick = interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut decided = None;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = sleep(limit.saturating_sub(start.elapsed())) => break,
            _ = &mut interrupted => break,
        }
        let judgement: Judgement = ask(client, "/api/v1/gate").await?;
        if judgement.verdict != Verdict::Inconclusive && decided.is_none() {
            decided = Some(start.elapsed());
        }
        let report: Report = ask(client, "/api/v1/report").await?;
        let seconds = start.elapsed().as_secs();
        let line = format!(
            "{:02}:{:02}  {} requests, {} compared, {} divergent; users saw the primary only, {} errors",
            seconds / 60,
            seconds % 60,
            report::thousands(report.totals.requests),
            report::thousands(report.totals.compared),
            report::thousands(report.totals.divergent),
            report::thousands(served.errors.load(Ordering::Relaxed)),
        );
        match look.terminal {
            true => tell(&format!("\r\x1b[2K{line}")),
            false if tick_is_whole_second(start) => tell(&format!("{line}\n")),
            false => {}
        }
    }
    if look.terminal {
        tell("\n");
    }
    Ok((ask(client, "/api/v1/report").await?, ask(client, "/api/v1/gate").await?, decided))
}

/// Without a terminal every other tick is enough.
fn tick_is_whole_second(start: Instant) -> bool {
    start.elapsed().subsec_millis() < 500
}

async fn ask<T: serde::de::DeserializeOwned>(client: &AdminClient, path: &str) -> Result<T, Failure> {
    Ok(serde_json::from_slice(&client.get(path).await?)?)
}

/// The demo's own short report: a line for each route with what is behind it.
fn summary(report: &Report, judgement: &Judgement, decided: Option<Duration>, look: Look) -> String {
    let style = Style { color: look.color, unicode: look.unicode, width: look.width };
    let headline = match judgement.verdict {
        Verdict::Fail => format!("candidate {BUILD} does not behave like the primary"),
        Verdict::Pass => format!("candidate {BUILD} behaves like the primary"),
        Verdict::Inconclusive => "not decided yet: let it run longer".to_owned(),
    };
    let when = decided.map(|d| format!(" (decided after {:.1} s)", d.as_secs_f64())).unwrap_or_default();
    let mut out = format!("\n{}\n", style.headline(judgement.verdict, &format!("{headline}{when}"), 0));
    let mut routes: Vec<_> = report.routes.iter().collect();
    routes.sort_by(|a, b| b.divergence.rate.total_cmp(&a.divergence.rate));
    let rows: Vec<[String; 5]> = routes
        .iter()
        .map(|route| {
            let of =
                |counts: bool| report.divergences.iter().find(|d| d.route == route.route && (d.counted > 0) == counts);
            let (place, what) = match of(true).or_else(|| of(false)) {
                Some(d) if d.counted > 0 => (d.location.to_string(), d.summary.clone()),
                Some(d) if d.excused_by.as_deref() == Some("noise") => {
                    (d.location.to_string(), "differs always: noise, the control differs as well".to_owned())
                }
                Some(d) => (d.location.to_string(), d.excused_by.as_deref().unwrap_or("excused").to_owned()),
                None => (String::new(), "no difference".to_owned()),
            };
            [
                route.route.to_string(),
                format!(
                    "{} of {}",
                    report::thousands(route.counts.divergent),
                    report::thousands(route.counts.compared)
                ),
                match route.counts.divergent {
                    0 => "0   %".to_owned(),
                    _ => format!("{:.1} %", route.divergence.rate * 100.0),
                },
                place,
                what,
            ]
        })
        .collect();
    let width = |at: usize| rows.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let (w0, w1, w2, w3) = (width(0), width(1), width(2), width(3));
    for (route, [name, count, rate, place, what]) in routes.iter().zip(&rows) {
        let verdict = if route.counts.divergent == 0 { Verdict::Pass } else { Verdict::Fail };
        let symbol = style.symbol(verdict);
        let before = if look.unicode { 2 } else { 5 } + w0 + 2 + w1 + 2 + w2 + 3 + w3 + 2;
        let what = style.wrap(what, before);
        out.push_str(&format!("{symbol} {name:<w0$}  {count:>w1$}  {rate:>w2$}   {place:<w3$}  {what}\n"));
    }
    out.push_str("\nNow yours:  parallax serve --primary http://old:8080 --candidate http://new:8080\n");
    out
}

async fn settings(
    primary: SocketAddr,
    candidate: SocketAddr,
    control: SocketAddr,
    folder: &Path,
) -> Result<Checked, Failure> {
    let file = folder.join("demo.toml");
    std::fs::write(
        &file,
        format!(
            "[gate]\ncriteria = [\"divergence\", \"unjudged\", \"minimum\"]\ntolerance = \"{TOLERANCE}\"\nmin_duration = \"{MIN_SECONDS}s\"\n[telemetry]\nlog.level = \"error\"\n"
        ),
    )?;
    let flags = Flags {
        primary: Some(format!("http://{primary}")),
        candidate: Some(format!("http://{candidate}")),
        control: Some(format!("http://{control}")),
        listen: Some(free_or(8080).await),
        admin: Some(free_or(9900).await),
        data: Some(folder.join("data")),
        ..Flags::default()
    };
    config::load(Some(&file), &flags).map_err(|e| Failure::drawn(e.render(false)))
}

/// The usual port where it is free, else any.
async fn free_or(port: u16) -> String {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(_) => format!("127.0.0.1:{port}"),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

fn tempfolder() -> Result<std::path::PathBuf, Failure> {
    let folder = std::env::temp_dir().join(format!("parallax-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .map_err(|e| Failure::new(format!("cannot make the folder {}: {e}", folder.display())))?;
    Ok(folder)
}
