use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_daemon::collect_beside;
use lfs_wrapper_kernel::{Reader, Roots, expose};
use lfs_wrapper_model::metric::render_prometheus;

use super::Done;
use super::up::collectors;
use crate::failure::Failure;
use crate::output::print;
use crate::session::Session;
use crate::terminal::say;

/// Print one sample of the host in Prometheus' text format
///
/// The text files and programs of the configuration join in.
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

pub(crate) fn run(session: &Session, metrics: &Metrics) -> Done {
    let roots = Roots {
        procfs: metrics.procfs.clone(),
        sysfs: metrics.sysfs.clone(),
        rootfs: metrics.rootfs.clone(),
    };
    for folder in [&roots.procfs, &roots.sysfs, &roots.rootfs] {
        if !folder.is_dir() {
            let what = format!("reading the folder {}", folder.display());
            let error = std::io::ErrorKind::NotFound.into();
            return Err(Failure::io(what, &error));
        }
    }
    let is_live = roots == Roots::default();
    let sample = Reader::new(roots).read(None);
    for absent in &sample.absent {
        say(&format!("note: not read: {absent}"));
    }
    let mut points = expose(&sample);
    // What the configuration adds is of this machine, now.
    if is_live {
        match session.config() {
            Ok((config, _)) => points = collect_beside(points, &collectors(&config.collectors)),
            Err(error) => say(&format!(
                "note: without its collectors: {}",
                error.message()
            )),
        }
    }
    print(&render_prometheus(&points))?;
    Ok(ExitCode::SUCCESS)
}
