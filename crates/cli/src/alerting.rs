//! From the configuration to rules, channels and routes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Weekday;
use lfs_wrapper_alert::channel::{
    Address, Alertmanager, Auth, Body, Channel, Console, Email, Exec, Http, Journald,
    Kind as ChannelKind, Method, Secret, SmtpTls, Syslog, SyslogTransport, TIMEOUT, Webhook,
};
use lfs_wrapper_alert::defaults::{self, Thresholds, apply_thresholds};
use lfs_wrapper_alert::route::{Flapping, GroupBy, Inhibition, Quiet, Route, Routing};
use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_alert::rules::{Rules, read_rules_file, read_rules_folder};
use lfs_wrapper_alert::store::Keep;
use lfs_wrapper_daemon::rulebook::PromQl;
use lfs_wrapper_host::channels as host;
use lfs_wrapper_host::config::Config;
use lfs_wrapper_host::routing;
use lfs_wrapper_host::thresholds::Levels;
use lfs_wrapper_model::Matcher;

use crate::failure::{Failure, Kind};
use crate::terminal::say;

/// The folder of rules, beside the configuration.
const RULES_FOLDER: &str = "rules.d";

/// Changes of alerts that are kept.
const TRANSITIONS_MAX: u32 = 100_000;

const DAY_MSEC: i64 = 24 * 60 * 60 * 1000;

const DEV_LOG: &str = "/dev/log";

/// An Alertmanager hears of an alert so many times within the time after which
/// it would believe that it is over.
const TOLD_PER_KEEP: i64 = 3;

/// The rules that come with the program.
fn built_in_rules() -> Result<Vec<Rule>, Failure> {
    defaults::built_in(&PromQl).map_err(|error| Failure::new(Kind::Config, error.to_string()))
}

/// The rules that a command was given: a file, or `default` for those that come
/// with the program. Warnings are shown.
pub(crate) fn given_rules(path: &Path) -> Result<Vec<Rule>, Failure> {
    if path.to_str() == Some("default") {
        return built_in_rules();
    }
    let read = read_rules_file(path, &PromQl).map_err(|error| {
        let kind = match error.is_not_found() {
            true => Kind::NotFound,
            false => Kind::Config,
        };
        Failure::new(kind, error.to_string())
    })?;
    for warning in &read.warnings {
        say(&format!("warning: {warning}"));
    }
    Ok(read.rules)
}

/// The rules that hold: built in, from rules.d beside the configuration `path`,
/// with its thresholds.
pub(crate) fn load_rules(config: &Config, path: &Path) -> Result<Rules, Failure> {
    let folder = path.with_file_name(RULES_FOLDER);
    let rules = read_rules_folder(&folder, built_in_rules()?, &PromQl);
    let mut rules = rules.map_err(|error| Failure::new(Kind::Config, error.to_string()))?;
    let overrides: BTreeMap<String, Thresholds> = config
        .thresholds
        .iter()
        .map(|(name, levels)| (name.to_owned(), thresholds(levels)))
        .collect();
    apply_thresholds(&mut rules.rules, &overrides).map_err(|error| {
        let error = config.threshold_error(error.rule(), error.to_string());
        Failure::new(Kind::Config, format!("reading the configuration {error}"))
    })?;
    Ok(rules)
}

fn thresholds(levels: &Levels) -> Thresholds {
    let [info, warning, error, critical, emergency] = levels.values();
    Thresholds {
        info,
        warning,
        error,
        critical,
        emergency,
        for_msec: levels.lasting.map(|wait| wait.msec),
        hold_msec: levels.hold.map(|wait| wait.msec),
        enabled: levels.enabled,
    }
}

/// How long the history of alerts is kept.
pub(crate) fn keep(config: &Config) -> Keep {
    Keep {
        age_msec: i64::from(*config.alerts.keep_days.get_ref()) * DAY_MSEC,
        transitions: TRANSITIONS_MAX,
    }
}

/// The channels: those configured, and without that the console and, where there
/// is one, the syslog daemon.
pub(crate) fn channels(config: &Config) -> Result<Vec<Channel>, Failure> {
    let mut kinds: Vec<(String, ChannelKind)> = Vec::new();
    if config.channels.find("console").is_none() {
        let console = console(None, TIMEOUT);
        kinds.push(("console".to_owned(), ChannelKind::Console(console)));
    }
    if config.channels.find("syslog").is_none() {
        kinds.extend(
            syslog(&host::Transport::Unix(None), TIMEOUT).map(|kind| ("syslog".to_owned(), kind)),
        );
    }
    for channel in config.channels.list() {
        if channel.is_enabled
            && let Some(kind) = channel_kind(&channel)?
        {
            kinds.push((channel.name, kind));
        }
    }
    let ready = kinds
        .into_iter()
        .map(|(name, kind)| Channel::new(&name, kind));
    let ready: Result<Vec<Channel>, _> = ready.collect();
    ready.map_err(|error| Failure::new(Kind::Config, error.to_string()))
}

