//! Connections with one time limit for all that is done with them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Wrong;

/// When something must have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// What is left; an error when that is nothing.
    pub(super) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = "no answer within the time limit";
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        Ok(left)
    }
}

/// A TCP connection on which nothing lasts longer than its deadline.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Deadline,
}

/// A connection, with or without TLS.
pub(super) enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Timed {
    pub(super) fn connect(host: &str, port: u16, deadline: Deadline) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in read_addresses(host, port, deadline)? {
            match TcpStream::connect_timeout(&address, deadline.left()?) {
                Ok(stream) => return Ok(Self { stream, deadline }),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// The addresses of a name. The system's resolver has time limits of its own,
/// which can be longer: then its thread ends by itself later.
pub(super) fn read_addresses(
    host: &str,
    port: u16,
    deadline: Deadline,
) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = mpsc::channel();
    let place = (host.to_owned(), port);
    thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            let found = place.to_socket_addrs().map(Iterator::collect);
            // Nobody may be waiting any more.
            let _ = sender.send(found);
        })?;
    receiver.recv_timeout(deadline.left()?).unwrap_or_else(|_| {
        let message = "the name's address was not found within the time limit";
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

/// A socket whose time is up says that it would block.
fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, "no answer within the time limit")
        }
        _ => error,
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.deadline.left()?))?;
        self.stream.read(buffer).map_err(explain)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(bytes).map_err(explain)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Stream {
    /// Says that nothing more comes; what the other side says can still be read.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                &mut stream.sock
            }
        };
        stream.stream.shutdown(Shutdown::Write)
    }
}

/// TLS over a connection. The handshake is done when this returns.
pub(super) fn start_tls(
    config: &Arc<ClientConfig>,
    host: &str,
    mut stream: Timed,
) -> io::Result<Stream> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let stream = StreamOwned::new(connection, stream);
    Ok(Stream::Tls(Box::new(stream)))
}

/// TLS 1.2 and 1.3, trusting who is in `ca_file`, or whom the system trusts.
pub(super) fn derive_tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Wrong> {
    let mut roots = RootCertStore::empty();
    let certificates = match ca_file {
        Some(path) => read_certificates(path)?,
        None => read_system_certificates(),
    };
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(Wrong(
            "no certificate of anybody who may sign the receiver's was found".to_owned(),
            "install the system's CA certificates, or give ca_file",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Wrong(format!("setting TLS up: {error}"), "tell the developers"))?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificates in a PEM file; at least one.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    const HELP: &str = "give ca_file a file with certificates as PEM";
    let wrong = |what: String| Wrong(format!("reading {}: {what}", path.display()), HELP);
    let items = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = items.collect();
    let certificates = certificates.map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

/// Empty where the system has none.
pub(super) fn read_system_certificates() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// A host and a port, such as `logs.example.org:6514` or `[::1]:514`.
pub(super) fn parse_host_port(address: &str) -> Result<(String, u16), Wrong> {
    let parsed = address.rsplit_once(':').and_then(|(host, port)| {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let is_host = !host.is_empty() && (bare.is_some() || !host.contains(':'));
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        is_host.then(|| (host.to_owned(), port))
    });
    let wrong = || {
        let message = format!("'{address}' is no host with a port");
        Wrong(message, "give one like logs.example.org:514 or [::1]:514")
    };
    parsed.ok_or_else(wrong)
}
