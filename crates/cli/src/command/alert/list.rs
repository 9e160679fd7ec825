use std::process::ExitCode;

use clap::Args;
use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::State;
use lfs_wrapper_alert::rule::Labels;
use lfs_wrapper_alert::store::{self, HistoryFilter};
use lfs_wrapper_daemon::convert;
use lfs_wrapper_model::{now_msec, render_rfc3339, visible};

use serde_json::{Value, json};

use crate::command::Done;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{render_age, render_table};
use crate::when::When;

/// How much is listed.
const LISTED_MAX: u32 = 1000;

/// The alerts that are not resolved, with what waits for its time
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert list")]
pub(crate) struct List {}

/// Everything that ever happened to an alert, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert history --since -1d --rule disk --json")]
pub(crate) struct History {
    /// From when on
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    since: Option<When>,
    /// Until when
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    until: Option<When>,
    /// Only of this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only of alerts with this label
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// So many at most
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
}

pub(crate) fn run(session: &Session, _: &List) -> Done {
    let (_, database) = session.open()?;
    let fail = |error| Failure::from(database.error(error));
    let alerts = store::list_alerts(&database, true, LISTED_MAX).map_err(fail)?;
    let memories = store::read_memories(&database).map_err(fail)?;
    let pending = memories.into_iter();
    let pending = pending.filter(|(_, _, memory)| memory.state() == State::Pending);
    let pending: Vec<Pending> = pending
        .map(|(rule, labels, _)| Pending { rule, labels })
        .collect();
    list(session, alerts, &pending)?;
    Ok(ExitCode::SUCCESS)
}

/// A value that is beyond a level of a rule, and not for long enough yet.
struct Pending {
    rule: String,
    labels: Labels,
}

pub(crate) fn run_history(session: &Session, arguments: &History) -> Done {
    let (_, database) = session.open()?;
    let (now, zone) = (now_msec(), TimeZone::system());
    let resolve = |when: Option<When>| when.map(|when| when.resolve(now, &zone));
    let filter = HistoryFilter {
        since_msec: resolve(arguments.since),
        until_msec: resolve(arguments.until),
        rule: arguments.rule.clone(),
        labels: arguments.labels.iter().cloned().collect(),
        is_raised_only: false,
        limit: Some(arguments.limit),
    };
    let entries = store::list_history(&database, &filter);
    history(session, &entries.map_err(|error| database.error(error))?)?;
    Ok(ExitCode::SUCCESS)
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let pair = pair.filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("give it as NAME=VALUE, such as resource=disk")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn list(session: &Session, alerts: Vec<store::Alert>, pending: &[Pending]) -> Result<(), Failure> {
    if session.json {
        let mut values: Vec<Value> = alerts.into_iter().map(to_json).collect();
        values.extend(pending.iter().map(
            |pending| json!({ "rule": pending.rule, "labels": pending.labels, "state": "pending" }),
        ));
        return print_json(&values);
    }
    if alerts.is_empty() && pending.is_empty() {
        return print("no alert: all is well\n");
    }
    let now = now_msec();
    let row = |alert: &store::Alert| {
        let state = match &alert.acknowledged {
            Some(acknowledged) => format!("{}, {} knows", alert.state, acknowledged.by),
            None => alert.state.clone(),
        };
        vec![
            alert.id.to_string(),
            alert.severity.clone(),
            state,
            render_age(alert.since_msec, now),
            visible(&alert.message),
        ]
    };
    let pending = pending.iter().map(|pending| {
        let labels: Vec<String> = pending
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let what = format!("{} ({})", pending.rule, labels.join(", "));
        ["", "", "pending", "", &what].map(str::to_owned).to_vec()
    });
    let rows: Vec<Vec<String>> = alerts.iter().map(row).chain(pending).collect();
    let header = ["ID", "SEVERITY", "STATE", "SINCE", "WHAT"];
    print(&render_table(session.style(), &header, &rows, header.len()))
}

fn to_json(alert: store::Alert) -> Value {
    let acknowledged = alert.acknowledged.as_ref().map(|acknowledged| {
        json!({
            "time_msec": acknowledged.time_msec, "by": acknowledged.by,
            "reason": acknowledged.reason, "severity": acknowledged.severity,
        })
    });
    let mut value = json!(convert::alert(alert));
    value["acknowledged"] = json!(acknowledged);
    value
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
            visible(&entry.message),
        ]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let header = ["TIME", "SEVERITY", "WHAT HAPPENED", "TO WHAT"];
    print(&render_table(session.style(), &header, &rows, header.len()))
}
