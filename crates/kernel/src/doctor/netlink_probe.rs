//! Trials over netlink: each asks for the thing itself, and undoes it.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::netlink;

use crate::netlink::{
    DONE, DUMP, ERROR, Message, NetlinkSocket, parse_attributes, parse_messages, push_attribute,
    read_u16, read_u32,
};

/// The kernel answers at once, or never.
const PATIENCE: Duration = Duration::from_secs(1);

/// Datagrams looked at for one answer: other processes' events come between.
const DATAGRAMS_MAX: u32 = 10_000;

/// Asks the kernel to acknowledge (`NLM_F_ACK`).
const ACKNOWLEDGE: u16 = 0x04;

/// Generic netlink's own family and its question for another
/// (linux/genetlink.h).
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const GENERIC_HEADER_BYTES: usize = 4;

/// linux/taskstats.h
const TASKSTATS_CMD_GET: u8 = 1;
const TASKSTATS_ATTR_REGISTER: u16 = 3;
const TASKSTATS_ATTR_DEREGISTER: u16 = 4;
/// One processor that is always possible, as a list with its NUL.
const FIRST_PROCESSOR: &[u8] = b"0\0";

/// linux/cn_proc.h: the connector's address, its two orders, and where the
/// answer to one has its parts.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const CONNECTOR_HEADER_BYTES: usize = 20;
const CONNECTOR_ACK_OFFSET: usize = 12;
const LISTEN: u32 = 1;
const IGNORE: u32 = 2;
const EVENT_NONE: u32 = 0;
const EVENT_ERROR_OFFSET: usize = CONNECTOR_HEADER_BYTES + 16;

/// linux/sock_diag.h, linux/inet_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const STATE_LISTEN: u32 = 1 << 10;
const SOCKET_ID_BYTES: usize = 48;

/// Asks generic netlink for a family's number.
pub(super) fn find_family(name: &str) -> io::Result<u16> {
    let mut socket = NetlinkSocket::open(Some(netlink::GENERIC), 0)?;
    let mut payload = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    let mut terminated = name.as_bytes().to_vec();
    terminated.push(0);
    push_attribute(&mut payload, CTRL_ATTR_FAMILY_NAME, &terminated);
    let sequence = socket.send(GENL_ID_CTRL, 0, &payload)?;
    wait(&socket, |message| parse_family(message, sequence))
}

pub(crate) fn parse_family(message: &Message<'_>, sequence: u32) -> Option<io::Result<u16>> {
    if message.sequence != sequence {
        return None;
    }
    if message.kind == ERROR {
        return Some(Err(message.parse_error().err()?));
    }
    let mut attributes = parse_attributes(message.payload.get(GENERIC_HEADER_BYTES..)?);
    let number = attributes.find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
    let number = number.and_then(|(_, value)| read_u16(value, 0));
    Some(number.ok_or_else(|| ErrorKind::InvalidData.into()))
}

/// Registers for the exits of tasks on one processor, and deregisters.
pub(super) fn register_exits(family: u16) -> io::Result<()> {
    let mut socket = NetlinkSocket::open(Some(netlink::GENERIC), 0)?;
    order_exits(&mut socket, family, TASKSTATS_ATTR_REGISTER)?;
    order_exits(&mut socket, family, TASKSTATS_ATTR_DEREGISTER)
}

fn order_exits(socket: &mut NetlinkSocket, family: u16, order: u16) -> io::Result<()> {
    let mut payload = vec![TASKSTATS_CMD_GET, 1, 0, 0];
    push_attribute(&mut payload, order, FIRST_PROCESSOR);
    let sequence = socket.send(family, ACKNOWLEDGE, &payload)?;
    wait(socket, |message| {
        let is_answer = message.sequence == sequence && message.kind == ERROR;
        is_answer.then(|| message.parse_error())
    })
}

/// Begins to listen to the process connector, and ends it: a listener that
/// only goes away keeps older kernels sending.
pub(super) fn listen_events() -> io::Result<()> {
    let mut socket = NetlinkSocket::open(Some(netlink::CONNECTOR), CN_IDX_PROC)?;
    let mark = std::process::id();
    let listening = order_events(&mut socket, LISTEN, mark)
        .and_then(|()| wait(&socket, |message| parse_event_answer(message, mark)));
    let ended = order_events(&mut socket, IGNORE, mark);
    listening.and(ended)
}

fn order_events(socket: &mut NetlinkSocket, order: u32, mark: u32) -> io::Result<()> {
    let length = 4_u16;
    let mut payload = Vec::with_capacity(CONNECTOR_HEADER_BYTES + usize::from(length));
    for number in [CN_IDX_PROC, CN_VAL_PROC, 0, mark] {
        payload.extend(number.to_ne_bytes());
    }
    payload.extend(length.to_ne_bytes());
    payload.extend(0_u16.to_ne_bytes());
    payload.extend(order.to_ne_bytes());
    socket.send(DONE, 0, &payload).map(drop)
}

