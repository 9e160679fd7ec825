//! What a Linux machine says about its resources: kernel text is read into a
//! raw [`Sample`], and everything shown is derived from two samples and the
//! time between them.
//!
//! What could not be read is `None` and named in [`Sample::absent`]; it is
//! never zero. One file per subject holds its raw counters, their parser and
//! what is derived from them; `exposition` turns a sample into metric points
//! and back.

mod cadence;
mod cgroup;
mod cpu;
mod disk;
mod exposition;
mod field;
mod filesystem;
mod frame;
mod interval;
mod memory;
mod network;
mod pressure;
mod process;
#[cfg(test)]
mod properties;
mod reader;
mod sample;
mod series;
mod source;
mod space;
mod text;

pub use cadence::{Cadence, Tick, read_monotonic_usec};
pub use cgroup::{BuildCounts, BuildGroup};
pub use cpu::{
    CoreFrame, CoreSample, CpuFrame, CpuSample, CpuTicks, Load, LoadAverages, StatCounters,
};
pub use disk::{DiskCounts, DiskFrame, DiskSample};
pub use exposition::{expose, restore};
pub use filesystem::{FilesystemFrame, FilesystemSample};
pub use frame::{Frame, derive};
pub use memory::{MemoryFrame, MemorySample, VmstatCounters};
pub use network::{NetworkCounts, NetworkFrame, NetworkSample};
pub use pressure::{PressureFrame, PressureSample};
pub use process::{ProcessFrame, ProcessSample};
pub use reader::{Reader, Roots};
pub use sample::Sample;
pub use source::Absent;
pub use space::{Space, StatFn};
