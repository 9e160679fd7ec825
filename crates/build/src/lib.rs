//! Builds: plans, the dispatcher, supervised attempts and their records.

mod attempt;
pub mod cgroup;
pub mod dispatch;
pub mod estimate;
pub mod exits;
pub mod keeper;
pub mod plan;
mod process;
pub mod progress;
pub mod record;
pub mod recover;
pub mod status_file;
pub mod supervisor;
pub mod triage;

pub use process::{Identity, NotAnIdentity};
