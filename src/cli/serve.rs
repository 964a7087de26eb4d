//! `parallax serve`.

use super::args::{ColorWhen, ServeArgs};
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{block_on_threads, say};
use crate::app::{App, Origin};
use crate::config::{self, Checked, Flags};
use crate::limits;
use crate::shutdown::{Shutdown, Signal, Signals};
use crate::telemetry::{self, LogFormat};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// What it takes at most to put the evidence away, where nothing else is waited for.
const LAST: Duration = Duration::from_secs(1);

pub fn run(args: ServeArgs, color: ColorWhen, quiet: bool) -> Result<Exit, Failure> {
    let flags = Flags {
        primary: args.primary,
        candidate: args.candidate,
        control: args.control,
        listen: args.listen,
        admin: args.admin,
        data: args.data,
        candidate_build: args.candidate_build,
        offline: false,
    };
    let settings = config::load(args.config.as_deref(), &flags)
        .map_err(|e| Failure::drawn(e.render(Look::stderr(color).color)))?;
    telemetry::init(&settings.telemetry, Look::stderr(color).color)?;
    if let Err(error) = limits::raise_descriptors() {
        tracing::warn!(%error, "could not raise the limit on file descriptors");
    }
    block_on_threads(async {
        let mut signals = Signals::install()?;
        let (told, asked) = mpsc::channel(1);
        let app = App::build(settings.clone()).await?;
        match settings.telemetry.format {
            _ if quiet => {}
            LogFormat::Text => say(&greeting(&app, &settings)),
            // Whoever reads lines of JSON gets nothing else.
            LogFormat::Json => tracing::info!(
                proxy = app.listen_url(),
                primary = %settings.primary,
                candidate = %settings.candidate,
                control = settings.control.as_ref().map(tracing::field::display),
                admin = app.admin_url(),
                evidence = %settings.store.path.display(),
                "ready"
            ),
        }
        let legs = 1 + usize::from(settings.control.is_some());
        let scarce = limits::warning(limits::descriptors(), settings.listen.max_connections, legs);
        for warning in settings.warnings.iter().chain(&scarce) {
            tracing::warn!("{warning}");
        }
        if let Some(file) = &args.ready_file {
            write_ready(file, &app)?;
        }
        let checking = app.check_legs();
        tokio::spawn(async move {
            for trouble in checking.await {
                tracing::warn!("{trouble}");
            }
        });
        let shutdown = Shutdown::new();
        let running = tokio::spawn(app.run(Some(Origin { file: args.config, flags, asked }), shutdown.clone()));
        let late = async {
            shutdown.hurried().await;
            sleep(LAST).await;
        };
        tokio::pin!(running, late);
        loop {
            tokio::select! {
                ended = &mut running => {
                    let kept = ended?;
                    return kept.map(|()| Exit::Ok).map_err(|why| {
                        Failure::new(format!("the evidence of the last moments could not be kept: {why}"))
                    });
                }
                () = &mut late => {
                    return Err(Failure::new("the evidence of the last moments could not be put away in time"));
                }
                signal = signals.next() => match signal {
                    Signal::Drain if shutdown.is_hurried() => {}
                    Signal::Drain if shutdown.is_triggered() => {
                        tracing::warn!("told to stop a second time: what is in flight is dropped");
                        shutdown.hurry();
                    }
                    Signal::Drain => {
                        tracing::info!("stopping: clients in flight are served, then the evidence is put away");
                        shutdown.trigger();
                    }
                    // One that waits already covers this one too.
                    Signal::Reload => drop(told.try_send(())),
                },
            }
        }
    })
}

fn greeting(app: &App, settings: &Checked) -> String {
    let control = settings.control.as_ref().map(|c| format!("  control    {c}\n")).unwrap_or_default();
    let methods: Vec<&str> = settings.mirror.methods.iter().map(http::Method::as_str).collect();
    format!(
        "parallax {} is ready\n  proxy      {}   users are served by {}\n  candidate  {}   mirrored: {} of {}\n{control}  admin      {}\n  evidence   {}\n",
        env!("CARGO_PKG_VERSION"),
        app.listen_url(),
        settings.primary,
        settings.candidate,
        percent(settings.mirror.sample),
        methods.join(", "),
        app.admin_url(),
        settings.store.path.display(),
    )
}

fn percent(share: f64) -> String {
    format!("{} %", share * 100.0)
}

/// Written aside, then renamed: whoever sees the file sees all of it.
fn write_ready(file: &Path, app: &App) -> Result<(), Failure> {
    let fail = |e: std::io::Error| Failure::new(format!("cannot write the ready file {}: {e}", file.display()));
    let ready = json!({
        "listen": app.listen.to_string(),
        "admin": app.admin.to_string(),
        "pid": std::process::id(),
    });
    let mut aside = file.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    std::fs::write(&aside, format!("{ready}\n")).map_err(fail)?;
    std::fs::rename(&aside, file).map_err(fail)
}
