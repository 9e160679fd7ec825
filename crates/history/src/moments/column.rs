//! One number of many rows, as bytes: in units that all are whole multiples
//! of, and only where it changes.

use crate::codec::Damage;
use crate::moments::bytes::{Bytes, NONE, add, difference, put, put_signed};

/// No block has more changes.
const CHANGES_READ_MAX: usize = 2_000_000;

/// A change of one field of one row at one of the block's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) field: u8,
    pub(super) row: u32,
    pub(super) time: u16,
    pub(super) value: u64,
}

/// What all values are multiples of.
fn derive_unit(values: impl Iterator<Item = u64>) -> u64 {
    let mut unit = 0;
    for value in values.filter(|value| *value != NONE) {
        let mut rest = value;
        while rest != 0 {
            (unit, rest) = (rest, unit % rest);
        }
        if unit == 1 {
            break;
        }
    }
    unit.max(1)
}

const fn scale(value: u64, unit: u64) -> u64 {
    if value == NONE { 0 } else { value / unit + 1 }
}

fn unscale(value: u64, unit: u64) -> Result<u64, Damage> {
    match value.checked_sub(1) {
        None => Ok(NONE),
        Some(value) => value
            .checked_mul(unit)
            .ok_or(Damage("a number is too large")),
    }
}

/// Writes a list of numbers.
pub(super) fn write_plain(values: impl Iterator<Item = u64> + Clone) -> Vec<u8> {
    let mut out = Vec::new();
    let unit = derive_unit(values.clone());
    put(&mut out, unit);
    for value in values {
        put(&mut out, scale(value, unit));
    }
    out
}

/// Reads `count` numbers that [`write_plain`] wrote.
pub(super) fn read_plain(section: &[u8], count: usize) -> Result<Vec<u64>, Damage> {
    if section.len() < count {
        return Err(Damage("a list of numbers is too short"));
    }
    let mut bytes = Bytes(section);
    let unit = bytes.number()?;
    (0..count).map(|_| unscale(bytes.number()?, unit)).collect()
}

/// Writes the changes of one field, sorted by row and time; each of `rows`
/// rows has one at least, its first value.
pub(super) fn write_changes(changes: &[Change], rows: usize) -> Vec<u8> {
    let unit = derive_unit(changes.iter().map(|change| change.value));
    let mut firsts = Vec::new();
    let [mut counts, mut gaps, mut steps] = [const { Vec::new() }; 3];
    put(&mut firsts, unit);
    let mut first_before = 0;
    for of_row in changes
        .chunk_by(|one, other| one.row == other.row)
        .take(rows)
    {
        let Some((first, rest)) = of_row.split_first() else {
            continue;
        };
        let mut value = scale(first.value, unit);
        put_signed(&mut firsts, difference(value, first_before));
        first_before = value;
        put(&mut counts, rest.len() as u64);
        let mut time = first.time;
        for change in rest {
            put(&mut gaps, u64::from(change.time - time));
            time = change.time;
            let scaled = scale(change.value, unit);
            put_signed(&mut steps, difference(scaled, value));
            value = scaled;
        }
    }
    [firsts, counts, gaps, steps].concat()
}

/// Reads what [`write_changes`] wrote; `firsts` are the times of the rows'
/// first values.
pub(super) fn read_changes(
    section: &[u8],
    field: u8,
    firsts: &[u16],
    changes: &mut Vec<Change>,
) -> Result<(), Damage> {
    let mut bytes = Bytes(section);
    let unit = bytes.number()?;
    let mut values = Vec::with_capacity(firsts.len());
    let mut value = 0;
    for _ in firsts {
        value = add(value, bytes.signed()?);
        values.push(value);
    }
    let mut counts = Vec::with_capacity(firsts.len());
    for _ in firsts {
        counts.push(bytes.count()?);
    }
    let all = counts
        .iter()
        .fold(changes.len(), |sum, count| sum.saturating_add(*count));
    if all.saturating_add(firsts.len()) > CHANGES_READ_MAX {
        return Err(Damage("it has too many changes"));
    }
    let mut gaps = Vec::new();
    for count in &counts {
        for _ in 0..*count {
            gaps.push(bytes.small()?);
        }
    }
    let mut gaps = gaps.into_iter();
    for ((row, first), (value, count)) in (0..).zip(firsts).zip(values.iter_mut().zip(counts)) {
        let mut push = |time, value| -> Result<(), Damage> {
            let value = unscale(value, unit)?;
            changes.push(Change {
                field,
                row,
                time,
                value,
            });
            Ok(())
        };
        push(*first, *value)?;
        let mut time = u32::from(*first);
        for gap in gaps.by_ref().take(count) {
            time = time.saturating_add(gap);
            *value = add(*value, bytes.signed()?);
            let time = u16::try_from(time).map_err(|_| Damage("a time is not in the block"))?;
            push(time, *value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_in_units() {
        for values in [
            vec![],
            vec![NONE],
            vec![0, 4096, NONE, 8192],
            vec![7, 14, NONE - 1],
        ] {
            let section = write_plain(values.iter().copied());
            assert_eq!(read_plain(&section, values.len()).unwrap(), values);
        }
        assert_eq!(
            write_plain([4096_u64, 8192].into_iter()),
            [0x80, 0x20, 2, 3]
        );
        read_plain(&[1], 2).unwrap_err();
    }

    #[test]
    fn changes_come_back() {
        let change = |row, time, value| Change {
            field: 3,
            row,
            time,
            value,
        };
        let changes = [
            change(0, 0, 5),
            change(0, 4, NONE),
            change(0, 5, 0),
            change(1, 2, NONE),
            change(2, 7, 10),
        ];
        let section = write_changes(&changes, 3);
        let mut read = Vec::new();
        read_changes(&section, 3, &[0, 2, 7], &mut read).unwrap();
        assert_eq!(read, changes);
        for length in 0..section.len() {
            read_changes(&section[..length], 3, &[0, 2, 7], &mut Vec::new()).unwrap_err();
        }
    }
}
