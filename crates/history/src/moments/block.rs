//! A sealed window: the processes as rows, their fields as columns, and of those
//! only what changed.

use std::collections::HashMap;

use lfs_wrapper_model::TimeMsec;

use crate::codec::Damage;
use crate::moments::bytes::{NONE, put, put_signed};
use crate::moments::column::{Change, write_changes, write_plain};
use crate::moments::fields::{ARGUMENTS, FIELDS, NAME, Values};
use crate::moments::frame::{ProcessFrame, ProcessKey};
use crate::moments::live::{self, Live};
use crate::moments::packed::{Magic, pack};

pub(super) const MAGIC: Magic = Magic(*b"LFSp");

/// A block is written once and read often.
const LEVEL: i32 = 12;

/// How long a window is; windows are aligned to the wall clock.
pub const WINDOW_MSEC: i64 = 600_000;

/// More processes than this are in no block.
pub const PROCESSES_MAX: usize = 20_000;

/// A block ends when it holds so many changes of a number.
pub(super) const CHANGES_MAX: usize = 400_000;

/// A block ends when it holds so many frames.
pub(super) const FRAMES_MAX: usize = 4096;

/// A stretch of the block's times in which a process lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stay {
    pub(super) row: u32,
    pub(super) from: u16,
    /// The first time at which it was gone.
    pub(super) to: u16,
}

/// Takes frames in, and becomes the bytes of a block.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    live: Live,
    times: Vec<TimeMsec>,
    dropped: Vec<u64>,
    rows: HashMap<ProcessKey, u32>,
    keys: Vec<ProcessKey>,
    /// Since when each row lives, and what it was last.
    since: Vec<u16>,
    last: Vec<Values>,
    stays: Vec<Stay>,
    changes: Vec<Change>,
}

/// The bytes of a block, and its first and last times.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) start_msec: TimeMsec,
    pub(super) end_msec: TimeMsec,
    pub(super) bytes: Vec<u8>,
}

impl BlockBuilder {
    /// Whether a frame of this size and time can still go in.
    pub(super) fn has_room(&self, frame: &ProcessFrame) -> bool {
        let Some(last) = self.times.last() else {
            return true;
        };
        self.times.len() < FRAMES_MAX
            && self.changes.len() < CHANGES_MAX
            && self.keys.len() <= 2 * PROCESSES_MAX
            && frame.time_msec > *last
            && is_same_window(*last, frame.time_msec)
    }

    pub(super) fn first_msec(&self) -> Option<TimeMsec> {
        self.times.first().copied()
    }

    pub(super) fn push(&mut self, frame: &ProcessFrame) {
        let time = u16::try_from(self.times.len()).unwrap_or(u16::MAX);
        self.times.push(frame.time_msec);
        self.dropped.push(frame.dropped);
        let Self {
            live,
            rows,
            keys,
            since,
            last,
            stays,
            changes,
            ..
        } = self;
        live.step(frame.rows.iter(), |change, row| match change {
            live::Change::Gone { .. } => stays.extend(end_stay(since, row, time)),
            live::Change::Changed { known, .. } => {
                note_changes(changes, last, row, time, &known.values, false);
            }
            live::Change::Born { known, tag } => {
                let is_new = !rows.contains_key(&known.key);
                let row = *rows.entry(known.key).or_insert_with(|| {
                    keys.push(known.key);
                    since.push(time);
                    last.push(known.values);
                    u32::try_from(keys.len() - 1).unwrap_or(u32::MAX)
                });
                if let Some(since) = since.get_mut(row as usize) {
                    *since = time;
                }
                *tag = row;
                note_changes(changes, last, row, time, &known.values, is_new);
            }
        });
    }

    /// The block, unless nothing was pushed.
    pub(super) fn finish(mut self) -> Result<Option<Sealed>, Damage> {
        let (Some(start_msec), Some(end_msec)) =
            (self.times.first().copied(), self.times.last().copied())
        else {
            return Ok(None);
        };
        let end = u16::try_from(self.times.len()).unwrap_or(u16::MAX);
        for (_, row) in self.live.iter() {
            self.stays.extend(end_stay(&self.since, *row, end));
        }
        self.sort_rows();
        let mut sections = vec![
            write_times(&self.times),
            write_plain(self.dropped.iter().copied()),
            write_plain(self.keys.iter().map(|key| u64::from(key.0))),
            write_plain(self.keys.iter().map(|key| key.1)),
            write_stays(&self.stays, self.keys.len()),
            Vec::new(),
        ];
        if let Some(texts) = sections.last_mut() {
            self.live.texts.write_from(0, texts);
        }
        backdate_arguments(&mut self.changes);
        let mut rest = self.changes.as_slice();
        for field in 0..FIELDS {
            let count = rest.partition_point(|change| usize::from(change.field) <= field);
            let (of_field, others) = rest.split_at(count);
            sections.push(write_changes(of_field, self.keys.len()));
            rest = others;
        }
        Ok(Some(Sealed {
            start_msec,
            end_msec,
            bytes: pack(MAGIC, LEVEL, &sections)?,
        }))
    }

