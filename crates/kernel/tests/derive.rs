//! What two samples say together, on numbers small enough to check by hand.

use lfs_wrapper_kernel::{
    Absent, BuildCounts, BuildGroup, CoreSample, CpuTicks, DiskCounts, DiskSample, Frame,
    NetworkCounts, NetworkSample, Sample, derive,
};

/// Ticks of a core: user, system, idle, iowait; the rest stands still.
fn core(core: u32, [user, system, idle, iowait]: [u64; 4]) -> CoreSample {
    let ticks = CpuTicks {
        user_ticks: Some(user),
        nice_ticks: Some(5),
        system_ticks: Some(system),
        idle_ticks: Some(idle),
        iowait_ticks: Some(iowait),
        irq_ticks: Some(6),
        softirq_ticks: Some(7),
        steal_ticks: Some(8),
        guest_ticks: Some(0),
        guest_nice_ticks: Some(0),
    };
    CoreSample { core, ticks }
}

fn disk(device: &str, [read, written, io_msec]: [u64; 3]) -> DiskSample {
    let counts = DiskCounts {
        reads_completed: Some(read / 8),
        read_sectors: Some(read),
        writes_completed: Some(written / 8),
        written_sectors: Some(written),
        io_msec: Some(io_msec),
        ..DiskCounts::default()
    };
    DiskSample {
        device: device.to_owned(),
        counts,
    }
}

fn network(device: &str, [received, sent]: [u64; 2]) -> NetworkSample {
    let counts = NetworkCounts {
        receive_bytes: Some(received),
        receive_packets: Some(received / 10),
        transmit_bytes: Some(sent),
        transmit_packets: Some(sent / 10),
        ..NetworkCounts::default()
    };
    NetworkSample {
        device: device.to_owned(),
        counts,
    }
}

fn build(inode: u64, usage_usec: u64) -> Option<BuildGroup> {
    Some(BuildGroup {
        inode: Some(inode),
        usage_usec: Some(usage_usec),
        counts: BuildCounts {
            processes: Some(4),
            ..BuildCounts::default()
        },
    })
}

/// A machine with two cores, two disks and a network, without a build.
fn before() -> Sample {
    let mut sample = Sample::empty(1_000_000, 50_000_000);
    sample.cpu.cores = vec![core(0, [100, 100, 1000, 50]), core(1, [100, 100, 1000, 50])];
    sample.cpu.counters.boot_time_sec = Some(1_700_000_000);
    sample.disks = vec![disk("sda", [800, 1600, 10_000]), disk("sdb", [0, 0, 0])];
    sample.networks = vec![network("lo", [70, 70]), network("eth0", [1000, 2000])];
    sample.vmstat.oom_kills = Some(1);
    sample.vmstat.major_faults = Some(10);
    sample.pressure.cpu_some_usec = Some(1_000_000);
    sample.build = None;
    sample
}

/// The same two seconds later, with nothing done but what a test adds.
fn after(change: impl FnOnce(&mut Sample)) -> Frame {
    let mut sample = before();
    sample.time_msec += 2000;
    sample.monotonic_usec += 2_000_000;
    change(&mut sample);
    derive(&before(), &sample)
}

#[test]
fn time_is_shared_among_what_processors_do() {
    let frame = after(|next| {
        // 200 ticks each: the first half busy, the second waiting or idle.
        next.cpu.cores[0] = core(0, [160, 140, 1080, 70]);
        next.cpu.cores[1] = core(1, [100, 100, 1180, 70]);
        next.pressure.cpu_some_usec = Some(1_500_000);
    });
    let cpu = frame.cpu.unwrap();
    assert_eq!(frame.interval_usec, 2_000_000);
    assert_eq!(cpu.busy_ratio, 0.25);
    assert_eq!(cpu.user_ratio, 60.0 / 400.0);
    assert_eq!(cpu.system_ratio, 40.0 / 400.0);
    assert_eq!(cpu.iowait_ratio, 40.0 / 400.0);
    assert_eq!(cpu.steal_ratio, 0.0);
    assert_eq!(cpu.cores[0].busy_ratio, 0.5);
    assert_eq!(cpu.cores[1].busy_ratio, 0.0);
    assert_eq!(frame.pressure.cpu_some, Some(0.25));
    assert_eq!(frame.pressure.memory_full, None);
}

