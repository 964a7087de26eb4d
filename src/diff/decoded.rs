//! An answer as people read it: its content coding undone.

use super::Limits;
use super::coding::{codings, decode};
use crate::model::{Answer, Captured};
use bytes::Bytes;
use std::borrow::Cow;

/// The answer with its body decoded, for showing; unchanged where there is no coding, or it can't be undone.
pub fn decoded(answer: &Answer) -> Cow<'_, Answer> {
    let codings = codings(&answer.headers);
    if codings.is_empty() {
        return Cow::Borrowed(answer);
    }
    let Some(body) = answer.body.contiguous() else { return Cow::Borrowed(answer) };
    match decode(&body, &codings, Limits::default(), &|| false) {
        Ok(plain) => {
            let body = Captured::whole(vec![Bytes::copy_from_slice(&plain)]);
            Cow::Owned(Answer { body, ..answer.clone() })
        }
        Err(_) => Cow::Borrowed(answer),
    }
}
