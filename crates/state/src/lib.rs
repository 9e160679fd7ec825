//! The one state database. Builds, alerts and the audit log meet in it: every
//! process of the program opens it for itself, and no process needs another.

pub mod audit;
mod database;
mod directory;
mod reserve;

pub use database::{Database, DatabaseError, is_damage, is_full, move_aside};
pub use directory::{DirectoryError, StateDir};
