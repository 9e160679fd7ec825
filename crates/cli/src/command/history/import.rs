use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;
use lfs_wrapper_history::exchange::{
    Batch, ImportCounts, ImportError, Imported, Importer, import_in_batches,
};
use lfs_wrapper_history::{Entry, History as Writer, HistoryError, ImportOutcome, Labels, Stretch};
use lfs_wrapper_model::metric::{FamilyPart, FoundMetric, MetricKind, MetricRef};
use lfs_wrapper_model::visible;
use serde::Serialize;

use super::open_writer;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::render_bytes;

/// Samples that are held before they are written.
const BATCH_SAMPLES: usize = 500_000;

/// Families that are remembered for their series' sake.
const FAMILIES_MAX: usize = 100_000;

/// Take in samples from a text with times
///
/// The text is OpenMetrics, the text format 0.0.4 with times, or what 'promtool tsdb
/// dump' prints. What is there already stays, so that a file can be taken in again. The
/// monitor must not run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lfs-wrapper history import history.om\n  \
    zcat load.om.gz | lfs-wrapper history import -")]
pub(crate) struct Import {
    /// The text; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// How it went.
#[derive(Serialize)]
struct Summary {
    /// Those that are new.
    samples: u64,
    already_there: u64,
    series: u64,
    lines: u64,
    duplicates: u64,
    exemplars_skipped: u64,
    out_of_range: u64,
    too_long: u64,
    dropped: u64,
}

pub(super) fn run(session: &Session, asked: &Import) -> Done {
    let what = asked.file.display().to_string();
    let is_stdin = asked.file == Path::new("-");
    let (text, length): (Box<dyn Read>, Option<u64>) = if is_stdin {
        (Box::new(io::stdin().lock()), None)
    } else {
        let fail = |error: io::Error| Failure::io(format!("reading {what}"), &error);
        let file = File::open(&asked.file).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if metadata.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        let length = metadata.is_file().then_some(metadata.len());
        (Box::new(file), length)
    };
    let history = open_writer(session)?;
    let progress = Progress::new(session, length);
    let text = Counted {
        text,
        read: Rc::clone(&progress.read),
    };
    let taken = take_in(&history, text, &progress);
    progress.show("rolling up");
    // What was taken in before an error is there to stay.
    let maintained = history.flush().and_then(|()| history.maintain());
    progress.erase();
    let (counts, kept) = taken.map_err(|error| fail(&what, error))?;
    maintained?;
    let summary = Summary {
        samples: kept.outcome.samples,
        already_there: kept.outcome.present,
        series: kept.series.len() as u64,
        lines: counts.lines,
        duplicates: counts.duplicates,
        exemplars_skipped: counts.exemplars,
        out_of_range: kept.outcome.out_of_range,
        too_long: kept.outcome.too_long,
        dropped: kept.outcome.dropped,
    };
    if session.json {
        print_json(&summary)?;
    } else {
        print(&render(&summary))?;
    }
    match summary.too_long + summary.dropped {
        0 => Ok(ExitCode::SUCCESS),
        lost => Err(Failure::new(
            Kind::Bad,
            format!(
                "importing {what}: the history could not take {lost} samples, for the reasons \
                 above; give their series shorter or fewer labels"
            ),
        )),
    }
}

fn render(summary: &Summary) -> String {
    let mut text = format!(
        "{} new samples, of {} series, from {} lines\n",
        summary.samples, summary.series, summary.lines
    );
    if summary.already_there > 0 {
        let count = summary.already_there;
        text.push_str(&format!(
            "already there: {count} samples, which stay as they are\n"
        ));
    }
    let left_out = [
        (
            summary.duplicates,
            "samples of a time that the text has already",
        ),
        (summary.exemplars_skipped, "exemplars, which are not kept"),
        (
            summary.out_of_range,
            "samples before 1970 or a thousand years later",
        ),
        (
            summary.too_long,
            "samples of series whose labels are longer than 64 KiB",
        ),
        (
            summary.dropped,
            "samples of series for which there is no room",
        ),
    ];
    for (count, what) in left_out {
        if count > 0 {
            text.push_str(&format!("left out: {count} {what}\n"));
        }
    }
    text
}

/// What was written so far.
#[derive(Default)]
struct Kept {
    outcome: ImportOutcome,
    series: HashSet<Labels>,
    families: HashMap<String, Arc<FoundMetric>>,
}

enum Trouble {
    Text(ImportError),
    Store(HistoryError),
}

fn take_in(
    history: &Writer,
    text: impl Read,
    progress: &Progress,
) -> Result<(ImportCounts, Kept), Trouble> {
    let mut kept = Kept::default();
    let mut refused = None;
    let importer = Importer::new(BufReader::with_capacity(1 << 18, text), None);
    let result = import_in_batches(importer, BATCH_SAMPLES, &mut |batch| {
        let outcome = history.import(&kept.entries(batch)).map_err(|error| {
            let message = error.to_string();
            refused = Some(error);
            message
        })?;
        kept.outcome.samples += outcome.samples;
        kept.outcome.present += outcome.present;
        kept.outcome.out_of_range += outcome.out_of_range;
        kept.outcome.too_long += outcome.too_long;
        kept.outcome.dropped += outcome.dropped;
        let taken = kept.outcome.samples + kept.outcome.present;
        progress.show(&format!("{taken} samples"));
        Ok(())
    });
    match (result, refused) {
        (Ok(counts), _) => Ok((counts, kept)),
        (Err(_), Some(error)) => Err(Trouble::Store(error)),
        (Err(error), None) => Err(Trouble::Text(error)),
    }
}

fn fail(what: &str, trouble: Trouble) -> Failure {
    let again = "what came before was taken in, and taking the whole in again does no harm";
    match trouble {
        Trouble::Store(error) => error.into(),
        Trouble::Text(ImportError::Read { error, .. }) => {
            Failure::io(format!("reading {what}"), &error)
        }
        Trouble::Text(error) => Failure::new(
            Kind::Bad,
            format!("importing {what}: {}; {again}", visible(&error.to_string())),
        ),
    }
}

impl Kept {
    fn entries(&mut self, batch: Batch) -> Vec<(Entry, Stretch)> {
        for metadata in batch.metadata {
            if self.families.len() < FAMILIES_MAX || self.families.contains_key(&metadata.name) {
                let family = Arc::new(FoundMetric {
                    name: metadata.name.clone(),
                    kind: metadata.kind,
                    help: metadata.help,
                });
                self.families.insert(metadata.name, family);
            }
        }
        let entry = |one: Imported| {
            if !self.series.contains(&one.labels) {
                self.series.insert(one.labels.clone());
            }
            let metric = find_metric(&self.families, one.labels.name(), one.kind);
            let entry = Entry {
                labels: one.labels,
                metric,
            };
            (entry, one.stretch)
        };
        batch.series.into_iter().map(entry).collect()
    }
}

/// What a series is a value of: its own metric, or a part of a histogram's or
/// summary's.
fn find_metric(
    families: &HashMap<String, Arc<FoundMetric>>,
    name: &str,
    kind: MetricKind,
) -> MetricRef {
    if let Some(family) = families.get(name) {
        return MetricRef::Found(Arc::clone(family));
    }
    for suffix in ["_bucket", "_sum", "_count"] {
        let family = name
            .strip_suffix(suffix)
            .and_then(|base| families.get(base));
        if let Some(family) = family.filter(|family| family.kind.suffixes().contains(&suffix)) {
            return MetricRef::Part(Arc::new(FamilyPart {
                name: name.to_owned(),
                family: Arc::clone(family),
            }));
        }
    }
    MetricRef::from(FoundMetric {
        name: name.to_owned(),
        kind,
        help: String::new(),
    })
}

/// A text of which one knows how much was read.
struct Counted<R> {
    text: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// A line on the terminal that is written anew.
struct Progress {
    is_shown: bool,
    length: Option<u64>,
    read: Rc<Cell<u64>>,
}

impl Progress {
    fn new(session: &Session, length: Option<u64>) -> Self {
        Self {
            is_shown: io::stderr().is_terminal() && !session.quiet,
            length,
            read: Rc::default(),
        }
    }

    fn show(&self, what: &str) {
        if !self.is_shown {
            return;
        }
        let read = self.read.get();
        let mut line = format!("{} read", render_bytes(Some(read)));
        if let Some(length) = self.length.filter(|length| *length > 0) {
            line.push_str(&format!(", {} %", (read.min(length) * 100) / length));
        }
        let _ = write!(io::stderr().lock(), "\r\x1b[K{line}, {what}");
    }

    fn erase(&self) {
        if self.is_shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
