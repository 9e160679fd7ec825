//! A complete window becomes blocks.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::dictionary::Dictionary;
use super::tier::{NEWEST_SEALED, TIERS};
use super::window::{Column, Window};
use super::{block, hot, rollup};
use crate::codec::{Block, Row};

/// What became of a window beside its blocks.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    /// Series that there is no number for: the metric, how many values, and of how
    /// many of them it was said before.
    pub(crate) dropped: Vec<(String, usize, usize)>,
    /// Blocks that could not be put together with it and are gone.
    pub(crate) damaged: u64,
}

/// Writes the blocks of a window, and forgets what was written of it while it
/// was open.
pub(crate) fn write(
    connection: &Connection,
    dictionary: &mut Dictionary,
    window: &Window,
    day: i64,
    is_new_day: bool,
) -> rusqlite::Result<Sealed> {
    let mut sealed = Sealed::default();
    for (group, of_group) in &window.groups {
        let mut clusters: BTreeMap<u32, Vec<(u32, &Column)>> = BTreeMap::new();
        for column in of_group
            .columns
            .iter()
            .filter(|column| !column.runs.0.is_empty())
        {
            let id = match column.id {
                Some(id) if !is_new_day => Some(id),
                _ => dictionary.resolve(connection, *group, &column.entry, day)?,
            };
            let Some(id) = id else {
                let name = column.entry.labels.name().to_owned();
                let (values, said) = (column.values.len(), column.written);
                sealed.dropped.push((name, values, said));
                continue;
            };
            clusters
                .entry(id.cluster)
                .or_default()
                .push((id.id, column));
        }
        for (cluster, mut columns) in clusters {
            columns.sort_by_key(|(id, _)| *id);
            columns.dedup_by_key(|(id, _)| *id);
            let rows = columns.into_iter().map(|(key, column)| Row {
                key,
                runs: column.runs.0.clone(),
                columns: vec![Some(column.values.from(0))],
            });
            let block = Block {
                times: of_group.times.clone(),
                rows: rows.collect(),
            };
            sealed.damaged +=
                block::insert(connection, TIERS[0], cluster, window.start_msec, &block)?;
        }
    }
    hot::delete(connection, window)?;
    if let Some(newest) = window.newest_msec() {
        set_until(connection, NEWEST_SEALED, newest)?;
    }
    finish(connection, window.start_msec)?;
    Ok(sealed)
}

/// Says that there are samples in a window which are not rolled up yet.
pub(crate) fn finish(connection: &Connection, start_msec: i64) -> rusqlite::Result<()> {
    rollup::mark(connection, TIERS[0], start_msec)?;
    set_until(connection, 0, start_msec + TIERS[0].window_msec)
}

/// A tier has been made up to here.
pub(crate) fn set_until(
    connection: &Connection,
    tier: u8,
    until_msec: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO tier VALUES (?1, ?2) ON CONFLICT (tier) DO UPDATE \
             SET until_msec = max(until_msec, excluded.until_msec)",
        )?
        .execute(params![tier, until_msec])?;
    Ok(())
}

/// Says of all windows that are not rolled up that they must be; where blocks were
/// lost, of all windows of which finer values are there.
pub(crate) fn mark_all(connection: &Connection, is_block_lost: bool) -> rusqlite::Result<()> {
    let untils = super::reader::read_untils(connection)?;
    for cluster in super::reader::clusters(connection)? {
        for tier in TIERS {
            let made_msec = match (tier.number, is_block_lost) {
                (_, true) => 0,
                (0, false) => untils[1].max(0),
                (_, false) => break,
            };
            let (first, last) = tier.keys(cluster, made_msec, i64::MAX);
            let mut statement =
                connection.prepare_cached("SELECT id FROM block WHERE id BETWEEN ?1 AND ?2")?;
            let mut rows = statement.query([first, last])?;
            while let Some(row) = rows.next()? {
                if let Some((_, _, start)) = super::tier::parse_key(row.get(0)?) {
                    rollup::mark(connection, tier, start)?;
                    set_until(connection, tier.number, start + tier.window_msec)?;
                }
            }
        }
    }
    Ok(())
}
