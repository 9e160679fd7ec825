//! A sample as metric points with node_exporter's names, and back again: what
//! was stored as series derives to the same frames as what was read.

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{Label, Metric, Point, keep_first_of_series};

use crate::cgroup::{BuildCounts, BuildGroup};
use crate::cpu::{CoreSample, CpuTicks};
use crate::field::{Field, Labels, Row, Values, metric};
use crate::filesystem::FilesystemSample;
use crate::sample::Sample;
use crate::series::{Series, parse_series};

static READ_ONLY: &Metric = metric!(
    Gauge,
    "node_filesystem_readonly",
    "Filesystem read-only status."
);

/// The points of a sample, sorted by metric name; within a metric, the kernel's
/// order. Without a build, its processes are 0 and its processor time has no
/// series.
pub fn expose(sample: &Sample) -> Vec<Point> {
    let mut points = Vec::new();
    expose_rows(&sample.cpu.cores, &mut points);
    expose_values(&sample.cpu.counters, &mut points);
    expose_rows(&sample.run_queues, &mut points);
    expose_values(&sample.load, &mut points);
    expose_values(&sample.memory, &mut points);
    expose_values(&sample.vmstat, &mut points);
    expose_values(&sample.pressure, &mut points);
    expose_rows(&sample.disks, &mut points);
    expose_rows(&sample.filesystems, &mut points);
    points.extend(sample.filesystems.iter().map(|filesystem| Point {
        metric: READ_ONLY.into(),
        labels: to_labels(filesystem.labels()),
        value: f64::from(u8::from(filesystem.read_only)),
    }));
    expose_rows(&sample.networks, &mut points);
    expose_values(&sample.protocols, &mut points);
    expose_values(&sample.processes, &mut points);
    let build = sample.build.as_ref().map_or(NO_BUILD, |build| build.counts);
    expose_values(&build, &mut points);
    expose_rows(&sample.steps, &mut points);
    points.extend(sample.further.iter().cloned());
    points.extend(sample.slow.iter().cloned());
    points.sort_by(|one, other| one.metric.name().cmp(other.metric.name()));
    // The sample's own come before what was read earlier.
    keep_first_of_series(&mut points);
    points
}

/// What is exposed while no build runs.
const NO_BUILD: BuildCounts = BuildCounts {
    user_usec: None,
    system_usec: None,
    processes: Some(0),
};

fn expose_values<V: Values>(values: &V, points: &mut Vec<Point>) {
    for field in V::FIELDS {
        points.extend(expose_field(field, values, Labels::new));
    }
}

fn expose_rows<R: Row>(rows: &[R], points: &mut Vec<Point>) {
    for field in R::Values::FIELDS {
        let of_field = |row: &R| expose_field(field, row.values(), || row.labels());
        points.extend(rows.iter().filter_map(of_field));
    }
}

fn expose_field<V>(field: &Field<V>, values: &V, labels: impl FnOnce() -> Labels) -> Option<Point> {
    let value = field.unit.derive_base((field.get)(values)?);
    let mut labels = labels();
    labels.extend(field.label.map(|(name, value)| (name, value.to_owned())));
    Some(Point {
        metric: field.metric.into(),
        labels: to_labels(labels),
        value,
    })
}

fn to_labels(labels: Labels) -> Vec<Label> {
    let labels = labels.into_iter();
    labels.map(|(name, value)| (name.into(), value)).collect()
}

/// The sample whose points these are, given as series text (`name{label="v"}`)
/// and value; unknown series do not matter.
///
/// What is not exposed stays unknown: the build group's inode and what was
/// absent. The time of all processors is the sum of those given.
pub fn restore(
    time_msec: TimeMsec,
    monotonic_usec: u64,
    points: impl Iterator<Item = (impl AsRef<str>, f64)>,
) -> Sample {
    let mut sample = Sample::empty(time_msec, monotonic_usec);
    let mut build = BuildCounts::default();
    for (text, value) in points {
        let Some(series) = parse_series(text.as_ref()) else {
            continue;
        };
        let _known = restore_point(&mut sample, &series, value)
            || restore_values(&mut build, &series, value);
    }
    sample.cpu.total = derive_total(&sample.cpu.cores);
    sample.build = (build != NO_BUILD).then(|| BuildGroup {
        inode: None,
        usage_usec: derive_sum(build.user_usec, build.system_usec),
        counts: build,
    });
    sample
}

/// Puts one value where it belongs; false for a series that is not known.
fn restore_point(sample: &mut Sample, series: &Series<'_>, value: f64) -> bool {
    restore_row(&mut sample.cpu.cores, series, value)
        || restore_values(&mut sample.cpu.counters, series, value)
        || restore_row(&mut sample.run_queues, series, value)
        || restore_values(&mut sample.load, series, value)
        || restore_values(&mut sample.memory, series, value)
        || restore_values(&mut sample.vmstat, series, value)
        || restore_values(&mut sample.pressure, series, value)
        || restore_row(&mut sample.disks, series, value)
        || restore_row(&mut sample.filesystems, series, value)
        || restore_read_only(&mut sample.filesystems, series, value)
        || restore_row(&mut sample.networks, series, value)
        || restore_values(&mut sample.protocols, series, value)
        || restore_values(&mut sample.processes, series, value)
        || restore_row(&mut sample.steps, series, value)
}

fn restore_values<V: Values>(values: &mut V, series: &Series<'_>, value: f64) -> bool {
    let is_of_series = |field: &&Field<V>| {
        field.metric.name == series.name
            && field
                .label
                .is_none_or(|(name, value)| series.label(name) == Some(value))
    };
    let field = V::FIELDS.iter().find(is_of_series);
    if let Some(field) = field {
        (field.set)(values, field.unit.parse_base(value));
    }
    field.is_some()
}

fn restore_row<R: Row>(rows: &mut Vec<R>, series: &Series<'_>, value: f64) -> bool {
    let mut names = R::Values::FIELDS.iter().map(|field| field.metric.name);
    names.any(|name| name == series.name)
        && find_row(rows, series).is_some_and(|row| restore_values(row.values_mut(), series, value))
}

fn restore_read_only(rows: &mut Vec<FilesystemSample>, series: &Series<'_>, value: f64) -> bool {
    let row = (series.name == READ_ONLY.name).then(|| find_row(rows, series));
    let row = row.flatten();
    let is_known = row.is_some();
    if let Some(row) = row {
        row.read_only = value != 0.0;
    }
    is_known
}

/// The row that these labels name, added where it is new.
fn find_row<'rows, R: Row>(rows: &'rows mut Vec<R>, series: &Series<'_>) -> Option<&'rows mut R> {
    let known = R::position(rows, series);
    let index = known.unwrap_or(rows.len());
    if known.is_none() {
        rows.push(R::from_labels(series)?);
    }
    rows.get_mut(index)
}

/// The time of all cores together.
pub(crate) fn derive_total(cores: &[CoreSample]) -> CpuTicks {
    let sums = cores
        .iter()
        .map(|core| core.ticks)
        .reduce(|mut sum, ticks| {
            for field in CpuTicks::FIELDS {
                let of_both = derive_sum((field.get)(&sum), (field.get)(&ticks));
                (field.set)(&mut sum, of_both);
            }
            sum
        });
    sums.unwrap_or_default()
}

/// Both together; `None` where either is.
fn derive_sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one?.checked_add(other?)
}
