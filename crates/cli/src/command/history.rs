use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use lfs_wrapper_history::{History as Writer, Limits, Reader};

use super::{Done, up};
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::terminal::say;

mod compact;
pub(super) mod events;
mod export;
mod import;
mod info;

/// What was sampled: take it in, put it out, look at what it takes
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:  lfs-wrapper history info")]
pub(crate) enum History {
    Import(import::Import),
    Export(export::Export),
    Info(info::Info),
    Compact(compact::Compact),
    Events(events::Events),
}

pub(crate) fn run(session: &Session, command: &History) -> Done {
    match command {
        History::Import(arguments) => import::run(session, arguments),
        History::Export(arguments) => export::run(session, arguments),
        History::Info(arguments) => info::run(session, arguments),
        History::Compact(arguments) => compact::run(session, arguments),
        History::Events(arguments) => events::run(session, arguments),
    }
}

/// The history's file, which must be there.
fn find(session: &Session) -> Result<PathBuf, Failure> {
    let path = session.state_path()?.join("history.db");
    let is_there = path.try_exists().map_err(|error| {
        Failure::io(
            format!("looking for the history {}", path.display()),
            &error,
        )
    })?;
    let has_bytes = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    // A file without a byte is one that nothing has been written to yet.
    if is_there && (has_bytes(&path) || has_bytes(&path.with_extension("db-wal"))) {
        return Ok(path);
    }
    let message = format!(
        "looking for the history {}: there is none yet; start the monitor with \
         'lfs-wrapper up', or take one in with 'lfs-wrapper history import FILE'",
        path.display()
    );
    Err(Failure::new(Kind::NotFound, message))
}

/// Reads the history, whoever writes it.
pub(super) fn open_reader(session: &Session) -> Result<Reader, Failure> {
    Ok(Reader::open(&find(session)?)?)
}

/// What the configuration says.
fn limits(session: &Session) -> Result<Limits, Failure> {
    Ok(up::history(&session.config()?.0.history))
}

/// Opens the history for writing, which the monitor must not do meanwhile.
fn open_writer(session: &Session) -> Result<Writer, Failure> {
    let path = session.state_dir()?.root().join("history.db");
    let (history, notes) = Writer::open(&path, limits(session)?)?;
    for note in notes {
        say(&format!("note: {note}"));
    }
    Ok(history)
}
