//! Why a query has no answer.

use crate::source::ReadError;

/// Which of the HTTP API's kinds an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong.
    BadData,
    /// The query cannot be evaluated over the data there are, or not within its limits.
    Execution,
    /// The time limit has passed.
    Timeout,
    /// The store cannot be read.
    Internal,
}

/// A limit of a query that was reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitHit {
    /// The text is too long.
    #[error("the query is longer than {limit} bytes (text_max); split it or record parts of it")]
    Text {
        /// The limit.
        limit: usize,
    },
    /// Too deeply nested.
    #[error(
        "the query is nested more than {limit} deep, or has a chain of more operators than that (depth_max); split it or record parts of it"
    )]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// Too many steps.
    #[error("exceeded maximum resolution of {limit} points per timeseries; try a longer step")]
    Points {
        /// The limit.
        limit: usize,
    },
    /// Regular expressions that are too large.
    #[error(
        "the regular expressions of the query take more than {limit} bytes when compiled; use fewer, shorter ones or less repetition in them"
    )]
    Patterns {
        /// The limit.
        limit: usize,
    },
    /// The answer is too long.
    #[error(
        "the answer is longer than {limit} bytes (answer_bytes_max); ask for less time, fewer series or a longer step"
    )]
    Answer {
        /// The limit.
        limit: usize,
    },
    /// Too many samples read or held.
    #[error(
        "query processing would load too many samples into memory: more than {limit} (samples_max); ask for less time, fewer series or a longer step"
    )]
    Samples {
        /// The limit.
        limit: usize,
    },
    /// A label's value that the query makes is too long.
    #[error(
        "{function}() makes a label value of more than {limit} bytes; take less of the labels into it"
    )]
    LabelValue {
        /// The function that makes it.
        function: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Too many series.
    #[error(
        "the query matches or makes more than {limit} series (series_max); add a matcher or aggregate"
    )]
    Series {
        /// The limit.
        limit: usize,
    },
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is no query.
    #[error("{line}:{column}: parse error: {message}{}", show_piece(piece))]
    Parse {
        /// Counts from 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The piece of the text it is about; empty where it is the whole.
        piece: String,
    },
    /// A parameter of the request is missing or wrong.
    #[error("invalid parameter {name:?}: {message}")]
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Something of Prometheus that is not there.
    #[error(
        "{0} is not supported: it is experimental in Prometheus or works on native histograms only"
    )]
    Unsupported(String),
    /// The query cannot be evaluated.
    #[error("{0}")]
    Execution(String),
    /// A limit was reached.
    #[error("{0}")]
    Limit(LimitHit),
    /// The time limit has passed.
    #[error(
        "query timed out after {limit_msec} ms (timeout); ask for less time, fewer series or a longer step"
    )]
    TimedOut {
        /// The limit.
        limit_msec: u128,
    },
    /// The data cannot be read.
    #[error("{0}")]
    Read(ReadError),
}

fn show_piece(piece: &str) -> String {
    if piece.is_empty() {
        String::new()
    } else {
        format!(", at {piece:?}")
    }
}

impl QueryError {
    /// Which kind it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Parse { .. } | Self::Parameter { .. } | Self::Unsupported(_) => {
                ErrorKind::BadData
            }
            Self::Limit(
                LimitHit::Text { .. }
                | LimitHit::Depth { .. }
                | LimitHit::Patterns { .. }
                | LimitHit::Points { .. },
            ) => ErrorKind::BadData,
            Self::Limit(
                LimitHit::Answer { .. }
                | LimitHit::LabelValue { .. }
                | LimitHit::Samples { .. }
                | LimitHit::Series { .. },
            )
            | Self::Execution(_)
            | Self::Read(ReadError::TooManySeries { .. } | ReadError::TooMuch { .. }) => {
                ErrorKind::Execution
            }
            Self::TimedOut { .. } | Self::Read(ReadError::TimedOut) => ErrorKind::Timeout,
            Self::Read(ReadError::Store(_)) => ErrorKind::Internal,
        }
    }
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<LimitHit> for QueryError {
    fn from(limit: LimitHit) -> Self {
        Self::Limit(limit)
    }
}
