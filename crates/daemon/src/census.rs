//! What the processes of the machine use, by step and command: for all that
//! live and all that ended in between, so that a compiler that lives for
//! milliseconds counts as much as one that lives for minutes. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lfs_wrapper_kernel::{Before, ProcessCounts, ProcessRow};
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};

/// Steps and commands that are remembered; those without a live process go
/// first, and are counted.
const GROUPS_MAX: usize = 1024;

/// How many are shown by each of CPU time, memory and I/O.
const SHOWN_EACH: usize = 10;

/// How many are shown besides because they belong to a step.
const SHOWN_OF_STEPS: usize = 40;

/// After so many samples without a process its end is not told any more.
const LATE_MAX: u64 = 5;

/// What is left of the weight of a use after one sample.
const DECAY: f64 = 0.9;

const USEC_PER_TICK: u64 = 10_000;

/// A step (empty for what belongs to none) and a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) step: Arc<str>,
    pub(crate) comm: Arc<str>,
}

/// Counters of a process, or of a group of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) cpu_usec: u64,
    /// Read and written; `None` where nobody may know.
    pub(crate) io_bytes: Option<(u64, u64)>,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
}

impl Use {
    /// A process that has just been forked.
    const NOTHING: Self = Self {
        cpu_usec: 0,
        io_bytes: Some((0, 0)),
        minor_faults: 0,
        major_faults: 0,
    };

    fn of(counts: &ProcessCounts) -> Self {
        let io = counts.io.map(|io| (io.read_bytes, io.write_bytes));
        Self {
            cpu_usec: (counts.user_ticks + counts.system_ticks) * USEC_PER_TICK,
            io_bytes: io,
            minor_faults: counts.minor_faults,
            major_faults: counts.major_faults,
        }
    }

    /// What came since; a counter that went back adds nothing.
    fn since(&self, before: &Self) -> Self {
        Self {
            cpu_usec: self.cpu_usec.saturating_sub(before.cpu_usec),
            // What was not known before is no growth.
            io_bytes: self.io_bytes.zip(before.io_bytes).map(|(now, before)| {
                let (read, write) = before;
                (now.0.saturating_sub(read), now.1.saturating_sub(write))
            }),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
        }
    }

    fn add(&mut self, other: &Self) {
        self.cpu_usec += other.cpu_usec;
        if let Some((read, write)) = other.io_bytes {
            let (all_read, all_written) = self.io_bytes.unwrap_or_default();
            self.io_bytes = Some((all_read + read, all_written + write));
        }
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
    }
}

/// A process that ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) group: Group,
    /// Over its whole life.
    pub(crate) used: Use,
}

/// What a group of processes used and uses.
#[derive(Clone, Debug, Default)]
struct Account {
    used: Use,
    exits: u64,
    live: u64,
    rss_bytes: u64,
    /// CPU time and bytes of late, for choosing whom to show.
    recent_cpu: f64,
    recent_io: f64,
    recent_exits: f64,
}

/// The accounts of all groups.
#[derive(Debug, Default)]
pub(crate) struct Census {
    accounts: HashMap<Group, Account>,
    /// What of each process was counted already, and at which sample: its end
    /// may be told a little after it was last seen.
    counted: HashMap<u32, (Use, u64)>,
    samples: u64,
    /// Groups that were forgotten for want of room.
    pub(crate) forgotten: u64,
}

