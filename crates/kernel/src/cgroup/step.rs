//! The control group (v2, cgroups(7)) of each supervised step that runs: what
//! all its processes together used, however short they lived, and how long
//! they waited.

use std::fs;
use std::path::Path;

use lfs_wrapper_model::metric::Metric;

use crate::field::{Labels, Row, Values, metric, parse_keyed, values};
use crate::interval::Interval;
use crate::pressure::parse_pressure;
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_u64, words};

/// Steps that run at once; more groups than this are not ours.
const STEPS_MAX: usize = 256;

static CPU_SECONDS: &Metric = metric!(
    Counter,
    "lfs_step_cpu_seconds_total",
    "Seconds of processor time that the step used in each mode."
);
static IO_BYTES: &Metric = metric!(
    Counter,
    "lfs_step_io_bytes_total",
    "Bytes that the step read from and wrote to storage."
);
static IO_OPERATIONS: &Metric = metric!(
    Counter,
    "lfs_step_io_operations_total",
    "Operations with which the step read from and wrote to storage."
);
static PAGE_FAULTS: &Metric = metric!(
    Counter,
    "lfs_step_page_faults_total",
    "Page faults of the step; major ones had to read from a disk."
);
static WAITING_SECONDS: &Metric = metric!(
    Counter,
    "lfs_step_pressure_waiting_seconds_total",
    "Seconds in which some task of the step waited for the resource."
);
static STALLED_SECONDS: &Metric = metric!(
    Counter,
    "lfs_step_pressure_stalled_seconds_total",
    "Seconds in which no task of the step could go on for want of the resource."
);

values! {
    /// What a step's group says. Without a controller (`cgroup.controllers`)
    /// its numbers are absent.
    pub struct StepCounts;
    /// Processor time in user mode (`cpu.stat`).
    user_usec = "user_usec", Usec, CPU_SECONDS, "mode" = "user";
    /// Processor time in the kernel (`cpu.stat`).
    system_usec = "system_usec", Usec, CPU_SECONDS, "mode" = "system";
    /// Time in which the group was held back by its limit (`cpu.stat`).
    throttled_usec = "throttled_usec", Usec,
        metric!(Counter, "lfs_step_cpu_throttled_seconds_total",
            "Seconds in which the step was held back by a limit of processor time.");
    /// Memory in use, page cache included (`memory.current`).
    memory_bytes = "memory.current", One,
        metric!(Gauge, "lfs_step_memory_bytes", "Memory that the step uses, page cache included.");
    /// The most memory ever in use (`memory.peak`, since Linux 5.19).
    memory_peak_bytes = "memory.peak", One,
        metric!(Gauge, "lfs_step_memory_peak_bytes", "The most memory that the step used so far.");
    /// Memory of programs that no file backs (`memory.stat`).
    anonymous_bytes = "anon", One,
        metric!(Gauge, "lfs_step_memory_anonymous_bytes",
            "Memory of the step's programs that no file backs.");
    /// Swap in use (`memory.swap.current`).
    swap_bytes = "memory.swap.current", One,
        metric!(Gauge, "lfs_step_swap_bytes", "Swap that the step uses.");
    /// Page faults of both kinds (`memory.stat`).
    faults = "pgfault", One, PAGE_FAULTS, "kind" = "any";
    /// Page faults that had to read from a disk (`memory.stat`).
    major_faults = "pgmajfault", One, PAGE_FAULTS, "kind" = "major";
    /// Processes killed for want of memory (`memory.events`).
    oom_kills = "oom_kill", One,
        metric!(Counter, "lfs_step_oom_kills_total",
            "Processes of the step that were killed for want of memory.");
    /// Bytes read, all devices (`io.stat`).
    read_bytes = "rbytes", One, IO_BYTES, "direction" = "read";
    /// Bytes written, all devices (`io.stat`).
    write_bytes = "wbytes", One, IO_BYTES, "direction" = "write";
    /// Reads, all devices (`io.stat`).
    reads = "rios", One, IO_OPERATIONS, "direction" = "read";
    /// Writes, all devices (`io.stat`).
    writes = "wios", One, IO_OPERATIONS, "direction" = "write";
    /// Tasks, threads counted (`pids.current`).
    tasks = "pids.current", One,
        metric!(Gauge, "lfs_step_tasks", "Tasks of the step, threads counted.");
    /// Processes in the group itself (`cgroup.procs`).
    processes = "cgroup.procs", One,
        metric!(Gauge, "lfs_step_processes", "Processes of the step.");
    /// Some task waited for a processor (`cpu.pressure`).
    cpu_some_usec = "cpu some", Usec, WAITING_SECONDS, "resource" = "cpu";
    /// Some task waited for memory (`memory.pressure`).
    memory_some_usec = "memory some", Usec, WAITING_SECONDS, "resource" = "memory";
    /// Some task waited for I/O (`io.pressure`).
    io_some_usec = "io some", Usec, WAITING_SECONDS, "resource" = "io";
    /// No task could go on for want of a processor (`cpu.pressure`).
    cpu_full_usec = "cpu full", Usec, STALLED_SECONDS, "resource" = "cpu";
    /// No task could go on for want of memory (`memory.pressure`).
    memory_full_usec = "memory full", Usec, STALLED_SECONDS, "resource" = "memory";
    /// No task could go on for want of I/O (`io.pressure`).
    io_full_usec = "io full", Usec, STALLED_SECONDS, "resource" = "io";
}

