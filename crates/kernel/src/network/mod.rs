//! Network devices: `/proc/net/dev`.

pub(crate) mod class;
pub(crate) mod conntrack;
pub(crate) mod neighbour;
#[cfg(test)]
mod properties;
pub(crate) mod protocol;
pub(crate) mod protocol_frame;
pub(crate) mod sock_diag;
pub(crate) mod socket_table;
pub(crate) mod sockstat;
pub(crate) mod softnet;
pub(crate) mod tcp;

use std::path::Path;

use crate::field::{Field, Labels, Row, Values as _, keep_first, metric, values};
use crate::interval::Interval;
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_name, parse_u64, words};

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
    /// Packets lost because the device's own queue was full.
    receive_fifo_errors = "receive_fifo", One, statistic!("receive_fifo");
    /// Packets received with a wrong length, checksum or alignment.
    receive_frame_errors = "receive_frame", One, statistic!("receive_frame");
    /// Packets received compressed, as some serial lines do.
    receive_compressed = "receive_compressed", One, statistic!("receive_compressed");
    /// Packets received that were sent to a group.
    receive_multicast = "receive_multicast", One, statistic!("receive_multicast");
    /// Bytes sent.
    transmit_bytes = "transmit_bytes", One, statistic!("transmit_bytes");
    /// Packets sent.
    transmit_packets = "transmit_packets", One, statistic!("transmit_packets");
    /// Packets that could not be sent.
    transmit_errors = "transmit_errs", One, statistic!("transmit_errs");
    /// Packets thrown away instead of sent.
    transmit_drops = "transmit_drop", One, statistic!("transmit_drop");
    /// Packets lost because the device's own queue ran empty.
    transmit_fifo_errors = "transmit_fifo", One, statistic!("transmit_fifo");
    /// Packets that met another on a shared cable.
    transmit_collisions = "transmit_colls", One, statistic!("transmit_colls");
    /// Packets lost because the line was down or its sending was broken off.
    transmit_carrier_errors = "transmit_carrier", One, statistic!("transmit_carrier");
    /// Packets sent compressed.
    transmit_compressed = "transmit_compressed", One, statistic!("transmit_compressed");
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

/// Parses `/proc/net/dev`: after the name, the columns that the second line of
/// headings names for each direction. The headings have no colon.
pub(crate) fn parse_net_dev(text: &[u8]) -> Vec<NetworkSample> {
    let heading = lines(text).find(|line| line.trim_ascii_start().starts_with(b"face"));
    let columns = heading.map(parse_heading).unwrap_or_default();
    let parse_line = |line: &[u8]| {
        let colon = line.iter().rposition(|byte| *byte == b':')?;
        let (name, numbers) = line.split_at_checked(colon)?;
        let mut counts = NetworkCounts::default();
        for (field, word) in columns.iter().zip(words(numbers.strip_prefix(b":")?)) {
            // Where a blank was lost, what follows stands in another's place.
            let Some(number) = parse_u64(word) else {
                break;
            };
            if let Some(field) = field {
                (field.set)(&mut counts, Some(number));
            }
        }
        Some(NetworkSample {
            device: parse_name(name.trim_ascii()),
            counts,
        })
    };
    let mut devices = lines(text).filter_map(parse_line).collect();
    keep_first(&mut devices, |device| device.device.clone());
    devices
}

/// The field of each column; `None` for a column that is not known. The parts
/// of the heading, between bars: the name's, what is received, what is sent.
fn parse_heading(heading: &[u8]) -> Vec<Option<&'static Field<NetworkCounts>>> {
    let directions = ["receive_", "transmit_"];
    let parts = heading.split(|byte| *byte == b'|').skip(1);
    let of_part = |(direction, part): (&'static str, _)| {
        words(part).map(move |word| {
            NetworkCounts::FIELDS.iter().find(|field| {
                let name = field.key.strip_prefix(direction);
                name.is_some_and(|name| name.as_bytes() == word)
            })
        })
    };
    directions
        .into_iter()
        .zip(parts)
        .flat_map(of_part)
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_names() {
        let text = b"Inter-| Receive | Transmit\n \
            face |packets bytes new multicast|colls bytes\n  eth0: 1 2 3 4 5 6\n a:b:7 8\n c:-1 x\n";
        let devices = parse_net_dev(text);
        let counts = NetworkCounts {
            receive_packets: Some(1),
            receive_bytes: Some(2),
            receive_multicast: Some(4),
            transmit_collisions: Some(5),
            transmit_bytes: Some(6),
            ..NetworkCounts::default()
        };
        assert_eq!(devices[0].counts, counts);
        assert_eq!(devices[1].device, "a:b");
        assert_eq!(devices[1].counts.receive_bytes, Some(8));
        assert_eq!(devices[2].counts, NetworkCounts::default());
    }

    #[test]
    fn numbers_without_a_heading_mean_nothing() {
        let devices = parse_net_dev(b"  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
        assert_eq!(devices[0].counts, NetworkCounts::default());
    }
}
