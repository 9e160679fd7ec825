use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::{Span, Timestamp};
use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_model::{Severity, TimeMsec, now_msec, render_rfc3339};
use lfs_wrapper_state::audit::{self, Filter, Record, Verdict};
use serde::Serialize;

use super::Done;
use super::build::find_attempt;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::render_table;

/// How often a followed log is looked at.
const FOLLOW_PAUSE: Duration = Duration::from_millis(100);

/// Show or verify the audit log: who changed what, when, with which outcome
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper log --since 2h --level warning")]
pub(crate) struct Log {
    #[command(subcommand)]
    command: Option<LogCommand>,
    /// Only from this time on: 90s, 30min, 2h, 3d, or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<TimeMsec>,
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
    Verify,
}

/// Show the log of a step
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper build log 01-m4 -f")]
pub(crate) struct StepLog {
    /// The id of the step
    step: String,
    /// The number of the run; the newest that has the step without it
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// Go on until the step has ended
    #[arg(short, long)]
    follow: bool,
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
        since_msec: log.since,
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

fn parse_since(text: &str) -> Result<TimeMsec, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let span: Span = text.parse().map_err(
        |_| "give an age like 90s, 30min, 2h or 3d, or a time like 2026-01-31T12:00:00Z",
    )?;
    let span = span
        .total((
            jiff::Unit::Millisecond,
            jiff::SpanRelativeTo::days_are_24_hours(),
        ))
        .map_err(|error| error.to_string())?;
    #[expect(clippy::cast_possible_truncation, reason = "a span of jiff's fits")]
    let span_msec = span as i64;
    Ok(now_msec() - span_msec)
}

pub(crate) fn run_step(session: &Session, log: &StepLog) -> Done {
    let (_, database) = session.open()?;
    let attempt = find_attempt(&database, log.run, &log.step)?;
    let what = || format!("reading the log {}", attempt.log.display());
    let mut file = File::open(&attempt.log).map_err(|error| Failure::io(what(), &error))?;
    loop {
        // Asked before the log is read, so that its end is read too.
        let attempt = find_attempt(&database, log.run, &log.step)?;
        let running = attempt.state == StepState::Running;
        if !copy(&mut file).map_err(|error| Failure::io(what(), &error))? {
            return Ok(ExitCode::SUCCESS);
        }
        if !log.follow || !running {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(FOLLOW_PAUSE);
    }
}

/// Copies what is there to standard output; `false` when nobody reads it.
fn copy(file: &mut File) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match io::copy(file, &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}
