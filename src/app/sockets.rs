//! Listening sockets: handed over by the service manager, or bound here.

use super::AppError;
use crate::admin::AdminSettings;
use crate::config::Checked;
use listenfd::ListenFd;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// The two listeners, bound and not yet accepting.
#[derive(Debug)]
pub struct Sockets {
    pub listen: TcpListener,
    /// Whether the service manager has it too: then it outlives this process, and so do those who wait at it.
    pub handed_over: bool,
    pub admin: TcpListener,
}

/// Takes the sockets that the service manager handed over (`LISTEN_FDS`: first the proxy's, then the admin
/// interface's), and binds what it did not.
pub fn open(settings: &Checked) -> Result<Sockets, AppError> {
    let mut handed = ListenFd::from_env();
    let mut take = |index: usize| -> Result<Option<TcpListener>, AppError> {
        if index >= handed.len() {
            return Ok(None);
        }
        let Some(listener) = handed.take_tcp_listener(index).map_err(AppError::Socket)? else { return Ok(None) };
        listener.set_nonblocking(true).map_err(AppError::Socket)?;
        TcpListener::from_std(listener).map(Some).map_err(AppError::Socket)
    };
    let (listen, handed_over) = match take(0)? {
        Some(listener) => (listener, true),
        None => (bind(settings.listen.address, "--listen")?, false),
    };
    let admin = match take(1)? {
        Some(listener) => listener,
        None => bind(settings.admin.address, "--admin")?,
    };
    // What was handed over may listen elsewhere than the configuration says.
    let address = admin.local_addr().map_err(AppError::Socket)?;
    if !address.ip().to_canonical().is_loopback() && settings.admin.token_file.is_none() {
        return Err(AppError::NoToken { address });
    }
    Ok(Sockets { listen, handed_over, admin })
}

fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, AppError> {
    let fail = |source| AppError::Listen { address, flag, source };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(fail)?;
    // A restart must not wait for the old connections' last packets.
    socket.set_reuseaddr(true).map_err(fail)?;
    socket.bind(address).map_err(fail)?;
    socket.listen(BACKLOG).map_err(fail)
}

/// The admin interface's token, where one is set.
pub fn token(settings: &AdminSettings) -> Result<Option<String>, AppError> {
    let Some(file) = &settings.token_file else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(|source| AppError::Token { file: file.clone(), source })?;
    match text.trim() {
        "" => Err(AppError::EmptyToken { file: file.clone() }),
        token => Ok(Some(token.to_owned())),
    }
}
