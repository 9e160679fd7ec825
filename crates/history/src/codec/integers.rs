//! Columns of integers: one number, numbers in equal steps, or differences that
//! are written one by one or packed.

use pco::DeltaSpec;

use super::column::Kind;
use super::input::Input;
use super::{Damage, numbers, varint};

/// Times the differences are taken, at most: 0 keeps the values, 1 suits
/// counters, 2 counters whose rate changes slowly.
const ORDERS: usize = 3;

/// Added to the order where a unit follows.
const WITH_UNIT: u64 = 4;

/// Fewer bytes than this cannot be packed in fewer.
const PACK_MIN_BYTES: usize = 24;

/// Writes one or more values: the kind with `scale`, and what it needs.
pub(super) fn encode(values: &[i64], scale: u8, out: &mut Vec<u8>) {
    let first = values.first().copied().unwrap_or_default();
    let step = match values {
        [first, second, ..] => second.wrapping_sub(*first),
        _ => 0,
    };
    if values
        .windows(2)
        .all(|pair| matches!(pair, [before, after] if after.wrapping_sub(*before) == step))
    {
        if step == 0 {
            out.push(Kind::Constant.byte(scale));
            varint::put_signed(first, out);
        } else {
            out.push(Kind::Steps.byte(scale));
            varint::put_signed(first, out);
            varint::put_signed(step, out);
        }
        return;
    }
    let (kind, body) = choose(values);
    out.push(kind.byte(scale));
    varint::put_size(body.len(), out);
    out.extend_from_slice(&body);
}

/// The smallest form of values that do not rise in equal steps.
fn choose(values: &[i64]) -> (Kind, Vec<u8>) {
    let listed: Vec<(usize, Differences)> = (0..ORDERS)
        .take_while(|order| *order < values.len())
        .map(|order| {
            let taken = Differences::take(values, order);
            (taken.front_len() + listed_len(&taken.rest), taken)
        })
        .collect();
    let smallest = listed
        .iter()
        .map(|(size, _)| *size)
        .min()
        .unwrap_or_default();
    let mut best: Option<Vec<u8>> = None;
    // What is smallest one by one need not be smallest packed, but is not half
    // as large again.
    for (size, taken) in &listed {
        if smallest < PACK_MIN_BYTES || size * 2 > smallest * 3 {
            continue;
        }
        let smaller = |packed: &Vec<u8>| packed.len() < best.as_ref().map_or(smallest, Vec::len);
        if let Some(packed) = packed(taken).filter(smaller) {
            best = Some(packed);
        }
    }
    if let Some(body) = best {
        return (Kind::Packed, body);
    }
    let mut body = Vec::with_capacity(smallest);
    if let Some((_, taken)) = listed.iter().find(|(size, _)| *size == smallest) {
        taken.put_front(&mut body);
        put_listed(&taken.rest, &mut body);
    }
    (Kind::Listed, body)
}

/// Values as differences.
struct Differences {
    /// The first value, the first difference, and so on: as many as the times
    /// that differences were taken.
    starts: Vec<i64>,
    /// What all the rest are multiples of; at least 1.
    unit: i64,
    /// The differences, divided by the unit.
    rest: Vec<i64>,
}

impl Differences {
    fn take(values: &[i64], order: usize) -> Self {
        let mut rest = values.to_vec();
        let mut starts = Vec::new();
        for _ in 0..order {
            starts.extend(rest.first());
            rest = rest
                .iter()
                .zip(rest.iter().skip(1))
                .map(|(before, after)| after.wrapping_sub(*before))
                .collect();
        }
        let unit = greatest_divisor(&rest);
        if unit > 1 {
            for value in &mut rest {
                *value /= unit;
            }
        }
        Self { starts, unit, rest }
    }

    fn put_front(&self, out: &mut Vec<u8>) {
        let order = self.starts.len() as u64;
        if self.unit > 1 {
            varint::put(order | WITH_UNIT, out);
            varint::put_signed(self.unit, out);
        } else {
            varint::put(order, out);
        }
        put_each(&self.starts, out);
    }

    fn front_len(&self) -> usize {
        let mut front = Vec::new();
        self.put_front(&mut front);
        front.len()
    }

    /// Reads what [`Self::put_front`] writes, and how many differences follow
    /// it, which is at least one.
    fn read_front(input: &mut Input<'_>, count: usize) -> Result<(Self, usize), Damage> {
        let front = input.varint()?;
        let order = usize::try_from(front & !WITH_UNIT).unwrap_or(usize::MAX);
        if order >= ORDERS || order >= count {
            return Err(Damage("differences of an unknown order"));
        }
        let unit = if front & WITH_UNIT == 0 {
            1
        } else {
            input.signed()?
        };
        let starts = (0..order)
            .map(|_| input.signed())
            .collect::<Result<_, _>>()?;
        let rest = Vec::new();
        Ok((Self { starts, unit, rest }, count - order))
    }

