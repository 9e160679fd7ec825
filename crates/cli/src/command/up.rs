use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;

use clap::Args;
use lfs_wrapper_alert::channel::Channel;
use lfs_wrapper_alert::defaults::{AllThresholds, Thresholds, rules};
use lfs_wrapper_daemon::{CollectorSettings, ExecSettings, Monitor, Settings};
use lfs_wrapper_history::remote::{Credentials, RemoteWrite, Start};
use lfs_wrapper_history::{Limits, QueryLimits, parse_selector};
use lfs_wrapper_host::collectors::Collectors;
use lfs_wrapper_host::config::{Channels, Config, History, Levels, refuse_listen};
use lfs_wrapper_host::remote_write as host;
use lfs_wrapper_state::{Database, StateDir};
use tracing::level_filters::LevelFilter;

use super::Done;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::signals;
use crate::terminal::say;

/// Run the monitor: sample the machine, keep the history, alert, serve the page
///
/// It runs in the foreground until Ctrl-C or SIGTERM; a service runs just this.
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper up --listen 127.0.0.1:9723")]
pub(crate) struct Up {
    /// Where to serve the page and the API; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(session: &Session, up: &Up) -> Done {
    let stop = signals::catch()?;
    let (state_dir, database) = session.open()?;
    let monitor = start(session, state_dir, &database, up.listen)?;
    wait(&stop);
    monitor.stop();
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn wait(stop: &Receiver<()>) {
    // The sender lives as long as the program: nothing but a signal ends this.
    let _ = stop.recv();
}

/// Starts the monitor with what the configuration says, and tells where the
/// page is.
pub(crate) fn start(
    session: &Session,
    state_dir: StateDir,
    database: &Database,
    listen: Option<SocketAddr>,
) -> Result<Monitor, Failure> {
    start_logging(session);
    let (config, path) = load_config(session, database)?;
    let listen = listen.unwrap_or(*config.monitor.listen.get_ref());
    if let Some(why) = refuse_listen(listen) {
        let message = format!("listening on {listen}: not a loopback address; {why}");
        return Err(Failure::new(Kind::Usage, message));
    }
    tracing::info!("configuration: {}", path.display());
    let monitor = Monitor::start(Settings {
        state_dir,
        listen,
        interval: config.interval(),
        cpu_budget_ratio: config.monitor.cpu_budget_percent.get_ref() / 100.0,
        history: history(&config.history),
        remote_write: remote_writes(&config.remote_write)?,
        rules: rules(&thresholds(&config)),
        channels: channels(&config.channels),
        collectors: collectors(&config.collectors),
    })?;
    if !session.quiet {
        say(&format!("page: http://{}/", monitor.address()));
    }
    Ok(monitor)
}

pub(super) fn history(config: &History) -> Limits {
    const DAY_MSEC: i64 = 24 * 3600 * 1000;
    let keep = &config.keep_days;
    let days = [keep.samples, keep.ten_seconds, keep.minutes, keep.hours];
    Limits {
        bytes_max: *config.max_bytes.get_ref(),
        disk_free_min: config.min_free_bytes,
        kept_msec: days.map(|days| i64::from(days) * DAY_MSEC),
        ..Limits::default()
    }
}

fn remote_writes(configured: &[host::RemoteWrite]) -> Result<Vec<RemoteWrite>, Failure> {
    configured.iter().map(remote_write).collect()
}

fn remote_write(config: &host::RemoteWrite) -> Result<RemoteWrite, Failure> {
    let mut settings = RemoteWrite::new(config.name.get_ref(), config.url.get_ref());
    let pairs = |map: &BTreeMap<String, String>| map.clone().into_iter().collect();
    settings.headers = pairs(&config.headers);
    settings.external_labels = pairs(&config.external_labels);
    settings.ca_file.clone_from(&config.ca_file);
    settings.allow_plain_credentials = config.allow_plain_credentials;
    settings.start = match config.start.get_ref() {
        host::Start::Now => Start::Now,
        host::Start::Beginning => Start::Beginning,
    };
    settings.credentials = match (
        &config.bearer_token_file,
        &config.user,
        &config.password_file,
    ) {
        (Some(file), _, _) => Credentials::BearerFile(file.get_ref().clone()),
        (None, Some(user), Some(file)) => Credentials::Basic {
            user: user.get_ref().clone(),
            password_file: file.get_ref().clone(),
        },
        _ => Credentials::None,
    };
    for selector in &config.keep {
        let text = selector.get_ref();
        let matchers = parse_selector(text, &QueryLimits::default()).map_err(|error| {
            let name = config.name.get_ref();
            Failure::new(
                Kind::Config,
                format!("remote write '{name}': keep '{text}': {error}"),
            )
        })?;
        settings.keep.push(matchers);
    }
    Ok(settings)
}

fn load_config(
    session: &Session,
    database: &Database,
) -> Result<(Config, std::path::PathBuf), Failure> {
    let loaded = session.config();
    let outcome = match &loaded {
        Ok((_, path)) if path.exists() => format!("loaded from {}", path.display()),
        Ok(_) => "defaults: there is no configuration file".to_owned(),
        Err(_) => "refused".to_owned(),
    };
    session.audit(database, "config", "configuration load", &outcome)?;
    loaded
}

fn thresholds(config: &Config) -> AllThresholds {
    let defaults = AllThresholds::default();
    let given = &config.thresholds;
    AllThresholds {
        cpu: merge(&given.cpu, defaults.cpu),
        memory: merge(&given.memory, defaults.memory),
        disk: merge(&given.disk, defaults.disk),
        processes: merge(&given.processes, defaults.processes),
    }
}

/// What is given stands; of the defaults, those that still rise with it.
fn merge(given: &Levels, default: Thresholds) -> Thresholds {
    let Levels {
        warning,
        error,
        critical,
    } = given;
    let [warning, error, critical] =
        [warning, error, critical].map(|level| level.as_ref().map(|level| *level.get_ref()));
    let above = |low: Option<f64>, default: Option<f64>| {
        default.filter(|value| low.is_none_or(|low| *value > low))
    };
    let below = |high: Option<f64>, default: Option<f64>| {
        default.filter(|value| high.is_none_or(|high| *value < high))
    };
    let warning_level = warning.or(below(error.or(critical), default.warning));
    let error_level = error.or(below(critical, above(warning_level, default.error)));
    Thresholds {
        warning: warning_level,
        error: error_level,
        critical: critical.or(above(error_level.or(warning_level), default.critical)),
    }
}

fn channels(config: &Channels) -> Vec<Channel> {
    let console = config.console.enabled.then_some(Channel::Console);
    let default = Path::new("/dev/log");
    let path = match &config.syslog.path {
        Some(path) => Some(path.as_path()),
        // Without a syslog daemon nobody waits for messages.
        None => default.exists().then_some(default),
    };
    let syslog = path
        .filter(|_| config.syslog.enabled)
        .map(|path| Channel::Syslog {
            path: path.to_owned(),
        });
    console.into_iter().chain(syslog).collect()
}

pub(super) fn collectors(config: &Collectors) -> CollectorSettings {
    let exec = config.exec.iter().map(|exec| ExecSettings {
        name: exec.name.get_ref().clone(),
        command: exec.command.get_ref().clone(),
        interval: exec.interval(),
        timeout: exec.timeout(),
    });
    CollectorSettings {
        textfile: config.textfile.as_ref().map(|path| path.get_ref().clone()),
        exec: exec.collect(),
    }
}

fn start_logging(session: &Session) {
    let level = match (session.quiet, session.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(session.error_style().is_colored())
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(toml: &str) -> [Option<f64>; 3] {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, toml).unwrap();
        let cpu = thresholds(&Config::read(&path, true).unwrap()).cpu;
        [cpu.warning, cpu.error, cpu.critical]
    }

    #[test]
    fn given_thresholds_replace_defaults_and_the_rest_still_rises() {
        let table = [
            ("", [Some(70.0), Some(80.0), Some(90.0)]),
            (
                "[thresholds]\ncpu = { warning = 60 }",
                [Some(60.0), Some(80.0), Some(90.0)],
            ),
            (
                "[thresholds]\ncpu = { warning = 85 }",
                [Some(85.0), None, Some(90.0)],
            ),
            (
                "[thresholds]\ncpu = { critical = 75 }",
                [Some(70.0), None, Some(75.0)],
            ),
            (
                "[thresholds]\ncpu = { warning = 1, error = 2, critical = 3 }",
                [Some(1.0), Some(2.0), Some(3.0)],
            ),
        ];
        for (toml, expected) in table {
            assert_eq!(merged(toml), expected, "{toml}");
        }
    }
}
