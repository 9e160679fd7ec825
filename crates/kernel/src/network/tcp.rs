//! The TCP sockets that are there now: their states, queues, round-trip times
//! and what they had to send again.

use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::network::sock_diag::{DumpError, TcpInfo, TcpSocket, read_tcp_sockets};
use crate::network::socket_table::{SocketRow, read_sockets};
use crate::roots::Roots;
use crate::source::Source;

/// The states of the kernel (net/tcp_states.h), the first of which is 1, as
/// node_exporter calls them.
pub(crate) const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// The state of a socket whose queues hold connections, not bytes.
const LISTEN: u8 = 10;

/// Upper bounds of the round-trip times counted together, in microseconds and
/// as the label in seconds.
const BUCKETS: [(u32, &str); 14] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1000, "0.001"),
    (2500, "0.0025"),
    (5000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
];

static CONNECTION_STATES: &Metric = metric!(
    Gauge,
    "node_tcp_connection_states",
    "Number of connection states."
);
// A distribution of what is there now, not of what ever was: all three go up
// and down, so a quantile is taken of them as they are, never of their rate.
static RTT_BUCKET: &Metric = metric!(
    Gauge,
    "lfs_tcp_rtt_seconds_bucket",
    "Number of open TCP connections by smoothed round-trip time, each bound with those below it; goes up and down."
);
static RTT_SUM: &Metric = metric!(
    Gauge,
    "lfs_tcp_rtt_seconds_sum",
    "Sum of the smoothed round-trip times of open TCP connections."
);
static RTT_COUNT: &Metric = metric!(
    Gauge,
    "lfs_tcp_rtt_seconds_count",
    "Number of open TCP connections with a measured round-trip time."
);
static RETRANSMITS: &Metric = metric!(
    Gauge,
    "lfs_tcp_retransmits",
    "Number of segments that open TCP connections have sent again since they began."
);
static RETRANSMITTING: &Metric = metric!(
    Gauge,
    "lfs_tcp_retransmitting_connections",
    "Number of TCP connections that send again what is not acknowledged in time."
);

/// Reads all TCP sockets. It costs as much as there are sockets, a microsecond
/// or two for each, so this is for the slow readings.
///
/// The states come from sock_diag(7), or from `/proc/net/tcp` and `tcp6` where
/// that is missing or a captured tree is read; never from both. The text knows
/// neither round-trip times nor what was sent again, so these have no points
/// then.
pub(crate) fn read_tcp(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    if roots.procfs != Path::new("/proc") {
        return read_table(source, roots, points);
    }
    match read_tcp_sockets() {
        Ok(sockets) => render_sockets(&sockets, points),
        Err(DumpError::Missing) => read_table(source, roots, points),
        Err(error) => source.note("network", Path::new("sock_diag"), error),
    }
}

fn read_table(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let mut states = StateCounts::default();
    let path = roots.procfs.join("net/tcp");
    let add = |row: SocketRow| states.add(row.state, row.transmit_bytes, row.receive_bytes);
    if read_sockets(source, &path, add).is_none() {
        return;
    }
    let path = roots.procfs.join("net/tcp6");
    let add = |row: SocketRow| states.add(row.state, row.transmit_bytes, row.receive_bytes);
    // Without IPv6 the file is not there; else both are needed.
    if read_sockets(source, &path, add).is_some() || !path.exists() {
        states.render(points);
    }
}

pub(crate) fn render_sockets(sockets: &[TcpSocket], points: &mut Vec<Point>) {
    let mut states = StateCounts::default();
    let mut scopes = [Connections::default(), Connections::default()];
    for socket in sockets {
        let (transmit, receive) = (socket.transmit_bytes, socket.receive_bytes);
        states.add(socket.state, transmit.into(), receive.into());
        let [loopback, other] = &mut scopes;
        let scope = if socket.is_loopback { loopback } else { other };
        if let Some(info) = socket.info.filter(|_| socket.state != LISTEN) {
            scope.add(info);
        }
    }
    states.render(points);
    for (scope, name) in scopes.iter().zip(["loopback", "other"]) {
        scope.render(name, points);
    }
}

/// How many sockets are in each state, and what their queues hold.
#[derive(Debug, Default)]
struct StateCounts {
    counts: [u64; STATES.len()],
    transmit_bytes: u64,
    receive_bytes: u64,
}

impl StateCounts {
    fn add(&mut self, state: u8, transmit_bytes: u64, receive_bytes: u64) {
        let index = usize::from(state).checked_sub(1);
        if let Some(count) = index.and_then(|index| self.counts.get_mut(index)) {
            *count += 1;
        }
        if state != LISTEN {
            self.transmit_bytes = self.transmit_bytes.saturating_add(transmit_bytes);
            self.receive_bytes = self.receive_bytes.saturating_add(receive_bytes);
        }
    }

    /// As node_exporter does, without the states that no socket is in.
    fn render(&self, points: &mut Vec<Point>) {
        let states = STATES.into_iter().zip(self.counts);
        let queues = [
            ("rx_queued_bytes", self.receive_bytes),
            ("tx_queued_bytes", self.transmit_bytes),
        ];
        let all = states.filter(|(_, count)| *count > 0).chain(queues);
        points.extend(all.map(|(state, number)| {
            Point::labelled(CONNECTION_STATES, &[("state", state)], number as f64)
        }));
    }
}

/// What the connections of one scope fared.
#[derive(Debug, Default)]
struct Connections {
    /// By bucket, without those of the buckets below.
    by_rtt: [u64; BUCKETS.len()],
    count: u64,
    rtt_sum_usec: u64,
    retransmits: u64,
    retransmitting: u64,
}

impl Connections {
    fn add(&mut self, info: TcpInfo) {
        self.retransmits += u64::from(info.retransmits);
        self.retransmitting += u64::from(info.timeouts > 0);
        // Nothing was measured yet.
        if info.rtt_usec == 0 {
            return;
        }
        self.count += 1;
        self.rtt_sum_usec += u64::from(info.rtt_usec);
        let bucket = BUCKETS
            .iter()
            .position(|(bound, _)| info.rtt_usec <= *bound);
        if let Some(count) = bucket.and_then(|index| self.by_rtt.get_mut(index)) {
            *count += 1;
        }
    }

    fn render(&self, scope: &str, points: &mut Vec<Point>) {
        let mut so_far = 0;
        let below = BUCKETS.iter().zip(self.by_rtt).map(|((_, le), count)| {
            so_far += count;
            (*le, so_far)
        });
        points.extend(below.chain([("+Inf", self.count)]).map(|(le, count)| {
            Point::labelled(RTT_BUCKET, &[("le", le), ("scope", scope)], count as f64)
        }));
        let sum_seconds = self.rtt_sum_usec as f64 / 1e6;
        for (metric, value) in [
            (RTT_SUM, sum_seconds),
            (RTT_COUNT, self.count as f64),
            (RETRANSMITS, self.retransmits as f64),
            (RETRANSMITTING, self.retransmitting as f64),
        ] {
            points.push(Point::labelled(metric, &[("scope", scope)], value));
        }
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
