//! Against rsyslogd, and TLS against a server of our own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, Kind, Syslog, SyslogTransport};
use lfs_wrapper_alert::engine;
use lfs_wrapper_model::Severity;

use crate::support::{
    Process, free_port, make_certificates, notification, open, raised, send, serve, wait_for_port,
    wait_for_text,
};

fn channel(transport: SyslogTransport, timeout_msec: u64) -> Channel {
    open(Kind::Syslog(Syslog {
        transport,
        timeout: Duration::from_millis(timeout_msec),
    }))
}

/// An rsyslogd that listens on everything on one port and `socket`, and writes
/// what it understood to `out`.
fn start_rsyslogd(folder: tempfile::TempDir, port: u16) -> Process {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (work, socket, out) = (folder.path().display(), path("socket"), path("out"));
    let configuration = format!(
        r#"global(workDirectory="{work}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{socket}" UseSpecialParser="off" ParseHostname="on" IgnoreTimestamp="off")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{port}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="all" type="string" string="%pri%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="{out}" template="all")
"#
    );
    std::fs::write(path("conf"), configuration).unwrap();
    let mut command = Command::new("rsyslogd");
    command
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-n", "-f", &path("conf"), "-i", &path("pid")])
        .stderr(Stdio::null());
    let process = Process::start(&mut command, folder);
    wait_for_port(port);
    process
}

#[test]
#[ignore = "needs rsyslogd"]
fn rsyslogd_understands_what_comes_over_each_transport() {
    let port = free_port();
    let daemon = start_rsyslogd(tempfile::tempdir().unwrap(), port);
    let address = format!("127.0.0.1:{port}");
    let table = [
        ("unix", SyslogTransport::Unix(daemon.path("socket"))),
        ("udp", SyslogTransport::Udp(address.clone())),
        ("tcp", SyslogTransport::Tcp(address)),
    ];
    for (name, transport) in table {
        let channel = channel(transport, 10_000);
        for severity in Severity::ALL {
            let mut one = notification(1, engine::Kind::Raised, severity, "m");
            one.message = format!("over {name} {severity}\nä");
            one.labels
                .insert("path".to_owned(), "/a\"]\\\u{1b}b".to_owned());
            send(&channel, &[one]).unwrap();
        }
        let text = wait_for_text(&daemon.path("out"), &format!("over {name} emergency"));
        let numbers = [30, 28, 27, 26, 24];
        for (severity, number) in Severity::ALL.into_iter().zip(numbers) {
            let line = format!(
                "{number}|2023-11-14T22:14:20.250Z|builder|lfs-wrapper|alert|\
                 [lfs-wrapper@32473 rule=\"memory\" kind=\"raised\" severity=\"{severity}\" \
                 alert=\"1\" event=\"10\" reminder=\"false\" path=\"/a\\\"\\]\\\\ b\" resource=\"memory\"]|\
                 {} over {name} {severity} ä [raised]",
                severity.as_str().to_uppercase()
            );
            let found = wait_for_text(&daemon.path("out"), &format!("over {name} {severity} "));
            let found = found.replace("|: ", "|").replace("| ", "|");
            assert!(found.contains(&line), "{line}\n{text}");
        }
    }
}

#[test]
#[ignore = "needs rsyslogd"]
fn many_in_one_message_and_long_ones_arrive_whole_or_cut() {
    let port = free_port();
    let daemon = start_rsyslogd(tempfile::tempdir().unwrap(), port);
    let channel = channel(SyslogTransport::Tcp(format!("127.0.0.1:{port}")), 10_000);
    let mut all: Vec<_> = (0..200)
        .map(|number| raised(&format!("number {number} of many")))
        .collect();
    all.push(raised(&format!("long {}", "x".repeat(20_000))));
    all.push(raised("the last one"));
    send(&channel, &all).unwrap();
    let text = wait_for_text(&daemon.path("out"), "the last one");
    let count = (0..200)
        .filter(|number| text.contains(&format!("number {number} of many [raised]")))
        .count();
    assert_eq!(count, 200);
}

