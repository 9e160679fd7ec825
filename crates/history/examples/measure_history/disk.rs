//! A disk that fills up under the writer.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use lfs_wrapper_history::{History, Limits};

use crate::arguments::Arguments;
use crate::fill::{limits, open};
use crate::generate::{Generator, Kind, START_MSEC};
use crate::usage::mib;
use crate::{Failure, say};

fn free(path: &Path) -> Result<u64, Failure> {
    let folder = path.parent().ok_or("no folder")?;
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Fills the disk but for what must stay free, beside something else that fills
/// it; then makes room.
pub(crate) fn full(arguments: &Arguments) -> Result<bool, Failure> {
    let path = &arguments.file;
    let keep: u64 = arguments.number("disk-free-min", 8 << 20)?;
    let kind = Kind::parse(arguments.text("kind"))?;
    let filler = path.with_extension("filler");
    let mut other = fs::File::create(&filler)?;
    let part = vec![1; 1 << 20];
    while free(path)? > keep + (16 << 20) {
        other.write_all(&part)?;
    }
    other.sync_all()?;
    let history = open(
        path,
        Limits {
            disk_free_min: keep,
            ..limits(16 << 30)
        },
    )?;
    let mut writer = Writer {
        generator: Generator::new("full", 2000, kind),
        time_msec: START_MSEC,
        errors: Vec::new(),
        least: u64::MAX,
    };
    let mut rounds = 0;
    while history.counts().is_stopped.get() == 0 && rounds < 20_000 && writer.errors.len() < 3 {
        writer.write(&history, path)?;
        rounds += 1;
    }
    let (stopped, least) = (history.counts().is_stopped.get() == 1, writer.least);
    let stopped_at = free(path)?;
    drop(other);
    fs::remove_file(&filler)?;
    for _ in 0..20 {
        writer.write(&history, path)?;
    }
    let newest = history.reader().durable_msec()?;
    let goes_on = newest == Some(writer.time_msec);
    let told = writer
        .errors
        .first()
        .map_or(String::new(), |error| format!("; it said: {error}"));
    say(&format!(
        "W7 a disk that fills up, 2000 generated series ({kind:?}), {:.0} MiB to stay free: {} with {:.2} MiB free (at least {:.2} all the time), {} after room was made, {} frames lost, {} errors{told}",
        mib(keep),
        if stopped { "stopped" } else { "DID NOT STOP" },
        mib(stopped_at),
        mib(least),
        if goes_on { "went on" } else { "DID NOT GO ON" },
        history.counts().lost_frames.get(),
        writer.errors.len(),
    ))?;
    // With nothing to stay free, the disk itself says so.
    Ok(goes_on && (keep == 0 || stopped && least > 0))
}

struct Writer {
    generator: Generator,
    time_msec: i64,
    errors: Vec<String>,
    least: u64,
}

impl Writer {
    fn write(&mut self, history: &History, path: &Path) -> Result<(), Failure> {
        for _ in 0..5 {
            self.time_msec += 1000;
            history.append(&self.generator.frame(self.time_msec));
        }
        let result = history.flush().and_then(|()| history.maintain());
        self.errors
            .extend(result.err().map(|error| error.to_string()));
        self.least = self.least.min(free(path)?);
        Ok(())
    }
}
