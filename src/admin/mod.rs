//! The control plane: API, metrics, readiness, dashboard.

mod settings;

pub use settings::AdminSettings;
