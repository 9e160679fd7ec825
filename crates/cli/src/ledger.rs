//! Hears processes end and writes down those of the steps, beside their logs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lfs_wrapper_build::exits::{ExitLedger, ExitRow, ExitWriter, Exits};
use lfs_wrapper_build::supervisor::Supervisor;
use lfs_wrapper_kernel::Roots;
use lfs_wrapper_kernel::exits::{ExitsError, Followed, Follower};

use crate::session::Session;
use crate::terminal::say;

/// How long the kernel holds what it has to tell: its buffer has room for the
/// fastest forking of twice that time.
const PAUSE: Duration = Duration::from_millis(150);

/// What has come when a step is over may still have to be put together.
const LAST_LOOKS: u32 = 3;
const LAST_PAUSE: Duration = Duration::from_millis(5);

/// The ledger of one run: a thread that listens, and the open books.
#[derive(Debug)]
pub(crate) struct Ledger {
    books: Arc<Mutex<Books>>,
    /// The thread ends when this goes.
    _alive: Sender<()>,
}

#[derive(Debug)]
struct Books {
    follower: Follower<i64>,
    open: HashMap<i64, Book>,
    failure: Option<String>,
}

/// The book of one attempt.
#[derive(Debug)]
struct Book {
    file: PathBuf,
    writer: Option<ExitWriter>,
    failure: Option<String>,
    processes: u64,
    cpu_usec: Option<u64>,
    lost_before: u64,
}

impl Ledger {
    /// Listens from now on; the error says why the kernel does not tell.
    pub(crate) fn open() -> Result<Self, ExitsError> {
        let books = Arc::new(Mutex::new(Books {
            follower: Follower::open(&Roots::default())?,
            open: HashMap::new(),
            failure: None,
        }));
        let (alive, ended) = mpsc::channel::<()>();
        let shared = Arc::clone(&books);
        thread::spawn(move || {
            while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                lock(&shared).listen();
            }
        });
        Ok(Self {
            books,
            _alive: alive,
        })
    }
}

/// Has a run's processes written down, where the kernel tells of them.
pub(crate) fn attach<'a>(session: &Session, supervisor: Supervisor<'a>) -> Supervisor<'a> {
    match Ledger::open() {
        Ok(ledger) => supervisor.with_ledger(Box::new(ledger)),
        Err(error) => {
            if session.verbose > 0 {
                say(&format!("note: no list of the steps' processes: {error}"));
            }
            supervisor
        }
    }
}

/// Whoever panicked left nothing half done that matters.
fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ExitLedger for Ledger {
    fn begin(&mut self, attempt: i64, keeper: u32, file: &Path) {
        let mut books = lock(&self.books);
        let lost_before = books.follower.losses().count();
        let (writer, failure) = match ExitWriter::create(file) {
            Ok(writer) => (Some(writer), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let book = Book {
            file: file.to_owned(),
            writer,
            failure,
            processes: 0,
            cpu_usec: None,
            lost_before,
        };
        books.open.insert(attempt, book);
        books.follower.register(keeper, attempt);
    }

    fn end(&mut self, attempt: i64) -> Option<Exits> {
        for look in 0..LAST_LOOKS {
            if look > 0 {
                thread::sleep(LAST_PAUSE);
            }
            lock(&self.books).listen();
        }
        let mut books = lock(&self.books);
        let lost = books.follower.losses().count();
        let mut book = books.open.remove(&attempt)?;
        let exits = Exits {
            processes: book.processes,
            cpu_usec: book.cpu_usec,
            lost: lost.saturating_sub(book.lost_before),
        };
        if let Some(Err(error)) = book.writer.take().map(|writer| writer.end(&exits)) {
            book.failure.get_or_insert(error.to_string());
        }
        for why in book.failure.iter().chain(&books.failure) {
            let file = book.file.display();
            say(&format!(
                "note: the list of processes {file} is not whole: {why}"
            ));
        }
        Some(exits)
    }
}

impl Books {
    /// Takes in what the kernel has told since.
    fn listen(&mut self) {
        if self.failure.is_some() {
            return;
        }
        let open = &mut self.open;
        let read = self.follower.drain(|followed| {
            if let Some(book) = followed.tag.and_then(|attempt| open.get_mut(&attempt)) {
                book.take(&followed);
            }
        });
        self.failure = read.err().map(|error| error.to_string());
        for book in self.open.values_mut() {
            book.try_to(ExitWriter::flush);
        }
    }
}

impl Book {
    fn take(&mut self, followed: &Followed<i64>) {
        // The keeper is ours.
        if followed.is_root {
            return;
        }
        let row = to_row(followed);
        self.processes += 1;
        if let Some(usec) = row.cpu_usec() {
            *self.cpu_usec.get_or_insert(0) += usec;
        }
        self.try_to(|writer| writer.append(&row));
    }

    /// A file that cannot be written is given up; the processes still count.
    fn try_to(&mut self, write: impl FnOnce(&mut ExitWriter) -> std::io::Result<()>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = write(writer) {
            self.writer = None;
            self.failure.get_or_insert(error.to_string());
        }
    }
}

fn to_row(followed: &Followed<i64>) -> ExitRow {
    let exit = &followed.exit;
    let usage = &exit.usage;
    let began_sec = exit
        .begin_sec
        .and_then(|seconds| i64::try_from(seconds).ok());
    ExitRow {
        began_msec: began_sec.map(|seconds| seconds.saturating_mul(1000)),
        elapsed_usec: exit.elapsed_usec,
        pid: exit.pid,
        parent_pid: exit.parent_pid,
        uid: exit.uid,
        comm: String::from_utf8_lossy(exit.comm.as_bytes()).into_owned(),
        exit_code: exit.status.and_then(|status| status.code().map(i32::from)),
        signal: exit
            .status
            .and_then(|status| status.signal().map(i32::from)),
        user_usec: usage.user_usec,
        system_usec: usage.system_usec,
        rss_peak_bytes: usage.rss_peak_bytes,
        minor_faults: usage.minor_faults,
        major_faults: usage.major_faults,
        read_bytes: usage.read_bytes,
        write_bytes: usage.write_bytes,
        uid_changes: followed.uid_changes,
    }
}
