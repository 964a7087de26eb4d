//! Names with `*` in them.

/// Whether `pattern` names a route: its full name, or the part behind the method, or that without the operation.
pub fn on_route(pattern: &str, route: &str) -> bool {
    let bare = route.split_once(' ').map_or(route, |(_, bare)| bare);
    let named = bare.rsplit_once(' ').map_or(bare, |(name, _)| name);
    matches(pattern, route) || matches(pattern, bare) || matches(pattern, named)
}

/// `*` stands for any run of characters, an empty one too; everything else for itself.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b", "ab", true),
            ("a*b", "a", false),
            ("a*a", "a", false),
            ("a*c*e", "abcde", true),
            ("a*e*c", "abcde", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn routes_by_full_and_bare_name() {
        assert!(on_route("GET /users/*", "GET /users/{id}"));
        assert!(on_route("query", "POST query"));
        assert!(on_route("legacy-*", "GET legacy-orders"));
        assert!(on_route("api", "POST api GetItem"));
        assert!(on_route("api GetItem", "POST api GetItem"));
        assert!(!on_route("query", "POST queries"));
        assert!(!on_route("POST *", "GET /a"));
    }
}
