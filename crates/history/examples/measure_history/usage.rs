//! What this process has used so far.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process, all its threads.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// A number out of a file of /proc that has lines `NAME: NUMBER`.
fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Resident memory in KiB, now and at most since [`reset_peak`].
pub(crate) fn memory_kib() -> (u64, u64) {
    let status = "/proc/self/status";
    (field(status, "VmRSS"), field(status, "VmHWM"))
}

/// From here on, the peak counts anew.
pub(crate) fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes this process wrote: handed to the system, and to be written to a device.
pub(crate) fn written() -> (u64, u64) {
    let io = "/proc/self/io";
    (field(io, "wchar"), field(io, "write_bytes"))
}

/// Wall and CPU time of some work, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Spent {
    pub(crate) fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (wall, before) = (Instant::now(), cpu());
        let result = work();
        self.wall += wall.elapsed();
        self.cpu += cpu().saturating_sub(before);
        result
    }
}

pub(crate) fn msec(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
