//! The open window on disk: every few seconds a row with what changed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, params};

use super::block;
use super::dictionary;
use super::frame::Group;
use super::window::{Column, GroupWindow, Runs, Window};
use crate::codec::{Block, BlockReader, Row, Run};

/// What of a group is not written down yet.
pub(crate) struct Change {
    group: Group,
    block: Block,
    /// How many moments of the window were written down before.
    position: usize,
    /// How many moments, and values of each column, will then be.
    times: usize,
    values: Vec<usize>,
}

impl Change {
    /// It was written down.
    pub(crate) fn note(&self, window: &mut Window) {
        let Some(group) = window.groups.get_mut(&self.group) else {
            return;
        };
        group.written = self.times;
        for (column, written) in group.columns.iter_mut().zip(&self.values) {
            column.written = *written;
        }
    }
}

/// The moments of a group that are not written down yet, with the series that
/// did not simply go on as they were.
pub(crate) fn changes(number: Group, group: &GroupWindow) -> Option<Change> {
    let from = group.written;
    let times = group.times.get(from..).filter(|times| !times.is_empty())?;
    let rows = group.columns.iter().filter_map(|column| {
        let id = column.id?;
        (!goes_on(column, from, group.times.len())).then(|| Row {
            key: id.id,
            runs: runs_from(&column.runs, from),
            columns: vec![Some(column.values.from(column.written))],
        })
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_by_key(|row| row.key);
    rows.dedup_by_key(|row| row.key);
    Some(Change {
        group: number,
        position: from,
        block: Block {
            times: times.to_vec(),
            rows,
        },
        times: group.times.len(),
        values: group
            .columns
            .iter()
            .map(|column| column.values.len())
            .collect(),
    })
}

/// Whether a series was there before and at each new moment, with one value.
fn goes_on(column: &Column, from: usize, len: usize) -> bool {
    let is_there = column.runs.0.last().is_some_and(|run| {
        let (start, run_len) = (run.from as usize, run.len as usize);
        !run.ends && start < from && start + run_len == len
    });
    let was_gone = column.runs.0.last().is_none_or(|run| {
        // Ended before, and not come back.
        run.ends && ((run.from + run.len) as usize) < from
    });
    is_there && column.values.repeats_from(column.written)
        || was_gone && column.written == column.values.len() && !column.runs.0.is_empty()
}

/// The runs from the time with index `from` on, counted from there.
fn runs_from(runs: &Runs, from: usize) -> Vec<Run> {
    // A window has fewer moments than fit in four bytes.
    let from = u32::try_from(from).unwrap_or(u32::MAX);
    let rebased = runs.0.iter().filter_map(|run| {
        let end = run.from + run.len;
        let start = run.from.max(from);
        let is_left = end > start || (run.ends && end >= from);
        is_left.then(|| Run {
            from: start.min(end.max(from)) - from,
            len: end.saturating_sub(start),
            ends: run.ends,
        })
    });
    rebased.collect()
}

/// Writes the changes of a group down.
pub(crate) fn insert(
    connection: &Connection,
    window_msec: TimeMsec,
    generation: u64,
    change: &Change,
) -> rusqlite::Result<()> {
    let data = block::encode(&change.block)?;
    let place = Place {
        window_msec,
        generation: i64::try_from(generation).unwrap_or(i64::MAX),
        group: change.group.number(),
        position: i64::try_from(change.position).unwrap_or(i64::MAX),
    };
    connection
        .prepare_cached(
            "INSERT INTO hot (window_msec, generation, grp, position, crc, data) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            place.window_msec,
            place.generation,
            place.group,
            place.position,
            place.checksum(&data),
            data
        ])?;
    Ok(())
}

/// Where a row belongs.
struct Place {
    window_msec: TimeMsec,
    generation: i64,
    group: u8,
    position: i64,
}

impl Place {
    fn checksum(&self, data: &[u8]) -> u32 {
        let numbers = [
            self.window_msec,
            self.generation,
            self.group.into(),
            self.position,
        ];
        let crc = numbers.iter().fold(0, |crc, number| {
            crc32c::crc32c_append(crc, &number.to_le_bytes())
        });
        crc32c::crc32c_append(crc, data)
    }
}

/// Forgets the rows of a window that has become blocks.
pub(crate) fn delete(connection: &Connection, window: &Window) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM hot WHERE window_msec = ?1 AND generation = ?2")?
        .execute(params![
            window.start_msec,
            i64::try_from(window.generation).unwrap_or(i64::MAX)
        ])?;
    Ok(())
}

