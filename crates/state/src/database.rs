use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lfs_wrapper_model::now_msec;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::{StateDir, reserve};

const FILE_NAME: &str = "state.db";

/// `LFSW`: tells our database from any other SQLite file.
const APPLICATION_ID: i32 = 0x4c46_5357;

/// Entry N brings a database from version N to version N + 1.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001.sql")];

/// The version that this program reads and writes.
const VERSION: u32 = MIGRATIONS.len() as u32;

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Pages of the write-ahead log after which it is copied into the database:
/// small, so that a state folder also fits on a small disk.
const CHECKPOINT_PAGES: i32 = 64;

/// A connection to the state database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    folder: PathBuf,
}

/// Why the state database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file is no intact database any more; it lies aside now.
    #[error(
        "opening the state database {path}: it is damaged ({why}); it was kept as {kept}; \
         run the command again to begin with an empty one, or put a copy of it back first"
    )]
    Damaged {
        /// Where the database should be.
        path: PathBuf,
        /// Where the damaged file lies now.
        kept: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A database of another program lies where ours should be.
    #[error(
        "opening the state database {path}: this is another program's database; \
         move it away, or give another folder with --state-dir"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "opening the state database {path}: its version is {found}, and this program knows \
         versions up to {known}; use the newer program"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The newest version this program can read.
        known: u32,
    },
    /// A damaged file could not be moved aside; it was left as it is.
    #[error("moving the damaged state database {path} aside: {source}; nothing was changed")]
    Aside {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Anything else that SQLite reports.
    #[error("using the state database {path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Whether `error` says that the disk is full.
pub fn is_full(error: &rusqlite::Error) -> bool {
    // Extending the shared-memory file of the write-ahead log fails with a
    // code of its own.
    const IOERR_SHMSIZE: i32 = 4874;
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            failure.code == ErrorCode::DiskFull || failure.extended_code == IOERR_SHMSIZE
        }
        _ => false,
    }
}

impl Database {
    /// Opens the database for reading and writing, makes or upgrades it where
    /// needed, and looks for damage first: a damaged file is moved aside,
    /// never written to.
    pub fn open(state_dir: &StateDir) -> Result<Self, DatabaseError> {
        let path = state_dir.root().join(FILE_NAME);
        let database = Self::connect(state_dir.root(), OpenFlags::default())
            .and_then(|database| database.prepare().map(|()| database))
            .map_err(|error| keep_aside(&path, error))?;
        database.check_owner()?;
        database.migrate()?;
        reserve::hold(state_dir.root());
        Ok(database)
    }

    /// Opens one more connection to a database that [`Database::open`] has
    /// already looked at in this process.
    pub fn open_again(state_dir: &StateDir) -> Result<Self, DatabaseError> {
        let path = state_dir.root().join(FILE_NAME);
        Self::connect(state_dir.root(), OpenFlags::default())
            .and_then(|database| database.configure().map(|()| database))
            .map_err(|source| DatabaseError::Sqlite { path, source })
    }

    fn connect(folder: &Path, flags: OpenFlags) -> rusqlite::Result<Self> {
        Ok(Self {
            connection: Connection::open_with_flags(folder.join(FILE_NAME), flags)?,
            folder: folder.to_owned(),
        })
    }

    fn configure(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        self.connection.pragma_update(None, "journal_mode", "wal")?;
        self.connection.pragma_update(None, "synchronous", "full")?;
        self.connection
            .pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        self.connection.pragma_update(None, "foreign_keys", true)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.configure()?;
        let verdict: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(verdict),
        ))
    }

    fn check_owner(&self) -> Result<(), DatabaseError> {
        let read = || -> rusqlite::Result<(i32, i64)> {
            let id = self
                .connection
                .pragma_query_value(None, "application_id", |row| row.get(0))?;
            let tables =
                self.connection
                    .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
            Ok((id, tables))
        };
        let (id, tables) = read().map_err(|error| self.error(error))?;
        if id == APPLICATION_ID || (id == 0 && tables == 0) {
            Ok(())
        } else {
            Err(DatabaseError::Foreign { path: self.path() })
        }
    }

    fn migrate(&self) -> Result<(), DatabaseError> {
        let found = self.version().map_err(|error| self.error(error))?;
        if found > VERSION {
            return Err(DatabaseError::Newer {
                path: self.path(),
                found,
                known: VERSION,
            });
        }
        if found == VERSION {
            return Ok(());
        }
        let upgrade = || -> rusqlite::Result<()> {
            let transaction = self.begin()?;
            // Another process may have been quicker.
            let found = self.version()?;
            for (script, version) in MIGRATIONS.iter().zip(1_u32..) {
                if version > found {
                    transaction.execute_batch(script)?;
                    transaction.pragma_update(None, "user_version", version)?;
                }
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.commit()
        };
        upgrade().map_err(|error| self.error(error))
    }

    fn version(&self) -> rusqlite::Result<u32> {
        self.connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
    }

    /// Begins a transaction that holds the right to write from its start, so
    /// that what it reads is still true when it writes.
    pub fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
    }

    /// For queries, and for single statements that need no transaction.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A number that changes whenever another connection has written.
    pub fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
    }

    /// Gives the reserved disk space back, so that a few last records fit on
    /// a full disk. `true` if there was any; the next [`Database::open`] with
    /// room on the disk reserves it anew.
    pub fn release_reserve(&self) -> bool {
        reserve::release(&self.folder)
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// `source` with the name of the file it is about.
    pub fn error(&self, source: rusqlite::Error) -> DatabaseError {
        DatabaseError::Sqlite {
            path: self.path(),
            source,
        }
    }
}

fn keep_aside(path: &Path, error: rusqlite::Error) -> DatabaseError {
    let path = path.to_owned();
    if !is_damage(&error) {
        return DatabaseError::Sqlite {
            path,
            source: error,
        };
    }
    match move_aside(&path) {
        Ok(kept) => DatabaseError::Damaged {
            path,
            kept,
            why: error.to_string(),
        },
        Err(source) => DatabaseError::Aside { path, source },
    }
}

/// Whether `error` says that a database file is damaged, or is none.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Renames a damaged database and what belongs to it; returns its new name.
pub fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let with_suffix = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let mark = format!(".damaged-{}", now_msec());
    let kept = with_suffix(&mark);
    fs::rename(path, &kept)?;
    // The write-ahead log belongs to the damaged file; a new database must
    // not find it. There may be none.
    for part in ["-wal", "-shm"] {
        let _ = fs::rename(with_suffix(part), with_suffix(&format!("{mark}{part}")));
    }
    Ok(kept)
}
