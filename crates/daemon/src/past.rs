//! The last minutes before the monitor was started, out of the history.

use std::collections::BTreeMap;
use std::sync::Arc;

use lfs_wrapper_history::{Channel, History, ReadError, Selection, Source, Stretch, is_stale};
use lfs_wrapper_kernel::{Sample, derive, restore};
use lfs_wrapper_model::TimeMsec;

use crate::convert;
use crate::live::Live;
use crate::recorder::MONOTONIC;

/// What was sampled at a moment: series and value.
type Values = Vec<(Arc<str>, f64)>;

/// Shows the frames that the history gives from `from_msec` on.
pub(crate) fn show(live: &Live, history: &History, from_msec: TimeMsec) -> Result<(), ReadError> {
    let samples: Vec<Sample> = read(history, from_msec)?
        .into_iter()
        .filter_map(|(time_msec, values)| {
            let monotonic = values
                .iter()
                .find(|(series, _)| **series == *MONOTONIC.name)?
                .1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "no clock was negative"
            )]
            let monotonic_usec = (monotonic * 1e6) as u64;
            let points = values.iter().map(|(series, value)| (&**series, *value));
            Some(restore(time_msec, monotonic_usec, points))
        })
        .collect();
    let frames = samples.windows(2).map(|pair| derive(&pair[0], &pair[1]));
    live.set_past(frames.map(|frame| convert::frame(&frame)));
    Ok(())
}

fn read(history: &History, from_msec: TimeMsec) -> Result<BTreeMap<TimeMsec, Values>, ReadError> {
    let selection = Selection {
        matchers: &[],
        from_msec,
        to_msec: TimeMsec::MAX / 2,
        first_msec: from_msec,
        step_msec: 0,
        range_msec: 0,
        channel: Channel::Last,
        deadline: None,
    };
    let mut moments: BTreeMap<TimeMsec, Values> = BTreeMap::new();
    let mut stretch = Stretch::default();
    for mut selected in history.reader().select(&selection)? {
        // Of processes nothing is restored.
        if selected.labels.name().starts_with("lfs_process_") {
            continue;
        }
        let series: Arc<str> = selected.labels.to_string().into();
        while selected.samples.next(&mut stretch)? {
            for (time, value) in stretch.times.iter().zip(&stretch.values) {
                if *time >= from_msec && !is_stale(*value) {
                    moments
                        .entry(*time)
                        .or_default()
                        .push((Arc::clone(&series), *value));
                }
            }
        }
    }
    Ok(moments)
}
