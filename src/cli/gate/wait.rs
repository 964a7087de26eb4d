//! Asking again until it is decided, the time is up, or somebody has had enough. Ends the same way with and without a
//! terminal.

use super::super::args::ColorWhen;
use super::super::asked::Asked;
use super::super::exit::Failure;
use super::super::say;
use super::super::terminal::Look;
use super::Question;
use super::progress::Progress;
use super::silence::Silence;
use crate::gate::{Judgement, Verdict};
use crate::report::duration;
use crate::shutdown::Signals;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Between two questions while waiting.
const PACE: Duration = Duration::from_secs(1);
/// A proxy that stops answering while we wait may be restarting.
const FORGIVEN: u32 = 10;

/// The last that was heard, and why nobody asks any more.
#[derive(Debug)]
pub struct Waited {
    pub judgement: Judgement,
    pub ended: Ended,
    /// Why nothing was compared lately, where nothing was.
    pub silence: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Asked,
    Decided,
    TimeUp(Duration),
    Interrupted(Duration),
}

/// `None` where it was interrupted before there was anything to show, which has been said then.
pub async fn wait(
    question: &Question<'_>,
    limit: Duration,
    color: ColorWhen,
    quiet: bool,
) -> Result<Option<(Asked, Waited)>, Failure> {
    let started = Instant::now();
    let deadline = started + limit;
    // Before anybody is asked: whoever waits may have had enough of that too.
    let mut signals = Signals::install()?;
    let mut unheard = None;
    let (mut asked, mut judgement) = tokio::select! {
        first = reach(question, deadline, quiet, &mut unheard) => first?,
        _ = signals.next() => {
            let why = unheard.as_deref().unwrap_or("whoever was asked has said nothing yet");
            say(&format!("interrupted after {}, without a verdict: {why}\n", duration(started.elapsed())));
            return Ok(None);
        }
    };
    let mut progress = Progress::new(Look::stderr(color), quiet);
    let mut silence = Silence::new(started);
    let mut missed = 0;
    loop {
        silence.heard(&judgement);
        if judgement.verdict != Verdict::Inconclusive {
            return Ok(Some((asked, Waited { judgement, ended: Ended::Decided, silence: None })));
        }
        let told = silence.explain(&asked, &judgement, missed > 0).await;
        progress.show(&judgement, deadline, told.as_deref());
        let ended = if Instant::now() >= deadline {
            Some(Ended::TimeUp(limit))
        } else {
            tokio::select! {
                answer = again(&mut asked, question, deadline) => {
                    match answer {
                        Ok(heard) => (judgement, missed) = (heard, 0),
                        Err(failure) if !failure.passing || missed >= FORGIVEN => return Err(failure),
                        Err(_) => missed += 1,
                    }
                    None
                }
                _ = signals.next() => Some(Ended::Interrupted(started.elapsed())),
            }
        };
        if let Some(ended) = ended {
            let silence = told.filter(|_| silence.is_news(&judgement));
            return Ok(Some((asked, Waited { judgement, ended, silence })));
        }
    }
}

/// The first answer. Whoever waits may have started before the proxy has; `unheard` says why there is none yet.
async fn reach(
    question: &Question<'_>,
    deadline: Instant,
    quiet: bool,
    unheard: &mut Option<String>,
) -> Result<(Asked, Judgement), Failure> {
    let mut missed = 0;
    loop {
        let answer = async {
            let asked = question.find().await?;
            let judgement = question.ask(&asked).await?;
            Ok((asked, judgement))
        };
        match answer.await {
            Err(Failure { passing: true, message, .. }) if missed < FORGIVEN && Instant::now() < deadline => {
                if missed == 0 && !quiet {
                    say(&format!("{message}: asked again every second\n"));
                }
                missed += 1;
                *unheard = Some(message);
                sleep_until((Instant::now() + PACE).min(deadline)).await;
            }
            answer => return answer,
        }
    }
}

/// Asks again after a moment. A folder without a proxy may have got one meanwhile, and who does not answer another.
async fn again(asked: &mut Asked, question: &Question<'_>, deadline: Instant) -> Result<Judgement, Failure> {
    sleep_until((Instant::now() + PACE).min(deadline)).await;
    if let Asked::Store(_) = asked {
        *asked = question.find().await?;
    }
    match question.ask(asked).await {
        Err(Failure { passing: true, .. }) => {
            *asked = question.find().await?;
            question.ask(asked).await
        }
        answer => answer,
    }
}

// === impl Ended ===

impl Ended {
    /// `--wait is over after 30 min`, where nothing else ended it.
    pub fn told(self) -> Option<String> {
        match self {
            Ended::Asked | Ended::Decided => None,
            Ended::TimeUp(waited) => Some(format!("--wait is over after {}", duration(waited))),
            Ended::Interrupted(waited) => Some(format!("interrupted after {}", duration(waited))),
        }
    }
}
