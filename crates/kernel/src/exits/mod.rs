//! Every process that ends, told by the kernel: taskstats gives a record of
//! what each thread used (Documentation/accounting/taskstats.rst), the process
//! connector tells who started, replaced and ended whom (linux/cn_proc.h).
//!
//! Sums are made per process, since a build's work is what its processes used;
//! [`Lineage`] says to which step a process belongs. Both kernel sockets are
//! read together by [`ExitStream`], which works, with less to say, when the
//! kernel gives only one of the two.

mod aggregate;
pub(crate) mod connector;
mod follow;
mod lineage;
mod process_exit;
#[cfg(test)]
mod properties;
mod refusal;
mod stream;
pub(crate) mod task_exit;
pub(crate) mod taskstats;
#[cfg(test)]
mod timelines;

pub use follow::{Followed, Follower};
pub use lineage::Lineage;
pub use process_exit::{Completeness, ProcessExit};
pub use refusal::{ExitsError, Refusal};
pub use stream::{ExitEvent, ExitStream, Losses, LostKind, Sources};
pub use task_exit::{Comm, Usage, WaitStatus};
