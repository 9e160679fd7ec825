use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::tz::TimeZone;
use lfs_wrapper_history::exchange::{ExportCounts, ExportError, OtherNames, export};
use lfs_wrapper_history::{Matcher, QueryLimits, Reader, parse_selector};
use lfs_wrapper_model::{TimeMsec, now_msec, visible};

use super::open_reader;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::terminal::say;
use crate::when::When;

/// Before what can be in a history, and after.
const BEGINNING: TimeMsec = 0;
const END: TimeMsec = 253_402_300_799_000;

/// Put the history out as OpenMetrics text with times
///
/// 'history import' and 'promtool tsdb create-blocks-from openmetrics' take it. Times
/// are given as for 'query'.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lfs-wrapper history export -o history.om\n  \
    lfs-wrapper history export --match 'node_load1' --start -1d | gzip > load.om.gz")]
pub(crate) struct Export {
    /// Only these series: a PromQL selector
    #[arg(long = "match", value_name = "SELECTOR")]
    selector: Option<String>,
    /// From here on
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    start: Option<When>,
    /// Up to here
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    end: Option<When>,
    /// The file to write; without it, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(session: &Session, asked: &Export) -> Done {
    let matchers = match &asked.selector {
        Some(text) => parse_selector(text, &QueryLimits::default()).map_err(|error| {
            let message = format!("reading --match '{}': {error}", visible(text));
            Failure::new(Kind::Usage, message)
        })?,
        None => Vec::new(),
    };
    let (now, zone) = (now_msec(), TimeZone::system());
    let resolve = |when: When| when.resolve(now, &zone);
    let times = (
        asked.start.map_or(BEGINNING, resolve),
        asked.end.map_or(END, resolve),
    );
    let reader = open_reader(session)?;
    let output = asked
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    let counts = match output {
        Some(path) => write_file(&reader, &matchers, times, path)?,
        None => write(&reader, &matchers, times, io::stdout().lock(), "the result")?,
    };
    tell(session, &counts);
    Ok(ExitCode::SUCCESS)
}

/// The file is there when it is complete, and not before.
fn write_file(
    reader: &Reader,
    matchers: &[Matcher],
    times: (TimeMsec, TimeMsec),
    path: &Path,
) -> Result<ExportCounts, Failure> {
    let what = path.display().to_string();
    // What a link leads to is what is meant.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    let fail = |error: io::Error| Failure::io(format!("writing {what}"), &error);
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        // A pipe or a device is written to, not replaced.
        let file = File::options().write(true).open(path).map_err(fail)?;
        return write(reader, matchers, times, &file, &what);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let file = File::create(&partial).map_err(fail)?;
    let written = write(reader, matchers, times, &file, &what).and_then(|counts| {
        file.sync_all().map_err(fail)?;
        fs::rename(&partial, path).map_err(fail)?;
        Ok(counts)
    });
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write(
    reader: &Reader,
    matchers: &[Matcher],
    times: (TimeMsec, TimeMsec),
    output: impl Write,
    what: &str,
) -> Result<ExportCounts, Failure> {
    let mut output = BufWriter::new(output);
    let result = export(reader, matchers, times, OtherNames::Quote, &mut output);
    result.or_else(|error| match error {
        // Whoever read it has seen enough.
        ExportError::Write(error) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(ExportCounts::default())
        }
        ExportError::Write(error) => Err(Failure::io(format!("writing {what}"), &error)),
        ExportError::Read(error) => Err(error.into()),
    })
}

fn tell(session: &Session, counts: &ExportCounts) {
    if session.quiet {
        return;
    }
    say(&format!(
        "{} samples of {} series",
        counts.samples, counts.series
    ));
    if counts.markers_left_out > 0 {
        say(&format!(
            "note: {} ends of series have no place in OpenMetrics and were left out",
            counts.markers_left_out
        ));
    }
    if counts.series_left_out > 0 {
        say(&format!(
            "note: {} series without a name were left out",
            counts.series_left_out
        ));
    }
}
