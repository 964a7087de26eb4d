//! Bodies in the character encoding that their Content-Type names, made UTF-8.
//!
//! XML that declares its encoding and text with a byte order mark speak for themselves.

use super::headers::Parameterised;
use encoding_rs::Encoding;
use std::borrow::Cow;

/// The body as UTF-8; as it is where no other charset is declared or it holds what that one has not.
pub(super) fn utf8<'a>(declared: &Parameterised, body: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    let Parameterised { head, params } = declared;
    let encoding = params.get("charset").and_then(|label| Encoding::for_label(label.as_bytes()));
    let speaks = body.starts_with(b"<?xml") || Encoding::for_bom(&body).is_some() || head.starts_with("multipart/");
    match encoding {
        Some(encoding) if !speaks && encoding != encoding_rs::UTF_8 => {
            match encoding.decode_without_bom_handling_and_without_replacement(&body) {
                Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
                Some(Cow::Borrowed(_)) | None => body,
            }
        }
        _ => body,
    }
}
