//! What is told of sockets, from either source.

use std::fs;
use std::net::{TcpListener, TcpStream};

use super::*;

const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const LISTEN_ROW: &str = "   0: 00000000:07E8 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 1579 1 00000000103231c7 100 0 0 10 0\n";
const OPEN_ROW: &str = "   1: 0100007F:07E8 0100007F:9C40 01 00000010:00000003 01:00000014 00000000     0        0 1600 2 0000000000000000 20 4 30 10 -1\n";

fn value(points: &[Point], series: &str) -> Option<f64> {
    let mut found = points.iter().filter(|point| point.series() == series);
    let value = found.next().map(|point| point.value);
    assert!(found.next().is_none(), "{series} twice");
    value
}

fn state(points: &[Point], state: &str) -> Option<f64> {
    value(
        points,
        &format!("node_tcp_connection_states{{state=\"{state}\"}}"),
    )
}

fn socket(state: u8, is_loopback: bool, info: Option<(u32, u32, u8)>) -> TcpSocket {
    TcpSocket {
        state,
        is_loopback,
        receive_bytes: 5,
        transmit_bytes: 7,
        info: info.map(|(rtt_usec, retransmits, timeouts)| TcpInfo {
            timeouts,
            rtt_usec,
            retransmits,
        }),
    }
}

#[test]
fn sockets_are_counted_by_state_and_scope() {
    let sockets = [
        socket(1, true, Some((40, 0, 0))),
        socket(1, false, Some((100, 2, 0))),
        socket(1, false, Some((101, 0, 0))),
        socket(8, false, Some((3_000_000, 9, 4))),
        socket(2, false, Some((0, 1, 1))),
        socket(6, false, None),
        socket(LISTEN, false, Some((0, 0, 0))),
        socket(99, false, None),
    ];
    let mut points = Vec::new();
    render_sockets(&sockets, &mut points);
    for (name, expected) in [
        ("established", Some(3.0)),
        ("close_wait", Some(1.0)),
        ("syn_sent", Some(1.0)),
        ("time_wait", Some(1.0)),
        ("listen", Some(1.0)),
        ("closing", None),
        // Without the listening socket's.
        ("rx_queued_bytes", Some(35.0)),
        ("tx_queued_bytes", Some(49.0)),
    ] {
        assert_eq!(state(&points, name), expected, "{name}");
    }
    let other = |name: &str| value(&points, &format!("lfs_tcp_{name}{{scope=\"other\"}}"));
    assert_eq!(other("rtt_seconds_count"), Some(3.0));
    assert_eq!(other("rtt_seconds_sum"), Some(3.000_201));
    assert_eq!(other("retransmits"), Some(12.0));
    assert_eq!(other("retransmitting_connections"), Some(2.0));
    let bucket = |le: &str, scope: &str| {
        let series = format!("lfs_tcp_rtt_seconds_bucket{{le=\"{le}\",scope=\"{scope}\"}}");
        value(&points, &series)
    };
    for (le, expected) in [
        ("0.0001", 1.0),
        ("0.00025", 2.0),
        ("2.5", 2.0),
        ("+Inf", 3.0),
    ] {
        assert_eq!(bucket(le, "other"), Some(expected), "{le}");
        assert_eq!(bucket(le, "loopback"), Some(1.0), "{le}");
    }
}

#[test]
fn labels_are_the_bounds_in_seconds() {
    let mut last = 0;
    for (bound, label) in BUCKETS {
        assert_eq!(label.parse::<f64>().unwrap(), f64::from(bound) / 1e6);
        assert!(bound > last, "{label}");
        last = bound;
    }
}

#[test]
fn a_captured_tree_has_states_only() {
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("net");
    fs::create_dir(&net).unwrap();
    let roots = Roots {
        procfs: folder.path().to_owned(),
        ..Roots::default()
    };
    let read = || {
        let (mut source, mut points) = (Source::default(), Vec::new());
        read_tcp(&mut source, &roots, &mut points);
        (points, source.take_absent().len())
    };
    assert_eq!(read(), (Vec::new(), 0));

    fs::write(
        net.join("tcp"),
        [HEADING, LISTEN_ROW, OPEN_ROW, OPEN_ROW].concat(),
    )
    .unwrap();
    let (points, notes) = read();
    assert_eq!((points.len(), notes), (4, 0));
    assert_eq!(state(&points, "established"), Some(2.0));
    assert_eq!(state(&points, "listen"), Some(1.0));
    assert_eq!(state(&points, "rx_queued_bytes"), Some(6.0));
    assert_eq!(state(&points, "tx_queued_bytes"), Some(32.0));

    fs::write(net.join("tcp6"), [HEADING, OPEN_ROW].concat()).unwrap();
    assert_eq!(state(&read().0, "established"), Some(3.0));

    // Half of the sockets would be a wrong number.
    fs::write(net.join("tcp6"), [HEADING, "garbled\n"].concat()).unwrap();
    assert_eq!(read(), (Vec::new(), 1));
}

#[test]
fn an_open_connection_is_in_the_distribution() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap();
    let (mut source, mut points) = (Source::default(), Vec::new());
    read_tcp(&mut source, &Roots::default(), &mut points);
    assert_eq!(source.take_absent(), []);
    assert!(state(&points, "established") >= Some(2.0));
    let count = value(&points, "lfs_tcp_rtt_seconds_count{scope=\"loopback\"}");
    assert!(count >= Some(2.0), "{count:?}");
    let sum = value(&points, "lfs_tcp_rtt_seconds_sum{scope=\"loopback\"}");
    assert!(sum > Some(0.0), "{sum:?}");
    drop((near, far));
}
