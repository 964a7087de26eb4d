//! The configuration: as written, then checked; every problem is reported at once.

mod checked;

pub use checked::{Checked, Route};