impl Census {
    /// Takes in what lives at a sample, with the step each process belongs to,
    /// and what ended since the sample before.
    pub(crate) fn step(&mut self, rows: &[ProcessRow], steps: &[Arc<str>], ended: &[Ended]) {
        for account in self.accounts.values_mut() {
            (account.live, account.rss_bytes) = (0, 0);
            account.recent_cpu *= DECAY;
            account.recent_io *= DECAY;
            account.recent_exits *= DECAY;
        }
        self.samples += 1;
        let kernel: Arc<str> = Arc::from("[kernel]");
        for (row, step) in rows.iter().zip(steps) {
            // The kernel's own threads have hundreds of names.
            let comm = if row.counts.is_kernel_thread() {
                &kernel
            } else {
                &row.name
            };
            let group = Group {
                step: Arc::clone(step),
                comm: Arc::clone(comm),
            };
            let now = Use::of(&row.counts);
            let before = match &row.before {
                Before::Unknown => now,
                Before::Born => Use::NOTHING,
                Before::Counts(counts) => Use::of(counts),
            };
            self.counted.insert(row.identity.pid, (now, self.samples));
            let account = self.accounts.entry(group).or_default();
            account.live += 1;
            account.rss_bytes += row.counts.rss_bytes;
            account.take(&now.since(&before));
        }
        for one in ended {
            let counted = self.counted.remove(&one.pid).map(|counted| counted.0);
            let account = self.accounts.entry(one.group.clone()).or_default();
            account.exits += 1;
            account.recent_exits += 1.0;
            account.take(&one.used.since(&counted.unwrap_or(Use::NOTHING)));
        }
        let oldest = self.samples.saturating_sub(LATE_MAX);
        self.counted.retain(|_, counted| counted.1 >= oldest);
        self.forget();
    }

    fn forget(&mut self) {
        let surplus = self.accounts.len().saturating_sub(GROUPS_MAX);
        if surplus == 0 {
            return;
        }
        let mut idle: Vec<(f64, Group)> = self
            .accounts
            .iter()
            .filter(|(_, account)| account.live == 0)
            .map(|(group, account)| (account.recent_cpu, group.clone()))
            .collect();
        idle.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (_, group) in idle.into_iter().take(surplus) {
            self.accounts.remove(&group);
            self.forgotten += 1;
        }
    }

    /// The groups that use the most, by CPU time, memory and I/O, and those of
    /// steps.
    /// `is_told` says whether the kernel tells of those that end.
    pub(crate) fn points(&self, is_told: bool) -> Vec<Point> {
        let mut shown = BTreeSet::new();
        let mut choose = |count: usize, key: &dyn Fn(&Group, &Account) -> f64| {
            let keyed = self.accounts.iter();
            let mut keyed: Vec<(f64, &Group)> = keyed
                .map(|(group, account)| (key(group, account), group))
                .filter(|(key, _)| *key > 0.0)
                .collect();
            keyed.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
            shown.extend(keyed.into_iter().take(count).map(|(_, group)| group));
        };
        choose(SHOWN_EACH, &|_, account| account.recent_cpu);
        choose(SHOWN_EACH, &|_, account| account.rss_bytes as f64);
        choose(SHOWN_EACH, &|_, account| account.recent_io);
        choose(SHOWN_OF_STEPS, &|group, account| {
            if group.step.is_empty() {
                return 0.0;
            }
            account.recent_cpu + account.recent_exits + account.live as f64
        });
        let accounts: Vec<(&Group, &Account)> = shown
            .into_iter()
            .filter_map(|group| Some((group, self.accounts.get(group)?)))
            .collect();
        let of_series = |series: &Series| -> Vec<Point> {
            let points = accounts.iter();
            let points = points.filter_map(|(group, account)| series.point(group, account));
            points.collect()
        };
        let is_known = |series: &&Series| is_told || !std::ptr::eq(series.metric, &EXITS);
        SERIES.iter().filter(is_known).flat_map(of_series).collect()
    }
}

impl Account {
    fn take(&mut self, used: &Use) {
        self.used.add(used);
        self.recent_cpu += used.cpu_usec as f64;
        let (read, write) = used.io_bytes.unwrap_or_default();
        self.recent_io += (read + write) as f64;
    }
}

/// One series of each group.
struct Series {
    metric: &'static Metric,
    label: Option<(&'static str, &'static str)>,
    get: fn(&Account) -> Option<f64>,
}

