//! What a query needs: pieces of the series that match, out of blocks and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use lfs_wrapper_model::TimeMsec;
use rusqlite::Connection;

use super::block;
use super::dictionary::{self, Known};
use super::frame::Shape;
use super::pieces::{Piece, Pieces};
use super::plan::{Segment, coarsest_exact, segments};
use super::reader::{Reader, read_held, read_untils};
use super::tier::TIERS;
use super::window::{Column, GroupWindow, Window, window_start};
use crate::labels::Labels;
use crate::source::{Channel, Matcher, ReadError, Selected, Selection};

/// Series that one query may read.
const SERIES_MAX: usize = 100_000;

/// Bytes of samples that one query may hold, packed or not.
const HELD_BYTES_MAX: usize = 256 << 20;

/// How many series are looked at between two looks at the clock.
const COLUMNS_PER_LOOK: usize = 64;

/// Which tiers may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Whatever answers.
    Any,
    /// The samples as they were taken.
    Samples,
}

/// The pieces that were found, by series.
struct Found {
    series: BTreeMap<Labels, Vec<Piece>>,
    held_bytes: usize,
    held_bytes_max: usize,
}

impl Found {
    const fn new() -> Self {
        Self {
            series: BTreeMap::new(),
            held_bytes: 0,
            held_bytes_max: HELD_BYTES_MAX,
        }
    }

    fn push(&mut self, labels: &Labels, piece: Piece) -> Result<(), ReadError> {
        self.held_bytes += piece.held_bytes();
        if self.held_bytes > self.held_bytes_max {
            return Err(ReadError::TooMuch {
                limit: self.held_bytes_max,
            });
        }
        if let Some(pieces) = self.series.get_mut(labels) {
            pieces.push(piece);
            return Ok(());
        }
        if self.series.len() >= SERIES_MAX {
            return Err(ReadError::TooManySeries { limit: SERIES_MAX });
        }
        self.series.insert(labels.clone(), vec![piece]);
        Ok(())
    }

    fn append(&mut self, other: Self) -> Result<(), ReadError> {
        for (labels, pieces) in other.series {
            for piece in pieces {
                self.push(&labels, piece)?;
            }
        }
        Ok(())
    }
}

fn check_deadline(deadline: Option<Instant>) -> Result<(), ReadError> {
    match deadline {
        Some(deadline) if Instant::now() > deadline => Err(ReadError::TimedOut),
        _ => Ok(()),
    }
}

/// What is in memory.
struct InMemory {
    /// The moment after which nothing is elsewhere.
    complete_from_msec: Option<TimeMsec>,
    /// The start of the oldest window.
    oldest_msec: Option<TimeMsec>,
}

impl InMemory {
    fn is_all(&self, from_msec: TimeMsec) -> bool {
        self.complete_from_msec.is_some_and(|from| from < from_msec)
    }
}

impl Reader {
    /// Calls `read` with each window in memory, oldest first. Only while the open
    /// one is read, who adds samples waits.
    fn each_window(
        &self,
        mut read: impl FnMut(&Window) -> Result<(), ReadError>,
        mut read_open: impl FnMut(&Window) -> Result<(), ReadError>,
    ) -> Result<InMemory, ReadError> {
        let Some(shared) = &self.shared else {
            return self.with_windows(|windows, complete_from_msec| {
                windows.iter().try_for_each(|window| read(window))?;
                Ok(InMemory {
                    complete_from_msec,
                    oldest_msec: windows.iter().map(|window| window.start_msec).min(),
                })
            })?;
        };
        let (done, in_memory) = {
            let head = shared.read();
            head.open.as_ref().map_or(Ok(()), &mut read_open)?;
            let done: Vec<_> = head.kept.iter().chain(&head.closed).cloned().collect();
            let starts = done.iter().map(|window| window.start_msec);
            let oldest_msec = starts.chain(head.open.iter().map(|open| open.start_msec));
            let in_memory = InMemory {
                complete_from_msec: head.complete_from_msec(),
                oldest_msec: oldest_msec.min(),
            };
            (done, in_memory)
        };
        done.iter().try_for_each(|window| read(window))?;
        Ok(in_memory)
    }

