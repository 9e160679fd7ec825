//! What follows from what was sampled and from how builds ended: a pure
//! function of the state and one event. It reads no clock, sends nothing and
//! writes nothing down.

use std::collections::HashMap;
use std::time::Duration;

use lfs_wrapper_alert::engine::{self, Kind, Memory, Rule, Transition};
use lfs_wrapper_alert::store::Labels;
use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::record::EndedAttempt;
use lfs_wrapper_kernel::{Frame, Sample, derive};
use lfs_wrapper_model::{Severity, TimeMsec};

/// The rule for attempts that did not end well.
const BUILD_RULE: &str = "build-failed";

const BUILD_RUNBOOK: &str = "Read the step's log with 'lfs-wrapper build log STEP', mend the cause, and go on with \
     'lfs-wrapper build resume'.";

/// The rule for a history that is not written.
const HISTORY_RULE: &str = "history-stopped";

const HISTORY_RUNBOOK: &str = "Make room on the file system of the state folder; the history goes on by itself. What must \
     stay free is [history] min_free_bytes.";

/// A time in which nobody looked is counted as no more than so many intervals:
/// what was true in between nobody knows.
const INTERVALS_COUNTED_MAX: u32 = 3;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The machine was sampled. `build_known` is false while a step runs whose
    /// CPU time and processes cannot be told from the machine's.
    Sampled {
        sample: Box<Sample>,
        build_known: bool,
    },
    /// An attempt ended.
    AttemptEnded(Box<EndedAttempt>),
    /// The history was looked at.
    HistoryLooked {
        is_stopped: bool,
        time_msec: TimeMsec,
    },
}

/// What to do about it.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Keep the sample and show the frame.
    Publish {
        sample: Box<Sample>,
        frame: Box<Frame>,
    },
    /// Remember for the engine.
    Remember {
        rule: &'static str,
        labels: Labels,
        memory: Memory,
    },
    /// Write a change of an alert down and tell people.
    Tell(Told),
    /// Write down that the end of this attempt was seen.
    Notice { attempt: i64 },
}

/// A change of an alert. One that ends an alert, or repeats one, is told only
/// if that alert is there.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) rule: &'static str,
    pub(crate) labels: Labels,
    pub(crate) kind: Kind,
    pub(crate) severity: Severity,
    pub(crate) value: Option<f64>,
    pub(crate) threshold: Option<f64>,
    pub(crate) message: String,
    pub(crate) runbook: &'static str,
    pub(crate) time_msec: TimeMsec,
}

/// The state of the watching half.
#[derive(Debug)]
pub(crate) struct Heart {
    rules: Vec<Rule>,
    memories: HashMap<(String, Labels), Memory>,
    previous: Option<Sample>,
    elapsed_msec_max: i64,
    /// `None`: before the first look.
    history_stopped: Option<bool>,
}

impl Heart {
    pub(crate) fn new(
        rules: Vec<Rule>,
        memories: Vec<(String, Labels, Memory)>,
        interval: Duration,
    ) -> Self {
        let memories = memories.into_iter();
        let elapsed_max = (INTERVALS_COUNTED_MAX * interval).as_millis();
        Self {
            elapsed_msec_max: i64::try_from(elapsed_max).unwrap_or(i64::MAX),
            rules,
            memories: memories
                .map(|(rule, labels, memory)| ((rule, labels), memory))
                .collect(),
            previous: None,
            history_stopped: None,
        }
    }

    pub(crate) fn step(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Sampled {
                sample,
                build_known,
            } => self.sampled(sample, build_known),
            Event::AttemptEnded(ended) => attempt_ended(&ended),
            Event::HistoryLooked {
                is_stopped,
                time_msec,
            } => {
                let changed = self.history_stopped != Some(is_stopped);
                self.history_stopped = Some(is_stopped);
                let told = changed.then(|| Effect::Tell(history_told(is_stopped, time_msec)));
                told.into_iter().collect()
            }
        }
    }

    fn sampled(&mut self, sample: Box<Sample>, build_known: bool) -> Vec<Effect> {
        let previous = self.previous.get_or_insert_with(|| (*sample).clone());
        let mut frame = derive(previous, &sample);
        *previous = (*sample).clone();
        if !build_known {
            frame.build_cpu_ratio = None;
            frame.build_processes = None;
        }
        let mut effects = Vec::new();
        for rule in &self.rules {
            let elapsed_msec = elapsed_msec(&frame).min(self.elapsed_msec_max);
            effects.extend(evaluate(rule, &mut self.memories, &frame, elapsed_msec));
        }
        let frame = Box::new(frame);
        effects.push(Effect::Publish { sample, frame });
        effects
    }
}

