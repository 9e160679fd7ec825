//! Text of the processors, memory, disks and control groups.

use std::path::Path;

use crate::cgroup::step::{self, StepGroup, parse_group_name};
use crate::cgroup::{BuildGroup, parse_cpu_stat};
use crate::cpu::run_queue::parse_schedstat;
use crate::cpu::{parse_load, parse_stat};
use crate::disk::info::parse_devices;
use crate::disk::raid::parse_mdstat;
use crate::disk::{derive_parent, is_excluded, parse_diskstats};
use crate::doctor::group_probe::parse_legacy;
use crate::doctor::mount::parse_mount_points;
use crate::field::parse_keyed;
use crate::filesystem::space::Space;
use crate::filesystem::{FilesystemSample, derive_local_mounts, parse_mounts};
use crate::fuzzing::check::{check_cut, check_points, check_rows, check_samples, split};
use crate::memory::found::{
    parse_memory_found, parse_node_counter, parse_node_memory, parse_vmstat_found,
};
use crate::memory::{MemorySample, VmstatCounters};
use crate::pressure::{PressureSample, parse_pressure};
use crate::process::hidden::{derive_hidden, parse_proc_options};
use crate::sample::Sample;
use crate::text::lines;

const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

fn empty() -> Sample {
    Sample::empty(1_700_000_000_000, 0)
}

/// `/proc/stat`, `loadavg`, `schedstat` and `pressure/*`.
pub fn cpu(data: &[u8]) {
    let pressures = |text: &[u8]| {
        let mut sample = PressureSample::default();
        for resource in RESOURCES {
            parse_pressure(resource, text, &mut sample);
        }
        sample
    };
    check_cut(data, parse_stat);
    check_cut(data, parse_load);
    check_cut(data, pressures);
    check_rows(data, |text| parse_stat(text).cores);
    check_rows(data, parse_schedstat);
    let sample = |text| Sample {
        cpu: parse_stat(text),
        run_queues: parse_schedstat(text),
        load: parse_load(text),
        pressure: pressures(text),
        ..empty()
    };
    let (before, after) = split(data);
    check_samples(&sample(before), &sample(after));
}

/// `/proc/meminfo` and `vmstat`, and a NUMA node's `meminfo` and `numastat`.
pub fn memory(data: &[u8]) {
    let further = |text: &[u8]| {
        let mut points = Vec::new();
        parse_memory_found(text, &mut points);
        parse_vmstat_found(text, &mut points);
        points
    };
    check_cut(data, parse_keyed::<MemorySample>);
    check_cut(data, parse_keyed::<VmstatCounters>);
    check_cut(data, further);
    let sample = |text| Sample {
        memory: parse_keyed(text),
        vmstat: parse_keyed(text),
        further: further(text),
        ..empty()
    };
    let (before, after) = split(data);
    check_samples(&sample(before), &sample(after));
    for line in lines(data) {
        check_points(
            parse_node_memory(line, &[("node", "0")])
                .into_iter()
                .collect(),
        );
        check_points(
            parse_node_counter(line, &[("node", "0")])
                .into_iter()
                .collect(),
        );
    }
}

/// `/proc/diskstats` and `mdstat`, tables of mounts.
pub fn disk(data: &[u8]) {
    check_rows(data, parse_diskstats);
    check_rows(data, parse_devices);
    check_rows(data, parse_mounts);
    check_cut(data, parse_mdstat);
    check_cut(data, |text| parse_proc_options(text, Path::new("/proc")));
    check_mounts(data);
    let sample = |text| {
        let mut points = Vec::new();
        for array in parse_mdstat(text) {
            array.expose(&mut points);
        }
        Sample {
            disks: parse_diskstats(text),
            filesystems: fill(text),
            further: points,
            ..empty()
        }
    };
    let (before, after) = split(data);
    check_samples(&sample(before), &sample(after));
    for disk in sample(data).disks {
        let parent = derive_parent(&disk.device);
        assert!(parent.is_none_or(|parent| !parent.is_empty() && disk.device.starts_with(parent)));
        let _excluded = is_excluded(&disk.device);
    }
}

fn check_mounts(data: &[u8]) {
    let (mounts, points) = (parse_mounts(data), parse_mount_points(data));
    let paths: Vec<_> = mounts.iter().map(|mount| &mount.mountpoint).collect();
    let found: Vec<_> = points.iter().map(|point| &point.path).collect();
    assert_eq!(paths, found, "two parsers of one file");
    let options = parse_proc_options(data, Path::new("/proc"));
    drop(options.as_deref().and_then(derive_hidden));
}

/// Each local file system with as many bytes as its names have.
fn fill(text: &[u8]) -> Vec<FilesystemSample> {
    let mounts = derive_local_mounts(parse_mounts(text));
    let filled = mounts.into_iter().map(|mount| FilesystemSample {
        space: Space {
            size_bytes: Some(mount.device.len() as u64),
            free_bytes: Some(mount.mountpoint.as_os_str().len() as u64),
            available_bytes: Some(mount.fstype.len() as u64),
            ..Space::default()
        },
        mountpoint: mount.mountpoint.to_string_lossy().into_owned(),
        device: mount.device,
        fstype: mount.fstype,
        read_only: mount.read_only,
    });
    filled.collect()
}

/// A control group's `cpu.stat`, `memory.stat`, `memory.events`, `io.stat` and
/// `*.pressure`, its name, and the hierarchies of version 1.
pub fn cgroup(data: &[u8]) {
    check_cut(data, parse_cpu_stat);
    check_cut(data, step::parse_io);
    drop(parse_legacy(data));
    let counts = |text: &[u8]| {
        let mut counts = parse_keyed(text);
        step::merge(&mut counts, &step::parse_io(text));
        for resource in RESOURCES {
            parse_pressure(resource, text, &mut counts);
        }
        counts
    };
    check_cut(data, counts);
    let sample = |text: &[u8]| {
        let names = lines(text).filter_map(|line| std::str::from_utf8(line).ok());
        let named = names.filter_map(parse_group_name).take(1);
        let named = named.chain(parse_group_name("run-1.a.b.1")).next();
        Sample {
            build: Some(BuildGroup {
                inode: None,
                ..parse_cpu_stat(text)
            }),
            steps: named
                .map(|step| StepGroup {
                    counts: counts(text),
                    ..step
                })
                .into_iter()
                .collect(),
            ..empty()
        }
    };
    let (before, after) = split(data);
    check_samples(&sample(before), &sample(after));
}
