//! Answers of the kernel, whole and garbled, and a real connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use proptest::prelude::*;

use super::*;
use crate::netlink::push_attribute;

const SEQUENCE: u32 = 7;
const V4: u8 = 2;
const V6: u8 = 10;
const LOOPBACK_V6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An ESTABLISHED socket, with a `tcp_info` of so many bytes.
fn socket(family: u8, own: &[u8], other: &[u8], info_bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; SOCKET_BYTES];
    payload[0] = family;
    payload[1] = 1;
    payload[8..8 + own.len()].copy_from_slice(own);
    payload[24..24 + other.len()].copy_from_slice(other);
    payload[56..60].copy_from_slice(&11_u32.to_ne_bytes());
    payload[60..64].copy_from_slice(&12_u32.to_ne_bytes());
    let mut info = vec![0; 240];
    info[2] = 3;
    info[68..72].copy_from_slice(&25_000_u32.to_ne_bytes());
    info[100..104].copy_from_slice(&9_u32.to_ne_bytes());
    push_attribute(&mut payload, 8, &[0]);
    push_attribute(&mut payload, INFO, &info[..info_bytes]);
    payload
}

/// An error as netlink writes it.
fn code(error: Errno) -> [u8; 4] {
    (-error.raw_os_error()).to_ne_bytes()
}

fn done(code: i32) -> Vec<u8> {
    message(DONE, 2, SEQUENCE, &code.to_ne_bytes())
}

fn take(datagrams: &[Vec<u8>]) -> Result<Answer, DumpError> {
    let mut answer = Answer::default();
    for datagram in datagrams {
        answer.take(datagram, SEQUENCE)?;
    }
    Ok(answer)
}

#[test]
fn a_socket_is_what_the_kernel_says() {
    let payload = socket(V4, &[192, 0, 2, 1], &[192, 0, 2, 2], 240);
    let expected = TcpSocket {
        state: 1,
        is_loopback: false,
        receive_bytes: 11,
        transmit_bytes: 12,
        info: Some(TcpInfo {
            timeouts: 3,
            rtt_usec: 25_000,
            retransmits: 9,
        }),
    };
    let of_another = message(BY_FAMILY, 2, SEQUENCE + 1, &payload);
    let one = message(BY_FAMILY, 2, SEQUENCE, &payload);
    let answer = take(&[[of_another, one.clone(), one].concat(), done(0)]).unwrap();
    assert_eq!(answer.sockets, [expected, expected]);
    assert!(answer.is_whole);
    // As of Linux 2.6, whose structure ends there.
    assert_eq!(
        parse_socket(&socket(V4, &[192, 0, 2, 1], &[192, 0, 2, 2], 104)),
        Some(expected)
    );
    let short = parse_socket(&socket(V4, &[1], &[2], 103)).unwrap();
    assert_eq!(short.info, None);
}

#[test]
fn scope_is_by_address() {
    let mapped = |first: u8| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, first, 0, 0, 1];
    let global = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let other = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let cases: [(u8, &[u8], &[u8], bool); 8] = [
        (V4, &[127, 0, 0, 1], &[127, 9, 9, 9], true),
        (V4, &[192, 0, 2, 1], &[192, 0, 2, 1], true),
        (V4, &[192, 0, 2, 1], &[192, 0, 2, 127], false),
        (V6, &LOOPBACK_V6, &LOOPBACK_V6, true),
        (V6, &mapped(10), &mapped(127), true),
        (V6, &mapped(127), &mapped(10), false),
        (V6, &global, &other, false),
        (V6, &global, &global, true),
    ];
    for (family, own, other, expected) in cases {
        let found = parse_socket(&socket(family, own, other, 240)).unwrap();
        assert_eq!(found.is_loopback, expected, "{own:?} {other:?}");
    }
}

#[test]
fn an_answer_that_is_not_whole_is_an_error() {
    let payload = socket(V4, &[1], &[2], 240);
    for (kind, flags, payload, expected) in [
        (ERROR, 0, &code(Errno::NOENT)[..], "sock_diag is not there"),
        (
            ERROR,
            0,
            &code(Errno::PROTONOSUPPORT),
            "sock_diag is not there",
        ),
        (DONE, 2, &code(Errno::NOENT), "sock_diag is not there"),
        (
            ERROR,
            0,
            &code(Errno::ACCESS),
            "Permission denied (os error 13)",
        ),
        (BY_FAMILY, 2, &payload[..71], "not what the kernel sends"),
        (
            BY_FAMILY,
            2 | DUMP_INTERRUPTED,
            &payload,
            "the sockets changed while they were read, 2 times",
        ),
    ] {
        let error = take(&[message(kind, flags, SEQUENCE, payload)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn sockets_without_end_are_refused() {
    let one = message(BY_FAMILY, 2, SEQUENCE, &[0; SOCKET_BYTES]);
    let mut answer = Answer::default();
    for _ in 0..SOCKETS_MAX {
        answer.take(&one, SEQUENCE).unwrap();
    }
    assert!(matches!(
        answer.take(&one, SEQUENCE),
        Err(DumpError::TooMany)
    ));
}

proptest! {
    #[test]
    fn no_damage_stops_a_parser(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30),
        length: prop::sample::Index,
    ) {
        let one = message(BY_FAMILY, 2, SEQUENCE, &socket(V6, &LOOPBACK_V6, &LOOPBACK_V6, 240));
        let mut datagram = [one.clone(), one, done(0)].concat();
        for (index, byte) in damage {
            let index = index.index(datagram.len());
            datagram[index] = byte;
        }
        datagram.truncate(length.index(datagram.len() + 1));
        drop(take(&[datagram]));
    }
}

/// The sockets with this own port.
fn dump_port(family: AddressFamily, port: u16) -> Vec<TcpSocket> {
    let mut request = render_request(family);
    // The kernel leaves out sockets of another port than that of the request.
    request[8..10].copy_from_slice(&port.to_be_bytes());
    dump(&request).unwrap()
}

#[test]
fn a_connection_of_this_machine_is_found_with_its_round_trip_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut near = TcpStream::connect(address).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    for _ in 0..3 {
        near.write_all(b"ping").unwrap();
        far.read_exact(&mut [0; 4]).unwrap();
        far.write_all(b"pong").unwrap();
        near.read_exact(&mut [0; 4]).unwrap();
    }
    far.write_all(b"unread").unwrap();
    near.peek(&mut [0; 6]).unwrap();

    // Others may have the same port on other addresses.
    let found = dump_port(AddressFamily::INET, near.local_addr().unwrap().port());
    let socket = found
        .iter()
        .find(|socket| socket.is_loopback && socket.receive_bytes == 6)
        .unwrap();
    assert_eq!(socket.state, 1);
    assert!(socket.info.unwrap().rtt_usec > 0, "{socket:?}");

    let found = dump_port(AddressFamily::INET, address.port());
    let other_end = |socket: &TcpSocket| socket.state == 1 && socket.is_loopback;
    assert!(found.iter().any(other_end), "{found:?}");
    let listening = |socket: &TcpSocket| socket.state == 10;
    assert!(found.iter().any(listening), "{found:?}");

    let all = read_tcp_sockets().unwrap();
    let known = all.iter().filter(|socket| socket.info.is_some());
    assert!(known.count() >= 3, "{all:?}");
}
