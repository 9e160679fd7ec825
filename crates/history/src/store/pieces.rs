//! The samples of a series out of blocks and memory, piece by piece.

use std::collections::VecDeque;

use lfs_wrapper_model::TimeMsec;

use super::rollup;
use crate::codec::{Damage, PackedRow};
use crate::source::{Channel, Cursor, ReadError, STALE, Stretch, is_stale};

/// Some samples of a series, still packed or not.
pub(crate) enum Piece {
    /// Of a block of samples or of roll-ups, with the time after which and until
    /// which it counts.
    Packed {
        row: PackedRow,
        /// The roll-up's step; 0 for samples.
        step_msec: i64,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
    },
    /// Out of memory.
    Ready(Stretch),
}

impl Piece {
    fn first_msec(&self) -> TimeMsec {
        match self {
            Self::Packed {
                row,
                step_msec,
                after_msec,
                ..
            } => {
                let first = row.times().first().copied().unwrap_or(TimeMsec::MAX);
                // A roll-up's samples are earlier than its end.
                first
                    .saturating_sub((step_msec - 1).max(0))
                    .max(*after_msec)
            }
            Self::Ready(stretch) => stretch.times.first().copied().unwrap_or(TimeMsec::MAX),
        }
    }

    fn last_msec(&self) -> TimeMsec {
        let (times, until) = match self {
            Self::Packed {
                row, until_msec, ..
            } => (&row.times()[..], *until_msec),
            Self::Ready(stretch) => (&stretch.times[..], TimeMsec::MAX),
        };
        times
            .last()
            .map_or(TimeMsec::MIN, |last| (*last).min(until))
    }

    fn unpack(
        &self,
        channel: Channel,
        stretch: &mut Stretch,
        values: &mut Vec<f64>,
    ) -> Result<(), Damage> {
        match self {
            Self::Packed {
                row,
                step_msec: 0,
                after_msec,
                until_msec,
            } => unpack_samples(row, (*after_msec, *until_msec), stretch, values),
            Self::Packed {
                row,
                after_msec,
                until_msec,
                ..
            } => rollup::each_bucket(row, |bucket| {
                if bucket.end_msec > *after_msec && bucket.end_msec <= *until_msec {
                    bucket.show(channel, stretch);
                }
            }),
            Self::Ready(ready) => {
                stretch.times.extend(&ready.times);
                stretch.values.extend(&ready.values);
                Ok(())
            }
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Packed { row, .. } => row.bytes(),
            Self::Ready(stretch) => size_of_val(&*stretch.times) + size_of_val(&*stretch.values),
        }
    }

    /// Whether it has samples between two times, or intervals with some of which a
    /// part is between them.
    pub(crate) fn is_between(&self, from_msec: TimeMsec, to_msec: TimeMsec) -> bool {
        match self {
            Self::Packed {
                row,
                step_msec: step_msec @ 1..,
                after_msec,
                until_msec,
            } => {
                let mut is_found = false;
                let (after, until) = (*after_msec, *until_msec);
                let read = rollup::each_bucket(row, |bucket| {
                    let end = bucket.end_msec;
                    let is_read = end > after && end <= until;
                    let is_there = end >= from_msec && end - step_msec < to_msec;
                    is_found |= is_read && is_there && bucket.count > 0.0;
                });
                read.is_ok() && is_found
            }
            piece => {
                let mut stretch = Stretch::default();
                let read = piece.unpack(Channel::Last, &mut stretch, &mut Vec::new());
                let mut samples = stretch.times.iter().zip(&stretch.values);
                read.is_ok()
                    && samples.any(|(time, value)| {
                        (from_msec..=to_msec).contains(time) && !is_stale(*value)
                    })
            }
        }
    }

    fn is_counted(&self) -> bool {
        matches!(self, Self::Packed { step_msec: 1.., .. })
    }
}

fn unpack_samples(
    row: &PackedRow,
    (after_msec, until_msec): (TimeMsec, TimeMsec),
    stretch: &mut Stretch,
    values: &mut Vec<f64>,
) -> Result<(), Damage> {
    values.clear();
    row.column(0, values)?;
    let times = row.times();
    let first = times.partition_point(|time| *time <= after_msec);
    let end = times.partition_point(|time| *time <= until_msec);
    let mut at = 0;
    for run in row.runs()? {
        let (from, len) = (run.from as usize, run.len as usize);
        let (start, stop) = (from.max(first), (from + len).min(end));
        if start < stop {
            stretch.times.extend(&times[start..stop]);
            stretch
                .values
                .extend(&values[at + start - from..at + stop - from]);
        }
        at += len;
        if run.ends && from + len >= first && from + len < end {
            stretch.times.push(times[from + len]);
            stretch.values.push(STALE);
        }
    }
    Ok(())
}

/// A cursor over pieces. Where they overlap, the clock was set back: the sample
/// that was written first counts.
pub(crate) struct Pieces {
    /// By time, with their place in the order of writing.
    pieces: VecDeque<(usize, Piece)>,
    channel: Channel,
    values: Vec<f64>,
}

impl Pieces {
    /// Of pieces in the order of writing.
    pub(crate) fn new(pieces: Vec<Piece>, channel: Channel) -> Self {
        let mut pieces: Vec<(usize, Piece)> = pieces.into_iter().enumerate().collect();
        pieces.sort_by_key(|(_, piece)| piece.first_msec());
        Self {
            pieces: pieces.into(),
            channel,
            values: Vec::new(),
        }
    }

    /// The next piece, and those that overlap with it, in the order of writing.
    fn next_group(&mut self) -> Vec<Piece> {
        let Some(first) = self.pieces.pop_front() else {
            return Vec::new();
        };
        let mut last = first.1.last_msec();
        let mut group = vec![first];
        while let Some((_, next)) = self.pieces.front()
            && next.first_msec() <= last
        {
            last = last.max(next.last_msec());
            group.extend(self.pieces.pop_front());
        }
        group.sort_by_key(|(order, _)| *order);
        group.into_iter().map(|(_, piece)| piece).collect()
    }

    fn unpack(&mut self, piece: &Piece, stretch: &mut Stretch) -> Result<(), ReadError> {
        let from = stretch.values.len();
        piece
            .unpack(self.channel, stretch, &mut self.values)
            .map_err(|damage| ReadError::Store(damage.to_string()))?;
        if self.channel == Channel::Count && !piece.is_counted() {
            for value in stretch.values.iter_mut().skip(from) {
                if !is_stale(*value) {
                    *value = 1.0;
                }
            }
        }
        Ok(())
    }
}

impl Cursor for Pieces {
    fn next(&mut self, stretch: &mut Stretch) -> Result<bool, ReadError> {
        loop {
            stretch.clear();
            let group = self.next_group();
            for piece in &group {
                self.unpack(piece, stretch)?;
            }
            if group.len() > 1 {
                sort(stretch);
            }
            if group.is_empty() || !stretch.times.is_empty() {
                return Ok(!group.is_empty());
            }
        }
    }
}

fn sort(stretch: &mut Stretch) {
    let mut samples: Vec<(TimeMsec, f64)> = stretch
        .times
        .iter()
        .copied()
        .zip(stretch.values.iter().copied())
        .collect();
    samples.sort_by_key(|sample| sample.0);
    samples.dedup_by_key(|sample| sample.0);
    (stretch.times, stretch.values) = samples.into_iter().unzip();
}
