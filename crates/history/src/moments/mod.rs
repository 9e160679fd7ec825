//! What ran and what happened at a moment: the process table over time, exits of
//! processes, events. docs/formats/processes.md has the format.
//!
//! Frames go through `admission` and `segment` into `process_hot`, from there,
//! window by window, through `block` into `process_block`; `processes` reads
//! both. `exits` and `events` are kept beside them, on the same clock.

mod admission;
mod block;
mod block_reader;
mod bytes;
mod column;
mod damaged;
mod events;
mod exit;
mod exits;
mod fields;
mod frame;
#[cfg(test)]
mod hostile;
mod hot;
mod live;
mod moment;
mod packed;
mod processes;
mod recorder;
mod schema;
mod segment;
mod texts;

pub use block::{PROCESSES_MAX, WINDOW_MSEC};
pub use damaged::{Damaged, Found};
pub use events::{EventFilter, EventKind, MomentEvent, append_event, events};
pub use exit::ExitRecord;
pub use exits::{ExitCounts, ExitFilter, ExitRecorder, Exits, exits};
pub use frame::{ProcessFrame, ProcessKey, ProcessRow, Rates, Step, derive_rates};
pub use moment::{Moment, at};
pub use processes::{FRAME_AGE_MAX_MSEC, ProcessFrames, processes_at, processes_between};
pub use recorder::{ProcessCounts, ProcessRecorder, SealReport};
pub use schema::{MOMENTS_SCHEMA, MomentKind};
