//! Some rows one after another, as one piece of bytes that is compressed as a
//! whole. Run lists and columns that an earlier row has too are not repeated.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use super::input::Input;
use super::limits::COLUMNS_MAX;
use super::{Damage, Row, Run, column, runs, varint};

/// No column.
const ABSENT: u8 = 0;

/// A column as stored before, whose number follows.
const AGAIN: u8 = 1;

/// A row with values at all times.
const EVERYWHERE: u64 = 0;

/// A list of runs follows.
const LISTED: u64 = 1;

/// The run list with the number that is left.
const LISTED_BEFORE: u64 = 2;

/// Values that are the same if their bits are.
struct Bits<'a>(&'a [f64]);

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        let ours = self.0.iter().map(|value| value.to_bits());
        ours.eq(other.0.iter().map(|value| value.to_bits()))
    }
}

impl Eq for Bits<'_> {}

impl Hash for Bits<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in self.0 {
            state.write_u64(value.to_bits());
        }
    }
}

/// A bundle that is being written.
#[derive(Default)]
pub(super) struct Writer<'a> {
    /// What it is so far.
    pub(super) bytes: Vec<u8>,
    /// How many rows.
    pub(super) rows: usize,
    run_lists: HashMap<&'a [Run], u64>,
    columns: HashMap<Bits<'a>, u64>,
    stored: u64,
}

impl<'a> Writer<'a> {
    /// Appends a row of a block of so many times.
    pub(super) fn add(&mut self, row: &'a Row, times: usize) {
        self.rows += 1;
        self.add_runs(&row.runs, times);
        varint::put_size(row.columns.len(), &mut self.bytes);
        for column in &row.columns {
            match column {
                None => self.bytes.push(ABSENT),
                Some(values) => self.add_column(values),
            }
        }
    }

    fn add_runs(&mut self, list: &'a [Run], times: usize) {
        if runs::is_everywhere(list, times) {
            varint::put(EVERYWHERE, &mut self.bytes);
        } else if let Some(number) = self.run_lists.get(list) {
            varint::put(LISTED_BEFORE + number, &mut self.bytes);
        } else {
            self.run_lists.insert(list, self.run_lists.len() as u64);
            varint::put(LISTED, &mut self.bytes);
            runs::encode(list, &mut self.bytes);
        }
    }

    fn add_column(&mut self, values: &'a [f64]) {
        let varies = values
            .windows(2)
            .any(|pair| matches!(pair, [before, after] if before.to_bits() != after.to_bits()));
        if varies {
            if let Some(number) = self.columns.get(&Bits(values)) {
                self.bytes.push(AGAIN);
                return varint::put(*number, &mut self.bytes);
            }
            self.columns.insert(Bits(values), self.stored);
        }
        self.stored += 1;
        column::encode(values, &mut self.bytes);
    }
}

/// Where the parts of one row are.
pub(super) struct Layout {
    /// Its runs; `None` if it has values at all times.
    pub(super) runs: Option<Range<usize>>,
    /// How many values each column has.
    pub(super) count: usize,
    /// Its columns.
    pub(super) columns: Vec<Option<Range<usize>>>,
}

/// A bundle that is read: its bytes, and where what is.
pub(super) struct Bundle {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: Vec<Layout>,
}

impl Bundle {
    /// Finds the parts of so many rows, of a block of so many times.
    pub(super) fn read(bytes: Vec<u8>, rows: usize, times: usize) -> Result<Self, Damage> {
        let mut finder = Finder {
            input: Input::new(&bytes),
            length: bytes.len(),
            times,
            run_lists: Vec::new(),
            columns: Vec::new(),
        };
        let rows = (0..rows).map(|_| finder.row()).collect::<Result<_, _>>()?;
        finder.input.end()?;
        Ok(Self { bytes, rows })
    }
}

/// What is known on the way through a bundle.
struct Finder<'a> {
    input: Input<'a>,
    length: usize,
    times: usize,
    run_lists: Vec<(Range<usize>, usize)>,
    columns: Vec<Range<usize>>,
}

impl Finder<'_> {
    fn here(&self) -> usize {
        self.length - self.input.len()
    }

    fn row(&mut self) -> Result<Layout, Damage> {
        let (runs, count) = self.runs()?;
        let columns = self.input.size(COLUMNS_MAX)?;
        let columns = (0..columns)
            .map(|_| self.column())
            .collect::<Result<_, _>>()?;
        Ok(Layout {
            runs,
            count,
            columns,
        })
    }

    fn runs(&mut self) -> Result<(Option<Range<usize>>, usize), Damage> {
        let number = match self.input.varint()? {
            EVERYWHERE => return Ok((None, self.times)),
            LISTED => {
                let from = self.here();
                let (_, count) = runs::decode(&mut self.input, self.times)?;
                self.run_lists.push((from..self.here(), count));
                self.run_lists.len() - 1
            }
            number => usize::try_from(number - LISTED_BEFORE).unwrap_or(usize::MAX),
        };
        let (place, count) = self
            .run_lists
            .get(number)
            .ok_or(Damage("a row refers to runs that are not there"))?;
        Ok((Some(place.clone()), *count))
    }

    fn column(&mut self) -> Result<Option<Range<usize>>, Damage> {
        let mut next = self.input;
        match next.byte()? {
            ABSENT => {
                self.input = next;
                Ok(None)
            }
            AGAIN => {
                let number = next.size(self.columns.len())?;
                self.input = next;
                let place = self.columns.get(number).cloned();
                place
                    .map(Some)
                    .ok_or(Damage("a row refers to a column that is not there"))
            }
            _ => {
                let from = self.here();
                column::skip(&mut self.input)?;
                self.columns.push(from..self.here());
                Ok(Some(from..self.here()))
            }
        }
    }
}
