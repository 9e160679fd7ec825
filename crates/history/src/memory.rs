//! A source in memory: what rules are tested with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::labels::{Labels, METRIC_NAME};
use crate::source::{
    Channel, Cursor, Matcher, Metadata, ReadError, Selected, Selection, Source, Stretch, is_stale,
};

/// How many samples a cursor gives at once: few, so that windows cross stretches.
const STRETCH_LENGTH: usize = 120;

/// Series with all their samples.
#[derive(Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, Arc<Stretch>>,
    /// What is told of the metrics.
    pub metadata: Vec<Metadata>,
}

impl MemorySource {
    /// Adds a sample to a series; it must be later than those before.
    pub fn push(&mut self, labels: Labels, time_msec: i64, value: f64) {
        let stretch = Arc::make_mut(self.series.entry(labels).or_default());
        stretch.times.push(time_msec);
        stretch.values.push(value);
    }

    fn matching<'source>(
        &'source self,
        matchers: &'source [Matcher],
    ) -> impl Iterator<Item = (&'source Labels, &'source Arc<Stretch>)> {
        let fits = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels));
        self.series.iter().filter(move |(labels, _)| fits(labels))
    }
}

/// The series at the beginning of `text`, such as `name{label="value"}`, and
/// what follows; `None` where there is none.
pub fn parse_series(text: &str) -> Option<(Labels, &str)> {
    let end = text.find(['{', ' ']).unwrap_or(text.len());
    let mut pairs = Vec::new();
    if end > 0 {
        pairs.push((METRIC_NAME.to_owned(), text[..end].to_owned()));
    }
    let Some(mut rest) = text[end..].strip_prefix('{') else {
        return Some((Labels::new(pairs), &text[end..]));
    };
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some((Labels::new(pairs), after));
        }
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => parse_quoted(quoted)?,
            None => {
                let end = rest.find('=')?;
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        rest = match after.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = parse_quoted(quoted)?;
                pairs.push((name, value));
                after
            }
            None => {
                pairs.push((METRIC_NAME.to_owned(), name));
                after
            }
        };
    }
}

fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            (_, other) => value.push(other),
        }
    }
}

struct MemoryCursor {
    samples: Arc<Stretch>,
    next: usize,
    end: usize,
    channel: Channel,
}

impl Cursor for MemoryCursor {
    fn next(&mut self, stretch: &mut Stretch) -> Result<bool, ReadError> {
        stretch.clear();
        let end = (self.next + STRETCH_LENGTH).min(self.end);
        if self.next >= end {
            return Ok(false);
        }
        stretch
            .times
            .extend_from_slice(&self.samples.times[self.next..end]);
        stretch
            .values
            .extend_from_slice(&self.samples.values[self.next..end]);
        if self.channel == Channel::Count {
            for value in &mut stretch.values {
                *value = if is_stale(*value) { *value } else { 1.0 };
            }
        }
        self.next = end;
        Ok(true)
    }
}

impl Source for MemorySource {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Selected>, ReadError> {
        let select = |(labels, samples): (&Labels, &Arc<Stretch>)| {
            let times = &samples.times;
            Selected {
                labels: labels.clone(),
                samples: Box::new(MemoryCursor {
                    next: times.partition_point(|time| *time < selection.from_msec),
                    end: times.partition_point(|time| *time <= selection.to_msec),
                    samples: Arc::clone(samples),
                    channel: selection.channel,
                }),
            }
        };
        Ok(self.matching(selection.matchers).map(select).collect())
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from_msec: i64,
        to_msec: i64,
        _: Option<Instant>,
    ) -> Result<Vec<Labels>, ReadError> {
        let has_samples = |samples: &Stretch| {
            let within = from_msec..=to_msec;
            samples.times.iter().any(|time| within.contains(time))
        };
        let found = self
            .matching(matchers)
            .filter(|(_, samples)| has_samples(samples));
        Ok(found.map(|(labels, _)| labels.clone()).collect())
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Ok(self.metadata.clone())
    }
}
