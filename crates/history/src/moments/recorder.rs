//! Keeps the process table over time.

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::moments::admission::Admission;
use crate::moments::block::{BlockBuilder, CHANGES_MAX, FRAMES_MAX, Sealed, is_same_window};
use crate::moments::damaged::Damaged;
use crate::moments::frame::ProcessFrame;
use crate::moments::hot::{HotFrames, TABLE};
use crate::moments::segment::{Segment, SegmentWriter};

/// So often a row begins anew with all that lives: what one damaged row costs
/// at most.
const BEGIN_ANEW_MSEC: i64 = 60_000;

/// A row is full with so many frames, or bytes before they are compressed.
const ROW_FRAMES_MAX: u32 = 60;
const ROW_BYTES_MAX: usize = 1 << 20;

/// Bytes of rows that may wait to be written, as when the disk is full; beyond
/// that they are dropped and counted.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Takes frames in, and writes them down every few seconds.
#[derive(Debug, Default)]
pub struct ProcessRecorder {
    /// The open window's name: the time of its first frame.
    window: Option<TimeMsec>,
    sequence: u64,
    writer: SegmentWriter,
    admission: Admission,
    /// Rows that are not known to be on disk.
    waiting: Vec<(TimeMsec, Segment)>,
    last_msec: TimeMsec,
    begun_msec: TimeMsec,
    frames: usize,
    changes: usize,
    has_closed: bool,
    counts: ProcessCounts,
}

/// What was kept and what was not, since the recorder was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessCounts {
    /// Frames that were taken in.
    pub frames: u64,
    /// Frames that could not be written.
    pub lost_frames: u64,
    /// Processes that were not kept in a frame for want of room, added up over
    /// the frames.
    pub dropped: u64,
}

/// What a sealing made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealReport {
    /// Blocks that were written.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows of the window that could not be read.
    pub damaged: Vec<Damaged>,
}

impl ProcessRecorder {
    /// Goes on with what the file has: the window that was open when the last
    /// recorder ended, or died.
    pub fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let last: Option<TimeMsec> = connection
            .query_row(
                "SELECT window FROM process_hot ORDER BY id DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let mut recorder = Self::default();
        let Some(window) = last else {
            return Ok(recorder);
        };
        recorder.window = Some(window);
        recorder.last_msec = window;
        recorder.has_closed = true;
        let mut frames = HotFrames::new(connection, None);
        while frames.next_msec()?.is_some() {
            if frames.step() {
                recorder.last_msec = frames.last_msec();
            }
        }
        // After a row that cannot be read nothing continues: what follows
        // begins anew, whatever its number.
        let place = frames.place().filter(|place| place.0 == window);
        recorder.sequence = place.map_or(0, |place| place.1);
        // With the next frame, all that lives is written anew.
        recorder.begun_msec = recorder.last_msec;
        Ok(recorder)
    }

    /// Takes a frame in; its rows are sorted by their keys.
    pub fn append(&mut self, frame: &ProcessFrame) {
        self.counts.frames += 1;
        let time_msec = frame.time_msec;
        if self.must_begin(time_msec) {
            self.end_row();
            self.has_closed |= self.window.is_some();
            self.window = Some(time_msec);
            self.sequence = 0;
            (self.frames, self.changes) = (0, 0);
            self.admission.begin_window();
            self.begin_anew(time_msec);
        } else if time_msec.saturating_sub(self.begun_msec) >= BEGIN_ANEW_MSEC {
            self.end_row();
            self.begin_anew(time_msec);
        }
        let refused = self.admission.choose(&frame.rows);
        self.counts.dropped += refused;
        let kept = self.admission.kept(&frame.rows);
        let dropped = frame.dropped + refused;
        self.changes += self.writer.push(time_msec, dropped, kept);
        self.frames += 1;
        self.last_msec = time_msec;
        if self.writer.frames() >= ROW_FRAMES_MAX || self.writer.bytes() >= ROW_BYTES_MAX {
            self.end_row();
        }
    }

    fn must_begin(&self, time_msec: TimeMsec) -> bool {
        let is_other = |window| !is_same_window(window, time_msec);
        self.window.is_none_or(is_other)
            || time_msec <= self.last_msec
            || self.frames >= FRAMES_MAX
            || self.changes >= CHANGES_MAX
    }

