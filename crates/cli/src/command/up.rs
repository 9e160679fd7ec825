use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;

use clap::Args;
use lfs_wrapper_daemon::{Alerting, CollectorSettings, ExecSettings, Monitor, Settings};
use lfs_wrapper_history::remote::{Credentials, RemoteWrite, Start};
use lfs_wrapper_history::{Limits, QueryLimits, parse_selector};
use lfs_wrapper_host::collectors::Collectors;
use lfs_wrapper_host::config::{Config, History, refuse_listen};
use lfs_wrapper_host::remote_write as host;
use lfs_wrapper_state::{Database, StateDir};
use tracing::level_filters::LevelFilter;

use super::Done;
use crate::alerting;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::signals::{self, Asked};
use crate::terminal::say;

/// Run the monitor: sample the machine, keep the history, alert, serve the page
///
/// It runs in the foreground until Ctrl-C or SIGTERM; a service runs just this. SIGHUP makes
/// a service read its rules, channels and routes again; where something is wrong with them,
/// those from before stay, and an alert says so.
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper up --listen 127.0.0.1:9723")]
pub(crate) struct Up {
    /// Where to serve the page and the API; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(session: &Session, up: &Up) -> Done {
    let asked = signals::catch_for_service()?;
    let (state_dir, database) = session.open()?;
    let monitor = start(session, state_dir, &database, up.listen)?;
    let reloader = monitor.reloader();
    // The sender lives as long as the program: nothing but a signal ends this.
    while asked.recv() == Ok(Asked::Reload) {
        match load_config(session, &database).and_then(|(config, path)| alerting(&config, &path)) {
            Ok(alerting) => reloader.take(alerting),
            Err(error) => reloader.refuse(error.message().to_owned()),
        }
    }
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
        alerting: alerting(&config, &path)?,
        collectors: collectors(&config.collectors),
    })?;
    if !session.quiet {
        say(&format!("page: http://{}/", monitor.address()));
    }
    Ok(monitor)
}

/// What is looked for, and who is told.
fn alerting(config: &Config, path: &Path) -> Result<Alerting, Failure> {
    let loaded = alerting::load_rules(config, path)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let channels = alerting::channels(config)?;
    Ok(Alerting {
        rules: loaded.rules,
        routing: alerting::routing(config, &channels)?,
        channels,
        keep: alerting::keep(config),
    })
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
