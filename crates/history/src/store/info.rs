//! What is in the file, for who wants to know where its bytes go.

use std::fs;
use std::path::Path;

use lfs_wrapper_model::TimeMsec;
use rusqlite::Connection;

use super::block::checksum;
use super::reader::Reader;
use super::retain;
use super::tier::{self, TIERS};
use super::window::Window;
use super::{hot, open};
use crate::codec::{BlockReader, Damage};
use crate::source::ReadError;

/// What one tier holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierInfo {
    /// From one value to the next; 0 for samples.
    pub step_msec: i64,
    /// Its blocks.
    pub blocks: u64,
    /// What they take in the file.
    pub bytes: u64,
    /// Samples, or intervals of a series that have any.
    pub values: u64,
    /// Its first moment, and its last.
    pub span_msec: Option<(TimeMsec, TimeMsec)>,
}

impl TierInfo {
    fn note(&mut self, times: &[TimeMsec]) {
        let Some((first, last)) = times.first().zip(times.last()) else {
            return;
        };
        let (oldest, newest) = self.span_msec.unwrap_or((*first, *last));
        self.span_msec = Some((oldest.min(*first), newest.max(*last)));
    }
}

/// How far remote write has got with one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteInfo {
    /// Where it sends.
    pub endpoint: String,
    /// Up to here everything is settled.
    pub sent_until_msec: TimeMsec,
    /// What is later, up to here, may have arrived.
    pub offered_until_msec: TimeMsec,
}

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The file's length.
    pub file_bytes: u64,
    /// That of its write-ahead log.
    pub log_bytes: u64,
    /// Bytes of pages that hold something.
    pub used_bytes: u64,
    /// Series that the file knows.
    pub series: u64,
    /// Metrics with their number of series, most first.
    pub metrics: Vec<(String, u64)>,
    /// Samples, 10 s, 60 s, 1 h.
    pub tiers: [TierInfo; 4],
    /// What is not in blocks yet; its blocks are the rows that were written.
    pub open: TierInfo,
    /// Windows of blocks that are not rolled up yet.
    pub waiting_windows: u64,
    /// Blocks that have others of the same time and cluster beside them.
    pub parts: u64,
    /// Blocks and rows that cannot be read.
    pub damaged: u64,
    /// Samples before this one were deleted.
    pub deleted_until_msec: Option<TimeMsec>,
    /// How far remote write has got.
    pub remote: Vec<RemoteInfo>,
}

impl Reader {
    /// Looks at everything that is on disk, which takes seconds for a large
    /// file.
    pub fn info(&self) -> Result<Info, ReadError> {
        self.with(|connection| {
            // One state of the file, whatever is written meanwhile.
            let transaction = connection.unchecked_transaction()?;
            let mut info = read_tables(&transaction)?;
            let path = Path::new(connection.path().unwrap_or_default());
            info.file_bytes = length(path);
            info.log_bytes = length(&open::with_suffix(path, "-wal"));
            read_open(&transaction, &mut info)?;
            read_blocks(&transaction, &mut info)?;
            Ok(info)
        })
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn count(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn read_tables(connection: &Connection) -> rusqlite::Result<Info> {
    let mut metrics = connection.prepare(
        "SELECT name, count(*) FROM series JOIN metric ON metric.id = series.metric \
         GROUP BY name ORDER BY 2 DESC, 1",
    )?;
    let metrics = metrics.query_map([], |row| {
        Ok((
            row.get(0)?,
            u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        ))
    })?;
    let mut remote = connection
        .prepare("SELECT endpoint, sent_msec, offered_msec FROM remote ORDER BY endpoint")?;
    let remote = remote.query_map([], |row| {
        Ok(RemoteInfo {
            endpoint: row.get(0)?,
            sent_until_msec: row.get(1)?,
            offered_until_msec: row.get(2)?,
        })
    })?;
    Ok(Info {
        used_bytes: retain::used_bytes(connection)?,
        series: count(connection, "SELECT count(*) FROM series")?,
        waiting_windows: count(connection, "SELECT count(*) FROM dirty WHERE tier = 1")?,
        deleted_until_msec: super::reader::read_until(connection, tier::DELETED)?,
        metrics: metrics.collect::<rusqlite::Result<_>>()?,
        remote: remote.collect::<rusqlite::Result<_>>()?,
        ..Info::default()
    })
}

fn read_open(connection: &Connection, info: &mut Info) -> rusqlite::Result<()> {
    info.open.blocks = count(connection, "SELECT count(*) FROM hot")?;
    info.open.bytes = count(connection, "SELECT coalesce(sum(length(data)), 0) FROM hot")?;
    let (windows, damaged) = hot::read(connection)?;
    info.damaged += damaged;
    let groups = windows
        .iter()
        .flat_map(|window: &Window| window.groups.values());
    for group in groups {
        info.open.note(&group.times);
        let values = group.columns.iter().map(|column| column.values.len());
        info.open.values += values.sum::<usize>() as u64;
    }
    Ok(())
}

fn read_blocks(connection: &Connection, info: &mut Info) -> rusqlite::Result<()> {
    for (found, tier) in info.tiers.iter_mut().zip(TIERS) {
        found.step_msec = tier.step_msec;
    }
    let mut statement = connection.prepare("SELECT id, crc, data FROM block ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut last = None;
    let mut beside: u64 = 0;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let crc: u32 = row.get(1)?;
        let data = row.get_ref(2)?.as_blob()?;
        let place = tier::parse_key(key);
        let found = place.and_then(|(tier, _, _)| info.tiers.get_mut(usize::from(tier.number)));
        let (Some((tier, cluster, start)), Some(found)) = (place, found) else {
            info.damaged += 1;
            continue;
        };
        // Keys rise: blocks of one place come one behind another.
        let place = Some((tier.number, cluster, start));
        beside = if last == place { beside + 1 } else { 1 };
        last = place;
        info.parts += match beside {
            1 => 0,
            2 => 2,
            _ => 1,
        };
        found.blocks += 1;
        found.bytes += data.len() as u64;
        let values = match checksum(key, data) == crc {
            true => read_block(data, found),
            false => Err(Damage("its checksum is wrong")),
        };
        match values {
            Ok(values) => found.values += values,
            Err(_) => info.damaged += 1,
        }
    }
    Ok(())
}

/// How many values a block has.
fn read_block(data: &[u8], found: &mut TierInfo) -> Result<u64, Damage> {
    let mut reader = BlockReader::open(data)?;
    found.note(reader.times());
    let keys: Vec<u32> = reader.keys().collect();
    let mut values = 0;
    for key in keys {
        let row = reader.row(key)?.ok_or(Damage("a row is missing"))?;
        values += row
            .runs()?
            .iter()
            .map(|run| u64::from(run.len))
            .sum::<u64>();
    }
    Ok(values)
}
