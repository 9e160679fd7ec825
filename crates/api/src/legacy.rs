//! `/api/resources` and `/api/status`: an older program's interface, kept for
//! its clients. Its times are local and name no zone.

use serde::Serialize;

/// The answer of `/api/resources`.
#[derive(Clone, Debug, Serialize)]
pub struct Resources {
    /// The newest 100 of the history, newest last.
    pub alerts: Vec<LegacyAlert>,
    /// How many there are in the whole history.
    pub total_alerts: i64,
    /// Null before the first sample.
    pub current_metrics: Option<CurrentMetrics>,
}

/// One alert, when it was raised or got worse.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyAlert {
    /// `cpu`, `memory`, `disk`, …
    pub resource_name: String,
    /// Null where the alert has no value.
    pub current_value: Option<f64>,
    /// Null where the alert has no threshold.
    pub threshold_value: Option<f64>,
    /// The severity, lower case.
    pub alert_level: String,
    /// `2024-01-01T12:00:00`.
    pub timestamp: String,
    /// `CPU WARNING: 85.2% (threshold: 70.0%)`.
    pub message: String,
}

/// The machine at its newest sample. What could not be read is null.
#[derive(Clone, Debug, Serialize)]
pub struct CurrentMetrics {
    /// Busy share of all cores, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Share of memory that is not available, 0 to 100.
    pub memory_percent: Option<f64>,
    /// Used share of the root file system, 0 to 100.
    pub disk_percent: Option<f64>,
    /// Since boot, over all devices.
    pub network_io: Option<NetworkIo>,
    /// How many processes there are.
    pub process_count: Option<u64>,
    /// `2024-01-01T12:00:00`.
    pub timestamp: String,
}

/// Totals since boot, over all devices, loopback included.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NetworkIo {
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_recv: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets received.
    pub packets_recv: u64,
}

/// The answer of `/api/status`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// `running`.
    pub status: &'static str,
    /// The program's version.
    pub version: &'static str,
    /// When the monitor began: `2024-01-01T12:00:00`.
    pub started: String,
    /// Every path that answers.
    pub endpoints: Vec<&'static str>,
}
