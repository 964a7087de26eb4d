//! The grouping key of a divergence. No values, indexes, ids, hosts or times go in, so it is stable across machines,
//! restarts and versions.

use xxhash_rust::xxh3::Xxh3Default;

/// RFC 4648 base32 in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Ten base32 characters: the upper 50 bits of the xxh3-128 over `v1` and the five parts, each ended by a zero byte.
pub fn fingerprint(route: &str, kind: &str, location: &str, primary_class: &str, candidate_class: &str) -> String {
    let mut hash = Xxh3Default::new();
    for part in ["v1", route, kind, location, primary_class, candidate_class] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    encode(hash.digest128(), 10)
}

/// The leading `5 * chars` bits as base32.
pub(super) fn encode(digest: u128, chars: u32) -> String {
    (0..chars)
        .map(|i| {
            let five = (digest >> (128 - 5 * (i + 1))) & 31;
            char::from(ALPHABET.get(five as usize).copied().unwrap_or(b'a'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_and_sensitive() {
        let base = fingerprint("GET /a", "json.value", "json:$.a", "number", "number");
        assert_eq!(base.len(), 10);
        assert_eq!(base, fingerprint("GET /a", "json.value", "json:$.a", "number", "number"));
        for other in [
            fingerprint("GET /b", "json.value", "json:$.a", "number", "number"),
            fingerprint("GET /a", "json.type", "json:$.a", "number", "number"),
            fingerprint("GET /a", "json.value", "json:$.b", "number", "number"),
            fingerprint("GET /a", "json.value", "json:$.a", "string", "number"),
            fingerprint("GET /a", "json.value", "json:$.a", "number", "string"),
            // The parts are delimited: what leaves one does not enter the next.
            fingerprint("GET /aj", "son.value", "json:$.a", "number", "number"),
        ] {
            assert_ne!(base, other);
        }
    }

    /// Stored evidence depends on it: a change here needs a new version prefix.
    #[test]
    fn version_one_never_changes() {
        assert_eq!(fingerprint("GET /users/{id}", "status.class", "status", "200", "500"), "kpv2d7eqha");
    }
}
