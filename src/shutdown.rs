//! Stopping: the signal, the drain, the grace period.
