//! The small languages inside strings: durations, sizes, shares, addresses and URLs.
//!
//! Every function takes the text and gives the value, or a hint: what to write instead.

use crate::upstream::Scheme;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// `500ms`, `30s`, `10m`, `2h`, `14d`, and several in a row: `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    const HINT: &str = "write a number with its unit: \"500ms\", \"30s\", \"10m\", \"2h\" or \"14d\"";
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(HINT.into());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let micros: u64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(HINT.into()),
        };
        let part = match number.parse::<u64>() {
            Ok(n) => n.checked_mul(micros).map(Duration::from_micros),
            Err(_) => {
                let number: f64 = number.parse().map_err(|_| HINT.to_owned())?;
                Duration::try_from_secs_f64(number * micros as f64 / 1e6).ok()
            }
        };
        total = part.and_then(|p| total.checked_add(p)).ok_or("this is longer than any clock runs")?;
        rest = tail;
    }
    // What is stored and shown counts microseconds in 64 bits.
    if total.as_secs() > 100 * 366 * 86_400 {
        return Err("this is longer than a hundred years".into());
    }
    Ok(total)
}

/// `64KiB`, `1MiB`, `2GiB`, `10kB`, plain bytes.
pub fn size(text: &str) -> Result<u64, String> {
    const HINT: &str = "write bytes, or a number with its unit: \"64KiB\", \"1MiB\" or \"2GiB\"";
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(HINT.into()),
    };
    let bytes = match number.parse::<u64>() {
        Ok(n) => n.checked_mul(unit),
        Err(_) => {
            let number: f64 = number.parse().map_err(|_| HINT.to_owned())?;
            let bytes = number * unit as f64;
            (bytes < 9e18 && bytes.fract() == 0.0).then_some(bytes as u64)
        }
    };
    bytes.filter(|b| i64::try_from(*b).is_ok()).ok_or_else(|| HINT.into())
}

/// `0.1%` or `0.001`. The range is the caller's matter.
pub fn share(text: &str) -> Result<f64, String> {
    const HINT: &str = "write a share such as 0.001, or \"0.1%\"";
    let text = text.trim();
    let (number, percent) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), true),
        None => (text, false),
    };
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(HINT.into());
    }
    let number: f64 = number.parse().map_err(|_| HINT.to_owned())?;
    Ok(if percent { number / 100.0 } else { number })
}

/// An address to listen on; `localhost` means 127.0.0.1.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|p| p.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port));
    }
    Err(match text.rsplit_once(':') {
        Some(("" | "*", port)) if port.parse::<u16>().is_ok() => {
            format!("write \"0.0.0.0:{port}\" for every interface, \"127.0.0.1:{port}\" for this machine only")
        }
        _ if text.parse::<IpAddr>().is_ok() => {
            "there is no port: write it after a colon, or :0 for any free one".into()
        }
        _ if text.parse::<u16>().is_ok() => format!("write \"127.0.0.1:{text}\""),
        _ if text.contains("://") => "write an address and a port, not a URL".into(),
        _ => "write an IP address and a port, such as \"127.0.0.1:8080\"".into(),
    })
}

/// Scheme, host (IPv6 without brackets, lower case), port, base path without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    pub base_path: String,
}

pub fn url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(if text.is_empty() {
            "it is empty".into()
        } else {
            format!("there is no scheme: write \"http://{text}\"")
        });
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "h2c" => Scheme::H2c,
        _ => return Err("the scheme must be http, https or h2c".into()),
    };
    if rest.contains(['?', '#']) {
        return Err("a query or fragment cannot be kept: write the URL up to its path".into());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("user name and password are not taken from a URL: set them with `mirror.set_headers`".into());
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("the `]` of the IPv6 address is missing")?;
        host.parse::<Ipv6Addr>().map_err(|_| "what is in the brackets is not an IPv6 address")?;
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err("a port follows the `]` after a colon".into()),
        }
    } else {
        match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address is written in brackets: http://[::1]:80".into());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err("there is no host".into());
    }
    if !authority.starts_with('[') && !host_name(host) {
        return Err("the host has a character that no host name has".into());
    }
    let port = match port {
        None if scheme == Scheme::Https => 443,
        None => 80,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 && !port.starts_with('+') => number,
            _ => return Err("the port must be a number between 1 and 65535".into()),
        },
    };
    let base_path = path.trim_end_matches('/').to_owned();
    if !base_path.is_empty() && base_path.parse::<http::uri::PathAndQuery>().is_err() {
        return Err("the path has a character that must be percent-encoded".into());
    }
    Ok(Url { scheme, host: host.to_ascii_lowercase(), port, base_path })
}