#[test]
fn idle_time_that_steps_back_a_little_is_none() {
    let frame = after(|next| next.cpu.cores = vec![core(0, [150, 150, 990, 49])]);
    let cpu = frame.cpu.unwrap();
    assert_eq!((cpu.busy_ratio, cpu.iowait_ratio), (1.0, 0.0));
}

#[test]
fn a_core_that_began_anew_or_came_is_left_out() {
    let frame = after(|next| {
        next.cpu.cores = vec![
            core(7, [500, 0, 0, 0]),
            core(1, [150, 100, 1050, 50]),
            core(0, [100, 100, 5, 50]),
        ];
    });
    let cpu = frame.cpu.unwrap();
    assert_eq!(cpu.busy_ratio, 0.5);
    let cores: Vec<u32> = cpu.cores.iter().map(|core| core.core).collect();
    assert_eq!(cores, [1]);
}

#[test]
fn disks_add_up_and_the_busiest_is_named() {
    let frame = after(|next| {
        next.disks = vec![
            disk("sdb", [80, 0, 1500]),
            disk("sda", [880, 1760, 10_500]),
            disk("dm-0", [9999, 9999, 9999]),
        ];
    });
    let disk = frame.disk.unwrap();
    assert_eq!(disk.read_bytes_per_second, 160.0 * 512.0 / 2.0);
    assert_eq!(disk.write_bytes_per_second, 160.0 * 512.0 / 2.0);
    assert_eq!(disk.reads_per_second, 10.0);
    assert_eq!(disk.writes_per_second, 10.0);
    assert_eq!(
        (disk.busiest_device.as_str(), disk.busy_ratio),
        ("sdb", 0.75)
    );
}

#[test]
fn a_disk_that_began_anew_came_or_went_has_no_rate() {
    let frame = after(|next| {
        // sda began anew, sdb went, sdc came.
        next.disks = vec![disk("sda", [880, 8, 10_500]), disk("sdc", [1, 2, 3])];
    });
    assert_eq!(frame.disk, None);
}

#[test]
fn the_network_counts_without_loopback_but_totals_with_it() {
    let frame = after(|next| {
        next.networks = vec![
            network("lo", [9070, 9070]),
            network("eth0", [3000, 2400]),
            network("wlan0", [50, 60]),
        ];
    });
    let network = frame.network.unwrap();
    assert_eq!(network.receive_bytes_per_second, Some(1000.0));
    assert_eq!(network.transmit_bytes_per_second, Some(200.0));
    assert_eq!(network.bytes_recv, 9070 + 3000 + 50);
    assert_eq!(network.packets_sent, 907 + 240 + 6);
}

#[test]
fn a_network_device_that_began_anew_has_no_rate() {
    let frame = after(|next| next.networks[1] = network("eth0", [10, 90_000]));
    let network = frame.network.unwrap();
    assert_eq!(network.receive_bytes_per_second, None);
    assert_eq!(network.transmit_bytes_per_second, Some(44_000.0));
}

#[test]
fn memory_needs_only_the_newer_sample_but_its_rates_need_both() {
    let frame = after(|next| {
        next.memory.total_bytes = Some(1000);
        next.memory.available_bytes = Some(250);
        next.memory.swap_total_bytes = Some(100);
        next.memory.swap_free_bytes = Some(40);
        next.vmstat.oom_kills = Some(3);
        next.vmstat.major_faults = Some(50);
    });
    let memory = frame.memory.unwrap();
    assert_eq!(memory.used_ratio, 0.75);
    assert_eq!(memory.swap_used_bytes, Some(60));
    assert_eq!(memory.oom_kills, Some(2));
    assert_eq!(memory.major_faults_per_second, Some(20.0));
    assert_eq!(memory.swap_in_pages_per_second, None);
}

