//! The newest of all collectors, merged once per change.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lfs_wrapper_model::metric::{Metric, MetricKind, Point};
use lfs_wrapper_model::visible;
use tracing::{info, warn};

use super::merge::{Batch, merge, sort_by_family};
use super::report::{ExecReport, FolderReport, SinceBoot, read_since_boot};
use super::settings::CollectorSettings;

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: MetricKind::Gauge,
        help,
    }
}

static SCRAPE_ERROR: Metric = gauge(
    "node_textfile_scrape_error",
    "1 if there was an error opening or reading a file, 0 otherwise",
);
static MTIME: Metric = gauge(
    "node_textfile_mtime_seconds",
    "Unixtime mtime of textfiles successfully read.",
);
static TEXTFILE_ERROR: Metric = gauge(
    "lfs_textfile_error",
    "1 if the metrics of this file are not shown because something is wrong with it, 0 otherwise.",
);
static EXEC_SUCCESS: Metric = gauge(
    "lfs_exec_collector_success",
    "1 if the newest run of this program ended well and its metrics are shown, 0 otherwise.",
);
static EXEC_DURATION: Metric = gauge(
    "lfs_exec_collector_duration_seconds",
    "How long the newest run of this program took.",
);
static EXEC_LAST_SUCCESS: Metric = gauge(
    "lfs_exec_collector_last_success_timestamp_seconds",
    "When this program ended well for the last time.",
);
static EXEC_FAILURES: Metric = Metric {
    name: "lfs_exec_collector_failures_total",
    kind: MetricKind::Counter,
    help: "Runs of this program that failed, took too long, or printed no metrics.",
};

/// Names that no file and no program may use.
static RESERVED: [&Metric; 7] = [
    &SCRAPE_ERROR,
    &MTIME,
    &TEXTFILE_ERROR,
    &EXEC_SUCCESS,
    &EXEC_DURATION,
    &EXEC_LAST_SUCCESS,
    &EXEC_FAILURES,
];

/// The names of the metrics that the monitor shows itself.
pub(crate) type OwnNames = dyn Fn() -> HashSet<String> + Send + Sync;

/// Shared between the collectors, which write, and whoever shows their points.
pub(super) struct Board {
    own_names: Box<OwnNames>,
    newest: Mutex<Newest>,
}

struct Newest {
    folder: Option<FolderReport>,
    /// The programs' names, and what each gave.
    exec: Vec<(String, Option<ExecReport>)>,
    /// What the monitor itself shows, when that was looked at last.
    own: HashSet<String>,
    shown: Arc<[Point]>,
    /// When some of what is shown becomes too old.
    expires: Option<SinceBoot>,
    /// What is wrong and has been told: where, and what.
    told: BTreeMap<String, String>,
}

impl Board {
    pub(super) fn new(settings: &CollectorSettings, own_names: Box<OwnNames>) -> Self {
        let exec = settings.exec.iter().map(|exec| (exec.name.clone(), None));
        Self {
            own_names,
            newest: Mutex::new(Newest {
                folder: None,
                exec: exec.collect(),
                own: HashSet::new(),
                shown: Arc::default(),
                expires: None,
                told: BTreeMap::new(),
            }),
        }
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish_textfile(&self, report: FolderReport) {
        self.publish(|newest| newest.folder = Some(report));
    }

    pub(super) fn publish_exec(&self, index: usize, report: ExecReport) {
        self.publish(|newest| {
            if let Some((_, slot)) = newest.exec.get_mut(index) {
                *slot = Some(report);
            }
        });
    }

    fn publish(&self, change: impl FnOnce(&mut Newest)) {
        // Takes its time, and locks of its own.
        let mut own = (self.own_names)();
        own.extend(RESERVED.iter().map(|metric| metric.name.to_owned()));
        let mut newest = self.newest();
        newest.own = own;
        change(&mut newest);
        newest.show(read_since_boot());
    }

    /// The same points until something changes.
    pub(super) fn points(&self) -> Arc<[Point]> {
        self.points_at(read_since_boot())
    }

    pub(super) fn points_at(&self, now: SinceBoot) -> Arc<[Point]> {
        let mut newest = self.newest();
        if newest.expires.is_some_and(|expires| expires <= now) {
            newest.show(now);
        }
        Arc::clone(&newest.shown)
    }
}

impl Newest {
    fn show(&mut self, now: SinceBoot) {
        let good = |report: &ExecReport| report.good.clone().filter(|good| now < good.expires);
        let programs = self.exec.iter().filter_map(|(name, report)| {
            let good = good(report.as_ref()?)?;
            Some((good.expires, Batch::of_program(name, good.points)))
        });
        let (expiries, mut batches): (Vec<SinceBoot>, Vec<Batch>) = programs.unzip();
        let files = self.folder.iter().flat_map(|folder| &folder.files);
        batches.extend(files.filter_map(|file| {
            let points = file.outcome.as_ref().ok()?;
            Some(Batch::of_file(&file.path, Arc::clone(points)))
        }));
        let (mut points, refused) = merge(&batches, &self.own);
        drop(batches);

        let mut troubles: BTreeMap<String, String> = refused.into_iter().collect();
        self.expose_folder(&mut points, &mut troubles);
        self.expose_programs(&mut points, &mut troubles);
        sort_by_family(&mut points);
        if *self.shown != *points {
            self.shown = points.into();
        }
        self.expires = expiries.into_iter().min();
        self.tell(troubles);
    }

