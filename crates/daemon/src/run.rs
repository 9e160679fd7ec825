//! The monitor: its threads, of which one samples, one owns the state, one
//! hears processes end, one delivers and one serves, and its collectors, from their start to their end.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use lfs_wrapper_api as api;
use lfs_wrapper_history::moments::EventKind;
use lfs_wrapper_history::remote::SettingsError;
use lfs_wrapper_history::{History, HistoryError, ReadError};
use lfs_wrapper_kernel::{Cadence, ProcessOptions, Reader, Roots};
use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::{Database, DatabaseError, StateDir};
use tracing::warn;

use crate::audit::note_audit;
use crate::collector::Collectors;
use crate::exposed::own_names;
use crate::live::Live;
use crate::moments::{Moments, MomentsRecorder};
use crate::reload::{Reload, Reloader, SharedChannels};
use crate::remote::{Remotes, STOP_MAX};
use crate::rulebook::{CompileError, Rulebook};
use crate::sampler::Sampler;
use crate::server::Server;
use crate::settings::Settings;
use crate::watch::{Kept, Loop, Shared, Timing, Watched};
use crate::{outbox, past};

/// Samples that may wait for the loop before some are dropped and counted.
const SAMPLES_WAITING_MAX: usize = 16;

/// What the page shows of the time before the monitor's start.
const PAST_MSEC: i64 = 10 * 60 * 1000;

const LOCK: &str = "monitor.lock";

/// Why the monitor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The state database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// An endpoint of remote write cannot be used.
    #[error("{0}; mend [[remote_write]] in the configuration")]
    RemoteWrite(#[from] SettingsError),
    /// The history cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// A rule cannot be looked at.
    #[error("{0}; mend it in rules.d")]
    Rule(#[from] CompileError),
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
    collectors: Arc<Collectors>,
    history: Arc<History>,
    remotes: Remotes,
    moments: Arc<Mutex<MomentsRecorder>>,
    database: Database,
    reloader: Reloader,
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
        let (history, notes) = History::open(&path, settings.history.clone())?;
        let history = Arc::new(history);
        for note in notes {
            note_audit(&database, &note)?;
            warn!("{note}");
        }
        let live = Arc::new(Live::new(read_host(), settings.interval));
        // Whatever cannot be read is shown as not there.
        if let Err(error) = past::show(&live, &history, now_msec() - PAST_MSEC) {
            warn!("{error}");
        }
        note_audit(&database, &format!("monitor started on {address}"))?;

        let shown = Arc::clone(&live);
        let own_names = Box::new(move || own_names(&shown));
        let collectors = Collectors::start(&settings.collectors, own_names)
            .map_err(io_error("starting the collectors"))?;
        let collectors = Arc::new(collectors);
        let (stop_server, stopped) = tokio::sync::watch::channel(false);
        let server = Server::new(
            listener,
            state_dir.runtime(),
            Database::open_again(state_dir)?,
            Arc::clone(&live),
            Arc::clone(&collectors),
            Arc::clone(&history),
            stopped,
        )
        .map_err(io_error("starting the HTTP server"))?;
        let moments = history.with_connection(MomentsRecorder::open)?;
        let moments = Arc::new(Mutex::new(moments));
        let mut settings = settings;
        let remotes = Remotes::start(std::mem::take(&mut settings.remote_write), &history)?;
        live.set_remotes(remotes.statistics());
        let kept = Kept {
            history: Arc::clone(&history),
            collectors: Arc::clone(&collectors),
            moments: Moments::new(&moments),
        };
        note(
            &moments,
            EventKind::MonitorStarted,
            &format!("started on {address}"),
        );
        let (reloader, reloads) = mpsc::sync_channel(1);
        let (stop, threads) = start_threads(settings, reloads, kept, &moments, &live, server)?;
        Ok(Self {
            address,
            stop,
            stop_server,
            threads,
            collectors,
            history,
            remotes,
            moments,
            database,
            reloader: Reloader(reloader),
            _lock: lock,
        })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For other rules, channels and routes.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Ends the monitor: what was sampled is written down, what is in the
    /// outbox and can be delivered is.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.stop_server.send(true);
        self.remotes.ask_to_stop();
        self.collectors.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                warn!("a thread of the monitor ended in a panic");
            }
        }
        // What was sampled last.
        note(&self.moments, EventKind::MonitorStopped, "stopped");
        if let Err(error) = self.history.flush_with(Some(&*self.moments)) {
            warn!("{error}");
        }
        if let Err(error) = note_audit(&self.database, "monitor stopped") {
            warn!("{error}");
        }
        for name in self.remotes.wait(STOP_MAX) {
            warn!(
                "remote write '{name}': no answer; what was under way is sent after the next start"
            );
        }
    }
}

fn note(moments: &Mutex<MomentsRecorder>, kind: EventKind, text: &str) {
    let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
    moments.note(kind, text);
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
    reloads: Receiver<Reload>,
    kept: Kept,
    moments: &Arc<Mutex<MomentsRecorder>>,
    live: &Arc<Live>,
    server: Server,
) -> Result<(Arc<AtomicBool>, Vec<JoinHandle<()>>), MonitorError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (samples, inputs) = mpsc::sync_channel(SAMPLES_WAITING_MAX);
    let (wake, woken) = mpsc::sync_channel(1);
    let shared = Shared::default();
    let (dropped, detail, exits) = (
        Arc::clone(&shared.dropped),
        Arc::clone(&shared.detail),
        Arc::clone(&shared.exits),
    );
    let written = Arc::clone(&kept.history);
    let moments = Arc::clone(moments);
    let alerting = settings.alerting;
    let channels = Arc::new(SharedChannels::new(alerting.channels));
    let watched = Watched {
        book: Rulebook::compile(alerting.rules)?,
        routing: alerting.routing,
        keep: alerting.keep,
        channels: Arc::clone(&channels),
        reloads,
    };
    let timing = Timing {
        interval: settings.interval,
        cpu_budget_ratio: settings.cpu_budget_ratio,
    };
    let own = Loop::new(
        &settings.state_dir,
        timing,
        kept,
        watched,
        Arc::clone(live),
        wake,
        shared,
    )?;
    let mut reader = Reader::new(Roots::default()).with_processes(ProcessOptions {
        has_worker: true,
        is_patient: true,
        ..ProcessOptions::default()
    });
    reader.spawn_slow().map_err(io_error("starting a thread"))?;
    let sampler = Sampler {
        reader,
        cadence: Cadence::new(settings.interval),
        build_cgroup: Arc::clone(&own.build_cgroup),
        detail,
        dropped,
        stop: Arc::clone(&stop),
    };
    let database = Database::open_again(&settings.state_dir)?;
    let (state_dir, live) = (settings.state_dir, Arc::clone(live));
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(io_error("starting a thread"))
    };
    let stop_exits = Arc::clone(&stop);
    let stop_history = Arc::clone(&stop);
    let threads = vec![
        spawn("exits", Box::new(move || exits.run(&stop_exits)))?,
        spawn(
            "history",
            Box::new(move || written.run(&stop_history, &*moments, |error| warn!("{error}"))),
        )?,
        spawn("sampler", Box::new(move || sampler.run(&samples)))?,
        spawn("loop", Box::new(move || own.run(&inputs)))?,
        spawn(
            "outbox",
            Box::new(move || outbox::deliver(&state_dir, &database, &channels, &live, &woken)),
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

fn read_host() -> api::Host {
    let uname = rustix::system::uname();
    api::Host {
        hostname: uname.nodename().to_string_lossy().into_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        cores: thread::available_parallelism().map_or(1, usize::from),
    }
}
