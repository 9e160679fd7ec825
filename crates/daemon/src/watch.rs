//! The thread that owns the monitor's state: it feeds the heart and carries out
//! what follows.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_alert::rule::{Labels, Rule};
use lfs_wrapper_alert::store::{self, ChannelState, Keep};
use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::{record, recover};
use lfs_wrapper_history::{History, Reader, Source as _};
use lfs_wrapper_kernel::{Frame, Sample, expose_core_distribution};
use lfs_wrapper_model::document::nearest;
use lfs_wrapper_model::{TimeMsec, now_msec};
use lfs_wrapper_state::{Database, StateDir, is_full};
use tracing::{info, warn};

use crate::alert_clock::AlertClock;
use crate::alerts::{Change, Told};
use crate::audit::note_audit;
use crate::channels::expose_channels;
use crate::collector::Collectors;
use crate::convert;
use crate::derived::{self, Steps};
use crate::detail::{Budget, Changed, Detail, SharedDetail};
use crate::exits::Exits;
use crate::heart::{Effect, Event, Heart};
use crate::live::{ALERTS_MAX, Live, RUNS_MAX};
use crate::moments::Moments;
use crate::population::{Population, Running};
use crate::recorder::Recorder;
use crate::reload::{Alerting, Reload, SharedChannels};
use crate::remote::{self, Line};
use crate::rulebook::Rulebook;
use crate::run::MonitorError;
use crate::sampler::{BuildCgroup, Sampled};
use crate::self_metrics::{
    HistoryMetrics, SelfMetrics, read_monotonic_usec, read_own_cpu_usec, read_own_resident_bytes,
};

const MOVED: &str = "the state database was found damaged by another command and moved aside; \
    start the monitor again to go on with the new one";

/// Effects that may wait for the state database before the oldest are dropped
/// and counted.
const UNWRITTEN_MAX: usize = 10_000;

/// How often the loop looks whether a build wrote something.
const POLL: Duration = Duration::from_millis(250);

/// How often the messages that wait are counted, in samples.
const SAMPLES_PER_COUNT: u64 = 5;

/// How often it is looked what time alone makes due to be told.
const TELL_EVERY_MSEC: i64 = 1000;

/// After so many samples every metric there is should have been seen.
const SAMPLES_BEFORE_WARNING: u64 = 20;

/// With which samples old alerts are forgotten.
const SAMPLES_PER_PRUNE: u64 = 60;

/// How often it is looked for builds whose supervisor died, in polls.
const RECOVER_POLLS: u32 = 20;

/// What the loop shares with the threads that read.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) dropped: Arc<AtomicU64>,
    pub(crate) detail: Arc<SharedDetail>,
    pub(crate) exits: Arc<Exits>,
}

/// Where the loop keeps what was sampled, and what else it keeps.
pub(crate) struct Kept {
    pub(crate) history: Arc<History>,
    pub(crate) collectors: Arc<Collectors>,
    pub(crate) moments: Moments,
}

/// What is looked for, and who is told.
pub(crate) struct Watched {
    pub(crate) book: Rulebook,
    pub(crate) routing: Routing,
    pub(crate) keep: Keep,
    /// For the thread that delivers.
    pub(crate) channels: Arc<SharedChannels>,
    /// What is to hold instead.
    pub(crate) reloads: Receiver<Reload>,
}

/// How often it is looked, and at what cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) interval: Duration,
    pub(crate) cpu_budget_ratio: f64,
}

/// The one owner of the monitor's state.
pub(crate) struct Loop {
    state_dir: StateDir,
    database: Database,
    kept: Kept,
    heart: Heart,
    watched: Watched,
    reader: Reader,
    clock: AlertClock,
    steps: Steps,
    live: Arc<Live>,
    zone: TimeZone,
    /// When it was last looked what time alone makes due.
    told_msec: TimeMsec,
    /// The samples there had been when the rules began to hold.
    rules_since: u64,
    wake: SyncSender<()>,
    own: SelfMetrics,
    population: Population,
    budget: Budget,
    shared: Shared,
    pub(crate) build_cgroup: Arc<BuildCgroup>,
    /// No step runs that has no control group.
    build_known: bool,
    running: bool,
    samples: u64,
    data_version: Option<i64>,
    /// Effects that the state database has not taken yet.
    unwritten: Vec<Effect>,
    recorder: Recorder,
    channels: Vec<ChannelState>,
    /// What was told of each endpoint of remote write.
    remotes_told: Vec<remote::Told>,
}