    /// The samples after a time and until another, where they are still kept.
    pub(crate) fn select_samples(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
    ) -> Result<Vec<Selected>, ReadError> {
        let selection = Selection {
            matchers: &[],
            from_msec: after_msec + 1,
            to_msec: until_msec,
            first_msec: until_msec,
            step_msec: 0,
            range_msec: 0,
            channel: Channel::Last,
            deadline: None,
        };
        self.find(&selection, Which::Samples)
    }

    pub(super) fn find(
        &self,
        selection: &Selection<'_>,
        which: Which,
    ) -> Result<Vec<Selected>, ReadError> {
        let (mut found, mut done, mut open) = (Found::new(), Found::new(), Found::new());
        // Memory first: what becomes a block meanwhile is then there twice, and
        // counts once.
        let in_memory = self.each_window(
            |window| find_open(window, selection, &mut done),
            |window| find_open(window, selection, &mut open),
        )?;
        if !in_memory.is_all(selection.from_msec) {
            self.find_blocks(selection, which, in_memory.oldest_msec, &mut found)?;
        }
        found.append(done)?;
        found.append(open)?;
        let channel = selection.channel;
        let series = found.series.into_iter().map(|(labels, pieces)| Selected {
            labels,
            samples: Box::new(Pieces::new(pieces, channel)),
        });
        Ok(series.collect())
    }

    /// The series that have samples between two times, as far as that is known:
    /// where only roll-ups are left, those that have some in an interval of which a
    /// part is between them.
    pub(super) fn find_series(
        &self,
        matchers: &[Matcher],
        (from_msec, to_msec): (TimeMsec, TimeMsec),
        deadline: Option<Instant>,
    ) -> Result<Vec<Labels>, ReadError> {
        let coarsest_msec = TIERS[3].step_msec;
        let intervals = to_msec.saturating_sub(1).div_euclid(coarsest_msec);
        let selection = Selection {
            matchers,
            from_msec,
            // The end of the last interval that has a part of the time.
            to_msec: intervals.saturating_add(1).saturating_mul(coarsest_msec),
            // The coarsest tier says whether there is anything.
            first_msec: 0,
            step_msec: coarsest_msec,
            range_msec: coarsest_msec,
            channel: Channel::Count,
            deadline,
        };
        let (mut done, mut open) = (BTreeSet::new(), BTreeSet::new());
        let add = |window: &Window, series: &mut BTreeSet<Labels>| {
            each_column(window, &selection, |group, column| {
                if column.is_between(&group.times, from_msec, to_msec) {
                    series.insert(column.entry.labels.clone());
                }
                Ok(())
            })
        };
        let in_memory = self.each_window(
            |window| add(window, &mut done),
            |window| add(window, &mut open),
        )?;
        done.append(&mut open);
        if !in_memory.is_all(from_msec) {
            let mut found = Found::new();
            self.find_blocks(&selection, Which::Any, in_memory.oldest_msec, &mut found)?;
            for (labels, pieces) in found.series {
                let is_between = |piece: &Piece| piece.is_between(from_msec, to_msec);
                if !done.contains(&labels) && pieces.iter().any(is_between) {
                    done.insert(labels);
                }
            }
        }
        Ok(done.into_iter().collect())
    }

