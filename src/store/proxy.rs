//! Who serves from this folder: a small file beside the evidence, so that commands find the proxy that holds it.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "proxy.json";
/// More than any address needs; a larger file is not ours.
const MAX_BYTES: u64 = 4096;

/// The proxy that serves from a folder, or did before it was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// Base URL of its admin interface.
    pub admin: String,
    /// The one that people are given, where that is another: its certificate may be for that name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    pub pid: u32,
    /// Random, new with every start: what its admin interface answers with, so that nobody else is taken for it. Not in
    /// files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// Removes the file again when dropped.
#[derive(Debug)]
pub struct Announcement {
    file: PathBuf,
    proxy: Proxy,
}

/// Writes who serves from the folder, atomically.
pub fn announce(folder: &Path, admin: String, public: Option<String>, instance: String) -> io::Result<Announcement> {
    let proxy = Proxy { admin, public, pid: std::process::id(), instance: Some(instance) };
    let file = folder.join(NAME);
    let aside = folder.join(format!("{NAME}.{}", proxy.pid));
    std::fs::write(&aside, serde_json::to_vec(&proxy)?)?;
    std::fs::rename(&aside, &file)?;
    Ok(Announcement { file, proxy })
}

/// Reads who serves from the folder; `None` when nobody says so. Whether that process still lives is for the caller
/// to find out: see [`is_held`](super::is_held), and by what it answers with.
pub fn find_proxy(folder: &Path) -> Option<Proxy> {
    let file = folder.join(NAME);
    if std::fs::metadata(&file).ok()?.len() > MAX_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Another process may have taken the folder over.
        let folder = self.file.parent().unwrap_or(Path::new("."));
        if find_proxy(folder).as_ref() == Some(&self.proxy) {
            let _ = std::fs::remove_file(&self.file);
        }
    }
}
