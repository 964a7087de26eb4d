//! What a link asks of a page.

/// The pairs of a query, decoded.
#[derive(Debug, Clone, Default)]
pub struct Query(pub Vec<(String, String)>);

// === impl Query ===

impl Query {
    /// The first value of that name, where it is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, v)| k == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// The same question with one answer changed; the epoch and the page are not carried over.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let kept = self.0.iter().filter(|(k, v)| !v.is_empty() && k != name && k != "epoch" && k != "page");
        let changed = (name.to_owned(), value.to_owned());
        let pairs = kept.chain((!value.is_empty()).then_some(&changed));
        pairs.map(|(k, v)| format!("{}={}", super::encoded(k), super::encoded(v))).collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_changes_the_others_stay() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let query = Query(vec![pair("show", "all"), pair("kind", ""), pair("epoch", "7"), pair("page", "3")]);
        assert_eq!((query.get("show"), query.get("kind")), (Some("all"), None));
        assert_eq!(query.with("page", "2"), "show=all&page=2");
        assert_eq!(query.with("show", "a b"), "show=a%20b");
        assert_eq!(query.with("show", ""), "");
    }
}
