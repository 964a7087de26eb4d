//! What is never stored or shown.

/// `[redact]`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedactSettings {
    /// Header names in lower case, request and response alike.
    pub headers: Vec<String>,
    /// Locations such as `json:$.user.email`.
    pub json: Vec<String>,
    /// Regular expressions; what they match is replaced wherever it appears.
    pub patterns: Vec<String>,
}
