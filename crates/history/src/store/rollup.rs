//! Making a tier's blocks of those of the next finer one.

use std::collections::{BTreeMap, HashMap};

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::bucket::{Bucket, COLUMNS};
use super::frame::Shape;
use super::tier::{TIERS, Tier};
use super::window::{Runs, window_start};
use super::{block, dictionary, seal};
use crate::codec::{Block, BlockReader, Damage, PackedRow, Row, Run};
use crate::source::STALE;

/// Says that a window of the tier after `tier` must be made again.
pub(crate) fn mark(
    connection: &Connection,
    tier: Tier,
    start_msec: TimeMsec,
) -> rusqlite::Result<()> {
    let Some(coarser) = TIERS.get(usize::from(tier.number) + 1) else {
        return Ok(());
    };
    // A window's first moment is after its start.
    let window = window_start(start_msec + 1, coarser.window_msec);
    connection
        .prepare_cached("INSERT OR IGNORE INTO dirty VALUES (?1, ?2)")?
        .execute(params![coarser.number, window])?;
    Ok(())
}

/// Says that a window of a tier cannot be read and must be made again.
pub(crate) fn mark_hole(
    connection: &Connection,
    tier: u8,
    start_msec: TimeMsec,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO dirty VALUES (?1, ?2)")?
        .execute(params![tier, start_msec])?;
    Ok(())
}

/// A window of `tier` that must be made, and of which all finer values are there.
pub(crate) fn next(
    connection: &Connection,
    finer: Tier,
    tier: Tier,
) -> rusqlite::Result<Option<TimeMsec>> {
    connection
        .prepare_cached(
            "SELECT window_msec FROM dirty WHERE tier = ?1 AND window_msec + ?2 <= \
             (SELECT until_msec FROM tier WHERE tier = ?3) ORDER BY window_msec LIMIT 1",
        )?
        .query_row(
            params![tier.number, tier.window_msec, finer.number],
            |row| row.get(0),
        )
        .optional()
}

/// All clusters of a window of `tier` have been made.
pub(crate) fn done(
    connection: &Connection,
    tier: Tier,
    start_msec: TimeMsec,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction
        .prepare_cached("DELETE FROM dirty WHERE tier = ?1 AND window_msec = ?2")?
        .execute(params![tier.number, start_msec])?;
    mark(&transaction, tier, start_msec)?;
    seal::set_until(&transaction, tier.number, start_msec + tier.window_msec)?;
    transaction.commit()
}

type Series = BTreeMap<u32, BTreeMap<TimeMsec, Bucket>>;

/// Makes one cluster's window of a tier again. Where finer values are gone,
/// those that were made of them stay. Returns how many blocks were damaged.
pub(crate) fn make(
    connection: &Connection,
    tier: Tier,
    start_msec: TimeMsec,
    cluster: u32,
) -> rusqlite::Result<u64> {
    let finer = TIERS[usize::from(tier.number).saturating_sub(1)];
    let last = start_msec + tier.window_msec - finer.window_msec;
    let (mut series, damaged) = read(connection, finer, tier, cluster, (start_msec, last))?;
    let (old, damaged_old) = read(connection, tier, tier, cluster, (start_msec, start_msec))?;
    if series.is_empty() && damaged_old == 0 {
        return Ok(damaged);
    }
    for (key, buckets) in old {
        let series = series.entry(key).or_default();
        for (end, bucket) in buckets {
            series.entry(end).or_insert(bucket);
        }
    }
    let block = build(series, &dictionary::shapes(connection, cluster)?);
    let (first, last) = tier.keys(cluster, start_msec, start_msec);
    connection
        .prepare_cached("DELETE FROM block WHERE id BETWEEN ?1 AND ?2")?
        .execute([first, last])?;
    if !block.rows.is_empty() {
        block::insert(connection, tier, cluster, start_msec, &block)?;
    }
    Ok(damaged + damaged_old)
}

/// The buckets of `tier` that the blocks of `finer` give.
fn read(
    connection: &Connection,
    finer: Tier,
    tier: Tier,
    cluster: u32,
    windows: (TimeMsec, TimeMsec),
) -> rusqlite::Result<(Series, u64)> {
    let mut series = Series::new();
    let damaged = block::each::<rusqlite::Error>(connection, finer, cluster, windows, |reader| {
        Ok(add_finer(reader, finer, tier, &mut series).is_ok())
    })?;
    Ok((series, damaged))
}

