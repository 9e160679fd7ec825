//! Notifications, processes and servers that the tests share.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, Kind, SendError};
use lfs_wrapper_alert::engine;
use lfs_wrapper_alert::notification::{Message, Notification, Reason};
use lfs_wrapper_alert::rule::Labels;
use lfs_wrapper_model::Severity;

/// What is waited for is looked for so often, 20 ms apart.
const LOOKS_MAX: u32 = 1500;

pub(crate) fn notification(
    alert: i64,
    kind: engine::Kind,
    severity: Severity,
    text: &str,
) -> Notification {
    Notification {
        alert,
        event: 10 * alert,
        rule: "memory".to_owned(),
        kind,
        is_reminder: false,
        severity,
        labels: [("resource".to_owned(), "memory".to_owned())].into(),
        value: Some(85.25),
        threshold: Some(85.0),
        message: text.to_owned(),
        runbook: "Stop what uses it.".to_owned(),
        annotations: BTreeMap::new(),
        since_msec: 1_700_000_000_250,
        time_msec: 1_700_000_060_250,
    }
}

pub(crate) fn raised(text: &str) -> Notification {
    notification(1, engine::Kind::Raised, Severity::Error, text)
}

pub(crate) fn send(channel: &Channel, notifications: &[Notification]) -> Result<(), SendError> {
    let time = notifications.last().unwrap().time_msec;
    send_at(channel, notifications, time)
}

pub(crate) fn send_at(
    channel: &Channel,
    notifications: &[Notification],
    time_msec: i64,
) -> Result<(), SendError> {
    let group = Labels::new();
    channel.send(&Message {
        host: "builder",
        group: &group,
        notifications,
        reason: Reason::Group,
        time_msec,
    })
}

pub(crate) fn open(kind: Kind) -> Channel {
    Channel::new("test", kind).unwrap()
}

/// A process that this test started, and its folder; both are gone afterwards.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) folder: tempfile::TempDir,
}

impl Process {
    pub(crate) fn start(command: &mut Command, folder: tempfile::TempDir) -> Self {
        let child = command.spawn().unwrap();
        Self { child, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stops it, as SIGSTOP does; none of its threads runs when this returns.
    pub(crate) fn stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let tasks = format!("/proc/{}/task", self.child.id());
        let is_stopped = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        wait_for("a stop", || {
            let mut tasks = fs::read_dir(&tasks).unwrap();
            tasks.all(|task| is_stopped(task.unwrap())).then_some(())
        });
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until `found` finds something.
pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = found() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} never came");
}

pub(crate) fn wait_for_text(path: &Path, part: &str) -> String {
    let what = format!("'{part}' in {}", path.display());
    wait_for(&what, || {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains(part).then_some(text)
    })
}

pub(crate) fn wait_for_port(port: u16) {
    wait_for("a listener", || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A server that does with each connection what `serve` does, for as long as the
/// test lasts.
pub(crate) fn serve(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    port
}

/// A request as it came.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An HTTP server that answers everything with `answer`, byte for byte.
pub(crate) fn serve_http(answer: &str) -> (u16, Receiver<Request>) {
    let (sender, receiver) = channel();
    let answer = answer.to_owned();
    let port = serve(move |mut stream| {
        let request = read_request(&mut stream);
        // Who asked may be gone, and so may the test.
        let _ = stream.write_all(answer.as_bytes());
        let _ = sender.send(request);
    });
    (port, receiver)
}

pub(crate) fn read_request(stream: &mut TcpStream) -> Request {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        text.extend(byte);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Request {
        head,
        body: String::from_utf8(body).unwrap(),
    }
}

/// A certificate for `localhost` and 127.0.0.1 with its key, and the one who
/// signed it; files in `folder`.
pub(crate) fn make_certificates(folder: &Path) -> rustls::ServerConfig {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
    fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
    write_private(&folder.join("key.pem"), &key.serialize_pem());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap()
}
