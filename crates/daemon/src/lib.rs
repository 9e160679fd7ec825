//! The monitor: it samples the machine, keeps the history, evaluates the
//! rules, delivers alerts, and serves the page. Builds run without it; both
//! only meet in the state folder.
//!
//! `heart` decides, purely; `watch` carries its effects out; `live` holds what
//! others may look at; `collector` what others measured; `server` shows it.

mod accept;
mod alert_clock;
pub mod alerts;
mod audit;
mod census;
mod channels;
mod collector;
pub mod convert;
mod derived;
mod detail;
mod exits;
mod exposed;
mod heart;
mod leaks;
mod live;
mod moments;
mod outbox;
mod past;
mod population;
mod promql;
pub mod proof;
mod recorder;
mod reload;
mod remote;
pub mod rulebook;
mod run;
mod sampler;
mod self_metrics;
mod server;
mod settings;
mod watch;

pub use collector::{CollectorSettings, ExecSettings, collect_beside};
pub use reload::{Alerting, Reloader};
pub use run::{Monitor, MonitorError};
pub use settings::Settings;
