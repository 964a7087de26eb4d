//! Which of the serving threads this is: what one of them uses alone needs no other to be asked.

use std::cell::Cell;
use std::sync::OnceLock;

thread_local!(static INDEX: Cell<usize> = const { Cell::new(0) });

/// How many serving threads there are: one for each processor.
pub fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Makes this thread the serving thread `index`.
pub fn enter(index: usize) {
    INDEX.set(index);
}

/// The serving thread's number, below [`count`]; threads that do not serve go with the first.
pub fn index() -> usize {
    INDEX.get()
}
