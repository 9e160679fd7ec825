//! Reads a whole sample: every subject's `read_` in turn.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use jiff::tz::TimeZone;

use lfs_wrapper_model::metric::Point;
use lfs_wrapper_model::now_msec;

use crate::cadence::{read_boottime_usec, read_monotonic_usec};
use crate::cgroup::step;
use crate::cpu::{frequency, run_queue};
use crate::disk::{info, raid};
use crate::filesystem::mounts::MountWatch;
use crate::filesystem::space::{SpaceReader, StatFn, read_space};
use crate::hardware::{hwmon, power_supply, thermal};
use crate::memory::found;
use crate::network::{class, conntrack, neighbour, protocol, socket_table, sockstat, softnet, tcp};
use crate::process::{Births, ProcessOptions, ProcessTable};
use crate::roots::Roots;
use crate::sample::Sample;
use crate::slow::{ReadAll, SlowReader};
use crate::source::Source;
use crate::system::clock;
use crate::{cgroup, cpu, disk, filesystem, memory, network, pressure, process, system};

/// Reads samples, one after the other, with one buffer.
#[derive(Debug)]
pub struct Reader {
    roots: Roots,
    source: Source,
    spaces: SpaceReader,
    slow: SlowReader,
    time_zone: TimeZone,
    processes: ProcessTable,
    look: Look,
}

/// How closely a sample looks at processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Each of them, and what takes a read of its own.
    Full,
    /// Each of them.
    Lean,
    /// They are counted.
    Count,
}

impl Reader {
    /// A reader of the machine, or the captured tree, below `roots`.
    pub fn new(roots: Roots) -> Self {
        Self::with_stat(roots, StatFn::new(read_space))
    }

    /// A reader that asks `stat` for the space of each mount point, so that
    /// tests can have full, slow or dead file systems.
    pub fn with_stat(roots: Roots, stat: StatFn) -> Self {
        let options = ProcessOptions {
            rootfs: roots.rootfs.clone(),
            ..ProcessOptions::default()
        };
        Self {
            slow: SlowReader::new(roots.clone(), read_slow(stat.clone())),
            time_zone: TimeZone::system(),
            processes: ProcessTable::new(&roots.procfs, options),
            look: Look::Full,
            roots,
            source: Source::default(),
            spaces: SpaceReader::new(stat),
        }
    }

    /// Has a thread of its own read what is slow, from now on. Without it every
    /// sample reads that too, as one look at the machine should.
    pub fn spawn_slow(&mut self) -> io::Result<()> {
        self.slow.spawn()
    }

    /// How closely the next samples look at processes.
    pub const fn set_look(&mut self, look: Look) {
        self.look = look;
    }

    /// The reader whose table of processes is read with these options.
    #[must_use]
    pub fn with_processes(mut self, options: ProcessOptions) -> Self {
        self.processes = ProcessTable::new(&self.roots.procfs, options);
        self
    }

    /// The processes at the last sample.
    pub const fn processes(&self) -> &ProcessTable {
        &self.processes
    }

    /// The same, to read more of some of them.
    pub const fn processes_mut(&mut self) -> &mut ProcessTable {
        &mut self.processes
    }

    /// Reads everything there is. `build_cgroup` is the folder of the cgroup
    /// (v2) below which supervised build steps run; that it does not exist
    /// means that no build runs.
    pub fn read(&mut self, build_cgroup: Option<&Path>) -> Sample {
        let Roots { procfs, rootfs, .. } = &self.roots;
        let source = &mut self.source;
        let mut sample = Sample::empty(now_msec(), read_monotonic_usec());
        sample.cpu = cpu::read_stat(source, procfs);
        sample.run_queues = run_queue::read_run_queues(source, procfs);
        sample.load = cpu::read_load(source, procfs);
        sample.memory = memory::read_memory(source, procfs);
        sample.vmstat = memory::read_vmstat(source, procfs);
        sample.pressure = pressure::read_pressure(source, procfs);
        sample.disks = disk::read_disks(source, procfs);
        sample.networks = network::read_networks(source, procfs);
        sample.protocols = protocol::read_protocols(source, &self.roots, &mut sample.further);
        read_further(source, &self.roots, &mut sample.further);
        clock::derive_time(sample.time_msec, &self.time_zone, &mut sample.further);
        let table = &mut self.processes;
        if self.look == Look::Count {
            sample.processes = process::count_processes(source, table, procfs);
        } else {
            table.set_cold(self.look == Look::Full);
            let forks = sample.cpu.counters.forks;
            let tasks = cpu::read_tasks(source, procfs);
            let births = forks.zip(tasks);
            let births = births.map(|(forks, tasks)| Births { forks, tasks });
            let boottime_usec = read_boottime_usec();
            sample.processes =
                process::read_processes(source, table, procfs, boottime_usec, births);
            if sample.processes.count.is_some() {
                sample.further.extend(table.summary());
            }
        }
        sample.build = build_cgroup.and_then(|folder| cgroup::read_build(source, folder));
        sample.steps = build_cgroup
            .map(|folder| step::read_steps(source, folder))
            .unwrap_or_default();
        // Last, since it alone may take its time: the counters above belong to
        // the moment the sample is stamped with.
        let spaces = &mut self.spaces;
        sample.filesystems = filesystem::read_filesystems(source, spaces, procfs, rootfs);
        sample.slow = self.slow.points(source);
        sample.absent = source.take_absent();
        sample
    }
}

/// What is read every sample and nothing is derived from.
fn read_further(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    clock::read_kernel_numbers(source, roots, points);
    sockstat::read_sockstat(source, roots, points);
    softnet::read_softnet(source, roots, points);
    neighbour::read_arp(source, roots, points);
    conntrack::read_conntrack(source, roots, points);
}

/// What changes slowly or takes its time.
fn read_slow(stat: StatFn) -> ReadAll {
    let mut mounts = MountWatch::new(stat);
    Box::new(move |source, roots, points| {
        mounts.read(source, roots, points);
        clock::read_clocksources(source, roots, points);
        clock::read_synchronised(roots, SystemTime::now(), points);
        frequency::read_cpu_frequencies(source, roots, points);
        frequency::read_cpu_throttles(source, roots, points);
        frequency::read_cpu_isolated(source, roots, points);
        found::read_memory_found(source, roots, points);
        found::read_numa(source, roots, points);
        found::read_zram(source, roots, points);
        info::read_disk_info(source, roots, points);
        raid::read_raids(source, roots, points);
        hwmon::read_sensors(source, roots, points);
        thermal::read_thermal(source, roots, points);
        thermal::read_memory_errors(source, roots, points);
        thermal::read_energy(source, roots, points);
        power_supply::read_power_supplies(source, roots, points);
        system::read_uname(source, roots, points);
        system::read_os(source, roots, points);
        system::read_dmi(source, roots, points);
        class::read_netclass(source, roots, points);
        tcp::read_tcp(source, roots, points);
        // The kernel walks its whole table, however few there are.
        socket_table::read_udp_queues(source, roots, points);
    })
}
