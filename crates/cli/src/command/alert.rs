use std::process::ExitCode;

use clap::Subcommand;
use lfs_wrapper_alert::store;
use lfs_wrapper_daemon::convert;
use lfs_wrapper_model::{now_msec, render_rfc3339};

use super::Done;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{render_age, render_table};

/// How much is listed.
const LISTED_MAX: u32 = 1000;

/// Look at alerts
#[derive(Clone, Copy, Debug, Subcommand)]
#[command(after_help = "Example:  lfs-wrapper alert list")]
pub(crate) enum Alert {
    /// The alerts that are not resolved
    #[command(after_help = "Example:  lfs-wrapper alert list")]
    List,
    /// Everything that ever happened to an alert, newest first
    #[command(after_help = "Example:  lfs-wrapper alert history --json")]
    History,
}

pub(crate) fn run(session: &Session, command: &Alert) -> Done {
    let (_, database) = session.open()?;
    let fail = |error| Failure::from(database.error(error));
    match command {
        Alert::List => {
            let alerts = store::list_alerts(&database, true, LISTED_MAX).map_err(fail)?;
            list(session, alerts)?;
        }
        Alert::History => {
            let entries = store::list_history(&database, false, LISTED_MAX).map_err(fail)?;
            history(session, &entries)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(session: &Session, alerts: Vec<store::Alert>) -> Result<(), Failure> {
    if session.json {
        let alerts: Vec<_> = alerts.into_iter().map(convert::alert).collect();
        return print_json(&alerts);
    }
    if alerts.is_empty() {
        return print("no alert: all is well\n");
    }
    let now = now_msec();
    let row = |alert: &store::Alert| {
        vec![
            alert.severity.clone(),
            alert.state.clone(),
            render_age(alert.since_msec, now),
            alert.message.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = alerts.iter().map(row).collect();
    let header = ["SEVERITY", "STATE", "SINCE", "WHAT"];
    print(&render_table(session.style(), &header, &rows, header.len()))
}

fn history(session: &Session, entries: &[store::HistoryEntry]) -> Result<(), Failure> {
    if session.json {
        let entry = |entry: &store::HistoryEntry| {
            serde_json::json!({
                "event": entry.event, "time_msec": entry.time_msec, "rule": entry.rule,
                "labels": entry.labels, "kind": entry.kind, "severity": entry.severity,
                "value": entry.value, "threshold": entry.threshold, "message": entry.message,
            })
        };
        return print_json(&entries.iter().map(entry).collect::<Vec<_>>());
    }
    let row = |entry: &store::HistoryEntry| {
        vec![
            render_rfc3339(entry.time_msec),
            entry.severity.clone(),
            entry.kind.clone(),
            entry.message.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let header = ["TIME", "SEVERITY", "WHAT HAPPENED", "TO WHAT"];
    print(&render_table(session.style(), &header, &rows, header.len()))
}
