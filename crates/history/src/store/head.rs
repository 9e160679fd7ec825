//! What is in memory: the open window, and those before it that are not blocks
//! yet or that are asked for often.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lfs_wrapper_model::TimeMsec;

use super::frame::Frame;
use super::limits::{Counts, Limits};
use super::tier::{TIERS, Tier};
use super::window::{SeriesId, WINDOW_MSEC, Window, window_start};

/// Windows that wait to become blocks; the oldest is given up for a newer one.
const CLOSED_MAX: usize = 3;

/// Damaged windows of roll-ups that wait to be made again.
const HOLES_MAX: usize = 1024;

/// What the one who writes and those who read have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) head: RwLock<Head>,
    pub(crate) counts: Counts,
    pub(crate) limits: Limits,
    /// The newest moment that is on disk.
    durable_msec: AtomicI64,
    /// Rises when another file takes the place of a damaged one.
    epoch: AtomicU64,
    /// A reader found the file damaged.
    is_damaged: AtomicBool,
    /// Roll-ups that readers found damaged: tier, and start of the window.
    holes: Mutex<BTreeSet<(u8, TimeMsec)>>,
}

#[derive(Debug, Default)]
pub(crate) struct Head {
    /// Has become blocks, and stays for those who ask for the last minutes.
    pub(crate) kept: Option<Arc<Window>>,
    /// Complete, oldest first.
    pub(crate) closed: VecDeque<Arc<Window>>,
    pub(crate) open: Option<Window>,
    /// The newest moment that there ever was.
    newest_msec: Option<TimeMsec>,
    /// All that is later than this is in memory, unless windows were dropped
    /// from it since. `None`: not since the clock was set back.
    complete_from_msec: Option<TimeMsec>,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            head: RwLock::default(),
            counts: Counts::default(),
            limits,
            durable_msec: AtomicI64::new(TimeMsec::MIN),
            epoch: AtomicU64::new(0),
            is_damaged: AtomicBool::new(false),
            holes: Mutex::default(),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What is on disk only grows.
    pub(crate) fn set_durable(&self, until_msec: Option<TimeMsec>) {
        self.durable_msec
            .fetch_max(until_msec.unwrap_or(TimeMsec::MIN), Ordering::AcqRel);
    }

    pub(crate) fn durable_msec(&self) -> Option<TimeMsec> {
        let until = self.durable_msec.load(Ordering::Acquire);
        (until > TimeMsec::MIN).then_some(until)
    }

    /// Has the one who writes put another file in the place of a damaged one.
    pub(crate) fn note_damage(&self, epoch: u64) {
        // Of a file that was replaced meanwhile nobody needs to know.
        if epoch != self.epoch() {
            return;
        }
        self.is_damaged.store(true, Ordering::Release);
    }

    pub(crate) fn take_damage(&self) -> bool {
        self.is_damaged.swap(false, Ordering::AcqRel)
    }

    /// Has the one who writes make a window of a roll-up again that cannot be read.
    pub(crate) fn note_hole(&self, tier: Tier, time_msec: TimeMsec) {
        let mut holes = self.holes.lock().unwrap_or_else(PoisonError::into_inner);
        // Who asks again finds the others again.
        if holes.len() < HOLES_MAX {
            holes.insert((tier.number, window_start(time_msec, tier.window_msec)));
        }
    }

