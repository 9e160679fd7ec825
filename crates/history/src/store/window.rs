//! A window of time in memory: the samples of some minutes, column by column.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;

use super::frame::{Entry, Group, Part};
use super::limits::{Counts, LABELS_BYTES_MAX, Limits};
use crate::codec::Run;
use crate::labels::Labels;
use crate::source::{STALE, Stretch, is_stale};

/// How long a window is. It holds what is later than its start and not later
/// than its end.
pub(crate) const WINDOW_MSEC: i64 = 600_000;

/// The start of the window of `length_msec` that `time_msec` falls into.
pub(crate) fn window_start(time_msec: TimeMsec, length_msec: i64) -> TimeMsec {
    (time_msec - 1).div_euclid(length_msec) * length_msec
}

/// Where a series is kept in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeriesId {
    /// Its number.
    pub(crate) id: u32,
    /// The series that are kept in one block with it.
    pub(crate) cluster: u32,
}

/// Values that mostly do not change.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Same { value: f64, len: usize },
    Each(Vec<f64>),
}

impl Values {
    pub(crate) const fn empty() -> Self {
        Self::Same { value: 0.0, len: 0 }
    }

    pub(crate) fn push(&mut self, value: f64) {
        match self {
            Self::Same { len: 0, .. } => *self = Self::Same { value, len: 1 },
            Self::Same { value: old, len } if old.to_bits() == value.to_bits() => *len += 1,
            Self::Same { value: old, len } => {
                let mut values = Vec::with_capacity((*len + 1).next_power_of_two());
                values.resize(*len, *old);
                values.push(value);
                *self = Self::Each(values);
            }
            Self::Each(values) => values.push(value),
        }
    }

