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
    /// Whether the monitor is alive.
    pub const HEALTHZ: &str = "/healthz";
    /// The same, where every other route of the version is.
    pub const HEALTHZ_V1: &str = "/api/v1/healthz";
}
