//! At which of the block's times a row has values.

use super::input::Input;
use super::{Damage, Run, varint};

/// Whether these runs are fit for a block of so many times, and how long they
/// are together.
pub(super) fn measure(runs: &[Run], times: usize) -> Option<usize> {
    let mut next = 0;
    let mut total = 0;
    for run in runs {
        let from = usize::try_from(run.from).ok()?;
        let length = usize::try_from(run.len).ok()?;
        let end = from.checked_add(length)?;
        let after = if run.ends { end.checked_add(1)? } else { end };
        if from < next || after > times || length == 0 && !run.ends {
            return None;
        }
        next = after;
        total += length;
    }
    Some(total)
}

/// Writes how many, and of each the times it leaves out, twice its length, and
/// one more if it ends.
pub(super) fn encode(runs: &[Run], out: &mut Vec<u8>) {
    varint::put_size(runs.len(), out);
    let mut next = 0;
    for run in runs {
        varint::put(u64::from(run.from) - next, out);
        varint::put(u64::from(run.len) << 1 | u64::from(run.ends), out);
        next = u64::from(run.from) + u64::from(run.len) + u64::from(run.ends);
    }
}

/// Reads what [`encode`] writes, and how long the runs are together.
pub(super) fn decode(input: &mut Input<'_>, times: usize) -> Result<(Vec<Run>, usize), Damage> {
    let unfit = Damage("runs beyond the block's times");
    let count = input.size(times)?;
    let mut runs = Vec::with_capacity(count.min(input.len()));
    let mut next: u32 = 0;
    for _ in 0..count {
        let gap = u32::try_from(input.size(times)?).map_err(|_| unfit.clone())?;
        let coded = input.size(2 * times + 1)?;
        let ends = coded & 1 == 1;
        let len = u32::try_from(coded >> 1).map_err(|_| unfit.clone())?;
        let from = next.checked_add(gap).ok_or(unfit.clone())?;
        let end = from.checked_add(len).ok_or(unfit.clone())?;
        next = end.checked_add(u32::from(ends)).ok_or(unfit.clone())?;
        runs.push(Run { from, len, ends });
    }
    let total = measure(&runs, times).ok_or(unfit)?;
    Ok((runs, total))
}

/// Whether the row has a value at every one of so many times.
pub(super) fn is_everywhere(runs: &[Run], times: usize) -> bool {
    matches!(runs, [Run { from: 0, len, ends: false }] if usize::try_from(*len) == Ok(times))
}

/// The run of a row that has a value at every time.
pub(super) fn everywhere(times: usize) -> Vec<Run> {
    match u32::try_from(times) {
        Ok(len) if len > 0 => vec![Run {
            from: 0,
            len,
            ends: false,
        }],
        _ => Vec::new(),
    }
}
