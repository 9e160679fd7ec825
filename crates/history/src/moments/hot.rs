//! The rows of the open window, as they lie in the file: read in order, past
//! damaged ones.

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OptionalExtension as _};

use crate::codec::Damage;
use crate::moments::damaged::Damaged;
use crate::moments::frame::ProcessFrame;
use crate::moments::segment::{Replay, SegmentReader};

pub(super) const TABLE: &str = "process_hot";

/// Steps through the frames of the rows.
#[derive(Debug)]
pub(super) struct HotFrames<'a> {
    connection: &'a Connection,
    except: Option<i64>,
    id: i64,
    window: i64,
    segment: Option<SegmentReader>,
    replay: Replay,
    /// The row that was opened is a beginning; the frame before it is still there.
    begins_anew: bool,
    /// The row that continues what was read; `None` where only a beginning can.
    expected: Option<u64>,
    pub(super) damaged: Vec<Damaged>,
}

impl<'a> HotFrames<'a> {
    /// All rows but those of the window `except`.
    pub(super) fn new(connection: &'a Connection, except: Option<i64>) -> Self {
        Self {
            connection,
            except,
            id: i64::MIN,
            window: 0,
            segment: None,
            replay: Replay::default(),
            begins_anew: false,
            expected: None,
            damaged: Vec::new(),
        }
    }

    /// When the next frame is; nothing is decoded yet.
    pub(super) fn next_msec(&mut self) -> rusqlite::Result<Option<TimeMsec>> {
        loop {
            if let Some(segment) = &self.segment {
                match segment.next_msec() {
                    Ok(Some(time_msec)) => return Ok(Some(time_msec)),
                    Ok(None) => self.segment = None,
                    Err(why) => self.give_up(&why),
                }
                continue;
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    /// Decodes the next frame; false where it is damaged, or there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(segment) = &mut self.segment else {
            return false;
        };
        if std::mem::take(&mut self.begins_anew) {
            self.replay = Replay::default();
        }
        match segment.step(&mut self.replay) {
            Ok(()) => true,
            Err(why) => {
                self.give_up(&why);
                false
            }
        }
    }

    /// The frame that was decoded last.
    pub(super) fn frame(&mut self) -> ProcessFrame {
        self.replay.frame()
    }

    /// When the frame was that was decoded last.
    pub(super) fn last_msec(&self) -> TimeMsec {
        self.replay.time_msec
    }

    /// The window and row of the newest row that could be read.
    pub(super) fn place(&self) -> Option<(i64, u64)> {
        Some((self.window, self.expected?))
    }

    fn give_up(&mut self, why: &Damage) {
        let when = (self.replay.time_msec != 0).then_some(self.replay.time_msec);
        self.damaged.push(Damaged::new(
            TABLE,
            self.id,
            when.or(Some(self.window)),
            why,
        ));
        self.segment = None;
        self.expected = None;
    }

    fn open_next(&mut self) -> rusqlite::Result<bool> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, window, data FROM process_hot \
             WHERE id > ?1 AND (?2 IS NULL OR window <> ?2) ORDER BY id LIMIT 1",
        )?;
        let row = statement.query_row((self.id, self.except), |row| {
            let segment = SegmentReader::open(row.get_ref(2)?.as_blob()?);
            Ok((row.get(0)?, row.get(1)?, segment))
        });
        let Some((id, window, segment)) = row.optional()? else {
            return Ok(false);
        };
        let window_before = self.window;
        (self.id, self.window) = (id, window);
        let segment = match segment {
            Ok(segment) => segment,
            Err(why) => {
                self.give_up(&why);
                return Ok(true);
            }
        };
        self.begins_anew = segment.is_beginning;
        let follows = window == window_before && self.expected == Some(segment.sequence);
        if !segment.is_beginning && !follows {
            self.give_up(&Damage("rows before it are missing or damaged"));
            return Ok(true);
        }
        self.expected = Some(segment.sequence + 1);
        self.segment = Some(segment);
        Ok(true)
    }
}
