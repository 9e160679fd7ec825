//! Opening kernel files, one buffer for all of them, and writing down what
//! could not be read.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use thiserror::Error;

use crate::field::{Row, Values};

/// No kernel file read here comes near this; a larger one is somebody's
/// mistake, not a reason to run out of memory.
const READ_MAX_BYTES: u64 = 4 << 20;

/// Something that a sample lacks, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {why}")]
pub struct Absent {
    /// The subject: `cpu`, `load`, `memory`, `vmstat`, `pressure`, `disk`,
    /// `filesystem`, `network`, `processes` or `build`.
    pub what: &'static str,
    /// The file, and what was wrong with it.
    pub why: String,
}

/// The one buffer and the list of what is missing, for one reader.
#[derive(Debug, Default)]
pub(crate) struct Source {
    buffer: Vec<u8>,
    absent: Vec<Absent>,
}

impl Source {
    /// Writes down that `what` lacks what `path` should have given.
    pub(crate) fn note(&mut self, what: &'static str, path: &Path, why: impl Display) {
        let why = format!("{}: {why}", path.display());
        self.absent.push(Absent { what, why });
    }

    /// What was written down since the last call.
    pub(crate) fn take_absent(&mut self) -> Vec<Absent> {
        std::mem::take(&mut self.absent)
    }

    /// The text of a file, valid until the next read.
    pub(crate) fn read_text(&mut self, path: &Path) -> io::Result<&[u8]> {
        self.buffer.clear();
        let file = File::open(path)?;
        let length = file
            .take(READ_MAX_BYTES + 1)
            .read_to_end(&mut self.buffer)?;
        if length as u64 > READ_MAX_BYTES {
            return Err(ErrorKind::FileTooLarge.into());
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
        match self.read_text(path) {
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

/// An error of the system in a few words.
pub(crate) fn render_error(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "not found".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::FileTooLarge => format!("larger than {READ_MAX_BYTES} bytes"),
        _ => error.to_string(),
    }
}