    /// The last one again, so many times.
    fn repeat(&mut self, count: usize) {
        match self {
            Self::Same { len, .. } => *len += count,
            Self::Each(values) => {
                if let Some(last) = values.last().copied() {
                    values.resize(values.len() + count, last);
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Same { len, .. } => *len,
            Self::Each(values) => values.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<f64> {
        match self {
            Self::Same { value, len } => (index < *len).then_some(*value),
            Self::Each(values) => values.get(index).copied(),
        }
    }

    /// Those from `index` on.
    pub(crate) fn from(&self, index: usize) -> Vec<f64> {
        match self {
            Self::Same { value, len } => vec![*value; len.saturating_sub(index)],
            Self::Each(values) => values.get(index..).unwrap_or_default().to_vec(),
        }
    }

    /// Whether those from `index` on are the one before them again.
    pub(crate) fn repeats_from(&self, index: usize) -> bool {
        match self {
            Self::Same { .. } => index > 0,
            Self::Each(values) => {
                let before = index.checked_sub(1).and_then(|index| values.get(index));
                let after = values.get(index..).unwrap_or_default();
                before.is_some_and(|before| {
                    after
                        .iter()
                        .all(|value| value.to_bits() == before.to_bits())
                })
            }
        }
    }
}

/// At which moments a series is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(pub(crate) Vec<Run>);

impl Runs {
    /// It is there at the time with this index.
    pub(crate) fn push(&mut self, index: u32) {
        match self.0.last_mut() {
            Some(run) if run.from + run.len == index && !run.ends => run.len += 1,
            _ => self.0.push(Run {
                from: index,
                len: 1,
                ends: false,
            }),
        }
    }

    /// It is known to be gone at the time with this index.
    pub(crate) fn end(&mut self, index: u32) {
        match self.0.last_mut() {
            Some(run) if run.from + run.len == index && !run.ends => run.ends = true,
            _ => self.0.push(Run {
                from: index,
                len: 0,
                ends: true,
            }),
        }
    }
}

/// One series in a window.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) entry: Entry,
    /// Known once it was written down.
    pub(crate) id: Option<SeriesId>,
    pub(crate) runs: Runs,
    pub(crate) values: Values,
    /// Whether it was there at the newest moment.
    pub(crate) is_present: bool,
    /// How many of its values were written down.
    pub(crate) written: usize,
}

impl Column {
    pub(crate) fn new(entry: Entry, id: Option<SeriesId>) -> Self {
        Self {
            entry,
            id,
            runs: Runs::default(),
            values: Values::empty(),
            is_present: false,
            written: 0,
        }
    }

    /// Takes its value at the time with this index.
    pub(crate) fn push(&mut self, index: u32, value: f64) {
        if is_stale(value) {
            self.end(index);
            return;
        }
        self.runs.push(index);
        self.values.push(value);
        self.is_present = true;
    }

    /// Goes on as it was for so many times; it is there.
    pub(crate) fn repeat(&mut self, count: u32) {
        if let Some(run) = self.runs.0.last_mut() {
            run.len += count;
            self.values.repeat(count as usize);
        }
    }

    /// At the time with this index it is known to be gone.
    pub(crate) fn end(&mut self, index: u32) {
        self.runs.end(index);
        self.is_present = false;
    }

    /// Whether it has samples between two times.
    pub(crate) fn is_between(
        &self,
        times: &[TimeMsec],
        from_msec: TimeMsec,
        to_msec: TimeMsec,
    ) -> bool {
        let first = times.partition_point(|time| *time < from_msec);
        let end = times.partition_point(|time| *time <= to_msec);
        let mut runs = self.runs.0.iter();
        runs.any(|run| {
            let (from, len) = (run.from as usize, run.len as usize);
            from.max(first) < (from + len).min(end)
        })
    }

    /// Its samples after `after_msec`.
    pub(crate) fn stretch(&self, times: &[TimeMsec], after_msec: TimeMsec) -> Stretch {
        let mut stretch = Stretch::default();
        let first = times.partition_point(|time| *time <= after_msec);
        let mut value = 0;
        for run in &self.runs.0 {
            let (from, len) = (run.from as usize, run.len as usize);
            let skip = first.saturating_sub(from).min(len);
            for index in skip..len {
                if let (Some(time), Some(value)) =
                    (times.get(from + index), self.values.get(value + index))
                {
                    stretch.times.push(*time);
                    stretch.values.push(value);
                }
            }
            value += len;
            if run.ends
                && from + len >= first
                && let Some(time) = times.get(from + len)
            {
                stretch.times.push(*time);
                stretch.values.push(STALE);
            }
        }
        stretch
    }
}

/// The series of one group in a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupWindow {
    pub(crate) times: Vec<TimeMsec>,
    pub(crate) columns: Vec<Column>,
    places: HashMap<Labels, usize>,
    metrics: HashMap<String, Vec<usize>>,
    /// The list of the newest moment, and where each of it has its column.
    entries: Option<Arc<[Entry]>>,
    layout: Vec<Option<usize>>,
    /// How many of the times were written down.
    pub(crate) written: usize,
}

impl GroupWindow {
    /// One that was written down, without its series yet.
    pub(crate) fn written(times: Vec<TimeMsec>) -> Self {
        Self {
            written: times.len(),
            times,
            ..Self::default()
        }
    }

    /// An empty one in which what is there now goes on.
    fn go_on(&self) -> Self {
        let mut next = Self::default();
        let mut moved = vec![None; self.columns.len()];
        for (place, column) in self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.is_present)
        {
            let mut column_next = Column::new(column.entry.clone(), column.id);
            column_next.is_present = true;
            moved[place] = Some(next.insert(column_next));
        }
        next.entries.clone_from(&self.entries);
        let places = self.layout.iter();
        next.layout = places
            .map(|place| place.and_then(|place| moved[place]))
            .collect();
        next
    }

    pub(crate) fn insert(&mut self, column: Column) -> usize {
        let place = self.columns.len();
        let labels = &column.entry.labels;
        self.places.insert(labels.clone(), place);
        self.metrics
            .entry(labels.name().to_owned())
            .or_default()
            .push(place);
        self.columns.push(column);
        place
    }

    pub(crate) fn newest_msec(&self) -> Option<TimeMsec> {
        self.times.last().copied()
    }

    /// The columns of the metric `name`, or all.
    pub(crate) fn columns_of(&self, name: Option<&str>) -> impl Iterator<Item = &Column> {
        let some = name.map(|name| self.metrics.get(name).map_or(&[][..], Vec::as_slice));
        let all = if some.is_none() {
            self.columns.as_slice()
        } else {
            &[]
        };
        let some = some.unwrap_or_default().iter();
        some.filter_map(|place| self.columns.get(*place)).chain(all)
    }

    fn push(&mut self, time_msec: TimeMsec, part: &Part, limits: &Limits, counts: &Counts) {
        // A window has no more moments than fit in four bytes by far.
        let index = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        let is_same = self
            .entries
            .as_ref()
            .is_some_and(|entries| Arc::ptr_eq(entries, &part.entries));
        if !is_same {
            self.set_layout(index, &part.entries, limits, counts);
        }
        self.times.push(time_msec);
        for (place, value) in self.layout.iter().zip(&part.values) {
            match place {
                Some(place) => self.columns[*place].push(index, *value),
                None => counts.dropped_samples.add(1),
            }
        }
    }

    fn set_layout(&mut self, index: u32, entries: &Arc<[Entry]>, limits: &Limits, counts: &Counts) {
        let mut is_there = vec![false; self.columns.len()];
        let mut layout = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            let place = match self.places.get(&entry.labels) {
                Some(place) => Some(*place),
                None => self.admit(entry, limits, counts),
            };
            // The same series twice: the first one counts.
            let place = place.filter(|place| !is_there.get(*place).copied().unwrap_or(false));
            if let Some(place) = place {
                if is_there.len() <= place {
                    is_there.resize(place + 1, false);
                }
                is_there[place] = true;
            }
            layout.push(place);
        }
        for (column, is_there) in self.columns.iter_mut().zip(is_there) {
            if column.is_present && !is_there {
                column.end(index);
            }
        }
        self.layout = layout;
        self.entries = Some(Arc::clone(entries));
    }

