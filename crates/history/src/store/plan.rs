//! Which tiers a query is answered from.

use lfs_wrapper_model::TimeMsec;

use super::tier::{TIERS, Tier};
use crate::source::{Channel, Selection};

/// The time that a tier answers for: later than `after_msec`, until
/// `until_msec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) tier: Tier,
    pub(crate) after_msec: TimeMsec,
    pub(crate) until_msec: TimeMsec,
}

/// What each tier holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// The start of its oldest window; `None` when it holds nothing.
    pub(crate) oldest_msec: Option<TimeMsec>,
    /// Up to where it has been made.
    pub(crate) until_msec: TimeMsec,
}

/// The coarsest tier that gives the very same answer as samples would.
pub(crate) fn coarsest_exact(selection: &Selection<'_>) -> Tier {
    let is_exact = |tier: &&Tier| {
        let step = tier.step_msec;
        if step == 0 {
            return true;
        }
        let on_grid = selection.first_msec % step == 0 && selection.step_msec % step == 0;
        match selection.range_msec {
            0 => on_grid && selection.step_msec > 0 && selection.channel == Channel::Last,
            // A kept sum is rounded.
            range => {
                let is_kept = !matches!(selection.channel, Channel::Last | Channel::Sum);
                on_grid && range % step == 0 && is_kept
            }
        }
    };
    let exact = TIERS.iter().rev().find(is_exact);
    exact.copied().unwrap_or(TIERS[0])
}

/// The tiers for a query, the oldest time first: `preferred` where it has the
/// time, finer ones for what is newer, coarser ones for what is older.
pub(crate) fn segments(
    preferred: Tier,
    held: &[Held; 4],
    after_msec: TimeMsec,
    until_msec: TimeMsec,
) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut push = |tier: Tier, after: TimeMsec, until: TimeMsec| {
        let (after, until) = (after.max(after_msec), until.min(until_msec));
        if after < until {
            segments.push(Segment {
                tier,
                after_msec: after,
                until_msec: until,
            });
        }
    };
    let number = usize::from(preferred.number);
    // What this tier and the finer ones have: each up to where it was made.
    let mut from = held[number].oldest_msec;
    let mut newer = TimeMsec::MIN;
    for (tier, held) in TIERS.iter().zip(held).take(number + 1).rev() {
        let until = if tier.step_msec == 0 {
            TimeMsec::MAX
        } else {
            held.until_msec
        };
        let Some(oldest) = held.oldest_msec else {
            continue;
        };
        from = Some(from.map_or(oldest, |from| from.min(oldest)));
        let after = newer.max(oldest);
        push(*tier, after, until);
        newer = newer.max(until);
    }
    // What is older only coarser ones have.
    let mut older = from.unwrap_or(TimeMsec::MAX);
    for (tier, held) in TIERS.iter().zip(held).skip(number + 1) {
        if let Some(oldest) = held.oldest_msec
            && oldest < older
        {
            push(*tier, oldest, older.min(held.until_msec));
            older = oldest;
        }
    }
    segments.sort_by_key(|segment| segment.after_msec);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(first: i64, step: i64, range: i64, channel: Channel) -> Selection<'static> {
        Selection {
            matchers: &[],
            from_msec: 0,
            to_msec: 0,
            first_msec: first,
            step_msec: step,
            range_msec: range,
            channel,
            deadline: None,
        }
    }

    #[test]
    fn a_roll_up_is_read_only_where_it_gives_the_same_answer() {
        let tier = |selection: Selection<'_>| coarsest_exact(&selection).number;
        assert_eq!(tier(selection(60_000, 60_000, 0, Channel::Last)), 2);
        assert_eq!(tier(selection(60_000, 30_000, 0, Channel::Last)), 1);
        assert_eq!(tier(selection(60_137, 60_000, 0, Channel::Last)), 0);
        assert_eq!(tier(selection(60_000, 0, 0, Channel::Last)), 0);
        assert_eq!(
            tier(selection(7_200_000, 3_600_000, 3_600_000, Channel::Max)),
            3
        );
        assert_eq!(
            tier(selection(60_000, 60_000, 300_000, Channel::Counter)),
            2
        );
        assert_eq!(
            tier(selection(60_000, 60_000, 305_000, Channel::Counter)),
            0
        );
        // A sum or an average needs each sample, as a quantile does.
        assert_eq!(tier(selection(60_000, 60_000, 300_000, Channel::Sum)), 0);
        assert_eq!(tier(selection(60_000, 60_000, 300_000, Channel::Last)), 0);
    }

    #[test]
    fn newer_times_come_from_finer_tiers_and_older_ones_from_coarser() {
        let held = |oldest, until| Held {
            oldest_msec: Some(oldest),
            until_msec: until,
        };
        let all = [
            held(7000, 10_000),
            held(5000, 9000),
            held(2000, 8000),
            held(0, 6000),
        ];
        let show = |preferred: usize| -> Vec<(u8, i64, i64)> {
            let segments = segments(TIERS[preferred], &all, 1000, 9500);
            segments
                .iter()
                .map(|one| (one.tier.number, one.after_msec, one.until_msec))
                .collect()
        };
        assert_eq!(
            show(0),
            [
                (3, 1000, 2000),
                (2, 2000, 5000),
                (1, 5000, 7000),
                (0, 7000, 9500)
            ]
        );
        assert_eq!(
            show(2),
            [
                (3, 1000, 2000),
                (2, 2000, 8000),
                (1, 8000, 9000),
                (0, 9000, 9500)
            ]
        );
        assert_eq!(
            show(3),
            [
                (3, 1000, 6000),
                (2, 6000, 8000),
                (1, 8000, 9000),
                (0, 9000, 9500)
            ]
        );
    }
}
