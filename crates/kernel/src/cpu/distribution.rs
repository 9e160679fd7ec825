//! How the processors' load is spread, for machines that have too many of them
//! to show each.

use crate::cpu::CoreFrame;

/// Where one class of [`derive_core_distribution`] ends and the next begins;
/// the last takes a busy ratio of 1 too.
pub const CORE_CLASS_BOUNDS: [f64; 5] = [0.10, 0.25, 0.50, 0.75, 0.90];

/// How many processors were busy for less than 10 % of the time, for 10 to
/// 25 %, 25 to 50 %, 50 to 75 %, 75 to 90 %, and for 90 % or more.
pub fn derive_core_distribution(cores: &[CoreFrame]) -> [usize; CORE_CLASS_BOUNDS.len() + 1] {
    let mut classes = [0; CORE_CLASS_BOUNDS.len() + 1];
    for core in cores {
        let class = CORE_CLASS_BOUNDS.partition_point(|bound| core.busy_ratio >= *bound);
        if let Some(count) = classes.get_mut(class) {
            *count += 1;
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_begins_at_its_bound() {
        for (busy_ratio, class) in [
            (0.0, 0),
            (0.0999, 0),
            (0.10, 1),
            (0.2499, 1),
            (0.25, 2),
            (0.5, 3),
            (0.7499, 3),
            (0.75, 4),
            (0.8999, 4),
            (0.9, 5),
            (1.0, 5),
        ] {
            let mut expected = [0; 6];
            expected[class] = 2;
            let cores = [0, 1].map(|core| CoreFrame { core, busy_ratio });
            assert_eq!(derive_core_distribution(&cores), expected, "{busy_ratio}");
        }
        assert_eq!(derive_core_distribution(&[]), [0; 6]);
    }
}