    /// Adds what blocks hold; whatever cannot be read is counted, and finer values
    /// take its place where there are any.
    fn find_blocks(
        &self,
        selection: &Selection<'_>,
        which: Which,
        in_memory_msec: Option<TimeMsec>,
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let name = dictionary::equal_name(selection.matchers);
        let clusters = self.with(|connection| dictionary::clusters_of(connection, name))?;
        let mut untils = self.with(read_untils)?;
        // What is in memory too is not to count twice, as a sample and in a
        // roll-up; no interval of a roll-up is cut.
        for (until, tier) in untils.iter_mut().zip(TIERS).skip(1) {
            let step = tier.step_msec;
            let limit = in_memory_msec.map(|start| start.div_euclid(step) * step);
            *until = (*until).min(limit.unwrap_or(TimeMsec::MAX));
        }
        let mut damaged = 0;
        for cluster in clusters {
            check_deadline(selection.deadline)?;
            damaged += self.find_cluster(selection, which, (cluster, &untils), found)?;
        }
        if let Some(shared) = &self.shared {
            shared.counts.damaged.add(damaged);
        }
        Ok(())
    }

    fn find_cluster(
        &self,
        selection: &Selection<'_>,
        which: Which,
        (cluster, untils): (u32, &[TimeMsec; 4]),
        found: &mut Found,
    ) -> Result<u64, ReadError> {
        let times = (selection.from_msec, selection.to_msec);
        if !self.with(|connection| has_blocks(connection, which, cluster, times))? {
            return Ok(0);
        }
        let (held, (known, mut damaged)) = self.with(|connection| {
            let held = read_held(connection, cluster, untils)?;
            Ok((
                held,
                dictionary::find(connection, cluster, selection.matchers)?,
            ))
        })?;
        let coarsest = coarsest_exact(selection);
        let mut wanted: BTreeMap<u8, Vec<&Known>> = BTreeMap::new();
        for known in &known {
            let metric = &known.entry.metric;
            let shape = Shape::of(metric.kind(), known.entry.labels.name());
            let is_kept = shape.keeps(selection.channel);
            let tier = if is_kept { coarsest.number } else { 0 };
            wanted.entry(tier).or_default().push(known);
        }
        for (tier, wanted) in wanted {
            let preferred = TIERS[usize::from(tier)];
            for segment in segments(preferred, &held, times.0 - 1, times.1) {
                if which == Which::Samples && segment.tier.step_msec > 0 {
                    continue;
                }
                let deadline = selection.deadline;
                damaged += self.find_segment(cluster, segment, &wanted, deadline, found)?;
            }
        }
        Ok(damaged)
    }

