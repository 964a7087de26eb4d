//! Why the proxy can't start.

use crate::store::StoreError;
use crate::tls::TlsError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot listen on {address}: {}", reason(.source))]
    Listen { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("cannot use a socket: {0}")]
    Socket(io::Error),
    #[error("admin address {address} is not loopback and `admin.token_file` is not set")]
    NoToken { address: SocketAddr },
    #[error("cannot read the token in {}: {source}", file.display())]
    Token { file: PathBuf, source: io::Error },
    #[error("the token file {} is empty", file.display())]
    EmptyToken { file: PathBuf },
    #[error("{0}")]
    Rules(String),
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the system gave no thread: {0}")]
    Thread(io::Error),
    #[error("the system gave no random bytes")]
    Random,
}

impl AppError {
    /// What to do about it, where that is not in the message.
    pub fn help(&self) -> Option<String> {
        match self {
            AppError::Listen { flag, source, address } if source.kind() == io::ErrorKind::AddrInUse => Some(format!(
                "`{flag} {}:0` picks a free port, `--ready-file` tells which",
                if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }
            )),
            AppError::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Some(
                "ports below 1024 need a privilege; take a higher one, or a socket from the service manager".into(),
            ),
            AppError::NoToken { .. } => Some(
                "make a token and name its file in [admin]:\n(umask 077; head -c 32 /dev/urandom | base64 > \
                 parallax.token)\ntoken_file = \"parallax.token\""
                    .into(),
            ),
            AppError::Token { file, .. } | AppError::EmptyToken { file } => {
                Some(format!("head -c 32 /dev/urandom | base64 > {0}\nchmod 600 {0}", file.display()))
            }
            _ => None,
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "in use".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::AddrNotAvailable => "no such address on this machine".into(),
        _ => error.to_string(),
    }
}
