//! What `report` and `gate` want to know, from a running proxy or from the store: the same types either way.

use super::args::Source;
use super::client::{AdminClient, Found, find};
use super::exit::Failure;
use super::now;
use crate::app::Offline;
use crate::evidence::Example;
use crate::gate::{Judgement, Policy};
use crate::report::pages::encoded;
use crate::report::{self, DivergenceDetail, Examples, Report};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Somebody who can be asked, several times.
#[derive(Debug)]
pub enum Asked {
    Proxy(AdminClient),
    Store(Box<Offline>),
}

impl Asked {
    /// Finds whom `source` means. A store is judged by `policy` where one is given, else by what it kept.
    pub async fn find(source: &Source, policy: Option<Policy>) -> Result<Self, Failure> {
        match find(source).await? {
            Found::Proxy(client) => Ok(Asked::Proxy(client)),
            Found::Store(folder) => Ok(Asked::Store(Box::new(open(&folder, policy)?))),
        }
    }

    pub async fn report(&self) -> Result<Report, Failure> {
        match self {
            Asked::Proxy(client) => parse(&client.get("/api/v1/report").await?, client.url()),
            Asked::Store(store) => Ok(store.report(now())),
        }
    }

    pub async fn judgement(&self, build: Option<&str>) -> Result<Judgement, Failure> {
        match self {
            Asked::Proxy(client) => {
                let path = match build {
                    Some(build) => format!("/api/v1/gate?candidate_build={}", encoded(build)),
                    None => "/api/v1/gate".to_owned(),
                };
                parse(&client.get(&path).await?, client.url())
            }
            Asked::Store(store) => Ok(store.judgement(now(), build)),
        }
    }

    /// What the store was judged by; a proxy keeps that to itself.
    pub fn policy(&self) -> Option<&Policy> {
        match self {
            Asked::Proxy(_) => None,
            Asked::Store(store) => Some(store.policy()),
        }
    }

    /// Proposed rules as TOML.
    pub async fn proposals(&self) -> Result<String, Failure> {
        #[derive(serde::Deserialize)]
        struct Suggestions {
            toml: String,
        }
        match self {
            Asked::Proxy(client) => {
                let body = client.get("/api/v1/rules/suggestions").await?;
                Ok(parse::<Suggestions>(&body, client.url())?.toml)
            }
            Asked::Store(store) => Ok(report::proposals_toml(&store.proposals())),
        }
    }

    /// Every exchange that was kept, with its route, each once.
    pub async fn stored(&self, report: &Report) -> Result<Vec<(Arc<str>, Arc<Example>)>, Failure> {
        let mut stored = BTreeMap::new();
        for divergence in report.divergences.iter().filter(|d| !d.examples.is_empty()) {
            for example in self.detail(&divergence.fingerprint).await?.into_iter().flat_map(|d| d.examples) {
                stored.entry((divergence.route.clone(), example.id.clone())).or_insert(example);
            }
        }
        Ok(stored.into_iter().map(|((route, _), example)| (route, example)).collect())
    }

    async fn detail(&self, fingerprint: &str) -> Result<Option<DivergenceDetail>, Failure> {
        match self {
            Asked::Proxy(client) => match client.get(&format!("/api/v1/divergences/{fingerprint}")).await {
                Ok(body) => parse(&body, client.url()).map(Some),
                // It has gone since it was listed.
                Err(_) => Ok(None),
            },
            Asked::Store(store) => Ok(store.divergence(fingerprint)),
        }
    }

    /// The examples of the report's first divergences, as many as are worth writing out.
    pub async fn examples(&self, report: &Report) -> Result<Examples, Failure> {
        const MOST: usize = 100;
        let mut examples = Examples::new();
        for divergence in report.divergences.iter().take(MOST) {
            let Some(detail) = self.detail(&divergence.fingerprint).await? else { continue };
            examples.insert(divergence.fingerprint.clone(), detail.examples);
        }
        Ok(examples)
    }
}

fn open(folder: &Path, policy: Option<Policy>) -> Result<Offline, Failure> {
    Ok(Offline::open(folder, policy)?)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8], url: &str) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|e| {
        Failure::new(format!("what answers at {url} is not a Parallax of this version: {e}"))
            .help("is this the admin address? `parallax status --admin URL` tells")
    })
}
