//! Evidence on disk: one file, one transaction a second.

mod settings;

pub use settings::StoreSettings;
