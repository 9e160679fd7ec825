//! What two readings of the protocols' counters say about the time between.

use crate::interval::{Interval, derive_delta};
use crate::network::protocol::ProtocolCounters;

/// How the network protocols fared in an interval. A counter that is missing at
/// one end, or went backwards, gives no rate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtocolFrame {
    /// TCP connections ESTABLISHED or CLOSE_WAIT now.
    pub tcp_established: Option<u64>,
    /// TCP segments received.
    pub tcp_in_segments_per_second: Option<f64>,
    /// TCP segments sent, without those that were only sent again.
    pub tcp_out_segments_per_second: Option<f64>,
    /// TCP segments sent again.
    pub tcp_retransmits_per_second: Option<f64>,
    /// Share of the TCP segments sent that were sent again, 0 to 1; `None`
    /// while nothing was sent.
    pub tcp_retransmit_ratio: Option<f64>,
    /// Times that an acknowledgement did not come in time.
    pub tcp_timeouts_per_second: Option<f64>,
    /// TCP connections broken off from here, and answers to segments for which
    /// there is no connection.
    pub tcp_resets_per_second: Option<f64>,
    /// Connections lost because a listening socket's queue was full.
    pub tcp_listen_overflows_per_second: Option<f64>,
    /// Connections that listening sockets lost for any reason.
    pub tcp_listen_drops_per_second: Option<f64>,
    /// UDP datagrams received and lost, full buffers included, over IPv4 and
    /// IPv6.
    pub udp_in_errors_per_second: Option<f64>,
    /// UDP datagrams not sent because a buffer was full, over IPv4 and IPv6.
    pub udp_send_buffer_errors_per_second: Option<f64>,
}

/// The protocols' frame; `None` where nothing is known of TCP or UDP at all.
pub(crate) fn derive_protocols(
    before: &ProtocolCounters,
    after: &ProtocolCounters,
    interval: Interval,
) -> Option<ProtocolFrame> {
    type Get = fn(&ProtocolCounters) -> Option<u64>;
    let rate = |get: Get| interval.per_second(get(before), get(after));
    // Without IPv6 there is one of the two.
    let both = |get: Get, get6: Get| match (rate(get), rate(get6)) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    };
    let frame = ProtocolFrame {
        tcp_established: after.tcp_established,
        tcp_in_segments_per_second: rate(|counters| counters.tcp_in_segments),
        tcp_out_segments_per_second: rate(|counters| counters.tcp_out_segments),
        tcp_retransmits_per_second: rate(|counters| counters.tcp_retransmits),
        tcp_retransmit_ratio: derive_retransmit_ratio(before, after),
        tcp_timeouts_per_second: rate(|counters| counters.tcp_timeouts),
        tcp_resets_per_second: rate(|counters| counters.tcp_out_resets),
        tcp_listen_overflows_per_second: rate(|counters| counters.tcp_listen_overflows),
        tcp_listen_drops_per_second: rate(|counters| counters.tcp_listen_drops),
        udp_in_errors_per_second: both(
            |counters| counters.udp_in_errors,
            |counters| counters.udp6_in_errors,
        ),
        udp_send_buffer_errors_per_second: both(
            |counters| counters.udp_send_buffer_errors,
            |counters| counters.udp6_send_buffer_errors,
        ),
    };
    (frame != ProtocolFrame::default()).then_some(frame)
}

/// The kernel does not count what is sent again among what is sent (RFC 4022,
/// tcpOutSegs), so both together are all.
fn derive_retransmit_ratio(before: &ProtocolCounters, after: &ProtocolCounters) -> Option<f64> {
    let again = derive_delta(before.tcp_retransmits, after.tcp_retransmits)?;
    let sent = derive_delta(before.tcp_out_segments, after.tcp_out_segments)?;
    let all = again as f64 + sent as f64;
    (all > 0.0).then(|| again as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_SECONDS: Interval = Interval { usec: 2_000_000 };

    /// Received, sent, sent again.
    fn tcp([received, sent, again]: [u64; 3]) -> ProtocolCounters {
        ProtocolCounters {
            tcp_in_segments: Some(received),
            tcp_out_segments: Some(sent),
            tcp_retransmits: Some(again),
            ..ProtocolCounters::default()
        }
    }

    #[test]
    fn a_frame_is_what_was_counted_in_between() {
        let before = ProtocolCounters {
            tcp_listen_overflows: Some(1),
            tcp_out_resets: Some(10),
            udp_in_errors: Some(100),
            udp6_in_errors: Some(5),
            udp_send_buffer_errors: Some(7),
            ..tcp([100, 200, 3])
        };
        let after = ProtocolCounters {
            tcp_established: Some(4),
            tcp_listen_overflows: Some(5),
            tcp_out_resets: Some(16),
            udp_in_errors: Some(102),
            udp6_in_errors: Some(9),
            udp_send_buffer_errors: Some(7),
            ..tcp([140, 215, 8])
        };
        let frame = derive_protocols(&before, &after, TWO_SECONDS).unwrap();
        let expected = ProtocolFrame {
            tcp_established: Some(4),
            tcp_in_segments_per_second: Some(20.0),
            tcp_out_segments_per_second: Some(7.5),
            tcp_retransmits_per_second: Some(2.5),
            tcp_retransmit_ratio: Some(0.25),
            tcp_resets_per_second: Some(3.0),
            tcp_listen_overflows_per_second: Some(2.0),
            udp_in_errors_per_second: Some(3.0),
            udp_send_buffer_errors_per_second: Some(0.0),
            ..ProtocolFrame::default()
        };
        assert_eq!(frame, expected);
    }

    #[test]
    fn the_share_sent_again_needs_something_sent_and_counters_that_went_on() {
        for (before, after, expected) in [
            ([0, 10, 5], [0, 10, 5], None),
            ([0, 10, 5], [0, 10, 6], Some(1.0)),
            ([0, 10, 5], [0, 11, 5], Some(0.0)),
            ([0, 10, 5], [0, 11, 4], None),
            ([0, 10, 5], [0, 9, 6], None),
            ([0, 0, 0], [0, u64::MAX, u64::MAX], Some(0.5)),
        ] {
            let frame = derive_protocols(&tcp(before), &tcp(after), TWO_SECONDS);
            let ratio = frame.and_then(|frame| frame.tcp_retransmit_ratio);
            assert_eq!(ratio, expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn counters_that_began_anew_or_took_no_time_have_no_rate() {
        let (before, after) = (tcp([100, 100, 100]), tcp([50, 150, 100]));
        let frame = derive_protocols(&before, &after, TWO_SECONDS).unwrap();
        assert_eq!(frame.tcp_in_segments_per_second, None);
        assert_eq!(frame.tcp_out_segments_per_second, Some(25.0));
        let frame = derive_protocols(&before, &before, Interval { usec: 0 });
        assert_eq!(frame, None);
        let unknown = ProtocolCounters::default();
        assert_eq!(derive_protocols(&unknown, &unknown, TWO_SECONDS), None);
        assert_eq!(derive_protocols(&unknown, &after, TWO_SECONDS), None);
    }
}
