//! Bytes that netlink sockets give.

use std::iter::once;

use crate::doctor::netlink_probe::{parse_dump, parse_event_answer, parse_family};
use crate::exits::connector::{Sequences, parse_event};
use crate::exits::task_exit::{Accounting, TaskExit, parse_stats, parse_task_exit, parse_version};
use crate::fuzzing::check::{check_part, check_points, cut};
use crate::netlink::{
    ERROR, Message, parse_attributes, parse_messages, push_attribute, read_u16, read_u32,
};
use crate::network::sock_diag::{Answer, parse_socket};
use crate::network::tcp::render_sockets;

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;

/// `TASKSTATS_TYPE_STATS` and the group of attributes that it stands in
/// (linux/taskstats.h).
const TYPE_STATS: u16 = 3;
const TYPE_AGGR_PID: u16 = 4;

/// The longest name of a process that is kept.
const NAME_MAX_BYTES: usize = 32;

/// Netlink's framing, the answers of sock_diag and of what the doctor asks.
pub fn netlink(data: &[u8]) {
    check_messages(data);
    check_attributes(data);
    check_sockets(data);
    let whole = Message {
        kind: ERROR,
        flags: 0,
        sequence: 1,
        payload: data,
    };
    for message in parse_messages(data).chain(once(whole)) {
        drop(message.parse_error());
        drop(parse_family(&message, message.sequence));
        drop(parse_event_answer(&message, message.sequence));
        drop(parse_dump(&message, message.sequence));
    }
}

/// Messages lie in the datagram one after the other.
fn check_messages(data: &[u8]) {
    let mut bytes = 0;
    for message in parse_messages(data) {
        bytes += 16 + message.payload.len();
        assert!(bytes <= data.len(), "more than there is");
    }
    let (some, all): (Vec<_>, Vec<_>) = (
        parse_messages(cut(data)).collect(),
        parse_messages(data).collect(),
    );
    assert!(
        all.starts_with(&some),
        "{some:?} is no beginning of {all:?}"
    );
}

fn check_attributes(data: &[u8]) {
    let mut bytes = 0;
    let mut again = Vec::new();
    for (kind, value) in parse_attributes(data) {
        bytes += 4 + value.len();
        assert!(bytes <= data.len(), "more than there is");
        push_attribute(&mut again, kind, value);
    }
    let pairs: Vec<_> = parse_attributes(data).collect();
    assert_eq!(parse_attributes(&again).collect::<Vec<_>>(), pairs);
}

/// As an answer, and as the payload of one message of an answer.
fn check_sockets(data: &[u8]) {
    let sequence = read_u32(data, 8).unwrap_or_default();
    let framed = frame(BY_FAMILY, sequence, data);
    for datagram in [data, &framed] {
        let mut answer = Answer::default();
        if answer.take(datagram, sequence).is_ok() {
            let mut points = Vec::new();
            render_sockets(&answer.sockets, &mut points);
            check_points(points);
        }
    }
    if let (Some(some), Some(all)) = (parse_socket(cut(data)), parse_socket(data)) {
        check_part(&some.info, &all.info);
        assert_eq!(
            (some.state, some.receive_bytes),
            (all.state, all.receive_bytes)
        );
    }
}

fn frame(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(0_u16.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(payload);
    message
}

/// Records of taskstats and events of the process connector.
pub fn exits(data: &[u8]) {
    let mut sequences = Sequences::default();
    for payload in parse_messages(data)
        .map(|message| message.payload)
        .chain([data])
    {
        check_event(payload, &mut sequences);
        for accounting in accountings() {
            let _task = parse_task_exit(payload, accounting);
        }
    }
    check_event(&frame_event(data), &mut sequences);
    for accounting in accountings() {
        check_record(data, accounting);
    }
}

fn accountings() -> impl Iterator<Item = Accounting> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(io, delays)| Accounting { io, delays })
}

/// The bytes as one event: number 1 and value 1 are those of processes.
fn frame_event(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut payload = Vec::new();
    for word in [1_u32, 1, read_u32(data, 0).unwrap_or_default(), 0] {
        payload.extend(word.to_ne_bytes());
    }
    payload.extend(length.to_ne_bytes());
    payload.extend(0_u16.to_ne_bytes());
    payload.extend(data);
    payload
}

fn check_event(payload: &[u8], sequences: &mut Sequences) {
    let whole = parse_event(payload);
    check_part(&parse_event(cut(payload)), &whole);
    if let Some(numbered) = whole {
        let gap = sequences.derive_gap(numbered.cpu, numbered.sequence);
        assert!(gap <= u32::MAX / 2);
        assert_eq!(
            sequences.derive_gap(numbered.cpu, numbered.sequence.wrapping_add(1)),
            0
        );
    }
}

/// The bytes as the struct of one record.
fn check_record(stats: &[u8], accounting: Accounting) {
    let whole = parse_stats(stats, accounting);
    assert!(whole.is_none() || parse_version(stats) == Ok(read_u16(stats, 0).unwrap_or_default()));
    if let Some(part) = parse_stats(cut(stats), accounting) {
        check_cut_record(&part, whole.as_ref());
    }
    let mut group = Vec::new();
    push_attribute(&mut group, TYPE_STATS, stats);
    let mut payload = vec![0; 4];
    push_attribute(&mut payload, TYPE_AGGR_PID, &group);
    // An attribute's length has 16 bits.
    if payload.len() < usize::from(u16::MAX) {
        assert_eq!(parse_task_exit(&payload, accounting), whole);
    }
    if let Some(task) = whole {
        let name = task.comm.as_bytes();
        assert!(name.len() <= NAME_MAX_BYTES && !name.contains(&0));
        assert!(accounting.io || task.usage.read_bytes.is_none());
        let _joined = task.usage.derive_joined(&task.usage);
    }
}

/// A record whose end is missing lacks what stood there.
fn check_cut_record(part: &TaskExit, whole: Option<&TaskExit>) {
    let whole = whole.map(|whole| (whole.pid, whole.uid, whole.comm, whole.status));
    assert_eq!(whole, Some((part.pid, part.uid, part.comm, part.status)));
}
