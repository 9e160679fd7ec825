//! Rows into bytes.

use zstd::bulk::Compressor;

use super::limits::{
    BUNDLE_MAX_BYTES, COLUMNS_MAX, COLUMNS_TOTAL_MAX, ROWS_MAX, TIMES_MAX, VALUES_MAX,
};
use super::{Block, Row, bundle, column, envelope, runs, varint};

/// Rows of one bundle, at most: with 128 a block is 2 % smaller, and a row costs
/// twice the time.
const BUNDLE_ROWS: usize = 32;

/// A bundle that has reached this takes no more rows.
const BUNDLE_FULL_BYTES: usize = 1 << 20;

const LEVEL: i32 = 3;

/// Why rows cannot be a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these rows cannot be encoded: {0}")]
pub struct Unfit(pub &'static str);

/// The bytes of a block, which [`super::BlockReader`] reads.
pub fn encode(block: &Block) -> Result<Vec<u8>, Unfit> {
    check(block)?;
    let mut head = Vec::new();
    put_integers(&block.times, &mut head);
    let keys: Vec<i64> = block.rows.iter().map(|row| i64::from(row.key)).collect();
    put_integers(&keys, &mut head);
    let bundles = write_bundles(&block.rows, block.times.len());
    varint::put_size(bundles.len(), &mut head);
    let mut pieces = Vec::new();
    // Without it, bundles are stored as they are.
    let mut compressor = Compressor::new(LEVEL).ok();
    for bundle in &bundles {
        if bundle.bytes.len() > BUNDLE_MAX_BYTES {
            return Err(Unfit("a row is too long"));
        }
        let compressed = compressor
            .as_mut()
            .and_then(|compressor| compressor.compress(&bundle.bytes).ok())
            .filter(|compressed| compressed.len() < bundle.bytes.len());
        let stored = compressed.as_ref().unwrap_or(&bundle.bytes);
        varint::put_size(bundle.rows, &mut head);
        varint::put_size(bundle.bytes.len(), &mut head);
        varint::put_size(stored.len(), &mut head);
        pieces.extend_from_slice(stored);
    }
    head.append(&mut pieces);
    Ok(envelope::seal(&head))
}

/// How many, and if there are any, all of them as a column.
pub(super) fn put_integers(values: &[i64], out: &mut Vec<u8>) {
    varint::put_size(values.len(), out);
    if !values.is_empty() {
        column::encode_integers(values, out);
    }
}

fn write_bundles(rows: &[Row], times: usize) -> Vec<bundle::Writer<'_>> {
    let mut done = Vec::new();
    let mut open = bundle::Writer::default();
    for row in rows {
        if open.rows >= BUNDLE_ROWS || open.bytes.len() >= BUNDLE_FULL_BYTES {
            done.push(std::mem::take(&mut open));
        }
        open.add(row, times);
    }
    if open.rows > 0 {
        done.push(open);
    }
    done
}

fn check(block: &Block) -> Result<(), Unfit> {
    if block.times.len() > TIMES_MAX {
        return Err(Unfit("there are too many times"));
    }
    if block.rows.len() > ROWS_MAX {
        return Err(Unfit("there are too many rows"));
    }
    if !block.times.is_sorted_by(|before, after| before < after) {
        return Err(Unfit("its times do not rise"));
    }
    if !block
        .rows
        .is_sorted_by(|before, after| before.key < after.key)
    {
        return Err(Unfit("the keys of its rows do not rise"));
    }
    let mut columns = 0;
    let mut values = 0;
    for row in &block.rows {
        columns += row.columns.len();
        values += check_row(row, block.times.len())?;
    }
    if columns > COLUMNS_TOTAL_MAX {
        Err(Unfit("its rows have too many columns together"))
    } else if values > VALUES_MAX {
        Err(Unfit("it has too many values"))
    } else {
        Ok(())
    }
}

/// How many values the row has, if it is fit.
fn check_row(row: &Row, times: usize) -> Result<usize, Unfit> {
    let count = runs::measure(&row.runs, times).ok_or(Unfit(
        "the runs of a row overlap, are empty or go beyond the times",
    ))?;
    if row.columns.len() > COLUMNS_MAX {
        return Err(Unfit("a row has too many columns"));
    }
    let mut values = 0;
    for column in row.columns.iter().flatten() {
        if column.len() != count {
            return Err(Unfit(
                "a column has more or fewer values than the runs of its row",
            ));
        }
        values += count;
    }
    Ok(values)
}
