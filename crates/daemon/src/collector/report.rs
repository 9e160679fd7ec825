//! What one look of a collector gave.

use std::sync::Arc;
use std::time::Duration;

use lfs_wrapper_model::metric::Point;
use rustix::time::{ClockId, clock_gettime};

/// The most samples that all collectors together may show.
pub(super) const POINTS_MAX: usize = 10_000;

/// The most text that one file or one run of a program may give.
pub(super) const BYTES_MAX: usize = 1024 * 1024;

/// Time since boot, that during suspend included: what is old after it stays
/// old.
pub(super) type SinceBoot = Duration;

/// The clock of [`SinceBoot`].
pub(super) fn read_since_boot() -> SinceBoot {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The points of a text, or why there are none.
pub(super) type Outcome = Result<Arc<[Point]>, String>;

/// What a look at the folder gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FolderReport {
    /// Why not all of the folder could be listed.
    pub(super) trouble: Option<String>,
    /// By path.
    pub(super) files: Vec<FileReport>,
}

/// What one file gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileReport {
    /// The whole path.
    pub(super) path: String,
    /// When it was written last, in seconds since the epoch; 0 where it could
    /// not be read.
    pub(super) mtime_seconds: f64,
    pub(super) outcome: Outcome,
}

/// What the runs of one program have given so far.
#[derive(Clone, Debug)]
pub(super) struct ExecReport {
    /// How long the newest run took.
    pub(super) duration: Duration,
    /// Why the newest run gave nothing.
    pub(super) trouble: Option<String>,
    /// Runs that gave nothing.
    pub(super) failures: u64,
    /// The newest run that gave something.
    pub(super) good: Option<GoodRun>,
}

/// A run that gave something.
#[derive(Clone, Debug)]
pub(super) struct GoodRun {
    /// When it ended, in milliseconds since the epoch.
    pub(super) time_msec: i64,
    pub(super) points: Arc<[Point]>,
    /// From then on they are not shown any more.
    pub(super) expires: SinceBoot,
}
