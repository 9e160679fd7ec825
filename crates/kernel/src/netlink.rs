//! Netlink (netlink(7)): asking the kernel by datagrams, and hearing from it.
//! Framing only; what the messages say is with those who ask.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with, sockopt,
};

/// Flags of a request: it is one, and all of what it asks for is wanted.
pub(crate) const REQUEST: u16 = 0x01;
pub(crate) const DUMP: u16 = 0x300;

/// Flag of an answer: what it tells of changed while it was told.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;

/// Kinds of message that every netlink family has.
pub(crate) const ERROR: u16 = 2;
pub(crate) const DONE: u16 = 3;

/// The attribute's kind without its flags.
const ATTRIBUTE_KIND_MASK: u16 = 0x3fff;

const MESSAGE_HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// The kernel never sends more in one datagram.
const DATAGRAM_MAX_BYTES: usize = 64 << 10;

/// A socket to one netlink family of the kernel.
#[derive(Debug)]
pub(crate) struct NetlinkSocket {
    socket: OwnedFd,
    sequence: u32,
}

impl NetlinkSocket {
    /// A socket that hears what is sent to the multicast `groups` (a bit each)
    /// and answers to its own requests.
    pub(crate) fn open(family: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, family)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Room for messages that wait; more than the system's limit where
    /// privileges allow it, else up to that limit.
    pub(crate) fn set_room(&self, bytes: usize) -> io::Result<()> {
        let forced = sockopt::set_socket_recv_buffer_size_force(&self.socket, bytes);
        Ok(forced.or_else(|_| sockopt::set_socket_recv_buffer_size(&self.socket, bytes))?)
    }

    /// Sends one message and returns its sequence number.
    pub(crate) fn send(&mut self, kind: u16, flags: u16, payload: &[u8]) -> io::Result<u32> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(MESSAGE_HEADER_BYTES + payload.len())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut message = Vec::with_capacity(MESSAGE_HEADER_BYTES + payload.len());
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((flags | REQUEST).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend(payload);
        send(&self.socket, &message, SendFlags::empty())?;
        Ok(self.sequence)
    }

    /// The next datagram, into `buffer`; false when none waits. ENOBUFS says
    /// that the kernel dropped some for want of room.
    pub(crate) fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        buffer.reserve(DATAGRAM_MAX_BYTES);
        match recv(&self.socket, spare_capacity(buffer), RecvFlags::empty()) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl Message<'_> {
    /// What an [`ERROR`] message reports; `Ok` is an acknowledgement.
    pub(crate) fn parse_error(&self) -> Result<(), io::Error> {
        match self
            .payload
            .first_chunk()
            .map(|code| i32::from_ne_bytes(*code))
        {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The messages of a datagram; a damaged rest is left out.
pub(crate) fn parse_messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.first_chunk::<MESSAGE_HEADER_BYTES>()?;
        let length = usize::try_from(read_u32(header, 0)?).ok()?;
        let message = Message {
            kind: read_u16(header, 4)?,
            flags: read_u16(header, 6)?,
            sequence: read_u32(header, 8)?,
            payload: datagram.get(MESSAGE_HEADER_BYTES..length)?,
        };
        datagram = datagram.get(align(length)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in a message's payload, by kind; a damaged rest is left out.
pub(crate) fn parse_attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        let kind = read_u16(bytes, 2)? & ATTRIBUTE_KIND_MASK;
        let value = bytes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        bytes = bytes.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Adds an attribute to a payload.
pub(crate) fn push_attribute(payload: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Attributes are written by this program only, and are a few bytes long.
    let length = u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).unwrap_or(u16::MAX);
    payload.extend(length.to_ne_bytes());
    payload.extend(kind.to_ne_bytes());
    payload.extend(value);
    payload.resize(align(payload.len()), 0);
}

/// Netlink pads everything to four bytes.
fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A number in the machine's byte order at an offset.
pub(crate) fn read_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A number in the machine's byte order at an offset.
pub(crate) fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A number in the machine's byte order at an offset.
pub(crate) fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn attributes_that_were_written_are_read_again(
            attributes: Vec<(u16, Vec<u8>)>,
        ) {
            let mut payload = Vec::new();
            let attributes: Vec<_> = attributes
                .into_iter()
                .map(|(kind, value)| (kind & ATTRIBUTE_KIND_MASK, value))
                .collect();
            for (kind, value) in &attributes {
                push_attribute(&mut payload, *kind, value);
            }
            let read: Vec<_> = parse_attributes(&payload)
                .map(|(kind, value)| (kind, value.to_vec()))
                .collect();
            prop_assert_eq!(read, attributes);
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            for message in parse_messages(&bytes) {
                parse_attributes(message.payload).for_each(drop);
                drop(message.parse_error());
            }
        }
    }

    #[test]
    fn the_kernel_answers() {
        // NETLINK_ROUTE (0) answers RTM_GETLINK (18) to everybody.
        let mut socket = NetlinkSocket::open(None, 0).unwrap();
        let sequence = socket.send(18, DUMP, &[0; 16]).unwrap();
        let mut buffer = Vec::new();
        let mut links = 0;
        loop {
            if !socket.receive(&mut buffer).unwrap() {
                std::thread::yield_now();
                continue;
            }
            for message in parse_messages(&buffer) {
                assert_eq!(message.sequence, sequence);
                match message.kind {
                    DONE => {
                        assert!(links > 0, "there is always lo");
                        return;
                    }
                    ERROR => panic!("{:?}", message.parse_error()),
                    _ => links += 1,
                }
            }
        }
    }
}
