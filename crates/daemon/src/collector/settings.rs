use std::path::PathBuf;
use std::time::Duration;

/// Which metrics to collect beside one's own.
#[derive(Clone, Debug, Default)]
pub struct CollectorSettings {
    /// The folder whose `*.prom` files are read.
    pub textfile: Option<PathBuf>,
    /// Programs that print metrics.
    pub exec: Vec<ExecSettings>,
}

/// A program that prints metrics in the text format 0.0.4.
#[derive(Clone, Debug)]
pub struct ExecSettings {
    /// Its label in the metrics about it; no two have the same.
    pub name: String,
    /// The program and its arguments; no shell is between.
    pub command: Vec<String>,
    /// Time from one start to the next.
    pub interval: Duration,
    /// It is killed after this; below the interval.
    pub timeout: Duration,
}
