//! Samples of other times, out of other files.

use std::collections::BTreeMap;

use lfs_wrapper_model::TimeMsec;
use rusqlite::Connection;

use super::block::{self, Builder};
use super::dictionary::Dictionary;
use super::frame::{Entry, Group};
use super::tier::{NEWEST_IMPORTED, TIERS};
use super::window::{WINDOW_MSEC, window_start};
use super::{retain, seal};
use crate::source::Stretch;

/// What became of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOutcome {
    /// Samples that were written.
    pub samples: u64,
    /// Samples before 1970, or more than a thousand years later.
    pub out_of_range: u64,
    /// Samples of series for which there was no number left.
    pub dropped: u64,
}

/// Writes samples beside those that are there; returns also how many blocks were
/// damaged and are gone.
pub(crate) fn write(
    connection: &Connection,
    dictionary: &mut Dictionary,
    series: &[(Entry, Stretch)],
) -> rusqlite::Result<(ImportOutcome, u64)> {
    let tier = TIERS[0];
    let mut imported = ImportOutcome::default();
    let mut newest_msec = None;
    let mut damaged = 0;
    let mut builders: BTreeMap<(TimeMsec, u32), Builder> = BTreeMap::new();
    let transaction = connection.unchecked_transaction()?;
    for (entry, stretch) in series {
        let Some(newest) = stretch.times.last() else {
            continue;
        };
        let id = dictionary.resolve(&transaction, Group::Imported, entry, retain::day(*newest))?;
        let Some(id) = id else {
            imported.dropped += stretch.times.len() as u64;
            continue;
        };
        for (time, value) in stretch.times.iter().zip(&stretch.values) {
            if !tier.holds(*time) {
                imported.out_of_range += 1;
                continue;
            }
            let window = window_start(*time, WINDOW_MSEC);
            let builder = builders.entry((window, id.cluster)).or_default();
            builder.push(id.id, *time, *value);
            imported.samples += 1;
            newest_msec = newest_msec.max(Some(*time));
        }
    }
    for ((window, cluster), builder) in builders {
        for made in builder.finish() {
            damaged += block::insert(&transaction, tier, cluster, window, &made)?;
        }
        // One window has a number of blocks at most.
        damaged += block::merge_window(&transaction, tier, cluster, (window, WINDOW_MSEC))?;
        seal::finish(&transaction, window)?;
    }
    if let Some(newest) = newest_msec {
        seal::set_until(&transaction, NEWEST_IMPORTED, newest)?;
    }
    transaction.commit()?;
    Ok((imported, damaged))
}
