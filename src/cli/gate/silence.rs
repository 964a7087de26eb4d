//! Why nothing moves while somebody waits: a wait that can't end is not to be a silent one.

use super::super::asked::Asked;
use crate::evidence::Counts;
use crate::gate::{self, Criterion, Judgement};
use crate::model::Notice;
use std::time::Duration;
use tokio::time::Instant;

/// Without a comparison for so long it is looked into, and for so long again before anything is said.
const LOOK: Duration = Duration::from_secs(10);

/// What is said beside the verdict anyway.
const SAID: [&str; 3] = ["mirroring_off", "nothing_mirrored", "offline"];

/// How long nothing has been compared, and what was counted meanwhile.
#[derive(Debug)]
pub struct Silence {
    /// Comparisons, by epoch, and since when they are so many.
    compared: Option<(String, u64)>,
    since: Instant,
    /// The counts when it was first looked into.
    before: Option<(Counts, Instant)>,
    /// The last explanation, and when it was found.
    told: Option<(String, Instant)>,
}

// === impl Silence ===

impl Silence {
    pub fn new(now: Instant) -> Self {
        Self { compared: None, since: now, before: None, told: None }
    }

    /// Something new was compared, or it was not.
    pub fn heard(&mut self, judgement: &Judgement) {
        let unseen = judgement.criteria.iter().find(|c| c.criterion == Criterion::Unseen);
        let compared = (judgement.epoch.id.clone(), unseen.map_or(0, |c| c.samples));
        if self.compared.as_ref() != Some(&compared) {
            *self = Self { compared: Some(compared), ..Self::new(Instant::now()) };
        }
    }

    /// What to tell those who wait, where there is something to tell.
    pub async fn explain(&mut self, asked: &Asked, judgement: &Judgement, missed: bool) -> Option<String> {
        if missed {
            return Some("the proxy does not answer: it is asked again every second".to_owned());
        }
        let Asked::Proxy(_) = asked else {
            return Some(
                "no proxy is running, so this evidence does not grow: start one with `serve --data`".to_owned(),
            );
        };
        if let Some(notice) = said(judgement) {
            return Some(match &notice.hint {
                Some(hint) => format!("{}; {hint}", notice.message),
                None => notice.message.clone(),
            });
        }
        if self.since.elapsed() < LOOK {
            return None;
        }
        if self.told.as_ref().is_none_or(|(_, at)| at.elapsed() >= LOOK) {
            let totals = asked.report().await.ok()?.totals;
            match &self.before {
                None => self.before = Some((totals, Instant::now())),
                Some((before, at)) if at.elapsed() >= LOOK => {
                    let told = gate::standstill(before, &totals, at.elapsed());
                    self.told = told.map(|told| (told, Instant::now()));
                }
                Some(_) => {}
            }
        }
        self.told.as_ref().map(|(told, _)| told.clone())
    }

    /// Whether the final text would not say so anyway.
    pub fn is_news(&self, judgement: &Judgement) -> bool {
        said(judgement).is_none()
    }
}

fn said(judgement: &Judgement) -> Option<&Notice> {
    judgement.notices.iter().find(|notice| SAID.contains(&notice.code.as_str()))
}
