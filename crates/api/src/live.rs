//! What the page shows: a snapshot, then changes.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything a page that has just been opened needs.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The program's version.
    pub version: &'static str,
    /// The machine.
    pub host: Host,
    /// The last minutes, oldest first.
    pub frames: Vec<Frame>,
    /// The newest runs, newest first.
    pub runs: Vec<Run>,
    /// The newest alerts, newest change first.
    pub alerts: Vec<Alert>,
}

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// uname(2)'s node name.
    pub hostname: String,
    /// uname(2)'s release.
    pub kernel: String,
    /// Cores that can be used.
    pub cores: usize,
}

/// The machine between two samples.
#[derive(Clone, Debug, Serialize)]
pub struct Frame {
    /// When the newer sample was taken.
    pub time_msec: i64,
    /// Time between the two.
    pub interval_usec: u64,
    /// The CPU.
    pub cpu: Option<Cpu>,
    /// Share of the machine's CPU that supervised steps used.
    pub build_cpu_ratio: Option<f64>,
    /// Processes of supervised steps.
    pub build_processes: Option<u32>,
    /// Load averages.
    pub load: Option<Load>,
    /// Memory and swap.
    pub memory: Option<Memory>,
    /// Local file systems.
    pub filesystems: Vec<Filesystem>,
    /// All disks together.
    pub disk: Option<Disk>,
    /// All network devices together.
    pub network: Option<Network>,
    /// Pressure stall information, as shares of the interval.
    pub pressure: Pressure,
    /// Processes.
    pub processes: Option<Processes>,
    /// What could not be read.
    pub absent: Vec<Absent>,
}

/// Shares of the CPU time of all cores.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    /// Neither idle nor waiting for I/O.
    pub busy_ratio: f64,
    /// In user mode.
    pub user_ratio: f64,
    /// In the kernel.
    pub system_ratio: f64,
    /// Idle, with I/O under way.
    pub iowait_ratio: f64,
    /// Taken by the hypervisor.
    pub steal_ratio: f64,
    /// Each core.
    pub cores: Vec<Core>,
}

/// One core.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Core {
    /// Its number.
    pub core: u32,
    /// Its busy share.
    pub busy_ratio: f64,
}

/// Load averages.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
}

/// Memory and swap.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// What programs can still have without swapping.
    pub available_bytes: u64,
    /// Share that is not available.
    pub used_ratio: f64,
    /// All swap.
    pub swap_total_bytes: Option<u64>,
    /// Used swap.
    pub swap_used_bytes: Option<u64>,
}

/// A local file system.
#[derive(Clone, Debug, Serialize)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mountpoint: String,
    /// From where.
    pub device: String,
    /// Its type.
    pub fstype: String,
    /// Mounted read-only.
    pub read_only: bool,
    /// Its size.
    pub size_bytes: u64,
    /// Space for ordinary users.
    pub available_bytes: u64,
    /// Used share, as df(1) counts.
    pub used_ratio: f64,
}

/// All disks together.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// Read.
    pub read_bytes_per_second: f64,
    /// Written.
    pub write_bytes_per_second: f64,
    /// Reads completed.
    pub reads_per_second: f64,
    /// Writes completed.
    pub writes_per_second: f64,
    /// The disk with the most to do.
    pub busiest: String,
    /// The share of the interval in which it had something to do.
    pub busiest_ratio: f64,
}

/// All network devices together.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Network {
    /// Received, without loopback.
    pub receive_bytes_per_second: Option<f64>,
    /// Sent, without loopback.
    pub transmit_bytes_per_second: Option<f64>,
    /// Since boot, with loopback.
    pub bytes_sent: u64,
    /// Since boot, with loopback.
    pub bytes_recv: u64,
    /// Since boot, with loopback.
    pub packets_sent: u64,
    /// Since boot, with loopback.
    pub packets_recv: u64,
}

