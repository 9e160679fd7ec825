//! The message of remote write 1.0, and how a batch becomes requests.

use lfs_wrapper_model::metric::MetricKind;
use prost::Message;

use super::feed::Raw;
use crate::exchange::sort;
use crate::labels::Labels;
use crate::source::{Metadata, Stretch};

/// A request holds no more of labels and samples than about this, before it is
/// compressed, as long as it has more than one series.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// What a sample takes at most: value, time and what frames them.
const SAMPLE_BYTES: usize = 24;
/// As many metrics are described in one request.
pub(super) const METADATA_MAX: usize = 500;

/// `prometheus.WriteRequest`
#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<MetricMetadata>,
}

/// `prometheus.TimeSeries`
#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<WrittenLabel>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<WrittenSample>,
}

/// `prometheus.Label`
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct WrittenLabel {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `prometheus.Sample`
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct WrittenSample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

/// `prometheus.MetricMetadata`
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(string, tag = "2")]
    pub(super) family: String,
    #[prost(string, tag = "4")]
    pub(super) help: String,
    #[prost(string, tag = "5")]
    pub(super) unit: String,
}

/// Series that are sent together.
pub(super) type Series = (Labels, Stretch);

/// The series of a batch as the endpoint gets them: with external labels, each
/// once, sorted. The second figure says how many samples fell together.
pub(super) fn label(raw: Raw, external: &[(String, String)]) -> (Vec<Series>, u64) {
    let mut series = raw.series;
    for (labels, _) in &mut series {
        for (name, value) in external {
            if labels.get(name).is_empty() {
                *labels = labels.with(name, value);
            }
        }
    }
    // Stable: of samples that fall together, the same one counts each time.
    series.sort_by(|one, other| one.0.cmp(&other.0));
    let mut merged = 0;
    series.dedup_by(|later, first| {
        let is_same = later.0 == first.0;
        if is_same {
            first.1.times.append(&mut later.1.times);
            first.1.values.append(&mut later.1.values);
            merged += sort(&mut first.1);
        }
        is_same
    });
    (series, merged)
}

/// Cuts a batch into requests by series: the same batch is cut the same way each
/// time. Gives for each request how many series and samples it has.
pub(super) fn plan_requests(series: &[Series], samples_max: usize) -> Vec<(usize, usize)> {
    let mut requests: Vec<(usize, usize)> = Vec::new();
    let mut bytes = 0;
    for (labels, stretch) in series {
        let samples = stretch.times.len();
        let label_bytes = labels
            .iter()
            .map(|(name, value)| name.len() + value.len() + 8);
        let size = label_bytes.sum::<usize>() + samples * SAMPLE_BYTES;
        match requests.last_mut() {
            Some(last) if last.1 + samples <= samples_max && bytes + size <= REQUEST_BYTES_MAX => {
                last.0 += 1;
                last.1 += samples;
                bytes += size;
            }
            _ => {
                requests.push((1, samples));
                bytes = size;
            }
        }
    }
    requests
}

/// A request's body.
pub(super) fn encode_series(series: &[Series]) -> Result<Vec<u8>, snap::Error> {
    let to_written = |(labels, stretch): &Series| TimeSeries {
        labels: labels
            .iter()
            .map(|(name, value)| WrittenLabel {
                name: name.to_owned(),
                value: value.to_owned(),
            })
            .collect(),
        samples: stretch
            .times
            .iter()
            .zip(&stretch.values)
            .map(|(time_msec, value)| WrittenSample {
                value: *value,
                timestamp: *time_msec,
            })
            .collect(),
    };
    compress(&WriteRequest {
        timeseries: series.iter().map(to_written).collect(),
        metadata: Vec::new(),
    })
}

/// The body of a request that says what metrics are.
pub(super) fn encode_metadata(all: &[Metadata]) -> Result<Vec<u8>, snap::Error> {
    let to_written = |one: &Metadata| MetricMetadata {
        kind: match one.kind {
            MetricKind::Untyped => 0,
            MetricKind::Counter => 1,
            MetricKind::Gauge => 2,
            MetricKind::Histogram => 3,
            MetricKind::Summary => 5,
        },
        family: one.name.clone(),
        help: one.help.clone(),
        unit: String::new(),
    };
    compress(&WriteRequest {
        timeseries: Vec::new(),
        metadata: all.iter().map(to_written).collect(),
    })
}

fn compress(message: &WriteRequest) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::source::STALE;

    fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
        let labels = labels.iter();
        let owned = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (times, values) = samples.iter().copied().unzip();
        (owned.collect(), Stretch { times, values })
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let body = encode_series(&[series(&[("a", "b")], &[(1, 1.0), (2, STALE)])]).unwrap();
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let expected = [
            &[0x0a, 32, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b'][..],
            &[0x12, 11, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 1][..],
            &[0x12, 11, 0x09, 2, 0, 0, 0, 0, 0, 0xf0, 0x7f, 0x10, 2][..],
        ]
        .concat();
        assert_eq!(message[2..], expected[2..]);
        assert_eq!(usize::from(message[1]), expected.len() - 2);
        let metadata = Metadata {
            name: "m".to_owned(),
            kind: MetricKind::Summary,
            help: "h".to_owned(),
        };
        let body = encode_metadata(&[metadata]).unwrap();
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        assert_eq!(message, [0x1a, 8, 0x08, 5, 0x12, 1, b'm', 0x22, 1, b'h']);
    }

    #[test]
    fn external_labels_come_where_there_are_none_and_what_falls_together_is_merged() {
        let raw = Raw {
            until_msec: 9,
            series: vec![
                series(&[("__name__", "b"), ("Z", "1")], &[(1, 1.0)]),
                series(&[("__name__", "a")], &[(1, 1.0), (3, 3.0)]),
                series(&[("__name__", "a"), ("host", "x")], &[(1, 5.0), (2, 2.0)]),
                series(&[("__name__", "a"), ("host", "y")], &[(1, 7.0)]),
            ],
        };
        let (labelled, merged) = label(raw, &[("host".to_owned(), "x".to_owned())]);
        let expected = [
            series(&[("Z", "1"), ("__name__", "b"), ("host", "x")], &[(1, 1.0)]),
            series(
                &[("__name__", "a"), ("host", "x")],
                &[(1, 1.0), (2, 2.0), (3, 3.0)],
            ),
            series(&[("__name__", "a"), ("host", "y")], &[(1, 7.0)]),
        ];
        assert_eq!((labelled.as_slice(), merged), (&expected[..], 1));
    }

    #[test]
    fn requests_hold_whole_series_and_not_too_much() {
        let one = |count: usize| series(&[("a", "b")], &vec![(1, 1.0); count]);
        let all = [one(3), one(2), one(9), one(1), one(1), one(1)];
        assert_eq!(plan_requests(&all, 5), [(2, 5), (1, 9), (3, 3)]);
        assert_eq!(plan_requests(&[], 5), []);
        let large = "x".repeat(5 << 20);
        let large = series(&[("a", &large)], &[(1, 1.0)]);
        assert_eq!(plan_requests(&[large.clone(), large], 5), [(1, 1), (1, 1)]);
    }
}
