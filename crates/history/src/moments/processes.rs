//! Reading the process table of a moment, and of all moments between two.

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OptionalExtension as _};

use crate::moments::block::WINDOW_MSEC;
use crate::moments::block_reader::BlockReader;
use crate::moments::damaged::{Damaged, Found};
use crate::moments::frame::ProcessFrame;
use crate::moments::hot::HotFrames;

/// A frame that is older than that says nothing of a moment.
pub const FRAME_AGE_MAX_MSEC: i64 = 300_000;

const TABLE: &str = "process_block";

/// The newest frame at or before `time_msec`, of the five minutes before it.
/// Another process may be writing meanwhile; what it has committed is seen.
pub fn processes_at(
    connection: &Connection,
    time_msec: TimeMsec,
) -> rusqlite::Result<Found<Option<ProcessFrame>>> {
    let from_msec = time_msec.saturating_sub(FRAME_AGE_MAX_MSEC);
    let mut found = Found::default();
    hot_frame_at(connection, from_msec, time_msec, &mut found)?;
    block_frame_at(connection, from_msec, time_msec, &mut found)?;
    Ok(found)
}

fn is_better(found: &Option<ProcessFrame>, time_msec: TimeMsec) -> bool {
    found
        .as_ref()
        .is_none_or(|frame| frame.time_msec < time_msec)
}

fn hot_frame_at(
    connection: &Connection,
    from_msec: TimeMsec,
    to_msec: TimeMsec,
    found: &mut Found<Option<ProcessFrame>>,
) -> rusqlite::Result<()> {
    let mut frames = HotFrames::new(connection, None);
    let wanted = from_msec..=to_msec;
    // Most frames are only passed: the next may be nearer.
    let mut is_candidate = false;
    loop {
        let next_msec = frames.next_msec()?;
        let is_next_better =
            next_msec.is_some_and(|next| wanted.contains(&next) && next > frames.last_msec());
        if is_candidate && !is_next_better && is_better(&found.value, frames.last_msec()) {
            found.value = Some(frames.frame());
        }
        if next_msec.is_none() {
            break;
        }
        is_candidate = frames.step() && wanted.contains(&frames.last_msec());
    }
    found.damaged.append(&mut frames.damaged);
    Ok(())
}

fn block_frame_at(
    connection: &Connection,
    from_msec: TimeMsec,
    to_msec: TimeMsec,
    found: &mut Found<Option<ProcessFrame>>,
) -> rusqlite::Result<()> {
    // No block is longer than a window, so no older one reaches here.
    let mut statement = connection.prepare_cached(
        "SELECT start_msec, end_msec, bytes FROM process_block \
         WHERE start_msec BETWEEN ?1 AND ?2 AND end_msec >= ?3 ORDER BY start_msec DESC",
    )?;
    let oldest_msec = from_msec.saturating_sub(2 * WINDOW_MSEC);
    let mut rows = statement.query((oldest_msec, to_msec, from_msec))?;
    while let Some(row) = rows.next()? {
        let (start_msec, end_msec): (TimeMsec, TimeMsec) = (row.get(0)?, row.get(1)?);
        if !is_better(&found.value, end_msec.min(to_msec)) {
            continue;
        }
        let mut block = match BlockReader::open(row.get_ref(2)?.as_blob()?) {
            Ok(block) => block,
            Err(why) => {
                found
                    .damaged
                    .push(Damaged::new(TABLE, start_msec, start_msec, &why));
                continue;
            }
        };
        let number = block.times().partition_point(|time| *time <= to_msec);
        let number = number.checked_sub(1);
        let number = number.filter(|number| {
            let time = block.times().get(*number);
            time.is_some_and(|time| *time >= from_msec && is_better(&found.value, *time))
        });
        if let Some(frame) = number.and_then(|number| block.frame(number)) {
            found.value = Some(frame);
        }
    }
    Ok(())
}

/// The frames from `from_msec` to `to_msec`, both included, one after the other.
pub fn processes_between(
    connection: &Connection,
    from_msec: TimeMsec,
    to_msec: TimeMsec,
) -> ProcessFrames<'_> {
    ProcessFrames {
        connection,
        next_msec: from_msec,
        to_msec,
        block_msec: from_msec.saturating_sub(2 * WINDOW_MSEC),
        block: None,
        hot: None,
        damaged: Vec::new(),
    }
}

/// Frames in order of time. Where the clock was set back, what comes a second
/// time is left out.
#[derive(Debug)]
pub struct ProcessFrames<'a> {
    connection: &'a Connection,
    next_msec: TimeMsec,
    to_msec: TimeMsec,
    /// Blocks that begin before this were read.
    block_msec: TimeMsec,
    block: Option<(BlockReader, usize)>,
    hot: Option<HotFrames<'a>>,
    damaged: Vec<Damaged>,
}

impl ProcessFrames<'_> {
    /// What could not be read so far.
    pub fn damaged(&self) -> impl Iterator<Item = &Damaged> {
        let hot = self.hot.iter().flat_map(|hot| &hot.damaged);
        self.damaged.iter().chain(hot)
    }

    fn read_next(&mut self) -> rusqlite::Result<Option<ProcessFrame>> {
        while self.hot.is_none() {
            if let Some(frame) = self.read_from_block() {
                return Ok(Some(frame));
            }
            if !self.open_block()? {
                self.hot = Some(HotFrames::new(self.connection, None));
            }
        }
        let Some(hot) = &mut self.hot else {
            return Ok(None);
        };
        while let Some(time_msec) = hot.next_msec()? {
            if hot.step() && (self.next_msec..=self.to_msec).contains(&time_msec) {
                return Ok(Some(hot.frame()));
            }
        }
        Ok(None)
    }

    fn read_from_block(&mut self) -> Option<ProcessFrame> {
        let (block, number) = self.block.as_mut()?;
        let later = block.times().get(*number..).unwrap_or_default();
        *number += later.partition_point(|time| *time < self.next_msec);
        let time_msec = *block.times().get(*number)?;
        (time_msec <= self.to_msec).then(|| block.frame(*number))?
    }

    fn open_block(&mut self) -> rusqlite::Result<bool> {
        self.block = None;
        let mut statement = self.connection.prepare_cached(
            "SELECT start_msec, bytes FROM process_block \
             WHERE start_msec >= ?1 AND start_msec <= ?2 AND end_msec >= ?3 \
             ORDER BY start_msec LIMIT 1",
        )?;
        let key = (self.block_msec, self.to_msec, self.next_msec);
        let row = statement.query_row(key, |row| {
            Ok((row.get(0)?, BlockReader::open(row.get_ref(1)?.as_blob()?)))
        });
        let Some((start_msec, block)): Option<(TimeMsec, _)> = row.optional()? else {
            return Ok(false);
        };
        self.block_msec = start_msec.saturating_add(1);
        match block {
            Ok(block) => self.block = Some((block, 0)),
            Err(why) => {
                let damaged = Damaged::new(TABLE, start_msec, start_msec, &why);
                self.damaged.push(damaged);
            }
        }
        Ok(true)
    }
}

impl Iterator for ProcessFrames<'_> {
    type Item = rusqlite::Result<ProcessFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.read_next().transpose()?;
        if let Ok(frame) = &frame {
            self.next_msec = frame.time_msec.saturating_add(1);
        }
        Some(frame)
    }
}
