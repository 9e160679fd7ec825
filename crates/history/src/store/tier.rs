//! The tiers that samples are kept in, and the keys of their blocks.

use lfs_wrapper_model::TimeMsec;

use super::window::{WINDOW_MSEC, window_start};

/// One resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Its number: 0 are the samples themselves.
    pub(crate) number: u8,
    /// From one value to the next; 0 for samples.
    pub(crate) step_msec: i64,
    /// The time that one block covers.
    pub(crate) window_msec: i64,
}

/// All of them, the finest first.
pub(crate) const TIERS: [Tier; 4] = [
    Tier {
        number: 0,
        step_msec: 0,
        window_msec: WINDOW_MSEC,
    },
    Tier {
        number: 1,
        step_msec: 10_000,
        window_msec: 3_600_000,
    },
    Tier {
        number: 2,
        step_msec: 60_000,
        window_msec: 6 * 3_600_000,
    },
    Tier {
        number: 3,
        step_msec: 3_600_000,
        window_msec: 120 * 3_600_000,
    },
];

/// Beside the tiers: up to where samples were deleted.
pub(crate) const DELETED: u8 = 100;

/// Beside the tiers: the newest moment of the monitor's windows that are blocks.
pub(crate) const NEWEST_SEALED: u8 = 102;
/// Beside the tiers: the newest moment that was imported.
pub(crate) const NEWEST_IMPORTED: u8 = 103;
/// Beside the tiers: the greatest number of a series of which blocks may still
/// hold samples, after its name was lost. No other series is given it.
pub(crate) const NUMBERED: u8 = 101;

const WINDOW_BITS: u32 = 26;
const PART_BITS: u32 = 12;
const CLUSTER_BITS: u32 = 20;

/// How many blocks of one cluster and window there can be.
pub(crate) const PARTS_MAX: i64 = 1 << PART_BITS;
/// Clusters beyond this one cannot be written.
pub(crate) const CLUSTER_MAX: u32 = (1 << CLUSTER_BITS) - 1;

impl Tier {
    /// Whether a block of this time can have a key: from 1970 for 1,200 years.
    pub(crate) fn holds(&self, time_msec: TimeMsec) -> bool {
        let window = window_start(time_msec, self.window_msec) / WINDOW_MSEC;
        time_msec > 0 && window < (1 << WINDOW_BITS)
    }

    /// The keys of the blocks of a cluster whose windows start at these times or
    /// between.
    pub(crate) fn keys(&self, cluster: u32, from_msec: TimeMsec, to_msec: TimeMsec) -> (i64, i64) {
        (
            self.key(cluster, from_msec),
            self.key(cluster, to_msec) + PARTS_MAX - 1,
        )
    }

    /// The key of the first block of a cluster in a window.
    pub(crate) fn key(&self, cluster: u32, start_msec: TimeMsec) -> i64 {
        let window = (start_msec / WINDOW_MSEC).clamp(0, (1 << WINDOW_BITS) - 1);
        let tier_and_cluster =
            (i64::from(self.number) << CLUSTER_BITS) | i64::from(cluster.min(CLUSTER_MAX));
        ((tier_and_cluster << WINDOW_BITS) | window) << PART_BITS
    }
}

/// What a key says: tier, cluster, start of the window.
pub(crate) fn parse_key(key: i64) -> Option<(Tier, u32, TimeMsec)> {
    let window = (key >> PART_BITS) & ((1 << WINDOW_BITS) - 1);
    let cluster = (key >> (PART_BITS + WINDOW_BITS)) & ((1 << CLUSTER_BITS) - 1);
    let tier = usize::try_from(key >> (PART_BITS + WINDOW_BITS + CLUSTER_BITS)).ok()?;
    Some((
        *TIERS.get(tier)?,
        u32::try_from(cluster).ok()?,
        window * WINDOW_MSEC,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_was_made_of_and_sorts_by_time_within_a_cluster() {
        for tier in TIERS {
            let start = window_start(1_700_000_000_000, tier.window_msec);
            let key = tier.key(7, start);
            assert_eq!(parse_key(key + 5), Some((tier, 7, start)));
            assert!(tier.key(7, start + tier.window_msec) >= key + PARTS_MAX);
            assert!(tier.key(8, 0) > key);
        }
        assert_eq!(parse_key(-1), None);
    }
}
