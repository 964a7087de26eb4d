//! Evidence on disk: one file, one transaction a second.
//!
//! What is kept is whole exchanges only: what was in flight when a process died was never counted. A file that is not
//! ours, not whole or newer than this program is left untouched and named in the error. Redacting happens before
//! anything comes here.

mod error;
mod histogram;
mod open;
mod proxy;
mod rows;
mod settings;
mod write;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use open::{Stored, is_held, open, open_read};
pub use proxy::{Announcement, Proxy, announce, find_proxy};
pub use settings::StoreSettings;
pub use write::Store;

/// The evidence within the folder.
pub const FILE: &str = "evidence.redb";
