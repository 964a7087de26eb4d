//! Whom a command asks: a running proxy over its admin interface, or the store it left behind.

use super::args::Source;
use super::exit::Failure;
use crate::admin::INSTANCE;
use crate::model::{FailureKind, Leg};
use crate::store;
use crate::tls::TlsClientSettings;
use crate::upstream::{Ask, LegBody, LegSettings, SendOptions, Upstream, UpstreamOptions};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Where an admin interface is expected when nothing says otherwise.
pub const DEFAULT_ADMIN: &str = "http://127.0.0.1:9900";
/// The folder `serve` keeps its evidence in when nothing says otherwise.
pub const DEFAULT_DATA: &str = "parallax-data";
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any report takes.
const MAX_ANSWER: usize = 64 << 20;

/// Whom to ask.
#[derive(Debug)]
pub enum Found {
    Proxy(AdminClient),
    Store(PathBuf),
}

/// An admin interface.
#[derive(Debug, Clone)]
pub struct AdminClient {
    url: String,
    upstream: Arc<Upstream>,
    token: Option<HeaderValue>,
    /// What every answer has to say of whose it is, where that is known.
    instance: Option<String>,
}

/// An answer of the admin interface.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
}

/// What could not be asked.
#[derive(Debug)]
pub struct Unreachable {
    pub url: String,
    pub kind: FailureKind,
    pub detail: String,
}

/// Finds whom `source` means: the URL it names; the proxy that holds the folder it names, else that folder; or, when
/// it names nothing, the proxy at the default address, else the folder by the default name.
pub async fn find(source: &Source) -> Result<Found, Failure> {
    if let Some(url) = &source.admin {
        return Ok(Found::Proxy(AdminClient::new(url)?));
    }
    if let Some(folder) = &source.data {
        return at_folder(folder).await;
    }
    let client = AdminClient::new(DEFAULT_ADMIN)?;
    match client.answers().await {
        Ok(()) => Ok(Found::Proxy(client)),
        Err(unreachable) => {
            let folder = Path::new(DEFAULT_DATA);
            if folder.is_dir() {
                return at_folder(folder).await;
            }
            Err(Failure::new(format!(
                "no proxy at {DEFAULT_ADMIN} ({}) and no store in ./{DEFAULT_DATA}",
                unreachable.detail
            ))
            .help("name one with `--admin URL` or `--data DIR`")
            .passing())
        }
    }
}

async fn at_folder(folder: &Path) -> Result<Found, Failure> {
    if !folder.is_dir() {
        return Err(Failure::new(format!("there is no folder {}", folder.display()))
            .help("name the folder that `serve --data` was given; reading never creates one")
            .passing());
    }
    // What a proxy left behind that was killed says nothing: others may have its address by now.
    if !store::is_held(folder) {
        return Ok(Found::Store(folder.to_owned()));
    }
    let unreachable = |who: &str, why: &str| {
        Failure::new(format!("{} is held by {who}{why}", folder.join(store::FILE).display()))
            .help("name its admin interface with `--admin URL`")
            .passing()
    };
    let Some(store::Proxy { admin, public, pid, instance }) = store::find_proxy(folder) else {
        return Err(unreachable("a proxy", " that does not say where its admin interface is"));
    };
    let mut tried = Vec::new();
    for url in [Some(admin), public].into_iter().flatten() {
        let client = AdminClient { instance: instance.clone(), ..AdminClient::new(&url)? };
        match client.answers().await {
            Ok(()) => return Ok(Found::Proxy(client)),
            Err(Unreachable { detail, .. }) => tried.push(format!("{url} ({detail})")),
        }
    }
    let why = format!(", which cannot be reached from here at {}", tried.join(" or "));
    Err(unreachable(&format!("the proxy with pid {pid}"), &why))
}

// === impl AdminClient ===

