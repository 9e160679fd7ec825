//! The process connector (linux/cn_proc.h): events of starting, replacing and
//! ending processes, numbered by the processor they happened on.

use std::io::{self, ErrorKind};
use std::process;

use rustix::io::Errno;
use rustix::net::netlink;

use crate::exits::refusal::Refusal;
use crate::exits::task_exit::WaitStatus;
use crate::exits::taskstats::{ANSWER_DATAGRAMS_MAX, ROOM_BYTES, wait_readable};
use crate::netlink::{DONE, NetlinkSocket, parse_messages, read_u16, read_u32};
use crate::roots::Roots;

/// Number and value of the connector's part for processes; the group is the
/// number's bit.
const PROCESS_INDEX: u32 = 1;
const PROCESS_VALUE: u32 = 1;
const PROCESS_GROUP: u32 = 1;
const LISTEN: u32 = 1;

/// struct cn_msg and what of struct proc_event stands before its event.
const MESSAGE_HEADER_BYTES: usize = 20;
const EVENT_HEADER_BYTES: usize = 16;

const NONE: u32 = 0;
const FORK: u32 = 0x1;
const EXEC: u32 = 0x2;
const UID: u32 = 0x4;
const EXIT: u32 = 0x8000_0000;

/// Linux is never built for more.
const CPUS_MAX: usize = 8192;

const OPTION: &str = "CONFIG_PROC_EVENTS";

/// One event; a pid is a thread's, a tgid its process's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcEvent {
    Fork {
        parent_tgid: u32,
        child_pid: u32,
        child_tgid: u32,
    },
    Exec {
        pid: u32,
        tgid: u32,
    },
    Uid {
        pid: u32,
        tgid: u32,
        real: u32,
        effective: u32,
    },
    Exit {
        pid: u32,
        tgid: u32,
        status: WaitStatus,
        /// Since Linux 4.18.
        parent_tgid: Option<u32>,
    },
    /// The answer to a request to listen: an error number, or 0.
    Answer {
        to: u32,
        error: u32,
    },
    /// A kind that nothing here asks about; it counts in the numbering.
    Other,
}

/// An event with its place in the numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) cpu: u32,
    pub(crate) sequence: u32,
    pub(crate) event: ProcEvent,
}

/// The event of a message (after netlink's header).
pub(crate) fn parse_event(payload: &[u8]) -> Option<Numbered> {
    if read_u32(payload, 0)? != PROCESS_INDEX || read_u32(payload, 4)? != PROCESS_VALUE {
        return None;
    }
    let length = usize::from(read_u16(payload, 16)?);
    let body = payload.get(MESSAGE_HEADER_BYTES..)?.get(..length)?;
    let word = |index: usize| read_u32(body, EVENT_HEADER_BYTES + 4 * index);
    let event = match read_u32(body, 0)? {
        FORK => ProcEvent::Fork {
            parent_tgid: word(1)?,
            child_pid: word(2)?,
            child_tgid: word(3)?,
        },
        EXEC => ProcEvent::Exec {
            pid: word(0)?,
            tgid: word(1)?,
        },
        UID => ProcEvent::Uid {
            pid: word(0)?,
            tgid: word(1)?,
            real: word(2)?,
            effective: word(3)?,
        },
        EXIT => ProcEvent::Exit {
            pid: word(0)?,
            tgid: word(1)?,
            status: WaitStatus(word(2)?),
            parent_tgid: word(5).filter(|pid| *pid != 0),
        },
        NONE => ProcEvent::Answer {
            to: read_u32(payload, 12)?.wrapping_sub(1),
            error: word(0)?,
        },
        _ => ProcEvent::Other,
    };
    Some(Numbered {
        cpu: read_u32(body, 4)?,
        sequence: read_u32(payload, 8)?,
        event,
    })
}

/// Counts what is missing in the numbering of each processor's events.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    next: Vec<Option<u32>>,
}

impl Sequences {
    /// How many events of the same processor were lost before this one.
    pub(crate) fn derive_gap(&mut self, cpu: u32, sequence: u32) -> u32 {
        let Some(cpu) = usize::try_from(cpu).ok().filter(|cpu| *cpu < CPUS_MAX) else {
            return 0;
        };
        if self.next.len() <= cpu {
            self.next.resize(cpu + 1, None);
        }
        let Some(next) = self.next.get_mut(cpu) else {
            return 0;
        };
        let gap = sequence.wrapping_sub(next.unwrap_or(sequence));
        // The upper half are events that came late, which old kernels allow.
        if gap > u32::MAX / 2 {
            return 0;
        }
        *next = Some(sequence.wrapping_add(1));
        gap
    }
}

/// A socket that hears the events of all processors.
pub(crate) fn open_connector(roots: &Roots) -> Result<NetlinkSocket, Refusal> {
    let refused = |error| Refusal::from_system(error, OPTION, &roots.procfs);
    let family = Some(netlink::CONNECTOR);
    let mut socket = NetlinkSocket::open(family, PROCESS_GROUP).map_err(refused)?;
    socket.set_room(ROOM_BYTES).map_err(refused)?;
    listen(&mut socket).map_err(refused)?;
    Ok(socket)
}

/// No filter is asked for, which Linux 6.6 could do: the numbering counts what
/// is filtered out, so that losses could no longer be told.
fn listen(socket: &mut NetlinkSocket) -> io::Result<()> {
    let own = process::id();
    socket.send(DONE, 0, &render_listen(own))?;
    let mut buffer = Vec::new();
    for _ in 0..ANSWER_DATAGRAMS_MAX {
        if !wait_readable(socket)? {
            break;
        }
        socket.receive(&mut buffer)?;
        for message in parse_messages(&buffer) {
            let answer = parse_event(message.payload).map(|numbered| numbered.event);
            match answer {
                Some(ProcEvent::Answer { to, error: 0 }) if to == own => return Ok(()),
                Some(ProcEvent::Answer { to, error }) if to == own => {
                    let error = i32::try_from(error).unwrap_or(Errno::INVAL.raw_os_error());
                    return Err(io::Error::from_raw_os_error(error));
                }
                _ => {}
            }
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// The answer carries `own` and one, which tells it from those to others.
fn render_listen(own: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    for word in [PROCESS_INDEX, PROCESS_VALUE, 0, own] {
        payload.extend(word.to_ne_bytes());
    }
    payload.extend(4_u16.to_ne_bytes());
    payload.extend(0_u16.to_ne_bytes());
    payload.extend(LISTEN.to_ne_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_for_each_processor() {
        let mut sequences = Sequences::default();
        let table = [
            (0, 7, 0),
            (1, 100, 0),
            (0, 8, 0),
            (0, 11, 2),
            (1, 101, 0),
            (0, 9, 0),
            (0, 12, 0),
            (3, u32::MAX, 0),
            (3, 0, 0),
            (3, 4, 3),
            (u32::MAX, 5, 0),
            (u32::MAX, 50, 0),
        ];
        for (cpu, sequence, gap) in table {
            assert_eq!(sequences.derive_gap(cpu, sequence), gap, "{cpu} {sequence}");
        }
    }

    #[test]
    fn a_request_is_as_long_as_it_says() {
        let request = render_listen(9);
        assert_eq!(request.len(), MESSAGE_HEADER_BYTES + 4);
        assert_eq!(read_u16(&request, 16), Some(4));
    }
}
