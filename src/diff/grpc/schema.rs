//! What descriptor sets say of messages and methods.

use crate::diff::fingerprint::encode;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::collections::BTreeMap;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3Default;

/// Message types and methods, as compiled from `.proto` files.
#[derive(Debug, Clone)]
pub struct Schema {
    pool: DescriptorPool,
    digest: String,
}

/// Why descriptor sets can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    #[error(
        "this is not a descriptor set ({0}); write one with `protoc --include_imports --descriptor_set_out=FILE` or `buf build -o FILE`"
    )]
    NotOne(String),
    #[error("{file}: {message}{help}")]
    Refused { file: String, message: String, help: &'static str },
}

/// The answer of a method.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) message: MessageDescriptor,
    /// It is a stream of messages, even where only one came.
    pub(super) stream: bool,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

// === impl Schema ===

impl Schema {
    /// Joins descriptor sets. Files that several of them hold are taken once.
    ///
    /// # Errors
    /// The index of the first set that can't be used, and why.
    pub fn load(sets: &[Vec<u8>]) -> Result<Schema, (usize, SchemaError)> {
        let mut pool = DescriptorPool::new();
        let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
        for (index, bytes) in sets.iter().enumerate() {
            let no_set = |why: String| (index, SchemaError::NotOne(why));
            let refused =
                |file: &str, message, help| (index, SchemaError::Refused { file: file.to_owned(), message, help });
            let set = FileDescriptorSet::decode(&**bytes).map_err(|e| no_set(e.to_string()))?;
            if set.file.is_empty() {
                return Err(no_set("it holds no file".to_owned()));
            }
            let mut new = Vec::new();
            for mut file in set.file {
                // Comments and positions mean nothing here; with them, one file in two sets may be two.
                file.source_code_info = None;
                match files.get(file.name()) {
                    Some(known) if *known == file => {}
                    Some(_) => {
                        let message = "the sets hold two versions of this file".to_owned();
                        return Err(refused(file.name(), message, "; give one"));
                    }
                    None => {
                        files.insert(file.name().to_owned(), file.clone());
                        new.push(file);
                    }
                }
            }
            pool.add_file_descriptor_protos(new).map_err(|e| {
                let message = e.to_string();
                let import = message.contains("imported file");
                let help = if import { "; write the set with --include_imports" } else { "" };
                refused(e.file().unwrap_or("a file in it"), message, help)
            })?;
        }
        let mut hash = Xxh3Default::new();
        files.values().for_each(|file| hash.update(&file.encode_length_delimited_to_vec()));
        let digest = encode(hash.digest128(), 16);
        Ok(Schema { pool, digest })
    }

    /// Identifies what the sets say.
    pub(in crate::diff) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(name)
    }

    /// The method that a path such as `/shop.Orders/Get` calls; what stands before these two segments is a prefix.
    pub(super) fn response(&self, path: &str) -> Option<Response> {
        let (rest, name) = path.rsplit_once('/')?;
        let service = rest.rsplit('/').next()?;
        let method = self.pool.get_service_by_name(service)?.methods().find(|m| m.name() == name)?;
        Some(Response { message: method.output(), stream: method.is_server_streaming() })
    }
}
