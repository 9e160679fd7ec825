use std::net::SocketAddr;
use std::time::Duration;

use lfs_wrapper_history::Limits;
use lfs_wrapper_history::remote::RemoteWrite;
use lfs_wrapper_state::StateDir;

use crate::collector::CollectorSettings;
use crate::reload::Alerting;

/// How to monitor.
#[derive(Debug)]
pub struct Settings {
    /// Where everything is kept.
    pub state_dir: StateDir,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The share of one core that the monitor may use before it looks less
    /// closely at processes.
    pub cpu_budget_ratio: f64,
    /// Time between two samples.
    pub interval: Duration,
    /// What the history holds at most.
    pub history: Limits,
    /// Where the history is sent on to.
    pub remote_write: Vec<RemoteWrite>,
    /// What is looked for, and who is told.
    pub alerting: Alerting,
    /// What else is shown.
    pub collectors: CollectorSettings,
}
