//! The parsers as targets of a fuzzer, one target for each subject. Any bytes
//! go in; what comes out has to keep what the crate promises: no panic, no
//! number out of half a line, no ratio beyond its range, no series twice.
//!
//! Only tests and the feature `fuzzing` have this; `benches/fuzz` runs it.

mod check;
mod exposition;
mod kernel;
mod machine;
mod mask;
mod messages;
mod network;
mod process;
#[cfg(test)]
mod tests;

pub use exposition::exposition;
pub use kernel::{cgroup, cpu, disk, memory};
pub use machine::machine;
pub use mask::command_line;
pub use messages::{exits, netlink};
pub use network::{network, sockets};
pub use process::process;

/// Stands between two texts of one input, where a target compares what was
/// read at one time with what was read later.
pub const SEPARATOR: u8 = 0x1e;

/// One subject.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What the fuzzer's binary and the folder of seeds are called.
    pub name: &'static str,
    /// Parses the bytes; panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub static TARGETS: [Target; 12] = [
    Target {
        name: "cgroup",
        run: cgroup,
    },
    Target {
        name: "command_line",
        run: command_line,
    },
    Target {
        name: "cpu",
        run: cpu,
    },
    Target {
        name: "disk",
        run: disk,
    },
    Target {
        name: "exits",
        run: exits,
    },
    Target {
        name: "exposition",
        run: exposition,
    },
    Target {
        name: "machine",
        run: machine,
    },
    Target {
        name: "memory",
        run: memory,
    },
    Target {
        name: "netlink",
        run: netlink,
    },
    Target {
        name: "network",
        run: network,
    },
    Target {
        name: "process",
        run: process,
    },
    Target {
        name: "sockets",
        run: sockets,
    },
];
