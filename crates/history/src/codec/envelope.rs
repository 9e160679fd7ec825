//! What is round a block: what it is, in which version, and that it is whole.

use super::Damage;

const MAGIC: [u8; 4] = *b"LFSB";

const VERSION: u8 = 1;

/// Magic, version, and the checksum of all that follows.
const LENGTH: usize = MAGIC.len() + 1 + size_of::<u32>();

/// Puts `body` into an envelope.
pub(super) fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// What is in the envelope.
pub(super) fn open(bytes: &[u8]) -> Result<&[u8], Damage> {
    let (front, body) = bytes
        .split_at_checked(LENGTH)
        .ok_or(Damage("it is shorter than the front of a block"))?;
    let (magic, rest) = front.split_at(MAGIC.len());
    let (version, sum) = rest.split_at(1);
    if magic != MAGIC {
        Err(Damage("it does not begin as a block does"))
    } else if version != [VERSION] {
        Err(Damage("it is of a version that is not known here"))
    } else if sum != crc32c::crc32c(body).to_le_bytes() {
        Err(Damage("its checksum is wrong"))
    } else {
        Ok(body)
    }
}