fn console(wall: Option<lfs_wrapper_model::Severity>, timeout: Duration) -> Console {
    Console {
        wall,
        timeout,
        ..Console::default()
    }
}

/// Without a syslog daemon, nobody waits for messages.
fn syslog(transport: &host::Transport, timeout: Duration) -> Option<ChannelKind> {
    let transport = match transport {
        host::Transport::Unix(Some(path)) => SyslogTransport::Unix(path.clone()),
        host::Transport::Unix(None) => {
            let default = PathBuf::from(DEV_LOG);
            SyslogTransport::Unix(default.exists().then_some(default)?)
        }
        host::Transport::Udp(address) => SyslogTransport::Udp(address.clone()),
        host::Transport::Tcp(address) => SyslogTransport::Tcp(address.clone()),
        host::Transport::Tls(address, ca_file) => SyslogTransport::Tls {
            address: address.clone(),
            ca_file: ca_file.clone(),
        },
    };
    Some(ChannelKind::Syslog(Syslog { transport, timeout }))
}

fn channel_kind(channel: &host::Channel) -> Result<Option<ChannelKind>, Failure> {
    Ok(Some(match &channel.kind {
        host::Kind::Console { wall, timeout } => ChannelKind::Console(console(*wall, *timeout)),
        host::Kind::Syslog { transport, timeout } => return Ok(syslog(transport, *timeout)),
        host::Kind::Journald { path } => {
            let mut journald = Journald::default();
            if let Some(path) = path {
                journald.path.clone_from(path);
            }
            ChannelKind::Journald(journald)
        }
        host::Kind::Email(email) => ChannelKind::Email(self::email(email)),
        host::Kind::Webhook(webhook) => {
            ChannelKind::Webhook(self::webhook(&channel.name, webhook)?)
        }
        host::Kind::Alertmanager {
            http,
            keep,
            external_url,
        } => ChannelKind::Alertmanager(Alertmanager {
            http: self::http(http),
            keep: *keep,
            external_url: external_url.clone(),
        }),
        host::Kind::Exec { command, timeout } => ChannelKind::Exec(Exec {
            command: command.clone(),
            timeout: *timeout,
        }),
        host::Kind::Dashboard => ChannelKind::Dashboard,
    }))
}

fn email(email: &host::Email) -> Email {
    let login = email.login.as_ref();
    Email {
        host: email.host.clone(),
        port: email.port,
        tls: match email.tls {
            host::Tls::None => SmtpTls::None,
            host::Tls::StartTls => SmtpTls::StartTls,
            host::Tls::Tls => SmtpTls::Tls,
        },
        ca_file: email.ca_file.clone(),
        login: login.map(|(user, password)| (user.clone(), secret(password))),
        allow_plain_credentials: email.allow_plain_credentials,
        from: email.from.clone(),
        to: email.to.clone(),
        timeout: email.timeout,
    }
}

fn webhook(name: &str, webhook: &host::Webhook) -> Result<Webhook, Failure> {
    let body = match &webhook.body {
        host::Body::Alertmanager => Body::Alertmanager,
        host::Body::BuiltIn(name) => Body::BuiltIn(name.clone()),
        host::Body::Text(text) => Body::Template(text.clone()),
        host::Body::File(path) => Body::Template(fs::read_to_string(path).map_err(|error| {
            let what = format!("channel '{name}': reading the template {}", path.display());
            Failure::new(
                Kind::Config,
                format!("{what}: {error}; check template_file"),
            )
        })?),
    };
    Ok(Webhook {
        http: http(&webhook.http),
        method: webhook.method.as_deref().map(|method| match method {
            "PUT" => Method::Put,
            _ => Method::Post,
        }),
        body,
        content_type: webhook.content_type.clone(),
        options: webhook.options.clone(),
        signature: webhook.signature.as_ref().map(secret),
        external_url: webhook.external_url.clone(),
    })
}

fn http(http: &host::Http) -> Http {
    let secrets = http.secret_headers.iter();
    Http {
        url: match &http.url {
            host::Address::Text(url) => Address::Text(url.clone()),
            host::Address::Secret(url) => Address::Secret(secret(url)),
        },
        auth: match &http.auth {
            host::Auth::None => Auth::None,
            host::Auth::Bearer(token) => Auth::Bearer(secret(token)),
            host::Auth::Basic { user, password } => Auth::Basic {
                user: user.clone(),
                password: secret(password),
            },
        },
        headers: http.headers.clone(),
        secret_headers: secrets
            .map(|(name, value)| (name.clone(), secret(value)))
            .collect(),
        ca_file: http.ca_file.clone(),
        allow_plain_credentials: http.allow_plain_credentials,
        timeout: http.timeout,
    }
}