impl Loop {
    pub(crate) fn new(
        state_dir: &StateDir,
        timing: Timing,
        kept: Kept,
        watched: Watched,
        live: Arc<Live>,
        wake: SyncSender<()>,
        shared: Shared,
    ) -> Result<Self, MonitorError> {
        let database = Database::open_again(state_dir)?;
        let fail = |error| database.error(error);
        let memories = store::read_memories(&database).map_err(fail)?;
        let (clock, kept_msec) =
            AlertClock::open(state_dir.root()).map_err(|source| MonitorError::Io {
                what: "opening the alert clock in the state folder".to_owned(),
                source,
            })?;
        let written_msec = store::read_clock(database.connection()).map_err(fail)?;
        let clock_msec = kept_msec.max(written_msec).unwrap_or(0);
        let alerts = store::list_alerts(&database, false, ALERTS_MAX).map_err(fail)?;
        live.set_alerts(alerts.into_iter().map(convert::alert).collect());
        Ok(Self {
            state_dir: state_dir.clone(),
            database,
            reader: kept.history.reader(),
            kept,
            heart: Heart::new(memories, clock_msec, timing.interval),
            watched,
            clock,
            steps: Steps::default(),
            live,
            zone: TimeZone::system(),
            told_msec: 0,
            rules_since: 0,
            wake,
            own: SelfMetrics::default(),
            population: Population::new(Arc::clone(&shared.exits)),
            budget: Budget::new(timing.cpu_budget_ratio),
            shared,
            build_cgroup: Arc::default(),
            build_known: true,
            running: false,
            samples: 0,
            data_version: None,
            unwritten: Vec::new(),
            recorder: Recorder::default(),
            channels: Vec::new(),
            remotes_told: Vec::new(),
        })
    }

