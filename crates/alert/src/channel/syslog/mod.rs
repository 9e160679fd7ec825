//! Syslog (RFC 5424) over whatever a syslog daemon listens on.

mod render;

use std::io::{self, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::net::{Deadline, Stream, Timed, derive_tls, parse_host_port, read_addresses, start_tls};
use super::{SendError, TIMEOUT, Wrong};
use crate::notification::Message;

pub(super) use render::render;

/// What every receiver should take whole (RFC 5424, section 6.1; RFC 5426,
/// section 3.2).
const DATAGRAM_BYTES_MAX: usize = 2048;

/// What a receiver on a stream should take whole (RFC 5425, section 4.3.1).
const FRAME_BYTES_MAX: usize = 8192;

/// What a receiver says before it closes is not read further; it should say
/// nothing.
const ANSWER_BYTES_MAX: u64 = 4096;

/// A syslog daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// What it listens on.
    pub transport: SyslogTransport,
    /// How long one delivery may take.
    pub timeout: Duration,
}

/// What a syslog daemon listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// A datagram socket, usually `/dev/log`. Taken means: it is in the daemon's
    /// receive buffer.
    Unix(PathBuf),
    /// UDP (RFC 5426), as `host:port`, usually port 514. Taken means: it was
    /// sent; nobody knows whether it arrived.
    Udp(String),
    /// TCP with octet counting (RFC 6587, section 3.4.1), as `host:port`. Taken
    /// means: the daemon has read it all and closed.
    Tcp(String),
    /// TLS (RFC 5425), usually port 6514; taken means the same.
    Tls {
        /// As `host:port`; the certificate must be for this host.
        address: String,
        /// Certificates (PEM) of those who may sign the daemon's; the system's
        /// without this.
        ca_file: Option<PathBuf>,
    },
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            transport: SyslogTransport::Unix("/dev/log".into()),
            timeout: TIMEOUT,
        }
    }
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Ready {
    way: Way,
    timeout: Duration,
}

#[derive(Debug)]
enum Way {
    Unix(PathBuf),
    Udp(String, u16),
    Stream {
        host: String,
        port: u16,
        tls: Option<Arc<ClientConfig>>,
    },
}

impl Ready {
    pub(super) fn new(syslog: Syslog) -> Result<Self, Wrong> {
        let stream = |address: &str, tls| {
            let (host, port) = parse_host_port(address)?;
            Ok(Way::Stream { host, port, tls })
        };
        let way = match syslog.transport {
            SyslogTransport::Unix(path) => Way::Unix(path),
            SyslogTransport::Udp(address) => {
                let (host, port) = parse_host_port(&address)?;
                Way::Udp(host, port)
            }
            SyslogTransport::Tcp(address) => stream(&address, None)?,
            SyslogTransport::Tls { address, ca_file } => {
                stream(&address, Some(derive_tls(ca_file.as_deref())?))?
            }
        };
        Ok(Self {
            way,
            timeout: syslog.timeout,
        })
    }

    pub(super) fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        let bytes_max = match self.way {
            Way::Unix(_) | Way::Udp(..) => DATAGRAM_BYTES_MAX,
            Way::Stream { .. } => FRAME_BYTES_MAX,
        };
        let all = message.notifications.iter();
        let texts: Vec<String> = all.map(|one| render(message, one, bytes_max)).collect();
        let deadline = Deadline::after(self.timeout);
        let sent = match &self.way {
            Way::Unix(path) => send_unix(path, &texts),
            Way::Udp(host, port) => send_udp((host, *port), &texts, deadline),
            Way::Stream { host, port, tls } => {
                send_stream((host, *port), tls.as_ref(), &texts, deadline)
            }
        };
        let place = match &self.way {
            Way::Unix(path) => path.display().to_string(),
            Way::Udp(host, port) | Way::Stream { host, port, .. } => format!("{host}:{port}"),
        };
        sent.map_err(|error| SendError::again(format!("sending to syslog at {place}: {error}")))
    }
}

fn send_unix(path: &Path, texts: &[String]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A daemon that hangs must not hold up the other channels.
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    texts
        .iter()
        .try_for_each(|text| socket.send(text.as_bytes()).map(drop))
}

/// A daemon that is not there is seen only where its machine says so at once.
fn send_udp((host, port): (&str, u16), texts: &[String], deadline: Deadline) -> io::Result<()> {
    let addresses = read_addresses(host, port, deadline)?;
    let address = addresses
        .first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    for text in texts {
        socket.send(text.as_bytes())?;
    }
    match socket.recv(&mut [0; 1]) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// Syslog has no acknowledgement. The next best thing is to say that nothing more
/// comes and to wait until the daemon closes as well, which it does after it has
/// read everything: so nothing is lost in the buffers of a daemon that hangs or is
/// killed, nor in the network.
fn send_stream(
    (host, port): (&str, u16),
    tls: Option<&Arc<ClientConfig>>,
    texts: &[String],
    deadline: Deadline,
) -> io::Result<()> {
    let timed = Timed::connect(host, port, deadline)?;
    let mut stream = match tls {
        Some(config) => start_tls(config, host, timed)?,
        None => Stream::Plain(timed),
    };
    let frames: String = texts
        .iter()
        .map(|text| format!("{} {text}", text.len()))
        .collect();
    stream.write_all(frames.as_bytes())?;
    stream.flush()?;
    stream.finish()?;
    let mut answer = stream.take(ANSWER_BYTES_MAX);
    match io::copy(&mut answer, &mut io::sink()) {
        // Not every daemon says in TLS that it closes.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(()),
    }
}
