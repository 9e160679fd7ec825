//! The machine's TCP sockets with what the kernel knows of each, asked for by
//! sock_diag(7). Any user may ask; the answer is of the own network namespace.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, netlink};
use thiserror::Error;

use crate::cadence::read_monotonic_usec;
use crate::netlink::{
    DONE, DUMP, DUMP_INTERRUPTED, ERROR, Message, NetlinkSocket, parse_attributes, parse_messages,
    read_u32,
};

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h): a request, and what answers it.
const BY_FAMILY: u16 = 20;

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// `INET_DIAG_INFO` (linux/inet_diag.h): the attribute that holds a `struct
/// tcp_info`, and the request's bit for it.
const INFO: u16 = 2;
const WANT_INFO: u8 = 1 << (INFO - 1);

/// The states 1 to 11, a bit each; the kernel gives what is still a request
/// for a connection as SYN_RECV.
const ALL_STATES: u32 = 0xffe;

/// Sizes of `struct inet_diag_req_v2` and `struct inet_diag_msg`.
const REQUEST_BYTES: usize = 56;
const SOCKET_BYTES: usize = 72;

/// More sockets than this in one family are not read: it would take the kernel
/// and this program too much of a second.
const SOCKETS_MAX: usize = 128 << 10;

/// How long one family may take.
const DUMP_MAX_USEC: u64 = 2_000_000;

/// Times that a family is asked for when it changes meanwhile.
const TRIES_MAX: usize = 2;

/// Why there are no sockets to tell of.
#[derive(Debug, Error)]
pub(crate) enum DumpError {
    /// The kernel was built without it, or a sandbox takes it away.
    #[error("sock_diag is not there")]
    Missing,
    #[error("more than {SOCKETS_MAX} sockets")]
    TooMany,
    #[error("no whole answer in {} ms", DUMP_MAX_USEC / 1000)]
    Late,
    #[error("the sockets changed while they were read, {TRIES_MAX} times")]
    Interrupted,
    #[error("not what the kernel sends")]
    Damaged,
    #[error(transparent)]
    Failed(io::Error),
}

impl From<io::Error> for DumpError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT) => Self::Missing,
            _ => Self::Failed(error),
        }
    }
}

impl From<Errno> for DumpError {
    fn from(error: Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// One TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    /// As in [`crate::network::tcp::STATES`].
    pub(crate) state: u8,
    /// Whether the other end is this machine: its address is one of loopback,
    /// or the same as this end's.
    pub(crate) is_loopback: bool,
    /// What waits to be read.
    pub(crate) receive_bytes: u32,
    /// What waits to be sent or acknowledged.
    pub(crate) transmit_bytes: u32,
    /// `None` for what is no whole socket: one in TIME_WAIT or SYN_RECV.
    pub(crate) info: Option<TcpInfo>,
}

/// What is used of a `struct tcp_info` (tcp(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpInfo {
    /// Timeouts in a row that the other end has not answered yet.
    pub(crate) timeouts: u8,
    /// The round-trip time, smoothed; 0 before the first was measured.
    pub(crate) rtt_usec: u32,
    /// Segments sent again since the connection began.
    pub(crate) retransmits: u32,
}

