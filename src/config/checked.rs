//! The configuration once it is known to make sense: each room's settings.

use crate::admin::AdminSettings;
use crate::diff::{RuleSpec, Schema};
use crate::gate::Policy;
use crate::mirror::MirrorSettings;
use crate::proxy::ListenSettings;
use crate::redact::RedactSettings;
use crate::routes::RouteSpec;
use crate::store::StoreSettings;
use crate::telemetry::TelemetrySettings;
use crate::upstream::LegSettings;
use std::sync::Arc;

/// Everything `serve` needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub listen: ListenSettings,
    pub admin: AdminSettings,
    pub primary: LegSettings,
    pub candidate: LegSettings,
    /// The header in which the candidate names its build, lower case.
    pub build_header: http::HeaderName,
    /// `--candidate-build`.
    pub candidate_build: Option<String>,
    pub control: Option<LegSettings>,
    /// Share of mirrored exchanges that also ask the control.
    pub control_sample: f64,
    pub mirror: MirrorSettings,
    pub routes: Vec<Route>,
    pub rules: Vec<RuleSpec>,
    /// What gRPC messages are read by, where descriptor sets are given.
    pub schema: Option<Arc<Schema>>,
    pub redact: RedactSettings,
    pub store: StoreSettings,
    pub gate: Policy,
    pub telemetry: TelemetrySettings,
    /// What is allowed but likely not meant, a sentence each.
    pub warnings: Vec<String>,
    /// The effective configuration; see [`super::effective`].
    pub written: String,
}

/// One `[[route]]`: which requests, and how they are mirrored. Its gate settings are in the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub spec: RouteSpec,
    pub mirror: MirrorSettings,
}
