//! Files in Prometheus' text format that other programs leave in a folder, as
//! node_exporter's textfile collector takes them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lfs_wrapper_model::metric::parse_exposition;
use rustix::fs::{Mode, OFlags};

use super::board::Board;
use super::patience::{Answer, Call, Called, Content, Listing, Patience};
use super::report::{BYTES_MAX, FileReport, FolderReport, POINTS_MAX};
use super::turn::next_turn;

/// Time from one look at the folder to the next.
const INTERVAL: Duration = Duration::from_secs(10);

/// Files that are read, the first by name.
const FILES_MAX: usize = 256;

/// Entries of the folder that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// A folder that is looked at again and again.
pub(super) struct Folder {
    path: PathBuf,
    patience: Patience,
}

impl Folder {
    pub(super) fn new(path: PathBuf, patience: Patience) -> Self {
        Self { path, patience }
    }

    /// Until everything is to end.
    pub(super) fn watch(&mut self, board: &Board) {
        let mut turn = Instant::now();
        while let Some(report) = self.read() {
            board.publish_textfile(report);
            turn = next_turn(turn, INTERVAL, Instant::now());
            if self.patience.wait(turn) {
                return;
            }
        }
    }

    /// One look; `None` when everything is to end.
    pub(super) fn read(&mut self) -> Option<FolderReport> {
        let listed = match self.call(Call::List(self.path.clone())) {
            Called::Answered(Answer::Listed(listed)) => listed.map_err(|error| error.to_string()),
            Called::Answered(Answer::Read(_)) => return None,
            other => Err(why_not(other)?),
        };
        let mut listing = match listed {
            Ok(listing) => listing,
            Err(why) => {
                return Some(FolderReport {
                    trouble: Some(format!("listing {}: {why}", self.path.display())),
                    files: Vec::new(),
                });
            }
        };
        listing.paths.sort();
        let trouble = (listing.is_cut || listing.paths.len() > FILES_MAX).then(|| {
            let path = self.path.display();
            format!("{path} holds too much; the first {FILES_MAX} files are read")
        });
        listing.paths.truncate(FILES_MAX);
        let mut files = Vec::new();
        for path in listing.paths {
            files.extend(self.read_file(path)?);
        }
        Some(FolderReport { trouble, files })
    }

    /// `None` when everything is to end; no report of a file that went away.
    fn read_file(&mut self, path: PathBuf) -> Option<Option<FileReport>> {
        let shown = path.to_string_lossy().into_owned();
        let content = match self.call(Call::Read(path)) {
            Called::Answered(Answer::Read(Err(error)))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                return Some(None);
            }
            Called::Answered(Answer::Read(content)) => content.map_err(|error| error.to_string()),
            Called::Answered(Answer::Listed(_)) => return None,
            other => Err(why_not(other)?),
        };
        let mtime_seconds = content
            .as_ref()
            .map_or(0.0, |content| content.mtime_seconds);
        let outcome = content.and_then(|content| {
            let points = parse_exposition(&content.text, POINTS_MAX);
            points.map(Into::into).map_err(|error| error.to_string())
        });
        Some(Some(FileReport {
            path: shown,
            mtime_seconds,
            outcome,
        }))
    }

    fn call(&mut self, call: Call) -> Called {
        let work: Arc<dyn Fn(Call) -> Answer + Send + Sync> = Arc::new(do_call);
        self.patience.call(call, &work)
    }
}

/// `None` when everything is to end.
fn why_not(called: Called) -> Option<String> {
    match called {
        Called::Answered(_) | Called::Stopped => None,
        Called::Stuck => Some("it does not answer".to_owned()),
        Called::Failed(error) => Some(error.to_string()),
    }
}

fn do_call(call: Call) -> Answer {
    match call {
        Call::List(path) => Answer::Listed(list(&path)),
        Call::Read(path) => Answer::Read(read(&path)),
    }
}

fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for (index, entry) in fs::read_dir(folder)?.enumerate() {
        if index == ENTRIES_MAX {
            listing.is_cut = true;
            break;
        }
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("prom")) {
            listing.paths.push(path);
        }
    }
    Ok(listing)
}

fn read(path: &Path) -> io::Result<Content> {
    // Opening a FIFO or a device must neither wait nor do anything.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() > BYTES_MAX {
        return Err(io::Error::other(format!("more than {BYTES_MAX} bytes")));
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 seconds do not pass")]
    let mtime_seconds = data.mtime() as f64 + data.mtime_nsec() as f64 / 1e9;
    Ok(Content {
        text,
        mtime_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn look(folder: &Path) -> FolderReport {
        let (events, received) = mpsc::channel();
        Folder::new(folder.to_owned(), Patience::new(events, received))
            .read()
            .unwrap()
    }

    fn names(report: &FolderReport) -> Vec<&str> {
        let name = |file| -> Option<&str> {
            let file: &FileReport = file;
            Path::new(&file.path).file_name()?.to_str()
        };
        report.files.iter().filter_map(name).collect()
    }

    #[test]
    fn regular_files_with_the_right_name_are_read_by_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("b.prom"), "b 1\n").unwrap();
        fs::write(path("a.prom"), "a 1\n").unwrap();
        fs::write(path("c.prom.tmp"), "c 1\n").unwrap();
        fs::write(path("broken.prom"), "a 1\nb\n").unwrap();
        fs::write(path("large.prom"), vec![b'\n'; BYTES_MAX + 1]).unwrap();
        fs::write(path("largest.prom"), vec![b'\n'; BYTES_MAX]).unwrap();
        fs::create_dir(path("folder.prom")).unwrap();
        std::os::unix::fs::symlink(path("a.prom"), path("link.prom")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("gone.prom")).unwrap();
        let fifo = path("fifo.prom");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let times = fs::FileTimes::new()
            .set_modified(std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250));
        File::options()
            .write(true)
            .open(path("a.prom"))
            .unwrap()
            .set_times(times)
            .unwrap();

        let report = look(folder.path());
        assert_eq!(report.trouble, None);
        assert_eq!(
            names(&report),
            [
                "a.prom",
                "b.prom",
                "broken.prom",
                "fifo.prom",
                "folder.prom",
                "large.prom",
                "largest.prom",
                "link.prom"
            ]
        );
        assert_eq!(report.files[0].mtime_seconds, 1_700_000_000.25);
        let outcomes = report.files.iter().map(|file| match &file.outcome {
            Ok(points) => points.len().to_string(),
            Err(why) => why.clone(),
        });
        assert_eq!(
            outcomes.collect::<Vec<_>>(),
            [
                "1",
                "1",
                "line 2, column 2: expected a number, found the end of the line",
                "not a regular file",
                "not a regular file",
                "more than 1048576 bytes",
                "0",
                "1"
            ]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_of() {
        let folder = tempfile::TempDir::new().unwrap();
        let report = look(&folder.path().join("none"));
        assert!(
            report
                .trouble
                .is_some_and(|why| why.contains("No such file"))
        );
        assert_eq!(report.files, []);
    }

    #[test]
    fn of_too_many_files_the_first_are_read() {
        let folder = tempfile::TempDir::new().unwrap();
        for index in 0..=FILES_MAX {
            fs::write(folder.path().join(format!("{index:04}.prom")), "").unwrap();
        }
        let report = look(folder.path());
        assert!(
            report
                .trouble
                .is_some_and(|why| why.contains("the first 256"))
        );
        assert_eq!(report.files.len(), FILES_MAX);
        assert!(report.files[0].path.ends_with("0000.prom"));
    }
}