/// A step that runs, in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepGroup {
    /// The number of its run.
    pub run: String,
    /// Its id.
    pub step: String,
    /// Which attempt at it this is, from 1: each has a group of its own.
    pub attempt: String,
    /// What its group says.
    pub counts: StepCounts,
}

impl Row for StepGroup {
    type Values = StepCounts;

    fn values(&self) -> &StepCounts {
        &self.counts
    }

    fn values_mut(&mut self) -> &mut StepCounts {
        &mut self.counts
    }

    fn labels(&self) -> Labels {
        vec![
            ("run", self.run.clone()),
            ("step", self.step.clone()),
            ("attempt", self.attempt.clone()),
        ]
    }

    fn from_labels(series: &Series<'_>) -> Option<Self> {
        let label = |name| series.label(name).map(str::to_owned);
        Some(Self {
            run: label("run")?,
            step: label("step")?,
            attempt: label("attempt")?,
            counts: StepCounts::default(),
        })
    }

    fn is_named(&self, series: &Series<'_>) -> bool {
        let is = |name, value: &str| series.label(name) == Some(value);
        is("run", &self.run) && is("step", &self.step) && is("attempt", &self.attempt)
    }
}

/// The run, step and attempt that a group's name says:
/// `run-RUN.STEP.ATTEMPT`, where a step's id may have dots.
pub(crate) fn parse_group_name(name: &str) -> Option<StepGroup> {
    let (run, rest) = name.strip_prefix("run-")?.split_once('.')?;
    let (step, attempt) = rest.rsplit_once('.')?;
    let is_number = |text: &str| parse_u64(text.as_bytes()).is_some();
    (is_number(run) && is_number(attempt) && !step.is_empty()).then(|| StepGroup {
        run: run.to_owned(),
        step: step.to_owned(),
        attempt: attempt.to_owned(),
        counts: StepCounts::default(),
    })
}

/// Reads the groups of all steps below the build's group, by name. A group
/// that goes while it is read is left out.
pub(crate) fn read_steps(source: &mut Source, build: &Path) -> Vec<StepGroup> {
    // That the build's group is not there is told by its own reader.
    let entries = fs::read_dir(build).into_iter().flatten().flatten();
    let mut steps: Vec<StepGroup> = entries
        .filter_map(|entry| parse_group_name(entry.file_name().to_str()?))
        .take(STEPS_MAX)
        .collect();
    steps.sort_by(|one, other| {
        (&one.run, &one.step, &one.attempt).cmp(&(&other.run, &other.step, &other.attempt))
    });
    steps.retain_mut(|step| {
        let name = format!("run-{}.{}.{}", step.run, step.step, step.attempt);
        read_counts(source, &build.join(name), &mut step.counts)
    });
    steps
}

