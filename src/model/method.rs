//! What a method promises.

use http::Method;

/// Methods beyond HTTP's own that only read, each by its RFC: WebDAV's (4918, 3253, 5323) and QUERY.
const READ_ONLY: [&str; 4] = ["PROPFIND", "REPORT", "SEARCH", "QUERY"];

/// Whether a request of this method changes nothing, so that it may be asked of several systems, and again.
pub fn is_read_only(method: &Method) -> bool {
    method.is_safe() || READ_ONLY.contains(&method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads() {
        for (name, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("PROPFIND", true),
            ("REPORT", true),
            ("SEARCH", true),
            ("QUERY", true),
            ("POST", false),
            ("PROPPATCH", false),
            ("MKCALENDAR", false),
            ("propfind", false),
            ("FOO", false),
        ] {
            assert_eq!(is_read_only(&name.parse().unwrap()), expected, "{name}");
        }
    }
}
