//! A history in memory, for tests.

use std::time::Instant;

use lfs_wrapper_model::TimeMsec;

use super::group::import_in_batches;
use super::import::Importer;
use crate::labels::Labels;
use crate::source::{Cursor, Matcher, Metadata, ReadError, Selected, Selection, Source, Stretch};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Samples {
    pub(super) series: Vec<(Labels, Stretch)>,
    pub(super) metadata: Vec<Metadata>,
}

impl Samples {
    /// What a text says.
    pub(super) fn read(text: &str) -> Self {
        let mut samples = Self::default();
        let importer = Importer::new(text.as_bytes(), None);
        import_in_batches(importer, usize::MAX, &mut |batch| {
            let series = batch.series.into_iter();
            samples
                .series
                .extend(series.map(|one| (one.labels, one.stretch)));
            samples.metadata.extend(batch.metadata);
            Ok(())
        })
        .unwrap();
        samples
    }

    /// Series, times and the bits of values: NaN equals NaN here.
    pub(super) fn bits(&self) -> Vec<(String, TimeMsec, u64)> {
        let mut all = Vec::new();
        for (labels, stretch) in &self.series {
            for (time_msec, value) in stretch.times.iter().zip(&stretch.values) {
                all.push((labels.to_string(), *time_msec, value.to_bits()));
            }
        }
        all.sort_unstable();
        all
    }
}

/// Gives samples three at a time.
struct Pieces(Stretch);

impl Cursor for Pieces {
    fn next(&mut self, stretch: &mut Stretch) -> Result<bool, ReadError> {
        let count = self.0.times.len().min(3);
        stretch.times = self.0.times.drain(..count).collect();
        stretch.values = self.0.values.drain(..count).collect();
        Ok(count > 0)
    }
}

impl Source for Samples {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Selected>, ReadError> {
        let matches = |labels: &Labels| selection.matchers.iter().all(|one| one.matches(labels));
        let chosen = self.series.iter().filter(|(labels, _)| matches(labels));
        let select = |(labels, stretch): &(Labels, Stretch)| Selected {
            labels: labels.clone(),
            samples: Box::new(Pieces(stretch.clone())),
        };
        Ok(chosen.map(select).collect())
    }

    fn series(
        &self,
        _: &[Matcher],
        _: TimeMsec,
        _: TimeMsec,
        _: Option<Instant>,
    ) -> Result<Vec<Labels>, ReadError> {
        Ok(self.series.iter().map(|one| one.0.clone()).collect())
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Ok(self.metadata.clone())
    }
}
