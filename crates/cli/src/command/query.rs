use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use lfs_wrapper_history::{
    Answer, Query as Parsed, QueryError, QueryLimits, Reader, render_answer,
};
use lfs_wrapper_model::{TimeMsec, now_msec, render_local, visible};

use super::Done;
use super::history::open_reader;
use crate::failure::{Failure, Kind};
use crate::output::print;
use crate::session::Session;
use crate::terminal::{Style, columns, is_utf8, say};
use crate::when::{When, check_order, parse_length_msec};

mod show;

use show::{Asked, Screen, render};

/// About as many points are asked for where no step is given.
const POINTS: i64 = 250;

/// Steps in seconds that are round, and on the grid of what is kept longest.
const STEPS: [i64; 20] = [
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200,
    86_400, 604_800,
];

/// Ask the history in PromQL, at one time or over a stretch of time
///
/// TIME is now, an age like -2h or 3d, 03:15 (the last time it was), 2026-01-31,
/// "2026-01-31 03:15", RFC 3339, or seconds since 1970. LENGTH is 30s, 5m, 1h30m, or
/// seconds. It works with and without a running monitor.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lfs-wrapper query 'node_load1'\n  \
    lfs-wrapper query 'sum(rate(node_network_receive_bytes_total[1m]))' --start -2h\n  \
    lfs-wrapper query 'topk(3, lfs_process_resident_memory_bytes)' --time 03:15")]
pub(crate) struct Query {
    /// What to ask, in PromQL
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    text: String,
    /// The moment to answer for; without it, now
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true,
          conflicts_with_all = ["start", "end", "step"])]
    time: Option<When>,
    /// Answer from here on
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    start: Option<When>,
    /// Answer up to here; without it, now
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true,
          requires = "start")]
    end: Option<When>,
    /// From one answer to the next; without it, for about 250 of them
    #[arg(long, value_name = "LENGTH", value_parser = parse_length_msec, requires = "start")]
    step: Option<i64>,
    /// Give up after so long
    #[arg(long, value_name = "LENGTH", value_parser = parse_length_msec, default_value = "60s")]
    timeout: i64,
    /// Whether to draw a stretch of time
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    plot: Plot,
}

/// When to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Plot {
    /// On a terminal that shows UTF-8
    Auto,
    /// Always, as wide as COLUMNS says
    Always,
    /// Never
    Never,
}

pub(crate) fn run(session: &Session, query: &Query) -> Done {
    let limits = QueryLimits {
        timeout: Duration::from_millis(u64::try_from(query.timeout).unwrap_or(u64::MAX)),
        ..QueryLimits::default()
    };
    let parsed = Parsed::parse_within(&query.text, &limits)
        .map_err(|error| explain(session.error_style(), &query.text, error))?;
    let asked = plan(query, now_msec(), &TimeZone::system())?;
    let reader = open_reader(session)?;
    let answer = match asked {
        Asked::At(time_msec) => parsed.instant(&reader, time_msec, &limits)?,
        Asked::Range {
            start_msec,
            end_msec,
            step_msec,
        } => parsed.range(&reader, start_msec, end_msec, step_msec, &limits)?,
    };
    tell(session, query, &asked, &answer);
    if session.json {
        print(&format!("{}\n", render_answer(&answer)))?;
        return Ok(ExitCode::SUCCESS);
    }
    if show::is_empty(&answer.value) {
        tell_nothing(&reader, query, &asked)?;
        return Ok(ExitCode::SUCCESS);
    }
    let screen = Screen {
        columns: columns(io::stdout()),
        is_drawn: match query.plot {
            Plot::Auto => io::stdout().is_terminal() && is_utf8(),
            Plot::Always => true,
            Plot::Never => false,
        },
        is_terminal: io::stdout().is_terminal(),
        zone: TimeZone::system(),
        style: session.style(),
    };
    print(&render(&screen, &query.text, &asked, &answer.value))?;
    Ok(ExitCode::SUCCESS)
}

