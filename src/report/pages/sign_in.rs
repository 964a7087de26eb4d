//! The sign-in form. It stands alone: it says nothing of what it guards.

use super::rendered;
use askama::Template;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    next: &'a str,
    error: Option<&'a str>,
}

/// The form; `next` is where to go once the token was right.
pub fn sign_in(next: &str, error: Option<&str>) -> String {
    rendered(&SignIn { next, error })
}
