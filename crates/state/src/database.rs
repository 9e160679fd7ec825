use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::sqlite::{self, OpenError};
use crate::{StateDir, reserve};

const FILE_NAME: &str = "state.db";

/// `LFSW`: tells our database from any other SQLite file.
const APPLICATION_ID: i32 = 0x4c46_5357;

/// Entry N brings a database from version N to version N + 1.
const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
];

/// The version that this program reads and writes.
const VERSION: u32 = MIGRATIONS.len() as u32;

/// A connection to the state database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    folder: PathBuf,
    inode: u64,
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

impl Database {
    /// Opens the database for reading and writing, makes or upgrades it where
    /// needed, and looks for damage first: a damaged file is moved aside,
    /// never written to.
    pub fn open(state_dir: &StateDir) -> Result<Self, DatabaseError> {
        let path = state_dir.root().join(FILE_NAME);
        let connection =
            sqlite::open(&path, APPLICATION_ID).map_err(|error| explain(&path, error))?;
        let database = Self::of(connection, state_dir);
        database.migrate()?;
        reserve::hold(state_dir.root());
        Ok(database)
    }

    /// Opens one more connection to a database that [`Database::open`] has
    /// already looked at in this process.
    pub fn open_again(state_dir: &StateDir) -> Result<Self, DatabaseError> {
        let path = state_dir.root().join(FILE_NAME);
        sqlite::open_again(&path)
            .map(|connection| Self::of(connection, state_dir))
            .map_err(|source| DatabaseError::Sqlite { path, source })
    }

    /// A new one in memory, to try what would be written.
    pub fn in_memory() -> Result<Self, DatabaseError> {
        let path = || PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|source| DatabaseError::Sqlite {
            path: path(),
            source,
        })?;
        let database = Self {
            connection,
            folder: PathBuf::new(),
            inode: 0,
        };
        database.migrate()?;
        Ok(database)
    }

    fn of(connection: Connection, state_dir: &StateDir) -> Self {
        let path = state_dir.root().join(FILE_NAME);
        Self {
            connection,
            folder: state_dir.root().to_owned(),
            inode: fs::metadata(path).map_or(0, |data| data.ino()),
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
        // Asked several times a second, so it is not parsed each time.
        self.connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))
    }

    /// Gives the reserved disk space back, so that a few last records fit on
    /// a full disk. `true` if there was any; the next [`Database::open`] with
    /// room on the disk reserves it anew.
    pub fn release_reserve(&self) -> bool {
        reserve::release(&self.folder)
    }

    /// Whether the file that is open is still the one in its place: another
    /// process may have found it damaged and moved it aside.
    pub fn is_in_place(&self) -> bool {
        fs::metadata(self.path()).is_ok_and(|data| data.ino() == self.inode)
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

fn explain(path: &Path, error: OpenError) -> DatabaseError {
    let path = path.to_owned();
    match error {
        OpenError::Foreign => DatabaseError::Foreign { path },
        OpenError::Sqlite(source) => DatabaseError::Sqlite { path, source },
        OpenError::Damaged(why) => match sqlite::move_aside(&path) {
            Ok(kept) => DatabaseError::Damaged {
                path,
                kept,
                why: why.to_string(),
            },
            Err(source) => DatabaseError::Aside { path, source },
        },
    }
}
