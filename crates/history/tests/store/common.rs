//! What tests of the history share.

use std::sync::Arc;

use lfs_wrapper_history::{
    Channel, Entry, Frame, Group, Labels, METRIC_NAME, Part, Selection, Source, Stretch,
};
use lfs_wrapper_model::metric::{FoundMetric, MetricKind};

/// A series without labels.
pub(crate) fn entry(name: &str, kind: MetricKind) -> Entry {
    Entry {
        labels: Labels::new([(METRIC_NAME.to_owned(), name.to_owned())]),
        metric: FoundMetric {
            name: name.to_owned(),
            kind,
            help: String::new(),
        }
        .into(),
    }
}

/// Gauges of the machine at one moment.
pub(crate) fn frame(time_msec: i64, values: &[(&str, f64)]) -> Frame {
    let entries: Arc<[Entry]> = values
        .iter()
        .map(|(name, _)| entry(name, MetricKind::Untyped))
        .collect();
    frame_of(
        time_msec,
        &entries,
        values.iter().map(|(_, value)| *value).collect(),
    )
}

/// Values of these series at one moment.
pub(crate) fn frame_of(time_msec: i64, entries: &Arc<[Entry]>, values: Vec<f64>) -> Frame {
    Frame {
        time_msec,
        monotonic_usec: u64::try_from(time_msec.max(0))
            .unwrap_or(0)
            .saturating_mul(1000),
        parts: vec![Part {
            group: Group::Machine,
            entries: Arc::clone(entries),
            values,
        }],
    }
}

/// Everything that a query over all samples gives.
pub(crate) fn everything(source: &dyn Source) -> Vec<(String, Stretch)> {
    select(source, 0, i64::MAX / 4)
}

/// The samples between two times.
pub(crate) fn select(source: &dyn Source, from_msec: i64, to_msec: i64) -> Vec<(String, Stretch)> {
    collect(
        source,
        &Selection {
            matchers: &[],
            from_msec,
            to_msec,
            first_msec: from_msec,
            step_msec: 0,
            range_msec: 0,
            channel: Channel::Last,
            deadline: None,
        },
    )
}

/// What a selection gives.
pub(crate) fn collect(source: &dyn Source, selection: &Selection<'_>) -> Vec<(String, Stretch)> {
    let mut all = Vec::new();
    for mut selected in source.select(selection).unwrap() {
        let (mut whole, mut stretch) = (Stretch::default(), Stretch::default());
        while selected.samples.next(&mut stretch).unwrap() {
            assert!(
                whole.times.last() < stretch.times.first(),
                "the times rise: {:?} {:?}",
                whole.times.last(),
                stretch.times.first()
            );
            whole.times.append(&mut stretch.times);
            whole.values.append(&mut stretch.values);
        }
        assert!(whole.times.is_sorted_by(|one, other| one < other));
        if !whole.times.is_empty() {
            all.push((selected.labels.to_string(), whole));
        }
    }
    all
}
