//! How full a mounted file system is, asked by worker threads: statvfs(3) on a
//! dead mount never returns, and must delay nobody else.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::fs::statvfs;
use thiserror::Error;

use crate::field::{metric, values};
use crate::source::render_error;

values! {
    /// What statvfs(3) says of a file system.
    pub struct Space;
    /// Its whole size, bytes.
    size_bytes = "size", One,
        metric!(Gauge, "node_filesystem_size_bytes", "Filesystem size in bytes.");
    /// Free for the superuser, bytes.
    free_bytes = "free", One,
        metric!(Gauge, "node_filesystem_free_bytes", "Filesystem free space in bytes.");
    /// Free for everybody, bytes.
    available_bytes = "available", One,
        metric!(Gauge, "node_filesystem_avail_bytes",
            "Filesystem space available to non-root users in bytes.");
    /// How many inodes there can be; 0 where the file system has no such limit.
    files = "files", One,
        metric!(Gauge, "node_filesystem_files", "Filesystem total file nodes.");
    /// How many inodes are free.
    files_free = "files_free", One,
        metric!(Gauge, "node_filesystem_files_free", "Filesystem total free file nodes.");
}

/// Asks the system how full the file system at `path` is.
pub(crate) fn read_space(path: &Path) -> io::Result<Space> {
    let stat = statvfs(path)?;
    let bytes = |blocks: u64| blocks.checked_mul(stat.f_frsize);
    Ok(Space {
        size_bytes: bytes(stat.f_blocks),
        free_bytes: bytes(stat.f_bfree),
        available_bytes: bytes(stat.f_bavail),
        files: Some(stat.f_files),
        files_free: Some(stat.f_ffree),
    })
}

/// The function that says how full a file system is; it may block for ever.
#[derive(Clone)]
pub struct StatFn(Arc<Stat>);

type Stat = dyn Fn(&Path) -> io::Result<Space> + Send + Sync;

impl StatFn {
    /// Wraps a function of an absolute mount point.
    pub fn new(stat: impl Fn(&Path) -> io::Result<Space> + Send + Sync + 'static) -> Self {
        Self(Arc::new(stat))
    }
}

impl fmt::Debug for StatFn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StatFn")
    }
}

/// How many workers may hang, each on a dead mount of its own. Then nobody is
/// asked until one of them comes back, so that dead mounts never pile up threads.
const STUCK_MAX: usize = 16;

/// Why a mount's space is not known.
#[derive(Debug, Error)]
pub(crate) enum SpaceError {
    #[error("does not answer")]
    Stuck,
    #[error("not asked: too many other file systems do not answer")]
    NotAsked,
    #[error("{}", render_error(.0))]
    Failed(#[from] io::Error),
}

/// Asks one mount at a time, through a worker that may be lost to it.
#[derive(Debug)]
pub(crate) struct SpaceReader {
    stat: StatFn,
    idle: Option<Worker>,
    /// Workers that have not answered yet, with the mount they were asked of.
    stuck: Vec<(PathBuf, Worker)>,
}

impl SpaceReader {
    pub(crate) const fn new(stat: StatFn) -> Self {
        Self {
            stat,
            idle: None,
            stuck: Vec::new(),
        }
    }

    /// The space of the file system at `path`, if it answers within `limit`.
    pub(crate) fn ask(&mut self, path: &Path, limit: Duration) -> Result<Space, SpaceError> {
        self.collect_returned();
        if self.stuck.iter().any(|(stuck, _)| stuck == path) {
            return Err(SpaceError::Stuck);
        }
        if self.stuck.len() >= STUCK_MAX {
            return Err(SpaceError::NotAsked);
        }
        let worker = match self.idle.take() {
            Some(worker) => worker,
            None => Worker::start(self.stat.clone())?,
        };
        // A worker that died shows when its answer is awaited.
        drop(worker.requests.send(path.to_owned()));
        match worker.answers.recv_timeout(limit) {
            Ok(answer) => {
                self.idle = Some(worker);
                Ok(answer?)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.push((path.to_owned(), worker));
                Err(SpaceError::Stuck)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(SpaceError::Failed(io::Error::other("the worker died")))
            }
        }
    }

