//! The fields that speak of one connection only.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Removes the hop-by-hop fields of RFC 9110 7.6.1: those it names, and those `Connection` names. `Trailer` stays,
/// since trailers are passed on; `TE` stays as `trailers` where it says so. With `Transfer-Encoding` goes a length that
/// stood beside it and does not hold (RFC 9112 6.3).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have one of them at most: passes over the names are cheaper than looking up each that might be there.
    while let Some(field) = headers.keys().find(|name| is_hop_by_hop(name)).cloned() {
        if field == CONNECTION {
            named_by_connection(headers).iter().for_each(|name| drop(headers.remove(name)));
        }
        headers.remove(&field);
        if field == TRANSFER_ENCODING {
            headers.remove(CONTENT_LENGTH);
        }
    }
    strip_te(headers);
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "http2-settings"
    )
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|v| v.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        // The two that are said most often name nothing that is not removed anyway.
        .filter(|name| !name.eq_ignore_ascii_case(b"keep-alive") && !name.eq_ignore_ascii_case(b"close"))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !matches!(*name, TE | TRAILER | HOST | CONTENT_LENGTH))
        .collect()
}

fn strip_te(headers: &mut HeaderMap) {
    let Some(te) = headers.get(TE) else { return };
    if te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn hop_by_hop_fields_go_and_the_rest_stays() {
        let mut headers = map(&[
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "deflate, trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers"), ("trailer", "x-sum"), ("accept", "*/*")]));
    }
}
