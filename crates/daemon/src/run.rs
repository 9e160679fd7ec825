//! The monitor's threads: one samples, one owns the state, one delivers, one
//! serves.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lfs_wrapper_alert::channel::Channel;
use lfs_wrapper_alert::engine::{Kind, Rule};
use lfs_wrapper_alert::store;
use lfs_wrapper_api as api;
use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::{record, recover};
use lfs_wrapper_history::{self as history, History, HistoryError};
use lfs_wrapper_kernel::{Cadence, Frame, Reader, Roots, Sample, derive, expose, restore};
use lfs_wrapper_model::{Severity, now_msec};
use lfs_wrapper_state::audit::{self, Entry};
use lfs_wrapper_state::{Database, DatabaseError, StateDir, is_full};
use tracing::warn;

use crate::heart::{Effect, Event, Heart, Told};
use crate::live::{ALERTS_MAX, Live, RUNS_MAX, SelfMetrics};
use crate::server::Server;
use crate::{convert, outbox};

/// Samples that may wait for the loop before some are dropped and counted.
const SAMPLES_WAITING_MAX: usize = 16;

/// Effects that may wait for the state database before the oldest are dropped
/// and counted.
const UNWRITTEN_MAX: usize = 10_000;

/// How often the loop looks whether a build wrote something.
const POLL: Duration = Duration::from_millis(250);

/// How often it is looked for builds whose supervisor died, in polls.
const RECOVER_POLLS: u32 = 20;

/// What the page shows of the time before the monitor's start.
const PAST_MSEC: i64 = 10 * 60 * 1000;

const LOCK: &str = "monitor.lock";

/// How to monitor.
#[derive(Debug)]
pub struct Settings {
    /// Where everything is kept.
    pub state_dir: StateDir,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Time between two samples.
    pub interval: Duration,
    /// Cap of the history.
    pub history_bytes_max: u64,
    /// What is looked for.
    pub rules: Vec<Rule>,
    /// Where alerts go.
    pub channels: Vec<Channel>,
}

/// Why the monitor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The state database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Somebody monitors already.
    #[error(
        "starting the monitor: another one works on {path}; \
         look at it with 'lfs-wrapper status', or give another folder with --state-dir"
    )]
    Running {
        /// The state folder.
        path: PathBuf,
    },
    /// The address cannot be had.
    #[error("listening on {address}: {source}; give another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// Anything else.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// A running monitor.
#[derive(Debug)]
pub struct Monitor {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    stop_server: tokio::sync::watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    database: Database,
    /// Held as long as the monitor runs.
    _lock: File,
}

impl Monitor {
    /// Starts the monitor; when this returns, the page is there.
    pub fn start(settings: Settings) -> Result<Self, MonitorError> {
        let Settings { state_dir, .. } = &settings;
        let lock = take_lock(state_dir)?;
        let listener = bind(settings.listen)?;
        let address = listener
            .local_addr()
            .map_err(io_error("asking for the own address"))?;
        let database = Database::open(state_dir)?;
        let path = state_dir.root().join("history.db");
        let (history, note) = History::open(&path, settings.history_bytes_max)?;
        if let Some(note) = note {
            warn!("{note}");
        }
        let live = Arc::new(Live::new(read_host(), settings.interval));
        show_past(&live, &history)?;
        note_audit(&database, &format!("monitor started on {address}"))?;

        let (stop_server, stopped) = tokio::sync::watch::channel(false);
        let server = Server::new(listener, state_dir, Arc::clone(&live), stopped)?;
        let (stop, threads) = start_threads(settings, history, &live, server)?;
        Ok(Self {
            address,
            stop,
            stop_server,
            threads,
            database,
            _lock: lock,
        })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the monitor: what was sampled is written down, what is in the
    /// outbox and can be delivered is.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.stop_server.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                warn!("a thread of the monitor ended in a panic");
            }
        }
        if let Err(error) = note_audit(&self.database, "monitor stopped") {
            warn!("{error}");
        }
    }
}

