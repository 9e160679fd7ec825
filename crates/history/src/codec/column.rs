//! One column: a byte that says how it is stored, and what that needs.

use pco::DeltaSpec;

use super::input::Input;
use super::{Damage, decimal, integers, numbers};

/// How a column is stored: the lower half of its first byte. The upper half is
/// the power of ten by which integers are to be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One integer, for all values.
    Constant,
    /// The first integer and the step from each to the next.
    Steps,
    /// Differences of integers, one by one.
    Listed,
    /// Differences of integers, packed.
    Packed,
    /// The 64 bits of one float, for all values.
    Bits,
    /// Floats, packed.
    Floats,
    /// The 64 bits of each float.
    Raw,
}

impl Kind {
    /// The first byte of a column.
    pub(super) fn byte(self, scale: u8) -> u8 {
        let kind = match self {
            Self::Constant => 2,
            Self::Steps => 3,
            Self::Listed => 4,
            Self::Packed => 5,
            Self::Bits => 6,
            Self::Floats => 7,
            Self::Raw => 8,
        };
        kind | scale << 4
    }

    fn of(byte: u8) -> Result<(Self, u8), Damage> {
        let scale = byte >> 4;
        let kind = match byte & 0x0f {
            2 => Self::Constant,
            3 => Self::Steps,
            4 => Self::Listed,
            5 => Self::Packed,
            6 => Self::Bits,
            7 => Self::Floats,
            8 => Self::Raw,
            _ => return Err(Damage("a column of an unknown kind")),
        };
        let scaled = matches!(
            kind,
            Self::Constant | Self::Steps | Self::Listed | Self::Packed
        );
        if scale == 0 || scaled && decimal::is_scale(scale) {
            Ok((kind, scale))
        } else {
            Err(Damage("a column of an unknown scale"))
        }
    }
}

/// Writes a column of any values, also of none.
pub(super) fn encode(values: &[f64], out: &mut Vec<u8>) {
    if let Some((scale, integers)) = decimal::from_floats(values) {
        return integers::encode(&integers, scale, out);
    }
    let bits = |value: &f64| value.to_bits();
    if let [first, rest @ ..] = values
        && rest.iter().all(|value| bits(value) == bits(first))
    {
        out.push(Kind::Bits.byte(0));
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    let same = |now: &f64, before: &f64| bits(now) == bits(before);
    let packed = [DeltaSpec::NoOp, DeltaSpec::TryConsecutive(1)]
        .into_iter()
        .filter_map(|delta| numbers::pack(values, delta, same))
        .min_by_key(Vec::len);
    let (kind, body) = match packed {
        Some(packed) if packed.len() < size_of_val(values) => (Kind::Floats, packed),
        _ => (
            Kind::Raw,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
    };
    out.push(kind.byte(0));
    super::varint::put_size(body.len(), out);
    out.extend_from_slice(&body);
}

/// Writes a column of one or more integers.
pub(super) fn encode_integers(values: &[i64], out: &mut Vec<u8>) {
    integers::encode(values, 0, out);
}

/// Reads as many values to the end of `into`.
pub(super) fn decode(
    input: &mut Input<'_>,
    count: usize,
    into: &mut Vec<f64>,
) -> Result<(), Damage> {
    let (kind, scale) = Kind::of(input.byte()?)?;
    match kind {
        Kind::Constant | Kind::Steps | Kind::Listed | Kind::Packed => {
            let integers = integers::decode(kind, input, count)?;
            into.extend(
                integers
                    .into_iter()
                    .map(|value| decimal::to_float(value, scale)),
            );
        }
        Kind::Bits => {
            let value = float(input.take(size_of::<f64>())?);
            into.resize(into.len() + count, value);
        }
        Kind::Floats => into.extend(numbers::unpack::<f64>(input.counted()?, count)?),
        Kind::Raw => {
            let body = input.counted()?;
            if body.len() != count * size_of::<f64>() {
                return Err(Damage("a column of another length than its runs"));
            }
            into.extend(body.chunks_exact(size_of::<f64>()).map(float));
        }
    }
    Ok(())
}

/// Reads as many integers.
pub(super) fn decode_integers(input: &mut Input<'_>, count: usize) -> Result<Vec<i64>, Damage> {
    match Kind::of(input.byte()?)? {
        (kind, 0) => integers::decode(kind, input, count),
        _ => Err(Damage("fractions where integers must be")),
    }
}

/// The bytes of one column, not decoded.
pub(super) fn skip<'a>(input: &mut Input<'a>) -> Result<&'a [u8], Damage> {
    let all = input.rest();
    let (kind, _) = Kind::of(input.byte()?)?;
    match kind {
        Kind::Constant => {
            input.varint()?;
        }
        Kind::Steps => {
            input.varint()?;
            input.varint()?;
        }
        Kind::Bits => {
            input.take(size_of::<f64>())?;
        }
        Kind::Listed | Kind::Packed | Kind::Floats | Kind::Raw => {
            input.counted()?;
        }
    }
    Input::new(all).take(all.len() - input.len())
}

fn float(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(f64::NAN, f64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: impl Fn(u32) -> f64) -> Vec<u8> {
        let values: Vec<f64> = (0..600).map(value).collect();
        let mut out = Vec::new();
        encode(&values, &mut out);
        let mut back = Vec::new();
        decode(&mut Input::new(&out), values.len(), &mut back).unwrap();
        let bits = |values: &[f64]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(&values));
        out
    }

    /// Numbers without an order, below 4096.
    fn noise(number: u32) -> f64 {
        f64::from(number.wrapping_mul(2_654_435_761) >> 20)
    }

    fn kind(bytes: &[u8]) -> (Kind, u8) {
        Kind::of(*bytes.first().unwrap()).unwrap()
    }

    #[test]
    fn what_does_not_change_takes_a_few_bytes() {
        assert_eq!(encoded(|_| 4.0), [2, 8]);
        assert_eq!(encoded(|_| 0.25), [0x22, 50]);
        assert_eq!(encoded(|number| f64::from(number) * 0.5), [0x13, 0, 10]);
        assert_eq!(encoded(|_| f64::NAN).len(), 9);
        assert_eq!(encoded(|_| -0.0).len(), 9);
    }

    #[test]
    fn rare_changes_are_listed() {
        let bytes = encoded(|number| if number < 300 { 7.0 } else { 9.0 });
        assert_eq!(kind(&bytes), (Kind::Listed, 0));
        assert!(bytes.len() <= 12, "{} bytes", bytes.len());
    }

    #[test]
    fn pages_are_counted_as_pages() {
        let bytes = encoded(|number| noise(number) % 16.0 * 4096.0);
        let counted = encoded(|number| noise(number) % 16.0);
        assert!(bytes.len() < counted.len() + 4);
    }

    #[test]
    fn decimals_are_packed_as_integers() {
        let bytes = encoded(|number| noise(number) / 100.0);
        assert_eq!(kind(&bytes), (Kind::Packed, 2));
        assert!(bytes.len() < 950, "{} bytes", bytes.len());
    }

    #[test]
    fn other_floats_are_packed_or_as_they_are() {
        let roots = encoded(|number| noise(number).sqrt());
        assert_eq!(kind(&roots), (Kind::Floats, 0));
        let strange =
            encoded(|number| f64::from_bits(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!(strange.len() <= 600 * 8 + 3);
    }
}