    fn begin_anew(&mut self, time_msec: TimeMsec) {
        self.begun_msec = time_msec;
        self.writer.begin_anew();
    }

    fn end_row(&mut self) {
        let frames = self.writer.frames();
        let Some(window) = self.window else {
            return;
        };
        match self.writer.take(self.sequence) {
            Ok(Some(segment)) => {
                self.waiting.push((window, segment));
                self.sequence += 1;
            }
            Ok(None) => {}
            Err(_) => {
                self.counts.lost_frames += u64::from(frames);
                self.writer.begin_anew();
            }
        }
        let waiting = self.waiting.iter().map(|one| one.1.data.len());
        if waiting.sum::<usize>() > WAITING_BYTES_MAX {
            let lost = self.waiting.drain(..).map(|one| u64::from(one.1.frames));
            self.counts.lost_frames += lost.sum::<u64>();
            self.writer.begin_anew();
        }
    }

    /// Writes down what was taken in; windows that ended are sealed. When the
    /// transaction is committed, [`Self::committed`] must be called; when it is
    /// not, the next call writes the same again.
    pub fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<SealReport> {
        self.end_row();
        let mut insert =
            transaction.prepare_cached("INSERT INTO process_hot (window, data) VALUES (?1, ?2)")?;
        for (window, segment) in &self.waiting {
            insert.execute(params![window, segment.data])?;
        }
        if self.has_closed {
            return seal(transaction, self.window);
        }
        Ok(SealReport::default())
    }

    /// What was written is on disk.
    pub fn committed(&mut self) {
        self.waiting.clear();
        self.has_closed = false;
    }

    /// Whether a window waits to be sealed with the next [`Self::write`].
    pub const fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// What was kept and what was not.
    pub const fn counts(&self) -> ProcessCounts {
        self.counts
    }
}

/// Turns the rows of all windows but `open` into blocks.
fn seal(transaction: &Transaction<'_>, open: Option<TimeMsec>) -> rusqlite::Result<SealReport> {
    let mut report = SealReport::default();
    let mut frames = HotFrames::new(transaction, open);
    let mut builder = BlockBuilder::default();
    while frames.next_msec()?.is_some() {
        if !frames.step() {
            continue;
        }
        let frame = frames.frame();
        if !builder.has_room(&frame) {
            let full = std::mem::take(&mut builder);
            write_block(transaction, full, &mut report)?;
        }
        builder.push(&frame);
    }
    write_block(transaction, builder, &mut report)?;
    report.damaged.extend(frames.damaged);
    transaction.execute(
        "DELETE FROM process_hot WHERE ?1 IS NULL OR window <> ?1",
        [open],
    )?;
    Ok(report)
}

fn write_block(
    transaction: &Transaction<'_>,
    builder: BlockBuilder,
    report: &mut SealReport,
) -> rusqlite::Result<()> {
    let first_msec = builder.first_msec();
    let sealed = match builder.finish() {
        Ok(None) => return Ok(()),
        Ok(Some(sealed)) => sealed,
        Err(why) => {
            let what = format!("{TABLE}, a whole window");
            let (when_msec, why) = (first_msec, why.0.to_owned());
            report.damaged.push(Damaged {
                what,
                when_msec,
                why,
            });
            return Ok(());
        }
    };
    let Sealed {
        start_msec,
        end_msec,
        bytes,
    } = sealed;
    // The clock may have been set back onto a moment that is taken.
    let free_msec: TimeMsec = transaction
        .prepare_cached(
            "WITH RECURSIVE free (time) AS (SELECT ?1 UNION ALL SELECT time - 1 FROM free \
             WHERE time IN (SELECT start_msec FROM process_block)) SELECT min(time) FROM free",
        )?
        .query_row([start_msec], |row| row.get(0))?;
    transaction
        .prepare_cached("INSERT INTO process_block VALUES (?1, ?2, ?3)")?
        .execute(params![free_msec, end_msec, bytes])?;
    report.blocks += 1;
    report.bytes += bytes.len() as u64;
    Ok(())
}