fn secret(secret: &host::Secret) -> Secret {
    match secret {
        host::Secret::File(path) => Secret::File(path.clone()),
        host::Secret::Env(name) => Secret::Env(name.clone()),
    }
}

/// Who is told what over these channels.
pub(crate) fn routing(config: &Config, channels: &[Channel]) -> Result<Routing, Failure> {
    let names: Vec<String> = channels.iter().map(|one| one.name().to_owned()).collect();
    let mut routing = Routing::new(names.clone());
    let keeps = mirrors(config);
    if config.routes.is_empty() {
        let all = Route {
            channels: names,
            ..Route::default()
        };
        routing.routes = split(all, &keeps);
    }
    for one in &config.routes {
        routing.routes.extend(split(route(one)?, &keeps));
    }
    for one in &config.inhibit {
        routing.inhibitions.push(Inhibition {
            source: conditions(one.source.get_ref())?,
            target: conditions(one.target.get_ref())?,
            equal: one.equal.clone(),
        });
    }
    for one in &config.quiet {
        routing.quiet.push(Quiet {
            from_minute: one.from.0,
            to_minute: one.to.0,
            days: one.days.iter().copied().map(weekday).collect(),
            matchers: conditions(&one.matchers)?,
            except: one.except,
            channels: one
                .channels
                .iter()
                .map(|name| name.get_ref().clone())
                .collect(),
        });
    }
    let flapping = &config.alerts.flapping;
    routing.flapping = Flapping {
        count: flapping.count,
        window_msec: flapping.window.get_ref().0,
        steady_msec: flapping.steady.0,
    };
    Ok(routing)
}

/// Alertmanagers, by name, and how long each keeps an alert.
fn mirrors(config: &Config) -> BTreeMap<String, i64> {
    let channels = config.channels.list().into_iter();
    let keep = |channel: host::Channel| match channel.kind {
        host::Kind::Alertmanager { keep, .. } => Some((
            channel.name,
            i64::try_from(keep.as_millis()).unwrap_or(i64::MAX),
        )),
        _ => None,
    };
    channels.filter_map(keep).collect()
}

/// A route as it is for people, and one for each Alertmanager among its channels:
/// that forgets what it does not hear of again, and sends and repeats by itself.
fn split(route: Route, keeps: &BTreeMap<String, i64>) -> Vec<Route> {
    let (mirrors, people): (Vec<String>, Vec<String>) = route
        .channels
        .iter()
        .cloned()
        .partition(|name| keeps.contains_key(name));
    let mut routes: Vec<Route> = mirrors
        .into_iter()
        .map(|name| Route {
            group_by: GroupBy::Alert,
            wait_msec: 0,
            interval_msec: 0,
            repeat_msec: Some(keeps[&name] / TOLD_PER_KEEP),
            is_continued: true,
            is_mirror: true,
            channels: vec![name],
            ..route.clone()
        })
        .collect();
    routes.push(Route {
        channels: people,
        ..route
    });
    routes
}

fn route(route: &routing::Route) -> Result<Route, Failure> {
    let channels = route.channels.get_ref().iter();
    Ok(Route {
        matchers: conditions(&route.matchers)?,
        channels: channels.map(|name| name.get_ref().clone()).collect(),
        group_by: match &route.group_by {
            None => GroupBy::Rule,
            Some(names) if *names.get_ref() == ["..."] => GroupBy::Alert,
            Some(names) => GroupBy::Labels(names.get_ref().clone()),
        },
        wait_msec: route.wait.get_ref().0,
        interval_msec: route.interval.get_ref().0,
        repeat_msec: route.repeat.get_ref().0.map(|repeat| repeat.0),
        send_resolved: route.resolved,
        is_continued: route.is_continued,
        is_mirror: false,
    })
}

fn conditions(conditions: &[routing::Condition]) -> Result<Vec<Matcher>, Failure> {
    // They were tried when the configuration was read.
    routing::parse_conditions(conditions)
        .map_err(|error| Failure::new(Kind::Config, error.to_string()))
}

fn weekday(day: routing::Day) -> Weekday {
    match day {
        routing::Day::Mon => Weekday::Monday,
        routing::Day::Tue => Weekday::Tuesday,
        routing::Day::Wed => Weekday::Wednesday,
        routing::Day::Thu => Weekday::Thursday,
        routing::Day::Fri => Weekday::Friday,
        routing::Day::Sat => Weekday::Saturday,
        routing::Day::Sun => Weekday::Sunday,
    }
}
