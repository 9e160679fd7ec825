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
mod doctor;
pub mod exits;
mod exposition;
mod field;
mod filesystem;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hardware;
mod interval;
mod leak;
mod mask;
mod memory;
mod netlink;
mod network;
mod pressure;
mod process;
#[cfg(test)]
mod properties;
mod reader;
mod roots;
mod sample;
mod series;
mod slow;
mod source;
mod sysfs;
mod system;
mod text;
#[cfg(test)]
mod tree;

pub use cadence::{Cadence, Tick, read_boottime_usec, read_monotonic_usec};
pub use cgroup::step::{StepCounts, StepFrame, StepGroup};
pub use cgroup::{BuildCounts, BuildGroup};
pub use cpu::distribution::{
    CORE_CLASS_BOUNDS, derive_core_distribution, expose_core_distribution,
};
pub use cpu::run_queue::{RunQueueCounts, RunQueueFrame, RunQueueSample};
pub use cpu::{
    CoreFrame, CoreSample, CpuFrame, CpuSample, CpuTicks, Load, LoadAverages, StatCounters,
};
pub use disk::frame::{DiskDeviceFrame, DiskFrame};
pub use disk::{DiskCounts, DiskSample};
pub use doctor::{Capability, Kernel, Level, Status, examine, read_kernel};
pub use exposition::{expose, restore};
pub use filesystem::space::{Space, StatFn};
pub use filesystem::{FilesystemFrame, FilesystemSample};
pub use frame::{Frame, derive};
pub use leak::{LEAK_WARM_UP_USEC, Leak, LeakWatch};
pub use mask::{MASKED_BYTES_MAX, mask_arguments, mask_command_line};
pub use memory::{MemoryFrame, MemorySample, VmstatCounters};
pub use network::protocol::ProtocolCounters;
pub use network::protocol_frame::ProtocolFrame;
pub use network::{NetworkCounts, NetworkFrame, NetworkSample};
pub use pressure::{PressureFrame, PressureSample};
pub use process::{
    Before, ColdFields, ProcessCounts, ProcessFrame, ProcessIdentity, ProcessIo, ProcessOptions,
    ProcessRates, ProcessRow, ProcessSample, ProcessTable, Pss, PssMeasure, UserNames,
    derive_process, derive_roots,
};
pub use reader::{Look, Reader};
pub use roots::Roots;
pub use sample::Sample;
pub use source::Absent;
