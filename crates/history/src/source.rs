//! What a query reads from: series chosen by matchers, and their samples piece
//! by piece.

use std::time::Instant;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::MetricKind;

use crate::labels::Labels;
use crate::pattern::Pattern;

/// The bits of the value that ends a series: Prometheus' staleness marker.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that says: from here on, the series is not there.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether `value` is the staleness marker, and no other NaN.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// A condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// What its value must be.
    pub condition: Condition,
}

/// What a label's value must be. A label that is not there has an empty one.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`, anchored at both ends.
    Match(Pattern),
    /// `!~`
    NoMatch(Pattern),
}

impl Matcher {
    /// The label `name` has the value `value`.
    pub fn equal(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            condition: Condition::Equal(value.to_owned()),
        }
    }

    /// Whether a series with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name);
        match &self.condition {
            Condition::Equal(wanted) => value == wanted,
            Condition::NotEqual(unwanted) => value != unwanted,
            Condition::Match(pattern) => pattern.is_match(value),
            Condition::NoMatch(pattern) => !pattern.is_match(value),
        }
    }
}

/// Which of a roll-up's values stand for the samples. Raw samples are all of
/// them at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// The last sample of each interval.
    #[default]
    Last,
    /// The least of each interval.
    Min,
    /// The greatest.
    Max,
    /// Their sum; beside raw samples, each is its own.
    Sum,
    /// How many; beside raw samples, each counts 1.
    Count,
    /// First and last of each interval, with what is needed between them for
    /// the increase over all resets to be right.
    Counter,
}

/// What a query wants to read.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// Which series.
    pub matchers: &'a [Matcher],
    /// Samples from here on, inclusive.
    pub from_msec: TimeMsec,
    /// Samples up to here, inclusive.
    pub to_msec: TimeMsec,
    /// The first moment that is evaluated, after offset and `@`.
    pub first_msec: TimeMsec,
    /// From one moment that is evaluated to the next; 0 where there is only one.
    pub step_msec: i64,
    /// How far back a range vector reaches; 0 for an instant vector.
    pub range_msec: i64,
    /// What stands for the samples where a roll-up is read.
    pub channel: Channel,
    /// When to give up.
    pub deadline: Option<Instant>,
}

/// A stretch of one series: times rise strictly; a value may be [`STALE`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// When, by the wall clock.
    pub times: Vec<TimeMsec>,
    /// As many values.
    pub values: Vec<f64>,
}

impl Stretch {
    /// Empties it, and keeps its room.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
    }
}

/// The samples of one series, decoded piece by piece.
pub trait Cursor {
    /// Replaces `stretch` by the next samples, all later than those before.
    /// `false` when there are no more.
    fn next(&mut self, stretch: &mut Stretch) -> Result<bool, ReadError>;
}

/// One series that was chosen.
pub struct Selected {
    /// Its labels.
    pub labels: Labels,
    /// Its samples within the times that were asked for; a cursor may give some
    /// that are earlier or later.
    pub samples: Box<dyn Cursor>,
}

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The family's name.
    pub name: String,
    /// What kind of value it holds.
    pub kind: MetricKind,
    /// One sentence; may be empty.
    pub help: String,
}

/// What queries are answered from.
pub trait Source {
    /// The series that match, sorted by labels, and how to read them. Series
    /// that have no sample in the time asked for may be among them.
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Selected>, ReadError>;

    /// The labels of series that match and have samples between two moments;
    /// given up at `deadline`.
    fn series(
        &self,
        matchers: &[Matcher],
        from_msec: TimeMsec,
        to_msec: TimeMsec,
        deadline: Option<Instant>,
    ) -> Result<Vec<Labels>, ReadError>;

    /// What is known of the metrics, sorted by name.
    fn metadata(&self) -> Result<Vec<Metadata>, ReadError>;
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The time limit has passed.
    #[error("the query took longer than it may; ask for less time, fewer series or a longer step")]
    TimedOut,
    /// More series than a query may read.
    #[error("the query matches more than {limit} series; add a matcher")]
    TooManySeries {
        /// The limit.
        limit: usize,
    },
    /// More than a query may hold in memory.
    #[error("the query reads more than {} MiB of packed samples; ask for less time or fewer series", limit >> 20)]
    TooMuch {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The file cannot be read.
    #[error("{0}")]
    Store(String),
}
