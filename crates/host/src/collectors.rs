//! `[collectors]`: what else is shown beside what the monitor reads itself.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::place::{Wrong, unplaced};

/// Each is a process that runs again and again.
const EXEC_MAX: usize = 32;

const NAME_CHARACTERS_MAX: usize = 40;

/// A time limit that is not given, where the interval is long enough for it.
const TIMEOUT_SECONDS: f64 = 10.0;

/// Where metrics come from that the monitor does not read itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Collectors {
    /// The folder whose `*.prom` files are shown.
    pub textfile: Option<Spanned<PathBuf>>,
    /// `[[collectors.exec]]`: programs that print metrics.
    pub exec: Vec<Exec>,
}

/// A program that prints metrics.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// 1 to 40 of a-z, 0-9, `_` and `-`; no two have the same.
    pub name: Spanned<String>,
    /// The program's absolute path and its arguments.
    pub command: Spanned<Vec<String>>,
    /// Time from one start to the next, 5 to 86400.
    #[serde(default = "default_interval")]
    pub interval_seconds: Spanned<f64>,
    /// Ended after this, at least 0.1 and below the interval. Without it 10,
    /// or half the interval where that is less.
    pub timeout_seconds: Option<Spanned<f64>>,
}

fn default_interval() -> Spanned<f64> {
    unplaced(60.0)
}

impl Exec {
    /// Time from one start to the next.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(*self.interval_seconds.get_ref())
    }

    /// How long one run may take.
    pub fn timeout(&self) -> Duration {
        let given = self.timeout_seconds.as_ref().map(Spanned::get_ref);
        let half = *self.interval_seconds.get_ref() / 2.0;
        Duration::from_secs_f64(given.copied().unwrap_or(TIMEOUT_SECONDS.min(half)))
    }

    fn check(&self) -> Result<(), Wrong> {
        check_name(&self.name)?;
        match self.command.get_ref().first() {
            Some(program) => check_absolute(Path::new(program), &self.command)?,
            None => {
                let help = "give a program's absolute path, and its arguments";
                return Err((self.command.span(), "no program".to_owned(), help));
            }
        }
        let interval = &self.interval_seconds;
        if !(5.0..=86_400.0).contains(interval.get_ref()) {
            return Err((
                interval.span(),
                format!("an interval of {} seconds", interval.get_ref()),
                "give 5 to 86400 seconds",
            ));
        }
        match &self.timeout_seconds {
            Some(timeout) if !(0.1..*interval.get_ref()).contains(timeout.get_ref()) => Err((
                timeout.span(),
                format!("a time limit of {} seconds", timeout.get_ref()),
                "give at least 0.1 seconds, and a time below the interval",
            )),
            _ => Ok(()),
        }
    }
}

impl Collectors {
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        if let Some(folder) = &self.textfile {
            check_absolute(folder.get_ref(), folder)?;
        }
        let mut names = HashSet::new();
        for (index, exec) in self.exec.iter().enumerate() {
            let name = exec.name.get_ref();
            if index == EXEC_MAX {
                let message = format!("more than {EXEC_MAX} collectors");
                return Err((
                    exec.name.span(),
                    message,
                    "let one program print more metrics",
                ));
            }
            exec.check()?;
            if !names.insert(name) {
                let message = format!("a second collector '{name}'");
                return Err((exec.name.span(), message, "give each a name of its own"));
            }
        }
        Ok(())
    }
}

fn check_name(name: &Spanned<String>) -> Result<(), Wrong> {
    let text = name.get_ref();
    let is_part = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if (1..=NAME_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(is_part) {
        return Ok(());
    }
    Err((
        name.span(),
        format!("'{text}' is no name for a collector"),
        "give 1 to 40 characters of a-z, 0-9, _ and -",
    ))
}

/// The monitor's current folder is nobody's business.
fn check_absolute<T>(path: &Path, place: &Spanned<T>) -> Result<(), Wrong> {
    if path.is_absolute() {
        return Ok(());
    }
    let message = format!("{} is not an absolute path", path.display());
    Err((place.span(), message, "let it begin with /"))
}
