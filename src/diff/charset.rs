//! Bodies in the character encoding that their Content-Type names, made UTF-8.
//!
//! XML that declares its encoding and text with a byte order mark speak for themselves.

use super::headers::Parameterised;
use encoding_rs::Encoding;
use std::borrow::Cow;

/// The body as UTF-8, by its byte order mark where it has one, else as [`utf8`]; `None` where it is not what it is said to be.
pub(super) fn whole_utf8<'a>(declared: &Parameterised, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if let Some((encoding, mark)) = Encoding::for_bom(body).filter(|(encoding, _)| *encoding != encoding_rs::UTF_8) {
        let text = encoding.decode_without_bom_handling_and_without_replacement(body.get(mark..)?)?;
        return Some(Cow::Owned(text.into_owned().into_bytes()));
    }
    let text = utf8(declared, body.into());
    let named = declared.params.get("charset").and_then(|label| Encoding::for_label(label.as_bytes()));
    let as_named = matches!(text, Cow::Owned(_)) || named.is_none_or(|named| named == encoding_rs::UTF_8);
    (as_named || text.is_ascii() && !text.contains(&0)).then_some(text)
}

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
