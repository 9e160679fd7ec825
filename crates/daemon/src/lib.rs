//! The monitor: it samples the machine, keeps the history, evaluates the
//! rules, delivers alerts, and serves the page. Builds run without it; both
//! only meet in the state folder.
//!
//! `heart` decides, purely; `watch` carries its effects out; `live` holds what
//! others may look at; `server` shows it.

pub mod convert;
mod heart;
mod live;
mod outbox;
mod run;
mod sampler;
mod self_metrics;
mod server;
mod settings;
mod watch;

pub use run::{Monitor, MonitorError};
pub use settings::Settings;