#[test]
fn the_share_of_a_build_follows_its_group() {
    // Two cores for two seconds: 4 s of processor time.
    let share = |before_build: Option<BuildGroup>, after_build: Option<BuildGroup>| {
        let mut previous = before();
        previous.build = before_build;
        let mut next = before();
        next.monotonic_usec += 2_000_000;
        next.build = after_build;
        derive(&previous, &next).build_cpu_ratio
    };
    let unknown = Some(BuildGroup::default());
    for (was, is, expected) in [
        (None, None, Some(0.0)),
        (build(1, 500_000), build(1, 1_500_000), Some(0.25)),
        // New: counts from its beginning, but never more than all.
        (None, build(1, 2_000_000), Some(0.5)),
        (None, build(1, 9_000_000), Some(1.0)),
        // Gone, made again, gone backwards, not readable: cannot be told.
        (build(1, 500_000), None, None),
        (build(1, 500_000), build(2, 1_500_000), None),
        (build(1, 500_000), build(1, 400_000), None),
        (build(1, 500_000), unknown.clone(), None),
        (None, unknown, None),
    ] {
        assert_eq!(share(was.clone(), is.clone()), expected, "{was:?} {is:?}");
    }
}

#[test]
fn the_first_sample_has_state_but_no_rates() {
    let mut first = before();
    first.load.one_hundredths = Some(150);
    first.load.five_hundredths = Some(100);
    first.load.fifteen_hundredths = Some(25);
    first.absent.push(Absent {
        what: "pressure",
        why: "/proc/pressure/cpu: not found".to_owned(),
    });
    let frame = derive(&first, &first);
    assert_eq!(frame.load.unwrap().one, 1.5);
    assert_eq!((frame.cpu, frame.disk), (None, None));
    let network = frame.network.unwrap();
    assert_eq!(
        (network.receive_bytes_per_second, network.bytes_recv),
        (None, 1070)
    );
    assert_eq!(frame.pressure.cpu_some, None);
    assert_eq!(frame.build_cpu_ratio, Some(0.0));
    assert_eq!(
        frame.absent[0].to_string(),
        "pressure: /proc/pressure/cpu: not found"
    );
}

#[test]
fn nothing_is_derived_across_a_boot_or_backwards() {
    let busy = |next: &mut Sample| {
        next.cpu.cores[0] = core(0, [160, 140, 1080, 70]);
        next.disks[0] = disk("sda", [8000, 16_000, 11_000]);
    };
    assert!(after(busy).cpu.is_some());
    let rebooted = after(|next| {
        busy(next);
        next.cpu.counters.boot_time_sec = Some(1_700_003_600);
    });
    let backwards = after(|next| {
        busy(next);
        next.monotonic_usec = 1;
    });
    for frame in [rebooted, backwards] {
        assert_eq!(
            (frame.interval_usec, frame.cpu, frame.disk),
            (0, None, None)
        );
    }
}

#[test]
fn protocols_fare_as_their_counters_say() {
    let mut previous = before();
    previous.protocols.tcp_out_segments = Some(100);
    previous.protocols.tcp_retransmits = Some(10);
    let mut next = previous.clone();
    next.monotonic_usec += 2_000_000;
    next.protocols.tcp_out_segments = Some(106);
    next.protocols.tcp_retransmits = Some(12);
    let protocols = derive(&previous, &next).protocols.unwrap();
    assert_eq!(protocols.tcp_out_segments_per_second, Some(3.0));
    assert_eq!(protocols.tcp_retransmit_ratio, Some(0.25));
    assert_eq!(derive(&before(), &before()).protocols, None);
}