/// The window in which TCP alone loses messages: they are in the buffer of a
/// daemon that no longer reads.
#[test]
#[ignore = "needs rsyslogd"]
fn what_a_daemon_that_is_killed_did_not_read_was_not_taken() {
    let port = free_port();
    let mut daemon = start_rsyslogd(tempfile::tempdir().unwrap(), port);
    let address = format!("127.0.0.1:{port}");
    let patient = channel(SyslogTransport::Tcp(address.clone()), 20_000);
    send(&patient, &[raised("before")]).unwrap();
    wait_for_text(&daemon.path("out"), "before");
    daemon.stop();
    let hasty = channel(SyslogTransport::Tcp(address), 300);
    let error = send(&hasty, &[raised("lost")]).unwrap_err();
    assert!(
        !error.is_final && error.message.contains("time limit"),
        "{error}"
    );
    // One that waits hears of the death.
    let waiting = std::thread::spawn(move || {
        let outcome = send(&patient, &[raised("lost as well")]);
        (patient, outcome)
    });
    std::thread::sleep(Duration::from_millis(100));
    daemon.kill();
    let (patient, outcome) = waiting.join().unwrap();
    assert!(!outcome.unwrap_err().is_final);
    assert!(!send(&patient, &[raised("nobody")]).unwrap_err().is_final);
    let again = start_rsyslogd(tempfile::tempdir().unwrap(), port);
    send(&patient, &[raised("after")]).unwrap();
    let text = wait_for_text(&again.path("out"), "after");
    assert!(!text.contains("lost"), "{text}");
}

#[test]
fn it_arrives_at_a_socket_and_a_missing_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let channel = channel(SyslogTransport::Unix(path.clone()), 1000);
    let error = send(&channel, &[raised("disk full")]).unwrap_err();
    assert!(
        error.message.starts_with("sending to syslog at /"),
        "{error}"
    );
    let socket = UnixDatagram::bind(&path).unwrap();
    send(&channel, &[raised("disk full")]).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(text.ends_with("ERROR disk full [raised]"), "{text}");
}

#[test]
fn a_udp_port_where_nobody_listens_is_noticed_on_this_machine() {
    let channel = channel(
        SyslogTransport::Udp(format!("127.0.0.1:{}", free_port())),
        1000,
    );
    let error = send(&channel, &[raised("x")]).unwrap_err();
    assert!(error.message.contains("refused"), "{error}");
}

#[test]
fn tls_is_octet_counted_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let config = Arc::new(make_certificates(folder.path()));
    let (sender, receiver) = std::sync::mpsc::channel();
    let port = serve(move |mut stream| {
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut text = String::new();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        // Whoever does not trust us says so and goes.
        if tls.read_to_string(&mut text).is_ok() {
            tls.conn.send_close_notify();
            let _ = tls.flush();
            sender.send(text).unwrap();
        }
    });
    let other = tempfile::tempdir().unwrap();
    make_certificates(other.path());
    let at = |host: &str, ca_file| SyslogTransport::Tls {
        address: format!("{host}:{port}"),
        ca_file: Some(ca_file),
    };
    let ca = folder.path().join("ca.pem");
    for host in ["127.0.0.1", "localhost"] {
        let channel = channel(at(host, ca.clone()), 10_000);
        send(&channel, &[raised("one"), raised("two")]).unwrap();
        let text = receiver.recv().unwrap();
        let (length, rest) = text.split_once(' ').unwrap();
        let (first, rest) = rest.split_at(length.parse().unwrap());
        assert!(
            first.starts_with("<27>1 ") && first.ends_with("one [raised]"),
            "{first}"
        );
        let (length, second) = rest.split_once(' ').unwrap();
        assert_eq!(second.len(), length.parse::<usize>().unwrap());
    }
    let untrusted = channel(at("127.0.0.1", other.path().join("ca.pem")), 10_000);
    let error = send(&untrusted, &[raised("x")]).unwrap_err();
    assert!(error.message.contains("certificate"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let table = [
        (
            SyslogTransport::Tcp("logs".to_owned()),
            "'logs' is no host with a port",
        ),
        (
            SyslogTransport::Udp("::1:514".to_owned()),
            "'::1:514' is no host",
        ),
        (SyslogTransport::Tcp("a:0".to_owned()), "'a:0' is no host"),
        (
            SyslogTransport::Tls {
                address: "a:1".to_owned(),
                ca_file: Some("/nowhere/ca.pem".into()),
            },
            "reading /nowhere/ca.pem",
        ),
    ];
    for (transport, expected) in table {
        let syslog = Syslog {
            transport,
            ..Syslog::default()
        };
        let error = Channel::new("logs", Kind::Syslog(syslog)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("channel 'logs': {expected}")),
            "{error}"
        );
    }
}
