//! What holds for any kernel text and any sample.

use std::fmt::{Debug, Write as _};
use std::ops::Range;

use lfs_wrapper_model::metric::{Point, render_prometheus};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::cgroup::{BuildGroup, parse_cpu_stat};
use crate::cpu::run_queue::{RunQueueSample, parse_schedstat};
use crate::cpu::{CoreSample, CpuSample, CpuTicks, StatCounters, parse_load, parse_stat};
use crate::disk::raid::parse_mdstat;
use crate::disk::{DiskSample, parse_diskstats};
use crate::field::{Values, parse_keyed};
use crate::filesystem::{FilesystemSample, derive_local_mounts, parse_mounts};
use crate::memory::{MemorySample, VmstatCounters};
use crate::network::protocol::ProtocolCounters;
use crate::network::{NetworkSample, parse_net_dev};
use crate::pressure::{PressureSample, parse_pressure};
use crate::process::ProcessSample;
use crate::sample::Sample;
use crate::system::parse_os_release;
use crate::{derive, expose, restore};

/// Numbers that a double holds exactly in every unit; those of the earlier of
/// two samples, and those of the later, which are seldom smaller.
const BEFORE: Range<u64> = 0..1 << 30;
const AFTER: Range<u64> = 1 << 29..1 << 40;

fn values_of<V: Values + Debug>(
    number: impl Strategy<Value = Option<u64>>,
) -> impl Strategy<Value = V> {
    vec(number, V::FIELDS.len()).prop_map(|numbers| {
        let mut values = V::default();
        for (field, number) in V::FIELDS.iter().zip(numbers) {
            (field.set)(&mut values, number);
        }
        values
    })
}

/// With gaps.
fn some_values<V: Values + Debug>(numbers: Range<u64>) -> impl Strategy<Value = V> {
    values_of(proptest::option::of(numbers))
}

/// Without gaps.
fn all_values<V: Values + Debug>(numbers: Range<u64>) -> impl Strategy<Value = V> {
    values_of(numbers.prop_map(Some))
}

fn rows<V: Values + Debug, R: Debug>(
    numbers: Range<u64>,
    make: impl Fn(u32, V) -> R + Clone,
) -> impl Strategy<Value = Vec<R>> {
    btree_map(0_u32..4, all_values::<V>(numbers), 0..4).prop_map(move |rows| {
        let rows = rows.into_iter();
        rows.map(|(number, values)| make(number, values)).collect()
    })
}

fn cpus(numbers: Range<u64>) -> impl Strategy<Value = CpuSample> {
    let cores = rows(numbers.clone(), |core, ticks| CoreSample { core, ticks });
    (cores, some_values::<StatCounters>(numbers)).prop_map(|(cores, mut counters)| {
        // Another boot time would be another boot.
        counters.boot_time_sec = Some(1_700_000_000);
        let total = crate::exposition::derive_total(&cores);
        CpuSample {
            total,
            cores,
            counters,
        }
    })
}

fn run_queues(numbers: Range<u64>) -> impl Strategy<Value = Vec<RunQueueSample>> {
    rows(numbers, |core, counts| RunQueueSample { core, counts })
}

fn disks(numbers: Range<u64>) -> impl Strategy<Value = Vec<DiskSample>> {
    rows(numbers, |number, counts| DiskSample {
        device: format!("sd{number}"),
        counts,
    })
}

fn filesystems(numbers: Range<u64>) -> impl Strategy<Value = Vec<FilesystemSample>> {
    rows(numbers, |number, space| FilesystemSample {
        device: format!("/dev/sd{number}"),
        mountpoint: format!("/a \"{number}\" \\ b\n"),
        fstype: "ext4".to_owned(),
        read_only: number % 2 == 0,
        space,
    })
}

