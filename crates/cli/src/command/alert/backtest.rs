use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind as Happening;
use lfs_wrapper_daemon::proof::{self, Happened};
use lfs_wrapper_history::QueryLimits;
use lfs_wrapper_model::{Severity, TimeMsec, now_msec, render_local};
use serde_json::{Value, json};

use crate::alerting::given_rules;
use crate::command::Done;
use crate::command::history::open_reader;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{render_seconds, render_table, say};
use crate::when::{When, parse_length_msec};

/// Alerts that are listed.
const LISTED_MAX: usize = 200;

/// Replay rules over the recorded history: what would have fired, how often, how long
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert backtest rules.d/disk.toml --since -7d")]
pub(crate) struct Backtest {
    /// A file of rules, ours or Prometheus'; 'default' for those that come with the program
    #[arg(value_name = "RULES")]
    rules: PathBuf,
    /// From when on
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    since: When,
    /// Until when; without it, now
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    until: Option<When>,
    /// From one look to the next
    #[arg(long, value_name = "LENGTH", value_parser = parse_length_msec, default_value = "1s")]
    step: i64,
}

pub(crate) fn run(session: &Session, arguments: &Backtest) -> Done {
    let rules = given_rules(&arguments.rules)?;
    let (now, zone) = (now_msec(), TimeZone::system());
    let from = arguments.since.resolve(now, &zone);
    let to = arguments
        .until
        .map_or(now, |until| until.resolve(now, &zone));
    if to < from {
        let message = "replaying rules: --until is before --since; give a later time";
        return Err(Failure::new(Kind::Usage, message));
    }
    let reader = open_reader(session)?;
    let limits = QueryLimits {
        timeout: Duration::from_secs(600),
        ..QueryLimits::default()
    };
    if !session.quiet && !session.json {
        say(&format!(
            "replaying {} rules from {} to {}",
            rules.len(),
            render_local(from),
            render_local(to)
        ));
    }
    let happened = proof::play(&rules, &reader, (from, to), arguments.step, &limits)
        .map_err(|error| Failure::new(Kind::Bad, format!("replaying {error}")))?;
    let alerts = derive_alerts(&happened, to);
    match session.json {
        true => print_json(&alerts.iter().map(Fired::to_json).collect::<Vec<_>>())?,
        false => print(&render(session, &alerts))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An alert over its life.
struct Fired {
    rule: String,
    labels: BTreeMap<String, String>,
    worst: Severity,
    from_msec: TimeMsec,
    /// `None`: it was not over yet.
    to_msec: Option<TimeMsec>,
    lasted_msec: i64,
    message: String,
}

fn derive_alerts(happened: &[Happened], end_msec: TimeMsec) -> Vec<Fired> {
    let mut alerts: Vec<Fired> = Vec::new();
    for Happened { told, .. } in happened {
        let is_same = |alert: &&mut Fired| {
            alert.to_msec.is_none() && alert.rule == told.rule && alert.labels == told.labels
        };
        match alerts.iter_mut().rfind(is_same) {
            Some(alert) => {
                alert.worst = alert.worst.max(told.severity);
                if told.kind == Happening::Resolved {
                    alert.to_msec = Some(told.time_msec);
                }
            }
            None => alerts.push(Fired {
                rule: told.rule.clone(),
                labels: told.labels.clone(),
                worst: told.severity,
                from_msec: told.time_msec,
                to_msec: None,
                lasted_msec: 0,
                message: told.message.clone(),
            }),
        }
    }
    for alert in &mut alerts {
        alert.lasted_msec = alert.to_msec.unwrap_or(end_msec) - alert.from_msec;
    }
    alerts
}

impl Fired {
    fn to_json(&self) -> Value {
        json!({
            "rule": self.rule, "labels": self.labels, "worst": self.worst,
            "from_msec": self.from_msec, "to_msec": self.to_msec,
            "lasted_msec": self.lasted_msec, "message": self.message,
        })
    }
}

fn seconds(msec: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are long")]
    let seconds = msec as f64 / 1000.0;
    render_seconds(Some(seconds))
}

fn render(session: &Session, alerts: &[Fired]) -> String {
    if alerts.is_empty() {
        return "no rule would have fired\n".to_owned();
    }
    let mut sums: BTreeMap<(&str, Severity), (usize, i64)> = BTreeMap::new();
    for alert in alerts {
        let sum = sums.entry((&alert.rule, alert.worst)).or_default();
        *sum = (sum.0 + 1, sum.1 + alert.lasted_msec);
    }
    let row = |((rule, worst), (count, lasted)): (&(&str, Severity), &(usize, i64))| {
        vec![
            (*rule).to_owned(),
            worst.to_string(),
            count.to_string(),
            seconds(*lasted),
        ]
    };
    let rows: Vec<Vec<String>> = sums.iter().map(row).collect();
    let header = ["RULE", "WORST", "ALERTS", "TOGETHER"];
    let mut text = render_table(session.style(), &header, &rows, 2);
    let row = |alert: &Fired| {
        vec![
            render_local(alert.from_msec),
            seconds(alert.lasted_msec),
            alert.worst.to_string(),
            alert.rule.clone(),
            alert.message.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = alerts.iter().take(LISTED_MAX).map(row).collect();
    let header = ["FROM", "LASTED", "WORST", "RULE", "FIRST MESSAGE"];
    text.push('\n');
    text.push_str(&render_table(session.style(), &header, &rows, header.len()));
    if alerts.len() > LISTED_MAX {
        text.push_str(&format!(
            "and {} more; --json has all\n",
            alerts.len() - LISTED_MAX
        ));
    }
    text
}
