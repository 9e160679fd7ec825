//! What is sampled, sent on: Prometheus remote write 1.0 to any number of
//! endpoints. The queue is the history itself; an endpoint that was away gets
//! what it missed.

mod ahead;
mod client;
mod feed;
mod message;
mod secrets;
mod sender;
mod settings;
mod statistics;
mod step;

#[cfg(test)]
mod receiver;
#[cfg(test)]
mod restarts;

pub use feed::{Feed, Position, Positions, Raw, cut};
pub use sender::{Sender, Stop};
pub use settings::{Credentials, RemoteWrite, SettingsError, Start};
pub use statistics::{Statistics, StatisticsNow};
