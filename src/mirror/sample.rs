//! Who is in the sample: a coin for each request, or a fixed answer for each caller.

use super::SampleBy;
use crate::flow::Asked;
use crate::model::Fields;
use http::HeaderName;
use http::header::COOKIE;
use xxhash_rust::xxh3::xxh3_64;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether a request falls into a sample of `share` (0 to 1). `request` numbers the requests and serves as the coin
/// where the key is the request itself. A request without the key is sampled by the address of its client.
pub fn falls_in(share: f64, by: &SampleBy, asked: &Asked<'_>, request: u64) -> bool {
    if share >= 1.0 {
        return true;
    }
    if share <= 0.0 {
        return false;
    }
    let hash = match by {
        SampleBy::Request => xxh3_64(&request.to_le_bytes()),
        SampleBy::Header(name) => match asked.headers.first(name) {
            Some(value) => xxh3_64(value),
            None => client_hash(asked),
        },
        SampleBy::Cookie(name) => match cookie(asked.headers, name) {
            Some(value) => xxh3_64(value.as_bytes()),
            None => client_hash(asked),
        },
        SampleBy::ClientIp => client_hash(asked),
    };
    // The upper 53 bits as a number in [0, 1).
    ((hash >> 11) as f64) * (1.0 / (1u64 << 53) as f64) < share
}

/// The client as the first proxy in front of us saw it, else as we see it.
fn client_hash(asked: &Asked<'_>) -> u64 {
    let forwarded = asked.headers.text(&FORWARDED_FOR).and_then(|value| value.split(',').next());
    match forwarded.map(str::trim).filter(|v| !v.is_empty()) {
        Some(client) => xxh3_64(client.as_bytes()),
        None => xxh3_64(asked.client.to_string().as_bytes()),
    }
}

fn cookie<'a>(headers: &'a Fields, name: &str) -> Option<&'a str> {
    headers
        .all(&COOKIE)
        .filter_map(|v| std::str::from_utf8(v).ok().filter(|v| v.is_ascii()))
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(n, value)| (n == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Method};
    use std::net::IpAddr;
    use tokio::time::Instant;

    fn asked(headers: &Fields) -> Asked<'_> {
        Asked {
            due: Instant::now(),
            method: &Method::GET,
            headers,
            client: IpAddr::from([127, 0, 0, 1]),
            configured: None,
            upgrade: false,
        }
    }

    #[test]
    fn the_share_is_held() {
        let headers = Fields::default();
        let inside = (0..100_000).filter(|i| falls_in(0.1, &SampleBy::Request, &asked(&headers), *i)).count();
        assert!((9_500..10_500).contains(&inside), "{inside}");
    }

    #[test]
    fn the_same_caller_is_always_in_or_always_out() {
        let mut inside = 0;
        for user in 0..1000 {
            let mut headers = Fields::default();
            headers.table_mut().insert(COOKIE, HeaderValue::from_str(&format!("a=1; uid={user}; b=2")).unwrap());
            let by = SampleBy::Cookie("uid".into());
            let first = falls_in(0.3, &by, &asked(&headers), 0);
            assert!((1..50).all(|n| falls_in(0.3, &by, &asked(&headers), n) == first));
            inside += usize::from(first);
        }
        assert!((230..370).contains(&inside), "{inside}");
    }
}