    fn expose_folder(&self, points: &mut Vec<Point>, troubles: &mut BTreeMap<String, String>) {
        let Some(folder) = &self.folder else {
            return;
        };
        for file in &folder.files {
            let source = Batch::source_of_file(&file.path);
            if let Err(why) = &file.outcome {
                troubles.insert(source.clone(), why.clone());
            }
            let labels = [("file", file.path.as_str())];
            let is_wrong = troubles.contains_key(&source);
            points.push(Point::labelled(
                &TEXTFILE_ERROR,
                &labels,
                as_number(is_wrong),
            ));
            if !is_wrong {
                points.push(Point::labelled(&MTIME, &labels, file.mtime_seconds));
            }
        }
        if let Some(why) = &folder.trouble {
            troubles.insert("the textfile folder".to_owned(), why.clone());
        }
        let is_file = |source: &String| Batch::is_source_of_file(source);
        let is_wrong = folder.trouble.is_some() || troubles.keys().any(is_file);
        points.push(Point::plain(&SCRAPE_ERROR, as_number(is_wrong)));
    }

    fn expose_programs(&self, points: &mut Vec<Point>, troubles: &mut BTreeMap<String, String>) {
        for (name, report) in &self.exec {
            let Some(report) = report else {
                continue;
            };
            let source = Batch::source_of_program(name);
            if let Some(why) = &report.trouble {
                troubles.insert(source.clone(), why.clone());
            }
            let labels = [("name", name.as_str())];
            let mut push = |metric, value| points.push(Point::labelled(metric, &labels, value));
            push(&EXEC_SUCCESS, as_number(!troubles.contains_key(&source)));
            push(&EXEC_DURATION, report.duration.as_secs_f64());
            if let Some(good) = &report.good {
                #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds do not pass")]
                push(&EXEC_LAST_SUCCESS, good.time_msec as f64 / 1e3);
            }
            #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
            push(&EXEC_FAILURES, report.failures as f64);
        }
    }

    /// Once per change, not once per look.
    fn tell(&mut self, troubles: BTreeMap<String, String>) {
        for (source, why) in &troubles {
            if self.told.get(source) != Some(why) {
                warn!("collecting from {}: {}", visible(source), visible(why));
            }
        }
        for source in self.told.keys() {
            if !troubles.contains_key(source) {
                info!("collecting from {}: well again", visible(source));
            }
        }
        self.told = troubles;
    }
}

fn as_number(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::report::{FileReport, GoodRun};
    use crate::collector::settings::ExecSettings;
    use lfs_wrapper_model::metric::{parse_exposition, render_prometheus};
    use std::time::Duration;

    fn board(own: &'static [&'static str]) -> Board {
        let exec = ExecSettings {
            name: "x".to_owned(),
            command: Vec::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
        };
        let settings = CollectorSettings {
            textfile: None,
            exec: vec![exec],
        };
        Board::new(
            &settings,
            Box::new(|| own.iter().map(|&name| name.to_owned()).collect()),
        )
    }

    fn parsed(text: &str) -> Arc<[Point]> {
        parse_exposition(text.as_bytes(), usize::MAX)
            .unwrap()
            .into()
    }

