use std::time::{Duration, Instant};

/// When the next turn is, at or after `now`; turns that were missed are not made
/// up for.
pub(super) fn next_turn(last: Instant, interval: Duration, now: Instant) -> Instant {
    let mut next = last + interval;
    if next < now {
        let missed = now.duration_since(next).as_nanos() / interval.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        next += interval.saturating_mul(missed.saturating_add(1));
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_their_distance_and_missed_ones_are_left_out() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let table = [(0.5, 10.0), (10.0, 10.0), (10.5, 20.0), (35.0, 40.0)];
        for (now, next) in table {
            assert_eq!(
                next_turn(start, Duration::from_secs(10), at(now)),
                at(next),
                "{now}"
            );
        }
    }
}
