//! What a link that leads nowhere shows: most are about an epoch that is over.

use super::{Frame, Visit, filters, rendered};
use askama::Template;

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing<'a> {
    frame: Frame<'a>,
    what: &'a str,
}

/// `here` is the list in which it was looked for; `what` says what is missing.
pub fn missing(visit: &Visit<'_>, here: &'static str, what: &str) -> String {
    rendered(&Missing { frame: Frame::new(visit, here, "Not here"), what })
}