fn io_error(what: &str) -> impl Fn(io::Error) -> MonitorError {
    let what = what.to_owned();
    move |source| MonitorError::Io {
        what: what.clone(),
        source,
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, MonitorError> {
    TcpListener::bind(address).map_err(|source| MonitorError::Listen { address, source })
}

fn start_threads(
    settings: Settings,
    history: History,
    live: &Arc<Live>,
    server: Server,
) -> Result<(Arc<AtomicBool>, Vec<JoinHandle<()>>), MonitorError> {
    let stop = Arc::new(AtomicBool::new(false));
    let dropped = Arc::new(AtomicU64::new(0));
    let (samples, inputs) = mpsc::sync_channel(SAMPLES_WAITING_MAX);
    let (wake, woken) = mpsc::channel();
    let own = Loop::new(
        &settings,
        history,
        Arc::clone(live),
        wake,
        Arc::clone(&dropped),
    )?;
    let sampler = Sampler {
        reader: Reader::new(Roots::default()),
        cadence: Cadence::new(settings.interval),
        build_cgroup: Arc::clone(&own.build_cgroup),
        dropped,
        stop: Arc::clone(&stop),
    };
    let database = Database::open_again(&settings.state_dir)?;
    let (channels, live) = (settings.channels, Arc::clone(live));
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(io_error("starting a thread"))
    };
    let threads = vec![
        spawn("sampler", Box::new(move || sampler.run(&samples)))?,
        spawn("loop", Box::new(move || own.run(&inputs)))?,
        spawn(
            "outbox",
            Box::new(move || outbox::deliver(&database, &channels, &live, &woken)),
        )?,
        spawn("http", Box::new(move || server.run()))?,
    ];
    Ok((stop, threads))
}

fn take_lock(state_dir: &StateDir) -> Result<File, MonitorError> {
    let path = state_dir.root().join(LOCK);
    let file = File::create(&path).map_err(|source| MonitorError::Io {
        what: format!("making {}", path.display()),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(MonitorError::Running {
            path: state_dir.root().to_owned(),
        }),
    }
}

fn note_audit(database: &Database, what: &str) -> Result<(), DatabaseError> {
    let write = || {
        let transaction = database.begin()?;
        let entry = Entry {
            unit: "monitor",
            level: Severity::Info,
            what,
            outcome: "done",
        };
        audit::append(&transaction, &entry)?;
        transaction.commit()
    };
    write().map_err(|error| database.error(error))
}

fn read_host() -> api::Host {
    let uname = rustix::system::uname();
    api::Host {
        hostname: uname.nodename().to_string_lossy().into_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        cores: thread::available_parallelism().map_or(1, usize::from),
    }
}

/// The frames that the last minutes of the history give.
fn show_past(live: &Live, history: &History) -> Result<(), HistoryError> {
    let rows = history.read(now_msec() - PAST_MSEC)?;
    let samples: Vec<Sample> = rows
        .iter()
        .map(|row| {
            let points = row.series.iter().zip(row.samples.iter().copied());
            restore(row.time_msec, row.monotonic_usec, points)
        })
        .collect();
    let frames = samples.windows(2).map(|pair| derive(&pair[0], &pair[1]));
    live.set_past(frames.map(|frame| convert::frame(&frame)));
    Ok(())
}

/// A sample and how it came.
struct Sampled {
    sample: Box<Sample>,
    lateness: Duration,
    missed: u64,
}

struct Sampler {
    reader: Reader,
    cadence: Cadence,
    build_cgroup: Arc<BuildCgroup>,
    dropped: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Sampler {
    fn run(mut self, samples: &SyncSender<Sampled>) {
        let go_on = || !self.stop.load(Ordering::Relaxed);
        let mut tick = Some(lfs_wrapper_kernel::Tick {
            lateness: Duration::ZERO,
            missed: 0,
        });
        while let Some(lfs_wrapper_kernel::Tick { lateness, missed }) = tick {
            let folder = self.build_cgroup.get();
            let sampled = Sampled {
                sample: Box::new(self.reader.read(folder.as_deref())),
                lateness,
                missed,
            };
            match samples.try_send(sampled) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
            tick = self.cadence.wait(go_on);
        }
    }
}

/// The folder of the control group above those of the running steps, as far as
/// the loop knows it.
#[derive(Debug, Default)]
struct BuildCgroup(std::sync::Mutex<Option<PathBuf>>);

impl BuildCgroup {
    fn get(&self) -> Option<PathBuf> {
        self.0.lock().map_or(None, |folder| folder.clone())
    }

    fn set(&self, folder: Option<&Path>) {
        if let (Ok(mut known), Some(folder)) = (self.0.lock(), folder) {
            *known = Some(folder.to_owned());
        }
    }
}

/// The one owner of the monitor's state.
struct Loop {
    state_dir: StateDir,
    database: Database,
    history: History,
    heart: Heart,
    live: Arc<Live>,
    channels: Vec<String>,
    wake: mpsc::Sender<()>,
    own: SelfMetrics,
    dropped: Arc<AtomicU64>,
    build_cgroup: Arc<BuildCgroup>,
    /// No step runs that has no control group.
    build_known: bool,
    running: bool,
    data_version: Option<i64>,
    /// Effects that the state database has not taken yet.
    unwritten: Vec<Effect>,
    series: Arc<[String]>,
}

impl Loop {
    fn new(
        settings: &Settings,
        history: History,
        live: Arc<Live>,
        wake: mpsc::Sender<()>,
        dropped: Arc<AtomicU64>,
    ) -> Result<Self, MonitorError> {
        let database = Database::open_again(&settings.state_dir)?;
        let fail = |error| database.error(error);
        let memories = store::read_memories(database.connection()).map_err(fail)?;
        let alerts = store::list_alerts(&database, false, ALERTS_MAX).map_err(fail)?;
        live.set_alerts(alerts.into_iter().map(convert::alert).collect());
        Ok(Self {
            state_dir: settings.state_dir.clone(),
            database,
            history,
            heart: Heart::new(settings.rules.clone(), memories, settings.interval),
            live,
            channels: settings
                .channels
                .iter()
                .map(|channel| channel.name().to_owned())
                .collect(),
            wake,
            own: SelfMetrics::default(),
            dropped,
            build_cgroup: Arc::default(),
            build_known: true,
            running: false,
            data_version: None,
            unwritten: Vec::new(),
            series: Arc::default(),
        })
    }

    /// Until the sampler has ended.
    fn run(mut self, inputs: &Receiver<Sampled>) {
        let mut polls = 0;
        loop {
            if polls % RECOVER_POLLS == 0
                && let Err(error) = recover::recover(&self.state_dir, &self.database)
            {
                warn!("{error}");
            }
            if let Err(error) = self.look_at_builds() {
                warn!("{}", self.database.error(error));
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
        if let Err(error) = self.history.flush() {
            warn!("{error}");
        }
    }

    fn take(&mut self, sampled: Sampled) {
        self.own.lateness_seconds = sampled.lateness.as_secs_f64();
        self.own.missed_samples += sampled.missed;
        self.own.dropped_samples = self.dropped.load(Ordering::Relaxed);
        self.own.lost_frames = self.history.lost_frames();
        self.own.dropped_notifications = store::count_dropped(&self.database).unwrap_or(-1);
        self.own.waiting_notifications = store::count_waiting(&self.database).unwrap_or(-1);
        let effects = self.heart.step(Event::Sampled {
            sample: sampled.sample,
            build_known: self.build_known,
        });
        self.apply(effects);
        // Time left and CPU used so far change without anything being written.
        if self.running {
            self.data_version = None;
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
        self.running = !running.is_empty();
        self.build_known = cgroups().count() == running.len();
        self.build_cgroup.set(cgroups().find_map(Path::parent));
        let now = now_msec();
        let shown = runs.iter().map(|run| convert::run(run, now)).collect();
        self.live.publish_runs(shown);
        for ended in record::list_unnoticed(&self.database)? {
            // Should this fail, it is found again the next time.
            let effects = self.heart.step(Event::AttemptEnded(Box::new(ended)));
            let alerts = self.write(&effects)?;
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
        let mut result = self.write(&self.unwritten);
        if result.as_ref().is_err_and(is_full) && self.database.release_reserve() {
            result = self.write(&self.unwritten);
        }
        match result {
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

    fn tell(&self, alerts: Vec<store::Alert>) {
        for alert in alerts {
            self.live.publish_alert(convert::alert(alert));
            // The outbox thread ends only after this one.
            let _ = self.wake.send(());
        }
    }

    fn publish(&mut self, sample: Sample, frame: &Frame) {
        let points = expose(&sample);
        let series: Vec<String> = points
            .iter()
            .map(lfs_wrapper_model::metric::Point::series)
            .collect();
        if *self.series != *series {
            self.series = series.into();
        }
        let kept = self.history.append(history::Frame {
            time_msec: sample.time_msec,
            monotonic_usec: sample.monotonic_usec,
            series: Arc::clone(&self.series),
            samples: points.iter().map(|point| point.value).collect(),
        });
        if let Err(error) = kept {
            warn!("{error}");
        }
        self.live.publish_frame(sample, frame, self.own);
    }

    /// All of it, or nothing.
    fn write(&self, effects: &[Effect]) -> rusqlite::Result<Vec<store::Alert>> {
        let transaction = self.database.begin()?;
        let mut alerts = Vec::new();
        for effect in effects {
            match effect {
                Effect::Publish { .. } => {}
                Effect::Notice { attempt } => record::set_noticed(&transaction, *attempt)?,
                Effect::Remember {
                    rule,
                    labels,
                    memory,
                } => store::write_memory(&transaction, rule, labels, memory)?,
                Effect::Tell(told) => {
                    let is_live = store::is_live(&transaction, told.rule, &told.labels)?;
                    if let Some(kind) = settle(told, is_live) {
                        let change = told.to_change(kind);
                        alerts.push(store::write_change(&transaction, &change, &self.channels)?);
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(alerts)
    }
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

impl Told {
    fn to_change(&self, kind: Kind) -> store::Change<'_> {
        store::Change {
            rule: self.rule,
            labels: &self.labels,
            kind,
            severity: self.severity,
            value: self.value,
            threshold: self.threshold,
            message: &self.message,
            runbook: self.runbook,
            time_msec: self.time_msec,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_that_did_not_begin_and_what_comes_again_is_repeated() {
        let told = |kind| Told {
            rule: "build-failed",
            labels: store::Labels::new(),
            kind,
            severity: Severity::Error,
            value: None,
            threshold: None,
            message: String::new(),
            runbook: "",
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