    /// Gives the rows the order of their keys.
    fn sort_rows(&mut self) {
        let mut order: Vec<(ProcessKey, u32)> = self.keys.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut places = vec![0; order.len()];
        for (place, (_, row)) in (0_u32..).zip(&order) {
            if let Some(slot) = places.get_mut(*row as usize) {
                *slot = place;
            }
        }
        let place = |row: u32| places.get(row as usize).copied().unwrap_or(row);
        for stay in &mut self.stays {
            stay.row = place(stay.row);
        }
        for change in &mut self.changes {
            change.row = place(change.row);
        }
        self.keys.sort_unstable();
        self.stays.sort_unstable();
        self.changes.sort_unstable();
    }
}

/// Whether both moments are of one window.
pub(super) const fn is_same_window(one: TimeMsec, other: TimeMsec) -> bool {
    one.div_euclid(WINDOW_MSEC) == other.div_euclid(WINDOW_MSEC)
}

fn end_stay(since: &[u16], row: u32, to: u16) -> Option<Stay> {
    let from = *since.get(row as usize)?;
    Some(Stay { row, from, to })
}

fn note_changes(
    changes: &mut Vec<Change>,
    last: &mut [Values],
    row: u32,
    time: u16,
    now: &Values,
    is_new: bool,
) {
    let Some(last) = last.get_mut(row as usize) else {
        return;
    };
    for (field, (before, now)) in (0_u8..).zip(last.iter().zip(now)) {
        if is_new || before != now {
            changes.push(Change {
                field,
                row,
                time,
                value: *now,
            });
        }
    }
    *last = *now;
}

/// Command lines are read by and by: the first that became known was so before
/// too, unless the process became another program in between.
fn backdate_arguments(changes: &mut Vec<Change>) {
    let field = |change: &Change| usize::from(change.field);
    let names = changes.partition_point(|change| field(change) < NAME);
    let arguments = changes.partition_point(|change| field(change) < ARGUMENTS);
    let end = changes.partition_point(|change| field(change) <= ARGUMENTS);
    let mut renamed: HashMap<u32, u16> = HashMap::new();
    let mut of_names = changes.get(names..arguments).unwrap_or_default().iter();
    let mut row_before = None;
    for change in of_names.by_ref() {
        if row_before == Some(change.row) {
            renamed.entry(change.row).or_insert(change.time);
        }
        row_before = Some(change.row);
    }
    let mut is_superfluous = vec![false; end - arguments];
    for place in arguments..end.saturating_sub(1) {
        let (Some(first), Some(next)) = (changes.get(place).copied(), changes.get(place + 1))
        else {
            continue;
        };
        let is_first = place == arguments
            || changes
                .get(place - 1)
                .is_some_and(|before| before.row != first.row);
        let is_renamed = || {
            renamed
                .get(&first.row)
                .is_some_and(|time| *time <= next.time)
        };
        if is_first && first.value == NONE && next.row == first.row && !is_renamed() {
            let time = first.time;
            if let Some(next) = changes.get_mut(place + 1) {
                next.time = time;
            }
            if let Some(mark) = is_superfluous.get_mut(place - arguments) {
                *mark = true;
            }
        }
    }
    let mut place = 0_usize;
    changes.retain(|_| {
        let at = place.checked_sub(arguments);
        place += 1;
        at.and_then(|at| is_superfluous.get(at)) != Some(&true)
    });
}

/// Each time as what it is later than expected.
fn write_times(times: &[TimeMsec]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, times.len() as u64);
    let (mut time, mut step) = (0_i64, 0_i64);
    for now in times {
        let step_now = now.wrapping_sub(time);
        put_signed(&mut out, step_now.wrapping_sub(step));
        (time, step) = (*now, step_now);
    }
    out
}

fn write_stays(stays: &[Stay], rows: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for of_row in stays.chunk_by(|one, other| one.row == other.row).take(rows) {
        put(&mut out, of_row.len() as u64);
        let mut time = 0;
        for stay in of_row {
            put(&mut out, u64::from(stay.from - time));
            put(&mut out, u64::from(stay.to - stay.from));
            time = stay.to;
        }
    }
    out
}