/// False for a group that is gone.
fn read_counts(source: &mut Source, folder: &Path, counts: &mut StepCounts) -> bool {
    let Ok(text) = source.read_text(&folder.join("cpu.stat")) else {
        return false;
    };
    *counts = parse_keyed(text);
    // The rest belongs to controllers that need not be on.
    for file in ["memory.stat", "memory.events"] {
        if let Ok(text) = source.read_text(&folder.join(file)) {
            merge(counts, &parse_keyed(text));
        }
    }
    if let Ok(text) = source.read_text(&folder.join("io.stat")) {
        merge(counts, &parse_io(text));
    }
    for field in StepCounts::FIELDS {
        if field.key.contains('.') && field.key != "cgroup.procs" {
            let text = source.read_text(&folder.join(field.key)).ok();
            let number = text.and_then(|text| parse_u64(text.trim_ascii_end()));
            (field.set)(counts, number);
        }
    }
    let processes = source.read_text(&folder.join("cgroup.procs")).ok();
    counts.processes = processes.map(|text| lines(text).count() as u64);
    for resource in ["cpu", "memory", "io"] {
        if let Ok(text) = source.read_text(&folder.join(format!("{resource}.pressure"))) {
            parse_pressure(resource, text, counts);
        }
    }
    true
}

/// Adds what `more` knows.
pub(crate) fn merge(counts: &mut StepCounts, more: &StepCounts) {
    for field in StepCounts::FIELDS {
        if let Some(value) = (field.get)(more) {
            (field.set)(counts, Some(value));
        }
    }
}

/// Parses `io.stat`: a line a device of `MAJOR:MINOR rbytes=… wbytes=… …`. The
/// file is empty while the group did no I/O.
pub(crate) fn parse_io(text: &[u8]) -> StepCounts {
    let mut counts = StepCounts::default();
    let is_io = |key: &str| matches!(key, "rbytes" | "wbytes" | "rios" | "wios");
    for field in StepCounts::FIELDS.iter().filter(|field| is_io(field.key)) {
        let of_word = |word: &[u8]| {
            let value = word
                .strip_prefix(field.key.as_bytes())?
                .strip_prefix(b"=")?;
            parse_u64(value)
        };
        let values = lines(text).flat_map(words).filter_map(of_word);
        let sum = values.fold(0, u64::saturating_add);
        (field.set)(&mut counts, Some(sum));
    }
    counts
}

/// What a step did between two samples.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFrame {
    /// The number of its run.
    pub run: String,
    /// Its id.
    pub step: String,
    /// Processors that it kept busy: 1.5 is one and a half.
    pub cpu_cores: Option<f64>,
    /// Memory that it uses, page cache included.
    pub memory_bytes: Option<u64>,
    /// Bytes that it read from storage.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes that it wrote to storage.
    pub write_bytes_per_second: Option<f64>,
    /// Page faults that had to read from a disk.
    pub major_faults_per_second: Option<f64>,
    /// Processes of it.
    pub processes: Option<u64>,
    /// Share of the interval in which some task of it waited for a processor.
    pub cpu_some: Option<f64>,
    /// Share of the interval in which none could go on for want of memory.
    pub memory_full: Option<f64>,
    /// Share of the interval in which none could go on for want of I/O.
    pub io_full: Option<f64>,
}

