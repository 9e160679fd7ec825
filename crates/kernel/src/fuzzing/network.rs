//! Text of the network's counters and tables.

use crate::exits::taskstats::parse_drops;
use crate::fuzzing::check::{
    check_cut, check_part, check_points, check_rows, check_samples, cut, split,
};
use crate::network::conntrack::sum_statistics;
use crate::network::neighbour::{count_arp, render_points};
use crate::network::parse_net_dev;
use crate::network::protocol::{Counted, parse_pairs, parse_snmp6};
use crate::network::socket_table::{SocketRow, parse_sockets};
use crate::network::sockstat::parse_sockstat;
use crate::network::softnet::parse_softnet;
use crate::sample::Sample;
use crate::text::lines;

const PAGE_BYTES: u64 = 4096;

/// `/proc/net/dev`, `snmp`, `netstat`, `snmp6`, `sockstat` and `softnet_stat`.
pub fn network(data: &[u8]) {
    let count = |text: &[u8]| {
        let mut counted = Counted::default();
        parse_pairs(text, &mut counted);
        parse_snmp6(text, &mut counted);
        (counted.counters, counted.found)
    };
    let sockstat = |text: &[u8]| {
        let mut points = Vec::new();
        parse_sockstat(text, PAGE_BYTES, &mut points);
        points
    };
    let softnet = |text: &[u8]| {
        let mut points = Vec::new();
        parse_softnet(text, &mut points);
        points
    };
    check_cut(data, parse_net_dev);
    check_cut(data, count);
    check_rows(data, sockstat);
    check_rows(data, softnet);
    let sample = |text| {
        let (protocols, mut found) = count(text);
        found.extend(sockstat(text));
        found.extend(softnet(text));
        Sample {
            networks: parse_net_dev(text),
            protocols,
            further: found,
            ..Sample::empty(1_700_000_000_000, 0)
        }
    };
    let (before, after) = split(data);
    check_samples(&sample(before), &sample(after));
}

/// `/proc/net/tcp`, `udp`, `arp`, `netlink` and `stat/nf_conntrack`.
pub fn sockets(data: &[u8]) {
    let rows = |text: &[u8]| {
        let mut rows: Vec<SocketRow> = Vec::new();
        parse_sockets(text, |row| rows.push(row)).map(|()| rows)
    };
    let is_whole = cut(data).ends_with(b"\n");
    // Of a table that was cut short there are no sums.
    assert!(is_whole || rows(cut(data)).is_none());
    assert!(is_whole || count_arp(cut(data)).is_none());
    assert!(is_whole || sum_statistics(cut(data)).is_none());
    if let (Some(some), Some(all)) = (rows(cut(data)), rows(data)) {
        assert!(
            all.starts_with(&some),
            "{some:?} is no beginning of {all:?}"
        );
    }
    if let Some(rows) = rows(data) {
        assert_eq!(rows.len(), lines(data).count() - 1);
    }
    if let Some(devices) = count_arp(data) {
        assert_eq!(
            devices.values().sum::<u64>(),
            lines(data).count() as u64 - 1
        );
        check_points(render_points(&devices));
    }
    check_part(&parse_drops(cut(data), 7), &parse_drops(data, 7));
    check_cut(data, |text| parse_drops(text, 7));
}
