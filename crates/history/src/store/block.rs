//! Blocks in the file.

use std::collections::{BTreeMap, BTreeSet};

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::rollup;
use super::tier::{self, PARTS_MAX, Tier};
use super::window::Runs;
use crate::codec::{self, Block, BlockReader, Damage, Row};
use crate::source::is_stale;

/// A block has no more moments than this; what has more becomes several.
const TIMES_MAX: usize = 16_384;

/// When a window has as many blocks of a cluster, they become one: a clock that
/// is set back again and again makes one each time.
const PARTS_MERGED: i64 = 256;

/// Writes a block of a cluster and window beside those that are there; returns how
/// many of them were damaged and are gone.
pub(crate) fn insert(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    start_msec: TimeMsec,
    block: &Block,
) -> rusqlite::Result<u64> {
    let (first, last) = tier.keys(cluster, start_msec, start_msec);
    let mut damaged = 0;
    if tier.step_msec == 0 {
        let parts = count(connection, first, last)?;
        if parts > 0 && parts % PARTS_MERGED == 0 {
            damaged += merge(connection, tier, cluster, start_msec)?;
        }
    }
    append(connection, tier, cluster, start_msec, block)?;
    Ok(damaged)
}

fn append(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    start_msec: TimeMsec,
    block: &Block,
) -> rusqlite::Result<()> {
    let (first, last) = tier.keys(cluster, start_msec, start_msec);
    let newest: Option<i64> = connection
        .prepare_cached("SELECT id FROM block WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1")?
        .query_row([first, last], |row| row.get(0))
        .optional()?;
    let key = newest.map_or(first, |newest| newest + 1);
    if key - first >= PARTS_MAX {
        let error = "too many blocks of one window: its samples have too many different times";
        return Err(rusqlite::Error::ToSqlConversionFailure(error.into()));
    }
    let data = encode(block)?;
    connection
        .prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3)")?
        .execute(params![key, checksum(key, &data), data])?;
    Ok(())
}

/// The bytes of a block.
pub(crate) fn encode(block: &Block) -> rusqlite::Result<Vec<u8>> {
    codec::encode(block).map_err(|unfit| rusqlite::Error::ToSqlConversionFailure(Box::new(unfit)))
}

/// Where the windows between two times have several blocks of a cluster, each
/// becomes one; returns how many were damaged and are gone.
pub(crate) fn merge_window(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    (from_msec, length_msec): (TimeMsec, i64),
) -> rusqlite::Result<u64> {
    let mut damaged = 0;
    let mut start = from_msec;
    while start < from_msec + length_msec {
        let (first, last) = tier.keys(cluster, start, start);
        if count(connection, first, last)? > 1 {
            damaged += merge(connection, tier, cluster, start)?;
        }
        start += tier.window_msec;
    }
    Ok(damaged)
}

fn count(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM block WHERE id BETWEEN ?1 AND ?2")?
        .query_row([first, last], |row| row.get(0))
}

fn merge(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    start_msec: TimeMsec,
) -> rusqlite::Result<u64> {
    let mut builder = Builder::default();
    let damaged = each::<rusqlite::Error>(
        connection,
        tier,
        cluster,
        (start_msec, start_msec),
        |reader| Ok(builder.add(reader).is_ok()),
    )?;
    let (first, last) = tier.keys(cluster, start_msec, start_msec);
    connection
        .prepare_cached("DELETE FROM block WHERE id BETWEEN ?1 AND ?2")?
        .execute([first, last])?;
    for block in builder.finish() {
        append(connection, tier, cluster, start_msec, &block)?;
    }
    Ok(damaged)
}