impl Series {
    fn point(&self, group: &Group, account: &Account) -> Option<Point> {
        let value = (self.get)(account)?;
        let mut labels = vec![("step", &*group.step), ("comm", &*group.comm)];
        labels.extend(self.label);
        Some(Point::labelled(self.metric, &labels, value))
    }
}

const fn metric(name: &'static str, kind: MetricKind, help: &'static str) -> Metric {
    Metric { name, kind, help }
}

static CPU: Metric = metric(
    "lfs_process_cpu_seconds_total",
    MetricKind::Counter,
    "CPU time of the processes of this command, those that ended included.",
);
static EXITS: Metric = metric(
    "lfs_process_exits_total",
    MetricKind::Counter,
    "Processes of this command that were heard to end.",
);
static FAULTS: Metric = metric(
    "lfs_process_page_faults_total",
    MetricKind::Counter,
    "Page faults of the processes of this command; major ones had to read from a disk.",
);
static IO: Metric = metric(
    "lfs_process_io_bytes_total",
    MetricKind::Counter,
    "Bytes that the processes of this command read from and wrote to storage.",
);
static LIVE: Metric = metric(
    "lfs_process_processes",
    MetricKind::Gauge,
    "Processes of this command.",
);
static RSS: Metric = metric(
    "lfs_process_resident_memory_bytes",
    MetricKind::Gauge,
    "Memory that the processes of this command have in RAM; what they share counts for each.",
);

static SERIES: [Series; 8] = [
    Series {
        metric: &CPU,
        label: None,
        get: |account| Some(account.used.cpu_usec as f64 / 1e6),
    },
    Series {
        metric: &EXITS,
        label: None,
        get: |account| Some(account.exits as f64),
    },
    Series {
        metric: &IO,
        label: Some(("direction", "read")),
        get: |account| Some(account.used.io_bytes?.0 as f64),
    },
    Series {
        metric: &IO,
        label: Some(("direction", "write")),
        get: |account| Some(account.used.io_bytes?.1 as f64),
    },
    Series {
        metric: &FAULTS,
        label: Some(("kind", "major")),
        get: |account| Some(account.used.major_faults as f64),
    },
    Series {
        metric: &FAULTS,
        label: Some(("kind", "minor")),
        get: |account| Some(account.used.minor_faults as f64),
    },
    Series {
        metric: &LIVE,
        label: None,
        get: |account| Some(account.live as f64),
    },
    Series {
        metric: &RSS,
        label: None,
        get: |account| Some(account.rss_bytes as f64),
    },
];

#[cfg(test)]
mod tests {
    use lfs_wrapper_kernel::{ColdFields, ProcessIdentity};

    use super::*;

    fn counts(cpu_ticks: u64, rss_bytes: u64) -> ProcessCounts {
        ProcessCounts {
            user_ticks: cpu_ticks,
            rss_bytes,
            ..ProcessCounts::default()
        }
    }

    fn row(pid: u32, name: &str, before: Before, counts: ProcessCounts) -> ProcessRow {
        ProcessRow {
            identity: ProcessIdentity {
                pid,
                start_ticks: 1,
            },
            name: Arc::from(name),
            counts,
            before,
            is_fresh: true,
            left_out: 0,
            uid: None,
            cgroup: None,
            cold: ColdFields::default(),
        }
    }

    fn ended(pid: u32, step: &str, comm: &str, cpu_usec: u64) -> Ended {
        Ended {
            pid,
            group: Group {
                step: Arc::from(step),
                comm: Arc::from(comm),
            },
            used: Use {
                cpu_usec,
                ..Use::default()
            },
        }
    }

    fn step(census: &mut Census, rows: &[ProcessRow], ended: &[Ended]) {
        let steps = vec![Arc::from("gcc"); rows.len()];
        census.step(rows, &steps, ended);
    }

