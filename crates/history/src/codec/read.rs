//! Bytes into rows.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use zstd::bulk::Decompressor;

use super::bundle::Bundle;
use super::input::Input;
use super::limits::{BUNDLE_MAX_BYTES, COLUMNS_TOTAL_MAX, ROWS_MAX, TIMES_MAX, VALUES_MAX};
use super::{Block, Damage, PackedRow, Row, column, envelope};

thread_local! {
    /// Kept, since a new one costs more than what it does here.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// A block, of which only what is asked for is decompressed.
pub struct BlockReader {
    times: Arc<[TimeMsec]>,
    keys: Vec<u32>,
    /// The bundles, one after another.
    bytes: Box<[u8]>,
    places: Vec<Place>,
    /// The bundle that was read last, and its number.
    bundle: Option<(usize, Bundle)>,
}

/// Where a bundle is.
struct Place {
    /// Its rows.
    rows: Range<usize>,
    /// Its length before compression.
    length: usize,
    /// Its bytes.
    stored: Range<usize>,
}

impl BlockReader {
    /// Checks the whole, and reads what is at its front.
    pub fn open(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input::new(envelope::open(bytes)?);
        let times = read_integers(&mut input, TIMES_MAX)?;
        if !times.is_sorted_by(|before, after| before < after) {
            return Err(Damage("its times do not rise"));
        }
        let keys = read_integers(&mut input, ROWS_MAX)?
            .into_iter()
            .map(|key| u32::try_from(key).map_err(|_| Damage("a key is beyond 32 bits")))
            .collect::<Result<Vec<u32>, Damage>>()?;
        if !keys.is_sorted_by(|before, after| before < after) {
            return Err(Damage("the keys of its rows do not rise"));
        }
        let places = read_places(&mut input, keys.len())?;
        Ok(Self {
            times: times.into(),
            keys,
            bytes: input.rest().into(),
            places,
            bundle: None,
        })
    }

    /// When.
    pub fn times(&self) -> &Arc<[TimeMsec]> {
        &self.times
    }

    /// The keys of the rows, rising.
    pub fn keys(&self) -> impl Iterator<Item = u32> {
        self.keys.iter().copied()
    }

    /// The row with this key, still encoded. Rows asked for in the order of
    /// their keys cost each bundle once.
    pub fn row(&mut self, key: u32) -> Result<Option<PackedRow>, Damage> {
        match self.keys.binary_search(&key) {
            Ok(number) => self.numbered(number).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// All of it, decoded.
    pub fn block(&mut self) -> Result<Block, Damage> {
        let mut columns = 0;
        let mut values = 0;
        let mut rows: Vec<Row> = Vec::new();
        for number in 0..self.keys.len() {
            let row = self.numbered(number)?;
            columns += row.columns();
            values += row.values();
            if columns > COLUMNS_TOTAL_MAX || values > VALUES_MAX {
                return Err(Damage("it has too many columns or values"));
            }
            rows.push(row.decode(self.key(number)?)?);
        }
        Ok(Block {
            times: self.times.to_vec(),
            rows,
        })
    }

    fn key(&self, number: usize) -> Result<u32, Damage> {
        let key = self.keys.get(number);
        key.copied().ok_or(Damage("a row has no key"))
    }

    fn numbered(&mut self, number: usize) -> Result<PackedRow, Damage> {
        let missing = Damage("a row is in no bundle");
        let bundle = self
            .places
            .partition_point(|place| place.rows.end <= number);
        let place = self.places.get(bundle).ok_or(missing.clone())?;
        let opened = match self.bundle.take() {
            Some((last, opened)) if last == bundle => opened,
            _ => Bundle::read(
                decompress(&self.bytes, place)?,
                place.rows.len(),
                self.times.len(),
            )?,
        };
        let (_, opened) = self.bundle.insert((bundle, opened));
        let layout = opened
            .rows
            .get(number.wrapping_sub(place.rows.start))
            .ok_or(missing)?;
        PackedRow::new(&self.times, opened, layout)
    }
}

fn read_integers(input: &mut Input<'_>, max: usize) -> Result<Vec<i64>, Damage> {
    match input.size(max)? {
        0 => Ok(Vec::new()),
        count => column::decode_integers(input, count),
    }
}

/// Where the bundles are, which together have so many rows and fill what is
/// left of the block.
fn read_places(input: &mut Input<'_>, rows: usize) -> Result<Vec<Place>, Damage> {
    let count = input.size(rows)?;
    let mut places = Vec::with_capacity(count.min(input.len()));
    let mut row = 0;
    let mut offset = 0;
    for _ in 0..count {
        let rows = row..row + input.size(rows - row)?;
        let length = input.size(BUNDLE_MAX_BYTES)?;
        let stored = offset..offset + input.size(length)?;
        if rows.is_empty() {
            return Err(Damage("a bundle without rows"));
        }
        row = rows.end;
        offset = stored.end;
        places.push(Place {
            rows,
            length,
            stored,
        });
    }
    if row != rows || offset != input.len() {
        return Err(Damage(
            "its bundles are not as many or as long as they should be",
        ));
    }
    Ok(places)
}

fn decompress(bytes: &[u8], place: &Place) -> Result<Vec<u8>, Damage> {
    let damaged = Damage("a bundle cannot be decompressed");
    let stored = bytes.get(place.stored.clone()).ok_or(damaged.clone())?;
    if stored.len() == place.length {
        return Ok(stored.to_vec());
    }
    let bundle = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor
            .decompress(stored, place.length)
            .map_err(|_| damaged.clone())
    })?;
    if bundle.len() == place.length {
        Ok(bundle)
    } else {
        Err(damaged)
    }
}