    /// Until the sampler has ended.
    pub(crate) fn run(mut self, inputs: &Receiver<Sampled>) {
        self.begin_rules(None);
        // What was refused before the monitor was started again was read now.
        let effects = self.heart.step(Event::Reloaded {
            refused: None,
            time_msec: now_msec(),
        });
        self.apply(effects);
        let mut polls = 0;
        loop {
            if polls % RECOVER_POLLS == 0 {
                self.look_for_the_dead();
            }
            if let Err(error) = self.look_at_builds() {
                warn!("{}", self.database.error(error));
            }
            while let Ok(reload) = self.watched.reloads.try_recv() {
                self.reload(reload);
            }
            match inputs.recv_timeout(POLL) {
                Ok(sampled) => self.take(sampled),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            polls += 1;
        }
        // What happened while the last sample was waited for.
        if let Err(error) = self.look_at_builds() {
            warn!("{}", self.database.error(error));
        }
    }

    /// What fires of rules that are not there any more is over; `before` are
    /// those that held until now, if they are known.
    fn begin_rules(&mut self, before: Option<&Rulebook>) {
        let is_as_before = |rule: &&Rule| {
            before.is_none_or(|before| {
                let mut before = before.rules();
                before.any(|old| old.name == rule.name && old.expr == rule.expr)
            })
        };
        let rules = self.watched.book.rules().filter(is_as_before);
        let effects = self.heart.step(Event::RulesChanged {
            rules: rules
                .map(|rule| (rule.name.clone(), rule.labels.clone()))
                .collect(),
            time_msec: now_msec(),
        });
        self.apply(effects);
        self.rules_since = self.samples;
    }

    fn reload(&mut self, reload: Reload) {
        let outcome = match reload {
            Reload::Refused(why) => Err(why),
            Reload::Take(alerting) => self.replace(*alerting),
        };
        let (what, refused) = match outcome {
            Ok(count) => (
                format!("{count} rules and their channels loaded anew"),
                None,
            ),
            Err(why) => (
                "rules and channels not loaded: those from before stay".to_owned(),
                Some(why),
            ),
        };
        info!("{what}");
        let noted = refused
            .as_deref()
            .map_or_else(|| what.clone(), |why| format!("{what}: {why}"));
        if let Err(error) = note_audit(&self.database, &noted) {
            warn!("{error}");
        }
        let effects = self.heart.step(Event::Reloaded {
            refused,
            time_msec: now_msec(),
        });
        self.apply(effects);
    }

    fn replace(&mut self, alerting: Alerting) -> Result<usize, String> {
        let count = alerting.rules.len();
        let book = Rulebook::compile(alerting.rules).map_err(|error| error.to_string())?;
        let before = std::mem::replace(&mut self.watched.book, book);
        self.watched.routing = alerting.routing;
        self.watched.keep = alerting.keep;
        self.watched.channels.set(alerting.channels);
        self.begin_rules(Some(&before));
        Ok(count)
    }

    /// Once the first samples are there: a rule that names a metric that nobody
    /// has ever seen will never fire, and that is rarely meant.
    fn warn_of_unknown_metrics(&mut self) {
        let known = match self.reader.metadata() {
            Ok(known) => known,
            Err(error) => return warn!("{error}"),
        };
        let mut names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
        names.sort_unstable();
        let is_known = |name: &str| {
            let parts = ["", "_bucket", "_sum", "_count"].into_iter();
            let mut families = parts.filter_map(|part| name.strip_suffix(part));
            families.any(|family| names.binary_search(&family).is_ok())
        };
        for (rule, metric) in self.watched.book.unknown_metrics(&is_known) {
            let near = nearest(metric, names.iter().copied());
            let near = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
            warn!("rule '{rule}' looks at {metric}, which nobody has measured yet{near}");
        }
    }

    fn look_for_the_dead(&mut self) {
        if !self.database.is_in_place() {
            warn!("{MOVED}");
            self.live.set_trouble(MOVED);
        }
        match recover::recover(&self.state_dir, &self.database) {
            Ok(lost) if lost.is_empty() => {}
            // One's own writes are no change to the database's own eyes.
            Ok(_) => self.data_version = None,
            Err(error) => warn!("{error}"),
        }
    }

    fn take(&mut self, mut sampled: Sampled) {
        let waited = read_monotonic_usec().saturating_sub(sampled.sample.monotonic_usec);
        self.own.lateness_seconds =
            sampled.lateness.as_secs_f64() + Duration::from_micros(waited).as_secs_f64();
        self.own.missed_samples += sampled.missed;
        self.own.dropped_samples = self.shared.dropped.load(Ordering::Relaxed);
        self.own.history = HistoryMetrics::of(&self.kept.history);
        if self.samples.is_multiple_of(SAMPLES_PER_COUNT) {
            self.own.dropped_notifications = known(store::count_dropped(&self.database));
            self.own.waiting_notifications = known(store::count_waiting(&self.database));
            match store::channel_states(&self.database) {
                Ok(states) => self.channels = states,
                Err(error) => warn!("{}", self.database.error(error)),
            }
            self.look_at_remotes();
        }
        self.samples += 1;
        self.population
            .step(&sampled.sample, sampled.processes.as_deref());
        self.record_moments(&mut sampled);
        self.own.forgotten_groups = self.population.forgotten();
        self.own.resident_bytes = read_own_resident_bytes();
        self.own.exits = self.shared.exits.counts();
        self.keep_to_budget(sampled.sample.monotonic_usec);
        let time_msec = sampled.sample.time_msec;
        let effects = self.heart.step(Event::Sampled {
            sample: sampled.sample,
            build_known: self.build_known,
        });
        self.apply(effects);
        self.look_with_rules(time_msec);
        self.look_at_history();
        self.tell_due();
        if self.samples == self.rules_since + SAMPLES_BEFORE_WARNING {
            self.warn_of_unknown_metrics();
        }
        self.live.set_pending(self.heart.pending());
        // Time left and CPU used so far change without anything being written.
        if self.running {
            self.data_version = None;
        }
    }

    /// Tells what is wrong with an endpoint once, until something else is.
    fn look_at_remotes(&mut self) {
        let remotes = self.live.remotes();
        self.remotes_told
            .resize_with(remotes.len(), remote::Told::default);
        for ((name, statistics), told) in remotes.iter().zip(&mut self.remotes_told) {
            for line in told.derive_lines(&statistics.now()) {
                match line {
                    Line::Warning(text) => warn!("remote write '{name}': {text}"),
                    Line::Note(text) => info!("remote write '{name}': {text}"),
                }
            }
        }
    }

    /// What was sampled is in the history by now.
    fn look_with_rules(&mut self, time_msec: TimeMsec) {
        let now = self.heart.clock_msec();
        if let Err(error) = self.clock.write(now) {
            warn!("writing the alert clock: {error}; alerts may come later after a restart");
        }
        let looks = self.watched.book.look(&self.reader, time_msec, now);
        self.own.failed_looks = self.watched.book.failures();
        for error in self.watched.book.take_errors() {
            warn!("{error}; until that ends it says nothing");
        }
        let effects = self.heart.step(Event::Looked { looks, time_msec });
        self.own.dropped_rule_values = self.heart.dropped_values();
        self.apply(effects);
    }

    /// What time alone makes due: a silence ends, a repeat comes. Now and then,
    /// what is too old is forgotten.
    fn tell_due(&mut self) {
        let now = now_msec();
        if (now - self.told_msec).abs() < TELL_EVERY_MSEC {
            return;
        }
        self.told_msec = now;
        match store::tell_due(&self.database, &self.watched.routing, now, &self.zone) {
            Ok(plan) if plan.rows.is_empty() => {}
            Ok(_) => {
                let _ = self.wake.try_send(());
            }
            Err(error) => warn!("{}", self.database.error(error)),
        }
        if self.samples.is_multiple_of(SAMPLES_PER_PRUNE)
            && let Err(error) = store::prune(&self.database, self.watched.keep, now)
        {
            warn!("{}", self.database.error(error));
        }
    }

    fn look_at_history(&mut self) {
        let effects = self.heart.step(Event::HistoryLooked {
            is_stopped: self.own.history.is_stopped > 0,
            time_msec: now_msec(),
        });
        self.apply(effects);
    }

    fn record_moments(&mut self, sampled: &mut Sampled) {
        let ended = self.population.take_ended();
        let (time_msec, monotonic_usec) = (sampled.sample.time_msec, sampled.sample.monotonic_usec);
        let rows = sampled.processes.take();
        let counts = self.kept.moments.tell(move |moments| {
            moments.take_clock(time_msec, monotonic_usec);
            if let Some(rows) = &rows {
                moments.take_processes(time_msec, rows);
            }
            moments.take_exits(time_msec, &ended);
        });
        self.own.moments = counts.unwrap_or(self.own.moments);
    }

    fn keep_to_budget(&mut self, monotonic_usec: u64) {
        let cpu_usec = read_own_cpu_usec();
        let Some(Changed { detail, used_ratio }) = self.budget.step(monotonic_usec, cpu_usec)
        else {
            return;
        };
        self.shared.detail.set(detail);
        self.shared.exits.pause(detail == Detail::Bare);
        self.own.detail_level = detail.level();
        let what = format!(
            "the monitor used {:.2}% of a core; from now on {}",
            100.0 * used_ratio,
            detail.as_str()
        );
        info!("{what}");
        if let Err(error) = note_audit(&self.database, &what) {
            warn!("{error}");
        }
    }

    fn look_at_builds(&mut self) -> rusqlite::Result<()> {
        let version = Some(self.database.data_version()?);
        if version == self.data_version {
            return Ok(());
        }
        let runs = record::list_runs(&self.database, RUNS_MAX)?;
        let steps = runs.iter().flat_map(|run| &run.steps);
        let running: Vec<_> = steps
            .filter(|step| step.state == StepState::Running)
            .filter_map(|step| step.attempt.as_ref())
            .collect();
        let cgroups = || {
            running
                .iter()
                .filter_map(|attempt| attempt.cgroup.as_deref())
        };
        let steps = runs.iter().flat_map(|run| &run.steps);
        let attempts = steps.filter(|step| step.state == StepState::Running);
        let attempts = attempts.filter_map(|step| {
            let attempt = step.attempt.as_ref()?;
            Some(Running {
                attempt: attempt.id,
                keeper: attempt.keeper.as_ref()?.pid,
                step: &step.id,
            })
        });
        self.population.set_running(&attempts.collect::<Vec<_>>());
        self.running = !running.is_empty();
        self.steps.set_running(&runs);
        self.build_known = cgroups().count() == running.len();
        self.build_cgroup.set(cgroups().find_map(Path::parent));
        let now = now_msec();
        let shown = runs.iter().map(|run| convert::run(run, now)).collect();
        self.live.publish_runs(shown);
        self.kept
            .moments
            .tell(move |moments| moments.take_runs(&runs));
        for ended in record::list_unnoticed(&self.database)? {
            // Should this fail, it is found again the next time.
            let effects = self.heart.step(Event::AttemptEnded(Box::new(ended)));
            let alerts = self.write_even_on_a_full_disk(&effects)?;
            self.tell(alerts);
        }
        self.data_version = version;
        Ok(())
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish { sample, frame } => self.publish(*sample, &frame),
                other => self.unwritten.push(other),
            }
        }
        if self.unwritten.is_empty() {
            return;
        }
        match self.write_even_on_a_full_disk(&self.unwritten) {
            Ok(alerts) => {
                self.unwritten.clear();
                self.tell(alerts);
            }
            // What the engine remembers has changed already: what came of it
            // is tried again with every sample until it is written.
            Err(error) => {
                warn!("{}", self.database.error(error));
                let surplus = self.unwritten.len().saturating_sub(UNWRITTEN_MAX);
                self.own.lost_changes += surplus as u64;
                self.unwritten.drain(..surplus);
            }
        }
    }

    fn tell(&mut self, alerts: Vec<store::Alert>) {
        for alert in alerts {
            let noted = alert.clone();
            self.kept
                .moments
                .tell(move |moments| moments.take_alert(&noted));
            self.live.publish_alert(convert::alert(alert));
            // The outbox thread ends only after this one.
            let _ = self.wake.try_send(());
        }
    }

    fn publish(&mut self, mut sample: Sample, frame: &Frame) {
        if let Some(cpu) = &frame.cpu {
            sample.further.extend(expose_core_distribution(&cpu.cores));
        }
        sample.further.extend(derived::expose_others(frame));
        sample.further.push(self.steps.expose_count());
        let mut processes = self.population.points();
        let steps = self.steps.points(sample.time_msec);
        if !steps.is_empty() {
            processes = processes.iter().chain(&*steps).cloned().collect();
        }
        let collected = || self.kept.collectors.points();
        let mut own = self.own.expose();
        own.extend(remote::expose(self.live.remotes()));
        let channels = expose_channels(&self.channels, sample.time_msec);
        own.extend(channels.iter().cloned());
        self.live.set_channels(channels);
        let stored = self
            .recorder
            .record(&mut sample, Arc::clone(&processes), own, collected);
        self.kept.history.append(&stored);
        self.live.publish_frame(sample, processes, frame, self.own);
    }

    fn write_even_on_a_full_disk(&self, effects: &[Effect]) -> rusqlite::Result<Vec<store::Alert>> {
        let result = self.write(effects);
        if result.as_ref().is_err_and(is_full) && self.database.release_reserve() {
            return self.write(effects);
        }
        result
    }

    /// All of it, or nothing.
    fn write(&self, effects: &[Effect]) -> rusqlite::Result<Vec<store::Alert>> {
        let transaction = self.database.begin()?;
        let mut alerts = Vec::new();
        let tell = || store::tell(&transaction, &self.watched.routing, now_msec(), &self.zone);
        // Who is told follows from all alerts there are: it is asked once for all
        // changes, and before an alert changes again.
        let mut untold: HashSet<(&str, &Labels)> = HashSet::new();
        for effect in effects {
            match effect {
                Effect::Publish { .. } => {}
                Effect::Notice { attempt } => record::set_noticed(&transaction, *attempt)?,
                Effect::Change(Change::Remember {
                    rule,
                    labels,
                    memory,
                }) => store::write_memory(&transaction, rule, labels, memory)?,
                Effect::Change(Change::Tell(told)) => {
                    let is_live = store::is_live(&transaction, &told.rule, &told.labels)?;
                    if let Some(kind) = settle(told, is_live) {
                        if !untold.insert((&told.rule, &told.labels)) {
                            tell()?;
                            untold = [(told.rule.as_str(), &told.labels)].into();
                        }
                        let change = told.to_change(kind);
                        alerts.push(store::write_change(&transaction, &change)?);
                    }
                }
            }
        }
        if !untold.is_empty() {
            tell()?;
        }
        store::write_clock(&transaction, self.heart.clock_msec())?;
        transaction.commit()?;
        Ok(alerts)
    }
}

