//! Who is in the sample: a coin for each request, or a fixed answer for each caller.

use super::SampleBy;
use crate::flow::Asked;
use crate::model::Fields;
use http::HeaderName;
use http::header::COOKIE;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use xxhash_rust::xxh3::xxh3_64;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Bytes of an address of either kind, written out.
const LONGEST_ADDRESS: usize = 46;

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
            Some(value) => xxh3_64(value),
            None => client_hash(asked),
        },
        SampleBy::ClientIp => client_hash(asked),
    };
    // The upper 53 bits as a number in [0, 1).
    ((hash >> 11) as f64) * (1.0 / (1u64 << 53) as f64) < share
}

/// The client as the first proxy in front of us saw it, else as we see it.
fn client_hash(asked: &Asked<'_>) -> u64 {
    let forwarded = asked.headers.first(&FORWARDED_FOR).and_then(|value| value.split(|b| *b == b',').next());
    match forwarded.map(<[u8]>::trim_ascii).filter(|client| !client.is_empty()) {
        // Some write the port behind it, which is another one for each connection.
        Some(client) => address(client).map_or_else(|| xxh3_64(client), address_hash),
        None => address_hash(asked.client),
    }
}

/// An address, alone or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip()))
}

/// Of the address as it is usually written.
fn address_hash(address: IpAddr) -> u64 {
    let mut text = [0; LONGEST_ADDRESS];
    let mut rest = &mut text[..];
    // There is room for it.
    let _ = write!(rest, "{address}");
    let length = LONGEST_ADDRESS - rest.len();
    xxh3_64(&text[..length])
}

/// In bytes, line by line: whatever else a client has is no reason not to see the one that is meant.
fn cookie<'a>(headers: &'a Fields, name: &str) -> Option<&'a [u8]> {
    let mut pairs = headers.all(&COOKIE).flat_map(|line| line.split(|b| *b == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Method};
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

    /// Whether each of a thousand callers is alike in all the forms in which a request of theirs may come.
    fn sticky(by: &SampleBy, name: HeaderName, forms: impl Fn(usize) -> Vec<Vec<Vec<u8>>>) {
        let mut inside = 0;
        for caller in 0..1000 {
            let falls = forms(caller).into_iter().map(|lines| {
                let mut headers = Fields::default();
                for line in lines {
                    headers.table_mut().append(name.clone(), HeaderValue::from_bytes(&line).unwrap());
                }
                falls_in(0.3, by, &asked(&headers), 0)
            });
            let falls: Vec<bool> = falls.collect();
            assert!(falls.iter().all(|inside| *inside == falls[0]), "{caller}: {falls:?}");
            inside += usize::from(falls[0]);
        }
        assert!((230..370).contains(&inside), "{inside}");
    }

    #[test]
    fn other_cookies_change_nothing_whatever_is_in_them() {
        sticky(&SampleBy::Cookie("uid".into()), COOKIE, |user| {
            let uid = format!("uid={user}").into_bytes();
            vec![
                vec![uid.clone()],
                vec![[b"n=J\xc3\xb6rg; ".as_slice(), &uid, b" ; uid2=x"].concat()],
                vec![[&uid, b";\xff; =; uid".as_slice()].concat()],
                vec![b"\xff\xfe=\xe9".to_vec(), b"xuid=1; uid".to_vec(), uid],
            ]
        });
    }

    #[test]
    fn a_port_behind_an_address_changes_nothing() {
        sticky(&SampleBy::ClientIp, FORWARDED_FOR, |n| {
            let forms = match n % 2 {
                0 => [":40001", ":40002, 10.1.1.1", ", unknown", " "]
                    .map(|after| format!("10.0.{}.{}{after}", n / 256, n % 256)),
                _ => [
                    format!("2001:db8::{n:x}"),
                    format!("[2001:DB8::{n:x}]:4001"),
                    format!("[2001:db8:0::{n:x}] , 10.1.1.1"),
                    format!("[2001:db8::{n:x}]:4002"),
                ],
            };
            forms.map(|line| vec![line.into_bytes()]).to_vec()
        });
        // What is no address is a name for somebody all the same.
        sticky(&SampleBy::ClientIp, FORWARDED_FOR, |n| {
            let name = format!("_caller{n}");
            vec![vec![name.clone().into_bytes()], vec![format!("{name}, 10.0.0.1").into_bytes()]]
        });
    }
}
