//! The floor of a value over time: its minimum in each stretch of equal length.

/// The most stretches that are kept.
pub(super) const BUCKETS_MAX: usize = 60;

/// The last minima, one a stretch. What comes and goes within a stretch leaves
/// no trace; what stays does.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    width_usec: u64,
    minima: [u64; BUCKETS_MAX],
    count: usize,
    /// Number and minimum so far of the stretch that has not ended.
    open: Option<(u64, u64)>,
}

impl Envelope {
    pub(super) const fn new(width_usec: u64) -> Self {
        Self {
            width_usec,
            minima: [0; BUCKETS_MAX],
            count: 0,
            open: None,
        }
    }

    /// The ended stretches, oldest first.
    pub(super) fn minima(&self) -> &[u64] {
        self.minima.get(..self.count).unwrap_or_default()
    }

    pub(super) fn width_seconds(&self) -> f64 {
        self.width_usec as f64 / 1e6
    }

    /// Takes a value; whether a stretch ended. A moment before the last one
    /// counts as the last one.
    pub(super) fn push(&mut self, usec: u64, value: u64) -> bool {
        let number = usec / self.width_usec.max(1);
        let Some((last, minimum)) = self.open else {
            self.open = Some((number, value));
            return false;
        };
        if number <= last {
            self.open = Some((last, minimum.min(value)));
            return false;
        }
        // Nothing is known of a gap. Taking it as flat makes nothing a leak.
        let ended = usize::try_from(number - last).unwrap_or(BUCKETS_MAX);
        for _ in 0..ended.min(BUCKETS_MAX) {
            self.keep(minimum);
        }
        self.open = Some((number, value));
        true
    }

    fn keep(&mut self, minimum: u64) {
        if self.count == BUCKETS_MAX {
            self.minima.copy_within(1.., 0);
            self.count -= 1;
        }
        if let Some(place) = self.minima.get_mut(self.count) {
            *place = minimum;
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_stretches_keep_their_minimum() {
        // width 10: moments and values -> minima
        type Case = (&'static [(u64, u64)], &'static [u64]);
        let cases: [Case; 6] = [
            (&[(0, 5), (9, 3)], &[]),
            (&[(0, 5), (9, 3), (10, 9)], &[3]),
            (&[(0, 5), (10, 9), (20, 1)], &[5, 9]),
            // A gap is as what was before it.
            (&[(0, 5), (35, 9)], &[5, 5, 5]),
            // A clock that goes back.
            (&[(15, 5), (3, 4), (20, 9)], &[4]),
            (&[(15, 5), (15, 5), (15, 6)], &[]),
        ];
        for (pushes, expected) in cases {
            let mut envelope = Envelope::new(10);
            for (usec, value) in pushes {
                envelope.push(*usec, *value);
            }
            assert_eq!(envelope.minima(), expected, "{pushes:?}");
        }
    }

    #[test]
    fn the_oldest_go_first_and_no_gap_is_too_long() {
        let mut envelope = Envelope::new(10);
        for number in 0..100 {
            envelope.push(number * 10, number);
        }
        assert_eq!(envelope.minima().first(), Some(&39));
        assert_eq!(envelope.minima().last(), Some(&98));
        envelope.push(u64::MAX, 7);
        assert_eq!(envelope.minima(), [99; BUCKETS_MAX]);
    }
}
