//! Making a history, and what that costs.

use std::path::Path;

use lfs_wrapper_history::{Entry, History, Limits, Stretch};

use crate::arguments::Arguments;
use crate::generate::{Generator, Kind, START_MSEC};
use crate::usage::{Spent, memory_kib, mib, msec, reset_peak, written};
use crate::{Failure, say};

/// Nothing is too old, whatever time the data is of.
pub(crate) fn limits(bytes_max: u64) -> Limits {
    Limits {
        bytes_max,
        disk_free_min: 0,
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    }
}

pub(crate) fn open(path: &Path, limits: Limits) -> Result<History, Failure> {
    let (history, notes) = History::open(path, limits)?;
    notes.iter().try_for_each(|note| say(note))?;
    Ok(history)
}

/// What the steps of taking in cost.
#[derive(Debug, Default)]
struct Costs {
    append: Spent,
    flush: Spent,
    maintain: Spent,
}

pub(crate) fn fill(arguments: &Arguments) -> Result<bool, Failure> {
    let count: usize = arguments.number("series", 500)?;
    let seconds: i64 = arguments.number("seconds", 3600)?;
    let kind = Kind::parse(arguments.text("kind"))?;
    let bytes_max = arguments.number("bytes-max", 64 << 30)?;
    let history = open(&arguments.file, limits(bytes_max))?;
    let mut generator = Generator::new("generated", count, kind);
    let (mut costs, mut generating) = (Costs::default(), Spent::default());
    history.append(&generator.frame(START_MSEC + 137));
    history.flush()?;
    let (io_before, (memory_before, _)) = (written(), memory_kib());
    reset_peak();
    let mut open_window_kib = 0;
    for second in 1..seconds {
        let frame = generating.on(|| generator.frame(START_MSEC + second * 1000 + 137));
        costs.append.on(|| history.append(&frame));
        drop(frame);
        if second % 5 == 0 {
            costs.flush.on(|| history.flush())?;
            costs.maintain.on(|| history.maintain())?;
        }
        if second == 599 {
            open_window_kib = memory_kib().0.saturating_sub(memory_before);
        }
    }
    history.flush()?;
    let io = written();
    let per_frame = |spent: Spent| msec(spent.cpu) / seconds as f64;
    say(&format!(
        "taking in {count} generated series ({kind:?}) x {seconds} s: CPU a frame {:.3} ms (append {:.3}, flush {:.3}, maintain {:.3}); \
         written to the device {:.0} B/s, by system calls {:.0} B/s; memory +{} KiB after ten minutes, peak +{} KiB",
        per_frame(costs.append) + per_frame(costs.flush) + per_frame(costs.maintain),
        per_frame(costs.append),
        per_frame(costs.flush),
        per_frame(costs.maintain),
        (io.1 - io_before.1) as f64 / seconds as f64,
        (io.0 - io_before.0) as f64 / seconds as f64,
        open_window_kib,
        memory_kib().1.saturating_sub(memory_before),
    ))?;
    Ok(true)
}

/// A few series over a long time, a day a batch.
pub(crate) fn import(arguments: &Arguments) -> Result<bool, Failure> {
    let count: usize = arguments.number("series", 8)?;
    let days: i64 = arguments.number("days", 30)?;
    let step_msec: i64 = arguments.number("step-msec", 10_000)?;
    let history = open(&arguments.file, limits(64 << 30))?;
    let mut generator = Generator::new("long", count, Kind::Changing);
    let (mut import, mut maintain) = (Spent::default(), Spent::default());
    let (memory, _) = memory_kib();
    reset_peak();
    let mut samples = 0;
    for day in 0..days {
        let from = START_MSEC + (day - days) * 86_400_000;
        let mut batch: Vec<(Entry, Stretch)> = generator
            .entries()
            .iter()
            .map(|entry| (entry.clone(), Stretch::default()))
            .collect();
        for number in 0..86_400_000 / step_msec {
            for ((_, stretch), value) in batch.iter_mut().zip(generator.values()) {
                stretch.times.push(from + number * step_msec + 137);
                stretch.values.push(value);
            }
        }
        samples += import.on(|| history.import(&batch))?.samples;
    }
    maintain.on(|| history.maintain())?;
    say(&format!(
        "importing {count} generated series over {days} days, {samples} samples: {:.2} s CPU ({:.0} ns a sample), rolling up {:.2} s CPU; peak memory +{:.1} MiB",
        import.cpu.as_secs_f64(),
        import.cpu.as_nanos() as f64 / samples as f64,
        maintain.cpu.as_secs_f64(),
        mib(memory_kib().1.saturating_sub(memory) << 10),
    ))?;
    Ok(true)
}

/// Opening a file of an older form.
pub(crate) fn upgrade(arguments: &Arguments) -> Result<bool, Failure> {
    let before = std::fs::metadata(&arguments.file)?.len();
    let (memory, _) = memory_kib();
    reset_peak();
    let mut spent = Spent::default();
    let history = spent.on(|| open(&arguments.file, limits(64 << 30)))?;
    let opened = memory_kib().1.saturating_sub(memory);
    let mut rolling = Spent::default();
    rolling.on(|| history.maintain())?;
    drop(history);
    let after = std::fs::metadata(&arguments.file)?.len();
    say(&format!(
        "opening: {:.0} ms ({:.0} ms CPU), peak memory +{:.1} MiB, {:.2} MiB before, {:.2} MiB after; rolling up {:.0} ms CPU",
        msec(spent.wall),
        msec(spent.cpu),
        mib(opened << 10),
        mib(before),
        mib(after),
        msec(rolling.cpu),
    ))?;
    Ok(true)
}
