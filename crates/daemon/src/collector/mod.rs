//! Metrics that the monitor does not read itself: files that other programs
//! leave in a folder (`textfile`), and programs that print them (`exec`). Each
//! has a thread of its own, so that one that hangs delays nobody; `board` holds
//! the newest of all.

mod board;
mod child;
mod exec;
mod merge;
mod patience;
mod report;
mod settings;
mod textfile;
mod turn;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lfs_wrapper_model::metric::Point;
use rustix::event::{EventfdFlags, eventfd};
use tracing::warn;

use board::{Board, OwnNames};
use exec::Runner;
use patience::{Event, Patience};
use textfile::Folder;

pub(crate) use merge::combine;
pub use settings::{CollectorSettings, ExecSettings};

/// How long the collectors may take to end; one that waits for a disk that does
/// not answer cannot be ended.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The collectors, at work until they are stopped.
pub(crate) struct Collectors {
    board: Arc<Board>,
    running: Mutex<Option<Running>>,
}

/// What ends the threads, and says that they have ended.
struct Running {
    stop_folder: Sender<Event>,
    /// An eventfd(2), readable once the programs are to end.
    stop_programs: Arc<OwnedFd>,
    /// Nothing is ever sent: every thread holds the other end.
    ended: Receiver<()>,
}

impl Collectors {
    /// Starts them. What has a name of `own_names` is not taken from others.
    pub(crate) fn start(
        settings: &CollectorSettings,
        own_names: Box<OwnNames>,
    ) -> io::Result<Self> {
        let board = Arc::new(Board::new(settings, own_names));
        let (events, received) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let collectors = Self {
            board: Arc::clone(&board),
            running: Mutex::new(Some(Running {
                stop_folder: events.clone(),
                stop_programs: Arc::clone(&stop),
                ended,
            })),
        };
        if let Some(path) = settings.textfile.clone() {
            let (board, alive) = (Arc::clone(&board), alive.clone());
            let mut folder = Folder::new(path, Patience::new(events, received));
            spawn("textfile", move || {
                folder.watch(&board);
                drop(alive);
            })?;
        }
        for (index, exec) in settings.exec.iter().enumerate() {
            let (board, alive) = (Arc::clone(&board), alive.clone());
            let mut runner = Runner::new(exec.clone(), Arc::clone(&stop));
            spawn("exec", move || {
                runner.repeat(|report| board.publish_exec(index, report));
                drop(alive);
            })?;
        }
        Ok(collectors)
    }

    /// The newest of all collectors, families together and sorted by name, the
    /// collectors' own metrics among them. Cheap: the same points until
    /// something changes.
    pub(crate) fn points(&self) -> Arc<[Point]> {
        self.board.points()
    }

    /// Ends them, and whatever program runs.
    pub(crate) fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(running) = running else {
            return;
        };
        let _ = running.stop_folder.send(Event::Stop);
        if let Err(error) = rustix::io::write(&running.stop_programs, &1_u64.to_ne_bytes()) {
            warn!("ending the collectors: {error}");
        }
        if let Err(RecvTimeoutError::Timeout) = running.ended.recv_timeout(STOP_MAX) {
            warn!("a collector waits for what does not answer, and is left behind");
        }
    }
}

impl fmt::Debug for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collectors").finish_non_exhaustive()
    }
}

impl Drop for Collectors {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map(drop)
}

/// `own` points and, beside them, what the collectors give: every file is read
/// and every program run once, all at the same time, and waited for.
pub fn collect_beside(own: Vec<Point>, settings: &CollectorSettings) -> Vec<Point> {
    let collected = collect_once(settings, &own);
    combine(own, &collected)
}

fn collect_once(settings: &CollectorSettings, own: &[Point]) -> Vec<Point> {
    let own: HashSet<String> = own
        .iter()
        .map(|point| point.metric.name().to_owned())
        .collect();
    let board = Board::new(settings, Box::new(move || own.clone()));
    let never = match eventfd(0, EventfdFlags::CLOEXEC) {
        Ok(never) => Arc::new(never),
        Err(error) => {
            warn!("running the collectors: {error}");
            return Vec::new();
        }
    };
    thread::scope(|scope| {
        for (index, exec) in settings.exec.iter().enumerate() {
            let mut runner = Runner::new(exec.clone(), Arc::clone(&never));
            let board = &board;
            scope.spawn(move || {
                if let Some(report) = runner.run() {
                    board.publish_exec(index, report);
                }
            });
        }
        if let Some(path) = settings.textfile.clone() {
            let (events, received) = mpsc::channel();
            let mut folder = Folder::new(path, Patience::new(events, received));
            if let Some(report) = folder.read() {
                board.publish_textfile(report);
            }
        }
    });
    board.points().to_vec()
}

#[cfg(test)]
mod tests;
