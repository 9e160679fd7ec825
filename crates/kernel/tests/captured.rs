//! Captured trees, read as a live machine is, with values checked by hand.

use std::io;
use std::path::{Path, PathBuf};

use lfs_wrapper_kernel::{Reader, Roots, Sample, Space, StatFn, derive, expose};
use lfs_wrapper_model::metric::render_prometheus;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(name)
}

/// 1000 bytes, 600 used, 300 of the rest for everybody.
const SPACE: Space = Space {
    size_bytes: Some(1000),
    free_bytes: Some(400),
    available_bytes: Some(300),
    files: Some(50),
    files_free: Some(20),
};

fn reader(name: &str) -> Reader {
    let folder = fixture(name);
    let roots = Roots {
        procfs: folder.join("proc"),
        sysfs: folder.join("sys"),
        rootfs: "/image".into(),
    };
    let stat = |path: &Path| {
        if path.ends_with("dead") {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        assert!(path.starts_with("/image"), "{}", path.display());
        Ok(SPACE)
    };
    Reader::with_stat(roots, StatFn::new(stat))
}

fn read(name: &str, build: Option<&str>) -> Sample {
    let build = build.map(|build| fixture(name).join(build));
    reader(name).read(build.as_deref())
}

/// The notes, with the fixture's folder taken out.
fn absent(name: &str, sample: &Sample) -> Vec<String> {
    let folder = fixture(name).display().to_string();
    let notes = sample.absent.iter();
    notes
        .map(|note| note.to_string().replace(&folder, ""))
        .collect()
}

fn devices(sample: &Sample) -> Vec<&str> {
    sample
        .disks
        .iter()
        .map(|disk| disk.device.as_str())
        .collect()
}

#[test]
fn a_small_machine_is_read_whole() {
    let sample = read("here", Some("cgroup/build"));
    assert_eq!(absent("here", &sample), [""; 0]);

    assert_eq!(sample.cpu.total.idle_ticks, Some(142_286));
    assert_eq!(sample.cpu.cores.len(), 2);
    assert_eq!(sample.cpu.cores[1].core, 1);
    assert_eq!(sample.cpu.cores[1].ticks.user_ticks, Some(1982));
    assert_eq!(sample.cpu.cores[1].ticks.steal_ticks, Some(12));
    assert_eq!(sample.cpu.counters.interrupts, Some(124_751));
    assert_eq!(sample.cpu.counters.boot_time_sec, Some(1_795_234_392));
    assert_eq!(sample.load.one_hundredths, Some(47));
    assert_eq!(sample.memory.total_bytes, Some(24_684_096 * 1024));
    assert_eq!(sample.memory.slab_bytes, Some(64_796 * 1024));
    assert_eq!(sample.vmstat.major_faults, Some(656));
    assert_eq!(sample.pressure.cpu_some_usec, Some(3_432_755));
    assert_eq!(sample.pressure.io_full_usec, Some(1_572_795));
    assert_eq!(devices(&sample), ["vda", "zram0"]);
    assert_eq!(sample.disks[0].counts.written_sectors, Some(1_448_928));
    assert_eq!(sample.disks[0].counts.weighted_msec, Some(11_255));
    assert_eq!(sample.networks.len(), 3);
    assert_eq!(sample.networks[2].device, "eth0");
    assert_eq!(sample.networks[2].counts.receive_bytes, Some(380_185_957));
    assert_eq!(sample.networks[2].counts.transmit_packets, Some(5606));
    assert_eq!(sample.networks[2].counts.transmit_compressed, Some(0));
    assert_eq!(sample.protocols.tcp_retransmits, Some(5));
    assert_eq!(sample.protocols.tcp_listen_overflows, Some(1));
    assert_eq!(sample.protocols.udp6_in_errors, None);
    assert_eq!(sample.processes.count, Some(3));
    assert_eq!(sample.processes.kernel_threads, Some(1));
    let build = sample.build.unwrap();
    assert_eq!(build.usage_usec, Some(7_500_000));
    assert_eq!(build.counts.user_usec, Some(6_000_000));
    assert_eq!(build.counts.processes, Some(3));
}

#[test]
fn a_frame_of_a_small_machine_agrees_with_its_tools() {
    let sample = read("here", None);
    let frame = derive(&sample, &sample);
    assert_eq!(frame.interval_usec, 0);
    assert_eq!(frame.cpu, None);
    assert_eq!(frame.load.unwrap().one, 0.47);
    let memory = frame.memory.unwrap();
    assert!((memory.used_ratio - 434_336.0 / 24_684_096.0).abs() < 1e-12);
    assert_eq!(memory.swap_used_bytes, Some(0));
    // As df shows it: 600 of 900.
    assert_eq!(frame.filesystems.len(), 1);
    assert_eq!(frame.filesystems[0].mountpoint, "/");
    assert_eq!(frame.filesystems[0].used_ratio, 600.0 / 900.0);
    assert_eq!(frame.network.unwrap().bytes_recv, 380_185_957 + 3193);
    assert_eq!(frame.build_cpu_ratio, Some(0.0));
    assert_eq!(frame.build_processes, Some(0));
}

#[test]
fn no_folder_is_no_build() {
    let sample = read("here", Some("cgroup/none"));
    assert_eq!(sample.build, None);
    assert_eq!(absent("here", &sample), [""; 0]);
}

#[test]
fn a_folder_that_is_no_cgroup_is_not_no_build() {
    let sample = read("here", Some("proc/net"));
    let build = sample.build.as_ref().unwrap();
    assert_eq!((build.usage_usec, build.counts.processes), (None, None));
    assert_eq!(
        absent("here", &sample),
        [
            "build: /proc/net/cpu.stat: not found",
            "build: /proc/net: not found"
        ]
    );
    assert_eq!(derive(&sample, &sample).build_cpu_ratio, None);
}

#[test]
fn a_server_without_pressure_says_so() {
    let sample = read("server64", None);
    assert_eq!(sample.cpu.cores.len(), 64);
    assert_eq!(sample.cpu.cores[63].ticks.user_ticks, Some(1063));
    assert_eq!(sample.cpu.counters.context_switches, Some(12_345_678_901));
    assert_eq!(sample.load.fifteen_hundredths, Some(901));
    assert_eq!(sample.vmstat.faults, Some(u64::MAX));
    assert_eq!(sample.pressure.cpu_some_usec, None);
    // node_exporter's rule knows the common names of partitions only; frames
    // leave out the others as well.
    assert_eq!(
        devices(&sample),
        [
            "sda",
            "sdb",
            "dm-0",
            "nvme0n1",
            "cciss/c0d0",
            "cciss/c0d0p1"
        ]
    );
    let later = Sample {
        monotonic_usec: sample.monotonic_usec + 1_000_000,
        ..sample.clone()
    };
    let frame = derive(&sample, &later);
    let framed: Vec<&str> = frame
        .disks
        .iter()
        .map(|disk| disk.device.as_str())
        .collect();
    assert_eq!(framed, ["cciss/c0d0", "dm-0", "nvme0n1", "sda", "sdb"]);
    assert_eq!(sample.networks[1].counts.receive_drops, Some(4));
    assert_eq!(sample.networks[1].counts.transmit_errors, Some(7));
    assert_eq!(
        absent("server64", &sample),
        [
            "vmstat: /proc/vmstat: no oom_kill",
            "pressure: /proc/pressure/cpu: not found",
            "pressure: /proc/pressure/memory: not found",
            "pressure: /proc/pressure/io: not found",
            "filesystem: /mnt/dead: permission denied",
        ]
    );
}

#[test]
fn local_file_systems_are_watched_once_each() {
    let sample = read("server64", None);
    let found: Vec<_> = sample
        .filesystems
        .iter()
        .map(|found| {
            (
                found.device.as_str(),
                found.mountpoint.as_str(),
                found.read_only,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("/dev/sda1", "/", false),
            ("/dev/mapper/data", "/srv/with blank\\and\ttab", true),
            ("tank/home", "/home", false),
        ]
    );
}

#[test]
fn a_garbled_tree_gives_what_is_whole_and_names_the_rest() {
    let sample = read("garbled", None);
    assert_eq!(sample.cpu.total.user_ticks, Some(1));
    assert_eq!(sample.cpu.total.idle_ticks, None);
    let cores: Vec<u32> = sample.cpu.cores.iter().map(|core| core.core).collect();
    assert_eq!(cores, [0, 1]);
    assert_eq!(sample.cpu.cores[0].ticks.system_ticks, None);
    assert_eq!(sample.cpu.counters.forks, Some(12));
    assert_eq!(sample.load.five_hundredths, Some(125));
    assert_eq!(sample.memory.total_bytes, Some(1_024_000));
    assert_eq!(sample.pressure.memory_some_usec, Some(17));
    assert_eq!(devices(&sample), ["sda", "sd\u{fffd}"]);
    assert_eq!(sample.networks[0].counts.receive_packets, Some(2));
    let mounts: Vec<&str> = sample
        .filesystems
        .iter()
        .map(|found| found.mountpoint.as_str())
        .collect();
    assert_eq!(mounts, ["/c\\04", "/d\\999\\400"]);

    let frame = derive(&sample, &sample);
    assert_eq!((frame.load, frame.memory), (None, None));
    assert_eq!(frame.processes, None);
}

#[test]
fn a_garbled_tree_is_told_line_by_line() {
    let notes = absent("garbled", &read("garbled", None));
    for expected in [
        "cpu: /proc/stat: no complete line of all cores",
        "cpu: /proc/stat: 1 incomplete line(s), the first is \"0\"",
        "cpu: /proc/stat: no ctxt",
        "cpu: /proc/stat: no procs_running",
        "load: /proc/loadavg: no 1-minute average",
        "memory: /proc/meminfo: no MemFree",
        "memory: /proc/meminfo: no MemAvailable",
        "vmstat: /proc/vmstat: no pgfault",
        "pressure: /proc/pressure/cpu: no total of some",
        "pressure: /proc/pressure/memory: no total of full",
        "pressure: /proc/pressure/io: not found",
        "disk: /proc/diskstats: 1 incomplete line(s), the first is \"sda\"",
        "network: /proc/net/dev: 2 incomplete line(s), the first is \"eth0\"",
    ] {
        assert!(
            notes.iter().any(|note| note == expected),
            "{expected}: {notes:#?}"
        );
    }
}

#[test]
fn nothing_at_all_is_no_zero() {
    let sample = read("no-such-tree", None);
    assert_eq!(sample.processes.count, None);
    assert_eq!(sample.absent.len(), 13, "{:#?}", sample.absent);
    // That no build runs is known, and what time it is here.
    let names: Vec<String> = expose(&sample)
        .iter()
        .map(|point| point.metric.name().to_owned())
        .collect();
    let known = [
        "lfs_build_processes",
        "node_time_seconds",
        "node_time_zone_offset_seconds",
    ];
    assert_eq!(names, known);
}

#[test]
fn the_names_are_those_of_node_exporter() {
    let points = expose(&read("here", Some("cgroup/build")));
    let text = render_prometheus(&points);
    for line in [
        "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.",
        "# TYPE node_cpu_seconds_total counter",
        "node_cpu_seconds_total{cpu=\"1\",mode=\"iowait\"} 2.04",
        "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 0",
        "node_load15 0.04",
        "# HELP node_memory_MemAvailable_bytes Memory information field MemAvailable_bytes.",
        "node_memory_MemAvailable_bytes 24831754240",
        "# TYPE node_vmstat_pgfault untyped",
        "node_vmstat_pgfault 1723895",
        "node_pressure_io_stalled_seconds_total 1.572795",
        "node_disk_written_bytes_total{device=\"vda\"} 741851136",
        "node_disk_io_time_seconds_total{device=\"vda\"} 2.9",
        "node_filesystem_avail_bytes{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"} 300",
        "node_filesystem_readonly{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"} 0",
        "node_network_receive_bytes_total{device=\"eth0\"} 380185957",
        "lfs_build_cpu_seconds_total{mode=\"system\"} 1.5",
        "lfs_build_processes 3",
        "lfs_host_processes 3",
        "lfs_host_kernel_threads 1",
        "node_processes_state{state=\"S\"} 3",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}
