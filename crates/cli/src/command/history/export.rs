use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::Receiver;

use clap::Args;
use jiff::tz::TimeZone;
use lfs_wrapper_history::exchange::{ExportCounts, ExportError, OtherNames, export};
use lfs_wrapper_history::{Matcher, QueryLimits, Reader, parse_selector};
use lfs_wrapper_model::{TimeMsec, now_msec, visible};

use super::open_reader;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::signals;
use crate::terminal::say;
use crate::when::{When, check_order};

/// Before what can be in a history, and after.
const BEGINNING: TimeMsec = 0;
const END: TimeMsec = 253_402_300_799_000;

/// Unfinished files beside one name, of programs with this one's number.
const PARTIALS_MAX: u32 = 100;

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
    check_order("exporting the history", times, ("--start", "--end"))?;
    let reader = open_reader(session)?;
    let output = asked
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    let counts = match output {
        Some(path) => write_file(&reader, &matchers, times, path)?,
        None => write(&reader, &matchers, times, io::stdout().lock(), "the result")?,
    };
    if counts.samples == 0 {
        return Err(nothing_found());
    }
    tell(session, &counts);
    Ok(ExitCode::SUCCESS)
}

fn nothing_found() -> Failure {
    let message = "exporting the history: no sample matches; look with 'lfs-wrapper history info' \
                   what there is, and give another --match, --start or --end";
    Failure::new(Kind::NotFound, message)
}

/// The file is there when it is complete, and not before; where nothing was
/// found, what was there stays.
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
    let stop = signals::catch()?;
    let (partial, file) = create_partial(path).map_err(fail)?;
    let output = Stoppable { file: &file, stop };
    let written = write(reader, matchers, times, output, &what).and_then(|counts| {
        if counts.samples == 0 {
            return Err(nothing_found());
        }
        file.sync_all().map_err(fail)?;
        fs::rename(&partial, path).map_err(fail)?;
        Ok(counts)
    });
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// A new file beside the one that it becomes; none that is there is touched.
fn create_partial(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{number}.partial", std::process::id()));
        let partial = PathBuf::from(name);
        match File::create_new(&partial) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < PARTIALS_MAX => {
                number += 1;
            }
            created => return created.map(|file| (partial, file)),
        }
    }
}

/// A file until a signal asks to stop.
struct Stoppable<'a> {
    file: &'a File,
    stop: Receiver<()>,
}

/// A signal came.
#[derive(Debug, thiserror::Error)]
#[error("it was interrupted; nothing is left of it")]
struct Interrupted;

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stop.try_recv() {
            Ok(()) => Err(io::Error::other(Interrupted)),
            Err(_) => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
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
    // What is left in it after an error is for nobody.
    let _ = output.into_parts();
    result.or_else(|error| match error {
        // Whoever read it has seen enough.
        ExportError::Write { error, counts } if error.kind() == ErrorKind::BrokenPipe => Ok(counts),
        ExportError::Write { error, .. } => Err(match error.downcast::<Interrupted>() {
            Ok(signal) => Failure::new(Kind::Interrupted, format!("writing {what}: {signal}")),
            Err(error) => Failure::io(format!("writing {what}"), &error),
        }),
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_signal_ends_the_writing_and_no_file_of_somebody_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.om");
        let (first, _) = create_partial(&path).unwrap();
        let (second, file) = create_partial(&path).unwrap();
        assert_ne!(first, second);
        let (signal, stop) = mpsc::channel();
        let mut output = Stoppable { file: &file, stop };
        output.write_all(b"before").unwrap();
        signal.send(()).unwrap();
        let error = output.write_all(b"after").unwrap_err();
        assert!(error.get_ref().unwrap().is::<Interrupted>(), "{error}");
        assert_eq!(fs::read(&second).unwrap(), b"before");
    }
}
