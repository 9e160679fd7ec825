use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_kernel::{Reader, Roots, expose};
use lfs_wrapper_model::metric::render_prometheus;

use super::Done;
use crate::output::print;
use crate::terminal::say;

/// Print one sample of the host in Prometheus' text format
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper metrics | grep node_memory")]
pub(crate) struct Metrics {
    /// Where procfs is mounted
    #[arg(long = "path.procfs", value_name = "DIR", default_value = "/proc")]
    procfs: PathBuf,
    /// Where sysfs is mounted
    #[arg(long = "path.sysfs", value_name = "DIR", default_value = "/sys")]
    sysfs: PathBuf,
    /// Where the root file system is
    #[arg(long = "path.rootfs", value_name = "DIR", default_value = "/")]
    rootfs: PathBuf,
}

pub(crate) fn run(metrics: &Metrics) -> Done {
    let mut reader = Reader::new(Roots {
        procfs: metrics.procfs.clone(),
        sysfs: metrics.sysfs.clone(),
        rootfs: metrics.rootfs.clone(),
    });
    let sample = reader.read(None);
    for absent in &sample.absent {
        say(&format!("note: not read: {absent}"));
    }
    print(&render_prometheus(&expose(&sample)))?;
    Ok(ExitCode::SUCCESS)
}
