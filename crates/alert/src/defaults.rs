//! The rules that hold without any configuration.

use lfs_wrapper_model::Severity;

use crate::rule::{Absent, Bound, Level, Origin, Rule};
use crate::template::Template;

/// Thresholds of one rule; a level without one does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Enters WARNING above this.
    pub warning: Option<f64>,
    /// Enters ERROR above this.
    pub error: Option<f64>,
    /// Enters CRITICAL above this.
    pub critical: Option<f64>,
}

/// Thresholds of every rule that has them, as percentages and counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AllThresholds {
    /// Share of the machine's CPU that no supervised build causes.
    pub cpu: Thresholds,
    /// Share of memory that is not available.
    pub memory: Thresholds,
    /// Used share of each file system.
    pub disk: Thresholds,
    /// Processes that neither the kernel nor a supervised build started.
    pub processes: Thresholds,
}

impl Default for AllThresholds {
    fn default() -> Self {
        let levels = |warning, error, critical| Thresholds {
            warning: Some(warning),
            error,
            critical: Some(critical),
        };
        Self {
            cpu: levels(70.0, Some(80.0), 90.0),
            memory: levels(80.0, Some(85.0), 95.0),
            disk: levels(85.0, Some(90.0), 95.0),
            processes: levels(200.0, None, 300.0),
        }
    }
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// How a value is counted.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Percent,
    Count,
}

/// A level is left this far below where it is entered: points of a percentage,
/// or a share of a count.
const CLEAR_POINTS: f64 = 3.0;
const CLEAR_SHARE: f64 = 0.05;

/// The default rules with the thresholds given.
pub fn rules(thresholds: &AllThresholds) -> Vec<Rule> {
    let rule = |name: &str, resource: &str, _unit, levels, runbook: &str| Rule {
        name: name.to_owned(),
        expr: String::new(),
        levels,
        hold_msec: 2 * MINUTE,
        absent: Absent::Nodata {
            after_msec: 10 * SECOND,
        },
        every_msec: None,
        labels: [("resource".to_owned(), resource.to_owned())].into(),
        annotations: [("runbook".to_owned(), Template::plain(runbook))].into(),
        origin: Origin::BuiltIn,
    };
    vec![
        rule(
            "cpu",
            "cpu",
            Unit::Percent,
            // An error is sustained; a peak alone is none.
            levels(
                &thresholds.cpu,
                Unit::Percent,
                [MINUTE, 5 * MINUTE, 2 * MINUTE],
            ),
            "Something outside the build uses the CPU: find it with 'top' and end it, or let it finish.",
        ),
        rule(
            "memory",
            "memory",
            Unit::Percent,
            levels(&thresholds.memory, Unit::Percent, [30 * SECOND; 3]),
            "Run fewer steps at once (--jobs), end what is not needed, or add swap before the kernel ends a process itself.",
        ),
        rule(
            "disk",
            "disk",
            Unit::Percent,
            levels(&thresholds.disk, Unit::Percent, [10 * SECOND; 3]),
            "Make room on this file system: build folders of failed steps lie in the state folder under 'work'.",
        ),
        rule(
            "processes",
            "processes",
            Unit::Count,
            levels(&thresholds.processes, Unit::Count, [30 * SECOND; 3]),
            "Look with 'ps' for what keeps starting processes.",
        ),
    ]
}

fn levels(thresholds: &Thresholds, unit: Unit, for_msec: [i64; 3]) -> Vec<Level> {
    let severities = [
        (Severity::Warning, thresholds.warning),
        (Severity::Error, thresholds.error),
        (Severity::Critical, thresholds.critical),
    ];
    let level = |((severity, above), for_msec): ((Severity, Option<f64>), i64)| {
        let above = above?;
        let clear = match unit {
            Unit::Percent => above - CLEAR_POINTS,
            Unit::Count => above * (1.0 - CLEAR_SHARE),
        };
        Some(Level {
            severity,
            bound: Bound::Above {
                raise: above,
                clear,
            },
            for_msec,
        })
    };
    severities
        .into_iter()
        .zip(for_msec)
        .filter_map(level)
        .collect()
}
