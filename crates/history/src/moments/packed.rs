//! Sections of bytes as one blob: each compressed, all of it checked.

use crate::codec::Damage;
use crate::moments::bytes::{Bytes, put};

/// The form of the blobs.
const VERSION: u8 = 1;

const HEAD_BYTES: usize = 9;

/// The sections of a blob are no larger than that together when they are
/// unpacked.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// No blob has more sections.
const SECTIONS_MAX: usize = 64;

/// What a blob holds, its first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic(pub(super) [u8; 4]);

pub(super) fn pack(magic: Magic, level: i32, sections: &[Vec<u8>]) -> Result<Vec<u8>, Damage> {
    let mut out = Vec::new();
    out.extend_from_slice(&magic.0);
    out.push(VERSION);
    out.extend_from_slice(&[0; 4]);
    put(&mut out, sections.len() as u64);
    if sections.iter().map(Vec::len).sum::<usize>() > UNPACKED_BYTES_MAX {
        return Err(Damage("it has too many bytes to be written"));
    }
    for section in sections {
        let packed = zstd::bulk::compress(section, level);
        let packed = packed.ok().filter(|packed| packed.len() < section.len());
        // Equal lengths say that it is stored as it is.
        let stored = packed.as_deref().unwrap_or(section);
        put(&mut out, section.len() as u64);
        put(&mut out, stored.len() as u64);
        out.extend_from_slice(stored);
    }
    let sum = crc32c::crc32c(out.get(HEAD_BYTES..).unwrap_or_default());
    if let Some(place) = out.get_mut(HEAD_BYTES - 4..HEAD_BYTES) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    Ok(out)
}

pub(super) fn unpack(magic: Magic, blob: &[u8]) -> Result<Vec<Vec<u8>>, Damage> {
    let (head, body) = blob
        .split_at_checked(HEAD_BYTES)
        .ok_or(Damage("it ends too early"))?;
    let (name, rest) = head.split_at(4);
    let (version, sum) = rest.split_at(1);
    if name != magic.0 {
        return Err(Damage("it does not begin as it should"));
    }
    if version != [VERSION] {
        return Err(Damage("it is of a form that this program does not know"));
    }
    if crc32c::crc32c(body).to_le_bytes() != sum {
        return Err(Damage("its checksum is wrong"));
    }
    let mut body = Bytes(body);
    let count = body.count()?;
    if count > SECTIONS_MAX {
        return Err(Damage("it has too many sections"));
    }
    let mut room = UNPACKED_BYTES_MAX;
    (0..count)
        .map(|_| unpack_section(&mut body, &mut room))
        .collect()
}

fn unpack_section(body: &mut Bytes<'_>, room: &mut usize) -> Result<Vec<u8>, Damage> {
    let size = usize::try_from(body.number()?).unwrap_or(usize::MAX);
    let stored = body.count()?;
    let stored = body.take(stored)?;
    *room = room
        .checked_sub(size)
        .ok_or(Damage("its sections are too large"))?;
    if stored.len() == size {
        return Ok(stored.to_vec());
    }
    let section = zstd::bulk::decompress(stored, size)
        .map_err(|_| Damage("a section cannot be decompressed"))?;
    if section.len() != size {
        return Err(Damage("a section has another size than it says"));
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: Magic = Magic(*b"TEST");

    #[test]
    fn sections_come_back_and_any_changed_bit_is_seen() {
        let sections = [vec![], vec![7; 1000], b"short".to_vec()];
        let blob = pack(MAGIC, 3, &sections).unwrap();
        assert!(blob.len() < 60);
        assert_eq!(unpack(MAGIC, &blob).unwrap(), sections);
        for place in 0..blob.len() * 8 {
            let mut damaged = blob.clone();
            damaged[place / 8] ^= 1 << (place % 8);
            unpack(MAGIC, &damaged).unwrap_err();
        }
        for length in 0..blob.len() {
            unpack(MAGIC, &blob[..length]).unwrap_err();
        }
        unpack(Magic(*b"LFSX"), &blob).unwrap_err();
    }
}
