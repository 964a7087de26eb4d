//! Time for what need not be exact, such as how long a connection has been idle: read at a fraction of the price.

use std::time::{Duration, Instant};

/// How far [`recently`] lags behind at most: a tick of the system's clock, where there are fewest of them.
pub const TICK: Duration = Duration::from_millis(10);

/// Now, or up to a [`TICK`] before.
pub fn recently() -> Instant {
    #[cfg(target_os = "linux")]
    return linux::recently();
    #[cfg(not(target_os = "linux"))]
    return Instant::now();
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::time::{ClockId, clock_gettime};
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    /// When the system's clock began.
    static BOOT: OnceLock<Instant> = OnceLock::new();

    pub(super) fn recently() -> Instant {
        let boot = BOOT.get_or_init(|| {
            loop {
                // In this order nothing ever lies in the future.
                let (now, read) = (Instant::now(), since_boot(ClockId::Monotonic));
                if now.elapsed() < Duration::from_millis(1) {
                    return now - read;
                }
            }
        });
        *boot + since_boot(ClockId::MonotonicCoarse)
    }

    fn since_boot(clock: ClockId) -> Duration {
        Duration::try_from(clock_gettime(clock)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lags_by_a_tick_at_most() {
        recently();
        std::thread::sleep(2 * TICK);
        for _ in 0..1000 {
            let (before, recent, after) = (Instant::now(), recently(), Instant::now());
            assert!(recent <= after && before - recent <= 2 * TICK, "{:?}", before - recent);
        }
    }
}
