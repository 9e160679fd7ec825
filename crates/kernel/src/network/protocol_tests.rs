//! `/proc/net/netstat`, `snmp` and `snmp6`, whole and garbled.

use proptest::prelude::*;

use super::*;

const SNMP: &str = "\
Ip: Forwarding DefaultTTL InReceives InHdrErrors
Ip: 2 64 530069 0
Icmp: InMsgs InErrors InCsumErrors OutMsgs
Icmp: 7 1 0 9
IcmpMsg: InType3
IcmpMsg: 2
Tcp: RtoAlgorithm MaxConn ActiveOpens PassiveOpens CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts
Tcp: 1 -1 9112 8838 3 528989 517785 5 4 493
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 1078 2 11 1080 6 8
UdpLite: InDatagrams NoPorts InErrors
UdpLite: 0 0 21
";

const NETSTAT: &str = "\
TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts ListenOverflows ListenDrops TCPTimeouts TCPSynRetrans ListenNew
TcpExt: 1 2 3 4 5 6 7 8 9
IpExt: InNoRoutes InOctets OutOctets
IpExt: 0 5151070403 4035932021
MPTcpExt: MPCapableSYNRX
MPTcpExt: 77
";

const SNMP6: &str = "\
Ip6InReceives                   \t2
Ip6InOctets                     \t256
Icmp6InErrors                   \t1
Icmp6OutType133                 \t6
Udp6RcvbufErrors                \t12
UdpLite6InErrors                \t13
";

fn parse(pairs: &[&str], snmp6: &str) -> Counted {
    let mut counted = Counted {
        counters: ProtocolCounters::default(),
        found: Vec::new(),
    };
    for text in pairs {
        parse_pairs(text.as_bytes(), &mut counted);
    }
    parse_snmp6(snmp6.as_bytes(), &mut counted);
    counted
}

#[test]
fn each_number_stands_under_its_name() {
    let Counted { counters, found } = parse(&[SNMP, NETSTAT], SNMP6);
    let expected = ProtocolCounters {
        ip_forwarding: Some(2),
        ip_in_bytes: Some(5_151_070_403),
        ip_out_bytes: Some(4_035_932_021),
        ip6_in_bytes: Some(256),
        icmp_in_messages: Some(7),
        icmp_in_errors: Some(1),
        icmp_out_messages: Some(9),
        icmp6_in_errors: Some(1),
        tcp_active_opens: Some(9112),
        tcp_passive_opens: Some(8838),
        tcp_established: Some(3),
        tcp_in_segments: Some(528_989),
        tcp_out_segments: Some(517_785),
        tcp_retransmits: Some(5),
        tcp_in_errors: Some(4),
        tcp_out_resets: Some(493),
        tcp_listen_overflows: Some(5),
        tcp_listen_drops: Some(6),
        tcp_syncookies_sent: Some(1),
        tcp_syncookies_received: Some(2),
        tcp_syncookies_failed: Some(3),
        tcp_syn_retransmits: Some(8),
        tcp_timeouts: Some(7),
        udp_in_datagrams: Some(1078),
        udp_out_datagrams: Some(1080),
        udp_no_ports: Some(2),
        udp_in_errors: Some(11),
        udp_receive_buffer_errors: Some(6),
        udp_send_buffer_errors: Some(8),
        udp6_receive_buffer_errors: Some(12),
        udplite_in_errors: Some(21),
        udplite6_in_errors: Some(13),
        ..ProtocolCounters::default()
    };
    assert_eq!(counters, expected);
    let found: Vec<_> = found
        .iter()
        .map(|point| (point.series(), point.value))
        .collect();
    assert_eq!(found, [("node_netstat_TcpExt_ListenNew".to_owned(), 9.0)]);
}

#[test]
fn another_order_of_names_changes_nothing() {
    let text = "Tcp: OutSegs New InSegs\nTcp: 1 2 3\n";
    let counters = parse(&[text], "").counters;
    assert_eq!(
        (counters.tcp_out_segments, counters.tcp_in_segments),
        (Some(1), Some(3))
    );
}

#[test]
fn what_does_not_fit_together_is_left_out() {
    for text in [
        "",
        "Tcp: OutSegs InSegs\n",
        "Tcp: OutSegs InSegs\nTcp: 1\n",
        "Tcp: OutSegs InSegs\nTcp: 1 2 3\n",
        "Tcp: OutSegs InSegs\nTcp: 1 2",
        "Tcp: OutSegs InSegs\nUdp: 1 2\n",
        "Tcp: OutSegs InSegs\n\nTcp: 1 2\n",
        "Tcp: OutSegs InSegs\nTcp: OutSegs InSegs\n",
        "Tcp: OutSegs InSegs\nTcp: -1 99999999999999999999\n",
        "OutSegs InSegs\n1 2\n",
        ":::\n:::\n",
        ": OutSegs\n: 1\n",
    ] {
        let counted = parse(&[text], "Udp6InErrors\nUdp6InErrors -1\n6 6\nInErrors 5\n");
        assert_eq!(counted.counters, ProtocolCounters::default(), "{text}");
        assert_eq!(counted.found, [], "{text}");
    }
}

#[test]
fn a_garbled_name_is_no_metric_and_none_is_there_twice() {
    let text = "A b: InErrs\nA b: 1\n\u{fffd}: InErrs\n\u{fffd}: 1\nNew: InErrs InErrs\nNew: 1 2\n";
    let found = parse(&[text], "").found;
    let series: Vec<_> = found.iter().map(Point::series).collect();
    assert_eq!(series, ["node_netstat_New_InErrs"]);
}

#[test]
fn a_protocol_for_each_line_is_cut_off() {
    let text: String = (0..1000)
        .map(|number| format!("P{number}: InErrs\nP{number}: 1\n"))
        .collect();
    assert_eq!(parse(&[&text], "").found.len(), FOUND_MAX);
}

#[test]
fn every_field_is_wanted_and_named_as_its_metric() {
    for field in ProtocolCounters::FIELDS {
        let (protocol, word) = field.key.split_once('_').unwrap();
        assert!(
            is_wanted(protocol.as_bytes(), word.as_bytes()),
            "{}",
            field.key
        );
        assert_eq!(field.metric.name, format!("{PREFIX}{}", field.key));
    }
}

#[test]
fn a_machine_without_ipv6_lacks_nothing_it_should_have() {
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("net");
    std::fs::create_dir(&net).unwrap();
    std::fs::write(net.join("snmp"), SNMP).unwrap();
    std::fs::write(net.join("netstat"), "garbled").unwrap();
    let roots = Roots {
        procfs: folder.path().to_owned(),
        ..Roots::default()
    };
    let mut source = Source::default();
    let counters = read_protocols(&mut source, &roots, &mut Vec::new());
    assert_eq!(counters.tcp_established, Some(3));
    let notes = source.take_absent();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0]
            .why
            .ends_with("netstat: no counters with their names")
    );
}

proptest! {
    #[test]
    fn no_damage_stops_a_parser(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
    ) {
        let mut text = [SNMP, NETSTAT, SNMP6].concat().into_bytes();
        for (index, byte) in damage {
            let index = index.index(text.len());
            text[index] = byte;
        }
        let mut counted = parse(&[], "");
        parse_pairs(&text, &mut counted);
        parse_snmp6(&text, &mut counted);
        prop_assert!(counted.found.len() <= FOUND_MAX);
    }
}