    fn admit(&mut self, entry: &Entry, limits: &Limits, counts: &Counts) -> Option<usize> {
        let of_metric = self.metrics.get(entry.labels.name()).map_or(0, Vec::len);
        let pairs = entry.labels.iter();
        let length: usize = pairs
            .map(|(name, value)| name.len() + value.len() + 8)
            .sum();
        if of_metric >= limits.series_per_metric_max
            || self.columns.len() >= limits.series_max
            || length > LABELS_BYTES_MAX
        {
            counts.drop_series(entry.labels.name());
            return None;
        }
        Some(self.insert(Column::new(entry.clone(), None)))
    }
}

/// All groups in a window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) start_msec: TimeMsec,
    /// Tells windows of the same start apart: the clock was set back.
    pub(crate) generation: u64,
    pub(crate) groups: BTreeMap<Group, GroupWindow>,
}

impl Window {
    pub(crate) fn new(start_msec: TimeMsec, generation: u64) -> Self {
        Self {
            start_msec,
            generation,
            groups: BTreeMap::new(),
        }
    }

    /// The next one: what is there now goes on in it.
    pub(crate) fn go_on(&self, start_msec: TimeMsec) -> Self {
        let groups = self.groups.iter();
        Self {
            start_msec,
            generation: self.generation + 1,
            groups: groups
                .map(|(group, window)| (*group, window.go_on()))
                .collect(),
        }
    }

    /// Whether a sample of this time can be added at the end.
    pub(crate) fn takes(&self, time_msec: TimeMsec) -> bool {
        window_start(time_msec, WINDOW_MSEC) == self.start_msec
            && self.newest_msec().is_none_or(|newest| newest < time_msec)
    }

    pub(crate) fn push(
        &mut self,
        time_msec: TimeMsec,
        part: &Part,
        limits: &Limits,
        counts: &Counts,
    ) {
        let group = self.groups.entry(part.group).or_default();
        group.push(time_msec, part, limits, counts);
    }

    pub(crate) fn newest_msec(&self) -> Option<TimeMsec> {
        self.groups
            .values()
            .filter_map(GroupWindow::newest_msec)
            .max()
    }

