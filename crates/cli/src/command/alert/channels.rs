use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_alert::channel::Channel;
use lfs_wrapper_alert::engine::Kind as Happening;
use lfs_wrapper_alert::notification::{Message, Notification, Reason};
use lfs_wrapper_alert::store::{self, ChannelState};
use lfs_wrapper_model::{Severity, now_msec};
use serde_json::json;

use crate::alerting;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{render_age, render_table};

/// Where alerts go, and how that goes; try one
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert channels --send-test email")]
pub(crate) struct Channels {
    /// Send a test message over this channel now, and say what came of it
    #[arg(long, value_name = "NAME")]
    send_test: Option<String>,
}

pub(crate) fn run(session: &Session, arguments: &Channels) -> Done {
    let (config, _) = session.config()?;
    let channels = alerting::channels(&config)?;
    match &arguments.send_test {
        Some(name) => send_test(session, &channels, name),
        None => list(session, &channels),
    }
}

fn send_test(session: &Session, channels: &[Channel], name: &str) -> Done {
    let Some(channel) = channels.iter().find(|channel| channel.name() == name) else {
        let names: Vec<&str> = channels.iter().map(Channel::name).collect();
        let message = format!(
            "trying the channel '{name}': there is none, or it is not enabled; there are: {}",
            names.join(", ")
        );
        return Err(Failure::new(Kind::NotFound, message));
    };
    let (database, now) = (session.open()?.1, now_msec());
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let labels = [("resource".to_owned(), "test".to_owned())].into();
    let notification = Notification {
        alert: 0,
        event: now,
        rule: "test".to_owned(),
        kind: Happening::Raised,
        is_reminder: false,
        severity: Severity::Info,
        labels,
        value: None,
        threshold: None,
        message: format!("a test of channel '{name}' on {host}: nothing is wrong"),
        runbook: String::new(),
        annotations: [].into(),
        since_msec: now,
        time_msec: now,
    };
    let sent = channel.send(&Message {
        host: &host,
        group: &[].into(),
        notifications: &[notification],
        reason: Reason::Test,
        time_msec: now,
    });
    let outcome = sent
        .as_ref()
        .map_or_else(ToString::to_string, |()| "taken".to_owned());
    session.audit(
        &database,
        "alert",
        &format!("test of channel '{name}'"),
        &outcome,
    )?;
    if session.json {
        print_json(&json!({
            "channel": name, "kind": channel.kind(), "taken": sent.is_ok(),
            "error": sent.as_ref().err().map(ToString::to_string),
            "is_final": sent.as_ref().err().map(|error| error.is_final),
        }))?;
    }
    match sent {
        Ok(()) if session.json => Ok(ExitCode::SUCCESS),
        Ok(()) => {
            print(&format!("channel '{name}' took the test message\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let message = format!(
                "sending a test over channel '{name}': {error}; mend [channels.{name}] or its \
                 receiver, and try again"
            );
            Err(Failure::new(Kind::Bad, message))
        }
    }
}

fn list(session: &Session, channels: &[Channel]) -> Done {
    let (_, database) = session.open()?;
    let states = store::channel_states(&database).map_err(|error| database.error(error))?;
    let state_of = |name: &str| states.iter().find(|state| state.channel == name);
    if session.json {
        let value = |channel: &Channel| {
            let state = state_of(channel.name());
            json!({
                "name": channel.name(), "kind": channel.kind(),
                "waiting": state.map_or(0, |state| state.waiting),
                "failing_since_msec": state.and_then(|state| state.failing_since_msec),
                "last_error": state.and_then(|state| state.last_error.clone()),
                "last_sent_msec": state.and_then(|state| state.last_sent_msec),
                "sent": state.map_or(0, |state| state.sent_total),
                "failed": state.map_or(0, |state| state.failed_total),
                "dropped": state.map_or(0, |state| state.dropped_total),
                "refused": state.map_or(0, |state| state.refused_total),
            })
        };
        print_json(&channels.iter().map(value).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = channels
        .iter()
        .map(|channel| row(channel, state_of(channel.name())))
        .collect();
    let header = [
        "CHANNEL",
        "TYPE",
        "STATE",
        "WAITING",
        "SENT",
        "LOST",
        "LAST ERROR",
    ];
    print(&render_table(session.style(), &header, &rows, header.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn row(channel: &Channel, state: Option<&ChannelState>) -> Vec<String> {
    let count = |count: fn(&ChannelState) -> u64| state.map_or(0, count).to_string();
    let how = match state.and_then(|state| state.failing_since_msec) {
        Some(since) => format!("failing since {}", render_age(since, now_msec())),
        None if state.is_none() => "nothing was told yet".to_owned(),
        None => "well".to_owned(),
    };
    vec![
        channel.name().to_owned(),
        channel.kind().to_owned(),
        how,
        count(|state| state.waiting),
        count(|state| state.sent_total),
        count(|state| state.dropped_total + state.refused_total + state.bad_total),
        state
            .and_then(|state| state.last_error.clone())
            .unwrap_or_default(),
    ]
}