/// A count, if the database says it.
fn known(count: rusqlite::Result<i64>) -> Option<u64> {
    u64::try_from(count.ok()?).ok()
}

/// What a change really is, given whether its alert is there: nothing ends
/// that did not begin, and what is raised again is repeated.
fn settle(told: &Told, is_live: bool) -> Option<Kind> {
    match (told.kind, is_live) {
        (Kind::Resolved, false) => None,
        (Kind::Raised, true) => Some(Kind::Repeated),
        (kind, _) => Some(kind),
    }
}

#[cfg(test)]
mod tests {
    use lfs_wrapper_model::Severity;

    use super::*;

    #[test]
    fn nothing_ends_that_did_not_begin_and_what_comes_again_is_repeated() {
        let told = |kind| Told {
            rule: "build-failed".to_owned(),
            labels: Labels::new(),
            kind,
            severity: Severity::Error,
            value: None,
            threshold: None,
            message: String::new(),
            runbook: String::new(),
            annotations: [].into(),
            time_msec: 0,
        };
        let table = [
            (Kind::Raised, false, Some(Kind::Raised)),
            (Kind::Raised, true, Some(Kind::Repeated)),
            (Kind::Resolved, false, None),
            (Kind::Resolved, true, Some(Kind::Resolved)),
            (Kind::Escalated, true, Some(Kind::Escalated)),
        ];
        for (kind, is_live, expected) in table {
            assert_eq!(settle(&told(kind), is_live), expected, "{kind:?} {is_live}");
        }
    }
}