    fn value(census: &Census, series: &str) -> Option<f64> {
        let points = census.points(true);
        let found = points.iter().find(|point| point.series() == series);
        found.map(|point| point.value)
    }

    const CPU_OF_CC1: &str = "lfs_process_cpu_seconds_total{step=\"gcc\",comm=\"cc1\"}";
    const EXITS_OF_CC1: &str = "lfs_process_exits_total{step=\"gcc\",comm=\"cc1\"}";

    #[test]
    fn time_counts_once_whether_it_was_seen_alive_or_at_the_end() {
        let mut census = Census::default();
        // Seen for the first time: what it did before is not ours to count.
        step(
            &mut census,
            &[row(1, "cc1", Before::Unknown, counts(100, 9))],
            &[],
        );
        assert_eq!(value(&census, CPU_OF_CC1), Some(0.0));
        // 0.5 s more while alive; another one was born and did 0.2 s.
        let first = row(1, "cc1", Before::Counts(counts(100, 9)), counts(150, 9));
        let second = row(2, "cc1", Before::Born, counts(20, 9));
        step(&mut census, &[first, second], &[]);
        assert_eq!(value(&census, CPU_OF_CC1), Some(0.7));
        // Both end, at 1.6 s and 0.3 s over their lives; a third was never seen.
        let ends = [
            ended(1, "gcc", "cc1", 1_600_000),
            ended(2, "gcc", "cc1", 300_000),
            ended(3, "gcc", "cc1", 50_000),
        ];
        step(&mut census, &[], &ends);
        let seconds = value(&census, CPU_OF_CC1).unwrap();
        assert!((seconds - 0.95).abs() < 1e-9, "{seconds}");
        assert_eq!(value(&census, EXITS_OF_CC1), Some(3.0));
        // The end of one is told late, after samples without it.
        step(
            &mut census,
            &[row(4, "cc1", Before::Born, counts(10, 9))],
            &[],
        );
        step(&mut census, &[], &[]);
        step(&mut census, &[], &[ended(4, "gcc", "cc1", 110_000)]);
        let seconds = value(&census, CPU_OF_CC1).unwrap();
        assert!((seconds - 1.06).abs() < 1e-9, "{seconds}");
        for _ in 0..=LATE_MAX {
            step(&mut census, &[], &[]);
        }
        assert!(census.counted.is_empty());
    }

    #[test]
    fn the_kernels_coarse_count_takes_nothing_back() {
        let mut census = Census::default();
        step(
            &mut census,
            &[row(1, "cc1", Before::Born, counts(3, 9))],
            &[],
        );
        step(&mut census, &[], &[ended(1, "gcc", "cc1", 20_000)]);
        assert_eq!(value(&census, CPU_OF_CC1), Some(0.03));
    }

    #[test]
    fn the_largest_are_shown_and_idle_ones_forgotten_for_want_of_room() {
        let mut census = Census::default();
        let names: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
        let rows: Vec<ProcessRow> = (0..100_u32)
            .zip(&names)
            .map(|(pid, name)| row(pid, name, Before::Unknown, counts(0, u64::from(pid))))
            .collect();
        census.step(&rows, &vec![Arc::from(""); rows.len()], &[]);
        let points = census.points(true);
        // By memory alone; nothing else was used.
        assert_eq!(points.len(), SHOWN_EACH * (SERIES.len() - 2));
        assert!(
            points
                .iter()
                .any(|point| point.series().contains("\"p99\""))
        );
        assert!(!points.iter().any(|point| point.series().contains("\"p1\"")));

        let many: Vec<Ended> = (0..2000)
            .map(|number| ended(number, "", &format!("e{number}"), u64::from(number)))
            .collect();
        step(&mut census, &[], &many);
        assert_eq!(census.accounts.len(), GROUPS_MAX);
        assert_eq!(census.forgotten, 2100 - GROUPS_MAX as u64);
        assert!(census.accounts.keys().any(|group| &*group.comm == "e1999"));
    }
}
