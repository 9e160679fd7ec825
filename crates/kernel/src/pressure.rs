//! Pressure stall information: `/proc/pressure/*`. Kernels built without it
//! lack the files; kernels booted with `psi=0` refuse to read them.

use std::path::Path;

use crate::field::{Values, metric, values};
use crate::interval::Interval;
use crate::source::Source;
use crate::text::{lines, parse_u64, words};

values! {
    /// How long tasks have waited since boot, in microseconds; the key is the
    /// file and the line.
    pub struct PressureSample;
    /// Some task waited for a processor.
    cpu_some_usec = "cpu some", Usec,
        metric!(Counter, "node_pressure_cpu_waiting_seconds_total",
            "Total time in seconds that processes have waited for CPU time");
    /// Some task waited for memory.
    memory_some_usec = "memory some", Usec,
        metric!(Counter, "node_pressure_memory_waiting_seconds_total",
            "Total time in seconds that processes have waited for memory");
    /// All tasks waited for memory.
    memory_full_usec = "memory full", Usec,
        metric!(Counter, "node_pressure_memory_stalled_seconds_total",
            "Total time in seconds no process could make progress due to memory congestion");
    /// Some task waited for I/O.
    io_some_usec = "io some", Usec,
        metric!(Counter, "node_pressure_io_waiting_seconds_total",
            "Total time in seconds that processes have waited due to IO congestion");
    /// All tasks waited for I/O.
    io_full_usec = "io full", Usec,
        metric!(Counter, "node_pressure_io_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IO congestion");
    /// All tasks waited while interrupts were served; since Linux 6.1, and
    /// only where the kernel accounts for interrupts.
    irq_full_usec = "irq full", Usec,
        metric!(Counter, "node_pressure_irq_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IRQ congestion");
}

/// Reads `/proc/pressure/*`.
pub(crate) fn read_pressure(source: &mut Source, procfs: &Path) -> PressureSample {
    let mut sample = PressureSample::default();
    let folder = procfs.join("pressure");
    for resource in ["cpu", "memory", "io"] {
        let path = folder.join(resource);
        let parse = |text: &[u8]| parse_pressure(resource, text, &mut sample);
        if source.read_parsed("pressure", &path, parse).is_none() {
            continue;
        }
        let missing = sample.missing().into_iter();
        for line in missing.filter_map(|key| key.strip_prefix(resource)) {
            source.note("pressure", &path, format_args!("no total of{line}"));
        }
    }
    if let Ok(text) = source.read_kept(&folder.join("irq")) {
        parse_pressure("irq", text, &mut sample);
    }
    sample
}

/// Parses one file of a machine's or a control group's pressure: lines of
/// `some avg10=0.00 … total=12345`. Keys are the resource and the line's first
/// word.
pub(crate) fn parse_pressure<V: Values>(resource: &str, text: &[u8], values: &mut V) {
    for line in lines(text) {
        let mut words = words(line);
        let Some(kind) = words.next() else { continue };
        let total = words.find_map(|word| parse_u64(word.strip_prefix(b"total=")?));
        let is_this = |key: &str| {
            key.split_once(' ')
                .is_some_and(|key| key.0 == resource && key.1.as_bytes() == kind)
        };
        if let Some(field) = V::FIELDS.iter().find(|field| is_this(field.key)) {
            (field.set)(values, total);
        }
    }
}

/// Shares of the interval in which tasks waited; `full` is when no task at all
/// could go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PressureFrame {
    /// Some task waited for a processor.
    pub cpu_some: Option<f64>,
    /// Some task waited for memory.
    pub memory_some: Option<f64>,
    /// All tasks waited for memory.
    pub memory_full: Option<f64>,
    /// Some task waited for I/O.
    pub io_some: Option<f64>,
    /// All tasks waited for I/O.
    pub io_full: Option<f64>,
    /// All tasks waited while interrupts were served.
    pub irq_full: Option<f64>,
}

/// Pressure's frame.
pub(crate) fn derive_pressure(
    previous: &PressureSample,
    next: &PressureSample,
    interval: Interval,
) -> PressureFrame {
    PressureFrame {
        cpu_some: interval.share(previous.cpu_some_usec, next.cpu_some_usec),
        memory_some: interval.share(previous.memory_some_usec, next.memory_some_usec),
        memory_full: interval.share(previous.memory_full_usec, next.memory_full_usec),
        io_some: interval.share(previous.io_some_usec, next.io_some_usec),
        io_full: interval.share(previous.io_full_usec, next.io_full_usec),
        irq_full: interval.share(previous.irq_full_usec, next.irq_full_usec),
    }
}