fn networks(numbers: Range<u64>) -> impl Strategy<Value = Vec<NetworkSample>> {
    rows(numbers, |number, counts| NetworkSample {
        device: if number == 0 {
            "lo".to_owned()
        } else {
            format!("eth{number}")
        },
        counts,
    })
}

fn builds(numbers: Range<u64>) -> impl Strategy<Value = Option<BuildGroup>> {
    proptest::option::of(
        all_values(numbers).prop_map(|counts: crate::BuildCounts| BuildGroup {
            inode: None,
            usage_usec: Some(counts.user_usec.unwrap() + counts.system_usec.unwrap()),
            counts,
        }),
    )
}

fn samples(numbers: Range<u64>) -> impl Strategy<Value = Sample> {
    let singles = (
        some_values(numbers.clone()),
        some_values::<MemorySample>(numbers.clone()),
        some_values::<VmstatCounters>(numbers.clone()),
        some_values::<PressureSample>(numbers.clone()),
        some_values::<ProcessSample>(numbers.clone()),
        some_values::<ProtocolCounters>(numbers.clone()),
    );
    let of = || numbers.clone();
    let rows = (
        disks(of()),
        filesystems(of()),
        networks(of()),
        run_queues(of()),
    );
    (cpus(of()), singles, rows, builds(of()), of()).prop_map(|(cpu, singles, rows, build, usec)| {
        let (load, memory, vmstat, pressure, processes, protocols) = singles;
        let (disks, filesystems, networks, run_queues) = rows;
        Sample {
            cpu,
            run_queues,
            load,
            memory,
            vmstat,
            pressure,
            disks,
            filesystems,
            networks,
            protocols,
            processes,
            build,
            ..Sample::empty(1_700_000_000_000, usec)
        }
    })
}

fn restored(sample: &Sample, points: &[Point]) -> Sample {
    let points = points.iter().map(|point| (point.series(), point.value));
    restore(sample.time_msec, sample.monotonic_usec, points)
}

fn render_columns<V: Values>(values: &V) -> String {
    V::FIELDS.iter().fold(String::new(), |mut text, field| {
        write!(text, " {}", (field.get)(values).unwrap()).unwrap();
        text
    })
}

fn render_stat(sample: &CpuSample) -> String {
    let mut text = format!("cpu {}\n", render_columns(&sample.total));
    for core in &sample.cores {
        writeln!(text, "cpu{}{}", core.core, render_columns(&core.ticks)).unwrap();
    }
    for field in StatCounters::FIELDS {
        if let Some(number) = (field.get)(&sample.counters) {
            writeln!(text, "{} {number} 0 0", field.key).unwrap();
        }
    }
    text
}

fn render_diskstats(disks: &[DiskSample]) -> String {
    disks.iter().fold(String::new(), |mut text, disk| {
        let columns = render_columns(&disk.counts);
        writeln!(text, "   8 {:7} {}{columns} 0 0", 16, disk.device).unwrap();
        text
    })
}

/// Every parser on one text.
fn parse_all(text: &[u8]) {
    drop(parse_stat(text));
    let _load = parse_load(text);
    let _memory: MemorySample = parse_keyed(text);
    parse_pressure("memory", text, &mut PressureSample::default());
    drop(parse_diskstats(text));
    drop(parse_schedstat(text));
    drop(parse_mdstat(text));
    drop(parse_os_release(text));
    drop(parse_net_dev(text));
    drop(derive_local_mounts(parse_mounts(text)));
    let _build = parse_cpu_stat(text);
}

