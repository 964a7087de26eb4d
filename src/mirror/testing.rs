//! What tests of this room ask, and whom.

use super::{MirrorSettings, SampleBy, Start};
use crate::flow::{Judge, Pair, Question, RequestBody};
use crate::model::{Fields, Leg, RequestHead};
use crate::tls::TlsClientSettings;
use crate::upstream::{LegSettings, Scheme, Upstream, UpstreamOptions};
use http::{Method, Version};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn settings(timeout: Duration) -> MirrorSettings {
    MirrorSettings {
        sample: 1.0,
        sample_by: SampleBy::Request,
        methods: vec![Method::GET],
        start: Start::Concurrent,
        confirm: false,
        timeout,
        max_in_flight: 1,
        max_rate: 0,
        memory_budget: 1 << 20,
        max_body: 1 << 20,
        set_headers: Vec::new(),
        remove_headers: Vec::new(),
    }
}

pub(super) fn candidate(address: SocketAddr) -> Arc<Upstream> {
    let leg = LegSettings {
        scheme: Scheme::Http,
        host: address.ip().to_string(),
        port: address.port(),
        base_path: String::new(),
        connect_timeout: Duration::from_secs(60),
        response_timeout: Duration::from_secs(60),
        preserve_host: true,
        tls: TlsClientSettings::default(),
    };
    Upstream::new(Leg::Candidate, leg, UpstreamOptions::default()).unwrap()
}

/// `GET /`.
pub(super) fn question() -> Question {
    Question {
        head: RequestHead {
            method: Method::GET,
            uri: "/".parse().unwrap(),
            host: None,
            scheme: "http",
            headers: Fields::default(),
        },
        added: None,
        version: Version::HTTP_11,
        body: RequestBody::Empty,
        max_body: 1 << 20,
    }
}

/// Judges nothing.
#[derive(Debug)]
pub(super) struct NoJudge;

impl Judge for NoJudge {
    fn submit(&self, _pair: Pair) {}

    fn generation(&self) -> u64 {
        1
    }
}
