//! A sealed window, being read: the frames that were pushed into it.

use lfs_wrapper_model::TimeMsec;

use crate::codec::Damage;
use crate::moments::block::{MAGIC, PROCESSES_MAX, Stay};
use crate::moments::bytes::{Bytes, NONE};
use crate::moments::column::{Change, read_changes, read_plain};
use crate::moments::fields::{FIELDS, Values, to_row};
use crate::moments::frame::{ProcessFrame, ProcessKey};
use crate::moments::packed::unpack;
use crate::moments::texts::TextTable;

/// Sections before those of the fields.
const SECTIONS: usize = 6;

/// More rows than any block has.
const ROWS_MAX: usize = 4 * PROCESSES_MAX;

const MISSING: Damage = Damage("a section is missing");

/// A block and where in it the reader is: frames are asked for in rising order.
#[derive(Debug)]
pub(super) struct BlockReader {
    times: Vec<TimeMsec>,
    dropped: Vec<u64>,
    keys: Vec<ProcessKey>,
    stays: Vec<Stay>,
    texts: TextTable,
    /// Sorted by time; those before `next` are in `values`.
    changes: Vec<Change>,
    next: usize,
    values: Vec<Values>,
}

impl BlockReader {
    pub(super) fn open(blob: &[u8]) -> Result<Self, Damage> {
        let sections = unpack(MAGIC, blob)?;
        if sections.len() < SECTIONS + FIELDS {
            return Err(MISSING);
        }
        let section = |number: usize| sections.get(number).map_or(&[][..], Vec::as_slice);
        let times = read_times(section(0))?;
        let dropped = read_plain(section(1), times.len())?;
        let (stays, firsts) = read_stays(section(4), times.len())?;
        let pids = read_plain(section(2), firsts.len())?;
        let starts = read_plain(section(3), firsts.len())?;
        let pids = pids.into_iter().map(u32::try_from);
        let pids = pids.collect::<Result<Vec<_>, _>>();
        let pids = pids.map_err(|_| Damage("a pid is too large"))?;
        let mut texts = TextTable::default();
        texts.read_more(&mut Bytes(section(5)))?;
        let mut changes = Vec::new();
        for (field, number) in (0_u8..).zip(SECTIONS..SECTIONS + FIELDS) {
            read_changes(section(number), field, &firsts, &mut changes)?;
        }
        changes.sort_by_key(|change| change.time);
        Ok(Self {
            dropped,
            stays,
            texts,
            next: 0,
            values: vec![[NONE; FIELDS]; firsts.len()],
            keys: pids.into_iter().zip(starts).collect(),
            changes,
            times,
        })
    }

    pub(super) fn times(&self) -> &[TimeMsec] {
        &self.times
    }

    /// The frame `number`, which is not before the one that was asked for last.
    pub(super) fn frame(&mut self, number: usize) -> Option<ProcessFrame> {
        let time_msec = *self.times.get(number)?;
        let dropped = *self.dropped.get(number)?;
        let time = u16::try_from(number).ok()?;
        let rest = self.changes.get(self.next..).unwrap_or_default();
        for change in rest.iter().take_while(|change| change.time <= time) {
            let values = self.values.get_mut(change.row as usize);
            let slot = values.and_then(|values| values.get_mut(usize::from(change.field)));
            if let Some(slot) = slot {
                *slot = change.value;
            }
            self.next += 1;
        }
        let here = |stay: &&Stay| stay.from <= time && time < stay.to;
        let mut rows = Vec::new();
        for stay in self.stays.iter().filter(here) {
            let row = stay.row as usize;
            if let (Some(key), Some(values)) = (self.keys.get(row), self.values.get(row)) {
                rows.push(to_row(*key, values, &mut self.texts));
            }
        }
        Some(ProcessFrame {
            time_msec,
            rows,
            dropped,
        })
    }
}

fn read_times(section: &[u8]) -> Result<Vec<TimeMsec>, Damage> {
    let mut bytes = Bytes(section);
    let (mut time, mut step) = (0_i64, 0_i64);
    (0..bytes.count()?)
        .map(|_| {
            step = step.wrapping_add(bytes.signed()?);
            time = time.wrapping_add(step);
            Ok(time)
        })
        .collect()
}

/// The stays of all rows, and where each row's first begins.
fn read_stays(section: &[u8], times: usize) -> Result<(Vec<Stay>, Vec<u16>), Damage> {
    const OUTSIDE: Damage = Damage("a process lives outside the block");
    let mut bytes = Bytes(section);
    let (mut stays, mut firsts) = (Vec::new(), Vec::new());
    let time = |time: u32| {
        let time = u16::try_from(time).map_err(|_| OUTSIDE)?;
        if usize::from(time) > times {
            return Err(OUTSIDE);
        }
        Ok(time)
    };
    for row in 0_u32.. {
        if bytes.is_empty() {
            break;
        }
        if firsts.len() >= ROWS_MAX {
            return Err(Damage("it has too many processes"));
        }
        let mut at = 0_u32;
        let count = bytes.count()?;
        for number in 0..count {
            let from = at.saturating_add(bytes.small()?);
            at = from.saturating_add(bytes.small()?);
            let (from, to) = (time(from)?, time(at)?);
            if number == 0 {
                firsts.push(from);
            }
            stays.push(Stay { row, from, to });
        }
        if count == 0 {
            return Err(Damage("a process never lives"));
        }
    }
    Ok((stays, firsts))
}