/// All TCP sockets of both families.
pub(crate) fn read_tcp_sockets() -> Result<Vec<TcpSocket>, DumpError> {
    let mut sockets = read_family(AddressFamily::INET)?;
    match read_family(AddressFamily::INET6) {
        Ok(others) => sockets.extend(others),
        // Without IPv6.
        Err(DumpError::Missing) => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

fn read_family(family: AddressFamily) -> Result<Vec<TcpSocket>, DumpError> {
    let request = render_request(family);
    for _ in 0..TRIES_MAX {
        match dump(&request) {
            Err(DumpError::Interrupted) => {}
            other => return other,
        }
    }
    Err(DumpError::Interrupted)
}

/// A `struct inet_diag_req_v2` for all sockets of a family.
fn render_request(family: AddressFamily) -> [u8; REQUEST_BYTES] {
    let mut request = [0; REQUEST_BYTES];
    let [family, _] = family.as_raw().to_le_bytes();
    let [s0, s1, s2, s3] = ALL_STATES.to_ne_bytes();
    let head = [family, TCP, WANT_INFO, 0, s0, s1, s2, s3];
    for (place, byte) in request.iter_mut().zip(head) {
        *place = byte;
    }
    request
}

/// Asks once, on a socket of its own, so that nothing of an answer that was
/// broken off is left for the next.
fn dump(request: &[u8]) -> Result<Vec<TcpSocket>, DumpError> {
    let mut socket = NetlinkSocket::open(Some(netlink::SOCK_DIAG), 0)?;
    let sequence = socket.send(BY_FAMILY, DUMP, request)?;
    let deadline_usec = read_monotonic_usec().saturating_add(DUMP_MAX_USEC);
    let mut buffer = Vec::new();
    let mut answer = Answer::default();
    while !answer.is_whole {
        let left_usec = deadline_usec.saturating_sub(read_monotonic_usec());
        if left_usec == 0 {
            return Err(DumpError::Late);
        }
        wait(&socket, left_usec)?;
        if socket.receive(&mut buffer)? {
            answer.take(&buffer, sequence)?;
        }
    }
    Ok(answer.sockets)
}

/// Waits until something can be received, or the time is over, or a signal
/// came.
fn wait(socket: &NetlinkSocket, left_usec: u64) -> Result<(), DumpError> {
    let mut waiting = [PollFd::new(socket, PollFlags::IN)];
    let timeout = Timespec::try_from(Duration::from_micros(left_usec)).ok();
    match poll(&mut waiting, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What was heard so far of the answer to one request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) sockets: Vec<TcpSocket>,
    is_whole: bool,
}

impl Answer {
    /// Takes the messages of one datagram that belong to the request.
    pub(crate) fn take(&mut self, datagram: &[u8], sequence: u32) -> Result<(), DumpError> {
        let messages = parse_messages(datagram);
        for message in messages.filter(|message| message.sequence == sequence) {
            if message.flags & DUMP_INTERRUPTED != 0 {
                return Err(DumpError::Interrupted);
            }
            match message.kind {
                // With a number that is 0 or an error; a very old kernel has none.
                DONE if message.payload.is_empty() => self.is_whole = true,
                DONE => {
                    message.parse_error()?;
                    self.is_whole = true;
                }
                ERROR => message.parse_error()?,
                BY_FAMILY => self.add(&message)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, message: &Message<'_>) -> Result<(), DumpError> {
        if self.sockets.len() >= SOCKETS_MAX {
            return Err(DumpError::TooMany);
        }
        let socket = parse_socket(message.payload).ok_or(DumpError::Damaged)?;
        self.sockets.push(socket);
        Ok(())
    }
}

/// Parses a `struct inet_diag_msg` and the attributes after it.
pub(crate) fn parse_socket(payload: &[u8]) -> Option<TcpSocket> {
    let (socket, attributes) = payload.split_at_checked(SOCKET_BYTES)?;
    let info = parse_attributes(attributes).find(|(kind, _)| *kind == INFO);
    Some(TcpSocket {
        state: *socket.get(1)?,
        is_loopback: is_loopback(*socket.first()?, socket.get(8..24)?, socket.get(24..40)?),
        receive_bytes: read_u32(socket, 56)?,
        transmit_bytes: read_u32(socket, 60)?,
        info: info.and_then(|(_, info)| parse_info(info)),
    })
}

/// Parses a `struct tcp_info`, which grows at its end from kernel to kernel.
fn parse_info(info: &[u8]) -> Option<TcpInfo> {
    Some(TcpInfo {
        timeouts: *info.get(2)?,
        rtt_usec: read_u32(info, 68)?,
        retransmits: read_u32(info, 100)?,
    })
}

/// Of two addresses of 16 bytes, of which IPv4 uses the first four.
fn is_loopback(family: u8, own: &[u8], other: &[u8]) -> bool {
    let is_v4 = u16::from(family) == AddressFamily::INET.as_raw();
    let (prefix_v4, one): ([u8; 12], [u8; 16]) = (
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    let v4 = if is_v4 {
        Some(other)
    } else {
        other.strip_prefix(&prefix_v4)
    };
    own == other || other == one || v4.is_some_and(|address| address.first() == Some(&127))
}

#[cfg(test)]
#[path = "sock_diag_tests.rs"]
mod tests;
