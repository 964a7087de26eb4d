//! HTTP/1.1 messages as bytes (RFC 9112): heads and bodies are read here and written here, towards clients and legs.
//!
//! A proxy hands on what it reads: the names of fields as they were written, reason phrases, trailers, a `304` with its
//! length. It also holds thousands of connections that wait, so nothing here keeps a buffer while it waits: bytes are
//! read through one buffer of the thread, and a message takes the room of its own bytes.
//!
//! - [`fields`] makes fields of a head that was read.
//! - [`head`] reads the head of an answer and writes heads.
//! - [`added`] has fields that message after message is given.
//! - [`decoder`] follows the body of a message that is read.
//! - [`writer`] writes a message, head and body, as fast as the connection takes it.
//! - [`read`] reads from a connection.
//!
//! What clients may send is narrower than what can be read: the data plane's guard decides that, before anything here
//! sees a request. Connections, who waits for whom, and timers are the business of both sides' own modules.

pub mod added;
pub mod decoder;
pub mod fields;
pub mod head;
pub mod read;
pub mod writer;

pub use added::Added;
pub use decoder::{BodyError, Decoded, Decoder, Framing};
pub use head::{APART, AnswerHead, HeadError, HeadLimits};
pub use writer::{BodyTrouble, NEVER_TRAILERS, WriteTrouble, Writer};
