//! Values whose order means nothing: token lists, directives, links.

use super::Values;
use super::params::{split_outside_quotes, unquote};
use crate::diff::Context;
use crate::diff::origin::{Side, resolve};
use std::collections::{BTreeMap, BTreeSet};

/// The elements of all lines, as they are written.
pub(super) fn listed(values: &Values<'_>) -> Vec<String> {
    values
        .each()
        .flat_map(|line| split_outside_quotes(&line, ',').into_iter().map(|e| e.trim().to_owned()).collect::<Vec<_>>())
        .collect()
}

/// Tokens of all lines, folded.
pub(super) fn tokens(values: &Values<'_>) -> BTreeSet<String> {
    let all = values.joined();
    all.split(',').map(|t| t.trim().to_ascii_lowercase()).filter(|t| !t.is_empty()).collect()
}

/// `name=value` pairs of all lines, names folded, quotes taken off.
pub(super) fn directives(values: &Values<'_>, separator: char) -> BTreeMap<String, String> {
    let all = values.joined();
    split_outside_quotes(&all, separator)
        .into_iter()
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.trim().to_ascii_lowercase(), unquote(value.trim()))
        })
        .filter(|(name, _)| !name.is_empty())
        .fold(BTreeMap::new(), |mut all, (name, value)| {
            // One that is given twice is two values.
            all.entry(name).and_modify(|v: &mut String| *v = format!("{v}, {value}")).or_insert(value);
            all
        })
}

/// How the candidate's set stands to the primary's.
pub(super) fn relation<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> &'static str {
    if b.is_subset(a) {
        "fewer"
    } else if b.is_superset(a) {
        "more"
    } else {
        "other"
    }
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
                .map(|p| p.split_once('=').unwrap_or((p, "")))
                .map(|(name, value)| {
                    let name = name.trim().to_ascii_lowercase();
                    let value = unquote(value.trim());
                    // Relations are words in any order.
                    let value = if name == "rel" { words(&value) } else { value };
                    (name, value)
                })
                .collect();
            format!("{target} {params:?}")
        })
        .collect();
    (set, well_written)
}

/// `5; url=/next`: the delay, and where to.
pub(super) fn refresh(context: &Context<'_>, side: Side, text: &str) -> String {
    let (delay, rest) = text.split_once([';', ',']).unwrap_or((text, ""));
    let rest = rest.trim();
    let url = match rest.get(..4) {
        Some(head) if head.eq_ignore_ascii_case("url=") => rest.get(4..).unwrap_or_default(),
        _ => rest,
    };
    let url = url.trim().trim_matches(['"', '\'']);
    format!("{}; {}", delay.trim(), resolve(context, side, url))
}

fn words(text: &str) -> String {
    let words: BTreeSet<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}
