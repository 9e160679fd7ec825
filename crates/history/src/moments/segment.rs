//! The open window: what changed from frame to frame, as rows of bytes that
//! are written every few seconds. Some begin anew with all that lives, so that
//! a damaged one costs no more than what stands between two of those.

use lfs_wrapper_model::TimeMsec;

use crate::codec::Damage;
use crate::moments::bytes::{Bytes, add, difference, put, put_signed};
use crate::moments::fields::{FIELDS, Known, Values, to_row};
use crate::moments::frame::{ProcessFrame, ProcessKey, ProcessRow};
use crate::moments::live::{Change, Live};
use crate::moments::packed::{Magic, pack, unpack};
use crate::moments::texts::TextTable;

pub(super) const MAGIC: Magic = Magic(*b"LFSh");

/// Quick: it is done every few seconds, and done away with soon.
const LEVEL: i32 = 1;

/// Turns frames into rows of bytes.
#[derive(Debug, Default)]
pub(super) struct SegmentWriter {
    live: Live,
    texts_written: usize,
    /// The row being written is a beginning.
    is_beginning: bool,
    has_begun: bool,
    body: Vec<u8>,
    frames: u32,
    last_msec: TimeMsec,
    gone: Places,
    changed: Places,
    born: Vec<u8>,
    born_count: u64,
}

/// Places in rising order, with what is said of each.
#[derive(Debug, Default)]
struct Places {
    bytes: Vec<u8>,
    count: u64,
    next: usize,
}

impl Places {
    fn add(&mut self, place: usize) -> &mut Vec<u8> {
        put(&mut self.bytes, (place - self.next) as u64);
        self.next = place + 1;
        self.count += 1;
        &mut self.bytes
    }

    fn move_to(&mut self, body: &mut Vec<u8>) {
        put(body, self.count);
        body.append(&mut self.bytes);
        (self.count, self.next) = (0, 0);
    }
}

/// A row of bytes that is full.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) data: Vec<u8>,
    pub(super) frames: u32,
}

impl SegmentWriter {
    /// The next frame begins anew; what was pushed must have been taken.
    pub(super) fn begin_anew(&mut self) {
        self.live.clear();
        self.texts_written = 0;
        self.has_begun = false;
    }

    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Adds a frame; returns how many numbers of it changed.
    #[expect(single_use_lifetimes, reason = "an iterator's must have a name")]
    pub(super) fn push<'a>(
        &mut self,
        time_msec: TimeMsec,
        dropped: u64,
        rows: impl Iterator<Item = &'a ProcessRow>,
    ) -> usize {
        if self.frames == 0 {
            self.is_beginning = !self.has_begun;
            self.has_begun = true;
            self.last_msec = 0;
        }
        let Self {
            live,
            gone,
            changed,
            born,
            ..
        } = self;
        let (mut changes, mut last, mut born_count) = (0, (0, 0), 0);
        live.step(rows, |change, _| match change {
            Change::Gone { place } => drop(gone.add(place)),
            Change::Changed {
                place,
                before,
                known,
            } => changes += put_changed(changed.add(place), &before, &known.values),
            Change::Born { known, .. } => {
                put_born(born, &mut last, known);
                born_count += 1;
                changes += FIELDS;
            }
        });
        self.born_count = born_count;
        put_signed(&mut self.body, time_msec.wrapping_sub(self.last_msec));
        self.last_msec = time_msec;
        put(&mut self.body, dropped);
        self.live
            .texts
            .write_from(self.texts_written, &mut self.body);
        self.texts_written = self.live.texts.len();
        self.gone.move_to(&mut self.body);
        self.changed.move_to(&mut self.body);
        put(&mut self.body, self.born_count);
        self.body.append(&mut self.born);
        self.frames += 1;
        changes
    }

    /// What was pushed since the last call, as the row `sequence` of its window.
    pub(super) fn take(&mut self, sequence: u64) -> Result<Option<Segment>, Damage> {
        if self.frames == 0 {
            return Ok(None);
        }
        let mut section = Vec::with_capacity(self.body.len() + 10);
        put(&mut section, sequence);
        section.push(u8::from(self.is_beginning));
        section.append(&mut self.body);
        // A burst of processes leaves no room behind that nobody needs.
        self.body.shrink_to(64 << 10);
        let frames = std::mem::take(&mut self.frames);
        let data = pack(MAGIC, LEVEL, &[section])?;
        Ok(Some(Segment { data, frames }))
    }
}

fn put_changed(out: &mut Vec<u8>, before: &Values, now: &Values) -> usize {
    let pairs = || before.iter().zip(now);
    let mut mask = 0_u64;
    for (number, (before, now)) in pairs().enumerate() {
        mask |= u64::from(before != now) << number;
    }
    put(out, mask);
    for (before, now) in pairs().filter(|(before, now)| before != now) {
        put_signed(out, difference(*now, *before));
    }
    mask.count_ones() as usize
}

