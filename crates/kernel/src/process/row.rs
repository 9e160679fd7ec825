//! What is shown of one process.

use std::sync::Arc;

use crate::process::rates::Before;
use crate::process::stat::{ProcessCounts, ProcessIdentity};

/// One process as it was at the last read.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessRow {
    /// Which one.
    pub identity: ProcessIdentity,
    /// The kernel's name for it (`comm`): the first 15 bytes of its program's,
    /// or what it calls itself. Any characters; what is not UTF-8 shows as the
    /// replacement character.
    pub name: Arc<str>,
    /// Its counters now.
    pub counts: ProcessCounts,
    /// Its counters at the read before.
    pub before: Before,
    /// False where the last read failed: then `counts` are older.
    pub is_fresh: bool,
    /// Reads between those of `before` and of `counts` that left it out, since
    /// it had been idle: its rates are over so many intervals more.
    pub left_out: u8,
    /// Who it acts as, the effective user id; up to half a minute old.
    pub uid: Option<u32>,
    /// Path of its cgroup (v2), `/` for the root; up to half a minute old.
    pub cgroup: Option<Arc<str>>,
    /// What takes longer to read.
    pub cold: ColdFields,
}

/// What is read of a process seldom, and by a worker, since it may block;
/// `None` is not read yet, or not allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColdFields {
    /// Its arguments, made safe to show; empty for threads of the kernel.
    pub arguments: Option<Arc<[String]>>,
    /// How many files it may have open (the soft limit); `u64::MAX` is no limit.
    pub open_files_limit: Option<u64>,
    /// How many files it has open.
    pub open_files: Option<u64>,
    /// The most memory that was resident (`VmHWM`).
    pub peak_rss_bytes: Option<u64>,
    /// Memory that is in swap (`VmSwap`).
    pub swap_bytes: Option<u64>,
    /// How often its main thread gave its processor up (`voluntary_ctxt_switches`).
    pub voluntary_switches: Option<u64>,
    /// How often its main thread lost its processor (`nonvoluntary_ctxt_switches`).
    pub involuntary_switches: Option<u64>,
    /// Its share of memory when that was measured last.
    pub measured: Option<PssMeasure>,
}

/// A process's proportional share of memory: pages shared by n count 1/n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PssMeasure {
    /// The share (`smaps_rollup`).
    pub pss_bytes: u64,
    /// What `stat` said was resident then.
    pub rss_bytes: u64,
}

/// A process's proportional share of memory now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pss {
    /// The share.
    pub bytes: u64,
    /// Whether it was not measured at this size of the process, but derived
    /// from the last measure's share of the resident memory.
    pub is_estimated: bool,
}

impl ProcessRow {
    /// Its pid and its parent's.
    pub fn kin(&self) -> (u32, u32) {
        (self.identity.pid, self.counts.parent_pid)
    }

    /// Its share of memory; `None` where that was never measured.
    pub fn pss(&self) -> Option<Pss> {
        derive_pss(self.cold.measured?, self.counts.rss_bytes)
    }
}

fn derive_pss(measured: PssMeasure, rss_bytes: u64) -> Option<Pss> {
    let PssMeasure {
        pss_bytes,
        rss_bytes: measured_at,
    } = measured;
    if rss_bytes == measured_at {
        let is_estimated = false;
        return Some(Pss {
            bytes: pss_bytes,
            is_estimated,
        });
    }
    let scaled = u128::from(pss_bytes) * u128::from(rss_bytes);
    let bytes = u64::try_from(scaled.checked_div(measured_at.into())?).ok()?;
    Some(Pss {
        bytes,
        is_estimated: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_as_measured_or_estimated_at_another_size() {
        // pss and rss when measured, rss now -> share, estimated
        for (pss_bytes, measured_at, now, expected) in [
            (50, 100, 100, Some((50, false))),
            (50, 100, 200, Some((100, true))),
            (50, 100, 0, Some((0, true))),
            (0, 0, 0, Some((0, false))),
            (0, 0, 100, None),
            (u64::MAX, 1, 2, None),
        ] {
            let measured = PssMeasure {
                pss_bytes,
                rss_bytes: measured_at,
            };
            let expected = expected.map(|(bytes, is_estimated)| Pss {
                bytes,
                is_estimated,
            });
            assert_eq!(derive_pss(measured, now), expected, "{measured:?} {now}");
        }
    }
}
