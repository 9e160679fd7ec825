//! Processor time and load averages: `/proc/stat` and `/proc/loadavg`.

pub(crate) mod distribution;
pub(crate) mod frequency;
pub(crate) mod run_queue;

use std::path::Path;

use lfs_wrapper_model::metric::Metric;

use crate::field::{Labels, Row, Values, keep_first, metric, parse_columns, parse_keyed, values};
use crate::interval::derive_delta;
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_u64, words};

/// Idle and iowait time may step back a little on a running machine, since the
/// kernel estimates them; more than this is a counter that began anew.
const IDLE_BACKWARD_MAX_TICKS: u64 = 100;

static CPU_SECONDS: &Metric = metric!(
    Counter,
    "node_cpu_seconds_total",
    "Seconds the CPUs spent in each mode."
);
static GUEST_SECONDS: &Metric = metric!(
    Counter,
    "node_cpu_guest_seconds_total",
    "Seconds the CPUs spent in guests (VMs) for each mode."
);

values! {
    /// Processor time since boot in ticks of 10 ms, the columns of a `cpu`
    /// line of `/proc/stat`.
    pub struct CpuTicks;
    /// In user mode, guests included.
    user_ticks = "user", Ticks, CPU_SECONDS, "mode" = "user";
    /// In user mode with a lowered priority, such guests included.
    nice_ticks = "nice", Ticks, CPU_SECONDS, "mode" = "nice";
    /// In the kernel.
    system_ticks = "system", Ticks, CPU_SECONDS, "mode" = "system";
    /// Doing nothing.
    idle_ticks = "idle", Ticks, CPU_SECONDS, "mode" = "idle";
    /// Doing nothing while I/O that was started here is under way.
    iowait_ticks = "iowait", Ticks, CPU_SECONDS, "mode" = "iowait";
    /// Serving interrupts.
    irq_ticks = "irq", Ticks, CPU_SECONDS, "mode" = "irq";
    /// Serving what interrupts deferred.
    softirq_ticks = "softirq", Ticks, CPU_SECONDS, "mode" = "softirq";
    /// Wanted, but given to other machines by the hypervisor.
    steal_ticks = "steal", Ticks, CPU_SECONDS, "mode" = "steal";
    /// Running guests; part of `user`.
    guest_ticks = "guest", Ticks, GUEST_SECONDS, "mode" = "user";
    /// Running guests of lowered priority; part of `nice`.
    guest_nice_ticks = "guest_nice", Ticks, GUEST_SECONDS, "mode" = "nice";
}

values! {
    /// The single numbers of `/proc/stat`.
    pub struct StatCounters;
    /// Interrupts served since boot.
    interrupts = "intr", One,
        metric!(Counter, "node_intr_total", "Total number of interrupts serviced.");
    /// Switches between tasks since boot.
    context_switches = "ctxt", One,
        metric!(Counter, "node_context_switches_total", "Total number of context switches.");
    /// When the machine was booted, seconds since 1970.
    boot_time_sec = "btime", One,
        metric!(Gauge, "node_boot_time_seconds", "Node boot time, in unixtime.");
    /// Tasks created since boot.
    forks = "processes", One,
        metric!(Counter, "node_forks_total", "Total number of forks.");
    /// Tasks that run or could.
    procs_running = "procs_running", One,
        metric!(Gauge, "node_procs_running", "Number of processes in runnable state.");
    /// Tasks that wait for I/O.
    procs_blocked = "procs_blocked", One,
        metric!(Gauge, "node_procs_blocked",
            "Number of processes blocked waiting for I/O to complete.");
}

values! {
    /// The load averages in hundredths, which is all that `/proc/loadavg` shows.
    pub struct LoadAverages;
    /// Over a minute.
    one_hundredths = "1-minute average", Hundredths, metric!(Gauge, "node_load1", "1m load average.");
    /// Over five minutes.
    five_hundredths = "5-minute average", Hundredths, metric!(Gauge, "node_load5", "5m load average.");
    /// Over fifteen minutes.
    fifteen_hundredths = "15-minute average", Hundredths,
        metric!(Gauge, "node_load15", "15m load average.");
}

/// One processor that is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreSample {
    /// The kernel's number of it.
    pub core: u32,
    /// How it spent its time.
    pub ticks: CpuTicks,
}

/// `/proc/stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuSample {
    /// The `cpu` line: all processors, those that went offline included.
    pub total: CpuTicks,
    /// The processors online, in the kernel's order.
    pub cores: Vec<CoreSample>,
    /// The single numbers.
    pub counters: StatCounters,
}

impl Row for CoreSample {
    type Values = CpuTicks;

    fn values(&self) -> &CpuTicks {
        &self.ticks
    }

    fn values_mut(&mut self) -> &mut CpuTicks {
        &mut self.ticks
    }