    /// Lets go of the workers that answered at last. The answers are out of
    /// date, and a thread ends when nobody can ask it any more.
    fn collect_returned(&mut self) {
        self.stuck
            .retain(|(_, worker)| matches!(worker.answers.try_recv(), Err(TryRecvError::Empty)));
    }
}

/// One thread that answers each request in turn.
#[derive(Debug)]
struct Worker {
    requests: SyncSender<PathBuf>,
    answers: Receiver<io::Result<Space>>,
}

impl Worker {
    fn start(stat: StatFn) -> io::Result<Self> {
        // At most one request is under way, so neither send ever blocks.
        let (requests, incoming) = sync_channel::<PathBuf>(1);
        let (outgoing, answers) = sync_channel(1);
        thread::Builder::new()
            .name("statvfs".to_owned())
            .spawn(move || {
                for path in incoming {
                    if outgoing.send(stat.0(&path)).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self { requests, answers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    const AT_ONCE: Duration = Duration::ZERO;
    /// A healthy mount answers as soon as it is scheduled; only a broken test
    /// waits this long.
    const PATIENT: Duration = Duration::from_secs(60);

    fn space_of(size_bytes: u64) -> Space {
        Space {
            size_bytes: Some(size_bytes),
            ..Space::default()
        }
    }

    /// A stat function that hangs at the given mounts until the sender of that
    /// mount is dropped.
    fn hang_at(mounts: &[&str]) -> (StatFn, HashMap<String, Sender<()>>) {
        let mut gates = HashMap::new();
        let mut waiting = HashMap::new();
        for mount in mounts {
            let (gate, wait) = channel::<()>();
            gates.insert((*mount).to_owned(), gate);
            waiting.insert(PathBuf::from(mount), wait);
        }
        let waiting = Mutex::new(waiting);
        let stat = StatFn::new(move |path| {
            let wait = waiting.lock().unwrap().remove(path);
            if let Some(wait) = wait {
                wait.recv().unwrap_err();
            }
            Ok(space_of(7))
        });
        (stat, gates)
    }

    #[test]
    fn a_dead_mount_is_asked_once_and_delays_nobody() {
        let (stat, mut gates) = hang_at(&["/dead"]);
        let mut reader = SpaceReader::new(stat);
        for _ in 0..3 {
            let answer = reader.ask(Path::new("/dead"), AT_ONCE);
            assert!(matches!(answer, Err(SpaceError::Stuck)));
            assert_eq!(reader.stuck.len(), 1);
            assert_eq!(reader.ask(Path::new("/"), PATIENT).unwrap(), space_of(7));
        }

        drop(gates.remove("/dead"));
        let back = std::iter::repeat_with(|| {
            thread::yield_now();
            reader.ask(Path::new("/dead"), PATIENT)
        });
        // Stuck until the late answer is in, then asked anew.
        let answer = back.into_iter().find_map(Result::ok);
        assert_eq!(answer, Some(space_of(7)));
        assert!(reader.stuck.is_empty());
    }

    #[test]
    fn dead_mounts_never_pile_up_threads() {
        let dead: Vec<String> = (0..STUCK_MAX).map(|number| format!("/{number}")).collect();
        let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
        let (stat, gates) = hang_at(&dead);
        let mut reader = SpaceReader::new(stat);
        for mount in dead.iter().chain(&dead) {
            let answer = reader.ask(Path::new(mount), AT_ONCE);
            assert!(matches!(answer, Err(SpaceError::Stuck)), "{mount}");
        }
        let answer = reader.ask(Path::new("/"), PATIENT);
        assert!(matches!(answer, Err(SpaceError::NotAsked)));
        assert_eq!(reader.stuck.len(), STUCK_MAX);
        drop(gates);
    }

    #[test]
    fn errors_and_panics_of_the_function_are_answers() {
        let mut reader = SpaceReader::new(StatFn::new(|path| {
            assert_ne!(path, Path::new("/panic"));
            Err(io::ErrorKind::PermissionDenied.into())
        }));
        for (mount, expected) in [
            ("/", "permission denied"),
            ("/panic", "the worker died"),
            ("/", "permission denied"),
        ] {
            let error = reader.ask(Path::new(mount), PATIENT).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
