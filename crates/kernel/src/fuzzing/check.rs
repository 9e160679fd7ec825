//! What holds for whatever any parser gives.

use std::fmt::Debug;

use lfs_wrapper_model::metric::{Point, parse_exposition, render_prometheus};

use crate::exposition::derive_total;
use crate::field::{Row, Values};
use crate::frame::{Frame, derive};
use crate::fuzzing::SEPARATOR;
use crate::sample::Sample;
use crate::series::parse_series;
use crate::{BuildCounts, BuildGroup, expose, restore};

/// Numbers up to this are the same again after the way through a double in any
/// unit; no counter gets there.
const EXACT_MAX: u64 = 1 << 50;

/// Times between two samples, microseconds.
const INTERVALS_USEC: [u64; 3] = [1, 1_000_000, 1 << 40];

/// The two texts of an input; the same one twice where there is no separator.
pub(super) fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == SEPARATOR);
    end.map_or((data, data), |end| (&data[..end], &data[end + 1..]))
}

/// The beginning of a text, cut anywhere: where depends on the text alone, so
/// that an input does the same each time.
pub(super) fn cut(text: &[u8]) -> &[u8] {
    let sum = text.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    &text[..sum % (text.len() + 1)]
}

/// A line that was cut short counts for nothing.
pub(super) fn check_cut<T: PartialEq + Debug>(text: &[u8], parse: impl Fn(&[u8]) -> T) {
    let cut = cut(text);
    let lines = cut
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    assert_eq!(parse(cut), parse(&cut[..lines]), "half a line counts");
}

/// The rows of the beginning of a text are the first of all its rows.
pub(super) fn check_rows<R: PartialEq + Debug>(text: &[u8], parse: impl Fn(&[u8]) -> Vec<R>) {
    check_cut(text, &parse);
    let (some, all) = (parse(cut(text)), parse(text));
    assert!(
        all.starts_with(&some),
        "{some:?} is no beginning of {all:?}"
    );
}

/// The beginning of a text says nothing, or the same.
pub(super) fn check_part<T: PartialEq + Debug>(part: &Option<T>, whole: &Option<T>) {
    assert!(part.is_none() || part == whole, "{part:?} of {whole:?}");
}

/// Points of kernel text are numbers, and make a valid document.
pub(super) fn check_points(mut points: Vec<Point>) {
    points.sort_by(|one, other| one.metric.name().cmp(other.metric.name()));
    for point in &points {
        assert!(point.value.is_finite() && point.value >= 0.0, "{point:?}");
        check_series(point);
    }
    check_document(&points);
}

pub(super) fn check_document(points: &[Point]) {
    let text = render_prometheus(points);
    let again = parse_exposition(text.as_bytes(), usize::MAX);
    assert_eq!(again.as_deref(), Ok(points), "{text}");
}

/// A series' text names the same series.
pub(super) fn check_series(point: &Point) {
    let text = point.series();
    let series = parse_series(&text);
    let series = series.filter(|series| series.name == point.metric.name());
    let labels_are = series.is_some_and(|series| {
        let mut labels = point.labels.iter();
        labels.all(|(name, value)| series.label(name) == Some(value))
    });
    assert!(labels_are, "{text:?}");
}

/// Two samples: they survive being exposed, and frames keep their ranges.
pub(super) fn check_samples(before: &Sample, after: &Sample) {
    for sample in [before, after] {
        check_points(expose(sample));
        check_restored(sample.clone());
    }
    check_frames(before, after);
}

fn check_restored(mut sample: Sample) {
    normalise(&mut sample);
    let points = expose(&sample);
    let points = points.iter().map(|point| (point.series(), point.value));
    let mut restored = restore(sample.time_msec, sample.monotonic_usec, points);
    sort_rows(&mut restored);
    assert_eq!(restored, sample);
}

/// Leaves out what no series has, and numbers that no double has exactly.
fn normalise(sample: &mut Sample) {
    drop_large(&mut sample.cpu.counters);
    drop_large(&mut sample.load);
    drop_large(&mut sample.memory);
    drop_large(&mut sample.vmstat);
    drop_large(&mut sample.pressure);
    drop_large(&mut sample.protocols);
    drop_empty(&mut sample.cpu.cores);
    drop_empty(&mut sample.run_queues);
    drop_empty(&mut sample.disks);
    drop_empty(&mut sample.networks);
    drop_empty(&mut sample.steps);
    for filesystem in &mut sample.filesystems {
        drop_large(&mut filesystem.space);
    }
    sort_rows(sample);
    sample.cpu.total = derive_total(&sample.cpu.cores);
    sample.further.clear();
    sample.build = sample
        .build
        .take()
        .and_then(|build| normalise_build(build.counts));
}

fn normalise_build(mut counts: BuildCounts) -> Option<BuildGroup> {
    drop_large(&mut counts);
    let is_no_build = counts
        == BuildCounts {
            processes: Some(0),
            ..BuildCounts::default()
        };
    let sum = counts.user_usec.zip(counts.system_usec);
    (!is_no_build).then_some(BuildGroup {
        inode: None,
        usage_usec: sum.map(|(user, system)| user + system),
        counts,
    })
}

fn drop_large<V: Values>(values: &mut V) {
    for field in V::FIELDS {
        let number = (field.get)(values).filter(|number| *number <= EXACT_MAX);
        (field.set)(values, number);
    }
}

