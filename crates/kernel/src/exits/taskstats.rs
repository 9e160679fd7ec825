//! The socket on which taskstats tells of every thread that ends.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::Builder;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::net::netlink;
use rustix::process::getpid;

use crate::exits::refusal::Refusal;
use crate::exits::task_exit::{
    Accounting, GENERIC_HEADER_BYTES, TaskExit, find_stats, parse_task_exit, parse_version,
};
use crate::netlink::{
    ERROR, Message, NetlinkSocket, parse_attributes, parse_messages, push_attribute, read_u16,
};
use crate::roots::Roots;
use crate::text::{lines, parse_u64, words};

/// Generic netlink's own family and its question for another's number.
const CONTROL_FAMILY: u16 = 0x10;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_FAMILY_ID: u16 = 1;
const CONTROL_FAMILY_NAME: u16 = 2;

const NAME: &[u8] = b"TASKSTATS\0";
const COMMAND_GET: u8 = 1;
const COMMAND_NEW: u8 = 2;
const ATTRIBUTE_PID: u16 = 1;
const ATTRIBUTE_REGISTER_CPUS: u16 = 3;

/// Asks for an answer even when all is well.
const ACKNOWLEDGE: u16 = 0x04;

/// Room for about 6,500 records: more than half a second of the fastest forking.
pub(crate) const ROOM_BYTES: usize = 8 << 20;

/// The kernel answers before it returns from send(2); this is for a slow one.
const ANSWER_MAX_MSEC: i64 = 500;

/// Records or events may come before an answer; so many never do.
pub(crate) const ANSWER_DATAGRAMS_MAX: usize = 10_000;

const OPTION: &str = "CONFIG_TASKSTATS";

/// Records of all processors.
#[derive(Debug)]
pub(crate) struct Taskstats {
    pub(crate) socket: NetlinkSocket,
    family: u16,
    /// Of the kernel's struct.
    pub(crate) version: u16,
    accounting: Accounting,
}

impl Taskstats {
    pub(crate) fn open(roots: &Roots) -> Result<Self, Refusal> {
        let refused = |error| Refusal::from_system(error, OPTION, &roots.procfs);
        let mut socket = NetlinkSocket::open(Some(netlink::GENERIC), 0).map_err(refused)?;
        socket.set_room(ROOM_BYTES).map_err(refused)?;
        let family = ask_family(&mut socket).map_err(refused)?;
        let version = ask_version(&mut socket, family).map_err(refused)??;
        let possible = fs::read(roots.sysfs.join("devices/system/cpu/possible"))?;
        register(&mut socket, family, possible.trim_ascii()).map_err(refused)?;
        if !is_heard(&socket).map_err(refused)? {
            return Err(Refusal::Namespace { kind: "network" });
        }
        Ok(Self {
            socket,
            family,
            version,
            accounting: read_accounting(&roots.procfs),
        })
    }

    /// The thread that a message tells of, if it does.
    pub(crate) fn parse(&self, message: &Message<'_>) -> Option<TaskExit> {
        if message.kind != self.family || message.payload.first() != Some(&COMMAND_NEW) {
            return None;
        }
        parse_task_exit(message.payload, self.accounting)
    }
}

/// A generic netlink message's payload.
fn render_request(command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let mut payload = vec![command, 1, 0, 0];
    push_attribute(&mut payload, attribute, value);
    payload
}

fn ask_family(socket: &mut NetlinkSocket) -> io::Result<u16> {
    let request = render_request(CONTROL_GET_FAMILY, CONTROL_FAMILY_NAME, NAME);
    ask(socket, CONTROL_FAMILY, 0, &request, |message| {
        let attributes = message.payload.get(GENERIC_HEADER_BYTES..)?;
        let mut attributes = parse_attributes(attributes);
        let (_, id) = attributes.find(|(kind, _)| *kind == CONTROL_FAMILY_ID)?;
        read_u16(id, 0)
    })
}

/// The version of the struct, taken from what the kernel says of this process.
fn ask_version(socket: &mut NetlinkSocket, family: u16) -> io::Result<Result<u16, Refusal>> {
    let pid = getpid().as_raw_nonzero().get().to_ne_bytes();
    let request = render_request(COMMAND_GET, ATTRIBUTE_PID, &pid);
    ask(socket, family, 0, &request, |message| {
        let stats = find_stats(message.payload)?;
        let bytes = stats.len();
        Some(parse_version(stats).map_err(|version| Refusal::Form { version, bytes }))
    })
}

