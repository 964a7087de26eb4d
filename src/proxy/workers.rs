//! The threads that serve: each with a runtime, connections and pools of its own, so that a request is carried by one
//! thread from its first byte to its last and wakes no other.
//!
//! What runs beside the traffic (the admin interface, reloads) has another runtime, which these never wait for.

use crate::upstream::worker;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The serving threads. They end when this is dropped, and everything on them with them.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Worker>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Workers ===

impl Workers {
    /// Starts one for each processor.
    ///
    /// # Errors
    /// When the system gives no thread, or nothing to wait for events with.
    pub fn start() -> io::Result<Self> {
        keep_freed_memory();
        let threads = (0..worker::count()).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { threads, next: AtomicUsize::new(0) })
    }

    /// The one whose turn it is to take a connection.
    pub fn next(&self) -> Option<&Handle> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.threads.get(turn % self.threads.len().max(1)).map(|worker| &worker.handle)
    }
}

/// Has the C library keep some MiB of freed memory for itself, where it is glibc: by default it gives back what is more
/// than 128 KiB at once, and takes it again for the next large body, which costs a third of that body's processor time.
/// What it keeps follows the largest block that it gave back: twice as much.
fn keep_freed_memory() {
    const BLOCK: usize = 4 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}

// === impl Worker ===

impl Worker {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(format!("serve-{index}")).spawn(move || {
            worker::enter(index);
            // Told to, or left alone: the end either way.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}
