//! Opening kernel files, one buffer for all of them, and writing down what
//! could not be read.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use thiserror::Error;

use crate::field::{Row, Values};

/// The largest kernel file read here, `/proc/schedstat` of 4,096 processors, has
/// 24 MB; a larger one is somebody's mistake, not a reason to run out of memory.
const READ_MAX_BYTES: u64 = 32 << 20;

/// Something that a sample lacks, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {why}")]
pub struct Absent {
    /// The subject: `cpu`, `load`, `memory`, `vmstat`, `pressure`, `disk`,
    /// `filesystem`, `network`, `processes`, `build` or `slow`.
    pub what: &'static str,
    /// The file, and what was wrong with it.
    pub why: String,
}

/// Files of the system that stay open, so that reading one again takes no
/// open(2) and close(2).
const KEPT_MAX: usize = 64;

/// What a read asks for at once; most kernel files are smaller.
const CHUNK_BYTES: usize = 16 << 10;

/// The one buffer, the files kept open, and the list of what is missing, for
/// one reader.
#[derive(Debug, Default)]
pub(crate) struct Source {
    buffer: Vec<u8>,
    kept: HashMap<PathBuf, File>,
    absent: Vec<Absent>,
}

impl Source {
    /// Writes down that `what` lacks what `path` should have given.
    pub(crate) fn note(&mut self, what: &'static str, path: &Path, why: impl Display) {
        let why = format!("{}: {why}", path.display());
        self.absent.push(Absent { what, why });
    }

    /// Takes over what another reader wrote down.
    pub(crate) fn extend_absent(&mut self, absent: Vec<Absent>) {
        self.absent.extend(absent);
    }

    /// What was written down since the last call.
    pub(crate) fn take_absent(&mut self) -> Vec<Absent> {
        std::mem::take(&mut self.absent)
    }

    /// The text of a file that comes and goes, or is read seldom; valid until
    /// the next read.
    pub(crate) fn read_text(&mut self, path: &Path) -> io::Result<&[u8]> {
        read_whole(&File::open(path)?, &mut self.buffer)?;
        Ok(&self.buffer)
    }

    /// The text of a file of the system, which is kept open; valid until the
    /// next read.
    pub(crate) fn read_kept(&mut self, path: &Path) -> io::Result<&[u8]> {
        if let Some(file) = self.kept.get(path) {
            if read_whole(file, &mut self.buffer).is_ok() {
                return Ok(&self.buffer);
            }
            // Its device or mount may have gone and come back.
            self.kept.remove(path);
        }
        let file = File::open(path)?;
        read_whole(&file, &mut self.buffer)?;
        if self.kept.len() < KEPT_MAX {
            self.kept.insert(path.to_owned(), file);
        }
        Ok(&self.buffer)
    }

    /// What a file says, or a note why it says nothing.
    pub(crate) fn read_parsed<T>(
        &mut self,
        what: &'static str,
        path: &Path,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> Option<T> {
        match self.read_kept(path) {
            Ok(text) => Some(parse(text)),
            Err(error) => {
                self.note(what, path, render_error(&error));
                None
            }
        }
    }

    /// The numbers of a file, with a note for each one that is not there.
    pub(crate) fn read_values<V: Values>(
        &mut self,
        what: &'static str,
        path: &Path,
        parse: impl FnOnce(&[u8]) -> V,
    ) -> V {
        let Some(values) = self.read_parsed(what, path, parse) else {
            return V::default();
        };
        self.note_missing(what, path, &values);
        values
    }

    /// A note for each number that a readable file lacked.
    pub(crate) fn note_missing<V: Values>(&mut self, what: &'static str, path: &Path, values: &V) {
        for key in values.missing() {
            self.note(what, path, format_args!("no {key}"));
        }
    }

    /// One note for all lines that lacked a column: a garbled file can have
    /// thousands.
    pub(crate) fn note_incomplete<R: Row>(&mut self, what: &'static str, path: &Path, rows: &[R]) {
        let mut incomplete = rows.iter().filter(|row| !row.values().missing().is_empty());
        let Some(first) = incomplete.next() else {
            return;
        };
        let count = 1 + incomplete.count();
        let name = first.labels().into_iter().next().map(|(_, name)| name);
        let name = name.unwrap_or_default();
        self.note(
            what,
            path,
            format_args!("{count} incomplete line(s), the first is {name:?}"),
        );
    }
}

/// Reads a file from its beginning, wherever it was read to before. The
/// kernel hands out a long file in pieces, so only a read of nothing is its end.
fn read_whole(file: &File, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    loop {
        buffer.reserve(CHUNK_BYTES);
        let offset = buffer.len() as u64;
        match pread(file, spare_capacity(buffer), offset) {
            Ok(0) => return Ok(()),
            Ok(_) if buffer.len() as u64 > READ_MAX_BYTES => {
                return Err(ErrorKind::FileTooLarge.into());
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// An error of the system in a few words.
pub(crate) fn render_error(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "not found".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::FileTooLarge => format!("larger than {READ_MAX_BYTES} bytes"),
        _ => error.to_string(),
    }
}
