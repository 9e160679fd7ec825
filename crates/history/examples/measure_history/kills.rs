//! A writer that is killed again and again, and what is then there.
//!
//! The times run far faster than the clock, and the cap is the least one, so
//! that a kill also falls into the making of blocks, roll-ups and room.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lfs_wrapper_history::{
    Channel, Entry, History, Limits, Reader, Selection, Source, Stretch, is_stale,
};
use lfs_wrapper_model::metric::MetricKind;

use crate::arguments::Arguments;
use crate::fill::limits;
use crate::generate::{START_MSEC, entry, frame};
use crate::{Failure, say};

const SERIES: usize = 300;
const STEP_MSEC: i64 = 1000;
/// Frames from one flush to the next, as the monitor does it.
const FLUSH_FRAMES: i64 = 5;

fn small() -> Limits {
    limits(32 << 20)
}

/// The value of a series at a time, the same in each process: of some all bits
/// change, others mostly stay.
fn value(series: usize, time_msec: i64) -> f64 {
    let moment = (time_msec / STEP_MSEC).unsigned_abs();
    let number = series as u64;
    match series % 3 {
        0 => {
            let mixed = (moment ^ (number << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            f64::from_bits(((mixed ^ (mixed >> 29)) >> 12) | 0x3ff0_0000_0000_0000)
        }
        1 => constant(series),
        _ => ((moment / 37 + number) % 1000) as f64,
    }
}

fn constant(series: usize) -> f64 {
    series as f64 * 1e6
}

fn is_there(series: usize, time_msec: i64) -> bool {
    !series.is_multiple_of(10)
        || (time_msec / STEP_MSEC / 41 + i64::try_from(series).unwrap_or(0)) % 3 != 0
}

fn entries() -> Vec<Entry> {
    let numbers = 0..SERIES;
    numbers
        .map(|number| entry("kills", number, MetricKind::Gauge))
        .collect()
}

/// The one who is killed: goes on behind what is there, and says in the file
/// `--log` what it has taken in and what is on disk.
pub(crate) fn write(arguments: &Arguments) -> Result<bool, Failure> {
    let mut log = fs::File::create(arguments.text("log").ok_or("--log FILE is missing")?)?;
    let (history, notes) = History::open(&arguments.file, small())?;
    for note in notes {
        log.write_all(format!("note {note}\n").as_bytes())?;
    }
    let all = entries();
    let newest = history.reader().newest_msec()?;
    let mut time = newest.unwrap_or(START_MSEC) / STEP_MSEC * STEP_MSEC;
    let mut before: Vec<usize> = Vec::new();
    let mut now: Arc<[Entry]> = Arc::from([]);
    loop {
        time += STEP_MSEC;
        let there: Vec<usize> = (0..SERIES)
            .filter(|series| is_there(*series, time))
            .collect();
        if there != before {
            now = there.iter().map(|series| all[*series].clone()).collect();
            before.clone_from(&there);
        }
        let values = there.iter().map(|series| value(*series, time)).collect();
        history.append(&frame(time, &now, values));
        if time / STEP_MSEC % FLUSH_FRAMES == 0 {
            log.write_all(format!("taken {time}\n").as_bytes())?;
            match history.flush() {
                Ok(()) => log.write_all(format!("flushed {time}\n").as_bytes())?,
                Err(error) => log.write_all(format!("error {error}\n").as_bytes())?,
            }
            if let Err(error) = history.maintain() {
                log.write_all(format!("error {error}\n").as_bytes())?;
            }
        }
    }
}

/// What a writer said before it died.
#[derive(Debug, Default)]
struct Said {
    taken: Option<i64>,
    flushed: Option<i64>,
    others: Vec<String>,
}

impl Said {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut said = Self::default();
        let text = fs::read_to_string(path)?;
        // The last line may have been cut.
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            match line.trim_end().split_once(' ') {
                Some(("taken", time)) => said.taken = Some(time.parse()?),
                Some(("flushed", time)) => said.flushed = Some(time.parse()?),
                _ => said.others.push(line.trim_end().to_owned()),
            }
        }
        Ok(said)
    }
}

pub(crate) fn kills(arguments: &Arguments) -> Result<bool, Failure> {
    let kills: u32 = arguments.number("kills", 20)?;
    let mut random: u64 = arguments.number("seed", 1)?;
    let path = &arguments.file;
    let log = path.with_extension("log");
    let mut most_lost = 0;
    let (mut faults, mut flushed) = (Vec::new(), None);
    for kill in 1..=kills {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut child = start(path, &log)?;
        thread::sleep(Duration::from_micros(5_000 + (random >> 33) % 400_000));
        child.kill()?;
        child.wait()?;
        let said = Said::read(&log)?;
        flushed = flushed.max(said.flushed);
        let mut tell = |fault: String| faults.push(format!("kill {kill}: {fault}"));
        said.others.iter().cloned().for_each(&mut tell);
        match check(path, flushed) {
            Ok(newest) => {
                let lost = said.taken.unwrap_or(0) - newest.unwrap_or(i64::MAX);
                most_lost = most_lost.max(lost / STEP_MSEC);
            }
            Err(fault) => tell(fault.to_string()),
        }
        if faults.len() > 20 {
            break;
        }
    }
    let evicted = Reader::open(path)?
        .oldest_msec()?
        .is_some_and(|oldest| oldest > START_MSEC);
    say(&format!(
        "{kills} kills of a writer: {}, at most {most_lost} frames lost that were not acknowledged, {} s of samples taken in{}",
        if faults.is_empty() {
            "all that was acknowledged is there, nothing is false".to_owned()
        } else {
            format!("{} FAULTS", faults.len())
        },
        (flushed.unwrap_or(START_MSEC) - START_MSEC) / 1000,
        if evicted {
            ", the oldest made room"
        } else {
            ""
        }
    ))?;
    faults
        .iter()
        .try_for_each(|fault| say(&format!("  {fault}")))?;
    Ok(faults.is_empty())
}