    /// The windows of roll-ups that cannot be read: tier and start.
    pub(crate) fn take_holes(&self) -> BTreeSet<(u8, TimeMsec)> {
        std::mem::take(&mut *self.holes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn begin_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Calls `read` with all windows in memory, oldest first, and the moment after
    /// which nothing is elsewhere. Who adds samples waits meanwhile.
    pub(crate) fn with_windows<T>(
        &self,
        read: impl FnOnce(&[&Window], Option<TimeMsec>) -> T,
    ) -> T {
        let head = self.read();
        let done = head.kept.iter().chain(&head.closed).map(Arc::as_ref);
        let windows: Vec<&Window> = done.chain(&head.open).collect();
        read(&windows, head.complete_from_msec())
    }

    pub(crate) fn read(&self) -> std::sync::RwLockReadGuard<'_, Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> std::sync::RwLockWriteGuard<'_, Head> {
        self.head.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a moment in.
    pub(crate) fn append(&self, frame: &Frame) {
        if !TIERS.iter().all(|tier| tier.holds(frame.time_msec)) {
            self.counts.lost_frames.add(1);
            return;
        }
        let mut head = self.write();
        let Some(open) = head.window_for(frame.time_msec, &self.counts) else {
            return;
        };
        for part in &frame.parts {
            open.push(frame.time_msec, part, &self.limits, &self.counts);
            self.counts.samples.add(part.values.len() as u64);
        }
        let series = open.groups.values().map(|group| group.columns.len() as u64);
        self.counts.open_series.set(series.sum());
    }
}

impl Head {
    /// The window that a sample of this time goes into.
    fn window_for(&mut self, time_msec: TimeMsec, counts: &Counts) -> Option<&mut Window> {
        let newest = self.open.as_ref().and_then(Window::newest_msec);
        if newest == Some(time_msec) {
            counts.duplicate_frames.add(1);
            return None;
        }
        if newest.is_some_and(|newest| time_msec < newest) {
            counts.late_frames.add(1);
        }
        let start = window_start(time_msec, WINDOW_MSEC);
        if self.newest_msec.is_some_and(|newest| time_msec <= newest) {
            self.complete_from_msec = None;
        } else if self.newest_msec.is_none_or(|newest| newest <= start) {
            self.complete_from_msec.get_or_insert(start);
        }
        self.newest_msec = self.newest_msec.max(Some(time_msec));
        match self.open.take() {
            None => self.open = Some(Window::new(start, self.next_generation())),
            Some(open) if open.takes(time_msec) => self.open = Some(open),
            Some(open) => {
                self.open = Some(open.go_on(start));
                self.closed.push_back(Arc::new(open));
                self.drop_oldest(counts);
            }
        }
        self.open.as_mut()
    }

    /// There are samples up to here that are not in memory.
    pub(crate) fn note_older(&mut self, newest_msec: Option<TimeMsec>) {
        self.newest_msec = self.newest_msec.max(newest_msec);
    }

    /// The moment after which all there is is in memory.
    pub(crate) fn complete_from_msec(&self) -> Option<TimeMsec> {
        let windows = self.kept.iter().chain(&self.closed).map(Arc::as_ref);
        let oldest = windows
            .chain(&self.open)
            .map(|window| window.start_msec)
            .min();
        self.complete_from_msec
            .zip(oldest)
            .map(|(from, oldest)| from.max(oldest))
    }

    /// These numbers were not written down: they are taken from the window of this
    /// generation and from all that went on from it since.
    pub(crate) fn forget_ids(&mut self, generation: u64, ids: &HashSet<SeriesId>) {
        let closed = self.closed.iter_mut();
        let closed = closed.filter(|window| window.generation >= generation);
        let open = self.open.iter_mut();
        let open = open.filter(|window| window.generation >= generation);
        for window in closed.map(Arc::make_mut).chain(open) {
            let groups = window.groups.values_mut();
            for column in groups.flat_map(|group| &mut group.columns) {
                column.id = column.id.filter(|id| !ids.contains(id));
            }
        }
    }

    /// The window of this generation, unless it has become blocks.
    pub(crate) fn find(&mut self, generation: u64) -> Option<&mut Window> {
        let open = self
            .open
            .as_mut()
            .filter(|open| open.generation == generation);
        if open.is_some() {
            return open;
        }
        let closed = self
            .closed
            .iter_mut()
            .find(|closed| closed.generation == generation);
        closed.map(Arc::make_mut)
    }

    fn next_generation(&self) -> u64 {
        let windows = self.kept.iter().chain(&self.closed);
        windows
            .map(|window| window.generation + 1)
            .max()
            .unwrap_or(0)
    }

    /// What cannot be written must not fill the memory.
    fn drop_oldest(&mut self, counts: &Counts) {
        while self.closed.len() > CLOSED_MAX && self.give_up(counts, false).is_some() {}
    }

    /// Gives up the oldest window that waits to become blocks, with what was
    /// written of it.
    pub(crate) fn give_up_oldest(&mut self, counts: &Counts) -> Option<Arc<Window>> {
        self.give_up(counts, true)
    }

    fn give_up(&mut self, counts: &Counts, with_written: bool) -> Option<Arc<Window>> {
        let lost = self.closed.pop_front()?;
        let moments = lost.groups.values().map(|group| {
            let written = if with_written { 0 } else { group.written };
            group.times.len() - written
        });
        counts.lost_frames.add(moments.max().unwrap_or(0) as u64);
        Some(lost)
    }
}

#[cfg(test)]
mod tests {
    use lfs_wrapper_model::metric::{FoundMetric, MetricKind};

    use super::*;
    use crate::labels::{Labels, METRIC_NAME};
    use crate::store::frame::{Entry, Group, Part};

    fn frame(time_msec: TimeMsec) -> Frame {
        let entry = |name: &str| Entry {
            labels: Labels::new([(METRIC_NAME.to_owned(), name.to_owned())]),
            metric: FoundMetric {
                name: name.to_owned(),
                kind: MetricKind::Gauge,
                help: String::new(),
            }
            .into(),
        };
        Frame {
            time_msec,
            monotonic_usec: 0,
            parts: vec![Part {
                group: Group::Machine,
                entries: [entry("old"), entry("new")].into(),
                values: vec![1.0, 2.0],
            }],
        }
    }

    #[test]
    fn a_number_that_was_not_written_down_does_not_go_on_in_the_next_window() {
        let shared = Shared::new(Limits::default());
        shared.append(&frame(1000));
        let id = |id| SeriesId { id, cluster: 1 };
        let generation = {
            let mut head = shared.write();
            let open = head.open.as_mut().unwrap();
            let group = open.groups.get_mut(&Group::Machine).unwrap();
            group.columns[0].id = Some(id(1));
            group.columns[1].id = Some(id(2));
            open.generation
        };
        // While the transaction is under way the next window begins, and one more.
        shared.append(&frame(WINDOW_MSEC + 1000));
        shared.append(&frame(2 * WINDOW_MSEC + 1000));
        let mut head = shared.write();
        head.forget_ids(generation, &HashSet::from([id(2)]));
        let windows = head.closed.iter().map(Arc::as_ref).chain(&head.open);
        let ids: Vec<_> = windows
            .flat_map(|window| &window.groups[&Group::Machine].columns)
            .map(|column| column.id.map(|id| id.id))
            .collect();
        assert_eq!(ids, [Some(1), None, Some(1), None, Some(1), None]);
    }
}
