//! The configuration file: what it may hold, what holds without it, and what
//! is wrong with one.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lfs_wrapper_model::document::{self, DocumentError};
use serde::Deserialize;
use toml::Spanned;

use crate::collectors::Collectors;
use crate::place::{Wrong, unplaced};
use crate::remote_write::{self, RemoteWrite};

/// Everything that can be configured. Each value has a default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[monitor]`.
    pub monitor: Monitor,
    /// `[history]`.
    pub history: History,
    /// `[[remote_write]]`.
    pub remote_write: Vec<RemoteWrite>,
    /// `[thresholds]`.
    pub thresholds: Thresholds,
    /// `[channels]`.
    pub channels: Channels,
    /// `[collectors]`.
    pub collectors: Collectors,
}

/// The monitor itself.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Monitor {
    /// Where HTTP is served; a loopback address.
    pub listen: Spanned<SocketAddr>,
    /// Time between two samples, 0.1 to 3600.
    pub interval_seconds: Spanned<f64>,
    /// What the monitor may use of one core, per cent, 0.1 to 100; above it, it
    /// looks less closely at processes.
    pub cpu_budget_percent: Spanned<f64>,
}

/// What was sampled.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// The file and its log never grow beyond this together; at least 32 MiB.
    pub max_bytes: Spanned<u64>,
    /// Nothing is written while less is free on its disk.
    pub min_free_bytes: u64,
    /// Days for which every sample is kept, and roll-ups of 10 s, 60 s and 1 h.
    pub keep_days: KeepDays,
}

/// How long each tier of the history is kept, in days.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeepDays {
    /// Every sample.
    pub samples: u32,
    /// What is kept of every 10 seconds.
    pub ten_seconds: u32,
    /// Of every minute.
    pub minutes: u32,
    /// Of every hour.
    pub hours: u32,
}

impl Default for KeepDays {
    fn default() -> Self {
        Self {
            samples: 14,
            ten_seconds: 14,
            minutes: 120,
            hours: 3650,
        }
    }
}

/// Thresholds of the default rules; what is left out keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// CPU that no supervised build causes, per cent.
    pub cpu: Levels,
    /// Memory that is not available, per cent.
    pub memory: Levels,
    /// Used share of each file system, per cent.
    pub disk: Levels,
    /// Processes that neither the kernel nor a supervised build started.
    pub processes: Levels,
}

/// Thresholds of one rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Levels {
    /// Enters WARNING above this.
    pub warning: Option<Spanned<f64>>,
    /// Enters ERROR above this.
    pub error: Option<Spanned<f64>>,
    /// Enters CRITICAL above this.
    pub critical: Option<Spanned<f64>>,
}

/// Where alerts go.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Channels {
    /// `[channels.console]`.
    pub console: Console,
    /// `[channels.syslog]`.
    pub syslog: Syslog,
}

/// The standard error of the monitor.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Whether alerts go there.
    pub enabled: bool,
}

/// The syslog daemon.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Syslog {
    /// Whether alerts go there.
    pub enabled: bool,
    /// Its socket. Without this, `/dev/log` where it exists.
    pub path: Option<PathBuf>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            listen: unplaced(SocketAddr::from(([127, 0, 0, 1], 9723))),
            interval_seconds: unplaced(1.0),
            cpu_budget_percent: unplaced(2.0),
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            max_bytes: unplaced(1024 * 1024 * 1024),
            min_free_bytes: 256 * 1024 * 1024,
            keep_days: KeepDays::default(),
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            enabled: true,
            path: None,
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading the configuration {path}: {source}; check the name given with --config")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file is wrong.
    #[error("reading the configuration {0}")]
    Document(#[from] DocumentError),
}

impl Config {
    /// Reads the file `path`. Where it need not be there, and is not, the
    /// defaults hold.
    pub fn read(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(path, &text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, DocumentError> {
        let show = |error: DocumentError| match error.line() {
            Some(line) if remote_write::may_have_secrets(text, line) => error.without_values(),
            _ => error,
        };
        let config: Self = document::parse(path, text).map_err(show)?;
        let wrong = |(span, message, help): Wrong| {
            show(DocumentError::at(path, text, span, message).with_help(help))
        };
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Wrong> {
        check_listen(&self.monitor.listen)?;
        let interval = &self.monitor.interval_seconds;
        if !(0.1..=3600.0).contains(interval.get_ref()) {
            return Err((
                interval.span(),
                format!("an interval of {} seconds", interval.get_ref()),
                "give 0.1 to 3600 seconds",
            ));
        }
        let budget = &self.monitor.cpu_budget_percent;
        if !(0.1..=100.0).contains(budget.get_ref()) {
            return Err((
                budget.span(),
                format!("a budget of {} per cent of a core", budget.get_ref()),
                "give 0.1 to 100 per cent",
            ));
        }
        if *self.history.max_bytes.get_ref() < 32 * 1024 * 1024 {
            return Err((
                self.history.max_bytes.span(),
                "too little for a history".to_owned(),
                "give at least 33554432 bytes",
            ));
        }
        let thresholds = &self.thresholds;
        check_levels(&thresholds.cpu, 100.0)?;
        check_levels(&thresholds.memory, 100.0)?;
        check_levels(&thresholds.disk, 100.0)?;
        check_levels(&thresholds.processes, f64::MAX)?;
        remote_write::check(&self.remote_write)?;
        self.collectors.check()
    }

    /// Time between two samples.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(*self.monitor.interval_seconds.get_ref())
    }
}

fn check_listen(listen: &Spanned<SocketAddr>) -> Result<(), Wrong> {
    refuse_listen(*listen.get_ref()).map_or(Ok(()), |help| {
        let message = format!("{} is not a loopback address", listen.get_ref());
        Err((listen.span(), message, help))
    })
}

/// Why the page is not served at `address`: whoever reaches it sees everything.
pub fn refuse_listen(address: SocketAddr) -> Option<&'static str> {
    (!address.ip().is_loopback()).then_some(
        "this version serves without a password, so only to this machine: give an address \
         like 127.0.0.1:9723, and reach it from elsewhere through an SSH tunnel",
    )
}

fn check_levels(levels: &Levels, max: f64) -> Result<(), Wrong> {
    let given = [&levels.warning, &levels.error, &levels.critical];
    let given: Vec<&Spanned<f64>> = given.into_iter().flatten().collect();
    for level in &given {
        if !(0.0..=max).contains(level.get_ref()) {
            return Err((
                level.span(),
                format!("a threshold of {}", level.get_ref()),
                "give a share from 0 to 100, or a count",
            ));
        }
    }
    match given
        .windows(2)
        .find(|pair| pair[0].get_ref() >= pair[1].get_ref())
    {
        Some(pair) => Err((
            pair[1].span(),
            format!(
                "{} is not above {}, the threshold of a lower severity",
                pair[1].get_ref(),
                pair[0].get_ref()
            ),
            "thresholds rise from warning to error to critical",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
