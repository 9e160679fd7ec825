//! The one state database. Builds, alerts and the audit log meet in it: every
//! process of the program opens it for itself, and no process needs another.

pub mod audit;
mod database;
mod directory;
mod reserve;
pub mod sqlite;

pub use database::{Database, DatabaseError};
pub use directory::{DirectoryError, StateDir};
pub use sqlite::is_full;
