//! Whole numbers as few bytes: seven bits a byte, the lowest first.

use crate::codec::Damage;

/// A value that is not there.
pub(super) const NONE: u64 = u64::MAX;

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// A number that may be negative: 0, -1, 1, -2, … become 0, 1, 2, 3, …
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// What `now` is more than `before`, which comes back by [`add`].
pub(super) fn difference(now: u64, before: u64) -> i64 {
    now.wrapping_sub(before).cast_signed()
}

pub(super) fn add(before: u64, difference: i64) -> u64 {
    before.wrapping_add(difference.cast_unsigned())
}

/// Bytes that are read from their beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damage> {
        let (first, rest) = self.0.split_first().ok_or(Damage("it ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Damage> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage("a number has too many bytes"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Damage> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number of at most 32 bits.
    pub(super) fn small(&mut self) -> Result<u32, Damage> {
        u32::try_from(self.number()?).map_err(|_| Damage("a number is too large"))
    }

    /// How many things follow, each of which takes a byte or more.
    pub(super) fn count(&mut self) -> Result<usize, Damage> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.0.len() {
            return Err(Damage("a count is larger than what follows"));
        }
        Ok(count)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Damage("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Damage> {
        let count = self.count()?;
        str::from_utf8(self.take(count)?).map_err(|_| Damage("a text is no UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, NONE];
        let mut out = Vec::new();
        for number in numbers {
            put(&mut out, number);
            put_signed(&mut out, number.cast_signed());
        }
        let mut bytes = Bytes(&out);
        for number in numbers {
            assert_eq!(bytes.number().unwrap(), number);
            assert_eq!(bytes.signed().unwrap(), number.cast_signed());
        }
        assert!(bytes.is_empty());
        assert_eq!(add(3, difference(NONE, 3)), NONE);
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_damage() {
        assert!(Bytes(&[0x80]).number().is_err());
        assert!(Bytes(&[0xff; 10]).number().is_err());
        assert!(Bytes(&[0xff; 11]).number().is_err());
        assert!(Bytes(&[5, 1]).count().is_err());
        assert!(Bytes(&[2, b'a']).text().is_err());
        assert!(Bytes(&[1, 0xff]).text().is_err());
    }
}
