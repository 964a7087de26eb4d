//! Why the store can't be used, and the way out.

use super::Proxy;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no store in {path}; `--data DIR` names another folder")]
    Missing { path: PathBuf },
    #[error("{path} is held by another process{}", holder(.by))]
    Held { path: PathBuf, by: Option<Proxy> },
    #[error("{path} is not a store of Parallax and is left untouched; `--data OTHER`, or move the folder aside")]
    Foreign { path: PathBuf },
    #[error(
        "{path} was written by version {found} (this is {ours}) and is left untouched; `--data OTHER`, or move the folder aside"
    )]
    Version { path: PathBuf, found: u32, ours: u32 },
    #[error("{path} is damaged ({detail}) and is left untouched; `--data OTHER`, or move the folder aside")]
    Corrupt { path: PathBuf, detail: String },
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the file {path} is gone")]
    Gone { path: PathBuf },
    #[error(
        "{path} was replaced by another store, or by one of another time, and is left untouched; restart to use that one"
    )]
    Replaced { path: PathBuf },
    #[error("cannot write to {path}: {detail}")]
    Write { path: PathBuf, detail: String },
    #[error("the system gave no random bytes for a new store in {path}")]
    Random { path: PathBuf },
}

fn holder(by: &Option<Proxy>) -> String {
    match by {
        Some(proxy) => format!(", the proxy whose admin interface is {} (pid {})", proxy.admin, proxy.pid),
        None => "; stop it, or give this one another folder with `--data OTHER`".into(),
    }
}
