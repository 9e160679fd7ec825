//! What could not be read.

use std::fmt;

use lfs_wrapper_model::TimeMsec;

use crate::codec::Damage;

/// Something that could not be read; the rest was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// What: the table, and which row of it.
    pub what: String,
    /// From when on something is missing, as far as that is known.
    pub when_msec: Option<TimeMsec>,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.why)
    }
}

impl Damaged {
    pub(super) fn new(
        table: &str,
        row: i64,
        when_msec: impl Into<Option<TimeMsec>>,
        why: &Damage,
    ) -> Self {
        Self {
            what: format!("{table} {row}"),
            when_msec: when_msec.into(),
            why: why.0.to_owned(),
        }
    }
}

/// What was found, and what could not be read on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found<T> {
    /// What was found.
    pub value: T,
    /// What could not be read.
    pub damaged: Vec<Damaged>,
}
