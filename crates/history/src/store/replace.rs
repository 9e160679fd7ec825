//! Another file in the place of a damaged one.
//!
//! What can be read is copied into `history.db.saving` while the damaged file
//! stays where it is. When that is whole it is named `history.db.saved`, and only
//! then do the two change places: after a crash or on a full disk it is done again,
//! or brought to its end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::sqlite::{self, OpenError};
use rusqlite::Connection;

use super::limits::Limits;
use super::open::with_suffix;
use super::salvage::Saved;
use super::{HistoryError, retain, salvage, schema};

/// Damaged files that are kept, the newest ones.
const DAMAGED_KEPT_MAX: usize = 2;

/// What belongs to a database. Its log goes before another database comes.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// Copies what can be read of a damaged file, keeps that file aside and puts the
/// copy in its place; says what was done.
pub(crate) fn replace(path: &Path, limits: &Limits) -> Result<String, HistoryError> {
    forget_older(path, DAMAGED_KEPT_MAX - 1);
    check_room(path, limits)?;
    let saving = with_suffix(path, ".saving");
    let saved = save(path, &saving, limits);
    if saved.is_err() {
        remove(&saving);
    }
    let saved = saved?;
    let end = || -> io::Result<Option<PathBuf>> {
        File::open(&saving)?.sync_all()?;
        fs::rename(&saving, with_suffix(path, ".saved"))?;
        finish(path)
    };
    let kept = end().map_err(|source| HistoryError::Io {
        what: "keeping the damaged file aside of",
        path: path.to_owned(),
        source,
    })?;
    Ok(format!(
        "the history {} is damaged; it was kept as {}, and {saved}",
        path.display(),
        kept.unwrap_or_default().display()
    ))
}

/// Puts a copy that is whole in the place of the damaged file, where that was not
/// brought to its end; says where the damaged file is now.
pub(crate) fn finish(path: &Path) -> io::Result<Option<PathBuf>> {
    let saved = with_suffix(path, ".saved");
    if !saved.exists() {
        return Ok(None);
    }
    let mark = format!(".damaged-{}", now_msec());
    for part in PARTS {
        let moved = fs::rename(
            with_suffix(path, part),
            with_suffix(path, &format!("{mark}{part}")),
        );
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&saved, path)?;
    if let Some(folder) = path.parent() {
        // Without a name nothing is there after a power cut.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(Some(with_suffix(path, &mark)))
}

/// There must be room for both files at once, or the disk is full in the midst
/// of it.
fn check_room(path: &Path, limits: &Limits) -> Result<(), HistoryError> {
    let length = |part: &str| fs::metadata(with_suffix(path, part)).map_or(0, |found| found.len());
    let file = length("") + length("-wal");
    let needed = retain::disk_free_min(limits)
        .saturating_add(file)
        .saturating_add(file.min(2 * salvage::BATCH_BYTES));
    match retain::disk_free(path) {
        Some(free) if free < needed => Err(HistoryError::NoRoomToSave {
            path: path.to_owned(),
            needed_bytes: needed,
            free_bytes: free,
        }),
        _ => Ok(()),
    }
}

fn save(path: &Path, saving: &Path, limits: &Limits) -> Result<Saved, HistoryError> {
    remove(saving);
    let fail = |source| HistoryError::of("taking over what can be read of", path, source);
    let to = begin(saving, limits).map_err(fail)?;
    let saved = salvage::copy(path, &to, saving, limits).map_err(fail)?;
    sqlite::checkpoint(&to).map_err(fail)?;
    to.close().map_err(|(_, source)| fail(source))?;
    Ok(saved)
}

fn begin(saving: &Path, limits: &Limits) -> rusqlite::Result<Connection> {
    let to = sqlite::open_large(saving, schema::APPLICATION_ID).map_err(|error| match error {
        OpenError::Damaged(error) | OpenError::Sqlite(error) => error,
        OpenError::Foreign => rusqlite::Error::InvalidPath(saving.to_owned()),
    })?;
    schema::create(&to)?;
    retain::set_cap(&to, limits)?;
    Ok(to)
}

fn remove(path: &Path) {
    for part in PARTS {
        let _ = fs::remove_file(with_suffix(path, part));
    }
}

/// Deletes the oldest of the damaged files that were kept, but for so many.
fn forget_older(path: &Path, kept: usize) {
    let damaged = find_damaged(path);
    let older = damaged.len().saturating_sub(kept);
    for time in damaged.into_iter().take(older) {
        remove(&with_suffix(path, &format!(".damaged-{time}")));
    }
}

/// When each of the damaged files was put aside.
fn find_damaged(path: &Path) -> BTreeSet<u64> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return BTreeSet::new();
    };
    let start = format!("{}.damaged-", name.to_string_lossy());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let times = entries.filter_map(|entry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix(&start)?;
        rest.split('-').next()?.parse().ok()
    });
    times.collect()
}
