//! One row, still encoded.

use std::ops::Range;
use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;

use super::bundle::{Bundle, Layout};
use super::input::Input;
use super::{Damage, Row, Run, column, runs};

/// The encoded columns of one row, of a block that need not be there any more.
/// It is small; it is decoded when it is asked.
#[derive(Clone, Debug)]
pub struct PackedRow {
    times: Arc<[TimeMsec]>,
    /// Its parts, one after another.
    bytes: Box<[u8]>,
    /// Where its runs are; `None` if it has values at all times.
    runs: Option<Range<usize>>,
    /// How many values each column has.
    count: usize,
    columns: Box<[Option<Range<usize>>]>,
}

impl PackedRow {
    /// Copies what belongs to one row.
    pub(super) fn new(
        times: &Arc<[TimeMsec]>,
        bundle: &Bundle,
        layout: &Layout,
    ) -> Result<Self, Damage> {
        let mut copy = Copied::default();
        let runs = match &layout.runs {
            None => None,
            Some(place) => Some(copy.part(bundle, place)?),
        };
        let mut columns = Vec::with_capacity(layout.columns.len());
        for column in &layout.columns {
            columns.push(match column {
                None => None,
                Some(place) => Some(copy.part(bundle, place)?),
            });
        }
        Ok(Self {
            times: Arc::clone(times),
            bytes: copy.bytes.into(),
            runs,
            count: layout.count,
            columns: columns.into(),
        })
    }

    /// At which of the block's times it has values.
    pub fn runs(&self) -> Result<Vec<Run>, Damage> {
        match &self.runs {
            None => Ok(runs::everywhere(self.times.len())),
            Some(place) => {
                let mut input = part(&self.bytes, place)?;
                runs::decode(&mut input, self.times.len()).map(|(runs, _)| runs)
            }
        }
    }

    /// The block's times.
    pub fn times(&self) -> &Arc<[TimeMsec]> {
        &self.times
    }

    /// How much memory it takes, its times aside.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + size_of_val(&*self.columns)
    }

    /// How many columns, absent ones included.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Replaces `into` by the values of column `number`; `false` if the row has
    /// no such column.
    pub fn column(&self, number: usize, into: &mut Vec<f64>) -> Result<bool, Damage> {
        into.clear();
        let Some(Some(place)) = self.columns.get(number) else {
            return Ok(false);
        };
        let mut input = part(&self.bytes, place)?;
        column::decode(&mut input, self.count, into)?;
        Ok(true)
    }

    /// How many values its columns have together.
    pub(super) fn values(&self) -> usize {
        self.count * self.columns.iter().flatten().count()
    }

    /// All of it, decoded.
    pub(super) fn decode(&self, key: u32) -> Result<Row, Damage> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for number in 0..self.columns.len() {
            let mut values = Vec::new();
            columns.push(self.column(number, &mut values)?.then_some(values));
        }
        Ok(Row {
            key,
            runs: self.runs()?,
            columns,
        })
    }
}

/// What was copied out of a bundle, and from where.
#[derive(Default)]
struct Copied {
    bytes: Vec<u8>,
    parts: Vec<(Range<usize>, Range<usize>)>,
}

impl Copied {
    fn part(&mut self, bundle: &Bundle, place: &Range<usize>) -> Result<Range<usize>, Damage> {
        if let Some((_, copy)) = self.parts.iter().find(|(from, _)| from == place) {
            return Ok(copy.clone());
        }
        let from = self.bytes.len();
        self.bytes
            .extend_from_slice(part(&bundle.bytes, place)?.rest());
        let copy = from..self.bytes.len();
        self.parts.push((place.clone(), copy.clone()));
        Ok(copy)
    }
}

fn part<'a>(bytes: &'a [u8], place: &Range<usize>) -> Result<Input<'a>, Damage> {
    let part = bytes.get(place.clone());
    part.map(Input::new)
        .ok_or(Damage("a part of a row is beyond its bundle"))
}
