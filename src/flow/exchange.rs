//! One request on its way from the data plane to the mirror, and the question whether it goes there at all.

use super::{PrimaryHead, RequestBody, Ticket};
use crate::http1::Added;
use crate::model::{Answer, Bucket, Fields, LegRecord, Permit, RequestHead};
use crate::routes::RouteTable;
use http::{Method, Version};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the mirror decides by.
#[derive(Debug)]
pub struct Asked<'a> {
    /// When it began.
    pub due: Instant,
    pub method: &'a Method,
    pub headers: &'a Fields,
    pub client: IpAddr,
    /// Index of the configured route, where one matched.
    pub configured: Option<usize>,
    /// The request wants a tunnel (WebSocket, CONNECT).
    pub upgrade: bool,
}

/// A place among the mirrored exchanges.
#[derive(Debug)]
pub struct Admission {
    pub permit: Permit,
    /// Index of the configured route, where one matched.
    pub configured: Option<usize>,
    /// Bytes of one body kept whole.
    pub max_body: usize,
    /// It tries a candidate that had been given up: until it is settled no other one does.
    pub probe: bool,
}

/// What the primary did, as the data plane saw it. Dropped unsent where the request itself never came whole.
#[derive(Debug)]
pub enum PrimaryOutcome {
    Answered {
        answer: Box<Answer>,
        record: LegRecord,
    },
    Failed {
        record: LegRecord,
    },
    /// The client went away while it was being answered.
    ClientAborted,
}

/// A request as the legs are asked it, shared by all of them.
#[derive(Debug)]
pub struct Question {
    pub head: RequestHead,
    /// What the proxy says beside the client's fields.
    pub added: Option<Arc<Added>>,
    /// The client's.
    pub version: Version,
    pub body: RequestBody,
    /// Bytes of one body kept whole.
    pub max_body: usize,
}

/// A mirrored exchange as the data plane hands it over.
#[derive(Debug)]
pub struct Exchange {
    pub ticket: Ticket,
    pub admission: Admission,
    /// When the mirror legs are due: when the primary's request started.
    pub due: Instant,
    pub question: Arc<Question>,
    /// Where the request's body has a say in the name of the route.
    pub naming: Option<Arc<RouteTable>>,
    pub primary_head: Arc<PrimaryHead>,
    pub primary: oneshot::Receiver<PrimaryOutcome>,
}

impl Question {
    /// The head as it was sent, but for what is different for each leg.
    pub fn sent(&self) -> RequestHead {
        let mut head = self.head.clone();
        if let Some(added) = &self.added {
            added.set(head.headers.table_mut());
        }
        head
    }
}

/// The mirror, as the data plane knows it: a decision that is one value, and a hand-over that never waits.
pub trait Mirror: Send + Sync + std::fmt::Debug {
    /// Takes the exchange, or names the one bucket it falls into.
    fn decide(&self, asked: &Asked<'_>) -> Result<Admission, Bucket>;

    /// Starts the mirror legs of an admitted exchange in the background.
    fn start(self: Arc<Self>, exchange: Exchange);
}

/// Where pairs go to be compared, as the mirror knows it.
pub trait Judge: Send + Sync + std::fmt::Debug {
    /// Settles the pair: at once where the answers are equal, later and elsewhere where they are not.
    fn submit(&self, pair: super::Pair);

    /// Generation of the rules in force.
    fn generation(&self) -> u64;
}
