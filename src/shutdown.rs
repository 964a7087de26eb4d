//! Stopping: the signals, and the word to stop. Who stops what, and in which order, is the wiring's business.

use std::io;
use std::sync::Arc;
use tokio::sync::watch;

/// What the operating system asks of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT (Ctrl-C): stop accepting, let clients in flight finish, leave.
    Drain,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals of the process, in the order in which they come.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    term: tokio::signal::unix::Signal,
    #[cfg(unix)]
    int: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hup: tokio::signal::unix::Signal,
}

/// The word to stop: heard by every clone, also by those who ask later. Given a second time it means at once.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<Stage>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Draining,
    Hurrying,
}

// === impl Signals ===

impl Signals {
    /// Takes the signals over; from here on they no longer end the process by themselves.
    ///
    /// # Errors
    /// The operating system's, when handlers cannot be installed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[cfg(unix)]
    pub fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(not(unix))]
    pub fn install() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The next one. Loses none when its future is dropped.
    #[cfg(unix)]
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            Some(()) = self.term.recv() => Signal::Drain,
            Some(()) = self.int.recv() => Signal::Drain,
            Some(()) = self.hup.recv() => Signal::Reload,
            else => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Drain,
            Err(_) => std::future::pending().await,
        }
    }
}

// === impl Shutdown ===

impl Shutdown {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Running)))
    }

    pub fn trigger(&self) {
        self.0.send_modify(|stage| *stage = Stage::Draining.max(*stage));
    }

    /// Also says that nobody in flight is waited for any more.
    pub fn hurry(&self) {
        self.0.send_replace(Stage::Hurrying);
    }

    pub fn is_triggered(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
    }

    pub fn is_hurried(&self) -> bool {
        *self.0.borrow() == Stage::Hurrying
    }

    /// Returns once [`trigger`](Self::trigger) was called, at once when it already was.
    pub async fn triggered(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Returns once [`hurry`](Self::hurry) was called, at once when it already was.
    pub async fn hurried(&self) {
        self.reached(Stage::Hurrying).await;
    }

    async fn reached(&self, stage: Stage) {
        // The sender lives in `self`, so this cannot end in an error.
        let _ = self.0.subscribe().wait_for(|now| *now >= stage).await;
    }

    /// The same for whoever first serves what is there: the runtime has looked what has come since.
    pub async fn triggered_and_looked(&self) {
        self.triggered().await;
        tokio::task::yield_now().await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_word_reaches_who_waits_and_who_asks_later() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.triggered().await }
        });
        tokio::task::yield_now().await;
        assert!(!shutdown.is_triggered() && !waiting.is_finished());
        shutdown.trigger();
        waiting.await.unwrap();
        shutdown.clone().triggered().await;
        assert!(shutdown.is_triggered() && !shutdown.is_hurried());
        shutdown.hurry();
        shutdown.trigger();
        shutdown.triggered().await;
        shutdown.hurried().await;
        assert!(shutdown.is_triggered() && shutdown.is_hurried());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_hangup_asks_for_a_reload() {
        let mut signals = Signals::install().unwrap();
        let pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        assert_eq!(signals.next().await, Signal::Reload);
    }
}
