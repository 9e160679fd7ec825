//! How values of many rows over common times become a few bytes.
//! docs/formats/block.md has the format.
//!
//! [`encode`] makes the bytes; [`BlockReader`] reads them, one row or all. Rows
//! are compressed in bundles, so that one row costs one bundle.

mod bundle;
mod column;
mod decimal;
mod envelope;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod hostile;
mod input;
mod integers;
mod limits;
mod numbers;
mod read;
mod row;
mod runs;
#[cfg(test)]
mod tests;
mod varint;
mod write;

use lfs_wrapper_model::TimeMsec;

pub use read::BlockReader;
pub use row::PackedRow;
pub use write::{Unfit, encode};

/// Rows of numbers over common times, to be encoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// When, rising strictly.
    pub times: Vec<TimeMsec>,
    /// The rows, sorted by key; no key twice.
    pub rows: Vec<Row>,
}

/// One row: a series, or a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Which row it is.
    pub key: u32,
    /// At which of the block's times it has values; sorted, apart.
    pub runs: Vec<Run>,
    /// One or more columns; `None` where a row lacks this column. Each has as
    /// many values as the runs are long together.
    pub columns: Vec<Option<Vec<f64>>>,
}

/// A stretch of the block's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// The index of its first time.
    pub from: u32,
    /// How many times; 0 is possible where `ends` is set.
    pub len: u32,
    /// Whether the row is known to be gone at the time that follows (`from` +
    /// `len`, which is one of the block's times): there, a staleness marker stands.
    pub ends: bool,
}

/// Why a block cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged block: {0}")]
pub struct Damage(pub &'static str);