/// Calls `take` with each block of a cluster whose window starts at these times
/// or between; returns how many were damaged.
pub(crate) fn each<E: From<rusqlite::Error>>(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    windows: (TimeMsec, TimeMsec),
    mut take: impl FnMut(&mut BlockReader) -> Result<bool, E>,
) -> Result<u64, E> {
    let mut damaged = 0;
    each_or_hole(connection, tier, cluster, windows, |_, reader| {
        let is_whole = reader.map_or(Ok(false), &mut take)?;
        damaged += u64::from(!is_whole);
        Ok::<(), E>(())
    })?;
    Ok(damaged)
}

/// The same with the start of its window; of one that is damaged, that alone.
pub(crate) fn each_or_hole<E: From<rusqlite::Error>>(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    (from_msec, to_msec): (TimeMsec, TimeMsec),
    mut take: impl FnMut(TimeMsec, Option<&mut BlockReader>) -> Result<(), E>,
) -> Result<(), E> {
    let (first, last) = tier.keys(cluster, from_msec, to_msec);
    let mut statement = connection
        .prepare_cached("SELECT id, crc, data FROM block WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = statement.query([first, last])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let crc: u32 = row.get(1)?;
        let data = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        let start_msec = tier::parse_key(key).map_or(from_msec, |(_, _, start)| start);
        let is_whole = checksum(key, data) == crc;
        let mut reader = is_whole.then(|| BlockReader::open(data).ok()).flatten();
        take(start_msec, reader.as_mut())?;
    }
    Ok(())
}

/// Whether the row is what was written.
pub(crate) fn checksum(key: i64, data: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&key.to_le_bytes()), data)
}

/// Samples of many series, to become blocks with common times.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    rows: BTreeMap<u32, Vec<(TimeMsec, f64)>>,
}

impl Builder {
    /// Adds a sample; of two of the same time the one that was added first counts.
    pub(crate) fn push(&mut self, key: u32, time_msec: TimeMsec, value: f64) {
        self.rows.entry(key).or_default().push((time_msec, value));
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn add(&mut self, reader: &mut BlockReader) -> Result<(), Damage> {
        let keys: Vec<u32> = reader.keys().collect();
        for key in keys {
            if let Some(row) = reader.row(key)? {
                rollup::each_sample(&row, |time, value| self.push(key, time, value))?;
            }
        }
        Ok(())
    }

    /// The blocks of all that was added.
    pub(crate) fn finish(self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open = Open::default();
        for (key, mut samples) in self.rows {
            samples.sort_by_key(|sample| sample.0);
            samples.dedup_by_key(|sample| sample.0);
            for (number, piece) in samples.chunks(TIMES_MAX).enumerate() {
                // A row is only once in a block.
                if number > 0 || !open.has_room(piece) {
                    blocks.extend(std::mem::take(&mut open).finish());
                }
                open.times.extend(piece.iter().map(|sample| sample.0));
                open.rows.push((key, piece.to_vec()));
            }
        }
        blocks.extend(open.finish());
        blocks
    }
}

#[derive(Default)]
struct Open {
    times: BTreeSet<TimeMsec>,
    rows: Vec<(u32, Vec<(TimeMsec, f64)>)>,
}

impl Open {
    fn has_room(&self, piece: &[(TimeMsec, f64)]) -> bool {
        let new = piece
            .iter()
            .filter(|sample| !self.times.contains(&sample.0));
        self.times.len() + new.count() <= TIMES_MAX
    }

    fn finish(self) -> Option<Block> {
        let times: Vec<TimeMsec> = self.times.into_iter().collect();
        let rows = self.rows.into_iter().map(|(key, samples)| {
            let (mut runs, mut values) = (Runs::default(), Vec::with_capacity(samples.len()));
            for (time, value) in samples {
                let index = times.partition_point(|other| *other < time);
                // There are no more than `TIMES_MAX`.
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                if is_stale(value) {
                    runs.end(index);
                } else {
                    runs.push(index);
                    values.push(value);
                }
            }
            Row {
                key,
                runs: runs.0,
                columns: vec![Some(values)],
            }
        });
        let rows: Vec<Row> = rows.collect();
        (!rows.is_empty()).then_some(Block { times, rows })
    }
}
