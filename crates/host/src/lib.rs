//! The host's side of the program: so far its configuration.

pub mod config;