/// What times are asked for. A step that is chosen here has its answers on
/// round times, so that what is kept longest can answer.
fn plan(query: &Query, now_msec: TimeMsec, zone: &TimeZone) -> Result<Asked, Failure> {
    let resolve = |when: When| when.resolve(now_msec, zone);
    let Some(start) = query.start else {
        return Ok(Asked::At(query.time.map_or(now_msec, resolve)));
    };
    let (start_msec, end_msec) = (resolve(start), query.end.map_or(now_msec, resolve));
    let names = ("--start", "--end");
    check_order("answering the query", (start_msec, end_msec), names)?;
    if let Some(step_msec) = query.step {
        return Ok(Asked::Range {
            start_msec,
            end_msec,
            step_msec,
        });
    }
    let step_msec = choose_step_msec(end_msec - start_msec);
    // The newest samples are to be seen: the end is on a grid of a minute at most,
    // which the roll-ups of a minute can answer.
    let grid = step_msec.min(GRID_MSEC);
    let last = end_msec.div_euclid(grid) * grid;
    let first = last - (last - start_msec).div_euclid(step_msec) * step_msec;
    Ok(Asked::Range {
        start_msec: first,
        end_msec: last,
        step_msec,
    })
}

/// The ends of steps that are chosen here.
const GRID_MSEC: i64 = 60_000;

fn choose_step_msec(length_msec: i64) -> i64 {
    let least = length_msec / POINTS;
    let mut steps = STEPS.into_iter().map(|seconds| seconds * 1000);
    let found = steps.find(|step| *step >= least);
    let [.., week] = STEPS;
    found.unwrap_or_else(|| (least / (week * 1000) + 1) * week * 1000)
}

/// The text with a mark under the place that is wrong.
fn explain(style: Style, text: &str, error: QueryError) -> Failure {
    let QueryError::Parse {
        line,
        column,
        ref message,
        ..
    } = error
    else {
        return error.into();
    };
    let wrong = text.split('\n').nth(line.saturating_sub(1)).unwrap_or(text);
    let before = " ".repeat(column.saturating_sub(1));
    let message = format!(
        "parsing the query: {}\n  {}\n  {before}{}",
        visible(message),
        visible(wrong),
        style.bad("^")
    );
    Failure::new(Kind::Usage, message)
}

fn tell(session: &Session, query: &Query, asked: &Asked, answer: &Answer) {
    for warning in &answer.warnings {
        say(&format!("warning: {}", visible(warning)));
    }
    if session.quiet {
        return;
    }
    for info in &answer.infos {
        say(&format!("note: {}", visible(info)));
    }
    if let Asked::Range { step_msec, .. } = asked
        && session.json
        && query.step.is_none()
    {
        say(&format!("note: the step is {}", show::length(*step_msec)));
    }
}

fn tell_nothing(reader: &Reader, query: &Query, asked: &Asked) -> Result<(), Failure> {
    let time_msec = match asked {
        Asked::At(time_msec) => *time_msec,
        Asked::Range { start_msec, .. } => *start_msec,
    };
    let newest = reader.newest_msec()?;
    let why = match newest {
        Some(newest) if newest < time_msec && query.time.or(query.start).is_some() => format!(
            "the newest sample is of {}; ask for another time with --time or --start",
            render_local(newest)
        ),
        Some(_) => "no series is called so, or none has a sample at that time".to_owned(),
        None => "the history is empty".to_owned(),
    };
    say(&format!("nothing found: {why}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_round_and_gives_about_250_points() {
        let minute = 60_000;
        let table = [
            (1, 1000),
            (2 * minute, 1000),
            (60 * minute, 20_000),
            (2 * 60 * minute, 30_000),
            (24 * 60 * minute, 600_000),
            (7 * 24 * 60 * minute, 3_600_000),
            (100 * 365 * 24 * 60 * minute, 21 * 604_800_000),
        ];
        for (length, expected) in table {
            assert_eq!(choose_step_msec(length), expected, "{length}");
        }
    }
}
