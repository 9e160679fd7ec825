use std::process::ExitCode;

use clap::Args;
use jiff::tz::TimeZone;
use lfs_wrapper_history::moments::{self, EventFilter, EventKind, MomentEvent};
use lfs_wrapper_model::{TimeMsec, now_msec, render_local, render_rfc3339, visible};
use serde::Serialize;

use super::{Done, open_reader};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{Style, render_table};
use crate::when::{When, check_order};

/// Show what happened: alerts, runs and steps, the monitor, its clock, losses
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper history events --since 2h --kind alert")]
pub(crate) struct Events {
    /// Only from this time on: 90s, 30min, 2h, 3d, 03:15, or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    since: Option<When>,
    /// Only up to this time
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    until: Option<When>,
    /// Only of this kind; may be given several times
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    kind: Vec<EventKind>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

fn parse_kind(text: &str) -> Result<EventKind, String> {
    let mut kinds = EventKind::ALL.into_iter();
    kinds.find(|kind| kind.as_str() == text).ok_or_else(|| {
        let kinds = EventKind::ALL.map(EventKind::as_str).join(", ");
        format!("the kinds are {kinds}")
    })
}

/// An event, as it is shown.
#[derive(Debug, Serialize)]
pub(in crate::command) struct Shown {
    time: String,
    time_msec: TimeMsec,
    kind: &'static str,
    severity: &'static str,
    run: Option<i64>,
    step: Option<String>,
    subject: String,
    text: String,
}

impl From<MomentEvent> for Shown {
    fn from(event: MomentEvent) -> Self {
        Self {
            time: render_rfc3339(event.time_msec),
            time_msec: event.time_msec,
            kind: event.kind.as_str(),
            severity: event.severity.as_str(),
            run: event.run,
            step: event.step,
            subject: event.subject,
            text: event.text,
        }
    }
}

pub(super) fn run(session: &Session, asked: &Events) -> Done {
    let (now, zone) = (now_msec(), TimeZone::system());
    let resolve = |when: When| when.resolve(now, &zone);
    let filter = EventFilter {
        from_msec: asked.since.map_or(TimeMsec::MIN, resolve),
        to_msec: asked.until.map_or(TimeMsec::MAX, resolve),
        kinds: asked.kind.clone(),
        limit: asked.limit,
    };
    let times = (filter.from_msec, filter.to_msec);
    check_order("listing events", times, ("--since", "--until"))?;
    let reader = open_reader(session)?;
    let found = reader.with(|connection| moments::events(connection, &filter))?;
    let shown: Vec<Shown> = found.into_iter().map(Shown::from).collect();
    if session.json {
        print_json(&shown)?;
    } else if shown.is_empty() {
        print("no such event; the monitor keeps them while it runs: 'lfs-wrapper up'\n")?;
    } else {
        print(&render(session.style(), &shown))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(in crate::command) fn render(style: Style, shown: &[Shown]) -> String {
    let row = |one: &Shown| {
        vec![
            render_local(one.time_msec),
            one.severity.to_owned(),
            one.kind.to_owned(),
            visible(&one.text),
        ]
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    let header = ["TIME", "SEVERITY", "WHAT HAPPENED", "TO WHAT"];
    render_table(style, &header, &rows, header.len())
}
