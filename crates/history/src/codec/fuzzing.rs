//! A block as a target of a fuzzer: any bytes, as they are, with the checksum
//! made right, and as the inside of a bundle that is not compressed; so that all
//! of the decoder is reached.

use super::write::put_integers;
use super::{Block, BlockReader, Damage, encode, envelope, varint};

/// Reads the bytes; panics where a block that can be read is not encoded and
/// read again to the same, or its rows one by one are others.
pub fn block(bytes: &[u8]) {
    if read(bytes).is_err() && read(&envelope::seal(bytes)).is_err() {
        drop(read(&envelope::seal(&around(bytes))));
    }
}

/// A block of one bundle: two bytes say of how many times and rows, and the
/// others are the bundle.
pub(super) fn around(bytes: &[u8]) -> Vec<u8> {
    let [times, rows, bundle @ ..] = bytes else {
        return Vec::new();
    };
    let mut body = Vec::new();
    for count in [*times, *rows] {
        let rising: Vec<i64> = (0..i64::from(count)).collect();
        put_integers(&rising, &mut body);
    }
    varint::put(1, &mut body);
    varint::put(u64::from(*rows), &mut body);
    varint::put_size(bundle.len(), &mut body);
    varint::put_size(bundle.len(), &mut body);
    body.extend_from_slice(bundle);
    body
}

fn read(bytes: &[u8]) -> Result<(), Damage> {
    let mut reader = BlockReader::open(bytes)?;
    let block = reader.block()?;
    let again = encode(&block).map(|bytes| BlockReader::open(&bytes)?.block());
    assert!(
        matches!(&again, Ok(Ok(again)) if is_same(again, &block)),
        "a block that was read does not survive another encoding"
    );
    let mut values = Vec::new();
    for row in &block.rows {
        let packed = reader.row(row.key)?;
        let packed = packed.ok_or(Damage("a row is not there"))?;
        assert_eq!(packed.runs()?, row.runs, "the runs of row {}", row.key);
        for (number, column) in row.columns.iter().enumerate() {
            let there = packed.column(number, &mut values)?;
            let same = match column {
                Some(column) => there && bits(column).eq(bits(&values)),
                None => !there,
            };
            assert!(same, "column {number} of row {} is another", row.key);
        }
    }
    Ok(())
}

/// Whether two blocks are the same to the last bit.
pub(super) fn is_same(one: &Block, other: &Block) -> bool {
    one.times == other.times
        && one.rows.len() == other.rows.len()
        && one.rows.iter().zip(&other.rows).all(|(one, other)| {
            one.key == other.key
                && one.runs == other.runs
                && one.columns.len() == other.columns.len()
                && one
                    .columns
                    .iter()
                    .zip(&other.columns)
                    .all(|pair| match pair {
                        (Some(one), Some(other)) => bits(one).eq(bits(other)),
                        (None, None) => true,
                        _ => false,
                    })
        })
}

fn bits(values: &[f64]) -> impl Iterator<Item = u64> {
    values.iter().map(|value| value.to_bits())
}
