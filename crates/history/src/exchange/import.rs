//! Samples with times, read from a text line by line.
//!
//! Three forms are taken and told apart line by line:
//!
//! * OpenMetrics 1.0: times in decimal seconds; ends in `# EOF`.
//! * The text format 0.0.4 with times in whole milliseconds.
//! * What `promtool tsdb dump` prints, with the metric's name as a label and
//!   times in whole milliseconds.
//!
//! Which of the first two a text is, the first sample with its name before the
//! braces decides for all of them: a time that is a whole number of at least
//! 100,000,000,000 is in milliseconds (as seconds it would be later than the year
//! 5138), any other in seconds. A caller that knows better says so. A text in
//! seconds, and one without samples, must end in `# EOF`; without it, it has been
//! cut short.
//!
//! None of these forms has a staleness marker. Each NaN is an ordinary one.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, Read};

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{ExpositionError, MetricKind, TimeUnit, TimedComment, TimedLine};

use crate::labels::Labels;
use crate::source::Metadata;

/// A line may have as many bytes.
const LINE_BYTES_MAX: usize = 1 << 20;
/// As many texts of series are remembered, each with its labels.
const KNOWN_MAX: usize = 20_000;
/// One that is longer is not remembered.
const KNOWN_BYTES_MAX: usize = 2_000;
/// As many families may be named one behind another without a sample, and with
/// so many bytes of text.
const PENDING_MAX: usize = 10_000;
const PENDING_BYTES_MAX: usize = 16 << 20;

/// One thing that a text says.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// What a family is; before its samples.
    Metadata(Metadata),
    /// A value of a series.
    Sample {
        /// The series.
        labels: Labels,
        /// When, by the wall clock.
        time_msec: TimeMsec,
        /// The value.
        value: f64,
    },
}

/// How much has been read, and what of it was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Lines, whatever they say.
    pub lines: u64,
    /// Samples.
    pub samples: u64,
    /// Exemplars, which a history does not keep.
    pub exemplars: u64,
    /// Samples that were left out since their series has one of the same time.
    pub duplicates: u64,
}

/// Why a text cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not what it should be.
    #[error("cannot read the text: {0}")]
    Text(#[from] ExpositionError),
    /// It cannot be read at all.
    #[error("cannot read line {line}: {error}")]
    Read {
        /// Counts from 1.
        line: usize,
        /// What the system says.
        error: io::Error,
    },
    /// It does not end as it should.
    #[error(
        "the text ends behind line {line} without '# EOF': it may have been cut short; \
         where it has not been, put '# EOF' on a line of its own at the end"
    )]
    CutShort {
        /// The last line.
        line: usize,
    },
    /// What was read cannot be kept.
    #[error("cannot keep what was read up to line {line}: {message}")]
    Keep {
        /// Counts from 1.
        line: usize,
        /// What the store says.
        message: String,
    },
}

/// Reads a text piece by piece; at most a line of it is held.
pub struct Importer<R> {
    text: R,
    unit: Option<TimeUnit>,
    counts: ImportCounts,
    line: Vec<u8>,
    line_number: usize,
    is_ended: bool,
    last: (String, Labels),
    known: HashMap<String, Labels>,
    /// What has been said of families since the last sample.
    pending: Vec<Pending>,
    pending_bytes: usize,
    ready: VecDeque<Item>,
}

/// What has been said of a family.
struct Pending {
    name: String,
    word: Option<String>,
    help: Option<String>,
}

impl<R: BufRead> Importer<R> {
    /// Reads `text`; the unit of its times is found out where it is not known.
    pub fn new(text: R, unit: Option<TimeUnit>) -> Self {
        Self {
            text,
            unit,
            counts: ImportCounts::default(),
            line: Vec::new(),
            line_number: 0,
            is_ended: false,
            last: (String::new(), Labels::default()),
            known: HashMap::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            ready: VecDeque::new(),
        }
    }

    /// How much has been read so far.
    pub fn counts(&self) -> ImportCounts {
        self.counts
    }

    /// The line that was read last; counts from 1.
    pub fn line_number(&self) -> usize {
        self.line_number
    }