/// What DNS and its neighbours take: letters, digits, `-`, `.` and the `_` that container networks use.
pub fn host_name(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && !host.starts_with(['.', '-'])
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// `/orders/{id}` and `/files/{*rest}`.
pub fn template(path: &str) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else { return Err("a path begins with a slash".into()) };
    if rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        return Err("write the path only, without query, fragment and spaces".into());
    }
    let mut names = Vec::new();
    let segments: Vec<&str> = rest.split('/').collect();
    for (i, segment) in segments.iter().enumerate() {
        if !segment.contains(['{', '}']) {
            continue;
        }
        let (Some(open), Some(close)) = (segment.find('{'), segment.find('}')) else {
            return Err(format!("a brace of `{segment}` has no partner"));
        };
        if open != 0 || close + 1 != segment.len() || segment.matches(['{', '}']).count() != 2 {
            return Err(format!("`{segment}`: a placeholder such as {{id}} takes its whole segment"));
        }
        let mut name = segment.get(open + 1..close).unwrap_or_default();
        if let Some(tail) = name.strip_prefix('*') {
            if i + 1 != segments.len() {
                return Err(format!("`{segment}`: {{*{tail}}} stands at the end"));
            }
            name = tail;
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            return Err(format!("`{segment}`: a placeholder is named with letters, digits, - and _"));
        }
        if names.contains(&name) {
            return Err(format!("the placeholder {{{name}}} occurs twice"));
        }
        names.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("14d", 1_209_600_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
            ("1.5s", 1_500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "-1s", "1.2.3s", "10S", "1w", "99999999999999999999d", "40000d", "1e3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("64KiB", 65_536),
            ("1MiB", 1_048_576),
            ("1 GiB", 1 << 30),
            ("10kB", 10_000),
            ("512", 512),
            ("7B", 7),
            ("1.5KiB", 1536),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1kib", "1 M", "99999999TiB", "0.3B", "1e9"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares() {
        for (text, value) in [("0.1%", 0.001), ("10%", 0.1), ("0.25", 0.25), ("100 %", 1.0), ("1", 1.0)] {
            assert!((share(text).unwrap() - value).abs() < 1e-15, "{text}");
        }
        for text in ["", "%", "ten", "-1%", "nan", "inf%", "1%%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(address("[::]:0").unwrap().to_string(), "[::]:0");
        assert_eq!(
            address(":8080").unwrap_err(),
            "write \"0.0.0.0:8080\" for every interface, \"127.0.0.1:8080\" for this machine only"
        );
        assert_eq!(address("8080").unwrap_err(), "write \"127.0.0.1:8080\"");
        for text in ["127.0.0.1", "::1", "http://a:1", "a:1", "", "1.2.3.4:70000"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls() {
        let show = |text| url(text).map(|u| format!("{:?} {} {} {}", u.scheme, u.host, u.port, u.base_path));
        for (text, want) in [
            ("http://old:8080", "Http old 8080 "),
            ("https://Shop.example.com/", "Https shop.example.com 443 "),
            ("h2c://[::1]:50051/base/v1/", "H2c ::1 50051 /base/v1"),
            ("HTTP://my_service", "Http my_service 80 "),
        ] {
            assert_eq!(show(text).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(show("localhost:9001").unwrap_err(), "there is no scheme: write \"http://localhost:9001\"");
        for text in [
            "",
            "http://",
            "ftp://a",
            "http://u:p@a",
            "http://a?x=1",
            "http://a#b",
            "http://a:0",
            "http://a:x",
            "http://a:+1",
            "http://a:70000",
            "http://::1",
            "http://[::1",
            "http://[x]",
            "http://a b",
            "http://a/b c",
            "http://a:",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn templates() {
        for path in ["/", "/orders/{id}", "/files/{*rest}", "/a/{b}/c/{d}", "/r/x.json", "/Odata(1)"] {
            assert_eq!(template(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "orders",
            "/{",
            "/}{",
            "/{}",
            "/{*a}/b",
            "/{a}/{a}",
            "/x{*a}",
            "/a?b",
            "/{a}{b}",
            "/a b",
            "/{a b}",
            "/r/{id}.json",
            "/Odata({key})",
        ] {
            assert!(template(path).is_err(), "{path}");
        }
    }
}