    fn ran(text: &str, trouble: Option<&str>, expires: SinceBoot) -> ExecReport {
        ExecReport {
            duration: Duration::from_millis(1500),
            trouble: trouble.map(str::to_owned),
            failures: u64::from(trouble.is_some()),
            good: Some(GoodRun {
                time_msec: 2500,
                points: parsed(text),
                expires,
            }),
        }
    }

    fn file(path: &str, outcome: Result<&str, &str>) -> FileReport {
        FileReport {
            path: path.to_owned(),
            mtime_seconds: 7.0,
            outcome: outcome.map(parsed).map_err(str::to_owned),
        }
    }

    fn shown(board: &Board, now: SinceBoot) -> Vec<String> {
        let text = render_prometheus(&board.points_at(now));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    const ABOUT_X: [&str; 4] = [
        "lfs_exec_collector_duration_seconds{name=\"x\"} 1.5",
        "lfs_exec_collector_failures_total{name=\"x\"} 1",
        "lfs_exec_collector_last_success_timestamp_seconds{name=\"x\"} 2.5",
        "lfs_exec_collector_success{name=\"x\"} 0",
    ];

    #[test]
    fn the_last_good_run_is_shown_until_it_is_too_old() {
        let board = board(&[]);
        let expires = read_since_boot() + Duration::from_secs(3600);
        board.publish_exec(0, ran("a 1\n", Some("ill"), expires));
        let early = shown(&board, expires - Duration::from_nanos(1));
        assert_eq!(early[0], "a 1");
        assert_eq!(early[1..], ABOUT_X);
        assert_eq!(shown(&board, expires), ABOUT_X);
    }

    #[test]
    fn nothing_is_copied_while_nothing_changes() {
        let board = board(&[]);
        let report = |value: &str| FolderReport {
            trouble: None,
            files: vec![file("/a", Ok(value))],
        };
        board.publish_textfile(report("a 1\n"));
        let before = board.points();
        board.publish_textfile(report("a 1\n"));
        assert!(Arc::ptr_eq(&before, &board.points()));
        board.publish_textfile(report("a 2\n"));
        assert!(!Arc::ptr_eq(&before, &board.points()));
    }

    #[test]
    fn whatever_is_wrong_with_a_file_is_in_its_error() {
        let board = board(&["node_load1"]);
        let expires = read_since_boot() + Duration::from_secs(3600);
        board.publish_exec(0, ran("a 1\n", None, expires));
        let mut files = vec![
            file("/a", Ok("a 2\n")),
            file("/b", Err("broken")),
            file("/c", Ok("c 1\nnode_load1 1\n")),
            file("/d", Ok("d 1\n")),
        ];
        let publish = |trouble: Option<&str>, files: &[FileReport]| {
            board.publish_textfile(FolderReport {
                trouble: trouble.map(str::to_owned),
                files: files.to_vec(),
            });
            shown(&board, expires - Duration::from_nanos(1))
        };
        let texts = publish(None, &files);
        for line in [
            "a 1",
            "d 1",
            "lfs_textfile_error{file=\"/a\"} 1",
            "lfs_textfile_error{file=\"/b\"} 1",
            "lfs_textfile_error{file=\"/c\"} 1",
            "lfs_textfile_error{file=\"/d\"} 0",
            "node_textfile_mtime_seconds{file=\"/d\"} 7",
            "node_textfile_scrape_error 1",
        ] {
            assert!(texts.iter().any(|shown| shown == line), "{line}: {texts:?}");
        }
        assert_eq!(texts.len(), 2 + 4 + 4 + 1 + 1, "{texts:?}");

        files.drain(..3);
        let is_well = |texts: &[String]| texts.contains(&"node_textfile_scrape_error 0".to_owned());
        assert!(is_well(&publish(None, &files)));
        assert!(!is_well(&publish(Some("too much"), &files)));
    }

    #[test]
    fn a_program_whose_metrics_contradict_ones_own_has_no_success() {
        let board = board(&["node_load1"]);
        let expires = read_since_boot() + Duration::from_secs(3600);
        board.publish_exec(0, ran("node_load1 1\n", None, expires));
        let texts = shown(&board, expires - Duration::from_nanos(1));
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert_eq!(texts[3], ABOUT_X[3]);
    }
}