impl AdminClient {
    pub fn new(url: &str) -> Result<Self, Failure> {
        let parsed = crate::config::words::url(url)
            .map_err(|hint| Failure::new(format!("`{url}` is not the URL of an admin interface")).help(hint))?;
        let settings = LegSettings {
            scheme: parsed.scheme,
            host: parsed.host,
            port: parsed.port,
            base_path: parsed.base_path,
            connect_timeout: PATIENCE,
            response_timeout: PATIENCE,
            preserve_host: false,
            tls: TlsClientSettings::default(),
        };
        let upstream = Upstream::new(Leg::Primary, settings, UpstreamOptions::default())?;
        let token = match std::env::var("PARALLAX_TOKEN") {
            Ok(token) => Some(
                HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                    .map_err(|_| Failure::new("PARALLAX_TOKEN holds characters that no token has"))?,
            ),
            Err(_) => None,
        };
        Ok(Self { url: url.trim_end_matches('/').to_owned(), upstream, token, instance: None })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the one who is meant answers. Somebody else is not told the token.
    async fn answers(&self) -> Result<(), Unreachable> {
        let stranger = Self { token: None, ..self.clone() };
        stranger.request(Method::GET, "/healthz", None).await.map(drop)
    }

    /// One request; `json` makes it carry a body.
    pub async fn request(&self, method: Method, path: &str, json: Option<String>) -> Result<Reply, Unreachable> {
        let unreachable = |kind, detail: String| Unreachable { url: self.url.clone(), kind, detail };
        let uri: Uri = path.parse().map_err(|_| unreachable(FailureKind::Protocol, format!("bad path {path}")))?;
        let body = json.map_or(LegBody::Empty, |json| LegBody::Full(Bytes::from(json)));
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(&self.upstream.settings().authority()) {
            headers.insert(HOST, host);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let ask = Ask {
            method: &method,
            uri: &uri,
            headers: &headers.into(),
            added: None,
            version: Version::HTTP_11,
            without: [&[], &[]],
            with: [&[], &[]],
        };
        let ask = async {
            let sent = self.upstream.send(&ask, body, SendOptions::default()).await.map_err(|e| e.failure)?;
            let status = sent.answer.status;
            if self.instance.is_some() && sent.answer.headers.text(&INSTANCE) != self.instance.as_deref() {
                let detail = "somebody else answers there".into();
                return Err(crate::model::Failure { kind: FailureKind::Protocol, detail });
            }
            let body = http_body_util::Limited::new(sent.answer.body, MAX_ANSWER).collect().await;
            let body = body.map_err(|e| crate::model::Failure { kind: FailureKind::Reset, detail: e.to_string() })?;
            Ok::<_, crate::model::Failure>(Reply { status, body: body.to_bytes() })
        };
        match timeout(PATIENCE, ask).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(failure)) => Err(unreachable(failure.kind, failure.detail)),
            Err(_) => Err(unreachable(FailureKind::Timeout, format!("no answer within {PATIENCE:?}"))),
        }
    }

    /// A document; anything but 200 is an error that says what to do.
    pub async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        let reply = self.request(Method::GET, path, None).await?;
        self.document(path, reply)
    }

    /// What a reply to `path` holds; anything but 200 is an error that says what to do.
    pub fn document(&self, path: &str, reply: Reply) -> Result<Bytes, Failure> {
        match reply.status {
            StatusCode::OK => Ok(reply.body),
            StatusCode::UNAUTHORIZED => Err(Failure::new(format!("the admin interface at {} wants a token", self.url))
                .help("PARALLAX_TOKEN=$(cat FILE) parallax …")),
            status => {
                let detail = serde_json::from_slice::<serde_json::Value>(&reply.body)
                    .ok()
                    .and_then(|problem| problem.get("detail")?.as_str().map(str::to_owned));
                Err(Failure::new(match detail {
                    Some(detail) => format!("{}{path} answered {status}: {detail}", self.url),
                    None => format!("{}{path} answered {status}", self.url),
                }))
            }
        }
    }
}

impl From<Unreachable> for Failure {
    fn from(unreachable: Unreachable) -> Self {
        Failure::new(format!("no proxy answers at {} ({})", unreachable.url, unreachable.detail))
            .help("name the admin interface with `--admin URL`, or read the evidence with `--data DIR`")
            .passing()
    }
}
