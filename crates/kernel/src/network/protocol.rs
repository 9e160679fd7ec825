//! What the network protocols counted: `/proc/net/netstat`, `snmp` and `snmp6`
//! (proc_pid_net(5); RFC 4293, RFC 4022 and RFC 4113 say what most of the
//! counters mean).

use std::io::ErrorKind;
use std::path::Path;

use lfs_wrapper_model::metric::{FoundMetric, MetricKind, Point};

use crate::field::{Field, Values as _, metric, values};
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_u64, words};

/// Counters that a newer kernel may have besides those of the table.
const FOUND_MAX: usize = 64;

/// What every field here is called before its protocol.
const PREFIX: &str = "node_netstat_";

macro_rules! netstat {
    ($protocol:literal, $word:literal) => {
        metric!(
            Untyped,
            concat!("node_netstat_", $protocol, "_", $word),
            concat!("Statistic ", $protocol, $word, ".")
        )
    };
}

values! {
    /// Counters of the protocols since boot, those that node_exporter shows by
    /// default; each protocol counts for this network namespace.
    pub struct ProtocolCounters;
    /// 1 where IPv4 packets for others are passed on, else 2.
    ip_forwarding = "Ip_Forwarding", One, netstat!("Ip", "Forwarding");
    /// Bytes of IPv4 packets received.
    ip_in_bytes = "IpExt_InOctets", One, netstat!("IpExt", "InOctets");
    /// Bytes of IPv4 packets sent.
    ip_out_bytes = "IpExt_OutOctets", One, netstat!("IpExt", "OutOctets");
    /// Bytes of IPv6 packets received.
    ip6_in_bytes = "Ip6_InOctets", One, netstat!("Ip6", "InOctets");
    /// Bytes of IPv6 packets sent.
    ip6_out_bytes = "Ip6_OutOctets", One, netstat!("Ip6", "OutOctets");
    /// ICMP messages received.
    icmp_in_messages = "Icmp_InMsgs", One, netstat!("Icmp", "InMsgs");
    /// ICMP messages received damaged.
    icmp_in_errors = "Icmp_InErrors", One, netstat!("Icmp", "InErrors");
    /// ICMP messages sent.
    icmp_out_messages = "Icmp_OutMsgs", One, netstat!("Icmp", "OutMsgs");
    /// ICMPv6 messages received.
    icmp6_in_messages = "Icmp6_InMsgs", One, netstat!("Icmp6", "InMsgs");
    /// ICMPv6 messages received damaged.
    icmp6_in_errors = "Icmp6_InErrors", One, netstat!("Icmp6", "InErrors");
    /// ICMPv6 messages sent.
    icmp6_out_messages = "Icmp6_OutMsgs", One, netstat!("Icmp6", "OutMsgs");
    /// TCP connections begun from here.
    tcp_active_opens = "Tcp_ActiveOpens", One, netstat!("Tcp", "ActiveOpens");
    /// TCP connections begun from elsewhere.
    tcp_passive_opens = "Tcp_PassiveOpens", One, netstat!("Tcp", "PassiveOpens");
    /// TCP connections ESTABLISHED or CLOSE_WAIT now.
    tcp_established = "Tcp_CurrEstab", One, netstat!("Tcp", "CurrEstab");
    /// TCP segments received, damaged ones included.
    tcp_in_segments = "Tcp_InSegs", One, netstat!("Tcp", "InSegs");
    /// TCP segments sent, without those that only repeat what was sent before.
    tcp_out_segments = "Tcp_OutSegs", One, netstat!("Tcp", "OutSegs");
    /// TCP segments sent again.
    tcp_retransmits = "Tcp_RetransSegs", One, netstat!("Tcp", "RetransSegs");
    /// TCP segments received damaged.
    tcp_in_errors = "Tcp_InErrs", One, netstat!("Tcp", "InErrs");
    /// TCP segments sent that break a connection off.
    tcp_out_resets = "Tcp_OutRsts", One, netstat!("Tcp", "OutRsts");
    /// Connections lost because a listening socket's queue was full.
    tcp_listen_overflows = "TcpExt_ListenOverflows", One, netstat!("TcpExt", "ListenOverflows");
    /// Connections that a listening socket lost for any reason, full queues
    /// included.
    tcp_listen_drops = "TcpExt_ListenDrops", One, netstat!("TcpExt", "ListenDrops");
    /// SYN cookies sent, which a full queue of half-open connections brings.
    tcp_syncookies_sent = "TcpExt_SyncookiesSent", One, netstat!("TcpExt", "SyncookiesSent");
    /// SYN cookies that came back.
    tcp_syncookies_received = "TcpExt_SyncookiesRecv", One, netstat!("TcpExt", "SyncookiesRecv");
    /// SYN cookies that came back wrong.
    tcp_syncookies_failed = "TcpExt_SyncookiesFailed", One, netstat!("TcpExt", "SyncookiesFailed");
    /// SYN and SYN-ACK segments sent again.
    tcp_syn_retransmits = "TcpExt_TCPSynRetrans", One, netstat!("TcpExt", "TCPSynRetrans");
    /// Times that an acknowledgement did not come in time.
    tcp_timeouts = "TcpExt_TCPTimeouts", One, netstat!("TcpExt", "TCPTimeouts");
    /// UDP datagrams received.
    udp_in_datagrams = "Udp_InDatagrams", One, netstat!("Udp", "InDatagrams");
    /// UDP datagrams sent.
    udp_out_datagrams = "Udp_OutDatagrams", One, netstat!("Udp", "OutDatagrams");
    /// UDP datagrams received for which nobody listened.
    udp_no_ports = "Udp_NoPorts", One, netstat!("Udp", "NoPorts");
    /// UDP datagrams received and lost, full buffers included.
    udp_in_errors = "Udp_InErrors", One, netstat!("Udp", "InErrors");
    /// UDP datagrams lost because the socket's receive buffer was full.
    udp_receive_buffer_errors = "Udp_RcvbufErrors", One, netstat!("Udp", "RcvbufErrors");
    /// UDP datagrams not sent because the socket's send buffer was full.
    udp_send_buffer_errors = "Udp_SndbufErrors", One, netstat!("Udp", "SndbufErrors");
    /// UDP datagrams received over IPv6.
    udp6_in_datagrams = "Udp6_InDatagrams", One, netstat!("Udp6", "InDatagrams");
    /// UDP datagrams sent over IPv6.
    udp6_out_datagrams = "Udp6_OutDatagrams", One, netstat!("Udp6", "OutDatagrams");
    /// UDP datagrams received over IPv6 for which nobody listened.
    udp6_no_ports = "Udp6_NoPorts", One, netstat!("Udp6", "NoPorts");
    /// UDP datagrams received over IPv6 and lost, full buffers included.
    udp6_in_errors = "Udp6_InErrors", One, netstat!("Udp6", "InErrors");
    /// UDP datagrams of IPv6 lost because the receive buffer was full.
    udp6_receive_buffer_errors = "Udp6_RcvbufErrors", One, netstat!("Udp6", "RcvbufErrors");
    /// UDP datagrams of IPv6 not sent because the send buffer was full.
    udp6_send_buffer_errors = "Udp6_SndbufErrors", One, netstat!("Udp6", "SndbufErrors");
    /// UDP-Lite datagrams received and lost.
    udplite_in_errors = "UdpLite_InErrors", One, netstat!("UdpLite", "InErrors");
    /// UDP-Lite datagrams received over IPv6 and lost.
    udplite6_in_errors = "UdpLite6_InErrors", One, netstat!("UdpLite6", "InErrors");
}

