//! Requests of clients and their answers, in one form whatever the protocol.

use super::body::{AnswerBody, ClientBody};
use super::busy::Busy;
use crate::model::Fields;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

/// A request as it came.
#[derive(Debug)]
pub struct ClientRequest {
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: Fields,
    pub body: ClientBody,
    /// Over HTTP/2, where CONNECT wants the stream for a tunnel.
    pub stream: Option<OnUpgrade>,
}

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// The phrase behind its status, where it is not the usual one.
    pub reason: Option<Bytes>,
    pub headers: Fields,
    pub body: AnswerBody,
}

impl ClientRequest {
    /// One that came over HTTP/2, under way as long as its body is.
    pub fn http2(mut request: Request<Incoming>, busy: Busy) -> Self {
        let stream = (request.method() == Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers.into(),
            body: ClientBody::Http2(body, busy),
            stream,
        }
    }
}

impl From<Reply> for Response<AnswerBody> {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, mut body, .. } = reply;
        body.record_head(|| headers.clone());
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers.into_table();
        response
    }
}
