//! What keeps an alert from being told: silences, inhibitions, quiet hours.

use lfs_wrapper_model::{Severity, TimeMsec};

use super::settings::{Inhibition, LocalTime, Quiet};
use super::world::{Life, Living, Silence, Why};

/// The silence that holds now for an alert.
pub(super) fn find_silence(
    silences: &[Silence],
    alert: &Living,
    now_msec: TimeMsec,
) -> Option<Why> {
    let holds = |one: &&Silence| {
        (one.starts_msec..one.ends_msec).contains(&now_msec)
            && !one.matchers.is_empty()
            && alert.matches(&one.matchers, alert.severity)
    };
    silences.iter().find(holds).map(|one| Why::Silenced(one.id))
}

/// The alert that makes `target` superfluous. Two that would inhibit each
/// other are both told: nobody would hear of either.
pub(super) fn find_inhibition(
    inhibitions: &[Inhibition],
    alerts: &[Living],
    target: &Living,
) -> Option<Why> {
    let inhibits = |inhibition: &Inhibition, source: &Living, target: &Living| {
        source.matches(&inhibition.source, source.severity)
            && target.matches(&inhibition.target, target.severity)
            && inhibition.is_equal(&source.labels, &target.labels)
    };
    let by = |source: &&Living| {
        source.id != target.id
            && source.state == Life::Firing
            && inhibitions.iter().any(|one| inhibits(one, source, target))
            && !inhibitions.iter().any(|one| inhibits(one, target, source))
    };
    if inhibitions.is_empty() {
        return None;
    }
    alerts
        .iter()
        .find(by)
        .map(|source| Why::Inhibited(source.id))
}

/// Whether quiet hours hold back from a channel what is told at `severity`.
pub(super) fn is_quiet(
    quiet: &[Quiet],
    alert: &Living,
    severity: Severity,
    channel: &str,
    local: LocalTime,
) -> bool {
    quiet.iter().any(|one| {
        severity < one.except
            && (one.channels.is_empty() || one.channels.iter().any(|name| name == channel))
            && one.covers(local)
            && alert.matches(&one.matchers, severity)
    })
}
