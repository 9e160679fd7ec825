//! The keeper: one small process for each attempt, between the supervisor and
//! the script. It is the child subreaper of all that the script starts, writes
//! the log, counts what was used, and sees to it that nothing outlives the
//! attempt, above all when the supervisor dies.
//!
//! The supervisor writes one [`Order`] line and then commands to the keeper's
//! standard input and reads [`Message`] lines from its standard output. An
//! end of the input means that the supervisor is gone.

mod launch;
mod log;
mod run;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use launch::{LAUNCH, launch};
pub use run::{KEEP, keep};

/// This very program, also after its file was replaced or removed.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";

/// What to run, and how.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The working folder.
    pub folder: PathBuf,
    /// The environment; `None` leaves the keeper's own, and its umask.
    pub environment: Option<BTreeMap<String, String>>,
    /// The group to run in, made already.
    pub cgroup: Option<PathBuf>,
    /// Where the output goes.
    pub log: PathBuf,
    /// A line that begins so announces a phase.
    pub phase_mark: String,
    /// After this long the attempt has failed.
    pub timeout_seconds: Option<u64>,
}

/// A command to a running keeper, one word a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask everything to end, and end it after a grace.
    Stop,
    /// End everything now.
    Kill,
}

impl Command {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Stop, Self::Kill]
            .into_iter()
            .find(|command| command.as_str() == word)
    }
}

/// What a keeper reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The script runs; the identity of its first process.
    Started {
        /// See [`crate::Identity`].
        leader: String,
    },
    /// The script could not be started.
    NotStarted {
        /// Why.
        why: String,
    },
    /// A phase began.
    Phase {
        /// Its name.
        name: String,
    },
    /// The log cannot be written any more; the output is still read, and lost.
    LogFailed {
        /// Why.
        why: String,
    },
    /// Everything has ended.
    Ended(Ended),
}

/// How an attempt ended and what it used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The exit code of the script, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended the script, if one did.
    pub signal: Option<i32>,
    /// It ran into its time limit.
    pub timed_out: bool,
    /// Time from start to end.
    pub wall_usec: u64,
    /// CPU time in user mode and in the kernel.
    pub cpu_usec: Option<Measured<(u64, u64)>>,
    /// Peak memory.
    pub memory_peak_bytes: Option<Measured<u64>>,
    /// Bytes read from and written to storage.
    pub io_bytes: Option<Measured<(u64, u64)>>,
    /// Processes that outlived the script and were ended.
    pub strays: u64,
    /// The part of the CPU time that getrusage(2) knows of, user and system
    /// together: a check on the group's figure.
    pub reaped_cpu_usec: Option<u64>,
    /// Output that the log had no room for.
    pub log_dropped_bytes: u64,
    /// Somebody outside the attempt still holds its output open.
    pub output_held: bool,
}

/// A figure with the rung of the accounting ladder it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured<T> {
    /// The figure.
    pub value: T,
    /// The rung.
    pub source: Rung,
}

/// The accounting ladder, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// The attempt's control group: exact for everything that ran in it.
    Cgroup,
    /// getrusage(2) of the keeper's children: CPU and I/O of the processes of
    /// the attempt, since the keeper reaps what their parents do not; only
    /// those whose parent ignores SIGCHLD are missing. Of memory only the
    /// largest single process, and at least the few MiB of the launcher.
    Wait4,
}

impl Rung {
    /// The name as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Wait4 => "wait4",
        }
    }
}
