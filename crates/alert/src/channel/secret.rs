//! Passwords and the like: where they are, never what they are.

use std::env::{self, VarError};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::OFlags;

/// No secret is longer, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// What others than owner and group may do with a file.
const OTHERS: u32 = 0o007;

/// Where a secret is. It is read each time that it is used, so that a new one
/// holds at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A file that others can neither read nor write; an end of line after the
    /// secret does not count.
    File(PathBuf),
    /// A variable in the monitor's environment.
    Env(String),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("reading the secret in {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Somebody else can know it.
    #[error(
        "the secret in {path} can be read or written by everybody (mode {mode:03o}); \
         run 'chmod o= {path}'"
    )]
    Public {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The variable is not there.
    #[error("the environment variable {0} with a secret is not set for the monitor")]
    Unset(String),
    /// It is none.
    #[error("the secret in {place} {what}")]
    Content {
        /// The file or the variable.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A secret in memory. It is shown nowhere.
#[derive(Clone)]
pub(super) struct Known(String);

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(…)")
    }
}

impl Known {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the secret, since receivers may repeat what they got.
    pub(super) fn hide_in(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&self.0, "…")
    }
}

impl Secret {
    pub(super) fn read(&self) -> Result<Known, SecretError> {
        let (text, place) = match self {
            Self::File(path) => (read_file(path)?, path.display().to_string()),
            Self::Env(name) => (read_variable(name)?, format!("${name}")),
        };
        let text = text.trim_end_matches(['\r', '\n']);
        let what = if text.is_empty() {
            "is empty"
        } else if text.contains(char::is_control) {
            "has a control character in it"
        } else {
            return Ok(Known(text.to_owned()));
        };
        Err(SecretError::Content { place, what })
    }
}

fn read_variable(name: &str) -> Result<String, SecretError> {
    env::var(name).map_err(|error| match error {
        VarError::NotPresent => SecretError::Unset(name.to_owned()),
        VarError::NotUnicode(_) => SecretError::Content {
            place: format!("${name}"),
            what: "is not UTF-8",
        },
    })
}

fn read_file(path: &std::path::Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let wrong = |what| SecretError::Content {
        place: path.display().to_string(),
        what,
    };
    // A pipe without a writer must not hold up the other channels.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags);
    let file = options.open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(wrong("is not in a regular file"));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(SecretError::Public {
            path: path.to_owned(),
            mode: metadata.mode() & 0o777,
        });
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(wrong("is longer than 64 KiB"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))
}