/// Asks for the records of these processors, a list like `0-7`.
fn register(socket: &mut NetlinkSocket, family: u16, cpus: &[u8]) -> io::Result<()> {
    let cpus = [cpus, b"\0"].concat();
    let request = render_request(COMMAND_GET, ATTRIBUTE_REGISTER_CPUS, &cpus);
    // Only the acknowledgement ends it; records may already come before.
    ask(socket, family, ACKNOWLEDGE, &request, |message| {
        (message.kind == ERROR).then_some(())
    })
}

/// Whether records arrive. In another network namespace the kernel says yes to
/// everything and sends them to the first, so a thread ends here to be heard
/// of; its record is sent before its end can be seen.
fn is_heard(socket: &NetlinkSocket) -> io::Result<bool> {
    let thread = Builder::new().spawn(|| ())?;
    drop(thread.join());
    wait_readable(socket)
}

/// Sends a request and waits for what `parse` finds in the answer.
fn ask<T>(
    socket: &mut NetlinkSocket,
    kind: u16,
    flags: u16,
    request: &[u8],
    parse: impl Fn(&Message<'_>) -> Option<T>,
) -> io::Result<T> {
    let sequence = socket.send(kind, flags, request)?;
    let mut buffer = Vec::new();
    for _ in 0..ANSWER_DATAGRAMS_MAX {
        if !wait_readable(socket)? {
            break;
        }
        socket.receive(&mut buffer)?;
        for message in parse_messages(&buffer).filter(|message| message.sequence == sequence) {
            if message.kind == ERROR {
                message.parse_error()?;
            }
            if let Some(found) = parse(&message) {
                return Ok(found);
            }
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// Waits for an answer; false when none came.
pub(crate) fn wait_readable(socket: &impl AsFd) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(socket, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: ANSWER_MAX_MSEC * 1_000_000,
    };
    Ok(poll(&mut descriptors, Some(&timeout))? > 0)
}

fn read_accounting(procfs: &Path) -> Accounting {
    // Before Linux 5.14 there is no switch, and delays are accounted for.
    let switch = fs::read(procfs.join("sys/kernel/task_delayacct"));
    Accounting {
        io: procfs.join("self/io").exists(),
        delays: switch.map_or(true, |text| text.trim_ascii() == b"1"),
    }
}

/// How many messages the kernel has dropped for want of room on this socket:
/// the column `Drops` of `/proc/net/netlink`, found by the socket's inode.
pub(crate) fn read_drops(socket: &impl AsFd, procfs: &Path) -> Option<u64> {
    let inode = fstat(socket).ok()?.st_ino;
    parse_drops(&fs::read(procfs.join("net/netlink")).ok()?, inode)
}

pub(crate) fn parse_drops(text: &[u8], inode: u64) -> Option<u64> {
    let drops = |line: &[u8]| {
        let mut columns = words(line).skip(8).map(parse_u64);
        let (drops, found) = (columns.next()??, columns.next()??);
        (found == inode).then_some(drops)
    };
    lines(text).find_map(drops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_those_of_the_own_socket() {
        let text = b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
            000000003342eacf 0   0          00000000 0        0        0     2        3        4       \n\
            00000000dbf0f5ce 16  77         00000000 0        0        0     2        12       1503    \n";
        assert_eq!(parse_drops(text, 1503), Some(12));
        assert_eq!(parse_drops(text, 4), Some(3));
        assert_eq!(parse_drops(text, 5), None);
    }

    #[test]
    fn what_is_accounted_for_is_read_from_procfs() {
        let procfs = tempfile::TempDir::new().unwrap();
        let none = Accounting {
            io: false,
            delays: true,
        };
        assert_eq!(read_accounting(procfs.path()), none);
        fs::create_dir_all(procfs.path().join("sys/kernel")).unwrap();
        fs::create_dir_all(procfs.path().join("self")).unwrap();
        fs::write(procfs.path().join("self/io"), "").unwrap();
        fs::write(procfs.path().join("sys/kernel/task_delayacct"), "0\n").unwrap();
        let io = Accounting {
            io: true,
            delays: false,
        };
        assert_eq!(read_accounting(procfs.path()), io);
    }
}
