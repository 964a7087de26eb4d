//! Values whose order means nothing: token lists, directives, links.

use super::Values;
use super::params::{split_outside_quotes, unquote};
use crate::diff::Context;
use crate::diff::origin::{Side, resolve};
use std::collections::{BTreeMap, BTreeSet};

/// Tokens of all lines, folded.
pub(super) fn tokens(values: &Values<'_>) -> BTreeSet<String> {
    let all = values.joined();
    all.split(',').map(|t| t.trim().to_ascii_lowercase()).filter(|t| !t.is_empty()).collect()
}

/// `name=value` pairs of all lines, names folded, quotes taken off.
pub(super) fn directives(values: &Values<'_>, separator: char) -> BTreeSet<String> {
    let all = values.joined();
    split_outside_quotes(&all, separator)
        .into_iter()
        .map(|part| match part.split_once('=') {
            Some((name, value)) => format!("{}={}", name.trim().to_ascii_lowercase(), unquote(value.trim())),
            None => part.trim().to_ascii_lowercase(),
        })
        .filter(|d| !d.is_empty())
        .collect()
}

/// How the candidate's set stands to the primary's.
pub(super) fn relation(a: &BTreeSet<String>, b: &BTreeSet<String>) -> &'static str {
    if b.is_subset(a) {
        "fewer"
    } else if b.is_superset(a) {
        "more"
    } else {
        "other"
    }
}

/// A policy with white space evened out and nonces put aside.
pub(super) fn policy(values: &Values<'_>) -> String {
    let all = values.joined();
    let words = all.split_whitespace().map(|word| {
        let (word, end) = word.strip_suffix(';').map_or((word, ""), |w| (w, ";"));
        if word.starts_with("'nonce-") { format!("'nonce-*'{end}") } else { format!("{word}{end}") }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The links of all lines as a set of (relation, target, other parameters), and whether each was well written.
pub(super) fn links(values: &Values<'_>, context: Option<&Context<'_>>, side: Side) -> (BTreeSet<String>, bool) {
    let all = values.joined();
    let mut well_written = true;
    let set = split_outside_quotes(&all, ',')
        .into_iter()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(|link| {
            let mut parts = split_outside_quotes(link, ';').into_iter();
            let target = parts.next().unwrap_or_default().trim();
            let bare = target.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
            well_written &= bare.is_some();
            let target = bare.unwrap_or(target);
            let target = context.map_or_else(|| target.to_owned(), |c| resolve(c, side, target));
            let params: BTreeMap<String, String> = parts
                .filter_map(|p| p.split_once('='))
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), unquote(value.trim())))
                .collect();
            format!("{target} {params:?}")
        })
        .collect();
    (set, well_written)
}

/// `5; url=/next`: the delay, and where to.
pub(super) fn refresh(text: &str, context: &Context<'_>, side: Side) -> (String, String) {
    let (delay, rest) = text.split_once([';', ',']).unwrap_or((text, ""));
    let rest = rest.trim();
    let url = match rest.get(..4) {
        Some(head) if head.eq_ignore_ascii_case("url=") => rest.get(4..).unwrap_or_default(),
        _ => rest,
    };
    let url = url.trim().trim_matches(['"', '\'']);
    (delay.trim().to_owned(), resolve(context, side, url))
}
