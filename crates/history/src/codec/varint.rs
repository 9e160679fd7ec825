//! Numbers in as few bytes as they need (LEB128), signed ones in zigzag order.

/// Appends `value`, seven bits a byte, lowest first; the high bit says that
/// more follow.
pub(super) fn put(value: u64, out: &mut Vec<u8>) {
    let mut rest = value;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a length or count.
pub(super) fn put_size(value: usize, out: &mut Vec<u8>) {
    put(value as u64, out);
}

/// Appends a signed number.
pub(super) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put(zigzag(value), out);
}

/// How many bytes [`put`] appends.
pub(super) fn len(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ...
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