fn drop_empty<R: Row>(rows: &mut Vec<R>) {
    for row in rows.iter_mut() {
        drop_large(row.values_mut());
    }
    rows.retain(|row| row.values().missing().len() < R::Values::FIELDS.len());
}

fn sort_rows(sample: &mut Sample) {
    sample.cpu.cores.sort_by_key(Row::labels);
    sample.run_queues.sort_by_key(Row::labels);
    sample.disks.sort_by_key(Row::labels);
    sample.filesystems.sort_by_key(Row::labels);
    sample.networks.sort_by_key(Row::labels);
    sample.steps.sort_by_key(Row::labels);
}

/// Frames of two samples at several distances, the machine not booted between.
pub(super) fn check_frames(before: &Sample, after: &Sample) {
    let before = Sample {
        monotonic_usec: 0,
        ..before.clone()
    };
    let mut after = after.clone();
    after.cpu.counters.boot_time_sec = before.cpu.counters.boot_time_sec;
    for usec in INTERVALS_USEC {
        after.monotonic_usec = usec;
        check_frame(&derive(&before, &after));
    }
}

fn check_frame(frame: &Frame) {
    for ratio in list_ratios(frame) {
        assert!((0.0..=1.0).contains(&ratio), "{ratio} in {frame:?}");
    }
    for rate in list_rates(frame).into_iter().chain(list_disk_rates(frame)) {
        assert!(rate.is_finite() && rate >= 0.0, "{rate} in {frame:?}");
    }
}

fn list_ratios(frame: &Frame) -> Vec<f64> {
    let pressure = &frame.pressure;
    let mut ratios = vec![
        frame.build_cpu_ratio,
        pressure.cpu_some,
        pressure.memory_some,
        pressure.memory_full,
        pressure.io_some,
        pressure.io_full,
        pressure.irq_full,
        frame.memory.as_ref().map(|memory| memory.used_ratio),
        frame.disk.as_ref().map(|disk| disk.busy_ratio),
        frame
            .protocols
            .as_ref()
            .and_then(|protocols| protocols.tcp_retransmit_ratio),
    ];
    if let Some(cpu) = &frame.cpu {
        ratios.extend([cpu.busy_ratio, cpu.user_ratio, cpu.system_ratio].map(Some));
        ratios.extend([cpu.iowait_ratio, cpu.steal_ratio].map(Some));
        ratios.extend(cpu.cores.iter().map(|core| Some(core.busy_ratio)));
    }
    for step in &frame.steps {
        ratios.extend([step.cpu_some, step.memory_full, step.io_full]);
    }
    ratios.extend(frame.disks.iter().map(|disk| Some(disk.busy_ratio)));
    ratios.extend(
        frame
            .filesystems
            .iter()
            .map(|filesystem| Some(filesystem.used_ratio)),
    );
    ratios.into_iter().flatten().collect()
}

fn list_rates(frame: &Frame) -> Vec<f64> {
    let mut rates = Vec::new();
    if let Some(memory) = &frame.memory {
        rates.extend([
            memory.swap_in_pages_per_second,
            memory.swap_out_pages_per_second,
        ]);
        rates.push(memory.major_faults_per_second);
    }
    if let Some(network) = &frame.network {
        rates.extend([
            network.receive_bytes_per_second,
            network.transmit_bytes_per_second,
        ]);
    }
    if let Some(protocols) = &frame.protocols {
        rates.extend([
            protocols.tcp_in_segments_per_second,
            protocols.tcp_out_segments_per_second,
        ]);
        rates.extend([
            protocols.tcp_retransmits_per_second,
            protocols.tcp_timeouts_per_second,
        ]);
        rates.extend([
            protocols.tcp_resets_per_second,
            protocols.udp_in_errors_per_second,
        ]);
        rates.extend([
            protocols.tcp_listen_overflows_per_second,
            protocols.tcp_listen_drops_per_second,
        ]);
        rates.push(protocols.udp_send_buffer_errors_per_second);
    }
    for step in &frame.steps {
        rates.extend([
            step.cpu_cores,
            step.read_bytes_per_second,
            step.write_bytes_per_second,
        ]);
        rates.push(step.major_faults_per_second);
    }
    for queue in &frame.run_queues {
        rates.extend([Some(queue.waiting_tasks), queue.wait_msec]);
    }
    if let Some(load) = &frame.load {
        rates.extend([load.one, load.five, load.fifteen].map(Some));
    }
    rates.into_iter().flatten().collect()
}

fn list_disk_rates(frame: &Frame) -> Vec<f64> {
    let mut rates = Vec::new();
    if let Some(disk) = &frame.disk {
        rates.extend([disk.read_bytes_per_second, disk.write_bytes_per_second].map(Some));
        rates.extend([disk.reads_per_second, disk.writes_per_second].map(Some));
    }
    for disk in &frame.disks {
        rates.extend([disk.read_bytes_per_second, disk.write_bytes_per_second].map(Some));
        rates.extend([disk.reads_per_second, disk.writes_per_second].map(Some));
        rates.extend([
            disk.queue_requests,
            disk.read_msec,
            disk.write_msec,
            disk.request_bytes,
        ]);
    }
    rates.into_iter().flatten().collect()
}
