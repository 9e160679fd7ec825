//! What follows from what was sampled and from how builds ended: a pure
//! function of the state and one event. It reads no clock, sends nothing and
//! writes nothing down.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use lfs_wrapper_alert::engine::{Kind, Memory};
use lfs_wrapper_alert::rule::Labels;
use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::record::EndedAttempt;
use lfs_wrapper_kernel::{Frame, Sample, derive};
use lfs_wrapper_model::{Severity, TimeMsec};

use crate::alerts::{Alerts, Change, PendingAlert, Told};
use crate::rulebook::Look;

/// The rule for attempts that did not end well.
pub(crate) const BUILD_RULE: &str = "build-failed";

const BUILD_RUNBOOK: &str = "Read the step's log with 'lfs-wrapper build log STEP', mend the cause, and go on with \
     'lfs-wrapper build resume'.";

/// The rule for a history that is not written.
pub(crate) const HISTORY_RULE: &str = "history-stopped";

const HISTORY_RUNBOOK: &str = "Make room on the file system of the state folder; the history goes on by itself. What must \
     stay free is [history] min_free_bytes.";

/// The rule for rules and channels that cannot be used.
const RULES_RULE: &str = "rules-refused";

const RULES_RUNBOOK: &str = "Mend the configuration or the file in rules.d that the message names ('lfs-wrapper alert \
     rules' reads them all), and send the monitor SIGHUP again.";

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
    /// Rules looked at what was sampled.
    Looked {
        looks: Vec<Look>,
        time_msec: TimeMsec,
    },
    /// There are other rules from now on.
    RulesChanged {
        /// What is looked at as before: names and labels.
        rules: HashMap<String, Labels>,
        time_msec: TimeMsec,
    },
    /// Other rules and channels were to hold; why they do not, if so.
    Reloaded {
        refused: Option<String>,
        time_msec: TimeMsec,
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
    /// Write what is remembered or what changed down, and tell people.
    Change(Change),
    /// Write down that the end of this attempt was seen.
    Notice { attempt: i64 },
}

/// The state of the watching half.
#[derive(Debug)]
pub(crate) struct Heart {
    alerts: Alerts,
    previous: Option<Sample>,
    /// The alert clock: the time in which somebody looked.
    clock_msec: i64,
    elapsed_msec_max: i64,
    /// `None`: before the first look.
    history_stopped: Option<bool>,
}

impl Heart {
    /// With what was remembered, and what the alert clock said then.
    pub(crate) fn new(
        memories: Vec<(String, Labels, Memory)>,
        clock_msec: i64,
        interval: Duration,
    ) -> Self {
        let elapsed_max = (INTERVALS_COUNTED_MAX * interval).as_millis();
        Self {
            alerts: Alerts::new(memories),
            previous: None,
            clock_msec,
            elapsed_msec_max: i64::try_from(elapsed_max).unwrap_or(i64::MAX),
            history_stopped: None,
        }
    }

    /// What the alert clock says.
    pub(crate) fn clock_msec(&self) -> i64 {
        self.clock_msec
    }

    /// Values that were too many to remember.
    pub(crate) fn dropped_values(&self) -> u64 {
        self.alerts.dropped()
    }

    /// What waits for its time.
    pub(crate) fn pending(&self) -> Vec<PendingAlert> {
        self.alerts.pending(self.clock_msec)
    }

    pub(crate) fn step(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Sampled {
                sample,
                build_known,
            } => self.sampled(sample, build_known),
            Event::Looked { looks, time_msec } => {
                let changes = self.alerts.take(looks, time_msec, self.clock_msec);
                changes.into_iter().map(Effect::Change).collect()
            }
            Event::RulesChanged { rules, time_msec } => {
                let changes = self.alerts.retire(&rules, time_msec);
                changes.into_iter().map(Effect::Change).collect()
            }
            Event::Reloaded { refused, time_msec } => {
                vec![tell(reload_told(refused, time_msec))]
            }
            Event::AttemptEnded(ended) => attempt_ended(&ended),
            Event::HistoryLooked {
                is_stopped,
                time_msec,
            } => {
                let changed = self.history_stopped != Some(is_stopped);
                self.history_stopped = Some(is_stopped);
                let told = changed.then(|| tell(history_told(is_stopped, time_msec)));
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
        let elapsed_msec = elapsed_msec(&frame).min(self.elapsed_msec_max);
        self.clock_msec = self.clock_msec.saturating_add(elapsed_msec);
        let frame = Box::new(frame);
        vec![Effect::Publish { sample, frame }]
    }
}

fn tell(told: Told) -> Effect {
    Effect::Change(Change::Tell(told))
}

/// Rounded: cutting off what timers are early by would lose a whole look.
fn elapsed_msec(frame: &Frame) -> i64 {
    i64::try_from(frame.interval_usec.saturating_add(500) / 1000).unwrap_or(i64::MAX)
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
        rule: HISTORY_RULE.to_owned(),
        labels: [("resource".to_owned(), "history".to_owned())].into(),
        kind,
        severity: Severity::Error,
        value: None,
        threshold: None,
        message: message.to_owned(),
        runbook: HISTORY_RUNBOOK.to_owned(),
        annotations: BTreeMap::new(),
        time_msec,
    }
}

fn reload_told(refused: Option<String>, time_msec: TimeMsec) -> Told {
    let (kind, message) = match refused {
        Some(why) => (
            Kind::Raised,
            // The file, the place and the fault; what is shown below has no room.
            format!(
                "RULES refused, those from before stay: {}",
                why.lines().next().unwrap_or_default()
            ),
        ),
        None => (Kind::Resolved, "RULES loaded".to_owned()),
    };
    Told {
        rule: RULES_RULE.to_owned(),
        labels: [("resource".to_owned(), "monitor".to_owned())].into(),
        kind,
        severity: Severity::Error,
        value: None,
        threshold: None,
        message,
        runbook: RULES_RUNBOOK.to_owned(),
        annotations: BTreeMap::new(),
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
        rule: BUILD_RULE.to_owned(),
        labels: labels.into(),
        kind,
        severity,
        value: attempt.exit_code.map(f64::from),
        threshold: None,
        message: format!("BUILD step '{}' of run {} {how}", ended.step, ended.run),
        runbook: BUILD_RUNBOOK.to_owned(),
        annotations: BTreeMap::new(),
        time_msec: attempt.ended_msec.unwrap_or(attempt.started_msec),
    };
    vec![
        tell(told),
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
