//! The thread that writes: whoever has something to say hands it over and waits for nobody.

use crate::model::{Limit, Permit};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

/// What is on its way to a stream, in the order in which it was said.
#[derive(Debug)]
pub struct Log {
    queue: Sender<Item>,
    room: Arc<Limit>,
    dropped: &'static AtomicU64,
}

#[derive(Debug)]
enum Item {
    Text(Vec<u8>, Permit),
    /// Answered once what was said before is written.
    Flush(SyncSender<()>),
}

// === impl Log ===

impl Log {
    /// Starts the thread. At most `room` bytes wait for the stream; beyond that, and where it takes nothing any more,
    /// lines are lost, and counted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(to: impl Write + Send + 'static, room: usize, dropped: &'static AtomicU64) -> io::Result<Self> {
        let (queue, said) = mpsc::channel();
        thread::Builder::new().name("log".into()).spawn(move || write(to, &said, dropped))?;
        Ok(Self { queue, room: Limit::new(room), dropped })
    }

    /// Hands one piece over, a line or several.
    pub fn say(&self, text: &[u8]) {
        let handed = self.room.take(text.len()).map(|permit| self.queue.send(Item::Text(text.to_vec(), permit)));
        if !matches!(handed, Some(Ok(()))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the stream has what was said, at most so long. Returns whether it has.
    pub fn flush(&self, within: Duration) -> bool {
        let (done, written) = mpsc::sync_channel(1);
        self.queue.send(Item::Flush(done)).is_ok() && written.recv_timeout(within).is_ok()
    }
}

/// As a writer it takes a line in one piece, and never fails.
impl Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.say(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut to: impl Write, said: &Receiver<Item>, dropped: &AtomicU64) {
    for item in said {
        match item {
            Item::Text(text, _room) => {
                if to.write_all(&text).and_then(|()| to.flush()).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Who asked may have gone.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    const LONG: Duration = Duration::from_secs(60);

    /// Takes each piece when it is told to.
    struct Slow(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_takes_nothing_holds_nobody_up_and_what_has_no_room_is_counted() {
        static LOST: AtomicU64 = AtomicU64::new(0);
        let (go, wait) = sync_channel(0);
        let (wrote, written) = mpsc::channel();
        let log = Log::start(Slow(wait, wrote), 10, &LOST).unwrap();
        for line in ["one\n", "two\n", "three\n", "4\n"] {
            log.say(line.as_bytes());
        }
        assert!(!log.flush(Duration::ZERO));
        assert_eq!(LOST.load(Ordering::Relaxed), 1);
        // Taken again: what waited comes in its order, and there is room for more.
        drop(go);
        assert!(log.flush(LONG));
        log.say(b"five\n");
        assert!(log.flush(LONG));
        let all: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(all).unwrap(), "one\ntwo\n4\nfive\n");
        assert_eq!(LOST.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn lines_that_a_closed_stream_does_not_take_are_counted() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        static LOST: AtomicU64 = AtomicU64::new(0);
        let log = Log::start(Closed, 100, &LOST).unwrap();
        log.say(b"one\n");
        log.say(b"two\n");
        assert!(log.flush(LONG));
        assert_eq!(LOST.load(Ordering::Relaxed), 2);
    }
}
