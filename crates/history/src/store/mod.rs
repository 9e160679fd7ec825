//! The file `history.db`.

mod block;
mod bucket;
mod clock;
mod compact;
mod dictionary;
mod feed;
mod find;
mod frame;
mod head;
mod history;
mod hot;
mod import;
mod info;
mod limits;
mod maintain;
mod older;
mod open;
mod pieces;
mod plan;
mod reader;
mod replace;
mod retain;
mod rollup;
mod salvage;
mod schema;
mod seal;
mod tier;
mod window;

use std::io;
use std::path::{Path, PathBuf};

pub use compact::Compacted;
pub use frame::{Entry, Frame, Group, Part};
pub use history::{Beside, FLUSH_EVERY, History};
pub use import::ImportOutcome;
pub use info::{Info, RemoteInfo, TierInfo};
pub use limits::{Count, Counts, Limits};
pub use reader::Reader;

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Another program's database lies where ours should be.
    #[error("opening the history {path}: this is another program's database; move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program made it.
    #[error(
        "opening the history {path}: its form {version} is not known here; use the program that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: i32,
    },
    /// It is damaged, or no database.
    #[error(
        "{what} the history {path}: it is damaged ({source}); start the monitor with 'lfs-wrapper \
         up', or run 'lfs-wrapper history compact': either keeps it aside and takes over what can \
         be read of it"
    )]
    Damaged {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Another process writes it.
    #[error(
        "opening the history {path}: another process writes it; stop the monitor first, or let it run and only read"
    )]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The disk is nearly full, or a reader holds the log open.
    #[error(
        "writing the history {path}: less is free on the disk than must stay free, or a reader is in the way; make room and try again"
    )]
    NoRoom {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, and there is no room for what can be taken over of it.
    #[error(
        "taking over what can be read of the damaged history {path}: {needed_bytes} bytes must be free on its disk, {free_bytes} are; make room and try again, or move the file away to begin an empty one"
    )]
    NoRoomToSave {
        /// The file, which is left as it is.
        path: PathBuf,
        /// What must be free, in bytes.
        needed_bytes: u64,
        /// What is, in bytes.
        free_bytes: u64,
    },
    /// Anything that SQLite reports.
    #[error("{what} the history {path}: {source}")]
    Sqlite {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Anything that the system reports.
    #[error("{what} the history {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl HistoryError {
    pub(crate) fn of(what: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        Self::Sqlite { what, path, source }
    }

    /// Why a file cannot be opened: SQLite does not say whether it is a matter of
    /// rights.
    pub(crate) fn of_opening(path: &Path, error: rusqlite::Error) -> Self {
        let what = "opening";
        if open::is_damage(&error) {
            let (path, source) = (path.to_owned(), error);
            return Self::Damaged { what, path, source };
        }
        match std::fs::File::open(path) {
            Err(source) => Self::Io {
                what,
                path: path.to_owned(),
                source,
            },
            Ok(_) => Self::of(what, path, error),
        }
    }
}