    fn labels(&self) -> Labels {
        vec![("cpu", self.core.to_string())]
    }

    fn from_labels(series: &Series<'_>) -> Option<Self> {
        Some(Self {
            core: parse_core(series.label("cpu")?.as_bytes())?,
            ticks: CpuTicks::default(),
        })
    }

    fn is_named(&self, series: &Series<'_>) -> bool {
        series
            .label("cpu")
            .and_then(|cpu| parse_core(cpu.as_bytes()))
            == Some(self.core)
    }

    fn position(rows: &[Self], series: &Series<'_>) -> Option<usize> {
        let core = parse_core(series.label("cpu")?.as_bytes())?;
        find_core(rows, core, |row| row.core)
    }
}

/// Where a processor stands. They are listed by number, with gaps where some
/// are offline; what was stored in another order is searched through.
pub(crate) fn find_core<R>(rows: &[R], core: u32, number: fn(&R) -> u32) -> Option<usize> {
    let guess = rows.binary_search_by_key(&core, number).ok();
    guess.or_else(|| rows.iter().position(|row| number(row) == core))
}

/// Reads `/proc/stat`.
pub(crate) fn read_stat(source: &mut Source, procfs: &Path) -> CpuSample {
    let path = procfs.join("stat");
    let Some(sample) = source.read_parsed("cpu", &path, parse_stat) else {
        return CpuSample::default();
    };
    if sample.cores.is_empty() {
        source.note("cpu", &path, "no line of any core");
    }
    if !sample.total.missing().is_empty() {
        source.note("cpu", &path, "no complete line of all cores");
    }
    source.note_incomplete("cpu", &path, &sample.cores);
    source.note_missing("cpu", &path, &sample.counters);
    sample
}

/// Parses `/proc/stat`.
pub(crate) fn parse_stat(text: &[u8]) -> CpuSample {
    let mut sample = CpuSample {
        counters: parse_keyed(text),
        ..CpuSample::default()
    };
    for line in lines(text) {
        let mut words = words(line);
        let Some(number) = words.next().and_then(|word| word.strip_prefix(b"cpu")) else {
            continue;
        };
        let ticks = parse_columns(words);
        if number.is_empty() {
            sample.total = ticks;
        } else if let Some(core) = parse_core(number) {
            sample.cores.push(CoreSample { core, ticks });
        }
    }
    keep_first(&mut sample.cores, |core| core.core);
    sample
}

pub(crate) fn parse_core(number: &[u8]) -> Option<u32> {
    u32::try_from(parse_u64(number)?).ok()
}

/// Reads `/proc/loadavg`.
pub(crate) fn read_load(source: &mut Source, procfs: &Path) -> LoadAverages {
    source.read_values("load", &procfs.join("loadavg"), parse_load)
}

/// Reads how many tasks there are on the machine, threads counted
/// (`/proc/loadavg`).
pub(crate) fn read_tasks(source: &mut Source, procfs: &Path) -> Option<u64> {
    let text = source.read_kept(&procfs.join("loadavg")).ok()?;
    let field = lines(text).next().and_then(|line| words(line).nth(3))?;
    let slash = field.iter().position(|byte| *byte == b'/')?;
    parse_u64(field.get(slash + 1..)?)
}

/// Parses `/proc/loadavg`: three numbers with two decimals, then others.
pub(crate) fn parse_load(text: &[u8]) -> LoadAverages {
    let mut load = LoadAverages::default();
    let words = lines(text).next().into_iter().flat_map(words);
    for (field, word) in LoadAverages::FIELDS.iter().zip(words) {
        (field.set)(&mut load, parse_hundredths(word));
    }
    load
}

fn parse_hundredths(word: &[u8]) -> Option<u64> {
    let (whole, decimals) = word.split_at_checked(word.len().checked_sub(3)?)?;
    let decimals = decimals.strip_prefix(b".")?;
    let whole = parse_u64(whole)?.checked_mul(100)?;
    whole.checked_add(parse_u64(decimals)?)
}

/// How busy the processors were, as shares of their time.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuFrame {
    /// Not idle and not waiting for I/O.
    pub busy_ratio: f64,
    /// In user mode, at any priority.
    pub user_ratio: f64,
    /// In the kernel, interrupts included.
    pub system_ratio: f64,
    /// Idle while I/O was under way.
    pub iowait_ratio: f64,
    /// Taken by the hypervisor.
    pub steal_ratio: f64,
    /// Each processor that was online at both ends, by number.
    pub cores: Vec<CoreFrame>,
}

/// How busy one processor was.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreFrame {
    /// The kernel's number of it.
    pub core: u32,
    /// Share of its time in which it was not idle and not waiting for I/O.
    pub busy_ratio: f64,
}

/// The load averages: tasks that run, could run, or wait for I/O.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Over a minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
}

