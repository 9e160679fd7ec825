use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How bad an alert or a finding is, from least to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// Look at it during the day.
    Warning,
    /// Something does not work.
    Error,
    /// Something important is about to be lost or has stopped.
    Critical,
    /// Wake somebody.
    Emergency,
}

impl Severity {
    /// Every severity, from least to worst.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Emergency,
    ];

    /// The name as it is stored and sent: lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Emergency => "emergency",
        }
    }

    /// The syslog severity number of RFC 5424, section 6.2.1 (0 is the worst).
    pub const fn syslog_number(self) -> u8 {
        match self {
            Self::Info => 6,
            Self::Warning => 4,
            Self::Error => 3,
            Self::Critical => 2,
            Self::Emergency => 0,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is none of the five severities.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no severity; the severities are info, warning, error, critical, emergency")]
pub struct UnknownSeverity(String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}
