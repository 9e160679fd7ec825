//! Samples of a text, put together by series.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::BufRead;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::MetricKind;

use super::families::Families;
use super::import::{ImportCounts, ImportError, Importer, Item};
use crate::labels::Labels;
use crate::source::{Metadata, Stretch};

/// A series costs about as much as so many samples, and its text comes on top.
const SERIES_COST: usize = 16;
const SAMPLE_BYTES: usize = 16;
/// The kind of a family is remembered where its name is no longer.
const NAME_BYTES_MAX: usize = 1_000;

/// A piece of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Which series.
    pub labels: Labels,
    /// What its family is, as far as the text has said.
    pub kind: MetricKind,
    /// Its samples.
    pub stretch: Stretch,
}

/// What one part of a text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// What it says of families, in the order of the text.
    pub metadata: Vec<Metadata>,
    /// Series, sorted by labels, each once.
    pub series: Vec<Imported>,
}

/// Reads the whole text and hands it on in batches, each of which holds about
/// `samples_max` samples. A series may come in several batches; where the text
/// is not sorted by time, a later batch may have earlier samples. Of samples of
/// one series and time in one batch the first counts; the store decides about
/// those in different batches.
pub fn import_in_batches<R: BufRead>(
    mut importer: Importer<R>,
    samples_max: usize,
    keep: &mut dyn FnMut(Batch) -> Result<(), String>,
) -> Result<ImportCounts, ImportError> {
    let mut group = Group::default();
    let mut duplicates = 0;
    loop {
        let (item, wrong) = match importer.read_next() {
            Ok(item) => (item, None),
            // What came before is taken in all the same.
            Err(error) => (None, Some(error)),
        };
        let is_last = item.is_none();
        match item {
            Some(Item::Metadata(metadata)) => group.note(metadata),
            Some(Item::Sample {
                labels,
                time_msec,
                value,
            }) => group.push(labels, time_msec, value),
            None => {}
        }
        if group.cost >= samples_max.max(1) || (is_last && group.cost > 0) {
            let batch = group.take_batch(&mut duplicates);
            keep(batch).map_err(|message| ImportError::Keep {
                line: importer.line_number(),
                message,
            })?;
        }
        if let Some(error) = wrong {
            return Err(error);
        }
        if is_last {
            let counts = importer.counts();
            return Ok(ImportCounts {
                duplicates,
                ..counts
            });
        }
    }
}

/// What is held until a batch is full.
#[derive(Default)]
struct Group {
    families: Families,
    metadata: Vec<Metadata>,
    places: HashMap<Labels, usize>,
    series: Vec<Imported>,
    last: usize,
    cost: usize,
}

impl Group {
    fn note(&mut self, metadata: Metadata) {
        self.cost += SERIES_COST + (metadata.name.len() + metadata.help.len()) / SAMPLE_BYTES;
        if metadata.name.len() <= NAME_BYTES_MAX {
            let (name, kind) = (metadata.name.clone(), metadata.kind);
            let help = String::new();
            self.families.insert(Metadata { name, kind, help });
        }
        self.metadata.push(metadata);
    }

    fn push(&mut self, labels: Labels, time_msec: TimeMsec, value: f64) {
        let is_same = |last: &Imported| last.labels == labels;
        if !self.series.get(self.last).is_some_and(is_same) {
            self.last = self.place_of(labels);
        }
        if let Some(series) = self.series.get_mut(self.last) {
            series.stretch.times.push(time_msec);
            series.stretch.values.push(value);
            self.cost += 1;
        }
    }

    fn place_of(&mut self, labels: Labels) -> usize {
        match self.places.entry(labels) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let labels = entry.key().clone();
                self.series.push(Imported {
                    kind: self.families.find(labels.name()).1,
                    labels,
                    stretch: Stretch::default(),
                });
                let text = entry
                    .key()
                    .iter()
                    .map(|(name, value)| name.len() + value.len());
                self.cost += SERIES_COST + text.sum::<usize>() / SAMPLE_BYTES;
                *entry.insert(self.series.len() - 1)
            }
        }
    }

    fn take_batch(&mut self, duplicates: &mut u64) -> Batch {
        self.cost = 0;
        self.places.clear();
        let mut series = std::mem::take(&mut self.series);
        for one in &mut series {
            *duplicates += sort(&mut one.stretch);
        }
        series.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
        Batch {
            metadata: std::mem::take(&mut self.metadata),
            series,
        }
    }
}

/// Sorts by time; of several samples of one time the first stays. How many do
/// not.
pub(crate) fn sort(stretch: &mut Stretch) -> u64 {
    if stretch.times.is_sorted_by(|one, next| one < next) {
        return 0;
    }
    let values = stretch.values.iter().copied();
    let mut samples: Vec<(TimeMsec, f64)> = stretch.times.iter().copied().zip(values).collect();
    let count = samples.len();
    samples.sort_by_key(|sample| sample.0);
    samples.dedup_by_key(|sample| sample.0);
    let left_out = count - samples.len();
    (stretch.times, stretch.values) = samples.into_iter().unzip();
    u64::try_from(left_out).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {

    use super::*;

    fn batches(text: &str, samples_max: usize) -> (Vec<Vec<String>>, ImportCounts) {
        let mut batches = Vec::new();
        let importer = Importer::new(text.as_bytes(), None);
        let counts = import_in_batches(importer, samples_max, &mut |batch| {
            let show = |one: Imported| {
                let (times, values) = (one.stretch.times, one.stretch.values);
                format!("{} {} {times:?} {values:?}", one.labels, one.kind.as_str())
            };
            batches.push(batch.series.into_iter().map(show).collect());
            Ok(())
        });
        (batches, counts.unwrap())
    }

    #[test]
    fn samples_are_sorted_by_series_and_time_and_the_first_of_two_counts() {
        let text = "# TYPE b counter\n# TYPE h histogram\nb_total 1 3\na 5 1\nb_total 2 1\n\
            b_total 3 3\nh_bucket{le=\"1\"} 0 1\nh_other 0 1\n# EOF\n";
        let (batches, counts) = batches(text, 1000);
        let expected = [
            "a untyped [1000] [5.0]",
            "b_total counter [1000, 3000] [2.0, 1.0]",
            "h_bucket{le=\"1\"} histogram [1000] [0.0]",
            "h_other untyped [1000] [0.0]",
        ];
        assert_eq!(batches, [expected]);
        assert_eq!((counts.samples, counts.duplicates), (6, 1));
    }

    #[test]
    fn a_batch_is_handed_on_when_it_is_full_and_nothing_is_held_back() {
        let (batches, _) = batches("a 1 1\na 2 2\nb 3 3\na 4 4\n# EOF\n", SERIES_COST + 2);
        let expected = [
            vec!["a untyped [1000, 2000] [1.0, 2.0]".to_owned()],
            vec![
                "a untyped [4000] [4.0]".to_owned(),
                "b untyped [3000] [3.0]".to_owned(),
            ],
        ];
        let later: Vec<String> = batches.iter().skip(1).flatten().cloned().collect();
        let mut later_sorted = later;
        later_sorted.sort();
        assert_eq!(batches[0], expected[0]);
        assert_eq!(later_sorted, expected[1]);
    }

    #[test]
    fn a_store_that_refuses_ends_the_import() {
        let importer = Importer::new(&b"a 1 1\n# EOF\n"[..], None);
        let result = import_in_batches(importer, 1, &mut |_| Err("the disk is full".to_owned()));
        let message = result.unwrap_err().to_string();
        assert_eq!(
            message,
            "cannot keep what was read up to line 1: the disk is full"
        );
    }
}