/// Forgets the rows of all windows but those of these generations; how many
/// there were.
pub(crate) fn delete_others(connection: &Connection, kept: &[u64]) -> rusqlite::Result<usize> {
    let marks = vec!["?"; kept.len()].join(", ");
    let sql = format!("DELETE FROM hot WHERE generation NOT IN ({marks})");
    let kept = kept
        .iter()
        .map(|generation| i64::try_from(*generation).unwrap_or(i64::MAX));
    connection.execute(&sql, rusqlite::params_from_iter(kept))
}

/// The windows that are not blocks yet, oldest first, and how many rows were
/// damaged.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<(Vec<Window>, u64)> {
    let mut statement = connection.prepare_cached(
        "SELECT window_msec, generation, grp, position, crc, data FROM hot ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut windows: BTreeMap<(u64, TimeMsec), Window> = BTreeMap::new();
    let mut replays: BTreeMap<(u64, TimeMsec, Group), Replay> = BTreeMap::new();
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        let place = Place {
            window_msec: row.get(0)?,
            generation: row.get(1)?,
            group: row.get(2)?,
            position: row.get(3)?,
        };
        let crc: u32 = row.get(4)?;
        let data = row.get_ref(5)?.as_blob()?;
        let group = Group::from_number(place.group);
        let (Some(group), true) = (group, place.checksum(data) == crc) else {
            damaged += 1;
            continue;
        };
        let generation = u64::try_from(place.generation).unwrap_or(0);
        let replay = replays
            .entry((generation, place.window_msec, group))
            .or_default();
        let block = BlockReader::open(data).and_then(|mut reader| reader.block());
        let is_taken = match block {
            Ok(block) => replay.take(connection, place.position, &block)?,
            Err(_) => false,
        };
        if !is_taken {
            damaged += 1;
        }
    }
    for ((generation, start, group), replay) in replays {
        let window = windows
            .entry((generation, start))
            .or_insert_with(|| Window::new(start, generation));
        let mut taken = GroupWindow::written(replay.times);
        for (_, mut column) in replay.columns {
            column.written = column.values.len();
            taken.insert(column);
        }
        window.groups.insert(group, taken);
    }
    Ok((windows.into_values().collect(), damaged))
}

/// A group's window while its rows are read again.
#[derive(Default)]
struct Replay {
    times: Vec<TimeMsec>,
    columns: BTreeMap<u32, Column>,
    /// How many moments were in the rows that came before, those that are missing
    /// among them.
    position: i64,
}

impl Replay {
    fn take(
        &mut self,
        connection: &Connection,
        position: i64,
        block: &Block,
    ) -> rusqlite::Result<bool> {
        let later = self
            .times
            .last()
            .is_none_or(|newest| block.times.first() > Some(newest));
        if !later {
            return Ok(false);
        }
        if position != self.position {
            // A row is missing; what was there may have changed in it, and of what
            // this one does not name nothing is known.
            for column in self.columns.values_mut() {
                column.is_present = false;
            }
        }
        self.position = position + i64::try_from(block.times.len()).unwrap_or(i64::MAX);
        let base = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        self.times.extend(&block.times);
        let count = u32::try_from(block.times.len()).unwrap_or(0);
        let is_named = |key: u32| block.rows.binary_search_by_key(&key, |row| row.key).is_ok();
        let columns = self.columns.iter_mut();
        let silent = columns.filter(|(key, column)| column.is_present && !is_named(**key));
        silent.for_each(|(_, column)| column.repeat(count));
        for row in &block.rows {
            let values = row.columns.first().and_then(Option::as_deref);
            let values = values.unwrap_or_default();
            let column = match self.columns.entry(row.key) {
                Occupied(entry) => entry.into_mut(),
                Vacant(entry) => {
                    let Some(known) = dictionary::get(connection, row.key)? else {
                        continue;
                    };
                    entry.insert(Column::new(known.entry, Some(known.id)))
                }
            };
            replay_row(column, row, base, values);
        }
        Ok(true)
    }
}

fn replay_row(column: &mut Column, row: &Row, base: u32, values: &[f64]) {
    let mut values = values.iter();
    for run in &row.runs {
        for (offset, value) in (0..run.len).zip(&mut values) {
            column.push(base + run.from + offset, *value);
        }
        if run.ends {
            column.end(base + run.from + run.len);
        }
    }
}
