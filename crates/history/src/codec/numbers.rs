//! Numbers in the format of the crate `pco`: bins of near values, and an entropy
//! code for the bins.

use pco::data_types::Number;
use pco::metadata::DeltaEncoding;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec};

use super::Damage;

const LEVEL: usize = 8;

/// What pco writes at the front of a file: its format, 4.1. It is the same in
/// each block of this version, so blocks do not have it.
const FORMAT: [u8; 2] = [4, 1];

/// The lower half of the first byte is pco's mode; beyond this one, it allocates
/// by a count that the bytes state.
const MODE_MAX: u8 = 3;

const DAMAGED: Damage = Damage("packed numbers cannot be read");

/// The numbers as one chunk of one page; `None` where they do not come back as
/// they were.
pub(super) fn pack<T: Number + Default>(
    numbers: &[T],
    delta: DeltaSpec,
    same: impl Fn(&T, &T) -> bool,
) -> Option<Vec<u8>> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_delta_spec(delta);
    let mut packed = Vec::new();
    let mut chunk = FileCompressor::default()
        .chunk_compressor(numbers, &config)
        .ok()?;
    chunk.write_meta(&mut packed).ok()?;
    chunk.write_page(0, &mut packed).ok()?;
    let unpacked = unpack(&packed, numbers.len()).ok()?;
    let mut pairs = unpacked.iter().zip(numbers);
    pairs
        .all(|(now, before)| same(now, before))
        .then_some(packed)
}

/// Exactly `count` numbers out of exactly these bytes.
pub(super) fn unpack<T: Number + Default>(packed: &[u8], count: usize) -> Result<Vec<T>, Damage> {
    let mode = packed.first().ok_or(DAMAGED)? & 0x0f;
    if count == 0 || mode > MODE_MAX {
        return Err(DAMAGED);
    }
    let (file, _) = FileDecompressor::new(FORMAT.as_slice()).map_err(|_| DAMAGED)?;
    let (mut chunk, page) = file
        .chunk_decompressor::<T, _>(packed)
        .map_err(|_| DAMAGED)?;
    match chunk.meta().delta_encoding {
        DeltaEncoding::NoOp | DeltaEncoding::Consecutive { .. } => (),
        // Others allocate by what the bytes state; none is ever written.
        _ => return Err(DAMAGED),
    }
    let mut numbers = vec![T::default(); count];
    let mut page = chunk.page_decompressor(page, count).map_err(|_| DAMAGED)?;
    let progress = page.read(&mut numbers).map_err(|_| DAMAGED)?;
    if progress.finished && page.into_src().is_empty() {
        Ok(numbers)
    } else {
        Err(DAMAGED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_packed_numbers_is_the_one_that_blocks_state() {
        let mut header = Vec::new();
        FileCompressor::default().write_header(&mut header).unwrap();
        assert_eq!(header, FORMAT);
    }

    #[test]
    fn bytes_after_packed_numbers_are_damage() {
        let numbers: Vec<u32> = (0..600).map(|number| number * number % 1009).collect();
        let mut packed = pack(&numbers, DeltaSpec::NoOp, u32::eq).unwrap();
        assert_eq!(unpack::<u32>(&packed, 600).unwrap(), numbers);
        assert!(unpack::<u32>(&packed, 0).is_err());
        packed.push(0);
        assert!(unpack::<u32>(&packed, 600).is_err());
    }
}
