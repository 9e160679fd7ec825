use std::net::SocketAddr;
use std::time::Duration;

use lfs_wrapper_alert::channel::Channel;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_alert::store::Keep;
use lfs_wrapper_history::Limits;
use lfs_wrapper_history::remote::RemoteWrite;
use lfs_wrapper_state::StateDir;

use crate::collector::CollectorSettings;

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
    /// What is looked for.
    pub rules: Vec<Rule>,
    /// How alerts reach people.
    pub channels: Vec<Channel>,
    /// Who is told what.
    pub routing: Routing,
    /// How long the history of alerts is kept.
    pub keep_alerts: Keep,
    /// What else is shown.
    pub collectors: CollectorSettings,
}
