//! How the processors' load is spread, for machines that have too many of them
//! to show each.

use lfs_wrapper_model::metric::{Metric, Point};

use crate::cpu::CoreFrame;
use crate::field::metric;

static CORES: &Metric = metric!(
    Gauge,
    "lfs_cpu_cores",
    "Processors that were busy for this share of the time since the sample before."
);

/// How the classes are labelled, per cent.
const CLASS_LABELS: [&str; CORE_CLASS_BOUNDS.len() + 1] =
    ["0-10", "10-25", "25-50", "50-75", "75-90", "90-100"];

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

/// The same as points, by `busy`.
pub fn expose_core_distribution(cores: &[CoreFrame]) -> Vec<Point> {
    let classes = CLASS_LABELS
        .into_iter()
        .zip(derive_core_distribution(cores));
    classes
        .map(|(busy, count)| Point::labelled(CORES, &[("busy", busy)], count as f64))
        .collect()
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

    #[test]
    fn every_class_is_shown_empty_ones_too() {
        let core = |core, busy_ratio| CoreFrame { core, busy_ratio };
        let points = expose_core_distribution(&[core(0, 0.95), core(1, 0.3), core(2, 0.91)]);
        let shown: Vec<String> = points
            .iter()
            .map(|point| format!("{} {}", point.series(), point.value))
            .collect();
        let expected = [
            ("0-10", 0),
            ("10-25", 0),
            ("25-50", 1),
            ("50-75", 0),
            ("75-90", 0),
            ("90-100", 2),
        ];
        assert_eq!(
            shown,
            expected.map(|(busy, count)| format!("lfs_cpu_cores{{busy=\"{busy}\"}} {count}"))
        );
    }
}
