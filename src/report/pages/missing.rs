//! What a link that leads nowhere shows: most are about an epoch that is over.

use super::{Deed, Frame, Look, Query, filters, rendered};
use askama::Template;

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing<'a> {
    frame: Frame<'a>,
    what: &'a str,
}

/// `here` is the list in which it was looked for; `what` says what is missing.
pub fn missing(look: &Look, deeds: &[Deed], here: &'static str, what: &str, query: &Query) -> String {
    rendered(&Missing { frame: Frame::new(look, deeds, here, "Not here", query.get("epoch")), what })
}