/// Reads the protocols' counters. What node_exporter's default filter lets
/// through and the table does not have is added to `points`. A protocol that
/// the kernel lacks, as IPv6 can be, is no note.
pub(crate) fn read_protocols(
    source: &mut Source,
    roots: &Roots,
    points: &mut Vec<Point>,
) -> ProtocolCounters {
    let folder = roots.procfs.join("net");
    let mut counted = Counted::default();
    for name in ["snmp", "netstat"] {
        let path = folder.join(name);
        let parse = |text: &[u8]| parse_pairs(text, &mut counted);
        if source.read_parsed("network", &path, parse) == Some(false) {
            source.note("network", &path, "no counters with their names");
        }
    }
    read_snmp6(source, &folder.join("snmp6"), &mut counted);
    points.append(&mut counted.found);
    counted.counters
}

fn read_snmp6(source: &mut Source, path: &Path, counted: &mut Counted) {
    match source.read_kept(path) {
        Ok(text) => parse_snmp6(text, counted),
        // Without IPv6.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => source.note("network", path, render_error(&error)),
    }
}

/// What was counted so far.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) counters: ProtocolCounters,
    /// Beyond the table.
    pub(crate) found: Vec<Point>,
}

impl Counted {
    /// Takes one counter, if it is wanted and a number.
    fn take(&mut self, protocol: &[u8], word: &[u8], number: &[u8]) {
        if !is_wanted(protocol, word) {
            return;
        }
        let is_it = |field: &&Field<ProtocolCounters>| {
            let name = field.key.as_bytes().strip_prefix(protocol);
            name.and_then(|rest| rest.strip_prefix(b"_")) == Some(word)
        };
        let number = parse_u64(number);
        if let Some(field) = ProtocolCounters::FIELDS.iter().find(is_it) {
            (field.set)(&mut self.counters, number);
        } else if let Some(number) = number {
            self.add_found(protocol, word, number);
        }
    }

