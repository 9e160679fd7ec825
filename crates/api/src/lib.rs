//! The shapes that the HTTP interface and `--json` speak: what other programs
//! see, and so what only grows. Times are milliseconds since
//! 1970-01-01T00:00:00Z, ratios go from 0 to 1, and what is not known is null.

mod legacy;
mod live;

pub use legacy::{CurrentMetrics, LegacyAlert, NetworkIo, Resources, Status};
pub use live::{
    Absent, Alert, Core, Cpu, Disk, Filesystem, Frame, Host, Load, Memory, Network, Pressure,
    Processes, Run, Snapshot, Step,
};

/// The page's and the clients' paths.
pub mod route {
    /// Current metrics and newest alerts, in an older program's shape.
    pub const RESOURCES: &str = "/api/resources";
    /// What there is.
    pub const STATUS: &str = "/api/status";
    /// Server-sent events: `snapshot`, then `frame`, `run`, `alert`, `lag`.
    pub const EVENTS: &str = "/api/v1/events";
    /// The newest runs.
    pub const RUNS: &str = "/api/v1/runs";
    /// The newest alerts.
    pub const ALERTS: &str = "/api/v1/alerts";
    /// Prometheus' text format.
    pub const METRICS: &str = "/metrics";
    /// Prometheus' HTTP API lies below this.
    pub const PROMETHEUS: &str = "/prometheus/api/v1";
    /// PromQL at one moment.
    pub const PROMETHEUS_QUERY: &str = "/prometheus/api/v1/query";
    /// PromQL over a stretch of time.
    pub const PROMETHEUS_QUERY_RANGE: &str = "/prometheus/api/v1/query_range";
    /// Series that match.
    pub const PROMETHEUS_SERIES: &str = "/prometheus/api/v1/series";
    /// What is known of metrics.
    pub const PROMETHEUS_METADATA: &str = "/prometheus/api/v1/metadata";
    /// In it, the names of labels.
    pub const PROMETHEUS_LABELS: &str = "/prometheus/api/v1/labels";
    /// In it, which version answers.
    pub const PROMETHEUS_BUILD: &str = "/prometheus/api/v1/status/buildinfo";
    /// In it, the alerts that are not resolved.
    pub const PROMETHEUS_ALERTS: &str = "/prometheus/api/v1/alerts";
    /// Whether the monitor is alive.
    pub const HEALTHZ: &str = "/healthz";
    /// The same, where every other route of the version is.
    pub const HEALTHZ_V1: &str = "/api/v1/healthz";
}
