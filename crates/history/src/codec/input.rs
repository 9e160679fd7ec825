//! Bytes that are read from front to back, and may be anything.

use super::{Damage, varint};

const SHORT: Damage = Damage("it ends early");

/// What is still to be read.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// What is left, all of it.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damage> {
        let (&first, rest) = self.rest.split_first().ok_or(SHORT)?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number as [`varint::put`] writes it.
    pub(super) fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits << shift;
            if bits << shift >> shift != bits {
                break;
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage("a number is too long"))
    }

    /// A signed number as [`varint::put_signed`] writes it.
    pub(super) fn signed(&mut self) -> Result<i64, Damage> {
        self.varint().map(varint::unzigzag)
    }

    /// A length or count, at most `max`.
    pub(super) fn size(&mut self, max: usize) -> Result<usize, Damage> {
        match usize::try_from(self.varint()?) {
            Ok(size) if size <= max => Ok(size),
            _ => Err(Damage("a length or count is beyond its limit")),
        }
    }

    /// Bytes after their length.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.size(self.rest.len())?;
        self.take(length)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Damage> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Damage("there are more bytes than there should be"))
        }
    }
}