    /// The newest moment up to which all groups were written down.
    pub(crate) fn newest_written_msec(&self) -> Option<TimeMsec> {
        let written = |group: &GroupWindow| group.times.get(group.written.checked_sub(1)?).copied();
        self.groups.values().filter_map(written).max()
    }

    pub(crate) fn oldest_msec(&self) -> Option<TimeMsec> {
        let oldest = |group: &GroupWindow| group.times.first().copied();
        self.groups.values().filter_map(oldest).min()
    }

    pub(crate) fn is_written(&self) -> bool {
        self.groups
            .values()
            .all(|group| group.written == group.times.len())
    }
}

#[cfg(test)]
mod tests {
    use lfs_wrapper_model::metric::{FoundMetric, MetricKind};

    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            labels: Labels::new([(crate::labels::METRIC_NAME.to_owned(), name.to_owned())]),
            metric: FoundMetric {
                name: name.to_owned(),
                kind: MetricKind::Gauge,
                help: String::new(),
            }
            .into(),
        }
    }

    fn part(names: &[&str], value: f64) -> Part {
        Part {
            group: Group::Machine,
            entries: names.iter().map(|name| entry(name)).collect(),
            values: vec![value; names.len()],
        }
    }

    fn samples(window: &Window, name: &str) -> Vec<(TimeMsec, Option<f64>)> {
        let group = &window.groups[&Group::Machine];
        let column = group.columns_of(Some(name)).next();
        let stretch = column
            .map(|column| column.stretch(&group.times, i64::MIN))
            .unwrap_or_default();
        let values = stretch
            .values
            .iter()
            .map(|value| (!is_stale(*value)).then_some(*value));
        stretch.times.iter().copied().zip(values).collect()
    }

    #[test]
    fn what_is_missing_has_ended_also_across_windows() {
        let (limits, counts) = (Limits::default(), Counts::default());
        let mut window = Window::new(0, 0);
        window.push(1000, &part(&["a", "b"], 1.0), &limits, &counts);
        window.push(2000, &part(&["b"], 2.0), &limits, &counts);
        window.push(3000, &part(&["a", "b"], 3.0), &limits, &counts);
        assert_eq!(
            samples(&window, "a"),
            [(1000, Some(1.0)), (2000, None), (3000, Some(3.0))]
        );
        let mut next = window.go_on(WINDOW_MSEC);
        next.push(601_000, &part(&["b"], 4.0), &limits, &counts);
        assert_eq!(samples(&next, "a"), [(601_000, None)]);
        assert_eq!(samples(&next, "b"), [(601_000, Some(4.0))]);
    }

    #[test]
    fn a_window_takes_what_comes_after_and_is_its_own() {
        let (limits, counts) = (Limits::default(), Counts::default());
        let mut window = Window::new(0, 0);
        assert!(window.takes(1) && window.takes(WINDOW_MSEC) && !window.takes(0));
        window.push(5000, &part(&["a"], 1.0), &limits, &counts);
        assert!(window.takes(5001) && !window.takes(5000) && !window.takes(WINDOW_MSEC + 1));
    }

    #[test]
    fn series_beyond_the_limit_of_their_metric_are_dropped_and_counted() {
        let limits = Limits {
            series_per_metric_max: 2,
            ..Limits::default()
        };
        let counts = Counts::default();
        let mut window = Window::new(0, 0);
        let entries = (0..5).map(|number| {
            let labels = entry("a").labels.with("number", &number.to_string());
            Entry {
                labels,
                ..entry("a")
            }
        });
        let part = Part {
            group: Group::Machine,
            entries: entries.collect(),
            values: vec![0.0; 5],
        };
        window.push(1, &part, &limits, &counts);
        window.push(2, &part, &limits, &counts);
        assert_eq!(window.groups[&Group::Machine].columns.len(), 2);
        assert_eq!(counts.dropped_samples.get(), 6);
        assert_eq!(counts.dropped_series(), [("a".to_owned(), 3)]);
    }
}