    /// Undoes [`Self::take`].
    fn sum(self) -> Vec<i64> {
        let mut values = self.rest;
        if self.unit != 1 {
            for value in &mut values {
                *value = value.wrapping_mul(self.unit);
            }
        }
        for start in self.starts.iter().rev() {
            let mut last = *start;
            let mut sums = Vec::with_capacity(values.len() + 1);
            sums.push(last);
            sums.extend(values.iter().map(|step| {
                last = last.wrapping_add(*step);
                last
            }));
            values = sums;
        }
        values
    }
}

/// The greatest number that all values are multiples of; 1 if there is none.
fn greatest_divisor(values: &[i64]) -> i64 {
    let mut divisor: u64 = 0;
    for value in values {
        let (mut small, mut great) = (divisor, value.unsigned_abs());
        while small != 0 {
            (small, great) = (great % small, small);
        }
        divisor = great;
        if divisor == 1 {
            break;
        }
    }
    i64::try_from(divisor).unwrap_or(1).max(1)
}

fn put_each(values: &[i64], out: &mut Vec<u8>) {
    for value in values {
        varint::put_signed(*value, out);
    }
}

/// How many bytes [`put_listed`] appends.
fn listed_len(values: &[i64]) -> usize {
    let mut size = 0;
    for run in values.chunk_by(|before, after| *before == 0 && *after == 0) {
        size += match run {
            [0, rest @ ..] => 1 + varint::len(rest.len() as u64),
            run => run
                .iter()
                .map(|value| varint::len(varint::zigzag(*value)))
                .sum(),
        };
    }
    size
}

/// Writes each value; zeros as one, and how many more follow it.
fn put_listed(values: &[i64], out: &mut Vec<u8>) {
    for run in values.chunk_by(|before, after| *before == 0 && *after == 0) {
        match run {
            [0, rest @ ..] => {
                out.push(0);
                varint::put_size(rest.len(), out);
            }
            run => put_each(run, out),
        }
    }
}

fn read_listed(input: &mut Input<'_>, count: usize) -> Result<Vec<i64>, Damage> {
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let value = input.signed()?;
        values.push(value);
        if value == 0 {
            let more = input.size(count - values.len())?;
            values.resize(values.len() + more, 0);
        }
    }
    Ok(values)
}

/// The front, the least value, and how far each is above it, packed in the
/// narrowest type that holds them.
fn packed(taken: &Differences) -> Option<Vec<u8>> {
    let rest = &taken.rest;
    let least = *rest.iter().min()?;
    let above = |value: &i64| value.wrapping_sub(least).cast_unsigned();
    let greatest = rest.iter().map(above).max()?;
    let mut body = Vec::new();
    taken.put_front(&mut body);
    varint::put_signed(least, &mut body);
    let (width, numbers) = if u16::try_from(greatest).is_ok() {
        let narrow: Result<Vec<u16>, _> =
            rest.iter().map(|value| above(value).try_into()).collect();
        (2, numbers::pack(&narrow.ok()?, DeltaSpec::NoOp, u16::eq)?)
    } else if u32::try_from(greatest).is_ok() {
        let narrow: Result<Vec<u32>, _> =
            rest.iter().map(|value| above(value).try_into()).collect();
        (4, numbers::pack(&narrow.ok()?, DeltaSpec::NoOp, u32::eq)?)
    } else {
        let wide: Vec<u64> = rest.iter().map(above).collect();
        (8, numbers::pack(&wide, DeltaSpec::NoOp, u64::eq)?)
    };
    body.push(width);
    body.extend_from_slice(&numbers);
    Some(body)
}

fn read_packed(input: &mut Input<'_>, count: usize) -> Result<Vec<i64>, Damage> {
    let least = input.signed()?;
    let width = input.byte()?;
    let bytes = input.take(input.len())?;
    let value = |above: u64| least.wrapping_add(above.cast_signed());
    Ok(match width {
        2 => widen(numbers::unpack::<u16>(bytes, count)?, value),
        4 => widen(numbers::unpack::<u32>(bytes, count)?, value),
        8 => widen(numbers::unpack::<u64>(bytes, count)?, value),
        _ => return Err(Damage("packed numbers of an unknown width")),
    })
}

fn widen<T: Into<u64>>(numbers: Vec<T>, value: impl Fn(u64) -> i64) -> Vec<i64> {
    numbers
        .into_iter()
        .map(|above| value(above.into()))
        .collect()
}

/// Reads what follows the kind: as many values, which are one or more.
pub(super) fn decode(kind: Kind, input: &mut Input<'_>, count: usize) -> Result<Vec<i64>, Damage> {
    match kind {
        Kind::Constant => Ok(vec![input.signed()?; count]),
        Kind::Steps => {
            let first = input.signed()?;
            let step = input.signed()?;
            Ok(
                std::iter::successors(Some(first), |last| Some(last.wrapping_add(step)))
                    .take(count)
                    .collect(),
            )
        }
        Kind::Listed | Kind::Packed => {
            let mut body = Input::new(input.counted()?);
            let (mut taken, count) = Differences::read_front(&mut body, count)?;
            taken.rest = if kind == Kind::Packed {
                read_packed(&mut body, count)?
            } else {
                read_listed(&mut body, count)?
            };
            body.end()?;
            Ok(taken.sum())
        }
        Kind::Bits | Kind::Floats | Kind::Raw => Err(Damage("no integers where integers must be")),
    }
}