    /// Adds a segment; of what cannot be read of a roll-up, what it was made of.
    fn find_segment(
        &self,
        cluster: u32,
        segment: Segment,
        wanted: &[&Known],
        deadline: Option<Instant>,
        found: &mut Found,
    ) -> Result<u64, ReadError> {
        let mut damaged = 0;
        let mut waiting = vec![Hole {
            segment,
            wanted: wanted.to_vec(),
        }];
        while let Some(hole) = waiting.pop() {
            check_deadline(deadline)?;
            let mut failed = None;
            let holes = self.with(|connection| {
                let result = find_in(connection, cluster, &hole, deadline, found);
                result.or_else(|error| match error {
                    FindError::Sqlite(error) => Err(error),
                    FindError::Read(error) => {
                        failed = Some(error);
                        Ok(Vec::new())
                    }
                })
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
            damaged += holes.len() as u64;
            for mut hole in holes {
                let Some(finer) = hole.segment.tier.number.checked_sub(1) else {
                    continue;
                };
                if let Some(shared) = &self.shared {
                    shared.note_hole(hole.segment.tier, hole.segment.until_msec);
                }
                hole.segment.tier = TIERS[usize::from(finer)];
                waiting.push(hole);
            }
        }
        Ok(damaged)
    }
}

/// Whether a cluster has blocks that reach into a time.
fn has_blocks(
    connection: &Connection,
    which: Which,
    cluster: u32,
    (from_msec, to_msec): (TimeMsec, TimeMsec),
) -> rusqlite::Result<bool> {
    let tiers = match which {
        Which::Any => &TIERS[..],
        Which::Samples => &TIERS[..1],
    };
    for tier in tiers {
        let from = window_start(from_msec, tier.window_msec);
        let (first, last) = tier.keys(cluster, from, to_msec);
        let mut statement =
            connection.prepare_cached("SELECT 1 FROM block WHERE id BETWEEN ?1 AND ?2 LIMIT 1")?;
        if statement.exists([first, last])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is to be read, or cannot be.
struct Hole<'a> {
    segment: Segment,
    wanted: Vec<&'a Known>,
}

enum FindError {
    Sqlite(rusqlite::Error),
    Read(ReadError),
}

impl From<rusqlite::Error> for FindError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<ReadError> for FindError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Adds the rows of a segment; returns those that are damaged, block by block.
fn find_in<'a>(
    connection: &Connection,
    cluster: u32,
    Hole { segment, wanted }: &Hole<'a>,
    deadline: Option<Instant>,
    found: &mut Found,
) -> Result<Vec<Hole<'a>>, FindError> {
    let Segment {
        tier,
        after_msec,
        until_msec,
    } = *segment;
    let windows = (
        window_start(after_msec.saturating_add(1), tier.window_msec),
        window_start(until_msec, tier.window_msec),
    );
    let mut holes = Vec::new();
    block::each_or_hole(connection, tier, cluster, windows, |start_msec, reader| {
        check_deadline(deadline)?;
        let mut lost = Vec::new();
        match reader {
            None => lost.clone_from(wanted),
            Some(reader) => {
                for known in wanted {
                    match reader.row(known.id.id) {
                        Ok(Some(row)) => found.push(
                            &known.entry.labels,
                            Piece::Packed {
                                row,
                                step_msec: tier.step_msec,
                                after_msec,
                                until_msec,
                            },
                        )?,
                        Ok(None) => {}
                        Err(_) => lost.push(*known),
                    }
                }
            }
        }
        if !lost.is_empty() {
            let segment = Segment {
                tier,
                after_msec: after_msec.max(start_msec),
                until_msec: until_msec.min(start_msec + tier.window_msec),
            };
            holes.push(Hole {
                segment,
                wanted: lost,
            });
        }
        Ok::<(), FindError>(())
    })?;
    Ok(holes)
}

/// Calls `take` with each column of a window that matches.
fn each_column(
    window: &Window,
    selection: &Selection<'_>,
    mut take: impl FnMut(&GroupWindow, &Column) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let name = dictionary::equal_name(selection.matchers);
    for group in window.groups.values() {
        for (number, column) in group.columns_of(name).enumerate() {
            if number % COLUMNS_PER_LOOK == 0 {
                check_deadline(selection.deadline)?;
            }
            let labels = &column.entry.labels;
            let mut matchers = selection.matchers.iter();
            if matchers.all(|matcher| matcher.matches(labels)) {
                take(group, column)?;
            }
        }
    }
    Ok(())
}

/// Adds what a window in memory holds.
fn find_open(
    window: &Window,
    selection: &Selection<'_>,
    found: &mut Found,
) -> Result<(), ReadError> {
    each_column(window, selection, |group, column| {
        let mut stretch = column.stretch(&group.times, selection.from_msec - 1);
        let end = stretch
            .times
            .partition_point(|time| *time <= selection.to_msec);
        stretch.times.truncate(end);
        stretch.values.truncate(end);
        if stretch.times.is_empty() {
            return Ok(());
        }
        found.push(&column.entry.labels, Piece::Ready(stretch))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Stretch;

    #[test]
    fn samples_out_of_memory_count_towards_what_a_query_may_hold() {
        let mut found = Found::new();
        found.held_bytes_max = 100_000;
        let piece = || {
            Piece::Ready(Stretch {
                times: (0..1000).collect(),
                values: vec![0.0; 1000],
            })
        };
        let labels = Labels::new([("__name__".to_owned(), "a".to_owned())]);
        let taken = (0..100).take_while(|_| found.push(&labels, piece()).is_ok());
        assert_eq!(taken.count(), 6);
    }
}