/// Adds the rows of a finer block.
fn add_finer(
    reader: &mut BlockReader,
    finer: Tier,
    tier: Tier,
    series: &mut Series,
) -> Result<(), Damage> {
    let keys: Vec<u32> = reader.keys().collect();
    let mut result = Ok(());
    for key in keys {
        let row = match reader.row(key) {
            Ok(Some(row)) => row,
            Ok(None) => continue,
            Err(damage) => {
                // The other rows may be whole.
                result = Err(damage);
                continue;
            }
        };
        let buckets = series.entry(key).or_default();
        let end = |time: TimeMsec| window_start(time, tier.step_msec) + tier.step_msec;
        if finer.step_msec == 0 {
            each_sample(&row, |time, value| {
                let end = end(time);
                // Of two samples of the same time the first one counts.
                let bucket = buckets.entry(end).or_insert_with(|| Bucket::new(end));
                if bucket.count == 0.0 || time > bucket.last_msec {
                    bucket.push(time, value);
                }
            })?;
        } else {
            each_bucket(&row, |bucket| {
                let end = end(bucket.end_msec);
                buckets
                    .entry(end)
                    .or_insert_with(|| Bucket::new(end))
                    .merge(&bucket);
            })?;
        }
    }
    result
}

/// The samples of a row, in order; where it ends, a staleness marker.
pub(crate) fn each_sample(
    row: &PackedRow,
    mut take: impl FnMut(TimeMsec, f64),
) -> Result<(), Damage> {
    let mut values = Vec::new();
    row.column(0, &mut values)?;
    let mut values = values.into_iter();
    let times = row.times();
    for Run { from, len, ends } in row.runs()? {
        let (from, len) = (from as usize, len as usize);
        for (time, value) in times[from..from + len].iter().zip(&mut values) {
            take(*time, value);
        }
        if ends && let Some(time) = times.get(from + len) {
            take(*time, STALE);
        }
    }
    Ok(())
}

/// The buckets of a row of a rolled-up block, in order.
pub(crate) fn each_bucket(row: &PackedRow, mut take: impl FnMut(Bucket)) -> Result<(), Damage> {
    let mut columns: [Option<Vec<f64>>; COLUMNS] = Default::default();
    for (number, column) in columns.iter_mut().enumerate() {
        let mut values = Vec::new();
        if row.column(number, &mut values)? {
            *column = Some(values);
        }
    }
    let times = row.times();
    let mut index = 0;
    for run in row.runs()? {
        for time in &times[run.from as usize..(run.from + run.len) as usize] {
            let mut values = [None; COLUMNS];
            for (value, column) in values.iter_mut().zip(&columns) {
                *value = column
                    .as_ref()
                    .and_then(|column| column.get(index).copied());
            }
            take(Bucket::from_columns(*time, &values));
            index += 1;
        }
    }
    Ok(())
}

fn never_falls(buckets: &BTreeMap<TimeMsec, Bucket>) -> bool {
    let mut last = f64::NEG_INFINITY;
    buckets.values().all(|bucket| {
        let rises = bucket.count == 0.0 || (bucket.lost == 0.0 && bucket.first >= last);
        if bucket.count > 0.0 {
            last = bucket.last;
        }
        rises
    })
}

fn build(series: Series, shapes: &HashMap<u32, Shape>) -> Block {
    let mut times: Vec<TimeMsec> = series.values().flat_map(BTreeMap::keys).copied().collect();
    times.sort_unstable();
    times.dedup();
    let rows = series.into_iter().map(|(key, buckets)| {
        let shape = match shapes.get(&key).copied().unwrap_or(Shape::Unknown) {
            // What never falls is a counter.
            Shape::Unknown if never_falls(&buckets) => Shape::Counter,
            shape => shape,
        };
        let mut runs = Runs::default();
        let mut columns: Vec<Option<Vec<f64>>> = vec![None; COLUMNS];
        for (end, bucket) in buckets {
            let index = times.partition_point(|time| *time < end);
            runs.push(u32::try_from(index).unwrap_or(u32::MAX));
            for (column, value) in columns.iter_mut().zip(bucket.columns(shape)) {
                if let Some(value) = value {
                    column.get_or_insert_default().push(value);
                }
            }
        }
        Row {
            key,
            runs: runs.0,
            columns,
        }
    });
    Block {
        rows: rows.collect(),
        times,
    }
}
