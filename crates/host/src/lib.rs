//! The host's side of the program: so far its configuration.

pub mod channels;
pub mod collectors;
pub mod config;
mod place;
pub mod remote_write;
pub mod routing;
pub mod thresholds;