    fn add_found(&mut self, protocol: &[u8], word: &[u8], number: u64) {
        let of_metric = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if self.found.len() >= FOUND_MAX || !protocol.iter().chain(word).all(of_metric) {
            return;
        }
        let protocol = String::from_utf8_lossy(protocol);
        let word = String::from_utf8_lossy(word);
        let name = format!("{PREFIX}{protocol}_{word}");
        if self.found.iter().any(|point| point.metric.name() == name) {
            return;
        }
        let metric = FoundMetric {
            name,
            kind: MetricKind::Untyped,
            help: format!("Statistic {protocol}{word}."),
        };
        self.found.push(Point::labelled(metric, &[], number as f64));
    }
}

/// node_exporter's default filter of fields.
fn is_wanted(protocol: &[u8], word: &[u8]) -> bool {
    let by_word: &[&[u8]] = match protocol {
        b"Ip" => &[b"Forwarding"],
        b"Ip6" | b"IpExt" => &[b"InOctets", b"OutOctets"],
        b"Icmp" | b"Icmp6" => &[b"InMsgs", b"OutMsgs"],
        b"Tcp" => &[
            b"ActiveOpens",
            b"InSegs",
            b"OutSegs",
            b"OutRsts",
            b"PassiveOpens",
            b"RetransSegs",
            b"CurrEstab",
        ],
        b"Udp" | b"Udp6" => &[
            b"InDatagrams",
            b"OutDatagrams",
            b"NoPorts",
            b"RcvbufErrors",
            b"SndbufErrors",
        ],
        b"TcpExt" if word.starts_with(b"Listen") || word.starts_with(b"Syncookies") => return true,
        b"TcpExt" => &[b"TCPSynRetrans", b"TCPTimeouts"],
        _ => &[],
    };
    let in_errors = word == b"InErrors" || word == b"InErrs";
    in_errors || by_word.contains(&word)
}

/// Parses `snmp` and `netstat`: for each protocol a line of names and, right
/// after it, a line of as many numbers; another count would be a guess at
/// which number belongs to which name. False when there is no such pair.
pub(crate) fn parse_pairs(text: &[u8], counted: &mut Counted) -> bool {
    let mut any = false;
    let mut names: Option<(&[u8], &[u8])> = None;
    for line in lines(text) {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((protocol, rest)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
            names = None;
            continue;
        };
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        match names.take() {
            Some((of, names)) if of == protocol => {
                if words(names).count() == words(rest).count() {
                    any = true;
                    for (word, number) in words(names).zip(words(rest)) {
                        counted.take(protocol, word, number);
                    }
                }
            }
            _ => names = Some((protocol, rest)),
        }
    }
    any
}

/// Parses `snmp6`: a name, which begins with a protocol that ends in 6, and a
/// number.
pub(crate) fn parse_snmp6(text: &[u8], counted: &mut Counted) {
    for line in lines(text) {
        let mut words = words(line);
        let (Some(name), Some(number)) = (words.next(), words.next()) else {
            continue;
        };
        let six = name.iter().position(|byte| *byte == b'6');
        if let Some((protocol, word)) = six.and_then(|six| name.split_at_checked(six + 1)) {
            counted.take(protocol, word, number);
        }
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
