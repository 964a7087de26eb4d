//! The two words this room needs from `diff`: what a group of differences is called and how one is told.

use crate::diff::Finding;
use xxhash_rust::xxh3::Xxh3Default;

/// The id of a divergence: 10 base32 characters of xxh3-128 over what makes it the same (COMPARING.md 8).
pub(super) fn fingerprint(route: &str, kind: &str, location: &str, primary: &str, candidate: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = Xxh3Default::new();
    for part in ["v1", route, kind, location, primary, candidate] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let bits = hash.digest128();
    (0..10u32).map(|i| char::from(ALPHABET[(bits >> (123 - 5 * i)) as usize & 31])).collect()
}

/// One sentence with the concrete old and new value.
pub(super) fn summarize(finding: &Finding) -> String {
    match (&finding.primary, &finding.candidate) {
        (Some(p), Some(c)) => format!("{}: {p} became {c}", finding.location),
        (Some(p), None) => format!("{}: {p} is missing", finding.location),
        (None, Some(c)) => format!("{}: {c} is new", finding.location),
        (None, None) => format!("{}: {}", finding.location, finding.kind),
    }
}
