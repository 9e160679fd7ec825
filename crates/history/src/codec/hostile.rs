//! Blocks whose checksum is right and whose content is made to do harm.

use super::write::put_integers;
use super::{BlockReader, Damage, envelope, fuzzing, numbers, varint};

/// A block of so many times and rows, and one bundle.
fn block_of(times: i64, rows: i64, length: usize, stored: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for count in [times, rows] {
        let rising: Vec<i64> = (0..count).collect();
        put_integers(&rising, &mut body);
    }
    varint::put(1, &mut body);
    varint::put(rows.unsigned_abs(), &mut body);
    varint::put_size(length, &mut body);
    varint::put_size(stored.len(), &mut body);
    body.extend_from_slice(stored);
    envelope::seal(&body)
}

fn damage(bytes: &[u8]) -> &'static str {
    match BlockReader::open(bytes).and_then(|mut reader| reader.block()) {
        Err(Damage(why)) => why,
        Ok(_) => "none",
    }
}

#[test]
fn values_beyond_the_limit_are_damage_though_they_take_few_bytes() {
    let row = [0, 1, 2, 0];
    let bundle = row.repeat(65_536);
    let stored = zstd::bulk::compress(&bundle, 3).unwrap();
    let bytes = block_of(65_536, 65_536, bundle.len(), &stored);
    assert!(bytes.len() < 1000);
    assert_eq!(damage(&bytes), "it has too many columns or values");
}

#[test]
fn columns_beyond_the_limit_are_damage_though_they_have_no_values() {
    let row = [[1, 0, 32].as_slice(), &[0; 32]].concat();
    let bundle = row.repeat(65_536);
    let stored = zstd::bulk::compress(&bundle, 3).unwrap();
    let bytes = block_of(60, 65_536, bundle.len(), &stored);
    assert_eq!(damage(&bytes), "it has too many columns or values");
}

#[test]
fn a_bundle_of_another_length_than_stated_is_damage() {
    let bundle = [0, 1, 2, 0].repeat(64);
    let stored = zstd::bulk::compress(&bundle, 3).unwrap();
    assert_eq!(damage(&block_of(60, 64, bundle.len(), &stored)), "none");
    for length in [bundle.len() - 1, bundle.len() + 1, 64 << 20] {
        let bytes = block_of(60, 64, length, &stored);
        assert_eq!(damage(&bytes), "a bundle cannot be decompressed");
    }
    let bytes = block_of(60, 64, (64 << 20) + 1, &stored);
    assert_eq!(damage(&bytes), "a length or count is beyond its limit");
}

#[test]
fn more_times_or_rows_than_the_limit_are_damage() {
    let beyond = "a length or count is beyond its limit";
    assert_eq!(damage(&block_of(65_537, 0, 0, &[])), beyond);
    assert_eq!(damage(&block_of(1, 65_537, 0, &[])), beyond);
}

#[test]
fn packed_numbers_cannot_claim_a_dictionary_or_a_window() {
    // Mode 4 with 2^25-1 entries.
    let dictionary = [0xf4, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0, 0, 0, 0, 0];
    assert!(numbers::unpack::<u64>(&dictionary, 600).is_err());
    // Mode 0, lookback in a window of 2^24.
    let window = [0x20, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(numbers::unpack::<u64>(&window, 600).is_err());
}

#[test]
fn references_to_what_is_not_there_are_damage() {
    for bundle in [&[0, 1, 1, 0], &[2, 1, 2, 0]] {
        let bytes = block_of(60, 1, bundle.len(), bundle);
        assert!(damage(&bytes).starts_with("a row refers to"));
        fuzzing::block(&bytes);
    }
}