fn put_born(out: &mut Vec<u8>, last: &mut ProcessKey, known: &Known) {
    let (pid, start_ticks) = known.key;
    put_signed(out, difference(pid.into(), last.0.into()));
    put_signed(out, difference(start_ticks, last.1));
    *last = known.key;
    for value in &known.values {
        put(out, value.wrapping_add(1));
    }
}

/// One row of bytes, being read.
#[derive(Debug)]
pub(super) struct SegmentReader {
    section: Vec<u8>,
    at: usize,
    last_msec: TimeMsec,
    pub(super) sequence: u64,
    pub(super) is_beginning: bool,
}

impl SegmentReader {
    pub(super) fn open(data: &[u8]) -> Result<Self, Damage> {
        let mut sections = unpack(MAGIC, data)?;
        let section = sections.pop().ok_or(Damage("it is empty"))?;
        let mut bytes = Bytes(&section);
        let sequence = bytes.number()?;
        let is_beginning = bytes.byte()? != 0;
        let at = section.len() - bytes.0.len();
        Ok(Self {
            section,
            at,
            last_msec: 0,
            sequence,
            is_beginning,
        })
    }

    fn rest(&self) -> Bytes<'_> {
        Bytes(self.section.get(self.at..).unwrap_or_default())
    }

    /// When the next frame is; `None` after the last.
    pub(super) fn next_msec(&self) -> Result<Option<TimeMsec>, Damage> {
        let mut rest = self.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.last_msec.wrapping_add(rest.signed()?)))
    }

    /// Brings `replay` to the next frame.
    pub(super) fn step(&mut self, replay: &mut Replay) -> Result<(), Damage> {
        let mut rest = self.rest();
        replay.time_msec = self.last_msec.wrapping_add(rest.signed()?);
        replay.dropped = rest.number()?;
        replay.texts.read_more(&mut rest)?;
        replay.take_gone(&mut rest)?;
        replay.take_born(&mut rest)?;
        let left = rest.0.len();
        self.at = self.section.len() - left;
        self.last_msec = replay.time_msec;
        Ok(())
    }
}

/// The process table while rows of bytes are read one after the other.
#[derive(Debug, Default)]
pub(super) struct Replay {
    live: Vec<(ProcessKey, Values)>,
    texts: TextTable,
    pub(super) time_msec: TimeMsec,
    dropped: u64,
}

impl Replay {
    /// The processes that went, and those that changed.
    fn take_gone(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Damage> {
        const MISSING: Damage = Damage("it is about a process that is not there");
        let mut gone = Vec::new();
        let mut place = 0_usize;
        for _ in 0..bytes.count()? {
            place = place.saturating_add(usize::try_from(bytes.number()?).unwrap_or(usize::MAX));
            gone.push(place);
            place = place.saturating_add(1);
        }
        if gone.last().is_some_and(|last| *last >= self.live.len()) {
            return Err(MISSING);
        }
        let mut place = 0_usize;
        for _ in 0..bytes.count()? {
            place = place.saturating_add(usize::try_from(bytes.number()?).unwrap_or(usize::MAX));
            let (_, values) = self.live.get_mut(place).ok_or(MISSING)?;
            let mask = bytes.number()?;
            for (number, value) in values.iter_mut().enumerate() {
                if mask >> number & 1 == 1 {
                    *value = add(*value, bytes.signed()?);
                }
            }
            place += 1;
        }
        let mut gone = gone.into_iter().peekable();
        let mut place = 0;
        self.live.retain(|_| {
            let stays = gone.next_if_eq(&place).is_none();
            place += 1;
            stays
        });
        Ok(())
    }

    fn take_born(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Damage> {
        let count = bytes.count()?;
        let (mut pid, mut start_ticks) = (0_u64, 0_u64);
        for _ in 0..count {
            pid = add(pid, bytes.signed()?);
            start_ticks = add(start_ticks, bytes.signed()?);
            let mut values = Values::default();
            for value in &mut values {
                *value = bytes.number()?.wrapping_sub(1);
            }
            let pid = u32::try_from(pid).map_err(|_| Damage("a pid is too large"))?;
            self.live.push(((pid, start_ticks), values));
        }
        if count > 0 {
            self.live.sort_unstable_by_key(|one| one.0);
        }
        Ok(())
    }

    pub(super) fn frame(&mut self) -> ProcessFrame {
        let Self { live, texts, .. } = self;
        let rows = live.iter();
        ProcessFrame {
            time_msec: self.time_msec,
            rows: rows
                .map(|(key, values)| to_row(*key, values, texts))
                .collect(),
            dropped: self.dropped,
        }
    }
}
