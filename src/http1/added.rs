//! Fields that message after message is given, written once.

use super::head;
use crate::model::Spelling;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::OnceLock;

/// Fields, each with a name of its own, and how they are written over HTTP/1.1.
#[derive(Debug)]
pub struct Added {
    fields: Vec<(HeaderName, HeaderValue)>,
    /// Their lines with small letters, and with capitals.
    lines: [OnceLock<Bytes>; 2],
}

impl Added {
    pub fn new(fields: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { fields, lines: Default::default() }
    }

    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    /// Appends them to a message which has none of the same name, the names as that message writes its own.
    pub fn put(&self, spelling: &Spelling, out: &mut BytesMut) {
        let rule = spelling.rule();
        let [small, capitals] = &self.lines;
        let lines = if rule.capitals() { capitals } else { small };
        out.extend_from_slice(lines.get_or_init(|| {
            let mut lines = BytesMut::new();
            for (name, value) in &self.fields {
                head::put_field(&mut lines, name, value.as_bytes(), &rule);
            }
            lines.freeze()
        }));
    }

    /// Sets them in place of any of the same name.
    pub fn set(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.fields {
            headers.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_the_message_writes_its_own() {
        let added = Added::new(vec![
            (HeaderName::from_static("via"), HeaderValue::from_static("1.1 here")),
            (HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static("::1")),
        ]);
        let written = |names: &[&str]| {
            let mut out = BytesMut::new();
            added.put(&Spelling::of(names.iter().map(|name| name.as_bytes())), &mut out);
            String::from_utf8(out.to_vec()).unwrap()
        };
        for _ in 0..2 {
            assert_eq!(written(&["Host", "ETag"]), "Via: 1.1 here\r\nX-Forwarded-For: ::1\r\n");
            assert_eq!(written(&["host"]), "via: 1.1 here\r\nx-forwarded-for: ::1\r\n");
        }
    }
}
