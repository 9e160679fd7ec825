//! What holds for any text of the network's files, however damaged.

use lfs_wrapper_model::metric::Point;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::network::conntrack::sum_statistics;
use crate::network::neighbour::count_arp;
use crate::network::parse_net_dev;
use crate::network::socket_table::{SocketRow, parse_sockets};
use crate::network::sockstat::parse_sockstat;
use crate::network::softnet::parse_softnet;

/// One of each file, as Linux prints it.
const CAPTURED: [&str; 6] = [
    "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0\n",
    "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n0000000a  00000000 00000001 00000000 00000002 00000003 00000000 00000000 00000004 00000005 00000006 00000007 00000000  00000000 00000000 00000000 0000000f\n",
    "IP address       HW type     Flags       HW address            Mask     Device\n192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n",
    "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 00000000000000000000000001000000:07E8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1579 1 00000000103231c7 100 0 0 10 0\n",
    "sockets: used 15\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 260\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
    "0004c0b5 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n000378ae 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000\n",
];

/// Every parser on one text; the points of those that make points.
fn parse_all(text: &[u8]) -> Vec<Point> {
    drop(parse_net_dev(text));
    let _sums = sum_statistics(text);
    drop(count_arp(text));
    let _table = parse_sockets(text, |_: SocketRow| {});
    let mut points = Vec::new();
    parse_sockstat(text, 4096, &mut points);
    parse_softnet(text, &mut points);
    points
}

proptest! {
    #[test]
    fn no_bytes_stop_a_parser(text: Vec<u8>) {
        parse_all(&text);
    }

    #[test]
    fn damaged_text_gives_no_series_twice(
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        length: prop::sample::Index,
    ) {
        for captured in CAPTURED {
            let mut text = [captured, captured].concat().into_bytes();
            for (index, byte) in &damage {
                let index = index.index(text.len());
                text[index] = *byte;
            }
            text.truncate(length.index(text.len() + 1));
            let mut series: Vec<String> = parse_all(&text).iter().map(Point::series).collect();
            let all = series.len();
            series.sort_unstable();
            series.dedup();
            prop_assert_eq!(series.len(), all);
        }
    }
}