proptest! {
    #[test]
    fn no_bytes_stop_a_parser(text: Vec<u8>) {
        parse_all(&text);
    }

    #[test]
    fn no_damage_to_kernel_text_stops_a_parser(
        sample in cpus(BEFORE),
        total in all_values::<CpuTicks>(BEFORE),
        disks in disks(BEFORE),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        length: prop::sample::Index,
    ) {
        let sample = CpuSample { total, ..sample };
        let mut text = [render_stat(&sample), render_diskstats(&disks)].concat().into_bytes();
        for (index, byte) in damage {
            let index = index.index(text.len());
            text[index] = byte;
        }
        text.truncate(length.index(text.len()));
        parse_all(&text);
    }

    #[test]
    fn stat_is_parsed_as_it_was_printed(sample in cpus(BEFORE), total in all_values::<CpuTicks>(BEFORE)) {
        let sample = CpuSample { total, ..sample };
        prop_assert_eq!(parse_stat(render_stat(&sample).as_bytes()), sample);
    }

    #[test]
    fn diskstats_are_parsed_as_they_were_printed(disks in disks(BEFORE)) {
        prop_assert_eq!(parse_diskstats(render_diskstats(&disks).as_bytes()), disks);
    }

    #[test]
    fn what_was_exposed_is_restored(before in samples(BEFORE), after in samples(AFTER)) {
        let (stored_before, stored_after) = (expose(&before), expose(&after));
        let (was, is) = (restored(&before, &stored_before), restored(&after, &stored_after));
        prop_assert_eq!(&was, &before);
        prop_assert_eq!(&is, &after);
        prop_assert_eq!(derive(&was, &is), derive(&before, &after));
    }

    #[test]
    fn no_ratio_leaves_its_range(before in samples(BEFORE), after in samples(AFTER)) {
        let frame = derive(&before, &after);
        let cpu = frame.cpu.iter().flat_map(|cpu| {
            let cores = cpu.cores.iter().map(|core| core.busy_ratio);
            let all = [cpu.busy_ratio, cpu.user_ratio, cpu.system_ratio, cpu.iowait_ratio, cpu.steal_ratio];
            cores.chain(all)
        });
        let pressure = &frame.pressure;
        let shares = [
            pressure.cpu_some, pressure.memory_some, pressure.memory_full, pressure.io_some,
            pressure.io_full, frame.build_cpu_ratio,
        ];
        let ratios = cpu
            .chain(shares.into_iter().flatten())
            .chain(frame.memory.iter().map(|memory| memory.used_ratio))
            .chain(frame.disk.iter().map(|disk| disk.busy_ratio))
            .chain(frame.protocols.iter().flat_map(|protocols| protocols.tcp_retransmit_ratio))
            .chain(frame.disks.iter().map(|disk| disk.busy_ratio))
            .chain(frame.pressure.irq_full)
            .chain(frame.filesystems.iter().map(|filesystem| filesystem.used_ratio));
        for ratio in ratios {
            prop_assert!((0.0..=1.0).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn points_of_a_metric_stand_together(sample in samples(BEFORE)) {
        let text = render_prometheus(&expose(&sample));
        let mut names: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let all = names.len();
        names.dedup();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), all);
    }
}

#[test]
fn rows_that_stand_twice_count_once() {
    let twice = |line: &str, other: &str| [line, other].concat().into_bytes();
    let cores = parse_stat(&twice("cpu3 1 2\n", "cpu3 5 6\n")).cores;
    assert_eq!(cores.len(), 1);
    assert_eq!(cores[0].ticks.user_ticks, Some(1));
    let line = "cpu3 0 0 0 0 0 0 1 2 3\n";
    assert_eq!(parse_schedstat(&twice(line, line)).len(), 1);
    let disks = parse_diskstats(&twice("8 0 sda 1\n", "8 0 sda 2\n"));
    assert_eq!(disks.len(), 1);
    assert_eq!(disks[0].counts.reads_completed, Some(1));
    let line = "md0 : active raid1 sda1[0]\n";
    assert_eq!(parse_mdstat(&twice(line, line)).len(), 1);
    let text = "face |bytes |bytes\n eth0: 1 2\n eth0: 3 4\n";
    let networks = parse_net_dev(text.as_bytes());
    assert_eq!(networks.len(), 1);
    assert_eq!(networks[0].counts.receive_bytes, Some(1));
}