/// The connector answers with an event of no kind, whose acknowledgement is
/// one more than the order's.
pub(crate) fn parse_event_answer(message: &Message<'_>, mark: u32) -> Option<io::Result<()>> {
    if message.kind == ERROR {
        return message.parse_error().err().map(Err);
    }
    let payload = message.payload;
    let is_answer = read_u32(payload, CONNECTOR_ACK_OFFSET)? == mark.wrapping_add(1)
        && read_u32(payload, CONNECTOR_HEADER_BYTES)? == EVENT_NONE;
    if !is_answer {
        return None;
    }
    Some(match read_u32(payload, EVENT_ERROR_OFFSET)? {
        0 => Ok(()),
        code => Err(i32::try_from(code).map_or_else(
            |_| ErrorKind::InvalidData.into(),
            io::Error::from_raw_os_error,
        )),
    })
}

/// Asks for the listening IPv4 sockets of a protocol.
pub(super) fn dump_sockets(protocol: u8) -> io::Result<()> {
    let mut socket = NetlinkSocket::open(Some(netlink::SOCK_DIAG), 0)?;
    let mut payload = vec![AF_INET, protocol, 0, 0];
    payload.extend(STATE_LISTEN.to_ne_bytes());
    payload.resize(payload.len() + SOCKET_ID_BYTES, 0);
    let sequence = socket.send(SOCK_DIAG_BY_FAMILY, DUMP, &payload)?;
    wait(&socket, |message| parse_dump(message, sequence))
}

/// A dump that failed ends with the error, in either kind of message.
pub(crate) fn parse_dump(message: &Message<'_>, sequence: u32) -> Option<io::Result<()>> {
    if message.sequence != sequence {
        return None;
    }
    Some(match message.kind {
        // Kernels before 4.10 say nothing more than that it is done.
        DONE if message.payload.is_empty() => Ok(()),
        DONE | ERROR => message.parse_error(),
        _ => Ok(()),
    })
}

/// The first message that `parse` takes for the answer.
fn wait<T>(
    socket: &NetlinkSocket,
    parse: impl Fn(&Message<'_>) -> Option<io::Result<T>>,
) -> io::Result<T> {
    let end = Instant::now() + PATIENCE;
    let mut buffer = Vec::new();
    for _ in 0..DATAGRAMS_MAX {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let mut ready = [PollFd::new(socket, PollFlags::IN)];
        let timeout = left
            .try_into()
            .map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        match poll(&mut ready, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if socket.receive(&mut buffer)?
            && let Some(answer) = parse_messages(&buffer).find_map(|message| parse(&message))
        {
            return answer;
        }
    }
    Err(Errno::TIMEDOUT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Message<'_> {
        Message {
            kind,
            flags: 0,
            sequence: 7,
            payload,
        }
    }

    fn code<T>(answer: Option<io::Result<T>>) -> Option<i32> {
        answer.map(|answer| answer.map_or_else(|error| error.raw_os_error().unwrap_or(-1), |_| 0))
    }

    #[test]
    fn a_dump_ends_well_or_with_its_error() {
        let refused = (-2_i32).to_ne_bytes();
        let table = [
            (DONE, [].as_slice(), Some(0)),
            (DONE, &[0; 4], Some(0)),
            (DONE, &refused, Some(2)),
            (ERROR, &refused, Some(2)),
            (ERROR, &[], Some(-1)),
            (SOCK_DIAG_BY_FAMILY, &[1, 2], Some(0)),
        ];
        for (kind, payload, expected) in table {
            assert_eq!(
                code(parse_dump(&message(kind, payload), 7)),
                expected,
                "{kind} {payload:?}"
            );
            assert_eq!(code(parse_dump(&message(kind, payload), 8)), None);
        }
    }

    #[test]
    fn a_family_is_its_number_or_why_not() {
        let mut payload = vec![1, 2, 0, 0];
        push_attribute(&mut payload, CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0");
        let family = |kind, payload: &[u8]| parse_family(&message(kind, payload), 7);
        assert_eq!(code(family(GENL_ID_CTRL, &payload)), Some(-1));
        push_attribute(&mut payload, CTRL_ATTR_FAMILY_ID, &25_u16.to_ne_bytes());
        assert_eq!(family(GENL_ID_CTRL, &payload).unwrap().unwrap(), 25);
        assert_eq!(code(family(ERROR, &(-2_i32).to_ne_bytes())), Some(2));
        assert_eq!(code(family(GENL_ID_CTRL, &[])), None);
    }

    #[test]
    fn the_answer_of_the_connector_is_told_from_events() {
        let event = |ack: u32, what: u32, error: u32| {
            let mut bytes = Vec::new();
            for number in [CN_IDX_PROC, CN_VAL_PROC, 0, ack, 40, what, 0, 0, 0, error] {
                bytes.extend(number.to_ne_bytes());
            }
            bytes
        };
        let table = [
            (event(8, EVENT_NONE, 0), Some(0)),
            (event(8, EVENT_NONE, 1), Some(1)),
            (event(8, 2, 0), None),
            (event(0, EVENT_NONE, 0), None),
            (event(8, EVENT_NONE, u32::MAX), Some(-1)),
            (vec![0; 19], None),
        ];
        for (payload, expected) in table {
            assert_eq!(
                code(parse_event_answer(&message(DONE, &payload), 7)),
                expected
            );
        }
    }
}
