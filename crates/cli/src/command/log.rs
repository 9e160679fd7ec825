use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use lfs_wrapper_model::{Severity, TimeMsec, now_msec, render_rfc3339};
use lfs_wrapper_state::audit::{self, Filter, Record, Verdict};
use serde::Serialize;

use super::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::render_table;
use crate::when::When;

/// Show or verify the audit log: who changed what, when, with which outcome
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper log --since 2h --level warning")]
pub(crate) struct Log {
    #[command(subcommand)]
    command: Option<LogCommand>,
    /// Only from this time on: an age like 90s, 2h or 3d, 03:15, "2026-01-31 12:00", or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    since: Option<When>,
    /// Only this severity and above
    #[arg(long, value_name = "LEVEL")]
    level: Option<Severity>,
    /// Only this part of the program: monitor, build, alert, config
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum LogCommand {
    /// Check the whole hash chain
    #[command(after_help = "Example:  lfs-wrapper log verify")]
    Verify,
}

#[derive(Serialize)]
struct JsonRecord<'a> {
    seq: i64,
    time_msec: TimeMsec,
    who: &'a str,
    unit: &'a str,
    level: &'a str,
    what: &'a str,
    outcome: &'a str,
}

pub(crate) fn run(session: &Session, log: &Log) -> Done {
    let (_, database) = session.open()?;
    let fail = |error| Failure::from(database.error(error));
    if let Some(LogCommand::Verify) = log.command {
        let verdict = audit::verify(database.connection()).map_err(fail)?;
        return tell_verdict(session, &verdict);
    }
    let filter = Filter {
        since_msec: log
            .since
            .map(|since| since.resolve(now_msec(), &TimeZone::system())),
        level: log.level,
        unit: log.unit.clone(),
    };
    let records = audit::list(database.connection(), &filter).map_err(fail)?;
    show(session, &records)?;
    Ok(ExitCode::SUCCESS)
}

fn tell_verdict(session: &Session, verdict: &Verdict) -> Done {
    let (text, code) = match verdict {
        Verdict::Intact { records } => (
            format!("the audit log holds: {records} records, each as it was written"),
            ExitCode::SUCCESS,
        ),
        Verdict::Broken { seq, why } => (
            format!("the audit log does not hold from record {seq} on: {why}"),
            Kind::Bad.into(),
        ),
    };
    if session.json {
        let (intact, records, broken) = match verdict {
            Verdict::Intact { records } => (true, Some(records), None),
            Verdict::Broken { seq, .. } => (false, None, Some(seq)),
        };
        print_json(
            &serde_json::json!({ "intact": intact, "records": records, "broken_at": broken, "message": text }),
        )?;
    } else {
        print(&format!("{text}\n"))?;
    }
    Ok(code)
}

fn show(session: &Session, records: &[Record]) -> Result<(), Failure> {
    if session.json {
        let mut text = String::new();
        for record in records {
            let shown = JsonRecord {
                seq: record.seq,
                time_msec: record.time_msec,
                who: &record.who,
                unit: &record.unit,
                level: &record.level,
                what: &record.what,
                outcome: &record.outcome,
            };
            text.push_str(&serde_json::to_string(&shown).unwrap_or_default());
            text.push('\n');
        }
        return print(&text);
    }
    let row = |record: &Record| {
        vec![
            record.seq.to_string(),
            render_rfc3339(record.time_msec),
            record.who.clone(),
            record.unit.clone(),
            record.level.clone(),
            record.what.clone(),
            record.outcome.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = records.iter().map(row).collect();
    let header = ["SEQ", "TIME", "WHO", "UNIT", "LEVEL", "WHAT", "OUTCOME"];
    print(&render_table(session.style(), &header, &rows, header.len()))
}
