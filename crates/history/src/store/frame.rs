//! What is handed to the history.

use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{MetricKind, MetricRef};

use crate::labels::Labels;
use crate::source::Channel;

/// Who sampled a series. Series of one group are sampled at the same moments:
/// one that was there and is not any more has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// The machine, with every sample.
    Machine,
    /// What is slow to read, every few samples.
    Slow,
    /// Processes by step and command. They come and go, and are not rolled up.
    Processes,
    /// The monitor itself.
    Own,
    /// What collectors found.
    Collected,
    /// What was imported.
    Imported,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 6] = [
        Self::Machine,
        Self::Slow,
        Self::Processes,
        Self::Own,
        Self::Collected,
        Self::Imported,
    ];

    /// Its number in the file.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Machine => 1,
            Self::Slow => 2,
            Self::Processes => 3,
            Self::Own => 4,
            Self::Collected => 5,
            Self::Imported => 6,
        }
    }

    /// The group of a number in the file.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    /// Whether its series are worth keeping for a year.
    pub(crate) const fn is_rolled_up(self) -> bool {
        !matches!(self, Self::Processes)
    }
}

/// A series and the metric it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its labels, the name included.
    pub labels: Labels,
    /// What it is a value of.
    pub metric: MetricRef,
}

/// Whether a value grows until its source restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It does: what counts is the increase.
    Counter,
    /// It does not: what counts is the value.
    Gauge,
    /// Nobody says.
    Unknown,
}

impl Shape {
    /// Whether its roll-ups give there what samples would.
    pub(crate) const fn keeps(self, channel: Channel) -> bool {
        match channel {
            Channel::Last | Channel::Min | Channel::Max | Channel::Count => true,
            Channel::Sum => matches!(self, Self::Gauge),
            // How far an increase is extrapolated depends on how close samples are.
            Channel::Counter => false,
        }
    }

    /// Of a series called `name` in a family of this kind.
    pub(crate) fn of(kind: MetricKind, name: &str) -> Self {
        match kind {
            MetricKind::Counter => Self::Counter,
            MetricKind::Gauge => Self::Gauge,
            MetricKind::Untyped => Self::Unknown,
            MetricKind::Histogram | MetricKind::Summary => {
                let is_part = ["_bucket", "_count", "_sum"];
                match is_part.iter().any(|suffix| name.ends_with(suffix)) {
                    true => Self::Counter,
                    false => Self::Gauge,
                }
            }
        }
    }
}

/// The values of one group at one moment.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which group.
    pub group: Group,
    /// Its series. The same allocation as before says: the same series as before.
    pub entries: Arc<[Entry]>,
    /// A value for each of them.
    pub values: Vec<f64>,
}

/// What was sampled at one moment.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When, by the wall clock.
    pub time_msec: TimeMsec,
    /// When, in microseconds since boot; a clock that was set shows by it.
    pub monotonic_usec: u64,
    /// The groups that were sampled. Of a group that is not among them nothing
    /// is said.
    pub parts: Vec<Part>,
}