fn evaluate(
    rule: &Rule,
    memories: &mut HashMap<(String, Labels), Memory>,
    frame: &Frame,
    elapsed_msec: i64,
) -> Vec<Effect> {
    let mut readings: HashMap<Labels, Option<f64>> = memories
        .keys()
        .filter(|(name, _)| name == rule.name)
        .map(|(_, labels)| (labels.clone(), None))
        .collect();
    readings.extend(read(rule, frame));
    let mut effects = Vec::new();
    for (labels, value) in readings {
        let key = (rule.name.to_owned(), labels);
        let before = memories.get(&key).cloned().unwrap_or_default();
        let (memory, transition) = engine::step(rule, &before, value, elapsed_msec);
        let labels = key.1.clone();
        if let Some(transition) = transition {
            effects.push(Effect::Tell(tell(
                rule,
                &labels,
                transition,
                frame.time_msec,
            )));
        }
        if memory.is_worth_writing(&before) {
            effects.push(Effect::Remember {
                rule: rule.name,
                labels,
                memory: memory.clone(),
            });
        }
        if memory.is_blank() {
            memories.remove(&key);
        } else {
            memories.insert(key, memory);
        }
    }
    effects
}

/// Rounded: cutting off what timers are early by would lose a whole look.
fn elapsed_msec(frame: &Frame) -> i64 {
    i64::try_from(frame.interval_usec.saturating_add(500) / 1000).unwrap_or(i64::MAX)
}