    /// The next item; `None` at the end.
    pub fn read_next(&mut self) -> Result<Option<Item>, ImportError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let mut line = std::mem::take(&mut self.line);
            let has_line = self.read_line(&mut line)?;
            if !has_line {
                self.line = line;
                let is_nothing = self.counts.samples == 0;
                let needs_end = is_nothing || self.unit == Some(TimeUnit::Seconds);
                if needs_end && !self.is_ended {
                    return Err(ImportError::CutShort {
                        line: self.line_number,
                    });
                }
                self.settle();
                return Ok(self.ready.pop_front());
            }
            let found = self.parse_line(&line);
            self.line = line;
            if let Some(sample) = found? {
                if self.ready.is_empty() {
                    return Ok(Some(sample));
                }
                self.ready.push_back(sample);
            }
        }
    }

    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool, ImportError> {
        line.clear();
        let bytes_max = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
        let mut part = self.text.by_ref().take(bytes_max);
        let read = part.read_until(b'\n', line);
        let length = read.map_err(|error| ImportError::Read {
            line: self.line_number + 1,
            error,
        })?;
        self.line_number += usize::from(length > 0);
        self.counts.lines += u64::from(length > 0);
        Ok(length > 0)
    }

    fn parse_line(&mut self, line: &[u8]) -> Result<Option<Item>, ImportError> {
        let number = self.line_number;
        let is_long = line.len() > LINE_BYTES_MAX;
        let text = decode(line, number)?;
        let has_feed = text.ends_with('\n');
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let mut line = TimedLine::new(text, number);
        let place = line.clone();
        let comment = line.take_comment()?;
        if self.is_ended && comment != Some(TimedComment::Nothing) {
            let message = "expected nothing behind '# EOF'; of texts one behind another, \
                           import each by itself";
            return Err(place.error(message).into());
        }
        if !has_feed && comment != Some(TimedComment::End) {
            let message = if is_long {
                "expected a line feed within 1 MiB"
            } else {
                "expected a line feed behind the last line; it may have been cut short"
            };
            return Err(place.error(message).into());
        }
        match comment {
            Some(comment) => {
                self.note(comment, &place)?;
                Ok(None)
            }
            None => self.parse_sample(line).map(Some),
        }
    }

    fn parse_sample(&mut self, mut line: TimedLine<'_>) -> Result<Item, ImportError> {
        let place = line.clone();
        let is_dump = line.is_dump();
        let labels = self.take_labels(&mut line)?;
        let value = line.take_value()?;
        let unit = match self.unit {
            _ if is_dump => TimeUnit::Milliseconds,
            Some(unit) => unit,
            None => *self.unit.insert(line.guess_unit()),
        };
        let time_msec = line.take_time(unit)?;
        let has_exemplar = line.take_end()?;
        if labels.is_empty() {
            return Err(place.error("expected a label with a value").into());
        }
        self.settle();
        self.counts.samples += 1;
        self.counts.exemplars += u64::from(has_exemplar);
        Ok(Item::Sample {
            labels,
            time_msec,
            // One NaN like any other, whatever its text.
            value: if value.is_nan() { f64::NAN } else { value },
        })
    }

    /// The labels, which are those of a line before wherever the text is the
    /// same.
    fn take_labels(&mut self, line: &mut TimedLine<'_>) -> Result<Labels, ImportError> {
        let Some(text) = line.series_text() else {
            return Ok(Labels::new(line.take_series()?));
        };
        if self.last.0 == text {
            line.skip_series(text);
            return Ok(self.last.1.clone());
        }
        let labels = if let Some(labels) = self.known.get(text) {
            line.skip_series(text);
            labels.clone()
        } else {
            let labels = Labels::new(line.take_series()?);
            if text.len() <= KNOWN_BYTES_MAX {
                if self.known.len() >= KNOWN_MAX {
                    self.known.clear();
                }
                self.known.insert(text.to_owned(), labels.clone());
            }
            labels
        };
        self.last.0.clear();
        self.last.0.push_str(text);
        self.last.1 = labels.clone();
        Ok(labels)
    }

    fn note(&mut self, comment: TimedComment, place: &TimedLine<'_>) -> Result<(), ImportError> {
        let (name, word, help) = match comment {
            TimedComment::Nothing => return Ok(()),
            TimedComment::End => {
                self.is_ended = true;
                return Ok(());
            }
            TimedComment::Type(name, word) => (name, Some(word), None),
            TimedComment::Help(name, help) => (name, None, Some(help)),
        };
        self.pending_bytes += name.len() + help.as_ref().map_or(0, String::len);
        if self.pending_bytes > PENDING_BYTES_MAX {
            let message = "more than 16 MiB about families without a sample";
            return Err(place.error(message).into());
        }
        let last = self.pending.last_mut().filter(|last| last.name == name);
        if let Some(last) = last {
            last.word = word.or(last.word.take());
            last.help = help.or(last.help.take());
            return Ok(());
        }
        if self.pending.len() >= PENDING_MAX {
            let message = format!("more than {PENDING_MAX} families without a sample");
            return Err(place.error(message).into());
        }
        self.pending.push(Pending { name, word, help });
        Ok(())
    }

    /// Makes what was said of families into items: as what, can depend on the
    /// unit, which the first sample tells.
    fn settle(&mut self) {
        self.pending_bytes = 0;
        let is_openmetrics = self.is_ended || self.unit == Some(TimeUnit::Seconds);
        for Pending { name, word, help } in self.pending.drain(..) {
            let word = word.unwrap_or_default();
            let kind = kind_of(&word);
            // OpenMetrics' counters are named without what their series end in.
            let is_base = is_openmetrics && kind == MetricKind::Counter;
            let name = match name.ends_with("_total") {
                false if is_base => format!("{name}_total"),
                _ => name,
            };
            self.ready.push_back(Item::Metadata(Metadata {
                name,
                kind,
                help: help.unwrap_or_default(),
            }));
        }
    }
}

impl<R: BufRead> Iterator for Importer<R> {
    type Item = Result<Item, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next().transpose()
    }
}

/// The kind for the word of a `# TYPE` line. What OpenMetrics has besides is
/// taken as what its series are.
fn kind_of(word: &str) -> MetricKind {
    let mut kinds = MetricKind::ALL.into_iter();
    let known = kinds.find(|kind| kind.as_str().eq_ignore_ascii_case(word));
    known.unwrap_or(match word {
        "info" | "stateset" => MetricKind::Gauge,
        _ => MetricKind::Untyped,
    })
}

fn decode(line: &[u8], number: usize) -> Result<&str, ExpositionError> {
    std::str::from_utf8(line).map_err(|error| {
        let valid = line.get(..error.valid_up_to()).unwrap_or_default();
        let valid = std::str::from_utf8(valid).unwrap_or_default();
        let column = valid.chars().count() + 1;
        ExpositionError {
            line: number,
            column,
            message: "expected text in UTF-8, found other bytes".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests;
