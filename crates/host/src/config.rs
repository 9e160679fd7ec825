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

use crate::channels::Channels;
use crate::collectors::Collectors;
use crate::place::{Wrong, unplaced};
use crate::remote_write::{self, RemoteWrite};
use crate::routing::{self, Alerts, Inhibit, Quiet, Route};
use crate::thresholds::Thresholds;

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
    /// `[channels.NAME]`.
    pub channels: Channels,
    /// `[[route]]`, in their order.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
    /// `[[inhibit]]`.
    pub inhibit: Vec<Inhibit>,
    /// `[[quiet]]`.
    pub quiet: Vec<Quiet>,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[collectors]`.
    pub collectors: Collectors,
    /// Where this was read, and its text; nothing where there was no file.
    #[serde(skip)]
    source: Option<(PathBuf, String)>,
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

    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, DocumentError> {
        let show = |error: DocumentError| match error.line() {
            Some(line) if remote_write::may_have_secrets(text, line) => error.without_values(),
            _ => error,
        };
        let mut config: Self = document::parse(path, text).map_err(show)?;
        let wrong = |(span, message, help): Wrong| {
            show(DocumentError::at(path, text, span, message).with_help(help))
        };
        if let Some(secret) = config.channels.find_secret() {
            return Err(wrong(secret).without_text());
        }
        config.check().map_err(wrong)?;
        config.source = Some((path.to_owned(), text.to_owned()));
        Ok(config)
    }

    /// What is wrong with the threshold of `rule`, shown in its line: whether
    /// there is such a rule, and what fits it, is known only to whoever has the
    /// rules.
    pub fn threshold_error(&self, rule: &str, message: impl Into<String>) -> DocumentError {
        let Some((path, text)) = &self.source else {
            return DocumentError::whole(Path::new("the defaults"), message);
        };
        match self.thresholds.span(rule) {
            Some(span) => DocumentError::at(path, text, span, message),
            None => DocumentError::whole(path, message),
        }
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
        self.thresholds.check()?;
        remote_write::check(&self.remote_write)?;
        self.channels.check()?;
        routing::check(&self.routes, &self.inhibit, &self.quiet)?;
        routing::check_channels(&self.routes, &self.quiet, &self.channels.names())?;
        self.alerts.check()?;
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

#[cfg(test)]
mod tests;
