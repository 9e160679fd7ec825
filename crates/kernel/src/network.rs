//! Network devices: `/proc/net/dev`.

use std::path::Path;

use crate::field::{Labels, Row, metric, parse_columns, values};
use crate::interval::Interval;
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_name, words};

/// The device through which the machine talks to itself.
const LOOPBACK: &str = "lo";

macro_rules! statistic {
    ($name:literal) => {
        metric!(
            Counter,
            concat!("node_network_", $name, "_total"),
            concat!("Network device statistic ", $name, ".")
        )
    };
}

values! {
    /// Counters of one device since it came up.
    pub struct NetworkCounts;
    /// Bytes received.
    receive_bytes = "receive_bytes", One, statistic!("receive_bytes");
    /// Packets received.
    receive_packets = "receive_packets", One, statistic!("receive_packets");
    /// Packets received damaged.
    receive_errors = "receive_errs", One, statistic!("receive_errs");
    /// Packets received and thrown away.
    receive_drops = "receive_drop", One, statistic!("receive_drop");
    /// Bytes sent.
    transmit_bytes = "transmit_bytes", One, statistic!("transmit_bytes");
    /// Packets sent.
    transmit_packets = "transmit_packets", One, statistic!("transmit_packets");
    /// Packets that could not be sent.
    transmit_errors = "transmit_errs", One, statistic!("transmit_errs");
    /// Packets thrown away instead of sent.
    transmit_drops = "transmit_drop", One, statistic!("transmit_drop");
}

/// One network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSample {
    /// The kernel's name of it (`eth0`).
    pub device: String,
    /// What went through it.
    pub counts: NetworkCounts,
}

impl Row for NetworkSample {
    type Values = NetworkCounts;

    fn values(&self) -> &NetworkCounts {
        &self.counts
    }

    fn values_mut(&mut self) -> &mut NetworkCounts {
        &mut self.counts
    }

    fn labels(&self) -> Labels {
        vec![("device", self.device.clone())]
    }

    fn from_labels(series: &Series<'_>) -> Option<Self> {
        Some(Self {
            device: series.label("device")?.to_owned(),
            counts: NetworkCounts::default(),
        })
    }

    fn is_named(&self, series: &Series<'_>) -> bool {
        series.label("device") == Some(&self.device)
    }
}

/// Reads `/proc/net/dev`.
pub(crate) fn read_networks(source: &mut Source, procfs: &Path) -> Vec<NetworkSample> {
    let path = procfs.join("net/dev");
    let networks = source.read_parsed("network", &path, parse_net_dev);
    let networks = networks.unwrap_or_default();
    source.note_incomplete("network", &path, &networks);
    networks
}

/// Parses `/proc/net/dev`: after the name, eight columns for each direction,
/// of which the first four are kept. The two lines of headings have no colon.
pub(crate) fn parse_net_dev(text: &[u8]) -> Vec<NetworkSample> {
    let parse_line = |line: &[u8]| {
        let colon = line.iter().rposition(|byte| *byte == b':')?;
        let (name, columns) = line.split_at_checked(colon)?;
        let columns = words(columns.strip_prefix(b":")?).enumerate();
        let kept = columns.filter(|(index, _)| index % 8 < 4);
        Some(NetworkSample {
            device: parse_name(name.trim_ascii()),
            counts: parse_columns(kept.map(|(_, word)| word)),
        })
    };
    lines(text).filter_map(parse_line).collect()
}

/// What went through the network devices, together.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkFrame {
    /// Bytes received, without the loopback device.
    pub receive_bytes_per_second: Option<f64>,
    /// Bytes sent, without the loopback device.
    pub transmit_bytes_per_second: Option<f64>,
    /// Bytes sent since the devices came up, loopback included.
    pub bytes_sent: u64,
    /// Bytes received since the devices came up, loopback included.
    pub bytes_recv: u64,
    /// Packets sent since the devices came up, loopback included.
    pub packets_sent: u64,
    /// Packets received since the devices came up, loopback included.
    pub packets_recv: u64,
}

/// The network's frame; `None` where there are no devices at all.
pub(crate) fn derive_network(
    previous: &[NetworkSample],
    next: &[NetworkSample],
    interval: Interval,
) -> Option<NetworkFrame> {
    if next.is_empty() {
        return None;
    }
    let rate = |get: fn(&NetworkCounts) -> Option<u64>| derive_rate(previous, next, interval, get);
    let total = |get: fn(&NetworkCounts) -> Option<u64>| {
        let numbers = next.iter().filter_map(|device| get(&device.counts));
        numbers.fold(0, u64::saturating_add)
    };
    Some(NetworkFrame {
        receive_bytes_per_second: rate(|counts| counts.receive_bytes),
        transmit_bytes_per_second: rate(|counts| counts.transmit_bytes),
        bytes_sent: total(|counts| counts.transmit_bytes),
        bytes_recv: total(|counts| counts.receive_bytes),
        packets_sent: total(|counts| counts.transmit_packets),
        packets_recv: total(|counts| counts.receive_packets),
    })
}

/// The sum over the devices that were there at both ends and whose counter went
/// on; `None` where there is none such.
fn derive_rate(
    previous: &[NetworkSample],
    next: &[NetworkSample],
    interval: Interval,
    get: fn(&NetworkCounts) -> Option<u64>,
) -> Option<f64> {
    let outward = next.iter().filter(|device| device.device != LOOPBACK);
    let rates = outward.filter_map(|device| {
        let mut before = previous.iter();
        let before = before.find(|before| before.device == device.device)?;
        interval.per_second(get(&before.counts), get(&device.counts))
    });
    rates.reduce(|sum, rate| sum + rate)
}
