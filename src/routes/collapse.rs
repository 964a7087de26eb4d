//! Late merging of automatic routes: where a place turned out to hold many words, the rare ones were ids.
//!
//! Done when evidence is read, not when it is stored: the first fifty words below a node had to be kept apart, as
//! nobody could know yet.

use super::automatic::MAX_LITERALS;
use std::collections::BTreeMap;

/// A word with less than one in so many of its node's requests is rare.
const RARE: u64 = 50;

#[derive(Default)]
struct Node<'a> {
    children: BTreeMap<&'a str, Node<'a>>,
    count: u64,
    /// The names that end here.
    ends: Vec<&'a str>,
}

/// Maps old names to new ones, for those that change. Takes the names of automatic routes with their requests: a
/// configured route without a name of its own is called by its path too, and only who holds the configuration knows it.
///
/// A node is merged where it has more than 50 words as children, or 50 and an `{id}` beside them, which is what is
/// left of more; those with less than one in fifty of its requests become `{id}`.
pub fn collapse<'a>(names: impl IntoIterator<Item = (&'a str, u64)>) -> BTreeMap<String, String> {
    let mut methods: BTreeMap<&str, Node<'_>> = BTreeMap::new();
    for (name, count) in names {
        let Some((method, path)) = name.split_once(' ') else { continue };
        let Some(path) = path.strip_prefix('/').filter(|p| !p.contains(' ')) else { continue };
        let mut node = methods.entry(method).or_default();
        for segment in path.split('/') {
            node = node.children.entry(segment).or_default();
            node.count += count;
        }
        node.ends.push(name);
    }
    let mut changed = BTreeMap::new();
    for (method, mut root) in methods {
        root.merge_rare();
        root.rename(&mut format!("{method} "), &mut changed);
    }
    changed
}

/// For each new name of [`collapse`] the glob that means it and all old ones: `GET /tags/*` for `GET /tags/{id}`. Requests
/// keep their old names while they pass.
pub fn globs(renamed: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut globs: BTreeMap<String, String> = BTreeMap::new();
    for (old, new) in renamed {
        let glob = globs.entry(new.clone()).or_insert_with(|| new.clone());
        let both = glob.split('/').zip(old.split('/'));
        let segments: Vec<&str> = both.map(|(glob, old)| if glob == old { glob } else { "*" }).collect();
        *glob = segments.join("/");
    }
    globs
}

impl<'a> Node<'a> {
    fn merge_rare(&mut self) {
        let is_word = |segment: &str| !segment.starts_with('{');
        let words = self.children.keys().filter(|s| is_word(s)).count();
        let total: u64 = self.children.values().map(|c| c.count).sum();
        if words > MAX_LITERALS || (words == MAX_LITERALS && self.children.contains_key("{id}")) {
            let rare: Vec<&str> = self
                .children
                .iter()
                .filter(|(s, c)| is_word(s) && c.count.saturating_mul(RARE) < total)
                .map(|(s, _)| *s)
                .collect();
            for segment in rare {
                if let Some(child) = self.children.remove(segment) {
                    self.children.entry("{id}").or_default().absorb(child);
                }
            }
        }
        self.children.values_mut().for_each(Node::merge_rare);
    }

    fn absorb(&mut self, other: Node<'a>) {
        self.count += other.count;
        self.ends.extend(other.ends);
        for (segment, child) in other.children {
            self.children.entry(segment).or_default().absorb(child);
        }
    }

    fn rename(&self, name: &mut String, changed: &mut BTreeMap<String, String>) {
        for old in self.ends.iter().filter(|old| **old != *name) {
            changed.insert((*old).to_owned(), name.clone());
        }
        for (segment, child) in &self.children {
            let length = name.len();
            name.push('/');
            name.push_str(segment);
            child.rename(name, changed);
            name.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_join_the_ids() {
        let mut names: Vec<(String, u64)> = (0..49).map(|i| (format!("GET /tags/word{i}x/posts"), 3)).collect();
        names.push(("GET /tags/popular/posts".into(), 500));
        names.push(("GET /tags/{id}/posts".into(), 9000));
        names.push(("GET /tags".into(), 10));
        names.push(("POST orders".into(), 10));
        let map = collapse(names.iter().map(|(n, c)| (n.as_str(), *c)));
        assert_eq!(map.len(), 49);
        assert_eq!(map["GET /tags/word7x/posts"], "GET /tags/{id}/posts");
        assert!(!map.contains_key("GET /tags/popular/posts"));
        assert_eq!(
            globs(&map).into_iter().collect::<Vec<_>>(),
            [("GET /tags/{id}/posts".into(), "GET /tags/*/posts".into())]
        );
        // One word fewer and there is no reason to think of ids.
        names.remove(0);
        assert!(collapse(names.iter().map(|(n, c)| (n.as_str(), *c))).is_empty());
    }

    #[test]
    fn what_merges_above_merges_below() {
        let names: Vec<(String, u64)> = (0..200).map(|i| (format!("GET /w{}x/k{}y", i / 2, i), 1)).collect();
        let map = collapse(names.iter().map(|(n, c)| (n.as_str(), *c)));
        assert_eq!(map.len(), 200);
        assert!(map.values().all(|v| v.starts_with("GET /{id}/")));
        assert!(globs(&map).values().all(|glob| glob.starts_with("GET /*/")));
    }
}
