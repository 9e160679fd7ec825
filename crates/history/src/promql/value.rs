//! What a query is answered with.

use lfs_wrapper_model::TimeMsec;

use crate::labels::Labels;
use crate::source::Stretch;

/// What a query is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The result.
    pub value: Value,
    /// What may make the result wrong.
    pub warnings: Vec<String>,
    /// What may be meant otherwise.
    pub infos: Vec<String>,
}

/// A series' value at the moment that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Its labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number.
    Scalar {
        /// The moment that was asked for.
        time_msec: TimeMsec,
        /// The number.
        value: f64,
    },
    /// A text.
    Text {
        /// The moment that was asked for.
        time_msec: TimeMsec,
        /// The text.
        value: String,
    },
    /// A value for each series.
    Vector {
        /// The moment that was asked for.
        time_msec: TimeMsec,
        /// The values, in the order of the evaluation.
        samples: Vec<VectorSample>,
    },
    /// Values over time for each series, sorted by labels.
    Matrix(Vec<(Labels, Stretch)>),
}
