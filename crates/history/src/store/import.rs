//! Samples of other times, out of other files.

use std::collections::{BTreeMap, BTreeSet};

use lfs_wrapper_model::TimeMsec;
use rusqlite::Connection;

use super::block::{self, Builder};
use super::dictionary::{self, Dictionary};
use super::frame::{Entry, Group};
use super::limits::LABELS_BYTES_MAX;
use super::tier::{NEWEST_IMPORTED, TIERS};
use super::window::{WINDOW_MSEC, window_start};
use super::{retain, rollup, seal};
use crate::source::Stretch;

/// What became of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOutcome {
    /// Samples that were written.
    pub samples: u64,
    /// Samples of a series and time that the history had already; those stay.
    pub present: u64,
    /// Samples before 1970, or more than a thousand years later.
    pub out_of_range: u64,
    /// Samples of series whose labels are longer than 64 KiB.
    pub too_long: u64,
    /// Samples of series for which there was no number left.
    pub dropped: u64,
}

/// A series' number, a time and a value.
type Sample = (u32, TimeMsec, f64);

/// Samples by the start of their window and their cluster.
type Windows = BTreeMap<(TimeMsec, u32), Vec<Sample>>;

/// Writes samples beside those that are there; returns also how many blocks were
/// damaged and are gone.
pub(crate) fn write(
    connection: &Connection,
    dictionary: &mut Dictionary,
    series: &[(Entry, Stretch)],
) -> rusqlite::Result<(ImportOutcome, u64)> {
    let mut imported = ImportOutcome::default();
    let mut newest_msec = None;
    let mut damaged = 0;
    let mut windows = Windows::new();
    let transaction = connection.unchecked_transaction()?;
    for (entry, stretch) in series {
        let Some(newest) = stretch.times.last() else {
            continue;
        };
        let id = dictionary.resolve(&transaction, Group::Imported, entry, retain::day(*newest))?;
        let Some(id) = id else {
            let is_long = dictionary::render(&entry.labels).len() > LABELS_BYTES_MAX;
            let count = match is_long {
                true => &mut imported.too_long,
                false => &mut imported.dropped,
            };
            *count += stretch.times.len() as u64;
            continue;
        };
        for (time, value) in stretch.times.iter().zip(&stretch.values) {
            if !TIERS[0].holds(*time) {
                imported.out_of_range += 1;
                continue;
            }
            let window = window_start(*time, WINDOW_MSEC);
            let samples = windows.entry((window, id.cluster)).or_default();
            samples.push((id.id, *time, *value));
            newest_msec = newest_msec.max(Some(*time));
        }
    }
    for (of, samples) in windows {
        damaged += write_window(&transaction, of, &samples, &mut imported)?;
    }
    if let Some(newest) = newest_msec {
        seal::set_until(&transaction, NEWEST_IMPORTED, newest)?;
    }
    transaction.commit()?;
    Ok((imported, damaged))
}

/// Writes those of the samples that no block has; returns how many blocks were
/// damaged and are gone.
fn write_window(
    connection: &Connection,
    (window, cluster): (TimeMsec, u32),
    samples: &[Sample],
    imported: &mut ImportOutcome,
) -> rusqlite::Result<u64> {
    let tier = TIERS[0];
    let present = read_present(connection, cluster, window, samples)?;
    let mut builder = Builder::default();
    for (id, time, value) in samples {
        if present.get(id).is_some_and(|times| times.contains(time)) {
            imported.present += 1;
            continue;
        }
        builder.push(*id, *time, *value);
        imported.samples += 1;
    }
    if builder.is_empty() {
        return Ok(0);
    }
    let mut damaged = 0;
    for made in builder.finish() {
        damaged += block::insert(connection, tier, cluster, window, &made)?;
    }
    // One window has a number of blocks at most.
    damaged += block::merge_window(connection, tier, cluster, (window, WINDOW_MSEC))?;
    seal::finish(connection, window)?;
    Ok(damaged)
}

/// The times that blocks of a window have of these samples' series. What is
/// damaged has none.
fn read_present(
    connection: &Connection,
    cluster: u32,
    window: TimeMsec,
    samples: &[Sample],
) -> rusqlite::Result<BTreeMap<u32, BTreeSet<TimeMsec>>> {
    let mut present: BTreeMap<u32, BTreeSet<TimeMsec>> = BTreeMap::new();
    let ids: BTreeSet<u32> = samples.iter().map(|sample| sample.0).collect();
    block::each::<rusqlite::Error>(connection, TIERS[0], cluster, (window, window), |reader| {
        for id in &ids {
            let Ok(Some(row)) = reader.row(*id) else {
                continue;
            };
            let times = present.entry(*id).or_default();
            if rollup::each_sample(&row, |time, _| _ = times.insert(time)).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    Ok(present)
}