fn start(path: &Path, log: &Path) -> Result<Child, Failure> {
    fs::write(log, "")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("kills-writer").arg(path).arg("--log").arg(log);
    Ok(command.spawn()?)
}

fn selection(from_msec: i64, to_msec: i64, step_msec: i64, channel: Channel) -> Selection<'static> {
    Selection {
        matchers: &[],
        from_msec,
        to_msec,
        first_msec: from_msec,
        step_msec,
        range_msec: step_msec,
        channel,
        deadline: None,
    }
}

/// Opens the file as the next writer would, and looks at all of it; returns the
/// newest moment.
fn check(path: &Path, flushed: Option<i64>) -> Result<Option<i64>, Failure> {
    let (history, notes) = History::open(path, small())?;
    if let Some(note) = notes.first() {
        return Err(note.clone().into());
    }
    let reader = history.reader();
    let Some(newest) = reader.newest_msec()? else {
        return match flushed {
            None => Ok(None),
            Some(_) => Err("all of it is gone".into()),
        };
    };
    let newest = newest / STEP_MSEC * STEP_MSEC;
    if let Some(flushed) = flushed
        && newest < flushed
    {
        // Where a window has become blocks, its end is told.
        return Err(format!("{flushed} was acknowledged, and {newest} is the newest").into());
    }
    let oldest = reader.oldest_msec()?.unwrap_or(newest);
    let found = check_samples(&reader, oldest, newest, flushed)?;
    check_roll_ups(&reader, newest)?;
    if history.counts().damaged.get() > 0 {
        return Err("damage was counted".into());
    }
    Ok(Some(found))
}

/// Each sample is there once and right; returns the newest.
fn check_samples(
    reader: &Reader,
    oldest: i64,
    newest: i64,
    flushed: Option<i64>,
) -> Result<i64, Failure> {
    let numbers: BTreeMap<_, usize> = entries()
        .into_iter()
        .map(|entry| entry.labels)
        .zip(0..)
        .collect();
    let mut stretch = Stretch::default();
    let mut last = 0;
    let mut seen = 0;
    for mut selected in reader.select(&selection(oldest + 1, newest, 0, Channel::Last))? {
        let series = *numbers
            .get(&selected.labels)
            .ok_or_else(|| format!("{} never was", selected.labels))?;
        let mut expected = oldest / STEP_MSEC * STEP_MSEC + STEP_MSEC;
        while selected.samples.next(&mut stretch)? {
            for (time, value_found) in stretch.times.iter().zip(&stretch.values) {
                if is_stale(*value_found) && !is_there(series, *time) {
                    continue;
                }
                while expected < *time && !is_there(series, expected) {
                    expected += STEP_MSEC;
                }
                if expected != *time || value_found.to_bits() != value(series, *time).to_bits() {
                    return Err(format!(
                        "{} at {time}: {value_found}, not {} (expected {expected})",
                        selected.labels,
                        value(series, *time)
                    )
                    .into());
                }
                expected += STEP_MSEC;
            }
        }
        last = last.max(expected - STEP_MSEC);
        while flushed.is_some_and(|flushed| expected <= flushed) && !is_there(series, expected) {
            expected += STEP_MSEC;
        }
        if flushed.is_some_and(|flushed| expected <= flushed) {
            return Err(format!(
                "{} at {expected} was acknowledged and is gone",
                selected.labels
            )
            .into());
        }
        seen += 1;
    }
    let first = oldest / STEP_MSEC * STEP_MSEC + STEP_MSEC;
    let moments = (first..=flushed.unwrap_or(0)).step_by(1000);
    // In a short time some series were never there.
    let all = (0..SERIES).filter(|series| moments.clone().any(|time| is_there(*series, time)));
    let all = all.count();
    match seen >= all {
        true => Ok(last),
        false => Err(format!("{seen} of {all} series are there").into()),
    }
}

/// What never changes is the same in all roll-ups, and each second counts once.
fn check_roll_ups(reader: &Reader, newest: i64) -> Result<(), Failure> {
    let minute = 60_000;
    let to = newest / minute * minute;
    let number = |labels: &lfs_wrapper_history::Labels| {
        labels.get("number").parse::<usize>().unwrap_or(SERIES)
    };
    let mut stretch = Stretch::default();
    for channel in [Channel::Min, Channel::Max, Channel::Count] {
        for mut selected in reader.select(&selection(START_MSEC, to, minute, channel))? {
            let series = number(&selected.labels);
            if series % 3 != 1 || series.is_multiple_of(10) {
                continue;
            }
            while selected.samples.next(&mut stretch)? {
                let is_right = |value: f64| match channel {
                    Channel::Count => [1.0, 10.0, 60.0, 3600.0].contains(&value),
                    _ => value == constant(series),
                };
                let wrong = stretch
                    .times
                    .iter()
                    .zip(&stretch.values)
                    .find(|(_, value)| !is_right(**value));
                if let Some((time, value)) = wrong {
                    let edge = channel == Channel::Count && *value < 3600.0;
                    // The first and the last interval are not whole.
                    if !edge {
                        return Err(format!(
                            "roll-up {channel:?} of {} at {time} is {value}",
                            selected.labels
                        )
                        .into());
                    }
                }
            }
        }
    }
    Ok(())
}