/// The steps' frames, each with rates if it ran already at the sample before.
pub(crate) fn derive_steps(
    previous: &[StepGroup],
    next: &[StepGroup],
    interval: Interval,
) -> Vec<StepFrame> {
    let key = |step: &StepGroup| (step.run.clone(), step.step.clone(), step.attempt.clone());
    let frames = next.iter().map(|step| {
        let before = previous.iter().find(|before| key(before) == key(step));
        let before = before.map_or_else(StepCounts::default, |before| before.counts);
        let after = &step.counts;
        let rate =
            |get: fn(&StepCounts) -> Option<u64>| interval.per_second(get(&before), get(after));
        let share = |get: fn(&StepCounts) -> Option<u64>| interval.share(get(&before), get(after));
        let cpu_usec = rate(|counts| counts.user_usec).zip(rate(|counts| counts.system_usec));
        StepFrame {
            run: step.run.clone(),
            step: step.step.clone(),
            cpu_cores: cpu_usec.map(|(user, system)| (user + system) / 1e6),
            memory_bytes: after.memory_bytes,
            read_bytes_per_second: rate(|counts| counts.read_bytes),
            write_bytes_per_second: rate(|counts| counts.write_bytes),
            major_faults_per_second: rate(|counts| counts.major_faults),
            processes: after.processes,
            cpu_some: share(|counts| counts.cpu_some_usec),
            memory_full: share(|counts| counts.memory_full_usec),
            io_full: share(|counts| counts.io_full_usec),
        }
    });
    frames.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_name_says_run_step_and_attempt() {
        let table = [
            ("run-3.ch06-m4.1", Some(("3", "ch06-m4", "1"))),
            ("run-3.gcc-12.2.0.12", Some(("3", "gcc-12.2.0", "12"))),
            ("run-3.m4", None),
            ("run-x.m4.1", None),
            ("run-3..1", None),
            ("init.scope", None),
        ];
        for (name, expected) in table {
            let found = parse_group_name(name);
            let found = found
                .as_ref()
                .map(|step| (step.run.as_str(), step.step.as_str(), step.attempt.as_str()));
            assert_eq!(found, expected, "{name}");
        }
    }

    fn write_group(build: &Path, name: &str, files: &[(&str, &str)]) {
        let folder = build.join(name);
        fs::create_dir(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
    }

    #[test]
    fn a_group_is_read_as_far_as_its_controllers_are_on() {
        let build = tempfile::TempDir::new().unwrap();
        let cpu = "usage_usec 30\nuser_usec 20\nsystem_usec 10\n";
        let stalled = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n\
            full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
        let full: &[(&str, &str)] = &[
            ("cpu.stat", cpu),
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            (
                "memory.stat",
                "anon 1024\nfile 5\npgfault 9\npgmajfault 2\n",
            ),
            ("memory.events", "low 0\noom 1\noom_kill 1\n"),
            (
                "io.stat",
                "254:0 rbytes=1 wbytes=2 rios=9 wios=4\n8:0 rbytes=10 wbytes=20 rios=1 wios=1\n",
            ),
            ("cgroup.procs", "12\n13\n"),
            ("memory.pressure", stalled),
        ];
        write_group(build.path(), "run-1.full.1", full);
        write_group(build.path(), "run-1.bare.2", &[("cpu.stat", cpu)]);
        write_group(build.path(), "run-1.gone.1", &[]);
        let steps = read_steps(&mut Source::default(), build.path());
        let names: Vec<&str> = steps.iter().map(|step| step.step.as_str()).collect();
        assert_eq!(names, ["bare", "full"]);
        let bare = StepCounts {
            user_usec: Some(20),
            system_usec: Some(10),
            ..StepCounts::default()
        };
        assert_eq!(steps[0].counts, bare);
        let full = StepCounts {
            memory_bytes: Some(4096),
            memory_peak_bytes: Some(8192),
            anonymous_bytes: Some(1024),
            faults: Some(9),
            major_faults: Some(2),
            oom_kills: Some(1),
            read_bytes: Some(11),
            write_bytes: Some(22),
            reads: Some(10),
            writes: Some(5),
            processes: Some(2),
            memory_some_usec: Some(7),
            memory_full_usec: Some(3),
            ..bare
        };
        assert_eq!(steps[1].counts, full);
    }

    #[test]
    fn another_attempt_at_a_step_has_no_rate_from_the_one_before() {
        let group = |attempt: &str, user_usec| StepGroup {
            run: "1".to_owned(),
            step: "m4".to_owned(),
            attempt: attempt.to_owned(),
            counts: StepCounts {
                user_usec: Some(user_usec),
                system_usec: Some(0),
                ..StepCounts::default()
            },
        };
        let interval = Interval { usec: 2_000_000 };
        let cores = |before, after| derive_steps(&[before], &[after], interval)[0].cpu_cores;
        assert_eq!(cores(group("1", 0), group("1", 3_000_000)), Some(1.5));
        assert_eq!(cores(group("1", 5), group("1", 0)), None);
        assert_eq!(cores(group("1", 0), group("2", 3_000_000)), None);
    }
}