/// Shares of the interval in which some or all tasks waited.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pressure {
    /// Some waited for a CPU.
    pub cpu_some: Option<f64>,
    /// Some waited for memory.
    pub memory_some: Option<f64>,
    /// All waited for memory.
    pub memory_full: Option<f64>,
    /// Some waited for I/O.
    pub io_some: Option<f64>,
    /// All waited for I/O.
    pub io_full: Option<f64>,
}

/// Processes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Processes {
    /// How many there are.
    pub count: u64,
    /// Tasks that run or could.
    pub running: Option<u64>,
    /// Tasks that wait for I/O.
    pub blocked: Option<u64>,
}

/// Something that could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct Absent {
    /// The subject.
    pub what: String,
    /// Why.
    pub why: String,
}

/// One execution of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// The plan's name.
    pub name: String,
    /// `RUNNING`, `COMPLETED`, `FAILED`, `CANCELLED` or `LOST`.
    pub state: &'static str,
    /// Why, where the steps do not say.
    pub reason: Option<String>,
    /// When it began.
    pub started_msec: i64,
    /// When it ended.
    pub ended_msec: Option<i64>,
    /// How far it is.
    pub percent: Option<f64>,
    /// Time left.
    pub eta_seconds: Option<f64>,
    /// Where the steps install into.
    pub root: String,
    /// In the plan's order.
    pub steps: Vec<Step>,
}

/// One step of a run, with its newest attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its id in the plan.
    pub id: String,
    /// What people read.
    pub title: String,
    /// The package.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// `PENDING`, `RUNNING`, `COMPLETED`, `FAILED`, `CANCELLED`, `LOST` or `SKIPPED`.
    pub state: &'static str,
    /// The newest attempt's number, from 1.
    pub attempt: Option<i64>,
    /// The phase it is in, or ended in.
    pub phase: Option<String>,
    /// How far it is.
    pub percent: Option<f64>,
    /// Time left.
    pub eta_seconds: Option<f64>,
    /// When the attempt began.
    pub started_msec: Option<i64>,
    /// When it ended.
    pub ended_msec: Option<i64>,
    /// How long it took, or takes so far.
    pub wall_seconds: Option<f64>,
    /// CPU time.
    pub cpu_seconds: Option<f64>,
    /// CPU time in user mode.
    pub user_seconds: Option<f64>,
    /// CPU time in the kernel.
    pub system_seconds: Option<f64>,
    /// The part of the CPU time that wait4 knows of, beside the group's figure.
    pub reaped_cpu_seconds: Option<f64>,
    /// Where the CPU time is from: `cgroup` or `wait4`.
    pub cpu_source: Option<String>,
    /// Peak memory.
    pub memory_peak_bytes: Option<u64>,
    /// Where it is from: `cgroup`, or `wait4` (the largest process alone).
    pub memory_source: Option<String>,
    /// Read from storage.
    pub read_bytes: Option<u64>,
    /// Written to storage.
    pub write_bytes: Option<u64>,
    /// Where these are from.
    pub io_source: Option<String>,
    /// Processes that ended under it, where the kernel told of them.
    pub processes: Option<u64>,
    /// The script's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it ended, where these two do not say.
    pub reason: Option<String>,
    /// The line of its log that names the cause of a failure.
    pub first_error_line: Option<String>,
    /// Its log.
    pub log: Option<String>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// The rule that found it.
    pub rule: String,
    /// `info`, `warning`, `error`, `critical` or `emergency`.
    pub severity: String,
    /// `firing`, `nodata` or `resolved`.
    pub state: String,
    /// Which of the rule's alerts.
    pub labels: BTreeMap<String, String>,
    /// The value at its last change.
    pub value: Option<f64>,
    /// The threshold at its last change.
    pub threshold: Option<f64>,
    /// When it was raised.
    pub since_msec: i64,
    /// When it last changed.
    pub changed_msec: i64,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub runbook: Option<String>,
}
