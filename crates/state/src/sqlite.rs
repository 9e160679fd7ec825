//! Opening one of our SQLite files so that it loses nothing, and telling what
//! is wrong with one that cannot be used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lfs_wrapper_model::now_msec;
use rusqlite::{Connection, ErrorCode};

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Pages of the write-ahead log after which it is copied into the database:
/// small, so that a state folder also fits on a small disk.
const CHECKPOINT_PAGES: i32 = 64;

/// Why a file cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// It is damaged, or no database.
    Damaged(rusqlite::Error),
    /// It is another program's database.
    Foreign,
    /// Anything else that SQLite reports.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// Opens the file `path`, makes it where it is missing, and looks whose it is
/// and for damage before anything is written.
pub fn open(path: &Path, application_id: i32) -> Result<Connection, OpenError> {
    let connection = connect(path, application_id)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)).into());
    }
    configure(&connection)?;
    Ok(connection)
}

/// The same for a file that is too large to be looked at as a whole: whoever
/// reads it has checksums of its own. A new one gives back pages by
/// `incremental_vacuum`.
pub fn open_large(path: &Path, application_id: i32) -> Result<Connection, OpenError> {
    let connection = connect(path, application_id)?;
    // Has an effect on an empty file only.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    configure(&connection)?;
    Ok(connection)
}

fn connect(path: &Path, application_id: i32) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let found: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if found != application_id && (found != 0 || tables != 0) {
        return Err(OpenError::Foreign);
    }
    Ok(connection)
}

/// One more connection to a file that [`open`] has looked at.
pub(crate) fn open_again(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    configure(&connection)?;
    Ok(connection)
}

/// What was acknowledged survives a power cut.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Writes the log into the database and makes it empty; `false` when a reader
/// keeps it.
pub fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })
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
