//! Far more than usual, under a cap.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::fill::{limits, open};
use crate::generate::{Generator, Kind, START_MSEC};
use crate::usage::{cpu, memory_kib, mib};
use crate::{Failure, say};

/// The greatest sizes that were seen: database and log together, the log, and
/// all three files.
#[derive(Debug, Default)]
struct Sizes {
    both: AtomicU64,
    log: AtomicU64,
    all: AtomicU64,
    times: AtomicU64,
}

impl Sizes {
    fn look(&self, path: &Path) {
        let size = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |found| found.len())
        };
        let (database, log, index) = (size(""), size("-wal"), size("-shm"));
        self.both.fetch_max(database + log, Ordering::Relaxed);
        self.log.fetch_max(log, Ordering::Relaxed);
        self.all
            .fetch_max(database + log + index, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks every 100 ms until it is told to stop.
    fn watch(self: &Arc<Self>, path: PathBuf, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
        let (sizes, stop) = (Arc::clone(self), Arc::clone(stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                sizes.look(&path);
                thread::sleep(Duration::from_millis(100));
            }
        })
    }
}

pub(crate) fn load(arguments: &Arguments) -> Result<bool, Failure> {
    let cap: u64 = arguments.number("bytes-max", 64 << 20)?;
    let count: usize = arguments.number("series", 20_000)?;
    let seconds: i64 = arguments.number("seconds", 7200)?;
    let kind = Kind::parse(arguments.text("kind"))?;
    let history = open(&arguments.file, limits(cap))?;
    let mut generator = Generator::new("load", count, kind);
    let (sizes, stop) = (Arc::new(Sizes::default()), Arc::new(AtomicBool::new(false)));
    let watch = sizes.watch(arguments.file.clone(), &stop);
    let mut errors: Vec<String> = Vec::new();
    let before = cpu();
    for second in 1..=seconds {
        history.append(&generator.frame(START_MSEC + second * 1000));
        if second % 5 == 0 {
            let result = history.flush().and_then(|()| history.maintain());
            errors.extend(result.err().map(|error| error.to_string()));
            // Also where it is largest.
            sizes.look(&arguments.file);
        }
    }
    let result = history.flush();
    errors.extend(result.err().map(|error| error.to_string()));
    let spent = cpu().saturating_sub(before);
    stop.store(true, Ordering::Relaxed);
    let _ = watch.join();
    let newest = history.reader().durable_msec()?;
    let counts = history.counts();
    let both = sizes.both.load(Ordering::Relaxed);
    let is_kept = both <= cap;
    say(&format!(
        "W7 cap of {:.0} MiB, {count} generated series ({kind:?}) x {seconds} s: at most {:.2} MiB with its log (log {:.2}, with -shm {:.2}): {}; \
         {} windows made room, {} frames lost, {} errors, newest {}, {:.1} s CPU, {:.0} MiB resident at most, seen {} times",
        mib(cap),
        mib(both),
        mib(sizes.log.load(Ordering::Relaxed)),
        mib(sizes.all.load(Ordering::Relaxed)),
        if is_kept { "kept" } else { "EXCEEDED" },
        counts.evicted_windows.get(),
        counts.lost_frames.get(),
        errors.len(),
        if newest == Some(START_MSEC + seconds * 1000) {
            "there"
        } else {
            "MISSING"
        },
        spent.as_secs_f64(),
        mib(memory_kib().1 << 10),
        sizes.times.load(Ordering::Relaxed),
    ))?;
    errors.dedup();
    errors
        .iter()
        .take(3)
        .try_for_each(|error| say(&format!("  {error}")))?;
    Ok(is_kept && newest == Some(START_MSEC + seconds * 1000))
}