/// Ticks spent in an interval, by what a frame tells apart.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    user: f64,
    system: f64,
    steal: f64,
    iowait: f64,
    idle: f64,
}

impl Spent {
    /// `None` where a counter is missing or began anew.
    fn between(previous: &CpuTicks, next: &CpuTicks) -> Option<Self> {
        let grown = |get: fn(&CpuTicks) -> Option<u64>| {
            derive_delta(get(previous), get(next)).map(|ticks| ticks as f64)
        };
        let estimated = |get: fn(&CpuTicks) -> Option<u64>| {
            let (before, after) = (get(previous)?, get(next)?);
            let backward = before.saturating_sub(after);
            (backward <= IDLE_BACKWARD_MAX_TICKS).then(|| after.saturating_sub(before) as f64)
        };
        Some(Self {
            user: grown(|ticks| ticks.user_ticks)? + grown(|ticks| ticks.nice_ticks)?,
            system: grown(|ticks| ticks.system_ticks)?
                + grown(|ticks| ticks.irq_ticks)?
                + grown(|ticks| ticks.softirq_ticks)?,
            steal: grown(|ticks| ticks.steal_ticks)?,
            iowait: estimated(|ticks| ticks.iowait_ticks)?,
            idle: estimated(|ticks| ticks.idle_ticks)?,
        })
    }

    fn add(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.steal += other.steal;
        self.iowait += other.iowait;
        self.idle += other.idle;
    }

    fn busy(&self) -> f64 {
        self.user + self.system + self.steal
    }

    /// All the time there was; `None` where it is too short to have a share.
    fn total(&self) -> Option<f64> {
        let total = self.busy() + self.iowait + self.idle;
        (total > 0.0).then_some(total)
    }
}

/// The processors' frame: the sum of the cores that were online at both ends
/// and whose counters went on, or the `cpu` line where there are no cores. (That
/// line also has the time of processors that went offline, which jumps.)
pub(crate) fn derive_cpu(previous: &CpuSample, next: &CpuSample) -> Option<CpuFrame> {
    let mut spent = Spent::default();
    let mut cores = Vec::with_capacity(next.cores.len());
    let mut known: Vec<&CoreSample> = previous.cores.iter().collect();
    known.sort_by_key(|core| core.core);
    for core in &next.cores {
        let before = known.binary_search_by_key(&core.core, |before| before.core);
        let before = before.ok().and_then(|index| known.get(index));
        let of_core = before.and_then(|before| Spent::between(&before.ticks, &core.ticks));
        let Some((of_core, total)) = of_core.and_then(|spent| Some((spent, spent.total()?))) else {
            continue;
        };
        spent.add(of_core);
        cores.push(CoreFrame {
            core: core.core,
            busy_ratio: of_core.busy() / total,
        });
    }
    if next.cores.is_empty() {
        spent = Spent::between(&previous.total, &next.total)?;
    }
    cores.sort_by_key(|core| core.core);
    let total = spent.total()?;
    Some(CpuFrame {
        busy_ratio: spent.busy() / total,
        user_ratio: spent.user / total,
        system_ratio: spent.system / total,
        iowait_ratio: spent.iowait / total,
        steal_ratio: spent.steal / total,
        cores,
    })
}

/// The load averages as numbers.
pub(crate) fn derive_load(load: &LoadAverages) -> Option<Load> {
    let decimal = |hundredths: Option<u64>| Some(hundredths? as f64 / 100.0);
    Some(Load {
        one: decimal(load.one_hundredths)?,
        five: decimal(load.five_hundredths)?,
        fifteen: decimal(load.fifteen_hundredths)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;
    use crate::{expose, restore};

    fn sample(seconds: u64) -> Sample {
        let text = (0..4096).rev().fold(String::new(), |mut text, core| {
            let ticks = [seconds * (core % 101), 0, 0, seconds * (100 - core % 101)];
            let [user, nice, system, idle] = ticks;
            text.push_str(&format!(
                "cpu{core} {user} {nice} {system} {idle} 0 0 0 0 0 0\n"
            ));
            text
        });
        Sample {
            cpu: parse_stat(text.as_bytes()),
            ..Sample::empty(0, seconds * 1_000_000)
        }
    }

    #[test]
    fn thousands_of_cores_keep_their_numbers_in_any_order() {
        let (before, after) = (sample(1), sample(1_000));
        let points = expose(&after);
        let stored = points.iter().map(|point| (point.series(), point.value));
        let restored = restore(0, after.monotonic_usec, stored);
        assert_eq!(restored.cpu.cores, after.cpu.cores);
        let frame = derive_cpu(&before.cpu, &restored.cpu).unwrap();
        assert_eq!(
            frame.cores,
            derive_cpu(&before.cpu, &after.cpu).unwrap().cores
        );
        assert!(frame.cores.is_sorted_by_key(|core| core.core));
        assert_eq!(frame.cores.len(), 4096);
    }
}