/// The values that a rule looks at: what the build did not cause, since a
/// machine that compiles is well.
fn read(rule: &Rule, frame: &Frame) -> Vec<(Labels, Option<f64>)> {
    let labels = |more: Option<&str>| -> Labels {
        let resource = ("resource".to_owned(), rule.resource.to_owned());
        let mountpoint = more.map(|value| ("mountpoint".to_owned(), value.to_owned()));
        [resource].into_iter().chain(mountpoint).collect()
    };
    let one = |value: Option<f64>| vec![(labels(None), value)];
    match rule.name {
        "cpu" => one(frame
            .cpu
            .as_ref()
            .zip(frame.build_cpu_ratio)
            .map(|(cpu, build)| 100.0 * (cpu.busy_ratio - build).max(0.0))),
        "memory" => one(frame
            .memory
            .as_ref()
            .map(|memory| 100.0 * memory.used_ratio)),
        "processes" => one(count_other_processes(frame)),
        "disk" => {
            let writable = frame.filesystems.iter().filter(|one| !one.read_only);
            writable
                .map(|one| (labels(Some(&one.mountpoint)), Some(100.0 * one.used_ratio)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Processes that neither the kernel nor a supervised build started.
fn count_other_processes(frame: &Frame) -> Option<f64> {
    let processes = frame.processes.as_ref()?;
    let not_counted = processes.kernel_threads? + u64::from(frame.build_processes?);
    let others = processes.count.saturating_sub(not_counted);
    Some(f64::from(u32::try_from(others).unwrap_or(u32::MAX)))
}

fn tell(rule: &Rule, labels: &Labels, transition: Transition, time_msec: TimeMsec) -> Told {
    let subject = match labels.get("mountpoint") {
        Some(mountpoint) => format!("{} {mountpoint}", rule.resource.to_uppercase()),
        None => rule.resource.to_uppercase(),
    };
    let severity = transition.severity.as_str().to_uppercase();
    let threshold = transition.threshold.map_or_else(
        || "not configured any more".to_owned(),
        |threshold| rule.unit.render(threshold),
    );
    let value = transition.value.map(|value| rule.unit.render(value));
    let message = match (transition.kind, value) {
        (Kind::Resolved, Some(value)) => {
            format!("{subject} back to {value} (threshold: {threshold})")
        }
        (_, Some(value)) => format!("{subject} {severity}: {value} (threshold: {threshold})"),
        (_, None) => format!("{subject} {severity}: no value any more (threshold: {threshold})"),
    };
    Told {
        rule: rule.name,
        labels: labels.clone(),
        kind: transition.kind,
        severity: transition.severity,
        value: transition.value,
        threshold: transition.threshold,
        message,
        runbook: rule.runbook,
        time_msec,
    }
}

/// What is told that is resolved without having been raised, is dropped later.
fn history_told(is_stopped: bool, time_msec: TimeMsec) -> Told {
    let (kind, message) = match is_stopped {
        true => (
            Kind::Raised,
            "HISTORY stopped: its disk is nearly full, a reader keeps its log open, or writing fails (the log says why); alerts go on",
        ),
        false => (Kind::Resolved, "HISTORY goes on"),
    };
    Told {
        rule: HISTORY_RULE,
        labels: [("resource".to_owned(), "history".to_owned())].into(),
        kind,
        severity: Severity::Error,
        value: None,
        threshold: None,
        message: message.to_owned(),
        runbook: HISTORY_RUNBOOK,
        time_msec,
    }
}

fn attempt_ended(ended: &EndedAttempt) -> Vec<Effect> {
    let attempt = &ended.attempt;
    let (kind, severity, how) = match attempt.state {
        StepState::Completed => (
            Kind::Resolved,
            Severity::Error,
            "is completed now".to_owned(),
        ),
        StepState::Failed => (Kind::Raised, Severity::Error, render_failure(ended)),
        StepState::Lost => (Kind::Raised, Severity::Error, render_lost(ended)),
        _ => {
            return vec![Effect::Notice {
                attempt: attempt.id,
            }];
        }
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = [
        label("resource", "build"),
        label("plan", &ended.plan),
        label("step", &ended.step),
    ];
    let told = Told {
        rule: BUILD_RULE,
        labels: labels.into(),
        kind,
        severity,
        value: attempt.exit_code.map(f64::from),
        threshold: None,
        message: format!("BUILD step '{}' of run {} {how}", ended.step, ended.run),
        runbook: BUILD_RUNBOOK,
        time_msec: attempt.ended_msec.unwrap_or(attempt.started_msec),
    };
    vec![
        Effect::Tell(told),
        Effect::Notice {
            attempt: attempt.id,
        },
    ]
}

fn render_failure(ended: &EndedAttempt) -> String {
    let attempt = &ended.attempt;
    let mut text = match (attempt.exit_code, attempt.signal) {
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(signal)) => format!("failed by signal {signal}"),
        (None, None) => "failed".to_owned(),
    };
    for more in [&attempt.reason, &attempt.first_error]
        .into_iter()
        .flatten()
    {
        text.push_str(": ");
        text.push_str(more);
    }
    text
}

fn render_lost(ended: &EndedAttempt) -> String {
    let reason = ended
        .attempt
        .reason
        .as_deref()
        .unwrap_or("nobody knows why");
    format!("was lost: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lfs_wrapper_alert::defaults::{AllThresholds, rules};
    use lfs_wrapper_kernel::{CoreSample, CpuTicks};

    fn heart() -> Heart {
        Heart::new(
            rules(&AllThresholds::default()),
            Vec::new(),
            Duration::from_secs(1),
        )
    }

    /// A second in which each of two cores was busy for `busy` of 100 ticks,
    /// of which the build caused `build`.
    fn sample(second: i64, busy_ticks: u64, build_usec: u64) -> Box<Sample> {
        let mut sample = Sample::empty(second * 1000, u64::try_from(second).unwrap() * 1_000_000);
        let ticks = || CpuTicks {
            user_ticks: Some(busy_ticks),
            idle_ticks: Some(u64::try_from(second).unwrap() * 100 - busy_ticks),
            nice_ticks: Some(0),
            system_ticks: Some(0),
            iowait_ticks: Some(0),
            irq_ticks: Some(0),
            softirq_ticks: Some(0),
            steal_ticks: Some(0),
            guest_ticks: Some(0),
            guest_nice_ticks: Some(0),
        };
        sample.cpu.cores = (0..2)
            .map(|core| CoreSample {
                core,
                ticks: ticks(),
            })
            .collect();
        sample.build = (build_usec > 0).then_some(lfs_wrapper_kernel::BuildGroup {
            inode: Some(7),
            usage_usec: Some(build_usec),
            counts: lfs_wrapper_kernel::BuildCounts {
                user_usec: Some(build_usec),
                system_usec: Some(0),
                processes: Some(3),
            },
        });
        Box::new(sample)
    }

    /// Ten minutes with every core busy; the messages.
    fn messages(build_usec_per_second: u64, build_known: bool) -> Vec<String> {
        let mut heart = heart();
        let mut messages = Vec::new();
        for second in 1..=600 {
            let busy = u64::try_from(second).unwrap() * 100;
            let build = u64::try_from(second).unwrap() * build_usec_per_second;
            let sample = sample(second, busy, build);
            for effect in heart.step(Event::Sampled {
                sample,
                build_known,
            }) {
                if let Effect::Tell(told) = effect {
                    messages.push(told.message);
                }
            }
        }
        messages
    }

    #[test]
    fn a_machine_that_is_busy_with_something_else_is_told_of() {
        let told = messages(0, true);
        assert_eq!(
            told,
            [
                "CPU WARNING: 100.0% (threshold: 70.0%)",
                "CPU CRITICAL: 100.0% (threshold: 90.0%)"
            ]
        );
    }

    #[test]
    fn a_machine_that_is_busy_with_the_build_is_well() {
        assert_eq!(messages(2_000_000, true), [""; 0]);
    }

    #[test]
    fn only_processes_of_others_count() {
        let mut frame = derive(&sample(1, 100, 10), &sample(2, 200, 20));
        frame.processes = Some(lfs_wrapper_kernel::ProcessFrame {
            count: 500,
            kernel_threads: Some(250),
            running: None,
            blocked: None,
        });
        assert_eq!(count_other_processes(&frame), Some(247.0));
        frame.build_processes = None;
        assert_eq!(count_other_processes(&frame), None);
    }

    #[test]
    fn a_long_time_without_a_look_is_not_counted_as_seen() {
        let mut heart = heart();
        let mut told = 0;
        for second in [1, 2, 3, 600, 601, 602] {
            let busy = u64::try_from(second).unwrap() * 100;
            let sample = sample(second, busy, 0);
            let build_known = true;
            let effects = heart.step(Event::Sampled {
                sample,
                build_known,
            });
            told += effects
                .iter()
                .filter(|effect| matches!(effect, Effect::Tell(_)))
                .count();
        }
        assert_eq!(told, 0);
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_judged() {
        assert_eq!(messages(0, false), [""; 0]);
    }
}
