//! Server-sent events, as the WHATWG's HTML standard reads them: an object per event with the fields it has.
//!
//! Comments, field names nobody knows and how the bytes came in chunks mean nothing. What follows the last blank line
//! never reaches a client; it is kept with `unfinished`, so that a stream cut inside an event is not the whole stream.

use super::{Decoded, Fault, Writer};
use crate::diff::budget::Budget;
use crate::diff::json::is_json;
use std::collections::HashSet;

#[derive(Debug, Default)]
struct Event<'a> {
    event: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    retry: Option<&'a [u8]>,
    data: Option<Vec<u8>>,
}

struct Stream<'a> {
    writer: Writer,
    events: usize,
    /// Of all events so far, while each has one of its own.
    ids: Option<HashSet<&'a [u8]>>,
}

pub(super) fn decode(body: &[u8], writer: Writer, budget: &mut Budget<'_>) -> Result<Decoded, Fault> {
    let mut stream = Stream { writer, events: 0, ids: Some(HashSet::new()) };
    let mut event = Event::default();
    let mut rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    stream.writer.begin(b'[');
    while !rest.is_empty() {
        budget.tick(1)?;
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        if line.is_empty() {
            stream.write(std::mem::take(&mut event), false, budget)?;
        } else {
            event.read(line);
        }
    }
    stream.write(event, true, budget)?;
    stream.writer.end(b']');
    let key = stream.ids.is_some().then_some("id");
    Ok(Decoded { json: stream.writer.finish(), events: stream.events, key })
}

// === impl Event ===

impl<'a> Event<'a> {
    fn read(&mut self, line: &'a [u8]) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.event = Some(value),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            b"id" if !value.contains(&0) => self.id = Some(value),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => self.retry = Some(value),
            _ => {}
        }
    }
}

// === impl Stream ===

impl<'a> Stream<'a> {
    fn write(&mut self, event: Event<'a>, unfinished: bool, budget: &mut Budget<'_>) -> Result<(), Fault> {
        let Event { event, id, retry, data } = event;
        if event.is_none() && id.is_none() && retry.is_none() && data.is_none() {
            return Ok(());
        }
        self.events += 1;
        let own = self.ids.as_mut().zip(id).is_some_and(|(ids, id)| ids.insert(id));
        if !own {
            self.ids = None;
        }
        let writer = &mut self.writer;
        writer.begin(b'{');
        // Without a name, or an empty one, an event is a message.
        let event = event.filter(|name| !matches!(*name, b"" | b"message"));
        for (name, value) in [("event", event), ("id", id)] {
            if let Some(value) = value {
                writer.key(name.as_bytes())?;
                writer.string(value)?;
            }
        }
        if let Some(retry) = retry {
            let zeros = retry.iter().take_while(|b| **b == b'0').count().min(retry.len() - 1);
            writer.key(b"retry")?;
            writer.raw(retry.get(zeros..).unwrap_or_default())?;
        }
        if let Some(data) = data {
            writer.key(b"data")?;
            // A lone word or number is more often text than JSON.
            let text = data.trim_ascii();
            if matches!(text.first(), Some(b'{' | b'[')) && is_json(text, budget)? {
                writer.raw(text)?;
            } else {
                writer.string(&data)?;
            }
        }
        if unfinished {
            writer.key(b"unfinished")?;
            writer.raw(b"true")?;
        }
        writer.end(b'}');
        Ok(())
    }
}
